//! The instructions that the first start prints.

use std::net::SocketAddr;

use crate::{
    protocol::{hostname::HostName, token::Scope},
    secrets::Provider,
    settings::Settings,
};

/// What to paste on the first start: a host, its token, and how to see it move.
pub(super) async fn instructions(
    settings: &Settings,
    secrets: &Provider,
    http: SocketAddr,
    dns: Option<SocketAddr>,
) -> Option<String> {
    let host: HostName = "router.home.example".parse().ok()?;
    let zone = settings.zones.holding(&host)?;
    let secrets = secrets.current().await.ok()?;
    let token = secrets.current.mint(Scope::Host, &host, zone, 0);
    let token = token.reveal();
    let dig = dns.map_or_else(String::new, |dns| {
        format!("See it in DNS:\n\n    dig +short @{} -p {} {host} A\n\n", dns.ip(), dns.port())
    });
    Some(format!(
        "
Move {host} to 203.0.113.7:

    curl -u {host}:{token} 'http://{http}/nic/update?hostname={host}&myip=203.0.113.7'

{dig}In a router's form (dyndns2, or custom):

    Server     {http}
    Host name  {host}
    User name  {host}
    Password   {token}

The next start does not print this again; `nic53 token {host}` prints the token again.
"
    ))
}
