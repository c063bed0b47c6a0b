//! The outcome of a round for each host: a line for a person, JSON for a script, an exit code.

use std::{
    fmt,
    net::{IpAddr, SocketAddr},
};

use serde_json::{Value, json};

use super::addresses::HostAddresses;
use crate::protocol::{
    hostname::HostName,
    meaning::{CodeMeaning, meaning},
    reply::ReturnCode,
};

/// The outcome for one host.
#[derive(Debug)]
pub struct HostOutcome {
    /// The host.
    pub host: HostName,
    /// Its status.
    pub status: Status,
    /// The family that should have been updated too but had no address, and why.
    pub missing: Option<String>,
    /// What helps, beyond the meaning of the code.
    pub hints: Vec<&'static str>,
    /// How it came to that, step by step.
    pub steps: Vec<String>,
    /// The trouble that was reported last, unless its end was.
    pub reported: Option<String>,
}

/// The status of a host after a round.
#[derive(Debug)]
pub enum Status {
    /// The gateway answered.
    Answered {
        /// The code of its answer.
        code: ReturnCode,
        /// The addresses that were asked for and are not in the answer.
        unpublished: Vec<String>,
        /// The seconds until it may be asked again, if it failed for now.
        wait: Option<u64>,
    },
    /// Nothing was asked: nothing changed.
    Unchanged {
        /// The addresses of the gateway's last answer.
        addresses: HostAddresses,
        /// The addresses that were asked for and are not among them.
        unpublished: Vec<String>,
        /// How many seconds ago that was.
        age: u64,
    },
    /// Nothing was asked: it was refused with this code before.
    StillRefused(String),
    /// Nothing was asked: it failed for this reason and waits for this many seconds.
    StillWaiting(String, u64),
    /// There was no answer, or none of the protocol.
    Failed {
        /// What happened.
        reason: String,
        /// The seconds until it may be asked again, if it has to wait.
        wait: Option<u64>,
    },
    /// This URL would be asked.
    WouldAsk(String),
}

/// The exit code of a host or of a run, of which the gravest counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum ExitStatus {
    /// All is well.
    #[default]
    Well,
    /// It may be well later (`EX_TEMPFAIL` of sysexits.h).
    Later,
    /// It will not be well before somebody changes something.
    Refused,
}

impl ExitStatus {
    /// The exit code.
    pub fn exit_code(self) -> u8 {
        match self {
            Self::Well => 0,
            Self::Later => 75,
            Self::Refused => 1,
        }
    }
}

impl HostOutcome {
    /// The exit status that it leads to.
    pub fn exit_status(&self) -> ExitStatus {
        let status = match &self.status {
            Status::Answered { code, .. } => exit_status(code),
            Status::Unchanged { .. } | Status::WouldAsk(_) => ExitStatus::Well,
            Status::StillRefused(_) => ExitStatus::Refused,
            Status::StillWaiting(..) | Status::Failed { .. } => ExitStatus::Later,
        };
        if self.missing.is_some() { status.max(ExitStatus::Later) } else { status }
    }

    /// Whether it is worth a mail from cron: the record changed, or trouble began, changed or ended.
    pub fn is_news(&self) -> bool {
        let changed = match &self.status {
            Status::Answered { code, .. } => matches!(code, ReturnCode::Good(_)),
            Status::WouldAsk(_) => true,
            Status::Unchanged { .. } | Status::StillRefused(_) | Status::StillWaiting(..) | Status::Failed { .. } => {
                false
            }
        };
        changed || self.trouble() != self.reported
    }

    /// The trouble that this host has, if any. It is the same text for the same trouble: whether it
    /// failed now or still waits, and whichever of a server's addresses was tried.
    pub fn trouble(&self) -> Option<String> {
        let reason = match &self.status {
            Status::Answered { code, .. } => (exit_status(code) != ExitStatus::Well).then(|| code.word()),
            Status::StillRefused(reason) | Status::StillWaiting(reason, _) | Status::Failed { reason, .. } => {
                Some(reason.as_str())
            }
            Status::Unchanged { .. } | Status::WouldAsk(_) => None,
        };
        let troubles: Vec<&str> = reason.into_iter().chain(self.missing.as_deref()).collect();
        (!troubles.is_empty()).then(|| without_addresses(&troubles.join("; ")))
    }

    /// For scripts: `host`, `result` (a code word, or one of ours), `addresses`, `exit`, and if there
    /// are any `message` and `wait` in seconds.
    pub fn json(&self) -> Value {
        let mut json = json!({
            "host": self.host.as_str(),
            "result": self.status.word(),
            "addresses": self.status.addresses(),
            "exit": self.exit_status().exit_code(),
        });
        let message = self.message(true);
        if !message.is_empty() {
            json["message"] = message.into();
        }
        if let Some(wait) = self.status.wait() {
            json["wait"] = wait.into();
        }
        json
    }

    /// What it means, what to do, and what is missing; on request also the obvious.
    fn message(&self, all: bool) -> String {
        let mut messages = self.status.messages(all);
        messages.extend(self.hints.iter().map(|hint| (*hint).to_owned()));
        messages.extend(self.missing.clone());
        if let (None, Some(reported)) = (self.trouble(), &self.reported) {
            messages.push(format!("this is over: {reported}"));
        }
        messages.retain(|message| !message.is_empty());
        messages.join("; ")
    }
}

impl fmt::Display for HostOutcome {
    /// One line: the host, a word, addresses, and what it means; with `#` also the obvious.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.host, self.status.word())?;
        let addresses = self.status.addresses();
        if !addresses.is_empty() {
            write!(f, " {}", addresses.join(","))?;
        }
        let message = self.message(f.alternate());
        if !message.is_empty() {
            write!(f, ": {message}")?;
        }
        match self.status.wait() {
            Some(wait) => write!(f, "; again in {}", RoughTime(wait))?,
            None => return Ok(()),
        }
        if matches!(self.status, Status::StillWaiting(..)) {
            f.write_str("; --force asks all the same")
        } else {
            Ok(())
        }
    }
}

impl Status {
    /// The code word, or a word of our own.
    fn word(&self) -> &'static str {
        match self {
            Self::Answered { code, .. } => code.word(),
            Self::Unchanged { .. } => "unchanged",
            Self::StillRefused(_) => "refused",
            Self::StillWaiting(..) => "waiting",
            Self::Failed { .. } => "failed",
            Self::WouldAsk(_) => "would-ask",
        }
    }

    /// The addresses it has.
    fn addresses(&self) -> Vec<String> {
        match self {
            Self::Answered { code: ReturnCode::Good(addresses) | ReturnCode::NoChg(addresses), .. } => {
                addresses.iter().map(IpAddr::to_string).collect()
            }
            Self::Unchanged { addresses, .. } => addresses.iter().cloned().collect(),
            Self::Answered { .. }
            | Self::StillRefused(_)
            | Self::StillWaiting(..)
            | Self::Failed { .. }
            | Self::WouldAsk(_) => Vec::new(),
        }
    }

    /// What it means, and what to do; on request also the obvious.
    fn messages(&self, all: bool) -> Vec<String> {
        match self {
            Self::Answered { unpublished, code, .. } => {
                not_published(unpublished).into_iter().chain([explanation(code)]).collect()
            }
            Self::Unchanged { unpublished, age, .. } => {
                let set = all.then(|| format!("set {} ago; --force asks all the same", RoughTime(*age)));
                not_published(unpublished).into_iter().chain(set).collect()
            }
            Self::StillRefused(code) => vec![
                format!("{code} before"),
                "nothing is asked until its url, token, zoneid or ttl changes, or with --force".to_owned(),
            ],
            Self::StillWaiting(reason, _) | Self::Failed { reason, .. } => vec![reason.clone()],
            Self::WouldAsk(url) => vec![url.clone()],
        }
    }

    /// The seconds until it may be asked again.
    fn wait(&self) -> Option<u64> {
        match self {
            Self::Answered { wait, .. } | Self::Failed { wait, .. } => *wait,
            Self::StillWaiting(_, wait) => Some(*wait),
            Self::Unchanged { .. } | Self::StillRefused(_) | Self::WouldAsk(_) => None,
        }
    }
}

/// The message that these could not be updated, if there are any.
fn not_published(unpublished: &[String]) -> Option<String> {
    let message = || format!("the gateway does not publish {}, which was asked for", unpublished.join(","));
    (!unpublished.is_empty()).then(message)
}

/// The exit status of a host with this code.
pub fn exit_status(code: &ReturnCode) -> ExitStatus {
    match code {
        ReturnCode::Good(_) | ReturnCode::NoChg(_) => ExitStatus::Well,
        ReturnCode::DnsErr | ReturnCode::ServerError => ExitStatus::Later,
        ReturnCode::BadAuth
        | ReturnCode::NoHost
        | ReturnCode::NotFqdn
        | ReturnCode::NumHost
        | ReturnCode::NotDonator => ExitStatus::Refused,
    }
}

/// What a code means and what to do about it; empty if all is well.
fn explanation(code: &ReturnCode) -> String {
    match exit_status(code) {
        ExitStatus::Well => String::new(),
        ExitStatus::Later | ExitStatus::Refused => {
            let CodeMeaning { meaning, advice } = meaning(code);
            format!("{meaning} {}", advice.trim_end_matches('.'))
        }
    }
}

/// A text without the addresses in it.
fn without_addresses(text: &str) -> String {
    let is_address = |word: &&str| {
        let word = word.trim_matches(['(', ')', ':', ',', ';']);
        word.parse::<SocketAddr>().is_ok() || word.parse::<IpAddr>().is_ok()
    };
    text.split(' ').filter(|word| !is_address(word)).collect::<Vec<_>>().join(" ")
}

/// A time span in its largest unit, rounded up, for a person.
struct RoughTime(u64);

impl fmt::Display for RoughTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            seconds @ 0..120 => write!(f, "{seconds} s"),
            seconds @ 120..7200 => write!(f, "{} min", seconds.div_ceil(60)),
            seconds @ 7200..172_800 => write!(f, "{} h", seconds.div_ceil(3600)),
            seconds => write!(f, "{} days", seconds.div_ceil(86400)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every status, with the word, the exit code and whether it is news if nothing was reported.
    fn all() -> Vec<(Status, &'static str, u8, bool)> {
        let addresses: Vec<IpAddr> = vec!["192.0.2.1".parse().unwrap(), "2001:db8::7".parse().unwrap()];
        let code = |code, wait| Status::Answered { code, unpublished: Vec::new(), wait };
        let unpublished = vec!["10.0.0.1".to_owned()];
        vec![
            (code(ReturnCode::Good(addresses.clone()), None), "good 192.0.2.1,2001:db8::7", 0, true),
            (
                Status::Answered { code: ReturnCode::Good(addresses.clone()), unpublished, wait: None },
                "good 192.0.2.1,2001:db8::7: the gateway does not publish 10.0.0.1",
                0,
                true,
            ),
            (code(ReturnCode::NoChg(addresses), None), "nochg 192.0.2.1,2001:db8::7", 0, false),
            (code(ReturnCode::NoChg(Vec::new()), None), "nochg", 0, false),
            (
                code(ReturnCode::BadAuth, None),
                "badauth: The user name or the token is missing or wrong. Check",
                1,
                true,
            ),
            (code(ReturnCode::NoHost, None), "nohost: The token does not cover this host", 1, true),
            (code(ReturnCode::NotFqdn, None), "notfqdn: ", 1, true),
            (code(ReturnCode::NumHost, None), "numhost: ", 1, true),
            (code(ReturnCode::NotDonator, None), "!donator: ", 1, true),
            (code(ReturnCode::DnsErr, Some(60)), "dnserr: The record could not be changed", 75, true),
            (code(ReturnCode::ServerError, Some(60)), "911: The gateway itself has a fault. Wait", 75, true),
            (unchanged(&[], 7200), "unchanged 192.0.2.1: set 2 h ago", 0, false),
            (
                unchanged(&["10.0.0.1"], 7200),
                "unchanged 192.0.2.1: the gateway does not publish 10.0.0.1, which was asked for; set 2 h ago",
                0,
                false,
            ),
            (
                Status::StillRefused("nohost".into()),
                "refused: nohost before; nothing is asked until its url, token, zoneid or ttl changes, or with --force",
                1,
                true,
            ),
            (
                Status::StillWaiting("dnserr".into(), 61),
                "waiting: dnserr; again in 61 s; --force asks all the same",
                75,
                true,
            ),
            (Status::Failed { reason: "no".into(), wait: Some(300) }, "failed: no; again in 5 min", 75, true),
            (Status::Failed { reason: "no".into(), wait: None }, "failed: no", 75, true),
            (Status::WouldAsk("https://x".into()), "would-ask: https://x", 0, true),
        ]
    }

    /// Nothing changed, and these could not be updated.
    fn unchanged(unpublished: &[&str], age: u64) -> Status {
        let addresses = serde_json::from_str(r#"{"v4":["192.0.2.1"]}"#).unwrap();
        let unpublished = unpublished.iter().map(|address| (*address).to_owned()).collect();
        Status::Unchanged { addresses, unpublished, age }
    }

    /// The outcome of a host that misses nothing.
    fn outcome(result: Status) -> HostOutcome {
        HostOutcome {
            host: "a.b".parse().unwrap(),
            status: result,
            missing: None,
            hints: Vec::new(),
            steps: Vec::new(),
            reported: None,
        }
    }

    #[test]
    fn a_family_that_failed_is_reported_next_to_the_outcome_of_the_other() {
        let missing = || Some("IPv6 failed: no".to_owned());
        for (result, given, exit) in all().into_iter().map(|(result, given, exit, _)| (result, given, exit)) {
            let outcome = HostOutcome { missing: missing(), ..outcome(result) };
            let line = outcome.to_string();
            assert!(line.contains("IPv6 failed: no") && outcome.is_news(), "{given}: {line}");
            assert_eq!(outcome.exit_status().exit_code(), if exit == 0 { 75 } else { exit }, "{line}");
        }
        let (good, ..) = all().swap_remove(0);
        let good = HostOutcome { missing: missing(), ..outcome(good) };
        assert_eq!(good.to_string(), "a.b: good 192.0.2.1,2001:db8::7: IPv6 failed: no");
        assert_eq!(
            good.json().to_string(),
            r#"{"host":"a.b","result":"good","addresses":["192.0.2.1","2001:db8::7"],"exit":75,"message":"IPv6 failed: no"}"#
        );
    }

    #[test]
    fn every_outcome_has_its_line_its_exit_code_and_its_news() {
        for (result, line, exit, news) in all() {
            let outcome = outcome(result);
            assert!(format!("{outcome:#}").starts_with(&format!("a.b: {line}")), "{outcome:#}");
            assert_eq!((outcome.exit_status().exit_code(), outcome.is_news()), (exit, news), "{outcome}");
        }
    }

    #[test]
    fn trouble_is_news_when_it_begins_changes_and_ends() {
        let failed = |reason: &str| Status::Failed { reason: reason.to_owned(), wait: Some(60) };
        let refused = "gw.example.org (192.0.2.1:443): Connection refused";
        let other_address = "gw.example.org ([2001:db8::1]:443): Connection refused";
        let timed_out = "gw.example.org (192.0.2.1:443): no connection within 5 s";
        let waiting = Status::StillWaiting(other_address.to_owned(), 9);
        let mut reported = None;
        for (status, news, message) in [
            (unchanged(&[], 60), false, ""),
            (failed(refused), true, refused),
            (failed(refused), false, ""),
            (waiting, false, ""),
            (failed(timed_out), true, timed_out),
            (unchanged(&[], 60), true, "this is over: gw.example.org no connection within 5 s"),
            (unchanged(&[], 60), false, ""),
        ] {
            let outcome = HostOutcome { reported: reported.clone(), ..outcome(status) };
            assert_eq!(outcome.is_news(), news, "{outcome}");
            assert!(outcome.to_string().contains(message), "{outcome}");
            reported = outcome.trouble();
        }
    }

    #[test]
    fn on_a_pipe_the_obvious_is_left_out() {
        let same = outcome(unchanged(&[], 60));
        assert_eq!(same.to_string(), "a.b: unchanged 192.0.2.1");
        assert_eq!(format!("{same:#}"), "a.b: unchanged 192.0.2.1: set 60 s ago; --force asks all the same");
        let unpublished = outcome(unchanged(&["10.0.0.1"], 60)).to_string();
        assert_eq!(unpublished, "a.b: unchanged 192.0.2.1: the gateway does not publish 10.0.0.1, which was asked for");
    }

    #[test]
    fn json_says_the_same() {
        let line = |result| outcome(result).json().to_string();
        let (good, ..) = all().swap_remove(0);
        assert_eq!(line(good), r#"{"host":"a.b","result":"good","addresses":["192.0.2.1","2001:db8::7"],"exit":0}"#);
        assert_eq!(
            line(Status::StillWaiting("dnserr".into(), 61)),
            r#"{"host":"a.b","result":"waiting","addresses":[],"exit":75,"message":"dnserr","wait":61}"#
        );
    }

    #[test]
    fn the_gravest_exit_status_counts() {
        for (statuses, exit) in [
            (&[][..], 0),
            (&[ExitStatus::Well, ExitStatus::Later], 75),
            (&[ExitStatus::Refused, ExitStatus::Later, ExitStatus::Well], 1),
        ] {
            assert_eq!(statuses.iter().copied().max().unwrap_or_default().exit_code(), exit, "{statuses:?}");
        }
    }
}
