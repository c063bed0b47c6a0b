//! The URL of a gateway, taken apart, and the name of a host.

use std::{
    fmt,
    net::{IpAddr, Ipv6Addr},
    str::FromStr,
};

use http::Uri;

use crate::protocol::{
    endpoint::{CHECKIP_PATHS, UPDATE_PATHS},
    hostname::HostName,
};

/// The URL under which clients reach a gateway, up to and without `/nic/update`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GatewayUrl {
    /// Whether it is asked over TLS.
    pub https: bool,
    /// The name or address of the server; IPv6 without brackets.
    pub host: String,
    /// The port; the scheme's own if none is given.
    pub port: u16,
    /// The path before `/nic/update`, such as `/prod`; usually empty.
    pub prefix: String,
}

impl GatewayUrl {
    /// The scheme.
    pub fn scheme(&self) -> &'static str {
        if self.https { "https" } else { "http" }
    }

    /// Whether the port is the scheme's own.
    pub fn has_default_port(&self) -> bool {
        self.port == if self.https { 443 } else { 80 }
    }

    /// The server as a URL or `Host` has it: in brackets if it is an IPv6 address, with the port
    /// unless that is the scheme's own.
    pub fn authority(&self) -> String {
        let host = match self.host.parse::<Ipv6Addr>() {
            Ok(address) => format!("[{address}]"),
            Err(_) => self.host.clone(),
        };
        if self.has_default_port() { host } else { format!("{host}:{}", self.port) }
    }

    /// Whether only this machine can reach it.
    pub fn is_loopback(&self) -> bool {
        self.host == "localhost" || self.host.parse().is_ok_and(|address: IpAddr| address.is_loopback())
    }
}

impl FromStr for GatewayUrl {
    type Err = String;

    /// Reads `https://dyn.example.org`, with or without the path that clients ask for.
    fn from_str(text: &str) -> Result<Self, String> {
        let expected = "expected the URL of a gateway, such as https://dyn.example.org";
        let uri: Uri = text.trim().parse().map_err(|_| expected.to_owned())?;
        let https = match uri.scheme_str() {
            Some("https") => true,
            Some("http") => false,
            Some(_) | None => return Err(format!("{expected}: http:// or https:// first")),
        };
        let authority = uri.authority().ok_or_else(|| expected.to_owned())?;
        if text.contains('@') {
            return Err(format!("{expected}: without user name and password"));
        }
        if uri.query().is_some() || text.contains('#') {
            return Err(format!("{expected}: without `?` or `#` and what follows"));
        }
        let host = authority.host().trim_start_matches('[').trim_end_matches(']').to_ascii_lowercase();
        if host.is_empty() {
            return Err(expected.to_owned());
        }
        let port = match authority.port_u16() {
            None if authority.as_str() == authority.host() => {
                if https {
                    443
                } else {
                    80
                }
            }
            None | Some(0) => return Err(format!("{expected}: with a port of 1 to 65535, or without one")),
            Some(port) => port,
        };
        Ok(Self { https, host, port, prefix: prefix(uri.path()).to_owned() })
    }
}

impl fmt::Display for GatewayUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}{}", self.scheme(), self.authority(), self.prefix)
    }
}

/// Reads a host that a gateway may move.
///
/// # Errors
///
/// If it is not a fully qualified host name: what was expected.
pub fn host(text: &str) -> Result<HostName, String> {
    text.parse().map_err(|_| "expected a fully qualified host name, such as home.example.org".to_owned())
}

/// A path without the endpoint at its end.
fn prefix(path: &str) -> &str {
    let path = path.trim_end_matches('/');
    let stripped = UPDATE_PATHS.iter().chain(&CHECKIP_PATHS).find_map(|endpoint| path.strip_suffix(endpoint));
    stripped.unwrap_or(path).trim_end_matches('/')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_taken_apart() {
        for (given, https, host, port, prefix, shown) in [
            ("https://dyn.example.org", true, "dyn.example.org", 443, "", "https://dyn.example.org"),
            ("HTTP://DYN.example.org/", false, "dyn.example.org", 80, "", "http://dyn.example.org"),
            (
                "https://dyn.example.org:8443/prod/nic/update",
                true,
                "dyn.example.org",
                8443,
                "/prod",
                "https://dyn.example.org:8443/prod",
            ),
            ("http://[2001:db8::1]:8053/", false, "2001:db8::1", 8053, "", "http://[2001:db8::1]:8053"),
            ("https://dyn.example.org:443/v3/update/", true, "dyn.example.org", 443, "", "https://dyn.example.org"),
            ("http://192.168.1.2:8053/checkip", false, "192.168.1.2", 8053, "", "http://192.168.1.2:8053"),
        ] {
            let url: GatewayUrl = given.parse().unwrap_or_else(|error| panic!("{given}: {error}"));
            assert_eq!((url.https, &*url.host, url.port, &*url.prefix), (https, host, port, prefix), "{given}");
            assert_eq!(url.to_string(), shown, "{given}");
        }
    }

    #[test]
    fn what_is_not_the_url_of_a_gateway_is_refused_with_what_was_expected() {
        for given in [
            "",
            "dyn.example.org",
            "dyn.example.org/nic/update",
            "ftp://dyn.example.org",
            "https://",
            "https:///nic/update",
            "https://user:token@dyn.example.org",
            "https://dyn.example.org/user:token@x",
            "https://dyn.example.org/nic/update?hostname=a.b",
            "https://dyn.example.org/#top",
            "https://dyn.example.org:99999",
            "https://dyn.example.org:0",
            "https://dyn.example.org:/",
            "https://dyn example.org",
        ] {
            let error = given.parse::<GatewayUrl>().unwrap_err();
            assert!(error.contains("such as https://dyn.example.org"), "{given}: {error}");
        }
    }

    #[test]
    fn loopback_is_this_machine() {
        for (given, loopback) in [
            ("http://127.0.0.1:8053", true),
            ("http://[::1]", true),
            ("http://localhost", true),
            ("http://192.168.1.2", false),
        ] {
            assert_eq!(given.parse::<GatewayUrl>().unwrap().is_loopback(), loopback, "{given}");
        }
    }
}
