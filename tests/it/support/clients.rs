//! Real clients as Debian ships them, started with a configuration.

use super::process::{Finished, Process, program};

/// Runs ddclient once, with an empty cache.
pub(crate) fn ddclient(config: &str) -> Finished {
    program("ddclient")
        .file("ddclient.conf", config)
        .args(&["-daemon=0", "-foreground", "-verbose"])
        .args(&["-file", "ddclient.conf", "-cache", "ddclient.cache"])
        .start()
        .finish()
}

/// Starts inadyn for one update. If it will try again, it keeps running.
pub(crate) fn inadyn(config: &str) -> Process {
    program("inadyn")
        .file("inadyn.conf", config)
        // Without a last address inadyn would ask the machine's own resolver for one.
        .file("home.example.com.cache", "192.0.2.1")
        .file("nas.example.com.cache", "192.0.2.1")
        .args(&["--once", "--foreground", "--no-pidfile"])
        .args(&["--loglevel=debug", "--config=inadyn.conf", "--cache-dir=."])
        .start()
}
