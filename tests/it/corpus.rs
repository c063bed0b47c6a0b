//! Requests as real clients send them, byte for byte, through every front end and to both stores. Each
//! row of `protocol-tests/requests.jsonl` is one request, its reply, and the records after it.

use std::{fs, path::Path, sync::Arc};

use crate::support::{
    fake_route53::{FakeRoute53, Operation},
    front_end::{FrontEnd, OpenFrontEnd, Reply, Request},
    gateway::{gateway, token},
    rows::{self, every_front_end_answers_every_client},
};
use aws_config::SdkConfig;
use nic53::{
    protocol::{address::Family, hostname::HostName, zone::Zones},
    store::{
        embedded::{Embedded, Key},
        route53::Route53,
    },
};
use serde_json::Value;
use tokio::task::JoinSet;

/// The zone of all rows.
const ZONES: &str = "example.com=Z1";
/// What is there before each request.
const BEFORE: [&str; 2] = ["a.example.com. 60 A 198.51.100.6", "b.example.com. 60 A 198.51.100.6"];

every_front_end_answers_every_client!(answers_every_client);

/// Without the row in which Route 53 fails: a disk cannot be made to.
#[tokio::test(flavor = "multi_thread")]
async fn the_embedded_store_serves_every_client() {
    // Side by side, since each waits for the disk.
    let plays: JoinSet<()> = rows().into_iter().filter(|row| !row.failing).map(play_embedded).collect();
    assert_eq!(plays.join_all().await.len(), 67);
}

#[test]
fn all_rows_are_played() {
    let rows = rows();
    assert_eq!(rows.len(), 68);
    assert_eq!(rows.iter().filter(|row| row.failing).count(), 1);
}

/// Plays every row through a front end, with Route 53 behind the gateway.
async fn answers_every_client(front_end: FrontEnd) {
    let aws = nic53::aws::config().await.expect("an SDK configuration");
    for row in rows() {
        let request = row.request();
        assert_eq!(front_end.cannot_carry(&request), None, "{row:?}");
        let (route53, open) = route53(front_end, &aws).await;
        if row.failing {
            for operation in [Operation::List, Operation::Change] {
                route53.fault(operation, "server-error".parse().expect("a fault"), None);
            }
        }
        let reply = open.send(&request, Some(row.peer())).await;
        row.check(&reply, &route53.records("Z1"));
        let calls = route53.take_calls();
        assert!(reply.status != 401 || calls.is_empty(), "{row:?}: {calls:?}");
    }
}

/// Plays a row over a socket, with an embedded store behind the gateway.
async fn play_embedded(row: Row) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let zones = Zones::parse(ZONES).expect("zones");
    let store = Arc::new(Embedded::open(folder.path(), zones).expect("a new store"));
    let gateway = gateway(FrontEnd::Socket, Arc::clone(&store), setting).await.expect("a gateway");
    let open = FrontEnd::Socket.open(gateway).await;
    // It holds only what was asked for through the gateway.
    let made = open.send(&first_update(), None).await;
    assert_eq!(made.status, 200, "{made:?}");
    let reply = open.send(&row.request(), Some(row.peer())).await;
    row.check(&reply, &embedded_records(&store));
}

/// A gateway, the way into it, and its Route 53 with what is there before each request.
async fn route53(front_end: FrontEnd, aws: &SdkConfig) -> (FakeRoute53, OpenFrontEnd) {
    let route53 = FakeRoute53::start().await;
    route53.zone("Z1", "example.com");
    for record in BEFORE {
        route53.put("Z1", record).expect("a record set");
    }
    let store = Route53::new(&route53.configure(aws));
    let gateway = gateway(front_end, store, setting).await.expect("a gateway");
    (route53, front_end.open(gateway).await)
}

/// A setting of every row.
fn setting(name: &str) -> Option<String> {
    (name == "NIC53_ZONES").then(|| ZONES.to_owned())
}

/// The request that makes what is there before each request.
fn first_update() -> Request {
    let token = token("subtree example.com", &Zones::parse(ZONES).expect("zones")).expect("a token");
    let target = format!("/nic/update?p={token}&hostname=a.example.com,b.example.com&myip=198.51.100.6");
    Request::parse(format!("GET {target} HTTP/1.0\r\n\r\n").as_bytes())
}

/// The record sets of a and b, as Route 53's are written.
fn embedded_records(store: &Embedded) -> Vec<String> {
    let snapshot = store.snapshot().expect("a snapshot");
    let mut lines = Vec::new();
    for name in ["a.example.com", "b.example.com", "x.example.com"] {
        let host: HostName = name.parse().expect("a host name");
        let records = snapshot.at(&Key::from(&host)).expect("records").unwrap_or_default();
        let sets = Family::BOTH.iter().filter_map(|family| records.record_set(*family));
        lines.extend(sets.map(|set| format!("{name}. {set}")));
    }
    lines
}

/// One row.
#[derive(Debug)]
struct Row {
    /// Whether Route 53 answers every call with an error.
    failing: bool,
    /// As it stands in the file.
    json: Value,
}

/// All rows.
fn rows() -> Vec<Row> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("protocol-tests/requests.jsonl");
    let text = fs::read_to_string(path).expect("the corpus");
    let rows = text.lines().map(|line| serde_json::from_str::<Value>(line).expect("JSON"));
    rows.map(|json| Row { failing: json["backend"] == "failing", json }).collect()
}

impl Row {
    /// The request with its token.
    fn request(&self) -> Request {
        let zones = Zones::parse(ZONES).expect("zones");
        let token = token(self.text("token"), &zones).expect("a token");
        rows::request(self.text("request"), &token)
    }

    /// Whom it comes from.
    fn peer(&self) -> std::net::IpAddr {
        self.text("peer").parse().expect("an address")
    }

    /// Compares the reply and the records after it with what is expected.
    fn check(&self, reply: &Reply, records: &[String]) {
        let expect = &self.json["expect"];
        let found = String::from_utf8_lossy(&reply.body);
        assert_eq!(u64::from(reply.status), expect["status"], "{found}: {self:?}");
        match expect["body"].as_str() {
            Some(body) => assert_eq!(found, body, "{self:?}"),
            None => assert!(!["good", "nochg", "ok"].iter().any(|word| found.contains(word)), "{found}: {self:?}"),
        }
        for header in expect["headers"].as_array().into_iter().flatten() {
            let (name, value) = header.as_str().and_then(|header| header.split_once(": ")).expect("a header");
            assert_eq!(reply.header(name).as_deref(), Some(value), "{name}: {self:?}");
        }
        assert_eq!(reply.broken_rules(&self.request()), [""; 0], "{self:?}");
        assert_eq!(records, self.records_after(), "{self:?}");
    }

    /// The records after the request: those named, and the others as they were before.
    fn records_after(&self) -> Vec<String> {
        let named = &self.json["expect"]["records_after"];
        let mut lines = Vec::new();
        for key in ["a A", "a AAAA", "b A", "b AAAA"] {
            let (host, record_type) = key.split_once(' ').expect("two words");
            let before = BEFORE.iter().find(|line| line.starts_with(&format!("{host}.example.com. 60 {record_type} ")));
            match named[key].as_str() {
                Some(value) => lines.push(format!("{host}.example.com. 60 {record_type} {value}")),
                None => lines.extend(before.map(|line| (*line).to_owned())),
            }
        }
        lines
    }

    /// A text of it.
    fn text(&self, name: &str) -> &str {
        self.json[name].as_str().expect("text")
    }
}
