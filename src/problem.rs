//! One line on why something could not be done, for a person or the log.

use std::fmt;

/// Why something could not be done: what it is about, its value, what was expected, what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem(pub String);

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Problem {}

impl From<String> for Problem {
    fn from(text: String) -> Self {
        Self(text)
    }
}
