//! The code of each host in a gateway's reply.

use std::net::IpAddr;

use super::http::HttpReply;
use crate::protocol::{meaning::EVERY_CODE, reply::ReturnCode};

/// Reads a reply to an update of that many hosts: the code of each, in order. `None` if it is not a
/// reply of the protocol: what became of the hosts is then unknown.
pub fn read(reply: &HttpReply, hosts: usize) -> Option<Vec<ReturnCode>> {
    if reply.status == 401 {
        // Whatever the body is, and whoever answers (RFC 9110 §15.5.2).
        return Some(vec![ReturnCode::BadAuth; hosts]);
    }
    let lines: Vec<ReturnCode> =
        reply.body.trim_end().split('\n').map(|line| code(line.trim_end())).collect::<Option<_>>()?;
    match lines.as_slice() {
        lines if reply.status != expected_status(lines) => None,
        lines if lines.len() == hosts => Some(lines.to_vec()),
        // Dyn: codes that concern the whole request are given only once.
        [code] if is_of_all(code) => Some(vec![code.clone(); hosts]),
        _ => None,
    }
}

/// The code of a line: a word, and after `good` and `nochg` the addresses.
fn code(line: &str) -> Option<ReturnCode> {
    let (word, addresses) = line.split_once(' ').unwrap_or((line, ""));
    let addresses = addresses.split(',').filter(|address| !address.is_empty());
    let addresses: Vec<IpAddr> = addresses.map(|address| address.trim().parse().ok()).collect::<Option<_>>()?;
    let code = match word {
        "good" => ReturnCode::Good(addresses),
        "nochg" => ReturnCode::NoChg(addresses),
        _ => EVERY_CODE.into_iter().find(|code| code.word() == line)?,
    };
    Some(code)
}

/// The status that these lines come with: 503 if any of them is worth another try.
fn expected_status(lines: &[ReturnCode]) -> u16 {
    let again = |code: &ReturnCode| matches!(code, ReturnCode::DnsErr | ReturnCode::ServerError);
    if lines.iter().any(again) { 503 } else { 200 }
}

/// Whether one line with this code answers for every host.
fn is_of_all(code: &ReturnCode) -> bool {
    match code {
        ReturnCode::BadAuth
        | ReturnCode::NotFqdn
        | ReturnCode::NumHost
        | ReturnCode::NotDonator
        | ReturnCode::DnsErr
        | ReturnCode::ServerError => true,
        ReturnCode::Good(_) | ReturnCode::NoChg(_) | ReturnCode::NoHost => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The codes that a reply gives to that many hosts, as text.
    fn codes(status: u16, body: &str, hosts: usize) -> Option<Vec<String>> {
        let reply = HttpReply { status, location: None, body: body.to_owned() };
        read(&reply, hosts).map(|codes| codes.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn each_host_has_its_own_line() {
        for (status, body, expected) in [
            (200, "good 192.0.2.1", &["good 192.0.2.1"][..]),
            (200, "good 192.0.2.1,2001:db8::7\n", &["good 192.0.2.1,2001:db8::7"]),
            (200, "nochg\r\n", &["nochg"]),
            (200, "good 192.0.2.1\nnohost\nnotfqdn", &["good 192.0.2.1", "nohost", "notfqdn"]),
            (503, "nochg 192.0.2.1\ndnserr", &["nochg 192.0.2.1", "dnserr"]),
            (503, "dnserr", &["dnserr", "dnserr"]),
            (503, "911", &["911", "911"]),
            (200, "numhost", &["numhost", "numhost"]),
            (200, "!donator", &["!donator", "!donator"]),
            (401, "badauth", &["badauth", "badauth"]),
            // As Dyn itself had it.
            (200, "badauth", &["badauth"]),
            (401, "<html>who are you?</html>", &["badauth"]),
        ] {
            let expected: Vec<String> = expected.iter().map(|text| (*text).to_owned()).collect();
            assert_eq!(codes(status, body, expected.len()), Some(expected), "{body}");
        }
    }

    #[test]
    fn what_is_not_of_the_protocol_is_not_a_reply() {
        for (status, body, hosts) in [
            (200, "", 1),
            (200, "GOOD 192.0.2.1", 1),
            (200, " good 192.0.2.1", 1),
            (200, "good\t192.0.2.1", 1),
            (200, "good there", 1),
            (200, "nohost home.example.org", 1),
            (200, "<html>good 192.0.2.1</html>", 1),
            (200, "abuse", 1),
            (200, "good 192.0.2.1", 2),
            (200, "nohost", 2),
            (200, "good 192.0.2.1\ngood 192.0.2.1", 1),
            (200, "good 192.0.2.1\n\nnohost", 2),
            (200, "dnserr", 1),
            (503, "good 192.0.2.1", 1),
            (503, "Service Unavailable", 1),
            (404, "not found", 1),
            (302, "good 192.0.2.1", 1),
            (201, "good 192.0.2.1", 1),
        ] {
            assert_eq!(codes(status, body, hosts), None, "{status} {body}");
        }
    }
}
