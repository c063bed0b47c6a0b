//! The parameters of a request: its query, and for POST and PUT its form.

use std::{borrow::Cow, fmt};

use http::{Method, header::CONTENT_TYPE, request::Parts};
use percent_encoding::percent_decode_str;
use serde::{
    Deserialize, Deserializer,
    de::{SeqAccess, Visitor},
};

/// The most octets of a form. `docs/protocol.md` states it.
pub const MAX_FORM: usize = 64 * 1024;

/// The most parameters that are read of a query, and of a form; those after them are ignored. No client
/// sends more than 20. `docs/protocol.md` and the reference of the fuzz targets state it.
pub const MAX_PARAMETERS: usize = 500;

/// The body of a request, as far as it came.
#[derive(Clone, Copy, Debug)]
pub enum Body<'a> {
    /// All of it; empty if there was none.
    Whole(&'a [u8]),
    /// More than [`MAX_FORM`], and not kept.
    TooLarge,
    /// It was cut short, did not match its declared length, or timed out.
    Broken,
}

/// Names and values in the order sent. Names are the same in any case.
#[derive(Debug, Default)]
pub struct Parameters<'a>(Vec<Parameter<'a>>);

/// A name and its value, borrowed if nothing in them is encoded.
#[derive(Debug, Deserialize)]
struct Parameter<'a>(#[serde(borrow)] Cow<'a, str>, #[serde(borrow)] Cow<'a, str>);

impl<'a> Parameters<'a> {
    /// Reads the query, then the form of a POST or PUT.
    ///
    /// Nothing fails: `+` is a space, a broken escape is text, bytes that are not UTF-8 become
    /// U+FFFD, and a piece without a name is dropped.
    pub fn read(parts: &'a Parts, body: &'a [u8]) -> Self {
        let mut parameters = decode_form(parts.uri.query().unwrap_or_default().as_bytes());
        if has_form(parts) {
            parameters.extend(decode_form(body));
        }
        parameters.retain(|Parameter(name, _)| !name.trim().is_empty());
        Self(parameters)
    }

    /// These names and values.
    #[cfg(test)]
    pub(crate) fn from_pairs(pairs: &[(&'a str, &'a str)]) -> Self {
        Self(pairs.iter().map(|(name, value)| Parameter((*name).into(), (*value).into())).collect())
    }

    /// Whether there are no parameters.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The first value under any of these names that is not empty.
    pub fn first(&self, names: &[&str]) -> Option<&str> {
        self.all(names).map(|(_, value)| value.trim()).find(|value| !value.is_empty())
    }

    /// All values under these names, which are in lower case, in the order sent; each with its name.
    pub fn all<'n>(&self, names: &[&'n str]) -> impl Iterator<Item = (&'n str, &str)> {
        self.0.iter().filter_map(|Parameter(name, value)| {
            let name = name.trim();
            let name = names.iter().find(|known| name.eq_ignore_ascii_case(known))?;
            Some((*name, value.as_ref()))
        })
    }
}

/// Percent-decodes text. Broken escapes stay, and bytes that are not UTF-8 become U+FFFD.
pub fn decode(text: &str) -> Cow<'_, str> {
    if text.contains('%') { percent_decode_str(text).decode_utf8_lossy() } else { text.into() }
}

/// Whether the body is a form: that of a POST or PUT whose `Content-Type` says so or is missing.
fn has_form(parts: &Parts) -> bool {
    let declared = parts.headers.get(CONTENT_TYPE).map(|value| value.as_bytes().trim_ascii().to_ascii_lowercase());
    [Method::POST, Method::PUT].contains(&parts.method)
        && declared
            .is_none_or(|declared| declared.is_empty() || declared.starts_with(b"application/x-www-form-urlencoded"))
}

/// The parameters of a query or form, up to [`MAX_PARAMETERS`].
fn decode_form(form: &[u8]) -> Vec<Parameter<'_>> {
    // Text of this format is never malformed, so there is no error to report.
    serde_urlencoded::from_bytes(form).map(|First(parameters)| parameters).unwrap_or_default()
}

/// The first parameters of a query or form. Each costs a stranger two octets, and us an entry of a list.
struct First<'a>(Vec<Parameter<'a>>);

impl<'de> Deserialize<'de> for First<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(FirstVisitor)
    }
}

/// Takes [`MAX_PARAMETERS`] parameters and leaves the others unread.
struct FirstVisitor;

impl<'de> Visitor<'de> for FirstVisitor {
    type Value = First<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("parameters")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut pairs: A) -> Result<First<'de>, A::Error> {
        let mut parameters = Vec::new();
        while parameters.len() < MAX_PARAMETERS
            && let Some(parameter) = pairs.next_element()?
        {
            parameters.push(parameter);
        }
        Ok(First(parameters))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is read of a POST with this query and body.
    fn read(query: &str, content_type: Option<&str>, body: &[u8]) -> Vec<(String, String)> {
        let mut request = http::Request::post(format!("/nic/update?{query}"));
        if let Some(content_type) = content_type {
            request = request.header(CONTENT_TYPE, content_type);
        }
        let parts = request.body(()).unwrap().into_parts().0;
        let parameters = Parameters::read(&parts, body).0.into_iter();
        parameters.map(|Parameter(name, value)| (name.trim().to_owned(), value.into_owned())).collect()
    }

    #[test]
    fn parameters_after_the_most_are_ignored() {
        for (before, last) in [(MAX_PARAMETERS - 1, "p"), (MAX_PARAMETERS, "a")] {
            let form = format!("{}p=x", "a&".repeat(before));
            let parameters = read("", None, form.as_bytes());
            assert_eq!(parameters.len(), MAX_PARAMETERS, "{before}");
            assert_eq!(parameters.last().map(|(name, _)| name.as_str()), Some(last), "{before}");
        }
    }

    #[test]
    fn nothing_in_a_query_fails() {
        for (query, parameters) in [
            ("", &[][..]),
            ("&&=&=x&", &[]),
            ("HostName=a.b&+myip", &[("HostName", "a.b"), ("myip", "")]),
            ("a=b=c&a=1%2C2,3%3a4:5*", &[("a", "b=c"), ("a", "1,2,3:4:5*")]),
            ("a=x+y%2Bz%20", &[("a", "x y+z ")]),
            ("a=%i&b=%&c=%zz%4", &[("a", "%i"), ("b", "%"), ("c", "%zz%4")]),
            ("a=%ff%fe&%66qdn=x", &[("a", "\u{fffd}\u{fffd}"), ("fqdn", "x")]),
        ] {
            let expected: Vec<_> =
                parameters.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
            assert_eq!(read(query, None, b""), expected, "{query}");
        }
    }

    #[test]
    fn a_form_comes_after_the_query() {
        let form = "application/x-www-form-urlencoded; charset=utf-8";
        for (content_type, both) in
            [(None, true), (Some(""), true), (Some(form), true), (Some("application/json"), false)]
        {
            assert_eq!(read("a=1", content_type, b"b=2%\xff").len(), if both { 2 } else { 1 }, "{content_type:?}");
        }
    }

    #[test]
    fn a_parameter_without_a_value_counts_and_one_without_a_name_does_not() {
        for (query, is_empty) in [("", true), ("&", true), ("=x", true), ("a", false), ("a=b", false)] {
            let request = http::Request::get(format!("/?{query}")).body(()).unwrap().into_parts().0;
            assert_eq!(Parameters::read(&request, b"").is_empty(), is_empty, "{query}");
        }
    }

    #[test]
    fn the_first_that_is_not_empty_counts() {
        let parameters = Parameters::from_pairs(&[("u", " "), ("User", "x "), ("u", "y")]);
        assert_eq!(parameters.all(&["u", "user"]).collect::<Vec<_>>(), [("u", " "), ("user", "x "), ("u", "y")]);
        assert_eq!(parameters.first(&["u", "user"]), Some("x"));
        assert_eq!(parameters.first(&["p"]), None);
    }
}
