//! The NVMe part of sysfs as one text: for reports of faults, and for trees to test with.
//!
//! | line | means |
//! |---|---|
//! | `# …` | a comment; the first line is `# nvme sysfs 1` |
//! | `d PATH` | a directory that has nothing of interest in it |
//! | `l PATH -> TARGET` | a symbolic link |
//! | `f PATH = TEXT` | an attribute; line ends, backslashes and bytes that are no printable ASCII as `\n`, `\\`, `\xNN` |
//! | `e PATH ERRNO` | an attribute that could not be read, with the kernel's error number |
//!
//! Paths are below `/`, in the order of a walk with sorted names. Secrets are left out, whoever may read them and in whichever attribute they stand.

use std::fmt::Write as _;
use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use super::{MAX_ATTRIBUTE, Sysfs};

/// First line of a captured tree.
pub(crate) const HEADING: &str = "# nvme sysfs 1";

/// Classes whose devices are taken whole.
const CLASSES: [&str; 4] = ["nvme", "nvme-fabrics", "nvme-generic", "nvme-subsystem"];

/// Attributes of block devices that say something about a namespace; the others are numerous and change all the time.
const BLOCK_ATTRIBUTES: [&str; 18] = [
    "ana_grpid",
    "ana_state",
    "csi",
    "delayed_removal_secs",
    "dev",
    "eui",
    "hidden",
    "metadata_bytes",
    "nguid",
    "nsid",
    "numa_nodes",
    "nuse",
    "passthru_err_log_enabled",
    "queue_depth",
    "ro",
    "size",
    "uuid",
    "wwid",
];

/// Never taken: the kernel lets every user read them, a report is read by others still.
const SECRETS: [&str; 2] = ["dhchap_secret", "dhchap_ctrl_secret"];

/// Entries that are looked at in one directory, and levels below a device: more is not sysfs.
const MAX_ENTRIES: usize = 100_000;
const MAX_DEPTH: usize = 4;

/// The NVMe part of sysfs as text, in the form of the module's table.
///
/// Reading some attributes makes the kernel ask the controllers. What vanishes meanwhile is left out.
#[must_use]
pub fn capture(sysfs: &Sysfs) -> String {
    let mut out = format!("{HEADING}\n");
    let mut devices: Vec<PathBuf> = Vec::new();
    for class in CLASSES {
        let dir = sysfs.class(class);
        if dir.is_dir() {
            line(&mut out, format_args!("d {}", shown(sysfs, &dir)));
        }
        for name in names(&dir) {
            devices.extend(link(sysfs, &dir.join(name), &mut out));
        }
    }
    let block = sysfs.sys().join("block");
    for name in names(&block).into_iter().filter(|name| name.starts_with("nvme")) {
        devices.extend(link(sysfs, &block.join(name), &mut out));
    }
    devices.sort();
    // A device inside another one was walked with it.
    let mut walked: Vec<PathBuf> = Vec::new();
    for device in devices {
        if !walked.iter().any(|done| device.starts_with(done)) {
            walk(sysfs, &device, 0, &mut out);
            walked.push(device);
        }
    }
    out
}

/// How a secret of DH-HMAC-CHAP begins.
const SECRET: &str = "DHHC-1";

/// Adds a line, unless something in it looks like a secret: whatever attribute a newer kernel shows it in, it stays here.
fn line(out: &mut String, text: std::fmt::Arguments<'_>) {
    let text = text.to_string();
    if !text.contains(SECRET) {
        out.push_str(&text);
        out.push('\n');
    }
}

/// Writes the link and gives where it leads to, if that is below sysfs.
fn link(sysfs: &Sysfs, path: &Path, out: &mut String) -> Option<PathBuf> {
    let target = fs::read_link(path).ok()?;
    line(out, format_args!("l {} -> {}", shown(sysfs, path), escaped(target.as_os_str().as_encoded_bytes())));
    let (real, root) = (fs::canonicalize(path).ok()?, fs::canonicalize(sysfs.sys()).ok()?);
    // The walk goes by the name under which sysfs was given.
    Some(sysfs.sys().join(real.strip_prefix(root).ok()?))
}

fn walk(sysfs: &Sysfs, dir: &Path, depth: usize, out: &mut String) {
    let is_block = dir.join("size").exists() && dir.join("queue").exists();
    let mut nothing = true;
    for name in names(dir) {
        let path = dir.join(&name);
        let Ok(kind) = fs::symlink_metadata(&path) else { continue };
        if kind.is_symlink() {
            if name.starts_with("nvme") || name == "subsystem" {
                nothing &= link(sysfs, &path, out).is_none();
            }
        } else if kind.is_dir() {
            let is_device = name.starts_with("nvme") || name.starts_with("ng") || name == "multipath";
            if is_device && depth < MAX_DEPTH {
                walk(sysfs, &path, depth.saturating_add(1), out);
                nothing = false;
            } else if is_block && name == "queue" {
                nothing &= !attribute(sysfs, &path.join("logical_block_size"), out);
            }
        } else if !SECRETS.contains(&name.as_str())
            && (!is_block || BLOCK_ATTRIBUTES.contains(&name.as_str()))
            && is_readable(&kind)
        {
            nothing &= !attribute(sysfs, &path, out);
        }
    }
    if nothing {
        line(out, format_args!("d {}", shown(sysfs, dir)));
    }
}

/// Whether anybody may read it: some attributes are there to be written only.
#[cfg(unix)]
fn is_readable(kind: &fs::Metadata) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    kind.permissions().mode() & 0o444 != 0
}

#[cfg(not(unix))]
fn is_readable(_: &fs::Metadata) -> bool {
    true
}

/// Writes an attribute's line; false when it is not there any more.
fn attribute(sysfs: &Sysfs, path: &Path, out: &mut String) -> bool {
    let mut bytes = Vec::new();
    let read = fs::File::open(path).and_then(|file| file.take(MAX_ATTRIBUTE).read_to_end(&mut bytes));
    match read {
        Ok(_) => line(out, format_args!("f {} = {}", shown(sysfs, path), escaped(&bytes))),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return false,
        Err(error) => {
            line(out, format_args!("e {} {}", shown(sysfs, path), error.raw_os_error().unwrap_or(0)));
        }
    }
    true
}

/// A path below the root as text.
fn shown(sysfs: &Sysfs, path: &Path) -> String {
    let below = path.strip_prefix(sysfs.sys()).unwrap_or(path);
    format!("sys/{}", escaped(below.as_os_str().as_encoded_bytes()))
}

fn escaped(bytes: &[u8]) -> String {
    let mut text = String::new();
    for byte in bytes {
        match byte {
            b'\\' => text.push_str(r"\\"),
            b'\n' => text.push_str(r"\n"),
            b' '..=b'~' => text.push(char::from(*byte)),
            other => {
                let _ = write!(text, r"\x{other:02x}");
            }
        }
    }
    text
}

/// Names in a directory, sorted. None where it is missing or unreadable.
fn names(dir: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(dir)
        .into_iter()
        .flatten()
        .flatten()
        .take(MAX_ENTRIES)
        .filter_map(|entry| entry.file_name().into_string().ok())
        .collect();
    names.sort();
    names
}

#[cfg(all(test, unix))]
mod tests {
    use super::super::fixture::Fixture;
    use super::*;

    #[test]
    fn the_tree_as_text_without_secrets() {
        let f = Fixture::new();
        let device = "sys/devices/virtual/nvme-fabrics/ctl/nvme0";
        f.file(format!("{device}/state"), "live")
            .file(format!("{device}/model"), "a\\b\u{e9}")
            .file(format!("{device}/dhchap_secret"), "DHHC-1:00:secret:")
            .file(format!("{device}/newer"), "secret=DHHC-1:00:secret:")
            .file(format!("{device}/power/control"), "auto")
            .dir(format!("{device}/nvme0c0n1/queue"))
            .file(format!("{device}/nvme0c0n1/size"), "8")
            .file(format!("{device}/nvme0c0n1/dev"), "259:1")
            .file(format!("{device}/nvme0c0n1/stat"), "1 2 3")
            .file(format!("{device}/nvme0c0n1/queue/logical_block_size"), "512")
            .dir(format!("{device}/nvme0c0n1/wwid"))
            .dir(format!("{device}/nvme7"));
        let link = f.root().join("sys/class/nvme/nvme0");
        std::os::unix::fs::symlink("../../devices/virtual/nvme-fabrics/ctl/nvme0", link).unwrap();
        let want = r"# nvme sysfs 1
d sys/class/nvme
l sys/class/nvme/nvme0 -> ../../devices/virtual/nvme-fabrics/ctl/nvme0
d sys/class/nvme-generic
d sys/class/nvme-subsystem
f sys/devices/virtual/nvme-fabrics/ctl/nvme0/model = a\\b\xc3\xa9\n
f sys/devices/virtual/nvme-fabrics/ctl/nvme0/nvme0c0n1/dev = 259:1\n
f sys/devices/virtual/nvme-fabrics/ctl/nvme0/nvme0c0n1/queue/logical_block_size = 512\n
f sys/devices/virtual/nvme-fabrics/ctl/nvme0/nvme0c0n1/size = 8\n
d sys/devices/virtual/nvme-fabrics/ctl/nvme0/nvme7
f sys/devices/virtual/nvme-fabrics/ctl/nvme0/state = live\n
";
        assert_eq!(capture(&f.sysfs()), want);
    }

    #[test]
    fn without_sysfs_there_is_the_heading_alone() {
        assert_eq!(capture(&Sysfs::at("/nonexistent")), "# nvme sysfs 1\n");
    }
}
