//! The gateway: from a request to its reply.

use std::{borrow::Cow, net::IpAddr, time::Instant};

use futures_util::future;
use http::{Response, StatusCode, request::Parts};

use crate::{
    log::{Entry, Log},
    problem::Problem,
    protocol::{
        access::{Access, Grant},
        endpoint::Endpoint,
        parameters::{Body, Parameters},
        plan::Plan,
        record::{Change, ChangeBatch},
        reply::{self, Refusal, ReturnCode},
        update::{Desired, Update},
        zone::Zone,
    },
    secrets::Provider,
    settings::Settings,
    store::{CallCount, Store},
};

/// Settings, secrets and a store: all it takes to answer.
pub struct Gateway<S> {
    /// What it is told.
    settings: Settings,
    /// What tokens are minted under.
    secrets: Provider,
    /// Where the records are.
    store: S,
    /// Where each request gets its line.
    log: Log,
}

/// What one host is told, and why.
#[derive(Clone)]
struct Outcome {
    /// The line's words.
    code: ReturnCode,
    /// Why it is not as asked, for the log.
    reason: Option<Cow<'static, str>>,
}

impl<S: Store> Gateway<S> {
    /// Puts the parts together.
    pub fn new(settings: Settings, secrets: Provider, store: S, log: Log) -> Self {
        Self { settings, secrets, store, log }
    }

    /// The settings it was made with.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Answers a request. `peer` is the address that the socket or the event names, if any.
    pub async fn answer(&self, parts: &Parts, body: Body<'_>, peer: Option<IpAddr>) -> Response<String> {
        let started = Instant::now();
        let source = self.settings.proxies.source(&parts.headers, peer);
        let (form, fault) = match body {
            Body::Whole(form) => (form, None),
            Body::TooLarge => (&[][..], Some((StatusCode::PAYLOAD_TOO_LARGE, "the form is too large"))),
            // The only status that no client takes for final: it may come better the next time.
            Body::Broken => (&[][..], Some((StatusCode::SERVICE_UNAVAILABLE, "the form did not come as a whole"))),
        };
        let parameters = Parameters::read(parts, form);
        let asks =
            parts.uri.query().is_some_and(|query| !query.is_empty()) || !parameters.is_empty() || fault.is_some();
        let endpoint = Endpoint::of(parts.uri.path(), asks);
        let mut entry = Entry::new(endpoint.map_or("unknown", Endpoint::word), source);
        let response = match endpoint {
            None => reply::not_found(),
            Some(endpoint) if !endpoint.allows(&parts.method) => reply::method_not_allowed(endpoint.allow()),
            Some(Endpoint::Health) => reply::text(StatusCode::OK, "ok".to_owned()),
            Some(Endpoint::CheckIp) => source.map_or_else(|| unknown_source(&mut entry), reply::checkip),
            Some(Endpoint::PlainIp) => source.map_or_else(|| unknown_source(&mut entry), reply::plain_ip),
            Some(Endpoint::Update) if let Some((status, reason)) = fault => {
                entry.reasons.push(reason.into());
                reply::text(status, ReturnCode::ServerError.word().to_owned())
            }
            Some(Endpoint::Update) => reply::response(&self.update(parts, &parameters, &mut entry).await),
        };
        entry.status = response.status().as_u16();
        self.log.request(entry, started.elapsed());
        response
    }

    /// Carries an update out and says what comes of each host.
    async fn update(&self, parts: &Parts, parameters: &Parameters<'_>, entry: &mut Entry) -> Vec<ReturnCode> {
        let calls = CallCount::default();
        let update = Update::parse(&parts.headers, parameters, entry.source, self.settings.policy);
        let outcomes = match update {
            Ok(update) => {
                entry.hosts = update.loggable_hosts();
                self.lines(&update, &entry.hosts, &calls).await
            }
            Err(refusal) => vec![refusal.into()],
        };
        entry.calls = calls.get();
        log_outcome(entry, &outcomes);
        outcomes.into_iter().map(|outcome| outcome.code).collect()
    }

    /// Decides on each host, then changes each zone by itself. `hosts` are those of the update as
    /// they may be logged.
    async fn lines(&self, update: &Update, hosts: &[String], calls: &CallCount) -> Vec<Outcome> {
        let secrets = self.secrets.current().await;
        let Settings { zones, generations, allow_offline, .. } = &self.settings;
        let access = Access { zones, secrets: &secrets, generations };
        let decisions = match access.authorize(update) {
            Ok(decisions) => decisions,
            // Dyn: codes that concern the whole request are given only once.
            Err(refusal) => return vec![refusal.into()],
        };
        if update.desired == Ok(Desired::Offline) && !allow_offline {
            return vec![Outcome::new(ReturnCode::NotDonator, "offline is not allowed here")];
        }
        let granted: Vec<&Grant<'_>> = decisions.iter().flatten().collect();
        let zones = by_zone(&granted);
        let changes = zones.iter().map(|(zone, grants)| self.change(zone, grants, update, calls));
        let lines: Vec<Outcome> = future::join_all(changes).await.into_iter().flatten().collect();
        let line_of = |grant: &Grant<'_>| {
            let hosts = zones.iter().flat_map(|(_, grants)| grants).map(|grant| grant.host());
            hosts.zip(&lines).find(|(host, _)| *host == grant.host()).map(|(_, line)| line.clone())
        };
        decisions
            .iter()
            .zip(hosts)
            .map(|(decision, host)| match decision {
                Ok(grant) => {
                    line_of(grant).unwrap_or_else(|| Outcome::new(ReturnCode::ServerError, "no line of a host"))
                }
                Err(refusal) => Outcome::new(refusal.code.clone(), format!("{host}: {}", refusal.reason)),
            })
            .collect()
    }

    /// Changes the granted hosts of one zone, all or none, and says what comes of each.
    async fn change(&self, zone: &Zone, grants: &[&Grant<'_>], update: &Update, calls: &CallCount) -> Vec<Outcome> {
        let failed = |problem: &Problem| Outcome::new(ReturnCode::DnsErr, format!("zone {}: {problem}", zone.name));
        let desired = match &update.desired {
            Ok(desired) => desired,
            Err(reason) => return vec![Outcome::new(ReturnCode::DnsErr, *reason); grants.len()],
        };
        let current = match self.store.record_sets(grants, calls).await {
            Ok(current) => current,
            Err(error) => return vec![failed(&error); grants.len()],
        };
        let plan = |current| Plan::new(desired, update.ttl, current, self.settings.ttl);
        let plans: Vec<Plan> = current.iter().map(plan).collect();
        let applied = match batch(zone, grants, &plans) {
            Some(batch) => self.store.apply(&batch, calls).await,
            None => Ok(()),
        };
        grants
            .iter()
            .zip(plans)
            .map(|(grant, plan)| match &applied {
                Err(error) if !plan.changes.is_empty() => failed(error),
                _ => Outcome {
                    code: plan.code,
                    reason: plan.reason.map(|reason| format!("{}: {reason}", grant.host()).into()),
                },
            })
            .collect()
    }
}

/// The reply where the caller asks for an address that we do not know.
fn unknown_source(entry: &mut Entry) -> Response<String> {
    entry.reasons = vec!["the source address is unknown".into()];
    reply::response(&[ReturnCode::ServerError])
}

/// All changes of one zone as one batch; `None` where there are none.
fn batch<'a>(zone: &'a Zone, grants: &[&'a Grant<'a>], plans: &[Plan]) -> Option<ChangeBatch<'a>> {
    let changes: Vec<_> = grants
        .iter()
        .zip(plans)
        .flat_map(|(grant, plan)| {
            let change =
                |(action, record_set): &(_, _)| Change { grant, action: *action, record_set: Clone::clone(record_set) };
            plan.changes.iter().map(change)
        })
        .collect();
    (!changes.is_empty()).then_some(ChangeBatch { zone, changes })
}

/// The grants of each zone, each host once.
fn by_zone<'a>(granted: &[&'a Grant<'a>]) -> Vec<(&'a Zone, Vec<&'a Grant<'a>>)> {
    let mut zones: Vec<(&Zone, Vec<&Grant<'_>>)> = Vec::new();
    for grant in granted {
        match zones.iter_mut().find(|(zone, _)| *zone == grant.zone()) {
            Some((_, grants)) if grants.iter().any(|other| other.host() == grant.host()) => {}
            Some((_, grants)) => grants.push(grant),
            None => zones.push((grant.zone(), vec![grant])),
        }
    }
    zones
}

impl Outcome {
    /// A line with its reason.
    fn new(code: ReturnCode, reason: impl Into<Cow<'static, str>>) -> Self {
        Self { code, reason: Some(reason.into()) }
    }
}

impl From<Refusal> for Outcome {
    fn from(refusal: Refusal) -> Self {
        Self::new(refusal.code, refusal.reason)
    }
}

/// The code words, addresses and reasons of a reply, for the log.
fn log_outcome(entry: &mut Entry, outcomes: &[Outcome]) {
    for outcome in outcomes {
        entry.codes.push(outcome.code.word());
        if let ReturnCode::Good(addresses) | ReturnCode::NoChg(addresses) = &outcome.code {
            entry.addresses.extend(addresses);
        }
        entry.reasons.extend(outcome.reason.clone());
    }
    entry.addresses.sort_unstable();
    entry.addresses.dedup();
    // Hosts of one zone fail for one reason.
    entry.reasons.dedup();
}
