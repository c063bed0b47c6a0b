//! How many names each zone has: a bound, so that a token for a subtree cannot fill the disk.

use std::collections::BTreeMap;

use redb::{ReadableTable, Table};

use super::key::Key;

/// The names that a zone may have, unless a setting says otherwise: as many as a hosted zone of Route 53
/// may have record sets.
pub const DEFAULT_MAX_NAMES: usize = 10_000;

/// The number of names in each zone.
pub(super) struct Names {
    /// The most that a zone may have.
    pub(super) max: usize,
    /// The apexes of all zones.
    apexes: Vec<Key>,
    /// The number of names, of the zones whose names were counted.
    counts: BTreeMap<Key, usize>,
}

impl Names {
    /// Before any zone is counted.
    pub(super) fn new(max: usize, apexes: &[Key]) -> Self {
        Self { max, apexes: apexes.to_vec(), counts: BTreeMap::new() }
    }

    /// How many names a zone has. They are counted when this is asked first.
    pub(super) fn of(&mut self, zone: &Key, records: &Table<'_, &[u8], &[u8]>) -> Result<usize, redb::Error> {
        if let Some(count) = self.counts.get(zone) {
            return Ok(*count);
        }
        let mut count = 0;
        for entry in records.range(zone.as_bytes()..)? {
            let name = Key::of_bytes(entry?.0.value());
            if !name.is_within(zone) {
                break;
            }
            count += usize::from(self.zone_of(&name) == Some(zone));
        }
        self.counts.insert(zone.clone(), count);
        Ok(count)
    }

    /// Notes how many names a zone has now.
    pub(super) fn set(&mut self, zone: &Key, count: usize) {
        self.counts.insert(zone.clone(), count);
    }

    /// Forgets all numbers: what was changed may not have been committed.
    pub(super) fn forget(&mut self) {
        self.counts.clear();
    }

    /// The apex of the zone that a name is in.
    fn zone_of(&self, name: &Key) -> Option<&Key> {
        let holding = self.apexes.iter().filter(|apex| name.is_within(apex));
        holding.max_by_key(|apex| apex.as_bytes().len())
    }
}
