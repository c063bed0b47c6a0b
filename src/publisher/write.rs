//! The conditional changes of the table that the publisher makes: marks and adoptions.
//!
//! No host is marked or adopted unless the table is as it was read, before Route 53 was asked.

use super::Host;
use crate::{
    protocol::{record::Current, zone::ZoneId},
    table::{Attribute, HOLD_DOWN, Item, Key, LeftAlone, Millis, Sets, Update, expiry},
};

/// A change of a host's item, and the one to try if the host has a newer version by now.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Write {
    /// The change.
    pub(crate) update: Update,
    /// The same for a host that has to be published again.
    pub(crate) if_newer: Option<Update>,
}

/// What a look at Route 53 says of a host.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Adoption {
    /// What to write, if anything.
    pub(crate) write: Option<Write>,
    /// Whether Route 53 has something that the table did not know.
    pub(crate) is_new: bool,
}

/// The mark of a host whose batch Route 53 took: what is wanted is there.
pub(crate) fn mark(zone: &ZoneId, host: &Host, now: Millis) -> Write {
    let item = &host.item;
    // A family that was not sent is there in the spelling that is known.
    let published = Sets::from_fn(|family| {
        let set = if item.is_as_wanted(family) { &item.published[family] } else { &item.wanted[family] };
        set.clone()
    });
    published_as(zone, host, &published, now)
}

/// What becomes of a host once Route 53 was asked about it. `refusal` is what Route 53 said when the host
/// was sent alone, if it refused it.
pub(crate) fn adopt(zone: &ZoneId, host: &Host, found: &Current, refusal: Option<&str>, now: Millis) -> Adoption {
    let key = Key::host(zone, &host.name);
    let item = &host.item;
    let write = |update| Some(Write { update, if_newer: None });
    let sets = match found {
        Current::NotOurs(reason) | Current::Refused(reason) => {
            return Adoption {
                write: write(as_pending(key, item).leave_alone(reason, now).not_pending()),
                is_new: true,
            };
        }
        Current::Simple(sets) => sets,
    };
    if item.wants(sets) {
        return Adoption { write: Some(published_as(zone, host, sets, now)), is_new: true };
    }
    if *sets == item.published {
        // Nothing is in the way, and yet it was refused: it is what is wanted that Route 53 does not take.
        let refused = refusal.and_then(|text| {
            let update = Update::new(key).if_both(Attribute::Published, &item.published);
            let update = update.if_equal(Attribute::Version, item.version);
            write(update.leave_alone(&LeftAlone::refused(text, now).why, now).not_pending())
        });
        return Adoption { write: refused, is_new: false };
    }
    // In `drain` too: a host is pending only because a router asked the table for it, and what is found is older.
    // It may even be a promise of before, of a publisher that died before it made the mark.
    Adoption { write: write(as_pending(key, item).set_both(Attribute::Published, sets)), is_new: true }
}

/// A host is due though it is not pending, which no rule allows: a hand wrote the item. It is due no more.
pub(crate) fn not_pending(zone: &ZoneId, host: &Host) -> Update {
    let item = &host.item;
    Update::new(Key::host(zone, &host.name))
        .not_pending()
        .if_equal(Attribute::Version, item.version)
        .if_equal(Attribute::PublishedVersion, item.published_version)
        .if_equal(Attribute::LeftAloneSeen, item.left_alone.as_ref().map(|left_alone| left_alone.seen))
}

/// Only if what is known of Route 53 is as it was read, and the host was not published meanwhile. A newer
/// wish is no hindrance.
fn as_pending(key: Key, item: &Item) -> Update {
    let update = Update::new(key).if_both(Attribute::Published, &item.published);
    update.if_equal(Attribute::PublishedVersion, item.published_version)
}

/// The version that was read is in Route 53, in this spelling.
fn published_as(zone: &ZoneId, host: &Host, published: &Sets, now: Millis) -> Write {
    let item = &host.item;
    let update = || {
        Update::new(Key::host(zone, &host.name))
            .set(Attribute::PublishedVersion, item.version)
            .set(Attribute::LastPublished, now)
            .set_both(Attribute::Published, published)
            .if_both(Attribute::Published, &item.published)
    };
    let done = update().not_pending().if_equal(Attribute::Version, item.version);
    let done = if item.wants_nothing() { done.set(Attribute::Expires, expiry(now)) } else { done };
    // What is wanted has changed meanwhile. It waits like any host that was just published.
    let if_newer = update()
        .set(Attribute::Due, now + HOLD_DOWN)
        .set(Attribute::PendingSince, now)
        .if_less(Attribute::PublishedVersion, item.version)
        .if_absent(Attribute::LeftAlone);
    Write { update: done, if_newer: Some(if_newer) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::publisher::testing::{pending, sets};

    /// The time of what is written.
    const NOW: Millis = 50_000;

    /// The zone.
    fn zone() -> ZoneId {
        "Z1".parse().unwrap()
    }

    /// Whether all of these parts are in an update, as it is written in the debug format.
    fn has(update: &Update, parts: &[&str]) -> bool {
        let shown = format!("{update:?}");
        parts.iter().all(|part| shown.contains(part))
    }

    /// The conditions of every change of what was read.
    const AS_READ: [&str; 2] = ["p4 = :if_p4", "attribute_not_exists(p6)"];

    #[test]
    fn a_mark_needs_the_version_and_what_was_known() {
        let mark = mark(&zone(), &pending("a", "60 192.0.2.1", "60 192.0.2.7"), NOW);
        assert!(has(&mark.update, &AS_READ), "{mark:?}");
        assert!(has(&mark.update, &["v = :if_v", "pv = :pv", "S(\"60 192.0.2.7\")", "\"d\", \"t\""]), "{mark:?}");
        let newer = mark.if_newer.unwrap();
        assert!(has(&newer, &AS_READ) && has(&newer, &["pv < :if_pv", "attribute_not_exists(e)"]), "{newer:?}");
        assert!(has(&newer, &["d = :d", "N(\"60000\")"]) && !has(&newer, &["\"d\""]), "{newer:?}");
        assert!(!has(&newer, &["x ="]) && !has(&newer, &[" v = "]), "{newer:?}");
    }

    #[test]
    fn a_host_that_is_gone_expires_only_if_nothing_newer_is_wanted() {
        let mark = mark(&zone(), &pending("a", "60 192.0.2.1", ""), NOW);
        assert!(
            has(&mark.update, &["x = :x", "\"p4\""]) && !has(mark.if_newer.as_ref().unwrap(), &["x ="]),
            "{mark:?}"
        );
    }

    #[test]
    fn what_is_there_is_adopted_only_if_the_table_is_as_before() {
        let host = pending("a", "60 192.0.2.1", "60 192.0.2.7");
        let plain = |text: &str| Current::Simple(sets(text));
        let refusal = Some("InvalidChangeBatch");
        for (what, found, refusal, is_new, parts) in [
            ("as wanted", plain("60 192.0.2.7"), None, true, &["v = :if_v", "pv = :pv", "\"d\", \"t\""][..]),
            ("as known", plain("60 192.0.2.1"), None, false, &[]),
            ("as known, and refused alone", plain("60 192.0.2.1"), refusal, false, &["v = :if_v", "refused: "]),
            ("else", plain("60 192.0.2.9"), None, true, &["pv = :if_pv", "S(\"60 192.0.2.9\")"]),
            ("else, and refused alone", plain("60 192.0.2.9"), refusal, true, &["pv = :if_pv"]),
            ("nothing", plain(""), None, true, &["pv = :if_pv", "\"p4\", \"p6\""]),
            ("a CNAME", Current::not_ours("a CNAME is there"), refusal, true, &["pv = :if_pv", "a CNAME"]),
        ] {
            let adoption = adopt(&zone(), &host, &found, refusal, NOW);
            assert_eq!((adoption.is_new, adoption.write.is_none()), (is_new, parts.is_empty()), "{what}");
            let Some(write) = adoption.write else { continue };
            assert!(has(&write.update, &AS_READ) && has(&write.update, parts), "{what}: {write:?}");
            assert_eq!(write.if_newer.is_some(), what == "as wanted", "{what}");
        }
        // A host stays pending unless it is as wanted or left alone.
        let adoption = adopt(&zone(), &host, &plain("60 192.0.2.9"), None, NOW);
        assert!(!has(&adoption.write.unwrap().update, &["\"d\""]));
    }

    #[test]
    fn what_is_spelled_otherwise_is_adopted_to_the_letter() {
        let host = pending("a", "60 2001:DB8::1", "60 2001:db8::7");
        let adoption = adopt(&zone(), &host, &Current::Simple(sets("60 2001:db8:0::1")), None, NOW);
        assert!(adoption.is_new && has(&adoption.write.unwrap().update, &["S(\"60 2001:db8:0::1\")"]));
    }
}
