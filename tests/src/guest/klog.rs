//! The kernel's log, from a mark on.
//!
//! `/dev/kmsg` gives one record per read: `level,sequence,time,flags[,…];text` and lines beginning with a blank that belong to it.

use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, Read};
use std::os::unix::fs::OpenOptionsExt;

use nix::fcntl::OFlag;

use super::failure::Failure;

/// A place in the kernel's log: everything up to this record is old.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogMark {
    after: Option<u64>,
}

impl LogMark {
    /// The end of the log as it is now.
    pub fn now() -> Result<Self, Failure> {
        Ok(Self { after: records()?.last().map(|(sequence, _)| *sequence) })
    }

    /// What the kernel said since.
    pub fn since(self) -> Result<Vec<String>, Failure> {
        let newer =
            records()?.into_iter().filter(|(sequence, _)| self.after.is_none_or(|after| *sequence > after));
        Ok(newer.map(|(_, text)| text).collect())
    }
}

fn records() -> Result<Vec<(u64, String)>, Failure> {
    let mut log = OpenOptions::new().read(true).custom_flags(OFlag::O_NONBLOCK.bits()).open("/dev/kmsg")?;
    let mut records = Vec::new();
    loop {
        match next(&mut log) {
            Ok(bytes) => records.extend(parse(&String::from_utf8_lossy(&bytes))),
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(records),
            // Records were overwritten while reading: go on with the oldest that is left.
            Err(error) if error.kind() == ErrorKind::BrokenPipe => {}
            Err(error) => return Err(error.into()),
        }
    }
}

fn next(log: &mut File) -> io::Result<Vec<u8>> {
    let mut buffer = vec![0; 16 * 1024];
    let len = log.read(&mut buffer)?;
    buffer.truncate(len);
    Ok(buffer)
}

fn parse(record: &str) -> Option<(u64, String)> {
    let (head, text) = record.split_once(';')?;
    let sequence = head.split(',').nth(1)?.parse().ok()?;
    Some((sequence, text.lines().next().unwrap_or_default().to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_a_record() {
        let record = "6,339,5140900,-;nvmet: adding nsid 1\n SUBSYSTEM=nvme\n";
        assert_eq!(parse(record), Some((339, "nvmet: adding nsid 1".to_owned())));
        assert_eq!(parse("nonsense"), None);
    }
}
