//! `nic53` as a new user starts it: what it prints works as printed, and what it said is done stays
//! done.

use std::path::Path;

use crate::support::process::{self, Finished, Nic53, Streams, program};

/// The lines that are to be pasted.
fn to_paste<'a>(printed: &'a str, program: &str) -> &'a str {
    let line = printed.lines().map(str::trim).find(|line| line.starts_with(program));
    line.unwrap_or_else(|| panic!("no {program} in {printed}"))
}

/// Runs a line as a shell would.
fn paste(line: &str) -> Finished {
    program("sh").args(&["-c", line]).start().finish()
}

/// The token in the line for curl.
fn token_of(printed: &str) -> &str {
    let (_, rest) = to_paste(printed, "curl").split_once(':').expect("a user name");
    rest.split(' ').next().expect("a token")
}

/// What the command prints that is said to print the token again.
fn token_again(printed: &str) -> String {
    let command = printed.split('`').find(|text| text.starts_with("nic53 token")).expect("a command");
    let path = Path::new(env!("CARGO_BIN_EXE_nic53")).parent().expect("a folder").display();
    let again = paste(&format!("PATH={path}; {command}"));
    again.stdout.trim().to_owned()
}

/// `nic53` without arguments, on ports of the system's choice, its data in this folder.
fn nic53(data: &str) -> process::Process {
    program(env!("CARGO_BIN_EXE_nic53"))
        .settings(&[("NIC53_HTTP", "127.0.0.1:0"), ("NIC53_DNS", "127.0.0.1:0"), ("NIC53_DATA", data)])
        .start()
}

#[test]
fn what_the_first_start_prints_works_as_printed() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let data = folder.path().join("data");
    let data = data.to_str().expect("a path that is text");
    let first = nic53(data);
    let printed = first
        .wait_for("its recipe", |said| said.stdout.contains("prints the token again.\n").then(|| said.stdout.clone()));
    let updated = paste(to_paste(&printed, "curl"));
    assert_eq!(updated.stdout, "good 203.0.113.7", "{updated:?}");
    let page = paste(&format!("curl --silent --show-error {}", to_paste(&printed, "http://")));
    assert!(page.stdout.starts_with("<!DOCTYPE html>"), "{page:?}");
    let asked = paste(to_paste(&printed, "dig"));
    assert_eq!(asked.stdout, "203.0.113.7\n", "{asked:?}");

    assert_eq!(token_again(&printed), token_of(&printed));
    // No resolver asks a loopback address, so nothing is wrong that a new user would have to understand.
    assert!(!first.streams().stderr.contains("warning"), "{:?}", first.streams());
    // A router cannot reach loopback.
    assert!(printed.contains("A router cannot use 127.0.0.1:") && !printed.contains("Password"), "{printed}");

    drop(first);
    let second = nic53(data);
    second.wait_for("its addresses", |said| said.stdout.contains(" and dns ").then_some(()));
    assert!(!second.streams().stdout.contains("curl"), "the token is printed once");
}

#[test]
fn the_first_lines_name_the_version_the_zones_and_the_store() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let data = folder.path().to_str().expect("a path that is text");
    let zones = "example.org=FIRST,example.net=SECOND";
    let server = program(env!("CARGO_BIN_EXE_nic53"))
        .settings(&[("NIC53_ZONES", zones), ("NIC53_DATA", data), ("NIC53_SECRT", "x")])
        .settings(&[("NIC53_HTTP", "127.0.0.1:0"), ("NIC53_DNS", "off")])
        .start();
    let version = env!("CARGO_PKG_VERSION");
    let expected = format!("\nnic53 {version}: {zones} in the embedded store in {data}\n");
    server.wait_for("its zones", |said| said.stdout.contains(&expected).then_some(()));
    // The first start makes a secret, and prints what to paste for each of the zones.
    let printed = server
        .wait_for("its recipe", |said| said.stdout.contains("prints the tokens again.\n").then(|| said.stdout.clone()));
    let lines: Vec<&str> = printed.lines().map(str::trim).filter(|line| line.starts_with("curl")).collect();
    assert_eq!(lines.len(), 2, "{printed}");
    let again = token_again(&printed);
    for (line, zone) in lines.iter().zip(["example.org", "example.net"]) {
        assert!(line.starts_with(&format!("curl -u router.{zone}:")), "{printed}");
        assert_eq!(paste(line).stdout, "good 203.0.113.7", "{line}");
        assert!(again.contains(&format!("router.{zone} {}", token_of(line))), "{printed}");
    }
    server.wait_for("the unknown name", |said| {
        said.stderr.contains("NIC53_SECRT is set and means nothing").then_some(())
    });
}

#[test]
fn the_journal_of_a_service_gets_no_token() {
    let server = program(env!("CARGO_BIN_EXE_nic53"))
        .settings(&[("NIC53_HTTP", "127.0.0.1:0"), ("NIC53_DNS", "off"), ("JOURNAL_STREAM", "8:1234")])
        .args(&["serve"])
        .start();
    server.wait_for("how to get the token", |said| said.stdout.contains("prints that host's token.\n").then_some(()));
    let Streams { stdout, .. } = server.streams();
    assert!(stdout.contains("`nic53 token router.home.example`") && !stdout.contains("curl"), "{stdout}");
}

#[test]
fn a_start_that_fails_does_not_use_the_recipe_up() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let data = folder.path().join("data");
    let data = data.to_str().expect("a path that is text");
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = taken.local_addr().expect("an address").to_string();
    let failed = program(env!("CARGO_BIN_EXE_nic53"))
        .settings(&[("NIC53_DATA", data)])
        .args(&["serve", "--http", &address, "--dns", "off"])
        .start()
        .finish();
    assert_eq!(failed.code, Some(2), "{failed:?}");
    assert!(failed.stderr.contains(&format!("--http {address}: ")), "{failed:?}");
    nic53(data).wait_for("its recipe", |said| said.stdout.contains("curl -u router.home.example:").then_some(()));
}

#[test]
fn after_good_a_kill_loses_nothing() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let data = folder.path().to_str().expect("a path that is text");
    let secret = "the-secret-of-the-durability-tests-01234567";
    let settings = [("NIC53_ZONES", "example.org=Z1"), ("NIC53_SECRET", secret), ("NIC53_DATA", data)];
    let url = |server: &Nic53, round: u8| {
        let hosts = "a.example.org,b.example.org";
        format!("http://{}/nic/update?hostname={hosts}&myip=192.0.2.{round},2001:db8::{round}", server.http)
    };
    for round in 1..=8 {
        let server = Nic53::serve(&settings, &["--dns", "127.0.0.1:0"]);
        let user = format!("example.org:{}", server.token(&["example.org", "--subtree"]));
        let said = program("curl").args(&["--silent", "--user", &user, &url(&server, round)]).start().finish();
        let line = format!("192.0.2.{round},2001:db8::{round}");
        assert_eq!(said.stdout, format!("good {line}\ngood {line}"), "{said:?}");
        // SIGKILL, at once.
        drop(server);

        let server = Nic53::serve(&settings, &["--dns", "127.0.0.1:0"]);
        let said = program("curl").args(&["--silent", "--user", &user, &url(&server, round)]).start().finish();
        assert_eq!(said.stdout, format!("nochg {line}\nnochg {line}"), "{said:?}");
    }
}
