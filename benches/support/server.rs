//! A server under measurement: started, asked what it has used up, and stopped.

use std::{
    env,
    ffi::OsStr,
    fs,
    io::{self, BufRead, BufReader, Read},
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::Duration,
};

use nic53::protocol::token::{Scope, Secret};
use rustix::process::{Pid, Signal, kill_process};

/// What the tokens of the measurements are minted under.
pub(crate) const SECRET: &str = "the-secret-of-the-measurements-0123456789ab";
/// The zone of the measurements.
pub(crate) const ZONE: &str = "example.org";

/// A running server that is read from as a service's journal would.
pub(crate) struct Server {
    /// Its address for HTTP.
    pub(crate) http: SocketAddr,
    /// Its address for DNS, if it serves DNS.
    pub(crate) dns: Option<SocketAddr>,
    /// The process itself.
    child: Child,
}

impl Server {
    /// Starts it, and waits until it prints its addresses: `… on http://ADDRESS`, and for DNS
    /// `… dns ADDRESS`.
    pub(crate) fn start(command: &mut Command) -> Self {
        let name = command.get_program().to_string_lossy().into_owned();
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{name}: {error}; scripts/bench builds and installs what is missing"));
        let mut stderr = child.stderr.take().expect("a pipe");
        let mut stdout = BufReader::new(child.stdout.take().expect("a pipe"));
        let mut line = String::new();
        stdout.read_line(&mut line).expect("what it says");
        let after =
            |words: &str| line.split_once(words).and_then(|(_, rest)| rest.split_whitespace().next()?.parse().ok());
        let Some(http) = after("http://") else {
            let mut why = String::new();
            let _ = stderr.read_to_string(&mut why);
            panic!("{name}: no address in `{}`: {why}", line.trim());
        };
        let dns = after(" dns ");
        thread::spawn(move || io::copy(&mut stderr, &mut io::sink()));
        thread::spawn(move || io::copy(&mut stdout, &mut io::sink()));
        Self { http, dns, child }
    }

    /// Seconds of CPU that it has used so far.
    pub(crate) fn cpu(&self) -> f64 {
        let tasks = fs::read_dir(format!("/proc/{}/task", self.child.id())).expect("a running process");
        let nanoseconds = tasks.filter_map(|task| {
            let schedstat = fs::read_to_string(task.ok()?.path().join("schedstat")).ok()?;
            schedstat.split(' ').next()?.parse::<u64>().ok()
        });
        Duration::from_nanos(nanoseconds.sum()).as_secs_f64()
    }

    /// Has it end by itself, and waits for that.
    pub(crate) fn stop(mut self) {
        let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw).expect("a process id");
        kill_process(pid, Signal::TERM).expect("a running process");
        self.child.wait().expect("a child to wait for");
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // An error here means that it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The release build of a program: in the folder of `scripts/bench`, or in that of cargo.
pub(crate) fn built(name: &str) -> PathBuf {
    let folder = env::var_os("NIC53_BENCH_TOOLS").map(PathBuf::from);
    folder.unwrap_or_else(|| Path::new(env!("CARGO_TARGET_TMPDIR")).join("../release")).join(name)
}

/// `nic53 serve` on these records, run by that program and its arguments if there is one.
pub(crate) fn serve(runner: &[&str], data: &Path) -> Command {
    let nic53 = env::var_os("NIC53_BENCH_NIC53").unwrap_or_else(|| built("nic53").into_os_string());
    let words: Vec<_> = runner.iter().map(OsStr::new).chain([&*nic53]).collect();
    let mut command = Command::new(words[0]);
    command
        .args(&words[1..])
        .args(["serve", "--http", "127.0.0.1:0", "--dns", "127.0.0.1:0", "--data"])
        .arg(data)
        .env_clear()
        .env("PATH", env::var_os("PATH").unwrap_or_default())
        .env("NIC53_SECRET", SECRET)
        .env("NIC53_ZONES", format!("{ZONE}=EMBEDDED"));
    command
}

/// The password that covers every host of the zone.
pub(crate) fn token() -> String {
    let zones = nic53::protocol::zone::Zones::parse(&format!("{ZONE}=EMBEDDED")).expect("a zone");
    let apex = ZONE.parse().expect("a name");
    let zone = zones.holding(&apex).expect("the zone");
    Secret::new(SECRET).expect("a secret").mint(Scope::Subtree, &apex, zone, 0).reveal().to_owned()
}
