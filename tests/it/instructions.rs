//! What the pages tell to type, typed: taken from the pages as it stands there, with only the folders and addresses
//! changed that a test cannot have.

use std::{
    fs,
    path::{Path, PathBuf},
};

use crate::support::process::{Finished, Program, program};

/// The page of the proxy and of delegation.
const SELF_HOSTING: &str = "docs/self-hosting.md";
/// The page of installing and of backups.
const INSTALLING: &str = "docs/installing.md";
/// nginx's configuration around the block of the page: in a namespace nobody can become another user.
const NGINX: &str = "\
daemon off;
master_process off;
user root;
pid nginx.pid;
events {}
http {
  access_log off;
  client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path fastcgi; uwsgi_temp_path uwsgi;
  scgi_temp_path scgi;
  include site.conf;
}
";
/// The answers through the proxy, as the page promises them.
const THROUGH_NGINX: [&str; 6] = [
    "http: good 198.51.100.7",
    "https: nochg 198.51.100.7",
    "forged: nochg 198.51.100.7",
    "own page: nochg 198.51.100.7",
    "other page: badauth",
    "ipv6: 2001:db8::7",
];

#[test]
fn the_readme_shows_what_the_first_start_prints() {
    let shown = block("README.md", "nic53 listening on");
    let server = program(env!("CARGO_BIN_EXE_nic53"))
        .settings(&[("NIC53_HTTP", "127.0.0.1:0"), ("NIC53_DNS", "127.0.0.1:0")])
        .start();
    let printed = server.wait_for("its last line", |said| {
        said.stdout.ends_with("prints the token again.\n").then(|| said.stdout.clone())
    });
    let between = |text: &str, before: &str, after: &str| {
        let (_, rest) = text.split_once(before).expect("what is before it");
        rest.split_once(after).expect("what is after it").0.to_owned()
    };
    // What differs from start to start.
    let values = [("http://127.0.0.1:", " "), ("dns 127.0.0.1:", "\n"), ("router.home.example:", " ")];
    let printed = values.into_iter().fold(printed, |printed, (before, after)| {
        printed.replace(&between(&printed, before, after), &between(&shown, before, after))
    });
    assert_eq!(printed, shown);
}

#[test]
fn the_readme_shows_steps_that_the_tests_have() {
    let script = fs::read_to_string(root("test")).expect("the script");
    let (_, packages) = script.split_once("packages=(\n").expect("the packages");
    let script = script.replace("${packages[*]}", &packages.split_whitespace().collect::<Vec<_>>().join(" "));
    let steps: Vec<&str> = script.lines().filter_map(|line| line.trim().strip_prefix("step ")).collect();
    let shown = block("README.md", "== Debian packages");
    let shown: Vec<&str> = shown.lines().filter_map(|line| line.strip_prefix("== ")).collect();
    assert!(shown.len() >= 3, "{shown:?}");
    for line in shown {
        // What is left out, and the seconds.
        let words = line.rsplit_once(" (").map_or(line, |(words, _)| words).trim_end_matches(" …");
        assert!(steps.iter().any(|step| step[1..].starts_with(words)), "{words}: {steps:#?}");
    }
}

#[test]
fn nginx_with_the_block_of_the_page_passes_on_who_asked() {
    let answers = through_nginx(&site(), &settings());
    assert_eq!(answers, THROUGH_NGINX);
}

/// The table of the page: what each line is for.
#[test]
fn without_each_line_of_the_page_what_it_says_happens() {
    let nobody = "log: no usable address given, and the source address is private";
    let loopback = ["http: dnserr", "https: dnserr", "forged: dnserr", "own page: dnserr", "other page: badauth"];
    let answers = through_nginx(&site(), &without(&settings(), "NIC53_TRUSTED_PROXIES"));
    assert_eq!((&answers[..5], &*answers[6]), (&loopback.map(String::from)[..], nobody), "without the setting");

    // nginx then passes on what a client claims.
    let mut expected = loopback;
    expected[2] = "forged: good 192.0.2.66";
    let answers = through_nginx(&without(&site(), "X-Forwarded-For"), &settings());
    assert_eq!((&answers[..5], &*answers[6]), (&expected.map(String::from)[..], nobody), "without X-Forwarded-For");

    let answers = through_nginx(&without(&site(), "Host $http_host"), &settings());
    let mut expected = THROUGH_NGINX;
    expected[3] = "own page: badauth";
    assert_eq!(answers, expected, "without Host");
}

#[test]
fn a_zone_that_is_delegated_as_the_page_says_is_found() {
    let bind = |address: &str, zones: &str| {
        format!(
            "options {{ directory \".\"; pid-file none; session-keyfile none; listen-on {{ {address}; }}; \
             listen-on-v6 {{ none; }}; dnssec-validation no; }};\ncontrols {{}};\n{zones}\n"
        )
    };
    let parent = "$TTL 3600\n@ SOA a.root. hostmaster.root. 1 3600 600 604800 60\n@ NS a.root.\n";
    let root = format!("{parent}a.root. A 10.53.0.1\nexample.org. NS a.root.\n");
    let zones = "zone \".\" { type primary; file \"root.zone\"; };\n\
                 zone \"example.org\" { type primary; file \"parent.zone\"; };";
    let lookups = block(SELF_HOSTING, "dig @203.0.113.5")
        .replace("NAME-SERVER-OF-EXAMPLE.ORG", "10.53.0.1")
        .replace("dig router", "dig @10.53.0.3 router")
        .replace("nic53 check", "nic53 check --resolver 10.53.0.3");
    let finished = in_a_namespace(include_str!("instructions/delegation.sh"), |program| {
        program
            .file("root.zone", &root)
            .file("parent.zone", parent)
            .file("hints.zone", ". 3600 NS a.root.\na.root. 3600 A 10.53.0.1\n")
            .file("parent.conf", &bind("10.53.0.1", zones))
            .file("resolver.conf", &bind("10.53.0.3", "zone \".\" { type hint; file \"hints.zone\"; };"))
            .file("delegation.zone", &block(SELF_HOSTING, "IN  NS  ns.home.example.org."))
            .file("serve.sh", &block(SELF_HOSTING, "--name-server ns.home"))
            .file("lookups.sh", &lookups)
    });
    let answers: Vec<&str> = finished.stdout.split("; <<>> DiG").collect();
    let [update, server, parent, resolver] = answers[..] else { panic!("{finished:#?}") };
    let words = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(update.starts_with("good 198.51.100.7"), "{update}");
    assert!(server.contains("status: NOERROR") && server.contains("flags: qr aa"), "{server}");
    let (_, referral) = parent.split_once("AUTHORITY SECTION").expect("a referral");
    let (authority, additional) = referral.split_once("ADDITIONAL SECTION").expect("glue");
    assert!(words(authority).contains("home.example.org. 3600 IN NS ns.home.example.org."), "{parent}");
    assert!(words(additional).contains("ns.home.example.org. 3600 IN A 203.0.113.5"), "{parent}");
    assert!(words(resolver).contains("IN A 198.51.100.7"), "{resolver}");
    assert!(resolver.contains("\nok delegation: ") && resolver.contains("\nok name-servers: "), "{resolver}");
}

#[test]
fn a_backup_made_and_restored_as_the_page_says_has_the_record_and_the_token() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = |name: &str| folder.path().join(name).to_str().expect("a path that is text").to_owned();
    let (old, new) = (path("old"), path("new"));
    let lines = |block: String, folder: &str| block.replace("/var/lib/nic53", folder);
    let finished = program("sh")
        .settings(&[("NIC53", env!("CARGO_BIN_EXE_nic53")), ("OLD", &old), ("NEW", &new)])
        .file("backup-lines.sh", &lines(block(INSTALLING, "-cf nic53-backup.tar"), &old))
        .file("restore-lines.sh", &lines(block(INSTALLING, "-xpf nic53-backup.tar"), &new))
        .args(&["-c", include_str!("instructions/backup.sh")])
        .start()
        .finish();
    let lines: Vec<&str> = finished.stdout.lines().collect();
    let expected = [
        "good 203.0.113.7",
        "router\t60\tIN\tA\t203.0.113.7",
        "nochg 203.0.113.7",
        "./",
        "./records.redb",
        "./secret",
        "-rw------- lock",
        "-rw------- records.redb",
        "-rw------- secret",
        "end",
    ];
    assert_eq!(lines, expected, "{finished:#?}");
}

#[test]
fn the_files_go_where_the_page_says_and_the_token_is_printed_as_it_says() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let root = folder.path().to_str().expect("a path that is text");
    let at_root = |text: String| {
        let text = text.replace("target/release/nic53", env!("CARGO_BIN_EXE_nic53"));
        ["/usr/", "/etc/", "/var/"].iter().fold(text, |text, path| text.replace(path, &format!("{root}{path}")))
    };
    let install = at_root(block(INSTALLING, "nic53 man /usr/local"));
    let service = at_root(block(INSTALLING, "install -m 644 docs/systemd/nic53.service"));
    let settings = at_root(block(INSTALLING, "home.example.org=EMBEDDED"));
    let token = at_root(block(INSTALLING, "nic53 token home.example.org'"));
    let script = format!(
        "set -eu
        cd {repository}
        mkdir -p {root}/usr/local/bin {root}/usr/local/share {root}/etc/systemd/system {root}/var/lib
        PATH={root}/usr/local/bin:$PATH
        editor() {{ cat >\"$1\" <<'END'\n{settings}END\n}}
        systemctl() {{ :; }}
        {install}
        {service}
        mkdir -m 700 {root}/var/lib/nic53
        printf %s the-secret-of-the-installing-tests-01234567 >{root}/var/lib/nic53/secret
        {token}
        cd {root}
        find etc usr -type f | sort",
        repository = env!("CARGO_MANIFEST_DIR"),
    );
    let finished = program("sh").args(&["-c", &script]).start().finish();
    assert_eq!(finished.code, Some(0), "{finished:#?}");
    let mut lines = finished.stdout.lines();
    assert!(lines.next().is_some_and(|token| token.len() == 24), "{finished:#?}");
    let files: Vec<&str> = lines.collect();
    for expected in [
        "etc/nic53/nic53.env",
        "etc/systemd/system/nic53.service",
        "usr/local/bin/nic53",
        "usr/local/share/bash-completion/completions/nic53",
        "usr/local/share/man/man1/nic53-serve.1",
        "usr/local/share/man/man1/nic53.1",
    ] {
        assert!(files.contains(&expected), "{expected}: {files:#?}");
    }
}

/// Also with the addition for credentials that the page has.
#[test]
fn systemd_understands_the_units() {
    let unit = |name: &str| {
        let text = fs::read_to_string(root("docs/systemd").join(name)).expect("a unit");
        text.replace("/usr/local/bin/nic53", env!("CARGO_BIN_EXE_nic53"))
    };
    let with_credentials = format!("{}\n{}", unit("nic53.service"), block(INSTALLING, "LoadCredential=secret:"));
    let names =
        ["./nic53.service", "./nic53-update.service", "./nic53-update.timer", "./nic53-with-credentials.service"];
    let finished = program("systemd-analyze")
        .file(names[0], &unit(names[0]))
        .file(names[1], &unit(names[1]))
        .file(names[2], &unit(names[2]))
        .file(names[3], &with_credentials)
        // The manual pages need not be installed here.
        .args(&["verify", "--man=no"])
        .args(&names)
        .start()
        .finish();
    assert_eq!((finished.code, &*finished.stderr), (Some(0), ""), "{finished:#?}");
}

/// nginx's block on the page, with a certificate that is here.
fn site() -> String {
    let certificate = "/etc/letsencrypt/live/dyn.example.org/";
    let block = block(SELF_HOSTING, "proxy_pass");
    let tls = root("tests/it/support/tls.pem");
    let tls = tls.to_str().expect("a path that is text");
    ["fullchain.pem", "privkey.pem"]
        .iter()
        .fold(block, |block, name| block.replace(&format!("{certificate}{name}"), tls))
}

/// The settings of nic53 on the page.
fn settings() -> String {
    block(SELF_HOSTING, "NIC53_TRUSTED_PROXIES=")
}

/// A text without the line that has these words.
fn without(text: &str, words: &str) -> String {
    let lines: Vec<&str> = text.lines().filter(|line| !line.contains(words)).collect();
    assert_eq!(lines.len() + 1, text.lines().count(), "{words}: {text}");
    lines.join("\n") + "\n"
}

/// What clients are answered by nic53 with these settings, through nginx with this block.
fn through_nginx(site: &str, settings: &str) -> Vec<String> {
    let finished = in_a_namespace(include_str!("instructions/proxy.sh"), |program| {
        program.file("nginx.conf", NGINX).file("site.conf", site).file("nic53.env", settings)
    });
    let lines = finished.stdout.lines().filter(|line| *line != "end");
    lines.map(str::to_owned).collect()
}

/// Runs a script in a network namespace, with the files that are added, up to its `end`.
fn in_a_namespace(script: &str, add_files: impl FnOnce(Program) -> Program) -> Finished {
    let secret = ("NIC53_SECRET", "the-secret-of-the-instructions-tests-012345");
    let program = program("unshare").settings(&[("NIC53", env!("CARGO_BIN_EXE_nic53")), secret]);
    let finished = add_files(program)
        // Everything in it ends with the first process.
        .args(&["--map-root-user", "--net", "--pid", "--fork", "--kill-child", "sh", "-c", script])
        .start()
        .finish();
    assert!(
        finished.stdout.ends_with("\nend\n"),
        "{finished:#?}: expected a network namespace (unshare --map-root-user --net: the kernel's user namespaces \
         must be allowed), and ip, nginx, named, dig and curl; ./test installs what is missing"
    );
    finished
}

/// The fenced block of a page that has these words.
fn block(page: &str, words: &str) -> String {
    let text = fs::read_to_string(root(page)).expect("a page");
    let blocks: Vec<&str> = text.split("\n```").skip(1).step_by(2).filter(|block| block.contains(words)).collect();
    let [block] = blocks[..] else { panic!("{page}: {words}: {blocks:?}: expected one block") };
    let (_language, lines) = block.split_once('\n').expect("a block of lines");
    format!("{lines}\n")
}

/// A path from the repository's root.
fn root(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}
