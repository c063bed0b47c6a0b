//! The local HTTP server: HTTP/1.0 and 1.1 on a socket, bounded in every direction.

use std::{
    collections::BTreeMap,
    convert::Infallible,
    future::Future,
    net::IpAddr,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, Version, header::CONNECTION};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::{
    body::{Body as _, Incoming},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{Notify, watch},
    task::JoinSet,
    time::{sleep, timeout},
};

use crate::{
    gateway::Gateway,
    log::Log,
    parameters::{Body, MAX_FORM},
    store::Store,
};

/// What a client may take and use up.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Open connections. One more, and the one that has been idle for longest is closed.
    pub connections: usize,
    /// The time for a request's head to arrive, counted from when we wait for it.
    pub head_time: Duration,
    /// Octets of a request's head.
    pub head_size: usize,
    /// The time for a request's body to arrive.
    pub body_time: Duration,
    /// The time that requests in flight have when the server stops.
    pub stop_time: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            // With DNS and the store's files, within the 1024 descriptors that a process has by default.
            connections: 512,
            head_time: Duration::from_secs(10),
            head_size: 16 * 1024,
            body_time: Duration::from_secs(10),
            stop_time: Duration::from_secs(10),
        }
    }
}

/// Serves the gateway on a socket until `stop` is there, then finishes what is in flight.
pub async fn serve<S: Store>(
    listener: TcpListener,
    gateway: Arc<Gateway<S>>,
    limits: Limits,
    log: Log,
    stop: impl Future<Output = ()>,
) {
    let seats = Arc::new(Seats::default());
    let (stopping, _) = watch::channel(false);
    let mut connections = JoinSet::new();
    tokio::pin!(stop);
    loop {
        tokio::select! {
            () = &mut stop => break,
            Some(_) = connections.join_next() => {}
            accepted = listener.accept() => match accepted {
                Ok((stream, peer)) => {
                    if let Some(seat) = Seat::take(&seats, limits.connections) {
                        let gateway = Arc::clone(&gateway);
                        connections.spawn(connection(stream, peer.ip(), gateway, limits, seat, stopping.subscribe()));
                    }
                }
                Err(error) => {
                    // Out of descriptors, as a rule: others will be closed soon.
                    log.error(&format!("could not accept a connection: {error}"));
                    sleep(Duration::from_millis(50)).await;
                }
            },
        }
    }
    drop(listener);
    stopping.send_replace(true);
    let _ = timeout(limits.stop_time, async { while connections.join_next().await.is_some() {} }).await;
}

/// Serves one connection until it ends, its seat is needed, or the server stops.
async fn connection<S: Store>(
    stream: TcpStream,
    peer: IpAddr,
    gateway: Arc<Gateway<S>>,
    limits: Limits,
    seat: Seat,
    mut stopping: watch::Receiver<bool>,
) {
    let _ = stream.set_nodelay(true);
    let seat = &seat;
    let gateway = &gateway;
    let service = service_fn(async |request| Ok::<_, Infallible>(exchange(request, peer, gateway, limits, seat).await));
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.head_time)
        .max_buf_size(limits.head_size)
        // A client may close its half once it has asked.
        .half_close(true)
        .title_case_headers(true)
        .serve_connection(TokioIo::new(stream), service);
    tokio::pin!(connection);
    tokio::select! {
        // A client that broke off is no news.
        _ = connection.as_mut() => return,
        () = seat.occupant.leave.notified() => return,
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
    seat: &Seat,
) -> Response<String> {
    let (parts, body) = request.into_parts();
    let form = read_form(&parts.method, body, limits.body_time).await;
    let body = form.as_ref().map_or_else(|fault| *fault, |form| Body::Whole(form));
    let mut response = {
        let _busy = seat.busy();
        gateway.answer(&parts, body, Some(peer)).await
    };
    if parts.version == Version::HTTP_10 {
        *response.version_mut() = Version::HTTP_10;
    }
    // inadyn and ez-ipupdate read until the connection is closed; and what is left of a broken form is
    // no request.
    if parts.version == Version::HTTP_10 || form.is_err() {
        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    }
    response
}

/// The body of a POST or PUT, or why there is none; others' are not looked at.
async fn read_form(method: &Method, body: Incoming, limit: Duration) -> Result<Bytes, Body<'static>> {
    if ![Method::POST, Method::PUT].contains(method) {
        return Ok(Bytes::new());
    }
    if body.size_hint().lower() > MAX_FORM as u64 {
        return Err(Body::TooLarge);
    }
    match timeout(limit, Limited::new(body, MAX_FORM).collect()).await {
        Ok(Ok(form)) => Ok(form.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(Body::TooLarge),
        Ok(Err(_)) | Err(_) => Err(Body::Broken),
    }
}

/// The open connections, in the order they came.
#[derive(Default)]
struct Seats(Mutex<Taken>);

/// The seats that are taken, and the number of the next.
#[derive(Default)]
struct Taken {
    /// By number.
    occupants: BTreeMap<u64, Arc<Occupant>>,
    /// The number of the next.
    next: u64,
}

/// One open connection, seen from outside.
#[derive(Default)]
struct Occupant {
    /// Whether a request of it is being answered.
    busy: AtomicBool,
    /// Told when its seat is needed.
    leave: Notify,
}

/// The place of an open connection among those that there may be; given back when dropped.
struct Seat {
    /// All seats.
    seats: Arc<Seats>,
    /// Rises with each connection.
    number: u64,
    /// The connection.
    occupant: Arc<Occupant>,
}

impl Seats {
    /// The seats; a panic elsewhere leaves them as they are.
    fn lock(&self) -> MutexGuard<'_, Taken> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Seat {
    /// Takes a seat. Where all are taken, the connection that came first of those that are not
    /// being answered gives way; where all are being answered, there is none.
    fn take(seats: &Arc<Seats>, limit: usize) -> Option<Self> {
        let mut taken = seats.lock();
        if taken.occupants.len() >= limit {
            let mut idle = taken.occupants.iter().filter(|(_, occupant)| !occupant.busy.load(Ordering::Relaxed));
            let number = *idle.next()?.0;
            taken.occupants.remove(&number)?.leave.notify_one();
        }
        let number = taken.next;
        taken.next += 1;
        let occupant = Arc::<Occupant>::default();
        taken.occupants.insert(number, Arc::clone(&occupant));
        Some(Self { seats: Arc::clone(seats), number, occupant })
    }

    /// Keeps the seat while what is returned lives.
    fn busy(&self) -> Busy<'_> {
        self.occupant.busy.store(true, Ordering::Relaxed);
        Busy(&self.occupant)
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.seats.lock().occupants.remove(&self.number);
    }
}

/// A connection whose request is being answered.
struct Busy<'a>(&'a Occupant);

impl Drop for Busy<'_> {
    fn drop(&mut self) {
        self.0.busy.store(false, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_connection_that_was_idle_first_gives_way() {
        let seats = Arc::<Seats>::default();
        let first = Seat::take(&seats, 2).unwrap();
        let second = Seat::take(&seats, 2).unwrap();
        let busy = first.busy();
        let third = Seat::take(&seats, 2).unwrap();
        let numbers: Vec<_> = seats.lock().occupants.keys().copied().collect();
        assert_eq!(numbers, [first.number, third.number], "the second gave way");
        drop(second);
        assert_eq!(seats.lock().occupants.len(), 2);
        drop(busy);
    }

    #[test]
    fn who_is_being_answered_keeps_the_seat() {
        let seats = Arc::<Seats>::default();
        let only = Seat::take(&seats, 1).unwrap();
        let busy = only.busy();
        assert!(Seat::take(&seats, 1).is_none());
        drop(busy);
        assert!(Seat::take(&seats, 1).is_some());
    }
}
