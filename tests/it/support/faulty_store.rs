//! Route 53 behind a store with a bug, which the model's checks must find.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use nic53::{
    problem::Problem,
    protocol::{
        access::{Access, Generations, Grant},
        address::Family,
        challenge::{
            access::ChallengeGrant,
            edit::{Edit, Edited},
        },
        hostname::HostName,
        record::{Action, Change, ChangeBatch, Current, RecordSet},
        token::{Password, Secrets},
        zone::Zones,
    },
    store::{Budget, NotApplied, Present, Store, Turn, route53::Route53},
};
use tokio::time::{Instant, sleep};

use super::flaky_transport::REQUEST;

/// A bug.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Bug {
    /// `good` is said before the batch is sent.
    GoodTooEarly,
    /// The batch is never sent.
    BatchDropped,
    /// A batch that failed is taken for applied.
    FailureSwallowed,
    /// A batch that was applied is taken for failed.
    SuccessDoubted,
    /// Each change is a batch of its own.
    BatchSplit,
    /// The batch is written again later.
    WrittenAgainLater,
    /// A batch that failed is sent until it is applied.
    SentForEver,
    /// A host is read once, and never again.
    ReadOnce,
    /// Two hosts of a batch get each other's addresses.
    HostsSwapped,
    /// Every record set has the default TTL.
    TtlForgotten,
    /// An address that nobody asked for is added.
    AddressAdded,
    /// An alias is taken for nothing.
    AliasOverlooked,
    /// A deletion does not repeat what is there to the letter.
    DeletionMisspelled,
    /// Only the first of several addresses is written.
    AddressLost,
    /// A busy Route 53 is given up after half a second.
    BusyGivenUp,
    /// A request does not wait for an earlier one for the same host.
    TurnIgnored,
}

impl Bug {
    /// All of them, and what they are found by.
    pub(crate) const FOUND_BY: [(Self, &str); 16] = [
        (Self::GoodTooEarly, "good without the record"),
        (Self::BatchDropped, "good without the record"),
        (Self::FailureSwallowed, "good without the record"),
        (Self::SuccessDoubted, "dnserr, though all went well"),
        (Self::BatchSplit, "more than one batch"),
        (Self::WrittenAgainLater, "a call after the reply"),
        (Self::SentForEver, "not in time"),
        (Self::ReadOnce, "no order explains"),
        (Self::HostsSwapped, "unexplained: good"),
        (Self::TtlForgotten, "unexplained: good"),
        (Self::AddressAdded, "whose is 203.0.113.99?"),
        (Self::AliasOverlooked, "cdn.example.org changed"),
        (Self::DeletionMisspelled, "refused without a reason"),
        (Self::AddressLost, "unexplained: good"),
        (Self::BusyGivenUp, "given up while Route 53 was busy"),
        (Self::TurnIgnored, "a record set twice in a batch"),
    ];
}

/// A store with a bug.
pub(crate) struct FaultyStore {
    /// The right one.
    route53: Arc<Route53>,
    /// The bug.
    bug: Bug,
    /// What was read before.
    memory: Mutex<HashMap<HostName, Current>>,
    /// What it takes to write when nobody asks any more.
    keys: Arc<Keys>,
}

/// What it takes to be granted any host.
pub(crate) struct Keys {
    /// All zones.
    pub(crate) zones: Zones,
    /// The secrets.
    pub(crate) secrets: Secrets,
    /// A token that covers all.
    pub(crate) token: String,
}

impl FaultyStore {
    /// In front of the right one.
    pub(crate) fn new(route53: Arc<Route53>, bug: Bug, keys: Keys) -> Self {
        Self { route53, bug, memory: Mutex::default(), keys: Arc::new(keys) }
    }

    /// Applies a batch after a while, whoever waits for it.
    fn apply_later(&self, batch: &ChangeBatch<'_>, after: Duration) {
        let (route53, keys) = (Arc::clone(&self.route53), Arc::clone(&self.keys));
        let changes: Vec<(HostName, Action, RecordSet)> = batch
            .changes
            .iter()
            .map(|change| (change.grant.host().clone(), change.action, change.record_set.clone()))
            .collect();
        tokio::spawn(REQUEST.scope(REQUEST.get(), async move {
            sleep(after).await;
            let generations = Generations::new();
            let access = Access { zones: &keys.zones, secrets: &keys.secrets, generations: &generations };
            let password = Password::new(&keys.token).expect("a token");
            let grants: Vec<Grant<'_>> =
                changes.iter().map(|(host, ..)| access.grant(host, &password).expect("a grant")).collect();
            let zone = grants[0].zone();
            let changes = grants.iter().zip(changes);
            let changes =
                changes.map(|(grant, (_, action, record_set))| Change { grant, action, record_set }).collect();
            let _ = route53.apply(&ChangeBatch { zone, changes }, &(), Turn::default(), &Budget::start()).await;
        }));
    }
}

impl Store for FaultyStore {
    type Versions = ();

    async fn turn(&self, grants: &[&Grant<'_>], budget: &Budget) -> Result<Turn, Problem> {
        match self.bug {
            Bug::TurnIgnored => Ok(Turn::default()),
            _ => self.route53.turn(grants, budget).await,
        }
    }

    async fn edit_challenge(
        &self,
        grant: &ChallengeGrant<'_>,
        edit: &Edit,
        ttl: u32,
        budget: &Budget,
    ) -> Result<Edited, Problem> {
        self.route53.edit_challenge(grant, edit, ttl, budget).await
    }

    async fn record_sets(&self, grants: &[&Grant<'_>], budget: &Budget) -> Result<Present<()>, Problem> {
        let present = self.route53.record_sets(grants, budget).await?.current;
        let mut memory = self.memory.lock().expect("no panic");
        let misread = |(grant, present): (&&Grant<'_>, Current)| match (self.bug, &present) {
            (Bug::ReadOnce, _) => memory.entry(grant.host().clone()).or_insert(present).clone(),
            (Bug::AliasOverlooked, Current::NotOurs(reason)) if reason == "it is an alias" => Current::NOTHING,
            _ => present,
        };
        Ok(Present::unversioned(grants.iter().zip(present).map(misread).collect()))
    }

    async fn apply(&self, batch: &ChangeBatch<'_>, (): &(), turn: Turn, budget: &Budget) -> Result<(), NotApplied> {
        let mut altered = batch.clone();
        let upserts = altered.changes.iter_mut().filter(|change| change.action == Action::Upsert);
        match self.bug {
            Bug::GoodTooEarly => {
                self.apply_later(batch, Duration::from_millis(1));
                return Ok(());
            }
            Bug::BatchDropped => return Ok(()),
            Bug::FailureSwallowed => {
                let _ = self.route53.apply(batch, &(), turn, budget).await;
                return Ok(());
            }
            Bug::SuccessDoubted => {
                self.route53.apply(batch, &(), turn, budget).await?;
                return Err(Problem("is that so?".to_owned()).into());
            }
            Bug::BatchSplit => {
                for change in &batch.changes {
                    let changes = vec![change.clone()];
                    self.route53
                        .apply(&ChangeBatch { zone: batch.zone, changes }, &(), Turn::default(), budget)
                        .await?;
                }
                return Ok(());
            }
            Bug::WrittenAgainLater => {
                self.route53.apply(batch, &(), turn, budget).await?;
                self.apply_later(batch, Duration::from_secs(3));
                return Ok(());
            }
            Bug::SentForEver => {
                for _ in 0..10 {
                    if self.route53.apply(batch, &(), Turn::default(), &Budget::start()).await.is_ok() {
                        return Ok(());
                    }
                }
            }
            Bug::HostsSwapped => {
                let hosts: Vec<_> = batch.changes.iter().map(|change| change.grant).collect();
                for change in &mut altered.changes {
                    change.grant = hosts.iter().find(|grant| **grant != change.grant).unwrap_or(&change.grant);
                }
            }
            Bug::TtlForgotten => upserts.for_each(|change| change.record_set.ttl = 60),
            Bug::AddressAdded => upserts
                .filter(|change| change.record_set.family == Family::V4)
                .for_each(|change| change.record_set.values.push("203.0.113.99".to_owned())),
            Bug::DeletionMisspelled => {
                let deletes = altered.changes.iter_mut().filter(|change| change.action == Action::Delete);
                deletes.for_each(|change| change.record_set.ttl += 1);
            }
            Bug::AddressLost => upserts.for_each(|change| change.record_set.values.truncate(1)),
            Bug::BusyGivenUp => {
                let budget = Budget::until(Instant::now() + Duration::from_millis(500));
                return self.route53.apply(batch, &(), turn, &budget).await;
            }
            Bug::ReadOnce | Bug::AliasOverlooked | Bug::TurnIgnored => {}
        }
        self.route53.apply(&altered, &(), turn, budget).await
    }
}
