//! A certificate authority: Debian's pebble. It looks for challenges at the DNS server of a gateway.

use std::{
    fs,
    path::{Path, PathBuf},
};

use serde_json::json;
use tempfile::TempDir;

use super::process::{Nic53, Process, program};

/// A running authority.
pub(crate) struct Authority {
    /// The URL of its directory, where clients begin.
    pub(crate) directory: String,
    /// Its own certificate.
    folder: TempDir,
    /// Its process.
    _process: Process,
}

impl Authority {
    /// Starts it on a port of the system's choice. It asks each name of an order every time, at once, and refuses no
    /// good nonce.
    pub(crate) fn start(resolver: &Nic53) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let (certificate, key) = (folder.path().join("ca.pem"), folder.path().join("ca.key"));
        let openssl = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=pebble \
                    -addext subjectAltName=IP:127.0.0.1 -keyout \"$1\" -out \"$2\"";
        let made = program("sh").args(&["-c", openssl, "sh", text(&key), text(&certificate)]).start().finish();
        assert_eq!(made.code, Some(0), "{made:?}; ./test installs what is missing");
        let config = json!({"pebble": {
            "listenAddress": "127.0.0.1:0",
            "certificate": certificate,
            "privateKey": key,
            "httpPort": 5002,
            "tlsPort": 5001,
        }});
        let settings = [("PEBBLE_VA_NOSLEEP", "1"), ("PEBBLE_WFE_NONCEREJECT", "0"), ("PEBBLE_AUTHZREUSE", "0")];
        let process = program("pebble")
            .settings(&settings)
            .file("pebble.json", &config.to_string())
            .args(&["-config", "pebble.json", "-dnsserver", resolver.dns.as_deref().expect("a DNS server")])
            .start();
        let port = process.wait_for("a port", |_| listening_port(process.pid()));
        Self { directory: format!("https://127.0.0.1:{port}/dir"), folder, _process: process }
    }

    /// The certificate that its https is trusted by.
    pub(crate) fn certificate(&self) -> PathBuf {
        self.folder.path().join("ca.pem")
    }
}

/// The port that a process listens on, once it does. pebble does not say it.
fn listening_port(pid: u32) -> Option<u16> {
    let open = fs::read_dir(format!("/proc/{pid}/fd")).ok()?;
    let open: Vec<_> = open.filter_map(|file| fs::read_link(file.ok()?.path()).ok()).collect();
    let sockets = fs::read_to_string(format!("/proc/{pid}/net/tcp")).ok()?;
    sockets.lines().find_map(|line| {
        // proc(5): the second column is the local address in hexadecimal, the fourth the state, of which 0A is
        // LISTEN, and the tenth the inode.
        let columns: Vec<&str> = line.split_whitespace().collect();
        let [_, address, _, "0A", _, _, _, _, _, inode, ..] = columns[..] else { return None };
        let is_its_own = open.contains(&PathBuf::from(format!("socket:[{inode}]")));
        is_its_own.then(|| u16::from_str_radix(address.rsplit(':').next()?, 16).ok())?
    })
}

/// A path as an argument.
fn text(path: &Path) -> &str {
    path.to_str().expect("a path in UTF-8")
}
