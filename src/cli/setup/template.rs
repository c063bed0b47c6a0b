//! The template of a client, and filling it in. `setup/README.md` lists the keys of its head and the placeholders of its
//! body.
//!
//! The head, between two lines of `---`, has one `key: value` a line: `title`, `about`, `checked`, optionally `warning`,
//! `token-in` and `address`, then the limits that [`Limits`] lists. The body is Markdown: text between fences is typed or
//! pasted, the rest explains it. `{{word}}` is filled in. The lines from `{{#word}}` to `{{/word}}` are repeated for each
//! host (`hosts`), or kept only if the word is true of the URL (`https`, `http`, `port`, `prefix`).

use zeroize::Zeroizing;

use crate::{client::gateway_url::GatewayUrl, protocol::hostname::HostName};

/// The user name for clients that do not accept the host's. Without a dot it claims nothing, so that the gateway checks
/// the token against the hosts alone.
pub(super) const SHORT_USER: &str = "nic53";

/// A client: what it is, what it cannot do, and how to set it up.
pub(super) struct Template {
    /// Its name as people know it.
    pub title: &'static str,
    /// What it is, in a line.
    pub about: &'static str,
    /// How the template was verified, and what was not.
    pub checked: &'static str,
    /// When the token goes in the query and not in a header.
    pub token_in_query: InQuery,
    /// Whether the client publishes the address that the gateway sees.
    pub address_is_seen: bool,
    /// What must be known before anything is pasted.
    pub warning: Option<&'static str>,
    /// What it cannot do.
    pub limits: Limits,
    /// Markdown with placeholders.
    body: &'static str,
}

/// When a client has its token in the query.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum InQuery {
    /// Never: it sends a header.
    #[default]
    Never,
    /// If the URL is https.
    OverHttps,
    /// Always.
    Always,
}

impl InQuery {
    /// Whether that is so at this URL.
    pub(super) fn at(self, url: &GatewayUrl) -> bool {
        match self {
            Self::Never => false,
            Self::OverHttps => url.https,
            Self::Always => true,
        }
    }
}

/// What a client cannot do, as the head of its template says it; a key that is absent is no limit.
#[derive(Debug, Default)]
pub(super) struct Limits {
    /// `hosts`: how many hosts.
    pub hosts: Option<usize>,
    /// `user`: characters of the user name.
    pub user: Option<usize>,
    /// `token`: characters of the password.
    pub token: Option<usize>,
    /// `host`: characters of a host's name.
    pub host: Option<usize>,
    /// `server`: characters of the server's name with its port.
    pub server: Option<usize>,
    /// `url`: characters of a URL as it is typed.
    pub url: Option<usize>,
    /// `refuses`: characters that break it, wherever they are.
    pub refuses: &'static str,
    /// `user-refuses`: characters that its user name may not have.
    pub user_refuses: &'static str,
    /// `https`: `no`, `always`, or a condition, such as `only with wget-ssl`.
    pub https: Option<&'static str>,
    /// `port`: `no` if it uses the scheme's own port only.
    pub no_port: bool,
    /// `path`: `no` if it asks for `/nic/update` only.
    pub no_path: bool,
}

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

/// A piece of a filled template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// An explanation.
    Prose(String),
    /// What is typed or pasted.
    Paste(String),
}

impl Template {
    /// Parses a template.
    ///
    /// # Errors
    ///
    /// If its head is malformed.
    pub(super) fn parse(client: &str, text: &'static str) -> Result<Self, String> {
        let (head, body) = text
            .strip_prefix("---\n")
            .and_then(|text| text.split_once("\n---\n"))
            .ok_or_else(|| format!("template {client}: expected a head between two lines of `---`"))?;
        let mut template = Self {
            title: "",
            about: "",
            checked: "",
            token_in_query: InQuery::Never,
            address_is_seen: false,
            warning: None,
            limits: Limits::default(),
            body,
        };
        for line in head.lines() {
            let entry = line.split_once(": ").ok_or("expected `key: value`");
            entry
                .and_then(|(key, value)| template.set(key, value.trim()))
                .map_err(|problem| format!("template {client}: `{line}`: {problem}"))?;
        }
        Ok(template)
    }

    /// Sets the value of one line of the head.
    fn set(&mut self, key: &str, value: &'static str) -> Result<(), &'static str> {
        let number = || value.parse().map(Some).map_err(|_| "expected a number");
        let no = || if value == "no" { Ok(true) } else { Err("expected `no`") };
        match key {
            "title" => self.title = value,
            "about" => self.about = value,
            "checked" => self.checked = value,
            "warning" => self.warning = Some(value),
            "token-in" => {
                self.token_in_query = match value {
                    "query" => InQuery::Always,
                    "query over https" => InQuery::OverHttps,
                    _ => return Err("expected `query` or `query over https`"),
                }
            }
            "address" if value == "seen" => self.address_is_seen = true,
            "hosts" => self.limits.hosts = number()?,
            "user" => self.limits.user = number()?,
            "token" => self.limits.token = number()?,
            "host" => self.limits.host = number()?,
            "server" => self.limits.server = number()?,
            "url" => self.limits.url = number()?,
            "refuses" => self.limits.refuses = value,
            "user-refuses" => self.limits.user_refuses = value,
            "https" => self.limits.https = Some(value),
            "port" => self.limits.no_port = no()?,
            "path" => self.limits.no_path = no()?,
            _ => return Err("expected a key that src/cli/setup/README.md lists"),
        }
        Ok(())
    }

    /// The template, filled in.
    ///
    /// # Errors
    ///
    /// If a placeholder or a section is unknown or not closed.
    pub(super) fn fill(&self, url: &GatewayUrl, accounts: &[Account]) -> Result<Vec<Part>, String> {
        let filled = Filling { url, accounts, account: None }.fill(self.body)?;
        Ok(parts(&filled))
    }
}

/// The values of the placeholders at one place of a template.
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
                rest.split_once(&end).ok_or_else(|| format!("template: `{line}`: expected {}", end.trim_end()))?;
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
            _ => return Err(format!("template: `{{{{#{word}}}}}`: expected hosts, https, http, port or prefix")),
        };
        if is_true { self.fill(section) } else { Ok(String::new()) }
    }

    /// Fills in the placeholders of a line.
    fn fill_line(self, line: &str) -> Result<String, String> {
        let mut filled = String::new();
        let mut rest = line;
        while let Some((before, after)) = rest.split_once("{{") {
            let (word, after) = after.split_once("}}").ok_or_else(|| format!("template: `{line}`: expected `}}}}`"))?;
            filled += before;
            filled += &self.value(word).ok_or_else(|| format!("template: `{{{{{word}}}}}` has no value here"))?;
            rest = after;
        }
        Ok(filled + rest)
    }

    /// The host, with something else instead of everything but letters and digits.
    fn separated_by(self, separator: &str) -> Option<String> {
        Some(self.account?.1.host.replace(|letter: char| !letter.is_ascii_alphanumeric(), separator))
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
            "plain" => self.separated_by("")?,
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

    /// A template of this body, filled in for two hosts.
    fn filled(body: &str, url: &str) -> Result<Vec<Part>, String> {
        let accounts = ["a.example.org", "b.example.org"].map(|host| {
            Account::new(&host.parse().unwrap(), Zeroizing::new(format!("token {host}")), &Limits::default())
        });
        let url = url.parse().unwrap();
        Filling { url: &url, accounts: &accounts, account: None }.fill(body).map(|filled| parts(&filled))
    }

    #[test]
    fn a_template_is_filled_in_for_each_host() {
        let body = "Say:\n\n```\n{{#hosts}}\n{{number}} {{id}} {{dashed}} {{plain}} {{user}}:{{token}}@{{server}}{{path}}\n{{/hosts}}\n```\nThen.\n";
        assert_eq!(
            filled(body, "https://dyn.example.org:8443/prod"),
            Ok(vec![
                Part::Prose("Say:".into()),
                Part::Paste(
                    "1 a_example_org a-example-org aexampleorg a.example.org:token a.example.org@dyn.example.org:8443/prod/nic/update\n\
                     2 b_example_org b-example-org bexampleorg b.example.org:token b.example.org@dyn.example.org:8443/prod/nic/update"
                        .into()
                ),
                Part::Prose("Then.".into()),
            ])
        );
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
    fn a_head_that_makes_no_sense_is_named() {
        for (text, named) in [
            ("title: x\n", "`---`"),
            ("---\ntitle\n---\n", "`title`"),
            ("---\nuser: many\n---\n", "`user: many`"),
            ("---\ncolour: red\n---\n", "`colour: red`"),
            ("---\nport: yes\n---\n", "`port: yes`"),
            ("---\ntoken-in: body\n---\n", "`token-in: body`"),
        ] {
            let error = Template::parse("router", text).err().unwrap_or_default();
            assert!(error.starts_with("template router:") && error.contains(named), "{text}: {error}");
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
