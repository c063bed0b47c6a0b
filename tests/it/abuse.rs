//! `nic53 serve` under attack: honest clients are answered, its memory is bounded, and it closes every
//! descriptor again.
//!
//! The server is the real program, with the 1024 descriptors that a process has by default. The
//! attackers come from one address of this machine, honest clients from another.

use std::{
    collections::VecDeque,
    fs,
    io::{ErrorKind, Read, Write},
    net::{IpAddr, Ipv4Addr, Shutdown, SocketAddr, TcpStream, UdpSocket},
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use crate::support::{
    process::{Nic53, program},
    raw::{Connection, addresses, ask, authorization, question, stuffed},
    results::{iterations, record},
};
use hickory_server::proto::{
    op::{Edns, Message, ResponseCode},
    rr::RecordType,
};
use proptest::{
    prelude::RngExt,
    test_runner::{RngAlgorithm, TestRng},
};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tempfile::TempDir;
use tokio::{net::TcpSocket, runtime::Runtime};

const SECRET: &str = "the-secret-of-the-abuse-tests-0123456789abc";
const ZONES: &str = "e.x=Z1";
/// As many addresses as a name server may have.
const NAME_SERVER: &str =
    "ns.e.x=8.0.1.1,8.0.1.2,8.0.1.3,8.0.1.4,2001:db8::1:1,2001:db8::1:2,2001:db8::1:3,2001:db8::1:4";
const HEADING: &str = "Load and abuse";

/// The most memory that the server may need, in MiB.
const MEMORY: u64 = 128;
/// Connections that it serves at a time.
const SLOTS: usize = 512;
/// How long a test waits before it fails.
const PATIENCE: Duration = Duration::from_secs(90);

/// A server, its memory and its descriptors, seen from outside.
struct Watched {
    server: Nic53,
    data: TempDir,
    /// The number of descriptors it had before the first request.
    descriptors: usize,
    /// The header of a client that may update every host.
    authorization: String,
}

impl Watched {
    /// Starts it with this limit of descriptors.
    fn start(descriptors: u32) -> Self {
        Self::start_by(&format!("ulimit -n {descriptors}"), "")
    }

    /// Starts it from a shell that runs `first` before it, with this redirection.
    fn start_by(first: &str, redirection: &str) -> Self {
        let limit = getrlimit(Resource::Nofile);
        setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit }).expect("no more than what we may have");
        let data = tempfile::tempdir().expect("a temporary folder");
        let path = data.path().to_str().expect("a path that is text");
        let settings = [
            ("NIC53_ZONES", ZONES),
            ("NIC53_SECRET", SECRET),
            ("NIC53_DATA", path),
            ("NIC53_NAME_SERVER", NAME_SERVER),
        ];
        let script = format!(r#"{first}; exec "$0" "$@" {redirection}"#);
        let shell = program("sh").args(&["-c", &script, env!("CARGO_BIN_EXE_nic53")]);
        let server = Nic53::serve_by(shell, &settings, &["--dns", "127.0.0.1:0"]);
        let mut watched = Self { server, data, descriptors: 0, authorization: authorization(SECRET, ZONES, "e.x") };
        watched.descriptors = watched.open_descriptors();
        watched.answers(1);
        watched
    }

    /// The address of its DNS server.
    fn dns(&self) -> &str {
        self.server.dns.as_deref().expect("a DNS server")
    }

    /// Checks that an honest request is answered, over a new connection and in DNS.
    fn answers(&self, number: u32) {
        let mut connection = Connection::open(&self.server.http).expect("a server that accepts");
        self.update(&mut connection, number);
        let expected = [IpAddr::from(Ipv4Addr::from(0x0800_0000 | number))];
        assert_eq!(addresses(self.dns(), "right.e.x.", RecordType::A), expected);
    }

    /// Sends an honest update over a connection, and checks the reply.
    fn update(&self, connection: &mut Connection, number: u32) {
        let address = Ipv4Addr::from(0x0800_0000 | number);
        connection
            .get(&format!("/nic/update?hostname=right.e.x&myip={address}"), &self.authorization)
            .expect("a connection that is open");
        assert_eq!(connection.reply().expect("a reply"), (200, format!("good {address}")));
    }

    /// A field of its memory in `/proc`, in MiB.
    fn memory(&self, field: &str) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.server.pid())).expect("a process that lives");
        let line = status.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':')).expect("a field");
        line.trim().trim_end_matches(" kB").parse::<u64>().expect("a number").div_ceil(1024)
    }

    /// The number of its descriptors.
    fn open_descriptors(&self) -> usize {
        fs::read_dir(format!("/proc/{}/fd", self.server.pid())).expect("a process that lives").count()
    }

    /// Checks after an attack that it answers, has closed all descriptors and has stayed within its
    /// memory. Records what it needed.
    fn is_well_after(&self, attack: &str, found: &str) {
        self.answers(0x00ff_ffff);
        let started = Instant::now();
        while self.open_descriptors() > self.descriptors {
            assert!(started.elapsed() < PATIENCE, "{attack}: {} descriptors are open", self.open_descriptors());
            thread::sleep(Duration::from_millis(20));
        }
        let (peak, now) = (self.memory("VmHWM"), self.memory("VmRSS"));
        assert!(peak <= MEMORY, "{attack}: {peak} MiB");
        let found = if found.is_empty() { String::new() } else { format!("{found}; ") };
        record(
            HEADING,
            attack,
            &format!(
                "{found}at most {peak} MiB of memory, {now} MiB after; {} descriptors before and after",
                self.descriptors
            ),
        );
    }
}

/// An attacker. All its connections come from one address.
struct Attacker {
    runtime: Runtime,
    server: SocketAddr,
}

impl Attacker {
    /// An attacker of this server.
    fn of(server: &str) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        Self { runtime, server: server.parse().expect("an address") }
    }

    /// Opens a connection.
    fn connect(&self) -> TcpStream {
        let stream = self.runtime.block_on(async {
            let socket = TcpSocket::new_v4()?;
            socket.bind((Ipv4Addr::new(127, 66, 6, 1), 0).into())?;
            socket.connect(self.server).await?.into_std()
        });
        let stream = stream.expect("a server that accepts");
        stream.set_nonblocking(false).expect("a socket");
        stream.set_read_timeout(Some(PATIENCE)).expect("a socket");
        stream.set_write_timeout(Some(PATIENCE)).expect("a socket");
        stream
    }

    /// Opens many connections.
    fn connect_many(&self, count: u32) -> Vec<TcpStream> {
        (0..count).map(|_| self.connect()).collect()
    }
}

/// Reads until the other side closes. Returns the number of octets, and the first of them.
fn until_closed(stream: &mut TcpStream) -> (usize, String) {
    let (mut first, mut count, mut octets) = (Vec::new(), 0, [0; 16 * 1024]);
    loop {
        match stream.read(&mut octets) {
            Ok(0) => break,
            Ok(read) => {
                count += read;
                if first.len() < 64 {
                    first.extend(&octets[..read]);
                }
            }
            Err(error) => {
                assert_ne!(error.kind(), ErrorKind::WouldBlock, "the server does not close it");
                break;
            }
        }
    }
    first.truncate(64);
    (count, String::from_utf8_lossy(&first).into_owned())
}

#[test]
fn idle_connections_keep_nobody_out() {
    let watched = Watched::start(1024);
    let attacker = Attacker::of(&watched.server.http);
    let count = iterations(1500, 10_000) as usize;
    let mut idle = Vec::new();
    let mut right = 1;
    while idle.len() < count {
        // It is not evicted by those that come after it, though they are more than the slots.
        let mut early = Connection::open(&watched.server.http).expect("a server that accepts");
        idle.extend((0..SLOTS + 88).map(|_| attacker.connect()));
        right += 1;
        watched.update(&mut early, right);
        right += 1;
        watched.answers(right);
    }
    assert!(watched.open_descriptors() <= watched.descriptors + SLOTS);
    drop(idle);
    watched.is_well_after(
        &format!("{count} connections that say nothing"),
        &format!("{} honest requests meanwhile, all answered", right - 1),
    );
}

#[test]
fn idle_connections_are_closed_if_descriptors_run_out() {
    let watched = Watched::start(64);
    let attacker = Attacker::of(&watched.server.http);
    let idle = attacker.connect_many(300);
    for right in 2..12 {
        watched.answers(right);
    }
    drop(idle);
    watched.is_well_after("300 idle connections with a limit of 64 descriptors", "10 honest requests answered");
}

#[test]
fn a_client_that_sends_an_octet_at_a_time_is_cut_off() {
    let watched = Watched::start(1024);
    let attacker = Attacker::of(&watched.server.http);
    let count = iterations(100, 400);
    let head = |n: u32| {
        format!("GET /nic/update?hostname=right.e.x&myip=192.0.2.{} HTTP/1.1\r\nX: {}", n % 256, "x".repeat(4096))
    };
    let body = |_| format!("POST /nic/update HTTP/1.1\r\nContent-Length: 60000\r\n\r\n{}", "x".repeat(4096));
    let mut slow: Vec<(TcpStream, Vec<u8>, usize)> = (0..count)
        .map(|n| {
            let mut stream = attacker.connect();
            let (octets, at) = if n % 2 == 0 { (head(n), 0) } else { (body(n), 60) };
            stream.write_all(&octets.as_bytes()[..at]).expect("room");
            stream.set_nonblocking(true).expect("a socket");
            (stream, octets.into_bytes(), at)
        })
        .collect();
    let (started, mut right) = (Instant::now(), 1);
    while !slow.is_empty() {
        assert!(started.elapsed() < PATIENCE, "{} are still waited for", slow.len());
        slow.retain_mut(|(stream, octets, at)| {
            *at += 1;
            let alive = stream.write_all(&octets[*at - 1..*at]).is_ok();
            // The server replies before it closes.
            alive
                && *at < octets.len()
                && stream.read(&mut [0; 1024]).err().is_some_and(|error| error.kind() == ErrorKind::WouldBlock)
        });
        right += 1;
        watched.answers(right);
        thread::sleep(Duration::from_millis(50));
    }
    watched.is_well_after(
        &format!("{count} requests that come an octet at a time, half of them in the head, half in the form"),
        &format!("all cut off, {right} honest requests answered meanwhile"),
    );
}

/// Writes until the server hangs up, up to `most` octets. Returns how many were written.
fn write_until_closed(stream: &mut TcpStream, most: usize, mut next: impl FnMut() -> Vec<u8>) -> usize {
    let mut written = 0;
    while written < most {
        let octets = next();
        if stream.write_all(&octets).is_err() {
            break;
        }
        written += octets.len();
    }
    written
}

#[test]
fn a_request_without_an_end_is_cut_off() {
    /// The server must have hung up before this many octets. The system's buffers take some of them.
    const MOST: usize = 64 << 20;
    let watched = Watched::start(1024);
    let attacker = Attacker::of(&watched.server.http);
    let post = "POST /nic/update HTTP/1.1\r\n";
    let chunk = [b"2000\r\n".as_slice(), &[b'x'; 0x2000], b"\r\n"].concat();
    let rounds = iterations(3, 40);
    let mut taken = 0;
    for _ in 0..rounds {
        for (head, more) in [
            ("GET /".to_owned(), vec![b'x'; 8192]),
            ("GET /healthz HTTP/1.1\r\n".to_owned(), b"X-Endless: nothing of interest\r\n".repeat(256)),
            ("GET /healthz HTTP/1.1\r\nX: ".to_owned(), vec![b'x'; 8192]),
            (format!("{post}Content-Length: 10000000000\r\n\r\n"), vec![b'x'; 8192]),
            (format!("{post}Transfer-Encoding: chunked\r\n\r\n"), chunk.clone()),
            (format!("{post}Transfer-Encoding: chunked\r\n\r\n"), b"1;".iter().copied().chain([b'x'; 8190]).collect()),
            ("GET /healthz HTTP/1.1\r\nContent-Length: 10000000000\r\n\r\n".to_owned(), vec![b'x'; 8192]),
        ] {
            let mut stream = attacker.connect();
            stream.write_all(head.as_bytes()).expect("room");
            let written = write_until_closed(&mut stream, MOST, || more.clone());
            assert!(written < MOST, "{head}");
            taken = taken.max(written);
        }
    }
    // Many at once, each with all but the last octet of the largest form.
    let mut forms = attacker.connect_many(iterations(200, 600));
    for stream in &mut forms {
        let _ = stream.write_all(format!("{post}Content-Length: 65536\r\n\r\n{}", "x".repeat(65_535)).as_bytes());
    }
    watched.answers(2);
    let count = forms.len();
    drop(forms);
    // The same in chunks of one octet: the HTTP library hands over each by itself.
    let chunks =
        [format!("{post}Transfer-Encoding: chunked\r\n\r\n").into_bytes(), b"1\r\nx\r\n".repeat(65_535)].concat();
    let mut forms = attacker.connect_many(iterations(200, 600));
    for stream in &mut forms {
        let _ = stream.write_all(&chunks);
    }
    watched.answers(3);
    drop(forms);
    watched.is_well_after(
        &format!("heads, lines, forms and chunks that do not end, {rounds} times, and {count} forms of 64 KiB that lack their end, and {count} of those in chunks of one octet"),
        &format!("all cut off, the latest after {} KiB, most of them in the system's buffers", taken >> 10),
    );
}

#[test]
fn a_client_that_reads_no_replies_is_not_read_from() {
    let watched = Watched::start(1024);
    let attacker = Attacker::of(&watched.server.http);
    let request = b"GET /nic/update?hostname=right.e.x HTTP/1.1\r\nHost: x\r\n\r\n";
    // A client that reads gets every reply.
    let requests = iterations(2000, 20_000) as usize;
    let mut reader = attacker.connect();
    let mut writer = reader.try_clone().expect("a descriptor");
    let sent = request.repeat(requests);
    let writing = thread::spawn(move || {
        writer.write_all(&sent).expect("a server that reads");
        writer.shutdown(Shutdown::Write).expect("an open connection");
    });
    let mut replies = Vec::new();
    reader.read_to_end(&mut replies).expect("a server that answers");
    writing.join().expect("a writer");
    let replies = String::from_utf8(replies).expect("text");
    assert_eq!(replies.matches("HTTP/1.1 401 ").count(), requests);
    assert_eq!(replies.matches("\r\n\r\nbadauth").count(), requests);

    // One that does not read is not read from any more.
    let many = request.repeat(4000);
    let mut deaf = attacker.connect_many(iterations(20, 200));
    let mut written = 0;
    for stream in &mut deaf {
        stream.set_nonblocking(true).expect("a socket");
        let (mut idle, mut at) = (0, 0);
        while idle < 10 {
            match stream.write(&many[at..]) {
                Ok(count) => {
                    (idle, written, at) = (0, written + count, (at + count) % many.len());
                    assert!(written < 4 << 30, "there is no end");
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    idle += 1;
                    thread::sleep(Duration::from_millis(5));
                }
                Err(_) => break,
            }
        }
    }
    watched.answers(2);
    let count = deaf.len();
    drop(deaf);
    watched.is_well_after(
        &format!("{requests} requests in one write, and {count} connections that send requests and read no reply"),
        &format!(
            "all answered if they are read; {} MiB of requests taken from clients that do not read",
            written >> 20
        ),
    );
}

#[test]
fn half_closed_connections_and_what_is_not_http_are_closed() {
    let watched = Watched::start(1024);
    let attacker = Attacker::of(&watched.server.http);
    // A ClientHello: record, handshake, version, random, session, ciphers, and what is left of it.
    let mut hello = vec![0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3];
    hello.extend((0..506_u32).map(|n| u8::try_from(n * 7 % 256).expect("an octet")));
    let count = iterations(20, 400);
    let mut open = Vec::new();
    for _ in 0..count {
        for (sent, closes_half, answer) in [
            (&b""[..], true, ""),
            (b"GET /hea", true, ""),
            (b"GET /healthz HTTP/1.1\r\nHost: x\r\n", true, ""),
            (b"POST /nic/update HTTP/1.1\r\nContent-Length: 10\r\n\r\nmyip", true, "HTTP/1.1 503 "),
            (b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n", true, "HTTP/1.1 200 "),
            (&hello, false, "HTTP/1.1 400 "),
            (b"\x00\x00\x00\x00", false, "HTTP/1.1 400 "),
            (b"SSH-2.0-OpenSSH_9.2\r\n\r\n", false, "HTTP/1.1 400 "),
        ] {
            let mut stream = attacker.connect();
            stream.write_all(sent).expect("room");
            if closes_half {
                stream.shutdown(Shutdown::Write).expect("an open connection");
            }
            let (_, reply) = until_closed(&mut stream);
            assert!(reply.starts_with(answer) && reply.is_empty() == answer.is_empty(), "{sent:?}: {reply}");
            // This side keeps its half open. The server must not.
            open.push(stream);
        }
        if open.len() > 800 {
            open.clear();
        }
    }
    watched.is_well_after(
        &format!("{} connections that are half closed, or speak TLS or something else", count * 8),
        "each closed by the server",
    );
}

/// The median and the 99th percentile, in milliseconds.
fn latency(mut times: Vec<Duration>) -> (f64, f64) {
    times.sort_unstable();
    let at = |share: usize| times[(times.len() * share / 100).min(times.len() - 1)].as_secs_f64() * 1000.0;
    (at(50), at(99))
}

#[test]
fn a_flood_of_wrong_tokens_does_not_change_a_right_answer() {
    let watched = Watched::start(1024);
    let right = iterations(20, 400);
    let mut number = 1;
    let mut trickle = || {
        let times = (0..right).map(|_| {
            number += 1;
            let started = Instant::now();
            watched.answers(number);
            started.elapsed()
        });
        latency(times.collect())
    };
    let quiet = trickle();
    let (stop, wrong) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let flood: Vec<_> = (0..4)
        .map(|thread| {
            let (http, stop, wrong) = (watched.server.http.clone(), Arc::clone(&stop), Arc::clone(&wrong));
            thread::spawn(move || {
                let attacker = Attacker::of(&http);
                // Basic right.e.x:0123456789abcdefghjkmnpq
                let request = "GET /nic/update?hostname=right.e.x&myip=192.0.2.1 HTTP/1.1\r\nHost: x\r\nAuthorization: Basic cmlnaHQuZS54OjAxMjM0NTY3ODlhYmNkZWZnaGprbW5wcQ==\r\n";
                while !stop.load(Ordering::Relaxed) {
                    let mut stream = attacker.connect();
                    // Some keep their connection, some open a new one each time.
                    let requests = if thread % 2 == 0 { 100 } else { 1 };
                    let sent = format!("{request}\r\n").repeat(requests - 1) + request + "Connection: close\r\n\r\n";
                    stream.write_all(sent.as_bytes()).expect("a server that reads");
                    let mut replies = String::new();
                    stream.read_to_string(&mut replies).expect("a server that answers");
                    assert_eq!(replies.matches("\r\n\r\nbadauth").count(), requests, "{replies}");
                    wrong.fetch_add(requests as u64, Ordering::Relaxed);
                }
            })
        })
        .collect();
    while wrong.load(Ordering::Relaxed) == 0 && !flood.iter().all(thread::JoinHandle::is_finished) {
        thread::sleep(Duration::from_millis(1));
    }
    let (started, before) = (Instant::now(), wrong.load(Ordering::Relaxed));
    let flooded = trickle();
    let milliseconds = u64::try_from(started.elapsed().as_millis()).expect("less than an age").max(1);
    let rate = (wrong.load(Ordering::Relaxed) - before) * 1000 / milliseconds;
    stop.store(true, Ordering::Relaxed);
    for attacker in flood {
        attacker.join().expect("every wrong token is refused");
    }
    let wrong = wrong.load(Ordering::Relaxed);
    assert!(wrong > 0);
    watched.is_well_after(
        &format!("{wrong} wrong tokens, {rate} a second, next to {right} right ones"),
        &format!(
            "all refused, all right ones answered; an update and its look-up took {:.1} times as long in the middle, {:.1} times at the 99th of a hundred (attackers, server and client on the same processors)",
            flooded.0 / quiet.0,
            flooded.1 / quiet.1
        ),
    );
}

#[test]
fn a_log_that_nobody_reads_stops_nothing() {
    // A pipe that stays open, holds 64 KiB, and that nobody reads.
    let watched = Watched::start_by(r#"mkfifo "$NIC53_DATA/log"; exec 3<>"$NIC53_DATA/log""#, "2>&3");
    let count = iterations(3000, 30_000) as usize;
    let hosts = ["one-of-twenty-hosts.right.e.x"; 20].join(",");
    let request = format!("GET /nic/update?hostname={hosts} HTTP/1.1\r\nHost: x\r\nAuthorization: Basic eDp5\r\n\r\n");
    for _ in 0..count / 1000 {
        let mut stream = Attacker::of(&watched.server.http).connect();
        stream.write_all(request.repeat(1000).as_bytes()).expect("a server that reads");
        stream.shutdown(Shutdown::Write).expect("an open connection");
        let mut replies = String::new();
        stream.read_to_string(&mut replies).expect("a server that answers");
        assert_eq!(replies.matches("\r\n\r\nbadauth").count(), 1000);
    }
    watched.answers(2);
    let log = read_some(&watched.data.path().join("log"), "lines of the log are missing");
    assert!(log.contains("401 badauth"), "{log}");
    watched.is_well_after(
        &format!("{count} requests while nobody reads the log"),
        "all answered, and the missing lines counted",
    );
}

/// Reads a pipe until these words come.
fn read_some(pipe: &Path, words: &str) -> String {
    let mut pipe = fs::File::open(pipe).expect("a pipe");
    let (mut text, mut octets) = (Vec::new(), [0; 4096]);
    while !String::from_utf8_lossy(&text).contains(words) {
        let count = pipe.read(&mut octets).expect("a pipe that is open");
        assert!(count > 0 && text.len() < 16 << 20, "the log ended without {words}");
        text.extend(&octets[..count]);
    }
    String::from_utf8_lossy(&text).into_owned()
}

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
