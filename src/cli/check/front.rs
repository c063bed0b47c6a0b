//! What stands before an update: TLS, plain HTTP, the challenge, the framing, and the address that clients are told.

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    time::{SystemTime, UNIX_EPOCH},
};

use rustls::ProtocolVersion;

use super::{
    certificate::Certificate,
    exchange::{Framing, Reply, Trouble},
    reach::{Gateway, Request},
    report::Step,
    tls::{self, Seen, Tls, distrust},
};
use crate::protocol::address::is_publishable;

/// The certificate and the versions of TLS. Also whether a token may be sent there.
pub(super) async fn tls(gateway: &Gateway, tls: &Tls, way: SocketAddr) -> (Vec<Step>, bool) {
    let host = &gateway.url.host;
    let look = async |versions| {
        let stream = gateway.connect(way).await?;
        gateway.within(tls.look(stream, host, versions)).await.map(|(_, seen)| seen)
    };
    let seen = match look(&tls::ANY).await {
        Ok(seen) => seen,
        Err(trouble) => {
            let step = Step::wrong("tls", trouble.to_string())
                .means("no client can ask over TLS")
                .advice("see that the server speaks TLS 1.2 or 1.3 on this port and has a certificate");
            return (vec![step], false);
        }
    };
    let trusted = seen.trust.is_ok();
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |now| now.as_secs().cast_signed());
    let mut steps = vec![judge_certificate(&seen, now)];
    if seen.version == Some(ProtocolVersion::TLSv1_3) {
        steps.push(match look(&tls::OLD).await {
            Ok(_) => Step::fine("tls-1.2", "TLS 1.2 is taken too, which is the newest that many routers have"),
            Err(trouble) => Step::note("tls-1.2", format!("TLS 1.2 is refused: {trouble}"))
                .means("routers without TLS 1.3 do not reach the gateway")
                .advice("allow TLS 1.2 where such a router is to be served"),
        });
    }
    (steps, trusted)
}

/// What a certificate is worth.
fn judge_certificate(seen: &Seen, now: i64) -> Step {
    const NAME: &str = "tls";
    let version = match seen.version {
        Some(ProtocolVersion::TLSv1_3) => "TLS 1.3",
        Some(ProtocolVersion::TLSv1_2) => "TLS 1.2",
        Some(_) | None => "TLS",
    };
    let certificate = seen.chain.first().and_then(|der| Certificate::read(der));
    let length = seen.chain.len();
    let chain = if length == 1 { "1 certificate".to_owned() } else { format!("{length} certificates") };
    let saw = match &certificate {
        Some(Certificate { subject, issuer, .. }) => format!("{version}, a chain of {chain}: {subject} by {issuer}"),
        None => format!("{version}, a chain of {chain}"),
    };
    let days = certificate.as_ref().map(|certificate| certificate.days_left(now));
    let saw = match days {
        Some(days) if days < 0 => format!("{saw}, which ended {} days ago", -days),
        Some(days) => format!("{saw}, {days} days left"),
        None => saw,
    };
    if let Err(error) = &seen.trust {
        let (means, advice) = distrust(error, length);
        return Step::wrong(NAME, format!("{saw}: {error}")).means(means).advice(advice);
    }
    if certificate.is_some_and(|certificate| certificate.is_overdue(now)) {
        return Step::wrong(NAME, saw)
            .means("it should have been renewed by now; once it has ended, every client refuses it")
            .advice("find out why it was not renewed");
    }
    Step::fine(NAME, saw)
}

/// Whether the gateway answers in the clear.
pub(super) async fn plain_http(gateway: &Gateway, way: SocketAddr) -> Option<Step> {
    const NAME: &str = "plain-http";
    let url = &gateway.url;
    if !url.https {
        let near = url.is_loopback() || !is_publishable(way.ip(), false);
        return Some(if near {
            Step::fine(NAME, format!("{url} is plain HTTP, within this network"))
        } else {
            Step::note(NAME, format!("{url} is plain HTTP"))
                .means("everyone on the way reads the token")
                .advice("ask over https:// wherever a client can")
        });
    }
    // A port of its own says nothing about port 80.
    if !url.has_default_port() {
        return None;
    }
    let target = format!("{}/checkip", url.prefix);
    let reply = gateway.ask_plainly(SocketAddr::new(way.ip(), 80), &Request::get(target)).await;
    Some(judge_plain_http(&reply))
}

/// What port 80 of a gateway with TLS says.
fn judge_plain_http(reply: &Result<Reply, Trouble>) -> Step {
    const NAME: &str = "plain-http";
    match reply {
        Err(trouble) => Step::fine(NAME, format!("port 80: {trouble}; devices without TLS are not served")),
        Ok(reply) if reply.status == 200 => {
            Step::fine(NAME, "port 80 answers too: devices without TLS are served, their tokens travel in the clear")
        }
        Ok(reply) if is_redirect(reply) => Step::note(NAME, format!("port 80 redirects: {}", redirect(reply)))
            .means("clients do not follow it: inadyn ends, others fail")
            .advice("have no client ask http://, or let port 80 answer what the gateway answers"),
        Ok(reply) => Step::note(NAME, format!("port 80 answers {}", reply.shown()))
            .means("clients that ask http:// are not served")
            .advice("have no client ask http://"),
    }
}

/// The challenge of the update path: what it says without credentials. Names no host, so that nothing can change.
pub(super) async fn challenge(gateway: &Gateway, way: SocketAddr) -> Result<Reply, Trouble> {
    let target = format!("{}/nic/update?myip=no", gateway.url.prefix);
    gateway.ask(way, &Request::get(target)).await.map(|(reply, _)| reply)
}

/// Whether clients that wait for a challenge get one.
pub(super) fn judge_challenge(reply: &Result<Reply, Trouble>) -> Step {
    const NAME: &str = "challenge";
    let reply = match reply {
        Ok(reply) => reply,
        Err(trouble) => return no_reply(NAME, trouble),
    };
    if is_redirect(reply) {
        return Step::wrong(NAME, format!("/nic/update redirects: {}", redirect(reply)))
            .means("clients do not follow it: inadyn ends, others fail, some take it for success")
            .advice("check the URL that it leads to, and give that one to clients");
    }
    if reply.status != 401 {
        return Step::wrong(NAME, format!("without credentials /nic/update says {}, not 401", reply.shown()))
            .means("there is no nic53 gateway at this URL, or something in front of it answers in its place")
            .advice("check the URL, its path, and what stands in front of the gateway");
    }
    let waiting = "GNU wget, OpenWrt, DrayTek and ddupdate send no credentials before it, and fail";
    match (reply.header("WWW-Authenticate"), reply.header(REMAPPED)) {
        (Some(challenge), _) if challenge.to_ascii_lowercase().starts_with("basic") => {
            Step::fine(NAME, format!("401 with WWW-Authenticate: {challenge}"))
        }
        (Some(challenge), _) => Step::wrong(NAME, format!("401 with WWW-Authenticate: {challenge}, not Basic"))
            .means(waiting)
            .advice("see what stands in front of the gateway and asks for other credentials"),
        (None, Some(_)) => Step::wrong(NAME, format!("401, and the challenge renamed to {REMAPPED}"))
            .means(format!("a Function URL or a REST API of API Gateway renames WWW-Authenticate; {waiting}"))
            .advice("put an HTTP API of API Gateway in front, which keeps the name"),
        (None, None) => Step::wrong(NAME, "401 without WWW-Authenticate")
            .means(waiting)
            .advice("see what stands in front of the gateway and drops the header"),
    }
}

/// What AWS makes of `WWW-Authenticate`.
const REMAPPED: &str = "x-amzn-Remapped-WWW-Authenticate";

/// Whether this is the challenge of a nic53 gateway, which is known to leave a record alone if it is told to.
pub(super) fn is_nic53(reply: &Reply) -> bool {
    let challenge = reply.header("WWW-Authenticate").or_else(|| reply.header(REMAPPED));
    reply.status == 401 && challenge.is_some_and(|challenge| challenge.contains("realm=\"nic53\""))
}

/// Whether the reply says how long it is.
pub(super) fn judge_length(reply: &Reply) -> Step {
    const NAME: &str = "length";
    match reply.framing {
        Framing::Length(length) => Step::fine(NAME, format!("Content-Length: {length}, not chunked")),
        Framing::Chunked => Step::wrong(NAME, "Transfer-Encoding: chunked")
            .means("ddclient up to 3.10 takes the size of the first chunk for the reply, and fails")
            .advice("have what stands in front of the gateway pass its Content-Length on"),
        Framing::Close => Step::wrong(NAME, "neither Content-Length nor chunks")
            .means("OpenWrt's uclient-fetch fails without Content-Length")
            .advice("have what stands in front of the gateway pass its Content-Length on"),
    }
}

/// A request of HTTP/1.0, as inadyn and ez-ipupdate send it, and whether the connection ends after it.
pub(super) async fn http10(gateway: &Gateway, way: SocketAddr) -> Step {
    let target = format!("{}/checkip", gateway.url.prefix);
    let reply = gateway.ask(way, &Request { old: true, ..Request::get(target) }).await;
    judge_http10(&reply.map(|(reply, _)| reply))
}

/// What HTTP/1.0 is answered.
fn judge_http10(reply: &Result<Reply, Trouble>) -> Step {
    const NAME: &str = "http-1.0";
    let advice = "have what stands in front of the gateway serve HTTP/1.0, or give these clients another way in";
    let reply = match reply {
        Ok(reply) => reply,
        Err(trouble) => {
            return Step::wrong(NAME, format!("HTTP/1.0: {trouble}"))
                .means("inadyn, ez-ipupdate, MikroTik 6 and ddclient up to 3.9 get no answer")
                .advice(advice);
        }
    };
    let saw = format!("HTTP/1.0 is answered {} {}", reply.version, reply.status);
    if reply.framing == Framing::Chunked {
        return Step::wrong(NAME, format!("{saw}, in chunks"))
            .means("clients of HTTP/1.0 do not know chunks, and take their sizes for the reply")
            .advice(advice);
    }
    if !reply.closed {
        return Step::wrong(NAME, format!("{saw}, and the connection is kept open"))
            .means("inadyn and ez-ipupdate read until it ends, and hang")
            .advice(advice);
    }
    Step::fine(NAME, format!("{saw}, and the connection ends"))
}

/// The address that clients of one family are told.
pub(super) async fn checkip(gateway: &Gateway, way: SocketAddr) -> Step {
    let target = format!("{}/checkip", gateway.url.prefix);
    match gateway.ask(way, &Request::get(target)).await {
        Ok((reply, own)) => judge_checkip(&reply, way.ip(), own),
        Err(trouble) => no_reply(checkip_name(way.ip()), &trouble),
    }
}

/// The name of the step of a family.
fn checkip_name(way: IpAddr) -> &'static str {
    if way.is_ipv6() { "checkip-ipv6" } else { "checkip-ipv4" }
}

/// Whether a checkip reply is right: `way` is the gateway's address, `own` is that of our end of the connection.
fn judge_checkip(reply: &Reply, way: IpAddr, own: IpAddr) -> Step {
    let name = checkip_name(way);
    if reply.status != 200 {
        return Step::wrong(name, format!("/checkip says {}", reply.shown()))
            .means("the gateway does not know where a request comes from: nobody without `myip` can be served")
            .advice("behind a proxy, name it in NIC53_TRUSTED_PROXIES; behind CloudFront, see NIC53_ORIGIN_SECRET");
    }
    if let Some((header, address)) = address_in_headers(reply) {
        return Step::wrong(name, format!("the header {header} has {address} in it"))
            .means("ddclient up to 3.11 takes the first address it sees, in headers too")
            .advice("have what stands in front of the gateway drop that header");
    }
    let Some(seen) = address_in_page(&reply.body) else {
        return Step::wrong(name, format!("/checkip says {}", reply.shown()))
            .means("clients find no address in it")
            .advice("check the URL, its path, and what stands in front of the gateway");
    };
    if seen == own {
        return Step::fine(name, format!("{seen}, which is the address of this machine"));
    }
    let saw = format!("{seen}, where this machine has {own}");
    if !is_publishable(seen, false) && is_publishable(way, false) {
        return Step::wrong(name, saw)
            .means("the gateway takes a proxy in front of it for the client, and would publish nothing")
            .advice(format!("add the proxy's address, {seen}, to NIC53_TRUSTED_PROXIES"));
    }
    if seen.is_ipv6() != way.is_ipv6() {
        return Step::note(name, saw)
            .means("a proxy in between changes the family: a client moves the record of the other family")
            .advice("have clients say their address in the request");
    }
    if own.is_loopback() {
        return Step::fine(name, format!("{seen}, as a proxy on this machine says"));
    }
    if !is_publishable(own, false) {
        return Step::fine(name, format!("{saw} behind NAT"));
    }
    Step::note(name, saw)
        .means("something in between has an address of its own: clients here would publish that one")
        .advice("look for a proxy or VPN on this side, and for a proxy on the gateway's that it does not know")
}

/// The address in the page.
fn address_in_page(page: &str) -> Option<IpAddr> {
    let mut words = page.split(|letter: char| !letter.is_ascii_hexdigit() && letter != '.' && letter != ':');
    words.find_map(|word| word.parse().ok())
}

/// A header with something in it that looks like an IPv4 address, and that.
fn address_in_headers(reply: &Reply) -> Option<(&str, Ipv4Addr)> {
    reply.headers.iter().find_map(|(name, value)| {
        let mut words = value.split(|letter: char| !letter.is_ascii_digit() && letter != '.');
        words.find_map(|word| word.parse().ok()).map(|address| (name.as_str(), address))
    })
}

/// Whether this leads elsewhere.
fn is_redirect(reply: &Reply) -> bool {
    matches!(reply.status, 301 | 302 | 303 | 307 | 308)
}

/// Where a redirect leads.
fn redirect(reply: &Reply) -> String {
    format!("{} to {}", reply.status, reply.header("Location").unwrap_or("nowhere"))
}

/// Where there should have been a reply.
pub(super) fn no_reply(name: &'static str, trouble: &Trouble) -> Step {
    let saw = trouble.to_string();
    match trouble {
        Trouble::NoRoute(_) => Step::unknown(name, saw).advice("look at the network of this machine, and check again"),
        Trouble::Refused | Trouble::Slow(_) | Trouble::Broken(_) | Trouble::Tls(_) => Step::wrong(name, saw)
            .means("clients get no answer")
            .advice("see that the gateway runs, and look at its log and at what stands in front of it"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::check::report::Verdict;

    /// A reply of a head and a body, as it would have been read.
    fn reply(status: u16, headers: &[(&str, &str)], body: &str) -> Reply {
        Reply {
            version: "HTTP/1.1".to_owned(),
            status,
            headers: headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
            body: body.to_owned(),
            framing: Framing::Length(body.len()),
            closed: true,
        }
    }

    #[test]
    fn a_challenge_is_a_401_with_its_header_under_its_own_name() {
        let basic = "Basic realm=\"nic53\"";
        for (reply, verdict, words) in [
            (reply(401, &[("www-authenticate", basic)], "badauth"), Verdict::Fine, basic),
            (reply(401, &[("x-amzn-remapped-www-authenticate", basic)], "badauth"), Verdict::Wrong, "HTTP API"),
            (reply(401, &[], "badauth"), Verdict::Wrong, "without WWW-Authenticate"),
            (reply(401, &[("WWW-Authenticate", "Bearer")], ""), Verdict::Wrong, "not Basic"),
            (reply(200, &[], "good 192.0.2.1"), Verdict::Wrong, "not 401"),
            (reply(404, &[], "not found"), Verdict::Wrong, "`not found`"),
            (reply(301, &[("Location", "https://x/")], ""), Verdict::Wrong, "https://x/"),
        ] {
            let step = judge_challenge(&Ok(reply.clone()));
            assert_eq!(step.verdict, verdict, "{reply:?}");
            assert!(format!("{step:?}").contains(&words.replace('"', "\\\"")), "{words} is not in {step:?}");
            assert_eq!(is_nic53(&reply), format!("{reply:?}").contains("nic53"), "{reply:?}");
        }
    }

    #[test]
    fn checkip_agrees_with_this_machine_or_says_why_not() {
        let page = |address: &str| format!("<html><body>Current IP Address: {address}</body></html>");
        for (body, way, own, verdict, words) in [
            (page("203.0.113.9"), "192.0.2.1", "203.0.113.9", Verdict::Fine, "address of this machine"),
            (page("203.0.113.9"), "192.0.2.1", "192.168.1.5", Verdict::Fine, "behind NAT"),
            (page("10.0.0.7"), "192.0.2.1", "192.168.1.5", Verdict::Wrong, "10.0.0.7, to NIC53_TRUSTED_PROXIES"),
            (page("127.0.0.1"), "127.0.0.1", "127.0.0.1", Verdict::Fine, "this machine"),
            (page("203.0.113.9"), "127.0.0.1", "127.0.0.1", Verdict::Fine, "proxy on this machine"),
            (page("203.0.113.9"), "192.0.2.1", "203.0.113.10", Verdict::Note, "proxy"),
            (page("203.0.113.9"), "2001:db8::1", "2001:db8::5", Verdict::Note, "family"),
            (page("2001:db8::5"), "2001:db8::1", "2001:db8::5", Verdict::Fine, "this machine"),
            ("2001:db8::5\n".to_owned(), "2001:db8::1", "2001:db8::6", Verdict::Note, "2001:db8::6"),
            ("nothing here".to_owned(), "192.0.2.1", "192.168.1.5", Verdict::Wrong, "no address"),
        ] {
            let step = judge_checkip(&reply(200, &[], &body), way.parse().unwrap(), own.parse().unwrap());
            assert_eq!(step.verdict, verdict, "{body} {way} {own}: {step:?}");
            assert!(format!("{step:?}").contains(words), "{words} is not in {step:?}");
        }
        let unknown =
            judge_checkip(&reply(503, &[], "911"), "192.0.2.1".parse().unwrap(), "192.0.2.2".parse().unwrap());
        assert!(unknown.verdict == Verdict::Wrong && unknown.advice.contains("NIC53_TRUSTED_PROXIES"), "{unknown:?}");
    }

    #[test]
    fn an_address_in_a_header_misleads_ddclient() {
        let (way, own): (IpAddr, IpAddr) = ("192.0.2.1".parse().unwrap(), "203.0.113.9".parse().unwrap());
        let judge = |value| judge_checkip(&reply(200, &[("Via", value)], "203.0.113.9"), way, own).verdict;
        assert_eq!(judge("1.1 10.0.0.7 (proxy)"), Verdict::Wrong);
        assert_eq!(judge("1.1 proxy, 1.0.24 x"), Verdict::Fine);
    }

    #[test]
    fn http_1_0_is_answered_whole_and_closed() {
        let whole = reply(200, &[], "x");
        for (reply, verdict, words) in [
            (Ok(whole.clone()), Verdict::Fine, "ends"),
            (Ok(Reply { closed: false, ..whole.clone() }), Verdict::Wrong, "hang"),
            (Ok(Reply { framing: Framing::Chunked, ..whole.clone() }), Verdict::Wrong, "chunks"),
            (Ok(Reply { framing: Framing::Close, ..whole }), Verdict::Fine, "ends"),
            (Err(Trouble::Broken("x".into())), Verdict::Wrong, "no answer"),
        ] {
            let step = judge_http10(&reply);
            assert_eq!(step.verdict, verdict, "{reply:?}");
            assert!(format!("{step:?}").contains(words), "{words} is not in {step:?}");
        }
    }

    #[test]
    fn a_reply_says_its_length() {
        let whole = reply(401, &[], "badauth");
        for (framing, verdict) in
            [(Framing::Length(7), Verdict::Fine), (Framing::Chunked, Verdict::Wrong), (Framing::Close, Verdict::Wrong)]
        {
            assert_eq!(judge_length(&Reply { framing, ..whole.clone() }).verdict, verdict, "{framing:?}");
        }
    }

    #[test]
    fn port_80_is_closed_or_answers_but_does_not_redirect() {
        for (reply, verdict) in [
            (Err(Trouble::Refused), Verdict::Fine),
            (Ok(reply(200, &[], "x")), Verdict::Fine),
            (Ok(reply(308, &[("Location", "https://x/")], "")), Verdict::Note),
            (Ok(reply(403, &[], "")), Verdict::Note),
        ] {
            assert_eq!(judge_plain_http(&reply).verdict, verdict, "{reply:?}");
        }
    }
}
