//! One HTTP exchange on a bare connection, with an eye on how the reply is framed and whether the connection ends:
//! what old clients stumble over and a library smooths out.

use std::{fmt, io, time::Duration};

use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    time::{Instant, timeout, timeout_at},
};

/// The most octets of a reply that are read.
const MAX_REPLY: usize = 64 * 1024;

/// A connection, in the clear or not.
pub(super) trait Connection: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Connection for T {}

/// How long to wait.
#[derive(Clone, Copy, Debug)]
pub(super) struct Patience {
    /// For the whole reply.
    pub reply: Duration,
    /// For the end of the connection after it.
    pub close: Duration,
}

/// Why there is no reply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Trouble {
    /// The machine is there and nothing listens.
    Refused,
    /// This machine has no way there.
    NoRoute(String),
    /// Nothing came in time.
    Slow(Duration),
    /// What came is no HTTP, or broke off.
    Broken(String),
    /// TLS could not be agreed on.
    Tls(String),
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused => f.write_str("the connection is refused"),
            Self::NoRoute(error) => write!(f, "no way there from this machine: {error}"),
            Self::Slow(waited) => write!(f, "no answer within {} s", waited.as_secs()),
            Self::Broken(problem) => f.write_str(problem),
            Self::Tls(problem) => write!(f, "TLS: {problem}"),
        }
    }
}

impl Trouble {
    /// What an error of the socket means.
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

/// How the end of a body is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Framing {
    /// `Content-Length`.
    Length(usize),
    /// `Transfer-Encoding: chunked`.
    Chunked,
    /// By the end of the connection.
    Close,
}

/// A reply as it came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Reply {
    /// `HTTP/1.1`.
    pub version: String,
    /// `200`.
    pub status: u16,
    /// Names and values, as they were written.
    pub headers: Vec<(String, String)>,
    /// The body, unframed.
    pub body: String,
    /// How its end was told.
    pub framing: Framing,
    /// Whether the server ended the connection after it.
    pub closed: bool,
}

impl Reply {
    /// The first header of a name.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        let mut headers = self.headers.iter();
        headers.find(|(given, _)| given.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// The status and the body, short enough for a line.
    pub(super) fn shown(&self) -> String {
        let body: String =
            self.body.trim().chars().take(60).map(|letter| if letter.is_control() { ' ' } else { letter }).collect();
        if body.is_empty() { format!("{} without a body", self.status) } else { format!("{} `{body}`", self.status) }
    }

    /// Reads what came so far. `None` where more must come; an error where no more will, or it is no reply.
    fn read(bytes: &[u8], ended: bool) -> Option<Result<Self, Trouble>> {
        let broken = |problem: &str| Some(Err(Trouble::Broken(problem.to_owned())));
        let Some((head, body)) = split_head(bytes) else {
            return match (ended, bytes.is_empty()) {
                (false, _) => None,
                (true, true) => broken("the connection ended without a reply"),
                (true, false) => broken("the connection ended within the head of the reply"),
            };
        };
        let Some(mut reply) = Self::from_head(head) else { return broken("what came is not HTTP/1") };
        let body = match reply.framing {
            Framing::Length(length) => (body.len() >= length).then(|| body[..length].to_vec()),
            Framing::Chunked => unchunk(body),
            Framing::Close => ended.then(|| body.to_vec()),
        };
        match body {
            Some(body) => {
                reply.body = String::from_utf8_lossy(&body).into_owned();
                Some(Ok(reply))
            }
            None if ended => broken("the connection ended within the body"),
            None => None,
        }
    }

    /// The reply that a head begins.
    fn from_head(head: &str) -> Option<Self> {
        let mut lines = head.lines();
        let (version, rest) = lines.next()?.split_once(' ')?;
        let status = rest.get(..3)?.parse().ok()?;
        let header = |line: &str| line.split_once(':').map(|(name, value)| (name.to_owned(), value.trim().to_owned()));
        let headers: Vec<_> = lines.filter_map(header).collect();
        let mut reply = Self {
            version: version.to_owned(),
            status,
            headers,
            body: String::new(),
            framing: Framing::Close,
            closed: false,
        };
        let chunked =
            reply.header("Transfer-Encoding").is_some_and(|value| value.to_ascii_lowercase().contains("chunked"));
        let length = reply.header("Content-Length").and_then(|value| value.parse().ok());
        // RFC 9112 §6.3: neither 204 nor 304 has a body.
        let bare = matches!(status, 204 | 304).then_some(0);
        reply.framing =
            if chunked { Framing::Chunked } else { length.or(bare).map_or(Framing::Close, Framing::Length) };
        version.starts_with("HTTP/1").then_some(reply)
    }
}

/// Asks, and reads the one reply.
pub(super) async fn exchange(
    connection: &mut dyn Connection,
    request: &str,
    patience: Patience,
) -> Result<Reply, Trouble> {
    let deadline = Instant::now() + patience.reply;
    let slow = |_| Trouble::Slow(patience.reply);
    timeout_at(deadline, connection.write_all(request.as_bytes()))
        .await
        .map_err(slow)?
        .map_err(|error| Trouble::of(&error))?;
    timeout_at(deadline, connection.flush()).await.map_err(slow)?.map_err(|error| Trouble::of(&error))?;
    let mut bytes = Vec::new();
    let mut ended = false;
    let mut reply = loop {
        if let Some(reply) = Reply::read(&bytes, ended) {
            break reply?;
        }
        if bytes.len() > MAX_REPLY {
            return Err(Trouble::Broken(format!("the reply is longer than {MAX_REPLY} octets")));
        }
        ended = timeout_at(deadline, read_some(connection, &mut bytes)).await.map_err(slow)??;
    };
    reply.closed = ended || timeout(patience.close, read_to_end(connection)).await.is_ok();
    Ok(reply)
}

/// Reads what is there. Whether the connection has ended.
async fn read_some(connection: &mut dyn Connection, bytes: &mut Vec<u8>) -> Result<bool, Trouble> {
    match connection.read_buf(bytes).await {
        Ok(read) => Ok(read == 0),
        // A server that ends TLS without saying so, or with a request still unread.
        Err(error) if matches!(error.kind(), io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset) => Ok(true),
        Err(error) => Err(Trouble::of(&error)),
    }
}

/// Waits for the end of the connection.
async fn read_to_end(connection: &mut dyn Connection) {
    let mut rest = Vec::new();
    while matches!(read_some(connection, &mut rest).await, Ok(false)) {
        rest.clear();
    }
}

/// The head of a reply as text, and what follows it.
fn split_head(bytes: &[u8]) -> Option<(&str, &[u8])> {
    let end = bytes.windows(4).position(|window| window == b"\r\n\r\n")?;
    Some((std::str::from_utf8(&bytes[..end]).unwrap_or_default(), &bytes[end + 4..]))
}

/// The body that chunks make, where the last one is there (RFC 9112 §7.1).
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
    fn a_reply_is_complete_as_its_framing_says() {
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
            let reply = Reply::read(bytes.as_bytes(), ended).unwrap().unwrap();
            assert_eq!((reply.framing, reply.body.as_str()), (framing, body), "{bytes}");
        }
    }

    #[test]
    fn a_reply_that_is_not_complete_is_waited_for_until_the_connection_ends() {
        for bytes in [
            "",
            "HTTP/1.1 200 OK\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ngoo",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\ngo\r\n2",
        ] {
            assert_eq!(Reply::read(bytes.as_bytes(), false), None, "{bytes}");
            let ended = Reply::read(bytes.as_bytes(), true);
            assert!(matches!(ended, Some(Err(Trouble::Broken(_)))), "{bytes}: {ended:?}");
        }
        assert_eq!(Reply::read(b"HTTP/1.1 200 OK\r\n\r\ngood", false), None);
    }

    #[test]
    fn what_is_no_http_is_broken() {
        for bytes in ["SSH-2.0-x\r\n\r\n", "HTTP/2 200\r\n\r\n", "HTTP/1.1 abc\r\n\r\n", "\r\n\r\n"] {
            let read = Reply::read(bytes.as_bytes(), false);
            assert!(matches!(read, Some(Err(Trouble::Broken(_)))), "{bytes}: {read:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn whether_the_server_ends_the_connection_is_seen() {
        let patience = Patience { reply: Duration::from_secs(10), close: Duration::from_secs(3) };
        for closes in [true, false] {
            let (mut client, mut server) = tokio::io::duplex(1024);
            let serving = tokio::spawn(async move {
                server.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await.unwrap();
                if !closes {
                    tokio::time::sleep(Duration::from_mins(1)).await;
                }
            });
            let reply = exchange(&mut client, "GET / HTTP/1.0\r\n\r\n", patience).await.unwrap();
            assert_eq!((reply.body.as_str(), reply.closed), ("ok", closes));
            serving.abort();
        }
    }
}
