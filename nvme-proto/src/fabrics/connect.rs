//! The Connect command and its answer.

use crate::bits::{bit_group, command};
use crate::types::Cntlid;

bit_group! {
    /// What a host wants of the queue it connects. 1 byte.
    #[doc(alias = "CATTR")]
    pub struct ConnectAttributes(u8) {
        /// Priority of an I/O queue for weighted round robin: 0 urgent, 1 high, 2 medium, 3 low.
        [1:0] priority with_priority: u8, "QPRIO";
        /// The host does not want submission queue flow control; a controller that agrees answers with SQHD 0xffff.
        [2] disables_flow_control with_disabled_flow_control: bool, "DSQFC";
        /// The host can end I/O queues one by one, with Disconnect.
        [3] deletes_queues with_deleted_queues: bool, "IIOQD";
    }

    /// Dword 0 of the answer to a Connect that succeeded.
    ///
    /// With another status the dword means something else: [`connect::explain`](crate::connect::explain).
    pub struct ConnectResponse(u32) {
        /// The controller the queue belongs to.
        [15:0] cntlid with_cntlid: Cntlid, "CNTLID";
        /// The host must authenticate before anything else.
        [17] requires_authentication with_authentication: bool, "ATR";
        /// The host must authenticate and then come back with TLS.
        [18] requires_secure_channel with_secure_channel: bool, "ASCR";
    }
}

command! {
    /// Connect: makes the connection a queue of a controller. The first command on every connection.
    ///
    /// Its data are the 1024 bytes of [`ConnectData`](super::ConnectData), always in the capsule: the Linux target never answers when they
    /// are not. The answer is a [`ConnectResponse`], or says what is wrong: [`connect::explain`](crate::connect::explain).
    ///
    /// | byte of the entry | field | when it is refused ([`CONNECT_INVALID_PARAMETERS`](crate::Status::CONNECT_INVALID_PARAMETERS) naming it) |
    /// |---|---|---|
    /// | 40 | `record_format` | not 0: [`CONNECT_INCOMPATIBLE_FORMAT`](crate::Status::CONNECT_INCOMPATIBLE_FORMAT) |
    /// | 42 | `qid` | in use, or beyond the granted queues |
    /// | 44 | `queue_size` | 0; on an I/O queue also above CAP.MQES |
    ///
    /// Source: NVMe Base 2.0 section 6.3, kernel `include/linux/nvme.h: struct nvmf_connect_command`.
    pub struct Connect("Connect", fctype = 0x01) {
        /// Format of the Connect data: 0.
        CDW10 [15:0] record_format: u16, "RECFMT";
        /// Queue: 0 the admin queue.
        CDW10 [31:16] qid: u16, "QID";
        /// Entries of the queue, less one. At least 1; hosts ask for 31 on the admin queue.
        CDW11 [15:0] queue_size: u16, "SQSIZE";
        /// What the host wants of the queue.
        CDW11 [23:16] attributes: ConnectAttributes, "CATTR";
        /// Keep-alive time-out of the controller, ms; 0 none. On the admin queue only.
        CDW12 [31:0] keep_alive: u32, "KATO";
    }
}

impl Connect {
    /// Bytes of the data.
    pub const DATA_LEN: u32 = 1024;

    /// Connects the admin queue: a new controller. `queue_size` is one less than the number of entries, `keep_alive` in ms.
    #[must_use]
    pub fn admin(queue_size: u16, keep_alive: u32) -> Self {
        Self { queue_size, keep_alive, ..Self::default() }
    }

    /// Connects an I/O queue. `queue_size` is one less than the number of entries.
    #[must_use]
    pub fn io(qid: u16, queue_size: u16) -> Self {
        Self { qid, queue_size, ..Self::default() }
    }

    /// Whether it connects the admin queue.
    #[must_use]
    pub const fn is_admin(&self) -> bool {
        self.qid == 0
    }
}

impl ConnectResponse {
    /// The answer that needs no authentication.
    #[must_use]
    pub fn new(cntlid: Cntlid) -> Self {
        Self::default().with_cntlid(cntlid)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_from_the_wire() {
        for (dw0, authentication, secure) in
            [(0x0000_0001, false, false), (0x0002_0001, true, false), (0x0006_0001, true, true)]
        {
            let response = ConnectResponse(dw0);
            assert_eq!(response.cntlid(), Cntlid(1));
            assert_eq!(
                (response.requires_authentication(), response.requires_secure_channel()),
                (authentication, secure)
            );
            let made = ConnectResponse::new(Cntlid(1))
                .with_authentication(authentication)
                .with_secure_channel(secure);
            assert_eq!(made, response);
        }
    }

    #[test]
    fn attributes() {
        let attributes = ConnectAttributes::default().with_disabled_flow_control(true);
        assert_eq!(attributes, ConnectAttributes(4));
        // Reserved bits are ignored, not refused.
        let reserved = ConnectAttributes(0xf0);
        assert!(!reserved.disables_flow_control() && !reserved.deletes_queues() && reserved.priority() == 0);
        assert_eq!(ConnectAttributes::DEFINED, 0x0f);
    }

    #[test]
    fn the_entry_of_a_linux_host() {
        let sqe = Connect::admin(31, 5000).to_sqe();
        assert_eq!((sqe.opcode, sqe.nsid), (0x7f, 1));
        assert_eq!((sqe.cdw10, sqe.cdw11, sqe.cdw12, sqe.cdw13), (0, 31, 5000, 0));
        let sqe = Connect::io(3, 127).to_sqe();
        assert_eq!((sqe.cdw10, sqe.cdw11, sqe.cdw12), (0x0003_0000, 127, 0));
        assert!(!Connect::from_sqe(&sqe).is_admin());
    }
}
