//! The answer to a question: which records, and which code.

use std::iter;

use hickory_server::{
    proto::{
        op::{OpCode, ResponseCode},
        rr::{
            DNSClass, Name, RData, Record, RecordType,
            rdata::{NS, SOA, TXT},
        },
    },
    zone_handler::MessageRequest,
};

use crate::{
    dns::{
        name_server::NameServer,
        soa::{self, EXPIRE, NS_TTL, REFRESH, RETRY, SOA_TTL},
    },
    problem::Problem,
    protocol::{address::Family, zone::Zone},
    store::embedded::{Embedded, Key, Records, Snapshot},
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
    /// The addresses of the name server, if the records are NS.
    pub(super) additionals: Vec<Record>,
}

impl Answer {
    /// A code and no record.
    pub(super) fn nothing(code: ResponseCode) -> Self {
        Self { code, authoritative: false, answers: Vec::new(), authority: None, additionals: Vec::new() }
    }
}

/// The answer to a message.
///
/// # Errors
///
/// If the store cannot be read.
pub(super) fn answer(request: &MessageRequest, store: &Embedded, name_server: &NameServer) -> Result<Answer, Problem> {
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
    let asked = query.original().name();
    let name = Key::of_labels(asked.iter().rev());
    let Some(zone) = store.zone_holding(&name) else { return Ok(Answer::nothing(ResponseCode::Refused)) };
    let apex = asked.trim_to(zone.name.labels().count());
    InZone { zone, apex, name_server, snapshot: store.snapshot()? }.answer(asked, &name, query.query_type())
}

/// The zone of a question.
struct InZone<'a> {
    /// The zone.
    zone: &'a Zone,
    /// Its apex, in the client's own upper and lower case, which some resolvers insist on.
    apex: Name,
    /// The name server of the zone.
    name_server: &'a NameServer,
    /// The records.
    snapshot: Snapshot<'a>,
}

impl InZone<'_> {
    /// The answer to a question for a name within the zone. It repeats the name in the client's case.
    fn answer(&self, asked: &Name, name: &Key, kind: RecordType) -> Result<Answer, Problem> {
        let records = self.name_server.answer(&self.snapshot, name)?;
        let code = if records.is_some() { ResponseCode::NoError } else { ResponseCode::NXDomain };
        let of = |family| records.as_ref().map(|records| addresses(asked, records, family)).unwrap_or_default();
        let at_apex = *name == Key::from(&self.zone.name);
        let mut additionals = Vec::new();
        let answers = match kind {
            RecordType::A => of(Family::V4),
            RecordType::AAAA => of(Family::V6),
            RecordType::TXT => texts(asked, records.as_ref()),
            RecordType::SOA if at_apex => vec![self.soa()?],
            RecordType::NS if at_apex => {
                additionals = self.name_server_addresses()?;
                vec![self.ns()?]
            }
            // RFC 8482 §4.1: "A DNS responder that receives an ANY query MAY decline to provide a
            // conventional ANY response or, instead, MAY send a response with a single RRset".
            RecordType::ANY => {
                let texts = || texts(asked, records.as_ref());
                let sets = Family::BOTH.into_iter().map(of).chain(iter::once_with(texts));
                match sets.into_iter().find(|answers| !answers.is_empty()) {
                    Some(answers) => answers,
                    None if at_apex => vec![self.soa()?],
                    None => Vec::new(),
                }
            }
            _ => Vec::new(),
        };
        let authority = if answers.is_empty() { Some(self.soa()?) } else { None };
        Ok(Answer { code, authoritative: true, answers, authority, additionals })
    }

    /// The SOA record.
    fn soa(&self) -> Result<Record, Problem> {
        let name_server = self.name(self.name_server.name(self.zone).as_str())?;
        let mailbox = self.name(&soa::mailbox(self.zone))?;
        let serial = self.snapshot.serial(self.zone)?;
        let soa = SOA::new(name_server, mailbox, serial, REFRESH, RETRY, EXPIRE, SOA_TTL);
        Ok(Record::from_rdata(self.apex.clone(), SOA_TTL, RData::SOA(soa)))
    }

    /// The NS record.
    fn ns(&self) -> Result<Record, Problem> {
        let name_server = self.name(self.name_server.name(self.zone).as_str())?;
        Ok(Record::from_rdata(self.apex.clone(), NS_TTL, RData::NS(NS(name_server))))
    }

    /// The address records of the name server, if they are ours.
    fn name_server_addresses(&self) -> Result<Vec<Record>, Problem> {
        let host = self.name_server.name(self.zone);
        let name = self.name(host.as_str())?;
        let records = self.name_server.answer(&self.snapshot, &Key::from(&host))?.unwrap_or_default();
        Ok(Family::BOTH.into_iter().flat_map(|family| addresses(&name, &records, family)).collect())
    }

    /// A name for a message.
    fn name(&self, name: &str) -> Result<Name, Problem> {
        let name = Name::from_ascii(name).map(|mut name| {
            name.set_fqdn(true);
            name
        });
        name.map_err(|error| Problem(format!("{}: {error}", self.zone.name)))
    }
}

/// The address records of one family.
fn addresses(name: &Name, records: &Records, family: Family) -> Vec<Record> {
    let Some(set) = records.of(family) else { return Vec::new() };
    let record = |address| Record::from_rdata(name.clone(), set.ttl, RData::from(address));
    set.addresses.iter().copied().map(record).collect()
}

/// The TXT records of a name, in the order they were written.
fn texts(name: &Name, records: Option<&Records>) -> Vec<Record> {
    let Some(set) = records.and_then(Records::texts) else { return Vec::new() };
    let record = |text: &String| Record::from_rdata(name.clone(), set.ttl, RData::TXT(TXT::new(vec![text.clone()])));
    set.texts.iter().map(record).collect()
}
