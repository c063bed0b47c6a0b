//! Turns: one request at a time may read a host, plan and change it.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::Notify;

use crate::{problem::Problem, protocol::hostname::HostName};

/// The most requests for one host, the one under way included. Whoever floods a host with its token
/// holds up nobody who asks for it next to another host for longer than these take.
const MAX_QUEUE: usize = 16;

/// A request's turn at its hosts. Dropped, it is over.
#[derive(Default)]
pub struct Turn {
    /// The place of the request, if the store has turns.
    _place: Option<Place>,
}

/// The requests for each host that is asked for now.
#[derive(Default)]
pub(super) struct Turns {
    /// Shared with the places in them.
    queues: Arc<Mutex<Queues>>,
}

/// The requests for each host, first come, first served.
#[derive(Default)]
struct Queues {
    /// Those of each host. The first of each is under way, or waits for another host of its own.
    by_host: HashMap<HostName, VecDeque<Waiting>>,
    /// The number of the next request.
    next: u64,
}

/// A request in a queue.
struct Waiting {
    /// Its number.
    number: u64,
    /// Notified once it is the first for a host.
    first: Arc<Notify>,
}

/// The place of a request in the queues of its hosts. Dropped, it is left.
struct Place {
    /// The queues.
    queues: Arc<Mutex<Queues>>,
    /// The hosts, each once.
    hosts: Vec<HostName>,
    /// The number of the request.
    number: u64,
    /// Notified once it is the first for a host.
    first: Arc<Notify>,
}

impl Turns {
    /// Waits until earlier requests for these hosts are done. A request enters all queues at once, so
    /// no two wait for each other.
    ///
    /// # Errors
    ///
    /// If too many requests wait for one of the hosts.
    pub(super) async fn take(&self, hosts: impl Iterator<Item = &HostName>) -> Result<Turn, Problem> {
        let mut hosts: Vec<HostName> = hosts.cloned().collect();
        hosts.sort_unstable();
        hosts.dedup();
        let place = self.enter(hosts)?;
        while !place.is_first() {
            place.first.notified().await;
        }
        Ok(Turn { _place: Some(place) })
    }

    /// A place at the end of the queue of each host.
    fn enter(&self, hosts: Vec<HostName>) -> Result<Place, Problem> {
        let first = Arc::new(Notify::new());
        let mut queues = lock(&self.queues);
        let is_full = |host: &&HostName| queues.by_host.get(*host).is_some_and(|queue| queue.len() >= MAX_QUEUE);
        if let Some(host) = hosts.iter().find(is_full) {
            return Err(Problem(format!("{MAX_QUEUE} requests for {host} are under way already")));
        }
        let number = queues.next;
        queues.next += 1;
        for host in &hosts {
            let waiting = Waiting { number, first: Arc::clone(&first) };
            queues.by_host.entry(host.clone()).or_default().push_back(waiting);
        }
        Ok(Place { queues: Arc::clone(&self.queues), hosts, number, first })
    }
}

impl Place {
    /// Whether it is the first place for each of its hosts.
    fn is_first(&self) -> bool {
        let queues = lock(&self.queues);
        let mut hosts = self.hosts.iter();
        hosts.all(|host| queues.by_host.get(host).and_then(VecDeque::front).is_some_and(|of| of.number == self.number))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut queues = lock(&self.queues);
        for host in &self.hosts {
            let Some(queue) = queues.by_host.get_mut(host) else { continue };
            queue.retain(|waiting| waiting.number != self.number);
            match queue.front() {
                Some(next) => next.first.notify_one(),
                None => drop(queues.by_host.remove(host)),
            }
        }
    }
}

/// The queues. A panic while they were locked left them whole.
fn lock(queues: &Mutex<Queues>) -> MutexGuard<'_, Queues> {
    queues.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::{Instant, sleep, timeout};

    use super::*;

    /// A host.
    fn host(name: &str) -> HostName {
        name.parse().unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn a_host_is_one_requests_at_a_time_and_other_hosts_do_not_wait() {
        let turns = Turns::default();
        let (a, b, c) = (host("a.example.org"), host("b.example.org"), host("c.example.org"));
        let started = Instant::now();
        let request = async |hosts: Vec<&HostName>| {
            let turn = turns.take(hosts.into_iter()).await.unwrap();
            let begun = started.elapsed().as_secs();
            sleep(Duration::from_secs(1)).await;
            drop(turn);
            begun
        };
        let (first, second, third, fourth) =
            tokio::join!(request(vec![&b, &a, &a]), request(vec![&a, &b]), request(vec![&c]), request(vec![&b]));
        assert_eq!([first, second, third, fourth], [0, 1, 0, 2]);
        assert!(lock(&turns.queues).by_host.is_empty(), "hosts that nobody waits for are forgotten");
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_that_gave_up_leaves_its_place() {
        let turns = Turns::default();
        let a = host("a.example.org");
        let first = turns.take([&a].into_iter()).await.unwrap();
        assert!(timeout(Duration::from_secs(1), turns.take([&a].into_iter())).await.is_err());
        drop(first);
        assert!(turns.take([&a].into_iter()).await.is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn a_host_has_sixteen_requests_and_no_more() {
        let turns = Turns::default();
        let (a, b) = (host("a.example.org"), host("b.example.org"));
        let places: Vec<_> = (0..MAX_QUEUE).map(|_| turns.enter(vec![a.clone()]).unwrap()).collect();
        let refused = turns.take([&a, &b].into_iter()).await.err().unwrap();
        assert!(refused.to_string().contains("a.example.org"), "{refused}");
        assert!(turns.take([&b].into_iter()).await.is_ok());
        drop(places);
        assert!(turns.take([&a, &b].into_iter()).await.is_ok());
    }
}
