//! What has to change at a host, and the line that it gets.

use std::{borrow::Cow, net::IpAddr};

use crate::protocol::{
    address::Family,
    desired::{Desired, MAX_ADDRESSES, TOO_MANY, Target},
    record::{Action, Current, RecordSet},
    reply::ReturnCode,
};

/// The bounds of a TTL, in seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TtlBounds {
    /// Of a new record set, if the host has no other (`NIC53_TTL`).
    pub default: u32,
    /// `NIC53_TTL_MIN`.
    pub min: u32,
    /// `NIC53_TTL_MAX`.
    pub max: u32,
}

/// What is to be done at one host, and its line once that is done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// The changes; empty if all is as asked, or if the host must not be touched.
    pub changes: Vec<(Action, RecordSet)>,
    /// The host's line.
    pub code: ReturnCode,
    /// The reason for the log, if the line is a failure.
    pub reason: Option<Cow<'static, str>>,
}

impl Plan {
    /// Compares what is desired at a host with what is there. `ttl` is the one asked for, if any.
    pub fn new(desired: &Desired, ttl: Option<u32>, current: &Current, bounds: TtlBounds) -> Self {
        let current = match current {
            Current::NotOurs(reason) => return Self::refuse(ReturnCode::NoHost, reason.clone()),
            Current::Refused(reason) => return Self::refuse(ReturnCode::DnsErr, reason.clone()),
            Current::Simple(sets) => sets.as_ref().map(Option::as_ref),
        };
        let ttl = ttl.map(|ttl| ttl.clamp(bounds.min, bounds.max));
        let (mut changes, mut set, mut deletes) = (Vec::new(), Vec::new(), false);
        for family in Family::BOTH {
            match moved(&desired[family], current[family]) {
                Target::Keep | Target::Move { .. } => {}
                Target::Delete => {
                    deletes = true;
                    changes.extend(current[family].map(|own| (Action::Delete, own.clone())));
                }
                Target::Set(addresses) if addresses.len() > MAX_ADDRESSES => {
                    return Self::refuse(ReturnCode::DnsErr, TOO_MANY);
                }
                Target::Set(addresses) => {
                    let (own, other) = (current[family], current[family.other()]);
                    let as_asked = own.is_some_and(|own| own.holds(&addresses) && ttl.is_none_or(|ttl| ttl == own.ttl));
                    let ttl = ttl.or(own.or(other).map(|set| set.ttl)).unwrap_or(bounds.default);
                    let upsert = || (Action::Upsert, RecordSet::new(family, ttl, &addresses));
                    changes.extend((!as_asked).then(upsert));
                    set.extend(addresses);
                }
            }
        }
        let named = match (set.is_empty(), deletes) {
            (false, _) => set,
            (true, true) => vec![IpAddr::from([0, 0, 0, 0])],
            (true, false) => current.into_iter().flatten().flat_map(RecordSet::addresses).collect(),
        };
        let code = if changes.is_empty() { ReturnCode::NoChg(named) } else { ReturnCode::Good(named) };
        Self { changes, code, reason: None }
    }

    /// Nothing is done.
    fn refuse(code: ReturnCode, reason: impl Into<Cow<'static, str>>) -> Self {
        Self { changes: Vec::new(), code, reason: Some(reason.into()) }
    }
}

/// The target, with a prefix applied to the addresses that are there: those that cannot be moved
/// stay, and if none can, nothing is to be done.
fn moved(target: &Target, current: Option<&RecordSet>) -> Target {
    let Target::Move { prefix, allow_private } = *target else { return target.clone() };
    let mut moves = false;
    let mut adopt = |address| match address {
        IpAddr::V6(host) if let Some(adopted) = prefix.adopt(host, allow_private) => {
            moves = true;
            IpAddr::V6(adopted)
        }
        IpAddr::V4(_) | IpAddr::V6(_) => address,
    };
    let mut addresses: Vec<IpAddr> = current.into_iter().flat_map(RecordSet::addresses).map(&mut adopt).collect();
    addresses.sort_unstable();
    addresses.dedup();
    if moves { Target::Set(addresses) } else { Target::Keep }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::{address::ByFamily, asked::Asked, parameters::Parameters};

    const BOUNDS: TtlBounds = TtlBounds { default: 60, min: 60, max: 86400 };

    /// A record set from `TTL VALUE VALUE`.
    fn set(family: Family, text: &str) -> Option<RecordSet> {
        let (ttl, values) = text.split_once(' ')?;
        Some(RecordSet { family, ttl: ttl.parse().unwrap(), values: values.split(' ').map(str::to_owned).collect() })
    }

    /// The plan for these elements over these A and AAAA, as text.
    fn plan(asked: &[&str], ttl: Option<u32>, v4: &str, v6: &str) -> String {
        let current = Current::Simple(ByFamily { v4: set(Family::V4, v4), v6: set(Family::V6, v6) });
        let lists: Vec<_> = asked
            .iter()
            .map(|element| match element.split_once('=') {
                Some(pair) => pair,
                None => ("myip", *element),
            })
            .collect();
        let desired = Asked::read(&Parameters::from_pairs(&lists), false).desired(None);
        shown(&Plan::new(&desired.unwrap(), ttl, &current, BOUNDS))
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
            (&["no"], None, "60 192.0.2.7 192.0.2.1", "60 2001:db8::1", "nochg 192.0.2.1,192.0.2.7,2001:db8::1"),
            (&["no"], Some(300), "60 192.0.2.1", "", "nochg 192.0.2.1"),
            (&["no"], None, "", "", "nochg"),
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
    fn what_a_prefix_cannot_move_stays() {
        let (network, carriers, prefix) = ("2001:db8:9:9::", "4002:6440:1::7", "2000::/3");
        for (asked, present_v6, expected) in [
            ("2001:db8:1:2::/64", format!("60 {network}"), "nochg 192.0.2.1,2001:db8:9:9::"),
            (prefix, format!("60 {carriers}"), "nochg 192.0.2.1,4002:6440:1::7"),
            (
                prefix,
                format!("60 {carriers} fd00::1"),
                "Upsert 60 AAAA 3d00::1 4002:6440:1::7; good 3d00::1,4002:6440:1::7",
            ),
        ] {
            assert_eq!(plan(&[asked], None, "60 192.0.2.1", &present_v6), expected, "{asked} {present_v6}");
        }
    }

    #[test]
    fn more_than_eight_are_never_moved() {
        let nine = (1..=9).map(|host| format!(" 2001:db8::{host}")).collect::<Vec<_>>().concat();
        assert_eq!(plan(&["2001:db8:1:2::/64"], None, "", &format!("60{nine}")), "dnserr");
    }

    #[test]
    fn offline_deletes_what_is_there_to_the_letter() {
        let (v4, v6) = ("60 192.0.2.7", "300 2001:DB8::7");
        let both = "Delete 60 A 192.0.2.7; Delete 300 AAAA 2001:DB8::7; good 0.0.0.0";
        for (asked, v4, v6, expected) in [
            (&["offline=yes"][..], v4, v6, both),
            (&["ipv4=offline", "ipv6=offline"], v4, v6, both),
            (&["offline=yes"], "", v6, "Delete 300 AAAA 2001:DB8::7; good 0.0.0.0"),
            (&["offline=yes"], "", "", "nochg 0.0.0.0"),
            (&["ipv4=offline"], v4, v6, "Delete 60 A 192.0.2.7; good 0.0.0.0"),
            (&["ipv4=offline"], "", v6, "nochg 0.0.0.0"),
            (&["ipv4=offline", "ipv6=no"], v4, v6, "Delete 60 A 192.0.2.7; good 0.0.0.0"),
            (&["ipv4=offline", "ipv6=2001:db8::7"], v4, v6, "Delete 60 A 192.0.2.7; good 2001:db8::7"),
            (&["ipv4=offline", "ipv6=2001:db8::7"], "", v6, "nochg 2001:db8::7"),
            (&["ipv4=offline", "prefix=2001:db8::/64"], v4, "", "Delete 60 A 192.0.2.7; good 0.0.0.0"),
            (&["ipv4=offline", "prefix=2001:db8::/64"], "", "", "nochg 0.0.0.0"),
        ] {
            assert_eq!(plan(asked, None, v4, v6), expected, "{asked:?} {v4} {v6}");
        }
    }

    #[test]
    fn what_is_not_ours_is_left_alone() {
        for target in [Target::Keep, Target::Delete, Target::Set(vec!["192.0.2.7".parse().unwrap()])] {
            let desired = Desired { v4: target, v6: Target::Keep };
            assert_eq!(shown(&Plan::new(&desired, None, &Current::not_ours("it is an alias"), BOUNDS)), "nohost");
        }
    }
}
