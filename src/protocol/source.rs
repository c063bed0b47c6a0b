//! The caller's own address.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use http::{HeaderMap, HeaderName, HeaderValue};
use ipnet::IpNet;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

/// The header in which CloudFront proves that it is ours.
const ORIGIN_SECRET: HeaderName = HeaderName::from_static("x-nic53-origin");
/// The header in which CloudFront gives the viewer's address and port.
const VIEWER_ADDRESS: HeaderName = HeaderName::from_static("cloudfront-viewer-address");
/// The header in which a proxy names the client that it speaks for.
const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// Whom to believe about the caller's address.
#[derive(Clone, Default)]
pub struct Proxies {
    /// Networks whose `X-Forwarded-For` counts (`NIC53_TRUSTED_PROXIES`).
    pub trusted: Vec<IpNet>,
    /// What a CloudFront front must carry (`NIC53_ORIGIN_SECRET`).
    pub origin_secret: Option<Zeroizing<String>>,
}

impl Proxies {
    /// The caller's address, given the socket's peer or the event's; `None` if it is
    /// unknown.
    pub fn source(&self, headers: &HeaderMap, peer: Option<IpAddr>) -> Option<IpAddr> {
        match &self.origin_secret {
            Some(secret) => viewer(headers, secret),
            None => self.forwarded(headers, peer?.to_canonical()),
        }
    }

    /// The first address from the right that is not a trusted proxy's. If all are, the leftmost.
    fn forwarded(&self, headers: &HeaderMap, peer: IpAddr) -> Option<IpAddr> {
        let mut source = peer;
        let lines: Vec<_> = headers.get_all(FORWARDED_FOR).iter().collect();
        for line in lines.into_iter().rev() {
            for element in elements_from_right(line) {
                if !self.trusts(source) {
                    return Some(source);
                }
                source = without_port(element)?;
            }
        }
        Some(source)
    }

    /// Whether an address is a trusted proxy's.
    fn trusts(&self, address: IpAddr) -> bool {
        self.trusted.iter().any(|network| network.contains(&address))
    }
}

/// The address that CloudFront saw, if the request came through ours.
fn viewer(headers: &HeaderMap, secret: &str) -> Option<IpAddr> {
    let presented = headers.get(ORIGIN_SECRET)?;
    if !bool::from(presented.as_bytes().ct_eq(secret.as_bytes())) {
        return None;
    }
    let viewer = headers.get(VIEWER_ADDRESS)?.to_str().ok()?;
    // It always ends in a port, and IPv6 stands there without brackets.
    let (address, _port) = viewer.trim().rsplit_once(':')?;
    without_port(address)
}

/// The elements of a comma list, the last first. Octets that are not text make a malformed element,
/// and no more: a client may have written it before the ones that count.
pub(crate) fn elements_from_right(line: &HeaderValue) -> impl Iterator<Item = &str> {
    line.as_bytes().rsplit(|byte| *byte == b',').map(|element| str::from_utf8(element).unwrap_or("?"))
}

/// An address with an optional port; IPv6 with a port stands in brackets.
pub(crate) fn without_port(text: &str) -> Option<IpAddr> {
    let text = text.trim();
    let (address, port) = match text.strip_prefix('[') {
        Some(rest) => {
            let (address, port) = rest.split_once(']')?;
            (address.parse::<Ipv6Addr>().ok()?.into(), port)
        }
        None => {
            if let Ok(address) = text.parse() {
                (address, "")
            } else {
                let (address, port) = text.split_at_checked(text.find(':')?)?;
                (address.parse::<Ipv4Addr>().ok()?.into(), port)
            }
        }
    };
    let port_is_fine = port.is_empty() || port.strip_prefix(':')?.parse::<u16>().is_ok();
    port_is_fine.then(|| IpAddr::to_canonical(&address))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The source of a request with these headers.
    fn source(proxies: &Proxies, headers: &[(HeaderName, &str)], peer: Option<&str>) -> Option<String> {
        let value = |value: &str| HeaderValue::from_bytes(value.as_bytes()).unwrap();
        let headers = headers.iter().map(|(name, text)| (name.clone(), value(text))).collect();
        proxies.source(&headers, peer.map(|peer| peer.parse().unwrap())).map(|source| source.to_string())
    }

    /// Proxies in `192.0.2.0/24` and `2001:db8:ffff::/48` are trusted.
    fn trusting() -> Proxies {
        let trusted = ["192.0.2.0/24", "2001:db8:ffff::/48"].map(|network| network.parse().unwrap());
        Proxies { trusted: trusted.to_vec(), origin_secret: None }
    }

    #[test]
    fn forwarded_for_counts_from_the_right_while_trusted() {
        for (peer, lines, expected) in [
            ("203.0.113.9", &["198.51.100.1"][..], Some("203.0.113.9")),
            ("192.0.2.1", &[], Some("192.0.2.1")),
            ("::ffff:203.0.113.9", &[], Some("203.0.113.9")),
            ("192.0.2.1", &["198.51.100.1"], Some("198.51.100.1")),
            ("::ffff:192.0.2.1", &["198.51.100.1"], Some("198.51.100.1")),
            ("192.0.2.1", &["6.6.6.6, 198.51.100.1,192.0.2.2"], Some("198.51.100.1")),
            ("192.0.2.1", &["6.6.6.6", "198.51.100.1", "192.0.2.2"], Some("198.51.100.1")),
            ("192.0.2.1", &["192.0.2.3, 192.0.2.2"], Some("192.0.2.3")),
            ("192.0.2.1", &["198.51.100.1:4711"], Some("198.51.100.1")),
            ("192.0.2.1", &["[2001:db8::1]:4711"], Some("2001:db8::1")),
            ("192.0.2.1", &["[2001:db8::1]"], Some("2001:db8::1")),
            ("192.0.2.1", &["2001:db8::1, 2001:db8:ffff::2"], Some("2001:db8::1")),
            ("192.0.2.1", &["::ffff:198.51.100.1"], Some("198.51.100.1")),
            ("192.0.2.1", &["unknown"], None),
            ("192.0.2.1", &[""], None),
            ("192.0.2.1", &["198.51.100.1,"], None),
            ("192.0.2.1", &["198.51.100.1:port"], None),
            ("192.0.2.1", &["[2001:db8::1"], None),
            ("192.0.2.1", &["[198.51.100.1]"], None),
            ("192.0.2.1", &["[2001:db8::1]x"], None),
            ("192.0.2.1", &["rubbish, 198.51.100.1"], Some("198.51.100.1")),
            ("192.0.2.1", &["é, 198.51.100.1"], Some("198.51.100.1")),
            ("192.0.2.1", &["198.51.100.1, é"], None),
        ] {
            let headers: Vec<_> = lines.iter().map(|line| (FORWARDED_FOR, *line)).collect();
            assert_eq!(source(&trusting(), &headers, Some(peer)).as_deref(), expected, "{peer} {lines:?}");
        }
    }

    #[test]
    fn without_a_peer_there_is_no_source() {
        assert_eq!(source(&trusting(), &[(FORWARDED_FOR, "198.51.100.1")], None), None);
    }

    #[test]
    fn behind_cloudfront_the_viewer_counts_and_nobody_else() {
        let proxies = Proxies { origin_secret: Some(Zeroizing::new("s3cret".to_owned())), ..trusting() };
        for (secret, viewer, expected) in [
            ("s3cret", "198.51.100.7:4711", Some("198.51.100.7")),
            ("s3cret", "2001:db8::7:4711", Some("2001:db8::7")),
            ("s3cret", "[2001:db8::7]:4711", Some("2001:db8::7")),
            ("s3cret", "nonsense", None),
            ("wrong", "198.51.100.7:4711", None),
            ("", "198.51.100.7:4711", None),
        ] {
            let headers = [(ORIGIN_SECRET, secret), (VIEWER_ADDRESS, viewer)];
            assert_eq!(source(&proxies, &headers, Some("203.0.113.9")).as_deref(), expected, "{secret} {viewer}");
        }
        assert_eq!(source(&proxies, &[(VIEWER_ADDRESS, "198.51.100.7:1")], Some("203.0.113.9")), None);
        assert_eq!(source(&proxies, &[(FORWARDED_FOR, "198.51.100.7")], Some("192.0.2.1")), None);
    }
}
