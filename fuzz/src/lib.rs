//! The bodies of the fuzz targets, and the support code of the tests that they use.

use std::fs;

use targets::{TARGETS, project};

#[path = "../targets/mod.rs"]
pub mod targets;

#[path = "../../tests/it/support"]
#[expect(dead_code, reason = "the tests use the rest")]
mod support {
    pub(crate) mod bucket;
    pub(crate) mod captured;
    pub(crate) mod fake_route53;
    pub(crate) mod fault;
    pub(crate) mod front_end;
    pub(crate) mod gateway;
    pub(crate) mod hosted_zone;
    pub(crate) mod http_service;
    pub(crate) mod xml;
}

/// Writes a target's seeds into the folder that the fuzzer reads.
pub fn lay_seeds(name: &str) {
    let target = TARGETS.iter().find(|target| target.name == name).expect("a target");
    let folder = project().join("fuzz/corpus").join(name);
    fs::create_dir_all(&folder).expect("a folder for the seeds");
    for (index, seed) in (target.seeds)().iter().enumerate() {
        fs::write(folder.join(format!("seed-{index:04}")), seed).expect("room for a seed");
    }
}
