//! `nic53 serve`: the gateway on a socket of this machine.

mod dns_address;
mod first_start;
mod route53_zones;
mod secret;
mod signals;

use std::{io::ErrorKind, net::SocketAddr, sync::Arc, time::Duration};

use clap::Args;
use tokio::{net::TcpListener, sync::watch};

use self::{
    dns_address::{DnsAddress, DnsSockets},
    signals::StopSignal,
};
use super::{
    print,
    settings::{SettingArgs, StoreArgs, StoreKind},
    values, warn,
};
use crate::{
    aws,
    dns::{self, NameServer, Responder, export},
    gateway::Gateway,
    log::{self, Format, Log},
    problem::Problem,
    secrets::{Provider, Source},
    server::{Limits, serve},
    settings::Settings,
    store::{
        Store,
        embedded::{DEFAULT_MAX_NAMES, Embedded},
        route53::Route53,
    },
};

/// Serve /nic/update, and DNS for the embedded store
///
/// The secret is in `NIC53_SECRET`, in a file (`NIC53_SECRET_FILE`) or in AWS (`NIC53_SECRET_ARN`); the embedded store
/// makes one. `NIC53_SECRET`, `NIC53_SECRET_PREVIOUS` and `NIC53_ORIGIN_SECRET` have no flags, because everyone on the
/// machine can read a command line.
#[derive(Args)]
#[command(after_help = "Examples:
  nic53 serve
  nic53 serve --http 192.168.1.2:80 --store route53 --zones example.org=Z0123ABC")]
pub(super) struct Serve {
    /// The address to serve HTTP at
    #[arg(long, env = "NIC53_HTTP", value_name = "ADDR", default_value = "127.0.0.1:8053", value_parser = values::socket_address)]
    http: SocketAddr,
    /// The address to serve the embedded store's DNS at, over UDP and TCP; `off` for none
    #[arg(long, env = "NIC53_DNS", value_name = "ADDR|off", default_value = "127.0.0.1:8054")]
    dns: DnsAddress,
    /// The name server of the zones, with its addresses if it lies in one of them; without it ns.ZONE
    #[arg(long, env = "NIC53_NAME_SERVER", value_name = "NAME=ADDRESS,…")]
    name_server: Option<NameServer>,
    /// The most names that a zone of the embedded store may have
    #[arg(long, env = "NIC53_MAX_NAMES", value_name = "NUMBER", default_value_t = DEFAULT_MAX_NAMES, value_parser = values::count)]
    max_names: usize,
    /// The store.
    #[command(flatten)]
    store: StoreArgs,
    /// The gateway's settings.
    #[command(flatten)]
    settings: SettingArgs,
}

/// The program and its version, for the first lines of a server.
const VERSION: &str = concat!("nic53 ", env!("CARGO_PKG_VERSION"));

/// How long the end of the server waits for the log to be read.
const LOG_TIME: Duration = Duration::from_secs(1);

impl Serve {
    /// Serves until SIGTERM or SIGINT.
    pub(super) async fn run(self) -> Result<(), Problem> {
        log::write_in_background().map_err(|error| format!("could not start: {error}"))?;
        let _signal = signals::catch_file_limit()?;
        let result = self.serve().await;
        log::flush(LOG_TIME);
        result
    }

    /// Serves until a signal stops it.
    async fn serve(self) -> Result<(), Problem> {
        let (settings, source) = self.settings.settings(&self.store)?;
        let typed = |Problem(text)| Problem(self.settings.as_typed(&text));
        self.store.check_ids(&settings.zones).map_err(typed)?;
        for warning in super::unknown_variables() {
            warn(&warning);
        }
        let log = Log { level: settings.log, format: Format::Text };
        let http = TcpListener::bind(self.http).await.map_err(|error| cannot_bind("--http", self.http, &error))?;
        match self.store.store {
            StoreKind::Route53 => serve_route53(http, settings, &source, log).await,
            StoreKind::Embedded => self.serve_embedded(http, settings, &source, log).await,
        }
    }

    /// Serves the embedded store: HTTP, DNS and the export.
    async fn serve_embedded(
        &self,
        http: TcpListener,
        settings: Settings,
        source: &Source,
        log: Log,
    ) -> Result<(), Problem> {
        let data = &self.store.data;
        let store = Arc::new(Embedded::open_bounded(data, settings.zones.clone(), self.max_names)?);
        let dns = match self.dns.0 {
            Some(address) => {
                Some(DnsSockets::bind(address).await.map_err(|error| cannot_bind("--dns", address, &error))?)
            }
            None => None,
        };
        let name_server = self.name_server(&store, log)?;
        let is_first_start = secret::make(data, source)?;
        let secrets = Provider::read(source, None, log).await?;
        let stop = StopSignal::listen()?;
        let export = listen_for_export(self, log);
        let dns_address = dns.as_ref().and_then(DnsSockets::address);
        let http_address = announce(&http, DnsAddress(dns_address))?;
        print(&format!("{VERSION}: {} in the embedded store in {}\n", settings.zones, data.display()));
        if is_first_start {
            let instructions = first_start::instructions(&settings, &secrets, data, http_address, dns_address).await;
            print(&instructions.unwrap_or_default());
        }
        let (stopping, stopped) = watch::channel(false);
        let gateway = Gateway::new(settings, secrets, Arc::clone(&store), log);
        let http = async {
            serve_http(http, gateway, log, stop).await;
            stopping.send_replace(true);
        };
        tokio::join!(
            http,
            serve_dns(dns, Responder::new(Arc::clone(&store), name_server.clone(), log), stopped.clone()),
            serve_export(export, Arc::clone(&store), name_server, stopped)
        );
        Ok(())
    }

    /// The name server of the zones. Warns if it has no address and DNS is served to other machines. No resolver asks
    /// a loopback address, so a first try of the program needs no name server.
    fn name_server(&self, store: &Embedded, log: Log) -> Result<NameServer, Problem> {
        let name_server = self.name_server.clone().unwrap_or_default();
        name_server.check(store.zones()).map_err(|problem| format!("--name-server (NIC53_NAME_SERVER): {problem}"))?;
        if self.dns.0.is_some_and(|address| !address.ip().is_loopback()) {
            for warning in name_server.warnings(store)? {
                log.warn(&warning);
            }
        }
        Ok(name_server)
    }
}

/// Serves Route 53 over HTTP.
async fn serve_route53(http: TcpListener, settings: Settings, source: &Source, log: Log) -> Result<(), Problem> {
    let aws = aws::config().await?;
    let secrets = Provider::read(source, Some(&aws), log).await?;
    let stop = StopSignal::listen()?;
    announce(&http, DnsAddress(None))?;
    print(&format!("{VERSION}: {} in Route 53\n", settings.zones));
    let zones = settings.zones.clone();
    let gateway = Gateway::new(settings, secrets, Route53::new(&aws), log);
    let http = serve_http(http, gateway, log, stop);
    tokio::pin!(http);
    tokio::select! {
        () = &mut http => {}
        () = route53_zones::warn_about(&aws, &zones, log) => http.await,
    }
    Ok(())
}

/// Serves HTTP until a signal stops it.
async fn serve_http<S: Store>(http: TcpListener, gateway: Gateway<S>, log: Log, mut stop: StopSignal) {
    let stopped = async move { stop.received().await };
    // In a task, so that connections are accepted by the threads that serve them. The thread that waits for this command
    // would have to be woken for each.
    let _ = tokio::spawn(serve(http, Arc::new(gateway), Limits::default(), log, stopped)).await;
    log.info("stopped by a signal");
}

/// Serves DNS, if it is not off, until HTTP has stopped.
async fn serve_dns(sockets: Option<DnsSockets>, responder: Responder, stopped: watch::Receiver<bool>) {
    if let Some(DnsSockets { udp, tcp }) = sockets {
        dns::serve(udp, tcp, responder, until(stopped)).await;
    }
}

/// Serves the export, if its socket could be made, until HTTP has stopped.
async fn serve_export(
    listener: Option<export::Listener>,
    store: Arc<Embedded>,
    name_server: NameServer,
    stopped: watch::Receiver<bool>,
) {
    if let Some(listener) = listener {
        export::serve(listener, store, name_server, until(stopped)).await;
    }
}

/// The socket of the export. Without one, such as in a folder whose path is too long for a socket, the gateway is
/// served all the same.
fn listen_for_export(command: &Serve, log: Log) -> Option<export::Listener> {
    export::listen(&command.store.data)
        .inspect_err(|error| log.error(&format!("`nic53 export` will not work while this runs: {error}")))
        .ok()
}

/// Waits until the value turns true.
async fn until(mut stopped: watch::Receiver<bool>) {
    let _ = stopped.wait_for(|stopped| *stopped).await;
}

/// The error for an address that could not be bound.
fn cannot_bind(flag: &str, address: SocketAddr, error: &std::io::Error) -> Problem {
    let expected = match error.kind() {
        // ip(7): a port below 1024 takes CAP_NET_BIND_SERVICE.
        ErrorKind::PermissionDenied => {
            "expected a port from 1024 on, or root, or a service as docs/installing.md has it"
        }
        _ => "expected an address of this machine with a free port",
    };
    Problem(format!("{flag} {address}: {error}: {expected}"))
}

/// Prints the addresses before the first request is served. Returns that of HTTP.
fn announce(http: &TcpListener, dns: DnsAddress) -> Result<SocketAddr, Problem> {
    let http = http.local_addr().map_err(|error| Problem(format!("--http: {error}")))?;
    print(&format!("nic53 listening on http://{http} and {dns}\n"));
    Ok(http)
}
