//! The publisher as a Lambda function of its own, started by `_HANDLER=publisher`.

use std::{
    env,
    time::{Duration, SystemTime},
};

use lambda_runtime::{Error, LambdaEvent, service_fn};
use serde_json::Value;
use tokio::{sync::OnceCell, time::Instant};

use crate::{
    aws,
    log::{Format, Level, Log},
    publisher::{Publisher, Rules, Wake},
    settings::{Fleet, Settings},
    table::Table,
};

/// The name of its handler.
pub(super) const HANDLER: &str = "publisher";

/// How long before the function's time-out no step may begin any more: the pages that it looks up and its batch, while
/// other zones take their turns too, the longest call to Route 53, and the marks of a full batch.
const LEFT: Duration = Duration::from_secs(40);

/// Starts the publisher and answers events until the process ends. An event that makes no sense is a tick.
///
/// # Errors
///
/// If the Runtime API cannot be reached.
pub(super) async fn run() -> Result<(), Error> {
    let publisher = &OnceCell::new();
    let handler = async |event: LambdaEvent<Value>| {
        let publisher =
            publisher.get_or_try_init(|| Box::pin(publisher_of_environment())).await.inspect_err(|problem| {
                Log { level: Level::Error, format: Format::Json }.error(problem);
            })?;
        let time = event.context.deadline().duration_since(SystemTime::now()).unwrap_or_default();
        let until = Instant::now() + time.saturating_sub(LEFT);
        Box::pin(publisher.run(&Wake::read(&event.payload), until)).await;
        Ok::<_, Error>(Value::Null)
    };
    lambda_runtime::run(service_fn(handler)).await
}

/// Makes the publisher from the environment's settings.
async fn publisher_of_environment() -> Result<Publisher, String> {
    let variable = |name: &str| env::var(name).ok();
    let fleet = Fleet::read(variable).map_err(|problem| problem.to_string())?;
    let fleet = fleet.ok_or("NIC53_FLEET is off: expected prepare, on or drain")?;
    // It has no secret, and needs none.
    let settings = Settings::read(variable).map_err(|problem| problem.to_string())?;
    let aws = aws::config().await?;
    let table = Table::new(&aws, &fleet.table);
    let log = Log { level: settings.log, format: Format::Json };
    Ok(Publisher::new(&aws, table, settings.zones, Rules::from(&fleet), log))
}
