//! The hosted zones that this gateway writes to.

use std::{fmt, str::FromStr};

use crate::protocol::hostname::HostName;

/// The id of a hosted zone in Route 53, such as `Z0123ABC`; in the embedded store, any word.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ZoneId(String);

impl ZoneId {
    /// The id as text, without `/hostedzone/`.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The error for text that is not the id of a hosted zone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotZoneId;

impl FromStr for ZoneId {
    type Err = NotZoneId;

    /// Reads an id, with or without `/hostedzone/`. Its case counts.
    ///
    /// # Errors
    ///
    /// [`NotZoneId`] if it is not a word of 1 to 32 letters, digits, `-` and `_`.
    fn from_str(text: &str) -> Result<Self, NotZoneId> {
        let id = text.strip_prefix('/').unwrap_or(text).strip_prefix("hostedzone/").unwrap_or(text);
        let is_word = id.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'));
        if is_word && (1..=32).contains(&id.len()) { Ok(Self(id.to_owned())) } else { Err(NotZoneId) }
    }
}

impl fmt::Display for ZoneId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A hosted zone.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Zone {
    /// The apex.
    pub name: HostName,
    /// The id.
    pub id: ZoneId,
}

/// The configured zones (`NIC53_ZONES`).
#[derive(Clone, Debug)]
pub struct Zones(Vec<Zone>);

impl Zones {
    /// Reads `example.org=Z0123ABC,home.example.net=Z0456DEF`.
    ///
    /// # Errors
    ///
    /// If an element is wrong, or a zone is there twice, or there is none: the element, and what was
    /// expected.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut zones: Vec<Zone> = Vec::new();
        for element in text.split(',').map(str::trim).filter(|element| !element.is_empty()) {
            let zone = parse_zone(element)
                .ok_or_else(|| format!("`{element}`: expected NAME=ZONEID, such as example.org=Z0123ABC"))?;
            if zones.iter().any(|other| other.name == zone.name) {
                return Err(format!("`{}` is there twice: expected each zone once", zone.name));
            }
            zones.push(zone);
        }
        if zones.is_empty() {
            return Err("no zone in it: expected NAME=ZONEID, such as example.org=Z0123ABC".to_owned());
        }
        Ok(Self(zones))
    }

    /// The zone that holds a host: the one with the longest name that is the host or ends it at a dot.
    pub fn holding(&self, host: &HostName) -> Option<&Zone> {
        self.iter().filter(|zone| host.is_within(&zone.name)).max_by_key(|zone| zone.name.as_str().len())
    }

    /// The zones in the order configured.
    pub fn iter(&self) -> impl Iterator<Item = &Zone> {
        self.0.iter()
    }
}

impl fmt::Display for Zones {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let zones: Vec<_> = self.iter().map(|zone| format!("{}={}", zone.name, zone.id)).collect();
        f.write_str(&zones.join(","))
    }
}

/// Reads one `NAME=ZONEID`.
fn parse_zone(element: &str) -> Option<Zone> {
    let (name, id) = element.split_once('=')?;
    let name: HostName = name.trim().parse().ok()?;
    let id = id.trim().parse().ok()?;
    (!name.is_wildcard()).then_some(Zone { name, id })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_zone_at_a_dot_holds_the_host() {
        let zones = Zones::parse("example.org=Z1, home.example.org.=/hostedzone/Z2 ,ample.org=Z3,").unwrap();
        for (host, id) in [
            ("example.org", Some("Z1")),
            ("www.example.org", Some("Z1")),
            ("home.example.org", Some("Z2")),
            ("*.home.example.org", Some("Z2")),
            ("athome.example.org", Some("Z1")),
            ("sample.org", None),
            ("example.com", None),
        ] {
            let zone = zones.holding(&host.parse().unwrap());
            assert_eq!(zone.map(|zone| zone.id.as_str()), id, "{host}");
        }
    }

    #[test]
    fn zones_are_written_as_the_setting_has_them() {
        for (given, written) in [
            ("Example.org. = /hostedzone/Z1,,home.example.net=Z-2_x", "example.org=Z1,home.example.net=Z-2_x"),
            ("example.org=-", "example.org=-"),
        ] {
            assert_eq!(Zones::parse(given).map(|zones| zones.to_string()), Ok(written.to_owned()), "{given}");
        }
    }

    #[test]
    fn an_error_names_the_element_that_is_wrong() {
        for (given, named) in [
            ("", "no zone in it"),
            (",", "no zone in it"),
            ("example.org", "`example.org`"),
            ("example.org=", "`example.org=`"),
            ("org=Z1", "`org=Z1`"),
            ("*.example.org=Z1", "`*.example.org=Z1`"),
            ("example.org=Z 1", "`example.org=Z 1`"),
            ("example.org=Z1,Example.ORG.=Z2", "`example.org` is there twice"),
        ] {
            let error = Zones::parse(given).map(|zones| zones.to_string()).unwrap_err();
            assert!(error.contains(named), "{given}: {error}");
        }
    }

    #[test]
    fn a_zone_id_is_a_word_that_may_carry_its_path() {
        let longest = "Z".repeat(32);
        for (given, id) in [
            ("Z1", Some("Z1")),
            ("/hostedzone/Z1", Some("Z1")),
            ("hostedzone/Z-1_x", Some("Z-1_x")),
            ("z1", Some("z1")),
            (&longest, Some(longest.as_str())),
            ("/Z1", None),
            ("/hostedzone/", None),
            ("", None),
            ("Z 1", None),
            ("Zé", None),
            (&format!("{longest}Z"), None),
        ] {
            let read = given.parse::<ZoneId>();
            assert_eq!(read.as_ref().map(ZoneId::as_str).ok(), id, "{given}");
        }
    }
}
