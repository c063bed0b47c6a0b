//! Route 53: reads record sets and writes change batches through the AWS SDK.

mod challenge;
mod queue;
pub(crate) mod records;
mod retry;

use std::time::Duration;

use aws_config::SdkConfig;
use aws_sdk_route53::{
    Client,
    config::{self, retry::RetryConfig},
    operation::list_resource_record_sets::ListResourceRecordSetsOutput as Page,
    types::{self, ResourceRecordSet, RrType},
};
use futures_util::{StreamExt, stream};

use tokio::time::{Instant, timeout_at};

use self::{
    queue::Queue,
    records::{change, escaped, is_name, present},
};
use super::{Budget, NotApplied, Present, Store, Turn, turns::Turns};
use crate::{
    problem::Problem,
    protocol::{
        access::Grant,
        challenge::{
            access::ChallengeGrant,
            edit::{Edit, Edited},
        },
        hostname::HostName,
        record::{Action, ChangeBatch, Current},
        zone::Zone,
    },
};

/// How many record sets a read asks for per host: more than a name usually has.
const PAGE: usize = 10;

/// How many hosts are read at once.
const READS_AT_ONCE: usize = 8;

/// The longest that opening the connection before the first request may take.
const WARM_UP_LIMIT: Duration = Duration::from_secs(2);

/// Route 53, used with the credentials of the environment.
pub struct Route53 {
    /// The SDK's client.
    client: Client,
    /// The changes on their way.
    queue: Queue,
    /// The hosts that are read and changed now.
    turns: Turns,
}

/// A page that may hold the record sets of several hosts of a request.
struct SharedPage<'a> {
    /// The host whose first record set the page starts at.
    first: &'a HostName,
    /// The page.
    page: Page,
}

impl Route53 {
    /// Takes the SDK's configuration; makes no call.
    pub fn new(config: &SdkConfig) -> Self {
        let config = config::Builder::from(config).retry_config(RetryConfig::disabled()).build();
        let client = Client::from_conf(config);
        Self { queue: Queue::new(client.clone()), client, turns: Turns::default() }
    }

    /// Opens the connection that the first request will need, by reading one record set of a zone.
    /// A failure shows at the first request.
    pub async fn warm_up(&self, zone: &Zone) {
        let read = self.client.list_resource_record_sets().hosted_zone_id(zone.id.as_str()).max_items(1).send();
        let _ = tokio::time::timeout(WARM_UP_LIMIT, read).await;
    }

    /// What is present at one host: from the shared page if that covers it, else read.
    async fn present(
        &self,
        grant: &Grant<'_>,
        shared: Option<&SharedPage<'_>>,
        budget: &Budget,
    ) -> Result<Current, Problem> {
        if let Some(shared) = shared.filter(|shared| shared.covers(grant.host())) {
            return present(grant.host(), grant.zone(), &shared.page.resource_record_sets);
        }
        present(grant.host(), grant.zone(), &self.named(grant.zone(), grant.host(), budget).await?.sets)
    }

    /// All record sets of a name, and what follows them on the last page.
    async fn named(&self, zone: &Zone, name: &HostName, budget: &Budget) -> Result<Listed, Problem> {
        let (mut sets, mut from) = (Vec::new(), (None, None));
        loop {
            let page = self.page((zone, name), from, PAGE, budget).await?;
            let more = splits(&page, name);
            sets.extend(page.resource_record_sets);
            if !more {
                return Ok(Listed { sets, next: page.next_record_name.filter(|_| page.is_truncated) });
            }
            from = (page.next_record_type, page.next_record_identifier);
        }
    }

    /// Up to `most` record sets, from a name's first one, or from that type and identifier of it.
    async fn page(
        &self,
        (zone, name): (&Zone, &HostName),
        (from_type, from_identifier): (Option<RrType>, Option<String>),
        most: usize,
        budget: &Budget,
    ) -> Result<Page, Problem> {
        let list = self
            .client
            .list_resource_record_sets()
            .hosted_zone_id(zone.id.as_str())
            .start_record_name(escaped(name))
            .set_start_record_type(from_type)
            .set_start_record_identifier(from_identifier)
            .max_items(i32::try_from(most).unwrap_or(i32::MAX));
        retry::call("could not read the record sets", budget, || list.clone().send()).await
    }
}

impl SharedPage<'_> {
    /// Whether the page holds all record sets of that host.
    ///
    /// Those of one name stand together. So the page holds all of them if it holds one and does not
    /// end within them. A host of which it holds none may come later in the zone, or not exist.
    fn covers(&self, host: &HostName) -> bool {
        let is_there = host == self.first || self.page.resource_record_sets.iter().any(|set| is_name(&set.name, host));
        is_there && !splits(&self.page, host)
    }
}

impl Store for Route53 {
    type Versions = ();

    async fn turn(&self, grants: &[&Grant<'_>], budget: &Budget) -> Result<Turn, Problem> {
        in_time(self.turns.take(grants.iter().map(|grant| grant.host())), budget).await
    }

    async fn record_sets(&self, grants: &[&Grant<'_>], budget: &Budget) -> Result<Present<()>, Problem> {
        // Hosts of one request are often next to each other: one page may hold them all.
        let first = grants.iter().min_by_key(|grant| grant.host().labels().rev().collect::<Vec<_>>());
        let shared = match first {
            Some(first) if grants.len() > 1 => {
                let page = self.page((first.zone(), first.host()), (None, None), PAGE * grants.len(), budget).await?;
                Some(SharedPage { first: first.host(), page })
            }
            _ => None,
        };
        let reads: Vec<_> = grants.iter().map(|grant| self.present(grant, shared.as_ref(), budget)).collect();
        // All of them, even if one fails: which calls are made must not depend on timing.
        let reads = stream::iter(reads).buffered(READS_AT_ONCE).collect::<Vec<_>>();
        reads.await.into_iter().collect::<Result<_, _>>().map(Present::unversioned)
    }

    async fn apply(&self, batch: &ChangeBatch<'_>, (): &(), turn: Turn, budget: &Budget) -> Result<(), NotApplied> {
        let changes = batch.changes.iter().map(|one| {
            let action = match one.action {
                Action::Upsert => types::ChangeAction::Upsert,
                Action::Delete => types::ChangeAction::Delete,
            };
            change(action, one.grant.host(), &one.record_set)
        });
        let changes = changes.collect::<Result<_, _>>()?;
        Ok(self.queue.change(batch.zone.id.as_str(), changes, turn, budget).await?)
    }

    async fn edit_challenge(
        &self,
        grant: &ChallengeGrant<'_>,
        edit: &Edit,
        ttl: u32,
        budget: &Budget,
    ) -> Result<Edited, Problem> {
        // Within one process edits of a name do not compete.
        let _turn = in_time(self.turns.take([grant.name()].into_iter()), budget).await?;
        self.edit(grant, edit, ttl, budget).await
    }
}

/// The turn, if it comes before the request must be answered.
async fn in_time(turn: impl Future<Output = Result<Turn, Problem>>, budget: &Budget) -> Result<Turn, Problem> {
    let late = || Problem("an earlier request for the same host is still under way".to_owned());
    let turn = timeout_at(budget.deadline(), turn).await.map_err(|_| late())??;
    // A turn that comes with the deadline is too late for a call.
    if Instant::now() < budget.deadline() { Ok(turn) } else { Err(late()) }
}

/// The record sets of a name, with others that follow them.
struct Listed {
    /// The record sets.
    sets: Vec<ResourceRecordSet>,
    /// The name of the record set after them; `None` at the end of the zone.
    next: Option<String>,
}

impl Listed {
    /// Whether all record sets of a name behind the first one are in the list.
    fn covers(&self, name: &HostName) -> bool {
        self.next.as_ref().is_none_or(|next| in_order(next) > in_order(name.as_str()))
    }
}

/// A name as text that sorts as Route 53 sorts names: its labels reversed, with a dot at the end (API
/// reference of `ListResourceRecordSets`).
fn in_order(name: &str) -> String {
    let name = name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase();
    name.rsplit('.').chain([""]).collect::<Vec<_>>().join(".")
}

/// Whether the page ends within that host's record sets.
fn splits(page: &Page, host: &HostName) -> bool {
    page.is_truncated && page.next_record_name().is_some_and(|next| is_name(next, host))
}
