//! The kernel's structures and numbers, `include/uapi/linux/nvme_ioctl.h`. Private: nothing of it is in the public interface.

use std::mem::{offset_of, size_of};

use nvme_proto::sqe::Sqe;

/// `struct nvme_passthru_cmd` (also `nvme_admin_cmd`), 72 bytes, host byte order.
///
/// | bytes | field | | bytes | field |
/// |---|---|---|---|---|
/// | 0 | opcode | | 32..36 | metadata length |
/// | 1 | flags, 0 | | 36..40 | data length |
/// | 2..4 | reserved | | 40..64 | command dwords 10 to 15 |
/// | 4..8 | NSID | | 64..68 | time-out, ms, 0 = the driver's |
/// | 8..16 | command dwords 2, 3 | | 68..72 | result (written by the kernel) |
/// | 16..24 | metadata pointer | | | |
/// | 24..32 | data pointer | | | |
#[repr(C)]
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct PassthruCmd {
    pub(super) opcode: u8,
    pub(super) flags: u8,
    pub(super) rsvd1: u16,
    pub(super) nsid: u32,
    pub(super) cdw2: u32,
    pub(super) cdw3: u32,
    pub(super) metadata: u64,
    pub(super) addr: u64,
    pub(super) metadata_len: u32,
    pub(super) data_len: u32,
    pub(super) cdw10: u32,
    pub(super) cdw11: u32,
    pub(super) cdw12: u32,
    pub(super) cdw13: u32,
    pub(super) cdw14: u32,
    pub(super) cdw15: u32,
    pub(super) timeout_ms: u32,
    pub(super) result: u32,
}

/// `struct nvme_passthru_cmd64`, 80 bytes: as [`PassthruCmd`] up to byte 68, then 4 reserved bytes and the result as 64 bits.
#[repr(C)]
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct PassthruCmd64 {
    pub(super) opcode: u8,
    pub(super) flags: u8,
    pub(super) rsvd1: u16,
    pub(super) nsid: u32,
    pub(super) cdw2: u32,
    pub(super) cdw3: u32,
    pub(super) metadata: u64,
    pub(super) addr: u64,
    pub(super) metadata_len: u32,
    pub(super) data_len: u32,
    pub(super) cdw10: u32,
    pub(super) cdw11: u32,
    pub(super) cdw12: u32,
    pub(super) cdw13: u32,
    pub(super) cdw14: u32,
    pub(super) cdw15: u32,
    pub(super) timeout_ms: u32,
    pub(super) rsvd2: u32,
    pub(super) result: u64,
}

const _: () = {
    assert!(size_of::<PassthruCmd>() == 72);
    assert!(offset_of!(PassthruCmd, opcode) == 0);
    assert!(offset_of!(PassthruCmd, flags) == 1);
    assert!(offset_of!(PassthruCmd, nsid) == 4);
    assert!(offset_of!(PassthruCmd, cdw2) == 8);
    assert!(offset_of!(PassthruCmd, metadata) == 16);
    assert!(offset_of!(PassthruCmd, addr) == 24);
    assert!(offset_of!(PassthruCmd, metadata_len) == 32);
    assert!(offset_of!(PassthruCmd, data_len) == 36);
    assert!(offset_of!(PassthruCmd, cdw10) == 40);
    assert!(offset_of!(PassthruCmd, cdw15) == 60);
    assert!(offset_of!(PassthruCmd, timeout_ms) == 64);
    assert!(offset_of!(PassthruCmd, result) == 68);

    assert!(size_of::<PassthruCmd64>() == 80);
    assert!(offset_of!(PassthruCmd64, nsid) == 4);
    assert!(offset_of!(PassthruCmd64, cdw2) == 8);
    assert!(offset_of!(PassthruCmd64, metadata) == 16);
    assert!(offset_of!(PassthruCmd64, addr) == 24);
    assert!(offset_of!(PassthruCmd64, metadata_len) == 32);
    assert!(offset_of!(PassthruCmd64, data_len) == 36);
    assert!(offset_of!(PassthruCmd64, cdw10) == 40);
    assert!(offset_of!(PassthruCmd64, cdw15) == 60);
    assert!(offset_of!(PassthruCmd64, timeout_ms) == 64);
    assert!(offset_of!(PassthruCmd64, rsvd2) == 68);
    assert!(offset_of!(PassthruCmd64, result) == 72);
};

impl From<&Sqe> for PassthruCmd64 {
    /// The command without its memory. Command identifier, flags and pointers are the kernel's.
    fn from(sqe: &Sqe) -> Self {
        Self {
            opcode: sqe.opcode,
            nsid: sqe.nsid,
            cdw2: sqe.cdw2,
            cdw3: sqe.cdw3,
            cdw10: sqe.cdw10,
            cdw11: sqe.cdw11,
            cdw12: sqe.cdw12,
            cdw13: sqe.cdw13,
            cdw14: sqe.cdw14,
            cdw15: sqe.cdw15,
            ..Self::default()
        }
    }
}

impl From<PassthruCmd64> for PassthruCmd {
    /// The older form of the same command, its result cleared.
    fn from(c: PassthruCmd64) -> Self {
        Self {
            opcode: c.opcode,
            flags: c.flags,
            rsvd1: 0,
            nsid: c.nsid,
            cdw2: c.cdw2,
            cdw3: c.cdw3,
            metadata: c.metadata,
            addr: c.addr,
            metadata_len: c.metadata_len,
            data_len: c.data_len,
            cdw10: c.cdw10,
            cdw11: c.cdw11,
            cdw12: c.cdw12,
            cdw13: c.cdw13,
            cdw14: c.cdw14,
            cdw15: c.cdw15,
            timeout_ms: c.timeout_ms,
            result: 0,
        }
    }
}

// Each expands to one `unsafe fn` around ioctl(2) whose argument type fixes the size in the request number. The macro's output
// has its own documentation attribute and is visible to the parent module only.
mod raw {
    #![allow(missing_docs, unreachable_pub)]
    use super::{PassthruCmd, PassthruCmd64};

    nix::ioctl_readwrite!(admin, b'N', 0x41, PassthruCmd);
    nix::ioctl_none!(namespace_id, b'N', 0x40);
    nix::ioctl_readwrite!(io, b'N', 0x43, PassthruCmd);
    nix::ioctl_none!(reset, b'N', 0x44);
    nix::ioctl_none!(subsystem_reset, b'N', 0x45);
    nix::ioctl_none!(rescan, b'N', 0x46);
    nix::ioctl_readwrite!(admin64, b'N', 0x47, PassthruCmd64);
    nix::ioctl_readwrite!(io64, b'N', 0x48, PassthruCmd64);
}
pub(super) use raw::{admin, admin64, io, io64, namespace_id, rescan, reset, subsystem_reset};

/// Number of `NVME_URING_CMD_IO`.
#[cfg(feature = "uring")]
pub(super) fn uring_io() -> u32 {
    request(nix::request_code_readwrite!(b'N', 0x80, URING_CMD_LEN))
}

/// Number of `NVME_URING_CMD_ADMIN`.
#[cfg(feature = "uring")]
pub(super) fn uring_admin() -> u32 {
    request(nix::request_code_readwrite!(b'N', 0x82, URING_CMD_LEN))
}

/// Request numbers have 32 bits; their C type is wider on some systems.
#[cfg(feature = "uring")]
#[allow(clippy::unnecessary_fallible_conversions, clippy::useless_conversion, reason = "the type differs")]
fn request(number: impl TryInto<u32>) -> u32 {
    number.try_into().unwrap_or(0)
}

/// Bytes of `struct nvme_uring_cmd`: as [`PassthruCmd`] up to byte 68, then 4 reserved bytes.
#[cfg(feature = "uring")]
const URING_CMD_LEN: usize = 72;

/// `struct nvme_uring_cmd` in the command area of a submission queue entry of 128 bytes.
#[cfg(feature = "uring")]
pub(super) fn uring_cmd(sqe: &Sqe, address: u64, data_len: u32, timeout_ms: u32) -> [u8; 80] {
    let mut area = [0; 80];
    let (bytes, _) = area.split_at_mut(URING_CMD_LEN);
    let fields: [(usize, &[u8]); 14] = [
        (0, &[sqe.opcode]),
        (4, &sqe.nsid.to_ne_bytes()),
        (8, &sqe.cdw2.to_ne_bytes()),
        (12, &sqe.cdw3.to_ne_bytes()),
        (24, &address.to_ne_bytes()),
        (36, &data_len.to_ne_bytes()),
        (40, &sqe.cdw10.to_ne_bytes()),
        (44, &sqe.cdw11.to_ne_bytes()),
        (48, &sqe.cdw12.to_ne_bytes()),
        (52, &sqe.cdw13.to_ne_bytes()),
        (56, &sqe.cdw14.to_ne_bytes()),
        (60, &sqe.cdw15.to_ne_bytes()),
        (64, &timeout_ms.to_ne_bytes()),
        (68, &[0; 4]),
    ];
    for (at, field) in fields {
        if let Some(place) = bytes.get_mut(at..).and_then(|rest| rest.get_mut(..field.len())) {
            place.copy_from_slice(field);
        }
    }
    area
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(all(
        target_env = "gnu",
        any(target_arch = "x86_64", target_arch = "aarch64", target_arch = "riscv64")
    ))]
    fn request_numbers() {
        assert_eq!(nix::request_code_readwrite!(b'N', 0x41, size_of::<PassthruCmd>()), 0xc048_4e41);
        assert_eq!(nix::request_code_readwrite!(b'N', 0x47, size_of::<PassthruCmd64>()), 0xc050_4e47);
        assert_eq!(nix::request_code_none!(b'N', 0x44), 0x4e44);
        assert_eq!(nix::request_code_readwrite!(b'N', 0x43, size_of::<PassthruCmd>()), 0xc048_4e43);
        assert_eq!(nix::request_code_readwrite!(b'N', 0x48, size_of::<PassthruCmd64>()), 0xc050_4e48);
        assert_eq!(nix::request_code_none!(b'N', 0x40), 0x4e40);
        assert_eq!(nix::request_code_none!(b'N', 0x45), 0x4e45);
        assert_eq!(nix::request_code_none!(b'N', 0x46), 0x4e46);
        #[cfg(feature = "uring")]
        assert_eq!((uring_io(), uring_admin()), (0xc048_4e80, 0xc048_4e82));
    }

    #[test]
    #[cfg(feature = "uring")]
    fn the_form_of_io_uring_has_the_same_places() {
        let mut sqe = Sqe::new(0x02);
        (sqe.nsid, sqe.cdw2, sqe.cdw3) = (0x0403_0201, 0x0807_0605, 0x0c0b_0a09);
        (sqe.cdw10, sqe.cdw15) = (10, 15);
        let area = uring_cmd(&sqe, 0x1122_3344_5566_7788, 4096, 99);
        let u32_at = |at: usize| u32::from_ne_bytes(area[at..at + 4].try_into().unwrap());
        assert_eq!(
            (area[0], area[1], u32_at(4), u32_at(8), u32_at(12)),
            (2, 0, sqe.nsid, sqe.cdw2, sqe.cdw3)
        );
        assert_eq!(area[24..32], 0x1122_3344_5566_7788_u64.to_ne_bytes());
        assert_eq!((u32_at(36), u32_at(40), u32_at(60), u32_at(64), u32_at(68)), (4096, 10, 15, 99, 0));
        assert!(area[16..24].iter().chain(&area[32..36]).chain(&area[72..]).all(|b| *b == 0));
    }

    #[test]
    fn the_older_form_keeps_the_command() {
        let new = PassthruCmd64 {
            opcode: 2,
            cdw10: 3,
            data_len: 4,
            addr: 5,
            nsid: 6,
            result: 7,
            ..Default::default()
        };
        let old = PassthruCmd::from(new);
        assert_eq!((old.opcode, old.cdw10, old.data_len, old.addr, old.nsid, old.result), (2, 3, 4, 5, 6, 0));
    }
}
