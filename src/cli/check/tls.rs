//! TLS as a client sees it: one handshake that looks at whatever the server has, and one that insists.

use std::{
    path::Path,
    sync::{Arc, Mutex, PoisonError},
};

use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error, ProtocolVersion, SignatureScheme,
    SupportedProtocolVersion,
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

use super::exchange::Trouble;
use crate::client::roots::roots;

/// What it takes to ask over TLS.
#[derive(Clone)]
pub(super) struct Tls {
    /// Decides on certificates.
    verifier: Arc<WebPkiServerVerifier>,
    /// ring.
    provider: Arc<CryptoProvider>,
}

/// What was seen of a server's TLS.
pub(super) struct Seen {
    /// The version that was agreed on.
    pub version: Option<ProtocolVersion>,
    /// The certificates that were sent, the server's own first.
    pub chain: Vec<CertificateDer<'static>>,
    /// Whether they are to be trusted, for this name and now.
    pub trust: Result<(), Error>,
}

impl Tls {
    /// Trusts the system's roots, or those of a file.
    pub(super) fn new(file: Option<&Path>) -> Result<Self, String> {
        let roots = roots(file)?;
        let provider = Arc::new(ring::default_provider());
        let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider))
            .build()
            .map_err(|error| format!("TLS: {error}"))?;
        Ok(Self { verifier, provider })
    }

    /// Shakes hands whatever the certificate, and tells what was seen. Nothing secret may follow.
    pub(super) async fn look(
        &self,
        stream: TcpStream,
        host: &str,
        versions: &[&'static SupportedProtocolVersion],
    ) -> Result<(TlsStream<TcpStream>, Seen), Trouble> {
        let observer = Arc::new(Observer { inner: Arc::clone(&self.verifier), trust: Mutex::new(None) });
        let config = self.config(versions, Arc::clone(&observer) as Arc<dyn ServerCertVerifier>)?;
        let stream = shake(stream, host, config).await?;
        let session = stream.get_ref().1;
        let chain =
            session.peer_certificates().unwrap_or_default().iter().map(|der| der.clone().into_owned()).collect();
        let trust = observer.trust.lock().unwrap_or_else(PoisonError::into_inner).take();
        let trust = trust.unwrap_or_else(|| Err(Error::NoCertificatesPresented));
        let seen = Seen { version: session.protocol_version(), chain, trust };
        Ok((stream, seen))
    }

    /// Shakes hands with a server that is to be trusted, or not at all.
    pub(super) async fn insist(&self, stream: TcpStream, host: &str) -> Result<TlsStream<TcpStream>, Trouble> {
        let config = self.config(&[&TLS13, &TLS12], Arc::clone(&self.verifier) as Arc<dyn ServerCertVerifier>)?;
        shake(stream, host, config).await
    }

    /// A configuration of these versions and this verifier.
    fn config(
        &self,
        versions: &[&'static SupportedProtocolVersion],
        verifier: Arc<dyn ServerCertVerifier>,
    ) -> Result<ClientConfig, Trouble> {
        let builder = ClientConfig::builder_with_provider(Arc::clone(&self.provider))
            .with_protocol_versions(versions)
            .map_err(|error| Trouble::Tls(error.to_string()))?;
        Ok(builder.dangerous().with_custom_certificate_verifier(verifier).with_no_client_auth())
    }
}

/// Both versions there are.
pub(super) const ANY: [&SupportedProtocolVersion; 2] = [&TLS13, &TLS12];
/// TLS 1.2 alone, which is the newest that many devices have.
pub(super) const OLD: [&SupportedProtocolVersion; 1] = [&TLS12];

/// The handshake.
async fn shake(stream: TcpStream, host: &str, config: ClientConfig) -> Result<TlsStream<TcpStream>, Trouble> {
    let name = ServerName::try_from(host.to_owned()).map_err(|error| Trouble::Tls(format!("{host}: {error}")))?;
    let connector = TlsConnector::from(Arc::new(config));
    connector.connect(name, stream).await.map_err(|error| Trouble::Tls(error.to_string()))
}

/// Why a certificate is not to be trusted, and what to do about it.
pub(super) fn distrust(error: &Error, chain: usize) -> (&'static str, &'static str) {
    let Error::InvalidCertificate(problem) = error else {
        return ("the certificate could not be verified", "look at the server's certificate");
    };
    match problem {
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => (
            "the certificate has expired, and every client that verifies it refuses it",
            "renew it, and find out why it was not renewed",
        ),
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => (
            "the certificate is not valid yet, or the clock of this machine is wrong",
            "look at the clocks of both machines",
        ),
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            ("the certificate is for another name", "have one for the name that clients ask for")
        }
        CertificateError::BadSignature => (
            "a certificate of the chain is not signed by the one that is trusted under its issuer's name",
            "have the server send the chain that belongs to its certificate; for an issuer of one's own, --cacert FILE",
        ),
        CertificateError::UnknownIssuer if chain == 1 => (
            "the issuer is not trusted here: it is private, or the server does not send the intermediate certificate",
            "have the server send the whole chain; for an issuer of one's own, --cacert FILE",
        ),
        CertificateError::UnknownIssuer => {
            ("the issuer is not trusted here", "for an issuer of one's own, --cacert FILE; every client needs it too")
        }
        _ => ("the certificate cannot be verified", "look at the server's certificate"),
    }
}

/// Looks at the verdict on a certificate, and goes on whatever it is.
#[derive(Debug)]
struct Observer {
    /// Decides.
    inner: Arc<WebPkiServerVerifier>,
    /// What it decided.
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
        let verdict = self.inner.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now);
        *self.trust.lock().unwrap_or_else(PoisonError::into_inner) = Some(verdict.map(drop));
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
