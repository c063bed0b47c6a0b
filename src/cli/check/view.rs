//! What DNS servers have of a host, and whether that is right.

use std::{collections::BTreeSet, net::IpAddr};

use hickory_server::proto::{
    op::ResponseCode,
    rr::{Name, RData, RecordType},
};

use super::{
    dns::{self, Answer},
    name_servers::Server,
    reply::list,
    report::Step,
    search::Search,
};

/// What a server is asked as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// For what it has itself.
    NameServer,
    /// For what it finds or has cached.
    Resolver,
}

/// What one server has of the host.
#[derive(Clone, Debug)]
pub(super) struct View {
    /// The server's name.
    pub server: String,
    /// Its records, or why it did not answer.
    pub seen: Result<Records, String>,
}

/// The records of the host at one server.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Records {
    /// A and AAAA.
    pub addresses: BTreeSet<IpAddr>,
    /// The longest TTL among them.
    pub ttl: Option<u32>,
    /// The target of a CNAME.
    alias: Option<String>,
    /// Why the server does not serve the name, such as `REFUSED`.
    refusal: Option<String>,
}

impl View {
    /// Asks a server, at the first of its addresses that answers.
    pub(super) async fn of(server: &Server, name: &Name, role: Role) -> Self {
        let recurse = role == Role::Resolver;
        let mut problem = "it has no address: expected one in its zone (NIC53_NAME_SERVER of nic53 serve) and, as glue, in the delegation".to_owned();
        for address in &server.addresses {
            let (a, aaaa) = tokio::join!(
                dns::ask(*address, name, RecordType::A, recurse),
                dns::ask(*address, name, RecordType::AAAA, recurse)
            );
            match a.and_then(|a| aaaa.map(|aaaa| Records::of(&[a, aaaa], role))) {
                Ok(seen) => return Self { server: server.name.clone(), seen: Ok(seen) },
                Err(error) => problem = error,
            }
        }
        Self { server: server.name.clone(), seen: Err(problem) }
    }
}

impl Records {
    /// The records in the answers of one server.
    fn of(answers: &[Answer], role: Role) -> Self {
        let mut records = Self::default();
        for answer in answers {
            records.addresses.extend(answer.addresses());
            records.ttl = records.ttl.max(answer.records.iter().map(|record| record.ttl).max());
            let alias = |data: &RData| if let RData::CNAME(name) = data { Some(name.0.to_ascii()) } else { None };
            records.alias = records.alias.or_else(|| answer.records.iter().find_map(|record| alias(&record.data)));
            let known = matches!(answer.code, ResponseCode::NoError | ResponseCode::NXDomain);
            if !known {
                records.refusal = Some(answer.code.to_string());
            } else if role == Role::NameServer && !answer.authoritative {
                records.refusal = Some("it does not serve the zone".to_owned());
            }
        }
        records
    }
}

/// A server that answered, and its records.
type Answered<'a> = (&'a str, &'a Records);

impl Role {
    /// The name of the step.
    fn name(self) -> &'static str {
        match self {
            Self::NameServer => "name-servers",
            Self::Resolver => "resolver",
        }
    }

    /// Whether all servers have the expected addresses. Also whether waiting could change that.
    pub(super) fn judge(self, search: &Search<'_>, views: &[View]) -> (Step, bool) {
        let answered: Vec<Answered<'_>> =
            views.iter().filter_map(|view| Some((view.server.as_str(), view.seen.as_ref().ok()?))).collect();
        let Some((_, first)) = answered.first() else { return (self.silent(views), true) };
        if let Some(step) = self.unusable(search, &answered) {
            return (step, true);
        }
        let expected = search.expected.as_ref().unwrap_or(&first.addresses);
        match answered.iter().find(|(_, seen)| seen.addresses != *expected) {
            Some((server, seen)) => (self.differs(search, server, seen, expected), false),
            None => (self.agreed(expected, views), true),
        }
    }

    /// The step if no server answered.
    fn silent(self, views: &[View]) -> Step {
        let problem = |view: &View| Some(format!("{}: {}", view.server, view.seen.as_ref().err()?));
        Step::unknown(self.name(), views.iter().filter_map(problem).collect::<Vec<_>>().join("; "))
            .meaning("the record in DNS could not be read")
            .advice("make sure that this machine may ask servers over port 53, then check again")
    }

    /// The step if a server has a CNAME or does not serve the name.
    fn unusable(self, search: &Search<'_>, answered: &[Answered<'_>]) -> Option<Step> {
        let alias = answered.iter().find_map(|(server, seen)| Some((server, seen.alias.as_ref()?)));
        if let Some((server, alias)) = alias {
            let step = Step::wrong(self.name(), format!("{server}: {} is a CNAME of {alias}", search.host))
                .meaning("nic53 leaves a name with a CNAME alone and answers nohost")
                .advice(format!("remove the CNAME, or have the client move {alias} instead"));
            return Some(step);
        }
        let (server, refusal) = answered.iter().find_map(|(server, seen)| Some((server, seen.refusal.as_ref()?)))?;
        let step = Step::wrong(self.name(), format!("{server}: {refusal}"))
            .meaning("this server does not answer for the host")
            .advice("make sure that the zone is delegated to the name servers that Route 53 lists for it");
        Some(step)
    }

    /// The step if a server has other addresses than expected.
    fn differs(self, search: &Search<'_>, server: &str, seen: &Records, expected: &BTreeSet<IpAddr>) -> Step {
        let step = |severity: fn(&'static str, String) -> Step| {
            severity(self.name(), format!("{server} has {}, not {}", list(&seen.addresses), list(expected)))
        };
        let waited = match search.wait.as_secs() {
            0 => String::new(),
            waited => format!(", after {waited} s"),
        };
        match self {
            Self::Resolver => {
                let ttl = seen.ttl.map(|ttl| format!("; its answer expires in {ttl} s")).unwrap_or_default();
                step(Step::unknown)
                    .meaning(format!("it still has an older answer{waited}{ttl}"))
                    .advice("check again later, or with a longer --wait")
            }
            Self::NameServer => step(Step::wrong)
                .meaning(format!("the record in DNS is not the one that the gateway has{waited}"))
                .advice("make sure that the zone id in NIC53_ZONES is that of the delegated zone; there may be two zones of one name"),
        }
    }

    /// The step if all servers that answered agree.
    fn agreed(self, expected: &BTreeSet<IpAddr>, views: &[View]) -> Step {
        let names = |answered: bool| {
            let views = views.iter().filter(|view| view.seen.is_ok() == answered);
            views.map(|view| view.server.as_str()).collect::<Vec<_>>().join(", ")
        };
        let observed = format!("{} at {}", list(expected), names(true));
        let silent = names(false);
        if expected.is_empty() {
            // What a monitor should report: the name leads nowhere.
            Step::wrong(self.name(), observed)
                .meaning("nobody can reach the host by its name")
                .advice("have the client update it once, and look at what the gateway answers it")
        } else if silent.is_empty() {
            Step::fine(self.name(), observed)
        } else {
            Step::note(self.name(), format!("{observed}; no answer from {silent}"))
                .meaning("resolvers that ask such a server first wait for it, then ask another")
                .advice("check again later")
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::{cli::check::report::Severity, protocol::hostname::HostName};

    /// A server that has these addresses.
    fn has(server: &str, addresses: &[&str]) -> View {
        let addresses = addresses.iter().map(|address| address.parse().unwrap()).collect();
        View { server: server.to_owned(), seen: Ok(Records { addresses, ttl: Some(60), ..Records::default() }) }
    }

    /// A server with other records.
    fn odd(seen: Records) -> View {
        View { server: "ns1".to_owned(), seen: Ok(seen) }
    }

    /// A search for these addresses.
    fn search<'a>(host: &'a HostName, expected: Option<&[&str]>, wait: u64) -> Search<'a> {
        Search {
            host,
            expected: expected.map(|all| all.iter().map(|address| address.parse().unwrap()).collect()),
            name_servers: &[],
            resolver: "192.0.2.53:53".parse().unwrap(),
            wait: Duration::from_secs(wait),
        }
    }

    #[test]
    fn the_servers_agree_or_the_one_that_does_not_is_named() {
        let silent = View { server: "ns2".to_owned(), seen: Err("no answer".to_owned()) };
        let host = "home.example.org".parse().unwrap();
        let one = ["192.0.2.1"];
        let alias = odd(Records { alias: Some("x.".into()), ..Records::default() });
        let refusing = odd(Records { refusal: Some("Refused".into()), ..Records::default() });
        for (views, expected, severity, is_final, words) in [
            (vec![has("ns1", &one), has("ns2", &one)], Some(&one[..]), Severity::Fine, true, "at ns1, ns2"),
            (vec![has("ns1", &one), has("ns2", &one)], None, Severity::Fine, true, "192.0.2.1"),
            (vec![has("ns1", &[])], None, Severity::Wrong, true, "no address"),
            (vec![has("ns1", &one), has("ns2", &["192.0.2.2"])], None, Severity::Wrong, false, "ns2 has 192.0.2.2"),
            (vec![has("ns1", &["192.0.2.9"])], Some(&one), Severity::Wrong, false, "not 192.0.2.1"),
            (vec![has("ns1", &one), silent.clone()], None, Severity::Note, true, "no answer from ns2"),
            (vec![silent], None, Severity::Unknown, true, "ns2: no answer"),
            (vec![alias], None, Severity::Wrong, true, "CNAME of x."),
            (vec![refusing], None, Severity::Wrong, true, "Refused"),
        ] {
            let (step, done) = Role::NameServer.judge(&search(&host, expected, 0), &views);
            assert_eq!((step.severity, done), (severity, is_final), "{views:?}: {step:?}");
            assert!(step.observed.contains(words), "{words} is not in {step:?}");
        }
    }

    #[test]
    fn a_resolver_that_is_behind_is_not_wrong() {
        let host = "home.example.org".parse().unwrap();
        for (wait, meaning) in
            [(5, "an older answer, after 5 s; its answer expires in 60 s"), (0, "older answer; its answer expires")]
        {
            let (step, is_final) =
                Role::Resolver.judge(&search(&host, Some(&[]), wait), &[has("192.0.2.53", &["192.0.2.1"])]);
            assert_eq!((step.severity, is_final), (Severity::Unknown, false));
            assert!(step.meaning.contains(meaning), "{step:?}");
        }
    }
}
