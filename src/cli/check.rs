//! `nic53 check`: looks at a gateway from outside, as a router would. Each step says what was observed, what that
//! means and what to do.

mod acme;
mod certificate;
mod challenge;
mod checkip;
mod connect;
mod delegation;
mod dns;
mod here;
mod http;
mod http10;
mod length;
mod name;
mod name_servers;
mod plain_http;
mod probe;
mod record;
mod reply;
mod report;
mod search;
mod tls;
mod token;
mod update;
mod view;
mod x509;

use std::{
    collections::BTreeSet,
    net::{IpAddr, SocketAddr},
    path::PathBuf,
    process::ExitCode,
    time::Duration,
};

use clap::{Args, ValueHint};
use zeroize::Zeroizing;

#[cfg(test)]
pub(super) use self::probe::testing;
use self::{
    acme::Challenge,
    report::{Report, Severity, Step},
    search::Search,
    tls::Tls,
};
pub(super) use self::{
    http::{ExchangeError, Response, Timeouts},
    probe::{Probe, Request},
};
use super::{token_arg::TokenArgs, values};
use crate::{
    client::gateway_url::{GatewayUrl, host},
    problem::Problem,
    protocol::{address::is_publishable, hostname::HostName},
};

/// Exit code if something is wrong.
const WRONG: u8 = 1;
/// Exit code if something could not be determined: `EX_TEMPFAIL` of sysexits.h.
const UNKNOWN: u8 = 75;

/// Look at a gateway from outside, as a router would
///
/// Nothing is changed, unless --myip says where to move the record, or --acme asks for a challenge. With a HOST, its token is tried, if it is given by
/// --token-file or `NIC53_TOKEN`, and its record is looked up in DNS. Exit codes: 0 all is well, 1 something is wrong,
/// 2 the command makes no sense, 75 something could not be determined.
#[derive(Args)]
#[command(after_help = "Examples:
  nic53 check https://dyn.example.org
  nic53 token home.example.org | nic53 check https://dyn.example.org home.example.org --token-file -
  nic53 check https://dyn.example.org home.example.org --token-file token --myip 203.0.113.7
  nic53 check https://dyn.example.org home.example.org --token-file token --acme
  nic53 check http://127.0.0.1:8053 router.home.example --name-server 127.0.0.1:8054 --resolver 127.0.0.1:8054")]
pub(super) struct Check {
    /// The URL that clients use for the gateway
    #[arg(value_name = "URL", value_hint = ValueHint::Url)]
    url: GatewayUrl,
    /// A host that the gateway moves
    #[arg(value_name = "HOST", value_parser = host, value_hint = ValueHint::Other)]
    host: Option<HostName>,
    /// The host's token.
    #[command(flatten)]
    token: TokenArgs,
    /// Move the record to these addresses, and wait until DNS has them
    #[arg(long, value_name = "ADDR,…", value_delimiter = ',', requires = "host", value_parser = values::address)]
    myip: Vec<IpAddr>,
    /// Let --myip be a private address, for a gateway with `NIC53_ALLOW_PRIVATE=true`
    #[arg(long, requires = "myip")]
    private: bool,
    /// Set a challenge for a certificate that proves nothing, look for it in DNS, and remove it
    #[arg(long, requires = "host")]
    acme: bool,
    /// The public resolver to ask for the record
    #[arg(long, value_name = "ADDR", default_value = "1.1.1.1", value_parser = dns::parse_server)]
    resolver: SocketAddr,
    /// Ask this name server instead of the zone's own; may be repeated
    #[arg(long = "name-server", value_name = "ADDR", value_parser = dns::parse_server)]
    name_servers: Vec<SocketAddr>,
    /// Trust the certificates in this PEM file instead of the system's
    #[arg(long, value_name = "FILE")]
    cacert: Option<PathBuf>,
    /// Seconds to wait for each response
    #[arg(long, value_name = "SECONDS", default_value = "10", value_parser = values::response_time)]
    timeout: Duration,
    /// Seconds to wait for DNS servers, if the record has moved or a challenge was set
    #[arg(long, value_name = "SECONDS", default_value = "120", value_parser = values::dns_time)]
    wait: Duration,
    /// Print one JSON object at the end
    #[arg(long)]
    json: bool,
}

/// What the steps before the token found.
struct Front {
    /// The public addresses that the gateway sees this machine come from.
    seen: Vec<IpAddr>,
    /// Whether a token may be sent there, or why not.
    trust: Result<(), &'static str>,
}

/// What the gateway has for the host.
#[derive(Default)]
struct Gateways {
    /// Its addresses, if it was asked.
    addresses: Option<BTreeSet<IpAddr>>,
    /// Whether they have just changed.
    moved: bool,
}

impl Check {
    /// Takes all steps. The exit code is that of the worst one.
    pub(super) async fn run(self) -> Result<ExitCode, Problem> {
        let token = self.token.read_one()?;
        self.check_myip(token.is_some())?;
        let challenge = match (&self.host, self.acme) {
            (Some(_), true) if token.is_none() => {
                return Err(Problem(
                    "--acme: expected the host's token too, by --token-file FILE or NIC53_TOKEN".to_owned(),
                ));
            }
            (Some(host), true) => Some(Challenge::new(host)?),
            _ => None,
        };
        if let (Some(cacert), false) = (&self.cacert, self.url.https) {
            let (cacert, url) = (cacert.display(), &self.url);
            return Err(Problem(format!(
                "--cacert {cacert}: {url} has no certificate: expected an https:// URL with it"
            )));
        }
        let probe = Probe {
            url: self.url.clone(),
            tls: if self.url.https { Some(Tls::new(self.cacert.as_deref())?) } else { None },
            timeouts: Timeouts { response: self.timeout, close: self.timeout.min(Duration::from_secs(3)) },
        };
        let mut report = Report::new(self.json);
        self.steps(&probe, token, challenge, &mut report).await;
        report.finish(&self.url.to_string(), self.host.as_ref().map(HostName::as_str));
        Ok(match report.severity() {
            Severity::Wrong => ExitCode::from(WRONG),
            Severity::Unknown => ExitCode::from(UNKNOWN),
            Severity::Fine | Severity::Note | Severity::Skipped => ExitCode::SUCCESS,
        })
    }

    /// Whether --myip makes sense: with a token, and with addresses that a gateway publishes.
    fn check_myip(&self, has_token: bool) -> Result<(), Problem> {
        if !self.myip.is_empty() && !has_token {
            return Err(Problem(
                "--myip: expected the host's token too, by --token-file FILE or NIC53_TOKEN".to_owned(),
            ));
        }
        match self.myip.iter().find(|address| !is_publishable(**address, self.private)) {
            Some(address) if is_publishable(*address, true) => Err(Problem(format!(
                "--myip {address}: expected a public address, such as 203.0.113.7; or add --private, if the gateway has NIC53_ALLOW_PRIVATE=true"
            ))),
            Some(address) => Err(Problem(format!("--myip {address}: expected a public address, such as 203.0.113.7"))),
            None => Ok(()),
        }
    }

    /// All steps in order, up to the first that makes the others pointless.
    async fn steps(
        &self,
        probe: &Probe,
        token: Option<Zeroizing<String>>,
        challenge: Option<Challenge>,
        report: &mut Report,
    ) {
        let (step, addresses) = name::check(&probe.url).await;
        report.add(step);
        let (steps, open) = connect::check(probe, &addresses).await;
        report.add_all(steps);
        let Some(address) = open.first().copied() else { return };
        let front = self.front(probe, address, &open, report).await;
        let Some(host) = &self.host else { return };
        let is_trusted = front.trust.is_ok();
        let gateways = match (&token, front.trust) {
            (Some(token), Ok(())) => self.updates(probe, address, host, token, report).await,
            (Some(_), Err(reason)) => skipped_token(reason, report),
            (None, _) => skipped_token("no token was given, by --token-file or NIC53_TOKEN", report),
        };
        self.record(host, gateways, &front.seen, report).await;
        if let (Some(challenge), Some(token), true) = (challenge, token, is_trusted) {
            let search = self.search(host, None, self.wait);
            challenge.check(probe, address, &token, &search, report).await;
        }
    }

    /// The steps that need neither host nor token.
    async fn front(&self, probe: &Probe, address: SocketAddr, open: &[SocketAddr], report: &mut Report) -> Front {
        let is_trusted = match &probe.tls {
            Some(tls) => {
                let (steps, is_trusted) = certificate::check(probe, tls, address).await;
                report.add_all(steps);
                is_trusted
            }
            None => true,
        };
        report.add_all(plain_http::check(probe, address).await);
        let challenge = challenge::ask(probe, address).await;
        report.add(challenge::judge(&challenge));
        let Ok(challenge) = challenge else {
            return Front { seen: Vec::new(), trust: Err("the gateway does not answer") };
        };
        let is_nic53 = challenge::is_nic53(&challenge);
        report.add(length::judge(&challenge));
        report.add(http10::check(probe, address).await);
        let seen = checkips(probe, open, is_nic53, report).await;
        let trust = if !is_trusted {
            Err("not sent to a server whose certificate is not trusted")
        } else if !is_nic53 {
            Err("not sent: the server does not call itself nic53, and another server may move the record")
        } else {
            Ok(())
        };
        Front { seen, trust }
    }

    /// The token, then the update if one was asked for.
    async fn updates(
        &self,
        probe: &Probe,
        address: SocketAddr,
        host: &HostName,
        token: &str,
        report: &mut Report,
    ) -> Gateways {
        let (step, present) = token::check(probe, address, host, token).await;
        report.add(step);
        let Some(present) = present else { return Gateways::default() };
        if self.myip.is_empty() {
            return Gateways { addresses: Some(present), moved: false };
        }
        let (step, updated) = update::check(probe, address, host, token, &self.myip).await;
        report.add(step);
        let Some(updated) = updated else { return Gateways::default() };
        // A family that was not given stays as it was.
        let is_replaced = |address: &IpAddr| self.myip.iter().any(|given| given.is_ipv6() == address.is_ipv6());
        let kept = present.into_iter().filter(|address| !is_replaced(address));
        Gateways { addresses: Some(kept.chain(updated.addresses).collect()), moved: updated.moved }
    }

    /// What to look for in DNS.
    fn search<'a>(&'a self, host: &'a HostName, expected: Option<BTreeSet<IpAddr>>, wait: Duration) -> Search<'a> {
        Search { host, expected, name_servers: &self.name_servers, resolver: self.resolver, wait }
    }

    /// The record in DNS.
    async fn record(&self, host: &HostName, gateways: Gateways, seen: &[IpAddr], report: &mut Report) {
        // A record that has not moved does not change by waiting.
        let wait = if gateways.moved { self.wait } else { Duration::ZERO };
        let search = self.search(host, gateways.addresses, wait);
        let addresses = record::check(&search, report).await;
        // Whoever says where to move the record knows that it is elsewhere.
        if let (Some(addresses), true) = (addresses, self.myip.is_empty()) {
            report.add(here::judge(host, &addresses, seen));
        }
    }
}

/// Asks for /checkip over each family that is open. Returns the public addresses in the answers.
async fn checkips(probe: &Probe, open: &[SocketAddr], is_nic53: bool, report: &mut Report) -> Vec<IpAddr> {
    let mut all = Vec::new();
    for ipv6 in [false, true] {
        if let Some(address) = open.iter().find(|address| address.is_ipv6() == ipv6) {
            let (step, seen) = checkip::check(probe, *address, is_nic53).await;
            report.add(step);
            all.extend(seen);
        }
    }
    all
}

/// The token is not tried, and nothing is known of the gateway's record.
fn skipped_token(reason: &str, report: &mut Report) -> Gateways {
    report.add(Step::skipped("token", reason));
    Gateways::default()
}
