//! Which pending hosts go to Route 53 together, and what is done there.

use aws_sdk_route53::types::ChangeAction;

use super::Host;
use crate::protocol::{address::Family, record::RecordSet};

/// The most `ResourceRecord` elements of a batch (API reference of `ChangeResourceRecordSets`).
pub(crate) const MAX_RECORDS: usize = 1000;

/// The most characters of all values of a batch (as above).
pub(crate) const MAX_CHARACTERS: usize = 32_000;

/// What is to be done with collected hosts.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Build {
    /// The hosts of the next batch, those that are due first in front.
    pub(crate) batch: Vec<Host>,
    /// Hosts whose record is as wanted, as far as the table knows. They are looked up in Route 53, and
    /// never marked unseen.
    pub(crate) lookups: Vec<Host>,
}

/// One change of a batch.
#[derive(Debug, PartialEq)]
pub(crate) struct Change<'a> {
    /// `CREATE` or `DELETE`. Never `UPSERT`, which would overwrite an alias or what a hand made.
    pub(crate) action: ChangeAction,
    /// The host.
    pub(crate) host: &'a Host,
    /// What is made, or what is there to the letter.
    pub(crate) record_set: &'a RecordSet,
}

/// How much of a batch something takes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Size {
    /// `ResourceRecord` elements.
    records: usize,
    /// Characters of their values.
    characters: usize,
}

impl Build {
    /// Takes hosts in order until a limit of Route 53's is reached, or `most` hosts are in the batch.
    /// `is_looked_up` says which are to be looked up whatever the table knows.
    pub(crate) fn new(hosts: Vec<Host>, most: usize, is_looked_up: impl Fn(&Host) -> bool) -> Self {
        let (mut build, mut full) = (Self::default(), Size::default());
        for host in hosts {
            let size = changes(&host).iter().map(Size::of).fold(Size::default(), Size::plus);
            if size == Size::default() || is_looked_up(&host) {
                build.lookups.push(host);
            } else if build.batch.is_empty() || (build.batch.len() < most && full.plus(size).fits()) {
                full = full.plus(size);
                build.batch.push(host);
            } else {
                // Whoever is due first goes first: nobody overtakes a host that does not fit any more.
                break;
            }
        }
        build
    }
}

/// What has to be done for a host: each family that differs by value is deleted as it is there, and
/// made as it is wanted.
pub(crate) fn changes(host: &Host) -> Vec<Change<'_>> {
    let differs = |family: &Family| !host.item.is_as_wanted(*family);
    let families = Family::BOTH.into_iter().filter(differs);
    families.flat_map(|family| changes_of(host, family)).collect()
}

/// Whether nothing of a host is there yet, as far as the table knows: a zone that is full takes no such host.
pub(crate) fn only_creates(host: &Host) -> bool {
    changes(host).iter().all(|change| change.action == ChangeAction::Create)
}

/// Whether Route 53 has what is wanted of a host once it took its changes. A family that is not sent may be
/// otherwise: a publisher that died may have sent what was wanted in between, and made no mark.
pub(crate) fn is_known_once_taken(host: &Host) -> bool {
    let is_next = host.item.version == host.item.published_version + 1;
    is_next || Family::BOTH.iter().all(|family| !host.item.is_as_wanted(*family))
}

/// The same for one family.
fn changes_of(host: &Host, family: Family) -> impl Iterator<Item = Change<'_>> {
    let change = move |action, record_set| Change { action, host, record_set };
    let delete = host.item.published[family].as_ref().map(|set| change(ChangeAction::Delete, set));
    let create = host.item.wanted[family].as_ref().map(|set| change(ChangeAction::Create, set));
    delete.into_iter().chain(create)
}

impl Size {
    /// The size of a change.
    fn of(change: &Change<'_>) -> Self {
        let values = &change.record_set.values;
        Self { records: values.len(), characters: values.iter().map(|value| value.chars().count()).sum() }
    }

    /// Both together.
    fn plus(self, other: Self) -> Self {
        Self { records: self.records + other.records, characters: self.characters + other.characters }
    }

    /// Whether Route 53 takes a batch of that size.
    fn fits(self) -> bool {
        self.records <= MAX_RECORDS && self.characters <= MAX_CHARACTERS
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use fastrand::Rng;

    use super::*;
    use crate::publisher::testing::{host, pending};

    /// What is done for a host, as words.
    fn shown(host: &Host) -> Vec<String> {
        changes(host).iter().map(|change| format!("{} {}", change.action, change.record_set)).collect()
    }

    #[test]
    fn a_family_that_differs_is_deleted_as_it_is_and_made_as_it_is_wanted() {
        for (published, wanted, expected) in [
            ("", "", &[][..]),
            ("", "60 192.0.2.7", &["CREATE 60 A 192.0.2.7"]),
            ("60 192.0.2.1", "", &["DELETE 60 A 192.0.2.1"]),
            ("60 192.0.2.1", "60 192.0.2.7", &["DELETE 60 A 192.0.2.1", "CREATE 60 A 192.0.2.7"]),
            ("60 192.0.2.7", "300 192.0.2.7", &["DELETE 60 A 192.0.2.7", "CREATE 300 A 192.0.2.7"]),
            ("60 192.0.2.7 192.0.2.8", "60 192.0.2.8 192.0.2.7", &[]),
            ("60 2001:DB8::7", "60 2001:db8::7", &[]),
            ("60 2001:DB8::7", "60 2001:db8::8", &["DELETE 60 AAAA 2001:DB8::7", "CREATE 60 AAAA 2001:db8::8"]),
        ] {
            assert_eq!(shown(&pending("a", published, wanted)), expected, "{published} → {wanted}");
        }
    }

    #[test]
    fn a_family_that_went_back_is_not_known_to_be_there() {
        for (version, published, wanted, v6, expected) in [
            (1, "60 192.0.2.1", "60 192.0.2.7", "", true),
            (2, "60 192.0.2.1", "60 192.0.2.7", "", false),
            (2, "60 192.0.2.7", "60 192.0.2.7", "60 2001:db8::7", false),
            (2, "60 192.0.2.1", "60 192.0.2.7", "60 2001:db8::7", true),
        ] {
            let mut host = pending("a", published, wanted);
            host.item.version = version;
            host.item.wanted.v6 = pending("a", "", v6).item.wanted.v6;
            assert_eq!(is_known_once_taken(&host), expected, "{version}: {published} → {wanted} {v6}");
        }
    }

    #[test]
    fn both_families_of_a_host_are_in_one_batch() {
        let mut both = pending("a", "60 192.0.2.1", "60 192.0.2.7");
        both.item.wanted.v6 = pending("a", "", "60 2001:db8::7").item.wanted.v6;
        assert_eq!(shown(&both), ["DELETE 60 A 192.0.2.1", "CREATE 60 A 192.0.2.7", "CREATE 60 AAAA 2001:db8::7"]);
    }

    #[test]
    fn a_host_that_seems_to_need_nothing_is_looked_up() {
        let hosts = vec![pending("a", "60 192.0.2.7", "60 192.0.2.7"), pending("b", "", "60 192.0.2.7"), host("c")];
        let build = Build::new(hosts, 500, |host| host.name.as_str().starts_with('b'));
        assert!(build.batch.is_empty());
        assert_eq!(build.lookups.len(), 3);
    }

    #[test]
    fn a_batch_has_500_hosts_with_one_address_and_250_with_two() {
        let one = |number: usize| pending(&format!("h{number}"), "60 192.0.2.1", "60 192.0.2.7");
        assert_eq!(Build::new((0..600).map(one).collect(), 500, |_| false).batch.len(), 500);
        let address = "2001:db8:1111:2222:3333:4444:5555:6666";
        let long = |number: usize| pending(&format!("h{number}"), &format!("60 {address}"), &format!("300 {address}"));
        assert_eq!(Build::new((0..600).map(long).collect(), 500, |_| false).batch.len(), 32_000 / 38 / 2);
        let two = |number: usize| pending(&format!("h{number}"), "60 192.0.2.1 192.0.2.2", "60 192.0.2.7 192.0.2.8");
        assert_eq!(Build::new((0..600).map(two).collect(), 500, |_| false).batch.len(), 250);
    }

    #[test]
    fn no_batch_is_above_a_limit_and_no_host_is_lost() {
        let mut random = Rng::with_seed(53);
        for round in 0..200 {
            let address = |six: bool, random: &mut Rng| {
                if six {
                    format!("2001:db8:{:x}:{:x}::{:x}", random.u16(..), random.u16(..), random.u16(1..))
                } else {
                    format!("192.0.2.{}", random.u8(..))
                }
            };
            let set = |six: bool, random: &mut Rng| match random.usize(0..6) {
                0 => String::new(),
                count => {
                    let values: BTreeSet<_> = (0..count).map(|_| address(six, random)).collect();
                    format!("60 {}", values.into_iter().collect::<Vec<_>>().join(" "))
                }
            };
            let hosts: Vec<Host> = (0..random.usize(1..700))
                .map(|number| {
                    let name = format!("h{number}");
                    let mut host = pending(&name, &set(false, &mut random), &set(false, &mut random));
                    let six = pending(&name, &set(true, &mut random), &set(true, &mut random)).item;
                    (host.item.wanted.v6, host.item.published.v6) = (six.wanted.v6, six.published.v6);
                    host
                })
                .collect();
            let most = random.usize(1..600);
            let build = Build::new(hosts.clone(), most, |_| false);
            let size =
                build.batch.iter().flat_map(changes).map(|change| Size::of(&change)).fold(Size::default(), Size::plus);
            assert!(size.fits() && build.batch.len() <= most, "{round}: {size:?}");
            let taken: BTreeSet<_> = build.batch.iter().chain(&build.lookups).map(|host| host.name.as_str()).collect();
            assert_eq!(taken.len(), build.batch.len() + build.lookups.len(), "{round}: a host twice");
            // In order, and nobody is left out before the end.
            assert!(hosts[..taken.len()].iter().all(|host| taken.contains(host.name.as_str())), "{round}");
            assert!(!build.batch.is_empty() || taken.len() == hosts.len(), "{round}: somebody waits and nobody goes");
        }
    }
}
