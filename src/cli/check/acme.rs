//! The steps `acme`, `acme-record` and `acme-cleanup`: whether the token sets the challenge of its host, and whether DNS
//! shows it.
//!
//! The value is a random one, which proves nothing to any authority. Whatever comes of it, it is removed again, also if
//! the person interrupts the wait.

use std::{net::SocketAddr, time::Duration};

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use futures_util::future::join_all;
use hickory_server::proto::rr::{Name, RData, RecordType};
use tokio::{
    signal::ctrl_c,
    time::{Instant, sleep},
};

use super::{
    dns,
    http::{ExchangeError, Response},
    name_servers::{self, Server},
    probe::{Probe, Request, unanswered},
    report::{Report, Step},
    search::Search,
};
use crate::{problem::Problem, protocol::hostname::HostName};

/// The pause between two rounds of questions.
const PAUSE: Duration = Duration::from_secs(2);

/// A challenge of a host that proves nothing.
pub(super) struct Challenge {
    /// Its name, such as `_acme-challenge.home.example.org`.
    name: String,
    /// Its value.
    value: String,
}

impl Challenge {
    /// One of a random value.
    ///
    /// # Errors
    ///
    /// If the host is a wildcard, or the system has no random numbers.
    pub(super) fn new(host: &HostName) -> Result<Self, Problem> {
        if host.is_wildcard() {
            let below = host.as_str().trim_start_matches("*.");
            return Err(Problem(format!("--acme: `{host}`: expected `{below}`, whose challenge proves `{host}` too")));
        }
        let mut random = [0; 32];
        getrandom::fill(&mut random).map_err(|error| Problem(format!("--acme: no random numbers: {error}")))?;
        Ok(Self { name: format!("_acme-challenge.{host}"), value: BASE64_URL_SAFE_NO_PAD.encode(random) })
    }

    /// Sets it, looks for it, and removes it.
    pub(super) async fn check(
        &self,
        probe: &Probe,
        address: SocketAddr,
        token: &str,
        search: &Search<'_>,
        report: &mut Report,
    ) {
        let ask = async |path| self.ask(probe, address, search.host, token, path).await;
        let answer = ask("/present").await;
        let is_refused = answer.as_ref().is_ok_and(|response| (400..500).contains(&response.status));
        let step = answer.map_or_else(|error| unanswered("acme", &error), |response| self.judge(&response));
        let is_set = step.severity.is_fine();
        report.add(step);
        if is_set {
            let step = tokio::select! {
                step = self.look(search, report) => step,
                _ = ctrl_c() => Step::unknown("acme-record", "interrupted"),
            };
            report.add(step);
        }
        // An answer may be lost after the value was written.
        if !is_refused {
            report.add(self.judge_cleanup(ask("/cleanup").await));
        }
    }

    /// Sends the challenge to one of the two endpoints.
    async fn ask(
        &self,
        probe: &Probe,
        address: SocketAddr,
        host: &HostName,
        token: &str,
        path: &str,
    ) -> Result<Response, ExchangeError> {
        let Self { name, value } = self;
        let body = format!("{{\"fqdn\":\"{name}.\",\"value\":\"{value}\"}}");
        let request = Request::post(probe.path(path), body).by(host.as_str(), token);
        probe.ask(address, &request).await.map(|(response, _)| response)
    }

    /// What the reply means for the token.
    fn judge(&self, response: &Response) -> Step {
        let Self { name, value } = self;
        let is_set = response.status == 200 && response.body.contains(&format!("\"{value}\""));
        if is_set {
            return Step::fine("acme", format!("the token may set {name}"));
        }
        let word = response.body.split('"').nth(3).unwrap_or_default();
        let (meaning, advice) = match (response.status, word) {
            (404, _) => (
                "the gateway allows no certificates",
                "NIC53_ALLOW_ACME=true, or ./deploy --acme; docs/certificates.md says what a token is worth then",
            ),
            (401, _) => (
                "the token is not the host's",
                "print it again with `nic53 token` and the gateway's own settings: its zones, its secret, its generations",
            ),
            (403, "nohost") => (
                "the token does not cover the host, or the host is not the gateway's: a CNAME, an alias, delegated, or under a routing policy",
                "look at the record and at the gateway's log, which says which it is",
            ),
            (503, "dnserr") => (
                "Route 53 refused the record, or did not answer",
                "look at the gateway's log; if it says AccessDenied, the name is missing in the parameter ChallengeNames",
            ),
            _ => ("this is not the reply of a nic53 gateway", "check the URL, and what is in front of the gateway"),
        };
        Step::wrong("acme", response.summary()).meaning(meaning).advice(advice)
    }

    /// Waits until all name servers of the zone have it. A resolver is not asked: it would remember a no.
    async fn look(&self, search: &Search<'_>, report: &Report) -> Step {
        let name = match Name::from_ascii(format!("{}.", self.name)) {
            Ok(name) => name,
            Err(error) => return Step::unknown("acme-record", format!("{}: {error}", self.name)),
        };
        let servers = match name_servers::find(search, &name).await {
            Ok(servers) => servers,
            Err(step) => return Step { name: "acme-record", ..step },
        };
        let deadline = Instant::now() + search.wait;
        loop {
            let answers = join_all(servers.iter().map(|server| self.is_at(server, &name))).await;
            let missing = servers.iter().zip(&answers).find(|(_, answer)| **answer != Ok(true));
            let Some((server, answer)) = missing else {
                report.progress("");
                let servers: Vec<_> = servers.iter().map(|server| server.name.as_str()).collect();
                return Step::fine("acme-record", format!("{} has the value at {}", self.name, servers.join(", ")));
            };
            let observed = match answer {
                Ok(_) => format!("{} does not have the value at {}", self.name, server.name),
                Err(problem) => format!("{} at {}: {problem}", self.name, server.name),
            };
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                report.progress("");
                return judge_missing(answer.is_ok(), &observed);
            }
            report.progress(&format!("waiting, {} s left: {observed}", left.as_secs()));
            sleep(PAUSE.min(left)).await;
        }
    }

    /// Whether a server has it, asked at the first of its addresses that answers.
    async fn is_at(&self, server: &Server, name: &Name) -> Result<bool, String> {
        let mut problem = "it has no address".to_owned();
        for address in &server.addresses {
            match dns::ask(*address, name, RecordType::TXT, false).await {
                Ok(answer) => {
                    return Ok(answer.records.iter().any(|record| match &record.data {
                        RData::TXT(text) => text.txt_data.concat() == self.value.as_bytes(),
                        _ => false,
                    }));
                }
                Err(error) => problem = error,
            }
        }
        Err(problem)
    }

    /// Whether it is gone again.
    fn judge_cleanup(&self, response: Result<Response, ExchangeError>) -> Step {
        let observed = match response {
            Ok(response) if response.status == 200 => {
                return Step::fine("acme-cleanup", format!("the value is removed from {}", self.name));
            }
            Ok(response) => response.summary(),
            Err(error) => error.to_string(),
        };
        Step::wrong("acme-cleanup", observed)
            .meaning(format!("a value stays at {}: it proves nothing, and does no harm", self.name))
            .advice("nothing has to be done; the eighth value that is set after it pushes it out")
    }
}

/// The step of a name server that does not have it in time.
fn judge_missing(has_answered: bool, observed: &str) -> Step {
    if has_answered {
        return Step::wrong("acme-record", observed).meaning("an authority would not find the challenge").advice(
            "make sure that the zone is delegated to the name servers that the gateway changes, then check again",
        );
    }
    Step::unknown("acme-record", observed)
        .meaning("the challenge in DNS could not be read")
        .advice("make sure that this machine may ask servers over port 53, then check again")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::check::{probe::testing::response, report::Severity};

    #[test]
    fn a_value_is_random_and_has_the_form_of_one() {
        let host: HostName = "home.example.org".parse().unwrap();
        let [one, other] = [(); 2].map(|()| Challenge::new(&host).unwrap());
        assert_eq!((one.name.as_str(), one.value.len()), ("_acme-challenge.home.example.org", 43));
        assert_ne!(one.value, other.value);
        let wildcard = Challenge::new(&"*.home.example.org".parse().unwrap()).err().unwrap();
        assert!(wildcard.to_string().contains("expected `home.example.org`"), "{wildcard}");
    }

    #[test]
    fn a_reply_says_whether_the_token_may_set_it() {
        let challenge = Challenge { name: "_acme-challenge.home.example.org".to_owned(), value: "V".repeat(43) };
        let set = format!("{{\"fqdn\":\"_acme-challenge.home.example.org.\",\"value\":\"{}\"}}", challenge.value);
        for (status, body, severity, words) in [
            (200, set.as_str(), Severity::Fine, "may set _acme-challenge.home.example.org"),
            (200, "good", Severity::Wrong, "not the reply of a nic53"),
            (404, "not found", Severity::Wrong, "NIC53_ALLOW_ACME"),
            (401, "{\"error\":\"badauth\"}", Severity::Wrong, "nic53 token"),
            (403, "{\"error\":\"nohost\"}", Severity::Wrong, "a CNAME"),
            (403, "{\"error\":\"badauth\"}", Severity::Wrong, "not the reply"),
            (503, "{\"error\":\"dnserr\"}", Severity::Wrong, "ChallengeNames"),
        ] {
            let step = challenge.judge(&response(status, &[], body));
            assert_eq!(step.severity, severity, "{status} {body}");
            assert!(format!("{step:?}").contains(words), "{words} is not in {step:?}");
        }
        let gone = challenge.judge_cleanup(Ok(response(200, &[], &set)));
        let stays = challenge.judge_cleanup(Ok(response(503, &[], "{\"error\":\"dnserr\"}")));
        assert_eq!((gone.severity, stays.severity), (Severity::Fine, Severity::Wrong));
    }
}
