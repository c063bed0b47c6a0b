//! What came of a host in a round: as a line for a person, as JSON, and in the exit code.

use std::{fmt, net::IpAddr};

use serde_json::{Value, json};

use super::addresses::Addresses;
use crate::protocol::{hostname::HostName, reply::ReturnCode};

/// What came of one host.
#[derive(Debug)]
pub struct Outcome {
    /// The host.
    pub host: HostName,
    /// What came of it.
    pub result: Happened,
    /// The family that was to be updated too and had no address, and why.
    pub lacking: Option<String>,
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
    /// Nothing was asked, as nothing changed.
    Unchanged {
        /// What the gateway answered that it has.
        addresses: Addresses,
        /// What was asked for and is not among them.
        passed_over: Vec<String>,
        /// How many seconds ago that was.
        age: u64,
    },
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
        let verdict = match &self.result {
            Happened::Answered { code, .. } => verdict(code),
            Happened::Unchanged { .. } | Happened::WouldAsk(_) => Verdict::Well,
            Happened::StillRefused(_) => Verdict::Refused,
            Happened::StillWaiting(..) | Happened::Failed { .. } => Verdict::Later,
        };
        if self.lacking.is_some() { verdict.max(Verdict::Later) } else { verdict }
    }

    /// Whether it is worth a mail from cron: something changed, or failed now.
    pub fn is_news(&self) -> bool {
        match &self.result {
            _ if self.lacking.is_some() => true,
            Happened::Answered { code, .. } => !matches!(code, ReturnCode::NoChg(_)),
            Happened::Failed { .. } | Happened::WouldAsk(_) => true,
            Happened::Unchanged { .. } | Happened::StillRefused(_) | Happened::StillWaiting(..) => false,
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
        let message = self.message(true);
        if !message.is_empty() {
            json["message"] = message.into();
        }
        if let Some(wait) = self.result.wait() {
            json["wait"] = wait.into();
        }
        json
    }

    /// What it means, what to do, and what is lacking; on request also what goes without saying.
    fn message(&self, all: bool) -> String {
        let mut messages = self.result.messages(all);
        messages.extend(self.lacking.clone());
        messages.retain(|message| !message.is_empty());
        messages.join("; ")
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
        let message = self.message(f.alternate());
        if !message.is_empty() {
            write!(f, ": {message}")?;
        }
        match self.result.wait() {
            Some(wait) => write!(f, "; again in {}", Span(wait))?,
            None => return Ok(()),
        }
        if matches!(self.result, Happened::StillWaiting(..)) {
            f.write_str("; --force asks all the same")
        } else {
            Ok(())
        }
    }
}

impl Happened {
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

    /// What it means, and what to do; on request also what goes without saying.
    fn messages(&self, all: bool) -> Vec<String> {
        match self {
            Self::Answered { passed_over, code, .. } => {
                not_published(passed_over).into_iter().chain([meaning(code).to_owned()]).collect()
            }
            Self::Unchanged { passed_over, age, .. } => {
                let set = all.then(|| format!("set {} ago; --force asks all the same", Span(*age)));
                not_published(passed_over).into_iter().chain(set).collect()
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

/// That these were asked for in vain, if there are any.
fn not_published(passed_over: &[String]) -> Option<String> {
    let told = || format!("the gateway does not publish {}, which was asked for", passed_over.join(","));
    (!passed_over.is_empty()).then(told)
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
            (unchanged(&[], 7200), "unchanged 192.0.2.1: set 2 h ago", 0, false),
            (
                unchanged(&["10.0.0.1"], 7200),
                "unchanged 192.0.2.1: the gateway does not publish 10.0.0.1, which was asked for; set 2 h ago",
                0,
                false,
            ),
            (
                Happened::StillRefused("nohost".into()),
                "refused: nohost before; nothing is asked until its url, token, zoneid or ttl changes, or with --force",
                1,
                false,
            ),
            (
                Happened::StillWaiting("dnserr".into(), 61),
                "waiting: dnserr; again in 61 s; --force asks all the same",
                75,
                false,
            ),
            (Happened::Failed { reason: "no".into(), wait: Some(300) }, "failed: no; again in 5 min", 75, true),
            (Happened::Failed { reason: "no".into(), wait: None }, "failed: no", 75, true),
            (Happened::WouldAsk("https://x".into()), "would-ask: https://x", 0, true),
        ]
    }

    /// Nothing changed, and these were asked for in vain.
    fn unchanged(passed_over: &[&str], age: u64) -> Happened {
        let addresses = serde_json::from_str(r#"{"v4":["192.0.2.1"]}"#).unwrap();
        let passed_over = passed_over.iter().map(|address| (*address).to_owned()).collect();
        Happened::Unchanged { addresses, passed_over, age }
    }

    /// The outcome of a host that lacks nothing.
    fn outcome(result: Happened) -> Outcome {
        Outcome { host: "a.b".parse().unwrap(), result, lacking: None }
    }

    #[test]
    fn a_family_that_failed_is_told_beside_what_came_of_the_other() {
        let lacking = || Some("IPv6 failed: no".to_owned());
        for (result, line, exit) in all().into_iter().map(|(result, line, exit, _)| (result, line, exit)) {
            let outcome = Outcome { lacking: lacking(), ..outcome(result) };
            let told = outcome.to_string();
            assert!(told.contains("IPv6 failed: no") && outcome.is_news(), "{line}: {told}");
            assert_eq!(outcome.verdict().exit_code(), if exit == 0 { 75 } else { exit }, "{told}");
        }
        let (good, ..) = all().swap_remove(0);
        let good = Outcome { lacking: lacking(), ..outcome(good) };
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
            assert_eq!((outcome.verdict().exit_code(), outcome.is_news()), (exit, news), "{outcome}");
        }
    }

    #[test]
    fn on_a_pipe_what_goes_without_saying_is_not_said() {
        let same = outcome(unchanged(&[], 60));
        assert_eq!(same.to_string(), "a.b: unchanged 192.0.2.1");
        assert_eq!(format!("{same:#}"), "a.b: unchanged 192.0.2.1: set 60 s ago; --force asks all the same");
        let passed_over = outcome(unchanged(&["10.0.0.1"], 60)).to_string();
        assert_eq!(passed_over, "a.b: unchanged 192.0.2.1: the gateway does not publish 10.0.0.1, which was asked for");
    }

    #[test]
    fn json_says_the_same() {
        let line = |result| outcome(result).json().to_string();
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
