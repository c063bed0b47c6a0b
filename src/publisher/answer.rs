//! What Route 53 answers to a call, as far as the publisher does something else for it.

use std::collections::HashMap;

use aws_sdk_route53::error::{ProvideErrorMetadata, SdkError};

use crate::{aws, protocol::hostname::HostName};

/// Why a call was not answered well.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Failure {
    /// What it says about the next call.
    pub(crate) kind: Kind,
    /// The error, in one line.
    pub(crate) text: String,
}

/// What a failure says about the next call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The batch does not fit what is there, or a host of it can never be written.
    Refused,
    /// Nobody knows whether the call was carried out.
    Unknown,
    /// The role may not make this call.
    Denied,
    /// Route 53 is busy, and did nothing.
    Busy,
    /// No call of this zone can succeed: the zone is gone, or there are no credentials.
    Impossible,
}

impl Failure {
    /// The failure that an error of the SDK is.
    pub(crate) fn of<E>(error: &SdkError<E>, messages: &[String]) -> Self
    where
        E: ProvideErrorMetadata + std::error::Error + 'static,
    {
        let kind = match error {
            SdkError::TimeoutError(_) | SdkError::ResponseError(_) => Kind::Unknown,
            SdkError::DispatchFailure(failure) if failure.is_io() || failure.is_timeout() => Kind::Unknown,
            SdkError::ServiceError(service) => kind_of_answer(service.err().code(), service.raw().status().as_u16()),
            // Such as credentials that are missing.
            _ => Kind::Impossible,
        };
        Self {
            kind,
            text: std::iter::once(aws::causes(error)).chain(messages.iter().cloned()).collect::<Vec<_>>().join(": "),
        }
    }
}

/// What an answer of Route 53, by its code and status, says about the next call.
fn kind_of_answer(code: Option<&str>, status: u16) -> Kind {
    match (code, status) {
        (Some("Throttling" | "ThrottlingException" | "PriorRequestNotComplete"), _) => Kind::Busy,
        // InvalidInput is a value that Route 53 cannot read. An InvalidChangeBatch as the API reference
        // has it comes without a code.
        (Some("InvalidChangeBatch" | "InvalidInput"), _) | (None, 400) => Kind::Refused,
        (Some("AccessDenied" | "AccessDeniedException"), _) => Kind::Denied,
        (Some("NoSuchHostedZone"), _) | (_, 401 | 403 | 404) => Kind::Impossible,
        (_, 400..=499) => Kind::Refused,
        _ => Kind::Unknown,
    }
}

/// The hosts that a refusal names. Route 53 need not name all that are in the way.
pub(crate) fn named<'a>(text: &str, hosts: impl Iterator<Item = &'a HostName>) -> Vec<&'a HostName> {
    let is_part = |letter: char| letter.is_ascii_alphanumeric() || "-_.*\\".contains(letter);
    let by_name: HashMap<&str, &HostName> = hosts.map(|host| (host.as_str(), host)).collect();
    let mut named: Vec<_> = text
        .split(|letter| !is_part(letter))
        .filter_map(|word| {
            let word = word.strip_suffix('.').unwrap_or(word).replace("\\052", "*").to_ascii_lowercase();
            by_name.get(word.as_str()).copied()
        })
        .collect();
    named.sort_unstable();
    named.dedup();
    named
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_says_what_to_do_next() {
        for (code, status, expected) in [
            (Some("Throttling"), 400, Kind::Busy),
            (Some("PriorRequestNotComplete"), 400, Kind::Busy),
            (Some("InvalidChangeBatch"), 400, Kind::Refused),
            (None, 400, Kind::Refused),
            (Some("InvalidInput"), 400, Kind::Refused),
            (Some("LimitsExceeded"), 400, Kind::Refused),
            (Some("AccessDenied"), 403, Kind::Denied),
            (Some("InternalError"), 500, Kind::Unknown),
            (None, 503, Kind::Unknown),
            (Some("NoSuchHostedZone"), 404, Kind::Impossible),
            (Some("InvalidClientTokenId"), 403, Kind::Impossible),
            (Some("ExpiredToken"), 403, Kind::Impossible),
        ] {
            assert_eq!(kind_of_answer(code, status), expected, "{code:?} {status}");
        }
    }

    #[test]
    fn a_message_names_hosts_of_the_batch() {
        let hosts: Vec<HostName> =
            ["home.example.org", "*.nas.example.org", "nas.example.org"].map(|name| name.parse().unwrap()).into();
        for (text, expected) in [
            (
                "[Tried to create resource record set [name='home.example.org.', type='A'] but it already exists]",
                &[0][..],
            ),
            ("RRSet of type A with DNS name \\052.NAS.example.org. is not permitted, home.example.org.", &[1, 0]),
            ("with DNS name xhome.example.org. is not permitted in zone example.org.", &[]),
            ("", &[]),
            ("\u{0}é\\052.\\\\..", &[]),
        ] {
            let expected: Vec<_> = expected.iter().map(|index: &usize| &hosts[*index]).collect();
            assert_eq!(named(text, hosts.iter()), expected, "{text}");
        }
    }
}
