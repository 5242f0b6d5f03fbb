//! Features whose value is in the data: time, host behaviour, power states, ranges.

use crate::bits::{bit_group, record};

bit_group! {
    /// How the controller got its clock. 1 byte.
    pub struct TimestampAttributes(u8) {
        /// It may have stopped meanwhile.
        [0] may_have_stopped with_may_have_stopped: bool, "SYNCH";
        /// Who set it: 0 nobody, 1 a host.
        [3:1] origin with_origin: u8, "TO";
    }

    /// Formats of Copy that the host lets the controller take: bit n for format n, from 2 on.
    pub struct CopyFormatsEnabled(u16) {
        /// Format 2.
        [2] format_2 with_format_2: bool, "CDFE2";
        /// Format 3.
        [3] format_3 with_format_3: bool, "CDFE3";
        /// Format 4.
        [4] format_4 with_format_4: bool, "CDFE4";
    }

    /// A power state the controller enters by itself. 8 bytes.
    pub struct PowerTransition(u64) {
        /// Which state it enters.
        [7:3] state with_state: u8, "ITPS";
        /// How long it must be idle before, ms; 0 never.
        [31:8] idle_time with_idle_time: u32, "ITPT";
    }
}

record! {
    /// Timestamp (0x0e): the controller's clock.
    ///
    /// Source: NVMe Base 2.0 section 5.27.1.
    pub struct Timestamp("Timestamp", 8) {
        /// Milliseconds since 1970-01-01 00:00 UTC, 48 bits, lowest byte first: [`Timestamp::millis`].
        [0..6] bytes: [u8; 6], "TSTMP";
        /// How it came by the time.
        [6..7] attributes: TimestampAttributes, "ATTR";
    }

    /// Host Behavior Support (0x16): what the host understands.
    ///
    /// Source: NVMe Base 2.0 section 5.27.1, kernel `include/linux/nvme.h: struct nvme_feat_host_behavior`.
    pub struct HostBehavior("Host Behavior Support", 512) {
        /// 1: statuses may ask for a delayed retry ([`Status::crd`](crate::Status::crd)).
        [0..1] advanced_retry: u8, "ACRE";
        /// 1: telemetry may have a data area 4.
        [1..2] telemetry_area_4: u8, "ETDAS";
        /// 1: namespaces may have formats with guards of 32 and 64 bits.
        [2..3] extended_formats: u8, "LBAFEE";
        /// 1: the host knows dispersed namespaces.
        [3..4] dispersed_namespaces: u8, "HDISNS";
        /// Which formats of Copy the controller may take.
        [4..6] copy_formats: CopyFormatsEnabled, "CDFE";
    }

    /// Host Identifier (0x81) in its form of 16 bytes, the only one on fabrics.
    ///
    /// Source: NVMe Base 2.0 section 5.27.1.
    pub struct HostIdentifier("Host Identifier", 16) {
        /// The bytes of a [`HostId`](crate::HostId).
        [0..16] bytes: [u8; 16], "HOSTID";
    }

    /// What a range of blocks is for: one of up to 64 of LBA Range Type (0x03).
    ///
    /// Source: NVM Command Set 1.0 section 4.1.3, kernel `include/linux/nvme.h: struct nvme_lba_range_type`.
    pub struct LbaRange("LBA Range Type", 64) {
        /// What for: 0 general, 1 filesystem, 2 RAID, 3 cache, 4 swap.
        [0..1] kind: u8, "TYPE";
        /// Bit 0: may be overwritten; bit 1: is to be hidden.
        [1..2] attributes: u8, "ATTRB";
        /// The first block.
        [16..24] lba: u64, "SLBA";
        /// Blocks, less one.
        [24..32] blocks_less_one: u64, "NLB";
        /// Which range it is.
        [32..48] guid: [u8; 16], "GUID";
    }
}

impl Timestamp {
    /// A time in milliseconds since 1970; of more than 48 bits the upper ones are lost.
    #[must_use]
    pub fn new(millis: u64) -> Self {
        let [a, b, c, d, e, f, ..] = millis.to_le_bytes();
        Self { bytes: [a, b, c, d, e, f], ..Self::default() }
    }

    /// Milliseconds since 1970-01-01 00:00 UTC.
    #[must_use]
    pub const fn millis(&self) -> u64 {
        let [a, b, c, d, e, f] = self.bytes;
        u64::from_le_bytes([a, b, c, d, e, f, 0, 0])
    }
}

impl From<crate::HostId> for HostIdentifier {
    fn from(host_id: crate::HostId) -> Self {
        Self { bytes: *host_id.as_bytes() }
    }
}

impl From<HostIdentifier> for crate::HostId {
    fn from(identifier: HostIdentifier) -> Self {
        Self::from_bytes(identifier.bytes)
    }
}

/// Autonomous Power State Transition (0x0c): for each of 32 power states, lowest first, the one that follows it. 256 bytes.
///
/// Source: NVMe Base 2.0 section 5.27.1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct PowerTransitions(pub [PowerTransition; 32]);

impl PowerTransitions {
    /// Length in bytes.
    pub const LEN: usize = 256;

    /// The table in these bytes.
    ///
    /// # Errors
    /// [`DecodeErrorKind::TooShort`](crate::DecodeErrorKind::TooShort).
    pub fn decode(bytes: &[u8]) -> Result<Self, crate::DecodeError> {
        crate::DecodeError::check_len("Autonomous Power State Transition", bytes, Self::LEN)?;
        let mut table = [PowerTransition::default(); 32];
        let (chunks, _) = bytes.as_chunks::<8>();
        for (entry, bytes) in table.iter_mut().zip(chunks) {
            *entry = PowerTransition(u64::from_le_bytes(*bytes));
        }
        Ok(Self(table))
    }

    /// The table as bytes.
    #[must_use]
    pub fn encode(&self) -> [u8; Self::LEN] {
        let mut bytes = [0; Self::LEN];
        let (chunks, _) = bytes.as_chunks_mut::<8>();
        for (bytes, entry) in chunks.iter_mut().zip(&self.0) {
            *bytes = entry.0.to_le_bytes();
        }
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time() {
        let bytes = [0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x03, 0];
        let time = Timestamp::from_bytes(&bytes);
        assert_eq!(time.millis(), 0x0605_0403_0201);
        assert!(time.attributes.may_have_stopped() && time.attributes.origin() == 1);
        assert_eq!(time.encode(), bytes);
        assert_eq!(Timestamp::new(u64::MAX).millis(), (1 << 48) - 1);
        assert!(Timestamp::decode(&bytes[..7]).is_err());
    }

    #[test]
    fn host_behaviour() {
        let formats = CopyFormatsEnabled::default().with_format_2(true).with_format_3(true);
        let behavior = HostBehavior { advanced_retry: 1, copy_formats: formats, ..HostBehavior::default() };
        let bytes = behavior.encode();
        assert_eq!((bytes.len(), &bytes[..6]), (512, &[1, 0, 0, 0, 0x0c, 0][..]));
        assert_eq!(HostBehavior::decode(&bytes), Ok(behavior));
        assert!(HostBehavior::decode(&bytes[..511]).is_err());
    }

    #[test]
    fn ranges_and_hosts() {
        let range = LbaRange { kind: 4, attributes: 1, lba: 9, blocks_less_one: 7, guid: [5; 16] };
        let bytes = range.encode();
        assert_eq!((bytes[16], bytes[24], bytes[32], bytes[48]), (9, 7, 5, 0));
        assert_eq!(LbaRange::decode(&bytes), Ok(range));
        let host_id = crate::HostId::from_bytes([3; 16]);
        assert_eq!(crate::HostId::from(HostIdentifier::from(host_id)), host_id);
    }

    #[test]
    fn power_transitions() {
        let mut table = PowerTransitions([PowerTransition::default(); 32]);
        table.0[3] = PowerTransition::default().with_state(4).with_idle_time(100);
        let bytes = table.encode();
        assert_eq!(bytes[24..32], [0x20, 100, 0, 0, 0, 0, 0, 0]);
        assert_eq!(PowerTransitions::decode(&bytes), Ok(table));
        assert_eq!(PowerTransitions::decode(&bytes[..255]).unwrap_err().at, 255);
    }
}
