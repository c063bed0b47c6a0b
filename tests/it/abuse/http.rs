//! HTTP connections that are idle, slow, endless, huge or wrong, and a log that nobody reads.

use std::{
    fs,
    io::{ErrorKind, Read, Write},
    net::{Shutdown, TcpStream},
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use super::{Attacker, PATIENCE, Watched, latency, until_closed};
use crate::support::{raw::Connection, results::iterations};

/// Connections that the server serves at a time.
const SLOTS: usize = 512;

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
