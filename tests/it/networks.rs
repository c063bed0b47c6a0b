//! What `nic53 setup` prints, in a network namespace: pasted word for word, for names that do not exist yet, at a gateway
//! whose name has an A record only (`dyn`) and at one that has an AAAA record too (`dyn46`).

use std::collections::BTreeMap;

use crate::support::process::{Finished, program};

/// The addresses that the gateway sees this machine at.
const V4: &str = "198.51.100.7";
const V6: &str = "2001:db8:7::7";
/// The new addresses that a router sends.
const NEW_V4: &str = "198.51.100.8";
const NEW_V6: &str = "2001:db8:7::8";

#[test]
fn each_recipe_moves_the_record_that_it_says_behind_a_gateway_of_one_family() {
    let checked = [
        "dyn.example.net: A 203.0.113.80, no AAAA; the gateway sees IPv4 addresses only: to move an AAAA record, a client \
         has to send the address",
        "198.51.100.7, the address of this machine",
    ];
    // With an address of IPv6, GNU wget does not get there, as the text says.
    tried("dyn", &checked, "", V6);
}

#[test]
fn each_recipe_moves_the_record_that_it_says_behind_a_gateway_of_both_families() {
    let checked = [
        "dyn46.example.net: A 203.0.113.80; AAAA 2001:db8:80::80; a client that does not choose a family asks over IPv6 \
         and moves its AAAA record only, such as inadyn, or ddclient with use=web",
        "198.51.100.7, the address of this machine",
        "2001:db8:7::7, the address of this machine",
    ];
    tried("dyn46", &checked, V6, NEW_V6);
}

/// Asserts what `nic53 check` says of a gateway, and the records that clients have of it: nic53's own moves its AAAA
/// record to `own_v6`, and GNU wget to `wget_v6`.
fn tried(gateway: &str, checked: &[&str], own_v6: &str, wget_v6: &str) {
    let text = include_str!("../../src/recipes/inadyn.md");
    let lines: Vec<&str> = text.split('`').filter(|code| code.contains("=\"")).collect();
    let finished = program("unshare")
        .settings(&[
            ("NIC53", env!("CARGO_BIN_EXE_nic53")),
            ("GATEWAY", gateway),
            ("NIC53_ZONES", "example.com=EMBEDDED"),
            ("NIC53_SECRET", "the-secret-of-the-tests-of-nic53-setup"),
        ])
        .file("default-inadyn", &lines.join("\n"))
        // Everything in it ends with the first process.
        .args(&["--map-root-user", "--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"])
        .args(&["sh", "-c", include_str!("networks/recipes.sh")])
        .start()
        .finish();
    assert!(
        finished.stdout.ends_with("\nend\n"),
        "{finished:#?}: expected a network namespace (unshare --map-root-user --net: the kernel's user namespaces must be \
         allowed), and ip, dig, curl, wget, busybox, ddclient, ddupdate and inadyn; ./test installs what is missing"
    );
    let said: Vec<&str> = finished.stdout.lines().filter_map(|line| line.strip_prefix("check: ")).collect();
    assert_eq!(said, checked);

    let mut expected = BTreeMap::new();
    for client in ["ddclient3", "ddclient4", "inadyn", "curl", "systemd", "ddupdate", "asus", "nic53"] {
        for host in ["a", "b"] {
            let v6 = if client == "nic53" { own_v6 } else { "" };
            expected.insert(format!("{client}-{host}.example.com"), [V4, v6]);
        }
    }
    for (fetcher, v6) in [("gnu_wget", wget_v6), ("busybox_wget", NEW_V6), ("curl", NEW_V6)] {
        expected.insert(format!("created by {fetcher}.example.com"), [V4, V6]);
        expected.insert(format!("{fetcher}.example.com"), [NEW_V4, v6]);
    }
    let seen = records(&finished);
    for (host, records) in &expected {
        assert_eq!(seen.get(host), Some(&records.map(str::to_owned)), "{host}: {finished:#?}");
    }
    assert_eq!(seen.len(), expected.len(), "{finished:#?}");
}

/// The A and the AAAA record of each host.
fn records(finished: &Finished) -> BTreeMap<String, [String; 2]> {
    let mut all = BTreeMap::<String, [String; 2]>::new();
    for line in finished.stdout.lines().filter(|line| *line != "end" && !line.starts_with("check: ")) {
        let (host, records) = line.split_once(": A=").unwrap_or_else(|| panic!("{line}: {finished:#?}"));
        let (v4, v6) = records.split_once(" AAAA=").unwrap_or_else(|| panic!("{line}: {finished:#?}"));
        let before = all.insert(host.to_owned(), [v4.to_owned(), v6.to_owned()]);
        assert!(before.is_none(), "{host}: {finished:#?}");
    }
    all
}
