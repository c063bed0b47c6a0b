//! The file that holds the records: making it, opening it, and the errors if that fails.
//!
//! A file is made under another name, and renamed when it is complete. So a file that exists was
//! complete once, whatever state it is in now. When nic53 starts, it reads the whole file and compares
//! every page with its checksum, which takes less than a tenth of a second for a million records.
//! Without that, redb may panic on a damaged file.

use std::{
    fmt::Display,
    fs::{self, DirBuilder, File, Permissions, TryLockError},
    io::{self, ErrorKind},
    os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant, SystemTime},
};

use redb::{
    Builder, Database, DatabaseError, ReadableDatabase, StorageBackend, StorageError, TableDefinition, TableError,
    WriteTransaction, backends::InMemoryBackend,
};

use super::key::Key;
use crate::{
    files::{PRIVATE, create_anew, described, is_own, is_private, sync_folder_of},
    problem::Problem,
};

/// Each name's key and [`super::Records`].
pub(super) const RECORDS: TableDefinition<'static, &[u8], &[u8]> = TableDefinition::new("records");
/// The key and the SOA serial of each zone.
pub(super) const SERIALS: TableDefinition<'static, &[u8], u32> = TableDefinition::new("serials");
/// A table of one row, which shows that the file is ours.
const FORMAT: TableDefinition<'static, &str, u32> = TableDefinition::new("nic53");
/// The key of that row.
const VERSION: &str = "format";
/// The format's first version: addresses alone. A file stays of this version as long as it can, so that
/// the nic53 before this one can open it.
const FIRST: u32 = 1;
/// The version of a file that has held TXT records.
const WITH_TEXTS: u32 = 2;

/// The most memory for pages of the file, in octets.
const CACHE: usize = 64 << 20;
/// The longest file that is copied into memory, in octets.
const LARGEST_COPY: u64 = 64 << 20;

/// How long we wait for another process to release the file.
const PATIENCE: Duration = Duration::from_secs(1);

/// How the file is opened: tests use a disk that fails when they want it to.
pub(super) type Opener = Box<dyn Fn(&mut Builder, &Path) -> Result<Database, DatabaseError> + Send + Sync>;
/// How the file is read as a whole.
pub(super) type Reader = Box<dyn Fn(&Path) -> io::Result<Vec<u8>> + Send + Sync>;

/// How the file is made.
type Maker = dyn Fn(&mut Builder, &Path) -> Result<Database, DatabaseError>;

/// The file in its folder. No other process can open it until this is dropped.
pub(super) struct DataFile {
    /// The file's path.
    pub(super) path: PathBuf,
    /// How it is opened.
    pub(super) open: Opener,
    /// How it is read if it cannot be opened.
    pub(super) read: Reader,
    /// The lock of the folder, if the file is in one.
    pub(super) _lock: Option<File>,
}

impl DataFile {
    /// The file in this folder. Folder and file are made if they are missing.
    pub(super) fn in_folder(data: &Path) -> Result<Self, Problem> {
        Self::made_in_folder(data, &|builder, path| builder.create(path))
    }

    /// The same, with another way to make the file.
    pub(super) fn made_in_folder(data: &Path, make: &Maker) -> Result<Self, Problem> {
        let could_not = |what: &str, error: io::Error| {
            Problem(format!("{}: could not {what}: {error}: expected a folder that nic53 may write", data.display()))
        };
        make_folder(data).map_err(|error| could_not("make it", error))?;
        check_folder(data)?;
        let lock = open_lock(&data.join("lock")).map_err(|error| could_not("make its lock", error))?;
        match patiently(|| lock.try_lock(), |error| matches!(error, TryLockError::WouldBlock)) {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(in_use(data)),
            Err(TryLockError::Error(error)) => return Err(could_not("lock it", error)),
        }
        let path = path(data);
        if path.try_exists().map_err(|error| could_not("look into it", error))? {
            // Older versions made it with the mode of the process.
            let private = fs::set_permissions(&path, Permissions::from_mode(PRIVATE));
            private.map_err(|error| could_not("make its file private", error))?;
        } else {
            make_file(&path, make)?;
            sync_folder_of(&path).map_err(|error| could_not("make its file last", error))?;
        }
        Ok(Self {
            path,
            open: Box::new(|builder, path| builder.open(path)),
            read: Box::new(|path| fs::read(path)),
            _lock: Some(lock),
        })
    }

    /// Opens the file for the first time, and checks all of it.
    pub(super) fn open_checked(&self, zones: &[Key]) -> Result<Database, Problem> {
        let mut builder = Builder::new();
        builder.set_cache_size(CACHE).set_check_integrity_on_open(true);
        let database = self.open(&mut builder)?;
        self.check_format(&database)?;
        give_serials(&database, zones).map_err(|error| failed(&self.path, &error))?;
        Ok(database)
    }

    /// Opens the file again after a failure.
    pub(super) fn reopen(&self) -> Result<Database, Problem> {
        self.open(Builder::new().set_cache_size(CACHE))
    }

    /// Copies the file into memory, so that it can be read while the disk takes no writes: if a file was
    /// not closed, redb writes to it before it reads it.
    pub(super) fn copy(&self) -> Result<Database, Problem> {
        let could_not = |error: &dyn Display| Problem(format!("{}: could not read it: {error}", self.path.display()));
        let length = fs::metadata(&self.path).map_err(|error| could_not(&error))?.len();
        if length > LARGEST_COPY {
            return Err(could_not(&"it is too large for a copy in memory"));
        }
        let octets = (self.read)(&self.path).map_err(|error| could_not(&error))?;
        let memory = InMemoryBackend::new();
        let filled = memory.set_len(octets.len() as u64).and_then(|()| memory.write(0, &octets));
        filled.map_err(|error| could_not(&error))?;
        let database = Builder::new().set_cache_size(CACHE).create_with_backend(memory);
        database.map_err(|error| could_not_open(&self.path, &error))
    }

    /// Opens the file with these settings.
    fn open(&self, builder: &mut Builder) -> Result<Database, Problem> {
        let open = || (self.open)(builder, &self.path);
        let database = patiently(open, |error| matches!(error, DatabaseError::DatabaseAlreadyOpen));
        database.map_err(|error| could_not_open(&self.path, &error))
    }

    /// Refuses a file that is not ours, or of another version.
    fn check_format(&self, database: &Database) -> Result<(), Problem> {
        let path = self.path.display();
        match format(database) {
            Ok(Some(FIRST..=WITH_TEXTS)) => Ok(()),
            Ok(Some(version)) => Err(Problem(format!(
                "{path}: format {version}, expected {FIRST} to {WITH_TEXTS}: use the nic53 it is of"
            ))),
            Ok(None) => Err(Problem(format!("{path}: not a file of nic53: move it away, or choose another folder"))),
            Err(error) => Err(failed(&self.path, &error)),
        }
    }
}

/// The file in a folder.
pub(super) fn path(data: &Path) -> PathBuf {
    data.join("records.redb")
}

/// A transaction that is durable when its commit returns.
///
/// It is committed in two phases, each with an fsync: first all new pages, then the header that points
/// to them. If the first fails, the file still holds what it held before. In one phase, the header
/// could point to pages that never reached the disk. The commit also saves what redb needs to open
/// the file again without a repair. That is most of a commit's CPU, but a repair would write to a
/// damaged file before the damage is found.
pub(super) fn begin(database: &Database) -> Result<WriteTransaction, redb::Error> {
    let mut transaction = database.begin_write()?;
    transaction.set_quick_repair(true);
    Ok(transaction)
}

/// Marks the file as one with TXT records, from this transaction on.
pub(super) fn mark_texts(transaction: &WriteTransaction) -> Result<(), redb::Error> {
    transaction.open_table(FORMAT)?.insert(VERSION, WITH_TEXTS)?;
    Ok(())
}

/// The error for an open file that could not be read or written.
pub(super) fn failed(path: &Path, error: &redb::Error) -> Problem {
    match error {
        redb::Error::Corrupted(_) => damaged(path, error),
        _ => Problem(format!("{}: {error}", path.display())),
    }
}

/// The error for a damaged file.
pub(super) fn damaged(path: &Path, error: impl Display) -> Problem {
    Problem(format!(
        "{}: damaged: {error}: put a copy in its place, or move it away to start without records",
        path.display()
    ))
}

/// The time in seconds since 1970, as a serial: modulo 2³².
pub(super) fn now() -> u32 {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    u32::try_from(now.as_secs() & u64::from(u32::MAX)).unwrap_or_default()
}

/// Retries for up to a second while the file is locked: by a server that is stopping, or by a child of
/// ours that has not called exec yet.
fn patiently<T, E>(mut attempt: impl FnMut() -> Result<T, E>, busy: impl Fn(&E) -> bool) -> Result<T, E> {
    let start = Instant::now();
    loop {
        match attempt() {
            Err(error) if busy(&error) && start.elapsed() < PATIENCE => thread::sleep(PATIENCE / 100),
            outcome => return outcome,
        }
    }
}

/// The error for a file that could not be opened.
fn could_not_open(path: &Path, error: &DatabaseError) -> Problem {
    let kind = match error {
        DatabaseError::Storage(StorageError::Io(error)) => Some(error.kind()),
        DatabaseError::Storage(StorageError::Corrupted(_)) | DatabaseError::UpgradeRequired(_) => {
            Some(ErrorKind::InvalidData)
        }
        _ => None,
    };
    match (kind, error) {
        (Some(ErrorKind::InvalidData | ErrorKind::UnexpectedEof), _) => damaged(path, error),
        (_, DatabaseError::DatabaseAlreadyOpen) => in_use(path),
        _ => Problem(format!("{}: could not open it: {error}", path.display())),
    }
}

/// The error for a folder that another process has open.
fn in_use(path: &Path) -> Problem {
    Problem(format!(
        "{}: in use by another nic53: stop that one first, or give this one a folder of its own",
        path.display()
    ))
}

/// Makes the folder, for its owner alone, if it is missing.
fn make_folder(data: &Path) -> io::Result<()> {
    if data.is_dir() {
        return Ok(());
    }
    DirBuilder::new().recursive(true).mode(0o700).create(data)?;
    sync_folder_of(data)
}

/// Refuses a folder in which another user may make or replace files: they could have the secret written
/// to a place of their choice.
fn check_folder(data: &Path) -> Result<(), Problem> {
    let found = fs::metadata(data).map_err(|error| Problem(format!("{}: {error}", data.display())))?;
    if is_own(&found) && found.mode() & 0o022 == 0 {
        return Ok(());
    }
    Err(Problem(format!(
        "{}: {}: expected a folder of the user that nic53 runs as, which nobody else may write: chown and chmod go-w, or another folder",
        data.display(),
        described(&found)
    )))
}

/// Opens the lock of a folder, or makes it. A lock that others may open is made anew, because they could
/// hold it forever. If an older nic53 has it, the lock on the records still keeps us out.
fn open_lock(path: &Path) -> io::Result<File> {
    let found = fs::symlink_metadata(path);
    if found.is_ok_and(|found| !is_private(&found)) {
        fs::remove_file(path)?;
    }
    File::options().create(true).truncate(false).write(true).mode(PRIVATE).open(path)
}

/// Makes a file without records.
fn make_file(path: &Path, make: &Maker) -> Result<(), Problem> {
    let new = path.with_extension("new");
    let could_not = |error: &dyn Display| Problem(format!("{}: could not make it: {error}", new.display()));
    // The rest of a start that was cut short is replaced: it never held a record.
    create_anew(&new).map_err(|error| could_not(&error))?;
    let database = make(Builder::new().set_cache_size(CACHE), &new).map_err(|error| could_not(&error))?;
    make_tables(&database).map_err(|error| could_not(&error))?;
    database.close().map_err(|error| could_not(&error))?;
    fs::rename(&new, path).map_err(|error| could_not(&error))
}

/// Makes the tables, empty.
pub(super) fn make_tables(database: &Database) -> Result<(), redb::Error> {
    let transaction = begin(database)?;
    transaction.open_table(RECORDS)?;
    transaction.open_table(SERIALS)?;
    transaction.open_table(FORMAT)?.insert(VERSION, FIRST)?;
    transaction.commit()?;
    Ok(())
}

/// The format of the file, if it has one.
fn format(database: &Database) -> Result<Option<u32>, redb::Error> {
    match database.begin_read()?.open_table(FORMAT) {
        Ok(table) => Ok(table.get(VERSION)?.map(|version| version.value())),
        Err(TableError::TableDoesNotExist(_) | TableError::TableTypeMismatch { .. }) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Gives a serial to each zone that has none.
fn give_serials(database: &Database, zones: &[Key]) -> Result<(), redb::Error> {
    let serials = database.begin_read()?.open_table(SERIALS)?;
    let mut without = Vec::new();
    for zone in zones {
        if serials.get(zone.as_bytes())?.is_none() {
            without.push(zone);
        }
    }
    if without.is_empty() {
        return Ok(());
    }
    let transaction = begin(database)?;
    let mut serials = transaction.open_table(SERIALS)?;
    for zone in without {
        serials.insert(zone.as_bytes(), now())?;
    }
    drop(serials);
    transaction.commit()?;
    Ok(())
}
