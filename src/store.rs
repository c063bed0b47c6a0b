//! Where the records are: Route 53, or the embedded store.

#[cfg(feature = "cli")]
pub mod embedded;
pub mod route53;

use std::{
    future::Future,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
};

use crate::{
    problem::Problem,
    protocol::{
        access::Grant,
        record::{ChangeBatch, Current},
    },
};

/// A place that holds record sets. Both are given leave, host by host, and nothing else.
pub trait Store: Send + Sync + 'static {
    /// What is present at each granted host, in their order. All are of one zone.
    ///
    /// # Errors
    ///
    /// Where one of them could not be read.
    fn record_sets(
        &self,
        grants: &[&Grant<'_>],
        calls: &CallCount,
    ) -> impl Future<Output = Result<Vec<Current>, Problem>> + Send;

    /// Applies the batch, as a whole or not at all, durably.
    ///
    /// # Errors
    ///
    /// Where it was refused, or it is not known whether it was applied.
    fn apply(&self, batch: &ChangeBatch<'_>, calls: &CallCount) -> impl Future<Output = Result<(), Problem>> + Send;
}

impl<S: Store> Store for Arc<S> {
    async fn record_sets(&self, grants: &[&Grant<'_>], calls: &CallCount) -> Result<Vec<Current>, Problem> {
        self.as_ref().record_sets(grants, calls).await
    }

    async fn apply(&self, batch: &ChangeBatch<'_>, calls: &CallCount) -> Result<(), Problem> {
        self.as_ref().apply(batch, calls).await
    }
}

/// Calls to Route 53 that one request made, retries included. Clones count together.
#[derive(Clone, Debug, Default)]
pub struct CallCount(Arc<AtomicU32>);

impl CallCount {
    /// One more.
    pub fn count(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    /// The calls until now.
    pub fn get(&self) -> u32 {
        self.0.load(Ordering::Relaxed)
    }
}
