//! How far sanitizing is.

use crate::layout::newtype_fields;
use crate::registry::wire_values;
use crate::view::view;

wire_values! {
    /// How the newest sanitize operation went (bits 2:0 of the sanitize status).
    #[doc(alias = "SOS")]
    pub struct SanitizeState(u8) {
        /// There never was one.
        NEVER = 0 => "never sanitized",
        /// It succeeded.
        COMPLETED = 1 => "completed",
        /// It is under way.
        IN_PROGRESS = 2 => "in progress",
        /// It failed.
        FAILED = 3 => "failed",
        /// It succeeded, and deallocated blocks though it was asked not to.
        COMPLETED_DEALLOCATED = 4 => "completed, blocks deallocated",
    }
}

/// Sanitize status (SSTAT): 2 bytes, every bit kept.
///
/// | bits | field                                                                |
/// |------|----------------------------------------------------------------------|
/// | 2:0  | [`state`](Self::state) (SOS)                                         |
/// | 7:3  | [`passes`](Self::passes): completed passes of an overwrite           |
/// | 8    | [`is_globally_erased`](Self::is_globally_erased) (GDE)               |
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[doc(alias = "SSTAT")]
pub struct SanitizeStatus(pub u16);

impl SanitizeStatus {
    /// How the newest sanitize operation went.
    #[must_use]
    pub const fn state(self) -> SanitizeState {
        let [low, _] = self.0.to_le_bytes();
        SanitizeState(low & 0x7)
    }

    /// Completed passes of an overwrite, 0 to 31.
    #[must_use]
    pub const fn passes(self) -> u8 {
        let [low, _] = self.0.to_le_bytes();
        low >> 3
    }

    /// Whether nothing was written since the device was made or sanitized.
    #[must_use]
    pub const fn is_globally_erased(self) -> bool {
        self.0 & 0x100 != 0
    }
}

newtype_fields!(SanitizeStatus);

view! {
    /// Sanitize Status (LID 0x81). 512 bytes, little-endian.
    ///
    /// | bytes  | field                                              | unit                                                   |
    /// |--------|----------------------------------------------------|--------------------------------------------------------|
    /// | 0..2   | `progress` (SPROG)                                 | 1/65536; 0xffff where nothing is under way             |
    /// | 2..4   | `status` (SSTAT)                                   |                                                        |
    /// | 4..8   | `command` (SCDW10)                                 | command dword 10 of the Sanitize command               |
    /// | 8..20  | `overwrite_time`, `block_erase_time`, `crypto_erase_time` (ETO, ETBE, ETCE) | s; 0xffff_ffff: not said      |
    /// | 20..32 | the same with `_no_deallocate` (ETOND, ETBEND, ETCEND) | s; 0xffff_ffff: not said                           |
    ///
    /// Everything else is reserved and kept. Source: NVMe Base 2.0 section 5.16.1.25, libnvme
    /// `src/nvme/types.h: struct nvme_sanitize_log_page`.
    pub struct SanitizeLog("Sanitize Status log", 512) {
        /// Part that is done, in 1/65536; 0xffff where no operation is under way.
        #[doc(alias = "SPROG")]
        0 progress set_progress u16;
        /// How the newest operation went.
        #[doc(alias = "SSTAT")]
        2 status set_status SanitizeStatus;
        /// Command dword 10 of the Sanitize command that began it.
        #[doc(alias = "SCDW10")]
        4 command set_command u32;
        /// Time an overwrite of 16 passes takes, s; 0xffff_ffff: not said.
        #[doc(alias = "ETO")]
        8 overwrite_time set_overwrite_time u32;
        /// Time a block erase takes, s; 0xffff_ffff: not said.
        #[doc(alias = "ETBE")]
        12 block_erase_time set_block_erase_time u32;
        /// Time a cryptographic erase takes, s; 0xffff_ffff: not said.
        #[doc(alias = "ETCE")]
        16 crypto_erase_time set_crypto_erase_time u32;
        /// Time an overwrite takes that is not to deallocate blocks, s; 0xffff_ffff: not said.
        #[doc(alias = "ETOND")]
        20 overwrite_time_no_deallocate set_overwrite_time_no_deallocate u32;
        /// Time a block erase takes that is not to deallocate blocks, s; 0xffff_ffff: not said.
        #[doc(alias = "ETBEND")]
        24 block_erase_time_no_deallocate set_block_erase_time_no_deallocate u32;
        /// Time a cryptographic erase takes that is not to deallocate blocks, s; 0xffff_ffff: not said.
        #[doc(alias = "ETCEND")]
        28 crypto_erase_time_no_deallocate set_crypto_erase_time_no_deallocate u32;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::view::check_view;

    #[test]
    fn the_fields_are_where_the_table_says() {
        check_view!(SanitizeLog, [0..32]);
    }

    #[test]
    fn a_status_has_three_parts() {
        let status = SanitizeStatus(0x011a);
        assert_eq!((status.state(), status.passes()), (SanitizeState::IN_PROGRESS, 3));
        assert!(status.is_globally_erased() && !SanitizeStatus(0xfeff).is_globally_erased());
        assert_eq!(SanitizeStatus(0x00f8).passes(), 31);
    }
}
