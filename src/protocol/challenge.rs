//! Challenges: the TXT records that prove to a certificate authority who owns a host.
//!
//! RFC 8555 §8.4 (`dns-01`): the client sets a TXT record at `_acme-challenge.HOST`, and the authority
//! looks it up. Two APIs ask for that record here, both as their clients already speak them: `httpreq`
//! (lego, acme.sh's `acmeproxy`) and acme-dns.

pub mod access;
pub mod body;
pub mod digest;
pub mod edit;
pub mod reply;

use crate::protocol::hostname::HostName;

/// The label of the names that hold challenges (RFC 8555 §8.4).
pub const LABEL: &str = "_acme-challenge";

/// What a request does, and in whose words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Api {
    /// `httpreq`: adds a value.
    Present,
    /// `httpreq`: removes a value.
    Cleanup,
    /// acme-dns: adds a value. It has no request to remove one.
    AcmeDns,
}

/// The name of a host's challenge; `None` if it would be too long.
pub fn name_of(host: &HostName) -> Option<HostName> {
    format!("{LABEL}.{host}").parse().ok()
}
