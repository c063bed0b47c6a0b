//! Events of all front ends: made of a request, which two of them must answer alike, and any JSON.

use http::{HeaderValue, Response};
use nic53::lambda;
use serde_json::Value;

use super::{
    fixture::Fixture,
    input::{self, Input},
    oracle::check,
    reference::Reference,
};
use crate::support::front_end::{FrontEnd, read_event_reply, serve_event};

/// The front ends of a Lambda.
const FRONT_ENDS: [FrontEnd; 5] =
    [FrontEnd::HttpApi, FrontEnd::HttpApiStage, FrontEnd::FunctionUrl, FrontEnd::RestApi, FrontEnd::LoadBalancer];

/// The first byte of an input that is JSON.
const JSON: u8 = b'J';

/// Reads the rest as JSON or as a request.
pub fn run(data: &[u8]) {
    match data.split_first() {
        Some((&JSON, rest)) => any_event(rest),
        Some((byte, rest)) => {
            let other = FRONT_ENDS[1 + usize::from(*byte) % (FRONT_ENDS.len() - 1)];
            two_front_ends(other, rest);
        }
        None => {}
    }
}

/// The reply to any JSON is checked like any other reply.
fn any_event(data: &[u8]) {
    let Some((input, text)) = Input::read(data) else { return };
    Fixture::with(|fixture| {
        let token = fixture.tokens()[input.token].clone();
        let Ok(mut event) = serde_json::from_slice::<Value>(&input::expand(text, &token)) else { return };
        encode_credentials(&mut event);
        let invocation = lambda::request(&event);
        let form = invocation.form.clone().unwrap_or_default();
        let input = Input { settings: input.settings.with_body(invocation.form.is_none()), ..input };
        let reference = Reference::of(input.settings, &invocation.parts, &form, invocation.peer);
        let gateway = fixture.gateway(input.settings);
        let answer = gateway.answer(&invocation.parts, invocation.body(), invocation.peer);
        let (reply, effect) = fixture.play(input.settings, input.fault, answer);
        check(&input, &token, &reference, &reply, &effect);
        passes_on(fixture, &event, &reply);
    });
}

/// The reply to the event is the gateway's.
fn passes_on(fixture: &Fixture, event: &Value, reply: &Response<String>) {
    let returned = fixture.runtime().block_on(serve_event(event, async |_| reply.clone()));
    let method = event["requestContext"]["http"]["method"].as_str().or(event["httpMethod"].as_str());
    let body = if method == Some("HEAD") { "" } else { reply.body() };
    let returned = read_event_reply(event, &returned);
    assert_eq!(returned.body, body.as_bytes());
    assert_eq!(returned.status, reply.status().as_u16());
    let headers = reply.headers().iter();
    let headers: Vec<_> =
        headers.map(|(name, value)| (name.to_string(), value.to_str().expect("ASCII").to_owned())).collect();
    assert_eq!(returned.headers, headers);
    assert_eq!(returned.faults, [""; 0]);
}

/// A request gets the same answer through two front ends, if they can carry it, and leaves the same
/// records.
fn two_front_ends(other: FrontEnd, data: &[u8]) {
    let Some((input, text)) = Input::read(data) else { return };
    // A front end names the caller and passes on whole bodies only. No fault, because the number of the
    // SDK's retries depends on earlier requests.
    let (Some(peer), settings) = (input.peer, input.settings.with_body(false)) else { return };
    let input = Input { settings, fault: None, ..input };
    Fixture::with(|fixture| {
        let token = fixture.tokens()[input.token].clone();
        let mut request = input::request(text, &token);
        // A front end takes in no target and no header that HTTP has not.
        if !request.target.starts_with(b"/") {
            return;
        }
        request.headers.retain(|(_, value)| HeaderValue::from_bytes(value).is_ok());
        let gateway = fixture.gateway(input.settings);
        let mut answers = Vec::new();
        for front_end in
            [FRONT_ENDS[0], other].into_iter().filter(|front_end| front_end.cannot_carry(&request).is_none())
        {
            let event = front_end.event(&request, input.peer);
            let invocation = lambda::request(&event);
            assert_eq!(invocation.peer.map(|peer| peer.to_canonical()), Some(peer.to_canonical()), "{front_end:?}");
            let form = invocation.form.clone().expect("a small form");
            let reference = Reference::of(input.settings, &invocation.parts, &form, invocation.peer);
            let ((reply, returned), effect) = fixture.play(input.settings, input.fault, async {
                let reply = gateway.answer(&invocation.parts, invocation.body(), invocation.peer).await;
                let returned = serve_event(&event, async |_| reply.clone()).await;
                (reply, returned)
            });
            check(&input, &token, &reference, &reply, &effect);
            let returned = read_event_reply(&event, &returned);
            assert_eq!(returned.broken_rules(&request), [""; 0], "{front_end:?}");
            answers.push((front_end, returned, effect.after));
        }
        if let [(first, reply, after), (second, other_reply, other_after)] = answers.as_slice() {
            assert_eq!(reply, other_reply, "{first:?} and {second:?}");
            assert_eq!(after, other_after, "{first:?} and {second:?}");
        }
    });
}

/// Encodes the Basic credentials that an event has as plain text.
fn encode_credentials(event: &mut Value) {
    for place in ["headers", "multiValueHeaders"] {
        let Some(headers) = event.get_mut(place).and_then(Value::as_object_mut) else { continue };
        for (_, value) in headers.iter_mut().filter(|(name, _)| name.eq_ignore_ascii_case("authorization")) {
            let values = match value {
                Value::Array(values) => values.iter_mut().collect(),
                one => vec![one],
            };
            for value in values {
                if let Some(text) = value.as_str() {
                    *value = String::from_utf8_lossy(&input::encoded(text.as_bytes())).into();
                }
            }
        }
    }
}

/// What real clients and the transcripts send, as requests and as the events of each front end.
pub fn seeds() -> Vec<Vec<u8>> {
    let requests = input::seeds();
    let mut seeds = Vec::new();
    for (index, seed) in requests.iter().enumerate() {
        let (input, text) = Input::read(seed).expect("a seed is an input");
        let request = input::plain_request(text);
        seeds.push([b"0123"[index % 4..=index % 4].as_ref(), seed].concat());
        let front_end = FRONT_ENDS[index % FRONT_ENDS.len()];
        let event = serde_json::to_vec(&front_end.event(&request, input.peer)).expect("JSON");
        seeds.push([&[JSON], &seed[..4], &event].concat());
    }
    seeds
}
