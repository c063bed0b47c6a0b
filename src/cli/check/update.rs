//! The step `update`: moving the record, if the person asked for it.

use std::{
    collections::BTreeSet,
    net::{IpAddr, SocketAddr},
};

use super::{
    http::Response,
    probe::{Probe, unanswered},
    reply::{Words, list, refused},
    report::Step,
    token::ask,
};
use crate::protocol::hostname::HostName;

/// The name of the step.
const NAME: &str = "update";

/// An update that the gateway accepted.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Updated {
    /// The addresses that the gateway replied with.
    pub addresses: BTreeSet<IpAddr>,
    /// Whether the record changed.
    pub moved: bool,
}

/// Moves the record to these addresses. Also returns what the gateway did, if it accepted the update.
pub(super) async fn check(
    probe: &Probe,
    address: SocketAddr,
    host: &HostName,
    token: &str,
    wanted: &[IpAddr],
) -> (Step, Option<Updated>) {
    let myip: Vec<_> = wanted.iter().map(IpAddr::to_string).collect();
    match ask(probe, address, host, token, &myip.join(",")).await {
        Ok(response) => judge(host, &response, wanted),
        Err(error) => (unanswered(NAME, &error), None),
    }
}

/// Whether the record has the addresses that were asked for.
fn judge(host: &HostName, response: &Response, wanted: &[IpAddr]) -> (Step, Option<Updated>) {
    let Words { code, addresses } = Words::of(response);
    let moved = match (response.status, code) {
        (200, "good") => true,
        (200, "nochg") => false,
        _ => return (refused(NAME, response), None),
    };
    let wanted: BTreeSet<IpAddr> = wanted.iter().copied().collect();
    let listed = list(&addresses);
    let step = if addresses != wanted {
        Step::wrong(NAME, format!("{code}: {host} has {listed}, not {}", list(&wanted)))
            .meaning("the gateway published another address than the one asked for")
            .advice("find out which version of nic53 it runs, or what in front of it changes the request")
    } else if moved {
        Step::fine(NAME, format!("good: {host} was moved to {listed}"))
    } else {
        Step::fine(NAME, format!("nochg: {host} was at {listed} already"))
    };
    (step, Some(Updated { addresses, moved }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::check::{probe::testing::response, report::Severity};

    #[test]
    fn the_record_has_the_addresses_that_were_asked_for_or_the_update_is_wrong() {
        let host: HostName = "home.example.org".parse().unwrap();
        for (status, body, severity, words, moved) in [
            (200, "nochg 198.51.100.7", Severity::Fine, "already", Some(false)),
            (200, "good 198.51.100.7", Severity::Fine, "moved to 198.51.100.7", Some(true)),
            (200, "good 203.0.113.9", Severity::Wrong, "has 203.0.113.9, not 198.51.100.7", Some(true)),
            (200, "good", Severity::Wrong, "has no address", Some(true)),
            (200, "nohost", Severity::Wrong, "NIC53_ZONES", None),
        ] {
            let (step, updated) = judge(&host, &response(status, &[], body), &["198.51.100.7".parse().unwrap()]);
            assert_eq!(step.severity, severity, "{status} {body}");
            assert!(format!("{step:?}").contains(words), "{words} is not in {step:?}");
            assert_eq!(updated.map(|updated| updated.moved), moved, "{status} {body}");
        }
    }
}
