//! The DNS server of the embedded store: authoritative, over UDP and TCP.
//!
//! hickory reads and writes the messages; the module `answer` decides what they say. hickory's own
//! server is not used: it does not bound the number of connections, and it answers malformed
//! responses.

mod answer;
pub mod export;
mod name_server;
mod responder;
pub mod soa;
mod tcp;
mod udp;
pub mod zone_file;

use tokio::net::{TcpListener, UdpSocket};

pub use self::{name_server::NameServer, responder::Responder};

/// Answers questions until `stop` is ready.
pub async fn serve(udp: UdpSocket, tcp: TcpListener, responder: Responder, stop: impl Future<Output = ()>) {
    tokio::select! {
        () = stop => {}
        () = udp::receive(udp, responder.clone()) => {}
        () = tcp::accept(tcp, responder) => {}
    }
}

#[cfg(test)]
mod tests {
    use std::{
        net::{Ipv4Addr, SocketAddr},
        sync::Arc,
        time::Duration,
    };

    use hickory_server::{
        net::xfer::Protocol,
        proto::{
            op::{Edns, Message, MessageType, OpCode, Query, ResponseCode},
            rr::{DNSClass, Name, RData, Record, RecordType},
        },
    };
    use proptest::{prelude::*, test_runner::TestRunner};
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::{TcpSocket, TcpStream},
        sync::oneshot,
        task::JoinHandle,
        time::timeout,
    };

    use super::{responder::MAX_QUESTION, tcp::CONNECTIONS, *};
    use crate::{
        log::{Format, Level, Log},
        store::embedded::{
            Embedded,
            testing::{block_on, change, in_memory},
        },
    };

    /// A server in this process, and its store.
    struct Served {
        address: SocketAddr,
        store: Arc<Embedded>,
        stop: oneshot::Sender<()>,
        server: JoinHandle<()>,
    }

    impl Served {
        /// Serves these records of the zones `example.org` and `home.example.org`.
        async fn start(records: &[&str]) -> Self {
            Self::start_with(NameServer::default(), records).await
        }

        /// Serves them with this name server.
        async fn start_with(name_server: NameServer, records: &[&str]) -> Self {
            let store = Arc::new(in_memory("example.org=Z1,home.example.org=Z2"));
            for record in records {
                change(&store, &[record]).await.unwrap();
            }
            let tcp = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
            let address = tcp.local_addr().unwrap();
            let udp = UdpSocket::bind(address).await.unwrap();
            let (stop, stopped) = oneshot::channel();
            let log = Log { level: Level::Off, format: Format::Text };
            let responder = Responder::new(Arc::clone(&store), name_server, log);
            let serving = serve(udp, tcp, responder, async { stopped.await.unwrap_or_default() });
            Self { address, store, stop, server: tokio::spawn(serving) }
        }

        /// The octets of the answer over UDP.
        async fn udp(&self, question: &[u8]) -> Vec<u8> {
            let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
            socket.send_to(question, self.address).await.unwrap();
            let mut answer = vec![0; 65_535];
            let length = timeout(Duration::from_secs(10), socket.recv(&mut answer)).await.unwrap().unwrap();
            answer.truncate(length);
            answer
        }

        /// The octets of the answer over TCP.
        async fn tcp(&self, question: &[u8]) -> Vec<u8> {
            let mut stream = TcpStream::connect(self.address).await.unwrap();
            stream.write_all(&framed(question)).await.unwrap();
            read_framed(&mut stream).await.unwrap()
        }

        /// The answer to a message, over UDP.
        async fn ask(&self, question: &Message) -> Message {
            Message::from_vec(&self.udp(&question.to_vec().unwrap()).await).unwrap()
        }

        /// The answer to a question of the Internet class, over UDP.
        async fn lookup(&self, name: &str, kind: RecordType) -> Message {
            self.ask(&question(name, kind)).await
        }
    }

    /// A message as TCP carries it: its length comes first.
    fn framed(message: &[u8]) -> Vec<u8> {
        [&u16::try_from(message.len()).unwrap().to_be_bytes(), message].concat()
    }

    /// Reads a message from a connection; `None` if it was closed.
    async fn read_framed(stream: &mut TcpStream) -> Option<Vec<u8>> {
        let length = timeout(Duration::from_secs(30), stream.read_u16()).await.unwrap().ok()?;
        let mut message = vec![0; usize::from(length)];
        stream.read_exact(&mut message).await.unwrap();
        Some(message)
    }

    /// A question, without EDNS.
    fn question(name: &str, kind: RecordType) -> Message {
        let mut message = Message::new(4711, MessageType::Query, OpCode::Query);
        message.metadata.recursion_desired = true;
        message.add_query(Query::query(Name::from_ascii(name).unwrap(), kind));
        message
    }

    /// A question whose client takes UDP answers of up to `payload` octets.
    fn question_with_edns(name: &str, kind: RecordType, payload: u16) -> Message {
        let mut message = question(name, kind);
        let mut edns = Edns::new();
        edns.set_max_payload(payload).set_dnssec_ok(true);
        message.set_edns(edns);
        message
    }

    /// The records of an answer as text, or its code, the SOA's serial left out.
    fn shown(message: &Message) -> String {
        let show = |records: &[Record]| {
            let texts = records.iter().map(|record| match &record.data {
                RData::SOA(soa) => format!("{} {} SOA {} {}", record.name, record.ttl, soa.mname, soa.minimum),
                data => format!("{} {} {} {data}", record.name, record.ttl, record.record_type()),
            });
            texts.collect::<Vec<_>>().join(", ")
        };
        let code = message.metadata.response_code;
        let sections = [&message.answers, &message.authorities, &message.additionals].map(|records| show(records));
        let shown = format!("{code:?} [{}] [{}]", sections[0], sections[1]);
        if sections[2].is_empty() { shown } else { format!("{shown} [{}]", sections[2]) }
    }

    const SOA: &str = "example.org. 60 SOA ns.example.org. 60";

    #[tokio::test]
    async fn names_of_our_zones_are_answered_with_authority() {
        let served = Served::start(&[
            "a.example.org 60 A 192.0.2.1 192.0.2.2",
            "a.example.org 300 AAAA 2001:db8::1",
            "*.w.example.org 60 A 192.0.2.3",
            "x.y.example.org 60 AAAA 2001:db8::2",
            "home.example.org 60 A 192.0.2.4",
        ])
        .await;
        for (name, kind, expected) in [
            (
                "a.example.org.",
                RecordType::A,
                "NoError [a.example.org. 60 A 192.0.2.1, a.example.org. 60 A 192.0.2.2] []",
            ),
            ("a.example.org.", RecordType::AAAA, "NoError [a.example.org. 300 AAAA 2001:db8::1] []"),
            ("a.example.org.", RecordType::MX, "NoError [] [SOA]"),
            ("a.example.org.", RecordType::NS, "NoError [] [SOA]"),
            ("a.example.org.", RecordType::SOA, "NoError [] [SOA]"),
            ("b.w.example.org.", RecordType::A, "NoError [b.w.example.org. 60 A 192.0.2.3] []"),
            ("b.w.example.org.", RecordType::AAAA, "NoError [] [SOA]"),
            ("*.w.example.org.", RecordType::A, "NoError [*.w.example.org. 60 A 192.0.2.3] []"),
            ("y.example.org.", RecordType::A, "NoError [] [SOA]"),
            ("z.example.org.", RecordType::A, "NXDomain [] [SOA]"),
            ("b.a.example.org.", RecordType::A, "NXDomain [] [SOA]"),
            ("example.org.", RecordType::A, "NoError [] [SOA]"),
            ("example.org.", RecordType::SOA, "NoError [SOA] []"),
            ("example.org.", RecordType::NS, "NoError [example.org. 3600 NS ns.example.org.] []"),
            // The zone within the zone.
            ("home.example.org.", RecordType::A, "NoError [home.example.org. 60 A 192.0.2.4] []"),
            ("b.home.example.org.", RecordType::A, "NXDomain [] [home.example.org. 60 SOA ns.home.example.org. 60]"),
            // RFC 8482: one RRset is enough.
            (
                "a.example.org.",
                RecordType::ANY,
                "NoError [a.example.org. 60 A 192.0.2.1, a.example.org. 60 A 192.0.2.2] []",
            ),
            ("x.y.example.org.", RecordType::ANY, "NoError [x.y.example.org. 60 AAAA 2001:db8::2] []"),
            ("example.org.", RecordType::ANY, "NoError [SOA] []"),
            ("z.example.org.", RecordType::ANY, "NXDomain [] [SOA]"),
        ] {
            let answer = served.lookup(name, kind).await;
            assert_eq!(shown(&answer), expected.replace("[SOA]", &format!("[{SOA}]")), "{name} {kind}");
            let header = answer.metadata;
            assert!(header.authoritative && header.recursion_desired && !header.recursion_available, "{name} {kind}");
            assert!(!header.truncation && !header.authentic_data && answer.edns.is_none(), "{name} {kind}");
            assert_eq!((header.id, &answer.queries), (4711, &question(name, kind).queries), "{name} {kind}");
        }
    }

    #[tokio::test]
    async fn the_name_server_has_the_addresses_of_its_setting() {
        let name_server: NameServer = "ns.y.example.org=203.0.113.5,2001:db8::5".parse().unwrap();
        let served = Served::start_with(name_server, &["*.example.org 60 A 192.0.2.3"]).await;
        let (a, aaaa) = ("ns.y.example.org. 3600 A 203.0.113.5", "ns.y.example.org. 3600 AAAA 2001:db8::5");
        let soa = "[example.org. 60 SOA ns.y.example.org. 60]";
        for (name, kind, expected) in [
            (
                "example.org.",
                RecordType::NS,
                format!("NoError [example.org. 3600 NS ns.y.example.org.] [] [{a}, {aaaa}]"),
            ),
            (
                "home.example.org.",
                RecordType::NS,
                format!("NoError [home.example.org. 3600 NS ns.y.example.org.] [] [{a}, {aaaa}]"),
            ),
            ("example.org.", RecordType::SOA, format!("NoError {soa} []")),
            ("ns.y.example.org.", RecordType::A, format!("NoError [{a}] []")),
            ("ns.y.example.org.", RecordType::AAAA, format!("NoError [{aaaa}] []")),
            // It exists, as far as wildcards are concerned, and so does the name above it.
            ("y.example.org.", RecordType::A, format!("NoError [] {soa}")),
            ("x.y.example.org.", RecordType::A, format!("NXDomain [] {soa}")),
            ("x.example.org.", RecordType::A, "NoError [x.example.org. 60 A 192.0.2.3] []".to_owned()),
        ] {
            assert_eq!(shown(&served.lookup(name, kind).await), expected, "{name} {kind}");
        }
        // An update that was good is served.
        change(&served.store, &["ns.y.example.org 60 A 192.0.2.9"]).await.unwrap();
        let ns = shown(&served.lookup("example.org.", RecordType::NS).await);
        assert!(ns.ends_with(&format!("[ns.y.example.org. 60 A 192.0.2.9, {aaaa}]")), "{ns}");
    }

    #[tokio::test]
    async fn a_name_server_elsewhere_has_no_address_here() {
        let served = Served::start_with("ns.example.net".parse().unwrap(), &[]).await;
        let ns = served.lookup("example.org.", RecordType::NS).await;
        assert_eq!(shown(&ns), "NoError [example.org. 3600 NS ns.example.net.] []");
    }

    #[tokio::test]
    async fn everything_else_is_refused_without_authority() {
        let served = Served::start(&["a.example.org 60 A 192.0.2.1"]).await;
        let mut chaos = question("version.bind.", RecordType::TXT);
        chaos.queries[0].set_query_class(DNSClass::CH);
        let mut any_class = question("a.example.org.", RecordType::A);
        any_class.queries[0].set_query_class(DNSClass::ANY);
        let mut two = question("a.example.org.", RecordType::A);
        two.add_query(Query::query(Name::from_ascii("a.example.org.").unwrap(), RecordType::AAAA));
        let mut none = question("a.example.org.", RecordType::A);
        none.queries.clear();
        let with_opcode = |op_code| {
            let mut message = question("example.org.", RecordType::SOA);
            message.metadata.op_code = op_code;
            message
        };
        for (question, expected) in [
            (question("example.com.", RecordType::A), ResponseCode::Refused),
            (question("org.", RecordType::NS), ResponseCode::Refused),
            (question(".", RecordType::NS), ResponseCode::Refused),
            (question("xexample.org.", RecordType::A), ResponseCode::Refused),
            (question("example.org.", RecordType::AXFR), ResponseCode::Refused),
            (question("example.org.", RecordType::IXFR), ResponseCode::Refused),
            (chaos, ResponseCode::Refused),
            (any_class, ResponseCode::Refused),
            (two, ResponseCode::FormErr),
            (none, ResponseCode::FormErr),
            (with_opcode(OpCode::Update), ResponseCode::NotImp),
            (with_opcode(OpCode::Notify), ResponseCode::NotImp),
            (with_opcode(OpCode::Status), ResponseCode::NotImp),
        ] {
            let answer = served.ask(&question).await;
            assert_eq!(shown(&answer), format!("{expected:?} [] []"), "{question}");
            assert!(!answer.metadata.authoritative && !answer.metadata.recursion_available, "{question}");
            assert_eq!(answer.metadata.op_code, question.metadata.op_code, "{question}");
        }
    }

    #[tokio::test]
    async fn a_name_comes_back_in_the_case_it_was_asked_in() {
        let served = Served::start(&["a.example.org 60 A 192.0.2.1", "*.w.example.org 60 A 192.0.2.2"]).await;
        for (name, kind) in [
            ("A.exAMPle.Org.", RecordType::A),
            ("XyZ.w.exAMPle.Org.", RecordType::A),
            ("exAMPle.Org.", RecordType::SOA),
            ("nONE.exAMPle.Org.", RecordType::A),
        ] {
            let asked = question(name, kind).to_vec().unwrap();
            let answer = served.udp(&asked).await;
            assert_eq!(answer[12..asked.len()], asked[12..], "{name}");
            let answer = Message::from_vec(&answer).unwrap();
            let owner = answer.answers.iter().chain(&answer.authorities).next().unwrap();
            assert!(name.ends_with(&owner.name.to_ascii()), "{name}: {owner}");
        }
    }

    #[tokio::test]
    async fn the_serial_rises_when_a_record_changes() {
        let served = Served::start(&[]).await;
        let serial = async || match &served.lookup("example.org.", RecordType::SOA).await.answers[0].data {
            RData::SOA(soa) => soa.serial,
            data => panic!("{data}"),
        };
        let before = serial().await;
        change(&served.store, &["a.example.org 60 A 192.0.2.1"]).await.unwrap();
        let after = serial().await;
        assert!(after > before, "{before} {after}");
        change(&served.store, &["a.example.org 60 A 192.0.2.2"]).await.unwrap();
        assert!(serial().await > after);
    }

    #[tokio::test]
    async fn an_answer_is_no_larger_than_it_may_be_and_comes_whole_over_tcp() {
        let addresses: Vec<_> = (0..64).map(|n| format!("2001:db8::{n:x}")).collect();
        let eight = format!("8.example.org 60 AAAA {}", addresses[..8].join(" "));
        let long = format!("{}.{}.{}.example.org", "x".repeat(63), "y".repeat(63), "z".repeat(63));
        let eight_long = format!("{long} 60 AAAA {}", addresses[..8].join(" "));
        let all = format!("64.example.org 60 AAAA {}", addresses.join(" "));
        let served = Served::start(&[&eight, &eight_long, &all]).await;
        for (name, payload, truncated, count) in [
            ("8.example.org.", None, false, 8),
            (&*format!("{long}."), None, true, 8),
            (&*format!("{long}."), Some(512), true, 8),
            (&*format!("{long}."), Some(1232), false, 8),
            ("64.example.org.", None, true, 64),
            ("64.example.org.", Some(0), true, 64),
            ("64.example.org.", Some(512), true, 64),
            ("64.example.org.", Some(1232), true, 64),
            ("64.example.org.", Some(65_535), true, 64),
        ] {
            let asked = match payload {
                Some(payload) => question_with_edns(name, RecordType::AAAA, payload),
                None => question(name, RecordType::AAAA),
            };
            let asked = asked.to_vec().unwrap();
            let octets = served.udp(&asked).await;
            let most = payload.unwrap_or(512).clamp(512, 1232);
            assert!(octets.len() <= usize::from(most), "{name} {payload:?}: {}", octets.len());
            let answer = Message::from_vec(&octets).unwrap();
            assert_eq!(answer.metadata.truncation, truncated, "{name} {payload:?}");
            assert_eq!(answer.answers.len() < count, truncated, "{name} {payload:?}");

            let answer = Message::from_vec(&served.tcp(&asked).await).unwrap();
            assert!(!answer.metadata.truncation && answer.metadata.authoritative, "{name} {payload:?}");
            assert_eq!(answer.answers.len(), count, "{name} {payload:?}");
        }
    }

    #[tokio::test]
    async fn edns_is_answered_with_edns_of_version_0() {
        let served = Served::start(&["a.example.org 60 A 192.0.2.1"]).await;
        let answer = served.ask(&question_with_edns("a.example.org.", RecordType::A, 4096)).await;
        let edns = answer.edns.unwrap();
        assert_eq!((edns.version(), edns.max_payload(), edns.flags().dnssec_ok), (0, 1232, true));
        assert!(edns.options().as_ref().is_empty());

        let mut newer = question_with_edns("a.example.org.", RecordType::A, 4096);
        newer.edns.as_mut().unwrap().set_version(1);
        let answer = served.ask(&newer).await;
        assert_eq!(u16::from(answer.metadata.response_code), u16::from(ResponseCode::BADVERS));
        assert_eq!(answer.edns.unwrap().version(), 0);
        assert!(answer.answers.is_empty());
    }

    #[tokio::test]
    async fn a_message_that_is_not_a_question_does_no_harm() {
        let served = Served::start(&["a.example.org 60 A 192.0.2.1"]).await;
        let good = question("a.example.org.", RecordType::A).to_vec().unwrap();
        let mut answer_of_another = good.clone();
        answer_of_another[2] |= 0x80;
        let broken_answer = &answer_of_another[..20];
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        for junk in [&[][..], &[0], &[0xff; 11], &[0xff; 12], &[0xff; 600], &answer_of_another, broken_answer] {
            socket.send_to(junk, served.address).await.unwrap();
            let mut stream = TcpStream::connect(served.address).await.unwrap();
            stream.write_all(&framed(junk)).await.unwrap();
            assert_eq!(read_framed(&mut stream).await, None, "{junk:?}");
        }
        // None was answered over UDP either.
        socket.send_to(&good, served.address).await.unwrap();
        let mut answer = [0; 512];
        let length = timeout(Duration::from_secs(10), socket.recv(&mut answer)).await.unwrap().unwrap();
        assert_eq!(Message::from_vec(&answer[..length]).unwrap().answers.len(), 1);
        assert!(socket.try_recv(&mut answer).is_err());
        // Half a question, and a name that points to itself.
        let half = &good[..20];
        let mut stream = TcpStream::connect(served.address).await.unwrap();
        stream.write_all(&framed(half)).await.unwrap();
        assert_eq!(read_framed(&mut stream).await, None);
        assert_eq!(served.udp(half).await, [&good[..2], &[0x81, 1, 0, 0, 0, 0, 0, 0, 0, 0]].concat());
        let mut circle = good[..12].to_vec();
        circle.extend([0xc0, 12, 0, 1, 0, 1]);
        let answer = Message::from_vec(&served.udp(&circle).await).unwrap();
        assert_eq!(answer.metadata.response_code, ResponseCode::FormErr);
        let answer = served.lookup("a.example.org.", RecordType::A).await;
        assert_eq!(shown(&answer), "NoError [a.example.org. 60 A 192.0.2.1] []");
    }

    /// The octets of a question, with some changed, cut off or added.
    fn damaged_question() -> impl Strategy<Value = Vec<u8>> {
        let names = prop::sample::select(vec!["a.example.org.", "*.x.example.org.", "xn--a.b.example.org.", "org."]);
        let kind = prop::sample::select(vec![RecordType::A, RecordType::ANY, RecordType::NS, RecordType::OPT]);
        let changes = prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..6);
        let (cut, tail) = (any::<prop::sample::Index>(), prop::collection::vec(any::<u8>(), 0..40));
        (names, kind, any::<bool>(), changes, prop::option::of(cut), tail).prop_map(
            |(name, kind, edns, changes, cut, tail)| {
                let question = if edns { question_with_edns(name, kind, 1232) } else { question(name, kind) };
                let mut octets = question.to_vec().unwrap();
                for (index, octet) in changes {
                    *index.get_mut(&mut octets) = octet;
                }
                if let Some(cut) = cut {
                    octets.truncate(cut.index(octets.len()));
                }
                [octets, tail].concat()
            },
        )
    }

    #[test]
    fn no_message_is_answered_with_a_panic_or_a_flood() {
        let store = in_memory("example.org=Z1,home.example.org=Z2");
        block_on(change(&store, &["a.example.org 60 A 192.0.2.1", "*.x.example.org 60 AAAA 2001:db8::1"])).unwrap();
        let log = Log { level: Level::Off, format: Format::Text };
        let responder = Responder::new(Arc::new(store), NameServer::default(), log);
        let peer = (Ipv4Addr::LOCALHOST, 53).into();
        let config = ProptestConfig { cases: 4096, failure_persistence: None, ..ProptestConfig::default() };
        let mut runner = TestRunner::new(config);
        let tested = runner.run(&damaged_question(), |octets| {
            let length = octets.len();
            // Over TCP, an answer has no other bound.
            let answer = responder.respond(octets, peer, Protocol::Tcp).unwrap_or_default();
            // The question, its name once more, the SOA and the OPT.
            prop_assert!(answer.len() <= 2 * length + 120, "{} octets for {length}", answer.len());
            Ok(())
        });
        tested.unwrap();
    }

    #[tokio::test]
    async fn one_connection_may_ask_more_than_once_and_close_its_half() {
        let served = Served::start(&["a.example.org 60 A 192.0.2.1"]).await;
        let mut stream = TcpStream::connect(served.address).await.unwrap();
        let first = question("a.example.org.", RecordType::A).to_vec().unwrap();
        let second = question("b.example.org.", RecordType::A).to_vec().unwrap();
        stream.write_all(&[framed(&first), framed(&second)].concat()).await.unwrap();
        stream.shutdown().await.unwrap();
        for expected in [ResponseCode::NoError, ResponseCode::NXDomain] {
            let answer = Message::from_vec(&read_framed(&mut stream).await.unwrap()).unwrap();
            assert_eq!(answer.metadata.response_code, expected);
        }
        assert_eq!(read_framed(&mut stream).await, None);
    }

    /// A connection from an address of this machine.
    async fn connect_from(client: [u8; 4], server: SocketAddr) -> TcpStream {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind((Ipv4Addr::from(client), 0).into()).unwrap();
        socket.connect(server).await.unwrap()
    }

    #[tokio::test]
    async fn a_network_with_many_connections_loses_its_own_and_no_other() {
        let served = Served::start(&["a.example.org 60 A 192.0.2.1"]).await;
        let asked = framed(&question("a.example.org.", RecordType::A).to_vec().unwrap());
        let mut honest = connect_from([127, 0, 0, 1], served.address).await;
        let mut many = Vec::new();
        for n in 0..2 * CONNECTIONS {
            let mut stream = connect_from([127, 66, 6, 1], served.address).await;
            // Half a length, half a question, or a question that is answered.
            stream.write_all([&[][..], &[0], &[0, 40, 1, 2, 3], &asked][n % 4]).await.unwrap();
            many.push(stream);
            if n % 16 == 0 {
                honest.write_all(&asked).await.unwrap();
                assert!(read_framed(&mut honest).await.is_some(), "{n}");
                let mut other = connect_from([127, 0, 0, 2], served.address).await;
                other.write_all(&asked).await.unwrap();
                assert!(read_framed(&mut other).await.is_some(), "{n}");
            }
        }
        let first: Vec<TcpStream> = many.drain(..CONNECTIONS).collect();
        for mut evicted in first {
            let mut octets = Vec::new();
            // A reset, if the server had not read what was sent.
            let _ = timeout(Duration::from_secs(30), evicted.read_to_end(&mut octets)).await.expect("closed");
        }
    }

    /// A question whose header announces records in another section, 1 to 3: each is a CNAME from the
    /// question's name of 126 labels to that name, compressed.
    fn stuffed(section: usize, records: u16) -> Vec<u8> {
        let mut octets = vec![0, 1, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
        octets[4 + 2 * section..][..2].copy_from_slice(&records.to_be_bytes());
        octets.extend([1, b'a'].repeat(126));
        octets.extend([0, 0, 1, 0, 1]);
        octets.extend([0xc0, 12, 0, 5, 0, 1, 0, 0, 0, 0, 0, 2, 0xc0, 12].repeat(records.into()));
        octets
    }

    #[tokio::test]
    async fn a_question_that_is_stuffed_with_records_is_refused_by_its_header() {
        let served = Served::start(&["a.example.org 60 A 192.0.2.1"]).await;
        for message in [stuffed(1, 1), stuffed(2, 1), stuffed(3, 3), stuffed(1, 270), stuffed(3, 270)] {
            // Without what follows the header too, which over TCP is not answered otherwise.
            for octets in [&message[..], &message[..12]] {
                let expected = [&message[..2], &[0x81, 1, 0, 0, 0, 0, 0, 0, 0, 0]].concat();
                assert_eq!(served.udp(octets).await, expected, "{octets:?}");
                assert_eq!(served.tcp(octets).await, expected, "{octets:?}");
            }
        }
        let answer = Message::from_vec(&served.udp(&stuffed(3, 2)).await).unwrap();
        assert_eq!(answer.metadata.response_code, ResponseCode::Refused, "two more records may be there");
    }

    #[tokio::test]
    async fn a_question_is_at_most_4096_octets_long_over_tcp() {
        let served = Served::start(&["a.example.org 60 A 192.0.2.1"]).await;
        let mut longest = question("a.example.org.", RecordType::A).to_vec().unwrap();
        longest.resize(MAX_QUESTION, 0);
        assert_eq!(Message::from_vec(&served.tcp(&longest).await).unwrap().answers.len(), 1);
        let mut stream = TcpStream::connect(served.address).await.unwrap();
        // The length is enough.
        stream.write_all(&4097_u16.to_be_bytes()).await.unwrap();
        assert_eq!(read_framed(&mut stream).await, None);
    }

    #[tokio::test]
    async fn it_stops_on_request() {
        let served = Served::start(&[]).await;
        let mut open = TcpStream::connect(served.address).await.unwrap();
        served.stop.send(()).unwrap();
        timeout(Duration::from_secs(10), served.server).await.unwrap().unwrap();
        assert_eq!(read_framed(&mut open).await, None);
        // Both ports are free again.
        TcpListener::bind(served.address).await.unwrap();
        UdpSocket::bind(served.address).await.unwrap();
        assert_eq!(Arc::strong_count(&served.store), 1);
    }
}
