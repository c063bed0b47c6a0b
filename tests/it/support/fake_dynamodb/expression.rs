//! The expressions of `DynamoDB`, as far as nic53 writes them: update, condition and key condition.

use std::{collections::BTreeMap, iter::Peekable, vec::IntoIter};

use serde_json::{Map, Value};

/// An item, or the values of placeholders: names and values as the API has them, `{"S": "text"}`.
pub(crate) type Attributes = Map<String, Value>;

/// What an update does: the new value of each attribute, `None` if it is removed.
pub(crate) type Changes = BTreeMap<String, Option<Value>>;

/// A condition of one attribute.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Condition {
    /// `attribute_exists(a)`.
    Exists(String),
    /// `attribute_not_exists(a)`.
    NotExists(String),
    /// `a = :a`.
    Equal(String, Value),
    /// `a < :a`.
    Less(String, Value),
    /// `a >= :a`.
    AtLeast(String, Value),
}

impl Condition {
    /// Whether it holds for an item; a comparison with what is not there never does.
    pub(crate) fn holds(&self, item: Option<&Attributes>) -> bool {
        let compare = |name: &str, value: &Value| {
            let found = item?.get(name)?;
            (type_of(found) == type_of(value)).then(|| order(found).cmp(&order(value)))
        };
        match self {
            Self::Exists(name) => item.is_some_and(|item| item.contains_key(name)),
            Self::NotExists(name) => !item.is_some_and(|item| item.contains_key(name)),
            Self::Equal(name, value) => compare(name, value).is_some_and(std::cmp::Ordering::is_eq),
            Self::Less(name, value) => compare(name, value).is_some_and(std::cmp::Ordering::is_lt),
            Self::AtLeast(name, value) => compare(name, value).is_some_and(std::cmp::Ordering::is_ge),
        }
    }
}

/// The type of a value: `S`, `N` and so on.
pub(crate) fn type_of(value: &Value) -> &str {
    value.as_object().and_then(|value| value.keys().next()).map_or("", String::as_str)
}

/// What values are ordered by: numbers as numbers, text by its octets.
pub(crate) fn order(value: &Value) -> (i128, String) {
    let text = value.get(type_of(value)).and_then(Value::as_str).unwrap_or_default();
    if type_of(value) == "N" { (text.parse().unwrap_or_default(), String::new()) } else { (0, text.to_owned()) }
}

/// Reads expressions, and notes which placeholders were used.
pub(crate) struct Reader<'a> {
    /// The values of the placeholders.
    values: &'a Attributes,
    /// Those that were used.
    used: Vec<String>,
}

/// The words of an expression.
type Words = Peekable<IntoIter<String>>;

impl<'a> Reader<'a> {
    /// A reader with these placeholders.
    pub(crate) fn new(values: &'a Attributes) -> Self {
        Self { values, used: Vec::new() }
    }

    /// Reads `SET a = :a, b = if_not_exists(b, :b) REMOVE c`, applied to an item.
    ///
    /// # Errors
    ///
    /// What the service would not understand.
    pub(crate) fn update(&mut self, text: &str, item: Option<&Attributes>) -> Result<Changes, String> {
        let mut words = words(text)?;
        let mut changes = Changes::new();
        let mut clauses = Vec::new();
        while let Some(clause) = words.next() {
            if clauses.contains(&clause) {
                return Err(format!("The \"{clause}\" section can only be used once in an update expression;"));
            }
            loop {
                let name = name(&mut words)?;
                let value = match clause.as_str() {
                    "SET" => Some(self.assigned(&mut words, item)?),
                    "REMOVE" => None,
                    _ => return Err(format!("Syntax error; token: \"{clause}\"")),
                };
                if changes.insert(name.clone(), value).is_some() {
                    return Err(format!("Two document paths overlap with each other; path: [{name}]"));
                }
                if words.next_if(|word| word == ",").is_none() {
                    break;
                }
            }
            clauses.push(clause);
        }
        if changes.is_empty() { Err("The expression can not be empty;".to_owned()) } else { Ok(changes) }
    }

    /// Reads `= :a` or `= if_not_exists(a, :a)`.
    fn assigned(&mut self, words: &mut Words, item: Option<&Attributes>) -> Result<Value, String> {
        expect(words, "=")?;
        if words.next_if(|word| word == "if_not_exists").is_none() {
            return self.value(words);
        }
        expect(words, "(")?;
        let name = name(words)?;
        expect(words, ",")?;
        let value = self.value(words)?;
        expect(words, ")")?;
        Ok(item.and_then(|item| item.get(&name)).cloned().unwrap_or(value))
    }

    /// Reads conditions that are joined by `AND`.
    ///
    /// # Errors
    ///
    /// What the service would not understand.
    pub(crate) fn conditions(&mut self, text: &str) -> Result<Vec<Condition>, String> {
        let mut words = words(text)?;
        let mut conditions = Vec::new();
        loop {
            conditions.push(self.condition(&mut words)?);
            match words.next() {
                None => return Ok(conditions),
                Some(word) if word == "AND" => {}
                Some(word) => return Err(format!("Syntax error; token: \"{word}\"")),
            }
        }
    }

    /// Reads one condition.
    fn condition(&mut self, words: &mut Words) -> Result<Condition, String> {
        let word = words.next().ok_or("Syntax error; token: <EOF>")?;
        if let "attribute_exists" | "attribute_not_exists" = word.as_str() {
            expect(words, "(")?;
            let name = name(words)?;
            expect(words, ")")?;
            return Ok(if word == "attribute_exists" { Condition::Exists(name) } else { Condition::NotExists(name) });
        }
        let make = match words.next().as_deref() {
            Some("=") => Condition::Equal,
            Some("<") => Condition::Less,
            Some(">=") => Condition::AtLeast,
            other => return Err(format!("Syntax error; token: {other:?}")),
        };
        Ok(make(checked_name(word)?, self.value(words)?))
    }

    /// Reads a placeholder and gives its value.
    fn value(&mut self, words: &mut Words) -> Result<Value, String> {
        let word = words.next().filter(|word| word.starts_with(':')).ok_or("Syntax error; expected a value")?;
        let missing =
            || format!("An expression attribute value used in expression is not defined; attribute value: {word}");
        let value = self.values.get(&word).cloned().ok_or_else(missing)?;
        self.used.push(word);
        Ok(value)
    }

    /// Checks that all placeholders were used.
    ///
    /// # Errors
    ///
    /// One that was not.
    pub(crate) fn finish(self) -> Result<(), String> {
        let unused = self.values.keys().find(|name| !self.used.contains(name));
        unused.map_or(Ok(()), |name| {
            Err(format!("Value provided in ExpressionAttributeValues unused in expressions: keys: {{{name}}}"))
        })
    }
}

/// The words of an expression.
fn words(text: &str) -> Result<Words, String> {
    let mut words = Vec::new();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        let is_part = |letter: char| letter.is_ascii_alphanumeric() || letter == '_' || letter == ':';
        let length = match first {
            '=' | ',' | '(' | ')' => 1,
            '<' | '>' => {
                if rest[1..].starts_with('=') {
                    2
                } else {
                    1
                }
            }
            _ if is_part(first) => rest.find(|letter| !is_part(letter)).unwrap_or(rest.len()),
            _ => return Err(format!("Syntax error; token: \"{first}\"")),
        };
        words.push(rest[..length].to_owned());
        rest = rest[length..].trim_start();
    }
    Ok(words.into_iter().peekable())
}

/// Reads the name of an attribute.
fn name(words: &mut Words) -> Result<String, String> {
    checked_name(words.next().unwrap_or_default())
}

/// A word that may stand for itself as a name. All reserved words have two letters or more, and those of
/// two are these (Developer Guide, "Reserved words").
fn checked_name(word: String) -> Result<String, String> {
    const RESERVED: [&str; 14] = ["AS", "AT", "BY", "DO", "GO", "IF", "IN", "IS", "NO", "OF", "OK", "ON", "OR", "TO"];
    let is_name = word.starts_with(|letter: char| letter.is_ascii_alphabetic());
    if RESERVED.contains(&word.to_ascii_uppercase().as_str()) || !is_name || word.len() > 2 {
        return Err(format!("Attribute name is a reserved keyword, or none that nic53 has: {word}"));
    }
    Ok(word)
}

/// Reads a word that must come.
fn expect(words: &mut Words, expected: &str) -> Result<(), String> {
    match words.next() {
        Some(word) if word == expected => Ok(()),
        other => Err(format!("Syntax error; token: {other:?}, expected {expected}")),
    }
}
