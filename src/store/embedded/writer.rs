//! The only thread that writes.
//!
//! An fsync takes as long for a hundred changes as for one. So all batches that wait are written in one
//! transaction, and the next ones gather while it is made durable. A batch waits for others only if the
//! transaction before it had several. Each batch is applied as a whole or not at all; a refused one
//! does not affect the others.
//!
//! After an error, even a reader's, redb does nothing more until the file is opened again. The thread
//! opens it before it goes on, and tries every second until that works. Readers use a copy in memory
//! meanwhile, because opening the file takes writing. The file then holds the whole transaction that
//! failed or nothing of it. It holds nothing of it if its pages could not be written or made durable,
//! as on a full disk. If the last fsync failed, which is for the header that points to the new pages,
//! it depends on which header is found. We cannot tell these cases apart, so the reply is that the
//! change could not be confirmed.

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
    file::{DataFile, RECORDS, SERIALS, begin, failed, mark_texts, now},
    key::Key,
    names::Names,
    records::{Addresses, Records},
    shared::{Opened, Shared, State},
    texts::Texts,
    view::View,
};
use crate::{
    problem::Problem,
    protocol::{address::Family, challenge::edit::Edit, hostname::HostName, record::Action},
};

/// The most batches that are written in one transaction.
const GROUP: usize = 1024;
/// How long we wait for one more batch if the last transaction had several: their senders return one by
/// one, and the first back would get a transaction of its own.
const STEP: Duration = Duration::from_micros(250);
/// The most such waits before we write.
const MOST_STEPS: usize = 8;
/// How often we check whether the file must be opened again.
const RETRY: Duration = Duration::from_secs(1);

/// A change batch on its way to the file.
pub(super) struct Batch {
    /// The apex of the zone that it changes.
    pub(super) zone: Key,
    /// The changes.
    pub(super) changes: Vec<Change>,
    /// Sends the outcome to whoever waits for it.
    pub(super) done: oneshot::Sender<Result<(), Problem>>,
}

/// One change of a batch.
pub(super) enum Change {
    /// Addresses of one family.
    Addresses {
        /// The host whose records change.
        host: HostName,
        /// Whether they are set or deleted.
        action: Action,
        /// The family of the records.
        family: Family,
        /// The records after the change, or before a deletion.
        addresses: Addresses,
    },
    /// An edit of a challenge, made of whatever is there then.
    Challenge {
        /// The challenge name.
        name: HostName,
        /// The edit.
        edit: Edit,
        /// The TTL of new records, in seconds.
        ttl: u32,
    },
}

/// The thread that writes.
pub(super) struct Writer {
    /// The file, to open it again.
    pub(super) file: DataFile,
    /// What readers share with this thread.
    pub(super) shared: Arc<Shared>,
    /// The batches to write.
    pub(super) queue: Receiver<Batch>,
    /// How many names the zones have.
    pub(super) names: Names,
}

impl Writer {
    /// Writes batches until the store is dropped, then closes the file.
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

    /// The batches for one transaction: all that wait, and those that follow closely, if the transaction
    /// before had several.
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

    /// Writes batches in one transaction, and sends each its outcome.
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

    /// Opens the file again. If that fails, readers get a copy until it works.
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

/// Commits the batches that are not refused. Returns the outcome of each, and what the file holds then.
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
    if group.iter().flat_map(|batch| &batch.changes).any(|change| matches!(change, Change::Challenge { .. })) {
        mark_texts(&transaction).map_err(unchanged)?;
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
            let (_, at) = match after.entry(Key::from(change.name())) {
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

    /// Counts the names that the batch adds and removes, and refuses it if there would be too many.
    /// `after` says of each name whether it existed before, and what it has then.
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

    /// Sends the outcome, if anybody still waits for it.
    fn say(self, outcome: Result<(), Problem>) {
        let _ = self.done.send(outcome);
    }
}

impl Change {
    /// The name whose records change.
    fn name(&self) -> &HostName {
        match self {
            Self::Addresses { host: name, .. } | Self::Challenge { name, .. } => name,
        }
    }

    /// Makes the change to the name's records. As in Route 53, a deletion names what it deletes.
    fn apply(&self, records: &mut Records) -> Result<(), Problem> {
        match self {
            Self::Addresses { action: Action::Upsert, family, addresses, .. } => {
                records.set(*family, Some(addresses.clone()));
            }
            Self::Addresses { action: Action::Delete, family, addresses, .. }
                if records.of(*family) == Some(addresses) =>
            {
                records.set(*family, None);
            }
            Self::Addresses { action: Action::Delete, host, family, .. } => {
                return Err(Problem(format!(
                    "{host}: the {} record set to delete is not there any more",
                    family.record_type()
                )));
            }
            Self::Challenge { edit, ttl, .. } => {
                if let Some(swap) = edit.swap(records.texts().map(Texts::txt_set), *ttl) {
                    records.set_texts(swap.after.as_ref().map(Texts::of_txt_set));
                }
            }
        }
        Ok(())
    }
}

/// The records that a name has.
fn present(records: &Table<'_, &[u8], &[u8]>, name: &Key) -> Result<Records, redb::Error> {
    let Some(value) = records.get(name.as_bytes())? else { return Ok(Records::default()) };
    Records::decode(value.value()).ok_or_else(|| redb::Error::Corrupted("a record that cannot be decoded".to_owned()))
}

/// The serial after this one: the time, or one more if the serial is that far already. Serials are
/// compared by RFC 1982 §3.2, which wraps around.
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
