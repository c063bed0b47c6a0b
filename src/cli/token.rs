//! `nic53 token`: prints the tokens of hosts, and checks a token.

use std::{process::ExitCode, sync::Arc};

use clap::{Args, ValueHint};
use serde_json::{Value, json};
use zeroize::Zeroizing;

use super::{
    print,
    settings::{SettingArgs, StoreArgs},
    token_arg::read_standard_input,
    values,
};
use crate::{
    client::gateway_url,
    problem::Problem,
    protocol::{
        hostname::HostName,
        token::{MAX_LABELS, Password, Scope, Secret, Secrets, has_tokens, scopes},
        zone::{Zone, Zones},
    },
    settings::Settings,
};

/// Print the tokens of hosts, or check one
///
/// The settings must be those of the gateway: its zones, its generations, and its secret. The secret is in NIC53_SECRET
/// (which has no flag, because everyone on the machine can read a command line), in a file, or in AWS Secrets Manager,
/// which is read with your own AWS credentials.
///
/// For one host, its token alone is printed; for several, a line with host and token each.
#[derive(Args)]
#[command(after_help = EXAMPLES)]
#[expect(clippy::doc_markdown, reason = "clap shows it to a person as it stands")]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag")]
pub(super) struct Token {
    /// The hosts that the tokens should move
    #[arg(required = true, value_name = "HOST", value_hint = ValueHint::Other)]
    hosts: Vec<String>,
    /// Cover the name and everything below it in its zone
    #[arg(long)]
    subtree: bool,
    /// Print the token of this generation instead of the one in NIC53_GENERATIONS
    #[arg(long, value_name = "N", value_parser = values::generation)]
    generation: Option<u32>,
    /// Use the previous secret
    #[arg(long)]
    previous: bool,
    /// The id of the hosts' hosted zone, if no zones are configured
    #[arg(long, value_name = "ID")]
    zone_id: Option<String>,
    /// Read a token from standard input and check whether it may move the hosts; exit code 1 if not
    #[arg(long, conflicts_with_all = ["subtree", "generation", "previous"])]
    check: bool,
    /// Print one JSON object for each host, a line each
    #[arg(long)]
    json: bool,
    /// The store.
    #[command(flatten)]
    store: StoreArgs,
    /// The gateway's settings.
    #[command(flatten)]
    settings: SettingArgs,
}

/// Shown below the flags.
const EXAMPLES: &str = "Examples:
  nic53 token router.home.example
  nic53 token --subtree home.example.org --zones example.org=Z0123ABC --secret-file secret
  nic53 token home.example.org --zone-id Z0123ABC --secret-arn arn:aws:secretsmanager:…
  nic53 token --check home.example.org <token-file";

/// Exit code if a token that was checked is not valid.
const NOT_VALID: u8 = 1;

impl Token {
    /// Prints a line a host.
    pub(super) async fn run(mut self) -> Result<ExitCode, Problem> {
        if let Some(id) = &self.zone_id {
            // The settings need a zone. Its id is given, and nothing else of it matters.
            self.settings.or("NIC53_ZONES", &format!("home.example={id}"));
        }
        let (settings, secrets) = self.settings.secrets(&self.store).await?;
        let hosts = self.hosts.iter().map(|host| self.host(host, &settings.zones)).collect::<Result<Vec<_>, _>>()?;
        if self.check { self.check(&hosts, &settings, &secrets) } else { self.mint(&hosts, &settings, &secrets) }
    }

    /// A host and its zone.
    fn host(&self, host: &str, zones: &Zones) -> Result<(HostName, Zone), Problem> {
        let name =
            gateway_url::host(host).map_err(|expected| format!("`{host}`: {expected}{}", values::ascii_hint(host)))?;
        let zone = match &self.zone_id {
            Some(id) => zone_of_id(id, &name)?,
            None => zones.holding(&name).cloned().ok_or_else(|| {
                format!("`{name}`: expected a host in one of the zones {zones}, or its zone's id with --zone-id")
            })?,
        };
        // Of a zone with nothing but its id, the apex is not known.
        if self.zone_id.is_none() {
            check_depth(&name, &zone)?;
        }
        if self.subtree && name.is_wildcard() {
            return Err(Problem(format!("`{name}`: expected a name without `*`, whose subtree has all below it")));
        }
        Ok((name, zone))
    }

    /// Prints the token of each host.
    fn mint(&self, hosts: &[(HostName, Zone)], settings: &Settings, secrets: &Secrets) -> Result<ExitCode, Problem> {
        let secret = if self.previous { secrets.previous.as_ref() } else { Some(&secrets.current) };
        let secret = secret.ok_or_else(|| "--previous: expected a previous secret in the settings".to_owned())?;
        let scope = if self.subtree { Scope::Subtree } else { Scope::Host };
        for (host, zone) in hosts {
            let generation = self.generation.or(settings.generations.get(host).copied()).unwrap_or(0);
            let token = secret.mint(scope, host, zone, generation);
            let token = token.reveal();
            let line = Zeroizing::new(match hosts {
                _ if self.json => {
                    let secret = if self.previous { PREVIOUS } else { CURRENT };
                    let (host, scope) = (host.as_str(), scope.word());
                    format!(
                        "{}\n",
                        json!({
                            "host": host,
                            "token": token,
                            "scope": scope,
                            "zone_id": zone.id.as_str(),
                            "generation": generation,
                            "secret": secret,
                        })
                    )
                }
                [_] => format!("{token}\n"),
                _ => format!("{host} {token}\n"),
            });
            print(&line);
        }
        Ok(ExitCode::SUCCESS)
    }

    /// Prints for each host whether the token on standard input may move it.
    fn check(&self, hosts: &[(HostName, Zone)], settings: &Settings, secrets: &Secrets) -> Result<ExitCode, Problem> {
        let text = read_standard_input("--check")?;
        let password = Password::new(&text)
            .ok_or("standard input is empty: expected a token, such as `nic53 token` prints".to_owned())?;
        let mut valid = true;
        for (host, zone) in hosts {
            let found = Minted::search(&password, host, zone, settings, secrets);
            valid &= found.as_ref().is_some_and(|minted| minted.revoked_by.is_none());
            let line =
                if self.json { as_json(host, found.as_ref()).to_string() } else { as_line(host, found.as_ref()) };
            print(&format!("{line}\n"));
        }
        Ok(if valid { ExitCode::SUCCESS } else { ExitCode::from(NOT_VALID) })
    }
}

/// Whether a token of a host can work. A gateway computes no tokens for a name that is too deep.
///
/// # Errors
///
/// If the host has too many labels.
pub(super) fn check_depth(host: &HostName, zone: &Zone) -> Result<(), Problem> {
    if has_tokens(host, zone) {
        return Ok(());
    }
    let name = &zone.name;
    Err(Problem(format!(
        "`{host}`: expected at most {MAX_LABELS} labels below the zone {name}: no gateway accepts a token for more"
    )))
}

/// How a token was made.
#[derive(Debug, PartialEq, Eq)]
struct Minted {
    /// What it covers.
    scope: Scope,
    /// The name it was minted at.
    name: HostName,
    /// The generation it was minted with.
    generation: u32,
    /// The generation that counts now, where that is a later one.
    revoked_by: Option<u32>,
    /// Which secret.
    secret: &'static str,
}

/// The word for the secret that new tokens are minted under.
const CURRENT: &str = "current";
/// The word for the one before it.
const PREVIOUS: &str = "previous";

/// How many generations that were revoked are looked through.
const LOOK_BACK: u32 = 100;

impl Minted {
    /// How a token that covers the host was made, revoked ones included; `None` where it covers it
    /// in no way.
    fn search(
        password: &Password,
        host: &HostName,
        zone: &Zone,
        settings: &Settings,
        secrets: &Secrets,
    ) -> Option<Self> {
        let names: Arc<[(Scope, HostName)]> = scopes(host, zone).collect();
        let both: [(&str, Option<&Secret>); 2] =
            [(CURRENT, Some(&secrets.current)), (PREVIOUS, secrets.previous.as_ref())];
        let all = names.iter().flat_map(|(scope, name)| {
            let now = settings.generations.get(name).copied().unwrap_or(0);
            let generations = (now.saturating_sub(LOOK_BACK)..=now).rev();
            generations.flat_map(move |generation| {
                both.into_iter().filter_map(move |(word, secret)| Some((*scope, name, generation, now, word, secret?)))
            })
        });
        let mut all = all.filter(|(scope, name, generation, _, _, secret)| {
            bool::from(password.is(&secret.mint(*scope, name, zone, *generation)))
        });
        all.next().map(|(scope, name, generation, now, secret, _)| Self {
            scope,
            name: name.clone(),
            generation,
            revoked_by: (generation < now).then_some(now),
            secret,
        })
    }
}

/// The result of a check for a person.
fn as_line(host: &HostName, minted: Option<&Minted>) -> String {
    let Some(Minted { scope, name, generation, revoked_by, secret }) = minted else {
        return format!(
            "{host}: not valid: not a token of this host or of a subtree above it, in this zone and under these secrets"
        );
    };
    let what = format!("{} token of {name}, generation {generation}, {secret} secret", scope.word());
    match revoked_by {
        None => format!("{host}: valid: {what}"),
        Some(now) => format!("{host}: not valid: {what}, revoked: NIC53_GENERATIONS has {name}={now}"),
    }
}

/// The result of a check for a program.
fn as_json(host: &HostName, minted: Option<&Minted>) -> Value {
    let mut json = json!({ "host": host.as_str(), "valid": minted.is_some_and(|minted| minted.revoked_by.is_none()) });
    if let Some(Minted { scope, name, generation, revoked_by, secret }) = minted {
        json["scope"] = scope.word().into();
        json["name"] = name.as_str().into();
        json["generation"] = (*generation).into();
        json["secret"] = (*secret).into();
        if let Some(now) = revoked_by {
            json["revoked_by_generation"] = (*now).into();
        }
    }
    json
}

/// A zone of which only the id is known: all the host's ancestors may be in it.
fn zone_of_id(id: &str, host: &HostName) -> Result<Zone, Problem> {
    let id = id.parse().map_err(|_| format!("--zone-id {id}: expected a hosted zone's id, such as Z0123ABC"))?;
    let name = host.ancestry().last().unwrap_or_else(|| host.clone());
    Ok(Zone { name, id })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Settings of a gateway with two zones, one inside the other, and a name that was revoked twice.
    fn settings() -> Settings {
        let variable = |name: &str| match name {
            "NIC53_ZONES" => Some("example.org=Z1,lab.example.org=Z2".to_owned()),
            "NIC53_GENERATIONS" => Some("old.example.org=2".to_owned()),
            _ => None,
        };
        Settings::read(variable).unwrap_or_else(|error| panic!("{error}"))
    }

    fn secrets() -> Secrets {
        let secret = |letter: &str| Secret::new(&letter.repeat(40)).unwrap_or_else(|error| panic!("{error}"));
        Secrets { current: secret("a"), previous: Some(secret("b")) }
    }

    #[test]
    fn a_token_is_described_by_scope_name_generation_and_secret() {
        let (settings, secrets) = (settings(), secrets());
        let previous = secrets.previous.as_ref().unwrap();
        for (secret, scope, name, generation, host, line) in [
            (
                &secrets.current,
                Scope::Host,
                "a.example.org",
                0,
                "a.example.org",
                "a.example.org: valid: host token of a.example.org, generation 0, current secret",
            ),
            (
                previous,
                Scope::Subtree,
                "example.org",
                0,
                "b.a.example.org",
                "b.a.example.org: valid: subtree token of example.org, generation 0, previous secret",
            ),
            (
                &secrets.current,
                Scope::Subtree,
                "old.example.org",
                1,
                "x.old.example.org",
                "x.old.example.org: not valid: subtree token of old.example.org, generation 1, current secret, \
                 revoked: NIC53_GENERATIONS has old.example.org=2",
            ),
            (&secrets.current, Scope::Host, "old.example.org", 2, "old.example.org", "old.example.org: valid: "),
            (&secrets.current, Scope::Host, "a.example.org", 0, "b.example.org", "b.example.org: not valid: not a"),
            (&secrets.current, Scope::Host, "a.example.org", 0, "x.a.example.org", "x.a.example.org: not valid: not a"),
            // Another zone holds it.
            (
                &secrets.current,
                Scope::Subtree,
                "example.org",
                0,
                "x.lab.example.org",
                "x.lab.example.org: not valid: not a",
            ),
            (&secrets.current, Scope::Host, "*.a.example.org", 0, "*.a.example.org", "*.a.example.org: valid: host"),
        ] {
            let zone = |name: &HostName| settings.zones.holding(name).unwrap();
            let (name, host): (HostName, HostName) = (name.parse().unwrap(), host.parse().unwrap());
            let token = secret.mint(scope, &name, zone(&name), generation);
            let password = Password::new(&token.reveal().to_ascii_uppercase()).unwrap();
            let found = Minted::search(&password, &host, zone(&host), &settings, &secrets);
            assert!(as_line(&host, found.as_ref()).starts_with(line), "{line}: {found:?}");
            let valid = line.contains(": valid");
            assert_eq!(as_json(&host, found.as_ref())["valid"], valid, "{line}");
        }
    }

    #[test]
    fn a_zone_of_which_only_the_id_is_known_holds_every_ancestor() {
        for (host, id, name) in [
            ("b.a.example.org", "Z1", "example.org"),
            ("example.org", "/hostedzone/Z1", "example.org"),
            ("*.org", "Z1", "*.org"),
        ] {
            let zone = zone_of_id(id, &host.parse().unwrap()).unwrap_or_else(|error| panic!("{error}"));
            assert_eq!((zone.name.as_str(), zone.id.as_str()), (name, "Z1"), "{host}");
        }
        assert!(zone_of_id("Z 1", &"a.b".parse().unwrap()).is_err());
    }
}
