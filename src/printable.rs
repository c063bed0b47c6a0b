//! Text that strangers send, made safe to print.
//!
//! A server's reply, the subject of a certificate or a file that somebody else wrote may hold what a
//! terminal obeys (colours, a cleared screen), a line break that forges a line of our own, or
//! characters that change what a reader sees. All of it goes through here before it is printed.

/// A text on one line, without characters that a terminal obeys or that a reader cannot see: each of
/// them is written as `\u{…}`. White space of any kind and length becomes one space.
pub fn printable(text: &str) -> String {
    let mut line = String::with_capacity(text.len());
    for word in text.split_whitespace() {
        if !line.is_empty() {
            line.push(' ');
        }
        for character in word.chars() {
            if is_deceptive(character) {
                line.extend(character.escape_unicode());
            } else {
                line.push(character);
            }
        }
    }
    line
}

/// The first characters of a text, made printable.
pub fn excerpt(text: &str, most: usize) -> String {
    printable(text).chars().take(most).collect()
}

/// Whether a terminal obeys it, or a reader does not see it: control characters, marks and overrides
/// of direction (UAX #9), characters of no width, fillers, tags and variation selectors.
fn is_deceptive(character: char) -> bool {
    character.is_control()
        || matches!(character,
            '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}'
            | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}'
            | '\u{fff0}'..='\u{fffb}' | '\u{e0000}'..='\u{e0fff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_one_line_without_what_deceives() {
        for (given, printed) in [
            ("good 192.0.2.1", "good 192.0.2.1"),
            ("<html>\r\n  <h1>Bad\u{7} gateway</h1>", r"<html> <h1>Bad\u{7} gateway</h1>"),
            ("\u{1b}[2Jok: all is well", r"\u{1b}[2Jok: all is well"),
            ("CN=a\nok    certificate", "CN=a ok certificate"),
            ("a\u{2028}b\u{85}c", "a b c"),
            ("exe\u{202e}txt\u{2066}", r"exe\u{202e}txt\u{2066}"),
            ("ex\u{200b}am\u{feff}ple", r"ex\u{200b}am\u{feff}ple"),
            ("\u{9b}31m", r"\u{9b}31m"),
            ("münchen 東京", "münchen 東京"),
            (" \t\n", ""),
        ] {
            assert_eq!(printable(given), printed, "{given:?}");
            assert_eq!(printable(printed), printed, "again");
        }
    }

    #[test]
    fn an_excerpt_is_cut_between_characters() {
        assert_eq!(excerpt("a\n\u{7}é東", 6), r"a \u{7");
        assert_eq!(excerpt("é東京", 2), "é東");
    }
}
