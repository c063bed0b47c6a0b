//! The gateway: from a request to its reply.

use std::{
    borrow::Cow,
    net::IpAddr,
    time::{Duration, Instant},
};

use http::{Response, StatusCode, header::ACCESS_CONTROL_ALLOW_ORIGIN, request::Parts};

use crate::{
    acme::Challenges,
    log::{Entry, Log},
    page,
    protocol::{
        access::{Access, Grant},
        asked::Asked,
        browser,
        desired::Desired,
        endpoint::Endpoint,
        parameters::{Body, Parameters},
        plan::Plan,
        record::{Change, ChangeBatch},
        reply::{self, Refusal, ReturnCode},
        update::Update,
        zone::Zone,
    },
    secrets::Provider,
    settings::Settings,
    store::{Budget, NotApplied, Store},
};

/// How often a request is planned if its hosts keep changing between reading and writing.
const PLANS: u32 = 3;

/// Settings, secrets and a store: all it takes to answer.
pub struct Gateway<S> {
    /// The settings.
    settings: Settings,
    /// The secrets that tokens are derived from.
    secrets: Provider,
    /// Where the records are.
    store: S,
    /// The log: one line per request.
    log: Log,
}

/// The reply line of one host, and the reason for the log.
#[derive(Clone)]
struct Outcome {
    /// The line.
    code: ReturnCode,
    /// Why the host is not as it was asked for, if it is not.
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
            // Only a 5xx makes every client try again, and the form may be whole the next time.
            Body::Broken => (&[][..], Some((StatusCode::SERVICE_UNAVAILABLE, "the form was cut short"))),
        };
        let parameters = Parameters::read(parts, form);
        let asks =
            parts.uri.query().is_some_and(|query| !query.is_empty()) || !parameters.is_empty() || fault.is_some();
        let endpoint = self.endpoint(parts, asks);
        let mut entry = Entry::new(endpoint.map_or("unknown", Endpoint::word), source);
        let response = match endpoint {
            None => reply::not_found(),
            Some(endpoint) if !endpoint.allows(&parts.method) => reply::method_not_allowed(endpoint.allow()),
            Some(Endpoint::Health) => reply::text(StatusCode::OK, "ok".to_owned()),
            Some(Endpoint::CheckIp) => source.map_or_else(|| unknown_source(&mut entry), reply::checkip),
            Some(Endpoint::PlainIp) => {
                let reply = source.map_or_else(|| unknown_source(&mut entry), reply::plain_ip);
                self.let_the_page_read(parts, reply)
            }
            Some(Endpoint::Page) => page::response(self.settings.family_names.as_ref()),
            Some(Endpoint::Update) if let Some((status, reason)) = fault => {
                refuse(&mut entry, status, &ReturnCode::ServerError, reason)
            }
            Some(Endpoint::Update) if let Some(reason) = browser::other_site(&parts.headers) => {
                refuse(&mut entry, StatusCode::FORBIDDEN, &ReturnCode::BadAuth, reason)
            }
            Some(Endpoint::Update) => reply::response(&self.update(parts, &parameters, &mut entry).await),
            Some(Endpoint::Challenge(api)) => self.challenges().answer(api, parts, body, &mut entry).await,
        };
        entry.status = response.status().as_u16();
        self.log.request(entry, started.elapsed());
        response
    }

    /// The endpoint of a request, if there is one in this deployment. A query or a form came with it if it `asks`.
    fn endpoint(&self, parts: &Parts, asks: bool) -> Option<Endpoint> {
        let endpoint = match Endpoint::of(parts.uri.path(), asks)? {
            Endpoint::Page if !self.settings.page => return None,
            Endpoint::CheckIp if self.settings.page && browser::opens_root(parts) => Endpoint::Page,
            endpoint => endpoint,
        };
        if self.settings.allow_acme { Some(endpoint.with_challenges(parts)) } else { endpoint.without_challenges() }
    }

    /// What answers requests for challenges.
    fn challenges(&self) -> Challenges<'_, S> {
        Challenges { settings: &self.settings, secrets: &self.secrets, store: &self.store }
    }

    /// Lets our page read the reply to a request under one of the names that have addresses of one family.
    fn let_the_page_read(&self, parts: &Parts, mut reply: Response<String>) -> Response<String> {
        let reader = self.settings.family_names.as_ref().and_then(|names| names.reader(&parts.headers));
        reply.headers_mut().extend(reader.map(|reader| (ACCESS_CONTROL_ALLOW_ORIGIN, reader)));
        reply
    }

    /// Carries an update out, and gives the code of each host or the one of the whole request.
    async fn update(&self, parts: &Parts, parameters: &Parameters<'_>, entry: &mut Entry) -> Vec<ReturnCode> {
        let budget = Budget::start();
        let outcomes = self.outcomes(parts, parameters, entry, &budget).await;
        // Dyn: codes that concern the whole request are given only once.
        let outcomes = outcomes.unwrap_or_else(|refusal| vec![refusal.into()]);
        entry.calls = budget.calls().get();
        log_outcomes(entry, &outcomes);
        outcomes.into_iter().map(|outcome| outcome.code).collect()
    }

    /// Decides on an update and carries it out. Returns the outcome of each host, in the order asked.
    async fn outcomes(
        &self,
        parts: &Parts,
        parameters: &Parameters<'_>,
        entry: &mut Entry,
        budget: &Budget,
    ) -> Result<Vec<Outcome>, Refusal> {
        let Settings { zones, generations, .. } = &self.settings;
        let update = Update::parse(&parts.headers, parameters, self.settings.policy.query_credentials)?;
        // A stranger chooses the hosts of a request that is refused, and a flood of such requests must not
        // hide other lines: it lists one host.
        entry.list_hosts(update.loggable_hosts().take(1).collect(), update.host_count);
        let secrets = self.secrets.current().await;
        let secrets = secrets.map_err(|problem| Refusal::new(ReturnCode::ServerError, problem.to_string()))?;
        let authorized = Access { zones, secrets: &secrets, generations }.authorize(&update)?;
        let asked = Asked::read(parameters, self.settings.policy.allow_private);
        asked.check(self.settings.allow_offline)?;
        entry.list_hosts(update.loggable_hosts().collect(), update.host_count);
        // Each host once, and its place among them for each time it was asked for.
        let mut grants: Vec<&Grant<'_>> = Vec::new();
        let places: Vec<_> =
            authorized.hosts.iter().map(|host| host.as_ref().map(|grant| place(&mut grants, grant))).collect();
        let (changed, pending) = self.change(authorized.zone, &grants, (asked, entry.source), budget).await;
        entry.pending = pending;
        let outcome = |(place, host): (Result<usize, &Refusal>, &String)| match place {
            Ok(place) => changed[place].clone(),
            Err(refusal) => Outcome::new(refusal.code.clone(), format!("{host}: {}", refusal.reason)),
        };
        Ok(places.into_iter().zip(&entry.hosts).map(outcome).collect())
    }

    /// Changes the granted hosts of a zone, all or none of them. Gives the outcome of each, and how long
    /// one of them has been pending.
    async fn change(
        &self,
        zone: &Zone,
        grants: &[&Grant<'_>],
        (asked, source): (Asked, Option<IpAddr>),
        budget: &Budget,
    ) -> (Vec<Outcome>, Option<Duration>) {
        let ttl = asked.ttl;
        let desired = match asked.desired(source) {
            Ok(desired) => desired,
            Err(reason) => return (vec![Outcome::new(ReturnCode::DnsErr, reason); grants.len()], None),
        };
        let mut plans_left = PLANS;
        loop {
            plans_left -= 1;
            let attempt = self.attempt(zone, grants, (&desired, ttl), budget).await;
            if plans_left == 0 || attempt.applied != Err(NotApplied::Conflict) {
                return attempt.outcomes(zone, grants);
            }
        }
    }

    /// Reads the hosts, plans and applies the plan, once.
    async fn attempt(
        &self,
        zone: &Zone,
        grants: &[&Grant<'_>],
        (desired, ttl): (&Desired, Option<u32>),
        budget: &Budget,
    ) -> Attempt {
        let turn_and_present = async {
            let turn = self.store.turn(grants, budget).await?;
            Ok((turn, self.store.record_sets(grants, budget).await?))
        };
        let (turn, present) = match turn_and_present.await {
            Ok(read) => read,
            Err(problem) => return Attempt { plans: None, applied: Err(NotApplied::Failed(problem)), pending: None },
        };
        let plan = |current| Plan::new(desired, ttl, current, self.settings.ttl);
        let plans: Vec<Plan> = present.current.iter().map(plan).collect();
        let applied = match batch(zone, grants, &plans) {
            Some(batch) => self.store.apply(&batch, &present.versions, turn, budget).await,
            None => Ok(()),
        };
        Attempt { plans: Some(plans), applied, pending: present.pending }
    }
}

/// What came of reading, planning and applying once.
struct Attempt {
    /// The plan of each host; `None` if they could not be read.
    plans: Option<Vec<Plan>>,
    /// Whether the plans were applied.
    applied: Result<(), NotApplied>,
    /// How long one of the hosts has been pending.
    pending: Option<Duration>,
}

impl Attempt {
    /// The outcome of each host, and how long one of them has been pending.
    fn outcomes(self, zone: &Zone, grants: &[&Grant<'_>]) -> (Vec<Outcome>, Option<Duration>) {
        let problem = match &self.applied {
            Ok(()) => None,
            Err(NotApplied::Failed(problem)) => Some(problem.to_string()),
            Err(NotApplied::Conflict) => Some("a host was changed by others again and again meanwhile".to_owned()),
        };
        let failed = problem.map(|problem| Outcome::new(ReturnCode::DnsErr, format!("zone {}: {problem}", zone.name)));
        let Some(plans) = self.plans else { return (failed.into_iter().cycle().take(grants.len()).collect(), None) };
        let outcome = |(grant, plan): (&&Grant<'_>, Plan)| match &failed {
            Some(failed) if !plan.changes.is_empty() => failed.clone(),
            Some(_) | None => {
                let reason = plan.reason.map(|reason| format!("{}: {reason}", grant.host()).into());
                Outcome { code: plan.code, reason }
            }
        };
        (grants.iter().zip(plans).map(outcome).collect(), self.pending)
    }
}

/// A reply of this status and code word, without a challenge.
fn refuse(entry: &mut Entry, status: StatusCode, code: &ReturnCode, reason: &'static str) -> Response<String> {
    entry.reasons.push(reason.into());
    reply::text(status, code.word().to_owned())
}

/// The reply if the caller asks for its address and we do not know it.
fn unknown_source(entry: &mut Entry) -> Response<String> {
    entry.reasons = vec!["the source address is unknown".into()];
    reply::response(&[ReturnCode::ServerError])
}

/// The place of a grant's host among the grants, to which it is added if it is not there.
fn place<'a>(grants: &mut Vec<&'a Grant<'a>>, grant: &'a Grant<'a>) -> usize {
    let place = grants.iter().position(|other| other.host() == grant.host());
    place.unwrap_or_else(|| {
        grants.push(grant);
        grants.len() - 1
    })
}

/// All changes of a zone as one batch; `None` if there are no changes.
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

impl Outcome {
    /// An outcome with its reason.
    fn new(code: ReturnCode, reason: impl Into<Cow<'static, str>>) -> Self {
        Self { code, reason: Some(reason.into()) }
    }
}

impl From<Refusal> for Outcome {
    fn from(refusal: Refusal) -> Self {
        Self::new(refusal.code, refusal.reason)
    }
}

/// Logs the code words, addresses and reasons of a reply.
fn log_outcomes(entry: &mut Entry, outcomes: &[Outcome]) {
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
