//! `nic53 serve` under load, compared with a bare hyper server that answers a constant (`bare_hyper`).
//!
//! Both run on this machine, under the same load of wrk, in turns; a column is the median of its
//! turns. CPU is what the server itself used up a request: unlike the throughput, it has no part of
//! wrk in it.

#[path = "../support/server.rs"]
#[expect(dead_code, reason = "the store's measurements use the rest")]
mod server;
#[path = "../support/table.rs"]
mod table;

use std::{
    fmt::Write as _,
    fs,
    io::{Read, Write as _},
    net::TcpStream,
    path::Path,
    process::Command,
};

use base64::prelude::{BASE64_STANDARD, Engine};

use self::{
    server::{Server, ZONE, built, serve, token},
    table::{median, output},
};

/// How often each server has its turn.
const TURNS: usize = 9;
/// Seconds of a turn.
const SECONDS: usize = 1;
/// Connections at a time.
const CONNECTIONS: usize = 32;

/// What is asked, with the user name and password if any, and the body of what is answered.
struct Asked {
    name: &'static str,
    path: String,
    password: Option<String>,
    answer: &'static str,
}

fn main() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let script = folder.path().join("totals.lua");
    fs::write(&script, TOTALS).expect("room for a script");
    let mut table = "| Request | Connections | Throughput of the bare server | p99, nic53 / bare | CPU a request, nic53 / bare | nic53, requests a second |\n|---|---|---|---|---|---|\n".to_owned();
    for (level, requests) in [("info", &asked()[..]), ("error", &asked()[..1])] {
        for asked in requests {
            for (connections, header) in [("kept", None), ("one a request", Some("Connection: close"))] {
                let nic53 = Server::start(serve(&[], &folder.path().join("data")).env("NIC53_LOG", level));
                let bare = Server::start(Command::new(built("bare_hyper")).arg(asked.answer));
                // The record that `nochg` finds as it was asked for.
                ask(&nic53, asked);
                let mut turns = [Vec::new(), Vec::new()];
                for turn in 0..=TURNS {
                    for (server, loads) in [&nic53, &bare].into_iter().zip(&mut turns) {
                        assert_eq!(ask(server, asked), asked.answer, "{}", asked.name);
                        let load = load(server, asked, header, &script);
                        // The first is for caches to fill.
                        if turn > 0 {
                            loads.push(load);
                        }
                    }
                }
                let [nic53, bare] = turns.map(|turns| Load::median(&turns));
                let log = if level == "info" { "" } else { ", without its log line" };
                writeln!(
                    table,
                    "| {}{log} | {connections} | {:.0} % | {:.2} ms / {:.2} ms | {:.1} µs / {:.1} µs = {:.1} | {:.0} |",
                    asked.name,
                    100.0 * nic53.rate / bare.rate,
                    nic53.p99,
                    bare.p99,
                    nic53.cpu,
                    bare.cpu,
                    nic53.cpu / bare.cpu,
                    nic53.rate,
                )
                .expect("room for a row");
            }
        }
    }
    table::write(&table);
}

/// The requests.
fn asked() -> [Asked; 3] {
    let path = format!("/nic/update?hostname=home.{ZONE}&myip=192.0.2.7");
    let wrong = "0".repeat(24);
    [
        Asked { name: "`nochg`", path: path.clone(), password: Some(token()), answer: "nochg 192.0.2.7" },
        Asked { name: "`badauth`", path, password: Some(wrong), answer: "badauth" },
        Asked {
            name: "checkip",
            path: "/checkip".to_owned(),
            password: None,
            answer: "<html><head><title>Current IP Check</title></head><body>Current IP Address: 127.0.0.1</body></html>",
        },
    ]
}

/// The credentials as a header.
fn authorization(asked: &Asked) -> Option<String> {
    let password = asked.password.as_ref()?;
    Some(format!("Authorization: Basic {}", BASE64_STANDARD.encode(format!("home.{ZONE}:{password}").as_bytes())))
}

/// Asks once, and returns the body.
fn ask(server: &Server, asked: &Asked) -> String {
    let mut stream = TcpStream::connect(server.http).expect("a server that listens");
    let authorization = authorization(asked).unwrap_or_else(|| "Accept: */*".to_owned());
    write!(stream, "GET {} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{authorization}\r\n\r\n", asked.path)
        .expect("a server that reads");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("a server that answers");
    answer.split_once("\r\n\r\n").expect("a head and a body").1.to_owned()
}

/// What came of a turn, or of several.
struct Load {
    /// Requests answered a second.
    rate: f64,
    /// Milliseconds in which 99 % of them were.
    p99: f64,
    /// Microseconds of the server's CPU for one.
    cpu: f64,
}

impl Load {
    /// The median of each number by itself.
    fn median(turns: &[Self]) -> Self {
        let of = |number: fn(&Self) -> f64| median(turns.iter().map(number).collect());
        Self { rate: of(|load| load.rate), p99: of(|load| load.p99), cpu: of(|load| load.cpu) }
    }
}

/// Loads the server for one turn.
fn load(server: &Server, asked: &Asked, header: Option<&str>, script: &Path) -> Load {
    let mut wrk = Command::new("wrk");
    wrk.args(["--threads", "1", "--connections", &CONNECTIONS.to_string(), "--duration", &SECONDS.to_string()])
        .arg("--script")
        .arg(script);
    for header in authorization(asked).iter().map(String::as_str).chain(header) {
        wrk.args(["--header", header]);
    }
    let before = server.cpu();
    let said = output(wrk.arg(format!("http://{}{}", server.http, asked.path)));
    let cpu = server.cpu() - before;
    let totals = said.lines().find_map(|line| line.strip_prefix("totals ")).expect("a line of totals");
    let totals: Vec<f64> = totals.split(' ').map(|number| number.parse().expect("a number")).collect();
    let [requests, microseconds, p99, failed] = totals[..] else { panic!("{said}") };
    assert!(failed == 0.0, "{said}");
    Load { rate: requests / microseconds * 1e6, p99: p99 / 1e3, cpu: cpu / requests * 1e6 }
}

/// Has wrk say in one line: requests, microseconds, the 99th percentile, and what failed.
const TOTALS: &str = r#"
done = function(summary, latency, requests)
    local errors = summary.errors
    local failed = errors.connect + errors.read + errors.write + errors.timeout
    io.write(string.format("totals %d %d %d %d\n", summary.requests, summary.duration, latency:percentile(99), failed))
end
"#;
