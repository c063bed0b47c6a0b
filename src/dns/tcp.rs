//! DNS over TCP: every message follows its length in two octets (RFC 1035 §4.2.2).

use std::{io, net::SocketAddr, time::Duration};

use hickory_server::net::xfer::Protocol;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
    task::JoinSet,
    time::{sleep, timeout},
};

use super::responder::{MAX_QUESTION, Responder};
use crate::server::slots::{Slot, Slots};

/// Open connections. One more evicts one: the oldest of the network with the most connections.
pub(super) const CONNECTIONS: usize = 128;
/// How long a connection may be silent, or spend on one message.
const SILENCE: Duration = Duration::from_secs(5);
/// How long a connection is served in total.
const LIFETIME: Duration = Duration::from_secs(30);

/// Accepts connections forever, and serves up to [`CONNECTIONS`] at a time.
pub(super) async fn accept(tcp: TcpListener, responder: Responder) {
    let slots = Slots::new(CONNECTIONS);
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            Some(_) = connections.join_next() => {}
            accepted = tcp.accept() => match accepted {
                Ok((stream, peer)) => {
                    if let Some(slot) = slots.take(peer.ip()) {
                        connections.spawn(connection(stream, peer, responder.clone(), slot));
                    }
                }
                Err(error) => {
                    // Usually there are no descriptors left: a connection gives its own back.
                    responder.log.error(&format!("could not accept a DNS connection: {error}"));
                    slots.evict_one();
                    sleep(Duration::from_millis(50)).await;
                }
            },
        }
    }
}

/// Serves one connection until it ends, it is evicted, or its time is up.
async fn connection(stream: TcpStream, peer: SocketAddr, responder: Responder, slot: Slot) {
    tokio::select! {
        () = slot.evicted() => {}
        // A client that hangs up is not worth a log line.
        _ = timeout(LIFETIME, converse(stream, peer, responder)) => {}
    }
}

/// Answers the questions of one connection, until it is silent or sends something else.
async fn converse(mut stream: TcpStream, peer: SocketAddr, responder: Responder) -> io::Result<()> {
    let _ = stream.set_nodelay(true);
    let (questions, mut answers) = stream.split();
    let mut questions = BufReader::with_capacity(1024, questions);
    loop {
        let question = timeout(SILENCE, read_message(&mut questions)).await??;
        let Some(answer) = responder.respond(question, peer, Protocol::Tcp) else { return Ok(()) };
        let length = u16::try_from(answer.len()).map_err(io::Error::other)?;
        timeout(SILENCE, answers.write_all(&[&length.to_be_bytes(), &*answer].concat())).await??;
    }
}

/// Reads one message. One that is too long to be a question is an error.
async fn read_message(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<Vec<u8>> {
    let length = usize::from(stream.read_u16().await?);
    if length > MAX_QUESTION {
        return Err(io::ErrorKind::InvalidData.into());
    }
    let mut message = vec![0; length];
    stream.read_exact(&mut message).await?;
    Ok(message)
}
