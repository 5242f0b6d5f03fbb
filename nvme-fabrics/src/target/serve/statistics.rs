//! Counters.

use std::sync::atomic::{AtomicU64, Ordering};

/// What a server has done since it was started. Numbers that are read together may be apart by what was done in between.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Statistics {
    /// Connections that are open.
    pub connections: u64,
    /// Connections that were accepted.
    pub accepted: u64,
    /// Connections that were closed at once, since there were too many.
    pub refused: u64,
    /// Times that the system had no connection to give although there was one, mostly for lack of file descriptors.
    pub accept_errors: u64,
    /// Connections that ended before their Connect succeeded.
    pub failed_handshakes: u64,
    /// Connections that ended because the host did what the protocol forbids.
    pub violations: u64,
    /// Connections that ended because nothing was heard of the host.
    pub expired: u64,
    /// Commands that were answered.
    pub commands: u64,
    /// Bytes of data that were read by hosts.
    pub bytes_read: u64,
    /// Bytes of data that were written by hosts.
    pub bytes_written: u64,
    /// Commands that had to wait for memory.
    pub memory_waits: u64,
}

macro_rules! counters {
    ($($name:ident)*) => {
        /// The same, written by many threads.
        #[derive(Debug, Default)]
        pub(super) struct Counters {
            $(pub(super) $name: AtomicU64,)*
        }

        impl Counters {
            /// All of them, with the number of connections, which is counted elsewhere.
            pub(super) fn read(&self, connections: u64) -> Statistics {
                Statistics { connections, $($name: self.$name.load(Ordering::Relaxed),)* }
            }

            /// Adds what a connection has counted since it did so last.
            pub(super) fn publish(&self, since: &mut Statistics) {
                $(
                    if since.$name > 0 {
                        self.$name.fetch_add(since.$name, Ordering::Relaxed);
                    }
                )*
                *since = Statistics::default();
            }
        }
    };
}

counters! {
    accepted refused accept_errors failed_handshakes violations expired commands bytes_read bytes_written memory_waits
}

impl Counters {
    pub(super) fn add(counter: &AtomicU64) {
        counter.fetch_add(1, Ordering::Relaxed);
    }
}
