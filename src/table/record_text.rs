//! A record set as text, without its type: `60 192.0.2.7 192.0.2.8`.

use crate::protocol::{address::Family, record::RecordSet};

/// The text of a record set.
pub(super) fn write(set: &RecordSet) -> String {
    format!("{} {}", set.ttl, set.values.join(" "))
}

/// The record set of a text, if writing it gives the same text again. A condition and a deletion
/// compare it to the letter.
pub(super) fn read(family: Family, text: &str) -> Option<RecordSet> {
    let (ttl, values) = text.split_once(' ')?;
    let values: Vec<String> = values.split(' ').map(str::to_owned).collect();
    let set = RecordSet { family, ttl: ttl.parse().ok()?, values };
    let is_whole = set.values.iter().all(|value| !value.is_empty());
    (is_whole && write(&set) == text).then_some(set)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_set_is_read_as_it_is_written() {
        for (family, ttl, values, text) in [
            (Family::V4, 60, &["192.0.2.7"][..], "60 192.0.2.7"),
            (Family::V4, 0, &["192.0.2.8", "192.0.2.7"], "0 192.0.2.8 192.0.2.7"),
            (Family::V6, 2_147_483_647, &["2001:DB8:0::7"], "2147483647 2001:DB8:0::7"),
        ] {
            let set = RecordSet { family, ttl, values: values.iter().map(ToString::to_string).collect() };
            assert_eq!(write(&set), text);
            assert_eq!(read(family, text), Some(set), "{text}");
        }
    }

    #[test]
    fn a_text_that_would_not_be_written_is_none() {
        for text in ["", "60", "60 ", " 192.0.2.7", "060 192.0.2.7", "+60 192.0.2.7", "60  192.0.2.7", "60 192.0.2.7 "]
        {
            assert_eq!(read(Family::V4, text), None, "`{text}`");
        }
    }
}
