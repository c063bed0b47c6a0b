//! A limit of AWS: a bucket that fills up.

use tokio::time::Instant;

/// What may be used of something that is limited.
pub(crate) struct Bucket {
    /// The most that it holds.
    size: f64,
    /// How much flows in, a second.
    rate: f64,
    /// What is in it; parts of one too.
    holds: f64,
    /// When that was so.
    at: Instant,
}

impl Bucket {
    /// A full one of that size, which fills up with so much a second.
    pub(crate) fn full(size: u32, rate: u32) -> Self {
        Self { size: size.into(), rate: rate.into(), holds: size.into(), at: Instant::now() }
    }

    /// Takes so much, if it is there.
    pub(crate) fn take(&mut self, amount: usize) -> bool {
        let now = Instant::now();
        self.holds = (self.holds + self.rate * (now - self.at).as_secs_f64()).min(self.size);
        self.at = now;
        let amount = f64::from(u32::try_from(amount).unwrap_or(u32::MAX));
        let allowed = self.holds >= amount;
        self.holds -= if allowed { amount } else { 0.0 };
        allowed
    }
}
