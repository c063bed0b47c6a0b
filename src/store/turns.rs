//! Turns: one request at a time may read a host, plan and change it.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use tokio::sync::{self, OwnedMutexGuard};

use crate::protocol::hostname::HostName;

/// A request's turn at its hosts. Dropped, it is over.
#[derive(Debug, Default)]
pub struct Turn {
    /// The locks of the hosts.
    _locks: Vec<OwnedMutexGuard<()>>,
}

/// The hosts that are read and changed now.
#[derive(Default)]
pub(super) struct Turns {
    /// The lock of each host, as long as a request has it or waits for it.
    locks: Mutex<HashMap<HostName, Arc<sync::Mutex<()>>>>,
}

impl Turns {
    /// Waits until earlier requests for these hosts are done: first come, first served.
    pub(super) async fn take(&self, hosts: impl Iterator<Item = &HostName>) -> Turn {
        let mut hosts: Vec<_> = hosts.collect();
        // In one order, so that no two requests wait for each other.
        hosts.sort_unstable_by_key(|host| host.as_str());
        hosts.dedup();
        let mut locks = Vec::new();
        for host in hosts {
            locks.push(self.lock_of(host).lock_owned().await);
        }
        Turn { _locks: locks }
    }

    /// The lock of a host. Those that nobody has or waits for are removed.
    fn lock_of(&self, host: &HostName) -> Arc<sync::Mutex<()>> {
        let mut locks = self.locks.lock().unwrap_or_else(PoisonError::into_inner);
        locks.retain(|other, lock| other == host || Arc::strong_count(lock) > 1);
        Arc::clone(locks.entry(host.clone()).or_default())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::{Instant, sleep};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_host_is_one_requests_at_a_time_and_other_hosts_do_not_wait() {
        let turns = Turns::default();
        let host = |name: &str| name.parse::<HostName>().unwrap();
        let (a, b, c) = (host("a.example.org"), host("b.example.org"), host("c.example.org"));
        let started = Instant::now();
        let request = async |hosts: Vec<&HostName>| {
            let turn = turns.take(hosts.into_iter()).await;
            let begun = started.elapsed().as_secs();
            sleep(Duration::from_secs(1)).await;
            drop(turn);
            begun
        };
        let (first, second, third, fourth) =
            tokio::join!(request(vec![&b, &a, &a]), request(vec![&a, &b]), request(vec![&c]), request(vec![&b]));
        assert_eq!([first, second, third, fourth], [0, 1, 0, 2]);
        drop(turns.take([&c].into_iter()).await);
        assert_eq!(turns.locks.lock().unwrap().len(), 1, "hosts that nobody waits for are forgotten");
    }
}
