//! The local HTTP server, octet for octet: framing, limits, and an orderly stop.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use crate::support::{captured, process::Nic53};
use base64::prelude::{BASE64_STANDARD, Engine};
use nic53::{
    gateway::Gateway,
    protocol::token::{Scope, Secret},
    secrets::Provider,
    server::{Limits, serve},
    settings::Settings,
    store::embedded::Embedded,
};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::oneshot,
    task::JoinHandle,
    time::timeout,
};

const SECRET: &str = "the-secret-of-the-server-tests-0123456789ab";

/// A server on a loopback port, with a store of its own.
struct Server {
    address: SocketAddr,
    stop: oneshot::Sender<()>,
    running: JoinHandle<()>,
    _data: TempDir,
}

impl Server {
    /// Starts it within these limits.
    async fn start(limits: Limits) -> Self {
        let data = tempfile::tempdir().unwrap();
        let variable = |name: &str| match name {
            "NIC53_ZONES" => Some("home.example=EMBEDDED".to_owned()),
            "NIC53_SECRET" => Some(SECRET.to_owned()),
            _ => None,
        };
        let settings = Settings::read(variable).unwrap();
        let log = captured::log();
        captured::secret(SECRET);
        let secrets = Provider::read(settings.secret.as_ref().unwrap(), None, log)
            .await
            .unwrap_or_else(|error| panic!("{error}"));
        let store = Embedded::open(data.path(), settings.zones.clone()).unwrap_or_else(|error| panic!("{error}"));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let gateway = Arc::new(Gateway::new(settings, secrets, store, log));
        let (stop, stopped) = oneshot::channel();
        let stopped = async move { stopped.await.unwrap_or_default() };
        let running = tokio::spawn(serve(listener, gateway, limits, log, stopped));
        Self { address, stop, running, _data: data }
    }

    /// Opens a connection.
    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    /// Sends octets and returns all that comes until the server closes.
    async fn exchange(&self, sent: &str) -> String {
        let mut stream = self.connect().await;
        stream.write_all(sent.as_bytes()).await.unwrap();
        until_closed(&mut stream).await
    }
}

/// All that comes until the other side closes, which must be soon.
async fn until_closed(stream: &mut TcpStream) -> String {
    let mut received = Vec::new();
    let read = timeout(Duration::from_secs(20), stream.read_to_end(&mut received)).await;
    read.expect("closed in time").unwrap_or_default();
    String::from_utf8(received).unwrap()
}

/// One reply, up to the end of a body of this text.
async fn reply_ending(stream: &mut TcpStream, body: &str) -> String {
    let mut received = String::new();
    while !received.ends_with(body) {
        let mut octets = [0; 1024];
        let count = timeout(Duration::from_secs(20), stream.read(&mut octets)).await.expect("in time").unwrap();
        assert_ne!(count, 0, "closed after {received:?}");
        received += std::str::from_utf8(&octets[..count]).unwrap();
    }
    received
}

/// The credentials of `router.home.example`.
fn authorization() -> String {
    let zones = nic53::protocol::zone::Zones::parse("home.example=EMBEDDED").unwrap();
    let secret = Secret::new(SECRET).unwrap_or_else(|error| panic!("{error}"));
    let host = "router.home.example".parse().unwrap();
    let token = secret.mint(Scope::Host, &host, zones.holding(&host).unwrap(), 0);
    format!(
        "Authorization: Basic {}\r\n",
        BASE64_STANDARD.encode(format!("router.home.example:{}", token.reveal()).as_bytes())
    )
}

#[tokio::test]
async fn an_http_1_0_connection_is_closed_whatever_it_asks_for() {
    let server = Server::start(Limits::default()).await;
    for headers in ["", "Host: x\r\n", "Connection: keep-alive\r\n"] {
        let reply = server.exchange(&format!("GET /healthz HTTP/1.0\r\n{headers}\r\n")).await;
        assert!(reply.starts_with("HTTP/1.0 200 OK\r\n") && reply.ends_with("\r\n\r\nok"), "{reply}");
        assert!(reply.contains("Content-Length: 2\r\n") && reply.contains("Connection: close\r\n"), "{reply}");
    }
}

#[tokio::test]
async fn an_http_1_1_connection_stays_open_until_it_is_asked_to_close() {
    let server = Server::start(Limits::default()).await;
    let mut stream = server.connect().await;
    for _ in 0..3 {
        stream.write_all(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
        let reply = reply_ending(&mut stream, "\r\n\r\nok").await;
        assert!(reply.starts_with("HTTP/1.1 200 OK\r\n"), "{reply}");
    }
    stream.write_all(b"GET /healthz HTTP/1.1\r\nConnection: close\r\n\r\n").await.unwrap();
    assert!(until_closed(&mut stream).await.ends_with("\r\n\r\nok"));
}

#[tokio::test]
async fn the_challenge_is_on_the_wire() {
    let server = Server::start(Limits::default()).await;
    let reply = server.exchange("GET /nic/update?hostname=router.home.example HTTP/1.0\r\n\r\n").await;
    assert!(reply.starts_with("HTTP/1.0 401 Unauthorized\r\n") && reply.ends_with("\r\n\r\nbadauth"), "{reply}");
    let challenge = reply.lines().find(|line| line.to_ascii_lowercase().starts_with("www-authenticate: ")).unwrap();
    assert!(challenge.ends_with(" Basic realm=\"nic53\""), "{challenge}");
}

#[tokio::test]
async fn a_head_has_the_headers_alone() {
    let server = Server::start(Limits::default()).await;
    let reply = server.exchange("HEAD /checkip HTTP/1.1\r\nConnection: close\r\n\r\n").await;
    assert!(reply.starts_with("HTTP/1.1 200 OK\r\n") && reply.ends_with("\r\n\r\n"), "{reply}");
    assert!(reply.contains("Content-Length: 99\r\n") && reply.contains("Content-Type: text/html\r\n"), "{reply}");
}

#[tokio::test]
async fn a_client_may_close_its_half_and_requests_may_come_at_once() {
    let server = Server::start(Limits::default()).await;
    let mut stream = server.connect().await;
    stream.write_all(b"GET /ip HTTP/1.1\r\n\r\nGET /healthz HTTP/1.1\r\n\r\n").await.unwrap();
    stream.shutdown().await.unwrap();
    let replies = until_closed(&mut stream).await;
    assert!(replies.contains("\r\n\r\n127.0.0.1HTTP/1.1 200 OK") && replies.ends_with("\r\n\r\nok"), "{replies}");
}

#[tokio::test]
async fn what_is_not_http_is_refused_and_closed() {
    let server = Server::start(Limits::default()).await;
    for sent in [
        "GET /nic/update?myip=<ipaddr> HTTP/1.1\r\n\r\n",
        "GET /nic/update?a b HTTP/1.1\r\n\r\n",
        "\u{16}\u{3}\u{1}\u{2}\u{0}\u{1}\u{0}\u{1}\u{fc}\u{3}\u{3}garbage\r\n\r\n",
        "nonsense\r\n\r\n",
        "GET / HTTP/9.9\r\n\r\n",
    ] {
        let reply = server.exchange(sent).await;
        assert!(reply.is_empty() || reply.starts_with("HTTP/1.1 400 "), "{sent}: {reply}");
    }
    let reply = server.exchange("GET a.example.com HTTP/1.0\r\n\r\n").await;
    assert!(reply.starts_with("HTTP/1.0 40") && !reply.contains("good"), "{reply}");
}

#[tokio::test]
async fn a_head_that_is_too_large_is_refused() {
    let server = Server::start(Limits { head_size: 8 * 1024, ..Limits::default() }).await;
    let endless = format!("GET / HTTP/1.1\r\nX: {}\r\n", "x".repeat(64 * 1024));
    let mut stream = server.connect().await;
    // The server may hang up in the middle of it.
    let _ = stream.write_all(endless.as_bytes()).await;
    let mut received = Vec::new();
    let _ = timeout(Duration::from_secs(20), stream.read_to_end(&mut received)).await.expect("closed in time");
    let reply = String::from_utf8(received).unwrap();
    assert!(reply.is_empty() || reply.starts_with("HTTP/1.1 431 "), "{reply}");
}

#[tokio::test]
async fn a_form_that_is_too_large_or_does_not_come_as_a_whole_is_refused() {
    let server = Server::start(Limits { body_time: Duration::from_millis(100), ..Limits::default() }).await;
    let large = server.exchange("POST /nic/update HTTP/1.1\r\nContent-Length: 65537\r\n\r\n").await;
    assert!(large.starts_with("HTTP/1.1 413 ") && large.contains("Connection: close\r\n"), "{large}");
    for broken in ["Content-Length: 100\r\n\r\nmyip=", "Transfer-Encoding: chunked\r\n\r\nnonsense\r\n"] {
        let reply = server.exchange(&format!("POST /nic/update HTTP/1.1\r\n{broken}")).await;
        assert!(reply.starts_with("HTTP/1.1 503 ") && reply.ends_with("\r\n\r\n911"), "{broken}: {reply}");
        assert!(reply.contains("Connection: close\r\n"), "{reply}");
    }
    let elsewhere = server.exchange("POST /a/b HTTP/1.1\r\nContent-Length: 65537\r\n\r\n").await;
    assert!(elsewhere.starts_with("HTTP/1.1 404 "), "{elsewhere}");
}

#[tokio::test]
async fn a_form_moves_the_host() {
    let server = Server::start(Limits::default()).await;
    let form = "hostname=router.home.example&myip=192.0.2.7";
    let reply = server
        .exchange(&format!(
            "POST /nic/update HTTP/1.0\r\n{}Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\r\n{form}",
            authorization(),
            form.len()
        ))
        .await;
    assert!(reply.starts_with("HTTP/1.0 200 OK\r\n") && reply.ends_with("\r\n\r\ngood 192.0.2.7"), "{reply}");
}

#[tokio::test]
async fn a_client_that_sends_no_head_in_time_is_closed() {
    let server = Server::start(Limits { head_time: Duration::from_millis(100), ..Limits::default() }).await;
    for sent in ["", "GET /healthz HTTP/1.1\r\nX: "] {
        let reply = server.exchange(sent).await;
        assert!(reply.is_empty() || reply.starts_with("HTTP/1.1 408 "), "{sent}: {reply}");
    }
    let mut kept = server.connect().await;
    kept.write_all(b"GET /healthz HTTP/1.1\r\n\r\n").await.unwrap();
    assert!(until_closed(&mut kept).await.ends_with("\r\n\r\nok"), "a connection that is kept open too");
}

#[tokio::test]
async fn new_connections_evict_idle_ones() {
    let server = Server::start(Limits { connections: 4, ..Limits::default() }).await;
    let mut idle = Vec::new();
    for _ in 0..4 {
        idle.push(server.connect().await);
    }
    for _ in 0..8 {
        let reply = server.exchange("GET /healthz HTTP/1.0\r\n\r\n").await;
        assert!(reply.ends_with("\r\n\r\nok"), "{reply}");
    }
    assert_eq!(until_closed(&mut idle[0]).await, "", "the first of them was closed");
}

#[test]
fn a_stop_is_a_line_of_the_log() {
    let data = tempfile::tempdir().unwrap();
    let settings = [("NIC53_SECRET", SECRET), ("NIC53_DATA", data.path().to_str().unwrap())];
    let server = Nic53::serve(&settings, &["--dns", "off"]);
    let pid = Pid::from_raw(i32::try_from(server.pid()).unwrap()).unwrap();
    kill_process(pid, Signal::TERM).unwrap();
    server.logged(&["info: stopped by a signal"]);
}

#[tokio::test]
async fn a_stop_closes_what_is_idle_and_refuses_what_is_new() {
    let server = Server::start(Limits::default()).await;
    let mut idle = server.connect().await;
    idle.write_all(b"GET /healthz HTTP/1.1\r\n\r\n").await.unwrap();
    reply_ending(&mut idle, "\r\n\r\nok").await;
    let address = server.address;
    server.stop.send(()).unwrap();
    timeout(Duration::from_secs(20), server.running).await.expect("stopped in time").unwrap();
    assert_eq!(until_closed(&mut idle).await, "");
    assert!(TcpStream::connect(address).await.is_err());
}

#[tokio::test]
async fn a_stop_waits_for_a_request_in_progress() {
    let server = Server::start(Limits::default()).await;
    let mut stream = server.connect().await;
    let form = "myip=192.0.2.7";
    let head = format!(
        "POST /nic/update HTTP/1.1\r\n{}Expect: 100-continue\r\nContent-Length: {}\r\n\r\n",
        authorization(),
        form.len()
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    // From here on the server waits for the form.
    reply_ending(&mut stream, "HTTP/1.1 100 Continue\r\n\r\n").await;
    server.stop.send(()).unwrap();
    stream.write_all(form.as_bytes()).await.unwrap();
    let reply = until_closed(&mut stream).await;
    assert!(reply.starts_with("HTTP/1.1 200 OK\r\n") && reply.ends_with("\r\n\r\ngood 192.0.2.7"), "{reply}");
    timeout(Duration::from_secs(20), server.running).await.expect("stopped in time").unwrap();
}
