//! The instructions that the first start prints.

use std::{
    env,
    io::{self, IsTerminal},
    net::SocketAddr,
};

use crate::{
    protocol::{hostname::HostName, token::Scope},
    secrets::Provider,
    settings::Settings,
};

/// What to paste on the first start: a host, its token, and how to see it move. As a service of systemd, only how to get
/// the token: others may read the journal.
pub(super) async fn instructions(
    settings: &Settings,
    secrets: &Provider,
    http: SocketAddr,
    dns: Option<SocketAddr>,
) -> Option<String> {
    let zone = settings.zones.iter().next()?;
    let host: HostName = format!("router.{}", zone.name).parse().ok()?;
    if is_journal() {
        return Some(format!("`nic53 token {host}`, with the settings of this service, prints that host's token.\n"));
    }
    let zone = settings.zones.holding(&host)?;
    let secrets = secrets.current().await.ok()?;
    let token = secrets.current.mint(Scope::Host, &host, zone, 0);
    let token = token.reveal();
    let dig = dns.map_or_else(String::new, |dns| {
        format!("See it in DNS:\n\n    dig +short @{} -p {} {host} A\n\n", dns.ip(), dns.port())
    });
    let form = form(&host, token, http);
    Some(format!(
        "
Move {host} to 203.0.113.7:

    curl -u {host}:{token} 'http://{http}/nic/update?hostname={host}&myip=203.0.113.7'

{dig}{form}
The next start does not print this again; `nic53 token {host}` prints the token again.
"
    ))
}

/// Whether the standard output goes into systemd's journal: systemd.exec(5), `JOURNAL_STREAM`, which a terminal may have
/// inherited.
fn is_journal() -> bool {
    env::var_os("JOURNAL_STREAM").is_some() && !io::stdout().is_terminal()
}

/// What to type into a router's form, or how to let a router reach the gateway.
fn form(host: &HostName, token: &str, http: SocketAddr) -> String {
    if http.ip().is_loopback() || http.ip().is_unspecified() {
        return format!(
            "A router cannot use {http}. Start nic53 at this machine's address in your network, such as
`nic53 serve --http 192.168.1.2:{}`; then `nic53 setup` prints what to type into a router.
",
            http.port()
        );
    }
    format!(
        "In a router's form (dyndns2, or custom):

    Server     {http}
    Host name  {host}
    User name  {host}
    Password   {token}
"
    )
}
