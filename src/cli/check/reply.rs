//! What the reply to an update means.

use std::{collections::BTreeSet, net::IpAddr};

use super::{http::Response, report::Step};

/// The words of a reply: the return code, and the addresses that follow it.
pub(super) struct Words<'a> {
    /// Such as `good`.
    pub code: &'a str,
    /// Such as `198.51.100.7,2001:db8::7`.
    pub addresses: BTreeSet<IpAddr>,
}

impl<'a> Words<'a> {
    /// The words of a body of one line.
    pub(super) fn of(response: &'a Response) -> Self {
        let (code, rest) = response.body.split_once(' ').unwrap_or((&response.body, ""));
        Self { code, addresses: rest.split(',').filter_map(|address| address.parse().ok()).collect() }
    }
}

/// The step of a reply that is neither `good` nor `nochg`.
pub(super) fn refused(name: &'static str, response: &Response) -> Step {
    let (meaning, advice) = match (response.status, Words::of(response).code) {
        (401, _) => (
            "the token does not cover the host",
            "print it again with `nic53 token` and the gateway's own settings: its zones, its secret, its generations",
        ),
        (200, "nohost") => (
            "no zone of the gateway contains the host, the token does not cover it, or its record is an alias or a CNAME",
            "check NIC53_ZONES, the name, and the record; the gateway's log says which it is",
        ),
        (200, "notfqdn") => ("the gateway does not accept this as a host name", "check the name"),
        (_, "dnserr") => (
            "Route 53 refused, throttled or did not answer the gateway",
            "look at the gateway's log, the policy of its role, and the quota of the zone",
        ),
        (_, "911") => ("the gateway cannot read its own settings or secret", "look at the gateway's log"),
        _ => ("this is not the reply of a nic53 gateway", "check the URL, and what is in front of the gateway"),
    };
    Step::wrong(name, response.summary()).meaning(meaning).advice(advice)
}

/// Addresses as a person reads them.
pub(super) fn list(addresses: &BTreeSet<IpAddr>) -> String {
    if addresses.is_empty() {
        return "no address".to_owned();
    }
    addresses.iter().map(IpAddr::to_string).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::check::{probe::testing::response, report::Severity};

    #[test]
    fn each_refusal_is_explained() {
        for (status, body, words) in [
            (401, "badauth", "nic53 token"),
            (200, "nohost", "NIC53_ZONES"),
            (200, "notfqdn", "host name"),
            (503, "dnserr", "Route 53"),
            (503, "911", "settings"),
            (200, "<html>", "not the reply of a nic53 gateway"),
            (502, "Bad Gateway", "not the reply of a nic53 gateway"),
        ] {
            let step = refused("token", &response(status, &[], body));
            assert_eq!(step.severity, Severity::Wrong, "{status} {body}");
            assert!(format!("{step:?}").contains(words), "{words} is not in {step:?}");
        }
    }
}
