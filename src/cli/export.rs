//! `nic53 export`: prints the embedded store as a zone file.

use std::{io, path::PathBuf};

use clap::Args;

use super::settings::DEFAULT_ZONES;
use crate::{
    dns::{NameServer, export},
    problem::Problem,
    protocol::{hostname::HostName, zone::Zones},
};

/// Print the embedded store as a zone file (RFC 1035), even while it is being served
#[derive(Args)]
#[command(after_help = "Examples:\n  nic53 export\n  nic53 export home.example > home.example.zone")]
pub(super) struct Export {
    /// The zone to print instead of all
    zone: Option<String>,
    /// The folder of the embedded store
    #[arg(long, env = "NIC53_DATA", value_name = "DIR", default_value = "./nic53-data")]
    data: PathBuf,
    /// The zones of the embedded store
    #[arg(long, env = "NIC53_ZONES", value_name = "example.org=EMBEDDED,…", default_value = DEFAULT_ZONES)]
    zones: String,
    /// The name server of the zones, with its addresses if it lies in one of them; without it ns.ZONE
    #[arg(long, env = "NIC53_NAME_SERVER", value_name = "NAME=ADDRESS,…")]
    name_server: Option<NameServer>,
}

impl Export {
    /// Prints the zones.
    pub(super) fn run(self) -> Result<(), Problem> {
        let zones = Zones::parse(&self.zones).map_err(|problem| {
            let zones = if self.zones.is_empty() { "``" } else { &self.zones };
            format!("--zones {zones}: {problem}")
        })?;
        let zone: Option<HostName> = match &self.zone {
            Some(name) => {
                let parsed = name.parse().ok().filter(|name| zones.iter().any(|zone| zone.name == *name));
                Some(parsed.ok_or_else(|| format!("`{name}`: expected one of the zones: {zones}"))?)
            }
            None => None,
        };
        export::export(
            &self.data,
            zones,
            &self.name_server.unwrap_or_default(),
            zone.as_ref(),
            &mut io::stdout().lock(),
        )
    }
}
