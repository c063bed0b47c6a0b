//! What must hold of every reply and of what the request did, whatever the request was.

use std::net::IpAddr;

use http::Response;
use nic53::page;

use super::{
    address,
    fixture::{Cover, Effect, LEFT_ALONE, Record, TOKENS},
    hostname,
    input::Input,
    reference::Reference,
    settings::{ALLOW_OFFLINE, ALLOW_PRIVATE, BROKEN, TOO_LARGE},
};
use crate::support::{
    fake_route53::{Fault, Kind, Operation},
    hosted_zone,
};

/// The page that tells the caller's address, around the address.
const PAGE: (&str, &str) =
    ("<html><head><title>Current IP Check</title></head><body>Current IP Address: ", "</body></html>");

/// The most batches within the nine seconds that a busy Route 53 is asked: the pauses grow from 0.1 s to 0.8 s, less a
/// jitter of half of each.
const MOST_BATCHES: usize = 30;
/// How the page for people begins.
const DOCUMENT: &str = "<!DOCTYPE html>";
/// The headers that the page has besides those of every reply.
const PROTECTED: [(&str, &str); 6] = [
    ("content-security-policy", "default-src 'none'; "),
    ("x-frame-options", "DENY"),
    ("x-content-type-options", "nosniff"),
    ("referrer-policy", "no-referrer"),
    ("cross-origin-opener-policy", "same-origin"),
    ("x-robots-tag", "noindex"),
];

/// A line of a reply.
pub(super) struct Line<'a> {
    /// Such as `good`.
    pub(super) word: &'a str,
    /// The addresses after it.
    pub(super) addresses: Vec<IpAddr>,
}

/// Checks a reply and what the request did.
pub(super) fn check(input: &Input, token: &str, reference: &Reference, reply: &Response<String>, effect: &Effect) {
    keeps_its_form(reply);
    let (status, body) = (reply.status().as_u16(), reply.body().as_str());
    let cover = TOKENS[input.token].1;
    nobody_else_is_touched(reference, cover, effect);
    assert_eq!(status != 404, reference.is_known_path, "{status} {body}");
    assert_eq!(body.starts_with(DOCUMENT), reference.is_of_page, "{status} {}", &body[..body.len().min(80)]);
    if reference.is_of_page {
        // To the byte: nothing of the request is in it.
        assert_eq!((status, body), (200, page::response(None).body().as_str()));
        return did_nothing(effect);
    }
    match (status, body) {
        (413, "911") if input.settings.has(TOO_LARGE) => return did_nothing(effect),
        // 911: the form broke off, or the address that was asked for is unknown.
        (404, "not found") | (405, "method not allowed") | (200, "ok") | (503, "911") => return did_nothing(effect),
        _ => {}
    }
    let shown = body.strip_prefix(PAGE.0).and_then(|rest| rest.strip_suffix(PAGE.1)).unwrap_or(body);
    if let Ok(source) = shown.parse::<IpAddr>() {
        assert!(reference.addresses.contains(&source), "{source} is not the caller's: {:?}", reference.addresses);
        return did_nothing(effect);
    }
    if reference.is_of_other_site || status == 403 {
        assert_eq!((status, body, reference.is_of_other_site), (403, "badauth", true));
        return did_nothing(effect);
    }
    let update_can_be_read = !input.settings.has(TOO_LARGE) && !input.settings.has(BROKEN);
    assert!(update_can_be_read, "an update without its form: {body}");
    let lines = lines(status, body);
    if let Some(refusal) = reference.refusal(input.settings, token, cover) {
        assert_eq!(body, refusal, "hosts {:?}", reference.hosts);
        return did_nothing(effect);
    }
    let cover = cover.expect("who is not refused has a token");
    assert_eq!(lines.len(), reference.hosts.len(), "one line a host: {body} for {:?}", reference.hosts);
    for (line, host) in lines.iter().zip(&reference.hosts) {
        check_line(input, reference, cover, effect, line, host);
    }
    let wrote = effect.calls.iter().any(|call| call.operation == Operation::Change);
    let told = lines.iter().any(|line| matches!(line.word, "good" | "dnserr"));
    assert!(told || !wrote, "written, and told {body}");
    if input.fault.is_none() {
        let failed = lines.iter().any(|line| line.word == "dnserr");
        assert!(!failed || effect.calls.is_empty(), "nothing failed, and told {body}: {:?}", effect.calls);
        assert_eq!(lines.iter().any(|line| line.word == "good"), wrote, "{body}: {:?}", effect.calls);
    }
}

/// Checks the line of one host.
fn check_line(input: &Input, reference: &Reference, cover: Cover, effect: &Effect, line: &Line<'_>, host: &str) {
    let Some(name) = hostname::canonical(host) else {
        return assert_eq!(line.word, "notfqdn", "{host}");
    };
    let named = reference.zone_id().is_none_or(|zone| zone == cover.zone);
    if !cover.has(&name) || !named || name.starts_with("_acme-challenge.") {
        return assert_eq!(line.word, "nohost", "{name} of {cover:?}");
    }
    let of = |records: &[Record]| -> Vec<Record> {
        records.iter().filter(|record| record.name == name && record.plain).cloned().collect()
    };
    let (before, after) = (of(&effect.before), of(&effect.after));
    match line.word {
        "nohost" => {
            assert!(LEFT_ALONE.contains(&name.as_str()), "{name} is covered");
            assert_eq!(before, after, "{name}");
        }
        "dnserr" => {
            let late = input.fault.is_some_and(|(operation, fault, _)| operation == Operation::Change && fault.late);
            assert!(late || before == after, "{name}: {before:?} became {after:?} behind dnserr");
        }
        "good" | "nochg" if line.addresses == [IpAddr::from([0, 0, 0, 0])] => {
            let deletes = |v4| reference.is_offline(v4) && !reference.is_preserved(v4);
            assert!(input.settings.has(ALLOW_OFFLINE), "{name} may not be taken offline");
            assert!(deletes(true) || deletes(false), "{name} is not asked to be offline");
            let left = after.iter().filter(|record| deletes(record.kind == "A")).collect::<Vec<_>>();
            // A prefix wins over the offline of its family, even if it moves nothing.
            assert!(left.is_empty() || !reference.prefixes.is_empty(), "{name} is offline, and has {left:?}");
        }
        "good" | "nochg" => {
            for v4 in [true, false] {
                let told: Vec<IpAddr> = line.addresses.iter().copied().filter(|ip| ip.is_ipv4() == v4).collect();
                let kind = if v4 { "A" } else { "AAAA" };
                let held = after.iter().filter(|record| record.kind == kind).flat_map(Record::addresses).collect();
                assert!(told.is_empty() || sorted(told.clone()) == sorted(held), "{name}: {told:?}, but {after:?}");
            }
            assert!(line.word == "good" || line.addresses.is_empty() || before == after, "{name}: {after:?}");
            for record in after.iter().filter(|record| !before.contains(record)) {
                check_record(input, reference, record, &before);
            }
        }
        word => panic!("{word} for {name}"),
    }
}

/// Checks a record set that was written.
fn check_record(input: &Input, reference: &Reference, record: &Record, before: &[Record]) {
    let ttl = record.ttl.expect("a plain record set has one");
    assert!((60..=86400).contains(&ttl) || before.iter().any(|other| other.ttl == Some(ttl)), "{record:?}");
    let addresses = record.addresses();
    assert!(addresses.len() <= 8, "{record:?}");
    for (value, address) in record.values.iter().zip(addresses) {
        assert_eq!(*value, address.to_string(), "an address is written as RFC 5952 has it");
        let was_there = before.iter().any(|record| record.addresses().contains(&address));
        assert!(was_there || address::may_be_published(address, input.settings.has(ALLOW_PRIVATE)), "{address}");
        assert!(
            reference.addresses.contains(&address) || was_moved(reference, address, before),
            "{address} is not in the request: {:?} {:?}",
            reference.addresses,
            reference.prefixes
        );
    }
}

/// Whether an address has the host bits of one that was there, or of a host part, under a prefix of
/// the request, or was there itself and a prefix moved the others.
fn was_moved(reference: &Reference, address: IpAddr, before: &[Record]) -> bool {
    let IpAddr::V6(address) = address else { return false };
    let host_parts = reference.addresses.iter().copied().filter(|address| match address {
        IpAddr::V6(address) => address.to_bits() >> 64 == 0,
        IpAddr::V4(_) => false,
    });
    let mut present = before.iter().flat_map(Record::addresses).chain(host_parts);
    present.any(|present| {
        let IpAddr::V6(present) = present else { return false };
        reference.prefixes.iter().any(|(network, length)| {
            let mask = if *length == 0 { 0 } else { u128::MAX << 128_u32.saturating_sub(*length).min(127) };
            let moved = network.to_bits() & mask | present.to_bits() & !mask;
            *length < 128 && (moved == address.to_bits() || present == address)
        })
    })
}

/// No call is about a host that the token does not cover or that was not reference for, and nothing else
/// changes: not another name, not another type, not what is an alias or has a routing policy.
fn nobody_else_is_touched(reference: &Reference, cover: Option<Cover>, effect: &Effect) {
    let names: Vec<String> = reference.hosts.iter().filter_map(|host| hostname::canonical(host)).collect();
    let granted = |name: &str| names.iter().any(|other| other == name) && cover.is_some_and(|cover| cover.has(name));
    for call in &effect.calls {
        assert!(cover.is_some_and(|cover| cover.zone == call.zone), "{call:?} is for a foreign zone");
        for about in &call.about {
            let mut words = about.split(' ');
            let name = match call.operation {
                Operation::List => words.next(),
                Operation::Change => {
                    let action = words.next();
                    let offline =
                        [true, false].into_iter().any(|v4| reference.is_offline(v4) && !reference.is_preserved(v4));
                    let deletes = action == Some("DELETE") && offline;
                    assert!(action == Some("UPSERT") || deletes, "{about}");
                    let name = words.next();
                    let kind = words.nth(1);
                    assert!(matches!(kind, Some("A" | "AAAA")), "{about}");
                    name
                }
            };
            let name = hosted_zone::canonical(name.expect("a name")).expect("a name");
            assert!(granted(name.trim_end_matches('.')), "{call:?}: nobody gave leave for {name}");
        }
    }
    let others = |records: &[Record]| -> Vec<Record> {
        records.iter().filter(|record| !record.plain || !granted(&record.name)).cloned().collect()
    };
    assert_eq!(others(&effect.before), others(&effect.after));
    let batches: Vec<_> = effect.calls.iter().filter(|call| call.operation == Operation::Change).collect();
    assert!(batches.iter().all(|batch| batch.about == batches[0].about), "{batches:?}");
    // Busy is not failed: it is asked until the reply must be out.
    let busy = |fault: &Fault| matches!(fault.kind, Kind::Throttle | Kind::PriorRequest);
    let failed = batches.iter().filter(|batch| !batch.fault.as_ref().is_some_and(busy)).count();
    assert!(failed <= 3 && batches.len() <= MOST_BATCHES, "{} batches, {failed} not for being busy", batches.len());
}

/// That no call was made and nothing changed.
fn did_nothing(effect: &Effect) {
    assert!(effect.calls.is_empty(), "a refused request called Route 53: {:?}", effect.calls);
    assert_eq!(effect.before, effect.after);
}

/// A reply's headers are those of its status and no others, and have nothing of the request in them.
pub(super) fn keeps_its_form(reply: &Response<String>) {
    let body = reply.body();
    let header = |name: &str| reply.headers().get(name).and_then(|value| value.to_str().ok());
    assert_eq!(header("content-length"), Some(body.len().to_string().as_str()), "{body}");
    assert_eq!(header("cache-control"), Some("no-store"));
    if body.starts_with(DOCUMENT) {
        assert_eq!(header("content-type"), Some("text/html; charset=utf-8"));
        for (name, begin) in PROTECTED {
            assert!(header(name).is_some_and(|value| value.starts_with(begin)), "{name}: {:?}", header(name));
        }
        return assert_eq!(reply.headers().len(), 3 + PROTECTED.len(), "{:?}", reply.headers());
    }
    let kind = if body.starts_with("<html>") { "text/html" } else { "text/plain" };
    assert_eq!(header("content-type"), Some(kind), "{body}");
    let of_status = match reply.status().as_u16() {
        401 => Some(("www-authenticate", &["Basic realm=\"nic53\""][..])),
        405 => Some(("allow", &["GET, POST, PUT", "GET, HEAD"][..])),
        200 | 403 | 404 | 413 | 503 => None,
        status => panic!("status {status}"),
    };
    if let Some((name, values)) = of_status {
        assert!(header(name).is_some_and(|value| values.contains(&value)), "{name}: {:?}", header(name));
    }
    assert_eq!(reply.headers().len(), 3 + usize::from(of_status.is_some()), "{:?}", reply.headers());
}

/// The lines of the reply to an update, which must be in the language of the protocol.
pub(super) fn lines(status: u16, body: &str) -> Vec<Line<'_>> {
    let lines: Vec<Line<'_>> = body.split('\n').map(line).collect();
    let has = |word: &str| lines.iter().any(|line| line.word == word);
    let expected = if has("dnserr") || has("911") {
        503
    } else if has("badauth") {
        401
    } else {
        200
    };
    assert_eq!(status, expected, "{body}");
    let once = ["badauth", "numhost", "!donator", "911"];
    assert!(lines.len() == 1 || !once.iter().any(|word| has(word)), "{body}");
    lines
}

/// A line: a word of the protocol, and addresses after `good` and `nochg`.
fn line(line: &str) -> Line<'_> {
    let (word, listed) = line.split_once(' ').map_or((line, None), |(word, listed)| (word, Some(listed)));
    let addresses: Vec<IpAddr> = listed
        .into_iter()
        .flat_map(|listed| listed.split(','))
        .map(|address| address.parse().unwrap_or_else(|_| panic!("{line:?}: {address:?} is no address")))
        .collect();
    let printed: Vec<String> = addresses.iter().map(IpAddr::to_string).collect();
    assert_eq!(listed.unwrap_or_default(), printed.join(","), "addresses are written in one way: {line:?}");
    match word {
        "good" => assert!(!addresses.is_empty(), "{line:?}"),
        "nochg" => assert!(listed.is_none() || !addresses.is_empty(), "{line:?}"),
        "badauth" | "nohost" | "notfqdn" | "numhost" | "!donator" | "dnserr" | "911" => {
            assert!(listed.is_none(), "{line:?}");
        }
        _ => panic!("{line:?} is no line of the protocol"),
    }
    assert!(addresses.is_sorted_by_key(IpAddr::is_ipv6), "IPv4 comes first: {line:?}");
    let once = sorted(addresses.clone());
    assert!(once.windows(2).all(|pair| pair[0] != pair[1]), "each address comes once: {line:?}");
    Line { word, addresses }
}

/// In numeric order.
fn sorted(mut addresses: Vec<IpAddr>) -> Vec<IpAddr> {
    addresses.sort_unstable();
    addresses
}
