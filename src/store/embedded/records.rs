//! The records of a name, and their form in the table.
//!
//! A value is a sequence of runs, one for each type that has records: the type in one octet (4 for A, 6
//! for AAAA, 16 for TXT), the TTL in four, the number of records in one, and the records. An address is
//! its octets; a text has its length in one octet before it. A name without records is not in the table.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::texts::Texts;
use crate::protocol::{
    address::{ByFamily, Family},
    record::RecordSet,
};

/// The records at one name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Records {
    /// A and AAAA.
    addresses: ByFamily<Option<Addresses>>,
    /// TXT.
    texts: Option<Texts>,
}

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

/// What TXT records begin with in the table: the number of their type (RFC 1035 §3.2.2).
const TXT: u8 = 16;

impl Records {
    /// The records of one family.
    pub fn of(&self, family: Family) -> Option<&Addresses> {
        self.addresses[family].as_ref()
    }

    /// Replaces or removes the records of a family.
    pub fn set(&mut self, family: Family, addresses: Option<Addresses>) {
        self.addresses[family] = addresses;
    }

    /// The TXT records.
    pub fn texts(&self) -> Option<&Texts> {
        self.texts.as_ref()
    }

    /// Replaces or removes the TXT records.
    pub fn set_texts(&mut self, texts: Option<Texts>) {
        self.texts = texts;
    }

    /// Whether there are no records.
    pub fn is_empty(&self) -> bool {
        self.addresses.as_ref().into_iter().all(Option::is_none) && self.texts.is_none()
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
        for (kind, set) in [(4, &self.addresses.v4), (6, &self.addresses.v6)] {
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
        if let Some(texts) = &self.texts {
            bytes.push(TXT);
            texts.encode(&mut bytes);
        }
        bytes
    }

    /// Reads what [`Records::encode`] wrote; `None` if it is anything else.
    pub fn decode(mut bytes: &[u8]) -> Option<Self> {
        let mut records = Self::default();
        while let [kind, rest @ ..] = bytes {
            let (ttl, rest) = rest.split_first_chunk()?;
            let (count, rest) = rest.split_first()?;
            let (ttl, count) = (u32::from_be_bytes(*ttl), usize::from(*count));
            if *kind == TXT {
                let (texts, rest) = Texts::decode(ttl, count, rest)?;
                records.set_texts(Some(texts));
                bytes = rest;
                continue;
            }
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
            records.set(family, Some(Addresses { ttl, addresses }));
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
        Records { addresses: ByFamily { v4, v6 }.map(|set| set.map(addresses)), texts: None }
    }

    /// The same with TXT records.
    fn with_texts(records: Records, texts: &[&str]) -> Records {
        let texts = texts.iter().map(|&text| text.to_owned()).collect();
        Records { texts: Some(Texts { ttl: 60, texts }), ..records }
    }

    #[test]
    fn records_come_back_as_they_were_kept() {
        for kept in [
            records(None, None),
            records(Some((60, &["192.0.2.1"])), None),
            records(None, Some((86400, &["2001:db8::1", "2001:db8::"]))),
            records(Some((u32::MAX, &["192.0.2.2", "192.0.2.1"])), Some((0, &["2001:db8::1"]))),
            with_texts(records(None, None), &["b", "a"]),
            with_texts(records(Some((60, &["192.0.2.1"])), None), &["", "é\"", &"x".repeat(255)]),
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
        let whole = with_texts(records(None, None), &["text", "b"]).encode();
        for length in 1..whole.len() {
            assert_eq!(Records::decode(&whole[..length]), None, "{length}");
        }
        assert_eq!(Records::decode(&[5, 0, 0, 0, 60, 0]), None);
        assert_eq!(Records::decode(&[16, 0, 0, 0, 60, 1, 1, 0xff]), None);
    }
}
