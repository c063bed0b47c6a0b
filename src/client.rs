//! The client of `nic53 update`, without its command line.
//!
//! A round goes through the hosts of the configuration ([`config`], in the format of [`ini`]). Those
//! that the [`state`] file does not hold back get their [`addresses`] looked up; those whose addresses
//! changed are put into as few [`request`]s as can be and sent by [`http`]. The [`reply`] says what
//! came of each host: that is its [`outcome`], and what the state file remembers.

pub mod addresses;
pub mod command;
pub mod config;
pub mod http;
pub mod ini;
pub mod interface;
pub mod outcome;
pub mod reply;
pub mod request;
pub mod state;

use self::{
    addresses::{Addresses, Lookups},
    config::Host,
    http::Http,
    outcome::{Happened, Outcome, Verdict, verdict},
    request::{Request, together},
    state::{Longest, State, Trouble},
};
use crate::reply::ReturnCode;

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
    for host in hosts {
        match want(host, &mut lookups, state, rules, now).await {
            Ok(addresses) => wanted.push((host, addresses)),
            Err(result) => results.push((host, result)),
        }
    }
    for request in together(wanted) {
        results.extend(ask(&request, state, http, rules, now).await);
    }
    let place = |host: &Host| hosts.iter().position(|other| other.name == host.name);
    results.sort_by_key(|(host, _)| place(host));
    results.into_iter().map(|(host, result)| Outcome { host: host.name.clone(), result }).collect()
}

/// What a host is to be asked for now, or why it is not asked for.
async fn want(
    host: &Host,
    lookups: &mut Lookups<'_>,
    state: &mut State,
    rules: Rules,
    now: u64,
) -> Result<Addresses, Happened> {
    match state.trouble(host, now) {
        Some(Trouble::Refused { code }) if !rules.force => return Err(Happened::StillRefused(code.clone())),
        Some(Trouble::Failed { until, reason, .. }) if !rules.force => {
            return Err(Happened::StillWaiting(reason.clone(), until.saturating_sub(now)));
        }
        Some(_) | None => {}
    }
    let addresses = lookups.addresses(host, state, now).await.map_err(|missing| {
        // An interface or a command of this machine may be asked again at any time.
        let wait = missing.at_gateway.then(|| state.failed(host, &missing.reason, Longest::FiveMinutes, now) - now);
        Happened::Failed { reason: missing.reason, wait }
    })?;
    match state.unchanged(host, &addresses, rules.max_age, now) {
        Some(since) if !rules.force => Err(Happened::Unchanged(addresses, now.saturating_sub(since))),
        Some(_) | None => Ok(addresses),
    }
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
    match verdict(&code) {
        Verdict::Well => state.updated(host, asked, now),
        Verdict::Later => wait = Some(state.failed(host, code.word(), Longest::OneHour, now) - now),
        Verdict::Refused => state.refused(host, code.word()),
    }
    Happened::Answered { passed_over: passed_over(&code, asked), code, wait }
}

/// The addresses asked for that are not among those answered, which a gateway may not publish.
fn passed_over(code: &ReturnCode, asked: &Addresses) -> Vec<String> {
    let answered: Vec<String> = match code {
        ReturnCode::Good(addresses) | ReturnCode::NoChg(addresses) => {
            addresses.iter().map(ToString::to_string).collect()
        }
        ReturnCode::BadAuth
        | ReturnCode::NoHost
        | ReturnCode::NotFqdn
        | ReturnCode::NumHost
        | ReturnCode::NotDonator
        | ReturnCode::DnsErr
        | ReturnCode::ServerError => return Vec::new(),
    };
    // A prefix is answered with what was moved under it, if there was anything.
    asked.iter().filter(|address| !address.contains('/') && !answered.contains(address)).cloned().collect()
}
