//! The embedded store: what a durable change costs compared with the disk's own fsync, and what more records
//! cost.
//!
//! Rates are medians of turns, in which the disk, one client and 64 clients take theirs one after the
//! other. Costs are counted in instructions, which do not depend on what else the machine does.

#[path = "support/server.rs"]
mod server;
#[path = "support/table.rs"]
mod table;

use std::{
    fmt::Write as _,
    fs::{self, File},
    io::{Read, Write as _},
    net::{Ipv4Addr, TcpStream, UdpSocket},
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
    process::Command,
    sync::atomic::{AtomicU32, Ordering},
    time::{Duration, Instant},
};

use base64::prelude::{BASE64_STANDARD, Engine};
use nic53::{
    protocol::{
        access::{Access, Generations, Grant},
        address::Family,
        hostname::HostName,
        record::{Action, Change, ChangeBatch, RecordSet},
        token::{Password, Secret, Secrets},
        zone::Zones,
    },
    store::{Budget, Store, Turn, embedded::Embedded},
};

use self::{
    server::{SECRET, Server, ZONE, serve, token},
    table::{median, output},
};

/// How often the disk and the store have their turns.
const TURNS: usize = 5;
/// A turn.
const TURN: Duration = Duration::from_secs(2);
/// Clients at once.
const CLIENTS: [usize; 2] = [1, 64];
/// Records in the zone.
const SIZES: [u32; 4] = [1, 10, 10_000, 1_000_000];
/// Records that are made at once.
const BATCH: usize = 10_000;
/// How often each size is started.
const STARTS: usize = 5;
/// Updates of a turn, at most.
const MOST_UPDATES: u32 = 200_000;
/// Updates, and questions for names that do not exist, of which the cost is counted.
const COUNTED: u32 = 200;

fn main() {
    // In the target folder: the system's own for temporary files may be in memory.
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a temporary folder");
    let folders = SIZES.map(|size| {
        let data = folder.path().join(size.to_string());
        fill(&data, size);
        data
    });
    let mut missed = Vec::new();
    let tables = [
        ("durable", durable(&folder.path().join("durable"), &folder.path().join("disk"), &mut missed)),
        ("starts", starts(&folders)),
        ("costs", costs(&folders)),
    ];
    let placed = |(place, table)| format!("<!-- bench:{place} -->\n{table}<!-- /bench:{place} -->\n");
    table::write(&tables.map(placed).concat());
    assert!(missed.is_empty(), "missed:\n{}", missed.join("\n"));
}

/// Durable changes compared with the disk's own rate.
fn durable(data: &Path, disk: &Path, missed: &mut Vec<String>) -> String {
    let script = data.with_extension("lua");
    fs::write(&script, UPDATES).expect("room for a script");
    let mut syncs = Vec::new();
    let mut goods = CLIENTS.map(|_| Vec::new());
    let server = Server::start(&mut serve(&[], data));
    for turn in 0..=TURNS {
        let rate = syncs_a_second(disk);
        let rates = CLIENTS.map(|clients| updates(&server, clients, &script));
        // The first is for the file to grow.
        if turn > 0 {
            syncs.push(rate);
            for (goods, rate) in goods.iter_mut().zip(rates) {
                goods.push(rate / TURN.as_secs_f64());
            }
        }
    }
    server.stop();
    let disk = median(syncs);
    let mut table = "| Clients at once | `good` for one fsync of the disk | fsyncs for 8 `good` | `good` a second | fsyncs a second of the disk |\n|---|---|---|---|---|\n".to_owned();
    for (clients, goods) in CLIENTS.into_iter().zip(goods) {
        let rate = median(goods);
        let syncs = 8.0 * syncs_an_update(data, clients, &script);
        if clients == 64 && syncs > 1.0 {
            missed.push(format!("{syncs:.2} fsyncs for 8 `good` of {clients} clients: expected 1 at most"));
        }
        writeln!(table, "| {clients} | {:.2} | {syncs:.2} | {rate:.0} | {disk:.0} |", rate / disk)
            .expect("room for a row");
    }
    table
}

/// How often a second the disk makes 4 KiB durable that take the place of others.
fn syncs_a_second(path: &Path) -> f64 {
    let page = [1; 4096];
    let file = File::options().create(true).truncate(false).write(true).open(path).expect("a file");
    file.set_len(64 * 4096).and_then(|()| file.sync_all()).expect("room for it");
    let start = Instant::now();
    let mut count = 0_u32;
    while start.elapsed() < TURN / 2 {
        file.write_all_at(&page, u64::from(count % 64) * 4096)
            .and_then(|()| file.sync_data())
            .expect("a disk that syncs");
        count += 1;
    }
    f64::from(count) / start.elapsed().as_secs_f64()
}

/// Changes an address again and again, and says how often that was done.
fn updates(server: &Server, clients: usize, script: &Path) -> f64 {
    let mut wrk = Command::new("wrk");
    wrk.args(["--threads", "1", "--connections", &clients.to_string(), "--duration", &TURN.as_secs().to_string()])
        .arg("--script")
        .arg(script)
        .args(["--header", &authorization(), &format!("http://{}", server.http), "--"])
        .arg(NEXT_ADDRESS.fetch_add(MOST_UPDATES, Ordering::Relaxed).to_string());
    let said = output(&mut wrk);
    let totals = said.lines().find_map(|line| line.strip_prefix("totals ")).expect("a line of totals");
    let (goods, others) = totals.split_once(' ').expect("two numbers");
    assert_eq!(others, "0", "{said}");
    goods.parse().expect("a number")
}

/// The fsyncs that one update takes, counted by strace, which makes them slower.
fn syncs_an_update(data: &Path, clients: usize, script: &Path) -> f64 {
    let calls = data.with_extension("calls");
    let path = calls.to_string_lossy();
    // `-D`: the child is the server, and strace ends with it.
    let strace = ["strace", "-D", "-f", "--seccomp-bpf", "-qq", "-e", "trace=fsync,fdatasync", "-o", &path];
    let server = Server::start(&mut serve(&strace, data));
    let count = || {
        let calls = fs::read_to_string(&calls).expect("what strace wrote");
        u32::try_from(calls.lines().filter(|line| line.contains("sync(")).count()).expect("a few")
    };
    let before = count();
    let updates = updates(&server, clients, script);
    let syncs = count() - before;
    server.stop();
    f64::from(syncs) / updates
}

/// Each request sets an address that no request set before, from the given number on; says how many
/// were `good`.
const UPDATES: &str = r#"
local count, goods, others = 0, 0, 0
local threads = {}
function init(arguments) count = tonumber(arguments[1]) end
function setup(thread) table.insert(threads, thread) end
function request()
    count = count + 1
    local address = string.format("11.%d.%d.%d", math.floor(count / 65536) % 256, math.floor(count / 256) % 256, count % 256)
    return wrk.format("GET", string.format("/nic/update?hostname=h%07d.example.org&myip=%s", count % 1000, address))
end
function response(status, headers, body)
    if body:find("^good ") then good = (good or 0) + 1 else other = (other or 0) + 1 end
end
function done()
    for _, thread in ipairs(threads) do
        goods = goods + (thread:get("good") or 0)
        others = others + (thread:get("other") or 0)
    end
    io.write(string.format("totals %d %d\n", goods, others))
end
"#;

/// What a start costs.
fn starts(folders: &[PathBuf]) -> String {
    let mut table =
        "| Records | CPU of a start | compared with one record | CPU a record more | file |\n|---|---|---|---|---|\n"
            .to_owned();
    let mut with_one = None;
    for (size, data) in SIZES.iter().zip(folders) {
        let start = |_| {
            let server = Server::start(&mut serve(&[], data));
            let cpu = server.cpu();
            server.stop();
            cpu
        };
        let cpu = median((0..STARTS).map(start).collect());
        let with_one = *with_one.get_or_insert(cpu);
        let more =
            if *size > 10 { format!("{:.2} µs", (cpu - with_one) / f64::from(*size) * 1e6) } else { "–".to_owned() };
        let file = fs::metadata(data.join("records.redb")).expect("a file").len() >> 10;
        writeln!(table, "| {size} | {:.0} ms | {:.1} | {more} | {file} KiB |", cpu * 1e3, cpu / with_one)
            .expect("room for a row");
    }
    table
}

/// What an update and an answer that there is no such name cost.
fn costs(folders: &[PathBuf]) -> String {
    let mut table = "| Records | Update, instructions | compared with 10 | NXDOMAIN, instructions | compared with 10 |\n|---|---|---|---|---|\n".to_owned();
    let mut of_ten = None;
    for (size, data) in SIZES.iter().zip(folders).filter(|(size, _)| **size >= 10) {
        let nothing = instructions(data, |_| {});
        let update = (instructions(data, |server| update(server, *size)) - nothing) / f64::from(COUNTED);
        let question = (instructions(data, |server| question(server, *size)) - nothing) / f64::from(COUNTED);
        let of_ten = of_ten.get_or_insert((update, question));
        writeln!(
            table,
            "| {size} | {update:.0} | {:.2} | {question:.0} | {:.2} |",
            update / of_ten.0,
            question / of_ten.1
        )
        .expect("room for a row");
    }
    table
}

/// The instructions of a server that is started, used and stopped.
fn instructions(data: &Path, used: impl FnOnce(&Server)) -> f64 {
    let counted = data.with_extension("callgrind");
    let out = format!("--callgrind-out-file={}", counted.display());
    let server = Server::start(&mut serve(&["valgrind", "--quiet", "--tool=callgrind", &out], data));
    used(&server);
    server.stop();
    let counted = fs::read_to_string(counted).expect("what callgrind counted");
    let total = counted.lines().find_map(|line| line.strip_prefix("totals: ")).expect("a line of totals");
    total.parse().expect("a number")
}

/// Changes hosts all over the zone, one after the other.
fn update(server: &Server, size: u32) {
    let mut stream = TcpStream::connect(server.http).expect("a server that listens");
    let authorization = authorization();
    for number in 0..COUNTED {
        let (host, address) = (host(place(number, size)), fresh_address());
        write!(stream, "GET /nic/update?hostname={host}&myip={address} HTTP/1.1\r\nHost: x\r\n{authorization}\r\n\r\n")
            .expect("a server that reads");
        let (mut answer, mut part) = (Vec::new(), [0; 4096]);
        let end = format!("\r\n\r\ngood {address}");
        while !answer.ends_with(end.as_bytes()) {
            let length = stream.read(&mut part).expect("a server that answers");
            answer.extend_from_slice(&part[..length]);
            assert!(length > 0, "{}", String::from_utf8_lossy(&answer));
        }
    }
}

/// Asks for names all over the zone that do not exist, one after the other.
fn question(server: &Server, size: u32) {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
    socket.set_read_timeout(Some(Duration::from_secs(10))).expect("a time to wait");
    socket.connect(server.dns.expect("an address")).expect("a server that listens");
    for number in 0..COUNTED {
        // Identifier 1, a standard query, one question.
        let mut question = vec![0, 1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0];
        for label in format!("x{}", host(place(number, size))).split('.') {
            question.push(u8::try_from(label.len()).expect("a label"));
            question.extend(label.as_bytes());
        }
        // The root, A, Internet.
        question.extend([0, 0, 1, 0, 1]);
        let mut answer = [0; 512];
        socket.send(&question).expect("a server that listens");
        socket.recv(&mut answer).expect("a server that answers");
        // RFC 1035 §4.1.1: the last four bits are the code; 3 is a name error.
        assert_eq!(answer[3] & 15, 3);
    }
}

/// Fills a new folder with that many records.
fn fill(data: &Path, size: u32) {
    let zones = Zones::parse(&format!("{ZONE}=EMBEDDED")).expect("a zone");
    let secrets = Secrets { current: Secret::new(SECRET).expect("a secret"), previous: None };
    let access = Access { zones: &zones, secrets: &secrets, generations: &Generations::new() };
    let password = Password::new(&token()).expect("a token");
    let store = Embedded::open(data, zones.clone()).expect("a store");
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    for batch in (0..size).collect::<Vec<_>>().chunks(BATCH) {
        let grant = |number: &u32| access.grant(&host(*number), &password).expect("a token that covers it");
        let grants: Vec<Grant<'_>> = batch.iter().map(grant).collect();
        let record_set = RecordSet::new(Family::V4, 60, &[Ipv4Addr::new(192, 0, 2, 1).into()]);
        let change = |grant| Change { grant, action: Action::Upsert, record_set: record_set.clone() };
        let batch = ChangeBatch { zone: grants[0].zone(), changes: grants.iter().map(change).collect() };
        runtime.block_on(store.apply(&batch, &(), Turn::default(), &Budget::start())).expect("a disk with room");
    }
}

/// A host of the zone.
fn host(number: u32) -> HostName {
    format!("h{number:07}.{ZONE}").parse().expect("a name")
}

/// A place in a zone of that many hosts: the places of consecutive numbers are far from each other.
fn place(number: u32, size: u32) -> u32 {
    number.wrapping_mul(2_654_435_761) % size
}

/// The number of the next address that was not set before, within 11.0.0.0/8.
static NEXT_ADDRESS: AtomicU32 = AtomicU32::new(0);

/// An address that was not set before.
fn fresh_address() -> Ipv4Addr {
    Ipv4Addr::from(0x0B00_0000 + NEXT_ADDRESS.fetch_add(1, Ordering::Relaxed))
}

/// The credentials as a header.
fn authorization() -> String {
    format!("Authorization: Basic {}", BASE64_STANDARD.encode(format!("{ZONE}:{}", token()).as_bytes()))
}
