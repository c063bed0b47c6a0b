//! The hosted zones that this gateway writes to.

use std::fmt;

use crate::protocol::hostname::HostName;

/// A hosted zone: its name and its Route 53 id, such as `Z0123ABC` (a free word in the embedded
/// store).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Zone {
    /// The apex.
    pub name: HostName,
    /// The id, without `/hostedzone/`, its case kept.
    pub id: String,
}

/// The configured zones (`NIC53_ZONES`).
#[derive(Clone, Debug)]
pub struct Zones(Vec<Zone>);

impl Zones {
    /// Reads `example.org=Z0123ABC,home.example.net=Z0456DEF`.
    ///
    /// # Errors
    ///
    /// The element that is wrong and what was expected.
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

    /// The zone that holds a host: the longest name that is the host or ends it at a dot.
    pub fn holding(&self, host: &HostName) -> Option<&Zone> {
        self.iter().filter(|zone| host.is_within(&zone.name)).max_by_key(|zone| zone.name.as_str().len())
    }

    /// All of them, as configured.
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

/// A zone id as a request or a setting writes it, without `/hostedzone/`.
pub fn bare_id(id: &str) -> &str {
    id.strip_prefix('/').unwrap_or(id).strip_prefix("hostedzone/").unwrap_or(id)
}

/// One `NAME=ZONEID`.
fn parse_zone(element: &str) -> Option<Zone> {
    let (name, id) = element.split_once('=')?;
    let name: HostName = name.trim().parse().ok()?;
    let id = bare_id(id.trim());
    let word = !id.is_empty()
        && id.len() <= 32
        && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_');
    (word && !name.is_wildcard()).then(|| Zone { name, id: id.to_owned() })
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
    fn what_makes_no_sense_is_named() {
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
    fn a_zone_id_may_carry_its_path() {
        for given in ["Z1", "/hostedzone/Z1", "hostedzone/Z1"] {
            assert_eq!(bare_id(given), "Z1", "{given}");
        }
    }
}
