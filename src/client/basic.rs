//! Basic credentials (RFC 7617), as an `Authorization` header has them.

use base64::prelude::{BASE64_STANDARD, Engine};
use zeroize::Zeroizing;

/// `Basic` and the credentials in base64. It is wiped when dropped.
pub fn basic(user: &str, password: &str) -> Zeroizing<String> {
    let pair = Zeroizing::new(format!("{user}:{password}"));
    let encoded = Zeroizing::new(BASE64_STANDARD.encode(pair.as_bytes()));
    Zeroizing::new(format!("Basic {}", *encoded))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn user_and_password_are_encoded_together() {
        // RFC 7617 §2.
        assert_eq!(*basic("Aladdin", "open sesame"), "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==");
    }
}
