//! The bodies of the fuzz targets: plain functions of bytes that panic if something does not
//! hold. The fuzzer calls them from `fuzz/fuzz_targets/`, and `tests/it/fuzz.rs` with the seeds and the
//! kept finds. `fuzz/README.md` lists the input of each and what it asserts.

use std::{
    fs,
    path::{Path, PathBuf},
};

pub mod address;
pub mod challenge;
pub mod config;
pub mod credentials;
pub mod dns;
pub mod event;
mod fixture;
pub mod hostname;
mod input;
mod oracle;
mod reference;
pub mod reply;
pub mod request;
mod settings;
pub mod xml;

/// A fuzz target.
pub struct Target {
    /// As the fuzzer calls it.
    pub name: &'static str,
    /// Panics if an input shows that something does not hold.
    pub run: fn(&[u8]),
    /// Inputs to begin with.
    pub seeds: fn() -> Vec<Vec<u8>>,
}

/// All of them.
pub const TARGETS: [Target; 10] = [
    Target { name: "request", run: request::run, seeds: request::seeds },
    Target { name: "event", run: event::run, seeds: event::seeds },
    Target { name: "credentials", run: credentials::run, seeds: credentials::seeds },
    Target { name: "challenge", run: challenge::run, seeds: challenge::seeds },
    Target { name: "hostname", run: hostname::run, seeds: hostname::seeds },
    Target { name: "address", run: address::run, seeds: address::seeds },
    Target { name: "xml", run: xml::run, seeds: xml::seeds },
    Target { name: "dns", run: dns::run, seeds: dns::seeds },
    Target { name: "config", run: config::run, seeds: config::seeds },
    Target { name: "reply", run: reply::run, seeds: reply::seeds },
];

/// The inputs that once showed a bug, and their paths.
pub fn finds(name: &str) -> Vec<(PathBuf, Vec<u8>)> {
    let Ok(entries) = fs::read_dir(project().join("fuzz/finds").join(name)) else { return Vec::new() };
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.expect("an entry").path()).collect();
    paths.sort();
    paths.into_iter().map(|path| (path.clone(), fs::read(&path).expect("a find"))).collect()
}

/// The project's own folder.
pub(crate) fn project() -> &'static Path {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    package.ancestors().find(|folder| folder.join("protocol-tests").is_dir()).expect("the project")
}
