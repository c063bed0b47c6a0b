//! One round: which hosts are due, what is asked for them, and the outcome of each.

use std::collections::HashMap;

use super::{
    addresses::HostAddresses,
    host::Host,
    http::Http,
    lookup::{LookedUp, Lookups},
    outcome::{ExitStatus, HostOutcome, Status, exit_status},
    reply,
    request::{UpdateRequest, together},
    state::{ClientState, HostTrouble, MaxWait},
};
use crate::protocol::{hostname::HostName, reply::ReturnCode};

/// What a round may do.
#[derive(Clone, Copy, Debug)]
pub struct Rules {
    /// Ask although nothing changed, or a wait or a refusal holds.
    pub force: bool,
    /// Report what would be asked, and change nothing.
    pub dry_run: bool,
    /// The seconds after which a host is asked for although nothing changed.
    pub max_age: u64,
    /// Remember which trouble this round reports, so that the next one does not repeat it.
    pub remember_reports: bool,
}

/// Updates these hosts if there is need. Returns the outcome of each, in order.
pub async fn round(hosts: &[Host], state: &mut ClientState, http: &Http, rules: Rules, now: u64) -> Vec<HostOutcome> {
    let lookups = Lookups::new(http, rules.force);
    let mut round = Round { state, http, rules, now, lookups, notes: HashMap::new() };
    let mut results: Vec<(&Host, Status)> = Vec::new();
    let mut due: Vec<(&Host, HostAddresses)> = Vec::new();
    for host in hosts {
        match round.due(host).await {
            Ok(addresses) => due.push((host, addresses)),
            Err(status) => results.push((host, status)),
        }
    }
    for request in together(due) {
        results.extend(round.ask(&request).await);
    }
    let position = |host: &Host| hosts.iter().position(|other| other.name == host.name);
    results.sort_by_key(|(host, _)| position(host));
    results.into_iter().map(|(host, status)| round.outcome(host, status)).collect()
}

/// A round in progress.
struct Round<'a> {
    /// What is remembered.
    state: &'a mut ClientState,
    /// Asks the gateways.
    http: &'a Http,
    /// What this round may do.
    rules: Rules,
    /// The time, in seconds since 1970.
    now: u64,
    /// The addresses that were looked up.
    lookups: Lookups<'a>,
    /// What was noted of each host.
    notes: HashMap<&'a HostName, Notes>,
}

/// What was noted of a host on the way to its outcome.
#[derive(Default)]
struct Notes {
    /// The family that should have been updated too but had no address, and why.
    missing: Option<String>,
    /// Each step, for a person who wants to know.
    steps: Vec<String>,
}

impl<'a> Round<'a> {
    /// The addresses to ask for, or the status of a host that is not asked for.
    async fn due(&mut self, host: &'a Host) -> Result<HostAddresses, Status> {
        match self.state.trouble(host, self.now) {
            Some(HostTrouble::Refused { code }) if !self.rules.force => return Err(Status::StillRefused(code.clone())),
            Some(HostTrouble::Failed { until, reason, .. }) if !self.rules.force => {
                return Err(Status::StillWaiting(reason.clone(), until.saturating_sub(self.now)));
            }
            Some(_) | None => {}
        }
        let LookedUp { found, steps } = self.lookups.addresses(host, self.state, self.now).await;
        let notes = self.notes.entry(&host.name).or_default();
        notes.steps = steps;
        match found {
            Ok(found) => {
                notes.missing = found.missing;
                match self.unchanged(host, &found.addresses) {
                    Some(unchanged) => Err(unchanged),
                    None => Ok(found.addresses),
                }
            }
            Err(none) => {
                // An interface or a command of this machine may be asked again at any time, and a dry
                // run remembers nothing.
                let waits = none.at_gateway && !self.rules.dry_run;
                let wait = waits.then(|| self.failed(host, &none.reason, MaxWait::Unreachable));
                Err(Status::Failed { reason: none.reason, wait })
            }
        }
    }

    /// The status of a host that is not asked for, because it has these addresses.
    fn unchanged(&self, host: &Host, addresses: &HostAddresses) -> Option<Status> {
        let Rules { force, max_age, .. } = self.rules;
        let (held, since) = self.state.unchanged(host, addresses, max_age, self.now).filter(|_| !force)?;
        let unpublished = held.unpublished(addresses);
        Some(Status::Unchanged { addresses: held, unpublished, age: self.now.saturating_sub(since) })
    }

    /// Asks for the hosts of a request. Remembers and returns the status of each.
    async fn ask(&mut self, request: &UpdateRequest<'a>) -> Vec<(&'a Host, Status)> {
        let hosts = request.hosts.iter().copied();
        if self.rules.dry_run {
            let url = request.url().map_or_else(|problem| problem, |url| url.to_string());
            return hosts.map(|host| (host, Status::WouldAsk(url.clone()))).collect();
        }
        for host in hosts.clone() {
            self.state.asking(host);
        }
        let mut steps = Vec::new();
        let codes: Vec<Result<ReturnCode, SendError>> = match send(request, self.http, &mut steps).await {
            Ok(codes) => codes.into_iter().map(Ok).collect(),
            Err(error) => vec![Err(error); request.hosts.len()],
        };
        let mut results = Vec::new();
        for (host, code) in hosts.zip(codes) {
            self.notes.entry(&host.name).or_default().steps.extend(steps.clone());
            let status = match code {
                Ok(code) => self.answered(host, code, &request.addresses),
                Err(SendError { reason, max }) => {
                    let wait = Some(self.failed(host, &reason, max));
                    Status::Failed { reason, wait }
                }
            };
            results.push((host, status));
        }
        results
    }

    /// Remembers and returns the status of a host that a gateway answered for.
    fn answered(&mut self, host: &Host, code: ReturnCode, asked: &HostAddresses) -> Status {
        let mut wait = None;
        let mut unpublished = Vec::new();
        match (exit_status(&code), &code) {
            (_, ReturnCode::Good(addresses) | ReturnCode::NoChg(addresses)) => {
                self.state.updated(host, asked, addresses, self.now);
                let mut held = HostAddresses::default();
                held.answer(asked, addresses);
                unpublished = held.unpublished(asked);
            }
            (ExitStatus::Refused, _) if !is_forgeable(host) => self.state.refused(host, code.word()),
            (_, _) => wait = Some(self.failed(host, code.word(), MaxWait::Refusing)),
        }
        Status::Answered { unpublished, code, wait }
    }

    /// Remembers that a host failed. Returns the seconds that it has to wait.
    fn failed(&mut self, host: &Host, reason: &str, max: MaxWait) -> u64 {
        self.state.failed(host, reason, max, self.now) - self.now
    }

    /// The outcome of a host. Remembers which trouble of it is reported.
    fn outcome(&mut self, host: &Host, status: Status) -> HostOutcome {
        let Notes { missing, steps } = self.notes.remove(&host.name).unwrap_or_default();
        let hints = hints(host, &status);
        let mut outcome = HostOutcome { host: host.name.clone(), status, missing, hints, steps, reported: None };
        let trouble = outcome.trouble();
        outcome.reported = if self.rules.remember_reports && !self.rules.dry_run {
            self.state.report(host, trouble)
        } else {
            self.state.reported(host).map(ToOwned::to_owned)
        };
        outcome
    }
}

/// Whether anyone on the way could have answered in the gateway's place. One such answer must not
/// stop the client for good.
fn is_forgeable(host: &Host) -> bool {
    !host.url.https && !host.url.is_loopback()
}

/// What helps with this status, beyond the meaning of its code.
fn hints(host: &Host, status: &Status) -> Vec<&'static str> {
    let Status::Answered { code, wait, .. } = status else { return Vec::new() };
    let quoted = *code == ReturnCode::BadAuth && host.token.is_quoted();
    let forgeable = exit_status(code) == ExitStatus::Refused && wait.is_some();
    [
        quoted.then_some("the token is in quotes, which count as part of it: expected it without them"),
        forgeable.then_some("it is asked again, as anyone on the way can answer over http://: expected https://"),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// Why a request got no reply of the protocol.
#[derive(Clone)]
struct SendError {
    /// What happened.
    reason: String,
    /// The longest wait that it is worth.
    max: MaxWait,
}

/// Sends a request. Returns the code of each of its hosts, and notes the steps.
async fn send(request: &UpdateRequest<'_>, http: &Http, steps: &mut Vec<String>) -> Result<Vec<ReturnCode>, SendError> {
    let unreachable = |reason| SendError { reason, max: MaxWait::Unreachable };
    let url = request.url().map_err(unreachable)?;
    let authorization = request.authorization().map_err(unreachable)?;
    steps.push(format!("GET {url}"));
    let reply = http.get(&url, Some(authorization), None).await.map_err(unreachable)?;
    let summary = request.redact(&reply).summary();
    steps.push(format!("the answer is {summary}"));
    reply::read(&reply, request.hosts.len()).ok_or_else(|| {
        let server = url.authority().map_or("", |authority| authority.as_str());
        let reason = format!("{server} answers {summary}: expected a line such as `good 203.0.113.9` for each host");
        SendError { reason, max: MaxWait::Refusing }
    })
}
