//! The loop: which zones are worked on, and for how long.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::{Mutex, PoisonError},
    time::Duration,
};

use futures_util::{StreamExt, future::BoxFuture, stream, stream::FuturesUnordered};
use tokio::time::{Instant, sleep_until};

use super::{
    Publisher, Wake,
    course::Course,
    noise::Noise,
    pass::Place,
    round::{Lane, Next, TABLE_LIMIT},
};
use crate::{
    problem::Problem,
    protocol::{
        hostname::HostName,
        zone::{Zone, ZoneId},
    },
    settings::FleetState,
    table::{HOLD_DOWN, Item, Millis},
};

/// How many zones are worked on at once.
const ZONES_AT_ONCE: usize = 8;

/// How often a run does what a tick is for. While it lasts there is nobody else to hear the rule.
const TICK: Duration = Duration::from_mins(1);

/// How often a run looks for zones that nothing was pending in. While it lasts there may be nobody else to
/// hear the stream, and it rings for a minute only.
const LOOK: Duration = Duration::from_secs(5);

/// What one run leaves to the next in the same process.
#[derive(Debug, Default)]
pub(crate) struct Memory(Mutex<Remembered>);

/// The same.
#[derive(Debug, Default)]
struct Remembered {
    /// How the batches of a zone went.
    courses: HashMap<ZoneId, Course>,
    /// Zones that rest until the next tick.
    resting: BTreeSet<ZoneId>,
    /// Zones of which a failed call was logged since the last tick.
    failing: BTreeSet<ZoneId>,
    /// Hosts that keep changing.
    noise: Noise,
    /// When the next tick is due. Runs that follow each other closely may keep the rule from being heard.
    next_tick: Option<Instant>,
}

/// A run of the publisher.
struct Run<'a> {
    /// The publisher.
    publisher: &'a Publisher,
    /// Zones that wait for their next step.
    waiting: Vec<Lane>,
    /// The zones whose step is under way, and whether they are to be compared with the table after it.
    under_way: BTreeMap<ZoneId, bool>,
    /// When the next tick is due.
    next_tick: Instant,
    /// When the table is looked at next; `None` while it is.
    next_look: Option<Instant>,
}

/// What has ended during a run.
enum Ended {
    /// A step of a zone.
    Step(Box<Lane>, Next),
    /// A look: what there is to do in some zones, and the time if it was a tick.
    Look(Result<Vec<Seen>, Problem>, Option<Millis>),
}

/// What there is to do in a zone.
struct Seen {
    /// The zone.
    zone: Zone,
    /// Since when its oldest pending host waits, if there is one.
    oldest: Option<Millis>,
    /// Where its pass is, if that was read.
    place: Option<Place>,
}

impl Publisher {
    /// Works until nothing is pending, or no step may begin any more.
    pub async fn run(&self, wake: &Wake, until: Instant) {
        let now = Instant::now();
        let mut run = Run {
            publisher: self,
            waiting: Vec::new(),
            under_way: BTreeMap::new(),
            next_tick: now,
            next_look: Some(now + LOOK),
        };
        if let Wake::Zones(ids) = wake {
            run.next_tick = self.memory.next_tick(now);
            for zone in self.zones.iter().filter(|zone| ids.contains(zone.id.as_str())) {
                if !self.memory.is_resting(&zone.id) {
                    run.add(zone.clone(), 0, false);
                }
            }
        }
        run.work(until).await;
    }

    /// What there is to do in these zones; with where their passes are, if that is wanted.
    async fn see(&self, zones: Vec<Zone>, with_places: bool) -> Result<Vec<Seen>, Problem> {
        let places = async { if with_places { self.places(&zones).await.map(Some) } else { Ok(None) } };
        let (places, oldest) = tokio::try_join!(places, self.oldest(&zones))?;
        let mut places = places.into_iter().flatten();
        let seen = zones.into_iter().zip(oldest);
        Ok(seen.map(|(zone, oldest)| Seen { zone, oldest, place: places.next() }).collect())
    }

    /// Since when the oldest pending host of each zone waits, in their order.
    async fn oldest(&self, zones: &[Zone]) -> Result<Vec<Option<Millis>>, Problem> {
        let ids: Vec<ZoneId> = zones.iter().map(|zone| zone.id.clone()).collect();
        let oldest = ids.into_iter().map(|id| async move {
            let page = self.table.pending(&id, 1, None, Instant::now() + TABLE_LIMIT).await?;
            Ok(page.found.first().map(|(_, due)| *due))
        });
        let oldest: Vec<_> = stream::iter(oldest).buffered(ZONES_AT_ONCE).collect().await;
        oldest.into_iter().collect()
    }
}

impl<'a> Run<'a> {
    /// Works until no zone waits, or no step may begin any more.
    async fn work(&mut self, until: Instant) {
        let publisher = self.publisher;
        let mut steps = FuturesUnordered::new();
        loop {
            let now = Instant::now();
            if now < until {
                steps.extend(self.look(now));
            }
            while self.under_way.len() < ZONES_AT_ONCE
                && self.turn() < until
                && let Some(lane) = self.next_lane(now)
            {
                self.under_way.insert(lane.zone.id.clone(), false);
                steps.push(step(publisher, Box::new(lane)));
            }
            let is_over = self.turn() >= until;
            if steps.is_empty() && (is_over || self.waiting.is_empty()) {
                break;
            }
            let is_free = self.under_way.len() < ZONES_AT_ONCE;
            let ready = self.waiting.iter().map(|lane| lane.ready).min().filter(|_| is_free);
            let wake = ready.into_iter().chain(self.next_look).fold(self.next_tick.min(until), Instant::min);
            tokio::select! {
                Some(ended) = steps.next(), if !steps.is_empty() => self.finish(ended),
                () = sleep_until(wake), if !is_over => {}
            }
        }
        self.waiting.drain(..).for_each(|lane| publisher.memory.keep(lane.zone.id, lane.course));
    }

    /// When Route 53 may be called by a step that begins now, if each that is under way makes a call before.
    fn turn(&self) -> Instant {
        self.publisher.calls.pace().turn_after(self.under_way.len())
    }

    /// Begins to look for what there is to do, if it is time for it.
    fn look(&mut self, now: Instant) -> Option<BoxFuture<'a, Ended>> {
        let Self { publisher, .. } = *self;
        let Publisher { memory, zones, rules, .. } = publisher;
        let is_tick = now >= self.next_tick;
        if !is_tick && self.next_look.is_none_or(|next| now < next) {
            return None;
        }
        self.next_look = None;
        if is_tick {
            self.next_tick = memory.tick(now);
        }
        let is_idle = |zone: &Zone| {
            let is_at_work =
                self.under_way.contains_key(&zone.id) || self.waiting.iter().any(|lane| lane.zone == *zone);
            !is_at_work && !memory.is_resting(&zone.id) && rules.state != FleetState::Prepare
        };
        let zones = zones.iter().filter(|zone| is_tick || is_idle(zone)).cloned().collect();
        let tick = is_tick.then(|| publisher.table.now());
        Some(Box::pin(async move { Ended::Look(publisher.see(zones, is_tick).await, tick) }))
    }

    /// Of the zones whose next step may begin, the one that has waited longest.
    fn next_lane(&mut self, now: Instant) -> Option<Lane> {
        let ready = self.waiting.iter().enumerate().filter(|(_, lane)| lane.ready <= now);
        let (oldest, _) = ready.min_by_key(|(_, lane)| lane.since)?;
        Some(self.waiting.swap_remove(oldest))
    }

    /// Goes on after a step, or a look.
    fn finish(&mut self, ended: Ended) {
        let Publisher { log, .. } = self.publisher;
        let (seen, tick) = match ended {
            Ended::Step(lane, next) => return self.go_on(*lane, next),
            Ended::Look(seen, tick) => (seen, tick),
        };
        self.next_look = Some(Instant::now() + LOOK);
        match seen {
            Ok(seen) => {
                if let Some(now) = tick {
                    let age = seen.iter().filter_map(|seen| seen.oldest).map(|since| now.saturating_sub(since)).max();
                    log.pending(age.unwrap_or_default() / 1000);
                }
                for seen in seen {
                    self.take_on(seen);
                }
            }
            Err(problem) => log.error(&problem.to_string()),
        }
    }

    /// Takes on a zone that has something pending or has to be compared with the table.
    fn take_on(&mut self, Seen { zone, oldest, place }: Seen) {
        let Publisher { rules, table, .. } = self.publisher;
        let every = u64::try_from(rules.pass_every.as_millis()).unwrap_or(u64::MAX);
        let now = table.now();
        let is_passing = place.is_some_and(|place| place.is_due(now, every));
        let is_pending = rules.state != FleetState::Prepare && oldest.is_some_and(|due| due <= now + HOLD_DOWN);
        if is_passing || is_pending {
            self.add(zone, oldest.unwrap_or(now), is_passing);
        }
    }

    /// Goes on with a zone after its step.
    fn go_on(&mut self, mut lane: Lane, next: Next) {
        let Publisher { memory, log, .. } = self.publisher;
        let is_to_pass = self.under_way.remove(&lane.zone.id).unwrap_or_default();
        lane.is_passing |= is_to_pass;
        match next {
            Next::At(ready) => {
                lane.ready = ready;
                self.waiting.push(lane);
            }
            Next::Done if is_to_pass => {
                lane.ready = Instant::now();
                self.waiting.push(lane);
            }
            Next::Done => memory.keep(lane.zone.id, lane.course.at_rest()),
            Next::Rest(reason) => {
                log.error(&format!("zone {}: {reason}: it rests until the next tick", lane.zone.name));
                memory.rest(lane.zone.id.clone());
                memory.keep(lane.zone.id, lane.course);
            }
        }
    }

    /// Adds a zone, unless it is worked on.
    fn add(&mut self, zone: Zone, since: Millis, is_passing: bool) {
        if let Some(is_to_pass) = self.under_way.get_mut(&zone.id) {
            *is_to_pass |= is_passing;
            return;
        }
        if let Some(lane) = self.waiting.iter_mut().find(|lane| lane.zone.id == zone.id) {
            lane.is_passing |= is_passing;
            return;
        }
        let course = self.publisher.memory.take(&zone.id);
        self.waiting.push(Lane { zone, course, is_passing, since, ready: Instant::now() });
    }
}

/// Makes the next step of a zone.
fn step(publisher: &Publisher, mut lane: Box<Lane>) -> BoxFuture<'_, Ended> {
    Box::pin(async move {
        let next = publisher.step(&mut lane).await;
        Ended::Step(lane, next)
    })
}

impl Memory {
    /// How the batches of a zone went.
    fn take(&self, zone: &ZoneId) -> Course {
        self.with(|remembered| remembered.courses.remove(zone)).unwrap_or_else(Course::new)
    }

    /// Keeps that for the next run.
    fn keep(&self, zone: ZoneId, course: Course) {
        self.with(|remembered| remembered.courses.insert(zone, course.without_denial()));
    }

    /// A zone rests until the next tick.
    fn rest(&self, zone: ZoneId) {
        self.with(|remembered| remembered.resting.insert(zone));
    }

    /// Whether a zone rests.
    fn is_resting(&self, zone: &ZoneId) -> bool {
        self.with(|remembered| remembered.resting.contains(zone))
    }

    /// Whether a call of a zone that failed is to be logged: the first one after a tick is.
    pub(crate) fn is_first_failure(&self, zone: &ZoneId) -> bool {
        self.with(|remembered| remembered.failing.insert(zone.clone()))
    }

    /// Counts the changes of a host that is published. Gives how many they were of late if that is to be
    /// said.
    pub(crate) fn count_changes(&self, zone: &ZoneId, host: &HostName, item: &Item, now: Millis) -> Option<u64> {
        self.with(|remembered| remembered.noise.count(zone, host, item, now))
    }

    /// A tick has come: no zone rests any more, and failures are logged again. Gives when the next one is due.
    fn tick(&self, now: Instant) -> Instant {
        self.with(|remembered| {
            remembered.resting.clear();
            remembered.failing.clear();
            *remembered.next_tick.insert(now + TICK)
        })
    }

    /// When the next tick is due: a minute after the last one, or after the process began to work.
    fn next_tick(&self, now: Instant) -> Instant {
        self.with(|remembered| *remembered.next_tick.get_or_insert(now + TICK))
    }

    /// Reads or changes it. A panic while it was locked left it whole.
    fn with<T>(&self, act: impl FnOnce(&mut Remembered) -> T) -> T {
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
