//! What a request writes into the table: plain functions.

use crate::{
    protocol::{
        hostname::HostName,
        record::{Action, Change, Current},
        zone::Zone,
    },
    table::{Attribute, Item, Key, Millis, Sets, Update, day, due},
};

/// What the table says a host has.
pub(super) fn current(item: &Item) -> Current {
    match &item.left_alone {
        None => Current::Simple(item.wanted.clone()),
        Some(left_alone) if left_alone.is_refused() => Current::Refused(left_alone.why.clone().into()),
        Some(left_alone) => Current::NotOurs(left_alone.why.clone().into()),
    }
}

/// What is to be promised of a host.
pub(super) struct Promise<'a> {
    /// The host.
    host: &'a HostName,
    /// Its item as it was read.
    item: &'a Item,
    /// The record sets that are wanted from now on.
    wanted: Sets,
}

impl<'a> Promise<'a> {
    /// What these changes of a host make of its item.
    pub(super) fn new(host: &'a HostName, item: &'a Item, changes: &[&Change<'_>]) -> Self {
        let mut wanted = item.wanted.clone();
        for change in changes {
            wanted[change.record_set.family] = match change.action {
                Action::Upsert => Some(change.record_set.clone()),
                Action::Delete => None,
            };
        }
        Self { host, item, wanted }
    }

    /// The change that makes the promise, if the item still is as it was read.
    pub(super) fn update(&self, zone: &Zone, now: Millis) -> Update {
        Update::new(Key::host(&zone.id, self.host))
            .set(Attribute::Version, self.item.version + 1)
            .set_both(Attribute::Wanted, &self.wanted)
            .set_if_absent(Attribute::Due, due(self.item, now))
            .set_if_absent(Attribute::PendingSince, now)
            .set(Attribute::Heard, day(now))
            .remove(Attribute::Expires)
            .if_equal(Attribute::Version, self.item.version)
            .if_absent(Attribute::LeftAlone)
            .if_both(Attribute::Wanted, &self.item.wanted)
    }

    /// Whether an item is what the change has made of it: the answer to an attempt was lost, and the next
    /// one was refused for it.
    pub(super) fn is_made(&self, there: &Item) -> bool {
        there.version == self.item.version + 1 && there.wanted == self.wanted && there.left_alone.is_none()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        protocol::{
            address::{ByFamily, Family},
            record::RecordSet,
        },
        table::LeftAlone,
    };

    /// A zone.
    fn zone() -> Zone {
        Zone { name: "example.org".parse().unwrap(), id: "Z1".parse().unwrap() }
    }

    /// A host of it.
    fn host() -> HostName {
        "home.example.org".parse().unwrap()
    }

    /// An A record set with that address; none if it is empty.
    fn a(address: &str) -> Option<RecordSet> {
        let values = vec![address.to_owned()];
        (!address.is_empty()).then_some(RecordSet { family: Family::V4, ttl: 60, values })
    }

    /// An item of version 3 that wants this A.
    fn item(address: &str) -> Item {
        Item { version: 3, wanted: ByFamily { v4: a(address), v6: None }, ..Item::default() }
    }

    #[test]
    fn a_promise_is_made_on_what_was_read() {
        let (zone, host) = (zone(), host());
        for (was, wanted, expected, condition) in [
            (
                "192.0.2.1",
                "192.0.2.7",
                "SET v = :v, w4 = :w4, d = if_not_exists(d, :d), t = if_not_exists(t, :t), s = :s REMOVE w6, x",
                "v = :if_v AND attribute_not_exists(e) AND w4 = :if_w4 AND attribute_not_exists(w6)",
            ),
            (
                "",
                "192.0.2.7",
                "SET v = :v, w4 = :w4, d = if_not_exists(d, :d), t = if_not_exists(t, :t), s = :s REMOVE w6, x",
                "v = :if_v AND attribute_not_exists(e) AND attribute_not_exists(w4) AND attribute_not_exists(w6)",
            ),
            (
                "192.0.2.1",
                "",
                "SET v = :v, d = if_not_exists(d, :d), t = if_not_exists(t, :t), s = :s REMOVE w4, w6, x",
                "v = :if_v AND attribute_not_exists(e) AND w4 = :if_w4 AND attribute_not_exists(w6)",
            ),
        ] {
            let wanted = ByFamily { v4: a(wanted), v6: None };
            let promise = Promise { host: &host, item: &item(was), wanted };
            assert_eq!(
                promise.update(&zone, 1_000).shown(),
                (expected.to_owned(), Some(condition.to_owned())),
                "{was}"
            );
        }
    }

    #[test]
    fn a_write_of_ones_own_is_known_by_version_and_content() {
        let (host, wanted) = (host(), ByFamily { v4: a("192.0.2.7"), v6: None });
        let left_alone = Some(LeftAlone { why: "a CNAME is there".to_owned(), seen: 1 });
        for (there, expected) in [
            (Item { version: 4, ..item("192.0.2.7") }, true),
            (Item { version: 4, published_version: 4, ..item("192.0.2.7") }, true),
            (Item { version: 5, ..item("192.0.2.7") }, false),
            (Item { version: 4, ..item("192.0.2.8") }, false),
            (Item { version: 4, left_alone, ..item("192.0.2.7") }, false),
        ] {
            let promise = Promise { host: &host, item: &item("192.0.2.1"), wanted: wanted.clone() };
            assert_eq!(promise.is_made(&there), expected, "{there:?}");
        }
    }

    #[test]
    fn a_host_that_is_left_alone_says_why() {
        let left_alone = |why: &str| Item { left_alone: Some(LeftAlone { why: why.to_owned(), seen: 1 }), ..item("") };
        assert_eq!(current(&left_alone("it is an alias")), Current::not_ours("it is an alias"));
        assert_eq!(current(&left_alone("refused: no")), Current::Refused("refused: no".into()));
        assert_eq!(current(&item("192.0.2.1")), Current::Simple(ByFamily { v4: a("192.0.2.1"), v6: None }));
    }
}
