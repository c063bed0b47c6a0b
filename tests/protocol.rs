//! Every transcript of `protocol-tests/`, through every door. `REWRITE=1` writes down what the
//! socket answers instead of comparing.

use std::{
    env, fs,
    path::{Path, PathBuf},
};

use door::Door;
use tokio::{sync::Semaphore, task::JoinSet};
use transcript::{Transcript, difference};

#[path = "support/door.rs"]
#[allow(dead_code, reason = "the corpus uses the rest")]
mod door;
#[path = "support/fake_route53.rs"]
#[allow(dead_code, reason = "the fake's own tests use the rest")]
mod fake_route53;
#[path = "support/gateway.rs"]
mod gateway;
#[path = "support/transcript.rs"]
mod transcript;

/// Codes that no transcript can show, and why.
const UNREACHABLE: [(&str, &str); 0] = [];

#[tokio::test(flavor = "multi_thread")]
async fn the_socket_answers_as_written() {
    play_all(Door::Socket).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_http_api_answers_as_written() {
    play_all(Door::HttpApi).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_http_api_with_a_stage_answers_as_written() {
    play_all(Door::HttpApiStage).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_function_url_answers_as_written() {
    play_all(Door::FunctionUrl).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rest_api_answers_as_written() {
    play_all(Door::RestApi).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_load_balancer_answers_as_written() {
    play_all(Door::LoadBalancer).await;
}

#[test]
fn a_transcript_is_written_as_it_is_read() {
    for (path, text) in files() {
        let read = text.parse::<Transcript>().unwrap_or_else(|problem| panic!("{}: {problem}", path.display()));
        assert_eq!(difference(&text, &read.to_string()), "", "{}", path.display());
    }
}

#[test]
fn every_code_is_in_a_transcript() {
    let transcripts: Vec<Transcript> = files().iter().map(|(_, text)| text.parse().expect("a transcript")).collect();
    let codes = codes();
    assert!(codes.len() >= 9, "docs/protocol.md has {codes:?}");
    for code in codes {
        let shown = transcripts.iter().flat_map(Transcript::answers).any(|line| line.split(' ').next() == Some(&code));
        let unreachable = UNREACHABLE.iter().any(|(other, _)| *other == code);
        assert!(shown != unreachable, "{code}: in a transcript: {shown}");
    }
}

#[test]
fn the_page_links_to_every_transcript_and_to_no_other() {
    let page = page();
    let links = page.split("protocol-tests/").skip(1).filter_map(|rest| rest.split_once(".txt)"));
    let mut links: Vec<_> = links.map(|(name, _)| name.to_owned()).collect();
    links.sort();
    links.dedup();
    let name = |(path, _): (PathBuf, _)| path.file_stem().map(|name| name.to_string_lossy().into_owned());
    let mut names: Vec<_> = files().into_iter().filter_map(name).collect();
    names.sort();
    assert_eq!(difference(&names.join("\n"), &links.join("\n")), "");
}

/// So many are played at once: more would keep the gateway waiting for the processor, which it
/// takes for a Route 53 that does not answer.
static SEATS: Semaphore = Semaphore::const_new(4);

/// Plays every transcript through a door.
async fn play_all(door: Door) {
    let aws = nic53::aws::config().await.expect("an SDK configuration");
    let mut plays = JoinSet::new();
    for (path, text) in files() {
        let aws = aws.clone();
        plays.spawn(async move {
            let _seat = SEATS.acquire().await;
            let written: Transcript = text.parse().map_err(|problem| format!("{}: {problem}", path.display()))?;
            let played = written.play(door, &aws).await.map_err(|problem| format!("{}: {problem}", path.display()))?;
            let Some(played) = played else { return Ok(false) };
            let difference = difference(&text, &played.to_string());
            if difference.is_empty() {
                return Ok(true);
            }
            if door == Door::Socket && env::var_os("REWRITE").is_some() && !played.is_broken() {
                fs::write(&path, played.to_string()).map_err(|error| error.to_string())?;
                return Ok(true);
            }
            Err(format!("{}, {door:?}:\n{difference}", path.display()))
        });
    }
    let outcomes: Vec<Result<bool, String>> = plays.join_all().await;
    let mut problems: Vec<_> = outcomes.iter().filter_map(|outcome| outcome.clone().err()).collect();
    problems.sort();
    assert!(problems.is_empty(), "{} of {} differ:\n{}", problems.len(), outcomes.len(), problems.join("\n"));
    let left_out = outcomes.iter().filter(|outcome| **outcome == Ok(false)).count();
    assert!(left_out * 20 < outcomes.len(), "{door:?} cannot carry {left_out} of {} transcripts", outcomes.len());
}

/// All transcripts and their paths.
fn files() -> Vec<(PathBuf, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("protocol-tests");
    let entries = fs::read_dir(&folder).expect("protocol-tests");
    let mut paths: Vec<_> = entries.map(|entry| entry.expect("an entry").path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "txt"));
    paths.sort();
    assert!(!paths.is_empty(), "no transcript in {}", folder.display());
    paths.into_iter().map(|path| (path.clone(), fs::read_to_string(path).expect("text"))).collect()
}

/// `docs/protocol.md`.
fn page() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/protocol.md");
    fs::read_to_string(path).expect("docs/protocol.md")
}

/// The codes of `docs/protocol.md`: what stands in backticks in the first column of a table that is
/// headed `Code`.
fn codes() -> Vec<String> {
    let page = page();
    let cells = page.lines().map(|line| line.strip_prefix('|').and_then(|row| row.split('|').next()).map(str::trim));
    let (mut codes, mut head, mut in_table) = (Vec::new(), None, false);
    for cell in cells {
        if !in_table {
            head = cell;
        }
        in_table = cell.is_some();
        let code = cell.filter(|_| head == Some("Code")).and_then(|cell| cell.split('`').nth(1));
        codes.extend(code.and_then(|code| code.split(' ').next()).map(str::to_owned));
    }
    codes
}
