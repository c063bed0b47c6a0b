//! Which path is asked for, and whether its method is served.

use http::{Method, request::Parts};

use crate::protocol::{challenge::Api, parameters};

/// What a path stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Endpoint {
    /// `/nic/update` and its aliases.
    Update,
    /// The caller's address in Dyn's page.
    CheckIp,
    /// The caller's address alone.
    PlainIp,
    /// Whether the gateway is running.
    Health,
    /// A challenge for a certificate, if the deployment allows it.
    Challenge(Api),
    /// The page for a browser.
    Page,
}

/// The paths of an update. `docs/protocol.md` states them, and `protocol-tests/`.
pub const UPDATE_PATHS: [&str; 4] = ["/nic/update", "/v2/update", "/v3/update", "/update"];

/// The paths of Dyn's page with the caller's address.
pub const CHECKIP_PATHS: [&str; 2] = ["/nic/checkip", "/checkip"];

/// The paths of the caller's address alone.
const PLAIN_IP_PATHS: [&str; 2] = ["/ip", "/myip"];

/// The path that says whether the gateway is running.
const HEALTH_PATH: &str = "/healthz";

/// The path of a challenge to be set by `httpreq`.
const PRESENT_PATH: &str = "/present";

/// The path of a challenge to be removed by `httpreq`.
const CLEANUP_PATH: &str = "/cleanup";

/// The headers of an acme-dns request: user name and password.
pub const ACME_DNS_HEADERS: [&str; 2] = ["x-api-user", "x-api-key"];

/// The path of the page.
pub const PAGE_PATH: &str = "/ui";

/// First segments that are never taken for a stage: the words of our own paths, and what leads
/// elsewhere.
const OWN_WORDS: [&str; 14] = [
    "nic", "update", "v2", "v3", "checkip", "ip", "myip", "healthz", "ui", "present", "cleanup", "register", ".", "..",
];

impl Endpoint {
    /// The endpoint of a path, if there is one. `asks` says whether a query or a form came with it.
    ///
    /// The path is percent-decoded, repeated and trailing slashes do not count, and one unknown
    /// first segment, such as a stage, is dropped if a known path follows. The words of our own paths never are, so
    /// that a proxy's rules for paths hold.
    pub fn of(path: &str, asks: bool) -> Option<Self> {
        // A target without it is a host name that a client took for a path.
        let path = parameters::decode(path.strip_prefix('/')?);
        let segments: Vec<&str> = path.split('/').filter(|segment| !segment.is_empty()).collect();
        match segments.as_slice() {
            [] if asks => Some(Self::Update),
            [] => Some(Self::CheckIp),
            segments => Self::known(segments).or_else(|| Self::behind_stage(segments, asks)),
        }
    }

    /// What this is if challenges are allowed: a POST to an update path that has acme-dns's credentials
    /// asks for one.
    pub fn with_challenges(self, parts: &Parts) -> Self {
        let is_acme_dns = || ACME_DNS_HEADERS.iter().any(|name| parts.headers.contains_key(*name));
        match self {
            Self::Update if parts.method == Method::POST && is_acme_dns() => Self::Challenge(Api::AcmeDns),
            other => other,
        }
    }

    /// What this is if challenges are not allowed.
    pub fn without_challenges(self) -> Option<Self> {
        (!matches!(self, Self::Challenge(_))).then_some(self)
    }

    /// The methods served, as `Allow` lists them (RFC 9110 §10.2.1).
    pub fn allow(self) -> &'static str {
        match self {
            Self::Update => "GET, POST, PUT",
            Self::CheckIp | Self::PlainIp | Self::Health | Self::Page => "GET, HEAD",
            Self::Challenge(_) => "POST",
        }
    }

    /// The word in the log.
    pub fn word(self) -> &'static str {
        match self {
            Self::Update => "update",
            Self::CheckIp => "checkip",
            Self::PlainIp => "ip",
            Self::Health => "healthz",
            Self::Challenge(Api::Present) => "present",
            Self::Challenge(Api::Cleanup) => "cleanup",
            Self::Challenge(Api::AcmeDns) => "acme-dns",
            Self::Page => "page",
        }
    }

    /// Whether this method is served.
    pub fn allows(self, method: &Method) -> bool {
        self.allow().split(", ").any(|allowed| allowed == method.as_str())
    }

    /// The endpoint whose path has exactly these segments.
    fn known(segments: &[&str]) -> Option<Self> {
        let known = [
            (&UPDATE_PATHS[..], Self::Update),
            (&CHECKIP_PATHS, Self::CheckIp),
            (&PLAIN_IP_PATHS, Self::PlainIp),
            (&[HEALTH_PATH], Self::Health),
            (&[PRESENT_PATH], Self::Challenge(Api::Present)),
            (&[CLEANUP_PATH], Self::Challenge(Api::Cleanup)),
            (&[PAGE_PATH], Self::Page),
        ];
        let is = |path: &&str| path.split('/').skip(1).eq(segments.iter().copied());
        known.into_iter().find(|(paths, _)| paths.iter().any(is)).map(|(_, endpoint)| endpoint)
    }

    /// The endpoint of what follows the first segment, if that may be a stage.
    fn behind_stage(segments: &[&str], asks: bool) -> Option<Self> {
        match segments {
            [first, ..] if !may_be_stage(first) => None,
            [_] => asks.then_some(Self::Update),
            [_, rest @ ..] => Self::known(rest),
            [] => None,
        }
    }
}

/// Whether a first segment may be a stage: `$default`, or letters, digits, `-`, `_` and `.`, and none of
/// [`OWN_WORDS`] in any case. A proxy may compare without case, or cut at a `;`; a shell would read other
/// words with a `$` in a URL that a person pastes.
fn may_be_stage(segment: &str) -> bool {
    let is_plain = segment.bytes().all(|octet| octet.is_ascii_alphanumeric() || b"-_.".contains(&octet));
    let is_plain = is_plain || segment == "$default";
    is_plain && !OWN_WORDS.iter().any(|word| word.eq_ignore_ascii_case(segment))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_known_however_it_is_slashed_and_staged() {
        for path in [
            "/nic/update",
            "/v2/update",
            "/v3/update",
            "/update",
            "//nic/update",
            "/nic/update/",
            "/nic//update//",
            "/nic%2Fupdate",
            "/%6eic/update",
            "/prod/nic/update",
            "/Production/update",
        ] {
            assert_eq!(Endpoint::of(path, false), Some(Endpoint::Update), "{path}");
        }
    }

    #[test]
    fn the_root_and_a_stage_alone_are_an_update_when_they_ask_for_something() {
        for (path, asks, endpoint) in [
            ("/", true, Some(Endpoint::Update)),
            ("/", false, Some(Endpoint::CheckIp)),
            ("", true, None),
            ("nic/update", true, None),
            ("/Production", true, Some(Endpoint::Update)),
            ("/Production", false, None),
            ("/checkip", true, Some(Endpoint::CheckIp)),
            ("/stage/nic/checkip/", false, Some(Endpoint::CheckIp)),
            ("/ip", false, Some(Endpoint::PlainIp)),
            ("/prod/myip", true, Some(Endpoint::PlainIp)),
            ("/healthz", false, Some(Endpoint::Health)),
            ("/a/b/update", true, None),
            ("/checkip/update", true, None),
            ("/healthz/nic/update", true, None),
            ("/ip/nic/update", true, None),
            ("/../nic/update", true, None),
            ("/%2e%2e/nic/update", true, None),
            ("/./nic/update", true, None),
            ("/CheckIP/update", true, None),
            ("/checkip%20/update", true, None),
            ("/checkip;x/update", true, None),
            ("/..;/nic/update", true, None),
            ("/%252e%252e/nic/update", true, None),
            ("/register/update", true, None),
            ("/nic", true, None),
            ("/v2", true, None),
            ("/ui", false, Some(Endpoint::Page)),
            ("/ui/", false, Some(Endpoint::Page)),
            ("/ui", true, Some(Endpoint::Page)),
            ("/prod/ui", true, Some(Endpoint::Page)),
            ("/ui/nic/update", true, None),
            ("/UI", false, None),
            ("/ui/x", false, None),
            ("/present", true, Some(Endpoint::Challenge(Api::Present))),
            ("//present/", false, Some(Endpoint::Challenge(Api::Present))),
            ("/prod/cleanup", true, Some(Endpoint::Challenge(Api::Cleanup))),
            ("/present/nic/update", true, None),
            ("/cleanup/present", true, None),
            ("/update/present", true, None),
            ("/register", true, None),
            ("/acme-dns/register", true, None),
            ("/..", true, None),
            ("/...", true, Some(Endpoint::Update)),
            ("/$default/nic/update", true, Some(Endpoint::Update)),
            ("/$latest/nic/update", true, None),
            ("/prod/unknown", true, None),
            ("/nic", false, None),
            ("/NIC/UPDATE", true, None),
        ] {
            assert_eq!(Endpoint::of(path, asks), endpoint, "{path} {asks}");
        }
    }

    #[test]
    fn a_stage_has_nothing_that_a_shell_reads() {
        // The page's recipes have the stage in the URL, and some are pasted into a shell.
        for stage in ["';reboot;'", "%27;reboot;%27", "$(reboot)", "`reboot`", "a&reboot", "a|reboot", "a%20reboot"]
            .into_iter()
            .chain(["$HOME", "x$IFS$9evil.example", "x%24IFS%249evil.example", "$defaults"])
        {
            assert_eq!(Endpoint::of(&format!("/{stage}/ui"), false), None, "{stage}");
        }
    }

    #[test]
    fn the_log_has_a_word_for_each_endpoint() {
        let words = [Endpoint::Update, Endpoint::CheckIp, Endpoint::PlainIp, Endpoint::Health, Endpoint::Page]
            .map(Endpoint::word);
        assert_eq!(words, ["update", "checkip", "ip", "healthz", "page"]);
    }

    #[test]
    fn only_a_post_with_the_headers_of_acme_dns_is_one() {
        for (method, header, expected) in [
            (Method::POST, "X-Api-User", Endpoint::Challenge(Api::AcmeDns)),
            (Method::POST, "X-Api-Key", Endpoint::Challenge(Api::AcmeDns)),
            (Method::POST, "X-Api", Endpoint::Update),
            (Method::PUT, "X-Api-Key", Endpoint::Update),
            (Method::GET, "X-Api-Key", Endpoint::Update),
        ] {
            let request = http::Request::builder().method(method).header(header, "x");
            let parts = request.body(()).unwrap().into_parts().0;
            assert_eq!(Endpoint::Update.with_challenges(&parts), expected, "{} {header}", parts.method);
            assert_eq!(Endpoint::Health.with_challenges(&parts), Endpoint::Health, "{} {header}", parts.method);
        }
    }

    #[test]
    fn an_endpoint_allows_its_own_methods() {
        for (endpoint, method, allowed) in [
            (Endpoint::Update, Method::GET, true),
            (Endpoint::Update, Method::POST, true),
            (Endpoint::Update, Method::PUT, true),
            (Endpoint::Update, Method::HEAD, false),
            (Endpoint::Update, Method::DELETE, false),
            (Endpoint::CheckIp, Method::HEAD, true),
            (Endpoint::CheckIp, Method::POST, false),
            (Endpoint::Challenge(Api::Present), Method::POST, true),
            (Endpoint::Challenge(Api::Cleanup), Method::GET, false),
            (Endpoint::Challenge(Api::Present), Method::PUT, false),
            (Endpoint::Page, Method::HEAD, true),
            (Endpoint::Page, Method::POST, false),
        ] {
            assert_eq!(endpoint.allows(&method), allowed, "{endpoint:?} {method}");
        }
    }
}
