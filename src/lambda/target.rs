//! The target of the request in an event: its path and query, percent-encoded.

use std::{borrow::Cow, fmt::Write as _};

use percent_encoding::{AsciiSet, CONTROLS, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;

/// The ASCII characters that a query must percent-encode.
const QUERY: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'#')
    .add(b'<')
    .add(b'>')
    .add(b'\\')
    .add(b'^')
    .add(b'`')
    .add(b'{')
    .add(b'|')
    .add(b'}');

/// The ASCII characters that a path must percent-encode.
const PATH: &AsciiSet = &QUERY.add(b'?');

/// The octets of the longest target that an [`http::Uri`] can hold.
const MAX_TARGET: usize = 65_534;

/// Path and query, percent-encoded; `None` if they are longer than any URI may be.
pub(super) fn target(event: &Value) -> Option<String> {
    let path = match event["rawPath"].as_str() {
        Some(path) => without_stage(path, event["requestContext"]["stage"].as_str().unwrap_or_default()),
        // Neither a REST API nor a load balancer leaves a stage in the path.
        None => event["path"].as_str().unwrap_or_default(),
    };
    let path = utf8_percent_encode(path.trim_start_matches('/'), PATH);
    let query = query(event);
    let target = format!("/{path}?{}", utf8_percent_encode(&query, QUERY));
    (target.len() <= MAX_TARGET).then_some(target)
}

/// The path without the event's own stage at its front. The stage `$default` is never part of a path:
/// there the client wrote that word.
fn without_stage<'a>(path: &'a str, stage: &str) -> &'a str {
    let behind = path.trim_start_matches('/').strip_prefix(stage);
    match behind {
        Some(rest) if !["", "$default"].contains(&stage) && (rest.is_empty() || rest.starts_with('/')) => rest,
        _ => path,
    }
}

/// The query, put together from its parameters if the event does not have it as it was sent.
fn query(event: &Value) -> Cow<'_, str> {
    if let Some(raw) = event["rawQueryString"].as_str() {
        return raw.into();
    }
    // A load balancer leaves its parameters encoded, a REST API decodes them.
    let encoded = event["requestContext"]["elb"].is_object();
    let mut query = String::new();
    let mut push = |name: &str, value: &Value| {
        let value = value.as_str().unwrap_or_default();
        // Writing to a `String` cannot fail.
        let _ = if encoded {
            write!(query, "{name}={value}&")
        } else {
            let [name, value] = [name, value].map(|text| utf8_percent_encode(text, NON_ALPHANUMERIC));
            write!(query, "{name}={value}&")
        };
    };
    if let Some(lists) = event["multiValueQueryStringParameters"].as_object() {
        for (name, list) in lists {
            list.as_array().into_iter().flatten().for_each(|value| push(name, value));
        }
    } else if let Some(values) = event["queryStringParameters"].as_object() {
        values.iter().for_each(|(name, value)| push(name, value));
    }
    query.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_that_is_only_the_stage_is_the_root() {
        for (path, stage, behind) in [
            ("/prod", "prod", ""),
            ("/prod/", "prod", "/"),
            ("/production", "prod", "/production"),
            ("/nic/update", "", "/nic/update"),
            ("/nic/update", "nic", "/update"),
            ("/$default/nic/update", "$default", "/$default/nic/update"),
        ] {
            assert_eq!(without_stage(path, stage), behind, "{path} {stage}");
        }
    }
}
