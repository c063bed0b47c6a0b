//! What `nic53 setup` prints, used as it is meant to be: files are fed to the program that reads them, commands are
//! run, and what a device would fill in is filled in as that device does it. What counts is the record that the DNS
//! server hands out afterwards.

use crate::support::{
    clients::{ddclient, inadyn},
    dig,
    process::{Finished, Nic53, Program, program},
    reverse_proxy::reverse_proxy,
};

const HOST: &str = "home.example.com";
const NAS: &str = "nas.example.com";
/// The address that a device knows of itself.
const OWN: &str = "198.51.100.7";
/// The address that its requests come from.
const SEEN: &str = "203.0.113.9";

// Programs that Debian has

#[test]
fn ddclient_reads_the_file_for_version_3() {
    let gateway = Gateway::start();

    let finished = ddclient(&gateway.setup("ddclient3", &[HOST, NAS]));

    assert_eq!(finished.code, Some(0), "{finished:?}");
    for host in [HOST, NAS] {
        assert_says(&finished, &format!("{host}: good: IP address set to {SEEN}"));
        assert_eq!(gateway.dig(host, "A"), [SEEN], "{host}");
    }
}

/// The gateway is asked over IPv6 then; here a proxy says so.
#[test]
fn a_second_ddclient_moves_the_other_family() {
    let gateway = Gateway::start();
    let url = format!("http://{}", reverse_proxy(&gateway.serving.http, "2001:db8::7"));
    let file = gateway.setup_at("ddclient3", &[HOST], &url);
    assert!(file.contains(&format!("cmd='curl -4 -s {url}/ip'")), "{file}");

    let finished = ddclient(&file.replace("curl -4", "curl"));

    assert_eq!(finished.code, Some(0), "{finished:?}");
    assert_eq!((gateway.dig(HOST, "A"), gateway.dig(HOST, "AAAA")), (vec![], vec!["2001:db8::7".to_owned()]));
}

#[test]
fn ddclient_reads_the_file_for_version_4() {
    let gateway = Gateway::start();

    let finished = ddclient(&gateway.setup("ddclient4", &[HOST, NAS]));

    assert_eq!(finished.code, Some(0), "{finished:?}");
    for host in [HOST, NAS] {
        assert_eq!(gateway.dig(host, "A"), [SEEN], "{host}: {finished:?}");
    }
}

#[test]
fn ddclient_behind_a_path_asks_there() {
    let gateway = Gateway::start();
    let url = format!("http://{}/prod", gateway.proxy);

    let finished = ddclient(&gateway.setup_at("ddclient3", &[HOST], &url));

    assert_says(&finished, "GET /prod/nic/update?");
    assert_eq!(gateway.dig(HOST, "A"), [SEEN], "{finished:?}");
}

#[test]
fn inadyn_reads_the_file_with_custom_sections() {
    let gateway = Gateway::start();

    let finished = inadyn(&gateway.setup("inadyn", &[HOST, NAS])).finish();

    assert_eq!(finished.code, Some(0), "{finished:?}");
    for host in [HOST, NAS] {
        assert_says(&finished, &format!("GET /nic/update?hostname={host}&myip={SEEN} HTTP/1.0"));
        assert_eq!(gateway.dig(host, "A"), [SEEN], "{host}");
    }
}

/// Debian's own start script, with the lines that the text gives for /etc/default/inadyn.
#[test]
fn inadyn_goes_on_after_an_error_as_debian_starts_it() {
    let text = include_str!("../../src/recipes/inadyn.md");
    let lines: Vec<&str> = text.split('`').filter(|code| code.contains("=\"")).collect();
    let settings = lines.join("\n");
    assert_eq!(settings, "RUN_DAEMON=\"yes\"\nCONFIG=\"/etc/inadyn.conf --continue-on-error\"");

    let script = r#"set -e
        mkdir bin
        printf '#!/bin/sh\necho "$*"\n' >bin/start-stop-daemon
        printf '#!/bin/sh\n' >bin/chown
        chmod +x bin/*
        sed -e 's|^PATH=|PATH=bin:|' -e 's|^DEFAULT=.*|DEFAULT=./default|' -e 's|^CACHEDIR=.*|CACHEDIR=cache|' \
            -e 's|>.*/dev/null||' /etc/init.d/inadyn >start
        sh start start"#;
    let finished = program("sh").file("default", &settings).args(&["-c", script]).start().finish();

    assert_says(&finished, "--config /etc/inadyn.conf --continue-on-error --drop-privs debian-inadyn:debian-inadyn");
}

#[test]
fn inadyn_reads_the_files_for_tls() {
    let gateway = Gateway::start();
    for client in ["inadyn", "inadyn-provider"] {
        let file = gateway.setup_at(client, &[HOST, NAS], "https://dyn.example.org:8443/prod");
        let checked = program("inadyn")
            .file("inadyn.conf", &file)
            .args(&["--check-config", "--config=inadyn.conf"])
            .start()
            .finish();
        assert_eq!(checked.code, Some(0), "{client}: {checked:?}");
    }
}

/// The section goes to members.dyndns.org, so that inadyn reads it and the request is played.
#[test]
fn inadyn_reads_the_file_with_a_provider() {
    let gateway = Gateway::start();
    let file = gateway.setup("inadyn-provider", &[HOST, NAS]);

    let checked =
        program("inadyn").file("inadyn.conf", &file).args(&["--check-config", "--config=inadyn.conf"]).start().finish();
    assert_eq!(checked.code, Some(0), "{checked:?}");

    let value = |key: &str| quoted(line(&file, &format!("{key} = ")));
    let user = format!("{}:{}", value("username"), value("password"));
    let url = format!("{}/nic/update?hostname={}&myip={OWN}", gateway.url(), value("hostname"));
    assert_eq!(curl(&["--http1.0", "--user", &user, &url]), format!("good {OWN}"));
    assert_eq!(gateway.dig(HOST, "A"), [OWN]);
}

/// As the gateway writes it, with the `/` escaped.
#[test]
fn inadyn_reads_what_unifi_makes_of_the_form() {
    let gateway = Gateway::start();
    let form = gateway.setup("unifi", &[HOST]);
    let (server, path) = field(&form, "Server").split_once('/').expect("a path");

    let config = format!(
        r#"custom {server}:1 {{
            hostname = "{}"
            username = "{}"
            password = "{}"
            ddns-server = "{server}"
            ddns-path = "\/{path}"
            ssl = false
            checkip-command = "echo {OWN}"
        }}"#,
        field(&form, "Hostname"),
        field(&form, "Username"),
        field(&form, "Password"),
    );
    let finished = inadyn(&config).finish();

    assert_eq!(finished.code, Some(0), "{finished:?}");
    assert_eq!(gateway.dig(HOST, "A"), [OWN]);
}

/// As DD-WRT's `services/ddns.c` writes it.
#[test]
fn inadyn_reads_what_dd_wrt_makes_of_the_form() {
    let gateway = Gateway::start();
    let form = gateway.setup("dd-wrt", &[HOST]);

    let config = format!(
        r#"custom namecheap {{
            username = "{}"
            password = "{}"
            hostname = {{"{}"}}
            ssl = false
            ddns-server = "{}"
            ddns-path = "{}"
            checkip-command = "echo {OWN}"
        }}"#,
        field(&form, "User Name"),
        field(&form, "Password"),
        field(&form, "Host Name"),
        field(&form, "DYNDNS Server"),
        field(&form, "URL"),
    );
    let finished = inadyn(&config).finish();

    assert_says(&finished, &format!("GET /nic/update?hostname={HOST} HTTP/1.0"));
    assert_eq!(finished.code, Some(0), "{finished:?}");
    assert_eq!(gateway.dig(HOST, "A"), [SEEN]);
}

#[test]
fn ddclient_reads_what_vyos_makes_of_the_commands() {
    for (client, user) in [("vyos", "username"), ("vyos-1.3", "login"), ("edgeos", "login")] {
        let gateway = Gateway::start();
        let commands = gateway.setup(client, &[HOST]);
        let value = |key: &str| {
            commands.lines().find_map(|line| line.split_once(&format!(" {key} "))).expect(key).1.trim_matches('\'')
        };

        let config = format!(
            "ssl=no\nuse=ip, ip={OWN}\nprotocol={},\nlogin={},\npassword='{}',\nserver={} {}\n",
            value("protocol"),
            value(user),
            value("password"),
            value("server"),
            value("host-name"),
        );
        let finished = ddclient(&config.replace(",\n", ", \\\n"));

        assert_says(&finished, &format!("{HOST}: good: IP address set to {OWN}"));
        assert_eq!(gateway.dig(HOST, "A"), [OWN], "{client}: {finished:?}");
    }
}

#[test]
fn cron_runs_curl_as_the_commands_arrange_it() {
    let gateway = Gateway::start();
    let both = gateway.setup("curl", &[HOST, NAS]);
    let (first, second) = (gateway.setup("curl", &[HOST]), gateway.setup("curl", &[NAS]));

    // A host that is added later leaves the others' lines alone.
    let script = format!(
        r#"set -e
        crontab() {{ if [ "$1" = - ]; then cat >table.new; mv table.new table; else cat table 2>/dev/null; fi; }}
        {first}
        stat --format=%a "$HOME/.config/nic53/{HOST}.curl"
        {second}
        {first}
        {both}
        cut -d' ' -f6- table >job
        wc -l <job
        . ./job"#
    );
    let finished = program("sh").args(&["-c", &script]).start().finish();

    assert_eq!((finished.code, finished.stdout.as_str(), finished.stderr.as_str()), (Some(0), "600\n2\n", ""));
    for host in [HOST, NAS] {
        assert_eq!(gateway.dig(host, "A"), [SEEN], "{host}");
    }
}

#[test]
fn systemd_runs_curl_as_the_files_say() {
    let gateway = Gateway::start();
    let commands = gateway.setup("systemd", &[HOST, NAS]).replace("/etc/", "etc/");

    let script = format!(
        r#"set -e
        systemctl() {{ echo "systemctl $*"; }}
        mkdir -p etc/systemd/system
        {commands}
        for host in {HOST} {NAS}; do
            credential=$(sed -n 's|^LoadCredential=curl:||p' etc/systemd/system/nic53-update@.service | sed "s/%i/$host/")
            export CREDENTIALS_DIRECTORY=$PWD/credentials
            mkdir -p credentials
            cp "$credential" credentials/curl
            eval "$(sed -n 's/^ExecStart=//p' etc/systemd/system/nic53-update@.service)"
            echo
        done"#
    );
    let finished = program("sh").args(&["-c", &script]).start().finish();

    assert_eq!(finished.code, Some(0), "{finished:?}");
    assert_says(&finished, &format!("systemctl enable --now nic53-update@{NAS}.timer"));
    assert_says(&finished, &format!("good {SEEN}\ngood {SEEN}\n"));
    for host in [HOST, NAS] {
        assert_eq!(gateway.dig(host, "A"), [SEEN], "{host}");
    }
}

#[test]
fn a_machine_behind_a_router_with_a_fixed_list_runs_curl() {
    for (client, name) in [("asus", "asus"), ("netgear", "netgear"), ("tp-link", "tp-link")] {
        let gateway = Gateway::start();
        let finished = program("sh").args(&["-ec", &gateway.setup(client, &[HOST, NAS])]).start().finish();
        assert_eq!((finished.code, finished.stdout.as_str()), (Some(0), "good 203.0.113.9good 203.0.113.9"), "{name}");
        for host in [HOST, NAS] {
            assert_eq!(gateway.dig(host, "A"), [SEEN], "{name}");
        }
    }
}

#[test]
fn ddupdate_runs_the_plugin() {
    let gateway = Gateway::start();

    let script = format!(
        "set -e\nexport PYTHONDONTWRITEBYTECODE=1\n{}\nstat --format=%a ~/.netrc\n{}\nwc -l <~/.netrc\nddupdate",
        gateway.setup("ddupdate", &[HOST]),
        gateway.setup("ddupdate", &[HOST, NAS])
    );
    let finished = program("sh").args(&["-c", &script]).start().finish();

    assert_eq!((finished.code, finished.stdout.as_str(), finished.stderr.as_str()), (Some(0), "600\n2\n", ""));
    for host in [HOST, NAS] {
        assert_eq!(gateway.dig(host, "A"), [SEEN], "{host}");
    }

    // Another gateway's token.
    let wrong = format!("set -e\n{}", gateway.setup("ddupdate", &[HOST]).replace(" password ", " password x"));
    let finished = program("sh").args(&["-c", &wrong]).start().finish();
    assert_eq!(finished.code, Some(4), "{finished:?}");
    assert_says(&finished, &format!("{HOST}: badauth"));
}

#[test]
fn asuswrt_merlin_runs_its_script() {
    let gateway = Gateway::start();
    // A host that is added later leaves the other's alone.
    let commands: String = [HOST, NAS]
        .map(|host| {
            let pasted = gateway.setup("asus-merlin", &[host]);
            let (commands, _) = pasted.split_once("Enable the DDNS Client").expect("the form at the end");
            commands.replace("/jffs/", "jffs/").replace("/sbin/ddns_custom_updated", "echo updated")
        })
        .concat();

    // The second asks for hosts that the tokens do not cover.
    for (commands, told) in
        [(commands.clone(), "updated 1\n"), (commands.replace("?hostname=", "?hostname=x"), "updated 0\n")]
    {
        let script = format!("set -e\n{commands}\njffs/scripts/ddns-start {OWN}");
        let finished = program("sh").args(&["-c", &script]).start().finish();
        assert_eq!((finished.code, finished.stdout.as_str()), (Some(0), told), "{finished:?}");
    }
    for host in [HOST, NAS] {
        assert_eq!(gateway.dig(host, "A"), [OWN], "{host}");
    }
}

/// The commands create the name and define what the device then fills in: user name and password percent-encoded, the
/// rest as it is. wget, which OpenWrt has, would wait for the challenge: it sends no header here.
#[test]
fn openwrt_expands_its_url() {
    let gateway = Gateway::start();
    let commands = gateway.setup("openwrt", &[HOST]);
    // The shell sees what it would pass to `uci`, and the router's functions for its addresses.
    let functions =
        "network_get_ipaddr() { eval \"$1=198.51.100.1\"; }\nnetwork_get_ipaddr6() { eval \"$1=2001:db8::1\"; }";
    let commands = commands.replace(". /lib/functions/network.sh", functions);
    let script = format!("set -e\nuci() {{ printf '%s\\n' \"$2\"; }}\nservice() {{ :; }}\n{commands}");
    let set = program("sh").args(&["-c", &script]).start().finish();
    assert_eq!((set.code, set.stderr.as_str()), (Some(0), ""));
    for (kind, address) in [("A", "198.51.100.1"), ("AAAA", "2001:db8::1")] {
        assert_says(&set, &format!("good {address}\n"));
        assert_eq!(gateway.dig(HOST, kind), [address]);
    }

    for (service, address, kind) in [("home_example_com", OWN, "A"), ("home_example_com_v6", "2001:db8::7", "AAAA")] {
        let option = |name: &str| line(&set.stdout, &format!("ddns.{service}.{name}="));
        assert_eq!(option("lookup_host"), HOST);
        let url = option("update_url")
            .replace("[USERNAME]", option("username"))
            .replace("[PASSWORD]", option("password"))
            .replace("[DOMAIN]", option("domain"))
            .replace("[IP]", if kind == "A" { OWN } else { "2001:0db8:0000:0000:0000:0000:0000:0007" });
        assert!(!url.contains('@'), "{url}");
        let finished = wget(&url);
        assert_eq!(finished.stdout, format!("good {address}"), "{finished:?}");
        assert_eq!(gateway.dig(HOST, kind), [address]);
    }
}

// Devices whose forms are filled in

/// The request as users recorded it, word for word.
#[test]
fn hikvision_asks_with_an_empty_address() {
    let gateway = Gateway::start();
    let form = gateway.setup("hikvision", &[HOST]);
    let server = format!("{}:{}", field(&form, "Server Address"), field(&form, "Port"));
    let user = format!("{}:{}", field(&form, "User Name"), field(&form, "Password"));
    let query =
        format!("system=dyndns&hostname={}&myip=&wildcard=OFF&mx=NO&backmx=NO&offline=NO", field(&form, "Domain"));

    let reply = curl(&["--http1.0", "--user", &user, &format!("http://{server}/nic/update?{query}")]);

    assert_eq!(reply, format!("good {SEEN}"));
    assert_eq!(gateway.dig(HOST, "A"), [SEEN]);
}

#[test]
fn lancom_expands_its_action_and_knows_the_reply() {
    let gateway = Gateway::start();
    let form = gateway.setup("lancom", &[HOST]);

    let reply = curl(&[&field(&form, "Action").replace("%a", OWN)]);

    let check = field(&form, "Result check").strip_prefix("contains=").expect("a check").replace("%a", OWN);
    assert!(reply.contains(&check), "{reply} without {check}");
    assert_eq!(gateway.dig(HOST, "A"), [OWN]);
}

#[test]
fn qnap_expands_its_url() {
    let gateway = Gateway::start();
    let form = gateway.setup("qnap", &[HOST]);
    let url = field(&form, "URL")
        .replace("%HOST%", field(&form, "Hostname"))
        .replace("%IP%", OWN)
        .replace("%USER%", field(&form, "Username"))
        .replace("%PASS%", field(&form, "Password"));

    assert_eq!(curl(&[&url]), format!("good {OWN}"));
    assert_eq!(gateway.dig(HOST, "A"), [OWN]);
}

/// A Smart 4 sends both families in one parameter.
#[test]
fn speedport_sends_both_families() {
    let gateway = Gateway::start();
    let form = gateway.setup("speedport", &[HOST]);
    let value = |name: &str| field(&form, name);
    let user = format!("{}:{}", value("Benutzername (user name)"), value("Passwort (password)"));
    let server = format!("{}:{}", value("Updateserver-Adresse (update server)"), value("Port"));
    assert_eq!(value("Protokoll (protocol)"), "HTTP");
    let host = value("Domänenname (domain name)");

    let reply = curl(&["--user", &user, &format!("http://{server}/nic/update?hostname={host}&myip={OWN},2001:db8::7")]);

    assert_eq!(reply, format!("good {OWN},2001:db8::7"));
    assert_eq!(gateway.dig(HOST, "AAAA"), ["2001:db8::7"]);
}

#[test]
fn omada_expands_its_url() {
    let gateway = Gateway::start();
    let form = gateway.setup("omada", &[HOST]);
    let url = field(&form, "Update URL")
        .replace("[USERNAME]", field(&form, "Username"))
        .replace("[PASSWORD]", field(&form, "Password"))
        .replace("[DOMAIN]", field(&form, "Domain Name"))
        .replace("[IP]", OWN);

    assert_eq!(curl(&[&url]), format!("good {OWN}"));
    assert_eq!(gateway.dig(HOST, "A"), [OWN]);
}

/// The box escapes nothing, and puts nothing where it has no address of a family.
#[test]
fn fritzbox_expands_its_url() {
    let gateway = Gateway::start();
    let form = gateway.setup("fritzbox", &[HOST]);
    let user = format!("{}:{}", field(&form, "User name"), field(&form, "Password"));
    let url = |v4: &str, v6: &str| {
        let url = field(&form, "Update URL").replace("<domain>", field(&form, "Domain name"));
        url.replace("<ipaddr>", v4).replace("<ip6addr>", v6)
    };

    for (v4, v6, reply) in [
        (OWN, "", "good 198.51.100.7"),
        ("", "2001:db8::7", "good 2001:db8::7"),
        (OWN, "2001:db8::7", "nochg 198.51.100.7,2001:db8::7"),
    ] {
        assert_eq!(curl(&["--user", &user, &url(v4, v6)]), reply, "{v4} {v6}");
    }
    // Where the header is not sent, the words that the text offers.
    let in_query =
        format!("{}&username={}&password={}", url(OWN, ""), field(&form, "User name"), field(&form, "Password"));
    assert_eq!(curl(&[&in_query]), format!("nochg {OWN}"));
}

/// The second URL of the text, for a machine behind the box: the box knows its prefix, and the URL has the rest.
#[test]
fn fritzbox_has_the_prefix_and_the_url_the_host_part() {
    let gateway = Gateway::start();
    let form = gateway.setup("fritzbox", &[HOST]);
    let user = format!("{}:{}", field(&form, "User name"), field(&form, "Password"));
    let text = include_str!("../../src/recipes/fritzbox.md");
    let template = text.split('`').find(|code| code.contains("<ip6lanprefix>&")).expect("a second URL");
    // The box replaces nothing by its prefix unless its own address is in the URL too.
    assert!(template.contains("<ip6addr>"), "{template}");
    let url = |v4: &str, prefix: &str, own: &str| {
        let url = template.replace("{{url}}", &gateway.url()).replace("<domain>", HOST).replace("<ipaddr>", v4);
        url.replace("<ip6lanprefix>", prefix).replace("<ip6addr>", own)
    };
    let host_part = ":1a2b:3c4d:5e6f:7890";

    for (prefix, shown) in [("2001:db8:1:2::/64", "2001:db8:1:2"), ("2001:db8:1:ff00::/56", "2001:db8:1:ff00")] {
        let asked = url(OWN, prefix, "2001:db8:1::1");
        let reply = curl(&["--user", &user, &asked]);
        assert_eq!(reply, format!("good {OWN},{shown}{host_part}"), "{asked}");
        assert_eq!(gateway.dig(HOST, "AAAA"), [format!("{shown}{host_part}")]);
    }
    // On a line without IPv6 both are empty: the AAAA record stays.
    assert_eq!(curl(&["--user", &user, &url(OWN, "", "")]), format!("nochg {OWN}"));
    // Without the host part the record keeps the one that it has.
    let kept = url("", "2001:db8:1:3::/64", "2001:db8:1::1").replace(&format!("&ipv6=:{host_part}"), "");
    assert_eq!(curl(&["--user", &user, &kept]), format!("good 2001:db8:1:3{host_part}"));
}

#[test]
fn pfsense_expands_its_url_and_knows_the_reply() {
    let gateway = Gateway::start();
    let form = gateway.setup("pfsense", &[HOST]);
    let user = format!("{}:{}", field(&form, "Username"), field(&form, "Password"));

    for address in [OWN, OWN, "2001:db8::7"] {
        let reply = curl(&["--user", &user, &field(&form, "Update URL").replace("%IP%", address)]);
        let wanted = field(&form, "Result Match").replace("%IP%", address);
        assert!(wanted.split('|').any(|wanted| wanted == reply), "{reply:?} is none of {wanted:?}");
    }
    assert_eq!((gateway.dig(HOST, "A"), gateway.dig(HOST, "AAAA")), (vec![OWN.into()], vec!["2001:db8::7".into()]));
}

#[test]
fn opnsense_asks_as_its_native_backend_does() {
    let gateway = Gateway::start();
    let form = gateway.setup("opnsense", &[HOST]);
    let user = format!("{}:{}", field(&form, "Username"), field(&form, "Password"));
    let query = format!("hostname={}&myip={OWN}&system=dyndns&wildcard=NOCHG", field(&form, "Hostname(s)"));

    let reply = curl(&["--user", &user, &format!("http://{}/nic/update?{query}", field(&form, "Server"))]);

    assert_eq!(reply, format!("good {OWN}"));
    assert_eq!(gateway.dig(HOST, "A"), [OWN]);
}

#[test]
fn synology_expands_its_url() {
    let gateway = Gateway::start();
    let form = gateway.setup("synology", &[HOST]);
    let url = field(&form, "Query URL")
        .replace("__HOSTNAME__", field(&form, "Hostname"))
        .replace("__MYIP__", OWN)
        .replace("__USERNAME__", field(&form, "Username/Email"))
        .replace("__PASSWORD__", field(&form, "Password/Key"));

    assert_eq!(curl(&[&url]), format!("good {OWN}"));
    assert_eq!(gateway.dig(HOST, "A"), [OWN]);
}

/// `\3F` is a `?` in a string of the router, and `$address` the address.
#[test]
fn mikrotik_expands_its_string() {
    let gateway = Gateway::start();
    let script = gateway.setup("mikrotik", &[HOST]);
    assert_eq!(script.matches('{').count(), script.matches('}').count(), "{script}");
    let url = quoted(line(&script, ":local url ")).replace("\\3F", "?").replace("$address", OWN);
    let fetch = line(&script, ":local answer [/tool fetch ");
    let value =
        |name: &str| fetch.split_once(&format!("{name}=\"")).and_then(|(_, rest)| rest.split_once('"')).expect(name).0;
    let user = format!("{}:{}", value("user"), value("password"));

    assert_eq!(curl(&["--http1.0", "--user", &user, &url]), format!("good {OWN}"));
    assert_eq!(gateway.dig(HOST, "A"), [OWN]);
}

/// Over https a Vigor is GNU wget, which waits for the challenge: it does not need to.
#[test]
fn draytek_has_the_token_in_the_query_over_https() {
    let gateway = Gateway::start();
    let form = gateway.setup_at("draytek", &[HOST], "https://dyn.example.org");

    let finished = wget(&format!("http://{}{}", gateway.proxy, field(&form, "Service API")));

    assert_eq!(finished.stdout, format!("good {SEEN}"), "{finished:?}");
    assert_eq!(gateway.dig(HOST, "A"), [SEEN]);
}

/// Over http it sends a header at once; GNU wget waits for the challenge.
#[test]
fn draytek_joins_host_and_api() {
    let gateway = Gateway::start();
    let form = gateway.setup("draytek", &[HOST]);
    let (user, password) = (field(&form, "Login Name"), field(&form, "Password"));

    let finished = wget(&format!(
        "{}://{user}:{password}@{}{}",
        field(&form, "Connection Type").to_lowercase(),
        field(&form, "Provider Host"),
        field(&form, "Service API")
    ));

    assert_eq!(finished.stdout, format!("good {SEEN}"), "{finished:?}");
    assert_eq!(gateway.dig(HOST, "A"), [SEEN]);
}

/// `mdu` takes what is before the last `@` of the host for the credentials, and replaces the first `@IP` of the path.
#[test]
fn freshtomato_expands_its_url() {
    let gateway = Gateway::start();
    let form = gateway.setup("freshtomato", &[HOST]);
    let (host, path) = field(&form, "URL").strip_prefix("http://").and_then(|url| url.split_once('/')).expect("a URL");
    let (user, host) = host.rsplit_once('@').expect("credentials");

    let reply = curl(&["--http1.0", "--user", user, &format!("http://{host}/{}", path.replacen("@IP", OWN, 1))]);

    assert_eq!(reply, format!("good {OWN}"));
    assert_eq!(gateway.dig(HOST, "A"), [OWN]);
}

#[test]
fn cisco_ios_expands_its_url() {
    let gateway = Gateway::start();
    let commands = gateway.setup("cisco-ios", &[HOST]);
    let host = line(&commands, "ip ddns update hostname ");

    let url = line(&commands, "add ").replace("<h>", host).replace("<a>", OWN);

    assert_eq!(curl(&["--http1.0", &url]), format!("good {OWN}"));
    assert_eq!(gateway.dig(HOST, "A"), [OWN]);
}

/// Not in Debian: the commands make its file, and its request is played as it was recorded, with the `&` at the end.
#[test]
fn ez_ipupdate_asks_as_its_file_says() {
    let gateway = Gateway::start();
    let commands = gateway.setup("ez-ipupdate", &[HOST]).replace("/etc/", "etc/").replace("/var/", "var/");
    let script = format!(
        "set -e\nPATH=.:$PATH\nprintf '#!/bin/sh\\ncat \"$2\"\\n' >ez-ipupdate\nchmod +x ez-ipupdate\n{commands}\n\
         stat --format=%a etc/ez-ipupdate/{HOST}.conf\nls -d var/cache/ez-ipupdate"
    );
    let made = program("sh").args(&["-c", &script]).start().finish();
    assert_says(&made, "daemon\n600\nvar/cache/ez-ipupdate\n");
    let file = made.stdout;
    let query = format!("hostname={}&myip={OWN}&wildcard=OFF&", line(&file, "host="));

    let url = format!("http://{}/nic/update?{query}", line(&file, "server="));
    let reply = curl(&["--http1.0", "--user", line(&file, "user="), &url]);

    assert_eq!(reply, format!("good {OWN}"));
    assert_eq!(gateway.dig(HOST, "A"), [OWN]);
}

#[test]
fn powershell_is_given_url_user_and_token() {
    let gateway = Gateway::start();
    let script = gateway.setup("powershell", &[HOST]);
    let arguments: Vec<_> =
        line(&script, "Update-Address ").split('\'').filter(|text| !text.trim().is_empty()).collect();
    let [url, user, token] = arguments.as_slice() else { panic!("{script}") };
    let (input, flags) = line(&script, "$reply = ").split_once(" | & curl.exe ").expect("a pipe");
    let input = quoted(input).replace("${User}", user).replace("$Token", token);

    let command = format!("printf '%s\\r\\n' '{input}' | curl {}", flags.replace("$Uri", &format!("'{url}'")));
    let finished = program("sh").args(&["-c", &command]).start().finish();

    assert_eq!((finished.code, finished.stdout.as_str()), (Some(0), "good 203.0.113.9"), "{finished:?}");
    assert_eq!(gateway.dig(HOST, "A"), [SEEN]);
}

#[test]
fn nic53s_own_file_has_all_it_takes() {
    let gateway = Gateway::start();
    let file = gateway.setup("nic53", &[HOST, NAS]);
    assert!(file.starts_with(&format!("[{HOST}]\n")) && file.contains(&format!("\n[{NAS}]\n")), "{file}");

    let url = format!("{}?fqdn={HOST}&token={}&ipv4={OWN}", line(&file, "url = "), line(&file, "token = "));

    assert_eq!(curl(&[&url]), format!("good {OWN}"));
    assert_eq!(gateway.dig(HOST, "A"), [OWN]);
}

#[test]
fn any_other_router_has_a_form_or_a_url() {
    let gateway = Gateway::start();
    let form = gateway.setup("other", &[HOST]);
    let urls: Vec<_> = form.lines().filter(|line| line.starts_with("http://")).collect();
    assert_eq!(urls.len(), 2, "{form}");
    let by_form =
        format!("http://{}{}?hostname={}", field(&form, "Server"), field(&form, "Path"), field(&form, "Host name"));
    let user = format!("{}:{}", field(&form, "User name"), field(&form, "Password"));

    assert_eq!(curl(&["--user", &user, &by_form]), format!("good {SEEN}"));
    for url in urls {
        assert_eq!(curl(&[url]), format!("nochg {SEEN}"), "{url}");
        assert_eq!(curl(&[&format!("{url}&myip={SEEN}")]), format!("nochg {SEEN}"), "{url}");
    }
    assert_eq!(gateway.dig(HOST, "A"), [SEEN]);
}

/// Whoever adds a client sees here that it is not played yet.
#[test]
fn every_client_is_played_here() {
    let listed = nic53(&["setup"]);
    assert_eq!((listed.code, listed.stderr.as_str()), (Some(0), ""));
    let these = concat!(include_str!("setup.rs"), include_str!("certificates.rs"));
    for client in listed.stdout.lines().map(|line| line.split('\t').next().unwrap_or_default()) {
        let played = these.contains(&format!("setup(\"{client}\"")) || these.contains(&format!("(\"{client}\", \""));
        assert!(played, "{client} is not set up in tests/it/setup.rs or certificates.rs");
    }
}

// What a person is told

#[test]
fn a_user_name_that_is_too_long_is_a_short_one_and_works() {
    let gateway = Gateway::start();
    let host = "a-rather-long-name-of-a-host.example.com";

    let finished = gateway.run(&["setup", "dd-wrt", host, "--url", &gateway.url()]);

    assert_says(&finished, "warning: DD-WRT does not take `a-rather-long-name-of-a-host.example.com` as a user name");
    assert_eq!(field(&finished.stdout, "User Name"), "nic53");
    let user = format!("nic53:{}", field(&finished.stdout, "Password"));
    let url = format!("http://{}{}{host}", field(&finished.stdout, "DYNDNS Server"), field(&finished.stdout, "URL"));
    assert_eq!(curl(&["--user", &user, &url]), format!("good {SEEN}"));
    assert_eq!(gateway.dig(host, "A"), [SEEN]);
}

#[test]
fn known_limits_are_warned_about_and_kept_apart_from_what_is_pasted() {
    let gateway = Gateway::start();
    for (client, url, words) in [
        ("fritzbox", "http://dyn.example.org", "everyone in between can read the token"),
        ("unifi", "http://dyn.example.org", "always uses TLS"),
        ("ez-ipupdate", "https://dyn.example.org", "has no TLS"),
        ("vyos", "https://dyn.example.org/prod", "expected a URL without `/prod`"),
        ("vyos", "https://dyn.example.org:8443", "expected a URL without `:8443`"),
        ("opnsense", "https://dyn.example.org:8443", "expected a URL without `:8443`"),
        ("curl", "http://192.168.1.2:8053", "publishes the address that the gateway sees"),
        ("dd-wrt", "https://the-name-of-this-server.is.long.example.org", "takes 32 characters as server"),
    ] {
        let finished = gateway.run(&["setup", client, HOST, "--url", url]);
        assert_eq!(finished.code, Some(0), "{finished:?}");
        assert!(finished.stderr.contains(words), "{client} {url}: {words} is not in {}", finished.stderr);
        assert!(!finished.stdout.contains("warning"), "{}", finished.stdout);
    }
    let quiet = gateway.run(&["setup", "fritzbox", HOST, "--url", "https://dyn.example.org"]);
    assert_eq!(quiet.stderr, "");
    let two = gateway.run(&["setup", "fritzbox", HOST, NAS, "--url", "https://dyn.example.org"]);
    assert!(two.stderr.contains("takes 1 host and 2 were given"), "{}", two.stderr);
    let closed = [("NIC53_QUERY_CREDENTIALS", "false")];
    let closed = Gateway::program(&["setup", "synology", HOST, "--url", "https://dyn.example.org"])
        .settings(&closed)
        .start()
        .finish();
    assert!(closed.stderr.contains("NIC53_QUERY_CREDENTIALS=true"), "{}", closed.stderr);
}

#[test]
fn a_token_may_be_handed_over_where_there_is_no_secret() {
    let arguments = ["setup", "fritzbox", HOST, "--url", "https://dyn.example.org"];

    let by_environment =
        program(NIC53).settings(&[("NIC53_TOKEN", "p76tf75ar94am7g7pcjzryjr\n")]).args(&arguments).start().finish();
    assert_eq!(field(&by_environment.stdout, "Password"), "p76tf75ar94am7g7pcjzryjr", "{by_environment:?}");

    let by_file = program(NIC53)
        .file("token", "p76tf75ar94am7g7pcjzryjr\n")
        .args(&arguments)
        .args(&["--token-file", "token"])
        .start()
        .finish();
    assert_eq!(by_file.stdout, by_environment.stdout, "{by_file:?}");

    let piped = format!("echo p76tf75ar94am7g7pcjzryjr | {NIC53} {} --token-file -", arguments.join(" "));
    let by_pipe = program("sh").args(&["-c", &piped]).start().finish();
    assert_eq!(by_pipe.stdout, by_environment.stdout, "{by_pipe:?}");

    let without = nic53(&arguments);
    assert_eq!((without.code, without.stdout.as_str()), (Some(2), ""));
    assert_says(&without, "--token-file");
}

#[test]
fn the_manual_and_the_completions_know_every_command() {
    for (shell, words) in [("bash", "complete -F _nic53"), ("zsh", "#compdef nic53"), ("fish", "complete -c nic53")] {
        let finished = nic53(&["completions", shell]);
        assert_eq!(finished.code, Some(0), "{finished:?}");
        assert!(finished.stdout.contains(words) && finished.stdout.contains("setup"), "{shell}");
        // zsh would complete these values as commands.
        let mut hosts = finished.stdout.lines().filter(|line| line.starts_with("'*:"));
        assert!(hosts.all(|line| line.contains(":()'")), "{shell}: {}", finished.stdout);
    }
    let script = format!("{NIC53} man pages && ls pages && cat pages/nic53-setup.1");
    let finished = program("sh").args(&["-c", &script]).start().finish();
    assert_eq!(finished.code, Some(0), "{finished:?}");
    for page in ["nic53.1", "nic53-setup.1", "nic53-check.1", "nic53-serve.1", "nic53 setup fritzbox home.example.org"]
    {
        assert_says(&finished, page);
    }
}

// The programs

const NIC53: &str = env!("CARGO_BIN_EXE_nic53");

const SETTINGS: [(&str, &str); 3] = [
    ("NIC53_ZONES", "example.com=EMBEDDED"),
    ("NIC53_SECRET", "the-secret-of-the-tests-of-nic53-setup"),
    ("NIC53_TRUSTED_PROXIES", "127.0.0.0/8"),
];

/// `nic53 serve`, and a proxy in front of it that says where requests come from.
struct Gateway {
    serving: Nic53,
    proxy: String,
}

impl Gateway {
    fn start() -> Self {
        let serving = Nic53::serve(&SETTINGS, &["--dns", "127.0.0.1:0"]);
        let proxy = reverse_proxy(&serving.http, SEEN);
        Self { serving, proxy }
    }

    fn url(&self) -> String {
        format!("http://{}", self.proxy)
    }

    /// `nic53` with the gateway's settings.
    fn program(arguments: &[&str]) -> Program {
        program(NIC53).settings(&SETTINGS).args(arguments)
    }

    fn run(&self, arguments: &[&str]) -> Finished {
        let finished = Self::program(arguments).start().finish();
        assert!(!self.proxy.is_empty() && finished.code == Some(0), "{finished:?}");
        finished
    }

    /// What is pasted.
    fn setup(&self, client: &str, hosts: &[&str]) -> String {
        self.setup_at(client, hosts, &self.url())
    }

    fn setup_at(&self, client: &str, hosts: &[&str], url: &str) -> String {
        self.run(&[&["setup", client][..], hosts, &["--url", url]].concat()).stdout
    }

    /// The values that the DNS server has for a name, in order.
    fn dig(&self, name: &str, kind: &str) -> Vec<String> {
        dig::dig(&self.serving, name, kind)
    }
}

/// Runs `nic53` without any settings.
fn nic53(arguments: &[&str]) -> Finished {
    program(NIC53).args(arguments).start().finish()
}

/// What curl is answered.
fn curl(arguments: &[&str]) -> String {
    let finished = program("curl").args(&["--silent", "--show-error"]).args(arguments).start().finish();
    assert_eq!(finished.code, Some(0), "{arguments:?}: {finished:?}");
    finished.stdout
}

/// Runs wget, which sends its credentials when it is asked for them.
fn wget(url: &str) -> Finished {
    program("wget").args(&["--no-http-keep-alive", "--output-document=-", url]).start().finish()
}

// What stands in a setup

/// The value of a field of a form.
#[track_caller]
fn field<'a>(form: &'a str, name: &str) -> &'a str {
    let value = |line: &'a str| line.strip_prefix(name).and_then(|rest| rest.strip_prefix("  ")).map(str::trim);
    form.lines().find_map(value).unwrap_or_else(|| panic!("no field {name} in {form}"))
}

/// The rest of the first line that begins with these words.
#[track_caller]
fn line<'a>(text: &'a str, words: &str) -> &'a str {
    text.lines()
        .find_map(|line| line.trim_start().strip_prefix(words))
        .unwrap_or_else(|| panic!("no {words:?} in {text}"))
}

/// A text without its quotes.
fn quoted(text: &str) -> &str {
    text.trim().trim_matches('"')
}

#[track_caller]
fn assert_says(finished: &Finished, words: &str) {
    let said = finished.stdout.contains(words) || finished.stderr.contains(words);
    assert!(said, "{words:?} is not in {finished:#?}");
}
