//! Stores for tests: in memory, or on a disk that can be told to fail, or to lose its power.

use std::{
    fs::{self, OpenOptions},
    future::Future,
    io::{self, ErrorKind},
    ops::Bound,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
    time::Duration,
};

use proptest::{prelude::RngExt, test_runner::TestRng};
use redb::{
    BackendError, Builder, Database, DatabaseError, StorageBackend,
    backends::{FileBackend, InMemoryBackend},
};

use super::{
    DEFAULT_MAX_NAMES, Embedded,
    file::{DataFile, make_tables},
};
use crate::{
    problem::Problem,
    protocol::{
        access::{Access, Generations},
        address::Family,
        record::{Action, Change, ChangeBatch, Current, RecordSet},
        token::{Password, Scope, Secret, Secrets},
        zone::Zones,
    },
    store::{Budget, NotApplied, Store, Turn},
};

/// Runs a future.
pub(crate) fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

/// A store that is gone with the process.
pub(crate) fn in_memory(zones: &str) -> Embedded {
    let file = DataFile {
        path: PathBuf::from("memory"),
        open: Box::new(|builder, _| {
            let database = builder.create_with_backend(InMemoryBackend::new())?;
            make_tables(&database).map_err(|error| DatabaseError::from(io::Error::other(error)))?;
            Ok(database)
        }),
        read: Box::new(|_| Err(ErrorKind::Unsupported.into())),
        _lock: None,
    };
    Embedded::start(file, Zones::parse(zones).unwrap(), DEFAULT_MAX_NAMES).unwrap()
}

/// A store in this folder, on a disk that does as it is told, from the making of the file on.
pub(crate) fn on_disk(data: &Path, zones: &str, disk: &Arc<Disk>) -> Result<Embedded, Problem> {
    let (to_write, to_read) = (Arc::clone(disk), Arc::clone(disk));
    let open = move |builder: &mut Builder, path: &Path| open_on(&to_write, builder, path);
    let mut file = DataFile::made_in_folder(data, &open)?;
    file.open = Box::new(open);
    file.read = Box::new(move |path| to_read.readable().and_then(|()| fs::read(path)));
    Embedded::start(file, Zones::parse(zones).unwrap(), DEFAULT_MAX_NAMES)
}

/// Opens a file on a disk, or makes it there.
fn open_on(disk: &Arc<Disk>, builder: &mut Builder, path: &Path) -> Result<Database, DatabaseError> {
    let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)?;
    disk.opened(path)?;
    // Nothing is read from memory.
    builder.set_cache_size(0).create_with_backend(FaultyFile { file: FileBackend::new(file)?, disk: Arc::clone(disk) })
}

/// Makes one batch of changes such as `home.example.org 60 A 192.0.2.1`, or, with a `-` in front,
/// deletions.
pub(crate) async fn change(store: &Embedded, changes: &[&str]) -> Result<(), Problem> {
    let secret = Secret::new(&"a".repeat(40)).unwrap();
    let zones = store.zones().clone();
    let mut of = Vec::new();
    for change in changes {
        let (action, change) = match change.strip_prefix('-') {
            Some(change) => (Action::Delete, change),
            None => (Action::Upsert, *change),
        };
        let words: Vec<_> = change.split(' ').collect();
        let [host, ttl, kind, values @ ..] = &*words else { panic!("{change}") };
        let host = host.parse().unwrap();
        let token = secret.mint(Scope::Host, &host, zones.holding(&host).unwrap(), 0);
        let family = Family::BOTH.into_iter().find(|family| family.record_type() == *kind).unwrap();
        let values = values.iter().map(|&value| value.to_owned()).collect();
        let record_set = RecordSet { family, ttl: ttl.parse().unwrap(), values };
        of.push((host, Password::new(token.reveal()).unwrap(), action, record_set));
    }
    let secrets = Secrets { current: secret, previous: None };
    let generations = Generations::new();
    let access = Access { zones: &zones, secrets: &secrets, generations: &generations };
    let grants: Vec<_> = of.iter().map(|(host, password, ..)| access.grant(host, password).unwrap()).collect();
    let changes = grants.iter().zip(&of).map(|(grant, (_, _, action, record_set))| Change {
        grant,
        action: *action,
        record_set: record_set.clone(),
    });
    let batch = ChangeBatch { zone: grants[0].zone(), changes: changes.collect() };
    store.apply(&batch, &(), Turn::default(), &Budget::start()).await.map_err(|refused| match refused {
        NotApplied::Failed(problem) => problem,
        NotApplied::Conflict => unreachable!("the embedded store has no versions"),
    })
}

/// What a host has, as a request sees it.
pub(crate) async fn present(store: &Embedded, host: &str) -> Result<Vec<Current>, Problem> {
    let (zones, generations) = (store.zones(), Generations::new());
    let secrets = Secrets { current: Secret::new(&"a".repeat(40)).unwrap(), previous: None };
    let host = host.parse().unwrap();
    let token = secrets.current.mint(Scope::Host, &host, zones.holding(&host).unwrap(), 0);
    let access = Access { zones, secrets: &secrets, generations: &generations };
    let grant = access.grant(&host, &Password::new(token.reveal()).unwrap()).unwrap();
    store.record_sets(&[&grant], &Budget::start()).await.map(|present| present.current)
}

/// What a disk is told to do.
#[derive(Debug, Default)]
pub(crate) struct Disk {
    /// Writes fail.
    pub(crate) full: AtomicBool,
    /// This fsync from now on fails: 1 is the next, 0 none.
    pub(crate) failing_sync: AtomicU64,
    /// This fsync from now on fails, and so do all after it: 1 is the next, 0 none.
    pub(crate) last_sync: AtomicU64,
    /// Reads fail.
    pub(crate) unreadable: AtomicBool,
    /// The file cannot even be opened.
    pub(crate) gone: AtomicBool,
    /// Milliseconds that an fsync takes.
    pub(crate) slowness: AtomicU64,
    /// How many there were.
    pub(crate) syncs: AtomicU64,
    /// What a power cut would leave, where there is to be one.
    journal: Mutex<Option<Journal>>,
}

impl Disk {
    /// A disk that loses its power at this one of the writes, syncs and changes of length to come.
    pub(crate) fn losing_power_at(operation: u64) -> Self {
        let journal = Journal { synced: None, unsynced: Vec::new(), left: operation };
        Self { journal: Mutex::new(Some(journal)), ..Self::default() }
    }

    /// Whether the power was cut.
    pub(crate) fn is_off(&self) -> bool {
        self.journal().as_ref().is_some_and(|journal| journal.left == 0)
    }

    /// What a power cut would leave now of the file that was written, and how many octets that were
    /// written since the last sync it would lose. Every sector, and every change of length, is there
    /// or is not: `kept` of them are.
    pub(crate) fn after_power_cut(&self, kept: f64, random: &mut TestRng) -> (Vec<u8>, usize) {
        let journal = self.journal();
        let journal = journal.as_ref().expect("a disk that can lose its power");
        let mut octets = journal.synced.clone().unwrap_or_default();
        let mut lost = 0;
        for change in &journal.unsynced {
            match change {
                Unsynced::Length(length) if random.random_bool(kept) => octets.resize(*length, 0),
                Unsynced::Length(_) => {}
                Unsynced::Octets(offset, written) => {
                    let mut at = 0;
                    while at < written.len() {
                        let end = (SECTOR - (offset + at) % SECTOR + at).min(written.len());
                        if random.random_bool(kept) {
                            octets.resize(octets.len().max(offset + end), 0);
                            octets[offset + at..offset + end].copy_from_slice(&written[at..end]);
                        } else {
                            lost += end - at;
                        }
                        at = end;
                    }
                }
            }
        }
        (octets, lost)
    }

    /// Fails where it cannot be read.
    fn readable(&self) -> io::Result<()> {
        if self.gone.load(Ordering::SeqCst) || self.unreadable.load(Ordering::SeqCst) || self.is_off() {
            return Err(io::Error::other("the disk cannot be read"));
        }
        Ok(())
    }

    /// Takes down what the file holds that is opened for the first time.
    fn opened(&self, path: &Path) -> io::Result<()> {
        if let Some(journal) = &mut *self.journal()
            && journal.synced.is_none()
        {
            journal.synced = Some(fs::read(path)?);
        }
        Ok(())
    }

    /// Takes down a change; fails where the power is cut, which may be in the middle of it.
    fn write(&self, change: impl FnOnce() -> Unsynced) -> io::Result<()> {
        let mut journal = self.journal();
        let Some(journal) = &mut *journal else { return Ok(()) };
        if journal.left > 0 {
            journal.unsynced.push(change());
        }
        journal.step()
    }

    /// Takes down that all before is on the disk; fails where the power is cut before that.
    fn synced(&self) -> io::Result<()> {
        if let Some(journal) = &mut *self.journal() {
            journal.step()?;
            let octets = journal.synced.get_or_insert_default();
            for change in journal.unsynced.drain(..) {
                match change {
                    Unsynced::Length(length) => octets.resize(length, 0),
                    Unsynced::Octets(offset, written) => {
                        octets.resize(octets.len().max(offset + written.len()), 0);
                        octets[offset..offset + written.len()].copy_from_slice(&written);
                    }
                }
            }
        }
        Ok(())
    }

    /// The journal.
    fn journal(&self) -> MutexGuard<'_, Option<Journal>> {
        self.journal.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a disk writes at once, in octets.
const SECTOR: usize = 512;

/// What is on a disk, and what is only on its way there.
#[derive(Debug)]
struct Journal {
    /// The file as it was when it was last synced; none before it was opened.
    synced: Option<Vec<u8>>,
    /// What was changed since, in order.
    unsynced: Vec<Unsynced>,
    /// Operations until the power is cut.
    left: u64,
}

/// A change that a power cut may undo.
#[derive(Debug)]
enum Unsynced {
    /// Another length.
    Length(usize),
    /// Octets, from this one on.
    Octets(usize, Vec<u8>),
}

impl Journal {
    /// Counts one operation; fails where the power is cut.
    fn step(&mut self) -> io::Result<()> {
        self.left = self.left.saturating_sub(1);
        if self.left == 0 { Err(io::Error::other("the power was cut")) } else { Ok(()) }
    }
}

/// A file on such a disk.
#[derive(Debug)]
struct FaultyFile {
    file: FileBackend,
    disk: Arc<Disk>,
}

impl StorageBackend for FaultyFile {
    fn len(&self) -> io::Result<u64> {
        if self.disk.gone.load(Ordering::SeqCst) || self.disk.is_off() {
            return Err(io::Error::other("the disk is gone"));
        }
        self.file.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.disk.readable()?;
        self.file.read(offset, out)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        if self.disk.full.load(Ordering::SeqCst) {
            return Err(ErrorKind::StorageFull.into());
        }
        self.disk.write(|| Unsynced::Length(usize::try_from(len).unwrap()))?;
        self.file.set_len(len)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.disk.syncs.fetch_add(1, Ordering::SeqCst);
        thread::sleep(Duration::from_millis(self.disk.slowness.load(Ordering::SeqCst)));
        let left = self.disk.failing_sync.load(Ordering::SeqCst);
        self.disk.failing_sync.store(left.saturating_sub(1), Ordering::SeqCst);
        let last = self.disk.last_sync.load(Ordering::SeqCst);
        if last > 1 {
            self.disk.last_sync.store(last - 1, Ordering::SeqCst);
        }
        if left == 1 || last == 1 {
            return Err(io::Error::other("the fsync failed"));
        }
        // The power is cut in the journal alone.
        self.disk.synced()
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        if self.disk.full.load(Ordering::SeqCst) {
            return Err(ErrorKind::StorageFull.into());
        }
        self.disk.write(|| Unsynced::Octets(usize::try_from(offset).unwrap(), data.to_vec()))?;
        self.file.write(offset, data)
    }

    fn close(&self) -> io::Result<()> {
        self.file.close()
    }

    fn try_lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.file.try_lock_range(start, end)
    }

    fn try_lock_shared_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.file.try_lock_shared_range(start, end)
    }

    fn lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.file.lock_range(start, end)
    }

    fn lock_shared_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.file.lock_shared_range(start, end)
    }

    fn unlock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.file.unlock_range(start, end)
    }

    fn query_lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.file.query_lock_range(start, end)
    }
}
