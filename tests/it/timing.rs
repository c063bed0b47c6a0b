//! What it costs to tell a wrong token, in instructions: valgrind's callgrind counts them, and counts
//! the same each time. It must cost the same however much of the token is right, whichever secret it
//! is near to, and whether or not the host has records.
//!
//! What is counted of each answer is all that is done in `Password::is`, the only place where what a
//! client sent meets what is right. All else in an answer depends on what the client sent alone, and
//! would drown it: taking memory costs more at one time than at another.

use std::{env, fs, path::Path, process::Command};

use crate::support::{captured, fake_route53::FakeRoute53, results::record};
use base64::prelude::{BASE64_STANDARD, Engine};
use futures_util::FutureExt;
use http::{Request, Response, request::Parts};
use nic53::{
    gateway::Gateway,
    protocol::{
        hostname::HostName,
        parameters::Body,
        token::{Scope, Secret},
        zone::Zones,
    },
    secrets::Provider,
    settings::Settings,
    store::route53::Route53,
};

/// The secrets that tokens are minted under.
const SECRETS: [&str; 2] =
    ["the-secret-of-the-timing-tests-0123456789ab", "the-secret-before-it-of-the-timing-tests-01"];
/// Set for the process whose instructions are counted.
const COUNTED: &str = "NIC53_TEST_COUNTED";

#[test]
fn a_wrong_token_is_told_in_as_many_instructions_whatever_is_right_about_it() {
    if env::var_os(COUNTED).is_some() {
        return ask_all();
    }
    let folder = tempfile::tempdir().expect("a temporary folder");
    let counts = count_instructions(folder.path());
    let questions = questions();
    assert_eq!(counts.len(), questions.len(), "{counts:?}");
    for ((what, ..), count) in questions.iter().zip(&counts) {
        record("The token check", what, &format!("{count} instructions"));
        assert_eq!(*count, counts[0], "{what}: {counts:?}");
    }
}

/// What is sent: in words, the host, and its password.
fn questions() -> Vec<(&'static str, &'static str, String)> {
    let token = |secret: &str, host: &str| {
        let zones = Zones::parse("example.org=Z1").expect("zones");
        let host: HostName = host.parse().expect("a host name");
        let secret = Secret::new(secret).unwrap_or_else(|problem| panic!("{problem}"));
        secret.mint(Scope::Host, &host, zones.holding(&host).expect("a zone"), 0).reveal().to_owned()
    };
    let [current, previous] = SECRETS.map(|secret| token(secret, "there.example.org"));
    // Another character of the alphabet wherever it is not to be right.
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

/// Runs this test under valgrind and gives the instructions of each answer, in order.
fn count_instructions(folder: &Path) -> Vec<u64> {
    let output = folder.join("counts");
    let this = env::current_exe().expect("this program");
    let counted = Command::new("valgrind")
        .args(["--tool=callgrind", "--toggle-collect=nic53::protocol::token::Password::is"])
        .arg("--dump-after=it::timing::answer")
        .arg(format!("--callgrind-out-file={}", output.display()))
        .arg(this)
        .args(["--exact", "timing::a_wrong_token_is_told_in_as_many_instructions_whatever_is_right_about_it"])
        .env(COUNTED, "1")
        .output()
        .unwrap_or_else(|error| panic!("valgrind: {error}; ./test installs what is missing"));
    assert!(counted.status.success(), "{}", String::from_utf8_lossy(&counted.stderr));
    let dumps = (1..).map(|number| output.with_extension(number.to_string()));
    let dumps = dumps.map_while(|dump| fs::read_to_string(dump).ok());
    let count = |dump: String| dump.lines().find_map(|line| line.strip_prefix("totals: ")?.parse().ok());
    // What is left at the end is in one more dump, and is nothing.
    dumps.map(|dump| count(dump).expect("a total")).filter(|count| *count > 0).collect()
}

/// Asks all questions.
fn ask_all() {
    let route53 = FakeRoute53::new();
    route53.zone("Z1", "example.org");
    route53.put("Z1", "there.example.org. 60 A 192.0.2.1").expect("a record");
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    let gateway = runtime.block_on(gateway(&route53));
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

/// A gateway with two secrets.
async fn gateway(route53: &FakeRoute53) -> Gateway<Route53> {
    let settings = Settings::read(|name| match name {
        "NIC53_ZONES" => Some("example.org=Z1".to_owned()),
        "NIC53_SECRET" => Some(SECRETS[0].to_owned()),
        "NIC53_SECRET_PREVIOUS" => Some(SECRETS[1].to_owned()),
        _ => None,
    });
    let settings = settings.unwrap_or_else(|error| panic!("{error}"));
    let aws = nic53::aws::config().await.expect("an SDK configuration");
    let source = settings.secret.as_ref().expect("a secret");
    let secrets = Provider::read(source, None, captured::log()).await.unwrap_or_else(|error| panic!("{error}"));
    Gateway::new(settings, secrets, Route53::new(&route53.configure(&aws)), captured::log())
}

/// An update of this host with this password.
fn request(host: &str, password: &str) -> Parts {
    let credentials = BASE64_STANDARD.encode(format!("{host}:{password}").as_bytes());
    let request = Request::get(format!("/nic/update?hostname={host}&myip=192.0.2.7"));
    request.header("Authorization", format!("Basic {credentials}")).body(()).expect("a request").into_parts().0
}
