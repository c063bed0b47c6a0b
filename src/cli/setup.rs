//! `nic53 setup`: what to type or paste into a client, with the gateway's URL and the host's token filled in.
//!
//! A client is a text file in `setup/`: a head with its name and its limits, then Markdown. [`TEMPLATES`] lists them;
//! a new one needs its file, its line there, and its section in `docs/devices.md`.

mod limits;
mod template;

use std::{
    fmt::Write as _,
    io::{self, Write as _},
    process::ExitCode,
};

use clap::{Args, builder::PossibleValuesParser};
use zeroize::Zeroizing;

use self::template::{Account, Part, Template};
use super::{
    Failure,
    given_token::TokenArgs,
    settings::{SettingArgs, StoreArgs},
    terminal::{Colour, Look},
};
use crate::{
    client::gateway_url::{GatewayUrl, host},
    log::{Format, Log},
    protocol::{hostname::HostName, token::Scope},
    secrets::Provider,
    settings::Settings,
};

/// The name of each client, and its template.
const TEMPLATES: [(&str, &str); 26] = [
    ("asus", include_str!("setup/asus.md")),
    ("asus-merlin", include_str!("setup/asus-merlin.md")),
    ("cisco-ios", include_str!("setup/cisco-ios.md")),
    ("curl", include_str!("setup/curl.md")),
    ("dd-wrt", include_str!("setup/dd-wrt.md")),
    ("ddclient3", include_str!("setup/ddclient3.md")),
    ("ddclient4", include_str!("setup/ddclient4.md")),
    ("draytek", include_str!("setup/draytek.md")),
    ("edgeos", include_str!("setup/edgeos.md")),
    ("ez-ipupdate", include_str!("setup/ez-ipupdate.md")),
    ("freshtomato", include_str!("setup/freshtomato.md")),
    ("fritzbox", include_str!("setup/fritzbox.md")),
    ("inadyn", include_str!("setup/inadyn.md")),
    ("inadyn-provider", include_str!("setup/inadyn-provider.md")),
    ("mikrotik", include_str!("setup/mikrotik.md")),
    ("nic53", include_str!("setup/nic53.md")),
    ("openwrt", include_str!("setup/openwrt.md")),
    ("opnsense", include_str!("setup/opnsense.md")),
    ("pfsense", include_str!("setup/pfsense.md")),
    ("powershell", include_str!("setup/powershell.md")),
    ("synology", include_str!("setup/synology.md")),
    ("systemd", include_str!("setup/systemd.md")),
    ("unifi", include_str!("setup/unifi.md")),
    ("vyos", include_str!("setup/vyos.md")),
    ("vyos-1.3", include_str!("setup/vyos-1.3.md")),
    ("other", include_str!("setup/other.md")),
];

/// Print what to type or paste into a router or another client
///
/// Alone, it lists the clients. The token is minted where the settings have the gateway's secret (`NIC53_SECRET`, a
/// file, or AWS Secrets Manager); elsewhere it is read from --token-file or `NIC53_TOKEN`. On a pipe only what is to be pasted is printed. Known limits of the
/// client are warned about on standard error.
#[derive(Args)]
#[command(after_help = "Examples:
  nic53 setup
  nic53 setup fritzbox home.example.org --url https://dyn.example.org
  nic53 setup ddclient3 home.example.org nas.example.org --url https://dyn.example.org >/etc/ddclient.conf
  nic53 token --subtree example.org | nic53 setup openwrt home.example.org --token-file -")]
pub(super) struct Setup {
    /// The client; without it, the list of clients
    #[arg(value_parser = PossibleValuesParser::new(TEMPLATES.map(|(client, _)| client)), hide_possible_values = true)]
    client: Option<String>,
    /// The hosts it is to move
    #[arg(value_name = "HOST", requires = "client", value_parser = host)]
    hosts: Vec<HostName>,
    /// Where clients reach the gateway
    #[arg(long, env = "NIC53_URL", value_name = "URL")]
    url: Option<GatewayUrl>,
    /// The hosts' token, where it is handed over.
    #[command(flatten)]
    token: TokenArgs,
    /// Whose secret mints the tokens.
    #[command(flatten)]
    store: StoreArgs,
    /// What the gateway was told.
    #[command(flatten)]
    settings: SettingArgs,
}

impl Setup {
    /// Prints the list, or the setup of one client.
    pub(super) async fn run(self) -> Result<ExitCode, Failure> {
        let look = Look::of(&io::stdout());
        let Some(client) = &self.client else {
            say(&list(look)?);
            return Ok(ExitCode::SUCCESS);
        };
        let template = template(client)?;
        if self.hosts.is_empty() {
            return Err(Failure(format!("setup {client}: expected a host, such as home.example.org")));
        }
        let (accounts, settings) = self.accounts(&template).await?;
        let url = self.url.clone().unwrap_or_else(default_url);
        let parts = template.fill(&url, &accounts)?;
        let mut warnings = limits::warnings(&template, &url, &accounts, &parts);
        if self.url.is_none() {
            warnings
                .insert(0, format!("without --url, {url} stands for the gateway, which only this machine can reach"));
        }
        if template.token_in_query && settings.is_some_and(|settings| !settings.policy.query_credentials) {
            warnings.push(format!(
                "{} sends the token in the query, which this gateway does not look at: expected NIC53_QUERY_CREDENTIALS=true",
                template.title
            ));
        }
        warn(&warnings);
        say(&show(&template, &parts, look));
        Ok(ExitCode::SUCCESS)
    }

    /// Each host with its token: the one handed over for all of them, or each its own from the secret. The settings
    /// come with it where they were needed.
    async fn accounts(&self, template: &Template) -> Result<(Vec<Account>, Option<Settings>), Failure> {
        if let Some(token) = self.token.read_one()? {
            let account = |host: &HostName| Account::new(host, token.clone(), &template.limits);
            return Ok((self.hosts.iter().map(account).collect(), None));
        }
        let settings = self.settings.settings(&self.store).map_err(|failure| {
            Failure(format!("{failure}; or the host's token by --token-file FILE, where - is standard input"))
        })?;
        let source = settings.secret.as_ref().ok_or_else(|| "there is no secret".to_owned())?;
        let secrets = Provider::read(source, None, Log { level: settings.log, format: Format::Text }).await?;
        let secrets = secrets.current().await;
        let mut accounts = Vec::new();
        for host in &self.hosts {
            let zone = settings
                .zones
                .holding(host)
                .ok_or_else(|| format!("`{host}`: expected a host in one of the zones: {}", settings.zones))?;
            let generation = settings.generations.get(host).copied().unwrap_or(0);
            let token = secrets.current.mint(Scope::Host, host, zone, generation);
            accounts.push(Account::new(host, Zeroizing::new(token.reveal().to_owned()), &template.limits));
        }
        Ok((accounts, Some(settings)))
    }
}

/// Where `nic53 serve` answers if it is told nothing.
fn default_url() -> GatewayUrl {
    GatewayUrl { https: false, host: "127.0.0.1".to_owned(), port: 8053, prefix: String::new() }
}

/// The template of a client. One that is broken is our own mistake.
fn template(client: &str) -> Result<Template, Failure> {
    let found = TEMPLATES.iter().find(|(name, _)| *name == client);
    let (name, text) = found.ok_or_else(|| format!("`{client}`: expected a client that `nic53 setup` lists"))?;
    Ok(Template::parse(name, text)?)
}

/// The clients: their names alone for a program, with what they are for a person.
fn list(look: Look) -> Result<String, Failure> {
    let mut list = String::new();
    for (client, _) in TEMPLATES {
        if look.terminal {
            let template = template(client)?;
            let name = look.paint(Colour::Title, &format!("{client:<16}"));
            let _ = writeln!(list, "{name} {}: {}", template.title, template.about);
        } else {
            let _ = writeln!(list, "{client}");
        }
    }
    if look.terminal {
        list += "\nnic53 setup CLIENT HOST --url URL prints what to type or paste.\n";
    }
    Ok(list)
}

/// All of it for a person; for a pipe, what is to be pasted.
fn show(template: &Template, parts: &[Part], look: Look) -> String {
    let mut shown = String::new();
    if look.terminal {
        let _ = writeln!(shown, "{}\n", look.paint(Colour::Title, template.title));
    }
    let mut separate = false;
    for part in parts {
        match part {
            Part::Prose(text) if look.terminal => {
                let _ = writeln!(shown, "{text}\n");
            }
            Part::Prose(_) => {}
            Part::Paste(text) if look.terminal => {
                let lines: Vec<_> = text.lines().map(|line| look.paint(Colour::Paste, line)).collect();
                let _ = writeln!(shown, "{}\n", lines.join("\n"));
            }
            Part::Paste(text) => {
                let _ = writeln!(shown, "{}{text}", if separate { "\n" } else { "" });
                separate = true;
            }
        }
    }
    if look.terminal {
        let _ = writeln!(shown, "{}", look.paint(Colour::Faint, &format!("Checked: {}", template.checked)));
    }
    shown
}

/// Writes to standard output. Nobody reading is no failure.
fn say(text: &str) {
    let _ = io::stdout().write_all(text.as_bytes()).and_then(|()| io::stdout().flush());
}

/// Writes warnings to standard error, one a line.
#[expect(clippy::print_stderr, reason = "what is to be pasted goes to standard output")]
fn warn(warnings: &[String]) {
    let word = Look::of(&io::stderr()).paint(Colour::Warning, "warning:");
    for warning in warnings {
        eprintln!("{word} {warning}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_template_parses_and_fills_in_completely() {
        let url: GatewayUrl = "https://dyn.example.org:8443/prod".parse().unwrap();
        for (client, text) in TEMPLATES {
            let template = Template::parse(client, text).unwrap_or_else(|error| panic!("{client}: {error}"));
            for field in [template.title, template.about, template.checked] {
                assert!(!field.is_empty(), "{client}");
            }
            let accounts: Vec<_> = ["home.example.org", "nas.example.org"]
                .map(|host| {
                    Account::new(&host.parse().unwrap(), Zeroizing::new(format!("token-of-{host}")), &template.limits)
                })
                .into();
            let parts = template.fill(&url, &accounts).unwrap_or_else(|error| panic!("{client}: {error}"));
            let pasted: Vec<_> = parts.iter().filter(|part| matches!(part, Part::Paste(_))).collect();
            let text = format!("{pasted:?}");
            for needed in
                ["dyn.example.org", "home.example.org", "token-of-home.example.org", "token-of-nas.example.org"]
            {
                assert!(text.contains(needed), "{client}: no {needed} in {text}");
            }
            assert!(!text.contains("{{") && !text.contains("}}"), "{client}: {text}");
        }
    }

    #[test]
    fn every_client_has_its_section_in_the_documentation() {
        let page = include_str!("../../docs/devices.md");
        for (client, _) in TEMPLATES {
            assert!(
                page.contains(&format!("nic53 setup {client} ")),
                "docs/devices.md has no `nic53 setup {client} …`"
            );
        }
    }

    #[test]
    fn a_pipe_gets_what_is_to_be_pasted_and_nothing_else() {
        let template = template("pfsense").unwrap();
        let parts = [Part::Prose("Read me.".into()), Part::Paste("a\nb".into()), Part::Paste("c".into())];
        let pipe = Look { terminal: false, colours: false };
        assert_eq!(show(&template, &parts, pipe), "a\nb\n\nc\n");
        let terminal = Look { terminal: true, colours: false };
        assert!(show(&template, &parts, terminal).contains("Read me.\n\na\nb\n\nc\n"));
    }
}
