//! What one request takes, counted by valgrind: instructions and allocations.

use std::{collections::HashMap, fs, path::Path};

use serde_json::Value;

use crate::{
    crate_groups,
    function::{Function, Program},
};

/// Requests before those that are counted.
const FEWER: u32 = 5;

/// Requests of which the difference is counted.
const COUNTED: u32 = 100;

/// Instructions by the group of crates that has them.
type Costs = HashMap<&'static str, f64>;

/// The instructions of one request.
pub fn instructions(program: &Program, folder: &Path, event: impl Fn(u32) -> Value) -> Costs {
    let fewer = profile(program, folder, FEWER, &event);
    let mut more = profile(program, folder, FEWER + COUNTED, &event);
    for (group, cost) in fewer {
        *more.entry(group).or_default() -= cost;
    }
    for cost in more.values_mut() {
        *cost /= f64::from(COUNTED);
    }
    more
}

/// The instructions from the start to the first poll.
pub fn instructions_of_start(program: &Program, folder: &Path) -> Costs {
    profile(program, folder, 0, |_| Value::Null)
}

/// The instructions of a process that answers `requests` requests.
fn profile(program: &Program, folder: &Path, requests: u32, event: impl Fn(u32) -> Value) -> Costs {
    let file = folder.join("callgrind.out");
    let option = format!("--callgrind-out-file={}", file.display());
    run(program, &["valgrind", "--quiet", "--tool=callgrind", &option], requests, &event);
    own_costs(&fs::read_to_string(&file).expect("callgrind's file"))
}

/// The allocations of one request: how many, and of how many octets.
pub fn allocations(program: &Program, folder: &Path, event: impl Fn(u32) -> Value) -> [f64; 2] {
    let file = folder.join("dhat.log");
    let log = format!("--log-file={}", file.display());
    let out = format!("--dhat-out-file={}", folder.join("dhat.out").display());
    let total = |requests| {
        run(program, &["valgrind", "--tool=dhat", &log, &out], requests, &event);
        let text = fs::read_to_string(&file).expect("DHAT's summary");
        // `Total: 1,234 bytes in 56 blocks`
        let line = text.lines().find_map(|line| line.split_once("Total:")).expect("a total").1.replace(',', "");
        let mut numbers = line.split(' ').filter_map(|word| word.parse::<f64>().ok());
        [(); 2].map(|()| numbers.next().expect("octets and blocks"))
    };
    let (fewer, more) = (total(FEWER), total(FEWER + COUNTED));
    [1, 0].map(|index| (more[index] - fewer[index]) / f64::from(COUNTED))
}

/// Runs the function for `requests` requests, then ends it.
fn run(program: &Program, tool: &[&str], requests: u32, event: impl Fn(u32) -> Value) {
    let function = Function::start(&program.under(tool));
    function.first_poll();
    for number in 0..requests {
        function.invoke(&event(number));
    }
    function.end();
}

/// Each group's own instructions in a profile, those of what it calls left out.
fn own_costs(profile: &str) -> Costs {
    let mut names: HashMap<(&str, &str), &str> = HashMap::new();
    let mut costs = Costs::new();
    let (mut object, mut current) = ("", "");
    let mut lines = profile.lines();
    while let Some(line) = lines.next() {
        match line.split_once('=') {
            // The next line is what the callee costs.
            Some(("calls", _)) => drop(lines.next()),
            Some((key, value)) if key.chars().all(|letter| letter.is_ascii_alphabetic()) => {
                // A name is written out once, with its number.
                let kind = if key.ends_with("fn") {
                    "fn"
                } else if key.ends_with("ob") {
                    "ob"
                } else {
                    "fl"
                };
                let (number, name) = value.split_once(' ').map_or((value, None), |(number, name)| (number, Some(name)));
                if let Some(name) = name {
                    names.insert((kind, number), name);
                }
                let name = names.get(&(kind, number)).copied().unwrap_or_default();
                match key {
                    "fn" => current = name,
                    "ob" => object = name,
                    _ => {}
                }
            }
            _ if line.starts_with(|letter: char| letter.is_ascii_digit() || "+-*".contains(letter)) => {
                let cost = line.split(' ').nth(1).and_then(|cost| cost.parse().ok()).unwrap_or(0.0);
                let group = if object.contains("bootstrap") { crate_groups::of(current) } else { crate_groups::C };
                *costs.entry(group).or_default() += cost;
            }
            _ => {}
        }
    }
    costs
}
