//! The network between nic53 and the fakes of AWS on a bad day, for any service: a call is carried out
//! at a moment of its own, or never, or twice, whether or not somebody still waits for the answer. What
//! happens to it is drawn from one seed. It can also carry a [bug](Bug): it alters what is sent, or what
//! is answered, as a publisher or a gateway would that forgot a rule.

use std::{
    collections::BTreeMap,
    fmt,
    future::pending,
    sync::{
        Arc, Mutex, MutexGuard,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use aws_config::SdkConfig;
use aws_smithy_runtime_api::client::{
    http::{HttpClient, HttpConnector, HttpConnectorFuture, SharedHttpConnector, http_client_fn},
    orchestrator::{HttpRequest, HttpResponse},
    result::ConnectorError,
};
use aws_smithy_types::body::SdkBody;
use fastrand::Rng;
use http::Response;
use tokio::{
    sync::oneshot,
    time::{Instant, sleep},
};

use super::wire_bug::Bug;

/// Callers up to this number are gateways, those above it publishers.
pub(crate) const GATEWAYS: usize = 1;

/// The network of all who call.
#[derive(Clone)]
pub(crate) struct Weather(Arc<Mutex<State>>);

/// What the calls share.
struct State {
    /// The source of all randomness.
    random: Rng,
    /// How many calls of a hundred are in trouble.
    trouble: u8,
    /// Whether batches come late or twice.
    is_late: bool,
    /// The bug that it carries.
    bug: Option<Bug>,
    /// A Route 53 as the table thinks it is, for a publisher that believes the table.
    believed: Option<Believed>,
    /// When it began.
    began: Instant,
    /// Calls to Route 53, by who made them.
    calls: Vec<Call>,
    /// How often each kind of trouble was drawn.
    troubles: BTreeMap<&'static str, u64>,
    /// Calls that come late or again, and have not yet.
    late: usize,
    /// Calls that the bug has altered.
    altered: Arc<AtomicU64>,
}

/// Makes a Route 53 as the table thinks it is; `None` if that changes nothing.
pub(crate) type Believed = Arc<dyn Fn() -> Option<SharedHttpConnector> + Send + Sync>;

/// A call to Route 53.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    /// Who made it.
    pub(crate) who: usize,
    /// The zone.
    pub(crate) zone: String,
    /// When it was sent.
    pub(crate) sent: Duration,
    /// When the caller had its answer, or waited no more.
    pub(crate) ended: Option<Duration>,
}

/// What will happen to a call.
struct Fate {
    /// How long it is under way; `None` if it is lost.
    travel: Option<Duration>,
    /// Whether it is carried out.
    is_done: bool,
    /// When it is carried out again, if it is.
    again: Option<Duration>,
    /// What the caller gets instead of the answer.
    instead: Option<Instead>,
    /// How long the answer is under way; `None` if it is lost.
    answer: Option<Duration>,
}

impl Fate {
    /// Whether the call is carried out, or carried out again, when nobody expects it any more.
    fn is_late(&self) -> bool {
        self.again.is_some() || self.travel.is_some_and(|travel| travel > Duration::from_secs(1))
    }
}

/// What a caller gets instead of an answer.
#[derive(Clone, Copy)]
enum Instead {
    /// 500.
    Error,
    /// The connection is reset.
    Reset,
}

/// What a call is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// A read of either service.
    Read,
    /// A change of the table.
    Write,
    /// A change batch.
    Change,
}

impl Weather {
    /// Fair weather.
    pub(crate) fn new(seed: u64, bug: Option<Bug>) -> Self {
        Self(Arc::new(Mutex::new(State {
            random: Rng::with_seed(seed),
            trouble: 0,
            is_late: true,
            bug,
            believed: None,
            began: Instant::now(),
            calls: Vec::new(),
            troubles: BTreeMap::new(),
            late: 0,
            altered: Arc::default(),
        })))
    }

    /// From now on this many of a hundred calls are in trouble.
    pub(crate) fn set_trouble(&self, percent: u8) {
        self.lock().trouble = percent;
    }

    /// From now on batches come late or twice, or not.
    pub(crate) fn set_late(&self, is_late: bool) {
        self.lock().is_late = is_late;
    }

    /// What a publisher with [`Bug::MarkUnseen`] is answered when it looks hosts up.
    pub(crate) fn set_believed(&self, believed: Believed) {
        self.lock().believed = Some(believed);
    }

    /// How often each kind of trouble was drawn.
    pub(crate) fn troubles(&self) -> BTreeMap<&'static str, u64> {
        self.lock().troubles.clone()
    }

    /// Whether a call comes late or again that has not yet. The last one has
    /// within a minute or two.
    pub(crate) fn is_something_late(&self) -> bool {
        self.lock().late > 0
    }

    /// How many calls the bug has altered so far.
    pub(crate) fn altered(&self) -> u64 {
        self.lock().altered.load(Ordering::Relaxed)
    }

    /// Counts something that a bug has altered elsewhere.
    pub(crate) fn count_altered(&self) {
        self.lock().altered.fetch_add(1, Ordering::Relaxed);
    }

    /// The calls to Route 53 so far.
    pub(crate) fn calls(&self) -> Vec<Call> {
        self.lock().calls.clone()
    }

    /// A configuration that leads to a fake, with this network in between. `who` is the caller's number.
    pub(crate) fn configure(&self, who: usize, config: SdkConfig) -> SdkConfig {
        let below = config.http_client().expect("a fake's client");
        let weather = self.clone();
        let client = http_client_fn(move |settings, components| {
            let below = below.http_connector(settings, components);
            SharedHttpConnector::new(Connector { weather: weather.clone(), who, below })
        });
        config.into_builder().http_client(client).build()
    }

    /// What the calls share.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().expect("no test panics in here")
    }
}

impl State {
    /// Draws what will happen to a call.
    fn draw(&mut self, kind: Kind, who: usize) -> Fate {
        let random = &mut self.random;
        let mut millis = |range: std::ops::Range<u64>| Duration::from_millis(random.u64(range));
        let (travel, answer) = (millis(1..40), millis(1..40));
        let (late, again, slow) = (millis(2_000..60_000), millis(100..60_000), millis(2_000..12_000));
        let mut fate = Fate { travel: Some(travel), is_done: true, again: None, instead: None, answer: Some(answer) };
        if random.u8(0..100) >= self.trouble {
            return fate;
        }
        let of_all = ["lost", "500", "reset", "slow answer", "answer lost"];
        let of_writes = ["500 after", "reset after", "late"];
        let of_changes = ["twice", "twice", "late", "late"];
        let kinds: Vec<&'static str> = match kind {
            Kind::Read => of_all.to_vec(),
            Kind::Write => [&of_all[..], &of_writes].concat(),
            // What a gateway without the table is in for is another model's subject.
            Kind::Change if self.is_late && who > GATEWAYS => [&of_all[..], &of_writes, &of_changes].concat(),
            Kind::Change => [&of_all[..], &of_writes[..2]].concat(),
        };
        let trouble = *random.choice(&kinds).expect("not empty");
        match trouble {
            "lost" => fate.travel = None,
            "500" => (fate.is_done, fate.instead) = (false, Some(Instead::Error)),
            "reset" => (fate.is_done, fate.instead) = (false, Some(Instead::Reset)),
            "500 after" => fate.instead = Some(Instead::Error),
            "reset after" => fate.instead = Some(Instead::Reset),
            "slow answer" => fate.answer = Some(slow),
            "answer lost" => fate.answer = None,
            "late" => fate.travel = Some(if kind == Kind::Change { late } else { slow }),
            "twice" => fate.again = Some(again),
            _ => unreachable!("{trouble}"),
        }
        *self.troubles.entry(trouble).or_default() += 1;
        fate
    }
}

/// What the SDK hands its requests to.
#[derive(Clone)]
struct Connector {
    /// The network.
    weather: Weather,
    /// Who calls.
    who: usize,
    /// The fake's connector.
    below: SharedHttpConnector,
}

impl fmt::Debug for Connector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Weather")
    }
}

/// A call that comes late or again, until it has.
struct Late(Weather);

impl Late {
    /// Such a call.
    fn new(weather: &Weather) -> Self {
        weather.lock().late += 1;
        Self(weather.clone())
    }
}

impl Drop for Late {
    fn drop(&mut self) {
        self.0.lock().late -= 1;
    }
}

/// Notes when a caller waits no more.
struct Ended(Weather, usize);

impl Drop for Ended {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        let ended = state.began.elapsed();
        state.calls[self.1].ended = Some(ended);
    }
}

impl HttpConnector for Connector {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let kind = kind(&request);
        let is_route53 = request.uri().contains("/2013-04-01/");
        let (fate, ended, bug, believed, altered) = {
            let mut state = self.weather.lock();
            let fate = state.draw(kind, self.who);
            let ended = is_route53.then(|| {
                let zone = request.uri().split('/').nth(5).unwrap_or_default().to_owned();
                let sent = state.began.elapsed();
                state.calls.push(Call { who: self.who, zone, sent, ended: None });
                Ended(self.weather.clone(), state.calls.len() - 1)
            });
            let believed = state.believed.clone().filter(|_| state.bug == Some(Bug::MarkUnseen) && is_lookup(&request));
            (fate, ended, state.bug, believed, Arc::clone(&state.altered))
        };
        let believed = believed.and_then(|believed| believed()).inspect(|_| self.weather.count_altered());
        let below = believed.unwrap_or_else(|| self.below.clone());
        let late = fate.is_late().then(|| Late::new(&self.weather));
        let (caller, answer) = oneshot::channel();
        // On its own: what was sent is under way, whether or not the caller waits.
        tokio::spawn(carry_out(fate, request, below, bug.map(|bug| (bug, altered)), late, caller));
        HttpConnectorFuture::new(async move {
            let _ended = ended;
            match answer.await {
                Ok(answer) => answer,
                Err(_) => pending().await,
            }
        })
    }
}

/// Lets a call meet its fate, and sends the answer if there is one.
async fn carry_out(
    fate: Fate,
    request: HttpRequest,
    below: SharedHttpConnector,
    bug: Option<(Bug, Arc<AtomicU64>)>,
    late: Option<Late>,
    caller: oneshot::Sender<Result<HttpResponse, ConnectorError>>,
) {
    let Some(travel) = fate.travel else { return pending().await };
    sleep(travel).await;
    let sent = |request: HttpRequest| async {
        match &bug {
            None => below.call(request).await,
            Some((bug, altered)) => bug.call(request, &below, altered).await,
        }
    };
    let mut answer = match fate.instead {
        Some(Instead::Error) => {
            Ok(HttpResponse::try_from(Response::builder().status(500).body(SdkBody::empty()).expect("a response"))
                .expect("a response of HTTP"))
        }
        Some(Instead::Reset) => {
            Err(ConnectorError::io(std::io::Error::from(std::io::ErrorKind::ConnectionReset).into()))
        }
        None => Err(ConnectorError::io("never sent".into())),
    };
    if fate.is_done {
        let copy = fate.again.and_then(|again| Some((again, request.try_clone()?)));
        let done = sent(request).await;
        if fate.instead.is_none() {
            answer = done;
        }
        if let Some((again, copy)) = copy {
            let below = below.clone();
            tokio::spawn(async move {
                sleep(again).await;
                let _ = below.call(copy).await;
                drop(late);
            });
        } else {
            drop(late);
        }
    }
    match fate.answer {
        Some(back) => sleep(back).await,
        None => pending().await,
    }
    let _ = caller.send(answer);
}

/// Whether a request looks hosts of a zone up by their names.
fn is_lookup(request: &HttpRequest) -> bool {
    request.method() == "GET" && request.uri().contains("name=")
}

/// What a request is.
fn kind(request: &HttpRequest) -> Kind {
    match request.headers().get("x-amz-target") {
        None if request.method() == "POST" => Kind::Change,
        Some(target) if target.ends_with("UpdateItem") || target.ends_with("TransactWriteItems") => Kind::Write,
        None | Some(_) => Kind::Read,
    }
}
