//! What the steps about DNS look for.

use std::{
    collections::BTreeSet,
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use crate::protocol::hostname::HostName;

/// What to look for, where, and for how long.
pub(super) struct Search<'a> {
    /// The host.
    pub host: &'a HostName,
    /// The addresses that the gateway replied with, if it was asked.
    pub expected: Option<BTreeSet<IpAddr>>,
    /// The name servers to ask instead of the zone's own.
    pub name_servers: &'a [SocketAddr],
    /// The resolver.
    pub resolver: SocketAddr,
    /// How long to wait for each of both; zero if the record has not moved.
    pub wait: Duration,
}
