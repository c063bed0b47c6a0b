//! Where the function's records are: in Route 53, or in the table of fleet mode.

use aws_config::SdkConfig;

use crate::{
    problem::Problem,
    protocol::{
        access::Grant,
        challenge::{
            access::ChallengeGrant,
            edit::{Edit, Edited},
        },
        record::ChangeBatch,
        zone::Zone,
    },
    settings::{Fleet, FleetState},
    store::{
        Budget, NotApplied, Present, Store, Turn,
        route53::Route53,
        table::{TableStore, Versions},
    },
    table::Table,
};

/// The store that the settings ask for.
pub(super) enum LambdaStore {
    /// Route 53 alone.
    Route53(Route53),
    /// The table in front of Route 53.
    Table(TableStore),
}

impl LambdaStore {
    /// Makes it; makes no call.
    pub(super) fn new(aws: &SdkConfig, fleet: Option<&Fleet>) -> Self {
        match fleet {
            Some(fleet) if fleet.state != FleetState::Prepare => {
                let (table, aws) = (Table::new(aws, &fleet.table), aws.clone());
                Self::Table(TableStore::new(table, move || Route53::new(&aws), fleet))
            }
            Some(_) | None => Self::Route53(Route53::new(aws)),
        }
    }

    /// Opens the connection that the first request will need.
    pub(super) async fn warm_up(&self, zone: &Zone) {
        match self {
            Self::Route53(store) => store.warm_up(zone).await,
            Self::Table(store) => store.warm_up(zone).await,
        }
    }
}

impl Store for LambdaStore {
    type Versions = Versions;

    async fn turn(&self, grants: &[&Grant<'_>], budget: &Budget) -> Result<Turn, Problem> {
        match self {
            Self::Route53(store) => store.turn(grants, budget).await,
            Self::Table(store) => store.turn(grants, budget).await,
        }
    }

    async fn record_sets(&self, grants: &[&Grant<'_>], budget: &Budget) -> Result<Present<Self::Versions>, Problem> {
        match self {
            Self::Route53(store) => {
                Ok(store.record_sets(grants, budget).await?.with_versions(|()| Versions::default()))
            }
            Self::Table(store) => store.record_sets(grants, budget).await,
        }
    }

    async fn apply(
        &self,
        batch: &ChangeBatch<'_>,
        versions: &Self::Versions,
        turn: Turn,
        budget: &Budget,
    ) -> Result<(), NotApplied> {
        match self {
            Self::Route53(store) => store.apply(batch, &(), turn, budget).await,
            Self::Table(store) => store.apply(batch, versions, turn, budget).await,
        }
    }

    async fn edit_challenge(
        &self,
        grant: &ChallengeGrant<'_>,
        edit: &Edit,
        ttl: u32,
        budget: &Budget,
    ) -> Result<Edited, Problem> {
        match self {
            Self::Route53(store) => store.edit_challenge(grant, edit, ttl, budget).await,
            Self::Table(store) => store.edit_challenge(grant, edit, ttl, budget).await,
        }
    }
}
