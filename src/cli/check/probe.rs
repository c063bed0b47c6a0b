//! The gateway that is checked, and asking it as a router would.

use std::{
    fmt::Write as _,
    net::{IpAddr, SocketAddr},
};

use tokio::{net::TcpStream, time::timeout};
use zeroize::Zeroizing;

use super::{
    http::{Connection, ExchangeError, Response, Timeouts, exchange},
    report::Step,
    tls::{self, Tls},
};
use crate::client::{basic::basic, gateway_url::GatewayUrl};

/// The gateway that is checked, and how to reach it.
pub(in crate::cli) struct Probe {
    /// Its URL.
    pub url: GatewayUrl,
    /// TLS, if the URL asks for it.
    pub tls: Option<Tls>,
    /// How long to wait for it.
    pub timeouts: Timeouts,
}

/// A request as a router would write it.
pub(in crate::cli) struct Request<'a> {
    /// Path and query.
    pub target: String,
    /// Whether it is HTTP/1.0, as inadyn and ez-ipupdate send it.
    pub old: bool,
    /// User name and token.
    pub credentials: Option<(&'a str, &'a str)>,
    /// The JSON that is posted.
    pub body: Option<String>,
}

impl<'a> Request<'a> {
    /// A request without credentials.
    pub(in crate::cli) fn get(target: impl Into<String>) -> Self {
        Self { target: target.into(), old: false, credentials: None, body: None }
    }

    /// A request with JSON as its body.
    pub(super) fn post(target: impl Into<String>, body: String) -> Self {
        Self { body: Some(body), ..Self::get(target) }
    }

    /// The same request with credentials.
    pub(in crate::cli) fn by(self, user: &'a str, token: &'a str) -> Self {
        Self { credentials: Some((user, token)), ..self }
    }

    /// The request as it is sent.
    fn text(&self, server: &str) -> Zeroizing<String> {
        let Self { target, old, credentials, body } = self;
        let version = if *old { "1.0" } else { "1.1" };
        let method = if body.is_some() { "POST" } else { "GET" };
        let mut text = Zeroizing::new(format!("{method} {target} HTTP/{version}\r\nHost: {server}\r\n"));
        text.push_str(concat!("User-Agent: nic53-check/", env!("CARGO_PKG_VERSION"), "\r\n"));
        if !old {
            text.push_str("Accept: */*\r\nConnection: close\r\n");
        }
        if let Some((user, token)) = credentials {
            text.push_str("Authorization: ");
            text.push_str(&basic(user, token));
            text.push_str("\r\n");
        }
        if let Some(body) = body {
            let _ = write!(text, "Content-Type: application/json\r\nContent-Length: {}\r\n", body.len());
        }
        text.push_str("\r\n");
        text.push_str(body.as_deref().unwrap_or_default());
        text
    }
}

impl Probe {
    /// Sends a request to one of the gateway's addresses. Also returns the local address of the connection.
    /// Credentials are sent to a trusted server only.
    pub(in crate::cli) async fn ask(
        &self,
        address: SocketAddr,
        request: &Request<'_>,
    ) -> Result<(Response, IpAddr), ExchangeError> {
        let stream = self.connect(address).await?;
        let own = stream.local_addr().map_err(|error| ExchangeError::of(&error))?.ip();
        let host = &self.url.host;
        let mut connection: Box<dyn Connection> = match (&self.tls, request.credentials) {
            (None, _) => Box::new(stream),
            (Some(tls), None) => Box::new(self.within(tls.inspect(stream, host, &tls::ANY)).await?.0),
            (Some(tls), Some(_)) => Box::new(self.within(tls.verify(stream, host)).await?),
        };
        let response = exchange(connection.as_mut(), &request.text(&self.url.authority()), self.timeouts).await?;
        Ok((response, own))
    }

    /// Sends a request over plain HTTP whatever the URL's scheme, without credentials.
    pub(super) async fn ask_plain(
        &self,
        address: SocketAddr,
        request: &Request<'_>,
    ) -> Result<Response, ExchangeError> {
        let mut stream = self.connect(address).await?;
        let request = Request { old: request.old, ..Request::get(request.target.clone()) };
        exchange(&mut stream, &request.text(&self.url.host), self.timeouts).await
    }

    /// Connects to one address.
    pub(super) async fn connect(&self, address: SocketAddr) -> Result<TcpStream, ExchangeError> {
        let connecting = async { TcpStream::connect(address).await.map_err(|error| ExchangeError::of(&error)) };
        self.within(connecting).await
    }

    /// Limits an attempt to the time for a response.
    pub(super) async fn within<T>(
        &self,
        attempt: impl Future<Output = Result<T, ExchangeError>>,
    ) -> Result<T, ExchangeError> {
        let limit = self.timeouts.response;
        timeout(limit, attempt).await.unwrap_or(Err(ExchangeError::Timeout(limit)))
    }

    /// A path of the gateway.
    pub(super) fn path(&self, path: &str) -> String {
        format!("{}{path}", self.url.prefix)
    }
}

/// The step of a request that got no response.
pub(super) fn unanswered(name: &'static str, error: &ExchangeError) -> Step {
    let observed = error.to_string();
    match error {
        ExchangeError::NoRoute(_) => {
            Step::unknown(name, observed).advice("check the network of this machine, then check again")
        }
        ExchangeError::Refused | ExchangeError::Timeout(_) | ExchangeError::Broken(_) | ExchangeError::Tls(_) => {
            Step::wrong(name, observed)
                .meaning("clients get no answer")
                .advice("make sure that the gateway runs; look at its log and at what is in front of it")
        }
    }
}

/// Responses of the tests.
#[cfg(test)]
pub(in crate::cli) mod testing {
    use super::*;
    use crate::cli::check::http::Framing;

    /// A response of a head and a body, as it would have been read.
    pub(in crate::cli) fn response(status: u16, headers: &[(&str, &str)], body: &str) -> Response {
        Response {
            version: "HTTP/1.1".to_owned(),
            status,
            headers: headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
            body: body.to_owned(),
            framing: Framing::Length(body.len()),
            closed: true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_written_as_a_router_writes_it() {
        let request = Request::get("/nic/update").by("a.example.org", "tok");
        let text = request.text("dyn.example.org");
        assert!(text.starts_with("GET /nic/update HTTP/1.1\r\nHost: dyn.example.org\r\n"), "{}", *text);
        assert!(text.contains("\r\nAuthorization: Basic YS5leGFtcGxlLm9yZzp0b2s=\r\n") && text.ends_with("\r\n\r\n"));
        let post = Request::post("/present", "{}".to_owned()).text("x");
        assert!(post.starts_with("POST /present HTTP/1.1\r\n"), "{}", *post);
        assert!(post.ends_with("Content-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"), "{}", *post);
        let old = Request { old: true, ..Request::get("/checkip") };
        assert_eq!(old.text("x").lines().filter(|line| line.starts_with("Connection")).count(), 0);
    }
}
