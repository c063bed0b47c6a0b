//! The settings: environment variables, the same for the Lambda and for `nic53`.

mod fleet;

use std::ffi::OsString;

use ipnet::IpNet;
use zeroize::Zeroizing;

pub use self::fleet::{FLEET_VARIABLES, Fleet, FleetState};
use crate::{
    log::Level,
    page::FamilyNames,
    problem::Problem,
    protocol::{
        access::Generations,
        hostname::HostName,
        plan::TtlBounds,
        source::Proxies,
        token::{MIN_SECRET_LENGTH, Secret, Secrets},
        update::Policy,
        zone::Zones,
    },
    secrets,
};

/// A variable of the environment, which `nic53` takes as a flag too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Variable {
    /// Its name, such as `NIC53_ZONES`.
    pub name: &'static str,
    /// What a value looks like.
    pub example: &'static str,
    /// One line for the help text.
    pub help: &'static str,
    /// Whether its value is a secret, so that it is no flag and stands in no message.
    pub secret: bool,
}

impl Variable {
    /// A setting that anybody may read.
    const fn open(name: &'static str, example: &'static str, help: &'static str) -> Self {
        Self { name, example, help, secret: false }
    }

    /// A setting that nobody may read.
    const fn secret(name: &'static str, example: &'static str, help: &'static str) -> Self {
        Self { name, example, help, secret: true }
    }
}

/// Every setting of the gateway. `nic53 serve` has more of its own.
pub const VARIABLES: [Variable; 19] = [
    Variable::open("NIC53_ZONES", "example.org=Z0123ABC,…", "The hosted zones and their ids"),
    Variable::secret("NIC53_SECRET", "43 of base64", "The secret that makes the tokens"),
    Variable::secret("NIC53_SECRET_PREVIOUS", "43 of base64", "The secret before it, still accepted"),
    Variable::open("NIC53_SECRET_FILE", "PATH", "A file that holds the secret"),
    Variable::open("NIC53_SECRET_PREVIOUS_FILE", "PATH", "A file that holds the secret before it"),
    Variable::open("NIC53_SECRET_ARN", "ARN", "The secret in AWS Secrets Manager"),
    Variable::open("NIC53_GENERATIONS", "home.example.org=1,…", "How often a name's tokens were revoked"),
    Variable::open("NIC53_TTL", "SECONDS", "TTL of a new record set [default: 60]"),
    Variable::open("NIC53_TTL_MIN", "SECONDS", "The lowest TTL a request may ask for [default: 60]"),
    Variable::open("NIC53_TTL_MAX", "SECONDS", "The highest TTL a request may ask for [default: 86400]"),
    Variable::open("NIC53_ALLOW_PRIVATE", "true|false", "Whether private addresses may be published [default: false]"),
    Variable::open(
        "NIC53_ALLOW_OFFLINE",
        "true|false",
        "Whether offline=YES may remove a host's addresses [default: false]",
    ),
    Variable::open(
        "NIC53_ALLOW_ACME",
        "true|false",
        "Whether a token may set its host's challenge for a certificate [default: false]",
    ),
    Variable::open(
        "NIC53_QUERY_CREDENTIALS",
        "true|false",
        "Whether credentials may come in the query or form [default: true]",
    ),
    Variable::open("NIC53_TRUSTED_PROXIES", "192.0.2.0/24,…", "Networks whose X-Forwarded-For counts"),
    Variable::secret("NIC53_ORIGIN_SECRET", "text", "What CloudFront carries in X-Nic53-Origin"),
    Variable::open("NIC53_PAGE", "true|false", "Whether browsers are shown the page, at /ui and at / [default: true]"),
    Variable::open("NIC53_FAMILY_NAMES", "ddns.example.org", "The name that has ipv4.NAME and ipv6.NAME beside it"),
    Variable::open("NIC53_LOG", "LEVEL", "off, error (what failed) or info (one line a request) [default: info]"),
];

/// A warning for each variable of the environment that looks like a setting and is none: a mistyped one has no effect.
/// `is_known` knows the names beyond [`VARIABLES`].
pub fn unknown_variables(names: impl Iterator<Item = OsString>, is_known: impl Fn(&str) -> bool) -> Vec<String> {
    let names = names.filter_map(|name| name.into_string().ok());
    let ours = names.filter(|name| name.starts_with("NIC53_") && !name.starts_with("NIC53_TEST_"));
    ours.filter(|name| VARIABLES.iter().all(|variable| variable.name != name) && !is_known(name))
        .map(|name| format!("{name} is set and means nothing to nic53: expected a name that docs/settings.md lists"))
        .collect()
}

/// The settings of the gateway.
#[derive(Clone)]
pub struct Settings {
    /// `NIC53_ZONES`.
    pub zones: Zones,
    /// `NIC53_GENERATIONS`.
    pub generations: Generations,
    /// `NIC53_TTL`, `NIC53_TTL_MIN`, `NIC53_TTL_MAX`.
    pub ttl: TtlBounds,
    /// `NIC53_ALLOW_OFFLINE`.
    pub allow_offline: bool,
    /// `NIC53_ALLOW_ACME`.
    pub allow_acme: bool,
    /// `NIC53_ALLOW_PRIVATE`, `NIC53_QUERY_CREDENTIALS`.
    pub policy: Policy,
    /// `NIC53_TRUSTED_PROXIES`, `NIC53_ORIGIN_SECRET`.
    pub proxies: Proxies,
    /// `NIC53_PAGE`.
    pub page: bool,
    /// `NIC53_FAMILY_NAMES`.
    pub family_names: Option<FamilyNames>,
    /// `NIC53_LOG`.
    pub log: Level,
    /// `NIC53_SECRET…`; `None` if none of them is set.
    pub secret: Option<secrets::Source>,
}

impl Settings {
    /// Reads all settings through `variable`, which looks a name up. An empty value counts as not set.
    ///
    /// # Errors
    ///
    /// If a setting makes no sense: the first such setting.
    pub fn read(variable: impl Fn(&str) -> Option<String>) -> Result<Self, Problem> {
        let reader = Reader { variable: &variable };
        let zones = reader.required("NIC53_ZONES", Zones::parse, "NAME=ZONEID, such as example.org=Z0123ABC")?;
        let generations = reader.optional("NIC53_GENERATIONS", |text| parse_generations(text, &zones))?;
        Ok(Self {
            generations: generations.unwrap_or_default(),
            ttl: reader.ttl()?,
            allow_offline: reader.switch("NIC53_ALLOW_OFFLINE", false)?,
            allow_acme: reader.switch("NIC53_ALLOW_ACME", false)?,
            policy: Policy {
                allow_private: reader.switch("NIC53_ALLOW_PRIVATE", false)?,
                query_credentials: reader.switch("NIC53_QUERY_CREDENTIALS", true)?,
            },
            proxies: Proxies {
                trusted: reader.optional("NIC53_TRUSTED_PROXIES", parse_networks)?.unwrap_or_default(),
                origin_secret: reader.origin_secret()?,
            },
            page: reader.switch("NIC53_PAGE", true)?,
            family_names: reader.optional("NIC53_FAMILY_NAMES", str::parse)?,
            log: reader.optional("NIC53_LOG", str::parse)?.unwrap_or(Level::Info),
            secret: reader.secret()?,
            zones,
        })
    }
}

/// Looks settings up.
struct Reader<'a> {
    /// Gives the value of a name.
    variable: &'a dyn Fn(&str) -> Option<String>,
}

impl Reader<'_> {
    /// The value, if there is one that is not blank.
    fn value(&self, name: &str) -> Option<String> {
        (self.variable)(name).map(|value| value.trim().to_owned()).filter(|value| !value.is_empty())
    }

    /// A setting that may be absent.
    fn optional<T>(&self, name: &str, parse: impl Fn(&str) -> Result<T, String>) -> Result<Option<T>, Problem> {
        let Some(value) = self.value(name) else { return Ok(None) };
        parse(&value).map(Some).map_err(|problem| Problem(format!("{name}={value}: {problem}")))
    }

    /// A setting that must be there.
    fn required<T>(&self, name: &str, parse: impl Fn(&str) -> Result<T, String>, expected: &str) -> Result<T, Problem> {
        self.optional(name, parse)?.ok_or_else(|| Problem(format!("{name} is not set: expected {expected}")))
    }

    /// `true` or `false`.
    fn switch(&self, name: &str, default: bool) -> Result<bool, Problem> {
        let parse = |value: &str| match value.to_ascii_lowercase().as_str() {
            "true" | "yes" | "on" | "1" => Ok(true),
            "false" | "no" | "off" | "0" => Ok(false),
            _ => Err("expected true or false".to_owned()),
        };
        Ok(self.optional(name, parse)?.unwrap_or(default))
    }

    /// The TTL's bounds and default.
    fn ttl(&self) -> Result<TtlBounds, Problem> {
        let seconds = |name, default| {
            let parse = |value: &str| {
                let seconds = value.parse().ok().filter(|seconds| *seconds <= 2_147_483_647_u32);
                seconds.ok_or_else(|| "expected seconds, 0 to 2147483647".to_owned())
            };
            Ok::<u32, Problem>(self.optional(name, parse)?.unwrap_or(default))
        };
        let min = seconds("NIC53_TTL_MIN", 60)?;
        let max = seconds("NIC53_TTL_MAX", 86400)?;
        if min > max {
            return Err(Problem(format!("NIC53_TTL_MIN={min}: expected at most NIC53_TTL_MAX, which is {max}")));
        }
        let default = seconds("NIC53_TTL", 60_u32.clamp(min, max))?;
        if !(min..=max).contains(&default) {
            return Err(Problem(format!(
                "NIC53_TTL={default}: expected {min} to {max}, the bounds of NIC53_TTL_MIN and NIC53_TTL_MAX"
            )));
        }
        Ok(TtlBounds { default, min, max })
    }

    /// What CloudFront carries: whoever guesses it may claim any address.
    fn origin_secret(&self) -> Result<Option<Zeroizing<String>>, Problem> {
        let secret = self.value("NIC53_ORIGIN_SECRET").map(Zeroizing::new);
        let fits = |secret: &Zeroizing<String>| {
            secret.len() >= MIN_SECRET_LENGTH && secret.bytes().all(|byte| byte.is_ascii_graphic())
        };
        match secret {
            Some(secret) if !fits(&secret) => Err(Problem(format!(
                "NIC53_ORIGIN_SECRET: expected at least {MIN_SECRET_LENGTH} printable ASCII characters without white space"
            ))),
            secret => Ok(secret),
        }
    }

    /// The place that the secret comes from. More than one is an error.
    fn secret(&self) -> Result<Option<secrets::Source>, Problem> {
        let text = |name: &str| {
            let secret = self.value(name).map(|value| Secret::new(&value)).transpose();
            secret.map_err(|problem| Problem(format!("{name}: {problem}")))
        };
        let names = ["NIC53_SECRET", "NIC53_SECRET_FILE", "NIC53_SECRET_ARN"];
        let given: Vec<&str> = names.into_iter().filter(|name| self.value(name).is_some()).collect();
        if let [first, second, ..] = given.as_slice() {
            return Err(Problem(format!("{first} and {second} are both set: expected one place for the secret")));
        }
        for (previous, beside) in
            [("NIC53_SECRET_PREVIOUS", "NIC53_SECRET"), ("NIC53_SECRET_PREVIOUS_FILE", "NIC53_SECRET_FILE")]
        {
            if self.value(previous).is_some() && given != [beside] {
                return Err(Problem(format!("{previous} is set: expected {beside} as well")));
            }
        }
        Ok(match given.first() {
            None => None,
            Some(&"NIC53_SECRET") => {
                let previous = text("NIC53_SECRET_PREVIOUS")?;
                text("NIC53_SECRET")?.map(|current| secrets::Source::Text(Secrets { current, previous }.into()))
            }
            Some(&"NIC53_SECRET_FILE") => self.value("NIC53_SECRET_FILE").map(|current| secrets::Source::File {
                current: current.into(),
                previous: self.value("NIC53_SECRET_PREVIOUS_FILE").map(Into::into),
            }),
            Some(_) => self.value("NIC53_SECRET_ARN").map(secrets::Source::SecretsManager),
        })
    }
}

/// Reads `home.example.org=1,www.example.org=3`. A name that no zone holds was mistyped, and its tokens
/// would stay valid.
fn parse_generations(text: &str, zones: &Zones) -> Result<Generations, String> {
    let mut generations = Generations::new();
    for element in elements(text) {
        let parsed = element.split_once('=').and_then(|(name, generation)| {
            Some((name.trim().parse::<HostName>().ok()?, generation.trim().parse().ok()?))
        });
        let (name, generation) =
            parsed.ok_or_else(|| format!("`{element}`: expected NAME=NUMBER, such as home.example.org=1"))?;
        if zones.holding(&name).is_none() {
            return Err(format!("`{element}`: expected a name in one of the configured zones, {zones}"));
        }
        if generations.insert(name, generation).is_some() {
            return Err(format!("`{element}`: expected each name once"));
        }
    }
    Ok(generations)
}

/// Reads `192.0.2.0/24,2001:db8::/32,203.0.113.9`.
fn parse_networks(text: &str) -> Result<Vec<IpNet>, String> {
    let parse = |element: &str| {
        let address = || element.parse().ok().map(|address: std::net::IpAddr| IpNet::from(address));
        let network: Option<IpNet> = element.parse().ok().or_else(address);
        match network {
            Some(network) if network.prefix_len() == 0 => Err(format!(
                "`{element}`: expected the networks of your proxies: with all addresses, anybody could claim any source"
            )),
            Some(network) => Ok(network),
            None => Err(format!("`{element}`: expected a network such as 192.0.2.0/24")),
        }
    };
    elements(text).map(parse).collect()
}

/// The elements of a comma list that are not empty.
fn elements(text: &str) -> impl Iterator<Item = &str> {
    text.split(',').map(str::trim).filter(|element| !element.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFG";

    /// Settings of a zone, the secret and these.
    fn read(given: &[(&str, &str)]) -> Result<Settings, Problem> {
        let base = [("NIC53_ZONES", "example.org=Z1"), ("NIC53_SECRET", SECRET)];
        Settings::read(|name| {
            let found = given.iter().chain(&base).find(|(given, _)| *given == name);
            found.map(|(_, value)| (*value).to_owned())
        })
    }

    /// The error for settings that make no sense.
    fn problem(given: &[(&str, &str)]) -> String {
        read(given).err().map_or_else(|| panic!("{given:?} makes sense"), |error| error.to_string())
    }

    #[test]
    fn settings_that_are_not_given_have_their_defaults() {
        let settings = read(&[]).unwrap();
        assert_eq!(settings.ttl, TtlBounds { default: 60, min: 60, max: 86400 });
        assert!(!settings.allow_offline && !settings.allow_acme);
        assert!(!settings.policy.allow_private && settings.policy.query_credentials);
        assert!(settings.page && settings.family_names.is_none());
        assert_eq!(settings.log, Level::Info);
    }

    #[test]
    fn a_setting_that_makes_no_sense_is_named_with_its_value() {
        for (name, value) in [
            ("NIC53_ZONES", "example.org"),
            ("NIC53_GENERATIONS", "home.example.org"),
            ("NIC53_GENERATIONS", "home.example.org=-1"),
            ("NIC53_GENERATIONS", "home=1"),
            ("NIC53_GENERATIONS", "mistyped.example.net=1"),
            ("NIC53_TTL", "5m"),
            ("NIC53_TTL", "59"),
            ("NIC53_TTL", "86401"),
            ("NIC53_TTL_MIN", "86401"),
            ("NIC53_TTL_MAX", "4294967296"),
            ("NIC53_ALLOW_PRIVATE", "perhaps"),
            ("NIC53_ALLOW_OFFLINE", "2"),
            ("NIC53_ALLOW_ACME", "allowed"),
            ("NIC53_QUERY_CREDENTIALS", "nein"),
            ("NIC53_PAGE", "maybe"),
            ("NIC53_FAMILY_NAMES", "https://ddns.example.org"),
            ("NIC53_TRUSTED_PROXIES", "192.0.2.0/33"),
            ("NIC53_TRUSTED_PROXIES", "192.0.2.0/24,0.0.0.0/0"),
            ("NIC53_TRUSTED_PROXIES", "::/0"),
            ("NIC53_LOG", "loud"),
        ] {
            let problem = problem(&[(name, value)]);
            assert!(problem.starts_with(&format!("{name}={value}")) && problem.contains("expected"), "{problem}");
        }
    }

    #[test]
    fn a_secret_stands_in_no_message() {
        let sentence = "43 characters of base64url, made by: openssl rand -base64 32";
        for secret in ["too-short-a-secret", sentence] {
            for name in ["NIC53_SECRET", "NIC53_SECRET_PREVIOUS", "NIC53_ORIGIN_SECRET"] {
                let problem = problem(&[(name, secret)]);
                assert!(problem.starts_with(name) && problem.contains("expected"), "{problem}");
                assert!(!problem.contains(secret), "{problem}");
            }
        }
    }

    #[test]
    fn the_secret_has_one_source() {
        for given in [
            &[("NIC53_SECRET_FILE", "/x")][..],
            &[("NIC53_SECRET_ARN", "arn:x")],
            &[("NIC53_SECRET", ""), ("NIC53_SECRET_FILE", "/x"), ("NIC53_SECRET_ARN", "arn:x")],
            &[("NIC53_SECRET_PREVIOUS_FILE", "/x")],
            &[("NIC53_SECRET", ""), ("NIC53_SECRET_PREVIOUS", SECRET)],
        ] {
            assert!(problem(given).contains("expected"), "{given:?}");
        }
    }

    #[test]
    fn an_empty_value_counts_as_not_set() {
        assert!(read(&[("NIC53_SECRET", " ")]).unwrap().secret.is_none());
        assert!(problem(&[("NIC53_ZONES", "")]).starts_with("NIC53_ZONES is not set"));
    }
}
