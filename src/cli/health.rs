//! `nic53 health`: whether `nic53 serve` runs on this machine, for containers and monitors.

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    path::PathBuf,
    process::ExitCode,
    time::Duration,
};

use clap::{Args, ValueEnum};

use super::{
    check::{ExchangeError, Probe, Request, Response, Timeouts},
    print,
    settings::{SettingArgs, StoreArgs, StoreKind},
    values, warn,
};
use crate::{
    client::gateway_url::GatewayUrl,
    problem::Problem,
    protocol::{
        hostname::HostName,
        token::{Scope, Secrets},
        zone::Zone,
    },
    settings::Settings,
};

/// Ask whether `nic53 serve` runs here, for containers and monitors
///
/// It asks for /healthz at the address that the settings have for HTTP, without a proxy. With --store it asks the server
/// for a name of each zone too, by a token of its own, so that the store is read and nothing changes; for that it needs
/// the settings of the server and its secret. Exit codes: 0 all is well, 1 something is wrong, 2 the command makes no
/// sense.
#[derive(Args)]
#[command(after_help = "Examples:
  nic53 health
  nic53 health --http 192.168.1.2:80 --store")]
pub(super) struct Health {
    /// The address of `nic53 serve`
    #[arg(long, env = "NIC53_HTTP", value_name = "ADDR", default_value = "127.0.0.1:8053", value_parser = values::socket_address)]
    http: SocketAddr,
    /// Ask the store too. Without a value, the store is that of `NIC53_STORE`
    #[arg(long, value_name = "STORE", num_args = 0..=1)]
    #[expect(clippy::option_option, reason = "clap has it for a flag with a value that may be left out")]
    store: Option<Option<StoreKind>>,
    /// The folder of the embedded store and of its secret
    #[arg(long, env = "NIC53_DATA", value_name = "DIR", default_value = "./nic53-data")]
    data: PathBuf,
    /// Seconds to wait for each response
    #[arg(long, value_name = "SECONDS", default_value = "10", value_parser = values::response_time)]
    timeout: Duration,
    /// The gateway's settings.
    #[command(flatten)]
    settings: SettingArgs,
}

/// The label of the names that are asked for. They need not exist, and are not created.
const LABEL: &str = "nic53-health";

/// Exit code if something is wrong. A container's health check may have no other than 0 and 1.
const WRONG: u8 = 1;

impl Health {
    /// Asks the server, then the store. Prints one line.
    pub(super) async fn run(self) -> Result<ExitCode, Problem> {
        let kind = self.store.map(|kind| kind.map_or_else(store_of_environment, Ok)).transpose()?;
        let server = Server::new(self.http, self.timeout);
        if let Err(wrong) = server.is_alive().await {
            return Ok(wrong_with(&server, &wrong));
        }
        let Some(store) = kind else {
            print(&format!("{server}: ok\n"));
            return Ok(ExitCode::SUCCESS);
        };
        let (settings, secrets) = self.settings.secrets(&StoreArgs { store, data: self.data }).await?;
        for zone in settings.zones.iter() {
            if let Err(wrong) = server.reads(zone, &settings, &secrets).await {
                return Ok(wrong_with(&server, &wrong));
            }
        }
        print(&format!("{server}: ok, and the store too: {}\n", settings.zones));
        Ok(ExitCode::SUCCESS)
    }
}

/// The store that the environment names.
fn store_of_environment() -> Result<StoreKind, Problem> {
    let name = std::env::var("NIC53_STORE").unwrap_or_default();
    match name.trim() {
        "" => Ok(StoreKind::Embedded),
        name => StoreKind::from_str(name, false)
            .map_err(|_| Problem(format!("NIC53_STORE={name}: expected one of embedded, route53"))),
    }
}

/// Prints what is wrong. Returns the exit code.
fn wrong_with(server: &Server, wrong: &str) -> ExitCode {
    warn(&format!("{server}: {wrong}"));
    ExitCode::from(WRONG)
}

/// The server that is asked.
struct Server {
    /// The address to connect to.
    address: SocketAddr,
    /// How it is asked.
    probe: Probe,
}

impl Server {
    /// The server at an address. One that listens at every address is asked at the loopback address.
    fn new(listens_at: SocketAddr, response: Duration) -> Self {
        let ip = match listens_at.ip() {
            IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
            IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
            ip => ip,
        };
        let url = GatewayUrl { https: false, host: ip.to_string(), port: listens_at.port(), prefix: String::new() };
        let timeouts = Timeouts { response, close: Duration::ZERO };
        Self { address: SocketAddr::new(ip, listens_at.port()), probe: Probe { url, tls: None, timeouts } }
    }

    /// Whether it runs; otherwise what is wrong and what to do.
    async fn is_alive(&self) -> Result<(), String> {
        let response = self.ask(Request::get("/healthz")).await?;
        match (response.status, response.body.trim_end()) {
            (200, "ok") => Ok(()),
            _ => Err(format!("/healthz is answered {}: expected `ok` from nic53", response.summary())),
        }
    }

    /// Whether it reads a zone in its store. `myip=no` leaves the record alone and replies with it.
    async fn reads(&self, zone: &Zone, settings: &Settings, secrets: &Secrets) -> Result<(), String> {
        let host: HostName = format!("{LABEL}.{}", zone.name)
            .parse()
            .map_err(|_| format!("zone {}: expected a zone with room for {LABEL}.{}", zone.name, zone.name))?;
        let generation = settings.generations.get(&host).copied().unwrap_or(0);
        let token = secrets.current.mint(Scope::Host, &host, zone, generation);
        let request = Request::get(format!("/nic/update?hostname={host}&myip=no"));
        let response = self.ask(request.by(host.as_str(), token.reveal())).await?;
        judge(zone, &response)
    }

    /// Sends a request.
    async fn ask(&self, request: Request<'_>) -> Result<Response, String> {
        let answer = self.probe.ask(self.address, &request).await;
        answer.map(|(response, _)| response).map_err(|error| match error {
            ExchangeError::Refused => format!("{error}: expected `nic53 serve` there; look at its log"),
            ExchangeError::NoRoute(_)
            | ExchangeError::Timeout(_)
            | ExchangeError::Broken(_)
            | ExchangeError::Tls(_) => {
                format!("{error}: expected an answer of `nic53 serve`; look at its log")
            }
        })
    }
}

impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.probe.url.fmt(f)
    }
}

/// Whether the answer for a name of a zone came out of the store.
fn judge(zone: &Zone, response: &Response) -> Result<(), String> {
    let name = &zone.name;
    match response.body.split_whitespace().next().unwrap_or_default() {
        // After `nohost` too, the store was read: it has something else at the name.
        "nochg" | "nohost" if response.status == 200 => Ok(()),
        "badauth" => Err(format!(
            "zone {name}: badauth: expected the settings of the server here, its NIC53_ZONES, NIC53_GENERATIONS and secret"
        )),
        _ => Err(format!(
            "zone {name}: {}: expected nochg; the server's log says what its store lacks",
            response.summary()
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::check::testing::response;

    #[test]
    fn a_server_that_listens_everywhere_is_asked_at_the_loopback_address() {
        for (listens_at, asked) in [
            ("0.0.0.0:80", "127.0.0.1:80"),
            ("[::]:8053", "[::1]:8053"),
            ("192.168.1.2:80", "192.168.1.2:80"),
            ("[2001:db8::1]:80", "[2001:db8::1]:80"),
        ] {
            let server = Server::new(listens_at.parse().unwrap(), Duration::from_secs(1));
            assert_eq!(server.address.to_string(), asked, "{listens_at}");
        }
    }

    #[test]
    fn the_store_is_well_if_it_was_read() {
        let zone = Zone { name: "example.org".parse().unwrap(), id: "Z1".parse().unwrap() };
        for (status, body, problem) in [
            (200, "nochg", None),
            (200, "nochg 192.0.2.1", None),
            (200, "nohost", None),
            (401, "badauth", Some("expected the settings of the server here")),
            (503, "dnserr", Some("the server's log says")),
            (503, "911", Some("911")),
            (200, "good 192.0.2.1", Some("expected nochg")),
            (503, "", Some("503")),
        ] {
            match (judge(&zone, &response(status, &[], body)), problem) {
                (Ok(()), None) => {}
                (Err(found), Some(problem)) => {
                    assert!(found.starts_with("zone example.org: ") && found.contains(problem), "{body}: {found}");
                }
                (judged, _) => panic!("{status} {body}: {judged:?}"),
            }
        }
    }
}
