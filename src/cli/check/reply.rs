//! What the reply to an update means.

use std::{collections::BTreeSet, net::IpAddr};

use super::{http::Response, report::Step};
use crate::protocol::{
    meaning::{EVERY_CODE, meaning},
    reply::ReturnCode,
};

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
    let word = if response.status == 401 { "badauth" } else { Words::of(response).code };
    let step = Step::wrong(name, response.summary());
    match EVERY_CODE.into_iter().find(|code| code.word() == word) {
        Some(code) => step.meaning(phrase(meaning(&code).meaning)).advice(advice(&code)),
        None => step
            .meaning("this is not the reply of a nic53 gateway")
            .advice("check the URL, and what is in front of the gateway"),
    }
}

/// What the operator of the gateway does about a code.
fn advice(code: &ReturnCode) -> &'static str {
    match code {
        ReturnCode::BadAuth => {
            "print the token again with `nic53 token` and the gateway's own settings: its zones, its secret, its generations"
        }
        ReturnCode::NoHost => {
            "check NIC53_ZONES, the name, the token, and the record, which may be an alias or a CNAME; the gateway's log says which it is"
        }
        ReturnCode::NotFqdn => "check the host name",
        ReturnCode::DnsErr => {
            "look at the gateway's log; if Route 53 refused or throttled it, check the policy of its role and the quota of the zone"
        }
        ReturnCode::ServerError => "look at the gateway's log: its settings or its secret may be unreadable",
        ReturnCode::Good(_) | ReturnCode::NoChg(_) | ReturnCode::NumHost | ReturnCode::NotDonator => {
            "look at the gateway's log, and find out which version of nic53 it runs"
        }
    }
}

/// A sentence as a part of a line.
fn phrase(sentence: &str) -> String {
    let mut letters = sentence.trim_end_matches('.').chars();
    let first = letters.next().map(|letter| letter.to_ascii_lowercase());
    first.into_iter().chain(letters).collect()
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
