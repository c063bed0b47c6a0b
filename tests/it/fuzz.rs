//! The fuzz targets of `fuzz/` without a fuzzer: their seeds, every input that once showed a bug,
//! and random changes of both.

use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::support::results::{iterations, record};
use crate::targets::{TARGETS, Target, finds};

#[test]
fn requests_are_answered_by_the_protocol() {
    play("request", 1, 800);
}

#[test]
fn events_of_every_front_end_are_answered_by_the_protocol() {
    play("event", 5, 200);
}

#[test]
fn credentials_let_in_only_whom_they_are_of() {
    play("credentials", 1, 4000);
}

#[test]
fn challenges_are_of_the_name_and_value_that_were_sent() {
    play("challenge", 1, 8000);
}

#[test]
fn host_names_are_what_they_should_be() {
    play("hostname", 1, 8000);
}

#[test]
fn addresses_and_prefixes_are_what_they_should_be() {
    play("address", 1, 4000);
}

#[test]
fn answers_of_route_53_break_nothing() {
    play("xml", 2, 400);
}

#[test]
fn dns_messages_are_answered_from_the_records() {
    play("dns", 1, 4000);
}

#[test]
fn configuration_files_are_read_as_they_are_written() {
    play("config", 1, 4000);
}

#[test]
fn replies_are_read_as_they_are_written() {
    play("reply", 1, 8000);
}

/// Plays every `each`th seed of a target, all of its finds, and this many changed inputs.
fn play(name: &str, each: usize, changed: u32) {
    let target = TARGETS.iter().find(|target| target.name == name).expect("a target");
    let mut inputs: Vec<_> = (target.seeds)().into_iter().step_by(each).collect();
    assert!(!inputs.is_empty());
    let finds = finds(name);
    for (path, find) in &finds {
        attempt(target, find, &path.display().to_string());
    }
    inputs.extend(finds.into_iter().map(|(_, find)| find));
    for (index, input) in inputs.iter().enumerate() {
        attempt(target, input, &format!("seed {index}"));
    }
    let mut random = Random(0x6e69_6335_3366_757a);
    let rounds = iterations(changed, changed * 20);
    for round in 0..rounds {
        let input = random.change(&inputs);
        attempt(target, &input, &format!("round {round}"));
    }
    let all = inputs.len() as u64 + u64::from(rounds);
    record("Fuzzing", &format!("target {name} without coverage"), &format!("{all} executions, no find"));
}

/// Runs a target, and shows the input if it panics.
fn attempt(target: &Target, input: &[u8], which: &str) {
    let ran = catch_unwind(AssertUnwindSafe(|| (target.run)(input)));
    assert!(ran.is_ok(), "{} breaks on {which}: \"{}\"", target.name, input.escape_ascii());
}

/// Bytes that mean something to one of the targets.
const TELLING: &[u8] = b"\0\n ,.:;&=%+-/@*[]{}\"'<>\xff";

/// A sequence that is the same in every run (xorshift64*, Marsaglia and Vigna).
struct Random(u64);

impl Random {
    /// The next number below that one.
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let number = self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33;
        usize::try_from(number).expect("31 bits") % end.max(1)
    }

    /// The next byte.
    fn byte(&mut self) -> u8 {
        u8::try_from(self.below(256)).expect("a byte")
    }

    /// One of the inputs with a few changes: bytes set, taken out, doubled, and pieces of another.
    fn change(&mut self, inputs: &[Vec<u8>]) -> Vec<u8> {
        let mut input = inputs[self.below(inputs.len())].clone();
        for _ in 0..=self.below(4) {
            let at = self.below(input.len());
            let length = self.below((input.len() - at).min(24) + 1);
            match self.below(6) {
                0 if !input.is_empty() => input[at] = self.byte(),
                1 if !input.is_empty() => input[at] ^= 1 << self.below(8),
                2 => drop(input.drain(at..at + length)),
                3 => {
                    let piece = input[at..at + length].to_vec();
                    input.splice(at..at, piece);
                }
                4 => {
                    let other = &inputs[self.below(inputs.len())];
                    let from = self.below(other.len());
                    let piece = &other[from..from + self.below((other.len() - from).min(48) + 1)];
                    input.splice(at..at, piece.iter().copied());
                }
                _ => input.insert(at, TELLING[self.below(TELLING.len())]),
            }
        }
        input
    }
}
