//! The whole binary against a Route 53 that no one here wrote: moto's server, over HTTP. Judged by
//! the answer, by the record sets that moto lists afterwards, and by the calls that moto received.
//!
//! moto knows `*.home` and `\052.home` as two names, so wildcards are not tested here.

use std::{
    env,
    sync::{
        Arc, Mutex, PoisonError, Weak,
        atomic::{AtomicU32, Ordering},
    },
};

use crate::support::process::{Finished, Nic53, Process, Program, program};

#[test]
fn an_address_is_good_once_and_nochg_after() {
    let zone = Zone::create(&[]);
    let gateway = zone.gateway(&[]);
    let token = gateway.token(&["home.example.com"]);
    let query = "hostname=home.example.com&myip=198.51.100.7";

    let first = update(&gateway, "home.example.com", &token, query);
    assert_eq!(first, "200 good 198.51.100.7");
    assert_eq!(zone.record_sets(), ["home.example.com. 60 A 198.51.100.7"]);
    assert_eq!(zone.changes(), 1);

    let second = update(&gateway, "home.example.com", &token, query);
    assert_eq!(second, "200 nochg 198.51.100.7");
    assert_eq!(zone.changes(), 1);
}

#[test]
fn a_changed_address_replaces_the_old_and_keeps_its_ttl() {
    let zone = Zone::create(&["home.example.com. 300 A 192.0.2.1"]);
    let gateway = zone.gateway(&[]);
    let token = gateway.token(&["home.example.com"]);
    let query = "hostname=home.example.com&myip=198.51.100.7";

    let answer = update(&gateway, "home.example.com", &token, query);

    assert_eq!(answer, "200 good 198.51.100.7");
    assert_eq!(zone.record_sets(), ["home.example.com. 300 A 198.51.100.7"]);
}

#[test]
fn ipv6_takes_its_place_beside_ipv4() {
    let zone = Zone::create(&["home.example.com. 300 A 192.0.2.1"]);
    let gateway = zone.gateway(&[]);
    let token = gateway.token(&["home.example.com"]);
    let query = "hostname=home.example.com&myip=2001:0db8:0000::0007";

    let first = update(&gateway, "home.example.com", &token, query);
    assert_eq!(first, "200 good 2001:db8::7");
    assert_eq!(zone.record_sets(), ["home.example.com. 300 A 192.0.2.1", "home.example.com. 300 AAAA 2001:db8::7",]);

    let second = update(&gateway, "home.example.com", &token, query);
    assert_eq!(second, "200 nochg 2001:db8::7");
    assert_eq!(zone.changes(), 1);
}

/// Compared as addresses: moto, unlike a DNS server, keeps the spelling it was given.
#[test]
fn another_spelling_of_an_address_is_nochg() {
    let zone = Zone::create(&["home.example.com. 60 AAAA 2001:0DB8:0::0:7"]);
    let gateway = zone.gateway(&[]);
    let token = gateway.token(&["home.example.com"]);
    let query = "hostname=home.example.com&myip=2001:db8::7";

    let answer = update(&gateway, "home.example.com", &token, query);

    assert_eq!(answer, "200 nochg 2001:db8::7");
    assert_eq!(zone.changes(), 0);
    assert_ne!(zone.calls(), 0, "it has looked");
}

#[test]
fn all_that_one_request_changes_goes_in_one_batch() {
    let zone = Zone::create(&["home.example.com. 300 A 192.0.2.1"]);
    let gateway = zone.gateway(&[]);
    let token = gateway.token(&["example.com", "--subtree"]);
    let query = "hostname=nas.example.com,home.example.com&myip=198.51.100.7,2001:db8::7";

    let answer = update(&gateway, "example.com", &token, query);

    let line = "good 198.51.100.7,2001:db8::7";
    assert_eq!(answer, format!("200 {line}\n{line}"));
    assert_eq!(
        zone.record_sets(),
        [
            "home.example.com. 300 A 198.51.100.7",
            "home.example.com. 300 AAAA 2001:db8::7",
            "nas.example.com. 60 A 198.51.100.7",
            "nas.example.com. 60 AAAA 2001:db8::7",
        ]
    );
    assert_eq!(zone.changes(), 1);
}

#[test]
fn other_types_and_other_names_are_not_touched() {
    let others = [
        "example.com. 60 A 192.0.2.1",
        "hom.example.com. 60 A 192.0.2.2",
        r#"home.example.com. 120 TXT "v=spf1 -all""#,
        "home.example.com. 60 MX 10 mail.example.com",
        "homes.example.com. 60 A 198.51.100.7",
        "www.home.example.com. 60 A 192.0.2.3",
    ];
    let zone = Zone::create(&others);
    let gateway = zone.gateway(&[]);
    let token = gateway.token(&["home.example.com"]);
    let query = "hostname=home.example.com&myip=198.51.100.7";

    let answer = update(&gateway, "home.example.com", &token, query);

    assert_eq!(answer, "200 good 198.51.100.7");
    let mut expected = [&others[..], &["home.example.com. 60 A 198.51.100.7"]].concat();
    expected.sort_unstable();
    assert_eq!(zone.record_sets(), expected);
}

#[test]
fn offline_deletes_the_addresses_and_nothing_else() {
    let zone = Zone::create(&[
        "home.example.com. 300 A 192.0.2.1",
        "home.example.com. 60 AAAA 2001:DB8::1",
        r#"home.example.com. 60 TXT "stays""#,
        "nas.example.com. 60 A 192.0.2.1",
    ]);
    let gateway = zone.gateway(&[("NIC53_ALLOW_OFFLINE", "true")]);
    let token = gateway.token(&["home.example.com"]);
    let query = "hostname=home.example.com&myip=198.51.100.7&offline=YES";

    let first = update(&gateway, "home.example.com", &token, query);
    assert_eq!(first, "200 good 0.0.0.0");
    assert_eq!(zone.record_sets(), [r#"home.example.com. 60 TXT "stays""#, "nas.example.com. 60 A 192.0.2.1",]);
    assert_eq!(zone.changes(), 1);

    let second = update(&gateway, "home.example.com", &token, query);
    assert_eq!(second, "200 nochg 0.0.0.0");
    assert_eq!(zone.changes(), 1);
}

#[test]
fn offline_where_it_is_not_allowed_asks_route53_nothing() {
    let zone = Zone::create(&["home.example.com. 60 A 192.0.2.1"]);
    let gateway = zone.gateway(&[]);
    let token = gateway.token(&["home.example.com"]);
    let query = "hostname=home.example.com&offline=YES";

    let answer = update(&gateway, "home.example.com", &token, query);

    assert_eq!(answer, "200 !donator");
    assert_eq!(zone.calls(), 0);
    assert_eq!(zone.record_sets(), ["home.example.com. 60 A 192.0.2.1"]);
}

#[test]
fn a_refused_request_asks_route53_nothing() {
    let present = ["nas.example.com. 60 A 192.0.2.1"];
    let zone = Zone::create(&present);
    let gateway = zone.gateway(&[]);
    let token = gateway.token(&["home.example.com"]);

    for (user, token, host, expected) in [
        ("home.example.com", &*token, "nas.example.com", "200 nohost"),
        ("nas.example.com", &token, "nas.example.com", "401 badauth"),
        ("home.example.com", "wrong", "home.example.com", "401 badauth"),
    ] {
        let query = format!("hostname={host}&myip=198.51.100.7");
        let answer = update(&gateway, user, token, &query);
        assert_eq!(answer, expected, "{user} for {host}");
    }

    assert_eq!(zone.calls(), 0);
    assert_eq!(zone.record_sets(), present);
}

#[test]
fn a_covered_host_does_not_let_another_in() {
    let zone = Zone::create(&["nas.example.com. 60 A 192.0.2.1"]);
    let gateway = zone.gateway(&[]);
    let token = gateway.token(&["home.example.com"]);
    let query = "hostname=nas.example.com,home.example.com&myip=198.51.100.7";

    let answer = update(&gateway, "home.example.com", &token, query);

    assert_eq!(answer, "200 nohost\ngood 198.51.100.7");
    assert_eq!(zone.record_sets(), ["home.example.com. 60 A 198.51.100.7", "nas.example.com. 60 A 192.0.2.1",]);
}

#[test]
fn a_cname_is_left_alone() {
    let present = ["home.example.com. 60 CNAME nas.example.com"];
    let zone = Zone::create(&present);
    let gateway = zone.gateway(&[]);
    let token = gateway.token(&["home.example.com"]);
    let query = "hostname=home.example.com&myip=198.51.100.7";

    let answer = update(&gateway, "home.example.com", &token, query);

    assert_eq!(answer, "200 nohost");
    gateway.logged(&["home.example.com", "CNAME"]);
    assert_eq!(zone.record_sets(), present);
    assert_eq!(zone.changes(), 0);
}

#[test]
fn a_zone_that_route53_does_not_have_is_dnserr() {
    let zone = Zone::create(&[]);
    let gateway = zone.gateway(&[("NIC53_ZONES", "example.com=ZNOTTHERE")]);
    let token = gateway.token(&["home.example.com"]);
    let query = "hostname=home.example.com&myip=198.51.100.7";

    let answer = update(&gateway, "home.example.com", &token, query);

    assert_eq!(answer, "503 dnserr");
    gateway.logged(&["home.example.com", "NoSuchHostedZone"]);
    // It was said at the start already.
    gateway.logged(&["warning", "NIC53_ZONES: example.com=ZNOTTHERE", "expected the id of a hosted zone"]);
}

#[test]
fn the_id_of_another_zone_is_warned_about_at_the_start() {
    let zone = Zone::create(&[]);
    let gateway = zone.gateway(&[("NIC53_ZONES", &format!("example.net={}", zone.id))]);
    gateway.logged(&["warning", "this is the id of example.com: expected the id of the hosted zone example.net"]);
}

/// What nic53 answers: the status and the body.
fn update(gateway: &Nic53, user: &str, token: &str, query: &str) -> String {
    let url = format!("http://{}/nic/update?{query}", gateway.http);
    // curl writes the status after the body.
    let Finished { stdout, .. } = program("curl")
        .args(&["--silent", "--show-error", "--write-out", "\n%{http_code}"])
        .args(&["--user", &format!("{user}:{token}"), &url])
        .start()
        .finish();
    let (body, status) = stdout.rsplit_once('\n').expect("a status");
    format!("{status} {body}")
}

/// A hosted zone `example.com`, of its own for each test.
struct Zone {
    /// Where it is.
    moto: Arc<Moto>,
    /// Without `/hostedzone/`.
    id: String,
}

impl Zone {
    /// Creates it with these record sets: name, TTL, type and value.
    fn create(record_sets: &[&str]) -> Self {
        let moto = Moto::shared();
        let reply = moto.post("hostedzone", CREATE_HOSTED_ZONE);
        let id = between(&reply, "<Id>/hostedzone/", "</Id>").next();
        let id = id.unwrap_or_else(|| panic!("no hosted zone: {reply}")).to_owned();
        if !record_sets.is_empty() {
            let reply = moto.post(&format!("hostedzone/{id}/rrset"), &creation(record_sets));
            assert!(reply.contains("<ChangeInfo>"), "{reply}");
        }
        Self { moto, id }
    }

    /// `nic53 serve` for this zone; `more` may say otherwise.
    fn gateway(&self, more: &[(&str, &str)]) -> Nic53 {
        let zones = format!("example.com={}", self.id);
        let endpoint = format!("http://{}", self.moto.address);
        let settings = [
            ("NIC53_ZONES", &*zones),
            ("NIC53_SECRET", "the-secret-of-the-tests-with-moto"),
            ("AWS_ENDPOINT_URL_ROUTE_53", &endpoint),
            ("AWS_ACCESS_KEY_ID", "test"),
            ("AWS_SECRET_ACCESS_KEY", "test"),
            ("AWS_REGION", "us-east-1"),
        ];
        let flags = ["--store", "route53", "--dns", "off"];
        let gateway = Nic53::serve(&[&settings, more].concat(), &flags);
        assert_eq!(gateway.dns, None);
        gateway
    }

    /// The record sets that moto lists, but for those every hosted zone has: name, TTL, type, value.
    fn record_sets(&self) -> Vec<String> {
        let reply = self.moto.get(&format!("hostedzone/{}/rrset", self.id));
        assert!(reply.contains("<IsTruncated>false<"), "{reply}");
        let mut record_sets: Vec<String> = between(&reply, "<ResourceRecordSet>", "</ResourceRecordSet>")
            .filter(|set| !set.contains("<Type>NS<") && !set.contains("<Type>SOA<"))
            .map(record_set)
            .collect();
        record_sets.sort();
        record_sets
    }

    /// How many change batches nic53 has sent to this zone.
    fn changes(&self) -> usize {
        let calls = self.moto.calls(&self.id);
        calls.iter().filter(|call| call.contains("\"POST ")).count()
    }

    /// How many calls of any kind nic53 has made for this zone.
    fn calls(&self) -> usize {
        self.moto.calls(&self.id).len()
    }
}

/// `name TTL type value` of a `<ResourceRecordSet>`.
fn record_set(xml: &str) -> String {
    let one = |tag| {
        let text = between(xml, &format!("<{tag}>"), &format!("</{tag}>")).collect::<Vec<_>>();
        text.join(",").replace("&quot;", "\"")
    };
    format!("{} {} {} {}", one("Name"), one("TTL"), one("Type"), one("Value"))
}

/// The request for a hosted zone.
const CREATE_HOSTED_ZONE: &str = r#"
    <CreateHostedZoneRequest xmlns="https://route53.amazonaws.com/doc/2013-04-01/">
        <Name>example.com</Name>
        <CallerReference>nic53</CallerReference>
    </CreateHostedZoneRequest>
"#;

/// A change batch that creates record sets: name, TTL, type and value.
fn creation(record_sets: &[&str]) -> String {
    let changes: Vec<String> = record_sets
        .iter()
        .map(|line| {
            let fields: Vec<&str> = line.splitn(4, ' ').collect();
            let [name, ttl, kind, value] = fields[..] else {
                panic!("not a record set: {line}");
            };
            format!(
                "<Change><Action>CREATE</Action><ResourceRecordSet>\
                 <Name>{name}</Name><Type>{kind}</Type><TTL>{ttl}</TTL><ResourceRecords>\
                 <ResourceRecord><Value>{value}</Value></ResourceRecord></ResourceRecords>\
                 </ResourceRecordSet></Change>"
            )
        })
        .collect();
    format!(
        r#"<ChangeResourceRecordSetsRequest xmlns="https://route53.amazonaws.com/doc/2013-04-01/">
        <ChangeBatch><Changes>{}</Changes></ChangeBatch></ChangeResourceRecordSetsRequest>"#,
        changes.concat()
    )
}

/// What stands between one tag and another, each time they come.
fn between<'a>(xml: &'a str, open: &str, close: &str) -> impl Iterator<Item = &'a str> {
    let parts: Vec<&str> = xml.split(open).skip(1).collect();
    parts.into_iter().filter_map(move |part| part.split(close).next())
}

/// moto's server, which imitates all of AWS.
pub(crate) struct Moto {
    /// `127.0.0.1:PORT`.
    pub(crate) address: String,
    /// The server, whose log shows every call.
    process: Process,
}

impl Moto {
    /// The one server of the tests that run at this moment; it starts with the first of them and ends
    /// with the last.
    pub(crate) fn shared() -> Arc<Self> {
        static SHARED: Mutex<Weak<Moto>> = Mutex::new(Weak::new());
        // A test that found no moto has panicked with the lock; the next is to say the same.
        let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
        shared.upgrade().unwrap_or_else(|| {
            let moto = Arc::new(Self::start());
            *shared = Arc::downgrade(&moto);
            moto
        })
    }

    /// Starts it on a port of the system's choice.
    fn start() -> Self {
        let process = program(&moto_server()).args(&["--host", "127.0.0.1", "--port", "0"]).start();
        let address = process.wait_for("its address", |said| {
            let address = between(&said.stderr, "Running on http://", "\n").next()?;
            Some(address.to_owned())
        });
        Self { address, process }
    }

    /// What Route 53 answers to a GET by the test.
    fn get(&self, path: &str) -> String {
        self.call(&format!("{path}?{BY_THE_TEST}"), program("curl"))
    }

    /// What Route 53 answers to a POST by the test.
    fn post(&self, path: &str, xml: &str) -> String {
        let curl = program("curl")
            .file("body.xml", xml)
            .args(&["--header", "Content-Type: application/xml"])
            .args(&["--data-binary", "@body.xml"]);
        self.call(&format!("{path}?{BY_THE_TEST}"), curl)
    }

    /// Calls Route 53 as moto tells its services apart: by the scope of the signature, which it does
    /// not check.
    fn call(&self, path: &str, curl: Program) -> String {
        let scope = "Credential=test/20200101/us-east-1/route53/aws4_request";
        let signature = format!("AWS4-HMAC-SHA256 {scope}, SignedHeaders=host, Signature=0");
        let finished = curl
            .args(&["--silent", "--show-error"])
            .args(&["--header", &format!("Authorization: {signature}")])
            .args(&[&format!("http://{}/2013-04-01/{path}", self.address)])
            .start()
            .finish();
        assert_eq!(finished.stderr, "", "{finished:?}");
        finished.stdout
    }

    /// The lines of moto's log about the calls for a hosted zone that no test made.
    fn calls(&self, zone: &str) -> Vec<String> {
        // moto writes the line before it answers: once this call is there, so are those before it.
        static CALLS: AtomicU32 = AtomicU32::new(0);
        let last = format!("{BY_THE_TEST}={} ", CALLS.fetch_add(1, Ordering::Relaxed));
        self.call(&format!("hostedzone/{zone}?{}", last.trim_end()), program("curl"));
        self.process.wait_for(&last, |said| said.stderr.contains(&last).then_some(()));

        let said = self.process.streams();
        let calls = said
            .stderr
            .lines()
            .filter(|line| line.contains(&format!("/hostedzone/{zone}")) && !line.contains(BY_THE_TEST))
            // The look at each zone at the start.
            .filter(|line| !line.contains("maxitems=1 "));
        calls.map(str::to_owned).collect()
    }
}

/// In the query of the tests' own calls, so that moto's log tells them from those of nic53.
const BY_THE_TEST: &str = "by-the-test";

/// Where `./test` has installed it.
fn moto_server() -> String {
    let tools = env::var("NIC53_TEST_TOOLS")
        .unwrap_or_else(|_| format!("{}/../test-tools/venv/bin", env!("CARGO_TARGET_TMPDIR")));
    format!("{tools}/moto_server")
}
