//! Where data may start: HPDA and CPDA.

use core::fmt;

/// PDU data alignment: data start at a multiple of this many bytes from the start of their PDU.
///
/// The field (HPDA in ICReq for data to the host, CPDA in ICResp for data to the controller) counts dwords less one: 0 to 31 stand
/// for 4 to 128 bytes. Larger values are refused (FES 01h, FEI 10).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(transparent))]
#[doc(alias = "HPDA")]
#[doc(alias = "CPDA")]
pub struct DataAlignment(u8);

impl DataAlignment {
    /// The largest value of the field: 128 bytes.
    pub const MAX_FIELD: u8 = 31;
    /// 4 bytes: what Linux uses and asks for, and the only alignment it takes from its peer.
    pub const DWORD: Self = Self(0);

    /// From the field; `None` beyond 31.
    #[must_use]
    pub const fn new(field: u8) -> Option<Self> {
        if field <= Self::MAX_FIELD { Some(Self(field)) } else { None }
    }

    /// As the field.
    #[must_use]
    pub const fn field(self) -> u8 {
        self.0
    }

    /// In bytes: 4 to 128.
    #[must_use]
    #[inline]
    pub const fn bytes(self) -> u8 {
        // At most (31 + 1) * 4.
        self.0.saturating_add(1).saturating_mul(4)
    }

    /// The first place at or behind byte `at` where data may start; 255 if that is beyond a byte.
    #[must_use]
    #[inline]
    pub(crate) const fn round_up(self, at: u8) -> u8 {
        if self.allows(at) {
            return at;
        }
        match at.checked_next_multiple_of(self.bytes()) {
            Some(at) => at,
            None => u8::MAX,
        }
    }

    /// Whether data may start at byte `at`.
    #[must_use]
    #[inline]
    pub(crate) const fn allows(self, at: u8) -> bool {
        match self.0 {
            // By far the most frequent one, without a division.
            0 => at & 3 == 0,
            _ => matches!(at.checked_rem(self.bytes()), Some(0)),
        }
    }
}

impl fmt::Debug for DataAlignment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DataAlignment({} bytes)", self.bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_field_counts_dwords_less_one() {
        assert_eq!(DataAlignment::DWORD.bytes(), 4);
        for field in 0..=u8::MAX {
            let alignment = DataAlignment::new(field);
            assert_eq!(
                alignment.map(|a| u16::from(a.bytes())),
                (field < 32).then(|| 4 * (u16::from(field) + 1))
            );
            assert!(alignment.is_none_or(|alignment| alignment.field() == field));
        }
    }

    #[test]
    fn places() {
        let place = |field, at| DataAlignment::new(field).unwrap().round_up(at);
        assert_eq!(
            [place(15, 24), place(3, 28), place(15, 76), place(31, 76), place(0, 76)],
            [64, 32, 128, 128, 76]
        );
        // A multiple of 12 bytes.
        assert_eq!(place(2, 72), 72);
        assert_eq!(place(2, 76), 84);
        let alignment = DataAlignment::new(3).unwrap();
        assert!(alignment.allows(32) && !alignment.allows(24) && alignment.allows(0));
    }
}
