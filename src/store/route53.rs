//! Route 53: reads record sets and writes change batches through the AWS SDK.

mod queue;
mod retry;

use std::{borrow::Cow, time::Duration};

use aws_config::SdkConfig;
use aws_sdk_route53::{
    Client,
    config::{self, retry::RetryConfig},
    operation::list_resource_record_sets::ListResourceRecordSetsOutput as Page,
    types::{self, ResourceRecord, ResourceRecordSet, RrType},
};
use futures_util::{StreamExt, stream};

use tokio::time::{Instant, timeout_at};

use self::queue::Queue;
use super::{Budget, NotApplied, Present, Store, Turn, turns::Turns};
use crate::{
    aws,
    problem::Problem,
    protocol::{
        access::Grant,
        address::{ByFamily, Family},
        hostname::HostName,
        record::{Action, Change, ChangeBatch, Current, RecordSet},
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
            return present_of(grant, &shared.page.resource_record_sets);
        }
        let (mut sets, mut from) = (Vec::new(), (None, None));
        loop {
            let page = self.page(grant, from, PAGE, budget).await?;
            let more = splits(&page, grant.host());
            sets.extend(page.resource_record_sets);
            if !more {
                return present_of(grant, &sets);
            }
            from = (page.next_record_type, page.next_record_identifier);
        }
    }

    /// Up to `most` record sets, from a host's first one, or from that type and identifier of it.
    async fn page(
        &self,
        grant: &Grant<'_>,
        (from_type, from_identifier): (Option<RrType>, Option<String>),
        most: usize,
        budget: &Budget,
    ) -> Result<Page, Problem> {
        let list = self
            .client
            .list_resource_record_sets()
            .hosted_zone_id(grant.zone().id.as_str())
            .start_record_name(escaped(grant.host()))
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
        let turn = self.turns.take(grants.iter().map(|grant| grant.host()));
        let late = || Problem("an earlier request for the same host is still under way".to_owned());
        let turn = timeout_at(budget.deadline(), turn).await.map_err(|_| late())??;
        // A turn that comes with the deadline is too late for a call.
        if Instant::now() < budget.deadline() { Ok(turn) } else { Err(late()) }
    }

    async fn record_sets(&self, grants: &[&Grant<'_>], budget: &Budget) -> Result<Present<()>, Problem> {
        // Hosts of one request are often next to each other: one page may hold them all.
        let first = grants.iter().min_by_key(|grant| grant.host().labels().rev().collect::<Vec<_>>());
        let shared = match first {
            Some(first) if grants.len() > 1 => {
                let page = self.page(first, (None, None), PAGE * grants.len(), budget).await?;
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
        let changes = batch.changes.iter().map(change).collect::<Result<_, _>>()?;
        Ok(self.queue.change(batch.zone.id.as_str(), changes, turn, budget).await?)
    }
}

/// Whether the page ends within that host's record sets.
fn splits(page: &Page, host: &HostName) -> bool {
    page.is_truncated && page.next_record_name().is_some_and(|next| is_name(next, host))
}

/// What a granted host has, given record sets that may be of other hosts too.
fn present_of(grant: &Grant<'_>, sets: &[ResourceRecordSet]) -> Result<Current, Problem> {
    let is_apex = *grant.host() == grant.zone().name;
    let mut ours = ByFamily::default();
    for set in sets.iter().filter(|set| is_name(&set.name, grant.host())) {
        let family = match &set.r#type {
            RrType::Cname => return Ok(Current::not_ours("a CNAME is there")),
            // DNS answers with the other name servers, and never with an address of this zone.
            RrType::Ns if !is_apex => return Ok(Current::not_ours("it is delegated to other name servers")),
            RrType::A => Family::V4,
            RrType::Aaaa => Family::V6,
            _ => continue,
        };
        if set.alias_target.is_some() {
            return Ok(Current::not_ours("it is an alias"));
        }
        if set.set_identifier.is_some() {
            return Ok(Current::not_ours("it has a routing policy"));
        }
        let values = set.resource_records().iter().map(|record| record.value.clone()).collect();
        let ttl = set.ttl.and_then(|ttl| u32::try_from(ttl).ok());
        let ttl = ttl.ok_or_else(|| Problem(format!("could not read the record sets: {} has no TTL", set.name)))?;
        ours[family] = Some(RecordSet { family, ttl, values });
    }
    Ok(Current::Simple(ours))
}

/// A change as the SDK's type.
fn change(change: &Change<'_>) -> Result<types::Change, Problem> {
    let records = change
        .record_set
        .values
        .iter()
        .map(|value| ResourceRecord::builder().value(value).build().map_err(incomplete))
        .collect::<Result<_, _>>()?;
    let set = ResourceRecordSet::builder()
        .name(escaped(change.grant.host()))
        .r#type(match change.record_set.family {
            Family::V4 => RrType::A,
            Family::V6 => RrType::Aaaa,
        })
        .ttl(change.record_set.ttl.into())
        .set_resource_records(Some(records))
        .build()
        .map_err(incomplete)?;
    let action = match change.action {
        Action::Upsert => types::ChangeAction::Upsert,
        Action::Delete => types::ChangeAction::Delete,
    };
    types::Change::builder().action(action).resource_record_set(set).build().map_err(incomplete)
}

/// A name as Route 53 lists it: with a trailing dot, `*` as `\052`
/// (Developer Guide, "DNS domain name format").
fn escaped(host: &HostName) -> String {
    format!("{}.", host.as_str().replacen('*', "\\052", 1))
}

/// Whether a name in a reply of Route 53 is that host.
fn is_name(listed: &str, host: &HostName) -> bool {
    let listed: Cow<'_, str> = match listed.strip_prefix("\\052") {
        Some(rest) => format!("*{rest}").into(),
        None => listed.into(),
    };
    listed.strip_suffix('.').unwrap_or(&listed).eq_ignore_ascii_case(host.as_str())
}

/// What we were doing and why it failed, as one line.
fn failure(what: &str, error: &(dyn std::error::Error + 'static)) -> Problem {
    Problem(format!("{what}: {}", aws::causes(error)))
}

/// A value that the SDK requires and we did not set: a bug of ours.
#[expect(clippy::needless_pass_by_value, reason = "it is what map_err hands over")]
fn incomplete(error: aws_sdk_route53::error::BuildError) -> Problem {
    failure("could not make the change", &error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wildcard_is_written_and_read_as_route_53_has_it() {
        for (name, listed) in [("home.example.org", "home.example.org."), ("*.example.org", "\\052.example.org.")] {
            let host: HostName = name.parse().unwrap();
            assert_eq!(escaped(&host), listed);
            assert!(is_name(listed, &host), "{listed}");
        }
        let wildcard = "*.example.org".parse().unwrap();
        for (listed, same) in [("*.example.org.", true), ("\\052.EXAMPLE.org", true), ("a.example.org.", false)] {
            assert_eq!(is_name(listed, &wildcard), same, "{listed}");
        }
    }
}
