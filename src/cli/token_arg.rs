//! A token that a person gives to a command, in ways that keep it out of lists of processes.

use std::{
    fs,
    io::{self, Read},
    path::{Path, PathBuf},
};

use clap::Args;
use zeroize::Zeroizing;

use crate::problem::Problem;

/// The place to read a token from.
#[derive(Args, Debug)]
pub(super) struct TokenArgs {
    /// The token, which everyone on this machine can then read, or `-` for standard input
    #[arg(long, value_name = "TOKEN|-", conflicts_with = "token_file")]
    token: Option<String>,
    /// A file that holds the token, or `-` for standard input. Without either, `NIC53_TOKEN`
    #[arg(long, value_name = "FILE|-")]
    token_file: Option<PathBuf>,
}

/// A token that was given, and its place.
pub(super) struct GivenToken {
    /// The text, not checked yet.
    pub text: Zeroizing<String>,
    /// The flag or the variable, for messages.
    pub place: String,
    /// The file, if it was in one.
    pub file: Option<PathBuf>,
}

impl TokenArgs {
    /// The token that was given, if any: by a flag, else by the environment.
    pub(super) fn read(&self) -> Result<Option<GivenToken>, Problem> {
        let given = |text: Zeroizing<String>, place: &str| GivenToken { text, place: place.to_owned(), file: None };
        Ok(match (self.token.as_deref(), self.token_file.as_deref()) {
            (Some("-"), _) => Some(given(read_standard_input("--token -")?, "--token -")),
            (Some(token), _) => Some(given(Zeroizing::new(token.to_owned()), "--token")),
            (None, Some(path)) if path == Path::new("-") => {
                Some(given(read_standard_input("--token-file -")?, "--token-file -"))
            }
            (None, Some(path)) => {
                let place = format!("--token-file {}", path.display());
                let text = fs::read_to_string(path).map(Zeroizing::new).map_err(|error| {
                    format!("{place}: could not read the token: {error}: expected a file that nic53 may read, or -")
                })?;
                Some(GivenToken { file: Some(path.to_owned()), ..given(text, &place) })
            }
            (None, None) => {
                let token = std::env::var("NIC53_TOKEN").map(Zeroizing::new).ok();
                token.filter(|token| !token.trim().is_empty()).map(|token| given(token, "NIC53_TOKEN"))
            }
        })
    }

    /// The token that was given, if any, as one word.
    pub(super) fn read_one(&self) -> Result<Option<Zeroizing<String>>, Problem> {
        self.read()?.map(|given| one_token(&given.text, &given.place)).transpose()
    }
}

/// All of standard input, for a flag.
pub(super) fn read_standard_input(flag: &str) -> Result<Zeroizing<String>, Problem> {
    let mut text = Zeroizing::new(String::new());
    io::stdin().read_to_string(&mut text).map_err(|error| format!("{flag}: {error}: expected a token"))?;
    Ok(text)
}

/// The only word in a text. The gateway decides which characters a token may have.
fn one_token(text: &str, place: &str) -> Result<Zeroizing<String>, Problem> {
    let mut words = text.split_whitespace();
    match (words.next(), words.next()) {
        (Some(token), None) if token.bytes().all(|byte| byte.is_ascii_graphic()) => {
            Ok(Zeroizing::new(token.to_owned()))
        }
        _ => Err(Problem(format!("{place}: expected one token, such as `nic53 token` prints, and nothing else"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_one_word_and_is_in_no_message() {
        for (given, token) in [
            ("p76tf75ar94am7g7pcjzryjr\n", Some("p76tf75ar94am7g7pcjzryjr")),
            ("  tok\r\n", Some("tok")),
            ("", None),
            ("\n", None),
            ("two words", None),
            ("tökén", None),
        ] {
            let read = one_token(given, "--token-file -");
            assert_eq!(read.as_ref().ok().map(|token| token.as_str()), token, "{given}");
            if let Err(problem) = read {
                assert!(problem.0.starts_with("--token-file -: expected one token"), "{given}: {problem}");
            }
        }
    }
}
