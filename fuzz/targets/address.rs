//! The elements of address lists: addresses, prefixes and all else, alone and as what an update asks for.

use std::{
    collections::HashSet,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

use http::Request;
use nic53::protocol::{
    address::{Family, is_publishable},
    asked::Asked,
    desired::Target,
    element::Element,
    parameters::Parameters,
};

/// The ranges of IPv4 that are never published, as `docs/protocol.md` has them.
const NEVER: [(&str, u32); 7] = [
    ("0.0.0.0", 8),
    ("127.0.0.0", 8),
    ("169.254.0.0", 16),
    ("192.0.0.0", 24),
    ("198.18.0.0", 15),
    ("224.0.0.0", 4),
    ("240.0.0.0", 4),
];

/// The ranges that are private.
const PRIVATE: [(&str, u32); 5] =
    [("10.0.0.0", 8), ("172.16.0.0", 12), ("192.168.0.0", 16), ("100.64.0.0", 10), ("fc00::", 7)];

/// What is published of IPv6, and in it the addresses around one of IPv4.
const GLOBAL: [(&str, u32); 2] = [("2000::", 3), ("2002::", 16)];

/// Networks and their lengths.
type Ranges = Vec<(IpAddr, u32)>;

thread_local! {
    /// The tables as numbers.
    static RANGES: (Ranges, Ranges, Ranges) = (ranges(&NEVER), ranges(&PRIVATE), ranges(&GLOBAL));
}

/// A table as numbers.
fn ranges(table: &[(&str, u32)]) -> Ranges {
    table.iter().map(|(network, length)| (network.parse().expect("an address"), *length)).collect()
}

/// Takes 16 bytes for an address that may be moved, and the rest for a list.
pub fn run(data: &[u8]) {
    let Some((octets, text)) = data.split_first_chunk::<16>() else { return };
    let host = Ipv6Addr::from(*octets);
    publishing(host.into());
    publishing(Ipv4Addr::from(*octets.last_chunk::<4>().expect("16 are more")).into());
    edges(octets.iter().copied().map(usize::from).sum());
    let text = String::from_utf8_lossy(text);
    for element in text.split(',') {
        one(element, host);
    }
    whole(&text, octets[0] & 1 == 0);
}

/// What may be published is what the tables say.
fn publishing(address: IpAddr) {
    for private in [false, true] {
        assert_eq!(is_publishable(address, private), may_be_published(address, private), "{address} {private}");
    }
}

/// The first and the last address of one of the networks, and those before and behind it.
fn edges(which: usize) {
    let (network, length) = RANGES.with(|(never, private, global)| {
        let all: Vec<_> = never.iter().chain(private).chain(global).copied().collect();
        all[which % all.len()]
    });
    match network {
        IpAddr::V4(network) => {
            let (first, last) = (network.to_bits(), network.to_bits() | u32::MAX >> length);
            for bits in [first.wrapping_sub(1), first, last, last.wrapping_add(1)] {
                publishing(Ipv4Addr::from_bits(bits).into());
            }
        }
        IpAddr::V6(network) => {
            let (first, last) = (network.to_bits(), network.to_bits() | u128::MAX.checked_shr(length).unwrap_or(0));
            for bits in [first.wrapping_sub(1), first, last, last.wrapping_add(1)] {
                publishing(Ipv6Addr::from_bits(bits).into());
            }
        }
    }
}

/// Checks one element.
fn one(text: &str, host: Ipv6Addr) {
    let element = Element::parse(text);
    assert_eq!(element, expected(text), "{text:?}");
    assert_eq!(Element::parse(&format!(" \t{text}\n")), element, "white space around {text:?}");
    match element {
        Element::Address(address) => {
            publishing(address);
            assert_eq!(Element::parse(&address.to_string()), element, "printed and read again");
            let whole = if address.is_ipv4() { 32 } else { 128 };
            assert_eq!(Element::parse(&format!("{address}/{whole}")), element);
            for family in Family::BOTH {
                let counts = if Family::of(address) == family { element } else { Element::Ignored };
                assert_eq!(element.of_family(family), counts);
            }
            for private in [false, true] {
                let counts = if is_publishable(address, private) { element } else { Element::Ignored };
                assert_eq!(element.publishable(private), counts, "{address}");
            }
        }
        Element::Prefix(prefix) => {
            assert_eq!(element.of_family(Family::V4), Element::Ignored);
            assert_eq!(element.of_family(Family::V6), element);
            let (network, length) = address_and_length(text).expect("a prefix has both");
            let length = length.expect("a prefix has a length");
            let network = bits(network, Ipv6Addr::UNSPECIFIED, length);
            assert_eq!(Element::parse(&format!("{network}/{length}")), element, "printed and read again");
            for private in [false, true] {
                let counts = if may_be_published(network.into(), private) { element } else { Element::Ignored };
                assert_eq!(element.publishable(private), counts, "{network}/{length}");
                let adopted = adopted(network, length, host, private);
                assert_eq!(prefix.adopt(host, private), adopted, "{host} under {network}/{length}");
            }
        }
        Element::HostPart(address) => {
            assert!(address.segments()[..4] == [0; 4] && address.segments()[4..] != [0; 4], "{address}");
            assert_eq!(element.of_family(Family::V4), Element::Ignored);
            assert_eq!(element.of_family(Family::V6), element);
            assert_eq!(element.publishable(false), element);
        }
        Element::Preserve | Element::Offline | Element::Ignored => {
            for family in Family::BOTH {
                assert_eq!(element.of_family(family), element);
            }
            assert_eq!(element.publishable(false), element);
        }
    }
}

/// The address of a network that has the host bits of another, if there are any and it may be
/// published.
fn adopted(network: Ipv6Addr, length: u32, host: Ipv6Addr, private: bool) -> Option<Ipv6Addr> {
    let address = bits(network, host, length);
    let kept = bits(Ipv6Addr::UNSPECIFIED, host, length) != Ipv6Addr::UNSPECIFIED;
    (kept && may_be_published(address.into(), private)).then_some(address)
}

/// The first bits of a network and the others of a host, one by one.
fn bits(network: Ipv6Addr, host: Ipv6Addr, length: u32) -> Ipv6Addr {
    let mut bits = 0_u128;
    for place in 0..128 {
        let of = if place < length { network } else { host };
        bits = bits << 1 | of.to_bits() >> (127 - place) & 1;
    }
    Ipv6Addr::from_bits(bits)
}

/// What an element should be, from `docs/protocol.md`.
fn expected(text: &str) -> Element {
    let text = text.trim();
    match text.to_ascii_lowercase().as_str() {
        "no" | "preserve" => return Element::Preserve,
        "offline" => return Element::Offline,
        _ => {}
    }
    let bare = text.strip_suffix("/32").unwrap_or(text);
    if let Ok(address) = bare.parse::<Ipv4Addr>() {
        return Element::Address(address.into());
    }
    let Some((address, length)) = address_and_length(text) else { return Element::Ignored };
    let length = length.unwrap_or(128);
    let segments = address.segments();
    let (upper, lower) = segments.split_at(4);
    if upper == [0; 4] && lower[..2] == [0, 0xffff] {
        return if length == 128 { Element::Address(address.to_canonical()) } else { Element::Ignored };
    }
    if upper == [0; 4] && lower != [0; 4] {
        return Element::HostPart(address);
    }
    let network = bits(address, Ipv6Addr::UNSPECIFIED, length);
    if length == 128 || network != address && lower != [0; 4] {
        return Element::Address(address.into());
    }
    // There is no other way to make one.
    match Element::parse(&format!("{network}/{length}")) {
        prefix @ Element::Prefix(_) => prefix,
        other => panic!("{network}/{length} is {other:?}"),
    }
}

/// An IPv6 address and the length behind it, if one is there.
fn address_and_length(text: &str) -> Option<(Ipv6Addr, Option<u32>)> {
    let text = text.trim();
    let plain = match text.find(']') {
        Some(end) if text.starts_with('[') => {
            let behind = &text[end + 1..];
            if !behind.is_empty() && !behind.starts_with('/') {
                return None;
            }
            [&text[1..end], behind].concat()
        }
        _ => text.to_owned(),
    };
    let Some(slash) = plain.rfind('/') else { return Some((plain.parse().ok()?, None)) };
    let (address, digits) = (&plain[..slash], &plain[slash + 1..]);
    let length = (0..=128_u32).find(|length| {
        let written = length.to_string();
        digits.len() <= 3 && digits.trim_start_matches('0') == written.trim_start_matches('0') && !digits.is_empty()
    });
    Some((address.parse().ok()?, Some(length?)))
}

/// A list as what an update asks for: addresses of the list and no others, each once, IPv4 first, at
/// most eight of a family, none that may not be published.
fn whole(list: &str, private: bool) {
    let plain =
        |byte: u8| if byte.is_ascii_alphanumeric() { char::from(byte).to_string() } else { format!("%{byte:02X}") };
    let query: String = list.bytes().map(plain).collect();
    let Ok(request) = Request::get(format!("/nic/update?p=x&myip={query}")).body(()) else { return };
    let (parts, ()) = request.into_parts();
    let asked = Asked::read(&Parameters::read(&parts, b""), private);
    assert!(asked.check(false).is_ok(), "{list:?}");
    let elements: Vec<Element> = list.split(',').map(expected).collect();
    // In a list of both families, `no` is about IPv4, and `offline` is about neither.
    let preserves = elements.contains(&Element::Preserve);
    let (mut v4, mut v6, mut prefix, mut hosts) = (Vec::new(), Vec::new(), None, Vec::new());
    for element in &elements {
        match element.publishable(private) {
            Element::Address(address) if address.is_ipv4() && preserves => {}
            Element::Address(address) if address.is_ipv4() => v4.push(address),
            Element::Address(address) => v6.push(address),
            Element::Prefix(network) => prefix = prefix.or(Some(network)),
            Element::HostPart(host) => hosts.push(host),
            Element::Preserve | Element::Offline | Element::Ignored => {}
        }
    }
    let nothing = v4.is_empty() && v6.is_empty() && prefix.is_none() && !preserves;
    if let (true, Some(prefix)) = (v6.is_empty(), prefix) {
        v6.extend(hosts.iter().filter_map(|host| prefix.adopt(*host, private)).map(IpAddr::from));
    }
    let [v4, v6] = [v4, v6].map(|mut addresses| {
        let mut seen = HashSet::new();
        addresses.retain(|address| seen.insert(*address));
        addresses
    });
    let moves = prefix.filter(|_| v6.is_empty());
    match asked.desired(None) {
        Ok(desired) => {
            assert!(v4.len() <= 8 && v6.len() <= 8 && !nothing, "{list:?}");
            let set = |addresses: Vec<IpAddr>| if addresses.is_empty() { Target::Keep } else { Target::Set(addresses) };
            assert_eq!(desired.v4, set(v4), "{list:?}");
            let v6 = moves.map_or(set(v6), |prefix| Target::Move { prefix, allow_private: private });
            assert_eq!(desired.v6, v6, "{list:?}");
        }
        Err(reason) => assert!(nothing || v4.len() > 8 || v6.len() > 8, "{list:?}: {reason}"),
    }
}

/// Whether an address may be published, by the tables.
pub(super) fn may_be_published(address: IpAddr, private: bool) -> bool {
    let within = |ranges: &[(IpAddr, u32)], address: IpAddr| {
        ranges.iter().any(|(network, length)| is_in(address, *network, *length))
    };
    RANGES.with(|(never, own, global)| match address {
        IpAddr::V4(_) => !within(never, address) && (private || !within(own, address)),
        IpAddr::V6(v6) if within(&global[1..], address) => {
            let [_, _, a, b, c, d, ..] = v6.octets();
            may_be_published([a, b, c, d].into(), private)
        }
        IpAddr::V6(_) => within(global, address) || private && within(own, address),
    })
}

/// Whether an address is in a network.
fn is_in(address: IpAddr, network: IpAddr, length: u32) -> bool {
    match (address, network) {
        (IpAddr::V4(address), IpAddr::V4(network)) => (address.to_bits() ^ network.to_bits()).leading_zeros() >= length,
        (IpAddr::V6(address), IpAddr::V6(network)) => (address.to_bits() ^ network.to_bits()).leading_zeros() >= length,
        _ => false,
    }
}

/// Lists of every sort.
pub fn seeds() -> Vec<Vec<u8>> {
    let lists = [
        "198.51.100.7,2001:db8::7",
        " 198.51.100.7/32\t,[2001:DB8:0:0::7]/128",
        "2001:db8:1:2::/64,192.0.2.1",
        "2001:db8::7/64,no",
        "::ffff:198.51.100.7,::ffff:0:0/96",
        "preserve,10.0.0.1,fd00::/8",
        "[2001:db8::]/032,::/0,2001:db8::/127",
        "0.0.0.0,127.0.0.1,169.254.1.1,192.0.0.1,198.18.0.1,224.0.0.1,255.255.255.255",
        "::,::1,fe80::1,fec0::1,ff02::1,64:ff9b::1,100::1,4000::1,2002:a00:1::1,2002:c633:6407::1",
        "::1a2b:3c4d:5e6f:7890,::1/64,2001:db8:1:4f::/59",
        "[2001:db8:1::/48],offline,[::7]",
        "c000::/2,2000::/3,::/0",
        "fe80::1%eth0,01.2.3.4,1.2.3.4/24,2001:db8::/129,auto",
        "1.1.1.1,1.1.1.2,1.1.1.3,1.1.1.4,1.1.1.5,1.1.1.6,1.1.1.7,1.1.1.8,1.1.1.9",
        "2001:db8::198.51.100.7,192.168.1.1,172.16.0.1,100.64.0.1",
    ];
    let host = "2001:db8:9::c0ff:ee".parse::<Ipv6Addr>().expect("an address");
    lists.iter().map(|list| [&host.octets()[..], list.as_bytes()].concat()).collect()
}
