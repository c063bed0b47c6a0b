//! What each return code means, and what to do about it, for a person.
//!
//! The table under `## Codes` of `docs/protocol.md` is the same, word for word: a test compares them.

use crate::protocol::reply::ReturnCode;

/// The meaning of a return code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CodeMeaning {
    /// What the code says.
    pub meaning: &'static str,
    /// What whoever owns the client does about it.
    pub advice: &'static str,
}

/// Every return code once, in the order of the table.
pub const EVERY_CODE: [ReturnCode; 9] = [
    ReturnCode::Good(Vec::new()),
    ReturnCode::NoChg(Vec::new()),
    ReturnCode::BadAuth,
    ReturnCode::NoHost,
    ReturnCode::NotFqdn,
    ReturnCode::NumHost,
    ReturnCode::NotDonator,
    ReturnCode::DnsErr,
    ReturnCode::ServerError,
];

/// What a code means, and what to do about it.
pub fn meaning(code: &ReturnCode) -> CodeMeaning {
    let (meaning, advice) = match code {
        ReturnCode::Good(_) => ("The record was changed. The addresses follow.", "Nothing."),
        ReturnCode::NoChg(_) => ("The record has these addresses already.", "Nothing."),
        ReturnCode::BadAuth => (
            "The user name or the token is missing or wrong.",
            "Check the user name and the token. Restart a client that has stopped.",
        ),
        ReturnCode::NoHost => (
            "The token does not cover this host, or the host is not one that the gateway may change.",
            "Check the spelling of the host. Ask the operator for a token that covers it.",
        ),
        ReturnCode::NotFqdn => ("The host is not a full host name.", "Write the whole name, such as home.example.org."),
        ReturnCode::NumHost => ("The request names more than 20 hosts.", "Split the hosts over several requests."),
        ReturnCode::NotDonator => (
            "The request asks for what this gateway does not allow: to take the host offline, or a TXT record in an update.",
            "Switch \"offline\" off in the client. Certificates have requests of their own.",
        ),
        ReturnCode::DnsErr => (
            "The record could not be changed, or there is no address to publish.",
            "Wait: the client tries again. If it stays, check that the client sends a public address, \
             and ask the operator.",
        ),
        ReturnCode::ServerError => ("The gateway itself has a fault.", "Wait, and tell the operator."),
    };
    CodeMeaning { meaning, advice }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_of_the_protocol_has_the_same_table() {
        let page = include_str!("../../docs/protocol.md");
        let (_, section) = page.split_once("\n## Codes\n").unwrap();
        let section = section.split("\n## ").next().unwrap();
        let rows: Vec<&str> = section.lines().filter(|line| line.starts_with("| `")).collect();
        let expected = EVERY_CODE.into_iter().map(|code| {
            let CodeMeaning { meaning, advice } = meaning(&code);
            format!("| `{}` | {meaning} | {advice} |", code.word())
        });
        assert_eq!(rows, expected.collect::<Vec<_>>());
    }

    #[test]
    fn the_most_hosts_of_a_request_are_those_of_the_table() {
        let most = crate::protocol::update::MAX_HOSTS;
        assert!(meaning(&ReturnCode::NumHost).meaning.contains(&format!("more than {most} hosts")));
    }
}
