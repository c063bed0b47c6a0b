//! One conditional change of one item, as DynamoDB's expressions.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;

use super::{
    attribute::{Attribute, Value},
    clock::Millis,
    item::Sets,
    key::Key,
};
use crate::protocol::address::Family;

/// One change of one item, under conditions. None of our attributes' names is a reserved word.
#[derive(Clone, Debug, PartialEq)]
pub struct Update {
    /// The item.
    key: Key,
    /// What is set: `v = :v`, `d = if_not_exists(d, :d)`.
    set: Vec<String>,
    /// What is removed.
    removed: Vec<&'static str>,
    /// All of them must hold.
    conditions: Vec<String>,
    /// The values of the placeholders.
    values: HashMap<String, AttributeValue>,
}

impl Update {
    /// A change of that item that does nothing yet.
    pub fn new(key: Key) -> Self {
        Self { key, set: Vec::new(), removed: Vec::new(), conditions: Vec::new(), values: HashMap::new() }
    }

    /// Sets an attribute, or removes it if the value is absent.
    pub fn set(mut self, attribute: Attribute, value: impl Into<Value>) -> Self {
        let name = attribute.name();
        match value.into() {
            Value(Some(value)) => {
                let placeholder = self.bind(format!(":{name}"), value);
                self.set.push(format!("{name} = {placeholder}"));
            }
            Value(None) => self.removed.push(name),
        }
        self
    }

    /// Sets an attribute that is not there. One that is there stays.
    pub fn set_if_absent(mut self, attribute: Attribute, number: u64) -> Self {
        let name = attribute.name();
        if let Value(Some(value)) = number.into() {
            let placeholder = self.bind(format!(":{name}"), value);
            self.set.push(format!("{name} = if_not_exists({name}, {placeholder})"));
        }
        self
    }

    /// Removes an attribute.
    pub fn remove(self, attribute: Attribute) -> Self {
        self.set(attribute, Value::ABSENT)
    }

    /// Sets the record sets of both families: `Attribute::Wanted` or `Attribute::Published`.
    pub fn set_both(self, of: fn(Family) -> Attribute, sets: &Sets) -> Self {
        Family::BOTH.iter().fold(self, |update, family| update.set(of(*family), sets[*family].as_ref()))
    }

    /// The host is left alone for that reason.
    pub fn leave_alone(self, reason: &str, now: Millis) -> Self {
        self.set(Attribute::LeftAlone, reason).set(Attribute::LeftAloneSeen, now)
    }

    /// The host is not left alone any more.
    pub fn not_left_alone(self) -> Self {
        self.remove(Attribute::LeftAlone).remove(Attribute::LeftAloneSeen)
    }

    /// The host is not pending any more.
    pub fn not_pending(self) -> Self {
        self.remove(Attribute::Due).remove(Attribute::PendingSince)
    }

    /// Only if the attribute has that value, or is not there if the value is absent.
    pub fn if_equal(mut self, attribute: Attribute, value: impl Into<Value>) -> Self {
        let Value(Some(value)) = value.into() else { return self.if_absent(attribute) };
        let name = attribute.name();
        let placeholder = self.bind(format!(":if_{name}"), value);
        self.conditions.push(format!("{name} = {placeholder}"));
        self
    }

    /// Only if the record sets of both families are these, to the letter.
    pub fn if_both(self, of: fn(Family) -> Attribute, sets: &Sets) -> Self {
        Family::BOTH.iter().fold(self, |update, family| update.if_equal(of(*family), sets[*family].as_ref()))
    }

    /// Only if the attribute is a smaller number.
    pub fn if_less(mut self, attribute: Attribute, number: u64) -> Self {
        let name = attribute.name();
        if let Value(Some(value)) = number.into() {
            let placeholder = self.bind(format!(":if_{name}"), value);
            self.conditions.push(format!("{name} < {placeholder}"));
        }
        self
    }

    /// Only if the attribute is there.
    pub fn if_present(mut self, attribute: Attribute) -> Self {
        self.conditions.push(format!("attribute_exists({})", attribute.name()));
        self
    }

    /// Only if the attribute is not there.
    pub fn if_absent(mut self, attribute: Attribute) -> Self {
        self.conditions.push(format!("attribute_not_exists({})", attribute.name()));
        self
    }

    /// The item.
    pub fn key(&self) -> &Key {
        &self.key
    }

    /// Its expression and its condition.
    #[cfg(test)]
    pub(crate) fn shown(&self) -> (String, Option<String>) {
        (self.expression(), self.condition())
    }

    /// `SET … REMOVE …`.
    pub(super) fn expression(&self) -> String {
        let clause = |word: &str, parts: String| if parts.is_empty() { parts } else { format!("{word} {parts}") };
        let clauses = [clause("SET", self.set.join(", ")), clause("REMOVE", self.removed.join(", "))];
        clauses.into_iter().filter(|clause| !clause.is_empty()).collect::<Vec<_>>().join(" ")
    }

    /// `… AND …`; `None` if nothing must hold.
    pub(super) fn condition(&self) -> Option<String> {
        (!self.conditions.is_empty()).then(|| self.conditions.join(" AND "))
    }

    /// The values of the placeholders; `None` if there are none, since DynamoDB refuses an empty map.
    pub(super) fn values(&self) -> Option<HashMap<String, AttributeValue>> {
        (!self.values.is_empty()).then(|| self.values.clone())
    }

    /// Gives a placeholder its value.
    fn bind(&mut self, placeholder: String, value: AttributeValue) -> String {
        self.values.insert(placeholder.clone(), value);
        placeholder
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_update_is_written_as_expressions() {
        let key = Key::host(&"Z1".parse().unwrap(), &"home.example.org".parse().unwrap());
        let update = Update::new(key.clone())
            .set(Attribute::Version, 2)
            .set(Attribute::Wanted(Family::V4), "60 192.0.2.7")
            .set(Attribute::Wanted(Family::V6), Value::ABSENT)
            .set_if_absent(Attribute::Due, 5)
            .remove(Attribute::Expires)
            .if_equal(Attribute::Version, 1)
            .if_equal(Attribute::Wanted(Family::V4), Value::ABSENT)
            .if_less(Attribute::PublishedVersion, 2)
            .if_present(Attribute::Imported);
        assert_eq!(update.expression(), "SET v = :v, w4 = :w4, d = if_not_exists(d, :d) REMOVE w6, x");
        let condition = "v = :if_v AND attribute_not_exists(w4) AND pv < :if_pv AND attribute_exists(i)";
        assert_eq!(update.condition().as_deref(), Some(condition));
        let mut values: Vec<_> = update.values().unwrap().into_keys().collect();
        values.sort();
        assert_eq!(values, [":d", ":if_pv", ":if_v", ":v", ":w4"]);
        let bare = Update::new(key).remove(Attribute::Due);
        assert_eq!((bare.expression().as_str(), bare.condition(), bare.values()), ("REMOVE d", None, None));
    }
}
