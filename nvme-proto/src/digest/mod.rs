//! Header and data digests: CRC-32C (Castagnoli).
//!
//! | | |
//! |---|---|
//! | polynomial | 1EDC6F41h (reflected 82F63B78h), initial value and final XOR FFFFFFFFh, bits reflected in and out |
//! | on the wire | 4 bytes, little-endian |
//! | HDGST covers | the header: bytes 0 to HLEN, with the final FLAGS, PDO and PLEN in place |
//! | DDGST covers | the data only: no padding, no header |
//! | which PDUs | CapsuleCmd, H2CData, C2HData: both; CapsuleResp, R2T: the header; the other four: none |
//!
//! One function hides how it is computed: with the feature `std` on x86-64 and AArch64 by `crc-fast`, which chooses carry-less
//! multiplication and the processor's own CRC instruction at run time; everywhere else by tables of this crate. `benches/README.md` has
//! the figures. A digest costs less in few large pieces than in many small ones: digest whole payloads, or 16 KiB at a time, and not
//! what happens to arrive in one segment.
//!
//! Source: NVMe/TCP 1.0, the sections on digests; RFC 3720, appendix B.4 (check values).

mod table;

#[cfg(all(feature = "std", any(target_arch = "x86_64", target_arch = "aarch64")))]
mod imp {
    /// Continues the (inverted) remainder `state` over `data`.
    pub(super) fn extend(state: u32, data: &[u8]) -> u32 {
        let mut digest =
            crc_fast::Digest::new_with_init_state(crc_fast::CrcAlgorithm::Crc32Iscsi, u64::from(state));
        digest.update(data);
        // The state of a 32-bit CRC is in the lower half.
        let [a, b, c, d, ..] = digest.get_state().to_le_bytes();
        u32::from_le_bytes([a, b, c, d])
    }

    pub(super) use crc_fast::crc32_iscsi as whole;
}

#[cfg(not(all(feature = "std", any(target_arch = "x86_64", target_arch = "aarch64"))))]
mod imp {
    pub(super) use super::table::extend;

    pub(super) fn whole(data: &[u8]) -> u32 {
        !extend(!0, data)
    }
}

/// The CRC-32C of `data`, as HDGST and DDGST hold it (stored little-endian).
///
/// ```
/// assert_eq!(nvme_proto::digest::crc32c(b"123456789"), 0xe306_9283);
/// ```
#[must_use]
#[inline]
pub fn crc32c(data: &[u8]) -> u32 {
    imp::whole(data)
}

/// A CRC-32C that is fed piece by piece.
///
/// ```
/// use nvme_proto::digest::{Crc32c, crc32c};
/// let mut digest = Crc32c::new();
/// digest.update(b"1234");
/// digest.update(b"56789");
/// assert_eq!(digest.finish(), crc32c(b"123456789"));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Crc32c(u32);

impl Crc32c {
    /// Nothing digested yet.
    #[must_use]
    pub const fn new() -> Self {
        Self(!0)
    }

    /// Digests `data` behind what came before.
    pub fn update(&mut self, data: &[u8]) {
        self.0 = imp::extend(self.0, data);
    }

    /// The digest of everything so far; more may follow.
    #[must_use]
    pub const fn finish(&self) -> u32 {
        !self.0
    }
}

impl Default for Crc32c {
    fn default() -> Self {
        Self::new()
    }
}

/// Which digests PDUs carry: what one side asks for, or what both agreed on.
///
/// A digest is in use only when ICReq **and** ICResp enable it: [`intersection`](Self::intersection).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Digests {
    /// HDGST behind the header (DGST bit 0).
    #[doc(alias = "HDGST_ENABLE")]
    pub header: bool,
    /// DDGST behind the data (DGST bit 1).
    #[doc(alias = "DDGST_ENABLE")]
    pub data: bool,
}

impl Digests {
    /// No digest.
    pub const NONE: Self = Self { header: false, data: false };
    /// The header digest alone.
    pub const HEADER: Self = Self { header: true, data: false };
    /// The data digest alone.
    pub const DATA: Self = Self { header: false, data: true };
    /// Both digests.
    pub const BOTH: Self = Self { header: true, data: true };

    /// From the DGST byte of ICReq or ICResp; its reserved bits 7:2 are ignored.
    #[must_use]
    pub const fn from_dgst(dgst: u8) -> Self {
        Self { header: dgst & 1 != 0, data: dgst & 2 != 0 }
    }

    /// As the DGST byte.
    #[must_use]
    pub const fn dgst(self) -> u8 {
        match (self.header, self.data) {
            (false, false) => 0,
            (true, false) => 1,
            (false, true) => 2,
            (true, true) => 3,
        }
    }

    /// The digests that both have.
    #[must_use]
    pub const fn intersection(self, other: Self) -> Self {
        Self { header: self.header && other.header, data: self.data && other.data }
    }

    /// Whether `other` has all of these.
    #[must_use]
    pub const fn is_subset_of(self, other: Self) -> bool {
        (!self.header || other.header) && (!self.data || other.data)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;

    /// One bit at a time, from the definition.
    fn slow(data: &[u8]) -> u32 {
        let mut crc = !0_u32;
        for byte in data {
            crc ^= u32::from(*byte);
            for _ in 0..8 {
                crc = if crc & 1 == 1 { crc >> 1 ^ 0x82f6_3b78 } else { crc >> 1 };
            }
        }
        !crc
    }

    #[test]
    fn both_implementations_follow_the_definition_at_every_length_and_cut() {
        let data: Vec<u8> = (0..700_u32).map(|at| (at.wrapping_mul(0x9e37_79b1) >> 13) as u8).collect();
        for len in (0..64).chain([255, 256, 257, 511, 512, 513, 700]) {
            let data = &data[..len];
            let expected = slow(data);
            assert_eq!(crc32c(data), expected, "{len}");
            assert_eq!(!table::extend(!0, data), expected, "{len}");
            for cut in (0..len).step_by(1 + len / 16) {
                let (front, back) = data.split_at(cut);
                let mut digest = Crc32c::new();
                digest.update(front);
                digest.update(back);
                assert_eq!(digest.finish(), expected, "{len} cut at {cut}");
                assert_eq!(!table::extend(table::extend(!0, front), back), expected, "{len} cut at {cut}");
            }
        }
    }

    #[test]
    fn known_values() {
        for (data, crc) in [
            (&[0; 0][..], 0),
            (b"123456789", 0xe306_9283),
            (&[0; 32], 0x8a91_36aa),
            (&[0xff; 32], 0x62a8_ab43),
        ] {
            assert_eq!(crc32c(data), crc);
        }
    }

    #[test]
    fn the_byte_of_the_handshake() {
        for dgst in 0..=u8::MAX {
            assert_eq!(Digests::from_dgst(dgst).dgst(), dgst & 3);
        }
        assert!(Digests::NONE.is_subset_of(Digests::HEADER) && !Digests::BOTH.is_subset_of(Digests::HEADER));
        assert_eq!(Digests::BOTH.intersection(Digests::DATA), Digests::DATA);
    }
}
