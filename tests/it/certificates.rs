//! Certificates: what `nic53 setup` prints for ACME clients, run as printed. lego, certbot and dehydrated, as Debian
//! ships them, get certificates of a real authority, pebble, which finds the challenges at the gateway's own DNS
//! server. Of the others, which are not in Debian, their recorded requests are sent with what is printed.

use std::{fs, path::Path, thread};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::{
    authority::Authority,
    dig,
    fake_route53::{FakeRoute53, Operation},
    process::{Finished, Nic53, program},
};

const HOST: &str = "home.example.com";
const CHALLENGE: &str = "_acme-challenge.home.example.com";
const NAMES: [&str; 2] = ["*.home.example.com", HOST];

const SETTINGS: [(&str, &str); 3] = [
    ("NIC53_ZONES", "example.com=EMBEDDED"),
    ("NIC53_SECRET", "the-secret-of-the-tests-of-certificates"),
    ("NIC53_ALLOW_ACME", "true"),
];

/// A token of nobody.
const WRONG: &str = "00000000000000000000000a";

// Programs that Debian has

#[test]
fn lego_gets_a_certificate() {
    let place = Place::new();
    let order = place.order(&place.setup("lego"));
    assert_eq!(order.names("lego/certificates/home.example.com.crt"), NAMES, "{:?}", order.finished);
    place.is_left_clean();
}

/// With the variable that has the gateway make the value.
#[test]
fn lego_in_raw_mode_gets_a_certificate() {
    let place = Place::new();
    let order = place.order(&format!("export HTTPREQ_MODE=RAW\n{}", place.setup("lego")));
    assert_eq!(order.names("lego/certificates/home.example.com.crt"), NAMES, "{:?}", order.finished);
    assert!(place.gateway.log().contains(" present 200 good "), "{}", place.gateway.log());
    place.is_left_clean();
}

/// Of one host, by two accounts.
#[test]
fn two_lego_at_once_get_a_certificate_each() {
    let place = Place::new();
    let commands = place.setup("lego");
    let orders = thread::scope(|scope| {
        let both = [(); 2].map(|()| scope.spawn(|| place.order(&commands)));
        both.map(|order| order.join().expect("an order"))
    });
    for order in orders {
        assert_eq!(order.names("lego/certificates/home.example.com.crt"), NAMES, "{:?}", order.finished);
    }
    place.is_left_clean();
}

#[test]
fn certbot_gets_a_certificate_and_renews_it() {
    let place = Place::new();
    let order =
        place.order(&format!("{}\ncertbot renew --force-renewal --no-random-sleep-on-renew", place.setup("certbot")));
    for number in [1, 2] {
        let file = format!("etc/letsencrypt/archive/home.example.com/cert{number}.pem");
        assert_eq!(order.names(&file), NAMES, "{number}: {:?}", order.finished);
    }
    assert_eq!(order.mode("etc/letsencrypt/nic53-home.example.com.curl"), 0o600);
    assert_eq!(order.finished.stdout.matches("wait 60\n").count(), 4, "{:?}", order.finished);
    place.is_left_clean();
}

/// Pasted twice, as for a host that is added later.
#[test]
fn dehydrated_gets_a_certificate() {
    let place = Place::new();
    let commands = place.setup("dehydrated");
    let order = place.order(&format!("{commands}\n{commands}"));
    assert_eq!(order.names("etc/dehydrated/certs/home.example.com/cert.pem"), NAMES, "{:?}", order.finished);
    assert_eq!(order.mode("etc/dehydrated/nic53-home.example.com.curl"), 0o600);
    assert_eq!(order.read("etc/dehydrated/domains.txt"), "home.example.com *.home.example.com\n");
    assert!(order.finished.stdout.contains("Skipping renew"), "{:?}", order.finished);
    assert_eq!(order.finished.stdout.matches("wait 60\n").count(), 2, "{:?}", order.finished);
    place.is_left_clean();
}

/// Traefik is lego inside, with lego's variables.
#[test]
fn traefiks_environment_is_legos() {
    let place = Place::new();
    let printed = place.setup("traefik");
    assert!(printed.contains("\n        provider: httpreq\n"), "{printed}");
    let variables: Vec<_> = printed.lines().filter(|line| line.starts_with("HTTPREQ_")).collect();
    let lego = "lego --accept-tos --email you@example.org --dns httpreq --domains home.example.com run";
    let order = place.order(&format!("export {}\n{lego}", variables.join(" ")));
    assert_eq!(order.names("lego/certificates/home.example.com.crt"), [HOST], "{:?}", order.finished);
}

#[test]
fn a_refused_token_gets_none() {
    let place = Place::new();
    for (client, said) in [("lego", "401"), ("certbot", "error: 401"), ("dehydrated", "error: 401")] {
        let order = place.order(&place.setup(client).replace(&place.token, WRONG));
        order.has_none();
        assert!(order.says(said), "{client}: {:?}", order.finished);
    }
    let log = place.gateway.log();
    assert!(log.contains(" present 401 badauth ") && !log.contains(" 200 "), "{log}");
    place.is_left_clean();
}

/// Its name is a CDN's, which would be surprised.
#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_is_a_cname_gets_none() {
    let route53 = FakeRoute53::start().await;
    route53.zone("Z1", "example.com");
    route53.put("Z1", "home.example.com. 300 CNAME cdn.example.net.").expect("a record set");
    let url = route53.url();
    let store = [
        ("NIC53_ZONES", "example.com=Z1"),
        ("AWS_ENDPOINT_URL_ROUTE_53", url.as_str()),
        ("AWS_ACCESS_KEY_ID", "test"),
        ("AWS_SECRET_ACCESS_KEY", "test"),
    ];
    let settings: Vec<_> = SETTINGS.into_iter().chain(store).collect();
    let place = Place::with(|| Nic53::serve(&settings, &["--store", "route53", "--dns", "off"]));
    for client in ["lego", "certbot"] {
        let order = place.order(&place.setup(client));
        order.has_none();
        assert!(order.says("403"), "{client}: {:?}", order.finished);
    }
    assert!(place.gateway.log().contains(" present 403 nohost "), "{}", place.gateway.log());
    assert_eq!(route53.made(Operation::Change), 0);
    assert_eq!(route53.records("Z1"), ["home.example.com. 300 CNAME cdn.example.net."]);
}

// Clients whose recorded requests are sent

/// As acme.sh's script does, which Proxmox VE and others run too: success is its value in the answer.
const ACMEPROXY: &str = r#"
acmeproxy() {
    set -- "$1" "{\"fqdn\": \"_acme-challenge.home.example.com.\", \"value\": \"$VALUE\"}"
    curl -sS -H "Authorization: Basic $(printf %b "$ACMEPROXY_USERNAME:$ACMEPROXY_PASSWORD" | base64 -w0)" \
        -H 'Accept: application/json' -H 'Content-Type: application/json' -d "$2" "$ACMEPROXY_ENDPOINT/$1" |
        grep "\"$VALUE\""
}
"#;

#[test]
fn acme_sh_is_given_its_variables() {
    let place = Place::new();
    let program = r#"printf '#!/bin/sh\necho "$*"\n' >acme.sh; chmod +x acme.sh; PATH=$PWD:$PATH"#;
    place.sets_and_removes(
        &format!("{ACMEPROXY}\n{program}\n{}", place.setup("acme.sh")),
        ["acmeproxy present", "acmeproxy cleanup"],
        "--issue --server letsencrypt --dns dns_acmeproxy --domain home.example.com --domain *.home.example.com\n",
    );
}

#[test]
fn proxmox_is_given_its_variables() {
    let place = Place::new();
    let node =
        r#"pvenode() { echo "$*"; case "$*" in *--data*) stat --format=%a nic53.acme; . ./nic53.acme ;; esac; }"#;
    place.sets_and_removes(
        &format!("{ACMEPROXY}\n{node}\n{}\n! ls nic53.acme", place.setup("proxmox")),
        ["acmeproxy present", "acmeproxy cleanup"],
        "acme plugin add dns nic53 --api acmeproxy --data nic53.acme --validation-delay 60\n600\n",
    );
}

#[test]
fn opnsense_is_given_its_fields() {
    let place = Place::new();
    let form = place.setup("opnsense-acme");
    let field = |name: &str| after(&form, &format!("{name}  ")).trim().to_owned();
    assert_eq!(field("DNS Service"), "Acmeproxy");
    let [endpoint, user, token] = ["Endpoint", "Username", "Password"].map(field);
    place.sets_and_removes(
        &format!("{ACMEPROXY}\nACMEPROXY_ENDPOINT={endpoint} ACMEPROXY_USERNAME={user} ACMEPROXY_PASSWORD={token}"),
        ["acmeproxy present", "acmeproxy cleanup"],
        "",
    );
}

/// As lego's provider does.
const HTTPREQ: [&str; 2] = [
    r#"curl -fsS -u "$HTTPREQ_USERNAME:$HTTPREQ_PASSWORD" -H 'Content-Type: application/json' -d "{\"fqdn\":\"_acme-challenge.home.example.com.\",\"value\":\"$VALUE\"}" $HTTPREQ_ENDPOINT/present"#,
    r#"curl -fsS -u "$HTTPREQ_USERNAME:$HTTPREQ_PASSWORD" -H 'Content-Type: application/json' -d "{\"fqdn\":\"_acme-challenge.home.example.com.\",\"value\":\"$VALUE\"}" $HTTPREQ_ENDPOINT/cleanup"#,
];

/// Each line but the first is a variable of lego.
#[test]
fn nginx_proxy_manager_is_given_legos_variables() {
    let place = Place::new();
    let printed = place.setup("nginx-proxy-manager");
    let (_, file) = printed.split_once("dns_multi_provider = httpreq\n").expect("a credentials file");
    place.sets_and_removes(&file.replace(" = ", "="), HTTPREQ, "");
}

#[test]
fn home_assistant_is_given_legos_variables() {
    let place = Place::new();
    let printed = place.setup("home-assistant");
    assert!(printed.contains("\n  lego_provider: httpreq\n  lego_env:\n"), "{printed}");
    let variables = printed.lines().filter_map(|line| line.strip_prefix("    - "));
    place.sets_and_removes(&variables.collect::<Vec<_>>().join("\n"), HTTPREQ, "");
}

/// Its library sends what lego does, and compares what comes back.
#[test]
fn caddy_is_given_url_user_and_token() {
    let place = Place::new();
    let file = place.setup("caddy");
    assert!(file.starts_with("home.example.com, *.home.example.com {\n"), "{file}");
    let url = after(&file, "\t\tdns acmeproxy ").trim_end_matches(" {");
    let [user, token] = ["\t\t\tusername ", "\t\t\tpassword "].map(|words| after(&file, words));
    place.sets_and_removes(
        &format!("HTTPREQ_ENDPOINT={url} HTTPREQ_USERNAME={user} HTTPREQ_PASSWORD={token}"),
        HTTPREQ,
        &format!("{{\"fqdn\":\"{CHALLENGE}.\",\"value\":\"{VALUE}\"}}"),
    );
}

/// Its library posts to `/update` and never removes.
#[test]
fn cert_manager_is_given_an_account() {
    let place = Place::new();
    let printed = place.setup("cert-manager");
    let account: Value = serde_json::from_str(after(&printed, "    ")).expect("an account");
    let account = &account[HOST];
    assert_eq!(account["fulldomain"], CHALLENGE);
    let text = |name: &str| account[name].as_str().expect(name);
    let body = json!({"subdomain": account["subdomain"], "txt": VALUE}).to_string();
    let finished = program("curl")
        .args(&["-fsS", "-H", &format!("X-Api-User: {}", text("username"))])
        .args(&["-H", &format!("X-Api-Key: {}", text("password")), "-H", "Content-Type: application/json"])
        .args(&["-d", &body, &format!("{}/update", after(&printed, "            host: "))])
        .start()
        .finish();
    assert_eq!(finished.stdout, format!("{{\"txt\": \"{VALUE}\"}}"), "{finished:?}");
    assert_eq!(place.values(), [format!("\"{VALUE}\"")]);
}

// What a person is told

#[test]
fn the_page_shows_what_is_printed() {
    let page = include_str!("../../docs/certificates.md");
    for client in ["lego", "certbot", "acme.sh"] {
        let finished = program(NIC53)
            .settings(&[("NIC53_TOKEN", "p76tf75ar94am7g7pcjzryjr")])
            .args(&["setup", client, "home.example.org", "--url", "https://dyn.example.net"])
            .start()
            .finish();
        assert_eq!(finished.code, Some(0), "{finished:?}");
        assert!(page.contains(&format!("```sh\n{}```\n", finished.stdout)), "{client}: {}", finished.stdout);
    }
}

#[test]
fn a_gateway_that_refuses_is_warned_about_and_a_wildcard_is_refused() {
    for (settings, host, code, said) in [
        (
            &SETTINGS[..2],
            HOST,
            0,
            "warning: lego gets certificates, which this gateway refuses: expected NIC53_ALLOW_ACME",
        ),
        (&SETTINGS[..], HOST, 0, ""),
        (&SETTINGS[..], "*.home.example.com", 2, "`*.home.example.com`: lego breaks on its `*`"),
    ] {
        let finished = program(NIC53)
            .settings(settings)
            .args(&["setup", "lego", host, "--url", "https://dyn.example.org"])
            .start()
            .finish();
        assert_eq!(finished.code, Some(code), "{host}: {finished:?}");
        assert!(
            finished.stderr.contains(said) && said.is_empty() == finished.stderr.is_empty(),
            "{host}: {finished:?}"
        );
    }
}

// The programs

const NIC53: &str = env!("CARGO_BIN_EXE_nic53");

/// A gateway, and an authority that believes its DNS server.
struct Place {
    gateway: Nic53,
    /// The host's token.
    token: String,
    authority: Authority,
    /// What the authority asks.
    dns: Option<Nic53>,
}

/// The value of a challenge.
const VALUE: &str = "LHDhK3oGRvkiefQnx7OOczTY5Tic_xZ6HcMOc_gmtoM";

impl Place {
    fn new() -> Self {
        let gateway = Nic53::serve(&SETTINGS, &["--dns", "127.0.0.1:0"]);
        let authority = Authority::start(&gateway);
        Self { token: gateway.token(&[HOST]), gateway, authority, dns: None }
    }

    /// With a gateway that has no DNS server.
    fn with(gateway: impl FnOnce() -> Nic53) -> Self {
        let dns = Nic53::serve(&SETTINGS, &["--dns", "127.0.0.1:0"]);
        let (gateway, authority) = (gateway(), Authority::start(&dns));
        Self { token: gateway.token(&[HOST]), gateway, authority, dns: Some(dns) }
    }

    /// What is pasted for a client.
    fn setup(&self, client: &str) -> String {
        let url = format!("http://{}", self.gateway.http);
        let finished = program(NIC53)
            .settings(&[("NIC53_TOKEN", &self.token)])
            .args(&["setup", client, HOST, "--url", &url])
            .start()
            .finish();
        assert_eq!((finished.code, finished.stderr.as_str()), (Some(0), ""), "{client}");
        finished.stdout
    }

    /// Runs commands in a shell. The clients are told which authority there is, and which resolver; the minute of
    /// waiting, which is for Route 53, is left out.
    fn order(&self, commands: &str) -> Order {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let root = folder.path().to_str().expect("a path in UTF-8");
        let Authority { directory, .. } = &self.authority;
        let trusted = self.authority.certificate();
        let trusted = trusted.to_str().expect("a path in UTF-8");
        let dns = self.dns.as_ref().unwrap_or(&self.gateway).dns.as_deref().expect("a DNS server");
        let commands = commands.replace("/etc/", &format!("{root}/etc/"));
        let script = format!(
            r#"mkdir bin
            printf '#!/bin/sh\necho "wait $*"\n' >bin/sleep
            chmod +x bin/sleep
            PATH=$PWD/bin:$PATH
            cat >dehydrated.conf <<'END'
CA={directory}
BASEDIR={root}/etc/dehydrated
CONFIG_D={root}/etc/dehydrated/conf.d
DOMAINS_TXT={root}/etc/dehydrated/domains.txt
CURL_OPTS="--cacert {trusted}"
KEY_ALGO=prime256v1
KEYSIZE=2048
END
            export LEGO_CA_CERTIFICATES={trusted} HTTPREQ_POLLING_INTERVAL=1 REQUESTS_CA_BUNDLE={trusted}
            lego() {{
                command lego --server {directory} --path {root}/lego --dns.resolvers {dns} --dns.disable-cp "$@"
            }}
            certbot() {{
                command certbot "$@" -n --agree-tos --no-eff-email -m you@example.org --server {directory} \
                    --config-dir {root}/etc/letsencrypt --work-dir {root}/work --logs-dir {root}/logs
            }}
            dehydrated() {{ command dehydrated --config dehydrated.conf "$@"; }}
            {commands}"#
        );
        let finished = program("sh").args(&["-ec", &script]).start().finish();
        Order { finished, folder }
    }

    /// Runs commands that set up a client, and then has it set and remove a value.
    fn sets_and_removes(&self, setup: &str, [present, cleanup]: [&str; 2], says: &str) {
        let set = format!("VALUE={VALUE}\n{setup}\n{present}");
        for (script, values) in [(&set, vec![format!("\"{VALUE}\"")]), (&format!("{set}\n{cleanup}"), vec![])] {
            let finished = program("sh").args(&["-ec", script]).start().finish();
            assert_eq!(finished.code, Some(0), "{finished:?}");
            assert!(finished.stdout.contains(says), "{says:?} is not in {finished:?}");
            assert_eq!(self.values(), values, "{finished:?}");
        }
    }

    /// The values of the host's challenge.
    fn values(&self) -> Vec<String> {
        dig::dig(&self.gateway, CHALLENGE, "TXT")
    }

    /// After an order no challenge is there, and nothing of it is in the log.
    #[track_caller]
    fn is_left_clean(&self) {
        assert_eq!(self.values(), [""; 0]);
        let log = self.gateway.log();
        let is_of_value = |letter: char| letter.is_ascii_alphanumeric() || "-_".contains(letter);
        assert!(log.split(|letter| !is_of_value(letter)).all(|word| word.len() < 43), "{log}");
    }
}

/// What came of an order.
struct Order {
    finished: Finished,
    /// What the client has written.
    folder: TempDir,
}

impl Order {
    /// The names of a certificate, sorted.
    #[track_caller]
    fn names(&self, file: &str) -> Vec<String> {
        assert_eq!(self.finished.code, Some(0), "{:?}", self.finished);
        let path = self.path(file);
        let read = program("openssl")
            .args(&["x509", "-noout", "-issuer", "-ext", "subjectAltName", "-in", &path])
            .start()
            .finish();
        assert!(read.stdout.contains("Pebble Intermediate CA"), "{file}: {read:?}, {:?}", self.finished);
        let names = read.stdout.split(&[' ', ',', '\n']).filter_map(|word| word.strip_prefix("DNS:"));
        let mut names: Vec<_> = names.map(str::to_owned).collect();
        names.sort();
        names
    }

    /// The client has failed, and there is no certificate.
    #[track_caller]
    fn has_none(&self) {
        assert_eq!(self.finished.code, Some(1), "{:?}", self.finished);
        for path in [
            "lego/certificates/home.example.com.crt",
            "etc/letsencrypt/live",
            "etc/dehydrated/certs/home.example.com/cert.pem",
        ] {
            assert!(!Path::new(&self.path(path)).exists(), "{path}: {:?}", self.finished);
        }
    }

    /// Whether the client has printed these words.
    fn says(&self, words: &str) -> bool {
        self.finished.stdout.contains(words) || self.finished.stderr.contains(words)
    }

    fn path(&self, file: &str) -> String {
        self.folder.path().join(file).to_str().expect("a path in UTF-8").to_owned()
    }

    fn read(&self, file: &str) -> String {
        fs::read_to_string(self.path(file)).expect(file)
    }

    /// Who may do what with a file.
    fn mode(&self, file: &str) -> u32 {
        use std::os::unix::fs::PermissionsExt as _;
        fs::metadata(self.path(file)).expect(file).permissions().mode() & 0o777
    }
}

/// The rest of the first line that begins with these words.
#[track_caller]
fn after<'a>(text: &'a str, words: &str) -> &'a str {
    text.lines().find_map(|line| line.strip_prefix(words)).unwrap_or_else(|| panic!("no {words:?} in {text}"))
}
