//! A request out of a fuzzer's bytes, with what is around it: four bytes that choose the token, the
//! settings, how Route 53 fails and who calls, and then the text of the request.
//!
//! The text is `METHOD TARGET`, one header per line, and after an empty line the body. In it, `{token}`
//! is the chosen token, and Basic credentials with a colon are sent in base64: no fuzzer would get
//! past the password otherwise.

use std::{fs, net::IpAddr};

use base64::prelude::{BASE64_STANDARD, Engine};
use http::{HeaderName, HeaderValue, Method, Uri, request::Parts};
use serde_json::Value;

use super::{
    fixture::{Fixture, ScriptedFault, TOKENS},
    project,
    settings::{ALLOW_OFFLINE, ALLOW_PRIVATE, HEADER_ONLY, PROXIES, Settings},
};
use crate::support::{
    fake_route53::{Fault, Operation},
    front_end::Request,
};

/// The circumstances of a request.
pub(super) struct Input {
    /// Which of the tokens `{token}` stands for.
    pub(super) token: usize,
    /// The bits of the gateway's settings, and of the body's fate.
    pub(super) settings: Settings,
    /// How Route 53 fails, if it does.
    pub(super) fault: Option<ScriptedFault>,
    /// Who sends the request.
    pub(super) peer: Option<IpAddr>,
}

/// Who may send a request.
const PEERS: [Option<&str>; 6] = [
    Some("203.0.113.9"),
    Some("2001:db8:ffff::9"),
    None,
    Some("10.0.0.1"),
    Some("::ffff:203.0.113.10"),
    Some("127.0.0.1"),
];

/// How Route 53 fails.
const FAULTS: [&str; 10] = [
    "throttle",
    "prior-request",
    "invalid-batch",
    "invalid-batch-messages",
    "access-denied",
    "no-such-zone",
    "server-error",
    "hang",
    "reset",
    "garbage",
];

impl Input {
    /// Reads the first four bytes; returns the rest too.
    pub(super) fn read(data: &[u8]) -> Option<(Self, &[u8])> {
        let ([token, settings, fault, peer], text) = data.split_first_chunk::<4>()?;
        let fault = fault.checked_sub(160).map(|fault| {
            let operation = if fault & 1 == 0 { Operation::List } else { Operation::Change };
            let word = FAULTS[usize::from(fault >> 2) % FAULTS.len()];
            let mut ordered: Fault = word.parse().expect("a fault");
            ordered.late = fault & 2 != 0;
            (operation, ordered, (fault % 3 > 0).then_some(u32::from(fault % 3)))
        });
        let peer = PEERS[usize::from(*peer) % PEERS.len()].map(|peer| peer.parse().expect("an address"));
        let input = Self { token: usize::from(*token) % TOKENS.len(), settings: Settings(*settings), fault, peer };
        Some((input, text))
    }
}

/// The request that a text describes, `{token}` and credentials still plain.
pub(super) fn plain_request(text: &[u8]) -> Request {
    let (head, body) = match text.windows(2).position(|pair| pair == b"\n\n") {
        Some(end) => (&text[..end], &text[end + 2..]),
        None => (text, &[][..]),
    };
    let mut lines = head.split(|byte| *byte == b'\n');
    let line = lines.next().unwrap_or_default();
    let (method, target) = split_at_byte(line, b' ').unwrap_or((b"GET", line));
    let header = |line| {
        let (name, value) = split_at_byte(line, b':')?;
        Some((String::from_utf8_lossy(name).into_owned(), value.trim_ascii().to_vec()))
    };
    Request {
        method: String::from_utf8_lossy(method).into_owned(),
        target: target.to_vec(),
        version: "HTTP/1.1".to_owned(),
        headers: lines.filter_map(header).collect(),
        body: body.to_vec(),
    }
}

/// The request that a text describes, with its token, and its credentials in base64.
pub(super) fn request(text: &[u8], token: &str) -> Request {
    let mut request = plain_request(&expand(text, token));
    for (name, value) in &mut request.headers {
        if name.eq_ignore_ascii_case("authorization") {
            *value = encoded(value);
        }
    }
    request
}

/// The text with the token in its place.
pub(super) fn expand(text: &[u8], token: &str) -> Vec<u8> {
    const PLACE: &[u8] = b"{token}";
    let mut expanded = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.windows(PLACE.len()).position(|window| window == PLACE) {
        expanded.extend_from_slice(&rest[..at]);
        expanded.extend_from_slice(token.as_bytes());
        rest = &rest[at + PLACE.len()..];
    }
    expanded.extend_from_slice(rest);
    expanded
}

/// Encodes Basic credentials that are plain text.
pub(super) fn encoded(value: &[u8]) -> Vec<u8> {
    match value.split_at_checked(6) {
        Some((scheme, pair)) if scheme.eq_ignore_ascii_case(b"basic ") && pair.contains(&b':') => {
            [scheme, BASE64_STANDARD.encode(pair).as_bytes()].concat()
        }
        _ => value.to_vec(),
    }
}

/// Method, target and headers as the HTTP library holds them; `None` if it cannot. Bytes that
/// a target must not contain are encoded first, and an invalid header is left out.
pub(super) fn parts(request: &Request) -> Option<Parts> {
    let (mut parts, ()) = http::Request::new(()).into_parts();
    parts.method = Method::from_bytes(request.method.as_bytes()).ok()?;
    let byte = |byte: &u8| match byte {
        b'!' | b'$'..=b';' | b'=' | b'?'..=b'[' | b']' | b'_' | b'a'..=b'z' | b'~' => char::from(*byte).to_string(),
        _ => format!("%{byte:02X}"),
    };
    parts.uri = Uri::try_from(request.target.iter().map(byte).collect::<String>()).ok()?;
    for (name, value) in &request.headers {
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::from_bytes(value)) {
            parts.headers.append(name, value);
        }
    }
    Some(parts)
}

/// The requests of `protocol-tests/` as cases: those of real clients, and those of the transcripts.
pub(super) fn seeds() -> Vec<Vec<u8>> {
    let mut seeds: Vec<Vec<u8>> = Vec::new();
    let folder = project().join("protocol-tests");
    let rows = fs::read_to_string(folder.join("requests.jsonl")).expect("the requests of real clients");
    for row in rows.lines() {
        let row: Value = serde_json::from_str(row).expect("JSON");
        let text = |name: &str| row[name].as_str().expect("text").to_owned();
        let request = text("request").replace("\r\n", "\n").replace("{{", "").replace("}}", "");
        let request = request.replace("TOKEN", "{token}").replacen(" HTTP/1.1\n", "\n", 1);
        let request = request.replacen(" HTTP/1.0\n", "\n", 1);
        let peer = u8::from(text("peer").contains(':'));
        seeds.push([&[place(&text("token")), 0, 0, peer], request.as_bytes()].concat());
    }
    let mut paths: Vec<_> =
        fs::read_dir(&folder).expect("protocol-tests").map(|entry| entry.expect("an entry").path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "txt"));
    paths.sort();
    for path in paths {
        let transcript = fs::read_to_string(&path).expect("a transcript");
        let mut settings = 0;
        let mut fault = 0;
        for line in transcript.lines() {
            settings |= if line == "set NIC53_ALLOW_PRIVATE true" { ALLOW_PRIVATE } else { 0 };
            settings |= if line == "set NIC53_ALLOW_OFFLINE true" { ALLOW_OFFLINE } else { 0 };
            settings |= if line == "set NIC53_QUERY_CREDENTIALS false" { HEADER_ONLY } else { 0 };
            settings |= if line.starts_with("set NIC53_TRUSTED_PROXIES ") { PROXIES } else { 0 };
            let ordered = line.strip_prefix("fault ").and_then(|rest| rest.split_once(' '));
            // Faults of the table are for fleet mode.
            if let Some((operation @ ("list" | "change"), rest)) = ordered {
                let word = rest.split(' ').next().unwrap_or_default();
                let (late, word) = word.strip_prefix("late-").map_or((0, word), |word| (2, word));
                let kind = FAULTS.iter().position(|fault| *fault == word).expect("a fault");
                fault = 160 + (u8::try_from(kind).expect("few") << 2) + late + u8::from(operation == "change");
            }
        }
        for exchange in transcript.split("\n\n").filter(|block| block.contains("> ")) {
            let lines = exchange.lines().filter_map(|line| line.strip_prefix('>'));
            let lines: Vec<&str> = lines.map(|line| line.strip_prefix(' ').unwrap_or(line)).collect();
            let (token, text) = placed(&lines.join("\n"));
            seeds.push([&[token, settings, fault, 0], text.as_bytes()].concat());
        }
    }
    // What no client and no transcript sends.
    for (token, text) in [
        (1, "GET /nic/update?hostname=home.example.org,*.home.example.org,cname.example.org,a..b&myip=198.51.100.7"),
        (2, "GET /nic/update?hostname=www.example.org,alias.example.org,lab.example.org&myip=1.2.3.4,2001:db8::9"),
        (2, "GET /nic/update?hostname=example.org,blue.example.org,many.example.org&myip=2001:db8:1::/48&ttl=300"),
        (4, "GET /nic/update?hostname=a.example.com,b.example.com&offline=YES"),
        (6, "GET /nic/update?hostname=lab.example.org,x.lab.example.org,home.example.org&myip=no,2001:db8::9"),
    ] {
        seeds.push([&[token, ALLOW_OFFLINE, 0, 0], text.as_bytes(), b"\nAuthorization: Basic x:{token}"].concat());
    }
    Fixture::with(|fixture| assert!(fixture.tokens().len() < 256, "a byte chooses one"));
    seeds
}

/// A transcript's text with `{token}` for the tokens in it, and the place of the first.
fn placed(text: &str) -> (u8, String) {
    let (mut first, mut placed, mut rest) = (None, String::new(), text);
    while let Some((before, after)) = rest.split_once('{') {
        placed.push_str(before);
        match after.split_once('}') {
            Some((wanted, behind)) if wanted.starts_with("host ") || wanted.starts_with("subtree ") => {
                first = first.or(Some(place(wanted)));
                placed.push_str("{token}");
                rest = behind;
            }
            _ => {
                placed.push('{');
                rest = after;
            }
        }
    }
    (first.unwrap_or(0), placed + rest)
}

/// The index of a token among ours; of the one that covers most if it is not among them.
fn place(wanted: &str) -> u8 {
    let place = TOKENS.iter().position(|(word, _)| *word == wanted);
    let place = place.or(TOKENS.iter().position(|(word, _)| *word == "subtree example.org"));
    place.and_then(|place| place.try_into().ok()).expect("a place")
}

/// The bytes before and after the first such byte.
fn split_at_byte(bytes: &[u8], byte: u8) -> Option<(&[u8], &[u8])> {
    let at = bytes.iter().position(|other| *other == byte)?;
    Some((&bytes[..at], &bytes[at + 1..]))
}
