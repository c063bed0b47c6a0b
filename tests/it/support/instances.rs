//! The gateway as Lambda runs it: an instance for each request of the moment, and none knows of another.

use std::cell::{Cell, RefCell};

use nic53::{
    gateway::Gateway,
    protocol::{parameters::Body, zone::Zones},
    store::Store,
};

use super::{front_end::FrontEnd, gateway};

/// The most instances of an account by default. A request beyond them is refused by the front door.
const CONCURRENCY: usize = 1000;

/// Instances of the gateway in front of one kind of store.
pub(crate) struct Instances<S: Store> {
    /// The zones of all.
    zones: Zones,
    /// Makes the store of a new one.
    store: Box<dyn Fn() -> S>,
    /// Those without a request.
    idle: RefCell<Vec<Gateway<S>>>,
    /// How many there are.
    started: Cell<usize>,
}

impl<S: Store> Instances<S> {
    /// None yet, for these zones.
    pub(crate) fn new(zones: &Zones, store: impl Fn() -> S + 'static) -> Self {
        Self { zones: zones.clone(), store: Box::new(store), idle: RefCell::new(Vec::new()), started: Cell::new(0) }
    }

    /// How many were needed at once.
    pub(crate) fn started(&self) -> usize {
        self.started.get()
    }

    /// Asks for an address of a host with the host's own token, and gives the code of the answer:
    /// `refused` if there is no instance for it.
    pub(crate) async fn ask(&self, host: &str, address: &str) -> String {
        let token = gateway::token(&format!("host {host}"), &self.zones).expect("a token");
        let (parts, ()) = gateway::update(&format!("hostname={host}&myip={address}"), &token).into_parts();
        let Some(instance) = self.instance().await else { return "refused".to_owned() };
        let body = instance.answer(&parts, Body::Whole(b""), None).await.into_body();
        self.idle.borrow_mut().push(instance);
        body.split(' ').next().unwrap_or_default().to_owned()
    }

    /// One without a request, which is started if it may be.
    async fn instance(&self) -> Option<Gateway<S>> {
        if let Some(instance) = self.idle.borrow_mut().pop() {
            return Some(instance);
        }
        if self.started.get() == CONCURRENCY {
            return None;
        }
        self.started.set(self.started.get() + 1);
        let setting = |name: &str| (name == "NIC53_ZONES").then(|| self.zones.to_string());
        Some(gateway::gateway(FrontEnd::HttpApi, (self.store)(), setting).await.expect("a gateway"))
    }
}
