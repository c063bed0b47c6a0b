//! What each record set of an update's hosts is to become.

use std::net::IpAddr;

use crate::protocol::{address::ByFamily, element::Prefix};

/// The most addresses of one family of a host. `docs/protocol.md` states it,
/// `protocol-tests/more-than-eight-addresses-of-a-family-are-dnserr.txt`, and the second reading of
/// requests in `fuzz/targets/`.
pub const MAX_ADDRESSES: usize = 8;

/// The reason for the log if there are more.
pub(super) const TOO_MANY: &str = "more than 8 addresses of one family";

/// What an update asks of each of its hosts.
pub type Desired = ByFamily<Target>;

/// What the record set of one family is to become.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// As it is.
    Keep,
    /// These addresses: at least one, each once, in the order asked.
    Set(Vec<IpAddr>),
    /// Those that are there, each under the prefix. Of IPv6 only.
    Move {
        /// The prefix.
        prefix: Prefix,
        /// Whether the addresses that it makes may be private.
        allow_private: bool,
    },
    /// Deleted.
    Delete,
}
