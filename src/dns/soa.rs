//! The constants of the SOA and NS records that each zone of the embedded store has at its apex.
//!
//! Resolvers remember for the SOA's minimum that a name does not exist. It is short, so that a router
//! that comes back is found soon.

use crate::protocol::zone::Zone;

/// TTL of the SOA in seconds, and how long resolvers remember a missing name or type (RFC 2308 §5).
pub const SOA_TTL: u32 = 60;
/// TTL of the NS record in seconds.
pub const NS_TTL: u32 = 3600;
/// How often a secondary looks for changes, in seconds. We know of no secondaries.
pub const REFRESH: i32 = 3600;
/// How long a secondary waits after a failed look, in seconds.
pub const RETRY: i32 = 600;
/// How long a secondary answers without a successful look, in seconds.
pub const EXPIRE: i32 = 604_800;

/// The mailbox of the zone's administrator, in the SOA's form: a dot for the `@`.
pub fn mailbox(zone: &Zone) -> String {
    format!("hostmaster.{}", zone.name)
}
