//! Finding the name servers of a host's zone.

use std::net::SocketAddr;

use hickory_server::proto::rr::{Name, RData, RecordType};

use super::{
    dns::{self, Answer},
    report::Step,
    search::Search,
};

/// A DNS server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Server {
    /// Its name.
    pub name: String,
    /// Its addresses.
    pub addresses: Vec<SocketAddr>,
}

/// The servers to ask: those given, else the zone's own. If they cannot be found, the step that says so.
pub(super) async fn find(search: &Search<'_>, name: &Name) -> Result<Vec<Server>, Step> {
    if !search.name_servers.is_empty() {
        let given = search.name_servers.iter();
        return Ok(given.map(|server| Server { name: server.to_string(), addresses: vec![*server] }).collect());
    }
    let names = names(search, name).await?;
    let mut servers = Vec::new();
    for name in names {
        let mut addresses = Vec::new();
        for kind in [RecordType::A, RecordType::AAAA] {
            let answer = resolve(search, &name, kind).await?;
            addresses.extend(answer.addresses().map(|address| SocketAddr::new(address, 53)));
        }
        servers.push(Server { name: name.to_ascii().trim_end_matches('.').to_owned(), addresses });
    }
    Ok(servers)
}

/// The names of the name servers of the closest zone above a name.
async fn names(search: &Search<'_>, name: &Name) -> Result<Vec<Name>, Step> {
    let mut zone = name.clone();
    loop {
        let names = names_in(&resolve(search, &zone, RecordType::NS).await?);
        if !names.is_empty() {
            return Ok(names);
        }
        if zone.num_labels() <= 1 {
            return Err(unknown(format!("no zone above {} has name servers", search.host)));
        }
        zone = zone.base_name();
    }
}

/// The names of name servers in an answer.
fn names_in(answer: &Answer) -> Vec<Name> {
    let name = |data: &RData| if let RData::NS(name) = data { Some(name.0.clone()) } else { None };
    answer.records.iter().filter_map(|record| name(&record.data)).collect()
}

/// Asks the resolver.
async fn resolve(search: &Search<'_>, name: &Name, kind: RecordType) -> Result<Answer, Step> {
    let answer = dns::ask(search.resolver, name, kind, true).await;
    answer.map_err(|problem| unknown(format!("{} {kind} at {}: {problem}", name.to_ascii(), search.resolver)))
}

/// The step of name servers that were not found.
fn unknown(observed: String) -> Step {
    Step::unknown("name-servers", observed).meaning("the zone's name servers could not be found").advice(
        "make sure that this machine may ask the resolver over port 53, or name others by --resolver and --name-server",
    )
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use hickory_server::proto::rr::{
        Record,
        rdata::{A, AAAA, NS},
    };

    use super::*;
    use crate::{cli::check::report::Severity, protocol::hostname::HostName};

    #[tokio::test]
    async fn the_zones_own_name_servers_are_found_above_the_host() {
        let name = |name: &str| Name::from_ascii(name).unwrap();
        let resolver = dns::testing::server(false, move |query, reply| {
            let data = match (query.name.to_ascii().as_str(), query.query_type) {
                ("example.org.", RecordType::NS) => RData::NS(NS(name("ns1.example.net."))),
                ("ns1.example.net.", RecordType::A) => RData::A(A("192.0.2.53".parse().unwrap())),
                ("ns1.example.net.", RecordType::AAAA) => RData::AAAA(AAAA("2001:db8::53".parse().unwrap())),
                _ => return,
            };
            reply.add_answer(Record::from_rdata(query.name.clone(), 60, data));
        })
        .await;
        let expected = Server {
            name: "ns1.example.net".to_owned(),
            addresses: vec!["192.0.2.53:53".parse().unwrap(), "[2001:db8::53]:53".parse().unwrap()],
        };
        for (host, found) in [("*.home.example.org", true), ("example.org", true), ("home.example.com", false)] {
            let host: HostName = host.parse().unwrap();
            let search = Search { host: &host, expected: None, name_servers: &[], resolver, wait: Duration::ZERO };
            match find(&search, &name(&format!("{host}."))).await {
                Ok(servers) => assert!(found && servers == [expected.clone()], "{host}: {servers:?}"),
                Err(step) => assert!(!found && step.severity == Severity::Unknown, "{host}: {step:?}"),
            }
        }
    }
}
