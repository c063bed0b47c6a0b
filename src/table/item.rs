//! The item of a host.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;

use super::{
    attribute::{Attribute, Value},
    clock::Millis,
    record_text,
};
use crate::{
    problem::Problem,
    protocol::{
        address::{ByFamily, Family},
        record::RecordSet,
    },
};

/// The record sets of a host.
pub type Sets = ByFamily<Option<RecordSet>>;

/// What the table has of one host.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Item {
    /// How often what is wanted has changed.
    pub version: u64,
    /// The version at which the host was last taken over from Route 53.
    pub imported: u64,
    /// The record sets that are wanted.
    pub wanted: Sets,
    /// The record sets in Route 53 as far as is known, to the letter.
    pub published: Sets,
    /// The version that is in Route 53.
    pub published_version: u64,
    /// When a pending host may be published.
    pub due: Option<Millis>,
    /// Since when the host is pending.
    pub pending_since: Option<Millis>,
    /// When the host was last published.
    pub last_published: Option<Millis>,
    /// The day on which the host was last heard of.
    pub heard: Option<u64>,
    /// Why the host is left alone, if it is.
    pub left_alone: Option<LeftAlone>,
    /// The second since 1970 after which DynamoDB removes the item.
    pub expires: Option<u64>,
}

/// Why a host is left alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeftAlone {
    /// The reason: `a CNAME is there`, or `refused: …` if Route 53 refuses what is wanted.
    pub why: String,
    /// When that was last seen.
    pub seen: Millis,
}

/// How the reason begins if Route 53 refused what is wanted, in contrast to a name that is somebody
/// else's.
const REFUSED: &str = "refused: ";

impl LeftAlone {
    /// A host that Route 53 refuses, with what it says.
    pub fn refused(message: &str, seen: Millis) -> Self {
        Self { why: format!("{REFUSED}{message}"), seen }
    }

    /// Whether Route 53 refused what is wanted.
    pub fn is_refused(&self) -> bool {
        self.why.starts_with(REFUSED)
    }
}

impl Item {
    /// Reads an item's attributes.
    ///
    /// # Errors
    ///
    /// The attribute that makes no sense.
    pub fn read(attributes: &HashMap<String, AttributeValue>) -> Result<Self, Problem> {
        let reader = Reader(attributes);
        let left_alone = reader.text(Attribute::LeftAlone)?.map(str::to_owned);
        let seen = reader.number(Attribute::LeftAloneSeen)?.unwrap_or_default();
        Ok(Self {
            version: reader.required(Attribute::Version)?,
            imported: reader.required(Attribute::Imported)?,
            wanted: reader.record_sets(Attribute::Wanted)?,
            published: reader.record_sets(Attribute::Published)?,
            published_version: reader.required(Attribute::PublishedVersion)?,
            due: reader.number(Attribute::Due)?,
            pending_since: reader.number(Attribute::PendingSince)?,
            last_published: reader.number(Attribute::LastPublished)?,
            heard: reader.number(Attribute::Heard)?,
            left_alone: left_alone.map(|why| LeftAlone { why, seen }),
            expires: reader.number(Attribute::Expires)?,
        })
    }

    /// The item's attributes, without its key.
    pub fn attributes(&self) -> HashMap<String, AttributeValue> {
        let left_alone = self.left_alone.as_ref();
        let values: [(Attribute, Value); 14] = [
            (Attribute::Version, self.version.into()),
            (Attribute::Imported, self.imported.into()),
            (Attribute::Wanted(Family::V4), self.wanted.v4.as_ref().into()),
            (Attribute::Wanted(Family::V6), self.wanted.v6.as_ref().into()),
            (Attribute::Published(Family::V4), self.published.v4.as_ref().into()),
            (Attribute::Published(Family::V6), self.published.v6.as_ref().into()),
            (Attribute::PublishedVersion, self.published_version.into()),
            (Attribute::Due, self.due.into()),
            (Attribute::PendingSince, self.pending_since.into()),
            (Attribute::LastPublished, self.last_published.into()),
            (Attribute::Heard, self.heard.into()),
            (Attribute::LeftAlone, left_alone.map_or(Value::ABSENT, |left_alone| left_alone.why.as_str().into())),
            (Attribute::LeftAloneSeen, left_alone.map(|left_alone| left_alone.seen).into()),
            (Attribute::Expires, self.expires.into()),
        ];
        let present = values.into_iter().filter_map(|(attribute, Value(value))| Some((attribute, value?)));
        present.map(|(attribute, value)| (attribute.name().to_owned(), value)).collect()
    }

    /// Whether what is wanted is still to be carried to Route 53. `due` is there exactly then.
    pub fn is_pending(&self) -> bool {
        self.published_version < self.version && self.left_alone.is_none()
    }

    /// Whether a router has written the host since it was last taken over from Route 53. Only then is
    /// anything promised, and only then does the router's wish count more than what Route 53 has.
    pub fn is_promised(&self) -> bool {
        self.version > self.imported
    }

    /// Whether Route 53 has the record set that is wanted, as far as is known.
    pub fn is_as_wanted(&self, family: Family) -> bool {
        same(self.published[family].as_ref(), self.wanted[family].as_ref())
    }

    /// Whether these record sets mean the same as those that are wanted.
    pub fn wants(&self, sets: &Sets) -> bool {
        all_same(&self.wanted, sets)
    }

    /// Whether these record sets mean the same as those that are known to be in Route 53.
    pub fn knows(&self, sets: &Sets) -> bool {
        all_same(&self.published, sets)
    }

    /// Whether these record sets are both what is wanted and what is published, to the letter, and the host is
    /// not left alone.
    pub fn is_exactly(&self, sets: &Sets) -> bool {
        self.left_alone.is_none() && self.published == *sets && self.wanted == *sets
    }

    /// Whether nothing is wanted, so that the host is gone once that is published.
    pub fn wants_nothing(&self) -> bool {
        self.wanted.v4.is_none() && self.wanted.v6.is_none()
    }

    /// What is wrong with the item, if it breaks a rule that every one keeps.
    pub fn broken_rule(&self) -> Option<&'static str> {
        if self.due.is_some() != self.is_pending() {
            return Some("it must be due exactly while it is pending");
        }
        if self.published_version > self.version || self.imported > self.version {
            return Some("no version may be above the one that is wanted");
        }
        if self.expires.is_some() && !self.wants_nothing() {
            return Some("only a host that is gone may expire");
        }
        (!self.is_promised() && !self.wants(&self.published) && self.left_alone.is_none())
            .then_some("what is wanted may differ from Route 53 only if a router wrote it")
    }
}

/// Whether the record sets of both families mean the same.
fn all_same(one: &Sets, other: &Sets) -> bool {
    Family::BOTH.iter().all(|family| same(one[*family].as_ref(), other[*family].as_ref()))
}

/// Whether two record sets mean the same: TTL and addresses, in any order and spelling.
fn same(one: Option<&RecordSet>, other: Option<&RecordSet>) -> bool {
    match (one, other) {
        (None, None) => true,
        (Some(one), Some(other)) => {
            one == other || (one.ttl == other.ttl && one.holds(&other.addresses()) && other.holds(&one.addresses()))
        }
        (None, Some(_)) | (Some(_), None) => false,
    }
}

/// Reads attributes.
struct Reader<'a>(&'a HashMap<String, AttributeValue>);

impl<'a> Reader<'a> {
    /// A text that may be absent.
    fn text(&self, attribute: Attribute) -> Result<Option<&'a str>, Problem> {
        let Some(value) = self.0.get(attribute.name()) else { return Ok(None) };
        value.as_s().map(|text| Some(text.as_str())).map_err(|_| unreadable(attribute, value, "text"))
    }

    /// A number that may be absent.
    fn number(&self, attribute: Attribute) -> Result<Option<u64>, Problem> {
        let Some(value) = self.0.get(attribute.name()) else { return Ok(None) };
        let number = value.as_n().ok().and_then(|number| number.parse().ok());
        number.map(Some).ok_or_else(|| unreadable(attribute, value, "a number that is not negative"))
    }

    /// A number that must be there.
    fn required(&self, attribute: Attribute) -> Result<u64, Problem> {
        let missing = || Problem(format!("{} of the item is missing: expected a number", attribute.name()));
        self.number(attribute)?.ok_or_else(missing)
    }

    /// The record sets of both families.
    fn record_sets(&self, of: fn(Family) -> Attribute) -> Result<Sets, Problem> {
        Ok(ByFamily {
            v4: self.record_set(of(Family::V4), Family::V4)?,
            v6: self.record_set(of(Family::V6), Family::V6)?,
        })
    }

    /// A record set that may be absent.
    fn record_set(&self, attribute: Attribute, family: Family) -> Result<Option<RecordSet>, Problem> {
        let Some(text) = self.text(attribute)? else { return Ok(None) };
        let unreadable = || Problem(format!("{}=`{text}` of the item: expected `TTL ADDRESS…`", attribute.name()));
        record_text::read(family, text).map(Some).ok_or_else(unreadable)
    }
}

/// The error for an attribute that makes no sense.
fn unreadable(attribute: Attribute, value: &AttributeValue, expected: &str) -> Problem {
    Problem(format!("{}={value:?} of the item: expected {expected}", attribute.name()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A record set from `TTL VALUE VALUE`.
    fn set(family: Family, text: &str) -> Option<RecordSet> {
        record_text::read(family, text)
    }

    /// An item with every attribute.
    fn full() -> Item {
        Item {
            version: 3,
            imported: 1,
            wanted: ByFamily { v4: set(Family::V4, "60 192.0.2.7 192.0.2.8"), v6: None },
            published: ByFamily { v4: None, v6: set(Family::V6, "300 2001:DB8::7") },
            published_version: 2,
            due: Some(1_000),
            pending_since: Some(900),
            last_published: Some(800),
            heard: Some(20_000),
            left_alone: Some(LeftAlone { why: "a CNAME is there".to_owned(), seen: 700 }),
            expires: Some(86_400),
        }
    }

    #[test]
    fn an_item_is_read_as_it_is_written() {
        for item in [Item::default(), full()] {
            assert_eq!(Item::read(&item.attributes()), Ok(item));
        }
    }

    #[test]
    fn an_item_has_short_names() {
        let mut names: Vec<_> = full().attributes().into_keys().collect();
        names.sort();
        assert_eq!(names, ["a", "d", "e", "ea", "i", "p6", "pv", "s", "t", "v", "w4", "x"]);
    }

    #[test]
    fn an_attribute_that_makes_no_sense_is_named() {
        for (name, value) in [
            ("v", AttributeValue::N("-1".to_owned())),
            ("pv", AttributeValue::S("1".to_owned())),
            ("w4", AttributeValue::S("192.0.2.7".to_owned())),
            ("e", AttributeValue::N("1".to_owned())),
        ] {
            let mut attributes = full().attributes();
            attributes.insert(name.to_owned(), value);
            let problem = Item::read(&attributes).unwrap_err().to_string();
            assert!(problem.starts_with(&format!("{name}=")) && problem.contains("expected"), "{problem}");
        }
        let problem = Item::read(&HashMap::new()).unwrap_err().to_string();
        assert_eq!(problem, "v of the item is missing: expected a number");
    }

    #[test]
    fn a_host_is_pending_until_its_version_is_published_or_it_is_left_alone() {
        for (version, published_version, left_alone, pending) in
            [(0, 0, false, false), (2, 1, false, true), (2, 2, false, false), (2, 1, true, false)]
        {
            let left_alone = left_alone.then(|| LeftAlone::refused("it is", 1));
            let item = Item { version, published_version, left_alone, ..Item::default() };
            assert_eq!(item.is_pending(), pending, "{item:?}");
        }
    }

    #[test]
    fn record_sets_are_compared_by_value() {
        for (one, other, expected) in [
            ("60 192.0.2.7 192.0.2.8", "60 192.0.2.8 192.0.2.7", true),
            ("60 192.0.2.7", "300 192.0.2.7", false),
            ("60 192.0.2.7", "60 192.0.2.7 192.0.2.8", false),
            ("60 192.0.2.7", "", false),
            ("60 odd", "60 odd", true),
            ("60 odd", "60 192.0.2.7", false),
            ("", "", true),
        ] {
            let (one, other) = (set(Family::V4, one), set(Family::V4, other));
            assert_eq!(same(one.as_ref(), other.as_ref()), expected, "{one:?} {other:?}");
        }
    }

    #[test]
    fn a_broken_rule_is_found() {
        let wanted = ByFamily { v4: set(Family::V4, "60 192.0.2.7"), v6: None };
        for (item, broken) in [
            (Item::default(), false),
            (Item { version: 1, due: Some(1), wanted: wanted.clone(), ..Item::default() }, false),
            (Item { version: 1, ..Item::default() }, true),
            (Item { due: Some(1), ..Item::default() }, true),
            (Item { published_version: 1, ..Item::default() }, true),
            (Item { imported: 1, ..Item::default() }, true),
            (Item { wanted: wanted.clone(), ..Item::default() }, true),
            (Item { expires: Some(1), ..Item::default() }, false),
            (Item { expires: Some(1), published: wanted.clone(), wanted, ..Item::default() }, true),
        ] {
            assert_eq!(item.broken_rule().is_some(), broken, "{item:?}");
        }
    }
}
