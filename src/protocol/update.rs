//! An update: what a request asks for, before anybody decides whether it may.

use std::net::IpAddr;

use http::HeaderMap;

use crate::protocol::{
    credentials::Credentials,
    desired::{Asked, Desired},
    hostname::{HostName, NotFqdn},
    parameters::Parameters,
    reply::{Refusal, ReturnCode},
    token::{self, Password},
};

/// The most hosts of one request (Dyn's limit). `docs/protocol.md` states it,
/// `protocol-tests/more-than-twenty-hosts-are-numhost.txt`, the second reading of requests in
/// `fuzz/targets/`, and `benches/`.
pub const MAX_HOSTS: usize = 20;

/// What a request asks for.
#[derive(Debug)]
pub struct Update {
    /// The host that the user name claims; `None` if it claims nothing.
    pub user: Option<Result<HostName, NotFqdn>>,
    /// The password, which should be a token.
    pub password: Password,
    /// The hosts in the order asked, malformed ones and repetitions included.
    pub hosts: Vec<Result<HostName, NotFqdn>>,
    /// The id of the zone that must hold each host, as the request has it, if it names one.
    pub zone_id: Option<String>,
    /// What each host is to become, or the reason for the log why nothing can be set.
    pub desired: Result<Desired, &'static str>,
    /// The TTL asked for, in seconds, not yet clamped.
    pub ttl: Option<u32>,
    /// Whether a record set is asked to be deleted, even if something else wins over it.
    pub offline: bool,
    /// Whether a TXT record is asked for.
    pub txt: bool,
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
    /// Reads an update from its headers and parameters. `source` is the caller's address, if it is
    /// known.
    ///
    /// # Errors
    ///
    /// `badauth` if there are no credentials that could be right.
    pub fn parse(
        headers: &HeaderMap,
        parameters: &Parameters<'_>,
        source: Option<IpAddr>,
        policy: Policy,
    ) -> Result<Self, Refusal> {
        let Credentials { user, password } = Credentials::read(headers, parameters, policy.query_credentials)?;
        let named = Some(user.trim()).filter(|user| user.contains('.'));
        let user = named.filter(|user| !user.contains('@')).map(str::parse);
        // The user name is usually the host, which was just read.
        let read = |host: &str| match &user {
            Some(user) if named == Some(host) => user.clone(),
            _ => host.parse(),
        };
        let hosts = hosts(parameters, named, read);
        let asked = Asked::read(parameters, policy.allow_private);
        Ok(Self {
            user,
            password,
            hosts,
            zone_id: parameters.first(&["zoneid"]).map(str::to_owned),
            ttl: parameters.first(&["ttl"]).and_then(parse_ttl),
            offline: asked.is_offline(),
            txt: parameters.first(&["txt"]).is_some(),
            desired: asked.desired(source),
        })
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
        if self.offline && !allow_offline {
            return Err(Refusal::new(ReturnCode::NotDonator, "offline is not allowed here"));
        }
        Ok(())
    }

    /// The hosts as they may be logged: `?` stands for a malformed one, and for one that may contain
    /// a token.
    pub fn loggable_hosts(&self) -> Vec<String> {
        let loggable = |host: &&HostName| !self.password.is_in(host.as_str()) && !token::is_in(host.as_str());
        let shown = |host: &Result<HostName, _>| {
            host.as_ref().ok().filter(loggable).map_or_else(|| "?".to_owned(), ToString::to_string)
        };
        self.hosts.iter().take(MAX_HOSTS).map(shown).collect()
    }
}

/// The hosts asked for, each as `read` has it; without any, the user name.
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
    use http::Request;

    use super::*;

    const POLICY: Policy = Policy { query_credentials: true, allow_private: false };

    /// The update of this query, with a password in it.
    fn update(query: &str) -> Update {
        let (parts, ()) =
            Request::get(format!("/nic/update?p=x&{}", query.replace(' ', "+"))).body(()).unwrap().into_parts();
        Update::parse(&parts.headers, &Parameters::read(&parts, b""), None, POLICY).unwrap()
    }

    #[test]
    fn what_may_be_a_token_is_not_logged() {
        let token = "tpevsfpxxzqr2rjzfd61aff8";
        for (hostname, logged) in [
            ("a.example.org", "a.example.org"),
            (&format!("{token}.example.org"), "?"),
            (&format!("x{token}.example.org"), "?"),
            (&format!("{}.example.org", token.to_ascii_uppercase()), "?"),
            (&format!("{}.{}.example.org", &token[..12], &token[12..]), "tpevsfpxxzqr.2rjzfd61aff8.example.org"),
            ("a..b", "?"),
        ] {
            let update = update(&format!("hostname={hostname}"));
            assert_eq!(update.loggable_hosts(), [logged], "{hostname}");
        }
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
    fn a_txt_record_and_an_offline_that_is_not_allowed_are_donator() {
        for (query, where_allowed, elsewhere) in [
            ("txt=x", false, false),
            ("txt=x&offline=YES", false, false),
            ("offline=YES&myip=198.51.100.7", true, false),
            ("ipv4=offline,198.51.100.7", true, false),
            ("ipv6=no,offline", true, false),
            ("txt=&offline=NO&myip=offline", true, true),
        ] {
            let update = update(query);
            let done = [true, false].map(|allow_offline| update.check(allow_offline).is_ok());
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
            assert_eq!(update(&format!("ttl={}", given.replace('+', "%2B"))).ttl, ttl, "{given}");
        }
    }
}
