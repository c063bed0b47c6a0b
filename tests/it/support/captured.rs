//! What nic53 prints and logs in the tests, and the secrets that the tests use: `./test` searches the
//! one for the other.
//!
//! `NIC53_TEST_CAPTURED` names a folder for both. Without it nothing is kept, and gateways in a
//! test's own process log nothing.

use std::{env, fs::OpenOptions, io::Write, path::PathBuf};

use nic53::log::{Format, Level, Log};

/// The log of a gateway in a test's own process.
pub(crate) fn log() -> Log {
    let level = if folder().is_some() { Level::Info } else { Level::Off };
    Log { level, format: Format::Text }
}

/// Keeps what nic53 printed or logged in a place where no token belongs.
pub(crate) fn output(text: &str) {
    append("output", text);
}

/// Keeps a secret: the text of a token, a password or an Authorization. A text that is too short for
/// one could be anything.
pub(crate) fn secret(text: &str) {
    if text.len() >= 8 {
        append("secrets", text);
    }
}

/// Adds a line to a file of the folder. One write, so that lines of several tests do not mix.
fn append(name: &str, text: &str) {
    let Some(folder) = folder() else { return };
    let file = OpenOptions::new().create(true).append(true).open(folder.join(name));
    file.and_then(|mut file| file.write_all(format!("{text}\n").as_bytes())).expect("a file for what was captured");
}

/// The folder of both, if they are kept.
fn folder() -> Option<PathBuf> {
    env::var_os("NIC53_TEST_CAPTURED").map(PathBuf::from)
}
