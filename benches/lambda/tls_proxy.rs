//! TLS in front of the fake Route 53, with the times of what passes.

use std::{
    io,
    net::SocketAddr,
    path::Path,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};
use tokio_rustls::{
    TlsAcceptor, TlsConnector,
    client::TlsStream,
    rustls::{
        ClientConfig, RootCertStore, ServerConfig,
        crypto::ring,
        pki_types::{CertificateDer, PrivateKeyDer, ServerName},
    },
};

/// The server that ends TLS, as long as its runtime.
pub struct TlsProxy {
    /// The address that it listens on.
    address: SocketAddr,
    /// The authority that its certificate comes from.
    authority: CertificateDer<'static>,
    /// From each request to the end of its reply.
    calls: Arc<Mutex<Vec<(Instant, Instant)>>>,
}

impl TlsProxy {
    /// Starts one in front of that address, and writes its authority into a file.
    pub async fn start(upstream: String, bundle: &Path) -> Self {
        let key = KeyPair::generate().expect("a key");
        let mut authority = CertificateParams::default();
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        // Of its own name, or its certificates look self-signed.
        authority.distinguished_name.push(DnType::CommonName, "authority of the benchmarks");
        let root = authority.self_signed(&key).expect("a certificate");
        std::fs::write(bundle, root.pem()).expect("room for a file");
        let issuer = Issuer::new(authority, key);
        let key = KeyPair::generate().expect("a key");
        let leaf = CertificateParams::new(["127.0.0.1".to_owned()]).expect("an address");
        let leaf = leaf.signed_by(&key, &issuer).expect("a certificate");
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("versions that ring has")
            .with_no_client_auth()
            .with_single_cert(
                vec![leaf.der().clone()],
                PrivateKeyDer::try_from(key.serialize_der()).expect("a private key"),
            )
            .expect("a certificate with its key");
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a loopback port");
        let address = listener.local_addr().expect("a bound socket");
        let calls = Arc::default();
        let seen = Arc::clone(&calls);
        tokio::spawn(async move {
            let acceptor = TlsAcceptor::from(Arc::new(config));
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(pass(stream, acceptor.clone(), upstream.clone(), Arc::clone(&seen)));
            }
        });
        Self { address, authority: root.der().clone(), calls }
    }

    /// Its URL: the value of `AWS_ENDPOINT_URL`.
    pub fn url(&self) -> String {
        format!("https://{}", self.address)
    }

    /// How long the calls were here since the last time this was asked: not the function's time.
    pub fn take_held(&self) -> Duration {
        let calls = std::mem::take(&mut *self.calls.lock().expect("no panic"));
        calls.iter().map(|(asked, answered)| *answered - *asked).sum()
    }

    /// The most calls that were here at once since the last time this was asked.
    pub fn take_at_once(&self) -> usize {
        let calls = std::mem::take(&mut *self.calls.lock().expect("no panic"));
        let at = |now: Instant| calls.iter().filter(|(asked, answered)| *asked <= now && now < *answered).count();
        calls.iter().map(|(asked, _)| at(*asked)).max().unwrap_or(0)
    }

    /// What the calls themselves take: connecting, the handshake, and these requests, in a program
    /// that does nothing else and has done it before.
    pub async fn bare_calls(&self, requests: &[String]) -> Duration {
        let mut roots = RootCertStore::empty();
        roots.add(self.authority.clone()).expect("an authority");
        let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("versions that ring has")
            .with_root_certificates(roots)
            .with_no_client_auth();
        let started = Instant::now();
        let stream = TcpStream::connect(self.address).await.expect("a server");
        stream.set_nodelay(true).expect("a socket");
        let name = ServerName::from(self.address.ip());
        let mut stream = TlsConnector::from(Arc::new(config)).connect(name, stream).await.expect("a handshake");
        for request in requests {
            stream.write_all(request.as_bytes()).await.expect("a server");
            let reply = read_reply(&mut stream).await.expect("a reply");
            assert!(reply.starts_with("HTTP/1.1 200 "), "{reply}");
        }
        started.elapsed()
    }
}

/// Reads a reply with a `Content-Length`.
async fn read_reply(stream: &mut TlsStream<TcpStream>) -> io::Result<String> {
    let mut reply = Vec::new();
    loop {
        if stream.read_buf(&mut reply).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let text = String::from_utf8_lossy(&reply);
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
        if length.and_then(|length| length.parse().ok()) == Some(body.len()) {
            return Ok(text.into_owned());
        }
    }
}

/// Passes on what comes, in both directions, and takes down the times.
async fn pass(
    client: TcpStream,
    acceptor: TlsAcceptor,
    upstream: String,
    calls: Arc<Mutex<Vec<(Instant, Instant)>>>,
) -> io::Result<()> {
    let mut server = TcpStream::connect(upstream).await?;
    server.set_nodelay(true)?;
    client.set_nodelay(true)?;
    let mut client = acceptor.accept(client).await?;
    let (mut requests, mut replies) = (vec![0; 32 * 1024], vec![0; 32 * 1024]);
    let mut asked = None;
    let mut call = None;
    loop {
        tokio::select! {
            read = client.read(&mut requests) => {
                let read = read?;
                if read == 0 {
                    return Ok(());
                }
                asked.get_or_insert_with(Instant::now);
                server.write_all(&requests[..read]).await?;
            }
            read = server.read(&mut replies) => {
                let read = read?;
                if read == 0 {
                    return Ok(());
                }
                client.write_all(&replies[..read]).await?;
                client.flush().await?;
                let now = Instant::now();
                let mut calls = calls.lock().expect("no panic");
                match asked.take() {
                    Some(asked) => {
                        call = Some(calls.len());
                        calls.push((asked, now));
                    }
                    // The reply goes on.
                    None => if let Some(call) = call.and_then(|call| calls.get_mut(call)) {
                        call.1 = now;
                    }
                }
            }
        }
    }
}
