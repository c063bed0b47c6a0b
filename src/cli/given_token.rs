//! A token that a person hands over, without it ever standing in a list of processes.

use std::{
    fs,
    io::{self, Read},
    path::PathBuf,
};

use clap::Args;
use zeroize::Zeroizing;

use super::Failure;

/// Where to read a token from.
#[derive(Args, Debug)]
pub(super) struct TokenArgs {
    /// Read the token from this file; `-` is standard input. Without it, `NIC53_TOKEN`
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
}

impl TokenArgs {
    /// The token that was handed over, if one was.
    pub(super) fn read(&self) -> Result<Option<Zeroizing<String>>, Failure> {
        let Some(path) = &self.token_file else {
            let text = std::env::var("NIC53_TOKEN").map(Zeroizing::new).unwrap_or_default();
            return if text.trim().is_empty() { Ok(None) } else { one_token(&text, "NIC53_TOKEN").map(Some) };
        };
        let name = path.display().to_string();
        let text = if name == "-" { read_standard_input() } else { fs::read_to_string(path) };
        let text = text.map(Zeroizing::new).map_err(|error| {
            format!("--token-file {name}: could not read the token: {error}: expected a file that nic53 may read, or -")
        })?;
        one_token(&text, &format!("--token-file {name}")).map(Some)
    }
}

/// All of standard input.
fn read_standard_input() -> io::Result<String> {
    let mut text = String::new();
    io::stdin().read_to_string(&mut text)?;
    Ok(text)
}

/// The one word in a text. Which characters a token has is the gateway's business.
fn one_token(text: &str, place: &str) -> Result<Zeroizing<String>, Failure> {
    let mut words = text.split_whitespace();
    match (words.next(), words.next()) {
        (Some(token), None) if token.bytes().all(|byte| byte.is_ascii_graphic()) => {
            Ok(Zeroizing::new(token.to_owned()))
        }
        _ => Err(Failure(format!("{place}: expected one token, such as `nic53 token` prints, and nothing else"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_one_word_and_stands_in_no_message() {
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
            if let Err(failure) = read {
                assert!(failure.0.starts_with("--token-file -: expected one token"), "{given}: {failure}");
            }
        }
    }
}
