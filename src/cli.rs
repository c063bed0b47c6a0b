//! The command line: `nic53` and its commands.

mod check;
mod export;
mod given_token;
mod man;
mod serve;
mod settings;
mod setup;
mod terminal;
mod token;
mod update;

use std::{fmt, process::ExitCode};

use clap::{CommandFactory, Parser, Subcommand};

use crate::problem::Problem;

/// A dyndns2 gateway to Amazon Route 53.
///
/// Without a command, `nic53 serve`.
#[derive(Parser)]
#[command(name = "nic53", version, after_help = "Example:\n  nic53 serve --http 127.0.0.1:8053 --dns 127.0.0.1:8054")]
struct Cli {
    /// What to do.
    #[command(subcommand)]
    command: Option<Command>,
}

/// What it can do.
#[derive(Subcommand)]
#[allow(clippy::missing_docs_in_private_items, reason = "a line here would replace the help of each")]
enum Command {
    Serve(serve::Serve),
    Token(token::Token),
    Setup(setup::Setup),
    Check(check::Check),
    Update(update::UpdateCommand),
    Export(export::Export),
    Man(man::Man),
    Completions(man::Completions),
}

/// Why a command ended, for the person who typed it.
#[derive(Debug)]
pub struct Failure(pub String);

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<Problem> for Failure {
    fn from(Problem(text): Problem) -> Self {
        Self(text)
    }
}

impl From<String> for Failure {
    fn from(problem: String) -> Self {
        Self(problem)
    }
}

/// Exit code of a command that could not do its work: a usage or a setting that makes no sense, a
/// file or an address that is not to be had.
const FAILED: u8 = 2;

/// Runs the command line of this process.
pub fn run() -> ExitCode {
    let command = Cli::parse().command.or_else(|| Cli::parse_from(["nic53", "serve"]).command);
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return fail(&Failure(format!("could not start: {error}"))),
    };
    let done = runtime.block_on(async {
        match command {
            Some(Command::Serve(command)) => command.run().await.map(|()| ExitCode::SUCCESS),
            Some(Command::Token(command)) => command.run().await,
            Some(Command::Update(command)) => command.run().await,
            Some(Command::Export(command)) => command.run().map(|()| ExitCode::SUCCESS),
            Some(Command::Setup(command)) => command.run().await,
            Some(Command::Check(command)) => command.run().await,
            Some(Command::Man(command)) => command.run(Cli::command()).map(|()| ExitCode::SUCCESS),
            Some(Command::Completions(command)) => {
                command.run(Cli::command());
                Ok(ExitCode::SUCCESS)
            }
            None => Ok(ExitCode::SUCCESS),
        }
    });
    match done {
        Ok(code) => code,
        Err(failure) => fail(&failure),
    }
}

/// Says why, and ends.
#[expect(clippy::print_stderr, reason = "the person who typed the command reads it there")]
fn fail(failure: &Failure) -> ExitCode {
    eprintln!("nic53: {failure}");
    ExitCode::from(FAILED)
}
