//! The one thread that writes.
//!
//! An fsync takes as long for one change as for a hundred, so all batches that wait are written in
//! one transaction, and while that is made durable the next ones gather; a batch waits for others only
//! where the transaction before it had several. Each is by itself all or nothing: one that is refused
//! leaves those beside it alone.
//!
//! After an error, of a reader's as well, redb takes no more work until the file was opened again. The
//! thread does that before it goes on, and tries every second until it can; meanwhile a copy in memory
//! is read, since opening takes writing. Then the file holds all of the transaction that failed or
//! nothing of it: nothing where its pages could not be written or made durable (a full disk), and
//! what the header says that is found where the last fsync failed, which is the one that points to
//! the new pages. We cannot tell these apart from outside, and say that we could not confirm it.

use std::{
    collections::{BTreeMap, btree_map::Entry},
    iter,
    sync::{
        Arc,
        mpsc::{Receiver, RecvTimeoutError},
    },
    thread,
    time::Duration,
};

use redb::{Database, ReadableTable, Table};
use tokio::sync::oneshot;

use super::{
    file::{DataFile, RECORDS, SERIALS, begin, failed, now},
    key::Key,
    names::Names,
    records::{Addresses, Records},
    shared::{Opened, Shared, State},
    view::View,
};
use crate::{
    problem::Problem,
    protocol::{address::Family, hostname::HostName, record::Action},
};

/// Batches that are written in one transaction.
const GROUP: usize = 1024;
/// How long we wait for one more where the last transaction had several batches: those who sent them
/// are answered one after the other, and the first to come back would be written by itself.
const STEP: Duration = Duration::from_micros(250);
/// How often we do that before we write.
const MOST_STEPS: usize = 8;
/// How often we look whether the file has to be opened again.
const RETRY: Duration = Duration::from_secs(1);

/// A change batch on its way to the file.
pub(super) struct Batch {
    /// The apex of the zone that it changes.
    pub(super) zone: Key,
    /// What it changes.
    pub(super) changes: Vec<Change>,
    /// Where its outcome is waited for.
    pub(super) done: oneshot::Sender<Result<(), Problem>>,
}

/// One change of a batch.
pub(super) struct Change {
    /// Whose records.
    pub(super) host: HostName,
    /// What is done.
    pub(super) action: Action,
    /// Which of them.
    pub(super) family: Family,
    /// The records that are there afterwards, or were there before a deletion.
    pub(super) addresses: Addresses,
}

/// The thread that writes.
pub(super) struct Writer {
    /// How the file is opened again.
    pub(super) file: DataFile,
    /// What readers see of it.
    pub(super) shared: Arc<Shared>,
    /// The batches to write.
    pub(super) queue: Receiver<Batch>,
    /// How many names the zones have.
    pub(super) names: Names,
}

impl Writer {
    /// Writes what comes until nothing can come any more, then closes the file.
    pub(super) fn run(mut self) {
        // Whether the last transaction had one batch.
        let mut alone = true;
        loop {
            match self.queue.recv_timeout(RETRY) {
                Ok(first) => {
                    let group = self.gather(first, alone);
                    alone = group.len() == 1;
                    self.write(group);
                }
                Err(RecvTimeoutError::Timeout) if self.shared.is_usable() => {}
                Err(RecvTimeoutError::Timeout) => self.reopen(),
                Err(RecvTimeoutError::Disconnected) => break,
            }
        }
        self.shared.set(State::Closed("stopped".to_owned()));
    }

    /// The batches for one transaction: all that wait, and where this one does not come alone, those
    /// that follow one another closely.
    fn gather(&self, first: Batch, alone: bool) -> Vec<Batch> {
        let mut group: Vec<_> = iter::once(first).chain(self.queue.try_iter()).take(GROUP).collect();
        if alone {
            return group;
        }
        for _ in 0..MOST_STEPS {
            thread::sleep(STEP);
            let before = group.len();
            group.extend(self.queue.try_iter().take(GROUP - before));
            if group.len() == before {
                break;
            }
        }
        group
    }

    /// Writes batches in one transaction, and says to each what became of it.
    fn write(&mut self, group: Vec<Batch>) {
        if !self.shared.is_usable() {
            self.reopen();
        }
        let (file, shared, names) = (&self.file, &self.shared, &mut self.names);
        let committed = shared.with(|opened| {
            let committed = commit(file, shared, &opened.database, &group, names);
            committed.inspect_err(|_| {
                names.forget();
                shared.suspect();
            })
        });
        let outcomes = match committed {
            Ok((outcomes, view)) => {
                self.shared.show(view);
                outcomes
            }
            Err(Problem(reason)) => group.iter().map(|_| Err(Problem(reason.clone()))).collect(),
        };
        if !self.shared.is_usable() {
            self.reopen();
        }
        iter::zip(group, outcomes).for_each(|(batch, outcome)| batch.say(outcome));
    }

    /// Opens the file again. Where it cannot be, there is a copy to be read until it can.
    fn reopen(&self) {
        let copied = matches!(*self.shared.state(), State::Copied(..));
        if !copied {
            self.shared.set(State::Closed("being opened again".to_owned()));
        }
        let opened = |database| Opened::new(database, &self.file.path);
        match self.file.reopen().and_then(opened) {
            Ok(file) => self.shared.set(State::Open(file)),
            Err(_) if copied => {}
            Err(Problem(why)) => self.shared.set(match self.file.copy().and_then(opened) {
                Ok(copy) => State::Copied(copy, why),
                Err(_) => State::Closed(why),
            }),
        }
    }
}

/// Commits the batches that are not refused; each one's outcome, and what the file holds then.
fn commit(
    file: &DataFile,
    shared: &Shared,
    database: &Database,
    group: &[Batch],
    names: &mut Names,
) -> Result<(Vec<Result<(), Problem>>, View), Problem> {
    let says = |what: &str, error: &redb::Error| Problem(format!("{what}: {}", failed(&file.path, error)));
    let unchanged = |error: redb::Error| says("nothing was changed", &error);
    let transaction = begin(database).map_err(unchanged)?;
    let mut outcomes = Vec::new();
    {
        let mut records = transaction.open_table(RECORDS).map_err(|error| unchanged(error.into()))?;
        let mut serials = transaction.open_table(SERIALS).map_err(|error| unchanged(error.into()))?;
        for batch in group {
            outcomes.push(batch.apply(&mut records, &mut serials, names).map_err(unchanged)?);
        }
    }
    let unconfirmed = |error: redb::Error| says("could not confirm the change", &error);
    transaction.commit().map_err(|error| unconfirmed(error.into()))?;
    shared.count_commit();
    let view = View::new(database).map_err(unconfirmed)?;
    Ok((outcomes, view))
}

impl Batch {
    /// Makes all of its changes, or none if one is refused.
    fn apply(
        &self,
        records: &mut Table<'_, &[u8], &[u8]>,
        serials: &mut Table<'_, &[u8], u32>,
        names: &mut Names,
    ) -> Result<Result<(), Problem>, redb::Error> {
        let mut after = BTreeMap::new();
        for change in &self.changes {
            let (_, at) = match after.entry(Key::from(&change.host)) {
                Entry::Occupied(at) => at.into_mut(),
                Entry::Vacant(at) => {
                    let present = present(records, at.key())?;
                    at.insert((!present.is_empty(), present))
                }
            };
            if let Err(refusal) = change.apply(at) {
                return Ok(Err(refusal));
            }
        }
        if let Err(refusal) = self.count_names(after.values(), records, names)? {
            return Ok(Err(refusal));
        }
        for (key, (_, at)) in after {
            if at.is_empty() {
                records.remove(key.as_bytes())?;
            } else {
                records.insert(key.as_bytes(), &*at.encode())?;
            }
        }
        let zone = self.zone.as_bytes();
        let serial = serials.get(zone)?.map(|serial| serial.value());
        serials.insert(zone, next_serial(serial, now()))?;
        Ok(Ok(()))
    }

    /// Counts the names that the batch adds and removes; refuses it if they are too many. Each is given
    /// by whether it was there and what it has then.
    fn count_names<'a>(
        &self,
        after: impl Iterator<Item = &'a (bool, Records)>,
        records: &Table<'_, &[u8], &[u8]>,
        names: &mut Names,
    ) -> Result<Result<(), Problem>, redb::Error> {
        let (mut added, mut removed) = (0, 0);
        for (was_there, at) in after {
            added += usize::from(!was_there && !at.is_empty());
            removed += usize::from(*was_there && at.is_empty());
        }
        if added == 0 && removed == 0 {
            return Ok(Ok(()));
        }
        let before = names.of(&self.zone, records)?;
        let count = (before + added).saturating_sub(removed);
        if added > removed && count > names.max {
            let zone = self.zone.host().map(|zone| zone.to_string()).unwrap_or_default();
            return Ok(Err(Problem(format!(
                "{zone} has {before} names: expected no more than NIC53_MAX_NAMES={}, so {added} are not added",
                names.max
            ))));
        }
        names.set(&self.zone, count);
        Ok(Ok(()))
    }

    /// Says what became of it, if anybody still waits.
    fn say(self, outcome: Result<(), Problem>) {
        let _ = self.done.send(outcome);
    }
}

impl Change {
    /// Makes the change to what its host has. As in Route 53, a deletion names what it deletes.
    fn apply(&self, records: &mut Records) -> Result<(), Problem> {
        match self.action {
            Action::Upsert => records.set(self.family, Some(self.addresses.clone())),
            Action::Delete if records.of(self.family) == Some(&self.addresses) => records.set(self.family, None),
            Action::Delete => {
                return Err(Problem(format!(
                    "{}: the {} record set to delete is not there any more",
                    self.host,
                    self.family.record_type()
                )));
            }
        }
        Ok(())
    }
}

/// The records that a name has.
fn present(records: &Table<'_, &[u8], &[u8]>, name: &Key) -> Result<Records, redb::Error> {
    let Some(value) = records.get(name.as_bytes())? else { return Ok(Records::default()) };
    Records::decode(value.value()).ok_or_else(|| redb::Error::Corrupted("records that are none".to_owned()))
}

/// The serial after this one: the time, or where the serial is there already, one more. What comes
/// later is decided as RFC 1982 §3.2 has it, in a circle.
fn next_serial(serial: Option<u32>, now: u32) -> u32 {
    let Some(serial) = serial else { return now };
    let next = serial.wrapping_add(1);
    let ahead = now.wrapping_sub(next);
    if ahead < 1 << 31 { now } else { next }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_serial_is_the_time_and_never_falls_back() {
        for (serial, now, next) in [
            (None, 1_700_000_000, 1_700_000_000),
            (Some(1_600_000_000), 1_700_000_000, 1_700_000_000),
            (Some(1_699_999_999), 1_700_000_000, 1_700_000_000),
            (Some(1_700_000_000), 1_700_000_000, 1_700_000_001),
            (Some(1_700_000_005), 1_700_000_000, 1_700_000_006),
            // In 2106 the time starts again at 0, and so do serials.
            (Some(u32::MAX - 1), u32::MAX, u32::MAX),
            (Some(u32::MAX), u32::MAX, 0),
            (Some(u32::MAX), 0, 0),
            (Some(u32::MAX - 7), 3, 3),
            (Some(3), u32::MAX, 4),
        ] {
            assert_eq!(next_serial(serial, now), next, "{serial:?} {now}");
        }
    }
}
