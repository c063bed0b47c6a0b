//! What has to change at a host, and what it is then told.

use std::net::IpAddr;

use crate::protocol::{
    address::{ByFamily, Family},
    desired::{Desired, MAX_ADDRESSES},
    element::Prefix,
    record::{Action, Current, RecordSet},
    reply::ReturnCode,
};

/// The bounds of a TTL, in seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TtlBounds {
    /// Of a new record set, where the host has no other (`NIC53_TTL`).
    pub default: u32,
    /// `NIC53_TTL_MIN`.
    pub min: u32,
    /// `NIC53_TTL_MAX`.
    pub max: u32,
}

/// What is to be done at one host, and its line once that is done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// The changes; none where all is as asked, or where it must not be touched.
    pub changes: Vec<(Action, RecordSet)>,
    /// The host's line.
    pub code: ReturnCode,
    /// Why, where the line says no more than that it did not work.
    pub reason: Option<&'static str>,
}

impl Plan {
    /// Compares what is asked of a host with what is there. `ttl` is the one asked for, if any.
    pub fn new(desired: &Desired, ttl: Option<u32>, current: &Current, bounds: TtlBounds) -> Self {
        let current = match current {
            Current::NotOurs(reason) => return Self::refuse(ReturnCode::NoHost, reason),
            Current::Simple(sets) => sets.as_ref().map(Option::as_ref),
        };
        match desired {
            Desired::Offline => Self::offline(current),
            Desired::Publish { addresses, prefix } => {
                let mut addresses = addresses.clone();
                addresses.extend(moved(*prefix, current.v6));
                if addresses.iter().filter(|address| address.is_ipv6()).count() > MAX_ADDRESSES {
                    return Self::refuse(ReturnCode::DnsErr, "more than 8 addresses of one family");
                }
                let ttl = ttl.map(|ttl| ttl.clamp(bounds.min, bounds.max));
                Self::publish(addresses, ttl, current, bounds.default)
            }
        }
    }

    /// Nothing is done.
    fn refuse(code: ReturnCode, reason: &'static str) -> Self {
        Self { changes: Vec::new(), code, reason: Some(reason) }
    }

    /// What is there goes.
    fn offline(current: ByFamily<Option<&RecordSet>>) -> Self {
        let changes: Vec<_> = current.into_iter().flatten().map(|set| (Action::Delete, set.clone())).collect();
        let offline = vec![IpAddr::from([0, 0, 0, 0])];
        let code = if changes.is_empty() { ReturnCode::NoChg(offline) } else { ReturnCode::Good(offline) };
        Self { changes, code, reason: None }
    }

    /// Each family that has an address becomes those addresses.
    fn publish(
        addresses: Vec<IpAddr>,
        ttl: Option<u32>,
        current: ByFamily<Option<&RecordSet>>,
        default_ttl: u32,
    ) -> Self {
        if addresses.is_empty() {
            let there = current.into_iter().flatten().flat_map(RecordSet::addresses).collect();
            return Self { changes: Vec::new(), code: ReturnCode::NoChg(there), reason: None };
        }
        let mut changes = Vec::new();
        for family in Family::BOTH {
            let (own, other) = (current[family], current[family.other()]);
            let wanted: Vec<IpAddr> =
                addresses.iter().copied().filter(|address| Family::of(*address) == family).collect();
            let as_asked = own.is_some_and(|own| own.holds(&wanted) && ttl.is_none_or(|ttl| ttl == own.ttl));
            if !wanted.is_empty() && !as_asked {
                let ttl = ttl.or(own.or(other).map(|set| set.ttl)).unwrap_or(default_ttl);
                changes.push((Action::Upsert, RecordSet::new(family, ttl, &wanted)));
            }
        }
        let code = if changes.is_empty() { ReturnCode::NoChg(addresses) } else { ReturnCode::Good(addresses) };
        Self { changes, code, reason: None }
    }
}

/// The AAAA that are there, with their host bits under the prefix, in numeric order; those that
/// cannot be moved stay.
fn moved(prefix: Option<Prefix>, v6: Option<&RecordSet>) -> Vec<IpAddr> {
    let (Some(prefix), Some(v6)) = (prefix, v6) else { return Vec::new() };
    let mut moved: Vec<IpAddr> = v6
        .addresses()
        .into_iter()
        .map(|address| match address {
            IpAddr::V6(host) => prefix.adopt(host).map_or(address, IpAddr::V6),
            IpAddr::V4(_) => address,
        })
        .collect();
    moved.sort_unstable();
    moved.dedup();
    moved
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::element::Element;

    const BOUNDS: TtlBounds = TtlBounds { default: 60, min: 60, max: 86400 };

    /// Addresses from their text.
    fn addresses(text: &[&str]) -> Vec<IpAddr> {
        text.iter().map(|text| text.parse().unwrap()).collect()
    }

    /// A record set from `TTL VALUE VALUE`.
    fn set(family: Family, text: &str) -> Option<RecordSet> {
        let (ttl, values) = text.split_once(' ')?;
        Some(RecordSet { family, ttl: ttl.parse().unwrap(), values: values.split(' ').map(str::to_owned).collect() })
    }

    /// The plan for these addresses (or `prefix/length`) over these A and AAAA, as text.
    fn plan(asked: &[&str], ttl: Option<u32>, v4: &str, v6: &str) -> String {
        let current = Current::Simple(ByFamily { v4: set(Family::V4, v4), v6: set(Family::V6, v6) });
        let (mut wanted, mut prefix) = (Vec::new(), None);
        for element in asked {
            match Element::parse(element) {
                Element::Address(address) => wanted.push(address),
                Element::Prefix(network) => prefix = Some(network),
                other => panic!("{other:?}"),
            }
        }
        shown(&Plan::new(&Desired::Publish { addresses: wanted, prefix }, ttl, &current, BOUNDS))
    }

    /// A plan as its changes and its line.
    fn shown(plan: &Plan) -> String {
        let changes: Vec<_> = plan.changes.iter().map(|(action, set)| format!("{action:?} {set}; ")).collect();
        format!("{}{}", changes.concat(), plan.code)
    }

    #[test]
    fn only_what_differs_is_written() {
        let (v4, v6) = ("192.0.2.7", "2001:db8::7");
        for (asked, ttl, present_v4, present_v6, expected) in [
            (&[v4][..], None, "", "", "Upsert 60 A 192.0.2.7; good 192.0.2.7"),
            (&[v4], None, "60 192.0.2.7", "", "nochg 192.0.2.7"),
            (&[v4], None, "300 192.0.2.1", "", "Upsert 300 A 192.0.2.7; good 192.0.2.7"),
            (&[v4], None, "", "900 2001:db8::1", "Upsert 900 A 192.0.2.7; good 192.0.2.7"),
            (&[v4], Some(120), "60 192.0.2.7", "60 2001:db8::1", "Upsert 120 A 192.0.2.7; good 192.0.2.7"),
            (&[v4], Some(1), "60 192.0.2.7", "", "nochg 192.0.2.7"),
            (&[v4], Some(u32::MAX), "", "", "Upsert 86400 A 192.0.2.7; good 192.0.2.7"),
            (&[v4], None, "5 192.0.2.7", "", "nochg 192.0.2.7"),
            (&[v4, v6], None, "60 192.0.2.7", "", "Upsert 60 AAAA 2001:db8::7; good 192.0.2.7,2001:db8::7"),
            (&[v4, v6], None, "60 192.0.2.7", "60 2001:DB8:0:0::7", "nochg 192.0.2.7,2001:db8::7"),
            (&[v4, "192.0.2.1"], None, "60 192.0.2.1 192.0.2.7", "", "nochg 192.0.2.7,192.0.2.1"),
            (&[v4], None, "60 192.0.2.1 192.0.2.7", "", "Upsert 60 A 192.0.2.7; good 192.0.2.7"),
            (&[], None, "60 192.0.2.7 192.0.2.1", "60 2001:db8::1", "nochg 192.0.2.1,192.0.2.7,2001:db8::1"),
            (&[], Some(300), "60 192.0.2.1", "", "nochg 192.0.2.1"),
            (&[], None, "", "", "nochg"),
        ] {
            assert_eq!(
                plan(asked, ttl, present_v4, present_v6),
                expected,
                "{asked:?} {ttl:?} {present_v4} {present_v6}"
            );
        }
    }

    #[test]
    fn a_prefix_moves_the_aaaa_that_are_there() {
        let prefix = "2001:db8:1:2::/64";
        for (asked, present_v6, expected) in [
            (&[prefix][..], "60 2001:db8:9:9::7", "Upsert 60 AAAA 2001:db8:1:2::7; good 2001:db8:1:2::7"),
            (&[prefix], "60 2001:db8:1:2::7", "nochg 2001:db8:1:2::7"),
            (&[prefix], "", "nochg"),
            (
                &[prefix],
                "60 2001:db8:9:9::9 2001:db8:9:9::7 2001:db8:8:8::7",
                "Upsert 60 AAAA 2001:db8:1:2::7 2001:db8:1:2::9; good 2001:db8:1:2::7,2001:db8:1:2::9",
            ),
            (&["192.0.2.7", prefix], "", "Upsert 60 A 192.0.2.7; good 192.0.2.7"),
        ] {
            assert_eq!(plan(asked, None, "", present_v6), expected, "{asked:?} {present_v6}");
        }
    }

    #[test]
    fn more_than_eight_are_never_moved() {
        let nine = (1..=9).map(|host| format!(" 2001:db8::{host}")).collect::<Vec<_>>().concat();
        assert_eq!(plan(&["2001:db8:1:2::/64"], None, "", &format!("60{nine}")), "dnserr");
    }

    #[test]
    fn offline_deletes_what_is_there_to_the_letter() {
        for (v4, v6, expected) in [
            ("60 192.0.2.7", "300 2001:DB8::7", "Delete 60 A 192.0.2.7; Delete 300 AAAA 2001:DB8::7; good 0.0.0.0"),
            ("", "300 2001:db8::7", "Delete 300 AAAA 2001:db8::7; good 0.0.0.0"),
            ("", "", "nochg 0.0.0.0"),
        ] {
            let current = Current::Simple(ByFamily { v4: set(Family::V4, v4), v6: set(Family::V6, v6) });
            assert_eq!(shown(&Plan::new(&Desired::Offline, None, &current, BOUNDS)), expected);
        }
    }

    #[test]
    fn what_is_somebody_elses_is_left_alone() {
        let publish = Desired::Publish { addresses: addresses(&["192.0.2.7"]), prefix: None };
        for desired in [Desired::Offline, publish] {
            assert_eq!(shown(&Plan::new(&desired, None, &Current::NotOurs("it is an alias"), BOUNDS)), "nohost");
        }
    }
}
