//! `nic53 export`: prints the embedded store as a zone file.

use std::io;

use clap::Args;

use super::{
    Failure,
    settings::{SettingArgs, StoreArgs},
};
use crate::{hostname::HostName, zone_file};

/// Print the embedded store as a zone file (RFC 1035), also while it is served
#[derive(Args)]
#[command(after_help = "Examples:\n  nic53 export\n  nic53 export home.example > home.example.zone")]
pub(super) struct Export {
    /// One zone instead of all
    zone: Option<String>,
    /// Which store.
    #[command(flatten)]
    store: StoreArgs,
    /// The gateway's settings.
    #[command(flatten)]
    settings: SettingArgs,
}

impl Export {
    /// Prints the zones.
    pub(super) fn run(self) -> Result<(), Failure> {
        let zones = self.settings.read(&self.store)?.zones;
        let zone: Option<HostName> = match &self.zone {
            Some(name) => {
                let parsed = name.parse().ok().filter(|name| zones.iter().any(|zone| zone.name == *name));
                Some(parsed.ok_or_else(|| format!("`{name}`: expected one of the zones: {zones}"))?)
            }
            None => None,
        };
        zone_file::export(&self.store.data, zones, zone.as_ref(), &mut io::stdout().lock())
            .map_err(|error| Failure(error.to_string()))
    }
}
