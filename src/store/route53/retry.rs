//! When a call to Route 53 is made again, and when no more.
//!
//! Route 53 takes a few calls a second from an account (`Throttling`), and one change of a zone at a
//! time (`PriorRequestNotComplete`). Both pass, so a busy answer is no failure: the call is made again
//! until the request's deadline. The SDK would make three attempts within half a second, and pay for
//! them from a quota of the process that a busy hour exhausts. So its retries are off, and are made
//! here.

use std::{error::Error, future::Future, time::Duration};

use aws_sdk_route53::error::{ProvideErrorMetadata, SdkError};
use tokio::time::{Instant, sleep, timeout_at};

use crate::{aws, problem::Problem, store::Budget};

/// Attempts in which Route 53 failed, or did not answer. After that many the call has failed.
const ATTEMPTS: u32 = 3;

/// The longest pause before the second attempt after a failure; it doubles for the third.
const FIRST_BACKOFF: Duration = Duration::from_millis(100);

/// The longest pause after the first busy answer. Each is half as long again as the one before it.
const FIRST_PAUSE: Duration = Duration::from_millis(100);

/// The longest pause after a busy answer: a change takes a good part of a second, and ten that wait
/// for each other must be through in nine.
const LONGEST_PAUSE: Duration = Duration::from_millis(800);

/// What an attempt that failed says about the next one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Route 53 was busy, and did nothing.
    Busy,
    /// Route 53 failed or was not reached. It may have done what was asked.
    Fault,
    /// Route 53 refused the batch as it does not fit the zone. A smaller one may.
    Invalid,
    /// We may not do what was asked. A smaller batch may be allowed.
    Denied,
    /// No other attempt can succeed, not even with a smaller batch.
    Final,
}

/// An attempt that failed.
#[derive(Debug)]
pub(super) struct Failure {
    /// What it says about the next attempt.
    pub(super) kind: Kind,
    /// The error, in one line.
    pub(super) text: String,
}

/// The attempts of one call.
pub(super) struct Retry {
    /// Attempts that failed, busy answers not counted.
    faults: u32,
    /// Busy answers.
    busy: i32,
    /// When the attempts since the last busy answer must be over.
    limit: Instant,
}

impl Retry {
    /// Before the first attempt.
    pub(super) fn new() -> Self {
        Self { faults: 0, busy: 0, limit: Instant::now() + aws::CALL_LIMIT }
    }

    /// When the next attempt must be over, whatever it is made for.
    pub(super) fn limit(&self) -> Instant {
        self.limit
    }

    /// When the next attempt may begin; `None` if there is to be none.
    pub(super) fn next(&mut self, failure: &Failure) -> Option<Instant> {
        let now = Instant::now();
        match failure.kind {
            Kind::Busy => {
                let longest = FIRST_PAUSE.mul_f64(1.5_f64.powi(self.busy)).min(LONGEST_PAUSE);
                self.busy += 1;
                let next = now + longest.mul_f64(0.5 + fastrand::f64() / 2.0);
                self.limit = next + aws::CALL_LIMIT;
                Some(next)
            }
            Kind::Fault => {
                let longest = FIRST_BACKOFF * 2_u32.pow(self.faults);
                self.faults += 1;
                let next = now + longest.mul_f64(fastrand::f64());
                (self.faults < ATTEMPTS && next < self.limit).then_some(next)
            }
            Kind::Invalid | Kind::Denied | Kind::Final => None,
        }
    }
}

/// Makes a call until it succeeds, fails for good, or the deadline is too near for another attempt.
///
/// # Errors
///
/// What was being done, and why the last attempt failed.
pub(super) async fn call<T, E, F>(what: &str, budget: &Budget, send: impl Fn() -> F) -> Result<T, Problem>
where
    E: ProvideErrorMetadata + Error + 'static,
    F: Future<Output = Result<T, SdkError<E>>>,
{
    let mut retry = Retry::new();
    loop {
        budget.calls().count();
        let failure = match attempt(retry.limit().min(budget.deadline()), send()).await {
            Ok(output) => return Ok(output),
            Err(failure) => failure,
        };
        match retry.next(&failure).filter(|next| *next < budget.deadline()) {
            Some(next) => sleep(next.saturating_duration_since(Instant::now())).await,
            None => return Err(Problem(format!("{what}: {}", failure.text))),
        }
    }
}

/// Makes one attempt, which must be over by then.
///
/// # Errors
///
/// Why it failed.
pub(super) async fn attempt<T, E>(
    limit: Instant,
    sent: impl Future<Output = Result<T, SdkError<E>>>,
) -> Result<T, Failure>
where
    E: ProvideErrorMetadata + Error + 'static,
{
    match timeout_at(limit, sent).await {
        Ok(answer) => answer.map_err(|error| Failure { kind: kind(&error), text: aws::causes(&error) }),
        Err(_) => Err(Failure { kind: Kind::Final, text: "no answer from Route 53 in time".to_owned() }),
    }
}

/// What an error of the SDK says about the next attempt.
fn kind<E: ProvideErrorMetadata>(error: &SdkError<E>) -> Kind {
    match error {
        SdkError::TimeoutError(_) | SdkError::ResponseError(_) => Kind::Fault,
        SdkError::DispatchFailure(failure) if failure.is_io() || failure.is_timeout() => Kind::Fault,
        SdkError::ServiceError(service) => kind_of_answer(service.err().code(), service.raw().status().as_u16()),
        // Such as credentials that are missing.
        _ => Kind::Final,
    }
}

/// What an error of Route 53, by its code and status, says about the next attempt.
fn kind_of_answer(code: Option<&str>, status: u16) -> Kind {
    match (code, status) {
        (Some("Throttling" | "ThrottlingException" | "PriorRequestNotComplete"), _) => Kind::Busy,
        // An InvalidChangeBatch as the API reference has it comes without a code.
        (Some("InvalidChangeBatch"), _) | (None, 400) => Kind::Invalid,
        (Some("AccessDenied" | "AccessDeniedException"), _) => Kind::Denied,
        (_, 500 | 502 | 503 | 504) => Kind::Fault,
        _ => Kind::Final,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The pauses between attempts that all fail alike, up to a deadline.
    fn pauses(kind: Kind, within: Duration) -> Vec<Duration> {
        let (mut retry, started) = (Retry::new(), Instant::now());
        let failure = Failure { kind, text: String::new() };
        let mut pauses = Vec::new();
        while let Some(next) = retry.next(&failure) {
            pauses.push(next.saturating_duration_since(Instant::now()));
            if pauses.iter().sum::<Duration>() > within || started.elapsed() > within {
                break;
            }
        }
        pauses
    }

    #[test]
    fn pauses_of_a_busy_call_grow_and_go_on_until_the_deadline() {
        for _ in 0..100 {
            let pauses = pauses(Kind::Busy, Duration::from_secs(9));
            assert!(pauses.iter().sum::<Duration>() > Duration::from_secs(9), "{pauses:?}");
            assert!(pauses[0] <= FIRST_PAUSE && pauses.iter().all(|pause| *pause <= LONGEST_PAUSE), "{pauses:?}");
            assert!(pauses[8] >= LONGEST_PAUSE / 2 && pauses.len() < 30, "{pauses:?}");
        }
    }

    #[test]
    fn another_fault_has_three_attempts_and_a_refusal_one() {
        for (kind, count) in [(Kind::Fault, 2), (Kind::Invalid, 0), (Kind::Denied, 0), (Kind::Final, 0)] {
            let pauses = pauses(kind, Duration::from_secs(9));
            assert_eq!(pauses.len(), count, "{kind:?}");
            assert!(pauses.iter().all(|pause| *pause <= FIRST_BACKOFF * 2), "{pauses:?}");
        }
    }

    #[test]
    fn an_answer_of_route_53_says_whether_another_attempt_may_help() {
        for (code, status, expected) in [
            (Some("Throttling"), 400, Kind::Busy),
            (Some("PriorRequestNotComplete"), 400, Kind::Busy),
            (Some("InvalidChangeBatch"), 400, Kind::Invalid),
            (None, 400, Kind::Invalid),
            (Some("AccessDenied"), 403, Kind::Denied),
            (Some("InternalError"), 500, Kind::Fault),
            (None, 503, Kind::Fault),
            (Some("NoSuchHostedZone"), 404, Kind::Final),
            (Some("InvalidInput"), 400, Kind::Final),
        ] {
            assert_eq!(kind_of_answer(code, status), expected, "{code:?} {status}");
        }
    }
}
