//! BIND as a resolver, below a root of our own that delegates zones to `nic53 serve`, in a network
//! namespace.

use crate::support::process::program;

/// The zones of the root name server.
const ROOT: &str = "\
$TTL 3600
. SOA a.root. hostmaster.root. 1 3600 600 604800 60
. NS a.root.
a.root. A 10.53.0.1
home.example. NS ns.home.example.
other.example. NS ns.home.example.
ns.home.example. A 10.53.0.2
bare.example. NS ns.bare.example.
ns.bare.example. A 10.53.0.5
lame.example. NS ns.home.example.
";
/// The hints that a resolver starts from.
const HINTS: &str = ". 3600 NS a.root.\na.root. 3600 A 10.53.0.1\n";

#[test]
fn a_resolver_finds_delegated_zones_whichever_names_it_asks_for_first() {
    let bind = |address: &str, options: &str, zone: &str| {
        format!(
            "options {{ directory \".\"; pid-file none; session-keyfile none; listen-on {{ {address}; }}; \
             listen-on-v6 {{ none; }}; dnssec-validation no; {options} }};\ncontrols {{}};\nzone \".\" {{ {zone} }};\n"
        )
    };
    let resolver = |address| bind(address, "recursion yes; allow-query { any; };", "type hint; file \"hints.zone\";");
    let finished = program("unshare")
        .settings(&[
            ("NIC53", env!("CARGO_BIN_EXE_nic53")),
            ("NIC53_SECRET", "the-secret-of-the-resolver-tests-0123456789"),
        ])
        .file("root.zone", ROOT)
        .file("hints.zone", HINTS)
        .file("root.conf", &bind("10.53.0.1", "recursion no;", "type primary; file \"root.zone\";"))
        .file("hosts-first.conf", &resolver("10.53.0.3"))
        .file("ns-first.conf", &resolver("10.53.0.4"))
        // Everything in it ends with the first process.
        .args(&["--map-root-user", "--net", "--pid", "--fork", "--kill-child"])
        .args(&["sh", "-c", include_str!("resolver/lookups.sh")])
        .start()
        .finish();
    assert!(
        finished.stdout.ends_with("\nend\n"),
        "{finished:#?}: expected a network namespace (unshare --map-root-user --net: the kernel's user namespaces \
         must be allowed), and ip, named, dig and curl; ./test installs what is missing"
    );
    let lines: Vec<&str> = finished.stdout.lines().filter(|line| line.starts_with("10.53.0.")).collect();
    assert_eq!(
        lines,
        [
            "10.53.0.3 h1.home.example A: NOERROR 198.51.100.1",
            "10.53.0.3 home.example NS: NOERROR ns.home.example.",
            "10.53.0.4 home.example NS: NOERROR ns.home.example.",
            "10.53.0.3 h1.other.example A: NOERROR 198.51.100.11",
            "10.53.0.3 other.example NS: NOERROR ns.home.example.",
            "10.53.0.4 other.example NS: NOERROR ns.home.example.",
            "10.53.0.3 h1.bare.example A: NOERROR 198.51.100.21",
            "10.53.0.3 bare.example NS: NOERROR ns.bare.example.",
            "10.53.0.4 bare.example NS: NOERROR ns.bare.example.",
            "10.53.0.3 h2.home.example A: NOERROR 198.51.100.2",
            "10.53.0.4 h2.home.example A: NOERROR 198.51.100.2",
            "10.53.0.3 h2.other.example A: NOERROR 198.51.100.12",
            "10.53.0.4 h2.other.example A: NOERROR 198.51.100.12",
            // The name server of this zone has no address, of which `nic53 serve` warns.
            "10.53.0.3 h2.bare.example A: SERVFAIL ",
        ],
        "{finished:#?}"
    );
    let checked: Vec<&str> = finished.stdout.lines().filter(|line| line.contains(" delegation: ")).collect();
    let seen: Vec<&str> = checked.iter().map(|line| line.split(';').next().unwrap_or_default()).collect();
    assert_eq!(
        seen,
        [
            "ok delegation: h1.home.example is in the zone home.example, which the root delegates to ns.home.example, as \
             the zone itself lists them",
            "wrong delegation: bare.example has no address of its own name server ns.bare.example",
            "wrong delegation: the root delegates lame.example to ns.home.example, which does not serve the zone",
        ],
        "{finished:#?}"
    );
}
