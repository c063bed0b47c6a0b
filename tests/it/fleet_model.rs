//! Fleet mode under clients that get in each other's way, a network that fails, publishers that die and
//! hands that change things: the real gateway, table store and publishers, over a fake table and a fake
//! Route 53, drawn from one seed on a clock that stands still. What was promised is then held against
//! what came of it.
//!
//! `NIC53_FLEET_SEED=N` runs that seed and prints what happened; `N:Upsert` does so with that rule forgotten.

use std::{
    collections::{BTreeMap, BTreeSet},
    env, fmt,
    sync::{
        Mutex, MutexGuard,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::Duration,
};

use crate::support::{
    captured,
    fake_dynamodb::Operation as TableCall,
    fake_route53::{Naming, Operation as Called},
    fleet::Fleet,
    front_end::FrontEnd,
    gateway,
    linearizable::{Effect, Operation, Value, is_linearizable},
    results::{is_thorough, iterations, record},
    weather::{GATEWAYS, Weather},
    wire_bug::Bug,
};
use aws_config::{Region, SdkConfig};
use fastrand::Rng;
use futures_util::{FutureExt, StreamExt, future::join_all, stream::FuturesUnordered};
use nic53::{
    gateway::Gateway,
    protocol::{address::Family, parameters::Body, zone::Zones},
    publisher::{Publisher, Rules, Wake},
    settings::FleetState,
    store::{route53::Route53, table::TableStore},
    table::{DAY, Item, Table},
};
use tokio::time::{Instant, sleep, timeout};

/// The zone, as `NIC53_ZONES` has it.
const ZONES: &str = "example.org=Z1";
/// Hosts that are asked for one by one, of either family.
const SINGLE: [&str; 3] = ["home.example.org", "nas.example.org", "*.nas.example.org"];
/// A host whose addresses of both families are always asked for together, and have the same number.
const PAIR: &str = "pair.example.org";
/// Hosts that are always asked for together.
const TWINS: [&str; 2] = ["one.example.org", "two.example.org"];
/// A host that comes and goes.
const GUEST: &str = "guest.example.org";
/// A host that Route 53 refuses.
const REFUSED: &str = "refused.example.org";
/// Hosts that hands change.
const EDITED: [&str; 3] = ["edited.example.org", "moved.example.org", "handed.example.org"];
/// A host that hands change and nobody asks for.
const FREE: &str = "free.example.org";
/// Records that stay as they are.
const OTHERS: [&str; 6] = [
    "home.example.org. 300 TXT \"v=1\"",
    "example.org. 60 A 198.51.100.1",
    "site.example.org. 60 A 198.51.100.2",
    "www.example.org. 60 CNAME home.example.org.",
    "cdn.example.org. ALIAS A target.example.net.",
    "blue.example.org. 60 A 198.51.100.3 @blue",
];
/// The first seed.
const FIRST_SEED: u64 = 53_000_000;
/// How many runs there were in this process.
static RUNS: AtomicU64 = AtomicU64::new(0);
/// How often a request is planned at most: so often it may write.
const PLANS: usize = 3;
/// The heading of the numbers.
const HEADING: &str = "A fleet with a failing network, dying publishers and hands that change things";

#[test]
fn whatever_happens_to_a_fleet_what_was_promised_comes_to_be() {
    if let Some(seed) = env::var_os("NIC53_FLEET_SEED") {
        let seed = seed.to_str().expect("NIC53_FLEET_SEED: expected a number");
        let (seed, bug) = seed.split_once(':').unwrap_or((seed, ""));
        let bug = Bug::FOUND_AT.into_iter().map(|(bug, _)| bug).find(|one| format!("{one:?}") == bug);
        let seed = seed.parse().expect("NIC53_FLEET_SEED: expected a number");
        panic!("{}", Run::new(seed, &aws_config(), bug, bug));
    }
    let runs = u64::from(iterations(100, 4000));
    let aws = aws_config();
    let threads = thread::available_parallelism().map_or(1, usize::from);
    let play = |seed| Tally::of(&Run::new(seed, &aws, None, None));
    let tally = thread::scope(|scope| {
        let seeds = |first| (FIRST_SEED + first..FIRST_SEED + runs).step_by(threads);
        let worker = |first| scope.spawn(move || seeds(first).map(play).fold(Tally::default(), Tally::and));
        let workers: Vec<_> = (0..threads as u64).map(worker).collect();
        let tallies = workers.into_iter().map(|worker| worker.join().expect("a worker"));
        tallies.fold(Tally::default(), Tally::and)
    });
    assert!(tally.broken.is_empty(), "{}", tally.broken.join("\n\n"));
    tally.tell();
    if !is_thorough() {
        return;
    }
    // Many runs that met no trouble, or told nobody anything, would have shown nothing.
    for code in ["good", "nochg", "nohost", "dnserr"] {
        assert!(tally.replies.contains_key(code), "nobody was told {code}: {:?}", tally.replies);
    }
    assert!(tally.crashes > 0 && tally.edits > 0 && tally.exact > 0);
}

#[test]
fn a_run_of_a_fleet_goes_as_it_went_before() {
    let aws = aws_config();
    for seed in 0..2 {
        let [first, second] = [(); 2].map(|()| Run::new(seed, &aws, None, None));
        assert_eq!(first.log, second.log, "{seed}");
    }
}

#[test]
fn every_rule_of_a_fleet_that_is_forgotten_is_found() {
    let aws = aws_config();
    // The first seed at which it is found, or how often it was planted in vain.
    let find = |(bug, seed): (Bug, u64)| {
        let seeds = if is_thorough() { 0..200 } else { seed..seed + 40 };
        let mut altered = 0;
        for seed in seeds {
            let run = Run::new(seed, &aws, Some(bug), Some(bug));
            altered += run.altered;
            if !run.violations.is_empty() {
                assert!(run.altered > 0, "{bug:?} {seed}: the rule was not forgotten: {run}");
                let sound = Run::new(seed, &aws, Some(bug), None);
                assert!(sound.violations.is_empty(), "{bug:?}: {sound}");
                return (bug, Ok(seed));
            }
        }
        (bug, Err(altered))
    };
    let found = thread::scope(|scope| {
        let threads = thread::available_parallelism().map_or(1, usize::from);
        let parts = Bug::FOUND_AT.chunks(Bug::FOUND_AT.len().div_ceil(threads));
        let workers: Vec<_> =
            parts.map(|bugs| scope.spawn(|| bugs.iter().map(|bug| find(*bug)).collect::<Vec<_>>())).collect();
        workers.into_iter().flat_map(|worker| worker.join().expect("a worker")).collect::<Vec<_>>()
    });
    assert!(found.iter().all(|(_, seed)| seed.is_ok()), "{found:?}");
    let runs = found.iter().filter_map(|(_, seed)| seed.ok()).max().unwrap_or_default() + 1;
    record(HEADING, "rules forgotten on purpose", &format!("{}, each found within {runs} runs", found.len()));
}

/// The configuration that all AWS clients share.
fn aws_config() -> SdkConfig {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(nic53::aws::config()).expect("a configuration")
}

/// What came of a run.
struct Run {
    /// The seed of all randomness.
    seed: u64,
    /// What happened, in order.
    log: Vec<String>,
    /// Replies by code.
    replies: BTreeMap<String, u64>,
    /// Trouble by kind.
    troubles: BTreeMap<&'static str, u64>,
    /// Publishers that died, and changes by hand.
    crashes_and_edits: [u64; 2],
    /// Whether no batch came late or twice and no hand was at work, so that no pass is needed.
    is_exact: bool,
    /// Calls that the bug has altered.
    altered: u64,
    /// What must not be.
    violations: Vec<String>,
}

/// How a run is.
#[derive(Clone, Copy, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is drawn by itself")]
struct Plan {
    /// How many calls of a hundred are in trouble.
    trouble: u8,
    /// Whether batches come late and twice.
    is_late: bool,
    /// Whether it begins in `prepare`, with a table kept from before.
    is_prepared: bool,
    /// Whether it ends in `drain`.
    is_drained: bool,
    /// Whether hands change records.
    has_hands: bool,
    /// Whether they make and remove nothing but addresses.
    are_hands_plain: bool,
    /// How often hands are at work, or would be.
    rounds: u8,
    /// How often passes go round, in seconds.
    pass_every: u64,
    /// Whether a list is on its way for so long that much may change meanwhile.
    has_slow_lists: bool,
    /// Whether the host that comes and goes is gone for a month.
    has_guest: bool,
    /// Whether most ask for the same host.
    is_crowded: bool,
    /// If all ask for the same host, how many addresses they want it to have; else 0.
    torn_between: u8,
    /// Whether publishers hardly rest, so that two of them are often at the same host.
    is_eager: bool,
    /// How many calls of a hundred kill their publisher.
    deaths: u8,
}

/// What was asked and answered.
#[derive(Clone, Debug)]
struct Exchange {
    /// The hosts, in order.
    hosts: Vec<&'static str>,
    /// The numbers of the addresses that they are to have, by family; `None` for as it is.
    numbers: [Option<u8>; 2],
    /// Whether they are to have none.
    is_offline: bool,
    /// When it was asked and answered, in the order of all that happened.
    called: usize,
    /// The same.
    ended: usize,
    /// The lines of the reply; none if nobody waited for it.
    lines: Vec<String>,
}

/// Everything that clients, publishers and hands share.
struct World {
    /// The fakes and the clock.
    fleet: Fleet,
    /// The network.
    weather: Weather,
    /// The rule that is forgotten.
    bug: Option<Bug>,
    /// How the run is.
    plan: Plan,
    /// The gateways that use Route 53 alone, and those that use the table.
    stateless: Vec<Gateway<Route53>>,
    /// The same by state: `on`, `on` and narrowed, `drain`.
    fleets: Vec<[Gateway<TableStore>; 3]>,
    /// What changes.
    now: Mutex<Now>,
}

/// What changes in a world.
#[derive(Default)]
struct Now {
    /// The state of the gateway.
    phase: Phase,
    /// The state of the publisher, which is switched first.
    publishes: Option<FleetState>,
    /// Publishers that work, by their state.
    at_work: Vec<FleetState>,
    /// Clients that will still ask.
    clients: usize,
    /// When it is over.
    is_over: bool,
    /// What happened.
    log: Vec<String>,
    /// Exchanges that have ended.
    exchanges: Vec<Exchange>,
    /// Numbers of addresses that were used.
    numbers: u8,
    /// Publishers so far.
    publishers: usize,
    /// Publishers that died, and changes by hand.
    crashes_and_edits: [u64; 2],
    /// What hands have made that nobody may change, by host.
    hand_made: BTreeMap<&'static str, String>,
    /// How often the table and Route 53 had changed when they were looked at last.
    looked_at: Option<(u64, u32)>,
    /// The version of each host as it was then.
    versions: BTreeMap<String, u64>,
    /// What must not be.
    violations: BTreeSet<String>,
}

/// Where the gateway of a deployment is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Phase {
    /// The gateway uses Route 53; the table is filled.
    Prepare,
    /// The gateway uses the table.
    #[default]
    On,
    /// The same, and it may not change Route 53.
    Narrow,
    /// The gateway uses Route 53 but for what is pending.
    Drain,
}

impl Plan {
    /// Draws one.
    fn draw(random: &mut Rng) -> Self {
        Self {
            trouble: *random.choice(&[0, 5, 15, 30]).expect("not empty"),
            is_late: random.bool(),
            is_prepared: random.u8(0..3) == 0,
            is_drained: random.u8(0..4) == 0,
            has_hands: random.u8(0..3) == 0,
            are_hands_plain: random.u8(0..3) == 0,
            rounds: random.u8(1..4),
            pass_every: *random.choice(&[4, 20, 100_000]).expect("not empty"),
            has_slow_lists: random.u8(0..4) == 0,
            has_guest: random.bool(),
            is_crowded: random.bool(),
            torn_between: *random.choice(&[0, 0, 0, 0, 0, 2, 6]).expect("not empty"),
            is_eager: random.u8(0..4) == 0,
            deaths: *random.choice(&[0, 3, 10]).expect("not empty"),
        }
    }

    /// The same, such that a run needs this rule.
    fn that_needs(self, rule: Bug) -> Self {
        let plain = Self { is_late: false, is_prepared: false, is_drained: false, has_hands: false, ..self };
        match rule {
            Bug::Upsert => Self { has_hands: true, trouble: 0, ..plain },
            Bug::PassWithoutCondition => {
                let racing = Self { has_slow_lists: true, is_eager: true, trouble: 0, ..plain };
                Self { has_hands: true, are_hands_plain: true, rounds: 4, pass_every: 4, ..racing }
            }
            Bug::MarkUnseen => Self { trouble: 30, is_eager: true, torn_between: 2, pass_every: 100_000, ..plain },
            Bug::AdoptWithoutCondition => {
                let racing = Self { has_slow_lists: true, is_eager: true, trouble: 0, deaths: 0, ..plain };
                Self { has_hands: true, are_hands_plain: true, rounds: 4, pass_every: 100_000, ..racing }
            }
            Bug::HeardWithoutCondition | Bug::StillExpires => Self { has_guest: true, ..self },
            Bug::VersionFalls => Self { is_prepared: true, ..self },
            Bug::RestoredWhereRoute53IsRight => Self { is_drained: true, ..self },
            Bug::GatewaySwitchedFirst => Self { is_prepared: true, is_drained: true, has_slow_lists: true, ..plain },
            _ => self,
        }
    }

    /// Whether what is promised and not pending is in Route 53 at every moment, without a pass: no batch comes
    /// late, and nobody writes Route 53 but publishers.
    fn is_exact(self) -> bool {
        !self.has_hands && !self.is_late && !self.is_prepared
    }
}

impl Run {
    /// Plays a seed. What happens is such that a rule is needed, if one is given; and a rule is forgotten, if
    /// one is given.
    fn new(seed: u64, aws: &SdkConfig, needed: Option<Bug>, forgotten: Option<Bug>) -> Self {
        fastrand::seed(seed);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
        runtime.expect("a runtime").block_on(Self::play(seed, aws, needed, forgotten))
    }

    /// The same, on a runtime whose clock stands still.
    async fn play(seed: u64, aws: &SdkConfig, needed: Option<Bug>, forgotten: Option<Bug>) -> Self {
        let mut random = Rng::with_seed(seed);
        let plan = Plan::draw(&mut random);
        let plan = needed.map_or(plan, |rule| plan.that_needs(rule));
        let world = World::new(aws, plan, random.fork(), forgotten).await;
        world.now().clients = 3;
        // Each is polled by itself, which is much cheaper than all of them whenever one has something to do.
        let mut parts = FuturesUnordered::new();
        parts.push(world.story(random.fork()).boxed_local());
        parts.extend((0..3).map(|client| world.client(client, random.fork()).boxed_local()));
        parts.extend((0..2).map(|_| world.publisher(random.fork()).boxed_local()));
        parts.push(world.watch().boxed_local());
        while parts.next().await.is_some() {}
        drop(parts);
        world.settle().await;
        world.into_run(seed)
    }
}

impl World {
    /// A world before anything happened.
    async fn new(aws: &SdkConfig, plan: Plan, mut random: Rng, bug: Option<Bug>) -> Self {
        // The SDK counts retries by region, for all clients of a process: no run is to use up another one's.
        let region = Region::new(format!("run-{}", RUNS.fetch_add(1, Ordering::Relaxed)));
        let aws = aws.clone().into_builder().region(region).build();
        let fleet = Fleet::with_aws(Zones::parse(ZONES).expect("zones"), aws);
        for line in OTHERS {
            fleet.route53.put("Z1", line).expect("a record set");
        }
        for host in SINGLE.into_iter().chain(EDITED) {
            if random.bool() {
                let name = host.replace('*', "\\052");
                fleet.route53.put("Z1", &format!("{name}. 60 A 192.0.2.{}", random.u8(1..4))).expect("a record set");
            }
        }
        if plan.is_prepared {
            // A table that was kept from before.
            fleet.promise(SINGLE[0], "60 203.0.113.9");
            fleet.promise(GUEST, "60 203.0.113.10");
        }
        fleet.route53.refuse(&format!("{REFUSED}."));
        fleet.route53.set_naming(*random.choice(&[Naming::All, Naming::Two, Naming::Nobody]).expect("not empty"));
        fleet.route53.take_time(Duration::from_millis(*random.choice(&[0, 100, 400]).expect("not empty")));
        if plan.has_slow_lists {
            fleet.route53.delay_lists(Duration::from_millis(1_200));
        }
        let weather = Weather::new(random.u64(..), bug);
        weather.set_trouble(plan.trouble);
        weather.set_late(plan.is_late);
        weather.set_believed(fleet.believed());
        let mut world =
            Self { weather, bug, plan, stateless: Vec::new(), fleets: Vec::new(), now: Mutex::default(), fleet };
        let (phase, state) =
            if plan.is_prepared { (Phase::Prepare, FleetState::Prepare) } else { (Phase::On, FleetState::On) };
        world.now().phase = phase;
        world.now().publishes = Some(state);
        for who in 0..2 {
            let setting = |name: &str| match name {
                "NIC53_ZONES" => Some(ZONES.to_owned()),
                "NIC53_ALLOW_OFFLINE" => Some("true".to_owned()),
                _ => None,
            };
            let route53 =
                || Route53::new(&world.weather.configure(who, world.fleet.route53.configure(world.fleet.aws())));
            let stateless = gateway::gateway(FrontEnd::HttpApi, route53(), setting).await.expect("settings");
            let mut fleets = Vec::new();
            for (state, narrow) in [(FleetState::On, false), (FleetState::On, true), (FleetState::Drain, false)] {
                let fleet = Fleet::settings(state, narrow);
                let (table, route53) = (world.table(who), route53());
                let store = TableStore::new(table, move || route53, &fleet);
                fleets.push(gateway::gateway(FrontEnd::HttpApi, store, setting).await.expect("settings"));
            }
            world.stateless.push(stateless);
            world.fleets.push(fleets.try_into().ok().expect("three"));
        }
        world
    }

    /// The table as one of the callers reaches it.
    fn table(&self, who: usize) -> Table {
        let aws = self.weather.configure(who, self.fleet.dynamodb.configure(self.fleet.aws()));
        Table::new(&aws, "nic53").with_clock(self.fleet.clock())
    }

    /// What changes.
    fn now(&self) -> MutexGuard<'_, Now> {
        self.now.lock().expect("no panic")
    }

    /// Notes what happened, and gives its place in the order of all that happened.
    fn note(&self, what: &str) -> usize {
        let mut now = self.now();
        let millis = self.fleet.now() % DAY;
        now.log.push(format!("{millis:>8} ms {what}"));
        now.log.len() - 1
    }

    /// Something that must not be.
    fn violation(&self, what: String) {
        self.now().violations.insert(what);
    }

    /// The story to its end: when it is told, all clients have asked and nothing is late any more, it is over.
    async fn story(&self, mut random: Rng) {
        self.states(&mut random).await;
        while self.now().clients > 0 {
            sleep(Duration::from_millis(500)).await;
        }
        // What is still under way arrives, or never does; from now on all is well.
        self.weather.set_trouble(0);
        sleep(Duration::from_secs(2)).await;
        while self.weather.is_something_late() {
            sleep(Duration::from_millis(500)).await;
        }
        self.now().is_over = true;
    }

    /// The states in their order, and what hands do meanwhile.
    async fn states(&self, random: &mut Rng) {
        if self.plan.is_prepared {
            // The gateway writes Route 53, and a pass goes round.
            sleep(Duration::from_secs(random.u64(5..15))).await;
            self.pass().await;
            self.change_over(FleetState::On, Phase::On, random).await;
        }
        for _ in 0..self.plan.rounds {
            sleep(Duration::from_secs(random.u64(1..10))).await;
            if self.plan.has_hands {
                self.hands(random).await;
            }
            if self.plan.has_guest && random.bool() {
                self.come_back(random).await;
            }
        }
        if random.bool() {
            if self.plan.is_prepared {
                // No request is under way any more that knows nothing of the table.
                sleep(Duration::from_mins(1)).await;
            }
            self.pass().await;
            self.switch(Phase::Narrow, random).await;
            sleep(Duration::from_secs(random.u64(1..10))).await;
        }
        if self.plan.is_drained {
            self.switch(Phase::On, random).await;
            self.change_over(FleetState::Drain, Phase::Drain, random).await;
            sleep(Duration::from_secs(random.u64(1..10))).await;
        }
    }

    /// Hands change records, while routers ask for them, and maybe while a pass goes round.
    async fn hands(&self, random: &mut Rng) {
        if random.bool() {
            // Before that some are promised and published, and may be published again.
            for host in EDITED {
                if random.bool() {
                    let number = Some(self.number());
                    self.ask(0, &mut random.fork(), vec![host], [number, None], false).await;
                }
            }
            sleep(Duration::from_millis(random.u64(10_000..14_000))).await;
        }
        if random.bool() {
            self.ask_for_pass();
            sleep(Duration::from_millis(random.u64(0..2_500))).await;
        }
        for host in EDITED {
            self.edit(host, random);
        }
        let free = format!("{FREE}. 60 A 198.51.100.{}", random.u8(10..200));
        self.fleet.route53.remove("Z1", &format!("{FREE}."));
        self.fleet.route53.put("Z1", &free).expect("a record set");
        self.now().hand_made.insert(FREE, free);
        let most = *random.choice(&[500, 4_000]).expect("not empty");
        let asks = EDITED.map(|host| (host, Duration::from_millis(random.u64(0..most)), random.fork()));
        let asks = asks.into_iter().map(|(host, pause, mut luck)| async move {
            sleep(pause).await;
            let number = Some(luck.u8(1..4));
            self.ask(0, &mut luck, vec![host], [number, None], false).await;
        });
        join_all(asks).await;
    }

    /// A host is gone for a month, and asks again at the moment at which DynamoDB removes its item.
    async fn come_back(&self, random: &mut Rng) {
        let number = Some(self.number());
        self.ask(0, &mut random.fork(), vec![GUEST], [None, None], true).await;
        sleep(Duration::from_millis(random.u64(0..5_000))).await;
        for (host, item) in self.fleet.dynamodb.items("Z1") {
            let yesterday = item.heard.map(|day| serde_json::json!({ "N": (day - 1).to_string() }));
            self.fleet.dynamodb.set("Z1", &host, "s", yesterday);
        }
        let (mut luck, pause) = (random.fork(), random.u64(0..120));
        let removed = async {
            sleep(Duration::from_millis(pause)).await;
            self.fleet.dynamodb.expire((self.fleet.now() + 40 * DAY) / 1000);
            self.note("DynamoDB removes what has expired");
        };
        tokio::join!(self.ask(0, &mut luck, vec![GUEST], [number, None], false), removed);
    }

    /// Asks for a pass from the beginning.
    fn ask_for_pass(&self) {
        self.fleet.dynamodb.set_zone("Z1", "c", None);
        self.fleet.dynamodb.set_zone("Z1", "ca", Some(serde_json::json!({ "N": "0" })));
    }

    /// Waits until a pass went round that began from now on.
    async fn pass(&self) {
        self.ask_for_pass();
        let went_round = || self.fleet.dynamodb.zone_number("Z1", "ca").is_some_and(|at| at > 0);
        for _ in 0..600 {
            if went_round() {
                break;
            }
            sleep(Duration::from_millis(500)).await;
        }
    }

    /// Switches the publishers, and then the gateway.
    async fn change_over(&self, state: FleetState, phase: Phase, random: &mut Rng) {
        if self.bug == Some(Bug::GatewaySwitchedFirst) {
            self.weather.count_altered();
            self.switch(phase, random).await;
            self.ask_for_pass();
            sleep(Duration::from_secs(random.u64(5..15))).await;
            return self.switch_publisher(state).await;
        }
        self.switch_publisher(state).await;
        self.switch(phase, random).await;
    }

    /// Starts publishers of another state, and waits until those of the old one are done.
    async fn switch_publisher(&self, state: FleetState) {
        self.now().publishes = Some(state);
        self.note(&format!("publishers: {state:?}"));
        while self.now().at_work.iter().any(|at_work| *at_work != state) {
            sleep(Duration::from_millis(500)).await;
        }
    }

    /// Switches the gateway, while requests of the old state are under way.
    async fn switch(&self, phase: Phase, random: &mut Rng) {
        self.now().phase = phase;
        self.note(&format!("{phase:?}"));
        sleep(Duration::from_millis(random.u64(0..2_000))).await;
    }

    /// A hand changes a record.
    fn edit(&self, host: &'static str, random: &mut Rng) {
        let name = format!("{host}.");
        self.fleet.route53.remove("Z1", &name);
        let kind = random.u8(0..6);
        let line = match if self.plan.are_hands_plain { kind % 2 * 5 } else { kind } {
            0 => format!("{name} 60 A 198.51.100.{}", random.u8(10..20)),
            3 => format!("{name} 60 CNAME elsewhere.example.net."),
            1 | 2 => format!("{name} ALIAS A elsewhere.example.net."),
            _ => String::new(),
        };
        if !line.is_empty() {
            self.fleet.route53.put("Z1", &line).expect("a record set");
        }
        // A gateway without the table may list before a hand and change after it.
        let is_kept = line.contains("elsewhere") && !self.plan.is_prepared && !self.plan.is_drained;
        let mut now = self.now();
        now.hand_made.remove(host);
        if is_kept {
            now.hand_made.insert(host, line.clone());
        }
        now.crashes_and_edits[1] += 1;
        drop(now);
        self.note(&format!("a hand: {host}: {line}"));
    }

    /// A client: it asks, waits, and asks again.
    async fn client(&self, client: usize, mut random: Rng) {
        let is_torn = self.plan.torn_between > 0;
        for _ in 0..random.usize(4..=7) + if is_torn { 3 } else { 0 } {
            if is_torn {
                sleep(Duration::from_millis(random.u64(0..3_000))).await;
                let number = Some(random.u8(1..=self.plan.torn_between));
                self.ask(client, &mut random, vec![SINGLE[0]], [number, None], false).await;
                continue;
            }
            sleep(Duration::from_millis(random.u64(0..8_000))).await;
            let numbers = [Some(random.u8(1..4)), Some(random.u8(1..4))];
            let families = [[numbers[0], None], [None, numbers[1]], [numbers[0], numbers[1]]];
            let single = if self.plan.is_crowded { SINGLE[0] } else { SINGLE[random.usize(..SINGLE.len())] };
            let (hosts, numbers, is_offline) = match random.u8(0..12) {
                0..5 => (vec![single], families[random.usize(..3)], false),
                5 | 6 => (vec![PAIR], [Some(self.number()); 2], false),
                7 => (TWINS.to_vec(), [Some(self.number()), None], false),
                8 => (vec![GUEST], [numbers[0], None], random.bool()),
                9 => (vec![EDITED[random.usize(..EDITED.len())]], [numbers[0], None], false),
                10 => (vec![REFUSED], [numbers[0], None], false),
                _ => (
                    vec![*random.choice(&["www.example.org", "cdn.example.org"]).expect("not empty")],
                    [Some(9), None],
                    false,
                ),
            };
            let hosts =
                if random.u8(0..10) == 0 && hosts == [single] && single != PAIR { vec![single, PAIR] } else { hosts };
            let (hosts, numbers) =
                if hosts.len() == 2 && hosts[1] == PAIR { (hosts, [Some(self.number()); 2]) } else { (hosts, numbers) };
            self.ask(client, &mut random, hosts, numbers, is_offline).await;
        }
        self.now().clients -= 1;
    }

    /// A number of an address that nobody else has.
    fn number(&self) -> u8 {
        let mut now = self.now();
        now.numbers += 1;
        100 + now.numbers
    }

    /// Asks for hosts, and notes what comes of it.
    async fn ask(
        &self,
        client: usize,
        random: &mut Rng,
        hosts: Vec<&'static str>,
        numbers: [Option<u8>; 2],
        is_offline: bool,
    ) {
        let addresses: Vec<String> = [("192.0.2.", numbers[0]), ("2001:db8::", numbers[1])]
            .into_iter()
            .filter_map(|(prefix, number)| number.map(|number| format!("{prefix}{number}")))
            .collect();
        let wish = if is_offline { "offline=YES".to_owned() } else { format!("myip={}", addresses.join(",")) };
        let token = gateway::token("subtree example.org", &Zones::parse(ZONES).expect("zones")).expect("a token");
        let (parts, ()) = gateway::update(&format!("hostname={}&{wish}", hosts.join(",")), &token).into_parts();
        let phase = self.now().phase;
        let called = self.note(&format!("client {client} asks {phase:?} for {} {wish}", hosts.join(",")));
        let which = client % 2;
        let answer = async {
            let body = Body::Whole(b"");
            match phase {
                Phase::Prepare => self.stateless[which].answer(&parts, body, None).await,
                Phase::On => self.fleets[which][0].answer(&parts, body, None).await,
                Phase::Narrow => self.fleets[which][1].answer(&parts, body, None).await,
                Phase::Drain => self.fleets[which][2].answer(&parts, body, None).await,
            }
        };
        let patience =
            if random.u8(0..10) == 0 { Duration::from_millis(random.u64(1..500)) } else { Duration::from_hours(1) };
        let reply = timeout(patience, answer).await.ok();
        let lines: Vec<String> = reply.iter().flat_map(|reply| reply.body().split('\n')).map(str::to_owned).collect();
        let ended = self.note(&format!("client {client} is told {}", lines.join(" / ")));
        for (host, line) in hosts.iter().zip(&lines) {
            let is_other = OTHERS.iter().any(|other| other.starts_with(&format!("{host}. ")) && *host != SINGLE[0]);
            if is_other && !["nohost", "dnserr"].contains(&line.as_str()) {
                self.violation(format!("{host} is not to be touched, and {line} was said"));
            }
        }
        self.now().exchanges.push(Exchange { hosts, numbers, is_offline, called, ended, lines });
    }

    /// A publisher: it is woken, works, and may die at any moment. The next one is a new process.
    async fn publisher(&self, mut random: Rng) {
        while !self.now().is_over {
            let (who, state) = {
                let mut now = self.now();
                now.publishers += 1;
                let state = now.publishes.expect("a state");
                now.at_work.push(state);
                (GATEWAYS + now.publishers, state)
            };
            let publisher = self.new_publisher(who, state);
            let mut is_alive = true;
            while is_alive && !self.now().is_over && self.now().publishes == Some(state) {
                let longest = if self.plan.is_eager { 500 } else { 4_000 };
                sleep(Duration::from_millis(random.u64(100..longest))).await;
                // The rule's tick comes at any time, the stream's bell only if something is pending.
                let wake = match random.u8(0..4) {
                    0 => Wake::Tick,
                    _ if self.fleet.dynamodb.has_pending("Z1") => Wake::Zones(["Z1".to_owned()].into()),
                    _ => continue,
                };
                let time = Duration::from_millis(random.u64(2_000..15_000));
                let dies = random.u8(0..100) < self.plan.deaths * 3;
                let life = if dies { time.mul_f64(random.f64()) } else { Duration::from_mins(2) };
                if timeout(life, publisher.run(&wake, Instant::now() + time)).await.is_err() {
                    self.now().crashes_and_edits[0] += 1;
                    self.note(&format!("publisher {who} dies"));
                    is_alive = false;
                }
            }
            let mut now = self.now();
            let place = now.at_work.iter().position(|at_work| *at_work == state).expect("it is at work");
            now.at_work.swap_remove(place);
        }
    }

    /// A publisher of that number and state.
    fn new_publisher(&self, who: usize, state: FleetState) -> Publisher {
        let aws = self.weather.configure(who, self.fleet.route53.configure(self.fleet.aws()));
        let pace = if self.bug == Some(Bug::PaceIgnored) { 1_000.0 } else { 8.0 };
        if self.bug == Some(Bug::PaceIgnored) {
            self.weather.count_altered();
        }
        let pass_every = Duration::from_secs(self.plan.pass_every);
        let rules = Rules { pass_every, pace, ..Fleet::rules(state) };
        Publisher::new(&aws, self.table(who), self.fleet.zones().clone(), rules, captured::log())
    }

    /// Looks at the table and at Route 53 all the time: what must hold at every moment.
    async fn watch(&self) {
        let is_over = || {
            let now = self.now();
            now.is_over && now.at_work.is_empty()
        };
        while !is_over() {
            self.look();
            sleep(Duration::from_millis(50)).await;
        }
    }

    /// Looks once, if something has changed since the last time.
    fn look(&self) {
        self.look_at_calls();
        let changes = (self.fleet.dynamodb.changes(), self.fleet.route53.changes());
        if self.now().looked_at.replace(changes) == Some(changes) {
            return;
        }
        let (items, problems) = self.fleet.dynamodb.sound_items("Z1");
        for problem in problems {
            self.violation(format!("S8: {problem}"));
        }
        self.look_at_items(&items);
        self.look_at_records(&items);
    }

    /// Looks at the table.
    fn look_at_items(&self, items: &[(String, Item)]) {
        let versions = items.iter().map(|(host, item)| (host.clone(), item.version)).collect();
        let before = std::mem::replace(&mut self.now().versions, versions);
        let mut twins = Vec::new();
        for (host, item) in items {
            if let Some(rule) = item.broken_rule() {
                self.violation(format!("S8: {host}: {rule}: {item:?}"));
            }
            if before.get(host).is_some_and(|before| *before > item.version) {
                self.violation(format!("S8: {host}: its version has fallen from {}: {item:?}", before[host]));
            }
            let is_known = Family::BOTH.iter().all(|family| item.is_as_wanted(*family));
            if !is_known && !item.is_pending() && item.left_alone.is_none() {
                self.violation(format!("S8: {host}: what is not pending must be known to be there: {item:?}"));
            }
            if TWINS.contains(&host.as_str()) && item.is_promised() {
                twins.push(&item.wanted);
            }
        }
        // In `drain` each is taken over from Route 53 in its turn.
        if twins.len() == 2 && twins[0] != twins[1] && self.now().phase != Phase::Drain {
            self.violation(format!("S6: hosts of one request differ: {twins:?}"));
        }
    }

    /// Looks at what Route 53 was asked since the last time.
    fn look_at_calls(&self) {
        for call in self.fleet.route53.take_calls() {
            if call.operation != Called::Change {
                continue;
            }
            let created = |record_type: &str| {
                let start = format!("CREATE {PAIR}. 60 {record_type} ");
                let line = call.about.iter().find_map(|change| change.strip_prefix(&start));
                line.and_then(|address| address.rsplit(['.', ':']).next()?.parse::<u8>().ok())
            };
            if created("A") != created("AAAA") {
                self.violation(format!("S5: the families of a request are not together: {:?}", call.about));
            }
            self.note(&format!("Route 53 is asked for {:?}", call.about));
        }
    }

    /// Looks at Route 53.
    fn look_at_records(&self, items: &[(String, Item)]) {
        let records = self.fleet.route53.records("Z1");
        let hand_made = self.now().hand_made.clone();
        for other in OTHERS.into_iter().chain(hand_made.values().map(String::as_str)) {
            if !records.iter().any(|record| record == other) {
                self.violation(format!("S2: {other} has changed"));
            }
        }
        if !self.plan.is_exact() || self.now().phase == Phase::Drain {
            return;
        }
        for (host, item) in items.iter().filter(|(_, item)| item.is_promised() && !item.is_pending()) {
            let there = found(&records, host);
            if item.left_alone.is_none() && there != wanted(item) {
                self.violation(format!("S3: {host}: {item:?}, and there is {there:?}"));
            }
        }
    }

    /// All is well, and one publisher works until nothing is pending: what was promised is in Route 53.
    /// Then a pass goes round.
    async fn settle(&self) {
        let state = self.now().publishes.expect("a state");
        let publisher = self.new_publisher(1_000, state);
        self.until_nothing_is_pending(&publisher).await;
        if self.plan.is_exact() && state == FleetState::On {
            self.compare("S3, without a pass");
        }
        self.fleet.dynamodb.set_zone("Z1", "c", None);
        self.fleet.dynamodb.set_zone("Z1", "ca", None);
        self.until_nothing_is_pending(&publisher).await;
        self.look();
        self.compare("L1");
        self.check_pace();
        self.check_order();
    }

    /// Lets a publisher work until nothing is pending and no pass is due.
    async fn until_nothing_is_pending(&self, publisher: &Publisher) {
        for _ in 0..30 {
            Fleet::run(publisher, &Wake::Tick, Duration::from_secs(19)).await;
            let is_pending = |(_, item): &(String, Item)| item.due.is_some();
            let went_round = self.fleet.dynamodb.zone_number("Z1", "ca").is_some();
            if went_round && !self.fleet.dynamodb.items("Z1").iter().any(is_pending) {
                return;
            }
        }
        self.violation("L1: something is still pending after ten minutes".to_owned());
    }

    /// Compares the table with Route 53.
    fn compare(&self, what: &str) {
        let records = self.fleet.route53.records("Z1");
        let twins = TWINS.map(|twin| records.iter().find_map(|line| line.strip_prefix(&format!("{twin}. "))));
        if twins[0] != twins[1] {
            self.violation(format!("S6: hosts of one request differ in Route 53: {twins:?}"));
        }
        for (host, item) in self.fleet.dynamodb.items("Z1") {
            let is_other = OTHERS.iter().any(|other| other.starts_with(&format!("{host}. ")) && host != SINGLE[0]);
            let there = found(&records, &host);
            let is_well = match &item.left_alone {
                None => there == wanted(&item) || is_other,
                Some(left_alone) if left_alone.is_refused() => host == REFUSED,
                Some(_) => is_other || EDITED.contains(&host.as_str()),
            };
            if !is_well {
                self.violation(format!("{what}: {host}: {item:?}, and there is {there:?}"));
            }
        }
    }

    /// No publisher called faster than its pace, or for one zone twice at once.
    fn check_pace(&self) {
        let mut last: BTreeMap<usize, (Duration, Option<Duration>)> = BTreeMap::new();
        for call in self.weather.calls().into_iter().filter(|call| call.who > GATEWAYS) {
            if let Some((sent, ended)) = last.insert(call.who, (call.sent, call.ended)) {
                let pause = call.sent.saturating_sub(sent);
                if pause < Duration::from_millis(120) {
                    self.violation(format!("L3: publisher {} calls after {pause:?}", call.who));
                }
                if ended.is_none_or(|ended| ended > call.sent) {
                    self.violation(format!("L3: publisher {} has two calls of {} at once", call.who, call.zone));
                }
            }
        }
    }

    /// What clients were told can be put into one order, host by host and family by family.
    fn check_order(&self) {
        if self.plan.is_drained && self.plan.is_late {
            // The one exception that is promised: a batch may come so late that it undoes later ones. In `drain` no
            // pass puts that right, since Route 53 is right by then.
            return;
        }
        let exchanges = self.now().exchanges.clone();
        let records = self.fleet.route53.records("Z1");
        let may_lose = self.plan.trouble > 0;
        for host in SINGLE.into_iter().chain([PAIR, GUEST]).chain(TWINS) {
            for (index, record_type) in ["A", "AAAA"].into_iter().enumerate() {
                let operations: Vec<Operation> =
                    exchanges.iter().flat_map(|one| one.operations(host, index, may_lose)).collect();
                let name = host.replace('*', "\\052");
                let last = records.iter().find_map(|line| {
                    let rest = line.strip_prefix(&format!("{name}. ")).or(line.strip_prefix(&format!("{host}. ")))?;
                    let (_, addresses) = rest.split_once(&format!(" {record_type} "))?;
                    Some(value(addresses.split(' ').map(|address| address.parse().expect("an address"))))
                });
                let last = last.unwrap_or_else(|| value([]));
                let firsts: Vec<Value> =
                    [value([])].into_iter().chain((1..4).map(|number| value([address(index, number)]))).collect();
                // How it was at first is one of a few; it is not kept.
                if !firsts.iter().any(|first| is_linearizable(first, &last, &operations)) {
                    self.violation(format!(
                        "S9: no order explains {record_type} of {host}: {operations:?}, at last {last:?}"
                    ));
                }
            }
        }
    }

    /// What came of it.
    fn into_run(self, seed: u64) -> Run {
        let calls = [TableCall::Get, TableCall::Update, TableCall::Transact, TableCall::Query];
        let calls: u64 = calls.map(|operation| self.fleet.dynamodb.made(operation)).iter().sum();
        let lists = self.fleet.route53.made(Called::List);
        self.note(&format!("the end, after {calls} calls of the table, {lists} lists"));
        let now = self.now.into_inner().expect("no panic");
        let mut replies = BTreeMap::new();
        for exchange in &now.exchanges {
            for line in &exchange.lines {
                *replies.entry(line.split(' ').next().unwrap_or_default().to_owned()).or_default() += 1;
            }
        }
        Run {
            seed,
            replies,
            troubles: self.weather.troubles(),
            crashes_and_edits: now.crashes_and_edits,
            is_exact: self.plan.is_exact(),
            altered: self.weather.altered(),
            log: [vec![format!("{:?}", self.plan)], now.log].concat(),
            violations: now.violations.into_iter().collect(),
        }
    }
}

impl Exchange {
    /// What it did to one family of a host. If answers may have been lost, each plan of it may have written.
    fn operations(&self, host: &str, family: usize, may_lose: bool) -> Vec<Operation> {
        let Some(place) = self.hosts.iter().position(|asked| *asked == host) else { return Vec::new() };
        let wanted = match (self.is_offline, self.numbers[family]) {
            (true, _) => value([]),
            (false, Some(number)) => value([address(family, number)]),
            (false, None) => return Vec::new(),
        };
        let operation = |until, effect| Operation { from: self.called, until, effect };
        let written = |until| operation(until, Effect::MayHaveWritten(vec![wanted.clone()]));
        // What those plans wrote of which it does not know.
        let lost = vec![written(self.ended); if may_lose { PLANS - 1 } else { 0 }];
        match self.lines.get(place).and_then(|line| line.split(' ').next()) {
            Some("good") => [vec![operation(self.ended, Effect::Wrote(wanted.clone()))], lost].concat(),
            Some("nochg") => [vec![operation(self.ended, Effect::Saw(wanted.clone()))], lost].concat(),
            _ => vec![written(usize::MAX); PLANS],
        }
    }
}

/// What a host has in Route 53, by family: `60 A 192.0.2.7`.
fn found(records: &[String], host: &str) -> [Option<String>; 2] {
    let name = host.replace('*', "\\052");
    ["A", "AAAA"].map(|record_type| {
        records.iter().find_map(|line| {
            let (listed, set) = line.split_once(". ")?;
            let is_there = (listed == host || listed == name) && set.split(' ').nth(1) == Some(record_type);
            is_there.then(|| set.to_owned())
        })
    })
}

/// What it is to have.
fn wanted(item: &Item) -> [Option<String>; 2] {
    Family::BOTH.map(|family| item.wanted[family].as_ref().map(ToString::to_string))
}

/// A record set of these addresses.
fn value(addresses: impl IntoIterator<Item = std::net::IpAddr>) -> Value {
    Value { ttl: None, addresses: addresses.into_iter().collect() }
}

/// The address of that number.
fn address(family: usize, number: u8) -> std::net::IpAddr {
    let text = if family == 0 { format!("192.0.2.{number}") } else { format!("2001:db8::{number}") };
    text.parse().expect("an address")
}

impl fmt::Display for Run {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for line in self.log.iter().chain(&self.violations) {
            writeln!(f, "{line}")?;
        }
        write!(f, "NIC53_FLEET_SEED={}: {} violations", self.seed, self.violations.len())
    }
}

/// What many runs came to.
#[derive(Default)]
struct Tally {
    /// Runs.
    runs: u64,
    /// Runs of which no pass was needed.
    exact: u64,
    /// Replies by code.
    replies: BTreeMap<String, u64>,
    /// Trouble.
    troubles: u64,
    /// Publishers that died.
    crashes: u64,
    /// Changes by hand.
    edits: u64,
    /// Runs with violations.
    broken: Vec<String>,
}

impl Tally {
    /// One run.
    fn of(run: &Run) -> Self {
        Self {
            runs: 1,
            exact: u64::from(run.is_exact),
            replies: run.replies.clone(),
            troubles: run.troubles.values().sum(),
            crashes: run.crashes_and_edits[0],
            edits: run.crashes_and_edits[1],
            broken: if run.violations.is_empty() { Vec::new() } else { vec![run.to_string()] },
        }
    }

    /// Both together.
    fn and(mut self, other: Self) -> Self {
        self.runs += other.runs;
        self.exact += other.exact;
        for (code, count) in other.replies {
            *self.replies.entry(code).or_default() += count;
        }
        self.troubles += other.troubles;
        self.crashes += other.crashes;
        self.edits += other.edits;
        self.broken.extend(other.broken);
        self
    }

    /// Writes the numbers down.
    fn tell(&self) {
        let replies: Vec<_> = self.replies.iter().map(|(code, count)| format!("{count} `{code}`")).collect();
        for (what, found) in [
            ("runs, each of three clients, two gateways, two publishers", self.runs.to_string()),
            ("of them without late batches and hands: right without a pass", self.exact.to_string()),
            ("replies", replies.join(", ")),
            ("calls that were lost, late, doubled or failed", self.troubles.to_string()),
            ("publishers that died while they worked", self.crashes.to_string()),
            ("changes by hand", self.edits.to_string()),
            ("promises that were broken", self.broken.len().to_string()),
        ] {
            record(HEADING, what, &found);
        }
    }
}
