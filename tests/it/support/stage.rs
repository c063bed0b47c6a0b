//! What a transcript is played in front of: Route 53 alone, or the table of fleet mode with the publisher
//! behind it.

use std::net::IpAddr;

use aws_config::SdkConfig;
use nic53::{
    protocol::{
        endpoint::{ACME_DNS_HEADERS, Endpoint},
        zone::Zones,
    },
    publisher::Publisher,
    settings::FleetState,
    store::route53::Route53,
    table::{Item, Key},
};
use serde_json::json;

use super::{
    fake_dynamodb::{self, Operation},
    fake_route53::{self, FakeRoute53},
    fleet::Fleet,
    front_end::{FrontEnd, OpenFrontEnd, Reply, Request},
    gateway::gateway,
};

/// How a line begins that says which rule a reply or the calls for it broke.
pub(crate) const BROKEN: &str = "(broken) ";

/// How many routers a deployment is made for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Size {
    /// A few: the gateway asks and changes Route 53.
    Stateless,
    /// Many: fleet mode, after the role was narrowed.
    Fleet,
}

/// Faults of one service.
#[derive(Clone, Debug)]
pub(crate) enum Ordered {
    /// Of Route 53.
    Route53(fake_route53::Operation, fake_route53::Fault),
    /// Of the table.
    Table(Vec<Operation>, fake_dynamodb::Fault),
}

/// A gateway that can be asked, and what is behind it.
pub(crate) trait Stage {
    /// Route 53.
    fn route53(&self) -> &FakeRoute53;

    /// A zone is there from now on.
    fn zone(&self, id: &str, name: &str) {
        self.route53().zone(id, name);
    }

    /// Lets calls fail in the next exchange.
    ///
    /// # Errors
    ///
    /// If there is no such service here.
    fn fault(&self, ordered: &Ordered, times: Option<u32>) -> Result<(), String> {
        match ordered {
            Ordered::Route53(operation, fault) => self.route53().fault(*operation, *fault, times),
            Ordered::Table(..) => return Err("there is no table without `size fleet`".to_owned()),
        }
        Ok(())
    }

    /// Sends a request, and gives the reply and the calls that were made for it. `expected` are those of a
    /// gateway without a table, if the transcript is about that too.
    async fn exchange(&self, request: &Request, peer: Option<IpAddr>, expected: Option<&str>) -> (Reply, String);
}

/// A gateway in front of Route 53 alone.
pub(crate) struct Stateless {
    /// The way to the gateway.
    open: OpenFrontEnd,
    /// Route 53.
    route53: FakeRoute53,
}

/// A gateway in front of the table, and the publisher between that and Route 53, after the role was
/// narrowed.
pub(crate) struct InFleet {
    /// The way to the gateway.
    open: OpenFrontEnd,
    /// The table and Route 53.
    fleet: Fleet,
    /// The publisher.
    publisher: Publisher,
    /// Whether the gateway sets challenges.
    sets_challenges: bool,
}

/// The calls for one request in fleet mode.
struct Made {
    /// Those of the gateway to the table.
    table: Vec<fake_dynamodb::Call>,
    /// Those of the gateway to Route 53.
    route53: Vec<fake_route53::Call>,
    /// How many of the hosts that it looked for were not in the table.
    unknown: usize,
    /// How many batches the publisher sent afterwards.
    batches: usize,
}

impl Stateless {
    /// Opens one with these settings, with a Route 53 whose pages have so many record sets.
    ///
    /// # Errors
    ///
    /// The setting that makes no sense.
    pub(crate) async fn open(
        (front_end, page): (FrontEnd, usize),
        aws: &SdkConfig,
        setting: impl Fn(&str) -> Option<String>,
    ) -> Result<Self, String> {
        let route53 = FakeRoute53::start().await;
        route53.limit_pages(page);
        let store = Route53::new(&route53.configure(aws));
        Ok(Self { open: front_end.open(gateway(front_end, store, setting).await?).await, route53 })
    }
}

impl Stage for Stateless {
    fn route53(&self) -> &FakeRoute53 {
        &self.route53
    }

    async fn exchange(&self, request: &Request, peer: Option<IpAddr>, _: Option<&str>) -> (Reply, String) {
        let reply = self.open.send(request, peer).await;
        self.route53.clear_faults();
        (reply, words(&[], &self.route53.take_calls()))
    }
}

impl InFleet {
    /// Opens one with these settings.
    ///
    /// # Errors
    ///
    /// The setting that makes no sense.
    pub(crate) async fn open(
        front_end: FrontEnd,
        aws: &SdkConfig,
        setting: impl Fn(&str) -> Option<String>,
    ) -> Result<Self, String> {
        let sets_challenges = setting("NIC53_ALLOW_ACME").is_some_and(|value| value == "true");
        let zones = Zones::parse(&setting("NIC53_ZONES").unwrap_or_default())?;
        let fleet = Fleet::with_aws(zones, aws.clone());
        let gateway = gateway(front_end, fleet.store(FleetState::On, true), setting).await?;
        let publisher = fleet.publisher(FleetState::On);
        Ok(Self { open: front_end.open(gateway).await, fleet, publisher, sets_challenges })
    }

    /// What is wrong with an item, if one breaks a rule.
    fn broken_item(&self) -> Option<String> {
        self.items().into_iter().find_map(|(key, item)| Some(format!("{key}: {}", item.broken_rule()?)))
    }

    /// The hosts in the table: the key and the item of each.
    fn items(&self) -> Vec<(String, Item)> {
        let mut items = Vec::new();
        for zone in self.fleet.zones().iter() {
            for (host, item) in self.fleet.dynamodb.items(zone.id.as_str()) {
                let key = Key::host(&zone.id, &host.parse().expect("a host name"));
                items.push((key.to_string(), item));
            }
        }
        items
    }

    /// Whether a request is about a challenge, which does not go through the table.
    fn is_challenge(&self, request: &Request) -> bool {
        let is_acme_dns =
            request.method == "POST" && ACME_DNS_HEADERS.iter().any(|name| request.header(name).is_some());
        let is_of_challenges = match Endpoint::of(&request.path(), true) {
            Some(Endpoint::Challenge(_)) => true,
            Some(Endpoint::Update) => is_acme_dns,
            _ => false,
        };
        self.sets_challenges && is_of_challenges
    }
}

impl Stage for InFleet {
    fn route53(&self) -> &FakeRoute53 {
        &self.fleet.route53
    }

    /// The publisher has just compared it.
    fn zone(&self, id: &str, name: &str) {
        self.route53().zone(id, name);
        self.fleet.dynamodb.set_zone(id, "ca", Some(json!({ "N": self.fleet.now().to_string() })));
    }

    fn fault(&self, ordered: &Ordered, times: Option<u32>) -> Result<(), String> {
        match ordered {
            Ordered::Route53(operation, fault) => self.route53().fault(*operation, *fault, times),
            Ordered::Table(operations, fault) => self.fleet.dynamodb.fault(operations, *fault, times),
        }
        Ok(())
    }

    async fn exchange(&self, request: &Request, peer: Option<IpAddr>, expected: Option<&str>) -> (Reply, String) {
        let Self { fleet: Fleet { dynamodb, route53, .. }, .. } = self;
        let known: Vec<String> = self.items().into_iter().map(|(key, _)| key).collect();
        let reply = self.open.send(request, peer).await;
        let (table_calls, route53_calls) = (dynamodb.take_calls(), route53.take_calls());
        dynamodb.clear_faults();
        // What was not even read is as it was.
        if !table_calls.is_empty() || self.items().iter().any(|(_, item)| item.is_pending()) {
            Fleet::tick(&self.publisher).await;
        }
        route53.clear_faults();
        dynamodb.take_calls();
        let looked_for = table_calls.iter().find(|call| call.operation == Operation::Get).map(|call| &call.about);
        let unknown = looked_for.into_iter().flatten().filter(|key| !known.contains(key)).count();
        let batches = changes(&route53.take_calls()).count();
        let made = Made { table: table_calls, route53: route53_calls, unknown, batches };
        let calls = words(&made.table, &made.route53);
        let broken = match expected {
            None => None,
            Some(expected) if self.is_challenge(request) => made.broken_of_challenge(expected),
            Some(expected) => made.broken_of_update(expected),
        };
        let calls = match (expected, broken.or_else(|| self.broken_item())) {
            (_, Some(broken)) => format!("{BROKEN}{calls}: {broken}"),
            (Some(expected), None) => expected.to_owned(),
            (None, None) => calls,
        };
        (reply, calls)
    }
}

impl Made {
    /// What is wrong with the calls for an update, if anything.
    fn broken_of_update(&self, expected: &str) -> Option<String> {
        let is_change = expected.split(' ').any(|word| word.starts_with("change"));
        let faults =
            self.table.iter().any(|call| call.fault.is_some()) || self.route53.iter().any(|call| call.fault.is_some());
        let count = |word: &str| self.table.iter().filter(|call| call.operation.to_string() == word).count();
        let writes = count("update") + count("transact");
        let reads = usize::from(expected != "none");
        [
            (changes(&self.route53).count() > 0, "a change of Route 53"),
            (count("get") != reads, "not one read of the table"),
            (
                (self.unknown == 0) != self.route53.is_empty(),
                "Route 53 is asked about hosts at first sight, and only then",
            ),
            (
                !faults && writes != self.unknown + usize::from(is_change),
                "not one write a host at first sight and one a change",
            ),
            (is_change != (self.batches > 0), "a change is a batch, and nothing else is"),
        ]
        .into_iter()
        .find_map(|(broken, rule)| broken.then(|| rule.to_owned()))
    }

    /// What is wrong with the calls for a challenge, if anything.
    fn broken_of_challenge(&self, expected: &str) -> Option<String> {
        let is_of_txt = |change: &String| change.contains(" _acme-challenge.") && change.contains(" TXT ");
        [
            (!self.table.is_empty(), "a challenge does not go through the table"),
            (words(&[], &self.route53) != expected, "the calls are those without a table"),
            (
                !changes(&self.route53).all(|call| call.about.iter().all(is_of_txt)),
                "only TXT at challenge names may be changed",
            ),
            (self.batches > 0, "the publisher has nothing to do with it"),
        ]
        .into_iter()
        .find_map(|(broken, rule)| broken.then(|| rule.to_owned()))
    }
}

/// The changes among the calls to Route 53.
fn changes(calls: &[fake_route53::Call]) -> impl Iterator<Item = &fake_route53::Call> {
    calls.iter().filter(|call| call.operation == fake_route53::Operation::Change)
}

/// The calls as a transcript has them: those to the table, then those to Route 53.
fn words(table: &[fake_dynamodb::Call], route53: &[fake_route53::Call]) -> String {
    let table = table.iter().map(|call| call.operation.to_string());
    let words: Vec<_> = table.chain(route53.iter().map(|call| call.operation.to_string())).collect();
    if words.is_empty() { "none".to_owned() } else { words.join(" ") }
}
