//! `nic53 serve`: the gateway on a socket of this machine.

use std::{fmt, io::Write, net::SocketAddr, str::FromStr, sync::Arc, time::Duration};

use clap::Args;
use tokio::{
    net::{TcpListener, UdpSocket},
    signal::unix::{Signal, SignalKind, signal},
    sync::watch,
};

use super::{
    Failure,
    settings::{DEFAULT_ZONES, SettingArgs, StoreArgs, StoreKind, make_secret},
};
use crate::{
    aws,
    dns::{self, NameServer, Responder, export},
    gateway::Gateway,
    log::{self, Format, Log},
    protocol::{hostname::HostName, token::Scope},
    secrets::Provider,
    server::{Limits, serve},
    settings::Settings,
    store::{Store, embedded::Embedded, route53::Route53},
};

/// Serve /nic/update, and with the embedded store DNS
#[derive(Args)]
#[command(
    after_help = "The secret is NIC53_SECRET, or in a file (NIC53_SECRET_FILE) or in AWS (NIC53_SECRET_ARN); the embedded store makes one. NIC53_SECRET, NIC53_SECRET_PREVIOUS and NIC53_ORIGIN_SECRET are no flags: everybody could see them.

Examples:\n  nic53 serve\n  nic53 serve --http 192.168.1.2:80 --store route53 --zones example.org=Z0123ABC"
)]
pub(super) struct Serve {
    /// Where HTTP is served
    #[arg(long, env = "NIC53_HTTP", value_name = "ADDR", default_value = "127.0.0.1:8053")]
    http: SocketAddr,
    /// Where the embedded store's DNS is served, over UDP and TCP; `off` for nowhere
    #[arg(long, env = "NIC53_DNS", value_name = "ADDR|off", default_value = "127.0.0.1:8054")]
    dns: DnsAddress,
    /// The name server of the zones, with its addresses if it lies in one of them; without it ns.ZONE
    #[arg(long, env = "NIC53_NAME_SERVER", value_name = "NAME=ADDRESS,…")]
    name_server: Option<NameServer>,
    /// Which store.
    #[command(flatten)]
    store: StoreArgs,
    /// The gateway's settings.
    #[command(flatten)]
    settings: SettingArgs,
}

/// An address, or `off`.
#[derive(Clone, Copy, Debug)]
struct DnsAddress(Option<SocketAddr>);

impl FromStr for DnsAddress {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let expected = "expected an address and port such as 127.0.0.1:8054, or off";
        if text == "off" {
            Ok(Self(None))
        } else {
            text.parse().map(|address| Self(Some(address))).map_err(|_| expected)
        }
    }
}

impl fmt::Display for DnsAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(address) => write!(f, "dns {address}"),
            None => f.write_str("no dns"),
        }
    }
}

/// How long the end of the server waits for whoever reads the log.
const LOG_TIME: Duration = Duration::from_secs(1);

impl Serve {
    /// Serves until SIGTERM or SIGINT.
    pub(super) async fn run(self) -> Result<(), Failure> {
        log::write_in_background().map_err(|error| format!("could not start: {error}"))?;
        let _too_large = survive_file_limit()?;
        let served = self.serve().await;
        log::flush(LOG_TIME);
        served
    }

    /// Serves until it is told to stop.
    async fn serve(self) -> Result<(), Failure> {
        let settings = self.settings.settings_of_server(&self.store)?;
        let log = Log { level: settings.log, format: Format::Text };
        let http = TcpListener::bind(self.http).await.map_err(|error| cannot_bind("--http", self.http, &error))?;
        match self.store.store {
            StoreKind::Route53 => {
                let aws = aws::config().await?;
                let source = settings.secret.as_ref().ok_or_else(|| "there is no secret".to_owned())?;
                let secrets = Provider::read(source, Some(&aws), log).await?;
                announce(&http, DnsAddress(None))?;
                until_stopped(http, Gateway::new(settings, secrets, Route53::new(&aws), log), log, stop_signal()?)
                    .await;
            }
            StoreKind::Embedded => self.embedded(settings, http, log).await?,
        }
        Ok(())
    }

    /// Serves the embedded store: HTTP, DNS and the export.
    async fn embedded(&self, settings: Settings, http: TcpListener, log: Log) -> Result<(), Failure> {
        let store = Embedded::open(&self.store.data, settings.zones.clone())?;
        let store = Arc::new(store);
        let dns_sockets = match self.dns.0 {
            Some(address) => Some(bind_dns(address).await.map_err(|error| cannot_bind("--dns", address, &error))?),
            None => None,
        };
        let name_server = self.name_server(&store, log)?;
        let dns_address = dns_sockets.as_ref().and_then(|(udp, _)| udp.local_addr().ok());
        let source = settings.secret.as_ref().ok_or_else(|| "there is no secret".to_owned())?;
        let first_start = make_secret(&self.store.data, source)?;
        let secrets = Provider::read(source, None, log).await?;
        let stop = stop_signal()?;
        // Such as a folder whose path is too long for a socket: no reason not to serve.
        let export = export::listen(&self.store.data)
            .inspect_err(|error| log.error(&format!("`nic53 export` will not work while this runs: {error}")))
            .ok();
        announce(&http, DnsAddress(dns_address))?;
        if first_start && settings.zones.to_string() == DEFAULT_ZONES {
            let http = http.local_addr().unwrap_or(self.http);
            say(&recipe(&settings, &secrets, http, dns_address).await.unwrap_or_default());
        }
        let (stopping, stopped) = watch::channel(false);
        let gateway = Gateway::new(settings, secrets, Arc::clone(&store), log);
        let dns = async {
            if let Some((udp, tcp)) = dns_sockets {
                let responder = Responder::new(Arc::clone(&store), name_server.clone(), log);
                dns::serve(udp, tcp, responder, until(stopped.clone())).await;
            }
        };
        let export = async {
            if let Some(export) = export {
                export::serve(export, Arc::clone(&store), name_server.clone(), until(stopped.clone())).await;
            }
        };
        let http = async {
            until_stopped(http, gateway, log, stop).await;
            stopping.send_replace(true);
        };
        tokio::join!(http, dns, export);
        Ok(())
    }

    /// The name server of the zones. Warns if DNS is served and it has no address.
    fn name_server(&self, store: &Embedded, log: Log) -> Result<NameServer, Failure> {
        let name_server = self.name_server.clone().unwrap_or_default();
        name_server.check(store.zones()).map_err(|problem| format!("NIC53_NAME_SERVER: {problem}"))?;
        if self.dns.0.is_some() {
            for warning in name_server.warnings(store).map_err(|error| error.to_string())? {
                log.warn(&warning);
            }
        }
        Ok(name_server)
    }
}

/// Serves HTTP until stopped.
async fn until_stopped<S: Store>(http: TcpListener, gateway: Gateway<S>, log: Log, mut stop: StopSignal) {
    let stopped = async move { stop.received().await };
    // A task, so that it accepts where connections are served: the thread that waits for the command
    // would have to be woken for each.
    let _ = tokio::spawn(serve(http, Arc::new(gateway), Limits::default(), log, stopped)).await;
}

/// Waits until the value turns true.
async fn until(mut stopped: watch::Receiver<bool>) {
    let _ = stopped.wait_for(|stopped| *stopped).await;
}

/// The signals that stop us.
struct StopSignal {
    /// SIGTERM.
    terminate: Signal,
    /// SIGINT.
    interrupt: Signal,
}

impl StopSignal {
    /// Waits for either.
    async fn received(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

/// Listens for SIGTERM and SIGINT from now on.
fn stop_signal() -> Result<StopSignal, Failure> {
    Ok(StopSignal { terminate: listen(SignalKind::terminate())?, interrupt: listen(SignalKind::interrupt())? })
}

/// Has a write beyond the limit of a file's size fail, as one on a full disk does. Without this, it
/// would end the process.
fn survive_file_limit() -> Result<Signal, Failure> {
    listen(SignalKind::from_raw(rustix::process::Signal::XFSZ.as_raw()))
}

/// Listens for a signal from now on.
fn listen(kind: SignalKind) -> Result<Signal, Failure> {
    signal(kind).map_err(|error| Failure(format!("could not listen for signals: {error}")))
}

/// Binds one address for UDP and TCP, the port chosen by the system where it is 0.
async fn bind_dns(address: SocketAddr) -> std::io::Result<(UdpSocket, TcpListener)> {
    let mut tries = 0;
    loop {
        let tcp = TcpListener::bind(address).await?;
        match UdpSocket::bind(tcp.local_addr()?).await {
            Ok(udp) => return Ok((udp, tcp)),
            // The port that TCP was given may be taken for UDP.
            Err(_) if address.port() == 0 && tries < 10 => tries += 1,
            Err(error) => return Err(error),
        }
    }
}

/// Why an address could not be listened on.
fn cannot_bind(flag: &str, address: SocketAddr, error: &std::io::Error) -> Failure {
    Failure(format!("{flag} {address}: {error}: expected an address of this machine with a free port"))
}

/// Says where we listen, before the first request is served.
fn announce(http: &TcpListener, dns: DnsAddress) -> Result<(), Failure> {
    let http = http.local_addr().map_err(|error| Failure(format!("--http: {error}")))?;
    say(&format!("nic53 listening on http://{http} and {dns}\n"));
    Ok(())
}

/// Writes to standard output. Nobody reading is no reason to stop.
fn say(text: &str) {
    let _ = std::io::stdout().write_all(text.as_bytes()).and_then(|()| std::io::stdout().flush());
}

/// What to paste on the first start: a host, its token, and how to see it move.
async fn recipe(settings: &Settings, secrets: &Provider, http: SocketAddr, dns: Option<SocketAddr>) -> Option<String> {
    let host: HostName = "router.home.example".parse().ok()?;
    let zone = settings.zones.holding(&host)?;
    let secrets = secrets.current().await;
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

The next start does not repeat this; `nic53 token {host}` prints the token again.
"
    ))
}
