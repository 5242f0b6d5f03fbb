//! The options as the user-space host takes them.

use std::time::Duration;

use nvme_proto::digest::Digests;

use super::ConnectOptions;

/// Linux's default of `keep_alive_tmo` for a controller with I/O queues.
const IO_KEEP_ALIVE: Duration = Duration::from_secs(5);

impl ConnectOptions {
    /// `hdr_digest` and `data_digest`.
    pub(crate) const fn digests(&self) -> Digests {
        Digests { header: self.header_digest, data: self.data_digest }
    }

    /// The keep-alive time-out as Connect carries it: what was asked for, or Linux's default. Zero: none.
    pub(crate) fn keep_alive_millis(&self) -> u32 {
        let default = if self.is_discovery() { Duration::ZERO } else { IO_KEEP_ALIVE };
        // The setter bounds it.
        u32::try_from(self.keep_alive.unwrap_or(default).as_millis()).unwrap_or(u32::MAX)
    }

    /// `queue_size`: entries of an I/O queue, if it was chosen.
    pub(crate) const fn io_queue_entries(&self) -> Option<u16> {
        self.queue_size
    }

    /// `disable_sqflow`.
    pub(crate) const fn disables_flow_control(&self) -> bool {
        self.disable_sqflow
    }

    /// `tls`: the connection is to begin with TLS.
    pub(crate) const fn wants_tls(&self) -> bool {
        self.security.tls
    }

    /// `dhchap_secret`: the host has a secret to authenticate with.
    pub(crate) const fn has_secret(&self) -> bool {
        self.security.host.is_some()
    }
}
