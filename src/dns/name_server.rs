//! The name server of the zones: its name and its addresses (`NIC53_NAME_SERVER`).
//!
//! Resolvers find a zone by the NS and address records of its parent (the delegation and its glue).
//! Then they ask the zone itself for its NS and for the addresses of that name, and believe those more
//! (RFC 2181 §5.4.1). So a name server without addresses here makes a zone unreachable.

use std::{net::IpAddr, str::FromStr};

use crate::{
    dns::soa::NS_TTL,
    problem::Problem,
    protocol::{
        address::Family,
        hostname::HostName,
        zone::{Zone, Zones},
    },
    store::embedded::{Addresses, Embedded, Key, Records, Snapshot},
};

/// The most addresses of one family: they must fit into a small answer.
const MAX_ADDRESSES: usize = 4;

/// The name server of the zones. Unless it is set, each zone has its own, `ns.ZONE`.
#[derive(Clone, Debug, Default)]
pub struct NameServer(Option<Configured>);

/// A name server that was set.
#[derive(Clone, Debug)]
struct Configured {
    /// Its name.
    name: HostName,
    /// The name as the store has it.
    key: Key,
    /// Its addresses, if the name lies in one of the zones.
    addresses: Vec<IpAddr>,
}

impl FromStr for NameServer {
    type Err = String;

    /// Reads `ns.home.example=203.0.113.5,2001:db8::5`, or a name alone.
    ///
    /// # Errors
    ///
    /// If the name is not a host name, an address is malformed, or there are too many of them.
    fn from_str(text: &str) -> Result<Self, String> {
        let expected = "expected NAME or NAME=ADDRESS,…, such as ns.home.example=203.0.113.5,2001:db8::5";
        let (name, addresses) = text.split_once('=').unwrap_or((text, ""));
        let name: Option<HostName> = name.trim().parse().ok();
        let name = name.filter(|name| !name.is_wildcard()).ok_or_else(|| expected.to_owned())?;
        let addresses = addresses.split(',').map(str::trim).filter(|address| !address.is_empty());
        let addresses: Vec<IpAddr> = addresses
            .map(|address| address.parse().map_err(|_| format!("`{address}`: {expected}")))
            .collect::<Result<_, _>>()?;
        if Family::BOTH.into_iter().any(|family| of(&addresses, family).count() > MAX_ADDRESSES) {
            return Err(format!("expected at most {MAX_ADDRESSES} addresses of each family"));
        }
        Ok(Self(Some(Configured { key: Key::from(&name), name, addresses })))
    }
}

impl NameServer {
    /// The name of a zone's name server. A zone whose name leaves no room for `ns.` is its own.
    pub fn name(&self, zone: &Zone) -> HostName {
        match &self.0 {
            Some(configured) => configured.name.clone(),
            None => format!("ns.{}", zone.name).parse().unwrap_or_else(|_| zone.name.clone()),
        }
    }

    /// The records of a name, `None` if it does not exist: those that are stored and, of the name
    /// server, those of this setting.
    ///
    /// # Errors
    ///
    /// If the store cannot be read.
    pub(super) fn answer(&self, snapshot: &Snapshot<'_>, name: &Key) -> Result<Option<Records>, Problem> {
        let configured = self.0.as_ref().filter(|configured| !configured.addresses.is_empty());
        let stored = snapshot.answer_beside(name, configured.map(|configured| &configured.key))?;
        Ok(stored.map(|stored| self.complete(name, stored)))
    }

    /// Adds the addresses of this setting to the stored records of a name, if it is the name server. A
    /// family that an update has set keeps its own: an update that was `good` is served.
    pub(super) fn complete(&self, name: &Key, mut stored: Records) -> Records {
        let Some(configured) = self.0.as_ref().filter(|configured| configured.key == *name) else { return stored };
        for family in Family::BOTH {
            let addresses: Vec<IpAddr> = of(&configured.addresses, family).collect();
            if stored.of(family).is_none() && !addresses.is_empty() {
                stored.set(family, Some(Addresses { ttl: NS_TTL, addresses }));
            }
        }
        stored
    }

    /// Checks that the name server has addresses only if it lies in one of the zones.
    ///
    /// # Errors
    ///
    /// What was expected instead.
    pub fn check(&self, zones: &Zones) -> Result<(), String> {
        match &self.0 {
            Some(Configured { name, addresses, .. }) if !addresses.is_empty() && zones.holding(name).is_none() => {
                Err(format!("{name} lies in none of the zones {zones}: expected its name alone"))
            }
            _ => Ok(()),
        }
    }

    /// A warning for each zone whose name server should have an address here and has none.
    ///
    /// # Errors
    ///
    /// If the store cannot be read.
    pub fn warnings(&self, store: &Embedded) -> Result<Vec<String>, Problem> {
        let snapshot = store.snapshot()?;
        let mut warnings = Vec::new();
        for zone in store.zones().iter() {
            let name = self.name(zone);
            let records = self.answer(&snapshot, &Key::from(&name))?;
            if store.zones().holding(&name).is_some() && records.is_none_or(|records| records.is_empty()) {
                warnings.push(format!(
                    "{name}, the name server of {}, has no address, so that no resolver finds the zone: expected NIC53_NAME_SERVER={name}=ADDRESS, with the address of this DNS server that is in the delegation",
                    zone.name
                ));
            }
        }
        Ok(warnings)
    }
}

/// The addresses of one family.
fn of(addresses: &[IpAddr], family: Family) -> impl Iterator<Item = IpAddr> {
    addresses.iter().copied().filter(move |address| Family::of(*address) == family)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::embedded::testing::{block_on, change, in_memory};

    #[test]
    fn a_name_server_is_a_name_with_or_without_addresses() {
        for text in ["ns.home.example", "NS.home.example. = 203.0.113.5, 2001:db8::5", "ns.home.example="] {
            let name_server: NameServer = text.parse().unwrap();
            assert_eq!(name_server.0.unwrap().name.as_str(), "ns.home.example", "{text}");
        }
        for text in ["", "ns", "*.home.example", "=203.0.113.5", "ns.home.example=x", "ns.home.example=203.0.113.5:53"]
        {
            assert!(text.parse::<NameServer>().unwrap_err().contains("expected NAME or NAME=ADDRESS"), "{text}");
        }
        let many = "ns.home.example=192.0.2.1,192.0.2.2,192.0.2.3,192.0.2.4,2001:db8::1";
        assert!(many.parse::<NameServer>().is_ok());
        assert!(format!("{many},192.0.2.5").parse::<NameServer>().is_err());
    }

    #[test]
    fn a_name_server_outside_of_the_zones_has_no_addresses() {
        let zones = Zones::parse("home.example=Z1").unwrap();
        for (text, is_fine) in
            [("ns.home.example=203.0.113.5", true), ("ns.example.net", true), ("ns.example.net=203.0.113.5", false)]
        {
            assert_eq!(text.parse::<NameServer>().unwrap().check(&zones).is_ok(), is_fine, "{text}");
        }
    }

    #[test]
    fn a_zone_whose_name_server_has_no_address_is_warned_of() {
        let store = in_memory("home.example=Z1,other.example=Z2");
        let warned = |name_server: &str| {
            let name_server = if name_server.is_empty() { NameServer::default() } else { name_server.parse().unwrap() };
            name_server.warnings(&store).unwrap().len()
        };
        assert_eq!(warned(""), 2);
        assert_eq!(warned("ns.home.example=203.0.113.5"), 0);
        assert_eq!(warned("ns.home.example"), 2, "both name it");
        assert_eq!(warned("ns.example.net"), 0, "its address is not ours to give");
        block_on(change(&store, &["ns.home.example 60 A 203.0.113.5"])).unwrap();
        assert_eq!((warned(""), warned("ns.home.example")), (1, 0));
    }

    #[test]
    fn a_zone_without_room_for_a_label_is_its_own_name_server() {
        let label = "x".repeat(62);
        let long = [label.as_str(); 4].join(".");
        let zone = Zone {
            name: long.parse().unwrap(),
            ..Zones::parse("home.example=Z1").unwrap().iter().next().unwrap().clone()
        };
        assert_eq!(NameServer::default().name(&zone).as_str(), long);
    }
}
