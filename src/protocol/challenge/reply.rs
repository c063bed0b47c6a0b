//! The replies to requests for a challenge, byte for byte as their clients expect them.

use std::borrow::Cow;

use http::{
    HeaderValue, Response, StatusCode,
    header::{CONTENT_TYPE, WWW_AUTHENTICATE},
};

use crate::protocol::reply;

/// The words that a refusal may have. Both APIs have the same ones: only people read them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChallengeWord {
    /// No credentials, or wrong ones.
    BadAuth,
    /// Not this token's host, or not ours to change, or not a challenge name.
    NoHost,
    /// No name, or none that is a host name.
    NotFqdn,
    /// Not a challenge's value.
    BadTxt,
    /// The body is not a JSON object.
    Malformed,
    /// Route 53 refused or did not answer.
    DnsErr,
    /// Our own fault, or a body that did not arrive whole.
    ServerError,
}

/// A refusal with its reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChallengeRefusal {
    /// The word for the client.
    pub word: ChallengeWord,
    /// The reason for the log.
    pub reason: Cow<'static, str>,
}

impl ChallengeRefusal {
    /// A word with this reason.
    pub fn new(word: ChallengeWord, reason: impl Into<Cow<'static, str>>) -> Self {
        Self { word, reason: reason.into() }
    }
}

impl ChallengeWord {
    /// The word.
    pub fn word(self) -> &'static str {
        match self {
            Self::BadAuth => "badauth",
            Self::NoHost => "nohost",
            Self::NotFqdn => "notfqdn",
            Self::BadTxt => "badtxt",
            Self::Malformed => "malformed",
            Self::DnsErr => "dnserr",
            Self::ServerError => "911",
        }
    }

    /// The status that usually goes with it. No client of these APIs tries again by itself.
    pub fn status(self) -> StatusCode {
        match self {
            Self::BadAuth => StatusCode::UNAUTHORIZED,
            Self::NoHost => StatusCode::FORBIDDEN,
            Self::NotFqdn | Self::BadTxt | Self::Malformed => StatusCode::BAD_REQUEST,
            Self::DnsErr | Self::ServerError => StatusCode::SERVICE_UNAVAILABLE,
        }
    }
}

/// A refusal. Its body never has the value in it: acme.sh would take that for success.
pub fn refusal(status: StatusCode, word: ChallengeWord) -> Response<String> {
    let mut response = json(status, format!("{{\"error\":\"{}\"}}", word.word()));
    if status == StatusCode::UNAUTHORIZED {
        response.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Basic realm=\"nic53\""));
    }
    response
}

/// A reply in JSON that no cache keeps.
pub(super) fn json(status: StatusCode, body: String) -> Response<String> {
    let mut response = reply::text(status, body);
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}
