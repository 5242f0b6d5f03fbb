//! Zone commands: management send and receive, append.

use super::Protection;
use super::blocks::block_command;
use crate::bits::{command, newtype_bits};
use crate::registry::wire_values;

wire_values! {
    /// What Zone Management Send does with a zone. 1 byte.
    #[doc(alias = "ZSA")]
    pub struct ZoneSendAction(u8) {
        /// Closes it.
        CLOSE = 0x01 => "close",
        /// Makes it full.
        FINISH = 0x02 => "finish",
        /// Opens it.
        OPEN = 0x03 => "open",
        /// Makes it empty.
        RESET = 0x04 => "reset",
        /// Takes it offline.
        OFFLINE = 0x05 => "offline",
        /// Sets its descriptor extension, which the data are.
        SET_DESCRIPTOR_EXTENSION = 0x10 => "set zone descriptor extension",
        /// Flushes its random write area.
        FLUSH_RANDOM_WRITE_AREA = 0x11 => "flush explicit ZRWA",
    }

    /// What Zone Management Receive asks for. 1 byte.
    #[doc(alias = "ZRA")]
    pub struct ZoneReceiveAction(u8) {
        /// Descriptors.
        REPORT = 0x00 => "report zones",
        /// Descriptors with their extensions.
        EXTENDED_REPORT = 0x01 => "extended report zones",
    }

    /// Which zones are reported. 1 byte.
    #[doc(alias = "ZRASF")]
    pub struct ZoneFilter(u8) {
        /// All.
        ALL = 0x0 => "all",
        /// Empty ones.
        EMPTY = 0x1 => "empty",
        /// Those that a write opened.
        IMPLICITLY_OPEN = 0x2 => "implicitly opened",
        /// Those that a command opened.
        EXPLICITLY_OPEN = 0x3 => "explicitly opened",
        /// Closed ones.
        CLOSED = 0x4 => "closed",
        /// Full ones.
        FULL = 0x5 => "full",
        /// Those that can only be read.
        READ_ONLY = 0x6 => "read only",
        /// Those that are offline.
        OFFLINE = 0x7 => "offline",
    }
}

newtype_bits!(ZoneSendAction, ZoneReceiveAction, ZoneFilter);

command! {
    /// Zone Management Send: changes the state of a zone, or of all. There are data only for setting the descriptor extension.
    ///
    /// Source: Zoned Namespace Command Set 1.1 section 3.4, kernel `include/linux/nvme.h: struct nvme_zone_mgmt_send_cmd`.
    pub struct ZoneManagementSend("Zone Management Send", opcode = 0x79) {
        /// Namespace.
        NSID [31:0] nsid: u32, "NSID";
        /// The first block of the zone.
        CDW10 [63:0] lba: u64, "SLBA";
        /// What to do.
        CDW13 [7:0] action: ZoneSendAction, "ZSA";
        /// Not with one zone, but with all it can be done with.
        CDW13 [8] all: bool, "SELALL";
        /// Of the action: opening allocates a random write area (ZRWAA).
        CDW13 [9] option: bool, "ZSASO";
    }
}

command! {
    /// Zone Management Receive: reports zones. The answer is a [`ZoneReport`](super::ZoneReport).
    ///
    /// Source: Zoned Namespace Command Set 1.1 section 3.4, kernel `include/linux/nvme.h: struct nvme_zone_mgmt_recv_cmd`.
    pub struct ZoneManagementReceive("Zone Management Receive", opcode = 0x7a) {
        /// Namespace.
        NSID [31:0] nsid: u32, "NSID";
        /// A block of the first zone to report.
        CDW10 [63:0] lba: u64, "SLBA";
        /// Dwords there is room for, less one.
        CDW12 [31:0] dwords_less_one: u32, "NUMD";
        /// What to report.
        CDW13 [7:0] action: ZoneReceiveAction, "ZRA";
        /// Which zones.
        CDW13 [15:8] filter: ZoneFilter, "ZRASF";
        /// Count the zones of the report, not all that match.
        CDW13 [16] partial: bool, "PARTREP";
    }
}

command! {
    /// Zone Append: writes blocks at the end of a zone. The block they begin at is the [`result`](crate::cqe::Cqe::result) of the completion.
    ///
    /// Source: Zoned Namespace Command Set 1.1 section 3.4.1, kernel `include/linux/nvme.h: struct nvme_rw_command`.
    pub struct ZoneAppend("Zone Append", opcode = 0x7d) {
        /// Namespace.
        NSID [31:0] nsid: u32, "NSID";
        /// Upper bits of the tags, with 64-bit guards.
        CDW2 [47:0] tags_upper: u64, "LBTU";
        /// The first block of the zone.
        CDW10 [63:0] lba: u64, "ZSLBA";
        /// Blocks, less one.
        CDW12 [15:0] blocks_less_one: u16, "NLB";
        /// Command extension.
        CDW12 [19:16] extension_type: u8, "CETYPE";
        /// Which directive `directive_specific` belongs to.
        CDW12 [23:20] directive_type: u8, "DTYPE";
        /// Check the storage tag.
        CDW12 [24] check_storage_tag: bool, "STC";
        /// The reference tags follow the block written, not the zone.
        CDW12 [25] remap_reference_tag: bool, "PIREMAP";
        /// Protection information.
        CDW12 [29:26] protection: Protection, "PRINFO";
        /// To the media before it completes.
        CDW12 [30] force_unit_access: bool, "FUA";
        /// Do not try hard.
        CDW12 [31] limited_retry: bool, "LR";
        /// Value of the extension.
        CDW13 [15:0] extension_value: u16, "CEV";
        /// Of the directive.
        CDW13 [31:16] directive_specific: u16, "DSPEC";
        /// Reference or storage tag.
        CDW14 [31:0] reference_tag: u32, "ILBRT";
        /// Application tag.
        CDW15 [15:0] application_tag: u16, "LBAT";
        /// Bits of the application tag that are compared.
        CDW15 [31:16] application_tag_mask: u16, "LBATM";
    }
}

block_command!(ZoneAppend);

impl ZoneManagementSend {
    /// Does this with the zone that begins at block `lba`.
    #[must_use]
    pub fn new(nsid: u32, lba: u64, action: ZoneSendAction) -> Self {
        Self { nsid, lba, action, ..Self::default() }
    }
}

impl ZoneManagementReceive {
    /// Descriptors of all zones from that of block `lba` on, into `dwords_less_one` + 1 dwords.
    #[must_use]
    pub fn new(nsid: u32, lba: u64, dwords_less_one: u32) -> Self {
        Self { nsid, lba, dwords_less_one, ..Self::default() }
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
        let send = ZoneManagementSend {
            all: true,
            option: true,
            ..ZoneManagementSend::new(1, 0x1_0000_8000, ZoneSendAction::OPEN)
        };
        let sqe = send.to_sqe();
        assert_eq!((sqe.opcode, sqe.nsid, sqe.cdw10, sqe.cdw11), (0x79, 1, 0x8000, 1));
        assert_eq!((sqe.cdw13, ZoneManagementSend::from_sqe(&sqe)), (0x0303, send));
        let receive = ZoneManagementReceive {
            action: ZoneReceiveAction::EXTENDED_REPORT,
            filter: ZoneFilter::FULL,
            partial: true,
            ..ZoneManagementReceive::new(1, 0, 1023)
        };
        let sqe = receive.to_sqe();
        assert_eq!((sqe.opcode, sqe.cdw12, sqe.cdw13), (0x7a, 1023, 0x1_0501));
        assert_eq!((receive.data_len(), ZoneManagementReceive::from_sqe(&sqe)), (4096, receive));
        let append = ZoneAppend { remap_reference_tag: true, ..ZoneAppend::new(1, 0x8000, 7) };
        let sqe = append.to_sqe();
        assert_eq!((sqe.opcode, sqe.cdw12, append.blocks()), (0x7d, 0x0200_0007, 8));
    }
}
