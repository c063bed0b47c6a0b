//! Tables of `docs/performance.md`.

use std::{fmt::Write as _, time::Duration};

/// A table between the marks of its place.
pub struct Table {
    /// The place's name.
    name: String,
    /// The mark and the rows.
    text: String,
}

impl Table {
    /// Begins one of that name with these columns.
    pub fn new(name: &str, columns: &[&str]) -> Self {
        let mut table = Self { name: format!("bench:{name}"), text: format!("<!-- bench:{name} -->\n") };
        table.row(columns);
        table.row(&vec!["---"; columns.len()]);
        table
    }

    /// Adds a row.
    pub fn row(&mut self, cells: &[&str]) {
        let _ = writeln!(self.text, "| {} |", cells.join(" | "));
    }

    /// Adds a sentence, which ends the rows.
    pub fn note(&mut self, sentence: &str) {
        let _ = writeln!(self.text, "\n{sentence}");
    }

    /// Ends it.
    pub fn end(self) -> String {
        format!("{}<!-- /{} -->\n", self.text, self.name)
    }
}

/// The middle of these.
pub fn median(times: impl Iterator<Item = Duration>) -> Duration {
    let mut times: Vec<Duration> = times.collect();
    times.sort_unstable();
    times[times.len() / 2]
}

/// How many times the one is the other.
pub fn ratio(one: Duration, other: Duration) -> String {
    let ratio = one.as_secs_f64() / other.as_secs_f64();
    if ratio < 10.0 { format!("{ratio:.1}") } else { format!("{ratio:.0}") }
}

/// Milliseconds, for context.
pub fn ms(time: Duration) -> String {
    let ms = time.as_secs_f64() * 1e3;
    if ms < 10.0 { format!("{ms:.2} ms") } else { format!("{ms:.0} ms") }
}

/// Megabytes.
#[expect(clippy::cast_precision_loss, reason = "for people")]
pub fn mb(octets: u64) -> String {
    format!("{:.2} MB", octets as f64 / 1e6)
}
