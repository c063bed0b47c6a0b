//! DNS messages that are damaged or stuffed, answers as large as they can be, and connections by the
//! hundred.

use std::{
    collections::VecDeque,
    io::{Read, Write},
    net::{TcpStream, UdpSocket},
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    thread,
    time::{Duration, Instant},
};

use hickory_server::proto::{
    op::{Edns, Message, ResponseCode},
    rr::RecordType,
};
use proptest::{
    prelude::RngExt,
    test_runner::{RngAlgorithm, TestRng},
};

use super::{Attacker, PATIENCE, Watched, latency};
use crate::support::{
    raw::{Connection, ask, question, stuffed},
    results::iterations,
};

/// Gives a host as many addresses as a request may.
fn set_many(watched: &Watched, host: &str) {
    let addresses: Vec<_> = (1..=8).flat_map(|n| [format!("8.0.0.{n}"), format!("2001:db8::{n}")]).collect();
    let mut connection = Connection::open(&watched.server.http).expect("a server that accepts");
    let target = format!("/nic/update?hostname={host}&myip={}", addresses.join(","));
    connection.get(&target, &watched.authorization).expect("a server that reads");
    let (status, body) = connection.reply().expect("a reply");
    assert!(status == 200 && body.starts_with("good "), "{body}");
}

/// A question with EDNS, which takes answers of up to `payload` octets.
fn with_edns(name: &str, kind: RecordType, payload: u16) -> Message {
    let mut message = question(name, kind);
    let mut edns = Edns::new();
    edns.set_max_payload(payload);
    edns.set_version(0);
    message.edns = Some(edns);
    message
}

/// How many times as long one is as the other.
fn per(one: usize, other: usize) -> f64 {
    let length = |octets| f64::from(u32::try_from(octets).expect("a short one"));
    length(one) / length(other)
}

#[test]
fn dns_answers_are_no_larger_than_they_may_be() {
    let watched = Watched::start(1024);
    let label = "x".repeat(63);
    let long = format!("{label}.{label}.{label}.{}.e.x", "y".repeat(53));
    for host in ["e.x", "a.e.x", "*.w.e.x", &long] {
        set_many(&watched, host);
    }
    let (mut worst, mut what) = (0.0, String::new());
    for name in ["e.x.", "a.e.x.", "none.e.x.", "b.w.e.x.", ".", "other.", &format!("{long}.")] {
        for kind in [
            RecordType::A,
            RecordType::AAAA,
            RecordType::ANY,
            RecordType::SOA,
            RecordType::NS,
            RecordType::TXT,
            RecordType::DNSKEY,
            RecordType::AXFR,
        ] {
            for payload in [None, Some(0), Some(512), Some(1232), Some(4096), Some(65_535)] {
                let asked = payload.map_or_else(|| question(name, kind), |payload| with_edns(name, kind, payload));
                let answer = ask(watched.dns(), &asked);
                let (asked, octets) = (asked.to_vec().expect("a message"), answer.to_vec().expect("a message"));
                let most = payload.unwrap_or(512).clamp(512, 1232);
                assert!(octets.len() <= usize::from(most), "{name} {kind} {payload:?}: {} octets", octets.len());
                // RFC 8482: one record set is enough.
                let kinds: Vec<_> = answer.answers.iter().map(hickory_server::proto::rr::Record::record_type).collect();
                assert!(kinds.iter().all(|kind| *kind == kinds[0]), "{name} {kind}: {kinds:?}");
                let ratio = per(octets.len(), asked.len());
                if ratio > worst {
                    (worst, what) = (ratio, format!("{name} {kind}: {} octets for {}", octets.len(), asked.len()));
                }
            }
        }
    }
    watched.is_well_after(
        "the largest answer that data and questions can make over UDP, without EDNS and with any size",
        &format!(
            "never more than 512 octets, or than asked for and 1232; at worst {worst:.1} times the question ({what})"
        ),
    );
}

#[test]
fn no_datagram_stops_the_dns_server() {
    let watched = Watched::start(1024);
    set_many(&watched, "a.e.x");
    let packets = iterations(6000, 100_000);
    let mut random = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    let socket = UdpSocket::bind(("127.0.0.1", 0)).expect("a port");
    socket.connect(watched.dns()).expect("an address");
    socket.set_read_timeout(Some(Duration::from_secs(2))).expect("a socket");
    // By the number that each message has.
    let mut sent: Vec<Vec<u8>> = vec![Vec::new(); 1 << 16];
    let (mut answered, mut refused, mut number) = (0, 0, 0_u16);
    let mut answer = vec![0; 65_535];
    for _ in 0..packets / 32 {
        for _ in 0..32 {
            number = number.wrapping_add(1);
            let octets = damaged(&mut random, number);
            // A few are too large to be sent.
            let _ = socket.send(&octets);
            sent[usize::from(number)] = octets;
        }
        // Then an undamaged one, until it is answered: loopback may lose datagrams that come too fast.
        number = number.wrapping_add(1);
        let mut whole = question("a.e.x.", RecordType::A);
        whole.metadata.id = number;
        let whole = whole.to_vec().expect("a message");
        sent[usize::from(number)] = whole.clone();
        let mut tries = 0;
        socket.send(&whole).expect("loopback");
        loop {
            let Ok(length) = socket.recv(&mut answer) else {
                tries += 1;
                assert!(tries < 20, "no answer any more");
                socket.send(&whole).expect("loopback");
                continue;
            };
            let id = u16::from_be_bytes([answer[0], answer[1]]);
            let asked = &sent[usize::from(id)];
            assert!(asked[2] & 0x80 == 0, "a reply is answered: {asked:02x?}");
            assert!(answer[2] & 0x80 != 0, "{asked:02x?}: {:02x?}", &answer[..length]);
            assert!(length <= 1232 && length <= asked.len() * 12 + 300, "{asked:02x?}: {length} octets");
            answered += 1;
            refused += u64::from(answer[3] & 0xf != 0);
            if id == number {
                break;
            }
        }
    }
    watched.is_well_after(
        &format!("{packets} damaged DNS messages over UDP"),
        &format!("{answered} answers, {refused} of them errors; no reply was answered"),
    );
}

/// A question that is changed, cut off or repeated in part, or something else altogether.
fn damaged(random: &mut TestRng, number: u16) -> Vec<u8> {
    let names = ["a.e.x.", "e.x.", "none.e.x.", ".", "other.", "a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.e.x."];
    let kinds = [RecordType::A, RecordType::ANY, RecordType::SOA, RecordType::OPT, RecordType::TSIG, RecordType::IXFR];
    let (name, kind) = (names[random.random_range(0..names.len())], kinds[random.random_range(0..kinds.len())]);
    let whole = if random.random_bool(0.5) { with_edns(name, kind, random.random()) } else { question(name, kind) };
    let mut octets = whole.to_vec().expect("a message");
    match random.random_range(0..8) {
        // Counts of more records than there are.
        0 => octets[4..12].fill_with(|| random.random()),
        1 => octets.truncate(random.random_range(2..octets.len())),
        // Names that point to themselves and anywhere.
        2 => octets[12..14].copy_from_slice(&[0xc0, random.random_range(0..64)]),
        // Many questions, counted or not.
        3 => {
            let question = octets[12..].to_vec();
            octets.extend(question.repeat(random.random_range(1..60)));
            octets[5] = random.random();
        }
        4 => octets.extend((0..random.random_range(0..4000)).map(|_| random.random::<u8>())),
        5 => octets = (0..random.random_range(3..600)).map(|_| random.random()).collect(),
        _ => {}
    }
    for _ in 0..random.random_range(0..6) {
        let at = random.random_range(0..octets.len());
        octets[at] = random.random();
    }
    octets.resize(octets.len().max(3), 0);
    octets[..2].copy_from_slice(&number.to_be_bytes());
    octets
}

#[test]
fn silent_dns_connections_keep_nobody_out() {
    let watched = Watched::start(1024);
    let attacker = Attacker::of(watched.dns());
    // More than may be open.
    let count = iterations(400, 1000);
    let mut silent = attacker.connect_many(count);
    for (n, stream) in silent.iter_mut().enumerate() {
        // Nothing, half a length, a length and half a message, a length that no question has. The
        // server may have closed it already.
        let _ = stream.write_all([&[][..], &[0], &[0, 40, 1, 2, 3], &[0xff, 0xff, 1]][n % 4]);
    }
    ask_honestly(&watched, &mut 1, &mut Times::default());
    drop(silent);
    watched.is_well_after(
        &format!("{count} DNS connections that send nothing, or half of something"),
        "20 updates and their look-ups over UDP and TCP answered meanwhile",
    );
}

#[test]
fn stuffed_dns_questions_take_no_time_from_others() {
    attack_dns("a sender of 1 MB/s of DNS questions that are stuffed with records", |attacker, sent, stop| {
        let message = framed(&stuffed());
        let expected = [0, 12, 0, 1, 0x81, 1, 0, 0, 0, 0, 0, 0, 0, 0];
        while !stop.load(Ordering::Relaxed) {
            let mut stream = attacker.connect();
            // For some seconds: a connection has a limited time.
            for _ in 0..40 {
                let started = Instant::now();
                stream.write_all(&message.repeat(25)).expect("a server that reads");
                let mut answers = [0; 25 * 14];
                stream.read_exact(&mut answers).expect("an answer to each");
                assert_eq!(answers.as_slice(), expected.repeat(25), "each is refused by its header");
                sent.fetch_add(25, Ordering::Relaxed);
                if stop.load(Ordering::Relaxed) {
                    break;
                }
                thread::sleep(Duration::from_millis(100).saturating_sub(started.elapsed()));
            }
        }
        "stuffed questions, all refused"
    });
}

#[test]
fn many_dns_connections_take_no_time_from_others() {
    attack_dns(
        "260 DNS connections from one address, 32 renewed a second, a question every 4 s on each",
        |attacker, sent, stop| {
            let asked = framed(&question("right.e.x.", RecordType::A).to_vec().expect("a message"));
            let mut open: VecDeque<TcpStream> = attacker.connect_many(260).into();
            while !stop.load(Ordering::Relaxed) {
                for _ in 0..2 {
                    open.rotate_left(1);
                    // The server may have closed it.
                    let _ = open[0].write_all(&asked);
                }
                open.pop_front();
                open.push_back(attacker.connect());
                sent.fetch_add(1, Ordering::Relaxed);
                thread::sleep(Duration::from_millis(1000 / 32));
            }
            "connections renewed"
        },
    );
}

/// Attacks the DNS server while honest clients ask, and records how much longer they wait. The attack
/// counts what it sends, goes on until it is stopped, and returns what it counted.
fn attack_dns(what: &str, attack: impl Fn(&Attacker, &AtomicU64, &AtomicBool) -> &'static str + Sync) {
    let watched = Watched::start(1024);
    let (mut idle, mut attacked) = (Times::default(), Times::default());
    let (mut number, mut sent, mut counted) = (1, 0, "");
    // By turns, because the machine has other work to do too.
    for _ in 0..iterations(1, 10) {
        ask_honestly(&watched, &mut number, &mut idle);
        let (more, stop) = (AtomicU64::new(0), AtomicBool::new(false));
        thread::scope(|scope| {
            let attacking = scope.spawn(|| attack(&Attacker::of(watched.dns()), &more, &stop));
            while more.load(Ordering::Relaxed) == 0 && !attacking.is_finished() {
                thread::sleep(Duration::from_millis(1));
            }
            ask_honestly(&watched, &mut number, &mut attacked);
            stop.store(true, Ordering::Relaxed);
            counted = attacking.join().expect("an attack that goes on");
        });
        assert!(more.load(Ordering::Relaxed) > 0);
        sent += more.load(Ordering::Relaxed);
    }
    let count = attacked.updates.len();
    watched.is_well_after(
        what,
        &format!(
            "{sent} {counted}; {count} updates and {count} questions over TCP answered; the median update took {:.1} times as long as without, the median question {:.1} times",
            latency(attacked.updates).0 / latency(idle.updates).0,
            latency(attacked.questions).0 / latency(idle.questions).0
        ),
    );
}

/// How long honest clients waited.
#[derive(Default)]
struct Times {
    /// For the reply to an update and the answer to a question over UDP.
    updates: Vec<Duration>,
    /// For the answer to a question over TCP.
    questions: Vec<Duration>,
}

/// Updates a host, each time with another number, and asks for it over UDP and TCP.
fn ask_honestly(watched: &Watched, number: &mut u32, times: &mut Times) {
    let asked = framed(&question("right.e.x.", RecordType::A).to_vec().expect("a message"));
    for _ in 0..20 {
        *number += 1;
        let started = Instant::now();
        watched.answers(*number);
        times.updates.push(started.elapsed());
        let started = Instant::now();
        let mut stream = TcpStream::connect(watched.dns()).expect("a server that accepts");
        stream.set_read_timeout(Some(PATIENCE)).expect("a socket");
        stream.write_all(&asked).expect("a server that reads");
        let mut length = [0; 2];
        stream.read_exact(&mut length).expect("an answer");
        let mut answer = vec![0; u16::from_be_bytes(length).into()];
        stream.read_exact(&mut answer).expect("a whole answer");
        times.questions.push(started.elapsed());
        let answer = Message::from_vec(&answer).expect("a message");
        assert_eq!((answer.metadata.response_code, answer.answers.len()), (ResponseCode::NoError, 1));
    }
}

/// A message as TCP carries it: its length comes first.
fn framed(message: &[u8]) -> Vec<u8> {
    [&u16::try_from(message.len()).expect("a short one").to_be_bytes(), message].concat()
}
