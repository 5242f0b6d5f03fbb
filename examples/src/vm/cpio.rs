//! Writing the archive format that the kernel unpacks as its first root file system: cpio, "newc" kind.
//!
//! Each entry is a header of 110 ASCII bytes, the name with a NUL, the content; name and content are padded to 4 bytes.
//!
//! | header bytes | 8 hexadecimal digits each, after the magic `070701` |
//! |---|---|
//! | 6, 14, 22, 30 | inode number, mode, user, group |
//! | 38, 46, 54 | links, modification time, content length |
//! | 62, 70, 78, 86 | device major and minor, device node's major and minor |
//! | 94, 102 | name length with its NUL, checksum (0) |
//!
//! Source: Linux `Documentation/driver-api/early-userspace/buffer-format.rst`.

use std::io::{self, Write};

const DIRECTORY: u32 = 0o040_000;
const FILE: u32 = 0o100_000;
const SYMLINK: u32 = 0o120_000;
const CHARACTER: u32 = 0o020_000;
/// The name of the entry that ends an archive.
const TRAILER: &str = "TRAILER!!!";

/// Writes entries one after the other. Directories must come before what is in them.
#[derive(Debug)]
pub(crate) struct Writer<W> {
    out: W,
    inode: u32,
}

impl<W: Write> Writer<W> {
    pub(crate) fn new(out: W) -> Self {
        Self { out, inode: 0 }
    }

    pub(crate) fn directory(&mut self, path: &str, mode: u32) -> io::Result<()> {
        self.entry(path, DIRECTORY | mode, &[], (0, 0))
    }

    pub(crate) fn file(&mut self, path: &str, mode: u32, content: &[u8]) -> io::Result<()> {
        self.entry(path, FILE | mode, content, (0, 0))
    }

    pub(crate) fn symlink(&mut self, path: &str, target: &str) -> io::Result<()> {
        self.entry(path, SYMLINK | 0o777, target.as_bytes(), (0, 0))
    }

    pub(crate) fn character_device(&mut self, path: &str, mode: u32, number: (u32, u32)) -> io::Result<()> {
        self.entry(path, CHARACTER | mode, &[], number)
    }

    /// Ends the archive and gives the output back.
    pub(crate) fn finish(mut self) -> io::Result<W> {
        self.entry(TRAILER, 0, &[], (0, 0))?;
        self.out.flush()?;
        Ok(self.out)
    }

    fn entry(&mut self, path: &str, mode: u32, content: &[u8], (major, minor): (u32, u32)) -> io::Result<()> {
        let too_long = |_| io::Error::new(io::ErrorKind::InvalidInput, "file of 4 GiB or more");
        let name = path.trim_start_matches('/');
        let name_len = u32::try_from(name.len() + 1).map_err(too_long)?;
        let content_len = u32::try_from(content.len()).map_err(too_long)?;
        self.inode += 1;
        let fields = [self.inode, mode, 0, 0, 1, 0, content_len, 0, 0, major, minor, name_len, 0];
        let mut header = String::from("070701");
        for field in fields {
            header.push_str(&format!("{field:08x}"));
        }
        self.padded(&[header.as_bytes(), name.as_bytes(), &[0]])?;
        self.padded(&[content])
    }

    fn padded(&mut self, parts: &[&[u8]]) -> io::Result<()> {
        let mut len = 0;
        for part in parts {
            self.out.write_all(part)?;
            len += part.len();
        }
        let padding = len.next_multiple_of(4) - len;
        self.out.write_all(&[0; 3][..padding])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_file_byte_by_byte() {
        let mut writer = Writer::new(Vec::new());
        writer.file("/a", 0o644, b"hello").unwrap();
        let out = writer.finish().unwrap();
        let header = "07070100000001000081a4000000000000000000000001000000000000000500000000000000000000000000000000\
                      0000000200000000";
        assert_eq!(&out[..110], header.as_bytes());
        assert_eq!(&out[110..112], b"a\0");
        assert_eq!(&out[112..120], b"hello\0\0\0");
        assert_eq!(&out[120..126], b"070701");
        assert!(out.windows(11).any(|at| at == b"TRAILER!!!\0"));
        assert_eq!(out.len() % 4, 0);
    }

    #[test]
    fn every_kind_has_its_mode() {
        let mut writer = Writer::new(Vec::new());
        writer.directory("d", 0o755).unwrap();
        writer.symlink("l", "d").unwrap();
        writer.character_device("c", 0o600, (5, 1)).unwrap();
        let out = String::from_utf8(writer.finish().unwrap()).unwrap();
        for mode in ["000041ed", "0000a1ff", "00002180"] {
            assert!(out.contains(mode), "{mode}");
        }
        assert!(out.contains("0000000500000001"), "major and minor");
    }
}
