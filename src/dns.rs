//! The DNS server of the embedded store: authoritative, over UDP and TCP.
//!
//! hickory reads and writes the messages and serves UDP; what is answered is decided in
//! [`answer()`]. Connections are accepted here, since hickory does not bound their number: a flood of
//! them waits in the system's queue, and none is held for long.

mod answer;

use std::{
    net::SocketAddr,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use futures_util::StreamExt;
use hickory_server::{
    Server,
    net::{
        runtime::{Time, TokioTime, iocompat::AsyncIoTokioAsStd},
        tcp,
        xfer::Protocol,
    },
    proto::{
        op::{Edns, Header, HeaderCounts, MessageType, Metadata, ResponseCode},
        rr::{RData, Record},
    },
    server::{Request, RequestHandler, ResponseHandle, ResponseHandler, ResponseInfo, TimeoutStream},
    zone_handler::MessageResponseBuilder,
};
use tokio::{
    net::{TcpListener, TcpStream, UdpSocket},
    sync::Semaphore,
    task::JoinSet,
    time::{sleep, timeout},
};

use self::answer::{Answer, answer};
use crate::{log::Log, store::embedded::Embedded};

/// Connections that are served at a time.
const CONNECTIONS: usize = 128;
/// How long a connection may keep silent, or take over one question.
const SILENCE: Duration = Duration::from_secs(5);
/// How long a connection is served in all.
const LIFETIME: Duration = Duration::from_secs(30);
/// The largest message sent over UDP: what passes any network of today in one piece.
const MAX_PAYLOAD: u16 = 1232;

/// Serves the records of the store until `stop` is there.
pub async fn serve(udp: UdpSocket, tcp: TcpListener, store: Arc<Embedded>, log: Log, stop: impl Future<Output = ()>) {
    let responder = Responder { store, log, failing: Arc::default() };
    let mut server = Server::new(responder.clone());
    server.register_socket(udp);
    tokio::select! {
        () = stop => {}
        ended = server.block_until_done() => log.error(&format!("DNS is served no longer: {ended:?}")),
        () = accept(tcp, responder) => {}
    }
    let _ = server.shutdown_gracefully().await;
}

/// Accepts connections for ever, and serves so many at a time.
async fn accept(tcp: TcpListener, responder: Responder) {
    let seats = Arc::new(Semaphore::new(CONNECTIONS));
    let mut connections = JoinSet::new();
    while let Ok(seat) = Arc::clone(&seats).acquire_owned().await {
        match tcp.accept().await {
            Ok((stream, peer)) => {
                let responder = responder.clone();
                connections.spawn(async move {
                    let _ = timeout(LIFETIME, converse(stream, peer, responder)).await;
                    drop(seat);
                });
            }
            Err(error) => {
                // Out of descriptors, as a rule: others will be closed soon.
                responder.log.error(&format!("could not accept a DNS connection: {error}"));
                sleep(Duration::from_millis(50)).await;
            }
        }
        while connections.try_join_next().is_some() {}
    }
}

/// Answers the questions of one connection, until it is silent or says what is none.
async fn converse(stream: TcpStream, peer: SocketAddr, responder: Responder) {
    let (questions, answers) = tcp::TcpStream::from_stream_with_buffer_size(AsyncIoTokioAsStd(stream), peer, 1);
    let mut questions = pin!(TimeoutStream::new(questions, SILENCE));
    while let Some(Ok(question)) = questions.next().await {
        let Ok(request) = Request::from_bytes(question.into_parts().0, peer, Protocol::Tcp) else { return };
        if request.metadata.message_type == MessageType::Response {
            return;
        }
        let answers = ResponseHandle::new(peer, answers.clone(), Protocol::Tcp);
        responder.handle_request::<_, TokioTime>(&request, answers).await;
    }
}

/// Answers single messages.
#[derive(Clone)]
struct Responder {
    store: Arc<Embedded>,
    log: Log,
    /// Whether the store could not be read when it was last asked.
    failing: Arc<AtomicBool>,
}

#[async_trait]
impl RequestHandler for Responder {
    async fn handle_request<R: ResponseHandler, T: Time>(
        &self,
        request: &Request,
        mut response_handle: R,
    ) -> ResponseInfo {
        let edns = request.edns.as_ref().map(response_edns);
        let mut metadata = Metadata::response_from_request(&request.metadata);
        let Answer { code, authoritative, mut answers, authority } = self.answer(request);
        metadata.response_code = code;
        metadata.authoritative = authoritative;
        if request.protocol() == Protocol::Udp && size(request, &answers) > usize::from(max_payload(edns.as_ref())) {
            metadata.truncation = true;
            answers.clear();
        }
        let response =
            MessageResponseBuilder::new(&request.queries, edns.as_ref()).build(metadata, &answers, [], &authority, []);
        // Where it cannot be sent, its asker has gone, or asks again.
        let sent = response_handle.send_response(response).await;
        sent.unwrap_or_else(|_| Header { metadata, counts: HeaderCounts::default() }.into())
    }
}

impl Responder {
    /// The answer to a message. Whether the store fails is logged when it changes.
    fn answer(&self, request: &Request) -> Answer {
        let answer = answer(request, &self.store);
        match (&answer, self.failing.swap(answer.is_err(), Ordering::Relaxed)) {
            (Err(error), false) => self.log.error(&format!("DNS questions are answered with SERVFAIL: {error}")),
            (Ok(_), true) => self.log.info("DNS questions are answered again"),
            _ => {}
        }
        answer.unwrap_or(Answer::nothing(ResponseCode::ServFail))
    }
}

/// The OPT record of an answer: version 0, no option.
fn response_edns(request: &Edns) -> Edns {
    let mut edns = Edns::new();
    // hickory takes this for the answer's size, so that it must not be more than was asked for.
    edns.set_max_payload(request.max_payload().min(MAX_PAYLOAD));
    // RFC 3225 §3: "The DO bit of the query MUST be copied in the response."
    edns.set_dnssec_ok(request.flags().dnssec_ok);
    edns
}

/// The size that an answer over UDP may have.
fn max_payload(edns: Option<&Edns>) -> u16 {
    edns.map_or(512, Edns::max_payload)
}

/// The size of an answer with these records, whose name is that of the question.
fn size(request: &Request, answers: &[Record]) -> usize {
    /// Header, and OPT record.
    const FRAME: usize = 12 + 11;
    /// A pointer to the name, type, class, TTL and length.
    const HEAD: usize = 2 + 2 + 2 + 4 + 2;
    let data = answers.iter().map(|answer| HEAD + if matches!(answer.data, RData::AAAA(_)) { 16 } else { 4 });
    FRAME + request.queries.as_bytes().len() + data.sum::<usize>()
}
