//! The steps `ipv4` and `ipv6`: whether the gateway's addresses accept connections.

use std::net::SocketAddr;

use super::{http::ExchangeError, probe::Probe, report::Step};
use crate::protocol::address::Family;

/// An address, and whether it accepted a connection.
type Attempt = (SocketAddr, Result<(), ExchangeError>);

/// Connects to each address: a step for each family that was tried. Also returns the addresses that accepted.
pub(super) async fn check(probe: &Probe, addresses: &[SocketAddr]) -> (Vec<Step>, Vec<SocketAddr>) {
    let mut attempts: Vec<Attempt> = Vec::new();
    for address in addresses {
        attempts.push((*address, probe.connect(*address).await.map(drop)));
    }
    let open: Vec<SocketAddr> =
        attempts.iter().filter(|(_, result)| result.is_ok()).map(|(address, _)| *address).collect();
    let steps = [Family::V4, Family::V6].into_iter().filter_map(|family| {
        let of_family: Vec<_> =
            attempts.iter().filter(|(address, _)| Family::of(address.ip()) == family).cloned().collect();
        (!of_family.is_empty()).then(|| judge(family, &of_family, !open.is_empty()))
    });
    (steps.collect(), open)
}

/// The step of one family. `reached`: whether any address of either family accepted.
fn judge(family: Family, attempts: &[Attempt], reached: bool) -> Step {
    let name = match family {
        Family::V4 => "ipv4",
        Family::V6 => "ipv6",
    };
    let mut failed = attempts.iter().filter_map(|(address, result)| Some((address, result.as_ref().err()?)));
    let Some((address, error)) = failed.next() else {
        let addresses: Vec<_> = attempts.iter().map(|(address, _)| address.to_string()).collect();
        return Step::fine(name, format!("connected to {}", addresses.join(", ")));
    };
    let (observed, family) = (format!("{address}: {error}"), family.name());
    match error {
        ExchangeError::NoRoute(_) if reached => {
            Step::skipped(name, format!("this machine has no {family}: {observed}"))
        }
        ExchangeError::NoRoute(_) => Step::unknown(name, observed)
            .meaning(format!("this machine has no {family}"))
            .advice("check the network of this machine, then check again"),
        ExchangeError::Refused | ExchangeError::Timeout(_) | ExchangeError::Broken(_) | ExchangeError::Tls(_) => {
            Step::wrong(name, observed)
                .meaning(format!("clients that use {family} do not reach the gateway there"))
                .advice("make sure that the gateway runs and listens there, and that no firewall is in between")
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::cli::check::report::Severity;

    #[test]
    fn a_family_that_this_machine_lacks_is_not_the_gateways_fault() {
        let address: SocketAddr = "[2001:db8::1]:443".parse().unwrap();
        for (error, reached, severity) in [
            (ExchangeError::NoRoute("x".into()), true, Severity::Skipped),
            (ExchangeError::NoRoute("x".into()), false, Severity::Unknown),
            (ExchangeError::Refused, true, Severity::Wrong),
            (ExchangeError::Timeout(Duration::from_secs(10)), false, Severity::Wrong),
        ] {
            let step = judge(Family::V6, &[(address, Err(error.clone()))], reached);
            assert_eq!(step.severity, severity, "{error} {reached}");
        }
        assert_eq!(judge(Family::V6, &[(address, Ok(()))], true).severity, Severity::Fine);
    }
}
