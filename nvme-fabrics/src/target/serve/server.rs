//! A server: listeners, threads, and their end.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use super::accept::accept;
use super::limits::Limits;
use super::mailbox::Order;
use super::shared::{Addresses, Shared};
use super::statistics::Statistics;
use super::workers::{Threads, Workers};
use crate::net::{BusyPoll, Plain};
use crate::target::{PortId, Target};

/// What a server is to be like. Made by [`Server::builder`].
#[derive(Debug)]
#[must_use = "nothing is served before `start`"]
pub struct ServerBuilder {
    target: Target,
    listen: Vec<(PortId, SocketAddr)>,
    workers: Option<usize>,
    limits: Limits,
    busy_poll: BusyPoll,
}

/// A server could not be started.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServeError {
    /// An address that cannot be listened on.
    #[error(
        "cannot listen on {address}{}",
        match .source.kind() {
            io::ErrorKind::AddrInUse => ": something else does; choose another port, or 0 for any that is free",
            io::ErrorKind::AddrNotAvailable => ": this machine has no such address",
            io::ErrorKind::PermissionDenied => ": ports below 1024 need privileges",
            _ => "",
        }
    )]
    Listen {
        /// The address.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
    /// No threads at all, or very many.
    #[error("{workers} threads cannot serve: 1 to {} can", MAX_WORKERS)]
    Workers {
        /// The number asked for.
        workers: usize,
    },
    /// The system gives no threads.
    #[error("cannot start threads to serve on")]
    Threads(#[source] io::Error),
}

const MAX_WORKERS: usize = 1024;

/// Connections that wait to be accepted, for each listener.
const BACKLOG: u32 = 1024;

impl ServerBuilder {
    /// Hosts that connect to `address` come to port `port` of the target. Port number 0 of TCP is any that is free; see
    /// [`Server::addresses`].
    pub fn listen(mut self, port: PortId, address: SocketAddr) -> Self {
        self.listen.push((port, address));
        self
    }

    /// Connections are spread over this many threads, 1 to 1024, each with a runtime of its own. Otherwise they run as tasks of the
    /// runtime that [`start`](Self::start) is called in.
    pub const fn workers(mut self, threads: usize) -> Self {
        self.workers = Some(threads);
        self
    }

    /// What peers may take.
    pub const fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Whether threads look for work all the time instead of being woken.
    pub const fn busy_poll(mut self, busy_poll: BusyPoll) -> Self {
        self.busy_poll = busy_poll;
        self
    }

    /// Listens and serves.
    ///
    /// # Errors
    /// An address cannot be listened on, or the threads cannot be started; nothing runs then.
    ///
    /// # Panics
    /// Outside of a tokio runtime with I/O and time enabled.
    pub async fn start(self) -> Result<Server, ServeError> {
        let Self { target, listen, workers, limits, busy_poll } = self;
        let (workers, threads) = match workers {
            None => (Workers::in_place(), Threads::default()),
            Some(count) if (1..=MAX_WORKERS).contains(&count) => {
                Workers::start(count).map_err(ServeError::Threads)?
            }
            Some(workers) => return Err(ServeError::Workers { workers }),
        };
        let mut listeners = Vec::with_capacity(listen.len());
        for (port, address) in listen {
            let listener = bind(address).map_err(|source| ServeError::Listen { address, source })?;
            let address = listener.local_addr().unwrap_or(address);
            listeners.push((port, address, listener));
        }
        let shared = Shared::new(target, limits, busy_poll);
        let workers = Arc::new(workers);
        let mut server = Server { shared, addresses: Vec::new(), accepting: Vec::new(), threads };
        for (port, address, listener) in listeners {
            server.shared.target.set_address(port, address);
            server.addresses.push((port, address));
            let task = accept(Arc::clone(&server.shared), port, listener, Arc::clone(&workers));
            server.accepting.push(tokio::spawn(task));
        }
        Ok(server)
    }
}

fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = match address {
        SocketAddr::V4(_) => tokio::net::TcpSocket::new_v4()?,
        SocketAddr::V6(_) => tokio::net::TcpSocket::new_v6()?,
    };
    // So that a server can be started again while connections of the last one linger.
    #[cfg(unix)]
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// Serves a target to hosts, until it is [shut down](Self::shutdown) or dropped.
///
/// Dropping it ends every connection at once; what was accepted and not answered may or may not be done.
pub struct Server {
    shared: Arc<Shared>,
    addresses: Vec<(PortId, SocketAddr)>,
    accepting: Vec<JoinHandle<()>>,
    threads: Threads,
}

/// What a [shutdown](Server::shutdown) came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Shutdown {
    /// Connections that were open.
    pub connections: usize,
    /// Those that were not done in time, and were ended with commands unanswered.
    pub cut_off: usize,
}

impl Server {
    /// A server for this target.
    pub fn builder(target: Target) -> ServerBuilder {
        ServerBuilder {
            target,
            listen: Vec::new(),
            workers: None,
            limits: Limits::new(),
            busy_poll: BusyPoll::Off,
        }
    }

    /// The target that is served.
    #[must_use]
    pub fn target(&self) -> &Target {
        &self.shared.target
    }

    /// What is listened on, in the order it was asked for.
    #[must_use]
    pub fn addresses(&self) -> &[(PortId, SocketAddr)] {
        &self.addresses
    }

    /// What was done so far.
    #[must_use]
    pub fn statistics(&self) -> Statistics {
        self.shared.statistics()
    }

    /// Bytes of [`Limits::memory`] that no connection has.
    #[must_use]
    pub fn free_memory(&self) -> usize {
        self.shared.budget.free()
    }

    /// Serves one connection over any stream, as if it had been accepted at `port`: an in-memory pipe, or TLS. It is counted with the
    /// others, and ended by [`shutdown`](Self::shutdown) as they are. Done when the connection has ended.
    pub fn over<S>(&self, port: PortId, stream: S) -> impl Future<Output = ()> + Send + use<S>
    where
        S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send,
    {
        let admitted = self.shared.admit(None);
        async move {
            if let Some(admitted) = admitted {
                admitted.serve(port, Addresses::default(), Plain(stream)).await;
            }
        }
    }

    /// Ends in order: no connection is accepted any more; commands that were accepted are done and answered, new ones are not begun; then the
    /// connections are closed. What is not done within `patience` is ended as it is.
    pub async fn shutdown(mut self, patience: Duration) -> Shutdown {
        self.stop_accepting().await;
        let connections = self.shared.order(Order::Drain);
        let _ = tokio::time::timeout(patience, self.shared.all_gone()).await;
        let cut_off = self.shared.order(Order::Stop);
        let _ = tokio::time::timeout(Duration::from_secs(5), self.shared.all_gone()).await;
        // The threads have nothing to do any more, so that waiting for them takes no time.
        self.threads.end();
        Shutdown { connections, cut_off }
    }

    async fn stop_accepting(&mut self) {
        for task in self.accepting.drain(..) {
            task.abort();
            // The listener is closed when the task is gone.
            let _ = task.await;
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        for task in self.accepting.drain(..) {
            task.abort();
        }
        self.shared.order(Order::Stop);
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server")
            .field("addresses", &self.addresses)
            .field("statistics", &self.statistics())
            .finish_non_exhaustive()
    }
}
