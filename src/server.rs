//! The local HTTP server: HTTP/1.0 and 1.1 on a socket, bounded in every direction.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, HashMap},
    convert::Infallible,
    future::Future,
    net::{IpAddr, Ipv6Addr},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

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
    sync::{Notify, watch},
    task::JoinSet,
    time::{sleep, timeout},
};

use crate::{
    gateway::Gateway,
    log::Log,
    protocol::parameters::{Body, MAX_FORM},
    store::Store,
};

/// What a client may take and use up.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Open connections. One more, and one that is idle is closed: of the network that has most, the
    /// one that came first.
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
                    if let Some(seat) = Seat::take(&seats, peer.ip(), limits.connections) {
                        let gateway = Arc::clone(&gateway);
                        connections.spawn(connection(stream, peer.ip(), gateway, limits, seat, stopping.subscribe()));
                    }
                }
                Err(error) => {
                    // Out of descriptors, as a rule: they are not left to connections that are idle.
                    log.error(&format!("could not accept a connection: {error}"));
                    seats.lock().make_room();
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
        // A reply is short: one piece costs less than two.
        .writev(false)
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
async fn read_form(method: &Method, body: Incoming, limit: Duration) -> Result<Vec<u8>, Body<'static>> {
    if ![Method::POST, Method::PUT].contains(method) {
        return Ok(Vec::new());
    }
    if body.size_hint().lower() > MAX_FORM as u64 {
        return Err(Body::TooLarge);
    }
    timeout(limit, collect(body)).await.unwrap_or(Err(Body::Broken))
}

/// The octets of a body, if they are not too many.
async fn collect(mut body: Incoming) -> Result<Vec<u8>, Body<'static>> {
    let mut form = Vec::new();
    while let Some(frame) = body.frame().await {
        let Ok(frame) = frame else { return Err(Body::Broken) };
        let octets = frame.into_data().unwrap_or_default();
        if form.len() + octets.len() > MAX_FORM {
            return Err(Body::TooLarge);
        }
        // Copied: a frame, which may be of one octet, keeps a buffer of the connection alive.
        form.extend_from_slice(&octets);
    }
    Ok(form)
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
struct Occupant {
    /// Whose it is.
    network: IpAddr,
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

impl Taken {
    /// Has one connection of those that are not being answered give way, if there are any: of the
    /// network that has most connections, the one that came first. So whoever opens many loses their
    /// own and nobody else's.
    fn make_room(&mut self) -> Option<()> {
        let mut crowds = HashMap::<IpAddr, usize>::new();
        for occupant in self.occupants.values() {
            *crowds.entry(occupant.network).or_default() += 1;
        }
        let idle = self.occupants.iter().filter(|(_, occupant)| !occupant.busy.load(Ordering::Relaxed));
        let (number, _) = idle.max_by_key(|(number, occupant)| (crowds.get(&occupant.network), Reverse(**number)))?;
        let number = *number;
        self.occupants.remove(&number)?.leave.notify_one();
        Some(())
    }
}

/// The network that an address is counted with: what one subscriber has.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => address.into(),
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() >> 64 << 64).into(),
    }
}

impl Seat {
    /// Takes a seat for a connection of this peer. Where all are taken, one that is idle gives way;
    /// where all are being answered, there is none.
    fn take(seats: &Arc<Seats>, peer: IpAddr, limit: usize) -> Option<Self> {
        let mut taken = seats.lock();
        if taken.occupants.len() >= limit {
            taken.make_room()?;
        }
        let number = taken.next;
        taken.next += 1;
        let occupant =
            Arc::new(Occupant { network: network(peer), busy: AtomicBool::new(false), leave: Notify::new() });
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

    /// Takes a seat for a peer.
    fn take(seats: &Arc<Seats>, peer: &str, limit: usize) -> Option<Seat> {
        Seat::take(seats, peer.parse().unwrap(), limit)
    }

    /// The numbers of those who sit.
    fn numbers(seats: &Seats) -> Vec<u64> {
        seats.lock().occupants.keys().copied().collect()
    }

    #[test]
    fn the_connection_that_was_idle_first_gives_way() {
        let seats = Arc::<Seats>::default();
        let first = take(&seats, "192.0.2.1", 2).unwrap();
        let second = take(&seats, "192.0.2.1", 2).unwrap();
        let busy = first.busy();
        let third = take(&seats, "192.0.2.1", 2).unwrap();
        assert_eq!(numbers(&seats), [first.number, third.number], "the second gave way");
        drop(second);
        assert_eq!(numbers(&seats).len(), 2);
        drop(busy);
    }

    #[test]
    fn who_is_being_answered_keeps_the_seat() {
        let seats = Arc::<Seats>::default();
        let only = take(&seats, "192.0.2.1", 1).unwrap();
        let busy = only.busy();
        assert!(take(&seats, "192.0.2.1", 1).is_none());
        drop(busy);
        assert!(take(&seats, "192.0.2.1", 1).is_some());
    }

    #[test]
    fn who_opens_many_takes_no_one_elses_seat() {
        for (honest, many) in [
            ("192.0.2.1", ["192.0.2.2", "192.0.2.2", "::ffff:192.0.2.2"]),
            ("2001:db8::1", ["2001:db8:0:1::1", "2001:db8:0:1::2", "2001:db8:0:1:ffff::3"]),
        ] {
            let seats = Arc::<Seats>::default();
            let first = take(&seats, honest, 8).unwrap();
            let rest: Vec<_> = many.iter().cycle().take(100).map(|peer| take(&seats, peer, 8).unwrap()).collect();
            let second = take(&seats, honest, 8).unwrap();
            let after: Vec<_> = many.iter().cycle().take(100).map(|peer| take(&seats, peer, 8).unwrap()).collect();
            let sitting = numbers(&seats);
            assert_eq!(sitting.len(), 8);
            assert!(sitting.contains(&first.number) && sitting.contains(&second.number), "{honest}: {sitting:?}");
            drop((rest, after));
        }
    }
}
