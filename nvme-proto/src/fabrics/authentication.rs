//! Authentication Send and Receive: what carries authentication messages.

use crate::bits::{command, newtype_bits};
use crate::registry::wire_values;

wire_values! {
    /// Whose messages are carried. 1 byte, shared with Security Send and Receive.
    #[doc(alias = "SECP")]
    pub struct SecurityProtocol(u8) {
        /// Which protocols there are.
        INFORMATION = 0x00 => "security protocol information",
        /// Trusted Computing Group.
        TCG_1 = 0x01 => "TCG 1",
        /// Trusted Computing Group.
        TCG_2 = 0x02 => "TCG 2",
        /// NVM Express: authentication over fabrics, replay protected memory.
        NVM_EXPRESS = 0xe9 => "NVM Express",
        /// JEDEC.
        JEDEC = 0xec => "JEDEC Universal Flash Storage",
        /// IEEE 1667.
        IEEE_1667 = 0xee => "IEEE 1667",
        /// ATA.
        ATA = 0xef => "ATA device server password",
    }
}

newtype_bits!(SecurityProtocol);

command! {
    /// Authentication Send: carries a message to the controller.
    ///
    /// The length is also that of the SGL. Source: NVMe Base 2.0 section 6.2, kernel `include/linux/nvme.h: struct
    /// nvmf_auth_send_command`.
    pub struct AuthenticationSend("Authentication Send", fctype = 0x05) {
        /// Protocol specific, first byte: 1.
        CDW10 [15:8] specific_0: u8, "SPSP0";
        /// Protocol specific, second byte: 1.
        CDW10 [23:16] specific_1: u8, "SPSP1";
        /// Whose message.
        CDW10 [31:24] protocol: SecurityProtocol, "SECP";
        /// Bytes of the message.
        CDW11 [31:0] transfer_length: u32, "TL";
    }
}

command! {
    /// Authentication Receive: asks for the controller's next message.
    ///
    /// The length is also that of the SGL. The Linux target fills it with zeros, SPDK sends the message alone: take both. Source: NVMe Base
    /// 2.0 section 6.1, kernel `include/linux/nvme.h: struct nvmf_auth_receive_command`.
    pub struct AuthenticationReceive("Authentication Receive", fctype = 0x06) {
        /// Protocol specific, first byte: 1.
        CDW10 [15:8] specific_0: u8, "SPSP0";
        /// Protocol specific, second byte: 1.
        CDW10 [23:16] specific_1: u8, "SPSP1";
        /// Whose message.
        CDW10 [31:24] protocol: SecurityProtocol, "SECP";
        /// Bytes there is room for. Linux asks for 4096.
        CDW11 [31:0] allocation_length: u32, "AL";
    }
}

impl AuthenticationSend {
    /// A message of DH-HMAC-CHAP of so many bytes.
    #[must_use]
    pub const fn dh_hmac_chap(transfer_length: u32) -> Self {
        Self { specific_0: 1, specific_1: 1, protocol: SecurityProtocol::NVM_EXPRESS, transfer_length }
    }

    /// Whether it is a message of DH-HMAC-CHAP and has a length. If not, the answer is
    /// [`INVALID_FIELD`](crate::Status::INVALID_FIELD).
    #[must_use]
    pub fn is_dh_hmac_chap(&self) -> bool {
        self.transfer_length != 0 && *self == Self::dh_hmac_chap(self.transfer_length)
    }
}

impl AuthenticationReceive {
    /// The next message of DH-HMAC-CHAP, into so many bytes.
    #[must_use]
    pub const fn dh_hmac_chap(allocation_length: u32) -> Self {
        Self { specific_0: 1, specific_1: 1, protocol: SecurityProtocol::NVM_EXPRESS, allocation_length }
    }

    /// Whether it asks for a message of DH-HMAC-CHAP and has room for one. If not, the answer is
    /// [`INVALID_FIELD`](crate::Status::INVALID_FIELD).
    #[must_use]
    pub fn is_dh_hmac_chap(&self) -> bool {
        self.allocation_length != 0 && *self == Self::dh_hmac_chap(self.allocation_length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_of_a_linux_host() {
        let sqe = AuthenticationSend::dh_hmac_chap(72).to_sqe();
        assert_eq!((sqe.nsid, sqe.cdw10, sqe.cdw11), (5, 0xe901_0100, 72));
        let sqe = AuthenticationReceive::dh_hmac_chap(4096).to_sqe();
        assert_eq!((sqe.nsid, sqe.cdw10, sqe.cdw11), (6, 0xe901_0100, 4096));
    }

    #[test]
    fn other_protocols_and_nothing_are_refused() {
        let message = AuthenticationSend::dh_hmac_chap(72);
        assert!(message.is_dh_hmac_chap());
        for other in [
            AuthenticationSend { protocol: SecurityProtocol(0), ..message },
            AuthenticationSend { specific_0: 0, ..message },
            AuthenticationSend { specific_1: 2, ..message },
            AuthenticationSend { transfer_length: 0, ..message },
        ] {
            assert!(!other.is_dh_hmac_chap());
        }
        let receive = AuthenticationReceive::dh_hmac_chap(4096);
        assert!(receive.is_dh_hmac_chap());
        assert!(!AuthenticationReceive { allocation_length: 0, ..receive }.is_dh_hmac_chap());
        assert!(!AuthenticationReceive { specific_1: 0, ..receive }.is_dh_hmac_chap());
    }
}
