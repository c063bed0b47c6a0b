//! Looking up the addresses that hosts have now, each once a round.

use std::{collections::HashMap, net::IpAddr};

use http::Uri;

use super::{
    addresses::HostAddresses,
    command,
    gateway_url::GatewayUrl,
    host::Host,
    http::Http,
    interface,
    sources::{AddressSource, AddressSources},
    state::ClientState,
};
use crate::protocol::address::{ByFamily, Family, is_publishable};

/// The result of looking up the addresses of a host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LookedUp {
    /// The addresses, or why there are none.
    pub found: Result<FoundAddresses, NoAddresses>,
    /// What was found of each family and where, for a person.
    pub steps: Vec<String>,
}

/// The addresses that were found for a host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoundAddresses {
    /// What to ask for.
    pub addresses: HostAddresses,
    /// Which family should be there too, and why it is not.
    pub missing: Option<String>,
}

/// Why a host has no address to ask for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NoAddresses {
    /// What went wrong.
    pub reason: String,
    /// Whether a gateway should have seen an address, and did not.
    pub at_gateway: bool,
}

/// Why a family has no address.
enum NoAddress {
    /// The gateway did not report one.
    AtGateway(String),
    /// An interface or a command of this machine failed.
    SourceFailed(String),
    /// An interface or a command has none.
    SourceEmpty(String),
}

impl NoAddress {
    /// What went wrong.
    fn reason(&self) -> &str {
        match self {
            Self::AtGateway(reason) | Self::SourceFailed(reason) | Self::SourceEmpty(reason) => reason,
        }
    }

    /// Whether that is normal on a line without this family, if the other one has an address.
    fn is_normal(&self, sources: &AddressSources) -> bool {
        match self {
            Self::AtGateway(_) => sources.are_unset(),
            Self::SourceFailed(_) => false,
            Self::SourceEmpty(_) => true,
        }
    }

    /// Why this family has no address, if the other has none either. What a gateway did not see is
    /// named by family, as each is asked for on a connection of its own.
    fn explain(&self, family: Family) -> String {
        match self {
            Self::AtGateway(reason) => format!("{}: {reason}", family.name()),
            Self::SourceFailed(reason) | Self::SourceEmpty(reason) => reason.clone(),
        }
    }
}

/// The addresses that were looked up in this round.
pub struct Lookups<'a> {
    /// Asks the gateways.
    http: &'a Http,
    /// Whether to ask a gateway again that was asked a moment ago.
    force: bool,
    /// What interfaces and commands reported.
    local: HashMap<AddressSource, Result<Vec<IpAddr>, String>>,
    /// What gateways saw, or why they did not.
    seen: HashMap<(String, Family), Result<IpAddr, String>>,
}

impl<'a> Lookups<'a> {
    /// None so far.
    pub fn new(http: &'a Http, force: bool) -> Self {
        Self { http, force, local: HashMap::new(), seen: HashMap::new() }
    }

    /// The addresses of a host now. A family without an address never blocks the other: a line
    /// without IPv6 is normal, and what failed is reported next to what was found.
    pub async fn addresses(&mut self, host: &Host, state: &mut ClientState, now: u64) -> LookedUp {
        let found = ByFamily {
            v4: self.of_family(host, Family::V4, state, now).await,
            v6: self.of_family(host, Family::V6, state, now).await,
        };
        let steps = Family::BOTH.into_iter().map(|family| step(host, family, &found[family])).collect();
        let mut addresses = HostAddresses::default();
        let mut failed: Vec<(Family, NoAddress)> = Vec::new();
        for (family, found) in Family::BOTH.into_iter().zip(found) {
            match found {
                Ok(found) => addresses.set(family, found),
                Err(why) => failed.push((family, why)),
            }
        }
        if addresses == HostAddresses::default() {
            return LookedUp { found: Err(none_of_both(&failed)), steps };
        }
        let missing = failed.iter().find(|(_, why)| !why.is_normal(&host.sources));
        let missing = missing.map(|(family, why)| format!("{} failed: {}", family.name(), why.reason()));
        LookedUp { found: Ok(FoundAddresses { addresses, missing }), steps }
    }

    /// The addresses of one family of a host; empty if it is left alone.
    async fn of_family(
        &mut self,
        host: &Host,
        family: Family,
        state: &mut ClientState,
        now: u64,
    ) -> Result<Vec<String>, NoAddress> {
        let source = host.sources.of_family(family);
        match source {
            AddressSource::LeftAlone => Ok(Vec::new()),
            AddressSource::Given(given) => Ok(given.clone()),
            AddressSource::Auto => {
                let seen = self.seen(&host.url, family, state, now).await;
                seen.map(|address| vec![address.to_string()]).map_err(NoAddress::AtGateway)
            }
            AddressSource::Interface(_) | AddressSource::Command(_) => {
                let found = self.local(source).await.map_err(NoAddress::SourceFailed)?;
                let of_family = found.iter().filter(|address| Family::of(**address) == family);
                let of_family: Vec<String> = of_family.map(IpAddr::to_string).collect();
                if !of_family.is_empty() {
                    return Ok(of_family);
                }
                let family = if found.is_empty() { None } else { Some(family) };
                Err(NoAddress::SourceEmpty(source_is_empty(source, family)))
            }
        }
    }

    /// The addresses that an interface has or a command prints.
    async fn local(&mut self, source: &AddressSource) -> Result<Vec<IpAddr>, String> {
        if let Some(found) = self.local.get(source) {
            return found.clone();
        }
        let found = match source {
            AddressSource::Interface(interface) => interface::addresses(interface),
            AddressSource::Command(command) => command::addresses(command).await,
            AddressSource::LeftAlone | AddressSource::Given(_) | AddressSource::Auto => Ok(Vec::new()),
        };
        self.local.insert(source.clone(), found.clone());
        found
    }

    /// The address of this family that a gateway sees this machine at.
    ///
    /// Each family asks for its address on a connection of its own, and one update then carries
    /// both. Two updates, each over its own family, would set the same addresses, but one after the
    /// other: between them, and for good if the second fails, a host with both families would be
    /// half moved. And an address that is known need not be sent again while it stays the same.
    async fn seen(
        &mut self,
        gateway: &GatewayUrl,
        family: Family,
        state: &mut ClientState,
        now: u64,
    ) -> Result<IpAddr, String> {
        let key = (gateway.to_string(), family);
        if let Some(seen) = self.seen.get(&key) {
            return seen.clone();
        }
        // Dyn's policy: checkip at most once in ten minutes.
        let recent = state.seen(gateway, family, now).filter(|_| !self.force);
        let seen = match recent {
            Some(address) => Ok(address),
            None => self.ask(gateway, family).await,
        };
        if let (Ok(address), None) = (&seen, recent) {
            state.saw(gateway, *address, now);
        }
        self.seen.insert(key, seen.clone());
        seen
    }

    /// Asks a gateway for the address that it sees.
    async fn ask(&self, gateway: &GatewayUrl, family: Family) -> Result<IpAddr, String> {
        let checkip = format!("{gateway}/checkip");
        let url: Uri = checkip.parse().map_err(|error| format!("{checkip}: {error}"))?;
        let reply = self.http.get(&url, None, Some(family)).await?;
        let address = seen_address(&reply.body).filter(|_| reply.status == 200);
        let address = address.ok_or_else(|| format!("{checkip} answers {}: expected our address", reply.summary()))?;
        if Family::of(address) != family {
            return Err(format!("{checkip} sees {address}: something in between changes the family"));
        }
        if !is_publishable(address, true) {
            let expected = "expected --ipv4, --ipv6, --interface or --command";
            return Err(format!("{checkip} sees {address}, which cannot be published in DNS: {expected}"));
        }
        Ok(address)
    }
}

/// What was found of a family, and where.
fn step(host: &Host, family: Family, found: &Result<Vec<String>, NoAddress>) -> String {
    let source = match host.sources.of_family(family) {
        AddressSource::LeftAlone => return format!("{}: left alone", family.name()),
        AddressSource::Given(_) => "as configured".to_owned(),
        AddressSource::Auto => format!("as {} sees it", host.url),
        AddressSource::Interface(interface) => format!("of the interface {interface}"),
        AddressSource::Command(command) => format!("printed by `{command}`"),
    };
    match found {
        Ok(addresses) => format!("{}: {}, {source}", family.name(), addresses.join(",")),
        Err(why) => format!("{}: none: {}", family.name(), why.reason()),
    }
}

/// Why a host has no address at all.
fn none_of_both(failed: &[(Family, NoAddress)]) -> NoAddresses {
    let at_gateway = failed.iter().any(|(_, why)| matches!(why, NoAddress::AtGateway(_)));
    let mut reasons: Vec<String> = failed.iter().map(|(family, why)| why.explain(*family)).collect();
    reasons.dedup();
    NoAddresses { reason: reasons.join("; "), at_gateway }
}

/// The address in a reply of checkip: Dyn's page, or the address alone.
fn seen_address(body: &str) -> Option<IpAddr> {
    let (_, rest) = body.split_once("Current IP Address:").unwrap_or(("", body));
    let address = rest.split('<').next().unwrap_or(rest);
    address.trim().parse::<IpAddr>().ok().map(|address| address.to_canonical())
}

/// The message that an interface or a command has no address, of this family or at all.
fn source_is_empty(source: &AddressSource, family: Option<Family>) -> String {
    let address = family.map_or_else(|| "address".to_owned(), |family| format!("{} address", family.name()));
    match source {
        AddressSource::Interface(interface) => {
            let expected = "expected one, or --ipv4 auto behind NAT";
            format!("the interface {interface} has no lasting global {address}: {expected}")
        }
        AddressSource::Command(command) => {
            format!("`{command}` prints no {address}: expected one that can be published in DNS")
        }
        AddressSource::LeftAlone | AddressSource::Given(_) | AddressSource::Auto => format!("no {address}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checkip_is_read_as_a_page_or_plain() {
        for (body, address) in [
            ("203.0.113.9", Some("203.0.113.9")),
            ("2001:db8::7\n", Some("2001:db8::7")),
            ("<html><body>Current IP Address: 203.0.113.9</body></html>\r\n", Some("203.0.113.9")),
            ("Current IP Address: 2001:db8::7", Some("2001:db8::7")),
            ("::ffff:203.0.113.9", Some("203.0.113.9")),
            ("<html>203.0.113.9</html>", None),
            ("911", None),
            ("", None),
        ] {
            assert_eq!(seen_address(body).map(|address| address.to_string()).as_deref(), address, "{body}");
        }
    }
}
