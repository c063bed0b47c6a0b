//! The log: one line a request, and what happens beside requests.

use std::{
    borrow::Cow,
    cell::RefCell,
    fmt::{self, Write as _},
    io::{self, Write as _},
    mem,
    net::IpAddr,
    str::FromStr,
    sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError},
    thread,
    time::Duration,
};

use serde::{Serialize, Serializer};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use crate::protocol::{address::Text, reply::ReturnCode};

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
    pub reasons: Vec<Cow<'static, str>>,
    /// Calls to Route 53, retries included.
    pub calls: u32,
    /// The time until the reply.
    #[serde(rename = "ms", serialize_with = "in_milliseconds")]
    pub took: Duration,
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
            took: Duration::ZERO,
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
            Some(source) => Text(source).fmt(f)?,
            None => f.write_str("-")?,
        }
        write!(f, " {} {}", self.endpoint, self.status)?;
        list(f, " ", ",", &self.codes)?;
        list(f, " hosts=", ",", &self.hosts)?;
        list(f, " addresses=", ",", self.addresses.iter().copied().map(Text))?;
        let tenths = tenths_of_milliseconds(self.took);
        write!(f, " calls={} ms={}.{}", self.calls, tenths / 10, tenths % 10)?;
        list(f, ": ", "; ", &self.reasons)
    }
}

impl Log {
    /// Writes the line of a request that took this long.
    pub fn request(self, mut entry: Entry, took: Duration) {
        entry.took = took;
        if self.level >= if entry.is_error() { Level::Error } else { Level::Info } {
            write_line(&match self.format {
                Format::Text => text_line(format_args!("{entry}")),
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
        write_line(&match self.format {
            Format::Text => text_line(format_args!("{level}: {message}")),
            Format::Json => serde_json::json!({ "level": level, "message": message }).to_string(),
        });
    }
}

/// Octets of lines that wait to be written, at the most. A line that does not fit is dropped.
const MOST_WAITING: usize = 256 * 1024;
/// How long the thread that writes rests once it wrote, unless half of what may wait does. To be woken
/// for each line, and to write each by itself, would take a third of a request's time.
const REST: Duration = Duration::from_millis(5);

/// There once a thread of its own writes the log.
static BACKGROUND: OnceLock<Arc<Background>> = OnceLock::new();

/// What that thread is given.
#[derive(Default)]
struct Background {
    /// What is to be written.
    waiting: Mutex<Waiting>,
    /// Told when there is something to write, and when it was written.
    changed: Condvar,
}

/// Lines on their way to whoever reads the log.
#[derive(Default)]
struct Waiting {
    /// The lines, each with its end.
    lines: String,
    /// How many were dropped since the last that was written.
    dropped: u64,
    /// Whether some are being written.
    writing: bool,
}

/// Has a thread of its own write the log from now on. A pipe that nobody reads stops whoever writes to
/// it, and must not stop the server.
///
/// # Errors
///
/// Where there can be no thread.
pub fn write_in_background() -> io::Result<()> {
    if BACKGROUND.get().is_none() {
        let background = Arc::new(Background::default());
        let its = Arc::clone(&background);
        thread::Builder::new().name("log".to_owned()).spawn(move || its.write(io::stderr()))?;
        let _ = BACKGROUND.set(background);
    }
    Ok(())
}

/// Waits until no line waits to be written, but not for longer than that.
pub fn flush(patience: Duration) {
    if let Some(background) = BACKGROUND.get() {
        background.flush(patience);
    }
}

impl Waiting {
    /// Whether there is nothing to write.
    fn is_empty(&self) -> bool {
        self.lines.is_empty() && self.dropped == 0
    }

    /// Whether so much waits that it must be written soon.
    fn is_pressing(&self) -> bool {
        self.lines.len() > MOST_WAITING / 2
    }
}

impl Background {
    /// What waits; a panic elsewhere leaves it as it is.
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a line, if there is room for it.
    fn take(&self, line: &str) {
        let mut waiting = self.lock();
        let before = (waiting.is_empty(), waiting.is_pressing());
        if waiting.lines.len() + line.len() < MOST_WAITING {
            waiting.lines.push_str(line);
            waiting.lines.push('\n');
        } else {
            waiting.dropped += 1;
        }
        let news = before != (waiting.is_empty(), waiting.is_pressing());
        drop(waiting);
        if news {
            self.changed.notify_all();
        }
    }

    /// Waits until nothing is to be written.
    fn flush(&self, patience: Duration) {
        let unwritten = |waiting: &mut Waiting| waiting.writing || !waiting.is_empty();
        drop(self.changed.wait_timeout_while(self.lock(), patience, unwritten));
    }

    /// Writes what comes: all lines that wait, in one go. A log that cannot be written stops nothing.
    fn write(&self, mut to: impl io::Write) {
        let mut lines = String::new();
        loop {
            let waiting = self.changed.wait_while(self.lock(), |waiting| waiting.is_empty());
            let mut waiting = waiting.unwrap_or_else(PoisonError::into_inner);
            mem::swap(&mut waiting.lines, &mut lines);
            let dropped = mem::take(&mut waiting.dropped);
            waiting.writing = true;
            drop(waiting);
            if dropped > 0 {
                lines.push_str(&text_line(format_args!(
                    "error: {dropped} lines of the log are missing: it was not read in time"
                )));
                lines.push('\n');
            }
            let _ = to.write_all(lines.as_bytes());
            lines.clear();
            self.lock().writing = false;
            self.changed.notify_all();
            drop(self.changed.wait_timeout_while(self.lock(), REST, |waiting| !waiting.is_pressing()));
        }
    }
}

/// Writes a line, or has it written.
fn write_line(line: &str) {
    match BACKGROUND.get() {
        Some(background) => background.take(line),
        None => write_now(&format!("{line}\n")),
    }
}

/// Writes lines at once, so that those of several threads do not mix. A log that cannot be written
/// stops nothing.
fn write_now(lines: &str) {
    let _ = io::stderr().lock().write_all(lines.as_bytes());
}

/// A line for people: the time, and what happened. Control characters, which could forge a line or
/// steer a terminal, are `?`.
fn text_line(what: fmt::Arguments<'_>) -> String {
    let mut line = String::with_capacity(160);
    write_time(&mut line);
    // A String takes everything.
    let _ = write!(line, " {what}");
    let printable = line.bytes().all(|octet| matches!(octet, b' '..=b'~'));
    if printable { line } else { line.replace(char::is_control, "?") }
}

/// Words with what stands before the first and between two; nothing where there is none.
fn list(
    f: &mut fmt::Formatter<'_>,
    before: &str,
    between: &str,
    words: impl IntoIterator<Item = impl fmt::Display>,
) -> fmt::Result {
    for (index, word) in words.into_iter().enumerate() {
        f.write_str(if index == 0 { before } else { between })?;
        word.fmt(f)?;
    }
    Ok(())
}

/// A duration, rounded: nobody wants to know more of it.
fn tenths_of_milliseconds(duration: Duration) -> u64 {
    duration.as_secs() * 10_000 + u64::from((duration.subsec_micros() + 50) / 100)
}

/// A duration as a number of milliseconds.
fn in_milliseconds<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    let tenths = u32::try_from(tenths_of_milliseconds(*duration)).unwrap_or(u32::MAX);
    serializer.serialize_f64(f64::from(tenths) / 10.0)
}

/// Writes the time in UTC as RFC 3339 has it, to the second.
fn write_time(line: &mut String) {
    thread_local! {
        /// The second of the line before, and its text.
        static LAST: RefCell<(i64, String)> = RefCell::default();
    }
    let now = OffsetDateTime::now_utc();
    LAST.with_borrow_mut(|(second, text)| {
        if *second != now.unix_timestamp() {
            *second = now.unix_timestamp();
            *text = now.truncate_to_second().format(&Rfc3339).unwrap_or_default();
        }
        line.push_str(text);
    });
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
        entry.took = Duration::from_micros(1_249);
        assert_eq!(
            entry.to_string(),
            "203.0.113.9 update 503 dnserr,notfqdn hosts=home.example.org,? calls=3 ms=1.2: home.example.org: Throttling"
        );
        assert_eq!(serde_json::json!(entry)["ms"], 1.2);
        assert!(entry.is_error());
    }

    /// What was written, and whether a write is held up.
    #[derive(Clone, Default)]
    struct Reader(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Reader {
        fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend(octets);
            Ok(octets.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn lines_are_written_in_order_and_those_that_nobody_reads_in_time_are_counted() {
        let (background, reader) = (Arc::new(Background::default()), Reader::default());
        let its = (Arc::clone(&background), reader.clone());
        thread::spawn(move || its.0.write(its.1));
        let mut expected = String::new();
        for number in 0..20_000 {
            let line = format!("{number}: what happened");
            background.take(&line);
            expected += &line;
            expected.push('\n');
            if number % 100 == 0 {
                background.flush(Duration::from_secs(10));
            }
        }
        background.flush(Duration::from_secs(10));
        assert!(reader.0.lock().unwrap().as_slice() == expected.as_bytes());

        // While nobody reads: as much as may wait is being written, as much waits, and the rest is counted.
        let held = reader.0.lock().unwrap();
        let line = "x".repeat(MOST_WAITING / 2 - 1);
        for _ in 0..10 {
            background.take(&line);
        }
        background.flush(Duration::from_millis(100));
        drop(held);
        background.flush(Duration::from_secs(10));
        let said = String::from_utf8(reader.0.lock().unwrap().split_off(expected.len())).unwrap();
        let written = said.matches(&line).count();
        assert!((1..=4).contains(&written), "{written}");
        assert!(said.contains(&format!("error: {} lines of the log are missing", 10 - written)), "{written}");
    }

    #[test]
    fn no_control_character_reaches_the_log() {
        for (message, line) in [("a\n\u{1b}[2Jb\r", " a??[2Jb?"), ("é\u{9b}", " é?"), ("é~ ", " é~ ")] {
            assert!(text_line(format_args!("{message}")).ends_with(line), "{message:?}");
        }
    }
}
