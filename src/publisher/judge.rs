//! What a pass makes of a host: a table of what Route 53 and the table have of it.

use crate::{
    protocol::{hostname::HostName, record::Current, zone::ZoneId},
    settings::FleetState,
    table::{Attribute, Item, Key, Millis, Sets, Update, asked_again, day, first_sight, taken_over},
};

/// What a pass corrects.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Correction {
    /// The change, if the item is as it was read.
    pub(crate) update: Update,
    /// What is logged of it.
    pub(crate) why: Why,
}

/// Why something is corrected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Why {
    /// The table takes over what Route 53 has.
    TakenOver,
    /// Route 53 has something that was not promised: the promise is restored.
    Drift,
    /// The name is somebody else's.
    LeftAlone,
    /// Nobody has asked for the host for a long time.
    Stale,
}

/// The rules that a pass goes by.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Judge {
    /// Who is right.
    pub(crate) state: FleetState,
    /// After how many days a host is stale.
    pub(crate) stale_days: Option<u64>,
    /// The time.
    pub(crate) now: Millis,
}

impl Judge {
    /// What is to be corrected at a host, given its item and what Route 53 has of it now; `None` if all is
    /// well.
    pub(crate) fn correction(
        self,
        zone: &ZoneId,
        host: &HostName,
        item: Option<&Item>,
        found: &Current,
    ) -> Option<Correction> {
        let key = || Key::host(zone, host);
        let Some(item) = item else {
            // A name without addresses is nobody's yet, and one that is not ours is seen when it is asked for.
            let is_plain = matches!(found, Current::Simple(sets) if sets.v4.is_some() || sets.v6.is_some());
            return is_plain.then(|| Correction::new(first_sight(key(), found, self.now), Why::TakenOver));
        };
        match self.state {
            FleetState::Prepare => self.prepared(key(), item, found),
            FleetState::On => self.kept(key(), item, found),
            FleetState::Drain => self.drained(key(), item, found),
        }
    }

    /// In `prepare` Route 53 is right about everything, and everybody was heard today.
    fn prepared(self, key: Key, item: &Item, found: &Current) -> Option<Correction> {
        let update = as_read(key, item).set(Attribute::Heard, day(self.now));
        let is_heard = item.heard == Some(day(self.now));
        let is_settled = item.version == item.imported && !item.is_pending() && item.due.is_none() && is_heard;
        let correction = match found {
            Current::NotOurs(reason) | Current::Refused(reason) if is_settled && is_left_alone(item, reason) => {
                return None;
            }
            Current::NotOurs(reason) | Current::Refused(reason) => {
                let update = [Attribute::Imported, Attribute::PublishedVersion]
                    .into_iter()
                    .fold(update, |update, version| update.set(version, item.version));
                let update = update
                    .set_both(Attribute::Wanted, &Sets::default())
                    .set_both(Attribute::Published, &Sets::default())
                    .remove(Attribute::Expires)
                    .leave_alone(reason, self.now)
                    .not_pending();
                Correction::new(update, Why::LeftAlone)
            }
            Current::Simple(sets) => {
                if is_settled && item.is_exactly(sets) && (item.expires.is_some() == item.wants_nothing()) {
                    return None;
                }
                Correction::new(taken_over(update, item, sets, self.now), Why::TakenOver)
            }
        };
        Some(correction)
    }

    /// In `on` the table is right about every host that a router has written through it.
    fn kept(self, key: Key, item: &Item, found: &Current) -> Option<Correction> {
        let sets = match found {
            Current::NotOurs(reason) | Current::Refused(reason) => return self.left_alone(key, item, reason),
            Current::Simple(sets) => sets,
        };
        if item.left_alone.is_some() || !item.is_promised() {
            if item.is_exactly(sets) && item.expires.is_some() == item.wants_nothing() {
                return None;
            }
            let update = asked_again(key, item, found, self.now);
            let update = update.if_equal(Attribute::PublishedVersion, item.published_version);
            return Some(Correction::new(update, Why::TakenOver));
        }
        if item.is_pending() {
            return None;
        }
        if item.knows(sets) && item.wants(sets) {
            return self.stale(key, item);
        }
        let update = as_read(key, item).set_both(Attribute::Published, sets);
        Some(Correction::new(self.to_be_published(update, item), Why::Drift))
    }

    /// In `drain` only what is pending is promised.
    fn drained(self, key: Key, item: &Item, found: &Current) -> Option<Correction> {
        let sets = match found {
            Current::NotOurs(reason) | Current::Refused(reason) => return self.left_alone(key, item, reason),
            Current::Simple(sets) => sets,
        };
        let is_well = item.left_alone.is_none() && item.knows(sets) && item.wants(sets);
        if item.is_pending() || is_well {
            return None;
        }
        Some(Correction::new(taken_over(as_read(key, item), item, sets, self.now), Why::TakenOver))
    }

    /// The name is somebody else's.
    fn left_alone(self, key: Key, item: &Item, reason: &str) -> Option<Correction> {
        let update = || as_read(key, item).leave_alone(reason, self.now).not_pending();
        (!is_left_alone(item, reason)).then(|| Correction::new(update(), Why::LeftAlone))
    }

    /// A host that nobody has asked for in so many days wants nothing any more.
    fn stale(self, key: Key, item: &Item) -> Option<Correction> {
        let (days, heard) = (self.stale_days?, item.heard?);
        if item.wants_nothing() || day(self.now).saturating_sub(heard) <= days {
            return None;
        }
        let update = as_read(key, item);
        let update = update.set_both(Attribute::Wanted, &Sets::default()).if_equal(Attribute::Heard, heard);
        Some(Correction::new(self.to_be_published(update, item), Why::Stale))
    }

    /// One version more, to be published now.
    fn to_be_published(self, update: Update, item: &Item) -> Update {
        update
            .set(Attribute::Version, item.version + 1)
            .set(Attribute::Due, self.now)
            .set(Attribute::PendingSince, self.now)
            .remove(Attribute::Expires)
    }
}

impl Correction {
    /// A correction.
    fn new(update: Update, why: Why) -> Self {
        Self { update, why }
    }
}

/// A change under the condition that the item is as it was read, and left alone only if it was then.
fn as_read(key: Key, item: &Item) -> Update {
    Update::new(key)
        .if_equal(Attribute::Version, item.version)
        .if_equal(Attribute::PublishedVersion, item.published_version)
        .if_equal(Attribute::LeftAloneSeen, item.left_alone.as_ref().map(|left_alone| left_alone.seen))
        .if_both(Attribute::Published, &item.published)
}

/// Whether an item is left alone for that reason.
fn is_left_alone(item: &Item, reason: &str) -> bool {
    item.left_alone.as_ref().is_some_and(|left_alone| left_alone.why == reason)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        publisher::testing::sets,
        table::{DAY, LeftAlone},
    };

    /// A point in time on day 20,000.
    const NOW: Millis = 20_000 * DAY + 5_000;

    /// An item from `v i pv P W`, with `-` for no record set and `CNAME` behind it for one that is left
    /// alone.
    fn item(text: &str) -> Item {
        let words: Vec<_> = text.split(' ').collect();
        let [version, imported, published_version, published, wanted, rest @ ..] = &words[..] else { panic!("{text}") };
        let number = |word: &str| word.parse().unwrap();
        let set = |word: &str| if word == "-" { sets("") } else { sets(&format!("60 192.0.2.{word}")) };
        let left_alone = rest.first().map(|_| LeftAlone { why: "a CNAME is there".to_owned(), seen: 1 });
        let mut item = Item {
            version: number(version),
            imported: number(imported),
            published_version: number(published_version),
            published: set(published),
            wanted: set(wanted),
            heard: Some(20_000),
            left_alone,
            ..Item::default()
        };
        item.due = item.is_pending().then_some(1);
        item.expires = (item.wants_nothing() && !item.is_pending()).then_some(2);
        item
    }

    /// What Route 53 has: `7`, `-` or `CNAME`.
    fn found(text: &str) -> Current {
        match text {
            "-" => Current::NOTHING,
            "CNAME" => Current::not_ours("a CNAME is there"),
            host => Current::Simple(sets(&format!("60 192.0.2.{host}"))),
        }
    }

    /// What becomes of an item: the reason and the update.
    fn judged(judge: Judge, item: Option<&Item>, there: &str) -> Option<Correction> {
        let (zone, host) = ("Z1".parse().unwrap(), "home.example.org".parse().unwrap());
        judge.correction(&zone, &host, item, &found(there))
    }

    #[test]
    fn a_pass_corrects_what_the_state_says() {
        let (taken, drift, alone) = (Some(Why::TakenOver), Some(Why::Drift), Some(Why::LeftAlone));
        for (text, there, prepare, on, drain) in [
            // No router has written it through the table.
            ("", "7", taken, taken, taken),
            ("", "-", None, None, None),
            ("", "CNAME", None, None, None),
            ("0 0 0 7 7", "7", None, None, None),
            ("0 0 0 7 7", "8", taken, taken, taken),
            ("0 0 0 7 7", "-", taken, taken, taken),
            ("0 0 0 7 7", "CNAME", alone, alone, alone),
            ("0 0 0 - -", "-", None, None, None),
            ("0 0 0 - -", "7", taken, taken, taken),
            ("0 0 0 - - e", "CNAME", None, None, None),
            ("0 0 0 - - e", "7", taken, taken, taken),
            ("3 3 3 7 7", "7", None, None, None),
            // A router has, and it is published.
            ("1 0 1 7 7", "7", taken, None, None),
            ("1 0 1 7 7", "8", taken, drift, taken),
            ("1 0 1 7 7", "-", taken, drift, taken),
            ("1 0 1 7 7", "CNAME", alone, alone, alone),
            ("1 0 1 - -", "-", taken, None, None),
            ("1 0 1 - -", "7", taken, drift, taken),
            // As is known, but not as is wanted: a publisher that came late adopted it.
            ("1 0 1 8 7", "8", taken, drift, taken),
            ("1 0 1 8 7", "7", taken, drift, taken),
            // A router has, and it is pending.
            ("2 0 1 7 8", "7", taken, None, None),
            ("2 0 1 7 8", "9", taken, None, None),
            ("2 0 1 7 8", "CNAME", alone, alone, alone),
            // A router has, and it is left alone.
            ("2 0 1 7 8 e", "CNAME", alone, None, None),
            ("2 0 1 7 8 e", "7", taken, taken, taken),
            ("2 0 1 7 8 e", "8", taken, taken, taken),
            ("2 0 1 7 8 e", "-", taken, taken, taken),
        ] {
            for (state, expected) in [(FleetState::Prepare, prepare), (FleetState::On, on), (FleetState::Drain, drain)]
            {
                let judge = Judge { state, stale_days: None, now: NOW };
                let item = (!text.is_empty()).then(|| item(text));
                let correction = judged(judge, item.as_ref(), there);
                assert_eq!(correction.map(|correction| correction.why), expected, "{state:?} {text} | {there}");
            }
        }
    }

    #[test]
    fn a_correction_is_made_only_if_the_item_is_as_it_was_read() {
        for state in [FleetState::Prepare, FleetState::On, FleetState::Drain] {
            for (text, there) in
                [("1 0 1 7 7", "8"), ("1 0 1 7 7", "CNAME"), ("0 0 0 7 7", "8"), ("2 0 1 7 8 e", "7"), ("", "7")]
            {
                let judge = Judge { state, stale_days: None, now: NOW };
                let item = (!text.is_empty()).then(|| item(text));
                let Some(correction) = judged(judge, item.as_ref(), there) else { continue };
                let conditions = format!("{:?}", correction.update);
                let left_alone = if text.ends_with('e') { "ea = :if_ea" } else { "attribute_not_exists(ea)" };
                let expected: &[&str] = if item.is_some() {
                    &["v = :if_v", "pv = :if_pv", "p4 = :if_p4", "attribute_not_exists(p6)", left_alone]
                } else {
                    &["attribute_not_exists(v)"]
                };
                assert!(expected.iter().all(|one| conditions.contains(one)), "{state:?} {text}: {conditions}");
            }
        }
    }

    #[test]
    fn a_version_never_falls_and_is_taken_over_or_rises() {
        let shown = |state, text: &str, there: &str| {
            let judge = Judge { state, stale_days: None, now: NOW };
            format!("{:?}", judged(judge, Some(&item(text)), there).unwrap().update)
        };
        let numbers = |text: &str, name: &str| text.contains(&format!("\":{name}\": N(\"3\")"));
        let prepared = shown(FleetState::Prepare, "3 0 2 7 8", "9");
        assert!(numbers(&prepared, "i") && numbers(&prepared, "pv") && !prepared.contains("v = :v,"), "{prepared}");
        let drift = shown(FleetState::On, "2 0 2 7 7", "9");
        assert!(numbers(&drift, "v") && drift.contains("d = :d"), "{drift}");
    }

    #[test]
    fn a_host_is_stale_after_so_many_days_if_a_router_wrote_it() {
        for (text, days, heard, there, expected) in [
            ("1 0 1 7 7", Some(35), 19_965, "7", None),
            ("1 0 1 7 7", Some(35), 19_964, "7", Some(Why::Stale)),
            ("1 0 1 7 7", None, 1, "7", None),
            ("1 1 1 7 7", Some(35), 1, "7", None),
            ("1 0 1 - -", Some(35), 1, "-", None),
            ("2 0 1 7 8", Some(35), 1, "7", None),
            ("1 0 1 7 7", Some(35), 20_001, "7", None),
        ] {
            let item = Item { heard: Some(heard), ..item(text) };
            let judge = Judge { state: FleetState::On, stale_days: days, now: NOW };
            let correction = judged(judge, Some(&item), there);
            let shown = format!("{correction:?}");
            assert_eq!(correction.map(|correction| correction.why), expected, "{text} {days:?} {heard}");
            assert!(expected.is_none() || shown.contains("s = :if_s"), "{shown}");
        }
    }
}
