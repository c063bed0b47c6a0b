//! The settings as the command line has them: each variable of the environment, and its flag.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
};

use base64::prelude::{BASE64_URL_SAFE_NO_PAD, Engine};
use clap::{Arg, ArgMatches, Args, Command, FromArgMatches, ValueEnum};
use zeroize::Zeroizing;

use super::Failure;
use crate::{
    files::write_atomically,
    secrets,
    settings::{Settings, VARIABLES, Variable},
};

/// The zone of the embedded store where none is configured.
pub(super) const DEFAULT_ZONES: &str = "home.example=EMBEDDED";

/// Where the records are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum StoreKind {
    /// In the data folder, served by a DNS server in this process.
    Embedded,
    /// In Amazon Route 53, with the credentials that the AWS SDK finds.
    Route53,
}

/// Which store, and where.
#[derive(Args)]
pub(super) struct StoreArgs {
    /// Where the records are
    #[arg(long, env = "NIC53_STORE", default_value = "embedded")]
    pub store: StoreKind,
    /// The folder of the embedded store and of its secret
    #[arg(long, env = "NIC53_DATA", value_name = "DIR", default_value = "./nic53-data")]
    pub data: PathBuf,
}

/// The gateway's settings, as flags or from the environment.
pub(super) struct SettingArgs(HashMap<&'static str, String>);

impl SettingArgs {
    /// The settings of this store, with a secret that is there.
    pub(super) fn settings(&self, store: &StoreArgs) -> Result<Settings, Failure> {
        let settings = self.settings_of_server(store)?;
        match &settings.secret {
            Some(secrets::Source::File { current, .. })
                if *current == secret_path(&store.data) && !current.exists() =>
            {
                Err(Failure(format!(
                    "there is no secret: expected NIC53_SECRET, NIC53_SECRET_FILE, NIC53_SECRET_ARN or {}, which `nic53 serve` makes",
                    current.display()
                )))
            }
            Some(secrets::Source::File { current, .. })
                if *current == secret_path(&store.data) && settings.zones.to_string() != DEFAULT_ZONES =>
            {
                note(&format!(
                    "the tokens are of {}, the embedded store's own secret: those of another gateway need its NIC53_SECRET, NIC53_SECRET_FILE or NIC53_SECRET_ARN",
                    current.display()
                ));
                Ok(settings)
            }
            _ => Ok(settings),
        }
    }

    /// The settings of this store. Where they name no secret, the embedded store has one in its
    /// folder, or makes it there.
    pub(super) fn settings_of_server(&self, store: &StoreArgs) -> Result<Settings, Failure> {
        let mut settings = self.read(store)?;
        if settings.secret.is_none() {
            if store.store != StoreKind::Embedded {
                return Err(Failure(
                    "NIC53_SECRET is not set: expected it, NIC53_SECRET_FILE or NIC53_SECRET_ARN with --store route53"
                        .to_owned(),
                ));
            }
            settings.secret = Some(secrets::Source::File { current: secret_path(&store.data), previous: None });
        }
        Ok(settings)
    }

    /// Sets a variable, where it is not given.
    pub(super) fn or(&mut self, name: &'static str, value: &str) {
        let given = self.0.entry(name).or_default();
        if given.trim().is_empty() {
            value.clone_into(given);
        }
    }

    /// The settings as they are given; the embedded store has a zone where there is none.
    pub(super) fn read(&self, store: &StoreArgs) -> Result<Settings, Failure> {
        let embedded = store.store == StoreKind::Embedded;
        let default = |name: &str| (embedded && name == "NIC53_ZONES").then(|| DEFAULT_ZONES.to_owned());
        let given = |name: &str| self.0.get(name).filter(|value| !value.trim().is_empty()).cloned();
        Ok(Settings::read(|name| given(name).or_else(|| default(name)))?)
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
        Ok(Self(VARIABLES.iter().filter_map(|variable| Some((variable.name, value(variable)?))).collect()))
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

/// The flag of a variable: `NIC53_TTL_MIN` is `--ttl-min`.
fn arg(variable: &Variable) -> Arg {
    let flag = variable.name.trim_start_matches("NIC53_").to_ascii_lowercase().replace('_', "-");
    Arg::new(variable.name)
        .long(flag)
        .env(variable.name)
        .hide_env_values(true)
        .value_name(variable.example)
        .help(variable.help)
        .help_heading("Settings")
}

/// Says something that is not the command's answer.
#[expect(clippy::print_stderr, reason = "the person who typed the command reads it there")]
fn note(text: &str) {
    eprintln!("nic53: note: {text}");
}

/// Where the embedded store's own secret is.
fn secret_path(data: &Path) -> PathBuf {
    data.join("secret")
}

/// Makes the secret of the embedded store, where that is the one to be used and its folder has none,
/// and says whether it did. Only who has the store open may call this: two would make two secrets.
pub(super) fn make_secret(data: &Path, source: &secrets::Source) -> Result<bool, Failure> {
    let path = secret_path(data);
    if path.exists() || !matches!(source, secrets::Source::File { current, .. } if *current == path) {
        return Ok(false);
    }
    write_secret(&path).map_err(|error| {
        format!("{}: could not make the secret: {error}: expected a folder that nic53 may write", path.display())
    })?;
    Ok(true)
}

/// Writes a secret of 256 random bits, as 43 characters that only its owner may read.
fn write_secret(path: &Path) -> std::io::Result<()> {
    let mut random = Zeroizing::new([0; 32]);
    getrandom::fill(random.as_mut()).map_err(std::io::Error::other)?;
    let secret = Zeroizing::new(BASE64_URL_SAFE_NO_PAD.encode(random.as_ref()));
    write_atomically(path, secret.as_bytes())
}
