//! The certificates that are trusted for TLS: those of a file, or those of the system.

use std::{io, path::Path};

use rustls::{
    CertificateError, Error, RootCertStore,
    pki_types::{CertificateDer, pem::PemObject},
};

/// The roots in a PEM file, or those of the system.
///
/// # Errors
///
/// If there is none, or the file cannot be read.
pub fn roots(cacert: Option<&Path>) -> Result<RootCertStore, String> {
    match cacert {
        Some(path) => of_file(path),
        None => of_system(),
    }
}

/// The roots in a PEM file.
fn of_file(path: &Path) -> Result<RootCertStore, String> {
    let expected = "expected a file of PEM certificates";
    let problem = |problem: &dyn std::fmt::Display| format!("--cacert {}: {problem}: {expected}", path.display());
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(path).map_err(|error| problem(&error))? {
        let certificate = certificate.map_err(|error| problem(&error))?;
        roots.add(certificate).map_err(|error| problem(&error))?;
    }
    if roots.is_empty() { Err(problem(&"no certificate in it")) } else { Ok(roots) }
}

/// What to do about a certificate that is not trusted; `None` if the handshake failed for another
/// reason.
pub fn certificate_advice(error: &io::Error) -> Option<&'static str> {
    let error = error.get_ref()?.downcast_ref::<Error>()?;
    match error {
        Error::InvalidCertificate(CertificateError::UnknownIssuer) => {
            Some("no authority that is trusted here has issued it: for a certificate of your own, give --cacert FILE")
        }
        // webpki has no variant of rustls for it.
        Error::InvalidCertificate(other) if format!("{other:?}").contains("CaUsedAsEndEntity") => Some(
            "it is a certificate for an authority, as `openssl req -x509` makes it: make one for a server, with \
             -addext basicConstraints=critical,CA:FALSE -addext subjectAltName=DNS:NAME, and give it to --cacert",
        ),
        _ => None,
    }
}

/// The system's roots that can be read.
fn of_system() -> Result<RootCertStore, String> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if roots.is_empty() {
        return Err("this system has no root certificates: install ca-certificates, or give --cacert".to_owned());
    }
    Ok(roots)
}
