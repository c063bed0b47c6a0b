//! The settings of a host as they are written: text with its origin.

use zeroize::Zeroizing;

use crate::printable::printable;

/// The settings of a host, from a section or from flags.
#[derive(Clone, Default)]
pub struct HostSettings {
    /// The gateway's update URL.
    pub url: Option<Setting>,
    /// The token.
    pub token: Option<Setting>,
    /// The zone's id.
    pub zone_id: Option<Setting>,
    /// The TTL.
    pub ttl: Option<Setting>,
    /// Where the IPv4 addresses come from.
    pub ipv4: Option<Setting>,
    /// Where the IPv6 addresses come from.
    pub ipv6: Option<Setting>,
    /// The interface that gives the addresses of a family without a setting of its own.
    pub interface: Option<Setting>,
    /// The command that prints them.
    pub command: Option<Setting>,
}

impl HostSettings {
    /// The names of all settings.
    pub const NAMES: &str = "url, token, zoneid, ttl, ipv4, ipv6, interface, command";

    /// These, and the other's for what these leave open.
    pub fn or(self, other: &Self) -> Self {
        let or = |own: Option<Setting>, other: &Option<Setting>| own.or_else(|| other.clone());
        // An interface or a command replaces all that another place says of addresses.
        let nothing = Self::default();
        let addresses = if self.interface.is_some() || self.command.is_some() { &nothing } else { other };
        Self {
            url: or(self.url, &other.url),
            token: or(self.token, &other.token),
            zone_id: or(self.zone_id, &other.zone_id),
            ttl: or(self.ttl, &other.ttl),
            ipv4: or(self.ipv4, &addresses.ipv4),
            ipv6: or(self.ipv6, &addresses.ipv6),
            interface: or(self.interface, &addresses.interface),
            command: or(self.command, &addresses.command),
        }
    }

    /// The setting of this name; `None` if there is no such setting.
    pub fn field_mut(&mut self, name: &str) -> Option<&mut Option<Setting>> {
        Some(match name {
            "url" => &mut self.url,
            "token" => &mut self.token,
            "zoneid" => &mut self.zone_id,
            "ttl" => &mut self.ttl,
            "ipv4" => &mut self.ipv4,
            "ipv6" => &mut self.ipv6,
            "interface" => &mut self.interface,
            "command" => &mut self.command,
            _ => return None,
        })
    }
}

/// The text of a setting, and where it comes from.
#[derive(Clone)]
pub struct Setting {
    /// The text, which may be a token.
    pub text: Zeroizing<String>,
    /// The flag, or the file, the line and the name.
    pub origin: String,
}

impl Setting {
    /// A text and its origin.
    pub fn new(text: &str, origin: &str) -> Self {
        Self { text: Zeroizing::new(text.to_owned()), origin: origin.to_owned() }
    }

    /// Reads the text. Not for a token, as the error repeats it.
    ///
    /// # Errors
    ///
    /// If it makes no sense: the origin, the text and what was expected.
    pub fn parse<T>(&self, parse: impl Fn(&str) -> Result<T, String>) -> Result<T, String> {
        parse(self.text.trim()).map_err(|expected| format!("{} = {}: {expected}", self.origin, self.first_line()))
    }

    /// The first line of the text. The lines that continue it may be another setting, a token for
    /// example.
    fn first_line(&self) -> String {
        match self.text.split_once('\n') {
            Some((first, _)) => format!("{} …", printable(first)),
            None => printable(&self.text),
        }
    }
}
