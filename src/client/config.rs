//! What is said of each host, in the configuration file and by flags, and what that makes.
//!
//! Everything is text with its place ([`Said`]) until a host is made of it: what makes no sense is
//! told with its line or its flag.

use std::{
    fmt, fs, io,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use http::Uri;
use zeroize::Zeroizing;

use super::{addresses::Sources, ini};
use crate::protocol::{hostname::HostName, zone::ZoneId};

/// A host that is to be updated.
#[derive(Clone)]
pub struct Host {
    /// Its name.
    pub name: HostName,
    /// The gateway's update URL.
    pub url: Uri,
    /// What proves that we may.
    pub token: Token,
    /// The zone that must hold it, if one is named.
    pub zone_id: Option<String>,
    /// The TTL asked for, in seconds.
    pub ttl: Option<u32>,
    /// Where its addresses come from.
    pub sources: Sources,
}

/// A token as it was given to us. It is wiped when dropped and has no `Debug`.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(Zeroizing<String>);

impl Token {
    /// Reads a token, white space around it trimmed; `None` where it cannot be one.
    pub fn new(text: &str) -> Option<Self> {
        let text = text.trim();
        let word = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic());
        word.then(|| Self(Zeroizing::new(text.to_owned())))
    }

    /// The token's text, for the gateway.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

/// The configuration file.
#[derive(Default)]
pub struct Config {
    /// Its hosts, in order, each once.
    hosts: Vec<(HostName, Wording)>,
    /// What `[DEFAULT]` says of all of them.
    default: Wording,
    /// What should be mended, though it works.
    pub warnings: Vec<String>,
}

impl Config {
    /// Reads a file.
    ///
    /// # Errors
    ///
    /// Where it could not be read or makes no sense: the file, the line and what was expected.
    pub fn read(path: &Path) -> Result<Self, Unreadable> {
        let readable = |error| Unreadable::File(path.to_owned(), error);
        let text = fs::read_to_string(path).map(Zeroizing::new).map_err(readable)?;
        let mut config = Self::parse(path, &text).map_err(Unreadable::Content)?;
        if config.has_token() {
            config.warnings.extend(open_to_others(path));
        }
        Ok(config)
    }

    /// Reads a file's text.
    ///
    /// # Errors
    ///
    /// The file, the line and what was expected.
    pub fn parse(path: &Path, text: &str) -> Result<Self, String> {
        let file = path.display();
        let mut config = Self::default();
        let mut sections: Vec<(String, usize)> = Vec::new();
        for ini::Section { name, line, settings } in ini::parse(text).map_err(|error| format!("{file}: {error}"))? {
            let host = if name == DEFAULT { None } else { Some(host_name(&name, &format!("{file}: line {line}"))?) };
            let name = host.as_ref().map_or_else(|| DEFAULT.to_owned(), ToString::to_string);
            if let Some((_, first)) = sections.iter().find(|(other, _)| *other == name) {
                config.warnings.push(format!(
                    "{file}: line {line}: [{name}] is already in line {first}, which counts: expected it once"
                ));
                continue;
            }
            sections.push((name, line));
            let wording = config.section(path, settings);
            match host {
                Some(host) => config.hosts.push((host, wording)),
                None => config.default = wording,
            }
        }
        Ok(config)
    }

    /// The names of its hosts, in order.
    pub fn names(&self) -> impl Iterator<Item = &HostName> {
        self.hosts.iter().map(|(name, _)| name)
    }

    /// What it says of a host: in its section, else for all.
    pub fn wording(&self, name: &HostName) -> Wording {
        let own = self.hosts.iter().find(|(other, _)| other == name);
        own.map(|(_, wording)| wording.clone()).unwrap_or_default().or(&self.default)
    }

    /// What a section says. A setting that is there twice counts as it is there first.
    fn section(&mut self, path: &Path, settings: Vec<ini::Setting>) -> Wording {
        let mut wording = Wording::default();
        for ini::Setting { name, value, line } in settings {
            let place = format!("{}: line {line}: {name}", path.display());
            match wording.slot(&name) {
                None => self.warnings.push(format!("{place}: nic53 does not know it: expected one of {KNOWN}")),
                Some(Some(_)) => self.warnings.push(format!("{place}: is already in this section, which counts")),
                Some(_) if value.is_empty() => {}
                Some(slot) => *slot = Some(Said { text: value, place }),
            }
        }
        wording
    }

    /// Whether a token stands in it.
    fn has_token(&self) -> bool {
        self.hosts.iter().map(|(_, wording)| wording).chain([&self.default]).any(|wording| wording.token.is_some())
    }
}

/// Why a configuration file is not used.
#[derive(Debug)]
pub enum Unreadable {
    /// The file could not be read.
    File(PathBuf, io::Error),
    /// It makes no sense.
    Content(String),
}

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path, error) => write!(f, "{}: {error}: expected a file that you may read", path.display()),
            Self::Content(problem) => f.write_str(problem),
        }
    }
}

/// The section that speaks of all hosts.
const DEFAULT: &str = "DEFAULT";

/// The names of all settings.
const KNOWN: &str = "url, token, zoneid, ttl, ipv4, ipv6, interface, command";

/// What is said of a host, in a section or by flags.
#[derive(Clone, Default)]
pub struct Wording {
    /// The gateway's update URL.
    pub url: Option<Said>,
    /// The token.
    pub token: Option<Said>,
    /// The zone's id.
    pub zone_id: Option<Said>,
    /// The TTL.
    pub ttl: Option<Said>,
    /// Where IPv4 addresses come from.
    pub ipv4: Option<Said>,
    /// Where IPv6 addresses come from.
    pub ipv6: Option<Said>,
    /// The interface whose addresses count for a family that has no word of its own.
    pub interface: Option<Said>,
    /// The command whose output counts so.
    pub command: Option<Said>,
}

impl Wording {
    /// This, with the other's word where this has none.
    pub fn or(self, other: &Self) -> Self {
        let or = |own: Option<Said>, other: &Option<Said>| own.or_else(|| other.clone());
        // Who names an interface means its addresses, whatever another place says of a family.
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

    /// The host that this makes of a name.
    ///
    /// # Errors
    ///
    /// What is missing or makes no sense, and what was expected.
    pub fn host(&self, name: HostName) -> Result<Host, String> {
        let missing = |what: &str| format!("{name}: no {what}: expected it in a section [{name}], or --{what}");
        let url = self.url.as_ref().ok_or_else(|| missing("url"))?;
        let token = self.token.as_ref().ok_or_else(|| missing("token"))?;
        Ok(Host {
            url: parse_url(&url.text).map_err(|expected| format!("{}{expected}", url.place))?,
            // The value is not repeated: it may be a token but for one character.
            token: Token::new(&token.text)
                .ok_or_else(|| format!("{}: expected letters and digits without white space", token.place))?,
            zone_id: self.zone_id.as_ref().map(|said| said.parse(parse_zone_id)).transpose()?,
            ttl: self.ttl.as_ref().map(|said| said.parse(parse_ttl)).transpose()?,
            sources: Sources::of(self).map_err(|problem| format!("{name}: {problem}"))?,
            name,
        })
    }

    /// The place of a setting, if there is one of that name.
    fn slot(&mut self, name: &str) -> Option<&mut Option<Said>> {
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

/// A text and where it stands.
#[derive(Clone)]
pub struct Said {
    /// The text, which may be a token.
    pub text: Zeroizing<String>,
    /// The flag, or the file, the line and the setting.
    pub place: String,
}

impl Said {
    /// A text from a place.
    pub fn new(text: &str, place: &str) -> Self {
        Self { text: Zeroizing::new(text.to_owned()), place: place.to_owned() }
    }

    /// What the text means. Not for a token, as the error repeats it.
    pub(super) fn parse<T>(&self, parse: impl Fn(&str) -> Result<T, String>) -> Result<T, String> {
        parse(self.text.trim()).map_err(|expected| format!("{} = {}: {expected}", self.place, *self.text))
    }
}

/// The host that a section is of.
fn host_name(name: &str, place: &str) -> Result<HostName, String> {
    let expected = "expected a fully qualified host name, such as [home.example.org]";
    name.parse().map_err(|_| format!("{place}: [{name}]: {expected}"))
}

/// The gateway's URL. The error begins with what was given, unless a secret may be in it.
fn parse_url(text: &str) -> Result<Uri, String> {
    let text = text.trim();
    let expected = "expected the gateway's URL, such as https://gateway.example.org/nic/update";
    if text.contains('@') {
        return Err(format!(": {expected}, without credentials in it"));
    }
    if text.contains(['?', '#']) {
        return Err(format!(": {expected}, without `?` or `#`: nic53 adds host and addresses"));
    }
    let url: Uri = text.parse().map_err(|error| format!(" = {text}: {error}: {expected}"))?;
    match (url.scheme_str(), url.authority()) {
        (Some("http" | "https"), Some(_)) => Ok(url),
        _ => Err(format!(" = {text}: {expected}")),
    }
}

/// A hosted zone's id.
fn parse_zone_id(text: &str) -> Result<String, String> {
    let id = text.parse().map(|id: ZoneId| id.to_string());
    id.map_err(|_| "expected a hosted zone's id, such as Z0123ABC".to_owned())
}

/// A TTL.
fn parse_ttl(text: &str) -> Result<u32, String> {
    text.parse().map_err(|_| "expected seconds, such as 300".to_owned())
}

/// A warning where others than the file's owner and group may read it.
pub fn open_to_others(path: &Path) -> Option<String> {
    let mode = fs::metadata(path).ok()?.permissions().mode();
    let path = path.display();
    (mode & 0o004 != 0).then(|| format!("{path}: everyone on this machine may read the tokens in it: chmod 600 {path}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A file that has been read from nowhere.
    fn config(text: &str) -> Config {
        Config::parse(Path::new("x.conf"), text).unwrap_or_else(|error| panic!("{error}"))
    }

    /// The host of a file.
    fn host(text: &str, name: &str) -> Result<Host, String> {
        let name: HostName = name.parse().unwrap();
        config(text).wording(&name).host(name)
    }

    /// As `url token zone-id ttl`.
    fn shown(host: &Host) -> String {
        let Host { url, token, zone_id, ttl, .. } = host;
        format!("{url} {} {zone_id:?} {ttl:?}", token.reveal())
    }

    #[test]
    fn a_host_is_what_its_section_and_the_default_say() {
        let text = "[DEFAULT]\nurl = https://gw.example.org\nttl = 300\n[A.example.org]\ntoken = t1\n\
                    zoneid = /hostedzone/Z1\n[b.example.org]\nurl = http://other/prod\ntoken = t2\nttl = 60";
        assert_eq!(config(text).names().map(HostName::as_str).collect::<Vec<_>>(), ["a.example.org", "b.example.org"]);
        for (name, expected) in [
            ("a.example.org", "https://gw.example.org/ t1 Some(\"Z1\") Some(300)"),
            ("b.example.org", "http://other/prod t2 None Some(60)"),
        ] {
            assert_eq!(shown(&host(text, name).unwrap_or_else(|error| panic!("{error}"))), expected);
        }
    }

    #[test]
    fn a_section_that_is_there_twice_is_told_by_its_line_and_the_first_counts() {
        let text = "[a.example.org]\nurl = https://x\ntoken = t1\n\n[A.Example.org.]\nurl = https://y\ntoken = t2";
        let config = config(text);
        assert_eq!(
            config.warnings,
            ["x.conf: line 5: [a.example.org] is already in line 1, which counts: expected it once"]
        );
        let name: HostName = "a.example.org".parse().unwrap();
        assert_eq!(*config.wording(&name).token.unwrap().text, "t1");
    }

    #[test]
    fn what_nobody_knows_is_told_by_its_line() {
        let warnings = config("[a.b]\ntokem = t\nurl = https://x\nurl = https://y\ntoken =\ntoken = t").warnings;
        assert_eq!(
            warnings,
            [
                "x.conf: line 2: tokem: nic53 does not know it: expected one of \
                 url, token, zoneid, ttl, ipv4, ipv6, interface, command",
                "x.conf: line 4: url: is already in this section, which counts",
            ]
        );
    }

    #[test]
    fn what_makes_no_sense_is_told_with_its_place() {
        for (setting, told) in [
            ("url = gateway", "x.conf: line 3: url = gateway: expected the gateway's URL"),
            ("url = ftp://gateway/", "x.conf: line 3: url = ftp://gateway/: expected the gateway's URL"),
            ("url = https://u:p@gateway/", "without credentials in it"),
            ("url = https://gateway/?a=b", "without `?` or `#`"),
            ("url = https://gateway/ x", "x.conf: line 3: url = https://gateway/ x: invalid uri character"),
            ("ttl = 5m", "x.conf: line 3: ttl = 5m: expected seconds"),
            ("zoneid = Z 1", "x.conf: line 3: zoneid = Z 1: expected a hosted zone's id"),
            ("ipv4 = 2001:db8::7", "a.b: x.conf: line 3: ipv4 = 2001:db8::7: expected"),
        ] {
            let rest = if setting.starts_with("url") { "token = t" } else { "url = https://x\ntoken = t" };
            let error = host(&format!("# one\n[a.b]\n{setting}\n{rest}"), "a.b").err();
            assert!(error.as_ref().is_some_and(|error| error.contains(told)), "{setting}: {error:?}");
        }
    }

    #[test]
    fn what_is_missing_is_told_with_where_it_could_stand() {
        for (text, told) in [
            ("[a.b]\ntoken = t", "a.b: no url: expected it in a section [a.b], or --url"),
            ("[a.b]\nurl = https://x", "a.b: no token: expected it in a section [a.b], or --token"),
            ("", "a.b: no url"),
        ] {
            let error = host(text, "a.b").err().unwrap_or_default();
            assert!(error.starts_with(told), "{text}: {error}");
        }
    }

    #[test]
    fn an_error_never_repeats_a_token() {
        for (text, told) in [
            ("[a.b]\nurl = https://x\ntoken = secret secret", "x.conf: line 3: token: expected"),
            ("[a.b]\nurl = https://x\ntoken = secr\u{e9}t", "x.conf: line 3: token: expected"),
            ("[a.b]\nurl = https://a:secret@x\ntoken = t", "x.conf: line 2: url: expected"),
            ("[a.b]\nurl = https://x/?secret\ntoken = t", "x.conf: line 2: url: expected"),
        ] {
            let error = host(text, "a.b").err().unwrap_or_default();
            assert!(error.starts_with(told) && !error.contains("secr"), "{error}");
        }
    }

    #[test]
    fn flags_go_before_the_file_and_an_interface_before_its_addresses() {
        let file = config("[a.b]\nurl = https://x\ntoken = t\nttl = 60\nipv4 = 192.0.2.1\nipv6 = no");
        let name: HostName = "a.b".parse().unwrap();
        let mut flags = Wording { ttl: Some(Said::new("300", "--ttl")), ..Wording::default() };
        let wording = flags.clone().or(&file.wording(&name));
        assert_eq!((wording.ttl.unwrap().place.as_str(), wording.ipv4.is_some()), ("--ttl", true));
        flags.interface = Some(Said::new("eth0", "--interface"));
        let wording = flags.or(&file.wording(&name));
        assert!(wording.url.is_some() && wording.ipv4.is_none() && wording.ipv6.is_none());
    }
}
