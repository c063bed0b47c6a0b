//! What becomes of an item once Route 53 was asked about its host: the rules that the gateway and the
//! pass share.

use super::{
    attribute::Attribute,
    clock::{DAY, Millis, day},
    item::{Item, Sets},
    key::Key,
    update::Update,
};
use crate::protocol::{address::Family, record::Current};

/// How long after it was published a host is not published again: one that keeps changing must not
/// take the others' place.
pub const HOLD_DOWN: Millis = 10_000;

/// How long a host that is left alone is not looked at again.
pub const ASK_AGAIN_AFTER: Millis = 15 * 60_000;

/// How long the item of a host that is gone stays.
pub const GONE_AFTER: Millis = 30 * DAY;

/// When a change that is wanted now may be published.
pub fn due(item: &Item, now: Millis) -> Millis {
    item.last_published.map_or(now, |published| now.max(published + HOLD_DOWN))
}

/// Puts in a host that the table does not have, with what Route 53 has of it.
pub fn first_sight(key: Key, found: &Current, now: Millis) -> Update {
    let update = Update::new(key)
        .set(Attribute::Version, 0)
        .set(Attribute::Imported, 0)
        .set(Attribute::PublishedVersion, 0)
        .set(Attribute::Heard, day(now))
        .if_absent(Attribute::Version);
    match found {
        Current::Simple(sets) => imported(update, sets, now),
        Current::NotOurs(reason) | Current::Refused(reason) => update.leave_alone(reason, now),
    }
}

/// Puts down what Route 53 has now of a host that was left alone, or that no router has written since
/// it was taken over. The caller adds conditions of its own, if it has any.
pub fn asked_again(key: Key, item: &Item, found: &Current, now: Millis) -> Update {
    match found {
        Current::Simple(sets) if item.is_promised() => still_wanted(as_read(key, item), item, sets, now),
        Current::Simple(_) | Current::NotOurs(_) | Current::Refused(_) => overruled(key, item, found, now),
    }
}

/// Puts down what Route 53 has now, whatever was wanted before.
pub fn overruled(key: Key, item: &Item, found: &Current, now: Millis) -> Update {
    let update = as_read(key, item);
    match found {
        Current::Simple(sets) => taken_over(update, item, sets, now),
        Current::NotOurs(reason) | Current::Refused(reason) => update.leave_alone(reason, now).not_pending(),
    }
}

/// What Route 53 has is wanted from now on, and nothing else was promised.
pub fn taken_over(update: Update, item: &Item, sets: &Sets, now: Millis) -> Update {
    imported(update, sets, now)
        .set(Attribute::Imported, item.version)
        .set(Attribute::PublishedVersion, item.version)
        .not_pending()
        .not_left_alone()
}

/// Only if the item is as it was read.
fn as_read(key: Key, item: &Item) -> Update {
    let seen = item.left_alone.as_ref().map(|left_alone| left_alone.seen);
    Update::new(key)
        .if_equal(Attribute::Version, item.version)
        .if_equal(Attribute::Imported, item.imported)
        .if_equal(Attribute::LeftAloneSeen, seen)
        .if_both(Attribute::Published, &item.published)
}

/// What a router wants stays wanted, and is published unless it is there.
fn still_wanted(update: Update, item: &Item, found: &Sets, now: Millis) -> Update {
    let update = update.not_left_alone().set_both(Attribute::Published, found);
    if item.wants(found) {
        let gone = item.wants_nothing().then(|| expiry(now));
        return update.set(Attribute::PublishedVersion, item.version).set(Attribute::Expires, gone).not_pending();
    }
    update
        .set(Attribute::Version, item.version + 1)
        .set(Attribute::Due, due(item, now))
        .set_if_absent(Attribute::PendingSince, now)
}

/// What Route 53 has is what is wanted.
fn imported(mut update: Update, found: &Sets, now: Millis) -> Update {
    for family in Family::BOTH {
        update = update
            .set(Attribute::Wanted(family), found[family].as_ref())
            .set(Attribute::Published(family), found[family].as_ref());
    }
    // Whoever may name any host of a subtree must not fill the table.
    let is_nothing = found.v4.is_none() && found.v6.is_none();
    update.set(Attribute::Expires, is_nothing.then(|| expiry(now)))
}

/// The second after which the item of a host that is gone is removed.
pub fn expiry(now: Millis) -> u64 {
    (now + GONE_AFTER) / 1000
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{protocol::record::RecordSet, table::item::LeftAlone};

    /// A point in time, and what is there from it on: the day and the second of removal.
    const NOW: Millis = 20_000 * DAY + 5_000;

    /// The key of `home.example.org`.
    fn key() -> Key {
        Key::host(&"Z1".parse().unwrap(), &"home.example.org".parse().unwrap())
    }

    /// An A record set with that address.
    fn found(address: &str) -> Current {
        Current::Simple(sets(address))
    }

    /// The same as record sets; none for an empty address.
    fn sets(address: &str) -> Sets {
        let values = vec![address.to_owned()];
        let set = RecordSet { family: Family::V4, ttl: 60, values };
        Sets { v4: (!address.is_empty()).then_some(set), v6: None }
    }

    #[test]
    fn a_host_is_put_in_as_route_53_has_it() {
        let base = "SET v = :v, i = :i, pv = :pv, s = :s";
        for (found, expected) in [
            (found("192.0.2.7"), format!("{base}, w4 = :w4, p4 = :p4 REMOVE w6, p6, x")),
            (found(""), format!("{base}, x = :x REMOVE w4, p4, w6, p6")),
            (Current::not_ours("a CNAME is there"), format!("{base}, e = :e, ea = :ea")),
        ] {
            let update = first_sight(key(), &found, NOW);
            assert_eq!(update.expression(), expected);
            assert_eq!(update.condition().as_deref(), Some("attribute_not_exists(v)"));
        }
    }

    #[test]
    fn what_a_router_wants_stays_wanted() {
        let left_alone = Some(LeftAlone { why: "a CNAME is there".to_owned(), seen: 1 });
        let (wanted, at_sight) = (sets("192.0.2.7"), sets("192.0.2.1"));
        let imported = "SET w4 = :w4, p4 = :p4, i = :i, pv = :pv REMOVE w6, p6, x, d, t, e, ea";
        for (version, there, expected) in [
            (1, found("192.0.2.9"), imported),
            (2, found("192.0.2.7"), "SET p4 = :p4, pv = :pv REMOVE e, ea, p6, x, d, t"),
            (2, found("192.0.2.9"), "SET p4 = :p4, v = :v, d = :d, t = if_not_exists(t, :t) REMOVE e, ea, p6"),
            (2, Current::not_ours("a CNAME is there"), "SET e = :e, ea = :ea REMOVE d, t"),
        ] {
            let item = Item {
                version,
                imported: 1,
                published_version: 1,
                wanted: if version > 1 { wanted.clone() } else { at_sight.clone() },
                published: at_sight.clone(),
                left_alone: left_alone.clone(),
                ..Item::default()
            };
            let update = asked_again(key(), &item, &there, NOW);
            assert_eq!(update.expression(), expected, "{there:?}");
            let condition = "v = :if_v AND i = :if_i AND ea = :if_ea AND p4 = :if_p4 AND attribute_not_exists(p6)";
            assert_eq!(update.condition().as_deref(), Some(condition));
        }
    }

    #[test]
    fn a_host_that_was_just_published_waits() {
        for (published, expected) in [(None, NOW), (Some(NOW - 10_000), NOW), (Some(NOW - 1), NOW + 9_999)] {
            assert_eq!(due(&Item { last_published: published, ..Item::default() }, NOW), expected);
        }
    }
}
