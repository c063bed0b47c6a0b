//! Whether what clients saw of one record set can be put in one order. The check knows nothing of
//! the zone's own log: only who asked for what, what each was told and when, and how the record set
//! was at first and in the end.

use std::{
    collections::{BTreeSet, HashSet},
    net::IpAddr,
};

/// What a record set was seen to be; its TTL only where that is known.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Value {
    /// Seconds.
    pub(crate) ttl: Option<u32>,
    /// None, if there is no record set.
    pub(crate) addresses: BTreeSet<IpAddr>,
}

/// Something that a request did to a record set at one moment.
#[derive(Clone, Debug)]
pub(crate) struct Operation {
    /// Not before this.
    pub(crate) from: usize,
    /// Not after this; [`usize::MAX`] where it may come at any time.
    pub(crate) until: usize,
    /// What it did.
    pub(crate) effect: Effect,
}

/// What an operation does.
#[derive(Clone, Debug)]
pub(crate) enum Effect {
    /// It was this.
    Saw(Value),
    /// It became this.
    Wrote(Value),
    /// It may have become one of these, once, or not.
    MayHaveWritten(Vec<Value>),
}

/// Whether there is an order that explains all of it.
pub(crate) fn is_linearizable(first: &Value, last: &Value, operations: &[Operation]) -> bool {
    assert!(operations.len() <= 128, "the set of operations is a number");
    Search { operations, last, seen: HashSet::new() }.goes_on(0, first)
}

/// A search for the order, after Wing and Gong.
struct Search<'a> {
    /// All of them.
    operations: &'a [Operation],
    /// What must come out.
    last: &'a Value,
    /// States that led nowhere: what was done, and the value then.
    seen: HashSet<(u128, Value)>,
}

impl Search<'_> {
    /// Whether the rest can follow where these were done and it came to this.
    fn goes_on(&mut self, done: u128, value: &Value) -> bool {
        if !self.seen.insert((done, value.clone())) {
            return false;
        }
        let is_open = |index: &usize| done & (1 << index) == 0;
        let must = |index: &usize| !matches!(self.operations[*index].effect, Effect::MayHaveWritten(_));
        let open: Vec<usize> = (0..self.operations.len()).filter(is_open).collect();
        let due = open.iter().filter(|index| must(index)).map(|index| self.operations[*index].until).min();
        // Whatever comes next has begun before anything that is not done had to end.
        let ready = |index: &&usize| due.is_none_or(|due| self.operations[**index].from <= due);
        let ready: Vec<usize> = open.iter().filter(ready).copied().collect();
        // What may have been written matters only where it is seen: so it comes right before that.
        let mut writes: Vec<(usize, &[Value])> = ready
            .iter()
            .filter(|index| !self.is_over(**index, done))
            .filter_map(|index| match &self.operations[*index].effect {
                Effect::MayHaveWritten(candidates) => Some((*index, candidates.as_slice())),
                Effect::Saw(_) | Effect::Wrote(_) => None,
            })
            .collect();
        // Of those that can have written one and the same thing only, the first that is over serves as well as any.
        writes.sort_by_key(|(index, _)| self.operations[*index].until);
        let mut alike = HashSet::new();
        writes.retain(|(_, candidates)| candidates.len() > 1 || alike.insert(*candidates));
        let may: Vec<(usize, &Value)> = writes
            .into_iter()
            .flat_map(|(index, candidates)| candidates.iter().map(move |value| (index, value)))
            .collect();
        if due.is_none() {
            return value.fits(self.last) || may.iter().any(|(_, value)| value.fits(self.last));
        }
        for index in ready {
            let done = done | 1 << index;
            let next: Vec<(u128, Value)> = match &self.operations[index].effect {
                Effect::Saw(seen) => {
                    let written = may.iter().map(|(written, value)| (done | 1 << written, *value));
                    let seen_now = written.chain([(done, value)]).filter(|(_, value)| value.fits(seen));
                    seen_now.map(|(done, value)| (done, value.clone().with_ttl_of(seen))).collect()
                }
                Effect::Wrote(wanted) => vec![(done, wanted.clone())],
                Effect::MayHaveWritten(_) => Vec::new(),
            };
            if next.iter().any(|(done, value)| self.goes_on(*done, value)) {
                return true;
            }
        }
        false
    }

    /// Whether an operation is over: something is done that began only after it had ended.
    fn is_over(&self, index: usize, done: u128) -> bool {
        let until = self.operations[index].until;
        self.operations.iter().enumerate().any(|(other, operation)| done & (1 << other) != 0 && operation.from > until)
    }
}

impl Value {
    /// Whether both may be the same.
    fn fits(&self, other: &Self) -> bool {
        let ttl = self.ttl.zip(other.ttl).is_none_or(|(ttl, other)| ttl == other);
        self.addresses == other.addresses && (ttl || self.addresses.is_empty())
    }

    /// The same, with what the other knows of the TTL.
    fn with_ttl_of(self, other: &Self) -> Self {
        Self { ttl: self.ttl.or(other.ttl), ..self }
    }
}
