//! HTTP and DNS on the wire, for tests that watch every octet.

use std::{
    io::{self, BufRead, BufReader, ErrorKind, Read, Write},
    net::{IpAddr, SocketAddr, TcpStream, UdpSocket},
    thread,
    time::Duration,
};

use base64::prelude::{BASE64_STANDARD, Engine};
use hickory_server::proto::{
    op::{Message, MessageType, OpCode, Query, ResponseCode},
    rr::{Name, RData, RecordType},
};
use nic53::protocol::{
    token::{Scope, Secret},
    zone::Zones,
};

/// How long we wait for an answer.
const PATIENCE: Duration = Duration::from_secs(30);

/// The header with the subtree token of a name, in the embedded store.
pub(crate) fn authorization(secret: &str, zones: &str, name: &str) -> String {
    let secret = Secret::new(secret).unwrap_or_else(|error| panic!("{error}"));
    let zones = Zones::parse(zones).expect("zones");
    let host = name.parse().expect("a host name");
    let token = secret.mint(Scope::Subtree, &host, zones.holding(&host).expect("a zone of it"), 0);
    format!("Authorization: Basic {}\r\n", BASE64_STANDARD.encode(format!("{name}:{}", token.reveal()).as_bytes()))
}

/// A connection that requests are sent over.
pub(crate) struct Connection(BufReader<TcpStream>);

impl Connection {
    /// Opens it.
    pub(crate) fn open(server: &str) -> io::Result<Self> {
        let stream = TcpStream::connect(server)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        stream.set_nodelay(true)?;
        Ok(Self(BufReader::new(stream)))
    }

    /// The socket itself.
    pub(crate) fn stream(&mut self) -> &mut TcpStream {
        self.0.get_mut()
    }

    /// Sends a GET with these header lines.
    pub(crate) fn get(&mut self, target: &str, headers: &str) -> io::Result<()> {
        self.stream().write_all(format!("GET {target} HTTP/1.1\r\nHost: x\r\n{headers}\r\n").as_bytes())
    }

    /// The status and body of the next reply.
    pub(crate) fn reply(&mut self) -> io::Result<(u16, String)> {
        let (mut status, mut length) = (None, 0);
        loop {
            let mut line = String::new();
            if self.0.read_line(&mut line)? == 0 {
                return Err(ErrorKind::UnexpectedEof.into());
            }
            match (line.trim_end().split_once(' '), status) {
                (Some((_, rest)), None) => status = rest.get(..3).and_then(|code| code.parse().ok()),
                (Some((name, value)), Some(_)) if name.eq_ignore_ascii_case("content-length:") => {
                    length = value.parse().map_err(|_| ErrorKind::InvalidData)?;
                }
                (Some(_), Some(_)) => {}
                (None, _) => break,
            }
        }
        let mut body = vec![0; length];
        self.0.read_exact(&mut body)?;
        Ok((status.ok_or(ErrorKind::InvalidData)?, String::from_utf8_lossy(&body).into_owned()))
    }
}

/// The question for the records of a name.
pub(crate) fn question(name: &str, kind: RecordType) -> Message {
    let mut message = Message::new(53, MessageType::Query, OpCode::Query);
    message.add_query(Query::query(Name::from_ascii(name).expect("a name"), kind));
    message
}

/// A question of nearly 4096 octets that is stuffed with answers: each is a CNAME from the question's
/// name of 126 labels to that name, compressed.
pub(crate) fn stuffed() -> Vec<u8> {
    let records = 270_u16;
    let mut octets = vec![0, 1, 1, 0, 0, 1];
    octets.extend(records.to_be_bytes());
    octets.extend([0; 4]);
    octets.extend([1, b'a'].repeat(126));
    octets.extend([0, 0, 1, 0, 1]);
    octets.extend([0xc0, 12, 0, 5, 0, 1, 0, 0, 0, 0, 0, 2, 0xc0, 12].repeat(records.into()));
    octets
}

/// Asks a DNS server over UDP, as a resolver does: again if no answer comes, since even loopback may
/// lose a datagram, and again if the server failed.
pub(crate) fn ask(dns: &str, question: &Message) -> Message {
    let dns: SocketAddr = dns.parse().expect("an address");
    let socket = UdpSocket::bind(("127.0.0.1", 0)).expect("a port");
    socket.set_read_timeout(Some(PATIENCE / 10)).expect("a socket");
    let question = question.to_vec().expect("a message");
    let mut answer = [0; 4096];
    for _ in 0..10 {
        socket.send_to(&question, dns).expect("loopback");
        if let Ok(length) = socket.recv(&mut answer) {
            let answer = Message::from_vec(&answer[..length]).expect("a message");
            if answer.metadata.response_code != ResponseCode::ServFail {
                return answer;
            }
            thread::sleep(PATIENCE / 1000);
        }
    }
    panic!("{dns} does not answer");
}

/// The addresses that a DNS server has for a name.
pub(crate) fn addresses(dns: &str, name: &str, kind: RecordType) -> Vec<IpAddr> {
    let answer = ask(dns, &question(name, kind));
    let address = |data: &RData| match data {
        RData::A(address) => Some(IpAddr::V4(address.0)),
        RData::AAAA(address) => Some(IpAddr::V6(address.0)),
        _ => None,
    };
    answer.answers.iter().filter_map(|record| address(&record.data)).collect()
}

/// The serial of a zone.
pub(crate) fn serial(dns: &str, zone: &str) -> u32 {
    match ask(dns, &question(zone, RecordType::SOA)).answers.first().map(|record| &record.data) {
        Some(RData::SOA(soa)) => soa.serial,
        other => panic!("{zone}: {other:?}"),
    }
}
