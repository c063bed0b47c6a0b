//! Changes on their way to Route 53: those of one zone wait for each other, and go together.
//!
//! Route 53 works on one change batch of a zone at a time, so batches that compete are refused. Here
//! one is under way, and what comes meanwhile is the next. A batch that Route 53 refuses is halved,
//! the changes of a request staying together, until the request that it refuses stands alone.

use std::{
    collections::{HashMap, VecDeque},
    mem,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use aws_sdk_route53::{
    Client,
    types::{Change, ChangeAction, ChangeBatch},
};
use tokio::{
    sync::{self, oneshot},
    time::{Instant, sleep_until, timeout_at},
};

use super::retry::{Failure, Kind, Retry, attempt};
use crate::{
    problem::Problem,
    store::{Budget, Turn},
};

/// The most records of a batch; those of an UPSERT count twice (API reference of
/// `ChangeResourceRecordSets`).
const MAX_RECORDS: usize = 1000;

/// The most characters of all values of a batch; those of an UPSERT count twice (as above).
const MAX_CHARACTERS: usize = 32_000;

/// The changes of all zones.
pub(super) struct Queue {
    /// Sends the batches.
    client: Client,
    /// The zones that were changed, by their ids.
    zones: Mutex<HashMap<String, Arc<Zone>>>,
}

/// The changes of one zone.
struct Zone {
    /// The zone's id.
    id: String,
    /// Changes that are in no batch yet.
    waiting: Mutex<VecDeque<Entry>>,
    /// Held by the task whose batch is under way.
    sending: sync::Mutex<()>,
}

/// The changes of one request, which go in one batch.
struct Entry {
    /// The changes.
    changes: Vec<Change>,
    /// How much of a batch they take.
    size: Size,
    /// When the request must be answered, and its count of calls.
    budget: Budget,
    /// Tells the request what became of its changes.
    outcome: oneshot::Sender<Result<(), Problem>>,
    /// The request's turn at its hosts, which ends with the entry.
    _turn: Turn,
}

/// How much of a batch something takes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Size {
    /// Records.
    records: usize,
    /// Characters.
    characters: usize,
}

impl Queue {
    /// A queue without changes.
    pub(super) fn new(client: Client) -> Self {
        Self { client, zones: Mutex::default() }
    }

    /// Makes the changes of a request, together with what else waits.
    ///
    /// # Errors
    ///
    /// If they were refused, or it is not known whether they were made.
    pub(super) async fn change(
        &self,
        zone_id: &str,
        changes: Vec<Change>,
        turn: Turn,
        budget: &Budget,
    ) -> Result<(), Problem> {
        let (outcome, answered) = oneshot::channel();
        let size = changes.iter().map(Size::of).fold(Size::default(), Size::plus);
        let zone = self.zone(zone_id);
        zone.waiting().push_back(Entry { changes, size, budget: budget.clone(), outcome, _turn: turn });
        // A task, since a request whose client has gone must not take the others' batch with it. Each
        // request starts one, so no change is left in the queue; most find it empty.
        let client = self.client.clone();
        tokio::spawn(async move { zone.send_waiting(&client).await });
        match timeout_at(budget.deadline(), answered).await {
            Ok(Ok(outcome)) => outcome,
            Ok(Err(_)) => Err(unconfirmed("the task that sends it has ended")),
            Err(_) => Err(unconfirmed("no answer from Route 53 in time")),
        }
    }

    /// Makes changes that must not go together with others, once nothing of the zone is under way.
    ///
    /// # Errors
    ///
    /// If they were refused, or it is not known whether they were made.
    pub(super) async fn change_alone(
        &self,
        zone_id: &str,
        changes: Vec<Change>,
        budget: &Budget,
    ) -> Result<(), Failure> {
        let zone = self.zone(zone_id);
        let late = || Failure { kind: Kind::Final, text: "no answer from Route 53 in time".to_owned() };
        let _alone = timeout_at(budget.deadline(), zone.sending.lock()).await.map_err(|_| late())?;
        let mut retry = Retry::new();
        loop {
            budget.calls().count();
            let sent = zone.send_once(&self.client, changes.clone(), retry.limit().min(budget.deadline())).await;
            let Err(failure) = sent else { return Ok(()) };
            match retry.next(&failure).filter(|next| *next < budget.deadline()) {
                Some(next) => sleep_until(next).await,
                None => return Err(failure),
            }
        }
    }

    /// The changes of a zone.
    fn zone(&self, id: &str) -> Arc<Zone> {
        let mut zones = self.zones.lock().unwrap_or_else(PoisonError::into_inner);
        let new = || Zone { id: id.to_owned(), waiting: Mutex::default(), sending: sync::Mutex::default() };
        Arc::clone(zones.entry(id.to_owned()).or_insert_with(|| Arc::new(new())))
    }
}

impl Zone {
    /// Sends what waits once nothing is under way.
    async fn send_waiting(&self, client: &Client) {
        let _alone = self.sending.lock().await;
        let mut groups = vec![self.take(Size::default())];
        // What is left of a batch that was refused.
        while let Some(group) = groups.pop() {
            if let Some((first, second)) = self.send(client, group, groups.is_empty()).await {
                groups.extend([second, first]);
            }
        }
    }

    /// Takes what waits, as much as fits into a batch that is already this full.
    fn take(&self, mut full: Size) -> Vec<Entry> {
        let mut waiting = self.waiting();
        let mut taken = Vec::new();
        // One that fits into no batch goes alone: Route 53 refuses it, and nobody waits behind it.
        let fits = |entry: &Entry, full: Size| full == Size::default() || full.plus(entry.size).fits();
        while let Some(entry) = waiting.pop_front_if(|entry| fits(entry, full)) {
            full = full.plus(entry.size);
            taken.push(entry);
        }
        taken
    }

    /// Sends a batch until its requests are answered. If it is refused, and of several requests,
    /// returns its halves. If `grows`, changes that arrive while Route 53 is busy are added.
    async fn send(&self, client: &Client, mut group: Vec<Entry>, grows: bool) -> Option<(Vec<Entry>, Vec<Entry>)> {
        let mut retry = Retry::new();
        loop {
            let now = Instant::now();
            // Whoever has gone, or was answered at the deadline, wants no other attempt.
            group.retain(|entry| !entry.outcome.is_closed() && entry.budget.deadline() > now);
            let latest = group.iter().map(|entry| entry.budget.deadline()).max()?;
            let failure = match self.attempt(client, &group, retry.limit().min(latest)).await {
                Ok(()) => {
                    for entry in group {
                        entry.answer(Ok(()));
                    }
                    return None;
                }
                Err(failure) => failure,
            };
            if matches!(failure.kind, Kind::Invalid | Kind::Denied) && group.len() > 1 {
                let second = group.split_off(group.len() / 2);
                return Some((group, second));
            }
            let next = retry.next(&failure);
            let goes_on = |entry: &Entry| next.is_some_and(|next| next < entry.budget.deadline());
            let (kept, over): (Vec<_>, _) = mem::take(&mut group).into_iter().partition(goes_on);
            for entry in over {
                entry.answer(Err(unconfirmed(&failure.text)));
            }
            group = kept;
            if group.is_empty() {
                return None;
            }
            sleep_until(next?).await;
            if grows && failure.kind == Kind::Busy {
                let full = group.iter().map(|entry| entry.size).fold(Size::default(), Size::plus);
                group.extend(self.take(full));
            }
        }
    }

    /// Sends the changes of these requests once.
    async fn attempt(&self, client: &Client, group: &[Entry], limit: Instant) -> Result<(), Failure> {
        for entry in group {
            entry.budget.calls().count();
        }
        let changes = group.iter().flat_map(|entry| entry.changes.iter().cloned()).collect();
        self.send_once(client, changes, limit).await
    }

    /// Sends changes once.
    async fn send_once(&self, client: &Client, changes: Vec<Change>, limit: Instant) -> Result<(), Failure> {
        let batch = ChangeBatch::builder().set_changes(Some(changes)).build();
        let batch = batch.map_err(|error| Failure { kind: Kind::Final, text: error.to_string() })?;
        let sent = client.change_resource_record_sets().hosted_zone_id(&self.id).change_batch(batch).send();
        attempt(limit, sent).await.map(drop)
    }

    /// What waits.
    fn waiting(&self) -> MutexGuard<'_, VecDeque<Entry>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Entry {
    /// Tells the request what became of its changes, if it still waits.
    fn answer(self, outcome: Result<(), Problem>) {
        let _ = self.outcome.send(outcome);
    }
}

impl Size {
    /// How much a change takes.
    fn of(change: &Change) -> Self {
        let times = if change.action == ChangeAction::Upsert { 2 } else { 1 };
        let records = change.resource_record_set.as_ref().map_or(&[][..], |set| set.resource_records());
        let characters: usize = records.iter().map(|record| record.value.chars().count()).sum();
        Self { records: times * records.len(), characters: times * characters }
    }

    /// How much both take.
    fn plus(self, other: Self) -> Self {
        Self { records: self.records + other.records, characters: self.characters + other.characters }
    }

    /// Whether a batch may be as large.
    fn fits(self) -> bool {
        self.records <= MAX_RECORDS && self.characters <= MAX_CHARACTERS
    }
}

/// The error for changes of which it is not known whether they were made.
fn unconfirmed(reason: &str) -> Problem {
    Problem(format!("could not confirm the change: {reason}"))
}
