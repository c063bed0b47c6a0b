//! The requests of a round: which hosts go together, and what is sent.

use http::{HeaderValue, Uri};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use zeroize::Zeroizing;

use super::{addresses::HostAddresses, basic::basic, host::Host, http::HttpReply};
use crate::{
    printable::printable,
    protocol::{address::Family, token, update::MAX_HOSTS, zone::ZoneId},
};

/// One request: hosts of one gateway, token, zone and TTL that should have the same addresses.
pub struct UpdateRequest<'a> {
    /// At least one host.
    pub hosts: Vec<&'a Host>,
    /// The addresses that they should have.
    pub addresses: HostAddresses,
}

/// The fewest requests that ask for all of this, in order.
pub fn together<'a>(wanted: Vec<(&'a Host, HostAddresses)>) -> Vec<UpdateRequest<'a>> {
    let mut requests: Vec<UpdateRequest<'a>> = Vec::new();
    for (host, addresses) in wanted {
        let joins = |request: &&mut UpdateRequest<'_>| request.takes(host, &addresses);
        match requests.iter_mut().find(joins) {
            Some(request) => request.hosts.push(host),
            None => requests.push(UpdateRequest { hosts: vec![host], addresses }),
        }
    }
    requests
}

impl UpdateRequest<'_> {
    /// Whether a host can be one more in it.
    fn takes(&self, host: &Host, addresses: &HostAddresses) -> bool {
        let first = self.hosts[0];
        self.hosts.len() < MAX_HOSTS
            && self.addresses == *addresses
            && first.url == host.url
            && first.token == host.token
            && first.zone_id == host.zone_id
            && first.ttl == host.ttl
    }

    /// The URL of the request, with the native names of the parameters (docs/protocol.md). It holds
    /// no secret.
    ///
    /// # Errors
    ///
    /// If that is not a URL.
    pub fn url(&self) -> Result<Uri, String> {
        let first = self.hosts[0];
        let hosts: Vec<&str> = self.hosts.iter().map(|host| host.name.as_str()).collect();
        let mut query = vec![("fqdn", hosts.join(","))];
        query.extend(first.zone_id.as_ref().map(|id| ("zoneid", ZoneId::as_str(id).to_owned())));
        query.extend(first.ttl.map(|ttl| ("ttl", ttl.to_string())));
        for (name, family) in [("ipv4", Family::V4), ("ipv6", Family::V6)] {
            let addresses = self.addresses.of_family(family);
            query.extend((!addresses.is_empty()).then(|| (name, addresses.join(","))));
        }
        let query: Vec<_> = query.iter().map(|(name, value)| format!("{name}={}", encode(value))).collect();
        let url = format!("{}/nic/update?{}", first.url, query.join("&"));
        url.parse().map_err(|error| format!("{url}: {error}"))
    }

    /// The credentials: the host as the user, its token as the password (RFC 7617).
    ///
    /// # Errors
    ///
    /// If they cannot be in a header.
    pub fn authorization(&self) -> Result<HeaderValue, String> {
        let user = match self.hosts.as_slice() {
            [host] => host.name.as_str(),
            // A user name without a dot claims no host, so the token is checked against each host
            // alone. If a host were named here, and the token did not cover it, all of them would
            // get `badauth`.
            _ => "nic53",
        };
        let credentials = basic(user, self.hosts[0].token.reveal());
        let mut value = HeaderValue::from_str(&credentials).map_err(|error| error.to_string())?;
        value.set_sensitive(true);
        Ok(value)
    }

    /// A reply that can be shown: printable, and without the token if it was echoed.
    pub fn redact(&self, reply: &HttpReply) -> HttpReply {
        let redact = |text: &String| self.without_token(text);
        HttpReply { status: reply.status, location: reply.location.as_ref().map(redact), body: redact(&reply.body) }
    }

    /// A printable text without the token, as it is or as it was sent, in any case.
    fn without_token(&self, text: &str) -> String {
        let text = printable(text);
        let credentials = self.authorization().ok();
        let sent = credentials.as_ref().and_then(|value| value.to_str().ok()?.strip_prefix("Basic "));
        let text = match sent {
            Some(sent) => without(&text, sent.trim_end_matches('=')),
            None => text,
        };
        token::redact(&without(&text, self.hosts[0].token.reveal())).into_owned()
    }
}

/// A text with `…` for every occurrence of a secret, in any case.
fn without(text: &str, secret: &str) -> String {
    let (folded, secret) = (text.to_ascii_lowercase(), Zeroizing::new(secret.to_ascii_lowercase()));
    let (mut redacted, mut rest) = (String::new(), 0);
    for (at, found) in folded.match_indices(&*secret).filter(|(_, found)| !found.is_empty()) {
        redacted += &text[rest..at];
        redacted.push('…');
        rest = at + found.len();
    }
    redacted + &text[rest..]
}

/// A value in a query. The characters of lists and of IPv6 addresses stay readable.
fn encode(value: &str) -> String {
    const RESERVED: &AsciiSet =
        &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'*').remove(b',').remove(b':').remove(b'/');
    utf8_percent_encode(value, RESERVED).to_string()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use base64::prelude::{BASE64_STANDARD, Engine};

    use super::{super::config::Config, *};

    /// The hosts of a file.
    fn hosts(text: &str) -> Vec<Host> {
        let config = Config::parse(Path::new("x.conf"), text).unwrap_or_else(|error| panic!("{error}"));
        let host = |name: &crate::protocol::hostname::HostName| config.settings(name).host(name.clone());
        config.names().map(|name| host(name).unwrap_or_else(|error| panic!("{error}"))).collect()
    }

    /// Addresses as a state file has them.
    fn addresses(json: &str) -> HostAddresses {
        serde_json::from_str(json).unwrap()
    }

    /// The requests for these hosts, as their URLs.
    fn urls(hosts: &[Host], json: &str) -> Vec<String> {
        let requests = together(hosts.iter().map(|host| (host, addresses(json))).collect());
        requests.iter().map(|request| request.url().unwrap().to_string()).collect()
    }

    #[test]
    fn hosts_that_share_everything_go_in_one_request() {
        let text = "[DEFAULT]\nurl = https://gw/nic/update\ntoken = t\n[a.b]\n[*.c.b]\n[d.b]\ntoken = u\n[e.b]\nttl = 90\n\
                    [f.b]\nurl = https://other\n[g.b]\nzoneid = Z1\n[h.b]";
        assert_eq!(
            urls(&hosts(text), r#"{"v4":["192.0.2.1"],"v6":["2001:db8::7","2001:db8::8"]}"#),
            [
                "https://gw/nic/update?fqdn=a.b,*.c.b,h.b&ipv4=192.0.2.1&ipv6=2001:db8::7,2001:db8::8",
                "https://gw/nic/update?fqdn=d.b&ipv4=192.0.2.1&ipv6=2001:db8::7,2001:db8::8",
                "https://gw/nic/update?fqdn=e.b&ttl=90&ipv4=192.0.2.1&ipv6=2001:db8::7,2001:db8::8",
                "https://other/nic/update?fqdn=f.b&ipv4=192.0.2.1&ipv6=2001:db8::7,2001:db8::8",
                "https://gw/nic/update?fqdn=g.b&zoneid=Z1&ipv4=192.0.2.1&ipv6=2001:db8::7,2001:db8::8",
            ]
        );
    }

    #[test]
    fn hosts_with_other_addresses_go_by_themselves() {
        let hosts = hosts("[DEFAULT]\nurl = https://gw\ntoken = t\n[a.b]\n[c.b]");
        let wanted = [&hosts[0], &hosts[1]].into_iter().zip([r#"{"v4":["192.0.2.1"]}"#, r#"{"v6":["2001:db8::/64"]}"#]);
        let requests = together(wanted.map(|(host, json)| (host, addresses(json))).collect());
        let urls: Vec<_> = requests.iter().map(|request| request.url().unwrap().to_string()).collect();
        assert_eq!(
            urls,
            ["https://gw/nic/update?fqdn=a.b&ipv4=192.0.2.1", "https://gw/nic/update?fqdn=c.b&ipv6=2001:db8::/64"]
        );
    }

    #[test]
    fn twenty_hosts_are_the_most_of_one_request() {
        let sections: Vec<_> = (0..41).map(|n| format!("[h{n}.b]\nurl = https://gw\ntoken = t\n")).collect();
        let hosts = hosts(&sections.concat());
        let requests = together(hosts.iter().map(|host| (host, addresses(r#"{"v4":["192.0.2.1"]}"#))).collect());
        assert_eq!(requests.iter().map(|request| request.hosts.len()).collect::<Vec<_>>(), [20, 20, 1]);
    }

    #[test]
    fn one_host_is_its_own_user_and_several_claim_no_name() {
        let hosts = hosts("[DEFAULT]\nurl = https://gw\ntoken = t0k3n\n[a.b]\n[c.b]");
        let user = |hosts: Vec<&Host>| {
            let request = UpdateRequest { hosts, addresses: HostAddresses::default() };
            let value = request.authorization().unwrap();
            assert!(value.is_sensitive());
            let encoded = value.to_str().unwrap().strip_prefix("Basic ").unwrap().to_owned();
            String::from_utf8(BASE64_STANDARD.decode(encoded).unwrap()).unwrap()
        };
        assert_eq!(user(vec![&hosts[0]]), "a.b:t0k3n");
        assert_eq!(user(vec![&hosts[0], &hosts[1]]), "nic53:t0k3n");
    }

    #[test]
    fn an_echoed_token_is_not_repeated() {
        let hosts = hosts("[a.b]\nurl = https://gw\ntoken = t0k3n");
        let request = UpdateRequest { hosts: vec![&hosts[0]], addresses: HostAddresses::default() };
        let encoded = BASE64_STANDARD.encode("a.b:t0k3n");
        for (body, shown) in [
            (format!("bad: Basic {encoded}, t0k3n"), "bad: Basic …, …"),
            (format!("bad:\r\n{encoded}="), "bad: …="),
            ("T0K3N or T0k3n\u{7}".to_owned(), r"… or …\u{7}"),
            (encoded.to_ascii_lowercase(), "…"),
            ("another's: P76TF75AR94AM7G7PCJZRYJR".to_owned(), "another's: …"),
            ("é t0k3nt0k3n é".to_owned(), "é …… é"),
        ] {
            let location = Some("https://x/?T0K3N".to_owned());
            let reply = request.redact(&HttpReply { status: 200, location, body: body.clone() });
            assert_eq!((reply.location.as_deref(), reply.body.as_str()), (Some("https://x/?…"), shown), "{body}");
        }
    }
}
