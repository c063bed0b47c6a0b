//! What the readers of the store share with the thread that writes.

use std::{
    mem,
    path::{Path, PathBuf},
    sync::{
        Arc, PoisonError, RwLock, RwLockReadGuard,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use redb::Database;

use super::{file::failed, key::Key, view::View};
use crate::{problem::Problem, protocol::zone::Zones};

/// What the readers and the thread that writes share.
pub(super) struct Shared {
    /// The path of the file.
    pub(super) path: PathBuf,
    /// The zones in it.
    pub(super) zones: Zones,
    /// The keys of the zones, in their order.
    pub(super) apexes: Vec<Key>,
    /// Changed only by the thread that writes, which holds the lock no longer than a swap takes.
    pub(super) state: RwLock<State>,
    /// Whether something failed since the file was opened.
    pub(super) suspect: AtomicBool,
    /// Transactions committed.
    pub(super) commits: AtomicU64,
}

/// Whether the file is open.
pub(super) enum State {
    /// It is open.
    Open(Opened),
    /// It is not open, for this reason. Readers have a copy in memory.
    Copied(Opened, String),
    /// It is not open, for this reason.
    Closed(String),
}

/// An open file, or an open copy of it.
pub(super) struct Opened {
    /// What it holds since the last commit. A transaction for each read would take a fifth of a DNS
    /// answer's time.
    pub(super) view: Arc<View>,
    /// The file.
    pub(super) database: Database,
}

impl Opened {
    /// Reads what an open file holds.
    pub(super) fn new(database: Database, path: &Path) -> Result<Self, Problem> {
        let view = View::new(&database).map_err(|error| failed(path, &error))?;
        Ok(Self { view: Arc::new(view), database })
    }
}

impl Shared {
    /// Does something with the open file; an error if it is not open.
    pub(super) fn with<T>(&self, what: impl FnOnce(&Opened) -> Result<T, Problem>) -> Result<T, Problem> {
        match &*self.state() {
            State::Open(opened) => what(opened),
            State::Copied(_, why) | State::Closed(why) => Err(self.closed(why)),
        }
    }

    /// What the file holds, or its copy.
    pub(super) fn view(&self) -> Result<Arc<View>, Problem> {
        match &*self.state() {
            State::Open(opened) | State::Copied(opened, _) => Ok(Arc::clone(&opened.view)),
            State::Closed(why) => Err(self.closed(why)),
        }
    }

    /// Gives readers what the file holds since the last commit.
    pub(super) fn show(&self, view: View) {
        let mut view = Arc::new(view);
        if let State::Open(opened) = &mut *self.state.write().unwrap_or_else(PoisonError::into_inner) {
            // The view before it is dropped later, outside the lock.
            mem::swap(&mut opened.view, &mut view);
        }
    }

    /// The error for a file that is not open.
    pub(super) fn closed(&self, why: &str) -> Problem {
        Problem(format!("{}: not open: {why}", self.path.display()))
    }

    /// The state, which cannot change until the guard is dropped.
    pub(super) fn state(&self) -> RwLockReadGuard<'_, State> {
        self.state.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the file is open and nothing has failed since it was opened.
    pub(super) fn is_usable(&self) -> bool {
        let open = matches!(*self.state(), State::Open(_));
        open && !self.suspect.load(Ordering::Relaxed)
    }

    /// Notes a failure, after which the file must be opened again.
    pub(super) fn suspect(&self) {
        self.suspect.store(true, Ordering::Relaxed);
    }

    /// Changes the state. The file that was open before is closed outside the lock.
    pub(super) fn set(&self, state: State) {
        let before = mem::replace(&mut *self.state.write().unwrap_or_else(PoisonError::into_inner), state);
        drop(before);
        self.suspect.store(false, Ordering::Relaxed);
    }

    /// The error for a read that failed, after which the file must be opened again.
    pub(super) fn failed(&self, error: &redb::Error) -> Problem {
        self.suspect();
        failed(&self.path, error)
    }

    /// Counts one commit.
    pub(super) fn count_commit(&self) {
        self.commits.fetch_add(1, Ordering::Relaxed);
    }
}
