//! What is remembered from one run to the next, so that a gateway is asked only if there is need.
//!
//! Dyn's policy, which this keeps: no update while nothing changed, growing waits after a failure,
//! and after a refusal nothing more until the user has changed something.

use std::{collections::BTreeMap, net::IpAddr};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{addresses::HostAddresses, gateway_url::GatewayUrl, host::Host};
use crate::protocol::{address::Family, zone::ZoneId};

/// For how many seconds an address counts that a gateway saw.
const SEEN_FOR: u64 = 600;

/// The first wait after a failure, in seconds; each one after it is twice as long.
const FIRST_WAIT: u64 = 60;

/// The longest wait after a failure, in seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MaxWait {
    /// No server was reached, so waiting spares nobody; and a line that comes back after an outage
    /// has a new address.
    Unreachable = 300,
    /// A gateway answered, and is in trouble.
    Refusing = 3600,
}

/// Everything that is remembered, by gateway.
#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClientState {
    /// By the gateway's URL.
    #[serde(default)]
    gateways: BTreeMap<String, GatewayState>,
}

/// What is remembered of one gateway.
#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct GatewayState {
    /// The addresses that it saw this machine at.
    #[serde(default)]
    seen: Vec<SeenAddress>,
    /// Its hosts, by name.
    #[serde(default)]
    hosts: BTreeMap<String, HostState>,
}

/// An address that a gateway saw, and when.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct SeenAddress {
    /// The address of this machine.
    address: IpAddr,
    /// In seconds since 1970.
    at: u64,
}

/// What is remembered of one host.
#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct HostState {
    /// The configuration that this is about: it does not count for another.
    configuration: String,
    /// What was asked for last, and not refused.
    #[serde(default)]
    addresses: HostAddresses,
    /// The addresses of the gateway's answer.
    #[serde(default)]
    answered: Option<HostAddresses>,
    /// When that was, in seconds since 1970.
    #[serde(default)]
    updated: Option<u64>,
    /// Why it is not asked for.
    #[serde(default)]
    trouble: Option<HostTrouble>,
    /// The trouble that was reported last and is not over.
    #[serde(default)]
    reported: Option<String>,
}

/// Why a host is not asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum HostTrouble {
    /// It was refused: not before the configuration changes.
    Refused {
        /// The code word.
        code: String,
    },
    /// It failed: not for a while.
    Failed {
        /// How often in a row.
        failures: u32,
        /// Until when, in seconds since 1970.
        until: u64,
        /// The code word, or what happened.
        reason: String,
        /// Where the addresses came from, hashed: from elsewhere, they may do better.
        #[serde(default)]
        sources: String,
    },
}

impl ClientState {
    /// Why a host is not asked for now.
    pub fn trouble(&self, host: &Host, now: u64) -> Option<&HostTrouble> {
        let trouble = self.record(host)?.trouble.as_ref()?;
        let holds = match trouble {
            HostTrouble::Refused { .. } => true,
            // A wait beyond the maximum means that the clock was set back.
            HostTrouble::Failed { until, sources: failed, .. } => {
                (now..=now + MaxWait::Refusing as u64).contains(until) && *until != now && *failed == sources(host)
            }
        };
        holds.then_some(trouble)
    }

    /// The answer when these addresses were asked for, and when that was, if it was less than
    /// `max_age` seconds ago.
    pub fn unchanged(
        &self,
        host: &Host,
        asked: &HostAddresses,
        max_age: u64,
        now: u64,
    ) -> Option<(HostAddresses, u64)> {
        let record = self.record(host).filter(|record| record.addresses.hold(asked))?;
        let updated = record.updated?;
        // A time in the future means that the clock was set back.
        let held = record.answered.as_ref().unwrap_or(&record.addresses).only(asked);
        now.checked_sub(updated).is_some_and(|age| age < max_age).then_some((held, updated))
    }

    /// A host is about to be asked for: until there is an answer, its addresses are unknown.
    pub fn asking(&mut self, host: &Host) {
        self.record_mut(host).updated = None;
    }

    /// A host was asked to have addresses, and these are the answer.
    pub fn updated(&mut self, host: &Host, asked: &HostAddresses, answered: &[IpAddr], now: u64) {
        let record = self.record_mut(host);
        let before = &record.addresses;
        record.answered.get_or_insert_with(|| before.clone()).answer(asked, answered);
        record.addresses.take(asked);
        record.updated = Some(now);
        record.trouble = None;
    }

    /// A host was refused.
    pub fn refused(&mut self, host: &Host, code: &str) {
        self.record_mut(host).trouble = Some(HostTrouble::Refused { code: code.to_owned() });
    }

    /// A host could not be updated. Returns until when it has to wait.
    pub fn failed(&mut self, host: &Host, reason: &str, max: MaxWait, now: u64) -> u64 {
        let record = self.record_mut(host);
        let failures = match &record.trouble {
            Some(HostTrouble::Failed { failures, .. }) => failures.saturating_add(1),
            Some(HostTrouble::Refused { .. }) | None => 1,
        };
        let wait = FIRST_WAIT.saturating_mul(1_u64.checked_shl(failures - 1).unwrap_or(u64::MAX));
        let until = now + wait.min(max as u64);
        record.trouble =
            Some(HostTrouble::Failed { failures, until, reason: reason.to_owned(), sources: sources(host) });
        until
    }

    /// The trouble of a host that was reported last and is not over.
    pub fn reported(&self, host: &Host) -> Option<&str> {
        self.record(host)?.reported.as_deref()
    }

    /// This trouble of a host is reported now, or that it is over. Returns what was reported before.
    pub fn report(&mut self, host: &Host, trouble: Option<String>) -> Option<String> {
        if self.reported(host) == trouble.as_deref() {
            return trouble;
        }
        std::mem::replace(&mut self.record_mut(host).reported, trouble)
    }

    /// The address of a family that a gateway saw this machine at a moment ago.
    pub fn seen(&self, gateway: &GatewayUrl, family: Family, now: u64) -> Option<IpAddr> {
        let seen = &self.gateways.get(&gateway.to_string())?.seen;
        let recent = |seen: &&SeenAddress| now.checked_sub(seen.at).is_some_and(|age| age < SEEN_FOR);
        seen.iter().filter(recent).map(|seen| seen.address).find(|address| Family::of(*address) == family)
    }

    /// A gateway sees this machine at this address.
    pub fn saw(&mut self, gateway: &GatewayUrl, address: IpAddr, now: u64) {
        let seen = &mut self.gateways.entry(gateway.to_string()).or_default().seen;
        seen.retain(|seen| Family::of(seen.address) != Family::of(address));
        seen.push(SeenAddress { address, at: now });
    }

    /// What is remembered of a host as it is configured now.
    fn record(&self, host: &Host) -> Option<&HostState> {
        let record = self.gateways.get(&host.url.to_string())?.hosts.get(host.name.as_str())?;
        (record.configuration == configuration(host)).then_some(record)
    }

    /// The same, made new if there is nothing.
    fn record_mut(&mut self, host: &Host) -> &mut HostState {
        let hosts = &mut self.gateways.entry(host.url.to_string()).or_default().hosts;
        let record = hosts.entry(host.name.to_string()).or_default();
        let configuration = configuration(host);
        if record.configuration != configuration {
            *record = HostState { configuration, ..HostState::default() };
        }
        record
    }
}

/// A name for the configuration of a host: 64 bits of a hash, from which nobody can compute the
/// token's 120.
fn configuration(host: &Host) -> String {
    let ttl = host.ttl.map(|ttl| ttl.to_string()).unwrap_or_default();
    hashed(&[host.token.reveal(), host.zone_id.as_ref().map_or("", ZoneId::as_str), &ttl])
}

/// A name for where a host's addresses come from. It is hashed, as a command may hold a secret. If
/// another version of nic53 derives another name, that only ends a wait.
fn sources(host: &Host) -> String {
    hashed(&[&format!("{:?}", host.sources)])
}

/// 64 bits of a hash of all of these.
fn hashed(parts: &[&str]) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update(part.as_bytes());
        hash.update([0]);
    }
    let first = hash.finalize().iter().take(8).fold(0_u64, |number, byte| number << 8 | u64::from(*byte));
    format!("{first:016x}")
}

#[cfg(test)]
mod tests {
    use super::{
        super::settings::{HostSettings, Setting},
        *,
    };

    /// A host with these settings.
    fn host(token: &str, url: &str) -> Host {
        let setting = |text| Some(Setting::new(text, "test"));
        let settings = HostSettings { url: setting(url), token: setting(token), ..HostSettings::default() };
        settings.host("a.example.org".parse().unwrap()).unwrap_or_else(|error| panic!("{error}"))
    }

    /// The addresses of a JSON text.
    fn addresses(json: &str) -> HostAddresses {
        serde_json::from_str(json).unwrap()
    }

    /// A host was asked to have these addresses, and has them.
    fn set(state: &mut ClientState, host: &Host, json: &str, now: u64) {
        let asked = addresses(json);
        let answered: Vec<IpAddr> = asked.iter().map(|address| address.parse().unwrap()).collect();
        state.updated(host, &asked, &answered, now);
    }

    const V4: &str = r#"{"v4":["192.0.2.1"]}"#;
    const V6: &str = r#"{"v6":["2001:db8::7"]}"#;
    const BOTH: &str = r#"{"v4":["192.0.2.1"],"v6":["2001:db8::7"]}"#;

    #[test]
    fn what_was_set_is_unchanged_until_it_is_old() {
        let mut state = ClientState::default();
        let host = host("t", "https://gw");
        set(&mut state, &host, V4, 1000);
        set(&mut state, &host, V6, 1100);
        for (asked, max_age, now, since) in [
            (BOTH, 100, 1150, Some(1100)),
            (V4, 100, 1199, Some(1100)),
            (BOTH, 100, 1200, None),
            (BOTH, 0, 1100, None),
            (BOTH, 100, 1099, None),
            (r#"{"v4":["192.0.2.2"]}"#, 100, 1150, None),
        ] {
            let since = since.map(|since| (addresses(asked), since));
            assert_eq!(state.unchanged(&host, &addresses(asked), max_age, now), since, "{asked} {max_age} {now}");
        }
    }

    #[test]
    fn what_was_answered_is_what_a_host_has() {
        let mut state = ClientState::default();
        let host = host("t", "https://gw");
        state.updated(&host, &addresses(BOTH), &["2001:db8::7".parse().unwrap()], 1000);
        assert_eq!(state.unchanged(&host, &addresses(BOTH), 100, 1050), Some((addresses(V6), 1000)));
        assert_eq!(state.unchanged(&host, &addresses(V6), 100, 1050), Some((addresses(V6), 1000)));
        assert_eq!(state.unchanged(&host, &addresses(V4), 100, 1050), Some((HostAddresses::default(), 1000)));
        // As an older version wrote it.
        state.record_mut(&host).answered = None;
        assert_eq!(state.unchanged(&host, &addresses(BOTH), 100, 1050), Some((addresses(BOTH), 1000)));
    }

    #[test]
    fn a_wait_ends_if_the_addresses_come_from_elsewhere() {
        let mut state = ClientState::default();
        let failed = host("t", "https://gw");
        state.failed(&failed, "no route", MaxWait::Unreachable, 1000);
        assert!(state.trouble(&failed, 1001).is_some());
        let setting = |text| Some(Setting::new(text, "test"));
        let settings = |ipv4, command| {
            let settings = HostSettings {
                url: setting("https://gw"),
                token: setting("t"),
                ipv4,
                command,
                ..HostSettings::default()
            };
            settings.host("a.example.org".parse().unwrap()).unwrap_or_else(|error| panic!("{error}"))
        };
        let corrected = settings(setting("192.0.2.1"), None);
        for other in [&corrected, &settings(None, setting("hostname -i"))] {
            assert_eq!(state.trouble(other, 1001), None);
        }
        // A correction that does not help waits longer than before.
        assert_eq!(state.failed(&corrected, "dnserr", MaxWait::Refusing, 1001), 1121);
        assert!(state.trouble(&corrected, 1002).is_some());
    }

    #[test]
    fn what_was_asked_for_and_not_answered_is_not_known() {
        let mut state = ClientState::default();
        let host = host("t", "https://gw");
        set(&mut state, &host, V4, 1000);
        state.failed(&host, "no route", MaxWait::Unreachable, 1000);
        assert_eq!(state.unchanged(&host, &addresses(V4), 1000, 1000), Some((addresses(V4), 1000)));
        state.asking(&host);
        assert_eq!(state.unchanged(&host, &addresses(V4), 1000, 1000), None);
    }

    #[test]
    fn waits_grow_and_end() {
        let mut state = ClientState::default();
        let host = host("t", "https://gw");
        set(&mut state, &host, V4, 1000);
        let mut waits: Vec<u64> =
            (0..8).map(|_| state.failed(&host, "dnserr", MaxWait::Refusing, 1000) - 1000).collect();
        waits.push(state.failed(&host, "unreachable", MaxWait::Unreachable, 1000) - 1000);
        assert_eq!(waits, [60, 120, 240, 480, 960, 1920, 3600, 3600, 300]);
        for (now, waits) in [(1000, true), (1299, true), (1300, false), (0, true)] {
            assert_eq!(state.trouble(&host, now).is_some(), waits, "{now}");
        }
        // As if the clock had been years ahead.
        state.failed(&host, "dnserr", MaxWait::Refusing, 100_000_000);
        assert_eq!(state.trouble(&host, 1000), None);
        set(&mut state, &host, V4, 1000);
        assert_eq!(state.failed(&host, "dnserr", MaxWait::Refusing, 1000), 1060);
    }

    #[test]
    fn a_refusal_holds_until_the_configuration_changes() {
        let mut state = ClientState::default();
        let refused = host("t", "https://gw");
        state.refused(&refused, "badauth");
        assert_eq!(state.trouble(&refused, 5), Some(&HostTrouble::Refused { code: "badauth".to_owned() }));
        let mut others = [host("t2", "https://gw"), host("t", "https://gw/prod"), refused.clone(), refused];
        others[2].zone_id = Some("Z1".parse().unwrap());
        others[3].name = "b.example.org".parse().unwrap();
        for other in others {
            assert_eq!(state.trouble(&other, 5), None);
        }
    }

    #[test]
    fn reported_trouble_is_remembered_until_it_is_over() {
        let mut state = ClientState::default();
        let host = host("t", "https://gw");
        let trouble = |text: &str| Some(text.to_owned());
        assert_eq!(state.report(&host, None), None);
        assert_eq!(state, ClientState::default(), "nothing to remember");
        for (now, before) in [
            (trouble("a"), None),
            (trouble("a"), trouble("a")),
            (trouble("b"), trouble("a")),
            (None, trouble("b")),
            (None, None),
        ] {
            assert_eq!(state.report(&host, now.clone()), before, "{now:?}");
            assert_eq!(state.reported(&host), now.as_deref());
        }
    }

    #[test]
    fn what_a_gateway_saw_counts_for_ten_minutes() {
        let mut state = ClientState::default();
        let gateway: GatewayUrl = "https://gw/".parse().unwrap();
        for (address, at) in [("192.0.2.1", 900), ("2001:db8::7", 950), ("192.0.2.2", 1000)] {
            state.saw(&gateway, address.parse().unwrap(), at);
        }
        for (family, now, seen) in [
            (Family::V4, 1000, Some("192.0.2.2")),
            (Family::V4, 1599, Some("192.0.2.2")),
            (Family::V4, 1600, None),
            (Family::V6, 1549, Some("2001:db8::7")),
            (Family::V6, 1550, None),
            (Family::V4, 999, None),
        ] {
            let found = state.seen(&gateway, family, now).map(|address| address.to_string());
            assert_eq!(found.as_deref(), seen, "{family:?} {now}");
        }
    }
}
