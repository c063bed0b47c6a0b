//! The SOA and NS records that each zone of the embedded store has at its apex.
//!
//! The name server is `ns` below the apex. Whoever delegates the zone gives that name an address, in
//! the parent zone and, as for any other host, by an update here. Resolvers remember for the SOA's
//! minimum that a name does not exist. It is short, so that a router that comes back is found soon.

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

/// The name server of a zone, without a trailing dot.
pub fn name_server(zone: &Zone) -> String {
    format!("ns.{}", zone.name)
}

/// The mailbox of the zone's administrator, in the SOA's form: a dot for the `@`.
pub fn mailbox(zone: &Zone) -> String {
    format!("hostmaster.{}", zone.name)
}
