//! The way to Route 53 and back as it is on a bad day: a state machine for every call, between the
//! SDK and the fake (`fake_route53.rs`). A call is carried out at a moment of its own, or never,
//! whether or not somebody still waits for the answer; what happens to it is drawn from one seed.
//!
//! ```text
//! sent ─▶ lost
//!      ─▶ arrived (later) ─▶ refused: throttle, prior request, 500, reset ─▶ answered
//!                         ─▶ carried out ─▶ answered (later), with 200, 500, a reset or garbage
//!                                        ─▶ the answer is lost
//! ```

use std::{
    collections::{BTreeMap, HashMap},
    fmt,
    future::pending,
    pin::pin,
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use aws_config::SdkConfig;
use aws_smithy_runtime_api::client::{
    http::{HttpClient, HttpConnector, HttpConnectorFuture, SharedHttpConnector, http_client_fn},
    orchestrator::{HttpRequest, HttpResponse},
    result::ConnectorError,
};
use fastrand::Rng;
use futures_util::future::poll_immediate;
use tokio::{
    sync::oneshot,
    time::{Instant, sleep},
};

use super::fake_route53::{FakeRoute53, Fault, Kind, Operation, names_of};

tokio::task_local! {
    /// The request that a call is made for.
    pub(crate) static REQUEST: usize;
}

/// How long after it was sent the last call may still be carried out, and its answer be back.
pub(crate) const LATEST: Duration = Duration::from_secs(70);

/// The way to one zone of a fake Route 53.
#[derive(Clone)]
pub(crate) struct FlakyTransport(Arc<Mutex<State>>);

/// What the calls share.
struct State {
    /// The service.
    route53: FakeRoute53,
    /// The zone that is watched.
    zone: String,
    /// The source of all randomness.
    random: Rng,
    /// How many calls of a hundred are in trouble.
    trouble: u8,
    /// When it began.
    began: Instant,
    /// Calls so far.
    calls: usize,
    /// The hosts of each request.
    hosts: Vec<Vec<String>>,
    /// What happened, in order.
    log: Vec<(Duration, Event)>,
    /// How often each kind of trouble was drawn.
    troubles: BTreeMap<&'static str, u64>,
}

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    /// A client called, or was told this, or nothing because it had gone.
    Client {
        /// Which request.
        request: usize,
        /// What it said or was told.
        what: String,
    },
    /// The SDK sent a call.
    Sent {
        /// Which call.
        call: usize,
        /// For which requests.
        requests: Vec<usize>,
        /// What was called.
        operation: Operation,
        /// What is going to happen to it.
        trouble: Option<&'static str>,
    },
    /// A list was carried out.
    Listed {
        /// Which call.
        call: usize,
        /// The name it began at, as the fake has it.
        name: String,
        /// The most record sets of its page.
        page: usize,
    },
    /// A change batch was applied.
    Applied {
        /// Which call.
        call: usize,
        /// `UPSERT home.example.org. 60 A …`.
        batch: Vec<String>,
        /// All records afterwards.
        records: Vec<String>,
    },
    /// A call was refused because the service was busy.
    Busy {
        /// Which call.
        call: usize,
    },
    /// A change batch was refused for what is in it.
    Refused {
        /// Which call.
        call: usize,
        /// As above.
        batch: Vec<String>,
    },
    /// The answer reached a caller that still waited.
    Answered {
        /// Which call.
        call: usize,
        /// Whether it is the answer to a call that was carried out, and says so.
        well: bool,
    },
}

/// What will happen to a call, decided when it is sent.
struct Fate {
    /// The word for it, if it is out of the ordinary.
    trouble: Option<&'static str>,
    /// How long it is under way; `None` if it is lost.
    travel: Option<Duration>,
    /// How the service fails.
    fault: Option<Fault>,
    /// How long the answer is under way; `None` if it is lost.
    answer: Option<Duration>,
    /// The most record sets of a page.
    page: usize,
}

impl FlakyTransport {
    /// The way to a zone, without trouble yet.
    pub(crate) fn new(route53: FakeRoute53, zone: &str, seed: u64) -> Self {
        Self(Arc::new(Mutex::new(State {
            route53,
            zone: zone.to_owned(),
            random: Rng::with_seed(seed),
            trouble: 0,
            began: Instant::now(),
            calls: 0,
            hosts: Vec::new(),
            log: Vec::new(),
            troubles: BTreeMap::new(),
        })))
    }

    /// An SDK configuration that is `aws`, including its timeouts, but leads this way. A gateway has one
    /// of its own.
    pub(crate) fn configure(&self, aws: &SdkConfig) -> SdkConfig {
        let config = self.lock().route53.configure(aws);
        let below = config.http_client().expect("the fake's client");
        let (way, readers) = (self.clone(), Arc::default());
        let client = http_client_fn(move |settings, components| {
            let below = below.http_connector(settings, components);
            SharedHttpConnector::new(Connector { way: way.clone(), readers: Arc::clone(&readers), below })
        });
        config.into_builder().http_client(client).build()
    }

    /// From now on a batch is in work for this long, and the account has this many calls a second.
    pub(crate) fn set_busy(&self, work: Duration, rate: Option<u32>) {
        let state = self.lock();
        state.route53.take_time(work);
        if let Some(rate) = rate {
            state.route53.limit_calls(rate);
        }
    }

    /// Notes the hosts of the next request, and says its number.
    pub(crate) fn begin(&self, hosts: Vec<String>) -> usize {
        let mut state = self.lock();
        state.hosts.push(hosts);
        state.hosts.len() - 1
    }

    /// From now on this many of a hundred calls are in trouble.
    pub(crate) fn set_trouble(&self, percent: u8) {
        self.lock().trouble = percent;
    }

    /// Notes what a client did, and says when in the order of all that happened.
    pub(crate) fn note(&self, request: usize, what: &str) -> usize {
        self.lock().note(Event::Client { request, what: what.to_owned() })
    }

    /// All record sets of the zone.
    pub(crate) fn records(&self) -> Vec<String> {
        let state = self.lock();
        state.route53.records(&state.zone)
    }

    /// What happened, and when.
    pub(crate) fn log(&self) -> Vec<(Duration, Event)> {
        self.lock().log.clone()
    }

    /// How often each kind of trouble was drawn.
    pub(crate) fn troubles(&self) -> BTreeMap<&'static str, u64> {
        self.lock().troubles.clone()
    }

    /// What the calls share.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().expect("no test panics in here")
    }

    /// Lets a call meet its fate, and sends the answer if there is one.
    async fn carry_out(
        self,
        call: usize,
        fate: Fate,
        request: HttpRequest,
        below: SharedHttpConnector,
        caller: oneshot::Sender<Result<HttpResponse, ConnectorError>>,
    ) {
        let Some(travel) = fate.travel else { return pending().await };
        sleep(travel).await;
        let operation = operation(&request);
        {
            let state = self.lock();
            state.route53.limit_pages(fate.page);
            if let Some(fault) = fate.fault {
                state.route53.fault(operation, fault, Some(1));
            }
        }
        let before = self.records();
        let mut answer = pin!(below.call(request));
        // The fake carries it out before it waits for anything, so nothing comes in between. What it
        // works on, it has taken.
        let at_once = poll_immediate(&mut answer).await;
        let is_success =
            |answer: &Result<HttpResponse, _>| answer.as_ref().is_ok_and(|response| response.status().is_success());
        let well = at_once.as_ref().is_none_or(is_success) && fate.fault.is_none();
        self.lock().note_effect(call, &before, well, fate.page);
        let answer = match at_once {
            Some(answer) => answer,
            None => answer.await,
        };
        match fate.answer {
            Some(back) => sleep(back).await,
            None => pending().await,
        }
        if caller.send(answer).is_ok() {
            self.lock().note(Event::Answered { call, well });
        }
    }
}

impl State {
    /// Adds to the log.
    fn note(&mut self, event: Event) -> usize {
        self.log.push((self.began.elapsed(), event));
        self.log.len() - 1
    }

    /// Adds to the log what a call did to the zone.
    fn note_effect(&mut self, call: usize, before: &[String], well: bool, page: usize) {
        let records = self.route53.records(&self.zone);
        for made in self.route53.take_calls() {
            let carried_out = made.fault.is_none_or(|fault| fault.late);
            let event = match made.operation {
                Operation::List if carried_out => {
                    Event::Listed { call, name: made.about.into_iter().next().unwrap_or_default(), page }
                }
                // A batch that changes nothing is told by its answer; where that is spoiled, it is
                // the same as one that was refused.
                Operation::Change if carried_out && (well || records != before) => {
                    Event::Applied { call, batch: made.about, records: records.clone() }
                }
                Operation::Change if carried_out => Event::Refused { call, batch: made.about },
                Operation::List | Operation::Change => match made.fault.map(|fault| fault.kind) {
                    Some(Kind::Throttle | Kind::PriorRequest) => Event::Busy { call },
                    _ => continue,
                },
            };
            self.note(event);
        }
    }

    /// Draws what will happen to a call.
    fn draw(&mut self, operation: Operation) -> Fate {
        let random = &mut self.random;
        let mut millis = |range: std::ops::Range<u64>| Duration::from_millis(random.u64(range));
        let (travel, answer) = (millis(1..60), millis(1..60));
        let (late, slow, slower) = (millis(2_000..60_000), millis(500..3_000), millis(2_000..6_000));
        let mut fate = Fate {
            trouble: None,
            travel: Some(travel),
            fault: None,
            answer: Some(answer),
            page: *random.choice(&[1, 2, 3, 300]).expect("not empty"),
        };
        if random.u8(0..100) >= self.trouble {
            return fate;
        }
        let fails = |kind, late| Some(Fault { kind, late });
        // A list has no effect, so that before and after are the same to it.
        let of_both: &[&str] = &["throttle", "500", "reset", "lost", "slow answer", "slow way", "answer lost"];
        let of_changes: &[&str] = &["prior request", "500 after", "reset after", "garbage after", "late", "late"];
        let kinds: Vec<_> = match operation {
            Operation::List => of_both.to_vec(),
            Operation::Change => [of_both, of_changes].concat(),
        };
        let kind = *random.choice(&kinds).expect("not empty");
        match kind {
            "throttle" => fate.fault = fails(Kind::Throttle, false),
            "prior request" => fate.fault = fails(Kind::PriorRequest, false),
            "500" => fate.fault = fails(Kind::ServerError, false),
            "500 after" => fate.fault = fails(Kind::ServerError, true),
            "reset" => fate.fault = fails(Kind::Reset, false),
            "reset after" => fate.fault = fails(Kind::Reset, true),
            "garbage after" => fate.fault = fails(Kind::Garbage, true),
            "lost" => fate.travel = None,
            "answer lost" => fate.answer = None,
            "late" => fate.travel = Some(late),
            "slow way" => fate.travel = Some(slow),
            "slow answer" => fate.answer = Some(slower),
            _ => unreachable!("{kind}"),
        }
        fate.trouble = Some(kind);
        *self.troubles.entry(kind).or_default() += 1;
        fate
    }
}

/// What the SDK hands its requests to.
#[derive(Clone)]
struct Connector {
    /// The way.
    way: FlakyTransport,
    /// The request that read each host last, and so the one that may change it.
    readers: Arc<Mutex<HashMap<String, usize>>>,
    /// The fake's connector.
    below: SharedHttpConnector,
}

impl fmt::Debug for Connector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FlakyTransport")
    }
}

impl HttpConnector for Connector {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let operation = operation(&request);
        let (call, fate) = {
            let mut state = self.way.lock();
            let (call, fate) = (state.calls, state.draw(operation));
            state.calls += 1;
            let requests = self.requests(&state.hosts, &request);
            state.note(Event::Sent { call, requests, operation, trouble: fate.trouble });
            (call, fate)
        };
        let (caller, answer) = oneshot::channel();
        // On its own: what was sent is under way, whether or not the caller waits.
        tokio::spawn(self.way.clone().carry_out(call, fate, request, self.below.clone(), caller));
        HttpConnectorFuture::new(async move {
            match answer.await {
                Ok(answer) => answer,
                Err(_) => pending().await,
            }
        })
    }
}

impl Connector {
    /// The requests that a call is made for: a change batch may be of several, and a task of its own
    /// sends it.
    fn requests(&self, hosts: &[Vec<String>], call: &HttpRequest) -> Vec<usize> {
        let mut readers = self.readers.lock().expect("no test panics in here");
        let changed = names_of(call.body().bytes().unwrap_or_default());
        if changed.is_empty() {
            let reader = REQUEST.get();
            readers.extend(hosts[reader].iter().map(|host| (host.clone(), reader)));
            return vec![reader];
        }
        let mut requests: Vec<_> =
            changed.iter().filter_map(|name| readers.get(name.trim_end_matches('.')).copied()).collect();
        requests.sort_unstable();
        requests.dedup();
        requests
    }
}

/// What a request calls.
fn operation(request: &HttpRequest) -> Operation {
    if request.method() == "GET" { Operation::List } else { Operation::Change }
}
