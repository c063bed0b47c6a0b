//! Requests of browsers: those that another site's page makes a browser send, and a person's visit.
//!
//! A browser adds credentials that it has stored to every request for a host, whoever's page asks for
//! it. So a page of another site could move a host. Browsers name the page's site in headers that no
//! client of this protocol sends.

use http::{
    HeaderMap, HeaderValue, Method,
    header::{ACCEPT, AUTHORIZATION, HOST, ORIGIN, REFERER, UPGRADE_INSECURE_REQUESTS},
    request::Parts,
};

/// The header in which a browser says how the page's site is related to ours (Fetch Metadata, W3C).
const SEC_FETCH_SITE: &str = "sec-fetch-site";

/// The header in which a browser says how a reply is used: `navigate` if it is a page that a person opens.
const SEC_FETCH_MODE: &str = "sec-fetch-mode";

/// The header in which a browser says what a reply becomes: `document` if it fills a tab.
const SEC_FETCH_DEST: &str = "sec-fetch-dest";

/// Whether somebody opens `/` in a browser. Programs ask there for their address, and must never be mistaken for one:
/// lynx, w3m and Java send `Accept: text/html` too.
///
/// Browsers send `Sec-Fetch-Mode` to https and to this machine, but not over http to another one. There
/// `Upgrade-Insecure-Requests` shows them.
pub fn opens_root(parts: &Parts) -> bool {
    let has = |name: &str, expected: &[u8]| {
        parts.headers.get(name).is_some_and(|value| value.as_bytes().trim_ascii().eq_ignore_ascii_case(expected))
    };
    let takes_html = || {
        let media_type = |value: &HeaderValue| value.as_bytes().windows(9).any(|part| part == b"text/html");
        parts.headers.get_all(ACCEPT).iter().any(media_type)
    };
    let is_root = parts.uri.path() == "/" && parts.uri.query().is_none_or(str::is_empty);
    is_root
        && parts.method == Method::GET
        && if parts.headers.contains_key(SEC_FETCH_MODE) {
            has(SEC_FETCH_MODE, b"navigate") && has(SEC_FETCH_DEST, b"document")
        } else {
            has(UPGRADE_INSECURE_REQUESTS.as_str(), b"1") && takes_html()
        }
}

/// The reason for the log if a request has stored credentials and comes from another site's page.
pub fn other_site(headers: &HeaderMap) -> Option<&'static str> {
    headers.get_all(AUTHORIZATION).iter().find(|value| !value.as_bytes().trim_ascii().is_empty())?;
    let mut sites = headers.get_all(SEC_FETCH_SITE).iter().peekable();
    if sites.peek().is_some() {
        let is_ours = |site: &HeaderValue| [&b"same-origin"[..], b"none"].contains(&site.as_bytes().trim_ascii());
        return (!sites.all(is_ours)).then_some("it comes from another site's page, as Sec-Fetch-Site says");
    }
    let host = headers.get(HOST);
    if headers.contains_key(ORIGIN) {
        let is_ours = headers.get_all(ORIGIN).iter().all(|origin| names(origin, host));
        return (!is_ours).then_some("it comes from another site's page, as Origin says");
    }
    let referer = headers.get(REFERER)?;
    (!names(referer, host)).then_some("it comes from another site's page, as Referer says")
}

/// Whether the URL in a header is one of this `Host`.
fn names(url: &HeaderValue, host: Option<&HeaderValue>) -> bool {
    let authorities = || {
        let (scheme, rest) = url.to_str().ok()?.trim().split_once("://")?;
        let scheme = scheme.to_ascii_lowercase();
        let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
        // Credentials in a URL are no part of the name.
        let authority = authority.rsplit('@').next().unwrap_or_default();
        let is_web = ["http", "https"].contains(&scheme.as_str());
        is_web.then_some((canonical(authority, &scheme), canonical(host?.to_str().ok()?, &scheme)))
    };
    authorities().is_some_and(|(named, ours)| named == ours && !ours.is_empty())
}

/// An authority in lower case, without a trailing dot of the name and without the port that the scheme
/// has by default.
fn canonical(authority: &str, scheme: &str) -> String {
    let authority = authority.trim().to_ascii_lowercase();
    let (name, port) = match authority.rsplit_once(':') {
        // The colons within brackets are of an IPv6 address.
        Some((name, port)) if !port.ends_with(']') => (name, port),
        Some(_) | None => (authority.as_str(), ""),
    };
    let name = name.strip_suffix('.').unwrap_or(name);
    match (scheme, port) {
        (_, "") | ("http", "80") | ("https", "443") => name.to_owned(),
        (_, port) => format!("{name}:{port}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whether a request with these headers and credentials is refused.
    fn is_refused(headers: &[(&str, &str)]) -> bool {
        let mut map: HeaderMap = [(AUTHORIZATION, HeaderValue::from_static("Basic eDp5"))].into_iter().collect();
        for (name, value) in headers {
            let name: http::HeaderName = name.parse().unwrap();
            map.append(name, HeaderValue::from_str(value).unwrap());
        }
        other_site(&map).is_some()
    }

    #[test]
    fn only_a_browser_that_opens_the_root_is_shown_the_page() {
        let html = ("accept", "text/html,application/xhtml+xml,*/*;q=0.8");
        let (navigate, document) = (("sec-fetch-mode", "navigate"), ("sec-fetch-dest", "document"));
        let upgrade = ("upgrade-insecure-requests", "1");
        for (target, headers, opens) in [
            ("/", &[navigate, document][..], true),
            ("/?", &[navigate, document], true),
            ("/", &[html, navigate, document, upgrade], true),
            ("/", &[html, upgrade], true),
            ("/", &[html], false),
            ("/", &[], false),
            ("/", &[upgrade], false),
            ("/", &[("accept", "*/*"), upgrade], false),
            ("/", &[html, ("upgrade-insecure-requests", "0")], false),
            ("/", &[navigate, ("sec-fetch-dest", "iframe"), html, upgrade], false),
            ("/", &[navigate, html, upgrade], false),
            ("/", &[("sec-fetch-mode", "cors"), document, html, upgrade], false),
            ("/", &[("sec-fetch-mode", "no-cors"), ("sec-fetch-dest", "image"), html, upgrade], false),
            ("/?x", &[navigate, document], false),
            ("/checkip", &[navigate, document], false),
            ("/prod", &[navigate, document], false),
        ] {
            let request =
                headers.iter().fold(http::Request::get(target), |request, (name, value)| request.header(*name, *value));
            let (mut parts, ()) = request.body(()).unwrap().into_parts();
            assert_eq!(opens_root(&parts), opens, "{target} {headers:?}");
            parts.method = Method::HEAD;
            assert!(!opens_root(&parts), "{target} {headers:?}");
        }
    }

    #[test]
    fn sec_fetch_site_decides_if_it_is_there() {
        for (site, refused) in
            [("same-origin", false), ("none", false), ("same-site", true), ("cross-site", true), ("", true)]
        {
            assert_eq!(is_refused(&[("sec-fetch-site", site)]), refused, "{site}");
            let origin = ("origin", "https://evil.example");
            assert_eq!(is_refused(&[("sec-fetch-site", site), origin]), refused, "{site} and {origin:?}");
        }
        assert!(is_refused(&[("sec-fetch-site", "none"), ("sec-fetch-site", "cross-site")]));
        assert!(is_refused(&[("sec-fetch-site", "none, cross-site")]));
    }

    #[test]
    fn else_origin_and_else_referer_must_name_the_host() {
        for (host, url, refused) in [
            ("dyn.example.net", "https://dyn.example.net", false),
            ("dyn.example.net", "http://dyn.example.net", false),
            ("DYN.example.net.", "https://dyn.EXAMPLE.net", false),
            ("dyn.example.net", "https://dyn.example.net.:443", false),
            ("dyn.example.net:443", "HTTPS://dyn.example.net", false),
            ("dyn.example.net:80", "http://dyn.example.net", false),
            ("dyn.example.net:8443", "https://dyn.example.net:8443", false),
            ("[2001:db8::1]:80", "http://[2001:DB8::1]", false),
            ("[2001:db8::1]", "http://[2001:db8::1]", false),
            ("dyn.example.net:80", "https://dyn.example.net", true),
            ("dyn.example.net", "https://dyn.example.net:8443", true),
            ("dyn.example.net", "https://www.example.net", true),
            ("dyn.example.net", "https://dyn.example.net.evil.example", true),
            ("dyn.example.net", "https://dyn.example.net@evil.example", true),
            ("dyn.example.net", "null", true),
            ("dyn.example.net", "", true),
            ("dyn.example.net", "dyn.example.net", true),
            ("dyn.example.net", "android-app://dyn.example.net", true),
            ("", "https://", true),
            ("[2001:db8::1]", "http://[2001:db8::2]", true),
        ] {
            assert_eq!(is_refused(&[("host", host), ("origin", url)]), refused, "{host} {url}");
            assert_eq!(is_refused(&[("host", host), ("referer", url)]), refused, "{host} {url}");
            let page = format!("{url}/page?next=https://{host}/#x");
            assert_eq!(is_refused(&[("host", host), ("referer", &page)]), refused, "{host} {page}");
            let both = [("host", host), ("origin", url), ("referer", "https://evil.example/")];
            assert_eq!(is_refused(&both), refused, "{both:?}");
        }
    }

    #[test]
    fn without_a_host_every_site_is_another_one() {
        assert!(is_refused(&[("origin", "https://dyn.example.net")]));
        assert!(is_refused(&[("referer", "https://dyn.example.net/")]));
        assert!(is_refused(&[("x-forwarded-host", "dyn.example.net"), ("origin", "https://dyn.example.net")]));
        assert!(!is_refused(&[]));
    }

    #[test]
    fn without_stored_credentials_no_page_is_refused() {
        let evil = || (ORIGIN, HeaderValue::from_static("https://evil.example"));
        for (authorization, refused) in
            [(None, false), (Some(""), false), (Some(" "), false), (Some("Basic Og=="), true)]
        {
            let credentials = authorization.map(|value| (AUTHORIZATION, HeaderValue::from_static(value)));
            let headers = credentials.into_iter().chain([evil()]).collect();
            assert_eq!(other_site(&headers).is_some(), refused, "{authorization:?}");
        }
    }
}
