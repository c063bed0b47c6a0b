//! A host that is to be updated, and the settings that make it.
//!
//! A setting stays text, with its origin ([`Setting`]), until a host is made of it: what makes no
//! sense is reported with its line or its flag.

use zeroize::Zeroizing;

use super::{
    gateway_url::GatewayUrl,
    settings::{HostSettings, Setting},
    sources::AddressSources,
};
use crate::{
    printable::printable,
    protocol::{hostname::HostName, zone::ZoneId},
};

/// A host that is to be updated.
#[derive(Clone)]
pub struct Host {
    /// The name.
    pub name: HostName,
    /// The gateway that updates it.
    pub url: GatewayUrl,
    /// The host's token.
    pub token: HostToken,
    /// The zone that must hold it, if one is named.
    pub zone_id: Option<ZoneId>,
    /// The TTL to ask for, in seconds.
    pub ttl: Option<u32>,
    /// Where its addresses come from.
    pub sources: AddressSources,
}

/// A token as it was given to us. It is wiped when dropped and has no `Debug`.
#[derive(Clone, PartialEq, Eq)]
pub struct HostToken(Zeroizing<String>);

impl HostToken {
    /// Reads a token, white space around it trimmed; `None` if it cannot be one.
    pub fn new(text: &str) -> Option<Self> {
        let text = text.trim();
        let word = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic());
        word.then(|| Self(Zeroizing::new(text.to_owned())))
    }

    /// Whether it is in quotes, which are part of it.
    pub fn is_quoted(&self) -> bool {
        ['"', '\''].iter().any(|quote| self.0.len() > 1 && self.0.starts_with(*quote) && self.0.ends_with(*quote))
    }

    /// The token's text, for the gateway.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl HostSettings {
    /// The host of this name with these settings.
    ///
    /// # Errors
    ///
    /// If a setting is missing or makes no sense: which one, and what was expected.
    pub fn host(&self, name: HostName) -> Result<Host, String> {
        let missing = |what: &str| format!("{name}: no {what}: expected it in a section [{name}], or --{what}");
        let url = self.url.as_ref().ok_or_else(|| missing("url"))?;
        let token = self.token.as_ref().ok_or_else(|| missing("token"))?;
        Ok(Host {
            url: parse_url(url)?,
            // The value is not repeated: it may be a token but for one character.
            token: HostToken::new(&token.text)
                .ok_or_else(|| format!("{}: expected letters and digits without white space", token.origin))?,
            zone_id: self.zone_id.as_ref().map(|setting| setting.parse(parse_zone_id)).transpose()?,
            ttl: self.ttl.as_ref().map(|setting| setting.parse(parse_ttl)).transpose()?,
            sources: AddressSources::of(self).map_err(|problem| format!("{name}: {problem}"))?,
            name,
        })
    }
}

/// Reads the gateway's URL. The error does not repeat a text that may hold a secret.
fn parse_url(setting: &Setting) -> Result<GatewayUrl, String> {
    let text = setting.text.trim();
    text.parse().map_err(|expected| {
        let shown = if text.contains(['@', '?', '#']) { String::new() } else { format!(" = {}", printable(text)) };
        format!("{}{shown}: {expected}", setting.origin)
    })
}

/// Reads a hosted zone's id.
fn parse_zone_id(text: &str) -> Result<ZoneId, String> {
    text.parse().map_err(|_| "expected a hosted zone's id, such as Z0123ABC".to_owned())
}

/// Reads a TTL.
fn parse_ttl(text: &str) -> Result<u32, String> {
    text.parse().map_err(|_| "expected seconds, such as 300".to_owned())
}
