//! Everything a person types.

use std::process::ExitCode;

fn main() -> ExitCode {
    nic53::cli::run()
}
