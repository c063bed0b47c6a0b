//! The gateway's settings as the bits of a byte, and the bits for what happens to the body.

/// The bits of the gateway's settings, and of the body's fate.
#[derive(Clone, Copy, Debug)]
pub(super) struct Settings(pub(super) u8);

/// Private addresses may be published.
pub(super) const ALLOW_PRIVATE: u8 = 1;
/// `offline=YES` may remove addresses.
pub(super) const ALLOW_OFFLINE: u8 = 2;
/// Credentials may not come in the query.
pub(super) const HEADER_ONLY: u8 = 4;
/// Some of the peers are trusted proxies.
pub(super) const PROXIES: u8 = 8;
/// A page of Route 53 has one record set.
pub(super) const SMALL_PAGES: u8 = 16;
/// The body is larger than any form.
pub(super) const TOO_LARGE: u8 = 32;
/// The body breaks off.
pub(super) const BROKEN: u8 = 64;

impl Settings {
    /// Whether a bit is set.
    pub(super) fn has(self, bit: u8) -> bool {
        self.0 & bit != 0
    }

    /// The bits that make one gateway different from another.
    pub(super) fn of_gateway(self) -> u8 {
        self.0 & (ALLOW_PRIVATE | ALLOW_OFFLINE | HEADER_ONLY | PROXIES)
    }

    /// The same settings with a body that came whole, or was too large.
    pub(super) fn with_body(self, too_large: bool) -> Self {
        Self(self.0 & !(TOO_LARGE | BROKEN) | if too_large { TOO_LARGE } else { 0 })
    }
}
