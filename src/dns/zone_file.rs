//! Zones in the format of RFC 1035 §5, for another name server or for Route 53 to load.
//!
//! A name server refuses to load a zone whose NS record names a host of that zone without an
//! address. The file then names `localhost` instead, with a comment.

use std::{
    fmt::{Arguments, Display},
    io::Write,
};

use crate::{
    dns::soa::{self, EXPIRE, NS_TTL, REFRESH, RETRY, SOA_TTL},
    problem::Problem,
    protocol::{address::Family, hostname::HostName, zone::Zone},
    store::embedded::{Embedded, Key, Records, Snapshot},
};

/// The beginning of the first line.
pub(super) const BEGIN: &str = "; zone ";
/// The beginning of the last line. A file without it was cut off.
pub(super) const END: &str = "; end of zone ";

/// Writes the file of one zone, or the files of all zones one after the other.
///
/// # Errors
///
/// If there is no such zone, the store cannot be read or the text cannot be written.
pub(super) fn write_zones(store: &Embedded, zone: Option<&HostName>, out: &mut impl Write) -> Result<(), Problem> {
    let zones: Vec<_> = store.zones().iter().filter(|known| zone.is_none_or(|zone| *zone == known.name)).collect();
    if let (Some(zone), []) = (zone, &*zones) {
        return Err(Problem(format!("{zone}: expected one of the configured zones, {}", store.zones())));
    }
    let snapshot = store.snapshot()?;
    zones.into_iter().try_for_each(|zone| ZoneFile { zone, out: &mut *out }.write(store, &snapshot))
}

/// The file of one zone, while it is written.
struct ZoneFile<'a, W> {
    /// The zone.
    zone: &'a Zone,
    /// The output.
    out: W,
}

impl<W: Write> ZoneFile<'_, W> {
    /// Writes the whole file.
    fn write(mut self, store: &Embedded, snapshot: &Snapshot<'_>) -> Result<(), Problem> {
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
                if host.as_str().contains('_') {
                    self.line(format_args!("; BIND refuses this name without `check-names primary ignore;`."))?;
                }
                self.addresses(&relative(&host, zone), &records)?;
            }
        }
        self.line(format_args!("{END}{}", zone.name))
    }

    /// Writes the first lines, up to the SOA.
    fn head(&mut self, serial: u32) -> Result<(), Problem> {
        let apex = &self.zone.name;
        let (name_server, mailbox) = (soa::name_server(self.zone), soa::mailbox(self.zone));
        self.line(format_args!("{BEGIN}{apex}\n$ORIGIN {apex}.\n$TTL {SOA_TTL}"))?;
        let timers = format_args!("{REFRESH} {RETRY} {EXPIRE} {SOA_TTL}");
        self.record("@", SOA_TTL, "SOA", format_args!("{name_server}. {mailbox}. {serial} {timers}"))
    }

    /// Writes the NS of a zone. `found` are the records of its name server.
    fn name_server(&mut self, owner: &str, zone: &Zone, found: Option<&Records>) -> Result<(), Problem> {
        let name_server = soa::name_server(zone);
        if found.is_some_and(|found| !found.is_empty()) {
            self.record(owner, NS_TTL, "NS", format_args!("{name_server}."))
        } else {
            self.line(format_args!("; {name_server} has no address yet."))?;
            self.record(owner, NS_TTL, "NS", "localhost.")
        }
    }

    /// Writes the address records of a name.
    fn addresses(&mut self, owner: &str, records: &Records) -> Result<(), Problem> {
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
    fn record(&mut self, owner: &str, ttl: u32, kind: &str, data: impl Display) -> Result<(), Problem> {
        self.line(format_args!("{owner}\t{ttl}\tIN\t{kind}\t{data}"))
    }

    /// Writes one line, or several.
    fn line(&mut self, line: Arguments<'_>) -> Result<(), Problem> {
        writeln!(self.out, "{line}")
            .map_err(|error| Problem(format!("{}: could not write it: {error}", self.zone.name)))
    }
}

/// The key of a zone's name server.
fn name_server(zone: &Zone) -> Result<Key, Problem> {
    let name_server = soa::name_server(zone);
    let host = name_server.parse::<HostName>();
    host.map(|host| Key::from(&host)).map_err(|_| Problem(format!("{name_server}: too long to be a name")))
}

/// The zones that are delegated from this one: those within it, with no other zone in between.
fn children<'a>(store: &'a Embedded, zone: &'a Zone) -> impl Iterator<Item = &'a Zone> {
    let zones = store.zones();
    let parent = |child: &Zone| child.name.ancestry().nth(1).and_then(|parent| zones.holding(&parent));
    zones.iter().filter(move |child| parent(child) == Some(zone))
}

/// A name as the file of its zone writes it.
fn relative(host: &HostName, zone: &Zone) -> String {
    match host.as_str().strip_suffix(zone.name.as_str()) {
        Some("") => "@".to_owned(),
        Some(below) => below.trim_end_matches('.').to_owned(),
        None => format!("{host}."),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::embedded::testing::{block_on, change, in_memory};

    /// A store of two zones, one within the other, with these batches of records.
    fn store(batches: &[&[&str]]) -> Embedded {
        let store = in_memory("example.org=Z1,home.example.org=Z2,other.example=Z3");
        for batch in batches {
            block_on(change(&store, batch)).unwrap();
        }
        store
    }

    const BATCHES: &[&[&str]] = &[
        &["www.example.org 300 A 192.0.2.1 192.0.2.2", "www.example.org 60 AAAA 2001:db8::1"],
        &["*.example.org 60 A 192.0.2.3", "example.org 60 A 192.0.2.4", "xn--bcher-kva.example.org 60 A 192.0.2.5"],
        &["b.www.example.org 60 A 192.0.2.6", "_x.y-z.example.org 86400 AAAA 2001:db8::2"],
        &["ns.home.example.org 60 A 192.0.2.7", "home.example.org 60 AAAA 2001:db8::3"],
    ];

    /// The file of a zone, its serial written as `SERIAL`.
    fn file(store: &Embedded, zone: &str) -> String {
        let zone = zone.parse().unwrap();
        let mut text = Vec::new();
        write_zones(store, Some(&zone), &mut text).unwrap();
        let serial = store.snapshot().unwrap().serial(store.zones().holding(&zone).unwrap()).unwrap();
        String::from_utf8(text).unwrap().replace(&serial.to_string(), "SERIAL")
    }

    #[test]
    fn a_zone_file_has_the_records_of_its_zone_in_order() {
        let store = store(BATCHES);
        assert_eq!(
            file(&store, "example.org"),
            "\
; zone example.org
$ORIGIN example.org.
$TTL 60
@\t60\tIN\tSOA\tns.example.org. hostmaster.example.org. SERIAL 3600 600 604800 60
@\t3600\tIN\tNS\tns.example.org.
home\t3600\tIN\tNS\tns.home.example.org.
ns.home\t60\tIN\tA\t192.0.2.7
@\t60\tIN\tA\t192.0.2.4
*\t60\tIN\tA\t192.0.2.3
www\t300\tIN\tA\t192.0.2.1
www\t300\tIN\tA\t192.0.2.2
www\t60\tIN\tAAAA\t2001:db8::1
b.www\t60\tIN\tA\t192.0.2.6
xn--bcher-kva\t60\tIN\tA\t192.0.2.5
; BIND refuses this name without `check-names primary ignore;`.
_x.y-z\t86400\tIN\tAAAA\t2001:db8::2
; end of zone example.org
"
        );
        assert_eq!(
            file(&store, "home.example.org"),
            "\
; zone home.example.org
$ORIGIN home.example.org.
$TTL 60
@\t60\tIN\tSOA\tns.home.example.org. hostmaster.home.example.org. SERIAL 3600 600 604800 60
@\t3600\tIN\tNS\tns.home.example.org.
@\t60\tIN\tAAAA\t2001:db8::3
ns\t60\tIN\tA\t192.0.2.7
; end of zone home.example.org
"
        );
    }

    #[test]
    fn a_name_server_without_an_address_is_localhost() {
        assert_eq!(
            file(&store(&[]), "other.example"),
            "\
; zone other.example
$ORIGIN other.example.
$TTL 60
@\t60\tIN\tSOA\tns.other.example. hostmaster.other.example. SERIAL 3600 600 604800 60
; ns.other.example has no address yet.
@\t3600\tIN\tNS\tlocalhost.
; end of zone other.example
"
        );
    }

    #[test]
    fn without_a_zone_every_zone_is_written_and_an_unknown_one_is_refused() {
        let store = store(BATCHES);
        let mut text = Vec::new();
        write_zones(&store, None, &mut text).unwrap();
        let text = String::from_utf8(text).unwrap();
        for zone in ["example.org", "home.example.org", "other.example"] {
            assert!(text.contains(&format!("$ORIGIN {zone}.\n")), "{zone}");
        }
        let foreign = "www.example.org".parse().unwrap();
        let error = write_zones(&store, Some(&foreign), &mut Vec::new()).unwrap_err();
        assert_eq!(
            error.0,
            "www.example.org: expected one of the configured zones, example.org=Z1,home.example.org=Z2,other.example=Z3"
        );
    }
}
