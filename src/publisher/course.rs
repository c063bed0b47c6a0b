//! What the publisher remembers of a zone from one batch to the next, and what it makes of an answer.
//!
//! Plain values without I/O. All of it is lost when the process ends, and nothing rests on it.

use std::collections::{HashMap, HashSet, VecDeque};

use super::{
    Host,
    answer::{Failure, Kind, named},
    batch::{Build, only_creates},
};
use crate::protocol::hostname::HostName;

/// The most hosts of a batch: as many as there are records in one at least for each host.
const LONGEST: usize = 500;

/// The zone counts as full after this many refusals in a row, each of one host that has no record yet.
const FULL: usize = 8;

/// How a zone's batches go.
#[derive(Debug)]
pub(crate) struct Course {
    /// The most hosts of the next batch. Halved if a batch is refused, doubled if one is taken.
    length: usize,
    /// Hosts that are looked up before they are sent again.
    lookups: HashSet<HostName>,
    /// The batch that failed, until its hosts were looked up.
    doubt: Option<Doubt>,
    /// Hosts that go in a batch of their own: Route 53 named them, though their records are as expected.
    alone: VecDeque<HostName>,
    /// Hosts that were refused alone while others were taken, and what Route 53 said.
    refused: HashMap<HostName, String>,
    /// Whether the refused batch was looked up and is as expected, so that its halves need not be.
    is_halving: bool,
    /// Whether a refusal's message is believed to name all that is in the way. Until the next success it
    /// is believed once.
    believes_names: bool,
    /// Whether a batch was taken since the role was last denied one.
    is_allowed: bool,
    /// The host that the role was denied alone.
    denied: Option<HostName>,
    /// Hosts that the role was denied alone. They go behind all others, so that two of them do not hold up
    /// a zone.
    suspects: HashSet<HostName>,
    /// How many hosts without a record were refused alone since Route 53 last took one.
    refused_alone: usize,
}

/// A batch that failed.
#[derive(Debug)]
struct Doubt {
    /// Why.
    failure: Failure,
    /// How many hosts it had.
    size: usize,
    /// The hosts that the refusal is held against, as they were sent: the only one of the batch, or all of them if the
    /// zone is full.
    blamed: Vec<Host>,
    /// Whether the hosts that are looked up are those that Route 53 named.
    is_named: bool,
}

/// What to do after a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// Mark its hosts: they are published.
    Mark,
    /// Go on with the next batch.
    GoOn,
    /// Go on later: Route 53 is busy.
    Later,
    /// Let the zone rest until the next tick.
    Rest,
}

impl Course {
    /// A zone of which nothing is known.
    pub(crate) fn new() -> Self {
        Self {
            length: LONGEST,
            lookups: HashSet::new(),
            doubt: None,
            alone: VecDeque::new(),
            refused: HashMap::new(),
            is_halving: false,
            believes_names: true,
            is_allowed: true,
            denied: None,
            suspects: HashSet::new(),
            refused_alone: 0,
        }
    }

    /// The next batch of collected hosts, and those that are to be looked up.
    pub(crate) fn build(&mut self, mut hosts: Vec<Host>) -> Build {
        let is_there = |name: &HostName| hosts.iter().any(|host| host.name == *name);
        self.alone.retain(is_there);
        self.denied = self.denied.take().filter(is_there);
        self.suspects.retain(is_there);
        hosts.retain(|host| self.denied.as_ref() != Some(&host.name));
        hosts.sort_by_key(|host| self.suspects.contains(&host.name));
        if let Some(alone) = self.alone.front() {
            hosts.sort_by_key(|host| host.name != *alone);
        }
        let most = if self.alone.is_empty() { self.length } else { 1 };
        let most = if self.is_full() && self.alone.is_empty() { apart(&mut hosts, most) } else { most };
        Build::new(hosts, most, |host| self.lookups.contains(&host.name) || self.refused.contains_key(&host.name))
    }

    /// Whether the zone takes no more records. Then hosts without one are refused together: one by one, thousands of
    /// them would hold up all others of the zone.
    fn is_full(&self) -> bool {
        self.refused_alone >= FULL
    }

    /// Whether the only host that is left is one that the role was denied, so that the role itself may
    /// be at fault.
    pub(crate) fn is_denied_all(&self, build: &Build) -> bool {
        self.denied.is_some() && build.batch.is_empty() && build.lookups.is_empty()
    }

    /// What Route 53 said of a host that it refused alone.
    pub(crate) fn refusal(&self, host: &Host) -> Option<&str> {
        let doubt = self.doubt.as_ref().filter(|doubt| doubt.failure.kind == Kind::Refused);
        let blamed = doubt.filter(|doubt| doubt.blamed.iter().any(|sent| is_sent_alike(sent, host)));
        self.refused.get(&host.name).or(blamed.map(|doubt| &doubt.failure.text)).map(String::as_str)
    }

    /// A host is looked up before it is sent again: its mark was refused.
    pub(crate) fn look_up(&mut self, host: HostName) {
        self.lookups.insert(host);
    }

    /// The same at the end of a run: by the next one the role may be another.
    pub(crate) fn without_denial(self) -> Self {
        Self { denied: None, ..self }
    }

    /// The same once nothing is pending: of single hosts nothing has to be remembered any more.
    pub(crate) fn at_rest(self) -> Self {
        let Self { length, is_allowed, refused_alone, .. } = self;
        Self { length, is_allowed, refused_alone, ..Self::new() }
    }

    /// Route 53 took a batch.
    pub(crate) fn taken(&mut self, batch: &[Host]) -> Step {
        if batch.iter().any(only_creates) {
            self.refused_alone = 0;
        }
        self.length = (self.length * 2).min(LONGEST);
        self.is_halving = false;
        self.believes_names = true;
        self.is_allowed = true;
        self.alone.pop_front();
        if let Some(denied) = self.denied.take() {
            let text = "AccessDenied: the role may change other hosts, and not this one".to_owned();
            self.refused.insert(denied, text);
        }
        Step::Mark
    }

    /// A batch failed.
    pub(crate) fn failed(&mut self, batch: &[Host], failure: &Failure) -> Step {
        match failure.kind {
            Kind::Refused => self.doubt(batch, failure),
            Kind::Unknown => {
                self.is_halving = false;
                self.believes_names = false;
                self.doubt(batch, failure)
            }
            Kind::Denied => self.denied(batch),
            Kind::Busy => Step::Later,
            Kind::Impossible => Step::Rest,
        }
    }

    /// Some hosts of a batch that failed are to be looked up, or it is halved because they were.
    fn doubt(&mut self, batch: &[Host], failure: &Failure) -> Step {
        if self.is_halving && batch.len() > 1 {
            self.length = (batch.len() / 2).max(1);
            return Step::GoOn;
        }
        let all = || batch.iter().map(|host| &host.name);
        let named = named(&failure.text, all());
        let is_full = self.is_full() && batch.iter().all(only_creates);
        let is_named = self.believes_names && batch.len() > 1 && !named.is_empty() && !is_full;
        self.believes_names = false;
        let looked_up = if is_named { named } else { all().collect() };
        self.lookups.extend(looked_up.into_iter().cloned());
        let blamed = if is_full || batch.len() == 1 { batch.to_vec() } else { Vec::new() };
        self.doubt = Some(Doubt { failure: failure.clone(), size: batch.len(), blamed, is_named });
        Step::GoOn
    }

    /// The role was denied a batch: one host goes alone, then another. If both are denied, it is the
    /// role; else it is a host, and halving finds it.
    fn denied(&mut self, batch: &[Host]) -> Step {
        let is_allowed = std::mem::replace(&mut self.is_allowed, false);
        match batch {
            [alone] if self.denied.is_none() => {
                self.suspects.insert(alone.name.clone());
                self.denied = Some(alone.name.clone());
                self.alone.pop_front();
                self.length = 1;
                Step::GoOn
            }
            [alone] => {
                self.suspects.insert(alone.name.clone());
                self.denied = None;
                self.length = 1;
                Step::Rest
            }
            _ => {
                self.length = if is_allowed { batch.len() / 2 } else { 1 };
                Step::GoOn
            }
        }
    }

    /// Hosts were looked up: each with whether something was found that the table did not know.
    pub(crate) fn looked_up(&mut self, hosts: &[(HostName, bool)]) {
        for (host, _) in hosts {
            self.lookups.remove(host);
            self.refused.remove(host);
            self.suspects.remove(host);
        }
        let Some(doubt) = self.doubt.take() else { return };
        if hosts.iter().any(|(_, is_new)| *is_new) {
            return;
        }
        if !doubt.blamed.is_empty() {
            self.blame(&doubt);
        } else if doubt.is_named && doubt.failure.kind == Kind::Refused {
            self.alone.extend(hosts.iter().map(|(host, _)| host.clone()));
        } else {
            self.is_halving = doubt.failure.kind == Kind::Refused;
            self.length = (doubt.size / 2).max(1);
        }
    }

    /// Route 53 has refused hosts that are as the table knows them.
    fn blame(&mut self, doubt: &Doubt) {
        if doubt.failure.kind == Kind::Refused && doubt.blamed.iter().all(only_creates) {
            self.refused_alone += doubt.blamed.len();
            if self.is_full() {
                (self.length, self.is_halving) = (LONGEST, false);
            }
        }
    }
}

/// Puts hosts that have a record in front of those that have none, and gives the most hosts of a batch in which they are
/// not mixed.
fn apart(hosts: &mut [Host], most: usize) -> usize {
    hosts.sort_by_key(only_creates);
    let with_record = hosts.partition_point(|host| !only_creates(host));
    if with_record == 0 { most } else { most.min(with_record) }
}

/// Whether a host would be sent as it was. If another publisher has changed what is known of it meanwhile, a
/// refusal says nothing of it any more.
fn is_sent_alike(sent: &Host, host: &Host) -> bool {
    let content = |host: &Host| (host.item.version, host.item.published.clone());
    sent.name == host.name && content(sent) == content(host)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use fastrand::Rng;

    use super::*;
    use crate::publisher::testing::pending;

    /// So many pending hosts.
    fn hosts(count: usize) -> Vec<Host> {
        (0..count).map(|number| pending(&format!("h{number}"), "60 192.0.2.1", "60 192.0.2.7")).collect()
    }

    /// A failure.
    fn failure(kind: Kind, text: &str) -> Failure {
        Failure { kind, text: text.to_owned() }
    }

    /// Plays a zone with these pending hosts until none is left: what Route 53 says to a batch, and
    /// whether a lookup finds something new. How each host ended, and the calls that it took.
    fn play(
        mut pending: Vec<Host>,
        mut answer: impl FnMut(&[Host]) -> Result<(), Failure>,
        mut is_new: impl FnMut(&HostName) -> bool,
    ) -> (Vec<(String, String)>, usize) {
        let (mut course, mut ends, mut calls) = (Course::new(), Vec::new(), 0);
        while !pending.is_empty() && calls < 1000 {
            let build = course.build(pending.iter().take(500).cloned().collect());
            if course.is_denied_all(&build) {
                ends.push(("zone".to_owned(), "rests".to_owned()));
                break;
            }
            if !build.lookups.is_empty() {
                calls += 1;
                let found: Vec<_> = build.lookups.iter().map(|host| (host.name.clone(), is_new(&host.name))).collect();
                for (host, (_, is_new)) in build.lookups.iter().zip(&found) {
                    if let Some(refusal) = course.refusal(host).filter(|_| !is_new) {
                        ends.push((host.name.to_string(), refusal.to_owned()));
                        pending.retain(|other| other.name != host.name);
                    }
                }
                course.looked_up(&found);
            }
            if build.batch.is_empty() {
                continue;
            }
            calls += 1;
            let step = match answer(&build.batch) {
                Ok(()) => course.taken(&build.batch),
                Err(failure) => course.failed(&build.batch, &failure),
            };
            match step {
                Step::Mark => {
                    ends.extend(build.batch.iter().map(|host| (host.name.to_string(), "published".to_owned())));
                    pending.retain(|host| !build.batch.contains(host));
                }
                Step::GoOn | Step::Later => {}
                Step::Rest => {
                    ends.push(("zone".to_owned(), "rests".to_owned()));
                    break;
                }
            }
        }
        (ends, calls)
    }

    /// Whether a batch has that host.
    fn has(batch: &[Host], name: &str) -> bool {
        batch.iter().any(|host| host.name.as_str() == format!("{name}.example.org"))
    }

    #[test]
    fn a_host_that_is_refused_alone_is_found_and_all_others_are_published() {
        let refused = failure(Kind::Refused, "no");
        let naming = failure(Kind::Refused, "no: h77.example.org.");
        for (what, failure, most) in [("names nobody", refused, 40), ("names it", naming, 5)] {
            let answer = |batch: &[Host]| if has(batch, "h77") { Err(failure.clone()) } else { Ok(()) };
            let (ends, calls) = play(hosts(500), answer, |_| false);
            assert_eq!(ends.len(), 500, "{what}");
            assert!(ends.contains(&("h77.example.org".to_owned(), failure.text.clone())), "{what}");
            assert!(calls <= most, "{what}: {calls}");
        }
    }

    #[test]
    fn several_that_are_in_the_way_take_few_calls_even_if_only_two_are_named() {
        let mut wrong: BTreeSet<String> = (0..200).map(|number| format!("h{number}.example.org")).collect();
        let shared = std::cell::RefCell::new(&mut wrong);
        let answer = |batch: &[Host]| {
            let wrong = shared.borrow();
            let named: Vec<_> = batch.iter().filter(|host| wrong.contains(host.name.as_str())).take(2).collect();
            let text = named.iter().map(|host| format!("'{}.'", host.name)).collect::<Vec<_>>().join(" ");
            if named.is_empty() { Ok(()) } else { Err(failure(Kind::Refused, &text)) }
        };
        let (ends, calls) = play(hosts(500), answer, |host| shared.borrow_mut().remove(host.as_str()));
        assert!(ends.iter().all(|(_, end)| end == "published"), "{ends:?}");
        assert!(ends.len() == 500 && calls <= 6, "refused, two looked up, refused, all looked up, taken: {calls}");
    }

    #[test]
    fn a_zone_that_is_full_holds_up_nobody_who_has_a_record() {
        for count in [FULL, 100, 2000] {
            let new = |number| pending(&format!("n{number}"), "", "60 192.0.2.7");
            let pending = (0..count).map(new).chain(hosts(3)).collect();
            let (mut batches, mut moved) = (0, None);
            let answer = |batch: &[Host]| {
                batches += 1;
                if batch.iter().any(only_creates) {
                    return Err(failure(Kind::Refused, "no more records"));
                }
                moved = Some(batches);
                Ok(())
            };
            let (ends, calls) = play(pending, answer, |_| false);
            let refused = ends.iter().filter(|(_, end)| end == "no more records").count();
            assert_eq!((refused, ends.len()), (count, count + 3), "{count}");
            assert!(moved.is_some_and(|moved| moved < 40) && calls < 70, "{count}: {moved:?}, {calls}");
        }
    }

    #[test]
    fn a_zone_that_has_room_again_takes_new_hosts_again() {
        let new: Vec<_> = (0..20).map(|number| pending(&format!("n{number}"), "", "60 192.0.2.7")).collect();
        let mut course = Course { refused_alone: FULL, ..Course::new() };
        let build = course.build(new.clone());
        assert_eq!(build.batch, new);
        course.taken(&new);
        // A refusal is held against one host again.
        course.failed(&new, &failure(Kind::Refused, "no"));
        assert_eq!(course.refusal(&new[0]), None);
    }

    #[test]
    fn a_role_that_is_denied_two_hosts_alone_lets_the_zone_rest() {
        for count in [1, 2, 3, 500] {
            let (ends, calls) = play(hosts(count), |_| Err(failure(Kind::Denied, "AccessDenied")), |_| false);
            assert_eq!(ends, [("zone".to_owned(), "rests".to_owned())], "{count}");
            assert!(calls <= 4, "{count}: {calls}");
        }
    }

    #[test]
    fn hosts_that_the_role_may_not_change_hold_up_no_others_for_long() {
        for count in [1, 2, 3, 10] {
            let (mut course, mut pending, mut published) = (Course::new(), hosts(30), 0);
            let forbidden = hosts(count);
            for _tick in 0..=count {
                loop {
                    let build = course.build(pending.clone());
                    let found: Vec<_> = build.lookups.iter().map(|host| (host.name.clone(), false)).collect();
                    pending.retain(|host| !build.lookups.contains(host));
                    course.looked_up(&found);
                    if build.batch.is_empty() {
                        break;
                    }
                    let is_forbidden = build.batch.iter().any(|host| forbidden.contains(host));
                    let denied = failure(Kind::Denied, "AccessDenied");
                    match if is_forbidden { course.failed(&build.batch, &denied) } else { course.taken(&build.batch) } {
                        Step::Mark => {
                            published += build.batch.len();
                            pending.retain(|host| !build.batch.contains(host));
                        }
                        Step::GoOn | Step::Later => {}
                        Step::Rest => break,
                    }
                }
                course = course.without_denial();
            }
            assert_eq!(published, 30 - count, "{count}");
        }
    }

    #[test]
    fn a_zone_that_rested_because_of_its_only_host_tries_that_again() {
        let (mut course, one) = (Course::new(), hosts(1));
        assert_eq!(course.failed(&one, &failure(Kind::Denied, "AccessDenied")), Step::GoOn);
        let build = course.build(one.clone());
        assert!(course.is_denied_all(&build));
        let mut course = course.without_denial();
        assert_eq!(course.build(one.clone()).batch, one);
        // Nor is it blamed for another one that is allowed by then.
        assert_eq!((course.taken(&one), course.refusal(&one[0])), (Step::Mark, None));
    }

    #[test]
    fn a_host_that_the_role_may_not_change_is_left_alone_and_all_others_are_published() {
        for denied in ["h0", "h1", "h250", "h499"] {
            let answer =
                |batch: &[Host]| if has(batch, denied) { Err(failure(Kind::Denied, "AccessDenied")) } else { Ok(()) };
            let (ends, calls) = play(hosts(500), answer, |_| false);
            let published = ends.iter().filter(|(_, end)| end == "published").count();
            assert_eq!((published, ends.len()), (499, 500), "{denied}");
            assert!(calls < 60, "{denied}: {calls}");
        }
    }

    #[test]
    fn a_batch_without_an_answer_is_looked_up_and_comes_smaller_if_nothing_was_found() {
        let mut sizes = Vec::new();
        let answer = |batch: &[Host]| {
            sizes.push(batch.len());
            if batch.len() > 100 { Err(failure(Kind::Unknown, "no answer: h1.example.org.")) } else { Ok(()) }
        };
        let (ends, _) = play(hosts(500), answer, |_| false);
        assert_eq!(ends.len(), 500);
        assert_eq!(sizes[..4], [500, 250, 250, 125]);
        // A single host is never given up because nothing is heard.
        let mut course = Course::new();
        let one = hosts(1);
        assert_eq!(course.failed(&one, &failure(Kind::Unknown, "no answer")), Step::GoOn);
        assert_eq!(course.refusal(&one[0]), None);
        assert_eq!(course.build(one.clone()).lookups, one);
    }

    #[test]
    fn a_refusal_is_held_against_the_host_that_was_sent_alone_as_it_was_sent() {
        let mut course = Course::new();
        let [refused, other] = hosts(2).try_into().unwrap();
        // Its mark was refused, so it is looked up as well.
        course.look_up(other.name.clone());
        course.failed(std::slice::from_ref(&refused), &failure(Kind::Refused, "the values do not match"));
        assert_eq!(course.refusal(&refused), Some("the values do not match"));
        assert_eq!(course.refusal(&other), None);
        // Another publisher has adopted what is there, or has sent it; a router has asked again.
        let adopted = pending("h0", "60 192.0.2.2", "60 192.0.2.7");
        let mut newer = refused.clone();
        newer.item.version += 1;
        for changed in [adopted, newer] {
            assert_eq!((&changed.name, course.refusal(&changed)), (&refused.name, None));
        }
    }

    #[test]
    fn a_zone_at_rest_remembers_no_host() {
        let mut course = Course::new();
        course.failed(&hosts(8), &failure(Kind::Refused, "no"));
        course.looked_up(&hosts(8).into_iter().map(|host| (host.name, false)).collect::<Vec<_>>());
        course.look_up(hosts(1).remove(0).name);
        let build = course.at_rest().build(hosts(8));
        assert_eq!((build.batch.len(), build.lookups.len()), (4, 0), "only how long a batch may be");
    }

    #[test]
    fn a_busy_route_53_and_one_that_cannot_be_asked_change_nothing() {
        for (kind, step) in [(Kind::Busy, Step::Later), (Kind::Impossible, Step::Rest)] {
            let mut course = Course::new();
            assert_eq!(course.failed(&hosts(3), &failure(kind, "h1.example.org.")), step);
            assert_eq!(course.build(hosts(3)).batch.len(), 3);
        }
    }

    #[test]
    fn whatever_route_53_answers_every_host_ends_or_the_zone_rests() {
        for seed in 0..2000 {
            let mut random = Rng::with_seed(seed);
            let count = random.usize(1..40);
            let trouble = random.u8(0..90);
            let mut mood = random.fork();
            let mut left = 150;
            let answer = |batch: &[Host]| {
                // After a while all is well.
                left -= 1;
                if left < 0 || mood.u8(0..100) >= trouble {
                    return Ok(());
                }
                let kinds = [Kind::Refused, Kind::Refused, Kind::Unknown, Kind::Denied, Kind::Busy];
                let kind = *mood.choice(&kinds).unwrap();
                let text = format!("{}.", batch[mood.usize(..batch.len())].name);
                Err(failure(kind, if mood.bool() { &text } else { "" }))
            };
            let (ends, calls) = play(hosts(count), answer, |_| random.u8(0..3) == 0);
            let names: BTreeSet<_> = ends.iter().map(|(name, _)| name).collect();
            assert_eq!(names.len(), ends.len(), "{seed}: a host ends once");
            assert!(ends.len() == count || ends.last().is_some_and(|(name, _)| name == "zone"), "{seed}: {ends:?}");
            assert!(calls < 1000, "{seed}");
        }
    }
}
