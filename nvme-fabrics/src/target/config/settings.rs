//! What a target is like as a whole.

use nvme_proto::SubsysNqn;

/// What a target is like as a whole. It cannot be changed while it runs.
///
/// | setting | without a word |
/// |---|---|
/// | `discovery_nqn` | the well-known name only |
/// | `queue_entries` | 128 |
/// | `max_transfer` | 1 MiB |
/// | `in_capsule` | 8 KiB |
/// | `associations` | 1024 of each subsystem |
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    pub(crate) discovery_nqn: Option<SubsysNqn>,
    pub(crate) queue_entries: u16,
    pub(crate) max_transfer_log2: u8,
    pub(crate) in_capsule: u32,
    pub(crate) associations: u16,
}

/// A setting that cannot be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SettingsError {
    /// Entries of a queue.
    #[error("a queue cannot have {entries} entries: 32 to 32768 are possible")]
    QueueEntries {
        /// The number asked for.
        entries: u16,
    },
    /// Bytes of a transfer.
    #[error("a command cannot move {bytes} bytes at most: the limit is a power of two from 8 KiB to 64 MiB")]
    MaxTransfer {
        /// The number asked for.
        bytes: u32,
    },
    /// Bytes in a capsule.
    #[error("a capsule cannot have room for {bytes} bytes: it is a multiple of 16 up to 1 MiB")]
    InCapsule {
        /// The number asked for.
        bytes: u32,
    },
    /// Controllers.
    #[error("a subsystem without controllers is of no use")]
    Associations,
}

impl Settings {
    /// As in the table.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            discovery_nqn: None,
            queue_entries: 128,
            max_transfer_log2: 20,
            in_capsule: 8192,
            associations: 1024,
        }
    }

    /// A name of its own for the discovery service, which answers to the well-known one too. The discovery log and Identify say it.
    ///
    /// Since Linux 6.12 the kernel's target has it too.
    #[must_use]
    pub fn discovery_nqn(mut self, nqn: SubsysNqn) -> Self {
        self.discovery_nqn = Some(nqn);
        self
    }

    /// Entries of the largest queue, admin or I/O: 32 to 32768. Every connection has a slot for each.
    ///
    /// # Errors
    /// Another number.
    #[doc(alias = "MQES")]
    pub fn queue_entries(mut self, entries: u16) -> Result<Self, SettingsError> {
        if !(32..=32768).contains(&entries) {
            return Err(SettingsError::QueueEntries { entries });
        }
        self.queue_entries = entries;
        Ok(self)
    }

    /// Bytes that a command moves at most: a power of two from 8 KiB to 64 MiB.
    ///
    /// # Errors
    /// Another number.
    #[doc(alias = "MDTS")]
    pub fn max_transfer(mut self, bytes: u32) -> Result<Self, SettingsError> {
        if !bytes.is_power_of_two() || !(8192..=64 << 20).contains(&bytes) {
            return Err(SettingsError::MaxTransfer { bytes });
        }
        self.max_transfer_log2 = bytes.trailing_zeros() as u8;
        Ok(self)
    }

    /// Bytes of data that an I/O command may bring in its capsule: a multiple of 16 up to 1 MiB; 0 none.
    ///
    /// # Errors
    /// Another number.
    #[doc(alias = "IOCCSZ")]
    #[doc(alias = "param_inline_data_size")]
    pub fn in_capsule(mut self, bytes: u32) -> Result<Self, SettingsError> {
        if !bytes.is_multiple_of(16) || bytes > 1 << 20 {
            return Err(SettingsError::InCapsule { bytes });
        }
        self.in_capsule = bytes;
        Ok(self)
    }

    /// Associations that a subsystem has at a time at most.
    ///
    /// # Errors
    /// 0.
    pub fn associations(mut self, associations: u16) -> Result<Self, SettingsError> {
        if associations == 0 {
            return Err(SettingsError::Associations);
        }
        self.associations = associations;
        Ok(self)
    }

    /// Bytes that a command moves at most.
    pub(crate) const fn max_transfer_bytes(&self) -> u32 {
        1 << self.max_transfer_log2
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_of_the_limits() {
        let new = Settings::new;
        assert!(new().queue_entries(31).is_err() && new().queue_entries(32).is_ok());
        assert!(new().queue_entries(32769).is_err());
        assert!(new().max_transfer(4096).is_err() && new().max_transfer(3 << 20).is_err());
        assert_eq!(new().max_transfer(64 << 20).map(|s| s.max_transfer_bytes()), Ok(64 << 20));
        assert!(new().in_capsule(4100).is_err() && new().in_capsule(0).is_ok());
        assert!(new().associations(0).is_err());
        assert_eq!((Settings::default(), new().max_transfer_bytes()), (new(), 1 << 20));
    }
}
