//! How fast Route 53 is called: one pace for all calls of the publisher.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::time::{Instant, sleep_until};

/// A pass takes one call in this many.
const SHARE_OF_PASSES: u32 = 8;

/// A pace that is halved is never below this part of the one that was set.
const SLOWEST: f64 = 1.0 / 32.0;

/// The pace rises by this part of the one that was set at each call that is not throttled.
const RISE: f64 = 1.0 / 64.0;

/// The pace of all calls. It adapts to what Route 53 takes.
#[derive(Debug)]
pub(crate) struct Pace {
    /// The most calls a second.
    most: f64,
    /// How many calls there are to one of a pass.
    share: u32,
    /// What changes.
    now: Mutex<Now>,
}

/// The pace as it is.
#[derive(Debug)]
struct Now {
    /// Calls a second.
    rate: f64,
    /// When the next call may be made.
    next: Instant,
    /// When the next call of a pass may be made.
    next_of_passes: Instant,
}

impl Pace {
    /// A pace of at most so many calls a second. `shares` says whether passes have only a share of it.
    pub(crate) fn new(most: f64, shares: bool) -> Self {
        let now = Now { rate: most, next: Instant::now(), next_of_passes: Instant::now() };
        Self { most, share: if shares { SHARE_OF_PASSES } else { 1 }, now: Mutex::new(now) }
    }

    /// Waits until the next call may be made.
    pub(crate) async fn turn(&self) {
        let at = {
            let mut now = self.lock();
            let at = now.next.max(Instant::now());
            now.next = at + now.interval();
            at
        };
        sleep_until(at).await;
    }

    /// When a call may be made that has to wait for this many others.
    pub(crate) fn turn_after(&self, others: usize) -> Instant {
        let now = self.lock();
        let others = u32::try_from(others).unwrap_or(u32::MAX);
        now.next.max(Instant::now()) + now.interval() * others
    }

    /// Takes the turn of a pass, if it has come.
    pub(crate) fn take_turn_of_pass(&self) -> bool {
        let is_due = self.lock().next_of_passes <= Instant::now();
        if is_due {
            self.charge_pass();
        }
        is_due
    }

    /// A pass has made a call beyond its turn: its next one comes later.
    pub(crate) fn charge_pass(&self) {
        let mut now = self.lock();
        now.next_of_passes = now.next_of_passes.max(Instant::now()) + now.interval() * self.share;
    }

    /// When the next turn of a pass comes.
    pub(crate) fn next_turn_of_pass(&self) -> Instant {
        self.lock().next_of_passes
    }

    /// A call was throttled: half as many from now on.
    pub(crate) fn halve(&self) {
        let mut now = self.lock();
        now.rate = (now.rate / 2.0).max(self.most * SLOWEST);
        now.next = now.next.max(Instant::now() + now.interval());
    }

    /// A call was not throttled.
    pub(crate) fn raise(&self) {
        let mut now = self.lock();
        now.rate = (now.rate + self.most * RISE).min(self.most);
    }

    /// The pace as it is. A panic while it was locked left it whole.
    fn lock(&self) -> MutexGuard<'_, Now> {
        self.now.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Now {
    /// The time from one call to the next.
    fn interval(&self) -> Duration {
        Duration::from_secs_f64(1.0 / self.rate)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn calls_keep_their_distance_whatever_was_saved_up() {
        let pace = Pace::new(4.0, true);
        tokio::time::sleep(Duration::from_mins(1)).await;
        let started = Instant::now();
        assert_eq!((pace.turn_after(8) - started).as_millis(), 2000);
        for _ in 0..9 {
            pace.turn().await;
        }
        assert_eq!(started.elapsed().as_millis(), 2000);
    }

    #[tokio::test(start_paused = true)]
    async fn the_pace_is_halved_at_once_and_rises_slowly() {
        let pace = Pace::new(4.0, true);
        pace.halve();
        pace.halve();
        let started = Instant::now();
        pace.turn().await;
        pace.turn().await;
        assert_eq!(started.elapsed().as_millis(), 2000);
        (0..20).for_each(|_| pace.raise());
        assert!((2.0..3.0).contains(&pace.lock().rate));
        (0..100).for_each(|_| pace.raise());
        assert!((pace.lock().rate - 4.0).abs() < 1e-9);
        (0..100).for_each(|_| pace.halve());
        assert!((pace.lock().rate - 0.125).abs() < 1e-9);
    }

    #[tokio::test(start_paused = true)]
    async fn a_pass_has_one_call_in_eight_or_all() {
        for (shares, expected) in [(true, 5), (false, 40)] {
            let pace = Pace::new(4.0, shares);
            let mut taken = 0;
            for _ in 0..1000 {
                taken += u32::from(pace.take_turn_of_pass());
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            assert_eq!(taken, expected, "in ten seconds, {shares}");
        }
    }
}
