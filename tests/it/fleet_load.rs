//! What a large fleet costs and how long it waits: the real gateway, table store and publisher over the
//! fakes, on a clock that stands still. `scripts/load` runs the large form and writes its numbers into
//! `docs/fleet.md`; `docs/fleet.md` says what is assumed.

use std::{
    cell::RefCell,
    collections::{BTreeMap, BTreeSet, HashMap},
    convert::Infallible,
    time::Duration,
};

use nic53::{
    protocol::zone::Zones,
    publisher::Wake,
    settings::FleetState,
    store::{Store, route53::Route53, table::TableStore},
    table::{DAY, Item},
};
use serde_json::json;
use tokio::{
    select,
    sync::Notify,
    time::{Instant, MissedTickBehavior, interval, sleep},
};

use crate::support::{
    arrivals::{Day, changes},
    fake_dynamodb::{FakeDynamoDb, Operation as Table, TABLE},
    fake_route53::{FakeRoute53, Noted, Operation},
    fleet::{Fleet, START, sets},
    instances::Instances,
    results::{is_thorough, iterations, record},
    runtime_api::Lambda,
};

/// How long Route 53 works on a batch, besides the time for each change (assumed).
const BATCH: Duration = Duration::from_millis(250);

/// How long it works on a change: half of what a host takes, which has a `DELETE` and a `CREATE` (assumed).
const CHANGE: Duration = Duration::from_micros(500);

/// How long a list takes (assumed).
const LIST: Duration = Duration::from_millis(50);

/// How long a call to the table takes (assumed).
const TABLE_CALL: Duration = Duration::from_millis(5);

/// The write units a second of a partition, which a zone is.
const PARTITION: u32 = 1000;

/// The longest that the stream gathers records before it wakes the publisher.
const WINDOW: Duration = Duration::from_secs(1);

/// How long a run of the publisher may begin steps: its time-out of 300 s, less what it leaves.
const RUN: Duration = Duration::from_secs(260);

/// The calls a second that the publisher may make.
const PACE: usize = 4;

/// After this time without changes everything must have been published.
const SETTLED: Duration = Duration::from_mins(5);

/// The least changes a second with which a zone is drained. The table allows 500 marks a second.
const ZONE_TAKES: f64 = 450.0;

/// Six hours, from one pass to the next.
const PASS_EVERY: Duration = Duration::from_hours(6);

/// A fleet of routers that have been published, and what they are answered.
struct Load<S: Store> {
    /// Their gateways.
    gateways: Instances<S>,
    /// How many zones they are spread over.
    zones: u32,
    /// What wakes the publisher.
    bell: Bell,
    /// What they were answered.
    tally: RefCell<Tally>,
}

/// What routers were answered.
#[derive(Default)]
struct Tally {
    /// How often each code.
    answers: BTreeMap<String, u64>,
    /// How long each answer took.
    took: Vec<Duration>,
    /// When a router first asked for its new address.
    moved: HashMap<u32, Instant>,
    /// When that was answered `good`.
    good: HashMap<u32, Instant>,
}

/// The stream of the table: it says in which zones a host has become pending.
#[derive(Default)]
struct Bell {
    /// The zones since the publisher was woken.
    zones: RefCell<BTreeSet<String>>,
    /// Notified at each of them.
    rung: Notify,
}

impl Bell {
    /// A host of that zone has become pending.
    fn ring(&self, zone: String) {
        self.zones.borrow_mut().insert(zone);
        self.rung.notify_one();
    }

    /// Waits until something is pending, and for what comes within the window.
    async fn heard(&self) -> Wake {
        while self.zones.borrow().is_empty() {
            self.rung.notified().await;
        }
        sleep(WINDOW).await;
        Wake::Zones(self.zones.take())
    }

    /// Runs the publisher of a fleet as its function is run: woken by the stream or by the rule, one run at a
    /// time.
    async fn publish(&self, fleet: &Fleet) -> Infallible {
        let publisher = fleet.publisher(FleetState::On);
        let mut rule = interval(Duration::from_mins(1));
        rule.set_missed_tick_behavior(MissedTickBehavior::Skip);
        loop {
            let wake = select! {
                biased;
                _ = rule.tick() => Wake::Tick,
                wake = self.heard() => wake,
            };
            publisher.run(&wake, Instant::now() + RUN).await;
        }
    }
}

impl<S: Store> Load<S> {
    /// The routers of a number of zones.
    fn new(zones: u32, gateways: Instances<S>) -> Self {
        Self { gateways, zones, bell: Bell::default(), tally: RefCell::default() }
    }

    /// A router asks for its first address or for its new one. Gives the code of the answer.
    async fn ask(&self, router: u32, has_moved: bool) -> String {
        let started = Instant::now();
        let code = self.gateways.ask(&host(router, self.zones), &address(router, has_moved)).await;
        if code == "good" {
            self.bell.ring(zone_of(router, self.zones));
        }
        let tally = &mut *self.tally.borrow_mut();
        *tally.answers.entry(code.clone()).or_default() += 1;
        tally.took.push(started.elapsed());
        if has_moved {
            tally.moved.entry(router).or_insert(started);
        }
        if code == "good" {
            assert!(tally.good.insert(router, Instant::now()).is_none(), "a router changes once: {router}");
        }
        code
    }
}

impl Tally {
    /// How long each router waited until Route 53 had its new address, from when it was answered `good`, and
    /// from when it first asked.
    fn waited(&self, noted: &Noted) -> (Vec<Duration>, Vec<Duration>) {
        let number = |name: &str| name.strip_prefix('h')?.split_once('.')?.0.parse().ok();
        let written: HashMap<u32, Instant> =
            noted.written.iter().filter_map(|(name, at)| Some((number(name)?, *at))).collect();
        let since = |asked: &HashMap<u32, Instant>| {
            let waited = asked.iter().filter_map(|(router, at)| Some(written.get(router)?.duration_since(*at)));
            waited.collect()
        };
        (since(&self.good), since(&self.moved))
    }

    /// The answers by their code.
    fn shown(&self) -> String {
        let answers = self.answers.iter().map(|(code, count)| format!("{} `{code}`", grouped(*count)));
        answers.collect::<Vec<_>>().join(", ")
    }
}

/// The host of a router.
fn host(router: u32, zones: u32) -> String {
    format!("h{router}.z{}.example.org", router % zones)
}

/// The id of its zone.
fn zone_of(router: u32, zones: u32) -> String {
    format!("Z{}", router % zones)
}

/// The zones, as `NIC53_ZONES` has them.
fn zones(count: u32) -> Zones {
    let zones: Vec<_> = (0..count).map(|zone| format!("z{zone}.example.org=Z{zone}")).collect();
    Zones::parse(&zones.join(",")).expect("zones")
}

/// The address of a router, before and after it has changed.
fn address(router: u32, has_moved: bool) -> String {
    format!("{}.{}", if has_moved { "203.0.113" } else { "198.51.100" }, router % 250)
}

/// The limits of a fake Route 53, and the first address of each router.
fn prepare(route53: &FakeRoute53, routers: u32, zones: u32) {
    route53.keep_no_calls();
    route53.limit_as_aws_does();
    route53.take_time_for_each(BATCH, CHANGE);
    route53.delay_lists(LIST);
    for router in 0..routers {
        let line = format!("{}. 60 A {}", host(router, zones), address(router, false));
        route53.put(&zone_of(router, zones), &line).expect("a record set");
    }
}

/// The item of a router's host, whose first address was published.
fn item(router: u32, now: u64) -> Item {
    let first = sets(&format!("60 {}", address(router, false)));
    Item {
        version: 1,
        published_version: 1,
        published: first.clone(),
        wanted: first,
        last_published: Some(now - DAY),
        heard: Some(now / DAY - 1),
        ..Item::default()
    }
}

/// The same after it has changed.
fn pending(router: u32, now: u64) -> Item {
    let wanted = sets(&format!("60 {}", address(router, true)));
    Item { version: 2, wanted, due: Some(now), pending_since: Some(now), ..item(router, now) }
}

/// A fleet of that many routers and zones. The first pass of each zone is due after `next_pass`.
async fn fleet(routers: u32, zone_count: u32, next_pass: Duration, item: fn(u32, u64) -> Item) -> Fleet {
    fastrand::seed(53);
    let aws = nic53::aws::config().await.expect("an SDK configuration");
    let fleet = Fleet::with_aws(zones(zone_count), aws);
    prepare(&fleet.route53, routers, zone_count);
    fleet.dynamodb.keep_no_calls();
    fleet.dynamodb.limit_writes(PARTITION);
    fleet.dynamodb.take_time(TABLE_CALL);
    for router in 0..routers {
        let host = host(router, zone_count);
        fleet.dynamodb.put(&zone_of(router, zone_count), &host, &item(router, fleet.now()));
    }
    let last_pass = (START + next_pass).saturating_sub(PASS_EVERY).as_millis().to_string();
    for zone in 0..zone_count {
        fleet.dynamodb.set_zone(&format!("Z{zone}"), "ca", Some(json!({ "N": last_pass })));
    }
    fleet
}

/// The routers of a fleet.
fn load(fleet: &Fleet, zone_count: u32) -> Load<TableStore> {
    let (store, zones) = (fleet.stores(), fleet.zones().clone());
    Load::new(zone_count, Instances::new(&zones, store))
}

/// Nothing is pending, and Route 53 has what is wanted.
fn assert_published(fleet: &Fleet, zone_count: u32) {
    for zone in (0..zone_count).map(|zone| format!("Z{zone}")) {
        let items = fleet.dynamodb.items(&zone);
        let wrong = items.iter().find(|(_, item)| item.is_pending() || item.broken_rule().is_some());
        assert_eq!(wrong, None);
        let wanted =
            items.iter().filter_map(|(host, item)| item.wanted.v4.as_ref().map(|set| format!("{host}. {set}")));
        let wanted: BTreeSet<_> = wanted.collect();
        let there: BTreeSet<_> = fleet.route53.records(&zone).into_iter().collect();
        assert_eq!(wanted.symmetric_difference(&there).next(), None, "{zone}");
    }
}

/// A percentile of some times: `part` of a hundred are not longer.
fn of_hundred(times: &mut [Duration], part: usize) -> Duration {
    times.sort_unstable();
    times.get((times.len() * part).div_ceil(100).saturating_sub(1)).copied().unwrap_or_default()
}

/// Half of some times, nearly all of them, and all, as words.
fn spread(times: &mut [Duration]) -> String {
    let [half, most, all] = [50, 99, 100].map(|part| of_hundred(times, part).as_secs_f64());
    format!("50 % {half:.2} s, 99 % {most:.2} s, 100 % {all:.2} s")
}

/// A number with a comma at each thousand.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let groups = digits.as_bytes().rchunks(3).rev().map(|group| String::from_utf8_lossy(group).into_owned());
    groups.collect::<Vec<_>>().join(",")
}

/// What Route 53 was called.
fn calls_of(route53: &FakeRoute53, noted: &Noted) -> String {
    format!(
        "{} changes and {} lists, {} at most in any second, {} of them throttled, {} told to wait for a batch",
        grouped(route53.made(Operation::Change)),
        grouped(route53.made(Operation::List)),
        noted.most_in_a_second,
        grouped(noted.throttled),
        grouped(noted.prior_requests),
    )
}

/// What the table was called.
fn calls_of_table(dynamodb: &FakeDynamoDb) -> String {
    format!(
        "{} reads of items, {} queries, {} writes, {} throttled",
        grouped(dynamodb.made(Table::Get)),
        grouped(dynamodb.made(Table::Query)),
        grouped(dynamodb.made(Table::Update)),
        grouped(dynamodb.throttled()),
    )
}

/// The heading of the day, in both modes.
const DAY_HEADING: &str = "10,000 routers that ask every five minutes, and an outage";

#[tokio::test(start_paused = true)]
async fn a_fleet_that_comes_back_from_an_outage_hears_good_and_is_published_in_seconds() {
    let day = if is_thorough() {
        Day { routers: 10_000, outage: Duration::from_mins(710), length: Duration::from_hours(24) }
    } else {
        Day { routers: 250, outage: Duration::from_mins(7), length: Duration::from_mins(27) }
    };
    // As they come back the zone is compared with the table too.
    let fleet = fleet(day.routers, 1, day.outage_ends(), item).await;
    let load = load(&fleet, 1);
    select! {
        biased;
        never = load.bell.publish(&fleet) => match never {},
        () = async {
            day.play(async |router, has_moved| load.ask(router, has_moved).await).await;
            sleep(SETTLED).await;
        } => {}
    }
    let (noted, mut tally) = (fleet.route53.take_noted(), load.tally.take());
    let (mut waited, mut waited_in_all) = tally.waited(&noted);
    let row = |what: &str, found: &str| record(DAY_HEADING, &format!("fleet mode, a day: {what}"), found);
    row("answers", &tally.shown());
    row("an answer takes", &spread(&mut tally.took));
    row("from `good` until it is in Route 53", &spread(&mut waited));
    row("from the first request after the outage until it is in Route 53", &spread(&mut waited_in_all));
    row("calls to Route 53", &calls_of(&fleet.route53, &noted));
    row("calls to the table", &calls_of_table(&fleet.dynamodb));
    row("gateways at once", &load.gateways.started().to_string());

    assert_published(&fleet, 1);
    let codes: Vec<_> = tally.answers.keys().map(String::as_str).collect();
    assert_eq!(codes, ["good", "nochg"]);
    assert_eq!((tally.answers["good"], waited.len()), (day.routers.into(), day.routers as usize));
    assert!(noted.most_in_a_second <= PACE, "{}", noted.most_in_a_second);
    let most = of_hundred(&mut waited, 99);
    assert!(most <= Duration::from_secs(5), "{most:?}");
}

#[tokio::test(start_paused = true)]
async fn without_fleet_mode_the_same_outage_ends_in_failures() {
    let day = if is_thorough() {
        Day { routers: 10_000, outage: Duration::from_mins(50), length: Duration::from_hours(2) }
    } else {
        Day { routers: 1500, outage: Duration::from_secs(5), length: Duration::from_mins(10) + Duration::from_secs(13) }
    };
    let route53 = FakeRoute53::new();
    let zones = zones(1);
    route53.zone("Z0", "z0.example.org");
    prepare(&route53, day.routers, 1);
    let aws = route53.configure(&nic53::aws::config().await.expect("an SDK configuration"));
    let load = Load::new(1, Instances::new(&zones, move || Route53::new(&aws)));
    day.play(async |router, has_moved| load.ask(router, has_moved).await).await;
    let (noted, mut tally) = (route53.take_noted(), load.tally.take());
    let (_, mut waited) = tally.waited(&noted);
    let row = |what: &str, found: &str| record(DAY_HEADING, &format!("stateless, two hours: {what}"), found);
    row("answers", &tally.shown());
    row("an answer takes", &spread(&mut tally.took));
    row("routers with their new address in Route 53 at the end", &grouped(waited.len() as u64));
    row("from the first request after the outage until it is in Route 53, of those", &spread(&mut waited));
    row("calls to Route 53", &calls_of(&route53, &noted));
    row("gateways at once", &load.gateways.started().to_string());

    // This is why there is a fleet mode.
    assert!(tally.answers["dnserr"] > 0 && noted.throttled > 0, "{:?}", tally.answers);
    assert!(waited.len() < day.routers as usize);
}

#[tokio::test(start_paused = true)]
async fn a_million_hosts_in_sixty_zones_wait_for_less_than_a_minute() {
    let (routers, zones) = (iterations(300, 1_000_000), 60);
    // One change a day each: a day of the small fleet would have too few of them.
    let within = if is_thorough() { Duration::from_hours(2) } else { Duration::from_secs(20) };
    let count = if is_thorough() { routers / 12 } else { 231 };
    let fleet = fleet(routers, zones, Duration::ZERO, item).await;
    let load = load(&fleet, zones);
    select! {
        biased;
        never = load.bell.publish(&fleet) => match never {},
        () = async {
            changes(routers, count, within, async |router, has_moved| load.ask(router, has_moved).await).await;
            sleep(SETTLED).await;
        } => {}
    }
    let (noted, tally) = (fleet.route53.take_noted(), load.tally.take());
    let (mut waited, _) = tally.waited(&noted);
    let row = |what: &str, found: &str| record("1,000,000 hosts in 60 zones, one change a day", what, found);
    row("changes in two hours, answers", &tally.shown());
    row("from `good` until it is in Route 53", &spread(&mut waited));
    row("calls to Route 53", &calls_of(&fleet.route53, &noted));
    row("calls to the table", &calls_of_table(&fleet.dynamodb));

    assert_published(&fleet, zones);
    assert_eq!((tally.answers.len(), tally.answers["good"], waited.len()), (1, count.into(), count as usize));
    assert!(noted.most_in_a_second <= PACE, "{}", noted.most_in_a_second);
    let most = of_hundred(&mut waited, 99);
    assert!(most <= Duration::from_mins(1), "{most:?}");
}

#[tokio::test(start_paused = true)]
async fn a_zone_in_which_all_hosts_are_pending_at_once_is_drained() {
    let hosts = iterations(700, 100_000);
    for (what, units, batch) in [
        ("as assumed", PARTITION, BATCH),
        ("if the table had no limit", u32::MAX, BATCH),
        ("if a batch took no time", PARTITION, Duration::ZERO),
    ] {
        let fleet = fleet(hosts, 1, PASS_EVERY, pending).await;
        fleet.dynamodb.limit_writes(units);
        fleet.route53.take_time_for_each(batch, if batch.is_zero() { Duration::ZERO } else { CHANGE });
        let (bell, started) = (Bell::default(), Instant::now());
        select! {
            biased;
            never = bell.publish(&fleet) => match never {},
            () = async {
                while fleet.dynamodb.has_pending("Z0") {
                    sleep(Duration::from_millis(100)).await;
                }
            } => {}
        }
        let took = started.elapsed();
        let rate = f64::from(hosts) / took.as_secs_f64();
        let noted = fleet.route53.take_noted();
        let found = format!(
            "{:.0} s, {rate:.0} changes a second; {}; {}",
            took.as_secs_f64(),
            calls_of(&fleet.route53, &noted),
            calls_of_table(&fleet.dynamodb)
        );
        record("100,000 hosts pending at once in one zone", what, &found);

        assert_published(&fleet, 1);
        assert!(rate >= ZONE_TAKES, "{what}: {rate}");
        assert!(noted.most_in_a_second <= PACE, "{}", noted.most_in_a_second);
    }
}

#[tokio::test]
async fn the_publisher_holds_few_hosts_however_many_are_pending() {
    let (few, many) = (iterations(200, 10_000), iterations(1000, 100_000));
    let (of_few, of_many) = (peak_of_publisher(few).await, peak_of_publisher(many).await);
    let found = format!("{:.1} and {:.1} MiB", mib(of_few), mib(of_many));
    let what = "memory of the publisher's process at most, with 10,000 and with 100,000";
    record("100,000 hosts pending at once in one zone", what, &found);
    // It counts the changes of each host for an hour, in 200 bytes. If it held what it read of them all, that would be
    // three times as much. Few hosts show a gross leak only; `publisher` looks at what is held of a zone.
    let allowed = 4 * 1024 + u64::from(many - few) * 3 / 10;
    assert!(of_many <= of_few + allowed, "{found}");
}

/// The most memory, in KiB, that the publisher's process had by the time so many pending hosts of a zone were
/// published, and the zone was compared with the table.
async fn peak_of_publisher(hosts: u32) -> u64 {
    let (route53, dynamodb) = (FakeRoute53::start().await, FakeDynamoDb::start().await);
    route53.keep_no_calls();
    dynamodb.keep_no_calls();
    route53.zone("Z0", "z0.example.org");
    for router in 0..hosts {
        let host = host(router, 1);
        route53.put("Z0", &format!("{host}. 60 A {}", address(router, false))).expect("a record set");
        dynamodb.put("Z0", &host, &pending(router, 20_000 * DAY));
    }
    let (zones, route53_url, dynamodb_url) = (zones(1).to_string(), route53.url(), dynamodb.url());
    let variables = [
        ("_HANDLER", "publisher"),
        ("NIC53_FLEET", "on"),
        ("NIC53_FLEET_PACE", "1000"),
        ("NIC53_ZONES", &zones),
        ("NIC53_TABLE", TABLE),
        ("AWS_ENDPOINT_URL_ROUTE_53", &route53_url),
        ("AWS_ENDPOINT_URL_DYNAMODB", &dynamodb_url),
    ];
    let publisher = Lambda::start(&variables).await;
    let tick = json!({"source": "aws.events", "detail-type": "Scheduled Event"});
    publisher.try_invoke_within(tick, Duration::from_mins(10)).await.expect("a response, not an error");
    assert!(!dynamodb.has_pending("Z0"));
    let peak = publisher.peak_memory();
    publisher.log().await;
    peak
}

/// So many KiB in MiB.
fn mib(kib: u64) -> f64 {
    f64::from(u32::try_from(kib).expect("less than 4 TiB")) / 1024.0
}
