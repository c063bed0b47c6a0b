//! Names as keys that sort as DNS sorts them.
//!
//! RFC 4034 §6.1 compares names label by label from the right, so that a name comes right before all
//! that is below it. The key of `www.example.org` is `org 0 example 0 www 0`: compared octet by
//! octet, such keys are in that order, and a name is within another exactly if its key starts
//! with the other's. The 0 after a label sorts below whatever a longer label has there. A label of
//! a question may hold any octet, so in a label 0 is written as 1 1 and 1 as 1 2.

use std::iter;

use crate::protocol::hostname::HostName;

/// What ends a label.
const END: u8 = 0;
/// What begins an octet that had to be written as two.
const ESCAPE: u8 = 1;

/// A name as a key: in any case, it is the same key.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Key(Vec<u8>);

impl Key {
    /// The key of a name, whose labels are given from the right.
    pub fn of_labels<'a>(labels: impl Iterator<Item = &'a [u8]>) -> Self {
        // Long enough for most names.
        let mut key = Self(Vec::with_capacity(64));
        labels.for_each(|label| key.push(label));
        key
    }

    /// A key as it is in the table.
    pub fn of_bytes(bytes: &[u8]) -> Self {
        Self(bytes.to_vec())
    }

    /// The octets, in which a name is a prefix of all that is below it.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The name one label below.
    #[must_use]
    pub fn child(mut self, label: &[u8]) -> Self {
        self.push(label);
        self
    }

    /// Whether this name is `other` or below it.
    pub fn is_within(&self, other: &Self) -> bool {
        self.0.starts_with(&other.0)
    }

    /// The longest name that both are within: the root, if there is no other.
    #[must_use]
    pub fn common_ancestor(&self, other: &Self) -> Self {
        let common = iter::zip(&self.0, &other.0).take_while(|(own, others)| own == others).count();
        let labels = self.0[..common].iter().rposition(|&octet| octet == END).map_or(0, |end| end + 1);
        Self(self.0[..labels].to_vec())
    }

    /// The host that this is the key of, if it is the key of a host.
    pub fn host(&self) -> Option<HostName> {
        let labels = str::from_utf8(&self.0).ok()?.strip_suffix('\0')?;
        labels.rsplit('\0').collect::<Vec<_>>().join(".").parse().ok()
    }

    /// Adds a label on the left.
    fn push(&mut self, label: &[u8]) {
        for octet in label {
            match octet.to_ascii_lowercase() {
                octet @ (END | ESCAPE) => self.0.extend([ESCAPE, octet + 1]),
                octet => self.0.push(octet),
            }
        }
        self.0.push(END);
    }
}

impl From<&HostName> for Key {
    fn from(host: &HostName) -> Self {
        Self::of_labels(host.labels().rev().map(str::as_bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The key of a name whose labels may hold any octet, given from the left.
    fn key(labels: &[&[u8]]) -> Key {
        Key::of_labels(labels.iter().rev().copied())
    }

    #[test]
    fn keys_are_in_the_order_of_rfc_4034() {
        // RFC 4034 §6.1, "an example of names sorted in canonical DNS name order".
        let names: [&[&[u8]]; 9] = [
            &[b"example"],
            &[b"a", b"example"],
            &[b"yljkjljk", b"a", b"example"],
            &[b"Z", b"a", b"example"],
            &[b"zABC", b"a", b"EXAMPLE"],
            &[b"z", b"example"],
            &[b"\x01", b"z", b"example"],
            &[b"*", b"z", b"example"],
            &[b"\xC8", b"z", b"example"],
        ];
        for pair in names.windows(2) {
            assert!(key(pair[0]) < key(pair[1]), "{pair:?}");
        }
    }

    #[test]
    fn no_octet_of_a_label_passes_for_its_end() {
        let names: [&[&[u8]]; 7] =
            [&[b"a", b"b"], &[b"b\0a"], &[b"b\x01a"], &[b"b\x01\x01a"], &[b"b\x01\x02a"], &[b"\0a", b"b"], &[b"a.b"]];
        for (position, name) in names.iter().enumerate() {
            for other in &names[..position] {
                assert!(!key(name).is_within(&key(other)) && !key(other).is_within(&key(name)), "{name:?} {other:?}");
            }
        }
    }

    #[test]
    fn a_name_is_within_itself_and_its_ancestors_at_a_label_only() {
        let name = key(&[b"a", b"example", b"org"]);
        for (other, within, common) in [
            (&[b"a".as_slice(), b"example", b"org"][..], true, &[b"a".as_slice(), b"example", b"org"][..]),
            (&[b"example", b"org"], true, &[b"example", b"org"]),
            (&[b"b", b"A", b"example", b"org"], false, &[b"a", b"example", b"org"]),
            (&[b"ab", b"example", b"org"], false, &[b"example", b"org"]),
            (&[b"exam", b"org"], false, &[b"org"]),
            (&[b"a", b"example", b"com"], false, &[]),
        ] {
            assert_eq!(name.is_within(&key(other)), within, "{other:?}");
            assert_eq!(name.common_ancestor(&key(other)), key(common), "{other:?}");
            assert_eq!(key(other).common_ancestor(&name), key(common), "{other:?}");
        }
    }

    #[test]
    fn a_host_comes_back_from_its_key() {
        for name in ["example.org", "*.home.example.org", "_a.x-y.example.org"] {
            let host: HostName = name.parse().unwrap();
            assert_eq!(Key::from(&host).host(), Some(host), "{name}");
        }
        for labels in [&[b"org".as_slice()][..], &[b"\0", b"org"], &[b"\xC8", b"org"], &[]] {
            assert_eq!(key(labels).host(), None, "{labels:?}");
        }
    }
}
