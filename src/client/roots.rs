//! The certificates that are trusted for TLS: those of a file, or those of the system.

use std::path::Path;

use rustls::{
    RootCertStore,
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

/// The system's roots that can be read.
fn of_system() -> Result<RootCertStore, String> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if roots.is_empty() {
        return Err("this system has no root certificates: install ca-certificates, or give --cacert".to_owned());
    }
    Ok(roots)
}
