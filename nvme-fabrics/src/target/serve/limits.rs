//! What bounds a server.

use std::time::Duration;

/// What peers may take of a server. None of it depends on what they send: a peer that wants more is refused or waits, and others go on.
///
/// # Memory
///
/// Buffers for data come out of [`memory`](Self::memory), except for the first [`memory_reserved`](Self::memory_reserved) bytes of each
/// connection, which are its own: peers that hold all there is slow each other down, and nobody else stands still. A command that finds no memory
/// waits until there is some. Besides, each connection has its receive buffer and its tables, about 200 KiB of address space once it has sent its
/// first PDU, of which what was never used is not resident, and nearly nothing before. So a server takes at most
///
/// `memory + connections × (memory_reserved + receive_buffer + 64 KiB)`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// Connections at a time. One more is closed as soon as it is accepted.
    pub connections: usize,
    /// Connections at a time from one address (IPv6: one network of 64 bits). A Linux host opens one and one for each processor, for each
    /// controller.
    pub connections_per_peer: usize,
    /// Connections of one address that have not been through Connect yet. Linux opens its queues one after the other.
    pub handshakes_per_peer: usize,
    /// How long a connection may take from being accepted to its successful Connect.
    pub handshake_timeout: Duration,
    /// Bytes of buffers for data, of all connections together, beyond what is reserved for each.
    pub memory: usize,
    /// Bytes of buffers for data of one connection. The largest transfer of a command is always possible.
    pub memory_per_connection: usize,
    /// Bytes of buffers for data that each connection has to itself.
    pub memory_reserved: usize,
    /// Size of a connection's receive buffer in bytes. The data of a large write go past it.
    pub receive_buffer: usize,
    /// How long a peer may hold memory of all without reading or sending a byte, while others wait for some; then its connection is
    /// closed.
    pub stall_timeout: Duration,
}

impl Limits {
    /// 2048 connections, 1024 of one peer, 64 of them in their handshake; 10 s for a handshake; 256 MiB of buffers, 16 MiB and at least 128 KiB for
    /// each connection; 128 KiB of receive buffer; 30 s of standing still while others wait.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            connections: 2048,
            connections_per_peer: 1024,
            handshakes_per_peer: 64,
            handshake_timeout: Duration::from_secs(10),
            memory: 256 << 20,
            memory_per_connection: 16 << 20,
            memory_reserved: 128 << 10,
            receive_buffer: 128 << 10,
            stall_timeout: Duration::from_secs(30),
        }
    }

    /// With this many connections at a time.
    #[must_use]
    pub const fn connections(mut self, connections: usize) -> Self {
        self.connections = connections;
        self
    }

    /// With this many connections at a time from one address.
    #[must_use]
    pub const fn connections_per_peer(mut self, connections: usize) -> Self {
        self.connections_per_peer = connections;
        self
    }

    /// With this many bytes of buffers for data.
    #[must_use]
    pub const fn memory(mut self, bytes: usize) -> Self {
        self.memory = bytes;
        self
    }

    /// With this many bytes of buffers for the data of one connection.
    #[must_use]
    pub const fn memory_per_connection(mut self, bytes: usize) -> Self {
        self.memory_per_connection = bytes;
        self
    }

    /// With this long for a handshake.
    #[must_use]
    pub const fn handshake_timeout(mut self, timeout: Duration) -> Self {
        self.handshake_timeout = timeout;
        self
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self::new()
    }
}
