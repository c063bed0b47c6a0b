//! What one request may use of a store.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use tokio::time::Instant;

/// How long a request may read and write, both together. `docs/protocol.md` promises a reply in this
/// time; routers wait for ten seconds or more.
const LIMIT: Duration = Duration::from_secs(9);

/// The time that a request has, and the number of its calls. Clones share the number.
#[derive(Clone, Debug)]
pub struct Budget {
    /// When the reply must be out.
    deadline: Instant,
    /// The calls to Route 53 that were made for the request.
    calls: CallCount,
}

impl Budget {
    /// The budget of a request that starts now.
    pub fn start() -> Self {
        Self::until(Instant::now() + LIMIT)
    }

    /// A budget with this deadline.
    pub fn until(deadline: Instant) -> Self {
        Self { deadline, calls: CallCount::default() }
    }

    /// When the reply must be out.
    pub fn deadline(&self) -> Instant {
        self.deadline
    }

    /// The calls to Route 53 that were made for the request.
    pub fn calls(&self) -> &CallCount {
        &self.calls
    }
}

/// Calls to Route 53 that were made for one request, including retries, and calls that it shared with
/// other requests. Clones count together.
#[derive(Clone, Debug, Default)]
pub struct CallCount(Arc<AtomicU32>);

impl CallCount {
    /// Counts one call.
    pub fn count(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    /// The calls until now.
    pub fn get(&self) -> u32 {
        self.0.load(Ordering::Relaxed)
    }
}
