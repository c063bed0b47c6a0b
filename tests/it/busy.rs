//! The gateway in front of a Route 53 that is busy: it works on one batch of a zone at a time, and
//! takes a few calls a second. The clock is tokio's paused one, except for the whole program, so the
//! times are those of the pauses and of Route 53 alone.

use std::{
    io::{Read, Write},
    net::TcpStream,
    sync::Arc,
    time::Duration,
};

use aws_config::SdkConfig;
use futures_util::future::join_all;
use nic53::{
    aws,
    gateway::Gateway,
    protocol::{parameters::Body, zone::Zones},
    store::route53::Route53,
};
use tokio::{
    task::spawn_blocking,
    time::{Instant, sleep},
};

use crate::support::{
    fake_route53::{FakeRoute53, Operation},
    front_end::FrontEnd,
    gateway,
    process::Nic53,
    results::{iterations, record},
};

/// The zone, as `NIC53_ZONES` has it.
const ZONES: &str = "example.org=Z1";

/// A reply is out in this time (`docs/protocol.md`), and the clock's steps.
const IN_TIME: Duration = Duration::from_millis(9_010);

/// Who answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// One `nic53 serve` for all requests.
    Serve,
    /// A Lambda for each request: they know nothing of each other.
    Lambdas,
}

/// A busy Route 53, and gateways in front of it.
struct Busy {
    /// The service.
    route53: FakeRoute53,
    /// The gateways.
    gateways: Vec<Arc<Gateway<Route53>>>,
}

impl Busy {
    /// A Route 53 that works this long on a batch.
    async fn new(aws: &SdkConfig, kind: Kind, work: Duration) -> Self {
        let route53 = FakeRoute53::new();
        route53.zone("Z1", "example.org");
        route53.take_time(work);
        let aws = route53.configure(aws);
        let mut gateways = Vec::new();
        for _ in 0..if kind == Kind::Serve { 1 } else { 20 } {
            let setting = |name: &str| (name == "NIC53_ZONES").then(|| ZONES.to_owned());
            let gateway = gateway::gateway(FrontEnd::HttpApi, Route53::new(&aws), setting).await;
            gateways.push(Arc::new(gateway.expect("settings")));
        }
        Self { route53, gateways }
    }

    /// Asks the gateway that has this number for hosts and addresses: the body, and how long it took.
    async fn ask(&self, number: usize, hosts: &str, addresses: &str) -> (String, Duration) {
        let zones = Zones::parse(ZONES).expect("zones");
        let token = gateway::token("subtree example.org", &zones).expect("a token");
        let (parts, ()) = gateway::update(&format!("hostname={hosts}&{addresses}"), &token).into_parts();
        let started = Instant::now();
        let gateway = &self.gateways[number % self.gateways.len()];
        let reply = gateway.answer(&parts, Body::Whole(b""), None).await;
        (reply.into_body(), started.elapsed())
    }

    /// Asks for many at once, while a change of the zone is in work: the one of `first.example.org`.
    async fn ask_while_one_is_in_work(&self, hosts: &[String], addresses: &str) -> Vec<(String, Duration)> {
        let first = self.ask(0, "first.example.org", addresses);
        let others = async {
            sleep(Duration::from_millis(100)).await;
            join_all(hosts.iter().map(|hosts| self.ask(0, hosts, addresses))).await
        };
        let (first, others) = tokio::join!(first, others);
        [vec![first], others].concat()
    }

    /// The calls that were made to change, and those of them that Route 53 took.
    fn changes(&self) -> (usize, usize) {
        let calls = self.route53.take_calls();
        let changes: Vec<_> = calls.iter().filter(|call| call.operation == Operation::Change).collect();
        (changes.len(), changes.iter().filter(|call| call.fault.is_none()).count())
    }
}

/// The configuration that all AWS clients share.
async fn aws_config() -> SdkConfig {
    aws::config().await.expect("an SDK configuration")
}

/// How many replies say `good`, and the longest time that one took.
fn good(replies: &[(String, Duration)]) -> (usize, Duration) {
    let good = replies.iter().filter(|(body, _)| body.split('\n').all(|line| line.starts_with("good "))).count();
    (good, replies.iter().map(|(_, took)| *took).max().unwrap_or_default())
}

/// Adds a row to the page of what was found.
fn found(what: &str, replies: &[(String, Duration)], changes: (usize, usize)) {
    let (good, longest) = good(replies);
    let text = format!(
        "{good} of {} `good`, the last after {:.1} s; {} calls to change, {} of them taken",
        replies.len(),
        longest.as_secs_f64(),
        changes.0,
        changes.1
    );
    record("A Route 53 that is busy", what, &text);
}

#[tokio::test(start_paused = true)]
async fn two_requests_for_one_host_at_once_are_both_good() {
    let aws = aws_config().await;
    for kind in [Kind::Serve, Kind::Lambdas] {
        for work in [300, 500, 1000].map(Duration::from_millis) {
            fastrand::seed(53);
            let busy = Busy::new(&aws, kind, work).await;
            let mut replies = Vec::new();
            for pair in 0..10 {
                let host = format!("h{pair}.example.org");
                let (v4, v6) =
                    tokio::join!(busy.ask(0, &host, "myip=192.0.2.7"), busy.ask(1, &host, "myipv6=2001:db8::7"));
                replies.extend([v4, v6]);
            }
            let changes = busy.changes();
            assert_eq!(good(&replies).0, 20, "{kind:?} {work:?}: {replies:?}");
            assert_eq!(changes.1, 20, "{kind:?} {work:?}");
            if kind == Kind::Serve {
                assert_eq!(changes.0, 20, "{work:?}: they wait for each other");
            }
            assert_eq!(busy.route53.records("Z1").len(), 20);
            found(&format!("{kind:?}, a change takes {work:?}: ten pairs of A and AAAA"), &replies, changes);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn ten_hosts_at_once_are_all_good_in_time() {
    let aws = aws_config().await;
    for (kind, work, rate) in
        [(Kind::Serve, 500, None), (Kind::Serve, 500, Some(5)), (Kind::Lambdas, 500, None), (Kind::Lambdas, 0, Some(5))]
    {
        for seed in 0..iterations(4, 100) {
            fastrand::seed(seed.into());
            let busy = Busy::new(&aws, kind, Duration::from_millis(work)).await;
            if let Some(rate) = rate {
                busy.route53.limit_calls(rate);
            }
            let hosts: Vec<_> = (0..10).map(|host| format!("h{host}.example.org")).collect();
            let asked = hosts.iter().enumerate().map(|(number, host)| busy.ask(number, host, "myip=192.0.2.7"));
            let replies = join_all(asked).await;
            let (count, longest) = good(&replies);
            assert_eq!(count, 10, "{kind:?} {work} {rate:?} {seed}: {replies:?}");
            assert!(longest <= IN_TIME, "{kind:?} {work} {rate:?} {seed}: {replies:?}");
            let changes = busy.changes();
            if kind == Kind::Serve {
                assert!(changes.1 <= 10, "{changes:?}");
            }
            if seed == 0 {
                let limit = rate.map(|rate| format!(", {rate} calls a second")).unwrap_or_default();
                found(&format!("{kind:?}, a change takes {work} ms{limit}: ten hosts at once"), &replies, changes);
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn fifty_hosts_at_once_share_a_few_changes() {
    let aws = aws_config().await;
    let busy = Busy::new(&aws, Kind::Serve, Duration::from_millis(500)).await;
    let hosts: Vec<_> = (1..50).map(|host| format!("h{host}.example.org")).collect();
    let replies = busy.ask_while_one_is_in_work(&hosts, "myip=192.0.2.7").await;
    let changes = busy.changes();
    assert_eq!(good(&replies).0, 50, "{replies:?}");
    assert_eq!(changes, (2, 2));
    found("Serve, a change takes 500 ms: fifty hosts, while one is in work", &replies, changes);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_whole_program_has_fifty_hosts_share_a_few_changes() {
    let route53 = FakeRoute53::start().await;
    route53.zone("Z1", "example.org");
    route53.take_time(Duration::from_millis(500));
    let url = route53.url();
    let settings = [
        ("NIC53_ZONES", ZONES),
        ("NIC53_SECRET", gateway::SECRET),
        ("AWS_ENDPOINT_URL_ROUTE_53", url.as_str()),
        ("AWS_ACCESS_KEY_ID", "test"),
        ("AWS_SECRET_ACCESS_KEY", "test"),
    ];
    let server = Nic53::serve(&settings, &["--store", "route53", "--dns", "off"]);
    let token = gateway::token("subtree example.org", &Zones::parse(ZONES).expect("zones")).expect("a token");
    let clients = (0..50).map(|host| {
        let (http, query) = (server.http.clone(), format!("hostname=h{host}.example.org&pass={token}&myip=192.0.2.7"));
        spawn_blocking(move || {
            let started = std::time::Instant::now();
            let mut stream = TcpStream::connect(http).expect("a server that listens");
            write!(stream, "GET /nic/update?{query} HTTP/1.0\r\n\r\n").expect("a server that reads");
            let mut reply = String::new();
            stream.read_to_string(&mut reply).expect("a server that answers");
            let body = reply.rsplit("\r\n\r\n").next().unwrap_or_default();
            (body.to_owned(), started.elapsed())
        })
    });
    let replies: Vec<_> = join_all(clients).await.into_iter().map(|reply| reply.expect("a reply")).collect();
    assert_eq!(good(&replies).0, 50, "{replies:?}");
    let calls = route53.take_calls();
    let changes: Vec<_> = calls.iter().filter(|call| call.operation == Operation::Change).collect();
    assert!(changes.len() <= 10, "{}", changes.len());
    assert_eq!(route53.records("Z1").len(), 50);
    let accepted = changes.iter().filter(|call| call.fault.is_none()).count();
    found("`nic53 serve` over HTTP, a change takes 500 ms: fifty hosts at once", &replies, (changes.len(), accepted));
}

#[tokio::test(start_paused = true)]
async fn a_busy_route_53_is_asked_until_the_reply_must_be_out() {
    let aws = aws_config().await;
    for operation in [Operation::List, Operation::Change] {
        for fault in ["throttle", "prior-request"] {
            let busy = Busy::new(&aws, Kind::Serve, Duration::ZERO).await;
            busy.route53.fault(operation, fault.parse().expect("a fault"), None);
            let (body, took) = busy.ask(0, "home.example.org", "myip=192.0.2.7").await;
            assert_eq!(body, "dnserr", "{operation} {fault}");
            assert!(took > Duration::from_secs(8) && took <= IN_TIME, "{operation} {fault}: {took:?}");
            let calls = busy.route53.take_calls().len();
            assert!((12..40).contains(&calls), "{operation} {fault}: {calls}");
            // Nothing of it costs the next request anything.
            busy.route53.clear_faults();
            let (body, took) = busy.ask(0, "home.example.org", "myip=192.0.2.7").await;
            assert_eq!((body.as_str(), took.as_millis()), ("good 192.0.2.7", 0), "{operation} {fault}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn reading_and_writing_share_one_deadline() {
    let aws = aws_config().await;
    let busy = Busy::new(&aws, Kind::Serve, Duration::ZERO).await;
    let throttle = || "throttle".parse().expect("a fault");
    busy.route53.fault(Operation::List, throttle(), Some(8));
    busy.route53.fault(Operation::Change, throttle(), None);
    let (body, took) = busy.ask(0, "home.example.org", "myip=192.0.2.7").await;
    assert_eq!(body, "dnserr");
    assert!(took > Duration::from_secs(8) && took <= IN_TIME, "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn a_request_is_planned_after_an_earlier_one_for_its_host() {
    let aws = aws_config().await;
    let busy = Busy::new(&aws, Kind::Serve, Duration::from_millis(500)).await;
    let asked = ["myip=192.0.2.1", "myip=192.0.2.2", "myip=192.0.2.2", "myip=192.0.2.3"];
    let replies = join_all(asked.iter().map(|addresses| busy.ask(0, "home.example.org", addresses))).await;
    let bodies: Vec<_> = replies.iter().map(|(body, _)| body.as_str()).collect();
    assert_eq!(bodies, ["good 192.0.2.1", "good 192.0.2.2", "nochg 192.0.2.2", "good 192.0.2.3"]);
    assert_eq!(busy.changes(), (3, 3));
    assert_eq!(busy.route53.records("Z1"), ["home.example.org. 60 A 192.0.2.3"]);
}

#[tokio::test(start_paused = true)]
async fn a_refused_batch_is_halved_until_the_refused_request_stands_alone() {
    let aws = aws_config().await;
    let busy = Busy::new(&aws, Kind::Serve, Duration::from_millis(500)).await;
    let hosts: Vec<_> = (1..9).map(|host| format!("h{host}.example.org")).collect();
    let asked = busy.ask_while_one_is_in_work(&hosts, "myip=192.0.2.7,2001:db8::7");
    // The eight that wait for the first were read, when somebody else makes one of them a CNAME.
    let (replies, ()) = tokio::join!(asked, async {
        sleep(Duration::from_millis(200)).await;
        busy.route53.put("Z1", "h5.example.org. 60 CNAME elsewhere.example.net.").expect("a record set");
    });
    for (host, (body, _)) in replies.iter().enumerate() {
        let expected = if host == 5 { "dnserr" } else { "good 192.0.2.7,2001:db8::7" };
        assert_eq!(body, expected, "{host}");
    }
    // One alone; eight, and of them 4, 4, 2, 1, 1, 2, of which those with h5 are refused.
    assert_eq!(busy.changes().0, 8);
    assert_eq!(busy.route53.records("Z1").len(), 17);
}

#[tokio::test(start_paused = true)]
async fn a_batch_that_may_not_be_written_is_halved_too() {
    let aws = aws_config().await;
    let busy = Busy::new(&aws, Kind::Serve, Duration::from_millis(500)).await;
    let hosts: Vec<_> = (1..5).map(|host| format!("h{host}.example.org")).collect();
    let asked = busy.ask_while_one_is_in_work(&hosts, "myip=192.0.2.7");
    let (replies, ()) = tokio::join!(asked, async {
        sleep(Duration::from_millis(200)).await;
        busy.route53.fault(Operation::Change, "access-denied".parse().expect("a fault"), Some(1));
    });
    assert_eq!(good(&replies).0, 5, "{replies:?}");
    assert_eq!(busy.changes(), (4, 3));
}

#[tokio::test(start_paused = true)]
async fn a_batch_is_as_large_as_route_53_takes_it() {
    let aws = aws_config().await;
    let busy = Busy::new(&aws, Kind::Serve, Duration::from_millis(500)).await;
    let hosts = |request: usize| (0..20).map(|host| format!("h{host}.r{request}.example.org")).collect::<Vec<_>>();
    let requests: Vec<_> = (0..29).map(|request| hosts(request).join(",")).collect();
    let replies = busy.ask_while_one_is_in_work(&requests, "myip=192.0.2.7").await;
    assert_eq!(good(&replies).0, 30, "{replies:?}");
    // The first alone; then those of 25 requests, which are 1000 records, an UPSERT counting twice.
    let calls = busy.route53.take_calls();
    let sizes: Vec<_> =
        calls.iter().filter(|call| call.operation == Operation::Change).map(|call| call.about.len()).collect();
    assert_eq!(sizes, [1, 500, 80]);
    assert_eq!(busy.route53.records("Z1").len(), 581);
}
