//! The step `delegation`: whether the parent of the host's zone leads to name servers that serve the zone, and whether
//! the zone names the same ones.
//!
//! Resolvers follow the parent's list first and then believe the zone's own more (RFC 2181 §5.4.1, RFC 1034 §4.2.2), so
//! a name server that only one of them has works for some and not for others, or for some seconds only.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::{IpAddr, SocketAddr},
};

use hickory_server::proto::{
    op::ResponseCode,
    rr::{Name, RData, Record, RecordType},
};

use super::{
    dns::{self, Answer},
    report::Step,
    search::Search,
};

/// The name of the step.
const NAME: &str = "delegation";

/// Looks at the delegation of the zone that holds a name.
pub(super) async fn check(search: &Search<'_>, name: &Name) -> Step {
    if !search.name_servers.is_empty() {
        return Step::skipped(NAME, "not looked at, because name servers were given");
    }
    match find(search.resolver, name).await {
        Ok(delegation) => delegation.judge(&plain(name)),
        Err(problem) => Step::unknown(NAME, problem)
            .meaning("whether the zone is delegated could not be determined")
            .advice("make sure that this machine may ask name servers over port 53, then check again"),
    }
}

/// What was found of a delegation.
#[derive(Debug, Default)]
struct Delegation {
    /// The zone that is closest above the host.
    zone: String,
    /// The zone above it, as a person reads it.
    parent: String,
    /// The name servers that the parent lists, and what each said.
    listed: BTreeMap<String, Answered>,
    /// The name servers that the zone itself lists.
    own: BTreeSet<String>,
    /// Those of both that lie in the zone and have no address there.
    homeless: BTreeSet<String>,
}

/// What a name server said to a question for its zone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Answered {
    /// It serves the zone.
    Serves,
    /// It answers and does not serve the zone.
    Refuses,
    /// It has no address.
    NoAddress,
    /// It did not answer.
    Silent,
}

/// Follows the delegation of the zone that holds a name, from the parent's name servers on.
async fn find(resolver: SocketAddr, name: &Name) -> Result<Delegation, String> {
    let (zone, parent, referral) = refer(resolver, name).await?;
    let mut delegation = Delegation { zone: plain(&zone), parent: plain(&parent), ..Delegation::default() };
    for server in name_servers(&referral, &zone) {
        let glue = addresses_of(&referral, &server);
        let addresses = if glue.is_empty() { resolve(resolver, &server).await? } else { glue };
        let answered = delegation.look_at(&server, &addresses, &zone).await;
        delegation.listed.insert(plain(&server), answered);
    }
    Ok(delegation)
}

/// The zone of a name, its parent, and what the parent's name servers have of it.
async fn refer(resolver: SocketAddr, name: &Name) -> Result<(Name, Name, Answer), String> {
    let Above { found, failing } = zones_above(resolver, name).await?;
    if let Some(zone) = failing
        && let Ok(referral) = ask_parent(resolver, &found, &zone).await
        && !name_servers(&referral, &zone).is_empty()
    {
        return Ok((zone, found, referral));
    }
    if found.is_root() {
        return Err(format!("no zone above {} is in DNS", plain(name)));
    }
    let parent = zones_above(resolver, &found.base_name()).await?.found;
    let referral = ask_parent(resolver, &parent, &found).await?;
    Ok((found, parent, referral))
}

/// What the resolver has at a name and above it.
#[derive(Debug, PartialEq, Eq)]
struct Above {
    /// The closest zone.
    found: Name,
    /// The highest name below it that the resolver fails at. That is a zone whose delegation is broken, or else the zone
    /// that was found has lost its name servers.
    failing: Option<Name>,
}

/// Looks for the closest zone at or above a name.
async fn zones_above(resolver: SocketAddr, name: &Name) -> Result<Above, String> {
    let mut at = name.clone();
    let mut failing = None;
    loop {
        let answer = ask(resolver, &at, RecordType::NS, true).await?;
        if answer.code == ResponseCode::ServFail {
            failing = Some(at.clone());
        } else if at.is_root() || !name_servers(&answer, &at).is_empty() {
            return Ok(Above { found: at, failing });
        }
        if at.is_root() {
            return Err(format!("{resolver} answers {} for every zone above {}", answer.code, plain(name)));
        }
        at = at.base_name();
    }
}

/// What the first of the parent's name servers that answers has of the zone: a referral.
async fn ask_parent(resolver: SocketAddr, parent: &Name, zone: &Name) -> Result<Answer, String> {
    let servers = name_servers(&ask(resolver, parent, RecordType::NS, true).await?, parent);
    let mut problem = format!("no name server of {} is known to {resolver}", plain(parent));
    for server in servers {
        for address in resolve(resolver, &server).await? {
            match dns::ask(SocketAddr::new(address, 53), zone, RecordType::NS, false).await {
                Ok(answer) if matches!(answer.code, ResponseCode::NoError | ResponseCode::NXDomain) => {
                    return Ok(answer);
                }
                Ok(answer) => problem = format!("{} answers {}", plain(&server), answer.code),
                Err(error) => problem = format!("{} at {address}: {error}", plain(&server)),
            }
        }
    }
    Err(problem)
}

impl Delegation {
    /// Asks a name server for its zone, and notes the name servers that it lists.
    async fn look_at(&mut self, server: &Name, addresses: &[IpAddr], zone: &Name) -> Answered {
        let mut answered = if addresses.is_empty() { Answered::NoAddress } else { Answered::Silent };
        for address in addresses.iter().map(|address| SocketAddr::new(*address, 53)) {
            let Ok(answer) = dns::ask(address, zone, RecordType::NS, false).await else { continue };
            if !answer.authoritative {
                answered = Answered::Refuses;
                continue;
            }
            let own = name_servers(&answer, zone);
            for within in own.iter().chain([server]).filter(|name| zone.zone_of(name)) {
                if has_no_address(address, within).await {
                    self.homeless.insert(plain(within));
                }
            }
            self.own.extend(own.iter().map(plain));
            return Answered::Serves;
        }
        answered
    }

    /// What that means for a host of the zone.
    fn judge(&self, host: &str) -> Step {
        let Self { zone, parent, listed, own, homeless } = self;
        let names = |answered: Answered| listed.iter().filter(move |(_, had)| **had == answered).map(|(name, _)| name);
        let list = |names: &BTreeSet<String>| names.iter().cloned().collect::<Vec<_>>().join(", ");
        let all: BTreeSet<String> = listed.keys().cloned().collect();
        if all.is_empty() {
            return Step::wrong(NAME, format!("{parent} does not delegate {zone}"))
                .meaning("nobody finds the zone")
                .advice(format!(
                    "enter the zone's name servers at {parent}, usually at your registrar, as NS of {zone}"
                ));
        }
        for (answered, what) in
            [(Answered::Refuses, "does not serve the zone"), (Answered::NoAddress, "has no address")]
        {
            if let Some(name) = names(answered).next() {
                return Step::wrong(NAME, format!("{parent} delegates {zone} to {name}, which {what}"))
                    .meaning("resolvers that ask it first get no answer there")
                    .advice(format!("make the NS of {zone} at {parent} those that Route 53 lists for the zone, or the name of this nic53, with its address as glue"));
            }
        }
        if let Some(name) = homeless.first() {
            return Step::wrong(NAME, format!("{zone} has no address of its own name server {name}"))
                .meaning("resolvers find the zone by the address at its parent, and lose it some seconds later")
                .advice(format!(
                    "set NIC53_NAME_SERVER={name}=ADDRESS of `nic53 serve`, or add A or AAAA of {name} to the zone"
                ));
        }
        if own.is_empty() {
            return Step::unknown(NAME, format!("{parent} delegates {zone} to {}: no answer", list(&all)))
                .meaning("whether they serve the zone could not be determined")
                .advice("make sure that they run, and that this machine may ask them over port 53");
        }
        if all != *own {
            return Step::note(
                NAME,
                format!("{parent} delegates {zone} to {}; the zone itself lists {}", list(&all), list(own)),
            )
            .meaning("resolvers follow the one list first and the other later")
            .advice("make both lists the same");
        }
        let list = list(&all);
        Step::fine(
            NAME,
            format!("{host} is in the zone {zone}, which {parent} delegates to {list}, as the zone itself lists them"),
        )
    }
}

/// Whether a name server of the zone has no address of a name, which lies in the zone.
async fn has_no_address(server: SocketAddr, name: &Name) -> bool {
    for kind in [RecordType::A, RecordType::AAAA] {
        match dns::ask(server, name, kind, false).await {
            Ok(answer) if answer.addresses().next().is_none() => {}
            Ok(_) | Err(_) => return false,
        }
    }
    true
}

/// The addresses of a name, as the resolver has them.
async fn resolve(resolver: SocketAddr, name: &Name) -> Result<Vec<IpAddr>, String> {
    let mut addresses = Vec::new();
    for kind in [RecordType::A, RecordType::AAAA] {
        addresses.extend(ask(resolver, name, kind, true).await?.addresses());
    }
    Ok(addresses)
}

/// Asks the resolver.
async fn ask(resolver: SocketAddr, name: &Name, kind: RecordType, recurse: bool) -> Result<Answer, String> {
    dns::ask(resolver, name, kind, recurse)
        .await
        .map_err(|problem| format!("{} {kind} at {resolver}: {problem}", plain(name)))
}

/// The name servers of a zone in an answer or a referral.
fn name_servers(answer: &Answer, zone: &Name) -> Vec<Name> {
    let name = |record: &Record| match &record.data {
        RData::NS(name) if record.name == *zone => Some(name.0.clone()),
        _ => None,
    };
    answer.records.iter().chain(&answer.authorities).filter_map(name).collect()
}

/// The addresses of a name that came with a referral: its glue.
fn addresses_of(answer: &Answer, server: &Name) -> Vec<IpAddr> {
    let of_server = answer.additionals.iter().filter(|record| record.name == *server);
    of_server.filter_map(|record| dns::address(&record.data)).collect()
}

/// A name as a person reads it.
fn plain(name: &Name) -> String {
    if name.is_root() {
        return "the root".to_owned();
    }
    name.to_ascii().trim_end_matches('.').to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::check::report::Severity;

    #[test]
    fn a_delegation_is_right_if_parent_and_zone_agree_and_all_serve_it() {
        use Answered::{NoAddress, Refuses, Serves, Silent};
        for (listed, own, homeless, severity, words) in [
            (
                &[("ns1", Serves), ("ns2", Serves)][..],
                &["ns1", "ns2"][..],
                &[][..],
                Severity::Fine,
                "in the zone example.org, which org delegates to ns1, ns2, as",
            ),
            (
                &[("ns1", Serves), ("ns2", Silent)],
                &["ns1", "ns2"],
                &[],
                Severity::Fine,
                "as the zone itself lists them",
            ),
            (&[], &[], &[], Severity::Wrong, "org does not delegate example.org"),
            (
                &[("ns1", Serves), ("ns2", Refuses)],
                &["ns1"],
                &[],
                Severity::Wrong,
                "to ns2, which does not serve the zone",
            ),
            (&[("ns1", NoAddress)], &[], &[], Severity::Wrong, "to ns1, which has no address"),
            (&[("ns1", Serves)], &["ns1"], &["ns1"], Severity::Wrong, "no address of its own name server ns1"),
            (&[("ns1", Silent)], &[], &[], Severity::Unknown, "to ns1: no answer"),
            (&[("ns1", Serves)], &["ns1", "ns3"], &[], Severity::Note, "to ns1; the zone itself lists ns1, ns3"),
        ] {
            let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
            let delegation = Delegation {
                zone: "example.org".to_owned(),
                parent: "org".to_owned(),
                listed: listed.iter().map(|(name, answered)| ((*name).to_owned(), *answered)).collect(),
                own: names(own),
                homeless: names(homeless),
            };
            let step = delegation.judge("home.example.org");
            assert_eq!(step.severity, severity, "{delegation:?}: {step:?}");
            assert!(step.observed.contains(words), "{words} is not in {step:?}");
            assert_eq!(step.advice.is_empty(), severity == Severity::Fine, "{step:?}");
        }
    }

    #[tokio::test]
    async fn the_closest_zone_is_found_and_what_fails_below_it() {
        let name = |text: &str| Name::from_ascii(text).unwrap();
        let ns = move || RData::NS(hickory_server::proto::rr::rdata::NS(Name::from_ascii("ns.example.").unwrap()));
        let resolver = dns::testing::server(false, move |query, reply| match query.name.to_ascii().as_str() {
            "well.example." | "example." | "." => {
                reply.add_answer(Record::from_rdata(query.name.clone(), 60, ns()));
            }
            asked if asked.ends_with("broken.example.") => reply.metadata.response_code = ResponseCode::ServFail,
            _ => {}
        })
        .await;
        for (host, found, failing) in [
            ("a.b.well.example.", "well.example.", None),
            ("well.example.", "well.example.", None),
            ("a.example.", "example.", None),
            ("a.broken.example.", "example.", Some("broken.example.")),
            ("a.elsewhere.", ".", None),
        ] {
            let above = Above { found: name(found), failing: failing.map(name) };
            assert_eq!(zones_above(resolver, &name(host)).await, Ok(above), "{host}");
        }
    }
}
