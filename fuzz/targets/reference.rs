//! What a request asks for: a second reading, made in another way than the gateway's, from the
//! words of `docs/protocol.md`.

use std::net::{IpAddr, Ipv6Addr};

use http::{HeaderMap, Method, request::Parts};

use super::{
    fixture::Cover,
    hostname,
    settings::{ALLOW_OFFLINE, HEADER_ONLY, Settings},
};

/// What a request asks for.
pub(super) struct Reference {
    /// Names in lower case and values, as they came.
    pairs: Vec<(String, String)>,
    /// User name and password, unless they are absent or cannot be right.
    pub(super) credentials: Option<(String, String)>,
    /// The hosts as they were asked for.
    pub(super) hosts: Vec<String>,
    /// Everything in it that is an address, whoever meant it so.
    pub(super) addresses: Vec<IpAddr>,
    /// Everything in it that is an IPv6 prefix.
    pub(super) prefixes: Vec<(Ipv6Addr, u32)>,
}

impl Reference {
    /// Reads the request.
    pub(super) fn of(settings: Settings, parts: &Parts, form: &[u8], peer: Option<IpAddr>) -> Self {
        let form = if has_form(parts) { String::from_utf8_lossy(form).into_owned() } else { String::new() };
        let text = format!("{}&{form}", parts.uri.query().unwrap_or_default());
        let pairs = pairs(&text);
        let credentials = credentials(&parts.headers, &pairs, settings.has(HEADER_ONLY));
        let user = credentials.as_ref().map(|(user, _)| user.trim().to_owned()).filter(|user| user.contains('.'));
        let listed = values(&pairs, &["hostname", "host", "hostnames", "domain", "domains", "host_id", "fqdn"]);
        let listed = listed.flat_map(|value| value.split(',')).map(str::trim);
        let mut hosts: Vec<String> =
            listed.filter(|host| !host.is_empty() && !host.eq_ignore_ascii_case("yes")).map(str::to_owned).collect();
        if hosts.is_empty() {
            hosts.extend(user);
        }
        let mut reference = Self { pairs, credentials, hosts, addresses: Vec::new(), prefixes: Vec::new() };
        reference.addresses.extend(peer.map(|peer| peer.to_canonical()));
        for value in parts.headers.get_all("x-forwarded-for") {
            reference.collect(&String::from_utf8_lossy(value.as_bytes()));
        }
        reference.collect(&decode(&text));
        reference
    }

    /// Collects addresses and prefixes of a text.
    fn collect(&mut self, text: &str) {
        let part = |letter: char| letter.is_ascii_hexdigit() || matches!(letter, ':' | '.' | '/');
        for word in text.split(|letter| !part(letter)) {
            let (address, length) = word.split_once('/').unwrap_or((word, ""));
            // `2001:db8::7]/64` and `192.0.2.1:80` come in pieces.
            let pieces = [address, address.split(':').next().unwrap_or_default()];
            self.addresses
                .extend(pieces.iter().filter_map(|piece| piece.parse().ok()).map(|ip: IpAddr| ip.to_canonical()));
            if let (Ok(network), Ok(length)) = (address.parse(), length.parse()) {
                self.prefixes.push((network, length));
            }
        }
        // A prefix in brackets: `[2001:db8::]/32`.
        for (at, _) in text.match_indices("]/") {
            let network = text[..at].rsplit('[').next().and_then(|network| network.parse().ok());
            let digits: String = text[at + 2..].chars().take_while(char::is_ascii_digit).collect();
            if let (Some(network), Ok(length)) = (network, digits.parse()) {
                self.prefixes.push((network, length));
            }
        }
    }

    /// The one word that answers the whole request, if one does. `token` is the right password, and
    /// `cover` what it covers.
    pub(super) fn refusal(&self, settings: Settings, token: &str, cover: Option<Cover>) -> Option<&'static str> {
        let Some((user, password)) = &self.credentials else { return Some("badauth") };
        let cover = cover.filter(|_| password == token);
        let covers =
            |host: &str| hostname::canonical(host).is_some_and(|name| cover.is_some_and(|cover| cover.has(&name)));
        let user = user.trim();
        let claims = user.contains('.') && !user.contains('@');
        if claims && !covers(user) {
            return Some("badauth");
        }
        if self.hosts.len() > 20 {
            return Some("numhost");
        }
        if !claims && !self.hosts.iter().any(|host| covers(host)) {
            return Some("badauth");
        }
        if self.hosts.is_empty() {
            return Some("notfqdn");
        }
        (self.is_offline() && !settings.has(ALLOW_OFFLINE)).then_some("!donator")
    }

    /// Whether the hosts' addresses are to go.
    pub(super) fn is_offline(&self) -> bool {
        first(&self.pairs, &["offline"]).is_some_and(|offline| offline.eq_ignore_ascii_case("yes"))
    }

    /// The zone that is asked for, if one is.
    pub(super) fn zone_id(&self) -> Option<&str> {
        let id = first(&self.pairs, &["zoneid"])?;
        let id = id.strip_prefix('/').unwrap_or(id);
        Some(id.strip_prefix("hostedzone/").unwrap_or_else(|| first(&self.pairs, &["zoneid"]).expect("it is there")))
    }
}

/// The names, in lower case, and values of a query or form.
pub(super) fn pairs(text: &str) -> Vec<(String, String)> {
    let pair = |piece: &str| {
        let (name, value) = piece.split_once('=').unwrap_or((piece, ""));
        (decode(name).trim().to_ascii_lowercase(), decode(value))
    };
    text.split('&').map(pair).filter(|(name, _)| !name.is_empty()).collect()
}

/// User name and password, the latter as tokens are compared.
pub(super) fn credentials(
    headers: &HeaderMap,
    pairs: &[(String, String)],
    header_only: bool,
) -> Option<(String, String)> {
    let (user, password) = match headers.get("authorization") {
        Some(value) => {
            let value = value.as_bytes().trim_ascii();
            let (scheme, rest) = (value.get(..6)?, value.get(6..)?);
            if !scheme.eq_ignore_ascii_case(b"basic ") {
                return None;
            }
            let pair = base64(rest.trim_ascii())?;
            let pair = String::from_utf8_lossy(&pair).into_owned();
            let colon = pair.find(':')?;
            (pair[..colon].to_owned(), pair[colon + 1..].to_owned())
        }
        None if header_only => return None,
        None => {
            let password = first(pairs, &["password", "pass", "pwd", "p", "token", "key"])?.to_owned();
            (first(pairs, &["username", "user", "u", "login"]).unwrap_or_default().to_owned(), password)
        }
    };
    let mut password = password.trim();
    if password.ends_with(',') {
        password = password[..password.len() - 1].trim();
    }
    (!password.is_empty()).then(|| (user, password.to_ascii_lowercase()))
}

/// Base64 with or without its padding, bit by bit (RFC 4648 §4).
fn base64(text: &[u8]) -> Option<Vec<u8>> {
    let padding = text.iter().rev().take_while(|byte| **byte == b'=').count();
    let text = &text[..text.len() - padding];
    let (mut bytes, mut bits, mut held) = (Vec::new(), 0_u32, 0);
    for byte in text {
        let value = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => return None,
        };
        bits = (bits << 6 | u32::from(value)) & 0xffff;
        held += 6;
        if held >= 8 {
            held -= 8;
            bytes.push(u8::try_from(bits >> held & 0xff).expect("eight bits"));
        }
    }
    // Six bits are no octet.
    (text.len() % 4 != 1).then_some(bytes)
}

/// All values under these names.
fn values<'a, 'n>(pairs: &'a [(String, String)], names: &'n [&'n str]) -> impl Iterator<Item = &'a str> + use<'a, 'n> {
    pairs.iter().filter(|(name, _)| names.contains(&name.as_str())).map(|(_, value)| value.as_str())
}

/// The first value under these names that is not empty.
fn first<'a>(pairs: &'a [(String, String)], names: &[&str]) -> Option<&'a str> {
    values(pairs, names).map(str::trim).find(|value| !value.is_empty())
}

/// Whether the body is a form: of a POST or PUT that declares one, or declares nothing.
fn has_form(parts: &Parts) -> bool {
    let declared = parts.headers.get("content-type").map(|value| value.as_bytes().trim_ascii().to_ascii_lowercase());
    matches!(parts.method, Method::POST | Method::PUT)
        && declared.is_none_or(|kind| kind.is_empty() || kind.starts_with(b"application/x-www-form-urlencoded"))
}

/// Text with its escapes and pluses decoded, as far as they are text.
fn decode(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((byte, tail)) = rest.split_first() {
        let digit = |at: usize| tail.get(at).and_then(|byte| char::from(*byte).to_digit(16));
        if let (b'%', Some(high), Some(low)) = (byte, digit(0), digit(1)) {
            bytes.push(u8::try_from(high * 16 + low).expect("two digits"));
            rest = &tail[2..];
        } else {
            bytes.push(if *byte == b'+' { b' ' } else { *byte });
            rest = tail;
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}
