//! A gateway with secrets that the tests know.

use base64::prelude::{BASE64_STANDARD, Engine};
use http::{Request, header::AUTHORIZATION};
use nic53::{
    gateway::Gateway,
    protocol::{
        hostname::HostName,
        token::{Scope, Secret},
        zone::{Zone, Zones},
    },
    secrets::Provider,
    settings::Settings,
    store::Store,
};

use super::{
    captured,
    front_end::{FrontEnd, TRUSTED_PROXY},
};

/// The secret that tokens are minted under.
pub(crate) const SECRET: &str = "the-secret-of-the-protocol-tests-0123456789";
/// The secret before it.
const PREVIOUS_SECRET: &str = "the-previous-secret-of-the-protocol-tests-0";

/// A gateway with these settings, to be reached through that front end.
///
/// # Errors
///
/// The setting that makes no sense.
pub(crate) async fn gateway<S: Store>(
    front_end: FrontEnd,
    store: S,
    setting: impl Fn(&str) -> Option<String>,
) -> Result<Gateway<S>, String> {
    let settings = Settings::read(|name| match name {
        "NIC53_SECRET" => Some(SECRET.to_owned()),
        "NIC53_SECRET_PREVIOUS" => Some(PREVIOUS_SECRET.to_owned()),
        "NIC53_TRUSTED_PROXIES" if front_end == FrontEnd::Socket => {
            Some(format!("{},{TRUSTED_PROXY}", setting(name).unwrap_or_default()))
        }
        _ => setting(name),
    });
    let settings = settings.map_err(|error| error.to_string())?;
    let log = captured::log();
    captured::secret(SECRET);
    captured::secret(PREVIOUS_SECRET);
    let source = settings.secret.as_ref().ok_or("no secret")?;
    let secrets = Provider::read(source, None, log).await?;
    Ok(Gateway::new(settings, secrets, store, log))
}

/// The token of `host NAME` or `subtree NAME`, with `generation N`, `previous` and `zone ID` behind
/// it as they are wanted.
///
/// # Errors
///
/// What was expected.
pub(crate) fn token(wanted: &str, zones: &Zones) -> Result<String, String> {
    let mut words = wanted.split(' ');
    let scope = match words.next() {
        Some("host") => Scope::Host,
        Some("subtree") => Scope::Subtree,
        _ => return Err("expected host or subtree".to_owned()),
    };
    let name = words.next().ok_or("expected a name")?;
    let name: HostName = name.parse().map_err(|_| format!("`{name}`: expected a host name"))?;
    let (mut generation, mut secret, mut zone) = (0, SECRET, zones.holding(&name).cloned());
    while let Some(word) = words.next() {
        let mut value = || words.next().ok_or_else(|| format!("expected something behind {word}"));
        match word {
            "generation" => generation = value()?.parse().map_err(|_| "expected a number".to_owned())?,
            "previous" => secret = PREVIOUS_SECRET,
            "zone" => {
                let id = value()?;
                let configured = zones.iter().find(|zone| zone.id.as_str() == id).cloned();
                zone = configured.or_else(|| zone.map(|zone| Zone { id: id.parse().expect("an id"), ..zone }));
            }
            _ => return Err(format!("`{word}`: expected generation, previous or zone")),
        }
    }
    let zone = zone.ok_or("no zone holds it")?;
    Ok(Secret::new(secret)?.mint(scope, &name, &zone, generation).reveal().to_owned())
}

/// A request for an update with that query, from a router with that token.
pub(crate) fn update(query: &str, token: &str) -> Request<()> {
    let credentials = BASE64_STANDARD.encode(format!("router:{token}"));
    let request = Request::get(format!("/nic/update?{query}")).header(AUTHORIZATION, format!("Basic {credentials}"));
    request.body(()).expect("a request")
}
