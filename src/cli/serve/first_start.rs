//! The instructions that the first start prints.

use std::{
    env,
    io::{self, IsTerminal},
    net::SocketAddr,
    path::Path,
};

use crate::{
    cli::settings::{DEFAULT_DATA, DEFAULT_ZONES},
    protocol::{hostname::HostName, token::Scope, zone::Zones},
    secrets::Provider,
    settings::Settings,
};

/// What to paste on the first start: a host, its token, and how to see it move. As a service of systemd, only how to get
/// the token: others may read the journal.
pub(super) async fn instructions(
    settings: &Settings,
    secrets: &Provider,
    data: &Path,
    http: SocketAddr,
    dns: Option<SocketAddr>,
) -> Option<String> {
    let zone = settings.zones.iter().next()?;
    let host: HostName = format!("router.{}", zone.name).parse().ok()?;
    if is_journal() {
        return Some(format!("`nic53 token {host}`, with the settings of this service, prints that host's token.\n"));
    }
    let again = token_command(&host, &settings.zones, data);
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
The next start does not print this again; `{again}` prints the token again.
"
    ))
}

/// The command that prints the token of a host, with those settings that are not the default ones.
fn token_command(host: &HostName, zones: &Zones, data: &Path) -> String {
    let zones = zones.to_string();
    let zones = if zones == DEFAULT_ZONES { String::new() } else { format!(" --zones {zones}") };
    // A quote in the path ends the quotation, stands by itself, and begins another one.
    let quoted = || data.display().to_string().replace('\'', r"'\''");
    let data = if data == Path::new(DEFAULT_DATA) { String::new() } else { format!(" --data '{}'", quoted()) };
    format!("nic53 token {host}{zones}{data}")
}

/// Whether the standard output goes into systemd's journal: systemd.exec(5), `JOURNAL_STREAM`, which a terminal may have
/// inherited.
fn is_journal() -> bool {
    env::var_os("JOURNAL_STREAM").is_some() && !io::stdout().is_terminal()
}

/// What to type into a router's form, or how to let a router reach the gateway.
fn form(host: &HostName, token: &str, http: SocketAddr) -> String {
    let port = http.port();
    if http.ip().is_loopback() {
        return format!(
            "A router cannot use {http}. Start nic53 at this machine's address in your network, such as
`nic53 serve --http 192.168.1.2:{port}`; then `nic53 setup` prints what to type into a router.
"
        );
    }
    if http.ip().is_unspecified() {
        return format!(
            "A router reaches it at this machine's address in your network, port {port}. `nic53 setup` prints what to type
into a router, with that address as --url, such as http://192.168.1.2:{port}.
"
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
