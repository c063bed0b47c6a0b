//! The page at `/ui`: your address, your host name, your router. It is a constant but for the names of
//! [`FamilyNames`], and needs nothing from elsewhere.
//!
//! `page/page.html` has its text, `page/page.css` its style, `page/script/` what it does. The recipes and the meanings
//! of the codes are those of the programs. `docs/page.md` says how it is kept careful.

mod compact;
mod family_names;
mod pack;

use std::{fmt::Write as _, sync::LazyLock};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use http::{HeaderMap, HeaderValue, Response, StatusCode, header};
use sha2::{Digest as _, Sha256};

use self::compact::compacted;
pub use self::family_names::FamilyNames;
use crate::{
    protocol::{
        meaning::{CodeMeaning, EVERY_CODE, meaning},
        reply,
    },
    recipes::RECIPES,
};

/// The page with the places of its parts, as `%PART%`.
const HTML: &str = include_str!("page/page.html");

/// Its style.
const STYLE: &str = compacted!(include_str!("page/page.css"));

/// Its script, in ES5.
const SCRIPT: &str = compacted!(concat!(
    "(function () {\n'use strict';\n",
    include_str!("page/script/ui.js"),
    include_str!("page/script/gateway.js"),
    include_str!("page/script/recipes.js"),
    include_str!("page/script/limits.js"),
    include_str!("page/script/address.js"),
    include_str!("page/script/host.js"),
    include_str!("page/script/router.js"),
    include_str!("page/script/start.js"),
    "})();"
));

/// Where the page reads [`FamilyNames`].
const NO_FAMILY_NAMES: &str = "<meta name=\"family-names\" content=\"\">";

/// The page, joined when it is first asked for.
static PAGE: LazyLock<Page> = LazyLock::new(Page::join);

/// The page, with what its content security policy needs.
struct Page {
    /// The document.
    html: String,
    /// The hash of its style, as a source of the policy.
    style: String,
    /// The hash of its script.
    script: String,
}

/// The reply with the page.
pub fn response(family_names: Option<&FamilyNames>) -> Response<String> {
    let meta = family_names.map(|names| NO_FAMILY_NAMES.replace("\"\"", &format!("\"{}\"", names.authority())));
    let html = meta.map_or_else(|| PAGE.html.clone(), |meta| PAGE.html.replacen(NO_FAMILY_NAMES, &meta, 1));
    let mut response = reply::text(StatusCode::OK, html);
    protect(response.headers_mut(), &PAGE.policy(family_names));
    response
}

/// Sets the headers that keep the page careful, whatever page is beside or around it.
fn protect(headers: &mut HeaderMap, policy: &str) {
    let fixed = |text| HeaderValue::from_static(text);
    headers.insert(header::CONTENT_TYPE, fixed("text/html; charset=utf-8"));
    if let Ok(policy) = HeaderValue::from_str(policy) {
        headers.insert(header::CONTENT_SECURITY_POLICY, policy);
    }
    headers.insert(header::X_FRAME_OPTIONS, fixed("DENY"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, fixed("nosniff"));
    headers.insert(header::REFERRER_POLICY, fixed("no-referrer"));
    headers.insert("cross-origin-opener-policy", fixed("same-origin"));
    headers.insert("x-robots-tag", fixed("noindex"));
}

impl Page {
    /// Joins the parts.
    fn join() -> Self {
        let html = HTML
            .trim_end()
            .replacen("%STYLE%", STYLE, 1)
            .replacen("%CODES%", &codes(), 1)
            .replacen("%SCRIPT%", SCRIPT, 1)
            .replacen("%RECIPES%", &pack::pack(&recipes()), 1);
        Self { html, style: source(STYLE), script: source(SCRIPT) }
    }

    /// What the browser may do for the page, and nothing else (CSP Level 3, W3C).
    fn policy(&self, family_names: Option<&FamilyNames>) -> String {
        let Self { style, script, .. } = self;
        let families = family_names.map(|names| format!(" {}", names.sources())).unwrap_or_default();
        format!(
            "default-src 'none'; script-src {script}; style-src {style}; connect-src 'self'{families}; img-src data:; \
             base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'"
        )
    }
}

/// The hash of an inline element, as a source of a content security policy.
fn source(text: &str) -> String {
    format!("'sha256-{}'", BASE64_STANDARD.encode(Sha256::digest(text)))
}

/// The meanings of the codes, as a list that the script reads too.
fn codes() -> String {
    let mut list = String::new();
    for code in EVERY_CODE {
        let (word, CodeMeaning { meaning, advice }) = (code.word(), meaning(&code));
        // Writing to a `String` cannot fail.
        let _ = writeln!(
            list,
            "<dt><code>{word}</code></dt><dd data-code=\"{word}\"><span class=\"says\">{}</span> \
             <span class=\"todo\">To do: <span class=\"advice\">{}</span></span></dd>",
            escaped(meaning),
            escaped(advice)
        );
    }
    list
}

/// A text as HTML.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;")
}

/// The recipes as they are, each behind a line with its name.
fn recipes() -> String {
    let mut recipes = String::new();
    for (name, text) in RECIPES {
        let _ = write!(recipes, "=== {name}\n{text}");
    }
    recipes
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What stands between two texts of the page.
    fn between<'a>(page: &'a str, before: &str, after: &str) -> &'a str {
        page.split_once(before).unwrap().1.split_once(after).unwrap().0
    }

    #[test]
    fn the_page_is_small_and_complete() {
        let page = response(None);
        assert!(page.body().len() <= 64 * 1024, "{} octets", page.body().len());
        assert!(!page.body().contains('%') || !page.body().contains("%S"), "a part is missing");
        assert_eq!(format!("\n{}", recipes()).matches("\n=== ").count(), RECIPES.len());
        assert_eq!(page.body().matches("data-code=").count(), EVERY_CODE.len());
        assert_eq!(page.body().matches(NO_FAMILY_NAMES).count(), 1);
    }

    #[test]
    fn the_page_names_nothing_elsewhere() {
        let page = response(None).into_body();
        for before in ["src=\"", "href=\""] {
            for reference in page.split(before).skip(1) {
                let reference = reference.split('"').next().unwrap();
                assert!(["data:,", "ip"].contains(&reference), "{reference}");
            }
        }
        for never in ["@import", "url(", "innerHTML", "localStorage", "sessionStorage", "document.cookie", "eval("] {
            assert!(!page.contains(never), "{never}");
        }
    }

    #[test]
    fn the_policy_has_the_hashes_of_the_two_blocks() {
        let page = response(None);
        let policy = page.headers()[header::CONTENT_SECURITY_POLICY].to_str().unwrap();
        for (directive, before, after) in
            [("style-src", "<style>", "</style>"), ("script-src", "<script>", "</script>")]
        {
            assert_eq!(page.body().matches(before).count(), 1);
            let digest = BASE64_STANDARD.encode(Sha256::digest(between(page.body(), before, after)));
            assert!(policy.contains(&format!("{directive} 'sha256-{digest}';")), "{policy}");
        }
        assert!(policy.contains("connect-src 'self';") && !policy.contains("unsafe"), "{policy}");
        assert!(!page.body().contains(" style=") && !page.body().contains(" onclick="));
    }

    #[test]
    fn the_names_of_the_families_are_in_the_policy_and_in_the_page() {
        let page = response(Some(&"ddns.example.org".parse().unwrap()));
        let policy = page.headers()[header::CONTENT_SECURITY_POLICY].to_str().unwrap();
        let expected = "connect-src 'self' https://ipv4.ddns.example.org https://ipv6.ddns.example.org;";
        assert!(policy.contains(expected), "{policy}");
        assert!(page.body().contains("<meta name=\"family-names\" content=\"ddns.example.org\">"));
        assert_eq!(page.headers()[header::CONTENT_LENGTH], page.body().len().to_string());
    }
}
