//! Who may set which challenge.

use crate::protocol::{
    access::{Access, Check},
    challenge::{
        self,
        reply::{ChallengeRefusal, ChallengeWord},
    },
    hostname::{HostName, NotFqdn},
    token::Password,
    zone::Zone,
};

/// Permission to edit the challenge of one host. Only a [`Caller`] makes one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChallengeGrant<'a> {
    /// The host.
    host: HostName,
    /// The name of its challenge.
    name: HostName,
    /// The zone that holds both.
    zone: &'a Zone,
}

impl<'a> ChallengeGrant<'a> {
    /// The host.
    pub fn host(&self) -> &HostName {
        &self.host
    }

    /// The name of its challenge: `_acme-challenge.HOST`.
    pub fn name(&self) -> &HostName {
        &self.name
    }

    /// The zone that holds both.
    pub fn zone(&self) -> &'a Zone {
        self.zone
    }
}

/// Whoever asks for a challenge. The user name claims nothing, or the token covers it.
pub struct Caller<'a, 'p> {
    /// The check of the password.
    check: Check<'a, 'p>,
    /// Whether the user name claims a host.
    claims: bool,
}

impl<'a, 'p> Caller<'a, 'p> {
    /// Checks the host that a user name claims, if it claims one.
    ///
    /// # Errors
    ///
    /// `badauth` if the token does not cover it.
    pub fn new(
        access: Access<'a>,
        user: Option<&Result<HostName, NotFqdn>>,
        password: &'p Password,
    ) -> Result<Self, ChallengeRefusal> {
        let mut check = Check::new(access, password);
        match user.map(|user| check.decide(user)) {
            Some(Err(_)) => {
                Err(ChallengeRefusal::new(ChallengeWord::BadAuth, "the token does not cover the user name"))
            }
            Some(Ok(_)) => Ok(Self { check, claims: true }),
            None => Ok(Self { check, claims: false }),
        }
    }

    /// Grants the challenge of a host that the token covers.
    ///
    /// # Errors
    ///
    /// `nohost` if the token does not cover it, or no zone holds both the host and its challenge;
    /// `badauth` if, besides, the user name claims nothing.
    pub fn grant(&mut self, host: HostName) -> Result<ChallengeGrant<'a>, ChallengeRefusal> {
        let Ok(grant) = self.check.grant(&host) else {
            let word = if self.claims { ChallengeWord::NoHost } else { ChallengeWord::BadAuth };
            return Err(ChallengeRefusal::new(
                word,
                "the token does not cover the host, or no configured zone holds it",
            ));
        };
        let zone = grant.zone();
        let name = challenge::name_of(&host).filter(|name| self.check.zones().holding(name) == Some(zone));
        match name {
            Some(name) => Ok(ChallengeGrant { host, name, zone }),
            None => Err(ChallengeRefusal::new(ChallengeWord::NoHost, "the challenge name is a zone of its own")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::{
        access::Generations,
        token::{Scope, Secret, Secrets},
        zone::Zones,
    };

    /// The decision on a host for whoever has this token, in a word.
    fn decided((scope, at): (Scope, &str), user: Option<&str>, host: &str) -> String {
        let zones = Zones::parse("example.org=Z1,inner.example.org=Z2,_acme-challenge.cut.example.org=Z3").unwrap();
        let current = Secret::new(&"a".repeat(40)).unwrap_or_else(|error| panic!("{error}"));
        let secrets = Secrets { current, previous: None };
        let generations = Generations::new();
        let at: HostName = at.parse().unwrap();
        let token = secrets.current.mint(scope, &at, zones.holding(&at).unwrap(), 0);
        let access = Access { zones: &zones, secrets: &secrets, generations: &generations };
        let password = Password::new(token.reveal()).unwrap();
        let user = user.map(str::parse);
        let granted =
            Caller::new(access, user.as_ref(), &password).map_err(|refusal| format!("user {}", refusal.word.word()));
        let granted = granted.and_then(|mut caller| {
            caller.grant(host.parse().unwrap()).map_err(|refusal| refusal.word.word().to_owned())
        });
        granted.map_or_else(|word| word, |grant| format!("{} in {}", grant.name(), grant.zone().id))
    }

    #[test]
    fn a_token_that_covers_a_host_covers_its_challenge() {
        let own = (Scope::Host, "home.example.org");
        let tree = (Scope::Subtree, "example.org");
        for (token, user, host, expected) in [
            (own, Some("home.example.org"), "home.example.org", "_acme-challenge.home.example.org in Z1"),
            (own, None, "home.example.org", "_acme-challenge.home.example.org in Z1"),
            (own, Some("home.example.org"), "a.home.example.org", "nohost"),
            (own, None, "a.home.example.org", "badauth"),
            (own, None, "home.example.com", "badauth"),
            (own, Some("nas.example.org"), "home.example.org", "user badauth"),
            (own, Some("a..b"), "home.example.org", "user badauth"),
            (own, Some("_acme-challenge.home.example.org"), "home.example.org", "user badauth"),
            (tree, Some("a.example.org"), "b.example.org", "_acme-challenge.b.example.org in Z1"),
            (tree, Some("example.org"), "example.org", "_acme-challenge.example.org in Z1"),
            (tree, Some("example.org"), "x.inner.example.org", "nohost"),
            // The token covers the host; the challenge name is another zone's apex.
            (tree, None, "cut.example.org", "nohost"),
            (tree, None, "1.2.3.4.5.6.7.8.9.10.example.org", "_acme-challenge.1.2.3.4.5.6.7.8.9.10.example.org in Z1"),
            (tree, None, "1.2.3.4.5.6.7.8.9.10.11.example.org", "badauth"),
            ((Scope::Host, "*.home.example.org"), None, "home.example.org", "badauth"),
        ] {
            assert_eq!(decided(token, user, host), expected, "{token:?} {user:?} {host}");
        }
    }
}
