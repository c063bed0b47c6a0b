//! What was measured, as tables in markdown.

use std::{env, fs, process::Command};

/// Writes the tables into the file that `NIC53_BENCH_TABLE` names, or to standard output.
#[expect(clippy::print_stdout, reason = "the tables are the answer")]
pub(crate) fn write(tables: &str) {
    match env::var_os("NIC53_BENCH_TABLE") {
        Some(path) => fs::write(path, tables).expect("a file for the tables"),
        None => print!("{tables}"),
    }
}

/// The value in the middle.
pub(crate) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// What a program wrote to its standard output.
pub(crate) fn output(command: &mut Command) -> String {
    let name = command.get_program().to_string_lossy().into_owned();
    let output =
        command.output().unwrap_or_else(|error| panic!("{name}: {error}; scripts/bench installs what is missing"));
    assert!(output.status.success(), "{name}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("text")
}
