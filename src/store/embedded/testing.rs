//! Stores for tests: in memory, or on a disk that can be told to fail.

use std::{
    fs::OpenOptions,
    future::Future,
    io::{self, ErrorKind},
    ops::Bound,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
    time::Duration,
};

use redb::{
    BackendError, DatabaseError, StorageBackend,
    backends::{FileBackend, InMemoryBackend},
};

use super::{
    Embedded,
    file::{DataFile, make_tables},
};
use crate::{
    access::{Access, Generations},
    record::{Action, Change, ChangeBatch, Family, RecordSet},
    store::{Calls, Error, Store},
    token::{Password, Scope, Secret, Secrets},
    zone::Zones,
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
        _lock: None,
    };
    Embedded::start(file, Zones::parse(zones).unwrap()).unwrap()
}

/// A store in this folder, on a disk that does as it is told.
pub(crate) fn on_disk(data: &Path, zones: &str, disk: &Arc<Disk>) -> Result<Embedded, Error> {
    let mut file = DataFile::in_folder(data)?;
    let disk = Arc::clone(disk);
    file.open = Box::new(move |builder, path| {
        let file = OpenOptions::new().read(true).write(true).open(path)?;
        // Nothing is read from memory.
        builder
            .set_cache_size(0)
            .create_with_backend(FaultyFile { file: FileBackend::new(file)?, disk: Arc::clone(&disk) })
    });
    Embedded::start(file, Zones::parse(zones).unwrap())
}

/// Makes one batch of changes such as `home.example.org 60 A 192.0.2.1`, or, with a `-` in front,
/// deletions.
pub(crate) async fn change(store: &Embedded, changes: &[&str]) -> Result<(), Error> {
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
    store.apply(&batch, &Calls::default()).await
}

/// What a disk is told to do.
#[derive(Debug, Default)]
pub(crate) struct Disk {
    /// Writes fail.
    pub(crate) full: AtomicBool,
    /// This fsync from now on fails: 1 is the next, 0 none.
    pub(crate) failing_sync: AtomicU64,
    /// Reads fail.
    pub(crate) unreadable: AtomicBool,
    /// The file cannot even be opened.
    pub(crate) gone: AtomicBool,
    /// Milliseconds that an fsync takes.
    pub(crate) slowness: AtomicU64,
    /// How many there were.
    pub(crate) syncs: AtomicU64,
}

/// A file on such a disk.
#[derive(Debug)]
struct FaultyFile {
    file: FileBackend,
    disk: Arc<Disk>,
}

impl StorageBackend for FaultyFile {
    fn len(&self) -> io::Result<u64> {
        if self.disk.gone.load(Ordering::SeqCst) {
            return Err(io::Error::other("the disk is gone"));
        }
        self.file.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        if self.disk.unreadable.load(Ordering::SeqCst) {
            return Err(io::Error::other("the disk cannot be read"));
        }
        self.file.read(offset, out)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        if self.disk.full.load(Ordering::SeqCst) {
            return Err(ErrorKind::StorageFull.into());
        }
        self.file.set_len(len)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.disk.syncs.fetch_add(1, Ordering::SeqCst);
        thread::sleep(Duration::from_millis(self.disk.slowness.load(Ordering::SeqCst)));
        let left = self.disk.failing_sync.load(Ordering::SeqCst);
        self.disk.failing_sync.store(left.saturating_sub(1), Ordering::SeqCst);
        if left == 1 {
            return Err(io::Error::other("the fsync failed"));
        }
        // The power stays on in tests.
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        if self.disk.full.load(Ordering::SeqCst) {
            return Err(ErrorKind::StorageFull.into());
        }
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
