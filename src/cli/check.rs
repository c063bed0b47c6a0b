//! `nic53 check`: looks at a gateway from outside, as a router would, and says for each step what it saw, what that
//! means and what to do.

mod certificate;
mod dns;
mod exchange;
mod front;
mod reach;
mod record;
mod report;
mod tls;
mod update;

use std::{
    collections::BTreeSet,
    net::{IpAddr, SocketAddr},
    path::PathBuf,
    process::ExitCode,
    time::Duration,
};

use clap::Args;
use zeroize::Zeroizing;

use self::{
    exchange::Patience,
    reach::Gateway,
    record::Search,
    report::{Report, Step, Verdict},
    tls::Tls,
};
use super::{Failure, given_token::TokenArgs};
use crate::{
    client::gateway_url::{GatewayUrl, host},
    protocol::hostname::HostName,
};

/// Something is wrong.
const WRONG: u8 = 1;
/// It could not be told whether something is: `EX_TEMPFAIL` of sysexits.h.
const UNKNOWN: u8 = 75;

/// Look at a gateway from outside, as a router would
///
/// Nothing is changed, unless --myip says where to move the record. With a HOST its token is tried, if it is given by
/// --token-file or `NIC53_TOKEN`, and its record is looked for in DNS. Exits with 0 where all is well, 1 where something
/// is wrong, 2 where the command makes no sense, and 75 where it could not be told.
#[derive(Args)]
#[command(after_help = "Examples:
  nic53 check https://dyn.example.org
  nic53 token home.example.org | nic53 check https://dyn.example.org home.example.org --token-file -
  nic53 check https://dyn.example.org home.example.org --token-file token --myip 203.0.113.7
  nic53 check http://127.0.0.1:8053 router.home.example --name-server 127.0.0.1:8054 --resolver 127.0.0.1:8054")]
pub(super) struct Check {
    /// Where clients reach the gateway
    #[arg(value_name = "URL")]
    url: GatewayUrl,
    /// A host that it moves
    #[arg(value_name = "HOST", value_parser = host)]
    host: Option<HostName>,
    /// The host's token.
    #[command(flatten)]
    token: TokenArgs,
    /// Move the record to these addresses, and wait for it
    #[arg(long, value_name = "ADDR,…", value_delimiter = ',', requires = "host")]
    myip: Vec<IpAddr>,
    /// The public resolver that is asked for the record
    #[arg(long, value_name = "ADDR", default_value = "1.1.1.1", value_parser = dns::parse_server)]
    resolver: SocketAddr,
    /// Ask this name server in place of the zone's own; may be repeated
    #[arg(long = "name-server", value_name = "ADDR", value_parser = dns::parse_server)]
    name_servers: Vec<SocketAddr>,
    /// Trust these certificates in place of the system's
    #[arg(long, value_name = "FILE")]
    cacert: Option<PathBuf>,
    /// Seconds to wait for each reply
    #[arg(long, value_name = "SECONDS", default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=300))]
    timeout: u64,
    /// Seconds to wait for DNS servers to agree
    #[arg(long, value_name = "SECONDS", default_value_t = 120, value_parser = clap::value_parser!(u64).range(0..=86400))]
    wait: u64,
    /// Print one JSON object at the end
    #[arg(long)]
    json: bool,
}

impl Check {
    /// Takes all steps, and says by the exit code what came of them.
    pub(super) async fn run(self) -> Result<ExitCode, Failure> {
        let token = self.token.read_one()?;
        if !self.myip.is_empty() && token.is_none() {
            return Err(Failure(
                "--myip: expected the host's token too, by --token-file FILE or NIC53_TOKEN".to_owned(),
            ));
        }
        let reply = Duration::from_secs(self.timeout);
        let gateway = Gateway {
            url: self.url.clone(),
            tls: if self.url.https { Some(Tls::new(self.cacert.as_deref())?) } else { None },
            patience: Patience { reply, close: reply.min(Duration::from_secs(3)) },
        };
        let mut report = Report::new(self.json);
        self.steps(&gateway, token, &mut report).await;
        report.finish(&self.url.to_string(), self.host.as_ref().map(HostName::as_str));
        Ok(match report.verdict() {
            Verdict::Wrong => ExitCode::from(WRONG),
            Verdict::Unknown => ExitCode::from(UNKNOWN),
            Verdict::Fine | Verdict::Note | Verdict::Skipped => ExitCode::SUCCESS,
        })
    }

    /// All steps in order: where one makes those after it pointless, they are not taken.
    async fn steps(&self, gateway: &Gateway, token: Option<Zeroizing<String>>, report: &mut Report) {
        let (step, ways) = reach::resolve(&gateway.url).await;
        report.add(step);
        let (steps, open) = reach::connect(gateway, &ways).await;
        for step in steps {
            report.add(step);
        }
        let Some(way) = open.first().copied() else { return };
        let trusted = self.front(gateway, way, &open, report).await;
        let Some(host) = &self.host else { return };
        let expected = match (token, trusted) {
            (Some(token), Ok(())) => self.record(gateway, way, host, &token, report).await,
            (Some(_), Err(why)) => {
                report.add(Step::skipped("token", why));
                None
            }
            (None, _) => {
                report.add(Step::skipped("token", "no token was given, by --token-file or NIC53_TOKEN"));
                None
            }
        };
        let search = Search {
            host,
            expected,
            name_servers: &self.name_servers,
            resolver: self.resolver,
            wait: Duration::from_secs(self.wait),
        };
        record::search(&search, report).await;
    }

    /// Everything up to the token. Whether a token may be sent there, or why not.
    async fn front(
        &self,
        gateway: &Gateway,
        way: SocketAddr,
        open: &[SocketAddr],
        report: &mut Report,
    ) -> Result<(), &'static str> {
        let mut trusted = true;
        if let Some(tls) = &gateway.tls {
            let (steps, trust) = front::tls(gateway, tls, way).await;
            for step in steps {
                report.add(step);
            }
            trusted = trust;
        }
        if let Some(step) = front::plain_http(gateway, way).await {
            report.add(step);
        }
        let challenge = front::challenge(gateway, way).await;
        report.add(front::judge_challenge(&challenge));
        let Ok(challenge) = challenge else { return Err("the gateway does not answer") };
        report.add(front::judge_length(&challenge));
        report.add(front::http10(gateway, way).await);
        for ipv6 in [false, true] {
            if let Some(way) = open.iter().find(|way| way.is_ipv6() == ipv6) {
                report.add(front::checkip(gateway, *way).await);
            }
        }
        if !trusted {
            return Err("not sent to a server whose certificate is not to be trusted");
        }
        if !front::is_nic53(&challenge) {
            return Err("not sent: the server does not call itself nic53, and another may move the record");
        }
        Ok(())
    }

    /// The token, then the update where one is asked for. The addresses that the host has afterwards.
    async fn record(
        &self,
        gateway: &Gateway,
        way: SocketAddr,
        host: &HostName,
        token: &str,
        report: &mut Report,
    ) -> Option<BTreeSet<IpAddr>> {
        let (step, present) = update::token(gateway, way, host, token).await;
        report.add(step);
        let present = present?;
        if self.myip.is_empty() {
            return Some(present);
        }
        let (step, set) = update::update(gateway, way, host, token, &self.myip).await;
        report.add(step);
        let set = set?;
        // A family that was not given is left as it was.
        let moved = |address: &IpAddr| self.myip.iter().any(|given| given.is_ipv6() == address.is_ipv6());
        Some(present.into_iter().filter(|address| !moved(address)).chain(set).collect())
    }
}
