//! Host names: what is one, its canonical form, and what is within what.

use nic53::protocol::{
    hostname::{HostName, NotFqdn},
    zone::Zones,
};

use super::fixture::{ZONES, zone_of};

/// Takes a line for a name, and the next for one that it may be within.
pub fn run(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let (text, other) = text.split_once('\n').unwrap_or((&text, "example.org"));
    let Ok(name) = text.parse::<HostName>() else {
        assert_eq!(text.parse::<HostName>(), Err(NotFqdn));
        return assert_eq!(canonical(text), None, "{text:?} is a name");
    };
    let printed = name.to_string();
    assert_eq!(canonical(text), Some(printed.clone()), "{text:?}");
    assert_eq!(printed.parse(), Ok(name.clone()), "printed and read again");
    assert_eq!(printed, name.as_str());
    assert_eq!(name.labels().collect::<Vec<_>>().join("."), printed);
    assert_eq!(name.is_wildcard(), printed.starts_with('*'));
    let labels: Vec<&str> = printed.split('.').collect();
    let ancestry: Vec<String> = name.ancestry().map(|name| name.to_string()).collect();
    let expected: Vec<String> = (0..labels.len() - 1).map(|from| labels[from..].join(".")).collect();
    assert_eq!(ancestry, expected);
    let zones = Zones::parse(ZONES).expect("zones");
    assert_eq!(zones.holding(&name).map(|zone| zone.id.as_str()), zone_of(&printed), "{printed}");
    if let Ok(other) = other.parse::<HostName>() {
        let others: Vec<&str> = other.as_str().split('.').collect();
        assert_eq!(name.is_within(&other), labels.ends_with(&others), "{name} within {other}");
        // At most one ancestor is that name.
        assert_eq!(name.ancestry().filter(|name| *name == other).count(), usize::from(labels.ends_with(&others)));
    }
    zone_settings(text, other);
}

/// Zones that can be read are printed and read again as the same.
fn zone_settings(name: &str, id: &str) {
    let Ok(zones) = Zones::parse(&format!("{name}={id},{ZONES}")) else { return };
    let printed = zones.to_string();
    let again = Zones::parse(&printed).unwrap_or_else(|error| panic!("{printed}: {error}"));
    assert!(zones.iter().eq(again.iter()), "{printed}");
}

/// The canonical form of a name, letter by letter (`docs/protocol.md`); `None` where it is none.
pub(super) fn canonical(text: &str) -> Option<String> {
    let mut labels: Vec<Vec<u8>> = vec![Vec::new()];
    for byte in text.bytes() {
        match byte {
            b'.' => labels.push(Vec::new()),
            b'A'..=b'Z' => labels.last_mut()?.push(byte + 32),
            _ => labels.last_mut()?.push(byte),
        }
    }
    if labels.last()?.is_empty() {
        labels.pop();
    }
    let octets: usize = labels.iter().map(|label| label.len() + 1).sum();
    if labels.len() < 2 || octets - 1 > 253 {
        return None;
    }
    for (index, label) in labels.iter().enumerate() {
        let letter = |byte: &u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-');
        let plain = (1..64).contains(&label.len()) && label.iter().all(letter);
        let hyphens = label.first() == Some(&b'-') || label.last() == Some(&b'-');
        if !(plain && !hyphens || index == 0 && label == b"*") {
            return None;
        }
    }
    String::from_utf8(labels.join(&b'.')).ok()
}

/// Names of every sort, each over one that it may be within.
pub fn seeds() -> Vec<Vec<u8>> {
    let long = format!("{}.example.org", ["a".repeat(63).as_str(); 3].join("."));
    let names = [
        "home.example.org\nexample.org",
        "*.Home.Example.ORG.\nhome.example.org",
        "_acme.x-y.lab.example.org\nlab.example.org",
        "xample.org\nexample.org",
        "a..b",
        "-a.b",
        "a.*.b\nb.c",
        "é.org",
        "1.2.3.4",
        "q.example.net\nZ0123ABC",
        "q.example.net.\n/hostedzone/Z0_-",
        long.as_str(),
    ];
    names.iter().map(|name| name.as_bytes().to_vec()).collect()
}
