//! What is answered: return codes, and the reply they make.

use std::{
    borrow::Cow,
    fmt::{self, Write as _},
    net::IpAddr,
};

use http::{
    HeaderValue, Response, StatusCode,
    header::{ALLOW, CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE, WWW_AUTHENTICATE},
};

/// The codes that answer an update. They are the errors of parsing and of deciding, too.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReturnCode {
    /// `good`: something changed; the addresses set.
    Good(Vec<IpAddr>),
    /// `nochg`: all was as asked; the addresses asked for, or present.
    NoChg(Vec<IpAddr>),
    /// `badauth`: no credentials, or wrong ones.
    BadAuth,
    /// `nohost`: not this token's host, or not ours to change.
    NoHost,
    /// `notfqdn`: not a fully qualified name.
    NotFqdn,
    /// `numhost`: more than [`MAX_HOSTS`](crate::protocol::update::MAX_HOSTS) hosts.
    NumHost,
    /// `!donator`: offline, which the deployment does not allow.
    NotDonator,
    /// `dnserr`: Route 53 refused or did not answer, or there is nothing to set.
    DnsErr,
    /// `911`: our own fault.
    ServerError,
}

impl ReturnCode {
    /// The code word alone.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Good(_) => "good",
            Self::NoChg(_) => "nochg",
            Self::BadAuth => "badauth",
            Self::NoHost => "nohost",
            Self::NotFqdn => "notfqdn",
            Self::NumHost => "numhost",
            Self::NotDonator => "!donator",
            Self::DnsErr => "dnserr",
            Self::ServerError => "911",
        }
    }

    /// The status that goes with it. Only a 5xx makes every client try again.
    fn status(&self) -> StatusCode {
        match self {
            Self::Good(_) | Self::NoChg(_) | Self::NoHost | Self::NotFqdn | Self::NumHost | Self::NotDonator => {
                StatusCode::OK
            }
            Self::BadAuth => StatusCode::UNAUTHORIZED,
            Self::DnsErr | Self::ServerError => StatusCode::SERVICE_UNAVAILABLE,
        }
    }
}

impl fmt::Display for ReturnCode {
    /// The line: the word, then the addresses if there are any.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())?;
        if let Self::Good(addresses) | Self::NoChg(addresses) = self {
            for (index, address) in addresses.iter().enumerate() {
                f.write_str(if index == 0 { " " } else { "," })?;
                address.fmt(f)?;
            }
        }
        Ok(())
    }
}

/// A return code with its reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The code for the client.
    pub code: ReturnCode,
    /// The reason for the log.
    pub reason: Cow<'static, str>,
}

impl Refusal {
    /// A code with this reason.
    pub fn new(code: ReturnCode, reason: impl Into<Cow<'static, str>>) -> Self {
        Self { code, reason: reason.into() }
    }
}

/// The reply to an update: a line for each code. Any `dnserr` or `911` among them makes it a 503.
pub fn response(codes: &[ReturnCode]) -> Response<String> {
    let status = codes.iter().map(ReturnCode::status).max().unwrap_or(StatusCode::SERVICE_UNAVAILABLE);
    let mut lines = String::with_capacity(64);
    for code in codes {
        if !lines.is_empty() {
            lines.push('\n');
        }
        // Writing to a `String` cannot fail.
        let _ = write!(lines, "{code}");
    }
    let mut response = text(status, lines);
    if status == StatusCode::UNAUTHORIZED {
        // GNU wget, stock OpenWrt, ddupdate and DrayTek send no credentials before this.
        response.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Basic realm=\"nic53\""));
    }
    response
}

/// The caller's own address in the page of Dyn's checkip, which every client can read.
pub fn checkip(source: IpAddr) -> Response<String> {
    let page =
        format!("<html><head><title>Current IP Check</title></head><body>Current IP Address: {source}</body></html>");
    let mut response = text(StatusCode::OK, page);
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/html"));
    response
}

/// The caller's own address alone.
pub fn plain_ip(source: IpAddr) -> Response<String> {
    text(StatusCode::OK, source.to_string())
}

/// `404`, in words that no client takes for success.
pub fn not_found() -> Response<String> {
    text(StatusCode::NOT_FOUND, "not found".to_owned())
}

/// `405`, with the methods that are allowed.
pub fn method_not_allowed(allow: &'static str) -> Response<String> {
    let mut response = text(StatusCode::METHOD_NOT_ALLOWED, "method not allowed".to_owned());
    response.headers_mut().insert(ALLOW, HeaderValue::from_static(allow));
    response
}

/// A reply in plain text that no cache keeps.
pub fn text(status: StatusCode, body: String) -> Response<String> {
    let length = HeaderValue::from(body.len());
    let mut response = Response::new(body);
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/plain"));
    headers.insert(CONTENT_LENGTH, length);
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Addresses from their text.
    fn addresses(text: &[&str]) -> Vec<IpAddr> {
        text.iter().map(|text| text.parse().unwrap()).collect()
    }

    #[test]
    fn a_reply_has_one_line_a_host_and_no_newline_at_the_end() {
        let good = ReturnCode::Good(addresses(&["198.51.100.7", "2001:db8::7"]));
        let nochg = ReturnCode::NoChg(addresses(&["198.51.100.7"]));
        for (codes, status, body) in [
            (vec![good.clone()], 200, "good 198.51.100.7,2001:db8::7"),
            (vec![ReturnCode::NoChg(Vec::new())], 200, "nochg"),
            (
                vec![good, ReturnCode::NoHost, nochg.clone()],
                200,
                "good 198.51.100.7,2001:db8::7\nnohost\nnochg 198.51.100.7",
            ),
            (vec![nochg, ReturnCode::DnsErr], 503, "nochg 198.51.100.7\ndnserr"),
            (vec![ReturnCode::BadAuth], 401, "badauth"),
            (vec![ReturnCode::NotFqdn], 200, "notfqdn"),
            (vec![ReturnCode::NumHost], 200, "numhost"),
            (vec![ReturnCode::NotDonator], 200, "!donator"),
            (vec![ReturnCode::ServerError], 503, "911"),
        ] {
            let response = response(&codes);
            assert_eq!((response.status().as_u16(), response.body().as_str()), (status, body));
        }
    }

    #[test]
    fn every_other_endpoint_has_its_page() {
        let source: IpAddr = "203.0.113.9".parse().unwrap();
        let page =
            "<html><head><title>Current IP Check</title></head><body>Current IP Address: 203.0.113.9</body></html>";
        for (response, status, body, content_type) in [
            (checkip(source), 200, page, "text/html"),
            (plain_ip(source), 200, "203.0.113.9", "text/plain"),
            (not_found(), 404, "not found", "text/plain"),
            (method_not_allowed("GET, HEAD"), 405, "method not allowed", "text/plain"),
        ] {
            assert_eq!((response.status().as_u16(), response.body().as_str()), (status, body));
            assert_eq!(response.headers()[CONTENT_TYPE], content_type, "{body}");
            assert_eq!(response.headers()[CONTENT_LENGTH], body.len().to_string(), "{body}");
            assert_eq!(response.headers()[CACHE_CONTROL], "no-store", "{body}");
            assert_eq!(response.headers().get(ALLOW).is_some(), status == 405, "{body}");
        }
        assert_eq!(method_not_allowed("GET, HEAD").headers()[ALLOW], "GET, HEAD");
    }

    #[test]
    fn only_badauth_carries_a_challenge() {
        let challenge = |code| response(&[code]).headers().get(WWW_AUTHENTICATE).cloned();
        assert_eq!(challenge(ReturnCode::BadAuth).unwrap(), "Basic realm=\"nic53\"");
        assert_eq!(challenge(ReturnCode::NoHost), None);
    }
}
