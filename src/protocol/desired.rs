//! What an update asks for: addresses, a prefix, or nothing.

use std::net::IpAddr;

use crate::protocol::{
    address::{ByFamily, Family, is_publishable},
    element::{Element, Prefix},
    parameters::Parameters,
};

/// The most addresses of one family of a host. `docs/protocol.md` states it, and
/// `protocol-tests/more-than-eight-addresses-of-a-family-are-dnserr.txt`.
pub const MAX_ADDRESSES: usize = 8;

/// What an update asks of each of its hosts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Desired {
    /// No A and no AAAA.
    Offline,
    /// These addresses, IPv4 first, each once, else in the order asked; a family with none is
    /// left alone. The prefix moves the AAAA that are there, and comes only without an IPv6
    /// address.
    Publish {
        /// The addresses to set.
        addresses: Vec<IpAddr>,
        /// The prefix to move the AAAA under.
        prefix: Option<Prefix>,
    },
}

/// Reads what each host is to become. `source` is the caller's address, if it is known.
///
/// # Errors
///
/// If there is nothing to set or too much: the reason for the log.
pub fn desired(
    parameters: &Parameters<'_>,
    source: Option<IpAddr>,
    allow_private: bool,
) -> Result<Desired, &'static str> {
    if parameters.first(&["offline"]).is_some_and(|offline| offline.eq_ignore_ascii_case("yes")) {
        return Ok(Desired::Offline);
    }
    let asked = Asked::read(parameters, allow_private);
    if asked.says_something() {
        return Desired::publish(&asked.addresses, asked.prefix);
    }
    match source {
        None => Err("no usable address given, and the source address is unknown"),
        Some(source) if !asked.names(Family::of(source)) => {
            Err("no usable address given, and the source address is of the other family")
        }
        Some(source) if !is_publishable(source, allow_private) => {
            Err("no usable address given, and the source address is not to be published")
        }
        Some(source) => Desired::publish(&[source], None),
    }
}

impl Desired {
    /// What is desired if these addresses are asked for, in that order.
    fn publish(asked: &[IpAddr], prefix: Option<Prefix>) -> Result<Self, &'static str> {
        let mut addresses: Vec<IpAddr> = Vec::new();
        for family in Family::BOTH {
            let start = addresses.len();
            for &address in asked.iter().filter(|address| Family::of(**address) == family) {
                if !addresses.contains(&address) {
                    addresses.push(address);
                }
                // Said at once: a stranger may send any number of them.
                if addresses.len() - start > MAX_ADDRESSES {
                    return Err("more than 8 addresses of one family");
                }
            }
        }
        let prefix = prefix.filter(|_| addresses.iter().all(IpAddr::is_ipv4));
        Ok(Self::Publish { addresses, prefix })
    }
}

/// The address parameters of a request, ignored elements left out.
#[derive(Default)]
struct Asked {
    /// Whether there was a parameter that takes either family.
    either: bool,
    /// Whether there was a parameter of the family's own.
    own: ByFamily<bool>,
    /// Whether `no` or `preserve` leaves IPv4 alone, and IPv6.
    preserved: ByFamily<bool>,
    /// The addresses to set, in the order asked.
    addresses: Vec<IpAddr>,
    /// The first prefix.
    prefix: Option<Prefix>,
}

impl Asked {
    /// Reads all address parameters.
    fn read(parameters: &Parameters<'_>, allow_private: bool) -> Self {
        let mut asked = Self::default();
        let names = ["myip", "ip", "myipv4", "ipv4", "ip4", "myipv6", "myip6", "ipv6", "ip6"];
        for (name, list) in parameters.all(&names) {
            let family = match name {
                "myip" | "ip" => None,
                "myipv4" | "ipv4" | "ip4" => Some(Family::V4),
                _ => Some(Family::V6),
            };
            match family {
                None => asked.either = true,
                Some(family) => asked.own[family] = true,
            }
            for element in list.split(',') {
                let element = Element::parse(element);
                let element = family.map_or(element, |family| element.of_family(family)).publishable(allow_private);
                match element {
                    Element::Address(address) => asked.addresses.push(address),
                    Element::Prefix(prefix) => asked.prefix = asked.prefix.or(Some(prefix)),
                    Element::Preserve => asked.preserved[family.unwrap_or(Family::V4)] = true,
                    Element::Ignored => {}
                }
            }
        }
        // `no` leaves its family alone, whatever else is said.
        let preserved = asked.preserved;
        asked.addresses.retain(|address| !preserved[Family::of(*address)]);
        asked.prefix = asked.prefix.filter(|_| !preserved.v6);
        asked
    }

    /// Whether anything but ignored elements was given, so that the source address is not asked for.
    fn says_something(&self) -> bool {
        !self.addresses.is_empty() || self.prefix.is_some() || self.preserved.v4 || self.preserved.v6
    }

    /// Whether a family was asked for: by no parameter at all, by one of either family, or by its own.
    fn names(&self, family: Family) -> bool {
        self.either || self.own[family] || !(self.own.v4 || self.own.v6)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOURCE: &str = "203.0.113.9";

    /// What this query asks for, from that source.
    fn read_from(query: &str, source: Option<&str>) -> Result<Desired, &'static str> {
        let request = http::Request::get(format!("/?{}", query.replace(' ', "+"))).body(()).unwrap().into_parts().0;
        let source = source.map(|source| source.parse().unwrap());
        desired(&Parameters::read(&request, b""), source, false)
    }

    /// What this query asks for, from 203.0.113.9.
    fn read(query: &str) -> Result<Desired, &'static str> {
        read_from(query, Some(SOURCE))
    }

    /// To publish these addresses.
    fn publish(addresses: &[&str]) -> Desired {
        Desired::Publish { addresses: addresses.iter().map(|text| text.parse().unwrap()).collect(), prefix: None }
    }

    #[test]
    fn any_number_of_addresses_is_read_in_a_blink() {
        // Quadratic work on these takes minutes.
        let many: Vec<String> =
            (0..200_000_u32).map(|bits| std::net::Ipv4Addr::from(0x0100_0000 + bits).to_string()).collect();
        let few = "no,".repeat(100_000) + &"1::1,".repeat(100_000);
        for (list, expected) in
            [(many.join(","), Err("more than 8 addresses of one family")), (few, Ok(publish(&["1::1"])))]
        {
            let parameters = Parameters::from_pairs(&[("ip", &list)]);
            assert_eq!(desired(&parameters, None, false), expected);
        }
    }

    #[test]
    fn given_addresses_are_set_ipv4_first() {
        for (query, addresses) in [
            ("myip=198.51.100.7", &["198.51.100.7"][..]),
            ("myip=2001:db8::7,198.51.100.7", &["198.51.100.7", "2001:db8::7"]),
            ("ip=198.51.100.8&myip=198.51.100.7,198.51.100.8", &["198.51.100.8", "198.51.100.7"]),
            ("myipv6=2001:db8::7", &["2001:db8::7"]),
            ("ip6=2001:db8::7&ip4=198.51.100.7", &["198.51.100.7", "2001:db8::7"]),
            ("myip=,2001:db8::7", &["2001:db8::7"]),
            ("myip=198.51.100.7&myipv6=%3Cip6addr%3E", &["198.51.100.7"]),
            ("myip=no&myipv6=2001:db8::7", &["2001:db8::7"]),
            ("myip=no,198.51.100.7,2001:db8::7", &["2001:db8::7"]),
            ("myip=198.51.100.7&myipv6=preserve,2001:db8::7", &["198.51.100.7"]),
            ("myipv4=2001:db8::7,198.51.100.7", &["198.51.100.7"]),
            ("myip=10.0.0.1,198.51.100.7", &["198.51.100.7"]),
            ("myip=2001:db8::7,2001:db8:1::/64", &["2001:db8::7"]),
        ] {
            assert_eq!(read(query), Ok(publish(addresses)), "{query}");
        }
    }

    #[test]
    fn eight_addresses_of_each_family_are_published_and_no_more() {
        let all: Vec<String> =
            (1..=9).map(|n| format!("198.51.100.{n}")).chain((1..=9).map(|n| format!("2001:db8::{n}"))).collect();
        let repeated = format!("{0},{0}", all[..8].join(","));
        assert!(read(&format!("myip={repeated}")).is_ok(), "each address counts once");
        let [eight, more_v4, more_v6] = [[0..8, 9..17], [0..9, 9..17], [0..8, 9..18]]
            .map(|[v4, v6]| all[v4].iter().chain(&all[v6]).map(String::as_str).collect::<Vec<_>>());
        assert_eq!(read(&format!("myip={}", eight.join(","))), Ok(publish(&eight)));
        for more in [more_v4, more_v6] {
            assert!(read(&format!("myip={}", more.join(","))).is_err(), "{more:?}");
        }
    }

    #[test]
    fn only_preserved_is_nothing_to_publish() {
        for query in ["myip=no", "ip=preserve&myipv6=preserve", "myipv6=no,2001:db8::7", "myipv6=no,2001:db8::/64"] {
            assert_eq!(read(query), Ok(publish(&[])), "{query}");
        }
    }

    #[test]
    fn the_source_address_stands_in_where_its_family_was_asked_for() {
        for (query, source, used) in [
            ("", Some("203.0.113.9"), true),
            ("", Some("2001:db8::9"), true),
            ("myip=", Some("203.0.113.9"), true),
            ("myip=%i", Some("2001:db8::9"), true),
            ("ip=auto", Some("203.0.113.9"), true),
            ("myip=127.0.0.1", Some("203.0.113.9"), true),
            ("myip=fe80::/64", Some("203.0.113.9"), true),
            ("myipv4=", Some("203.0.113.9"), true),
            ("myipv6=", Some("203.0.113.9"), false),
            ("myipv6=", Some("2001:db8::9"), true),
            ("myipv4=", Some("2001:db8::9"), false),
            ("", Some("192.168.1.1"), false),
            ("", Some("::1"), false),
            ("", None, false),
        ] {
            let expected = source.filter(|_| used).map(|source| publish(&[source]));
            assert_eq!(read_from(query, source).ok(), expected, "{query} {source:?}");
        }
    }

    #[test]
    fn offline_wins_over_addresses() {
        for (query, offline) in
            [("offline=YES&myip=198.51.100.7", true), ("offline=yes", true), ("offline=NO", false), ("offline=", false)]
        {
            assert_eq!(read(query) == Ok(Desired::Offline), offline, "{query}");
        }
    }
}
