//! The table of fleet mode, as the SDK sees it: the same calls to the fake `DynamoDB` and to two that no
//! one here wrote, moto and ministack, with the same outcomes; and what only the fake can be ordered to do.

use std::{env, time::Duration};

use aws_config::SdkConfig;
use aws_sdk_dynamodb::{
    Client,
    config::{Credentials, SharedCredentialsProvider},
    error::ProvideErrorMetadata,
    types::{
        AttributeDefinition, AttributeValue, BillingMode, KeySchemaElement, KeyType, KeysAndAttributes,
        LocalSecondaryIndex, Projection, ProjectionType, ScalarAttributeType, TransactWriteItem, Update as RawUpdate,
    },
};
use aws_smithy_http_client::Builder;
use nic53::{
    problem::Problem,
    protocol::{
        address::{ByFamily, Family},
        hostname::HostName,
        record::{Current, RecordSet},
        zone::ZoneId,
    },
    table::{Attribute, Item, Key, NotRead, NotWritten, Table, Update, Value, asked_again, first_sight},
};
use serde_json::json;
use tokio::time::{Instant, sleep};

use crate::{
    moto::Moto,
    support::{
        fake_dynamodb::{FakeDynamoDb, Fault, Kind, Operation, TABLE},
        process::{Process, program},
        transcript::difference,
    },
};

/// When a call of these tests must be over at the latest.
const LONG: Duration = Duration::from_secs(30);

/// A point in time: 2024, in milliseconds.
const NOW: u64 = 1_720_000_000_000;

#[tokio::test]
async fn the_fake_and_moto_answer_alike() {
    let aws = nic53::aws::config().await.expect("an SDK configuration");
    let fake = FakeDynamoDb::start().await;
    let moto = Moto::shared();
    let at_moto = at(&aws, &format!("http://{}", moto.address));
    create_table(&at_moto).await;

    let (of_fake, of_moto) = (script(&fake.configure(&aws)).await, script(&at_moto).await);

    assert!(of_fake.len() > 30, "{of_fake:#?}");
    assert_eq!(difference(&of_moto.join("\n"), &of_fake.join("\n")), "");
}

#[tokio::test]
async fn the_fake_and_ministack_answer_alike() {
    let aws = nic53::aws::config().await.expect("an SDK configuration");
    let fake = FakeDynamoDb::start().await;
    let (url, _ministack) = ministack();
    let at_ministack = at(&aws, &url);
    create_table(&at_ministack).await;

    let (mut of_fake, mut of_ministack) = (script(&fake.configure(&aws)).await, script(&at_ministack).await);

    let of_no_host = "the pass of another: Err(Refused(None))";
    assert!(of_fake.iter().any(|line| line == of_no_host), "{of_fake:#?}");
    // It takes an update that sets and removes one attribute.
    of_fake.retain(|line| !line.starts_with("a path twice"));
    of_ministack.retain(|line| !line.starts_with("a path twice"));
    assert_eq!(difference(&of_ministack.join("\n"), &of_fake.join("\n")), "");
}

/// ministack, on a port of the system's choice, and its URL. `./test` has installed it.
fn ministack() -> (String, Process) {
    let tools = env::var("NIC53_TEST_TOOLS")
        .unwrap_or_else(|_| format!("{}/../test-tools/venv/bin", env!("CARGO_TARGET_TMPDIR")));
    let process = program(&format!("{tools}/../../emulator/bin/python"))
        .settings(&[("BIND_HOST", "127.0.0.1"), ("SFTP_ENABLED", "0"), ("IOT_MTLS_ENABLED", "0")])
        .args(&["-m", "hypercorn", "ministack.app:app", "--workers", "0", "--bind", "127.0.0.1:0"])
        .start();
    let url = process.wait_for("its address", |said| {
        let (_, rest) = [&said.stdout, &said.stderr].into_iter().find_map(|text| text.split_once("Running on "))?;
        rest.split_once(' ').map(|(url, _)| url.to_owned())
    });
    (url, process)
}

/// An SDK configuration that leads to an emulator.
fn at(aws: &SdkConfig, url: &str) -> SdkConfig {
    let credentials = Credentials::new("test", "test", None, None, "test");
    let config = aws.clone().into_builder().credentials_provider(SharedCredentialsProvider::new(credentials));
    config.endpoint_url(url).http_client(Builder::new().build_http()).build()
}

/// Makes the table as the template does.
async fn create_table(config: &SdkConfig) {
    let attribute = |name: &str, kind| {
        AttributeDefinition::builder().attribute_name(name).attribute_type(kind).build().expect("an attribute")
    };
    let key =
        |name: &str, kind| KeySchemaElement::builder().attribute_name(name).key_type(kind).build().expect("a key");
    let index = LocalSecondaryIndex::builder()
        .index_name("pending")
        .key_schema(key("z", KeyType::Hash))
        .key_schema(key("d", KeyType::Range))
        .projection(Projection::builder().projection_type(ProjectionType::KeysOnly).build())
        .build()
        .expect("an index");
    Client::new(config)
        .create_table()
        .table_name(TABLE)
        .attribute_definitions(attribute("z", ScalarAttributeType::S))
        .attribute_definitions(attribute("n", ScalarAttributeType::S))
        .attribute_definitions(attribute("d", ScalarAttributeType::N))
        .key_schema(key("z", KeyType::Hash))
        .key_schema(key("n", KeyType::Range))
        .local_secondary_indexes(index)
        .billing_mode(BillingMode::PayPerRequest)
        .send()
        .await
        .expect("a table");
}

/// A zone of the script.
fn zone() -> ZoneId {
    "Z1".parse().expect("an id")
}

/// The key of a host below `example.org`.
fn key(label: &str) -> Key {
    Key::host(&zone(), &host(label))
}

/// A host below `example.org`.
fn host(label: &str) -> HostName {
    format!("{label}.example.org").parse().expect("a host name")
}

/// A record set of one A.
fn a(address: &str) -> RecordSet {
    RecordSet { family: Family::V4, ttl: 60, values: vec![address.to_owned()] }
}

/// What Route 53 has: this A.
fn found(address: &str) -> Current {
    Current::Simple(ByFamily { v4: Some(a(address)), v6: None })
}

/// A change as the gateway makes it.
fn change(label: &str, from: u64, was: &str, wanted: &str, due: u64) -> Update {
    Update::new(key(label))
        .set(Attribute::Version, from + 1)
        .set(Attribute::Wanted(Family::V4), &a(wanted))
        .set_if_absent(Attribute::Due, due)
        .set_if_absent(Attribute::PendingSince, due)
        .remove(Attribute::Expires)
        .if_equal(Attribute::Version, from)
        .if_absent(Attribute::LeftAlone)
        .if_equal(Attribute::Wanted(Family::V4), &a(was))
}

/// A mark as the publisher makes it.
fn mark(label: &str, version: u64) -> Update {
    Update::new(key(label))
        .set(Attribute::PublishedVersion, version)
        .remove(Attribute::Due)
        .remove(Attribute::PendingSince)
        .if_equal(Attribute::Version, version)
        .if_less(Attribute::PublishedVersion, version)
}

/// What came of the calls, in their order.
struct Outcomes {
    /// The table.
    table: Table,
    /// A line each.
    lines: Vec<String>,
}

impl Outcomes {
    /// Makes a change.
    async fn update(&mut self, what: &str, update: Update) {
        let outcome = self.table.update(&update, Instant::now() + LONG).await;
        self.line(what, &outcome);
    }

    /// Makes changes together.
    async fn transact(&mut self, what: &str, updates: &[Update]) {
        let outcome = self.table.transact(updates, Instant::now() + LONG).await;
        self.line(what, &outcome);
    }

    /// Reads items.
    async fn read(&mut self, labels: &[&str]) {
        let keys: Vec<_> = labels.iter().map(|label| key(label)).collect();
        let items = self.table.items(&keys, Instant::now() + LONG).await;
        self.line(&format!("read {labels:?}"), &items);
    }

    /// Asks for what is pending, and turns the pages.
    async fn pending(&mut self, most: u32) {
        let mut from = None;
        loop {
            let page = self.table.pending(&zone(), most, from.take(), Instant::now() + LONG).await.expect("a page");
            // The last page may be empty: the real service says that there is one if the limit was reached.
            if page.next.is_some() || !page.found.is_empty() {
                self.line("pending", &page.found);
            }
            from = page.next;
            if from.is_none() {
                return;
            }
        }
    }

    /// Lists the hosts, and turns the pages.
    async fn hosts(&mut self, from_host: Option<&HostName>, most: u32) {
        let mut from = None;
        loop {
            let page =
                self.table.hosts(&zone(), from_host, most, from.take(), Instant::now() + LONG).await.expect("a page");
            // The last page may be empty: the real service says that there is one if the limit was reached.
            if page.next.is_some() || !page.found.is_empty() {
                self.line(&format!("hosts from {from_host:?}"), &page.found);
            }
            from = page.next;
            if from.is_none() {
                return;
            }
        }
    }

    /// Notes an outcome.
    fn line(&mut self, what: &str, outcome: &dyn std::fmt::Debug) {
        self.lines.push(format!("{what}: {outcome:?}"));
    }
}

/// Makes every kind of call that nic53 makes, and some that it must not, and says what came of each.
async fn script(config: &SdkConfig) -> Vec<String> {
    let mut outcomes = Outcomes { table: Table::new(config, TABLE), lines: Vec::new() };
    single_changes(&mut outcomes).await;
    transactions(&mut outcomes).await;
    queries(&mut outcomes).await;
    outcomes.lines.extend(what_is_refused(&Client::new(config)).await);
    outcomes.lines
}

/// Changes of one host.
async fn single_changes(outcomes: &mut Outcomes) {
    outcomes.read(&["a", "b"]).await;
    outcomes.update("first sight", first_sight(key("a"), &found("192.0.2.1"), NOW)).await;
    outcomes.update("first sight again", first_sight(key("a"), &found("192.0.2.9"), NOW)).await;
    outcomes.update("nothing there", first_sight(key("b"), &Current::NOTHING, NOW)).await;
    outcomes.update("an alias", first_sight(key("c"), &Current::not_ours("it is an alias"), NOW)).await;
    outcomes.read(&["c", "b", "a", "d"]).await;
    outcomes.update("a change", change("a", 0, "192.0.2.1", "192.0.2.2", 5)).await;
    outcomes.update("the same change", change("a", 0, "192.0.2.1", "192.0.2.2", 6)).await;
    outcomes.update("another value", change("a", 1, "192.0.2.1", "192.0.2.3", 6)).await;
    outcomes.update("the next change", change("a", 1, "192.0.2.2", "192.0.2.3", 7)).await;
    outcomes.update("a change of an alias", change("c", 0, "192.0.2.1", "192.0.2.2", 5)).await;
    outcomes.update("a change of nothing", change("d", 0, "192.0.2.1", "192.0.2.2", 5)).await;
    outcomes.update("an old mark", mark("a", 1)).await;
    outcomes.update("a mark", mark("a", 2)).await;
    outcomes.update("a mark again", mark("a", 2)).await;
    let heard = |label| Update::new(key(label)).set(Attribute::Heard, 20_001).if_present(Attribute::Version);
    outcomes.update("heard", heard("a")).await;
    outcomes.update("heard of nobody", heard("d")).await;
    let alias = Item {
        left_alone: Some(nic53::table::LeftAlone { why: "it is an alias".to_owned(), seen: NOW }),
        ..Item::default()
    };
    outcomes.update("no alias any more", asked_again(key("c"), &alias, &found("192.0.2.4"), NOW + 1)).await;
    outcomes.update("asked again twice", asked_again(key("c"), &alias, &found("192.0.2.5"), NOW + 2)).await;
    let place = Update::new(Key::zone(&zone())).set(Attribute::PassPlace, "org.example.a.").remove(Attribute::PassEnd);
    outcomes.update("the pass", place).await;
    // What is there is no host's item.
    let elsewhere = Update::new(Key::zone(&zone())).remove(Attribute::PassPlace).if_absent(Attribute::PassPlace);
    outcomes.update("the pass of another", elsewhere).await;
    let only_removes = Update::new(key("b")).remove(Attribute::Expires).if_equal(Attribute::Version, Value::ABSENT);
    outcomes.update("a removal", only_removes).await;
    outcomes.read(&["a", "b", "c", "d"]).await;
}

/// Changes of several hosts.
async fn transactions(outcomes: &mut Outcomes) {
    let both = [change("a", 2, "192.0.2.3", "192.0.2.7", 30), change("c", 0, "192.0.2.4", "192.0.2.8", 20)];
    let one_old = [change("a", 2, "192.0.2.3", "192.0.2.6", 9), change("c", 7, "192.0.2.4", "192.0.2.6", 9)];
    outcomes.transact("one condition fails", &one_old).await;
    outcomes.read(&["a", "c"]).await;
    outcomes.transact("both", &both).await;
    outcomes.transact("both again", &both).await;
    outcomes.read(&["a", "c"]).await;
}

/// What is pending, and the whole zone.
async fn queries(outcomes: &mut Outcomes) {
    outcomes.update("a wildcard", first_sight(key("*"), &found("192.0.2.1"), NOW)).await;
    outcomes.update("which is pending", change("*", 0, "192.0.2.1", "192.0.2.2", 25)).await;
    outcomes.update("a dash", first_sight(key("a-b"), &Current::NOTHING, NOW)).await;
    outcomes.update("below", first_sight(key("z.a"), &Current::NOTHING, NOW)).await;
    outcomes.pending(100).await;
    outcomes.pending(1).await;
    outcomes.hosts(None, 100).await;
    outcomes.hosts(None, 2).await;
    outcomes.hosts(Some(&host("b")), 100).await;
    outcomes.hosts(Some(&host("a-c")), 100).await;
}

/// Calls that the service refuses, and with what.
async fn what_is_refused(client: &Client) -> Vec<String> {
    let text = |text: &str| AttributeValue::S(text.to_owned());
    let key = |name: &str| [("z".to_owned(), text("Z1")), ("n".to_owned(), text(name))].into();
    let mut lines = Vec::new();
    for (what, names) in [
        ("101 keys", (0..101).map(|number| format!("org.{number}.")).collect::<Vec<_>>()),
        ("a key twice", vec!["org.a.".to_owned(), "org.a.".to_owned()]),
    ] {
        let keys = names.iter().map(|name| key(name)).collect();
        let keys = KeysAndAttributes::builder().set_keys(Some(keys)).consistent_read(true).build().expect("keys");
        let answer = client.batch_get_item().request_items(TABLE, keys).send().await;
        lines.push(format!("{what}: {:?}", answer.as_ref().map_err(ProvideErrorMetadata::code).map(drop)));
    }
    for (what, expression) in [
        ("a value that is not used", "REMOVE v"),
        ("a path twice", "SET v = :v REMOVE v"),
        ("a key", "SET n = :v"),
        ("no value", "SET v = :none"),
        ("no expression", "SET"),
    ] {
        let call = client.update_item().table_name(TABLE).set_key(Some(key("org.a."))).update_expression(expression);
        let answer = call.expression_attribute_values(":v", text("1")).send().await;
        lines.push(format!("{what}: {:?}", answer.as_ref().map_err(ProvideErrorMetadata::code).map(drop)));
    }
    for (what, names) in [
        ("101 changes", (0..101).map(|number| format!("org.{number}.")).collect::<Vec<_>>()),
        ("an item twice", vec!["org.a.".to_owned(), "org.a.".to_owned()]),
    ] {
        let part = |name: &String| {
            let update = RawUpdate::builder().table_name(TABLE).set_key(Some(key(name))).update_expression("REMOVE e");
            TransactWriteItem::builder().update(update.build().expect("an update")).build()
        };
        let call = client.transact_write_items().set_transact_items(Some(names.iter().map(part).collect()));
        let answer = call.send().await;
        lines.push(format!("{what}: {:?}", answer.as_ref().map_err(ProvideErrorMetadata::code).map(drop)));
    }
    let due = client.update_item().table_name(TABLE).set_key(Some(key("org.a."))).update_expression("SET d = :d");
    let due = due.expression_attribute_values(":d", text("soon"));
    lines.push(format!("a word in the index: {:?}", due.send().await.expect_err("a word").code()));
    lines
}

/// A fake that needs no socket, and its table.
async fn fake() -> (FakeDynamoDb, Table) {
    let aws = nic53::aws::config().await.expect("an SDK configuration");
    let fake = FakeDynamoDb::new();
    let table = fake.table(&aws);
    (fake, table)
}

/// How a call fails before it is carried out.
const fn fault(kind: Kind) -> Fault {
    Fault { kind, late: false }
}

#[tokio::test(start_paused = true)]
async fn keys_that_were_not_processed_are_asked_for_again() {
    let (fake, table) = fake().await;
    fake.put("Z1", "c.example.org", &Item { version: 7, ..Item::default() });
    fake.process(1, 2);
    let items = table.items(&[key("a"), key("b"), key("c")], Instant::now() + LONG).await.expect("items");
    assert_eq!(items, [None, None, Some(Ok(Item { version: 7, ..Item::default() }))]);
    let sizes: Vec<_> = fake.take_calls().iter().map(|call| call.about.len()).collect();
    assert_eq!(sizes, [3, 2, 1]);

    fake.process(0, u32::MAX);
    let problem = table.items(&[key("a")], Instant::now() + Duration::from_secs(2)).await.unwrap_err();
    assert_eq!(problem, NotRead::Failed(Problem("could not read the table: 1 keys were not processed".to_owned())));
}

#[tokio::test(start_paused = true)]
async fn more_keys_than_a_call_takes_are_read_with_several() {
    let (fake, table) = fake().await;
    fake.keep_no_calls();
    let keys: Vec<_> = (0..250).map(|number| key(&number.to_string())).collect();
    assert_eq!(table.items(&keys, Instant::now() + LONG).await.expect("items").len(), 250);
    assert_eq!((fake.made(Operation::Get), fake.take_calls()), (3, vec![]));
}

#[tokio::test(start_paused = true)]
async fn an_item_that_makes_no_sense_hides_no_other() {
    let (fake, table) = fake().await;
    fake.put("Z1", "a.example.org", &Item::default());
    fake.set("Z1", "a.example.org", "v", Some(json!({ "S": "1" })));
    fake.set("Z1", "b.example.org", "e", None);
    fake.put("Z1", "c.example.org", &Item::default());
    let items = table.items(&[key("a"), key("b"), key("c")], Instant::now() + LONG).await.expect("items");
    let problem =
        |item: &Option<Result<Item, Problem>>| item.clone().expect("there").err().map(|problem| problem.to_string());
    let problems: Vec<_> = items.iter().map(problem).collect();
    assert!(problems[0].as_ref().is_some_and(|text| text.starts_with("Z1 org.example.a.: v=")), "{problems:?}");
    assert!(problems[1].as_ref().is_some_and(|text| text.contains("v of the item is missing")), "{problems:?}");
    assert_eq!(problems[2], None);
}

#[tokio::test(start_paused = true)]
async fn a_write_whose_answer_was_lost_is_refused_with_what_it_wrote() {
    let (fake, table) = fake().await;
    fake.put(
        "Z1",
        "a.example.org",
        &Item { wanted: ByFamily { v4: Some(a("192.0.2.1")), v6: None }, ..Item::default() },
    );
    fake.fault(&[Operation::Update], Fault { kind: Kind::Reset, late: true }, Some(1));
    let outcome = table.update(&change("a", 0, "192.0.2.1", "192.0.2.2", 5), Instant::now() + LONG).await;
    let Err(NotWritten::Refused(Some(item))) = outcome else { panic!("{outcome:?}") };
    assert_eq!((item.version, item.wanted.v4), (1, Some(a("192.0.2.2"))));
    assert_eq!(fake.made(Operation::Update), 2);
}

#[tokio::test(start_paused = true)]
async fn a_transaction_whose_answer_was_lost_is_made_once() {
    let (fake, table) = fake().await;
    fake.put(
        "Z1",
        "a.example.org",
        &Item { wanted: ByFamily { v4: Some(a("192.0.2.1")), v6: None }, ..Item::default() },
    );
    fake.fault(&[Operation::Transact], Fault { kind: Kind::ServerError, late: true }, Some(1));
    let changes = [change("a", 0, "192.0.2.1", "192.0.2.2", 5)];
    assert_eq!(table.transact(&changes, Instant::now() + LONG).await, Ok(()));
    assert_eq!(fake.made(Operation::Transact), 2);
    assert_eq!(fake.item("Z1", "a.example.org").map(|item| item.version), Some(1));
}

#[tokio::test(start_paused = true)]
async fn what_went_wrong_is_told_apart() {
    let (fake, table) = fake().await;
    let single = change("a", 0, "192.0.2.1", "192.0.2.2", 5);
    for (kind, expected) in [
        (Kind::Conflict, "Conflict"),
        (Kind::Throttle, "ProvisionedThroughputExceededException"),
        (Kind::AccessDenied, "AccessDeniedException"),
        (Kind::NoTable, "ResourceNotFoundException"),
        (Kind::ServerError, "InternalServerError"),
        (Kind::Reset, "Failed"),
        (Kind::Hang, "Failed"),
        (Kind::Garbage, "Failed"),
    ] {
        fake.fault(&[Operation::Update, Operation::Transact], fault(kind), None);
        let one = table.update(&single, Instant::now() + LONG).await.expect_err("a fault");
        let all = table.transact(std::slice::from_ref(&single), Instant::now() + LONG).await.expect_err("a fault");
        assert!(format!("{one:?}").contains(expected) && format!("{all:?}").contains(expected), "{one:?} {all:?}");
        fake.clear_faults();
    }
    fake.take_time(Duration::from_secs(1));
    let late = table.update(&single, Instant::now()).await.expect_err("too late");
    assert!(format!("{late:?}").contains("no answer from DynamoDB in time"), "{late:?}");
}

#[tokio::test(start_paused = true)]
async fn the_fake_throttles_a_zone_that_is_written_too_much() {
    let (fake, table) = fake().await;
    fake.limit_writes(3);
    fake.take_time(Duration::from_millis(5));
    let write = |label| first_sight(key(label), &Current::NOTHING, NOW);
    let soon = || Instant::now() + Duration::from_millis(50);
    assert_eq!(table.update(&write("a"), soon()).await, Ok(()));
    assert!(matches!(table.update(&write("b"), soon()).await, Err(NotWritten::Failed(_))));
    sleep(Duration::from_secs(1)).await;
    assert_eq!(table.update(&write("b"), soon()).await, Ok(()));
}

#[tokio::test(start_paused = true)]
async fn the_fake_removes_what_has_expired_and_turns_pages() {
    let (fake, table) = fake().await;
    for (label, expires) in [("a", Some(100)), ("b", Some(200)), ("c", None)] {
        fake.put("Z1", &format!("{label}.example.org"), &Item { expires, ..Item::default() });
    }
    fake.expire(150);
    fake.limit_pages(1);
    let page = table.hosts(&zone(), None, 100, None, Instant::now() + LONG).await.expect("a page");
    assert_eq!((page.found.len(), page.next.is_some()), (1, true));
    let hosts: Vec<_> = fake.items("Z1").into_iter().map(|(host, _)| host).collect();
    assert_eq!(hosts, ["b.example.org", "c.example.org"]);
    fake.remove("Z1", "b.example.org");
    assert_eq!(fake.items("Z1").len(), 1);
}
