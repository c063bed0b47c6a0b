//! A request's raw query, path, method, headers and form, through the gateway to Route 53.

use nic53::protocol::parameters::Body;

use super::{
    fixture::Fixture,
    input::{self, Input},
    oracle::check,
    reference::Reference,
    settings::{BROKEN, TOO_LARGE},
};

/// Calls the gateway, and checks the reply and what it did to Route 53.
pub fn run(data: &[u8]) {
    let Some((input, text)) = Input::read(data) else { return };
    Fixture::with(|fixture| {
        let token = fixture.tokens()[input.token].clone();
        let request = input::request(text, &token);
        let Some(parts) = input::parts(&request) else { return };
        let body = match (input.settings.has(TOO_LARGE), input.settings.has(BROKEN)) {
            (true, _) => Body::TooLarge,
            (false, true) => Body::Broken,
            (false, false) => Body::Whole(&request.body),
        };
        let reference = Reference::of(input.settings, &parts, &request.body, input.peer);
        let gateway = fixture.gateway(input.settings);
        let (reply, effect) = fixture.play(input.settings, input.fault, gateway.answer(&parts, body, input.peer));
        check(&input, &token, &reference, &reply, &effect);
    });
}

/// What real clients and the transcripts send.
pub fn seeds() -> Vec<Vec<u8>> {
    input::seeds()
}
