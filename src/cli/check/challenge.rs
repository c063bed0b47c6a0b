//! The step `challenge`: the answer to an update without credentials, which should ask for them.

use std::net::SocketAddr;

use super::{
    http::{ExchangeError, Response},
    probe::{Probe, Request, unanswered},
    report::Step,
};

/// The name of the step.
const NAME: &str = "challenge";

/// The name that AWS gives to `WWW-Authenticate` in the responses of REST APIs and Function URLs.
const RENAMED: &str = "x-amzn-Remapped-WWW-Authenticate";

/// The clients that send no credentials before they have seen a challenge.
const WAITING: &str = "clients that wait for the challenge never send their credentials: OpenWrt with wget or \
                       uclient-fetch, DrayTek over https, ddupdate; all others are unaffected";

/// What helps those clients.
const WITHOUT_CHALLENGE: &str = "give these clients the credentials in the query, over https: `nic53 setup openwrt`, \
                                 `nic53 setup draytek` and `nic53 setup other` print such URLs";

/// Sends an update without credentials. It names no host, so that nothing can change.
pub(super) async fn ask(probe: &Probe, address: SocketAddr) -> Result<Response, ExchangeError> {
    let request = Request::get(probe.path("/nic/update?myip=no"));
    probe.ask(address, &request).await.map(|(response, _)| response)
}

/// Whether this is the challenge of nic53, which is known to leave a record alone if asked to.
pub(super) fn is_nic53(response: &Response) -> bool {
    let challenge = response.header("WWW-Authenticate").or_else(|| response.header(RENAMED));
    response.status == 401 && challenge.is_some_and(|challenge| challenge.contains("realm=\"nic53\""))
}

/// Whether clients that wait for a challenge get one.
pub(super) fn judge(response: &Result<Response, ExchangeError>) -> Step {
    match response {
        Err(error) => unanswered(NAME, error),
        Ok(response) if response.is_redirect() => {
            Step::wrong(NAME, format!("/nic/update redirects: {}", response.redirect()))
                .meaning("clients do not follow redirects: inadyn ends, others fail, some take it for success")
                .advice("check the URL that it leads to, and give that one to clients")
        }
        Ok(response) if response.status != 401 => {
            Step::wrong(NAME, format!("/nic/update without credentials answers {}, not 401", response.summary()))
                .meaning("no nic53 gateway answers at this URL, or something in front of it answers in its place")
                .advice("check the URL, its path, and what is in front of the gateway")
        }
        Ok(response) => judge_401(response),
    }
}

/// Whether a 401 has the challenge, under its own name.
fn judge_401(response: &Response) -> Step {
    match (response.header("WWW-Authenticate"), response.header(RENAMED)) {
        (Some(challenge), _) if !challenge.to_ascii_lowercase().starts_with("basic") => {
            Step::wrong(NAME, format!("401 with WWW-Authenticate: {challenge}, not Basic"))
                .meaning("clients send Basic credentials, which this server does not ask for")
                .advice("check the URL, and what in front of the gateway asks for other credentials")
        }
        (Some(challenge), _) if is_nic53(response) => {
            Step::fine(NAME, format!("401 with WWW-Authenticate: {challenge}"))
        }
        (Some(challenge), _) => Step::note(NAME, format!("401 with WWW-Authenticate: {challenge}"))
            .meaning(
                "this server does not call itself nic53: another one, or something in front that asks for a password",
            )
            .advice("check the URL, unless you meant another dyndns2 server"),
        (None, Some(_)) => Step::note(NAME, format!("401 with the challenge renamed to {RENAMED}"))
            .meaning(format!("API Gateway or a Function URL in front of the gateway renames it; {WAITING}"))
            .advice(format!("{WITHOUT_CHALLENGE}; or deploy with ChallengeMapping=true, which restores the name")),
        (None, None) => Step::note(NAME, "401 without WWW-Authenticate")
            .meaning(format!("something in front of the gateway drops the challenge, or this is not nic53; {WAITING}"))
            .advice(WITHOUT_CHALLENGE),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::check::{probe::testing::response, report::Severity};

    #[test]
    fn a_challenge_is_a_401_with_its_header_under_its_own_name() {
        let basic = "Basic realm=\"nic53\"";
        for (response, severity, words) in [
            (response(401, &[("www-authenticate", basic)], "badauth"), Severity::Fine, basic),
            (response(401, &[("x-amzn-remapped-www-authenticate", basic)], "badauth"), Severity::Note, "DrayTek"),
            (response(401, &[], "badauth"), Severity::Note, "drops the challenge"),
            (response(401, &[("WWW-Authenticate", "Basic realm=\"x\"")], ""), Severity::Note, "not call itself nic53"),
            (response(401, &[("WWW-Authenticate", "Bearer")], ""), Severity::Wrong, "not Basic"),
            (response(200, &[], "good 192.0.2.1"), Severity::Wrong, "not 401"),
            (response(404, &[], "not found"), Severity::Wrong, "`not found`"),
            (response(301, &[("Location", "https://x/")], ""), Severity::Wrong, "https://x/"),
        ] {
            let step = judge(&Ok(response.clone()));
            assert_eq!(step.severity, severity, "{response:?}");
            assert!(format!("{step:?}").contains(&words.replace('"', "\\\"")), "{words} is not in {step:?}");
            assert_eq!(is_nic53(&response), format!("{response:?}").contains("nic53"), "{response:?}");
        }
    }
}
