//! What `nic53 update` prints.

use std::{
    fmt::Write as _,
    io::{self, IsTerminal},
};

use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use crate::{
    cli::{print, warn},
    client::outcome::{ExitStatus, HostOutcome},
};

/// How outcomes are printed.
#[derive(Clone, Copy)]
pub(super) struct Output {
    /// As JSON.
    pub json: bool,
    /// With the steps that led to them.
    pub steps: bool,
    /// With the time of each line.
    pub times: bool,
}

impl Output {
    /// Prints the outcome of each host: successes to standard output, the rest to standard error.
    /// JSON goes to standard output only. If `quiet`, only news is printed.
    pub(super) fn print(self, outcomes: &[HostOutcome], warnings: &[String], quiet: bool) {
        let shown: Vec<&HostOutcome> = outcomes.iter().filter(|outcome| !quiet || outcome.is_news()).collect();
        if quiet && shown.is_empty() {
            return;
        }
        for warning in warnings {
            self.warn(warning);
        }
        let mut out = String::new();
        for outcome in shown {
            for step in outcome.steps.iter().filter(|_| self.steps) {
                self.warn(&format!("{}: {step}", outcome.host));
            }
            // Writing to a `String` cannot fail.
            let _ = match outcome.exit_status() {
                _ if self.json => writeln!(out, "{}", self.json(outcome)),
                ExitStatus::Well if io::stdout().is_terminal() => writeln!(out, "{}{outcome:#}", self.time()),
                ExitStatus::Well => writeln!(out, "{}{outcome}", self.time()),
                ExitStatus::Later | ExitStatus::Refused => {
                    self.warn(&outcome.to_string());
                    Ok(())
                }
            };
        }
        print(&out);
    }

    /// Prints a line to standard error.
    pub(super) fn warn(self, line: &str) {
        warn(&format!("{}{line}", self.time()));
    }

    /// An outcome as JSON.
    fn json(self, outcome: &HostOutcome) -> serde_json::Value {
        let mut json = outcome.json();
        if self.times {
            json["time"] = self.time().trim_end().into();
        }
        json
    }

    /// The time now and a space, if lines have it.
    fn time(self) -> String {
        let now = OffsetDateTime::now_utc().replace_nanosecond(0).ok().and_then(|now| now.format(&Rfc3339).ok());
        now.filter(|_| self.times).map_or_else(String::new, |now| format!("{now} "))
    }
}
