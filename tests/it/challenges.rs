//! Challenges for certificates: what real ACME clients send, and orders that write at the same moment.

mod corpus;
mod orders;

use nic53::protocol::zone::Zones;

use crate::support::gateway;

/// The zone, as `NIC53_ZONES` has it.
const ZONES: &str = "example.org=Z1";

/// A setting of a gateway that allows challenges.
fn setting(name: &str) -> Option<String> {
    match name {
        "NIC53_ZONES" => Some(ZONES.to_owned()),
        "NIC53_ALLOW_ACME" => Some("true".to_owned()),
        _ => None,
    }
}

/// The token of `host NAME` or `subtree NAME`.
fn token(wanted: &str) -> String {
    gateway::token(wanted, &Zones::parse(ZONES).expect("zones")).expect("a token")
}
