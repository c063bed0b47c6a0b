//! The log: what a line says. There is one line a request, and one for each event outside of requests.

mod line;
mod writer;

use std::{borrow::Cow, fmt, net::IpAddr, str::FromStr, time::Duration};

use serde::{Serialize, Serializer};

pub use self::writer::{flush, write_in_background};
use self::{line::text_line, writer::write_line};
use crate::{
    printable::printable,
    protocol::{reply::ReturnCode, token},
};

/// How long a change may wait to reach Route 53 before that is an error.
const STUCK: Duration = Duration::from_mins(10);

/// Which lines are written (`NIC53_LOG`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// No line.
    Off,
    /// Requests that ended in `dnserr` or `911` or found a change that does not reach Route 53, and errors
    /// outside of requests.
    Error,
    /// Every line.
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

/// The format of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Plain text, for a terminal or a journal.
    Text,
    /// One JSON object, for CloudWatch Logs.
    Json,
}

/// Writes the log to standard error.
#[derive(Clone, Copy, Debug)]
pub struct Log {
    /// Which lines are written.
    pub level: Level,
    /// The format of each.
    pub format: Format,
}

/// The line of one request. It has no field for a header or a query, because those may hold secrets.
#[derive(Debug, Serialize)]
pub struct Entry {
    /// The client's address, if it is known.
    pub source: Option<IpAddr>,
    /// The endpoint: `update`, `checkip` and so on.
    pub endpoint: &'static str,
    /// The reply's status.
    pub status: u16,
    /// The hosts, in the order asked, malformed ones as `?`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub hosts: Vec<String>,
    /// The number of hosts that are not listed.
    #[serde(skip_serializing_if = "is_zero")]
    pub others: usize,
    /// The code words of the reply, in order.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub codes: Vec<&'static str>,
    /// The addresses in the reply.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub addresses: Vec<IpAddr>,
    /// Why something was refused or failed.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub reasons: Vec<Cow<'static, str>>,
    /// Calls to Route 53, retries included.
    pub calls: u32,
    /// How long the host that has waited longest has waited for its change to reach Route 53, in seconds.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "in_seconds")]
    pub pending: Option<Duration>,
    /// The time from the request to the reply.
    #[serde(rename = "ms", serialize_with = "in_milliseconds")]
    pub took: Duration,
}

impl Entry {
    /// The entry of a request that was not answered yet.
    pub fn new(endpoint: &'static str, source: Option<IpAddr>) -> Self {
        Self {
            source,
            endpoint,
            status: 0,
            hosts: Vec::new(),
            others: 0,
            codes: Vec::new(),
            addresses: Vec::new(),
            reasons: Vec::new(),
            calls: 0,
            pending: None,
            took: Duration::ZERO,
        }
    }

    /// Lists these hosts of a request that names `all` hosts.
    pub fn list_hosts(&mut self, hosts: Vec<String>, all: usize) {
        self.others = all.saturating_sub(hosts.len());
        self.hosts = hosts;
    }

    /// Whether the request failed, and not by the client's fault.
    fn is_error(&self) -> bool {
        let is_stuck = self.pending.is_some_and(|pending| pending > STUCK);
        is_stuck
            || self.codes.iter().any(|word| [ReturnCode::DnsErr.word(), ReturnCode::ServerError.word()].contains(word))
    }
}

impl fmt::Display for Entry {
    /// The line for a terminal.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.source {
            Some(source) => source.fmt(f)?,
            None => f.write_str("-")?,
        }
        write!(f, " {} {}", self.endpoint, self.status)?;
        list(f, " ", ",", &self.codes)?;
        list(f, " hosts=", ",", &self.hosts)?;
        if self.others > 0 {
            write!(f, " others={}", self.others)?;
        }
        list(f, " addresses=", ",", &self.addresses)?;
        write!(f, " calls={}", self.calls)?;
        if let Some(pending) = self.pending {
            write!(f, " pending={}", pending.as_secs())?;
        }
        let tenths = tenths_of_milliseconds(self.took);
        write!(f, " ms={}.{}", tenths / 10, tenths % 10)?;
        list(f, ": ", "; ", &self.reasons)
    }
}

impl Log {
    /// Writes the line of a request that took this long.
    pub fn request(self, mut entry: Entry, took: Duration) {
        entry.took = took;
        for reason in &mut entry.reasons {
            *reason = match clean(reason) {
                Cow::Borrowed(_) => continue,
                Cow::Owned(cleaned) => cleaned.into(),
            };
        }
        if self.level >= if entry.is_error() { Level::Error } else { Level::Info } {
            write(&match self.format {
                Format::Text => text_line(format_args!("{entry}")),
                Format::Json => serde_json::to_string(&entry).unwrap_or_default(),
            });
        }
    }

    /// Writes an error that does not belong to a request.
    pub fn error(self, message: &str) {
        if self.level >= Level::Error {
            self.message("error", message);
        }
    }

    /// Writes a warning that does not belong to a request.
    pub fn warn(self, message: &str) {
        if self.level >= Level::Error {
            self.message("warning", message);
        }
    }

    /// Writes a message that does not belong to a request.
    pub fn info(self, message: &str) {
        if self.level >= Level::Info {
            self.message("info", message);
        }
    }

    /// Writes how many seconds the oldest pending host has been waiting; 0 if none is pending. It is
    /// written at every level but [`Level::Off`], since its absence is an alarm.
    pub fn pending(self, seconds: u64) {
        if self.level > Level::Off {
            let message = format!("the oldest pending host has been waiting for {seconds} s");
            write(&match self.format {
                Format::Text => text_line(format_args!("info: {message}")),
                Format::Json => {
                    serde_json::json!({ "level": "info", "message": message, "pending": seconds }).to_string()
                }
            });
        }
    }

    /// Writes a line that does not belong to a request.
    fn message(self, level: &'static str, message: &str) {
        let message = clean(message);
        write(&match self.format {
            Format::Text => text_line(format_args!("{level}: {message}")),
            Format::Json => serde_json::json!({ "level": level, "message": message }).to_string(),
        });
    }
}

/// Writes a line, without anything that has the form of a token. A host's name can contain one, and
/// so can an error that quotes it.
fn write(line: &str) {
    write_line(&token::redact(line));
}

/// A text that may quote a stranger, without what could forge a line or control a terminal.
fn clean(text: &str) -> Cow<'_, str> {
    let is_plain = text.bytes().all(|octet| matches!(octet, b' '..=b'~'));
    if is_plain { Cow::Borrowed(text) } else { Cow::Owned(printable(text)) }
}

/// Writes words with a prefix before the first and a separator between two. Writes nothing if there
/// are no words.
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

/// A duration in tenths of milliseconds, rounded.
fn tenths_of_milliseconds(duration: Duration) -> u64 {
    duration.as_secs() * 10_000 + u64::from((duration.subsec_micros() + 50) / 100)
}

/// A duration as a number of milliseconds.
fn in_milliseconds<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    let tenths = u32::try_from(tenths_of_milliseconds(*duration)).unwrap_or(u32::MAX);
    serializer.serialize_f64(f64::from(tenths) / 10.0)
}

/// A duration as a number of seconds.
#[expect(clippy::ref_option, reason = "serde hands a reference over")]
fn in_seconds<S: Serializer>(duration: &Option<Duration>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u64(duration.unwrap_or_default().as_secs())
}

/// Whether a number is not worth a field.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands a reference over")]
fn is_zero(number: &usize) -> bool {
    *number == 0
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

    #[test]
    fn a_line_says_how_long_a_change_has_waited_and_is_an_error_above_ten_minutes() {
        for (seconds, is_error) in [(600, false), (601, true)] {
            let mut entry = Entry::new("update", None);
            entry.codes = vec!["nochg"];
            entry.pending = Some(Duration::from_secs(seconds));
            assert_eq!(entry.is_error(), is_error);
            assert!(entry.to_string().contains(&format!(" calls=0 pending={seconds} ms=")), "{entry}");
            assert_eq!(serde_json::json!(entry)["pending"], seconds);
        }
        assert!(serde_json::json!(Entry::new("update", None)).get("pending").is_none());
    }

    #[test]
    fn a_line_may_list_some_hosts_and_count_the_others() {
        let mut entry = Entry::new("update", None);
        entry.list_hosts(vec!["a.example.org".into(), "b.example.org".into()], 30);
        assert!(entry.to_string().contains(" hosts=a.example.org,b.example.org others=28 "), "{entry}");
        assert_eq!(serde_json::json!(entry)["others"], 28);
        entry.list_hosts(vec!["a.example.org".into()], 1);
        assert!(entry.to_string().contains(" hosts=a.example.org calls="), "{entry}");
        assert_eq!(serde_json::json!(entry).get("others"), None);
    }

    #[test]
    fn nothing_that_a_stranger_sent_forges_a_line_or_controls_a_terminal() {
        for (message, cleaned) in [
            ("a\n\u{1b}[2Jb\r", r"a \u{1b}[2Jb"),
            ("é\u{9b}", r"é\u{9b}"),
            ("home\u{202e}.example", r"home\u{202e}.example"),
            ("é~  é", "é~ é"),
            ("a  b ~", "a  b ~"),
        ] {
            assert_eq!(clean(message), cleaned, "{message:?}");
        }
    }
}
