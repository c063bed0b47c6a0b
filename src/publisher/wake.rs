//! What wakes the publisher: an event of the table's stream, or the rule's tick.

use std::collections::BTreeSet;

use serde_json::Value;

/// What it is woken for. An event carries no work: what is pending is in the table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wake {
    /// Something changed in the zones of these ids.
    Zones(BTreeSet<String>),
    /// A minute has passed: all zones.
    Tick,
}

impl Wake {
    /// Reads an event. Of a record of the stream only the zone is looked at; whatever makes no sense is
    /// left out.
    pub fn read(event: &Value) -> Self {
        let Some(records) = event.get("Records").and_then(Value::as_array) else { return Self::Tick };
        let zone = |record: &Value| Some(record.pointer("/dynamodb/Keys/z/S")?.as_str()?.to_owned());
        Self::Zones(records.iter().filter_map(zone).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_zones_of_a_stream_are_read() {
        let zones = |ids: &[&str]| Wake::Zones(ids.iter().map(ToString::to_string).collect());
        let key = |zone: &str| serde_json::json!({ "dynamodb": { "Keys": { "z": { "S": zone }, "n": { "S": "#" } } } });
        for (event, expected) in [
            (serde_json::json!({ "Records": [key("Z1"), key("Z2"), key("Z1")] }), zones(&["Z1", "Z2"])),
            (
                serde_json::json!({ "Records": [{}, 7, null, key("Z2"), { "dynamodb": { "Keys": [] } }] }),
                zones(&["Z2"]),
            ),
            (serde_json::json!({ "Records": [] }), zones(&[])),
            (serde_json::json!({ "source": "aws.events", "detail-type": "Scheduled Event" }), Wake::Tick),
            (serde_json::json!({ "Records": "?" }), Wake::Tick),
            (Value::Null, Wake::Tick),
        ] {
            assert_eq!(Wake::read(&event), expected, "{event}");
        }
    }
}
