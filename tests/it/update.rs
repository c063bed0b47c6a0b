//! `nic53 update` and `nic53 token` as a person runs them: against the real gateway, and against a
//! fake server that answers as no gateway should.

use std::{
    fs,
    io::Write,
    os::unix::fs::PermissionsExt,
    path::PathBuf,
    process::{Command, Stdio},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use crate::support::{
    captured,
    dig::dig,
    fake_server::{FakeServer, NOBODY, connect_proxy, http, tls_gateway, tls_gateway_of, tls_pem},
    process::{Nic53, program},
    reverse_proxy::reverse_proxy,
};
use base64::prelude::{BASE64_STANDARD, Engine};
use tempfile::TempDir;

// With the real gateway

#[test]
fn a_host_moves_and_is_left_alone_while_it_stays() {
    let gateway = gateway(&[]);
    let token = gateway.token(&["home.example.com"]);
    let home = Home::new();
    let url = format!("http://{}/nic/update", gateway.http);
    let flags = ["home.example.com", "--url", &url, "--ipv4", "198.51.100.7", "--ipv6", "2001:db8::7", "--ttl", "120"];

    let first = home.run(&flags, &[("NIC53_TOKEN", &token)], "");
    assert_eq!(first, finished(0, "home.example.com: good 198.51.100.7,2001:db8::7\n", ""));
    assert_eq!(dig(&gateway, "home.example.com", "A"), ["198.51.100.7"]);
    assert_eq!(dig(&gateway, "home.example.com", "AAAA"), ["2001:db8::7"]);

    let second = home.run(&flags, &[("NIC53_TOKEN", &token)], "");
    assert_eq!(second, finished(0, "home.example.com: unchanged 198.51.100.7,2001:db8::7\n", ""));

    let third = home.run(&[&flags[..], &["--force"]].concat(), &[("NIC53_TOKEN", &token)], "");
    assert_eq!(third, finished(0, "home.example.com: nochg 198.51.100.7,2001:db8::7\n", ""));
}

/// The file as it was with the original client, one section twice.
#[test]
fn the_original_configuration_file_works_as_it_stands() {
    let gateway = gateway(&[]);
    let (one, two) = (gateway.token(&["host1.example.com"]), gateway.token(&["host2.example.com"]));
    let url = format!("http://{}/prod", gateway.http);
    let home = Home::new();
    home.config(&format!(
        "# Dynamic DNS\n[host1.example.com]\nurl = {url}\ntoken = {one}\nzoneid = EMBEDDED\nipv4 = 198.51.100.7\n\n\
         [host2.example.com]\nurl: {url}\ntoken: {two}\nzoneid: EMBEDDED\nttl: 300\nipv6: 2001:db8::7\n\n\
         [host1.example.com]\nurl = {url}\ntoken = {two}\nzoneid = EMBEDDED\n"
    ));

    let all = home.run(&[], &[], "");
    assert_eq!(
        (all.code, all.stdout.as_str()),
        (Some(0), "host1.example.com: good 198.51.100.7\nhost2.example.com: good 2001:db8::7\n",)
    );
    let warning = "line 15: [host1.example.com] is already in line 2, which counts: expected it once\n";
    assert!(all.stderr.ends_with(warning) && all.stderr.lines().count() == 1, "{all:?}");
    assert_eq!(dig(&gateway, "host1.example.com", "A"), ["198.51.100.7"]);
    assert_eq!(dig(&gateway, "host2.example.com", "AAAA"), ["2001:db8::7"]);

    let one = home.run(&["host1.example.com", "--ipv4", "198.51.100.8", "--quiet"], &[], "");
    assert_eq!((one.code, one.stdout.as_str()), (Some(0), "host1.example.com: good 198.51.100.8\n"));
}

#[test]
fn hosts_of_one_token_each_have_their_own_line() {
    let gateway = gateway(&[]);
    let token = gateway.token(&["lab.example.com", "--subtree"]);
    let home = Home::new();
    home.config(&format!(
        "[DEFAULT]\nurl = http://{}/nic/update\ntoken = {token}\nipv4 = 198.51.100.7\n\
         [lab.example.com]\n[www.example.com]\n[*.lab.example.com]\n[x.lab.example.com]\nzoneid = OTHER\n",
        gateway.http
    ));

    let all = home.run(&[], &[], "");
    assert_eq!(all.code, Some(1), "{all:?}");
    assert_eq!(all.stdout, "lab.example.com: good 198.51.100.7\n*.lab.example.com: good 198.51.100.7\n");
    let refused: Vec<_> = all.stderr.lines().map(|line| line.split_at(line.find("host:").unwrap_or(0) + 5).0).collect();
    assert_eq!(refused, ["nic53: www.example.com: nohost:", "nic53: x.lab.example.com: nohost:"], "{all:?}");
    assert_eq!(dig(&gateway, "any.lab.example.com", "A"), ["198.51.100.7"]);
    assert_eq!(dig(&gateway, "www.example.com", "A"), [""; 0]);
}

#[test]
fn a_wrong_token_is_refused_and_nothing_moves() {
    let gateway = gateway(&[]);
    let token = gateway.token(&["other.example.com"]);
    let url = format!("http://{}/nic/update", gateway.http);
    let home = Home::new();
    let flags = ["home.example.com", "--url", &url, "--ipv4", "198.51.100.7", "--token", "-"];

    let first = home.run(&flags, &[], &token);
    assert_eq!((first.code, first.stdout.as_str()), (Some(1), ""));
    assert!(first.stderr.starts_with("nic53: home.example.com: badauth: "), "{first:?}");
    assert_eq!(dig(&gateway, "home.example.com", "A"), [""; 0]);

    let second = home.run(&flags, &[], &token);
    assert!(second.stderr.starts_with("nic53: home.example.com: refused: badauth before"), "{second:?}");
    assert_eq!(second.code, Some(1));

    let right = home.run(&flags, &[], &gateway.token(&["home.example.com"]));
    assert_eq!(right, finished(0, "home.example.com: good 198.51.100.7\n", ""));
}

#[test]
fn auto_is_the_address_that_the_gateway_sees() {
    let gateway = gateway(&[("NIC53_TRUSTED_PROXIES", "127.0.0.0/8")]);
    let proxy = reverse_proxy(&gateway.http, "203.0.113.9");
    let token = gateway.token(&["home.example.com"]);
    let home = Home::new();
    let url = format!("http://{proxy}/nic/update");

    let run = home.run(&["home.example.com", "--url", &url], &[("NIC53_TOKEN", &token)], "");
    assert_eq!(run, finished(0, "home.example.com: good 203.0.113.9\n", ""));
    assert_eq!(dig(&gateway, "home.example.com", "A"), ["203.0.113.9"]);
}

#[test]
fn a_gateway_on_this_machine_sees_nothing_that_could_be_published() {
    let gateway = gateway(&[]);
    let url = format!("http://{}/nic/update", gateway.http);

    let run = Home::new().run(&["home.example.com", "--url", &url], &[TOKEN], "");
    assert_eq!(run.code, Some(75), "{run:?}");
    assert!(run.stderr.contains("sees 127.0.0.1, which cannot be published in DNS: expected --ipv4"), "{run:?}");
}

#[test]
fn a_family_that_is_offline_loses_its_record_once() {
    let open = gateway(&[("NIC53_ALLOW_OFFLINE", "true")]);
    let token = open.token(&["home.example.com"]);
    let home = Home::new();
    let run = |gateway: &Nic53, sources: &[&str]| {
        let url = format!("http://{}", gateway.http);
        home.run(&[&["home.example.com", "--url", &url][..], sources].concat(), &[("NIC53_TOKEN", &token)], "")
    };
    let both = run(&open, &["--ipv4", "198.51.100.7", "--ipv6", "2001:db8::7"]);
    assert_eq!(both, finished(0, "home.example.com: good 198.51.100.7,2001:db8::7\n", ""));

    let offline = ["--ipv4", "offline", "--ipv6", "2001:db8::7"];
    assert_eq!(run(&open, &offline), finished(0, "home.example.com: good 2001:db8::7\n", ""));
    assert_eq!(dig(&open, "home.example.com", "A"), Vec::<String>::new());
    assert_eq!(dig(&open, "home.example.com", "AAAA"), ["2001:db8::7"]);
    assert_eq!(run(&open, &offline), finished(0, "home.example.com: unchanged offline,2001:db8::7\n", ""));

    // The other family is left alone, or goes too.
    assert_eq!(run(&open, &["--ipv4", "offline"]), finished(0, "home.example.com: unchanged offline\n", ""));
    let gone = run(&open, &["--ipv4", "offline", "--ipv6", "offline"]);
    assert_eq!(gone, finished(0, "home.example.com: good 0.0.0.0\n", ""));
    assert_eq!(dig(&open, "home.example.com", "AAAA"), Vec::<String>::new());
    let again = run(&open, &["--ipv4", "offline", "--ipv6", "offline"]);
    assert_eq!(again, finished(0, "home.example.com: unchanged offline,offline\n", ""));
    let back = run(&open, &["--ipv4", "198.51.100.8"]);
    assert_eq!(back, finished(0, "home.example.com: good 198.51.100.8\n", ""));

    // The same secret, and a gateway that does not allow it.
    let refused = run(&gateway(&[]), &offline);
    assert_eq!(refused.code, Some(1), "{refused:?}");
    assert!(refused.stderr.starts_with("nic53: home.example.com: !donator: "), "{refused:?}");
}

#[test]
fn a_private_address_that_the_gateway_does_not_publish_is_reported() {
    let gateway = gateway(&[]);
    let token = gateway.token(&["home.example.com"]);
    let url = format!("http://{}", gateway.http);
    let flags = ["home.example.com", "--url", &url, "--ipv4", "198.51.100.7,192.168.1.2"];

    let home = Home::new();
    let run = |flags: &[&str]| home.run(flags, &[("NIC53_TOKEN", &token)], "");
    let note = "the gateway does not publish 192.168.1.2, which was asked for\n";
    assert_eq!(run(&flags), finished(0, &format!("home.example.com: good 198.51.100.7: {note}"), ""));
    assert_eq!(run(&flags), finished(0, &format!("home.example.com: unchanged 198.51.100.7: {note}"), ""));

    let flags = ["home.example.com", "--url", &url, "--ipv4", "192.168.1.2", "--ipv6", "2001:db8::1"];
    assert_eq!(run(&flags), finished(0, &format!("home.example.com: good 2001:db8::1: {note}"), ""));
    assert_eq!(run(&flags), finished(0, &format!("home.example.com: unchanged 2001:db8::1: {note}"), ""));
    let json = run(&[&flags[..], &["--json"]].concat()).stdout;
    assert!(json.contains("\"addresses\":[\"2001:db8::1\"]") && json.contains(note.trim_end()), "{json}");
}

// Requests

#[test]
fn the_request_names_host_and_addresses_and_carries_the_token_in_its_header_alone() {
    let server = FakeServer::new(&[http(200, "good 198.51.100.7"), http(200, "good 198.51.100.7\ngood 198.51.100.7")]);
    let home = Home::new();
    home.config(&format!(
        "[DEFAULT]\nurl = {}/prod\nipv4 = 198.51.100.7\n\
         [a.example.org]\ntoken = one\nttl = 300\nzoneid = /hostedzone/Z1\n\
         [b.example.org]\ntoken = two\n[*.c.example.org]\ntoken = two\nipv6 = no\n",
        server.url
    ));

    assert_eq!(home.run(&[], &[], "").code, Some(0));
    let agent = concat!("nic53/", env!("CARGO_PKG_VERSION"));
    let authority = server.url.strip_prefix("http://").unwrap();
    assert_eq!(
        server.asked(),
        [
            format!(
                "GET /prod/nic/update?fqdn=a.example.org&zoneid=Z1&ttl=300&ipv4=198.51.100.7 HTTP/1.1\n\
                 host: {authority}\nuser-agent: {agent}\nconnection: close\n\
                 authorization: Basic YS5leGFtcGxlLm9yZzpvbmU=\n"
            ),
            format!(
                "GET /prod/nic/update?fqdn=b.example.org,*.c.example.org&ipv4=198.51.100.7 HTTP/1.1\n\
                 host: {authority}\nuser-agent: {agent}\nconnection: close\n\
                 authorization: Basic bmljNTM6dHdv\n"
            ),
        ]
    );
}

#[test]
fn checkip_is_asked_for_the_address_and_not_again_within_ten_minutes() {
    let replies = [
        http(200, "Current IP Address: 203.0.113.9"),
        http(200, "good 203.0.113.9"),
        http(200, "203.0.113.10"),
        http(200, "good 203.0.113.10"),
    ];
    let server = FakeServer::new(&replies);
    let home = Home::new();
    home.config(&format!("[a.example.org]\nurl = {}/nic/update\ntoken = t0k3n\n", server.url));

    assert_eq!(home.run(&[], &[], ""), finished(0, "a.example.org: good 203.0.113.9\n", ""));
    assert_eq!(home.run(&[], &[], ""), finished(0, "a.example.org: unchanged 203.0.113.9\n", ""));
    assert_eq!(server.targets(), ["/checkip", "/nic/update?fqdn=a.example.org&ipv4=203.0.113.9"]);

    assert_eq!(home.run(&["--force"], &[], ""), finished(0, "a.example.org: good 203.0.113.10\n", ""));
    assert_eq!(server.targets(), ["/checkip", "/nic/update?fqdn=a.example.org&ipv4=203.0.113.10"]);
}

#[test]
fn an_address_over_ipv6_is_asked_for_over_ipv6() {
    let server = FakeServer::on("[::1]:0", &[http(200, "2001:db8::7"), http(200, "good 2001:db8::7")]);
    let home = Home::new();
    home.config(&format!("[a.example.org]\nurl = {}\ntoken = t0k3n\n", server.url));

    assert_eq!(home.run(&[], &[], ""), finished(0, "a.example.org: good 2001:db8::7\n", ""));
    assert_eq!(server.targets(), ["/checkip", "/nic/update?fqdn=a.example.org&ipv6=2001:db8::7"]);
}

#[test]
fn a_command_prints_the_addresses_and_does_not_get_the_token() {
    let server = FakeServer::new(&[http(200, "good 198.51.100.7,2001:db8::7")]);
    let home = Home::new();
    let command = "test -z \"$NIC53_TOKEN\" && echo 2001:db8::7 && echo 198.51.100.7";
    let flags = ["a.example.org", "--url", &server.url, "--command", command];

    let run = home.run(&flags, &[TOKEN], "");
    assert_eq!(run, finished(0, "a.example.org: good 198.51.100.7,2001:db8::7\n", ""));
    assert_eq!(server.targets(), ["/nic/update?fqdn=a.example.org&ipv4=198.51.100.7&ipv6=2001:db8::7"]);

    let failing = [&flags[..4], &["exit 3", "--force"]].concat();
    let run = home.run(&failing, &[TOKEN], "");
    assert_eq!(
        run,
        finished(75, "", "nic53: a.example.org: failed: `exit 3`: exit status: 3: expected it to succeed\n")
    );
    assert_eq!(server.targets(), [""; 0]);
}

#[test]
fn a_command_gets_no_secret_and_its_output_has_a_bound() {
    let home = Home::new();
    let flags = ["a.example.org", "--url", "http://x", "--command"];
    let secrets = [
        TOKEN,
        ("NIC53_SECRET", "a secret of a gateway on this machine, 40 characters"),
        ("AWS_SESSION_TOKEN", "a token of AWS"),
    ];
    let run = home.run(&[&flags[..], &["env | grep -c 'NIC53\\|AWS'; env | grep -c HOME"]].concat(), &secrets, "");
    assert!(run.stderr.contains("prints `0`"), "{run:?}");
    let run = home.run(&[&flags[..], &["yes 192.0.2.1", "--force"]].concat(), &[TOKEN], "");
    assert!(run.stderr.contains("`yes 192.0.2.1`: prints more than 64 KiB: expected addresses"), "{run:?}");
    let run = home.run(&[&flags[..], &[r"printf '\033[2Jok: all is well'", "--force"]].concat(), &[TOKEN], "");
    assert!(run.stderr.contains(r"prints `\u{1b}[2Jok:`"), "{run:?}");
}

#[test]
fn a_command_in_a_file_that_others_may_write_is_not_run() {
    let home = Home::new();
    home.config("[a.example.org]\nurl = http://x\ntoken = t0k3n\ncommand = touch ran; echo 192.0.2.1\n");
    fs::set_permissions(home.config_file(), fs::Permissions::from_mode(0o602)).expect("our own file");
    let run = home.run(&[], &[], "");
    assert_eq!((run.code, run.stdout.as_str()), (Some(2), ""), "{run:?}");
    assert!(run.stderr.contains("nic53.conf: line 4: command: others may change the command: "), "{run:?}");
    assert!(run.stderr.contains(" with mode 0602: expected one that belongs to you or to root"), "{run:?}");
    fs::set_permissions(home.config_file(), fs::Permissions::from_mode(0o600)).expect("our own file");
    let folder = home.config_file().parent().expect("a folder").to_owned();
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o777)).expect("our own folder");
    let run = home.run(&[], &[], "");
    assert!(run.code == Some(2) && run.stderr.contains("a folder of user"), "{run:?}");
    assert!(!home.folder.path().join("ran").exists());
}

#[test]
fn an_interface_without_a_global_address_is_reported_and_nothing_is_asked() {
    let server = FakeServer::new(&[]);
    let home = Home::new();
    let flags = ["a.example.org", "--url", &server.url, "--interface"];
    for (interface, told) in
        [("lo", "lo has no lasting global address"), ("no-such0", "there is no interface no-such0")]
    {
        let run = home.run(&[&flags[..], &[interface]].concat(), &[TOKEN], "");
        assert_eq!(run.code, Some(75), "{run:?}");
        assert!(run.stderr.contains(told) && !run.stderr.contains("again in"), "{run:?}");
    }
    assert_eq!(server.targets(), [""; 0]);
}

#[test]
fn a_family_whose_source_fails_is_reported_and_the_other_is_updated() {
    let home = Home::new();
    for (sources, address, told) in [
        (&["--ipv4", "192.0.2.60", "--command", "exit 3"][..], "192.0.2.60", "IPv6 failed: `exit 3`: exit status: 3: "),
        (&["--ipv4", "auto", "--ipv6", "2001:db8::77"], "2001:db8::77", "IPv4 failed: http://"),
        (
            &["--ipv6", "2001:db8::78", "--interface", "nosuch0"],
            "2001:db8::78",
            "IPv4 failed: there is no interface nosuch0",
        ),
    ] {
        let checkip = if sources.contains(&"auto") { vec![http(500, "no")] } else { Vec::new() };
        let good = http(200, &format!("good {address}"));
        let server = FakeServer::new(&[&checkip[..], &[good], &checkip[..], &checkip[..], &checkip[..]].concat());
        let flags = [&["a.example.org", "--url", &server.url], sources].concat();

        let first = home.run(&flags, &[TOKEN], "");
        assert_eq!((first.code, first.stdout.as_str()), (Some(75), ""), "{first:?}");
        let line = format!("nic53: a.example.org: good {address}: {told}");
        assert!(first.stderr.starts_with(&line) && first.stderr.lines().count() == 1, "{line}: {first:?}");
        assert!(server.targets().last().is_some_and(|target| target.ends_with(address)), "{sources:?}");

        let second = home.run(&[&flags[..], &["--json"]].concat(), &[TOKEN], "");
        assert_eq!((second.code, second.stderr.as_str()), (Some(75), ""), "{second:?}");
        let json: serde_json::Value = serde_json::from_str(&second.stdout).expect("JSON");
        assert_eq!((&json["result"], &json["exit"]), (&"unchanged".into(), &75.into()), "{json}");
        assert!(json["message"].as_str().is_some_and(|message| message.contains(told)), "{json}");
        let quiet = home.run(&[&flags[..], &["--quiet"]].concat(), &[TOKEN], "");
        assert!(quiet.code == Some(75) && quiet.stderr.contains(told), "{quiet:?}");
        let again = home.run(&[&flags[..], &["--quiet"]].concat(), &[TOKEN], "");
        assert_eq!(again, finished(75, "", ""), "once");
    }
}

#[test]
fn a_family_that_a_source_has_nothing_of_is_left_alone() {
    for sources in [
        &["--command", "echo 192.0.2.60"][..],
        &["--ipv4", "192.0.2.60", "--command", "true"],
        &["--ipv4", "192.0.2.60", "--interface", "lo"],
    ] {
        let server = FakeServer::new(&[http(200, "good 192.0.2.60")]);
        let run = Home::new().run(&[&["a.example.org", "--url", &server.url], sources].concat(), &[TOKEN], "");
        assert_eq!(run, finished(0, "a.example.org: good 192.0.2.60\n", ""), "{sources:?}");
    }
    for (sources, told) in [
        (&["--command", "true"][..], "`true` prints no address: expected one that can be published in DNS"),
        (&["--command", "echo 192.0.2.60", "--ipv4", "no"], "`echo 192.0.2.60` prints no IPv6 address: expected"),
    ] {
        let run = Home::new().run(&[&["a.example.org", "--url", "http://x"], sources].concat(), &[TOKEN], "");
        assert!(run.stderr.starts_with(&format!("nic53: a.example.org: failed: {told}")), "{run:?}");
        assert_eq!(run.code, Some(75), "{run:?}");
    }
}

// Replies

#[test]
fn a_refusal_is_final_until_the_configuration_changes() {
    for code in ["nohost", "notfqdn", "numhost", "!donator"] {
        let server =
            FakeServer::new(&[http(200, code), http(200, "good 198.51.100.7"), http(200, "nochg 198.51.100.7")]);
        let home = Home::new();
        let config = |zone: &str| {
            let url = &server.url;
            home.config(&format!(
                "[a.example.org]\nurl = {url}\ntoken = t0k3n\nzoneid = {zone}\nipv4 = 198.51.100.7\n"
            ));
        };
        config("Z1");
        let first = home.run(&[], &[], "");
        assert_eq!(first.code, Some(1), "{first:?}");
        assert!(first.stderr.starts_with(&format!("nic53: a.example.org: {code}: ")), "{first:?}");
        let second = home.run(&["--ipv4", "198.51.100.8"], &[], "");
        assert_eq!(second.code, Some(1), "{second:?}");
        assert_eq!(server.targets().len(), 1, "{code}");
        config("Z2");
        assert_eq!(home.run(&[], &[], ""), finished(0, "a.example.org: good 198.51.100.7\n", ""));
        config("Z1");
        assert_eq!(home.run(&["--force"], &[], ""), finished(0, "a.example.org: nochg 198.51.100.7\n", ""));
    }
}

/// Whoever is on the way could have answered; on this machine and over TLS nobody is.
#[test]
fn a_refusal_over_plain_http_does_not_stop_the_client_for_good() {
    let proxy = FakeServer::new(&[http(401, "badauth"), http(200, "good 198.51.100.7")]);
    let home = Home::new();
    let flags = ["a.example.org", "--url", "http://gateway.example.org", "--ipv4", "198.51.100.7"];
    let run = |more: &[&str]| home.run(&[&flags[..], more].concat(), &[TOKEN, ("http_proxy", &proxy.url)], "");
    let forged = run(&[]);
    assert_eq!((forged.code, forged.stdout.as_str()), (Some(1), ""), "{forged:?}");
    assert!(forged.stderr.contains("over http://: expected https://; again in 60 s"), "{forged:?}");
    let waiting = run(&[]);
    assert!(waiting.code == Some(75) && waiting.stderr.contains("waiting: badauth; again in "), "{waiting:?}");
    let state = home.state();
    let (before, rest) = state.split_once("\"until\": ").expect("the end of the wait");
    let after = rest.trim_start_matches(|digit: char| digit.is_ascii_digit());
    let over = SystemTime::now().duration_since(UNIX_EPOCH).expect("a time").as_secs();
    fs::write(home.state_file(), format!("{before}\"until\": {over}{after}")).expect("room for a file");
    assert_eq!(run(&[]), finished(0, "a.example.org: good 198.51.100.7\n", ""));
}

#[test]
fn a_token_in_quotes_gets_a_hint_if_it_is_refused() {
    for (token, hint) in [("\"t0k3n\"", true), ("'t0k3n'", true), ("t0k3n", false)] {
        let server = FakeServer::new(&[http(401, "badauth")]);
        let home = Home::new();
        home.config(&format!("[a.example.org]\nurl = {}\ntoken = {token}\nipv4 = 198.51.100.7\n", server.url));
        let run = home.run(&[], &[], "");
        let hinted =
            run.stderr.contains("; the token is in quotes, which count as part of it: expected it without them");
        assert_eq!((run.code, hinted), (Some(1), hint), "{run:?}");
    }
}

#[test]
fn a_failure_is_tried_again_after_waits_that_grow() {
    let server =
        FakeServer::new(&[http(503, "dnserr"), http(503, "911"), http(200, "good 198.51.100.7"), http(503, "911")]);
    let home = Home::new();
    home.config(&format!("[a.example.org]\nurl = {}\ntoken = t0k3n\nipv4 = 198.51.100.7\n", server.url));

    for (flags, exit, told) in [
        (
            &[][..],
            75,
            "dnserr: The record could not be changed, or there is no address to publish. Wait: the client tries again. \
             If it stays, check that the client sends a public address, and ask the operator; again in 60 s\n",
        ),
        (&[], 75, "waiting: dnserr; again in "),
        (&["--force"], 75, "911: The gateway itself has a fault. Wait, and tell the operator; again in 2 min\n"),
        (&["--quiet"], 75, "waiting: 911; again in "),
        (&["--quiet"], 75, ""),
        (&["--force"], 0, "good 198.51.100.7: this is over: 911\n"),
        (&["--force"], 75, "911: The gateway itself has a fault. Wait, and tell the operator; again in 60 s\n"),
    ] {
        let run = home.run(flags, &[], "");
        assert_eq!(run.code, Some(exit), "{run:?}");
        let said = run.stdout + &run.stderr.replace("nic53: ", "");
        let told = if told.is_empty() { String::new() } else { format!("a.example.org: {told}") };
        assert!(if told.ends_with('\n') { said == told } else { said.starts_with(&told) }, "{told}: {said}");
    }
    assert_eq!(server.targets().len(), 4);
}

#[test]
fn a_wait_ends_if_the_addresses_come_from_elsewhere() {
    for (replies, wrong) in [
        (vec![http(503, "dnserr"), http(200, "good 198.51.100.7")], &["--ipv4", "10.1.1.1"][..]),
        (vec![http(500, "no"), http(200, "good 198.51.100.7")], &["--ipv4", "auto"]),
        (vec![http(500, "no"), http(200, "good 198.51.100.7")], &[]),
    ] {
        for right in [&["--ipv4", "198.51.100.7"][..], &["--command", "echo 198.51.100.7"]] {
            let server = FakeServer::new(&replies);
            let home = Home::new();
            let run = |sources: &[&str]| {
                home.run(&[&["a.example.org", "--url", &server.url], sources].concat(), &[TOKEN], "")
            };
            let first = run(wrong);
            assert!(first.code == Some(75) && first.stderr.contains("again in 60 s"), "{first:?}");
            let second = run(wrong);
            assert!(second.stderr.starts_with("nic53: a.example.org: waiting: "), "{second:?}");
            assert!(second.stderr.ends_with(" s; --force asks all the same\n"), "{second:?}");
            assert_eq!(run(right), finished(0, "a.example.org: good 198.51.100.7\n", ""), "{wrong:?}");
            assert_eq!(server.targets().len(), 2, "{wrong:?}");
        }
    }
}

#[test]
fn a_reply_that_is_not_of_the_protocol_is_shown() {
    for (reply, seen) in [
        (http(200, "<html>good</html>"), "answers 200 `<html>good</html>`: expected a line such as"),
        (http(200, ""), "answers 200 with an empty body"),
        (http(200, "good 198.51.100.7\ngood 198.51.100.7"), "answers 200 `good 198.51.100.7 good 198.51.100.7`"),
        (http(500, "{\"message\":\"Internal Server Error\"}"), "answers 500 `{\"message\":"),
        (http(404, "not found"), "answers 404 `not found`"),
        (http(429, "Too Many Requests"), "answers 429 `Too Many Requests`"),
        (http(503, "good 198.51.100.7"), "answers 503 `good 198.51.100.7`"),
        ("SSH-2.0-OpenSSH_9.2\r\n".to_owned(), "invalid HTTP version parsed"),
        (String::new(), "connection closed before message completed"),
        ("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\ngood".to_owned(), "end of file before message length reached"),
    ] {
        let server = FakeServer::new(&[reply]);
        let flags = ["a.example.org", "--url", &server.url, "--ipv4", "198.51.100.7"];
        let run = Home::new().run(&flags, &[TOKEN], "");
        assert_eq!((run.code, run.stdout.as_str()), (Some(75), ""), "{run:?}");
        assert!(
            run.stderr.contains(seen) && run.stderr.starts_with("nic53: a.example.org: failed: "),
            "{seen}: {run:?}"
        );
    }
}

#[test]
fn a_server_cannot_write_to_the_terminal() {
    for reply in [
        http(200, "\u{1b}[2J\r\na.example.org: good 198.51.100.7\u{202e}"),
        "HTTP/1.1 302 Found\r\nLocation: http://x/\u{9b}2J\u{200b}\r\nContent-Length: 0\r\n\r\n".to_owned(),
    ] {
        let server = FakeServer::new(&[reply]);
        let home = Home::new();
        let flags = ["a.example.org", "--url", &server.url, "--ipv4", "198.51.100.7"];
        let run = home.run(&flags, &[TOKEN], "");
        let written = run.stderr.clone() + &home.state();
        assert!(run.stderr.lines().count() == 1 && run.stderr.contains("\\u{"), "{run:?}");
        assert!(!written.contains(['\u{1b}', '\u{9b}', '\u{202e}', '\u{200b}']), "{written}");
    }
}

#[test]
fn a_redirect_is_not_followed() {
    let elsewhere = FakeServer::new(&[]);
    let location = format!("{}/nic/update", elsewhere.url);
    let reply = format!("HTTP/1.1 301 Moved Permanently\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n");
    let server = FakeServer::new(&[reply]);
    let flags = ["a.example.org", "--url", &server.url, "--ipv4", "198.51.100.7"];

    let run = Home::new().run(&flags, &[TOKEN], "");
    assert_eq!(run.code, Some(75));
    assert!(run.stderr.contains(&format!("answers 301 to {location}")), "{run:?}");
    assert_eq!(elsewhere.targets(), [""; 0]);
}

#[test]
fn an_unreachable_gateway_is_tried_again_later() {
    let home = Home::new();
    let url = format!("http://{NOBODY}");
    let run = home.run(&["a.example.org", "--url", &url, "--ipv4", "198.51.100.7"], &[TOKEN], "");
    assert_eq!(run.code, Some(75), "{run:?}");
    assert!(run.stderr.contains("Connection refused") && run.stderr.contains("again in 60 s"), "{run:?}");

    let run = home.run(&["b.example.org", "--url", &url], &[TOKEN], "");
    assert_eq!(run.code, Some(75), "{run:?}");
    assert!(run.stderr.contains("failed: IPv4: 127.0.0.1") && run.stderr.contains("IPv6: "), "{run:?}");
}

#[test]
fn a_token_is_in_no_message_and_no_file() {
    let token = "p76tf75ar94am7g7pcjzryjr";
    let basic = BASE64_STANDARD.encode(format!("a.example.org:{token}").as_bytes());
    for reply in [
        http(401, "badauth"),
        http(503, "dnserr"),
        http(200, &format!("{token} is wrong")),
        http(200, &format!("{}{token}", "x".repeat(50))),
        http(200, &format!("you sent {basic}")),
        http(200, &format!("NO SUCH TOKEN: {}", token.to_ascii_uppercase())),
        format!("HTTP/1.1 302 Found\r\nLocation: http://x/?{token}\r\nContent-Length: 0\r\n\r\n"),
    ] {
        let server = FakeServer::new(&[reply.clone(), reply]);
        let home = Home::new();
        home.config(&format!("[a.example.org]\nurl = {}\ntoken = {token}\nipv4 = 198.51.100.7\n", server.url));
        for flags in [&["--dry-run"][..], &[], &["--force", "--json"], &[]] {
            let run = home.run(flags, &[], "");
            let written = format!("{run:?} {}", home.state());
            assert!(
                !written.to_ascii_lowercase().contains(&token[..12]) && !written.contains(&basic[..16]),
                "{written}"
            );
        }
    }
}

// Output and memory

#[test]
fn quiet_prints_changes_and_trouble_when_it_begins_changes_and_ends() {
    let server = FakeServer::new(&[
        http(200, "good 198.51.100.7"),
        http(200, "nochg 198.51.100.7"),
        http(200, "nohost"),
        http(503, "dnserr"),
        http(503, "dnserr"),
        http(200, "nochg 198.51.100.7"),
    ]);
    let home = Home::new();
    home.config(&format!("[a.example.org]\nurl = {}\ntoken = t0k3n\nipv4 = 198.51.100.7\nx = y\n", server.url));

    let changed = home.run(&["--quiet"], &[], "");
    assert_eq!(changed.stdout, "a.example.org: good 198.51.100.7\n");
    assert!(changed.stderr.contains("line 5: x: nic53 does not know it"), "{changed:?}");
    for (flags, exit, news) in [
        (&["-q"][..], 0, ""),
        (&["-q", "--force"], 0, ""),
        (&["-q", "--force"], 1, "a.example.org: nohost: "),
        (&["-q"], 1, ""),
        (&["-q", "--force"], 75, "a.example.org: dnserr: "),
        (&["-q"], 75, ""),
        (&["-q", "--force"], 75, ""),
        (&["-q", "--force"], 0, "a.example.org: nochg 198.51.100.7: this is over: dnserr\n"),
        (&["-q"], 0, ""),
    ] {
        let run = home.run(flags, &[], "");
        let printed = run.stdout.clone() + &run.stderr;
        assert_eq!((run.code, printed.is_empty()), (Some(exit), news.is_empty()), "{flags:?} {run:?}");
        assert!(printed.contains(news), "{news}: {run:?}");
    }
    assert_eq!(server.targets().len(), 6);
}

#[test]
fn verbose_prints_each_step_and_no_token() {
    let server = FakeServer::new(&[http(200, "203.0.113.9"), http(200, "good 203.0.113.9")]);
    let home = Home::new();
    home.config(&format!("[a.example.org]\nurl = {}/prod/nic/update\ntoken = t0k3n\nipv4 = auto\n", server.url));
    let run = home.run(&["--verbose"], &[], "");
    assert_eq!((run.code, run.stdout.as_str()), (Some(0), "a.example.org: good 203.0.113.9\n"));
    let url = format!("{}/prod", server.url);
    let steps = [
        format!("IPv4: 203.0.113.9, as {url} sees it"),
        "IPv6: left alone".to_owned(),
        format!("GET {url}/nic/update?fqdn=a.example.org&ipv4=203.0.113.9"),
        "the answer is 200 `good 203.0.113.9`".to_owned(),
    ];
    assert_eq!(run.stderr, steps.map(|step| format!("nic53: a.example.org: {step}\n")).concat());
}

#[test]
fn json_is_an_object_a_host() {
    let server = FakeServer::new(&[http(503, "good 198.51.100.7\ndnserr")]);
    let home = Home::new();
    home.config(&format!(
        "[DEFAULT]\nurl = {}\ntoken = t0k3n\nipv4 = 198.51.100.7\n[a.example.org]\n[b.example.org]\n",
        server.url
    ));
    let run = home.run(&["--json"], &[], "");
    assert_eq!(
        run,
        finished(
            75,
            "{\"host\":\"a.example.org\",\"result\":\"good\",\"addresses\":[\"198.51.100.7\"],\"exit\":0}\n\
             {\"host\":\"b.example.org\",\"result\":\"dnserr\",\"addresses\":[],\"exit\":75,\
             \"message\":\"The record could not be changed, or there is no address to publish. Wait: the client tries again. \
             If it stays, check that the client sends a public address, and ask the operator\",\"wait\":60}\n",
            ""
        )
    );
}

#[test]
fn a_dry_run_asks_for_nothing_and_remembers_nothing() {
    let server = FakeServer::new(&[http(200, "203.0.113.9")]);
    let home = Home::new();
    let run = home.run(&["a.example.org", "--url", &server.url, "--dry-run"], &[TOKEN], "");
    let url = format!("{}/nic/update?fqdn=a.example.org&ipv4=203.0.113.9", server.url);
    assert_eq!(run, finished(0, &format!("a.example.org: would-ask: {url}\n"), ""));
    assert_eq!(server.targets(), ["/checkip"]);
    assert_eq!(home.state(), "");

    let run = home.run(&["a.example.org", "--url", &format!("http://{NOBODY}"), "--dry-run"], &[TOKEN], "");
    assert!(
        run.code == Some(75) && run.stderr.contains("failed: IPv4: ") && !run.stderr.contains("again in"),
        "{run:?}"
    );
}

#[test]
fn what_is_older_than_max_age_is_asked_for_again() {
    let server = FakeServer::new(&[http(200, "good 198.51.100.7"), http(200, "nochg 198.51.100.7")]);
    let home = Home::new();
    let flags = ["a.example.org", "--url", &server.url, "--ipv4", "198.51.100.7", "--max-age", "12h"];
    home.run(&flags, &[TOKEN], "");
    home.run(&flags, &[TOKEN], "");
    assert_eq!(server.targets().len(), 1);

    let (before, after) = {
        let state = home.state();
        let (before, rest) = state.split_once("\"updated\": ").expect("the time of the update");
        let (at, after) = rest.split_once(',').expect("more of it");
        let at: u64 = at.parse().expect("a time");
        (format!("{before}\"updated\": {}", at - 12 * 3600), format!(",{after}"))
    };
    fs::write(home.state_file(), before + &after).expect("room for a file");
    assert_eq!(home.run(&flags, &[TOKEN], ""), finished(0, "a.example.org: nochg 198.51.100.7\n", ""));
}

#[test]
fn a_damaged_state_file_is_reported_and_replaced() {
    let server = FakeServer::new(&[http(200, "good 198.51.100.7"), http(200, "nochg 198.51.100.7")]);
    let home = Home::new();
    let flags = ["a.example.org", "--url", &server.url, "--ipv4", "198.51.100.7"];
    home.run(&flags, &[TOKEN], "");
    fs::write(home.state_file(), "{\"gateways\"").expect("room for a file");

    let run = home.run(&flags, &[TOKEN], "");
    assert_eq!((run.code, run.stdout.as_str()), (Some(0), "a.example.org: nochg 198.51.100.7\n"));
    assert!(run.stderr.contains("update.json: ") && run.stderr.contains("it starts again from nothing"), "{run:?}");
    assert_eq!(home.run(&flags, &[TOKEN], ""), finished(0, "a.example.org: unchanged 198.51.100.7\n", ""));
}

#[test]
fn without_a_folder_for_state_hosts_move_all_the_same() {
    let server = FakeServer::new(&[http(200, "good 198.51.100.7")]);
    let home = Home::new();
    fs::write(home.folder.path().join("state"), "a file, where a folder should be").expect("room for a file");
    let flags = ["a.example.org", "--url", &server.url, "--ipv4", "198.51.100.7"];
    let run = home.run(&flags, &[TOKEN], "");
    assert_eq!((run.code, run.stdout.as_str()), (Some(0), "a.example.org: good 198.51.100.7\n"));
    assert!(run.stderr.ends_with("expected a folder that you may write, or another $XDG_STATE_HOME\n"), "{run:?}");
    assert_eq!(run.stderr.lines().count(), 1, "{run:?}");
}

#[test]
fn every_goes_on_and_prints_news_with_its_time() {
    let server =
        FakeServer::new(&[http(200, "nochg 198.51.100.7"), http(200, "good 198.51.100.7"), http(503, "dnserr")]);
    let home = Home::new();
    let state = home.folder.path().join("state");
    let process = program(env!("CARGO_BIN_EXE_nic53"))
        .settings(&[TOKEN, ("XDG_STATE_HOME", state.to_str().expect("a path of ours"))])
        .args(&["update", "a.example.org", "--url", &server.url, "--ipv4", "198.51.100.7", "--force", "--every", "1s"])
        .start();
    process.wait_for("a failure", |said| said.stderr.contains("a.example.org: dnserr: ").then_some(()));
    let printed = process.streams();
    let lines: Vec<(&str, &str)> = printed.stdout.lines().filter_map(|line| line.split_once(' ')).collect();
    let texts: Vec<&str> = lines.iter().map(|(_, text)| *text).collect();
    assert_eq!(texts, ["a.example.org: nochg 198.51.100.7", "a.example.org: good 198.51.100.7"]);
    for (time, text) in lines {
        // As RFC 3339 writes it: 2026-11-28T22:20:16Z.
        let shape: String = time.chars().map(|letter| if letter.is_ascii_digit() { '0' } else { letter }).collect();
        assert_eq!(shape, "0000-00-00T00:00:00Z", "{text}");
    }
    assert!(server.targets().len() >= 3);
}

#[test]
fn every_reads_the_token_file_again_and_standard_input_once() {
    let server = FakeServer::new(&[http(401, "badauth"), http(200, "good 198.51.100.7")]);
    let home = Home::new();
    let (state, token) = (home.folder.path().join("state"), home.folder.path().join("token"));
    fs::write(&token, "wrong\n").expect("room for a file");
    let path = token.to_str().expect("a path of ours");
    let flags = ["update", "a.example.org", "--url", &server.url, "--ipv4", "198.51.100.7", "--every", "1s"];
    let process = program(env!("CARGO_BIN_EXE_nic53"))
        .settings(&[("XDG_STATE_HOME", state.to_str().expect("a path of ours"))])
        .args(&[&flags[..], &["--token-file", path]].concat())
        .start();
    process.wait_for("a refusal", |said| said.stderr.contains("a.example.org: badauth: ").then_some(()));
    fs::remove_file(&token).expect("our own file");
    process.wait_for("a file", |said| said.stderr.contains("could not read the token").then_some(()));
    fs::write(&token, "t0k3n\n").expect("room for a file");
    process.wait_for("a success", |said| said.stdout.contains("a.example.org: good 198.51.100.7").then_some(()));
    let asked = server.asked();
    assert_eq!(asked.len(), 2, "{asked:?}");
    assert!(asked[1].contains("authorization: Basic YS5leGFtcGxlLm9yZzp0MGszbg=="), "{asked:?}");

    let server = FakeServer::new(&[http(200, "nochg 198.51.100.7"), http(200, "good 198.51.100.7")]);
    let script = format!(
        "echo t0k3n | timeout 5 {} update a.example.org --url {} --ipv4 198.51.100.7 --every 1s --force --token -",
        env!("CARGO_BIN_EXE_nic53"),
        server.url
    );
    let state = home.folder.path().join("other");
    let process = program("sh")
        .settings(&[("XDG_STATE_HOME", state.to_str().expect("a path of ours"))])
        .args(&["-c", &script])
        .start();
    process.wait_for("another round", |said| said.stdout.contains("a.example.org: good 198.51.100.7").then_some(()));
    assert!(server.asked()[1].contains("authorization: Basic YS5leGFtcGxlLm9yZzp0MGszbg=="), "the same token");
}

// Flags, files and the environment

#[test]
fn a_mistake_is_reported_with_what_was_expected() {
    let home = Home::new();
    home.config("[a.example.org]\nurl = https://gateway.example.org\ntoken = t0k3n\nttl = soon\n");
    for (arguments, told) in [
        (&[][..], "nic53.conf: line 4: ttl = soon: expected seconds, such as 300"),
        (&["b.example.org"], "b.example.org: no url: expected it in a section [b.example.org], or --url"),
        (
            &["a.example.org", "--ttl", "60", "--interface", "eth 0"],
            "--interface = eth 0: expected the name of one interface",
        ),
        (&["a.example.org", "--ttl", "60", "--ipv4", "here"], "--ipv4 = here: expected IPv4 addresses with commas"),
        (&["a.example.org", "--ttl", "60", "--url", "gateway"], "--url = gateway: expected the URL of a gateway"),
        (&["home"], "FQDN `home`: expected a fully qualified host name"),
        (&["--every", "often"], "--every often: expected a number of seconds to days"),
        (&["--interface", "eth0", "--command", "ip"], "--interface and --command exclude each other"),
        (
            &["--config", "/no/such"],
            "/no/such: No such file or directory (os error 2): expected a file that you may read",
        ),
        (&["--cacert", "/no/such", "--ttl", "60"], "--cacert /no/such: "),
        (&["--token-file", "/no/such"], "--token-file /no/such: could not read the token: No such file"),
    ] {
        let run = home.run(arguments, &[], "");
        assert_eq!((run.code, run.stdout.as_str()), (Some(2), ""), "{run:?}");
        assert!(run.stderr.contains(told), "{told}: {run:?}");
    }
}

#[test]
fn a_file_that_everyone_may_read_is_warned_about() {
    let server = FakeServer::new(&[http(200, "good 198.51.100.7"), http(200, "nochg 198.51.100.7")]);
    let home = Home::new();
    let token = home.folder.path().join("token");
    fs::write(&token, "t0k3n\n").expect("room for a file");
    fs::set_permissions(&token, fs::Permissions::from_mode(0o644)).expect("our own file");
    let path = token.to_str().expect("a path of ours");
    let flags = ["a.example.org", "--url", &server.url, "--ipv4", "198.51.100.7"];
    let run = home.run(&[&flags[..], &["--token-file", path]].concat(), &[("NIC53_TOKEN", "other")], "");
    assert_eq!(run.code, Some(0), "{run:?}");
    let warning = format!("nic53: {path}: everyone on this machine may read the tokens in it: chmod 600 {path}\n");
    assert_eq!(run.stderr, warning);
    assert!(server.asked()[0].contains("authorization: Basic YS5leGFtcGxlLm9yZzp0MGszbg=="), "the file's token");

    home.config(&format!("[a.example.org]\nurl = {}\ntoken = t0k3n\nipv4 = 198.51.100.7\n", server.url));
    fs::set_permissions(home.config_file(), fs::Permissions::from_mode(0o604)).expect("our own file");
    let run = home.run(&[], &[], "");
    assert!(run.stderr.contains("nic53.conf: everyone on this machine may read"), "{run:?}");
}

// TLS and proxies

#[test]
fn a_certificate_counts_if_its_issuer_does() {
    let home = Home::new();
    let url = format!("https://localhost:{}/nic/update", tls_gateway("good 198.51.100.7"));
    let flags = ["a.example.org", "--url", &url, "--ipv4", "198.51.100.7"];
    let unknown = home.run(&flags, &[TOKEN], "");
    assert_eq!(unknown.code, Some(75), "{unknown:?}");
    assert!(unknown.stderr.contains("TLS: invalid peer certificate: "), "{unknown:?}");

    let cacert = ["--cacert", tls_pem(), "--force"];
    let known = home.run(&[&flags[..], &cacert].concat(), &[TOKEN], "");
    assert_eq!(known, finished(0, "a.example.org: good 198.51.100.7\n", ""));

    let other = url.replace("localhost", "127.0.0.1");
    let flags = ["a.example.org", "--url", &other, "--ipv4", "198.51.100.7"];
    let other = home.run(&[&flags[..], &cacert].concat(), &[TOKEN], "");
    assert!(other.code == Some(75) && other.stderr.contains("certificate not valid for name"), "{other:?}");
}

#[test]
fn a_certificate_that_is_not_trusted_is_reported_with_what_to_do() {
    let home = Home::new();
    let run = |port: u16, more: &[&str]| {
        let url = format!("https://localhost:{port}");
        home.run(&[&["a.example.org", "--url", &url, "--ipv4", "198.51.100.7", "--force"], more].concat(), &[TOKEN], "")
    };
    let unknown = run(tls_gateway("good 198.51.100.7"), &[]);
    assert!(unknown.stderr.contains("for a certificate of your own, give --cacert FILE; again"), "{unknown:?}");

    let key = rcgen::KeyPair::generate().expect("a key");
    let mut parameters = rcgen::CertificateParams::new(vec!["localhost".to_owned()]).expect("a name");
    parameters.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let authority = home.folder.path().join("authority.pem");
    let certificate = parameters.self_signed(&key).expect("a certificate");
    fs::write(&authority, certificate.pem() + &key.serialize_pem()).expect("room for a file");
    let path = authority.to_str().expect("a path of ours");
    let wrong = run(tls_gateway_of(path, "good 198.51.100.7"), &["--cacert", path]);
    let advice =
        "as `openssl req -x509` makes it: make one for a server, with -addext basicConstraints=critical,CA:FALSE";
    assert!(wrong.code == Some(75) && wrong.stderr.contains(advice), "{wrong:?}");
}

#[test]
fn a_proxy_of_the_environment_leads_to_https_and_sees_no_token() {
    let (proxy, asked) = connect_proxy(tls_gateway("good 198.51.100.7"));
    let url = "https://gateway.example.org/nic/update";
    let flags = ["a.example.org", "--url", url, "--ipv4", "198.51.100.7", "--cacert", tls_pem()];

    let run = Home::new().run(&flags, &[TOKEN, ("https_proxy", &format!("http://me:word@{proxy}"))], "");
    assert_eq!(run, finished(0, "a.example.org: good 198.51.100.7\n", ""));
    let head = asked.recv_timeout(PATIENCE).expect("a request to the proxy");
    assert!(head.starts_with("CONNECT gateway.example.org:443 HTTP/1.1\n"), "{head}");
    assert!(head.contains("proxy-authorization: Basic bWU6d29yZA==") && !head.contains("\nauthorization:"), "{head}");
}

#[test]
fn a_proxy_of_the_environment_is_asked_for_http_and_not_for_what_no_proxy_names() {
    let proxy = FakeServer::new(&[http(200, "good 198.51.100.7")]);
    let home = Home::new();
    let url = format!("http://{NOBODY}/nic/update");
    let flags = ["a.example.org", "--url", &url, "--ipv4", "198.51.100.7", "--force"];

    let run = home.run(&flags, &[TOKEN, ("http_proxy", &proxy.url)], "");
    assert_eq!(run, finished(0, "a.example.org: good 198.51.100.7\n", ""));
    assert_eq!(proxy.targets(), [format!("{url}?fqdn=a.example.org&ipv4=198.51.100.7")]);

    let run = home.run(&flags, &[TOKEN, ("HTTP_PROXY", &proxy.url)], "");
    assert!(run.code == Some(75) && run.stderr.contains("Connection refused"), "as for curl: {run:?}");

    let run = home.run(&flags, &[TOKEN, ("http_proxy", &proxy.url), ("NO_PROXY", "127.0.0.0/8")], "");
    assert!(run.code == Some(75) && run.stderr.contains("Connection refused"), "{run:?}");
    assert_eq!(proxy.targets(), [""; 0]);
}

// nic53 token

#[test]
fn tokens_are_minted_for_many_hosts_and_checked() {
    let home = Home::new();
    let settings =
        [("NIC53_ZONES", "example.org=Z0123ABC"), ("NIC53_SECRET", "0123456789abcdefghijklmnopqrstuvwxyzABCDEFG")];
    let token = |arguments: &[&str], stdin: &str| home.command("token", arguments, &settings, stdin);

    let one = token(&["home.example.org"], "");
    assert_eq!(one, finished(0, "p76tf75ar94am7g7pcjzryjr\n", ""));
    let many = token(&["home.example.org", "nas.example.org"], "");
    let lines: Vec<_> = many.stdout.lines().collect();
    assert_eq!(lines[0], "home.example.org p76tf75ar94am7g7pcjzryjr");
    assert!(lines.len() == 2 && lines[1].starts_with("nas.example.org "), "{many:?}");
    assert_eq!(
        token(&["home.example.org", "--subtree", "--json"], "").stdout,
        "{\"host\":\"home.example.org\",\"token\":\"fxb4n9azc0vc2d067krm4d0r\",\"scope\":\"subtree\",\
         \"zone_id\":\"Z0123ABC\",\"generation\":0,\"secret\":\"current\"}\n"
    );

    let valid = token(&["--check", "home.example.org"], "P76TF75AR94AM7G7PCJZRYJR\n");
    assert_eq!(
        valid,
        finished(0, "home.example.org: valid: host token of home.example.org, generation 0, current secret\n", "")
    );
    let below = token(&["--check", "--json", "nas.home.example.org", "www.example.org"], "fxb4n9azc0vc2d067krm4d0r");
    assert_eq!(
        below,
        finished(
            1,
            "{\"host\":\"nas.home.example.org\",\"valid\":true,\"scope\":\"subtree\",\"name\":\"home.example.org\",\
             \"generation\":0,\"secret\":\"current\"}\n{\"host\":\"www.example.org\",\"valid\":false}\n",
            ""
        )
    );
}

#[test]
fn a_zone_id_stands_for_zones_that_are_not_configured() {
    let home = Home::new();
    let secret = [("NIC53_SECRET", "0123456789abcdefghijklmnopqrstuvwxyzABCDEFG"), ("NIC53_STORE", "route53")];
    let token = |arguments: &[&str], stdin: &str| home.command("token", arguments, &secret, stdin);

    let minted = token(&["home.example.org", "--zone-id", "/hostedzone/Z0123ABC"], "");
    assert_eq!(minted, finished(0, "p76tf75ar94am7g7pcjzryjr\n", ""));
    let checked = token(&["--check", "x.home.example.org", "--zone-id", "Z0123ABC"], "fxb4n9azc0vc2d067krm4d0r");
    assert!(checked.code == Some(0) && checked.stdout.contains("subtree token of home.example.org"), "{checked:?}");
    for (arguments, told) in [
        (&["home.example.org"][..], "NIC53_ZONES is not set"),
        (&["home.example.org", "--zone-id", "Z 1"], "Z 1"),
        (&["home", "--zone-id", "Z1"], "`home`: expected a fully qualified host name"),
        (&["*.example.org", "--zone-id", "Z1", "--subtree"], "expected a name without `*`"),
        (&["--check", "home.example.org", "--zone-id", "Z1"], "standard input is empty: expected a token"),
    ] {
        let run = token(arguments, "");
        assert!(run.code == Some(2) && run.stderr.contains(told), "{told}: {run:?}");
    }
}

// Around them

/// A gateway of `example.com` on the embedded store, with these settings too.
fn gateway(more: &[(&str, &str)]) -> Nic53 {
    let settings = [("NIC53_ZONES", "example.com=EMBEDDED"), ("NIC53_SECRET", "the-secret-of-the-client-s-own-tests")];
    Nic53::serve(&[&settings, more].concat(), &["--dns", "127.0.0.1:0"])
}

/// A token that the fake servers do not check.
const TOKEN: (&str, &str) = ("NIC53_TOKEN", "p76tf75ar94am7g7pcjzryjr");

/// The result of a run.
#[derive(Debug, PartialEq, Eq)]
struct Run {
    code: Option<i32>,
    stdout: String,
    stderr: String,
}

/// The result that a run should have.
fn finished(code: i32, stdout: &str, stderr: &str) -> Run {
    Run { code: Some(code), stdout: stdout.to_owned(), stderr: stderr.to_owned() }
}

/// A person's home: a configuration file, and state from one run to the next.
struct Home {
    folder: TempDir,
}

impl Home {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().expect("a temporary folder") }
    }

    /// Writes the configuration file, for its owner's eyes only.
    fn config(&self, text: &str) {
        let path = self.config_file();
        fs::create_dir_all(path.parent().expect("a folder")).expect("room for a folder");
        fs::write(&path, text).expect("room for a file");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("our own file");
    }

    fn config_file(&self) -> PathBuf {
        self.folder.path().join("config/nic53/nic53.conf")
    }

    fn state_file(&self) -> PathBuf {
        self.folder.path().join("state/nic53/update.json")
    }

    /// The text of the state file; empty if there is none.
    fn state(&self) -> String {
        fs::read_to_string(self.state_file()).unwrap_or_default()
    }

    /// Runs `nic53 update`.
    fn run(&self, arguments: &[&str], env: &[(&str, &str)], stdin: &str) -> Run {
        self.command("update", arguments, env, stdin)
    }

    /// Runs a command of nic53 that sees nothing of our environment but what is given.
    fn command(&self, command: &str, arguments: &[&str], env: &[(&str, &str)], stdin: &str) -> Run {
        let mut child = Command::new(env!("CARGO_BIN_EXE_nic53"))
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .env("HOME", self.folder.path())
            .env("XDG_CONFIG_HOME", self.folder.path().join("config"))
            .env("XDG_STATE_HOME", self.folder.path().join("state"))
            .envs(env.iter().copied().inspect(|(name, value)| {
                if name.contains("SECRET") || name.contains("TOKEN") {
                    captured::secret(value);
                }
            }))
            .current_dir(self.folder.path())
            .arg(command)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program under test");
        // A program that does not read has ended already.
        let _ = child.stdin.take().expect("a pipe").write_all(stdin.as_bytes());
        let output = child.wait_with_output().expect("an end");
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("UTF-8");
        let run = Run { code: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) };
        if command == "update" {
            captured::output(&run.stdout);
        }
        captured::output(&run.stderr);
        run
    }
}

/// How long to wait for what must come.
const PATIENCE: Duration = Duration::from_secs(30);
