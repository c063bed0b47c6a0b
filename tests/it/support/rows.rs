//! The rows of the files of requests in `protocol-tests/`.

use base64::prelude::{BASE64_STANDARD, Engine};

use super::front_end::Request;

/// The request of a row, byte for byte: `TOKEN` is the token, and what is in double braces is sent in
/// base64.
pub(crate) fn request(text: &str, token: &str) -> Request {
    let text = text.replace("TOKEN", token);
    let mut pieces = text.split("{{");
    let mut raw = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        let (pair, rest) = piece.split_once("}}").expect("a closed brace");
        raw.push_str(&BASE64_STANDARD.encode(pair.as_bytes()));
        raw.push_str(rest);
    }
    let request = Request::parse(raw.as_bytes());
    assert_eq!(String::from_utf8_lossy(&request.to_bytes()), raw, "byte for byte");
    request
}
