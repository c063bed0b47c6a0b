//! An update: what a request asks for, before anybody decides whether it may.

use std::{net::IpAddr, sync::LazyLock};

use data_encoding::{Encoding, Specification};
use http::{HeaderMap, header::AUTHORIZATION};
use zeroize::Zeroizing;

use crate::protocol::{
    address::{Element, Family, Prefix, is_publishable},
    hostname::{HostName, NotFqdn},
    parameters::Parameters,
    reply::{Refusal, ReturnCode},
    token::{self, Password},
    zone,
};

/// The most hosts of one request (Dyn's limit).
pub const MAX_HOSTS: usize = 20;

/// The most addresses of one family of a host.
pub const MAX_ADDRESSES: usize = 8;

/// What a request asks for.
#[derive(Debug)]
pub struct Update {
    /// The host that the user name claims; `None` where it claims nothing.
    pub user: Option<Result<HostName, NotFqdn>>,
    /// The password, which should be a token.
    pub password: Password,
    /// The hosts in the order asked, malformed ones and repetitions included.
    pub hosts: Vec<Result<HostName, NotFqdn>>,
    /// The zone that must hold each host, if the request names one.
    pub zone_id: Option<String>,
    /// What each host is to become, or why nothing can be done.
    pub desired: Result<Desired, &'static str>,
    /// The TTL asked for, in seconds, not yet clamped.
    pub ttl: Option<u32>,
}

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

/// What a deployment lets a request ask for.
#[derive(Clone, Copy, Debug)]
pub struct Policy {
    /// Whether credentials may come in the query or form (`NIC53_QUERY_CREDENTIALS`).
    pub query_credentials: bool,
    /// Whether private addresses may be published (`NIC53_ALLOW_PRIVATE`).
    pub allow_private: bool,
}

impl Update {
    /// Reads an update from its headers and parameters. `source` is the caller's address, where it
    /// is known.
    ///
    /// # Errors
    ///
    /// `badauth`, where there are no credentials that could be right.
    pub fn parse(
        headers: &HeaderMap,
        parameters: &Parameters<'_>,
        source: Option<IpAddr>,
        policy: Policy,
    ) -> Result<Self, Refusal> {
        let (user, password) = credentials(headers, parameters, policy)?;
        let named = Some(user.trim()).filter(|user| user.contains('.'));
        let user = named.filter(|user| !user.contains('@')).map(str::parse);
        // As a rule the user name is the host, and was just read.
        let read = |host: &str| match &user {
            Some(user) if named == Some(host) => user.clone(),
            _ => host.parse(),
        };
        let hosts = hosts(parameters, named, read);
        Ok(Self {
            user,
            password,
            hosts,
            zone_id: parameters.first(&["zoneid"]).map(|id| zone::bare_id(id).to_owned()),
            desired: desired(parameters, source, policy.allow_private),
            ttl: parameters.first(&["ttl"]).and_then(parse_ttl),
        })
    }

    /// The hosts as they may be logged: malformed ones, and those with what may be a token in them,
    /// as `?`.
    pub fn loggable_hosts(&self) -> Vec<String> {
        let loggable =
            |host: &&HostName| !self.password.is_in(host.as_str()) && !host.labels().any(token::looks_like_one);
        let shown = |host: &Result<HostName, _>| {
            host.as_ref().ok().filter(loggable).map_or_else(|| "?".to_owned(), ToString::to_string)
        };
        self.hosts.iter().take(MAX_HOSTS).map(shown).collect()
    }
}

/// The user name and the password: of the `Authorization` header where there is one, else of the
/// query or form.
fn credentials(
    headers: &HeaderMap,
    parameters: &Parameters<'_>,
    policy: Policy,
) -> Result<(String, Password), Refusal> {
    let refusal = |reason| Refusal { code: ReturnCode::BadAuth, reason };
    if let Some(authorization) = headers.get(AUTHORIZATION) {
        return basic(authorization.as_bytes()).ok_or(refusal("malformed credentials"));
    }
    let password = parameters.first(&["password", "pass", "pwd", "p", "token", "key"]).and_then(Password::new);
    match password {
        Some(_) if !policy.query_credentials => Err(refusal("credentials in the query are switched off")),
        Some(password) => {
            let user = parameters.first(&["username", "user", "u", "login"]).unwrap_or_default();
            Ok((user.to_owned(), password))
        }
        None => Err(refusal("no credentials")),
    }
}

/// User name and password of Basic credentials (RFC 7617 §2), the scheme in any case.
fn basic(authorization: &[u8]) -> Option<(String, Password)> {
    let authorization = authorization.trim_ascii();
    let (scheme, encoded) = authorization.split_at_checked("Basic ".len())?;
    if !scheme.eq_ignore_ascii_case(b"Basic ") {
        return None;
    }
    let encoded = encoded.trim_ascii();
    let unpadded = encoded.strip_suffix(b"==").or(encoded.strip_suffix(b"=")).unwrap_or(encoded);
    let pair = Zeroizing::new(BASE64.decode(unpadded).ok()?);
    let lossy;
    let pair = if let Ok(pair) = str::from_utf8(&pair) {
        pair
    } else {
        lossy = Zeroizing::new(String::from_utf8_lossy(&pair).into_owned());
        &lossy
    };
    // RFC 7617: "the first colon in a user-pass string separates user-id and password".
    let (user, password) = pair.split_once(':')?;
    Some((user.to_owned(), Password::new(password)?))
}

/// Base64 (RFC 4648 §4) without padding; the bits that fill up the last character do not count.
static BASE64: LazyLock<Encoding> = LazyLock::new(|| {
    let mut specification: Specification = data_encoding::BASE64_NOPAD.specification();
    specification.check_trailing_bits = false;
    #[expect(clippy::expect_used, reason = "base64's own alphabet is valid")]
    specification.encoding().expect("a valid alphabet")
});

/// The hosts asked for, or the user name where none is left, each as it reads.
fn hosts<H>(parameters: &Parameters<'_>, user: Option<&str>, read: impl Fn(&str) -> H) -> Vec<H> {
    let asked: Vec<_> = parameters
        .all(&["hostname", "host", "hostnames", "domain", "domains", "host_id", "fqdn"])
        .flat_map(|(_, list)| list.split(','))
        .map(str::trim)
        .filter(|host| !host.is_empty() && !host.eq_ignore_ascii_case("yes"))
        .map(&read)
        .collect();
    if asked.is_empty() { user.map(read).into_iter().collect() } else { asked }
}

/// What each host is to become.
fn desired(parameters: &Parameters<'_>, source: Option<IpAddr>, allow_private: bool) -> Result<Desired, &'static str> {
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
    /// Whether there was a parameter of either family, of IPv4, of IPv6.
    parameters: [bool; 3],
    /// Whether `no` or `preserve` leaves IPv4 alone, and IPv6.
    preserved: [bool; 2],
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
            asked.parameters[family.map_or(0, |family| 1 + family as usize)] = true;
            for element in list.split(',') {
                let element = Element::parse(element);
                let element = family.map_or(element, |family| element.of_family(family)).publishable(allow_private);
                match element {
                    Element::Address(address) => asked.addresses.push(address),
                    Element::Prefix(prefix) => asked.prefix = asked.prefix.or(Some(prefix)),
                    Element::Preserve => asked.preserved[family.unwrap_or(Family::V4) as usize] = true,
                    Element::Ignored => {}
                }
            }
        }
        // `no` leaves its family alone, whatever else is said.
        let preserved = asked.preserved;
        asked.addresses.retain(|address| !preserved[Family::of(*address) as usize]);
        asked.prefix = asked.prefix.filter(|_| !preserved[Family::V6 as usize]);
        asked
    }

    /// Whether anything but ignored elements was given, so that the source address is not asked for.
    fn says_something(&self) -> bool {
        !self.addresses.is_empty() || self.prefix.is_some() || self.preserved.contains(&true)
    }

    /// Whether a family was asked for: by no parameter at all, by one of either family, or by its own.
    fn names(&self, family: Family) -> bool {
        let [either, ..] = self.parameters;
        either || self.parameters[1 + family as usize] || !self.parameters.contains(&true)
    }
}

/// Seconds, as far as a whole number is given; what is too large for us is as large as can be.
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
    use http::Request;

    const POLICY: Policy = Policy { query_credentials: true, allow_private: false };
    const SOURCE: &str = "203.0.113.9";

    /// The update of this query, with a password in it, from 203.0.113.9.
    fn update(query: &str) -> Update {
        update_from(query, Some(SOURCE))
    }

    /// The update of this query from that source.
    fn update_from(query: &str, source: Option<&str>) -> Update {
        let (parts, ()) =
            Request::get(format!("/nic/update?p=x&{}", query.replace(' ', "+"))).body(()).unwrap().into_parts();
        let source = source.map(|source| source.parse().unwrap());
        Update::parse(&parts.headers, &Parameters::read(&parts, b""), source, POLICY).unwrap()
    }

    /// To publish these addresses.
    fn publish(addresses: &[&str]) -> Desired {
        Desired::Publish { addresses: addresses.iter().map(|text| text.parse().unwrap()).collect(), prefix: None }
    }

    #[test]
    fn what_may_be_a_token_is_not_logged() {
        let token = "tpevsfpxxzqr2rjzfd61aff8";
        for (hostname, logged) in [
            ("a.example.org", "a.example.org"),
            (&format!("{token}.example.org"), "?"),
            (&format!("x{token}.example.org"), &format!("x{token}.example.org")),
            ("a..b", "?"),
        ] {
            let update = update(&format!("hostname={hostname}"));
            assert_eq!(update.loggable_hosts(), [logged], "{hostname}");
        }
    }

    #[test]
    fn any_number_of_addresses_is_read_in_a_blink() {
        // Quadratic work on these takes minutes.
        let many: Vec<String> =
            (0..200_000_u32).map(|bits| std::net::Ipv4Addr::from(0x0100_0000 + bits).to_string()).collect();
        for list in [many.join(","), "no,".repeat(100_000) + &"1::1,".repeat(100_000)] {
            let parameters = Parameters::from_pairs(&[("p", "x"), ("ip", &list)]);
            assert!(
                desired(&parameters, None, false).is_ok_and(|desired| desired == publish(&["1::1"]))
                    || list.starts_with('1')
            );
        }
    }

    #[test]
    fn basic_credentials_are_read_as_they_come() {
        for (header, user) in [
            ("Basic dTpw", Some("u")),
            ("basic  dTpw ", Some("u")),
            ("BASIC dTpwOnE=", Some("u")),
            ("Basic dTpwOnE", Some("u")),
            ("Basic OnA=", Some("")),
            ("Basic dTo=", None),
            ("Basic dXA=", None),
            ("Basic %%%", None),
            ("Basic", None),
            ("Basic ", None),
            ("", None),
            ("Bearer dTpw", None),
            ("Token dTpw", None),
            ("Basicd dTpw", None),
        ] {
            assert_eq!(basic(header.as_bytes()).map(|(user, _)| user).as_deref(), user, "{header}");
        }
    }

    #[test]
    fn a_header_hides_the_credentials_of_the_query() {
        let request = Request::get("/nic/update?user=a.b&pass=x").header(AUTHORIZATION, "Token x");
        let (parts, ()) = request.body(()).unwrap().into_parts();
        let refusal = Update::parse(&parts.headers, &Parameters::read(&parts, b""), None, POLICY).unwrap_err();
        assert_eq!(refusal.code, ReturnCode::BadAuth);
    }

    #[test]
    fn credentials_of_the_query_can_be_switched_off() {
        let (parts, ()) = Request::get("/nic/update?user=a.b&pass=x").body(()).unwrap().into_parts();
        let policy = Policy { query_credentials: false, ..POLICY };
        let parameters = Parameters::read(&parts, b"");
        assert!(Update::parse(&parts.headers, &parameters, None, policy).is_err());
        assert!(Update::parse(&parts.headers, &parameters, None, POLICY).is_ok());
    }

    #[test]
    fn a_user_name_claims_a_host_only_with_a_dot_and_without_an_at() {
        for (user, claimed) in [
            ("home.example.org", Some(true)),
            (" Home.Example.org. ", Some(true)),
            ("a..b", Some(false)),
            ("home", None),
            ("me@example.org", None),
            ("", None),
        ] {
            let update = update(&format!("user={user}"));
            assert_eq!(update.user.map(|user| user.is_ok()), claimed, "{user}");
        }
    }

    #[test]
    fn hosts_come_under_any_name_in_order_and_else_from_the_user_name() {
        for (query, hosts) in [
            ("hostname=a.b,c.d", &["a.b", "c.d"][..]),
            ("host=a.b&domains=c.d&fqdn=e.f&hostname=a.b", &["a.b", "c.d", "e.f", "a.b"]),
            ("hostnames=,a.b , ,&domain=&host_id=c.d", &["a.b", "c.d"]),
            ("hostname=YES&host_id=a.b", &["a.b"]),
            ("hostname=yes&u=u.example.org", &["u.example.org"]),
            ("u=u.example.org", &["u.example.org"]),
            ("u=user", &[]),
            ("hostname=localhost", &["notfqdn"]),
        ] {
            let update = update(query);
            let read: Vec<_> =
                update.hosts.iter().map(|host| host.as_ref().map_or("notfqdn", HostName::as_str)).collect();
            assert_eq!(read, hosts, "{query}");
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
            assert_eq!(update(query).desired, Ok(publish(addresses)), "{query}");
        }
    }

    #[test]
    fn eight_addresses_of_each_family_are_published_and_no_more() {
        let all: Vec<String> =
            (1..=9).map(|n| format!("198.51.100.{n}")).chain((1..=9).map(|n| format!("2001:db8::{n}"))).collect();
        let [eight, more_v4, more_v6] = [[0..8, 9..17], [0..9, 9..17], [0..8, 9..18]]
            .map(|[v4, v6]| all[v4].iter().chain(&all[v6]).map(String::as_str).collect::<Vec<_>>());
        assert_eq!(update(&format!("myip={}", eight.join(","))).desired, Ok(publish(&eight)));
        for more in [more_v4, more_v6] {
            assert!(update(&format!("myip={}", more.join(","))).desired.is_err(), "{more:?}");
        }
    }

    #[test]
    fn only_preserved_is_nothing_to_publish() {
        for query in ["myip=no", "ip=preserve&myipv6=preserve", "myipv6=no,2001:db8::7", "myipv6=no,2001:db8::/64"] {
            assert_eq!(update(query).desired, Ok(publish(&[])), "{query}");
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
            let desired = update_from(query, source).desired;
            assert_eq!(desired.ok(), expected, "{query} {source:?}");
        }
    }

    #[test]
    fn eight_addresses_of_a_family_are_enough() {
        let list = |count: u8| (1..=count).map(|last| format!("198.51.100.{last}")).collect::<Vec<_>>().join(",");
        assert!(update(&format!("myip={}", list(8))).desired.is_ok());
        assert!(update(&format!("myip={}&ip={}", list(8), list(8))).desired.is_ok());
        assert!(update(&format!("myip={}", list(9))).desired.is_err());
    }

    #[test]
    fn offline_wins_over_addresses() {
        for (query, offline) in
            [("offline=YES&myip=198.51.100.7", true), ("offline=yes", true), ("offline=NO", false), ("offline=", false)]
        {
            assert_eq!(update(query).desired == Ok(Desired::Offline), offline, "{query}");
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
            assert_eq!(update(&format!("ttl={}", given.replace('+', "%2B"))).ttl, ttl, "{given}");
        }
    }
}
