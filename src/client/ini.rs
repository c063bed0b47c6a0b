//! The configuration file's format: INI, in the dialect of Python's `configparser`.
//!
//! A section is a name in brackets. After it comes `name = value` or `name: value`, one a line. A line
//! that is indented further than that continues the value. A line that starts with `#` or `;` is a
//! comment, and so is the rest of a line after white space and one of the two. Nothing is substituted,
//! and quotes are part of a value.

use std::fmt;

use zeroize::Zeroizing;

/// A section of a file.
pub struct IniSection {
    /// The name in the brackets.
    pub name: String,
    /// The line of the brackets, counted from 1.
    pub line: usize,
    /// Its entries, in order.
    pub entries: Vec<IniEntry>,
}

/// One `name = value`.
pub struct IniEntry {
    /// In lower case.
    pub name: String,
    /// Without white space around it and without a comment; the lines that continue it follow after a
    /// line break. It may be empty, and it may be a token.
    pub value: Zeroizing<String>,
    /// Its line, counted from 1.
    pub line: usize,
}

/// A line that makes no sense. It is not repeated: it may be a token.
#[derive(Debug, PartialEq, Eq)]
pub struct IniError {
    /// The line, counted from 1.
    pub line: usize,
    /// What was expected there.
    pub problem: &'static str,
}

impl fmt::Display for IniError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.problem)
    }
}

/// Reads a file's sections in order, those of one name included.
///
/// # Errors
///
/// If a line makes no sense: the first such line.
pub fn parse(text: &str) -> Result<Vec<IniSection>, IniError> {
    let mut sections: Vec<IniSection> = Vec::new();
    // The indent of the entry that a line with a larger indent continues.
    let mut entry_indent: Option<usize> = None;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    for (index, line) in text.lines().enumerate() {
        let error = |problem| IniError { line: index + 1, problem };
        let content = line.trim();
        if content.is_empty() || content.starts_with(['#', ';']) {
            continue;
        }
        let indent = line.chars().take_while(|character| character.is_whitespace()).count();
        let last = sections.last_mut().and_then(|section| section.entries.last_mut());
        if let Some(entry) = last.filter(|_| entry_indent.is_some_and(|entry_indent| indent > entry_indent)) {
            entry.continue_with(content);
            continue;
        }
        if content.starts_with('[') {
            let name = section_name(content).ok_or(error("expected `[` a host name `]`"))?;
            sections.push(IniSection { name: name.to_owned(), line: index + 1, entries: Vec::new() });
            entry_indent = None;
            continue;
        }
        let (name, value) = setting(content).ok_or(error("expected NAME = VALUE"))?;
        let section = sections.last_mut().ok_or(error("expected a section such as [home.example.org] before it"))?;
        section.entries.push(IniEntry { name, value: Zeroizing::new(value.to_owned()), line: index + 1 });
        entry_indent = Some(indent);
    }
    Ok(sections)
}

impl IniEntry {
    /// Adds a line that continues the value.
    fn continue_with(&mut self, content: &str) {
        if !self.value.is_empty() {
            self.value.push('\n');
        }
        self.value.push_str(uncommented(&self.name, content));
    }
}

/// The name in the brackets.
fn section_name(content: &str) -> Option<&str> {
    let (name, rest) = content.strip_prefix('[')?.split_once(']')?;
    let (name, rest) = (name.trim(), rest.trim_start());
    (!name.is_empty() && (rest.is_empty() || rest.starts_with(['#', ';']))).then_some(name)
}

/// A setting's name and value.
fn setting(content: &str) -> Option<(String, &str)> {
    let (name, value) = content.split_once(['=', ':'])?;
    let name = name.trim_end().to_ascii_lowercase();
    let named = name.starts_with(|first: char| first.is_ascii_lowercase())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'));
    named.then(|| {
        let value = uncommented(&name, value);
        (name, value)
    })
}

/// A line of a setting's value, without its comment and the white space around it.
fn uncommented<'a>(name: &str, value: &'a str) -> &'a str {
    // Both marks of a comment mean something to a shell.
    let value = if name == "command" { value } else { without_comment(value) };
    value.trim()
}

/// The line up to a `#` or `;` after white space.
fn without_comment(value: &str) -> &str {
    let starts = |(at, mark): &(usize, char)| {
        matches!(mark, '#' | ';') && value[..*at].chars().next_back().is_none_or(char::is_whitespace)
    };
    value.char_indices().find(starts).map_or(value, |(at, _)| &value[..at])
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Sections and settings with their lines, as one text.
    fn shown(text: &str) -> String {
        let sections = parse(text).unwrap_or_else(|error| panic!("{error}"));
        let section = |section: &IniSection| {
            let settings = section.entries.iter().map(|s| format!(" {}:{}={}", s.line, s.name, *s.value));
            format!("{}:[{}]{}", section.line, section.name, settings.collect::<String>())
        };
        sections.iter().map(section).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn sections_and_settings_have_their_lines() {
        for (text, expected) in [
            ("", ""),
            ("# nothing\n\n  ; here", ""),
            ("[a.b]\nurl = https://x/\ntoken: t", "1:[a.b] 2:url=https://x/ 3:token=t"),
            ("\u{feff}[a.b]\r\n\tURL\t=\thttps://x/ \r\n", "1:[a.b] 2:url=https://x/"),
            ("[a.b] # mine\nurl: https://x/?a=b", "1:[a.b] 2:url=https://x/?a=b"),
            ("[ a.b ]\nttl=\n[c.d];x\n\n[a.b]", "1:[a.b] 2:ttl= 3:[c.d] 5:[a.b]"),
            ("[a.b]\nipv6 = 2001:db8::7, 2001:db8::8 ; both", "1:[a.b] 2:ipv6=2001:db8::7, 2001:db8::8"),
            ("[a.b]\ntoken = a#b;c #d", "1:[a.b] 2:token=a#b;c"),
            ("[a.b]\nttl = # default", "1:[a.b] 2:ttl="),
            ("[a.b]\ncommand = one ; two # three", "1:[a.b] 2:command=one ; two # three"),
            // As `configparser` reads them: what is indented further continues the value.
            ("[a.b]\nipv4 = 192.0.2.1,\n  192.0.2.2 ; both\nttl = 60", "1:[a.b] 2:ipv4=192.0.2.1,\n192.0.2.2 4:ttl=60"),
            ("[a.b]\ncommand =\n\tone |\n\n# a comment\n\t\ttwo # three", "1:[a.b] 2:command=one |\ntwo # three"),
            (
                "[a.b]\n  url = x\n  ttl = 1\n    [c.d]\n[e.f]\n ttl = 2",
                "1:[a.b] 2:url=x 3:ttl=1\n[c.d] 5:[e.f] 6:ttl=2",
            ),
            ("[a.b]\nurl = x\n token = t", "1:[a.b] 2:url=x\ntoken = t"),
        ] {
            assert_eq!(shown(text), expected, "{text}");
        }
    }

    #[test]
    fn a_line_that_makes_no_sense_is_reported_by_its_number_and_not_repeated() {
        for (text, line) in [
            ("url = https://x/", 1),
            ("[a.b]\n\nsecret", 3),
            ("[a.b]\n= secret", 2),
            ("[a.b]\n2001:db8::secret", 2),
            ("[a.b]\nto ken = secret", 2),
            ("[a.b", 1),
            ("[]", 1),
            ("[a.b] secret", 1),
        ] {
            let error = parse(text).err().unwrap_or_else(|| panic!("accepted: {text}"));
            assert_eq!(error.line, line, "{text}");
            assert!(!error.to_string().contains("secret"), "{error}");
        }
    }
}
