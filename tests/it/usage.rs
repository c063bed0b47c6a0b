//! Command lines and settings that make no sense: each is refused with one line that names the thing and its value, and
//! says what was expected.

use crate::support::process::{Finished, program};

const NIC53: &str = env!("CARGO_BIN_EXE_nic53");
const HOST: &str = "home.example.org";
const URL: &str = "http://127.0.0.1:1";
const SECRET: &str = "the-secret-of-the-tests-of-wrong-usage";

/// What is typed, and what the line has to contain.
type Row<'a> = (&'a [&'a str], &'a [&'a str]);

#[test]
fn a_command_that_does_not_exist() {
    every(&[
        (&["serv"], &["`serv`", "expected a command, such as `nic53 serve`"]),
        (&["frobnicate"], &["`frobnicate`", "expected a command, such as `nic53 serve`; `nic53 --help` lists them"]),
        (&["--http", "127.0.0.1:1"], &["--http: expected the command first, such as `nic53 serve --http 127.0.0.1:1`"]),
        (&["--generations", "x"], &["--generations: expected the command first", "a flag of serve, token, setup"]),
        (&["--frobnicate"], &["--frobnicate: expected a command, such as `nic53 serve`"]),
        (&["-x"], &["-x: expected a command"]),
    ]);
}

#[test]
fn flags_of_serve() {
    every(&[
        (
            &["serve", "--http", "localhost:8053"],
            &["--http localhost:8053: expected an IP address and a port, such as 127.0.0.1:8053"],
        ),
        (&["serve", "--http=127.0.0.1"], &["--http 127.0.0.1: expected", "such as 127.0.0.1:8053"]),
        (&["serve", "--http"], &["--http: expected a value after it, such as `nic53 serve --http 192.168.1.2:80"]),
        (&["serve", "--http", "127.0.0.1:1", "--http", "127.0.0.1:2"], &["--http is given twice: expected it once"]),
        (&["serve", "--http", "127.0.0.1:99999"], &["--http 127.0.0.1:99999: expected"]),
        (&["serve", "--dns", "127.0.0.1"], &["--dns 127.0.0.1: expected", "such as 127.0.0.1:8054, or off"]),
        (&["serve", "--dns", "none"], &["--dns none: expected", "or off"]),
        (&["serve", "--store", "route54"], &["--store route54: expected one of embedded, route53, such as route53"]),
        (&["serve", "--store", "sqlite"], &["--store sqlite: expected one of embedded, route53"]),
        (&["serve", "--htp", "127.0.0.1:1"], &["--htp: nic53 serve has no such flag: expected --http"]),
        (&["serve", "--secret", "x"], &["--secret: nic53 serve has no such flag: expected"]),
        (&["serve", "--zones", "example.org=Z0123ABC"], &["example.org=Z0123ABC: expected --store route53"]),
        (
            &["serve", "--store", "route53", "--zones", "example.org=EMBEDDED", "--secret-file", "nowhere"],
            &["example.org=EMBEDDED: expected the id of a hosted zone in Route 53"],
        ),
        (&["serve", "--max-names", "many"], &["--max-names many: expected a whole number", "such as 10000"]),
        (&["serve", "now"], &["`now`: nic53 serve takes no such argument: expected"]),
        (&["serve", "--data", "/dev/null/x", "--dns", "off", "--http", "127.0.0.1:0"], &["/dev/null/x", "expected"]),
        (
            &["serve", "--store", "route53", "--zones", "example.org=Z1"],
            &["NIC53_SECRET", "expected", "NIC53_SECRET_FILE"],
        ),
        (
            &["serve", "--secret-file", "nowhere", "--dns", "off", "--http", "127.0.0.1:0"],
            &["nowhere", "expected a file"],
        ),
    ]);
}

#[test]
fn settings_as_flags() {
    every(&[
        (&["serve", "--zones", "münchen.de=Z1"], &["--zones münchen.de=Z1", "expected NAME=ZONEID", "xn--"]),
        (&["serve", "--zones", "example.org"], &["--zones example.org", "such as example.org=Z0123ABC"]),
        (
            &["serve", "--zones", "example.org=Z1,example.org=Z2"],
            &["--zones example.org=Z1,example.org=Z2", "expected each zone once"],
        ),
        (&["serve", "--ttl", "5m"], &["--ttl 5m: expected seconds"]),
        (&["serve", "--ttl", "59"], &["--ttl 59: expected 60 to 86400", "NIC53_TTL_MIN and NIC53_TTL_MAX"]),
        (&["serve", "--ttl-min", "86401"], &["--ttl-min 86401: expected at most NIC53_TTL_MAX"]),
        (&["serve", "--ttl-max", "4294967296"], &["--ttl-max 4294967296: expected seconds"]),
        (&["serve", "--allow-private", "perhaps"], &["--allow-private perhaps: expected true or false"]),
        (&["serve", "--allow-offline", "2"], &["--allow-offline 2: expected true or false"]),
        (&["serve", "--query-credentials", "nein"], &["--query-credentials nein: expected true or false"]),
        (&["serve", "--trusted-proxies", "192.0.2.0/33"], &["--trusted-proxies 192.0.2.0/33", "such as 192.0.2.0/24"]),
        (
            &["serve", "--generations", "home.example.org"],
            &["--generations home.example.org", "such as home.example.org=1"],
        ),
        (&["serve", "--generations", "home=1"], &["--generations home=1", "expected NAME=NUMBER"]),
        (&["serve", "--log", "loud"], &["--log loud: expected"]),
    ]);
}

#[test]
fn settings_in_the_environment() {
    for (name, value, words) in [
        ("NIC53_HTTP", "localhost:8053", "NIC53_HTTP=localhost:8053: expected an IP address and a port"),
        ("NIC53_STORE", "route54", "NIC53_STORE=route54: expected one of embedded, route53"),
        ("NIC53_TTL", "5m", "NIC53_TTL=5m: expected seconds"),
        ("NIC53_ZONES", "example.org", "NIC53_ZONES=example.org: "),
        ("NIC53_SECRET", "short", "NIC53_SECRET: expected at least 32"),
    ] {
        let finished = program(NIC53).settings(&[(name, value)]).args(&["serve"]).start().finish();
        one_line(&[name, value], &finished, &[words]);
        assert!(name != "NIC53_SECRET" || !finished.stderr.contains(value), "{}", finished.stderr);
    }
}

#[test]
fn flags_of_token() {
    every(&[
        (&["token"], &["nic53 token: expected HOST too, such as `nic53 token router.home.example`"]),
        (&["token", "home"], &["`home`: expected a fully qualified host name, such as home.example.org"]),
        (&["token", "münchen.example.org"], &["`münchen.example.org`: expected", "xn--"]),
        (&["token", "home.example.net"], &["`home.example.net`: expected a host in one of the zones", "--zone-id"]),
        (
            &["token", "k.j.i.h.g.f.e.d.c.b.a.example.org"],
            &["`k.j.i.h.g.f.e.d.c.b.a.example.org`: expected at most 10 labels below the zone example.org"],
        ),
        (&["token", HOST, "--generation", "x"], &["--generation x: expected a whole number", "such as 1"]),
        (&["token", HOST, "--generation", "4294967296"], &["--generation 4294967296: expected a whole number"]),
        (&["token", HOST, "--previous"], &["--previous: expected a previous secret"]),
        (&["token", "*.example.org", "--subtree"], &["`*.example.org`: expected a name without `*`"]),
        (&["token", HOST, "--zone-id", "Z 1"], &["Z 1", "expected", "Z0123ABC"]),
        (&["token", HOST, "--check", "--subtree"], &["--check and --subtree exclude each other: expected one of them"]),
        (&["token", HOST, "--subtre"], &["--subtre: nic53 token has no such flag: expected --subtree"]),
    ]);
}

#[test]
fn flags_of_setup() {
    every(&[
        (&["setup", "fritzbos", HOST], &["`fritzbos`: expected a client that `nic53 setup` lists, such as fritzbox"]),
        (&["setup", "frobnicate", HOST], &["`frobnicate`: expected a client that `nic53 setup` lists"]),
        (&["setup", "fritzbox"], &["setup fritzbox: expected a host, such as home.example.org"]),
        (
            &["setup", "fritzbox", "home"],
            &["HOST `home`: expected a fully qualified host name, such as home.example.org"],
        ),
        (
            &["setup", "fritzbox", HOST, "--url", "dyn.example.org"],
            &["--url dyn.example.org: expected", "such as https://dyn.example.org"],
        ),
        (
            &["setup", "fritzbox", HOST, "--url", "ftp://dyn.example.org"],
            &["--url ftp://dyn.example.org: expected", "http:// or https://"],
        ),
        (&["setup", "fritzbox", HOST, "--url"], &["--url: expected a value after it, such as `nic53 setup"]),
        (&["setup", "fritzbox", HOST, "--token-file", "nowhere"], &["--token-file nowhere", "expected a file"]),
        (
            &["setup", "fritzbox", HOST, "--token", "x", "--token-file", "y"],
            &["--token and --token-file exclude each other"],
        ),
        (&["setup", "fritzbox", "home.example.net"], &["`home.example.net`: expected a host in one of the zones"]),
    ]);
}

#[test]
fn flags_of_check() {
    every(&[
        (&["check"], &["nic53 check: expected URL too, such as `nic53 check https://dyn.example.org`"]),
        (&["check", "dyn.example.org"], &["URL `dyn.example.org`: expected", "such as https://dyn.example.org"]),
        (&["check", URL, "home"], &["HOST `home`: expected a fully qualified host name"]),
        (
            &["check", URL, HOST, "--myip", "203.0.113.7"],
            &["--myip: expected the host's token too, by --token-file FILE"],
        ),
        (&["check", URL, "--myip", "203.0.113.7"], &["nic53 check: expected HOST too", "home.example.org"]),
        (&["check", URL, HOST, "--myip", "x"], &["--myip x: expected an IP address, such as 203.0.113.7"]),
        (&["check", URL, HOST, "--private"], &["nic53 check: expected --myip too", "--myip 203.0.113.7"]),
        (
            &["check", URL, HOST, "--resolver", "dns.example.org"],
            &["--resolver dns.example.org: expected", "such as 9.9.9.9"],
        ),
        (&["check", URL, "--name-server", "ns1"], &["--name-server ns1: expected", "such as 9.9.9.9"]),
        (&["check", URL, "--timeout", "0"], &["--timeout 0: expected whole seconds from 1 to 300, such as 10"]),
        (&["check", URL, "--timeout", "ten"], &["--timeout ten: expected whole seconds"]),
        (&["check", URL, "--wait", "86401"], &["--wait 86401: expected whole seconds from 0 to 86400"]),
        (&["check", URL, "--wait", "-1"], &["-1: ", "expected"]),
        (
            &["check", "https://127.0.0.1:1", "--cacert", "nowhere"],
            &["--cacert nowhere", "expected a file of PEM certificates"],
        ),
        (&["check", URL, HOST, "--token-file", "nowhere"], &["--token-file nowhere", "expected a file"]),
        (&["check", URL, "--jsn"], &["--jsn: nic53 check has no such flag: expected --json"]),
        (&["check", URL, HOST, "more"], &["`more`: nic53 check takes no such argument: expected"]),
    ]);
}

#[test]
fn flags_of_the_other_commands() {
    every(&[
        (&["update"], &["expected one as an argument"]),
        (&["update", "home"], &["`home`: expected a fully qualified host name"]),
        (&["update", HOST, "--every", "5"], &["--every 5: expected", "such as 90s, 5m"]),
        (&["update", HOST, "--max-age", "long"], &["--max-age long: expected"]),
        (&["update", HOST, "--interface", "eth0", "--command", "x"], &["--interface and --command exclude each other"]),
        (&["export", "home"], &["`home`: expected one of the zones"]),
        (&["export", "--zones", "example.org"], &["--zones example.org", "expected NAME=ZONEID"]),
        (&["export", "home.example", "example.org"], &["`example.org`: nic53 export takes no such argument"]),
        (&["man", "/dev/null/x"], &["/dev/null/x", "expected a folder"]),
        (&["completions"], &["nic53 completions: expected SHELL too, such as `nic53 completions bash"]),
        (&["completions", "tcsh"], &["`tcsh`: expected one of bash, elvish, fish"]),
    ]);
}

/// Types each row with the settings of a gateway.
#[track_caller]
fn every(rows: &[Row<'_>]) {
    for (arguments, words) in rows {
        let mut command = program(NIC53);
        if !arguments.contains(&"route53") && !arguments.contains(&"--secret-file") {
            command = command.settings(&[("NIC53_SECRET", SECRET)]);
        }
        if !arguments.contains(&"--zones") {
            command = command.settings(&[("NIC53_ZONES", "example.org=Z1")]);
        }
        one_line(arguments, &command.args(arguments).start().finish(), words);
    }
}

/// Asserts that a command was refused by one line with these words, and with what was expected.
#[track_caller]
fn one_line(typed: &[&str], finished: &Finished, words: &[&str]) {
    let Finished { code, stdout, stderr } = finished;
    assert_eq!((*code, stdout.as_str()), (Some(2), ""), "{typed:?}: {finished:?}");
    let line = stderr.strip_suffix('\n').unwrap_or_default();
    assert!(line.starts_with("nic53: ") && !line.contains('\n'), "{typed:?}: not one line: {stderr}");
    for word in words.iter().chain(&["expected"]) {
        assert!(line.contains(word), "{typed:?}: {word} is not in: {line}");
    }
}
