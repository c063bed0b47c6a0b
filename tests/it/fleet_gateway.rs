//! The gateway in front of fleet mode's table: what a request asks of the table and of Route 53, what it
//! writes, and which of the two it believes in which state.

use std::time::Duration;

use nic53::{
    settings::FleetState,
    table::{HOLD_DOWN, Item, LeftAlone},
};
use tokio::time::{Instant, sleep};

use crate::support::{
    fake_dynamodb::{Fault, Kind, Operation},
    fake_route53::Operation as Route53Operation,
    fleet::{Fleet, FleetGateway, sets},
};

/// A host of the tests.
const HOST: &str = "home.example.org";

/// A fleet with this record set, and its gateway after the role was narrowed.
async fn fleet(records: &[&str]) -> (Fleet, FleetGateway) {
    let fleet = Fleet::new("example.org=Z1").await;
    for record in records {
        fleet.route53.put("Z1", record).expect("a record set");
    }
    let gateway = fleet.gateway(FleetState::On, true).await;
    (fleet, gateway)
}

/// The calls since they were last asked for: to the table, and to Route 53.
fn calls(fleet: &Fleet) -> String {
    let table = fleet.dynamodb.take_calls().into_iter().map(|call| call.operation.to_string());
    let route53 = fleet.route53.take_calls().into_iter().map(|call| call.operation.to_string());
    table.chain(route53).collect::<Vec<_>>().join(" ")
}

/// The item of [`HOST`].
fn item(fleet: &Fleet) -> Item {
    fleet.dynamodb.item("Z1", HOST).expect("an item")
}

/// A host that a router has written through the table, and that is published.
fn published(fleet: &Fleet, address: &str) -> Item {
    let heard = Some(fleet.now() / 86_400_000);
    let record = sets(&format!("60 {address}"));
    Item { version: 1, published_version: 1, heard, wanted: record.clone(), published: record, ..Item::default() }
}

#[tokio::test(start_paused = true)]
async fn a_poll_is_one_read_of_the_table() {
    let (fleet, gateway) = fleet(&["home.example.org. 60 A 192.0.2.1"]).await;
    assert_eq!(gateway.ask(HOST, "myip=192.0.2.1").await, "nochg 192.0.2.1");
    assert_eq!(calls(&fleet), "get update list");
    for _ in 0..3 {
        assert_eq!(gateway.ask(HOST, "myip=192.0.2.1").await, "nochg 192.0.2.1");
        assert_eq!(calls(&fleet), "get");
    }
    // The first poll of a day says that the host was heard of.
    sleep(Duration::from_hours(24)).await;
    assert_eq!(gateway.ask(HOST, "myip=192.0.2.1").await, "nochg 192.0.2.1");
    assert_eq!(calls(&fleet), "get update");
    assert_eq!(item(&fleet).heard, Some(20_001));
    assert_eq!(gateway.ask(HOST, "myip=192.0.2.1").await, "nochg 192.0.2.1");
    assert_eq!(calls(&fleet), "get");
}

#[tokio::test(start_paused = true)]
async fn a_change_is_one_read_and_one_write() {
    let (fleet, gateway) = fleet(&[]).await;
    fleet.dynamodb.put("Z1", HOST, &published(&fleet, "192.0.2.1"));
    assert_eq!(gateway.ask(HOST, "myip=192.0.2.7,2001:db8::7").await, "good 192.0.2.7,2001:db8::7");
    assert_eq!(calls(&fleet), "get update");
    let item = item(&fleet);
    assert_eq!((item.version, item.published_version), (2, 1));
    assert_eq!(item.wanted, sets("60 192.0.2.7 2001:db8::7"));
    assert_eq!((item.due, item.pending_since), (Some(fleet.now()), Some(fleet.now())));
    assert_eq!(item.broken_rule(), None);
    // While it is pending it is as asked.
    assert_eq!(gateway.ask(HOST, "myip=192.0.2.7").await, "nochg 192.0.2.7");
    assert_eq!(calls(&fleet), "get");
}

#[tokio::test(start_paused = true)]
async fn what_is_published_leaves_no_trace_of_how() {
    let (fleet, gateway) = fleet(&["home.example.org. 300 A 192.0.2.1"]).await;
    let publisher = fleet.publisher(FleetState::On);
    for (query, reply, records) in [
        ("myip=192.0.2.7", "good 192.0.2.7", &["home.example.org. 300 A 192.0.2.7"][..]),
        ("offline=yes", "good 0.0.0.0", &[]),
        ("offline=yes", "nochg 0.0.0.0", &[]),
        ("myip=192.0.2.8", "good 192.0.2.8", &["home.example.org. 60 A 192.0.2.8"]),
    ] {
        assert_eq!(gateway.ask(HOST, query).await, reply, "{query}");
        Fleet::tick(&publisher).await;
        assert_eq!(fleet.route53.records("Z1"), records, "{query}");
        assert_eq!(item(&fleet).broken_rule(), None, "{query}");
        assert_eq!(item(&fleet).expires.is_some(), records.is_empty(), "{query}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_host_that_was_just_published_is_due_ten_seconds_later() {
    let (fleet, gateway) = fleet(&[]).await;
    let last_published = Some(fleet.now() - 1);
    fleet.dynamodb.put("Z1", HOST, &Item { last_published, ..published(&fleet, "192.0.2.1") });
    for (query, reply) in [("myip=192.0.2.7", "good 192.0.2.7"), ("myip=192.0.2.8", "good 192.0.2.8")] {
        assert_eq!(gateway.ask(HOST, query).await, reply);
        assert_eq!(item(&fleet).due, Some(fleet.now() - 1 + HOLD_DOWN));
    }
    assert_eq!(item(&fleet).version, 3);
}

#[tokio::test(start_paused = true)]
async fn a_name_that_comes_to_nothing_expires() {
    let (fleet, gateway) = fleet(&[]).await;
    assert_eq!(gateway.ask(HOST, "myip=no").await, "nochg");
    assert_eq!(item(&fleet).expires, Some(fleet.now() / 1000 + 30 * 86_400));
    assert_eq!(gateway.ask(HOST, "myip=192.0.2.7").await, "good 192.0.2.7");
    assert_eq!(item(&fleet).expires, None);
}

#[tokio::test(start_paused = true)]
async fn hosts_of_one_request_are_written_together_or_not_at_all() {
    let (fleet, gateway) = fleet(&[]).await;
    let hosts = "a.example.org,b.example.org,c.example.org";
    for host in hosts.split(',') {
        fleet.dynamodb.put("Z1", host, &published(&fleet, "192.0.2.1"));
    }
    assert_eq!(gateway.ask(hosts, "myip=192.0.2.7").await, ["good 192.0.2.7"; 3].join("\n"));
    assert_eq!(calls(&fleet), "get transact");
    fleet.dynamodb.fault(&[Operation::Transact], Fault { kind: Kind::AccessDenied, late: false }, None);
    assert_eq!(gateway.ask(hosts, "myip=192.0.2.8").await, ["dnserr"; 3].join("\n"));
    for host in hosts.split(',') {
        let item = fleet.dynamodb.item("Z1", host).expect("an item");
        assert_eq!((item.version, item.wanted), (2, sets("60 192.0.2.7")), "{host}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_host_that_is_left_alone_is_asked_about_again_after_a_quarter_of_an_hour() {
    let (fleet, gateway) = fleet(&["home.example.org. 60 CNAME elsewhere.example.net."]).await;
    assert_eq!(gateway.ask(HOST, "myip=192.0.2.7").await, "nohost");
    assert_eq!(calls(&fleet), "get update list");
    assert_eq!(gateway.ask(HOST, "myip=192.0.2.7").await, "nohost");
    assert_eq!(calls(&fleet), "get");
    sleep(Duration::from_mins(15)).await;
    assert_eq!(gateway.ask(HOST, "myip=192.0.2.7").await, "nohost");
    assert_eq!(calls(&fleet), "get update list");
    assert_eq!(item(&fleet).left_alone.map(|left_alone| left_alone.seen), Some(fleet.now()));
}

#[tokio::test(start_paused = true)]
async fn what_was_promised_is_published_once_nothing_is_in_its_way() {
    let (fleet, gateway) = fleet(&["home.example.org. 60 A 192.0.2.9"]).await;
    let left_alone = |why: &str| Some(LeftAlone { why: why.to_owned(), seen: 0 });
    for (why, wanted, reply, version) in [
        ("a CNAME is there", "60 192.0.2.7", "nochg 192.0.2.7", 3),
        ("refused: too bad", "60 192.0.2.7", "nochg 192.0.2.7", 3),
        ("a CNAME is there", "60 192.0.2.9", "good 192.0.2.7", 3),
    ] {
        let left_alone = left_alone(why);
        let promised = Item { version: 2, left_alone, wanted: sets(wanted), ..published(&fleet, "192.0.2.1") };
        fleet.dynamodb.put("Z1", HOST, &promised);
        assert_eq!(gateway.ask(HOST, "myip=192.0.2.7").await, reply, "{why} {wanted}");
        let item = item(&fleet);
        assert_eq!((item.version, item.wanted.clone()), (version, sets("60 192.0.2.7")), "{why} {wanted}");
        assert_eq!((item.published.clone(), item.broken_rule()), (sets("60 192.0.2.9"), None), "{why} {wanted}");
        assert!(item.is_pending() && item.left_alone.is_none(), "{why} {wanted}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_host_that_route_53_refused_is_dnserr() {
    let (fleet, gateway) = fleet(&[]).await;
    let left_alone = Some(LeftAlone::refused("too bad", fleet.now()));
    fleet.dynamodb.put("Z1", HOST, &Item { version: 2, left_alone, ..published(&fleet, "192.0.2.1") });
    assert_eq!(gateway.ask(HOST, "myip=192.0.2.7").await, "dnserr");
    assert_eq!(calls(&fleet), "get");
}

#[tokio::test(start_paused = true)]
async fn a_write_whose_answer_was_lost_is_good() {
    for kind in [Kind::Reset, Kind::ServerError] {
        let (fleet, gateway) = fleet(&[]).await;
        let both = format!("{HOST},b.example.org");
        for host in both.split(',') {
            fleet.dynamodb.put("Z1", host, &published(&fleet, "192.0.2.1"));
        }
        fleet.dynamodb.fault(&[Operation::Update, Operation::Transact], Fault { kind, late: true }, Some(1));
        assert_eq!(gateway.ask(HOST, "myip=192.0.2.7").await, "good 192.0.2.7");
        fleet.dynamodb.clear_faults();
        fleet.dynamodb.fault(&[Operation::Update, Operation::Transact], Fault { kind, late: true }, Some(1));
        assert_eq!(gateway.ask(&both, "myip=192.0.2.8").await, "good 192.0.2.8\ngood 192.0.2.8");
        assert_eq!(item(&fleet).version, 3);
    }
}

#[tokio::test(start_paused = true)]
async fn a_transaction_under_way_is_waited_for_and_no_longer_than_three_times() {
    let (fleet, gateway) = fleet(&[]).await;
    let both = format!("{HOST},b.example.org");
    for host in both.split(',') {
        fleet.dynamodb.put("Z1", host, &published(&fleet, "192.0.2.1"));
    }
    let conflict = Fault { kind: Kind::Conflict, late: false };
    let faults = [Operation::Update, Operation::Transact];
    for (hosts, address) in [(HOST, "192.0.2.2"), (&*both, "192.0.2.3")] {
        let good = vec![format!("good {address}"); hosts.split(',').count()].join("\n");
        fleet.dynamodb.fault(&faults, conflict, Some(2));
        assert_eq!(gateway.ask(hosts, &format!("myip={address}")).await, good);
        fleet.dynamodb.clear_faults();
        fleet.dynamodb.fault(&faults, conflict, None);
        calls(&fleet);
        let failed = vec!["dnserr"; hosts.split(',').count()].join("\n");
        assert_eq!(gateway.ask(hosts, "myip=192.0.2.9").await, failed);
        assert_eq!(calls(&fleet).split(' ').filter(|call| *call == "get").count(), 3);
        fleet.dynamodb.clear_faults();
    }
}

#[tokio::test(start_paused = true)]
async fn requests_for_one_host_at_once_come_one_after_the_other() {
    let (fleet, gateway) = fleet(&[]).await;
    fleet.dynamodb.take_time(Duration::from_millis(5));
    fleet.dynamodb.put("Z1", HOST, &published(&fleet, "192.0.2.1"));
    // Each loses to another one at first, is planned again, and leaves the other family alone.
    let (four, six) = tokio::join!(gateway.ask(HOST, "myip=192.0.2.7"), gateway.ask(HOST, "myipv6=2001:db8::7"));
    assert_eq!([four, six], ["good 192.0.2.7", "good 2001:db8::7"]);
    let item = item(&fleet);
    assert_eq!((item.version, item.wanted), (3, sets("60 192.0.2.7 2001:db8::7")));
}

#[tokio::test(start_paused = true)]
async fn two_first_sights_at_once_put_a_host_in_once() {
    let (fleet, gateway) = fleet(&["home.example.org. 60 A 192.0.2.1"]).await;
    fleet.dynamodb.take_time(Duration::from_millis(5));
    let (one, other) = tokio::join!(gateway.ask(HOST, "myip=192.0.2.1"), gateway.ask(HOST, "myip=192.0.2.7"));
    assert_eq!([one, other], ["nochg 192.0.2.1", "good 192.0.2.7"]);
    assert_eq!((item(&fleet).version, item(&fleet).published), (1, sets("60 192.0.2.1")));
}

#[tokio::test(start_paused = true)]
async fn without_the_table_every_answer_is_dnserr() {
    for kind in [Kind::AccessDenied, Kind::Throttle, Kind::NoTable, Kind::Hang, Kind::Reset, Kind::Garbage] {
        let (fleet, gateway) = fleet(&["home.example.org. 60 A 192.0.2.1"]).await;
        fleet.dynamodb.put("Z1", HOST, &published(&fleet, "192.0.2.1"));
        let operations = [Operation::Get, Operation::Update, Operation::Transact];
        fleet.dynamodb.fault(&operations, Fault { kind, late: false }, None);
        assert_eq!(gateway.ask(HOST, "myip=192.0.2.1").await, "dnserr", "{kind:?}");
        fleet.dynamodb.clear_faults();
        fleet.dynamodb.fault(&operations[1..], Fault { kind, late: false }, None);
        assert_eq!(gateway.ask(HOST, "myip=192.0.2.7").await, "dnserr", "{kind:?}");
        // What the table does not know may be asked of Route 53, but is not believed before it is put in.
        assert_eq!(gateway.ask("new.example.org", "myip=no").await, "dnserr", "{kind:?}");
        assert_eq!(fleet.dynamodb.item("Z1", "new.example.org"), None);
        assert_eq!(item(&fleet).version, 1);
    }
}

#[tokio::test(start_paused = true)]
async fn a_table_that_takes_no_writes_still_answers_the_first_poll_of_a_day() {
    for (kind, most) in [(Kind::AccessDenied, 0), (Kind::Hang, 1), (Kind::Throttle, 1)] {
        let (fleet, gateway) = fleet(&[]).await;
        fleet.dynamodb.put("Z1", HOST, &Item { heard: Some(19_999), ..published(&fleet, "192.0.2.1") });
        fleet.dynamodb.fault(&[Operation::Update], Fault { kind, late: false }, None);
        let asked = Instant::now();
        assert_eq!(gateway.ask(HOST, "myip=192.0.2.1").await, "nochg 192.0.2.1", "{kind:?}");
        assert!(asked.elapsed() <= Duration::from_secs(most), "{kind:?}: {:?}", asked.elapsed());
        fleet.dynamodb.clear_faults();
        assert_eq!(gateway.ask(HOST, "myip=192.0.2.1").await, "nochg 192.0.2.1", "{kind:?}");
        assert_eq!(item(&fleet).heard, Some(20_000), "{kind:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn keys_that_were_not_processed_are_not_taken_for_absent() {
    let (fleet, gateway) = fleet(&[]).await;
    fleet.dynamodb.put("Z1", HOST, &published(&fleet, "192.0.2.1"));
    fleet.dynamodb.process(0, 2);
    assert_eq!(gateway.ask(HOST, "myip=192.0.2.1").await, "nochg 192.0.2.1");
    assert_eq!(calls(&fleet), "get get get");
}

#[tokio::test(start_paused = true)]
async fn until_the_role_is_narrowed_route_53_is_asked_about_hosts_that_no_router_wrote_here() {
    let fleet = Fleet::new("example.org=Z1").await;
    let gateway = fleet.gateway(FleetState::On, false).await;
    fleet.route53.put("Z1", "home.example.org. 60 A 192.0.2.1").expect("a record set");
    let imported = Item { version: 4, imported: 4, published_version: 4, ..published(&fleet, "192.0.2.9") };
    fleet.dynamodb.put("Z1", HOST, &imported);
    assert_eq!(gateway.ask(HOST, "myip=192.0.2.1").await, "nochg 192.0.2.1");
    let item_now = item(&fleet);
    assert_eq!((item_now.version, item_now.imported, item_now.published), (4, 4, sets("60 192.0.2.1")));
    assert_eq!(calls(&fleet), "get update list");
    // As Route 53 has it: nothing to write.
    assert_eq!(gateway.ask(HOST, "myip=192.0.2.1").await, "nochg 192.0.2.1");
    assert_eq!(calls(&fleet), "get list");
    assert_eq!(gateway.ask(HOST, "myip=192.0.2.7").await, "good 192.0.2.7");
    assert_eq!(calls(&fleet), "get update list");
    // Once a router has, the table is right.
    assert_eq!(gateway.ask(HOST, "myip=192.0.2.7").await, "nochg 192.0.2.7");
    assert_eq!(calls(&fleet), "get");
}

#[tokio::test(start_paused = true)]
async fn whatever_it_is_asked_and_whatever_fails_a_gateway_that_is_on_changes_nothing_in_route_53() {
    let (kinds, hosts) = ([Kind::AccessDenied, Kind::Throttle, Kind::Reset, Kind::Conflict], ["a", "b", "c", "d"]);
    for seed in 0..60 {
        let mut random = fastrand::Rng::with_seed(seed);
        let (fleet, _) = fleet(&["a.example.org. 60 A 192.0.2.1", "b.example.org. 60 CNAME a.example.org."]).await;
        let gateway = fleet.gateway(FleetState::On, seed % 2 == 0).await;
        for _ in 0..10 {
            let host = format!("{}.example.org", random.choice(hosts).expect("a host"));
            let versions = [random.u64(0..4), random.u64(0..4), random.u64(0..4)];
            let [imported, published_version, version] = sorted(versions);
            let left_alone = random
                .bool()
                .then(|| LeftAlone { why: "a CNAME is there".to_owned(), seen: random.u64(..fleet.now()) });
            let item = Item { version, imported, published_version, left_alone, ..published(&fleet, "192.0.2.9") };
            let due = item.is_pending().then(|| fleet.now());
            if random.bool() {
                fleet.dynamodb.put("Z1", &host, &Item { due, pending_since: due, ..item });
            }
            if random.u8(0..3) == 0 {
                let operation = *random.choice(&[Operation::Get, Operation::Update, Operation::Transact]).expect("one");
                let kind = *random.choice(&kinds).expect("a kind");
                fleet.dynamodb.fault(&[operation], Fault { kind, late: random.bool() }, random.bool().then_some(1));
            }
            let query = ["myip=192.0.2.1", "myip=192.0.2.7", "myip=no", "offline=yes", "prefix=2001:db8::/64"];
            let asked = if random.bool() { host } else { format!("{host},d.example.org") };
            let reply = gateway.ask(&asked, random.choice(query).expect("a query")).await;
            assert!(!reply.contains("911"), "{seed}: {reply}");
            fleet.dynamodb.clear_faults();
        }
        let changes = fleet.route53.take_calls().into_iter().filter(|call| call.operation == Route53Operation::Change);
        assert_eq!(changes.collect::<Vec<_>>(), [], "{seed}");
    }
}

/// The numbers, the smallest first.
fn sorted(mut numbers: [u64; 3]) -> [u64; 3] {
    numbers.sort_unstable();
    numbers
}

#[tokio::test(start_paused = true)]
async fn while_draining_only_what_is_pending_is_changed_in_the_table() {
    let fleet = Fleet::new("example.org=Z1").await;
    let gateway = fleet.gateway(FleetState::Drain, false).await;
    fleet.route53.put("Z1", "home.example.org. 60 A 192.0.2.1").expect("a record set");
    let pending = Item { version: 2, due: Some(1), wanted: sets("60 192.0.2.7"), ..published(&fleet, "192.0.2.1") };
    fleet.dynamodb.put("Z1", HOST, &pending);
    assert_eq!(gateway.ask(HOST, "myip=192.0.2.7").await, "nochg 192.0.2.7");
    assert_eq!(gateway.ask(HOST, "myip=192.0.2.8").await, "good 192.0.2.8");
    assert_eq!((calls(&fleet).as_str(), item(&fleet).version), ("get get update", 3));
    Fleet::tick(&fleet.publisher(FleetState::Drain)).await;
    assert_eq!(fleet.route53.records("Z1"), ["home.example.org. 60 A 192.0.2.8"]);
    calls(&fleet);
    // Now Route 53 is right, and is written.
    assert_eq!(gateway.ask(HOST, "myip=192.0.2.9").await, "good 192.0.2.9");
    assert_eq!(calls(&fleet), "get list change");
    assert_eq!(gateway.ask("new.example.org", "myip=192.0.2.9").await, "good 192.0.2.9");
    assert_eq!(calls(&fleet), "get list change");
    assert_eq!(fleet.dynamodb.items("Z1").len(), 1);
}

#[tokio::test(start_paused = true)]
async fn while_draining_a_request_with_one_pending_host_is_written_into_the_table_as_a_whole() {
    let fleet = Fleet::new("example.org=Z1").await;
    let gateway = fleet.gateway(FleetState::Drain, false).await;
    fleet.route53.put("Z1", "b.example.org. 60 A 192.0.2.2").expect("a record set");
    let pending = Item { version: 2, due: Some(1), wanted: sets("60 192.0.2.7"), ..published(&fleet, "192.0.2.1") };
    fleet.dynamodb.put("Z1", HOST, &pending);
    // What the table says of it is of yesterday: the other gateway has changed it since.
    fleet.dynamodb.put("Z1", "b.example.org", &published(&fleet, "192.0.2.1"));
    let hosts = format!("{HOST},b.example.org,c.example.org");
    assert_eq!(gateway.ask(&hosts, "myip=192.0.2.2").await, "good 192.0.2.2\nnochg 192.0.2.2\ngood 192.0.2.2");
    for (host, wanted) in fleet.dynamodb.items("Z1") {
        assert_eq!((&wanted.wanted, wanted.broken_rule()), (&sets("60 192.0.2.2"), None), "{host}");
    }
    assert!(fleet.route53.take_calls().iter().all(|call| call.operation == Route53Operation::List));
}

#[tokio::test(start_paused = true)]
async fn while_draining_a_table_that_refuses_is_done_without() {
    for kind in [Kind::AccessDenied, Kind::NoTable] {
        let fleet = Fleet::new("example.org=Z1").await;
        let gateway = fleet.gateway(FleetState::Drain, false).await;
        fleet.dynamodb.fault(&[Operation::Get], Fault { kind, late: false }, None);
        assert_eq!(gateway.ask(HOST, "myip=192.0.2.7").await, "good 192.0.2.7", "{kind:?}");
        assert_eq!(fleet.route53.records("Z1"), ["home.example.org. 60 A 192.0.2.7"], "{kind:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn while_draining_a_table_that_fails_keeps_what_is_pending_from_being_overtaken() {
    for kind in [Kind::Throttle, Kind::ServerError, Kind::Hang, Kind::Reset, Kind::Garbage] {
        let fleet = Fleet::new("example.org=Z1").await;
        let gateway = fleet.gateway(FleetState::Drain, false).await;
        fleet.route53.put("Z1", "home.example.org. 60 A 192.0.2.1").expect("a record set");
        let pending = Item { version: 2, due: Some(1), wanted: sets("60 192.0.2.7"), ..published(&fleet, "192.0.2.1") };
        fleet.dynamodb.put("Z1", HOST, &pending);
        fleet.dynamodb.fault(&[Operation::Get], Fault { kind, late: false }, None);
        assert_eq!(gateway.ask(HOST, "myip=192.0.2.8").await, "dnserr", "{kind:?}");
        assert_eq!(fleet.route53.take_calls(), [], "{kind:?}");
        fleet.dynamodb.clear_faults();
        // The router asks again.
        assert_eq!(gateway.ask(HOST, "myip=192.0.2.8").await, "good 192.0.2.8", "{kind:?}");
        Fleet::tick(&fleet.publisher(FleetState::Drain)).await;
        assert_eq!(fleet.route53.records("Z1"), ["home.example.org. 60 A 192.0.2.8"], "{kind:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn while_draining_an_item_that_makes_no_sense_is_not_pending() {
    let fleet = Fleet::new("example.org=Z1").await;
    let gateway = fleet.gateway(FleetState::Drain, false).await;
    fleet.dynamodb.put("Z1", HOST, &published(&fleet, "192.0.2.1"));
    fleet.dynamodb.set("Z1", HOST, "v", Some(serde_json::json!({ "S": "one" })));
    assert_eq!(gateway.ask(HOST, "myip=192.0.2.7").await, "good 192.0.2.7");
    assert_eq!(fleet.route53.records("Z1"), ["home.example.org. 60 A 192.0.2.7"]);
}
