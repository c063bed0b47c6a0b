//! Packs a text so that a few lines of script can unpack it.
//!
//! The recipes repeat themselves, and a page that no front door compresses should still be small. What was
//! there before is referred to, as by LZ77 (Ziv and Lempel, 1977). A reference is a character from U+0100 to U+02FF,
//! which has the length and the upper part of the distance, and two digits of base 66, which have the lower
//! part. `«` stands for `<`, so that nothing in the text can end the element that it stands in.
//! `src/page/script/recipes.js` unpacks it.

use std::collections::HashMap;

/// The first character of a reference with the shortest length and the smallest distance.
const FIRST: u32 = 0x100;

/// The octets of a reference in UTF-8. What has as many characters is not referred to.
const REFERENCE: usize = 4;

/// How many lengths there are, from `REFERENCE + 1` on.
const LENGTHS: usize = 64;

/// The digit of 0.
const ZERO: u8 = b'=';

/// How many digits there are: `=` to `~`.
const BASE: usize = 66;

/// The smallest distance that is too large. The upper part of a distance is one of eight.
const WINDOW: usize = 8 * BASE * BASE;

/// How many earlier places are looked at for each place.
const CANDIDATES: usize = 64;

/// Packs a text that has no `«`, and no character of a reference.
pub(super) fn pack(text: &str) -> String {
    let text: Vec<char> = text.chars().collect();
    let mut places: HashMap<&[char], Vec<usize>> = HashMap::new();
    let mut packed = String::new();
    let mut at = 0;
    while at < text.len() {
        let (length, distance) = longest_before(&text, at, &places);
        let step = if length > REFERENCE {
            push_reference(&mut packed, length, distance);
            length
        } else {
            packed.push(if text[at] == '<' { '«' } else { text[at] });
            1
        };
        for place in at..at + step {
            if let Some(start) = text.get(place..=place + REFERENCE) {
                places.entry(start).or_default().push(place);
            }
        }
        at += step;
    }
    packed
}

/// The length and the distance of the longest text before this place that stands here again; 0 if there is none.
fn longest_before(text: &[char], at: usize, places: &HashMap<&[char], Vec<usize>>) -> (usize, usize) {
    let start = text.get(at..=at + REFERENCE);
    let candidates = start.and_then(|start| places.get(start)).map_or(&[][..], Vec::as_slice);
    let near = candidates.iter().rev().take(CANDIDATES).filter(|place| at - **place < WINDOW);
    let matches = near.map(|place| {
        let same =
            text[*place..at].iter().zip(&text[at..]).take(LENGTHS + REFERENCE).take_while(|(one, other)| one == other);
        (same.count(), at - place)
    });
    matches.max_by_key(|(length, distance)| (*length, usize::MAX - distance)).unwrap_or_default()
}

/// Adds a reference to what begins so many characters before.
fn push_reference(packed: &mut String, length: usize, distance: usize) {
    let (upper, lower) = (distance / (BASE * BASE), distance % (BASE * BASE));
    let first = u32::try_from(upper * LENGTHS + length - REFERENCE - 1).ok();
    packed.extend(first.and_then(|first| char::from_u32(FIRST + first)));
    for digit in [lower / BASE, lower % BASE] {
        packed.extend(u8::try_from(digit).map(|digit| char::from(ZERO + digit)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the script does.
    fn unpack(packed: &str) -> String {
        let mut text: Vec<char> = Vec::new();
        let mut rest = packed.chars();
        while let Some(letter) = rest.next() {
            let first = u32::from(letter).checked_sub(FIRST).and_then(|first| usize::try_from(first).ok());
            let Some(first) = first.filter(|first| *first < 8 * LENGTHS) else {
                text.push(if letter == '«' { '<' } else { letter });
                continue;
            };
            let mut digit = || usize::try_from(u32::from(rest.next().unwrap()) - u32::from(ZERO)).unwrap();
            let distance = first / LENGTHS * BASE * BASE + digit() * BASE + digit();
            let start = text.len() - distance;
            text.extend_from_within(start..=(start + first % LENGTHS + REFERENCE));
        }
        text.into_iter().collect()
    }

    #[test]
    fn what_is_packed_is_the_same_unpacked() {
        let digits: String = (0..9_000).flat_map(|number| [number.to_string(), ";".to_owned()]).collect();
        let long = format!("{}{digits}{}", "x".repeat(300), "x".repeat(300));
        for text in
            ["", "a", "no repeat", "</script><!--", "abcabcabcabcabcabc", "aaaaaaaaaaaa", "Type `<…>` – `<…>`", &long]
        {
            assert_eq!(unpack(&pack(text)), text);
            assert!(!pack(text).contains('<'));
        }
    }

    #[test]
    fn what_repeats_itself_is_shorter() {
        let text = "Password   {{token}}\n".repeat(100);
        assert!(pack(&text).len() < text.len() / 10);
    }
}
