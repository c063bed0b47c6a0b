//! A transcript of `protocol-tests/`: read, played through a front end, and written down again as it
//! really went. `protocol-tests/README.md` describes the form.

use std::{fmt, net::IpAddr, str::FromStr};

use base64::prelude::{BASE64_STANDARD, Engine};
use nic53::{page, protocol::zone::Zones};
use similar::TextDiff;

use super::{
    fake_dynamodb,
    fake_route53::FakeRoute53,
    front_end::{FrontEnd, Request},
    gateway::token,
    stage::{BROKEN, Ordered, Size, Stage},
};

/// Who asks, unless the transcript says otherwise.
const PEER: &str = "203.0.113.9";

/// What stands for the page in a reply.
const PAGE: &str = "{page}";

/// A transcript, as it should go or as it went.
#[derive(Clone, Debug)]
pub(crate) struct Transcript(Vec<Item>);

/// A piece of a transcript.
#[derive(Clone, Debug)]
enum Item {
    /// A comment or an empty line.
    Remark(String),
    /// `size stateless REASON`, or `size fleet`: a transcript that is about one of them alone.
    Size(Size, String),
    /// `set NAME VALUE`.
    Set { name: String, value: String },
    /// `zone ID NAME` and its record sets: what is there before the first exchange, or what is
    /// there after the one before it.
    Zone { id: String, name: String, records: Vec<String> },
    /// `peer ADDRESS`, or `peer unknown`.
    Peer(Option<IpAddr>),
    /// `fault OPERATION KIND [TIMES]`, with its text.
    Fault { ordered: Ordered, times: Option<u32>, text: String },
    /// A request, its reply and the calls it made.
    Exchange { request: Vec<String>, reply: Vec<String>, calls: Option<String> },
}

impl Transcript {
    /// Whether a front end can carry all of the requests.
    ///
    /// # Errors
    ///
    /// What makes no sense in the transcript.
    pub(crate) fn fits(&self, front_end: FrontEnd) -> Result<bool, String> {
        let zones = Zones::parse(&self.zones())?;
        for request in self.requests() {
            if front_end.cannot_carry(&read_request(request, &zones)?).is_some() {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Plays it, and gives how it went.
    ///
    /// # Errors
    ///
    /// What makes no sense in the transcript.
    pub(crate) async fn play(&self, stage: &impl Stage) -> Result<Self, String> {
        let zones = Zones::parse(&self.zones())?;
        let route53 = stage.route53();
        let mut played = Vec::new();
        let (mut peer, mut begun) = (PEER.parse().ok(), false);
        for item in &self.0 {
            let went = match item {
                Item::Remark(_) | Item::Size(..) | Item::Set { .. } => item.clone(),
                Item::Peer(address) => {
                    peer = *address;
                    item.clone()
                }
                Item::Fault { ordered, times, .. } => {
                    stage.fault(ordered, *times)?;
                    item.clone()
                }
                Item::Zone { id, name, records } if !begun => {
                    stage.zone(id, name);
                    records.iter().try_for_each(|record| route53.put(id, record))?;
                    item.clone()
                }
                Item::Zone { id, name, .. } => {
                    Item::Zone { id: id.clone(), name: name.clone(), records: route53.records(id) }
                }
                Item::Exchange { request, reply: expected, calls: expected_calls } => {
                    begun = true;
                    let sent = read_request(request, &zones)?;
                    let stateless = expected_calls.as_deref().filter(|_| self.size() != Some(Size::Fleet));
                    let (reply, calls) = stage.exchange(&sent, peer, stateless).await;
                    let mut lines = vec![reply.status.to_string()];
                    for name in expected.iter().skip(1).map_while(|line| header_name(line)) {
                        lines.push(format!("{name}: {}", reply.header(name).unwrap_or_else(|| "(none)".to_owned())));
                    }
                    let body = String::from_utf8_lossy(&reply.body).into_owned();
                    if body == self.page() {
                        lines.push(PAGE.to_owned());
                    } else {
                        lines.extend(body.split('\n').filter(|_| !body.is_empty()).map(str::to_owned));
                    }
                    lines.extend(reply.broken_rules(&sent).into_iter().map(|broken| format!("{BROKEN}{broken}")));
                    let calls = expected_calls.clone().filter(|expected| fits(expected, &calls)).unwrap_or(calls);
                    Item::Exchange { request: request.clone(), reply: lines, calls: Some(calls) }
                }
            };
            played.push(went);
        }
        played.extend(self.unsaid(route53));
        Ok(Self(played))
    }

    /// The one size of deployment that it is about, if it is not about both.
    pub(crate) fn size(&self) -> Option<Size> {
        self.0.iter().find_map(|item| if let Item::Size(size, _) = item { Some(*size) } else { None })
    }

    /// The requests' lines.
    fn requests(&self) -> impl Iterator<Item = &[String]> {
        self.0.iter().filter_map(|item| if let Item::Exchange { request, .. } = item { Some(&**request) } else { None })
    }

    /// The bodies' lines.
    pub(crate) fn answers(&self) -> impl Iterator<Item = &str> {
        let replies =
            self.0.iter().filter_map(|item| if let Item::Exchange { reply, .. } = item { Some(reply) } else { None });
        replies
            .flat_map(|reply| reply.iter().skip(1).skip_while(|line| header_name(line).is_some()))
            .map(String::as_str)
    }

    /// Takes several lists in a row for one, since their number depends on how long pages are.
    pub(crate) fn fold_lists(&mut self) {
        for item in &mut self.0 {
            if let Item::Exchange { calls: Some(calls), .. } = item {
                let mut words: Vec<_> = calls.split(' ').collect();
                words.dedup_by(|next, word| *next == "list" && *word == "list");
                *calls = words.join(" ");
            }
        }
    }

    /// Whether a reply or the calls for it broke a rule that all must keep, so that it must never be
    /// written down as expected.
    pub(crate) fn is_broken(&self) -> bool {
        let calls =
            |item: &Item| matches!(item, Item::Exchange { calls: Some(calls), .. } if calls.starts_with(BROKEN));
        self.answers().any(|line| line.starts_with(BROKEN)) || self.0.iter().any(calls)
    }

    /// The zones, as `NIC53_ZONES` has them.
    fn zones(&self) -> String {
        let mut zones: Vec<String> = Vec::new();
        for item in &self.0 {
            if let Item::Zone { id, name, .. } = item {
                let zone = format!("{name}={id}");
                if !zones.contains(&zone) {
                    zones.push(zone);
                }
            }
        }
        zones.join(",")
    }

    /// A setting that the transcript makes.
    pub(crate) fn setting(&self, wanted: &str) -> Option<String> {
        if wanted == "NIC53_ZONES" {
            return Some(self.zones());
        }
        self.0.iter().find_map(|item| match item {
            Item::Set { name, value } if name == wanted => Some(value.clone()),
            _ => None,
        })
    }

    /// The page, as the settings make it.
    fn page(&self) -> String {
        let names = self.setting("NIC53_FAMILY_NAMES").and_then(|names| names.parse().ok());
        page::response(names.as_ref()).into_body()
    }

    /// The zones that are not as the transcript last said.
    fn unsaid(&self, route53: &FakeRoute53) -> Vec<Item> {
        let mut unsaid: Vec<Item> = Vec::new();
        let mut said: Vec<&str> = Vec::new();
        for item in self.0.iter().rev() {
            let Item::Zone { id, name, records } = item else { continue };
            if said.contains(&id.as_str()) {
                continue;
            }
            said.push(id);
            let last_exchange = self.0.iter().rposition(|item| matches!(item, Item::Exchange { .. }));
            let here = self.0.iter().rposition(|item| matches!(item, Item::Zone { id: other, .. } if other == id));
            let now = route53.records(id);
            if here < last_exchange && now != *records {
                unsaid.push(Item::Remark(String::new()));
                unsaid.push(Item::Zone { id: id.clone(), name: name.clone(), records: now });
            }
        }
        unsaid
    }
}

/// Whether the calls are those of a transcript, where `change…` is one or more.
fn fits(expected: &str, calls: &str) -> bool {
    let mut calls = calls.split(' ').peekable();
    let each = |word: &str| match word.strip_suffix('…') {
        Some(word) => std::iter::from_fn(|| calls.next_if(|call| *call == word)).count() > 0,
        None => calls.next().is_some_and(|call| call == word),
    };
    expected.split(' ').all(each) && calls.next().is_none()
}

impl FromStr for Transcript {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut items: Vec<Item> = Vec::new();
        for (index, line) in text.lines().enumerate() {
            let problem = |expected: &str| format!("line {}: `{line}`: expected {expected}", index + 1);
            let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
            match (word, items.last_mut()) {
                (">", Some(Item::Exchange { request, reply, .. })) if reply.is_empty() => request.push(rest.to_owned()),
                (">", _) => items.push(Item::Exchange { request: vec![rest.to_owned()], reply: vec![], calls: None }),
                ("<", Some(Item::Exchange { reply, calls: None, .. })) => reply.push(rest.to_owned()),
                ("calls", Some(Item::Exchange { calls, .. })) if calls.is_none() => *calls = Some(rest.to_owned()),
                ("<" | "calls", _) => return Err(problem("a request before it")),
                ("zone", _) => {
                    let (id, name) = rest.split_once(' ').ok_or_else(|| problem("`zone ID NAME`"))?;
                    items.push(Item::Zone { id: id.to_owned(), name: name.to_owned(), records: vec![] });
                }
                ("size", _) => {
                    let (size, reason) = rest.split_once(' ').unwrap_or((rest, ""));
                    let size = match (size, reason) {
                        ("stateless", reason) if !reason.is_empty() => Size::Stateless,
                        ("fleet", "") => Size::Fleet,
                        _ => return Err(problem("`size stateless REASON` or `size fleet`")),
                    };
                    items.push(Item::Size(size, reason.to_owned()));
                }
                ("set", _) => {
                    let (name, value) = rest.split_once(' ').ok_or_else(|| problem("`set NAME VALUE`"))?;
                    items.push(Item::Set { name: name.to_owned(), value: value.to_owned() });
                }
                ("peer", _) if rest == "unknown" => items.push(Item::Peer(None)),
                ("peer", _) => items.push(Item::Peer(Some(rest.parse().map_err(|_| problem("an address"))?))),
                ("fault", _) => items.push(read_fault(rest).map_err(|expected| problem(&expected))?),
                (_, _) if line.is_empty() || line.starts_with('#') => items.push(Item::Remark(line.to_owned())),
                (_, Some(Item::Zone { records, .. })) => records.push(line.to_owned()),
                (_, _) => return Err(problem("size, set, zone, peer, fault, calls, `>`, `<` or `#`")),
            }
        }
        Ok(Self(items))
    }
}

impl fmt::Display for Transcript {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|item| item.fmt(f))
    }
}

impl fmt::Display for Item {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Remark(text) => writeln!(f, "{text}"),
            Self::Size(Size::Stateless, reason) => writeln!(f, "size stateless {reason}"),
            Self::Size(Size::Fleet, _) => writeln!(f, "size fleet"),
            Self::Set { name, value } => writeln!(f, "set {name} {value}"),
            Self::Zone { id, name, records } => {
                writeln!(f, "zone {id} {name}")?;
                records.iter().try_for_each(|record| writeln!(f, "{record}"))
            }
            Self::Peer(None) => writeln!(f, "peer unknown"),
            Self::Peer(Some(address)) => writeln!(f, "peer {address}"),
            Self::Fault { text, .. } => writeln!(f, "fault {text}"),
            Self::Exchange { request, reply, calls } => {
                request.iter().try_for_each(|line| writeln!(f, "{}", format!("> {line}").trim_end()))?;
                reply.iter().try_for_each(|line| writeln!(f, "{}", format!("< {line}").trim_end()))?;
                calls.iter().try_for_each(|calls| writeln!(f, "calls {calls}"))
            }
        }
    }
}

/// Reads `OPERATION KIND [TIMES]`.
fn read_fault(text: &str) -> Result<Item, String> {
    let words: Vec<_> = text.split(' ').collect();
    let (operation, kind, times) = match words.as_slice() {
        [operation, kind] => (operation, kind, None),
        [operation, kind, times] => (operation, kind, Some(times.parse().map_err(|_| "a number of times".to_owned())?)),
        _ => return Err("`fault OPERATION KIND [TIMES]`".to_owned()),
    };
    let ordered = match fake_dynamodb::Operation::of(operation) {
        Some(operations) => Ordered::Table(operations, kind.parse()?),
        None => Ordered::Route53(operation.parse()?, kind.parse()?),
    };
    Ok(Item::Fault { ordered, times, text: text.to_owned() })
}

/// The name in `Name: value`.
fn header_name(line: &str) -> Option<&str> {
    let (name, _) = line.split_once(": ")?;
    name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-').then_some(name)
}

/// Makes a request of its lines: line, headers, and behind an empty line the body.
fn read_request(lines: &[String], zones: &Zones) -> Result<Request, String> {
    let mut lines = lines.iter().map(|line| expand(line, zones));
    let line = lines.next().ok_or("an empty request")??;
    let (line, version) = match line.strip_suffix(" HTTP/1.0") {
        Some(line) => (line, "HTTP/1.0"),
        None => (line.strip_suffix(" HTTP/1.1").unwrap_or(&line), "HTTP/1.1"),
    };
    let (method, target) = line.split_once(' ').ok_or_else(|| format!("`{line}`: expected METHOD TARGET"))?;
    let mut request = Request {
        method: method.to_owned(),
        target: bytes(target)?,
        version: version.to_owned(),
        ..Request::default()
    };
    for line in lines.by_ref() {
        let line = line?;
        if line.is_empty() {
            break;
        }
        let (name, value) = line.split_once(':').ok_or_else(|| format!("`{line}`: expected a header"))?;
        let mut value = bytes(value.trim())?;
        if name.eq_ignore_ascii_case("Authorization") {
            value = encoded(value);
        }
        request.headers.push((name.to_owned(), value));
    }
    let body = lines.collect::<Result<Vec<_>, _>>()?;
    request.body = bytes(&body.join("\n"))?;
    if request.header("Host").is_none() {
        request.headers.insert(0, ("Host".to_owned(), b"dyn.example.net".to_vec()));
    }
    let needs_length = ["POST", "PUT", "PATCH"].contains(&method) || !request.body.is_empty();
    if needs_length && request.header("Content-Length").is_none() {
        request.headers.push(("Content-Length".to_owned(), request.body.len().to_string().into_bytes()));
    }
    Ok(request)
}

/// An `Authorization` with user name and password in base64, where they stand there plain.
fn encoded(value: Vec<u8>) -> Vec<u8> {
    let Some(space) = value.iter().position(|byte| *byte == b' ') else { return value };
    let (scheme, pair) = value.split_at(space + 1);
    if scheme.eq_ignore_ascii_case(b"Basic ") && pair.contains(&b':') {
        [scheme, BASE64_STANDARD.encode(pair).as_bytes()].concat()
    } else {
        value
    }
}

/// Text with its placeholders replaced: `{host NAME}` and `{subtree NAME}` are tokens.
fn expand(text: &str, zones: &Zones) -> Result<String, String> {
    let mut expanded = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('{') {
        let placeholder = after
            .split_once('}')
            .filter(|(inside, _)| ["host ", "subtree "].iter().any(|word| inside.starts_with(word)));
        expanded.push_str(before);
        if let Some((wanted, after)) = placeholder {
            expanded.push_str(&token(wanted, zones).map_err(|problem| format!("{{{wanted}}}: {problem}"))?);
            rest = after;
        } else {
            expanded.push('{');
            rest = after;
        }
    }
    Ok(expanded + rest)
}

/// Text as bytes, `\xNN` replaced by the byte.
fn bytes(text: &str) -> Result<Vec<u8>, String> {
    let mut pieces = text.split("\\x");
    let mut bytes = pieces.next().unwrap_or_default().as_bytes().to_vec();
    for piece in pieces {
        let byte = piece.get(..2).and_then(|digits| u8::from_str_radix(digits, 16).ok());
        bytes.push(byte.ok_or_else(|| format!("`\\x{piece}`: expected two hexadecimal digits"))?);
        bytes.extend(&piece.as_bytes()[2..]);
    }
    Ok(bytes)
}

/// What differs, as a unified diff with three lines around it; empty if the texts are equal.
pub(crate) fn difference(expected: &str, found: &str) -> String {
    TextDiff::from_lines(expected, found).unified_diff().context_radius(3).to_string()
}
