//! The kernel's structures and numbers, `include/uapi/linux/nvme_ioctl.h`. Private: nothing of it is in the public interface.

use std::mem::{offset_of, size_of};

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
    nix::ioctl_none!(reset, b'N', 0x44);
    nix::ioctl_none!(rescan, b'N', 0x46);
    nix::ioctl_readwrite!(admin64, b'N', 0x47, PassthruCmd64);
}
pub(super) use raw::{admin, admin64, rescan, reset};

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
        assert_eq!(nix::request_code_none!(b'N', 0x46), 0x4e46);
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
