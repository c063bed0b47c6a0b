//! The step `name`: the addresses of the gateway's name.

use std::{
    io,
    net::{IpAddr, SocketAddr},
};

use tokio::net::lookup_host;

use super::report::Step;
use crate::{client::gateway_url::GatewayUrl, protocol::address::Family};

/// The name of the step.
const NAME: &str = "name";

/// Resolves the gateway's name as this machine does. Also returns the addresses, IPv4 first.
pub(super) async fn check(url: &GatewayUrl) -> (Step, Vec<SocketAddr>) {
    if let Ok(address) = url.host.parse::<IpAddr>() {
        return (Step::fine(NAME, format!("{address} is an address")), vec![SocketAddr::new(address, url.port)]);
    }
    match lookup_host((url.host.as_str(), url.port)).await {
        Ok(found) => {
            let mut addresses: Vec<SocketAddr> = found.collect();
            addresses.sort_by_key(|address| (address.is_ipv6(), *address));
            addresses.dedup();
            (judge(&url.host, &addresses), addresses)
        }
        Err(error) => (unresolved(&url.host, &error), Vec::new()),
    }
}

/// What the families of the addresses mean for clients.
fn judge(host: &str, addresses: &[SocketAddr]) -> Step {
    let of = |family| {
        let ips = addresses.iter().map(SocketAddr::ip).filter(|ip| Family::of(*ip) == family);
        ips.map(|ip| ip.to_string()).collect::<Vec<_>>().join(", ")
    };
    let (a, aaaa) = (of(Family::V4), of(Family::V6));
    match (a.is_empty(), aaaa.is_empty()) {
        (true, true) => Step::wrong(NAME, format!("{host} has no address"))
            .meaning("no client finds the gateway")
            .advice("add an A record and, if the gateway has IPv6, an AAAA record"),
        (false, true) => Step::note(NAME, format!("{host}: A {a}, no AAAA"))
            .meaning("the gateway sees IPv4 addresses only: to move an AAAA record, a client has to send the address"),
        (true, false) => Step::note(NAME, format!("{host}: AAAA {aaaa}, no A"))
            .meaning("routers without IPv6 do not reach the gateway"),
        (false, false) => Step::fine(NAME, format!("{host}: A {a}; AAAA {aaaa}")).meaning(
            "a client that does not choose a family asks over IPv6 and moves its AAAA record only, such as inadyn, or ddclient with use=web",
        ),
    }
}

/// Why a name could not be resolved.
fn unresolved(host: &str, error: &io::Error) -> Step {
    let observed = format!("{host}: {error}");
    if error.to_string().contains("Temporary failure") {
        return Step::unknown(NAME, observed)
            .meaning("the resolver of this machine does not answer")
            .advice("check the network of this machine, then check again");
    }
    Step::wrong(NAME, observed)
        .meaning("no client finds the gateway")
        .advice("look for a typing mistake in the name, or add its records")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::check::report::Severity;

    #[tokio::test]
    async fn an_address_needs_no_resolver() {
        let (step, addresses) = check(&"http://192.0.2.1:8053".parse().unwrap()).await;
        assert_eq!((step.severity, addresses), (Severity::Fine, vec!["192.0.2.1:8053".parse().unwrap()]));
    }

    #[test]
    fn each_family_has_its_meaning() {
        let (v4, v6) = ("192.0.2.1:443", "[2001:db8::1]:443");
        for (addresses, severity, words) in [
            (&[][..], Severity::Wrong, "no client"),
            (&[v4], Severity::Note, "has to send the address"),
            (&[v6], Severity::Note, "routers without IPv6"),
            (&[v4, v6], Severity::Fine, "AAAA record only"),
        ] {
            let addresses: Vec<SocketAddr> = addresses.iter().map(|address| address.parse().unwrap()).collect();
            let step = judge("dyn.example.org", &addresses);
            assert_eq!(step.severity, severity, "{addresses:?}");
            assert!(step.meaning.contains(words), "{words} is not in {step:?}");
        }
    }
}
