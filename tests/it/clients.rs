//! Real clients, as Debian ships them, against the real server. What counts is what the client
//! makes of the answer, and the record that the DNS server hands out afterwards.

use crate::support::{
    clients::{self, inadyn},
    dig::dig,
    process::{Finished, Nic53, program},
    reverse_proxy::reverse_proxy,
};
use base64::prelude::{BASE64_STANDARD, Engine};

// ddclient

#[test]
fn ddclient_sets_an_address_and_then_finds_it_unchanged() {
    let gateway = gateway();
    let token = gateway.token(&["home.example.com"]);
    let account = format!("login=home.example.com\npassword={token}\nhome.example.com");

    let first = ddclient(&gateway.http, "use=ip, ip=198.51.100.7", &account);
    assert_says(&first, "home.example.com: good: IP address set to 198.51.100.7");
    assert_eq!(first.code, Some(0), "{first:?}");
    assert_eq!(dig(&gateway, "home.example.com", "A"), ["198.51.100.7"]);

    // Each run has a cache of its own, so the second does not know of the first.
    let second = ddclient(&gateway.http, "use=ip, ip=198.51.100.7", &account);
    assert_says(&second, "home.example.com: nochg: No update required");
    assert_eq!(second.code, Some(0), "{second:?}");
    assert_eq!(dig(&gateway, "home.example.com", "A"), ["198.51.100.7"]);
}

#[test]
fn ddclient_sets_ipv6_next_to_ipv4() {
    let gateway = gateway();
    let token = gateway.token(&["home.example.com"]);
    let account = format!("login=home.example.com\npassword={token}\nhome.example.com");

    ddclient(&gateway.http, "use=ip, ip=198.51.100.7", &account);
    let second = ddclient(&gateway.http, "use=ip, ip=2001:db8::7", &account);

    assert_says(&second, "home.example.com: good: IP address set to 2001:db8::7");
    assert_eq!(dig(&gateway, "home.example.com", "A"), ["198.51.100.7"]);
    assert_eq!(dig(&gateway, "home.example.com", "AAAA"), ["2001:db8::7"]);
}

#[test]
fn ddclient_sets_several_hosts_in_one_request() {
    let gateway = gateway();
    let token = gateway.token(&["example.com", "--subtree"]);
    let account = format!("login=example.com\npassword={token}\nhome.example.com,nas.example.com,example.com");

    let finished = ddclient(&gateway.http, "use=ip, ip=198.51.100.7", &account);

    assert_eq!(finished.code, Some(0), "{finished:?}");
    for host in ["home.example.com", "nas.example.com", "example.com"] {
        assert_says(&finished, &format!("{host}: good: IP address set to 198.51.100.7"));
        assert_eq!(dig(&gateway, host, "A"), ["198.51.100.7"], "{host}");
    }
}

#[test]
fn ddclient_learns_which_of_its_hosts_was_refused() {
    let gateway = gateway();
    let token = gateway.token(&["home.example.com"]);
    let account = format!("login=home.example.com\npassword={token}\nhome.example.com,nas.example.com");

    let finished = ddclient(&gateway.http, "use=ip, ip=198.51.100.7", &account);

    assert_says(&finished, "home.example.com: good: IP address set to 198.51.100.7");
    assert_says(&finished, "nas.example.com: nohost");
    assert_eq!(finished.code, Some(1), "{finished:?}");
    assert_eq!(dig(&gateway, "home.example.com", "A"), ["198.51.100.7"]);
    assert_eq!(dig(&gateway, "nas.example.com", "A"), [""; 0]);
}

#[test]
fn ddclient_with_a_foreign_token_sets_nothing() {
    let gateway = gateway();
    let token = gateway.token(&["nas.example.com"]);
    let account = format!("login=home.example.com\npassword={token}\nhome.example.com");

    let finished = ddclient(&gateway.http, "use=ip, ip=198.51.100.7", &account);

    assert_says(&finished, "home.example.com: authorization failed");
    assert_eq!(finished.code, Some(1), "{finished:?}");
    assert_eq!(dig(&gateway, "home.example.com", "A"), [""; 0]);
}

/// ddclient's own examples have a comma after the password, and it sends that comma.
#[test]
fn ddclient_may_take_the_comma_into_its_password() {
    let gateway = gateway();
    let token = gateway.token(&["home.example.com"]);
    let account = format!("login=home.example.com, password={token}, home.example.com");

    let finished = ddclient(&gateway.http, "use=ip, ip=198.51.100.7", &account);

    let sent = BASE64_STANDARD.encode(format!("home.example.com:{token},").as_bytes());
    assert_says(&finished, &format!("Authorization: Basic {sent}"));
    assert_says(&finished, "home.example.com: good: IP address set to 198.51.100.7");
    assert_eq!(dig(&gateway, "home.example.com", "A"), ["198.51.100.7"]);
}

#[test]
fn ddclient_learns_its_address_from_checkip() {
    let gateway = gateway_behind_a_proxy();
    let proxy = reverse_proxy(&gateway.http, "203.0.113.9");
    let token = gateway.token(&["home.example.com"]);
    let account = format!("login=home.example.com\npassword={token}\nhome.example.com");

    let checkip = format!("use=web, web=http://{proxy}/checkip, web-skip='Current IP Address:'");
    let finished = ddclient(&proxy, &checkip, &account);

    assert_says(&finished, "home.example.com: good: IP address set to 203.0.113.9");
    assert_eq!(dig(&gateway, "home.example.com", "A"), ["203.0.113.9"]);
}

// inadyn

#[test]
fn inadyn_sets_an_address_and_then_finds_it_unchanged() {
    let gateway = gateway();
    let token = gateway.token(&["home.example.com"]);
    let config = inadyn_config(&gateway.http, "home.example.com", &token, "198.51.100.7");

    let first = inadyn(&config).finish();
    assert_says(&first, "GET /nic/update?hostname=home.example.com&myip=198.51.100.7 HTTP/1.0");
    assert_says(&first, "\ngood 198.51.100.7\n");
    assert_says(&first, "Updating cache for home.example.com");
    assert_eq!(first.code, Some(0), "{first:?}");
    assert_eq!(dig(&gateway, "home.example.com", "A"), ["198.51.100.7"]);

    // Each run has a cache of its own, so the second does not know of the first.
    let second = inadyn(&config).finish();
    assert_says(&second, "\nnochg 198.51.100.7\n");
    assert_says(&second, "Updating cache for home.example.com");
    assert_eq!(second.code, Some(0), "{second:?}");
}

#[test]
fn inadyn_sets_ipv6_next_to_ipv4() {
    let gateway = gateway();
    let token = gateway.token(&["home.example.com"]);

    for address in ["198.51.100.7", "2001:db8::7"] {
        let config = inadyn_config(&gateway.http, "home.example.com", &token, address);
        let finished = inadyn(&config).finish();
        assert_says(&finished, &format!("\ngood {address}\n"));
        assert_eq!(finished.code, Some(0), "{finished:?}");
    }

    assert_eq!(dig(&gateway, "home.example.com", "A"), ["198.51.100.7"]);
    assert_eq!(dig(&gateway, "home.example.com", "AAAA"), ["2001:db8::7"]);
}

#[test]
fn inadyn_sets_several_hosts_one_by_one() {
    let gateway = gateway();
    let token = gateway.token(&["example.com", "--subtree"]);
    let hosts = r#"hostname = { "home.example.com", "nas.example.com" }"#;
    let config =
        inadyn_config(&gateway.http, "example.com", &token, "198.51.100.7").replace("hostname = example.com", hosts);

    let finished = inadyn(&config).finish();

    assert_eq!(finished.code, Some(0), "{finished:?}");
    for host in ["home.example.com", "nas.example.com"] {
        assert_says(&finished, &format!("Updating cache for {host}"));
        assert_eq!(dig(&gateway, host, "A"), ["198.51.100.7"], "{host}");
    }
}

/// inadyn leaves for good on any 4xx: it is meant to, with a token that is wrong.
#[test]
fn inadyn_with_a_foreign_token_sets_nothing_and_gives_up() {
    let gateway = gateway();
    let token = gateway.token(&["nas.example.com"]);
    let config = inadyn_config(&gateway.http, "home.example.com", &token, "198.51.100.7");

    let finished = inadyn(&config).finish();

    assert_says(&finished, "[401 Unauthorized] badauth");
    assert_eq!(finished.code, Some(50), "{finished:?}");
    assert_eq!(dig(&gateway, "home.example.com", "A"), [""; 0]);
}

#[test]
fn inadyn_takes_nohost_for_a_refusal() {
    let gateway = gateway();
    let token = gateway.token(&["home.example.com"]);
    let config = inadyn_config(&gateway.http, "home.example.com", &token, "198.51.100.7")
        .replace("hostname = home.example.com", "hostname = nas.example.com");

    let finished = inadyn(&config).finish();

    assert_says(&finished, "[200 OK] nohost");
    assert_eq!(finished.code, Some(48), "{finished:?}");
    assert_eq!(dig(&gateway, "nas.example.com", "A"), [""; 0]);
}

/// Loopback is never published, so there is nothing to set: `dnserr`, which must not end inadyn.
#[test]
fn inadyn_tries_again_after_dnserr() {
    let gateway = gateway();
    let token = gateway.token(&["home.example.com"]);
    let config = inadyn_config(&gateway.http, "home.example.com", &token, "127.0.0.1")
        .replace("verify-address = true", "verify-address = false");

    let inadyn = inadyn(&config);

    inadyn.wait_for("its next try", |streams| {
        let dnserr = streams.stderr.contains("[503 Service Unavailable] dnserr");
        let again = streams.stderr.contains("Will retry again in 600 sec");
        (dnserr && again).then_some(())
    });
    gateway.logged(&["dnserr", "home.example.com"]);
    assert_eq!(dig(&gateway, "home.example.com", "A"), [""; 0]);
}

#[test]
fn inadyn_learns_its_address_from_checkip() {
    let gateway = gateway_behind_a_proxy();
    let proxy = reverse_proxy(&gateway.http, "203.0.113.9");
    let token = gateway.token(&["home.example.com"]);
    let checkip = format!("checkip-server = \"{proxy}\"\n checkip-path = /checkip");
    let config = inadyn_config(&proxy, "home.example.com", &token, "").replace("checkip-command = \"echo \"", &checkip);

    let finished = inadyn(&config).finish();

    assert_says(&finished, "Checked my IP, return code 0: OK");
    assert_says(&finished, "\ngood 203.0.113.9\n");
    assert_eq!(finished.code, Some(0), "{finished:?}");
    assert_eq!(dig(&gateway, "home.example.com", "A"), ["203.0.113.9"]);
}

// GNU wget, which OpenWrt and DrayTek have: it sends its credentials only when it is asked for them.

#[test]
fn wget_answers_the_challenge() {
    let gateway = gateway();
    let token = gateway.token(&["home.example.com"]);
    let user = "--user=home.example.com";
    let password = format!("--password={token}");
    let query = "/nic/update?hostname=home.example.com&myip=198.51.100.7";

    let by_option = wget(&[user, &password, &format!("http://{}{query}", gateway.http)]);
    assert_eq!(statuses(&by_option), ["401", "200"], "{by_option:?}");
    assert_eq!(by_option.stdout, "good 198.51.100.7");
    assert_eq!(by_option.code, Some(0));
    assert_eq!(dig(&gateway, "home.example.com", "A"), ["198.51.100.7"]);

    let url = format!("http://home.example.com:{token}@{}{query}", gateway.http);
    let by_url = wget(&[&url]);
    assert_eq!(statuses(&by_url), ["401", "200"], "{by_url:?}");
    assert_eq!(by_url.stdout, "nochg 198.51.100.7");
    assert_eq!(by_url.code, Some(0));
}

#[test]
fn wget_with_a_foreign_token_sets_nothing() {
    let gateway = gateway();
    let token = gateway.token(&["nas.example.com"]);
    let address = &gateway.http;
    let query = "/nic/update?hostname=home.example.com&myip=198.51.100.7";

    let finished = wget(&[&format!("http://home.example.com:{token}@{address}{query}")]);

    assert_eq!(statuses(&finished), ["401", "401"], "{finished:?}");
    assert_says(&finished, "Username/Password Authentication Failed.");
    assert_eq!(finished.code, Some(6));
    assert_eq!(dig(&gateway, "home.example.com", "A"), [""; 0]);
}

#[test]
fn wget_without_myip_means_the_address_it_comes_from() {
    let gateway = gateway_behind_a_proxy();
    let proxy = reverse_proxy(&gateway.http, "203.0.113.9");
    let token = gateway.token(&["home.example.com"]);

    let url = format!("http://home.example.com:{token}@{proxy}/nic/update");
    let finished = wget(&["--no-http-keep-alive", &url]);

    assert_eq!(finished.stdout, "good 203.0.113.9", "{finished:?}");
    assert_eq!(finished.code, Some(0));
    assert_eq!(dig(&gateway, "home.example.com", "A"), ["203.0.113.9"]);
}

#[test]
fn wget_and_curl_read_checkip() {
    let gateway = gateway_behind_a_proxy();
    let proxy = reverse_proxy(&gateway.http, "2001:db8::9");
    let page = "<html><head><title>Current IP Check</title></head>\
                <body>Current IP Address: 2001:db8::9</body></html>";

    for (path, body) in [("/checkip", page), ("/", page), ("/ip", "2001:db8::9")] {
        let url = format!("http://{proxy}{path}");
        assert_eq!(wget(&["--no-http-keep-alive", &url]).stdout, body, "{path}");
        assert_eq!(curl(&["--http1.0", &url]).stdout, body, "{path}");
    }
}

// curl, which sends its credentials at once.

#[test]
fn curl_sets_both_families_of_several_hosts() {
    let gateway = gateway();
    let token = gateway.token(&["example.com", "--subtree"]);
    let user = format!("example.com:{token}");
    let url = format!("http://{}/nic/update", gateway.http);

    let query = "?hostname=home.example.com,nas.example.com&myip=2001:db8::7,198.51.100.7";
    let finished = curl(&["--user", &user, &format!("{url}{query}")]);

    let line = "good 198.51.100.7,2001:db8::7";
    assert_eq!(finished.stdout, format!("{line}\n{line}"), "{finished:?}");
    for host in ["home.example.com", "nas.example.com"] {
        assert_eq!(dig(&gateway, host, "A"), ["198.51.100.7"], "{host}");
        assert_eq!(dig(&gateway, host, "AAAA"), ["2001:db8::7"], "{host}");
    }
}

#[test]
fn curl_may_send_a_form() {
    let gateway = gateway();
    let token = gateway.token(&["home.example.com"]);
    let user = format!("home.example.com:{token}");
    let url = format!("http://{}/nic/update", gateway.http);

    for method in ["POST", "PUT"] {
        let form = "hostname=home.example.com&myip=198.51.100.7";
        curl(&["--user", &user, "--request", method, "--data", form, &url]);
        assert_eq!(dig(&gateway, "home.example.com", "A"), ["198.51.100.7"], "{method}");

        let form = "hostname=home.example.com&myip=198.51.100.8";
        let finished = curl(&["--user", &user, "--request", method, "--data", form, &url]);
        assert_eq!(finished.stdout, "good 198.51.100.8", "{method}: {finished:?}");
        assert_eq!(dig(&gateway, "home.example.com", "A"), ["198.51.100.8"], "{method}");
    }
}

/// Anybody can write this header, so it does not count without a trusted proxy.
#[test]
fn curl_is_not_believed_without_a_proxy() {
    let gateway = gateway();
    let token = gateway.token(&["home.example.com"]);
    let user = format!("home.example.com:{token}");
    let url = format!("http://{}/nic/update", gateway.http);

    let forged = "X-Forwarded-For: 203.0.113.9";
    let finished = curl(&["--include", "--user", &user, "--header", forged, &url]);

    assert_eq!(statuses(&finished), ["503"], "{finished:?}");
    assert!(finished.stdout.ends_with("\r\n\r\ndnserr"), "{finished:?}");
    assert_eq!(dig(&gateway, "home.example.com", "A"), [""; 0]);
}

#[test]
fn curl_cannot_update_with_head() {
    let gateway = gateway();
    let token = gateway.token(&["home.example.com"]);
    let user = format!("home.example.com:{token}");
    let url = format!("http://{}/nic/update?myip=198.51.100.7", gateway.http);

    let finished = curl(&["--head", "--user", &user, &url]);

    assert_eq!(statuses(&finished), ["405"], "{finished:?}");
    assert_eq!(dig(&gateway, "home.example.com", "A"), [""; 0]);
}

// The programs

/// `nic53 serve` with the zone example.com in its own store.
fn gateway() -> Nic53 {
    gateway_with(&[])
}

/// The same, which trusts a proxy on this machine to name the source address.
fn gateway_behind_a_proxy() -> Nic53 {
    gateway_with(&[("NIC53_TRUSTED_PROXIES", "127.0.0.0/8")])
}

/// The same, with these settings too.
fn gateway_with(more: &[(&str, &str)]) -> Nic53 {
    let settings = [("NIC53_ZONES", "example.com=EMBEDDED"), ("NIC53_SECRET", "the-secret-of-the-real-clients-tests")];
    Nic53::serve(&[&settings, more].concat(), &["--dns", "127.0.0.1:0"])
}

/// Runs ddclient once, with an empty cache.
fn ddclient(server: &str, address: &str, account: &str) -> Finished {
    let config = format!("ssl=no\n{address}\nprotocol=dyndns2\nserver={server}\n{account}\n");
    clients::ddclient(&config)
}

/// A configuration of inadyn for one host. Its `provider {}` sections have their servers built in,
/// so it is `custom {}` that reaches another.
fn inadyn_config(server: &str, host: &str, token: &str, address: &str) -> String {
    format!(
        r#"
        allow-ipv6 = true
        verify-address = true
        custom nic53 {{
            ssl = false
            ddns-server = "{server}"
            ddns-path = "/nic/update?hostname=%h&myip=%i"
            username = {host}
            password = {token}
            hostname = {host}
            checkip-ssl = false
            checkip-command = "echo {address}"
        }}
        "#
    )
}

/// Runs wget, which writes the headers of every reply to its log.
fn wget(arguments: &[&str]) -> Finished {
    program("wget").args(&["--server-response", "--output-document=-"]).args(arguments).start().finish()
}

/// Runs curl.
fn curl(arguments: &[&str]) -> Finished {
    program("curl").args(&["--silent", "--show-error"]).args(arguments).start().finish()
}

/// The status of every reply that wget or curl shows.
fn statuses(finished: &Finished) -> Vec<&str> {
    let lines = finished.stdout.lines().chain(finished.stderr.lines());
    lines.filter_map(|line| line.trim_start().strip_prefix("HTTP/1.1 ")?.split(' ').next()).collect()
}

/// Fails unless a program has printed these words, to either stream.
#[track_caller]
fn assert_says(finished: &Finished, words: &str) {
    let is_printed = finished.stdout.contains(words) || finished.stderr.contains(words);
    assert!(is_printed, "{words:?} is not in {finished:#?}");
}
