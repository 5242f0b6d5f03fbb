//! Security Send, Security Receive, Sanitize.

use crate::bits::{command, newtype_bits};
use crate::fabrics::SecurityProtocol;
use crate::registry::wire_values;

wire_values! {
    /// How all data is destroyed: 3 bits.
    #[doc(alias = "SANACT")]
    pub struct SanitizeAction(u8) {
        /// It is not; a failure is acknowledged.
        EXIT_FAILURE = 1 => "exit failure mode",
        /// Erases the media.
        BLOCK_ERASE = 2 => "block erase",
        /// Overwrites the media.
        OVERWRITE = 3 => "overwrite",
        /// Deletes the key.
        CRYPTO_ERASE = 4 => "crypto erase",
        /// It is not; the verification of the media ends.
        EXIT_MEDIA_VERIFICATION = 5 => "exit media verification state",
    }
}

newtype_bits!(SanitizeAction);

command! {
    /// Security Send: carries a message of a security protocol.
    ///
    /// Source: NVMe Base 2.0 section 5.26.
    pub struct SecuritySend("Security Send", opcode = 0x81) {
        /// Namespace, where the protocol has it.
        NSID [31:0] nsid: u32, "NSID";
        /// Of protocol 0xea and 0xe9: which target.
        CDW10 [7:0] nvme_specific: u8, "NSSF";
        /// Protocol specific, first byte.
        CDW10 [15:8] specific_0: u8, "SPSP0";
        /// Protocol specific, second byte.
        CDW10 [23:16] specific_1: u8, "SPSP1";
        /// Whose message.
        CDW10 [31:24] protocol: SecurityProtocol, "SECP";
        /// Bytes of the message.
        CDW11 [31:0] transfer_length: u32, "TL";
    }
}

command! {
    /// Security Receive: asks for a message of a security protocol.
    ///
    /// Source: NVMe Base 2.0 section 5.25.
    pub struct SecurityReceive("Security Receive", opcode = 0x82) {
        /// Namespace, where the protocol has it.
        NSID [31:0] nsid: u32, "NSID";
        /// Of protocol 0xea and 0xe9: which target.
        CDW10 [7:0] nvme_specific: u8, "NSSF";
        /// Protocol specific, first byte.
        CDW10 [15:8] specific_0: u8, "SPSP0";
        /// Protocol specific, second byte.
        CDW10 [23:16] specific_1: u8, "SPSP1";
        /// Whose message.
        CDW10 [31:24] protocol: SecurityProtocol, "SECP";
        /// Bytes there is room for.
        CDW11 [31:0] allocation_length: u32, "AL";
    }
}

command! {
    /// Sanitize: destroys all data of the subsystem, beyond recovery.
    ///
    /// Source: NVMe Base 2.0 section 5.24; bit 10 is of 2.1.
    pub struct Sanitize("Sanitize", opcode = 0x84) {
        /// How.
        CDW10 [2:0] action: SanitizeAction, "SANACT";
        /// A failure may be left without a successful sanitize.
        CDW10 [3] unrestricted_exit: bool, "AUSE";
        /// Passes of an overwrite; 0 stands for 16.
        CDW10 [7:4] overwrite_passes: u8, "OWPASS";
        /// The pattern is inverted from pass to pass.
        CDW10 [8] invert_pattern: bool, "OIPBP";
        /// The media are not deallocated afterwards.
        CDW10 [9] no_deallocate: bool, "NDAS";
        /// The media can be read for verification afterwards.
        CDW10 [10] media_verification: bool, "EMVS";
        /// Pattern of an overwrite.
        CDW11 [31:0] overwrite_pattern: u32, "OVRPAT";
    }
}

impl SecuritySend {
    /// A message of so many bytes.
    #[must_use]
    pub fn new(protocol: SecurityProtocol, transfer_length: u32) -> Self {
        Self { protocol, transfer_length, ..Self::default() }
    }
}

impl SecurityReceive {
    /// A message into so many bytes.
    #[must_use]
    pub fn new(protocol: SecurityProtocol, allocation_length: u32) -> Self {
        Self { protocol, allocation_length, ..Self::default() }
    }
}

impl Sanitize {
    /// Destroys all data this way.
    #[must_use]
    pub fn new(action: SanitizeAction) -> Self {
        Self { action, ..Self::default() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_field_has_its_bits() {
        let send = SecuritySend {
            nsid: 3,
            nvme_specific: 1,
            specific_0: 2,
            specific_1: 4,
            ..SecuritySend::new(SecurityProtocol::TCG_1, 512)
        };
        let sqe = send.to_sqe();
        assert_eq!((sqe.opcode, sqe.nsid, sqe.cdw10, sqe.cdw11), (0x81, 3, 0x0104_0201, 512));
        assert_eq!(SecuritySend::from_sqe(&sqe), send);
        let sqe = SecurityReceive::new(SecurityProtocol::INFORMATION, 4096).to_sqe();
        assert_eq!((sqe.opcode, sqe.cdw10, sqe.cdw11), (0x82, 0, 4096));
        let sanitize = Sanitize {
            overwrite_passes: 3,
            invert_pattern: true,
            no_deallocate: true,
            overwrite_pattern: 0xdead_beef,
            ..Sanitize::new(SanitizeAction::OVERWRITE)
        };
        let sqe = sanitize.to_sqe();
        assert_eq!((sqe.opcode, sqe.cdw10, sqe.cdw11), (0x84, 0x0333, 0xdead_beef));
        assert_eq!(Sanitize::from_sqe(&sqe), sanitize);
        let sqe =
            Sanitize { unrestricted_exit: true, media_verification: true, ..Sanitize::default() }.to_sqe();
        assert_eq!(sqe.cdw10, 0x0408);
    }
}
