//! The loop: which zones are worked on, and for how long.

use std::{
    collections::{BTreeSet, HashMap},
    sync::{Mutex, PoisonError},
    time::Duration,
};

use futures_util::{StreamExt, stream, stream::FuturesUnordered};
use tokio::time::{Instant, sleep_until};

use super::{
    Publisher, Wake,
    course::Course,
    noise::Noise,
    round::{Lane, Next, TABLE_LIMIT},
};
use crate::{
    problem::Problem,
    protocol::{
        hostname::HostName,
        zone::{Zone, ZoneId},
    },
    settings::FleetState,
    table::{Item, Millis},
};

/// How many zones are worked on at once.
const ZONES_AT_ONCE: usize = 8;

/// How often a run does what a tick is for. While it lasts there is nobody else to hear the rule.
const TICK: Duration = Duration::from_mins(1);

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
    /// Hosts that keep changing.
    noise: Noise,
}

/// A run of the publisher.
struct Run<'a> {
    /// The publisher.
    publisher: &'a Publisher,
    /// Zones that wait for their next step.
    waiting: Vec<Lane>,
    /// The zones whose step is under way.
    under_way: BTreeSet<ZoneId>,
    /// When the next tick is due.
    next_tick: Instant,
}

impl Publisher {
    /// Works until nothing is pending, or no step may begin any more.
    pub async fn run(&self, wake: &Wake, until: Instant) {
        let mut run =
            Run { publisher: self, waiting: Vec::new(), under_way: BTreeSet::new(), next_tick: Instant::now() };
        if let Wake::Zones(ids) = wake {
            run.next_tick += TICK;
            for zone in self.zones.iter().filter(|zone| ids.contains(zone.id.as_str())) {
                if !self.memory.is_resting(&zone.id) {
                    run.add(zone.clone(), 0, false);
                }
            }
        }
        run.work(until).await;
    }
}

impl Run<'_> {
    /// Works until no zone waits, or no step may begin any more.
    async fn work(&mut self, until: Instant) {
        let publisher = self.publisher;
        let mut steps = FuturesUnordered::new();
        loop {
            let now = Instant::now();
            if now >= self.next_tick && now < until {
                self.next_tick = now + TICK;
                self.tick().await;
            }
            while steps.len() < ZONES_AT_ONCE
                && Instant::now() < until
                && let Some(mut lane) = self.next_lane()
            {
                self.under_way.insert(lane.zone.id.clone());
                steps.push(async move {
                    let next = Box::pin(publisher.step(&mut lane)).await;
                    (lane, next)
                });
            }
            let is_over = Instant::now() >= until;
            if steps.is_empty() && (is_over || self.waiting.is_empty()) {
                break;
            }
            let wake = self.waiting.iter().map(|lane| lane.ready).min().filter(|_| steps.len() < ZONES_AT_ONCE);
            let wake = wake.unwrap_or(self.next_tick).min(self.next_tick).min(until);
            tokio::select! {
                Some((lane, next)) = steps.next(), if !steps.is_empty() => self.finish(lane, next),
                () = sleep_until(wake), if !is_over => {}
            }
        }
        self.waiting.drain(..).for_each(|lane| publisher.memory.keep(lane.zone.id, lane.course));
    }

    /// Of the zones whose next step may begin, the one that has waited longest.
    fn next_lane(&mut self) -> Option<Lane> {
        let now = Instant::now();
        let ready = self.waiting.iter().enumerate().filter(|(_, lane)| lane.ready <= now);
        let (oldest, _) = ready.min_by_key(|(_, lane)| lane.since)?;
        Some(self.waiting.swap_remove(oldest))
    }

    /// Takes a zone back after its step.
    fn finish(&mut self, mut lane: Lane, next: Next) {
        let Publisher { memory, log, .. } = self.publisher;
        self.under_way.remove(&lane.zone.id);
        match next {
            Next::At(ready) => {
                lane.ready = ready;
                self.waiting.push(lane);
            }
            Next::Done => memory.keep(lane.zone.id, lane.course),
            Next::Rest(reason) => {
                log.error(&format!("zone {}: {reason}: it rests until the next tick", lane.zone.name));
                memory.rest(lane.zone.id.clone());
                memory.keep(lane.zone.id, lane.course);
            }
        }
    }

    /// Adds a zone that is not worked on yet.
    fn add(&mut self, zone: Zone, since: Millis, is_passing: bool) {
        if self.under_way.contains(&zone.id) {
            return;
        }
        if let Some(lane) = self.waiting.iter_mut().find(|lane| lane.zone.id == zone.id) {
            lane.is_passing |= is_passing;
            return;
        }
        let course = self.publisher.memory.take(&zone.id);
        self.waiting.push(Lane { zone, course, is_passing, since, ready: Instant::now() });
    }

    /// A minute has passed: every zone that has something pending or has to be compared is worked on,
    /// and the age of the oldest pending host is logged. Its absence is an alarm.
    async fn tick(&mut self) {
        let Publisher { memory, zones, rules, log, .. } = self.publisher;
        memory.end_rest();
        let zones: Vec<Zone> = zones.iter().cloned().collect();
        let every = u64::try_from(rules.pass_every.as_millis()).unwrap_or(u64::MAX);
        let now = self.publisher.table.now();
        match tokio::try_join!(self.publisher.places(&zones), self.publisher.oldest(&zones)) {
            Ok((places, oldest)) => {
                let age = oldest.iter().flatten().map(|since| now.saturating_sub(*since)).max();
                log.pending(age.unwrap_or_default() / 1000);
                for ((zone, place), since) in zones.into_iter().zip(places).zip(oldest) {
                    let is_passing = place.is_due(now, every);
                    if is_passing || (since.is_some() && rules.state != FleetState::Prepare) {
                        self.add(zone, since.unwrap_or(now), is_passing);
                    }
                }
            }
            Err(problem) => log.error(&problem.to_string()),
        }
    }
}

impl Publisher {
    /// Since when the oldest pending host of each zone waits, in their order.
    async fn oldest(&self, zones: &[Zone]) -> Result<Vec<Option<Millis>>, Problem> {
        let oldest = zones.iter().map(|zone| async {
            let page = self.table.pending(&zone.id, None, 1, None, Instant::now() + TABLE_LIMIT).await?;
            Ok(page.found.first().map(|(_, due)| *due))
        });
        let oldest: Vec<_> = stream::iter(oldest).buffered(ZONES_AT_ONCE).collect().await;
        oldest.into_iter().collect()
    }
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

    /// Counts the changes of a host that is published. Gives how many they were of late if that is to be
    /// said.
    pub(crate) fn count_changes(&self, zone: &ZoneId, host: &HostName, item: &Item, now: Millis) -> Option<u64> {
        self.with(|remembered| remembered.noise.count(zone, host, item, now))
    }

    /// A tick has come: no zone rests any more.
    fn end_rest(&self) {
        self.with(|remembered| remembered.resting.clear());
    }

    /// Reads or changes it. A panic while it was locked left it whole.
    fn with<T>(&self, act: impl FnOnce(&mut Remembered) -> T) -> T {
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
