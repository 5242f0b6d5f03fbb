//! Whether a namespace's block device is in use. The kernel does not look: it takes a mounted disk away.

use std::fmt;
use std::path::{Path, PathBuf};

use crate::kernel::names::NamespaceName;
use crate::kernel::sysfs::{DeviceNumber, Sysfs, entries, read_bounded, text};

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
}

impl fmt::Display for InUse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Mounted { device, at } => write!(f, "{device} is mounted on {}", at.display()),
            Self::Held { device, by } => write!(f, "{device} is used by {by}"),
            Self::Swap { device } => write!(f, "{device} is swap space"),
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

    let mounts = read_bounded_or_empty(&sysfs.proc().join("self/mountinfo"));
    let swaps = read_bounded_or_empty(&sysfs.proc().join("swaps"));
    let mut uses = Vec::new();
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

fn read_bounded_or_empty(path: &Path) -> String {
    read_bounded(path).unwrap_or_default()
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
    fn broken_lines_are_harmless() {
        let f = Fixture::guide();
        f.file("proc/self/mountinfo", "\n1\n1 2\n1 2 259:0\n1 2 x:y / /a rw\n1 2 259:0 / ");
        assert!(uses(&f.sysfs(), NS).len() <= 1);
        assert_eq!(unescaped("a\\134b\\"), "a\\b\\");
        assert_eq!(unescaped("\\04"), "\\04");
        assert_eq!(unescaped("\\é4"), "\\é4");
    }
}
