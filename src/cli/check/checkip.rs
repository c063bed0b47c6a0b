//! The steps `checkip-ipv4` and `checkip-ipv6`: the address that the gateway sees.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use super::{
    http::Response,
    probe::{Probe, Request, unanswered},
    report::Step,
};
use crate::protocol::address::{Family, is_publishable};

/// The ends of the connection that /checkip was asked over, and whose gateway it is.
#[derive(Clone, Copy)]
struct Connection {
    /// The gateway's address.
    gateway: IpAddr,
    /// The address of this machine.
    own: IpAddr,
    /// Whether the server calls itself nic53.
    is_nic53: bool,
}

/// Asks for /checkip at one address. Also returns the address in the answer, if it is a public one.
pub(super) async fn check(probe: &Probe, address: SocketAddr, is_nic53: bool) -> (Step, Option<IpAddr>) {
    let gateway = address.ip();
    match probe.ask(address, &Request::get(probe.path("/checkip"))).await {
        Ok((response, own)) => {
            let seen = address_in_page(&response.body).filter(|seen| is_public(*seen) && response.status == 200);
            (judge(&response, Connection { gateway, own, is_nic53 }), seen)
        }
        Err(error) => (unanswered(name(gateway), &error), None),
    }
}

/// The name of the step for a gateway at this address.
fn name(gateway: IpAddr) -> &'static str {
    match Family::of(gateway) {
        Family::V4 => "checkip-ipv4",
        Family::V6 => "checkip-ipv6",
    }
}

/// Whether clients can read an address from the response, and whether it is theirs.
fn judge(response: &Response, connection: Connection) -> Step {
    let name = name(connection.gateway);
    if response.status != 200 {
        return refused(response, connection);
    }
    if let Some((header, address)) = address_in_headers(response) {
        return Step::wrong(name, format!("the header {header} contains {address}"))
            .meaning("ddclient up to 3.11 takes the first address that it finds, in headers too")
            .advice("have what is in front of the gateway drop that header");
    }
    match address_in_page(&response.body) {
        Some(seen) => judge_address(seen, connection),
        None => Step::wrong(name, format!("/checkip answers {}", response.summary()))
            .meaning("clients find no address in it")
            .advice("check the URL, its path, and what is in front of the gateway"),
    }
}

/// The step of a response without status 200.
fn refused(response: &Response, Connection { gateway, is_nic53, .. }: Connection) -> Step {
    let step = Step::wrong(name(gateway), format!("/checkip answers {}", response.summary()));
    if is_nic53 {
        step.meaning("the gateway does not know the address of the client: it refuses updates without `myip`").advice(
            "if it is behind a proxy, name that in NIC53_TRUSTED_PROXIES; behind CloudFront, see NIC53_ORIGIN_SECRET",
        )
    } else {
        step.meaning("clients cannot ask this server for their address")
            .advice("have clients find their address in another way, and send it")
    }
}

/// Whether the address that the gateway sees is the client's.
fn judge_address(seen: IpAddr, connection: Connection) -> Step {
    let Connection { gateway, own, .. } = connection;
    let name = name(gateway);
    let observed = if seen == own {
        format!("{seen}, the address of this machine")
    } else {
        format!("{seen}; this machine has {own}")
    };
    if Family::of(seen) != Family::of(gateway) {
        Step::note(name, observed)
            .meaning("a proxy in between changes the address family: clients move the record of the other family")
            .advice("have clients send their address")
    } else if !is_public(seen) && is_public(gateway) {
        hidden(Step::wrong(name, observed), seen, connection)
    } else if !is_public(seen) {
        private(Step::note(name, observed), connection)
    } else if seen == own {
        Step::fine(name, observed)
    } else if own.is_loopback() {
        Step::fine(name, format!("{observed}: a proxy on this machine reports that address"))
    } else if !is_public(own) {
        Step::fine(name, format!("{observed}, behind NAT"))
    } else {
        Step::note(name, observed)
            .meaning("something in between has an address of its own, and clients here would publish that one")
            .advice("look for a proxy or VPN on this side, and for a proxy of the gateway that it does not know")
    }
}

/// A public gateway that sees a private address: that of a proxy.
fn hidden(step: Step, seen: IpAddr, Connection { is_nic53, .. }: Connection) -> Step {
    let step = step.meaning("the gateway takes a proxy in front of it for the client");
    if is_nic53 {
        step.advice(format!("add the proxy's address, {seen}, to NIC53_TRUSTED_PROXIES"))
    } else {
        step.advice("have the server trust the address that its proxy passes on; its documentation says how")
    }
}

/// A gateway in the same network, which sees private addresses.
fn private(step: Step, Connection { is_nic53, .. }: Connection) -> Step {
    if is_nic53 {
        step.meaning("the gateway sees a private address, which it does not publish: a client that sends no `myip` gets dnserr")
            .advice("use the gateway's public URL, or have clients send their public address as `myip`; NIC53_ALLOW_PRIVATE=true publishes private addresses")
    } else {
        step.meaning("the server sees a private address: a client that sends no address asks for that one")
    }
}

/// Whether an address is reachable from the internet.
fn is_public(address: IpAddr) -> bool {
    is_publishable(address, false)
}

/// The first address in a page.
fn address_in_page(page: &str) -> Option<IpAddr> {
    let mut words = page.split(|letter: char| !letter.is_ascii_hexdigit() && letter != '.' && letter != ':');
    words.find_map(|word| word.parse().ok())
}

/// A header whose value contains something that looks like an IPv4 address, and that address.
fn address_in_headers(response: &Response) -> Option<(&str, Ipv4Addr)> {
    response.headers.iter().find_map(|(name, value)| {
        let mut words = value.split(|letter: char| !letter.is_ascii_digit() && letter != '.');
        words.find_map(|word| word.parse().ok()).map(|address| (name.as_str(), address))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::check::{probe::testing::response, report::Severity};

    /// A connection to a gateway that calls itself nic53.
    fn connection(gateway: &str, own: &str) -> Connection {
        Connection { gateway: gateway.parse().unwrap(), own: own.parse().unwrap(), is_nic53: true }
    }

    #[test]
    fn checkip_agrees_with_this_machine_or_says_why_not() {
        let page = |address: &str| format!("<html><body>Current IP Address: {address}</body></html>");
        for (body, gateway, own, severity, words) in [
            (page("203.0.113.9"), "192.0.2.1", "203.0.113.9", Severity::Fine, "address of this machine"),
            (page("203.0.113.9"), "192.0.2.1", "192.168.1.5", Severity::Fine, "behind NAT"),
            (page("10.0.0.7"), "192.0.2.1", "192.168.1.5", Severity::Wrong, "10.0.0.7, to NIC53_TRUSTED_PROXIES"),
            (page("127.0.0.1"), "127.0.0.1", "127.0.0.1", Severity::Note, "gets dnserr"),
            (page("192.168.1.5"), "192.168.1.2", "192.168.1.5", Severity::Note, "NIC53_ALLOW_PRIVATE"),
            (page("203.0.113.9"), "127.0.0.1", "127.0.0.1", Severity::Fine, "proxy on this machine"),
            (page("203.0.113.9"), "192.0.2.1", "203.0.113.10", Severity::Note, "proxy"),
            (page("203.0.113.9"), "2001:db8::1", "2001:db8::5", Severity::Note, "family"),
            (page("2001:db8::5"), "2001:db8::1", "2001:db8::5", Severity::Fine, "this machine"),
            ("2001:db8::5\n".to_owned(), "2001:db8::1", "2001:db8::6", Severity::Note, "2001:db8::6"),
            ("nothing here".to_owned(), "192.0.2.1", "192.168.1.5", Severity::Wrong, "no address"),
        ] {
            let step = judge(&response(200, &[], &body), connection(gateway, own));
            assert_eq!(step.severity, severity, "{body} {gateway} {own}: {step:?}");
            assert!(format!("{step:?}").contains(words), "{words} is not in {step:?}");
        }
        let unknown = judge(&response(503, &[], "911"), connection("192.0.2.1", "192.0.2.2"));
        assert!(unknown.severity == Severity::Wrong && unknown.advice.contains("NIC53_TRUSTED_PROXIES"), "{unknown:?}");
    }

    #[test]
    fn another_server_gets_no_advice_about_the_settings_of_nic53() {
        let other = |gateway, own| Connection { is_nic53: false, ..connection(gateway, own) };
        for (status, body, connection) in [
            (503, "911", other("192.0.2.1", "192.168.1.5")),
            (200, "10.0.0.7", other("192.0.2.1", "192.168.1.5")),
            (200, "192.168.1.5", other("192.168.1.2", "192.168.1.5")),
        ] {
            let step = judge(&response(status, &[], body), connection);
            assert_ne!(step.severity, Severity::Fine, "{step:?}");
            assert!(!format!("{step:?}").contains("NIC53_"), "{step:?}");
        }
    }

    #[test]
    fn an_address_in_a_header_misleads_ddclient() {
        let connection = connection("192.0.2.1", "203.0.113.9");
        let judge = |value| judge(&response(200, &[("Via", value)], "203.0.113.9"), connection).severity;
        assert_eq!(judge("1.1 10.0.0.7 (proxy)"), Severity::Wrong);
        assert_eq!(judge("1.1 proxy, 1.0.24 x"), Severity::Fine);
    }
}
