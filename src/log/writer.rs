//! The background thread that writes the log.

use std::{
    io::{self, Write as _},
    mem,
    sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError},
    thread,
    time::Duration,
};

use super::line::text_line;

/// The most octets of lines that wait to be written. A line that does not fit is dropped.
const MAX_WAITING: usize = 256 * 1024;
/// How long the writer sleeps after a write, unless the buffer is half full. To wake it for each line,
/// and to write each line by itself, would take a third of a request's time.
const REST: Duration = Duration::from_millis(5);

/// Set once a background thread writes the log.
static BACKGROUND: OnceLock<Arc<Background>> = OnceLock::new();

/// What the background thread and those who log share.
#[derive(Default)]
struct Background {
    /// The lines to write.
    waiting: Mutex<Waiting>,
    /// Notified when there is something to write, and when it was written.
    changed: Condvar,
}

/// The lines that wait to be written.
#[derive(Default)]
struct Waiting {
    /// The lines, each with its line break.
    lines: String,
    /// How many lines were dropped since the last write.
    dropped: u64,
    /// Whether some are being written now.
    writing: bool,
}

/// Starts a thread that writes the log from now on. A pipe that nobody reads blocks whoever writes to
/// it, and must not block the server.
///
/// # Errors
///
/// If the thread cannot be started.
pub fn write_in_background() -> io::Result<()> {
    if BACKGROUND.get().is_none() {
        let background = Arc::new(Background::default());
        let shared = Arc::clone(&background);
        thread::Builder::new().name("log".to_owned()).spawn(move || shared.write(io::stderr()))?;
        let _ = BACKGROUND.set(background);
    }
    Ok(())
}

/// Waits until every line is written, for at most that long.
pub fn flush(patience: Duration) {
    if let Some(background) = BACKGROUND.get() {
        background.flush(patience);
    }
}

/// Writes a line, in the background if there is a thread for it.
pub(super) fn write_line(line: &str) {
    match BACKGROUND.get() {
        Some(background) => background.take(line),
        None => write_now(&format!("{line}\n")),
    }
}

/// Writes lines at once and together, so that those of several threads do not mix. An error is
/// ignored: a log that cannot be written must stop nothing.
fn write_now(lines: &str) {
    let _ = io::stderr().lock().write_all(lines.as_bytes());
}

impl Waiting {
    /// Whether there is nothing to write.
    fn is_empty(&self) -> bool {
        self.lines.is_empty() && self.dropped == 0
    }

    /// Whether the buffer is half full, so that it must be written soon.
    fn is_pressing(&self) -> bool {
        self.lines.len() > MAX_WAITING / 2
    }
}

impl Background {
    /// The lines to write. A panic while they were locked left them whole.
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a line, if there is room for it.
    fn take(&self, line: &str) {
        let mut waiting = self.lock();
        let before = (waiting.is_empty(), waiting.is_pressing());
        if waiting.lines.len() + line.len() < MAX_WAITING {
            waiting.lines.push_str(line);
            waiting.lines.push('\n');
        } else {
            waiting.dropped += 1;
        }
        let is_news = before != (waiting.is_empty(), waiting.is_pressing());
        drop(waiting);
        if is_news {
            self.changed.notify_all();
        }
    }

    /// Waits until there is nothing to write.
    fn flush(&self, patience: Duration) {
        let unwritten = |waiting: &mut Waiting| waiting.writing || !waiting.is_empty();
        drop(self.changed.wait_timeout_while(self.lock(), patience, unwritten));
    }

    /// Writes lines as they come, all that wait in one go. An error is ignored: a log that cannot be
    /// written must stop nothing.
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

#[cfg(test)]
mod tests {
    use super::*;

    /// Keeps what was written. While it is locked, a write blocks.
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
    fn lines_are_written_in_order_and_dropped_lines_are_counted() {
        let (background, reader) = (Arc::new(Background::default()), Reader::default());
        let (writer, to) = (Arc::clone(&background), reader.clone());
        thread::spawn(move || writer.write(to));
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

        // While nobody reads, up to one full buffer is being written and one waits. The rest is dropped
        // and counted.
        let held = reader.0.lock().unwrap();
        let line = "x".repeat(MAX_WAITING / 2 - 1);
        for _ in 0..10 {
            background.take(&line);
        }
        background.flush(Duration::from_millis(100));
        drop(held);
        background.flush(Duration::from_secs(10));
        let written = String::from_utf8(reader.0.lock().unwrap().split_off(expected.len())).unwrap();
        let count = written.matches(&line).count();
        assert!((1..=4).contains(&count), "{count}");
        assert!(written.contains(&format!("error: {} lines of the log are missing", 10 - count)), "{count}");
    }
}
