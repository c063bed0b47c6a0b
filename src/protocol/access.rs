//! Who may change which host.

use std::collections::HashMap;

use subtle::Choice;

use crate::protocol::{
    hostname::{HostName, NotFqdn},
    reply::{Refusal, ReturnCode},
    token::{Password, Scope, Secrets},
    update::{MAX_HOSTS, Update},
    zone::{Zone, Zones},
};

/// Leave to change one host. Only [`Access`] makes one.
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

/// How often the tokens minted at a name were revoked (`NIC53_GENERATIONS`); 0 where it is not in.
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
    /// Decides on each host of an update by itself, in the order asked.
    ///
    /// # Errors
    ///
    /// The refusal that answers the whole request, once: `badauth`, `numhost` or `notfqdn`.
    pub fn authorize(self, update: &Update) -> Result<Vec<Result<Grant<'a>, Refusal>>, Refusal> {
        let refuse = |code, reason| Err(Refusal { code, reason });
        let claimed = match &update.user {
            None => None,
            Some(user) => match user.as_ref().map(|user| self.grant(user, &update.password)) {
                Ok(Ok(grant)) => Some(grant),
                Ok(Err(_)) | Err(_) => {
                    return refuse(ReturnCode::BadAuth, "the token does not cover the user name");
                }
            },
        };
        if update.hosts.len() > MAX_HOSTS {
            return refuse(ReturnCode::NumHost, "more than 20 hosts");
        }
        let decide = |host: &Result<HostName, NotFqdn>| match &claimed {
            // As a rule the user name is the host, and was just looked at.
            Some(claimed) if host.as_ref() == Ok(&claimed.host) => Ok(claimed.clone()),
            _ => self.decide(host, &update.password),
        };
        let grants: Vec<_> = update.hosts.iter().map(decide).collect();
        if claimed.is_none() && !grants.iter().any(Result::is_ok) {
            return refuse(ReturnCode::BadAuth, "the token covers none of the hosts");
        }
        if grants.is_empty() {
            return refuse(ReturnCode::NotFqdn, "no host");
        }
        Ok(grants.into_iter().map(|grant| in_zone(grant?, update.zone_id.as_deref())).collect())
    }

    /// Leave to change this host, where the password is a token that covers it.
    ///
    /// # Errors
    ///
    /// `nohost`, where it is not or no zone holds the host.
    pub fn grant(self, host: &HostName, password: &Password) -> Result<Grant<'a>, Refusal> {
        let refusal = |reason| Refusal { code: ReturnCode::NoHost, reason };
        let zone = self.zones.holding(host).ok_or(refusal("no configured zone holds it"))?;
        if bool::from(self.covers(host, zone, password)) {
            Ok(Grant { host: host.clone(), zone })
        } else {
            Err(refusal("the token does not cover it"))
        }
    }

    /// Leave to change a host as it was asked for.
    fn decide(self, host: &Result<HostName, NotFqdn>, password: &Password) -> Result<Grant<'a>, Refusal> {
        match host {
            Ok(host) => self.grant(host, password),
            Err(NotFqdn) => Err(Refusal { code: ReturnCode::NotFqdn, reason: "not a fully qualified name" }),
        }
    }

    /// Whether the password is the host's own token, or a subtree token of the host or of an
    /// ancestor of it in the zone, under any secret. All of them are compared, always.
    fn covers(self, host: &HostName, zone: &Zone, password: &Password) -> Choice {
        let own = std::iter::once((Scope::Host, host.clone()));
        let subtrees = host
            .ancestry()
            .filter(|name| name.is_within(&zone.name) && !name.is_wildcard())
            .map(|name| (Scope::Subtree, name));
        let mut covered = Choice::from(0);
        for (scope, name) in own.chain(subtrees) {
            let generation = self.generations.get(&name).copied().unwrap_or(0);
            for secret in self.secrets.iter() {
                covered |= password.is(&secret.mint(scope, &name, zone, generation));
            }
        }
        covered
    }
}

/// The grant, where its zone is the one that the request names, if it names one.
fn in_zone<'a>(grant: Grant<'a>, zone_id: Option<&str>) -> Result<Grant<'a>, Refusal> {
    match zone_id {
        Some(id) if id != grant.zone.id => {
            Err(Refusal { code: ReturnCode::NoHost, reason: "zoneid names another zone" })
        }
        _ => Ok(grant),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::token::Secret;

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

    /// What a request of the holder of `a.example.org`'s subtree token is told: a word for each host,
    /// or one for all.
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
            zone_id: zone_id.map(str::to_owned),
            desired: Err("nothing is asked for"),
            ttl: None,
        };
        let access = Access { zones: &zones, secrets: &secrets, generations: &generations };
        match access.authorize(&update) {
            Err(refusal) => format!("all: {}", refusal.code),
            Ok(decisions) => {
                let word = |decision: &Result<Grant<'_>, Refusal>| match decision {
                    Ok(grant) => format!("{} in {}", grant.host(), grant.zone().id),
                    Err(refusal) => refusal.code.to_string(),
                };
                decisions.iter().map(word).collect::<Vec<_>>().join(", ")
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
            (Some("a.example.org"), &[], None, "all: notfqdn"),
            (Some("b.example.org"), &["a.example.org"], None, "all: badauth"),
            (Some("a..b"), &["a.example.org"], None, "all: badauth"),
            (None, &twenty, None, &all),
            (None, &more, None, "all: numhost"),
            (Some("b.example.org"), &more, None, "all: badauth"),
            (None, &["a.example.org"], Some("Z1"), "a.example.org in Z1"),
            (None, &["a.example.org"], Some("Z2"), "nohost"),
            (Some("a.example.org"), &["a.example.org"], Some("Z2"), "nohost"),
        ] {
            assert_eq!(decided(user, hosts, zone_id), expected, "{user:?} {hosts:?} {zone_id:?}");
        }
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
    fn the_previous_secret_and_no_other_is_accepted_beside_the_current() {
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
