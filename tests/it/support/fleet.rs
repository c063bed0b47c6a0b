//! Fleet mode without a network: a fake table, a fake Route 53, a clock that stands still, and the real
//! publisher between them.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use aws_config::SdkConfig;
use nic53::{
    gateway::Gateway,
    protocol::{
        address::{ByFamily, Family},
        parameters::Body,
        record::RecordSet,
        zone::Zones,
    },
    publisher::{Publisher, Rules, Wake},
    settings::{self, FleetState},
    store::{route53::Route53, table::TableStore},
    table::{Clock, Item, Table},
};
use tokio::time::Instant;

use super::{
    captured,
    fake_dynamodb::{FakeDynamoDb, TABLE},
    fake_route53::FakeRoute53,
    front_end::FrontEnd,
    gateway::{gateway, token},
    weather::Believed,
};

/// A table, a Route 53 and a clock.
pub(crate) struct Fleet {
    /// Route 53.
    pub(crate) route53: FakeRoute53,
    /// The table.
    pub(crate) dynamodb: FakeDynamoDb,
    /// The SDK's configuration, without an endpoint.
    aws: SdkConfig,
    /// The zones, as `NIC53_ZONES` has them.
    zones: Zones,
    /// When the clock began.
    began: Instant,
}

/// The time at which every clock of these tests begins: day 20,000 since 1970.
pub(crate) const START: Duration = Duration::from_hours(20_000 * 24);

impl Fleet {
    /// One with these zones and nothing in them: `example.org=Z1,example.net=Z2`.
    pub(crate) async fn new(zones: &str) -> Self {
        let aws = nic53::aws::config().await.expect("an SDK configuration");
        Self::with_aws(Zones::parse(zones).expect("zones"), aws)
    }

    /// The same, with the SDK's configuration, which takes longer to make than most tests do.
    pub(crate) fn with_aws(zones: Zones, aws: SdkConfig) -> Self {
        let fleet =
            Self { route53: FakeRoute53::new(), dynamodb: FakeDynamoDb::new(), aws, zones, began: Instant::now() };
        for zone in fleet.zones.iter() {
            fleet.route53.zone(zone.id.as_str(), zone.name.as_str());
        }
        fleet
    }

    /// The rules of a publisher in that state.
    pub(crate) fn rules(state: FleetState) -> Rules {
        Rules { state, pace: 4.0, pass_every: Duration::from_hours(6), stale_days: None }
    }

    /// A publisher in that state.
    pub(crate) fn publisher(&self, state: FleetState) -> Publisher {
        self.publisher_with(Self::rules(state))
    }

    /// A publisher with these rules.
    pub(crate) fn publisher_with(&self, rules: Rules) -> Publisher {
        let aws = self.route53.configure(&self.aws);
        Publisher::new(&aws, self.table(), self.zones.clone(), rules, captured::log())
    }

    /// The table as a gateway uses it, with the settings of that state.
    pub(crate) fn store(&self, state: FleetState, narrow: bool) -> TableStore {
        let (settings, aws) = (Self::settings(state, narrow), self.route53.configure(&self.aws));
        TableStore::new(self.table(), move || Route53::new(&aws), &settings)
    }

    /// Makes the stores of gateways that all have a table to themselves.
    pub(crate) fn stores(&self) -> impl Fn() -> TableStore + 'static {
        let (dynamodb, route53, clock) =
            (self.dynamodb.configure(&self.aws), self.route53.configure(&self.aws), self.clock());
        let settings = Self::settings(FleetState::On, true);
        move || {
            let (table, aws) = (Table::new(&dynamodb, TABLE).with_clock(clock.clone()), route53.clone());
            TableStore::new(table, move || Route53::new(&aws), &settings)
        }
    }

    /// The settings of a gateway in that state.
    pub(crate) fn settings(state: FleetState, narrow: bool) -> settings::Fleet {
        let word = match state {
            FleetState::Prepare => "prepare",
            FleetState::On => "on",
            FleetState::Drain => "drain",
        };
        let settings = settings::Fleet::read(|name| match name {
            "NIC53_FLEET" => Some(word.to_owned()),
            "NIC53_TABLE" => Some(TABLE.to_owned()),
            "NIC53_FLEET_NARROW" => Some(narrow.to_string()),
            _ => None,
        });
        settings.expect("settings").expect("fleet mode")
    }

    /// A gateway in front of the table, with the settings of that state.
    pub(crate) async fn gateway(&self, state: FleetState, narrow: bool) -> FleetGateway {
        let store = self.store(state, narrow);
        let setting = |name: &str| match name {
            "NIC53_ZONES" => Some(self.zones.to_string()),
            "NIC53_ALLOW_OFFLINE" => Some("true".to_owned()),
            _ => None,
        };
        FleetGateway(gateway(FrontEnd::HttpApi, store, setting).await.expect("a gateway"), self.zones.clone())
    }

    /// The SDK's configuration, without an endpoint.
    pub(crate) fn aws(&self) -> &SdkConfig {
        &self.aws
    }

    /// The zones.
    pub(crate) fn zones(&self) -> &Zones {
        &self.zones
    }

    /// The table, by the clock that stands still.
    pub(crate) fn table(&self) -> Table {
        self.dynamodb.table(&self.aws).with_clock(self.clock())
    }

    /// The clock.
    pub(crate) fn clock(&self) -> Clock {
        let began = self.began;
        Clock::new(move || SystemTime::UNIX_EPOCH + START + began.elapsed())
    }

    /// The time in milliseconds since 1970.
    pub(crate) fn now(&self) -> u64 {
        self.clock().now()
    }

    /// A router asks for a host of `Z1` and is told `good`: what is wanted, such as `60 192.0.2.7`.
    pub(crate) fn promise(&self, host: &str, wanted: &str) {
        self.promise_in("Z1", host, wanted);
    }

    /// The same in a zone.
    pub(crate) fn promise_in(&self, zone: &str, host: &str, wanted: &str) {
        let item = self.dynamodb.item(zone, host).unwrap_or_default();
        let item = Item {
            version: item.version + 1,
            wanted: sets(wanted),
            due: item.due.or(Some(self.now())),
            pending_since: item.pending_since.or(Some(self.now())),
            heard: Some(self.now() / 86_400_000),
            expires: None,
            ..item
        };
        self.dynamodb.put(zone, host, &item);
    }

    /// A Route 53 as a publisher thinks it is that believes the table: a pending host for which nothing
    /// seems left to do has what is wanted.
    pub(crate) fn believed(&self) -> Believed {
        let (route53, dynamodb) = (self.route53.share(), self.dynamodb.share());
        Arc::new(move || {
            let seems_done = |(_, item): &(String, Item)| item.is_pending() && item.published == item.wanted;
            let hosts: Vec<_> = dynamodb.items("Z1").into_iter().filter(seems_done).collect();
            if hosts.is_empty() {
                return None;
            }
            let believed = FakeRoute53::new();
            believed.zone("Z1", "example.org");
            let is_of = |line: &str| hosts.iter().any(|(host, _)| line.starts_with(&format!("{host}. ")));
            for line in route53.records("Z1").iter().filter(|line| !is_of(line)) {
                believed.put("Z1", line).expect("a record set");
            }
            for (host, item) in &hosts {
                for set in [&item.wanted.v4, &item.wanted.v6].into_iter().flatten() {
                    believed.put("Z1", &format!("{host}. {set}")).expect("a record set");
                }
            }
            Some(believed.connector())
        })
    }

    /// Lets a publisher work for so long at most.
    pub(crate) async fn run(publisher: &Publisher, wake: &Wake, time: Duration) {
        publisher.run(wake, Instant::now() + time).await;
    }

    /// Lets it work for a minute at most, as at the rule's tick.
    pub(crate) async fn tick(publisher: &Publisher) {
        Self::run(publisher, &Wake::Tick, Duration::from_mins(1)).await;
    }
}

/// A gateway in front of the table, and its zones.
pub(crate) struct FleetGateway(Gateway<TableStore>, Zones);

impl FleetGateway {
    /// Asks for hosts of `example.org` with the token of all of them, and gives the lines of the reply.
    pub(crate) async fn ask(&self, hosts: &str, query: &str) -> String {
        let token = token("subtree example.org", &self.1).expect("a token");
        let uri = format!("/nic/update?hostname={hosts}&{query}&username=x&password={token}");
        let (parts, ()) = http::Request::get(uri).body(()).expect("a request").into_parts();
        self.0.answer(&parts, Body::Whole(b""), None).await.into_body()
    }
}

/// The record sets of `60 192.0.2.7 192.0.2.8`, of both families if addresses of both are in it.
pub(crate) fn sets(text: &str) -> ByFamily<Option<RecordSet>> {
    let Some((ttl, values)) = text.split_once(' ') else { return ByFamily::default() };
    ByFamily::from_fn(|family| {
        let is_of_family = |value: &&str| value.contains(':') == (family == Family::V6);
        let values: Vec<_> = values.split(' ').filter(is_of_family).map(str::to_owned).collect();
        (!values.is_empty()).then(|| RecordSet { family, ttl: ttl.parse().expect("seconds"), values })
    })
}
