//! Fake gateways: they give scripted replies, also those that no gateway gives, and keep what they
//! were asked.

use std::{
    io::{self, BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    sync::{
        Arc,
        mpsc::{self, Receiver, Sender},
    },
    thread,
};

use tokio_rustls::rustls::{
    ServerConfig, ServerConnection, StreamOwned,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
};

/// A server that gives scripted replies, one a connection, and keeps what it was asked.
pub struct FakeServer {
    /// `http://` and its address.
    pub url: String,
    asked: Receiver<String>,
}

impl FakeServer {
    pub fn new(replies: &[String]) -> Self {
        Self::on("127.0.0.1:0", replies)
    }

    pub fn on(address: &str, replies: &[String]) -> Self {
        let listener = TcpListener::bind(address).expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let (sender, asked) = mpsc::channel();
        let replies = replies.to_vec();
        thread::spawn(move || {
            for (index, stream) in listener.incoming().enumerate() {
                let reply = replies.get(index).cloned().unwrap_or_else(|| http(500, "not in the script"));
                // The client reports a connection that breaks.
                let _ = stream.and_then(|stream| answer(stream, &reply, &sender));
            }
        });
        Self { url, asked }
    }

    /// The requests since the last call, header by header.
    pub fn asked(&self) -> Vec<String> {
        self.asked.try_iter().collect()
    }

    /// The targets of the requests since the last call.
    pub fn targets(&self) -> Vec<String> {
        let target = |head: String| head.split(' ').nth(1).unwrap_or_default().to_owned();
        self.asked().into_iter().map(target).collect()
    }
}

/// Reads one request, keeps it, and answers.
fn answer(stream: impl Read + Write, reply: &str, asked: &Sender<String>) -> io::Result<()> {
    let mut stream = BufReader::new(stream);
    let head = read_head(&mut stream)?;
    // Nobody listens any more if the test is over.
    let _ = asked.send(head);
    stream.get_mut().write_all(reply.as_bytes())?;
    stream.get_mut().flush()
}

/// The head of a request, its lines ended as on this system, without the empty one.
fn read_head(stream: &mut impl BufRead) -> io::Result<String> {
    let mut head = String::new();
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line)? == 0 || line == "\r\n" {
            return Ok(head);
        }
        head += &line.replace("\r\n", "\n");
    }
}

/// A reply as a gateway writes it.
pub fn http(status: u16, body: &str) -> String {
    format!("HTTP/1.1 {status} X\r\nContent-Type: text/plain\r\nContent-Length: {}\r\n\r\n{body}", body.len())
}

/// An address of this machine where nobody listens: the port is reserved (RFC 1078), and no port that
/// the system chooses.
pub const NOBODY: &str = "127.0.0.1:1";

/// A fake server behind TLS that always gives the same reply, and its port. It is `localhost` and
/// `gateway.example.org` to those who trust the certificate of [`tls_pem`].
pub fn tls_gateway(body: &str) -> u16 {
    tls_gateway_of(tls_pem(), body)
}

/// The same with the certificate and the key of a PEM file.
pub fn tls_gateway_of(pem: &str, body: &str) -> u16 {
    let certificate = CertificateDer::from_pem_file(pem).expect("a certificate");
    let key = PrivateKeyDer::from_pem_file(pem).expect("a key");
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("versions of TLS")
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .expect("a key that fits");
    let config = Arc::new(config);
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let reply = http(200, body);
    thread::spawn(move || {
        for stream in listener.incoming() {
            let serve = |stream| {
                let connection = ServerConnection::new(Arc::clone(&config)).map_err(io::Error::other)?;
                answer(StreamOwned::new(connection, stream), &reply, &mpsc::channel().0)
            };
            // A client that does not like the certificate hangs up.
            let _ = stream.and_then(serve);
        }
    });
    port
}

/// The file of that certificate and its key.
pub fn tls_pem() -> &'static str {
    concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/support/tls.pem")
}

/// A proxy that leads every CONNECT to this port, and what it was asked.
pub fn connect_proxy(port: u16) -> (String, Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address").to_string();
    let (sender, asked) = mpsc::channel();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let lead = |mut stream: TcpStream| {
                let head = read_head(&mut BufReader::new(stream.try_clone()?))?;
                let _ = sender.send(head);
                stream.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n")?;
                let mut upstream = TcpStream::connect(("127.0.0.1", port))?;
                let (mut from, mut to) = (stream.try_clone()?, upstream.try_clone()?);
                thread::spawn(move || io::copy(&mut from, &mut to));
                io::copy(&mut upstream, &mut stream).map(|_| ())
            };
            // The client reports a connection that breaks.
            let _ = stream.and_then(lead);
        }
    });
    (address, asked)
}
