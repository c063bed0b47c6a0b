//! A fake `DynamoDB` at its JSON API, below the AWS SDK: one table with nic53's keys and index, as strict
//! as the real one (`items.rs`) about the expressions that nic53 writes (`expression.rs`), with faults to
//! order and every call on record. `dynamodb` plays the same calls to it and to moto.

mod expression;
mod items;

use std::{
    collections::BTreeMap,
    convert::Infallible,
    fmt,
    future::pending,
    io,
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use aws_config::SdkConfig;
use aws_sdk_dynamodb::types::AttributeValue;
use http::{Response, StatusCode, header::AUTHORIZATION, request::Parts};
use nic53::{
    problem::Problem,
    protocol::{hostname::HostName, zone::ZoneId},
    table::{Item, Key, Table},
};
use serde_json::{Map, Value, json};
use tokio::time::sleep;

use self::{
    expression::Attributes,
    items::{Items, Refusal, canceled},
};
use super::{
    bucket::Bucket,
    fault::{self, Faults, Kinds},
    http_service::{self, Answer, Server},
};

/// The name of its table.
pub(crate) const TABLE: &str = "nic53";

/// A fake `DynamoDB`, until it is dropped.
pub(crate) struct FakeDynamoDb {
    /// Shared with the calls.
    state: Arc<Mutex<State>>,
    /// Where it listens, if it does.
    server: Option<Server>,
}

/// The operations it has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operation {
    /// `BatchGetItem`.
    Get,
    /// `UpdateItem`.
    Update,
    /// `TransactWriteItems`.
    Transact,
    /// `Query`.
    Query,
}

/// A call that reached it. The SDK's retries are calls too.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Call {
    /// What was called.
    pub(crate) operation: Operation,
    /// The items that it names: `Z1 org.example.home.`.
    pub(crate) about: Vec<String>,
    /// How it failed by order, if it did.
    pub(crate) fault: Option<Fault>,
}

/// A way to fail.
pub(crate) type Fault = fault::Fault<Kind>;

/// What the caller of a failing call sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// 400 `ProvisionedThroughputExceededException`.
    Throttle,
    /// 400 `TransactionConflictException`, or a canceled transaction.
    Conflict,
    /// 400 `AccessDeniedException`.
    AccessDenied,
    /// 400 `ResourceNotFoundException`.
    NoTable,
    /// 500 `InternalServerError`.
    ServerError,
    /// No answer at all.
    Hang,
    /// The connection is reset.
    Reset,
    /// 200 with bytes that are not JSON.
    Garbage,
}

/// What it holds and what it was ordered to do.
struct State {
    /// The table.
    items: Items,
    /// Faults to come.
    faults: Faults<Operation, Kind>,
    /// How many keys of a `BatchGetItem` are processed, and for how many calls more.
    processed: Option<(usize, u32)>,
    /// Those that nobody has asked for yet.
    calls: Vec<Call>,
    /// Whether calls are kept.
    keeps_calls: bool,
    /// The calls of each operation.
    made: [u64; 4],
    /// The calls of them that were throttled.
    throttled: u64,
    /// How long a call takes.
    time: Duration,
    /// The write units that a zone may use a second, if there is a limit.
    write_units: Option<u32>,
    /// The write units of each zone that has used some.
    units: BTreeMap<String, Bucket>,
}

impl FakeDynamoDb {
    /// One with an empty table and without a socket: it answers whom it [configures](Self::configure).
    pub(crate) fn new() -> Self {
        let state = State {
            items: Items::default(),
            faults: Faults::new(),
            processed: None,
            calls: Vec::new(),
            keeps_calls: true,
            made: [0; 4],
            throttled: 0,
            time: Duration::ZERO,
            write_units: None,
            units: BTreeMap::new(),
        };
        Self { state: Arc::new(Mutex::new(state)), server: None }
    }

    /// Starts one with an empty table, on this runtime and a loopback port of the system's choice.
    pub(crate) async fn start() -> Self {
        let mut fake = Self::new();
        fake.server = Some(Server::start(fake.answer()).await);
        fake
    }

    /// Its URL, if it has a socket: the value of `AWS_ENDPOINT_URL_DYNAMODB`.
    pub(crate) fn url(&self) -> String {
        self.server.as_ref().expect("one that was started").url()
    }

    /// An SDK configuration that is `aws`, timeouts and retries included, but leads here.
    pub(crate) fn configure(&self, aws: &SdkConfig) -> SdkConfig {
        http_service::configure(aws, self.server.as_ref(), "http://dynamodb.test", self.answer())
    }

    /// Its table, as nic53 uses it.
    pub(crate) fn table(&self, aws: &SdkConfig) -> Table {
        Table::new(&self.configure(aws), TABLE)
    }

    /// The same one, without its socket.
    pub(crate) fn share(&self) -> Self {
        Self { state: Arc::clone(&self.state), server: None }
    }

    /// What answers the calls.
    fn answer(&self) -> Answer {
        let state = Arc::clone(&self.state);
        Arc::new(move |parts, body| {
            let state = Arc::clone(&state);
            Box::pin(async move { answer(&parts, &body, &state).await })
        })
    }

    /// Puts the item of a host in, or in place of the one that is there.
    pub(crate) fn put(&self, zone: &str, host: &str, item: &Item) {
        let (place, mut attributes) = place(zone, host);
        attributes.extend(item.attributes().iter().map(|(name, value)| (name.clone(), to_json(value))));
        self.lock().items.alter(place, |item| *item = attributes);
    }

    /// Sets one attribute of a host's item by hand, or removes it.
    pub(crate) fn set(&self, zone: &str, host: &str, name: &str, value: Option<Value>) {
        self.set_at(place(zone, host).0, name, value);
    }

    /// Sets one attribute of a zone's own item by hand, or removes it.
    pub(crate) fn set_zone(&self, zone: &str, name: &str, value: Option<Value>) {
        self.set_at((zone.to_owned(), "#".to_owned()), name, value);
    }

    /// Sets one attribute of an item, or removes it.
    fn set_at(&self, place: (String, String), name: &str, value: Option<Value>) {
        self.lock().items.alter(place, |item| {
            match value {
                Some(value) => item.insert(name.to_owned(), value),
                None => item.remove(name),
            };
        });
    }

    /// A number of a zone's own item.
    pub(crate) fn zone_number(&self, zone: &str, name: &str) -> Option<u64> {
        let place = (zone.to_owned(), "#".to_owned());
        self.lock().items.item(&place)?.get(name)?["N"].as_str()?.parse().ok()
    }

    /// Removes the item of a host.
    pub(crate) fn remove(&self, zone: &str, host: &str) {
        self.lock().items.remove(&place(zone, host).0);
    }

    /// The item of a host, if there is one.
    pub(crate) fn item(&self, zone: &str, host: &str) -> Option<Item> {
        self.lock().items.item(&place(zone, host).0).map(read)
    }

    /// The items of a zone's hosts, in their order.
    pub(crate) fn items(&self, zone: &str) -> Vec<(String, Item)> {
        let state = self.lock();
        let hosts = state.items.zone(zone).filter(|((_, name), _)| name != "#");
        hosts.map(|((_, name), item)| (straight(name), read(item))).collect()
    }

    /// The same. Those that make no sense are removed, and what is wrong with them is said.
    pub(crate) fn sound_items(&self, zone: &str) -> (Vec<(String, Item)>, Vec<String>) {
        let mut state = self.lock();
        let (mut sound, mut unsound) = (Vec::new(), Vec::new());
        for (key, item) in state.items.zone(zone).filter(|((_, name), _)| name != "#") {
            match try_read(item) {
                Ok(item) => sound.push((straight(&key.1), item)),
                Err(problem) => unsound.push((key.clone(), problem)),
            }
        }
        for (key, _) in &unsound {
            state.items.remove(key);
        }
        let problems = unsound.into_iter().map(|((_, name), problem)| format!("{}: {problem}", straight(&name)));
        (sound, problems.collect())
    }

    /// Whether something is pending in a zone.
    pub(crate) fn has_pending(&self, zone: &str) -> bool {
        self.lock().items.has_due(zone)
    }

    /// How often an item was changed so far.
    pub(crate) fn changes(&self) -> u64 {
        self.lock().items.changes
    }

    /// Removes what has expired by that second since 1970.
    pub(crate) fn expire(&self, now_seconds: u64) {
        self.lock().items.expire(now_seconds);
    }

    /// Lets the next calls of these operations fail: this many, or all. Faults take their turns in the
    /// order given.
    pub(crate) fn fault(&self, operations: &[Operation], fault: Fault, times: Option<u32>) {
        self.lock().faults.order(operations, fault, times);
    }

    /// From now on nothing fails that was ordered before.
    pub(crate) fn clear_faults(&self) {
        self.lock().faults.clear();
    }

    /// The next `times` calls of `BatchGetItem` process only so many keys.
    pub(crate) fn process(&self, keys: usize, times: u32) {
        self.lock().processed = Some((keys, times));
    }

    /// No page of a query has more than this many items.
    pub(crate) fn limit_pages(&self, most: usize) {
        self.lock().items.page = Some(most);
    }

    /// From now on a call takes so long.
    pub(crate) fn take_time(&self, time: Duration) {
        self.lock().time = time;
    }

    /// From now on each zone may use so many write units a second, as a partition may use 1,000; more are
    /// throttled.
    pub(crate) fn limit_writes(&self, units: u32) {
        self.lock().write_units = Some(units);
    }

    /// From now on calls are counted, and not kept: a day of them takes too much memory.
    pub(crate) fn keep_no_calls(&self) {
        self.lock().keeps_calls = false;
    }

    /// How many calls of an operation there were.
    pub(crate) fn made(&self, operation: Operation) -> u64 {
        self.lock().made[operation as usize]
    }

    /// How many calls were throttled.
    pub(crate) fn throttled(&self) -> u64 {
        self.lock().throttled
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

/// The key of a host's item, and the attributes that it consists of.
fn place(zone: &str, host: &str) -> ((String, String), Attributes) {
    let (zone, host): (ZoneId, HostName) = (zone.parse().expect("an id"), host.parse().expect("a host name"));
    // `Z1 org.example.home.`
    let key = Key::host(&zone, &host).to_string();
    let (zone, name) = key.split_once(' ').expect("a zone and a name");
    let attributes = [("z".to_owned(), json!({ "S": zone })), ("n".to_owned(), json!({ "S": name }))];
    ((zone.to_owned(), name.to_owned()), Map::from_iter(attributes))
}

/// A name with its labels in the usual order again.
fn straight(name: &str) -> String {
    let labels: Vec<_> = name.trim_end_matches('.').rsplit('.').collect();
    labels.join(".").replace("\\052", "*")
}

/// An item as nic53 reads it.
fn read(attributes: &Attributes) -> Item {
    try_read(attributes).unwrap_or_else(|problem| panic!("{problem}"))
}

/// The same, or why it makes no sense.
fn try_read(attributes: &Attributes) -> Result<Item, Problem> {
    let attributes = attributes.iter().map(|(name, value)| (name.clone(), from_json(value))).collect();
    Item::read(&attributes)
}

/// A value as the API has it.
fn to_json(value: &AttributeValue) -> Value {
    match value {
        AttributeValue::N(number) => json!({ "N": number }),
        AttributeValue::S(text) => json!({ "S": text }),
        other => panic!("{other:?}"),
    }
}

/// A value as the SDK has it.
fn from_json(value: &Value) -> AttributeValue {
    match (value["N"].as_str(), value["S"].as_str()) {
        (Some(number), None) => AttributeValue::N(number.to_owned()),
        (None, Some(text)) => AttributeValue::S(text.to_owned()),
        _ => panic!("{value}"),
    }
}

/// Answers one request; an error resets the connection.
async fn answer(parts: &Parts, body: &[u8], state: &Mutex<State>) -> io::Result<Response<String>> {
    let (answer, fault, time) = {
        let mut state = state.lock().expect("no test panics in here");
        let (answer, fault) = match understand(parts, body) {
            Ok((operation, asked)) => state.carry_out(operation, &asked),
            Err(refusal) => (Err(refusal), None),
        };
        (answer, fault, state.time)
    };
    if !time.is_zero() {
        sleep(time).await;
    }
    match fault.map(|fault| fault.kind) {
        Some(Kind::Hang) => pending::<Result<_, Infallible>>().await.map_err(|never| match never {}),
        Some(Kind::Reset) => Err(io::ErrorKind::ConnectionReset.into()),
        Some(Kind::Garbage) => Ok(response(StatusCode::OK, "\u{1}<<not JSON".to_owned())),
        _ => Ok(match answer {
            Ok(answer) => response(StatusCode::OK, answer.to_string()),
            Err(refusal) => refusal.response(),
        }),
    }
}

/// Reads what is asked for.
fn understand(parts: &Parts, body: &[u8]) -> Result<(Operation, Value), Refusal> {
    let refuse = |code, message: &str| Refusal { code, message: message.to_owned(), more: Map::new() };
    let header = |name: &str| parts.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let signed = header(AUTHORIZATION.as_str());
    if !signed.starts_with("AWS4-HMAC-SHA256 ") || !signed.contains("/dynamodb/aws4_request") {
        return Err(refuse("MissingAuthenticationTokenException", "Request is missing Authentication Token"));
    }
    let operation = match header("x-amz-target").strip_prefix("DynamoDB_20120810.") {
        Some("BatchGetItem") => Operation::Get,
        Some("UpdateItem") => Operation::Update,
        Some("TransactWriteItems") => Operation::Transact,
        Some("Query") => Operation::Query,
        other => return Err(refuse("UnknownOperationException", &format!("{other:?}"))),
    };
    let asked: Value = serde_json::from_slice(body).map_err(|_| refuse("SerializationException", "not JSON"))?;
    let tables: Vec<&str> = match operation {
        Operation::Get => asked["RequestItems"].as_object().into_iter().flatten().map(|(name, _)| &**name).collect(),
        Operation::Update | Operation::Query => asked["TableName"].as_str().into_iter().collect(),
        Operation::Transact => {
            let parts = asked["TransactItems"].as_array().into_iter().flatten();
            parts.filter_map(|part| part["Update"]["TableName"].as_str()).collect()
        }
    };
    if tables.is_empty() || tables.iter().any(|table| *table != TABLE) {
        return Err(refuse("ResourceNotFoundException", "Requested resource not found"));
    }
    Ok((operation, asked))
}

/// The items that a call names.
fn about(operation: Operation, asked: &Value) -> Vec<String> {
    let key = |key: &Value| {
        let part = |name: &str| key[name]["S"].as_str().unwrap_or_default().to_owned();
        format!("{} {}", part("z"), part("n"))
    };
    let each = |list: &Value, of: fn(&Value) -> &Value| {
        list.as_array().into_iter().flatten().map(|part| key(of(part))).collect::<Vec<_>>()
    };
    match operation {
        Operation::Get => each(&asked["RequestItems"][TABLE]["Keys"], |part| part),
        Operation::Update => vec![key(&asked["Key"])],
        Operation::Transact => each(&asked["TransactItems"], |part| &part["Update"]["Key"]),
        Operation::Query => vec![asked["ExpressionAttributeValues"][":z"]["S"].as_str().unwrap_or_default().to_owned()],
    }
}

impl State {
    /// Carries a request out, unless it is to fail before.
    fn carry_out(&mut self, operation: Operation, asked: &Value) -> (Result<Value, Refusal>, Option<Fault>) {
        let about = about(operation, asked);
        let throttled =
            matches!(operation, Operation::Update | Operation::Transact) && !self.take_units(operation, &about);
        let throttled = throttled.then_some(Fault { kind: Kind::Throttle, late: false });
        let fault = self.faults.next(operation).or(throttled);
        self.made[operation as usize] += 1;
        self.throttled += u64::from(fault.is_some_and(|fault| fault.kind == Kind::Throttle));
        let size = about.len();
        if self.keeps_calls {
            self.calls.push(Call { operation, about, fault });
        }
        let done = if fault.is_none_or(|fault| fault.late) {
            match operation {
                Operation::Get => {
                    let processed = self.processed();
                    self.items.get(TABLE, asked, processed)
                }
                Operation::Update => self.items.update(asked),
                Operation::Transact => self.items.transact(asked),
                Operation::Query => self.items.query(asked),
            }
        } else {
            Ok(json!({}))
        };
        let failed = fault.and_then(|fault| fault.kind.refusal(operation, size));
        (failed.map_or(done, Err), fault)
    }

    /// How many keys the next `BatchGetItem` processes, if not all.
    fn processed(&mut self) -> Option<usize> {
        let (keys, times) = self.processed.take()?;
        self.processed = times.checked_sub(2).map(|left| (keys, left + 1));
        Some(keys)
    }

    /// Takes the write units of a call from those of its zone: two an item, for itself and for the index,
    /// and twice that in a transaction. Whether there were so many.
    fn take_units(&mut self, operation: Operation, about: &[String]) -> bool {
        let Some(rate) = self.write_units else { return true };
        let zone = about.first().and_then(|key| key.split(' ').next()).unwrap_or_default();
        let each = if operation == Operation::Transact { 4 } else { 2 };
        self.units.entry(zone.to_owned()).or_insert_with(|| Bucket::full(rate, rate)).take(each * about.len())
    }
}

impl Refusal {
    /// The reply that says it.
    fn response(self) -> Response<String> {
        let status = if self.code == "InternalServerError" {
            StatusCode::INTERNAL_SERVER_ERROR
        } else {
            StatusCode::BAD_REQUEST
        };
        let mut body = self.more;
        body.insert("__type".to_owned(), json!(format!("com.amazonaws.dynamodb.v20120810#{}", self.code)));
        // The real one writes the key of these two in different cases.
        let message = if self.code == "TransactionCanceledException" { "Message" } else { "message" };
        body.insert(message.to_owned(), json!(self.message));
        response(status, Value::Object(body).to_string())
    }
}

/// A reply with that body.
fn response(status: StatusCode, body: String) -> Response<String> {
    let response = Response::builder().status(status).header("content-type", "application/x-amz-json-1.0");
    response.header("x-amzn-requestid", "0").body(body).expect("a valid response")
}

impl Kinds for Kind {
    const WORDS: &'static [(Self, &'static str)] = &[
        (Self::Throttle, "throttle"),
        (Self::Conflict, "conflict"),
        (Self::AccessDenied, "access-denied"),
        (Self::NoTable, "no-table"),
        (Self::ServerError, "server-error"),
        (Self::Hang, "hang"),
        (Self::Reset, "reset"),
        (Self::Garbage, "garbage"),
    ];
}

impl Kind {
    /// What is answered for an operation of so many items; `None` where that is no error in JSON.
    fn refusal(self, operation: Operation, size: usize) -> Option<Refusal> {
        let (code, message) = match self {
            Self::Throttle => (
                "ProvisionedThroughputExceededException",
                "The level of configured provisioned throughput for the table was exceeded.",
            ),
            Self::Conflict if operation == Operation::Transact => {
                return Some(canceled(&vec!["TransactionConflict"; size]));
            }
            Self::Conflict => ("TransactionConflictException", "Transaction is ongoing for the item"),
            Self::AccessDenied => ("AccessDeniedException", "User is not authorized to perform this operation"),
            Self::NoTable => ("ResourceNotFoundException", "Requested resource not found"),
            Self::ServerError => ("InternalServerError", "The request processing has failed"),
            Self::Hang | Self::Reset | Self::Garbage => return None,
        };
        Some(Refusal { code, message: message.to_owned(), more: Map::new() })
    }
}

impl Operation {
    /// All of them.
    const ALL: [Self; 4] = [Self::Get, Self::Update, Self::Transact, Self::Query];

    /// Those that a word stands for: one, or all as `table`.
    pub(crate) fn of(word: &str) -> Option<Vec<Self>> {
        let operations: Vec<_> =
            Self::ALL.into_iter().filter(|operation| word == "table" || operation.to_string() == word).collect();
        (!operations.is_empty()).then_some(operations)
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Get => "get",
            Self::Update => "update",
            Self::Transact => "transact",
            Self::Query => "query",
        })
    }
}
