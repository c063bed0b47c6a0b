//! The calls to the table.

use std::{collections::HashMap, error::Error, future::Future, time::Duration};

use aws_config::SdkConfig;
use aws_sdk_dynamodb::{
    Client,
    error::{ProvideErrorMetadata, SdkError},
    operation::{
        query::builders::QueryFluentBuilder,
        transact_write_items::TransactWriteItemsError,
        update_item::{UpdateItemError, UpdateItemOutput},
    },
    types::{
        self, AttributeValue, KeysAndAttributes, ReturnValue, ReturnValuesOnConditionCheckFailure, TransactWriteItem,
    },
};
use tokio::time::{Instant, sleep, timeout_at};

use super::{
    attribute::Attribute,
    clock::{Clock, Millis},
    item::Item,
    key::{Key, NAME, ZONE},
    update::Update,
};
use crate::{
    aws,
    problem::Problem,
    protocol::{hostname::HostName, zone::ZoneId},
};

/// The index of the hosts that are pending, by when they are due.
const PENDING: &str = "pending";

/// The most keys of one `BatchGetItem` (API reference).
const MAX_KEYS: usize = 100;

/// The pause before keys that were not processed are asked for again; it doubles each time.
const FIRST_PAUSE: Duration = Duration::from_millis(25);

/// The longest such pause.
const LONGEST_PAUSE: Duration = Duration::from_millis(400);

/// The longest that opening the connection before the first request may take.
const WARM_UP_LIMIT: Duration = Duration::from_secs(2);

/// The table, used with the credentials of the environment.
#[derive(Clone, Debug)]
pub struct Table {
    /// The SDK's client.
    client: Client,
    /// The table's name.
    name: String,
    /// The time that goes into items.
    clock: Clock,
}

/// Why a change was not made, as far as is known.
#[derive(Clone, Debug, PartialEq)]
pub enum NotWritten {
    /// A condition does not hold. For a single change of a host with the item as it is, if it is there.
    Refused(Option<Box<Item>>),
    /// Another transaction is under way at the item; nothing was done.
    Conflict,
    /// It failed. It is not known whether it was made.
    Failed(Problem),
}

/// Why items were not read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NotRead {
    /// The table is not there, or may not be read. The next attempt will not succeed either.
    Refused(Problem),
    /// It failed. The next attempt may succeed.
    Failed(Problem),
}

impl From<NotRead> for Problem {
    fn from(not_read: NotRead) -> Self {
        match not_read {
            NotRead::Refused(problem) | NotRead::Failed(problem) => problem,
        }
    }
}

/// What a query found, up to a limit.
#[derive(Clone, Debug, PartialEq)]
pub struct Page<T> {
    /// In the order of the query.
    pub found: Vec<T>,
    /// Where the next page begins, if there may be one.
    pub next: Option<Cursor>,
}

/// Where a page begins.
#[derive(Clone, Debug, PartialEq)]
pub struct Cursor(HashMap<String, AttributeValue>);

impl Table {
    /// Takes the SDK's configuration and the table's name; makes no call.
    pub fn new(config: &SdkConfig, name: &str) -> Self {
        Self { client: Client::new(config), name: name.to_owned(), clock: Clock::default() }
    }

    /// The same with another clock.
    pub fn with_clock(self, clock: Clock) -> Self {
        Self { clock, ..self }
    }

    /// The time that goes into items.
    pub fn now(&self) -> Millis {
        self.clock.now()
    }

    /// Opens the connection that the first request will need, by reading one item. A failure shows at
    /// the first request.
    pub async fn warm_up(&self, zone: &ZoneId) {
        let limit = Instant::now() + WARM_UP_LIMIT;
        let _ = self.attributes(&[Key::zone(zone)], limit).await;
    }

    /// The items of these keys, in their order, consistently read. `None` for one that is not there, an
    /// error for one that makes no sense.
    ///
    /// # Errors
    ///
    /// If they could not all be read by the deadline.
    pub async fn items(&self, keys: &[Key], deadline: Instant) -> Result<Vec<Option<Result<Item, Problem>>>, NotRead> {
        let mut found = self.attributes(keys, deadline).await?;
        Ok(keys.iter().map(|key| Some(named(key, Item::read(&found.remove(key)?)))).collect())
    }

    /// The attributes of these keys that are there, consistently read.
    ///
    /// # Errors
    ///
    /// If they could not all be read by the deadline.
    pub async fn attributes(
        &self,
        keys: &[Key],
        deadline: Instant,
    ) -> Result<HashMap<Key, HashMap<String, AttributeValue>>, NotRead> {
        let mut found = HashMap::with_capacity(keys.len());
        for keys in keys.chunks(MAX_KEYS) {
            let mut left: Vec<_> = keys.iter().map(Key::attributes).collect();
            let mut pause = FIRST_PAUSE;
            loop {
                let (items, unprocessed) = self.batch(left, deadline).await?;
                found.extend(items.into_iter().filter_map(|item| Some((Key::of(&item)?, item))));
                // A key that was not processed is there or not: that is not known yet.
                left = unprocessed;
                if left.is_empty() {
                    break;
                }
                if Instant::now() + pause >= deadline {
                    let problem = format!("could not read the table: {} keys were not processed", left.len());
                    return Err(NotRead::Failed(Problem(problem)));
                }
                sleep(pause).await;
                pause = (pause * 2).min(LONGEST_PAUSE);
            }
        }
        Ok(found)
    }

    /// One `BatchGetItem`: what is there, and the keys that were not processed.
    async fn batch(
        &self,
        keys: Vec<HashMap<String, AttributeValue>>,
        deadline: Instant,
    ) -> Result<(Vec<HashMap<String, AttributeValue>>, Vec<HashMap<String, AttributeValue>>), NotRead> {
        let wanted = KeysAndAttributes::builder().set_keys(Some(keys)).consistent_read(true).build();
        let wanted = wanted.map_err(|error| NotRead::Failed(Problem(error.to_string())))?;
        let sent = self.client.batch_get_item().request_items(&self.name, wanted).send();
        let answer = match in_time("could not read the table", deadline, sent).await {
            Ok(answer) => answer,
            Err(error) if error.is_refused() => return Err(NotRead::Refused(error.problem())),
            Err(error) => return Err(NotRead::Failed(error.problem())),
        };
        let items = answer.responses.and_then(|mut tables| tables.remove(&self.name)).unwrap_or_default();
        let unprocessed = answer.unprocessed_keys.and_then(|mut tables| tables.remove(&self.name));
        Ok((items, unprocessed.map(|keys| keys.keys).unwrap_or_default()))
    }

    /// Makes one change.
    ///
    /// # Errors
    ///
    /// If it was not made, or it is not known whether it was.
    pub async fn update(&self, update: &Update, deadline: Instant) -> Result<(), NotWritten> {
        self.send(update, ReturnValue::None, deadline).await.map(drop)
    }

    /// Makes one change, and gives the item as it is then.
    ///
    /// # Errors
    ///
    /// If it was not made, or it is not known whether it was.
    pub async fn update_and_read(&self, update: &Update, deadline: Instant) -> Result<Item, NotWritten> {
        let answer = self.send(update, ReturnValue::AllNew, deadline).await?;
        let attributes = answer.attributes.unwrap_or_default();
        named(update.key(), Item::read(&attributes)).map_err(NotWritten::Failed)
    }

    /// Sends one change.
    async fn send(
        &self,
        update: &Update,
        values: ReturnValue,
        deadline: Instant,
    ) -> Result<UpdateItemOutput, NotWritten> {
        let sent = self
            .client
            .update_item()
            .table_name(&self.name)
            .set_key(Some(update.key().attributes()))
            .update_expression(update.expression())
            .set_condition_expression(update.condition())
            .set_expression_attribute_values(update.values())
            .return_values(values)
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .send();
        let failed = match in_time("could not change the table", deadline, sent).await {
            Ok(answer) => return Ok(answer),
            Err(failed) => failed,
        };
        Err(match failed.service_error() {
            Some(UpdateItemError::ConditionalCheckFailedException(refused)) => refusal(update.key(), refused.item()),
            Some(UpdateItemError::TransactionConflictException(_)) => NotWritten::Conflict,
            _ => NotWritten::Failed(failed.problem()),
        })
    }

    /// Makes all of these changes or none, at most 100. The SDK gives them a token of their own, so that
    /// they are made once even if an answer was lost.
    ///
    /// # Errors
    ///
    /// If none was made, or it is not known whether they were.
    pub async fn transact(&self, updates: &[Update], deadline: Instant) -> Result<(), NotWritten> {
        let items = updates.iter().map(|update| self.transaction_item(update)).collect::<Result<_, _>>()?;
        let sent = self.client.transact_write_items().set_transact_items(Some(items)).send();
        let Err(failed) = in_time("could not change the table", deadline, sent).await else { return Ok(()) };
        let Some(TransactWriteItemsError::TransactionCanceledException(canceled)) = failed.service_error() else {
            let in_progress =
                matches!(failed.service_error(), Some(TransactWriteItemsError::TransactionInProgressException(_)));
            return Err(if in_progress { NotWritten::Conflict } else { NotWritten::Failed(failed.problem()) });
        };
        let reasons: Vec<_> = canceled.cancellation_reasons().iter().filter_map(|reason| reason.code()).collect();
        // Any reason but these is a fault, however many others there are.
        let is_known = |reason: &&str| ["None", "ConditionalCheckFailed", "TransactionConflict"].contains(reason);
        Err(if !reasons.iter().all(is_known) {
            NotWritten::Failed(Problem(format!("could not change the table: {}", reasons.join(", "))))
        } else if reasons.contains(&"ConditionalCheckFailed") {
            NotWritten::Refused(None)
        } else if reasons.contains(&"TransactionConflict") {
            NotWritten::Conflict
        } else {
            NotWritten::Failed(failed.problem())
        })
    }

    /// A change as a part of a transaction.
    fn transaction_item(&self, update: &Update) -> Result<TransactWriteItem, NotWritten> {
        let update = types::Update::builder()
            .table_name(&self.name)
            .set_key(Some(update.key().attributes()))
            .update_expression(update.expression())
            .set_condition_expression(update.condition())
            .set_expression_attribute_values(update.values())
            .build()
            .map_err(|error| NotWritten::Failed(Problem(error.to_string())))?;
        Ok(TransactWriteItem::builder().update(update).build())
    }

    /// The pending hosts of a zone and when they are due, the one that is due first in front. Consistently
    /// read.
    ///
    /// # Errors
    ///
    /// If they could not be read by the deadline.
    pub async fn pending(
        &self,
        zone: &ZoneId,
        most: u32,
        from: Option<Cursor>,
        deadline: Instant,
    ) -> Result<Page<(HostName, Millis)>, Problem> {
        let query = self.query(zone, most, from).index_name(PENDING).key_condition_expression("z = :z");
        let host = |attributes: &HashMap<String, AttributeValue>| {
            let due = attributes.get(Attribute::Due.name())?.as_n().ok()?.parse().ok()?;
            Some((Key::of(attributes)?.as_host()?, due))
        };
        page(query, deadline, host).await
    }

    /// The hosts of a zone and their items in the order of Route 53's records, from a name on if one is
    /// given. Consistently read.
    ///
    /// # Errors
    ///
    /// If they could not be read by the deadline.
    pub async fn hosts(
        &self,
        zone: &ZoneId,
        from_host: Option<&HostName>,
        most: u32,
        from: Option<Cursor>,
        deadline: Instant,
    ) -> Result<Page<(HostName, Result<Item, Problem>)>, Problem> {
        let mut query = self.query(zone, most, from).key_condition_expression("z = :z");
        if let Some(name) = from_host.and_then(|host| Key::host(zone, host).attributes().remove(NAME)) {
            query = query.key_condition_expression("z = :z AND n >= :n").expression_attribute_values(":n", name);
        }
        let host = |attributes: &HashMap<String, AttributeValue>| {
            let key = Key::of(attributes)?;
            Some((key.as_host()?, named(&key, Item::read(attributes))))
        };
        page(query, deadline, host).await
    }

    /// A consistent query of a zone.
    fn query(&self, zone: &ZoneId, most: u32, from: Option<Cursor>) -> QueryFluentBuilder {
        self.client
            .query()
            .table_name(&self.name)
            .consistent_read(true)
            .limit(i32::try_from(most).unwrap_or(i32::MAX))
            .expression_attribute_values(":z", AttributeValue::S(zone.as_str().to_owned()))
            .set_exclusive_start_key(from.map(|cursor| cursor.0))
    }
}

/// Sends a query and takes what `read` makes of the items. One without a host's key is left out, such as
/// the zone's own.
async fn page<T>(
    query: QueryFluentBuilder,
    deadline: Instant,
    read: impl Fn(&HashMap<String, AttributeValue>) -> Option<T>,
) -> Result<Page<T>, Problem> {
    let answer = in_time("could not query the table", deadline, query.send()).await;
    let answer = answer.map_err(|error| error.problem())?;
    let found = answer.items.unwrap_or_default().iter().filter_map(read).collect();
    let next = answer.last_evaluated_key.filter(|key| key.contains_key(ZONE)).map(Cursor);
    Ok(Page { found, next })
}

/// A problem of an item with its key in front.
fn named(key: &Key, item: Result<Item, Problem>) -> Result<Item, Problem> {
    item.map_err(|problem| Problem(format!("{key}: {problem}")))
}

/// The refusal of a change, with the item as it is if it is a host's.
fn refusal(key: &Key, item: Option<&HashMap<String, AttributeValue>>) -> NotWritten {
    let is_host = key.as_host().is_some();
    match item.filter(|item| is_host && !item.is_empty()).map(|item| named(key, Item::read(item))) {
        None => NotWritten::Refused(None),
        Some(Ok(item)) => NotWritten::Refused(Some(Box::new(item))),
        Some(Err(problem)) => NotWritten::Failed(problem),
    }
}

/// A call that failed.
enum CallError<E> {
    /// No answer by the deadline.
    TooLate(&'static str),
    /// What the SDK says, and what was being done.
    Sdk(&'static str, Box<SdkError<E>>),
}

impl<E: ProvideErrorMetadata + Error + 'static> CallError<E> {
    /// The error that DynamoDB answered, if it did.
    fn service_error(&self) -> Option<&E> {
        match self {
            Self::TooLate(_) => None,
            Self::Sdk(_, error) => error.as_service_error(),
        }
    }

    /// Whether the table is not there or may not be used.
    fn is_refused(&self) -> bool {
        let code = self.service_error().and_then(ProvideErrorMetadata::code);
        matches!(code, Some("ResourceNotFoundException" | "AccessDeniedException"))
    }

    /// The error as one line.
    fn problem(&self) -> Problem {
        Problem(match self {
            Self::TooLate(what) => format!("{what}: no answer from DynamoDB in time"),
            Self::Sdk(what, error) => format!("{what}: {}", aws::causes(error)),
        })
    }
}

/// Makes a call that must be over by the deadline.
async fn in_time<T, E>(
    what: &'static str,
    deadline: Instant,
    sent: impl Future<Output = Result<T, SdkError<E>>>,
) -> Result<T, CallError<E>> {
    match timeout_at(deadline, sent).await {
        Ok(answer) => answer.map_err(|error| CallError::Sdk(what, Box::new(error))),
        Err(_) => Err(CallError::TooLate(what)),
    }
}
