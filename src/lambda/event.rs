//! From an event to a request, and from the reply to what the event's front end expects, both by
//! `lambda_http`.
//!
//! Everything in an event but its request context was written by the client, so nothing here can
//! fail: [`guard`](super::guard) comes first.

use std::{convert::Infallible, net::IpAddr};

use http::{HeaderMap, Method, Response, Uri, request::Parts};
use lambda_http::{
    Adapter, Request, RequestExt as _,
    aws_lambda_events::apigw::ApiGatewayV2httpRequest,
    request::{LambdaRequest, RequestContext},
};
use lambda_runtime::{LambdaEvent, Service as _, service_fn};
use serde::{Deserialize as _, Serialize};
use serde_json::Value;

use super::guard::{Guarded, guard};
use crate::protocol::{parameters::Body, source};

/// A request out of an event.
pub struct Invocation {
    /// Method, target and headers.
    pub parts: Parts,
    /// The body, decoded; `None` if it is larger than any form.
    pub form: Option<Vec<u8>>,
    /// The caller's address, as the front end saw it.
    pub peer: Option<IpAddr>,
}

/// Takes the request out of an event of any front end.
pub fn request(event: &Value) -> Invocation {
    let guarded = guard(event);
    Invocation::new(lambda_request(&guarded).into(), &guarded)
}

/// Answers an event, in the form that its front end expects. No event fails.
pub async fn serve<A>(event: LambdaEvent<Value>, answer: impl Fn(Invocation) -> A) -> impl Serialize
where
    A: Future<Output = Response<String>> + Send,
{
    let guarded = guard(&event.payload);
    let event = LambdaEvent::new(lambda_request(&guarded), event.context);
    let service = service_fn(|request| {
        let invocation = Invocation::new(request, &guarded);
        let head = invocation.parts.method == Method::HEAD;
        let answer = answer(invocation);
        async move {
            let response = answer.await;
            Ok::<_, Infallible>(if head { response.map(|_| String::new()) } else { response })
        }
    });
    let Ok(response) = Adapter::from(service).call(event).await;
    response
}

/// The crate's own form of a guarded event.
fn lambda_request(guarded: &Guarded) -> LambdaRequest {
    LambdaRequest::deserialize(&guarded.event).unwrap_or_else(|error| {
        debug_assert!(false, "the guard let through what lambda_http refuses: {error}: {}", guarded.event);
        // A method that no endpoint serves.
        let mut event = ApiGatewayV2httpRequest::default();
        event.request_context.http.method = Method::CONNECT;
        LambdaRequest::ApiGatewayV2(event)
    })
}

impl Invocation {
    /// The request that the crate made of a guarded event, with what the crate did not see.
    fn new(request: Request, guarded: &Guarded) -> Self {
        // The crate's own URI has its dot segments resolved: `/../nic/update` would be an update.
        let target = request.raw_http_path().parse().unwrap_or(Uri::from_static("*"));
        let (mut parts, body) = request.into_parts();
        parts.uri = target;
        parts.headers.extend(guarded.hidden.clone());
        let peer = peer(&parts);
        Self { parts, form: (!guarded.too_large).then(|| body.to_vec()), peer }
    }

    /// The body as the gateway takes it.
    pub fn body(&self) -> Body<'_> {
        self.form.as_deref().map_or(Body::TooLarge, Body::Whole)
    }
}

/// The caller's address, as the front end saw it.
fn peer(parts: &Parts) -> Option<IpAddr> {
    let address = match parts.request_context_ref()? {
        RequestContext::ApiGatewayV1(context) => context.identity.source_ip.as_deref(),
        RequestContext::ApiGatewayV2(context) => context.http.source_ip.as_deref(),
        // A load balancer names the client in the last element only.
        RequestContext::Alb(_) => return last_forwarded(&parts.headers),
        _ => None,
    };
    address?.trim().parse().ok()
}

/// The last element of `X-Forwarded-For`.
fn last_forwarded(headers: &HeaderMap) -> Option<IpAddr> {
    let line = headers.get_all("x-forwarded-for").iter().next_back()?;
    source::without_port(source::elements_from_right(line).next()?)
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use http::{HeaderValue, StatusCode};
    use lambda_runtime::Context;
    use serde_json::json;

    use super::*;

    /// Target and peer of an event.
    fn read(event: &Value) -> (String, Option<String>) {
        let invocation = request(event);
        (invocation.parts.uri.to_string(), invocation.peer.map(|peer| peer.to_string()))
    }

    #[test]
    fn every_front_end_gives_the_same_request() {
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
        assert_eq!(read(&balancer), ("/nic/update?hostname=a%2Eb&".to_owned(), peer));
    }

    #[test]
    fn only_a_load_balancer_names_the_caller_in_a_header() {
        let peer = |event: Value| read(&event).1;
        let seen = Some("203.0.113.9".to_owned());
        for header in ["203.0.113.9:4711", "é, 203.0.113.9"] {
            let headers = json!({"x-forwarded-for": header});
            assert_eq!(peer(json!({"headers": headers, "requestContext": {"elb": {}}})), seen, "{header}");
        }
        // Elsewhere the client writes that header.
        assert_eq!(peer(json!({"headers": {"x-forwarded-for": "203.0.113.9"}, "requestContext": {}})), None);
    }

    #[test]
    fn the_path_is_the_one_that_was_sent() {
        for path in ["/../nic/update", "/nic/./update", "/a/%2e%2e/nic/update", "/a//b", "/"] {
            assert_eq!(read(&json!({"rawPath": path})).0, format!("{path}?"), "{path}");
        }
    }

    #[test]
    fn the_host_is_in_the_request_and_not_in_its_target() {
        for host in ["gw.example.org", "a b", "x:99999", "[::1", "exa<mple", "x/y", ""] {
            let event = json!({"rawPath": "/nic/update", "headers": {"host": host, "x-forwarded-proto": "ht tp"}});
            let invocation = request(&event);
            assert_eq!(invocation.parts.headers["host"], host);
            assert_eq!(invocation.parts.uri, "/nic/update?", "{host}");
        }
    }

    #[tokio::test]
    async fn a_reply_is_as_its_front_end_expects_it() {
        let reply = async |event: Value| {
            let answer = async |_| {
                let mut response = Response::new("good 192.0.2.7".to_owned());
                *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
                response.headers_mut().insert("cache-control", HeaderValue::from_static("no-store"));
                response
            };
            serde_json::to_value(serve(LambdaEvent::new(event, Context::default()), answer).await).expect("JSON")
        };
        let (single, lists) = (json!({"cache-control": "no-store"}), json!({"cache-control": ["no-store"]}));
        let http_api = reply(json!({"requestContext": {"http": {"method": "GET"}}})).await;
        assert_eq!(http_api["statusCode"], 503);
        assert_eq!((&http_api["headers"], &http_api["body"]), (&single, &json!("good 192.0.2.7")));
        assert_eq!(http_api["isBase64Encoded"], false);
        let rest = reply(json!({"httpMethod": "GET", "multiValueHeaders": {}})).await;
        assert_eq!((&rest["headers"], &rest["multiValueHeaders"]), (&json!({}), &lists));
        let balancer = reply(json!({"httpMethod": "GET", "requestContext": {"elb": {}}})).await;
        assert_eq!((&balancer["headers"], &balancer["multiValueHeaders"]), (&single, &lists));
        for event in [json!({"requestContext": {"http": {"method": "HEAD"}}}), json!({"httpMethod": "HEAD"})] {
            assert_eq!(reply(event).await["body"], "");
        }
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
            json!({"httpMethod": "G E T", "requestContext": {"identity": 7}, "queryStringParameters": 7}),
            json!({"httpMethod": "GET", "requestContext": {"elb": {"targetGroupArn": 7}}, "multiValueHeaders": {"a": 7}}),
        ] {
            let invocation = request(&event);
            assert!(invocation.form == Some(Vec::new()) && invocation.peer.is_none(), "{event}");
        }
    }

    #[test]
    fn more_headers_than_a_request_can_hold_do_not_fail() {
        let mut headers = String::new();
        for number in 0..40_000 {
            let _ = write!(headers, "\"h{number}\": \"\",");
        }
        for place in ["headers", "multiValueHeaders"] {
            for context in ["{}", r#"{"elb": {}}"#] {
                let event = format!(
                    r#"{{"{place}": {{{headers} "last": ""}}, "httpMethod": "GET", "requestContext": {context}}}"#
                );
                request(
                    &serde_json::from_str(&event.replace("\"\"", if place == "headers" { "\"\"" } else { "[\"\"]" }))
                        .expect("JSON"),
                );
            }
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
            // Four characters are three octets: 65,535 and 65,538.
            (87_380, true, true),
            (87_384, true, false),
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
    fn an_invalid_authorization_is_still_there() {
        let event = json!({"headers": {"authorization": "Basic \n"}});
        assert_eq!(request(&event).parts.headers["authorization"], "");
    }
}
