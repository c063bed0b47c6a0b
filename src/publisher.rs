//! The publisher: carries what was promised from the table to Route 53, and compares the two.
//!
//! It is a Lambda function of its own (`_HANDLER=publisher`). What is pending is read from the table;
//! an event or a tick only wakes it. Deciding is plain functions (`batch`, `course`, `answer`,
//! `write`, `judge`), the rest acts on them. `docs/design.md` says why it is made so.

mod answer;
mod batch;
mod calls;
mod course;
mod judge;
mod lookup;
mod noise;
mod pace;
mod pass;
mod round;
mod run;
mod wake;
mod write;

use std::time::Duration;

use aws_config::SdkConfig;

pub use self::wake::Wake;
use self::{calls::Calls, run::Memory};
use crate::{
    log::Log,
    protocol::{hostname::HostName, zone::Zones},
    settings::{Fleet, FleetState},
    table::{Item, Table},
};

/// Carries hosts to Route 53.
pub struct Publisher {
    /// The zones.
    zones: Zones,
    /// What was promised.
    table: Table,
    /// Route 53.
    calls: Calls,
    /// What it may do, and when.
    rules: Rules,
    /// What one run leaves to the next.
    memory: Memory,
    /// The log.
    log: Log,
}

/// What the publisher may do, and when.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rules {
    /// Who is right if the table and Route 53 differ.
    pub state: FleetState,
    /// The most calls to Route 53 a second.
    pub pace: f64,
    /// How often a zone is compared with the table.
    pub pass_every: Duration,
    /// After how many days without a request a host's records are removed; never if absent.
    pub stale_days: Option<u64>,
}

impl From<&Fleet> for Rules {
    /// The rules of these settings.
    fn from(fleet: &Fleet) -> Self {
        Self {
            state: fleet.state,
            pace: fleet.pace.into(),
            pass_every: Duration::from_hours(fleet.pass_hours.into()),
            stale_days: fleet.stale_days.map(Into::into),
        }
    }
}

/// A host and what the table has of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Host {
    /// Its name.
    pub(crate) name: HostName,
    /// Its item as it was read.
    pub(crate) item: Item,
}

impl Publisher {
    /// Takes the SDK's configuration; makes no call.
    pub fn new(aws: &SdkConfig, table: Table, zones: Zones, rules: Rules, log: Log) -> Self {
        let calls = Calls::new(aws, rules.pace, rules.state == FleetState::On);
        Self { zones, table, calls, rules, memory: Memory::default(), log }
    }
}

/// Hosts for the tests of this room.
#[cfg(test)]
pub(crate) mod testing {
    use super::Host;
    use crate::{
        protocol::{
            address::{ByFamily, Family},
            record::RecordSet,
        },
        table::Item,
    };

    /// The record sets of `60 192.0.2.7 192.0.2.8`, of the family of its addresses; none for an empty text.
    pub(crate) fn sets(text: &str) -> ByFamily<Option<RecordSet>> {
        let Some((ttl, values)) = text.split_once(' ') else { return ByFamily::default() };
        let family = if values.contains(':') { Family::V6 } else { Family::V4 };
        let values = values.split(' ').map(str::to_owned).collect();
        let mut sets = ByFamily::default();
        sets[family] = Some(RecordSet { family, ttl: ttl.parse().unwrap(), values });
        sets
    }

    /// A host of `example.org` at first sight, without records.
    pub(crate) fn host(label: &str) -> Host {
        Host { name: format!("{label}.example.org").parse().unwrap(), item: Item::default() }
    }

    /// A host that a router has written: its record sets in Route 53, and those that are wanted.
    pub(crate) fn pending(label: &str, published: &str, wanted: &str) -> Host {
        let item = Item {
            version: 1,
            published: sets(published),
            wanted: sets(wanted),
            due: Some(1_000),
            pending_since: Some(1_000),
            ..Item::default()
        };
        Host { item, ..host(label) }
    }
}
