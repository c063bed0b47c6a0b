//! The pass: compares a zone with the table, one stretch of names after the other.

use std::collections::HashSet;

use tokio::time::Instant;

use super::{
    Host, Publisher,
    judge::{Correction, Judge, Why},
    lookup::{Stretch, look_up, stretch},
    round::{TABLE_LIMIT, Trouble},
};
use crate::{
    problem::Problem,
    protocol::{
        hostname::HostName,
        record::Current,
        zone::{Zone, ZoneId},
    },
    table::{Attribute, Key, Millis, NotWritten, Update},
};

/// The most items of a page of the table.
const ITEMS: u32 = 400;

/// What the table has of a stretch.
#[derive(Debug, Default)]
struct Items {
    /// Hosts with their items.
    hosts: Vec<Host>,
    /// All hosts that have an item, even one that makes no sense.
    known: HashSet<HostName>,
}

/// Where the pass of a zone is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Place {
    /// The host that the next stretch begins at; the zone's first one if absent.
    pub(crate) next: Option<HostName>,
    /// When the last pass went round.
    pub(crate) ended: Option<Millis>,
}

impl Place {
    /// Whether there is something to compare.
    pub(crate) fn is_due(&self, now: Millis, every: Millis) -> bool {
        self.next.is_some() || self.ended.is_none_or(|ended| ended.saturating_add(every) <= now)
    }
}

impl Publisher {
    /// Where the passes of these zones are, in their order.
    pub(crate) async fn places(&self, zones: &[Zone]) -> Result<Vec<Place>, Problem> {
        let keys: Vec<Key> = zones.iter().map(|zone| Key::zone(&zone.id)).collect();
        let found = self.table.attributes(&keys, Instant::now() + TABLE_LIMIT).await?;
        let place = |key: &Key| {
            let Some(attributes) = found.get(key) else { return Place::default() };
            let attribute = |attribute: Attribute| attributes.get(attribute.name());
            let next = attribute(Attribute::PassPlace).and_then(|value| value.as_s().ok());
            let ended = attribute(Attribute::PassEnd).and_then(|value| value.as_n().ok());
            Place { next: next.and_then(|name| name.parse().ok()), ended: ended.and_then(|ended| ended.parse().ok()) }
        };
        Ok(keys.iter().map(place).collect())
    }

    /// Compares a stretch of a zone with the table. Whether there is more to compare.
    pub(crate) async fn pass_on(&self, zone: &Zone) -> Result<bool, Trouble> {
        let places = self.places(std::slice::from_ref(zone)).await?;
        let place = places.into_iter().next().unwrap_or_default();
        let every = u64::try_from(self.rules.pass_every.as_millis()).unwrap_or(u64::MAX);
        if !place.is_due(self.table.now(), every) {
            return Ok(false);
        }
        let stretch = stretch(&self.calls, zone, place.next.as_ref()).await?;
        (1..stretch.calls).for_each(|_| self.calls.pace().charge_pass());
        let items = self.items(zone, place.next.as_ref(), stretch.next.as_ref()).await?;
        let corrections = self.corrections(zone, &stretch, &items).await?;
        self.correct(corrections).await?;
        self.move_on(&zone.id, &place, stretch.next).await
    }

    /// The items from a host up to another one.
    async fn items(&self, zone: &Zone, from: Option<&HostName>, to: Option<&HostName>) -> Result<Items, Problem> {
        let end = to.map(|to| Key::host(&zone.id, to));
        let (mut items, mut cursor) = (Items::default(), None);
        loop {
            let page = self.table.hosts(&zone.id, from, ITEMS, cursor, Instant::now() + TABLE_LIMIT).await?;
            for (name, item) in page.found {
                if end.as_ref().is_some_and(|end| Key::host(&zone.id, &name) >= *end) {
                    return Ok(items);
                }
                items.known.insert(name.clone());
                match item {
                    Ok(item) => items.hosts.push(Host { name, item }),
                    Err(problem) => self.log.error(&format!("the table: {problem}")),
                }
            }
            cursor = page.next;
            if cursor.is_none() {
                return Ok(items);
            }
        }
    }

    /// What is to be corrected. An item is compared with a look that is younger than it: the stretch's is
    /// older.
    async fn corrections(
        &self,
        zone: &Zone,
        stretch: &Stretch,
        items: &Items,
    ) -> Result<Vec<(HostName, Correction)>, Trouble> {
        let Self { rules, .. } = self;
        let judge = Judge { state: rules.state, stale_days: rules.stale_days, now: self.table.now() };
        let judged = |host: &Host, found: Option<&Current>| {
            let found = found.unwrap_or(&Current::NOTHING);
            judge.correction(&zone.id, &host.name, Some(&host.item), found)
        };
        let doubtful = |host: &&Host| judged(host, stretch.hosts.get(&host.name)).is_some();
        let doubtful: Vec<&Host> = items.hosts.iter().filter(doubtful).collect();
        let names: Vec<HostName> = doubtful.iter().map(|host| host.name.clone()).collect();
        let (found, calls) = look_up(&self.calls, zone, &names).await?;
        (0..calls).for_each(|_| self.calls.pace().charge_pass());
        let corrected = |host: &&Host| Some((host.name.clone(), judged(host, found.get(&host.name))?));
        let mut corrections: Vec<_> = doubtful.iter().filter_map(corrected).collect();
        for (name, found) in &stretch.hosts {
            if !items.known.contains(name) {
                let correction = judge.correction(&zone.id, name, None, found);
                corrections.extend(correction.map(|correction| (name.clone(), correction)));
            }
        }
        Ok(corrections)
    }

    /// Makes corrections. One whose host has changed meanwhile is left for the next pass.
    async fn correct(&self, corrections: Vec<(HostName, Correction)>) -> Result<(), Problem> {
        let (names, updates): (Vec<_>, Vec<_>) =
            corrections.into_iter().map(|(name, correction)| ((name, correction.why), correction.update)).unzip();
        let outcomes = self.write_all(updates).await;
        let mut failed = None;
        for ((name, why), outcome) in names.into_iter().zip(outcomes) {
            match outcome {
                Ok(()) => self.log_correction(&name, why),
                Err(NotWritten::Refused(_) | NotWritten::Conflict) => {}
                Err(NotWritten::Failed(problem)) => failed = Some(problem),
            }
        }
        failed.map_or(Ok(()), Err)
    }

    /// Logs what was corrected, unless nothing was promised.
    fn log_correction(&self, name: &HostName, why: Why) {
        match why {
            Why::TakenOver => {}
            Why::Drift => self.log.warn(&format!("drift: {name}: its record was not as promised; it is restored")),
            Why::LeftAlone => self.log.warn(&format!("left alone: {name}: the name is somebody else's")),
            Why::Stale => self.log.info(&format!("stale: {name}: nobody asked for it for too long; it is removed")),
        }
    }

    /// Notes where the pass is, if no other publisher has, and nobody asked for a new one.
    async fn move_on(&self, zone: &ZoneId, place: &Place, next: Option<HostName>) -> Result<bool, Trouble> {
        let update = moved_on(zone, place, next.as_ref(), self.table.now());
        match self.table.update(&update, Instant::now() + TABLE_LIMIT).await {
            Ok(()) => Ok(next.is_some()),
            // Another publisher was there, or a new pass was asked for: the next step reads what is so.
            Err(NotWritten::Refused(_) | NotWritten::Conflict) => Ok(true),
            Err(NotWritten::Failed(problem)) => Err(problem.into()),
        }
    }
}

/// The pass is at another place, if it is where it was. The end counts too: a pass that is asked for while
/// the first stretch is compared does not begin with that one.
fn moved_on(zone: &ZoneId, place: &Place, next: Option<&HostName>, now: Millis) -> Update {
    let update = Update::new(Key::zone(zone));
    let update = match &place.next {
        Some(name) => update.if_equal(Attribute::PassPlace, name.as_str()),
        None => update.if_absent(Attribute::PassPlace),
    };
    let update = update.if_equal(Attribute::PassEnd, place.ended);
    match next {
        Some(name) => update.set(Attribute::PassPlace, name.as_str()),
        None => update.remove(Attribute::PassPlace).set(Attribute::PassEnd, now),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pass_is_due_every_few_hours_and_until_it_went_round() {
        let next = || Some("home.example.org".parse().unwrap());
        for (next, ended, expected) in [
            (None, None, true),
            (None, Some(1_000), false),
            (None, Some(500), true),
            (next(), Some(1_000), true),
            (next(), None, true),
        ] {
            let place = Place { next, ended };
            assert_eq!(place.is_due(1_400, 900), expected, "{place:?}");
        }
    }

    #[test]
    fn a_pass_moves_on_only_if_it_is_where_it_was_and_none_was_asked_for_since() {
        let zone = "Z1".parse().unwrap();
        let host = |name: &str| name.parse::<HostName>().unwrap();
        for (next, ended, to, expression, condition) in [
            (None, None, None, "SET ca = :ca REMOVE c", "attribute_not_exists(c) AND attribute_not_exists(ca)"),
            (None, Some(7), Some("b.org"), "SET c = :c", "attribute_not_exists(c) AND ca = :if_ca"),
            (Some("b.org"), Some(7), None, "SET ca = :ca REMOVE c", "c = :if_c AND ca = :if_ca"),
        ] {
            let place = Place { next: next.map(host), ended };
            let update = moved_on(&zone, &place, to.map(host).as_ref(), 9);
            assert_eq!(update.shown(), (expression.to_owned(), Some(condition.to_owned())), "{place:?}");
        }
    }
}
