//! The Lambda, compared with the smallest possible function and with the same gateway in Python.
//!
//! `scripts/bench` starts it: it builds and installs what this runs, and puts the tables into
//! `docs/performance.md`.

mod counts;
mod cpu_quota;
mod crate_groups;
mod function;
mod size;
mod table;
mod tls_proxy;

#[path = "../../tests/it/support"]
#[expect(dead_code, reason = "the tests use the rest")]
mod support {
    pub(crate) mod bucket;
    pub(crate) mod fake_route53;
    pub(crate) mod fault;
    pub(crate) mod hosted_zone;
    pub(crate) mod http_service;
    pub(crate) mod xml;
}

use std::{
    env,
    path::{Path, PathBuf},
    time::Duration,
};

use base64::prelude::{BASE64_STANDARD, Engine};
use cpu_quota::CpuQuota;
use function::{Function, Program};
use nic53::protocol::{
    hostname::HostName,
    token::{Scope, Secret},
    zone::Zone,
};
use serde_json::{Value, json};
use support::fake_route53::{FakeRoute53, Operation};
use table::{Table, median, ratio};
use tls_proxy::TlsProxy;

/// What tokens are minted under.
const SECRET: &str = "the-secret-of-the-benchmarks-0123456789abcde";

/// How many processes of each kind are started for one number.
const STARTS: usize = 15;

/// How many warm requests are made for one number.
const WARM: u32 = 300;

/// The most that may be resident, in octets.
const MOST_RESIDENT: u64 = 12_000_000;

/// What is compared with what.
struct Bench {
    /// The folder into which `scripts/bench` puts what it builds.
    tools: PathBuf,
    /// Runs the fake Route 53.
    runtime: tokio::runtime::Runtime,
    /// Behind the proxy.
    route53: FakeRoute53,
    /// TLS.
    proxy: TlsProxy,
}

/// Programs side by side.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// `bootstrap`.
    Nic53,
    /// A function that does nothing.
    Empty,
    /// The gateway in Python.
    Python,
}

/// A row of times: what it is called, and which time of a process it is.
type Row = (&'static str, fn(&Start) -> Duration);

/// What is asked, what its replies begin with, and its events by number.
type Requests = (&'static str, &'static str, fn(u32) -> Value);

/// The times of one process.
struct Start {
    /// To its first poll.
    poll: Duration,
    /// Of its first reply.
    first: Duration,
    /// The CPU time it had until then.
    cpu: Duration,
}

fn main() {
    let variable = |name| env::var_os(name).unwrap_or_else(|| panic!("{name} is not set: run scripts/bench lambda"));
    let (tools, file) = (PathBuf::from(variable("NIC53_BENCH_TOOLS")), variable("NIC53_BENCH_TABLE"));
    let bench = Bench::new(tools);
    let mut missed = Vec::new();
    let tables = [
        bench.starts(),
        bench.starts_held(),
        bench.warm(&mut missed),
        bench.work(),
        bench.sizes(&mut missed),
        bench.calls(&mut missed),
    ];
    std::fs::write(file, tables.concat()).expect("room for the tables");
    assert!(missed.is_empty(), "missed:\n{}", missed.join("\n"));
}

impl Bench {
    /// Starts the fake.
    fn new(tools: PathBuf) -> Self {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime");
        let (route53, proxy) = runtime.block_on(async {
            let route53 = FakeRoute53::start().await;
            let upstream = route53.url().trim_start_matches("http://").to_owned();
            let proxy = TlsProxy::start(upstream, &tools.join("authority.pem")).await;
            (route53, proxy)
        });
        let bench = Self { tools, runtime, route53, proxy };
        bench.reset();
        bench
    }

    /// Puts all hosts where [`moving`] has them as number 0.
    fn reset(&self) {
        self.route53.zone("Z1", "example.org");
        for host in hosts(20) {
            self.route53.put("Z1", &format!("{host}. 60 A 192.0.2.1")).expect("a record set");
        }
    }

    /// How a program is started in front of the fake.
    fn program(&self, kind: Kind) -> Program {
        let file = |name: &str| self.tools.join(name).display().to_string();
        let command = match kind {
            Kind::Nic53 => vec![file("bootstrap")],
            Kind::Empty => vec![file("empty_lambda")],
            Kind::Python => {
                let words = [&file("venv/bin/python"), "-m", "awslambdaric", "gateway.handler"];
                words.map(ToOwned::to_owned).to_vec()
            }
        };
        let variables = vec![
            ("NIC53_ZONES", "example.org=Z1".to_owned()),
            ("NIC53_SECRET", SECRET.to_owned()),
            ("AWS_CA_BUNDLE", file("authority.pem")),
            ("AWS_ENDPOINT_URL", self.proxy.url()),
            // Python compiles its files once, and not into this repository.
            ("PYTHONPYCACHEPREFIX", file("pycache")),
        ];
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/python_gateway").to_owned();
        Program { command, folder, variables }
    }

    /// Starts a program for one `good`, held to a small function's share after its first poll or not.
    fn start(&self, kind: Kind, number: u32, hold: bool) -> (Start, &'static str) {
        let function = Function::start(&self.program(kind));
        let poll = function.first_poll();
        let quota = hold.then(|| CpuQuota::hold(function.id()));
        let invocation = function.invoke(&moving(1, number));
        if kind != Kind::Empty {
            assert!(said(&invocation.reply).starts_with("good "), "{}", invocation.reply);
        }
        let start = Start { poll, first: invocation.took, cpu: function.cpu() };
        (start, quota.as_ref().map_or("not at all", CpuQuota::how))
    }

    /// All three, started in turn, so that what disturbs the machine disturbs all.
    fn start_all(&self, hold: bool) -> ([Vec<Start>; 3], &'static str) {
        let mut starts = [const { Vec::new() }; 3];
        let mut how = "";
        for round in 0..=STARTS {
            for (kind, starts) in [Kind::Nic53, Kind::Empty, Kind::Python].into_iter().zip(&mut starts) {
                // Python is as steady with fewer, and takes most of the time.
                if kind == Kind::Python && round % 2 == 1 {
                    continue;
                }
                let number = u32::try_from(round).expect("few") * 3 + kind as u32 + 1;
                let (start, by) = self.start(kind, number, hold);
                how = by;
                // The first reads the files from the disk.
                if round > 0 {
                    starts.push(start);
                }
            }
        }
        (starts, how)
    }

    /// The calls of one `good` alone: connection, handshake, list and change.
    fn bare_calls(&self) -> Duration {
        let head = "host: 127.0.0.1\r\nauthorization: AWS4-HMAC-SHA256 /route53/aws4_request\r\n";
        let list =
            format!("GET /2013-04-01/hostedzone/Z1/rrset?name=h1.example.org.&maxitems=10 HTTP/1.1\r\n{head}\r\n");
        let body = "<ChangeResourceRecordSetsRequest><ChangeBatch><Changes><Change><Action>UPSERT</Action>\
                    <ResourceRecordSet><Name>h1.example.org.</Name><Type>A</Type><TTL>60</TTL><ResourceRecords>\
                    <ResourceRecord><Value>192.0.2.1</Value></ResourceRecord></ResourceRecords></ResourceRecordSet>\
                    </Change></Changes></ChangeBatch></ChangeResourceRecordSetsRequest>";
        let change = format!(
            "POST /2013-04-01/hostedzone/Z1/rrset/ HTTP/1.1\r\n{head}content-length: {}\r\n\r\n{body}",
            body.len()
        );
        let requests = [list, change];
        let calls = self.runtime.block_on(async {
            let mut calls = Vec::new();
            for _ in 0..STARTS {
                calls.push(self.proxy.bare_calls(&requests).await);
            }
            calls
        });
        median(calls.into_iter())
    }

    /// From the start of a process to its first `good`, with a whole CPU.
    fn starts(&self) -> String {
        let (starts, _) = self.start_all(false);
        let calls = self.bare_calls();
        let [nic53, empty, python] = &starts;
        let mut table = Table::new(
            "lambda-start",
            &["", "nic53", "empty function", "its calls", "Python", "nic53 : empty and calls", "Python : nic53"],
        );
        let rows: [Row; 4] = [
            ("start → first poll", |start| start.poll),
            ("first event → `good`", |start| start.first),
            ("**start → first `good`**", |start| start.poll + start.first),
            ("CPU until then", |start| start.cpu),
        ];
        for (what, time) in rows {
            let [nic53, empty, python] = [nic53, empty, python].map(|starts| median(starts.iter().map(time)));
            let calls = if what.ends_with("`good`**") { calls } else { Duration::ZERO };
            let shown = if calls.is_zero() { String::new() } else { table::ms(calls) };
            let [limit, python_ratio] = [ratio(nic53, empty + calls), ratio(python, nic53)];
            table.row(&[what, &table::ms(nic53), &table::ms(empty), &shown, &table::ms(python), &limit, &python_ratio]);
        }
        table.end()
    }

    /// The same on 128 MB's share of a CPU after init.
    fn starts_held(&self) -> String {
        let (starts, how) = self.start_all(true);
        let [nic53, empty, python] = &starts;
        let mut table = Table::new("lambda-held", &["", "nic53", "empty function", "Python", "Python : nic53"]);
        let rows: [Row; 2] = [
            ("**first event → `good`**", |start| start.first),
            ("start → first `good`", |start| start.poll + start.first),
        ];
        for (what, time) in rows {
            let [nic53, empty, python] = [nic53, empty, python].map(|starts| median(starts.iter().map(time)));
            table.row(&[what, &table::ms(nic53), &table::ms(empty), &table::ms(python), &ratio(python, nic53)]);
        }
        table.note(&format!("Held by {how}: 1.45 ms of every 20 ms."));
        table.end()
    }

    /// Warm requests without the time of Route 53, and the memory that is resident after them.
    fn warm(&self, missed: &mut Vec<String>) -> String {
        let functions = [Kind::Nic53, Kind::Empty, Kind::Python].map(|kind| Function::start(&self.program(kind)));
        for function in &functions {
            function.first_poll();
        }
        let mut table = Table::new("lambda-warm", &["", "nic53", "empty function", "Python", "Python : nic53"]);
        let events: [Requests; 3] = [
            ("`nochg`", "nochg ", |_| moving(1, 0)),
            ("`good`", "good ", |number| moving(1, number)),
            ("`badauth`", "badauth", |_| refused()),
        ];
        self.reset();
        for (what, expected, event) in events {
            let mut times = [const { Vec::new() }; 3];
            for number in 1..=WARM {
                for (index, (function, times)) in functions.iter().zip(&mut times).enumerate() {
                    self.proxy.take_held();
                    // Each of them finds what the one before it wrote.
                    let invocation = function.invoke(&event(number * 3 + u32::try_from(index).expect("few")));
                    let reply = said(&invocation.reply);
                    assert!(index == 1 || reply.starts_with(expected), "{what}: {reply}");
                    times.push(invocation.took.saturating_sub(self.proxy.take_held()));
                }
            }
            let [nic53, empty, python] = times.map(|times| median(times.into_iter()));
            table.row(&[what, &table::ms(nic53), &table::ms(empty), &table::ms(python), &ratio(python, nic53)]);
        }
        let [nic53, empty, python] = functions.each_ref().map(Function::resident);
        if nic53 >= MOST_RESIDENT {
            missed.push(format!("{nic53} octets are resident: expected less than {MOST_RESIDENT}"));
        }
        #[expect(clippy::cast_precision_loss, reason = "for people")]
        let of = |part: u64, whole: u64| format!("{:.1}", part as f64 / whole as f64);
        table.row(&["resident memory", &table::mb(nic53), &table::mb(empty), &table::mb(python), &of(python, nic53)]);
        table.end()
    }

    /// What one request takes, by group of crates.
    fn work(&self) -> String {
        let program = self.program(Kind::Nic53).with_file(&self.tools.join("bootstrap.symbols"));
        let mut table = Table::new("lambda-work", &["", "start → first poll", "`nochg`", "`good`", "`badauth`"]);
        let events: [fn(u32) -> Value; 3] = [|_| moving(1, 0), |number| moving(1, number), |_| refused()];
        let start = counts::instructions_of_start(&program, &self.tools);
        let [nochg, good, badauth] = events.map(|event| {
            self.reset();
            counts::instructions(&program, &self.tools, event)
        });
        let mut groups: Vec<&str> = good.keys().copied().collect();
        groups.sort_by(|a, b| good[b].total_cmp(&good[a]));
        let counted = [start, nochg, good, badauth];
        let totals = counted.each_ref().map(|costs| costs.values().sum::<f64>());
        let [start, nochg, good, badauth] = totals.map(|total| format!("{:.0} k", total / 1e3));
        table.row(&["**instructions**", &start, &nochg, &good, &badauth]);
        for group in groups {
            let share = |index: usize| {
                let cost = counted[index].get(group).copied().unwrap_or(0.0);
                format!("{:.0} %", 100.0 * cost / totals[index])
            };
            table.row(&[group, &share(0), &share(1), &share(2), &share(3)]);
        }
        let allocated = events.map(|event| {
            self.reset();
            counts::allocations(&program, &self.tools, event)
        });
        let [nochg, good, badauth] = allocated.map(|[blocks, _]| format!("{blocks:.0}"));
        table.row(&["**allocations**", "", &nochg, &good, &badauth]);
        let [nochg, good, badauth] = allocated.map(|[_, octets]| format!("{:.0} kB", octets / 1e3));
        table.row(&["allocated", "", &nochg, &good, &badauth]);
        table.end()
    }

    /// The archive and what is in it.
    fn sizes(&self, missed: &mut Vec<String>) -> String {
        size::table(&self.tools, missed)
    }

    /// Calls to Route 53.
    fn calls(&self, missed: &mut Vec<String>) -> String {
        let function = Function::start(&self.program(Kind::Nic53));
        let python = Function::start(&self.program(Kind::Python));
        function.first_poll();
        python.first_poll();
        let mut table = Table::new(
            "lambda-calls",
            &["", "reads", "at once", "writes", "the API's least", "Python's reads and writes"],
        );
        let new: Vec<_> = (1..=20).map(|number| format!("new{number}.example.org")).collect();
        // What is asked, how many of each it may be, and the least that the API allows.
        let rows = [
            ("`nochg`, 1 host", moving(1, 0), [1, 0], "1 and 0"),
            ("`good`, 1 host", moving(1, 1), [1, 1], "1 and 1"),
            ("`nochg`, 20 hosts of one zone", moving(20, 0), [20, 0], "1 and 0"),
            ("`good`, 20 hosts of one zone", moving(20, 1), [20, 1], "1 and 1"),
            ("`good`, 20 hosts without records", event(&token(), &new, "192.0.2.1"), [20, 1], "1 and 1"),
            ("refused", refused(), [0, 0], "0 and 0"),
        ];
        for (what, event, most, least) in rows {
            let count = |function: &Function| {
                self.reset();
                self.proxy.take_held();
                self.route53.take_calls();
                function.invoke(&event);
                let calls = self.route53.take_calls();
                let count = |operation| calls.iter().filter(|call| call.operation == operation).count();
                [count(Operation::List), count(Operation::Change), self.proxy.take_at_once()]
            };
            let [reads, writes, at_once] = count(&function);
            let [python_reads, python_writes, _] = count(&python);
            if reads > most[0] || writes > most[1] {
                missed.push(format!("{what}: {reads} reads and {writes} writes: expected {most:?} at the most"));
            }
            let at_once = at_once.min(reads).to_string();
            table.row(&[
                what,
                &reads.to_string(),
                &at_once,
                &writes.to_string(),
                least,
                &format!("{python_reads} and {python_writes}"),
            ]);
        }
        table.end()
    }
}

/// Hosts that have records.
fn hosts(count: u32) -> Vec<String> {
    (1..=count).map(|number| format!("h{number}.example.org")).collect()
}

/// An event that moves `count` hosts: to 192.0.2.1 as number 0, and elsewhere as each other one.
fn moving(count: u32, number: u32) -> Value {
    let [high, low] = u16::try_from(number).expect("few").to_be_bytes();
    let address = if number == 0 { "192.0.2.1".to_owned() } else { format!("198.51.{high}.{low}") };
    event(&token(), &hosts(count), &address)
}

/// An event whose token is no one's.
fn refused() -> Value {
    event("tpevsfpxxzqr2rjzfd61aff8", &hosts(1), "192.0.2.1")
}

/// An HTTP API's event.
fn event(token: &str, hosts: &[String], address: &str) -> Value {
    let credentials = BASE64_STANDARD.encode(format!("router:{token}").as_bytes());
    let hosts = hosts.join(",");
    json!({
        "version": "2.0",
        "routeKey": "GET /nic/update",
        "rawPath": "/nic/update",
        "rawQueryString": format!("hostname={hosts}&myip={address}"),
        "headers": {
            "accept": "*/*",
            "authorization": format!("Basic {credentials}"),
            "content-length": "0",
            "host": "dyn.example.org",
            "user-agent": "router/1.0",
            "x-amzn-trace-id": "Root=1-00000000-000000000000000000000000",
            "x-forwarded-for": "203.0.113.9",
            "x-forwarded-port": "443",
            "x-forwarded-proto": "https",
        },
        "queryStringParameters": {"hostname": hosts, "myip": address},
        "requestContext": {
            "accountId": "123456789012",
            "apiId": "a1b2c3d4e5",
            "domainName": "dyn.example.org",
            "domainPrefix": "dyn",
            "http": {
                "method": "GET",
                "path": "/nic/update",
                "protocol": "HTTP/1.1",
                "sourceIp": "203.0.113.9",
                "userAgent": "router/1.0",
            },
            "requestId": "JKJaXmPLvHcESHA=",
            "routeKey": "GET /nic/update",
            "stage": "$default",
            "time": "10/Mar/2026:05:16:23 +0000",
            "timeEpoch": 1_773_119_783_636_u64,
        },
        "isBase64Encoded": false,
    })
}

/// The token of everything in the zone.
fn token() -> String {
    let name: HostName = "example.org".parse().expect("a host name");
    let zone = Zone { name: name.clone(), id: "Z1".parse().expect("an id") };
    let secret = Secret::new(SECRET).unwrap_or_else(|problem| panic!("{problem}"));
    secret.mint(Scope::Subtree, &name, &zone, 0).reveal().to_owned()
}

/// The body of a reply.
fn said(reply: &Value) -> &str {
    reply["body"].as_str().unwrap_or_default()
}

/// The file's size.
fn size_of(path: &Path) -> u64 {
    path.metadata().unwrap_or_else(|error| panic!("{}: {error}", path.display())).len()
}
