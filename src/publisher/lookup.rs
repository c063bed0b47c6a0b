//! Looks hosts up in Route 53. One page serves all that lie in it.

use std::collections::{BTreeMap, HashMap};

use aws_sdk_route53::types::ResourceRecordSet;

use super::{
    answer::Failure,
    calls::{Calls, Start},
};
use crate::{
    protocol::{hostname::HostName, record::Current, zone::Zone},
    store::route53::records::present,
};

/// The most record sets of a page (API reference of `ListResourceRecordSets`).
const PAGE: usize = 300;

/// The record sets to ask for if one host is looked up: more than a name usually has.
const PAGE_OF_ONE: usize = 10;

/// Record sets by their hosts.
#[derive(Debug, Default)]
struct Found(HashMap<HostName, Vec<ResourceRecordSet>>);

/// The hosts from one place of a zone to another, and what they have.
pub(crate) struct Stretch {
    /// Each host that has a record set of any type.
    pub(crate) hosts: BTreeMap<HostName, Current>,
    /// The first host after them; `None` at the zone's end.
    pub(crate) next: Option<HostName>,
    /// The calls that it took.
    pub(crate) calls: u32,
}

/// Hosts that are looked up, page by page.
pub(crate) struct Search<'a> {
    /// Those that are not found yet, in the order of the zone.
    left: Vec<&'a HostName>,
}

impl<'a> Search<'a> {
    /// A search for these hosts.
    pub(crate) fn new(hosts: impl IntoIterator<Item = &'a HostName>) -> Self {
        let mut left: Vec<_> = hosts.into_iter().collect();
        left.sort_by_cached_key(|host| place(host.as_str()));
        Self { left }
    }

    /// What the next hosts have in Route 53 now, all that lie in one page, and the calls that it took;
    /// `None` if all are found.
    ///
    /// # Errors
    ///
    /// If a call fails.
    pub(crate) async fn next(
        &mut self,
        calls: &Calls,
        zone: &Zone,
    ) -> Result<Option<(HashMap<HostName, Current>, u32)>, Failure> {
        let Some(first) = self.left.first().copied() else { return Ok(None) };
        let most = if self.left.len() == 1 { PAGE_OF_ONE } else { PAGE };
        let (mut found, mut start, mut made) = (Found::default(), Some(Start::at(first)), 0);
        // The record sets of the first host may not fit into one page.
        while let Some(from) = start.take_if(|start| host_of(start.name()).as_ref() == Some(first)) {
            let page = calls.page(zone, from, most).await?;
            made += 1;
            start = Start::after(&page);
            found.take(page.resource_record_sets);
        }
        let next = start.as_ref().and_then(Start::name);
        let mut known = HashMap::new();
        self.left.retain(|host| {
            let is_known = *host == first || found.has_all_of(host, next);
            if is_known {
                known.insert((*host).clone(), found.current(host, zone));
            }
            !is_known
        });
        Ok(Some((known, made)))
    }
}

/// What each of these hosts has in Route 53 now, and the calls that it took.
///
/// # Errors
///
/// If a call fails.
pub(crate) async fn look_up(
    calls: &Calls,
    zone: &Zone,
    hosts: &[HostName],
) -> Result<(HashMap<HostName, Current>, u32), Failure> {
    let (mut search, mut known, mut made) = (Search::new(hosts), HashMap::new(), 0);
    while let Some((found, calls)) = search.next(calls, zone).await? {
        known.extend(found);
        made += calls;
    }
    Ok((known, made))
}

/// What the hosts of about one page have, from a host on, or from the zone's beginning.
///
/// # Errors
///
/// If a call fails.
pub(crate) async fn stretch(calls: &Calls, zone: &Zone, from: Option<&HostName>) -> Result<Stretch, Failure> {
    let (mut found, mut made) = (Found::default(), 0);
    let mut start = from.map_or_else(Start::default, Start::at);
    let next = loop {
        let page = calls.page(zone, start, PAGE).await?;
        made += 1;
        let after = Start::after(&page);
        found.take(page.resource_record_sets);
        let Some(after) = after else { break None };
        // It ends where a host begins: not within one, and not at a name that no host has.
        match host_of(after.name()).filter(|next| Some(next) != from && !found.0.contains_key(next)) {
            Some(next) => break Some(next),
            None => start = after,
        }
    };
    let hosts = found.0.keys().map(|host| (host.clone(), found.current(host, zone))).collect();
    Ok(Stretch { hosts, next, calls: made })
}

impl Found {
    /// Takes the record sets of a page.
    fn take(&mut self, sets: Vec<ResourceRecordSet>) {
        for set in sets {
            if let Some(host) = host_of(Some(&set.name)) {
                self.0.entry(host).or_default().push(set);
            }
        }
    }

    /// Whether all record sets of a host are here, and the list went on at `next`.
    ///
    /// A host of which there is none is absent if the list went past its place. Where Route 53 puts a
    /// wildcard among the names is not documented, so that one is looked up by itself.
    fn has_all_of(&self, host: &HostName, next: Option<&str>) -> bool {
        if self.0.contains_key(host) {
            return host_of(next).as_ref() != Some(host);
        }
        !host.is_wildcard() && next.is_none_or(|next| place(host.as_str()) < place(next))
    }

    /// What a host has.
    fn current(&self, host: &HostName, zone: &Zone) -> Current {
        let sets = self.0.get(host).map(Vec::as_slice).unwrap_or_default();
        present(host, zone, sets).unwrap_or_else(|_| Current::not_ours("its record set has no TTL"))
    }
}

/// The host of a name as Route 53 lists it, if a host can have it.
fn host_of(listed: Option<&str>) -> Option<HostName> {
    listed?.replacen("\\052", "*", 1).parse().ok()
}

/// The place of a name in a zone: its labels reversed, with a dot at the end (API reference of
/// `ListResourceRecordSets`).
fn place(name: &str) -> String {
    let mut place = String::with_capacity(name.len() + 1);
    for label in name.strip_suffix('.').unwrap_or(name).rsplit('.') {
        place.push_str(label);
        place.push('.');
    }
    place.make_ascii_lowercase();
    place
}
