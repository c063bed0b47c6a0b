//! Zones in the format of RFC 1035 §5, for another name server or for Route 53 to load.
//!
//! A name server refuses to load a zone whose NS record names a host of that zone without an
//! address. The file then names `localhost` instead, with a comment.

use std::{
    fmt::{Arguments, Display},
    io::Write,
};

use crate::{
    dns::{
        name_server::NameServer,
        soa::{self, EXPIRE, NS_TTL, REFRESH, RETRY, SOA_TTL},
    },
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
pub(super) fn write_zones(
    store: &Embedded,
    name_server: &NameServer,
    zone: Option<&HostName>,
    out: &mut impl Write,
) -> Result<(), Problem> {
    let zones: Vec<_> = store.zones().iter().filter(|known| zone.is_none_or(|zone| *zone == known.name)).collect();
    if let (Some(zone), []) = (zone, &*zones) {
        return Err(Problem(format!("{zone}: expected one of the configured zones, {}", store.zones())));
    }
    let snapshot = &store.snapshot()?;
    zones.into_iter().try_for_each(|zone| ZoneFile { zone, store, snapshot, name_server, out: &mut *out }.write())
}

/// The file of one zone, while it is written.
struct ZoneFile<'a, W> {
    /// The zone.
    zone: &'a Zone,
    /// The store of all zones.
    store: &'a Embedded,
    /// The records.
    snapshot: &'a Snapshot<'a>,
    /// The name server of the zones.
    name_server: &'a NameServer,
    /// The output.
    out: W,
}

impl<W: Write> ZoneFile<'_, W> {
    /// Writes the whole file.
    fn write(mut self) -> Result<(), Problem> {
        self.head()?;
        self.name_server("@", self.zone)?;
        self.delegations()?;
        self.hosts()?;
        self.line(format_args!("{END}{}", self.zone.name))
    }

    /// Writes the first lines, up to the SOA.
    fn head(&mut self) -> Result<(), Problem> {
        let apex = &self.zone.name;
        let serial = self.snapshot.serial(self.zone)?;
        let (name_server, mailbox) = (self.name_server.name(self.zone), soa::mailbox(self.zone));
        self.line(format_args!("{BEGIN}{apex}\n$ORIGIN {apex}.\n$TTL {SOA_TTL}"))?;
        let timers = format_args!("{REFRESH} {RETRY} {EXPIRE} {SOA_TTL}");
        self.record("@", SOA_TTL, "SOA", format_args!("{name_server}. {mailbox}. {serial} {timers}"))
    }

    /// Writes the NS of each zone that is delegated from this one, with its glue.
    fn delegations(&mut self) -> Result<(), Problem> {
        for child in children(self.store, self.zone) {
            self.name_server(&relative(&child.name, self.zone), child)?;
            let name_server = self.name_server.name(child);
            if name_server.is_within(&child.name) {
                let glue = self.name_server.answer(self.snapshot, &Key::from(&name_server))?;
                self.addresses(&relative(&name_server, self.zone), &glue.unwrap_or_default())?;
            }
        }
        Ok(())
    }

    /// Writes the NS of a zone.
    fn name_server(&mut self, owner: &str, zone: &Zone) -> Result<(), Problem> {
        let name_server = self.name_server.name(zone);
        let is_ours = self.store.zones().holding(&name_server).is_some();
        let records = self.name_server.answer(self.snapshot, &Key::from(&name_server))?;
        if is_ours && records.is_none_or(|records| records.is_empty()) {
            self.line(format_args!("; {name_server} has no address yet."))?;
            return self.record(owner, NS_TTL, "NS", "localhost.");
        }
        self.record(owner, NS_TTL, "NS", format_args!("{name_server}."))
    }

    /// Writes the addresses of all hosts of the zone, and of its name server if no update gave it any.
    fn hosts(&mut self) -> Result<(), Problem> {
        let (zone, zones) = (self.zone, self.store.zones());
        let name_server = self.name_server.name(zone);
        let mut is_written = zones.holding(&name_server) != Some(zone);
        for entry in self.snapshot.hosts(zone)? {
            let (host, records) = entry?;
            if zones.holding(&host) == Some(zone) {
                self.host(&host, records)?;
                is_written |= host == name_server;
            }
        }
        if is_written { Ok(()) } else { self.host(&name_server, Records::default()) }
    }

    /// Writes the records of a host with these stored ones.
    fn host(&mut self, host: &HostName, stored: Records) -> Result<(), Problem> {
        let records = self.name_server.complete(&Key::from(host), stored);
        let has_addresses = Family::BOTH.into_iter().any(|family| records.of(family).is_some());
        if has_addresses && host.as_str().contains('_') {
            self.line(format_args!("; BIND refuses this name without `check-names primary ignore;`."))?;
        }
        let owner = relative(host, self.zone);
        self.addresses(&owner, &records)?;
        for (ttl, text) in records.texts().iter().flat_map(|set| set.texts.iter().map(|text| (set.ttl, text))) {
            self.record(&owner, ttl, "TXT", quoted(text))?;
        }
        Ok(())
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

/// A text as a character string of a zone file (RFC 1035 §5.1): in quotes, with escapes.
fn quoted(text: &str) -> String {
    let escaped = |octet: u8| match octet {
        b'"' | b'\\' => format!("\\{}", char::from(octet)),
        b' '..=b'~' => char::from(octet).to_string(),
        _ => format!("\\{octet:03}"),
    };
    format!("\"{}\"", text.bytes().map(escaped).collect::<String>())
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
        file_with(&NameServer::default(), store, zone)
    }

    /// The same with this name server.
    fn file_with(name_server: &NameServer, store: &Embedded, zone: &str) -> String {
        let zone = zone.parse().unwrap();
        let mut text = Vec::new();
        write_zones(store, name_server, Some(&zone), &mut text).unwrap();
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
    fn a_name_server_that_is_set_is_in_every_file_and_has_its_addresses_in_its_own() {
        let name_server: NameServer = "ns.home.example.org=203.0.113.5,2001:db8::5".parse().unwrap();
        let store = store(&[&["www.example.org 60 A 192.0.2.1", "nas.home.example.org 60 A 192.0.2.2"]]);
        let rest = |zone: &str| {
            let file = file_with(&name_server, &store, zone);
            file.split_once("604800 60\n").unwrap().1.split_once("; end").unwrap().0.to_owned()
        };
        let addresses =
            |owner: &str| format!("{owner}\t3600\tIN\tA\t203.0.113.5\n{owner}\t3600\tIN\tAAAA\t2001:db8::5\n");
        let ns = |owner: &str| format!("{owner}\t3600\tIN\tNS\tns.home.example.org.\n");
        assert_eq!(
            rest("example.org"),
            format!("{}{}{}www\t60\tIN\tA\t192.0.2.1\n", ns("@"), ns("home"), addresses("ns.home"))
        );
        assert_eq!(rest("home.example.org"), format!("{}nas\t60\tIN\tA\t192.0.2.2\n{}", ns("@"), addresses("ns")));
        assert_eq!(rest("other.example"), ns("@"));
        // An update that was good is in the file.
        block_on(change(&store, &["ns.home.example.org 60 A 192.0.2.9"])).unwrap();
        let updated = "ns\t60\tIN\tA\t192.0.2.9\nns\t3600\tIN\tAAAA\t2001:db8::5\n";
        assert!(rest("home.example.org").ends_with(updated), "{}", rest("home.example.org"));
    }

    #[test]
    fn without_a_zone_every_zone_is_written_and_an_unknown_one_is_refused() {
        let store = store(BATCHES);
        let mut text = Vec::new();
        write_zones(&store, &NameServer::default(), None, &mut text).unwrap();
        let text = String::from_utf8(text).unwrap();
        for zone in ["example.org", "home.example.org", "other.example"] {
            assert!(text.contains(&format!("$ORIGIN {zone}.\n")), "{zone}");
        }
        let foreign = "www.example.org".parse().unwrap();
        let error = write_zones(&store, &NameServer::default(), Some(&foreign), &mut Vec::new()).unwrap_err();
        assert_eq!(
            error.0,
            "www.example.org: expected one of the configured zones, example.org=Z1,home.example.org=Z2,other.example=Z3"
        );
    }

    #[test]
    fn a_text_is_quoted_and_escaped() {
        for (text, expected) in
            [("", r#""""#), ("a b;c", r#""a b;c""#), (r#"a"b\c"#, r#""a\"b\\c""#), ("é\n", r#""\195\169\010""#)]
        {
            assert_eq!(quoted(text), expected, "{text}");
        }
    }
}
