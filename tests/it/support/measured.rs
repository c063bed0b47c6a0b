//! How thorough a test is, and the numbers it found: for `scripts/reliability`, which writes them into
//! `docs/reliability.md`.

use std::{env, fs::OpenOptions, io::Write};

/// How often something is tried: so often as a rule, so often where `NIC53_THOROUGH` is set.
pub(crate) fn effort(usual: u32, thorough: u32) -> u32 {
    if env::var_os("NIC53_THOROUGH").is_some() { thorough } else { usual }
}

/// Adds a row to the file that `NIC53_MEASURED` names, if it does: the heading it belongs under,
/// what was done, and what was found.
pub(crate) fn measured(heading: &str, what: &str, found: &str) {
    let Some(path) = env::var_os("NIC53_MEASURED") else { return };
    let mut file = OpenOptions::new().create(true).append(true).open(path).expect("a file for the numbers");
    // One write, so that rows of several tests do not mix.
    file.write_all(format!("{heading}\t{what}\t{found}\n").as_bytes()).expect("room for a row");
}
