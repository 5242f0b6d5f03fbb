//! Who is let in.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::limits::Limits;

/// Counts connections, of all peers and of each.
#[derive(Debug)]
pub(super) struct Gate {
    limits: Limits,
    inside: Mutex<Inside>,
}

#[derive(Debug, Default)]
struct Inside {
    total: usize,
    /// Peers that have a connection, by their address or network.
    peers: HashMap<IpAddr, Peer>,
}

#[derive(Debug, Default)]
struct Peer {
    connections: usize,
    handshakes: usize,
}

/// Why a connection is closed as soon as it is accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Full {
    Connections,
    OfPeer,
    Handshakes,
}

impl Gate {
    pub(super) fn new(limits: Limits) -> Arc<Self> {
        Arc::new(Self { limits, inside: Mutex::default() })
    }

    /// Counts a connection, if it may come in.
    pub(super) fn enter(self: &Arc<Self>, from: Option<SocketAddr>) -> Result<Pass, Full> {
        let key = from.map(|from| key(from.ip()));
        let mut inside = self.lock();
        if inside.total >= self.limits.connections {
            return Err(Full::Connections);
        }
        if let Some(key) = key {
            // What is not there yet is made only when it will stay.
            if let Some(peer) = inside.peers.get(&key) {
                if peer.connections >= self.limits.connections_per_peer {
                    return Err(Full::OfPeer);
                }
                if peer.handshakes >= self.limits.handshakes_per_peer {
                    return Err(Full::Handshakes);
                }
            } else if self.limits.connections_per_peer == 0 {
                return Err(Full::OfPeer);
            } else if self.limits.handshakes_per_peer == 0 {
                return Err(Full::Handshakes);
            }
            let peer = inside.peers.entry(key).or_default();
            peer.connections = peer.connections.saturating_add(1);
            peer.handshakes = peer.handshakes.saturating_add(1);
        }
        inside.total = inside.total.saturating_add(1);
        Ok(Pass { gate: Arc::clone(self), key, handshake: key.is_some() })
    }

    /// Connections inside.
    pub(super) fn count(&self) -> usize {
        self.lock().total
    }

    fn lock(&self) -> MutexGuard<'_, Inside> {
        self.inside.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A host with IPv6 has a network of addresses.
fn key(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into()
        }
        address => address,
    }
}

/// A connection that is counted, until this is dropped.
#[derive(Debug)]
pub(super) struct Pass {
    gate: Arc<Gate>,
    key: Option<IpAddr>,
    handshake: bool,
}

impl Pass {
    /// It has been through Connect.
    pub(super) fn connected(&mut self) {
        if std::mem::take(&mut self.handshake)
            && let Some(key) = self.key
            && let Some(peer) = self.gate.lock().peers.get_mut(&key)
        {
            end_handshake(peer);
        }
    }
}

fn end_handshake(peer: &mut Peer) {
    peer.handshakes = peer.handshakes.saturating_sub(1);
}

impl Drop for Pass {
    fn drop(&mut self) {
        let mut inside = self.gate.lock();
        inside.total = inside.total.saturating_sub(1);
        let Some(key) = self.key else { return };
        let Some(peer) = inside.peers.get_mut(&key) else { return };
        peer.connections = peer.connections.saturating_sub(1);
        if self.handshake {
            end_handshake(peer);
        }
        if peer.connections == 0 {
            inside.peers.remove(&key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn from(text: &str) -> Option<SocketAddr> {
        Some(SocketAddr::new(text.parse().unwrap(), 9))
    }

    #[test]
    fn each_peer_has_its_share_and_all_have_theirs() {
        let mut limits = Limits::new().connections(6).connections_per_peer(3);
        limits.handshakes_per_peer = 2;
        let gate = Gate::new(limits);
        let mut first = gate.enter(from("10.0.0.1")).unwrap();
        let second = gate.enter(from("10.0.0.1")).unwrap();
        assert_eq!(gate.enter(from("10.0.0.1")).unwrap_err(), Full::Handshakes);
        first.connected();
        first.connected();
        let mut third = gate.enter(from("::ffff:10.0.0.1")).unwrap();
        third.connected();
        assert_eq!(gate.enter(from("10.0.0.1")).unwrap_err(), Full::OfPeer);
        let others: Vec<Pass> = ["2001:db8::1", "2001:db8::2", "2001:db8:0:1::1"]
            .map(|text| gate.enter(from(text)).unwrap())
            .into();
        assert_eq!(gate.enter(from("10.0.0.2")).unwrap_err(), Full::Connections);
        assert_eq!((gate.count(), gate.lock().peers.len()), (6, 3));
        drop((first, second, third, others));
        assert_eq!((gate.count(), gate.lock().peers.len()), (0, 0), "nothing is left of who has gone");
        assert!(gate.enter(None).is_ok());
    }

    #[test]
    fn one_network_is_one_peer() {
        let mut limits = Limits::new();
        limits.handshakes_per_peer = 1;
        let gate = Gate::new(limits);
        let _first = gate.enter(from("2001:db8::1")).unwrap();
        assert_eq!(gate.enter(from("2001:db8::ffff:1")).unwrap_err(), Full::Handshakes);
        assert!(gate.enter(from("2001:db8:0:1::1")).is_ok());
    }
}
