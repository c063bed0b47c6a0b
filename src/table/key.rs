//! The key of an item: the zone, and the name as Route 53 sorts it.

use std::{collections::HashMap, fmt};

use aws_sdk_dynamodb::types::AttributeValue;

use crate::protocol::{hostname::HostName, zone::ZoneId};

/// The name of the partition key: the zone's id.
pub(super) const ZONE: &str = "z";

/// The name of the sort key: the host's name, its labels reversed.
pub(super) const NAME: &str = "n";

/// The name of a zone's own item, which no host can have.
const ZONE_ITEM: &str = "#";

/// The key of an item.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    /// The zone's id.
    zone: String,
    /// The name, such as `org.example.home.`.
    name: String,
}

impl Key {
    /// The key of a host.
    pub fn host(zone: &ZoneId, host: &HostName) -> Self {
        Self { zone: zone.as_str().to_owned(), name: reversed(host) }
    }

    /// The key of the zone's own item, which says where the pass is.
    pub fn zone(zone: &ZoneId) -> Self {
        Self { zone: zone.as_str().to_owned(), name: ZONE_ITEM.to_owned() }
    }

    /// The key as attributes.
    pub(super) fn attributes(&self) -> HashMap<String, AttributeValue> {
        HashMap::from([
            (ZONE.to_owned(), AttributeValue::S(self.zone.clone())),
            (NAME.to_owned(), AttributeValue::S(self.name.clone())),
        ])
    }

    /// The key of an item's attributes, if they have one.
    pub(super) fn of(attributes: &HashMap<String, AttributeValue>) -> Option<Self> {
        let text = |name| attributes.get(name)?.as_s().ok().cloned();
        Some(Self { zone: text(ZONE)?, name: text(NAME)? })
    }

    /// The host, if it is one's key.
    pub fn as_host(&self) -> Option<HostName> {
        straight(&self.name)
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.zone, self.name)
    }
}

/// A host's name with its labels reversed: `org.example.home.`, `*` as `\052`.
///
/// Route 53 sorts so (API reference of `ListResourceRecordSets`), so that a `Query` and a list can be
/// merged.
fn reversed(host: &HostName) -> String {
    let mut name = String::with_capacity(host.as_str().len() + 4);
    for label in host.labels().rev() {
        name.push_str(if label == "*" { "\\052" } else { label });
        name.push('.');
    }
    name
}

/// The host whose reversed name this is, if there is one.
fn straight(name: &str) -> Option<HostName> {
    let labels: Vec<_> = name.strip_suffix('.')?.rsplit('.').map(|label| label.replace("\\052", "*")).collect();
    let host: HostName = labels.join(".").parse().ok()?;
    (reversed(&host) == name).then_some(host)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_has_the_key_that_route_53_sorts_by() {
        for (host, name) in [
            ("home.example.org", "org.example.home."),
            ("example.org", "org.example."),
            ("*.home.example.org", "org.example.home.\\052."),
            ("_x.a-b.example.org", "org.example.a-b._x."),
        ] {
            let key = Key::host(&"Z1".parse().unwrap(), &host.parse().unwrap());
            assert_eq!((key.name.as_str(), key.as_host().map(|host| host.to_string())), (name, Some(host.to_owned())));
        }
    }

    #[test]
    fn what_is_no_key_of_a_host_has_none() {
        for name in ["#", "", ".", "org.", "org.example", "org.Example.", "org.*.", "org.\\052.home.", "org..a."] {
            let key = Key { zone: "Z1".to_owned(), name: name.to_owned() };
            assert_eq!(key.as_host(), None, "{name}");
        }
    }

    #[test]
    fn the_items_of_a_zone_stand_in_the_order_of_its_records() {
        let hosts = ["example.org", "a.example.org", "*.a.example.org", "b.a.example.org", "a-b.example.org"];
        let mut keys: Vec<_> = hosts.iter().map(|host| reversed(&host.parse().unwrap())).collect();
        keys.push(ZONE_ITEM.to_owned());
        keys.sort();
        let expected =
            ["#", "org.example.", "org.example.a-b.", "org.example.a.", "org.example.a.\\052.", "org.example.a.b."];
        assert_eq!(keys, expected);
    }
}
