//! Lambda processes that know nothing of each other, in front of one Route 53 that makes one change of
//! a zone at a time, as AWS's does. A router comes back after minutes, so each must wait for the others.
//!
//! This is real time, so other load on the machine takes part of the nine seconds that a reply has. The
//! thorough form has Route 53's usual pace; `busy` has it too, on a clock of its own.

use std::time::Duration;

use crate::support::{captured, fake_route53::FakeRoute53, results, runtime_api::Lambda};
use base64::prelude::{BASE64_STANDARD, Engine};
use futures_util::future;
use nic53::protocol::{
    hostname::HostName,
    token::{Scope, Secret},
    zone::Zone,
};
use serde_json::{Value, json};

const SECRET: &str = "the-secret-of-the-functions-0123456789abcdef";

/// The processes, and the rounds of requests.
const COUNT: u8 = 10;

#[tokio::test]
async fn two_functions_that_change_one_host_are_both_good() {
    let (route53, functions) = functions(2).await;
    for round in 1..=COUNT {
        let queries = [format!("myip=198.51.100.{round}"), format!("myipv6=2001:db8::{round:x}")];
        let events = queries.iter().map(|query| event("home.example.org", query));
        let replies = all_at_once(&functions, events).await;
        assert!(replies.iter().all(|reply| reply.starts_with("good ")), "round {round}: {replies:?}");
        let records = route53.records("Z1");
        let expected = [
            format!("home.example.org. 60 A 198.51.100.{round}"),
            format!("home.example.org. 60 AAAA 2001:db8::{round:x}"),
        ];
        assert!(expected.iter().all(|record| records.contains(record)), "{records:?}");
    }
    end(functions).await;
}

#[tokio::test]
async fn ten_functions_that_change_a_host_each_are_good() {
    let (_route53, functions) = functions(COUNT.into()).await;
    let mut failed = Vec::new();
    for round in 1..=COUNT {
        let events = (0..COUNT).map(|host| event(&format!("h{host}.example.org"), &format!("myip=198.51.100.{round}")));
        let replies = all_at_once(&functions, events).await;
        failed.extend(replies.into_iter().filter(|reply| *reply != format!("good 198.51.100.{round}")));
    }
    let all = u32::from(COUNT) * u32::from(COUNT);
    let good = all - u32::try_from(failed.len()).expect("few");
    assert!(good >= 95, "{good} of {all} are good, the others {failed:?}");
    results::record(
        "A Route 53 that is busy",
        &format!(
            "{COUNT} times, {COUNT} functions change a host each at once, and a change takes {} s",
            work().as_secs_f32()
        ),
        &format!("{good} of {all} answered `good`"),
    );
    end(functions).await;
}

/// How long Route 53 needs for a change.
fn work() -> Duration {
    Duration::from_millis(results::iterations(200, 500).into())
}

/// A busy Route 53, and functions in front of it.
async fn functions(count: usize) -> (FakeRoute53, Vec<Lambda>) {
    let route53 = FakeRoute53::start().await;
    route53.zone("Z1", "example.org");
    route53.take_time(work());
    let url = route53.url();
    let settings =
        [("NIC53_ZONES", "example.org=Z1"), ("NIC53_SECRET", SECRET), ("AWS_ENDPOINT_URL_ROUTE_53", url.as_str())];
    let functions = future::join_all((0..count).map(|_| Lambda::start(&settings))).await;
    (route53, functions)
}

/// Hands each function one of the events, and returns the bodies of the replies.
async fn all_at_once(functions: &[Lambda], events: impl Iterator<Item = Value>) -> Vec<String> {
    let replies = future::join_all(functions.iter().zip(events).map(|(function, event)| function.invoke(event))).await;
    replies.iter().map(|reply| reply["body"].as_str().expect("a body").to_owned()).collect()
}

/// Ends the functions; their logs are searched for secrets.
async fn end(functions: Vec<Lambda>) {
    for function in functions {
        function.log().await;
    }
}

/// A Function URL's event: an update of a host with its own token.
fn event(host: &str, query: &str) -> Value {
    let zone = Zone { name: "example.org".parse().expect("a name"), id: "Z1".parse().expect("an id") };
    let name: HostName = host.parse().expect("a name");
    let secret = Secret::new(SECRET).unwrap_or_else(|error| panic!("{error}"));
    let token = secret.mint(Scope::Host, &name, &zone, 0);
    let credentials = BASE64_STANDARD.encode(format!("{host}:{}", token.reveal()));
    captured::secret(&credentials);
    json!({
        "version": "2.0", "rawPath": "/nic/update", "rawQueryString": format!("hostname={host}&{query}"),
        "headers": {"authorization": format!("Basic {credentials}")},
        "requestContext": {"stage": "$default", "http": {"method": "GET", "sourceIp": "203.0.113.9"}},
        "isBase64Encoded": false,
    })
}
