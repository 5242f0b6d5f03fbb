//! The state machines of both roles, as what drives them sees them.

use std::io::IoSlice;

use nvme_proto::controller::Controller;
use nvme_proto::host::Host;
use nvme_proto::machine::{Space, Time};

/// A state machine of either role. See [`nvme_proto::host`] for the contract.
pub(crate) trait Machine {
    /// Where the next bytes go.
    fn space(&mut self) -> Space<'_>;
    /// So many bytes came into [`space`](Self::space).
    fn received(&mut self, n: usize);
    /// Nothing more will come.
    fn end_of_stream(&mut self);
    /// Puts what is to be sent into `to`, as far as there is room; says how many are used.
    fn transmit<'a>(&'a mut self, to: &mut [IoSlice<'a>]) -> usize;
    /// So many bytes were sent.
    fn transmitted(&mut self, n: usize);
    /// Whether there is something to send.
    fn wants_transmit(&self) -> bool;
    /// When to look again, whatever else happens.
    fn poll_timeout(&self) -> Option<Time>;
}

/// Both roles have the same calls.
macro_rules! machine {
    ($role:ident) => {
        impl<R: AsMut<[u8]>, W: AsRef<[u8]>> Machine for $role<R, W> {
            fn space(&mut self) -> Space<'_> {
                $role::space(self)
            }

            fn received(&mut self, n: usize) {
                $role::received(self, n);
            }

            fn end_of_stream(&mut self) {
                $role::end_of_stream(self);
            }

            fn transmit<'a>(&'a mut self, to: &mut [IoSlice<'a>]) -> usize {
                let mut used = 0_usize;
                for (to, chunk) in to.iter_mut().zip($role::transmit(self)) {
                    *to = IoSlice::new(chunk);
                    used = used.saturating_add(1);
                }
                used
            }

            fn transmitted(&mut self, n: usize) {
                $role::transmitted(self, n);
            }

            fn wants_transmit(&self) -> bool {
                $role::wants_transmit(self)
            }

            fn poll_timeout(&self) -> Option<Time> {
                $role::poll_timeout(self)
            }
        }
    };
}

machine!(Host);
machine!(Controller);
