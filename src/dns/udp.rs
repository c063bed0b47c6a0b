//! DNS over UDP: a datagram a message.

use std::{sync::Arc, time::Duration};

use hickory_server::net::xfer::Protocol;
use tokio::{net::UdpSocket, task::JoinSet, time::sleep};

use super::responder::{MAX_QUESTION, Responder};

/// Datagrams that are answered at a time.
const DATAGRAMS: usize = 64;

/// Receives datagrams forever, and answers up to [`DATAGRAMS`] at a time. A flood waits in the
/// system's queue.
pub(super) async fn receive(udp: UdpSocket, responder: Responder) {
    let udp = Arc::new(udp);
    let mut answering = JoinSet::new();
    let mut octets = vec![0; MAX_QUESTION];
    loop {
        match udp.recv_from(&mut octets).await {
            Ok((length, peer)) => {
                let (udp, responder, message) = (Arc::clone(&udp), responder.clone(), octets[..length].to_vec());
                // In its own task, so that a panic affects no other answer.
                answering.spawn(async move {
                    if let Some(answer) = responder.respond(message, peer, Protocol::Udp) {
                        // If it cannot be sent, the client has gone or will ask again.
                        let _ = udp.send_to(&answer, peer).await;
                    }
                });
            }
            Err(error) => {
                responder.log.error(&format!("could not receive a DNS message: {error}"));
                sleep(Duration::from_millis(50)).await;
            }
        }
        while answering.len() >= DATAGRAMS {
            answering.join_next().await;
        }
        while answering.try_join_next().is_some() {}
    }
}
