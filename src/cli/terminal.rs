//! What a terminal is shown and a pipe is not.

use std::io::IsTerminal;

/// How output looks where it goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Look {
    /// Whether a person reads it as it comes.
    pub terminal: bool,
    /// Whether it may have colours.
    pub colours: bool,
}

impl Look {
    /// The look of a stream. No colours where `NO_COLOR` is set (no-color.org) or the terminal has none.
    pub(super) fn of(stream: &impl IsTerminal) -> Self {
        let terminal = stream.is_terminal();
        let refused = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        let dumb = std::env::var_os("TERM").is_some_and(|value| value == "dumb");
        Self { terminal, colours: terminal && !refused && !dumb }
    }

    /// The text in a colour, where there are colours.
    pub(super) fn paint(self, colour: Colour, text: &str) -> String {
        if self.colours { format!("\x1b[{}m{text}\x1b[0m", colour.code()) } else { text.to_owned() }
    }
}

/// A colour, by what it is for.
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
    /// What is to be typed or pasted.
    Paste,
    /// What may be passed over.
    Faint,
}

impl Colour {
    /// The code of ECMA-48's SGR.
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
    fn text_is_painted_only_where_there_are_colours() {
        let plain = Look { terminal: true, colours: false };
        assert_eq!(plain.paint(Colour::Wrong, "no"), "no");
        let coloured = Look { terminal: true, colours: true };
        assert_eq!(coloured.paint(Colour::Wrong, "no"), "\x1b[31mno\x1b[0m");
    }
}
