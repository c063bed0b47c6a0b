//! Where the token secrets come from, and reading them again when they are old.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, SystemTime},
};

use aws_config::SdkConfig;
use aws_sdk_secretsmanager::{Client, operation::get_secret_value::GetSecretValueError};
use tokio::sync::Mutex;
use zeroize::Zeroizing;

use crate::{
    aws,
    log::Log,
    problem::Problem,
    protocol::token::{Secret, Secrets},
};

/// How long secrets of Secrets Manager are used before they are read again.
const MAX_AGE: Duration = Duration::from_mins(5);

/// How long the secrets in use are kept after a failed read.
const RETRY_AFTER: Duration = Duration::from_secs(30);

/// How long secrets of Secrets Manager are used in all if they cannot be read again. Else a rotation
/// that we cannot see would never revoke anything.
const LONGEST_USE: Duration = Duration::from_hours(24);

/// The longest that reading them again may delay a request.
const REFRESH_LIMIT: Duration = Duration::from_millis(900);

/// Where the secrets come from.
#[derive(Clone)]
pub enum Source {
    /// `NIC53_SECRET`, `NIC53_SECRET_PREVIOUS`.
    Text(Arc<Secrets>),
    /// `NIC53_SECRET_FILE`, `NIC53_SECRET_PREVIOUS_FILE`.
    File {
        /// Holds the current one.
        current: PathBuf,
        /// Holds the one before it.
        previous: Option<PathBuf>,
    },
    /// `NIC53_SECRET_ARN`: `AWSCURRENT`, and `AWSPREVIOUS` if it exists.
    SecretsManager(String),
}

/// Provides the secrets that are in use.
pub enum Provider {
    /// Read once.
    Fixed(Arc<Secrets>),
    /// Read from Secrets Manager, again from time to time.
    SecretsManager {
        /// Reads them.
        client: Client,
        /// The secret's ARN.
        arn: String,
        /// What was read last, and when to read again.
        cached: Mutex<Cached>,
        /// Logs a failed read.
        log: Log,
    },
}

/// Secrets, and how long they may be used.
pub struct Cached {
    /// What was read last.
    secrets: Arc<Secrets>,
    /// When they were read.
    confirmed_at: SystemTime,
    /// When it was tried last. The wall clock's time: a monotonic clock may stop while the Lambda is
    /// frozen.
    read_at: SystemTime,
    /// How long after `read_at` they are not read again.
    valid_for: Duration,
}

impl Provider {
    /// Reads the secrets.
    ///
    /// # Errors
    ///
    /// If a secret could not be read, or is not one. The message never holds a secret.
    pub async fn read(source: &Source, aws: Option<&SdkConfig>, log: Log) -> Result<Self, String> {
        match source {
            Source::Text(secrets) => Ok(Self::Fixed(Arc::clone(secrets))),
            Source::File { current, previous } => {
                let previous = previous.as_deref().map(read_file).transpose()?;
                Ok(Self::Fixed(Arc::new(Secrets { current: read_file(current)?, previous })))
            }
            Source::SecretsManager(arn) => {
                let loaded;
                let aws = if let Some(aws) = aws {
                    aws
                } else {
                    loaded = aws::config().await?;
                    &loaded
                };
                let client = Client::new(aws);
                let secrets = Arc::new(read_versions(&client, arn, aws::CALL_LIMIT).await?);
                let now = SystemTime::now();
                let cached = Cached { secrets, confirmed_at: now, read_at: now, valid_for: MAX_AGE };
                Ok(Self::SecretsManager { client, arn: arn.clone(), cached: Mutex::new(cached), log })
            }
        }
    }

    /// The secrets, read again first if they are old. If that fails, the old secrets stay in use, for a
    /// day at most.
    ///
    /// # Errors
    ///
    /// If they could not be read for a day.
    pub async fn current(&self) -> Result<Arc<Secrets>, Problem> {
        let (client, arn, cached, log) = match self {
            Self::Fixed(secrets) => return Ok(Arc::clone(secrets)),
            Self::SecretsManager { client, arn, cached, log } => (client, arn, cached, log),
        };
        let mut cached = cached.lock().await;
        let now = SystemTime::now();
        if cached.is_fresh(now) {
            return cached.usable(now, arn);
        }
        cached.read_at = now;
        // Boxed, so that a request's future does not reserve space for an AWS call it rarely makes.
        match Box::pin(read_versions(client, arn, REFRESH_LIMIT)).await {
            Ok(secrets) => {
                cached.secrets = Arc::new(secrets);
                (cached.confirmed_at, cached.valid_for) = (now, MAX_AGE);
            }
            Err(error) => {
                cached.valid_for = RETRY_AFTER;
                log.error(&format!("{error}; the secrets read before stay in use for a day at most"));
            }
        }
        cached.usable(now, arn)
    }
}

impl Cached {
    /// Whether they need not be read again now. A clock that was set back makes them old.
    fn is_fresh(&self, now: SystemTime) -> bool {
        now.duration_since(self.read_at).is_ok_and(|age| age < self.valid_for)
    }

    /// The secrets, unless they were read too long ago.
    fn usable(&self, now: SystemTime, arn: &str) -> Result<Arc<Secrets>, Problem> {
        if now.duration_since(self.confirmed_at).is_ok_and(|age| age < LONGEST_USE) {
            Ok(Arc::clone(&self.secrets))
        } else {
            Err(Problem(format!("{arn}: not read for a day: expected Secrets Manager to be reachable again")))
        }
    }
}

/// Reads a secret from a file.
fn read_file(path: &Path) -> Result<Secret, String> {
    let text = fs::read_to_string(path).map(Zeroizing::new).map_err(|error| {
        format!("{}: could not read the secret: {error}: expected a file that nic53 may read", path.display())
    })?;
    Secret::new(&text).map_err(|problem| format!("{}: {problem}", path.display()))
}

/// Reads the current and the previous version of a secret in Secrets Manager.
async fn read_versions(client: &Client, arn: &str, limit: Duration) -> Result<Secrets, String> {
    let both =
        async { tokio::try_join!(read_version(client, arn, "AWSCURRENT"), read_version(client, arn, "AWSPREVIOUS")) };
    let (current, previous) = tokio::time::timeout(limit, both)
        .await
        .map_err(|_| format!("{arn}: no answer from Secrets Manager within {} ms", limit.as_millis()))??;
    let current = current.ok_or_else(|| format!("{arn}: Secrets Manager has no AWSCURRENT of it"))?;
    Ok(Secrets { current, previous })
}

/// Reads one version; `None` if the secret has none of that stage.
async fn read_version(client: &Client, arn: &str, stage: &str) -> Result<Option<Secret>, String> {
    let answer = client.get_secret_value().secret_id(arn).version_stage(stage).send().await;
    let value = match answer {
        Ok(value) => value,
        Err(error) if error.as_service_error().is_some_and(GetSecretValueError::is_resource_not_found_exception) => {
            return Ok(None);
        }
        Err(error) => return Err(format!("{arn}: could not read {stage}: {}", aws::causes(&error))),
    };
    let text = value.secret_string().ok_or_else(|| format!("{arn}: {stage} is binary: expected text"))?;
    Secret::new(text).map(Some).map_err(|problem| format!("{arn}: {stage}: {problem}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_that_cannot_be_read_again_are_used_for_a_day() {
        let secret = Secret::new(&"s".repeat(43)).unwrap();
        let read = SystemTime::UNIX_EPOCH + Duration::from_hours(24 * 365);
        let mut cached = Cached {
            secrets: Arc::new(Secrets { current: secret, previous: None }),
            confirmed_at: read,
            read_at: read,
            valid_for: MAX_AGE,
        };
        let hours = |hours: u64| read + Duration::from_hours(hours);
        for (now, fresh, usable) in [
            (read, true, true),
            (read + MAX_AGE, false, true),
            (hours(23), false, true),
            (hours(24), false, false),
            (hours(24 * 30), false, false),
            // A clock that was set back.
            (read - Duration::from_secs(1), false, false),
        ] {
            assert_eq!((cached.is_fresh(now), cached.usable(now, "arn").is_ok()), (fresh, usable), "{now:?}");
        }
        // Tried again in vain, half a minute ago.
        (cached.read_at, cached.valid_for) = (hours(30), RETRY_AFTER);
        assert!(cached.is_fresh(hours(30)) && cached.usable(hours(30), "arn").is_err());
    }
}
