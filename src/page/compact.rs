//! Leaves out of a style or script what only its readers need, so that neither the page nor the program has it.

/// A constant text, compacted.
macro_rules! compacted {
    ($text:expr) => {{
        const TEXT: &str = $text;
        const LENGTH: usize = $crate::page::compact::compact(TEXT, &mut [0; TEXT.len()]);
        const OCTETS: [u8; LENGTH] = {
            let mut room = [0; TEXT.len()];
            $crate::page::compact::compact(TEXT, &mut room);
            *room.first_chunk().expect("it has been compacted before")
        };
        match std::str::from_utf8(&OCTETS) {
            Ok(text) => text,
            Err(_) => unreachable!(),
        }
    }};
}
pub(super) use compacted;

/// Copies a text without indentation, empty lines, and lines that are a comment. Returns how many octets that is.
pub(super) const fn compact(text: &str, room: &mut [u8]) -> usize {
    let text = text.as_bytes();
    let (mut from, mut to) = (0, 0);
    while from < text.len() {
        if matches!(text[from], b' ' | b'\n') {
            from += 1;
            continue;
        }
        // A comment has its line to itself, and so has all of a `/* … */`.
        let is_comment = from + 1 < text.len() && matches!([text[from], text[from + 1]], [b'/', b'/' | b'*']);
        while from < text.len() {
            if !is_comment {
                room[to] = text[from];
                to += 1;
            }
            from += 1;
            if text[from - 1] == b'\n' {
                break;
            }
        }
    }
    to
}

#[cfg(test)]
mod tests {
    #[test]
    fn what_only_readers_need_is_left_out() {
        const SCRIPT: &str = compacted!("// Adds.\nvar a = 'ä';\n\n  /* All of it. */\n  a += '// no comment';\n}");
        assert_eq!(SCRIPT, "var a = 'ä';\na += '// no comment';\n}");
        assert_eq!(compacted!(""), "");
    }
}
