//! `nic53 health`, as a container or a monitor runs it.

use crate::support::process::{Finished, Nic53, program};

const NIC53: &str = env!("CARGO_BIN_EXE_nic53");
const SETTINGS: [(&str, &str); 2] =
    [("NIC53_ZONES", "example.org=Z1,example.com=Z2"), ("NIC53_SECRET", "the-secret-of-the-tests-of-nic53-health")];

/// Runs it for a server at an address.
fn health(settings: &[(&str, &str)], http: &str, flags: &[&str]) -> Finished {
    let settings = [settings, &[("NIC53_HTTP", http)]].concat();
    program(NIC53).settings(&settings).args(&["health"]).args(flags).start().finish()
}

/// What it ended with: the exit code, and the one line.
fn ended(finished: &Finished) -> (Option<i32>, &str) {
    let streams = [finished.stdout.trim_end(), finished.stderr.trim_end()];
    let [line] = *streams.iter().filter(|stream| !stream.is_empty()).collect::<Vec<_>>() else {
        panic!("expected one line: {finished:?}")
    };
    assert!(!line.contains('\n'), "{finished:?}");
    (finished.code, line)
}

#[test]
fn a_server_that_runs_is_well_and_so_is_its_store() {
    let serving = Nic53::serve(&SETTINGS, &["--dns", "off"]);
    let url = format!("http://{}", serving.http);
    // It is this machine that is asked, whatever proxy the environment names.
    let proxied = [&SETTINGS[..], &[("http_proxy", "http://127.0.0.1:1")]].concat();

    assert_eq!(ended(&health(&[], &serving.http, &[])), (Some(0), format!("{url}: ok").as_str()));
    assert_eq!(
        ended(&health(&proxied, &serving.http, &["--store"])),
        (Some(0), format!("{url}: ok, and the store too: example.org=Z1,example.com=Z2").as_str())
    );
    for zone in ["example.org", "example.com"] {
        serving.logged(&["200 nochg", &format!("nic53-health.{zone}")]);
    }
}

#[test]
fn a_server_that_listens_everywhere_is_asked_on_this_machine() {
    let serving = Nic53::serve(&SETTINGS, &["--dns", "off"]);
    let (_, port) = serving.http.split_once(':').expect("a port");
    assert_eq!(health(&[], &format!("0.0.0.0:{port}"), &[]).code, Some(0));
}

#[test]
fn what_is_wrong_is_one_line_and_exit_code_1() {
    let finished = health(&[], "127.0.0.1:1", &[]);
    let refused = "nic53: http://127.0.0.1:1: the connection is refused: expected `nic53 serve` there; look at its log";
    assert_eq!(ended(&finished), (Some(1), refused));

    let serving = Nic53::serve(&SETTINGS, &["--dns", "off"]);
    let others = [SETTINGS[0], ("NIC53_SECRET", "another-secret-of-the-tests-of-nic53-health")];
    let finished = health(&others, &serving.http, &["--store"]);
    let (code, line) = ended(&finished);
    assert_eq!(code, Some(1), "{line}");
    assert!(line.contains("zone example.org: badauth: expected the settings of the server"), "{line}");
}

#[test]
fn a_store_that_cannot_be_read_is_wrong() {
    let settings = [
        SETTINGS[1],
        ("NIC53_STORE", "route53"),
        ("NIC53_ZONES", "example.org=Z0123ABC"),
        ("AWS_ACCESS_KEY_ID", "AKIDTEST"),
        ("AWS_SECRET_ACCESS_KEY", "the-key-of-nobody"),
        ("AWS_ENDPOINT_URL", "http://127.0.0.1:1"),
    ];
    let serving = Nic53::serve(&settings, &[]);

    assert_eq!(health(&settings, &serving.http, &[]).code, Some(0));
    let finished = health(&settings, &serving.http, &["--store", "--timeout", "20"]);

    let (code, line) = ended(&finished);
    assert_eq!(code, Some(1), "{line}");
    assert!(line.contains("zone example.org: 503 `dnserr`: expected nochg"), "{line}");
}
