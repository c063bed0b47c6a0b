//! The table of fleet mode: what is promised is written there, and the publisher carries it to Route 53.

mod authority;
mod change;

use std::{sync::LazyLock, time::Duration};

use futures_util::future::try_join_all;
use tokio::time::{Instant, sleep};

use self::{authority::Authority, change::Promise};
use super::{Budget, NotApplied, Present, Store, Turn, route53::Route53};
use crate::{
    problem::Problem,
    protocol::{
        access::Grant,
        challenge::{
            access::ChallengeGrant,
            edit::{Edit, Edited},
        },
        hostname::HostName,
        record::{ChangeBatch, Current},
        zone::Zone,
    },
    settings::Fleet,
    table::{
        Attribute, Item, Key, Millis, NotRead, NotWritten, Table, Update, asked_again, day, first_sight, overruled,
    },
};

/// How long a host at which a transaction was under way is left before it is tried again, in milliseconds.
const CONFLICT_PAUSE: std::ops::RangeInclusive<u64> = 50..=200;

/// How long a reply may wait until it is noted that its host was heard of.
const NOTE_LIMIT: Duration = Duration::from_secs(1);

/// The table in front of Route 53.
pub struct TableStore {
    /// What was promised.
    table: Table,
    /// What a host has at first sight. Making its client was a quarter of a start, and few instances need it.
    route53: LazyLock<Route53, Box<dyn FnOnce() -> Route53 + Send>>,
    /// Which of the two is right.
    authority: Authority,
}

/// The hosts of a request as the table had them.
#[derive(Default)]
pub struct Versions(Vec<(HostName, Source)>);

/// Where a host was read, and is changed.
enum Source {
    /// In the table.
    Item(Box<Item>),
    /// In Route 53.
    Route53,
}

impl TableStore {
    /// Puts the parts together. Route 53 is made when it is first needed.
    pub fn new(table: Table, route53: impl FnOnce() -> Route53 + Send + 'static, fleet: &Fleet) -> Self {
        Self { table, route53: LazyLock::new(Box::new(route53)), authority: fleet.into() }
    }

    /// Opens the connection that the first request will need.
    pub async fn warm_up(&self, zone: &Zone) {
        self.table.warm_up(&zone.id).await;
    }

    /// The items of these hosts that are there, or what is wrong with one.
    async fn items(
        &self,
        grants: &[&Grant<'_>],
        budget: &Budget,
    ) -> Result<Vec<Option<Result<Item, Problem>>>, NotRead> {
        let keys: Vec<_> = grants.iter().map(|grant| key(grant)).collect();
        self.table.items(&keys, budget.deadline()).await
    }

    /// The items of these hosts, after Route 53 was asked about those of which the table does not know
    /// enough.
    async fn settled(
        &self,
        grants: &[&Grant<'_>],
        items: Vec<Option<Item>>,
        budget: &Budget,
    ) -> Result<Vec<Item>, Problem> {
        let now = self.table.now();
        let asks: Vec<bool> = items.iter().map(|item| self.authority.asks_route53(item.as_ref(), now)).collect();
        let asked: Vec<_> = grants.iter().zip(&asks).filter(|(_, asks)| **asks).map(|(grant, _)| *grant).collect();
        let found = if asked.is_empty() { Vec::new() } else { self.route53.record_sets(&asked, budget).await?.current };
        let mut found = found.into_iter();
        let settled = grants.iter().zip(items).zip(asks).map(|((grant, item), asks)| {
            let found = if asks { found.next() } else { None };
            self.settle(grant, item, found, now, budget)
        });
        try_join_all(settled.collect::<Vec<_>>()).await
    }

    /// The item of a host, after it was brought into line with what Route 53 has, if that was asked.
    async fn settle(
        &self,
        grant: &Grant<'_>,
        item: Option<Item>,
        found: Option<Current>,
        now: Millis,
        budget: &Budget,
    ) -> Result<Item, Problem> {
        let update = match (item, found) {
            (None, None) => return Err(Problem(format!("{}: it was not looked for", grant.host()))),
            (Some(item), None) => return self.heard(grant, item, now, budget).await,
            (None, Some(found)) => first_sight(key(grant), &found, now),
            (Some(item), Some(found)) if is_as_found(&item, &found) => {
                return self.heard(grant, item, now, budget).await;
            }
            (Some(item), Some(found)) => {
                let update = match self.authority {
                    Authority::Route53OncePublished => overruled(key(grant), &item, &found, now),
                    Authority::Table | Authority::TableOnceWritten => asked_again(key(grant), &item, &found, now),
                };
                update.set(Attribute::Heard, day(now))
            }
        };
        match self.table.update_and_read(&update, budget.deadline()).await {
            Ok(item) => Ok(item),
            // Another request, or the publisher, has put it down meanwhile.
            Err(NotWritten::Refused(Some(item))) => Ok(*item),
            Err(NotWritten::Failed(problem)) => Err(problem),
            Err(NotWritten::Refused(None) | NotWritten::Conflict) => {
                pause().await;
                let again = self.items(&[grant], budget).await?.pop().flatten().transpose()?;
                again.ok_or_else(|| Problem(format!("{}: it was changed by others meanwhile", grant.host())))
            }
        }
    }

    /// Notes once a day that a host was heard of.
    async fn heard(&self, grant: &Grant<'_>, item: Item, now: Millis, budget: &Budget) -> Result<Item, Problem> {
        if item.heard < Some(day(now)) {
            let update = Update::new(key(grant)).set(Attribute::Heard, day(now)).if_present(Attribute::Version);
            // If it fails the next request tries again.
            let limit = budget.deadline().min(Instant::now() + NOTE_LIMIT);
            let _ = self.table.update(&update, limit).await;
        }
        Ok(item)
    }

    /// What hosts have that Route 53 is right about.
    async fn in_route53(&self, grants: &[&Grant<'_>], budget: &Budget) -> Result<Present<Versions>, Problem> {
        let current = self.route53.record_sets(grants, budget).await?.current;
        let versions = grants.iter().map(|grant| (grant.host().clone(), Source::Route53)).collect();
        Ok(Present { current, pending: None, versions: Versions(versions) })
    }
}

impl Store for TableStore {
    type Versions = Versions;

    async fn turn(&self, grants: &[&Grant<'_>], budget: &Budget) -> Result<Turn, Problem> {
        match self.authority {
            Authority::Table | Authority::TableOnceWritten => Ok(Turn::default()),
            Authority::Route53OncePublished => self.route53.turn(grants, budget).await,
        }
    }

    async fn record_sets(&self, grants: &[&Grant<'_>], budget: &Budget) -> Result<Present<Versions>, Problem> {
        let items = self.items(grants, budget).await;
        if self.authority == Authority::Route53OncePublished {
            let is_pending = |item: &Option<Result<Item, _>>| matches!(item, Some(Ok(item)) if item.is_pending());
            match &items {
                // One that is pending is changed in the table. So are the others of its request then, since a
                // request is all or none.
                Ok(items) if items.iter().any(is_pending) => {}
                // One may be pending: in Route 53 the publisher would put the older promise in place of the
                // newer one.
                Err(NotRead::Failed(_)) => {}
                Ok(_) | Err(NotRead::Refused(_)) => return self.in_route53(grants, budget).await,
            }
        }
        let items = items?.into_iter().map(Option::transpose).collect::<Result<_, _>>()?;
        let items = self.settled(grants, items, budget).await?;
        let now = self.table.now();
        let since = items.iter().filter(|item| item.is_pending()).filter_map(|item| item.pending_since).min();
        let source = |(grant, item): (&&Grant<'_>, Item)| (grant.host().clone(), Source::Item(Box::new(item)));
        Ok(Present {
            current: items.iter().map(change::current).collect(),
            pending: since.map(|since| Duration::from_millis(now.saturating_sub(since))),
            versions: Versions(grants.iter().zip(items).map(source).collect()),
        })
    }

    async fn apply(
        &self,
        batch: &ChangeBatch<'_>,
        Versions(versions): &Versions,
        turn: Turn,
        budget: &Budget,
    ) -> Result<(), NotApplied> {
        let Some(promises) = promises(batch, versions) else {
            return self.route53.apply(batch, &(), turn, budget).await;
        };
        let (now, deadline) = (self.table.now(), budget.deadline());
        let updates: Vec<_> = promises.iter().map(|promise| promise.update(batch.zone, now)).collect();
        let written = match updates.as_slice() {
            [update] => self.table.update(update, deadline).await,
            updates => self.table.transact(updates, deadline).await,
        };
        match (written, promises.as_slice()) {
            (Ok(()), _) => Ok(()),
            (Err(NotWritten::Refused(Some(there))), [promise]) if promise.is_made(&there) => Ok(()),
            (Err(NotWritten::Refused(_)), _) => Err(NotApplied::Conflict),
            (Err(NotWritten::Conflict), _) => {
                pause().await;
                Err(NotApplied::Conflict)
            }
            (Err(NotWritten::Failed(problem)), _) => Err(problem.into()),
        }
    }

    async fn edit_challenge(
        &self,
        grant: &ChallengeGrant<'_>,
        edit: &Edit,
        ttl: u32,
        budget: &Budget,
    ) -> Result<Edited, Problem> {
        // Challenges are not in the table.
        self.route53.edit_challenge(grant, edit, ttl, budget).await
    }
}

/// What a batch promises of each host that it changes; `None` if they are changed in Route 53. The hosts of
/// a request are all in one place.
fn promises<'v>(batch: &ChangeBatch<'_>, versions: &'v [(HostName, Source)]) -> Option<Vec<Promise<'v>>> {
    let mut promises = Vec::new();
    for (host, source) in versions {
        let changes: Vec<_> = batch.changes.iter().filter(|change| change.grant.host() == host).collect();
        match source {
            Source::Route53 => return None,
            Source::Item(_) if changes.is_empty() => {}
            Source::Item(item) => promises.push(Promise::new(host, item, &changes)),
        }
    }
    Some(promises)
}

/// Whether an item that is not left alone says what Route 53 has, to the letter.
fn is_as_found(item: &Item, found: &Current) -> bool {
    let Current::Simple(sets) = found else { return false };
    item.is_exactly(sets) && !item.is_pending()
}

/// The key of a host's item.
fn key(grant: &Grant<'_>) -> Key {
    Key::host(&grant.zone().id, grant.host())
}

/// Waits until a transaction is over, and for each of those that wait a little differently.
async fn pause() {
    sleep(Duration::from_millis(fastrand::u64(CONFLICT_PAUSE))).await;
}
