//! The Lambda: the gateway in front of Route 53 or of fleet mode's table, one event after the other.

use std::{
    env,
    sync::Arc,
    time::{Duration, SystemTime},
};

use http::Response;
use lambda_runtime::{Error, service_fn};
use tokio::sync::Mutex;

use crate::{
    aws,
    gateway::Gateway,
    log::{Entry, Format, Level, Log},
    protocol::reply::{self, ReturnCode},
    secrets::Provider,
    settings::{FLEET_VARIABLES, Fleet, Settings, unknown_variables},
};

mod event;
mod guard;
mod publisher;
mod store;
mod target;

use self::store::LambdaStore;
pub use event::{Invocation, request, serve};

/// How long a start that failed is not tried again.
const RETRY_AFTER: Duration = Duration::from_secs(5);

/// The gateway, or when it last failed to start.
enum State {
    /// It started.
    Ready(Arc<Gateway<LambdaStore>>),
    /// It did not start; a later request tries again.
    Failed(SystemTime),
}

/// Starts the gateway, or the publisher if the function's handler says so, and answers events until the
/// process ends.
///
/// # Errors
///
/// If the Runtime API cannot be reached.
pub async fn run() -> Result<(), Error> {
    if env::var("_HANDLER").is_ok_and(|handler| handler == publisher::HANDLER) {
        return Box::pin(publisher::run()).await;
    }
    // Clients, secret and connection are made here, where Lambda gives a whole CPU.
    let state = &Mutex::new(State::start().await);
    let handler = async |event| Ok::<_, Error>(serve(event, |invocation| answer(state, invocation)).await);
    lambda_runtime::run(service_fn(handler)).await
}

/// Answers one request.
async fn answer(state: &Mutex<State>, invocation: Invocation) -> Response<String> {
    let gateway = state.lock().await.gateway().await;
    match gateway {
        Some(gateway) => Box::pin(gateway.answer(&invocation.parts, invocation.body(), invocation.peer)).await,
        None => not_started(),
    }
}

impl State {
    /// Starts the gateway; a failure is one line in the log.
    async fn start() -> Self {
        match Box::pin(gateway()).await {
            Ok(gateway) => Self::Ready(Arc::new(gateway)),
            Err(problem) => {
                Log { level: Level::Error, format: Format::Json }.error(&problem);
                Self::Failed(SystemTime::now())
            }
        }
    }

    /// The gateway, started again if that failed some seconds ago.
    async fn gateway(&mut self) -> Option<Arc<Gateway<LambdaStore>>> {
        if let Self::Failed(at) = self
            && at.elapsed().is_ok_and(|since| since < RETRY_AFTER)
        {
            return None;
        }
        if let Self::Failed(_) = self {
            *self = Self::start().await;
        }
        match self {
            Self::Ready(gateway) => Some(Arc::clone(gateway)),
            Self::Failed(_) => None,
        }
    }
}

/// The answer of a gateway that did not start, with its line in the log.
fn not_started() -> Response<String> {
    let code = ReturnCode::ServerError;
    let mut entry = Entry::new("unknown", None);
    entry.codes = vec![code.word()];
    entry.reasons = vec!["the gateway could not start".into()];
    let response = reply::response(&[code]);
    entry.status = response.status().as_u16();
    Log { level: Level::Error, format: Format::Json }.request(entry, Duration::ZERO);
    response
}

/// Makes the gateway from the environment's settings.
async fn gateway() -> Result<Gateway<LambdaStore>, String> {
    let settings = Settings::read(|name| env::var(name).ok()).map_err(|error| error.to_string())?;
    let fleet = Fleet::read(|name| env::var(name).ok()).map_err(|error| error.to_string())?;
    let log = Log { level: settings.log, format: Format::Json };
    let is_of_fleets = |name: &str| FLEET_VARIABLES.iter().any(|variable| variable.name == name);
    for warning in unknown_variables(env::vars_os().map(|(name, _)| name), is_of_fleets) {
        log.warn(&warning);
    }
    let source = settings.secret.as_ref().ok_or("NIC53_SECRET_ARN is not set: expected it, or NIC53_SECRET")?;
    let aws = aws::config().await?;
    let store = LambdaStore::new(&aws, fleet.as_ref());
    let warm_up = async {
        if let Some(zone) = settings.zones.iter().next() {
            store.warm_up(zone).await;
        }
    };
    let (secrets, ()) = tokio::join!(Provider::read(source, Some(&aws), log), warm_up);
    Ok(Gateway::new(settings.clone(), secrets?, store, log))
}
