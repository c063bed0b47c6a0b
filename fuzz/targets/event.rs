//! Events of all front doors: made of a request, when two doors must answer the same, and any JSON.

use http::{HeaderValue, Response};
use nic53::lambda;
use serde_json::Value;

use super::{
    asked::Asked,
    case::{self, BROKEN, Case, TOO_LARGE},
    judge::judge,
    world::World,
};
use crate::door::{Door, read_event_reply};

/// The front doors of a Lambda.
const DOORS: [Door; 5] = [Door::HttpApi, Door::HttpApiStage, Door::FunctionUrl, Door::RestApi, Door::LoadBalancer];

/// How an input begins that is JSON.
const JSON: u8 = b'J';

/// Takes the rest for JSON or for a request.
pub fn run(data: &[u8]) {
    match data.split_first() {
        Some((&JSON, rest)) => any_event(rest),
        Some((door, rest)) => two_doors(DOORS[1 + usize::from(*door) % (DOORS.len() - 1)], rest),
        None => {}
    }
}

/// Whatever an event is, its reply is judged like any other.
fn any_event(data: &[u8]) {
    let Some((case, text)) = Case::read(data) else { return };
    World::with(|world| {
        let token = world.tokens()[case.token].clone();
        let Ok(mut event) = serde_json::from_slice::<Value>(&case::expand(text, &token)) else { return };
        encode_credentials(&mut event);
        let invocation = lambda::request(&event);
        let form = invocation.form.clone().unwrap_or_default();
        let case = Case { settings: fate(case.settings, invocation.form.is_none()), ..case };
        let asked = Asked::of(&case, &invocation.parts, &form, invocation.peer);
        let gateway = world.gateway(&case);
        let answer = gateway.answer(&invocation.parts, invocation.body(), invocation.peer);
        let (reply, effect) = world.play(&case, answer);
        judge(&case, &token, &asked, &reply, &effect);
        passes_on(&event, &reply);
    });
}

/// The settings with the fate of the body as the event had it.
fn fate(settings: u8, too_large: bool) -> u8 {
    settings & !(TOO_LARGE | BROKEN) | if too_large { TOO_LARGE } else { 0 }
}

/// The reply to the event is the gateway's.
fn passes_on(event: &Value, reply: &Response<String>) {
    let told = lambda::response(event, reply.clone());
    let method = event["requestContext"]["http"]["method"].as_str().or(event["httpMethod"].as_str());
    let body = if method == Some("HEAD") { "" } else { reply.body() };
    assert_eq!(told["body"], body);
    assert_eq!(told["statusCode"], reply.status().as_u16());
    assert_eq!(told["isBase64Encoded"], false);
    let headers = told["headers"].as_object().expect("headers");
    assert_eq!(headers.len(), reply.headers().len());
    for (name, value) in reply.headers() {
        assert_eq!(headers[name.as_str()], value.to_str().expect("ASCII"));
    }
}

/// A request is answered the same through two front doors, where they can carry it, and the same
/// becomes of the records.
fn two_doors(other: Door, data: &[u8]) {
    let Some((case, text)) = Case::read(data) else { return };
    // Through a front door it is known who asks, and there a body comes whole. How often the SDK tries
    // again depends on what was before.
    let (Some(peer), settings) = (case.peer, fate(case.settings, false)) else { return };
    let case = Case { settings, fault: None, ..case };
    World::with(|world| {
        let token = world.tokens()[case.token].clone();
        let mut request = case::request(text, &token);
        // A front door takes in no target and no header that HTTP has not.
        if !request.target.starts_with(b"/") {
            return;
        }
        request.headers.retain(|(_, value)| HeaderValue::from_bytes(value).is_ok());
        let gateway = world.gateway(&case);
        let mut answers = Vec::new();
        for door in [DOORS[0], other].into_iter().filter(|door| door.cannot_carry(&request).is_none()) {
            let event = door.event(&request, case.peer);
            let invocation = lambda::request(&event);
            assert_eq!(invocation.peer.map(|peer| peer.to_canonical()), Some(peer.to_canonical()), "{door:?}");
            let form = invocation.form.clone().expect("a small form");
            let asked = Asked::of(&case, &invocation.parts, &form, invocation.peer);
            let ((reply, told), effect) = world.play(&case, async {
                let reply = gateway.answer(&invocation.parts, invocation.body(), invocation.peer).await;
                let told = lambda::response(&event, reply.clone());
                (reply, told)
            });
            judge(&case, &token, &asked, &reply, &effect);
            let told = read_event_reply(&event, &told);
            assert_eq!(told.broken_rules(&request), [""; 0], "{door:?}");
            answers.push((door, told, effect.after));
        }
        if let [(first, reply, after), (second, other_reply, other_after)] = answers.as_slice() {
            assert_eq!(reply, other_reply, "{first:?} and {second:?}");
            assert_eq!(after, other_after, "{first:?} and {second:?}");
        }
    });
}

/// Basic credentials in base64, where they stand plain in an event.
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
                    *value = String::from_utf8_lossy(&case::encoded(text.as_bytes())).into();
                }
            }
        }
    }
}

/// What real clients and the transcripts send, as requests and as the events of each door.
pub fn seeds() -> Vec<Vec<u8>> {
    let requests = case::seeds();
    let mut seeds = Vec::new();
    for (index, seed) in requests.iter().enumerate() {
        let (case, text) = Case::read(seed).expect("a seed is a case");
        let request = case::plain_request(text);
        seeds.push([b"0123"[index % 4..=index % 4].as_ref(), seed].concat());
        let door = DOORS[index % DOORS.len()];
        let event = serde_json::to_vec(&door.event(&request, case.peer)).expect("JSON");
        seeds.push([&[JSON], &seed[..4], &event].concat());
    }
    seeds
}
