//! `nic53 update`: moves hosts to where they are now.

mod output;
mod time_arg;

use std::{
    env,
    path::{Path, PathBuf},
    process::ExitCode,
    time::{SystemTime, UNIX_EPOCH},
};

use clap::Args;

use self::{output::Output, time_arg::TimeArg};
use super::token_arg::{GivenToken, TokenArgs};
use crate::{
    client::{
        config::{Config, ConfigError, open_to_others},
        gateway_url::host,
        host::Host,
        http::Http,
        outcome::{ExitStatus, HostOutcome},
        round::{Rules, round},
        settings::{HostSettings, Setting},
        state::ClientState,
        state_file::{self, StateFile},
    },
    problem::Problem,
    protocol::hostname::HostName,
};

/// Move hosts to where they are now: the client of a gateway
///
/// Without a host, all hosts of the configuration file are updated. That is --config, or else the
/// first that exists of $XDG_CONFIG_HOME/nic53/nic53.conf, /etc/dyndns.conf and
/// /usr/local/etc/dyndns.conf.
///
/// Keep the token in that file, in --token-file or in $NIC53_TOKEN, or give it on standard input
/// (--token -). Everyone on this machine can read the command line.
///
/// Exit codes: 0 all is well; 1 a host was refused, and stays so until something is changed; 2 a
/// mistake in the flags or the file; 75 it failed for now and is worth another try.
#[derive(Args)]
#[command(after_help = EXAMPLES)]
#[expect(clippy::doc_markdown, reason = "clap shows it to a person as it stands")]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag")]
pub(super) struct UpdateCommand {
    /// The hosts to move
    #[arg(value_name = "FQDN", value_parser = host, value_hint = clap::ValueHint::Other)]
    hosts: Vec<HostName>,
    /// The configuration file
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The gateway's URL
    #[arg(long, value_name = "URL", value_hint = clap::ValueHint::Url)]
    url: Option<String>,
    /// The token, if the configuration file has none.
    #[command(flatten)]
    token: TokenArgs,
    /// The id of the hosted zone that must hold the hosts
    #[arg(long, value_name = "ID")]
    zoneid: Option<String>,
    /// The TTL to ask for
    #[arg(long, value_name = "SECONDS")]
    ttl: Option<String>,
    /// The IPv4 addresses; `auto` is the one that the gateway sees, `no` leaves them alone, `offline` removes the record
    #[arg(long, value_name = "ADDR,…|auto|no|offline", help_heading = "Addresses (neither given: auto)")]
    ipv4: Option<String>,
    /// The IPv6 addresses, or a prefix for those that are there; `auto`, `no`, `offline`
    #[arg(long, value_name = "ADDR,…|auto|no|offline", help_heading = "Addresses (neither given: auto)")]
    ipv6: Option<String>,
    /// Use the lasting global addresses of this interface for a family without its own flag
    #[arg(long, value_name = "NAME", conflicts_with = "command", help_heading = "Addresses (neither given: auto)")]
    interface: Option<String>,
    /// Use the addresses that this shell command prints for a family without its own flag
    #[arg(long, value_name = "COMMAND", help_heading = "Addresses (neither given: auto)")]
    command: Option<String>,
    /// Ask again after this time although nothing changed
    #[arg(long, value_name = "TIME", default_value = "1d")]
    max_age: TimeArg,
    /// Ask now, whatever is remembered
    #[arg(long)]
    force: bool,
    /// Go on with a round each time; later rounds print as with --quiet
    #[arg(long, value_name = "TIME")]
    every: Option<TimeArg>,
    /// Print only changes, and trouble when it begins, changes or ends; for cron
    #[arg(long, short)]
    quiet: bool,
    /// Print each step too: which addresses were found, what was asked and answered
    #[arg(long, short, conflicts_with = "quiet")]
    verbose: bool,
    /// Print one JSON object for each host, one a line
    #[arg(long)]
    json: bool,
    /// Print what would be asked, and change nothing
    #[arg(long)]
    dry_run: bool,
    /// Trust the certificates in this PEM file instead of the system's
    #[arg(long, value_name = "FILE")]
    cacert: Option<PathBuf>,
}

/// Shown below the flags.
const EXAMPLES: &str = "Examples:
  nic53 update
  nic53 update home.example.org --url https://gateway.example.org --token-file token
  nic53 update --interface eth0 --ipv4 auto
  nic53 update --command 'ssh router show-address' --dry-run
  nic53 update --every 5m
  nic53 update --quiet";

impl UpdateCommand {
    /// One round, or one after the other until the process is ended.
    pub(super) async fn run(self) -> Result<ExitCode, Problem> {
        let mut token = self.token()?;
        let status = self.round(&token, self.quiet).await?;
        let Some(every) = self.every else { return Ok(ExitCode::from(status.exit_code())) };
        loop {
            tokio::time::sleep(every.jittered()).await;
            // A file that is being edited will be whole in the next round.
            if let Err(problem) = self.next_round(&mut token).await {
                self.output().warn(&problem.to_string());
            }
        }
    }

    /// A round with the token as it is now: it may have been replaced.
    async fn next_round(&self, token: &mut TokenSetting) -> Result<ExitStatus, Problem> {
        if token.again {
            *token = self.token()?;
        }
        self.round(token, !self.verbose).await
    }

    /// Reads the configuration, updates the hosts that need it, and prints the outcomes.
    async fn round(&self, token: &TokenSetting, quiet: bool) -> Result<ExitStatus, Problem> {
        let (hosts, mut warnings) = self.hosts(token)?;
        let http = Http::new(self.cacert.as_deref())?;
        let (mut state, file) = self.state(&mut warnings);
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let outcomes = round(&hosts, &mut state, &http, self.rules(), now).await;
        if let Some(file) = file {
            or_warn(file.write(&state), &mut warnings);
        }
        self.output().print(&outcomes, &warnings, quiet);
        Ok(outcomes.iter().map(HostOutcome::exit_status).max().unwrap_or_default())
    }

    /// What is remembered, and the file to keep it in. A dry run keeps nothing.
    fn state(&self, warnings: &mut Vec<String>) -> (ClientState, Option<StateFile>) {
        let folder = state_file::folder();
        if self.dry_run {
            let state = or_warn(folder.and_then(|folder| state_file::peek(&folder)), warnings);
            return (state.unwrap_or_default(), None);
        }
        let file = or_warn(folder.and_then(|folder| StateFile::take(&folder)), warnings);
        let state = file.as_ref().and_then(|file| or_warn(file.read(), warnings));
        (state.unwrap_or_default(), file)
    }

    /// What a round may do.
    fn rules(&self) -> Rules {
        Rules {
            force: self.force,
            dry_run: self.dry_run,
            max_age: self.max_age.0.as_secs(),
            remember_reports: self.quiet || self.every.is_some(),
        }
    }

    /// How outcomes are printed.
    fn output(&self) -> Output {
        Output { json: self.json, steps: self.verbose, times: self.every.is_some() }
    }

    /// The hosts to update, and warnings.
    fn hosts(&self, token: &TokenSetting) -> Result<(Vec<Host>, Vec<String>), Problem> {
        let flags = self.settings(token);
        let enough = !self.hosts.is_empty() && flags.url.is_some() && flags.token.is_some();
        let config = match self.config_file() {
            Some(path) => match Config::read(&path) {
                // The machine's own file may not be for this user.
                Err(ConfigError::Unreadable(..)) if enough && self.config.is_none() => Config::default(),
                read => read.map_err(|error| error.to_string())?,
            },
            None => Config::default(),
        };
        let mut names: Vec<HostName> = self.hosts.clone();
        if names.is_empty() {
            names = config.names().cloned().collect();
        }
        if names.is_empty() {
            return Err(Problem(format!(
                "no host: expected one as an argument, or sections in {}",
                self.config_files()
            )));
        }
        let mut hosts: Vec<Host> = Vec::new();
        for name in names {
            if !hosts.iter().any(|host| host.name == name) {
                hosts.push(flags.clone().or(&config.settings(&name)).host(name)?);
            }
        }
        let warnings = config.warnings.iter().chain(&token.warning).cloned().collect();
        Ok((hosts, warnings))
    }

    /// The settings for all hosts that the flags give.
    fn settings(&self, token: &TokenSetting) -> HostSettings {
        let setting = |text: &Option<String>, flag: &str| text.as_ref().map(|text| Setting::new(text, flag));
        HostSettings {
            url: setting(&self.url, "--url"),
            token: token.setting.clone(),
            zone_id: setting(&self.zoneid, "--zoneid"),
            ttl: setting(&self.ttl, "--ttl"),
            ipv4: setting(&self.ipv4, "--ipv4"),
            ipv6: setting(&self.ipv6, "--ipv6"),
            interface: setting(&self.interface, "--interface"),
            command: setting(&self.command, "--command"),
        }
    }

    /// The token outside the configuration file.
    fn token(&self) -> Result<TokenSetting, Problem> {
        let Some(GivenToken { text, place, file }) = self.token.read()? else { return Ok(TokenSetting::default()) };
        let again = file.as_deref().is_some_and(Path::is_file);
        Ok(TokenSetting {
            setting: Some(Setting { text, origin: place }),
            warning: file.as_deref().and_then(open_to_others),
            again,
        })
    }

    /// The configuration file to read, if there is one.
    fn config_file(&self) -> Option<PathBuf> {
        self.config.clone().or_else(|| config_files().into_iter().find(|path| path.exists()))
    }

    /// The configuration files that count, for a message.
    fn config_files(&self) -> String {
        let files = self.config.clone().map_or_else(config_files, |config| vec![config]);
        files.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(" or ")
    }
}

/// The token of the flags or the environment.
#[derive(Default)]
struct TokenSetting {
    /// The token, if there is one.
    setting: Option<Setting>,
    /// What should be corrected about where it is.
    warning: Option<String>,
    /// Whether it can be read again: standard input and pipes can be read only once.
    again: bool,
}

/// Where a configuration file may be.
fn config_files() -> Vec<PathBuf> {
    let absolute = |name: &str| env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let own = absolute("XDG_CONFIG_HOME").or_else(|| Some(absolute("HOME")?.join(".config")));
    let own = own.map(|folder| folder.join("nic53/nic53.conf"));
    own.into_iter().chain(["/etc/dyndns.conf", "/usr/local/etc/dyndns.conf"].map(PathBuf::from)).collect()
}

/// The value, or else a warning.
fn or_warn<T>(result: Result<T, String>, warnings: &mut Vec<String>) -> Option<T> {
    result.map_err(|problem| warnings.push(problem)).ok()
}
