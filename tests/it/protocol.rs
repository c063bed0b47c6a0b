//! Every transcript of `protocol-tests/`, through every front end, and in fleet mode. `REWRITE=1` writes
//! down what the socket answers instead of comparing, and of transcripts about fleet mode alone what that
//! answers.

use std::{
    env, fs,
    path::{Path, PathBuf},
};

use crate::support::{
    front_end::FrontEnd,
    stage::{InFleet, Size, Stateless},
    transcript::{Transcript, difference},
};
use aws_config::SdkConfig;
use tokio::{sync::Semaphore, task::JoinSet};

/// The most record sets of a page of Route 53.
const WHOLE_PAGES: usize = 300;

#[tokio::test(flavor = "multi_thread")]
async fn the_socket_answers_as_written() {
    play_all(FrontEnd::Socket, WHOLE_PAGES).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_http_api_answers_as_written() {
    play_all(FrontEnd::HttpApi, WHOLE_PAGES).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_http_api_with_a_stage_answers_as_written() {
    play_all(FrontEnd::HttpApiStage, WHOLE_PAGES).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_function_url_answers_as_written() {
    play_all(FrontEnd::FunctionUrl, WHOLE_PAGES).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rest_api_answers_as_written() {
    play_all(FrontEnd::RestApi, WHOLE_PAGES).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_load_balancer_answers_as_written() {
    play_all(FrontEnd::LoadBalancer, WHOLE_PAGES).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_of_one_record_set_change_no_answer() {
    play_all(FrontEnd::HttpApi, 1).await;
}

/// How many transcripts are not true of fleet mode, and say why.
const STATELESS_ONLY: usize = 13;

#[tokio::test(start_paused = true)]
async fn fleet_mode_answers_as_written() {
    let aws = nic53::aws::config().await.expect("an SDK configuration");
    let (mut stateless, mut problems) = (0, Vec::new());
    for (path, text) in files() {
        let written: Transcript = text.parse().expect("a transcript");
        if is_rewriting() && written.size() != Some(Size::Fleet) {
            continue;
        }
        // An event has no bytes that are not UTF-8.
        let front_end = if written.fits(FrontEnd::HttpApi) == Ok(true) { FrontEnd::HttpApi } else { FrontEnd::Socket };
        let stage = InFleet::open(front_end, &aws, |name| written.setting(name)).await.expect("settings");
        let played = written.play(&stage).await.unwrap_or_else(|problem| panic!("{}: {problem}", path.display()));
        match (written.size(), compare(&path, &written, &played)) {
            (Some(Size::Stateless), Outcome::Problem(_)) => stateless += 1,
            (Some(Size::Stateless), _) => problems.push(format!("{}: it is true of fleet mode too", path.display())),
            (_, Outcome::Problem(problem)) => problems.push(format!("{front_end:?}: {problem}")),
            (_, Outcome::AsWritten | Outcome::LeftOut) => {}
        }
    }
    assert!(problems.is_empty(), "{} differ:\n{}", problems.len(), problems.join("\n"));
    assert!(is_rewriting() || stateless == STATELESS_ONLY, "{stateless} transcripts are not true of fleet mode");
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
        assert!(shown, "{code} is in no transcript");
    }
}

#[test]
fn the_page_links_to_every_transcript_and_to_no_other() {
    let page = page();
    let links = page.split("protocol-tests/").skip(1).filter_map(|rest| rest.split_once(".txt"));
    let links = links.map(|(name, _)| name).filter(|name| !name.contains(char::is_whitespace));
    let mut links: Vec<_> = links.map(str::to_owned).collect();
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

/// What comes of playing a transcript.
enum Outcome {
    /// It went as it is written.
    AsWritten,
    /// The front end cannot carry it.
    LeftOut,
    /// It makes no sense or went differently.
    Problem(String),
}

/// Plays every transcript through a front end, with a Route 53 whose pages have so many record sets.
async fn play_all(front_end: FrontEnd, page: usize) {
    if is_rewriting() && (front_end != FrontEnd::Socket || page < WHOLE_PAGES) {
        return;
    }
    let aws = nic53::aws::config().await.expect("an SDK configuration");
    let mut plays = JoinSet::new();
    for (path, text) in files() {
        if text.contains("\nsize fleet\n") {
            continue;
        }
        let aws = aws.clone();
        plays.spawn(async move {
            // Who only waits needs no seat.
            let waits = text.contains(" hang") || text.contains('…');
            let _seat = if waits { None } else { Some(SEATS.acquire().await) };
            let outcome = play(&path, &text, front_end, page, &aws).await;
            outcome.unwrap_or_else(|problem| Outcome::Problem(format!("{}, {front_end:?}:\n{problem}", path.display())))
        });
    }
    let (mut left_out, mut problems) = (0, Vec::new());
    let outcomes = plays.join_all().await;
    let all = outcomes.len();
    for outcome in outcomes {
        match outcome {
            Outcome::AsWritten => {}
            Outcome::LeftOut => left_out += 1,
            Outcome::Problem(problem) => problems.push(problem),
        }
    }
    problems.sort();
    assert!(problems.is_empty(), "{} of {all} differ:\n{}", problems.len(), problems.join("\n"));
    assert!(left_out * 50 < all, "{front_end:?} cannot carry {left_out} of {all} transcripts");
}

/// Plays a transcript and compares it with what is written, or rewrites it.
async fn play(path: &Path, text: &str, front_end: FrontEnd, page: usize, aws: &SdkConfig) -> Result<Outcome, String> {
    let mut written: Transcript = text.parse()?;
    if !written.fits(front_end)? {
        return Ok(Outcome::LeftOut);
    }
    let stage = Stateless::open((front_end, page), aws, |name| written.setting(name)).await?;
    let mut played = written.play(&stage).await?;
    if page < WHOLE_PAGES {
        written.fold_lists();
        played.fold_lists();
    }
    Ok(compare(path, &written, &played))
}

/// Compares how a transcript went with what is written, or rewrites it.
fn compare(path: &Path, written: &Transcript, played: &Transcript) -> Outcome {
    let difference = difference(&written.to_string(), &played.to_string());
    if difference.is_empty() {
        Outcome::AsWritten
    } else if is_rewriting() && !played.is_broken() {
        fs::write(path, played.to_string()).expect("a file that can be written");
        Outcome::AsWritten
    } else {
        Outcome::Problem(format!("{}:\n{difference}", path.display()))
    }
}

/// Whether the transcripts are to be written, not compared.
fn is_rewriting() -> bool {
    env::var_os("REWRITE").is_some()
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
