//! The answer to a question: which records, and which code.

use hickory_server::{
    proto::{
        ProtoError,
        op::{OpCode, ResponseCode},
        rr::{
            DNSClass, Name, RData, Record, RecordType,
            rdata::{NS, SOA},
        },
    },
    zone_handler::MessageRequest,
};

use crate::{
    dns::soa::{self, EXPIRE, NS_TTL, REFRESH, RETRY, SOA_TTL},
    problem::Problem,
    protocol::{address::Family, zone::Zone},
    store::embedded::{Embedded, Key, Records},
};

/// An answer, without what it repeats of the question.
#[derive(Debug)]
pub(super) struct Answer {
    /// The response code.
    pub(super) code: ResponseCode,
    /// Whether the name belongs to one of our zones.
    pub(super) authoritative: bool,
    /// The records of the name.
    pub(super) answers: Vec<Record>,
    /// The SOA of the zone, if there are no records.
    pub(super) authority: Option<Record>,
}

impl Answer {
    /// A code and no record.
    pub(super) fn nothing(code: ResponseCode) -> Self {
        Self { code, authoritative: false, answers: Vec::new(), authority: None }
    }
}

/// The answer to a message.
///
/// # Errors
///
/// If the store cannot be read.
pub(super) fn answer(request: &MessageRequest, store: &Embedded) -> Result<Answer, Problem> {
    if request.version() > 0 {
        return Ok(Answer::nothing(ResponseCode::BADVERS));
    }
    if request.metadata.op_code != OpCode::Query {
        return Ok(Answer::nothing(ResponseCode::NotImp));
    }
    let [query] = request.queries.queries() else { return Ok(Answer::nothing(ResponseCode::FormErr)) };
    let refused = matches!(query.query_type(), RecordType::AXFR | RecordType::IXFR);
    if refused || query.query_class() != DNSClass::IN {
        return Ok(Answer::nothing(ResponseCode::Refused));
    }
    let asked = query.original();
    let name = Key::of_labels(asked.name().iter().rev());
    match store.zone_holding(&name) {
        Some(zone) => in_zone(store, zone, asked.name(), &name, asked.query_type()),
        None => Ok(Answer::nothing(ResponseCode::Refused)),
    }
}

/// The answer to a question for a name within a zone. It repeats the name in the client's own upper
/// and lower case, which some resolvers insist on.
fn in_zone(store: &Embedded, zone: &Zone, asked: &Name, name: &Key, kind: RecordType) -> Result<Answer, Problem> {
    let snapshot = store.snapshot()?;
    let records = snapshot.answer(name)?;
    let code = if records.is_some() { ResponseCode::NoError } else { ResponseCode::NXDomain };
    let no_record = |error: ProtoError| Problem(format!("{}: {error}", zone.name));
    let soa = || {
        let apex = asked.trim_to(zone.name.labels().count());
        soa(zone, apex, snapshot.serial(zone)?).map_err(no_record)
    };
    let of = |family| records.as_ref().map(|records| addresses(asked, records, family)).unwrap_or_default();
    let at_apex = *name == Key::from(&zone.name);
    let answers = match kind {
        RecordType::A => of(Family::V4),
        RecordType::AAAA => of(Family::V6),
        RecordType::SOA if at_apex => vec![soa()?],
        RecordType::NS if at_apex => vec![ns(zone, asked).map_err(no_record)?],
        // RFC 8482 §4.1: "A DNS responder that receives an ANY query MAY decline to provide a
        // conventional ANY response or, instead, MAY send a response with a single RRset".
        RecordType::ANY => match Family::BOTH.into_iter().map(of).find(|answers| !answers.is_empty()) {
            Some(answers) => answers,
            None if at_apex => vec![soa()?],
            None => Vec::new(),
        },
        _ => Vec::new(),
    };
    let authority = if answers.is_empty() { Some(soa()?) } else { None };
    Ok(Answer { code, authoritative: true, answers, authority })
}

/// The address records of one family.
fn addresses(name: &Name, records: &Records, family: Family) -> Vec<Record> {
    let Some(set) = records.of(family) else { return Vec::new() };
    let record = |address| Record::from_rdata(name.clone(), set.ttl, RData::from(address));
    set.addresses.iter().copied().map(record).collect()
}

/// A zone's SOA record.
fn soa(zone: &Zone, apex: Name, serial: u32) -> Result<Record, ProtoError> {
    let name_server = Name::from_ascii(soa::name_server(zone))?;
    let mailbox = Name::from_ascii(soa::mailbox(zone))?;
    let soa = SOA::new(name_server, mailbox, serial, REFRESH, RETRY, EXPIRE, SOA_TTL);
    Ok(Record::from_rdata(apex, SOA_TTL, RData::SOA(soa)))
}

/// A zone's NS record.
fn ns(zone: &Zone, apex: &Name) -> Result<Record, ProtoError> {
    Ok(Record::from_rdata(apex.clone(), NS_TTL, RData::NS(NS(Name::from_ascii(soa::name_server(zone))?))))
}
