//! The gateway's names that have addresses of one family only.

use std::str::FromStr;

use http::{HeaderMap, HeaderValue, header::HOST};

use crate::protocol::hostname::HostName;

/// A gateway's name for which `ipv4.NAME` has A records only and `ipv6.NAME` AAAA records only, so that the page can
/// ask for the caller's address of each family.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FamilyNames {
    /// The name, with its port unless that is 443.
    authority: String,
}

impl FamilyNames {
    /// The name, with its port unless that is 443.
    pub fn authority(&self) -> &str {
        &self.authority
    }

    /// What the page may connect to besides its own origin, as a content security policy has it.
    pub fn sources(&self) -> String {
        format!("https://ipv4.{0} https://ipv6.{0}", self.authority)
    }

    /// The origin whose page may read the reply to a request under one of the two names; `None` for a request under
    /// another name. Not `*`: a page of another site could learn the private address of a visitor then.
    pub fn reader(&self, headers: &HeaderMap) -> Option<HeaderValue> {
        let host = headers.get(HOST)?.to_str().ok()?.trim().to_ascii_lowercase();
        let name = host.strip_prefix("ipv4.").or_else(|| host.strip_prefix("ipv6."))?;
        (name == self.authority).then(|| HeaderValue::from_str(&format!("https://{name}")).ok())?
    }
}

impl FromStr for FamilyNames {
    type Err = String;

    /// Reads `ddns.example.org`, or `ddns.example.org:8443`.
    fn from_str(text: &str) -> Result<Self, String> {
        let (name, port) = text.split_once(':').unwrap_or((text, "443"));
        match (name.parse::<HostName>(), port.parse::<u16>()) {
            (Ok(name), Ok(443)) => Ok(Self { authority: name.to_string() }),
            (Ok(name), Ok(port @ 1..)) => Ok(Self { authority: format!("{name}:{port}") }),
            _ => Err("expected the gateway's name, such as ddns.example.org, with its port if that is not 443".into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_has_a_port_unless_that_is_the_one_of_https() {
        for (text, authority) in [
            ("ddns.example.org", Some("ddns.example.org")),
            ("DDNS.example.org.", Some("ddns.example.org")),
            ("ddns.example.org:443", Some("ddns.example.org")),
            ("ddns.example.org:8443", Some("ddns.example.org:8443")),
            ("https://ddns.example.org", None),
            ("ddns", None),
            ("ddns.example.org:0", None),
            ("ddns.example.org:", None),
            ("a.example.org b.example.org", None),
            ("a.example.org;script-src", None),
        ] {
            let names = text.parse::<FamilyNames>().ok();
            assert_eq!(names.as_ref().map(FamilyNames::authority), authority, "{text}");
        }
    }

    #[test]
    fn the_page_of_that_name_alone_reads_a_reply_under_the_two_names() {
        let names: FamilyNames = "ddns.example.org".parse().unwrap();
        for (host, reads) in [
            ("ipv4.ddns.example.org", true),
            ("IPv6.DDNS.example.org", true),
            ("ddns.example.org", false),
            ("ipv5.ddns.example.org", false),
            ("ipv4.ddns.example.org:8443", false),
            ("ipv4.ddns.example.org.evil.example", false),
            ("", false),
        ] {
            let headers = [(HOST, HeaderValue::from_str(host).unwrap())].into_iter().collect();
            let expected = reads.then(|| HeaderValue::from_static("https://ddns.example.org"));
            assert_eq!(names.reader(&headers), expected, "{host}");
        }
        assert_eq!(names.reader(&HeaderMap::new()), None);
    }
}
