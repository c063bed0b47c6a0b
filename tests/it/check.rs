//! `nic53 check` against the real server, against one with TLS, and against gateways that do one thing wrong: each of
//! those is found, explained, and shown by the exit code. Loopback only.

use std::{
    fs,
    io::{self, Read, Write},
    net::{TcpListener, TcpStream},
    sync::{Arc, Mutex},
    thread,
};

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use rustls::{
    ServerConfig, ServerConnection, StreamOwned, SupportedProtocolVersion,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer},
    version::{TLS12, TLS13},
};
use serde_json::Value;
use tempfile::TempDir;
use time::OffsetDateTime;

use crate::support::{
    dig,
    process::{Finished, Nic53, program},
    reverse_proxy::reverse_proxy,
};

const HOST: &str = "home.example.com";

const SETTINGS: [(&str, &str); 2] =
    [("NIC53_ZONES", "example.com=EMBEDDED"), ("NIC53_SECRET", "the-secret-of-the-tests-of-nic53-check")];

// A real gateway

#[test]
fn a_gateway_that_is_well_is_fine() {
    let gateway = gateway();

    let seen = check(&[&format!("http://{}", gateway.http)], None);

    assert_eq!((seen.code, seen.severity()), (0, "ok"), "{seen:?}");
    for (step, words) in [
        ("ipv4", "connected to 127.0.0.1:"),
        ("plain-http", "within this network"),
        ("challenge", "Basic realm=\"nic53\""),
        ("length", "Content-Length: 7"),
        ("http-1.0", "200, and the connection ends"),
    ] {
        seen.has(step, "ok", words);
    }
    // Over loopback the gateway sees no address that it could publish.
    seen.has("checkip-ipv4", "note", "127.0.0.1, the address of this machine");
    seen.has("checkip-ipv4", "note", "dnserr");
}

#[test]
fn the_token_is_tried_and_nothing_moves() {
    let gateway = gateway();
    let token = gateway.token(&[HOST]);
    let update = format!("http://{HOST}:{token}@{}/nic/update?myip=198.51.100.7,2001:db8::7&ttl=120", gateway.http);
    assert_eq!(program("curl").args(&["--silent", &update]).start().finish().stdout, "good 198.51.100.7,2001:db8::7");

    let seen = check_record(&gateway, &token, &[]);

    assert_eq!((seen.code, seen.severity()), (0, "ok"), "{seen:?}");
    seen.has("token", "ok", "the token is valid; home.example.com has 198.51.100.7, 2001:db8::7");
    seen.has("name-servers", "ok", "198.51.100.7, 2001:db8::7 at 127.0.0.1:");
    seen.has("resolver", "ok", "198.51.100.7, 2001:db8::7 at 127.0.0.1");
    seen.has("ttl", "ok", "120 s");
    let again = check_record(&gateway, &token, &[]);
    again.has("name-servers", "ok", "198.51.100.7, 2001:db8::7");
    // Over loopback the gateway sees no public address to compare with.
    again.has("here", "skipped", "no public address");
}

/// Behind a proxy that says where requests come from.
#[test]
fn the_record_is_compared_with_the_address_of_this_network() {
    let settings = [
        ("NIC53_ZONES", "example.com=EMBEDDED"),
        ("NIC53_SECRET", "the-secret-of-the-tests-of-nic53-check"),
        ("NIC53_TRUSTED_PROXIES", "127.0.0.0/8"),
    ];
    let gateway = Nic53::serve(&settings, &["--dns", "127.0.0.1:0"]);
    let token = gateway.token(&[HOST]);
    let dns = gateway.dns.as_deref().expect("a DNS server");
    check_record(&gateway, &token, &["--myip", "203.0.113.9"]);
    for (network, severity, words) in [
        ("203.0.113.9", "ok", "the address of this network: 203.0.113.9"),
        ("203.0.113.8", "note", "the A record has 203.0.113.9; this network has 203.0.113.8"),
    ] {
        let url = format!("http://{}", reverse_proxy(&gateway.http, network));
        let seen = check(&[&url, HOST, "--name-server", dns, "--resolver", dns], Some(&token));
        assert_eq!(seen.code, 0, "{seen:?}");
        seen.has("here", severity, words);
    }
}

/// A record that has not moved does not change by waiting: the default of --wait is two minutes.
#[test]
fn what_did_not_move_is_not_waited_for() {
    let (gateway, other) = (gateway(), gateway());
    let token = gateway.token(&[HOST]);
    check_record(&gateway, &token, &["--myip", "198.51.100.7"]);
    let dns = other.dns.as_deref().expect("a DNS server");
    let url = format!("http://{}", gateway.http);
    for more in [&[][..], &["--myip", "198.51.100.7"]] {
        let seen = check(&[&[&url, HOST, "--name-server", dns, "--resolver", dns], more].concat(), Some(&token));
        assert_eq!(seen.code, 1, "{seen:?}");
        seen.has("name-servers", "wrong", "has no address, not 198.51.100.7");
    }
}

#[test]
fn a_host_without_a_record_is_wrong_and_gets_none() {
    let gateway = gateway();
    let token = gateway.token(&[HOST]);
    let seen = check_record(&gateway, &token, &[]);
    assert_eq!(seen.code, 1, "{seen:?}");
    seen.has("token", "ok", "home.example.com has no address");
    seen.has("name-servers", "wrong", "no address at");
    check_record(&gateway, &token, &[]).has("name-servers", "wrong", "no address at");
    assert!(seen.step("here").is_none(), "{seen:?}");
}

#[test]
fn the_record_moves_where_it_is_told_to() {
    let gateway = gateway();
    let token = gateway.token(&[HOST]);

    let first = check_record(&gateway, &token, &["--myip", "198.51.100.7,2001:db8::7"]);
    assert_eq!(first.code, 0, "{first:?}");
    first.has("update", "ok", "good: home.example.com was moved to 198.51.100.7, 2001:db8::7");
    first.has("name-servers", "ok", "198.51.100.7, 2001:db8::7");

    // The family that is not given stays.
    let second = check_record(&gateway, &token, &["--myip", "198.51.100.8"]);
    second.has("name-servers", "ok", "198.51.100.8, 2001:db8::7");
    let third = check_record(&gateway, &token, &["--myip", "198.51.100.8"]);
    third.has("update", "ok", "nochg: home.example.com was at 198.51.100.8 already");
}

#[test]
fn a_challenge_is_set_found_and_removed() {
    let settings = [&SETTINGS[..], &[("NIC53_ALLOW_ACME", "true")]].concat();
    let gateway = Nic53::serve(&settings, &["--dns", "127.0.0.1:0"]);
    let token = gateway.token(&[HOST]);

    let seen = check_record(&gateway, &token, &["--acme"]);

    seen.has("acme", "ok", "the token may set _acme-challenge.home.example.com");
    seen.has("acme-record", "ok", "_acme-challenge.home.example.com has the value at 127.0.0.1:");
    seen.has("acme-cleanup", "ok", "the value is removed");
    gateway.logged(&[" present 200 good "]);
    gateway.logged(&[" cleanup 200 good "]);
    assert_eq!(dig::dig(&gateway, "_acme-challenge.home.example.com", "TXT"), [""; 0]);
    // Nothing of that without being asked.
    let quiet = check_record(&gateway, &token, &[]);
    assert!(quiet.step("acme").is_none() && quiet.step("acme-cleanup").is_none(), "{quiet:?}");

    // Another token.
    let refused = check_record(&gateway, &gateway.token(&["nas.example.com"]), &["--acme"]);
    refused.has("acme", "wrong", "401 `{\"error\":\"badauth\"}`");
    assert!(refused.step("acme-record").is_none() && refused.step("acme-cleanup").is_none(), "{refused:?}");
}

#[test]
fn a_challenge_that_dns_does_not_show_is_wrong_and_removed() {
    let settings = [&SETTINGS[..], &[("NIC53_ALLOW_ACME", "true")]].concat();
    let [gateway, other] = [(); 2].map(|()| Nic53::serve(&settings, &["--dns", "127.0.0.1:0"]));
    let (token, url) = (gateway.token(&[HOST]), format!("http://{}", gateway.http));
    let dns = other.dns.as_deref().expect("a DNS server");
    let arguments = [&url, HOST, "--name-server", dns, "--resolver", dns, "--wait", "0", "--acme"];
    let seen = check(&arguments, Some(&token));
    assert_eq!(seen.code, 1, "{seen:?}");
    seen.has("acme-record", "wrong", "does not have the value at 127.0.0.1:");
    seen.has("acme-cleanup", "ok", "the value is removed");
    assert_eq!(dig::dig(&gateway, "_acme-challenge.home.example.com", "TXT"), [""; 0]);
}

#[test]
fn a_gateway_without_certificates_says_how_to_have_them() {
    let gateway = gateway();
    let token = gateway.token(&[HOST]);
    let seen = check_record(&gateway, &token, &["--acme"]);
    assert_eq!(seen.code, 1, "{seen:?}");
    seen.has("acme", "wrong", "NIC53_ALLOW_ACME=true");
    for (arguments, words) in [
        (&["--acme"][..], "--acme: expected the host's token too"),
        (
            &["--acme", "--token-file", "token"],
            "expected `home.example.com`, whose challenge proves `*.home.example.com` too",
        ),
    ] {
        let finished = program(NIC53)
            .file("token", &token)
            .args(&["check", "http://127.0.0.1:9", "*.home.example.com"])
            .args(arguments)
            .start()
            .finish();
        assert_eq!((finished.code, finished.stdout.as_str()), (Some(2), ""), "{finished:?}");
        assert!(finished.stderr.contains(words), "{words} is not in {}", finished.stderr);
    }
}

#[test]
fn a_private_address_is_refused_before_anything_is_asked() {
    let gateway = gateway();
    let url = format!("http://{}", gateway.http);
    let token = gateway.token(&[HOST]);
    for (more, words) in [
        (&["--myip", "192.168.1.5"][..], "--myip 192.168.1.5: expected a public address, such as 203.0.113.7; or add"),
        (&["--myip", "203.0.113.9,224.0.0.1"], "--myip 224.0.0.1: expected a public address, such as 203.0.113.7\n"),
        (&["--private", "--myip", "224.0.0.1"], "--myip 224.0.0.1: expected a public address"),
    ] {
        let finished = program(NIC53)
            .file("token", &token)
            .args(&["check", &url, HOST, "--token-file", "token"])
            .args(more)
            .start()
            .finish();
        assert_eq!((finished.code, finished.stdout.as_str()), (Some(2), ""), "{finished:?}");
        assert!(finished.stderr.contains(words), "{words} is not in {}", finished.stderr);
    }
    // The gateway does not publish it, whatever the person says.
    let seen = check_record(&gateway, &token, &["--private", "--myip", "192.168.1.5"]);
    assert_eq!(seen.code, 1, "{seen:?}");
    assert_ne!(seen.step("update").expect("an update")["severity"], "ok", "{seen:?}");
}

#[test]
fn a_foreign_token_is_wrong() {
    let gateway = gateway();
    let seen = check_record(&gateway, &gateway.token(&["nas.example.com"]), &["--myip", "198.51.100.7"]);
    assert_eq!((seen.code, seen.severity()), (1, "wrong"), "{seen:?}");
    seen.has("token", "wrong", "401 `badauth`");
    assert!(seen.step("update").is_none(), "{seen:?}");
    seen.has("name-servers", "wrong", "no address");
}

#[test]
fn a_name_server_that_has_something_else_is_wrong() {
    let (gateway, other) = (gateway(), gateway());
    let token = gateway.token(&[HOST]);
    let dns = other.dns.as_deref().expect("a DNS server");
    let url = format!("http://{}", gateway.http);
    let arguments = [&url, HOST, "--myip", "198.51.100.7", "--name-server", dns, "--resolver", dns, "--wait", "0"];

    let seen = check(&arguments, Some(&token));

    assert_eq!(seen.code, 1, "{seen:?}");
    seen.has("name-servers", "wrong", "has no address, not 198.51.100.7");
}

#[test]
fn a_resolver_that_is_behind_or_silent_leaves_it_open() {
    let (gateway, other) = (gateway(), gateway());
    let token = gateway.token(&[HOST]);
    let url = format!("http://{}", gateway.http);
    let dns = gateway.dns.as_deref().expect("a DNS server");
    let behind = other.dns.as_deref().expect("a DNS server");
    // A port that nothing listens on.
    let silent = TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("an address").to_string();
    for (resolver, words) in [(behind, "has no address, not 198.51.100.7"), (&silent, "refused")] {
        let arguments =
            [&url, HOST, "--myip", "198.51.100.7", "--name-server", dns, "--resolver", resolver, "--wait", "0"];
        let seen = check(&arguments, Some(&token));
        assert_eq!((seen.code, seen.severity()), (75, "unknown"), "{seen:?}");
        seen.has("resolver", "unknown", words);
    }
}

/// The embedded zone names one, which has no address there.
#[test]
fn name_servers_are_found_by_asking_the_resolver() {
    let gateway = gateway();
    let dns = gateway.dns.as_deref().expect("a DNS server");
    let seen = check(&[&format!("http://{}", gateway.http), HOST, "--resolver", dns, "--wait", "0"], None);
    assert_eq!(seen.code, 75, "{seen:?}");
    seen.has("name-servers", "unknown", "ns.example.com: it has no address");
    seen.has("token", "skipped", "no token was given");
}

// TLS

#[test]
fn tls_is_looked_at_and_the_token_goes_over_it() {
    let gateway = gateway();
    let authority = Authority::new("the test's authority");
    let server = Tls::serve(&authority.leaf("127.0.0.1", 60), &[&TLS13, &TLS12], &gateway.http);
    let dns = gateway.dns.as_deref().expect("a DNS server");
    let arguments =
        [&server.url, HOST, "--cacert", &authority.file, "--name-server", dns, "--resolver", dns, "--wait", "0"];

    let token = gateway.token(&[HOST]);
    check_record(&gateway, &token, &["--myip", "198.51.100.7"]);

    let seen = check(&arguments, Some(&token));

    assert_eq!((seen.code, seen.severity()), (0, "ok"), "{seen:?}");
    seen.has("tls", "ok", "TLS 1.3, a chain of 2 certificates: dyn.example.com by the test's authority, 60 days left");
    seen.has("tls-1.2", "ok", "TLS 1.2 is accepted too");
    seen.has("token", "ok", "the token is valid");
    assert!(seen.step("plain-http").is_none(), "{seen:?}");
}

#[test]
fn a_server_with_one_version_of_tls_is_told_apart() {
    let gateway = gateway();
    let authority = Authority::new("the test's authority");
    let leaf = authority.leaf("127.0.0.1", 60);
    let new = Tls::serve(&leaf, &[&TLS13], &gateway.http);
    let seen = check(&[&new.url, "--cacert", &authority.file], None);
    assert_eq!(seen.code, 0, "{seen:?}");
    seen.has("tls-1.2", "note", "TLS 1.2 is refused");
    let old = Tls::serve(&leaf, &[&TLS12], &gateway.http);
    let seen = check(&[&old.url, "--cacert", &authority.file], None);
    assert_eq!(seen.code, 0, "{seen:?}");
    seen.has("tls", "ok", "TLS 1.2, a chain of 2");
}

#[test]
fn a_certificate_that_is_not_to_be_trusted_is_explained_and_gets_no_token() {
    let gateway = gateway();
    let authority = Authority::new("the test's authority");
    let other = Authority::new("another authority");
    let token = gateway.token(&[HOST]);
    for (leaf, cacert, words) in [
        (authority.leaf("127.0.0.1", -3), &authority.file, "expired 3 days ago"),
        (authority.leaf("192.0.2.1", 60), &authority.file, "the certificate is for another name"),
        (authority.leaf("127.0.0.1", 60), &other.file, "the issuer is not trusted here"),
        (authority.leaf("127.0.0.1", 5), &authority.file, "it should have been renewed by now"),
    ] {
        let server = Tls::serve(&leaf, &[&TLS13, &TLS12], &gateway.http);
        let dns = gateway.dns.as_deref().expect("a DNS server");
        let arguments = [&server.url, HOST, "--cacert", cacert, "--name-server", dns, "--resolver", dns, "--wait", "0"];

        let seen = check(&arguments, Some(&token));

        assert_eq!(seen.code, 1, "{words}: {seen:?}");
        seen.has("tls", "wrong", words);
        // The rest is looked at all the same.
        seen.has("challenge", "ok", "nic53");
        let trusted = words.contains("renewed");
        seen.has("token", if trusted { "ok" } else { "skipped" }, if trusted { "valid" } else { "not trusted" });
        assert_eq!(server.heard("Authorization: "), trusted, "{words}");
    }
}

#[test]
fn a_self_signed_certificate_of_an_authority_is_explained_and_the_advice_works() {
    let gateway = gateway();
    for (is_ca, code) in [(IsCa::Ca(BasicConstraints::Unconstrained), 1), (IsCa::ExplicitNoCa, 0)] {
        let own = Leaf::self_signed("127.0.0.1", is_ca);
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("own.pem");
        fs::write(&path, &own.pem).expect("room for a file");
        let server = Tls::serve(&own.leaf, &[&TLS13, &TLS12], &gateway.http);

        let seen = check(&[&server.url, "--cacert", path.to_str().expect("a path")], None);

        assert_eq!(seen.code, code, "{seen:?}");
        if code == 1 {
            seen.has("tls", "wrong", "CA:TRUE");
            seen.has("tls", "wrong", "-addext subjectAltName=IP:127.0.0.1 -addext basicConstraints=critical,CA:FALSE");
        }
    }
}

#[test]
fn what_is_no_tls_is_wrong() {
    let gateway = gateway();
    let authority = Authority::new("the test's authority");
    let seen = check(&[&format!("https://{}", gateway.http), "--cacert", &authority.file], None);
    assert_eq!(seen.code, 1, "{seen:?}");
    seen.has("tls", "wrong", "no client can connect over TLS");
}

// Gateways that do one thing wrong

#[test]
fn each_wrong_is_found() {
    let fine = Scripted::serve(|request| Reply::closing(good(request)));
    let seen = check(&[&fine.url], None);
    assert_eq!(seen.code, 0, "the pattern of the others is fine: {seen:?}");

    let no_challenge = Scripted::serve(|request| {
        Reply::closing(good(request).replace("WWW-Authenticate: Basic realm=\"nic53\"\r\n", ""))
    });
    no_challenge.is_noted("challenge", "401 without WWW-Authenticate", "OpenWrt");

    let remapped =
        Scripted::serve(|request| Reply::closing(good(request).replace("WWW-Auth", "x-amzn-Remapped-WWW-Auth")));
    remapped.is_noted("challenge", "renamed to x-amzn-Remapped-WWW-Authenticate", "nic53 setup draytek");

    let open = Scripted::serve(|request| Reply::closing(good(request).replace("401 Unauthorized", "200 OK")));
    open.is_found("challenge", "200 `badauth`, not 401", "no nic53 gateway answers");

    let redirect = Scripted::serve(|request| {
        let moved = "HTTP/1.1 301 Moved\r\nLocation: https://dyn.example.org/\r\nContent-Length: 0\r\n\r\n".to_owned();
        Reply::closing(if request.contains("/nic/update") { moved } else { good(request) })
    });
    redirect.is_found("challenge", "301 to https://dyn.example.org/", "inadyn ends");

    let chunked =
        Scripted::serve(|request| {
            Reply::closing(good(request).replace(
                "Content-Length: 7\r\n\r\nbadauth",
                "Transfer-Encoding: chunked\r\n\r\n7\r\nbadauth\r\n0\r\n\r\n",
            ))
        });
    chunked.is_found("length", "Transfer-Encoding: chunked", "ddclient up to 3.10");

    let no_length = Scripted::serve(|request| Reply::closing(good(request).replace("Content-Length: 7\r\n", "")));
    no_length.is_found("length", "neither Content-Length nor chunks", "uclient-fetch");

    let kept_open = Scripted::serve(|request| Reply { text: good(request), closes: !request.contains("HTTP/1.0") });
    kept_open.is_found("http-1.0", "the connection is kept open", "hang");

    let no_source = Scripted::serve(|request| {
        let unknown = "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 3\r\n\r\n911".to_owned();
        Reply::closing(if request.contains("/nic/update") { good(request) } else { unknown })
    });
    no_source.is_found("checkip-ipv4", "503 `911`", "NIC53_TRUSTED_PROXIES");

    let talkative = Scripted::serve(|request| {
        Reply::closing(good(request).replace("Content-Length", "Via: 1.1 10.0.0.7\r\nContent-Length"))
    });
    talkative.is_found("checkip-ipv4", "the header Via contains 10.0.0.7", "ddclient");

    let hostile = Scripted::serve(|request| {
        let moved = "HTTP/1.1 301 Moved\r\nLocation: https://x/\x1b[2J\u{202e}\r\nContent-Length: 0\r\n\r\n".to_owned();
        Reply::closing(if request.contains("/nic/update") { moved } else { good(request) })
    });
    hostile.is_found("challenge", r"301 to https://x/\u{1b}[2J\u{202e}", "inadyn ends");

    // In capitals, and cut where a line ends.
    let echo = Scripted::serve(|request| {
        let echoed = "-".repeat(51) + "P76TF75AR94AM7G7PCJZRYJR";
        let open = good(request).replace("401 Unauthorized", "200 OK");
        Reply::closing(open.replace("Content-Length: 7", "Content-Length: 75").replace("badauth", &echoed))
    });
    let seen = check(&[&echo.url], None);
    seen.has("challenge", "wrong", "--…`");
    assert!(!format!("{seen:?}").contains("P76TF"), "{seen:?}");

    let silent = Scripted::serve(|_| Reply { text: String::new(), closes: false });
    silent.is_found("challenge", "no answer within 2 s", "gateway runs");

    let hanging_up = Scripted::serve(|_| Reply::closing(String::new()));
    hanging_up.is_found("challenge", "ended without a response", "gateway runs");

    let foreign = Scripted::serve(|_| Reply::closing("SSH-2.0-OpenSSH_9\r\n\r\n\r\n".to_owned()));
    foreign.is_found("challenge", "not HTTP/1", "gateway runs");
}

/// Another server might take `no` for no address, and set that of the connection.
#[test]
fn a_server_that_is_not_nic53_gets_no_token() {
    let other = Scripted::serve(|request| Reply::closing(good(request).replace("nic53", "DynDNS")));
    let gateway = gateway();
    let dns = gateway.dns.as_deref().expect("a DNS server");
    let arguments = [&other.url, HOST, "--name-server", dns, "--resolver", dns, "--wait", "0"];

    let seen = check(&arguments, Some("p76tf75ar94am7g7pcjzryjr"));

    seen.has("token", "skipped", "does not call itself nic53");
    assert!(!other.heard("Authorization: ") && !other.heard(HOST), "{:?}", other.requests);
}

#[test]
fn a_gateway_that_is_not_there_is_wrong() {
    let nowhere = TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("an address");
    let seen = check(&[&format!("http://{nowhere}")], None);
    assert_eq!(seen.code, 1, "{seen:?}");
    seen.has("ipv4", "wrong", "the connection is refused");
    let seen = check(&["http://no-such-name.invalid"], None);
    // Without any resolver it could not be told.
    assert!([1, 75].contains(&seen.code), "{seen:?}");
}

// How it is told

#[test]
fn a_pipe_has_one_line_a_step() {
    let gateway = gateway();
    let finished = program(NIC53).args(&["check", &format!("http://{}", gateway.http)]).start().finish();
    assert_eq!((finished.code, finished.stderr.as_str()), (Some(0), ""));
    let lines: Vec<_> = finished.stdout.lines().collect();
    assert_eq!(lines.len(), 7, "{lines:?}");
    let known = |line: &&str| line.starts_with("ok ") || line.starts_with("note checkip-ipv4: ");
    assert!(lines.iter().all(known) && !finished.stdout.contains('\x1b'), "{lines:?}");
}

// Running it

const NIC53: &str = env!("CARGO_BIN_EXE_nic53");

/// `nic53 serve` with the zone example.com in its own store.
fn gateway() -> Nic53 {
    Nic53::serve(&SETTINGS, &["--dns", "127.0.0.1:0"])
}

/// What a check told.
#[derive(Debug)]
struct Seen {
    code: i32,
    report: Value,
}

impl Seen {
    fn severity(&self) -> &str {
        self.report["severity"].as_str().unwrap_or_default()
    }

    fn step(&self, name: &str) -> Option<&Value> {
        self.report["steps"].as_array()?.iter().find(|step| step["step"] == name)
    }

    /// Asserts that a step has this verdict, and these words in what it says.
    #[track_caller]
    fn has(&self, name: &str, severity: &str, words: &str) {
        let step = self.step(name).unwrap_or_else(|| panic!("no {name} in {self:#?}"));
        assert_eq!(step["severity"], severity, "{step:#}");
        let texts = ["observed", "meaning", "advice"].map(|part| step[part].as_str().unwrap_or_default()).join("\n");
        assert!(texts.contains(words), "{words:?} is not in {texts}");
        if severity == "wrong" {
            assert!(!step["meaning"].as_str().unwrap_or_default().is_empty(), "{step:#}");
            assert!(!step["advice"].as_str().unwrap_or_default().is_empty(), "{step:#}");
        }
    }
}

/// Runs a check. Nothing that it writes may have the token in it.
fn check(arguments: &[&str], token: Option<&str>) -> Seen {
    let mut command = program(NIC53).args(&["check", "--json", "--timeout", "2"]).args(arguments);
    if let Some(token) = token {
        command = command.file("token", token).args(&["--token-file", "token"]);
    }
    let Finished { code, stdout, stderr } = command.start().finish();
    assert_eq!(stderr, "", "{arguments:?}");
    assert!(token.is_none_or(|token| !stdout.contains(token)), "{stdout}");
    let report = serde_json::from_str(&stdout).unwrap_or_else(|error| panic!("{error}: {stdout}"));
    Seen { code: code.expect("an exit code"), report }
}

/// Checks a host of a real gateway, asking its own DNS server.
fn check_record(gateway: &Nic53, token: &str, more: &[&str]) -> Seen {
    let url = format!("http://{}", gateway.http);
    let dns = gateway.dns.as_deref().expect("a DNS server");
    check(&[&[&url, HOST, "--name-server", dns, "--resolver", dns, "--wait", "0"], more].concat(), Some(token))
}

// Stand-ins

/// Requests as they were heard.
type Heard = Arc<Mutex<Vec<String>>>;

/// A server that says what a test wants.
struct Scripted {
    url: String,
    requests: Heard,
}

/// What it says, and whether it ends the connection then.
struct Reply {
    text: String,
    closes: bool,
}

impl Reply {
    fn closing(text: String) -> Self {
        Self { text, closes: true }
    }
}

impl Scripted {
    fn serve(answer: impl Fn(&str) -> Reply + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let requests = Heard::default();
        let heard = Arc::clone(&requests);
        thread::spawn(move || {
            let mut open = Vec::new();
            for mut stream in listener.incoming().flatten() {
                let Ok(request) = read_head(&mut stream) else { continue };
                let reply = answer(&request);
                heard.lock().expect("a test that lives").push(request);
                let _ = stream.write_all(reply.text.as_bytes());
                if !reply.closes {
                    open.push(stream);
                }
            }
        });
        Self { url, requests }
    }

    fn heard(&self, words: &str) -> bool {
        self.requests.lock().expect("a server that lives").iter().any(|request| request.contains(words))
    }

    /// Asserts that a check of it notes that, and finds nothing wrong.
    #[track_caller]
    fn is_noted(&self, step: &str, saw: &str, explained: &str) {
        let seen = check(&[&self.url], None);
        assert_eq!((seen.code, seen.severity()), (0, "ok"), "{seen:?}");
        seen.has(step, "note", saw);
        seen.has(step, "note", explained);
    }

    /// Asserts that a check of it is wrong there, and says so.
    #[track_caller]
    fn is_found(&self, step: &str, saw: &str, explained: &str) {
        let seen = check(&[&self.url], None);
        assert_eq!((seen.code, seen.severity()), (1, "wrong"), "{seen:?}");
        seen.has(step, "wrong", saw);
        seen.has(step, "wrong", explained);
    }
}

/// What a gateway that does nothing wrong says.
fn good(request: &str) -> String {
    if request.contains("/nic/update") {
        let challenge = "WWW-Authenticate: Basic realm=\"nic53\"";
        return format!("HTTP/1.1 401 Unauthorized\r\n{challenge}\r\nContent-Length: 7\r\n\r\nbadauth");
    }
    let page = "<body>Current IP Address: 127.0.0.1</body>";
    format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{page}", page.len())
}

/// The head of a request.
fn read_head(stream: &mut impl Read) -> io::Result<String> {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        if stream.read(&mut byte)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        head.push(byte[0]);
    }
    Ok(String::from_utf8_lossy(&head).into_owned())
}

/// An authority that makes certificates, and the file with its own.
struct Authority {
    issuer: Issuer<'static, KeyPair>,
    certificate: CertificateDer<'static>,
    file: String,
    /// Removed with it.
    _folder: TempDir,
}

/// A certificate, that of its issuer, and the key.
struct Leaf {
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
}

/// A certificate that is its own issuer.
struct SelfSigned {
    leaf: Leaf,
    pem: String,
}

impl Leaf {
    /// A certificate for an address or a name, signed by its own key.
    fn self_signed(name: &str, is_ca: IsCa) -> SelfSigned {
        let key = KeyPair::generate().expect("a key");
        let mut wanted = CertificateParams::new([name.to_owned()]).expect("a name");
        wanted.distinguished_name.push(DnType::CommonName, name);
        wanted.is_ca = is_ca;
        wanted.not_after = OffsetDateTime::now_utc() + time::Duration::days(90);
        let certificate = wanted.self_signed(&key).expect("a certificate");
        let key = PrivateKeyDer::try_from(key.serialize_der()).expect("a key");
        SelfSigned { pem: certificate.pem(), leaf: Leaf { chain: vec![certificate.der().clone()], key } }
    }
}

impl Authority {
    fn new(name: &str) -> Self {
        let key = KeyPair::generate().expect("a key");
        let mut wanted = CertificateParams::default();
        wanted.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        wanted.distinguished_name.push(DnType::CommonName, name);
        let certificate = wanted.self_signed(&key).expect("a certificate");
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("authority.pem");
        fs::write(&path, certificate.pem()).expect("room for a file");
        Self {
            issuer: Issuer::new(wanted, key),
            certificate: certificate.der().clone(),
            file: path.to_string_lossy().into_owned(),
            _folder: folder,
        }
    }

    /// A certificate for a name or an address that ends after so many days.
    fn leaf(&self, name: &str, days: i64) -> Leaf {
        let key = KeyPair::generate().expect("a key");
        let mut wanted = CertificateParams::new([name.to_owned()]).expect("a name");
        wanted.distinguished_name.push(DnType::CommonName, "dyn.example.com");
        let now = OffsetDateTime::now_utc();
        wanted.not_before = now - time::Duration::days(90);
        // Half a day more, so that the days left are those.
        wanted.not_after = now + time::Duration::days(days) + time::Duration::hours(12);
        let certificate = wanted.signed_by(&key, &self.issuer).expect("a certificate");
        let chain = vec![certificate.der().clone(), self.certificate.clone()];
        Leaf { chain, key: PrivateKeyDer::try_from(key.serialize_der()).expect("a key") }
    }
}

/// A server that ends TLS in front of another.
struct Tls {
    url: String,
    requests: Heard,
}

impl Tls {
    fn serve(leaf: &Leaf, versions: &[&'static SupportedProtocolVersion], upstream: &str) -> Self {
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_protocol_versions(versions)
            .expect("versions that ring has")
            .with_no_client_auth()
            .with_single_cert(leaf.chain.clone(), leaf.key.clone_key())
            .expect("a certificate with its key");
        let (config, upstream) = (Arc::new(config), upstream.to_owned());
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let url = format!("https://{}", listener.local_addr().expect("an address"));
        let requests = Heard::default();
        let heard = Arc::clone(&requests);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                // The client says what it thinks of a connection that breaks.
                let _ = end_tls(stream, &config, &upstream, &heard);
            }
        });
        Self { url, requests }
    }

    fn heard(&self, words: &str) -> bool {
        self.requests.lock().expect("a server that lives").iter().any(|request| request.contains(words))
    }
}

/// Passes one request on, and its reply back.
fn end_tls(stream: TcpStream, config: &Arc<ServerConfig>, upstream: &str, heard: &Heard) -> io::Result<()> {
    let connection = ServerConnection::new(Arc::clone(config)).map_err(io::Error::other)?;
    let mut downstream = StreamOwned::new(connection, stream);
    let request = read_head(&mut downstream)?;
    let mut upstream = TcpStream::connect(upstream)?;
    upstream.write_all(request.as_bytes())?;
    heard.lock().expect("a test that lives").push(request);
    let mut reply = Vec::new();
    upstream.read_to_end(&mut reply)?;
    downstream.write_all(&reply)?;
    downstream.conn.send_close_notify();
    downstream.flush()
}
