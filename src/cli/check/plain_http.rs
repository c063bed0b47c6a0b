//! The step `plain-http`: whether the gateway answers without TLS.

use std::net::SocketAddr;

use super::{
    http::{ExchangeError, Response},
    probe::{Probe, Request},
    report::Step,
};
use crate::protocol::address::is_publishable;

/// The name of the step.
const NAME: &str = "plain-http";

/// Looks at plain HTTP: that of the URL, or port 80 of a gateway with TLS. `None` if the URL has a port of its own,
/// which says nothing about port 80.
pub(super) async fn check(probe: &Probe, address: SocketAddr) -> Option<Step> {
    let url = &probe.url;
    if !url.https {
        let is_near = url.is_loopback() || !is_publishable(address.ip(), false);
        return Some(if is_near {
            Step::fine(NAME, format!("{url} is plain HTTP, within this network"))
        } else {
            Step::note(NAME, format!("{url} is plain HTTP"))
                .meaning("everyone between a client and the gateway can read the token")
                .advice("use https:// for every client that can")
        });
    }
    if !url.has_default_port() {
        return None;
    }
    let request = Request::get(probe.path("/checkip"));
    let response = probe.ask_plain(SocketAddr::new(address.ip(), 80), &request).await;
    Some(judge(&response))
}

/// What port 80 of a gateway with TLS does.
fn judge(response: &Result<Response, ExchangeError>) -> Step {
    match response {
        Err(error) => Step::fine(NAME, format!("port 80: {error}; devices without TLS cannot use the gateway")),
        Ok(response) if response.status == 200 => Step::fine(
            NAME,
            "port 80 answers too: devices without TLS can use the gateway, and send their tokens unencrypted",
        ),
        Ok(response) if response.is_redirect() => {
            Step::note(NAME, format!("port 80 redirects: {}", response.redirect()))
                .meaning("clients do not follow redirects: inadyn ends, others fail")
                .advice("give clients no http:// URL, or have port 80 answer as the gateway does")
        }
        Ok(response) => Step::note(NAME, format!("port 80 answers {}", response.summary()))
            .meaning("clients with an http:// URL do not reach the gateway")
            .advice("give clients no http:// URL"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::check::{probe::testing::response, report::Severity};

    #[test]
    fn port_80_is_closed_or_answers_but_does_not_redirect() {
        for (response, severity) in [
            (Err(ExchangeError::Refused), Severity::Fine),
            (Ok(response(200, &[], "x")), Severity::Fine),
            (Ok(response(308, &[("Location", "https://x/")], "")), Severity::Note),
            (Ok(response(403, &[], "")), Severity::Note),
        ] {
            assert_eq!(judge(&response).severity, severity, "{response:?}");
        }
    }
}
