//! The instructions that the first start prints.

use std::{
    env,
    fmt::Write as _,
    io::{self, IsTerminal},
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    path::Path,
};

use crate::{
    cli::settings::{DEFAULT_DATA, DEFAULT_ZONES},
    protocol::{
        endpoint::PAGE_PATH,
        hostname::HostName,
        token::Scope,
        zone::{Zone, Zones},
    },
    secrets::Provider,
    settings::Settings,
};

/// What to paste on the first start, for each zone: a host, its token, and how to see it move. As a service of systemd,
/// only how to get the tokens: others may read the journal.
pub(super) async fn instructions(
    settings: &Settings,
    secrets: &Provider,
    data: &Path,
    http: SocketAddr,
    dns: Option<SocketAddr>,
) -> Option<String> {
    let hosts: Vec<(HostName, &Zone)> =
        settings.zones.iter().filter_map(|zone| example(zone, &settings.zones)).collect();
    let names = hosts.iter().map(|(host, _)| host.as_str()).collect::<Vec<_>>().join(" ");
    if is_journal() {
        return Some(format!("`nic53 token {names}`, with the settings of this service, prints {}.\n", whose(&hosts)));
    }
    let again = token_command(&names, &settings.zones, data);
    let secrets = secrets.current().await.ok()?;
    let (mut curl, mut dig, mut forms) = (String::new(), String::new(), String::new());
    for (host, zone) in &hosts {
        let token = secrets.current.mint(Scope::Host, host, zone, 0);
        let token = token.reveal();
        let _ =
            writeln!(curl, "    curl -u {host}:{token} 'http://{http}/nic/update?hostname={host}&myip=203.0.113.7'");
        if let Some(dns) = dns {
            let _ = writeln!(dig, "    dig +short @{} -p {} {host} A", dns.ip(), dns.port());
        }
        forms += &form(host, token, http);
    }
    let dig = if dig.is_empty() { dig } else { format!("See it in DNS:\n\n{dig}\n") };
    let page = if settings.page { page(http) } else { String::new() };
    let forms = out_of_reach(http).unwrap_or(forms);
    Some(format!(
        "
Move {names} to 203.0.113.7:

{curl}
{dig}{page}{forms}
The next start does not print this again; `{again}` prints {} again.
",
        if hosts.len() == 1 { "the token" } else { "the tokens" }
    ))
}

/// A host below a zone's name, and the zone that holds it, which may be one below that.
fn example<'a>(zone: &Zone, zones: &'a Zones) -> Option<(HostName, &'a Zone)> {
    let host: HostName = format!("router.{}", zone.name).parse().ok()?;
    let zone = zones.holding(&host)?;
    Some((host, zone))
}

/// Whose token it is.
fn whose(hosts: &[(HostName, &Zone)]) -> &'static str {
    if hosts.len() == 1 { "that host's token" } else { "those hosts' tokens" }
}

/// The command that prints the tokens of hosts, with those settings that are not the default ones.
fn token_command(hosts: &str, zones: &Zones, data: &Path) -> String {
    let zones = zones.to_string();
    let zones = if zones == DEFAULT_ZONES { String::new() } else { format!(" --zones {zones}") };
    // A quote in the path ends the quotation, stands by itself, and begins another one.
    let quoted = || data.display().to_string().replace('\'', r"'\''");
    let data = if data == Path::new(DEFAULT_DATA) { String::new() } else { format!(" --data '{}'", quoted()) };
    format!("nic53 token {hosts}{zones}{data}")
}

/// Where a person looks.
fn page(http: SocketAddr) -> String {
    let here = match http.ip() {
        IpAddr::V4(Ipv4Addr::UNSPECIFIED) => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(Ipv6Addr::UNSPECIFIED) => Ipv6Addr::LOCALHOST.into(),
        address => address,
    };
    let here = SocketAddr::new(here, http.port());
    format!("Look at it in a browser, and find the settings of your router:\n\n    http://{here}{PAGE_PATH}\n\n")
}

/// Whether the standard output goes into systemd's journal: systemd.exec(5), `JOURNAL_STREAM`, which a terminal may have
/// inherited.
fn is_journal() -> bool {
    env::var_os("JOURNAL_STREAM").is_some() && !io::stdout().is_terminal()
}

/// How to let a router reach the gateway, if it cannot at this address.
fn out_of_reach(http: SocketAddr) -> Option<String> {
    let port = http.port();
    if http.ip().is_loopback() {
        return Some(format!(
            "A router cannot use {http}. Start nic53 at this machine's address in your network, such as
`nic53 serve --http 192.168.1.2:{port}`; then `nic53 setup` prints what to type into a router.
"
        ));
    }
    http.ip().is_unspecified().then(|| {
        format!(
            "A router reaches it at this machine's address in your network, port {port}. `nic53 setup` prints what to type
into a router, with that address as --url, such as http://192.168.1.2:{port}.
"
        )
    })
}

/// What to type into a router's form.
fn form(host: &HostName, token: &str, http: SocketAddr) -> String {
    format!(
        "In a router's form (dyndns2, or custom):

    Server     {http}
    Host name  {host}
    User name  {host}
    Password   {token}
"
    )
}
