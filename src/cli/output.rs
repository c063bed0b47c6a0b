//! What the commands print, and how it looks where it goes.

use std::io::{self, IsTerminal, Write as _};

/// Prints to standard output. A reader that has gone is no error.
pub(super) fn print(text: &str) {
    let mut out = io::stdout().lock();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

/// Prints a line to standard error, for the person who typed the command.
#[expect(clippy::print_stderr, reason = "standard output is for the answer of the command")]
pub(super) fn warn(line: &str) {
    eprintln!("nic53: {line}");
}

/// How output looks where it goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Style {
    /// Whether it goes to a terminal.
    pub terminal: bool,
    /// Whether it may have colours.
    pub colours: bool,
}

impl Style {
    /// The style of a stream. No colours if `NO_COLOR` is set (no-color.org) or the terminal has none.
    pub(super) fn of(stream: &impl IsTerminal) -> Self {
        let terminal = stream.is_terminal();
        let refused = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        let dumb = std::env::var_os("TERM").is_some_and(|value| value == "dumb");
        Self { terminal, colours: terminal && !refused && !dumb }
    }

    /// The text in a colour, if colours are allowed.
    pub(super) fn paint(self, colour: Colour, text: &str) -> String {
        if self.colours { format!("\x1b[{}m{text}\x1b[0m", colour.code()) } else { text.to_owned() }
    }
}

/// A colour, by its purpose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Colour {
    /// All is well.
    Fine,
    /// Worth a look.
    Warning,
    /// Something is wrong.
    Wrong,
    /// A title.
    Title,
    /// Text to type or paste.
    Paste,
    /// Text that may be skipped.
    Faint,
}

impl Colour {
    /// The parameter of ECMA-48's SGR sequence.
    fn code(self) -> &'static str {
        match self {
            Self::Fine => "32",
            Self::Warning => "33",
            Self::Wrong => "31",
            Self::Title => "1",
            Self::Paste => "36",
            Self::Faint => "2",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_painted_only_if_colours_are_allowed() {
        let plain = Style { terminal: true, colours: false };
        assert_eq!(plain.paint(Colour::Wrong, "no"), "no");
        let coloured = Style { terminal: true, colours: true };
        assert_eq!(coloured.paint(Colour::Wrong, "no"), "\x1b[31mno\x1b[0m");
    }
}
