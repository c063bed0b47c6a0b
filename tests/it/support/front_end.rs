//! The ways a request reaches the gateway, a socket and four kinds of Lambda events, and what every
//! reply must keep to whichever way it leaves.

use std::{
    future::Future,
    net::{IpAddr, SocketAddr},
    pin::Pin,
    sync::Arc,
    time::Duration,
};

use super::captured;
use base64::prelude::{BASE64_STANDARD, Engine};
use http::Response;
use ipnet::IpNet;
use lambda_runtime::{Context, LambdaEvent};
use nic53::{
    gateway::Gateway,
    lambda::{self, Invocation},
    server::{Limits, serve},
    store::Store,
};
use percent_encoding::percent_decode_str;
use serde_json::{Map, Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpSocket},
    sync::oneshot,
    time::timeout,
};

/// A request as a client sends it, byte for byte.
#[derive(Clone, Debug, Default)]
pub(crate) struct Request {
    /// Such as `GET`.
    pub(crate) method: String,
    /// Path and query.
    pub(crate) target: Vec<u8>,
    /// `HTTP/1.0` or `HTTP/1.1`.
    pub(crate) version: String,
    /// Names and values in order.
    pub(crate) headers: Vec<(String, Vec<u8>)>,
    /// What comes after the head.
    pub(crate) body: Vec<u8>,
}

/// A reply as it leaves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Reply {
    /// Such as 200.
    pub(crate) status: u16,
    /// Names and values in order.
    pub(crate) headers: Vec<(String, String)>,
    /// What comes after the head.
    pub(crate) body: Vec<u8>,
    /// What is wrong with how it was sent: the connection, the event.
    pub(crate) faults: Vec<String>,
}

/// A way to the gateway.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FrontEnd {
    /// The local HTTP server, on a loopback socket behind a trusted proxy, so that the last
    /// `X-Forwarded-For` names the peer.
    Socket,
    /// API Gateway HTTP API, payload version 2.0, stage `$default`.
    HttpApi,
    /// The same with a stage of its own, which is then in the path.
    HttpApiStage,
    /// A Function URL.
    FunctionUrl,
    /// API Gateway REST API.
    RestApi,
    /// An Application Load Balancer.
    LoadBalancer,
}

/// The network that the runner sends from. It must be a trusted proxy for [`FrontEnd::Socket`] to name the peer.
pub(crate) const TRUSTED_PROXY: &str = "127.53.0.1/32";

/// The type of the page, which no client of the protocol reads.
const PAGE_TYPE: &str = "text/html; charset=utf-8";

/// How long a reply may take before we take it for lost.
const PATIENCE: Duration = Duration::from_secs(20);

impl FrontEnd {
    /// Opens it for a gateway.
    pub(crate) async fn open<S: Store>(self, gateway: Gateway<S>) -> OpenFrontEnd {
        match self {
            Self::Socket => {
                let listener = TcpListener::bind("127.0.0.1:0").await.expect("a loopback port");
                let address = listener.local_addr().expect("a bound socket");
                let (stop, stopped) = oneshot::channel::<()>();
                tokio::spawn(serve(listener, Arc::new(gateway), Limits::default(), captured::log(), async {
                    let _ = stopped.await;
                }));
                OpenFrontEnd::Socket { address, _open: stop }
            }
            Self::HttpApi | Self::HttpApiStage | Self::FunctionUrl | Self::RestApi | Self::LoadBalancer => {
                OpenFrontEnd::Events { front_end: self, gateway: Arc::new(gateway) }
            }
        }
    }

    /// Why this front end cannot let a request through unchanged, if so.
    pub(crate) fn cannot_carry(self, request: &Request) -> Option<&'static str> {
        if self == Self::Socket {
            return None;
        }
        let is_text = |bytes: &[u8]| std::str::from_utf8(bytes).is_ok();
        if !is_text(&request.target) || request.headers.iter().any(|(_, value)| !is_text(value)) {
            return Some("an event is JSON, which has no bytes that are not UTF-8");
        }
        let repeats =
            |name: &str| request.headers.iter().filter(|(other, _)| other.eq_ignore_ascii_case(name)).count() > 1;
        // Joined by a comma, X-Forwarded-For means the same.
        let repeated = |(name, _): &(String, _)| repeats(name) && !name.eq_ignore_ascii_case("X-Forwarded-For");
        match self {
            Self::HttpApi | Self::HttpApiStage | Self::FunctionUrl if request.headers.iter().any(repeated) => {
                Some("payload 2.0 joins repeated headers with commas")
            }
            Self::RestApi | Self::LoadBalancer if interleaved(&request.pairs()) => {
                Some("parameters are an object of lists, which forgets how the names took turns")
            }
            _ => None,
        }
    }
}

/// An open front end.
pub(crate) enum OpenFrontEnd {
    /// A server.
    Socket {
        /// Its address.
        address: SocketAddr,
        /// Dropped, the server stops.
        _open: oneshot::Sender<()>,
    },
    /// A handler of events.
    Events {
        /// Of which kind.
        front_end: FrontEnd,
        /// Who answers.
        gateway: Arc<dyn Handler>,
    },
}

impl OpenFrontEnd {
    /// Sends a request from a peer and takes the reply.
    pub(crate) async fn send(&self, request: &Request, peer: Option<IpAddr>) -> Reply {
        for secret in request.credentials() {
            captured::secret(&secret);
        }
        match self {
            Self::Socket { address, .. } => {
                let request = request.forwarded_for(peer);
                let reply = timeout(PATIENCE, exchange(*address, &request)).await;
                reply.unwrap_or_else(|_| panic!("no reply within {PATIENCE:?} to {request:?}"))
            }
            Self::Events { front_end, gateway } => {
                let event = front_end.event(request, peer);
                read_event_reply(&event, &gateway.handle(&event).await)
            }
        }
    }
}

/// A gateway with any store, as the Lambda's handler.
pub(crate) trait Handler: Send + Sync {
    /// Answers an event.
    fn handle<'a>(&'a self, event: &'a Value) -> Pin<Box<dyn Future<Output = Value> + Send + 'a>>;
}

impl<S: Store> Handler for Gateway<S> {
    fn handle<'a>(&'a self, event: &'a Value) -> Pin<Box<dyn Future<Output = Value> + Send + 'a>> {
        Box::pin(serve_event(event, async |invocation: Invocation| {
            self.answer(&invocation.parts, invocation.body(), invocation.peer).await
        }))
    }
}

/// What the Lambda returns for an event, if that is its answer to the request in it.
pub(crate) async fn serve_event<A>(event: &Value, answer: impl Fn(Invocation) -> A) -> Value
where
    A: Future<Output = Response<String>> + Send,
{
    let event = LambdaEvent::new(event.clone(), Context::default());
    serde_json::to_value(lambda::serve(event, answer).await).expect("a reply is JSON")
}

impl Request {
    /// Reads a request in its wire format.
    pub(crate) fn parse(bytes: &[u8]) -> Self {
        let end = position(bytes, b"\r\n\r\n").expect("a head");
        let mut lines = split_lines(&bytes[..end]).into_iter();
        let line = lines.next().expect("a request line");
        let first = line.iter().position(|byte| *byte == b' ').expect("a method");
        let last = line.iter().rposition(|byte| *byte == b' ').expect("a version");
        let header = |line: &[u8]| {
            let colon = line.iter().position(|byte| *byte == b':').expect("a header");
            (text(&line[..colon]), line[colon + 1..].trim_ascii().to_vec())
        };
        Self {
            method: text(&line[..first]),
            target: line[first + 1..last].to_vec(),
            version: text(&line[last + 1..]),
            headers: lines.map(header).collect(),
            body: bytes[end + 4..].to_vec(),
        }
    }

    /// The request in its wire format.
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = [self.method.as_bytes(), b" ", &self.target, b" ", self.version.as_bytes(), b"\r\n"].concat();
        for (name, value) in &self.headers {
            bytes.extend([name.as_bytes(), b": ", value, b"\r\n"].concat());
        }
        bytes.extend(b"\r\n");
        bytes.extend(&self.body);
        bytes
    }

    /// The same as a proxy passes it on that got it from that peer.
    fn forwarded_for(&self, peer: Option<IpAddr>) -> Self {
        let mut request = self.clone();
        let peer = peer.map_or_else(|| "unknown".to_owned(), |peer| peer.to_string());
        request.headers.push(("X-Forwarded-For".to_owned(), peer.into_bytes()));
        request
    }

    /// The first value of a header.
    pub(crate) fn header(&self, name: &str) -> Option<&[u8]> {
        self.headers.iter().find(|(other, _)| other.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_slice())
    }

    /// The secrets in its Authorization, which nothing may print: the value, and the password in it.
    fn credentials(&self) -> Vec<String> {
        let Some(value) = self.header("Authorization") else { return Vec::new() };
        let encoded = value.rsplit(|byte| *byte == b' ').next().unwrap_or_default();
        let pair = text(&BASE64_STANDARD.decode(encoded).unwrap_or_default());
        let password = pair.split_once(':').map(|(_, password)| password.trim().to_owned());
        [text(encoded)].into_iter().chain(password).collect()
    }

    /// Whether the client wants the connection closed, in words or by its version.
    fn wants_close(&self) -> bool {
        self.version == "HTTP/1.0"
            || self.header("Connection").is_some_and(|value| value.eq_ignore_ascii_case(b"close"))
    }

    /// Everything before the query.
    pub(crate) fn path(&self) -> String {
        text(self.target.split(|byte| *byte == b'?').next().unwrap_or_default())
    }

    /// Everything after the first `?`.
    fn query(&self) -> String {
        let mark = self.target.iter().position(|byte| *byte == b'?');
        mark.map(|mark| text(&self.target[mark + 1..])).unwrap_or_default()
    }

    /// The query's names and values, not decoded.
    fn pairs(&self) -> Vec<(String, String)> {
        let query = self.query();
        let pairs = query.split('&').filter(|pair| !pair.is_empty());
        pairs
            .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
            .map(|(a, b)| (a.to_owned(), b.to_owned()))
            .collect()
    }
}

impl Reply {
    /// The value of a header; several are joined.
    pub(crate) fn header(&self, name: &str) -> Option<String> {
        let values: Vec<_> = self.headers.iter().filter(|(other, _)| other.eq_ignore_ascii_case(name)).collect();
        (!values.is_empty()).then(|| values.iter().map(|(_, value)| value.as_str()).collect::<Vec<_>>().join(", "))
    }

    /// The rules for all replies that this one breaks.
    pub(crate) fn broken_rules(&self, request: &Request) -> Vec<String> {
        let mut broken = self.faults.clone();
        let mut rule = |kept: bool, what: String| {
            if !kept {
                broken.push(what);
            }
        };
        let length = self.body.len().to_string();
        let content_length = self.header("Content-Length");
        if request.method == "HEAD" {
            rule(self.body.is_empty(), "a reply to HEAD has a body".to_owned());
            rule(content_length.is_some(), "no Content-Length".to_owned());
        } else {
            rule(content_length.as_ref() == Some(&length), format!("Content-Length {content_length:?}, not {length}"));
        }
        let is_page = self.body.starts_with(b"<!DOCTYPE html>");
        let content_type = match &self.body {
            _ if is_page => PAGE_TYPE,
            body if body.starts_with(b"<html>") => "text/html",
            body if body.starts_with(b"{") => "application/json",
            _ => "text/plain",
        };
        let found = self.header("Content-Type");
        rule(
            found.as_deref() == Some(content_type)
                || (request.method == "HEAD" && found.as_deref().is_some_and(|found| found.starts_with("text/html"))),
            format!("Content-Type {found:?}, not {content_type}"),
        );
        let found = self.header("Cache-Control");
        rule(found.as_deref() == Some("no-store"), format!("Cache-Control {found:?}, not no-store"));
        for name in ["Location", "Transfer-Encoding", "Content-Encoding"] {
            rule(self.header(name).is_none(), format!("a header {name}"));
        }
        for (name, value) in &self.headers {
            rule(!looks_like_ipv4(value), format!("an address in a header: {name}: {value}"));
        }
        rule(!self.body.ends_with(b"\n"), "a newline at the end of the body".to_owned());
        rule(!self.body.starts_with(b" "), "a space at the start of the body".to_owned());
        rule(self.body.is_ascii() || is_page, "a body that is not ASCII".to_owned());
        broken
    }
}

/// Whether something in a text could be taken for an IPv4 address, as ddclient takes it.
fn looks_like_ipv4(text: &str) -> bool {
    let words = text.split(|letter: char| !letter.is_ascii_digit() && letter != '.');
    words.into_iter().any(|word| word.split('.').filter(|number| (1..=3).contains(&number.len())).count() >= 4)
}

/// Whether a name comes again in a query after another one.
fn interleaved(pairs: &[(String, String)]) -> bool {
    let mut names: Vec<_> = pairs.iter().map(|(name, _)| name).collect();
    names.dedup();
    let count = names.len();
    names.sort_unstable();
    names.dedup();
    names.len() < count
}

/// Sends a request over a connection of its own and reads until the connection ends. If the client did
/// not ask the server to close it, the client closes it once it has the reply.
async fn exchange(address: SocketAddr, request: &Request) -> Reply {
    let socket = TcpSocket::new_v4().expect("a socket");
    let proxy: IpNet = TRUSTED_PROXY.parse().expect("a network");
    socket.bind(SocketAddr::new(proxy.addr(), 0)).expect("a loopback port");
    let mut stream = socket.connect(address).await.expect("the server listens");
    stream.write_all(&request.to_bytes()).await.expect("the server reads");
    let mut bytes = Vec::new();
    let mut reply = loop {
        let read = stream.read_buf(&mut bytes).await.expect("the server answers");
        assert!(read > 0, "the connection ended within the reply: {:?}", String::from_utf8_lossy(&bytes));
        if let Some(reply) = read_reply(&bytes, request) {
            break reply;
        }
    };
    let mut rest = Vec::new();
    if request.wants_close() {
        let ended = timeout(PATIENCE / 4, stream.read_to_end(&mut rest)).await;
        if ended.is_err() {
            reply.faults.push("the connection stays open".to_owned());
        }
    } else {
        stream.shutdown().await.expect("an open connection");
        stream.read_to_end(&mut rest).await.expect("the rest");
    }
    if !rest.is_empty() {
        reply.faults.push(format!("bytes behind the reply: {:?}", String::from_utf8_lossy(&rest)));
    }
    reply
}

/// Reads a reply in its wire format; `None` until all of it is there.
fn read_reply(bytes: &[u8], request: &Request) -> Option<Reply> {
    let end = position(bytes, b"\r\n\r\n")?;
    let mut lines = split_lines(&bytes[..end]).into_iter().map(text);
    let line = lines.next()?;
    let status = line.split(' ').nth(1)?.parse().expect("a status");
    let headers = lines.map(|line| line.split_once(':').map(|(a, b)| (a.to_owned(), b.trim().to_owned())));
    let mut reply =
        Reply { status, headers: headers.collect::<Option<_>>()?, body: bytes[end + 4..].to_vec(), faults: Vec::new() };
    let length = reply.header("Content-Length").and_then(|length| length.parse().ok()).unwrap_or(0);
    let length = if request.method == "HEAD" { 0 } else { length };
    if reply.body.len() < length {
        return None;
    }
    if !line.starts_with("HTTP/1.") {
        reply.faults.push(format!("a status line of another protocol: {line}"));
    }
    Some(reply)
}

/// Reads what the handler returns to Lambda, as the event's front end would pass it on.
pub(crate) fn read_event_reply(event: &Value, reply: &Value) -> Reply {
    let mut faults = Vec::new();
    let single = reply["headers"].as_object().into_iter().flatten();
    let single: Vec<_> =
        single.map(|(name, value)| (name.clone(), value.as_str().unwrap_or("not text").to_owned())).collect();
    let lists = reply["multiValueHeaders"].as_object().into_iter().flatten();
    let listed = lists
        .flat_map(|(name, list)| list.as_array().into_iter().flatten().map(|value| (name.clone(), text_of(value))));
    let listed: Vec<_> = listed.collect();
    let headers = if event["requestContext"]["elb"].is_object() {
        // A load balancer reads the form that it sends, and no other.
        if event["multiValueHeaders"].is_object() { listed } else { single }
    } else {
        // A REST API takes both forms together, the others know single values only.
        if !event["httpMethod"].is_string() && !listed.is_empty() {
            faults.push(format!("lists of headers: {listed:?}"));
        }
        [single, listed].concat()
    };
    if reply["isBase64Encoded"] != json!(false) {
        faults.push("a body in base64".to_owned());
    }
    let status = reply["statusCode"].as_u64().and_then(|status| status.try_into().ok()).unwrap_or(0);
    Reply { status, headers, body: text_of(&reply["body"]).into_bytes(), faults }
}

impl FrontEnd {
    /// The event that this front end makes of a request.
    ///
    /// The forms are those of the API Gateway Developer Guide ("Working with AWS Lambda proxy
    /// integrations"), the Lambda Developer Guide ("Invoking Lambda function URLs") and the Elastic
    /// Load Balancing guide ("Lambda functions as targets").
    pub(crate) fn event(self, request: &Request, peer: Option<IpAddr>) -> Value {
        let peer = peer.map(|peer| peer.to_string());
        let peer = peer.as_deref();
        match self {
            Self::Socket => panic!("a socket has no events"),
            Self::HttpApi => payload_2(request, peer, "$default", "a1b2c3.execute-api.us-east-1.amazonaws.com"),
            Self::HttpApiStage => payload_2(request, peer, "live", "a1b2c3.execute-api.us-east-1.amazonaws.com"),
            Self::FunctionUrl => payload_2(request, peer, "$default", "a1b2c3.lambda-url.us-east-1.on.aws"),
            Self::RestApi => rest(request, peer),
            Self::LoadBalancer => load_balancer(request, peer),
        }
    }
}

/// An event of payload version 2.0: raw query, repeated headers joined, other bodies than JSON and
/// plain text in base64.
fn payload_2(request: &Request, peer: Option<&str>, stage: &str, domain: &str) -> Value {
    let path = request.path();
    let path = if stage == "$default" { path } else { format!("/{stage}{path}") };
    let mut headers = Map::new();
    for (name, value) in headers_from(request, peer) {
        let joined = headers.get(&name).map_or_else(|| value.clone(), |first| format!("{},{value}", text_of(first)));
        headers.insert(name, joined.into());
    }
    let mut parameters = Map::new();
    for (name, value) in decoded(request) {
        let joined = parameters.get(&name).map_or_else(|| value.clone(), |first| format!("{},{value}", text_of(first)));
        parameters.insert(name, joined.into());
    }
    let mut event = json!({
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": path,
        "rawQueryString": request.query(),
        "headers": headers,
        "requestContext": {
            "accountId": "123456789012",
            "apiId": "a1b2c3",
            "domainName": domain,
            "domainPrefix": "a1b2c3",
            "http": {
                "method": request.method,
                "path": path,
                "protocol": request.version,
                "sourceIp": peer.unwrap_or_default(),
                "userAgent": text_of_header(request, "User-Agent"),
            },
            "requestId": "JKJaXmPLvHcESHA=",
            "routeKey": "$default",
            "stage": stage,
            "time": "01/Jan/2026:00:00:00 +0000",
            "timeEpoch": 1_767_225_600_000_u64,
        },
        "isBase64Encoded": false,
    });
    if !parameters.is_empty() {
        event["queryStringParameters"] = parameters.into();
    }
    with_body(event, request)
}

/// An event of a REST API: parameters decoded, everything once as it came last and once as lists,
/// bodies as they are.
fn rest(request: &Request, peer: Option<&str>) -> Value {
    let headers: Vec<(String, String)> = headers_from(request, peer);
    let parameters = decoded(request);
    let or_null = |map: Map<String, Value>| if map.is_empty() { Value::Null } else { map.into() };
    json!({
        "resource": "/{proxy+}",
        "path": request.path(),
        "httpMethod": request.method,
        "headers": or_null(last(&headers)),
        "multiValueHeaders": or_null(lists(&headers)),
        "queryStringParameters": or_null(last(&parameters)),
        "multiValueQueryStringParameters": or_null(lists(&parameters)),
        "pathParameters": {"proxy": request.path().trim_start_matches('/')},
        "stageVariables": null,
        "requestContext": {
            "accountId": "123456789012",
            "apiId": "a1b2c3",
            "domainName": "a1b2c3.execute-api.us-east-1.amazonaws.com",
            "httpMethod": request.method,
            "identity": {"sourceIp": peer.unwrap_or_default(), "userAgent": text_of_header(request, "User-Agent")},
            "path": format!("/live{}", request.path()),
            "protocol": request.version,
            "requestId": "c6af9ac6-7b61-11e6-9a41-93e8deadbeef",
            "resourcePath": "/{proxy+}",
            "stage": "live",
        },
        "body": if request.body.is_empty() { Value::Null } else { text(&request.body).into() },
        "isBase64Encoded": false,
    })
}

/// An event of a load balancer: parameters not decoded, the peer only after all
/// else in `X-Forwarded-For`. Whatever comes more than once is carried only with multi-value
/// headers switched on.
fn load_balancer(request: &Request, peer: Option<&str>) -> Value {
    let headers = headers_from(request, peer);
    let parameters = request.pairs();
    let twice = |pairs: &[(String, String)]| last(pairs).len() < pairs.len();
    let mut event = json!({
        "requestContext": {"elb": {
            "targetGroupArn": "arn:aws:elasticloadbalancing:us-east-1:123456789012:targetgroup/nic53/49e9d65c45c6791a"
        }},
        "httpMethod": request.method,
        "path": request.path(),
        "body": "",
        "isBase64Encoded": false,
    });
    if twice(&headers) || twice(&parameters) {
        event["multiValueHeaders"] = lists(&headers).into();
        event["multiValueQueryStringParameters"] = lists(&parameters).into();
    } else {
        event["headers"] = last(&headers).into();
        event["queryStringParameters"] = last(&parameters).into();
    }
    with_body(event, request)
}

/// The headers as a front end passes them on: names in lower case, and the peer at the end of
/// `X-Forwarded-For`.
fn headers_from(request: &Request, peer: Option<&str>) -> Vec<(String, String)> {
    let mut headers: Vec<_> =
        request.headers.iter().map(|(name, value)| (name.to_ascii_lowercase(), text(value))).collect();
    let forwarded = headers.iter().rposition(|(name, _)| name == "x-forwarded-for");
    match (forwarded, peer) {
        (Some(last), Some(peer)) => headers[last].1 = format!("{}, {peer}", headers[last].1),
        (None, Some(peer)) => headers.push(("x-forwarded-for".to_owned(), peer.to_owned())),
        (_, None) => {}
    }
    for (name, value) in [
        ("x-amzn-trace-id", "Root=1-5bdb40ca-556d8b0c50dc66f0511bf520"),
        ("x-forwarded-port", "443"),
        ("x-forwarded-proto", "https"),
    ] {
        headers.push((name.to_owned(), value.to_owned()));
    }
    headers
}

/// The query's names and values, decoded as far as they are text.
fn decoded(request: &Request) -> Vec<(String, String)> {
    let decode = |text: &str| percent_decode_str(&text.replace('+', " ")).decode_utf8_lossy().into_owned();
    request.pairs().iter().map(|(name, value)| (decode(name), decode(value))).collect()
}

/// Each name with its last value.
fn last(pairs: &[(String, String)]) -> Map<String, Value> {
    pairs.iter().map(|(name, value)| (name.clone(), value.clone().into())).collect()
}

/// Each name with all its values.
fn lists(pairs: &[(String, String)]) -> Map<String, Value> {
    let mut lists: Map<String, Value> = Map::new();
    for (name, value) in pairs {
        let list = lists.entry(name.clone()).or_insert_with(|| json!([]));
        list.as_array_mut().expect("a list").push(value.clone().into());
    }
    lists
}

/// The event with the request's body, in base64 unless it is declared to be text or JSON.
fn with_body(mut event: Value, request: &Request) -> Value {
    let declared = text_of_header(request, "Content-Type");
    let plain = declared.starts_with("text/") || declared.starts_with("application/json");
    if plain && std::str::from_utf8(&request.body).is_ok() {
        event["body"] = text(&request.body).into();
    } else if !request.body.is_empty() {
        event["body"] = BASE64_STANDARD.encode(&request.body).into();
        event["isBase64Encoded"] = true.into();
    }
    event
}

/// The first value of a header as text, empty if there is no such header.
fn text_of_header(request: &Request, name: &str) -> String {
    request.header(name).map(text).unwrap_or_default()
}

/// A JSON string's text.
fn text_of(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

/// Bytes as text, as far as they are.
fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// The index of the first `needle` in `bytes`.
fn position(bytes: &[u8], needle: &[u8]) -> Option<usize> {
    bytes.windows(needle.len()).position(|window| window == needle)
}

/// The lines of a head.
fn split_lines(head: &[u8]) -> Vec<&[u8]> {
    head.split(|byte| *byte == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line)).collect()
}
