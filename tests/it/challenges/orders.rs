//! Orders at once: no value is lost, whoever writes at the same moment.
//!
//! The gateways know nothing of each other, as instances of the Lambda function do not. The clock is
//! tokio's paused one: every order reads before any of them writes.

use std::{sync::Arc, time::Duration};

use aws_sdk_route53::{
    Client,
    types::{Change, ChangeAction, ChangeBatch, ResourceRecord, ResourceRecordSet, RrType},
};
use futures_util::future::join_all;
use http::{Request, StatusCode, header::AUTHORIZATION};
use nic53::{
    gateway::Gateway,
    problem::Problem,
    protocol::{
        access::Grant,
        challenge::{
            access::ChallengeGrant,
            edit::{Edit, Edited, TxtSet},
        },
        parameters::Body,
        record::ChangeBatch as Batch,
    },
    store::{Budget, NotApplied, Present, Store, Turn, route53::Route53},
};

use super::{setting, token};
use crate::support::{captured, fake_route53::FakeRoute53, front_end::FrontEnd, gateway::gateway, rows};

/// The challenge's name.
const NAME: &str = "_acme-challenge.home.example.org";

/// A value of an order, by its number.
fn value(number: usize) -> String {
    let value = format!("{number:0>3}-of-the-test-of-orders-at-once-0123456789");
    captured::secret(&value);
    value[..43].to_owned()
}

/// A Route 53 on which every order reads before any of them writes.
fn route53() -> FakeRoute53 {
    let route53 = FakeRoute53::new();
    route53.zone("Z1", "example.org");
    route53.delay_lists(Duration::from_millis(50));
    route53
}

/// What each gateway answers, if all are asked for their own value at once.
async fn asked<S: Store>(gateways: &[Arc<Gateway<S>>], path: &str) -> Vec<StatusCode> {
    let authorization = authorization();
    let ask = async |number: usize, gateway: &Gateway<S>| {
        let body = format!("fqdn={NAME}&value={}", value(number));
        let request = Request::post(path).header(AUTHORIZATION, authorization.as_slice()).body(()).expect("a request");
        let (parts, ()) = request.into_parts();
        gateway.answer(&parts, Body::Whole(body.as_bytes()), None).await.status()
    };
    join_all(gateways.iter().enumerate().map(|(number, gateway)| ask(number, gateway))).await
}

/// The credentials of the host's owner.
fn authorization() -> Vec<u8> {
    let head = "POST / HTTP/1.1\r\nAuthorization: Basic {{home.example.org:TOKEN}}\r\n\r\n";
    let request = rows::request(head, &token("host home.example.org"));
    request.header("Authorization").expect("credentials").to_vec()
}

/// Gateways that know nothing of each other, each with a store of its own.
async fn gateways<S: Store>(count: usize, store: impl Fn() -> S) -> Vec<Arc<Gateway<S>>> {
    let mut gateways = Vec::new();
    for _ in 0..count {
        gateways.push(Arc::new(gateway(FrontEnd::HttpApi, store(), setting).await.expect("a gateway")));
    }
    gateways
}

/// The values at the challenge's name, sorted.
fn values(route53: &FakeRoute53) -> Vec<String> {
    let lines = route53.records("Z1");
    let texts = lines.iter().filter_map(|line| line.strip_prefix(&format!("{NAME}. 60 TXT ")));
    let mut values: Vec<_> =
        texts.flat_map(|texts| texts.split(", ")).map(|text| text.trim_matches('"').to_owned()).collect();
    values.sort();
    values
}

/// The values of the first orders.
fn first(count: usize) -> Vec<String> {
    (0..count).map(value).collect()
}

#[tokio::test(start_paused = true)]
async fn two_orders_at_once_both_have_their_value() {
    let aws = nic53::aws::config().await.expect("an SDK configuration");
    for sorts_texts in [false, true] {
        let route53 = route53();
        if sorts_texts {
            route53.sort_texts();
        }
        let gateways = gateways(2, || Route53::new(&route53.configure(&aws))).await;
        assert_eq!(asked(&gateways, "/present").await, [StatusCode::OK; 2]);
        assert_eq!(values(&route53), first(2));
        assert_eq!(route53.take_calls().len(), 6, "two lists, two changes, and both again for the second");
        assert_eq!(asked(&gateways, "/cleanup").await, [StatusCode::OK; 2]);
        assert_eq!(values(&route53), [""; 0]);
    }
}

#[tokio::test(start_paused = true)]
async fn orders_within_one_process_take_turns() {
    let aws = nic53::aws::config().await.expect("an SDK configuration");
    let route53 = route53();
    let one = gateways(1, || Route53::new(&route53.configure(&aws))).await.remove(0);
    let all = vec![one; 8];
    assert_eq!(asked(&all, "/present").await, [StatusCode::OK; 8]);
    assert_eq!(values(&route53), first(8));
    assert_eq!(route53.take_calls().len(), 16, "a list and a change each");
}

#[tokio::test(start_paused = true)]
async fn of_many_orders_at_once_no_value_is_lost_without_saying_so() {
    let aws = nic53::aws::config().await.expect("an SDK configuration");
    let route53 = route53();
    let gateways = gateways(6, || Route53::new(&route53.configure(&aws))).await;
    let answers = asked(&gateways, "/present").await;
    let written: Vec<_> = (0..6).filter(|number| answers[*number] == StatusCode::OK).map(value).collect();
    assert_eq!(values(&route53), written);
    assert!((3..6).contains(&written.len()), "three tries each: {answers:?}");
}

/// That the tests above can fail: with a store that reads and then replaces.
#[tokio::test(start_paused = true)]
async fn with_upsert_a_value_would_be_lost() {
    let aws = nic53::aws::config().await.expect("an SDK configuration");
    let route53 = route53();
    let gateways = gateways(2, || Upserting(Client::new(&route53.configure(&aws)))).await;
    assert_eq!(asked(&gateways, "/present").await, [StatusCode::OK; 2]);
    assert_eq!(values(&route53).len(), 1);
}

/// A store that replaces what it has read, whatever is there by then.
struct Upserting(Client);

impl Store for Upserting {
    type Versions = ();

    async fn record_sets(&self, _: &[&Grant<'_>], _: &Budget) -> Result<Present<()>, Problem> {
        unreachable!("no test moves a host")
    }

    async fn apply(&self, _: &Batch<'_>, (): &(), _: Turn, _: &Budget) -> Result<(), NotApplied> {
        unreachable!("no test moves a host")
    }

    async fn edit_challenge(
        &self,
        grant: &ChallengeGrant<'_>,
        edit: &Edit,
        ttl: u32,
        _: &Budget,
    ) -> Result<Edited, Problem> {
        let name = format!("{}.", grant.name());
        let list = self.0.list_resource_record_sets().hosted_zone_id("Z1").start_record_name(&name);
        let page = list.send().await.expect("a page");
        let set = page.resource_record_sets().iter().find(|set| set.name == name && set.r#type == RrType::Txt);
        let values =
            |set: &ResourceRecordSet| set.resource_records().iter().map(|record| record.value.clone()).collect();
        let present = set.map(|set| TxtSet { ttl: 60, values: values(set) });
        let Some(after) = edit.swap(present, ttl).and_then(|swap| swap.after) else { return Ok(Edited::Unchanged) };
        let records =
            after.values.iter().map(|value| ResourceRecord::builder().value(value).build().expect("a record"));
        let set = ResourceRecordSet::builder().name(name).r#type(RrType::Txt).ttl(60);
        let set = set.set_resource_records(Some(records.collect())).build().expect("a record set");
        let change = Change::builder().action(ChangeAction::Upsert).resource_record_set(set).build().expect("a change");
        let batch = ChangeBatch::builder().changes(change).build().expect("a batch");
        let call = self.0.change_resource_record_sets().hosted_zone_id("Z1").change_batch(batch);
        call.send().await.expect("an answer");
        Ok(Edited::Changed)
    }
}
