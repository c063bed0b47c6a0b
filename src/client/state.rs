//! What is remembered from one run to the next, so that a gateway is not asked without need: a small
//! JSON file without any secret.
//!
//! Dyn's policy, which this keeps: no update while nothing changed, growing waits after a failure,
//! and after a refusal nothing more until the user has changed something.

use std::{
    collections::BTreeMap,
    env,
    fs::{self, DirBuilder, File, OpenOptions},
    io::{self, Write},
    net::IpAddr,
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use http::Uri;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{addresses::Addresses, config::Host};
use crate::protocol::address::Family;

/// How long an address counts that a gateway saw.
const SEEN_FOR: u64 = 600;

/// The first wait after a failure, in seconds; each one after it is twice as long.
const FIRST_WAIT: u64 = 60;

/// The longest wait after a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Longest {
    /// Nobody was reached, so nobody is spared by waiting; and a line that comes back after an
    /// outage has a new address.
    FiveMinutes = 300,
    /// A gateway answered, and is in trouble.
    OneHour = 3600,
}

/// Everything that is remembered, by gateway.
#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct State {
    /// By the update URL.
    #[serde(default)]
    gateways: BTreeMap<String, Gateway>,
}

/// What is remembered of one gateway.
#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Gateway {
    /// The addresses it saw us at.
    #[serde(default)]
    seen: Vec<Seen>,
    /// Its hosts, by name.
    #[serde(default)]
    hosts: BTreeMap<String, Record>,
}

/// An address that a gateway saw, and when.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Seen {
    /// Which.
    address: IpAddr,
    /// In seconds of Unix.
    at: u64,
}

/// What is remembered of one host.
#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Record {
    /// The configuration that this is about: it does not count for another.
    configuration: String,
    /// What was asked for last, and not refused.
    #[serde(default)]
    addresses: Addresses,
    /// What the gateway answered that it has of these. An older file does not say.
    #[serde(default)]
    answered: Option<Addresses>,
    /// When that was, in seconds of Unix.
    #[serde(default)]
    updated: Option<u64>,
    /// What keeps it from being asked for.
    #[serde(default)]
    trouble: Option<Trouble>,
}

/// What keeps a host from being asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Trouble {
    /// It was refused: not before the configuration changes.
    Refused {
        /// The code word.
        code: String,
    },
    /// It failed: not for a while.
    Failed {
        /// How often in a row.
        failures: u32,
        /// Until when, in seconds of Unix.
        until: u64,
        /// The code word, or what happened.
        reason: String,
        /// Where the addresses came from, hashed: from elsewhere, they may do better.
        #[serde(default)]
        sources: String,
    },
}

impl State {
    /// What keeps a host from being asked for now.
    pub fn trouble(&self, host: &Host, now: u64) -> Option<&Trouble> {
        let trouble = self.record(host)?.trouble.as_ref()?;
        let holds = match trouble {
            Trouble::Refused { .. } => true,
            // A wait longer than any is a clock that was set back.
            Trouble::Failed { until, sources: failed, .. } => {
                (now..=now + Longest::OneHour as u64).contains(until) && *until != now && *failed == sources(host)
            }
        };
        holds.then_some(trouble)
    }

    /// What a host was given when these addresses were asked for, and when, where that was less than
    /// `max_age` seconds ago.
    pub fn unchanged(&self, host: &Host, asked: &Addresses, max_age: u64, now: u64) -> Option<(Addresses, u64)> {
        let record = self.record(host).filter(|record| record.addresses.hold(asked))?;
        let updated = record.updated?;
        // A time to come is a clock that was set back.
        let held = record.answered.as_ref().unwrap_or(&record.addresses).only(asked);
        now.checked_sub(updated).is_some_and(|age| age < max_age).then_some((held, updated))
    }

    /// A host is about to be asked for: until there is an answer, nobody knows what it has.
    pub fn asking(&mut self, host: &Host) {
        self.record_mut(host).updated = None;
    }

    /// A host was asked to have addresses, and has these.
    pub fn updated(&mut self, host: &Host, asked: &Addresses, answered: &[IpAddr], now: u64) {
        let record = self.record_mut(host);
        let before = &record.addresses;
        record.answered.get_or_insert_with(|| before.clone()).answer(asked, answered);
        record.addresses.take(asked);
        record.updated = Some(now);
        record.trouble = None;
    }

    /// A host was refused.
    pub fn refused(&mut self, host: &Host, code: &str) {
        self.record_mut(host).trouble = Some(Trouble::Refused { code: code.to_owned() });
    }

    /// A host could not be updated; until when it is to wait.
    pub fn failed(&mut self, host: &Host, reason: &str, longest: Longest, now: u64) -> u64 {
        let record = self.record_mut(host);
        let failures = match &record.trouble {
            Some(Trouble::Failed { failures, .. }) => failures.saturating_add(1),
            Some(Trouble::Refused { .. }) | None => 1,
        };
        let wait = FIRST_WAIT.saturating_mul(1_u64.checked_shl(failures - 1).unwrap_or(u64::MAX));
        let until = now + wait.min(longest as u64);
        record.trouble = Some(Trouble::Failed { failures, until, reason: reason.to_owned(), sources: sources(host) });
        until
    }

    /// The address of a family that a gateway saw us at a moment ago.
    pub fn seen(&self, gateway: &Uri, family: Family, now: u64) -> Option<IpAddr> {
        let seen = &self.gateways.get(&gateway.to_string())?.seen;
        let recent = |seen: &&Seen| now.checked_sub(seen.at).is_some_and(|age| age < SEEN_FOR);
        seen.iter().filter(recent).map(|seen| seen.address).find(|address| Family::of(*address) == family)
    }

    /// A gateway sees us at this address.
    pub fn saw(&mut self, gateway: &Uri, address: IpAddr, now: u64) {
        let seen = &mut self.gateways.entry(gateway.to_string()).or_default().seen;
        seen.retain(|seen| Family::of(seen.address) != Family::of(address));
        seen.push(Seen { address, at: now });
    }

    /// What is remembered of a host as it is configured now.
    fn record(&self, host: &Host) -> Option<&Record> {
        let record = self.gateways.get(&host.url.to_string())?.hosts.get(host.name.as_str())?;
        (record.configuration == configuration(host)).then_some(record)
    }

    /// The same, made anew where there is nothing.
    fn record_mut(&mut self, host: &Host) -> &mut Record {
        let hosts = &mut self.gateways.entry(host.url.to_string()).or_default().hosts;
        let record = hosts.entry(host.name.to_string()).or_default();
        let configuration = configuration(host);
        if record.configuration != configuration {
            *record = Record { configuration, ..Record::default() };
        }
        record
    }
}

/// What tells one configuration of a host from another: 64 bits of a hash, which give nothing of the
/// token's 120 away.
fn configuration(host: &Host) -> String {
    let ttl = host.ttl.map(|ttl| ttl.to_string()).unwrap_or_default();
    hashed(&[host.token.reveal(), host.zone_id.as_deref().unwrap_or_default(), &ttl])
}

/// What tells where a host's addresses come from. A command may hold a secret; and a version that
/// words this otherwise only ends a wait.
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
    let bits = hash.finalize()[..8].iter().fold(0_u64, |bits, octet| bits << 8 | u64::from(*octet));
    format!("{bits:016x}")
}

/// The state file, which nobody else has while this lives.
pub struct StateFile {
    /// Where it is.
    path: PathBuf,
    /// Keeps others out.
    _lock: File,
}

impl StateFile {
    /// Waits until nobody else has the file, and takes it.
    ///
    /// # Errors
    ///
    /// Where its folder cannot be written to.
    pub fn take(folder: &Path) -> Result<Self, String> {
        let expected = "expected a folder that you may write, or another $XDG_STATE_HOME";
        let problem = |error: io::Error| format!("{}: {error}: {expected}", folder.display());
        DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(problem)?;
        let lock = private().open(folder.join("update.lock")).map_err(problem)?;
        lock.lock().map_err(problem)?;
        Ok(Self { path: folder.join("update.json"), _lock: lock })
    }

    /// What is in it; nothing where it is not there yet.
    ///
    /// # Errors
    ///
    /// Where it could not be read or makes no sense.
    pub fn read(&self) -> Result<State, String> {
        read(&self.path)
    }

    /// Writes it, whole or not at all.
    ///
    /// # Errors
    ///
    /// Where that fails; the file is as it was then.
    pub fn write(&self, state: &State) -> Result<(), String> {
        let json = serde_json::to_vec_pretty(state).map_err(|error| error.to_string())?;
        self.replace(&json).map_err(|error| format!("{}: {error}: expected room to write", self.path.display()))
    }

    /// Replaces its content.
    fn replace(&self, content: &[u8]) -> io::Result<()> {
        let draft = self.path.with_extension("new");
        let mut file = private().open(&draft)?;
        file.write_all(content)?;
        file.sync_all()?;
        fs::rename(&draft, &self.path)
    }
}

/// What a folder's file says, for a look without a change.
///
/// # Errors
///
/// Where it could not be read or makes no sense.
pub fn peek(folder: &Path) -> Result<State, String> {
    read(&folder.join("update.json"))
}

/// What a file says; nothing where it is not there.
fn read(path: &Path) -> Result<State, String> {
    let expected = "it is begun anew: expected what nic53 writes there";
    let problem = |error: &dyn std::fmt::Display| format!("{}: {error}: {expected}", path.display());
    match fs::read(path) {
        Ok(json) => serde_json::from_slice(&json).map_err(|error| problem(&error)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(State::default()),
        Err(error) => Err(problem(&error)),
    }
}

/// A file that only its owner may read, made anew.
fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true).mode(0o600);
    options
}

/// The folder for state: `$XDG_STATE_HOME/nic53`, else `/var/lib/nic53` of root and
/// `~/.local/state/nic53` of everyone else.
///
/// # Errors
///
/// Where there is no `$HOME`.
pub fn folder() -> Result<PathBuf, String> {
    let named = |name: &str| env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    if let Some(state) = named("XDG_STATE_HOME") {
        return Ok(state.join("nic53"));
    }
    if rustix::process::geteuid().is_root() {
        return Ok(PathBuf::from("/var/lib/nic53"));
    }
    let home = named("HOME").ok_or("neither $XDG_STATE_HOME nor $HOME is set: expected one of them")?;
    Ok(home.join(".local/state/nic53"))
}

#[cfg(test)]
mod tests {
    use super::{
        super::config::{Said, Wording},
        *,
    };

    /// A host with these settings.
    fn host(token: &str, url: &str) -> Host {
        let said = |text| Some(Said::new(text, "test"));
        let wording = Wording { url: said(url), token: said(token), ..Wording::default() };
        wording.host("a.example.org".parse().unwrap()).unwrap_or_else(|error| panic!("{error}"))
    }

    /// The addresses of a JSON text.
    fn addresses(json: &str) -> Addresses {
        serde_json::from_str(json).unwrap()
    }

    /// A host was asked to have these addresses, and has them.
    fn set(state: &mut State, host: &Host, json: &str, now: u64) {
        let asked = addresses(json);
        let answered: Vec<IpAddr> = asked.iter().map(|address| address.parse().unwrap()).collect();
        state.updated(host, &asked, &answered, now);
    }

    const V4: &str = r#"{"v4":["192.0.2.1"]}"#;
    const V6: &str = r#"{"v6":["2001:db8::7"]}"#;
    const BOTH: &str = r#"{"v4":["192.0.2.1"],"v6":["2001:db8::7"]}"#;

    #[test]
    fn what_was_set_is_unchanged_until_it_is_old() {
        let mut state = State::default();
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
        let mut state = State::default();
        let host = host("t", "https://gw");
        state.updated(&host, &addresses(BOTH), &["2001:db8::7".parse().unwrap()], 1000);
        assert_eq!(state.unchanged(&host, &addresses(BOTH), 100, 1050), Some((addresses(V6), 1000)));
        assert_eq!(state.unchanged(&host, &addresses(V6), 100, 1050), Some((addresses(V6), 1000)));
        assert_eq!(state.unchanged(&host, &addresses(V4), 100, 1050), Some((Addresses::default(), 1000)));
        // As an older version wrote it.
        state.record_mut(&host).answered = None;
        assert_eq!(state.unchanged(&host, &addresses(BOTH), 100, 1050), Some((addresses(BOTH), 1000)));
    }

    #[test]
    fn a_wait_ends_where_the_addresses_come_from_elsewhere() {
        let mut state = State::default();
        let failed = host("t", "https://gw");
        state.failed(&failed, "no route", Longest::FiveMinutes, 1000);
        assert!(state.trouble(&failed, 1001).is_some());
        let said = |text| Some(Said::new(text, "test"));
        let wording = |ipv4, command| {
            let wording = Wording { url: said("https://gw"), token: said("t"), ipv4, command, ..Wording::default() };
            wording.host("a.example.org".parse().unwrap()).unwrap_or_else(|error| panic!("{error}"))
        };
        let corrected = wording(said("192.0.2.1"), None);
        for other in [&corrected, &wording(None, said("hostname -i"))] {
            assert_eq!(state.trouble(other, 1001), None);
        }
        // Who corrects it in vain waits longer than before.
        assert_eq!(state.failed(&corrected, "dnserr", Longest::OneHour, 1001), 1121);
        assert!(state.trouble(&corrected, 1002).is_some());
    }

    #[test]
    fn what_was_asked_for_and_not_answered_is_not_known() {
        let mut state = State::default();
        let host = host("t", "https://gw");
        set(&mut state, &host, V4, 1000);
        state.failed(&host, "no route", Longest::FiveMinutes, 1000);
        assert_eq!(state.unchanged(&host, &addresses(V4), 1000, 1000), Some((addresses(V4), 1000)));
        state.asking(&host);
        assert_eq!(state.unchanged(&host, &addresses(V4), 1000, 1000), None);
    }

    #[test]
    fn waits_grow_and_end() {
        let mut state = State::default();
        let host = host("t", "https://gw");
        set(&mut state, &host, V4, 1000);
        let mut waits: Vec<u64> =
            (0..8).map(|_| state.failed(&host, "dnserr", Longest::OneHour, 1000) - 1000).collect();
        waits.push(state.failed(&host, "unreachable", Longest::FiveMinutes, 1000) - 1000);
        assert_eq!(waits, [60, 120, 240, 480, 960, 1920, 3600, 3600, 300]);
        for (now, waits) in [(1000, true), (1299, true), (1300, false), (0, true)] {
            assert_eq!(state.trouble(&host, now).is_some(), waits, "{now}");
        }
        // As if the clock had been years ahead.
        state.failed(&host, "dnserr", Longest::OneHour, 100_000_000);
        assert_eq!(state.trouble(&host, 1000), None);
        set(&mut state, &host, V4, 1000);
        assert_eq!(state.failed(&host, "dnserr", Longest::OneHour, 1000), 1060);
    }

    #[test]
    fn a_refusal_holds_until_the_configuration_changes() {
        let mut state = State::default();
        let refused = host("t", "https://gw");
        state.refused(&refused, "badauth");
        assert_eq!(state.trouble(&refused, 5), Some(&Trouble::Refused { code: "badauth".to_owned() }));
        let mut others = [host("t2", "https://gw"), host("t", "https://gw/nic/update"), refused.clone(), refused];
        others[2].zone_id = Some("Z1".to_owned());
        others[3].name = "b.example.org".parse().unwrap();
        for other in others {
            assert_eq!(state.trouble(&other, 5), None);
        }
    }

    #[test]
    fn what_a_gateway_saw_counts_for_ten_minutes() {
        let mut state = State::default();
        let gateway: Uri = "https://gw/".parse().unwrap();
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

    #[test]
    fn the_file_has_all_of_it_and_no_token() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path().join("new/nic53");
        let mut state = State::default();
        let host = host("s3cr3t", "https://gw");
        set(&mut state, &host, BOTH, 1000);
        state.failed(&host, "dnserr", Longest::OneHour, 1000);
        state.saw(&host.url, "192.0.2.1".parse().unwrap(), 1000);
        let file = StateFile::take(&folder).unwrap();
        assert_eq!(file.read(), Ok(State::default()));
        file.write(&state).unwrap();
        assert_eq!(file.read().as_ref(), Ok(&state));
        assert_eq!(peek(&folder).as_ref(), Ok(&state));
        let text = fs::read_to_string(folder.join("update.json")).unwrap();
        assert!(!text.contains("s3cr3t"), "{text}");
    }

    #[test]
    fn a_damaged_file_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let file = StateFile::take(folder.path()).unwrap();
        for damaged in ["", "{", "7", "{\"gateways\": 1}"] {
            fs::write(folder.path().join("update.json"), damaged).unwrap();
            let error = file.read().unwrap_err();
            assert!(error.contains("update.json") && error.contains("begun anew"), "{damaged}: {error}");
        }
    }
}
