//! What nic53 says while it is tested, and the secrets that the tests use: `./test` looks for the
//! one in the other.
//!
//! `NIC53_TEST_SAID` names a folder for both. Without it nobody looks, and gateways in a test's own
//! process keep silent.

use std::{env, fs::OpenOptions, io::Write, path::PathBuf};

use nic53::log::{Format, Level, Log};

/// The log of a gateway in a test's own process.
pub(crate) fn log() -> Log {
    let level = if folder().is_some() { Level::Info } else { Level::Off };
    Log { level, format: Format::Text }
}

/// Keeps what nic53 said where no token belongs.
pub(crate) fn said(text: &str) {
    append("said", text);
}

/// Keeps a secret: a token's, a password's or an Authorization's text. What is too short for one
/// could be anything.
pub(crate) fn secret(text: &str) {
    if text.len() >= 8 {
        append("secrets", text);
    }
}

/// Adds a line to a file of the folder. One write, so that lines of several tests do not mix.
fn append(name: &str, text: &str) {
    let Some(folder) = folder() else { return };
    let file = OpenOptions::new().create(true).append(true).open(folder.join(name));
    file.and_then(|mut file| file.write_all(format!("{text}\n").as_bytes())).expect("a file for what was said");
}

/// Where both are kept, if they are.
fn folder() -> Option<PathBuf> {
    env::var_os("NIC53_TEST_SAID").map(PathBuf::from)
}
