//! A request's raw query, path, method, headers and form, through the gateway to Route 53.

use nic53::protocol::parameters::Body;

use super::{
    asked::Asked,
    case::{self, BROKEN, Case, TOO_LARGE},
    judge::judge,
    world::World,
};

/// Asks the gateway, and judges the reply and what it did to Route 53.
pub fn run(data: &[u8]) {
    let Some((case, text)) = Case::read(data) else { return };
    World::with(|world| {
        let token = world.tokens()[case.token].clone();
        let request = case::request(text, &token);
        let Some(parts) = case::parts(&request) else { return };
        let body = match (case.has(TOO_LARGE), case.has(BROKEN)) {
            (true, _) => Body::TooLarge,
            (false, true) => Body::Broken,
            (false, false) => Body::Whole(&request.body),
        };
        let asked = Asked::of(&case, &parts, &request.body, case.peer);
        let gateway = world.gateway(&case);
        let (reply, effect) = world.play(&case, gateway.answer(&parts, body, case.peer));
        judge(&case, &token, &asked, &reply, &effect);
    });
}

/// What real clients and the transcripts send.
pub fn seeds() -> Vec<Vec<u8>> {
    case::seeds()
}
