//! The client of `nic53 update`, without its command line.
//!
//! A round goes through the hosts of the configuration ([`config`], in the format of [`ini`], makes
//! [`host`]s). The addresses of those that the [`state`] does not hold back are looked up ([`lookup`])
//! where their [`sources`] say. The hosts whose [`addresses`] changed go into as few [`request`]s as
//! possible, which [`http`] sends. From the [`reply`] comes the [`outcome`] of each host, which the
//! state remembers in a file ([`state_file`]).

pub mod addresses;
pub mod basic;
pub mod command;
pub mod config;
pub mod gateway_url;
pub mod host;
pub mod http;
pub mod ini;
pub mod interface;
pub mod lookup;
pub mod outcome;
pub mod reply;
pub mod request;
pub mod roots;
pub mod sources;
pub mod state;
pub mod state_file;
pub mod trust;

use std::collections::HashMap;

use self::{
    addresses::HostAddresses,
    host::Host,
    http::Http,
    lookup::{FoundAddresses, Lookups},
    outcome::{ExitStatus, HostOutcome, Status, exit_status},
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
}

/// Updates these hosts if there is need. Returns the outcome of each, in order.
pub async fn round(hosts: &[Host], state: &mut ClientState, http: &Http, rules: Rules, now: u64) -> Vec<HostOutcome> {
    let mut lookups = Lookups::new(http, rules.force);
    let mut results: Vec<(&Host, Status)> = Vec::new();
    let mut wanted: Vec<(&Host, HostAddresses)> = Vec::new();
    let mut missing: HashMap<&HostName, String> = HashMap::new();
    for host in hosts {
        match find(host, &mut lookups, state, rules, now).await {
            Ok(found) => {
                missing.extend(found.missing.map(|missing| (&host.name, missing)));
                match unchanged(host, &found.addresses, state, rules, now) {
                    Some(unchanged) => results.push((host, unchanged)),
                    None => wanted.push((host, found.addresses)),
                }
            }
            Err(status) => results.push((host, status)),
        }
    }
    for request in together(wanted) {
        results.extend(ask(&request, state, http, rules, now).await);
    }
    let position = |host: &Host| hosts.iter().position(|other| other.name == host.name);
    results.sort_by_key(|(host, _)| position(host));
    let outcome = |(host, status): (&Host, _)| HostOutcome {
        host: host.name.clone(),
        status,
        missing: missing.remove(&host.name),
    };
    results.into_iter().map(outcome).collect()
}

/// The addresses that a host should have now, or why it is not asked for.
async fn find(
    host: &Host,
    lookups: &mut Lookups<'_>,
    state: &mut ClientState,
    rules: Rules,
    now: u64,
) -> Result<FoundAddresses, Status> {
    match state.trouble(host, now) {
        Some(HostTrouble::Refused { code }) if !rules.force => return Err(Status::StillRefused(code.clone())),
        Some(HostTrouble::Failed { until, reason, .. }) if !rules.force => {
            return Err(Status::StillWaiting(reason.clone(), until.saturating_sub(now)));
        }
        Some(_) | None => {}
    }
    lookups.addresses(host, state, now).await.map_err(|none| {
        // An interface or a command of this machine may be asked again at any time, and a dry run
        // remembers nothing.
        let waits = none.at_gateway && !rules.dry_run;
        let wait = waits.then(|| state.failed(host, &none.reason, MaxWait::Unreachable, now) - now);
        Status::Failed { reason: none.reason, wait }
    })
}

/// The status of a host that is not asked for, because it has these addresses.
fn unchanged(host: &Host, addresses: &HostAddresses, state: &ClientState, rules: Rules, now: u64) -> Option<Status> {
    let (held, since) = state.unchanged(host, addresses, rules.max_age, now).filter(|_| !rules.force)?;
    let unpublished = held.unpublished(addresses);
    Some(Status::Unchanged { addresses: held, unpublished, age: now.saturating_sub(since) })
}

/// Asks for the hosts of a request. Remembers and returns the status of each.
async fn ask<'a>(
    request: &UpdateRequest<'a>,
    state: &mut ClientState,
    http: &Http,
    rules: Rules,
    now: u64,
) -> Vec<(&'a Host, Status)> {
    let hosts = request.hosts.iter().copied();
    if rules.dry_run {
        let url = request.url().map_or_else(|problem| problem, |url| url.to_string());
        return hosts.map(|host| (host, Status::WouldAsk(url.clone()))).collect();
    }
    for host in hosts.clone() {
        state.asking(host);
    }
    let codes: Vec<Result<ReturnCode, SendError>> = match send(request, http).await {
        Ok(codes) => codes.into_iter().map(Ok).collect(),
        Err(error) => vec![Err(error); request.hosts.len()],
    };
    let status = |(host, code)| match code {
        Ok(code) => (host, answered(host, code, &request.addresses, state, now)),
        Err(SendError { reason, max }) => {
            let wait = Some(state.failed(host, &reason, max, now) - now);
            (host, Status::Failed { reason, wait })
        }
    };
    hosts.zip(codes).map(status).collect()
}

/// Why a request got no reply of the protocol.
#[derive(Clone)]
struct SendError {
    /// What happened.
    reason: String,
    /// The longest wait that it is worth.
    max: MaxWait,
}

/// Sends a request. Returns the code of each of its hosts.
async fn send(request: &UpdateRequest<'_>, http: &Http) -> Result<Vec<ReturnCode>, SendError> {
    let unreachable = |reason| SendError { reason, max: MaxWait::Unreachable };
    let url = request.url().map_err(unreachable)?;
    let authorization = request.authorization().map_err(unreachable)?;
    let reply = http.get(&url, Some(authorization), None).await.map_err(unreachable)?;
    reply::read(&reply, request.hosts.len()).ok_or_else(|| {
        let server = url.authority().map_or("", |authority| authority.as_str());
        let summary = request.redact(&reply).summary();
        let reason = format!("{server} answers {summary}: expected a line such as `good 203.0.113.9` for each host");
        SendError { reason, max: MaxWait::Refusing }
    })
}

/// Remembers and returns the status of a host that a gateway answered for.
fn answered(host: &Host, code: ReturnCode, asked: &HostAddresses, state: &mut ClientState, now: u64) -> Status {
    let mut wait = None;
    let mut unpublished = Vec::new();
    match (exit_status(&code), &code) {
        (_, ReturnCode::Good(addresses) | ReturnCode::NoChg(addresses)) => {
            state.updated(host, asked, addresses, now);
            let mut held = HostAddresses::default();
            held.answer(asked, addresses);
            unpublished = held.unpublished(asked);
        }
        (ExitStatus::Later, _) => wait = Some(state.failed(host, code.word(), MaxWait::Refusing, now) - now),
        (ExitStatus::Well | ExitStatus::Refused, _) => state.refused(host, code.word()),
    }
    Status::Answered { unpublished, code, wait }
}
