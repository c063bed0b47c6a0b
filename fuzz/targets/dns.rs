//! DNS messages, as the server of the embedded store answers them.

use std::{
    net::{IpAddr, Ipv4Addr},
    sync::Arc,
};

use hickory_server::{
    net::xfer::Protocol,
    proto::{
        op::{Message, MessageType, OpCode, ResponseCode},
        rr::{RData, RecordType},
    },
    server::Request,
};
use nic53::{
    dns::{NameServer, Responder},
    log::{Format, Level, Log},
    protocol::{parameters::Body, zone::Zones},
    store::embedded::Embedded,
};
use tempfile::TempDir;
use tokio::runtime::Builder;

use super::input;
use crate::support::{
    front_end::FrontEnd,
    gateway::{gateway, token},
};

/// The zones; the second lies within the first.
const ZONES: &str = "example.org=Z1,lab.example.org=Z2";

/// The name server, and its addresses.
const NAME_SERVER: (&str, [&str; 2]) = ("ns.lab.example.org", ["203.0.113.5", "2001:db8::5"]);

/// The records, by name and address.
const RECORDS: [(&str, &str); 7] = [
    ("example.org", "192.0.2.80"),
    ("a.example.org", "192.0.2.1"),
    ("a.example.org", "2001:db8::1"),
    ("*.w.example.org", "192.0.2.3"),
    ("x.y.example.org", "2001:db8::2"),
    ("lab.example.org", "192.0.2.20"),
    ("b.lab.example.org", "192.0.2.21"),
];

/// A store with the records.
struct Dns {
    /// What is read.
    store: Arc<Embedded>,
    /// Its address.
    _folder: TempDir,
}

thread_local! {
    static DNS: Dns = Dns::new();
}

impl Dns {
    /// Puts the records into a new store.
    fn new() -> Self {
        let runtime = Builder::new_current_thread().enable_time().build().expect("a runtime");
        let folder = tempfile::tempdir().expect("a temporary folder");
        let zones = Zones::parse(ZONES).expect("zones");
        let store = Arc::new(Embedded::open(folder.path(), zones.clone()).expect("a new store"));
        let setting = |name: &str| (name == "NIC53_ZONES").then(|| ZONES.to_owned());
        runtime.block_on(async {
            let gateway = gateway(FrontEnd::HttpApi, Arc::clone(&store), setting).await.expect("a gateway");
            for (name, address) in RECORDS {
                let token = token(&format!("host {name}"), &zones).expect("a token");
                let line = format!("GET /nic/update?p={token}&hostname={name}&myip={address}");
                let request = input::parts(&input::plain_request(line.as_bytes())).expect("a request");
                let reply = gateway.answer(&request, Body::Whole(b""), None).await;
                assert_eq!(*reply.body(), format!("good {address}"));
            }
        });
        Self { store, _folder: folder }
    }
}

/// Answers a message, and checks the answer.
pub fn run(data: &[u8]) {
    let peer = (Ipv4Addr::LOCALHOST, 53).into();
    let log = Log { level: Level::Off, format: Format::Text };
    let name_server: NameServer =
        format!("{}={}", NAME_SERVER.0, NAME_SERVER.1.join(",")).parse().expect("a name server");
    let responder = DNS.with(|dns| Responder::new(Arc::clone(&dns.store), name_server, log));
    let octets = responder.respond(data.to_vec(), peer, Protocol::Udp);
    let Ok(request) = Request::from_bytes(data.to_vec(), peer, Protocol::Udp) else {
        // At most a header that says so.
        return assert!(octets.is_none_or(|octets| octets.len() == 12));
    };
    if request.metadata.message_type == MessageType::Response {
        return assert!(octets.is_none(), "an answer to an answer");
    }
    let octets = octets.expect("an answer to a question");
    if !is_question(data) {
        return assert_eq!((octets.len(), octets[3] & 0xf), (12, 1), "a header with FORMERR");
    }
    // The question, its name once more, the SOA and the OPT, or two addresses, or the NS and its two.
    assert!(octets.len() <= 2 * data.len() + 140, "{} octets for {}", octets.len(), data.len());
    if points(&data[12..]) {
        return;
    }
    let answer = Message::from_vec(&octets).expect("an answer that can be read");
    let again = answer.to_vec().and_then(|octets| Message::from_vec(&octets).map_err(Into::into));
    assert_eq!(again.expect("printed and read again"), answer);
    check(&request, &answer);
}

/// Whether the header of a message announces what a question has: one query, and at most EDNS and one
/// more record after it.
fn is_question(data: &[u8]) -> bool {
    let count = |at: usize| u16::from_be_bytes([data[at], data[at + 1]]);
    count(4) == 1 && count(6) == 0 && count(8) == 0 && count(10) <= 2
}

/// Whether the name of a question is compressed. It could only point into the head of the message:
/// hickory repeats the question to the letter, and the head of the answer is another.
fn points(question: &[u8]) -> bool {
    let mut rest = question;
    while let Some((&length, behind)) = rest.split_first().filter(|(length, _)| **length > 0) {
        match behind.get(usize::from(length)..) {
            Some(further) if length < 64 => rest = further,
            Some(_) | None => return true,
        }
    }
    false
}

/// Checks an answer.
fn check(request: &Request, answer: &Message) {
    assert_eq!(answer.metadata.id, request.metadata.id);
    assert_eq!(answer.metadata.message_type, MessageType::Response);
    assert_eq!(answer.metadata.op_code, request.metadata.op_code);
    assert!(!answer.metadata.recursion_available);
    let names_ns = answer.answers.iter().any(|record| record.record_type() == RecordType::NS);
    assert_eq!(answer.additionals.len(), if names_ns { NAME_SERVER.1.len() } else { 0 }, "{answer}");
    assert!(
        answer.additionals.iter().all(|record| record.name.to_ascii() == format!("{}.", NAME_SERVER.0)),
        "{answer}"
    );
    assert_eq!(answer.edns.is_some(), request.edns.is_some());
    let code = answer.metadata.response_code;
    assert_ne!(code, ResponseCode::ServFail);
    let [query] = answer.queries.as_slice() else {
        return assert!(answer.answers.is_empty() && answer.authorities.is_empty());
    };
    let name = query.name().to_ascii().to_ascii_lowercase();
    let name = name.trim_end_matches('.');
    let ours = name == "example.org" || name.ends_with(".example.org");
    if !answer.metadata.authoritative {
        assert!(answer.answers.is_empty() && answer.authorities.is_empty(), "{answer}");
        assert_ne!(code, ResponseCode::NXDomain);
        assert!(code != ResponseCode::NoError || request.metadata.op_code != OpCode::Query, "{answer}");
        return;
    }
    assert!(ours, "authority over {name}");
    assert!(matches!(code, ResponseCode::NoError | ResponseCode::NXDomain), "{answer}");
    assert_eq!(answer.answers.is_empty(), answer.authorities.len() == 1, "{answer}");
    assert!(code == ResponseCode::NoError || answer.answers.is_empty(), "{answer}");
    let is_apex = matches!(name, "example.org" | "lab.example.org");
    let mut told: Vec<IpAddr> = Vec::new();
    for record in &answer.answers {
        // To the letter, upper and lower case included.
        assert_eq!(record.name.to_string(), query.name().to_string());
        match &record.data {
            RData::A(address) => told.push(IpAddr::V4(address.0)),
            RData::AAAA(address) => told.push(IpAddr::V6(address.0)),
            RData::SOA(_) | RData::NS(_) => assert!(is_apex, "{answer}"),
            data => panic!("{data}"),
        }
    }
    let at = |owner: &str| -> Vec<IpAddr> {
        let own = RECORDS.iter().filter(|(other, _)| *other == owner);
        let of_name_server = NAME_SERVER.1.iter().filter(|_| owner == NAME_SERVER.0);
        own.map(|(_, address)| address)
            .chain(of_name_server)
            .map(|address| address.parse().expect("an address"))
            .collect()
    };
    let mut held = at(name);
    if held.is_empty() && name.ends_with(".w.example.org") {
        held = at("*.w.example.org");
    }
    match query.query_type() {
        RecordType::A => held.retain(IpAddr::is_ipv4),
        RecordType::AAAA => held.retain(IpAddr::is_ipv6),
        RecordType::ANY if !told.is_empty() => held.retain(|address| address.is_ipv4() == told[0].is_ipv4()),
        RecordType::ANY => {}
        _ => held.clear(),
    }
    assert_eq!(told, held, "{answer}");
}

/// Questions of every sort.
pub fn seeds() -> Vec<Vec<u8>> {
    let mut seeds = Vec::new();
    for name in
        ["example.org", "A.Example.org", "q.w.example.org", "y.example.org", "Ns.lab.example.org", "example.net"]
    {
        for kind in [1_u16, 28, 6, 2, 255, 252, 15] {
            for edns in [false, true] {
                let mut octets = vec![0x12, 0x67, 1, 0, 0, 1, 0, 0, 0, 0, 0, u8::from(edns)];
                for label in name.split('.') {
                    octets.push(u8::try_from(label.len()).expect("a label"));
                    octets.extend(label.as_bytes());
                }
                octets.push(0);
                octets.extend(kind.to_be_bytes());
                octets.extend([0, 1]);
                if edns {
                    octets.extend([0, 0, 41, 4, 208, 0, 0, 128, 0, 0, 0]);
                }
                seeds.push(octets);
            }
        }
    }
    seeds
}
