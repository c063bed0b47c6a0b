//! The addresses of a host, as a request has them.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::protocol::address::{ByFamily, Family};

/// What a request writes, and what is remembered, of a family that should have no addresses.
pub const OFFLINE: &str = "offline";

/// The addresses that a request asks for, as it writes them. A family without one is left alone.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct HostAddresses(ByFamily<Vec<String>>);

impl HostAddresses {
    /// The addresses of a family, or [`OFFLINE`]; for IPv6 it may be a prefix.
    pub fn of_family(&self, family: Family) -> &[String] {
        &self.0[family]
    }

    /// Sets the addresses of a family.
    pub fn set(&mut self, family: Family, addresses: Vec<String>) {
        self.0[family] = addresses;
    }

    /// All of them, IPv4 first.
    pub fn iter(&self) -> impl Iterator<Item = &String> {
        self.0.as_ref().into_iter().flatten()
    }

    /// Whether a host with these addresses has the asked ones already.
    pub fn hold(&self, asked: &Self) -> bool {
        asked.families().all(|family| asked.of_family(family) == self.of_family(family))
    }

    /// Takes over the families that the other has.
    pub fn take(&mut self, other: &Self) {
        for family in other.families() {
            self.set(family, other.of_family(family).to_vec());
        }
    }

    /// Sets each family that was asked for to what was answered, which may be nothing. A host that was left without
    /// any address is answered with an unspecified one.
    pub fn answer(&mut self, asked: &Self, answered: &[IpAddr]) {
        for family in asked.families() {
            let of_family =
                answered.iter().filter(|address| Family::of(**address) == family && !address.is_unspecified());
            let addresses: Vec<String> = of_family.map(IpAddr::to_string).collect();
            let is_offline = addresses.is_empty() && asked.of_family(family) == [OFFLINE];
            self.set(family, if is_offline { vec![OFFLINE.to_owned()] } else { addresses });
        }
    }

    /// These, of the families that were asked for.
    pub fn only(&self, asked: &Self) -> Self {
        let mut only = Self::default();
        for family in asked.families() {
            only.set(family, self.of_family(family).to_vec());
        }
        only
    }

    /// The asked ones that are not among these, because the gateway does not publish them. A prefix
    /// is never one: it is answered with the addresses that were moved under it, if there were any.
    pub fn unpublished(&self, asked: &Self) -> Vec<String> {
        let held: Vec<&String> = self.iter().collect();
        asked.iter().filter(|address| !address.contains('/') && !held.contains(address)).cloned().collect()
    }

    /// The families with an address, IPv4 first.
    fn families(&self) -> impl Iterator<Item = Family> {
        Family::BOTH.into_iter().filter(|family| !self.of_family(*family).is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Addresses from their text.
    fn addresses(v4: &[&str], v6: &[&str]) -> HostAddresses {
        let owned = |list: &[&str]| list.iter().map(|text| (*text).to_owned()).collect();
        HostAddresses(ByFamily { v4: owned(v4), v6: owned(v6) })
    }

    #[test]
    fn a_family_that_is_not_asked_for_counts_as_held() {
        let held = addresses(&["192.0.2.1"], &["2001:db8::7"]);
        for (asked, holds) in [
            (addresses(&["192.0.2.1"], &["2001:db8::7"]), true),
            (addresses(&["192.0.2.1"], &[]), true),
            (addresses(&[], &["2001:db8::7"]), true),
            (addresses(&["192.0.2.2"], &["2001:db8::7"]), false),
            (addresses(&["192.0.2.1"], &["2001:db8::8"]), false),
            (addresses(&["192.0.2.1", "192.0.2.2"], &[]), false),
        ] {
            assert_eq!(held.hold(&asked), holds, "{asked:?}");
        }
        let mut taken = held.clone();
        taken.take(&addresses(&["192.0.2.9"], &[]));
        assert_eq!(taken, addresses(&["192.0.2.9"], &["2001:db8::7"]));
        assert_eq!(held.only(&addresses(&[], &["2001:db8::9"])), addresses(&[], &["2001:db8::7"]));
    }

    #[test]
    fn what_is_asked_for_and_not_answered_is_unpublished() {
        for (asked, answered, held, unpublished) in [
            (
                addresses(&["10.1.1.1"], &["2001:db8::1"]),
                &["2001:db8::1"][..],
                addresses(&[], &["2001:db8::1"]),
                "10.1.1.1",
            ),
            (addresses(&["10.1.1.1"], &[]), &["192.0.2.9"], addresses(&["192.0.2.9"], &["::1"]), "10.1.1.1"),
            (addresses(&[], &["2001:db8::/64"]), &["2001:db8::7"], addresses(&["192.0.2.1"], &["2001:db8::7"]), ""),
            (addresses(&["offline"], &[]), &["0.0.0.0"], addresses(&["offline"], &["::1"]), ""),
            (
                addresses(&["offline"], &["2001:db8::7"]),
                &["2001:db8::7"],
                addresses(&["offline"], &["2001:db8::7"]),
                "",
            ),
            (addresses(&["offline"], &[]), &["192.0.2.9"], addresses(&["192.0.2.9"], &["::1"]), "offline"),
            (addresses(&["192.0.2.1"], &["2001:db8::/64"]), &["192.0.2.1"], addresses(&["192.0.2.1"], &[]), ""),
        ] {
            let answered: Vec<IpAddr> = answered.iter().map(|address| address.parse().unwrap()).collect();
            let mut before = addresses(&["192.0.2.1"], &["::1"]);
            before.answer(&asked, &answered);
            assert_eq!(before, held, "{asked:?}");
            assert_eq!(before.unpublished(&asked).join(","), unpublished, "{asked:?}");
        }
    }
}
