//! The step `here`: whether the record has the address that this network has now.

use std::{collections::BTreeSet, net::IpAddr};

use super::report::Step;
use crate::protocol::{address::Family, hostname::HostName};

/// The name of the step.
const NAME: &str = "here";

/// Compares the record with the public addresses that the gateway saw this machine come from.
pub(super) fn judge(host: &HostName, record: &BTreeSet<IpAddr>, seen: &[IpAddr]) -> Step {
    let compared: Vec<(Family, IpAddr, Vec<IpAddr>)> = seen
        .iter()
        .map(|seen| (Family::of(*seen), *seen, record.iter().copied().filter(|ip| same_family(*ip, *seen)).collect()))
        .filter(|(_, _, published): &(_, _, Vec<IpAddr>)| !published.is_empty())
        .collect();
    if compared.is_empty() {
        return Step::skipped(
            NAME,
            "the gateway saw no public address of this network in a family that the record has",
        );
    }
    let other = compared.iter().find(|(_, seen, published)| !published.iter().any(|ip| same_network(*ip, *seen)));
    match other {
        None => {
            let seen: Vec<_> = compared.iter().map(|(_, seen, _)| seen.to_string()).collect();
            Step::fine(NAME, format!("the record has the address of this network: {}", seen.join(", ")))
        }
        Some((family, seen, published)) => {
            let published: Vec<_> = published.iter().map(IpAddr::to_string).collect();
            let kind = family.record_type();
            Step::note(NAME, format!("the {kind} record has {}; this network has {seen}", published.join(", ")))
                .meaning(format!("{host} is in another network, or its client has not moved the record"))
                .advice(format!("if {host} is in this network, look at the log of its client"))
        }
    }
}

/// Whether both are IPv4 or both are IPv6.
fn same_family(one: IpAddr, other: IpAddr) -> bool {
    Family::of(one) == Family::of(other)
}

/// Whether both are behind the same router: the same IPv4 address, or the same IPv6 /64.
fn same_network(one: IpAddr, other: IpAddr) -> bool {
    match (one, other) {
        (IpAddr::V6(one), IpAddr::V6(other)) => one.segments()[..4] == other.segments()[..4],
        (one, other) => one == other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::check::report::Severity;

    #[test]
    fn the_record_has_the_address_of_this_network_or_another() {
        for (record, seen, severity, words) in [
            (&["203.0.113.9"][..], &["203.0.113.9"][..], Severity::Fine, "203.0.113.9"),
            (
                &["203.0.113.7"],
                &["203.0.113.9"],
                Severity::Note,
                "A record has 203.0.113.7; this network has 203.0.113.9",
            ),
            (&["203.0.113.9", "2001:db8::5"], &["203.0.113.9", "2001:db8::6"], Severity::Fine, "2001:db8::6"),
            (&["203.0.113.9", "2001:db8:1::5"], &["203.0.113.9", "2001:db8:2::6"], Severity::Note, "AAAA record"),
            (&["2001:db8::5"], &["203.0.113.9"], Severity::Skipped, "no public address"),
            (&["203.0.113.9"], &[], Severity::Skipped, "no public address"),
        ] {
            let record = record.iter().map(|ip| ip.parse().unwrap()).collect();
            let seen: Vec<IpAddr> = seen.iter().map(|ip| ip.parse().unwrap()).collect();
            let step = judge(&"home.example.org".parse().unwrap(), &record, &seen);
            assert_eq!(step.severity, severity, "{record:?} {seen:?}");
            assert!(step.observed.contains(words), "{words} is not in {step:?}");
        }
    }
}
