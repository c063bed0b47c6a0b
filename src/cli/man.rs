//! `nic53 man` and `nic53 completions`: made from the definition of the command line, so that they agree with it.

use std::{
    fmt::Write as _,
    fs, io,
    io::Write,
    path::{Path, PathBuf},
};

use clap::{Arg, Args, Command, ValueHint};
use clap_complete::Shell;
use clap_mangen::Man as Page;

use crate::problem::Problem;

/// Write the manual pages, one for each command
#[derive(Args)]
#[command(after_help = "Examples:
  nic53 man >nic53.1
  nic53 man /usr/local/share/man/man1")]
pub(super) struct Man {
    /// The folder to write nic53.1, nic53-serve.1 and so on to; without it, nic53.1 goes to standard output
    #[arg(value_name = "DIR")]
    folder: Option<PathBuf>,
}

impl Man {
    /// Writes the pages of this command line.
    pub(super) fn run(&self, command: Command) -> Result<(), Problem> {
        let mut command = command.disable_help_subcommand(true);
        command.build();
        let Some(folder) = &self.folder else {
            let page = page(&command, "nic53").map_err(|error| format!("nic53.1: {error}"))?;
            let _ = io::stdout().write_all(&page);
            return Ok(());
        };
        fs::create_dir_all(folder).map_err(|error| cannot_write(folder, &error))?;
        write_pages(&command, folder, "nic53")
    }
}

/// Writes the page of a command and of those below it that are not hidden.
fn write_pages(command: &Command, folder: &Path, name: &str) -> Result<(), Problem> {
    let path = folder.join(format!("{name}.1"));
    page(command, name).and_then(|page| fs::write(&path, page)).map_err(|error| cannot_write(&path, &error))?;
    let mut below = command.get_subcommands().filter(|below| !below.is_hide_set());
    below.try_for_each(|below| write_pages(below, folder, &format!("{name}-{}", below.get_name())))
}

/// The page of one command. Its examples keep their lines.
fn page(command: &Command, name: &str) -> io::Result<Vec<u8>> {
    let shown = command.clone().display_name(name.to_owned());
    let manual = Page::new(shown).title(name.to_uppercase()).source(concat!("nic53 ", env!("CARGO_PKG_VERSION")));
    let mut page = Vec::new();
    manual.render_title(&mut page)?;
    manual.render_name_section(&mut page)?;
    manual.render_synopsis_section(&mut page)?;
    manual.render_description_section(&mut page)?;
    manual.render_options_section(&mut page)?;
    if command.get_subcommands().any(|below| !below.is_hide_set()) {
        manual.render_subcommands_section(&mut page)?;
    }
    if let Some(examples) = command.get_after_help() {
        page.extend_from_slice(examples_section(&examples.to_string()).as_bytes());
    }
    Ok(page)
}

/// The section of the examples, without the line that announces them.
fn examples_section(examples: &str) -> String {
    let lines = examples.lines().skip(1).map(|line| line.trim().replace('\\', "\\e").replace('-', "\\-"));
    format!(".SH EXAMPLES\n.nf\n{}\n.fi\n", lines.collect::<Vec<_>>().join("\n"))
}

/// Print completions for a shell
#[derive(Args)]
#[command(after_help = "Examples:
  nic53 completions bash >/usr/local/share/bash-completion/completions/nic53
  nic53 completions zsh >/usr/local/share/zsh/site-functions/_nic53
  nic53 completions fish >~/.config/fish/completions/nic53.fish")]
pub(super) struct Completions {
    /// The shell
    shell: Shell,
}

impl Completions {
    /// Prints the completions of this command line.
    pub(super) fn run(&self, mut command: Command) {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut command, "nic53", &mut script);
        let mut script = String::from_utf8_lossy(&script).into_owned();
        match self.shell {
            Shell::Fish => script += &fish_arguments(&command),
            Shell::Zsh => script = zsh_flags(&script),
            // The others know the flags and the values.
            _ => {}
        }
        let _ = io::stdout().write_all(script.as_bytes());
    }
}

/// clap's script for zsh, changed so that flags complete before and behind hosts. `*::` would take all that follows for
/// hosts, and where an argument has no action zsh looks for no flags either.
fn zsh_flags(script: &str) -> String {
    let mut changed = String::with_capacity(script.len());
    for line in script.lines() {
        let argument = line.strip_prefix("'*::").map(|rest| ("'*:", rest));
        let argument = argument.or_else(|| line.strip_prefix("'::").map(|rest| ("'::", rest)));
        let _ = match argument.and_then(|(start, rest)| Some((start, rest.strip_suffix(":' \\")?))) {
            Some((start, rest)) => writeln!(changed, "{start}{rest}:()' \\"),
            None => writeln!(changed, "{line}"),
        };
    }
    changed
}

/// What clap leaves out for fish: the values of a list that a command takes as its first argument, and that a host is
/// no file.
fn fish_arguments(root: &Command) -> String {
    let mut lines = String::new();
    for command in root.get_subcommands() {
        let is_typed = format!("complete -c nic53 -n \"__fish_nic53_using_subcommand {}", command.get_name());
        if command.get_positionals().any(|arg| arg.get_value_hint() == ValueHint::Other) {
            let _ = writeln!(lines, "{is_typed}\" -f");
        }
        let values = command.get_positionals().next().map(Arg::get_possible_values).unwrap_or_default();
        for value in values {
            let help = value.get_help().map(ToString::to_string).unwrap_or_default();
            let first = "; and test (count (commandline -opc | string match -v -- '-*')) -eq 2";
            let _ = writeln!(lines, "{is_typed}{first}\" -f -a {} -d {}", quoted(value.get_name()), quoted(&help));
        }
    }
    lines
}

/// A text in single quotes, as fish reads it.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\\', "\\\\").replace('\'', "\\'"))
}

/// The error for a page that could not be written.
fn cannot_write(path: &Path, error: &io::Error) -> Problem {
    Problem(format!("{}: {error}: expected a folder that nic53 may write", path.display()))
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;
    use crate::cli::Cli;

    /// zsh takes what is behind a colon for an action, and then completes nothing of the command.
    #[test]
    fn no_name_of_a_value_has_a_colon() {
        for command in Cli::command().get_subcommands() {
            for name in command.get_arguments().filter_map(Arg::get_value_names).flatten() {
                assert!(!name.contains(':'), "{}: {name}", command.get_name());
            }
        }
    }

    #[test]
    fn examples_keep_their_lines() {
        let section = examples_section("Examples:\n  nic53 setup a --url b\n  printf '\\n'");
        assert_eq!(section, ".SH EXAMPLES\n.nf\nnic53 setup a \\-\\-url b\nprintf '\\en'\n.fi\n");
    }
}
