//! `/dev/kmsg`.

use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Read as _, Seek as _, SeekFrom};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::PathBuf;

use nix::errno::Errno;
use nix::fcntl::OFlag;

use super::KernelLog;

/// More records than this after a mark are not read: one connect logs a few lines.
const MAX_RECORDS: usize = 4096;

/// Room for one record; the kernel's own limit is below 8 KiB (`CONSOLE_EXT_LOG_MAX`).
const RECORD_ROOM: usize = 8192;

/// The running kernel's log. Reading it needs root (or `CAP_SYSLOG` where `dmesg_restrict` is set).
#[derive(Debug)]
pub struct OsKernelLog {
    path: PathBuf,
    at_mark: Option<File>,
}

impl OsKernelLog {
    /// `/dev/kmsg`.
    #[must_use]
    pub fn system() -> Self {
        Self::at("/dev/kmsg")
    }

    /// Another node of the same kind.
    #[must_use]
    pub fn at(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), at_mark: None }
    }
}

impl KernelLog for OsKernelLog {
    fn mark(&mut self) {
        self.at_mark = OpenOptions::new()
            .read(true)
            .custom_flags((OFlag::O_NONBLOCK | OFlag::O_CLOEXEC).bits())
            .open(&self.path)
            .and_then(|mut file| file.seek(SeekFrom::End(0)).map(|_| file))
            .ok();
    }

    fn since_mark(&mut self) -> Vec<String> {
        let Some(mut file) = self.at_mark.take() else { return Vec::new() };
        let mut records = Vec::new();
        let mut buffer = vec![0_u8; RECORD_ROOM];
        for _ in 0..MAX_RECORDS {
            // Every read gives one whole record.
            match file.read(&mut buffer) {
                Ok(0) => break,
                Ok(n) => {
                    records.push(String::from_utf8_lossy(buffer.get(..n).unwrap_or_default()).into_owned());
                }
                // Records were overwritten before they could be read: go on with the oldest that is left.
                Err(e) if e.raw_os_error() == Some(Errno::EPIPE as i32) => {}
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                Err(_) => break,
            }
        }
        records
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_that_cannot_be_opened_is_empty() {
        let mut log = OsKernelLog::at("/nonexistent/kmsg");
        assert!(log.since_mark().is_empty(), "without a mark there is nothing since it");
        log.mark();
        assert!(log.since_mark().is_empty());
    }

    #[test]
    fn only_what_came_after_the_mark() {
        use std::io::Write as _;
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("kmsg");
        std::fs::write(&path, "6,1,1,-;before\n").unwrap();
        let mut log = OsKernelLog::at(&path);
        log.mark();
        OpenOptions::new().append(true).open(&path).unwrap().write_all(b"3,2,2,-;after\n").unwrap();
        assert_eq!(log.since_mark(), ["3,2,2,-;after\n"]);
        assert!(log.since_mark().is_empty(), "a mark is used once");
    }
}
