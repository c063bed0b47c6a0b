//! The steps `tls` and `tls-1.2`: the certificate, and the versions of TLS.

use std::{
    net::SocketAddr,
    time::{SystemTime, UNIX_EPOCH},
};

use rustls::{CertificateError, Error, ProtocolVersion};

use super::{
    http::ExchangeError,
    probe::Probe,
    report::Step,
    tls::{self, Session, Tls},
    x509::Certificate,
};

/// The name of the first step.
const NAME: &str = "tls";

/// Looks at the certificate and at the versions of TLS. Also returns whether a token may be sent there.
pub(super) async fn check(probe: &Probe, tls: &Tls, address: SocketAddr) -> (Vec<Step>, bool) {
    let inspect = async |versions| {
        let stream = probe.connect(address).await?;
        probe.within(tls.inspect(stream, &probe.url.host, versions)).await.map(|(_, session)| session)
    };
    let session = match inspect(&tls::ANY).await {
        Ok(session) => session,
        Err(error) => return (vec![no_tls(&error)], false),
    };
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |now| now.as_secs().cast_signed());
    let mut steps = vec![judge(&session, &probe.url.host, now)];
    if session.version == Some(ProtocolVersion::TLSv1_3) {
        steps.push(judge_old(inspect(&tls::OLD).await.err()));
    }
    (steps, session.trust.is_ok())
}

/// The step of a handshake that failed.
fn no_tls(error: &ExchangeError) -> Step {
    Step::wrong(NAME, error.to_string())
        .meaning("no client can connect over TLS")
        .advice("make sure that the server speaks TLS 1.2 or 1.3 on this port and has a certificate")
}

/// The step of a handshake with TLS 1.2 alone.
fn judge_old(error: Option<ExchangeError>) -> Step {
    let name = "tls-1.2";
    match error {
        None => Step::fine(name, "TLS 1.2 is accepted too, the newest version that many routers have"),
        Some(error) => Step::note(name, format!("TLS 1.2 is refused: {error}"))
            .meaning("routers without TLS 1.3 do not reach the gateway")
            .advice("allow TLS 1.2 if such a router needs the gateway"),
    }
}

/// Whether the certificate is trusted, and for how long.
fn judge(session: &Session, host: &str, now: i64) -> Step {
    let certificate = session.chain.first().and_then(|der| Certificate::read(der));
    let observed = describe(session, certificate.as_ref(), now);
    if let Err(error) = &session.trust {
        let (meaning, advice) = distrust(error, session.chain.len(), host);
        let reason = match error {
            Error::InvalidCertificate(problem) if is_authority(problem) => "an authority's (CA:TRUE)".to_owned(),
            _ => error.to_string(),
        };
        return Step::wrong(NAME, format!("{observed}: {reason}")).meaning(meaning).advice(advice);
    }
    if certificate.is_some_and(|certificate| certificate.is_overdue(now)) {
        return Step::wrong(NAME, observed)
            .meaning("it should have been renewed by now; once it has expired, every client refuses it")
            .advice("find out why it was not renewed");
    }
    Step::fine(NAME, observed)
}

/// The version, the chain, and the days left.
fn describe(session: &Session, certificate: Option<&Certificate>, now: i64) -> String {
    let version = match session.version {
        Some(ProtocolVersion::TLSv1_3) => "TLS 1.3",
        Some(ProtocolVersion::TLSv1_2) => "TLS 1.2",
        Some(_) | None => "TLS",
    };
    let length = session.chain.len();
    let chain = if length == 1 { "1 certificate".to_owned() } else { format!("{length} certificates") };
    let Some(certificate) = certificate else { return format!("{version}, a chain of {chain}") };
    let Certificate { subject, issuer, .. } = certificate;
    let life = match certificate.days_left(now) {
        days if days < 0 => format!("expired {} days ago", -days),
        days => format!("{days} days left"),
    };
    format!("{version}, a chain of {chain}: {subject} by {issuer}, {life}")
}

/// Why a certificate is not trusted, and what to do about it. `chain`: how many certificates were sent.
fn distrust(error: &Error, chain: usize, host: &str) -> (&'static str, String) {
    let Error::InvalidCertificate(problem) = error else {
        return ("the certificate could not be verified", "look at the server's certificate".to_owned());
    };
    let (meaning, advice) = match problem {
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => (
            "the certificate has expired, and every client that verifies it refuses it",
            "renew it, and find out why it was not renewed",
        ),
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => (
            "the certificate is not valid yet, or the clock of this machine is wrong",
            "compare the clocks of both machines",
        ),
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => (
            "the certificate is for another name",
            "get one for the name in the URL, or use the certificate's name in the URL",
        ),
        CertificateError::BadSignature => (
            "a certificate of the chain is not signed by the authority that is trusted under its issuer's name",
            "have the server send the chain that belongs to its certificate; for an authority of your own, --cacert FILE",
        ),
        CertificateError::UnknownIssuer if chain == 1 => (
            "the issuer is not trusted here: it is private, or the server does not send the intermediate certificate",
            "have the server send the whole chain; for an authority of your own, --cacert FILE",
        ),
        CertificateError::UnknownIssuer => (
            "the issuer is not trusted here",
            "for an authority of your own, --cacert FILE; every client needs that file too",
        ),
        _ if is_authority(problem) => {
            return (
                "it is marked as the certificate of an authority, as `openssl req -x509` does, and many clients refuse such a one from a server",
                own_certificate(host),
            );
        }
        _ => ("the certificate cannot be verified", "look at the server's certificate"),
    };
    (meaning, advice.to_owned())
}

/// Whether the server's own certificate is one of an authority. rustls has no variant for that: it passes the error of
/// webpki on as text.
fn is_authority(problem: &CertificateError) -> bool {
    problem.to_string().contains("CaUsedAsEndEntity")
}

/// How to make a self-signed certificate that clients accept.
fn own_certificate(host: &str) -> String {
    let kind = if host.parse::<std::net::IpAddr>().is_ok() { "IP" } else { "DNS" };
    format!(
        "make one that is not an authority's: `openssl req -x509 -newkey rsa:2048 -nodes -days 365 -keyout key.pem -out cert.pem \
         -subj /CN={host} -addext subjectAltName={kind}:{host} -addext basicConstraints=critical,CA:FALSE`; \
         then --cacert cert.pem, here and for every client"
    )
}
