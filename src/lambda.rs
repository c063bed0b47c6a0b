//! Lambda events of Function URLs, HTTP APIs, REST APIs and load balancers as requests, and replies
//! as they want them.
//!
//! Everything in an event but its request context was written by the client, so nothing here can
//! fail: what makes no sense as HTTP is encoded until it does, or left out.

use std::{fmt::Write as _, net::IpAddr};

use base64::prelude::{BASE64_STANDARD, Engine};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, Uri, request::Parts};
use percent_encoding::{AsciiSet, CONTROLS, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Map, Value, json};

use crate::protocol::{
    parameters::{Body, MAX_FORM},
    source,
};

/// What may not stand in a query as it is.
const QUERY: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'#')
    .add(b'<')
    .add(b'>')
    .add(b'\\')
    .add(b'^')
    .add(b'`')
    .add(b'{')
    .add(b'|')
    .add(b'}');

/// What may not stand in a path as it is.
const PATH: &AsciiSet = &QUERY.add(b'?');

/// A request out of an event.
pub struct Invocation {
    /// Method, target and headers.
    pub parts: Parts,
    /// The body, decoded; `None` where it is larger than any form.
    pub form: Option<Vec<u8>>,
    /// The caller's address, as the front door saw it.
    pub peer: Option<IpAddr>,
}

/// Takes the request out of an event of any front door.
pub fn request(event: &Value) -> Invocation {
    let context = &event["requestContext"];
    let http = &context["http"];
    let method = http["method"].as_str().or(event["httpMethod"].as_str()).unwrap_or_default();
    let path = event["rawPath"].as_str().or(event["path"].as_str()).unwrap_or_default();
    let path = behind_stage(path, context["stage"].as_str().unwrap_or_default());
    let headers = headers(event);
    let peer = match http["sourceIp"].as_str().or(context["identity"]["sourceIp"].as_str()) {
        Some(source) => source.trim().parse().ok(),
        // A load balancer names the client in the last element only.
        None if context["elb"].is_object() => last_forwarded(&headers),
        None => None,
    };
    let (mut parts, ()) = Request::new(()).into_parts();
    // A method that is none is none of those we serve.
    parts.method = Method::from_bytes(method.as_bytes()).unwrap_or(Method::CONNECT);
    parts.uri = target(path, &query(event));
    parts.headers = headers;
    Invocation { parts, form: form(event), peer }
}

/// The last element of `X-Forwarded-For`.
fn last_forwarded(headers: &HeaderMap) -> Option<IpAddr> {
    let line = headers.get_all("x-forwarded-for").iter().next_back()?;
    source::without_port(source::elements_from_right(line).next()?)
}

/// The reply as the event's front door wants it.
pub fn response(event: &Value, response: Response<String>) -> Value {
    let head = event["requestContext"]["http"]["method"].as_str().or(event["httpMethod"].as_str()) == Some("HEAD");
    let (parts, body) = response.into_parts();
    let value = |value: &HeaderValue| value.to_str().unwrap_or_default().to_owned();
    let headers: Map<_, _> =
        parts.headers.iter().map(|(name, header)| (name.to_string(), value(header).into())).collect();
    let mut reply = json!({
        "statusCode": parts.status.as_u16(),
        "headers": headers,
        "body": if head { "" } else { &body },
        "isBase64Encoded": false,
    });
    // REST APIs take either form; a load balancer wants the form that it sends.
    if event["multiValueHeaders"].is_object() {
        let lists: Map<_, _> = headers.into_iter().map(|(name, value)| (name, vec![value].into())).collect();
        reply["multiValueHeaders"] = lists.into();
    }
    reply
}

/// The path without the event's own stage at its front. The stage `$default` stands in no path: there
/// it is a word of the client's like any other.
fn behind_stage<'a>(path: &'a str, stage: &str) -> &'a str {
    let behind = path.trim_start_matches('/').strip_prefix(stage);
    match behind {
        Some(rest) if !["", "$default"].contains(&stage) && (rest.is_empty() || rest.starts_with('/')) => rest,
        _ => path,
    }
}

/// The query: raw where the event has it so, put together from parameters else.
fn query(event: &Value) -> String {
    if let Some(raw) = event["rawQueryString"].as_str() {
        return raw.to_owned();
    }
    // A load balancer leaves its parameters encoded, a REST API decodes them.
    let encoded = event["requestContext"]["elb"].is_object();
    let mut query = String::new();
    let mut push = |name: &str, value: &Value| {
        let value = value.as_str().unwrap_or_default();
        let _ = if encoded {
            write!(query, "{name}={value}&")
        } else {
            let [name, value] = [name, value].map(|text| utf8_percent_encode(text, NON_ALPHANUMERIC));
            write!(query, "{name}={value}&")
        };
    };
    if let Some(lists) = event["multiValueQueryStringParameters"].as_object() {
        for (name, list) in lists {
            list.as_array().into_iter().flatten().for_each(|value| push(name, value));
        }
    } else if let Some(values) = event["queryStringParameters"].as_object() {
        values.iter().for_each(|(name, value)| push(name, value));
    }
    query
}

/// The target of these, whatever is in them.
fn target(path: &str, query: &str) -> Uri {
    let path = utf8_percent_encode(path.trim_start_matches('/'), PATH);
    let query = utf8_percent_encode(query, QUERY);
    // Longer than any URI may be, or the like: nothing we know.
    format!("/{path}?{query}").parse().unwrap_or(Uri::from_static("*"))
}

/// The headers, those with several values as several.
fn headers(event: &Value) -> HeaderMap {
    let mut headers = HeaderMap::new();
    let mut push = |name: &str, value: &Value| {
        let Ok(name) = name.parse::<HeaderName>() else { return };
        // A value that cannot be is still there: nobody is let in by a header that looks absent.
        let value = value.as_str().and_then(|value| HeaderValue::from_bytes(value.as_bytes()).ok());
        let _ = headers.try_append(name, value.unwrap_or(HeaderValue::from_static("")));
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

/// The body, decoded where the front door encoded it, unless it is larger than any form.
fn form(event: &Value) -> Option<Vec<u8>> {
    let body = event["body"].as_str().unwrap_or_default();
    let encoded = event["isBase64Encoded"].as_bool() == Some(true);
    // Base64 makes four octets of three.
    if body.len() > if encoded { MAX_FORM / 3 * 4 + 4 } else { MAX_FORM } {
        return None;
    }
    Some(if encoded { BASE64_STANDARD.decode(body.as_bytes()).unwrap_or_default() } else { body.as_bytes().to_vec() })
}

impl Invocation {
    /// The body as the gateway wants it.
    pub fn body(&self) -> Body<'_> {
        self.form.as_deref().map_or(Body::TooLarge, Body::Whole)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Target and peer of an event.
    fn read(event: &Value) -> (String, Option<String>) {
        let invocation = request(event);
        (invocation.parts.uri.to_string(), invocation.peer.map(|peer| peer.to_string()))
    }

    #[test]
    fn every_front_door_gives_the_same_request() {
        let peer = Some("203.0.113.9".to_owned());
        let http = |path: &str, stage: &str| {
            json!({
                "version": "2.0", "rawPath": path, "rawQueryString": "hostname=a.b&myip=1.2.3.4", "headers": {},
                "requestContext": {"stage": stage, "http": {"method": "GET", "path": path, "sourceIp": "203.0.113.9"}},
            })
        };
        for (path, stage) in [
            ("/nic/update", "$default"),
            ("/prod/nic/update", "prod"),
            ("/nic/update", "prod"),
            ("//prod//nic/update", "prod"),
        ] {
            let (uri, source) = read(&http(path, stage));
            assert!(uri.ends_with("nic/update?hostname=a.b&myip=1.2.3.4") && !uri.contains("prod"), "{uri}");
            assert_eq!(source, peer);
        }
        let rest = json!({
            "path": "/nic/update", "httpMethod": "GET", "headers": {}, "multiValueHeaders": {},
            "queryStringParameters": {"hostname": "a.b", "myip": "1.2.3.4"},
            "multiValueQueryStringParameters": {"hostname": ["a.b"], "myip": ["1.2.3.4"]},
            "requestContext": {"stage": "prod", "identity": {"sourceIp": "203.0.113.9"}},
        });
        assert_eq!(read(&rest), ("/nic/update?hostname=a%2Eb&myip=1%2E2%2E3%2E4&".to_owned(), peer.clone()));
        let balancer = json!({
            "path": "/nic/update", "httpMethod": "GET", "queryStringParameters": {"hostname": "a%2Eb"},
            "headers": {"x-forwarded-for": "6.6.6.6, 203.0.113.9"}, "requestContext": {"elb": {"targetGroupArn": "x"}},
        });
        assert_eq!(read(&balancer), ("/nic/update?hostname=a%2Eb&".to_owned(), peer.clone()));
        let with_port = json!({"headers": {"x-forwarded-for": "203.0.113.9:4711"}, "requestContext": {"elb": {}}});
        assert_eq!(read(&with_port).1, peer);
        // Elsewhere the client writes that header.
        assert_eq!(read(&json!({"headers": {"x-forwarded-for": "203.0.113.9"}, "requestContext": {}})).1, None);
        let behind_rubbish = json!({"headers": {"x-forwarded-for": "é, 203.0.113.9"}, "requestContext": {"elb": {}}});
        assert_eq!(read(&behind_rubbish).1, peer);
    }

    #[test]
    fn a_path_that_is_only_the_stage_is_the_root() {
        for (path, stage, behind) in [
            ("/prod", "prod", ""),
            ("/prod/", "prod", "/"),
            ("/production", "prod", "/production"),
            ("/nic/update", "", "/nic/update"),
            ("/nic/update", "nic", "/update"),
            ("/$default/nic/update", "$default", "/$default/nic/update"),
        ] {
            assert_eq!(behind_stage(path, stage), behind, "{path} {stage}");
        }
    }

    #[test]
    fn a_reply_is_as_its_front_door_wants_it() {
        let told = |event: &Value| {
            let mut reply = Response::new("good 192.0.2.7".to_owned());
            *reply.status_mut() = http::StatusCode::SERVICE_UNAVAILABLE;
            reply.headers_mut().insert("cache-control", HeaderValue::from_static("no-store"));
            response(event, reply)
        };
        let plain = json!({
            "statusCode": 503, "headers": {"cache-control": "no-store"}, "body": "good 192.0.2.7", "isBase64Encoded": false,
        });
        assert_eq!(told(&json!({"requestContext": {"http": {"method": "GET"}}})), plain);
        assert_eq!(told(&json!({"requestContext": {"http": {"method": "HEAD"}}}))["body"], "");
        assert_eq!(told(&json!({"httpMethod": "HEAD"}))["body"], "");
        let lists = told(&json!({"httpMethod": "GET", "multiValueHeaders": {}}));
        assert_eq!(lists["multiValueHeaders"], json!({"cache-control": ["no-store"]}));
        assert_eq!(lists["headers"], plain["headers"]);
    }

    #[test]
    fn nothing_in_an_event_fails() {
        for event in [
            json!(null),
            json!([]),
            json!("text"),
            json!({}),
            json!({"rawPath": 7, "headers": "x", "requestContext": {"http": []}}),
            json!({"rawPath": "/nic/update", "rawQueryString": "a= <>\"\u{1}\u{7f}#|\\^`{}é%zz\u{0}",
                   "headers": {"host": "a b", "x-forwarded-proto": "ht tp", "bad name": "x", "x": "a\nb", "authorization": "a\rb"},
                   "requestContext": {"http": {"method": "G E T", "sourceIp": "nowhere"}}, "isBase64Encoded": true, "body": "%"}),
            json!({"rawPath": "x".repeat(70_000), "requestContext": {"http": {"method": "GET"}}}),
        ] {
            let invocation = request(&event);
            assert!(invocation.form == Some(Vec::new()) && invocation.peer.is_none(), "{event}");
        }
    }

    #[test]
    fn what_is_too_long_is_no_target_and_no_form() {
        for (path, query) in [("x".repeat(70_000), ""), ("/nic/update".into(), "x".repeat(70_000).as_str())] {
            let event = json!({"rawPath": path, "rawQueryString": query});
            assert_eq!(request(&event).parts.uri, "*");
        }
        for (length, encoded, fits) in [
            (65_536, false, true),
            (65_537, false, false),
            (65_536, true, true),
            (87_384, true, true),
            (87_388, true, false),
        ] {
            let event = json!({"body": "A".repeat(length), "isBase64Encoded": encoded});
            assert_eq!(request(&event).form.is_some(), fits, "{length} {encoded}");
        }
    }

    #[test]
    fn a_raw_query_is_data_whatever_is_in_it() {
        let event = json!({"rawPath": "/nic/update", "rawQueryString": "myip=<ipaddr>&x=a b#c"});
        assert_eq!(request(&event).parts.uri.query(), Some("myip=%3Cipaddr%3E&x=a%20b%23c"));
    }

    #[test]
    fn an_authorization_that_cannot_be_is_still_there() {
        let event = json!({"headers": {"authorization": "Basic \n"}});
        assert_eq!(request(&event).parts.headers["authorization"], "");
    }
}
