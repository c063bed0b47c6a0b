//! The elements of an address parameter, and which addresses may be published.

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    ops::{Index, IndexMut},
};

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
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
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

/// An address as text. The standard library's own for IPv4 goes through its formatting machinery for
/// every octet: up to four of them a request were a tenth of its instructions.
pub struct Text(pub IpAddr);

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let IpAddr::V4(address) = self.0 else { return self.0.fmt(f) };
        let (mut text, mut length) = ([0; "255.255.255.255".len()], 0);
        let mut push = |octet| {
            text[length] = octet;
            length += 1;
        };
        for (index, octet) in address.octets().into_iter().enumerate() {
            if index > 0 {
                push(b'.');
            }
            if octet >= 100 {
                push(b'0' + octet / 100);
            }
            if octet >= 10 {
                push(b'0' + octet / 10 % 10);
            }
            push(b'0' + octet % 10);
        }
        f.write_str(str::from_utf8(&text[..length]).unwrap_or_default())
    }
}

/// Whether an address may stand in public DNS; private ones where the deployment allows them.
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

/// Of IPv6: not `::`, `::1`, `fe80::/10`, `fec0::/10`, `ff00::/8`, `64:ff9b::/96`, `100::/64`.
fn is_publishable_v6(address: Ipv6Addr, allow_private: bool) -> bool {
    match address.segments() {
        [0, 0, 0, 0, 0, 0, 0, 0 | 1]
        | [0xfe80..=0xffff, ..]
        | [0x64, 0xff9b, 0, 0, 0, 0, _, _]
        | [0x100, 0, 0, 0, ..] => false,
        // RFC 4193.
        [0xfc00..=0xfdff, ..] => allow_private,
        _ => true,
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
    fn an_address_is_the_text_that_the_standard_library_has() {
        for octet in 0..=255 {
            let address = IpAddr::from([octet, 255 - octet, octet / 2, octet]);
            assert_eq!(Text(address).to_string(), address.to_string());
        }
        for address in ["::", "2001:db8::1", "::ffff:192.0.2.1"] {
            assert_eq!(Text(address.parse().unwrap()).to_string(), address);
        }
    }

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
    fn what_is_never_published_is_not_and_its_neighbours_are() {
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
            ("::2", true, true),
            ("fe7f::1", true, true),
            ("fe80::1", false, false),
            ("febf::1", false, false),
            ("fec0::1", false, false),
            ("feff::1", false, false),
            ("ff02::1", false, false),
            ("64:ff9b::c633:6407", false, false),
            ("64:ff9b:1::1", true, true),
            ("64:ff9b::1:0:0", true, true),
            ("100::1", false, false),
            ("100:0:0:1::", true, true),
            ("fc00::1", false, true),
            ("fdff::1", false, true),
            ("fbff::1", true, true),
            ("2001:db8::7", true, true),
            ("2002::1", true, true),
        ] {
            let parsed: IpAddr = address.parse().unwrap();
            assert_eq!((is_publishable(parsed, false), is_publishable(parsed, true)), (public, private), "{address}");
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
