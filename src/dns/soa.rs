//! What each zone of the embedded store has at its apex besides addresses: one SOA and one NS.
//!
//! The name server is `ns` below the apex: whoever delegates the zone gives that name an address,
//! there and, as for any other host, by an update here. A resolver remembers that a name is not
//! there for the SOA's minimum, which is short, since a router that comes back is to be found soon.

use crate::protocol::zone::Zone;

/// TTL of the SOA, and how long its zone's missing names and types are remembered (RFC 2308 §5).
pub const SOA_TTL: u32 = 60;
/// TTL of the NS.
pub const NS_TTL: u32 = 3600;
/// How often a secondary would look for changes, in seconds; there is none that we know of.
pub const REFRESH: i32 = 3600;
/// How long it would wait after it could not.
pub const RETRY: i32 = 600;
/// How long it would answer without having looked.
pub const EXPIRE: i32 = 604_800;

/// The name server of a zone, without a trailing dot.
pub fn name_server(zone: &Zone) -> String {
    format!("ns.{}", zone.name)
}

/// The mailbox of who looks after a zone, as the SOA writes it.
pub fn mailbox(zone: &Zone) -> String {
    format!("hostmaster.{}", zone.name)
}
