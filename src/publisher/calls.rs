//! The calls to Route 53, all under one pace.

use std::time::Duration;

use aws_config::{SdkConfig, retry::RetryConfig, timeout::TimeoutConfig};
use aws_sdk_route53::{
    Client, config,
    operation::list_resource_record_sets::ListResourceRecordSetsOutput as Page,
    types::{ChangeBatch, RrType},
};

use super::{
    Host,
    answer::{Failure, Kind},
    batch::changes,
    pace::Pace,
};
use crate::{
    problem::Problem,
    protocol::{hostname::HostName, zone::Zone},
    store::route53::records::{change, escaped},
};

/// The longest that a call may take. A full batch takes longer than the change of one host.
const LIMIT: Duration = Duration::from_secs(10);

/// Route 53, with the publisher's pace.
pub(crate) struct Calls {
    /// The SDK's client. It does not retry: each attempt has its turn.
    client: Client,
    /// The pace of all calls.
    pace: Pace,
}

/// Where a list begins.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Start {
    /// The name as Route 53 writes it; at the zone's beginning if absent.
    name: Option<String>,
    /// The type of its first record set.
    record_type: Option<RrType>,
    /// The identifier of that one.
    identifier: Option<String>,
}

impl Calls {
    /// Takes the SDK's configuration and the most calls a second; makes no call.
    pub(crate) fn new(aws: &SdkConfig, pace: f64, passes_have_a_share: bool) -> Self {
        let limits = TimeoutConfig::builder().operation_attempt_timeout(LIMIT).operation_timeout(LIMIT).build();
        let config = config::Builder::from(aws).retry_config(RetryConfig::disabled()).timeout_config(limits).build();
        Self { client: Client::from_conf(config), pace: Pace::new(pace, passes_have_a_share) }
    }

    /// The pace.
    pub(crate) fn pace(&self) -> &Pace {
        &self.pace
    }

    /// Changes these hosts from what is known to what is wanted, all or none.
    pub(crate) async fn change(&self, zone: &Zone, hosts: &[Host]) -> Result<(), Failure> {
        let refused = |problem: &Problem| Failure { kind: Kind::Refused, text: problem.to_string() };
        let one = |one: super::batch::Change<'_>| change(one.action, &one.host.name, one.record_set);
        let changes = hosts.iter().flat_map(changes).map(one).collect::<Result<_, _>>();
        let changes = changes.map_err(|problem| refused(&problem))?;
        let batch = ChangeBatch::builder().set_changes(Some(changes)).build();
        let batch = batch.map_err(|error| refused(&Problem(error.to_string())))?;
        self.pace.turn().await;
        let call = self.client.change_resource_record_sets().hosted_zone_id(zone.id.as_str()).change_batch(batch);
        let answer = call.send().await.map_err(|error| {
            let refused = error.as_service_error().filter(|error| error.is_invalid_change_batch());
            let messages = match refused {
                Some(aws_sdk_route53::operation::change_resource_record_sets::ChangeResourceRecordSetsError::InvalidChangeBatch(
                    refused,
                )) => refused.messages(),
                _ => &[],
            };
            Failure::of(&error, messages)
        });
        self.adapt(answer).map(drop)
    }

    /// A page of at most so many record sets.
    pub(crate) async fn page(&self, zone: &Zone, start: Start, most: usize) -> Result<Page, Failure> {
        self.pace.turn().await;
        let call = self
            .client
            .list_resource_record_sets()
            .hosted_zone_id(zone.id.as_str())
            .set_start_record_name(start.name)
            .set_start_record_type(start.record_type)
            .set_start_record_identifier(start.identifier)
            .max_items(i32::try_from(most).unwrap_or(i32::MAX));
        self.adapt(call.send().await.map_err(|error| Failure::of(&error, &[])))
    }

    /// Adapts the pace to an answer.
    fn adapt<T>(&self, answer: Result<T, Failure>) -> Result<T, Failure> {
        match &answer {
            Err(failure) if failure.kind == Kind::Busy => self.pace.halve(),
            Err(_) => {}
            Ok(_) => self.pace.raise(),
        }
        answer
    }
}

impl Start {
    /// At a host.
    pub(crate) fn at(host: &HostName) -> Self {
        Self { name: Some(escaped(host)), ..Self::default() }
    }

    /// Where a page ended; `None` if it is the last one.
    pub(crate) fn after(page: &Page) -> Option<Self> {
        page.is_truncated.then(|| Self {
            name: page.next_record_name.clone(),
            record_type: page.next_record_type.clone(),
            identifier: page.next_record_identifier.clone(),
        })
    }

    /// The name as Route 53 writes it.
    pub(crate) fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }
}
