//! TLS handshakes as a client: one that accepts any certificate and reports it, and one that verifies it.

use std::{
    path::Path,
    sync::{Arc, Mutex, PoisonError},
};

use rustls::{
    ClientConfig, DigitallySignedStruct, Error, ProtocolVersion, SignatureScheme, SupportedProtocolVersion,
    client::{
        WebPkiServerVerifier,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    },
    crypto::{CryptoProvider, ring},
    pki_types::{CertificateDer, ServerName, UnixTime},
    version::{TLS12, TLS13},
};
use tokio::net::TcpStream;
use tokio_rustls::{TlsConnector, client::TlsStream};

use super::http::ExchangeError;
use crate::client::roots::roots;

/// What TLS needs.
#[derive(Clone)]
pub(in crate::cli) struct Tls {
    /// Verifies certificates.
    verifier: Arc<WebPkiServerVerifier>,
    /// The cryptography: ring.
    provider: Arc<CryptoProvider>,
}

/// What a handshake showed.
pub(super) struct Session {
    /// The version that was agreed on.
    pub version: Option<ProtocolVersion>,
    /// The certificates that were sent, the server's own first.
    pub chain: Vec<CertificateDer<'static>>,
    /// Whether they are trusted, for this name and now.
    pub trust: Result<(), Error>,
}

impl Tls {
    /// Trusts the certificates of a PEM file, else those of the system.
    ///
    /// # Errors
    ///
    /// If the file has no certificates, or the system has none.
    pub(super) fn new(file: Option<&Path>) -> Result<Self, String> {
        let roots = roots(file)?;
        let provider = Arc::new(ring::default_provider());
        let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider))
            .build()
            .map_err(|error| format!("TLS: {error}"))?;
        Ok(Self { verifier, provider })
    }

    /// Shakes hands whatever the certificate. Nothing secret may be sent over this connection.
    pub(super) async fn inspect(
        &self,
        stream: TcpStream,
        host: &str,
        versions: &[&'static SupportedProtocolVersion],
    ) -> Result<(TlsStream<TcpStream>, Session), ExchangeError> {
        let observer = Arc::new(Observer { inner: Arc::clone(&self.verifier), trust: Mutex::new(None) });
        let config = self.config(versions, Arc::clone(&observer) as Arc<dyn ServerCertVerifier>)?;
        let stream = shake(stream, host, config).await?;
        let session = stream.get_ref().1;
        let chain =
            session.peer_certificates().unwrap_or_default().iter().map(|der| der.clone().into_owned()).collect();
        let trust = observer.trust.lock().unwrap_or_else(PoisonError::into_inner).take();
        let trust = trust.unwrap_or_else(|| Err(Error::NoCertificatesPresented));
        let version = session.protocol_version();
        Ok((stream, Session { version, chain, trust }))
    }

    /// Shakes hands with a trusted server only.
    pub(super) async fn verify(&self, stream: TcpStream, host: &str) -> Result<TlsStream<TcpStream>, ExchangeError> {
        let config = self.config(&[&TLS13, &TLS12], Arc::clone(&self.verifier) as Arc<dyn ServerCertVerifier>)?;
        shake(stream, host, config).await
    }

    /// A configuration of these versions and this verifier.
    fn config(
        &self,
        versions: &[&'static SupportedProtocolVersion],
        verifier: Arc<dyn ServerCertVerifier>,
    ) -> Result<ClientConfig, ExchangeError> {
        let builder = ClientConfig::builder_with_provider(Arc::clone(&self.provider))
            .with_protocol_versions(versions)
            .map_err(|error| ExchangeError::Tls(error.to_string()))?;
        Ok(builder.dangerous().with_custom_certificate_verifier(verifier).with_no_client_auth())
    }
}

/// Both versions that rustls has.
pub(super) const ANY: [&SupportedProtocolVersion; 2] = [&TLS13, &TLS12];
/// TLS 1.2 alone, the newest version that many devices have.
pub(super) const OLD: [&SupportedProtocolVersion; 1] = [&TLS12];

/// The handshake.
async fn shake(stream: TcpStream, host: &str, config: ClientConfig) -> Result<TlsStream<TcpStream>, ExchangeError> {
    let name = ServerName::try_from(host.to_owned()).map_err(|error| ExchangeError::Tls(format!("{host}: {error}")))?;
    let connector = TlsConnector::from(Arc::new(config));
    connector.connect(name, stream).await.map_err(|error| ExchangeError::Tls(error.to_string()))
}

/// Records whether a certificate is trusted, and accepts it in any case.
#[derive(Debug)]
struct Observer {
    /// The verifier that decides.
    inner: Arc<WebPkiServerVerifier>,
    /// Its decision.
    trust: Mutex<Option<Result<(), Error>>>,
}

impl ServerCertVerifier for Observer {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let decision = self.inner.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now);
        *self.trust.lock().unwrap_or_else(PoisonError::into_inner) = Some(decision.map(drop));
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.inner.verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.inner.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.inner.supported_verify_schemes()
    }
}
