//! The record in DNS: at the zone's own name servers, then at a resolver, until both have what the gateway says.

use std::{
    collections::BTreeSet,
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use futures_util::future::join_all;
use hickory_server::proto::{
    op::ResponseCode,
    rr::{Name, RData, RecordType},
};
use tokio::time::{Instant, sleep};

use super::{
    dns::{self, Answer},
    report::{Report, Step},
    update::list,
};
use crate::protocol::hostname::HostName;

/// Between two looks.
const PAUSE: Duration = Duration::from_secs(2);

/// Where to look, for what, and for how long.
pub(super) struct Search<'a> {
    /// The host.
    pub host: &'a HostName,
    /// What the gateway says that it has, if it was asked.
    pub expected: Option<BTreeSet<IpAddr>>,
    /// The name servers to ask in place of the zone's own.
    pub name_servers: &'a [SocketAddr],
    /// The resolver.
    pub resolver: SocketAddr,
    /// How long to wait for the servers to agree, at each of both.
    pub wait: Duration,
}

/// A server, and what it has.
#[derive(Clone, Debug)]
struct View {
    /// What the server is called.
    server: String,
    /// What it has, or why it does not say.
    seen: Result<Seen, String>,
}

/// What a server has of a host.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Seen {
    /// A and AAAA.
    addresses: BTreeSet<IpAddr>,
    /// The longest TTL among them.
    ttl: Option<u32>,
    /// Where a CNAME leads.
    alias: Option<String>,
    /// Why the server does not serve the name, such as `REFUSED`.
    refusal: Option<String>,
}

/// Looks until all agree or the time is up.
pub(super) async fn search(search: &Search<'_>, report: &mut Report) {
    let name = match Name::from_ascii(format!("{}.", search.host)) {
        Ok(name) => name,
        Err(error) => return report.add(Step::unknown("name-servers", format!("{}: {error}", search.host))),
    };
    let servers = match servers(search, &name).await {
        Ok(servers) => servers,
        Err(step) => return report.add(step),
    };
    let (step, views) = look(search, &name, &servers, false, report).await;
    let agreed = step.verdict.is_fine();
    report.add(step);
    if !agreed {
        return;
    }
    let seen = views.iter().find_map(|view| view.seen.as_ref().ok());
    let expected = seen.map(|seen| seen.addresses.clone());
    let resolver = [(search.resolver.ip().to_string(), vec![search.resolver])];
    let (step, _) = look(&Search { expected, ..*search }, &name, &resolver, true, report).await;
    report.add(step);
    if let Some(ttl) = views.iter().filter_map(|view| view.seen.as_ref().ok()?.ttl).max() {
        report.add(judge_ttl(ttl));
    }
}

/// Name servers by their names, each with its addresses.
type Servers = Vec<(String, Vec<SocketAddr>)>;

/// The servers to ask: those given, else those that the zone names.
async fn servers(search: &Search<'_>, name: &Name) -> Result<Servers, Step> {
    if !search.name_servers.is_empty() {
        return Ok(search.name_servers.iter().map(|server| (server.to_string(), vec![*server])).collect());
    }
    let unknown = |problem: String| {
        Step::unknown("name-servers", problem).means("the zone's name servers could not be found").advice(
            "see that this machine may ask the resolver over port 53, or name others by --resolver and --name-server",
        )
    };
    let resolve = async |name: &Name, kind| {
        let answer = dns::ask(search.resolver, name, kind, true).await;
        answer.map_err(|problem| unknown(format!("{} {kind} at {}: {problem}", name.to_ascii(), search.resolver)))
    };
    let mut zone = name.clone();
    let named = loop {
        let named = name_servers(&resolve(&zone, RecordType::NS).await?);
        if !named.is_empty() || zone.num_labels() <= 1 {
            break named;
        }
        zone = zone.base_name();
    };
    if named.is_empty() {
        return Err(unknown(format!("no zone above {} has name servers", search.host)));
    }
    let mut servers = Servers::new();
    for server in named {
        let mut addresses = Vec::new();
        for kind in [RecordType::A, RecordType::AAAA] {
            addresses.extend(resolve(&server, kind).await?.addresses().map(|address| SocketAddr::new(address, 53)));
        }
        servers.push((server.to_ascii().trim_end_matches('.').to_owned(), addresses));
    }
    Ok(servers)
}

/// The names of name servers in an answer.
fn name_servers(answer: &Answer) -> Vec<Name> {
    let name = |data: &RData| if let RData::NS(name) = data { Some(name.0.clone()) } else { None };
    answer.records.iter().filter_map(|record| name(&record.data)).collect()
}

/// Asks all servers again and again, until they agree or the time is up.
async fn look(
    search: &Search<'_>,
    name: &Name,
    servers: &[(String, Vec<SocketAddr>)],
    recurse: bool,
    report: &Report,
) -> (Step, Vec<View>) {
    let deadline = Instant::now() + search.wait;
    loop {
        let views = join_all(servers.iter().map(|(server, ways)| view(server, ways, name, recurse))).await;
        let (step, settled) = judge(search, &views, recurse);
        let left = deadline.saturating_duration_since(Instant::now());
        if settled || left.is_zero() {
            report.progress("");
            return (step, views);
        }
        report.progress(&format!("waiting, {} s left: {}", left.as_secs(), step.saw));
        sleep(PAUSE.min(left)).await;
    }
}

/// What one server has, at the first of its addresses that answers.
async fn view(server: &str, ways: &[SocketAddr], name: &Name, recurse: bool) -> View {
    let mut problem = "it has no address: expected one in its zone (NIC53_NAME_SERVER of nic53 serve) and, as glue, in the delegation".to_owned();
    for way in ways {
        let (a, aaaa) =
            tokio::join!(dns::ask(*way, name, RecordType::A, recurse), dns::ask(*way, name, RecordType::AAAA, recurse));
        match a.and_then(|a| aaaa.map(|aaaa| seen(&[a, aaaa], recurse))) {
            Ok(seen) => return View { server: server.to_owned(), seen: Ok(seen) },
            Err(error) => problem = error,
        }
    }
    View { server: server.to_owned(), seen: Err(problem) }
}

/// What two answers of one server say together.
fn seen(answers: &[Answer], recurse: bool) -> Seen {
    let mut seen = Seen::default();
    for answer in answers {
        seen.addresses.extend(answer.addresses());
        seen.ttl = seen.ttl.max(answer.records.iter().map(|record| record.ttl).max());
        let alias = |data: &RData| if let RData::CNAME(name) = data { Some(name.0.to_ascii()) } else { None };
        seen.alias = seen.alias.or_else(|| answer.records.iter().find_map(|record| alias(&record.data)));
        let known = matches!(answer.code, ResponseCode::NoError | ResponseCode::NXDomain);
        if !known {
            seen.refusal = Some(answer.code.to_string());
        } else if !recurse && !answer.authoritative {
            seen.refusal = Some("it does not serve the zone".to_owned());
        }
    }
    seen
}

/// What the servers have, and whether there is nothing more to wait for.
fn judge(search: &Search<'_>, views: &[View], recurse: bool) -> (Step, bool) {
    let name = if recurse { "resolver" } else { "name-servers" };
    let answered: Vec<(&str, &Seen)> =
        views.iter().filter_map(|view| Some((view.server.as_str(), view.seen.as_ref().ok()?))).collect();
    let Some((_, first)) = answered.first() else {
        let problems: Vec<_> =
            views.iter().filter_map(|view| Some(format!("{}: {}", view.server, view.seen.as_ref().err()?))).collect();
        let step = Step::unknown(name, problems.join("; "))
            .means("what DNS has could not be told")
            .advice("see that this machine may ask servers over port 53, and check again");
        return (step, true);
    };
    if let Some((server, alias)) = answered.iter().find_map(|(server, seen)| Some((server, seen.alias.as_ref()?))) {
        let step = Step::wrong(name, format!("{server}: {} is a CNAME of {alias}", search.host))
            .means("the gateway leaves a name with a CNAME alone and says nohost")
            .advice("remove the CNAME, or have the client move the name that it leads to");
        return (step, true);
    }
    if let Some((server, refusal)) = answered.iter().find_map(|(server, seen)| Some((server, seen.refusal.as_ref()?))) {
        let step = Step::wrong(name, format!("{server}: {refusal}"))
            .means("this server does not answer for the host")
            .advice("see that the zone is delegated to the servers that Route 53 lists for it");
        return (step, true);
    }
    let expected = search.expected.as_ref().unwrap_or(&first.addresses);
    let behind = answered.iter().find(|(_, seen)| seen.addresses != *expected);
    if let Some((server, seen)) = behind {
        return (late(search, recurse, server, seen, expected), false);
    }
    let servers: Vec<_> = answered.iter().map(|(server, _)| *server).collect();
    let saw = format!("{} at {}", shown(expected), servers.join(", "));
    let silent: Vec<_> = views.iter().filter(|view| view.seen.is_err()).map(|view| view.server.as_str()).collect();
    if expected.is_empty() {
        // What a monitor is there to see: the name leads nowhere.
        let step = Step::wrong(name, saw)
            .means("nobody can reach the host by its name")
            .advice("have the client update it once, and look at what the gateway answers it");
        (step, true)
    } else if silent.is_empty() {
        (Step::fine(name, saw), true)
    } else {
        let step = Step::note(name, format!("{saw}; no answer from {}", silent.join(", ")))
            .means("resolvers ask another server then, and wait for this one first")
            .advice("check again later");
        (step, true)
    }
}

/// A server that has something else than it should.
fn late(search: &Search<'_>, recurse: bool, server: &str, seen: &Seen, expected: &BTreeSet<IpAddr>) -> Step {
    let saw = format!("{server} has {}, not {}", shown(&seen.addresses), shown(expected));
    let waited = search.wait.as_secs();
    if recurse {
        let ttl = seen.ttl.map(|ttl| format!(", and may for another {ttl} s")).unwrap_or_default();
        return Step::unknown("resolver", saw)
            .means(format!("it still had what it had learnt before, after {waited} s{ttl}"))
            .advice("check again later, or with a longer --wait");
    }
    Step::wrong("name-servers", saw)
        .means(format!("the record does not say what the gateway says, after {waited} s"))
        .advice(
            "see that the zone's id in NIC53_ZONES is that of the zone that is delegated; there may be two of one name",
        )
}

/// How long a change takes to be seen.
fn judge_ttl(ttl: u32) -> Step {
    if ttl <= 900 {
        return Step::fine("ttl", format!("{ttl} s, after which a change is seen everywhere"));
    }
    Step::note("ttl", format!("{ttl} s"))
        .means("after a change, the old address goes on being used for that long")
        .advice("send a lower `ttl` with an update; 60 is the default of a new record")
}

/// Addresses, or that there are none.
fn shown(addresses: &BTreeSet<IpAddr>) -> String {
    if addresses.is_empty() { "no address".to_owned() } else { list(addresses) }
}

#[cfg(test)]
mod tests {
    use hickory_server::proto::rr::{
        Record,
        rdata::{A, AAAA, NS},
    };

    use super::*;
    use crate::cli::check::report::Verdict;

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
        for (host, found) in [("*.home.example.org", true), ("example.org", true), ("home.example.com", false)] {
            let host: HostName = host.parse().unwrap();
            let search = Search { host: &host, expected: None, name_servers: &[], resolver, wait: Duration::ZERO };
            let servers = servers(&search, &name(&format!("{host}."))).await;
            let expected = (
                "ns1.example.net".to_owned(),
                vec!["192.0.2.53:53".parse().unwrap(), "[2001:db8::53]:53".parse().unwrap()],
            );
            match servers {
                Ok(servers) => assert!(found && servers == [expected], "{host}: {servers:?}"),
                Err(step) => assert!(!found && step.verdict == Verdict::Unknown, "{host}: {step:?}"),
            }
        }
    }

    /// A server that has these addresses.
    fn has(server: &str, addresses: &[&str]) -> View {
        let addresses = addresses.iter().map(|address| address.parse().unwrap()).collect();
        View { server: server.to_owned(), seen: Ok(Seen { addresses, ttl: Some(60), ..Seen::default() }) }
    }

    /// A server that has something odd.
    fn odd(seen: Seen) -> View {
        View { server: "ns1".to_owned(), seen: Ok(seen) }
    }

    #[test]
    fn the_servers_agree_or_it_is_said_which_does_not() {
        let silent = View { server: "ns2".to_owned(), seen: Err("no answer".to_owned()) };
        let host = "home.example.org".parse().unwrap();
        for (views, expected, verdict, settled, words) in [
            (
                vec![has("ns1", &["192.0.2.1"]), has("ns2", &["192.0.2.1"])],
                Some("192.0.2.1"),
                Verdict::Fine,
                true,
                "at ns1, ns2",
            ),
            (vec![has("ns1", &["192.0.2.1"]), has("ns2", &["192.0.2.1"])], None, Verdict::Fine, true, "192.0.2.1"),
            (vec![has("ns1", &[])], None, Verdict::Wrong, true, "no address"),
            (
                vec![has("ns1", &["192.0.2.1"]), has("ns2", &["192.0.2.2"])],
                None,
                Verdict::Wrong,
                false,
                "ns2 has 192.0.2.2",
            ),
            (vec![has("ns1", &["192.0.2.9"])], Some("192.0.2.1"), Verdict::Wrong, false, "not 192.0.2.1"),
            (vec![has("ns1", &["192.0.2.1"]), silent.clone()], None, Verdict::Note, true, "no answer from ns2"),
            (vec![silent], None, Verdict::Unknown, true, "ns2: no answer"),
            (
                vec![odd(Seen { alias: Some("x.".into()), ..Seen::default() })],
                None,
                Verdict::Wrong,
                true,
                "CNAME of x.",
            ),
            (
                vec![odd(Seen { refusal: Some("Refused".into()), ..Seen::default() })],
                None,
                Verdict::Wrong,
                true,
                "Refused",
            ),
        ] {
            let search = Search {
                host: &host,
                expected: expected.map(|address| BTreeSet::from([address.parse().unwrap()])),
                name_servers: &[],
                resolver: "192.0.2.53:53".parse().unwrap(),
                wait: Duration::ZERO,
            };
            let (step, done) = judge(&search, &views, false);
            assert_eq!((step.verdict, done), (verdict, settled), "{views:?}: {step:?}");
            assert!(step.saw.contains(words), "{words} is not in {step:?}");
        }
    }

    #[test]
    fn a_resolver_that_is_behind_is_not_wrong() {
        let host = "home.example.org".parse().unwrap();
        let search = Search {
            host: &host,
            expected: Some(BTreeSet::new()),
            name_servers: &[],
            resolver: "192.0.2.53:53".parse().unwrap(),
            wait: Duration::from_secs(5),
        };
        let (step, settled) = judge(&search, &[has("192.0.2.53", &["192.0.2.1"])], true);
        assert_eq!((step.verdict, settled), (Verdict::Unknown, false));
        assert!(step.means.contains("another 60 s"), "{step:?}");
    }

    #[test]
    fn a_long_ttl_is_said() {
        assert_eq!(judge_ttl(60).verdict, Verdict::Fine);
        assert_eq!(judge_ttl(86400).verdict, Verdict::Note);
    }
}
