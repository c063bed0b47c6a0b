//! The gateway in front of a Route 53 that fails, under clients that get in each other's way: the
//! real store, the real SDK with its timeouts and retries, and what happens to each call drawn from
//! one seed. What clients were told is then held against what happened in the zone
//! (`support/history.rs` says what is promised), and against itself (`support/linearizable.rs`).
//!
//! The clock stands still while anything can go on, and jumps to the next timer when nothing can:
//! hangs and backoffs cost nothing, and a run goes the same way each time. The SDK waits by tokio's
//! timers; it looks at the system's clock for signatures alone. `NIC53_MODEL_SEED=N` runs that seed
//! and prints what happened.

use std::{
    collections::{BTreeMap, BTreeSet},
    env, fmt,
    net::{IpAddr, Ipv6Addr},
    sync::{Arc, Mutex},
    thread,
    time::Duration,
};

use crate::support::{
    fake_route53::FakeRoute53,
    faulty_store::{Bug, FaultyStore, Keys},
    flaky_transport::{Event, FlakyTransport, LATEST, REQUEST},
    front_end, gateway,
    history::{self, Exchange, History, Leave, Reply, Wish, moved_under},
    linearizable::{Effect, Operation, Value, is_linearizable},
    results::{iterations, record},
};
use aws_config::SdkConfig;
use fastrand::Rng;
use futures_util::future;
use http::Request;
use nic53::{
    aws,
    gateway::Gateway,
    protocol::{
        address::Family,
        parameters::Body,
        token::{Secret, Secrets},
        zone::Zones,
    },
    store::{Store, route53::Route53},
};
use tokio::time::{Instant, sleep, timeout};

/// The zone, as `NIC53_ZONES` has it.
const ZONES: &str = "example.org=Z1";
/// Hosts that may be changed.
const OURS: [&str; 3] = ["home.example.org", "nas.example.org", "*.nas.example.org"];
/// Names that are not to be touched, and why.
const BYSTANDERS: [(&str, Leave); 3] = [
    ("www.example.org", Leave::LeftAlone),
    ("cdn.example.org", Leave::LeftAlone),
    ("home.example.net", Leave::NotCovered),
];
/// Records that stay as they are.
const OTHERS: [&str; 5] = [
    "home.example.org. 300 TXT \"v=1\"",
    "example.org. 60 A 198.51.100.1",
    "xhome.example.org. 60 AAAA 2001:db8:99::1",
    "www.example.org. 60 CNAME home.example.org.",
    "cdn.example.org. ALIAS A target.example.net.",
];

/// The first seed.
const FIRST_SEED: u64 = 53_000_000;

#[test]
fn whatever_route_53_does_clients_are_told_what_is_so() {
    if let Some(seed) = env::var_os("NIC53_MODEL_SEED") {
        let seed = seed.to_str().and_then(|seed| seed.parse().ok()).expect("NIC53_MODEL_SEED: expected a number");
        let run = Run::new(seed, &aws_config(), |route53| route53);
        panic!("{run}");
    }
    let interleavings = u64::from(iterations(100, 4000));
    let aws = aws_config();
    let threads = thread::available_parallelism().map_or(1, usize::from);
    let play = |seed| Tally::of(&Run::new(seed, &aws, |route53| route53));
    let tally = thread::scope(|scope| {
        let seeds = |first| (FIRST_SEED + first..FIRST_SEED + interleavings).step_by(threads);
        let worker = |first| scope.spawn(move || seeds(first).map(play).fold(Tally::default(), Tally::and));
        let workers: Vec<_> = (0..threads as u64).map(worker).collect();
        let tallies = workers.into_iter().map(|worker| worker.join().expect("a worker"));
        tallies.fold(Tally::default(), Tally::and)
    });
    tally.tell();
    assert!(tally.broken.is_empty(), "{}", tally.broken.join("\n\n"));
    // A test that met no trouble, or told nobody anything, has shown nothing.
    for code in ["good", "nochg", "nohost", "dnserr"] {
        assert!(tally.replies.contains_key(code), "nobody was told {code}");
    }
    assert!(tally.applied.iter().all(|count| *count > 0), "{:?}", tally.applied);
}

#[test]
fn a_run_goes_as_it_went_before() {
    let aws = aws_config();
    for seed in 0..3 {
        let [first, second] = [(); 2].map(|()| Run::new(seed, &aws, |route53| route53));
        assert_eq!(first.log, second.log, "{seed}");
    }
}

#[test]
fn every_bug_of_a_store_is_found() {
    let aws = aws_config();
    let mut found = Vec::new();
    for (bug, by) in Bug::FOUND_BY {
        let is_found = |seed: &u64| {
            let keys = || Keys {
                zones: Zones::parse(ZONES).expect("zones"),
                secrets: Secrets { current: Secret::new(gateway::SECRET).expect("a secret"), previous: None },
                token: gateway::token("subtree example.org", &Zones::parse(ZONES).expect("zones")).expect("a token"),
            };
            let run = Run::new(*seed, &aws, |route53| FaultyStore::new(route53, bug, keys()));
            run.violations.iter().any(|violation| violation.contains(by))
        };
        found.push((bug, (0..30).find(is_found)));
    }
    assert!(found.iter().all(|(_, seed)| seed.is_some()), "{found:?}");
    let heading = "Route 53 failing under concurrent clients";
    record(heading, "bugs put into the store on purpose", &format!("{}, all found", found.len()));
}

#[test]
fn clients_that_saw_what_no_order_explains_are_told_apart() {
    let value = |host: u8| match host {
        0 => ABSENT,
        host => Value { ttl: None, addresses: BTreeSet::from([[192, 0, 2, host].into()]) },
    };
    let wrote = |from, until, host| Operation { from, until, effect: Effect::Wrote(value(host)) };
    let saw = |from, until, host| Operation { from, until, effect: Effect::Saw(value(host)) };
    let may = |from, host| Operation { from, until: usize::MAX, effect: Effect::MayHaveWritten(vec![value(host)]) };
    for (what, operations, last, explained) in [
        ("nothing", vec![], 0, true),
        ("a change that nobody made", vec![], 1, false),
        ("a write and what came of it", vec![wrote(0, 1, 1), saw(2, 3, 1)], 1, true),
        ("a write that is lost", vec![wrote(0, 1, 1)], 0, false),
        ("a write that was not seen", vec![wrote(0, 1, 1), saw(2, 3, 0)], 1, false),
        ("the same at once", vec![wrote(0, 3, 1), saw(1, 2, 0)], 1, true),
        ("seen and then no more", vec![wrote(0, 9, 1), saw(1, 2, 1), saw(3, 4, 0)], 1, false),
        ("the last of two at once", vec![wrote(0, 3, 1), wrote(1, 2, 2)], 1, true),
        ("the first of two in turn", vec![wrote(0, 1, 1), wrote(2, 3, 2)], 1, false),
        ("seen without being asked for", vec![saw(0, 1, 3)], 0, false),
        ("a write that failed and came late", vec![may(0, 1), wrote(2, 3, 2)], 1, true),
        ("a write that failed and never came", vec![may(0, 1), wrote(2, 3, 2)], 2, true),
        ("a write that came before it was asked for", vec![saw(0, 1, 1), may(2, 1)], 1, false),
        ("a write that came twice", vec![may(0, 1), saw(1, 2, 1), wrote(3, 4, 2), saw(5, 6, 1)], 1, false),
        ("two that came once each", vec![may(0, 1), may(0, 1), saw(1, 2, 1), wrote(3, 4, 2)], 1, true),
    ] {
        assert_eq!(is_linearizable(&ABSENT, &value(last), &operations), explained, "{what}");
    }
}

/// The configuration that all AWS clients share.
fn aws_config() -> SdkConfig {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(aws::config()).expect("a configuration")
}

/// A run: clients, and what came of it.
struct Run {
    /// The seed of all randomness.
    seed: u64,
    /// What was asked and answered.
    exchanges: Vec<Exchange>,
    /// What happened.
    log: Vec<(Duration, Event)>,
    /// Trouble by kind.
    troubles: BTreeMap<&'static str, u64>,
    /// Batches applied, those after the request had ended, and those again.
    applied: [u64; 3],
    /// What cannot be explained.
    violations: Vec<String>,
}

impl Run {
    /// Plays the clients of a seed against a store.
    fn new<S: Store>(seed: u64, aws: &SdkConfig, store: impl Fn(Arc<Route53>) -> S) -> Self {
        // The pauses between attempts.
        fastrand::seed(seed);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
        runtime.expect("a runtime").block_on(Self::play(seed, aws, store))
    }

    /// The same, on a runtime whose clock stands still.
    async fn play<S: Store>(seed: u64, aws: &SdkConfig, store: impl Fn(Arc<Route53>) -> S) -> Self {
        let mut random = Rng::with_seed(seed);
        let route53 = FakeRoute53::new();
        route53.zone("Z1", "example.org");
        for record in OTHERS.into_iter().map(str::to_owned).chain(first_records(&mut random)) {
            route53.put("Z1", &record).expect("a record set");
        }
        let way = FlakyTransport::new(route53, "Z1", random.u64(..));
        let first = way.records();
        let setting = |name: &str| match name {
            "NIC53_ZONES" => Some(ZONES.to_owned()),
            "NIC53_ALLOW_OFFLINE" => Some("true".to_owned()),
            _ => None,
        };
        let clients: Vec<_> = (0..random.usize(2..=4)).map(|_| (random.fork(), random.usize(3..=6))).collect();
        // One `nic53 serve` for all, or a Lambda for each.
        let mut gateways = Vec::new();
        for _ in 0..if random.bool() { 1 } else { clients.len() } {
            let store = store(Arc::new(Route53::new(&way.configure(aws))));
            gateways.push(gateway::gateway(front_end::FrontEnd::HttpApi, store, setting).await.expect("settings"));
        }
        let world = World { gateways, way: way.clone(), exchanges: Mutex::default() };

        let work = *random.choice(&[0, 0, 300, 500, 1000]).expect("not empty");
        way.set_busy(Duration::from_millis(work), *random.choice(&[None, None, Some(3), Some(5)]).expect("not empty"));
        way.set_trouble(*random.choice(&[0, 10, 30, 60]).expect("not empty"));
        let habits = Habits { crowded: random.bool(), repeating: random.bool() };
        let play = |(client, (random, requests))| world.client(client, random, habits, requests);
        future::join_all(clients.into_iter().enumerate().map(play)).await;

        // What is still under way arrives, or never does; from now on all is well.
        way.set_trouble(0);
        sleep(LATEST).await;
        let stormy = world.exchanges.lock().expect("no panic").len();
        for asked in [Asked::nothing(), Asked::set("198.51.100.53", "2001:db8:53::53"), Asked::nothing()] {
            world.exchange(0, &asked).await;
        }

        let exchanges = world.exchanges.into_inner().expect("no panic");
        let exchanges: Vec<_> = exchanges.into_iter().map(|exchange| exchange.expect("an end")).collect();
        let log = way.log();
        let history = History::new(&first, &OURS, &log);
        let mut violations = history.violations(&exchanges);
        violations.extend(unorderable(&history, &exchanges));
        for exchange in &exchanges[stormy..] {
            let reply = exchange.reply.as_ref().expect("a reply");
            if reply.lines.iter().any(|line| line == "dnserr") {
                violations.push(format!("dnserr in calm weather: {exchange:?}"));
            }
        }
        let applied = history.applied(&exchanges);
        Self { seed, violations, applied, troubles: way.troubles(), exchanges, log }
    }
}

impl fmt::Display for Run {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (when, event) in &self.log {
            writeln!(f, "{:>8} ms {event:?}", when.as_millis())?;
        }
        for violation in &self.violations {
            writeln!(f, "{violation}")?;
        }
        write!(f, "NIC53_MODEL_SEED={}: {} violations", self.seed, self.violations.len())
    }
}

/// A gateway, the way it goes, and who asked it what.
struct World<S> {
    /// Who answers: one gateway for all clients, or one for each.
    gateways: Vec<Gateway<S>>,
    /// What lies between it and Route 53.
    way: FlakyTransport,
    /// What was asked; `None` where it is not answered yet.
    exchanges: Mutex<Vec<Option<Exchange>>>,
}

/// How the clients of a run are.
#[derive(Clone, Copy)]
struct Habits {
    /// Whether most ask for the same host.
    crowded: bool,
    /// Whether they ask for the same few addresses again and again.
    repeating: bool,
}

/// What a client asks.
#[derive(Clone, Debug)]
struct Asked {
    /// Names, in order.
    hosts: Vec<(String, Leave)>,
    /// What they are to become.
    wish: Wish,
    /// The TTL, as it is written.
    ttl: Option<u32>,
    /// How long the client waits; `None` for as long as it takes.
    patience: Option<Duration>,
}

impl<S: Store> World<S> {
    /// A client: it asks, waits, and asks again, the same where it was told to.
    async fn client(&self, client: usize, mut random: Rng, habits: Habits, requests: usize) {
        let mut again = None;
        for _ in 0..requests {
            sleep(Duration::from_millis(random.u64(0..1_500))).await;
            let asked = again.take().unwrap_or_else(|| Asked::draw(&mut random, habits));
            if self.exchange(client, &asked).await && random.bool() {
                again = Some(asked);
            }
        }
    }

    /// Sends a request, and notes what comes of it. Whether it should be sent again.
    async fn exchange(&self, client: usize, asked: &Asked) -> bool {
        let request = {
            let mut exchanges = self.exchanges.lock().expect("no panic");
            exchanges.push(None);
            self.way.begin(asked.hosts.iter().map(|(host, _)| host.clone()).collect())
        };
        let called = self.way.note(request, &format!("{asked:?}"));
        let began = Instant::now();
        let (parts, ()) = asked.request().into_parts();
        let gateway = &self.gateways[client % self.gateways.len()];
        let answer = REQUEST.scope(request, gateway.answer(&parts, Body::Whole(b""), None));
        let patience = asked.patience.unwrap_or(Duration::from_hours(1));
        let reply = timeout(patience, answer).await.ok().map(|reply| Reply {
            status: reply.status().as_u16(),
            lines: reply.body().split('\n').map(str::to_owned).collect(),
        });
        let told = reply.as_ref().map_or_else(|| "gone".to_owned(), |reply| reply.lines.join(" / "));
        let exchange = Exchange {
            hosts: asked.hosts.clone(),
            wish: asked.wish.clone(),
            ttl: asked.ttl.map(|ttl| ttl.clamp(60, 86_400)),
            called,
            ended: self.way.note(request, &told),
            took: began.elapsed(),
            reply,
        };
        self.exchanges.lock().expect("no panic")[request] = Some(exchange);
        told.contains("dnserr") || told == "gone"
    }
}

impl Asked {
    /// Draws one.
    fn draw(random: &mut Rng, habits: Habits) -> Self {
        let mut hosts = Vec::new();
        for _ in 0..*random.choice(&[1, 1, 1, 2, 3]).expect("not empty") {
            let host = if habits.crowded && random.u8(0..3) > 0 { 0 } else { random.usize(..OURS.len()) };
            hosts.push((OURS[host].to_owned(), Leave::Ours));
        }
        if random.u8(0..5) == 0 {
            let (name, leave) = *random.choice(&BYSTANDERS).expect("not empty");
            hosts.insert(random.usize(..=hosts.len()), (name.to_owned(), leave));
        }
        let wish = match random.u8(0..10) {
            0 => Wish::Offline,
            1..=2 => Wish::Nothing,
            3..=4 => Wish::Set {
                v4: if random.bool() { vec![v4(random, habits)] } else { Vec::new() },
                v6: Vec::new(),
                prefix: Some(Ipv6Addr::new(0x2001, 0xdb8, 0, random.u16(1..4), 0, 0, 0, 0)),
            },
            _ => {
                let (four, six) = *random.choice(&[(1, 0), (0, 1), (1, 1), (2, 1), (1, 2)]).expect("not empty");
                Wish::Set {
                    v4: distinct(four, || v4(random, habits)),
                    v6: distinct(six, || v6(random, habits)),
                    prefix: None,
                }
            }
        };
        Self {
            hosts,
            wish,
            ttl: *random
                .choice(&[None, None, None, Some(1), Some(120), Some(300), Some(1_000_000)])
                .expect("not empty"),
            patience: (random.u8(0..8) == 0).then(|| Duration::from_millis(random.u64(1..4_000))),
        }
    }

    /// All hosts of ours are to have these.
    fn set(v4: &str, v6: &str) -> Self {
        let address = |text: &str| text.parse().expect("an address");
        let wish = Wish::Set { v4: vec![address(v4)], v6: vec![address(v6)], prefix: None };
        Self { wish, ..Self::nothing() }
    }

    /// What all hosts of ours have.
    fn nothing() -> Self {
        let hosts = OURS.map(|host| (host.to_owned(), Leave::Ours)).to_vec();
        Self { hosts, wish: Wish::Nothing, ttl: None, patience: None }
    }

    /// The request, with the token it needs.
    fn request(&self) -> Request<()> {
        let hosts: Vec<_> = self.hosts.iter().map(|(host, _)| host.as_str()).collect();
        let wish = match &self.wish {
            Wish::Offline => "offline=YES".to_owned(),
            Wish::Nothing => "myip=no".to_owned(),
            Wish::Set { v4, v6, prefix } => {
                let addresses: Vec<_> = v4.iter().chain(v6).map(ToString::to_string).collect();
                let prefix = prefix.map(|prefix| format!("&myipv6={prefix}/64")).unwrap_or_default();
                format!("myip={}{prefix}", addresses.join(","))
            }
        };
        let ttl = self.ttl.map(|ttl| format!("&ttl={ttl}")).unwrap_or_default();
        let query = format!("hostname={}&{wish}{ttl}", hosts.join(","));
        let wanted = if let [host] = hosts[..] { format!("host {host}") } else { "subtree example.org".to_owned() };
        let token = gateway::token(&wanted, &Zones::parse(ZONES).expect("zones")).expect("a token");
        gateway::update(&query, &token)
    }
}

/// What the hosts of ours have at first.
fn first_records(random: &mut Rng) -> Vec<String> {
    let mut records = Vec::new();
    for host in OURS {
        let ttl = *random.choice(&[60, 300, 7]).expect("not empty");
        if random.bool() {
            records.push(format!("{host}. {ttl} A 192.0.2.1"));
        }
        if random.bool() {
            // As somebody else may have written it.
            let second = if random.bool() { " 2001:db8:0:9::2" } else { "" };
            records.push(format!("{host}. {ttl} AAAA 2001:DB8:0:1:0:0:0:1{second}"));
        }
    }
    records
}

/// An IPv4 address.
fn v4(random: &mut Rng, habits: Habits) -> IpAddr {
    if habits.repeating { [192, 0, 2, random.u8(1..4)].into() } else { [198, 51, 100, random.u8(1..)].into() }
}

/// An IPv6 address.
fn v6(random: &mut Rng, habits: Habits) -> IpAddr {
    let host = if habits.repeating { random.u16(1..4) } else { random.u16(1..) };
    Ipv6Addr::new(0x2001, 0xdb8, 0, random.u16(1..4), 0, 0, 0, host).into()
}

/// So many, none twice.
fn distinct(count: usize, mut draw: impl FnMut() -> IpAddr) -> Vec<IpAddr> {
    let mut drawn = Vec::new();
    while drawn.len() < count {
        let address = draw();
        if !drawn.contains(&address) {
            drawn.push(address);
        }
    }
    drawn
}

/// The record sets for which what clients saw cannot be put in one order.
fn unorderable(history: &History<'_>, exchanges: &[Exchange]) -> Vec<String> {
    let (first, last) = history.ends();
    // Whatever an AAAA record set may have been, but for the prefix it was under.
    let mut ever: BTreeSet<BTreeSet<IpAddr>> = first.values().map(|set| set.addresses.clone()).collect();
    ever.extend(exchanges.iter().filter_map(|exchange| match &exchange.wish {
        Wish::Set { v6, .. } if !v6.is_empty() => Some(v6.iter().copied().collect()),
        Wish::Set { .. } | Wish::Offline | Wish::Nothing => None,
    }));
    let mut found = Vec::new();
    for host in OURS {
        for family in Family::BOTH {
            let value = |registers: &history::Registers| match registers.get(&(host.to_owned(), family)) {
                Some(set) => Value { ttl: Some(set.ttl), addresses: set.addresses.clone() },
                None => ABSENT,
            };
            let mut operations = Vec::new();
            for (request, exchange) in exchanges.iter().enumerate() {
                operations.extend(operations_of(exchange, history.attempts(request), host, family, &ever));
            }
            if !is_linearizable(&value(first), &value(last), &operations) {
                found.push(format!("{host} {}: no order explains {operations:?}", family.record_type()));
            }
        }
    }
    found
}

/// No record set.
const ABSENT: Value = Value { ttl: None, addresses: BTreeSet::new() };

/// What an exchange did to a record set, as far as its client can tell. `ever` are the addresses
/// that it may have had.
fn operations_of(
    exchange: &Exchange,
    attempts: usize,
    host: &str,
    family: Family,
    ever: &BTreeSet<BTreeSet<IpAddr>>,
) -> Vec<Operation> {
    let Some(position) = exchange.hosts.iter().position(|(name, _)| name == host) else { return Vec::new() };
    let line = exchange.reply.as_ref().map_or("dnserr", |reply| reply.lines[position].as_str());
    let (word, addresses) = line.split_once(' ').unwrap_or((line, ""));
    let listed = |family| {
        let addresses = addresses.split(',').filter_map(|address| address.parse().ok());
        addresses.filter(|address| Family::of(*address) == family).collect::<BTreeSet<IpAddr>>()
    };
    let value = |addresses| Value { ttl: exchange.ttl, addresses };
    let seen = |addresses| Value { ttl: None, addresses };
    // What is there afterwards, if anything is to become of it, where the client knows it; else all
    // that it may be.
    let (wanted, candidates) = match (&exchange.wish, family) {
        (Wish::Nothing, _) => (Some(seen(listed(family))), Vec::new()),
        (Wish::Offline, _) => (Some(ABSENT), vec![ABSENT]),
        (Wish::Set { prefix: Some(prefix), .. }, Family::V6) => {
            let moved = |old: &BTreeSet<IpAddr>| old.iter().map(|address| moved_under(*address, *prefix)).collect();
            let listed = listed(family);
            let wanted = if listed.is_empty() { ABSENT } else { value(listed) };
            (Some(wanted), ever.iter().map(moved).map(value).collect())
        }
        (Wish::Set { v4: asked, .. }, Family::V4) | (Wish::Set { v6: asked, .. }, Family::V6) => {
            let asked: BTreeSet<_> = asked.iter().copied().collect();
            match (asked.is_empty(), &exchange.wish) {
                (false, _) => (Some(value(asked.clone())), vec![value(asked)]),
                // With no AAAA to move, the A that are there are listed.
                (true, Wish::Set { prefix: Some(_), .. }) if word == "nochg" && listed(Family::V6).is_empty() => {
                    (Some(seen(listed(family))), Vec::new())
                }
                (true, _) => (None, Vec::new()),
            }
        }
    };
    let certain = match (word, wanted) {
        ("good", Some(wanted)) if candidates.is_empty() || wanted == ABSENT && exchange_moves(exchange) => {
            Some(Effect::Saw(wanted))
        }
        ("good", Some(wanted)) => Some(Effect::Wrote(wanted)),
        ("nochg", Some(wanted)) => Some(Effect::Saw(wanted)),
        _ => None,
    };
    let may_have = match word {
        "good" => attempts.saturating_sub(1),
        "dnserr" => attempts,
        _ => 0,
    };
    let (from, until) = (exchange.called, exchange.ended);
    let may_have = (0..if candidates.is_empty() { 0 } else { may_have }).map(|_| Operation {
        from,
        until: usize::MAX,
        effect: Effect::MayHaveWritten(candidates.clone()),
    });
    certain.map(|effect| Operation { from, until, effect }).into_iter().chain(may_have).collect()
}

/// Whether the wish is to move what is there.
fn exchange_moves(exchange: &Exchange) -> bool {
    matches!(exchange.wish, Wish::Set { prefix: Some(_), .. })
}

/// What all runs come to.
#[derive(Default)]
struct Tally {
    /// Runs.
    runs: u64,
    /// Requests.
    requests: u64,
    /// Calls to Route 53.
    calls: u64,
    /// Calls that were refused because it was busy.
    busy: u64,
    /// Trouble by kind.
    troubles: BTreeMap<&'static str, u64>,
    /// Lines by code, and clients that had gone.
    replies: BTreeMap<String, u64>,
    /// Batches applied, those after the request had ended, and those again.
    applied: [u64; 3],
    /// The first runs that cannot be explained, in full.
    broken: Vec<String>,
    /// All that cannot be explained.
    violations: usize,
}

impl Tally {
    /// Of one run.
    fn of(run: &Run) -> Self {
        let mut replies: BTreeMap<String, u64> = BTreeMap::new();
        for exchange in &run.exchanges {
            let gone = ["gone".to_owned()];
            for line in exchange.reply.as_ref().map_or(&gone[..], |reply| &reply.lines) {
                let word = line.split(' ').next().unwrap_or_default();
                *replies.entry(word.to_owned()).or_default() += 1;
            }
        }
        let is_call = |(_, event): &&(_, Event)| matches!(event, Event::Sent { .. });
        let is_busy = |(_, event): &&(_, Event)| matches!(event, Event::Busy { .. });
        Self {
            runs: 1,
            requests: run.exchanges.len() as u64,
            calls: run.log.iter().filter(is_call).count() as u64,
            busy: run.log.iter().filter(is_busy).count() as u64,
            troubles: run.troubles.clone(),
            replies,
            applied: run.applied,
            broken: (!run.violations.is_empty()).then(|| run.to_string()).into_iter().collect(),
            violations: run.violations.len(),
        }
    }

    /// Both.
    fn and(mut self, other: Self) -> Self {
        self.runs += other.runs;
        self.requests += other.requests;
        self.calls += other.calls;
        self.busy += other.busy;
        for (kind, count) in other.troubles {
            *self.troubles.entry(kind).or_default() += count;
        }
        for (word, count) in other.replies {
            *self.replies.entry(word).or_default() += count;
        }
        self.applied.iter_mut().zip(other.applied).for_each(|(sum, count)| *sum += count);
        self.violations += other.violations;
        self.broken.extend(other.broken);
        // A few are enough to read.
        self.broken.truncate(2);
        self
    }

    /// The rows of `docs/reliability.md`.
    fn tell(&self) {
        let heading = "Route 53 failing under concurrent clients";
        let by_count = |counts: Vec<(String, u64)>| {
            counts.into_iter().map(|(word, count)| format!("{word} {count}")).collect::<Vec<_>>().join(", ")
        };
        let [applied, late, again] = self.applied;
        let troubles = self.troubles.iter().map(|(kind, count)| ((*kind).to_owned(), *count)).collect();
        let replies = self.replies.iter().map(|(word, count)| (word.clone(), *count)).collect();
        for (what, found) in [
            ("random interleavings of 2 to 4 clients", self.runs.to_string()),
            ("requests", self.requests.to_string()),
            ("calls to Route 53, retries included", self.calls.to_string()),
            ("calls refused because it was busy", self.busy.to_string()),
            ("calls in trouble", by_count(troubles)),
            ("lines answered, and clients gone before", by_count(replies)),
            (
                "batches applied",
                format!("{applied}, {late} of them after the request had ended, {again} again by a retry"),
            ),
            ("violations", self.violations.to_string()),
        ] {
            record(heading, what, &found);
        }
    }
}
