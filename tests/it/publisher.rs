//! The publisher between a fake table and a fake Route 53, on a paused clock: what it sends, what it
//! marks, and how it goes on when something is in the way.

use std::time::Duration;

use crate::support::{
    fake_dynamodb::Operation as Table,
    fake_route53::{Naming, Operation},
    fleet::{Fleet, sets},
};
use nic53::{
    publisher::{Rules, Wake},
    settings::FleetState,
    table::{DAY, Item, LeftAlone},
};
use tokio::time::{Instant, sleep};

/// The zone of most tests.
const ZONES: &str = "example.org=Z1";

/// A fleet of one zone with so many hosts that were published and have a new address since.
async fn moved(count: usize) -> Fleet {
    let fleet = Fleet::new(ZONES).await;
    for number in 0..count {
        move_host(&fleet, &format!("h{number}.example.org"));
    }
    // There is a pass only if a test wants one.
    fleet.dynamodb.set_zone("Z1", "ca", Some(serde_json::json!({ "N": fleet.now().to_string() })));
    fleet
}

/// Adds a host that was published and has a new address since.
fn move_host(fleet: &Fleet, host: &str) {
    fleet.route53.put("Z1", &format!("{host}. 60 A 192.0.2.1")).expect("a record set");
    let item = Item { wanted: sets("60 192.0.2.1"), published: sets("60 192.0.2.1"), ..Item::default() };
    fleet.dynamodb.put("Z1", host, &item);
    fleet.promise(host, "60 192.0.2.7");
}

/// How many changes and lists Route 53 was asked for since the last time.
fn calls(fleet: &Fleet) -> (usize, usize) {
    let calls = fleet.route53.take_calls();
    let of = |operation| calls.iter().filter(|call| call.operation == operation).count();
    (of(Operation::Change), of(Operation::List))
}

/// The hosts that are still pending.
fn pending(fleet: &Fleet) -> Vec<String> {
    fleet.dynamodb.items("Z1").into_iter().filter(|(_, item)| item.is_pending()).map(|(host, _)| host).collect()
}

/// What is wrong with the table and Route 53 once all is published: nothing, if all is well.
fn differences(fleet: &Fleet) -> Vec<String> {
    let records = fleet.route53.records("Z1");
    let wrong = |(host, item): (String, Item)| {
        let wanted = item.wanted.v4.as_ref().map(|set| format!("{host}. {set}"));
        let is_there = wanted.as_ref().is_none_or(|line| records.contains(line));
        let is_well = is_there && !item.is_pending() && item.broken_rule().is_none() && item.published == item.wanted;
        (!is_well && item.left_alone.is_none()).then(|| format!("{host}: {item:?}"))
    };
    fleet.dynamodb.items("Z1").into_iter().filter_map(wrong).collect()
}

#[tokio::test(start_paused = true)]
async fn what_is_pending_goes_in_full_batches_and_is_marked() {
    let fleet = moved(700).await;
    fleet.promise("new.example.org", "60 192.0.2.9 2001:db8::9");
    Fleet::tick(&fleet.publisher(FleetState::On)).await;
    assert_eq!((differences(&fleet), calls(&fleet)), (Vec::new(), (2, 0)));
    let new = fleet.dynamodb.item("Z1", "new.example.org").expect("an item");
    assert_eq!((new.published, new.due, new.last_published.is_some()), (sets("60 192.0.2.9 2001:db8::9"), None, true));
    // Nothing is left to do.
    let before = Instant::now();
    Fleet::tick(&fleet.publisher(FleetState::On)).await;
    assert_eq!((calls(&fleet), before.elapsed()), ((0, 0), Duration::ZERO));
}

#[tokio::test(start_paused = true)]
async fn a_batch_whose_answer_is_lost_is_looked_up_and_not_sent_again() {
    for fault in ["late-server-error", "late-reset", "late-hang", "late-garbage"] {
        let fleet = moved(100).await;
        fleet.route53.fault(Operation::Change, fault.parse().expect("a fault"), Some(1));
        Fleet::tick(&fleet.publisher(FleetState::On)).await;
        assert_eq!((differences(&fleet), calls(&fleet)), (Vec::new(), (1, 1)), "{fault}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_batch_that_was_not_carried_out_is_sent_again() {
    for fault in ["server-error", "hang", "throttle", "prior-request"] {
        let fleet = moved(100).await;
        fleet.route53.fault(Operation::Change, fault.parse().expect("a fault"), Some(2));
        Fleet::tick(&fleet.publisher(FleetState::On)).await;
        assert_eq!((differences(&fleet), pending(&fleet)), (Vec::new(), Vec::new()), "{fault}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_somebody_elses_is_left_alone_and_what_a_hand_changed_is_adopted() {
    for naming in [Naming::All, Naming::Two, Naming::Nobody] {
        let fleet = moved(300).await;
        fleet.route53.set_naming(naming);
        for number in 0..20 {
            let host = format!("h{}.example.org.", number * 10);
            let change = |line: String| {
                fleet.route53.remove("Z1", &host);
                fleet.route53.put("Z1", &line).expect("a record set");
            };
            match number % 4 {
                0 => change(format!("{host} ALIAS A target.example.net.")),
                1 => change(format!("{host} 60 CNAME elsewhere.example.net.")),
                2 => change(format!("{host} 300 A 198.51.100.1")),
                _ => fleet.route53.remove("Z1", &host),
            }
        }
        let before = fleet.route53.records("Z1").iter().filter(|line| line.contains("example.net")).count();
        Fleet::tick(&fleet.publisher(FleetState::On)).await;
        assert_eq!((differences(&fleet), pending(&fleet)), (Vec::new(), Vec::new()), "{naming:?}");
        let alone: Vec<_> =
            fleet.dynamodb.items("Z1").into_iter().filter(|(_, item)| item.left_alone.is_some()).collect();
        assert_eq!((before, alone.len()), (10, 10), "{naming:?}");
        assert!(alone.iter().all(|(_, item)| item.due.is_none()), "{alone:?}");
        let after = fleet.route53.records("Z1").iter().filter(|line| line.contains("example.net")).count();
        assert_eq!(after, 10, "{naming:?}: nothing of somebody else's has changed");
        let (changes, lists) = calls(&fleet);
        assert!(changes <= 4 && lists <= 6, "{naming:?}: {changes} {lists}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_host_that_route_53_refuses_delays_the_others_by_a_few_calls() {
    for (naming, most) in [(Naming::All, 6), (Naming::Nobody, 40)] {
        let fleet = moved(300).await;
        fleet.route53.set_naming(naming);
        fleet.route53.refuse("h77.example.org.");
        Fleet::tick(&fleet.publisher(FleetState::On)).await;
        assert_eq!(pending(&fleet), Vec::<String>::new(), "{naming:?}");
        let refused = fleet.dynamodb.item("Z1", "h77.example.org").expect("an item").left_alone;
        assert!(refused.as_ref().is_some_and(LeftAlone::is_refused), "{refused:?}");
        let (changes, lists) = calls(&fleet);
        assert!(changes + lists <= most, "{naming:?}: {changes} {lists}");
    }
}

#[tokio::test(start_paused = true)]
async fn one_batch_of_a_zone_is_held_however_many_hosts_are_pending() {
    let fleet = moved(1700).await;
    fleet.dynamodb.take_calls();
    Fleet::tick(&fleet.publisher(FleetState::On)).await;
    assert_eq!(differences(&fleet), Vec::<String>::new());
    let (mut held, mut most) = (0, 0);
    for call in fleet.dynamodb.take_calls() {
        match call.operation {
            Table::Get => held += call.about.iter().filter(|key| !key.ends_with('#')).count(),
            Table::Update => held = held.saturating_sub(1),
            Table::Query | Table::Transact => {}
        }
        most = most.max(held);
    }
    assert_eq!(most, 500);
}

#[tokio::test(start_paused = true)]
async fn a_zone_that_is_full_delays_those_who_have_a_record_by_seconds() {
    let fleet = moved(0).await;
    for number in 0..1000 {
        fleet.route53.refuse(&format!("new{number}.example.org."));
        fleet.promise(&format!("new{number}.example.org"), "60 192.0.2.7");
    }
    fleet.route53.set_naming(Naming::Nobody);
    sleep(Duration::from_secs(1)).await;
    move_host(&fleet, "h0.example.org");
    let before = fleet.now();
    Fleet::tick(&fleet.publisher(FleetState::On)).await;
    assert_eq!((differences(&fleet), pending(&fleet)), (Vec::new(), Vec::new()));
    let published = fleet.dynamodb.item("Z1", "h0.example.org").expect("an item").last_published;
    let waited = published.expect("a time") - before;
    assert!(waited < 20_000, "{waited} ms");
}

#[tokio::test(start_paused = true)]
async fn a_role_that_may_change_nothing_lets_the_zone_rest_until_the_next_tick() {
    for (fault, most) in [("access-denied", 4), ("no-such-zone", 1)] {
        let fleet = moved(100).await;
        fleet.route53.fault(Operation::Change, fault.parse().expect("a fault"), None);
        let publisher = fleet.publisher(FleetState::On);
        Fleet::run(&publisher, &Wake::Tick, Duration::from_secs(50)).await;
        let (changes, _) = calls(&fleet);
        assert!(changes <= most, "{fault}: {changes}");
        // A bell does not wake it; the next tick does.
        Fleet::run(&publisher, &Wake::Zones(["Z1".to_owned()].into()), Duration::from_secs(50)).await;
        assert_eq!(calls(&fleet).0, 0, "{fault}");
        fleet.route53.clear_faults();
        Fleet::tick(&publisher).await;
        assert_eq!((differences(&fleet), pending(&fleet)), (Vec::new(), Vec::new()), "{fault}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_becomes_due_within_the_hold_down_is_waited_for() {
    let fleet = moved(1).await;
    let mut item = fleet.dynamodb.item("Z1", "h0.example.org").expect("an item");
    item.due = Some(fleet.now() + 7_000);
    fleet.dynamodb.put("Z1", "h0.example.org", &item);
    let started = Instant::now();
    Fleet::run(&fleet.publisher(FleetState::On), &Wake::Zones(["Z1".to_owned()].into()), Duration::from_secs(50)).await;
    assert_eq!(differences(&fleet), Vec::<String>::new());
    assert!((7_000..7_500).contains(&started.elapsed().as_millis()), "{:?}", started.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_host_that_changes_while_its_batch_is_under_way_is_published_again_after_the_hold_down() {
    let fleet = moved(1).await;
    fleet.route53.take_time(Duration::from_secs(1));
    let publisher = fleet.publisher(FleetState::On);
    let change = async {
        sleep(Duration::from_millis(500)).await;
        fleet.promise("h0.example.org", "60 192.0.2.8");
    };
    tokio::join!(Fleet::tick(&publisher), change);
    assert_eq!((differences(&fleet), calls(&fleet)), (Vec::new(), (2, 0)));
    assert_eq!(fleet.route53.records("Z1"), ["h0.example.org. 60 A 192.0.2.8"]);
}

#[tokio::test(start_paused = true)]
async fn a_bell_wakes_its_zones_and_a_tick_all() {
    let fleet = Fleet::new("example.org=Z1,example.net=Z2,example.com=Z3").await;
    let publisher = fleet.publisher_with(Rules { pass_every: Duration::MAX, ..Fleet::rules(FleetState::On) });
    Fleet::tick(&publisher).await;
    calls(&fleet);
    for (zone, host) in [("Z1", "h.example.org"), ("Z2", "h.example.net"), ("Z3", "h.example.com")] {
        fleet.promise_in(zone, host, "60 192.0.2.7");
    }
    let records = || ["Z1", "Z2", "Z3"].map(|zone| fleet.route53.records(zone).len());
    Fleet::run(&publisher, &Wake::Zones(["Z2".to_owned(), "Z9".to_owned()].into()), Duration::from_secs(50)).await;
    assert_eq!(records(), [0, 1, 0]);
    Fleet::tick(&publisher).await;
    assert_eq!(records(), [1, 1, 1]);
}

#[tokio::test(start_paused = true)]
async fn all_calls_keep_one_pace_and_a_zone_has_one_call_at_a_time() {
    let zones: Vec<_> = (0..20).map(|number| format!("z{number}.example=Z{number}")).collect();
    let fleet = Fleet::new(&zones.join(",")).await;
    fleet.route53.take_time(Duration::from_secs(3));
    let publisher = fleet.publisher_with(Rules { pass_every: Duration::MAX, ..Fleet::rules(FleetState::On) });
    for number in 0..20 {
        fleet.dynamodb.set_zone(&format!("Z{number}"), "ca", Some(serde_json::json!({ "N": "1" })));
        for host in 0..3 {
            fleet.promise_in(&format!("Z{number}"), &format!("h{host}.z{number}.example"), "60 192.0.2.7");
        }
    }
    let started = Instant::now();
    Fleet::tick(&publisher).await;
    assert!((0..20).all(|number| fleet.route53.records(&format!("Z{number}")).len() == 3));
    assert_eq!(calls(&fleet), (20, 0), "none was refused because another was under way");
    // Eight at once, of three seconds each, and at most four calls a second.
    assert!((8_000..12_000).contains(&started.elapsed().as_millis()), "{:?}", started.elapsed());
}

/// Lets a router ask for another host of a zone every second, for so long.
async fn keep_asking(fleet: &Fleet, zone: &str, domain: &str, seconds: u64) {
    for second in 0..seconds {
        fleet.promise_in(zone, &format!("k{second}.{domain}"), "60 192.0.2.7");
        sleep(Duration::from_secs(1)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_pass_goes_round_whatever_is_pending() {
    let fleet = Fleet::new(ZONES).await;
    fleet.route53.take_time(Duration::from_secs(3));
    fleet.promise("h.example.org", "60 192.0.2.7");
    // Woken by the stream, so that a batch is under way at every tick.
    let wake = Wake::Zones(["Z1".to_owned()].into());
    let publisher = fleet.publisher(FleetState::On);
    tokio::join!(Fleet::run(&publisher, &wake, Duration::from_mins(4)), keep_asking(&fleet, "Z1", "example.org", 220));
    assert!(fleet.dynamodb.zone_number("Z1", "ca").is_some());
    assert_eq!(differences(&fleet), Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn what_is_promised_in_another_zone_meanwhile_does_not_wait_for_the_tick() {
    let fleet = Fleet::new("example.org=Z1,example.net=Z2").await;
    for zone in ["Z1", "Z2"] {
        fleet.dynamodb.set_zone(zone, "ca", Some(serde_json::json!({ "N": fleet.now().to_string() })));
    }
    fleet.route53.take_time(Duration::from_secs(3));
    fleet.promise("h.example.org", "60 192.0.2.7");
    let wake = Wake::Zones(["Z1".to_owned()].into());
    let publisher = fleet.publisher(FleetState::On);
    let other_zone = async {
        sleep(Duration::from_secs(10)).await;
        fleet.promise_in("Z2", "home.example.net", "60 192.0.2.7");
        sleep(Duration::from_secs(9)).await;
        assert_eq!(fleet.route53.records("Z2"), ["home.example.net. 60 A 192.0.2.7"]);
    };
    tokio::join!(
        Fleet::run(&publisher, &wake, Duration::from_secs(50)),
        keep_asking(&fleet, "Z1", "example.org", 40),
        other_zone
    );
}

#[tokio::test(start_paused = true)]
async fn a_route_53_that_throttles_is_called_less_often_and_takes_all() {
    let zones: Vec<_> = (0..60).map(|number| format!("z{number}.example=Z{number}")).collect();
    let fleet = Fleet::new(&zones.join(",")).await;
    // Half of what the pace allows.
    fleet.route53.limit_calls(2);
    for number in 0..60 {
        fleet.dynamodb.set_zone(&format!("Z{number}"), "ca", Some(serde_json::json!({ "N": fleet.now().to_string() })));
        fleet.promise_in(&format!("Z{number}"), &format!("h.z{number}.example"), "60 192.0.2.7");
    }
    let started = Instant::now();
    let publisher = fleet.publisher(FleetState::On);
    Fleet::run(&publisher, &Wake::Tick, Duration::from_mins(4)).await;
    assert!((0..60).all(|number| fleet.route53.records(&format!("Z{number}")).len() == 1));
    let made = fleet.route53.made(Operation::Change);
    assert!((60..90).contains(&made), "{made}");
    assert!(started.elapsed() < Duration::from_mins(2), "{:?}", started.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_pass_in_prepare_fills_the_table_and_goes_round() {
    let fleet = Fleet::new(ZONES).await;
    for number in 0..700 {
        fleet.route53.put("Z1", &format!("h{number}.example.org. 60 A 192.0.2.1")).expect("a record set");
    }
    for line in ["www.example.org. 60 CNAME h1.example.org.", "\\052.example.org. 60 AAAA 2001:DB8::1"] {
        fleet.route53.put("Z1", line).expect("a record set");
    }
    // Of an earlier time: pending, and with a promise.
    fleet.promise("h5.example.org", "60 198.51.100.1");
    fleet.promise("gone.example.org", "60 198.51.100.1");
    Fleet::tick(&fleet.publisher(FleetState::Prepare)).await;
    let items = fleet.dynamodb.items("Z1");
    assert_eq!(items.len(), 702);
    let wrong: Vec<_> = items.iter().filter(|(_, item)| item.is_promised() || item.is_pending()).collect();
    assert_eq!(wrong, Vec::<&(String, Item)>::new());
    let item = |host| fleet.dynamodb.item("Z1", host).expect("an item");
    assert_eq!((item("h5.example.org").wanted, item("h5.example.org").version), (sets("60 192.0.2.1"), 1));
    assert_eq!(item("*.example.org").published, sets("60 2001:DB8::1"));
    assert!(item("gone.example.org").expires.is_some() && item("gone.example.org").wants_nothing());
    let (changes, lists) = calls(&fleet);
    assert!(changes == 0 && lists <= 7, "{changes} {lists}");
    // Nothing is pending and the pass went round: the next one is six hours away.
    Fleet::tick(&fleet.publisher(FleetState::On)).await;
    assert_eq!(calls(&fleet), (0, 0));
    sleep(Duration::from_hours(6)).await;
    let before: Vec<_> = fleet.dynamodb.items("Z1");
    Fleet::run(&fleet.publisher(FleetState::On), &Wake::Tick, Duration::from_mins(5)).await;
    assert_eq!((calls(&fleet), fleet.dynamodb.items("Z1") == before), ((0, 3), true), "three pages, and nothing to do");
}

#[tokio::test(start_paused = true)]
async fn a_pass_restores_what_was_promised_and_nothing_else() {
    let fleet = moved(3).await;
    fleet.route53.put("Z1", "www.example.org. 60 A 198.51.100.80").expect("a record set");
    let publisher = fleet.publisher(FleetState::On);
    Fleet::tick(&publisher).await;
    sleep(Duration::from_hours(6)).await;
    Fleet::tick(&publisher).await;
    // A hand changes a promised host, removes another, and changes what nobody was promised.
    for host in ["h0.example.org.", "h1.example.org.", "www.example.org."] {
        fleet.route53.remove("Z1", host);
    }
    fleet.route53.put("Z1", "h0.example.org. 300 A 198.51.100.9").expect("a record set");
    fleet.route53.put("Z1", "www.example.org. 60 A 198.51.100.81").expect("a record set");
    sleep(Duration::from_hours(6)).await;
    Fleet::run(&publisher, &Wake::Tick, Duration::from_mins(2)).await;
    let expected = ["h0", "h1", "h2"].map(|host| format!("{host}.example.org. 60 A 192.0.2.7"));
    let records = fleet.route53.records("Z1");
    assert_eq!(records[..3], expected);
    assert_eq!(records[3..], ["www.example.org. 60 A 198.51.100.81"]);
    assert_eq!(differences(&fleet), Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn in_drain_route_53_is_right_about_everything_that_is_not_pending() {
    let fleet = moved(4).await;
    Fleet::tick(&fleet.publisher(FleetState::On)).await;
    fleet.promise("h3.example.org", "60 192.0.2.9");
    // The gateway writes Route 53 itself again.
    fleet.route53.remove("Z1", "h0.example.org.");
    fleet.route53.put("Z1", "h0.example.org. 60 A 203.0.113.7").expect("a record set");
    sleep(Duration::from_hours(6)).await;
    Fleet::tick(&fleet.publisher(FleetState::Drain)).await;
    let records = fleet.route53.records("Z1");
    assert_eq!(records[0], "h0.example.org. 60 A 203.0.113.7");
    assert_eq!(records[3], "h3.example.org. 60 A 192.0.2.9");
    let item = fleet.dynamodb.item("Z1", "h0.example.org").expect("an item");
    assert_eq!((item.wanted.clone(), item.is_promised()), (sets("60 203.0.113.7"), false));
    assert_eq!(differences(&fleet), Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn a_host_that_nobody_asks_for_is_removed_after_so_many_days() {
    let fleet = moved(2).await;
    let rules = Rules { stale_days: Some(35), ..Fleet::rules(FleetState::On) };
    Fleet::tick(&fleet.publisher_with(rules)).await;
    let mut item = fleet.dynamodb.item("Z1", "h0.example.org").expect("an item");
    item.heard = item.heard.map(|day| day - 36);
    fleet.dynamodb.put("Z1", "h0.example.org", &item);
    sleep(Duration::from_hours(6)).await;
    Fleet::run(&fleet.publisher_with(rules), &Wake::Tick, Duration::from_mins(2)).await;
    assert_eq!(fleet.route53.records("Z1"), ["h1.example.org. 60 A 192.0.2.7"]);
    let item = fleet.dynamodb.item("Z1", "h0.example.org").expect("an item");
    assert!(!item.is_pending() && item.wants_nothing());
    assert!(item.expires.is_some_and(|at| at * 1000 > fleet.now() + 29 * DAY && at * 1000 < fleet.now() + 31 * DAY));
}

#[tokio::test(start_paused = true)]
async fn a_table_that_cannot_be_reached_is_asked_again_and_sends_nothing() {
    let fleet = moved(10).await;
    let all = [Table::Get, Table::Update, Table::Transact, Table::Query];
    fleet.dynamodb.fault(&all, "server-error".parse().expect("a fault"), None);
    let publisher = fleet.publisher(FleetState::On);
    Fleet::run(&publisher, &Wake::Zones(["Z1".to_owned()].into()), Duration::from_secs(30)).await;
    assert_eq!(calls(&fleet), (0, 0));
    fleet.dynamodb.clear_faults();
    // Marks that fail are found out by a look.
    fleet.dynamodb.fault(&[Table::Update], "access-denied".parse().expect("a fault"), Some(10));
    Fleet::tick(&publisher).await;
    assert_eq!((differences(&fleet), calls(&fleet)), (Vec::new(), (1, 1)));
}

#[tokio::test(start_paused = true)]
async fn an_item_that_makes_no_sense_stops_nobody() {
    let fleet = moved(10).await;
    let set = |host: &str, name: &str, value| fleet.dynamodb.set("Z1", host, name, Some(value));
    set("h1.example.org", "w4", serde_json::json!({ "S": "not a record set" }));
    set("h2.example.org", "pv", serde_json::json!({ "N": "7" }));
    set("h3.example.org", "w4", serde_json::json!({ "S": "60 999.1.1.1" }));
    Fleet::tick(&fleet.publisher(FleetState::On)).await;
    let records = fleet.route53.records("Z1");
    let moved = records.iter().filter(|line| line.ends_with("192.0.2.7")).count();
    assert_eq!(moved, 7, "{records:?}");
    assert_eq!(fleet.dynamodb.item("Z1", "h2.example.org").expect("an item").due, None);
    assert!(
        fleet
            .dynamodb
            .item("Z1", "h3.example.org")
            .expect("an item")
            .left_alone
            .is_some_and(|alone| alone.is_refused())
    );
    // Nor does it stop a pass.
    fleet.dynamodb.set_zone("Z1", "ca", None);
    Fleet::tick(&fleet.publisher(FleetState::On)).await;
    assert!(fleet.dynamodb.zone_number("Z1", "ca").is_some());
}
