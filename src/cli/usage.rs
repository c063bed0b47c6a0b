//! The command line as it was typed: clap parses it, and its errors and examples are put into this program's form.

use std::{error::Error as _, ffi::OsString};

use clap::{
    Arg, ArgAction, Command, Parser,
    error::{ContextKind, ContextValue, ErrorKind},
};

use super::values::ascii_hint;
use crate::problem::Problem;

/// Parses a command line. Help and version are printed, and end the process.
///
/// # Errors
///
/// What was typed, what was expected, and an example.
pub(super) fn parse<C: Parser>(arguments: &[OsString]) -> Result<C, Problem> {
    let matches = take_negative_numbers(keep_examples_whole(C::command())).try_get_matches_from(arguments);
    matches.and_then(|mut matches| C::from_arg_matches_mut(&mut matches)).map_err(|error| {
        if !error.use_stderr() {
            error.exit();
        }
        let typed: Vec<String> = arguments.iter().map(|text| text.to_string_lossy().into_owned()).collect();
        Problem(Typed::new(&C::command(), &typed).explain(&error))
    })
}

/// Keeps clap from wrapping the examples: an example that was wrapped before a `>` empties the file behind it once it
/// is pasted. A template is not wrapped.
fn keep_examples_whole(command: Command) -> Command {
    let command = command.mut_subcommands(keep_examples_whole);
    let Some(examples) = command.get_after_help().map(ToString::to_string) else { return command };
    let template = format!("{{about-with-newline}}\n{{usage-heading}} {{usage}}\n\n{{all-args}}\n\n{examples}\n");
    command.help_template(template).after_help(None::<&str>)
}

/// Lets every flag take `-1` as its value, so that its own error names the flag and what was expected.
fn take_negative_numbers(command: Command) -> Command {
    command.mut_subcommands(take_negative_numbers).mut_args(|arg| match arg.get_action() {
        ArgAction::Set | ArgAction::Append => arg.allow_negative_numbers(true),
        _ => arg,
    })
}

/// A command line with an error.
struct Typed<'a> {
    /// `nic53` itself.
    root: &'a Command,
    /// The command that was typed, if there is one.
    command: Option<&'a Command>,
    /// The arguments, from the program's name on.
    arguments: &'a [String],
}

impl<'a> Typed<'a> {
    /// Finds the command that was typed.
    fn new(root: &'a Command, arguments: &'a [String]) -> Self {
        Self { root, command: arguments.get(1).and_then(|name| root.find_subcommand(name)), arguments }
    }

    /// One line for an error.
    fn explain(&self, error: &clap::Error) -> String {
        let of = |kind| context(error, kind);
        let (arg, value) = (of(ContextKind::InvalidArg), of(ContextKind::InvalidValue));
        match error.kind() {
            ErrorKind::ValueValidation => {
                let expected = error.source().map_or_else(|| "expected another value".to_owned(), ToString::to_string);
                format!("{}: {expected}{}", self.named(&arg, &value), ascii_hint(&value))
            }
            ErrorKind::InvalidValue if value.is_empty() => {
                format!("{}: expected a value after it, {}", name(&arg), self.example(&name(&arg)))
            }
            ErrorKind::InvalidValue => {
                format!("{}: {}", self.named(&arg, &value), one_of(error))
            }
            ErrorKind::UnknownArgument => self.unknown(&arg, &of(ContextKind::SuggestedArg)),
            ErrorKind::InvalidSubcommand => {
                unknown_command(&of(ContextKind::InvalidSubcommand), &of(ContextKind::SuggestedSubcommand))
            }
            ErrorKind::MissingRequiredArgument => {
                format!("{}: expected {} too, {}", self.name(), names(error), self.example(&names(error)))
            }
            ErrorKind::ArgumentConflict => {
                let other = name(&of(ContextKind::PriorArg));
                let this = name(&arg);
                if this == other {
                    format!("{this} is given twice: expected it once, {}", self.example(&this))
                } else {
                    format!("{this} and {other} exclude each other: expected one of them, {}", self.example(&this))
                }
            }
            _ => format!("{}: {}: expected arguments {}", self.name(), first_line(error), self.example("")),
        }
    }

    /// The command's name.
    fn name(&self) -> String {
        self.command.map_or_else(|| "nic53".to_owned(), |command| format!("nic53 {}", command.get_name()))
    }

    /// An argument with its value: `--http x`, `NIC53_HTTP=x` or `` URL `x` ``.
    fn named(&self, arg: &str, value: &str) -> String {
        let name = name(arg);
        // A URL with a user name may have a password too.
        if value.contains("://") && value.contains('@') {
            return name;
        }
        if !name.starts_with('-') {
            return format!("{name} `{value}`");
        }
        let value = if value.is_empty() { "``" } else { value };
        let is_typed = self.arguments.iter().any(|typed| *typed == name || typed.starts_with(&format!("{name}=")));
        let variable = self.command.and_then(|command| find_flag(command, &name)?.get_env());
        match variable {
            Some(variable) if !is_typed => format!("{}={value}", variable.to_string_lossy()),
            Some(_) | None => format!("{name} {value}"),
        }
    }

    /// An argument that the command does not have.
    fn unknown(&self, arg: &str, suggested: &str) -> String {
        let arg = name(arg);
        let Some(command) = self.command else { return self.misplaced(&arg) };
        let name = command.get_name();
        if !arg.starts_with('-') {
            return format!("`{arg}`: nic53 {name} takes no such argument: expected none there, {}", self.example(""));
        }
        let suggested = self::name(suggested);
        let instead = if suggested.is_empty() { "a flag".to_owned() } else { format!("{suggested}, or a flag") };
        format!("{arg}: nic53 {name} has no such flag: expected {instead} that `nic53 {name} --help` lists")
    }

    /// A flag in front of any command.
    fn misplaced(&self, flag: &str) -> String {
        let has_flag = |command: &&Command| find_flag(command, flag).is_some();
        let commands: Vec<_> =
            self.root.get_subcommands().filter(has_flag).map(|command| command.get_name().to_owned()).collect();
        match commands.first() {
            Some(first) => {
                let rest = self.arguments.get(1..).unwrap_or_default().join(" ");
                format!(
                    "{flag}: expected the command first, such as `nic53 {first} {rest}`; it is a flag of {}",
                    commands.join(", ")
                )
            }
            None => format!("{flag}: expected a command, such as `nic53 serve`; `nic53 --help` lists them"),
        }
    }

    /// An example of the command: one with this argument or else with a flag that was typed, if there is such a one.
    fn example(&self, with: &str) -> String {
        let command = self.command.unwrap_or(self.root);
        let examples = command.get_after_help().map(ToString::to_string).unwrap_or_default();
        let lines: Vec<&str> = examples.lines().skip(1).map(str::trim).collect();
        let typed = self.arguments.iter().map(|argument| name(argument)).filter(|argument| argument.starts_with("--"));
        let mut words = with.split(' ').map(str::to_owned).chain(typed).filter(|word| !word.is_empty());
        let found = words.find_map(|word| lines.iter().find(|line| line.contains(&word)));
        let other = || lines.iter().find(|line| line.split(' ').count() > 2).or_else(|| lines.first());
        match found.or_else(other) {
            Some(line) => format!("such as `{line}`"),
            None => format!("as `{} --help` lists", self.name()),
        }
    }
}

/// A command that does not exist.
fn unknown_command(typed: &str, suggested: &str) -> String {
    match suggested {
        "" => format!("`{typed}`: expected a command, such as `nic53 serve`; `nic53 --help` lists them"),
        suggested => format!("`{typed}`: expected a command, such as `nic53 {suggested}`; `nic53 --help` lists them"),
    }
}

/// The flag of a command.
fn find_flag<'a>(command: &'a Command, flag: &str) -> Option<&'a Arg> {
    let long = flag.strip_prefix("--")?;
    command.get_arguments().find(|arg| arg.get_long() == Some(long))
}

/// The values of a list that an argument takes.
fn one_of(error: &clap::Error) -> String {
    let suggested = context(error, ContextKind::SuggestedValue);
    let Some(ContextValue::Strings(values)) = error.get(ContextKind::ValidValue) else {
        return "expected another value".to_owned();
    };
    match (suggested.as_str(), values.as_slice()) {
        // A longer list has a command of its own.
        ("", values) if values.len() > 10 => {
            "expected a client that `nic53 setup` lists, such as fritzbox, or `other` for one that it does not list"
                .to_owned()
        }
        ("", values) => format!("expected one of {}", values.join(", ")),
        (suggested, values) if values.len() > 10 => {
            format!("expected a client that `nic53 setup` lists, such as {suggested}, or `other`")
        }
        (suggested, values) => format!("expected one of {}, such as {suggested}", values.join(", ")),
    }
}

/// The names of several arguments.
fn names(error: &clap::Error) -> String {
    match error.get(ContextKind::InvalidArg) {
        Some(ContextValue::Strings(all)) => all.iter().map(|arg| name(arg)).collect::<Vec<_>>().join(" and "),
        _ => name(&context(error, ContextKind::InvalidArg)),
    }
}

/// `--http` of `--http <ADDR>`, `HOST` of `[HOST]...`.
fn name(arg: &str) -> String {
    let first = arg.split([' ', '=']).next().unwrap_or_default();
    first.trim_matches(['<', '>', '[', ']', '.']).to_owned()
}

/// A word of an error.
fn context(error: &clap::Error, kind: ContextKind) -> String {
    match error.get(kind) {
        Some(ContextValue::String(text)) => text.clone(),
        Some(ContextValue::Strings(all)) => all.first().cloned().unwrap_or_default(),
        _ => String::new(),
    }
}

/// clap's own text, for an error that has no better one.
fn first_line(error: &clap::Error) -> String {
    let text = error.to_string();
    text.lines().next().unwrap_or_default().trim_start_matches("error: ").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::Cli;
    use clap::CommandFactory;

    #[test]
    fn no_terminal_is_too_narrow_for_an_example() {
        let command = keep_examples_whole(Cli::command());
        for command in command.get_subcommands().cloned() {
            let name = command.get_name().to_owned();
            let examples =
                Cli::command().find_subcommand(&name).and_then(Command::get_after_help).map(ToString::to_string);
            let help = command.clone().term_width(40).render_long_help().to_string();
            let short = command.term_width(40).render_help().to_string();
            for line in examples.unwrap_or_default().lines() {
                assert!(help.lines().any(|shown| shown == line), "{name}: {line} is not in {help}");
                assert!(short.lines().any(|shown| shown == line), "{name}: {line} is not in {short}");
            }
        }
    }
}
