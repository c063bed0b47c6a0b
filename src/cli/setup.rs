//! `nic53 setup`: what to type or paste into a client, with the gateway's URL and the host's token filled in.
//!
mod client_arg;
mod filling;
mod limits;

use std::{fmt::Write as _, io, process::ExitCode};

use clap::{Args, ValueHint};
use zeroize::Zeroizing;

use self::{
    client_arg::ClientParser,
    filling::{Account, Part},
};
use super::{
    output::{Colour, Style},
    print,
    settings::{SettingArgs, StoreArgs},
    token::check_depth,
    token_arg::TokenArgs,
    warn,
};
use crate::{
    client::gateway_url::{GatewayUrl, host},
    problem::Problem,
    protocol::{hostname::HostName, token::Scope},
    recipes::{RECIPES, Recipe},
    settings::Settings,
};

/// Print what to type or paste into a router or another client
///
/// Without a client, it lists them; `other` is for all that it does not list. Those at the end get certificates for the host, if the operator of the gateway allows that. The token is derived from the gateway's secret, if the settings have that
/// (`NIC53_SECRET`, a file, or AWS Secrets Manager); otherwise it is read from --token-file or `NIC53_TOKEN`. On a pipe,
/// only the text to paste is printed. Warnings about limits of the client go to standard error.
#[derive(Args)]
#[command(after_help = "Examples:
  nic53 setup
  nic53 setup fritzbox home.example.org --url https://dyn.example.org
  nic53 setup certbot home.example.org --url https://dyn.example.org
  nic53 setup ddclient3 home.example.org nas.example.org --url https://dyn.example.org >/etc/ddclient.conf
  nic53 token --subtree example.org | nic53 setup openwrt home.example.org --token-file -")]
pub(super) struct Setup {
    /// The client, in any spelling; without it, the list of clients
    #[arg(value_parser = ClientParser, hide_possible_values = true)]
    client: Option<String>,
    /// The hosts that the client should move
    #[arg(value_name = "HOST", requires = "client", value_parser = host, value_hint = ValueHint::Other)]
    hosts: Vec<HostName>,
    /// The URL that clients use for the gateway
    #[arg(long, env = "NIC53_URL", value_name = "URL", value_hint = ValueHint::Url)]
    url: Option<GatewayUrl>,
    /// The hosts' token, if it is given.
    #[command(flatten)]
    token: TokenArgs,
    /// The store whose secret the tokens are derived from.
    #[command(flatten)]
    store: StoreArgs,
    /// The gateway's settings.
    #[command(flatten)]
    settings: SettingArgs,
}

impl Setup {
    /// Prints the list, or the setup of one client.
    pub(super) async fn run(self) -> Result<ExitCode, Problem> {
        let style = Style::of(&io::stdout());
        let Some(client) = &self.client else {
            print(&list(style)?);
            return Ok(ExitCode::SUCCESS);
        };
        let recipe = recipe(client)?;
        if self.hosts.is_empty() {
            return Err(Problem(format!("setup {client}: expected a host, such as home.example.org")));
        }
        limits::check_hosts(&recipe, &self.hosts)?;
        let (accounts, settings) = self.accounts(&recipe).await?;
        let url = self.url.clone().unwrap_or_else(default_url);
        let parts = filling::fill(recipe.body, &url, &accounts)?;
        let mut warnings = limits::warnings(&recipe, &url, &accounts, &parts);
        if self.url.is_none() {
            warnings
                .insert(0, format!("no --url: {url} is used, which only this machine can reach; expected the URL that the client can use"));
        }
        warnings.extend(settings.and_then(|settings| refused(&recipe, &url, &settings)));
        print_warnings(&warnings);
        print(&show(&recipe, &parts, style));
        Ok(ExitCode::SUCCESS)
    }

    /// Each host with its token: the one that was given, or its own one from the secret. Also returns the settings, if
    /// they were needed.
    async fn accounts(&self, recipe: &Recipe) -> Result<(Vec<Account>, Option<Settings>), Problem> {
        if let Some(token) = self.token.read_one()? {
            let account = |host: &HostName| Account::new(host, token.clone(), &recipe.limits);
            return Ok((self.hosts.iter().map(account).collect(), None));
        }
        let (settings, secrets) = self.settings.secrets(&self.store).await.map_err(|problem| {
            Problem(format!(
                "{problem}; or the host's token by --token-file FILE, or --token-file - for standard input"
            ))
        })?;
        let mut accounts = Vec::new();
        for host in &self.hosts {
            let zone = settings
                .zones
                .holding(host)
                .ok_or_else(|| format!("`{host}`: expected a host in one of the zones: {}", settings.zones))?;
            check_depth(host, zone)?;
            let generation = settings.generations.get(host).copied().unwrap_or(0);
            let token = secrets.current.mint(Scope::Host, host, zone, generation);
            accounts.push(Account::new(host, Zeroizing::new(token.reveal().to_owned()), &recipe.limits));
        }
        Ok((accounts, Some(settings)))
    }
}

/// What the client needs and a gateway of these settings refuses.
fn refused(recipe: &Recipe, url: &GatewayUrl, settings: &Settings) -> Option<String> {
    let title = recipe.title;
    if recipe.certificate && !settings.allow_acme {
        return Some(format!("{title} gets certificates, which this gateway refuses: expected NIC53_ALLOW_ACME=true"));
    }
    (recipe.token_in_query.at(url.https) && !settings.policy.query_credentials).then(|| {
        format!(
            "{title} sends the token in the query, which this gateway ignores: expected NIC53_QUERY_CREDENTIALS=true"
        )
    })
}

/// The URL of `nic53 serve` with its defaults.
fn default_url() -> GatewayUrl {
    GatewayUrl { https: false, host: "127.0.0.1".to_owned(), port: 8053, prefix: String::new() }
}

/// The recipe of a client. One that does not parse is a bug.
fn recipe(client: &str) -> Result<Recipe, Problem> {
    let found = RECIPES.iter().find(|(name, _)| *name == client);
    let (name, text) = found.ok_or_else(|| format!("`{client}`: expected a client that `nic53 setup` lists"))?;
    Ok(Recipe::parse(name, text)?)
}

/// What is said of a recipe for certificates.
const FOR_CERTIFICATES: &str = "For certificates, if the operator of the gateway allows it";

/// The clients, one a line: name, title and description. On a pipe a tab ends the name, so that `cut -f1` gets it.
fn list(style: Style) -> Result<String, Problem> {
    let mut list = String::new();
    let mut certificates = false;
    for (client, _) in RECIPES {
        let Recipe { title, about, certificate, .. } = recipe(client)?;
        if style.terminal {
            if certificate && !certificates {
                let _ = writeln!(list, "\n{}:\n", style.paint(Colour::Title, FOR_CERTIFICATES));
                certificates = true;
            }
            let name = style.paint(Colour::Title, &format!("{client:<16}"));
            let _ = writeln!(list, "{name} {title}: {about}");
        } else {
            let _ = writeln!(list, "{client}\t{title}: {about}");
        }
    }
    if style.terminal {
        list += "\n`nic53 setup CLIENT HOST --url URL` prints what to type or paste. For one that is not listed, CLIENT is `other`.\n";
    }
    Ok(list)
}

/// Everything for a person; for a pipe, the text to paste.
fn show(recipe: &Recipe, parts: &[Part], style: Style) -> String {
    let mut shown = String::new();
    if style.terminal {
        let _ = writeln!(shown, "{}\n", style.paint(Colour::Title, recipe.title));
        if recipe.certificate {
            let _ = writeln!(shown, "{}\n", style.paint(Colour::Warning, FOR_CERTIFICATES));
        }
    }
    let mut separate = false;
    for part in parts {
        match part {
            Part::Prose(text) if style.terminal => {
                let _ = writeln!(shown, "{text}\n");
            }
            Part::Prose(_) => {}
            Part::Paste(text) if style.terminal => {
                let lines: Vec<_> = text.lines().map(|line| style.paint(Colour::Paste, line)).collect();
                let _ = writeln!(shown, "{}\n", lines.join("\n"));
            }
            Part::Paste(text) => {
                let _ = writeln!(shown, "{}{text}", if separate { "\n" } else { "" });
                separate = true;
            }
        }
    }
    if style.terminal {
        let _ = writeln!(shown, "{}", style.paint(Colour::Faint, &format!("Checked: {}", recipe.checked)));
    }
    shown
}

/// Prints warnings to standard error, one a line.
fn print_warnings(warnings: &[String]) {
    let word = Style::of(&io::stderr()).paint(Colour::Warning, "warning:");
    for warning in warnings {
        warn(&format!("{word} {warning}"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_recipe_parses_and_fills_in_completely() {
        let url: GatewayUrl = "https://dyn.example.org:8443/prod".parse().unwrap();
        for (client, text) in RECIPES {
            let recipe = Recipe::parse(client, text).unwrap_or_else(|error| panic!("{client}: {error}"));
            for field in [recipe.title, recipe.about, recipe.checked] {
                assert!(!field.is_empty(), "{client}");
            }
            let accounts: Vec<_> = ["home.example.org", "nas.example.org"]
                .map(|host| {
                    Account::new(&host.parse().unwrap(), Zeroizing::new(format!("token-of-{host}")), &recipe.limits)
                })
                .into();
            let parts = filling::fill(recipe.body, &url, &accounts).unwrap_or_else(|error| panic!("{client}: {error}"));
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
        let devices = include_str!("../../docs/devices.md");
        let certificates = include_str!("../../docs/certificates.md");
        for (client, text) in RECIPES {
            let is_for_certificates = Recipe::parse(client, text).unwrap().certificate;
            let page = if is_for_certificates { certificates } else { devices };
            assert!(page.contains(&format!("nic53 setup {client} ")), "no page has `nic53 setup {client} …`");
        }
    }

    #[test]
    fn a_list_has_names_and_titles_for_programs_and_people() {
        let pipe = list(Style { terminal: false, colours: false }).unwrap();
        assert!(pipe.lines().all(|line| line.matches('\t').count() == 1), "{pipe}");
        assert!(pipe.contains("\nfritzbox\tFritz!Box: AVM's routers"), "{pipe}");
        let terminal = list(Style { terminal: true, colours: false }).unwrap();
        assert!(terminal.contains("\nfritzbox         Fritz!Box: AVM's routers"), "{terminal}");
        let (_, certificates) = terminal.split_once("\nFor certificates, if the operator").unwrap();
        assert!(certificates.contains("\nlego             lego: certificates by"), "{terminal}");
        assert!(!certificates.contains("router"), "{terminal}");
        assert!(terminal.ends_with("CLIENT is `other`.\n"), "{terminal}");
    }

    #[test]
    fn a_pipe_gets_the_text_to_paste_and_nothing_else() {
        let recipe = recipe("pfsense").unwrap();
        let parts = [Part::Prose("Read me.".into()), Part::Paste("a\nb".into()), Part::Paste("c".into())];
        let pipe = Style { terminal: false, colours: false };
        assert_eq!(show(&recipe, &parts, pipe), "a\nb\n\nc\n");
        let terminal = Style { terminal: true, colours: false };
        assert!(show(&recipe, &parts, terminal).contains("Read me.\n\na\nb\n\nc\n"));
    }
}
