//! Questions to one DNS server: over UDP, and over TCP if the answer does not fit.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    time::Duration,
};

use hickory_server::proto::{
    op::{Message, Query, ResponseCode},
    rr::{Name, RData, Record, RecordType},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpStream, UdpSocket},
    time::timeout,
};

/// The time for one attempt.
const TIMEOUT: Duration = Duration::from_secs(2);
/// How often a question is sent.
const TRIES: usize = 2;

/// The answer of a server.
#[derive(Clone, Debug)]
pub(super) struct Answer {
    /// `NOERROR`, `NXDOMAIN`, …
    pub code: ResponseCode,
    /// Whether the server is authoritative for the zone.
    pub authoritative: bool,
    /// The records.
    pub records: Vec<Record>,
    /// The records of the authority section: a referral's name servers.
    pub authorities: Vec<Record>,
    /// The records of the additional section: their addresses.
    pub additionals: Vec<Record>,
}

impl Answer {
    /// The addresses among the records.
    pub(super) fn addresses(&self) -> impl Iterator<Item = IpAddr> {
        self.records.iter().filter_map(|record| address(&record.data))
    }
}

/// The address in a record.
pub(super) fn address(data: &RData) -> Option<IpAddr> {
    match data {
        RData::A(address) => Some(IpAddr::V4(address.0)),
        RData::AAAA(address) => Some(IpAddr::V6(address.0)),
        _ => None,
    }
}

/// Asks one question. `recurse` asks a resolver to look further; without it, a name server answers what it has.
///
/// # Errors
///
/// If no answer arrives, and why.
pub(super) async fn ask(server: SocketAddr, name: &Name, kind: RecordType, recurse: bool) -> Result<Answer, String> {
    let mut question = Message::query();
    question.metadata.recursion_desired = recurse;
    question.add_query(Query::query(name.clone(), kind));
    let bytes = question.to_vec().map_err(|error| format!("{name}: {error}"))?;
    let is_answer =
        |message: &Message| message.metadata.id == question.metadata.id && message.queries == question.queries;
    let mut problem = format!("no answer within {} s", TIMEOUT.as_secs());
    for _ in 0..TRIES {
        let message = match timeout(TIMEOUT, over_udp(server, &bytes, is_answer)).await {
            Ok(Ok(message)) if message.metadata.truncation => match timeout(TIMEOUT, over_tcp(server, &bytes)).await {
                Ok(message) => message,
                Err(_) => continue,
            },
            Ok(message) => message,
            Err(_) => continue,
        };
        match message {
            Ok(message) => {
                return Ok(Answer {
                    code: message.metadata.response_code,
                    authoritative: message.metadata.authoritative,
                    records: message.answers,
                    authorities: message.authorities,
                    additionals: message.additionals,
                });
            }
            Err(error) => problem = error.to_string(),
        }
    }
    Err(problem)
}

/// Sends one datagram and waits for its answer.
async fn over_udp(server: SocketAddr, question: &[u8], is_answer: impl Fn(&Message) -> bool) -> io::Result<Message> {
    let any: IpAddr = if server.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    let socket = UdpSocket::bind((any, 0)).await?;
    socket.connect(server).await?;
    socket.send(question).await?;
    let mut bytes = [0; 4096];
    loop {
        let length = socket.recv(&mut bytes).await?;
        // Anything else on this port was sent by somebody who guesses.
        if let Ok(message) = Message::from_vec(&bytes[..length])
            && is_answer(&message)
        {
            return Ok(message);
        }
    }
}

/// The same over TCP (RFC 1035 §4.2.2: two octets of length first).
async fn over_tcp(server: SocketAddr, question: &[u8]) -> io::Result<Message> {
    let mut stream = TcpStream::connect(server).await?;
    let length = u16::try_from(question.len()).map_err(io::Error::other)?;
    stream.write_all(&[&length.to_be_bytes(), question].concat()).await?;
    let length = stream.read_u16().await?;
    let mut bytes = vec![0; usize::from(length)];
    stream.read_exact(&mut bytes).await?;
    Message::from_vec(&bytes).map_err(io::Error::other)
}

/// Reads `192.0.2.53`, `192.0.2.53:5353`, `2001:db8::53` or `[2001:db8::53]:5353`.
pub(super) fn parse_server(text: &str) -> Result<SocketAddr, String> {
    let bare = text.trim_start_matches('[').trim_end_matches(']');
    let with_port = || text.parse().ok();
    bare.parse()
        .map(|address: IpAddr| SocketAddr::new(address, 53))
        .ok()
        .or_else(with_port)
        .ok_or_else(|| "expected the address of a DNS server, such as 9.9.9.9 or 127.0.0.1:8054".to_owned())
}

/// A DNS server of the tests.
#[cfg(test)]
pub(super) mod testing {
    use super::*;

    /// Answers over UDP and TCP with what `answer` adds, until the test ends. With `truncates`, an answer over UDP is
    /// truncated.
    pub(in super::super) async fn server(
        truncates: bool,
        answer: impl Fn(&Query, &mut Message) + Send + Sync + Clone + 'static,
    ) -> SocketAddr {
        let tcp = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = tcp.local_addr().unwrap();
        let udp = UdpSocket::bind(address).await.unwrap();
        let by_tcp = answer.clone();
        tokio::spawn(async move {
            loop {
                let mut bytes = [0; 512];
                let (length, client) = udp.recv_from(&mut bytes).await.unwrap();
                let mut reply = reply(&bytes[..length], &answer);
                if truncates {
                    reply.metadata.truncation = true;
                    reply.answers.clear();
                }
                // A forged answer arrives first.
                udp.send_to(&Message::query().into_response().to_vec().unwrap(), client).await.unwrap();
                udp.send_to(&reply.to_vec().unwrap(), client).await.unwrap();
            }
        });
        tokio::spawn(async move {
            loop {
                let (mut stream, _) = tcp.accept().await.unwrap();
                let mut bytes = vec![0; stream.read_u16().await.unwrap().into()];
                stream.read_exact(&mut bytes).await.unwrap();
                let reply = reply(&bytes, &by_tcp).to_vec().unwrap();
                stream.write_u16(reply.len().try_into().unwrap()).await.unwrap();
                stream.write_all(&reply).await.unwrap();
            }
        });
        address
    }

    /// The reply to one question.
    fn reply(question: &[u8], answer: impl Fn(&Query, &mut Message)) -> Message {
        let question = Message::from_vec(question).unwrap();
        let mut reply = Message::response(question.metadata.id, question.metadata.op_code);
        reply.queries.clone_from(&question.queries);
        answer(&question.queries[0], &mut reply);
        reply
    }
}

#[cfg(test)]
mod tests {
    use hickory_server::proto::rr::rdata::A;

    use super::*;

    #[tokio::test]
    async fn an_answer_that_does_not_fit_is_asked_for_over_tcp() {
        for truncates in [false, true] {
            let server = testing::server(truncates, |query, reply| {
                let address = RData::A(A("192.0.2.1".parse().unwrap()));
                reply.metadata.authoritative = true;
                reply.add_answer(Record::from_rdata(query.name.clone(), 60, address));
            })
            .await;
            let name = Name::from_ascii("home.example.org.").unwrap();
            let answer = ask(server, &name, RecordType::A, false).await.unwrap();
            let addresses: Vec<_> = answer.addresses().collect();
            assert!(answer.authoritative && addresses == ["192.0.2.1".parse::<IpAddr>().unwrap()], "{answer:?}");
        }
    }

    #[test]
    fn a_server_is_an_address_with_or_without_a_port() {
        for (given, server) in [
            ("192.0.2.53", "192.0.2.53:53"),
            ("192.0.2.53:5353", "192.0.2.53:5353"),
            ("2001:db8::53", "[2001:db8::53]:53"),
            ("[2001:db8::53]", "[2001:db8::53]:53"),
            ("[2001:db8::53]:5353", "[2001:db8::53]:5353"),
        ] {
            assert_eq!(parse_server(given).map(|server| server.to_string()), Ok(server.to_owned()), "{given}");
        }
        for given in ["", "dns.example.org", "192.0.2.53:", "192.0.2.53:99999"] {
            assert!(parse_server(given).unwrap_err().contains("such as"), "{given}");
        }
    }
}
