//! The configuration file: the settings of each host, and of all of them.

use std::{
    collections::HashMap,
    fmt,
    fs::{self, File},
    io::{self, Read},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    str::Utf8Error,
};

use zeroize::Zeroizing;

use super::{
    ini::{self, IniEntry, IniSection},
    settings::{HostSettings, Setting},
    trust::trust_command_of,
};
use crate::protocol::hostname::HostName;

/// The configuration file.
#[derive(Default)]
pub struct Config {
    /// Its hosts, in order, each once.
    hosts: Vec<(HostName, HostSettings)>,
    /// The settings of `[DEFAULT]`, which are for all hosts.
    default: HostSettings,
    /// What works, but should be corrected.
    pub warnings: Vec<String>,
}

impl Config {
    /// Reads a file.
    ///
    /// # Errors
    ///
    /// If it cannot be read or makes no sense: the file, the line and what was expected.
    pub fn read(path: &Path) -> Result<Self, ConfigError> {
        let unreadable = |error| ConfigError::Unreadable(path.to_owned(), error);
        let mut file = File::open(path).map_err(unreadable)?;
        let metadata = file.metadata().map_err(unreadable)?;
        let mut bytes = Zeroizing::new(Vec::new());
        file.read_to_end(&mut bytes).map_err(unreadable)?;
        let text = str::from_utf8(&bytes).map_err(|error| ConfigError::Content(not_utf8(path, &bytes, error)))?;
        let mut config = Self::parse(path, text).map_err(ConfigError::Content)?;
        if let Some(command) = config.all_settings().find_map(|settings| settings.command.as_ref()) {
            trust_command_of(path, &metadata, &command.origin).map_err(ConfigError::Content)?;
        }
        if config.all_settings().any(|settings| settings.token.is_some()) {
            config.warnings.extend(open_to_others(path));
        }
        Ok(config)
    }

    /// Reads a file's text.
    ///
    /// # Errors
    ///
    /// If it makes no sense: the file, the line and what was expected.
    pub fn parse(path: &Path, text: &str) -> Result<Self, String> {
        let file = path.display();
        let mut config = Self::default();
        let mut lines: HashMap<Option<HostName>, usize> = HashMap::new();
        for IniSection { name, line, entries } in ini::parse(text).map_err(|error| format!("{file}: {error}"))? {
            let host = section_host(&name).map_err(|expected| format!("{file}: line {line}: [{name}]: {expected}"))?;
            if let Some(first) = lines.get(&host) {
                let name = host.as_ref().map_or(DEFAULT, HostName::as_str);
                config.warnings.push(format!(
                    "{file}: line {line}: [{name}] is already in line {first}, which counts: expected it once"
                ));
                continue;
            }
            lines.insert(host.clone(), line);
            let settings = config.section(path, entries)?;
            match host {
                Some(host) => config.hosts.push((host, settings)),
                None => config.default = settings,
            }
        }
        Ok(config)
    }

    /// The names of its hosts, in order.
    pub fn names(&self) -> impl Iterator<Item = &HostName> {
        self.hosts.iter().map(|(name, _)| name)
    }

    /// The settings of a host: those of its section, else those for all hosts.
    pub fn settings(&self, name: &HostName) -> HostSettings {
        let own = self.hosts.iter().find(|(other, _)| other == name);
        own.map(|(_, settings)| settings.clone()).unwrap_or_default().or(&self.default)
    }

    /// The settings of a section. If one is there twice, the first counts.
    fn section(&mut self, path: &Path, entries: Vec<IniEntry>) -> Result<HostSettings, String> {
        let mut settings = HostSettings::default();
        for IniEntry { name, value, line } in entries {
            let origin = format!("{}: line {line}: {name}", path.display());
            match settings.field_mut(&name) {
                None => self
                    .warnings
                    .push(format!("{origin}: nic53 does not know it: expected one of {}", HostSettings::NAMES)),
                Some(Some(_)) => self.warnings.push(format!("{origin}: is already in this section, which counts")),
                Some(_) if value.is_empty() => {}
                Some(_) if value.contains('\n') && !OF_SEVERAL_LINES.contains(&name.as_str()) => {
                    return Err(format!(
                        "{origin}: expected one line: the lines after it are indented further, so they continue it"
                    ));
                }
                Some(field) => *field = Some(Setting { text: value, origin }),
            }
        }
        Ok(settings)
    }

    /// The settings of all sections.
    fn all_settings(&self) -> impl Iterator<Item = &HostSettings> {
        self.hosts.iter().map(|(_, settings)| settings).chain([&self.default])
    }
}

/// The settings whose value may go on in further lines.
const OF_SEVERAL_LINES: [&str; 3] = ["ipv4", "ipv6", "command"];

/// Why a configuration file is not used.
#[derive(Debug)]
pub enum ConfigError {
    /// The file could not be read.
    Unreadable(PathBuf, io::Error),
    /// It makes no sense.
    Content(String),
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable(path, error) => {
                write!(f, "{}: {error}: expected a file that you may read", path.display())
            }
            Self::Content(problem) => f.write_str(problem),
        }
    }
}

/// The section for all hosts.
const DEFAULT: &str = "DEFAULT";

/// The host of a section; `None` for the section of all hosts.
fn section_host(name: &str) -> Result<Option<HostName>, &'static str> {
    if name == DEFAULT {
        return Ok(None);
    }
    name.parse().map(Some).map_err(|_| "expected a fully qualified host name, such as [home.example.org]")
}

/// The message that a file is not UTF-8, and where.
fn not_utf8(path: &Path, bytes: &[u8], error: Utf8Error) -> String {
    let (path, at) = (path.display(), error.valid_up_to());
    let line = bytes[..at].split(|byte| *byte == b'\n').count();
    let byte = bytes.get(at).copied().unwrap_or_default();
    let convert = format!("iconv -f latin1 -t utf-8 {path}");
    format!(
        "{path}: line {line}: the byte 0x{byte:02X} is not UTF-8: expected UTF-8, which `{convert}` makes of Latin-1"
    )
}

/// A warning if others than the file's owner and group may read it.
pub fn open_to_others(path: &Path) -> Option<String> {
    let mode = fs::metadata(path).ok()?.permissions().mode();
    let path = path.display();
    (mode & 0o004 != 0).then(|| format!("{path}: everyone on this machine may read the tokens in it: chmod 600 {path}"))
}

#[cfg(test)]
mod tests {
    use super::{super::host::Host, *};
    use crate::protocol::zone::ZoneId;

    /// The configuration in a text.
    fn config(text: &str) -> Config {
        Config::parse(Path::new("x.conf"), text).unwrap_or_else(|error| panic!("{error}"))
    }

    /// The host that a text makes.
    fn host(text: &str, name: &str) -> Result<Host, String> {
        let name: HostName = name.parse().unwrap();
        config(text).settings(&name).host(name)
    }

    /// As `url token zone-id ttl`.
    fn shown(host: &Host) -> String {
        let Host { url, token, zone_id, ttl, .. } = host;
        let zone_id = zone_id.as_ref().map(ZoneId::as_str);
        format!("{url} {} {zone_id:?} {ttl:?}", token.reveal())
    }

    #[test]
    fn a_host_is_what_its_section_and_the_default_say() {
        let text = "[DEFAULT]\nurl = https://gw.example.org\nttl = 300\n[A.example.org]\ntoken = t1\n\
                    zoneid = /hostedzone/Z1\n[b.example.org]\nurl = http://other/prod\ntoken = t2\nttl = 60";
        assert_eq!(config(text).names().map(HostName::as_str).collect::<Vec<_>>(), ["a.example.org", "b.example.org"]);
        for (name, expected) in [
            ("a.example.org", "https://gw.example.org t1 Some(\"Z1\") Some(300)"),
            ("b.example.org", "http://other/prod t2 None Some(60)"),
        ] {
            assert_eq!(shown(&host(text, name).unwrap_or_else(|error| panic!("{error}"))), expected);
        }
    }

    #[test]
    fn of_a_section_that_is_there_twice_the_first_counts_and_a_warning_has_the_line() {
        let text = "[a.example.org]\nurl = https://x\ntoken = t1\n\n[A.Example.org.]\nurl = https://y\ntoken = t2";
        let config = config(text);
        assert_eq!(
            config.warnings,
            ["x.conf: line 5: [a.example.org] is already in line 1, which counts: expected it once"]
        );
        let name: HostName = "a.example.org".parse().unwrap();
        assert_eq!(*config.settings(&name).token.unwrap().text, "t1");
    }

    #[test]
    fn an_unknown_setting_is_reported_with_its_line() {
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
    fn what_makes_no_sense_is_reported_with_its_origin() {
        for (setting, part) in [
            ("url = gateway", "x.conf: line 3: url = gateway: expected the URL of a gateway"),
            ("url = ftp://gateway/", "x.conf: line 3: url = ftp://gateway/: expected the URL of a gateway"),
            ("url = https://u:p@gateway/", "without user name and password"),
            ("url = https://gateway/?a=b", "without `?` or `#`"),
            ("url = https://gateway/ x", "x.conf: line 3: url = https://gateway/ x: expected the URL of a gateway"),
            ("url = https:///nic/update", "expected the URL of a gateway"),
            ("url = https://gateway:99999/", "expected the URL of a gateway"),
            ("url = https://gate way/", "expected the URL of a gateway"),
            ("url = \"https://gateway/\"", "expected the URL of a gateway"),
            ("url = https://gateway/\u{1b}[2J", r"url = https://gateway/\u{1b}[2J: expected"),
            ("ttl = 5m", "x.conf: line 3: ttl = 5m: expected seconds"),
            ("ttl = -1", "x.conf: line 3: ttl = -1: expected seconds"),
            ("ttl = 99999999999", "x.conf: line 3: ttl = 99999999999: expected seconds"),
            ("ttl = 60.5", "x.conf: line 3: ttl = 60.5: expected seconds"),
            ("zoneid = example.org", "x.conf: line 3: zoneid = example.org: expected a hosted zone's id"),
            ("ipv4 = 300.1.1.1", "ipv4 = 300.1.1.1: expected IPv4 addresses with commas between, auto, no or offline"),
            ("ipv4 = 192.0.2.1 192.0.2.2", "ipv4 = 192.0.2.1 192.0.2.2: expected IPv4 addresses"),
            ("ipv4 = yes", "ipv4 = yes: expected IPv4 addresses"),
            ("ipv6 = 2001:db8::/200", "expected IPv6 addresses with commas between, a prefix, auto, no or offline"),
            ("ipv6 = fe80::1", "ipv6 = fe80::1: fe80::1 cannot be published in DNS: expected IPv6 addresses"),
            ("interface = eth0, eth1", "interface = eth0, eth1: expected the name of one interface"),
            (
                "interface = eth0\ncommand = ip",
                "x.conf: line 3: interface and x.conf: line 4: command: expected one of",
            ),
            ("ipv4 = no\nipv6 = preserve", "both families are left alone: expected an address of one, or auto"),
            ("zoneid = Z 1", "x.conf: line 3: zoneid = Z 1: expected a hosted zone's id"),
            ("ipv4 = 2001:db8::7", "a.b: x.conf: line 3: ipv4 = 2001:db8::7: expected"),
        ] {
            let rest = if setting.starts_with("url") { "token = t" } else { "url = https://x\ntoken = t" };
            let error = host(&format!("# one\n[a.b]\n{setting}\n{rest}"), "a.b").err();
            assert!(error.as_ref().is_some_and(|error| error.contains(part)), "{setting}: {error:?}");
        }
    }

    #[test]
    fn what_is_missing_is_reported_with_where_it_could_be() {
        for (text, start) in [
            ("[a.b]\ntoken = t", "a.b: no url: expected it in a section [a.b], or --url"),
            ("[a.b]\nurl = https://x", "a.b: no token: expected it in a section [a.b], or --token"),
            ("", "a.b: no url"),
        ] {
            let error = host(text, "a.b").err().unwrap_or_default();
            assert!(error.starts_with(start), "{text}: {error}");
        }
    }

    #[test]
    fn a_file_that_is_not_utf_8_is_reported_with_its_line() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.conf");
        fs::write(&path, b"[a.b]\n# mein Anschlu\xdf\nurl = https://x\ntoken = secret\n").unwrap();
        let error = Config::read(&path).err().unwrap().to_string();
        let expected = "x.conf: line 2: the byte 0xDF is not UTF-8: expected UTF-8, which `iconv -f latin1 -t utf-8 ";
        assert!(error.contains(expected) && !error.contains("secret"), "{error}");
    }

    #[test]
    fn a_value_that_goes_on_is_an_error_unless_it_may() {
        for (text, start) in [
            ("[a.b]\nurl = https://x\n  token = secret", "x.conf: line 2: url: expected one line"),
            ("[a.b]\nurl = https://x\ntoken = se\n cret", "x.conf: line 3: token: expected one line"),
            ("[a.b]\nurl = https://x\ntoken = t\nttl = 60\n  token = secret", "x.conf: line 4: ttl: expected one line"),
        ] {
            let error = Config::parse(Path::new("x.conf"), text).err().unwrap_or_default();
            assert!(error.starts_with(start) && !error.contains("cret"), "{error}");
        }
        let several = "[a.b]\nurl = https://x\ntoken = t\nipv4 = 192.0.2.1,\n   192.0.2.2";
        assert!(host(several, "a.b").is_ok());
        let leak =
            host("[a.b]\nurl = https://x\nipv4 = no\n   token = secret\ntoken = t", "a.b").err().unwrap_or_default();
        assert!(leak.contains("ipv4 = no …: expected") && !leak.contains("secret"), "{leak}");
    }

    #[test]
    fn a_command_in_a_file_that_others_may_write_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.conf");
        for (text, mode, refused) in [
            ("[a.b]\ncommand = id", 0o600, false),
            ("[a.b]\ncommand = id", 0o644, false),
            ("[a.b]\ncommand = id", 0o606, true),
            ("[DEFAULT]\ncommand = id\n[a.b]", 0o602, true),
            ("[a.b]\nipv4 = auto", 0o606, false),
        ] {
            fs::write(&path, text).unwrap();
            fs::set_permissions(&path, PermissionsExt::from_mode(mode)).unwrap();
            let error = Config::read(&path).err().map(|error| error.to_string());
            assert_eq!(error.is_some(), refused, "{text} {mode:o}: {error:?}");
            let named =
                |error: String| error.contains("x.conf: line 2: command: ") && error.contains(&format!("{mode:04o}"));
            assert!(error.is_none_or(named), "{text} {mode:o}");
        }
    }

    #[test]
    fn an_error_never_repeats_a_token() {
        for (text, start) in [
            ("[a.b]\nurl = https://x\ntoken = secret secret", "x.conf: line 3: token: expected"),
            ("[a.b]\nurl = https://x\ntoken = secr\u{e9}t", "x.conf: line 3: token: expected"),
            ("[a.b]\nurl = https://a:secret@x\ntoken = t", "x.conf: line 2: url: expected"),
            ("[a.b]\nurl = https://x/?secret\ntoken = t", "x.conf: line 2: url: expected"),
        ] {
            let error = host(text, "a.b").err().unwrap_or_default();
            assert!(error.starts_with(start) && !error.contains("secr"), "{error}");
        }
    }

    #[test]
    fn flags_go_before_the_file_and_an_interface_before_its_addresses() {
        let file = config("[a.b]\nurl = https://x\ntoken = t\nttl = 60\nipv4 = 192.0.2.1\nipv6 = no");
        let name: HostName = "a.b".parse().unwrap();
        let mut flags = HostSettings { ttl: Some(Setting::new("300", "--ttl")), ..HostSettings::default() };
        let settings = flags.clone().or(&file.settings(&name));
        assert_eq!((settings.ttl.unwrap().origin.as_str(), settings.ipv4.is_some()), ("--ttl", true));
        flags.interface = Some(Setting::new("eth0", "--interface"));
        let settings = flags.or(&file.settings(&name));
        assert!(settings.url.is_some() && settings.ipv4.is_none() && settings.ipv6.is_none());
    }
}
