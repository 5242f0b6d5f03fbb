//! What a controller offers, and what bounds it.

use core::time::Duration;

use crate::digest::Digests;
use crate::pdu::DataAlignment;

/// How a controller's connections are set up. All memory a connection takes depends on what is here, and none on what the host says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Config {
    /// Digests that are used if the host asks for them.
    pub digests: Digests,
    /// Digests that **a host has to ask for: one that does not is refused** (FES 06h, FEI 11). They are granted whether or not they are in
    /// `digests`.
    pub required: Digests,
    /// Alignment of data the host sends (CPDA). Linux's host refuses everything but [`DataAlignment::DWORD`].
    pub alignment: DataAlignment,
    /// Commands that may be outstanding: 1 to 65535; one slot is made for each. A queue of n entries needs n of them: answer Connect with
    /// Connect Invalid Parameters when the host asks for more.
    pub depth: u16,
    /// Largest data in a capsule of an I/O command, in bytes: IOCCSZ × 16 − 64. Admin and Fabrics commands may always have 8192.
    pub io_in_capsule: u32,
    /// Largest data of a command, in bytes; a command with more is answered with Data SGL Length Invalid.
    pub max_transfer: u32,
    /// Largest data of one PDU from the host, in bytes: at least 4096, a multiple of 4 (MAXH2CDATA).
    pub max_h2c_data: u32,
    /// Largest data of one PDU to the host, in bytes: a multiple of 4.
    pub max_c2h_data: u32,
    /// Largest amount of data that one R2T asks for, in bytes: a multiple of 4 (R2TL).
    pub max_r2t_data: u32,
    /// R2Ts outstanding for each command at most; fewer if the host allows fewer (MAXR2T).
    pub max_r2ts: u16,
    /// When the completion of a successful command with data is left out.
    pub success: SuccessFlag,
    /// What is let through before the queue is connected.
    pub admission: Admission,
    /// How long the host has to send ICReq.
    pub handshake_timeout: Duration,
    /// How long the host has to close the connection after a terminate request.
    pub termination_timeout: Duration,
    /// Size of the receive buffer in bytes. At least the largest capsule is taken.
    pub receive_buffer: usize,
    /// PDUs that are encoded ahead of the socket, 1 to 4096. The head of each takes 148 bytes.
    pub batch: usize,
}

/// When C2HData with SUCCESS stand for the completion of a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum SuccessFlag {
    /// Never.
    Never,
    /// When the host has switched flow control of the submission queue off, so that no head pointer is missed: the rule of the
    /// specification.
    #[default]
    WithoutFlowControl,
    /// Always, as some controllers do.
    Always,
}

/// What is let through before the queue is connected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Admission {
    /// Fabrics Connect. Every other command is answered with Command Sequence Error, and so is a second Connect.
    #[default]
    ConnectFirst,
    /// Every command: for tools and tests that need no association.
    Any,
}

impl Config {
    /// Data in the capsule of an admin or Fabrics command that every controller takes, in bytes.
    pub const ADMIN_IN_CAPSULE: u32 = 8192;
    /// The smallest MAXH2CDATA.
    pub const MIN_H2C_DATA: u32 = 4096;
    /// PDUs encoded ahead at most.
    pub const MAX_BATCH: usize = 4096;

    /// 128 commands, 8192 bytes in a capsule, 128 KiB in a data PDU, 1 MiB in a command, both digests offered and none required.
    ///
    /// Time-outs: 10 s for the handshake, 30 s for termination (the value of the specification).
    #[must_use]
    pub const fn new() -> Self {
        Self {
            digests: Digests::BOTH,
            required: Digests::NONE,
            alignment: DataAlignment::DWORD,
            depth: 128,
            io_in_capsule: 8192,
            max_transfer: 1 << 20,
            max_h2c_data: 128 << 10,
            max_c2h_data: 128 << 10,
            max_r2t_data: 128 << 10,
            max_r2ts: 16,
            success: SuccessFlag::WithoutFlowControl,
            admission: Admission::ConnectFirst,
            handshake_timeout: Duration::from_secs(10),
            termination_timeout: Duration::from_secs(30),
            receive_buffer: 256 << 10,
            batch: 64,
        }
    }

    pub(super) fn check(&self) -> Result<(), ConfigError> {
        if self.depth == 0 {
            return Err(ConfigError::Depth);
        }
        if !(1..=Self::MAX_BATCH).contains(&self.batch) {
            return Err(ConfigError::Batch { batch: self.batch });
        }
        if self.max_r2ts == 0 {
            return Err(ConfigError::MaxR2ts);
        }
        let lens = [
            ("max_h2c_data", self.max_h2c_data, Self::MIN_H2C_DATA),
            ("max_c2h_data", self.max_c2h_data, 4),
            ("max_r2t_data", self.max_r2t_data, 4),
        ];
        for (name, len, min) in lens {
            if len < min || len.checked_rem(4) != Some(0) {
                return Err(ConfigError::PieceLen { name, len, min });
            }
        }
        Ok(())
    }

    /// The largest data in a capsule of any command.
    pub(super) fn in_capsule(&self) -> u32 {
        self.io_in_capsule.max(Self::ADMIN_IN_CAPSULE)
    }
}

impl Default for Config {
    fn default() -> Self {
        Self::new()
    }
}

/// A [`Config`] that cannot work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// No command could be outstanding.
    #[error("a queue needs at least one command")]
    Depth,
    /// No R2T could be outstanding.
    #[error("a command needs at least one R2T")]
    MaxR2ts,
    /// The number of PDUs to encode ahead.
    #[error("{batch} PDUs cannot be encoded ahead; 1 to {} can", Config::MAX_BATCH)]
    Batch {
        /// The number asked for.
        batch: usize,
    },
    /// The length of data in one PDU or R2T.
    #[error("{name} is {len} bytes; it has to be a multiple of 4, and at least {min}")]
    PieceLen {
        /// The field of [`Config`].
        name: &'static str,
        /// What it says.
        len: u32,
        /// The smallest it can say.
        min: u32,
    },
}
