//! HTTP as the client speaks it: one GET on a connection of its own, over one address family if that
//! matters, through the proxy that the environment names. No redirect is followed.

use std::{env, net::SocketAddr, path::Path, sync::Arc, time::Duration};

use http::{
    HeaderValue, Request, Uri,
    header::{AUTHORIZATION, CONNECTION, HOST, LOCATION, PROXY_AUTHORIZATION, USER_AGENT},
};
use http_body_util::{BodyExt, Empty, Limited};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::{
    client::proxy::matcher::{Intercept, Matcher},
    rt::TokioIo,
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpStream, lookup_host},
    time::timeout,
};
use tokio_rustls::{
    TlsConnector,
    rustls::{ClientConfig, RootCertStore, crypto::ring, pki_types::ServerName},
};

use super::roots::{certificate_advice, roots};
use crate::{
    aws::causes,
    printable::{excerpt, printable},
    protocol::address::Family,
};

/// How long connecting to one address may take.
const CONNECT_LIMIT: Duration = Duration::from_secs(5);

/// How long a request may take in all. A Lambda that was asleep answers within two seconds.
const LIMIT: Duration = Duration::from_secs(30);

/// The longest body that is read, in bytes. Twenty lines are less than 2 KiB.
const BODY_LIMIT: usize = 64 * 1024;

/// The name of this client. Dyn asks for "Company - Device - Version".
const AGENT: HeaderValue = HeaderValue::from_static(concat!("nic53/", env!("CARGO_PKG_VERSION")));

/// A client of HTTP.
pub struct Http {
    /// Which requests go through a proxy.
    proxies: Matcher,
    /// TLS, or why there is none.
    tls: Result<TlsConnector, String>,
}

/// A reply.
#[derive(Debug)]
pub struct HttpReply {
    /// The status.
    pub status: u16,
    /// The target of a redirect.
    pub location: Option<String>,
    /// The body.
    pub body: String,
}

impl Http {
    /// A client that trusts the certificates of a PEM file, else those of the system.
    ///
    /// # Errors
    ///
    /// If that file holds none.
    pub fn new(cacert: Option<&Path>) -> Result<Self, String> {
        let roots = match roots(cacert) {
            Err(problem) if cacert.is_some() => return Err(problem),
            // Without TLS, a gateway at http:// works all the same.
            roots => roots,
        };
        Ok(Self { proxies: proxies(|name| env::var(name).ok()), tls: roots.and_then(tls) })
    }

    /// Gets a URL over this family, or over any.
    ///
    /// # Errors
    ///
    /// If there is no reply: why, as one line.
    pub async fn get(
        &self,
        url: &Uri,
        authorization: Option<HeaderValue>,
        family: Option<Family>,
    ) -> Result<HttpReply, String> {
        let reply = timeout(LIMIT, self.exchange(url, authorization, family)).await;
        let reply = reply.unwrap_or_else(|_| Err(format!("{} does not answer within {} s", at(url), LIMIT.as_secs())));
        // A problem may quote the server: the names in its certificate, for example.
        reply.map_err(|problem| printable(&problem))
    }

    /// Connects, sends the request and reads the reply.
    async fn exchange(
        &self,
        url: &Uri,
        authorization: Option<HeaderValue>,
        family: Option<Family>,
    ) -> Result<HttpReply, String> {
        let proxy = self.proxies.intercept(url);
        let mut stream = self.connect(proxy.as_ref().map_or(url, Intercept::uri), family).await?;
        let mut request = Request::get(url).header(HOST, at(url)).header(USER_AGENT, AGENT).header(CONNECTION, "close");
        match &proxy {
            Some(proxy) if is_secure(url) => stream = self.encrypt(tunnel(stream, url, proxy).await?, url).await?,
            Some(proxy) => {
                request = proxy
                    .basic_auth()
                    .into_iter()
                    .fold(request, |request, auth| request.header(PROXY_AUTHORIZATION, auth));
            }
            None => request = request.uri(url.path_and_query().map_or("/", |target| target.as_str())),
        }
        request = authorization.into_iter().fold(request, |request, auth| request.header(AUTHORIZATION, auth));
        let request = request.body(Empty::new()).map_err(|error| error.to_string())?;
        answer(stream, request).await.map_err(|problem| format!("{}: {problem}", at(url)))
    }

    /// Connects to a server or a proxy, with TLS if its URL says so.
    async fn connect(&self, to: &Uri, family: Option<Family>) -> Result<Stream, String> {
        if !matches!(to.scheme_str(), Some("http" | "https")) {
            return Err(format!("the proxy {to}: expected http:// or https://"));
        }
        let stream = Box::new(reach(to, family).await?);
        if is_secure(to) { self.encrypt(stream, to).await } else { Ok(stream) }
    }

    /// Speaks TLS with the server that the URL names.
    async fn encrypt(&self, stream: Stream, url: &Uri) -> Result<Stream, String> {
        let tls = self.tls.as_ref().map_err(Clone::clone)?;
        let problem = |error: &dyn std::error::Error| format!("{}: TLS: {}", at(url), causes(error));
        let name = ServerName::try_from(bare_host(url).to_owned()).map_err(|error| problem(&error))?;
        let stream = tls.connect(name, stream).await.map_err(|error| match certificate_advice(&error) {
            Some(advice) => format!("{}: {advice}", problem(&error)),
            None => problem(&error),
        })?;
        Ok(Box::new(stream))
    }
}

impl HttpReply {
    /// What was answered, for a person: the status and the start of the body, or the target of the
    /// redirect.
    pub fn summary(&self) -> String {
        let body = excerpt(&self.body, 60);
        match &self.location {
            Some(location) => format!("{} to {}", self.status, excerpt(location, 200)),
            None if body.is_empty() => format!("{} with an empty body", self.status),
            None => format!("{} `{body}`", self.status),
        }
    }
}

/// Which requests go through a proxy, as curl decides it: the lower-case name of each variable counts
/// first. `HTTP_PROXY` never counts, because a CGI program finds a caller's `Proxy:` header in it.
fn proxies(variable: impl Fn(&str) -> Option<String>) -> Matcher {
    let variable = |name: &str| variable(name).filter(|value| !value.is_empty());
    let either = |lower: &str| variable(lower).or_else(|| variable(&lower.to_ascii_uppercase())).unwrap_or_default();
    Matcher::builder()
        .http(variable("http_proxy").unwrap_or_default())
        .https(either("https_proxy"))
        .all(either("all_proxy"))
        .no(either("no_proxy"))
        .build()
}

/// A connection, with or without TLS.
type Stream = Box<dyn Connection>;

/// A connection as a trait object.
trait Connection: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Connection for T {}

/// Connects to the first address of a host that accepts.
async fn reach(to: &Uri, family: Option<Family>) -> Result<TcpStream, String> {
    let host = bare_host(to);
    let port = to.port_u16().unwrap_or(if is_secure(to) { 443 } else { 80 });
    let found = lookup_host((host, port)).await.map_err(|error| format!("{host}: {error}"))?;
    let addresses = of_family(found, family);
    let mut problem = match family {
        Some(family) => format!("{host} has no {} address", family.name()),
        None => format!("{host} has no address"),
    };
    for address in addresses {
        match timeout(CONNECT_LIMIT, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => return Ok(stream),
            Ok(Err(error)) => problem = format!("{host} ({address}): {error}"),
            Err(_) => problem = format!("{host} ({address}): no connection within {} s", CONNECT_LIMIT.as_secs()),
        }
    }
    Err(problem)
}

/// The addresses of a family, or all.
fn of_family(addresses: impl Iterator<Item = SocketAddr>, family: Option<Family>) -> Vec<SocketAddr> {
    addresses.filter(|address| family.is_none_or(|family| Family::of(address.ip()) == family)).collect()
}

/// Opens a tunnel through the proxy (CONNECT).
async fn tunnel(stream: Stream, url: &Uri, proxy: &Intercept) -> Result<Stream, String> {
    let target = format!("{}:{}", url.host().unwrap_or_default(), url.port_u16().unwrap_or(443));
    let problem = |problem: &str| format!("the proxy {}: {problem}", at(proxy.uri()));
    let mut request = Request::connect(&target).header(HOST, &target).header(USER_AGENT, AGENT);
    request = proxy.basic_auth().into_iter().fold(request, |request, auth| request.header(PROXY_AUTHORIZATION, auth));
    let request = request.body(Empty::new()).map_err(|error| error.to_string())?;
    let mut sender = start(stream).await.map_err(|error| problem(&error))?;
    let response = sender.send_request(request).await.map_err(|error| problem(&causes(&error)))?;
    if !response.status().is_success() {
        return Err(problem(&format!("answers {} to CONNECT {target}", response.status())));
    }
    let stream = hyper::upgrade::on(response).await.map_err(|error| problem(&causes(&error)))?;
    Ok(Box::new(TokioIo::new(stream)))
}

/// Sends a request and reads the whole reply.
async fn answer(stream: Stream, request: Request<Empty<&'static [u8]>>) -> Result<HttpReply, String> {
    let mut sender = start(stream).await?;
    let response = sender.send_request(request).await.map_err(|error| causes(&error))?;
    let status = response.status().as_u16();
    let location =
        response.headers().get(LOCATION).map(|location| String::from_utf8_lossy(location.as_bytes()).into_owned());
    let body = Limited::new(response.into_body(), BODY_LIMIT).collect().await.map_err(|error| causes(&*error))?;
    Ok(HttpReply { status, location, body: String::from_utf8_lossy(&body.to_bytes()).into_owned() })
}

/// Starts HTTP/1.1 on a connection, which ends when the sender is dropped.
async fn start(stream: Stream) -> Result<SendRequest<Empty<&'static [u8]>>, String> {
    let (sender, connection) = handshake(TokioIo::new(stream)).await.map_err(|error| causes(&error))?;
    // Its errors reach the sender.
    tokio::spawn(connection.with_upgrades());
    Ok(sender)
}

/// Whether TLS is asked for.
fn is_secure(url: &Uri) -> bool {
    url.scheme_str() == Some("https")
}

/// Host and port, as the URL has them.
fn at(url: &Uri) -> &str {
    url.authority().map_or("", |authority| authority.as_str())
}

/// The host without the brackets of an IPv6 address.
fn bare_host(url: &Uri) -> &str {
    url.host().unwrap_or_default().trim_start_matches('[').trim_end_matches(']')
}

/// TLS with these roots.
fn tls(roots: RootCertStore) -> Result<TlsConnector, String> {
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| format!("TLS: {error}"))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(TlsConnector::from(Arc::new(config)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_addresses_of_the_family_are_connected_to() {
        let found: Vec<SocketAddr> =
            ["192.0.2.1:80", "[2001:db8::1]:80", "192.0.2.2:80"].iter().map(|text| text.parse().unwrap()).collect();
        for (family, expected) in [
            (None, &["192.0.2.1:80", "[2001:db8::1]:80", "192.0.2.2:80"][..]),
            (Some(Family::V4), &["192.0.2.1:80", "192.0.2.2:80"]),
            (Some(Family::V6), &["[2001:db8::1]:80"]),
        ] {
            let addresses: Vec<_> = of_family(found.iter().copied(), family).iter().map(ToString::to_string).collect();
            assert_eq!(addresses, expected, "{family:?}");
        }
    }

    #[test]
    fn the_variables_of_proxies_count_as_for_curl() {
        let (http, https) = ("http://gw/", "https://gw/");
        for (variables, url, expected) in [
            (&[("http_proxy", "http://a")][..], http, Some("http://a/")),
            (&[("HTTP_PROXY", "http://a")], http, None),
            (&[("HTTP_PROXY", "http://a"), ("ALL_PROXY", "http://b")], http, Some("http://b/")),
            (&[("http_proxy", "http://a")], https, None),
            (&[("HTTPS_PROXY", "http://a")], https, Some("http://a/")),
            (&[("HTTPS_PROXY", "http://a"), ("https_proxy", "http://b")], https, Some("http://b/")),
            (&[("HTTPS_PROXY", "http://a"), ("https_proxy", "")], https, Some("http://a/")),
            (&[("all_proxy", "http://a"), ("NO_PROXY", "gw")], https, None),
            (&[("all_proxy", "http://a"), ("no_proxy", "other")], https, Some("http://a/")),
        ] {
            let variable = |name: &str| {
                let found = variables.iter().find(|(other, _)| *other == name);
                found.map(|(_, value)| (*value).to_owned())
            };
            let proxy = proxies(variable).intercept(&url.parse().unwrap()).map(|proxy| proxy.uri().to_string());
            assert_eq!(proxy.as_deref(), expected, "{variables:?} {url}");
        }
    }

    #[test]
    fn a_summary_is_one_short_line() {
        for (status, location, body, seen) in [
            (200, None, "good 192.0.2.1", "200 `good 192.0.2.1`"),
            (502, None, "<html>\r\n  <h1>Bad\u{7} gateway</h1>", r"502 `<html> <h1>Bad\u{7} gateway</h1>`"),
            (204, None, "", "204 with an empty body"),
            (301, Some("https://x/"), "moved", "301 to https://x/"),
            (200, None, &"x".repeat(100), &format!("200 `{}`", "x".repeat(60))),
        ] {
            let reply = HttpReply { status, location: location.map(ToOwned::to_owned), body: body.to_owned() };
            assert_eq!(reply.summary(), seen);
        }
    }
}
