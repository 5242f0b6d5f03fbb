//! The bytes of a capture file, or of standard input, when they begin like a capture.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use super::capture::{BLOCK_CAPACITY, CaptureError, LONG};

/// The path that stands for standard input.
pub const STDIN: &str = "-";

/// Bytes of the header of a pcap file.
const CLASSIC_LEN: u64 = 24;

/// How the first block of a pcapng file begins.
const SECTION: [u8; 4] = [0x0a, 0x0d, 0x0d, 0x0a];

/// The length of a section header.
fn section_len(head: &[u8]) -> Option<u64> {
    let (len, order) = (head.get(4..8)?.first_chunk()?, head.get(8..12)?);
    let len = if order.first() == Some(&0x1a) { u32::from_be_bytes(*len) } else { u32::from_le_bytes(*len) };
    Some(len.into())
}

/// Opens a file. Its first read gives the whole header, also from a pipe that a program fills bit by bit.
///
/// # Errors
/// [`CaptureError`]: it cannot be opened or read, or begins like something else.
pub fn open(path: &Path) -> Result<Box<dyn Read + Send>, CaptureError> {
    let mut file: Box<dyn Read + Send> = if path == Path::new(STDIN) {
        Box::new(io::stdin())
    } else {
        Box::new(File::open(path).map_err(|source| CaptureError::Open { path: path.to_owned(), source })?)
    };
    let mut head = Vec::new();
    let mut fill = |head: &mut Vec<u8>, len: u64| {
        let missing = len.saturating_sub(head.len() as u64);
        let read = file.by_ref().take(missing).read_to_end(head);
        read.map_err(|source| CaptureError::Read { path: path.to_owned(), source })
    };
    fill(&mut head, CLASSIC_LEN)?;
    if let Some(what) = foreign(&head) {
        return Err(CaptureError::Foreign { path: path.to_owned(), what });
    }
    let len = if head.starts_with(&SECTION) { section_len(&head) } else { Some(CLASSIC_LEN) };
    if len.is_some_and(|len| len > BLOCK_CAPACITY as u64) {
        return Err(CaptureError::Broken { path: path.to_owned(), at: 0, what: LONG });
    }
    fill(&mut head, len.unwrap_or(CLASSIC_LEN))?;
    if len.is_none_or(|len| (head.len() as u64) < len) {
        return Err(CaptureError::Truncated { path: path.to_owned(), at: 0 });
    }
    Ok(Box::new(io::Cursor::new(head).chain(file)))
}

/// What a file is that does not begin like a capture.
fn foreign(head: &[u8]) -> Option<&'static str> {
    let known = |magic: &[u8]| head.starts_with(magic);
    let classic = |magic: u32| known(&magic.to_le_bytes()) || known(&magic.to_be_bytes());
    if classic(0xa1b2_c3d4) || classic(0xa1b2_3c4d) || known(&SECTION) {
        return None;
    }
    Some(match head {
        [] => "it is empty",
        [0x1f, 0x8b, ..] => "it is compressed; `gzip -dc FILE | dissect -` reads it",
        [0x28, 0xb5, 0x2f, 0xfd, ..] => "it is compressed; `zstd -dc FILE | dissect -` reads it",
        [0xfd, b'7', b'z', b'X', b'Z', ..] => "it is compressed; `xz -dc FILE | dissect -` reads it",
        [b'B', b'Z', b'h', ..] => "it is compressed; `bzip2 -dc FILE | dissect -` reads it",
        [0x04, 0x22, 0x4d, 0x18, ..] => "it is compressed; `lz4 -dc FILE | dissect -` reads it",
        _ if classic(0xa1b2_cd34) || known(b"snoop\0") => {
            "it has a rare form; `editcap -F pcapng FILE OTHER` of Wireshark translates it"
        }
        _ => "it is neither a pcap nor a pcapng file",
    })
}
