//! What a request for a challenge says in its body: JSON or a form, in the words of either API.

use std::{borrow::Cow, fmt};

use http::{HeaderMap, HeaderValue, Response, StatusCode, header::CONTENT_TYPE};
use serde::{
    Deserialize, Deserializer,
    de::{IgnoredAny, MapAccess, SeqAccess, Visitor},
};

use crate::protocol::{
    challenge::{
        self, Api, LABEL,
        digest::{KeyDigest, is_base64url},
        reply::{ChallengeRefusal, ChallengeWord, json},
    },
    hostname::HostName,
};

/// The names and values of a body. Of a name that is there twice, in any case, the last counts. A value
/// that is empty or not a string is as good as none.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct ChallengeBody<'a> {
    /// `httpreq`: the challenge name.
    fqdn: Option<Cow<'a, str>>,
    /// `httpreq`: the value.
    value: Option<Cow<'a, str>>,
    /// `httpreq` in its mode `RAW`: the host.
    domain: Option<Cow<'a, str>>,
    /// `RAW`: the challenge's token, which is only repeated in the reply.
    token: Option<Cow<'a, str>>,
    /// `RAW`: the key authorization, which the value is made of.
    key_auth: Option<Cow<'a, str>>,
    /// acme-dns: the host, or its challenge name.
    subdomain: Option<Cow<'a, str>>,
    /// acme-dns: the value.
    txt: Option<Cow<'a, str>>,
}

impl<'a> ChallengeBody<'a> {
    /// Reads a body: JSON if its `Content-Type` says so or it begins as an object does, else a form.
    /// acme.sh sends JSON as a form.
    ///
    /// # Errors
    ///
    /// `malformed` if it should be JSON and is not one object.
    pub fn read(headers: &HeaderMap, body: &'a [u8]) -> Result<Self, ChallengeRefusal> {
        let declared = headers.get(CONTENT_TYPE).map(HeaderValue::as_bytes).unwrap_or_default();
        let declared = declared.split(|octet| *octet == b';').next().unwrap_or_default().trim_ascii();
        if declared.eq_ignore_ascii_case(b"application/json") || body.trim_ascii_start().starts_with(b"{") {
            serde_json::from_slice(body)
                .map_err(|_| ChallengeRefusal::new(ChallengeWord::Malformed, "the body is not a JSON object"))
        } else {
            // Text of this format is never malformed, so there is no error to report.
            Ok(serde_urlencoded::from_bytes(body).unwrap_or_default())
        }
    }

    /// The host whose challenge is meant. `user` is the user name, which counts if an acme-dns client
    /// names no host.
    ///
    /// # Errors
    ///
    /// `notfqdn` if there is no name that could be a host's; `nohost` if it is no challenge's.
    pub fn host(&self, api: Api, user: &str) -> Result<HostName, ChallengeRefusal> {
        let not_fqdn = || ChallengeRefusal::new(ChallengeWord::NotFqdn, "no name, or not a fully qualified name");
        let host = match api {
            Api::Present | Api::Cleanup => match (&self.fqdn, &self.domain) {
                (Some(name), _) => {
                    let name: HostName = name.trim().parse().map_err(|_| not_fqdn())?;
                    let host = below_label(&name)
                        .ok_or_else(|| ChallengeRefusal::new(ChallengeWord::NoHost, "not a challenge name"))?;
                    host.parse().map_err(|_| not_fqdn())?
                }
                (None, Some(host)) => host.trim().parse().map_err(|_| not_fqdn())?,
                (None, None) => return Err(not_fqdn()),
            },
            Api::AcmeDns => {
                let user = Some(user).filter(|user| user.contains('.'));
                let name = self.subdomain.as_deref().or(user).ok_or_else(not_fqdn)?;
                let name: HostName = name.trim().parse().map_err(|_| not_fqdn())?;
                match below_label(&name) {
                    Some(host) => host.parse().map_err(|_| not_fqdn())?,
                    None => name,
                }
            }
        };
        let fits = !host.is_wildcard() && challenge::name_of(&host).is_some();
        if fits { Ok(host) } else { Err(not_fqdn()) }
    }

    /// The value to add or remove.
    ///
    /// # Errors
    ///
    /// `badtxt` if there is none, or it could not be a challenge's.
    pub fn digest(&self, api: Api) -> Result<KeyDigest, ChallengeRefusal> {
        let digest = match api {
            Api::AcmeDns => self.txt.as_deref().and_then(|txt| txt.parse().ok()),
            Api::Present | Api::Cleanup if self.fqdn.is_some() => {
                self.value.as_deref().and_then(|text| text.parse().ok())
            }
            Api::Present | Api::Cleanup => {
                let is_jose = |text: &str| text.bytes().all(|octet| octet == b'.' || is_base64url(octet));
                let token = self.token.as_deref().filter(|token| is_jose(token));
                let key_auth = self.key_auth.as_deref().filter(|key_auth| is_jose(key_auth));
                token.and(key_auth).map(KeyDigest::of)
            }
        };
        digest.ok_or_else(|| {
            ChallengeRefusal::new(ChallengeWord::BadTxt, "no value, or none that could be a challenge's")
        })
    }

    /// The reply to a request that was carried out: what was sent, to the letter. acme-dns has its own.
    pub fn reply(&self, api: Api) -> Response<String> {
        let text = |value: &Option<Cow<'a, str>>| {
            serde_json::to_string(value.as_deref().unwrap_or_default()).unwrap_or_default()
        };
        let body = match api {
            Api::AcmeDns => format!("{{\"txt\": {}}}", text(&self.txt)),
            Api::Present | Api::Cleanup if self.fqdn.is_some() => {
                format!("{{\"fqdn\":{},\"value\":{}}}", text(&self.fqdn), text(&self.value))
            }
            Api::Present | Api::Cleanup => format!(
                "{{\"domain\":{},\"token\":{},\"keyAuth\":{}}}",
                text(&self.domain),
                text(&self.token),
                text(&self.key_auth)
            ),
        };
        json(StatusCode::OK, body)
    }

    /// The field of a name, in any case: acme-dns reads them so, and its clients rely on it.
    fn field(&mut self, name: &str) -> Option<&mut Option<Cow<'a, str>>> {
        let fields = [
            ("fqdn", &mut self.fqdn),
            ("value", &mut self.value),
            ("domain", &mut self.domain),
            ("token", &mut self.token),
            ("keyAuth", &mut self.key_auth),
            ("subdomain", &mut self.subdomain),
            ("txt", &mut self.txt),
        ];
        fields.into_iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, field)| field)
    }
}

/// What is below the challenge label of a name; `None` if it does not begin with that label.
fn below_label(name: &HostName) -> Option<&str> {
    name.as_str().strip_prefix(LABEL)?.strip_prefix('.')
}

impl<'de> Deserialize<'de> for ChallengeBody<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(BodyVisitor)
    }
}

/// Reads a map by its known names.
struct BodyVisitor;

impl<'de> Visitor<'de> for BodyVisitor {
    type Value = ChallengeBody<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut pairs: A) -> Result<Self::Value, A::Error> {
        let mut body = ChallengeBody::default();
        while let Some(Text(name)) = pairs.next_key()? {
            match body.field(&name.unwrap_or_default()) {
                Some(field) => *field = pairs.next_value::<Text<'de>>()?.0,
                None => drop(pairs.next_value::<IgnoredAny>()?),
            }
        }
        Ok(body)
    }
}

/// A string that is not empty, or `None` for anything else.
struct Text<'a>(Option<Cow<'a, str>>);

impl<'de> Deserialize<'de> for Text<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TextVisitor)
    }
}

/// Takes a string, and reads anything else to its end.
struct TextVisitor;

impl<'de> Visitor<'de> for TextVisitor {
    type Value = Text<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Text((!text.is_empty()).then_some(Cow::Borrowed(text))))
    }

    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Text((!text.is_empty()).then(|| Cow::Owned(text.to_owned()))))
    }

    fn visit_string<E>(self, text: String) -> Result<Self::Value, E> {
        Ok(Text((!text.is_empty()).then_some(Cow::Owned(text))))
    }

    fn visit_bool<E>(self, _: bool) -> Result<Self::Value, E> {
        Ok(Text(None))
    }

    fn visit_i64<E>(self, _: i64) -> Result<Self::Value, E> {
        Ok(Text(None))
    }

    fn visit_u64<E>(self, _: u64) -> Result<Self::Value, E> {
        Ok(Text(None))
    }

    fn visit_f64<E>(self, _: f64) -> Result<Self::Value, E> {
        Ok(Text(None))
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(Text(None))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<Self::Value, A::Error> {
        IgnoredAny.visit_seq(list).map(|_| Text(None))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
        IgnoredAny.visit_map(map).map(|_| Text(None))
    }
}
