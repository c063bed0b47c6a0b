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
        (&[""], &["``: expected a command, such as `nic53 serve`"]),
        (&["SERVE"], &["`SERVE`: expected a command"]),
        (&["ser\nve"], &["`ser ve`: expected a command"]),
        (&["\u{1b}[2Jserve"], &["`\\u{1b}[2Jserve`: expected a command"]),
        (&["help", "x"], &["`x`: expected a command"]),
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
        (&["serve", "--http", "127.0.0.1:-1"], &["--http 127.0.0.1:-1: expected"]),
        (&["serve", "--http", ""], &["--http ``: expected an IP address and a port"]),
        (&["serve", "--http", ":8053"], &["--http :8053: expected an IP address and a port"]),
        (&["serve", "--http", "[::1]"], &["--http [::1]: expected an IP address and a port"]),
        (&["serve", "--http", "http://127.0.0.1:8053"], &["--http http://127.0.0.1:8053: expected an IP address"]),
        (&["serve", "--http", "192.0.2.99:1"], &["--http 192.0.2.99:1: ", "expected an address of this machine"]),
        (
            &["serve", "--http", "127.0.0.1:0", "--dns", "192.0.2.99:1"],
            &["--dns 192.0.2.99:1: ", "expected an address of this machine with a free port"],
        ),
        (&["serve", "--name-server", "ns"], &["--name-server ns: expected NAME or NAME=ADDRESS", "such as ns."]),
        (&["serve", "--name-server", "ns.example.org=x"], &["--name-server ns.example.org=x: `x`: expected"]),
        (
            &["serve", "--name-server", "ns.example.net=192.0.2.1", "--http", "127.0.0.1:0", "--dns", "off"],
            &["--name-server", "ns.example.net lies in none of the zones", "expected its name alone"],
        ),
        (&["serve", "--max-names", "0"], &["--max-names 0: expected a whole number of at least 1"]),
        (&["serve", "--max-names", "-5"], &["--max-names -5: expected a whole number of at least 1"]),
        (&["serve", "--verbose"], &["--verbose: nic53 serve has no such flag: expected a flag"]),
        (&["serve", "--data"], &["--data: expected a value after it"]),
        (
            &["serve", "--store", "route53", "--zones", "example.org=z1", "--secret-file", "nowhere"],
            &["example.org=z1: expected the id of a hosted zone in Route 53, such as Z0123ABC"],
        ),
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
        (&["serve", "--ttl-min", "-1"], &["--ttl-min -1: expected seconds"]),
        (&["serve", "--zones", "=Z1"], &["--zones =Z1", "expected NAME=ZONEID"]),
        (&["serve", "--zones", "example.org="], &["--zones example.org=", "expected NAME=ZONEID"]),
        (&["serve", "--zones", ","], &["--zones ,: no zone in it: expected NAME=ZONEID"]),
        (&["serve", "--zones", "*.example.org=Z1"], &["--zones *.example.org=Z1", "expected NAME=ZONEID"]),
        (&["serve", "--ttl-max", "4294967296"], &["--ttl-max 4294967296: expected seconds"]),
        (&["serve", "--allow-private", "perhaps"], &["--allow-private perhaps: expected true or false"]),
        (&["serve", "--allow-offline", "2"], &["--allow-offline 2: expected true or false"]),
        (&["serve", "--query-credentials", "nein"], &["--query-credentials nein: expected true or false"]),
        (&["serve", "--trusted-proxies", "192.0.2.0/33"], &["--trusted-proxies 192.0.2.0/33", "such as 192.0.2.0/24"]),
        (&["serve", "--trusted-proxies", "0.0.0.0/0"], &["0.0.0.0/0", "expected the networks of your proxies"]),
        (&["serve", "--trusted-proxies", "proxy.example.org"], &["proxy.example.org", "expected a network such as"]),
        (
            &["serve", "--generations", "home.example.org"],
            &["--generations home.example.org", "such as home.example.org=1"],
        ),
        (&["serve", "--generations", "home=1"], &["--generations home=1", "expected NAME=NUMBER"]),
        (&["serve", "--generations", "home.example.org=-1"], &["home.example.org=-1", "expected NAME=NUMBER"]),
        (
            &["serve", "--generations", "home.example.net=1"],
            &["--generations home.example.net=1", "expected a name in one of the configured zones, example.org=Z1"],
        ),
        (
            &["serve", "--generations", "home.example.org=1,home.example.org=2"],
            &["`home.example.org=2`: expected each name once"],
        ),
        (&["serve", "--log", "loud"], &["--log loud: expected"]),
        (
            &["serve", "--log", "loud\nnic53: all is well"],
            &["--log loud nic53: all is well: expected off, error or info"],
        ),
        (&["serve", "--zones", "example.org=Z1\nx"], &["--zones example.org=Z1 x", "expected NAME=ZONEID"]),
    ]);
}

#[test]
fn settings_in_the_environment() {
    for (name, value, words) in [
        ("NIC53_DNS", "53", "NIC53_DNS=53: expected an IP address and a port, such as 127.0.0.1:8054, or off"),
        ("NIC53_MAX_NAMES", "many", "NIC53_MAX_NAMES=many: expected a whole number"),
        ("NIC53_NAME_SERVER", "ns", "NIC53_NAME_SERVER=ns: expected NAME or NAME=ADDRESS"),
        ("NIC53_LOG", "debug", "NIC53_LOG=debug: expected off, error or info"),
        ("NIC53_ALLOW_PRIVATE", "perhaps", "NIC53_ALLOW_PRIVATE=perhaps: expected true or false"),
        ("NIC53_TRUSTED_PROXIES", "::/0", "NIC53_TRUSTED_PROXIES=::/0: "),
        ("NIC53_ORIGIN_SECRET", "short", "NIC53_ORIGIN_SECRET: expected at least 32"),
        (
            "NIC53_SECRET_PREVIOUS",
            "the-secret-before-that-of-wrong-usage",
            "NIC53_SECRET_PREVIOUS is set: expected NIC53_SECRET",
        ),
        ("NIC53_SECRET_PREVIOUS_FILE", "x", "NIC53_SECRET_PREVIOUS_FILE is set: expected NIC53_SECRET_FILE"),
        ("NIC53_HTTP", "localhost:8053", "NIC53_HTTP=localhost:8053: expected an IP address and a port"),
        ("NIC53_STORE", "route54", "NIC53_STORE=route54: expected one of embedded, route53"),
        ("NIC53_TTL", "5m", "NIC53_TTL=5m: expected seconds"),
        ("NIC53_ZONES", "example.org", "NIC53_ZONES=example.org: "),
        ("NIC53_SECRET", "short", "NIC53_SECRET: expected at least 32"),
    ] {
        let finished = program(NIC53).settings(&[(name, value)]).args(&["serve"]).start().finish();
        one_line(&[name, value], &finished, &[words]);
        assert!(!name.contains("SECRET") || value == "x" || !finished.stderr.contains(value), "{}", finished.stderr);
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
        (&["token", HOST, "--generation", "-1"], &["--generation -1: expected a whole number"]),
        (&["token", HOST, "--generation", ""], &["--generation ``: expected a whole number"]),
        (&["token", HOST, "home"], &["`home`: expected a fully qualified host name"]),
        (&["token", "http://home.example.org"], &["`http://home.example.org`: expected a fully qualified host name"]),
        (&["token", "a@b.example.org"], &["`a@b.example.org`: expected a fully qualified host name"]),
        (&["token", "home example.org"], &["`home example.org`: expected a fully qualified host name"]),
        (&["token", "--", "--subtree"], &["`--subtree`: expected a fully qualified host name"]),
        (&["token", HOST, "--check"], &["standard input is empty: expected a token"]),
        (&["token", HOST, "--check", "--previous"], &["--check and --previous exclude each other: expected one"]),
        (&["token", HOST, "--secret-arn", "x"], &["NIC53_SECRET and --secret-arn are both set: expected one place"]),
        (&["token", HOST, "--secret-file", "nowhere"], &["nowhere: ", "expected a file"]),
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
            &["setup", "systemd", "*.example.org"],
            &["`*.example.org`: systemd breaks on its `*`: expected another host or client"],
        ),
        (
            &["setup", "Sonicwall", HOST],
            &["`Sonicwall`: expected a client", "or `other` for one that it does not list"],
        ),
        (&["setup", HOST, "fritzbox"], &["CLIENT `home.example.org`: expected a client that `nic53 setup` lists"]),
        (
            &["setup", "fritzbox", "k.j.i.h.g.f.e.d.c.b.a.example.org"],
            &["`k.j.i.h.g.f.e.d.c.b.a.example.org`: expected at most 10 labels below the zone example.org"],
        ),
        (&["setup", "fritzbox", HOST, "--url", ""], &["--url ``: expected the URL of a gateway"]),
        (&["setup", "fritzbox", HOST, "--url", "https://"], &["--url https://: expected the URL of a gateway"]),
        (&["setup", "fritzbox", HOST, "--url", "https://x:0"], &["--url https://x:0: ", "with a port of 1 to 65535"]),
        (&["setup", "fritzbox", HOST, "--url", "https://x/?a=b"], &["--url https://x/?a=b: ", "without `?` or `#`"]),
        (&["setup", "fritzbox", HOST, "--url", "https://u:p4ss@x"], &["--url: ", "without user name and password"]),
        (&["setup", "fritzbox", HOST, "--token", "two words"], &["--token: expected one token"]),
        (&["setup", "fritzbox", HOST, "--token-file", "-"], &["--token-file -: expected one token"]),
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
        (&["check", ""], &["URL ``: expected the URL of a gateway"]),
        (&["check", "ftp://x"], &["URL `ftp://x`: expected the URL of a gateway", "http:// or https:// first"]),
        (&["check", "https://home:p4ss@x"], &["URL: expected the URL of a gateway", "without user name and password"]),
        (&["check", URL, HOST, "--myip", "203.0.113.7,x"], &["--myip x: expected an IP address"]),
        (
            &["check", URL, HOST, "--myip", "192.168.1.5", "--token", "t"],
            &["--myip 192.168.1.5: expected a public address", "add --private"],
        ),
        (
            &["check", URL, HOST, "--myip", "0.0.0.0", "--token", "t", "--private"],
            &["--myip 0.0.0.0: expected a public address"],
        ),
        (&["check", URL, HOST, "--token", "a b"], &["--token: expected one token"]),
        (&["check", URL, "--resolver", "9.9.9.9:x"], &["--resolver 9.9.9.9:x: expected the address of a DNS server"]),
        (&["check", URL, "--timeout", "-5"], &["--timeout -5: expected whole seconds from 1 to 300"]),
        (&["check", URL, "--cacert", "nowhere"], &["--cacert nowhere: ", "expected an https:// URL"]),
        (&["check", "https://x", "--cacert", "/dev/null"], &["--cacert /dev/null: no certificate in it: expected"]),
        (&["check", URL, HOST, "--private"], &["nic53 check: expected --myip too", "--myip 203.0.113.7"]),
        (
            &["check", URL, HOST, "--resolver", "dns.example.org"],
            &["--resolver dns.example.org: expected", "such as 9.9.9.9"],
        ),
        (&["check", URL, "--name-server", "ns1"], &["--name-server ns1: expected", "such as 9.9.9.9"]),
        (&["check", URL, "--timeout", "0"], &["--timeout 0: expected whole seconds from 1 to 300, such as 10"]),
        (&["check", URL, "--timeout", "ten"], &["--timeout ten: expected whole seconds"]),
        (&["check", URL, "--wait", "86401"], &["--wait 86401: expected whole seconds from 0 to 86400"]),
        (&["check", URL, "--wait", "-1"], &["--wait -1: expected whole seconds from 0 to 86400"]),
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
        (&["update", HOST, "--every", "0s"], &["--every 0s: expected"]),
        (&["update", HOST, "--every"], &["--every: expected a value after it, such as `nic53 update --every 5m`"]),
        (&["update", HOST, "nas"], &["FQDN `nas`: expected a fully qualified host name"]),
        (&["update", HOST], &["home.example.org: no url: expected it in a section [home.example.org], or --url"]),
        (&["update", HOST, "--url", URL], &["no token: expected it in a section [home.example.org], or --token"]),
        (&["update", HOST, "--url", "x", "--token", "t"], &["--url = x: expected the URL of a gateway"]),
        (&["update", HOST, "--url", "http://u:p4ss@x", "--token", "t"], &["--url: ", "without user name and password"]),
        (&["update", HOST, "--url", URL, "--token", "a b"], &["--token: expected letters and digits"]),
        (&["update", HOST, "--url", URL, "--token", ""], &["--token: expected letters and digits"]),
        (&["update", HOST, "--token-file", "nowhere"], &["--token-file nowhere: ", "expected a file"]),
        (
            &["update", HOST, "--url", URL, "--token", "t", "--ttl", "5m"],
            &["--ttl = 5m: expected seconds, such as 300"],
        ),
        (
            &["update", HOST, "--url", URL, "--token", "t", "--ttl", "-1"],
            &["--ttl = -1: expected seconds, such as 300"],
        ),
        (
            &["update", HOST, "--url", URL, "--token", "t", "--zoneid", "Z 1"],
            &["--zoneid = Z 1: expected a hosted zone's id"],
        ),
        (
            &["update", HOST, "--url", URL, "--token", "t", "--ipv4", "2001:db8::1"],
            &["--ipv4 = 2001:db8::1: expected IPv4 addresses"],
        ),
        (
            &["update", HOST, "--url", URL, "--token", "t", "--ipv4", "no", "--ipv6", "no"],
            &["both families are left alone: expected an address of one, or auto"],
        ),
        (
            &["update", HOST, "--url", URL, "--token", "t", "--interface", "eth0 eth1"],
            &["--interface = eth0 eth1: expected the name of one interface"],
        ),
        (
            &["update", HOST, "--url", URL, "--token", "t", "--cacert", "/dev/null"],
            &["--cacert /dev/null: no certificate in it: expected"],
        ),
        (&["update", "--config", "nowhere"], &["nowhere: ", "expected a file that you may read"]),
        (&["update", "--config", "/dev"], &["/dev: ", "expected a file that you may read"]),
        (&["update", "--quiet", "--verbose"], &["--quiet and --verbose exclude each other: expected one of them"]),
        (&["update", "--host", HOST], &["--host: nic53 update has no such flag: expected"]),
        (&["health", "--http", "x"], &["--http x: expected an IP address and a port"]),
        (&["health", "--store", "sqlite"], &["--store sqlite: expected one of embedded, route53"]),
        (&["health", "--timeout", "0"], &["--timeout 0: expected whole seconds from 1 to 300"]),
        (&["health", "now"], &["`now`: nic53 health takes no such argument: expected none there"]),
        (&["export", "example.net"], &["`example.net`: expected one of the zones: example.org=Z1"]),
        (&["export", "--data", "nowhere"], &["nowhere: no records: expected the folder of `nic53 serve`"]),
        (&["export", "--data", "/dev/null"], &["/dev/null/", "expected the folder of `nic53 serve`"]),
        (&["export", "--zones", ""], &["--zones ``: no zone in it: expected NAME=ZONEID"]),
        (&["man", "a", "b"], &["`b`: nic53 man takes no such argument: expected none there"]),
        (&["completions", "Bash"], &["SHELL `Bash`: expected one of bash", "such as bash"]),
        (&["update", HOST, "--interface", "eth0", "--command", "x"], &["--interface and --command exclude each other"]),
        (&["export", "home"], &["`home`: expected one of the zones"]),
        (&["export", "--zones", "example.org"], &["--zones example.org", "expected NAME=ZONEID"]),
        (&["export", "home.example", "example.org"], &["`example.org`: nic53 export takes no such argument"]),
        (&["man", "/dev/null/x"], &["/dev/null/x", "expected a folder"]),
        (&["completions"], &["nic53 completions: expected SHELL too, such as `nic53 completions bash"]),
        (&["completions", "tcsh"], &["`tcsh`: expected one of bash, elvish, fish"]),
    ]);
}

/// The client's configuration file: the line of the mistake, and what was expected.
#[test]
fn lines_of_the_clients_file() {
    for (lines, words) in [
        ("url = gateway\ntoken = t", &["x.conf: line 2: url = gateway: expected the URL of a gateway"][..]),
        (
            "url = https://u:p4ss@gateway\ntoken = t",
            &["x.conf: line 2: url: expected", "without user name and password"],
        ),
        ("url = https://x\ntoken = a b", &["x.conf: line 3: token: expected letters and digits"]),
        ("url = https://x", &["home.example.org: no token: expected it in a section [home.example.org], or --token"]),
        ("url = https://x\ntoken = t\nttl = 5m", &["x.conf: line 4: ttl = 5m: expected seconds"]),
        (
            "url = https://x\ntoken = t\nzoneid = example.org",
            &["line 4: zoneid = example.org: expected a hosted zone's id"],
        ),
        ("url = https://x\ntoken = t\nipv4 = eth0", &["line 4: ipv4 = eth0: expected IPv4 addresses"]),
        ("url = https://x\ntoken = t\nipv6 = fe80::1", &["line 4: ipv6 = fe80::1: fe80::1 cannot be published"]),
        ("url = https://x\ntoken = t\nipv4 = no\nipv6 = no", &["both families are left alone: expected"]),
        (
            "url = https://x\ntoken = t\ninterface = a b",
            &["line 4: interface = a b: expected the name of one interface"],
        ),
        (
            "url = https://x\ntoken = t\ninterface = a\ncommand = b",
            &["line 4: interface", "line 5: command", "expected one of the two"],
        ),
        ("url = https://x\n  token = p4ss", &["x.conf: line 2: url: expected one line"]),
        ("no setting", &["x.conf: line 2", "expected"]),
        ("[nas]", &["x.conf: line 2: [nas]: expected"]),
        ("[nas.example.org", &["x.conf: line 2", "expected"]),
    ] {
        let text = format!("[{HOST}]\n{lines}\n");
        let command = program(NIC53).file("x.conf", &text).args(&["update", "--config", "x.conf"]);
        one_line(&[lines], &command.start().finish(), words);
    }
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
    assert!(!line.contains("p4ss"), "{typed:?}: a password is in: {line}");
}
