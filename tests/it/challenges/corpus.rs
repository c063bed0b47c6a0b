//! Requests as real ACME clients send them, byte for byte, through every front end and to both stores.
//! Each row of `protocol-tests/challenges.jsonl` is one request, its reply, and the TXT records after it.

use std::{fs, path::Path, sync::Arc};

use aws_config::SdkConfig;
use nic53::{
    protocol::{hostname::HostName, zone::Zones},
    store::{
        embedded::{Embedded, Key},
        route53::Route53,
    },
};
use serde_json::Value;
use tokio::task::JoinSet;

use super::{ZONES, setting, token};
use crate::support::{
    captured,
    fake_route53::FakeRoute53,
    front_end::{FrontEnd, Reply, Request},
    gateway::gateway,
    rows::{self, every_front_end_answers_every_client},
};

every_front_end_answers_every_client!(answers_every_client);

/// Without the rows in which something else is at a name: nothing else can be in that store.
#[tokio::test(flavor = "multi_thread")]
async fn the_embedded_store_serves_every_client() {
    // Side by side, since each waits for the disk.
    let rows = rows().into_iter().filter(|row| row.0["note_records"].is_null());
    let plays: JoinSet<()> = rows.map(play_embedded).collect();
    assert_eq!(plays.join_all().await.len(), 53);
}

/// Plays every row through a front end, with Route 53 behind the gateway.
async fn answers_every_client(front_end: FrontEnd) {
    let aws = nic53::aws::config().await.expect("an SDK configuration");
    let rows = rows();
    assert_eq!(rows.len(), 55);
    for row in rows {
        play(&row, front_end, &aws).await;
    }
}

/// Plays a row through a front end.
async fn play(row: &Row, front_end: FrontEnd, aws: &SdkConfig) {
    let request = row.request();
    assert_eq!(front_end.cannot_carry(&request), None, "{row:?}");
    let route53 = FakeRoute53::new();
    route53.zone("Z1", "example.org");
    let before = texts(&row.0["txt_before"]);
    let others = row.0["note_records"].as_str().map(str::to_owned);
    for line in others.iter().cloned().chain(row.line(&before)) {
        route53.put("Z1", &line).expect("a record set");
    }
    let store = Route53::new(&route53.configure(aws));
    let gateway = gateway(front_end, store, |name| row.setting(name)).await.expect("a gateway");
    let reply = front_end.open(gateway).await.send(&request, None).await;
    row.check(&reply);
    let after: Vec<_> = route53.records("Z1").into_iter().filter(|line| Some(line) != others.as_ref()).collect();
    assert_eq!(after, row.line(&texts(&row.0["expect"]["txt_after"])).into_iter().collect::<Vec<_>>(), "{row:?}");
    let changed = route53.take_calls().iter().any(|call| call.about.iter().any(|about| about.contains(" TXT ")));
    assert_eq!(changed, before != texts(&row.0["expect"]["txt_after"]), "{row:?}");
}

/// Plays a row over a socket, with an embedded store behind the gateway.
async fn play_embedded(row: Row) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let store = Arc::new(Embedded::open(folder.path(), Zones::parse(ZONES).expect("zones")).expect("a new store"));
    let gateway = gateway(FrontEnd::Socket, Arc::clone(&store), |name| row.setting(name)).await.expect("a gateway");
    let open = FrontEnd::Socket.open(gateway).await;
    // It holds only what was asked for through the gateway.
    for text in texts(&row.0["txt_before"]) {
        let body = format!("fqdn={}&value={text}", row.name());
        let head = "POST /present HTTP/1.1\r\nHost: x\r\nAuthorization: Basic {{x:TOKEN}}";
        let request = format!("{head}\r\nContent-Length: {}\r\n\r\n{body}", body.len());
        let reply = open.send(&rows::request(&request, &token("subtree example.org")), None).await;
        assert_eq!(reply.status, 200, "{reply:?}");
    }
    row.check(&open.send(&row.request(), None).await);
    let name: HostName = row.name().parse().expect("a name");
    let snapshot = store.snapshot().expect("a snapshot");
    let records = snapshot.at(&Key::from(&name)).expect("records").unwrap_or_default();
    let after = records.texts().map(|set| set.texts.clone()).unwrap_or_default();
    assert_eq!(after, texts(&row.0["expect"]["txt_after"]), "{row:?}");
}

/// One row, as it stands in the file.
#[derive(Debug)]
struct Row(Value);

/// All rows.
fn rows() -> Vec<Row> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("protocol-tests/challenges.jsonl");
    let text = fs::read_to_string(path).expect("the corpus");
    text.lines().map(|line| Row(serde_json::from_str(line).expect("JSON"))).collect()
}

/// A list of texts.
fn texts(list: &Value) -> Vec<String> {
    list.as_array().into_iter().flatten().map(|text| text.as_str().expect("text").to_owned()).collect()
}

impl Row {
    /// The request with its token. Nothing of what it proves belongs in the log.
    fn request(&self) -> Request {
        let request = rows::request(self.text("request"), &token(self.text("token")));
        let body = String::from_utf8_lossy(&request.body);
        let is_of_word = |letter: char| letter.is_ascii_alphanumeric() || "-_.".contains(letter);
        let words = body.split(|letter| !is_of_word(letter)).filter(|word| word.len() >= 40);
        words.filter(|word| !word.starts_with("_acme")).for_each(captured::secret);
        request
    }

    /// A setting of the gateway.
    fn setting(&self, name: &str) -> Option<String> {
        self.0["settings"][name].as_str().map(str::to_owned).or_else(|| setting(name))
    }

    /// The challenge name that the row is about.
    fn name(&self) -> &str {
        self.0["name"].as_str().unwrap_or("_acme-challenge.home.example.org")
    }

    /// The record set of these texts, if there are any.
    fn line(&self, texts: &[String]) -> Option<String> {
        let quoted: Vec<_> = texts.iter().map(|text| format!("\"{text}\"")).collect();
        (!texts.is_empty()).then(|| format!("{}. 60 TXT {}", self.name(), quoted.join(", ")))
    }

    /// Compares the reply with what is expected.
    fn check(&self, reply: &Reply) {
        let expect = &self.0["expect"];
        let found = String::from_utf8_lossy(&reply.body);
        assert_eq!(u64::from(reply.status), expect["status"], "{found}: {self:?}");
        assert_eq!(found, expect["body"].as_str().expect("a body"), "{self:?}");
        assert_eq!(reply.header("Content-Type").as_deref(), expect["content_type"].as_str(), "{self:?}");
        for header in self.0["headers"].as_array().into_iter().flatten() {
            let (name, value) = header.as_str().and_then(|header| header.split_once(": ")).expect("a header");
            assert_eq!(reply.header(name).as_deref(), Some(value), "{name}: {self:?}");
        }
        assert_eq!(reply.broken_rules(&self.request()), [""; 0], "{self:?}");
    }

    /// A text of it.
    fn text(&self, name: &str) -> &str {
        self.0[name].as_str().expect("text")
    }
}
