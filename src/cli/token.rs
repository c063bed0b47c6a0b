//! `nic53 token`: prints a host's token.

use clap::Args;

use super::{
    Failure,
    settings::{SettingArgs, StoreArgs},
};
use crate::{
    hostname::HostName,
    log::{Format, Log},
    secrets::Keeper,
    token::Scope,
};

/// Print the token of a host
///
/// The settings must be those of the gateway: its zones, its secret, its generations.
#[derive(Args)]
#[command(after_help = "Examples:\n  nic53 token router.home.example\n  nic53 token --subtree home.example.org")]
pub(super) struct Token {
    /// The host that the token may move
    host: String,
    /// Cover the name and everything below it in its zone
    #[arg(long)]
    subtree: bool,
    /// Mint this generation instead of the configured one
    #[arg(long, value_name = "N")]
    generation: Option<u32>,
    /// Mint under the previous secret
    #[arg(long)]
    previous: bool,
    /// Which store.
    #[command(flatten)]
    store: StoreArgs,
    /// The gateway's settings.
    #[command(flatten)]
    settings: SettingArgs,
}

impl Token {
    /// Prints the token, alone on a line.
    #[expect(clippy::print_stdout, reason = "the token is the command's answer")]
    pub(super) async fn run(self) -> Result<(), Failure> {
        let (settings, _) = self.settings.settings(&self.store, false)?;
        let host: HostName = self
            .host
            .parse()
            .map_err(|_| format!("`{}`: expected a fully qualified host name, such as home.example.org", self.host))?;
        let zone = settings
            .zones
            .holding(&host)
            .ok_or_else(|| format!("`{host}`: expected a host in one of the zones: {}", settings.zones))?;
        if self.subtree && host.is_wildcard() {
            return Err(Failure(format!("`{host}`: expected a name without `*`, whose subtree has all below it")));
        }
        let source = settings.secret.as_ref().ok_or_else(|| "there is no secret".to_owned())?;
        let secrets = Keeper::read(source, None, Log { level: settings.log, format: Format::Text }).await?;
        let secrets = secrets.current().await;
        let secret = if self.previous {
            secrets
                .previous
                .as_ref()
                .ok_or_else(|| "--previous: expected a previous secret in the settings".to_owned())?
        } else {
            &secrets.current
        };
        let scope = if self.subtree { Scope::Subtree } else { Scope::Host };
        let generation = self.generation.or(settings.generations.get(&host).copied()).unwrap_or(0);
        println!("{}", secret.mint(scope, &host, zone, generation).reveal());
        Ok(())
    }
}
