//! What holds whatever is given: who is let in, which zone, prefixes, plans and replies, each held
//! against a formula of its own. The cases are the same each time; `NIC53_THOROUGH` makes more.

use std::{
    cell::Cell,
    collections::{BTreeMap, BTreeSet},
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

use crate::support::{
    fake_route53::{FakeRoute53, Operation},
    front_end, gateway,
    results::{iterations, record},
};
use aws_config::SdkConfig;
use base64::prelude::{BASE64_STANDARD, Engine};
use http::{Request, header::AUTHORIZATION};
use ipnet::IpNet;
use nic53::{
    aws,
    gateway::Gateway,
    protocol::{
        access::{Access, Generations},
        address::{ByFamily, Family, is_publishable},
        desired::{Desired, Target},
        element::{Element, Prefix},
        hostname::HostName,
        parameters::Body,
        plan::{Plan, TtlBounds},
        record::{Action, Current, RecordSet},
        reply::ReturnCode,
        token::{Password, Scope, Secret, Secrets},
        zone::{Zone, Zones},
    },
    store::route53::Route53,
};
use proptest::{
    collection::{btree_map, vec},
    prelude::*,
    sample::{Index, select, subsequence},
    test_runner::{RngSeed, TestCaseResult, TestRunner},
};

/// Tries a property on the first number of cases, or the second in the long form. The first that does not
/// hold is made as small as it can be and shown.
fn holds<S: Strategy>(what: &str, cases: [u32; 2], given: &S, property: impl Fn(S::Value) -> TestCaseResult) {
    let cases = iterations(cases[0], cases[1]);
    let config = ProptestConfig {
        cases,
        // The same cases on every machine: what fails here becomes a row of a table.
        rng_seed: RngSeed::Fixed(53),
        failure_persistence: None,
        max_shrink_iters: 4_096,
        max_global_rejects: 16 * cases,
        ..ProptestConfig::default()
    };
    if let Err(error) = TestRunner::new(config).run(given, property) {
        panic!("{what}: {error}");
    }
    record("Properties", what, &format!("{cases} cases, no counterexample"));
}

/// How often each of two outcomes was seen: a property that only ever saw one has shown little.
#[derive(Default)]
struct Seen {
    /// Yes, and no.
    counts: [Cell<u32>; 2],
}

impl Seen {
    /// One more.
    fn note(&self, yes: bool) {
        let count = &self.counts[usize::from(!yes)];
        count.set(count.get() + 1);
    }

    /// Whether each was a tenth of all at least.
    fn is_balanced(&self) -> bool {
        let [yes, no] = self.counts.each_ref().map(Cell::get);
        10 * yes.min(no) >= yes + no
    }
}

// Who is let in.

/// Labels that begin and end with each other.
const LABELS: [&str; 9] = ["a", "aa", "ab", "ba", "b", "a-b", "_a", "1", "12"];

/// A name of this many labels; below a wildcard, sometimes.
fn name(labels: std::ops::RangeInclusive<usize>) -> impl Strategy<Value = String> {
    (vec(select(&LABELS[..]), labels), prop::bool::weighted(0.1)).prop_map(|(labels, wildcard)| {
        let name = labels.join(".");
        if wildcard { format!("*.{name}") } else { name }
    })
}

/// Zone ids, whatever the settings allow in them.
fn zone_id() -> impl Strategy<Value = String> {
    prop_oneof![
        select(&["Z", "z", "Z1", "Z12", "1", "0", "12", "-", "_"][..]).prop_map(str::to_owned),
        "[Zz0-9_-]{1,32}"
    ]
}

/// Zones that lie in each other and beside each other, by name.
fn zones() -> impl Strategy<Value = BTreeMap<String, String>> {
    btree_map(vec(select(&LABELS[..]), 2..=4).prop_map(|labels| labels.join(".")), zone_id(), 1..=4)
}

/// As `NIC53_ZONES` has them.
fn parse_zones(zones: &BTreeMap<String, String>) -> Zones {
    let zones: Vec<_> = zones.iter().map(|(name, id)| format!("{name}={id}")).collect();
    Zones::parse(&zones.join(",")).expect("zones")
}

/// A host name that is one.
fn host(name: &str) -> HostName {
    name.parse().unwrap_or_else(|_| panic!("{name} is no host name"))
}

/// Whether a name is another or ends with its labels.
fn ends_with_labels(name: &str, of: &str) -> bool {
    let labels: Vec<_> = name.split('.').rev().collect();
    let last: Vec<_> = of.split('.').rev().collect();
    labels.len() >= last.len() && labels[..last.len()] == last[..]
}

/// The zone of a name: take labels off its left until a zone is left.
fn zone_of<'a>(name: &str, zones: &'a BTreeMap<String, String>) -> Option<(&'a String, &'a String)> {
    let labels: Vec<_> = name.split('.').collect();
    (0..labels.len()).find_map(|first| zones.get_key_value(&labels[first..].join(".")))
}

#[test]
fn a_host_is_in_the_longest_zone_that_it_ends_with() {
    let seen = Seen::default();
    let given = (zones(), name(1..=4), any::<Index>(), any::<bool>());
    holds("zone choice", [800, 50_000], &given, |(zones, name, index, below)| {
        let apex = index.get(&zones.keys().collect::<Vec<_>>()).as_str();
        // Else hardly any would be in a zone. Without the dot, it is another name.
        let name = if below { format!("{name}.{apex}") } else { format!("{name}{apex}") };
        let parsed = parse_zones(&zones);
        let found = parsed.holding(&host(&name)).map(|zone| (zone.name.to_string(), zone.id.to_string()));
        let expected = zone_of(&name, &zones).map(|(name, id)| (name.clone(), id.clone()));
        seen.note(expected.is_some());
        if let Some((zone, _)) = &found {
            prop_assert!(ends_with_labels(&name, zone));
        }
        prop_assert_eq!(found, expected);
        Ok(())
    });
    assert!(seen.is_balanced(), "{:?}", seen.counts);
}

/// The secrets by number; 0 is the current one and 1 the one before it.
const SECRETS: [&str; 3] = [
    "0123456789abcdefghijklmnopqrstuvwxyzABCDEFG",
    "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGH",
    "0123456789abcdefghijklmnopqrstuvwxyzABCDEF",
];

/// A secret by its number.
fn secret(number: usize) -> Secret {
    Secret::new(SECRETS[number]).expect("a secret")
}

/// All that a token is minted from.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Minted {
    /// What it covers.
    scope: Scope,
    /// Where.
    name: String,
    /// The zone's id.
    zone_id: String,
    /// The generation.
    generation: u32,
    /// The secret's number.
    secret: usize,
}

impl Minted {
    /// The token.
    fn token(&self) -> String {
        let zone = Zone { name: host("not.looked.at"), id: self.zone_id.parse().expect("an id") };
        secret(self.secret).mint(self.scope, &host(&self.name), &zone, self.generation).reveal().to_owned()
    }
}

/// Either scope.
fn scope() -> impl Strategy<Value = Scope> {
    select(&[Scope::Host, Scope::Subtree][..])
}

#[test]
fn no_two_tokens_are_the_same() {
    // Digits go from the end of a name through a zone's id into the generation.
    let cut = |digits: &str, (first, second): (Index, Index)| {
        let (first, second) = (first.index(digits.len() - 1), second.index(digits.len() - 1));
        let (first, second) = (first.min(second), first.max(second) + 1);
        let generation = digits[second..].trim_start_matches('0').parse().unwrap_or(0);
        (format!("a.b{}", &digits[..first]), digits[first..second].to_owned(), generation)
    };
    let cuts = (any::<Index>(), any::<Index>());
    let given = ("[0-2]{2,9}", [cuts.clone(), cuts], [scope(), scope()], [0..3_usize, 0..3], prop::option::of(0..6_u8));
    holds("tokens of different making differ", [2_000, 100_000], &given, |(digits, cuts, scopes, secrets, near)| {
        let [mut one, mut other] = [0, 1].map(|which: usize| {
            let (name, zone_id, generation) = cut(&digits, cuts[which]);
            Minted { scope: scopes[which], name, zone_id, generation, secret: secrets[which] }
        });
        if let Some(near) = near {
            // All but one thing is the same.
            other = one.clone();
            match near {
                0 => other.generation = 10 * one.generation + 2,
                1 => other.zone_id.push('1'),
                2 => {
                    one.zone_id.push('Z');
                    other.zone_id.push('z');
                }
                3 => other.name.push('0'),
                4 => other.secret = (one.secret + 1) % 3,
                _ => other.scope = if one.scope == Scope::Host { Scope::Subtree } else { Scope::Host },
            }
        }
        prop_assert_eq!(one == other, one.token() == other.token(), "{:?} and {:?}", one, other);
        Ok(())
    });
}

/// A way to ask for a token that is nearly the one wanted.
#[derive(Clone, Debug)]
enum Twist {
    /// The other scope.
    Scope,
    /// The name without its first label.
    Parent,
    /// A name with one more label.
    Child(&'static str),
    /// A name with a letter more at its front, so that it ends the same way.
    LongerLabel,
    /// The name below a wildcard, or without it.
    Wildcard,
    /// Another generation.
    Generation(u32),
    /// Another secret.
    Secret(usize),
    /// The id of another zone, configured or not.
    ZoneId(String),
    /// The next zone's id.
    NextZone(Index),
}

/// Any of them.
fn twist() -> impl Strategy<Value = Twist> {
    prop_oneof![
        3 => Just(Twist::Scope),
        3 => Just(Twist::Parent),
        2 => select(&LABELS[..]).prop_map(Twist::Child),
        1 => Just(Twist::LongerLabel),
        2 => Just(Twist::Wildcard),
        1 => (0..13_u32).prop_map(Twist::Generation),
        2 => (0..3_usize).prop_map(Twist::Secret),
        1 => zone_id().prop_map(Twist::ZoneId),
        1 => any::<Index>().prop_map(Twist::NextZone),
    ]
}

/// The token of a host, twisted.
fn twisted(
    host: &str,
    zones: &BTreeMap<String, String>,
    generations: &BTreeMap<String, u32>,
    twists: &[Twist],
) -> Minted {
    let zone_id = zone_of(host, zones).expect("a zone").1.clone();
    let mut minted = Minted { scope: Scope::Host, name: host.to_owned(), zone_id, generation: 0, secret: 0 };
    for twist in twists {
        match twist {
            Twist::Scope => minted.scope = if minted.scope == Scope::Host { Scope::Subtree } else { Scope::Host },
            Twist::Parent => {
                let parent = minted.name.split_once('.').filter(|(_, parent)| parent.contains('.'));
                minted.name = parent.map_or_else(|| minted.name.clone(), |(_, parent)| parent.to_owned());
            }
            Twist::Child(label) if !minted.name.starts_with('*') => minted.name = format!("{label}.{}", minted.name),
            Twist::LongerLabel if !minted.name.starts_with(['*', '-']) => minted.name = format!("a{}", minted.name),
            Twist::Wildcard => {
                let parent = minted.name.strip_prefix("*.").filter(|parent| parent.contains('.')).map(str::to_owned);
                minted.name = match parent {
                    Some(parent) => parent,
                    None if minted.name.starts_with('*') => minted.name,
                    None => format!("*.{}", minted.name),
                };
            }
            Twist::Child(_) | Twist::LongerLabel | Twist::Generation(_) => {}
            Twist::Secret(secret) => minted.secret = *secret,
            Twist::ZoneId(id) => minted.zone_id.clone_from(id),
            Twist::NextZone(index) => {
                let ids: Vec<_> = zones.values().collect();
                minted.zone_id.clone_from(ids[index.index(ids.len())]);
            }
        }
    }
    // The generation of the name it has now, unless that is twisted.
    minted.generation = generations.get(&minted.name).copied().unwrap_or(0);
    for twist in twists {
        if let Twist::Generation(generation) = twist {
            minted.generation = *generation;
        }
    }
    minted
}

#[test]
fn a_token_is_good_for_what_it_was_minted_for_and_nothing_else() {
    let seen = Seen::default();
    let given = (
        zones(),
        (name(1..=3), any::<Index>(), prop::bool::weighted(0.1)),
        vec((any::<Index>(), 0..13_u32), 0..3),
        vec(twist(), 0..4),
        any::<bool>(),
    );
    holds("token scopes", [2_000, 100_000], &given, |(zones, (name, index, apex), generations, twists, previous)| {
        let zone = index.get(&zones.keys().collect::<Vec<_>>()).as_str();
        let asked = if apex { zone.to_owned() } else { format!("{name}.{zone}") };
        // Generations of the name and those above it.
        let ancestry: Vec<String> = host(&asked).ancestry().map(|name| name.to_string()).collect();
        let generations: BTreeMap<String, u32> =
            generations.iter().map(|(index, generation)| (index.get(&ancestry).clone(), *generation)).collect();
        let minted = twisted(&asked, &zones, &generations, &twists);

        let (zone, zone_id) = zone_of(&asked, &zones).expect("a zone");
        let covers = match minted.scope {
            Scope::Host => minted.name == asked,
            Scope::Subtree => {
                ends_with_labels(&asked, &minted.name)
                    && ends_with_labels(&minted.name, zone)
                    && !minted.name.starts_with('*')
            }
        };
        let expected = covers
            && minted.zone_id == *zone_id
            && minted.generation == generations.get(&minted.name).copied().unwrap_or(0)
            && (minted.secret == 0 || (minted.secret == 1 && previous));
        seen.note(expected);

        let parsed = parse_zones(&zones);
        let secrets = Secrets { current: secret(0), previous: previous.then(|| secret(1)) };
        let generations: Generations = generations.iter().map(|(name, count)| (host(name), *count)).collect();
        let access = Access { zones: &parsed, secrets: &secrets, generations: &generations };
        let granted = access.grant(&host(&asked), &Password::new(&minted.token()).expect("a password"));
        prop_assert_eq!(granted.is_ok(), expected, "{} by {:?}", asked, minted);
        if let Ok(grant) = granted {
            prop_assert_eq!(grant.host().as_str(), &asked);
            prop_assert_eq!((grant.zone().name.as_str(), grant.zone().id.as_str()), (zone.as_str(), zone_id.as_str()));
        }
        Ok(())
    });
    assert!(seen.is_balanced(), "{:?}", seen.counts);
}

#[test]
fn a_token_is_right_in_any_case_with_white_space_and_a_comma_behind_it_and_no_other_way() {
    /// What makes a token another one.
    #[derive(Clone, Debug)]
    enum Spoil {
        /// A character is replaced by one that is another in any case.
        Replaced(Index, char),
        /// A character is missing.
        Missing(Index),
        /// There is one more, which no client adds.
        More(Index, char),
        /// A space or a comma within.
        Within(Index, char),
        /// Two commas behind it.
        TwoCommas,
        /// A comma before it.
        CommaBefore,
    }
    let space = || "[ \t\r\n]{0,2}";
    let spoil = prop_oneof![
        (any::<Index>(), "[0-9a-zé]".prop_map(|text| text.chars().next().expect("one")))
            .prop_map(|(i, c)| Spoil::Replaced(i, c)),
        any::<Index>().prop_map(Spoil::Missing),
        (any::<Index>(), "[0-9a-z=\u{0}\u{200b}]".prop_map(|text| text.chars().next().expect("one")))
            .prop_map(|(i, c)| Spoil::More(i, c)),
        (any::<Index>(), select(&[' ', ',', '\t'][..])).prop_map(|(i, c)| Spoil::Within(i, c)),
        Just(Spoil::TwoCommas),
        Just(Spoil::CommaBefore),
    ];
    let given = (vec(any::<bool>(), 24), [space(), space(), space()], any::<bool>(), prop::option::of(spoil));
    let name = host("home.example.org");
    let zone = Zone { name: host("example.org"), id: "Z1".parse().expect("an id") };
    let token = secret(0).mint(Scope::Host, &name, &zone, 0);
    let seen = Seen::default();
    holds("folding of tokens", [2_000, 100_000], &given, |(upper, [before, between, after], comma, spoil)| {
        let cased = token.reveal().chars().zip(upper);
        let mut text: Vec<char> = cased.map(|(c, upper)| if upper { c.to_ascii_uppercase() } else { c }).collect();
        match &spoil {
            None => {}
            Some(Spoil::Replaced(index, by)) => {
                let old = &mut text[index.index(24)];
                prop_assume!(!old.eq_ignore_ascii_case(by));
                *old = *by;
            }
            Some(Spoil::Missing(index)) => drop(text.remove(index.index(24))),
            Some(Spoil::More(index, more)) => text.insert(index.index(25), *more),
            Some(Spoil::Within(index, more)) => text.insert(1 + index.index(23), *more),
            Some(Spoil::TwoCommas) => text.extend([',', ',']),
            Some(Spoil::CommaBefore) => text.insert(0, ','),
        }
        let text: String = text.into_iter().collect();
        let comma = if comma { "," } else { "" };
        let password = Password::new(&format!("{before}{text}{between}{comma}{after}")).expect("a password");
        seen.note(spoil.is_none());
        prop_assert_eq!(bool::from(password.is(&token)), spoil.is_none(), "{:?}", text);
        Ok(())
    });
    assert!(seen.is_balanced(), "{:?}", seen.counts);
}

// Addresses and prefixes.

/// The first addresses of special ranges of IPv6.
const HEADS: [&str; 11] = [
    "::",
    "2001:db8::",
    "2002:c633:6407::",
    "2002:a00:1::",
    "fe80::",
    "fc00::",
    "fec0::",
    "ff02::",
    "64:ff9b::",
    "100::",
    "::ffff:0:0",
];

/// An IPv6 address: of any bits, of few, of the ranges that are special, and mapped IPv4.
fn ipv6() -> impl Strategy<Value = Ipv6Addr> {
    prop_oneof![
        any::<u128>(),
        (0..128_u32, 0..128_u32).prop_map(|(one, other)| (1 << one) | (1 << other)),
        (select(&HEADS[..]), any::<u64>(), 0..64_u32).prop_map(|(head, host, shift)| {
            let head: Ipv6Addr = head.parse().expect("an address");
            head.to_bits() | u128::from(host >> shift)
        }),
    ]
    .prop_map(Ipv6Addr::from_bits)
}

/// An address as 128 characters of 0 and 1.
fn bits(address: Ipv6Addr) -> String {
    format!("{:0128b}", address.to_bits())
}

/// The address of such bits.
fn of_bits(bits: &str) -> Ipv6Addr {
    Ipv6Addr::from_bits(u128::from_str_radix(bits, 2).expect("bits"))
}

#[test]
fn a_prefix_takes_the_place_of_the_first_bits_and_no_others() {
    let seen = Seen::default();
    let given = (ipv6(), 0..=128_usize, ipv6(), any::<bool>(), 0..4_u8);
    holds("prefix arithmetic", [4_000, 200_000], &given, |(network, length, old, with_host_bits, spelling)| {
        let written = if with_host_bits { bits(network) } else { format!("{:0<128}", &bits(network)[..length]) };
        let address = of_bits(&written);
        let spelled = match spelling {
            0 => address.to_string(),
            1 => address.to_string().to_uppercase(),
            2 => address.segments().map(|segment| format!("{segment:04x}")).join(":"),
            _ => format!("[{address}]"),
        };
        let element = Element::parse(&format!("{spelled}/{length}"));
        let is_network = !written[length..].contains('1') || !written[64..].contains('1');
        if written.starts_with(&format!("{}{}", "0".repeat(80), "1".repeat(16))) {
            let whole = if length == 128 { Element::Address(address.to_canonical()) } else { Element::Ignored };
            prop_assert_eq!(element, whole);
            return Ok(());
        }
        if !written[..64].contains('1') && written[64..].contains('1') {
            prop_assert_eq!(element, Element::HostPart(address));
            return Ok(());
        }
        if length == 128 || !is_network {
            prop_assert_eq!(element, Element::Address(address.into()));
            return Ok(());
        }
        let Element::Prefix(prefix) = element else { return Err(TestCaseError::fail(format!("{element:?}"))) };
        let expected = format!("{}{}", &written[..length], &bits(old)[length..]);
        let publishable = is_publishable(of_bits(&expected).into(), false);
        let has_host = expected[length..].contains('1');
        seen.note(has_host);
        let adopted = prefix.adopt(old, false);
        prop_assert_eq!(adopted, (has_host && publishable).then(|| of_bits(&expected)));
        prop_assert!(adopted != Some(address), "the network address itself");
        Ok(())
    });
    assert!(seen.counts.iter().all(|count| count.get() > 0), "{:?}", seen.counts);
}

/// What the contract says is never published of IPv4.
const NEVER: [&str; 7] =
    ["0.0.0.0/8", "127.0.0.0/8", "169.254.0.0/16", "192.0.0.0/24", "198.18.0.0/15", "224.0.0.0/4", "240.0.0.0/4"];
/// Private ones.
const PRIVATE: [&str; 5] = ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "fc00::/7"];
/// Of IPv6 what is published, and within it the addresses around one of IPv4.
const GLOBAL: [&str; 2] = ["2000::/3", "2002::/16"];

#[test]
fn what_is_published_is_what_the_contract_lets_be() {
    let nets = |nets: &[&str]| nets.iter().map(|net| net.parse().expect("a network")).collect::<Vec<IpNet>>();
    let (never, private, global) = (nets(&NEVER), nets(&PRIVATE), nets(&GLOBAL));
    // At the edges of the ranges, and anywhere.
    let edges: Vec<IpAddr> = never
        .iter()
        .chain(&private)
        .chain(&global)
        .flat_map(|net| {
            let step = |address: IpAddr, up: bool| match address {
                IpAddr::V4(v4) => {
                    let bits = v4.to_bits();
                    Ipv4Addr::from_bits(if up { bits.wrapping_add(1) } else { bits.wrapping_sub(1) }).into()
                }
                IpAddr::V6(v6) => {
                    let bits = v6.to_bits();
                    Ipv6Addr::from_bits(if up { bits.wrapping_add(1) } else { bits.wrapping_sub(1) }).into()
                }
            };
            let (first, last) = (net.network(), net.broadcast());
            [first, last, step(first, false), step(first, true), step(last, false), step(last, true)]
        })
        .collect();
    let given = prop_oneof![
        select(edges),
        any::<u32>().prop_map(|bits| Ipv4Addr::from_bits(bits).into()),
        ipv6().prop_map(IpAddr::V6),
    ];
    holds("ranges that are not published", [4_000, 200_000], &(given, any::<bool>()), |(address, allow_private)| {
        let is_in = |nets: &[IpNet]| nets.iter().any(|net| net.contains(&address));
        let v4 = |address: IpAddr| {
            let is_in = |nets: &[IpNet]| nets.iter().any(|net| net.contains(&address));
            !is_in(&never) && (allow_private || !is_in(&private))
        };
        let expected = match address {
            IpAddr::V4(_) => v4(address),
            IpAddr::V6(v6) if global[1].contains(&address) => {
                v4(Ipv4Addr::from(*v6.octets()[2..].first_chunk::<4>().expect("four octets")).into())
            }
            IpAddr::V6(_) => global[0].contains(&address) || allow_private && is_in(&private),
        };
        prop_assert_eq!(is_publishable(address, allow_private), expected, "{}", address);
        Ok(())
    });
}

// Plans.

/// A TTL, at the bounds more often.
fn ttl() -> impl Strategy<Value = u32> {
    prop_oneof![select(&[0, 1, 59, 60, 61, 300, 86_400, 86_401, u32::MAX][..]), any::<u32>()]
}

/// An IPv4 address of few.
fn few_v4() -> impl Strategy<Value = IpAddr> {
    (1..6_u8).prop_map(|host| [192, 0, 2, host].into())
}

/// An IPv6 address of few.
fn few_v6() -> impl Strategy<Value = IpAddr> {
    (0..3_u16, 0..4_u16).prop_map(|(net, host)| Ipv6Addr::new(0x2001, 0xdb8, 0, net, 0, 0, 0, host).into())
}

/// Addresses, each once, in any order.
fn distinct(one: impl Strategy<Value = IpAddr>, most: usize) -> impl Strategy<Value = Vec<IpAddr>> {
    vec(one, 0..=most).prop_map(|addresses| {
        let mut seen = BTreeSet::new();
        addresses.into_iter().filter(|address| seen.insert(*address)).collect()
    })
}

/// A prefix over those few, or one that some of them cannot be moved under.
fn few_prefixes() -> impl Strategy<Value = Prefix> {
    select(&["2001:db8:0:7::/64", "2001:db8:0:1::/64", "2001:db8::/48", "2001:db8:7::/120", "fe80::/64"][..]).prop_map(
        |text| match Element::parse(text) {
            Element::Prefix(prefix) => prefix,
            other => panic!("{other:?}"),
        },
    )
}

/// What a request may ask of a family.
fn target(family: Family) -> impl Strategy<Value = Target> {
    let set = |addresses: Vec<IpAddr>| if addresses.is_empty() { Target::Keep } else { Target::Set(addresses) };
    let other = Just(Target::Delete);
    match family {
        Family::V4 => prop_oneof![4 => distinct(few_v4(), 8).prop_map(set), 1 => other].boxed(),
        Family::V6 => {
            let moves = few_prefixes().prop_map(|prefix| Target::Move { prefix, allow_private: false });
            prop_oneof![4 => distinct(few_v6(), 8).prop_map(set), 3 => moves, 1 => other].boxed()
        }
    }
}

/// What a request may ask for.
fn desired() -> impl Strategy<Value = Desired> {
    (target(Family::V4), target(Family::V6)).prop_map(|(v4, v6)| Desired { v4, v6 })
}

/// A record set as anybody may have written it.
fn record_set(family: Family) -> impl Strategy<Value = Option<RecordSet>> {
    let one = match family {
        Family::V4 => few_v4().boxed(),
        Family::V6 => few_v6().boxed(),
    };
    let spelled = distinct(one, 10).prop_flat_map(|addresses| {
        let count = addresses.len();
        (Just(addresses), vec(any::<bool>(), count))
    });
    (spelled, select(&[0, 60, 300][..])).prop_map(move |((addresses, otherwise), ttl)| {
        let spell = |(address, otherwise): (&IpAddr, bool)| match address {
            IpAddr::V6(v6) if otherwise => v6.segments().map(|segment| format!("{segment:04X}")).join(":"),
            IpAddr::V4(_) | IpAddr::V6(_) => address.to_string(),
        };
        let values: Vec<_> = addresses.iter().zip(otherwise).map(spell).collect();
        (!values.is_empty()).then_some(RecordSet { family, ttl, values })
    })
}

/// The addresses of a record set, or of none.
fn addresses_of(set: Option<&RecordSet>) -> BTreeSet<IpAddr> {
    set.map(|set| set.values.iter().map(|value| value.parse().expect("an address")).collect()).unwrap_or_default()
}

/// The bounds of these plans.
const BOUNDS: TtlBounds = TtlBounds { default: 90, min: 60, max: 86_400 };

#[test]
fn what_a_plan_makes_is_what_was_asked_and_a_second_has_nothing_to_do() {
    let seen = Seen::default();
    let there = [record_set(Family::V4).boxed(), record_set(Family::V6).boxed()];
    let as_asked = [prop::bool::weighted(0.5), prop::bool::weighted(0.5)];
    let given = (desired(), prop::option::weighted(0.3, ttl()), there, as_asked, any::<[Index; 8]>());
    holds("plans", [2_000, 100_000], &given, |(desired, ttl, mut there, as_asked, order)| {
        // Else it would hardly ever be as asked.
        for (family, set) in
            Family::BOTH.into_iter().zip(&mut there).zip(as_asked).filter_map(|(pair, like)| like.then_some(pair))
        {
            let addresses: Vec<_> = match &desired[family] {
                Target::Set(addresses) => addresses.iter().rev().copied().collect(),
                Target::Keep | Target::Move { .. } | Target::Delete => continue,
            };
            *set = Some(RecordSet::new(family, 300, &addresses));
        }
        let present =
            |sets: &[Option<RecordSet>; 2]| Current::Simple(ByFamily { v4: sets[0].clone(), v6: sets[1].clone() });
        let plan = Plan::new(&desired, ttl, &present(&there), BOUNDS);

        let mut after = there.clone();
        for (action, set) in &plan.changes {
            let slot = &mut after[set.family as usize];
            match action {
                Action::Upsert => *slot = Some(set.clone()),
                // Route 53 takes a deletion only to the letter.
                Action::Delete => {
                    let gone = slot.take();
                    prop_assert_eq!(gone.as_ref(), Some(set));
                }
            }
        }
        let families: BTreeSet<_> = plan.changes.iter().map(|(_, set)| set.family).collect();
        prop_assert_eq!(families.len(), plan.changes.len(), "one change a record set");
        seen.note(plan.changes.is_empty());

        let wanted = Family::BOTH.map(|family| match &desired[family] {
            Target::Set(addresses) => addresses.clone(),
            Target::Keep | Target::Delete => vec![],
            Target::Move { prefix, allow_private } => {
                let adopt = |address: &IpAddr| match address {
                    IpAddr::V6(v6) => prefix.adopt(*v6, *allow_private).map(IpAddr::V6),
                    IpAddr::V4(_) => None,
                };
                let old = addresses_of(there[1].as_ref());
                let moved: BTreeSet<_> = old.iter().map(|address| adopt(address).unwrap_or(*address)).collect();
                if old.iter().any(|address| adopt(address).is_some()) { moved.into_iter().collect() } else { vec![] }
            }
        });
        if wanted[1].len() > 8 {
            prop_assert_eq!((plan.changes.len(), plan.code), (0, ReturnCode::DnsErr));
            return Ok(());
        }
        for family in [0, 1] {
            let [own, other] = [there[family].as_ref(), there[1 - family].as_ref()];
            if desired[Family::BOTH[family]] == Target::Delete {
                prop_assert_eq!(&after[family], &None);
                continue;
            }
            if wanted[family].is_empty() {
                prop_assert_eq!(after[family].as_ref(), own, "what was not asked for is left to the letter");
                continue;
            }
            let made = after[family].as_ref().expect("a record set");
            prop_assert_eq!(addresses_of(Some(made)), wanted[family].iter().copied().collect());
            let kept = own.or(other).map_or(90, |set| set.ttl);
            prop_assert_eq!(made.ttl, ttl.map_or(kept, |ttl| ttl.clamp(60, 86_400)));
            let as_it_was =
                own.is_some_and(|own| addresses_of(Some(own)) == addresses_of(Some(made)) && own.ttl == made.ttl);
            prop_assert_eq!(as_it_was, own == Some(made), "only what differs is written");
        }
        let asked = wanted.concat();
        let deletes = Family::BOTH.iter().any(|family| desired[*family] == Target::Delete);
        let listed = match (asked.is_empty(), deletes) {
            (false, _) => asked,
            (true, true) => vec![IpAddr::from([0; 4])],
            (true, false) => there.iter().flat_map(|set| addresses_of(set.as_ref())).collect(),
        };
        let changed = !plan.changes.is_empty();
        let expected = if changed { ReturnCode::Good(listed.clone()) } else { ReturnCode::NoChg(listed.clone()) };
        prop_assert_eq!(&plan.code, &expected);

        let again = Plan::new(&desired, ttl, &present(&after), BOUNDS);
        prop_assert_eq!(again.changes.len(), 0, "{:?}", again);
        prop_assert_eq!(again.code, ReturnCode::NoChg(listed));

        // In another order it is the same.
        let shuffled = desired.clone().map(|target| match target {
            Target::Set(mut addresses) => {
                for (from, to) in order.iter().enumerate().take(addresses.len()) {
                    let to = to.index(addresses.len());
                    addresses.swap(from, to);
                }
                Target::Set(addresses)
            }
            Target::Keep | Target::Move { .. } | Target::Delete => target,
        });
        let other = Plan::new(&shuffled, ttl, &present(&there), BOUNDS);
        let as_sets = |plan: &Plan| {
            let set = |set: &RecordSet| (set.family, set.ttl, addresses_of(Some(set)));
            plan.changes.iter().map(|(_, made)| set(made)).collect::<Vec<_>>()
        };
        prop_assert_eq!(as_sets(&other), as_sets(&plan));
        Ok(())
    });
    assert!(seen.is_balanced(), "{:?}", seen.counts);
}

#[test]
fn what_is_somebody_elses_has_no_plan() {
    holds(
        "plans over what is somebody else's",
        [500, 50_000],
        &(desired(), prop::option::of(ttl())),
        |(desired, ttl)| {
            let plan = Plan::new(&desired, ttl, &Current::not_ours("it is an alias"), BOUNDS);
            prop_assert_eq!((plan.changes.len(), plan.code), (0, ReturnCode::NoHost));
            Ok(())
        },
    );
}

// Replies.

/// The zones of the requests.
const ZONES: &str = "example.org=Z1,in.example.org=Z2";

/// What a name in a request is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// The subtree token's, and ours to change.
    Ours,
    /// The subtree token's, but a CNAME, an alias or weighted.
    LeftAlone,
    /// Not the token's.
    NotCovered,
    /// No fully qualified name.
    NotFqdn,
}

/// Names as clients write them, what they are, and their canonical form.
const NAMES: [(&str, Kind, &str); 14] = [
    ("a.home.example.org", Kind::Ours, "a.home.example.org."),
    ("A.Home.Example.ORG.", Kind::Ours, "a.home.example.org."),
    ("b.home.example.org", Kind::Ours, "b.home.example.org."),
    ("home.example.org", Kind::Ours, "home.example.org."),
    ("*.home.example.org", Kind::Ours, "*.home.example.org."),
    ("new.home.example.org", Kind::Ours, "new.home.example.org."),
    ("cname.home.example.org", Kind::LeftAlone, ""),
    ("alias.home.example.org", Kind::LeftAlone, ""),
    ("weighted.home.example.org", Kind::LeftAlone, ""),
    ("example.org", Kind::NotCovered, ""),
    ("xhome.example.org", Kind::NotCovered, ""),
    ("home.in.example.org", Kind::NotCovered, ""),
    ("home", Kind::NotFqdn, ""),
    ("a..home.example.org", Kind::NotFqdn, ""),
];

/// What is there besides, and stays.
const OTHERS: [&str; 8] = [
    "home.example.org. 300 TXT \"v=1\"",
    "a.home.example.org. 300 MX 10 mail.example.org.",
    "example.org. 60 A 198.51.100.1",
    "xhome.example.org. 60 AAAA 2001:db8:99::1",
    "cname.home.example.org. 60 CNAME example.org.",
    "alias.home.example.org. ALIAS A target.example.net.",
    "weighted.home.example.org. 60 A 192.0.2.1 @blue",
    "weighted.home.example.org. 60 A 192.0.2.2 @green",
];

/// A gateway over a fake Route 53 with these record sets.
async fn gateway_over(records: &[String], aws: &SdkConfig) -> (FakeRoute53, Gateway<Route53>) {
    let route53 = FakeRoute53::new();
    route53.zone("Z1", "example.org");
    route53.zone("Z2", "in.example.org");
    for record in OTHERS.iter().copied().chain(records.iter().map(String::as_str)) {
        route53.put("Z1", record).expect("a record set");
    }
    let store = Route53::new(&route53.configure(aws));
    let setting = |name: &str| (name == "NIC53_ZONES").then(|| ZONES.to_owned());
    let gateway = gateway::gateway(front_end::FrontEnd::HttpApi, store, setting).await.expect("settings");
    (route53, gateway)
}

/// The reply to a query, and what rules it broke.
async fn ask(gateway: &Gateway<Route53>, query: &str) -> (u16, String, Vec<String>) {
    let token = gateway::token("subtree home.example.org", &Zones::parse(ZONES).expect("zones")).expect("a token");
    let credentials = format!("Basic {}", BASE64_STANDARD.encode(format!("router:{token}").as_bytes()));
    let request = Request::get(format!("/nic/update?{query}")).header(AUTHORIZATION, credentials);
    let (parts, ()) = request.body(()).expect("a request").into_parts();
    let response = gateway.answer(&parts, Body::Whole(b""), Some([203, 0, 113, 9].into())).await;
    let header = |(name, value): (&http::HeaderName, &http::HeaderValue)| {
        (name.to_string(), value.to_str().expect("text").to_owned())
    };
    let reply = front_end::Reply {
        status: response.status().as_u16(),
        headers: response.headers().iter().map(header).collect(),
        body: response.body().clone().into_bytes(),
        faults: Vec::new(),
    };
    let sent = front_end::Request { method: "GET".to_owned(), ..front_end::Request::default() };
    (reply.status, response.body().clone(), reply.broken_rules(&sent))
}

#[test]
fn a_reply_has_one_line_a_host_and_the_zone_is_as_it_says() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let aws = runtime.block_on(aws::config()).expect("a configuration");
    let ours: BTreeSet<_> = NAMES.iter().filter(|(_, kind, _)| *kind == Kind::Ours).map(|(.., name)| *name).collect();
    let ours: Vec<_> = ours.into_iter().filter(|name| !name.starts_with("new.")).collect();
    let records = subsequence(vec_of_records(&ours), 0..=2 * ours.len());
    let given = (
        records,
        vec((select(&NAMES[..]), select(&["", " ", "%20"][..])), 0..=21),
        (distinct(few_v4(), 2), distinct(few_v6(), 2)),
        prop::option::of(select(&[1, 60, 300][..])),
        any::<[Index; 21]>(),
    );
    let seen = Seen::default();
    holds("replies and the zone after them", [40, 1_000], &given, |(records, asked, (v4, v6), ttl, order)| {
        let addresses: Vec<_> = v4.iter().chain(&v6).map(ToString::to_string).collect();
        let query = |asked: &[((&str, Kind, &str), &str)]| {
            let hosts: Vec<_> = asked.iter().map(|((name, ..), space)| format!("{space}{name}")).collect();
            let ttl = ttl.map(|ttl| format!("&ttl={ttl}")).unwrap_or_default();
            format!("hostname={}&myip={}{ttl}", hosts.join(",").replace(' ', "+"), addresses.join(","))
        };
        let mut shuffled = asked.clone();
        for (from, to) in order.iter().enumerate().take(shuffled.len()) {
            let to = to.index(shuffled.len());
            shuffled.swap(from, to);
        }
        runtime.block_on(async {
            let (route53, gateway) = gateway_over(&records, &aws).await;
            let before = route53.records("Z1");
            let (status, body, broken) = ask(&gateway, &query(&asked)).await;
            prop_assert!(broken.is_empty(), "{:?}", broken);
            let calls = route53.take_calls();

            let kinds: Vec<Kind> = asked.iter().map(|((_, kind, _), _)| *kind).collect();
            let covered = kinds.iter().any(|kind| matches!(kind, Kind::Ours | Kind::LeftAlone));
            let refused = match (asked.len(), covered) {
                (21.., _) => Some((200, "numhost")),
                (_, false) => Some((401, "badauth")),
                (_, true) => None,
            };
            seen.note(refused.is_some());
            if let Some((expected, word)) = refused {
                prop_assert_eq!((status, body.as_str()), (expected, word));
                prop_assert!(calls.is_empty(), "{:?}", calls);
                prop_assert_eq!(route53.records("Z1"), before);
                return Ok(());
            }

            let after = route53.records("Z1");
            let lines: Vec<&str> = body.split('\n').collect();
            prop_assert_eq!(lines.len(), asked.len(), "{}", body);
            prop_assert_eq!(status, 200);
            // Without an address, the caller's own.
            let listed = if addresses.is_empty() { "203.0.113.9".to_owned() } else { addresses.join(",") };
            for (kind, line) in kinds.iter().zip(&lines) {
                match kind {
                    Kind::Ours => {
                        prop_assert!(
                            *line == format!("good {listed}") || *line == format!("nochg {listed}"),
                            "{}",
                            line
                        );
                    }
                    Kind::LeftAlone | Kind::NotCovered => prop_assert_eq!(*line, "nohost"),
                    Kind::NotFqdn => prop_assert_eq!(*line, "notfqdn"),
                }
            }

            // What is a host's has become what was asked; all else is what it was.
            let hosts: BTreeSet<&str> =
                asked.iter().map(|((.., host), _)| *host).filter(|host| !host.is_empty()).collect();
            let wanted: BTreeSet<IpAddr> = listed.split(',').map(|text| text.parse().expect("an address")).collect();
            let is_asked = |line: &&String| {
                let (name, record_type, _) = words(line);
                let of_type = |address: &IpAddr| Family::of(*address).record_type() == record_type;
                hosts.contains(name) && wanted.iter().any(of_type)
            };
            let rest = |records: &[String]| records.iter().filter(|line| !is_asked(line)).cloned().collect::<Vec<_>>();
            prop_assert_eq!(rest(&after), rest(&before));
            for host in &hosts {
                let records = after.iter().filter(is_asked).map(|line| words(line)).filter(|(name, ..)| name == host);
                let values = records.flat_map(|(.., values)| values.split(' '));
                let values: BTreeSet<IpAddr> = values.map(|text| text.parse().expect("an address")).collect();
                prop_assert_eq!(&values, &wanted, "{}", host);
            }
            let changes = calls.iter().filter(|call| call.operation == Operation::Change).count();
            prop_assert_eq!(changes, usize::from(before != after), "one batch, where anything differs");
            prop_assert_eq!(lines.iter().any(|line| line.starts_with("good")), before != after);

            // Asked again, there is nothing to do.
            let (_, again, broken) = ask(&gateway, &query(&asked)).await;
            prop_assert_eq!(again, body.replace("good", "nochg"));
            prop_assert!(broken.is_empty(), "{:?}", broken);
            prop_assert!(route53.take_calls().iter().all(|call| call.operation == Operation::List));

            // In another order, the same comes of it.
            let (other, gateway) = gateway_over(&records, &aws).await;
            ask(&gateway, &query(&shuffled)).await;
            prop_assert_eq!(other.records("Z1"), after);
            Ok(())
        })
    });
    assert!(seen.counts.iter().all(|count| count.get() > 0), "{:?}", seen.counts);
}

/// An A and an AAAA record set for each name.
fn vec_of_records(names: &[&str]) -> Vec<String> {
    let both = |name: &&str| [format!("{name} 300 A 192.0.2.1"), format!("{name} 60 AAAA 2001:DB8::1 2001:db8:0:1::2")];
    names.iter().flat_map(both).collect()
}

/// Name, type and values of a record.
fn words(line: &str) -> (&str, &str, &str) {
    let mut words = line.splitn(4, ' ');
    let mut word = || words.next().unwrap_or_default();
    let (name, _, record_type, values) = (word(), word(), word(), word());
    (name, record_type, values)
}
