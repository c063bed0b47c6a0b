//! The addresses of an interface of this machine.

use std::{
    fs,
    net::{IpAddr, Ipv6Addr},
};

use if_addrs::{IfAddr, Interface};

use crate::protocol::address::is_publishable;

/// The global addresses of an interface that will stay for a while, in numeric order.
///
/// # Errors
///
/// If the interfaces cannot be read, or if there is none of that name.
pub fn addresses(name: &str) -> Result<Vec<IpAddr>, String> {
    let interfaces = if_addrs::get_if_addrs().map_err(|error| format!("could not read the interfaces: {error}"))?;
    let of_name = interfaces.iter().filter(|interface| interface.name == name);
    let v4 = of_name.clone().filter_map(|interface| match &interface.addr {
        IfAddr::V4(address) => Some(IpAddr::V4(address.ip)),
        IfAddr::V6(_) => None,
    });
    // Only the system's own table says which IPv6 addresses are temporary. A system without IPv6 has
    // no such table.
    let table = fs::read_to_string("/proc/net/if_inet6").unwrap_or_default();
    let v6 = stable(&table, name).into_iter().map(IpAddr::V6);
    let mut addresses: Vec<IpAddr> = v4.chain(v6).filter(|address| is_publishable(*address, false)).collect();
    addresses.sort_unstable();
    addresses.dedup();
    if of_name.count() == 0 {
        return Err(format!("there is no interface {name} that is up: expected one of {}", names(&interfaces)));
    }
    Ok(addresses)
}

/// The lasting IPv6 addresses of an interface, from Linux's table: address, index, prefix length,
/// scope, flags and name, all in hexadecimal but the name.
fn stable(table: &str, name: &str) -> Vec<Ipv6Addr> {
    let address = |line: &str| {
        let [address, _, _, _, flags, of] = line.split_whitespace().collect::<Vec<_>>().try_into().ok()?;
        let address = Ipv6Addr::from_bits(u128::from_str_radix(address, 16).ok()?);
        let flags = u32::from_str_radix(flags, 16).ok()?;
        (of == name && flags & PASSING == 0).then_some(address)
    };
    table.lines().filter_map(address).collect()
}

/// The flags of an address that is not to be published: temporary (RFC 8981), a duplicate,
/// deprecated (RFC 4862 §5.5.4), tentative. `IFA_F_…` of `linux/if_addr.h`.
const PASSING: u32 = 0x01 | 0x08 | 0x20 | 0x40;

/// The names of all interfaces, each once.
fn names(interfaces: &[Interface]) -> String {
    let mut names: Vec<&str> = interfaces.iter().map(|interface| interface.name.as_str()).collect();
    names.sort_unstable();
    names.dedup();
    names.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A home's host: stable, temporary, deprecated, tentative and duplicate addresses, a link-local
    /// one and the loopback.
    const TABLE: &str = "\
20010db8000100020000000000000007 02 40 00 80     eth0
20010db80001000202aabbfffeccddee 02 40 00 00     eth0
20010db8000100021111222233334444 02 40 00 01     eth0
20010db8000100031111222233334444 02 40 00 21     eth0
20010db80001000302aabbfffeccddee 02 40 00 20     eth0
20010db8000100020000000000000008 02 40 00 40     eth0
20010db8000100020000000000000009 02 40 00 c8     eth0
fe8000000000000002aabbfffeccddee 02 40 20 80     eth0
20010db8000200000000000000000001 03 40 00 80    wlan0
00000000000000000000000000000001 01 80 10 80       lo
not a line of it
";

    #[test]
    fn temporary_deprecated_and_unfinished_addresses_are_passed_over() {
        for (name, expected) in [
            ("eth0", &["2001:db8:1:2::7", "2001:db8:1:2:2aa:bbff:fecc:ddee", "fe80::2aa:bbff:fecc:ddee"][..]),
            ("wlan0", &["2001:db8:2::1"]),
            ("lo", &["::1"]),
            ("eth", &[]),
        ] {
            let addresses: Vec<_> = stable(TABLE, name).iter().map(ToString::to_string).collect();
            assert_eq!(addresses, expected, "{name}");
        }
    }

    #[test]
    fn the_loopback_has_no_address_to_publish() {
        assert_eq!(addresses("lo"), Ok(Vec::new()));
    }

    #[test]
    fn a_missing_interface_is_reported_with_those_that_are_there() {
        let error = addresses("no-such0").unwrap_err();
        assert!(error.contains("there is no interface no-such0") && error.contains("lo"), "{error}");
    }
}
