//! Where the records are: Route 53, or the embedded store.

mod budget;
#[cfg(feature = "cli")]
pub mod embedded;
pub mod route53;
mod turns;

use std::{
    future::{self, Future},
    sync::Arc,
};

pub use self::{
    budget::{Budget, CallCount},
    turns::Turn,
};
use crate::{
    problem::Problem,
    protocol::{
        access::Grant,
        record::{ChangeBatch, Current},
    },
};

/// A place that holds record sets. Its methods take only grants, so none can touch a host that nobody
/// was let in to.
pub trait Store: Send + Sync + 'static {
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
    ) -> impl Future<Output = Result<Vec<Current>, Problem>> + Send;

    /// Applies the batch, as a whole or not at all, durably. It keeps the turn until that is done, even
    /// if nobody waits for the outcome any more.
    ///
    /// # Errors
    ///
    /// If the batch was refused, or it is not known whether it was applied.
    fn apply(
        &self,
        batch: &ChangeBatch<'_>,
        turn: Turn,
        budget: &Budget,
    ) -> impl Future<Output = Result<(), Problem>> + Send;
}

impl<S: Store> Store for Arc<S> {
    fn turn(&self, grants: &[&Grant<'_>], budget: &Budget) -> impl Future<Output = Result<Turn, Problem>> + Send {
        self.as_ref().turn(grants, budget)
    }

    async fn record_sets(&self, grants: &[&Grant<'_>], budget: &Budget) -> Result<Vec<Current>, Problem> {
        self.as_ref().record_sets(grants, budget).await
    }

    async fn apply(&self, batch: &ChangeBatch<'_>, turn: Turn, budget: &Budget) -> Result<(), Problem> {
        self.as_ref().apply(batch, turn, budget).await
    }
}
