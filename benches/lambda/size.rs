//! The archive, and whose code is in it.

use std::{collections::HashMap, path::Path, process::Command};

use crate::{
    crate_groups, size_of,
    table::{Table, mb},
};

/// The most that the archive may have, in octets. `lambda_http` and what it needs is a tenth of it.
const MOST_ARCHIVE: u64 = 3_500_000;

/// Sizes of the archive, the binary and each group's code.
pub fn table(tools: &Path, missed: &mut Vec<String>) -> String {
    let [archive, binary, empty] = ["lambda.zip", "bootstrap", "empty_lambda"].map(|name| size_of(&tools.join(name)));
    if archive >= MOST_ARCHIVE {
        missed.push(format!("the archive has {archive} octets: expected less than {MOST_ARCHIVE}"));
    }
    let mut table = Table::new("lambda-size", &["", "size", "share of the code"]);
    table.row(&["**archive**", &mb(archive), ""]);
    table.row(&["binary in it", &mb(binary), ""]);
    table.row(&["binary of the empty function", &mb(empty), ""]);
    let groups = groups(&tools.join("bootstrap.symbols"));
    let total: u64 = groups.iter().map(|(_, size)| size).sum();
    for (group, size) in groups {
        table.row(&[group, &mb(size), &format!("{} %", (200 * size / total).div_ceil(2))]);
    }
    table.end()
}

/// The size of each group's functions, the largest first.
fn groups(binary: &Path) -> Vec<(&'static str, u64)> {
    let listed = Command::new("nm").args(["--print-size", "--radix=d", "--demangle"]).arg(binary).output();
    let listed = listed.unwrap_or_else(|error| panic!("nm: {error}; scripts/bench installs what is missing"));
    let mut groups: HashMap<&'static str, u64> = HashMap::new();
    for line in String::from_utf8_lossy(&listed.stdout).lines() {
        // Address, size, kind and name; what has no size is no function.
        let mut words = line.splitn(4, ' ');
        let (Some(_), Some(size), Some(kind), Some(name)) = (words.next(), words.next(), words.next(), words.next())
        else {
            continue;
        };
        if let ("t" | "T" | "w" | "W", Ok(size)) = (kind, size.parse::<u64>()) {
            *groups.entry(crate_groups::of(name)).or_default() += size;
        }
    }
    let mut groups: Vec<_> = groups.into_iter().collect();
    groups.sort_by_key(|(_, size)| std::cmp::Reverse(*size));
    groups
}
