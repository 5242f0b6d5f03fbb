//! Which log pages there are.

use core::fmt;

use super::LogId;
use crate::flags::wire_flags;
use crate::layout::Field;
use crate::view::{entry, entry_mut, view_type};

wire_flags! {
    /// What a controller says of one log page. 4 bytes, every bit kept; bits 31:16 depend on the page
    /// ([`parameter`](Self::parameter)).
    #[doc(alias = "LID Supported and Effects")]
    pub struct LogPageSupport(u32) {
        /// There is such a page.
        #[doc(alias = "LSUPP")]
        SUPPORTED = 1 << 0 => "supported",
        /// It can be read from an index on instead of a byte ([`OffsetType::Index`](super::OffsetType::Index)).
        #[doc(alias = "IOS")]
        INDEX_OFFSET = 1 << 1 => "index offset",
        /// Of the discovery log: it can have extended entries.
        #[doc(alias = "EXTDLPES")]
        DISCOVERY_EXTENDED = 1 << 16 => "bit 0 of the page's own",
        /// Of the discovery log: it can be limited to the port it is read from.
        #[doc(alias = "PLEOS")]
        DISCOVERY_PORT_LOCAL = 1 << 17 => "bit 1 of the page's own",
        /// Of the discovery log: it can have all subsystems.
        #[doc(alias = "ALLSUBES")]
        DISCOVERY_ALL_SUBSYSTEMS = 1 << 18 => "bit 2 of the page's own",
    }
}

impl LogPageSupport {
    /// Bits 31:16: what they say depends on the page.
    #[must_use]
    pub const fn parameter(self) -> u16 {
        let [_, _, low, high] = self.0.to_le_bytes();
        u16::from_le_bytes([low, high])
    }
}

view_type! {
    /// Supported Log Pages (LID 0x00): 256 entries of 4 bytes, one for each log page identifier. 1024 bytes, little-endian.
    ///
    /// | bytes    | field                                        |
    /// |----------|----------------------------------------------|
    /// | 4n..4n+4 | `page(n)`: a [`LogPageSupport`]              |
    ///
    /// Source: NVMe Base 2.0 section 5.16.1.1.
    pub struct SupportedLogPages("Supported Log Pages", 1024);
}

impl<B: AsRef<[u8]>> SupportedLogPages<B> {
    /// What is said of the page `lid`.
    #[must_use]
    pub fn page(&self, lid: LogId) -> LogPageSupport {
        Field::read(entry(self.0.as_ref(), 0, 4, lid.0.into()), 0)
    }

    /// The pages that there are, in ascending order.
    pub fn supported(&self) -> impl Iterator<Item = (LogId, LogPageSupport)> {
        let all = (0..=u8::MAX).map(|lid| (LogId(lid), self.page(LogId(lid))));
        all.filter(|(_, support)| support.contains(LogPageSupport::SUPPORTED))
    }
}

impl<B: AsRef<[u8]> + AsMut<[u8]>> SupportedLogPages<B> {
    /// Writes what is said of the page `lid`.
    pub fn set_page(&mut self, lid: LogId, support: LogPageSupport) {
        support.write(entry_mut(self.0.as_mut(), 0, 4, lid.0.into()), 0);
    }
}

impl<B: AsRef<[u8]>> fmt::Debug for SupportedLogPages<B> {
    /// The pages that there are.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.supported()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_page_has_its_dword() {
        let mut log = SupportedLogPages::zeroed();
        log.set_page(LogId::DISCOVERY, LogPageSupport(0x0005_0001));
        log.set_page(LogId(0xff), LogPageSupport::SUPPORTED | LogPageSupport::INDEX_OFFSET);
        log.set_page(LogId(1), LogPageSupport::INDEX_OFFSET);
        assert_eq!(log.as_bytes()[0x1c0..0x1c4], [1, 0, 5, 0]);
        assert_eq!(log.as_bytes()[1020..], [3, 0, 0, 0]);
        let pages: alloc::vec::Vec<_> = log.supported().collect();
        assert_eq!(
            pages,
            [(LogId::DISCOVERY, LogPageSupport(0x0005_0001)), (LogId(0xff), LogPageSupport(3))]
        );
        assert_eq!(log.page(LogId::DISCOVERY).parameter(), 5);
        assert!(log.page(LogId::DISCOVERY).contains(LogPageSupport::DISCOVERY_ALL_SUBSYSTEMS));
        assert!(SupportedLogPages::new_checked([0; 1023]).is_err());
    }
}
