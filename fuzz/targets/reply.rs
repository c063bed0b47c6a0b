//! A gateway's reply, as the client reads it.

use std::net::IpAddr;

use nic53::{
    client::{self, http::HttpReply},
    protocol::reply::{self, ReturnCode},
};

use super::oracle;

/// Takes a byte for the number of hosts, one for the status and the rest for a body; and all of it
/// for the codes of a gateway.
pub fn run(data: &[u8]) {
    let Some((&[hosts, status], body)) = data.split_first_chunk::<2>() else { return };
    let hosts = usize::from(hosts % 21);
    let status = [200, 200, 401, 503, 503, 404, 302, 100 + u16::from(status)][usize::from(status % 8)];
    let body = String::from_utf8_lossy(body).into_owned();
    if let Some(codes) = client::reply::read(&HttpReply { status, location: None, body: body.clone() }, hosts) {
        assert_eq!(codes.len(), hosts);
        let words = ["good", "nochg", "badauth", "nohost", "notfqdn", "numhost", "!donator", "dnserr", "911"];
        for code in &codes {
            assert!(status == 401 || body.contains(code.word()), "{code:?} in {body:?}");
            assert!(words.contains(&code.word()));
        }
        let kept = status == 200 || status == 503 || codes.iter().all(|code| *code == ReturnCode::BadAuth);
        assert!(kept, "{status} {body:?}");
        if hosts > 0 {
            let again = codes.iter().any(|code| matches!(code, ReturnCode::DnsErr | ReturnCode::ServerError));
            assert_eq!(status == 503, again, "{status} {body:?}");
            round_trip(&codes);
        }
    }
    if let Some(codes) = codes(data) {
        round_trip(&codes);
    }
}

/// The client reads the codes that the gateway wrote.
fn round_trip(codes: &[ReturnCode]) {
    let reply = reply::response(codes);
    oracle::keeps_its_form(&reply);
    // A body may have a code of the whole request only once.
    let (status, body) = (reply.status().as_u16(), reply.body().clone());
    let read = client::reply::read(&HttpReply { status, location: None, body: body.clone() }, codes.len());
    // A gateway never mixes a refusal of the whole request with another code.
    let mixed = codes.contains(&ReturnCode::BadAuth) && codes.iter().any(|code| *code != ReturnCode::BadAuth);
    if !mixed {
        assert_eq!(read.as_deref(), Some(codes), "{status} {body:?}");
    }
}

/// A reply's codes out of bytes: a byte for the code, and more for its addresses.
fn codes(data: &[u8]) -> Option<Vec<ReturnCode>> {
    let mut bytes = data.iter().copied();
    let mut codes = Vec::new();
    while let (Some(byte), true) = (bytes.next(), codes.len() < 20) {
        let mut addresses = |least: u8| -> Vec<IpAddr> {
            let count = (byte >> 4) % 4;
            let mut address = |v4: bool| -> IpAddr {
                let mut octet = || bytes.next().unwrap_or(1);
                if v4 { [octet(), octet(), octet(), octet()].into() } else { [0; 16].map(|_: u8| octet()).into() }
            };
            (0..count.max(least)).map(|index| address(index == 0)).collect()
        };
        codes.push(match byte % 9 {
            0 => ReturnCode::Good(addresses(1)),
            1 => ReturnCode::NoChg(addresses(0)),
            2 => ReturnCode::BadAuth,
            3 => ReturnCode::NoHost,
            4 => ReturnCode::NotFqdn,
            5 => ReturnCode::NumHost,
            6 => ReturnCode::NotDonator,
            7 => ReturnCode::DnsErr,
            _ => ReturnCode::ServerError,
        });
    }
    (!codes.is_empty()).then_some(codes)
}

/// Replies of every sort.
pub fn seeds() -> Vec<Vec<u8>> {
    let replies: [(u8, u8, &str); 12] = [
        (1, 0, "good 192.0.2.1"),
        (2, 0, "good 192.0.2.1,2001:db8::7\nnochg"),
        (1, 0, "nochg 2001:db8::7\r\n"),
        (3, 0, "nohost\nnotfqdn\ngood 192.0.2.1"),
        (2, 0, "numhost"),
        (2, 0, "!donator"),
        (1, 2, "badauth"),
        (2, 2, "<html>who are you?</html>"),
        (2, 3, "dnserr\nnochg 192.0.2.1"),
        (3, 3, "911"),
        (1, 5, "not found"),
        (1, 6, "good 192.0.2.1"),
    ];
    let seed = |(hosts, status, body): &(u8, u8, &str)| [&[*hosts, *status], body.as_bytes()].concat();
    replies.iter().map(seed).chain([(0..64).collect(), vec![0x10, 192, 0, 2, 1, 3, 4, 7]]).collect()
}
