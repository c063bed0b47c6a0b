//! Zones as RFC 1035 §5 writes them, for another name server or for Route 53 to load.
//!
//! A name server refuses to load a zone whose NS record names a host of that zone without an
//! address. Until `ns` has been given one, `localhost` stands in its place.

mod socket;

use std::{
    fmt::{Arguments, Display},
    io::Write,
};

pub use self::socket::{Listener, export, listen, serve};
use crate::{
    apex::{self, EXPIRE, NS_TTL, REFRESH, RETRY, SOA_TTL},
    hostname::HostName,
    record::Family,
    store::{
        Error,
        embedded::{Embedded, Key, Records, Snapshot},
    },
    zone::Zone,
};

/// What the first line begins with.
const BEGIN: &str = "; zone ";
/// What the last line begins with: what ends otherwise was cut off.
const END: &str = "; end of zone ";

/// Writes the file of one zone, or one after the other those of all.
///
/// # Errors
///
/// Where there is no such zone, where the store could not be read or the text not be written.
fn write_zones(store: &Embedded, zone: Option<&HostName>, out: &mut impl Write) -> Result<(), Error> {
    let zones: Vec<_> = store.zones().iter().filter(|known| zone.is_none_or(|zone| *zone == known.name)).collect();
    if let (Some(zone), []) = (zone, &*zones) {
        return Err(Error(format!("{zone}: expected one of the configured zones, {}", store.zones())));
    }
    let snapshot = store.snapshot()?;
    zones.into_iter().try_for_each(|zone| ZoneFile { zone, out: &mut *out }.write(store, &snapshot))
}

/// The file of one zone, while it is written.
struct ZoneFile<'a, W> {
    zone: &'a Zone,
    out: W,
}

impl<W: Write> ZoneFile<'_, W> {
    /// Writes all of it.
    fn write(mut self, store: &Embedded, snapshot: &Snapshot<'_>) -> Result<(), Error> {
        let zone = self.zone;
        self.head(snapshot.serial(zone)?)?;
        self.name_server("@", zone, snapshot.answer(&name_server(zone)?)?.as_ref())?;
        for child in children(store, zone) {
            let glue = snapshot.at(&name_server(child)?)?;
            self.name_server(&relative(&child.name, zone), child, glue.as_ref())?;
            if let Some(glue) = glue {
                self.addresses(&format!("ns.{}", relative(&child.name, zone)), &glue)?;
            }
        }
        for entry in snapshot.hosts(zone)? {
            let (host, records) = entry?;
            if store.zones().holding(&host) == Some(zone) {
                self.addresses(&relative(&host, zone), &records)?;
            }
        }
        self.line(format_args!("{END}{}", zone.name))
    }

    /// Writes what comes before the names: SOA and all.
    fn head(&mut self, serial: u32) -> Result<(), Error> {
        let apex = &self.zone.name;
        let (name_server, mailbox) = (apex::name_server(self.zone), apex::mailbox(self.zone));
        self.line(format_args!("{BEGIN}{apex}\n$ORIGIN {apex}.\n$TTL {SOA_TTL}"))?;
        let timers = format_args!("{REFRESH} {RETRY} {EXPIRE} {SOA_TTL}");
        self.record("@", SOA_TTL, "SOA", format_args!("{name_server}. {mailbox}. {serial} {timers}"))
    }

    /// Writes the NS of a zone, whose name server has these records.
    fn name_server(&mut self, owner: &str, zone: &Zone, found: Option<&Records>) -> Result<(), Error> {
        let name_server = apex::name_server(zone);
        if found.is_some_and(|found| !found.is_empty()) {
            self.record(owner, NS_TTL, "NS", format_args!("{name_server}."))
        } else {
            self.line(format_args!("; {name_server} has no address yet."))?;
            self.record(owner, NS_TTL, "NS", "localhost.")
        }
    }

    /// Writes the address records of a name.
    fn addresses(&mut self, owner: &str, records: &Records) -> Result<(), Error> {
        for family in Family::BOTH {
            for (ttl, address) in
                records.of(family).iter().flat_map(|set| set.addresses.iter().map(|address| (set.ttl, address)))
            {
                self.record(owner, ttl, family.record_type(), address)?;
            }
        }
        Ok(())
    }

    /// Writes one record.
    fn record(&mut self, owner: &str, ttl: u32, kind: &str, data: impl Display) -> Result<(), Error> {
        self.line(format_args!("{owner}\t{ttl}\tIN\t{kind}\t{data}"))
    }

    /// Writes one line, or several.
    fn line(&mut self, line: Arguments<'_>) -> Result<(), Error> {
        writeln!(self.out, "{line}").map_err(|error| Error(format!("{}: could not write it: {error}", self.zone.name)))
    }
}

/// The key of a zone's name server.
fn name_server(zone: &Zone) -> Result<Key, Error> {
    let name_server = apex::name_server(zone);
    let host = name_server.parse::<HostName>();
    host.map(|host| Key::from(&host)).map_err(|_| Error(format!("{name_server}: too long to be a name")))
}

/// The zones that are delegated from this one: those within it that no other comes between.
fn children<'a>(store: &'a Embedded, zone: &'a Zone) -> impl Iterator<Item = &'a Zone> {
    let zones = store.zones();
    let parent = |child: &Zone| child.name.ancestry().nth(1).and_then(|parent| zones.holding(&parent));
    zones.iter().filter(move |child| parent(child) == Some(zone))
}

/// A name of a zone as its file writes it.
fn relative(host: &HostName, zone: &Zone) -> String {
    match host.as_str().strip_suffix(zone.name.as_str()) {
        Some("") => "@".to_owned(),
        Some(below) => below.trim_end_matches('.').to_owned(),
        None => format!("{host}."),
    }
}
