//! Hosts that keep changing: each is one line in the log a day.
//!
//! Nobody is refused for it. Such a host is published every ten seconds at most, which is all that keeps it
//! from taking the others' place.

use std::collections::HashMap;

use crate::{
    protocol::{hostname::HostName, zone::ZoneId},
    table::{Item, Millis, day},
};

/// The time over which changes are counted, in milliseconds.
const HOUR: Millis = 3_600_000;

/// The most changes an hour that are nothing to speak of.
const MOST: u64 = 60;

/// How often hosts have changed of late, as far as this process has seen.
#[derive(Debug, Default)]
pub(crate) struct Noise {
    /// Hosts that have changed.
    hosts: HashMap<(ZoneId, HostName), Count>,
    /// When those that are quiet again were last forgotten.
    swept: Millis,
}

/// How often one host has changed.
#[derive(Debug, Default)]
struct Count {
    /// Since when it is counted.
    since: Millis,
    /// The changes since then.
    changes: u64,
    /// The day of its line.
    said: Option<u64>,
}

impl Noise {
    /// Counts the changes of a host that is published now. Gives how many they were within the hour if that
    /// is to be said.
    pub(crate) fn count(&mut self, zone: &ZoneId, host: &HostName, item: &Item, now: Millis) -> Option<u64> {
        if self.swept + HOUR <= now {
            self.swept = now;
            self.hosts.retain(|_, count| count.since + HOUR > now || count.said == Some(day(now)));
        }
        let count = self.hosts.entry((zone.clone(), host.clone())).or_default();
        if count.since + HOUR <= now {
            (count.since, count.changes) = (now, 0);
        }
        count.changes += item.version.saturating_sub(item.published_version);
        if count.changes <= MOST || count.said == Some(day(now)) {
            return None;
        }
        count.said = Some(day(now));
        Some(count.changes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::DAY;

    #[test]
    fn more_than_sixty_changes_an_hour_are_said_once_a_day() {
        let (zone, host) = ("Z1".parse().unwrap(), "home.example.org".parse().unwrap());
        let mut noise = Noise::default();
        let mut said = |at: Millis, changes: u64| {
            let item = Item { version: 7 + changes, published_version: 7, ..Item::default() };
            noise.count(&zone, &host, &item, 20_000 * DAY + at)
        };
        for (at, changes, expected) in [
            (0, 60, None),
            (HOUR - 1, 1, Some(61)),
            (HOUR - 1, 1, None),
            // Another hour of the same day.
            (HOUR, 61, None),
            (DAY - 1, 60, None),
            (DAY, 1, Some(61)),
            (2 * DAY, 60, None),
            (2 * DAY + HOUR, 60, None),
            (2 * DAY + 2 * HOUR - 1, 500, Some(560)),
        ] {
            assert_eq!(said(at, changes), expected, "{at} {changes}");
        }
    }

    #[test]
    fn a_host_that_is_quiet_again_is_forgotten() {
        let zone = "Z1".parse().unwrap();
        let mut noise = Noise::default();
        let item = Item { version: 1, ..Item::default() };
        for number in 0..1000 {
            let host = format!("h{number}.example.org").parse().unwrap();
            noise.count(&zone, &host, &item, 20_000 * DAY + number * HOUR / 100);
        }
        assert!(noise.hosts.len() <= 200, "{}", noise.hosts.len());
    }
}
