//! When the routers of a fleet ask: every five minutes through an outage, or once at a change.

use std::time::Duration;

use fastrand::Rng;
use futures_util::{StreamExt, future::join_all, stream};
use tokio::time::{Instant, sleep_until};

/// How often a router asks, whether or not its address has changed. ddclient also tries again after
/// that time if it was answered `dnserr`.
const POLL: Duration = Duration::from_mins(5);

/// When inadyn tries again after `dnserr`.
const INADYN_TRIES_AGAIN: Duration = Duration::from_mins(10);

/// How long the provider's outage lasts.
const OUTAGE: Duration = Duration::from_mins(10);

/// The time within which all routers are back.
const BACK_WITHIN: Duration = Duration::from_mins(2);

/// Routers that ask every five minutes, and lose their network all at once.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Day {
    /// How many there are.
    pub(crate) routers: u32,
    /// When the outage begins.
    pub(crate) outage: Duration,
    /// How long all of it is played.
    pub(crate) length: Duration,
}

impl Day {
    /// When the outage ends.
    pub(crate) fn outage_ends(&self) -> Duration {
        self.outage + OUTAGE
    }

    /// Lets the routers ask. `ask` takes the number of a router and whether it has its new address, and
    /// gives the code of the answer.
    pub(crate) async fn play(&self, ask: impl AsyncFn(u32, bool) -> String) {
        let began = Instant::now();
        join_all((0..self.routers).map(|number| self.router(number, began, &ask))).await;
    }

    /// One router. Its clock of five minutes begins anew when it is back.
    async fn router(&self, number: u32, began: Instant, ask: &impl AsyncFn(u32, bool) -> String) {
        let mut random = Rng::with_seed(number.into());
        let back = self.outage_ends() + BACK_WITHIN.mul_f64(random.f64());
        let tries_again = if random.bool() { POLL } else { INADYN_TRIES_AGAIN };
        let (mut next, mut has_moved) = (POLL.mul_f64(random.f64()), false);
        loop {
            if !has_moved && next >= self.outage {
                (next, has_moved) = (back, true);
            }
            if next >= self.length {
                return;
            }
            sleep_until(began + next).await;
            let code = Box::pin(ask(number, has_moved)).await;
            next += if matches!(&*code, "good" | "nochg") { POLL } else { tries_again };
        }
    }
}

/// Lets so many of the routers, each once, ask at a moment drawn from that time.
pub(crate) async fn changes(of: u32, count: u32, within: Duration, ask: impl AsyncFn(u32, bool) -> String) {
    let mut random = Rng::with_seed(53);
    let mut moments: Vec<_> = (0..count).map(|_| within.mul_f64(random.f64())).collect();
    moments.sort_unstable();
    let mut routers: Vec<_> = (0..of).collect();
    random.shuffle(&mut routers);
    let began = Instant::now();
    let arrivals = stream::iter(moments.into_iter().zip(routers)).then(|(moment, router)| async move {
        sleep_until(began + moment).await;
        router
    });
    arrivals.for_each_concurrent(None, async |router| drop(Box::pin(ask(router, true)).await)).await;
}
