//! The embedded store: record sets in one file, which the DNS server of this process reads.
//!
//! Readers see the file as it was at one moment ([`Snapshot`]) and wait for nobody. Batches go to
//! one thread that writes, and are answered when what they changed would survive a power cut.

mod file;
mod key;
mod names;
mod records;
mod shared;
mod snapshot;
mod texts;
mod view;
mod writer;

use std::{
    net::IpAddr,
    path::Path,
    sync::{
        Arc, RwLock,
        atomic::{AtomicBool, AtomicU64, Ordering},
        mpsc::{self, Sender},
    },
    thread::{self, JoinHandle},
};

use tokio::sync::oneshot;

use self::{
    file::DataFile,
    names::Names,
    shared::{Opened, Shared, State},
    writer::{Batch, Writer},
};
pub use self::{
    key::Key,
    names::DEFAULT_MAX_NAMES,
    records::{Addresses, Records},
    snapshot::Snapshot,
    texts::Texts,
};
use crate::{
    problem::Problem,
    protocol::{
        access::Grant,
        address::Family,
        challenge::{
            access::ChallengeGrant,
            edit::{Edit, Edited},
        },
        record::{self, ChangeBatch, Current, RecordSet},
        zone::{Zone, Zones},
    },
    store::{Budget, NotApplied, Present, Store, Turn},
};

/// Record sets in a file.
pub struct Embedded {
    /// What readers and the writer share.
    shared: Arc<Shared>,
    /// Where batches wait for the writer. `Some` until the store is dropped.
    queue: Option<Sender<Batch>>,
    /// The thread that writes. `Some` until the store is dropped.
    writer: Option<JoinHandle<()>>,
}

impl Embedded {
    /// Opens the file in this folder. Folder and file are made if they are missing. Until the store is
    /// dropped, no other process can open them.
    ///
    /// # Errors
    ///
    /// If others may write the folder, another process has it open, the file is damaged, or the disk
    /// fails.
    pub fn open(data: &Path, zones: Zones) -> Result<Self, Problem> {
        Self::open_bounded(data, zones, DEFAULT_MAX_NAMES)
    }

    /// The same, with the most names that a zone may have. What is there already stays, and may be
    /// changed.
    ///
    /// # Errors
    ///
    /// As [`Embedded::open`].
    pub fn open_bounded(data: &Path, zones: Zones, max_names: usize) -> Result<Self, Problem> {
        Self::start(DataFile::in_folder(data)?, zones, max_names)
    }

    /// Whether there is a file in this folder.
    pub fn is_in(data: &Path) -> bool {
        file::path(data).exists()
    }

    /// The configured zones.
    pub fn zones(&self) -> &Zones {
        &self.shared.zones
    }

    /// The zone that a name lies in. It may be any name of DNS, such as one with a space in a label.
    pub fn zone_holding(&self, name: &Key) -> Option<&Zone> {
        let zones = self.shared.apexes.iter().zip(self.zones().iter());
        let holding = zones.filter(|(apex, _)| name.is_within(apex));
        holding.max_by_key(|(apex, _)| apex.as_bytes().len()).map(|(_, zone)| zone)
    }

    /// What the file holds now.
    ///
    /// # Errors
    ///
    /// If the file is not open.
    pub fn snapshot(&self) -> Result<Snapshot<'_>, Problem> {
        Ok(Snapshot::new(self.shared.view()?, &self.shared))
    }

    /// Transactions committed since the file was opened. Each takes two fsyncs for all of its batches,
    /// and a third if the file grows, which doubles its length.
    pub fn commits(&self) -> u64 {
        self.shared.commits.load(Ordering::Relaxed)
    }

    /// Opens the file and starts the thread that writes.
    fn start(file: DataFile, zones: Zones, max_names: usize) -> Result<Self, Problem> {
        let apexes: Vec<Key> = zones.iter().map(|zone| Key::from(&zone.name)).collect();
        let opened = Opened::new(file.open_checked(&apexes)?, &file.path)?;
        let shared = Arc::new(Shared {
            path: file.path.clone(),
            zones,
            apexes,
            state: RwLock::new(State::Open(opened)),
            suspect: AtomicBool::new(false),
            commits: AtomicU64::new(0),
        });
        let (queue, batches) = mpsc::channel();
        let names = Names::new(max_names, &shared.apexes);
        let writer = Writer { file, shared: Arc::clone(&shared), queue: batches, names };
        let writer = thread::Builder::new().name("records".to_owned()).spawn(move || writer.run());
        let writer = writer.map_err(|error| Problem(format!("could not start the thread that writes: {error}")))?;
        Ok(Self { shared, queue: Some(queue), writer: Some(writer) })
    }
}

impl Store for Embedded {
    type Versions = ();

    async fn record_sets(&self, grants: &[&Grant<'_>], _: &Budget) -> Result<Present<()>, Problem> {
        // Not from a copy in memory: its last change may not last, and must not be called unchanged.
        let view = self.shared.with(|opened| Ok(Arc::clone(&opened.view)))?;
        let snapshot = Snapshot::new(view, &self.shared);
        let present = grants.iter().map(|grant| {
            let records = snapshot.at(&Key::from(grant.host()))?.unwrap_or_default();
            Ok(Current::Simple(records.record_sets()))
        });
        present.collect::<Result<_, _>>().map(Present::unversioned)
    }

    async fn apply(&self, batch: &ChangeBatch<'_>, (): &(), _: Turn, _: &Budget) -> Result<(), NotApplied> {
        let changes = batch.changes.iter().map(change).collect::<Result<_, _>>()?;
        Ok(self.write(batch.zone, changes).await?)
    }

    async fn edit_challenge(
        &self,
        grant: &ChallengeGrant<'_>,
        edit: &Edit,
        ttl: u32,
        _: &Budget,
    ) -> Result<Edited, Problem> {
        let view = self.shared.with(|opened| Ok(Arc::clone(&opened.view)))?;
        let records = Snapshot::new(view, &self.shared).at(&Key::from(grant.name()))?.unwrap_or_default();
        if edit.swap(records.texts().map(Texts::txt_set), ttl).is_none() {
            return Ok(Edited::Unchanged);
        }
        // The writer makes the edit of what is there then.
        let change = writer::Change::Challenge { name: grant.name().clone(), edit: edit.clone(), ttl };
        self.write(grant.zone(), vec![change]).await?;
        Ok(Edited::Changed)
    }
}

impl Embedded {
    /// Has changes of a zone written, all or none of them.
    async fn write(&self, zone: &Zone, changes: Vec<writer::Change>) -> Result<(), Problem> {
        let (done, outcome) = oneshot::channel();
        let batch = Batch { zone: Key::from(&zone.name), changes, done };
        let gone = |what: &str| Problem(format!("{what}: the thread that writes has ended: start nic53 again"));
        let queue = self.queue.as_ref().ok_or_else(|| gone("nothing was changed"))?;
        queue.send(batch).map_err(|_| gone("nothing was changed"))?;
        outcome.await.map_err(|_| gone("could not confirm the change"))?
    }
}

impl Drop for Embedded {
    /// Writes the batches that wait, and closes the file.
    fn drop(&mut self) {
        drop(self.queue.take());
        if let Some(writer) = self.writer.take() {
            let _ = writer.join();
        }
    }
}

/// A change as the writer takes it.
fn change(change: &record::Change<'_>) -> Result<writer::Change, Problem> {
    let RecordSet { family, ttl, values } = &change.record_set;
    let host = change.grant.host();
    let addresses: Vec<IpAddr> = values.iter().filter_map(|value| value.parse().ok()).collect();
    let fitting = addresses.iter().filter(|address| Family::of(**address) == *family).count();
    if fitting != values.len() || !(1..=records::MOST).contains(&fitting) {
        return Err(Problem(format!(
            "{host}: `{}`: expected 1 to {} {} addresses",
            change.record_set,
            records::MOST,
            family.record_type()
        )));
    }
    let addresses = Addresses { ttl: *ttl, addresses };
    Ok(writer::Change::Addresses { host: host.clone(), action: change.action, family: *family, addresses })
}

#[cfg(test)]
mod crash_tests;
#[cfg(test)]
pub(crate) mod testing;

#[cfg(test)]
mod tests {
    use std::{fs, io::Write, os::unix::fs::PermissionsExt, sync::atomic::Ordering, time::Duration};

    use futures_util::future::join_all;

    use super::{
        testing::{Disk, block_on, change, in_memory, on_disk, present},
        *,
    };
    use crate::{
        files::create_anew,
        protocol::{address::ByFamily, hostname::HostName},
    };

    const ZONES: &str = "example.org=Z1,example.com=Z2";

    fn open(data: &Path) -> Result<Embedded, Problem> {
        Embedded::open(data, Zones::parse(ZONES).unwrap())
    }

    /// The records at a host, or none, as text.
    fn at(store: &Embedded, host: &str) -> String {
        let records = store.snapshot().unwrap().at(&Key::from(&host.parse().unwrap())).unwrap().unwrap_or_default();
        let sets = Family::BOTH.iter().filter_map(|family| records.record_set(*family));
        sets.map(|set| set.to_string()).collect::<Vec<_>>().join(", ")
    }

    /// The serial of a zone.
    fn serial(store: &Embedded, name: &str) -> u32 {
        let zone = store.zones().iter().find(|zone| zone.name.as_str() == name).unwrap();
        store.snapshot().unwrap().serial(zone).unwrap()
    }

    #[test]
    fn what_was_changed_is_there_after_a_restart() {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("made/nic53");
        let store = open(&data).unwrap();
        block_on(change(&store, &["a.example.org 60 A 192.0.2.1 192.0.2.2", "a.example.org 300 AAAA 2001:db8::1"]))
            .unwrap();
        block_on(change(&store, &["*.b.example.org 60 A 192.0.2.3", "c.example.org 60 A 192.0.2.4"])).unwrap();
        block_on(change(&store, &["-c.example.org 60 A 192.0.2.4", "a.example.org 120 A 192.0.2.5"])).unwrap();
        let serial_before = serial(&store, "example.org");
        drop(store);

        let store = open(&data).unwrap();
        assert_eq!(at(&store, "a.example.org"), "120 A 192.0.2.5, 300 AAAA 2001:db8::1");
        assert_eq!(at(&store, "*.b.example.org"), "60 A 192.0.2.3");
        assert_eq!(at(&store, "c.example.org"), "");
        assert_eq!(serial(&store, "example.org"), serial_before);
        assert_eq!(fs::metadata(&data).unwrap().permissions().mode() & 0o777, 0o700);
    }

    #[test]
    fn what_was_changed_is_there_after_a_crash() {
        let folder = tempfile::tempdir().unwrap();
        let store = open(folder.path()).unwrap();
        block_on(change(&store, &["a.example.org 60 A 192.0.2.1"])).unwrap();
        // As kill -9 leaves the folder: the file was not closed.
        let crashed = tempfile::tempdir().unwrap();
        fs::copy(file::path(folder.path()), file::path(crashed.path())).unwrap();
        drop(store);

        let store = open(crashed.path()).unwrap();
        assert_eq!(at(&store, "a.example.org"), "60 A 192.0.2.1");
    }

    #[test]
    fn a_batch_of_which_one_change_is_refused_changes_nothing() {
        let store = in_memory(ZONES);
        block_on(change(&store, &["a.example.org 60 A 192.0.2.1"])).unwrap();
        let before = serial(&store, "example.org");
        for (refused, says) in [
            // Somebody else has changed it in between.
            ("-a.example.org 60 A 192.0.2.9", "a.example.org: the A record set to delete is not there any more"),
            ("-a.example.org 61 A 192.0.2.1", "a.example.org: the A record set to delete is not there any more"),
            ("-a.example.org 60 AAAA 2001:db8::1", "a.example.org: the AAAA record set to delete"),
            ("c.example.org 60 A 2001:db8::1", "c.example.org: `60 A 2001:db8::1`: expected 1 to 255 A addresses"),
            ("c.example.org 60 A nonsense", "c.example.org: `60 A nonsense`: expected"),
            ("c.example.org 60 A", "c.example.org: `60 A `: expected"),
        ] {
            let error = block_on(change(&store, &["b.example.org 60 A 192.0.2.2", refused])).unwrap_err();
            assert!(error.0.contains(says), "{refused}: {error}");
            assert_eq!([at(&store, "a.example.org"), at(&store, "b.example.org")], ["60 A 192.0.2.1", ""], "{refused}");
            assert_eq!(serial(&store, "example.org"), before, "{refused}");
        }
    }

    #[test]
    fn the_serial_rises_with_each_batch_of_its_zone_alone() {
        let store = in_memory(ZONES);
        let (org, com) = (serial(&store, "example.org"), serial(&store, "example.com"));
        let mut last = org;
        for _ in 0..5 {
            block_on(change(&store, &["a.example.org 60 A 192.0.2.1", "b.example.org 60 A 192.0.2.2"])).unwrap();
            assert!(serial(&store, "example.org") > last);
            last = serial(&store, "example.org");
        }
        assert!(last >= org + 5);
        assert_eq!(serial(&store, "example.com"), com);
    }

    #[test]
    fn a_snapshot_does_not_change() {
        let store = in_memory(ZONES);
        let zone = store.zones().iter().next().unwrap();
        let key = Key::from(&"a.example.org".parse().unwrap());
        let before = store.snapshot().unwrap();
        let serial_before = before.serial(zone).unwrap();
        block_on(change(&store, &["a.example.org 60 A 192.0.2.1"])).unwrap();
        assert_eq!(before.at(&key).unwrap(), None);
        assert_eq!(before.serial(zone).unwrap(), serial_before);
        assert!(store.snapshot().unwrap().at(&key).unwrap().is_some());
    }

    #[test]
    fn batches_that_wait_share_a_commit_and_are_refused_alone() {
        let folder = tempfile::tempdir().unwrap();
        let disk = Arc::new(Disk::default());
        let store = on_disk(folder.path(), ZONES, &disk).unwrap();
        disk.slowness.store(50, Ordering::SeqCst);
        let syncs = disk.syncs.load(Ordering::SeqCst);
        let changes: Vec<_> = (0..64).map(|n| format!("h{n}.example.org 60 A 192.0.2.{n}")).collect();
        let outcomes = block_on(async {
            let refused = change(&store, &["x.example.org 60 A 192.0.2.1", "-y.example.org 60 A 192.0.2.1"]);
            let first = join_all(changes[..32].iter().map(|line| async { change(&store, &[line]).await }));
            let second = join_all(changes[32..].iter().map(|line| async { change(&store, &[line]).await }));
            let (first, refused, second) = tokio::join!(first, refused, second);
            assert!(refused.is_err());
            first.into_iter().chain(second).collect::<Vec<_>>()
        });
        assert!(outcomes.iter().all(Result::is_ok));
        for n in 0..64 {
            assert_eq!(at(&store, &format!("h{n}.example.org")), format!("60 A 192.0.2.{n}"));
        }
        assert_eq!(at(&store, "x.example.org"), "");
        // The first alone, those that came meanwhile, and whatever came while they were taken.
        assert!(store.commits() <= 4, "{}", store.commits());
        let syncs = disk.syncs.load(Ordering::SeqCst) - syncs;
        assert!((2..=3).contains(&(syncs / store.commits())), "{syncs}");
    }

    #[test]
    fn readers_do_not_wait_for_the_disk() {
        let folder = tempfile::tempdir().unwrap();
        let disk = Arc::new(Disk::default());
        let store = on_disk(folder.path(), ZONES, &disk).unwrap();
        block_on(change(&store, &["a.example.org 60 A 192.0.2.1"])).unwrap();
        disk.slowness.store(1000, Ordering::SeqCst);
        block_on(async {
            let change = change(&store, &["a.example.org 60 A 192.0.2.2"]);
            tokio::pin!(change);
            let started = std::time::Instant::now();
            let read = async {
                tokio::time::sleep(Duration::from_millis(300)).await;
                at(&store, "a.example.org")
            };
            tokio::select! {
                biased;
                _ = &mut change => panic!("the change was to take two seconds"),
                read = read => assert_eq!(read, "60 A 192.0.2.1"),
            }
            assert!(started.elapsed() < Duration::from_millis(900), "{:?}", started.elapsed());
            change.await.unwrap();
        });
        assert_eq!(at(&store, "a.example.org"), "60 A 192.0.2.2");
    }

    #[test]
    fn a_change_that_a_full_disk_stopped_is_never_seen() {
        let folder = tempfile::tempdir().unwrap();
        let disk = Arc::new(Disk::default());
        let store = on_disk(folder.path(), ZONES, &disk).unwrap();
        block_on(change(&store, &["a.example.org 60 A 192.0.2.1"])).unwrap();
        let before = serial(&store, "example.org");

        disk.full.store(true, Ordering::SeqCst);
        for _ in 0..3 {
            let error = block_on(change(&store, &["a.example.org 60 A 192.0.2.2", "b.example.org 60 A 192.0.2.2"]));
            let error = error.unwrap_err().0;
            assert!(error.contains("records.redb"), "{error}");
            // Though not even its head can be written.
            assert_eq!(at(&store, "a.example.org"), "60 A 192.0.2.1");
        }
        disk.full.store(false, Ordering::SeqCst);
        let error = block_on(change(&store, &["c.example.org 60 A 192.0.2.3"]));
        assert!(error.is_ok(), "{error:?}");
        assert_eq!(at(&store, "a.example.org"), "60 A 192.0.2.1");
        assert_eq!(at(&store, "b.example.org"), "");
        assert!(serial(&store, "example.org") > before);
        drop(store);

        let store = open(folder.path()).unwrap();
        assert_eq!(at(&store, "a.example.org"), "60 A 192.0.2.1");
        assert_eq!(at(&store, "b.example.org"), "");
        assert_eq!(at(&store, "c.example.org"), "60 A 192.0.2.3");
    }

    #[test]
    fn a_change_whose_pages_were_not_made_durable_is_never_seen() {
        let folder = tempfile::tempdir().unwrap();
        let disk = Arc::new(Disk::default());
        let store = on_disk(folder.path(), ZONES, &disk).unwrap();
        for attempt in 0..5 {
            let kept = format!("k{attempt}.example.org 60 A 192.0.2.1");
            block_on(change(&store, &[&kept])).unwrap();
            disk.failing_sync.store(1, Ordering::SeqCst);
            let error = block_on(change(&store, &["a.example.org 60 A 192.0.2.2"])).unwrap_err().0;
            assert!(error.starts_with("could not confirm the change: "), "{error}");
            assert_eq!(at(&store, "a.example.org"), "", "{attempt}");
            assert_eq!(at(&store, &format!("k{attempt}.example.org")), "60 A 192.0.2.1", "{attempt}");
        }
        drop(store);
        assert_eq!(at(&open(folder.path()).unwrap(), "a.example.org"), "");
    }

    #[test]
    fn a_change_of_which_the_last_fsync_failed_is_there_as_a_whole_or_not_at_all() {
        let folder = tempfile::tempdir().unwrap();
        let disk = Arc::new(Disk::default());
        let store = on_disk(folder.path(), ZONES, &disk).unwrap();
        disk.failing_sync.store(2, Ordering::SeqCst);
        let both = ["a.example.org 60 A 192.0.2.2", "b.example.org 60 A 192.0.2.2"];
        let error = block_on(change(&store, &both)).unwrap_err().0;
        assert!(error.starts_with("could not confirm the change: "), "{error}");
        let seen = at(&store, "a.example.org");
        assert_eq!(at(&store, "b.example.org"), seen);
        block_on(change(&store, &["c.example.org 60 A 192.0.2.3"])).unwrap();
        assert_eq!(at(&store, "a.example.org"), seen);
        drop(store);
        let store = open(folder.path()).unwrap();
        assert_eq!([at(&store, "a.example.org"), at(&store, "b.example.org")], [seen.clone(), seen]);
    }

    #[test]
    fn what_may_not_last_is_not_called_unchanged() {
        let folder = tempfile::tempdir().unwrap();
        let disk = Arc::new(Disk::default());
        let store = on_disk(folder.path(), ZONES, &disk).unwrap();
        block_on(change(&store, &["a.example.org 60 A 192.0.2.1"])).unwrap();
        // The header is written, but not synced, nor is anything after it.
        disk.last_sync.store(2, Ordering::SeqCst);
        assert!(block_on(change(&store, &["a.example.org 60 A 192.0.2.2"])).is_err());
        assert_eq!(at(&store, "a.example.org"), "60 A 192.0.2.2", "DNS has what may last");
        let error = block_on(present(&store, "a.example.org")).unwrap_err().0;
        assert!(error.contains("not open") && error.contains("the fsync failed"), "{error}");

        disk.last_sync.store(0, Ordering::SeqCst);
        block_on(change(&store, &["b.example.org 60 A 192.0.2.3"])).unwrap();
        let present = block_on(present(&store, "a.example.org")).unwrap();
        assert!(
            matches!(&*present, [Current::Simple(ByFamily { v4: Some(set), v6: None })] if set.values == ["192.0.2.2"])
        );
    }

    #[test]
    fn a_disk_that_comes_back_is_used_again() {
        let folder = tempfile::tempdir().unwrap();
        let disk = Arc::new(Disk::default());
        let store = on_disk(folder.path(), ZONES, &disk).unwrap();
        block_on(change(&store, &["a.example.org 60 A 192.0.2.1"])).unwrap();
        disk.full.store(true, Ordering::SeqCst);
        disk.gone.store(true, Ordering::SeqCst);
        for _ in 0..2 {
            assert!(block_on(change(&store, &["a.example.org 60 A 192.0.2.2"])).is_err());
        }
        let error = store.snapshot().map(drop).unwrap_err().0;
        assert!(error.contains("not open") && error.contains("the disk is gone"), "{error}");
        let error = open(folder.path()).map(drop).unwrap_err().0;
        assert!(error.contains("another nic53"), "{error}");

        disk.full.store(false, Ordering::SeqCst);
        disk.gone.store(false, Ordering::SeqCst);
        // Without any change: those who read are waiting too.
        let started = std::time::Instant::now();
        while store.snapshot().is_err() {
            assert!(started.elapsed() < Duration::from_secs(10));
            thread::sleep(Duration::from_millis(10));
        }
        assert_eq!(at(&store, "a.example.org"), "60 A 192.0.2.1");
        block_on(change(&store, &["a.example.org 60 A 192.0.2.3"])).unwrap();
        assert_eq!(at(&store, "a.example.org"), "60 A 192.0.2.3");
    }

    #[test]
    fn a_disk_that_could_not_be_read_is_read_again() {
        let folder = tempfile::tempdir().unwrap();
        let disk = Arc::new(Disk::default());
        let store = on_disk(folder.path(), ZONES, &disk).unwrap();
        // A view keeps the first page.
        fill(&store);
        disk.unreadable.store(true, Ordering::SeqCst);
        let host = Key::from(&"h1.example.org".parse::<HostName>().unwrap());
        let read = || store.snapshot().and_then(|snapshot| snapshot.at(&host));
        assert!(read().unwrap_err().0.contains("the disk cannot be read"));
        disk.unreadable.store(false, Ordering::SeqCst);
        let started = std::time::Instant::now();
        while read().is_err() {
            assert!(started.elapsed() < Duration::from_secs(10));
            thread::sleep(Duration::from_millis(10));
        }
        assert_eq!(at(&store, "h1.example.org"), "60 A 192.0.2.1");
    }

    #[test]
    fn a_zone_takes_no_more_names_than_it_may_have_and_keeps_those_it_has() {
        let folder = tempfile::tempdir().unwrap();
        let zones = || Zones::parse("example.org=Z1,inner.example.org=Z2").unwrap();
        let store = Embedded::open_bounded(folder.path(), zones(), 3).unwrap();
        let set = |names: &[&str]| {
            let changes: Vec<_> = names.iter().map(|name| format!("{name} 60 A 192.0.2.1")).collect();
            block_on(change(&store, &changes.iter().map(String::as_str).collect::<Vec<_>>()))
        };
        set(&["a.example.org", "b.example.org"]).unwrap();
        let error = set(&["c.example.org", "d.example.org"]).unwrap_err().0;
        assert!(error.contains("example.org has 2 names") && error.contains("NIC53_MAX_NAMES=3"), "{error}");
        assert_eq!(at(&store, "c.example.org"), "");
        set(&["c.example.org"]).unwrap();
        assert!(set(&["d.example.org"]).is_err());
        // What is there may be changed, and the names of another zone are its own.
        block_on(change(&store, &["a.example.org 60 A 192.0.2.9", "a.example.org 60 AAAA 2001:db8::1"])).unwrap();
        set(&["x.inner.example.org", "y.inner.example.org", "z.inner.example.org"]).unwrap();
        assert!(set(&["w.inner.example.org"]).is_err());
        // A name that loses its records makes room for one.
        block_on(change(&store, &["-b.example.org 60 A 192.0.2.1"])).unwrap();
        set(&["d.example.org"]).unwrap();
        assert!(set(&["e.example.org"]).is_err());
        drop(store);
        // Those that were there before are counted, and more than may be stay.
        let store = Embedded::open_bounded(folder.path(), zones(), 2).unwrap();
        assert!(block_on(change(&store, &["e.example.org 60 A 192.0.2.1"])).is_err());
        block_on(change(&store, &["d.example.org 60 A 192.0.2.2"])).unwrap();
        assert_eq!(at(&store, "a.example.org"), "60 A 192.0.2.9, 60 AAAA 2001:db8::1");
    }

    #[test]
    fn a_folder_that_others_may_write_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        for mode in [0o770, 0o707, 0o777] {
            fs::set_permissions(folder.path(), fs::Permissions::from_mode(mode)).unwrap();
            let error = open(folder.path()).map(drop).unwrap_err().0;
            assert!(error.contains(&format!("with mode {mode:04o}")) && error.contains("expected"), "{error}");
            assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0, "nothing was made there");
        }
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
        drop(open(folder.path()).unwrap());
        for name in ["records.redb", "lock"] {
            let mode = fs::metadata(folder.path().join(name)).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600, "{name}");
        }
    }

    #[test]
    fn a_lock_that_others_may_take_does_not_stop_the_start() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lock");
        fs::write(&path, "").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        // As another user can, who may read it.
        let taken = fs::File::open(&path).unwrap();
        taken.lock().unwrap();
        drop(open(folder.path()).unwrap());
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn a_folder_that_is_in_use_is_refused_until_it_is_free() {
        let folder = tempfile::tempdir().unwrap();
        let store = open(folder.path()).unwrap();
        let error = open(folder.path()).map(drop).unwrap_err().0;
        assert!(error.contains(&*folder.path().to_string_lossy()) && error.contains("another nic53"), "{error}");
        drop(store);
        assert!(open(folder.path()).is_ok());
    }

    #[test]
    fn a_first_start_that_was_cut_short_is_begun_again() {
        let folder = tempfile::tempdir().unwrap();
        let mut left = create_anew(&folder.path().join("records.new")).unwrap();
        left.write_all(b"half").unwrap();
        assert!(open(folder.path()).is_ok());
    }

    /// A folder with some records.
    fn filled() -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        fill(&open(folder.path()).unwrap());
        folder
    }

    /// Adds more records than fit on one page.
    fn fill(store: &Embedded) {
        let changes: Vec<_> = (0..200).map(|n| format!("h{n}.example.org 60 A 192.0.2.{n}")).collect();
        block_on(change(store, &changes.iter().map(String::as_str).collect::<Vec<_>>())).unwrap();
    }

    #[test]
    fn a_damaged_file_is_reported_and_left_as_it_is() {
        let folder = filled();
        let path = file::path(folder.path());
        let whole = fs::read(&path).unwrap();
        let middle = whole.windows(4).position(|octets| octets == b"h100").unwrap();
        let mut flipped = whole.clone();
        flipped[middle] ^= 1;
        let mut zeroed = whole.clone();
        zeroed[middle / 4096 * 4096..][..4096].fill(0);
        for (damage, file) in [
            ("empty", Vec::new()),
            ("one octet", whole[..1].to_vec()),
            ("text", b"these are not the records you are looking for".repeat(1000)),
            ("header alone", whole[..4096].to_vec()),
            ("half", whole[..whole.len() / 8192 * 4096].to_vec()),
            ("one octet missing", whole[..whole.len() - 1].to_vec()),
            ("no header", [vec![0; 4096], whole[4096..].to_vec()].concat()),
            ("all zeros", vec![0; whole.len()]),
            ("one bit of a record", flipped),
            ("a page of zeros", zeroed),
        ] {
            fs::write(&path, &file).unwrap();
            let error = open(folder.path()).map(drop).expect_err(damage).0;
            assert!(error.contains(&*path.to_string_lossy()) && error.contains("damaged"), "{damage}: {error}");
            assert!(fs::read(&path).unwrap() == file, "{damage}");
        }
        fs::write(&path, &whole).unwrap();
        assert_eq!(at(&open(folder.path()).unwrap(), "h100.example.org"), "60 A 192.0.2.100");
    }

    #[test]
    fn whatever_bit_of_the_file_is_wrong_no_record_is_lost_in_silence() {
        let folder = filled();
        let path = file::path(folder.path());
        let whole = fs::read(&path).unwrap();
        let disk = Arc::new(Disk::default());
        let hosts = |store: &Embedded| {
            let zone = store.zones().iter().next().unwrap();
            let snapshot = store.snapshot().unwrap();
            snapshot.hosts(zone).unwrap().map(Result::unwrap).collect::<Vec<_>>()
        };
        let before = hosts(&on_disk(folder.path(), ZONES, &disk).unwrap());
        assert_eq!(before.len(), 200);
        for position in (0..whole.len()).step_by(499) {
            let mut file = whole.clone();
            file[position] ^= 1 << (position % 8);
            fs::write(&path, &file).unwrap();
            match on_disk(folder.path(), ZONES, &disk) {
                // Not every octet of the file is of use.
                Ok(store) => assert_eq!(hosts(&store), before, "{position}"),
                Err(error) => {
                    assert!(error.0.contains(&*path.to_string_lossy()), "{position}: {error}");
                    assert!(fs::read(&path).unwrap() == file, "{position}");
                }
            }
        }
    }
}
