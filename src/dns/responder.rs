//! From the octets of a message to the octets of its answer.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use hickory_server::{
    net::xfer::Protocol,
    proto::{
        op::{Edns, Header, HeaderCounts, MessageType, Metadata, ResponseCode},
        serialize::binary::{BinDecodable, BinDecoder, BinEncodable, BinEncoder},
    },
    server::Request,
    zone_handler::MessageResponseBuilder,
};

use super::{
    answer::{Answer, answer},
    name_server::NameServer,
};
use crate::{log::Log, store::embedded::Embedded};

/// The longest question, in octets. A question with EDNS, padding (RFC 8467) and a signature has less
/// than half of it.
pub(super) const MAX_QUESTION: usize = 4096;
/// The largest UDP answer without EDNS (RFC 1035 §4.2.1).
const MIN_PAYLOAD: u16 = 512;
/// The largest UDP answer with EDNS: it passes today's networks in one piece.
const MAX_PAYLOAD: u16 = 1232;

/// Answers single messages, over any transport.
#[derive(Clone)]
pub struct Responder {
    /// The records.
    store: Arc<Embedded>,
    /// The name server of the zones.
    name_server: NameServer,
    /// The log: one line if the store fails, and one if it works again.
    pub(super) log: Log,
    /// Whether the last read of the store failed.
    failing: Arc<AtomicBool>,
}

impl Responder {
    /// A responder that reads this store.
    pub fn new(store: Arc<Embedded>, name_server: NameServer, log: Log) -> Self {
        Self { store, name_server, log, failing: Arc::default() }
    }

    /// The octets that answer a message; `None` if it must not be answered.
    pub fn respond(&self, message: Vec<u8>, peer: SocketAddr, protocol: Protocol) -> Option<Vec<u8>> {
        let Header { metadata: header, counts } = Header::read(&mut BinDecoder::new(&message)).ok()?;
        // Never answer a response: two servers could go on forever.
        if header.message_type == MessageType::Response {
            return None;
        }
        let mut metadata = Metadata::response_from_request(&header);
        // Before hickory parses the message: see `is_question`.
        if !is_question(counts) {
            metadata.response_code = ResponseCode::FormErr;
            return encode_header(metadata);
        }
        match Request::from_bytes(message, peer, protocol) {
            Ok(request) => self.encode(&request, metadata),
            Err(_) if protocol == Protocol::Udp => {
                metadata.response_code = ResponseCode::FormErr;
                encode_header(metadata)
            }
            // The next message may not begin where it seems to.
            Err(_) => None,
        }
    }

    /// The octets that answer a question.
    fn encode(&self, request: &Request, mut metadata: Metadata) -> Option<Vec<u8>> {
        let edns = request.edns.as_ref().map(response_edns);
        let Answer { code, authoritative, answers, authority, additionals } = self.answer(request);
        metadata.response_code = code;
        metadata.authoritative = authoritative;
        let response = MessageResponseBuilder::new(&request.queries, edns.as_ref()).build(
            metadata,
            &answers,
            [],
            &authority,
            &additionals,
        );
        let mut octets = Vec::new();
        let mut encoder = BinEncoder::new(&mut octets);
        encoder.set_max_size(match (request.protocol(), &edns) {
            (Protocol::Udp, Some(edns)) => edns.max_payload(),
            (Protocol::Udp, None) => MIN_PAYLOAD,
            _ => u16::MAX,
        });
        if response.destructive_emit(&mut encoder).is_ok() {
            return Some(octets);
        }
        metadata.response_code = ResponseCode::ServFail;
        encode_header(metadata)
    }

    /// The answer to a message. Logs when the store begins to fail and when it works again.
    fn answer(&self, request: &Request) -> Answer {
        let answer = answer(request, &self.store, &self.name_server);
        match (&answer, self.failing.swap(answer.is_err(), Ordering::Relaxed)) {
            (Err(error), false) => self.log.error(&format!("DNS questions are answered with SERVFAIL: {error}")),
            (Ok(_), true) => self.log.info("DNS questions are answered again"),
            _ => {}
        }
        answer.unwrap_or(Answer::nothing(ResponseCode::ServFail))
    }
}

/// The octets of a message that consists of its header.
fn encode_header(metadata: Metadata) -> Option<Vec<u8>> {
    let mut octets = Vec::new();
    let header = Header { metadata, counts: HeaderCounts::default() };
    header.emit(&mut BinEncoder::new(&mut octets)).ok()?;
    Some(octets)
}

/// The OPT record of an answer: version 0, no option.
fn response_edns(request: &Edns) -> Edns {
    let mut edns = Edns::new();
    // hickory takes this as the limit of the answer's size, so it must not exceed what the client takes.
    edns.set_max_payload(request.max_payload().min(MAX_PAYLOAD));
    // RFC 3225 §3: "The DO bit of the query MUST be copied in the response."
    edns.set_dnssec_ok(request.flags().dnssec_ok);
    edns
}

/// Whether these counts are those of a question: one query and, in the additional section, at most
/// EDNS and one more record such as a signature.
///
/// hickory allocates for the announced number of queries: 20 MB for a message of 12 octets. And it
/// parses every record: 4 KB of records with compressed names took a millisecond.
fn is_question(counts: HeaderCounts) -> bool {
    counts.queries == 1 && counts.answers == 0 && counts.authorities == 0 && counts.additionals <= 2
}
