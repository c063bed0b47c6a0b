//! The answers of the embedded DNS server to dig.

use super::process::{Nic53, program};

/// The values that the DNS server has for a name, in order.
pub fn dig(gateway: &Nic53, name: &str, kind: &str) -> Vec<String> {
    let dns = gateway.dns.as_deref().expect("a DNS server");
    let (host, port) = dns.rsplit_once(':').expect("an address with a port");
    let finished = program("dig").args(&["+short", "-p", port, &format!("@{host}"), name, kind]).start().finish();
    assert_eq!(finished.code, Some(0), "{finished:?}");
    let mut values: Vec<String> = finished.stdout.lines().map(str::to_owned).collect();
    values.sort();
    values
}
