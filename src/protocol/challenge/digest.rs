//! The value of a challenge: a digest of the key authorization.

use std::str::FromStr;

use base64::prelude::{BASE64_URL_SAFE_NO_PAD, Engine};
use sha2::{Digest as _, Sha256};

/// The characters of a digest: 32 octets in base64url without padding.
const LENGTH: usize = 43;

/// The value of a challenge (RFC 8555 §8.4): the SHA-256 of a key authorization, in base64url.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyDigest(String);

/// The error for text that is no such value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotDigest;

impl KeyDigest {
    /// The digest of a key authorization (RFC 8555 §8.1).
    pub fn of(key_authorization: &str) -> Self {
        Self(BASE64_URL_SAFE_NO_PAD.encode(Sha256::digest(key_authorization)))
    }

    /// Its 43 characters.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The value of a TXT record as Route 53 writes it: in quotes. It needs no escape.
    pub fn quoted(&self) -> String {
        format!("\"{}\"", self.0)
    }
}

impl FromStr for KeyDigest {
    type Err = NotDigest;

    /// Takes 43 characters of base64url. Nobody could tell whether they are a digest.
    fn from_str(text: &str) -> Result<Self, NotDigest> {
        if text.len() == LENGTH && text.bytes().all(is_base64url) { Ok(Self(text.to_owned())) } else { Err(NotDigest) }
    }
}

/// Whether an octet is of the alphabet of base64url (RFC 4648 §5).
pub(super) fn is_base64url(octet: u8) -> bool {
    octet.is_ascii_alphanumeric() || matches!(octet, b'-' | b'_')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_is_43_characters_of_base64url() {
        let whole = "LHDhK3oGRvkiefQnx7OOczTY5Tic_xZ6HcMOc_gmtoM";
        assert_eq!(whole.parse::<KeyDigest>().map(|digest| digest.quoted()), Ok(format!("\"{whole}\"")));
        for given in [
            "",
            &whole[..42],
            &format!("{whole}A"),
            &format!("{}=", &whole[..42]),
            &format!("{}+", &whole[..42]),
            &format!("{}/", &whole[..42]),
            &format!("{}\"", &whole[..42]),
            &format!(" {}", &whole[..42]),
            &format!("{}é", &whole[..41]),
        ] {
            assert_eq!(given.parse::<KeyDigest>(), Err(NotDigest), "{given}");
        }
    }

    #[test]
    fn the_digest_of_a_key_authorization_is_its_sha_256() {
        // Of a request that lego made, and the value that the authority looked for.
        for (key_authorization, digest) in [
            (
                "2ZzPx_R0zLF9qf5pWWJB5yefKylyR3CXca9-Xfo5xqg.JZU5eQOLHFXyhDt4HEm4xdnBSduqjGgwBQT9zYk1gf4",
                "J56xn-gh4XrjYfdDezfT3J0NORNWZXNB2kRYHz1v6yY",
            ),
            ("", "47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU"),
        ] {
            assert_eq!(KeyDigest::of(key_authorization).as_str(), digest, "{key_authorization}");
        }
    }
}
