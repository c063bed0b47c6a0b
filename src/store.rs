//! Where the records are: Route 53, or the embedded store.

mod budget;
#[cfg(feature = "cli")]
pub mod embedded;
pub mod route53;
pub mod table;
mod turns;

use std::{
    future::{self, Future},
    sync::Arc,
    time::Duration,
};

pub use self::{
    budget::{Budget, CallCount},
    turns::Turn,
};
use crate::{
    problem::Problem,
    protocol::{
        access::Grant,
        challenge::{
            access::ChallengeGrant,
            edit::{Edit, Edited},
        },
        record::{ChangeBatch, Current},
    },
};

/// What is present at the hosts of a request.
#[derive(Debug)]
pub struct Present<V> {
    /// What each granted host has, in their order.
    pub current: Vec<Current>,
    /// How long the host that has waited longest has waited for its change to reach Route 53.
    pub pending: Option<Duration>,
    /// The versions of what was read: a batch is applied only to those.
    pub versions: V,
}

impl<V> Present<V> {
    /// The same with other versions.
    pub fn with_versions<W>(self, make: impl FnOnce(V) -> W) -> Present<W> {
        Present { current: self.current, pending: self.pending, versions: make(self.versions) }
    }
}

impl Present<()> {
    /// What is present in a store without versions.
    pub fn unversioned(current: Vec<Current>) -> Self {
        Self { current, pending: None, versions: () }
    }
}

/// Why a batch was not applied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NotApplied {
    /// One of the hosts is no longer as it was read, and nothing was done. A new plan may succeed.
    Conflict,
    /// It was refused, or it is not known whether it was applied.
    Failed(Problem),
}

impl From<Problem> for NotApplied {
    fn from(problem: Problem) -> Self {
        Self::Failed(problem)
    }
}

/// A place that holds record sets. Its methods take only grants, so none can touch a host that nobody
/// was let in to.
pub trait Store: Send + Sync + 'static {
    /// What the store wants to know again of a host that it is to change: `()` if its turns see to it that
    /// nobody changes the host in between.
    type Versions: Send + Sync;

    /// Waits until earlier requests for these hosts are done. Later ones wait until the turn is
    /// dropped. A store that makes its changes one by one needs no turns.
    ///
    /// # Errors
    ///
    /// If an earlier request is not done by the deadline.
    fn turn(&self, _grants: &[&Grant<'_>], _budget: &Budget) -> impl Future<Output = Result<Turn, Problem>> + Send {
        future::ready(Ok(Turn::default()))
    }

    /// What is present at each granted host, in their order. All are of one zone.
    ///
    /// # Errors
    ///
    /// If one of them could not be read.
    fn record_sets(
        &self,
        grants: &[&Grant<'_>],
        budget: &Budget,
    ) -> impl Future<Output = Result<Present<Self::Versions>, Problem>> + Send;

    /// Applies the batch, as a whole or not at all, durably, to hosts of these versions. It keeps the turn
    /// until that is done, even if nobody waits for the outcome any more.
    ///
    /// # Errors
    ///
    /// If the batch was refused, or it is not known whether it was applied.
    fn apply(
        &self,
        batch: &ChangeBatch<'_>,
        versions: &Self::Versions,
        turn: Turn,
        budget: &Budget,
    ) -> impl Future<Output = Result<(), NotApplied>> + Send;

    /// Edits the TXT records of a host's challenge, durably, and never loses an edit that another writer
    /// makes at the same time. `ttl` is of a new record set.
    ///
    /// # Errors
    ///
    /// If the edit was refused, or it is not known whether it was made.
    fn edit_challenge(
        &self,
        grant: &ChallengeGrant<'_>,
        edit: &Edit,
        ttl: u32,
        budget: &Budget,
    ) -> impl Future<Output = Result<Edited, Problem>> + Send;
}

impl<S: Store> Store for Arc<S> {
    type Versions = S::Versions;

    fn turn(&self, grants: &[&Grant<'_>], budget: &Budget) -> impl Future<Output = Result<Turn, Problem>> + Send {
        self.as_ref().turn(grants, budget)
    }

    async fn record_sets(&self, grants: &[&Grant<'_>], budget: &Budget) -> Result<Present<S::Versions>, Problem> {
        self.as_ref().record_sets(grants, budget).await
    }

    async fn apply(
        &self,
        batch: &ChangeBatch<'_>,
        versions: &S::Versions,
        turn: Turn,
        budget: &Budget,
    ) -> Result<(), NotApplied> {
        self.as_ref().apply(batch, versions, turn, budget).await
    }

    async fn edit_challenge(
        &self,
        grant: &ChallengeGrant<'_>,
        edit: &Edit,
        ttl: u32,
        budget: &Budget,
    ) -> Result<Edited, Problem> {
        self.as_ref().edit_challenge(grant, edit, ttl, budget).await
    }
}
