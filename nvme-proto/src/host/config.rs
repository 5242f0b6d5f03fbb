//! What a host asks for, and what bounds it.

use core::time::Duration;

use crate::digest::Digests;
use crate::pdu::DataAlignment;

/// How a host connection is set up. All memory it takes depends on what is here, and none on what the controller says.
///
/// ```
/// use nvme_proto::digest::Digests;
/// use nvme_proto::host::Config;
/// let mut config = Config::io(4096); // in-capsule data of the I/O queues, from Identify Controller (IOCCSZ)
/// config.digests = Digests::BOTH;
/// config.depth = 32;
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Config {
    /// Digests to use. They are asked for, and **a controller that does not grant every one of them is not talked to**.
    pub digests: Digests,
    /// Alignment of data the controller sends (HPDA). Linux's target refuses everything but [`DataAlignment::DWORD`].
    pub alignment: DataAlignment,
    /// R2Ts that the controller may have outstanding for each command, 1 to 65535 (MAXR2T + 1).
    pub max_r2ts: u16,
    /// Commands that may be outstanding, 1 to 32768: one slot is made for each. At most the queue's number of entries less one, or, with
    /// flow control of the submission queue off, the number of entries.
    pub depth: u16,
    /// Largest data of a command in its capsule, in bytes. Fabrics commands may always have 8192.
    pub in_capsule: u32,
    /// Largest data of a command, in bytes; no PDU with more is accepted.
    pub max_transfer: u32,
    /// How long the controller has to answer ICReq.
    pub handshake_timeout: Duration,
    /// How long the controller has to close the connection after a terminate request.
    pub termination_timeout: Duration,
    /// How long a command may take until [`Event::TimedOut`](super::Event::TimedOut) tells of it; `None`: for ever.
    pub command_timeout: Option<Duration>,
    /// Size of the receive buffer in bytes.
    pub receive_buffer: usize,
    /// PDUs that are encoded ahead of the socket, 1 to 4096. The head of each takes 148 bytes.
    pub batch: usize,
}

impl Config {
    /// Data every controller takes in the capsule of an admin or Fabrics command, in bytes.
    pub const ADMIN_IN_CAPSULE: u32 = 8192;
    /// Commands that can have distinct identifiers and a generation to tell late answers by.
    pub const MAX_DEPTH: u16 = 32_768;
    /// PDUs encoded ahead at most.
    pub const MAX_BATCH: usize = 4096;

    /// An admin queue: 31 commands, 8192 bytes in a capsule.
    #[must_use]
    pub const fn admin() -> Self {
        Self { depth: 31, receive_buffer: 32 << 10, batch: 16, ..Self::io(Self::ADMIN_IN_CAPSULE) }
    }

    /// An I/O queue: 127 commands, `in_capsule` bytes in a capsule; from Identify Controller: IOCCSZ × 16 − 64.
    ///
    /// Time-outs: 10 s for the handshake, 30 s for termination (the value of the specification), 60 s for a command.
    #[must_use]
    pub const fn io(in_capsule: u32) -> Self {
        Self {
            digests: Digests::NONE,
            alignment: DataAlignment::DWORD,
            max_r2ts: 1,
            depth: 127,
            in_capsule,
            max_transfer: 16 << 20,
            handshake_timeout: Duration::from_secs(10),
            termination_timeout: Duration::from_secs(30),
            command_timeout: Some(Duration::from_secs(60)),
            receive_buffer: 256 << 10,
            batch: 64,
        }
    }

    pub(super) fn check(&self) -> Result<(), ConfigError> {
        if !(1..=Self::MAX_DEPTH).contains(&self.depth) {
            return Err(ConfigError::Depth { depth: self.depth });
        }
        if self.max_r2ts == 0 {
            return Err(ConfigError::MaxR2ts);
        }
        if !(1..=Self::MAX_BATCH).contains(&self.batch) {
            return Err(ConfigError::Batch { batch: self.batch });
        }
        Ok(())
    }
}

/// A [`Config`] that cannot work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// The number of commands.
    #[error("a queue cannot have {depth} commands outstanding; 1 to {} can", Config::MAX_DEPTH)]
    Depth {
        /// The number asked for.
        depth: u16,
    },
    /// The number of R2Ts.
    #[error("a controller needs at least one R2T for each command")]
    MaxR2ts,
    /// The number of PDUs to encode ahead.
    #[error("{batch} PDUs cannot be encoded ahead; 1 to {} can", Config::MAX_BATCH)]
    Batch {
        /// The number asked for.
        batch: usize,
    },
}
