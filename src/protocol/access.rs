//! Who may change which host.

use std::collections::{HashMap, hash_map::Entry};

use subtle::Choice;

use crate::protocol::{
    challenge,
    hostname::{HostName, NotFqdn},
    reply::{Refusal, ReturnCode},
    token::{Password, Scope, Secret, Secrets, scopes},
    update::{MAX_HOSTS, Update},
    zone::{Zone, Zones},
};

/// Permission to change one host. Only [`Access`] makes one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant<'a> {
    /// The host that may be changed.
    host: HostName,
    /// The zone that holds it.
    zone: &'a Zone,
}

impl<'a> Grant<'a> {
    /// The host that may be changed.
    pub fn host(&self) -> &HostName {
        &self.host
    }

    /// The zone that holds it.
    pub fn zone(&self) -> &'a Zone {
        self.zone
    }
}

/// The decision on an update that is not refused as a whole.
#[derive(Debug)]
pub struct Authorized<'a> {
    /// The one zone that the update may write to.
    pub zone: &'a Zone,
    /// The decision on each host, in the order asked. Each grant is in the zone.
    pub hosts: Vec<Result<Grant<'a>, Refusal>>,
}

/// How often the tokens minted at a name were revoked (`NIC53_GENERATIONS`); 0 for any other name.
pub type Generations = HashMap<HostName, u32>;

/// Everything that decides who is let in.
#[derive(Clone, Copy)]
pub struct Access<'a> {
    /// The zones we write to.
    pub zones: &'a Zones,
    /// The secrets that tokens may be minted under.
    pub secrets: &'a Secrets,
    /// The generation of each name's tokens.
    pub generations: &'a Generations,
}

impl<'a> Access<'a> {
    /// Decides on each host of an update.
    ///
    /// # Errors
    ///
    /// The refusal that answers the whole request, once: `badauth` or `numhost`.
    pub fn authorize(self, update: &Update) -> Result<Authorized<'a>, Refusal> {
        let mut check = Check::new(self, &update.password);
        let claimed = match &update.user {
            None => None,
            Some(user) => match check.decide(user) {
                Ok(grant) => Some(grant),
                Err(_) => return Err(Refusal::new(ReturnCode::BadAuth, "the token does not cover the user name")),
            },
        };
        if update.host_count > MAX_HOSTS {
            return Err(Refusal::new(ReturnCode::NumHost, format!("more than {MAX_HOSTS} hosts")));
        }
        let hosts: Vec<_> = update.hosts.iter().map(|host| check.decide(host)).collect();
        let Some(zone) = claimed.iter().chain(hosts.iter().flatten()).next().map(Grant::zone) else {
            return Err(Refusal::new(ReturnCode::BadAuth, "the token covers none of the hosts"));
        };
        let hosts = hosts.into_iter().map(|host| may_change(host?, zone, update.zone_id.as_deref())).collect();
        Ok(Authorized { zone, hosts })
    }

    /// Grants a host if the password is a token that covers it.
    ///
    /// # Errors
    ///
    /// `nohost` if the token does not cover the host or no zone contains it.
    pub fn grant(self, host: &HostName, password: &Password) -> Result<Grant<'a>, Refusal> {
        Check::new(self, password).grant(host)
    }

    /// Whether the password is the token of a scope at a name in a zone, under any secret. All of them
    /// are compared, always, so the time does not show which one nearly fits.
    fn is_token(self, password: &Password, scope: Scope, name: &HostName, zone: &Zone) -> Choice {
        let generation = self.generations.get(name).copied().unwrap_or(0);
        let compare = |secret: &Secret| password.is(&secret.mint(scope, name, zone, generation));
        self.secrets.iter().map(compare).fold(Choice::from(0), |one, other| one | other)
    }
}

/// The check of one password against the hosts of a request. Each token is computed once a request,
/// whether or not the password is right: the hosts of one zone have ancestors in common.
pub(in crate::protocol) struct Check<'a, 'p> {
    /// What decides.
    access: Access<'a>,
    /// The password.
    password: &'p Password,
    /// Whether the password is the token, by scope and name. The zone follows from the name.
    compared: HashMap<(Scope, HostName), Choice>,
}

impl<'a, 'p> Check<'a, 'p> {
    /// Begins to check a password.
    pub(in crate::protocol) fn new(access: Access<'a>, password: &'p Password) -> Self {
        Self { access, password, compared: HashMap::new() }
    }

    /// The zones we write to.
    pub(in crate::protocol) fn zones(&self) -> &'a Zones {
        self.access.zones
    }

    /// Grants a host as it was asked for.
    pub(in crate::protocol) fn decide(&mut self, host: &Result<HostName, NotFqdn>) -> Result<Grant<'a>, Refusal> {
        match host {
            Ok(host) => self.grant(host),
            Err(NotFqdn) => Err(Refusal::new(ReturnCode::NotFqdn, "not a fully qualified name")),
        }
    }

    /// Grants a host if the password is a token that covers it.
    pub(in crate::protocol) fn grant(&mut self, host: &HostName) -> Result<Grant<'a>, Refusal> {
        let zone = self.access.zones.holding(host).ok_or(no_host("no configured zone holds it"))?;
        let mut covered = Choice::from(0);
        for (scope, name) in scopes(host, zone) {
            covered |= match self.compared.entry((scope, name)) {
                Entry::Occupied(known) => *known.get(),
                Entry::Vacant(new) => {
                    let (scope, name) = new.key();
                    let is_token = self.access.is_token(self.password, *scope, name, zone);
                    *new.insert(is_token)
                }
            };
        }
        let covered = covered.into();
        if covered { Ok(Grant { host: host.clone(), zone }) } else { Err(no_host("the token does not cover it")) }
    }
}

/// The grant, if its host may have addresses: it is in the zone of the update, and in the one that the
/// request names, if it names one.
fn may_change<'a>(grant: Grant<'a>, zone: &Zone, zone_id: Option<&str>) -> Result<Grant<'a>, Refusal> {
    // A token is bound to a zone's id, so this takes two configured zones of one id.
    if grant.zone != zone {
        return Err(no_host("it is in another zone than the hosts before it"));
    }
    if zone_id.is_some_and(|id| id.parse().as_ref() != Ok(&zone.id)) {
        return Err(no_host("zoneid names another zone"));
    }
    if grant.host.labels().next() == Some(challenge::LABEL) {
        return Err(no_host("it is for the TXT records of certificates (ACME), never an address"));
    }
    Ok(grant)
}

/// `nohost` for this reason.
fn no_host(reason: &'static str) -> Refusal {
    Refusal::new(ReturnCode::NoHost, reason)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ZONES: &str = "example.org=Z1,home.example.org=Z2,example.com=Z1";

    fn secrets() -> Secrets {
        let secret = |letter: &str| Secret::new(&letter.repeat(40)).unwrap_or_else(|error| panic!("{error}"));
        Secrets { current: secret("a"), previous: Some(secret("b")) }
    }

    /// Whether a token minted as the words say covers the host.
    fn covers(secret: &Secret, scope: Scope, name: &str, generation: u32, host: &str) -> bool {
        let zones = Zones::parse(ZONES).unwrap();
        let secrets = secrets();
        let generations = Generations::from([("old.example.org".parse().unwrap(), 2)]);
        let name: HostName = name.parse().unwrap();
        let token = secret.mint(scope, &name, zones.holding(&name).unwrap(), generation);
        let access = Access { zones: &zones, secrets: &secrets, generations: &generations };
        access.grant(&host.parse().unwrap(), &Password::new(token.reveal()).unwrap()).is_ok()
    }

    /// The decision on a request with the subtree token of `a.example.org`: a word for each host, or
    /// one for all.
    fn decided(user: Option<&str>, hosts: &[&str], zone_id: Option<&str>) -> String {
        let zones = Zones::parse(ZONES).unwrap();
        let secrets = secrets();
        let generations = Generations::new();
        let name = "a.example.org".parse().unwrap();
        let token = secrets.current.mint(Scope::Subtree, &name, zones.holding(&name).unwrap(), 0);
        let update = Update {
            user: user.map(str::parse),
            password: Password::new(token.reveal()).unwrap(),
            hosts: hosts.iter().map(|host| host.parse()).collect(),
            host_count: hosts.len(),
            zone_id: zone_id.map(str::to_owned),
        };
        let access = Access { zones: &zones, secrets: &secrets, generations: &generations };
        match access.authorize(&update) {
            Err(refusal) => format!("all: {}", refusal.code),
            Ok(Authorized { zone, hosts }) => {
                assert_eq!(zone.name.as_str(), "example.org");
                let word = |decision: &Result<Grant<'_>, Refusal>| match decision {
                    Ok(grant) => format!("{} in {}", grant.host(), grant.zone().id),
                    Err(refusal) => refusal.code.to_string(),
                };
                hosts.iter().map(word).collect::<Vec<_>>().join(", ")
            }
        }
    }

    #[test]
    fn each_host_is_decided_on_by_itself_and_the_whole_request_once() {
        let twenty = ["a.example.org"; 20];
        let more = ["a.example.org"; 21];
        let all = ["a.example.org in Z1"; 20].join(", ");
        for (user, hosts, zone_id, expected) in [
            (None, &["a.example.org"][..], None, "a.example.org in Z1"),
            (None, &["x.a.example.org", "b.example.org", "a..b"], None, "x.a.example.org in Z1, nohost, notfqdn"),
            (None, &["b.example.org", "a..b"], None, "all: badauth"),
            (None, &[], None, "all: badauth"),
            (Some("a.example.org"), &["a.example.org"], None, "a.example.org in Z1"),
            (Some("a.example.org"), &["x.a.example.org", "b.example.org"], None, "x.a.example.org in Z1, nohost"),
            (Some("x.a.example.org"), &["a.example.org"], None, "a.example.org in Z1"),
            (Some("a.example.org"), &["b.example.org"], None, "nohost"),
            (None, &["_acme-challenge.a.example.org"], None, "nohost"),
            (None, &["x._acme-challenge.a.example.org"], None, "x._acme-challenge.a.example.org in Z1"),
            (None, &["1.2.3.4.5.6.7.8.9.a.example.org"], None, "1.2.3.4.5.6.7.8.9.a.example.org in Z1"),
            (None, &["0.1.2.3.4.5.6.7.8.9.a.example.org"], None, "all: badauth"),
            (Some("0.1.2.3.4.5.6.7.8.9.a.example.org"), &["a.example.org"], None, "all: badauth"),
            (Some("b.example.org"), &["a.example.org"], None, "all: badauth"),
            (Some("a..b"), &["a.example.org"], None, "all: badauth"),
            (None, &twenty, None, &all),
            (None, &more, None, "all: numhost"),
            (Some("b.example.org"), &more, None, "all: badauth"),
            (None, &["a.example.org"], Some("Z1"), "a.example.org in Z1"),
            (None, &["a.example.org"], Some("Z2"), "nohost"),
            (Some("a.example.org"), &["a.example.org"], Some("/hostedzone/Z1"), "a.example.org in Z1"),
            (Some("a.example.org"), &["a.example.org"], Some("Z2"), "nohost"),
            (Some("a.example.org"), &["a.example.org"], Some("Z 1"), "nohost"),
        ] {
            assert_eq!(decided(user, hosts, zone_id), expected, "{user:?} {hosts:?} {zone_id:?}");
        }
    }

    #[test]
    fn a_grant_of_another_zone_than_the_first_is_nohost() {
        let zones = Zones::parse(ZONES).unwrap();
        let [first, other] =
            ["a.example.org", "a.example.com"].map(|host| zones.holding(&host.parse().unwrap()).unwrap());
        assert_eq!(first.id, other.id, "the only way to be covered by one token");
        let grant = Grant { host: "a.example.com".parse().unwrap(), zone: other };
        assert_eq!(may_change(grant.clone(), other, None), Ok(grant.clone()));
        assert_eq!(may_change(grant, first, None).map_err(|refusal| refusal.code), Err(ReturnCode::NoHost));
    }

    #[test]
    fn a_token_covers_its_scope_and_nothing_else() {
        let secrets = secrets();
        for (scope, name, host, covered) in [
            (Scope::Host, "a.example.org", "a.example.org", true),
            (Scope::Host, "a.example.org", "b.example.org", false),
            (Scope::Host, "a.example.org", "b.a.example.org", false),
            (Scope::Host, "a.example.org", "*.a.example.org", false),
            (Scope::Host, "*.a.example.org", "*.a.example.org", true),
            (Scope::Host, "*.a.example.org", "b.a.example.org", false),
            (Scope::Host, "example.org", "example.org", true),
            (Scope::Host, "example.org", "example.com", false),
            (Scope::Subtree, "a.example.org", "a.example.org", true),
            (Scope::Subtree, "a.example.org", "c.b.a.example.org", true),
            (Scope::Subtree, "a.example.org", "*.a.example.org", true),
            (Scope::Subtree, "*.a.example.org", "*.a.example.org", false),
            (Scope::Subtree, "a.example.org", "ba.example.org", false),
            (Scope::Subtree, "a.example.org", "example.org", false),
            (Scope::Subtree, "example.org", "x.example.org", true),
            (Scope::Subtree, "example.org", "*.example.org", true),
            // Another zone holds it, though the name is below.
            (Scope::Subtree, "example.org", "x.home.example.org", false),
            (Scope::Subtree, "home.example.org", "x.home.example.org", true),
            (Scope::Subtree, "home.example.org", "example.org", false),
        ] {
            let shown = format!("{scope:?} {name} {host}");
            assert_eq!(covers(&secrets.current, scope, name, 0, host), covered, "{shown}");
        }
    }

    #[test]
    fn the_current_and_the_previous_secret_are_accepted_and_no_other() {
        let secrets = secrets();
        let foreign = Secret::new(&"c".repeat(40)).unwrap_or_else(|error| panic!("{error}"));
        for (secret, covered) in [(secrets.previous.as_ref().unwrap(), true), (&foreign, false)] {
            assert_eq!(covers(secret, Scope::Host, "a.example.org", 0, "a.example.org"), covered);
        }
    }

    #[test]
    fn a_generation_revokes_the_tokens_of_its_name_only() {
        let secrets = secrets();
        for (scope, name, generation, host, covered) in [
            (Scope::Host, "old.example.org", 0, "old.example.org", false),
            (Scope::Host, "old.example.org", 1, "old.example.org", false),
            (Scope::Host, "old.example.org", 2, "old.example.org", true),
            (Scope::Subtree, "old.example.org", 0, "x.old.example.org", false),
            (Scope::Subtree, "old.example.org", 2, "x.old.example.org", true),
            (Scope::Subtree, "example.org", 0, "old.example.org", true),
            (Scope::Host, "x.old.example.org", 0, "x.old.example.org", true),
            (Scope::Host, "a.example.org", 2, "a.example.org", false),
        ] {
            let shown = format!("{scope:?} {name} {generation} {host}");
            assert_eq!(covers(&secrets.current, scope, name, generation, host), covered, "{shown}");
        }
    }
}
