//! What a check observed, what it means and what to do: for a person, a pipe or a program.

use std::{
    fmt::Write as _,
    io::{self, IsTerminal, Write as _},
};

use serde_json::{Value, json};

use crate::{
    cli::{
        output::{Colour, Style},
        print,
    },
    printable::printable,
    protocol::token::redact,
};

/// How bad the result of a step is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Severity {
    /// As it should be.
    Fine,
    /// Fine for some clients, or worth knowing.
    Note,
    /// Not as it should be.
    Wrong,
    /// It could not be determined.
    Unknown,
    /// Not tried.
    Skipped,
}

impl Severity {
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

    /// Whether the check can go on.
    pub(super) fn is_fine(self) -> bool {
        matches!(self, Self::Fine | Self::Note)
    }

    /// The colour of the word.
    fn colour(self) -> Colour {
        match self {
            Self::Fine => Colour::Fine,
            Self::Note | Self::Unknown => Colour::Warning,
            Self::Wrong => Colour::Wrong,
            Self::Skipped => Colour::Faint,
        }
    }
}

/// The result of one step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Step {
    /// The name of the step, one word.
    pub name: &'static str,
    /// How bad it is.
    pub severity: Severity,
    /// What was observed.
    pub observed: String,
    /// What that means; empty if it is obvious.
    pub meaning: String,
    /// What to do; empty if there is nothing to do.
    pub advice: String,
}

impl Step {
    /// A step that is fine.
    pub(super) fn fine(name: &'static str, observed: impl AsRef<str>) -> Self {
        Self::new(name, Severity::Fine, observed)
    }

    /// A step that is fine for some clients, or worth knowing.
    pub(super) fn note(name: &'static str, observed: impl AsRef<str>) -> Self {
        Self::new(name, Severity::Note, observed)
    }

    /// A step that is wrong.
    pub(super) fn wrong(name: &'static str, observed: impl AsRef<str>) -> Self {
        Self::new(name, Severity::Wrong, observed)
    }

    /// A step whose result could not be determined.
    pub(super) fn unknown(name: &'static str, observed: impl AsRef<str>) -> Self {
        Self::new(name, Severity::Unknown, observed)
    }

    /// A step that was not tried, and why.
    pub(super) fn skipped(name: &'static str, reason: impl AsRef<str>) -> Self {
        Self::new(name, Severity::Skipped, reason)
    }

    /// With its meaning.
    pub(super) fn meaning(mut self, meaning: impl AsRef<str>) -> Self {
        self.meaning = clean(meaning.as_ref());
        self
    }

    /// With advice.
    pub(super) fn advice(mut self, advice: impl AsRef<str>) -> Self {
        self.advice = clean(advice.as_ref());
        self
    }

    /// A step without meaning and advice. Its texts are cleaned here, because they quote servers.
    fn new(name: &'static str, severity: Severity, observed: impl AsRef<str>) -> Self {
        let observed = clean(observed.as_ref());
        Self { name, severity, observed, meaning: String::new(), advice: String::new() }
    }

    /// For a person: up to three lines.
    fn paragraph(&self, style: Style) -> String {
        let word = style.paint(self.severity.colour(), &format!("{:<8}", self.severity.word()));
        let mut paragraph = format!("{word}{:<14}{}\n", self.name, self.observed);
        for (lead, text) in [("", &self.meaning), ("To do: ", &self.advice)] {
            if !text.is_empty() {
                let _ = writeln!(paragraph, "{:22}{lead}{text}", "");
            }
        }
        paragraph
    }

    /// For a pipe: one line.
    fn line(&self) -> String {
        let more = [("", &self.meaning), ("to do: ", &self.advice)];
        let more = more.iter().filter(|(_, text)| !text.is_empty()).map(|(lead, text)| format!("; {lead}{text}"));
        format!("{} {}: {}{}\n", self.severity.word(), self.name, self.observed, more.collect::<String>())
    }

    /// For a program.
    fn json(&self) -> Value {
        json!({
            "step": self.name,
            "severity": self.severity.word(),
            "observed": self.observed,
            "meaning": self.meaning,
            "advice": self.advice,
        })
    }
}

/// A text that may quote a server: safe to print, and without anything that looks like a token.
fn clean(text: &str) -> String {
    printable(&redact(text))
}

/// The steps so far. Each is printed at once, or all of them at the end as JSON.
pub(super) struct Report {
    /// In order.
    steps: Vec<Step>,
    /// The style of standard output.
    style: Style,
    /// Whether to print JSON at the end.
    json: bool,
    /// Whether to print what is being waited for.
    progress: bool,
}

impl Report {
    /// An empty report.
    pub(super) fn new(json: bool) -> Self {
        let progress = !json && io::stderr().is_terminal();
        Self { steps: Vec::new(), style: Style::of(&io::stdout()), json, progress }
    }

    /// Adds a step and prints it.
    pub(super) fn add(&mut self, step: Step) {
        if !self.json {
            print(&if self.style.terminal { step.paragraph(self.style) } else { step.line() });
        }
        self.steps.push(step);
    }

    /// Adds several steps.
    pub(super) fn add_all(&mut self, steps: impl IntoIterator<Item = Step>) {
        for step in steps {
            self.add(step);
        }
    }

    /// Prints what is being waited for, on a line that the next call replaces. An empty text clears it.
    pub(super) fn progress(&self, text: &str) {
        if self.progress {
            let _ = write!(io::stderr(), "\r\x1b[K{text}").and_then(|()| io::stderr().flush());
        }
    }

    /// The severity of the whole: wrong if any step is, else unknown if any step is.
    pub(super) fn severity(&self) -> Severity {
        let any = |severity| self.steps.iter().any(|step| step.severity == severity);
        if any(Severity::Wrong) {
            Severity::Wrong
        } else if any(Severity::Unknown) {
            Severity::Unknown
        } else {
            Severity::Fine
        }
    }

    /// Prints the conclusion.
    pub(super) fn finish(&self, url: &str, host: Option<&str>) {
        let severity = self.severity();
        if self.json {
            let steps: Vec<Value> = self.steps.iter().map(Step::json).collect();
            let report = json!({ "url": url, "host": host, "severity": severity.word(), "steps": steps });
            print(&format!("{report:#}\n"));
        } else if self.style.terminal {
            let end = match severity {
                Severity::Wrong => "Something is wrong.",
                Severity::Unknown => "Not everything could be checked.",
                Severity::Fine | Severity::Note | Severity::Skipped => "All is well.",
            };
            print(&format!("\n{}\n", self.style.paint(severity.colour(), end)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_has_what_was_observed_its_meaning_and_advice() {
        let step = Step::wrong("challenge", "401").meaning("wget gives up").advice("add it");
        let plain = Style { terminal: true, colours: false };
        let indent = " ".repeat(22);
        assert_eq!(
            step.paragraph(plain),
            format!("wrong   challenge     401\n{indent}wget gives up\n{indent}To do: add it\n")
        );
        assert_eq!(step.line(), "wrong challenge: 401; wget gives up; to do: add it\n");
        assert_eq!(step.json()["advice"], "add it");
        assert_eq!(Step::fine("ttl", "60 s").line(), "ok ttl: 60 s\n");
    }

    #[test]
    fn a_server_cannot_write_to_the_terminal_or_forge_a_line() {
        let hostile = "x\x1b[2J\r\nok token: valid\u{202e}\u{200b}\u{9b}1m";
        let step = Step::note("tls", hostile).meaning(hostile).advice(hostile);
        let shown = [step.line(), step.json().to_string()].concat();
        assert_eq!(shown.matches('\n').count(), 1, "{shown:?}");
        for letter in ['\x1b', '\r', '\u{202e}', '\u{200b}', '\u{9b}'] {
            assert!(!shown.contains(letter), "{letter:?} is in {shown:?}");
        }
    }

    #[test]
    fn one_wrong_step_makes_the_whole_wrong_and_an_unknown_one_unknown() {
        for (steps, severity) in [
            (vec![], Severity::Fine),
            (vec![Step::fine("a", ""), Step::note("b", ""), Step::skipped("c", "")], Severity::Fine),
            (vec![Step::fine("a", ""), Step::unknown("b", "")], Severity::Unknown),
            (vec![Step::unknown("a", ""), Step::wrong("b", "")], Severity::Wrong),
        ] {
            let style = Style { terminal: false, colours: false };
            let report = Report { steps, style, json: true, progress: false };
            assert_eq!(report.severity(), severity, "{:?}", report.steps);
        }
    }
}
