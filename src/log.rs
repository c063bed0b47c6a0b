//! The log: one line a request, and what happens beside requests.

use std::{
    fmt,
    io::Write as _,
    iter, mem,
    net::IpAddr,
    str::FromStr,
    sync::{
        OnceLock,
        atomic::{AtomicU64, Ordering},
        mpsc::{self, Receiver, SyncSender},
    },
    thread,
    time::{Duration, Instant},
};

use serde::Serialize;
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use crate::reply::ReturnCode;

/// Which lines are written (`NIC53_LOG`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// None.
    Off,
    /// Requests that ended in `dnserr` or `911`, and what went wrong beside requests.
    Error,
    /// All.
    Info,
}

impl FromStr for Level {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "off" => Ok(Self::Off),
            "error" => Ok(Self::Error),
            "info" => Ok(Self::Info),
            _ => Err("expected off, error or info".to_owned()),
        }
    }
}

/// How lines are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// For a terminal or a journal.
    Text,
    /// One JSON object, for CloudWatch Logs.
    Json,
}

/// Writes the log to standard error.
#[derive(Clone, Copy, Debug)]
pub struct Log {
    /// Which lines.
    pub level: Level,
    /// In which form.
    pub format: Format,
}

/// What is said of one request. It holds no header and no query: nothing that could be a secret.
#[derive(Debug, Serialize)]
pub struct Entry {
    /// The caller's address, where it is known.
    pub source: Option<IpAddr>,
    /// What was asked for: `update`, `checkip` and so on.
    pub endpoint: &'static str,
    /// The reply's status.
    pub status: u16,
    /// The hosts, in the order asked, malformed ones as `?`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub hosts: Vec<String>,
    /// The code words, in the order answered.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub codes: Vec<&'static str>,
    /// The addresses that were set, or were there.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub addresses: Vec<IpAddr>,
    /// Why something was refused or failed.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub reasons: Vec<String>,
    /// Calls to Route 53, retries included.
    pub calls: u32,
    /// Milliseconds until the reply.
    pub ms: f64,
}

impl Entry {
    /// What can be said before anything is decided.
    pub fn new(endpoint: &'static str, source: Option<IpAddr>) -> Self {
        Self {
            source,
            endpoint,
            status: 0,
            hosts: Vec::new(),
            codes: Vec::new(),
            addresses: Vec::new(),
            reasons: Vec::new(),
            calls: 0,
            ms: 0.0,
        }
    }

    /// Whether it tells of a failure that is not the client's.
    fn is_error(&self) -> bool {
        self.codes.iter().any(|word| [ReturnCode::DnsErr.word(), ReturnCode::ServerError.word()].contains(word))
    }
}

impl fmt::Display for Entry {
    /// The line for a terminal.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.source {
            Some(source) => write!(f, "{source}")?,
            None => f.write_str("-")?,
        }
        write!(f, " {} {}", self.endpoint, self.status)?;
        list(f, " ", ",", &self.codes)?;
        list(f, " hosts=", ",", &self.hosts)?;
        list(f, " addresses=", ",", &self.addresses)?;
        write!(f, " calls={} ms={:.1}", self.calls, self.ms)?;
        list(f, ": ", "; ", &self.reasons)
    }
}

impl Log {
    /// Writes the line of a request that took this long.
    pub fn request(self, mut entry: Entry, took: Duration) {
        entry.ms = (took.as_secs_f64() * 10_000.0).round() / 10.0;
        if self.level >= if entry.is_error() { Level::Error } else { Level::Info } {
            write_line(match self.format {
                Format::Text => printable(&format!("{} {entry}", now())),
                Format::Json => serde_json::to_string(&entry).unwrap_or_default(),
            });
        }
    }

    /// Writes what went wrong beside requests.
    pub fn error(self, message: &str) {
        if self.level >= Level::Error {
            self.message("error", message);
        }
    }

    /// Writes what is worth knowing beside requests.
    pub fn info(self, message: &str) {
        if self.level >= Level::Info {
            self.message("info", message);
        }
    }

    /// A line that is not of a request.
    fn message(self, level: &'static str, message: &str) {
        write_line(match self.format {
            Format::Text => printable(&format!("{} {level}: {message}", now())),
            Format::Json => serde_json::json!({ "level": level, "message": message }).to_string(),
        });
    }
}

/// Lines that wait to be written. One more is dropped.
const QUEUE: usize = 1024;

/// Where lines go once there is a thread that writes them.
static WRITER: OnceLock<SyncSender<Task>> = OnceLock::new();
/// Lines that were dropped since the last that was written.
static DROPPED: AtomicU64 = AtomicU64::new(0);

/// Has a thread of its own write the log from now on. A pipe that nobody reads stops whoever writes to
/// it, and must not stop the server.
///
/// # Errors
///
/// Where there can be no thread.
pub fn write_in_background() -> std::io::Result<()> {
    let (queue, tasks) = mpsc::sync_channel(QUEUE);
    thread::Builder::new().name("log".to_owned()).spawn(move || write_tasks(&tasks))?;
    let _ = WRITER.set(queue);
    Ok(())
}

/// Waits until the lines so far are written, but not for longer than that.
pub fn flush(patience: Duration) {
    let Some(queue) = WRITER.get() else { return };
    let started = Instant::now();
    let (done, written) = mpsc::sync_channel(1);
    while queue.try_send(Task::Say(done.clone())).is_err() {
        if started.elapsed() > patience {
            return;
        }
        thread::sleep(Duration::from_millis(10));
    }
    let _ = written.recv_timeout(patience.saturating_sub(started.elapsed()));
}

/// What the thread that writes is given.
enum Task {
    /// A line.
    Write(String),
    /// Somebody who wants to know that all before is written.
    Say(SyncSender<()>),
}

/// Writes what comes: all lines that wait, in one go.
fn write_tasks(tasks: &Receiver<Task>) {
    for first in tasks {
        let mut lines = String::new();
        let dropped = DROPPED.swap(0, Ordering::Relaxed);
        if dropped > 0 {
            lines = format!("{} error: {dropped} lines of the log are missing: it was not read in time\n", now());
        }
        for task in iter::once(first).chain(tasks.try_iter()).take(QUEUE) {
            match task {
                Task::Write(line) => {
                    lines.push_str(&line);
                    lines.push('\n');
                }
                Task::Say(done) => {
                    write_now(&mem::take(&mut lines));
                    done.try_send(()).unwrap_or_default();
                }
            }
        }
        write_now(&lines);
    }
}

/// Writes a line, or has it written.
fn write_line(line: String) {
    match WRITER.get() {
        Some(queue) => {
            if queue.try_send(Task::Write(line)).is_err() {
                DROPPED.fetch_add(1, Ordering::Relaxed);
            }
        }
        None => write_now(&format!("{line}\n")),
    }
}

/// Writes lines at once, so that those of several threads do not mix. A log that cannot be written
/// stops nothing.
fn write_now(lines: &str) {
    let _ = std::io::stderr().lock().write_all(lines.as_bytes());
}

/// The text with control characters, which could forge a line or steer a terminal, as `?`.
fn printable(text: &str) -> String {
    text.replace(char::is_control, "?")
}

/// Words with what stands before the first and between two; nothing where there is none.
fn list(f: &mut fmt::Formatter<'_>, before: &str, between: &str, words: &[impl fmt::Display]) -> fmt::Result {
    for (index, word) in words.iter().enumerate() {
        write!(f, "{}{word}", if index == 0 { before } else { between })?;
    }
    Ok(())
}

/// The time in UTC as RFC 3339 has it, to the second.
fn now() -> String {
    let now = OffsetDateTime::now_utc().truncate_to_second();
    now.format(&Rfc3339).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_shows_what_happened_and_why() {
        let mut entry = Entry::new("update", Some("203.0.113.9".parse().unwrap()));
        entry.status = 503;
        entry.hosts = vec!["home.example.org".into(), "?".into()];
        entry.codes = vec!["dnserr", "notfqdn"];
        entry.reasons = vec!["home.example.org: Throttling".into()];
        entry.calls = 3;
        assert_eq!(
            entry.to_string(),
            "203.0.113.9 update 503 dnserr,notfqdn hosts=home.example.org,? calls=3 ms=0.0: home.example.org: Throttling"
        );
        assert!(entry.is_error());
    }

    #[test]
    fn no_control_character_reaches_the_log() {
        assert_eq!(printable("a\n\u{1b}[2Jb\r"), "a??[2Jb?");
    }
}
