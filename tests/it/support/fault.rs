//! The ways in which a fake of AWS is ordered to fail.

use std::str::FromStr;

/// A way to fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Fault<K> {
    /// What the caller sees.
    pub(crate) kind: K,
    /// Whether the call is carried out before it fails, so that its effect is there all the same.
    pub(crate) late: bool,
}

/// What the caller of a failing call may see.
pub(crate) trait Kinds: Copy + 'static {
    /// All kinds and the words for them.
    const WORDS: &'static [(Self, &'static str)];
}

impl<K: Kinds> FromStr for Fault<K> {
    type Err = String;

    /// Reads a kind such as `throttle`, or `late-` and a kind.
    fn from_str(text: &str) -> Result<Self, String> {
        let (late, word) = text.strip_prefix("late-").map_or((false, text), |word| (true, word));
        let kind = K::WORDS.iter().find(|(_, other)| *other == word).map(|(kind, _)| *kind);
        let words = || K::WORDS.iter().map(|(_, word)| *word).collect::<Vec<_>>();
        kind.map(|kind| Self { kind, late }).ok_or_else(|| format!("`{text}`: expected one of {:?}", words()))
    }
}

/// Faults of operations `O` that were ordered, and for how many calls more; `None` for all.
pub(crate) struct Faults<O, K>(Vec<(Vec<O>, Fault<K>, Option<u32>)>);

impl<O: Copy + PartialEq, K: Copy> Faults<O, K> {
    /// None.
    pub(crate) fn new() -> Self {
        Self(Vec::new())
    }

    /// Lets the next calls of these operations fail: this many, or all. Faults take their turns in the
    /// order given.
    pub(crate) fn order(&mut self, operations: &[O], fault: Fault<K>, times: Option<u32>) {
        self.0.push((operations.to_vec(), fault, times));
    }

    /// From now on nothing fails that was ordered before.
    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }

    /// The fault of the next call of an operation, which is then used up.
    pub(crate) fn next(&mut self, operation: O) -> Option<Fault<K>> {
        let ordered = self.0.iter_mut().find(|(of, _, times)| of.contains(&operation) && *times != Some(0));
        let (_, fault, times) = ordered?;
        *times = times.map(|times| times - 1);
        Some(*fault)
    }
}
