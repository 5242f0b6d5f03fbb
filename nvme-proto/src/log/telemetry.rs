//! What a controller recorded of its inside.

use core::ops::Range;

use super::LogId;
use crate::layout::{field_at, newtype_fields};
use crate::view::view;

newtype_fields!(LogId);

view! {
    /// Header of the telemetry logs (LID 0x07 host-initiated, 0x08 controller-initiated): where the data areas end. 512 bytes,
    /// little-endian; the data follow in blocks of 512 bytes and are the vendor's.
    ///
    /// | bytes    | field                                           | meaning                                                       |
    /// |----------|-------------------------------------------------|---------------------------------------------------------------|
    /// | 0        | `lid`                                           | which of both logs                                            |
    /// | 5..8     | `ieee_oui` (IEEE)                               | who can read the data; lowest byte first                      |
    /// | 8..14    | `area_1_last`, `area_2_last`, `area_3_last`     | last block of each area, counted from the header: 0 for none  |
    /// | 16..20   | `area_4_last`                                   | the same, 32 bits; since NVMe Base 2.0                        |
    /// | 381      | `host_generation`                               | goes up with every host-initiated recording                   |
    /// | 382      | `controller_available`                          | 1: there are data the controller recorded by itself           |
    /// | 383      | `controller_generation`                         | goes up with every recording of the controller's own          |
    /// | 384..512 | [`reason`](Self::reason)                        | vendor specific                                               |
    ///
    /// Everything else is reserved and kept. Source: NVMe Base 2.0 sections 5.16.1.8 and 5.16.1.9, libnvme
    /// `src/nvme/types.h: struct nvme_telemetry_log`.
    pub struct TelemetryLog("Telemetry log header", 512)
    show reason
    {
        /// Which log: [`LogId::TELEMETRY_HOST`] or [`LogId::TELEMETRY_CONTROLLER`].
        0 lid set_lid LogId;
        /// Organisation that can read the data, lowest byte first.
        #[doc(alias = "IEEE")]
        5 ieee_oui set_ieee_oui [u8; 3];
        /// Last block of area 1.
        8 area_1_last set_area_1_last u16;
        /// Last block of area 2, which begins with area 1.
        10 area_2_last set_area_2_last u16;
        /// Last block of area 3, which begins with area 1.
        12 area_3_last set_area_3_last u16;
        /// Last block of area 4, which begins with area 1.
        16 area_4_last set_area_4_last u32;
        /// Goes up with every recording the host asks for, and wraps.
        381 host_generation set_host_generation u8;
        /// 1: the controller recorded data by itself, which stay until read with the event cleared.
        382 controller_available set_controller_available u8;
        /// Goes up with every recording the controller makes by itself, and wraps.
        383 controller_generation set_controller_generation u8;
    }
}

impl<B: AsRef<[u8]>> TelemetryLog<B> {
    /// Bytes of a block.
    pub const BLOCK: usize = 512;

    /// What the controller was doing: vendor specific.
    #[must_use]
    pub fn reason(&self) -> &[u8] {
        field_at(self.0.as_ref(), 384, 128)
    }

    /// Where in the log the data area 1 to 4 is, in bytes: from behind the header, since each area contains those before it. Empty where
    /// the area has no data, `None` for another number.
    #[must_use]
    pub fn area(&self, number: u8) -> Option<Range<u64>> {
        let last = match number {
            1 => self.area_1_last().into(),
            2 => self.area_2_last().into(),
            3 => self.area_3_last().into(),
            4 => self.area_4_last(),
            _ => return None,
        };
        // At most 2^32 blocks of 2^9 bytes.
        Some(512..u64::from(last).saturating_add(1).saturating_mul(512))
    }
}

impl<B: AsRef<[u8]> + AsMut<[u8]>> TelemetryLog<B> {
    /// Writes what the controller was doing.
    pub fn set_reason(&mut self, reason: [u8; 128]) {
        crate::layout::put(self.0.as_mut(), 384, reason);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fields_are_where_the_table_says() {
        let full: alloc::vec::Vec<u8> = (0..512).map(|at: usize| at as u8).collect();
        let log = TelemetryLog::new_checked(full.as_slice()).unwrap();
        assert_eq!((log.lid(), log.ieee_oui()), (LogId(0), [5, 6, 7]));
        assert_eq!((log.area_1_last(), log.area_3_last(), log.area_4_last()), (0x0908, 0x0d0c, 0x1312_1110));
        assert_eq!(
            (log.host_generation(), log.controller_available(), log.controller_generation()),
            (125, 126, 127)
        );
        assert_eq!(log.reason(), &full[384..]);
        let mut written = TelemetryLog::zeroed();
        written.copy_fields(&log);
        written.set_reason(log.reason().try_into().unwrap());
        for at in 0..512 {
            let field = matches!(at, 0 | 5..=13 | 16..=19 | 381..=511);
            assert_eq!(written.as_bytes()[at], if field { at as u8 } else { 0 }, "byte {at}");
        }
        assert!(TelemetryLog::new_checked(&full[..511]).is_err());
    }

    #[test]
    fn areas_begin_behind_the_header() {
        let mut log = TelemetryLog::zeroed();
        assert_eq!(log.area(1), Some(512..512));
        log.set_area_1_last(2);
        log.set_area_4_last(u32::MAX);
        assert_eq!(log.area(1), Some(512..1536));
        assert_eq!(log.area(4), Some(512..1 << 41));
        assert_eq!((log.area(0), log.area(5)), (None, None));
    }
}
