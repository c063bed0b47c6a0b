//! The guard between an event and `lambda_http`.
//!
//! The crate panics on a raw query with a space or `"`, on an odd `Host` or `X-Forwarded-Proto` and on
//! a body that is not base64, and it refuses a whole event for one odd header or method. A client can
//! send all of these. So the crate reads a new event, made of the few fields that are needed, each of
//! them checked.

use base64::{Engine as _, prelude::BASE64_STANDARD};
use http::{HeaderMap, HeaderName, HeaderValue, Method, header::HOST};
use serde_json::{Map, Value, json};

use super::target::target;
use crate::protocol::parameters::MAX_FORM;

/// How many headers are read. No front end passes on more than 64 KiB of them, and a [`HeaderMap`]
/// panics if it must reserve space for more than 24,576.
const MAX_HEADERS: usize = 16_384;

/// An event that `lambda_http` reads without a panic and without a refusal.
pub(super) struct Guarded {
    /// The event, in the form of its front end.
    pub(super) event: Value,
    /// The headers that the crate must not see.
    pub(super) hidden: HeaderMap,
    /// Whether the body is larger than any form; it is left out then.
    pub(super) too_large: bool,
}

/// Makes an event that `lambda_http` can read out of any JSON.
pub(super) fn guard(event: &Value) -> Guarded {
    let (visible, hidden) = headers(event);
    let encoded = event["isBase64Encoded"].as_bool() == Some(true);
    let body = event["body"].as_str().unwrap_or_default();
    // Base64 makes four octets of three.
    let too_large = body.len() > if encoded { MAX_FORM / 3 * 4 + 4 } else { MAX_FORM };
    let decoded = (encoded && !too_large).then(|| BASE64_STANDARD.decode(body));
    let too_large = too_large || matches!(&decoded, Some(Ok(form)) if form.len() > MAX_FORM);
    let can_be_read = !too_large && !matches!(decoded, Some(Err(_)));
    let mut guarded = json!({
        "path": target(event),
        "headers": visible,
        "body": can_be_read.then_some(body),
        "isBase64Encoded": encoded,
    });
    describe_front_end(event, &mut guarded);
    Guarded { event: guarded, hidden, too_large }
}

/// Adds what differs between front ends: the place of the method, and the request context.
fn describe_front_end(event: &Value, guarded: &mut Value) {
    let context = &event["requestContext"];
    let (http, identity) = (&context["http"], &context["identity"]);
    let method = http["method"].as_str().or(event["httpMethod"].as_str()).unwrap_or_default();
    // An invalid method becomes CONNECT, which no endpoint serves.
    let method = Method::from_bytes(method.as_bytes()).unwrap_or(Method::CONNECT);
    let method = method.as_str();
    if context["elb"].is_object() {
        guarded["httpMethod"] = method.into();
        guarded["requestContext"] = json!({"elb": {}});
    } else if http["method"].is_null() && event["httpMethod"].is_string() {
        guarded["httpMethod"] = method.into();
        guarded["requestContext"] =
            json!({"httpMethod": method, "identity": {"sourceIp": identity["sourceIp"].as_str()}});
    } else {
        guarded["requestContext"] = json!({"http": {"method": method, "sourceIp": http["sourceIp"].as_str()}});
    }
}

/// The headers that the crate may see, and those that it must not: it builds a URI of `Host` and
/// `X-Forwarded-Proto`, and refuses a value that is not ASCII.
fn headers(event: &Value) -> (Map<String, Value>, HeaderMap) {
    let headers = all_headers(event);
    let (mut visible, mut hidden) = (Map::new(), HeaderMap::new());
    for name in headers.keys() {
        let values = headers.get_all(name);
        let texts: Option<Vec<&str>> = values.iter().map(|value| value.to_str().ok()).collect();
        match texts {
            Some(texts) if *name != HOST && name != "x-forwarded-proto" => {
                visible.insert(name.to_string(), texts.into());
            }
            _ => hidden.extend(values.iter().map(|value| (name.clone(), value.clone()))),
        }
    }
    (visible, hidden)
}

/// The headers, each with all its values.
fn all_headers(event: &Value) -> HeaderMap {
    let mut headers = HeaderMap::new();
    let mut push = |name: &str, value: &Value| {
        let Ok(name) = name.parse::<HeaderName>() else { return };
        // An invalid value stays, empty: nobody is let in by a header that looks absent.
        let value = value.as_str().and_then(|value| HeaderValue::from_bytes(value.as_bytes()).ok());
        if headers.len() < MAX_HEADERS {
            headers.append(name, value.unwrap_or(HeaderValue::from_static("")));
        }
    };
    if let Some(lists) = event["multiValueHeaders"].as_object() {
        for (name, list) in lists {
            list.as_array().into_iter().flatten().for_each(|value| push(name, value));
        }
    } else if let Some(values) = event["headers"].as_object() {
        values.iter().for_each(|(name, value)| push(name, value));
    }
    headers
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ordinary_event_keeps_what_is_needed() {
        let event = json!({
            "version": "2.0", "rawPath": "/nic/update", "rawQueryString": "hostname=a.b", "cookies": ["a=b"],
            "headers": {"Host": "gw.example.org", "User-Agent": "ddclient", "x-forwarded-proto": "https"},
            "queryStringParameters": {"hostname": "a.b"},
            "requestContext": {"stage": "$default", "domainName": "x",
                "http": {"method": "POST", "path": "/nic/update", "sourceIp": "203.0.113.9"}},
            "body": "YQ==", "isBase64Encoded": true,
        });
        let guarded = guard(&event);
        let expected = json!({
            "path": "/nic/update?hostname=a.b", "headers": {"user-agent": ["ddclient"]},
            "requestContext": {"http": {"method": "POST", "sourceIp": "203.0.113.9"}},
            "body": "YQ==", "isBase64Encoded": true,
        });
        assert_eq!(guarded.event, expected);
        assert_eq!(guarded.hidden["host"], "gw.example.org");
        assert_eq!(guarded.hidden["x-forwarded-proto"], "https");
    }

    #[test]
    fn a_header_of_which_one_value_is_not_ascii_is_hidden_whole() {
        let event = json!({"multiValueHeaders": {"x-forwarded-for": ["é", "203.0.113.9"], "Accept": ["*/*", "x"]}});
        let guarded = guard(&event);
        assert_eq!(guarded.event["headers"], json!({"accept": ["*/*", "x"]}));
        let values: Vec<_> = guarded.hidden.get_all("x-forwarded-for").iter().map(HeaderValue::as_bytes).collect();
        assert_eq!(values, ["é".as_bytes(), b"203.0.113.9"]);
    }
}
