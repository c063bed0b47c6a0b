//! The gateway that the targets call, and the Route 53 behind it: one per thread, restored after each
//! request that changed it. Its clock is paused, so that a Route 53 that never answers costs no time.

use std::{cell::RefCell, collections::HashMap, net::IpAddr, sync::Arc};

use aws_config::SdkConfig;
use nic53::{gateway::Gateway, protocol::zone::Zones, store::route53::Route53};
use tokio::runtime::{Builder, Runtime};

use super::settings::{ALLOW_OFFLINE, ALLOW_PRIVATE, HEADER_ONLY, PROXIES, SMALL_PAGES, Settings};
use crate::support::{
    fake_route53::{Call, FakeRoute53, Fault, Operation},
    front_end::FrontEnd,
    gateway::{gateway, token},
};

/// The zones that the gateway writes to; the second lies within the first.
pub(super) const ZONES: &str = "example.org=Z1,lab.example.org=Z2,example.com=Z3";

/// The hosted zones of the account: one more than the gateway knows.
const HOSTED: [(&str, &str); 4] =
    [("Z1", "example.org"), ("Z2", "lab.example.org"), ("Z3", "example.com"), ("Z9", "example.net")];

/// What is there before each request.
const BEFORE: [(&str, &str); 21] = [
    ("Z1", "example.org. 300 A 192.0.2.80"),
    ("Z1", "example.org. 300 MX 10 mail.example.org."),
    ("Z1", "home.example.org. 60 A 192.0.2.1"),
    ("Z1", "home.example.org. 120 AAAA 2001:db8:1::7 2001:DB8:2:0::8"),
    ("Z1", "home.example.org. 60 TXT \"good 192.0.2.99\""),
    ("Z1", "*.home.example.org. 60 A 192.0.2.2"),
    ("Z1", "a.home.example.org. 60 AAAA 2001:db8:1::a"),
    ("Z1", "cname.example.org. 60 CNAME www.example.net."),
    ("Z1", "alias.example.org. ALIAS A d111111abcdef8.cloudfront.net."),
    ("Z1", "blue.example.org. 60 A 192.0.2.9 @blue"),
    ("Z1", "old.example.org. 60 A 192.0.2.3"),
    ("Z1", "deleg.example.org. 300 NS ns.example.net."),
    ("Z1", "many.example.org. 60 AAAA 2001:db8:1::1 2001:db8:2::1 2001:db8:3::2 2001:db8:4::4 2001:db8:5::"),
    ("Z2", "lab.example.org. 60 A 192.0.2.20"),
    ("Z2", "x.lab.example.org. 60 AAAA 2001:db8:1::20"),
    ("Z2", "cname.lab.example.org. 60 CNAME x.lab.example.org."),
    ("Z3", "a.example.com. 60 A 198.51.100.6"),
    ("Z3", "b.example.com. 60 A 198.51.100.6"),
    ("Z3", "b.example.com. 60 AAAA 2001:db8::6"),
    ("Z9", "a.example.net. 60 A 198.51.100.7"),
    ("Z9", "home.example.net. 60 A 198.51.100.8"),
];

/// The names that hold something which is to be left alone.
pub(super) const LEFT_ALONE: [&str; 5] =
    ["cname.example.org", "alias.example.org", "blue.example.org", "deleg.example.org", "cname.lab.example.org"];

/// What a token covers: a name, or that and all below it, in a zone. Said here by hand: it is what
/// the gateway is measured by.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cover {
    /// Whether what is below the name is covered too.
    subtree: bool,
    /// The name.
    name: &'static str,
    /// The id of the zone.
    pub(super) zone: &'static str,
}

/// That name alone.
const fn host(name: &'static str, zone: &'static str) -> Cover {
    Cover { subtree: false, name, zone }
}

/// That name and all below it.
const fn subtree(name: &'static str, zone: &'static str) -> Cover {
    Cover { subtree: true, name, zone }
}

/// The tokens that `{token}` may stand for, as the transcripts write them, and what they cover.
pub(super) const TOKENS: [(&str, Option<Cover>); 14] = [
    ("host home.example.org", Some(host("home.example.org", "Z1"))),
    ("subtree home.example.org", Some(subtree("home.example.org", "Z1"))),
    ("subtree example.org", Some(subtree("example.org", "Z1"))),
    ("host a.example.com", Some(host("a.example.com", "Z3"))),
    ("subtree example.com", Some(subtree("example.com", "Z3"))),
    ("host *.home.example.org", Some(host("*.home.example.org", "Z1"))),
    ("subtree lab.example.org", Some(subtree("lab.example.org", "Z2"))),
    ("host home.example.org previous", Some(host("home.example.org", "Z1"))),
    ("host old.example.org generation 1", Some(host("old.example.org", "Z1"))),
    ("host old.example.org", None),
    ("host home.example.org zone Z9", None),
    ("subtree lab.example.org zone Z1", None),
    ("host cname.example.org", Some(host("cname.example.org", "Z1"))),
    ("", None),
];

/// The token that nobody minted.
const FOREIGN: &str = "0123456789abcdefghjkmnpq";

impl Cover {
    /// Whether a canonical name is covered.
    pub(super) fn has(&self, name: &str) -> bool {
        let apex = if self.zone == "Z2" { 3 } else { 2 };
        zone_of(name) == Some(self.zone)
            // The tenth label below the apex is the last.
            && name.split('.').count() <= apex + 10
            && (name == self.name || self.subtree && name.ends_with(&format!(".{}", self.name)))
    }
}

/// The id of the zone that holds a canonical name.
pub(super) fn zone_of(name: &str) -> Option<&'static str> {
    let under = |zone: &str| name == zone || name.ends_with(&format!(".{zone}"));
    if under("lab.example.org") {
        Some("Z2")
    } else if under("example.org") {
        Some("Z1")
    } else if under("example.com") {
        Some("Z3")
    } else {
        None
    }
}

/// A record set, read from the fake's own line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Record {
    /// The id of the zone.
    pub(super) zone: &'static str,
    /// The canonical name, without its trailing dot.
    pub(super) name: String,
    /// Seconds; `None` for an alias.
    pub(super) ttl: Option<u32>,
    /// Such as `A`.
    pub(super) kind: String,
    /// The values or the target.
    pub(super) values: Vec<String>,
    /// Whether it is a plain record set of addresses: the only sort that may ever change.
    pub(super) plain: bool,
}

impl Record {
    /// Reads `NAME. TTL TYPE VALUE…`.
    fn read(zone: &'static str, line: &str) -> Self {
        let words: Vec<&str> = line.split(' ').collect();
        let [name, ttl, kind, values @ ..] = words.as_slice() else { panic!("{line}") };
        let plain = matches!(*kind, "A" | "AAAA") && *ttl != "ALIAS" && !line.contains(" @");
        Self {
            zone,
            name: name.trim_end_matches('.').to_owned(),
            ttl: ttl.parse().ok(),
            kind: (*kind).to_owned(),
            values: values.iter().map(|value| (*value).to_owned()).collect(),
            plain,
        }
    }

    /// The values as addresses.
    pub(super) fn addresses(&self) -> Vec<IpAddr> {
        self.values.iter().filter(|_| self.plain).map(|value| value.parse().expect("an address")).collect()
    }
}

/// Which call fails, how, and how often; every time if that is `None`.
pub(super) type ScriptedFault = (Operation, Fault, Option<u32>);

/// What a request did.
pub(super) struct Effect {
    /// The calls to Route 53.
    pub(super) calls: Vec<Call>,
    /// All record sets before it.
    pub(super) before: Vec<Record>,
    /// All record sets after it.
    pub(super) after: Vec<Record>,
}

/// A gateway in front of Route 53.
pub(super) type Route53Gateway = Gateway<Arc<Route53>>;

/// The gateways and their Route 53.
pub(super) struct Fixture {
    /// The runtime, with a clock that moves only if every task waits for it.
    runtime: Runtime,
    /// The SDK's configuration, which leads to the fake.
    aws: SdkConfig,
    /// The Route 53 that all gateways share.
    fake: FakeRoute53,
    /// The store that calls it.
    store: Arc<Route53>,
    /// Gateways by the bits of their settings.
    gateways: HashMap<u8, Arc<Route53Gateway>>,
    /// The tokens in the order of [`TOKENS`].
    tokens: Vec<String>,
    /// What is there before each request.
    before: Vec<Record>,
}

thread_local! {
    static FIXTURE: RefCell<Fixture> = RefCell::new(Fixture::new());
}

impl Fixture {
    /// This thread's.
    pub(super) fn with<T>(work: impl FnOnce(&mut Self) -> T) -> T {
        FIXTURE.with_borrow_mut(work)
    }

    /// Gateways to be, and a Route 53 as it is before each request.
    fn new() -> Self {
        let runtime = Builder::new_current_thread().enable_time().start_paused(true).build().expect("a runtime");
        let fake = FakeRoute53::new();
        fill(&fake);
        let aws = fake.configure(&runtime.block_on(nic53::aws::config()).expect("an SDK configuration"));
        let zones = Zones::parse(ZONES).expect("zones");
        let minted =
            |wanted: &str| if wanted.is_empty() { FOREIGN.into() } else { token(wanted, &zones).expect("a token") };
        let tokens = TOKENS.iter().map(|(wanted, _)| minted(wanted)).collect();
        let before = records(&fake);
        let store = Arc::new(Route53::new(&aws));
        Self { runtime, aws, fake, store, gateways: HashMap::new(), tokens, before }
    }

    /// The tokens in the order of [`TOKENS`].
    pub(super) fn tokens(&self) -> &[String] {
        &self.tokens
    }

    /// The runtime, with a clock that moves only if every task waits for it.
    pub(super) fn runtime(&self) -> &Runtime {
        &self.runtime
    }

    /// The SDK's configuration, which leads to the fake.
    pub(super) fn aws(&self) -> &SdkConfig {
        &self.aws
    }

    /// The gateway that has these settings.
    pub(super) fn gateway(&mut self, settings: Settings) -> Arc<Route53Gateway> {
        let bits = settings.of_gateway();
        let made = || {
            let store = Arc::clone(&self.store);
            let made = gateway(FrontEnd::HttpApi, store, |name| setting(bits, name));
            Arc::new(self.runtime.block_on(made).expect("a gateway"))
        };
        Arc::clone(self.gateways.entry(bits).or_insert_with(made))
    }

    /// Lets a gateway work on the records as they are before each request.
    pub(super) fn play<T>(
        &mut self,
        settings: Settings,
        fault: Option<ScriptedFault>,
        work: impl Future<Output = T>,
    ) -> (T, Effect) {
        self.fake.limit_pages(if settings.has(SMALL_PAGES) { 1 } else { 300 });
        if let Some((operation, fault, times)) = fault {
            self.fake.fault(operation, fault, times);
        }
        let done = self.runtime.block_on(work);
        self.fake.clear_faults();
        let calls = self.fake.take_calls();
        let after = records(&self.fake);
        if calls.iter().any(|call| call.operation == Operation::Change) {
            fill(&self.fake);
        }
        (done, Effect { calls, before: self.before.clone(), after })
    }
}

/// A setting of the gateway with those bits.
fn setting(bits: u8, name: &str) -> Option<String> {
    let value = match name {
        "NIC53_ZONES" => ZONES,
        "NIC53_GENERATIONS" => "old.example.org=1",
        "NIC53_ALLOW_PRIVATE" if bits & ALLOW_PRIVATE != 0 => "true",
        "NIC53_ALLOW_OFFLINE" if bits & ALLOW_OFFLINE != 0 => "true",
        "NIC53_QUERY_CREDENTIALS" if bits & HEADER_ONLY != 0 => "false",
        "NIC53_TRUSTED_PROXIES" if bits & PROXIES != 0 => "203.0.113.0/24,127.0.0.1,2001:db8:ffff::/48",
        _ => return None,
    };
    Some(value.to_owned())
}

/// Puts everything as it is before each request.
fn fill(fake: &FakeRoute53) {
    for (id, name) in HOSTED {
        fake.zone(id, name);
    }
    for (id, line) in BEFORE {
        fake.put(id, line).expect("a record set");
    }
}

/// All record sets of all hosted zones.
fn records(fake: &FakeRoute53) -> Vec<Record> {
    let of = |id| fake.records(id).into_iter().map(move |line| Record::read(id, &line));
    HOSTED.iter().flat_map(|(id, _)| of(id)).collect()
}
