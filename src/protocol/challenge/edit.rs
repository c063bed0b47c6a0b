//! What an edit makes of the TXT records that are at a challenge name.
//!
//! Several values stand side by side: a certificate for a host and for its wildcard takes two, and two
//! orders may be under way at once. A value that is no challenge's is somebody else's, and stays.

use std::fmt;

use crate::protocol::challenge::digest::KeyDigest;

/// The most challenge values at a name. acme-dns has no request to remove one, so this bounds them.
/// Eight make an answer of 509 octets, which fits into a DNS message of any resolver. `docs/protocol.md`
/// states it.
pub const MAX_VALUES: usize = 8;

/// One edit of a challenge.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Edit {
    /// Adds a value.
    Add(KeyDigest),
    /// Removes that value and no other.
    Remove(KeyDigest),
}

/// The TXT records of one name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TxtSet {
    /// The TTL in seconds.
    pub ttl: u32,
    /// The values as Route 53 lists them, such as `"text"`, in its order. A deletion must repeat them.
    pub values: Vec<String>,
}

/// One TXT record set in the place of another. At least one is there, and they differ.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Swap {
    /// What was read.
    pub before: Option<TxtSet>,
    /// What is to be there instead.
    pub after: Option<TxtSet>,
}

/// What became of an edit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Edited {
    /// It was made.
    Changed,
    /// There was nothing to change.
    Unchanged,
    /// The host or its challenge name is not ours to change, with the reason for the log.
    NotOurs(&'static str),
}

impl Edit {
    /// What must be swapped; `None` if everything is as it should be. `ttl` is of a new record set.
    pub fn swap(&self, present: Option<TxtSet>, ttl: u32) -> Option<Swap> {
        let (ttl, values) = present.as_ref().map_or((ttl, &[][..]), |set| (set.ttl, &set.values));
        let values = match self {
            Self::Add(digest) => with(values, digest)?,
            Self::Remove(digest) => without(values, digest)?,
        };
        let after = (!values.is_empty()).then_some(TxtSet { ttl, values });
        Some(Swap { before: present, after })
    }
}

impl fmt::Display for TxtSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} TXT {}", self.ttl, self.values.join(", "))
    }
}

/// The values and one more at the end; `None` if it is among them. If there are too many challenge
/// values, those that are listed first go.
fn with(values: &[String], digest: &KeyDigest) -> Option<Vec<String>> {
    let added = digest.quoted();
    if values.contains(&added) {
        return None;
    }
    let count = values.iter().filter(|value| is_challenge(value)).count();
    let mut excess = (count + 1).saturating_sub(MAX_VALUES);
    let mut kept: Vec<String> = values.to_vec();
    kept.retain(|value| {
        let goes = excess > 0 && is_challenge(value);
        excess -= usize::from(goes);
        !goes
    });
    kept.push(added);
    Some(kept)
}

/// The values without this one; `None` if it is not among them.
fn without(values: &[String], digest: &KeyDigest) -> Option<Vec<String>> {
    let removed = digest.quoted();
    let kept: Vec<String> = values.iter().filter(|value| **value != removed).cloned().collect();
    (kept.len() < values.len()).then_some(kept)
}

/// Whether a listed value may be one that we wrote.
fn is_challenge(value: &str) -> bool {
    let text = value.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
    text.is_some_and(|text| text.parse::<KeyDigest>().is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A digest that ends with this letter.
    fn digest(letter: char) -> KeyDigest {
        format!("{}{letter}", "x".repeat(42)).parse().unwrap()
    }

    /// A set in which a letter is the digest that ends with it, and anything else stands as it is.
    fn set(values: &[&str]) -> Option<TxtSet> {
        let value = |value: &&str| match value.len() {
            1 => digest(value.chars().next().unwrap()).quoted(),
            _ => (*value).to_owned(),
        };
        (!values.is_empty()).then(|| TxtSet { ttl: 300, values: values.iter().map(value).collect() })
    }

    #[test]
    fn an_edit_adds_or_removes_one_value() {
        let foreign = r#""v=spf1 -all""#;
        for (before, added, after) in [
            (&[][..], 'a', Some(&["a"][..])),
            (&["a"], 'a', None),
            (&["a"], 'b', Some(&["a", "b"])),
            (&["b", foreign], 'a', Some(&["b", foreign, "a"])),
            (&["a", "b", "c", "d", "e", "f", "g", "h"], 'c', None),
            (&["a", "b", "c", "d", "e", "f", "g"], 'h', Some(&["a", "b", "c", "d", "e", "f", "g", "h"])),
            (&["a", "b", "c", "d", "e", "f", "g", "h"], 'i', Some(&["b", "c", "d", "e", "f", "g", "h", "i"])),
            (
                &[foreign, "a", "b", "c", "d", "e", "f", "g", "h"],
                'i',
                Some(&[foreign, "b", "c", "d", "e", "f", "g", "h", "i"]),
            ),
            // Somebody else may have put more there.
            (&["a", "b", "c", "d", "e", "f", "g", "h", "j"], 'i', Some(&["c", "d", "e", "f", "g", "h", "j", "i"])),
        ] {
            let swap = Edit::Add(digest(added)).swap(set(before), 60);
            let after = after
                .map(|after| set(after).map(|set| TxtSet { ttl: if before.is_empty() { 60 } else { 300 }, ..set }));
            assert_eq!(
                swap.map(|swap| (swap.before, swap.after)),
                after.map(|after| (set(before), after)),
                "{before:?} {added}"
            );
        }
        for (before, removed, after) in [
            (&[][..], 'a', None),
            (&["b"], 'a', None),
            (&["a"], 'a', Some(&[][..])),
            (&["a", "b", foreign], 'a', Some(&["b", foreign])),
            (&["a", foreign], 'a', Some(&[foreign])),
        ] {
            let swap = Edit::Remove(digest(removed)).swap(set(before), 60);
            assert_eq!(
                swap.map(|swap| (swap.before, swap.after)),
                after.map(|after| (set(before), set(after))),
                "{before:?} {removed}"
            );
        }
    }

    #[test]
    fn a_challenge_in_another_quoting_is_somebody_elses() {
        for value in [r#""x" "y""#, &"x".repeat(43), &format!("\"{}\"", "x".repeat(44)), r#""""#, "\""] {
            assert!(!is_challenge(value), "{value}");
        }
        assert!(is_challenge(&digest('a').quoted()));
    }
}
