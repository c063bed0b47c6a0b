//! The steps `delegation`, `name-servers`, `resolver` and `ttl`: the record in DNS, at the zone's own name servers and
//! then at a resolver. Only a record that has just moved is waited for.

use std::{collections::BTreeSet, net::IpAddr, time::Duration};

use futures_util::future::join_all;
use hickory_server::proto::rr::Name;
use tokio::time::{Instant, sleep};

use super::{
    delegation,
    name_servers::{self, Server},
    report::{Report, Step},
    search::Search,
    view::{Role, View},
};

/// The pause between two rounds of questions.
const PAUSE: Duration = Duration::from_secs(2);

/// Looks for the record. Returns its addresses, if the name servers agree on them.
pub(super) async fn check(search: &Search<'_>, report: &mut Report) -> Option<BTreeSet<IpAddr>> {
    let name = match Name::from_ascii(format!("{}.", search.host)) {
        Ok(name) => name,
        Err(error) => {
            report.add(Step::unknown("name-servers", format!("{}: {error}", search.host)));
            return None;
        }
    };
    report.add(delegation::check(search, &name).await);
    let servers = match name_servers::find(search, &name).await {
        Ok(servers) => servers,
        Err(step) => {
            report.add(step);
            return None;
        }
    };
    let (step, views) = look(search, &name, &servers, Role::NameServer, report).await;
    let agreed = step.severity.is_fine();
    report.add(step);
    if !agreed {
        return None;
    }
    let addresses = views.iter().find_map(|view| view.seen.as_ref().ok()).map(|seen| seen.addresses.clone());
    let resolver = [Server { name: search.resolver.ip().to_string(), addresses: vec![search.resolver] }];
    let expected = Search { expected: addresses.clone(), ..*search };
    let (step, _) = look(&expected, &name, &resolver, Role::Resolver, report).await;
    report.add(step);
    if let Some(ttl) = views.iter().filter_map(|view| view.seen.as_ref().ok()?.ttl).max() {
        report.add(judge_ttl(ttl));
    }
    addresses
}

/// Asks all servers, again and again until they agree or the time is up.
async fn look(search: &Search<'_>, name: &Name, servers: &[Server], role: Role, report: &Report) -> (Step, Vec<View>) {
    let deadline = Instant::now() + search.wait;
    loop {
        let views = join_all(servers.iter().map(|server| View::of(server, name, role))).await;
        let (step, is_final) = role.judge(search, &views);
        let left = deadline.saturating_duration_since(Instant::now());
        if is_final || left.is_zero() {
            report.progress("");
            return (step, views);
        }
        report.progress(&format!("waiting, {} s left: {}", left.as_secs(), step.observed));
        sleep(PAUSE.min(left)).await;
    }
}

/// How long the old address stays in use after a change.
fn judge_ttl(ttl: u32) -> Step {
    if ttl <= 900 {
        return Step::fine("ttl", format!("{ttl} s: after that time, everybody sees a change"));
    }
    Step::note("ttl", format!("{ttl} s"))
        .meaning("after a change, the old address stays in use for up to that time")
        .advice("send a lower `ttl` with an update; a new record gets 60 s by default")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::check::report::Severity;

    #[test]
    fn a_long_ttl_is_noted() {
        assert_eq!(judge_ttl(60).severity, Severity::Fine);
        assert_eq!(judge_ttl(86400).severity, Severity::Note);
    }
}
