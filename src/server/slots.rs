//! Which connections stay open when there are too many: who opens many loses their own.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, HashMap},
    net::{IpAddr, Ipv6Addr},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use tokio::sync::Notify;

/// The open connections of a listener, up to a limit. Clones share them.
#[derive(Clone)]
pub(crate) struct Slots {
    /// The most connections.
    limit: usize,
    /// Those that are open.
    open: Arc<Mutex<Open>>,
}

/// The open connections, oldest first.
#[derive(Default)]
struct Open {
    /// The connections by number.
    connections: BTreeMap<u64, Arc<Connection>>,
    /// The number of the next connection.
    next: u64,
}

/// One open connection.
struct Connection {
    /// The network of the client, see [`network`].
    network: IpAddr,
    /// Whether one of its requests is being answered.
    busy: AtomicBool,
    /// Notified when another connection needs its slot.
    evicted: Notify,
}

/// The place of one open connection. Dropped, it is free again.
pub(crate) struct Slot {
    /// All open connections.
    slots: Slots,
    /// The number of this connection.
    number: u64,
    /// This connection.
    connection: Arc<Connection>,
}

/// Marks a connection as busy until it is dropped.
pub(crate) struct Busy<'a>(&'a Connection);

impl Slots {
    /// Room for `limit` connections.
    pub(crate) fn new(limit: usize) -> Self {
        Self { limit, open: Arc::default() }
    }

    /// A slot for a connection of this peer. If none is free, an idle connection is evicted, or a busy
    /// one of a network that has more connections than the peer's; `None` if there is neither.
    pub(crate) fn take(&self, peer: IpAddr) -> Option<Slot> {
        let network = network(peer);
        let mut open = self.lock();
        if open.connections.len() >= self.limit {
            open.evict_one().or_else(|| open.evict_busy(network))?;
        }
        let number = open.next;
        open.next += 1;
        let connection = Arc::new(Connection { network, busy: AtomicBool::new(false), evicted: Notify::new() });
        open.connections.insert(number, Arc::clone(&connection));
        drop(open);
        Some(Slot { slots: self.clone(), number, connection })
    }

    /// Evicts an idle connection, if there is one.
    pub(crate) fn evict_one(&self) {
        self.lock().evict_one();
    }

    /// The open connections. A panic while they were locked left them whole.
    fn lock(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Open {
    /// Evicts the oldest idle connection of the network with the most connections, so that whoever
    /// opens many loses their own. `None` if all are busy.
    fn evict_one(&mut self) -> Option<()> {
        let count = self.count();
        let idle = self.connections.iter().filter(|(_, connection)| !connection.busy.load(Ordering::Relaxed));
        let (number, _) =
            idle.max_by_key(|(number, connection)| (count.get(&connection.network), Reverse(**number)))?;
        let number = *number;
        self.evict(number)
    }

    /// Evicts the oldest connection of the network with the most, if that has two more than the
    /// newcomer's: a network whose requests all wait must not keep another out.
    fn evict_busy(&mut self, newcomer: IpAddr) -> Option<()> {
        let count = self.count();
        let of = |network: &IpAddr| count.get(network).copied().unwrap_or(0);
        let all = self.connections.iter();
        let (number, connection) =
            all.max_by_key(|(number, connection)| (of(&connection.network), Reverse(**number)))?;
        let (number, network) = (*number, connection.network);
        (of(&network) >= of(&newcomer) + 2).then(|| self.evict(number))?
    }

    /// The connections of each network.
    fn count(&self) -> HashMap<IpAddr, usize> {
        let mut count = HashMap::<IpAddr, usize>::new();
        for connection in self.connections.values() {
            *count.entry(connection.network).or_default() += 1;
        }
        count
    }

    /// Evicts a connection.
    fn evict(&mut self, number: u64) -> Option<()> {
        self.connections.remove(&number)?.evicted.notify_one();
        Some(())
    }
}

/// The network that an address counts for: an IPv4 address itself, an IPv6 address with its /48. A
/// provider may give that much to one subscriber (RFC 6177 §2).
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => address.into(),
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() >> 80 << 80).into(),
    }
}

impl Slot {
    /// Waits until another connection needs this slot.
    pub(crate) async fn evicted(&self) {
        self.connection.evicted.notified().await;
    }

    /// Marks the connection busy until the guard is dropped: it is not evicted meanwhile.
    pub(crate) fn busy(&self) -> Busy<'_> {
        self.connection.busy.store(true, Ordering::Relaxed);
        Busy(&self.connection)
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.slots.lock().connections.remove(&self.number);
    }
}

impl Drop for Busy<'_> {
    fn drop(&mut self) {
        self.0.busy.store(false, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A slot for a peer.
    fn take(slots: &Slots, peer: &str) -> Option<Slot> {
        slots.take(peer.parse().unwrap())
    }

    /// The numbers of the open connections.
    fn numbers(slots: &Slots) -> Vec<u64> {
        slots.lock().connections.keys().copied().collect()
    }

    #[test]
    fn the_idle_connection_that_came_first_is_evicted() {
        let slots = Slots::new(3);
        let first = take(&slots, "192.0.2.1").unwrap();
        let second = take(&slots, "192.0.2.1").unwrap();
        let third = take(&slots, "192.0.2.1").unwrap();
        let busy = first.busy();
        // The third has been idle for longer than the second, but came after it.
        drop(second.busy());
        let fourth = take(&slots, "192.0.2.1").unwrap();
        assert_eq!(numbers(&slots), [first.number, third.number, fourth.number]);
        drop(second);
        assert_eq!(numbers(&slots).len(), 3, "an evicted connection has no slot to free");
        drop(busy);
    }

    #[test]
    fn a_busy_connection_is_not_evicted() {
        let slots = Slots::new(1);
        let only = take(&slots, "192.0.2.1").unwrap();
        let busy = only.busy();
        assert!(take(&slots, "192.0.2.1").is_none());
        drop(busy);
        assert!(take(&slots, "192.0.2.1").is_some());
    }

    #[test]
    fn a_busy_connection_gives_way_if_its_network_has_two_more_than_the_newcomers() {
        let slots = Slots::new(2);
        let first = take(&slots, "192.0.2.1").unwrap();
        let second = take(&slots, "192.0.2.1").unwrap();
        let busy = (first.busy(), second.busy());
        let honest = take(&slots, "192.0.2.2").unwrap();
        assert_eq!(numbers(&slots), [second.number, honest.number]);
        let answering = honest.busy();
        assert!(take(&slots, "192.0.2.2").is_none() && take(&slots, "192.0.2.3").is_none());
        drop((busy, answering));
    }

    #[test]
    fn a_network_that_opens_many_evicts_no_other() {
        for (honest, many) in [
            ("192.0.2.1", ["192.0.2.2", "192.0.2.2", "::ffff:192.0.2.2"]),
            ("2001:db8:1::1", ["2001:db8:2::1", "2001:db8:2:1::2", "2001:db8:2:ffff:ffff::3"]),
        ] {
            let slots = Slots::new(8);
            let first = take(&slots, honest).unwrap();
            let rest: Vec<_> = many.iter().cycle().take(100).map(|peer| take(&slots, peer).unwrap()).collect();
            let second = take(&slots, honest).unwrap();
            let after: Vec<_> = many.iter().cycle().take(100).map(|peer| take(&slots, peer).unwrap()).collect();
            let open = numbers(&slots);
            assert_eq!(open.len(), 8);
            assert!(open.contains(&first.number) && open.contains(&second.number), "{honest}: {open:?}");
            drop((rest, after));
        }
    }
}
