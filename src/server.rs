//! The local HTTP server: HTTP/1.0 and 1.1 on a socket, bounded in every direction.

pub(crate) mod slots;

use std::{convert::Infallible, future::Future, net::IpAddr, sync::Arc, time::Duration};

use http::{HeaderValue, Method, Request, Response, Version, header::CONNECTION};
use http_body_util::BodyExt;
use hyper::{
    body::{Body as _, Incoming},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::watch,
    task::JoinSet,
    time::{sleep, timeout},
};

use self::slots::{Slot, Slots};
use crate::{
    gateway::Gateway,
    log::Log,
    protocol::parameters::{Body, MAX_FORM},
    store::Store,
};

/// Limits on clients.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Open connections. One more evicts an idle one: the oldest of the network with the most
    /// connections.
    pub connections: usize,
    /// The time for a request's head to arrive, counted from when the server begins to wait for it.
    pub head_time: Duration,
    /// The most octets of a request's head.
    pub head_size: usize,
    /// The time for a request's body to arrive.
    pub body_time: Duration,
    /// The time that is left for requests in progress when the server stops.
    pub stop_time: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            // Together with DNS and the store's files, this fits into the 1024 descriptors that a process
            // has by default.
            connections: 512,
            head_time: Duration::from_secs(10),
            head_size: 16 * 1024,
            body_time: Duration::from_secs(10),
            stop_time: Duration::from_secs(10),
        }
    }
}

/// Serves the gateway on a socket until `stop` is ready, then finishes the requests in progress.
pub async fn serve<S: Store>(
    listener: TcpListener,
    gateway: Arc<Gateway<S>>,
    limits: Limits,
    log: Log,
    stop: impl Future<Output = ()>,
) {
    let slots = Slots::new(limits.connections);
    let (stopping, _) = watch::channel(false);
    let mut connections = JoinSet::new();
    tokio::pin!(stop);
    loop {
        tokio::select! {
            () = &mut stop => break,
            Some(_) = connections.join_next() => {}
            accepted = listener.accept() => match accepted {
                Ok((stream, peer)) => {
                    if let Some(slot) = slots.take(peer.ip()) {
                        let gateway = Arc::clone(&gateway);
                        connections.spawn(connection(stream, peer.ip(), gateway, limits, slot, stopping.subscribe()));
                    }
                }
                Err(error) => {
                    // Usually there are no descriptors left: an idle connection gives its own back.
                    log.error(&format!("could not accept a connection: {error}"));
                    slots.evict_one();
                    sleep(Duration::from_millis(50)).await;
                }
            },
        }
    }
    drop(listener);
    stopping.send_replace(true);
    let _ = timeout(limits.stop_time, async { while connections.join_next().await.is_some() {} }).await;
}

/// Serves one connection until it ends, it is evicted, or the server stops.
async fn connection<S: Store>(
    stream: TcpStream,
    peer: IpAddr,
    gateway: Arc<Gateway<S>>,
    limits: Limits,
    slot: Slot,
    mut stopping: watch::Receiver<bool>,
) {
    let _ = stream.set_nodelay(true);
    let slot = &slot;
    let gateway = &gateway;
    let service = service_fn(async |request| Ok::<_, Infallible>(exchange(request, peer, gateway, limits, slot).await));
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.head_time)
        .max_buf_size(limits.head_size)
        // A client may close its half of the connection after its request.
        .half_close(true)
        .title_case_headers(true)
        // A reply is short: it is quicker to copy it into one piece than to write two.
        .writev(false)
        .serve_connection(TokioIo::new(stream), service);
    tokio::pin!(connection);
    tokio::select! {
        // A client that hangs up is not worth a log line.
        _ = connection.as_mut() => return,
        () = slot.evicted() => return,
        _ = stopping.wait_for(|stopping| *stopping) => {}
    }
    connection.as_mut().graceful_shutdown();
    let _ = connection.await;
}

/// Answers one request.
async fn exchange<S: Store>(
    request: Request<Incoming>,
    peer: IpAddr,
    gateway: &Gateway<S>,
    limits: Limits,
    slot: &Slot,
) -> Response<String> {
    let (parts, body) = request.into_parts();
    let form = read_form(&parts.method, body, limits.body_time).await;
    let body = form.as_ref().map_or_else(|fault| *fault, |form| Body::Whole(form));
    let mut response = {
        let _busy = slot.busy();
        gateway.answer(&parts, body, Some(peer)).await
    };
    if parts.version == Version::HTTP_10 {
        *response.version_mut() = Version::HTTP_10;
    }
    // inadyn and ez-ipupdate read until the connection is closed. And the rest of a broken form must
    // not be taken for the next request.
    if parts.version == Version::HTTP_10 || form.is_err() {
        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    }
    response
}

/// The body of a POST or PUT, or what is wrong with it. Other methods' bodies are not read.
async fn read_form(method: &Method, body: Incoming, limit: Duration) -> Result<Vec<u8>, Body<'static>> {
    if ![Method::POST, Method::PUT].contains(method) {
        return Ok(Vec::new());
    }
    if body.size_hint().lower() > MAX_FORM as u64 {
        return Err(Body::TooLarge);
    }
    timeout(limit, collect(body)).await.unwrap_or(Err(Body::Broken))
}

/// The octets of a body, up to [`MAX_FORM`].
async fn collect(mut body: Incoming) -> Result<Vec<u8>, Body<'static>> {
    let mut form = Vec::new();
    while let Some(frame) = body.frame().await {
        let Ok(frame) = frame else { return Err(Body::Broken) };
        let octets = frame.into_data().unwrap_or_default();
        if form.len() + octets.len() > MAX_FORM {
            return Err(Body::TooLarge);
        }
        // Copied, because a frame keeps a whole buffer of the connection alive, even for one octet.
        form.extend_from_slice(&octets);
    }
    Ok(form)
}
