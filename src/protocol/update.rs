//! An update: what a request asks for, before anybody decides whether it may.

use http::HeaderMap;

use crate::protocol::{
    credentials::Credentials,
    hostname::{HostName, NotFqdn},
    parameters::Parameters,
    reply::Refusal,
    token::{self, Password},
};

/// The most hosts of one request (Dyn's limit). It is repeated in: `docs/protocol.md`, `design.md`,
/// `security.md` and `nic53-update.md`; `meaning.rs`; the transcripts about `numhost` in
/// `protocol-tests/`; the second reading in `fuzz/targets/`; `tests/it/properties.rs` and `timing.rs`;
/// and `benches/lambda/`.
pub const MAX_HOSTS: usize = 20;

/// Who asks for an update, and of which hosts. What they are to become is
/// [`Asked`](crate::protocol::asked::Asked), which is read once it is known who may ask.
#[derive(Debug)]
pub struct Update {
    /// The host that the user name claims; `None` if it claims nothing.
    pub user: Option<Result<HostName, NotFqdn>>,
    /// The password, which should be a token.
    pub password: Password,
    /// The hosts in the order asked, malformed ones and repetitions included, and at most one more
    /// than the limit.
    pub hosts: Vec<Result<HostName, NotFqdn>>,
    /// How many hosts are asked for in all.
    pub host_count: usize,
    /// The id of the zone that must hold each host, as the request has it, if it names one.
    pub zone_id: Option<String>,
}

/// The most hosts that are counted for the log. A stranger chooses how many there are.
const MAX_COUNTED: usize = 500;

/// What a deployment lets a request ask for.
#[derive(Clone, Copy, Debug)]
pub struct Policy {
    /// Whether credentials may come in the query or form (`NIC53_QUERY_CREDENTIALS`).
    pub query_credentials: bool,
    /// Whether private addresses may be published (`NIC53_ALLOW_PRIVATE`).
    pub allow_private: bool,
}

impl Update {
    /// Reads an update from its headers and parameters. `in_query` says whether credentials may come in
    /// the query or form.
    ///
    /// # Errors
    ///
    /// `badauth` if there are no credentials that could be right.
    pub fn parse(headers: &HeaderMap, parameters: &Parameters<'_>, in_query: bool) -> Result<Self, Refusal> {
        let Credentials { user, password } = Credentials::read(headers, parameters, in_query)?;
        let named = Some(user.trim()).filter(|user| user.contains('.'));
        let user = claimed(&user);
        // The user name is usually the host, which was just read.
        let read = |host: &str| match &user {
            Some(user) if named == Some(host) => user.clone(),
            _ => host.parse(),
        };
        let mut hosts = hosts(parameters, named);
        let parsed: Vec<_> = hosts.by_ref().take(MAX_HOSTS + 1).map(read).collect();
        Ok(Self {
            user,
            password,
            host_count: parsed.len() + hosts.take(MAX_COUNTED - parsed.len()).count(),
            hosts: parsed,
            zone_id: parameters.first(&["zoneid"]).map(str::to_owned),
        })
    }

    /// The hosts as they may be logged: `?` stands for a malformed one, and for one that may contain
    /// a token.
    pub fn loggable_hosts(&self) -> impl Iterator<Item = String> {
        self.hosts.iter().map(|host| loggable(host.as_ref().ok(), &self.password))
    }
}

/// The host that a user name claims: none, if it has no dot or an `@`.
pub fn claimed(user: &str) -> Option<Result<HostName, NotFqdn>> {
    let user = user.trim();
    (user.contains('.') && !user.contains('@')).then(|| user.parse())
}

/// A host as it may be logged: `?` stands for a malformed one, and for one that may contain a token.
pub fn loggable(host: Option<&HostName>, password: &Password) -> String {
    let may_be = |host: &&HostName| !password.is_in(host.as_str()) && !token::is_in(host.as_str());
    host.filter(may_be).map_or_else(|| "?".to_owned(), ToString::to_string)
}

/// The hosts asked for; without any, the user name.
fn hosts<'a>(parameters: &'a Parameters<'_>, user: Option<&'a str>) -> impl Iterator<Item = &'a str> {
    let mut asked = parameters
        .all(&["hostname", "host", "hostnames", "domain", "domains", "host_id", "fqdn"])
        .flat_map(|(_, list)| list.split(','))
        .map(str::trim)
        .filter(|host| !host.is_empty() && !host.eq_ignore_ascii_case("yes"))
        .peekable();
    let user = user.filter(|_| asked.peek().is_none());
    asked.chain(user)
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    /// The update of this query, with a password in it.
    fn update(query: &str) -> Update {
        let (parts, ()) =
            Request::get(format!("/nic/update?p=x&{}", query.replace(' ', "+"))).body(()).unwrap().into_parts();
        Update::parse(&parts.headers, &Parameters::read(&parts, b""), true).unwrap()
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
            assert!(update.loggable_hosts().eq([logged]), "{hostname}");
        }
    }

    #[test]
    fn more_hosts_than_may_be_are_counted_and_not_read() {
        let update = update(&format!("hostname={}", "a.b,".repeat(400)));
        assert_eq!((update.hosts.len(), update.host_count), (MAX_HOSTS + 1, 400));
    }

    #[test]
    fn a_flood_of_hosts_is_not_counted_to_its_end() {
        let update = update(&format!("hostname={}", "a.b,".repeat(5000)));
        assert_eq!((update.hosts.len(), update.host_count), (MAX_HOSTS + 1, MAX_COUNTED));
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
}
