//! The addresses that a command prints.

use std::{
    env,
    ffi::{OsStr, OsString},
    net::IpAddr,
    process::{ExitStatus, Stdio},
    time::Duration,
};

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::{
    io::AsyncReadExt,
    process::{Child, Command},
    time::timeout,
};

use crate::{
    printable::excerpt,
    protocol::{address::is_publishable, element::Element},
};

/// How long a command may take.
const LIMIT: Duration = Duration::from_secs(30);

/// The longest output of a command, in bytes. Addresses are far less.
const OUTPUT_LIMIT: u64 = 64 * 1024;

/// The variables that a command gets, if they are set, next to those that begin with `LC_`. No other:
/// the environment of nic53 may hold its token, its secret or the keys of AWS.
const PASSED_ON: [&str; 11] = [
    "HOME",
    "LANG",
    "LANGUAGE",
    "LOGNAME",
    "PATH",
    "SHELL",
    "SSH_AUTH_SOCK",
    "TMPDIR",
    "TZ",
    "USER",
    "XDG_RUNTIME_DIR",
];

/// Runs a command in a shell and reads the addresses it prints, with white space or commas between
/// them. They are in numeric order.
///
/// # Errors
///
/// If it does not succeed in time, or prints anything but addresses that can be published.
pub async fn addresses(command: &str) -> Result<Vec<IpAddr>, String> {
    let printed = run(command, LIMIT).await.map_err(|problem| format!("`{command}`: {problem}"))?;
    read(&printed).map_err(|word| {
        let word = excerpt(&word, 60);
        format!(
            "`{command}` prints `{word}`: expected addresses that can be published in DNS, with white space or \
             commas between"
        )
    })
}

/// The output of a command. If it takes too long or prints too much, it is ended with all that it
/// started.
async fn run(command: &str, limit: Duration) -> Result<String, String> {
    let mut child = Command::new("/bin/sh")
        .args(["-c", command])
        .env_clear()
        .envs(environment(env::vars_os()))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .process_group(0)
        .spawn()
        .map_err(|error| error.to_string())?;
    let group = child.id().and_then(|id| Pid::from_raw(id.cast_signed()));
    let done = timeout(limit, output(&mut child)).await;
    let done = done.unwrap_or_else(|_| Err(format!("not done within {} s", limit.as_secs())));
    if done.is_err() {
        // All that it started too. An error here means that it ended this very moment.
        let _ = group.map(|group| kill_process_group(group, Signal::KILL));
    }
    let (status, printed) = done?;
    if !status.success() {
        return Err(format!("{status}: expected it to succeed"));
    }
    String::from_utf8(printed).map_err(|_| "prints text that is not UTF-8: expected addresses".to_owned())
}

/// How a command ended, and all that it printed.
async fn output(child: &mut Child) -> Result<(ExitStatus, Vec<u8>), String> {
    let mut printed = Vec::new();
    if let Some(stdout) = child.stdout.take() {
        let read = stdout.take(OUTPUT_LIMIT + 1).read_to_end(&mut printed).await;
        read.map_err(|error| error.to_string())?;
    }
    if printed.len() as u64 > OUTPUT_LIMIT {
        return Err(format!("prints more than {} KiB: expected addresses", OUTPUT_LIMIT / 1024));
    }
    let status = child.wait().await.map_err(|error| error.to_string())?;
    Ok((status, printed))
}

/// The variables of an environment that a command gets.
fn environment(variables: impl Iterator<Item = (OsString, OsString)>) -> impl Iterator<Item = (OsString, OsString)> {
    let is_passed_on =
        |name: &OsStr| name.to_str().is_some_and(|name| PASSED_ON.contains(&name) || name.starts_with("LC_"));
    variables.filter(move |(name, _)| is_passed_on(name))
}

/// The addresses in a text, or the first word that is not one.
fn read(printed: &str) -> Result<Vec<IpAddr>, String> {
    let words = printed.split([',', ' ', '\t', '\r', '\n']).filter(|word| !word.is_empty());
    let address = |word: &str| match Element::parse(word) {
        Element::Address(address) if is_publishable(address, true) => Ok(address),
        Element::Address(_)
        | Element::HostPart(_)
        | Element::Prefix(_)
        | Element::Preserve
        | Element::Offline
        | Element::Ignored => Err(word.to_owned()),
    };
    let mut addresses = words.map(address).collect::<Result<Vec<_>, _>>()?;
    addresses.sort_unstable();
    addresses.dedup();
    Ok(addresses)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn output_is_addresses_or_the_first_wrong_word() {
        for (printed, expected) in [
            ("192.0.2.1\n", Ok("192.0.2.1")),
            ("2001:DB8::7, 192.0.2.1\r\n\r\n192.0.2.1", Ok("192.0.2.1 2001:db8::7")),
            ("10.0.0.1", Ok("10.0.0.1")),
            ("192.0.2.1 error", Err("error")),
            ("127.0.0.1", Err("127.0.0.1")),
            ("2001:db8::/48", Err("2001:db8::/48")),
            ("\n", Ok("")),
        ] {
            let shown =
                read(printed).map(|addresses| addresses.iter().map(ToString::to_string).collect::<Vec<_>>().join(" "));
            assert_eq!(shown.as_deref().map_err(String::as_str), expected, "{printed}");
        }
    }

    #[test]
    fn a_command_gets_no_secret_of_the_environment() {
        let variables = [
            ("PATH", true),
            ("HOME", true),
            ("LC_ALL", true),
            ("SSH_AUTH_SOCK", true),
            ("NIC53_TOKEN", false),
            ("NIC53_SECRET", false),
            ("NIC53_PREVIOUS_SECRET", false),
            ("AWS_SECRET_ACCESS_KEY", false),
            ("AWS_SESSION_TOKEN", false),
            ("https_proxy", false),
        ];
        let given = variables.iter().map(|(name, _)| (OsString::from(name), OsString::from("x")));
        let passed_on: Vec<OsString> = environment(given).map(|(name, _)| name).collect();
        let expected: Vec<&str> = variables.iter().filter(|(_, passed)| *passed).map(|(name, _)| *name).collect();
        assert_eq!(passed_on, expected);
    }

    #[tokio::test]
    async fn a_command_that_fails_or_hangs_or_floods_is_reported() {
        for (command, problem) in [
            ("exit 3", "exit status: 3"),
            ("echo 192.0.2.1; exit 1", "exit status: 1"),
            ("sleep 600 & sleep 600", "not done within 0 s"),
            // A process in the background that keeps the pipe open would hold us up too.
            ("echo 192.0.2.1; sleep 600 &", "not done within 0 s"),
        ] {
            let error = run(command, Duration::from_millis(300)).await.unwrap_err();
            assert!(error.contains(problem), "{command}: {error}");
        }
        let error = run("yes 192.0.2.1", Duration::from_mins(1)).await.unwrap_err();
        assert_eq!(error, "prints more than 64 KiB: expected addresses");
    }
}
