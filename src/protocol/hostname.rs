//! Names of hosts and zones.

use std::{fmt, str::FromStr};

/// A fully qualified host name in canonical form: lower case, no trailing dot.
///
/// At least two labels of letters, digits, `_` and inner `-`, 63 octets a label and 253 in all
/// (RFC 1035 §2.3.4); the leftmost label may be `*` (RFC 4592).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HostName(String);

impl HostName {
    /// The name as text, such as `home.example.org`.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The labels from the left.
    pub fn labels(&self) -> impl DoubleEndedIterator<Item = &str> {
        self.0.split('.')
    }

    /// Whether the leftmost label is `*`.
    pub fn is_wildcard(&self) -> bool {
        self.0.starts_with("*.")
    }

    /// Whether this name is `other` or below it.
    pub fn is_within(&self, other: &Self) -> bool {
        self.0.strip_suffix(other.as_str()).is_some_and(|left| left.is_empty() || left.ends_with('.'))
    }

    /// The name and its ancestors, longest first, down to two labels.
    pub fn ancestry(&self) -> impl Iterator<Item = Self> {
        std::iter::successors(Some(self.as_str()), |name| name.split_once('.').map(|(_, parent)| parent))
            .filter(|name| name.contains('.'))
            .map(|name| Self(name.to_owned()))
    }
}

/// The error for text that is not a fully qualified name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotFqdn;

impl FromStr for HostName {
    type Err = NotFqdn;

    /// Reads a name in any case, with or without one trailing dot.
    ///
    /// # Errors
    ///
    /// [`NotFqdn`] if the text is not a fully qualified name.
    fn from_str(text: &str) -> Result<Self, NotFqdn> {
        let name = text.strip_suffix('.').unwrap_or(text).to_ascii_lowercase();
        let below_wildcard = name.strip_prefix("*.").unwrap_or(&name);
        let mut labels = below_wildcard.as_bytes().split(|octet| *octet == b'.');
        let qualified = name.len() <= 253 && name.contains('.') && labels.all(is_label);
        if qualified { Ok(Self(name)) } else { Err(NotFqdn) }
    }
}

impl fmt::Display for HostName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Whether these octets are a label: 1 to 63 letters, digits, `_` or `-`, no `-` at its ends.
fn is_label(label: &[u8]) -> bool {
    (1..=63).contains(&label.len())
        && label.iter().all(|octet| octet.is_ascii_alphanumeric() || matches!(octet, b'-' | b'_'))
        && !label.starts_with(b"-")
        && !label.ends_with(b"-")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_but_a_qualified_name_is_notfqdn() {
        let label = "a".repeat(64);
        let long = format!("{}.example.org", ["a".repeat(63).as_str(); 4].join("."));
        for given in [
            "",
            ".",
            "home",
            "home.",
            "a..b",
            ".a.b",
            "a.b..",
            "-a.b",
            "a-.b",
            "a.-b",
            "*",
            "*.",
            "*a.b",
            "a.*.b",
            "*.*.b",
            "a b.c",
            "a/b.c",
            "é.org",
            "a.b\0",
            "a:b.c",
            "a@b.c",
            "http://a.b",
            &label,
            &format!("{label}.org"),
            &long,
        ] {
            assert_eq!(given.parse::<HostName>(), Err(NotFqdn), "{given}");
        }
    }

    #[test]
    fn a_name_is_lower_case_without_its_trailing_dot() {
        for (given, canonical) in [
            ("a.b", "a.b"),
            ("Home.Example.ORG.", "home.example.org"),
            ("*.home.example.org", "*.home.example.org"),
            ("_acme.x-y.example.org", "_acme.x-y.example.org"),
            ("1.2.3.4", "1.2.3.4"),
            ("*.org", "*.org"),
        ] {
            assert_eq!(given.parse::<HostName>().map(|name| name.to_string()), Ok(canonical.to_owned()), "{given}");
        }
    }

    #[test]
    fn a_name_is_within_itself_and_its_ancestors_at_a_dot_only() {
        let name: HostName = "a.example.org".parse().unwrap();
        for (other, within) in [
            ("a.example.org", true),
            ("example.org", true),
            ("ample.org", false),
            ("b.a.example.org", false),
            ("a.example.com", false),
        ] {
            assert_eq!(name.is_within(&other.parse().unwrap()), within, "{other}");
        }
    }

    #[test]
    fn the_ancestry_goes_from_the_name_up_to_two_labels() {
        let name: HostName = "*.a.example.org".parse().unwrap();
        let ancestry: Vec<_> = name.ancestry().map(|name| name.to_string()).collect();
        assert_eq!(ancestry, ["*.a.example.org", "a.example.org", "example.org"]);
    }
}
