//! Credentials: the user name and the password that a request carries.

use base64::{
    Engine,
    alphabet::STANDARD,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use http::{HeaderMap, header::AUTHORIZATION};
use zeroize::Zeroizing;

use crate::protocol::{
    parameters::Parameters,
    reply::{Refusal, ReturnCode},
    token::Password,
};

/// A user name and a password.
#[derive(Debug)]
pub struct Credentials {
    /// The user name as it was sent.
    pub user: String,
    /// The password, which should be a token.
    pub password: Password,
}

impl Credentials {
    /// Reads the credentials of the `Authorization` header. Without that header, those of the query
    /// or form count, if the deployment allows it (`in_query`).
    ///
    /// # Errors
    ///
    /// `badauth` if there are no credentials that could be right.
    pub fn read(headers: &HeaderMap, parameters: &Parameters<'_>, in_query: bool) -> Result<Self, Refusal> {
        let refusal = |reason: &'static str| Refusal::new(ReturnCode::BadAuth, reason);
        if let Some(authorization) = headers.get(AUTHORIZATION) {
            return basic(authorization.as_bytes()).ok_or(refusal("malformed credentials"));
        }
        let password = parameters.first(&["password", "pass", "pwd", "p", "token", "key"]).and_then(Password::new);
        match password {
            Some(_) if !in_query => Err(refusal("credentials in the query are switched off")),
            Some(password) => {
                let user = parameters.first(&["username", "user", "u", "login"]).unwrap_or_default();
                Ok(Self { user: user.to_owned(), password })
            }
            None => Err(refusal("no credentials")),
        }
    }
}

/// Reads Basic credentials (RFC 7617 §2), with the scheme in any case.
fn basic(authorization: &[u8]) -> Option<Credentials> {
    let (scheme, encoded) = authorization.trim_ascii().split_at_checked("Basic ".len())?;
    if !scheme.eq_ignore_ascii_case(b"Basic ") {
        return None;
    }
    let encoded = encoded.trim_ascii();
    let padding = encoded.iter().rev().take_while(|octet| **octet == b'=').count();
    let pair = Zeroizing::new(BASE64.decode(&encoded[..encoded.len() - padding]).ok()?);
    let lossy;
    let pair = if let Ok(pair) = str::from_utf8(&pair) {
        pair
    } else {
        lossy = Zeroizing::new(String::from_utf8_lossy(&pair).into_owned());
        &lossy
    };
    // RFC 7617: "the first colon in a user-pass string separates user-id and password".
    let (user, password) = pair.split_once(':')?;
    Some(Credentials { user: user.to_owned(), password: Password::new(password)? })
}

/// Base64 (RFC 4648 §4) as clients write it: with or without padding, and with any bits in what the
/// last character has left over.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

#[cfg(test)]
mod tests {
    use http::{Request, request::Parts};

    use super::*;

    #[test]
    fn basic_credentials_are_read_as_they_come() {
        for (header, user) in [
            ("Basic dTpw", Some("u")),
            ("basic  dTpw ", Some("u")),
            ("BASIC dTpwOnE=", Some("u")),
            ("Basic dTpwOnE", Some("u")),
            ("Basic dTpwOnF===", Some("u")),
            ("Basic OnA=", Some("")),
            ("Basic dTo=", None),
            ("Basic dXA=", None),
            ("Basic dTp=w", None),
            ("Basic dTpwO", None),
            ("Basic %%%", None),
            ("Basic ===", None),
            ("Basic", None),
            ("Basic ", None),
            ("", None),
            ("Bearer dTpw", None),
            ("Token dTpw", None),
            ("Basicd dTpw", None),
        ] {
            assert_eq!(basic(header.as_bytes()).map(|pair| pair.user).as_deref(), user, "{header}");
        }
    }

    /// A request for this target with this `Authorization`.
    fn request(target: &str, authorization: Option<&str>) -> Parts {
        let request = Request::get(target);
        let request = match authorization {
            Some(value) => request.header(AUTHORIZATION, value),
            None => request,
        };
        request.body(()).unwrap().into_parts().0
    }

    #[test]
    fn a_header_hides_the_credentials_of_the_query() {
        let parts = request("/nic/update?user=a.b&pass=x", Some("Token x"));
        let refusal = Credentials::read(&parts.headers, &Parameters::read(&parts, b""), true).unwrap_err();
        assert_eq!(refusal.code, ReturnCode::BadAuth);
    }

    #[test]
    fn credentials_of_the_query_can_be_switched_off() {
        let parts = request("/nic/update?user=a.b&pass=x", None);
        let parameters = Parameters::read(&parts, b"");
        assert!(Credentials::read(&parts.headers, &parameters, false).is_err());
        let read = Credentials::read(&parts.headers, &parameters, true);
        assert_eq!(read.map(|credentials| credentials.user).ok().as_deref(), Some("a.b"));
    }
}
