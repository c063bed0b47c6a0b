//! A table as `DynamoDB` keeps it: what it holds, what it refuses, and its index. Plain values without
//! I/O; the fake's HTTP API is in `fake_dynamodb.rs`.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use serde_json::{Map, Value, json};

use super::expression::{Attributes, Changes, Condition, Reader, order, type_of};

/// The most keys of a `BatchGetItem`, and the most items of a transaction.
const MOST: usize = 100;

/// Partition key and sort key.
type Key = (String, String);

/// A table with the keys `z` and `n` and the index `pending` of `z` and `d`.
#[derive(Clone, Debug, Default)]
pub(crate) struct Items {
    /// The items.
    by_key: BTreeMap<Key, Attributes>,
    /// The index: by zone, those that have `d`, in its order.
    due: BTreeMap<String, BTreeSet<(i128, String)>>,
    /// How often an item was changed or removed.
    pub(super) changes: u64,
    /// Transactions that were made, by their tokens.
    tokens: HashMap<String, Value>,
    /// The most items of a page of a query.
    pub(super) page: Option<usize>,
}

/// Why the service refuses a call.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Refusal {
    /// The exception, such as `ValidationException`.
    pub(crate) code: &'static str,
    /// For people.
    pub(crate) message: String,
    /// More of the answer.
    pub(crate) more: Map<String, Value>,
}

/// A refusal of a call that makes no sense.
fn invalid(message: impl Into<String>) -> Refusal {
    Refusal { code: "ValidationException", message: message.into(), more: Map::new() }
}

/// An update that was read and may be made.
struct Ready {
    /// Of which item.
    key: Key,
    /// What it does.
    changes: Changes,
    /// Whether its condition holds.
    holds: bool,
}

impl Items {
    /// An item.
    pub(super) fn item(&self, key: &Key) -> Option<&Attributes> {
        self.by_key.get(key)
    }

    /// The items of a zone, in their order.
    pub(super) fn zone<'a>(&'a self, zone: &'a str) -> impl Iterator<Item = (&'a Key, &'a Attributes)> + 'a {
        self.by_key.range((zone.to_owned(), String::new())..).take_while(move |((of, _), _)| of == zone)
    }

    /// Whether an item of a zone is in the index.
    pub(super) fn has_due(&self, zone: &str) -> bool {
        self.due.get(zone).is_some_and(|index| !index.is_empty())
    }

    /// Changes an item, which is made if it is not there.
    pub(super) fn alter(&mut self, key: Key, change: impl FnOnce(&mut Attributes)) {
        self.changes += 1;
        let new = || Map::from_iter([("z".to_owned(), json!({ "S": key.0 })), ("n".to_owned(), json!({ "S": key.1 }))]);
        let item = self.by_key.entry(key.clone()).or_insert_with(new);
        let due = |item: &Attributes| item.get("d").map(|due| (order(due).0, key.1.clone()));
        let before = due(item);
        change(item);
        let after = due(item);
        if before != after {
            let index = self.due.entry(key.0).or_default();
            if let Some(before) = before {
                index.remove(&before);
            }
            index.extend(after);
        }
    }

    /// Removes an item.
    pub(super) fn remove(&mut self, key: &Key) {
        self.changes += 1;
        if let (Some(item), Some(index)) = (self.by_key.remove(key), self.due.get_mut(&key.0))
            && let Some(due) = item.get("d")
        {
            index.remove(&(order(due).0, key.1.clone()));
        }
    }

    /// `BatchGetItem` of this table: the items, and the keys from the `unprocessed`th on, which are left.
    ///
    /// # Errors
    ///
    /// Why it is refused.
    pub(crate) fn get(&self, table: &str, asked: &Value, unprocessed: Option<usize>) -> Result<Value, Refusal> {
        let wanted = &asked["RequestItems"][table];
        let keys = wanted["Keys"].as_array().ok_or_else(|| invalid("no keys of the table"))?;
        if keys.is_empty() || keys.len() > MOST {
            return Err(invalid("Too many items requested for the BatchGetItem call"));
        }
        if wanted["ConsistentRead"] != json!(true) {
            return Err(invalid("(of the fake) nic53 reads consistently"));
        }
        let read = keys.iter().map(key).collect::<Result<Vec<_>, _>>()?;
        if read.iter().collect::<HashSet<_>>().len() < read.len() {
            return Err(invalid("Provided list of item keys contains duplicates"));
        }
        let taken = unprocessed.unwrap_or(keys.len()).min(keys.len());
        let found: Vec<_> = read[..taken].iter().filter_map(|key| self.by_key.get(key)).collect();
        let left = if taken < keys.len() {
            json!({ table: { "Keys": keys[taken..], "ConsistentRead": true } })
        } else {
            json!({})
        };
        Ok(json!({ "Responses": { table: found }, "UnprocessedKeys": left }))
    }

    /// `UpdateItem`.
    ///
    /// # Errors
    ///
    /// Why it is refused.
    pub(crate) fn update(&mut self, asked: &Value) -> Result<Value, Refusal> {
        let ready = self.ready(asked)?;
        if ready.holds {
            let key = ready.key.clone();
            self.make(ready);
            let all_new = asked["ReturnValues"] == "ALL_NEW";
            return Ok(if all_new { json!({ "Attributes": self.by_key[&key] }) } else { json!({}) });
        }
        let mut more = Map::new();
        if asked["ReturnValuesOnConditionCheckFailure"] == "ALL_OLD" {
            more.extend(self.by_key.get(&ready.key).map(|item| ("Item".to_owned(), json!(item))));
        }
        let message = "The conditional request failed".to_owned();
        Err(Refusal { code: "ConditionalCheckFailedException", message, more })
    }

    /// `TransactWriteItems`, of updates alone.
    ///
    /// # Errors
    ///
    /// Why it is refused.
    pub(crate) fn transact(&mut self, asked: &Value) -> Result<Value, Refusal> {
        let parts = asked["TransactItems"].as_array().ok_or_else(|| invalid("no items"))?;
        if parts.is_empty() || parts.len() > MOST {
            return Err(invalid("Member must have length less than or equal to 100"));
        }
        let token = asked["ClientRequestToken"].as_str().map(str::to_owned);
        if let Some(made) = token.as_ref().and_then(|token| self.tokens.get(token)) {
            let message = "The token was used with other parameters".to_owned();
            let mismatch = Refusal { code: "IdempotentParameterMismatchException", message, more: Map::new() };
            return if *made == asked["TransactItems"] { Ok(json!({})) } else { Err(mismatch) };
        }
        let ready = parts.iter().map(|part| self.ready(&part["Update"])).collect::<Result<Vec<_>, _>>()?;
        if ready.iter().map(|ready| &ready.key).collect::<HashSet<_>>().len() < ready.len() {
            return Err(invalid("Transaction request cannot include multiple operations on one item"));
        }
        if ready.iter().all(|ready| ready.holds) {
            for ready in ready {
                self.make(ready);
            }
            self.tokens.extend(token.map(|token| (token, asked["TransactItems"].clone())));
            return Ok(json!({}));
        }
        let codes: Vec<_> =
            ready.iter().map(|ready| if ready.holds { "None" } else { "ConditionalCheckFailed" }).collect();
        Err(canceled(&codes))
    }

    /// `Query` of the table or of its index.
    ///
    /// # Errors
    ///
    /// Why it is refused.
    pub(crate) fn query(&self, asked: &Value) -> Result<Value, Refusal> {
        let values = asked["ExpressionAttributeValues"].as_object().cloned().unwrap_or_default();
        let mut reader = Reader::new(&values);
        let text = asked["KeyConditionExpression"].as_str().ok_or_else(|| invalid("no key condition"))?;
        let conditions =
            reader.conditions(text).map_err(|problem| invalid(format!("Invalid KeyConditionExpression: {problem}")))?;
        reader.finish().map_err(invalid)?;
        let sort = match asked["IndexName"].as_str() {
            None => "n",
            Some("pending") => "d",
            Some(other) => return Err(invalid(format!("The table does not have the specified index: {other}"))),
        };
        let names: Vec<_> = conditions.iter().map(named).collect();
        if !matches!(names.as_slice(), ["z"]) && names != ["z", sort] || !matches!(conditions[0], Condition::Equal(..))
        {
            return Err(invalid(format!("Query condition missed key schema element: {names:?}")));
        }
        if asked["ConsistentRead"] != json!(true) {
            return Err(invalid("(of the fake) nic53 reads consistently"));
        }
        let Condition::Equal(_, zone) = &conditions[0] else { unreachable!("it was looked at") };
        let zone = zone["S"].as_str().unwrap_or_default();
        let place = |item: &Attributes| (order(&item[sort]), order(&item["n"]));
        let after = asked["ExclusiveStartKey"].as_object().map(place);
        let holds = |item: &&Attributes| {
            conditions.iter().all(|condition| condition.holds(Some(item)))
                && after.as_ref().is_none_or(|after| place(item) > *after)
        };
        let limit = asked["Limit"].as_u64().map_or(usize::MAX, |limit| usize::try_from(limit).expect("a limit"));
        let limit = limit.min(self.page.unwrap_or(usize::MAX));
        let projected = |item: &&Attributes| match sort {
            "n" => json!(item),
            _ => json!({ "z": item["z"], "n": item["n"], "d": item["d"] }),
        };
        let page: Vec<_> = if sort == "n" {
            let from = after.as_ref().map(|(_, (_, name))| name.clone()).unwrap_or_default();
            let items = self.by_key.range((zone.to_owned(), from)..).take_while(|((of, _), _)| of == zone);
            items.map(|(_, item)| item).filter(holds).take(limit).map(|item| projected(&item)).collect()
        } else {
            let index = self.due.get(zone).into_iter().flatten();
            let items = index.map(|(_, name)| &self.by_key[&(zone.to_owned(), name.clone())]);
            items.filter(holds).take(limit).map(|item| projected(&item)).collect()
        };
        let mut answer = json!({ "Items": page, "Count": page.len(), "ScannedCount": page.len() });
        // The real one says so too when nothing is left.
        if page.len() == limit {
            let last = page.last().expect("a limit above zero");
            let mut key = json!({ "z": last["z"], "n": last["n"] });
            if sort == "d" {
                key["d"] = last["d"].clone();
            }
            answer["LastEvaluatedKey"] = key;
        }
        Ok(answer)
    }

    /// Reads an update and its condition.
    fn ready(&self, asked: &Value) -> Result<Ready, Refusal> {
        let key = key(&asked["Key"])?;
        let item = self.by_key.get(&key);
        let values = asked["ExpressionAttributeValues"].as_object().cloned().unwrap_or_default();
        if asked["ExpressionAttributeValues"].is_object() && values.is_empty() {
            return Err(invalid("ExpressionAttributeValues must not be empty"));
        }
        let mut reader = Reader::new(&values);
        let text = asked["UpdateExpression"].as_str().unwrap_or_default();
        let changes =
            reader.update(text, item).map_err(|problem| invalid(format!("Invalid UpdateExpression: {problem}")))?;
        let conditions = match asked["ConditionExpression"].as_str() {
            None => Vec::new(),
            Some(text) => {
                reader.conditions(text).map_err(|problem| invalid(format!("Invalid ConditionExpression: {problem}")))?
            }
        };
        reader.finish().map_err(invalid)?;
        if changes.contains_key("z") || changes.contains_key("n") {
            return Err(invalid("One or more parameter values were invalid: Cannot update attribute: part of the key"));
        }
        if changes.get("d").and_then(Option::as_ref).is_some_and(|due| type_of(due) != "N") {
            return Err(invalid("One or more parameter values were invalid: Type mismatch for Index Key d"));
        }
        let holds = conditions.iter().all(|condition| condition.holds(item));
        Ok(Ready { key, changes, holds })
    }

    /// Makes an update.
    fn make(&mut self, ready: Ready) {
        self.alter(ready.key, |item| {
            for (name, value) in ready.changes {
                match value {
                    Some(value) => item.insert(name, value),
                    None => item.remove(&name),
                };
            }
        });
    }

    /// Removes what has expired, as `DynamoDB` does some time later.
    pub(crate) fn expire(&mut self, now_seconds: u64) {
        let expires = |item: &Attributes| item.get("x")?["N"].as_str()?.parse::<u64>().ok();
        let is_over = |item: &Attributes| expires(item).is_some_and(|second| second < now_seconds);
        let over: Vec<Key> = self.by_key.iter().filter(|(_, item)| is_over(item)).map(|(key, _)| key.clone()).collect();
        for key in over {
            self.remove(&key);
        }
    }
}

/// The refusal of a transaction, with a reason for each of its items.
pub(crate) fn canceled(codes: &[&str]) -> Refusal {
    let reason = |code: &&str| match *code {
        "None" => json!({ "Code": code }),
        _ => json!({ "Code": code, "Message": "The conditional request failed" }),
    };
    let reasons: Vec<_> = codes.iter().map(reason).collect();
    let message =
        format!("Transaction cancelled, please refer cancellation reasons for specific reasons [{}]", codes.join(", "));
    let more = Map::from_iter([("CancellationReasons".to_owned(), json!(reasons))]);
    Refusal { code: "TransactionCanceledException", message, more }
}

/// The name that a condition is about.
fn named(condition: &Condition) -> &str {
    match condition {
        Condition::Exists(name)
        | Condition::NotExists(name)
        | Condition::Equal(name, _)
        | Condition::Less(name, _)
        | Condition::AtLeast(name, _) => name,
    }
}

/// Reads a key: `z` and `n`, both text that is not empty, and nothing else.
fn key(asked: &Value) -> Result<Key, Refusal> {
    let part = |name: &str| asked[name]["S"].as_str().filter(|text| !text.is_empty()).map(str::to_owned);
    let is_key = asked.as_object().is_some_and(|key| key.len() == 2);
    match (part("z"), part("n")) {
        (Some(zone), Some(name)) if is_key => Ok((zone, name)),
        _ => Err(invalid("The provided key element does not match the schema")),
    }
}
