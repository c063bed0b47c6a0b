//! A fake Route 53 at its HTTP API, below the AWS SDK: `ListResourceRecordSets` and
//! `ChangeResourceRecordSets` of 2013-04-01, as strict as the real one (`hosted_zone.rs`), with
//! faults to order and every call on record. A whole program reaches it through
//! `AWS_ENDPOINT_URL_ROUTE_53`; a gateway in this process needs no socket.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    convert::Infallible,
    fmt,
    future::pending,
    io,
    str::FromStr,
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use aws_config::SdkConfig;
use aws_smithy_runtime_api::client::http::SharedHttpConnector;
use http::{Method, Response, StatusCode, header::AUTHORIZATION};
use tokio::time::{Instant, sleep};

use super::{
    bucket::Bucket,
    fault::{self, Faults, Kinds},
    hosted_zone::{Action, Change, Content, HostedZone, Place, RecordSet, Refusal, canonical},
    http_service::{self, Answer, Server},
    xml,
};

/// A fake Route 53, until it is dropped.
pub(crate) struct FakeRoute53 {
    /// Shared with the connections.
    state: Arc<Mutex<State>>,
    /// Where it listens, if it does.
    server: Option<Server>,
}

/// The operations it has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operation {
    /// `ListResourceRecordSets`.
    List,
    /// `ChangeResourceRecordSets`.
    Change,
}

/// A call that reached it. The SDK's retries are calls too.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Call {
    /// What was called.
    pub(crate) operation: Operation,
    /// The id of the zone.
    pub(crate) zone: String,
    /// The name that a list was to start at, or the changes as `UPSERT home.example.org. 60 A …`.
    pub(crate) about: Vec<String>,
    /// How it failed, by order or because the service was busy, if it did.
    pub(crate) fault: Option<Fault>,
}

/// A way to fail.
pub(crate) type Fault = fault::Fault<Kind>;

/// What the caller of a failing call sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// 400 `Throttling`.
    Throttle,
    /// 400 `PriorRequestNotComplete`.
    PriorRequest,
    /// 400 `InvalidChangeBatch`, as the service writes it.
    InvalidBatch,
    /// 400 `InvalidChangeBatch`, as the API reference writes it: a root element of its own.
    InvalidBatchMessages,
    /// 403 `AccessDenied`.
    AccessDenied,
    /// 404 `NoSuchHostedZone`.
    NoSuchZone,
    /// 500 `InternalError`.
    ServerError,
    /// No answer at all.
    Hang,
    /// The connection is reset.
    Reset,
    /// 200 with bytes that are not XML.
    Garbage,
}

/// What it holds and what it was ordered to do.
struct State {
    /// By their ids.
    zones: BTreeMap<String, HostedZone>,
    /// Faults to come.
    faults: Faults<Operation, Kind>,
    /// Those that nobody has asked for yet.
    calls: Vec<Call>,
    /// The most record sets of a page, however many are asked for.
    page: usize,
    /// Batches applied so far.
    changes: u32,
    /// Changes by hand so far.
    edits: u32,
    /// How long it works on a batch, and on each change of it besides.
    work: (Duration, Duration),
    /// Until when it works on a batch of a zone.
    busy_until: BTreeMap<String, Instant>,
    /// The calls that the account may make, if there is a limit.
    bucket: Option<Bucket>,
    /// The calls of each operation that the account may make, if there is a limit.
    buckets: Option<[Bucket; 2]>,
    /// The changes that the account may make, if there is a limit.
    change_bucket: Option<Bucket>,
    /// What a refusal names.
    naming: Naming,
    /// How many calls of each operation there were, those that were throttled included.
    made: [u64; 2],
    /// Whether each call is kept.
    keeps_calls: bool,
    /// What is noted of the calls.
    noted: Noted,
    /// Names that no batch may have.
    refused: BTreeSet<String>,
    /// How long a list is on its way back.
    list_time: Duration,
    /// Whether the values of TXT are kept in another order than they were written.
    sorts_texts: bool,
}

/// What is noted of the calls of a day, which are too many to keep.
#[derive(Default)]
pub(crate) struct Noted {
    /// The most calls within a second, whenever it began.
    pub(crate) most_in_a_second: usize,
    /// Calls that were refused as `Throttling`.
    pub(crate) throttled: u64,
    /// Calls that were refused as `PriorRequestNotComplete`.
    pub(crate) prior_requests: u64,
    /// The names of the record sets that were made or replaced, and when their batch was answered.
    pub(crate) written: Vec<(String, Instant)>,
    /// The calls of the last second.
    last_second: VecDeque<Instant>,
}

/// Which of the record sets that are in the way a refusal of a batch names. Route 53 promises none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Naming {
    /// All of them.
    #[default]
    All,
    /// The first two.
    Two,
    /// None.
    Nobody,
}

/// An error as the service answers it.
struct Error {
    /// 4xx or 5xx.
    status: StatusCode,
    /// The word that SDKs go by.
    code: &'static str,
    /// For people.
    message: String,
}

/// A request that was understood.
enum Asked {
    /// A page of record sets: from where, how many, and the name it begins at as it was written.
    List { from: Place, most: usize, name: String },
    /// A change batch.
    Change { batch: Vec<Change> },
}

impl FakeRoute53 {
    /// One without zones and without a socket: it answers whom it [configures](Self::configure).
    pub(crate) fn new() -> Self {
        let state = State {
            zones: BTreeMap::new(),
            faults: Faults::new(),
            calls: Vec::new(),
            page: 300,
            changes: 0,
            edits: 0,
            work: (Duration::ZERO, Duration::ZERO),
            busy_until: BTreeMap::new(),
            bucket: None,
            buckets: None,
            change_bucket: None,
            naming: Naming::All,
            made: [0, 0],
            keeps_calls: true,
            noted: Noted::default(),
            refused: BTreeSet::new(),
            list_time: Duration::ZERO,
            sorts_texts: false,
        };
        Self { state: Arc::new(Mutex::new(state)), server: None }
    }

    /// Starts one without zones, on this runtime and a loopback port of the system's choice.
    pub(crate) async fn start() -> Self {
        let mut fake = Self::new();
        fake.server = Some(Server::start(fake.answer()).await);
        fake
    }

    /// Its URL, if it has a socket: the value of `AWS_ENDPOINT_URL_ROUTE_53`.
    pub(crate) fn url(&self) -> String {
        self.server.as_ref().expect("one that was started").url()
    }

    /// An SDK configuration that is `aws`, timeouts and retries included, but leads here.
    pub(crate) fn configure(&self, aws: &SdkConfig) -> SdkConfig {
        http_service::configure(aws, self.server.as_ref(), "http://route53.test", self.answer())
    }

    /// The same one, without its socket.
    pub(crate) fn share(&self) -> Self {
        Self { state: Arc::clone(&self.state), server: None }
    }

    /// What takes one request of the SDK's here.
    pub(crate) fn connector(&self) -> SharedHttpConnector {
        http_service::connector(self.answer())
    }

    /// What answers the calls.
    fn answer(&self) -> Answer {
        let state = Arc::clone(&self.state);
        Arc::new(move |parts, body| {
            let state = Arc::clone(&state);
            Box::pin(async move { answer(&parts, &body, &state).await })
        })
    }

    /// Makes a hosted zone. It has NS and SOA.
    pub(crate) fn zone(&self, id: &str, name: &str) {
        self.lock().zones.insert(id.to_owned(), HostedZone::new(name));
    }

    /// Puts a record set into a zone: `home.example.org. 60 A 192.0.2.1` (see [`RecordSet::parse`]).
    ///
    /// # Errors
    ///
    /// Why the real service could not hold it.
    pub(crate) fn put(&self, zone: &str, line: &str) -> Result<(), String> {
        let mut state = self.lock();
        state.edits += 1;
        state.zones.get_mut(zone).ok_or_else(|| format!("no zone {zone}"))?.put(line)
    }

    /// Removes the record sets of a name by hand.
    pub(crate) fn remove(&self, zone: &str, name: &str) {
        let mut state = self.lock();
        state.edits += 1;
        state.zones.get_mut(zone).expect("a zone").remove(name);
    }

    /// From now on a batch with that name is refused, whatever it does.
    pub(crate) fn refuse(&self, name: &str) {
        self.lock().refused.insert(name.to_owned());
    }

    /// All record sets of a zone in order, as [`FakeRoute53::put`] takes them, without its NS and
    /// SOA.
    pub(crate) fn records(&self, zone: &str) -> Vec<String> {
        self.lock().zones.get(zone).map(HostedZone::lines).unwrap_or_default()
    }

    /// How often something was changed so far, by batches and by hand.
    pub(crate) fn changes(&self) -> u32 {
        let state = self.lock();
        state.changes + state.edits
    }

    /// Lets the next calls of an operation fail: this many, or all. Faults of one operation take
    /// their turns in the order given.
    pub(crate) fn fault(&self, operation: Operation, fault: Fault, times: Option<u32>) {
        self.lock().faults.order(&[operation], fault, times);
    }

    /// From now on nothing fails that was ordered before.
    pub(crate) fn clear_faults(&self) {
        self.lock().faults.clear();
    }

    /// No page has more than this many record sets, however many are asked for.
    pub(crate) fn limit_pages(&self, most: usize) {
        self.lock().page = most;
    }

    /// From now on a batch is in work for this long before it is answered. Another one of its zone is
    /// refused meanwhile (`PriorRequestNotComplete`).
    pub(crate) fn take_time(&self, work: Duration) {
        self.lock().work = (work, Duration::ZERO);
    }

    /// The same, and for so much longer with each change of the batch.
    pub(crate) fn take_time_for_each(&self, batch: Duration, change: Duration) {
        self.lock().work = (batch, change);
    }

    /// From now on a list is on its way for this long, so that others may change what is in it.
    pub(crate) fn delay_lists(&self, time: Duration) {
        self.lock().list_time = time;
    }

    /// From now on the values of TXT are listed in alphabetical order: no page promises the one that they
    /// were written in.
    pub(crate) fn sort_texts(&self) {
        self.lock().sorts_texts = true;
    }

    /// From now on the account may make this many calls a second; more are refused (`Throttling`).
    pub(crate) fn limit_calls(&self, rate: u32) {
        self.lock().bucket = Some(Bucket::full(rate, rate));
    }

    /// From now on it has the limits of the real one: buckets of 50 calls that fill up with 10 a second,
    /// one for the account and one for each operation (Developer Guide, "API request throttling").
    pub(crate) fn limit_as_aws_does(&self) {
        let mut state = self.lock();
        state.bucket = Some(Bucket::full(50, 10));
        state.buckets = Some([Bucket::full(50, 10), Bucket::full(50, 10)]);
    }

    /// From now on the account may make so many changes at once and so many a second. The real numbers
    /// are not published.
    pub(crate) fn limit_changes(&self, size: u32, rate: u32) {
        self.lock().change_bucket = Some(Bucket::full(size, rate));
    }

    /// What the refusals of batches name from now on.
    pub(crate) fn set_naming(&self, naming: Naming) {
        self.lock().naming = naming;
    }

    /// From now on calls are counted and [noted](Noted), and not kept: a day of them takes too much memory.
    pub(crate) fn keep_no_calls(&self) {
        self.lock().keeps_calls = false;
    }

    /// What was noted since the last time this was asked.
    pub(crate) fn take_noted(&self) -> Noted {
        std::mem::take(&mut self.lock().noted)
    }

    /// How many calls of an operation there were.
    pub(crate) fn made(&self, operation: Operation) -> u64 {
        self.lock().made[operation as usize]
    }

    /// The calls since the last time this was asked.
    pub(crate) fn take_calls(&self) -> Vec<Call> {
        std::mem::take(&mut self.lock().calls)
    }

    /// What it holds.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no test panics in here")
    }
}

/// Answers one request; an error resets the connection.
async fn answer(parts: &http::request::Parts, body: &[u8], state: &Mutex<State>) -> io::Result<Response<String>> {
    let (answer, fault, work) = {
        let mut state = state.lock().expect("no test panics in here");
        match understand(parts, body) {
            Ok((zone, request)) => {
                let changes = if let Asked::Change { batch } = &request { batch.len() } else { 0 };
                let written = if state.keeps_calls { Vec::new() } else { request.written() };
                let is_list = matches!(request, Asked::List { .. });
                let (answer, fault) = state.carry_out(&zone, request);
                let in_work = changes > 0 && answer.is_ok() && fault.is_none_or(|fault| fault.late);
                let (batch, change) = state.work;
                let work = batch + change * u32::try_from(changes).unwrap_or(u32::MAX);
                let work = if in_work { work } else { Duration::ZERO };
                if in_work {
                    let answered = Instant::now() + work;
                    state.noted.written.extend(written.into_iter().map(|name| (name, answered)));
                }
                if !work.is_zero() {
                    state.busy_until.insert(zone, Instant::now() + work);
                }
                (answer, fault, if is_list { state.list_time } else { work })
            }
            Err(error) => (Err(error), None, Duration::ZERO),
        }
    };
    if !work.is_zero() {
        sleep(work).await;
    }
    match fault.map(|fault| fault.kind) {
        None => Ok(answer.map_or_else(|error| error.response(), |text| response(StatusCode::OK, &text))),
        Some(Kind::Hang) => pending::<Result<_, Infallible>>().await.map_err(|never| match never {}),
        Some(Kind::Reset) => Err(io::ErrorKind::ConnectionReset.into()),
        Some(Kind::Garbage) => Ok(response(StatusCode::OK, "\u{1}<<not XML")),
        Some(Kind::InvalidBatchMessages) => Ok(response(StatusCode::BAD_REQUEST, &invalid_batch_messages())),
        Some(kind) => Ok(kind.error().expect("an error").response()),
    }
}

/// Reads what is asked for, and of which zone.
fn understand(parts: &http::request::Parts, body: &[u8]) -> Result<(String, Asked), Error> {
    let signed = parts.headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
    if !signed.is_some_and(|value| value.starts_with("AWS4-HMAC-SHA256 ") && value.contains("/route53/aws4_request")) {
        let message = "Request is missing Authentication Token".to_owned();
        return Err(Error { status: StatusCode::FORBIDDEN, code: "MissingAuthenticationToken", message });
    }
    let path = parts.uri.path().strip_prefix("/2013-04-01/hostedzone/").map(|path| path.trim_end_matches('/'));
    let zone = path.and_then(|path| path.strip_suffix("/rrset")).filter(|zone| !zone.contains('/'));
    let request = match (zone, &parts.method) {
        (Some(_), &Method::GET) => list_request(parts.uri.query().unwrap_or_default()),
        (Some(_), &Method::POST) => std::str::from_utf8(body).ok().and_then(change_request),
        _ => {
            let message = format!("{} {}", parts.method, parts.uri);
            return Err(Error { status: StatusCode::NOT_FOUND, code: "UnknownOperationException", message });
        }
    };
    match (zone, request) {
        (Some(zone), Some(request)) => Ok((zone.to_owned(), request)),
        _ => Err(invalid_input("Invalid request")),
    }
}

/// Reads the query of a list.
fn list_request(query: &str) -> Option<Asked> {
    let value = |name: &str| {
        let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
        let value = pairs.into_iter().find(|(key, _)| *key == name)?.1;
        Some(percent_encoding::percent_decode_str(value).decode_utf8_lossy().into_owned())
    };
    let (name, record_type, identifier) = (value("name"), value("type"), value("identifier"));
    // "If you specify Type but not Name: Amazon Route 53 returns the InvalidInput error."
    if (name.is_none() && record_type.is_some()) || (record_type.is_none() && identifier.is_some()) {
        return None;
    }
    let name = name.unwrap_or_default();
    let start = if name.is_empty() { String::new() } else { canonical(&name).ok()? };
    let from = Place::new(&start, record_type.as_deref().unwrap_or_default(), identifier.as_deref());
    let most = value("maxitems").map_or(Some(300), |most| most.parse().ok().filter(|most| *most > 0))?;
    Some(Asked::List { from, most, name })
}

/// The names that a change is about; none if it is no change.
pub(crate) fn names_of(body: &[u8]) -> Vec<String> {
    let Some(Asked::Change { batch }) = std::str::from_utf8(body).ok().and_then(change_request) else {
        return Vec::new();
    };
    batch.into_iter().filter_map(|change| canonical(&change.record_set.name).ok()).collect()
}

/// Reads the body of a change.
fn change_request(body: &str) -> Option<Asked> {
    let root = xml::parse(body).filter(|root| root.name == "ChangeResourceRecordSetsRequest")?;
    let changes = root.child("ChangeBatch")?.child("Changes")?;
    let batch = changes.children("Change").map(read_change).collect::<Option<_>>()?;
    Some(Asked::Change { batch })
}

/// Reads one change.
fn read_change(change: &xml::Element) -> Option<Change> {
    let action = Action::of(&change.child("Action")?.text)?;
    let set = change.child("ResourceRecordSet")?;
    let text = |name| set.child(name).map(|child| child.text.clone());
    let content = match set.child("AliasTarget") {
        Some(target) => Content::Alias { target: target.child("DNSName")?.text.clone() },
        None => Content::Records {
            ttl: set.child("TTL")?.text.parse().ok()?,
            values: set
                .child("ResourceRecords")?
                .children("ResourceRecord")
                .map(|record| record.child("Value").map(|value| value.text.clone()))
                .collect::<Option<_>>()?,
        },
    };
    let record_set =
        RecordSet { name: text("Name")?, record_type: text("Type")?, identifier: text("SetIdentifier"), content };
    Some(Change { action, record_set })
}

impl State {
    /// Carries a request out, unless it is to fail before.
    fn carry_out(&mut self, zone: &str, asked: Asked) -> (Result<String, Error>, Option<Fault>) {
        let (operation, changes) = match &asked {
            Asked::List { .. } => (Operation::List, 0),
            Asked::Change { batch } => (Operation::Change, batch.len()),
        };
        let fault = self.faults.next(operation).or_else(|| self.busy(operation, zone, changes));
        self.made[operation as usize] += 1;
        self.noted.call(fault);
        if self.keeps_calls {
            let about = match &asked {
                Asked::List { name, .. } => vec![name.clone()],
                Asked::Change { batch } => batch.iter().map(ToString::to_string).collect(),
            };
            self.calls.push(Call { operation, zone: zone.to_owned(), about, fault });
        }
        if fault.is_some_and(|fault| !fault.late) {
            return (Ok(String::new()), fault);
        }
        let Some(hosted_zone) = self.zones.get_mut(zone) else {
            let message = format!("No hosted zone found with ID: {zone}");
            return (Err(Error { status: StatusCode::NOT_FOUND, code: "NoSuchHostedZone", message }), fault);
        };
        let answer = match asked {
            Asked::List { from, most, .. } => Ok(list_answer(hosted_zone, &from, most.min(300), self.page)),
            Asked::Change { mut batch } => {
                if self.sorts_texts {
                    for change in &mut batch {
                        change.record_set.sort_texts();
                    }
                }
                match refused(&self.refused, &batch).and_then(|()| hosted_zone.change(&batch)) {
                    Ok(()) => {
                        self.changes += 1;
                        Ok(change_answer(self.changes))
                    }
                    Err(refusal) => Err(self.naming.of(refusal).into()),
                }
            }
        };
        (answer, fault)
    }

    /// How a call fails because of those before it, if it does.
    fn busy(&mut self, operation: Operation, zone: &str, changes: usize) -> Option<Fault> {
        let fails = |kind| Some(Fault { kind, late: false });
        let of_operation = self.buckets.as_mut().map(|buckets| &mut buckets[operation as usize]);
        let buckets = self.bucket.as_mut().into_iter().chain(of_operation).map(|bucket| (bucket, 1));
        let of_changes = self.change_bucket.as_mut().map(|bucket| (bucket, changes));
        // All of them, so that a call that one refuses is one of the others' too.
        let taken: Vec<bool> = buckets.chain(of_changes).map(|(bucket, amount)| bucket.take(amount)).collect();
        if taken.contains(&false) {
            return fails(Kind::Throttle);
        }
        let in_work = self.busy_until.get(zone).is_some_and(|until| Instant::now() < *until);
        if operation == Operation::Change && in_work { fails(Kind::PriorRequest) } else { None }
    }
}

impl Noted {
    /// Notes a call.
    fn call(&mut self, fault: Option<Fault>) {
        let now = Instant::now();
        while self.last_second.front().is_some_and(|call| now - *call >= Duration::from_secs(1)) {
            self.last_second.pop_front();
        }
        self.last_second.push_back(now);
        self.most_in_a_second = self.most_in_a_second.max(self.last_second.len());
        self.throttled += u64::from(fault.is_some_and(|fault| fault.kind == Kind::Throttle));
        self.prior_requests += u64::from(fault.is_some_and(|fault| fault.kind == Kind::PriorRequest));
    }
}

impl Asked {
    /// The names of the record sets that it makes or replaces.
    fn written(&self) -> Vec<String> {
        let Self::Change { batch } = self else { return Vec::new() };
        let written = batch.iter().filter(|change| change.action != Action::Delete);
        written.map(|change| change.record_set.name.clone()).collect()
    }
}

impl Naming {
    /// A refusal as it is written.
    fn of(self, refusal: Refusal) -> Refusal {
        match (self, refusal) {
            (Self::Two, Refusal::InvalidChangeBatch(messages)) => {
                Refusal::InvalidChangeBatch(messages.into_iter().take(2).collect())
            }
            (Self::Nobody, Refusal::InvalidChangeBatch(_)) => {
                Refusal::InvalidChangeBatch(vec!["The request contains invalid changes".to_owned()])
            }
            (_, refusal) => refusal,
        }
    }
}

/// Refuses a batch with one of these names.
fn refused(names: &BTreeSet<String>, batch: &[Change]) -> Result<(), Refusal> {
    let name = |change: &Change| canonical(&change.record_set.name).ok().filter(|name| names.contains(name));
    let refused: Vec<_> = batch.iter().filter_map(name).map(|name| format!("'{name}' is not to be changed")).collect();
    if refused.is_empty() { Ok(()) } else { Err(Refusal::InvalidChangeBatch(refused)) }
}

/// A page of record sets. `most` is what was asked for, `page` what there is at most.
fn list_answer(zone: &HostedZone, from: &Place, most: usize, page: usize) -> String {
    let (sets, next) = zone.list(from, most.min(page));
    let sets: String = sets.into_iter().map(record_set_element).collect();
    let next = next.map_or_else(
        || "<IsTruncated>false</IsTruncated>".to_owned(),
        |next| {
            let identifier = next.identifier.as_ref();
            let identifier = identifier.map(|word| format!("<NextRecordIdentifier>{word}</NextRecordIdentifier>"));
            format!(
                "<IsTruncated>true</IsTruncated><NextRecordName>{}</NextRecordName>\
                 <NextRecordType>{}</NextRecordType>{}",
                next.listed_name(),
                next.record_type,
                identifier.unwrap_or_default()
            )
        },
    );
    document(
        "ListResourceRecordSetsResponse",
        &format!("<ResourceRecordSets>{sets}</ResourceRecordSets>{next}<MaxItems>{most}</MaxItems>"),
    )
}

/// A record set as it is listed.
fn record_set_element(set: &RecordSet) -> String {
    let weighted = set.identifier.as_ref();
    let weighted = weighted.map(|word| format!("<SetIdentifier>{word}</SetIdentifier><Weight>1</Weight>"));
    let content = match &set.content {
        Content::Records { ttl, values } => {
            let record = |value| format!("<ResourceRecord><Value>{}</Value></ResourceRecord>", xml::escape(value));
            let records: String = values.iter().map(|value| record(value)).collect();
            format!("<TTL>{ttl}</TTL><ResourceRecords>{records}</ResourceRecords>")
        }
        Content::Alias { target } => format!(
            "<AliasTarget><HostedZoneId>Z2FDTNDATAQYW2</HostedZoneId><DNSName>{target}</DNSName>\
             <EvaluateTargetHealth>false</EvaluateTargetHealth></AliasTarget>"
        ),
    };
    format!(
        "<ResourceRecordSet><Name>{}</Name><Type>{}</Type>{}{content}</ResourceRecordSet>",
        set.listed_name(),
        set.record_type,
        weighted.unwrap_or_default()
    )
}

/// The answer to a change that was made.
fn change_answer(number: u32) -> String {
    document(
        "ChangeResourceRecordSetsResponse",
        &format!(
            "<ChangeInfo><Id>/change/C{number:013}</Id><Status>PENDING</Status>\
             <SubmittedAt>2026-01-01T00:00:00.000Z</SubmittedAt></ChangeInfo>"
        ),
    )
}

/// `InvalidChangeBatch` as the API reference has it.
fn invalid_batch_messages() -> String {
    let content = "<Messages><Message>ordered by the test</Message></Messages><RequestId>0</RequestId>";
    document("InvalidChangeBatch", content)
}

/// A document of the API's namespace.
fn document(root: &str, content: &str) -> String {
    format!(
        "<?xml version=\"1.0\"?>\n<{root} xmlns=\"https://route53.amazonaws.com/doc/2013-04-01/\">{content}</{root}>"
    )
}

/// A reply with that body.
fn response(status: StatusCode, body: &str) -> Response<String> {
    let response =
        Response::builder().status(status).header("content-type", "text/xml").header("x-amzn-requestid", "0");
    response.body(body.to_owned()).expect("a valid response")
}

impl Error {
    /// The reply that says it.
    fn response(&self) -> Response<String> {
        let blame = if self.status.is_client_error() { "Sender" } else { "Receiver" };
        let content = format!(
            "<Error><Type>{blame}</Type><Code>{}</Code><Message>{}</Message></Error><RequestId>0</RequestId>",
            self.code,
            xml::escape(&self.message)
        );
        response(self.status, &document("ErrorResponse", &content))
    }
}

impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::InvalidInput(message) => invalid_input(&message),
            Refusal::InvalidChangeBatch(messages) => Self {
                status: StatusCode::BAD_REQUEST,
                code: "InvalidChangeBatch",
                message: format!("[{}]", messages.join(", ")),
            },
        }
    }
}

/// `InvalidInput`.
fn invalid_input(message: &str) -> Error {
    Error { status: StatusCode::BAD_REQUEST, code: "InvalidInput", message: message.to_owned() }
}

impl Kinds for Kind {
    const WORDS: &'static [(Self, &'static str)] = &[
        (Self::Throttle, "throttle"),
        (Self::PriorRequest, "prior-request"),
        (Self::InvalidBatch, "invalid-batch"),
        (Self::InvalidBatchMessages, "invalid-batch-messages"),
        (Self::AccessDenied, "access-denied"),
        (Self::NoSuchZone, "no-such-zone"),
        (Self::ServerError, "server-error"),
        (Self::Hang, "hang"),
        (Self::Reset, "reset"),
        (Self::Garbage, "garbage"),
    ];
}

impl Kind {
    /// What is answered; `None` where that is no error in XML.
    fn error(self) -> Option<Error> {
        let (status, code, message) = match self {
            Self::Throttle => (400, "Throttling", "Rate exceeded"),
            Self::PriorRequest => (
                400,
                "PriorRequestNotComplete",
                "The request was rejected because Route 53 was still processing a prior request.",
            ),
            Self::InvalidBatch => (400, "InvalidChangeBatch", "[ordered by the test]"),
            Self::AccessDenied => (403, "AccessDenied", "User is not authorized to perform this operation"),
            Self::NoSuchZone => (404, "NoSuchHostedZone", "No hosted zone found with that ID"),
            Self::ServerError => (500, "InternalError", "We encountered an internal error. Please try again."),
            Self::InvalidBatchMessages | Self::Hang | Self::Reset | Self::Garbage => return None,
        };
        let status = StatusCode::from_u16(status).expect("a status");
        Some(Error { status, code, message: message.to_owned() })
    }
}

impl FromStr for Operation {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "list" => Ok(Self::List),
            "change" => Ok(Self::Change),
            _ => Err(format!("`{text}`: expected list or change")),
        }
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::List => "list",
            Self::Change => "change",
        })
    }
}
