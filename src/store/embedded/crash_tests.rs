//! What a power cut leaves of the file: everything that was acknowledged, and of the rest all or
//! nothing.
//!
//! The disk of these tests loses its power at any write or sync, and keeps of what was not yet synced
//! whichever sectors it likes. The store then starts from what is left, and the next power cut may come
//! while it does.

use std::{fs, io::Write, iter, path::Path, sync::Arc};

use futures_util::future::join_all;
use proptest::{
    prelude::RngExt,
    test_runner::{RngAlgorithm, TestRng},
};

use self::results::{iterations, record};
use super::{
    Embedded, Key, file,
    testing::{Disk, block_on, change, on_disk},
};
use crate::{
    files::create_anew,
    problem::Problem,
    protocol::{address::Family, hostname::HostName},
};

#[path = "../../../tests/it/support/results.rs"]
mod results;

const ZONES: &str = "example.org=Z1";

/// Pairs of hosts. Both of a pair, and both families of each, are always changed together.
const PAIRS: usize = 6;

/// What a pair may have.
#[derive(Clone, Copy, Debug, Default)]
struct Pair {
    /// The number that was last acknowledged; 0 for none.
    acknowledged: u32,
    /// The number that was refused or is not answered, if there is one.
    open: Option<u32>,
}

/// Sets both hosts of a pair to a number, which is in each address.
async fn set(store: &Embedded, pair: usize, number: u32) -> Result<(), Problem> {
    let [_, high, middle, low] = number.to_be_bytes();
    let changes: Vec<_> = ["a", "b"]
        .iter()
        .flat_map(|side| {
            let host = format!("{side}.{pair}.example.org");
            [format!("{host} 60 A 8.{high}.{middle}.{low}"), format!("{host} 60 AAAA 2001:db8::{number:x}")]
        })
        .collect();
    change(store, &changes.iter().map(String::as_str).collect::<Vec<_>>()).await
}

/// The number that a pair has; 0 for none. Panics where its records differ.
fn number(store: &Embedded, pair: usize) -> u32 {
    let snapshot = store.snapshot().unwrap();
    let numbers = ["a", "b"].map(|side| {
        let host: HostName = format!("{side}.{pair}.example.org").parse().unwrap();
        let records = snapshot.at(&Key::from(&host)).unwrap().unwrap_or_default();
        Family::BOTH.map(|family| match records.record_set(family) {
            None => 0,
            Some(set) => match set.values[0].parse().unwrap() {
                std::net::IpAddr::V4(address) => u32::from(address) & 0xff_ffff,
                std::net::IpAddr::V6(address) => u32::try_from(address.to_bits() & 0xffff_ffff).unwrap(),
            },
        })
    });
    assert_eq!(numbers, [[numbers[0][0]; 2]; 2], "pair {pair}: half a batch");
    numbers[0][0]
}

/// The serial of the zone.
fn serial(store: &Embedded) -> Result<u32, Problem> {
    store.snapshot()?.serial(store.zones().iter().next().unwrap())
}

/// Makes this the file in a folder.
fn put(data: &Path, octets: &[u8]) {
    fs::write(file::path(data), octets).unwrap();
}

/// Opens what a power cut has left, on a disk without faults.
fn start(data: &Path) -> Embedded {
    on_disk(data, ZONES, &Arc::default()).unwrap_or_else(|error| panic!("{error}"))
}

/// Any share of the sectors.
fn share(random: &mut TestRng) -> f64 {
    [0.0, 0.1, 0.5, 0.9, 1.0][random.random_range(0..5)]
}

#[test]
fn whatever_moment_the_power_is_cut_what_was_acknowledged_is_there() {
    /// What is looked at after each cut: different shares of what was not synced.
    const LOOKS: u32 = 3;
    let mut random = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path();
    drop(start(data));
    let mut left = fs::read(file::path(data)).unwrap();
    let mut pairs = [Pair::default(); PAIRS];
    let (mut last, mut seen_serial, mut acknowledged, mut dropped) = (0, 0, 0_u32, 0);
    let cuts = iterations(60, 600);
    let mut begun = 0;
    for cut in 0..cuts {
        put(data, &left);
        let disk = Arc::new(Disk::losing_power_at(random.random_range(1..100)));
        // What is longer than the file has its length changed too.
        let large = random.random_bool(0.05);
        while !disk.is_off() {
            let store = match on_disk(data, ZONES, &disk) {
                Ok(store) => store,
                Err(error) => {
                    assert!(disk.is_off(), "{cut}: {error}");
                    begun += 1;
                    break;
                }
            };
            for _ in 0..random.random_range(1..8) {
                let chosen: Vec<_> = (0..PAIRS).filter(|_| random.random_bool(0.4)).collect();
                let numbers: Vec<_> = iter::successors(Some(last + 1), |n| Some(n + 1)).take(chosen.len()).collect();
                last += u32::try_from(chosen.len()).unwrap();
                let sets = iter::zip(&chosen, &numbers).map(|(pair, number)| set(&store, *pair, *number));
                let outcomes = block_on(join_all(sets));
                for ((pair, number), outcome) in iter::zip(iter::zip(chosen, numbers), outcomes) {
                    pairs[pair] = match outcome {
                        Ok(()) => {
                            acknowledged += 1;
                            Pair { acknowledged: number, open: None }
                        }
                        Err(_) => Pair { open: Some(number), ..pairs[pair] },
                    };
                }
                if large {
                    let many: Vec<_> =
                        (0..100).map(|n| format!("{cut}.{n}.large.example.org 60 A 192.0.2.1")).collect();
                    let _ = block_on(change(&store, &many.iter().map(String::as_str).collect::<Vec<_>>()));
                }
                // A reader writes too, what there is no room for in memory.
                let Ok(serial) = serial(&store) else { break };
                seen_serial = serial;
            }
            // Closed in good order, unless the power is cut meanwhile.
            drop(store);
        }
        for _ in 0..LOOKS {
            let (octets, gone) = disk.after_power_cut(share(&mut random), &mut random);
            dropped += gone;
            put(data, &octets);
            let store = start(data);
            let found: Vec<_> = (0..PAIRS).map(|pair| number(&store, pair)).collect();
            for (pair, found) in iter::zip(&pairs, &found) {
                assert!(*found == pair.acknowledged || Some(*found) == pair.open, "{cut}: {found} of {pair:?}");
            }
            assert!(serial(&store).unwrap() >= seen_serial, "{cut}");
            left = octets;
            drop(store);
        }
        // What is there now stays.
        put(data, &left);
        let store = start(data);
        pairs = std::array::from_fn(|pair| Pair { acknowledged: number(&store, pair), open: None });
    }
    assert!(begun > 0 && acknowledged > 0 && dropped > 0);
    record(
        "The embedded store",
        &format!(
            "the power cut at {cuts} moments, {begun} of them while it started, and any part of what was not synced kept, {LOOKS} times each"
        ),
        &format!(
            "{acknowledged} changes acknowledged, 0 lost; every other one whole or not at all; {} KiB that were not synced dropped",
            dropped / 1024
        ),
    );
}

#[test]
fn nothing_is_acknowledged_before_it_is_synced() {
    let mut random = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    let folder = tempfile::tempdir().unwrap();
    let cut = tempfile::tempdir().unwrap();
    let disk = Arc::new(Disk::losing_power_at(u64::MAX));
    let store = on_disk(folder.path(), ZONES, &disk).unwrap();
    for round in 1..=40 {
        block_on(set(&store, 0, round)).unwrap();
        let (synced, _) = disk.after_power_cut(0.0, &mut random);
        put(cut.path(), &synced);
        assert_eq!(number(&start(cut.path()), 0), round);
    }
}

#[test]
fn a_first_start_whose_power_is_cut_leaves_a_folder_that_starts() {
    let mut random = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    let (mut cuts, mut made) = (0, 0);
    for operation in 1.. {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path();
        let disk = Arc::new(Disk::losing_power_at(operation));
        drop(on_disk(data, ZONES, &disk));
        if !disk.is_off() {
            break;
        }
        assert!(operation < 1000, "the first start does not end");
        // The name it has at that moment, and what may be on the disk of it.
        let name = [data.join("records.new"), file::path(data)].into_iter().find(|path| path.exists()).unwrap();
        for _ in 0..4 {
            let (octets, _) = disk.after_power_cut(share(&mut random), &mut random);
            // With the mode that it was made with.
            let _ = fs::remove_file(&name);
            create_anew(&name).unwrap().write_all(&octets).unwrap();
            drop(start(data));
            cuts += 1;
            if name.ends_with("records.new") {
                fs::remove_file(file::path(data)).unwrap();
            } else {
                made += 1;
            }
        }
    }
    assert!(cuts > made && made > 0, "{cuts} {made}");
    record(
        "The embedded store",
        &format!("the power cut at every write and sync of a first start, {cuts} states"),
        "the next start works from each",
    );
}
