//! What a request asks for: a second reading, made in another way than the gateway's, from the
//! words of `docs/protocol.md`.

use std::net::{IpAddr, Ipv6Addr};

use http::{HeaderMap, Method, request::Parts};

use super::{
    fixture::Cover,
    hostname,
    settings::{ALLOW_OFFLINE, BROKEN, HEADER_ONLY, Settings, TOO_LARGE},
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
    /// Whether its path is one of ours.
    pub(super) is_known_path: bool,
    /// Whether it is answered by the page for people.
    pub(super) is_of_page: bool,
    /// Whether a browser sent it for another site's page, with credentials that it had stored.
    pub(super) is_of_other_site: bool,
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
        let asks = parts.uri.query().is_some_and(|query| !query.is_empty())
            || !pairs.is_empty()
            || settings.has(TOO_LARGE)
            || settings.has(BROKEN);
        let path = known_path(parts.uri.path(), asks);
        let is_read = parts.method == Method::GET || parts.method == Method::HEAD;
        let is_of_page = path.as_deref() == Some("ui") && is_read || !asks && is_root_for_a_person(parts);
        let mut reference = Self {
            pairs,
            credentials,
            hosts,
            addresses: Vec::new(),
            prefixes: Vec::new(),
            is_known_path: path.is_some(),
            is_of_page,
            is_of_other_site: is_of_other_site(&parts.headers),
        };
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
        if first(&self.pairs, &["txt"]).is_some() {
            return Some("!donator");
        }
        let is_offline = self.is_offline(true) || self.is_offline(false);
        (is_offline && !settings.has(ALLOW_OFFLINE)).then_some("!donator")
    }

    /// Whether the hosts' addresses of IPv4, or of IPv6, are asked to go, whatever else is said.
    pub(super) fn is_offline(&self, v4: bool) -> bool {
        let names: &[&str] = if v4 { &V4_LISTS } else { &V6_LISTS };
        let mut elements = values(&self.pairs, names).flat_map(|list| list.split(','));
        first(&self.pairs, &["offline"]).is_some_and(|offline| offline.eq_ignore_ascii_case("yes"))
            || elements.any(|element| element.trim().eq_ignore_ascii_case("offline"))
    }

    /// Whether IPv4, or IPv6, is to be left alone.
    pub(super) fn is_preserved(&self, v4: bool) -> bool {
        let names = if v4 { [&V4_LISTS[..], &["myip", "ip"]].concat() } else { [&V6_LISTS[..], &PREFIXES].concat() };
        let elements = values(&self.pairs, &names).flat_map(|list| list.split(',')).map(str::trim);
        elements.map(str::to_lowercase).any(|element| element == "no" || element == "preserve")
    }

    /// The zone that is asked for, if one is.
    pub(super) fn zone_id(&self) -> Option<&str> {
        let id = first(&self.pairs, &["zoneid"])?;
        let id = id.strip_prefix('/').unwrap_or(id);
        Some(id.strip_prefix("hostedzone/").unwrap_or_else(|| first(&self.pairs, &["zoneid"]).expect("it is there")))
    }
}

/// The parameters that list addresses of IPv4.
const V4_LISTS: [&str; 3] = ["myipv4", "ipv4", "ip4"];
/// The parameters that list addresses of IPv6.
const V6_LISTS: [&str; 4] = ["myipv6", "myip6", "ipv6", "ip6"];
/// The parameters of a prefix.
const PREFIXES: [&str; 4] = ["ip6lanprefix", "ipv6prefix", "ipprefix", "prefix"];

/// A path of ours without a stage before it; empty for the root.
fn known_path(path: &str, asks: bool) -> Option<String> {
    let known = |path: &str| {
        let paths = "nic/update v2/update v3/update update checkip nic/checkip ip myip healthz ui";
        paths.split(' ').any(|known| known == path)
    };
    let decoded = decode(&path.replace('+', "%2b"));
    let words: Vec<&str> = decoded.split('/').filter(|word| !word.is_empty()).collect();
    let path = words.join("/");
    if !decoded.starts_with('/') || words.is_empty() || known(&path) {
        return decoded.starts_with('/').then_some(path);
    }
    let never = "nic update v2 v3 checkip ip myip healthz ui present cleanup register . ..";
    let stage = words[0].to_lowercase();
    let odd = stage.chars().any(|letter| !matches!(letter, 'a'..='z' | '0'..='9' | '-' | '_' | '.'));
    let odd = odd && words[0] != "$default";
    if odd || words[0].contains(|letter: char| !letter.is_ascii()) || never.split(' ').any(|word| word == stage) {
        return None;
    }
    match path.split_once('/') {
        Some((_, rest)) => known(rest).then(|| rest.to_owned()),
        None => asks.then(String::new),
    }
}

/// Whether a browser asks for "/" because a person opens it.
fn is_root_for_a_person(parts: &Parts) -> bool {
    let first =
        |name: &str| parts.headers.get(name).map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned());
    let is = |name: &str, word: &str| {
        first(name).is_some_and(|value| value.trim_matches([' ', '\t']).to_ascii_lowercase() == word)
    };
    let mut accepted = parts.headers.get_all("accept").iter();
    let takes_html = accepted.any(|value| String::from_utf8_lossy(value.as_bytes()).contains("text/html"));
    let by_fetch = is("sec-fetch-mode", "navigate") && is("sec-fetch-dest", "document");
    let by_upgrade = is("upgrade-insecure-requests", "1") && takes_html;
    parts.method == Method::GET
        && parts.uri.path() == "/"
        && if first("sec-fetch-mode").is_some() { by_fetch } else { by_upgrade }
}

/// Whether the headers are those of a browser with stored credentials on another site's page.
fn is_of_other_site(headers: &HeaderMap) -> bool {
    let all = |name: &str| -> Vec<String> {
        let text = |value: &http::HeaderValue| String::from_utf8_lossy(value.as_bytes()).trim().to_owned();
        headers.get_all(name).iter().map(text).collect()
    };
    if all("authorization").iter().all(String::is_empty) {
        return false;
    }
    let sites = all("sec-fetch-site");
    if !sites.is_empty() {
        return sites.iter().any(|site| site != "same-origin" && site != "none");
    }
    let Some(host) = all("host").into_iter().next() else {
        return !(all("origin").is_empty() && all("referer").is_empty());
    };
    let origins = all("origin");
    if origins.is_empty() {
        return all("referer").first().is_some_and(|url| is_of_other_authority(url, &host));
    }
    origins.iter().any(|url| is_of_other_authority(url, &host))
}

/// Whether a URL of a page names another authority than this `Host`.
fn is_of_other_authority(url: &str, host: &str) -> bool {
    if !url.bytes().chain(host.bytes()).all(|byte| matches!(byte, b' '..=b'~' | b'\t')) {
        return true;
    }
    let (url, host) = (url.to_ascii_lowercase(), host.to_ascii_lowercase());
    for (scheme, port) in [("http://", ":80"), ("https://", ":443")] {
        let Some(rest) = url.strip_prefix(scheme) else { continue };
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let named = rest[..end].rfind('@').map_or(&rest[..end], |at| &rest[at + 1..end]);
        let plain = |authority: &str| {
            let authority = authority.trim();
            let authority = authority.strip_suffix(port).or(authority.strip_suffix(':')).unwrap_or(authority);
            let (name, port) = match authority.rfind(':') {
                Some(at) if !authority.ends_with(']') => authority.split_at(at),
                _ => (authority, ""),
            };
            format!("{}{port}", name.strip_suffix('.').unwrap_or(name))
        };
        return plain(named) != plain(&host) || plain(&host).is_empty();
    }
    true
}

/// The names, in lower case, and values of a query or form.
pub(super) fn pairs(text: &str) -> Vec<(String, String)> {
    let pair = |piece: &str| {
        let (name, value) = piece.split_once('=').unwrap_or((piece, ""));
        (decode(name).trim().to_ascii_lowercase(), decode(value))
    };
    text.split('&').take(500).map(pair).filter(|(name, _)| !name.is_empty()).collect()
}

/// User name and password, the latter as tokens are compared.
pub(super) fn credentials(
    headers: &HeaderMap,
    pairs: &[(String, String)],
    header_only: bool,
) -> Option<(String, String)> {
    let values: Vec<&[u8]> =
        headers.get_all("authorization").iter().map(|value| value.as_bytes().trim_ascii()).collect();
    let pair = match values[..] {
        [] | [b""] => None,
        [value] => {
            let (scheme, rest) = (value.get(..6)?, value.get(6..)?);
            if !scheme.eq_ignore_ascii_case(b"basic ") {
                return None;
            }
            let pair = base64(rest.trim_ascii())?;
            let pair = String::from_utf8_lossy(&pair).into_owned();
            let colon = pair.find(':')?;
            (pair != ":").then(|| (pair[..colon].to_owned(), pair[colon + 1..].to_owned()))
        }
        _ => return None,
    };
    let (user, password) = match pair {
        Some(pair) => pair,
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
pub(super) fn decode(text: &str) -> String {
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
