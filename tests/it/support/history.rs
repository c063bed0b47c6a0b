//! What clients asked and were told, held against what really happened in the zone.
//!
//! A request reads, and then writes what differs, without a lock from one to the other. So this is
//! promised of it, and nothing more:
//!
//! - It makes its changes in one batch. The changes of one host are what was asked of it, given the A
//!   and AAAA that were there together at some moment after the call (a page may end between the
//!   two; then each at a moment of its own). They are applied as a whole or not at all: all hosts,
//!   both families. One gateway may put the changes of several requests into a batch, but no record
//!   set twice.
//! - `good`: the batch was applied between the call and the reply. A family that the batch leaves
//!   out was as asked at the moment above; another request may have changed it since.
//! - `nochg`: the host was as asked, and as listed, at the moment above.
//! - `dnserr`: a call failed, or was not answered. The batch was applied or it was not; it may
//!   still be.
//! - Nobody answered: as `dnserr`.
//! - The batch is sent again if the answer is missing, up to three times in all. Each time the
//!   request's changes in it are the same, and each may be applied once, at any time after it was
//!   sent: after the reply too, and over what another request has written since. Route 53 has no word
//!   against that.
//! - A call that Route 53 refuses because it is busy is made again until the reply must be out.
//! - What was refused is not touched, nor anything else that is in the zone.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::{IpAddr, Ipv6Addr},
    time::Duration,
};

use nic53::protocol::address::Family;

use super::{fake_route53::Operation, flaky_transport::Event};

/// A record set of addresses.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Set {
    /// Seconds.
    pub(crate) ttl: u32,
    /// The values.
    pub(crate) addresses: BTreeSet<IpAddr>,
}

/// The A and AAAA record sets of a zone.
pub(crate) type Registers = BTreeMap<(String, Family), Set>;

/// What a request asks of each of its hosts.
#[derive(Clone, Debug)]
pub(crate) enum Wish {
    /// These addresses, and the AAAA that are there under this /64.
    Set { v4: Vec<IpAddr>, v6: Vec<IpAddr>, prefix: Option<Ipv6Addr> },
    /// No address.
    Offline,
    /// Nothing: the addresses that are there are listed.
    Nothing,
}

/// What may be done at a host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Leave {
    /// It may be changed.
    Ours,
    /// It is a CNAME or an alias.
    LeftAlone,
    /// The token does not cover it.
    NotCovered,
}

/// A request and what came of it.
#[derive(Clone, Debug)]
pub(crate) struct Exchange {
    /// Names, in the order asked.
    pub(crate) hosts: Vec<(String, Leave)>,
    /// What is asked of each.
    pub(crate) wish: Wish,
    /// The TTL asked for, clamped.
    pub(crate) ttl: Option<u32>,
    /// When it was called: its place in the log.
    pub(crate) called: usize,
    /// When it was answered, or given up by the client.
    pub(crate) ended: usize,
    /// From one to the other.
    pub(crate) took: Duration,
    /// The reply; `None` where the client had gone.
    pub(crate) reply: Option<Reply>,
}

/// A reply.
#[derive(Clone, Debug)]
pub(crate) struct Reply {
    /// Such as 200.
    pub(crate) status: u16,
    /// The body's lines.
    pub(crate) lines: Vec<String>,
}

/// The default TTL.
pub(crate) const DEFAULT_TTL: u32 = 60;

/// A reply is out in this time, whatever Route 53 does (docs/design.md), and the clock's steps.
const IN_TIME: Duration = Duration::from_millis(9_010);

/// As long as this, a busy Route 53 is asked again: the reply's time without the longest pause, and
/// without the way there and back.
const PATIENT: Duration = Duration::from_secs(8);

/// What happened, and when the zone was how.
pub(crate) struct History<'a> {
    /// All of it, in order.
    log: &'a [(Duration, Event)],
    /// The calls to Route 53, by their numbers.
    calls: Vec<Call<'a>>,
    /// The record sets, and since when.
    states: Vec<(usize, Registers)>,
    /// The lines of all records that are no A or AAAA of a host of ours, at first.
    others: Vec<String>,
    /// Hosts whose A and AAAA may change.
    ours: BTreeSet<String>,
}

impl<'a> History<'a> {
    /// Of a zone that held these records at first.
    pub(crate) fn new(records: &[String], ours: &[&str], log: &'a [(Duration, Event)]) -> Self {
        let ours = ours.iter().map(|host| (*host).to_owned()).collect();
        let others = others(records, &ours);
        let mut states = vec![(0, registers(records, &ours))];
        let mut calls: Vec<Call<'_>> = Vec::new();
        for (when, (_, event)) in log.iter().enumerate() {
            match event {
                Event::Client { .. } => {}
                Event::Sent { requests, operation, .. } => calls.push(Call::new(requests, *operation, when)),
                Event::Listed { call, name, page } => calls[*call].page_of_one = (*page == 1).then(|| bare(name)),
                Event::Applied { call, batch, records } => {
                    (calls[*call].batch, calls[*call].applied) = (Some(batch), Some(when));
                    states.push((when, registers(records, &ours)));
                }
                Event::Refused { call, batch } => {
                    (calls[*call].batch, calls[*call].did_nothing) = (Some(batch), true);
                }
                Event::Busy { call } => (calls[*call].busy, calls[*call].did_nothing) = (true, true),
                Event::Answered { call, well } => calls[*call].answered = Some((when, *well)),
            }
        }
        Self { log, calls, states, others, ours }
    }

    /// The record sets as they were at first and in the end.
    pub(crate) fn ends(&self) -> (&Registers, &Registers) {
        (&self.states[0].1, &self.states[self.states.len() - 1].1)
    }

    /// How often a request sent its batch, and something may have come of it.
    pub(crate) fn attempts(&self, request: usize) -> usize {
        self.calls_of(request, Operation::Change).iter().filter(|call| !call.did_nothing).count()
    }

    /// How many batches were applied, how many of them after their request had ended, and how many
    /// again.
    pub(crate) fn applied(&self, exchanges: &[Exchange]) -> [u64; 3] {
        let (mut count, mut seen) = ([0; 3], BTreeSet::new());
        for call in &self.calls {
            let Some(when) = call.applied else { continue };
            count[0] += 1;
            count[1] += u64::from(call.requests.iter().any(|request| exchanges[*request].ended < when));
            count[2] += u64::from(call.requests.iter().filter(|request| !seen.insert(**request)).count() > 0);
        }
        count
    }

    /// What cannot be explained; nothing, if all is well.
    pub(crate) fn violations(&self, exchanges: &[Exchange]) -> Vec<String> {
        let mut found: Vec<String> = Vec::new();
        for (request, exchange) in exchanges.iter().enumerate() {
            let problems = self.exchange_violations(request, exchange);
            found.extend(problems.into_iter().map(|problem| format!("request {request}: {problem}: {exchange:?}")));
        }
        found.extend(self.zone_violations(exchanges));
        found
    }

    /// What is wrong with one exchange.
    fn exchange_violations(&self, request: usize, exchange: &Exchange) -> Vec<String> {
        let mut found = Vec::new();
        let sent = self.calls_of(request, Operation::Change);
        let end = sent.first().map_or(exchange.ended, |call| call.sent.min(exchange.ended));
        if self.calls.iter().any(|call| call.requests.contains(&request) && call.sent > exchange.ended) {
            found.push("a call after the reply".to_owned());
        }
        let attempts = sent.iter().filter(|call| !(call.did_nothing && call.answered.is_some())).count();
        if attempts > 3 {
            found.push(format!("{attempts} attempts to change"));
        }
        if exchange.took > IN_TIME {
            found.push("not in time".to_owned());
        }
        let own = |batch: &Vec<String>| {
            let asked = |host: &String| exchange.hosts.iter().any(|(name, _)| name == host);
            read_batch(batch).into_iter().filter(|((host, _), _)| asked(host)).collect::<Batch>()
        };
        let batches: BTreeSet<_> = sent.iter().filter_map(|call| call.batch).map(own).collect();
        if batches.len() > 1 {
            found.push(format!("more than one batch: {batches:?}"));
        }
        let failed_before_sending = sent.is_empty() && exchange.is_failed();
        let batch = batches.first().cloned();
        let batch = if sent.is_empty() && !failed_before_sending { Some(Batch::new()) } else { batch };
        if let Some(batch) = &batch {
            let granted = |host: &str| exchange.hosts.contains(&(host.to_owned(), Leave::Ours));
            found.extend(batch.keys().filter(|(host, _)| !granted(host)).map(|(host, _)| format!("{host} changed")));
        }
        let applied = sent.iter().any(|call| call.applied.is_some_and(|when| when < exchange.ended));
        let Some(reply) = &exchange.reply else {
            // Nothing was promised but that the batch is what was asked.
            if let Some(batch) = batch.filter(|_| !sent.is_empty()) {
                let ours = exchange.hosts.iter().filter(|(_, leave)| *leave == Leave::Ours);
                let unexplained = ours.filter(|(host, _)| {
                    !self.explained(request, exchange, end, host, |plan| plan.changes == changes_of(&batch, host))
                });
                found.extend(unexplained.map(|(host, _)| format!("{host}: not the changes that were asked")));
            }
            return found;
        };
        if reply.lines.len() != exchange.hosts.len() {
            found.push("not one line a host".to_owned());
            return found;
        }
        let failed = exchange.is_failed();
        if reply.status != if failed { 503 } else { 200 } {
            found.push("a status that does not fit".to_owned());
        }
        // If a read failed, the line of every host says so.
        let lists = self.calls_of(request, Operation::List);
        let went_well = |call: &&Call<'_>| call.answered.is_some_and(|(when, well)| well && when <= exchange.ended);
        // Busy answers were followed by other calls, unless the reply had to be out.
        let read = |call: &&Call<'_>| went_well(call) || call.busy && call.answered.is_some();
        let all_read = !lists.is_empty() && lists.iter().all(read);
        // It may have waited in vain: for its turn, for a read, or for the batch before its own.
        let waited = exchange.took >= PATIENT;
        // A read that failed may have gone well at the next attempt, and the wait came after it.
        let unread = failed_before_sending && !all_read && !waited;
        let maybe_unread = failed_before_sending && waited;
        if failed {
            let well = if failed_before_sending { all_read && !waited } else { sent.iter().any(went_well) };
            if well || lists.is_empty() && !waited {
                found.push("dnserr, though all went well".to_owned());
            }
            let last = if sent.is_empty() { lists.last() } else { sent.last() };
            let was_busy = last.is_some_and(|call| call.busy && call.answered.is_some());
            if was_busy && exchange.took < PATIENT {
                found.push("given up while Route 53 was busy".to_owned());
            }
        }
        for ((host, leave), line) in exchange.hosts.iter().zip(&reply.lines) {
            let fits = match leave {
                Leave::LeftAlone | Leave::Ours if unread => line == "dnserr",
                Leave::LeftAlone | Leave::Ours if maybe_unread && line == "dnserr" => true,
                Leave::LeftAlone | Leave::NotCovered => line == "nohost",
                Leave::Ours => self.explained(request, exchange, end, host, |plan| {
                    let as_sent = match &batch {
                        Some(batch) => plan.changes == changes_of(batch, host),
                        // It never arrived, so nobody knows what was in it.
                        None => true,
                    };
                    let told = match (plan.changes.is_empty(), failed) {
                        (true, _) => format!("nochg{}", plan.listed()),
                        (false, false) => format!("good{}", plan.listed()),
                        (false, true) => "dnserr".to_owned(),
                    };
                    as_sent && *line == told
                }),
            };
            if !fits {
                found.push(format!("{host}: unexplained: {line}"));
            }
            if line.starts_with("good") && !applied {
                found.push(format!("{host}: good without the record"));
            }
        }
        found
    }

    /// Whether the plan for a host, given what was there at some moment of the request until `end`,
    /// is as wanted.
    fn explained(
        &self,
        request: usize,
        exchange: &Exchange,
        end: usize,
        host: &str,
        wanted: impl Fn(&Plan) -> bool,
    ) -> bool {
        let from = self.states.partition_point(|(since, _)| *since <= exchange.called) - 1;
        let to = self.states.partition_point(|(since, _)| *since <= end);
        let moments = &self.states[from..to.max(from + 1)];
        let set = |(_, registers): &(usize, Registers), family| registers.get(&(host.to_owned(), family)).cloned();
        let torn = self.calls_of(request, Operation::List).iter().any(|call| call.page_of_one.as_deref() == Some(host));
        moments.iter().enumerate().any(|(index, moment)| {
            let later = if torn { &moments[index..] } else { &moments[index..=index] };
            let v4 = set(moment, Family::V4);
            later.iter().any(|later| wanted(&Plan::new(exchange, v4.as_ref(), set(later, Family::V6).as_ref())))
        })
    }

    /// What is wrong with the zone itself: what changed though no batch said so, and addresses that
    /// nobody asked for.
    fn zone_violations(&self, exchanges: &[Exchange]) -> Vec<String> {
        let mut found = Vec::new();
        let mut known: BTreeSet<IpAddr> = self.states[0].1.values().flat_map(|set| set.addresses.clone()).collect();
        let mut asked = exchanges.iter().peekable();
        let mut prefixes: Vec<Ipv6Addr> = Vec::new();
        let mut before = self.states[0].1.clone();
        for (when, (_, event)) in self.log.iter().enumerate() {
            while let Some(exchange) = asked.next_if(|exchange| exchange.called <= when) {
                if let Wish::Set { v4, v6, prefix } = &exchange.wish {
                    known.extend(v4.iter().chain(v6));
                    prefixes.extend(prefix);
                }
            }
            match event {
                Event::Applied { call, batch, records } => {
                    let after = registers(records, &self.ours);
                    let mut expected = before.clone();
                    for (place, set) in read_batch(batch) {
                        match set {
                            Some(set) => drop(expected.insert(place, set)),
                            None => drop(expected.remove(&place)),
                        }
                    }
                    if after != expected || others(records, &self.ours) != self.others {
                        found.push(format!("call {call}: {batch:?} made {records:?}"));
                    }
                    let new: BTreeSet<_> = after.values().flat_map(|set| set.addresses.clone()).collect();
                    let is_known = |address: &&IpAddr| {
                        let moved = |prefix: &Ipv6Addr| known.iter().any(|old| moved_under(*old, *prefix) == **address);
                        known.contains(*address) || prefixes.iter().any(moved)
                    };
                    found.extend(new.iter().filter(|address| !is_known(address)).map(|a| format!("whose is {a}?")));
                    known.extend(new);
                    before = after;
                }
                // What a deletion names was read before: it is only refused where it has gone.
                Event::Refused { call, batch } => {
                    let requests = self.calls[*call].requests.iter();
                    let called = requests.map(|request| exchanges[*request].called).min().unwrap_or_default();
                    let changed = |(_, event): &(_, Event)| matches!(event, Event::Applied { .. });
                    if !self.log[called..when].iter().any(changed) {
                        found.push(format!("call {call}: refused without a reason: {batch:?}"));
                    }
                }
                Event::Client { .. }
                | Event::Sent { .. }
                | Event::Listed { .. }
                | Event::Busy { .. }
                | Event::Answered { .. } => {}
            }
        }
        for call in &self.calls {
            let Some(batch) = call.batch else { continue };
            let read = read_batch(batch);
            if read.len() != batch.len() {
                found.push(format!("a record set twice in a batch: {batch:?}"));
            }
            let asked = |host: &String| {
                let hosts = call.requests.iter().flat_map(|request| &exchanges[*request].hosts);
                hosts.into_iter().any(|(name, _)| name == host)
            };
            let strange = read.keys().filter(|(host, _)| !asked(host));
            found.extend(strange.map(|(host, _)| format!("{host} changed, for which nobody asked")));
        }
        found
    }

    /// The calls of a request.
    fn calls_of(&self, request: usize, operation: Operation) -> Vec<&Call<'a>> {
        let of_it = |call: &&Call<'_>| call.requests.contains(&request) && call.operation == operation;
        self.calls.iter().filter(of_it).collect()
    }
}

/// A call to Route 53.
struct Call<'a> {
    /// The requests it was made for.
    requests: &'a [usize],
    /// What was called.
    operation: Operation,
    /// When it was sent.
    sent: usize,
    /// The name that a page of one record set began at.
    page_of_one: Option<String>,
    /// The batch, if it arrived.
    batch: Option<&'a Vec<String>>,
    /// When that was applied, if it was.
    applied: Option<usize>,
    /// Whether it was refused because the service was busy.
    busy: bool,
    /// Whether it was refused, for whatever reason.
    did_nothing: bool,
    /// When the answer came, if it did, and whether it was as good as can be.
    answered: Option<(usize, bool)>,
}

impl<'a> Call<'a> {
    /// One that was sent.
    fn new(requests: &'a [usize], operation: Operation, sent: usize) -> Self {
        let (page_of_one, batch, applied, answered) = (None, None, None, None);
        Self { requests, operation, sent, page_of_one, batch, applied, busy: false, did_nothing: false, answered }
    }
}

impl Exchange {
    /// Whether a line of the reply says that something failed.
    fn is_failed(&self) -> bool {
        self.reply.as_ref().is_some_and(|reply| reply.lines.iter().any(|line| line == "dnserr"))
    }
}

/// Record sets to make, and to remove.
type Batch = BTreeMap<(String, Family), Option<Set>>;

/// What is to be done at a host, by the contract alone.
struct Plan {
    /// What A and AAAA become; those that stay are not in it.
    changes: BTreeMap<Family, Option<Set>>,
    /// What the line lists.
    addresses: Vec<IpAddr>,
}

impl Plan {
    /// For a host that has these.
    fn new(exchange: &Exchange, v4: Option<&Set>, v6: Option<&Set>) -> Self {
        let there = [(Family::V4, v4), (Family::V6, v6)];
        let listed: Vec<IpAddr> = [v4, v6].into_iter().flatten().flat_map(|set| set.addresses.clone()).collect();
        let mut changes = BTreeMap::new();
        let (v4_asked, mut v6_asked, prefix) = match &exchange.wish {
            Wish::Nothing => return Self { changes, addresses: listed },
            Wish::Offline => {
                let there = there.iter().filter(|(_, set)| set.is_some());
                changes.extend(there.map(|(family, _)| (*family, None)));
                return Self { changes, addresses: vec![IpAddr::from([0; 4])] };
            }
            Wish::Set { v4, v6, prefix } => (v4.clone(), v6.clone(), *prefix),
        };
        if let (Some(prefix), Some(v6)) = (prefix, v6) {
            let moved: BTreeSet<_> = v6.addresses.iter().map(|address| moved_under(*address, prefix)).collect();
            v6_asked = moved.into_iter().collect();
        }
        if v4_asked.is_empty() && v6_asked.is_empty() {
            return Self { changes, addresses: listed };
        }
        for ((family, own), (other, asked)) in there.into_iter().zip([(v6, &v4_asked), (v4, &v6_asked)]) {
            let addresses: BTreeSet<_> = asked.iter().copied().collect();
            let ttl = exchange.ttl.or(own.map(|set| set.ttl)).or(other.map(|set| set.ttl)).unwrap_or(DEFAULT_TTL);
            let wanted = Set { ttl, addresses };
            if !asked.is_empty() && own != Some(&wanted) {
                changes.insert(family, Some(wanted));
            }
        }
        Self { changes, addresses: [v4_asked, v6_asked].concat() }
    }

    /// The addresses as a line has them.
    fn listed(&self) -> String {
        let addresses: Vec<_> = self.addresses.iter().map(ToString::to_string).collect();
        if addresses.is_empty() { String::new() } else { format!(" {}", addresses.join(",")) }
    }
}

/// An address with its lower half kept under a /64. The addresses of these histories are all such
/// that it may be published.
pub(crate) fn moved_under(address: IpAddr, prefix: Ipv6Addr) -> IpAddr {
    let IpAddr::V6(address) = address else { return address };
    let mut octets = address.octets();
    octets[..8].copy_from_slice(&prefix.octets()[..8]);
    Ipv6Addr::from(octets).into()
}

/// What a batch does at one host.
fn changes_of(batch: &Batch, host: &str) -> BTreeMap<Family, Option<Set>> {
    let of_host = batch.iter().filter(|((name, _), _)| name == host);
    of_host.map(|((_, family), set)| (*family, set.clone())).collect()
}

/// A batch as `UPSERT home.example.org. 60 A …`, and so on.
fn read_batch(batch: &[String]) -> Batch {
    let read = |line: &String| {
        let (action, record) = line.split_once(' ')?;
        let (place, set) = read_record(record)?;
        Some((place, (action != "DELETE").then_some(set)))
    };
    batch.iter().map(|line| read(line).unwrap_or_else(|| panic!("not a change of addresses: {line}"))).collect()
}

/// The A and AAAA of our hosts.
fn registers(records: &[String], ours: &BTreeSet<String>) -> Registers {
    records.iter().filter_map(|line| read_record(line)).filter(|((host, _), _)| ours.contains(host)).collect()
}

/// All other records.
fn others(records: &[String], ours: &BTreeSet<String>) -> Vec<String> {
    let is_other = |line: &&String| read_record(line).is_none_or(|((host, _), _)| !ours.contains(&host));
    records.iter().filter(is_other).cloned().collect()
}

/// `home.example.org. 60 A 192.0.2.1 192.0.2.2`, if it is one of addresses.
fn read_record(line: &str) -> Option<((String, Family), Set)> {
    let mut words = line.split(' ');
    let host = bare(words.next()?);
    let ttl = words.next()?.parse().ok()?;
    let family = match words.next()? {
        "A" => Family::V4,
        "AAAA" => Family::V6,
        _ => return None,
    };
    let addresses = words.map(str::parse).collect::<Result<_, _>>().ok()?;
    Some(((host, family), Set { ttl, addresses }))
}

/// A name without its last dot and its escape.
fn bare(name: &str) -> String {
    name.trim_end_matches('.').replace("\\052", "*")
}
