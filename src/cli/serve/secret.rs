//! Making the secret of the embedded store.

use std::{io, path::Path};

use base64::prelude::{BASE64_URL_SAFE_NO_PAD, Engine};
use zeroize::Zeroizing;

use crate::{cli::settings::secret_path, files::write_atomically, problem::Problem, secrets::Source};

/// Makes the secret of the embedded store, if that is the one in use and its folder has none, and returns whether it did.
/// Call this only with the store open: two processes would make two secrets.
pub(super) fn make(data: &Path, source: &Source) -> Result<bool, Problem> {
    let path = secret_path(data);
    if path.exists() || !matches!(source, Source::File { current, .. } if *current == path) {
        return Ok(false);
    }
    write(&path).map_err(|error| {
        format!("{}: could not make the secret: {error}: expected a folder that nic53 may write", path.display())
    })?;
    Ok(true)
}

/// Writes a secret of 256 random bits, as 43 characters that only its owner may read.
fn write(path: &Path) -> io::Result<()> {
    let mut random = Zeroizing::new([0; 32]);
    getrandom::fill(random.as_mut()).map_err(io::Error::other)?;
    let secret = Zeroizing::new(BASE64_URL_SAFE_NO_PAD.encode(random.as_ref()));
    write_atomically(path, secret.as_bytes())
}
