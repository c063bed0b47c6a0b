//! The client's configuration file: its format, and the hosts that it makes.

use std::{fmt::Write as _, path::Path};

use nic53::{
    client::{
        config::Config,
        ini::{self, Section},
    },
    protocol::hostname::HostName,
};

use super::input;

/// What `{token}` stands for.
const TOKEN: &str = "fxb4n9azc0vc2d067krm4d0r";

/// Takes all of it for a file.
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
    assert_eq!(said(&again), said(&sections), "printed and read again:\n{printed}");
    hosts(text, &sections);
}

/// Names are in lower case, nothing has white space around it, and lines count up.
fn well_formed(sections: &[Section], count: usize) {
    let mut last = 0;
    for section in sections {
        assert!(!section.name.is_empty() && section.name.trim() == section.name, "[{}]", section.name);
        assert!((last + 1..=count).contains(&section.line));
        last = section.line;
        for setting in &section.settings {
            assert!(!setting.name.is_empty() && setting.name == setting.name.to_ascii_lowercase());
            assert_eq!(setting.value.trim(), *setting.value);
            assert!(!setting.value.contains('\n'));
            assert!((last + 1..=count).contains(&setting.line));
            last = setting.line;
        }
    }
}

/// The sections as a file.
fn print(sections: &[Section]) -> String {
    let mut file = String::new();
    for section in sections {
        let _ = writeln!(file, "[{}]", section.name);
        for setting in &section.settings {
            let _ = writeln!(file, "{} = {}", setting.name, *setting.value);
        }
    }
    file
}

/// A section's name, and the names and values of its settings.
type Said<'a> = (&'a str, Vec<(&'a str, &'a str)>);

/// Names and values without their lines.
fn said(sections: &[Section]) -> Vec<Said<'_>> {
    sections
        .iter()
        .map(|section| {
            let pairs = section.settings.iter().map(|setting| (setting.name.as_str(), setting.value.as_str()));
            (section.name.as_str(), pairs.collect())
        })
        .collect()
}

/// The hosts that the sections make: each once, what its own section says before what all are told,
/// and no token in what is said of a mistake.
fn hosts(text: &str, sections: &[Section]) {
    let config = match Config::parse(Path::new("x.conf"), text) {
        Ok(config) => config,
        Err(problem) => {
            // The only thing left to be wrong is a section's name, which is repeated.
            let wrong = |section: &Section| section.name != "DEFAULT" && section.name.parse::<HostName>().is_err();
            let wrong = sections.iter().find(|section| wrong(section)).expect("a name that is none");
            let expected = format!("x.conf: line {}: [{}]: ", wrong.line, wrong.name);
            return assert!(problem.starts_with(&expected), "{problem}");
        }
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
            sections.iter().flat_map(|section| &section.settings).any(|setting| setting.name.contains(TOKEN));
        assert!(in_name || in_setting || !warning.contains(TOKEN), "{warning}");
    }
    for name in &names {
        let word = |setting: &str| said_of(sections, name, setting);
        match config.wording(name).host(name.clone()) {
            Ok(host) => {
                assert_eq!(host.name, *name);
                assert_eq!(Some(host.token.reveal()), word("token"));
                assert_eq!(host.ttl, word("ttl").map(|ttl| ttl.parse().expect("seconds")));
                let id = word("zoneid").map(|id| id.rsplit('/').next().expect("a last piece"));
                assert_eq!(host.zone_id.as_deref(), id);
                let url: http::Uri = word("url").expect("a host has one").parse().expect("a URL");
                assert_eq!(host.url, url);
                assert_eq!(host.url.to_string().parse::<http::Uri>().expect("printed and read again"), host.url);
                assert!(!host.url.to_string().contains(['@', '?', '#']));
            }
            Err(problem) => {
                let elsewhere = ["url", "ttl", "zoneid", "ipv4", "ipv6", "interface", "command"];
                let elsewhere = elsewhere.iter().any(|setting| word(setting).is_some_and(|said| said.contains(TOKEN)));
                let in_name = name.as_str().contains(TOKEN);
                assert!(elsewhere || in_name || !problem.contains(TOKEN), "{problem}");
            }
        }
    }
}

/// What is said of a host: the first of its first section, else the first of the first that speaks
/// of all.
fn said_of<'a>(sections: &'a [Section], name: &HostName, setting: &str) -> Option<&'a str> {
    let own = sections.iter().find(|section| section.name.parse().is_ok_and(|other: HostName| other == *name));
    let all = sections.iter().find(|section| section.name == "DEFAULT");
    let said = |section: &'a Section| {
        let mut said = section.settings.iter().filter(|other| other.name == setting && !other.value.is_empty());
        said.next().map(|setting| setting.value.as_str())
    };
    own.and_then(said).or_else(|| all.and_then(said))
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
    ];
    files.iter().map(|file| file.as_bytes().to_vec()).collect()
}
