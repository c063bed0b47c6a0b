//! A line of plain text, and its time.

use std::{
    cell::RefCell,
    fmt::{self, Write as _},
};

use time::{OffsetDateTime, format_description::well_known::Rfc3339};

/// A line of plain text: the time and the message.
pub(super) fn text_line(what: fmt::Arguments<'_>) -> String {
    let mut line = String::with_capacity(160);
    write_time(&mut line);
    // Writing to a `String` cannot fail.
    let _ = write!(line, " {what}");
    line
}

/// Writes the time in UTC, in seconds, in the format of RFC 3339.
pub(super) fn write_time(line: &mut String) {
    thread_local! {
        /// The second of the last line, and its text.
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
