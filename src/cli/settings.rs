//! The settings as the command line has them: each variable of the environment, and its flag.

use std::{
    collections::{HashMap, HashSet},
    path::{Path, PathBuf},
    sync::Arc,
};

use clap::{Arg, ArgMatches, Args, Command, FromArgMatches, ValueEnum, parser::ValueSource};

use super::{values, warn};
use crate::{
    log::{Format, Log},
    problem::Problem,
    protocol::{token::Secrets, zone::Zones},
    secrets::{Provider, Source},
    settings::{Settings, VARIABLES, Variable},
};

/// The zone of the embedded store if none is configured.
pub(super) const DEFAULT_ZONES: &str = "home.example=EMBEDDED";

/// The folder of the embedded store if none is configured.
pub(super) const DEFAULT_DATA: &str = "./nic53-data";

/// Where the records are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum StoreKind {
    /// In the data folder, served by a DNS server in this process.
    Embedded,
    /// In Amazon Route 53, with the credentials that the AWS SDK finds.
    Route53,
}

/// The store, and its folder.
#[derive(Args)]
pub(super) struct StoreArgs {
    /// Where the records are stored
    #[arg(long, env = "NIC53_STORE", default_value = "embedded")]
    pub store: StoreKind,
    /// The folder of the embedded store and of its secret
    #[arg(long, env = "NIC53_DATA", value_name = "DIR", default_value = DEFAULT_DATA)]
    pub data: PathBuf,
}

impl StoreArgs {
    /// Whether the ids of the zones fit the store: those of Route 53 are of no use in the embedded store, which would
    /// answer `good` to everybody while Route 53 never hears of it.
    ///
    /// # Errors
    ///
    /// If an id is one of the other store.
    pub(super) fn check_ids(&self, zones: &Zones) -> Result<(), Problem> {
        let expected = match self.store {
            StoreKind::Embedded => {
                "expected --store route53 for it, or another id, such as EMBEDDED, for the embedded store"
            }
            StoreKind::Route53 => "expected the id of a hosted zone in Route 53, such as Z0123ABC, or --store embedded",
        };
        let fits = |id: &str| match self.store {
            StoreKind::Embedded => !is_of_route53(id),
            StoreKind::Route53 => id != "EMBEDDED" && id.bytes().all(is_upper),
        };
        match zones.iter().find(|zone| !fits(zone.id.as_str())) {
            Some(zone) => Err(Problem(format!("NIC53_ZONES: {}={}: {expected}", zone.name, zone.id))),
            None => Ok(()),
        }
    }
}

/// Whether an id looks like one that Route 53 gave: `Z`, then upper-case letters and digits, eight or more in all.
fn is_of_route53(id: &str) -> bool {
    id.starts_with('Z') && id.len() >= 8 && id.bytes().all(is_upper)
}

/// Whether a byte is an upper-case letter or a digit.
fn is_upper(byte: u8) -> bool {
    byte.is_ascii_uppercase() || byte.is_ascii_digit()
}

/// The gateway's settings, as flags or from the environment.
pub(super) struct SettingArgs {
    /// The value of each variable that is set.
    values: HashMap<&'static str, String>,
    /// The variables that were set by their flags.
    flags: HashSet<&'static str>,
}

impl SettingArgs {
    /// The settings and the secrets of a gateway.
    ///
    /// # Errors
    ///
    /// If a setting makes no sense, or the secret cannot be read.
    pub(super) async fn secrets(&self, store: &StoreArgs) -> Result<(Settings, Arc<Secrets>), Problem> {
        let (settings, source) = self.settings(store)?;
        self.check_own_secret(&settings, &source, &store.data)?;
        let log = Log { level: settings.log, format: Format::Text };
        let provider = Provider::read(&source, None, log).await?;
        Ok((settings, provider.current().await?))
    }

    /// The embedded store's own secret is refused if it does not exist, and noted if the zones may be another gateway's.
    fn check_own_secret(&self, settings: &Settings, source: &Source, data: &Path) -> Result<(), Problem> {
        let Source::File { current, .. } = source else { return Ok(()) };
        if self.is_set("NIC53_SECRET_FILE") {
            return Ok(());
        }
        let path = current.display();
        match current.try_exists() {
            Ok(true) if settings.zones.to_string() == DEFAULT_ZONES => Ok(()),
            Ok(true) => {
                warn(&format!(
                    "note: the tokens are those of {path}, the embedded store's own secret: for another gateway, expected its NIC53_SECRET, NIC53_SECRET_FILE or NIC53_SECRET_ARN"
                ));
                Ok(())
            }
            Ok(false) => Err(Problem(format!(
                "there is no secret: expected NIC53_SECRET, NIC53_SECRET_FILE, NIC53_SECRET_ARN or {path}, which `nic53 serve` makes"
            ))),
            Err(error) => Err(Problem(format!(
                "{path}: could not read the secret: {error}: expected the folder {} to be readable for you, such as by running this as the user of `nic53 serve`",
                data.display()
            ))),
        }
    }

    /// The settings, and where the secret is: for the embedded store in its folder, if nothing else is set.
    ///
    /// # Errors
    ///
    /// If a setting makes no sense, or there is no secret.
    pub(super) fn settings(&self, store: &StoreArgs) -> Result<(Settings, Source), Problem> {
        let settings = self.read(store)?;
        let own = || {
            match store.store {
            StoreKind::Embedded => Ok(Source::File { current: secret_path(&store.data), previous: None }),
            StoreKind::Route53 => Err(Problem(
                "NIC53_SECRET is not set: with --store route53 expected what `openssl rand -base64 32` prints, once for all, or NIC53_SECRET_FILE or NIC53_SECRET_ARN"
                    .to_owned(),
            )),
        }
        };
        let source = settings.secret.clone().map_or_else(own, Ok)?;
        Ok((settings, source))
    }

    /// Whether a variable has a value.
    fn is_set(&self, name: &str) -> bool {
        self.values.get(name).is_some_and(|value| !value.trim().is_empty())
    }

    /// Sets a variable that has no value.
    pub(super) fn or(&mut self, name: &'static str, value: &str) {
        let given = self.values.entry(name).or_default();
        if given.trim().is_empty() {
            value.clone_into(given);
        }
    }

    /// The settings as they are given. Without a zone, the embedded store has one by default.
    fn read(&self, store: &StoreArgs) -> Result<Settings, Problem> {
        let embedded = store.store == StoreKind::Embedded;
        let default = |name: &str| (embedded && name == "NIC53_ZONES").then(|| DEFAULT_ZONES.to_owned());
        let given = |name: &str| self.values.get(name).filter(|value| !value.trim().is_empty()).cloned();
        let settings = Settings::read(|name| given(name).or_else(|| default(name)));
        settings.map_err(|error| Problem(self.as_typed(&error.to_string())))
    }

    /// An error of the settings, with the flags that were typed in place of their variables.
    pub(super) fn as_typed(&self, error: &str) -> String {
        let is_part = |letter: char| letter.is_ascii_uppercase() || letter.is_ascii_digit() || letter == '_';
        let mut typed = String::new();
        let mut rest = error;
        while let Some(start) = rest.find("NIC53_") {
            let name = rest[start..].split(|letter| !is_part(letter)).next().unwrap_or_default();
            typed += &rest[..start];
            rest = &rest[start + name.len()..];
            if self.flags.contains(name) {
                typed += &flag(name);
                rest = rest.strip_prefix('=').inspect(|_| typed.push(' ')).unwrap_or(rest);
            } else {
                typed += name;
            }
        }
        format!("{typed}{rest}{}", values::ascii_hint(error))
    }
}

impl Args for SettingArgs {
    fn augment_args(command: Command) -> Command {
        command.args(VARIABLES.iter().filter(|variable| !variable.secret).map(arg))
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for SettingArgs {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let value = |variable: &Variable| {
            if variable.secret { std::env::var(variable.name).ok() } else { matches.get_one(variable.name).cloned() }
        };
        let is_flag = |variable: &&Variable| {
            !variable.secret && matches.value_source(variable.name) == Some(ValueSource::CommandLine)
        };
        Ok(Self {
            values: VARIABLES.iter().filter_map(|variable| Some((variable.name, value(variable)?))).collect(),
            flags: VARIABLES.iter().filter(is_flag).map(|variable| variable.name).collect(),
        })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

/// The flag of a variable: `--ttl-min` of `NIC53_TTL_MIN`.
fn flag(name: &str) -> String {
    format!("--{}", name.trim_start_matches("NIC53_").to_ascii_lowercase().replace('_', "-"))
}

/// The argument of a variable.
fn arg(variable: &Variable) -> Arg {
    Arg::new(variable.name)
        .long(flag(variable.name).trim_start_matches('-').to_owned())
        .env(variable.name)
        .hide_env_values(true)
        .value_name(variable.example)
        .help(variable.help)
        .help_heading("Settings")
}

/// The path of the embedded store's own secret.
pub(super) fn secret_path(data: &Path) -> PathBuf {
    data.join("secret")
}
