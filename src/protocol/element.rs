//! The elements of address parameters.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::protocol::address::{Family, is_publishable};

/// What one element of an address list says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Element {
    /// Set this address.
    Address(IpAddr),
    /// Move each AAAA under this prefix.
    Prefix(Prefix),
    /// `no` or `preserve`: leave the family alone.
    Preserve,
    /// Empty, malformed or a placeholder: as if it were not there.
    Ignored,
}

impl Element {
    /// Reads one element, white space around it trimmed. It is of any family here.
    pub fn parse(text: &str) -> Self {
        let text = text.trim();
        if text.eq_ignore_ascii_case("no") || text.eq_ignore_ascii_case("preserve") {
            return Self::Preserve;
        }
        let (address, length) = match text.split_once('/') {
            Some((address, length)) => (address, Some(length)),
            None => (text, None),
        };
        if let Ok(address) = address.parse::<Ipv4Addr>() {
            return if matches!(length, None | Some("32")) { Self::Address(address.into()) } else { Self::Ignored };
        }
        let bare = address.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(address);
        match (bare.parse::<Ipv6Addr>(), length.map(parse_length)) {
            (Ok(address), None | Some(Some(128))) => Self::Address(address.to_canonical()),
            (Ok(address), Some(Some(length))) => match Prefix::new(address, length) {
                // `::ffff:0:0/96` is a prefix of IPv4.
                Some(_) if address.to_ipv4_mapped().is_some() => Self::Ignored,
                Some(prefix) => Self::Prefix(prefix),
                None => Self::Address(address.to_canonical()),
            },
            (Ok(_), Some(None)) | (Err(_), _) => Self::Ignored,
        }
    }

    /// The element where it counts in a parameter of that family, else ignored.
    pub fn of_family(self, family: Family) -> Self {
        match self {
            Self::Address(address) if Family::of(address) != family => Self::Ignored,
            Self::Prefix(_) if family == Family::V4 => Self::Ignored,
            _ => self,
        }
    }

    /// The element where its addresses may be published, else ignored.
    pub fn publishable(self, allow_private: bool) -> Self {
        let publishable = match self {
            Self::Address(address) => is_publishable(address, allow_private),
            Self::Prefix(prefix) => is_publishable(prefix.network.into(), allow_private),
            Self::Preserve | Self::Ignored => true,
        };
        if publishable { self } else { Self::Ignored }
    }
}

/// An IPv6 prefix: a network whose host bits are zero, and its length of 0 to 127 bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Prefix {
    /// The first address.
    network: Ipv6Addr,
    /// Bits that are the network's.
    length: u32,
}

impl Prefix {
    /// The prefix, unless the address has host bits.
    fn new(network: Ipv6Addr, length: u32) -> Option<Self> {
        let prefix = Self { network, length };
        (network.to_bits() & prefix.host_mask() == 0).then_some(prefix)
    }

    /// The address that keeps its host bits under this prefix; `None` where it has none, since the
    /// network address itself is never published, or where the result may not be.
    pub fn adopt(self, address: Ipv6Addr) -> Option<Ipv6Addr> {
        let host = address.to_bits() & self.host_mask();
        let moved = Ipv6Addr::from_bits(self.network.to_bits() | host);
        (host != 0 && is_publishable(moved.into(), true)).then_some(moved)
    }

    /// The bits that are the host's.
    fn host_mask(self) -> u128 {
        u128::MAX.checked_shr(self.length).unwrap_or(0)
    }
}

/// A prefix length of IPv6 in decimal, 0 to 128.
fn parse_length(text: &str) -> Option<u32> {
    let digits = !text.is_empty() && text.len() <= 3 && text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|length| digits && *length <= 128)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_element_is_an_address_however_it_is_written() {
        for (given, address) in [
            ("198.51.100.7", "198.51.100.7"),
            (" 198.51.100.7/32\t", "198.51.100.7"),
            ("2001:DB8:0:0::7", "2001:db8::7"),
            ("2001:0db8:0000:0000:0000:0000:0000:0007", "2001:db8::7"),
            ("[2001:db8::7]", "2001:db8::7"),
            ("[2001:db8::7]/128", "2001:db8::7"),
            ("2001:db8::7/128", "2001:db8::7"),
            ("2001:db8::/128", "2001:db8::"),
            ("2001:db8::7/64", "2001:db8::7"),
            ("2001:db8::198.51.100.7", "2001:db8::c633:6407"),
            ("::ffff:198.51.100.7", "198.51.100.7"),
            ("::ffff:c633:6407/128", "198.51.100.7"),
        ] {
            assert_eq!(Element::parse(given), Element::Address(address.parse().unwrap()), "{given}");
        }
    }

    #[test]
    fn what_is_malformed_is_ignored() {
        for given in [
            "",
            " ",
            "auto",
            "%i",
            "<ip6addr>",
            "999.1.2.3",
            "1.2.3",
            "01.2.3.4",
            "1.2.3.4/24",
            "1.2.3.4/",
            "1.2.3.4:80",
            "fe80::1%eth0",
            "2001:db8::7/129",
            "2001:db8::/",
            "2001:db8::/+64",
            "2001:db8::/0064",
            "2001:db8::/64/64",
            "[2001:db8::7",
            "2001:db8::7]",
            "[2001:db8::7]:80",
            "[198.51.100.7]",
            "nope",
            "::ffff:0:0/96",
            "0x7f.1",
            "١.٢.٣.٤",
        ] {
            assert_eq!(Element::parse(given), Element::Ignored, "{given}");
        }
    }

    #[test]
    fn no_and_preserve_leave_the_family_alone() {
        for given in ["no", "NO", " preserve "] {
            assert_eq!(Element::parse(given), Element::Preserve, "{given}");
        }
    }

    #[test]
    fn a_network_is_a_prefix_and_moves_an_address() {
        for (prefix, address, moved) in [
            ("2001:db8:1:2::/64", "2001:db8:9:9::7", "2001:db8:1:2::7"),
            ("2001:db8:1:200::/56", "2001:db8:9:977:1:2:3:4", "2001:db8:1:277:1:2:3:4"),
            ("[2001:db8::]/32", "fd00:1:2::7", "2001:db8:2::7"),
            ("2001:db8::6/127", "2001:db8::ff", "2001:db8::7"),
        ] {
            let Element::Prefix(prefix) = Element::parse(prefix) else { panic!("{prefix}") };
            assert_eq!(prefix.adopt(address.parse().unwrap()), Some(moved.parse().unwrap()), "{address}");
        }
        for (prefix, address) in [("2001:db8:1:2::/64", "2001:db8:9:9::"), ("64::/16", "2001:ff9b::7")] {
            let Element::Prefix(prefix) = Element::parse(prefix) else { panic!("{prefix}") };
            assert_eq!(prefix.adopt(address.parse().unwrap()), None, "{address}");
        }
    }

    #[test]
    fn an_element_of_the_wrong_family_is_ignored() {
        for (given, v4, v6) in [
            ("198.51.100.7", true, false),
            ("::ffff:198.51.100.7", true, false),
            ("2001:db8::7", false, true),
            ("2001:db8:1::/48", false, true),
            ("no", true, true),
        ] {
            let counts = |family| Element::parse(given).of_family(family) != Element::Ignored;
            assert_eq!((counts(Family::V4), counts(Family::V6)), (v4, v6), "{given}");
        }
    }
}
