//! Asynchronous Event Request, Keep Alive, Abort.

use crate::bits::command;

command! {
    /// Asynchronous Event Request: stays outstanding until something happens. The completion is an
    /// [`AsyncEvent`](crate::event::AsyncEvent).
    ///
    /// A controller takes as many as AERL of Identify Controller says, and one more; the rest are answered with
    /// [`ASYNCHRONOUS_EVENT_REQUEST_LIMIT_EXCEEDED`](crate::Status::ASYNCHRONOUS_EVENT_REQUEST_LIMIT_EXCEEDED). When a host shuts the controller down, the Linux target completes them with an
    /// internal error.
    ///
    /// Source: NVMe Base 2.0 section 5.2.
    pub struct AsyncEventRequest("Asynchronous Event Request", opcode = 0x0c) {}
}

command! {
    /// Keep Alive: says that the host lives. Every command does where the controller counts all traffic (CTRATT.TBKAS).
    ///
    /// Source: NVMe Base 2.0 section 5.18.
    pub struct KeepAlive("Keep Alive", opcode = 0x18) {}
}

command! {
    /// Abort: asks for another command to be given up. It always succeeds; bit 0 of dword 0 of the completion says whether the command was
    /// *not* aborted: [`Abort::aborted`].
    ///
    /// Source: NVMe Base 2.0 section 5.1, kernel `include/linux/nvme.h: struct nvme_abort_cmd`.
    pub struct Abort("Abort", opcode = 0x08) {
        /// Queue of the command.
        CDW10 [15:0] queue: u16, "SQID";
        /// Its command identifier.
        CDW10 [31:16] command: u16, "CID";
    }
}

impl Abort {
    /// Asks for one command to be given up.
    #[must_use]
    pub const fn new(queue: u16, command: u16) -> Self {
        Self { queue, command }
    }

    /// Whether the command was aborted, by dword 0 of the completion.
    #[must_use]
    pub const fn aborted(dw0: u32) -> bool {
        dw0 & 1 == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_entries() {
        let sqe = Abort::new(1, 7).to_sqe();
        assert_eq!((sqe.opcode, sqe.cdw10, sqe.cdw11), (8, 0x0007_0001, 0));
        assert_eq!(Abort::from_sqe(&sqe), Abort::new(1, 7));
        assert!(Abort::aborted(0) && !Abort::aborted(1));
        assert_eq!(KeepAlive {}.to_sqe(), crate::sqe::Sqe::new(0x18));
        assert_eq!(AsyncEventRequest::default().to_sqe(), crate::sqe::Sqe::new(0x0c));
    }
}
