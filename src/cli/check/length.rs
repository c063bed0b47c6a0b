//! The step `length`: whether a response states its length.

use super::{
    http::{Framing, Response},
    report::Step,
};

/// The name of the step.
const NAME: &str = "length";

/// Whether the end of the body is marked in a way that all clients understand.
pub(super) fn judge(response: &Response) -> Step {
    let advice = "have what is in front of the gateway pass its Content-Length on";
    match response.framing {
        Framing::Length(length) => Step::fine(NAME, format!("Content-Length: {length}, not chunked")),
        Framing::Chunked => Step::wrong(NAME, "Transfer-Encoding: chunked")
            .meaning("ddclient up to 3.10 takes the size of the first chunk for the reply, and fails")
            .advice(advice),
        Framing::Close => Step::wrong(NAME, "neither Content-Length nor chunks")
            .meaning("OpenWrt's uclient-fetch fails without Content-Length")
            .advice(advice),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::check::{probe::testing::response, report::Severity};

    #[test]
    fn a_response_states_its_length() {
        let whole = response(401, &[], "badauth");
        for (framing, severity) in [
            (Framing::Length(7), Severity::Fine),
            (Framing::Chunked, Severity::Wrong),
            (Framing::Close, Severity::Wrong),
        ] {
            assert_eq!(judge(&Response { framing, ..whole.clone() }).severity, severity, "{framing:?}");
        }
    }
}
