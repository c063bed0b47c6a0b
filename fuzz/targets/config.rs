//! The client's configuration file: its format, and the hosts that it makes.

use std::{fmt::Write as _, path::Path};

use nic53::{
    client::{
        config::Config,
        gateway_url::GatewayUrl,
        ini::{self, IniEntry, IniSection},
    },
    protocol::{hostname::HostName, zone::ZoneId},
};

use super::input;

/// The token that `{token}` in a seed becomes.
const TOKEN: &str = "fxb4n9azc0vc2d067krm4d0r";

/// Reads all of the input as a file.
pub fn run(data: &[u8]) {
    let data = input::expand(data, TOKEN);
    let Ok(text) = std::str::from_utf8(&data) else { return };
    let count = text.lines().count();
    let sections = match ini::parse(text) {
        Ok(sections) => sections,
        Err(error) => {
            assert!((1..=count).contains(&error.line), "{error}");
            let refused = Config::parse(Path::new("x.conf"), text).err();
            return assert_eq!(refused, Some(format!("x.conf: {error}")));
        }
    };
    well_formed(&sections, count);
    let printed = print(&sections);
    let again = ini::parse(&printed).unwrap_or_else(|error| panic!("{error}:\n{printed}"));
    assert_eq!(named(&again), named(&sections), "printed and read again:\n{printed}");
    hosts(text, &sections);
}

/// Names are in lower case, nothing has white space around it, and lines count up.
fn well_formed(sections: &[IniSection], count: usize) {
    let mut last = 0;
    for section in sections {
        assert!(!section.name.is_empty() && section.name.trim() == section.name, "[{}]", section.name);
        assert!((last + 1..=count).contains(&section.line));
        last = section.line;
        for setting in &section.entries {
            assert!(!setting.name.is_empty() && setting.name == setting.name.to_ascii_lowercase());
            assert_eq!(setting.value.trim(), *setting.value);
            assert!(setting.value.lines().all(|line| !line.is_empty() && line.trim() == line));
            assert!((last + 1..=count).contains(&setting.line));
            last = setting.line;
        }
    }
}

/// The sections as a file.
fn print(sections: &[IniSection]) -> String {
    let mut file = String::new();
    for section in sections {
        let _ = writeln!(file, "[{}]", section.name);
        for setting in &section.entries {
            // What is indented continues the value.
            let _ = writeln!(file, "{} = {}", setting.name, setting.value.replace('\n', "\n "));
        }
    }
    file
}

/// A section's name, and the names and values of its settings.
type Named<'a> = (&'a str, Vec<(&'a str, &'a str)>);

/// Names and values, without line numbers.
fn named(sections: &[IniSection]) -> Vec<Named<'_>> {
    sections
        .iter()
        .map(|section| {
            let pairs = section.entries.iter().map(|setting| (setting.name.as_str(), setting.value.as_str()));
            (section.name.as_str(), pairs.collect())
        })
        .collect()
}

/// The hosts that the sections make: each once, the settings of its own section before those for all,
/// and no token in the report of a mistake.
fn hosts(text: &str, sections: &[IniSection]) {
    let config = match Config::parse(Path::new("x.conf"), text) {
        Ok(config) => config,
        Err(problem) => return assert!(is_of(&problem, sections), "{problem}"),
    };
    let mut names: Vec<HostName> = Vec::new();
    for section in sections.iter().filter(|section| section.name != "DEFAULT") {
        let name = section.name.parse().expect("a name, or it would be an error");
        if !names.contains(&name) {
            names.push(name);
        }
    }
    assert!(config.names().eq(&names), "each host once, in order");
    for warning in &config.warnings {
        assert!(warning.starts_with("x.conf: line "), "{warning}");
        let in_name = sections.iter().any(|section| section.name.contains(TOKEN));
        let in_setting =
            sections.iter().flat_map(|section| &section.entries).any(|setting| setting.name.contains(TOKEN));
        assert!(in_name || in_setting || !warning.contains(TOKEN), "{warning}");
    }
    for name in &names {
        let value = |setting: &str| value_of(sections, name, setting);
        match config.settings(name).host(name.clone()) {
            Ok(host) => {
                assert_eq!(host.name, *name);
                assert_eq!(Some(host.token.reveal()), value("token"));
                assert_eq!(host.ttl, value("ttl").map(|ttl| ttl.parse().expect("seconds")));
                let id = value("zoneid").map(|id| id.rsplit('/').next().expect("a last piece"));
                assert_eq!(host.zone_id.as_ref().map(ZoneId::as_str), id);
                let url: GatewayUrl = value("url").expect("a host has one").parse().expect("a URL");
                assert_eq!(host.url, url);
                assert_eq!(host.url.to_string().parse::<GatewayUrl>().expect("printed and read again"), host.url);
                assert!(!host.url.to_string().contains(['@', '?', '#']));
            }
            Err(problem) => {
                let elsewhere = ["url", "ttl", "zoneid", "ipv4", "ipv6", "interface", "command"];
                let elsewhere =
                    elsewhere.iter().any(|setting| value(setting).is_some_and(|value| value.contains(TOKEN)));
                let in_name = name.as_str().contains(TOKEN);
                assert!(elsewhere || in_name || !problem.contains(TOKEN), "{problem}");
            }
        }
    }
}

/// Whether the problem names a mistake that is in these sections: a name that is not a host name, or
/// a value that goes on in further lines although it may not.
fn is_of(problem: &str, sections: &[IniSection]) -> bool {
    let starts = |line: usize, rest: &str| problem.starts_with(&format!("x.conf: line {line}: {rest}: expected "));
    sections.iter().any(|section| {
        let is_host = section.name == "DEFAULT" || section.name.parse::<HostName>().is_ok();
        let goes_on = |entry: &IniEntry| entry.value.contains('\n') && starts(entry.line, &entry.name);
        (!is_host && starts(section.line, &format!("[{}]", section.name))) || section.entries.iter().any(goes_on)
    })
}

/// The value of a host's setting: the first of its first section, else the first of the first section
/// for all hosts.
fn value_of<'a>(sections: &'a [IniSection], name: &HostName, setting: &str) -> Option<&'a str> {
    let own = sections.iter().find(|section| section.name.parse().is_ok_and(|other: HostName| other == *name));
    let all = sections.iter().find(|section| section.name == "DEFAULT");
    let first = |section: &'a IniSection| {
        let mut values = section.entries.iter().filter(|other| other.name == setting && !other.value.is_empty());
        values.next().map(|setting| setting.value.as_str())
    };
    own.and_then(first).or_else(|| all.and_then(first))
}

/// Files of every sort.
pub fn seeds() -> Vec<Vec<u8>> {
    let files = [
        "[DEFAULT]\nurl = https://gw.example.org/nic/update\ntoken = {token}\n\n[home.example.org]\nttl = 300\n",
        "[a.example.org]\nurl = http://gw.example.org\ntoken: {token} # mine\nzoneid = /hostedzone/Z1\n[b.example.org]\n",
        "; a comment\n[home.example.org]\r\n\turl\t=\thttps://x/ \r\ntoken = {token}\r\nipv4 = auto\r\nipv6 = no\r\n",
        "[home.example.org]\nurl = https://x/\ntoken = {token}\nipv6 = 2001:db8:1::/64 ; moves\nipv4 = 192.0.2.1, 192.0.2.2",
        "[home.example.org]\nurl = https://x/\ntoken = {token}\ncommand = one ; two # three\nttl = # none",
        "[home.example.org]\nurl = https://x/\ntoken = {token}\ninterface = eth0\n[Home.Example.Org.] ; again\nurl = y",
        "\u{feff}[DEFAULT]\ntoken = two words\nurl = https://u:{token}@x/?a\n[*.home.example.org]\nunknown = 1\n",
        "[home]\n",
        "url = x\n",
        "[home.example.org\n",
        "[home.example.org]\n{token}\n",
        "[home.example.org]\nurl = https://x/\n  token = {token}\n",
        "[home.example.org]\nurl = https://x/\ntoken = {token}\ncommand =\n\tone |\n\n\ttwo\nipv4 = no,\n 192.0.2.1\n",
    ];
    files.iter().map(|file| file.as_bytes().to_vec()).collect()
}
