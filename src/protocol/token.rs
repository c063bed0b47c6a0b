//! Tokens, and the secret that they are derived from.

use std::{array, borrow::Cow, fmt, iter};

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use subtle::{Choice, ConstantTimeEq};
use zeroize::Zeroizing;

use crate::protocol::{hostname::HostName, zone::Zone};

/// The length of a token in characters.
const TOKEN_LENGTH: usize = 24;

/// The fewest characters of a secret. `docs/settings.md` states it.
pub const MIN_SECRET_LENGTH: usize = 32;

/// A secret that only the gateway knows, as an HMAC key. The text is not kept, and the key is wiped when
/// it is dropped.
#[derive(Clone)]
pub struct Secret(Hmac<Sha256>);

impl Secret {
    /// Takes the secret's text, white space around it trimmed.
    ///
    /// # Errors
    ///
    /// If it is shorter than [`MIN_SECRET_LENGTH`], not printable ASCII, or has white space in it, as a
    /// sentence about the secret has: what was expected.
    pub fn new(text: &str) -> Result<Self, String> {
        let text = text.trim();
        if text.len() < MIN_SECRET_LENGTH || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(format!(
                "expected at least {MIN_SECRET_LENGTH} printable ASCII characters without white space, such as 43 of base64"
            ));
        }
        Hmac::new_from_slice(text.as_bytes()).map(Self).map_err(|error| error.to_string())
    }

    /// The token that covers the scope in the zone.
    pub fn mint(&self, scope: Scope, name: &HostName, zone: &Zone, generation: u32) -> Token {
        let mut mac = self.0.clone();
        let generation = generation.to_string();
        let parts = ["nic53 token 1", scope.word(), name.as_str(), zone.id.as_str(), &generation];
        for (index, part) in parts.iter().enumerate() {
            if index > 0 {
                mac.update(&[0]);
            }
            mac.update(part.as_bytes());
        }
        Token(base32(&mac.finalize().into_bytes().into()))
    }
}

/// The secrets that tokens may be minted under.
#[derive(Clone)]
pub struct Secrets {
    /// The one that new tokens are minted under.
    pub current: Secret,
    /// The one before it, accepted while routers are moved one by one.
    pub previous: Option<Secret>,
}

impl Secrets {
    /// Current and previous.
    pub fn iter(&self) -> impl Iterator<Item = &Secret> {
        iter::once(&self.current).chain(&self.previous)
    }
}

/// What a token covers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scope {
    /// One name.
    Host,
    /// A name and everything below it in its zone.
    Subtree,
}

impl Scope {
    /// The word that stands for the scope in a token's derivation.
    pub fn word(self) -> &'static str {
        match self {
            Self::Host => "host",
            Self::Subtree => "subtree",
        }
    }
}

/// The most labels that a host may have below the apex of its zone. Each label means one more token that
/// could be the right one, and they are computed for whoever asks. `docs/protocol.md` states it,
/// `protocol-tests/a-host-of-too-many-labels-is-covered-by-no-token.txt`, and the second reading of
/// requests in `fuzz/targets/`.
pub const MAX_LABELS: usize = 10;

/// The scopes of the tokens that cover a host in its zone: its own, and the subtrees of the host and
/// of its ancestors in the zone. A host of more than [`MAX_LABELS`] is covered by none.
pub fn scopes(host: &HostName, zone: &Zone) -> impl Iterator<Item = (Scope, HostName)> {
    let subtrees = host.ancestry().filter(|name| name.is_within(&zone.name) && !name.is_wildcard());
    let scopes = iter::once((Scope::Host, host.clone())).chain(subtrees.map(|name| (Scope::Subtree, name)));
    let is_covered = has_tokens(host, zone);
    scopes.filter(move |_| is_covered)
}

/// Whether tokens can cover a host of this zone: it has at most [`MAX_LABELS`] labels below the apex.
pub fn has_tokens(host: &HostName, zone: &Zone) -> bool {
    host.labels().count() <= zone.name.labels().count() + MAX_LABELS
}

/// A token: 24 characters of lower-case Crockford base32. It has no `Debug` and is wiped when
/// dropped.
pub struct Token(Zeroizing<[u8; TOKEN_LENGTH]>);

impl Token {
    /// The token's text, to hand to its owner.
    pub fn reveal(&self) -> &str {
        // Always text: it is of the alphabet.
        str::from_utf8(self.0.as_ref()).unwrap_or_default()
    }
}

/// A password as a client sent it, which may be a token.
pub struct Password(Zeroizing<String>);

impl Password {
    /// Takes a password without what clients add to a token: white space around it and ddclient's
    /// trailing comma. Case is folded.
    ///
    /// `None` if nothing is left: an empty token is never valid.
    pub fn new(text: &str) -> Option<Self> {
        let text = text.trim();
        let text = text.strip_suffix(',').unwrap_or(text).trim();
        (!text.is_empty()).then(|| Self(Zeroizing::new(text.to_ascii_lowercase())))
    }

    /// Whether this is that token, in a time that does not depend on how much of it is right.
    pub fn is(&self, token: &Token) -> Choice {
        self.0.as_bytes().ct_eq(token.0.as_slice())
    }

    /// Whether a text that is about to be logged contains the password. A password of a few characters is
    /// not a token, and must not keep a host out of the log.
    pub fn is_in(&self, text: &str) -> bool {
        self.0.len() >= 8 && text.contains(self.0.as_str())
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(…)")
    }
}

/// Whether a text contains what has the form of a token, see [`redact`].
pub fn is_in(text: &str) -> bool {
    matches!(redact(text), Cow::Owned(_))
}

/// The text with `…` for everything that has the form of a token, in any case, alone or inside a
/// longer word. It must be neither logged nor kept, whosever token it is.
pub fn redact(text: &str) -> Cow<'_, str> {
    let mut redacted = None::<String>;
    let mut at = 0;
    for run in text.as_bytes().chunk_by(|one, next| is_symbol(*one) == is_symbol(*next)) {
        // Symbols are ASCII, so that a run begins and ends between characters.
        let (start, end) = (at, at + run.len());
        at = end;
        if is_symbol(run[0]) && run.len() >= TOKEN_LENGTH {
            redacted.get_or_insert_with(|| text[..start].to_owned()).push('…');
        } else if let Some(redacted) = &mut redacted {
            redacted.push_str(&text[start..end]);
        }
    }
    redacted.map_or(Cow::Borrowed(text), Cow::Owned)
}

/// Whether an octet is one of a token's symbols, in either case.
fn is_symbol(octet: u8) -> bool {
    ALPHABET.contains(&octet.to_ascii_lowercase())
}

/// Crockford's base32 alphabet in lower case.
const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";

/// The first 15 octets of a MAC in base32.
fn base32(mac: &[u8; 32]) -> Zeroizing<[u8; TOKEN_LENGTH]> {
    let bits = Zeroizing::new(mac[..15].iter().fold(0_u128, |bits, octet| bits << 8 | u128::from(*octet)));
    Zeroizing::new(array::from_fn(|place| ALPHABET[(*bits >> (115 - 5 * place) & 31) as usize]))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret(text: &str) -> Secret {
        Secret::new(text).unwrap_or_else(|error| panic!("{error}"))
    }

    #[test]
    fn a_token_is_what_the_design_says() {
        // Computed with Python's hmac and hashlib from the words of docs/design.md.
        let secret = secret("0123456789abcdefghijklmnopqrstuvwxyzABCDEFG");
        let zone = Zone { name: "example.org".parse().unwrap(), id: "Z0123ABC".parse().unwrap() };
        let name = "home.example.org".parse().unwrap();
        for (scope, generation, token) in EXPECTED {
            assert_eq!(secret.mint(scope, &name, &zone, generation).reveal(), token);
        }
    }

    /// Scope, generation and token of `home.example.org` in the zone Z0123ABC.
    const EXPECTED: [(Scope, u32, &str); 3] = [
        (Scope::Host, 0, "p76tf75ar94am7g7pcjzryjr"),
        (Scope::Subtree, 0, "fxb4n9azc0vc2d067krm4d0r"),
        (Scope::Host, 12, "t1npv346kfrvwqgw2zw33qvm"),
    ];

    #[test]
    fn the_scopes_of_a_host_go_up_to_the_apex() {
        let zone = Zone { name: "example.org".parse().unwrap(), id: "Z1".parse().unwrap() };
        let shown = |host: &str| {
            let host = host.parse().unwrap();
            let scopes = scopes(&host, &zone).map(|(scope, name)| format!("{} {name}", scope.word()));
            scopes.collect::<Vec<_>>().join(", ")
        };
        assert_eq!(shown("*.a.example.org"), "host *.a.example.org, subtree a.example.org, subtree example.org");
        assert_eq!(shown("example.org"), "host example.org, subtree example.org");
        assert_eq!(shown(&format!("{}example.org", "a.".repeat(10))).split(", ").count(), 12);
        assert_eq!(shown(&format!("{}example.org", "a.".repeat(11))), "");
    }

    #[test]
    fn a_secret_is_long_and_printable() {
        for bad in ["", "short", &"x".repeat(31), &"é".repeat(32), &format!("{}\n{}", "x".repeat(20), "x".repeat(20))]
        {
            assert!(Secret::new(bad).is_err(), "{bad}");
        }
        assert!(Secret::new(&format!("\t{}\r\n", "x".repeat(32))).is_ok());
    }

    #[test]
    fn a_host_name_with_the_password_in_it_is_found() {
        let is_in = |password: &str, text: &str| Password::new(password).unwrap().is_in(text);
        assert!(is_in("The-Password", "the-password.example.org"));
        assert!(!is_in("the-password", "the.example.org"));
        assert!(!is_in("example", "the.example.org"), "too short for a token");
    }

    #[test]
    fn what_has_the_form_of_a_token_is_redacted() {
        let token = "p76tf75ar94am7g7pcjzryjr";
        for (text, redacted) in [
            (token.to_owned(), "…"),
            (token.to_ascii_uppercase(), "…"),
            (format!("x{token}.example.org"), "….example.org"),
            (format!("é{token}é, louis-{token}-{token}"), "é…é, louis-…-…"),
            (format!("oi{token}lu{token}"), "oi…lu…"),
        ] {
            assert_eq!(redact(&text), redacted, "{text}");
            assert!(is_in(&text), "{text}");
        }
        for text in ["", "home.example.org", &token[1..], &format!("{}-{}", &token[..20], &token[20..]), "é"] {
            assert_eq!(redact(text), text);
            assert!(!is_in(text), "{text}");
        }
    }

    #[test]
    fn a_password_does_not_show_itself() {
        assert_eq!(format!("{:?}", Password::new("the-password").unwrap()), "Password(…)");
    }

    #[test]
    fn a_password_is_folded_as_clients_need() {
        for (given, folded) in [
            ("tok", Some("tok")),
            (" TOK,\n", Some("tok")),
            ("tok,,", Some("tok,")),
            ("to k", Some("to k")),
            ("", None),
            (" , ", None),
        ] {
            assert_eq!(Password::new(given).map(|password| password.0.to_string()).as_deref(), folded, "{given}");
        }
    }
}
