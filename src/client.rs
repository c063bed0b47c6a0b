//! The client of `nic53 update`, without its command line.
//!
//! A round goes through the hosts of the configuration ([`config`], in the format of [`ini`]). Those
//! that the [`state`] file does not hold back get their [`addresses`] looked up; those whose addresses
//! changed are put into as few [`request`]s as can be and sent by [`http`]. The [`reply`] says what
//! came of each host: that is its [`outcome`], and what the state file remembers.

pub mod addresses;
pub mod command;
pub mod config;
pub mod gateway_url;
pub mod http;
pub mod ini;
pub mod interface;
pub mod outcome;
pub mod reply;
pub mod request;
pub mod state;

use std::collections::HashMap;

use self::{
    addresses::{Addresses, Found, Lookups},
    config::Host,
    http::Http,
    outcome::{Happened, Outcome, Verdict, verdict},
    request::{Request, together},
    state::{Longest, State, Trouble},
};
use crate::protocol::{hostname::HostName, reply::ReturnCode};

/// What a round may do.
#[derive(Clone, Copy, Debug)]
pub struct Rules {
    /// Ask though nothing changed, or a wait or a refusal holds.
    pub force: bool,
    /// Say what would be asked, and change nothing.
    pub dry_run: bool,
    /// The seconds after which a host is asked for though nothing changed.
    pub max_age: u64,
}

/// Updates these hosts where there is need, and says what came of each, in order.
pub async fn round(hosts: &[Host], state: &mut State, http: &Http, rules: Rules, now: u64) -> Vec<Outcome> {
    let mut lookups = Lookups::new(http, rules.force);
    let mut results: Vec<(&Host, Happened)> = Vec::new();
    let mut wanted: Vec<(&Host, Addresses)> = Vec::new();
    let mut lacking: HashMap<&HostName, String> = HashMap::new();
    for host in hosts {
        match want(host, &mut lookups, state, rules, now).await {
            Ok(found) => {
                lacking.extend(found.lacking.map(|lacking| (&host.name, lacking)));
                match unchanged(host, &found.addresses, state, rules, now) {
                    Some(unchanged) => results.push((host, unchanged)),
                    None => wanted.push((host, found.addresses)),
                }
            }
            Err(result) => results.push((host, result)),
        }
    }
    for request in together(wanted) {
        results.extend(ask(&request, state, http, rules, now).await);
    }
    let place = |host: &Host| hosts.iter().position(|other| other.name == host.name);
    results.sort_by_key(|(host, _)| place(host));
    let outcome =
        |(host, result): (&Host, _)| Outcome { host: host.name.clone(), result, lacking: lacking.remove(&host.name) };
    results.into_iter().map(outcome).collect()
}

/// What a host is to have now, or why it is not asked for.
async fn want(
    host: &Host,
    lookups: &mut Lookups<'_>,
    state: &mut State,
    rules: Rules,
    now: u64,
) -> Result<Found, Happened> {
    match state.trouble(host, now) {
        Some(Trouble::Refused { code }) if !rules.force => return Err(Happened::StillRefused(code.clone())),
        Some(Trouble::Failed { until, reason, .. }) if !rules.force => {
            return Err(Happened::StillWaiting(reason.clone(), until.saturating_sub(now)));
        }
        Some(_) | None => {}
    }
    lookups.addresses(host, state, now).await.map_err(|missing| {
        // An interface or a command of this machine may be asked again at any time, and a dry run
        // remembers nothing.
        let waits = missing.at_gateway && !rules.dry_run;
        let wait = waits.then(|| state.failed(host, &missing.reason, Longest::FiveMinutes, now) - now);
        Happened::Failed { reason: missing.reason, wait }
    })
}

/// That a host is not asked for, as it has these addresses.
fn unchanged(host: &Host, addresses: &Addresses, state: &State, rules: Rules, now: u64) -> Option<Happened> {
    let (held, since) = state.unchanged(host, addresses, rules.max_age, now).filter(|_| !rules.force)?;
    let passed_over = held.passed_over(addresses);
    Some(Happened::Unchanged { addresses: held, passed_over, age: now.saturating_sub(since) })
}

/// Asks for the hosts of a request, and remembers and tells what came of each.
async fn ask<'a>(
    request: &Request<'a>,
    state: &mut State,
    http: &Http,
    rules: Rules,
    now: u64,
) -> Vec<(&'a Host, Happened)> {
    let hosts = request.hosts.iter().copied();
    if rules.dry_run {
        let url = request.url().map_or_else(|problem| problem, |url| url.to_string());
        return hosts.map(|host| (host, Happened::WouldAsk(url.clone()))).collect();
    }
    for host in hosts.clone() {
        state.asking(host);
    }
    let codes: Vec<Result<ReturnCode, Failure>> = match send(request, http).await {
        Ok(codes) => codes.into_iter().map(Ok).collect(),
        Err(failure) => vec![Err(failure); request.hosts.len()],
    };
    let happened = |(host, code)| match code {
        Ok(code) => (host, answered(host, code, &request.addresses, state, now)),
        Err(Failure { reason, longest }) => {
            let wait = Some(state.failed(host, &reason, longest, now) - now);
            (host, Happened::Failed { reason, wait })
        }
    };
    hosts.zip(codes).map(happened).collect()
}

/// Why a request had no reply of the protocol.
#[derive(Clone)]
struct Failure {
    /// What happened.
    reason: String,
    /// The longest wait that it is worth.
    longest: Longest,
}

/// Sends a request: the code of each of its hosts.
async fn send(request: &Request<'_>, http: &Http) -> Result<Vec<ReturnCode>, Failure> {
    let unreached = |reason| Failure { reason, longest: Longest::FiveMinutes };
    let url = request.url().map_err(unreached)?;
    let authorization = request.authorization().map_err(unreached)?;
    let reply = http.get(&url, Some(authorization), None).await.map_err(unreached)?;
    reply::read(&reply, request.hosts.len()).ok_or_else(|| {
        let server = url.authority().map_or("", |authority| authority.as_str());
        let seen = request.redact(&reply).seen();
        let reason = format!("{server} answers {seen}: expected a line such as `good 203.0.113.9` for each host");
        Failure { reason, longest: Longest::OneHour }
    })
}

/// Remembers and tells what a gateway says of a host.
fn answered(host: &Host, code: ReturnCode, asked: &Addresses, state: &mut State, now: u64) -> Happened {
    let mut wait = None;
    let mut passed_over = Vec::new();
    match (verdict(&code), &code) {
        (_, ReturnCode::Good(addresses) | ReturnCode::NoChg(addresses)) => {
            state.updated(host, asked, addresses, now);
            let mut held = Addresses::default();
            held.answer(asked, addresses);
            passed_over = held.passed_over(asked);
        }
        (Verdict::Later, _) => wait = Some(state.failed(host, code.word(), Longest::OneHour, now) - now),
        (Verdict::Well | Verdict::Refused, _) => state.refused(host, code.word()),
    }
    Happened::Answered { passed_over, code, wait }
}
