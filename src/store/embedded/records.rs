//! The records of a name, and their form in the table.
//!
//! A value is a sequence of runs, one for each family that has records: the family (4 or 6) in one
//! octet, the TTL in four, the number of addresses in one, and the addresses. A name without records is
//! not in the table.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::protocol::{
    address::{ByFamily, Family},
    record::RecordSet,
};

/// The address records at one name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Records(ByFamily<Option<Addresses>>);

/// The addresses of one family at one name, in the order they were written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Addresses {
    /// Seconds.
    pub ttl: u32,
    /// At least one, at most 255, and of one family.
    pub addresses: Vec<IpAddr>,
}

/// The most addresses of a record set.
pub(super) const MOST: usize = u8::MAX as usize;

impl Records {
    /// The records of one family.
    pub fn of(&self, family: Family) -> Option<&Addresses> {
        self.0[family].as_ref()
    }

    /// Replaces or removes the records of a family.
    pub fn set(&mut self, family: Family, addresses: Option<Addresses>) {
        self.0[family] = addresses;
    }

    /// Whether there are no records.
    pub fn is_empty(&self) -> bool {
        self.0.as_ref().into_iter().all(Option::is_none)
    }

    /// As Route 53 would describe those of one family.
    pub fn record_set(&self, family: Family) -> Option<RecordSet> {
        self.of(family).map(|set| RecordSet::new(family, set.ttl, &set.addresses))
    }

    /// As Route 53 would describe those of each family.
    pub fn record_sets(&self) -> ByFamily<Option<RecordSet>> {
        ByFamily::from_fn(|family| self.record_set(family))
    }

    /// Their form in the table.
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        for (kind, set) in [(4, &self.0.v4), (6, &self.0.v6)] {
            let Some(Addresses { ttl, addresses }) = set else { continue };
            bytes.push(kind);
            bytes.extend(ttl.to_be_bytes());
            bytes.push(u8::try_from(addresses.len()).unwrap_or(u8::MAX));
            for address in addresses.iter().take(MOST) {
                match address {
                    IpAddr::V4(address) => bytes.extend(address.octets()),
                    IpAddr::V6(address) => bytes.extend(address.octets()),
                }
            }
        }
        bytes
    }

    /// Reads what [`Records::encode`] wrote; `None` if it is anything else.
    pub fn decode(mut bytes: &[u8]) -> Option<Self> {
        let mut records = Self::default();
        while let [kind, rest @ ..] = bytes {
            let (ttl, rest) = rest.split_first_chunk()?;
            let (count, rest) = rest.split_first()?;
            let count = usize::from(*count);
            let (family, addresses, rest) = match kind {
                4 => {
                    let (octets, rest) = rest.split_at_checked(count * 4)?;
                    (Family::V4, octets.as_chunks().0.iter().copied().map(v4).collect(), rest)
                }
                6 => {
                    let (octets, rest) = rest.split_at_checked(count * 16)?;
                    (Family::V6, octets.as_chunks().0.iter().copied().map(v6).collect(), rest)
                }
                _ => return None,
            };
            records.set(family, Some(Addresses { ttl: u32::from_be_bytes(*ttl), addresses }));
            bytes = rest;
        }
        Some(records)
    }
}

/// An IPv4 address from its octets.
fn v4(octets: [u8; 4]) -> IpAddr {
    Ipv4Addr::from(octets).into()
}

/// An IPv6 address from its octets.
fn v6(octets: [u8; 16]) -> IpAddr {
    Ipv6Addr::from(octets).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Records of these addresses, a TTL for each family.
    fn records(v4: Option<(u32, &[&str])>, v6: Option<(u32, &[&str])>) -> Records {
        let addresses = |(ttl, texts): (u32, &[&str])| Addresses {
            ttl,
            addresses: texts.iter().map(|text| text.parse().unwrap()).collect(),
        };
        Records(ByFamily { v4, v6 }.map(|set| set.map(addresses)))
    }

    #[test]
    fn records_come_back_as_they_were_kept() {
        for kept in [
            records(None, None),
            records(Some((60, &["192.0.2.1"])), None),
            records(None, Some((86400, &["2001:db8::1", "2001:db8::"]))),
            records(Some((u32::MAX, &["192.0.2.2", "192.0.2.1"])), Some((0, &["2001:db8::1"]))),
        ] {
            assert_eq!(Records::decode(&kept.encode()), Some(kept.clone()), "{kept:?}");
        }
    }

    #[test]
    fn a_value_that_was_cut_or_is_of_another_kind_is_not_read() {
        let whole = records(Some((60, &["192.0.2.1"])), Some((60, &["2001:db8::1"]))).encode();
        // Cut after the first run, it is that of a name with an IPv4 address alone.
        for length in (1..whole.len()).filter(|&length| length != 10) {
            assert_eq!(Records::decode(&whole[..length]), None, "{length}");
        }
        assert_eq!(Records::decode(&[5, 0, 0, 0, 60, 0]), None);
    }
}
