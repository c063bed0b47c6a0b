//! Where the addresses of a host come from.

use super::{
    addresses::OFFLINE,
    settings::{HostSettings, Setting},
};
use crate::protocol::{
    address::{ByFamily, Family, is_publishable},
    element::Element,
};

/// Where the addresses of a host come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AddressSources {
    /// The source of each family.
    by_family: ByFamily<AddressSource>,
    /// Whether no source was configured. A family that the gateway does not see is then not an
    /// error.
    unset: bool,
}

/// Where the addresses of one family come from.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum AddressSource {
    /// From nowhere: the family is left alone.
    LeftAlone,
    /// These addresses, a prefix to move under, or `offline`, as the request has them.
    Given(Vec<String>),
    /// The address that the gateway sees.
    Auto,
    /// The addresses of an interface.
    Interface(String),
    /// The addresses that a command prints.
    Command(String),
}

impl AddressSources {
    /// Reads the sources of a host's addresses.
    ///
    /// # Errors
    ///
    /// If a setting makes no sense: which one, and what was expected.
    pub fn of(settings: &HostSettings) -> Result<Self, String> {
        let given = |setting: &Option<Setting>, family| {
            setting.as_ref().map(|setting| setting.parse(|text| parse_source(text, family))).transpose()
        };
        let given = ByFamily { v4: given(&settings.ipv4, Family::V4)?, v6: given(&settings.ipv6, Family::V6)? };
        let silent = given.as_ref().into_iter().all(|source| matches!(source, None | Some(AddressSource::LeftAlone)));
        let default = default_source(settings, silent)?;
        let by_family = given.map(|source| source.unwrap_or_else(|| default.clone()));
        if by_family.as_ref().into_iter().all(|source| *source == AddressSource::LeftAlone) {
            return Err("both families are left alone: expected an address of one, or auto".to_owned());
        }
        let HostSettings { ipv4, ipv6, interface, command, .. } = settings;
        let unset = [ipv4, ipv6, interface, command].iter().all(|setting| setting.is_none());
        Ok(Self { by_family, unset })
    }

    /// The source of a family.
    pub fn of_family(&self, family: Family) -> &AddressSource {
        &self.by_family[family]
    }

    /// Whether no source was configured.
    pub fn are_unset(&self) -> bool {
        self.unset
    }
}

/// The source of a family that has none of its own. `silent` says that no family has an address of
/// its own.
fn default_source(settings: &HostSettings, silent: bool) -> Result<AddressSource, String> {
    match (&settings.interface, &settings.command) {
        (Some(interface), Some(command)) => {
            Err(format!("{} and {}: expected one of the two", interface.origin, command.origin))
        }
        (Some(interface), None) => Ok(AddressSource::Interface(interface.parse(parse_interface)?)),
        (None, Some(command)) => Ok(AddressSource::Command(command.text.trim().to_owned())),
        (None, None) if silent => Ok(AddressSource::Auto),
        (None, None) => Ok(AddressSource::LeftAlone),
    }
}

/// Reads the name of an interface: one word (`dev_valid_name` of Linux).
fn parse_interface(text: &str) -> Result<String, String> {
    let word = !text.is_empty() && !text.contains(char::is_whitespace);
    word.then(|| text.to_owned()).ok_or_else(|| "expected the name of one interface, such as eth0".to_owned())
}

/// Reads the source of a family: `auto`, `no`, `offline`, or addresses.
fn parse_source(text: &str, family: Family) -> Result<AddressSource, String> {
    let expected = || {
        let prefix = if family == Family::V6 { ", a prefix" } else { "" };
        format!("expected {} addresses with commas between{prefix}, auto, no or offline", family.name())
    };
    if text.eq_ignore_ascii_case("auto") {
        return Ok(AddressSource::Auto);
    }
    match Element::parse(text) {
        Element::Preserve => return Ok(AddressSource::LeftAlone),
        Element::Offline => return Ok(AddressSource::Given(vec![OFFLINE.to_owned()])),
        Element::Address(_) | Element::Prefix(_) | Element::HostPart(_) | Element::Ignored => {}
    }
    let mut given = Vec::new();
    for element in text.split(',').map(str::trim) {
        let canonical = match Element::parse(element).of_family(family) {
            Element::Address(address) if is_publishable(address, true) => address.to_string(),
            Element::Address(address) => {
                return Err(format!("{address} cannot be published in DNS: {}", expected()));
            }
            Element::Prefix(_) => element.to_ascii_lowercase(),
            Element::HostPart(_) | Element::Preserve | Element::Offline | Element::Ignored => return Err(expected()),
        };
        if !given.contains(&canonical) {
            given.push(canonical);
        }
    }
    Ok(AddressSource::Given(given))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The settings of `name = value` pairs.
    fn settings(pairs: &[(&str, &str)]) -> HostSettings {
        let setting = |name: &str| {
            let pair = pairs.iter().find(|(other, _)| *other == name);
            pair.map(|(name, value)| Setting::new(value, name))
        };
        HostSettings {
            ipv4: setting("ipv4"),
            ipv6: setting("ipv6"),
            interface: setting("interface"),
            command: setting("command"),
            ..HostSettings::default()
        }
    }

    #[test]
    fn a_family_has_its_own_source_or_the_default() {
        let given = |address: &str| AddressSource::Given(vec![address.to_owned()]);
        let eth0 = || AddressSource::Interface("eth0".to_owned());
        for (pairs, v4, v6) in [
            (&[][..], AddressSource::Auto, AddressSource::Auto),
            (&[("ipv4", "192.0.2.1")], given("192.0.2.1"), AddressSource::LeftAlone),
            (&[("ipv4", "Auto")], AddressSource::Auto, AddressSource::LeftAlone),
            (&[("ipv6", "no")], AddressSource::Auto, AddressSource::LeftAlone),
            (&[("interface", "eth0")], eth0(), eth0()),
            (&[("interface", "eth0"), ("ipv4", "auto")], AddressSource::Auto, eth0()),
            (&[("interface", "eth0"), ("ipv4", "preserve")], AddressSource::LeftAlone, eth0()),
            (
                &[("command", "a | b"), ("ipv6", "2001:DB8:0::7")],
                AddressSource::Command("a | b".into()),
                given("2001:db8::7"),
            ),
            (&[("ipv6", "2001:db8:1::/48")], AddressSource::LeftAlone, given("2001:db8:1::/48")),
            (&[("ipv4", "Offline")], given("offline"), AddressSource::LeftAlone),
            (&[("ipv4", "10.0.0.1")], given("10.0.0.1"), AddressSource::LeftAlone),
            (
                &[("ipv4", "192.0.2.2, 192.0.2.1,192.0.2.2")],
                AddressSource::Given(vec!["192.0.2.2".into(), "192.0.2.1".into()]),
                AddressSource::LeftAlone,
            ),
        ] {
            let expected = AddressSources { by_family: ByFamily { v4, v6 }, unset: pairs.is_empty() };
            assert_eq!(AddressSources::of(&settings(pairs)), Ok(expected), "{pairs:?}");
        }
    }

    #[test]
    fn what_cannot_be_set_is_refused_before_it_is_sent() {
        for pairs in [
            &[("ipv4", "2001:db8::7")][..],
            &[("ipv4", "192.0.2.1/24")],
            &[("ipv4", "192.0.2.1,")],
            &[("ipv4", "192.0.2.1,auto")],
            &[("ipv4", "no,192.0.2.1")],
            &[("ipv4", "offline,192.0.2.1")],
            &[("ipv4", "127.0.0.1")],
            &[("ipv4", "0.0.0.0")],
            &[("ipv6", "192.0.2.1")],
            &[("ipv6", "fe80::1")],
            &[("ipv6", "::1")],
            &[("ipv6", "eth0")],
            &[("ipv4", "no"), ("ipv6", "no")],
            &[("interface", "eth0"), ("command", "ip")],
        ] {
            assert!(AddressSources::of(&settings(pairs)).is_err(), "{pairs:?}");
        }
    }
}
