//! One step of a zone: what is pending is collected, looked up, sent and marked.

use std::time::Duration;

use futures_util::{StreamExt, stream};
use tokio::time::{Instant, sleep};

use super::{
    Host, Publisher,
    answer::{Failure, Kind},
    batch::is_known_once_taken,
    course::{Course, Step},
    lookup::Search,
    write::{Write, adopt, mark, not_pending},
};
use crate::{
    problem::Problem,
    protocol::{hostname::HostName, zone::Zone},
    settings::FleetState,
    table::{HOLD_DOWN, Key, Millis, NotWritten, Update},
};

/// The most hosts that are collected for a batch.
const COLLECTED: usize = 500;

/// How many items are changed at once.
const WRITES_AT_ONCE: usize = 32;

/// The longest that a call to the table may take, its retries included.
pub(crate) const TABLE_LIMIT: Duration = Duration::from_secs(10);

/// The most pages that are looked up in one step, so that a step ends in time. What is left is looked up in the
/// next one.
const PAGES_AT_ONCE: usize = 8;

/// How often a change is tried that meets a transaction.
const ATTEMPTS: u32 = 4;

/// How long a zone waits after Route 53 or the table was busy.
const PAUSE: Duration = Duration::from_secs(1);

/// A zone while it is worked on.
#[derive(Debug)]
pub(crate) struct Lane {
    /// The zone.
    pub(crate) zone: Zone,
    /// How its batches go.
    pub(crate) course: Course,
    /// Whether it is compared with the table.
    pub(crate) is_passing: bool,
    /// Since when its oldest pending host waits.
    pub(crate) since: Millis,
    /// When its next step may begin.
    pub(crate) ready: Instant,
}

/// What comes after a step of a zone.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Next {
    /// The next step, not before then.
    At(Instant),
    /// Nothing: nothing is pending.
    Done,
    /// Nothing until the next tick, for this reason.
    Rest(String),
}

/// Why a step could not be finished.
#[derive(Debug)]
pub(crate) enum Trouble {
    /// The table.
    Table(Problem),
    /// Route 53.
    Route53(Failure),
}

impl From<Problem> for Trouble {
    fn from(problem: Problem) -> Self {
        Self::Table(problem)
    }
}

impl From<Failure> for Trouble {
    fn from(failure: Failure) -> Self {
        Self::Route53(failure)
    }
}

/// What is pending in a zone.
struct Collected {
    /// Hosts that are due, the first one first.
    hosts: Vec<Host>,
    /// When the next one is due, if none is now.
    next_due: Option<Millis>,
}

impl Publisher {
    /// Makes the next step of a zone, with one call to Route 53 for it at a time.
    pub(crate) async fn step(&self, lane: &mut Lane) -> Next {
        match self.try_step(lane).await {
            Ok(next) => next,
            Err(Trouble::Table(problem)) => {
                if self.memory.is_first_failure(&lane.zone.id) {
                    self.log.error(&format!("zone {}: {problem}", lane.zone.name));
                }
                Next::At(Instant::now() + PAUSE)
            }
            Err(Trouble::Route53(failure)) => match failure.kind {
                Kind::Busy | Kind::Unknown | Kind::Refused => {
                    self.warn_of(&lane.zone, &failure);
                    Next::At(Instant::now() + PAUSE)
                }
                Kind::Denied | Kind::Impossible => Next::Rest(failure.text),
            },
        }
    }

    /// The same.
    async fn try_step(&self, lane: &mut Lane) -> Result<Next, Trouble> {
        if lane.is_passing && self.calls.pace().take_turn_of_pass() {
            lane.is_passing = self.pass_on(&lane.zone).await?;
            return Ok(Next::At(Instant::now()));
        }
        let pass = || {
            let turn = lane.is_passing.then(|| self.calls.pace().next_turn_of_pass());
            turn.map_or(Next::Done, Next::At)
        };
        // In `prepare` the gateway writes Route 53 itself, and nothing is promised.
        if self.rules.state == FleetState::Prepare {
            return Ok(pass());
        }
        let Collected { hosts, next_due } = self.collect(&lane.zone).await?;
        if hosts.is_empty() {
            let now = self.table.now();
            return Ok(match (next_due.map(|due| due.saturating_sub(now)), pass()) {
                (Some(wait), Next::At(pass)) if wait <= HOLD_DOWN => Next::At(pass.min(after(wait))),
                (Some(wait), _) if wait <= HOLD_DOWN => Next::At(after(wait)),
                (_, pass) => pass,
            });
        }
        lane.since = hosts.last().and_then(|host| host.item.due).unwrap_or_default();
        let build = lane.course.build(hosts);
        if lane.course.is_denied_all(&build) {
            return Ok(Next::Rest("AccessDenied: expected leave to change its A and AAAA records".to_owned()));
        }
        if !build.lookups.is_empty() {
            self.look_up(&lane.zone, &mut lane.course, &build.lookups).await?;
        }
        if build.batch.is_empty() {
            return Ok(Next::At(Instant::now()));
        }
        let answer = self.calls.change(&lane.zone, &build.batch).await;
        if let Err(failure @ Failure { kind: Kind::Busy | Kind::Unknown, .. }) = &answer {
            self.warn_of(&lane.zone, failure);
        }
        let step = match &answer {
            Ok(()) => lane.course.taken(&build.batch),
            Err(failure) => lane.course.failed(&build.batch, failure),
        };
        Ok(match (step, answer) {
            (Step::Mark, _) => {
                self.mark(&lane.zone, &mut lane.course, &build.batch).await;
                Next::At(Instant::now())
            }
            (Step::GoOn, _) => Next::At(Instant::now()),
            (Step::Later, _) => Next::At(Instant::now() + PAUSE),
            (Step::Rest, Err(failure)) => Next::Rest(failure.text),
            (Step::Rest, Ok(())) => Next::Done,
        })
    }

    /// Logs that a call failed: once a tick, since it may fail for hours.
    fn warn_of(&self, zone: &Zone, failure: &Failure) {
        if self.memory.is_first_failure(&zone.id) {
            self.log.warn(&format!("zone {}: a call to Route 53 failed: {}", zone.name, failure.text));
        }
    }

    /// The hosts of a zone that are due, as the table has them now.
    async fn collect(&self, zone: &Zone) -> Result<Collected, Problem> {
        let most = u32::try_from(COLLECTED).unwrap_or(u32::MAX);
        let (mut hosts, mut next_due, mut cursor) = (Vec::new(), None, None);
        while hosts.len() < COLLECTED && next_due.is_none() {
            let deadline = Instant::now() + TABLE_LIMIT;
            let page = self.table.pending(&zone.id, most, cursor, deadline).await?;
            let now = self.table.now();
            let (due, later): (Vec<_>, Vec<_>) = page.found.into_iter().partition(|(_, due)| *due <= now);
            next_due = later.first().map(|(_, due)| *due);
            let keys: Vec<Key> = due.iter().map(|(name, _)| Key::host(&zone.id, name)).collect();
            let items = self.table.items(&keys, deadline).await?;
            let mut not_due = Vec::new();
            for ((name, _), item) in due.into_iter().zip(items) {
                match item {
                    Some(Err(problem)) => self.log.error(&format!("the table: {problem}")),
                    Some(Ok(item)) if item.due.is_none_or(|due| due > now) => {}
                    Some(Ok(item)) if item.is_pending() => hosts.push(Host { name, item }),
                    Some(Ok(item)) => not_due.push(not_pending(&zone.id, &Host { name, item })),
                    None => {}
                }
            }
            self.write_all(not_due).await;
            cursor = page.next;
            if cursor.is_none() {
                break;
            }
        }
        Ok(Collected { hosts, next_due })
    }

    /// Asks Route 53 what it has of hosts, and adopts it page by page: hosts that lie far apart take a call
    /// each, and what is found is not to be lost if the time is over before all are.
    async fn look_up(&self, zone: &Zone, course: &mut Course, hosts: &[Host]) -> Result<(), Trouble> {
        let mut search = Search::new(hosts.iter().map(|host| &host.name));
        let (mut looked_up, mut again) = (Vec::new(), Vec::new());
        for _ in 0..PAGES_AT_ONCE {
            let Some((found, _)) = search.next(&self.calls, zone).await? else { break };
            let mut writes = Vec::new();
            for host in hosts {
                let Some(current) = found.get(&host.name) else { continue };
                let refusal = course.refusal(host);
                let adoption = adopt(&zone.id, host, current, refusal, self.table.now());
                if let Some(refusal) = refusal.filter(|_| !adoption.is_new) {
                    self.log.warn(&format!("refused: {}: {refusal}", host.name));
                }
                looked_up.push((host.name.clone(), adoption.is_new));
                writes.extend(adoption.write.map(|write| (host, write)));
            }
            again.extend(self.publish(writes).await);
        }
        course.looked_up(&looked_up);
        for host in again {
            course.look_up(host);
        }
        Ok(())
    }

    /// Marks the hosts of a batch that Route 53 took, but for those that are not known to be there as a whole.
    async fn mark(&self, zone: &Zone, course: &mut Course, hosts: &[Host]) {
        let now = self.table.now();
        for Host { name, item } in hosts {
            if let Some(changes) = self.memory.count_changes(&zone.id, name, item, now) {
                self.log.warn(&format!("noisy: {name}: {changes} changes within an hour"));
            }
        }
        let (known, unknown): (Vec<_>, Vec<_>) = hosts.iter().partition(|host| is_known_once_taken(host));
        let marks = known.into_iter().map(|host| (host, mark(&zone.id, host, now))).collect();
        let unknown = unknown.into_iter().map(|host| host.name.clone());
        for host in self.publish(marks).await.into_iter().chain(unknown) {
            course.look_up(host);
        }
    }

    /// Makes changes of hosts, and gives those that are not as they were read. They are looked up before
    /// they are sent again.
    async fn publish(&self, writes: Vec<(&Host, Write)>) -> Vec<HostName> {
        let updates = writes.iter().map(|(_, write)| write.update.clone()).collect();
        let outcomes = self.write_all(updates).await;
        let (mut newer, mut left, mut failed) = (Vec::new(), Vec::new(), None);
        for ((host, write), outcome) in writes.into_iter().zip(outcomes) {
            match (outcome, write.if_newer) {
                (Ok(()), _) => {}
                (Err(NotWritten::Refused(Some(item))), Some(update)) if item.version > host.item.version => {
                    newer.push((host, update));
                }
                (Err(NotWritten::Failed(problem)), _) => {
                    failed = Some(problem);
                    left.push(host);
                }
                (Err(NotWritten::Refused(_) | NotWritten::Conflict), _) => left.push(host),
            }
        }
        let (hosts, updates): (Vec<&Host>, Vec<Update>) = newer.into_iter().unzip();
        let outcomes = self.write_all(updates).await;
        left.extend(hosts.into_iter().zip(outcomes).filter(|(_, outcome)| outcome.is_err()).map(|(host, _)| host));
        if let Some(problem) = failed {
            self.log.error(&problem.to_string());
        }
        left.into_iter().map(|host| host.name.clone()).collect()
    }

    /// Makes changes of the table, some at once, and gives the outcomes in their order.
    pub(crate) async fn write_all(&self, updates: Vec<Update>) -> Vec<Result<(), NotWritten>> {
        let writes = updates.into_iter().map(|update| async move { self.write(&update).await });
        stream::iter(writes).buffered(WRITES_AT_ONCE).collect().await
    }

    /// Makes one change, again if it meets a transaction.
    async fn write(&self, update: &Update) -> Result<(), NotWritten> {
        for _ in 1..ATTEMPTS {
            match self.table.update(update, Instant::now() + TABLE_LIMIT).await {
                Err(NotWritten::Conflict) => sleep(Duration::from_millis(50 + fastrand::u64(..150))).await,
                outcome => return outcome,
            }
        }
        self.table.update(update, Instant::now() + TABLE_LIMIT).await
    }
}

/// In so many milliseconds.
fn after(wait: Millis) -> Instant {
    Instant::now() + Duration::from_millis(wait.max(1))
}
