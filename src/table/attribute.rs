//! The attributes of an item, by their meaning, and their values.

use aws_sdk_dynamodb::types::AttributeValue;

use super::record_text;
use crate::protocol::{address::Family, record::RecordSet};

/// An attribute of an item. Their names are short because every octet is stored and read a million
/// times.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Attribute {
    /// How often what is wanted has changed. Never falls.
    Version,
    /// The version at which the host was last taken over from Route 53.
    Imported,
    /// The record set that is wanted; there is none if none is wanted.
    Wanted(Family),
    /// The record set in Route 53 as far as is known, to the letter, since a deletion must repeat it.
    Published(Family),
    /// The version that is in Route 53.
    PublishedVersion,
    /// When a pending host may be published. There exactly while the host is pending.
    Due,
    /// Since when the host is pending.
    PendingSince,
    /// When the host was last published.
    LastPublished,
    /// The day on which the host was last heard of.
    Heard,
    /// Why the host is left alone.
    LeftAlone,
    /// When that was last seen.
    LeftAloneSeen,
    /// The second after which DynamoDB removes the item.
    Expires,
    /// Of the zone's own item: where the pass is.
    PassPlace,
    /// Of the zone's own item: when the pass last went round.
    PassEnd,
}

impl Attribute {
    /// The name in the table.
    pub fn name(self) -> &'static str {
        match self {
            Self::Version => "v",
            Self::Imported => "i",
            Self::Wanted(Family::V4) => "w4",
            Self::Wanted(Family::V6) => "w6",
            Self::Published(Family::V4) => "p4",
            Self::Published(Family::V6) => "p6",
            Self::PublishedVersion => "pv",
            Self::Due => "d",
            Self::PendingSince => "t",
            Self::LastPublished => "a",
            Self::Heard => "s",
            Self::LeftAlone => "e",
            Self::LeftAloneSeen => "ea",
            Self::Expires => "x",
            Self::PassPlace => "c",
            Self::PassEnd => "ca",
        }
    }
}

/// The value of an attribute; `None` if the attribute is not there.
#[derive(Clone, Debug, PartialEq)]
pub struct Value(pub(super) Option<AttributeValue>);

impl Value {
    /// No value: the attribute is not there.
    pub const ABSENT: Self = Self(None);
}

impl From<u64> for Value {
    fn from(number: u64) -> Self {
        Self(Some(AttributeValue::N(number.to_string())))
    }
}

impl From<Option<u64>> for Value {
    fn from(number: Option<u64>) -> Self {
        number.map_or(Self::ABSENT, Self::from)
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self(Some(AttributeValue::S(text.to_owned())))
    }
}

impl From<&RecordSet> for Value {
    fn from(set: &RecordSet) -> Self {
        Self(Some(AttributeValue::S(record_text::write(set))))
    }
}

impl From<Option<&RecordSet>> for Value {
    fn from(set: Option<&RecordSet>) -> Self {
        set.map_or(Self::ABSENT, Self::from)
    }
}
