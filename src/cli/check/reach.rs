//! Finding the gateway: its name, its addresses, a connection to each, and asking over it.

use std::{
    io,
    net::{IpAddr, SocketAddr},
};

use tokio::{
    net::{TcpStream, lookup_host},
    time::timeout,
};
use zeroize::Zeroizing;

use super::{
    exchange::{Connection, Patience, Reply, Trouble, exchange},
    report::Step,
    tls::{self, Tls},
};
use crate::client::{basic::basic, gateway_url::GatewayUrl};

/// A gateway, and how to reach it.
pub(super) struct Gateway {
    /// Where it is.
    pub url: GatewayUrl,
    /// How to ask it over TLS, where it is.
    pub tls: Option<Tls>,
    /// How long to wait for it.
    pub patience: Patience,
}

/// A request as a router would write it.
pub(super) struct Request<'a> {
    /// Path and query.
    pub target: String,
    /// Whether it is one of HTTP/1.0, as inadyn and ez-ipupdate send it.
    pub old: bool,
    /// User name and token.
    pub credentials: Option<(&'a str, &'a str)>,
}

impl<'a> Request<'a> {
    /// A request without credentials.
    pub(super) fn get(target: impl Into<String>) -> Self {
        Self { target: target.into(), old: false, credentials: None }
    }

    /// The same with credentials.
    pub(super) fn by(self, user: &'a str, token: &'a str) -> Self {
        Self { credentials: Some((user, token)), ..self }
    }

    /// What is sent.
    fn text(&self, server: &str) -> Zeroizing<String> {
        let Self { target, old, credentials } = self;
        let version = if *old { "1.0" } else { "1.1" };
        let mut text = Zeroizing::new(format!("GET {target} HTTP/{version}\r\nHost: {server}\r\n"));
        text.push_str(concat!("User-Agent: nic53-check/", env!("CARGO_PKG_VERSION"), "\r\n"));
        if !old {
            text.push_str("Accept: */*\r\nConnection: close\r\n");
        }
        if let Some((user, token)) = credentials {
            text.push_str("Authorization: ");
            text.push_str(&basic(user, token));
            text.push_str("\r\n");
        }
        text.push_str("\r\n");
        text
    }
}

impl Gateway {
    /// Asks at one of its addresses. Also tells which address of this machine the connection has. With credentials,
    /// only a server that is to be trusted is asked.
    pub(super) async fn ask(&self, way: SocketAddr, request: &Request<'_>) -> Result<(Reply, IpAddr), Trouble> {
        let stream = self.connect(way).await?;
        let own = stream.local_addr().map_err(|error| Trouble::of(&error))?.ip();
        let host = &self.url.host;
        let mut connection: Box<dyn Connection> = match (&self.tls, request.credentials) {
            (None, _) => Box::new(stream),
            (Some(tls), None) => Box::new(self.within(tls.look(stream, host, &tls::ANY)).await?.0),
            (Some(tls), Some(_)) => Box::new(self.within(tls.insist(stream, host)).await?),
        };
        let reply = exchange(connection.as_mut(), &request.text(&self.url.authority()), self.patience).await?;
        Ok((reply, own))
    }

    /// Asks in the clear whatever the URL says, without credentials.
    pub(super) async fn ask_plainly(&self, way: SocketAddr, request: &Request<'_>) -> Result<Reply, Trouble> {
        let mut stream = self.connect(way).await?;
        let request = Request { credentials: None, target: request.target.clone(), old: request.old };
        exchange(&mut stream, &request.text(&self.url.host), self.patience).await
    }

    /// Connects to one address.
    pub(super) async fn connect(&self, way: SocketAddr) -> Result<TcpStream, Trouble> {
        let connecting = async { TcpStream::connect(way).await.map_err(|error| Trouble::of(&error)) };
        self.within(connecting).await
    }

    /// Waits no longer than for a reply.
    pub(super) async fn within<T>(&self, doing: impl Future<Output = Result<T, Trouble>>) -> Result<T, Trouble> {
        timeout(self.patience.reply, doing).await.unwrap_or(Err(Trouble::Slow(self.patience.reply)))
    }
}

/// The addresses of a URL, as this machine resolves its name: IPv4 first.
pub(super) async fn resolve(url: &GatewayUrl) -> (Step, Vec<SocketAddr>) {
    const NAME: &str = "name";
    if let Ok(address) = url.host.parse::<IpAddr>() {
        return (Step::fine(NAME, format!("{address} is an address")), vec![SocketAddr::new(address, url.port)]);
    }
    let mut ways: Vec<SocketAddr> = match lookup_host((url.host.as_str(), url.port)).await {
        Ok(ways) => ways.collect(),
        Err(error) => return (unresolved(&url.host, &error), Vec::new()),
    };
    ways.sort_by_key(|way| (way.is_ipv6(), *way));
    ways.dedup();
    let of_family = |ipv6| {
        let addresses = ways.iter().filter(|way| way.is_ipv6() == ipv6).map(|way| way.ip().to_string());
        addresses.collect::<Vec<_>>().join(", ")
    };
    let (a, aaaa) = (of_family(false), of_family(true));
    let step = match (a.is_empty(), aaaa.is_empty()) {
        (true, true) => Step::wrong(NAME, format!("{} has no address", url.host))
            .means("no client finds the gateway")
            .advice("add an A record and, where the gateway has IPv6, an AAAA record"),
        (false, true) => Step::note(NAME, format!("{}: A {a}, no AAAA", url.host)).means(
            "clients see their IPv4 address at checkip; an AAAA record moves only where the request says the address",
        ),
        (true, false) => Step::note(NAME, format!("{}: AAAA {aaaa}, no A", url.host))
            .means("routers without IPv6 do not reach the gateway"),
        (false, false) => Step::fine(NAME, format!("{}: A {a}; AAAA {aaaa}", url.host)),
    };
    (step, ways)
}

/// Why a name could not be resolved.
fn unresolved(host: &str, error: &io::Error) -> Step {
    let saw = format!("{host}: {error}");
    if error.to_string().contains("Temporary failure") {
        return Step::unknown("name", saw)
            .means("the resolver of this machine does not answer")
            .advice("look at the network of this machine, and check again");
    }
    Step::wrong("name", saw).means("no client finds the gateway").advice("look for a mistyped name, or add its records")
}

/// The addresses that can be connected to, and a step for each family that was tried.
pub(super) async fn connect(gateway: &Gateway, ways: &[SocketAddr]) -> (Vec<Step>, Vec<SocketAddr>) {
    let mut tried = Vec::new();
    for way in ways {
        tried.push((*way, gateway.connect(*way).await.map(drop)));
    }
    let open: Vec<SocketAddr> = tried.iter().filter(|(_, result)| result.is_ok()).map(|(way, _)| *way).collect();
    let steps = [false, true].into_iter().filter_map(|ipv6| {
        let of_family: Vec<_> = tried.iter().filter(|(way, _)| way.is_ipv6() == ipv6).cloned().collect();
        (!of_family.is_empty()).then(|| judge_family(ipv6, &of_family, !open.is_empty()))
    });
    (steps.collect(), open)
}

/// Whether the addresses of one family can be connected to. `reached` says whether any address of either could.
fn judge_family(ipv6: bool, tried: &[(SocketAddr, Result<(), Trouble>)], reached: bool) -> Step {
    let (name, family) = if ipv6 { ("ipv6", "IPv6") } else { ("ipv4", "IPv4") };
    let failed: Vec<_> = tried.iter().filter_map(|(way, result)| Some((way, result.as_ref().err()?))).collect();
    let Some((way, trouble)) = failed.first() else {
        let ways: Vec<_> = tried.iter().map(|(way, _)| way.to_string()).collect();
        return Step::fine(name, format!("connected to {}", ways.join(", ")));
    };
    let saw = format!("{way}: {trouble}");
    match trouble {
        Trouble::NoRoute(_) if reached => Step::skipped(name, format!("this machine has no {family}: {saw}")),
        Trouble::NoRoute(_) => Step::unknown(name, saw)
            .means(format!("this machine has no {family}"))
            .advice("look at the network of this machine, and check again"),
        Trouble::Refused | Trouble::Slow(_) | Trouble::Broken(_) | Trouble::Tls(_) => Step::wrong(name, saw)
            .means(format!("clients that use {family} do not reach the gateway there"))
            .advice("see that the gateway runs and listens there, and that no firewall is in between"),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::cli::check::report::Verdict;

    #[test]
    fn a_request_is_written_as_a_router_writes_it() {
        let request = Request::get("/nic/update").by("a.example.org", "tok");
        let text = request.text("dyn.example.org");
        assert!(text.starts_with("GET /nic/update HTTP/1.1\r\nHost: dyn.example.org\r\n"), "{}", *text);
        assert!(text.contains("\r\nAuthorization: Basic YS5leGFtcGxlLm9yZzp0b2s=\r\n") && text.ends_with("\r\n\r\n"));
        let old = Request { old: true, ..Request::get("/checkip") };
        assert_eq!(old.text("x").lines().filter(|line| line.starts_with("Connection")).count(), 0);
    }

    #[test]
    fn a_family_that_this_machine_lacks_is_not_the_gateways_fault() {
        let way: SocketAddr = "[2001:db8::1]:443".parse().unwrap();
        for (trouble, reached, verdict) in [
            (Trouble::NoRoute("x".into()), true, Verdict::Skipped),
            (Trouble::NoRoute("x".into()), false, Verdict::Unknown),
            (Trouble::Refused, true, Verdict::Wrong),
            (Trouble::Slow(Duration::from_secs(10)), false, Verdict::Wrong),
        ] {
            let step = judge_family(true, &[(way, Err(trouble.clone()))], reached);
            assert_eq!(step.verdict, verdict, "{trouble} {reached}");
        }
        assert_eq!(judge_family(true, &[(way, Ok(()))], true).verdict, Verdict::Fine);
    }

    #[tokio::test]
    async fn an_address_needs_no_resolver() {
        let (step, ways) = resolve(&"http://192.0.2.1:8053".parse().unwrap()).await;
        assert_eq!((step.verdict, ways), (Verdict::Fine, vec!["192.0.2.1:8053".parse().unwrap()]));
    }
}
