//! Whether a namespace's block device is in use. The kernel does not look: it takes a mounted disk away.

use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::kernel::names::NamespaceName;
use crate::kernel::sysfs::{DeviceNumber, Sysfs, entries, text};

/// One use of a namespace, or of a partition of it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum InUse {
    /// A file system on it is mounted (in this process's mount namespace; others cannot be seen).
    Mounted {
        /// The block device.
        device: String,
        /// Where.
        at: PathBuf,
    },
    /// Another block device is built on it: device mapper, RAID, a logical volume.
    Held {
        /// The block device.
        device: String,
        /// The one on top.
        by: String,
    },
    /// It is swapped to.
    Swap {
        /// The block device.
        device: String,
    },
    /// Something else has claimed it for itself: a file system mounted in another mount namespace, or one over several devices that
    /// is named after another of them; a target; `mkfs`.
    Claimed {
        /// The block device.
        device: String,
    },
    /// The list of mounts or of swap spaces cannot be read, so a use cannot be ruled out.
    Unknown {
        /// The block device.
        device: String,
        /// The list.
        list: PathBuf,
        /// Why it cannot be read.
        kind: io::ErrorKind,
    },
}

impl fmt::Display for InUse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Mounted { device, at } => write!(f, "{device} is mounted on {}", at.display()),
            Self::Held { device, by } => write!(f, "{device} is used by {by}"),
            Self::Swap { device } => write!(f, "{device} is swap space"),
            Self::Claimed { device } => {
                write!(
                    f,
                    "{device} is in use: mounted in another mount namespace, or opened for one user only"
                )
            }
            Self::Unknown { device, list, kind } => {
                write!(f, "{device} may be in use, since {} cannot be read: {kind}", list.display())
            }
        }
    }
}

/// A disk or a partition.
struct Block {
    name: String,
    number: Option<DeviceNumber>,
    dir: PathBuf,
}

/// All uses of a namespace that can be seen.
pub(super) fn uses(sysfs: &Sysfs, namespace: NamespaceName) -> Vec<InUse> {
    let disk = sysfs.sys().join("block").join(namespace.to_string());
    let block = |name: String, dir: PathBuf| Block {
        number: text(&dir, "dev").and_then(|t| DeviceNumber::parse(&t)),
        name,
        dir,
    };
    let mut blocks = vec![block(namespace.to_string(), disk.clone())];
    let partitions =
        entries(&disk, |name| disk.join(name).join("partition").exists().then(|| name.to_owned()));
    blocks.extend(partitions.into_iter().map(|name| block(name.clone(), disk.join(name))));

    let mut uses = Vec::new();
    let mut list = |name: &str| {
        let path = sysfs.proc().join(name);
        read_list(&path).unwrap_or_else(|error| {
            let kind = error.kind();
            // A kernel that cannot swap has no such list.
            if !(name == SWAPS && kind == io::ErrorKind::NotFound) {
                uses.push(InUse::Unknown { device: namespace.to_string(), list: path, kind });
            }
            String::new()
        })
    };
    let (mounts, swaps) = (list("self/mountinfo"), list(SWAPS));
    for block in &blocks {
        uses.extend(mounts.lines().filter_map(|line| mounted(line, block)));
        uses.extend(
            entries(&block.dir.join("holders"), |name| Some(name.to_owned()))
                .into_iter()
                .map(|by| InUse::Held { device: block.name.clone(), by }),
        );
        if swaps
            .lines()
            .any(|line| line.split_ascii_whitespace().next().is_some_and(|path| is_node(path, block)))
        {
            uses.push(InUse::Swap { device: block.name.clone() });
        }
    }
    uses
}

/// The list of swap spaces below `/proc`.
const SWAPS: &str = "swaps";

/// A list below `/proc`, all of it: machines with many containers have thousands of mounts. Bytes that are not UTF-8 are replaced.
fn read_list(path: &Path) -> io::Result<String> {
    Ok(String::from_utf8_lossy(&fs::read(path)?).into_owned())
}

/// Whether somebody has claimed the disk, or a partition of it, for himself alone: then the kernel lets nobody else do the same.
///
/// This finds what the lists do not show. It opens the block device for reading and closes it again; no I/O comes of that as long as the
/// partitions were read when the disk appeared.
#[cfg(target_os = "linux")]
pub(super) fn is_claimed(sysfs: &Sysfs, namespace: NamespaceName) -> bool {
    use std::os::unix::fs::{FileTypeExt as _, OpenOptionsExt as _};

    use nix::fcntl::OFlag;

    let node = sysfs.dev().join(namespace.to_string());
    // Without O_CREAT, O_EXCL means something for block devices only.
    let is_block = fs::metadata(&node).is_ok_and(|m| m.file_type().is_block_device());
    let claim = || fs::OpenOptions::new().read(true).custom_flags(OFlag::O_EXCL.bits()).open(&node);
    is_block && matches!(claim(), Err(e) if e.kind() == io::ErrorKind::ResourceBusy)
}

/// There are no such devices here.
#[cfg(not(target_os = "linux"))]
pub(super) fn is_claimed(_: &Sysfs, _: NamespaceName) -> bool {
    false
}

fn is_node(path: &str, block: &Block) -> bool {
    path.strip_prefix("/dev/") == Some(block.name.as_str())
}

/// One line of mountinfo: `36 35 259:0 / /mnt rw,noatime shared:1 - ext4 /dev/nvme0n1 rw`. File systems over several devices have a
/// number of their own; their source names one device.
fn mounted(line: &str, block: &Block) -> Option<InUse> {
    let mut fields = line.split(' ');
    let number = fields.nth(2).and_then(DeviceNumber::parse)?;
    let at = fields.nth(1)?;
    let source = line.split_once(" - ").and_then(|(_, rest)| rest.split(' ').nth(1));
    let is_this = block.number == Some(number) || source.is_some_and(|s| is_node(s, block));
    is_this.then(|| InUse::Mounted { device: block.name.clone(), at: PathBuf::from(unescaped(at)) })
}

/// mountinfo writes blank, tab, line end and backslash as `\` and three octal digits.
pub(crate) fn unescaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('\\') {
        out.push_str(before);
        match after.get(..3).and_then(|octal| u8::from_str_radix(octal, 8).ok()) {
            Some(byte) if byte.is_ascii() => {
                out.push(char::from(byte));
                rest = after.get(3..).unwrap_or_default();
            }
            _ => {
                out.push('\\');
                rest = after;
            }
        }
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::sysfs::fixture::Fixture;

    const NS: NamespaceName = NamespaceName::new(0, 1);

    #[test]
    fn unused() {
        let f = Fixture::guide();
        f.file("proc/self/mountinfo", "36 35 8:1 / / rw - ext4 /dev/sda1 rw");
        assert_eq!(uses(&f.sysfs(), NS), []);
    }

    #[test]
    fn mounted_by_number_or_by_source() {
        let f = Fixture::guide();
        for line in [
            "36 35 259:0 / /mnt/my\\040disk rw,noatime shared:1 - ext4 /dev/root rw",
            "36 35 0:44 /sub /mnt/my\\040disk rw - btrfs /dev/nvme0n1 rw",
        ] {
            f.file("proc/self/mountinfo", line);
            let want = InUse::Mounted { device: "nvme0n1".into(), at: "/mnt/my disk".into() };
            assert_eq!(uses(&f.sysfs(), NS), [want], "{line}");
        }
    }

    #[test]
    fn partitions_holders_and_swap_count() {
        let f = Fixture::guide();
        f.file("sys/block/nvme0n1/nvme0n1p1/partition", "1")
            .file("sys/block/nvme0n1/nvme0n1p1/dev", "259:5")
            .dir("sys/block/nvme0n1/nvme0n1p1/holders/dm-3")
            .file("sys/block/nvme0n1/nvme0n1p2/partition", "2")
            .file("proc/swaps", "Filename Type Size Used Priority\n/dev/nvme0n1p2 partition 1 0 -2")
            .file("proc/self/mountinfo", "1 2 259:5 / /a rw - xfs /dev/x rw");
        let texts: Vec<String> = uses(&f.sysfs(), NS).iter().map(ToString::to_string).collect();
        assert_eq!(
            texts,
            ["nvme0n1p1 is mounted on /a", "nvme0n1p1 is used by dm-3", "nvme0n1p2 is swap space"]
        );
    }

    #[test]
    fn a_mount_at_the_end_of_a_long_list_counts() {
        let f = Fixture::guide();
        let mut list: String = (0..2000)
            .map(|n| {
                format!("{n} 35 0:{n} / /run/containers/{n} rw,nosuid,nodev - tmpfs tmpfs rw,size=65536k\n")
            })
            .collect();
        list.push_str("9999 35 259:0 / /mnt rw - ext4 /dev/nvme0n1 rw");
        assert!(list.len() > 128 * 1024);
        f.file("proc/self/mountinfo", &list);
        assert_eq!(uses(&f.sysfs(), NS).len(), 1);
    }

    #[test]
    fn what_cannot_be_read_cannot_be_ruled_out() {
        let f = Fixture::guide();
        f.remove("proc/self/mountinfo");
        let uses = uses(&f.sysfs(), NS);
        let text = uses.first().map(ToString::to_string).unwrap_or_default();
        assert!(
            text.starts_with("nvme0n1 may be in use, since ") && text.contains("self/mountinfo"),
            "{text}"
        );
        assert_eq!(uses.len(), 1, "a missing list of swap spaces is a kernel without swap");
    }

    #[test]
    fn only_a_block_device_can_be_claimed() {
        let f = Fixture::guide();
        assert!(!is_claimed(&f.sysfs(), NS), "a file");
        f.remove("dev/nvme0n1");
        assert!(!is_claimed(&f.sysfs(), NS), "nothing");
    }

    #[test]
    fn broken_lines_are_harmless() {
        let f = Fixture::guide();
        f.file("proc/self/mountinfo", "\n1\n1 2\n1 2 259:0\n1 2 x:y / /a rw\n1 2 259:0 / ");
        assert!(uses(&f.sysfs(), NS).len() <= 1);
        assert_eq!(unescaped("a\\134b\\"), "a\\b\\");
        assert_eq!(unescaped("\\04"), "\\04");
        assert_eq!(unescaped("\\é4"), "\\é4");
    }
}
