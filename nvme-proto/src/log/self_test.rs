//! Results of the device self-test.

use core::fmt;

use crate::flags::wire_flags;
use crate::layout::{layout, newtype_fields};
use crate::registry::wire_values;
use crate::status::Status;
use crate::view::{entries, entry_mut, view, view_type};

wire_values! {
    /// Which self-test (4 bits).
    #[doc(alias = "STC")]
    pub struct SelfTestKind(u8) {
        /// None is under way.
        NONE = 0x0 => "none",
        /// The short one.
        SHORT = 0x1 => "short",
        /// The extended one.
        EXTENDED = 0x2 => "extended",
        /// One that makes the host's refresh of the media unnecessary.
        HOST_REFRESH = 0x3 => "host-initiated refresh",
        /// One of the vendor's.
        VENDOR = 0xe => "vendor specific",
    }

    /// How a self-test ended (4 bits).
    #[doc(alias = "DSTR")]
    pub struct SelfTestOutcome(u8) {
        /// No error.
        PASSED = 0x0 => "passed",
        /// Aborted by a Device Self-test command.
        ABORTED = 0x1 => "aborted by command",
        /// Aborted by a reset.
        RESET = 0x2 => "aborted by reset",
        /// Aborted since a namespace was removed.
        NAMESPACE_REMOVED = 0x3 => "aborted, namespace removed",
        /// Aborted by a format.
        FORMAT = 0x4 => "aborted by format",
        /// A fatal or unknown error; the test did not end.
        FATAL = 0x5 => "fatal error",
        /// A segment failed; which one is not known.
        FAILED = 0x6 => "failed, segment unknown",
        /// Segments failed: the first is the result's segment.
        SEGMENT_FAILED = 0x7 => "failed segments",
        /// Aborted, nobody knows why.
        UNKNOWN = 0x8 => "aborted for an unknown reason",
        /// Aborted by sanitizing.
        SANITIZE = 0x9 => "aborted by sanitize",
        /// The entry holds no result.
        UNUSED = 0xf => "not used",
    }
}

wire_flags! {
    /// Which fields of a result hold something.
    #[doc(alias = "VDINFO")]
    pub struct SelfTestValid(u8) {
        /// The namespace.
        NSID = 1 << 0 => "namespace",
        /// The failing block.
        LBA = 1 << 1 => "block",
        /// The status code type.
        STATUS_TYPE = 1 << 2 => "status code type",
        /// The status code.
        STATUS_CODE = 1 << 3 => "status code",
    }
}

newtype_fields!(SelfTestKind, SelfTestOutcome);

view! {
    /// The result of one self-test. 28 bytes, little-endian.
    ///
    /// | bytes  | field                           | meaning                                                       |
    /// |--------|---------------------------------|---------------------------------------------------------------|
    /// | 0      | `status_byte` (DSTS)            | 3:0 [`outcome`](Self::outcome), 7:4 [`kind`](Self::kind)      |
    /// | 1      | `segment`                       | where it failed first                                         |
    /// | 2      | `valid`                         | which of the fields below hold something                      |
    /// | 4..12  | `power_on`                      | h under power when it ended                                   |
    /// | 12..16 | `nsid`                          | namespace of the failing block                                |
    /// | 16..24 | `lba`                           | failing block                                                 |
    /// | 24, 25 | `status_type`, `status_code`    | as in a status                                                |
    /// | 26..28 | `vendor`                        | vendor specific                                               |
    ///
    /// Source: NVMe Base 2.0 section 5.16.1.7, libnvme `src/nvme/types.h: struct nvme_st_result`.
    pub struct SelfTestResult("self-test result", 28) {
        /// Outcome in 3:0, which test in 7:4.
        #[doc(alias = "DSTS")]
        0 status_byte set_status_byte u8;
        /// The first segment that failed, where the outcome is [`SelfTestOutcome::SEGMENT_FAILED`].
        1 segment set_segment u8;
        /// Which fields hold something.
        #[doc(alias = "VDINFO")]
        2 valid set_valid SelfTestValid;
        /// Time under power when the test ended, h.
        #[doc(alias = "POH")]
        4 power_on set_power_on u64;
        /// Namespace of the failing block.
        12 nsid set_nsid u32;
        /// The failing block.
        #[doc(alias = "FLBA")]
        16 lba set_lba u64;
        /// Status code type.
        24 status_type set_status_type u8;
        /// Status code.
        25 status_code set_status_code u8;
        /// Vendor specific.
        26 vendor set_vendor [u8; 2];
    }
}

impl<B: AsRef<[u8]>> SelfTestResult<B> {
    /// How the test ended.
    #[must_use]
    pub fn outcome(&self) -> SelfTestOutcome {
        SelfTestOutcome(self.status_byte() & 0xf)
    }

    /// Which test it was.
    #[must_use]
    pub fn kind(&self) -> SelfTestKind {
        SelfTestKind(self.status_byte() >> 4)
    }

    /// What went wrong, as a status; `None` where the result has none.
    #[must_use]
    pub fn status(&self) -> Option<Status> {
        let both = SelfTestValid::STATUS_TYPE | SelfTestValid::STATUS_CODE;
        let status = u16::from_le_bytes([self.status_code(), self.status_type() & 0x7]);
        self.valid().contains(both).then_some(Status(status))
    }
}

view_type! {
    /// Device Self-test (LID 0x06): what is under way, and the 20 newest results. 564 bytes, little-endian.
    ///
    /// | bytes  | field                             | meaning                                          |
    /// |--------|-----------------------------------|--------------------------------------------------|
    /// | 0      | `current`                         | 3:0 [`running`](Self::running)                   |
    /// | 1      | `completion`                      | 6:0 percent done                                 |
    /// | 4..564 | [`results`](Self::results)        | 20 [`SelfTestResult`]s, the newest first         |
    ///
    /// Source: NVMe Base 2.0 section 5.16.1.7, libnvme `src/nvme/types.h: struct nvme_self_test_log`.
    pub struct SelfTestLog("Device Self-test log", 564);
}

layout! { SelfTestLog {
    /// What is under way, in 3:0. See [`running`](Self::running).
    0 current set_current u8;
    /// Percent done, in 6:0.
    1 completion set_completion u8;
} }

/// Where the results begin.
const RESULTS_AT: usize = 4;

impl<B: AsRef<[u8]>> SelfTestLog<B> {
    /// Results the page has room for.
    pub const RESULTS: usize = 20;

    /// Which test is under way.
    #[must_use]
    pub fn running(&self) -> SelfTestKind {
        SelfTestKind(self.current() & 0xf)
    }

    /// The results, the newest first; entries that hold none are left out.
    pub fn results(&self) -> impl Iterator<Item = SelfTestResult<&[u8]>> {
        let all = entries(self.0.as_ref(), RESULTS_AT, SelfTestResult::<B>::LEN, Self::RESULTS);
        all.map(SelfTestResult).filter(|result| result.outcome() != SelfTestOutcome::UNUSED)
    }
}

impl<B: AsRef<[u8]> + AsMut<[u8]>> SelfTestLog<B> {
    /// Writes the result number `index`, 0 to 19; beyond that nothing is written.
    pub fn set_result<R: AsRef<[u8]>>(&mut self, index: usize, result: &SelfTestResult<R>) {
        let bytes = self.0.as_mut().get_mut(..Self::LEN).unwrap_or_default();
        let to = entry_mut(bytes, RESULTS_AT, SelfTestResult::<R>::LEN, index);
        for (to, from) in to.iter_mut().zip(result.as_bytes()) {
            *to = *from;
        }
    }
}

impl<B: AsRef<[u8]>> fmt::Debug for SelfTestLog<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut fields = f.debug_struct("SelfTestLog");
        self.debug_fields(&mut fields);
        fields.field("results", &self.results().collect::<alloc::vec::Vec<_>>()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::view::check_view;

    #[test]
    fn the_fields_are_where_the_tables_say() {
        check_view!(SelfTestResult, [0..3, 4..28]);
    }

    #[test]
    fn results_are_those_that_are_used() {
        let mut log = SelfTestLog::zeroed();
        let mut result = SelfTestResult::zeroed();
        result.set_status_byte(0xf);
        for index in 0..21 {
            log.set_result(index, &result);
        }
        assert_eq!(log.results().count(), 0);
        log.set_current(0x02);
        log.set_completion(50);
        result.set_status_byte(0x17);
        result.set_segment(3);
        result.set_valid(SelfTestValid::STATUS_TYPE | SelfTestValid::STATUS_CODE);
        result.set_status_type(2);
        result.set_status_code(0x81);
        log.set_result(19, &result);
        assert_eq!(log.as_bytes()[4 + 19 * 28..][..3], [0x17, 3, 0x0c]);
        let results: alloc::vec::Vec<_> = log.results().collect();
        assert_eq!(results.len(), 1);
        assert_eq!(
            (results[0].kind(), results[0].outcome()),
            (SelfTestKind::SHORT, SelfTestOutcome::SEGMENT_FAILED)
        );
        assert_eq!(results[0].status(), Some(Status(0x281)));
        assert_eq!(log.running(), SelfTestKind::EXTENDED);
        assert_eq!(SelfTestResult::zeroed().status(), None);
        assert!(SelfTestLog::new_checked([0; 563]).is_err());
    }
}
