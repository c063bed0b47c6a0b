//! How thorough a test is, and the numbers it found. `scripts/reliability` writes them into
//! `docs/reliability.md`, and `scripts/load` into `docs/fleet.md`.

use std::{env, fs::OpenOptions, io::Write};

/// How often something is tried: `usual` times, or `thorough` times if `NIC53_THOROUGH` is set.
pub(crate) fn iterations(usual: u32, thorough: u32) -> u32 {
    if is_thorough() { thorough } else { usual }
}

/// Whether what takes long is tried too: `NIC53_THOROUGH` is set.
pub(crate) fn is_thorough() -> bool {
    env::var_os("NIC53_THOROUGH").is_some()
}

/// Adds a row to the file that `NIC53_RESULTS` names, if it is set: the heading of the row's table,
/// what was done, and what was found.
pub(crate) fn record(heading: &str, what: &str, found: &str) {
    let Some(path) = env::var_os("NIC53_RESULTS") else { return };
    let mut file = OpenOptions::new().create(true).append(true).open(path).expect("a file for the numbers");
    // One write, so that rows of several tests do not mix.
    file.write_all(format!("{heading}\t{what}\t{found}\n").as_bytes()).expect("room for a row");
}
