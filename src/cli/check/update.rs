//! The token, and the update itself.
//!
//! `myip=no` asks a nic53 gateway to leave the record alone and say what is there: the token is tried, Route 53 is
//! read, and nothing moves. Another server might take `no` for no address and set that of the connection, so that only
//! a gateway that called itself nic53 is asked. What moves the record is asked only where an address was given.

use std::{
    collections::BTreeSet,
    net::{IpAddr, SocketAddr},
};

use super::{
    exchange::{Reply, Trouble},
    front::no_reply,
    reach::{Gateway, Request},
    report::Step,
};
use crate::protocol::hostname::HostName;

/// Tries the token. Also the addresses that the host has, where the gateway said so.
pub(super) async fn token(
    gateway: &Gateway,
    way: SocketAddr,
    host: &HostName,
    token: &str,
) -> (Step, Option<BTreeSet<IpAddr>>) {
    judge("token", host, &ask(gateway, way, host, token, "no").await, false)
}

/// Moves the record to these addresses. Also the addresses that were set.
pub(super) async fn update(
    gateway: &Gateway,
    way: SocketAddr,
    host: &HostName,
    token: &str,
    addresses: &[IpAddr],
) -> (Step, Option<BTreeSet<IpAddr>>) {
    let addresses: Vec<_> = addresses.iter().map(IpAddr::to_string).collect();
    judge("update", host, &ask(gateway, way, host, token, &addresses.join(",")).await, true)
}

/// One update request.
async fn ask(gateway: &Gateway, way: SocketAddr, host: &HostName, token: &str, myip: &str) -> Result<Reply, Trouble> {
    let target = format!("{}/nic/update?hostname={host}&myip={myip}", gateway.url.prefix);
    gateway.ask(way, &Request::get(target).by(host.as_str(), token)).await.map(|(reply, _)| reply)
}

/// What the reply to an update means. `moves` says whether it was to move the record.
fn judge(
    name: &'static str,
    host: &HostName,
    reply: &Result<Reply, Trouble>,
    moves: bool,
) -> (Step, Option<BTreeSet<IpAddr>>) {
    let reply = match reply {
        Ok(reply) => reply,
        Err(trouble) => return (no_reply(name, trouble), None),
    };
    let (word, rest) = reply.body.split_once(' ').unwrap_or((&reply.body, ""));
    let addresses: BTreeSet<IpAddr> = rest.split(',').filter_map(|address| address.parse().ok()).collect();
    let listed = if addresses.is_empty() { "no address".to_owned() } else { list(&addresses) };
    let said = reply.shown();
    let wrong = |means: &str, advice: &str| (Step::wrong(name, said.clone()).means(means).advice(advice), None);
    match (reply.status, word) {
        (200, "nochg") if moves => {
            (Step::fine(name, format!("nochg: {host} was at {listed} already")), Some(addresses))
        }
        (200, "nochg") => (Step::fine(name, format!("the token is valid; {host} has {listed}")), Some(addresses)),
        (200, "good") if moves => (Step::fine(name, format!("good: {host} was moved to {listed}")), Some(addresses)),
        (200, "good") => wrong(
            "the gateway changed the record although it was asked to leave it alone",
            "see which version of nic53 it runs, or what else answers there",
        ),
        (401, _) => wrong(
            "the token does not cover the host",
            "print it again with `nic53 token` and the gateway's own settings: its zones, its secret, its generations",
        ),
        (200, "nohost") => wrong(
            "no zone of the gateway holds the host, the token does not cover it, or its record is an alias or a CNAME",
            "see NIC53_ZONES, the name, and the record; the gateway's log says which",
        ),
        (200, "notfqdn") => wrong("the gateway does not take this for a host name", "check the name"),
        (_, "dnserr") => wrong(
            "Route 53 refused, throttled or did not answer the gateway",
            "see the gateway's log, its role's policy, and the quota of the zone",
        ),
        (_, "911") => wrong("the gateway's own settings or secret cannot be read", "see the gateway's log"),
        _ => wrong("this is no reply of a nic53 gateway", "check the URL, and what stands in front of the gateway"),
    }
}

/// Addresses as a reply lists them.
pub(super) fn list(addresses: &BTreeSet<IpAddr>) -> String {
    addresses.iter().map(IpAddr::to_string).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::check::{exchange::Framing, report::Verdict};

    #[test]
    fn each_reply_is_explained() {
        let host: HostName = "home.example.org".parse().unwrap();
        for (status, body, moves, verdict, words) in [
            (200, "nochg 198.51.100.7,2001:db8::7", false, Verdict::Fine, "198.51.100.7, 2001:db8::7"),
            (200, "nochg", false, Verdict::Fine, "no address"),
            (200, "nochg 198.51.100.7", true, Verdict::Fine, "already"),
            (200, "good 198.51.100.7", true, Verdict::Fine, "moved to 198.51.100.7"),
            (200, "good 198.51.100.7", false, Verdict::Wrong, "leave it alone"),
            (401, "badauth", false, Verdict::Wrong, "nic53 token"),
            (200, "nohost", false, Verdict::Wrong, "NIC53_ZONES"),
            (200, "notfqdn", false, Verdict::Wrong, "host name"),
            (503, "dnserr", false, Verdict::Wrong, "Route 53"),
            (503, "911", false, Verdict::Wrong, "settings"),
            (200, "<html>", false, Verdict::Wrong, "no reply of a nic53 gateway"),
            (502, "Bad Gateway", false, Verdict::Wrong, "no reply of a nic53 gateway"),
        ] {
            let reply = Reply {
                version: "HTTP/1.1".into(),
                status,
                headers: Vec::new(),
                body: body.into(),
                framing: Framing::Length(body.len()),
                closed: true,
            };
            let (step, addresses) = judge("token", &host, &Ok(reply), moves);
            assert_eq!(step.verdict, verdict, "{status} {body}");
            assert!(format!("{step:?}").contains(words), "{words} is not in {step:?}");
            assert_eq!(addresses.is_some(), verdict == Verdict::Fine, "{status} {body}");
        }
    }
}
