//! Record sets and changes of them, in Route 53's own words.

use std::{
    borrow::Cow,
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

use crate::protocol::{
    access::Grant,
    address::{ByFamily, Family},
    zone::Zone,
};

/// The A or the AAAA records of one name: what DNS calls an `RRset`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordSet {
    /// A or AAAA.
    pub family: Family,
    /// The TTL in seconds.
    pub ttl: u32,
    /// The values as they are written in the zone. Whoever else writes to the zone may have
    /// spelled an address in another way than we do, and a deletion must repeat it.
    pub values: Vec<String>,
}

impl RecordSet {
    /// A record set of these addresses.
    pub fn new(family: Family, ttl: u32, addresses: &[IpAddr]) -> Self {
        Self { family, ttl, values: addresses.iter().map(IpAddr::to_string).collect() }
    }

    /// The values that are addresses of this family, in numeric order, each once.
    pub fn addresses(&self) -> Vec<IpAddr> {
        let mut addresses: Vec<IpAddr> = self.values.iter().filter_map(|value| self.address(value)).collect();
        addresses.sort_unstable();
        addresses.dedup();
        addresses
    }

    /// Whether the values are exactly these addresses, in any order and spelling.
    pub fn holds(&self, addresses: &[IpAddr]) -> bool {
        let is = |value: &String, address| self.address(value) == Some(address);
        self.values.iter().all(|value| addresses.iter().any(|address| is(value, *address)))
            && addresses.iter().all(|address| self.values.iter().any(|value| is(value, *address)))
    }

    /// A value as an address of this family.
    fn address(&self, value: &str) -> Option<IpAddr> {
        match self.family {
            Family::V4 => value.parse::<Ipv4Addr>().ok().map(IpAddr::V4),
            Family::V6 => value.parse::<Ipv6Addr>().ok().map(IpAddr::V6),
        }
    }
}

/// What a zone holds at one name now, as far as it concerns us.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Current {
    /// Simple record sets, which are ours to change: the A and the AAAA, if they are there.
    Simple(ByFamily<Option<RecordSet>>),
    /// A CNAME, an alias or a routing policy: not ours to change, with the reason for the log.
    NotOurs(Cow<'static, str>),
    /// What was asked for before is refused by Route 53, with what it says.
    Refused(Cow<'static, str>),
}

impl Current {
    /// A name without A and AAAA.
    pub const NOTHING: Self = Self::Simple(ByFamily { v4: None, v6: None });

    /// A host that is not ours to change.
    pub const fn not_ours(reason: &'static str) -> Self {
        Self::NotOurs(Cow::Borrowed(reason))
    }
}

/// One change of a batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change<'a> {
    /// The permission to make it. Its host is the record set's name.
    pub grant: &'a Grant<'a>,
    /// Whether the record set is made or removed.
    pub action: Action,
    /// The record set as it is to be; for a deletion, exactly as it is now.
    pub record_set: RecordSet,
}

/// What a change does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Makes the record set or replaces the one of its name and type.
    Upsert,
    /// Removes it.
    Delete,
}

/// The changes of one request in one hosted zone: applied as a whole or not at all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChangeBatch<'a> {
    /// The zone of every grant in it.
    pub zone: &'a Zone,
    /// The changes, at least one.
    pub changes: Vec<Change<'a>>,
}

impl fmt::Display for RecordSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}", self.ttl, self.family.record_type(), self.values.join(" "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_set_is_written_as_in_a_zone_file() {
        for (family, addresses, expected) in [
            (Family::V4, &["192.0.2.1", "192.0.2.2"][..], "60 A 192.0.2.1 192.0.2.2"),
            (Family::V6, &["2001:DB8::1"], "60 AAAA 2001:db8::1"),
        ] {
            let addresses: Vec<IpAddr> = addresses.iter().map(|text| text.parse().unwrap()).collect();
            assert!(addresses.iter().all(|address| Family::of(*address) == family), "{expected}");
            assert_eq!(RecordSet::new(family, 60, &addresses).to_string(), expected);
        }
    }

    #[test]
    fn addresses_are_compared_parsed_and_as_a_set() {
        let set = RecordSet { family: Family::V6, ttl: 60, values: vec!["2001:DB8:0::7".into(), "2001:db8::1".into()] };
        for (wanted, same) in [
            (&["2001:db8::1", "2001:db8::7"][..], true),
            (&["2001:db8::7", "2001:db8::1", "2001:db8::1"], true),
            (&["2001:db8::7"], false),
            (&["2001:db8::7", "2001:db8::1", "2001:db8::2"], false),
        ] {
            let wanted: Vec<IpAddr> = wanted.iter().map(|text| text.parse().unwrap()).collect();
            assert_eq!(set.holds(&wanted), same, "{wanted:?}");
        }
    }

    #[test]
    fn a_value_that_is_no_address_of_the_family_is_never_as_wanted() {
        for value in ["2001:db8::7", "999.1.1.1", ""] {
            let set = RecordSet { family: Family::V4, ttl: 60, values: vec!["192.0.2.1".into(), value.into()] };
            assert!(!set.holds(&["192.0.2.1".parse().unwrap()]), "{value}");
        }
    }
}
