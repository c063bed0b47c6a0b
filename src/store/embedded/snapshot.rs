//! What the file holds at one moment, looked up as DNS looks names up.
//!
//! A name exists if it has records, or if a name below it has (RFC 4592 §2.2.2); the apex of a zone
//! exists in any case. For a name that does not exist, `*` below its closest encloser stands, and no
//! other wildcard: the closest encloser is its longest ancestor that exists (RFC 4592 §3.3.1). In
//! the order of keys, all of that is found next to the name. If anything is below the name, it comes
//! right after it. And no existing name has a longer ancestor in common with it than the name right
//! before or the name right after. So an answer takes three look-ups at most, however many records
//! there are.

use std::sync::Arc;

use super::{file::damaged, key::Key, records::Records, shared::Shared, view::View};
use crate::{
    problem::Problem,
    protocol::{hostname::HostName, zone::Zone},
};

/// What the file holds at one moment: later changes do not show in it.
pub struct Snapshot<'a> {
    /// The tables at that moment.
    view: Arc<View>,
    /// The store.
    shared: &'a Shared,
}

impl<'a> Snapshot<'a> {
    /// A snapshot of what a view shows.
    pub(super) fn new(view: Arc<View>, shared: &'a Shared) -> Self {
        Self { view, shared }
    }

    /// The records that answer a question for this name, which lies in a zone of ours: its own, or those
    /// of the wildcard that stands for it. They are empty if the name has no addresses; `None` if there is
    /// no such name.
    ///
    /// # Errors
    ///
    /// If the file cannot be read.
    pub fn answer(&self, name: &Key) -> Result<Option<Records>, Problem> {
        self.answer_beside(name, None)
    }

    /// The same if `other` exists too, a name without records in the store.
    ///
    /// # Errors
    ///
    /// If the file cannot be read.
    pub fn answer_beside(&self, name: &Key, other: Option<&Key>) -> Result<Option<Records>, Problem> {
        let after = self.view.records.range(name.as_bytes()..).map_err(|error| self.failed(error))?.next();
        let after = after.transpose().map_err(|error| self.failed(error))?;
        let after = match after {
            Some((found, value)) if found.value() == name.as_bytes() => return self.decode(value.value()).map(Some),
            Some((found, _)) => Some(Key::of_bytes(found.value())),
            None => None,
        };
        let beside = [self.before(name)?, after];
        let existing = || beside.iter().flatten().chain(&self.shared.apexes).chain(other);
        if existing().any(|other| other.is_within(name)) {
            return Ok(Some(Records::default()));
        }
        let enclosers = existing().map(|other| name.common_ancestor(other));
        match enclosers.max_by_key(|encloser| encloser.as_bytes().len()) {
            Some(closest) => self.at(&closest.child(b"*")),
            None => Ok(None),
        }
    }

    /// The records at this very name, if it has any.
    ///
    /// # Errors
    ///
    /// If the file cannot be read.
    pub fn at(&self, name: &Key) -> Result<Option<Records>, Problem> {
        let value = self.view.records.get(name.as_bytes()).map_err(|error| self.failed(error))?;
        value.map(|value| self.decode(value.value())).transpose()
    }

    /// The hosts at or below a zone's apex that have records, in canonical order. Those of a zone
    /// within it are among them.
    ///
    /// # Errors
    ///
    /// If the file cannot be read.
    pub fn hosts(&self, zone: &Zone) -> Result<impl Iterator<Item = Result<(HostName, Records), Problem>>, Problem> {
        let apex = Key::from(&zone.name);
        let range = self.view.records.range(apex.as_bytes()..).map_err(|error| self.failed(error))?;
        Ok(range
            .map(|entry| {
                let (name, value) = entry.map_err(|error| self.failed(error))?;
                Ok::<_, Problem>((Key::of_bytes(name.value()), self.decode(value.value())?))
            })
            .take_while(move |entry| entry.as_ref().map_or(true, |(name, _)| name.is_within(&apex)))
            .map(|entry| {
                let (name, records) = entry?;
                Ok((name.host().ok_or_else(|| self.damaged("a key that is not a host name"))?, records))
            }))
    }

    /// A zone's SOA serial.
    ///
    /// # Errors
    ///
    /// If the file cannot be read, or holds no such zone.
    pub fn serial(&self, zone: &Zone) -> Result<u32, Problem> {
        let serial = self.view.serials.get(Key::from(&zone.name).as_bytes()).map_err(|error| self.failed(error))?;
        serial.map(|serial| serial.value()).ok_or_else(|| self.damaged("a zone without a serial"))
    }

    /// The last name before this one.
    fn before(&self, name: &Key) -> Result<Option<Key>, Problem> {
        let mut range = self.view.records.range(..name.as_bytes()).map_err(|error| self.failed(error))?;
        let entry = range.next_back().transpose().map_err(|error| self.failed(error))?;
        Ok(entry.map(|(name, _)| Key::of_bytes(name.value())))
    }

    /// Reads the records of one name.
    fn decode(&self, value: &[u8]) -> Result<Records, Problem> {
        Records::decode(value).ok_or_else(|| self.damaged("a record that cannot be decoded"))
    }

    /// The error for a read that failed.
    fn failed(&self, error: impl Into<redb::Error>) -> Problem {
        self.shared.failed(&error.into())
    }

    /// The error for content that makes no sense.
    fn damaged(&self, what: &str) -> Problem {
        damaged(&self.shared.path, what)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::{
        super::{
            Embedded,
            testing::{block_on, change, in_memory},
        },
        *,
    };
    use crate::protocol::address::Family;

    /// The key of a name, in which a label may be anything but hold a dot.
    fn key(name: &str) -> Key {
        Key::of_labels(name.rsplit('.').map(str::as_bytes))
    }

    /// The answer for a name in a word: its first IPv4 address, or what it is instead.
    fn answered(store: &Embedded, name: &str) -> String {
        match store.snapshot().unwrap().answer(&key(name)).unwrap() {
            None => "no such name".to_owned(),
            Some(records) => match records.of(Family::V4) {
                None => "no data".to_owned(),
                Some(set) => set.addresses[0].to_string(),
            },
        }
    }

    #[test]
    fn a_wildcard_stands_for_what_rfc_4592_says() {
        // The zone of RFC 4592 §2.2.1, as far as hosts can have its names.
        let store = in_memory("example.org=Z1");
        block_on(change(
            &store,
            &[
                "*.example.org 60 A 192.0.2.1",
                "host1.example.org 60 A 192.0.2.2",
                "_ssh._tcp.host1.example.org 60 A 192.0.2.3",
                "_ssh._tcp.host2.example.org 60 A 192.0.2.4",
                "*.deep.example.org 60 A 192.0.2.5",
                "six.example.org 60 AAAA 2001:db8::6",
            ],
        ))
        .unwrap();
        for (name, expected) in [
            ("host3.example.org", "192.0.2.1"),
            ("HOST3.Example.ORG", "192.0.2.1"),
            ("foo.bar.example.org", "192.0.2.1"),
            ("0.example.org", "192.0.2.1"),
            ("zzz.example.org", "192.0.2.1"),
            ("\0.example.org", "192.0.2.1"),
            ("host1\0_tcp.example.org", "192.0.2.1"),
            ("*.example.org", "192.0.2.1"),
            ("host1.example.org", "192.0.2.2"),
            ("_ssh._tcp.host1.example.org", "192.0.2.3"),
            // A name that exists blocks the wildcard, whatever it has.
            ("six.example.org", "no data"),
            ("host2.example.org", "no data"),
            ("_tcp.host1.example.org", "no data"),
            ("_tcp.host2.example.org", "no data"),
            ("deep.example.org", "no data"),
            ("example.org", "no data"),
            // Below it, the wildcard of another encloser stands for nothing.
            ("_telnet._tcp.host1.example.org", "no such name"),
            ("x.host1.example.org", "no such name"),
            ("x.host2.example.org", "no such name"),
            ("x.y.six.example.org", "no such name"),
            ("ghost.*.example.org", "no such name"),
            ("*.*.example.org", "no such name"),
            ("x.deep.example.org", "192.0.2.5"),
            ("y.x.deep.example.org", "192.0.2.5"),
        ] {
            assert_eq!(answered(&store, name), expected, "{name}");
        }
    }

    #[test]
    fn a_zone_within_another_exists_there_and_shares_no_record() {
        let store = in_memory("example.org=Z1,b.a.example.org=Z2");
        block_on(change(&store, &["*.example.org 60 A 192.0.2.1"])).unwrap();
        for (name, expected) in [
            ("x.example.org", "192.0.2.1"),
            // What is above the apex of a zone exists: else nothing below it would.
            ("a.example.org", "no data"),
            ("x.a.example.org", "no such name"),
            ("b.a.example.org", "no data"),
            ("x.b.a.example.org", "no such name"),
        ] {
            assert_eq!(answered(&store, name), expected, "{name}");
        }
        block_on(change(&store, &["*.b.a.example.org 60 A 192.0.2.2"])).unwrap();
        assert_eq!(answered(&store, "x.b.a.example.org"), "192.0.2.2");
        assert_eq!(answered(&store, "x.example.org"), "192.0.2.1");
    }

    #[test]
    fn a_name_that_lost_its_records_is_no_name() {
        let store = in_memory("example.org=Z1");
        block_on(change(&store, &["a.b.example.org 60 A 192.0.2.1", "a.b.example.org 60 AAAA 2001:db8::1"])).unwrap();
        block_on(change(&store, &["-a.b.example.org 60 AAAA 2001:db8::1"])).unwrap();
        assert_eq!(answered(&store, "a.b.example.org"), "192.0.2.1");
        block_on(change(&store, &["-a.b.example.org 60 A 192.0.2.1"])).unwrap();
        for name in ["a.b.example.org", "b.example.org"] {
            assert_eq!(answered(&store, name), "no such name", "{name}");
        }
    }

    #[test]
    fn hosts_of_a_zone_come_in_canonical_order() {
        let store = in_memory("example.org=Z1,example.com=Z2");
        for name in ["z.a.example.org", "example.org", "a.example.org", "x.example.com", "*.example.org"] {
            block_on(change(&store, &[&format!("{name} 60 A 192.0.2.1")])).unwrap();
        }
        let snapshot = store.snapshot().unwrap();
        let zone = store.zones().iter().next().unwrap();
        let hosts: Vec<_> = snapshot.hosts(zone).unwrap().map(|host| host.unwrap().0.to_string()).collect();
        assert_eq!(hosts, ["example.org", "*.example.org", "a.example.org", "z.a.example.org"]);
    }

    /// A name within `example.org`, of few labels, so that names meet.
    fn name(labels: &'static [&'static str]) -> impl Strategy<Value = String> {
        prop::collection::vec(prop::sample::select(labels), 0..5)
            .prop_map(|labels| [&labels[..], &["example", "org"]].concat().join("."))
    }

    /// RFC 4592 to the letter, over all names there are.
    fn model(names: &BTreeMap<String, u8>, apexes: &[&str], asked: &str) -> String {
        let below = |name: &str, other: &str| name == other || name.ends_with(&format!(".{other}"));
        let exists =
            |name: &str| names.keys().map(String::as_str).chain(apexes.iter().copied()).any(|n| below(n, name));
        let at = |name: &str| names.get(name).map(|last| format!("192.0.2.{last}"));
        if exists(asked) {
            return at(asked).unwrap_or_else(|| "no data".to_owned());
        }
        let mut encloser = asked;
        while !exists(encloser) {
            encloser = encloser.split_once('.').unwrap().1;
        }
        at(&format!("*.{encloser}")).unwrap_or_else(|| "no such name".to_owned())
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 128, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn what_is_found_beside_a_name_is_what_a_search_of_all_names_finds(
            names in prop::collection::btree_map(name(&["a", "b", "a_", "ab"]), 1..255u8, 0..8),
            wildcards in prop::collection::btree_map(name(&["a", "b"]), 1..255u8, 0..4),
            nested in prop::option::of(name(&["a", "b"])),
            asked in prop::collection::vec(name(&["a", "b", "a-", "ab", "*", "\0", "0", "a\0b", "\u{ff}"]), 20),
        ) {
            let wildcards = wildcards.into_iter().map(|(name, last)| (format!("*.{name}"), last));
            let names: BTreeMap<_, _> = names.into_iter().chain(wildcards).collect();
            let apexes: Vec<_> = nested.iter().map(String::as_str).filter(|name| *name != "example.org").chain(["example.org"]).collect();
            let zones: Vec<_> = apexes.iter().map(|apex| format!("{apex}=Z1")).collect();
            let store = in_memory(&zones.join(","));
            for apex in &apexes {
                let here = names.iter().filter(|(name, _)| store.zone_holding(&key(name)).unwrap().name.as_str() == *apex);
                let changes: Vec<_> = here.map(|(name, last)| format!("{name} 60 A 192.0.2.{last}")).collect();
                if !changes.is_empty() {
                    block_on(change(&store, &changes.iter().map(String::as_str).collect::<Vec<_>>())).unwrap();
                }
            }
            for asked in asked.iter().chain(names.keys()) {
                prop_assert_eq!(answered(&store, asked), model(&names, &apexes, asked), "{:?} in {:?} {:?}", asked, names, apexes);
            }
        }
    }
}
