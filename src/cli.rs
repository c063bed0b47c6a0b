//! The command line: `nic53` and its commands.

mod check;
mod export;
mod health;
mod man;
mod output;
mod serve;
mod settings;
mod setup;
mod token;
mod token_arg;
mod update;
mod usage;
mod values;

use std::{ffi::OsString, process::ExitCode};

use clap::{CommandFactory, Parser, Subcommand};

use self::output::{print, warn};
use crate::{printable::printable, problem::Problem};

/// A dyndns2 gateway to Amazon Route 53.
///
/// Without a command, `nic53 serve`.
#[derive(Parser)]
#[command(name = "nic53", version, after_help = "Example:\n  nic53 serve --http 127.0.0.1:8053 --dns 127.0.0.1:8054")]
struct Cli {
    /// The command.
    #[command(subcommand)]
    command: Option<Command>,
}

/// The commands.
#[derive(Subcommand)]
#[allow(clippy::missing_docs_in_private_items, reason = "a line here would replace the help of each")]
enum Command {
    Serve(serve::Serve),
    Token(token::Token),
    Setup(setup::Setup),
    Check(check::Check),
    Update(update::UpdateCommand),
    Health(health::Health),
    Export(export::Export),
    Man(man::Man),
    Completions(man::Completions),
}

/// Exit code of a command that could not do its work: a flag or a setting that makes no sense, a file or
/// an address that cannot be used.
const FAILED: u8 = 2;

/// Runs the command line of this process.
pub fn run() -> ExitCode {
    let command = match command(&std::env::args_os().collect::<Vec<_>>()) {
        Ok(command) => command,
        Err(problem) => return fail(&problem),
    };
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return fail(&Problem(format!("could not start: {error}"))),
    };
    let done = runtime.block_on(async {
        match command {
            Command::Serve(command) => command.run().await.map(|()| ExitCode::SUCCESS),
            Command::Token(command) => command.run().await,
            Command::Update(command) => command.run().await,
            Command::Health(command) => command.run().await,
            Command::Export(command) => command.run().map(|()| ExitCode::SUCCESS),
            Command::Setup(command) => command.run().await,
            Command::Check(command) => command.run().await,
            Command::Man(command) => command.run(Cli::command()).map(|()| ExitCode::SUCCESS),
            Command::Completions(command) => {
                command.run(Cli::command());
                Ok(ExitCode::SUCCESS)
            }
        }
    });
    match done {
        Ok(code) => code,
        Err(problem) => fail(&problem),
    }
}

/// The command that was typed; `nic53 serve` if there is none.
fn command(arguments: &[OsString]) -> Result<Command, Problem> {
    let typed: Cli = usage::parse(arguments)?;
    match typed.command {
        Some(command) => Ok(command),
        None => command(&["nic53".into(), "serve".into()]),
    }
}

/// A warning for each variable of the environment that looks like a setting of nic53 and is none.
fn unknown_variables() -> Vec<String> {
    let root = Cli::command();
    let is_flag = |name: &str| {
        let mut flags = root.get_subcommands().flat_map(clap::Command::get_arguments).filter_map(clap::Arg::get_env);
        flags.any(|known| known == name)
    };
    let names = std::env::vars_os().map(|(name, _)| name);
    crate::settings::unknown_variables(names, |name| name == "NIC53_TOKEN" || is_flag(name))
}

/// Prints why a command failed, on one line whatever was typed.
fn fail(problem: &Problem) -> ExitCode {
    warn(&printable(&problem.to_string()));
    ExitCode::from(FAILED)
}
