//! The step `token`: whether the token covers the host.
//!
//! `myip=no` asks a nic53 gateway to leave the record alone and to reply with what it has. So the token is tried,
//! Route 53 is read, and nothing moves. Another server might read `no` as no address and publish that of the
//! connection, so only a gateway that calls itself nic53 is asked.

use std::{
    collections::BTreeSet,
    net::{IpAddr, SocketAddr},
};

use super::{
    http::{ExchangeError, Response},
    probe::{Probe, Request, unanswered},
    reply::{Words, list, refused},
    report::Step,
};
use crate::protocol::hostname::HostName;

/// The name of the step.
const NAME: &str = "token";

/// Tries the token. Also returns the addresses of the host, if the gateway replied with them.
pub(super) async fn check(
    probe: &Probe,
    address: SocketAddr,
    host: &HostName,
    token: &str,
) -> (Step, Option<BTreeSet<IpAddr>>) {
    match ask(probe, address, host, token, "no").await {
        Ok(response) => judge(host, &response),
        Err(error) => (unanswered(NAME, &error), None),
    }
}

/// Sends one update.
pub(super) async fn ask(
    probe: &Probe,
    address: SocketAddr,
    host: &HostName,
    token: &str,
    myip: &str,
) -> Result<Response, ExchangeError> {
    let request = Request::get(probe.path(&format!("/nic/update?hostname={host}&myip={myip}")));
    probe.ask(address, &request.by(host.as_str(), token)).await.map(|(response, _)| response)
}

/// What the reply means for the token.
fn judge(host: &HostName, response: &Response) -> (Step, Option<BTreeSet<IpAddr>>) {
    let Words { code, addresses } = Words::of(response);
    match (response.status, code) {
        (200, "nochg") => {
            (Step::fine(NAME, format!("the token is valid; {host} has {}", list(&addresses))), Some(addresses))
        }
        (200, "good") => {
            let step = Step::wrong(NAME, response.summary())
                .meaning("the gateway changed the record although it was asked to leave it alone")
                .advice("find out which version of nic53 it runs, or what else answers there");
            (step, None)
        }
        _ => (refused(NAME, response), None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::check::{probe::testing::response, report::Severity};

    #[test]
    fn a_valid_token_reads_the_record_and_changes_nothing() {
        let host: HostName = "home.example.org".parse().unwrap();
        for (status, body, severity, words) in [
            (200, "nochg 198.51.100.7,2001:db8::7", Severity::Fine, "198.51.100.7, 2001:db8::7"),
            (200, "nochg", Severity::Fine, "no address"),
            (200, "good 198.51.100.7", Severity::Wrong, "leave it alone"),
            (401, "badauth", Severity::Wrong, "nic53 token"),
        ] {
            let (step, addresses) = judge(&host, &response(status, &[], body));
            assert_eq!(step.severity, severity, "{status} {body}");
            assert!(format!("{step:?}").contains(words), "{words} is not in {step:?}");
            assert_eq!(addresses.is_some(), severity == Severity::Fine, "{status} {body}");
        }
    }
}
