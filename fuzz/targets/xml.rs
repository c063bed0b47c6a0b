//! What Route 53 answers, byte for byte: the gateway that reads it keeps to the protocol, and record sets
//! are read as they are.

use std::{
    collections::VecDeque,
    fmt,
    net::IpAddr,
    sync::{Arc, Mutex},
};

use aws_smithy_runtime_api::client::{
    http::{HttpConnector, HttpConnectorFuture, SharedHttpConnector, http_client_fn},
    orchestrator::{HttpRequest, HttpResponse},
    result::ConnectorError,
};
use aws_smithy_types::body::SdkBody;
use http::{Response, StatusCode};
use nic53::{
    protocol::{
        access::{Access, Grant},
        address::{ByFamily, Family},
        hostname::HostName,
        parameters::Body,
        record::{Current, RecordSet},
        token::{Password, Scope, Secret, Secrets},
        zone::Zones,
    },
    settings::Settings,
    store::{Budget, Store, route53::Route53},
};

use super::{
    fixture::Fixture,
    input,
    oracle::{keeps_its_form, lines},
};
use crate::support::{
    front_end::FrontEnd,
    gateway::{gateway, token},
    xml::{escape, parse},
};

/// The zone.
const ZONES: &str = "example.org=Z1";

/// What is asked for, and which addresses that names.
const ASKED: [(&str, &[&str]); 4] = [
    ("myip=198.51.100.7,2001:db8::7", &["198.51.100.7", "2001:db8::7"]),
    ("myip=2001:db8:9:8::/64", &[]),
    ("offline=YES", &["0.0.0.0"]),
    ("myip=no&ttl=300", &[]),
];

/// Statuses that Route 53 answers with, the last made of the byte.
const STATUSES: [u16; 8] = [200, 200, 200, 400, 403, 500, 503, 0];

/// The separator between two answers of an input.
const BETWEEN: &[u8] = b"\n---\n";

/// Two bytes for what is asked for and the statuses, and answers; or the values of record sets.
pub fn run(data: &[u8]) {
    let Some((&[what, statuses], text)) = data.split_first_chunk::<2>() else { return };
    if what & 0x80 == 0 {
        answers(usize::from(what), statuses, text);
    } else {
        values(what, statuses, text);
    }
}

/// What Route 53 is made to answer, and what it was sent.
#[derive(Default)]
struct Script {
    /// Statuses and bodies that are still to come; then the connection fails.
    answers: VecDeque<(u16, Vec<u8>)>,
    /// Methods and bodies, and the status of the answer.
    sent: Vec<(String, Vec<u8>, Option<u16>)>,
}

/// A Route 53 that answers by the script.
#[derive(Clone, Default)]
struct Scripted(Arc<Mutex<Script>>);

impl fmt::Debug for Scripted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Scripted")
    }
}

impl HttpConnector for Scripted {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let mut script = self.0.lock().expect("no one panics in here");
        let answer = script.answers.pop_front();
        let body = request.body().bytes().expect("a body in memory").to_vec();
        script.sent.push((request.method().to_owned(), body, answer.as_ref().map(|(status, _)| *status)));
        HttpConnectorFuture::ready(match answer {
            None => Err(ConnectorError::io("the script is at its end".into())),
            Some((status, body)) => {
                let mut response = Response::new(SdkBody::from(body));
                *response.status_mut() = StatusCode::from_u16(status).expect("a status");
                Ok(HttpResponse::try_from(response).expect("a response of HTTP"))
            }
        })
    }
}

/// A store on a script.
fn store(fixture: &Fixture) -> (Route53, Scripted) {
    let scripted = Scripted::default();
    let connector = SharedHttpConnector::new(scripted.clone());
    let client = http_client_fn(move |_, _| connector.clone());
    (Route53::new(&fixture.aws().clone().into_builder().http_client(client).build()), scripted)
}

/// Whatever the answers are, the reply keeps to the protocol, names no address that was neither asked
/// for nor answered, and has `good` only after a batch that was accepted; and no batch is about
/// another host.
fn answers(what: usize, statuses: u8, text: &[u8]) {
    let (parameters, named) = ASKED[what % ASKED.len()];
    let bodies = split(text);
    let status = |index: usize| match STATUSES[usize::from(statuses >> (3 * (index % 2))) % STATUSES.len()] {
        0 => 100 + u16::from(statuses),
        status => status,
    };
    Fixture::with(|fixture| {
        let (store, scripted) = store(fixture);
        let answers = bodies.iter().enumerate().take(12).map(|(index, body)| (status(index), body.to_vec()));
        scripted.0.lock().expect("no one panics in here").answers = answers.collect();
        let zones = Zones::parse(ZONES).expect("zones");
        let token = token("subtree home.example.org", &zones).expect("a token");
        let hosts = if what & 4 == 0 { "home.example.org" } else { "home.example.org,*.home.example.org" };
        let line = format!("GET /nic/update?p={token}&hostname={hosts}&{parameters}");
        let request = input::parts(&input::plain_request(line.as_bytes())).expect("a request");
        let setting = |name: &str| match name {
            "NIC53_ZONES" => Some(ZONES.to_owned()),
            "NIC53_ALLOW_OFFLINE" => Some("true".to_owned()),
            _ => None,
        };
        let reply = fixture.runtime().block_on(async {
            let gateway = gateway(FrontEnd::HttpApi, store, setting).await.expect("a gateway");
            gateway.answer(&request, Body::Whole(b""), None).await
        });
        keeps_its_form(&reply);
        let lines = lines(reply.status().as_u16(), reply.body());
        assert_eq!(lines.len(), hosts.split(',').count());
        let script = scripted.0.lock().expect("no one panics in here");
        let written = String::from_utf8_lossy(text);
        for line in &lines {
            assert!(matches!(line.word, "good" | "nochg" | "nohost" | "dnserr"), "{}", line.word);
            let accepted = script.sent.iter().any(|(method, _, status)| {
                method == "POST" && status.is_some_and(|status| (200..300).contains(&status))
            });
            assert!(line.word != "good" || accepted, "nobody accepted it: {:?}", script.sent);
            for address in &line.addresses {
                let said = named.iter().any(|named| named.parse() == Ok(*address));
                assert!(said || what % ASKED.len() == 1 || is_in(&written, *address), "{address}");
            }
        }
        for (_, body, _) in script.sent.iter().filter(|(method, ..)| method == "POST") {
            check_batch(std::str::from_utf8(body).expect("text"), hosts);
        }
    });
}

/// A batch is about these hosts' addresses.
fn check_batch(body: &str, hosts: &str) {
    let root = parse(body).unwrap_or_else(|| panic!("no XML: {body}"));
    let changes = root.child("ChangeBatch").and_then(|batch| batch.child("Changes")).expect("changes");
    for change in changes.children("Change") {
        let set = change.child("ResourceRecordSet").expect("a record set");
        let text = |name| set.child(name).map(|child| child.text.as_str()).expect("an element");
        let name = text("Name").replace("\\052", "*");
        assert!(hosts.split(',').any(|host| format!("{host}.") == name), "{body}");
        assert!(matches!(text("Type"), "A" | "AAAA"), "{body}");
    }
}

/// Whether an address is in a text in any spelling, character references and all.
fn is_in(text: &str, address: IpAddr) -> bool {
    let mut plain = text.to_owned();
    for _ in 0..text.matches("&#").count() {
        let Some((before, rest)) = plain.split_once("&#") else { break };
        let Some((number, after)) = rest.split_once(';') else { break };
        let code =
            number.strip_prefix('x').map_or_else(|| number.parse().ok(), |hex| u32::from_str_radix(hex, 16).ok());
        let letter = code.and_then(char::from_u32).unwrap_or('?');
        plain = format!("{before}{letter}{after}");
    }
    // A comment or a section may be within a value.
    let part = |letter: char| letter.is_ascii_hexdigit() || matches!(letter, ':' | '.');
    plain.split(|letter| !part(letter)).any(|word| word.parse() == Ok(address)) || plain.contains("<!")
}

/// The record sets that are written are those that are read.
fn values(what: u8, count: u8, text: &[u8]) {
    let text = String::from_utf8_lossy(text);
    let mut values = text.split('\n').map(clean);
    let mut set = |family, wanted: bool, count: u8| {
        let values: Vec<String> = values.by_ref().take(usize::from(count % 4)).collect();
        (wanted && !values.is_empty()).then(|| RecordSet { family, ttl: u32::from(count) << (what & 15), values })
    };
    let (v4, v6) = (set(Family::V4, what & 16 == 0, count), set(Family::V6, what & 32 == 0, count >> 4));
    let name = if what & 64 == 0 { "home.example.org" } else { "*.home.example.org" };
    let listed = name.replace('*', "\\052");
    let elements: String = [&v4, &v6].into_iter().flatten().map(|set| element(&listed, set)).collect();
    Fixture::with(|fixture| {
        let (store, scripted) = store(fixture);
        let answer = (200, page(&elements).into_bytes());
        scripted.0.lock().expect("no one panics in here").answers = [answer].into();
        let found = with_grant(name, |grant| {
            let read = async { store.record_sets(&[grant], &Budget::start()).await };
            fixture.runtime().block_on(read).expect("record sets").current
        });
        assert_eq!(found, [Current::Simple(ByFamily { v4, v6 })], "{elements}");
    });
}

/// Leave to change that name.
fn with_grant<T>(name: &str, work: impl FnOnce(&Grant<'_>) -> T) -> T {
    let settings = Settings::read(|name| (name == "NIC53_ZONES").then(|| ZONES.to_owned())).expect("settings");
    let secret = Secret::new("the-secret-of-the-fuzz-targets-0123456789").expect("a secret");
    let name: HostName = name.parse().expect("a name");
    let zone = settings.zones.holding(&name).expect("a zone");
    let token = secret.mint(Scope::Host, &name, zone, 0);
    let secrets = Secrets { current: secret, previous: None };
    let access = Access { zones: &settings.zones, secrets: &secrets, generations: &settings.generations };
    let password = Password::new(token.reveal()).expect("a password");
    work(&access.grant(&name, &password).expect("its own token"))
}

/// A value as XML can hold it: no control character, and nothing that is white space around it.
fn clean(value: &str) -> String {
    let kept: String = value.chars().filter(|letter| !letter.is_control()).collect();
    kept.trim().to_owned()
}

/// A record set as Route 53 lists it.
fn element(name: &str, set: &RecordSet) -> String {
    let record = |value: &String| format!("<ResourceRecord><Value>{}</Value></ResourceRecord>", escape(value));
    let records: String = set.values.iter().map(record).collect();
    format!(
        "<ResourceRecordSet><Name>{name}.</Name><Type>{}</Type><TTL>{}</TTL><ResourceRecords>{records}\
         </ResourceRecords></ResourceRecordSet>",
        set.family.record_type(),
        set.ttl
    )
}

/// A page of a list, which is the last.
fn page(elements: &str) -> String {
    format!(
        "<?xml version=\"1.0\"?>\n<ListResourceRecordSetsResponse \
         xmlns=\"https://route53.amazonaws.com/doc/2013-04-01/\"><ResourceRecordSets>{elements}</ResourceRecordSets>\
         <IsTruncated>false</IsTruncated><MaxItems>10</MaxItems></ListResourceRecordSetsResponse>"
    )
}

/// The answers of an input.
fn split(text: &[u8]) -> Vec<&[u8]> {
    let mut answers = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.windows(BETWEEN.len()).position(|window| window == BETWEEN) {
        answers.push(&rest[..at]);
        rest = &rest[at + BETWEEN.len()..];
    }
    answers.push(rest);
    answers
}

/// Answers of every sort.
pub fn seeds() -> Vec<Vec<u8>> {
    let set = |family, values: &[&str]| RecordSet {
        family,
        ttl: 60,
        values: values.iter().map(|value| (*value).to_owned()).collect(),
    };
    let present = [
        element("home.example.org", &set(Family::V4, &["192.0.2.1"])),
        element("home.example.org", &set(Family::V6, &["2001:DB8:1:0::7", "2001:db8:1::8"])),
    ];
    let list = page(&present.concat());
    let wildcard = page(&element("\\052.home.example.org", &set(Family::V4, &["192.0.2.2"])));
    let truncated = page(&present[0]).replace(
        "<IsTruncated>false</IsTruncated>",
        "<IsTruncated>true</IsTruncated><NextRecordName>home.example.org.</NextRecordName>\
         <NextRecordType>AAAA</NextRecordType>",
    );
    let alias = list.replace(
        "<TTL>60</TTL>",
        "<AliasTarget><DNSName>x.example.net.</DNSName><HostedZoneId>Z2</HostedZoneId>\
         <EvaluateTargetHealth>false</EvaluateTargetHealth></AliasTarget>",
    );
    let weighted = list.replace("<TTL>", "<SetIdentifier>blue</SetIdentifier><Weight>1</Weight><TTL>");
    let cname = list.replace("<Type>AAAA", "<Type>CNAME");
    let change = "<?xml version=\"1.0\"?>\n<ChangeResourceRecordSetsResponse \
         xmlns=\"https://route53.amazonaws.com/doc/2013-04-01/\"><ChangeInfo><Id>/change/C1</Id><Status>PENDING</Status>\
         <SubmittedAt>2026-01-01T00:00:00.000Z</SubmittedAt></ChangeInfo></ChangeResourceRecordSetsResponse>";
    let error = "<?xml version=\"1.0\"?>\n<ErrorResponse xmlns=\"https://route53.amazonaws.com/doc/2013-04-01/\"><Error>\
         <Type>Sender</Type><Code>Throttling</Code><Message>Rate exceeded</Message></Error><RequestId>0</RequestId>\
         </ErrorResponse>";
    let invalid = "<InvalidChangeBatch xmlns=\"https://route53.amazonaws.com/doc/2013-04-01/\"><Messages><Message>no\
         </Message></Messages><RequestId>0</RequestId></InvalidChangeBatch>";
    let mut seeds = Vec::new();
    for what in 0..8 {
        let lists = if what & 4 == 0 { vec![list.as_str()] } else { vec![list.as_str(), wildcard.as_str()] };
        for end in [change, error, invalid, "<", ""] {
            let answers = [lists.clone(), vec![end]].concat().join("\n---\n");
            for statuses in [0, 3 << 3, 5 << 3] {
                seeds.push([&[what, statuses], answers.as_bytes()].concat());
            }
        }
    }
    for answers in [[&truncated, &list], [&alias, &list], [&weighted, &list], [&cname, &list]] {
        let answers = format!("{}\n---\n{}\n---\n{change}", answers[0], answers[1]);
        seeds.push([&[0, 0], answers.as_bytes()].concat());
    }
    for what in [0x80, 0x8f, 0x90, 0xa3, 0xc0] {
        seeds.push([&[what, 0x23], &b"192.0.2.1\n<&>\"'\n]]>\n2001:db8::1\nwith space\n\xc3\xa9"[..]].concat());
    }
    seeds
}
