//! Credentials: the user name and the password that a request carries.

use base64::{
    Engine,
    alphabet::STANDARD,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use http::{
    HeaderMap, HeaderValue,
    header::{AUTHORIZATION, GetAll},
};
use zeroize::Zeroizing;

use crate::protocol::{
    endpoint::ACME_DNS_HEADERS,
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
    /// Some devices cannot leave their fields out, so that an empty header and one with an empty user
    /// name and an empty password count as absent.
    ///
    /// # Errors
    ///
    /// `badauth` if there are no credentials that could be right.
    pub fn read(headers: &HeaderMap, parameters: &Parameters<'_>, in_query: bool) -> Result<Self, Refusal> {
        let refusal = |reason: &'static str| Refusal::new(ReturnCode::BadAuth, reason);
        let mut lines = headers.get_all(AUTHORIZATION).iter().map(|value| value.as_bytes().trim_ascii());
        let authorization = lines.next().unwrap_or_default();
        // A front door may join several with a comma. No scheme of ours has one in it.
        if lines.next().is_some() || authorization.contains(&b',') {
            return Err(refusal("several Authorization headers"));
        }
        if !authorization.is_empty() {
            match basic(authorization).ok_or(refusal("malformed credentials"))? {
                (user, password) if user.is_empty() && password.is_empty() => {}
                (user, password) => {
                    let password = Password::new(&password).ok_or(refusal("an empty password"))?;
                    return Ok(Self { user, password });
                }
            }
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

impl Credentials {
    /// Reads the two headers of an acme-dns request.
    ///
    /// # Errors
    ///
    /// `badauth` if there is no password, or one of the headers is there twice.
    pub fn of_acme_dns(headers: &HeaderMap) -> Result<Self, Refusal> {
        let refusal = |reason: &'static str| Refusal::new(ReturnCode::BadAuth, reason);
        let [user, password] = ACME_DNS_HEADERS.map(|name| headers.get_all(name));
        if [&user, &password].into_iter().any(|values| values.iter().count() > 1) {
            return Err(refusal("X-Api-User or X-Api-Key is there twice"));
        }
        let text = |values: GetAll<'_, HeaderValue>| {
            let octets = values.iter().next().map(HeaderValue::as_bytes).unwrap_or_default();
            Zeroizing::new(String::from_utf8_lossy(octets).into_owned())
        };
        let password = Password::new(&text(password)).ok_or(refusal("no password in X-Api-Key"))?;
        Ok(Self { user: text(user).to_string(), password })
    }
}

/// Reads the user name and the password of Basic credentials (RFC 7617 §2), with the scheme in any
/// case.
fn basic(authorization: &[u8]) -> Option<(String, Zeroizing<String>)> {
    let (scheme, encoded) = authorization.split_at_checked("Basic ".len())?;
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
    Some((user.to_owned(), Zeroizing::new(password.to_owned())))
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
    use http::Request;

    use super::*;

    /// Who asks, as a request with these `Authorization` headers says.
    fn user(target: &str, authorization: &[&str]) -> Result<String, ReturnCode> {
        let mut request = Request::get(target);
        for value in authorization {
            request = request.header(AUTHORIZATION, *value);
        }
        let parts = request.body(()).unwrap().into_parts().0;
        let credentials = Credentials::read(&parts.headers, &Parameters::read(&parts, b""), true);
        credentials.map(|credentials| credentials.user).map_err(|refusal| refusal.code)
    }

    #[test]
    fn basic_credentials_are_read_as_they_come() {
        for (header, expected) in [
            ("Basic dTpw", Some("u")),
            ("basic  dTpw ", Some("u")),
            ("BASIC dTpwOnE=", Some("u")),
            ("Basic dTpwOnE", Some("u")),
            ("Basic dTpwOnF===", Some("u")),
            ("Basic OnA=", Some("")),
            ("Basic dTo=", None),
            ("Basic Oiw=", None),
            ("Basic dXA=", None),
            ("Basic dTp=w", None),
            ("Basic dTpwO", None),
            ("Basic %%%", None),
            ("Basic ===", None),
            ("Basic", None),
            ("Basic ", None),
            ("Bearer dTpw", None),
            ("Token dTpw", None),
            ("Basicd dTpw", None),
            ("Basic dTpw,Basic dTpw", None),
            ("Basic dTpw,", None),
            (",", None),
        ] {
            let expected = expected.map(str::to_owned).ok_or(ReturnCode::BadAuth);
            assert_eq!(user("/nic/update?user=a.b&pass=x", &[header]), expected, "{header}");
        }
    }

    #[test]
    fn an_empty_header_and_empty_credentials_count_as_absent() {
        for header in ["", "  ", "Basic Og==", "basic Og"] {
            assert_eq!(user("/nic/update?user=a.b&pass=x", &[header]).as_deref(), Ok("a.b"), "{header}");
            assert_eq!(user("/nic/update", &[header]), Err(ReturnCode::BadAuth), "{header}");
        }
    }

    #[test]
    fn several_headers_are_malformed() {
        for headers in [["Basic dTpw", "Basic dTpw"], ["Basic dTpw", ""], ["", ""], ["Basic Og==", "Basic dTpw"]] {
            assert_eq!(user("/nic/update?user=a.b&pass=x", &headers), Err(ReturnCode::BadAuth), "{headers:?}");
        }
    }

    #[test]
    fn acme_dns_has_its_user_and_password_in_two_headers() {
        for (headers, expected) in [
            (&[("x-api-user", "a.b"), ("x-api-key", "p")][..], Some("a.b")),
            (&[("x-api-key", "p"), ("authorization", "Basic dTpw")], Some("")),
            (&[("x-api-user", "a.b")], None),
            (&[("x-api-user", "a.b"), ("x-api-key", " ")], None),
            (&[("x-api-user", "a.b"), ("x-api-key", "p"), ("x-api-key", "p")], None),
            (&[("x-api-user", "a.b"), ("x-api-user", "a.b"), ("x-api-key", "p")], None),
        ] {
            let map = headers.iter().map(|(name, value)| (name.parse().unwrap(), HeaderValue::from_static(value)));
            let mut request = HeaderMap::new();
            for (name, value) in map {
                let name: http::HeaderName = name;
                request.append(name, value);
            }
            let read = Credentials::of_acme_dns(&request);
            assert_eq!(read.map(|credentials| credentials.user).ok().as_deref(), expected, "{headers:?}");
        }
    }

    #[test]
    fn credentials_of_the_query_can_be_switched_off() {
        let parts = Request::get("/nic/update?user=a.b&pass=x").body(()).unwrap().into_parts().0;
        let parameters = Parameters::read(&parts, b"");
        assert!(Credentials::read(&parts.headers, &parameters, false).is_err());
        let read = Credentials::read(&parts.headers, &parameters, true);
        assert_eq!(read.map(|credentials| credentials.user).ok().as_deref(), Some("a.b"));
    }
}
