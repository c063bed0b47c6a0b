//! The step `http-1.0`: a request as inadyn and ez-ipupdate send it, and whether the connection ends after it.

use std::net::SocketAddr;

use super::{
    http::{ExchangeError, Framing, Response},
    probe::{Probe, Request},
    report::Step,
};

/// The name of the step.
const NAME: &str = "http-1.0";

/// Asks for /checkip over HTTP/1.0.
pub(super) async fn check(probe: &Probe, address: SocketAddr) -> Step {
    let request = Request { old: true, ..Request::get(probe.path("/checkip")) };
    judge(&probe.ask(address, &request).await.map(|(response, _)| response))
}

/// Whether clients of HTTP/1.0 can read the response to its end.
fn judge(response: &Result<Response, ExchangeError>) -> Step {
    let advice = "have what is in front of the gateway serve HTTP/1.0, or give these clients another URL";
    let wrong = |observed: String, meaning: &str| Step::wrong(NAME, observed).meaning(meaning).advice(advice);
    let response = match response {
        Ok(response) => response,
        Err(error) => {
            let meaning = "inadyn, ez-ipupdate, MikroTik 6 and ddclient up to 3.9 get no answer";
            return wrong(format!("HTTP/1.0: {error}"), meaning);
        }
    };
    let observed = format!("HTTP/1.0 is answered {} {}", response.version, response.status);
    if response.framing == Framing::Chunked {
        let meaning = "clients of HTTP/1.0 do not know chunks, and take their sizes for the reply";
        wrong(format!("{observed}, in chunks"), meaning)
    } else if !response.closed {
        let meaning = "inadyn and ez-ipupdate read until it ends, and hang";
        wrong(format!("{observed}, and the connection is kept open"), meaning)
    } else {
        Step::fine(NAME, format!("{observed}, and the connection ends"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::check::{probe::testing::response, report::Severity};

    #[test]
    fn http_1_0_is_answered_whole_and_closed() {
        let whole = response(200, &[], "x");
        for (response, severity, words) in [
            (Ok(whole.clone()), Severity::Fine, "ends"),
            (Ok(Response { closed: false, ..whole.clone() }), Severity::Wrong, "hang"),
            (Ok(Response { framing: Framing::Chunked, ..whole.clone() }), Severity::Wrong, "chunks"),
            (Ok(Response { framing: Framing::Close, ..whole }), Severity::Fine, "ends"),
            (Err(ExchangeError::Broken("x".into())), Severity::Wrong, "no answer"),
        ] {
            let step = judge(&response);
            assert_eq!(step.severity, severity, "{response:?}");
            assert!(format!("{step:?}").contains(words), "{words} is not in {step:?}");
        }
    }
}
