//! `nic53 export`, judged by a name server that has nothing to do with it.

use std::fs;

use crate::support::process::{Finished, Nic53, program};

const SECRET: &str = "the-secret-of-the-zone-files-tests";
const ZONES: &str = "example.org=Z1,home.example.org=Z2,other.example=Z3";

#[test]
fn a_name_server_loads_what_is_exported_with_and_without_a_server() {
    let data = tempfile::tempdir().expect("a temporary folder");
    let data = data.path().to_str().expect("a path that is text");
    let settings = [("NIC53_ZONES", ZONES), ("NIC53_SECRET", SECRET), ("NIC53_DATA", data)];
    let nic53 = Nic53::serve(&settings, &["--dns", "off"]);
    update(&nic53, "www.example.org,*.example.org,example.org", "192.0.2.1,192.0.2.2,2001:db8::1");
    update(&nic53, "ns.home.example.org,nas.home.example.org", "192.0.2.3");

    let zones = ["example.org", "home.example.org", "other.example"];
    let served = zones.map(|zone| export(&settings, zone));
    for (zone, text) in zones.iter().zip(&served) {
        let loaded = named_checkzone(zone, text);
        assert!(loaded.code == Some(0) && loaded.stdout.ends_with("OK\n"), "{loaded:#?}\n{text}");
    }
    assert!(served[0].contains("\n*\t60\tIN\tAAAA\t2001:db8::1\n"), "{}", served[0]);

    drop(nic53);
    assert_eq!(zones.map(|zone| export(&settings, zone)), served);
}

#[test]
fn a_comment_precedes_a_name_that_bind_refuses_by_default() {
    let data = tempfile::tempdir().expect("a temporary folder");
    let data = data.path().to_str().expect("a path that is text");
    let settings = [("NIC53_ZONES", ZONES), ("NIC53_SECRET", SECRET), ("NIC53_DATA", data)];
    let nic53 = Nic53::serve(&settings, &["--dns", "off"]);
    update(&nic53, "_x.other.example", "192.0.2.1");

    let text = export(&settings, "other.example");
    assert!(text.contains("check-names primary ignore"), "{text}");
    let refused = named_checkzone("other.example", &text);
    assert!(refused.stdout.contains("_x.other.example: bad owner name (check-names)"), "{refused:#?}");
}

/// Sets the addresses of hosts.
fn update(nic53: &Nic53, hosts: &str, addresses: &str) {
    for host in hosts.split(',') {
        let token = nic53.token(&[host]);
        let url = format!("http://{}/nic/update?hostname={host}&myip={addresses}", nic53.http);
        let curl = program("curl").args(&["--silent", "--user", &format!("{host}:{token}"), &url]).start().finish();
        assert!(curl.stdout.starts_with("good "), "{curl:?}");
    }
}

/// The file of a zone.
fn export(settings: &[(&str, &str)], zone: &str) -> String {
    let exported = program(env!("CARGO_BIN_EXE_nic53")).settings(settings).args(&["export", zone]).start().finish();
    assert_eq!(exported.code, Some(0), "{exported:?}");
    exported.stdout
}

/// What BIND says to a zone file, without looking up names of other zones.
fn named_checkzone(zone: &str, text: &str) -> Finished {
    let file = tempfile::NamedTempFile::new().expect("a temporary file");
    fs::write(&file, text).expect("room for a file");
    let path = file.path().to_str().expect("a path that is text");
    program("named-checkzone").args(&["-i", "local", "-k", "fail", zone, path]).start().finish()
}
