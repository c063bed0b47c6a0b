//! What came of a host in a round: as a line for a person, as JSON, and in the exit code.

use std::{fmt, net::IpAddr};

use serde_json::{Value, json};

use super::addresses::Addresses;
use crate::{hostname::HostName, reply::ReturnCode};

/// What came of one host.
#[derive(Debug)]
pub struct Outcome {
    /// The host.
    pub host: HostName,
    /// What came of it.
    pub result: Happened,
}

/// What may come of a host.
#[derive(Debug)]
pub enum Happened {
    /// The gateway answered.
    Answered {
        /// What.
        code: ReturnCode,
        /// What was asked for and is not what it answered with.
        passed_over: Vec<String>,
        /// The seconds until it may be asked again, where it failed for now.
        wait: Option<u64>,
    },
    /// Nothing was asked, as it was set to these addresses so many seconds ago.
    Unchanged(Addresses, u64),
    /// Nothing was asked, as it was refused with this code before.
    StillRefused(String),
    /// Nothing was asked, as it failed for this reason and waits for so many seconds.
    StillWaiting(String, u64),
    /// Nobody answered, or not in the words of the protocol.
    Failed {
        /// What happened.
        reason: String,
        /// The seconds until it may be asked again, if it has to wait.
        wait: Option<u64>,
    },
    /// This would be asked.
    WouldAsk(String),
}

/// How a host, or a run, ended: the exit code, of which the gravest counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    /// All is well.
    #[default]
    Well,
    /// It may be well later (`EX_TEMPFAIL` of sysexits.h).
    Later,
    /// It will not be well before somebody changes something.
    Refused,
}

impl Verdict {
    /// The exit code.
    pub fn exit_code(self) -> u8 {
        match self {
            Self::Well => 0,
            Self::Later => 75,
            Self::Refused => 1,
        }
    }
}

impl Outcome {
    /// How it ended.
    pub fn verdict(&self) -> Verdict {
        match &self.result {
            Happened::Answered { code, .. } => verdict(code),
            Happened::Unchanged(..) | Happened::WouldAsk(_) => Verdict::Well,
            Happened::StillRefused(_) => Verdict::Refused,
            Happened::StillWaiting(..) | Happened::Failed { .. } => Verdict::Later,
        }
    }

    /// Whether it is worth a mail from cron: something changed, or failed now.
    pub fn is_news(&self) -> bool {
        match &self.result {
            Happened::Answered { code, .. } => !matches!(code, ReturnCode::NoChg(_)),
            Happened::Failed { .. } | Happened::WouldAsk(_) => true,
            Happened::Unchanged(..) | Happened::StillRefused(_) | Happened::StillWaiting(..) => false,
        }
    }

    /// For scripts: `host`, `result` (a code word, or one of ours), `addresses`, `exit`, and where there
    /// are any `message` and `wait` in seconds.
    pub fn json(&self) -> Value {
        let mut json = json!({
            "host": self.host.as_str(),
            "result": self.result.word(),
            "addresses": self.result.addresses(),
            "exit": self.verdict().exit_code(),
        });
        let message = self.result.message();
        if !message.is_empty() {
            json["message"] = message.into();
        }
        if let Some(wait) = self.result.wait() {
            json["wait"] = wait.into();
        }
        json
    }
}

impl fmt::Display for Outcome {
    /// One line: the host, a word, addresses, and what it means; with `#` also where that goes
    /// without saying.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.host, self.result.word())?;
        let addresses = self.result.addresses();
        if !addresses.is_empty() {
            write!(f, " {}", addresses.join(","))?;
        }
        let message = self.result.message();
        let goes_without_saying = matches!(self.result, Happened::Unchanged(..)) && !f.alternate();
        if !message.is_empty() && !goes_without_saying {
            write!(f, ": {message}")?;
        }
        match self.result.wait() {
            Some(wait) => write!(f, "; again in {}", Span(wait)),
            None => Ok(()),
        }
    }
}

impl Happened {
    /// The code word, or a word of our own.
    fn word(&self) -> &'static str {
        match self {
            Self::Answered { code, .. } => code.word(),
            Self::Unchanged(..) => "unchanged",
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
            Self::Unchanged(addresses, _) => addresses.iter().cloned().collect(),
            Self::Answered { .. }
            | Self::StillRefused(_)
            | Self::StillWaiting(..)
            | Self::Failed { .. }
            | Self::WouldAsk(_) => Vec::new(),
        }
    }

    /// What it means, and what to do.
    fn message(&self) -> String {
        match self {
            Self::Answered { passed_over, .. } if !passed_over.is_empty() => {
                format!("the gateway does not publish {}, which was asked for", passed_over.join(","))
            }
            Self::Answered { code, .. } => meaning(code).to_owned(),
            Self::Unchanged(_, age) => format!("set {} ago; --force asks all the same", Span(*age)),
            Self::StillRefused(code) => {
                format!("{code} before; nothing is asked until its url, token or zoneid changes, or with --force")
            }
            Self::StillWaiting(reason, _) | Self::Failed { reason, .. } => reason.clone(),
            Self::WouldAsk(url) => url.clone(),
        }
    }

    /// The seconds until it may be asked again.
    fn wait(&self) -> Option<u64> {
        match self {
            Self::Answered { wait, .. } | Self::Failed { wait, .. } => *wait,
            Self::StillWaiting(_, wait) => Some(*wait),
            Self::Unchanged(..) | Self::StillRefused(_) | Self::WouldAsk(_) => None,
        }
    }
}

/// How a host ends that has this code.
pub fn verdict(code: &ReturnCode) -> Verdict {
    match code {
        ReturnCode::Good(_) | ReturnCode::NoChg(_) => Verdict::Well,
        ReturnCode::DnsErr | ReturnCode::ServerError => Verdict::Later,
        ReturnCode::BadAuth
        | ReturnCode::NoHost
        | ReturnCode::NotFqdn
        | ReturnCode::NumHost
        | ReturnCode::NotDonator => Verdict::Refused,
    }
}

/// What a code means, and what to do.
fn meaning(code: &ReturnCode) -> &'static str {
    match code {
        ReturnCode::Good(_) | ReturnCode::NoChg(_) => "",
        ReturnCode::BadAuth => "the gateway refuses the token: expected the one that `nic53 token` prints there",
        ReturnCode::NoHost => {
            "not this token's host, not in the zone of zoneid, or a name that holds a CNAME or an alias; \
             the gateway's log says which"
        }
        ReturnCode::NotFqdn => "the gateway does not take it for a fully qualified host name",
        ReturnCode::NumHost => "the gateway takes fewer hosts in one request",
        ReturnCode::NotDonator => "the gateway does not allow what was asked",
        ReturnCode::DnsErr => "the gateway could not change the records; its log says why",
        ReturnCode::ServerError => "the gateway is in trouble; its log says why",
    }
}

/// A time span in its largest unit, rounded up, for a person.
struct Span(u64);

impl fmt::Display for Span {
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

    /// All that can happen, with the word, the exit code and whether it is news.
    fn all() -> Vec<(Happened, &'static str, u8, bool)> {
        let addresses: Vec<IpAddr> = vec!["192.0.2.1".parse().unwrap(), "2001:db8::7".parse().unwrap()];
        let held = serde_json::from_str(r#"{"v4":["192.0.2.1"]}"#).unwrap();
        let code = |code, wait| Happened::Answered { code, passed_over: Vec::new(), wait };
        let passed_over = vec!["10.0.0.1".to_owned()];
        vec![
            (code(ReturnCode::Good(addresses.clone()), None), "good 192.0.2.1,2001:db8::7", 0, true),
            (
                Happened::Answered { code: ReturnCode::Good(addresses.clone()), passed_over, wait: None },
                "good 192.0.2.1,2001:db8::7: the gateway does not publish 10.0.0.1",
                0,
                true,
            ),
            (code(ReturnCode::NoChg(addresses), None), "nochg 192.0.2.1,2001:db8::7", 0, false),
            (code(ReturnCode::NoChg(Vec::new()), None), "nochg", 0, false),
            (code(ReturnCode::BadAuth, None), "badauth: the gateway refuses the token", 1, true),
            (code(ReturnCode::NoHost, None), "nohost: not this token's host", 1, true),
            (code(ReturnCode::NotFqdn, None), "notfqdn: ", 1, true),
            (code(ReturnCode::NumHost, None), "numhost: ", 1, true),
            (code(ReturnCode::NotDonator, None), "!donator: ", 1, true),
            (code(ReturnCode::DnsErr, Some(60)), "dnserr: the gateway could not", 75, true),
            (code(ReturnCode::ServerError, Some(60)), "911: the gateway is in trouble", 75, true),
            (Happened::Unchanged(held, 7200), "unchanged 192.0.2.1: set 2 h ago", 0, false),
            (Happened::StillRefused("nohost".into()), "refused: nohost before; nothing is asked until", 1, false),
            (Happened::StillWaiting("dnserr".into(), 61), "waiting: dnserr; again in 61 s", 75, false),
            (Happened::Failed { reason: "no".into(), wait: Some(300) }, "failed: no; again in 5 min", 75, true),
            (Happened::Failed { reason: "no".into(), wait: None }, "failed: no", 75, true),
            (Happened::WouldAsk("https://x".into()), "would-ask: https://x", 0, true),
        ]
    }

    #[test]
    fn every_outcome_has_its_line_its_exit_code_and_its_news() {
        for (result, line, exit, news) in all() {
            let outcome = Outcome { host: "a.b".parse().unwrap(), result };
            assert!(format!("{outcome:#}").starts_with(&format!("a.b: {line}")), "{outcome:#}");
            assert_eq!((outcome.verdict().exit_code(), outcome.is_news()), (exit, news), "{outcome}");
        }
    }

    #[test]
    fn on_a_pipe_what_goes_without_saying_is_not_said() {
        let addresses = serde_json::from_str(r#"{"v4":["192.0.2.1"]}"#).unwrap();
        let outcome = Outcome { host: "a.b".parse().unwrap(), result: Happened::Unchanged(addresses, 60) };
        assert_eq!(outcome.to_string(), "a.b: unchanged 192.0.2.1");
        assert_eq!(format!("{outcome:#}"), "a.b: unchanged 192.0.2.1: set 60 s ago; --force asks all the same");
    }

    #[test]
    fn json_says_the_same() {
        let line = |result| Outcome { host: "a.b".parse().unwrap(), result }.json().to_string();
        let (good, ..) = all().swap_remove(0);
        assert_eq!(line(good), r#"{"host":"a.b","result":"good","addresses":["192.0.2.1","2001:db8::7"],"exit":0}"#);
        assert_eq!(
            line(Happened::StillWaiting("dnserr".into(), 61)),
            r#"{"host":"a.b","result":"waiting","addresses":[],"exit":75,"message":"dnserr","wait":61}"#
        );
    }

    #[test]
    fn the_gravest_verdict_counts() {
        for (verdicts, exit) in [
            (&[][..], 0),
            (&[Verdict::Well, Verdict::Later], 75),
            (&[Verdict::Refused, Verdict::Later, Verdict::Well], 1),
        ] {
            assert_eq!(verdicts.iter().copied().max().unwrap_or_default().exit_code(), exit, "{verdicts:?}");
        }
    }
}
