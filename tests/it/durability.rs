//! `nic53 serve` killed, out of room, on a damaged file: nothing that was acknowledged is lost, nothing
//! is done by halves, and it says what is wrong.

use std::{
    fs,
    net::{IpAddr, Ipv4Addr},
    os::unix::fs::{MetadataExt, chown, symlink},
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use crate::support::{
    process::{Finished, Nic53, program},
    raw::{Connection, addresses, authorization, serial},
    results::{iterations, record},
};
use hickory_server::proto::rr::RecordType;
use proptest::{
    prelude::RngExt,
    test_runner::{RngAlgorithm, TestRng},
};
use rustix::process::{Pid, Resource, Rlimit, geteuid, prlimit};

const SECRET: &str = "the-secret-of-the-durability-tests-01234567";
const ZONES: &str = "example.org=Z1";

/// Pairs of hosts. Both of a pair, and both families of each, are always changed together.
const PAIRS: u32 = 6;
/// Clients at work at a time.
const CLIENTS: u32 = 4;

/// The settings of a server on this folder.
fn settings(data: &Path) -> [(&str, &str); 3] {
    [("NIC53_ZONES", ZONES), ("NIC53_SECRET", SECRET), ("NIC53_DATA", data.to_str().expect("a path that is text"))]
}

/// A server on this folder.
fn serve(data: &Path) -> Nic53 {
    Nic53::serve(&settings(data), &["--dns", "127.0.0.1:0"])
}

/// What `nic53` does with a folder, to its end.
fn nic53(data: &Path, arguments: &[&str]) -> Finished {
    program(env!("CARGO_BIN_EXE_nic53")).settings(&settings(data)).args(arguments).start().finish()
}

/// The address of the server's DNS.
fn dns(server: &Nic53) -> &str {
    server.dns.as_deref().expect("a DNS server")
}

/// The addresses that stand for a number.
fn addresses_of(number: u32) -> String {
    format!("{},2001:db8::{number:x}", Ipv4Addr::from(0x0800_0000 | number))
}

/// The request that sets both hosts of a pair to a number.
fn target(pair: u32, number: u32) -> String {
    format!("/nic/update?hostname=a.{pair}.example.org,b.{pair}.example.org&myip={}", addresses_of(number))
}

/// The number that a pair has in DNS, 0 for none. Panics where its four records differ.
fn number(server: &Nic53, pair: u32) -> u32 {
    let of = |host: String, kind| match *addresses(dns(server), &host, kind) {
        [] => 0,
        [IpAddr::V4(address)] => u32::from(address) & 0xff_ffff,
        [IpAddr::V6(address)] => u32::try_from(address.to_bits() & 0xff_ffff).expect("24 bits"),
        ref several => panic!("{host}: {several:?}"),
    };
    let numbers = ["a", "b"]
        .map(|side| [RecordType::A, RecordType::AAAA].map(|kind| of(format!("{side}.{pair}.example.org."), kind)));
    assert_eq!(numbers, [[numbers[0][0]; 2]; 2], "pair {pair}: half a batch");
    numbers[0][0]
}

/// One request of a client.
#[derive(Clone, Copy, Debug)]
struct Change {
    /// Which pair.
    pair: u32,
    /// What it was to be set to. No two requests have the same.
    number: u32,
    /// When it was sent, as [`Course::tick`] counts.
    sent: u64,
    /// When it was acknowledged, if it was.
    acknowledged: Option<u64>,
}

/// What all clients of a server count together.
#[derive(Default)]
struct Course {
    /// Moments.
    clock: AtomicU64,
    /// Requests sent ever.
    numbers: AtomicU32,
    /// Replies of this server.
    replies: AtomicU32,
    /// Whether the server was killed.
    killed: AtomicBool,
}

impl Course {
    /// The next moment.
    fn tick(&self) -> u64 {
        self.clock.fetch_add(1, Ordering::SeqCst)
    }
}

/// Updates pairs, a few requests at a time, until the connection breaks.
fn update(http: &str, course: &Course, mut random: TestRng) -> Vec<Change> {
    let authorization = authorization(SECRET, ZONES, "example.org");
    let mut changes = Vec::new();
    let mut connection = Connection::open(http).expect("a server");
    loop {
        let first = changes.len();
        for _ in 0..random.random_range(1..=3) {
            let change = Change {
                pair: random.random_range(0..PAIRS),
                number: course.numbers.fetch_add(1, Ordering::SeqCst) + 1,
                sent: course.tick(),
                acknowledged: None,
            };
            changes.push(change);
            if connection.get(&target(change.pair, change.number), &authorization).is_err() {
                return changes;
            }
        }
        for change in &mut changes[first..] {
            let Ok((status, body)) = connection.reply() else { return changes };
            let line = format!("good {}", addresses_of(change.number));
            assert_eq!((status, body), (200, format!("{line}\n{line}")), "{change:?}");
            change.acknowledged = Some(course.tick());
            course.replies.fetch_add(1, Ordering::SeqCst);
        }
    }
}

/// Asks for the serial until the server is killed, and returns the last.
fn watch(dns: &str, course: &Course) -> u32 {
    let mut last = 0;
    while !course.killed.load(Ordering::SeqCst) {
        let serial = serial(dns, "example.org.");
        assert!(serial >= last, "{serial} after {last}");
        last = serial;
        // Not more than a few of these a second, or the clients get no turn.
        thread::sleep(Duration::from_millis(20));
    }
    last
}

/// Whether a pair may have this number, after it had that one and these changes were asked for: no
/// acknowledged change may have begun after it was acknowledged.
fn may_have(found: u32, before: u32, changes: &[Change]) -> bool {
    let acknowledged = |later_than: u64| {
        changes.iter().any(|change| change.acknowledged.is_some() && change.sent > later_than && change.number != found)
    };
    match changes.iter().find(|change| change.number == found) {
        Some(change) => !change.acknowledged.is_some_and(acknowledged),
        None => found == before && !changes.iter().any(|change| change.acknowledged.is_some()),
    }
}

#[test]
fn whatever_moment_it_is_killed_what_was_acknowledged_is_there() {
    let kills = iterations(8, 200);
    let mut random = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    let folder = tempfile::tempdir().expect("a temporary folder");
    let data = folder.path();
    let course = Arc::new(Course::default());
    let mut before = vec![0; PAIRS as usize];
    let (mut acknowledged, mut open, mut took_effect, mut starting) = (0, 0, 0, 0);
    for kill in 0..kills {
        if random.random_bool(0.25) {
            // While it starts.
            let process = program(env!("CARGO_BIN_EXE_nic53"))
                .settings(&settings(data))
                .args(&["serve", "--http", "127.0.0.1:0", "--dns", "127.0.0.1:0"])
                .start();
            thread::sleep(Duration::from_micros(random.random_range(0..50_000)));
            drop(process);
            starting += 1;
        }
        let server = serve(data);
        let serial_before = serial(dns(&server), "example.org.");
        course.replies.store(0, Ordering::SeqCst);
        course.killed.store(false, Ordering::SeqCst);
        let clients: Vec<_> = (0..CLIENTS)
            .map(|client| {
                let (http, course) = (server.http.clone(), Arc::clone(&course));
                let mut seed = [0; 32];
                seed[..8].copy_from_slice(&u64::from(kill << 8 | client).to_be_bytes());
                let random = TestRng::from_seed(RngAlgorithm::ChaCha, &seed);
                thread::spawn(move || update(&http, &course, random))
            })
            .collect();
        let watcher = {
            let (dns, course) = (dns(&server).to_owned(), Arc::clone(&course));
            thread::spawn(move || watch(&dns, &course))
        };
        let (replies, more) = (random.random_range(0..60), Duration::from_micros(random.random_range(0..3000)));
        let started = Instant::now();
        while course.replies.load(Ordering::SeqCst) < replies {
            assert!(started.elapsed() < Duration::from_mins(1), "{kill}: not {replies} replies");
            assert!(!clients.iter().all(thread::JoinHandle::is_finished), "{kill}: no client is left");
            thread::sleep(Duration::from_micros(100));
        }
        thread::sleep(more);
        // No question is open when the server goes, since none would be answered.
        course.killed.store(true, Ordering::SeqCst);
        let serial_seen = watcher.join().expect("a serial that does not fall").max(serial_before);
        // SIGKILL.
        drop(server);
        let changes: Vec<Change> =
            clients.into_iter().flat_map(|client| client.join().expect("right replies")).collect();

        let server = serve(data);
        assert!(serial(dns(&server), "example.org.") >= serial_seen, "{kill}");
        for pair in 0..PAIRS {
            let found = number(&server, pair);
            let changes: Vec<_> = changes.iter().filter(|change| change.pair == pair).copied().collect();
            let had = &mut before[pair as usize];
            assert!(may_have(found, *had, &changes), "{kill}: pair {pair} had {had}, has {found}: {changes:#?}");
            *had = found;
            let unanswered: Vec<_> = changes.iter().filter(|change| change.acknowledged.is_none()).collect();
            acknowledged += changes.len() - unanswered.len();
            open += unanswered.len();
            took_effect += unanswered.iter().filter(|change| change.number == found).count();
        }
    }
    let zone = nic53(data, &["export", "example.org"]);
    for (pair, number) in before.iter().enumerate() {
        let lines = format!("\na.{pair}\t60\tIN\tA\t{}\n", Ipv4Addr::from(0x0800_0000 | number));
        assert!(*number == 0 || zone.stdout.contains(&lines), "{lines}: {zone:?}");
    }
    assert!(acknowledged > 0);
    record(
        "The embedded store",
        &format!("`kill -9` under the load of {CLIENTS} clients {kills} times, and {starting} times while it started"),
        &format!(
            "{acknowledged} changes acknowledged, 0 lost; of {open} that were under way {took_effect} are there, whole; the serial never fell"
        ),
    );
}

#[test]
fn may_have_tells_a_lost_change() {
    let change = |number, sent, acknowledged| Change { pair: 0, number, sent, acknowledged };
    let (first, second) = (change(1, 0, Some(1)), change(2, 2, Some(3)));
    let beside = change(3, 1, Some(5));
    let open = change(4, 1, None);
    for (found, changes, expected) in [
        (9, &[][..], true),
        (0, &[], false),
        (9, &[open], true),
        (4, &[open], true),
        (9, &[first], false),
        (1, &[first], true),
        (1, &[first, second], false),
        (2, &[first, second], true),
        (2, &[first, second, beside], true),
        (3, &[first, second, beside], true),
        (4, &[first, second, open], true),
        (1, &[first, open], true),
    ] {
        assert_eq!(may_have(found, 9, changes), expected, "{found} after {changes:?}");
    }
}

/// Limits the length of the files that a server may write.
fn limit_files(server: &Nic53, length: Option<u64>) {
    let pid = i32::try_from(server.pid()).ok().and_then(Pid::from_raw);
    let limit = Rlimit { current: length, maximum: None };
    prlimit(pid, Resource::Fsize, limit).expect("a process of ours");
}

#[test]
fn without_room_it_answers_dnserr_and_with_room_it_is_well_again() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let data = folder.path();
    let server = serve(data);
    let authorization = authorization(SECRET, ZONES, "example.org");
    let mut last = 0;
    let update = |number: u32| {
        let mut connection = Connection::open(&server.http).expect("a server");
        connection.get(&target(0, number), &authorization).expect("a server that lives");
        connection.reply().expect("a reply")
    };
    let line = |number: u32| {
        let line = format!("good {}", addresses_of(number));
        (200, format!("{line}\n{line}"))
    };
    // Without any room, not even the file's head can be written again.
    for room in [0, 512, 4096, 40_960] {
        last += 1;
        assert_eq!(update(last), line(last), "{room}");
        limit_files(&server, Some(room));
        let mut refused = 0;
        // What there is may be enough for some.
        for tried in last + 1..last + 100 {
            let reply = update(tried);
            if reply == line(tried) {
                last = tried;
            } else {
                assert_eq!(reply, (503, "dnserr\ndnserr".to_owned()), "{room}");
                assert_eq!(number(&server, 0), last, "{room}");
                refused += 1;
            }
            if refused == 3 {
                break;
            }
        }
        assert_eq!(refused, 3, "{room}");
        server.logged(&["could not confirm the change", "records.redb", "File too large"]);
        limit_files(&server, None);
        // Within a second, by itself.
        let started = Instant::now();
        last += 100;
        while update(last) != line(last) {
            assert!(started.elapsed() < Duration::from_mins(1), "{room}: not well again");
            last += 1;
        }
        assert_eq!(number(&server, 0), last, "{room}");
    }
    drop(server);
    assert_eq!(number(&serve(data), 0), last);
}

#[test]
fn a_first_start_without_room_says_so() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let limited = ["-c", r#"ulimit -f 0; exec "$0" serve --http 127.0.0.1:0"#, env!("CARGO_BIN_EXE_nic53")];
    let failed = program("sh").settings(&settings(folder.path())).args(&limited).start().finish();
    says_in_one_line(&failed, &["records.new", "could not make it", "File too large"]);
    // And the next one has all it needs.
    assert_eq!(number(&serve(folder.path()), 0), 0);
}

/// Whether a program ended with 2, and with one line that holds these words.
fn says_in_one_line(finished: &Finished, words: &[&str]) {
    assert_eq!((finished.code, finished.stdout.as_str()), (Some(2), ""), "{finished:?}");
    assert!(finished.stderr.starts_with("nic53: ") && finished.stderr.lines().count() == 1, "{finished:?}");
    assert!(words.iter().all(|word| finished.stderr.contains(word)), "{finished:?}");
}

#[test]
fn a_secret_is_not_written_where_somebody_else_wants_it() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (data, elsewhere) = (folder.path().join("data"), folder.path().join("elsewhere"));
    fs::create_dir(&data).expect("a folder");
    symlink(&elsewhere, data.join("secret.new")).expect("a link");
    let start = |data: &Path| {
        let settings = [("NIC53_ZONES", ZONES), ("NIC53_DATA", data.to_str().expect("a path that is text"))];
        program(env!("CARGO_BIN_EXE_nic53"))
            .settings(&settings)
            .args(&["serve", "--http", "127.0.0.1:0", "--dns", "off"])
            .start()
            .finish()
    };
    says_in_one_line(&start(&data), &["secret.new", "symbolic link of user", "with mode", "expected"]);
    assert!(!elsewhere.exists() && !data.join("secret").exists());
    // A folder of another user: made one if we may, else one that is there.
    let of_another = if geteuid().is_root() {
        chown(&data, Some(65534), None).expect("root may");
        data
    } else {
        PathBuf::from("/usr")
    };
    let owner = format!("of user {}", fs::metadata(&of_another).expect("a folder").uid());
    says_in_one_line(&start(&of_another), &["a folder", &owner, "with mode", "expected"]);
}

#[test]
fn a_damaged_file_is_reported_and_left_as_it_is() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let data = folder.path();
    let server = serve(data);
    let mut connection = Connection::open(&server.http).expect("a server");
    connection.get(&target(0, 7), &authorization(SECRET, ZONES, "example.org")).expect("a server that lives");
    assert_eq!(connection.reply().expect("a reply").0, 200);
    drop(server);

    let path = data.join("records.redb");
    let whole = fs::read(&path).expect("the records");
    let mut flipped = whole.clone();
    let record = whole.windows(4).position(|octets| octets == [8, 0, 0, 7]).expect("the address in the file");
    flipped[record] ^= 1;
    for (damage, octets) in [
        ("empty", Vec::new()),
        ("half", whole[..whole.len() / 2].to_vec()),
        ("no header", [vec![0; 4096], whole[4096..].to_vec()].concat()),
        ("one bit", flipped),
    ] {
        fs::write(&path, &octets).expect("room");
        for arguments in [&["serve", "--http", "127.0.0.1:0"][..], &["export"]] {
            says_in_one_line(&nic53(data, arguments), &["records.redb", "damaged", "put a copy in its place"]);
            assert!(fs::read(&path).expect("the records") == octets, "{damage}: {arguments:?} changed it");
        }
    }
    fs::write(&path, &whole).expect("room");
    assert_eq!(number(&serve(data), 0), 7);
}

#[test]
fn a_second_server_on_a_folder_is_refused_and_the_first_goes_on() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let data = folder.path();
    let server = serve(data);
    let second = nic53(data, &["serve", "--http", "127.0.0.1:0", "--dns", "off"]);
    says_in_one_line(&second, &[data.to_str().expect("text"), "in use by another nic53", "stop that one first"]);
    let mut connection = Connection::open(&server.http).expect("a server");
    connection.get(&target(0, 7), &authorization(SECRET, ZONES, "example.org")).expect("a server that lives");
    assert_eq!(connection.reply().expect("a reply").0, 200);
    assert_eq!(number(&server, 0), 7);
}
