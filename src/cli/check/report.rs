//! What a check saw, what it means and what to do: for a person, for a pipe, for a program.

use std::{
    fmt::Write as _,
    io::{self, IsTerminal, Write as _},
};

use serde_json::{Value, json};

use crate::cli::terminal::{Colour, Look};

/// What came of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// As it should be.
    Fine,
    /// As it should be for some clients.
    Note,
    /// Not as it should be.
    Wrong,
    /// It could not be told.
    Unknown,
    /// Not tried.
    Skipped,
}

impl Verdict {
    /// The word for it.
    fn word(self) -> &'static str {
        match self {
            Self::Fine => "ok",
            Self::Note => "note",
            Self::Wrong => "wrong",
            Self::Unknown => "unknown",
            Self::Skipped => "skipped",
        }
    }

    /// Whether there is nothing in the way of going on.
    pub(super) fn is_fine(self) -> bool {
        matches!(self, Self::Fine | Self::Note)
    }

    /// The colour of it.
    fn colour(self) -> Colour {
        match self {
            Self::Fine => Colour::Fine,
            Self::Note | Self::Unknown => Colour::Warning,
            Self::Wrong => Colour::Wrong,
            Self::Skipped => Colour::Faint,
        }
    }
}

/// One step of a check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Step {
    /// What was looked at, in a word.
    pub name: &'static str,
    /// What came of it.
    pub verdict: Verdict,
    /// What was seen.
    pub saw: String,
    /// What that means; empty where it goes without saying.
    pub means: String,
    /// What to do; empty where there is nothing to do.
    pub advice: String,
}

impl Step {
    /// A step that is fine.
    pub(super) fn fine(name: &'static str, saw: impl Into<String>) -> Self {
        Self::new(name, Verdict::Fine, saw)
    }

    /// A step that is fine for some clients.
    pub(super) fn note(name: &'static str, saw: impl Into<String>) -> Self {
        Self::new(name, Verdict::Note, saw)
    }

    /// A step that is wrong.
    pub(super) fn wrong(name: &'static str, saw: impl Into<String>) -> Self {
        Self::new(name, Verdict::Wrong, saw)
    }

    /// A step that could not be told.
    pub(super) fn unknown(name: &'static str, saw: impl Into<String>) -> Self {
        Self::new(name, Verdict::Unknown, saw)
    }

    /// A step that was not tried.
    pub(super) fn skipped(name: &'static str, why: impl Into<String>) -> Self {
        Self::new(name, Verdict::Skipped, why)
    }

    /// With what it means.
    pub(super) fn means(mut self, means: impl Into<String>) -> Self {
        self.means = means.into();
        self
    }

    /// With what to do.
    pub(super) fn advice(mut self, advice: impl Into<String>) -> Self {
        self.advice = advice.into();
        self
    }

    /// A step of which only this is known.
    fn new(name: &'static str, verdict: Verdict, saw: impl Into<String>) -> Self {
        Self { name, verdict, saw: saw.into(), means: String::new(), advice: String::new() }
    }

    /// As a person reads it: three lines where there is more to say than what was seen.
    fn shown(&self, look: Look) -> String {
        let word = look.paint(self.verdict.colour(), &format!("{:<8}", self.verdict.word()));
        let mut shown = format!("{word}{:<14}{}\n", self.name, self.saw);
        for (lead, text) in [("", &self.means), ("To do: ", &self.advice)] {
            if !text.is_empty() {
                let _ = writeln!(shown, "{:22}{lead}{text}", "");
            }
        }
        shown
    }

    /// As a pipe has it: one line.
    fn line(&self) -> String {
        let more = [("", &self.means), ("to do: ", &self.advice)];
        let more = more.iter().filter(|(_, text)| !text.is_empty()).map(|(lead, text)| format!("; {lead}{text}"));
        format!("{} {}: {}{}\n", self.verdict.word(), self.name, self.saw, more.collect::<String>())
    }

    /// As a program reads it.
    fn json(&self) -> Value {
        json!({
            "step": self.name,
            "verdict": self.verdict.word(),
            "saw": self.saw,
            "means": self.means,
            "do": self.advice,
        })
    }
}

/// The steps so far, told as they come unless a program is to read them at the end.
pub(super) struct Report {
    /// In order.
    steps: Vec<Step>,
    /// How standard output looks.
    look: Look,
    /// Whether a program reads it, at the end.
    json: bool,
    /// Whether somebody sees what is being waited for.
    progress: bool,
}

impl Report {
    /// An empty one.
    pub(super) fn new(json: bool) -> Self {
        Self { steps: Vec::new(), look: Look::of(&io::stdout()), json, progress: !json && io::stderr().is_terminal() }
    }

    /// Takes a step, and tells it.
    pub(super) fn add(&mut self, step: Step) {
        if !self.json {
            say(&if self.look.terminal { step.shown(self.look) } else { step.line() });
        }
        self.steps.push(step);
    }

    /// Says what is being waited for, on one line of the terminal that comes and goes; an empty text clears it.
    pub(super) fn progress(&self, text: &str) {
        if self.progress {
            let _ = write!(io::stderr(), "\r\x1b[K{text}").and_then(|()| io::stderr().flush());
        }
    }

    /// What came of all steps.
    pub(super) fn verdict(&self) -> Verdict {
        let any = |verdict| self.steps.iter().any(|step| step.verdict == verdict);
        if any(Verdict::Wrong) {
            Verdict::Wrong
        } else if any(Verdict::Unknown) {
            Verdict::Unknown
        } else {
            Verdict::Fine
        }
    }

    /// Tells the end of it.
    pub(super) fn finish(&self, url: &str, host: Option<&str>) {
        let verdict = self.verdict();
        if self.json {
            let steps: Vec<Value> = self.steps.iter().map(Step::json).collect();
            say(&format!("{:#}\n", json!({ "url": url, "host": host, "verdict": verdict.word(), "steps": steps })));
        } else if self.look.terminal {
            let end = match verdict {
                Verdict::Wrong => "Something is wrong.",
                Verdict::Unknown => "Not everything could be told.",
                Verdict::Fine | Verdict::Note | Verdict::Skipped => "All is well.",
            };
            say(&format!("\n{}\n", self.look.paint(verdict.colour(), end)));
        }
    }
}

/// Writes to standard output. Nobody reading is no failure.
fn say(text: &str) {
    let _ = io::stdout().write_all(text.as_bytes()).and_then(|()| io::stdout().flush());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_says_what_it_saw_means_and_advises() {
        let step = Step::wrong("challenge", "401").means("wget gives up").advice("add it");
        let plain = Look { terminal: true, colours: false };
        let indent = " ".repeat(22);
        assert_eq!(
            step.shown(plain),
            format!("wrong   challenge     401\n{indent}wget gives up\n{indent}To do: add it\n")
        );
        assert_eq!(step.line(), "wrong challenge: 401; wget gives up; to do: add it\n");
        assert_eq!(step.json()["do"], "add it");
        assert_eq!(Step::fine("ttl", "60 s").line(), "ok ttl: 60 s\n");
    }

    #[test]
    fn one_wrong_step_makes_the_whole_wrong_and_an_unknown_one_unknown() {
        for (steps, verdict) in [
            (vec![], Verdict::Fine),
            (vec![Step::fine("a", ""), Step::note("b", ""), Step::skipped("c", "")], Verdict::Fine),
            (vec![Step::fine("a", ""), Step::unknown("b", "")], Verdict::Unknown),
            (vec![Step::unknown("a", ""), Step::wrong("b", "")], Verdict::Wrong),
        ] {
            let mut report = Report {
                steps: Vec::new(),
                look: Look { terminal: false, colours: false },
                json: true,
                progress: false,
            };
            for step in steps {
                report.add(step);
            }
            assert_eq!(report.verdict(), verdict, "{:?}", report.steps);
        }
    }
}
