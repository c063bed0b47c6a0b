//! What it costs to refuse, in instructions: valgrind's callgrind counts them, and counts the same each
//! time.
//!
//! A wrong token must cost the same however much of it is right, whichever secret it is near to, and
//! whether or not the host has records. What is counted of each answer is all that is done in
//! `Password::is`, the only place where what a client sent meets what is right. Everything else depends
//! on what the client sent alone, and would drown it: allocating costs more at one time than at another.
//!
//! Nor may a stranger make a refusal much dearer than it has to be: with hosts of many labels, each of
//! which could have a token, or with a form of the largest size.
//!
//! A DNS question that is stuffed with records must not cost more than an honest one.
//!
//! Whoever has nothing to do with challenges for certificates does not pay for them: an update that changes nothing
//! costs the same where they are allowed.
//!
//! In fleet mode a request that changes nothing is read from the table, which must not cost much more than
//! reading it from Route 53. The services themselves are left out of the count.

use std::{env, fs, future::Future, net::Ipv4Addr, path::Path, pin::Pin, process::Command, sync::Arc};

use crate::support::{
    captured,
    fake_dynamodb::Operation,
    fake_route53::FakeRoute53,
    fleet::Fleet,
    raw::{question, stuffed},
    results::record,
};
use base64::prelude::{BASE64_STANDARD, Engine};
use futures_util::FutureExt;
use hickory_server::{
    net::xfer::Protocol,
    proto::{
        op::{Message, ResponseCode},
        rr::RecordType,
    },
};
use http::{Request, Response, request::Parts};
use nic53::{
    dns::{NameServer, Responder},
    gateway::Gateway,
    log::{Format, Level, Log},
    problem::Problem,
    protocol::{
        access::Grant,
        address::{ByFamily, Family},
        challenge::{
            access::ChallengeGrant,
            edit::{Edit, Edited},
        },
        hostname::HostName,
        parameters::{Body, MAX_FORM},
        record::{ChangeBatch, Current, RecordSet},
        token::{Scope, Secret},
        zone::Zones,
    },
    secrets::Provider,
    settings::{FleetState, Settings},
    store::{Budget, NotApplied, Present, Store, Turn, embedded::Embedded, route53::Route53},
};
use tokio::runtime::Runtime;

/// The secrets that tokens are minted under.
const SECRETS: [&str; 2] =
    ["the-secret-of-the-timing-tests-0123456789ab", "the-secret-before-it-of-the-timing-tests-01"];
/// Set for the process whose instructions are counted.
const COUNTED: &str = "NIC53_TEST_COUNTED";

#[test]
fn a_wrong_token_costs_the_same_instructions_however_much_of_it_is_right() {
    if env::var_os(COUNTED).is_some() {
        return ask_all();
    }
    let folder = tempfile::tempdir().expect("a temporary folder");
    let counts = count_instructions(
        folder.path(),
        "a_wrong_token_costs_the_same_instructions_however_much_of_it_is_right",
        ("nic53::protocol::token::Password::is", ""),
        "answer",
    );
    let questions = questions();
    assert_eq!(counts.len(), questions.len(), "{counts:?}");
    for ((what, ..), count) in questions.iter().zip(&counts) {
        record("The token check", what, &format!("{count} instructions"));
        assert_eq!(*count, counts[0], "{what}: {counts:?}");
    }
}

#[test]
fn a_stuffed_dns_question_costs_no_more_than_an_honest_one() {
    if env::var_os(COUNTED).is_some() {
        return ask_dns();
    }
    let folder = tempfile::tempdir().expect("a temporary folder");
    let counts = count_instructions(
        folder.path(),
        "a_stuffed_dns_question_costs_no_more_than_an_honest_one",
        ("nic53::dns::responder::Responder::respond", ""),
        "respond",
    );
    let messages = messages();
    assert_eq!(counts.len(), messages.len(), "{counts:?}");
    for ((what, message), count) in messages.iter().zip(&counts) {
        record("DNS questions", &format!("{what}, {} octets", message.len()), &format!("{count} instructions"));
        assert!(*count <= counts[0], "{what}: {counts:?}");
    }
}

#[test]
fn a_refused_request_costs_few_times_what_the_smallest_costs() {
    if env::var_os(COUNTED).is_some() {
        return refuse_all();
    }
    let folder = tempfile::tempdir().expect("a temporary folder");
    let counts = count_instructions(
        folder.path(),
        "a_refused_request_costs_few_times_what_the_smallest_costs",
        ("it::timing::refuse", ""),
        "refuse",
    );
    let requests = refused();
    assert_eq!(counts.len(), requests.len(), "{counts:?}");
    // What is made once, at the first request, does not count: the second is the smallest.
    let smallest = counts[1];
    for (request, count) in requests.iter().zip(&counts) {
        record("Refused requests", request.what, &format!("{count} instructions"));
        assert!(*count <= request.times * smallest, "{}: {counts:?}", request.what);
    }
}

/// But for the look at the method: a router asks by GET, and acme-dns by POST.
#[test]
fn an_update_costs_the_same_where_challenges_are_allowed() {
    if env::var_os(COUNTED).is_some() {
        return settle_all();
    }
    let folder = tempfile::tempdir().expect("a temporary folder");
    let test = "an_update_costs_the_same_where_challenges_are_allowed";
    let counts = count_instructions(folder.path(), test, ("it::timing::settle", ""), "settle");
    assert_eq!(counts.len(), 2 * ROUNDS, "{counts:?}");
    // A hash table, whose order is random, costs a few more at one time than at another.
    let [off, on] = [&counts[..ROUNDS], &counts[ROUNDS..]].map(|counts| *counts.iter().min().expect("rounds"));
    record("An update that is `nochg`", "challenges are not allowed", &format!("{off} instructions"));
    record("An update that is `nochg`", "challenges are allowed", &format!("{on} instructions"));
    assert!(on.abs_diff(off) * 500 <= off, "{counts:?}");
}

/// How often an update is answered with either setting. What is made once, at the first request, does not count.
const ROUNDS: usize = 10;

/// Has an update answered that changes nothing, first where challenges are not allowed, then where they are.
fn settle_all() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    let zones = Zones::parse("example.org=Z1").expect("zones");
    let host: HostName = "there.example.org".parse().expect("a host name");
    let secret = Secret::new(SECRETS[0]).unwrap_or_else(|problem| panic!("{problem}"));
    let token = secret.mint(Scope::Host, &host, zones.holding(&host).expect("a zone"), 0);
    for allow_acme in ["false", "true"] {
        let settings = Settings::read(|name| match name {
            "NIC53_ZONES" => Some("example.org=Z1".to_owned()),
            "NIC53_SECRET" => Some(SECRETS[0].to_owned()),
            "NIC53_ALLOW_ACME" => Some(allow_acme.to_owned()),
            _ => None,
        });
        let settings = settings.unwrap_or_else(|error| panic!("{error}"));
        let log = Log { level: Level::Off, format: Format::Text };
        let source = settings.secret.as_ref().expect("a secret");
        let secrets = runtime.block_on(Provider::read(source, None, log)).unwrap_or_else(|error| panic!("{error}"));
        let gateway = Gateway::new(settings, secrets, Settled, log);
        let request = request("there.example.org", token.reveal());
        for _ in 0..ROUNDS {
            assert_eq!(settle(&gateway, &request).body(), "nochg 192.0.2.7");
        }
    }
}

/// One answer.
#[inline(never)]
fn settle(gateway: &Gateway<Settled>, request: &Parts) -> Response<String> {
    gateway.answer(request, Body::Whole(b""), None).now_or_never().expect("a store that is ready")
}

/// A store that has the address already.
struct Settled;

impl Store for Settled {
    type Versions = ();

    async fn record_sets(&self, _: &[&Grant<'_>], _: &Budget) -> Result<Present<()>, Problem> {
        let set = RecordSet::new(Family::V4, 60, &[Ipv4Addr::new(192, 0, 2, 7).into()]);
        Ok(Present::unversioned(vec![Current::Simple(ByFamily { v4: Some(set), v6: None })]))
    }

    async fn apply(&self, _: &ChangeBatch<'_>, (): &(), _: Turn, _: &Budget) -> Result<(), NotApplied> {
        unreachable!("nothing changes")
    }

    async fn edit_challenge(&self, _: &ChallengeGrant<'_>, _: &Edit, _: u32, _: &Budget) -> Result<Edited, Problem> {
        unreachable!("nobody asks for a certificate")
    }
}

#[test]
fn a_poll_of_the_table_costs_little_more_than_one_of_route_53() {
    if env::var_os(COUNTED).is_some() {
        return ask_both();
    }
    let folder = tempfile::tempdir().expect("a temporary folder");
    let counts = count_instructions(
        folder.path(),
        "a_poll_of_the_table_costs_little_more_than_one_of_route_53",
        ("it::timing::poll", "it::support::http_service::poll_service"),
        "poll",
    );
    // The first requests of a client make what is made once.
    let [.., of_route53, of_table] = counts[..] else { panic!("{counts:?}") };
    record("Polls", "a `nochg` read from Route 53", &format!("{of_route53} instructions"));
    record("Polls", "the same from the table of fleet mode", &format!("{of_table} instructions"));
    assert!(10 * of_table <= 11 * of_route53, "{of_table} of the table, {of_route53} of Route 53: {counts:?}");
}

/// A request with a wrong token.
struct Refused {
    /// In words.
    what: &'static str,
    /// How many times the instructions of the smallest it may take.
    times: u64,
    /// The query.
    query: String,
    /// The form.
    form: String,
    /// The word that answers it.
    word: &'static str,
}

/// The requests, the smallest one twice and first.
fn refused() -> Vec<Refused> {
    let badauth = |what, times, query: &str, form: String| {
        let (query, word) = (query.to_owned(), "badauth");
        Refused { what, times, query, form, word }
    };
    let small = "hostname=h.example.org&myip=192.0.2.7";
    let hosts = |labels, width| {
        let hosts: Vec<_> = (0..20).map(|host| deep(host, labels, width)).collect();
        format!("hostname={}", hosts.join(","))
    };
    let fill = |name: &str, piece: &str| format!("{name}{}", piece.repeat((MAX_FORM - name.len()) / piece.len()));
    let beneath_one_name = (0..20).map(|host| format!("h{host}.a.b.c.d.e.f.g.h.i.example.org")).collect::<Vec<_>>();
    vec![
        badauth("the first of all", 2, small, String::new()),
        badauth("one host", 1, small, String::new()),
        badauth("20 hosts below one name", 30, &format!("hostname={}", beneath_one_name.join(",")), String::new()),
        badauth("20 hosts of 11 labels below the apex", 30, &hosts(11, 20), String::new()),
        badauth("20 hosts of 100 labels below the apex", 30, &hosts(100, 1), String::new()),
        badauth("a form of addresses", 30, small, fill("myip=", "1.1.1.1,")),
        badauth("a form of prefixes", 30, small, fill("myip=", "2001:db8::/64,")),
        // Each of 221 tokens could be the right one, so that each has to be computed.
        badauth(
            "20 hosts of 10 labels below the apex, none with an ancestor in common",
            60,
            &hosts(10, 2),
            String::new(),
        ),
        badauth("the same with 253 octets each", 120, &hosts(10, 23), String::new()),
        // A form has 64 KiB, a thousand times what the smallest request has.
        badauth("a form of escapes", 100, small, fill("x=", "%61")),
        badauth("a form of parameters", 30, small, fill("", "a&")),
        Refused { word: "numhost", ..badauth("a form of hosts", 30, small, fill("hostname=", "a.b,")) },
    ]
}

/// A host of so many labels below the apex, none of which another host has in its place.
fn deep(host: usize, labels: usize, width: usize) -> String {
    let labels: Vec<_> =
        (0..labels).map(|_| format!("{:a>width$}", char::from(b'a' + u8::try_from(host).expect("few")))).collect();
    format!("{}.example.org", labels.join("."))
}

/// Has all of them refused.
fn refuse_all() {
    let route53 = FakeRoute53::new();
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    let gateway = runtime.block_on(gateway(&route53, &SECRETS[..1]));
    for Refused { what, query, form, word, .. } in refused() {
        let credentials = BASE64_STANDARD.encode("router:not-the-token-of-any-host");
        let request =
            Request::post(format!("/nic/update?{query}")).header("Authorization", format!("Basic {credentials}"));
        let parts = request.body(()).expect("a request").into_parts().0;
        assert!(form.len() <= MAX_FORM, "{what}: {}", form.len());
        let response = refuse(&gateway, &parts, Body::Whole(form.as_bytes()));
        assert_eq!(response.body(), word, "{what}");
    }
    assert_eq!(route53.take_calls(), []);
}

/// One refusal.
#[inline(never)]
fn refuse(gateway: &Gateway<Route53>, parts: &Parts, body: Body<'_>) -> Response<String> {
    gateway.answer(parts, body, None).now_or_never().expect("a refusal waits for nothing")
}

/// DNS messages, in words and in octets: an honest question, and such as are refused.
fn messages() -> Vec<(&'static str, Vec<u8>)> {
    let honest = question("there.example.org.", RecordType::A).to_vec().expect("a message");
    let answers = stuffed();
    let mut authorities = answers.clone();
    authorities[6..10].rotate_left(2);
    let mut additionals = answers.clone();
    additionals[6..12].rotate_left(2);
    let mut queries = answers.clone();
    queries[4..8].rotate_left(2);
    vec![
        ("an honest question", honest),
        ("one with 270 answers", answers),
        ("one with 270 authority records", authorities),
        ("one with 270 additional records", additionals),
        ("one with 270 queries", queries),
    ]
}

/// The token of a host under a secret.
fn token(secret: &str, host: &str) -> String {
    let zones = Zones::parse("example.org=Z1").expect("zones");
    let host: HostName = host.parse().expect("a host name");
    let secret = Secret::new(secret).unwrap_or_else(|problem| panic!("{problem}"));
    secret.mint(Scope::Host, &host, zones.holding(&host).expect("a zone"), 0).reveal().to_owned()
}

/// Has all messages answered.
fn ask_dns() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let zones = Zones::parse("example.org=Z1").expect("zones");
    let store = Embedded::open(folder.path(), zones).unwrap_or_else(|error| panic!("{error}"));
    let responder = Responder::new(Arc::new(store), NameServer::default(), captured::log());
    for (what, message) in messages() {
        let answer = respond(&responder, message);
        let code = if what.starts_with("an honest") { ResponseCode::NXDomain } else { ResponseCode::FormErr };
        assert_eq!(answer.metadata.response_code, code, "{what}");
    }
}

/// One answer.
#[inline(never)]
fn respond(responder: &Responder, message: Vec<u8>) -> Message {
    let peer = (Ipv4Addr::LOCALHOST, 53).into();
    let answer = responder.respond(message, peer, Protocol::Udp).expect("an answer");
    Message::from_vec(&answer).expect("a message")
}

/// What is sent: in words, the host, and its password.
fn questions() -> Vec<(&'static str, &'static str, String)> {
    let [current, previous] = SECRETS.map(|secret| token(secret, "there.example.org"));
    // Another character of the alphabet at each place that should be wrong.
    let wrong = |letter: char| if letter == '7' { '8' } else { '7' };
    let right = |token: &str, from: usize, to: usize| {
        let letters = token.chars().enumerate();
        letters.map(|(at, letter)| if (from..to).contains(&at) { letter } else { wrong(letter) }).collect::<String>()
    };
    vec![
        ("nothing of the token is right", "there.example.org", right(&current, 0, 0)),
        ("its first character is right", "there.example.org", right(&current, 0, 1)),
        ("its first half is right", "there.example.org", right(&current, 0, 12)),
        ("all but its last character is right", "there.example.org", right(&current, 0, 23)),
        ("all but its first character is right", "there.example.org", right(&current, 1, 24)),
        ("all but the last of the previous secret's is right", "there.example.org", right(&previous, 0, 23)),
        ("it is another host's token", "there.example.org", token(SECRETS[0], "other.example.org")),
        ("the host has no records", "never.example.org", right(&current, 0, 0)),
        ("the host has none, and it is another host's token", "never.example.org", current.clone()),
    ]
}

/// Polls a host in front of Route 53 and in front of the table, in turn.
fn ask_both() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let fleet = runtime.block_on(Fleet::new("example.org=Z1"));
    fleet.route53.put("Z1", "there.example.org. 60 A 192.0.2.7").expect("a record");
    let stateless = runtime.block_on(gateway(&fleet.route53, &SECRETS[..1]));
    let of_table = runtime.block_on(gateway_of(fleet.store(FleetState::On, true), &SECRETS[..1]));
    let token = token(SECRETS[0], "there.example.org");
    for _ in 0..3 {
        let request = request("there.example.org", &token);
        let answers = [
            poll(&runtime, Box::pin(stateless.answer(&request, Body::Whole(b""), None))),
            poll(&runtime, Box::pin(of_table.answer(&request, Body::Whole(b""), None))),
        ];
        assert!(answers.iter().all(|answer| answer.body() == "nochg 192.0.2.7"), "{answers:?}");
    }
    assert_eq!((fleet.dynamodb.made(Operation::Get), fleet.route53.take_calls().len()), (3, 4));
}

/// One poll.
#[inline(never)]
fn poll(runtime: &Runtime, answer: Pin<Box<dyn Future<Output = Response<String>> + '_>>) -> Response<String> {
    runtime.block_on(answer)
}

/// Runs a test of this module under valgrind. Returns the instructions within `counted`, those of a function
/// that it calls `left_out`, in each call of `call`, a function of this module, in order.
fn count_instructions(folder: &Path, test: &str, (counted, left_out): (&str, &str), call: &str) -> Vec<u64> {
    let output = folder.join("counts");
    let this = env::current_exe().expect("this program");
    let finished = Command::new("valgrind")
        .args(["--tool=callgrind", &format!("--toggle-collect={counted}")])
        .arg(format!("--dump-after=it::timing::{call}"))
        .arg(format!("--callgrind-out-file={}", output.display()))
        .arg(this)
        .args(["--exact", &format!("timing::{test}")])
        .env(COUNTED, "1")
        .output()
        .unwrap_or_else(|error| panic!("valgrind: {error}; ./test installs what is missing"));
    assert!(finished.status.success(), "{}", String::from_utf8_lossy(&finished.stderr));
    let dumps = (1..).map(|number| output.with_extension(number.to_string()));
    let dumps = dumps.map_while(|dump| fs::read_to_string(dump).ok());
    let count = |dump: String| {
        let total: u64 = dump.lines().find_map(|line| line.strip_prefix("totals: ")?.parse().ok()).expect("a total");
        total - cost_of_calls(&dump, left_out)
    };
    // What is left at the end is in one more dump, and is nothing.
    dumps.map(count).filter(|count| *count > 0).collect()
}

/// What the calls of a function took in a dump, with all that it calls. The lines of a call are
/// `cfn=(7) NAME`, `calls=COUNT …` and `LINE COST`; a name is written out where its number is first.
fn cost_of_calls(dump: &str, function: &str) -> u64 {
    let number = dump.lines().find_map(|line| {
        let (number, name) = line.split_once("fn=")?.1.split_once(' ')?;
        (name == function).then(|| format!("cfn={number}"))
    });
    let is_call = |line: &str| number.as_ref().is_some_and(|number| line.split(' ').next() == Some(number));
    let lines: Vec<&str> = dump.lines().collect();
    let calls = lines.windows(3).filter(|lines| is_call(lines[0]));
    calls.map(|lines| lines[2].split(' ').nth(1).and_then(|cost| cost.parse::<u64>().ok()).expect("a cost")).sum()
}

/// Asks all questions.
fn ask_all() {
    let route53 = FakeRoute53::new();
    route53.zone("Z1", "example.org");
    route53.put("Z1", "there.example.org. 60 A 192.0.2.1").expect("a record");
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    let gateway = runtime.block_on(gateway(&route53, &SECRETS));
    for (_, host, password) in questions() {
        let response = answer(&gateway, &request(host, &password));
        assert_eq!((response.status().as_u16(), response.body().as_str()), (401, "badauth"));
    }
    assert_eq!(route53.take_calls(), []);
}

/// One answer.
#[inline(never)]
fn answer(gateway: &Gateway<Route53>, request: &Parts) -> Response<String> {
    gateway.answer(request, Body::Whole(b""), None).now_or_never().expect("a refusal waits for nothing")
}

/// A gateway in front of Route 53 with these secrets.
async fn gateway(route53: &FakeRoute53, secrets: &[&str]) -> Gateway<Route53> {
    let aws = nic53::aws::config().await.expect("an SDK configuration");
    gateway_of(Route53::new(&route53.configure(&aws)), secrets).await
}

/// A gateway with these secrets: the current one, and the previous one if there are two.
async fn gateway_of<S: Store>(store: S, secrets: &[&str]) -> Gateway<S> {
    let settings = Settings::read(|name| match name {
        "NIC53_ZONES" => Some("example.org=Z1".to_owned()),
        "NIC53_SECRET" => secrets.first().map(|secret| (*secret).to_owned()),
        "NIC53_SECRET_PREVIOUS" => secrets.get(1).map(|secret| (*secret).to_owned()),
        _ => None,
    });
    let settings = settings.unwrap_or_else(|error| panic!("{error}"));
    let source = settings.secret.as_ref().expect("a secret");
    let secrets = Provider::read(source, None, captured::log()).await.unwrap_or_else(|error| panic!("{error}"));
    Gateway::new(settings, secrets, store, captured::log())
}

/// An update of this host with this password.
fn request(host: &str, password: &str) -> Parts {
    let credentials = BASE64_STANDARD.encode(format!("{host}:{password}").as_bytes());
    let request = Request::get(format!("/nic/update?hostname={host}&myip=192.0.2.7"));
    request.header("Authorization", format!("Basic {credentials}")).body(()).expect("a request").into_parts().0
}
