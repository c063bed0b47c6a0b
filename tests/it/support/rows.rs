//! The rows of the files of requests in `protocol-tests/`.

use base64::prelude::{BASE64_STANDARD, Engine};

use super::front_end::Request;

/// A test for each front end. `plays` is a function that plays the requests of clients through one.
macro_rules! every_front_end_answers_every_client {
    ($plays:ident) => {
        #[tokio::test]
        async fn a_socket_answers_every_client() {
            $plays($crate::support::front_end::FrontEnd::Socket).await;
        }

        #[tokio::test]
        async fn an_http_api_answers_every_client() {
            $plays($crate::support::front_end::FrontEnd::HttpApi).await;
        }

        #[tokio::test]
        async fn an_http_api_with_a_stage_answers_every_client() {
            $plays($crate::support::front_end::FrontEnd::HttpApiStage).await;
        }

        #[tokio::test]
        async fn a_function_url_answers_every_client() {
            $plays($crate::support::front_end::FrontEnd::FunctionUrl).await;
        }

        #[tokio::test]
        async fn a_rest_api_answers_every_client() {
            $plays($crate::support::front_end::FrontEnd::RestApi).await;
        }

        #[tokio::test]
        async fn a_load_balancer_answers_every_client() {
            $plays($crate::support::front_end::FrontEnd::LoadBalancer).await;
        }
    };
}
pub(crate) use every_front_end_answers_every_client;

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
