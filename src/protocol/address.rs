//! Address families, and which addresses may be published.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    ops::{Index, IndexMut},
};

use serde::{Deserialize, Serialize};

/// The address families, which are also the record types that nic53 writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Family {
    /// IPv4, record type A.
    V4,
    /// IPv6, record type AAAA.
    V6,
}

impl Family {
    /// Both, IPv4 first.
    pub const BOTH: [Self; 2] = [Self::V4, Self::V6];

    /// The family of an address.
    pub fn of(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(_) => Self::V4,
            IpAddr::V6(_) => Self::V6,
        }
    }

    /// The other one.
    pub fn other(self) -> Self {
        match self {
            Self::V4 => Self::V6,
            Self::V6 => Self::V4,
        }
    }

    /// `IPv4` or `IPv6`.
    pub fn name(self) -> &'static str {
        match self {
            Self::V4 => "IPv4",
            Self::V6 => "IPv6",
        }
    }

    /// The record type: `A` or `AAAA`.
    pub fn record_type(self) -> &'static str {
        match self {
            Self::V4 => "A",
            Self::V6 => "AAAA",
        }
    }
}

/// One value for IPv4 and one for IPv6.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(default)]
pub struct ByFamily<T> {
    /// The value for IPv4.
    pub v4: T,
    /// The value for IPv6.
    pub v6: T,
}

impl<T> ByFamily<T> {
    /// The values that a function makes of the families.
    pub fn from_fn(mut make: impl FnMut(Family) -> T) -> Self {
        Self { v4: make(Family::V4), v6: make(Family::V6) }
    }

    /// The values that a function makes of these.
    pub fn map<U>(self, mut make: impl FnMut(T) -> U) -> ByFamily<U> {
        ByFamily { v4: make(self.v4), v6: make(self.v6) }
    }

    /// The values, borrowed.
    pub fn as_ref(&self) -> ByFamily<&T> {
        ByFamily { v4: &self.v4, v6: &self.v6 }
    }
}

impl<T> IntoIterator for ByFamily<T> {
    type Item = T;
    type IntoIter = std::array::IntoIter<T, 2>;

    /// Both values, IPv4 first.
    fn into_iter(self) -> Self::IntoIter {
        [self.v4, self.v6].into_iter()
    }
}

impl<T> Index<Family> for ByFamily<T> {
    type Output = T;

    fn index(&self, family: Family) -> &T {
        match family {
            Family::V4 => &self.v4,
            Family::V6 => &self.v6,
        }
    }
}

impl<T> IndexMut<Family> for ByFamily<T> {
    fn index_mut(&mut self, family: Family) -> &mut T {
        match family {
            Family::V4 => &mut self.v4,
            Family::V6 => &mut self.v6,
        }
    }
}

/// Whether an address may stand in public DNS. A private one may if the deployment allows it.
pub fn is_publishable(address: IpAddr, allow_private: bool) -> bool {
    match address {
        IpAddr::V4(address) => is_publishable_v4(address, allow_private),
        IpAddr::V6(address) => is_publishable_v6(address, allow_private),
    }
}

/// Of IPv4: not 0/8, 127/8, 169.254/16, 192.0.0/24, 198.18/15, 224/4, 240/4 (RFC 6890).
fn is_publishable_v4(address: Ipv4Addr, allow_private: bool) -> bool {
    match address.octets() {
        [0 | 127 | 224..=255, ..] | [169, 254, ..] | [192, 0, 0, _] | [198, 18..=19, ..] => false,
        // RFC 1918, and RFC 6598's shared space of carriers.
        [10, ..] | [172, 16..=31, ..] | [192, 168, ..] | [100, 64..=127, ..] => allow_private,
        _ => true,
    }
}

/// Of IPv6: only global unicast, `2000::/3` (RFC 4291 §2.4).
fn is_publishable_v6(address: Ipv6Addr, allow_private: bool) -> bool {
    match address.segments() {
        // 6to4 (RFC 3056): it leads to the IPv4 address in it.
        [0x2002, high, low, ..] => {
            let bits = u32::from(high) << 16 | u32::from(low);
            is_publishable_v4(Ipv4Addr::from_bits(bits), allow_private)
        }
        [0x2000..=0x3fff, ..] => true,
        // RFC 4193.
        [0xfc00..=0xfdff, ..] => allow_private,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn special_addresses_are_not_published_and_their_neighbours_are() {
        for (address, public, private) in [
            ("0.0.0.0", false, false),
            ("0.255.255.255", false, false),
            ("1.0.0.0", true, true),
            ("1.1.1.1", true, true),
            ("126.255.255.255", true, true),
            ("127.0.0.1", false, false),
            ("127.255.255.255", false, false),
            ("128.0.0.0", true, true),
            ("169.253.255.255", true, true),
            ("169.254.0.1", false, false),
            ("169.255.0.0", true, true),
            ("192.0.0.0", false, false),
            ("192.0.0.255", false, false),
            ("192.0.1.0", true, true),
            ("192.0.2.1", true, true),
            ("198.17.255.255", true, true),
            ("198.18.0.0", false, false),
            ("198.19.255.255", false, false),
            ("198.20.0.0", true, true),
            ("223.255.255.255", true, true),
            ("224.0.0.1", false, false),
            ("239.255.255.255", false, false),
            ("240.0.0.1", false, false),
            ("255.255.255.255", false, false),
            ("10.0.0.1", false, true),
            ("11.0.0.0", true, true),
            ("172.15.255.255", true, true),
            ("172.16.0.0", false, true),
            ("172.31.255.255", false, true),
            ("172.32.0.0", true, true),
            ("192.168.0.1", false, true),
            ("192.169.0.0", true, true),
            ("100.63.255.255", true, true),
            ("100.64.0.0", false, true),
            ("100.127.255.255", false, true),
            ("100.128.0.0", true, true),
            ("198.51.100.7", true, true),
            ("203.0.113.9", true, true),
            ("::", false, false),
            ("::1", false, false),
            ("::2", false, false),
            ("64:ff9b::c633:6407", false, false),
            ("64:ff9b:1::1", false, false),
            ("100::1", false, false),
            ("1fff:ffff::1", false, false),
            ("2000::", true, true),
            ("2001:db8::7", true, true),
            ("3fff:ffff::1", true, true),
            ("4000::1", false, false),
            ("2002::1", false, false),
            ("2002:7f00:1::1", false, false),
            ("2002:c633:6407::1", true, true),
            ("2002:a00:1::1", false, true),
            ("2002:6440:1::1", false, true),
            ("2003::1", true, true),
            ("fbff::1", false, false),
            ("fc00::1", false, true),
            ("fdff::1", false, true),
            ("fe00::1", false, false),
            ("fe80::1", false, false),
            ("fec0::1", false, false),
            ("ff02::1", false, false),
        ] {
            let parsed: IpAddr = address.parse().unwrap();
            assert_eq!((is_publishable(parsed, false), is_publishable(parsed, true)), (public, private), "{address}");
        }
    }
}
