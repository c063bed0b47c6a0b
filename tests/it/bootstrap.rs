//! `bootstrap`, started as Lambda starts it, in front of a fake Route 53, and in fleet mode of a fake table
//! too.

use std::time::Duration;

use crate::support::{
    captured,
    fake_dynamodb::{FakeDynamoDb, TABLE},
    fake_route53::{FakeRoute53, Operation},
    fleet::sets,
    runtime_api::{Lambda, SecretsManager},
};
use base64::prelude::{BASE64_STANDARD, Engine};
use nic53::{
    protocol::{
        hostname::HostName,
        token::{Scope, Secret},
        zone::Zone,
    },
    table::Item,
};
use serde_json::{Value, json};

const SECRET: &str = "the-secret-of-the-lambda-tests-0123456789ab";
const OTHER_SECRET: &str = "another-secret-of-the-lambda-tests-01234567";
const ARN: &str = "arn:aws:secretsmanager:us-east-1:1:secret:nic53";

/// A Route 53 with `home.example.org` at 192.0.2.1.
async fn route53() -> FakeRoute53 {
    let route53 = FakeRoute53::start().await;
    route53.zone("Z1", "example.org");
    route53.put("Z1", "home.example.org. 60 A 192.0.2.1").unwrap();
    route53
}

/// The function in front of it, its secret in its settings.
async fn lambda(route53: &FakeRoute53) -> Lambda {
    let url = route53.url();
    let settings =
        [("NIC53_ZONES", "example.org=Z1"), ("NIC53_SECRET", SECRET), ("AWS_ENDPOINT_URL_ROUTE_53", url.as_str())];
    Lambda::start(&settings).await
}

/// The function in front of it, its secret in Secrets Manager.
async fn lambda_with(secrets: &SecretsManager, route53: &FakeRoute53) -> Lambda {
    let url = route53.url();
    let settings = [
        ("NIC53_ZONES", "example.org=Z1"),
        ("NIC53_SECRET_ARN", ARN),
        ("AWS_ENDPOINT_URL_ROUTE_53", url.as_str()),
        ("AWS_ENDPOINT_URL_SECRETS_MANAGER", secrets.url.as_str()),
    ];
    Lambda::start(&settings).await
}

/// The token of `home.example.org` under a secret.
fn token(secret: &str) -> String {
    let zone = Zone { name: "example.org".parse().unwrap(), id: "Z1".parse().expect("an id") };
    let host: HostName = "home.example.org".parse().unwrap();
    Secret::new(secret).unwrap_or_else(|error| panic!("{error}")).mint(Scope::Host, &host, &zone, 0).reveal().to_owned()
}

/// An HTTP API event of this query, with a token as the password.
fn event(query: &str, token: &str) -> Value {
    let credentials = BASE64_STANDARD.encode(format!("home.example.org:{token}").as_bytes());
    captured::secret(&credentials);
    json!({
        "version": "2.0", "routeKey": "$default", "rawPath": "/nic/update", "rawQueryString": query,
        "headers": {"authorization": format!("Basic {credentials}"), "host": "x.execute-api.us-east-1.amazonaws.com"},
        "requestContext": {
            "stage": "$default",
            "http": {"method": "GET", "path": "/nic/update", "protocol": "HTTP/1.1", "sourceIp": "203.0.113.9"},
        },
        "isBase64Encoded": false,
    })
}

/// Status and body of a reply.
fn status_and_body(reply: &Value) -> (u64, &str) {
    (reply["statusCode"].as_u64().unwrap(), reply["body"].as_str().unwrap())
}

#[tokio::test]
async fn an_event_moves_the_record() {
    let route53 = route53().await;
    let lambda = lambda(&route53).await;
    let token = token(SECRET);
    for (query, expected) in [
        ("myip=192.0.2.7", (200, "good 192.0.2.7")),
        ("myip=192.0.2.7", (200, "nochg 192.0.2.7")),
        ("", (200, "good 203.0.113.9")),
        ("myip=<ipaddr>&myipv6=2001:db8::7 \"\u{1}", (200, "nochg 203.0.113.9")),
    ] {
        assert_eq!(status_and_body(&lambda.invoke(event(query, &token)).await), expected, "{query}");
    }
    let refused = lambda.invoke(event("myip=192.0.2.8", "wrong")).await;
    assert_eq!(status_and_body(&refused), (401, "badauth"));
    assert_eq!(refused["headers"]["www-authenticate"], "Basic realm=\"nic53\"");
    assert_eq!(route53.records("Z1"), ["home.example.org. 60 A 203.0.113.9"]);

    let log = lambda.log().await;
    let lines: Vec<Value> = log.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 5, "{log}");
    assert_eq!((&lines[0]["codes"], &lines[0]["calls"]), (&json!(["good"]), &json!(2)));
    assert_eq!((&lines[4]["codes"], &lines[4]["calls"]), (&json!(["badauth"]), &json!(0)));
    assert!(!log.contains(&token) && !log.contains(SECRET) && !log.contains("wrong"), "{log}");
}

#[tokio::test]
async fn the_connection_to_route_53_is_opened_before_the_first_event() {
    let route53 = route53().await;
    let lambda = lambda(&route53).await;
    lambda.invoke(json!({"rawPath": "/healthz", "requestContext": {"http": {"method": "GET"}}})).await;
    assert_eq!(route53.take_calls().len(), 1);
    lambda.log().await;
}

#[tokio::test]
async fn no_event_ends_the_process() {
    let route53 = route53().await;
    let lambda = lambda(&route53).await;
    for event in [json!(null), json!([]), json!("text"), json!({}), json!({"rawPath": "/nic/update", "headers": 7})] {
        let status = lambda.invoke(event.clone()).await["statusCode"].as_u64().unwrap();
        assert!((400..500).contains(&status), "{event}: {status}");
    }
    let reply = lambda.invoke(event("myip=192.0.2.7", &token(SECRET))).await;
    assert_eq!(status_and_body(&reply), (200, "good 192.0.2.7"));
    lambda.log().await;
}

#[tokio::test]
async fn both_versions_of_a_secret_in_secrets_manager_are_good() {
    let route53 = route53().await;
    let secrets = SecretsManager::start(&[("AWSCURRENT", OTHER_SECRET), ("AWSPREVIOUS", SECRET)]).await;
    let lambda = lambda_with(&secrets, &route53).await;
    for secret in [SECRET, OTHER_SECRET] {
        let reply = lambda.invoke(event("myip=192.0.2.1", &token(secret))).await;
        assert_eq!(status_and_body(&reply), (200, "nochg 192.0.2.1"));
    }
    assert_eq!(*secrets.calls.lock().unwrap(), 2, "both versions are read once, in init");
    lambda.log().await;
}

#[tokio::test]
async fn a_setting_that_makes_no_sense_is_911_and_a_line() {
    let lambda = Lambda::start(&[("NIC53_ZONES", "example.org"), ("NIC53_SECRET", SECRET)]).await;
    let reply = lambda.invoke(event("myip=192.0.2.7", &token(SECRET))).await;
    assert_eq!(status_and_body(&reply), (503, "911"));
    let log = lambda.log().await;
    assert!(log.contains("NIC53_ZONES=example.org: ") && log.contains("expected NAME=ZONEID"), "{log}");
    assert!(log.contains("\"codes\":[\"911\"]"), "{log}");
}

#[tokio::test]
async fn a_variable_that_is_no_setting_is_a_line() {
    let route53 = route53().await;
    let url = route53.url();
    let settings = [
        ("NIC53_ZONES", "example.org=Z1"),
        ("NIC53_SECRET", SECRET),
        ("NIC53_TTLMIN", "60"),
        ("AWS_ENDPOINT_URL_ROUTE_53", url.as_str()),
    ];
    let lambda = Lambda::start(&settings).await;
    let reply = lambda.invoke(event("myip=192.0.2.7", &token(SECRET))).await;
    assert_eq!(status_and_body(&reply), (200, "good 192.0.2.7"));
    let log = lambda.log().await;
    assert!(log.contains("NIC53_TTLMIN is set and means nothing to nic53: expected a name"), "{log}");
}

#[tokio::test]
async fn a_secret_that_could_not_be_read_is_tried_again_after_some_seconds() {
    let route53 = route53().await;
    let secrets = SecretsManager::start(&[]).await;
    let lambda = lambda_with(&secrets, &route53).await;
    let asked = event("myip=192.0.2.7", &token(SECRET));
    assert_eq!(status_and_body(&lambda.invoke(asked.clone()).await), (503, "911"));
    let calls = *secrets.calls.lock().unwrap();
    assert_eq!(status_and_body(&lambda.invoke(asked.clone()).await), (503, "911"));
    assert_eq!(*secrets.calls.lock().unwrap(), calls, "not tried again at once");

    secrets.versions.lock().unwrap().insert("AWSCURRENT", SECRET.to_owned());
    // The wait is the behaviour: polled as a router would, and bounded.
    for _ in 0..100 {
        if status_and_body(&lambda.invoke(asked.clone()).await) == (200, "good 192.0.2.7") {
            let log = lambda.log().await;
            assert!(log.contains("AccessDeniedException") && log.contains(ARN), "{log}");
            return;
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    panic!("never tried again");
}

/// The function in fleet mode, with these settings besides.
async fn in_fleet(route53: &FakeRoute53, dynamodb: &FakeDynamoDb, settings: &[(&str, &str)]) -> Lambda {
    let (route53, dynamodb) = (route53.url(), dynamodb.url());
    let all = [
        ("NIC53_ZONES", "example.org=Z1"),
        ("NIC53_TABLE", TABLE),
        ("AWS_ENDPOINT_URL_ROUTE_53", route53.as_str()),
        ("AWS_ENDPOINT_URL_DYNAMODB", dynamodb.as_str()),
    ];
    Lambda::start(&[&all, settings].concat()).await
}

/// The calls since they were last asked for: to the table, and to Route 53.
fn calls(route53: &FakeRoute53, dynamodb: &FakeDynamoDb) -> String {
    let table = dynamodb.take_calls().into_iter().map(|call| call.operation.to_string());
    let route53 = route53.take_calls().into_iter().map(|call| call.operation.to_string());
    table.chain(route53).collect::<Vec<_>>().join(" ")
}

#[tokio::test]
async fn in_fleet_mode_one_function_promises_and_the_other_keeps_it() {
    let (route53, dynamodb) = (route53().await, FakeDynamoDb::start().await);
    let settings = [("NIC53_FLEET", "on"), ("NIC53_FLEET_NARROW", "true"), ("NIC53_SECRET", SECRET)];
    let gateway = in_fleet(&route53, &dynamodb, &settings).await;
    gateway.invoke(json!({"rawPath": "/healthz", "requestContext": {"http": {"method": "GET"}}})).await;
    assert_eq!(calls(&route53, &dynamodb), "get", "the connection to the table is opened before the first event");
    let token = token(SECRET);
    let update = event("myip=192.0.2.7", &token);
    assert_eq!(status_and_body(&gateway.invoke(update.clone()).await), (200, "good 192.0.2.7"));
    assert_eq!(calls(&route53, &dynamodb), "get update update list");
    assert_eq!(route53.records("Z1"), ["home.example.org. 60 A 192.0.2.1"]);

    // It has no secret.
    let publisher = in_fleet(&route53, &dynamodb, &[("_HANDLER", "publisher"), ("NIC53_FLEET", "on")]).await;
    let keys = json!({"z": {"S": "Z1"}, "n": {"S": "org.example.home."}});
    let stream =
        json!({"Records": [{"eventName": "MODIFY", "eventSource": "aws:dynamodb", "dynamodb": {"Keys": keys}}]});
    assert_eq!(publisher.invoke(stream).await, Value::Null);
    assert_eq!(route53.records("Z1"), ["home.example.org. 60 A 192.0.2.7"]);
    let item = dynamodb.item("Z1", "home.example.org").expect("an item");
    assert_eq!((item.is_pending(), item.broken_rule()), (false, None));
    // The rule's tick has nothing to do but the first pass.
    assert_eq!(publisher.invoke(json!({"source": "aws.events", "detail-type": "Scheduled Event"})).await, Value::Null);
    assert_eq!(route53.records("Z1"), ["home.example.org. 60 A 192.0.2.7"]);

    calls(&route53, &dynamodb);
    assert_eq!(status_and_body(&gateway.invoke(update).await), (200, "nochg 192.0.2.7"));
    assert_eq!(calls(&route53, &dynamodb), "get");
    let log = gateway.log().await + &publisher.log().await;
    assert!(log.lines().all(|line| serde_json::from_str::<Value>(line).is_ok()), "{log}");
    assert!(!log.contains(&token) && !log.contains(SECRET), "{log}");
}

#[tokio::test]
async fn a_zone_whose_calls_fail_is_named_in_the_log_once_a_minute() {
    let (route53, dynamodb) = (route53().await, FakeDynamoDb::start().await);
    let [record, wanted] = ["60 192.0.2.1", "60 192.0.2.7"].map(sets);
    let item = Item { version: 1, due: Some(1), published: record, wanted, ..Item::default() };
    dynamodb.put("Z1", "home.example.org", &item);
    // What was sent is looked up, which fails too.
    for (operation, fault, times) in
        [(Operation::Change, "late-invalid-batch", 1), (Operation::List, "server-error", 3)]
    {
        route53.fault(operation, fault.parse().expect("a fault"), Some(times));
    }
    let publisher = in_fleet(&route53, &dynamodb, &[("_HANDLER", "publisher"), ("NIC53_FLEET", "on")]).await;
    let keys = json!({"z": {"S": "Z1"}, "n": {"S": "org.example.home."}});
    assert_eq!(publisher.invoke(json!({"Records": [{"dynamodb": {"Keys": keys}}]})).await, Value::Null);
    assert_eq!(route53.records("Z1"), ["home.example.org. 60 A 192.0.2.7"]);
    assert_eq!(calls(&route53, &dynamodb).matches("list").count(), 4);
    let log = publisher.log().await;
    let warnings: Vec<_> = log.lines().filter(|line| line.contains("\"warning\"")).collect();
    let [warning] = warnings[..] else { panic!("{log}") };
    assert!(warning.contains("zone example.org: ") && warning.contains("InternalError"), "{warning}");
}

#[tokio::test]
async fn until_fleet_mode_is_on_the_gateway_leaves_the_table_alone() {
    let (route53, dynamodb) = (route53().await, FakeDynamoDb::start().await);
    for state in ["off", "prepare"] {
        let gateway = in_fleet(&route53, &dynamodb, &[("NIC53_FLEET", state), ("NIC53_SECRET", SECRET)]).await;
        let reply = gateway.invoke(event("myip=192.0.2.1", &token(SECRET))).await;
        assert_eq!(status_and_body(&reply), (200, "nochg 192.0.2.1"), "{state}");
        assert_eq!(calls(&route53, &dynamodb), "list list", "{state}");
        gateway.log().await;
    }
}

#[tokio::test]
async fn a_publisher_without_its_settings_fails_and_says_why() {
    let (route53, dynamodb) = (route53().await, FakeDynamoDb::start().await);
    for (setting, expected) in [
        (("NIC53_FLEET", "off"), "NIC53_FLEET is off: expected prepare, on or drain"),
        (("NIC53_FLEET", "onn"), "NIC53_FLEET=onn: expected off, prepare, on or drain"),
    ] {
        let publisher = in_fleet(&route53, &dynamodb, &[("_HANDLER", "publisher"), setting]).await;
        // An alarm counts the errors; the next event tries again.
        for _ in 0..2 {
            let problem = publisher.try_invoke(json!({"Records": []})).await.unwrap_err();
            assert!(problem.contains(expected), "{problem}");
        }
        assert_eq!(calls(&route53, &dynamodb), "");
        let log = publisher.log().await;
        assert!(log.contains(expected), "{log}");
    }
}
