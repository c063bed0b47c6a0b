//! One HTTP exchange on a bare connection. It records how the response is framed and whether the
//! connection ends: old clients depend on both, and a library hides them.

use std::{fmt, io, time::Duration};

use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    time::{Instant, timeout, timeout_at},
};

use crate::{printable::excerpt, protocol::token::redact};

/// The most bytes of a response that are read.
const MAX_RESPONSE: usize = 64 * 1024;

/// A connection, with or without TLS.
pub(in crate::cli) trait Connection: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Connection for T {}

/// How long to wait.
#[derive(Clone, Copy, Debug)]
pub(in crate::cli) struct Timeouts {
    /// For the whole response.
    pub response: Duration,
    /// For the end of the connection after it.
    pub close: Duration,
}

/// Why there is no response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::cli) enum ExchangeError {
    /// Nothing listens on the port.
    Refused,
    /// This machine has no route to the address.
    NoRoute(String),
    /// The time ran out.
    Timeout(Duration),
    /// The response is not HTTP, or was cut short.
    Broken(String),
    /// The TLS handshake failed.
    Tls(String),
}

impl fmt::Display for ExchangeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused => f.write_str("the connection is refused"),
            Self::NoRoute(error) => write!(f, "this machine has no route there: {error}"),
            Self::Timeout(waited) => write!(f, "no answer within {} s", waited.as_secs()),
            Self::Broken(problem) => f.write_str(problem),
            Self::Tls(problem) => write!(f, "TLS: {problem}"),
        }
    }
}

impl ExchangeError {
    /// The error of a socket.
    pub(super) fn of(error: &io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::ConnectionRefused => Self::Refused,
            io::ErrorKind::NetworkUnreachable | io::ErrorKind::HostUnreachable | io::ErrorKind::AddrNotAvailable => {
                Self::NoRoute(error.to_string())
            }
            _ => Self::Broken(error.to_string()),
        }
    }
}

/// How the end of a body is marked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::cli) enum Framing {
    /// `Content-Length`.
    Length(usize),
    /// `Transfer-Encoding: chunked`.
    Chunked,
    /// By the end of the connection.
    Close,
}

/// A response as it was received.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::cli) struct Response {
    /// Such as `HTTP/1.1`.
    pub version: String,
    /// Such as 200.
    pub status: u16,
    /// Names and values, as the server wrote them.
    pub headers: Vec<(String, String)>,
    /// The body, without its framing.
    pub body: String,
    /// How the end of the body was marked.
    pub framing: Framing,
    /// Whether the server closed the connection after it.
    pub closed: bool,
}

impl Response {
    /// The first header of a name.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        let mut headers = self.headers.iter();
        headers.find(|(given, _)| given.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// The status and the body, short enough for a line, safe to print, and without a token that the server echoes.
    pub(in crate::cli) fn summary(&self) -> String {
        let body = excerpt(&redact(&self.body), 60);
        if body.is_empty() { format!("{} without a body", self.status) } else { format!("{} `{body}`", self.status) }
    }

    /// Whether it sends the client to another URL.
    pub(super) fn is_redirect(&self) -> bool {
        matches!(self.status, 301 | 302 | 303 | 307 | 308)
    }

    /// The status and the target of a redirect.
    pub(super) fn redirect(&self) -> String {
        format!("{} to {}", self.status, redact(self.header("Location").unwrap_or("nowhere")))
    }

    /// Parses what was received so far. `None` if more is needed; an error if no more will come or it is not HTTP/1.
    fn read(bytes: &[u8], ended: bool) -> Option<Result<Self, ExchangeError>> {
        let broken = |problem: &str| Some(Err(ExchangeError::Broken(problem.to_owned())));
        let Some((head, body)) = split_head(bytes) else {
            return match (ended, bytes.is_empty()) {
                (false, _) => None,
                (true, true) => broken("the connection ended without a response"),
                (true, false) => broken("the connection ended within the head of the response"),
            };
        };
        let Some(mut response) = Self::from_head(head) else { return broken("the response is not HTTP/1") };
        let body = match response.framing {
            Framing::Length(length) => (body.len() >= length).then(|| body[..length].to_vec()),
            Framing::Chunked => unchunk(body),
            Framing::Close => ended.then(|| body.to_vec()),
        };
        match body {
            Some(body) => {
                response.body = String::from_utf8_lossy(&body).into_owned();
                Some(Ok(response))
            }
            None if ended => broken("the connection ended within the body"),
            None => None,
        }
    }

    /// The response that a head begins.
    fn from_head(head: &str) -> Option<Self> {
        let mut lines = head.lines();
        let (version, rest) = lines.next()?.split_once(' ')?;
        let status = rest.get(..3)?.parse().ok()?;
        let header = |line: &str| line.split_once(':').map(|(name, value)| (name.to_owned(), value.trim().to_owned()));
        let headers: Vec<_> = lines.filter_map(header).collect();
        let mut response = Self {
            version: version.to_owned(),
            status,
            headers,
            body: String::new(),
            framing: Framing::Close,
            closed: false,
        };
        let chunked =
            response.header("Transfer-Encoding").is_some_and(|value| value.to_ascii_lowercase().contains("chunked"));
        let length = response.header("Content-Length").and_then(|value| value.parse().ok());
        // RFC 9112 §6.3: neither 204 nor 304 has a body.
        let bare = matches!(status, 204 | 304).then_some(0);
        response.framing =
            if chunked { Framing::Chunked } else { length.or(bare).map_or(Framing::Close, Framing::Length) };
        version.starts_with("HTTP/1").then_some(response)
    }
}

/// Sends a request and reads its response.
pub(super) async fn exchange(
    connection: &mut dyn Connection,
    request: &str,
    timeouts: Timeouts,
) -> Result<Response, ExchangeError> {
    let deadline = Instant::now() + timeouts.response;
    let slow = |_| ExchangeError::Timeout(timeouts.response);
    timeout_at(deadline, connection.write_all(request.as_bytes()))
        .await
        .map_err(slow)?
        .map_err(|error| ExchangeError::of(&error))?;
    timeout_at(deadline, connection.flush()).await.map_err(slow)?.map_err(|error| ExchangeError::of(&error))?;
    let mut bytes = Vec::new();
    let mut ended = false;
    let mut response = loop {
        if let Some(response) = Response::read(&bytes, ended) {
            break response?;
        }
        if bytes.len() > MAX_RESPONSE {
            return Err(ExchangeError::Broken(format!("the response is longer than {MAX_RESPONSE} bytes")));
        }
        ended = timeout_at(deadline, read_some(connection, &mut bytes)).await.map_err(slow)??;
    };
    response.closed = ended || timeout(timeouts.close, read_to_end(connection)).await.is_ok();
    Ok(response)
}

/// Reads what has arrived, and returns whether the connection has ended.
async fn read_some(connection: &mut dyn Connection, bytes: &mut Vec<u8>) -> Result<bool, ExchangeError> {
    match connection.read_buf(bytes).await {
        Ok(read) => Ok(read == 0),
        // A server that closes TLS without `close_notify`, or with a request still unread.
        Err(error) if matches!(error.kind(), io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset) => Ok(true),
        Err(error) => Err(ExchangeError::of(&error)),
    }
}

/// Waits for the end of the connection.
async fn read_to_end(connection: &mut dyn Connection) {
    let mut rest = Vec::new();
    while matches!(read_some(connection, &mut rest).await, Ok(false)) {
        rest.clear();
    }
}

/// The head of a response as text, and what follows it.
fn split_head(bytes: &[u8]) -> Option<(&str, &[u8])> {
    let end = bytes.windows(4).position(|window| window == b"\r\n\r\n")?;
    Some((std::str::from_utf8(&bytes[..end]).unwrap_or_default(), &bytes[end + 4..]))
}

/// The body of chunks, if the last one has arrived (RFC 9112 §7.1).
fn unchunk(mut bytes: &[u8]) -> Option<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let end = bytes.windows(2).position(|window| window == b"\r\n")?;
        let size = std::str::from_utf8(&bytes[..end]).ok()?;
        let size = usize::from_str_radix(size.split(';').next()?.trim(), 16).ok()?;
        bytes = &bytes[end + 2..];
        if size == 0 {
            return Some(body);
        }
        body.extend_from_slice(bytes.get(..size)?);
        bytes = bytes.get(size..)?.strip_prefix(b"\r\n")?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_response_is_complete_as_its_framing_says() {
        for (bytes, ended, framing, body) in [
            ("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ngood", false, Framing::Length(4), "good"),
            ("HTTP/1.1 200\r\ncontent-length: 4\r\n\r\ngood and more", false, Framing::Length(4), "good"),
            (
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\ngo\r\n2;x=y\r\nod\r\n0\r\n\r\n",
                false,
                Framing::Chunked,
                "good",
            ),
            ("HTTP/1.0 200 OK\r\n\r\ngood", true, Framing::Close, "good"),
            ("HTTP/1.1 204 No Content\r\n\r\n", false, Framing::Length(0), ""),
        ] {
            let response = Response::read(bytes.as_bytes(), ended).unwrap().unwrap();
            assert_eq!((response.framing, response.body.as_str()), (framing, body), "{bytes}");
        }
    }

    #[test]
    fn an_incomplete_response_is_waited_for_until_the_connection_ends() {
        for bytes in [
            "",
            "HTTP/1.1 200 OK\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ngoo",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\ngo\r\n2",
        ] {
            assert_eq!(Response::read(bytes.as_bytes(), false), None, "{bytes}");
            let ended = Response::read(bytes.as_bytes(), true);
            assert!(matches!(ended, Some(Err(ExchangeError::Broken(_)))), "{bytes}: {ended:?}");
        }
        assert_eq!(Response::read(b"HTTP/1.1 200 OK\r\n\r\ngood", false), None);
    }

    #[test]
    fn a_response_that_is_not_http_is_broken() {
        for bytes in ["SSH-2.0-x\r\n\r\n", "HTTP/2 200\r\n\r\n", "HTTP/1.1 abc\r\n\r\n", "\r\n\r\n"] {
            let read = Response::read(bytes.as_bytes(), false);
            assert!(matches!(read, Some(Err(ExchangeError::Broken(_)))), "{bytes}: {read:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn it_is_noticed_whether_the_server_closes_the_connection() {
        let timeouts = Timeouts { response: Duration::from_secs(10), close: Duration::from_secs(3) };
        for closes in [true, false] {
            let (mut client, mut server) = tokio::io::duplex(1024);
            let serving = tokio::spawn(async move {
                server.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await.unwrap();
                if !closes {
                    tokio::time::sleep(Duration::from_mins(1)).await;
                }
            });
            let response = exchange(&mut client, "GET / HTTP/1.0\r\n\r\n", timeouts).await.unwrap();
            assert_eq!((response.body.as_str(), response.closed), ("ok", closes));
            serving.abort();
        }
    }
}
