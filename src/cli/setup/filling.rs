//! A recipe, filled in.
//!
//! In its body, text between fences is typed or pasted, the rest explains it. `{{word}}` is filled in. The lines from
//! `{{#word}}` to `{{/word}}` are repeated for each host (`hosts`), or kept only if the word is true of the URL (`https`,
//! `http`, `port`, `prefix`). `src/recipes/README.md` lists the placeholders.

use zeroize::Zeroizing;

use crate::{client::gateway_url::GatewayUrl, protocol::hostname::HostName, recipes::Limits};

/// The user name for clients that do not accept the host's. Without a dot it claims nothing, so that the gateway checks
/// the token against the hosts alone.
pub(super) const SHORT_USER: &str = "nic53";

/// A host with its user name and token.
pub(super) struct Account {
    /// The host.
    pub host: String,
    /// The user name: the host, or [`SHORT_USER`].
    pub user: String,
    /// The token.
    pub token: Zeroizing<String>,
}

impl Account {
    /// The account of a host for a client with these limits.
    pub(super) fn new(host: &HostName, token: Zeroizing<String>, limits: &Limits) -> Self {
        let host = host.to_string();
        let fits = limits.user.is_none_or(|most| host.len() <= most)
            && !host.contains(|letter| limits.user_refuses.contains(letter) || limits.refuses.contains(letter));
        let user = if fits { host.clone() } else { SHORT_USER.to_owned() };
        Self { host, user, token }
    }
}

/// A piece of a recipe, filled in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// An explanation.
    Prose(String),
    /// What is typed or pasted.
    Paste(String),
}

/// The body of a recipe, filled in.
///
/// # Errors
///
/// If a placeholder or a section is unknown or not closed.
pub(super) fn fill(body: &str, url: &GatewayUrl, accounts: &[Account]) -> Result<Vec<Part>, String> {
    let filled = Filling { url, accounts, account: None }.fill(body)?;
    Ok(parts(&filled))
}

/// The values of the placeholders at one place of a recipe.
#[derive(Clone, Copy)]
struct Filling<'a> {
    /// The gateway.
    url: &'a GatewayUrl,
    /// All hosts.
    accounts: &'a [Account],
    /// The host of these lines, counted from 1; `None` outside of `hosts`.
    account: Option<(usize, &'a Account)>,
}

impl Filling<'_> {
    /// Fills in some whole lines.
    fn fill(self, text: &str) -> Result<String, String> {
        let mut filled = String::new();
        let mut rest = text;
        while !rest.is_empty() {
            let (line, after) = rest.split_once('\n').unwrap_or((rest, ""));
            rest = after;
            let Some(word) = line.strip_prefix("{{#").and_then(|line| line.strip_suffix("}}")) else {
                filled += &self.fill_line(line)?;
                filled.push('\n');
                continue;
            };
            let end = format!("{{{{/{word}}}}}\n");
            let (section, after) =
                rest.split_once(&end).ok_or_else(|| format!("recipe: `{line}`: expected {}", end.trim_end()))?;
            rest = after;
            filled += &self.fill_section(word, section)?;
        }
        Ok(filled)
    }

    /// Fills in the lines of a section: for each host, or once if its word is true.
    fn fill_section(self, word: &str, section: &str) -> Result<String, String> {
        if word == "hosts" {
            let numbered = self.accounts.iter().zip(1..);
            return numbered
                .map(|(account, number)| Self { account: Some((number, account)), ..self }.fill(section))
                .collect();
        }
        let is_true = match word {
            "https" => self.url.https,
            "http" => !self.url.https,
            "port" => !self.url.has_default_port(),
            "prefix" => !self.url.prefix.is_empty(),
            _ => return Err(format!("recipe: `{{{{#{word}}}}}`: expected hosts, https, http, port or prefix")),
        };
        if is_true { self.fill(section) } else { Ok(String::new()) }
    }

    /// Fills in the placeholders of a line.
    fn fill_line(self, line: &str) -> Result<String, String> {
        let mut filled = String::new();
        let mut rest = line;
        while let Some((before, after)) = rest.split_once("{{") {
            let (word, after) = after.split_once("}}").ok_or_else(|| format!("recipe: `{line}`: expected `}}}}`"))?;
            filled += before;
            filled += &self.value(word).ok_or_else(|| format!("recipe: `{{{{{word}}}}}` has no value here"))?;
            rest = after;
        }
        Ok(filled + rest)
    }

    /// The host, with `separator` instead of a dot. No two hosts become the same: a hyphen is two of them, `_` three.
    fn separated_by(self, separator: &str) -> Option<String> {
        let host = &self.account?.1.host;
        let letter = |letter: char| match letter {
            '.' => separator.to_owned(),
            '-' => separator.repeat(2),
            '_' => separator.repeat(3),
            '*' => format!("{separator}all"),
            letter => letter.to_string(),
        };
        Some(host.chars().map(letter).collect())
    }

    /// The host in letters and digits. No two hosts become the same.
    fn plain(self) -> Option<String> {
        let host = &self.account?.1.host;
        let letter = |letter: char| match letter {
            '.' => "zd".to_owned(),
            '-' => "zh".to_owned(),
            '_' => "zu".to_owned(),
            '*' => "za".to_owned(),
            'z' => "zz".to_owned(),
            letter => letter.to_string(),
        };
        Some(host.chars().map(letter).collect())
    }

    /// The value of a placeholder.
    fn value(self, word: &str) -> Option<String> {
        let url = self.url;
        Some(match word {
            "url" => url.to_string(),
            "scheme" => url.scheme().to_owned(),
            "SCHEME" => url.scheme().to_uppercase(),
            "server" => url.authority(),
            "name" => url.host.clone(),
            "port" => url.port.to_string(),
            "path" => format!("{}/nic/update", url.prefix),
            "prefix" => url.prefix.clone(),
            "number" => self.account?.0.to_string(),
            "host" => self.account?.1.host.clone(),
            "user" => self.account?.1.user.clone(),
            "token" => self.account?.1.token.to_string(),
            "id" => self.separated_by("_")?,
            "dashed" => self.separated_by("-")?,
            "plain" => self.plain()?,
            _ => return None,
        })
    }
}

/// Splits Markdown into prose and the text between fences.
fn parts(markdown: &str) -> Vec<Part> {
    let mut parts = Vec::new();
    let mut fenced = false;
    let mut lines: Vec<&str> = Vec::new();
    for line in markdown.lines().chain(["```"]) {
        if !line.starts_with("```") {
            lines.push(line);
            continue;
        }
        let text = lines.join("\n").trim_matches('\n').to_owned();
        lines.clear();
        if !text.is_empty() {
            parts.push(if fenced { Part::Paste(text) } else { Part::Prose(text) });
        }
        fenced = !fenced;
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    /// This body, filled in for two hosts.
    fn filled(body: &str, url: &str) -> Result<Vec<Part>, String> {
        let accounts = ["a.example.org", "b.example.org"].map(|host| {
            Account::new(&host.parse().unwrap(), Zeroizing::new(format!("token {host}")), &Limits::default())
        });
        let url = url.parse().unwrap();
        fill(body, &url, &accounts)
    }

    #[test]
    fn a_body_is_filled_in_for_each_host() {
        let body = "Say:\n\n```\n{{#hosts}}\n{{number}} {{id}} {{dashed}} {{plain}} {{user}}:{{token}}@{{server}}{{path}}\n{{/hosts}}\n```\nThen.\n";
        assert_eq!(
            filled(body, "https://dyn.example.org:8443/prod"),
            Ok(vec![
                Part::Prose("Say:".into()),
                Part::Paste(
                    "1 a_example_org a-example-org azdexamplezdorg a.example.org:token a.example.org@dyn.example.org:8443/prod/nic/update\n\
                     2 b_example_org b-example-org bzdexamplezdorg b.example.org:token b.example.org@dyn.example.org:8443/prod/nic/update"
                        .into()
                ),
                Part::Prose("Then.".into()),
            ])
        );
    }

    #[test]
    fn what_stands_for_a_host_stands_for_no_other() {
        let url = "https://dyn.example.org".parse().unwrap();
        let mut all = std::collections::HashMap::new();
        for host in [
            "a-b.example.org",
            "a.b.example.org",
            "ab.example.org",
            "a--b.example.org",
            "*.b.example.org",
            "azdb.example.org",
        ] {
            let account = Account::new(&host.parse().unwrap(), Zeroizing::new(String::new()), &Limits::default());
            let parts = fill("{{#hosts}}\n{{id}} {{dashed}} {{plain}}\n{{/hosts}}\n", &url, &[account]).unwrap();
            let [Part::Prose(names)] = &parts[..] else { panic!("{parts:?}") };
            for name in names.split(' ') {
                assert_eq!(all.insert(name.to_owned(), host), None, "{name} of {host}");
            }
        }
    }

    #[test]
    fn a_section_is_kept_if_its_word_is_true_of_the_url() {
        let body = "{{#https}}\ntls\n{{/https}}\n{{#http}}\nplain\n{{/http}}\n{{#port}}\n{{port}}\n{{/port}}\n{{#prefix}}\n{{prefix}}\n{{/prefix}}\n";
        for (url, shown) in [
            ("https://dyn.example.org", "tls"),
            ("http://dyn.example.org:8053", "plain\n8053"),
            ("https://dyn.example.org/prod", "tls\n/prod"),
        ] {
            assert_eq!(filled(body, url), Ok(vec![Part::Prose(shown.into())]), "{url}");
        }
    }

    #[test]
    fn what_cannot_be_filled_in_is_named() {
        for (body, named) in [
            ("{{unknown}}\n", "{{unknown}}"),
            ("{{host}}\n", "{{host}}"),
            ("{{#hosts}}\n", "{{/hosts}}"),
            ("{{#tls}}\n{{/tls}}\n", "{{#tls}}"),
            ("{{host\n", "}}"),
        ] {
            let error = filled(body, "https://dyn.example.org").unwrap_err();
            assert!(error.contains(named), "{body}: {error}");
        }
    }

    #[test]
    fn a_user_name_that_does_not_fit_is_a_short_one() {
        for (limits, user) in [
            (Limits::default(), "home.example.org"),
            (Limits { user: Some(16), ..Limits::default() }, "home.example.org"),
            (Limits { user: Some(15), ..Limits::default() }, SHORT_USER),
            (Limits { user_refuses: "*.", ..Limits::default() }, SHORT_USER),
        ] {
            let account = Account::new(&"home.example.org".parse().unwrap(), Zeroizing::new(String::new()), &limits);
            assert_eq!(account.user, user, "{limits:?}");
        }
    }
}
