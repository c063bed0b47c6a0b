//! The TXT records of a name, and their form in the table.

use crate::protocol::challenge::edit::TxtSet;

/// The TXT records of one name, in the order they were written. Each is one character string of DNS.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Texts {
    /// Seconds.
    pub ttl: u32,
    /// At least one, at most 255, each of at most 255 octets.
    pub texts: Vec<String>,
}

impl Texts {
    /// As Route 53 would describe them; the text of a challenge needs no escape.
    pub(super) fn txt_set(&self) -> TxtSet {
        TxtSet { ttl: self.ttl, values: self.texts.iter().map(|text| format!("\"{text}\"")).collect() }
    }

    /// Takes what Route 53 would describe. Only challenges are written, and they fit.
    pub(super) fn of_txt_set(set: &TxtSet) -> Self {
        let text = |value: &String| {
            let text = value.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
            text.unwrap_or(value).to_owned()
        };
        Self { ttl: set.ttl, texts: set.values.iter().map(text).collect() }
    }

    /// Adds their form in the table: the TTL in four octets, the number of texts in one, and each text
    /// after its length in one.
    pub(super) fn encode(&self, bytes: &mut Vec<u8>) {
        bytes.extend(self.ttl.to_be_bytes());
        bytes.push(u8::try_from(self.texts.len()).unwrap_or(u8::MAX));
        for text in self.texts.iter().take(u8::MAX.into()) {
            let octets = text.as_bytes();
            let octets = &octets[..octets.len().min(u8::MAX.into())];
            bytes.push(u8::try_from(octets.len()).unwrap_or(u8::MAX));
            bytes.extend(octets);
        }
    }

    /// Reads `count` texts, what comes after the count in that form, and returns them with the octets
    /// behind them.
    pub(super) fn decode(ttl: u32, count: usize, mut bytes: &[u8]) -> Option<(Self, &[u8])> {
        let mut texts = Vec::new();
        for _ in 0..count {
            let (length, rest) = bytes.split_first()?;
            let (octets, rest) = rest.split_at_checked(usize::from(*length))?;
            texts.push(String::from_utf8(octets.to_vec()).ok()?);
            bytes = rest;
        }
        Some((Self { ttl, texts }, bytes))
    }
}
