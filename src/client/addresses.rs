//! Which addresses a host is to have, and where they come from.

use std::{collections::HashMap, net::IpAddr};

use http::Uri;
use serde::{Deserialize, Serialize};

use super::{
    command,
    config::{Host, Said, Wording},
    http::Http,
    interface,
    state::State,
};
use crate::protocol::{
    address::{Family, is_publishable},
    element::Element,
};

/// Where the addresses of a host come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sources {
    /// Those of IPv4.
    v4: Source,
    /// Those of IPv6.
    v6: Source,
    /// Whether nobody said anything, so that a family that the gateway does not see is none that
    /// this line is meant to have.
    unsaid: bool,
}

/// Where the addresses of one family come from.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Source {
    /// From nowhere: the family is not touched.
    LeftAlone,
    /// They are these, or a prefix to move under, as the request has them.
    Given(Vec<String>),
    /// The gateway sees one.
    Auto,
    /// An interface has them.
    Interface(String),
    /// A command prints them.
    Command(String),
}

impl Sources {
    /// What is said of a host's addresses.
    ///
    /// # Errors
    ///
    /// What makes no sense, and what was expected.
    pub fn of(wording: &Wording) -> Result<Self, String> {
        let given = |said: &Option<Said>, family| {
            said.as_ref().map(|said| said.parse(|text| parse_source(text, family))).transpose()
        };
        let v4 = given(&wording.ipv4, Family::V4)?;
        let v6 = given(&wording.ipv6, Family::V6)?;
        let silent = [&v4, &v6].iter().all(|source| matches!(source, None | Some(Source::LeftAlone)));
        let unsaid =
            [&wording.ipv4, &wording.ipv6, &wording.interface, &wording.command].iter().all(|said| said.is_none());
        let otherwise = match (&wording.interface, &wording.command) {
            (Some(interface), Some(command)) => {
                return Err(format!("{} and {}: expected one of the two", interface.place, command.place));
            }
            (Some(interface), None) => Source::Interface(interface.text.trim().to_owned()),
            (None, Some(command)) => Source::Command(command.text.trim().to_owned()),
            (None, None) if silent => Source::Auto,
            (None, None) => Source::LeftAlone,
        };
        let sources = Self { v4: v4.unwrap_or_else(|| otherwise.clone()), v6: v6.unwrap_or(otherwise), unsaid };
        if Family::BOTH.iter().all(|family| *sources.of_family(*family) == Source::LeftAlone) {
            return Err("both families are left alone: expected an address of one, or auto".to_owned());
        }
        Ok(sources)
    }

    /// The source of a family.
    fn of_family(&self, family: Family) -> &Source {
        match family {
            Family::V4 => &self.v4,
            Family::V6 => &self.v6,
        }
    }
}

/// The word of a family: `auto`, `no`, or what is to be set.
fn parse_source(text: &str, family: Family) -> Result<Source, String> {
    let expected = || {
        let prefix = if family == Family::V6 { ", a prefix" } else { "" };
        format!("expected {} addresses with commas between{prefix}, auto or no", name(family))
    };
    if text.eq_ignore_ascii_case("auto") {
        return Ok(Source::Auto);
    }
    if Element::parse(text) == Element::Preserve {
        return Ok(Source::LeftAlone);
    }
    let mut given = Vec::new();
    for element in text.split(',').map(str::trim) {
        let canonical = match Element::parse(element).of_family(family) {
            Element::Address(address) if is_publishable(address, true) => address.to_string(),
            Element::Address(address) => return Err(format!("{address} can stand in no DNS: {}", expected())),
            Element::Prefix(_) => element.to_ascii_lowercase(),
            Element::Preserve | Element::Ignored => return Err(expected()),
        };
        if !given.contains(&canonical) {
            given.push(canonical);
        }
    }
    Ok(Source::Given(given))
}

/// The addresses that a request asks for, as it has them. A family with none is left alone.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Addresses {
    /// Of IPv4.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    v4: Vec<String>,
    /// Of IPv6; it may be a prefix.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    v6: Vec<String>,
}

impl Addresses {
    /// Those of a family.
    pub fn of_family(&self, family: Family) -> &[String] {
        match family {
            Family::V4 => &self.v4,
            Family::V6 => &self.v6,
        }
    }

    /// All of them, IPv4 first.
    pub fn iter(&self) -> impl Iterator<Item = &String> {
        self.v4.iter().chain(&self.v6)
    }

    /// Whether a host that has these has the asked ones, so that nothing would change.
    pub fn hold(&self, asked: &Self) -> bool {
        Family::BOTH.iter().all(|family| {
            let asked = asked.of_family(*family);
            asked.is_empty() || asked == self.of_family(*family)
        })
    }

    /// Takes the families over that the other has.
    pub fn take(&mut self, other: &Self) {
        for family in Family::BOTH {
            if !other.of_family(family).is_empty() {
                self.set(family, other.of_family(family).to_vec());
            }
        }
    }

    /// Sets the families that were asked for to what was answered, none included.
    pub fn answer(&mut self, asked: &Self, answered: &[IpAddr]) {
        for family in Family::BOTH {
            if !asked.of_family(family).is_empty() {
                let of_family = answered.iter().filter(|address| Family::of(**address) == family);
                self.set(family, of_family.map(IpAddr::to_string).collect());
            }
        }
    }

    /// The families that were asked for.
    pub fn only(&self, asked: &Self) -> Self {
        let mut only = Self::default();
        for family in Family::BOTH {
            if !asked.of_family(family).is_empty() {
                only.set(family, self.of_family(family).to_vec());
            }
        }
        only
    }

    /// The asked ones that are not among these, which a gateway may not publish. A prefix is none: it
    /// is answered with what was moved under it, if there was anything.
    pub fn passed_over(&self, asked: &Self) -> Vec<String> {
        let held: Vec<&String> = self.iter().collect();
        asked.iter().filter(|address| !address.contains('/') && !held.contains(address)).cloned().collect()
    }

    /// Sets a family.
    fn set(&mut self, family: Family, addresses: Vec<String>) {
        match family {
            Family::V4 => self.v4 = addresses,
            Family::V6 => self.v6 = addresses,
        }
    }
}

/// What was found for a host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// What to ask for.
    pub addresses: Addresses,
    /// Which family was to be there too and why it is not.
    pub lacking: Option<String>,
}

/// Why a host has no address to ask for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Missing {
    /// What went wrong.
    pub reason: String,
    /// Whether a gateway was to tell, and did not.
    pub at_gateway: bool,
}

/// Why a family has no address.
enum Lack {
    /// The gateway was to tell, and did not.
    AtGateway(String),
    /// An interface or a command of this machine was to tell, and did not.
    Here(String),
    /// An interface or a command told, and it has none.
    Nothing(String),
}

impl Lack {
    /// What went wrong.
    fn reason(&self) -> &str {
        match self {
            Self::AtGateway(reason) | Self::Here(reason) | Self::Nothing(reason) => reason,
        }
    }

    /// Whether this is how a line without this family is, where the other one has an address.
    fn is_usual(&self, sources: &Sources) -> bool {
        match self {
            Self::AtGateway(_) => sources.unsaid,
            Self::Here(_) => false,
            Self::Nothing(_) => true,
        }
    }
}

/// Addresses that were looked up in this round, each once.
pub struct Lookups<'a> {
    /// Asks the gateways.
    http: &'a Http,
    /// Whether what a gateway saw a moment ago does not count.
    force: bool,
    /// What interfaces and commands said.
    here: HashMap<Source, Result<Vec<IpAddr>, String>>,
    /// What gateways saw, or why not.
    seen: HashMap<(Uri, Family), Result<IpAddr, String>>,
}

impl<'a> Lookups<'a> {
    /// None so far.
    pub fn new(http: &'a Http, force: bool) -> Self {
        Self { http, force, here: HashMap::new(), seen: HashMap::new() }
    }

    /// The addresses of a host now. A family that has none keeps the other one back in no case: a
    /// line without IPv6 is as it is meant to be, and what failed is told beside what was found.
    ///
    /// # Errors
    ///
    /// Why there are none of either family.
    pub async fn addresses(&mut self, host: &Host, state: &mut State, now: u64) -> Result<Found, Missing> {
        let mut addresses = Addresses::default();
        let mut lacks: Vec<(Family, Lack)> = Vec::new();
        for family in Family::BOTH {
            match self.of_family(host, family, state, now).await {
                Ok(found) => addresses.set(family, found),
                Err(lack) => lacks.push((family, lack)),
            }
        }
        if addresses != Addresses::default() {
            let failed = lacks.iter().find(|(_, lack)| !lack.is_usual(&host.sources));
            let lacking = failed.map(|(family, lack)| format!("{} failed: {}", name(*family), lack.reason()));
            return Ok(Found { addresses, lacking });
        }
        let at_gateway = lacks.iter().any(|(_, lack)| matches!(lack, Lack::AtGateway(_)));
        let mut reasons: Vec<String> = lacks.iter().map(|(family, lack)| told(*family, lack)).collect();
        reasons.dedup();
        Err(Missing { reason: reasons.join("; "), at_gateway })
    }

    /// The addresses of one family of a host; none where it is left alone.
    async fn of_family(
        &mut self,
        host: &Host,
        family: Family,
        state: &mut State,
        now: u64,
    ) -> Result<Vec<String>, Lack> {
        let source = host.sources.of_family(family);
        match source {
            Source::LeftAlone => Ok(Vec::new()),
            Source::Given(given) => Ok(given.clone()),
            Source::Auto => {
                let seen = self.seen(&host.url, family, state, now).await;
                seen.map(|address| vec![address.to_string()]).map_err(Lack::AtGateway)
            }
            Source::Interface(_) | Source::Command(_) => {
                let found = self.here(source).await.map_err(Lack::Here)?;
                let of_family = found.iter().filter(|address| Family::of(**address) == family);
                let of_family: Vec<String> = of_family.map(IpAddr::to_string).collect();
                if !of_family.is_empty() {
                    return Ok(of_family);
                }
                let family = if found.is_empty() { None } else { Some(name(family)) };
                Err(Lack::Nothing(nothing(source, family)))
            }
        }
    }

    /// What an interface or a command says.
    async fn here(&mut self, source: &Source) -> Result<Vec<IpAddr>, String> {
        if let Some(found) = self.here.get(source) {
            return found.clone();
        }
        let found = match source {
            Source::Interface(interface) => interface::addresses(interface),
            Source::Command(command) => command::addresses(command).await,
            Source::LeftAlone | Source::Given(_) | Source::Auto => Ok(Vec::new()),
        };
        self.here.insert(source.clone(), found.clone());
        found
    }

    /// The address of this family that a gateway sees us at.
    ///
    /// Each family asks on a connection of its own, but only what its address is; one update then
    /// carries both. Two updates, each over its family, would set the same addresses, but one after
    /// the other: in between, and for good where the second fails, a host of both families would be
    /// half moved. And an address that we know need not be sent again while it stays the same.
    async fn seen(&mut self, url: &Uri, family: Family, state: &mut State, now: u64) -> Result<IpAddr, String> {
        let key = (url.clone(), family);
        if let Some(seen) = self.seen.get(&key) {
            return seen.clone();
        }
        // Dyn's policy: checkip at most once in ten minutes.
        let recent = state.seen(url, family, now).filter(|_| !self.force);
        let seen = match recent {
            Some(address) => Ok(address),
            None => self.ask(url, family).await,
        };
        if let (Ok(address), None) = (&seen, recent) {
            state.saw(url, *address, now);
        }
        self.seen.insert(key, seen.clone());
        seen
    }

    /// Asks a gateway for the address that it sees.
    async fn ask(&self, url: &Uri, family: Family) -> Result<IpAddr, String> {
        let checkip = checkip(url)?;
        let reply = self.http.get(&checkip, None, Some(family)).await?;
        let address = seen_address(&reply.body).filter(|_| reply.status == 200);
        let address = address.ok_or_else(|| format!("{checkip} answers {}: expected our address", reply.seen()))?;
        if Family::of(address) != family {
            return Err(format!("{checkip} sees {address}: something in between changes the family"));
        }
        if !is_publishable(address, true) {
            let expected = "expected --ipv4, --ipv6, --interface or --command";
            return Err(format!("{checkip} sees {address}, which can stand in no DNS: {expected}"));
        }
        Ok(address)
    }
}

/// The URL beside an update URL that tells the caller's address.
fn checkip(url: &Uri) -> Result<Uri, String> {
    let path = url.path().trim_end_matches('/');
    // The base that /nic/checkip and the like stand on; longest first.
    let known = [("/nic/update", "/nic"), ("/v2/update", ""), ("/v3/update", ""), ("/update", "")];
    let stripped = known.iter().find_map(|(update, base)| Some((path.strip_suffix(update)?, *base)));
    let (before, base) = stripped.unwrap_or((path, ""));
    let path = format!("{before}{base}/checkip");
    let mut parts = url.clone().into_parts();
    parts.path_and_query = Some(path.parse().map_err(|error| format!("{url}: {error}"))?);
    Uri::from_parts(parts).map_err(|error| format!("{url}: {error}"))
}

/// The address in a reply of checkip: Dyn's page, or the address alone.
fn seen_address(body: &str) -> Option<IpAddr> {
    let (_, rest) = body.split_once("Current IP Address:").unwrap_or(("", body));
    let address = rest.split('<').next().unwrap_or(rest);
    address.trim().parse::<IpAddr>().ok().map(|address| address.to_canonical())
}

/// Why a family has no address, where the other has none either: what a gateway was to tell is told
/// by family, as each is asked for on a connection of its own.
fn told(family: Family, lack: &Lack) -> String {
    match lack {
        Lack::AtGateway(reason) => format!("{}: {reason}", name(family)),
        Lack::Here(reason) | Lack::Nothing(reason) => reason.clone(),
    }
}

/// That an interface or a command has no address, of this family or at all.
fn nothing(source: &Source, family: Option<&str>) -> String {
    let address = family.map_or_else(|| "address".to_owned(), |family| format!("{family} address"));
    match source {
        Source::Interface(interface) => {
            let expected = "expected one, or --ipv4 auto behind NAT";
            format!("the interface {interface} has no global {address} that will stay: {expected}")
        }
        Source::Command(command) => format!("`{command}` prints no {address}: expected one that can stand in DNS"),
        Source::LeftAlone | Source::Given(_) | Source::Auto => format!("no {address}"),
    }
}

/// What people call a family.
pub fn name(family: Family) -> &'static str {
    match family {
        Family::V4 => "IPv4",
        Family::V6 => "IPv6",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Wording of `name = value` pairs.
    fn wording(pairs: &[(&str, &str)]) -> Wording {
        let said = |name: &str| {
            let pair = pairs.iter().find(|(other, _)| *other == name);
            pair.map(|(name, value)| Said::new(value, name))
        };
        Wording {
            ipv4: said("ipv4"),
            ipv6: said("ipv6"),
            interface: said("interface"),
            command: said("command"),
            ..Wording::default()
        }
    }

    #[test]
    fn a_family_comes_from_where_it_is_said_to() {
        let given = |address: &str| Source::Given(vec![address.to_owned()]);
        let eth0 = || Source::Interface("eth0".to_owned());
        for (said, v4, v6) in [
            (&[][..], Source::Auto, Source::Auto),
            (&[("ipv4", "192.0.2.1")], given("192.0.2.1"), Source::LeftAlone),
            (&[("ipv4", "Auto")], Source::Auto, Source::LeftAlone),
            (&[("ipv6", "no")], Source::Auto, Source::LeftAlone),
            (&[("interface", "eth0")], eth0(), eth0()),
            (&[("interface", "eth0"), ("ipv4", "auto")], Source::Auto, eth0()),
            (&[("interface", "eth0"), ("ipv4", "preserve")], Source::LeftAlone, eth0()),
            (&[("command", "a | b"), ("ipv6", "2001:DB8:0::7")], Source::Command("a | b".into()), given("2001:db8::7")),
            (&[("ipv6", "2001:db8:1::/48")], Source::LeftAlone, given("2001:db8:1::/48")),
            (&[("ipv4", "10.0.0.1")], given("10.0.0.1"), Source::LeftAlone),
            (
                &[("ipv4", "192.0.2.2, 192.0.2.1,192.0.2.2")],
                Source::Given(vec!["192.0.2.2".into(), "192.0.2.1".into()]),
                Source::LeftAlone,
            ),
        ] {
            let unsaid = said.is_empty();
            assert_eq!(Sources::of(&wording(said)), Ok(Sources { v4, v6, unsaid }), "{said:?}");
        }
    }

    #[test]
    fn what_cannot_be_set_is_refused_before_it_is_sent() {
        for said in [
            &[("ipv4", "2001:db8::7")][..],
            &[("ipv4", "192.0.2.1/24")],
            &[("ipv4", "192.0.2.1,")],
            &[("ipv4", "192.0.2.1,auto")],
            &[("ipv4", "no,192.0.2.1")],
            &[("ipv4", "127.0.0.1")],
            &[("ipv4", "0.0.0.0")],
            &[("ipv6", "192.0.2.1")],
            &[("ipv6", "fe80::1")],
            &[("ipv6", "::1")],
            &[("ipv6", "eth0")],
            &[("ipv4", "no"), ("ipv6", "no")],
            &[("interface", "eth0"), ("command", "ip")],
        ] {
            assert!(Sources::of(&wording(said)).is_err(), "{said:?}");
        }
    }

    /// Addresses from their text.
    fn addresses(v4: &[&str], v6: &[&str]) -> Addresses {
        let owned = |list: &[&str]| list.iter().map(|text| (*text).to_owned()).collect();
        Addresses { v4: owned(v4), v6: owned(v6) }
    }

    #[test]
    fn a_family_that_is_not_asked_for_counts_as_held() {
        let held = addresses(&["192.0.2.1"], &["2001:db8::7"]);
        for (asked, holds) in [
            (addresses(&["192.0.2.1"], &["2001:db8::7"]), true),
            (addresses(&["192.0.2.1"], &[]), true),
            (addresses(&[], &["2001:db8::7"]), true),
            (addresses(&["192.0.2.2"], &["2001:db8::7"]), false),
            (addresses(&["192.0.2.1"], &["2001:db8::8"]), false),
            (addresses(&["192.0.2.1", "192.0.2.2"], &[]), false),
        ] {
            assert_eq!(held.hold(&asked), holds, "{asked:?}");
        }
        let mut taken = held.clone();
        taken.take(&addresses(&["192.0.2.9"], &[]));
        assert_eq!(taken, addresses(&["192.0.2.9"], &["2001:db8::7"]));
        assert_eq!(held.only(&addresses(&[], &["2001:db8::9"])), addresses(&[], &["2001:db8::7"]));
    }

    #[test]
    fn what_is_asked_for_and_not_answered_is_passed_over() {
        for (asked, answered, held, passed_over) in [
            (
                addresses(&["10.1.1.1"], &["2001:db8::1"]),
                &["2001:db8::1"][..],
                addresses(&[], &["2001:db8::1"]),
                "10.1.1.1",
            ),
            (addresses(&["10.1.1.1"], &[]), &["192.0.2.9"], addresses(&["192.0.2.9"], &["::1"]), "10.1.1.1"),
            (addresses(&[], &["2001:db8::/64"]), &["2001:db8::7"], addresses(&["192.0.2.1"], &["2001:db8::7"]), ""),
            (addresses(&["192.0.2.1"], &["2001:db8::/64"]), &["192.0.2.1"], addresses(&["192.0.2.1"], &[]), ""),
        ] {
            let answered: Vec<IpAddr> = answered.iter().map(|address| address.parse().unwrap()).collect();
            let mut before = addresses(&["192.0.2.1"], &["::1"]);
            before.answer(&asked, &answered);
            assert_eq!(before, held, "{asked:?}");
            assert_eq!(before.passed_over(&asked).join(","), passed_over, "{asked:?}");
        }
    }

    #[test]
    fn checkip_is_beside_the_update_url() {
        for (update, expected) in [
            ("https://x", "https://x/checkip"),
            ("https://x:8443/", "https://x:8443/checkip"),
            ("https://x/prod", "https://x/prod/checkip"),
            ("https://x/prod/", "https://x/prod/checkip"),
            ("https://x/nic/update", "https://x/nic/checkip"),
            ("https://x/prod/nic/update/", "https://x/prod/nic/checkip"),
            ("https://x/v3/update", "https://x/checkip"),
            ("https://x/update", "https://x/checkip"),
        ] {
            assert_eq!(
                checkip(&update.parse().unwrap()).map(|uri| uri.to_string()).as_deref(),
                Ok(expected),
                "{update}"
            );
        }
    }

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
