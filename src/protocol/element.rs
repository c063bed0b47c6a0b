//! The elements of address parameters.

use std::{
    borrow::Cow,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

use crate::protocol::address::{Family, is_publishable};

/// What one element of an address list says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Element {
    /// Set this address.
    Address(IpAddr),
    /// An IPv6 address whose upper 64 bits are zero: set it under the prefix of the request.
    HostPart(Ipv6Addr),
    /// Move each AAAA under this prefix.
    Prefix(Prefix),
    /// `no` or `preserve`: leave the family alone.
    Preserve,
    /// `offline`: delete the record set of the family.
    Offline,
    /// Empty, malformed or a placeholder: as if it were not there.
    Ignored,
}

impl Element {
    /// Reads one element as a parameter of either family has it. White space around it is trimmed.
    pub fn parse(text: &str) -> Self {
        let text = text.trim();
        if text.eq_ignore_ascii_case("no") || text.eq_ignore_ascii_case("preserve") {
            return Self::Preserve;
        }
        if text.eq_ignore_ascii_case("offline") {
            return Self::Offline;
        }
        if let Ok(address) = text.strip_suffix("/32").unwrap_or(text).parse::<Ipv4Addr>() {
            return Self::Address(address.into());
        }
        parse_ipv6(text).map_or(Self::Ignored, |(address, length)| Self::of_ipv6(address, length))
    }

    /// What an IPv6 address says, with the length behind it if there is one.
    fn of_ipv6(address: Ipv6Addr, length: Option<u32>) -> Self {
        let is_whole = matches!(length, None | Some(128));
        if let Some(address) = address.to_ipv4_mapped() {
            // With a shorter length it is a prefix of IPv4.
            return if is_whole { Self::Address(address.into()) } else { Self::Ignored };
        }
        let is_host_part = address.to_bits() >> 64 == 0 && !address.is_unspecified();
        match length {
            _ if is_host_part => Self::HostPart(address),
            Some(length) if length < 128 => {
                Prefix::new(address, length).map_or(Self::Address(address.into()), Self::Prefix)
            }
            Some(_) | None => Self::Address(address.into()),
        }
    }

    /// The element if it counts in a parameter of that family, else ignored.
    pub fn of_family(self, family: Family) -> Self {
        match self {
            Self::Address(address) if Family::of(address) != family => Self::Ignored,
            Self::HostPart(_) | Self::Prefix(_) if family == Family::V4 => Self::Ignored,
            _ => self,
        }
    }

    /// The element if its addresses may be published, else ignored.
    pub fn publishable(self, allow_private: bool) -> Self {
        let publishable = match self {
            Self::Address(address) => is_publishable(address, allow_private),
            Self::Prefix(prefix) => is_publishable(prefix.network.into(), allow_private),
            Self::HostPart(_) | Self::Preserve | Self::Offline | Self::Ignored => true,
        };
        if publishable { self } else { Self::Ignored }
    }
}

/// An IPv6 prefix: a network whose host bits are zero, and its length of 0 to 127 bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Prefix {
    /// The first address.
    network: Ipv6Addr,
    /// The number of bits that belong to the network.
    length: u32,
}

impl Prefix {
    /// The prefix of an address and a length; `None` if the address is one of a host.
    ///
    /// Routers write the network of their LAN with the length of what their provider delegated, such
    /// as `2001:db8:1:4f::/59`. So bits between that length and the host's 64 are masked.
    fn new(address: Ipv6Addr, length: u32) -> Option<Self> {
        let host_bits = u128::MAX.checked_shr(length).unwrap_or(0);
        let network = Ipv6Addr::from_bits(address.to_bits() & !host_bits);
        let is_network = network == address || address.to_bits().trailing_zeros() >= 64;
        is_network.then_some(Self { network, length })
    }

    /// The address of this network that has the host bits of that address. `None` if those are zero,
    /// since a network address is never published, or if the result may not be published.
    pub fn adopt(self, address: Ipv6Addr, allow_private: bool) -> Option<Ipv6Addr> {
        let host = address.to_bits() & u128::MAX.checked_shr(self.length).unwrap_or(0);
        let adopted = Ipv6Addr::from_bits(self.network.to_bits() | host);
        (host != 0 && is_publishable(adopted.into(), allow_private)).then_some(adopted)
    }
}

/// Reads an IPv6 address and the length behind it, if there is one. Either the address or all of it
/// may be in brackets.
fn parse_ipv6(text: &str) -> Option<(Ipv6Addr, Option<u32>)> {
    let text: Cow<'_, str> = match text.strip_prefix('[') {
        None => text.into(),
        Some(rest) => {
            let (inside, length) = rest.split_once(']')?;
            (length.is_empty() || length.starts_with('/')).then(|| format!("{inside}{length}"))?.into()
        }
    };
    match text.split_once('/') {
        None => Some((text.parse().ok()?, None)),
        Some((address, length)) => Some((address.parse().ok()?, Some(parse_length(length)?))),
    }
}

/// Reads a prefix length of IPv6 in decimal, 0 to 128.
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
            ("[2001:db8::7/128]", "2001:db8::7"),
            ("2001:db8::7/128", "2001:db8::7"),
            ("2001:db8::/128", "2001:db8::"),
            ("2001:db8::7/64", "2001:db8::7"),
            ("2001:db8:1:2:3::/64", "2001:db8:1:2:3::"),
            ("2001:db8::198.51.100.7", "2001:db8::c633:6407"),
            ("::ffff:198.51.100.7", "198.51.100.7"),
            ("[::ffff:198.51.100.7]", "198.51.100.7"),
            ("::ffff:c633:6407/128", "198.51.100.7"),
            ("::", "::"),
        ] {
            assert_eq!(Element::parse(given), Element::Address(address.parse().unwrap()), "{given}");
        }
    }

    #[test]
    fn an_address_without_upper_bits_is_a_host_part() {
        for (given, address) in [
            ("::1", "::1"),
            ("::1/64", "::1"),
            ("::1/128", "::1"),
            ("[::1a2b:3c4d:5e6f:7890]", "::1a2b:3c4d:5e6f:7890"),
            ("::8000:0:0:0/0", "::8000:0:0:0"),
            ("::198.51.100.7", "::198.51.100.7"),
        ] {
            assert_eq!(Element::parse(given), Element::HostPart(address.parse().unwrap()), "{given}");
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
            "[[2001:db8::7]]",
            "[2001:db8::/64]/64",
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
    fn a_word_leaves_the_family_alone_or_takes_it_offline() {
        for (given, element) in [
            ("no", Element::Preserve),
            ("NO", Element::Preserve),
            (" preserve ", Element::Preserve),
            ("Offline", Element::Offline),
        ] {
            assert_eq!(Element::parse(given), element, "{given}");
        }
    }

    #[test]
    fn a_network_is_a_prefix_and_gives_an_address_its_bits() {
        for (prefix, address, adopted) in [
            ("2001:db8:1:2::/64", "2001:db8:9:9::7", Some("2001:db8:1:2::7")),
            ("2001:db8:1:2::/64", "::7", Some("2001:db8:1:2::7")),
            ("2001:db8:1:4f::/59", "2001:db8:9:9::7", Some("2001:db8:1:49::7")),
            ("2001:db8:1:200::/56", "2001:db8:9:977:1:2:3:4", Some("2001:db8:1:277:1:2:3:4")),
            ("[2001:db8::]/32", "fd00:1:2::7", Some("2001:db8:2::7")),
            ("[2001:db8::/32]", "fd00:1:2::7", Some("2001:db8:2::7")),
            ("2001:db8::6/127", "2001:db8::ff", Some("2001:db8::7")),
            ("2001:db8:1:2:3::/80", "2001:db8::4:5:6:7", Some("2001:db8:1:2:3:5:6:7")),
            ("2001:db8:1:2::/64", "2001:db8:9:9::", None),
            ("2000::/3", "4002:a01:203::1", None),
            ("2000::/3", "4002:c633:6407::1", Some("2002:c633:6407::1")),
            ("::/0", "fe80::1", None),
        ] {
            let Element::Prefix(prefix) = Element::parse(prefix) else { panic!("{prefix}") };
            let expected = adopted.map(|adopted| adopted.parse().unwrap());
            assert_eq!(prefix.adopt(address.parse().unwrap(), false), expected, "{prefix:?} {address}");
        }
    }

    #[test]
    fn what_a_prefix_gives_may_be_private_if_private_addresses_may_be_published() {
        let Element::Prefix(prefix) = Element::parse("fd00::/16") else { panic!("a prefix") };
        for (allow_private, adopted) in [(true, Some("fd00:db8::7".parse().unwrap())), (false, None)] {
            assert_eq!(prefix.adopt("2001:db8::7".parse().unwrap(), allow_private), adopted);
        }
    }

    #[test]
    fn an_element_counts_in_parameters_of_its_own_family() {
        for (given, v4, v6) in [
            ("198.51.100.7", true, false),
            ("::ffff:198.51.100.7", true, false),
            ("2001:db8::7", false, true),
            ("2001:db8:1::/48", false, true),
            ("::7", false, true),
            ("no", true, true),
            ("offline", true, true),
        ] {
            let counts = |family| Element::parse(given).of_family(family) != Element::Ignored;
            assert_eq!((counts(Family::V4), counts(Family::V6)), (v4, v6), "{given}");
        }
    }

    #[test]
    fn an_element_counts_if_its_addresses_may_be_published() {
        for (given, counts) in [
            ("198.51.100.7", true),
            ("10.0.0.1", false),
            ("4000::1", false),
            ("2001:db8::/32", true),
            ("c000::/2", false),
            ("2002::/16", false),
            ("::/64", false),
            ("::7", true),
        ] {
            assert_eq!(Element::parse(given).publishable(false) != Element::Ignored, counts, "{given}");
        }
    }
}
