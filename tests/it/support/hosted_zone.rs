//! A hosted zone as Route 53 keeps it: what it holds, in which order it lists it, and what it
//! refuses. Plain values without I/O; the fake's HTTP API is in `fake_route53.rs`.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    net::{Ipv4Addr, Ipv6Addr},
};

/// A hosted zone.
#[derive(Clone)]
pub(crate) struct HostedZone {
    /// Its name, canonical.
    name: String,
    /// All of them, in Route 53's order.
    record_sets: BTreeMap<Place, RecordSet>,
    /// What it was made with: NS and SOA of the apex.
    made_with: BTreeMap<Place, RecordSet>,
}

/// The place of a record set in a zone. No two have the same place, and the order is Route 53's.
///
/// API reference of `ListResourceRecordSets`: "sorts results first by DNS name with the labels
/// reversed, for example `com.example.www.` Note the trailing dot, which can change the sort
/// order", and then "by the record type".
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    /// The name with its labels reversed and a dot at the end.
    reversed: String,
    /// The type, such as `A`.
    record_type: String,
    /// The set identifier, if there is one.
    identifier: Option<String>,
}

/// A record set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RecordSet {
    /// The name; canonical once it is in a zone.
    pub(crate) name: String,
    /// The type, such as `A`.
    pub(crate) record_type: String,
    /// The set identifier of a weighted record set; the only routing policy here.
    pub(crate) identifier: Option<String>,
    /// What it says.
    pub(crate) content: Content,
}

/// What a record set says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Content {
    /// TTL and values.
    Records {
        /// Seconds.
        ttl: i64,
        /// The values as they were written.
        values: Vec<String>,
    },
    /// What the target says.
    Alias {
        /// The target's name.
        target: String,
    },
}

/// One change of a batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Change {
    /// What is done.
    pub(crate) action: Action,
    /// To which record set.
    pub(crate) record_set: RecordSet,
}

/// What a change does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    /// Makes a record set that is not there.
    Create,
    /// Makes a record set or replaces it.
    Upsert,
    /// Removes a record set that is there to the letter.
    Delete,
}

/// Why a request is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// `InvalidInput`: the request itself makes no sense.
    InvalidInput(String),
    /// `InvalidChangeBatch`: the zone does not take it. One message for each reason.
    InvalidChangeBatch(Vec<String>),
}

/// The most `ResourceRecord` elements of a batch; those of an UPSERT count twice.
const MAX_RECORDS: usize = 1000;
/// The most characters of all values of a batch; those of an UPSERT count twice.
const MAX_CHARACTERS: usize = 32_000;
/// The largest TTL.
const MAX_TTL: i64 = 2_147_483_647;

impl HostedZone {
    /// A zone of that name with nothing but SOA and NS.
    pub(crate) fn new(name: &str) -> Self {
        let name = canonical(name).unwrap_or_else(|problem| panic!("{problem}"));
        let made_with = [
            "172800 NS ns-1.example.net. ns-2.example.net.",
            "900 SOA ns-1.example.net. hostmaster.example.net. 1 7200 900 1209600 86400",
        ];
        let made_with: BTreeMap<_, _> = made_with
            .iter()
            .map(|rest| RecordSet::parse(&format!("{name} {rest}")).expect("a record set"))
            .map(|record_set| (record_set.place(), record_set))
            .collect();
        Self { name, record_sets: made_with.clone(), made_with }
    }

    /// Adds a record set written as [`RecordSet::parse`] reads it.
    ///
    /// # Errors
    ///
    /// What is wrong with the line, or why a real zone could not hold it.
    pub(crate) fn put(&mut self, line: &str) -> Result<(), String> {
        let record_set = RecordSet::parse(line)?;
        let batch = [Change { action: Action::Create, record_set }];
        self.change(&batch).map_err(|refusal| format!("{line}: {refusal:?}"))
    }

    /// Removes the record sets of a name.
    pub(crate) fn remove(&mut self, name: &str) {
        self.record_sets.retain(|_, record_set| record_set.name != name);
    }

    /// All record sets in order, as [`RecordSet::parse`] reads them, without the SOA and NS that
    /// the zone was made with.
    pub(crate) fn lines(&self) -> Vec<String> {
        let untouched = |place, record_set| self.made_with.get(place) == Some(record_set);
        self.record_sets.iter().filter(|(place, set)| !untouched(place, set)).map(|(_, set)| set.to_string()).collect()
    }

    /// The first record sets from a place on, at most `most`, and the place of the one after them.
    pub(crate) fn list(&self, from: &Place, most: usize) -> (Vec<&RecordSet>, Option<&RecordSet>) {
        let mut rest = self.record_sets.range(from..).map(|(_, record_set)| record_set);
        let page = rest.by_ref().take(most).collect();
        (page, rest.next())
    }

    /// Applies a batch as a whole or not at all.
    ///
    /// # Errors
    ///
    /// Why not.
    pub(crate) fn change(&mut self, batch: &[Change]) -> Result<(), Refusal> {
        if batch.is_empty() {
            return Err(Refusal::InvalidInput("Invalid request: Expected at least one change".to_owned()));
        }
        batch.iter().try_for_each(|change| change.record_set.check_form(change.action))?;
        let mut problems = over_limits(batch);
        let mut named_before: BTreeMap<Place, Action> = BTreeMap::new();
        let mut undo: Vec<(Place, Option<RecordSet>)> = Vec::new();
        let mut touched = BTreeSet::new();
        for Change { action, record_set } in batch {
            let record_set = match record_set.canonical() {
                Ok(record_set) => record_set,
                Err(problem) => {
                    problems.push(problem);
                    continue;
                }
            };
            if !is_within(&record_set.name, &self.name) {
                let RecordSet { name, .. } = &record_set;
                problems.push(format!("RRSet with DNS name {name} is not permitted in zone {}", self.name));
                continue;
            }
            problems.extend(record_set.bad_values());
            // A record set may be replaced by DELETE and CREATE; anything else twice is refused.
            match named_before.insert(record_set.place(), *action) {
                None => {}
                Some(Action::Delete) if *action == Action::Create => {}
                Some(_) => problems.push(format!(
                    "The request contains an invalid set of changes for a resource record set '{} {}'",
                    record_set.record_type, record_set.name
                )),
            }
            let place = record_set.place();
            undo.push((place.clone(), self.record_sets.get(&place).cloned()));
            problems.extend(self.apply(*action, &record_set));
            touched.insert(record_set.name);
        }
        problems.extend(touched.iter().flat_map(|name| self.conflicts(name)));
        if problems.is_empty() {
            return Ok(());
        }
        for (place, before) in undo.into_iter().rev() {
            match before {
                Some(record_set) => drop(self.record_sets.insert(place, record_set)),
                None => drop(self.record_sets.remove(&place)),
            }
        }
        Err(Refusal::InvalidChangeBatch(problems))
    }

    /// Makes one change, or says why it cannot be.
    fn apply(&mut self, action: Action, record_set: &RecordSet) -> Option<String> {
        let RecordSet { name, record_type, .. } = record_set;
        let what = format!("resource record set [name='{name}', type='{record_type}']");
        let present = self.record_sets.get(&record_set.place());
        match (action, present) {
            (Action::Create, Some(_)) => Some(format!("Tried to create {what} but it already exists")),
            (Action::Delete, None) => Some(format!("Tried to delete {what} but it was not found")),
            (Action::Delete, Some(present)) if !present.says_the_same(record_set) => {
                Some(format!("Tried to delete {what} but the values provided do not match the current values"))
            }
            (Action::Delete, Some(_)) => {
                self.record_sets.remove(&record_set.place());
                None
            }
            (Action::Create, None) | (Action::Upsert, _) => {
                self.record_sets.insert(record_set.place(), record_set.clone());
                None
            }
        }
    }

    /// What cannot be at a name together.
    fn conflicts(&self, name: &str) -> Vec<String> {
        let from = self.record_sets.range(Place::new(name, "", None)..);
        let sets: Vec<_> = from.map(|(_, record_set)| record_set).take_while(|set| set.name == name).collect();
        let mut problems = Vec::new();
        if sets.iter().any(|set| set.record_type == "CNAME") {
            if name == self.name {
                problems
                    .push(format!("RRSet of type CNAME with DNS name {name} is not permitted at apex in zone {name}"));
            } else if let Some(other) = sets.iter().find(|set| set.record_type != "CNAME") {
                problems.push(format!(
                    "RRSet of type {} with DNS name {name} is not permitted because a conflicting RRSet of type CNAME \
                     with the same DNS name already exists in zone {}",
                    other.record_type, self.name
                ));
            }
        }
        for simple in sets.iter().filter(|set| set.identifier.is_none()) {
            if sets.iter().any(|set| set.record_type == simple.record_type && set.identifier.is_some()) {
                problems.push(format!(
                    "RRSet with DNS name {name}, type {} cannot be created as other RRSets exist with the same name \
                     and type",
                    simple.record_type
                ));
            }
        }
        for record_type in ["SOA", "NS"] {
            if name == self.name && !sets.iter().any(|set| set.record_type == record_type) {
                problems
                    .push(format!("A HostedZone must contain at least one {record_type} record for the zone itself"));
            }
        }
        problems
    }
}

impl Place {
    /// The place of a name, type and identifier; empty ones come before all others.
    pub(crate) fn new(name: &str, record_type: &str, identifier: Option<&str>) -> Self {
        let labels: Vec<_> = name.split('.').rev().filter(|label| !label.is_empty()).collect();
        Self {
            reversed: labels.join(".") + ".",
            record_type: record_type.to_owned(),
            identifier: identifier.map(str::to_owned),
        }
    }
}

impl RecordSet {
    /// Reads `home.example.org. 60 A 192.0.2.1 192.0.2.2` or `home.example.org. ALIAS A TARGET.`,
    /// both with an optional ` @identifier` at the end. A and AAAA (and NS) take several values, TXT
    /// several in quotes with commas between them; any other type has all the rest as one.
    ///
    /// # Errors
    ///
    /// What was expected.
    pub(crate) fn parse(line: &str) -> Result<Self, String> {
        let expected = || format!("`{line}`: expected `NAME. TTL TYPE VALUE`, or `NAME. ALIAS TYPE TARGET.`");
        let (text, identifier) = match line.rsplit_once(" @") {
            Some((text, identifier)) if !identifier.contains(' ') => (text, Some(identifier.to_owned())),
            _ => (line, None),
        };
        let mut words = text.splitn(4, ' ');
        let mut word = || words.next().filter(|word| !word.is_empty()).ok_or_else(expected);
        let (name, ttl, record_type, rest) = (word()?, word()?, word()?, word()?);
        let content = match (ttl, record_type) {
            ("ALIAS", _) => Content::Alias { target: rest.to_owned() },
            (_, "A" | "AAAA" | "NS") => Content::Records {
                ttl: ttl.parse().map_err(|_| expected())?,
                values: rest.split(' ').map(str::to_owned).collect(),
            },
            (_, "TXT") => Content::Records {
                ttl: ttl.parse().map_err(|_| expected())?,
                values: rest.replace("\", \"", "\"\n\"").split('\n').map(str::to_owned).collect(),
            },
            _ => Content::Records { ttl: ttl.parse().map_err(|_| expected())?, values: vec![rest.to_owned()] },
        };
        if !name.ends_with('.') {
            return Err(expected());
        }
        Ok(Self { name: canonical(name)?, record_type: record_type.to_owned(), identifier, content })
    }

    /// Sorts the values of a TXT record set.
    pub(crate) fn sort_texts(&mut self) {
        if let (Content::Records { values, .. }, "TXT") = (&mut self.content, self.record_type.as_str()) {
            values.sort_unstable();
        }
    }

    /// Its place.
    pub(crate) fn place(&self) -> Place {
        Place::new(&self.name, &self.record_type, self.identifier.as_deref())
    }

    /// The name as Route 53 lists it: `*` and the like as octal escapes (Developer Guide, "DNS
    /// domain name format").
    pub(crate) fn listed_name(&self) -> String {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
        self.name
            .bytes()
            .map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("\\{byte:03o}") })
            .collect()
    }

    /// Refuses what has neither records nor a target, or a TTL that is out of bounds.
    fn check_form(&self, action: Action) -> Result<(), Refusal> {
        match &self.content {
            Content::Records { ttl, .. } if !(0..=MAX_TTL).contains(ttl) => Err(Refusal::InvalidInput(format!(
                "1 validation error detected: Value '{ttl}' at \
                 'changeBatch.changes.1.member.resourceRecordSet.tTL' failed to satisfy constraint: Member must \
                 have value between 0 and {MAX_TTL}"
            ))),
            Content::Records { values, .. } if values.is_empty() => Err(Refusal::InvalidInput(format!(
                "Invalid request: Expected exactly one of [AliasTarget, all of [TTL, and ResourceRecords], or \
                 TrafficPolicyInstanceId], but found none in Change with [Action={action:?}, Name={}, Type={}, \
                 SetIdentifier={:?}]",
                self.name, self.record_type, self.identifier
            ))),
            Content::Records { .. } | Content::Alias { .. } => Ok(()),
        }
    }

    /// The same with its name in lower case, unescaped and with a dot at the end.
    fn canonical(&self) -> Result<Self, String> {
        Ok(Self { name: canonical(&self.name)?, ..self.clone() })
    }

    /// A message for every value that does not fit the type.
    fn bad_values(&self) -> Vec<String> {
        let Content::Records { values, .. } = &self.content else { return Vec::new() };
        let mut problems = Vec::new();
        for (index, value) in values.iter().enumerate() {
            let illegal = match self.record_type.as_str() {
                "A" if value.parse::<Ipv4Addr>().is_err() => {
                    Some("ARRDATAIllegalIPv4Address (Value is not a valid IPv4 address)")
                }
                "AAAA" if value.parse::<Ipv6Addr>().is_err() => {
                    Some("AAAARRDATAIllegalIPv6Address (Value is not a valid IPv6 address)")
                }
                "CNAME" | "NS" if canonical(value).is_err() => Some("DomainLabelEmpty (Domain label is empty)"),
                "TXT" if !(value.len() > 1 && value.starts_with('"') && value.ends_with('"')) => {
                    Some("InvalidCharacterString (Value should be enclosed in quotation marks)")
                }
                "MX" if value.split_once(' ').is_none_or(|(order, _)| order.parse::<u16>().is_err()) => {
                    Some("MXRRDATANotTwoFields (MX record doesn't have 2 fields)")
                }
                _ => None,
            };
            if let Some(illegal) = illegal {
                problems
                    .push(format!("Invalid Resource Record: 'FATAL problem: {illegal} encountered with '{value}''"));
            }
            if values[..index].contains(value) {
                problems.push(format!("Duplicate Resource Record: '{value}'"));
            }
        }
        problems
    }

    /// Whether a deletion that says `other` means this one. The order of values means nothing.
    fn says_the_same(&self, other: &Self) -> bool {
        let sorted = |content: &Content| match content {
            Content::Records { ttl, values } => {
                let mut values = values.clone();
                values.sort_unstable();
                Content::Records { ttl: *ttl, values }
            }
            Content::Alias { .. } => content.clone(),
        };
        sorted(&self.content) == sorted(&other.content)
    }
}

impl fmt::Display for RecordSet {
    /// As [`RecordSet::parse`] reads it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.content {
            Content::Records { ttl, values } => {
                let separator = if self.record_type == "TXT" { ", " } else { " " };
                write!(f, "{} {ttl} {} {}", self.name, self.record_type, values.join(separator))?;
            }
            Content::Alias { target } => write!(f, "{} ALIAS {} {target}", self.name, self.record_type)?,
        }
        self.identifier.iter().try_for_each(|identifier| write!(f, " @{identifier}"))
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.action.word(), self.record_set)
    }
}

impl Action {
    /// Its name in a request.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Create => "CREATE",
            Self::Upsert => "UPSERT",
            Self::Delete => "DELETE",
        }
    }

    /// The action of that name.
    pub(crate) fn of(word: &str) -> Option<Self> {
        [Self::Create, Self::Upsert, Self::Delete].into_iter().find(|action| action.word() == word)
    }
}

/// A name in lower case, its escapes decoded, with a dot at the end.
///
/// # Errors
///
/// Route 53's word for what is wrong with it.
pub(crate) fn canonical(name: &str) -> Result<String, String> {
    let fatal = |problem: &str| format!("FATAL problem: {problem} encountered with '{name}'");
    let mut bytes = Vec::new();
    let mut rest = name.as_bytes();
    while let Some((&byte, tail)) = rest.split_first() {
        let escaped =
            tail.get(..3).filter(|digits| byte == b'\\' && digits.iter().all(|digit| (b'0'..b'8').contains(digit)));
        let (byte, tail) = match escaped {
            Some(digits) => {
                (digits.iter().fold(0, |sum: u8, digit| sum.wrapping_mul(8).wrapping_add(digit - b'0')), &tail[3..])
            }
            None => (byte, tail),
        };
        if !(byte.is_ascii_alphanumeric() || b"-_.*".contains(&byte)) {
            return Err(fatal("UnsupportedCharacter (Value contains unsupported characters)"));
        }
        bytes.push(char::from(byte.to_ascii_lowercase()));
        rest = tail;
    }
    let text: String = bytes.into_iter().collect();
    let text = text.strip_suffix('.').unwrap_or(&text);
    if text.split('.').any(str::is_empty) {
        return Err(fatal("DomainLabelEmpty (Domain label is empty)"));
    }
    if text.split('.').any(|label| label.len() > 63) {
        return Err(fatal("DomainLabelTooLong (Domain label is too long)"));
    }
    // RFC 1035 §2.3.4: 255 octets on the wire, which has one more than the text, and the root's.
    if text.len() > 253 {
        return Err(fatal("DomainNameTooLong (Domain name is too long)"));
    }
    Ok(format!("{text}."))
}

/// Whether a name is the zone's or below it.
fn is_within(name: &str, zone: &str) -> bool {
    name.strip_suffix(zone).is_some_and(|left| left.is_empty() || left.ends_with('.'))
}

/// A message for each limit that a batch is over.
fn over_limits(batch: &[Change]) -> Vec<String> {
    let (mut records, mut characters) = (0, 0);
    for Change { action, record_set } in batch {
        let weight = if *action == Action::Upsert { 2 } else { 1 };
        if let Content::Records { values, .. } = &record_set.content {
            records += weight * values.len();
            characters += weight * values.iter().map(|value| value.chars().count()).sum::<usize>();
        }
    }
    let mut problems = Vec::new();
    for (what, count, most) in [("records", records, MAX_RECORDS), ("characters", characters, MAX_CHARACTERS)] {
        if count > most {
            problems.push(format!("Number of {what} limit of {most} exceeded"));
        }
    }
    problems
}
