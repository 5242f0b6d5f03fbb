//! Directive Send and Directive Receive.

use crate::bits::{command, newtype_bits};
use crate::registry::wire_values;

wire_values! {
    /// Which kind of directive. 1 byte.
    #[doc(alias = "DTYPE")]
    pub struct DirectiveType(u8) {
        /// Which directives there are, and whether they are enabled.
        IDENTIFY = 0x00 => "Identify",
        /// Streams of writes that belong together.
        STREAMS = 0x01 => "Streams",
        /// Where data is placed.
        DATA_PLACEMENT = 0x02 => "Data Placement",
    }
}

newtype_bits!(DirectiveType);

command! {
    /// Directive Send: says something about a directive.
    ///
    /// | directive | operation | meaning |
    /// |---|---|---|
    /// | Identify | 1 | enable or disable: bit 0 of CDW12 enables, bits 15:8 say which directive |
    /// | Streams | 1 | release the stream of `specific` |
    /// | Streams | 2 | release all resources |
    ///
    /// Source: NVMe Base 2.0 section 5.11, kernel `include/linux/nvme.h: struct nvme_directive_cmd`.
    pub struct DirectiveSend("Directive Send", opcode = 0x19) {
        /// Namespace.
        NSID [31:0] nsid: u32, "NSID";
        /// Dwords of data, less one.
        CDW10 [31:0] dwords_less_one: u32, "NUMD";
        /// Which operation.
        CDW11 [7:0] operation: u8, "DOPER";
        /// Of which directive.
        CDW11 [15:8] directive: DirectiveType, "DTYPE";
        /// Depends on the directive: a stream.
        CDW11 [31:16] specific: u16, "DSPEC";
        /// Depends on the operation.
        CDW12 [31:0] parameter: u32, "CDW12";
        /// Depends on the operation.
        CDW13 [31:0] parameter_2: u32, "CDW13";
    }
}

command! {
    /// Directive Receive: asks about a directive.
    ///
    /// | directive | operation | answer |
    /// |---|---|---|
    /// | Identify | 1 | 4096 bytes: which directives are supported and enabled |
    /// | Streams | 1 | 32 bytes: parameters |
    /// | Streams | 2 | which streams are open |
    /// | Streams | 3 | dword 0 of the completion: how many streams were allocated of those in bits 15:0 of CDW12 |
    ///
    /// Source: NVMe Base 2.0 section 5.10, kernel `include/linux/nvme.h: struct nvme_directive_cmd`.
    pub struct DirectiveReceive("Directive Receive", opcode = 0x1a) {
        /// Namespace.
        NSID [31:0] nsid: u32, "NSID";
        /// Dwords there is room for, less one.
        CDW10 [31:0] dwords_less_one: u32, "NUMD";
        /// Which operation.
        CDW11 [7:0] operation: u8, "DOPER";
        /// Of which directive.
        CDW11 [15:8] directive: DirectiveType, "DTYPE";
        /// Depends on the directive: a stream.
        CDW11 [31:16] specific: u16, "DSPEC";
        /// Depends on the operation.
        CDW12 [31:0] parameter: u32, "CDW12";
        /// Depends on the operation.
        CDW13 [31:0] parameter_2: u32, "CDW13";
    }
}

impl DirectiveSend {
    /// An operation on a namespace, without data.
    #[must_use]
    pub fn new(nsid: u32, directive: DirectiveType, operation: u8) -> Self {
        Self { nsid, directive, operation, ..Self::default() }
    }
}

impl DirectiveReceive {
    /// A question about a namespace, with an answer of `dwords_less_one` + 1 dwords.
    #[must_use]
    pub fn new(nsid: u32, directive: DirectiveType, operation: u8, dwords_less_one: u32) -> Self {
        Self { nsid, directive, operation, dwords_less_one, ..Self::default() }
    }

    /// Bytes there is room for: 4 to 2^34.
    #[must_use]
    pub fn data_len(&self) -> u64 {
        u64::from(self.dwords_less_one).saturating_add(1).saturating_mul(4)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_field_has_its_bits() {
        let send = DirectiveSend { specific: 7, ..DirectiveSend::new(1, DirectiveType::STREAMS, 1) };
        let sqe = send.to_sqe();
        assert_eq!((sqe.opcode, sqe.nsid, sqe.cdw10, sqe.cdw11), (0x19, 1, 0, 0x0007_0101));
        assert_eq!(DirectiveSend::from_sqe(&sqe), send);
        let enable = DirectiveSend {
            parameter: 0x0101,
            parameter_2: 9,
            ..DirectiveSend::new(1, DirectiveType::IDENTIFY, 1)
        };
        assert_eq!((enable.to_sqe().cdw12, enable.to_sqe().cdw13), (0x0101, 9));
        let receive = DirectiveReceive::new(1, DirectiveType::IDENTIFY, 1, 1023);
        let sqe = receive.to_sqe();
        assert_eq!((sqe.opcode, sqe.cdw10, sqe.cdw11), (0x1a, 1023, 1));
        assert_eq!(receive.data_len(), 4096);
    }
}
