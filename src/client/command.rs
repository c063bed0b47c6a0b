//! The addresses that a command prints.

use std::{net::IpAddr, process::Stdio, time::Duration};

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::{process::Command, time::timeout};

use crate::protocol::{address::is_publishable, element::Element};

/// How long a command may take.
const LIMIT: Duration = Duration::from_secs(30);

/// Runs a command in a shell and reads the addresses it prints, white space or commas between, in
/// numeric order.
///
/// # Errors
///
/// If it does not succeed in time, or prints anything but addresses that can be published.
pub async fn addresses(command: &str) -> Result<Vec<IpAddr>, String> {
    let printed = run(command, LIMIT).await.map_err(|problem| format!("`{command}`: {problem}"))?;
    read(&printed).map_err(|word| {
        format!("`{command}` prints `{word}`: expected addresses that can be published in DNS, with white space or commas between")
    })
}

/// The output of a command. If it takes too long, it is ended with all that it started.
async fn run(command: &str, limit: Duration) -> Result<String, String> {
    let child = Command::new("/bin/sh")
        .args(["-c", command])
        .env_remove("NIC53_TOKEN")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .process_group(0)
        .spawn()
        .map_err(|error| error.to_string())?;
    let group = child.id().and_then(|id| Pid::from_raw(id.cast_signed()));
    let Ok(output) = timeout(limit, child.wait_with_output()).await else {
        // An error here means that it ended this very moment.
        let _ = group.map(|group| kill_process_group(group, Signal::KILL));
        return Err(format!("not done within {} s", limit.as_secs()));
    };
    let output = output.map_err(|error| error.to_string())?;
    if !output.status.success() {
        return Err(format!("{}: expected it to succeed", output.status));
    }
    String::from_utf8(output.stdout).map_err(|_| "prints text that is not UTF-8: expected addresses".to_owned())
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

    #[tokio::test]
    async fn a_command_that_fails_or_hangs_is_reported() {
        for (command, problem) in [
            ("exit 3", "exit status: 3"),
            ("echo 192.0.2.1; exit 1", "exit status: 1"),
            ("sleep 600 & sleep 600", "not done within 0 s"),
        ] {
            let error = run(command, Duration::from_millis(300)).await.unwrap_err();
            assert!(error.contains(problem), "{command}: {error}");
        }
        // A process in the background that keeps the pipe open would hold us up too.
        assert!(run("echo 192.0.2.1; sleep 600 &", Duration::from_millis(300)).await.is_err());
    }
}
