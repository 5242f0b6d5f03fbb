//! Files of keys for TLS: `/etc/nvme/tls-keys`.
//!
//! ```text
//! NVMe0R01 HOSTNQN SUBNQN NVMeTLSkey-1:01:BASE64:
//! NVMe1R01 HOSTNQN SUBNQN DIGEST NVMeTLSkey-1:01:BASE64:
//! ```
//!
//! One key a line: its identity, a blank, and the **derived** key in the text form of configured keys. nvme-cli writes and reads it with `nvme
//! tls-key --export` and `--import`, and its udev rule imports it when `nvme-tcp` is loaded.
//!
//! nvme-cli 2.13 begins the key of an identity of version 0 with `NVMeTLSkey-0:`, which it then refuses to import. Here that is read as what it means,
//! and never written.
//!
//! Source: nvme-cli `nvme.c: import_key`, libnvme `linux.c: __scan_tls_key, nvme_export_tls_key_versioned`.

use std::fmt::Write as _;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use nvme_proto::tls::{ConfiguredPsk, PskIdentityError};
use zeroize::Zeroizing;

use super::{KeyTextError, TlsKey, TlsKeyError};
use crate::store::{self, Readers};

/// The longest file that is read, bytes.
const MAX_FILE: usize = 1 << 20;

/// The longest line: two NQNs of 223 bytes, a digest, and a key.
const MAX_LINE: usize = 1024;

/// How nvme-cli begins keys of identities of version 0, and how all keys begin.
const VERSION_0: &str = "NVMeTLSkey-0:";
const VERSION_1: &str = "NVMeTLSkey-1:";

/// The file that nvme-cli and its udev rule use.
const SYSTEM: &str = "/etc/nvme/tls-keys";

/// The keys of a file, and the lines that hold none.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct KeyFile {
    /// In the order of their lines.
    pub keys: Vec<TlsKey>,
    /// What could not be understood; as nvme-cli does it, the other lines count all the same.
    pub faults: Vec<LineFault>,
}

/// A line that holds no key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line} holds no key")]
pub struct LineFault {
    /// Its number; the first line is 1.
    pub line: usize,
    /// Why. It shows nothing of the key.
    #[source]
    pub cause: KeyLineError,
}

/// Why a line holds no key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyLineError {
    /// There is no blank in it.
    #[error("an identity, a blank and a key belong there")]
    Parts,
    /// It is longer than any key.
    #[error("the line has more than {MAX_LINE} bytes")]
    TooLong,
    /// What stands before the last blank is no identity.
    #[error("that is no identity of a key")]
    Identity(#[source] PskIdentityError),
    /// What stands behind it is no key.
    #[error("that is no key")]
    Key(#[source] KeyTextError),
    /// The key is not that of the identity.
    #[error("identity and key do not belong together")]
    Misfit(#[source] TlsKeyError),
}

/// A file of keys could not be read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeyFileError {
    /// It cannot be read.
    #[error("cannot read the keys in {}", .path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// It is longer than any such file.
    #[error("{} is longer than {MAX_FILE} bytes and no file of keys", .path.display())]
    TooLong {
        /// The file.
        path: PathBuf,
    },
    /// It cannot be written. The old one is as it was.
    #[error("cannot write the keys to {}", .path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

impl KeyFile {
    /// A file with these keys.
    #[must_use]
    pub fn new(keys: impl IntoIterator<Item = TlsKey>) -> Self {
        Self { keys: keys.into_iter().collect(), faults: Vec::new() }
    }

    /// `/etc/nvme/tls-keys`.
    #[must_use]
    pub fn system_path() -> &'static Path {
        Path::new(SYSTEM)
    }

    /// Parses the text. Empty lines are skipped.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let mut file = Self::default();
        for (at, line) in text.lines().enumerate() {
            match parse_line(line) {
                Ok(Some(key)) => file.keys.push(key),
                Ok(None) => {}
                Err(cause) => file.faults.push(LineFault { line: at.saturating_add(1), cause }),
            }
        }
        file
    }

    /// The text. Do not print or log it.
    #[must_use]
    pub fn expose_text(&self) -> Zeroizing<String> {
        // Room for all of it at once, so that no copy is left behind by growing.
        let mut text = Zeroizing::new(String::with_capacity(self.keys.len().saturating_mul(MAX_LINE)));
        for key in &self.keys {
            let _ = write!(text, "{} ", key.identity());
            text.push_str(key.expose_text().as_str());
            text.push('\n');
        }
        text
    }

    /// Reads a file.
    ///
    /// # Errors
    /// [`KeyFileError::Read`], [`KeyFileError::TooLong`]. Lines that hold no key are no error: see [`faults`](Self::faults).
    pub fn load(path: &Path) -> Result<Self, KeyFileError> {
        let failed = |source| KeyFileError::Read { path: path.to_owned(), source };
        let file = File::open(path).map_err(failed)?;
        let mut bytes = Zeroizing::new(Vec::with_capacity(MAX_FILE.saturating_add(1)));
        let limit = u64::try_from(MAX_FILE).unwrap_or(u64::MAX).saturating_add(1);
        file.take(limit).read_to_end(&mut bytes).map_err(failed)?;
        if bytes.len() > MAX_FILE {
            return Err(KeyFileError::TooLong { path: path.to_owned() });
        }
        let text =
            std::str::from_utf8(&bytes).map_err(|e| failed(io::Error::new(io::ErrorKind::InvalidData, e)))?;
        Ok(Self::parse(text))
    }

    /// Writes a file that only its owner may read, in one step: whoever reads it sees the old one or the new one. A symbolic link is followed; what is
    /// there and no file (`/dev/null`) is left alone.
    ///
    /// # Errors
    /// [`KeyFileError::Write`].
    pub fn save(&self, path: &Path) -> Result<(), KeyFileError> {
        store::replace(path, self.expose_text().as_bytes(), Readers::Owner)
            .map_err(|source| KeyFileError::Write { path: path.to_owned(), source })
    }
}

/// The key of a line; `None` for an empty one.
fn parse_line(line: &str) -> Result<Option<TlsKey>, KeyLineError> {
    if line.len() > MAX_LINE {
        return Err(KeyLineError::TooLong);
    }
    let line = line.trim_ascii();
    if line.is_empty() {
        return Ok(None);
    }
    let (identity, key) = line.rsplit_once(' ').ok_or(KeyLineError::Parts)?;
    let identity = identity.trim_ascii_end().parse().map_err(KeyLineError::Identity)?;
    let key: ConfiguredPsk = match key.strip_prefix(VERSION_0) {
        Some(rest) => Zeroizing::new(format!("{VERSION_1}{rest}")).parse(),
        None => key.parse(),
    }
    .map_err(KeyLineError::Key)?;
    TlsKey::new(identity, key.expose_bytes()).map(Some).map_err(KeyLineError::Misfit)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn key(identity: &str, len: usize) -> TlsKey {
        TlsKey::new(identity.parse().unwrap(), &vec![0x5a; len]).unwrap()
    }

    fn two() -> KeyFile {
        KeyFile::new([key("NVMe0R01 nqn.a nqn.b", 32), key("NVMe0G02 nqn.a nqn.c", 48)])
    }

    #[test]
    fn what_is_written_is_read_and_only_the_owner_may() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("tls-keys");
        for file in [two(), KeyFile::default(), KeyFile::new([key("NVMe0R01 nqn.a nqn.b", 32)])] {
            file.save(&path).unwrap();
            assert_eq!(KeyFile::load(&path).unwrap(), file);
        }
        #[cfg(unix)]
        assert_eq!(std::os::unix::fs::MetadataExt::mode(&path.metadata().unwrap()) & 0o777, 0o600);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1, "nothing else is left");
        let error = two().save(&dir.path().join("no/such/folder")).unwrap_err();
        assert!(error.to_string().starts_with("cannot write the keys to "), "{error}");
        assert!(matches!(KeyFile::load(&dir.path().join("x")), Err(KeyFileError::Read { .. })));
        fs::write(&path, vec![b' '; MAX_FILE + 1]).unwrap();
        assert!(matches!(KeyFile::load(&path), Err(KeyFileError::TooLong { .. })));
        fs::write(&path, [0xff]).unwrap();
        assert!(matches!(KeyFile::load(&path), Err(KeyFileError::Read { .. })));
    }

    #[test]
    fn what_nvme_cli_exports_of_version_0_is_read() {
        let text = two().expose_text().replace("NVMeTLSkey-1:", "NVMeTLSkey-0:");
        assert_eq!(KeyFile::parse(&text), two());
    }

    #[test]
    fn lines_that_hold_no_key_are_told_and_the_others_count() {
        let text = two().expose_text();
        let first = text.lines().next().unwrap();
        let other = text.lines().nth(1).unwrap();
        let secret = "NVMeTLSkey-1:01:WlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpa:";
        let text = format!(
            "\n{first}\nnonsense\nNVMe9R01 nqn.a nqn.b {secret}\nNVMe0R01 nqn.a nqn.b {secret}\n{}\n{}\r\n{}",
            first.replacen("R01", "R02", 1),
            other,
            "x".repeat(2000),
        );
        let file = KeyFile::parse(&text);
        assert_eq!(file.keys, two().keys);
        let lines: Vec<usize> = file.faults.iter().map(|fault| fault.line).collect();
        assert_eq!(lines, [3, 4, 5, 6, 8]);
        assert_eq!(file.faults[0].cause, KeyLineError::Parts);
        assert!(matches!(file.faults[1].cause, KeyLineError::Identity(_)));
        assert!(matches!(file.faults[2].cause, KeyLineError::Key(KeyTextError::Checksum)));
        assert!(matches!(file.faults[3].cause, KeyLineError::Misfit(_)));
        assert_eq!(file.faults[4].cause, KeyLineError::TooLong);
        assert!(!format!("{file:?}").contains("Wlpa"));
    }
}
