//! `nic53 serve` under attack: honest clients are answered, its memory is bounded, and it closes every
//! descriptor again.
//!
//! The server is the real program, with the 1024 descriptors that a process has by default. The
//! attackers come from one address of this machine, honest clients from another.

mod dns;
mod http;

use std::{
    fs,
    io::{ErrorKind, Read},
    net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream},
    thread,
    time::{Duration, Instant},
};

use crate::support::{
    process::{Nic53, program},
    raw::{Connection, addresses, authorization},
    results::record,
};
use hickory_server::proto::rr::RecordType;
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

/// The median and the 99th percentile, in milliseconds.
fn latency(mut times: Vec<Duration>) -> (f64, f64) {
    times.sort_unstable();
    let at = |share: usize| times[(times.len() * share / 100).min(times.len() - 1)].as_secs_f64() * 1000.0;
    (at(50), at(99))
}
