//! The fake Route 53 keeps to the rules of the real one, as the AWS SDK sees them.

use std::{
    io::{Read, Write},
    net::TcpStream,
    time::Duration,
};

use crate::support::{
    fake_route53::{Call, FakeRoute53, Naming, Operation},
    process::Nic53,
};
use aws_sdk_route53::{
    Client,
    config::retry::RetryConfig,
    error::{DisplayErrorContext, ProvideErrorMetadata},
    operation::list_resource_record_sets::ListResourceRecordSetsOutput,
    types::{AliasTarget, Change, ChangeAction, ChangeBatch, ResourceRecord, ResourceRecordSet, RrType},
};
use tokio::time::{Instant, sleep};

/// The zone of these tests.
const ZONE: &str = "Z1";

#[tokio::test]
async fn a_batch_that_a_real_zone_would_not_take_changes_nothing() {
    let longest = format!("{}.example.org.", "a".repeat(63));
    let too_long = format!("{}.example.org.", "a".repeat(64));
    let in_all = format!("{}example.org.", "a.".repeat(122));
    for (batch, refusal) in [
        (&["CREATE home.example.org. 60 A 192.0.2.1"][..], "already exists"),
        (&["DELETE nas.example.org. 60 A 192.0.2.1"], "not found"),
        (&["DELETE home.example.org. 61 A 192.0.2.1"], "do not match"),
        (&["DELETE home.example.org. 60 A 192.0.2.2"], "do not match"),
        (
            &["DELETE home.example.org. 60 A 192.0.2.1", "DELETE home.example.org. 60 A 192.0.2.1"],
            "invalid set of changes",
        ),
        (
            &["UPSERT nas.example.org. 60 A 192.0.2.1", "UPSERT NAS.example.org 60 A 192.0.2.2"],
            "invalid set of changes",
        ),
        (&["UPSERT home.example.net. 60 A 192.0.2.1"], "not permitted in zone"),
        (&["UPSERT notexample.org. 60 A 192.0.2.1"], "not permitted in zone"),
        (&["UPSERT nas.example.org. 60 A 999.1.1.1"], "ARRDATAIllegalIPv4Address"),
        (&["UPSERT nas.example.org. 60 A 2001:db8::1"], "ARRDATAIllegalIPv4Address"),
        (&["UPSERT nas.example.org. 60 AAAA 192.0.2.1"], "AAAARRDATAIllegalIPv6Address"),
        (&["UPSERT nas.example.org. 60 A 192.0.2.1 192.0.2.1"], "Duplicate Resource Record"),
        (&["UPSERT nas.example.org. 60 TXT bare"], "quotation marks"),
        (&["UPSERT nas.example.org. 60 MX mail.example.org."], "2 fields"),
        (&["UPSERT nas.example.org. 2147483648 A 192.0.2.1"], "InvalidInput"),
        (&["UPSERT nas.example.org. -1 A 192.0.2.1"], "InvalidInput"),
        (&["UPSERT a..example.org. 60 A 192.0.2.1"], "DomainLabelEmpty"),
        (&[&format!("UPSERT {too_long} 60 A 192.0.2.1")], "DomainLabelTooLong"),
        (&[&format!("UPSERT {in_all} 60 A 192.0.2.1")], "DomainNameTooLong"),
        (&["UPSERT www.example.org. 60 A 192.0.2.1"], "conflicting RRSet of type CNAME"),
        (&["UPSERT home.example.org. 60 CNAME nas.example.org."], "conflicting RRSet of type CNAME"),
        (&["UPSERT example.org. 60 CNAME nas.example.net."], "not permitted at apex"),
        (&["UPSERT blue.example.org. 60 A 192.0.2.1"], "other RRSets exist"),
        (&["UPSERT home.example.org. 60 A 192.0.2.1 @blue"], "other RRSets exist"),
        (&["DELETE example.org. 172800 NS ns-1.example.net. ns-2.example.net."], "at least one NS"),
        (&["UPSERT nas.example.org. 60 A 192.0.2.1", "DELETE x.example.org. 60 A 192.0.2.1"], "not found"),
    ] {
        let route53 = zone().await;
        let before = route53.records(ZONE);
        let error = change(&route53, batch).await.expect_err(refusal);
        assert!(error.contains(refusal), "{batch:?}: {error}");
        assert_eq!(route53.records(ZONE), before, "{batch:?}");
    }
    let route53 = zone().await;
    change(&route53, &[&format!("UPSERT {longest} 60 A 192.0.2.1")]).await.expect("63 octets are a label");
}

#[tokio::test]
async fn a_batch_is_applied_as_a_whole() {
    for (batch, after) in [
        (&["UPSERT home.example.org. 60 A 192.0.2.7"][..], &["home.example.org. 60 A 192.0.2.7"][..]),
        (
            &["CREATE Nas.Example.ORG 0 A 192.0.2.7"],
            &["home.example.org. 60 A 192.0.2.1", "nas.example.org. 0 A 192.0.2.7"],
        ),
        (
            &["CREATE \\052.example.org. 60 A 192.0.2.7"],
            &["*.example.org. 60 A 192.0.2.7", "home.example.org. 60 A 192.0.2.1"],
        ),
        (
            &["DELETE home.example.org. 60 A 192.0.2.1", "CREATE home.example.org. 5 A 192.0.2.1"],
            &["home.example.org. 5 A 192.0.2.1"],
        ),
        (
            &["DELETE home.example.org. 60 A 192.0.2.1", "CREATE home.example.org. 60 CNAME a.example."],
            &["home.example.org. 60 CNAME a.example."],
        ),
        (&["UPSERT home.example.org. ALIAS A a.example."], &["home.example.org. ALIAS A a.example."]),
    ] {
        let route53 = FakeRoute53::start().await;
        route53.zone(ZONE, "example.org");
        route53.put(ZONE, "home.example.org. 60 A 192.0.2.1").expect("a record set");
        change(&route53, batch).await.unwrap_or_else(|error| panic!("{batch:?}: {error}"));
        assert_eq!(route53.records(ZONE), after, "{batch:?}");
    }
}

#[tokio::test]
async fn an_alias_gives_way_to_an_upsert() {
    let route53 = zone().await;
    change(&route53, &["UPSERT cdn.example.org. 60 A 192.0.2.7"]).await.expect("no protection in Route 53");
    assert!(route53.records(ZONE).contains(&"cdn.example.org. 60 A 192.0.2.7".to_owned()));
}

#[tokio::test]
async fn a_batch_has_limits_and_an_upsert_counts_twice() {
    let text = format!("\"{}\"", "x".repeat(253));
    for (action, count, value, taken) in [
        ("CREATE", 1000, "192.0.2.1", true),
        ("CREATE", 1001, "192.0.2.1", false),
        ("UPSERT", 500, "192.0.2.1", true),
        ("UPSERT", 501, "192.0.2.1", false),
        ("CREATE", 125, &text, true),
        ("CREATE", 126, &text, false),
        ("UPSERT", 63, &text, false),
    ] {
        let record_type = if value.starts_with('"') { "TXT" } else { "A" };
        let batch: Vec<_> =
            (0..count).map(|number| format!("{action} n{number}.example.org. 60 {record_type} {value}")).collect();
        let batch: Vec<_> = batch.iter().map(String::as_str).collect();
        let answer = change(&zone().await, &batch).await;
        assert_eq!(answer.is_ok(), taken, "{action} {count} {value}: {answer:?}");
    }
}

#[tokio::test]
async fn record_sets_are_listed_in_the_order_of_reversed_names() {
    let route53 = FakeRoute53::start().await;
    route53.zone(ZONE, "example.org");
    for line in ["z.a.example.org. 60 A 192.0.2.1", "b.example.org. 60 A 192.0.2.1", "a-b.example.org. 60 A 192.0.2.1"]
    {
        route53.put(ZONE, line).expect("a record set");
    }
    for line in ["a.example.org. 60 TXT \"<&>\"", "a.example.org. 60 A 192.0.2.1", "*.example.org. 60 A 192.0.2.1"] {
        route53.put(ZONE, line).expect("a record set");
    }
    let page = list(&route53, None, 300).await;
    let listed: Vec<_> = page.resource_record_sets.iter().map(|set| format!("{} {}", set.name, set.r#type)).collect();
    assert_eq!(
        listed,
        [
            "example.org. NS",
            "example.org. SOA",
            "\\052.example.org. A",
            "a-b.example.org. A",
            "a.example.org. A",
            "a.example.org. TXT",
            "z.a.example.org. A",
            "b.example.org. A",
        ]
    );
    assert!(!page.is_truncated);
    let page_before_wildcard = list(&route53, None, 2).await;
    assert_eq!(page_before_wildcard.next_record_name(), Some("\\052.example.org."));
    assert_eq!(page.resource_record_sets[5].resource_records()[0].value, "\"<&>\"");
}

#[tokio::test]
async fn a_list_begins_where_it_is_told_and_goes_on_where_it_ended() {
    let route53 = zone().await;
    let mut from = Some(("BLUE.example.org".to_owned(), None, None));
    let mut listed = Vec::new();
    loop {
        let page = list(&route53, from, 1).await;
        assert_eq!(page.resource_record_sets.len(), 1);
        let set = &page.resource_record_sets[0];
        listed.push(format!("{} {} {}", set.name, set.r#type, set.set_identifier().unwrap_or_default()));
        if !page.is_truncated {
            break;
        }
        from = page.next_record_name.map(|name| (name, page.next_record_type, page.next_record_identifier));
    }
    assert_eq!(
        listed,
        [
            "blue.example.org. A blue",
            "blue.example.org. A green",
            "cdn.example.org. A ",
            "home.example.org. A ",
            "www.example.org. CNAME ",
        ]
    );
}

#[tokio::test]
async fn a_page_has_no_more_than_300_or_what_the_test_wants() {
    let route53 = zone().await;
    for number in 0..301 {
        route53.put(ZONE, &format!("n{number}.example.org. 60 A 192.0.2.1")).expect("a record set");
    }
    let page = list(&route53, None, 1000).await;
    assert_eq!((page.resource_record_sets.len(), page.max_items, page.is_truncated), (300, 300, true));
    route53.limit_pages(2);
    let page = list(&route53, None, 1000).await;
    assert_eq!((page.resource_record_sets.len(), page.is_truncated), (2, true));
}

#[tokio::test]
async fn a_fault_is_what_the_sdk_sees() {
    for (fault, seen) in [
        ("throttle", "Rate exceeded"),
        ("prior-request", "PriorRequestNotComplete"),
        ("invalid-batch", "InvalidChangeBatch"),
        ("invalid-batch-messages", "unhandled error"),
        ("access-denied", "AccessDenied"),
        ("no-such-zone", "NoSuchHostedZone"),
        ("server-error", "InternalError"),
        ("reset", "dispatch failure"),
        ("garbage", "error parsing XML"),
    ] {
        for (late, records) in [("", "192.0.2.1"), ("late-", "192.0.2.7")] {
            let route53 = zone().await;
            let fault = format!("{late}{fault}");
            route53.fault(Operation::Change, fault.parse().expect("a fault"), None);
            let error = change(&route53, &["UPSERT home.example.org. 60 A 192.0.2.7"]).await.expect_err(&fault);
            assert!(error.to_lowercase().contains(&seen.to_lowercase()), "{fault}: {error}");
            let expected = format!("home.example.org. 60 A {records}");
            assert!(route53.records(ZONE).contains(&expected), "{fault}: {:?}", route53.records(ZONE));
        }
    }
}

#[tokio::test]
async fn a_fault_of_one_operation_ends_after_its_times() {
    let route53 = zone().await;
    route53.fault(Operation::Change, "throttle".parse().expect("a fault"), Some(1));
    let batch = ["UPSERT home.example.org. 60 A 192.0.2.7"];
    list(&route53, None, 1).await;
    change(&route53, &batch).await.expect_err("throttled once");
    change(&route53, &batch).await.expect("and not again");
    route53.fault(Operation::Change, "throttle".parse().expect("a fault"), None);
    route53.clear_faults();
    change(&route53, &batch).await.expect("nor after all is forgiven");
    let calls: Vec<_> = route53.take_calls().into_iter().map(|call| (call.operation, call.fault.is_some())).collect();
    let (list, change) = (Operation::List, Operation::Change);
    assert_eq!(calls, [(list, false), (change, true), (change, false), (change, false)]);
}

#[tokio::test]
async fn a_call_is_on_record_with_what_it_was_about() {
    let route53 = zone().await;
    list(&route53, Some(("home.example.org".to_owned(), None, None)), 1).await;
    change(&route53, &["UPSERT home.example.org. 60 A 192.0.2.7"]).await.expect("a change");
    let call =
        |operation, about: &str| Call { operation, zone: ZONE.to_owned(), about: vec![about.to_owned()], fault: None };
    let change = call(Operation::Change, "UPSERT home.example.org. 60 A 192.0.2.7");
    assert_eq!(route53.take_calls(), [call(Operation::List, "home.example.org"), change]);
    assert_eq!(route53.take_calls(), []);
}

#[tokio::test(start_paused = true)]
async fn the_account_has_buckets_of_calls_and_of_changes() {
    let route53 = FakeRoute53::new();
    route53.zone(ZONE, "example.org");
    let batch = |number: usize| format!("UPSERT h{number}.example.org. 60 A 192.0.2.7");
    route53.limit_as_aws_does();
    let mut taken = 0;
    while change(&route53, &[&batch(taken)]).await.is_ok() {
        taken += 1;
    }
    assert_eq!(taken, 50, "a full bucket");
    sleep(Duration::from_secs(1)).await;
    let after = || async { change(&route53, &[&batch(0)]).await.is_ok() };
    let mut again = 0;
    while after().await {
        again += 1;
    }
    assert_eq!(again, 10, "a second later");
    sleep(Duration::from_mins(1)).await;
    route53.limit_changes(3, 1);
    let two = [batch(1), batch(2)];
    let two: Vec<&str> = two.iter().map(String::as_str).collect();
    let taken = [change(&route53, &two).await, change(&route53, &two).await, change(&route53, &two[..1]).await];
    assert_eq!(taken.map(|taken| taken.is_ok()), [true, false, true], "three changes");
    route53.take_calls();
    route53.keep_no_calls();
    let before = route53.made(Operation::Change);
    change(&route53, &two[..1]).await.expect_err("no change is left");
    assert_eq!((route53.made(Operation::Change), route53.take_calls()), (before + 1, Vec::new()));
}

#[tokio::test(start_paused = true)]
async fn a_batch_takes_its_time_and_a_second_one_is_refused_meanwhile() {
    let route53 = FakeRoute53::new();
    route53.zone(ZONE, "example.org");
    route53.take_time_for_each(Duration::from_millis(250), Duration::from_millis(100));
    let started = Instant::now();
    let pair = ["UPSERT a.example.org. 60 A 192.0.2.7", "UPSERT b.example.org. 60 A 192.0.2.7"];
    let second = async {
        sleep(Duration::from_millis(400)).await;
        change(&route53, &pair[..1]).await
    };
    let (first, second) = tokio::join!(change(&route53, &pair), second);
    first.expect("a change");
    assert!(second.is_err_and(|error| error.starts_with("PriorRequestNotComplete")));
    assert_eq!(started.elapsed().as_millis(), 450);
}

#[tokio::test]
async fn a_refusal_names_all_two_or_nobody() {
    let route53 = zone().await;
    let batch = ["CREATE home.example.org. 60 A 192.0.2.1", "DELETE a.example.org. 60 A 192.0.2.1"];
    let batch = [&batch[..], &["DELETE b.example.org. 60 A 192.0.2.1"]].concat();
    for (naming, named) in [(Naming::All, [true, true, true]), (Naming::Two, [true, true, false])] {
        route53.set_naming(naming);
        let refusal = change(&route53, &batch).await.expect_err("a refusal");
        assert_eq!(["home", "a", "b"].map(|name| refusal.contains(&format!("'{name}.example.org.'"))), named);
    }
    route53.set_naming(Naming::Nobody);
    let refusal = change(&route53, &batch).await.expect_err("a refusal");
    assert!(refusal.starts_with("InvalidChangeBatch") && !refusal.contains("example.org"), "{refusal}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_whole_program_reaches_it() {
    let route53 = zone().await;
    let settings = [
        ("NIC53_ZONES", "example.org=Z1"),
        ("NIC53_SECRET", "the-secret-of-the-tests-with-the-fake"),
        ("AWS_ENDPOINT_URL_ROUTE_53", &route53.url()),
        ("AWS_ACCESS_KEY_ID", "test"),
        ("AWS_SECRET_ACCESS_KEY", "test"),
    ];
    let nic53 = Nic53::serve(&settings, &["--store", "route53", "--dns", "off"]);
    let token = nic53.token(&["home.example.org"]);
    let query = format!("user=home.example.org&pass={token}&myip=192.0.2.7");
    let mut stream = TcpStream::connect(&nic53.http).expect("the server listens");
    write!(stream, "GET /nic/update?{query} HTTP/1.0\r\n\r\n").expect("the server reads");
    let mut reply = String::new();
    stream.read_to_string(&mut reply).expect("the server answers");
    assert!(reply.ends_with("\r\n\r\ngood 192.0.2.7"), "{reply}");
    assert!(route53.records(ZONE).contains(&"home.example.org. 60 A 192.0.2.7".to_owned()));
}

#[tokio::test]
async fn a_zone_that_is_not_there_is_no_such_hosted_zone() {
    let route53 = FakeRoute53::start().await;
    let error = change(&route53, &["UPSERT home.example.org. 60 A 192.0.2.7"]).await.expect_err("no zone");
    assert!(error.contains("NoSuchHostedZone"), "{error}");
}

#[tokio::test]
async fn a_record_set_that_no_zone_could_hold_cannot_be_put() {
    let route53 = zone().await;
    for line in [
        "home.example.org. 60 A 192.0.2.1",
        "nas.example.org. 60 A 999.1.1.1",
        "nas.example.org 60 A 192.0.2.1",
        "nas.example.org. A 192.0.2.1",
        "nas.example.net. 60 A 192.0.2.1",
        "www.example.org. 60 A 192.0.2.1",
    ] {
        assert!(route53.put(ZONE, line).is_err(), "{line}");
    }
}

/// A Route 53 with one zone that has one of each kind.
async fn zone() -> FakeRoute53 {
    let route53 = FakeRoute53::start().await;
    route53.zone(ZONE, "example.org");
    for line in [
        "home.example.org. 60 A 192.0.2.1",
        "www.example.org. 300 CNAME home.example.org.",
        "blue.example.org. 60 A 192.0.2.9 @blue",
        "blue.example.org. 60 A 192.0.2.10 @green",
        "cdn.example.org. ALIAS A d111111abcdef8.cloudfront.net.",
    ] {
        route53.put(ZONE, line).expect("a record set");
    }
    route53
}

/// A client that tries once.
async fn client(route53: &FakeRoute53) -> Client {
    let config = route53.configure(&nic53::aws::config().await.expect("an SDK configuration"));
    Client::new(&config.into_builder().retry_config(RetryConfig::disabled()).build())
}

/// A page of record sets from a name, type and identifier on.
async fn list(
    route53: &FakeRoute53,
    from: Option<(String, Option<RrType>, Option<String>)>,
    most: i32,
) -> ListResourceRecordSetsOutput {
    let (name, record_type, identifier) = from.map_or((None, None, None), |(name, t, id)| (Some(name), t, id));
    let list = client(route53).await.list_resource_record_sets().hosted_zone_id(ZONE).max_items(most);
    let list = list.set_start_record_name(name).set_start_record_type(record_type);
    list.set_start_record_identifier(identifier).send().await.expect("a page")
}

/// Sends a batch of changes such as `UPSERT home.example.org. 60 A 192.0.2.7`.
async fn change(route53: &FakeRoute53, batch: &[&str]) -> Result<(), String> {
    let changes = batch.iter().map(|text| read_change(text)).collect();
    let batch = ChangeBatch::builder().set_changes(Some(changes)).build().expect("a batch");
    let change = client(route53).await.change_resource_record_sets().hosted_zone_id(ZONE).change_batch(batch);
    let answer = change.send().await;
    answer.map(drop).map_err(|error| format!("{}: {}", error.code().unwrap_or_default(), DisplayErrorContext(&error)))
}

/// One change in the SDK's words.
fn read_change(text: &str) -> Change {
    let (text, identifier) = text.split_once(" @").map_or((text, None), |(text, word)| (text, Some(word)));
    let words: Vec<_> = text.splitn(5, ' ').collect();
    let [action, name, ttl, record_type, rest] = words[..] else { panic!("{text}") };
    let set = ResourceRecordSet::builder().name(name).r#type(record_type.into());
    let set = set.set_set_identifier(identifier.map(str::to_owned)).set_weight(identifier.map(|_| 1));
    let set = if ttl == "ALIAS" {
        let target = AliasTarget::builder().dns_name(rest).hosted_zone_id("Z2").evaluate_target_health(false);
        set.alias_target(target.build().expect("a target"))
    } else {
        let values = if ["A", "AAAA", "NS"].contains(&record_type) { rest.split(' ').collect() } else { vec![rest] };
        let records = values.iter().map(|value| ResourceRecord::builder().value(*value).build().expect("a record"));
        set.ttl(ttl.parse().expect("seconds")).set_resource_records(Some(records.collect()))
    };
    let set = set.build().expect("a record set");
    Change::builder().action(ChangeAction::from(action)).resource_record_set(set).build().expect("a change")
}
