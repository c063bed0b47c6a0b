//! What an update asks for: addresses, a prefix, offline, and a TTL.

use std::net::{IpAddr, Ipv6Addr};

use crate::protocol::{
    address::{ByFamily, Family, is_publishable},
    desired::{Desired, MAX_ADDRESSES, TOO_MANY, Target},
    element::{Element, Prefix},
    parameters::Parameters,
    reply::{Refusal, ReturnCode},
};

/// The parameters that list addresses, and the family that each is of, if it is of one.
const LISTS: [(&str, Option<Family>); 9] = [
    ("myip", None),
    ("ip", None),
    ("myipv4", Some(Family::V4)),
    ("ipv4", Some(Family::V4)),
    ("ip4", Some(Family::V4)),
    ("myipv6", Some(Family::V6)),
    ("myip6", Some(Family::V6)),
    ("ipv6", Some(Family::V6)),
    ("ip6", Some(Family::V6)),
];

/// The parameters of an IPv6 prefix.
const PREFIXES: [&str; 4] = ["ip6lanprefix", "ipv6prefix", "ipprefix", "prefix"];

/// What a request asks for, ignored elements left out.
#[derive(Debug, Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is said or not said by itself")]
pub struct Asked {
    /// Whether a private address may be published.
    allow_private: bool,
    /// Whether there was a parameter that takes either family.
    either: bool,
    /// Whether there was a parameter of the family's own.
    own: ByFamily<bool>,
    /// Whether `no` or `preserve` leaves the family alone.
    preserved: ByFamily<bool>,
    /// Whether `offline` deletes the record set of the family.
    offline: ByFamily<bool>,
    /// Whether `offline=YES` deletes both record sets.
    all_offline: bool,
    /// The addresses to set, each once, and no more of a family than show that they are too many.
    addresses: ByFamily<Vec<IpAddr>>,
    /// The host parts, in the order asked.
    host_parts: Vec<Ipv6Addr>,
    /// The first prefix.
    prefix: Option<Prefix>,
    /// The TTL asked for, in seconds, not yet clamped.
    pub ttl: Option<u32>,
    /// Whether a TXT record is asked for.
    txt: bool,
}

impl Asked {
    /// Reads all parameters that say what is to be set.
    pub fn read(parameters: &Parameters<'_>, allow_private: bool) -> Self {
        let all_offline = parameters.first(&["offline"]).is_some_and(|offline| offline.eq_ignore_ascii_case("yes"));
        let ttl = parameters.first(&["ttl"]).and_then(parse_ttl);
        let txt = parameters.first(&["txt"]).is_some();
        let mut asked = Self { allow_private, all_offline, ttl, txt, ..Self::default() };
        let names: Vec<&str> = LISTS.iter().map(|(name, _)| *name).chain(PREFIXES).collect();
        for (name, list) in parameters.all(&names) {
            let elements = list.split(',').map(|element| Element::parse(element).publishable(allow_private));
            match LISTS.iter().find(|(known, _)| *known == name) {
                Some((_, family)) => elements.for_each(|element| asked.take(element, *family)),
                None => asked.take_prefixes(elements),
            }
        }
        asked
    }

    /// Refuses what is not done at all, or not by this deployment.
    ///
    /// # Errors
    ///
    /// `!donator` if the request asks for a TXT record, or takes a host offline and may not.
    pub fn check(&self, allow_offline: bool) -> Result<(), Refusal> {
        if self.txt {
            // An ACME client that takes us for another service would set an address.
            return Err(Refusal::new(ReturnCode::NotDonator, "a TXT record is not written"));
        }
        if self.is_offline() && !allow_offline {
            return Err(Refusal::new(ReturnCode::NotDonator, "offline is not allowed here"));
        }
        Ok(())
    }

    /// Whether anything is asked to be deleted, even if something else wins over it.
    fn is_offline(&self) -> bool {
        self.all_offline || self.offline.v4 || self.offline.v6
    }

    /// What is desired. `source` is the caller's address, if it is known.
    ///
    /// # Errors
    ///
    /// If there is nothing to set or too much: the reason for the log.
    pub fn desired(self, source: Option<IpAddr>) -> Result<Desired, &'static str> {
        if !self.says_something() {
            let source = self.usable(source)?;
            let target = |family| if family == Family::of(source) { Target::Set(vec![source]) } else { Target::Keep };
            return Ok(Desired::from_fn(target));
        }
        let desired = Desired::from_fn(|family| self.target(family));
        let is_too_many = |target: &Target| matches!(target, Target::Set(addresses) if addresses.len() > MAX_ADDRESSES);
        if desired.as_ref().into_iter().any(is_too_many) { Err(TOO_MANY) } else { Ok(desired) }
    }

    /// Takes an element of a parameter of that family, or of either.
    fn take(&mut self, element: Element, family: Option<Family>) {
        if let Some(family) = family {
            self.own[family] = true;
        } else {
            self.either = true;
        }
        match (family.map_or(element, |family| element.of_family(family)), family) {
            (Element::Address(address), _) => push(&mut self.addresses[Family::of(address)], address),
            (Element::HostPart(address), _) => self.host_parts.push(address),
            (Element::Prefix(prefix), _) => self.prefix = self.prefix.or(Some(prefix)),
            (Element::Preserve, family) => self.preserved[family.unwrap_or(Family::V4)] = true,
            (Element::Offline, Some(family)) => self.offline[family] = true,
            (Element::Offline, None) | (Element::Ignored, _) => {}
        }
    }

    /// Takes the elements of a parameter of prefixes, of which only a prefix and `no` count.
    fn take_prefixes(&mut self, elements: impl Iterator<Item = Element>) {
        for element in elements {
            let counts = matches!(element, Element::Prefix(_) | Element::Preserve);
            self.take(if counts { element } else { Element::Ignored }, Some(Family::V6));
        }
    }

    /// What the record set of a family is to become.
    fn target(&self, family: Family) -> Target {
        let completed = || self.prefix.map(|prefix| self.completed(prefix)).unwrap_or_default();
        if self.preserved[family] {
            Target::Keep
        } else if self.all_offline {
            Target::Delete
        } else if !self.addresses[family].is_empty() {
            Target::Set(self.addresses[family].clone())
        } else if let (Family::V6, Some(prefix)) = (family, self.prefix) {
            match completed() {
                addresses if addresses.is_empty() => Target::Move { prefix, allow_private: self.allow_private },
                addresses => Target::Set(addresses),
            }
        } else if self.offline[family] {
            Target::Delete
        } else {
            Target::Keep
        }
    }

    /// The addresses of the host parts under a prefix.
    fn completed(&self, prefix: Prefix) -> Vec<IpAddr> {
        let mut addresses = Vec::new();
        for address in self.host_parts.iter().filter_map(|host| prefix.adopt(*host, self.allow_private)) {
            push(&mut addresses, address.into());
        }
        addresses
    }

    /// Whether anything but ignored elements was given, so that the source address is not used.
    fn says_something(&self) -> bool {
        let either = |by_family: ByFamily<bool>| by_family.v4 || by_family.v6;
        let has_addresses = !self.addresses.v4.is_empty() || !self.addresses.v6.is_empty();
        has_addresses || self.prefix.is_some() || either(self.preserved) || self.is_offline()
    }

    /// The source address, if it is the one to set.
    ///
    /// # Errors
    ///
    /// If it is not: the reason for the log.
    fn usable(&self, source: Option<IpAddr>) -> Result<IpAddr, &'static str> {
        let source = source.ok_or("no usable address given, and the source address is unknown")?;
        let is_asked_for = self.either || self.own[Family::of(source)] || !(self.own.v4 || self.own.v6);
        if !is_asked_for {
            return Err("no usable address given, and the source address is of the other family");
        }
        if !is_publishable(source, self.allow_private) {
            return Err(
                "no usable address given, and the source address is private: expected myip, or NIC53_ALLOW_PRIVATE=true",
            );
        }
        Ok(source)
    }
}

/// Adds an address that is not there yet. A stranger may send any number of them, so that no more are
/// kept than show that they are too many.
fn push(addresses: &mut Vec<IpAddr>, address: IpAddr) {
    if addresses.len() <= MAX_ADDRESSES && !addresses.contains(&address) {
        addresses.push(address);
    }
}

/// A whole number of seconds. A number that is too large becomes the largest, a negative one 0.
fn parse_ttl(text: &str) -> Option<u32> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    Some(if text.starts_with('-') { 0 } else { digits.parse().unwrap_or(u32::MAX) })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What this query asks for, from that source.
    fn read_from(query: &str, source: Option<&str>) -> Result<Desired, &'static str> {
        let request = http::Request::get(format!("/?{}", query.replace(' ', "+"))).body(()).unwrap().into_parts().0;
        let source = source.map(|source| source.parse().unwrap());
        Asked::read(&Parameters::read(&request, b""), false).desired(source)
    }

    /// What this query asks for, from 203.0.113.9.
    fn read(query: &str) -> Result<Desired, &'static str> {
        read_from(query, Some("203.0.113.9"))
    }

    /// To set these addresses and keep the rest.
    fn set(addresses: &[&str]) -> Desired {
        let addresses: Vec<IpAddr> = addresses.iter().map(|text| text.parse().unwrap()).collect();
        Desired::from_fn(|family| {
            let of_family: Vec<_> =
                addresses.iter().copied().filter(|address| Family::of(*address) == family).collect();
            if of_family.is_empty() { Target::Keep } else { Target::Set(of_family) }
        })
    }

    /// To move the AAAA under this prefix.
    fn moves(prefix: &str) -> Target {
        let Element::Prefix(prefix) = Element::parse(prefix) else { panic!("{prefix}") };
        Target::Move { prefix, allow_private: false }
    }

    #[test]
    fn any_number_of_addresses_is_read_in_a_blink() {
        // Quadratic work on these takes minutes.
        let many: Vec<String> =
            (0..200_000_u32).map(|bits| std::net::Ipv4Addr::from(0x0100_0000 + bits).to_string()).collect();
        let overruled = "no,".repeat(100_000) + &many[..100_000].join(",") + ",2001:db8::1";
        let host_parts = (1..100_000).map(|host| format!("::{host:x},")).collect::<Vec<_>>().concat();
        for (list, expected) in [
            (many.join(","), Err(TOO_MANY)),
            (overruled, Ok(set(&["2001:db8::1"]))),
            (host_parts.clone(), Err("no usable address given, and the source address is unknown")),
            (host_parts + "2001:db8::/64", Err(TOO_MANY)),
            ("::7,".repeat(100_000) + "2001:db8::/64", Ok(set(&["2001:db8::7"]))),
        ] {
            let parameters = Parameters::from_pairs(&[("ip", &list)]);
            assert_eq!(Asked::read(&parameters, false).desired(None), expected);
        }
    }

    #[test]
    fn given_addresses_are_set() {
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
            ("myip=198.51.100.7&prefix=no&myipv6=2001:db8::7", &["198.51.100.7"]),
            ("myipv4=2001:db8::7,198.51.100.7", &["198.51.100.7"]),
            ("myip=10.0.0.1,198.51.100.7", &["198.51.100.7"]),
            ("myip=offline,198.51.100.7", &["198.51.100.7"]),
            ("ipv4=offline,198.51.100.7", &["198.51.100.7"]),
            ("myip=2001:db8::7,2001:db8:1::/64", &["2001:db8::7"]),
            ("ipv6=2001:db8::7,::8&ip6lanprefix=2001:db8:1::/64", &["2001:db8::7"]),
        ] {
            assert_eq!(read(query), Ok(set(addresses)), "{query}");
        }
    }

    #[test]
    fn a_host_part_is_completed_by_the_first_prefix() {
        for (query, addresses) in [
            ("ipv6=::1a2b&ipv6prefix=2001:db8:abcd:ef00::/64", &["2001:db8:abcd:ef00::1a2b"][..]),
            ("ipv6prefix=2001:db8:1:2f::/60,2001:db8:9::/48&ipv6=::1/64", &["2001:db8:1:20::1"]),
            ("myip=::1,2001:db8:1::/48,::2,::1", &["2001:db8:1::1", "2001:db8:1::2"]),
            ("prefix=fe80::/64,2001:db8:1::/48&ip6=::1", &["2001:db8:1::1"]),
            ("ip6=::1:0:0,::2&prefix=2001:db8::/96", &["2001:db8::2"]),
        ] {
            assert_eq!(read(query), Ok(set(addresses)), "{query}");
        }
    }

    #[test]
    fn a_prefix_moves_what_is_there_unless_it_completes_an_address() {
        for (query, v4, v6) in [
            ("myipv6=2001:db8:1::/48", Target::Keep, moves("2001:db8:1::/48")),
            ("ip6lanprefix=2001:db8:1:2::/64", Target::Keep, moves("2001:db8:1:2::/64")),
            ("ipprefix=2001:db8:1:4f::/59", Target::Keep, moves("2001:db8:1:40::/59")),
            ("prefix=2001:db8:1::/48&ipv6=offline", Target::Keep, moves("2001:db8:1::/48")),
            ("prefix=2001:db8:1::/48&ipv4=offline", Target::Delete, moves("2001:db8:1::/48")),
            ("prefix=2001:db8:1::/96&ip6=::1:0:0", Target::Keep, moves("2001:db8:1::/96")),
            ("prefix=2001:db8:1::/48,::1,2001:db8::7,offline", Target::Keep, moves("2001:db8:1::/48")),
        ] {
            assert_eq!(read(query), Ok(ByFamily { v4, v6 }), "{query}");
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
        assert_eq!(read(&format!("myip={}", eight.join(","))), Ok(set(&eight)));
        for more in [more_v4, more_v6] {
            assert_eq!(read(&format!("myip={}", more.join(","))), Err(TOO_MANY), "{more:?}");
        }
    }

    #[test]
    fn the_reason_names_the_limit() {
        assert!(TOO_MANY.contains(&MAX_ADDRESSES.to_string()));
    }

    #[test]
    fn only_preserved_is_nothing_to_set() {
        for query in [
            "myip=no",
            "ip=preserve&myipv6=preserve",
            "myipv6=no,2001:db8::7",
            "myipv6=no,2001:db8::/64",
            "prefix=no",
            "ipv4=no,offline",
            "ipv4=no&ipv6=no&offline=YES",
        ] {
            assert_eq!(read(query), Ok(set(&[])), "{query}");
        }
    }

    #[test]
    fn the_source_address_stands_in_if_its_family_was_asked_for() {
        for (query, source, used) in [
            ("", Some("203.0.113.9"), true),
            ("", Some("2001:db8::9"), true),
            ("myip=", Some("203.0.113.9"), true),
            ("myip=%i", Some("2001:db8::9"), true),
            ("ip=auto", Some("203.0.113.9"), true),
            ("myip=offline", Some("203.0.113.9"), true),
            ("myip=127.0.0.1", Some("203.0.113.9"), true),
            ("myip=fe80::/64", Some("203.0.113.9"), true),
            ("myip=::7", Some("203.0.113.9"), true),
            ("myipv4=", Some("203.0.113.9"), true),
            ("myipv6=", Some("203.0.113.9"), false),
            ("myipv6=", Some("2001:db8::9"), true),
            ("myipv6=::7", Some("2001:db8::9"), true),
            ("myipv4=", Some("2001:db8::9"), false),
            ("prefix=", Some("203.0.113.9"), false),
            ("ip6lanprefix=2001:db8::7", Some("203.0.113.9"), false),
            ("ip6lanprefix=offline", Some("2001:db8::9"), true),
            ("", Some("192.168.1.1"), false),
            ("", Some("::1"), false),
            ("", None, false),
        ] {
            let expected = source.filter(|_| used).map(|source| set(&[source]));
            assert_eq!(read_from(query, source).ok(), expected, "{query} {source:?}");
        }
    }

    #[test]
    fn offline_deletes_both_families_or_its_own() {
        for (query, v4, v6) in [
            ("offline=YES&myip=198.51.100.7", true, true),
            ("offline=yes", true, true),
            ("offline=yes&ip4=no", false, true),
            ("ipv4=offline", true, false),
            ("myip6=OFFLINE", false, true),
            ("ip4=offline&ip6=offline", true, true),
        ] {
            let expected = ByFamily { v4, v6 }.map(|gone| if gone { Target::Delete } else { Target::Keep });
            assert_eq!(read(query), Ok(expected), "{query}");
        }
        for query in ["offline=NO", "offline=", "myip=offline", "prefix=offline"] {
            let parameters: Vec<_> = query.split_once('=').into_iter().collect();
            assert!(!Asked::read(&Parameters::from_pairs(&parameters), false).is_offline(), "{query}");
        }
    }

    #[test]
    fn an_offline_that_is_overruled_is_still_asked_for() {
        for (name, value) in [("ipv4", "offline,198.51.100.7"), ("ipv6", "no,offline"), ("offline", "YES")] {
            assert!(Asked::read(&Parameters::from_pairs(&[(name, value)]), false).is_offline(), "{name}={value}");
        }
    }

    #[test]
    fn a_txt_record_and_an_offline_that_is_not_allowed_are_donator() {
        for (query, where_allowed, elsewhere) in [
            ("txt=x", false, false),
            ("txt=x&offline=YES", false, false),
            ("offline=YES&myip=198.51.100.7", true, false),
            ("ipv4=offline,198.51.100.7", true, false),
            ("ipv6=no,offline", true, false),
            ("txt=&offline=NO&myip=offline", true, true),
        ] {
            let parts = http::Request::get(format!("/?{query}")).body(()).unwrap().into_parts().0;
            let asked = Asked::read(&Parameters::read(&parts, b""), false);
            let done = [true, false].map(|allow_offline| asked.check(allow_offline).is_ok());
            assert_eq!(done, [where_allowed, elsewhere], "{query}");
        }
    }

    #[test]
    fn a_ttl_that_is_no_number_is_ignored() {
        for (given, ttl) in [
            ("300", Some(300)),
            ("0", Some(0)),
            ("-5", Some(0)),
            ("99999999999999999999", Some(u32::MAX)),
            ("", None),
            ("5m", None),
            ("1.5", None),
            ("+60", None),
            ("-", None),
        ] {
            assert_eq!(Asked::read(&Parameters::from_pairs(&[("ttl", given)]), false).ttl, ttl, "{given}");
        }
    }
}
