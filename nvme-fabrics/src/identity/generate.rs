//! Identities from the machine, in the order in which nvme-cli looks.
//!
//! | # | source | needs |
//! |---|---|---|
//! | 1 | `/sys/class/dmi/id/product_uuid` | root |
//! | 2 | `/sys/firmware/dmi/entries/1-0/raw`, UUID at byte 8, its first three groups little-endian | root |
//! | 3 | `/proc/device-tree/ibm,partition-uuid` | IBM Power |
//! | 4 | `/etc/machine-id`, hashed with an application identifier so that it stays private | systemd |
//! | 5 | random | |
//!
//! UUIDs of only zeros or only ones, which firmware without a number reports, are passed over.

use std::path::Path;

use nvme_proto::HostId;
use sha2::{Digest as _, Sha256};

use super::{HostIdentity, IdentitySource, Sourced};
use crate::kernel::sysfs::read_bounded;

/// Offset of the UUID in an SMBIOS type 1 structure, and the bytes up to its end.
const SMBIOS_UUID: std::ops::Range<usize> = 8..24;

/// systemd's "application-specific machine id" of NVMe hosts.
const APPLICATION: [u8; 16] =
    [0xc7, 0xf4, 0x61, 0x81, 0x12, 0xbe, 0x49, 0x32, 0x8c, 0x83, 0x10, 0x6f, 0x9d, 0xdd, 0xd8, 0x6b];

/// The first source that has a usable UUID; random otherwise. `root` is `/`.
pub(super) fn generate(root: &Path) -> Sourced {
    let text = |path: &str| read_bounded(&root.join(path)).ok().and_then(|t| uuid_text(&t));
    let sources: [(IdentitySource, &dyn Fn() -> Option<HostId>); 4] = [
        (IdentitySource::ProductUuid, &|| text("sys/class/dmi/id/product_uuid")),
        (IdentitySource::Smbios, &|| {
            smbios_uuid(&std::fs::read(root.join("sys/firmware/dmi/entries/1-0/raw")).ok()?)
        }),
        (IdentitySource::DeviceTree, &|| text("proc/device-tree/ibm,partition-uuid")),
        (IdentitySource::MachineId, &|| {
            machine_id(&read_bounded(&root.join("etc/machine-id")).ok()?).map(from_machine_id)
        }),
    ];
    for (source, find) in sources {
        if let Some(id) = find() {
            return Sourced { identity: HostIdentity::from_uuid(id), source };
        }
    }
    let id = HostId::from_bytes(*uuid::Uuid::new_v4().as_bytes());
    Sourced { identity: HostIdentity::from_uuid(id), source: IdentitySource::Random }
}

fn usable(id: HostId) -> Option<HostId> {
    (*id.as_bytes() != [0; 16] && *id.as_bytes() != [0xff; 16]).then_some(id)
}

/// The UUID of a text file; device-tree strings end with a NUL.
pub(crate) fn uuid_text(text: &str) -> Option<HostId> {
    usable(text.trim_matches(|c: char| c.is_ascii_whitespace() || c == '\0').parse().ok()?)
}

/// The UUID of an SMBIOS type 1 structure: time-low, time-mid and time-high little-endian, the rest as it stands.
pub(crate) fn smbios_uuid(raw: &[u8]) -> Option<HostId> {
    let field: [u8; 16] = raw.get(SMBIOS_UUID)?.try_into().ok()?;
    if raw.first() != Some(&1) {
        return None;
    }
    usable(HostId::from_bytes(*uuid::Uuid::from_bytes_le(field).as_bytes()))
}

/// 32 hexadecimal digits. systemd writes the word `uninitialized` before the first boot is through.
pub(crate) fn machine_id(text: &str) -> Option<[u8; 16]> {
    let text = text.trim_ascii();
    if text.len() != 32 || !text.bytes().all(|b| b.is_ascii_hexdigit()) {
        return None;
    }
    let id = u128::from_str_radix(text, 16).ok()?.to_be_bytes();
    usable(HostId::from_bytes(id)).map(|id| *id.as_bytes())
}

/// HMAC-SHA-256 with the machine id as key over the application identifier, cut to a version 4 UUID.
fn from_machine_id(machine: [u8; 16]) -> HostId {
    let digest = hmac_sha256(&machine, &APPLICATION);
    version(first16(&digest), 4)
}

/// A version 8 UUID from the SHA-256 digest of `text`.
pub(super) fn uuid_from_digest(text: &[u8]) -> HostId {
    version(first16(&Sha256::digest(text).into()), 8)
}

fn first16(digest: &[u8; 32]) -> [u8; 16] {
    let mut id = [0; 16];
    id.copy_from_slice(digest.split_at(16).0);
    id
}

/// Sets version and variant of a UUID.
fn version(bytes: [u8; 16], version: u8) -> HostId {
    let [a, b, c, d, e, f, six, h, eight, rest @ ..] = bytes;
    let (six, eight) = ((six & 0x0f) | (version << 4), (eight & 0x3f) | 0x80);
    let [i, j, k, l, m, n, o] = rest;
    HostId::from_bytes([a, b, c, d, e, f, six, h, eight, i, j, k, l, m, n, o])
}

/// HMAC (RFC 2104) for keys of at most one block.
fn hmac_sha256<const N: usize>(key: &[u8; N], data: &[u8]) -> [u8; 32] {
    const { assert!(N <= 64) };
    let mut block = [0_u8; 64];
    for (padded, byte) in block.iter_mut().zip(key) {
        *padded = *byte;
    }
    let inner = Sha256::new().chain_update(block.map(|b| b ^ 0x36)).chain_update(data).finalize();
    Sha256::new().chain_update(block.map(|b| b ^ 0x5c)).chain_update(inner).finalize().into()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    const UUID: &str = "f81d4fae-7dec-11d0-a765-00a0c91e6bf6";

    fn smbios(uuid: [u8; 16]) -> Vec<u8> {
        [&[1, 27, 1, 0, 1, 2, 3, 4][..], &uuid, &[6, 0, 0]].concat()
    }

    #[test]
    fn machine_id_vector() {
        let id = machine_id("0123456789abcdef0123456789abcdef\n").unwrap();
        assert_eq!(from_machine_id(id).to_string(), "b9ab29c5-8029-47ad-8087-adf3ca83bb9a");
    }

    #[test]
    fn hmac_matches_rfc_4231() {
        let hex = |digest: [u8; 32]| digest.iter().map(|b| format!("{b:02x}")).collect::<String>();
        assert_eq!(
            hex(hmac_sha256(&[0x0b; 20], b"Hi There")),
            "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"
        );
        assert_eq!(
            hex(hmac_sha256(b"Jefe", b"what do ya want for nothing?")),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
        );
    }

    #[test]
    fn smbios_groups_are_swapped() {
        let raw = smbios([
            0xae, 0x4f, 0x1d, 0xf8, 0xec, 0x7d, 0xd0, 0x11, 0xa7, 0x65, 0x00, 0xa0, 0xc9, 0x1e, 0x6b, 0xf6,
        ]);
        assert_eq!(smbios_uuid(&raw).unwrap().to_string(), UUID);
        assert_eq!(smbios_uuid(&raw[..23]), None, "cut short");
        assert_eq!(smbios_uuid(&[&[2], &raw[1..]].concat()), None, "another structure");
    }

    #[test]
    fn firmware_without_a_number_is_passed_over() {
        assert_eq!(smbios_uuid(&smbios([0; 16])), None);
        assert_eq!(smbios_uuid(&smbios([0xff; 16])), None);
        assert_eq!(uuid_text("00000000-0000-0000-0000-000000000000\n"), None);
        assert_eq!(uuid_text("FFFFFFFF-FFFF-FFFF-FFFF-FFFFFFFFFFFF\n"), None);
        assert_eq!(uuid_text(&format!("{}\n", UUID.to_uppercase())).unwrap().to_string(), UUID);
        for bad in ["", "\n", "uninitialized\n", "0123", "+123456789abcdef0123456789abcdef0"] {
            assert_eq!(machine_id(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn the_order_of_sources() {
        let root = tempfile::tempdir().unwrap();
        let put = |path: &str, bytes: &[u8]| {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, bytes).unwrap();
        };
        let source = || generate(root.path()).source;
        assert_eq!(source(), IdentitySource::Random);
        assert_ne!(generate(root.path()), generate(root.path()));
        put("etc/machine-id", b"0123456789abcdef0123456789abcdef\n");
        assert_eq!(source(), IdentitySource::MachineId);
        put("proc/device-tree/ibm,partition-uuid", format!("{UUID}\0").as_bytes());
        assert_eq!(source(), IdentitySource::DeviceTree);
        put("sys/firmware/dmi/entries/1-0/raw", &smbios([7; 16]));
        assert_eq!(source(), IdentitySource::Smbios);
        put("sys/class/dmi/id/product_uuid", format!("{UUID}\n").as_bytes());
        let found = generate(root.path());
        assert_eq!(found.source, IdentitySource::ProductUuid);
        assert_eq!(found.identity.id.to_string(), UUID);
        assert!(found.identity.halves_agree());
    }
}
