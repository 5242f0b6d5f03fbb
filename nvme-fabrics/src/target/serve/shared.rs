//! What all connections of a server have in common.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::budget::Budget;
use super::gate::{Gate, Pass};
use super::limits::Limits;
use super::mailbox::{Mailbox, Order};
use super::statistics::{Counters, Statistics};
use crate::net::{BusyPoll, Stream};
use crate::target::connection::Endpoint;
use crate::target::{PortId, Target};

pub(super) struct Shared {
    pub(super) target: Target,
    pub(super) limits: Limits,
    pub(super) busy_poll: BusyPoll,
    pub(super) budget: Arc<Budget>,
    pub(super) counters: Counters,
    gate: Arc<Gate>,
    connections: Mutex<Connections>,
    serial: AtomicU64,
    /// Told when the last connection is gone.
    gone: tokio::sync::Notify,
}

#[derive(Default)]
struct Connections {
    open: HashMap<u64, Arc<Mailbox>>,
    /// What a new connection gets to hear.
    order: Option<Order>,
}

impl Shared {
    pub(super) fn new(target: Target, limits: Limits, busy_poll: BusyPoll) -> Arc<Self> {
        Arc::new(Self {
            target,
            limits,
            busy_poll,
            budget: Budget::new(limits.memory),
            counters: Counters::default(),
            gate: Gate::new(limits),
            connections: Mutex::default(),
            serial: AtomicU64::new(0),
            gone: tokio::sync::Notify::new(),
        })
    }

    /// Lets a connection in, if there is room for it.
    pub(super) fn admit(self: &Arc<Self>, peer: Option<SocketAddr>) -> Option<Admitted> {
        let Ok(pass) = self.gate.enter(peer) else {
            Counters::add(&self.counters.refused);
            return None;
        };
        Counters::add(&self.counters.accepted);
        let serial = self.serial.fetch_add(1, Ordering::Relaxed);
        let mailbox = Arc::new(Mailbox::new());
        let mut connections = self.lock();
        if let Some(order) = connections.order {
            mailbox.order(order);
        }
        connections.open.insert(serial, Arc::clone(&mailbox));
        drop(connections);
        let registered = Registered { shared: Arc::clone(self), serial };
        Some(Admitted { pass, mailbox, registered })
    }

    /// Gives an order to every connection, those to come included; says how many there are.
    pub(super) fn order(&self, order: Order) -> usize {
        let mut connections = self.lock();
        connections.order = connections.order.max(Some(order));
        for mailbox in connections.open.values() {
            mailbox.order(order);
        }
        connections.open.len()
    }

    /// Connections that are open.
    pub(super) fn count(&self) -> usize {
        self.lock().open.len()
    }

    /// Waits until no connection is open.
    pub(super) async fn all_gone(&self) {
        loop {
            let gone = self.gone.notified();
            if self.count() == 0 {
                return;
            }
            gone.await;
        }
    }

    pub(super) fn statistics(&self) -> Statistics {
        self.counters.read(u64::try_from(self.gate.count()).unwrap_or(u64::MAX))
    }

    fn lock(&self) -> MutexGuard<'_, Connections> {
        self.connections.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A connection that was let in.
pub(super) struct Admitted {
    pass: Pass,
    mailbox: Arc<Mailbox>,
    registered: Registered,
}

impl Admitted {
    /// Serves it until it ends.
    pub(super) async fn serve<S: Stream>(self, port: PortId, addresses: Addresses, stream: S) {
        let Self { pass, mailbox, registered } = self;
        let endpoint = Endpoint { port, local: addresses.local, peer: addresses.peer };
        let shared = Arc::clone(&registered.shared);
        super::connection::serve(shared, endpoint, stream, pass, mailbox).await;
        drop(registered);
    }
}

/// Both ends of a connection, if they have addresses.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Addresses {
    pub(super) local: Option<SocketAddr>,
    pub(super) peer: Option<SocketAddr>,
}

/// An open connection; dropped with its task, whichever way that ends.
struct Registered {
    shared: Arc<Shared>,
    serial: u64,
}

impl Drop for Registered {
    fn drop(&mut self) {
        let mut connections = self.shared.lock();
        connections.open.remove(&self.serial);
        let last = connections.open.is_empty();
        drop(connections);
        if last {
            self.shared.gone.notify_waiters();
        }
    }
}
