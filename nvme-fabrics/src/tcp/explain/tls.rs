//! Whether it is TLS that a peer speaks.
//!
//! A target whose port demands TLS expects a ClientHello as the first bytes. Given something else it closes, as everything else does that does not
//! speak NVMe/TCP. So it is asked: whatever speaks TLS answers a ClientHello with a record, and be it an alert.

use std::future::poll_fn;
use std::pin::Pin;

use tokio::io::ReadBuf;
use tokio::time::{Instant, timeout_at};

use crate::net::Stream;

/// A ClientHello of TLS 1.3 that offers what NVMe/TCP uses and no key share, so that there is nothing to go on with.
///
/// | bytes | what |
/// |---|---|
/// | 0..5 | record: handshake, TLS 1.0 as the version of the first record, length |
/// | 5..9 | ClientHello, length |
/// | 9..11 | legacy version, TLS 1.2 |
/// | 11..43 | random: fixed, since no key is ever made from it |
/// | 43 | session identifier: none |
/// | 44..50 | cipher suites: TLS_AES_128_GCM_SHA256, TLS_AES_256_GCM_SHA384 |
/// | 50..52 | compression: none |
/// | 52.. | extensions: versions, groups, signature algorithms, an empty key share |
///
/// Source: RFC 8446 section 4.1.2.
const CLIENT_HELLO: [u8; 87] = {
    let mut hello = [0; 87];
    let head = [0x16, 3, 1, 0, 82, 1, 0, 0, 78, 3, 3];
    let tail = [
        0, // session identifier
        0, 4, 0x13, 0x01, 0x13, 0x02, // cipher suites
        1, 0, // compression
        0, 33, // extensions
        0, 43, 0, 3, 2, 3, 4, // supported_versions: TLS 1.3
        0, 10, 0, 6, 0, 4, 0, 0x18, 0x01, 0x01, // supported_groups: secp384r1, ffdhe3072
        0, 13, 0, 6, 0, 4, 0x04, 0x03, 0x08, 0x04, // signature_algorithms
        0, 51, 0, 2, 0, 0, // key_share: none
    ];
    let mut at = 0;
    while at < head.len() {
        hello[at] = head[at];
        at += 1;
    }
    while at < head.len() + 32 {
        hello[at] = 0x4e;
        at += 1;
    }
    let mut from = 0;
    while from < tail.len() {
        hello[at] = tail[from];
        at += 1;
        from += 1;
    }
    hello
};

/// Whether these bytes begin a TLS record: an alert or a handshake message.
pub(super) fn is_record(bytes: &[u8]) -> bool {
    matches!(bytes, [0x15 | 0x16, 3, 0..=4, ..])
}

/// Whether the peer answers a ClientHello as TLS does. `false` also when it does not answer.
pub(super) async fn is_spoken(mut stream: impl Stream, until: Instant) -> bool {
    let asking = async {
        let mut sent = 0;
        while let Some(rest) = CLIENT_HELLO.get(sent..).filter(|rest| !rest.is_empty()) {
            let written = poll_fn(|cx| Pin::new(&mut stream).poll_write(cx, rest)).await;
            match written {
                Ok(0) | Err(_) => return false,
                Ok(n) => sent = sent.saturating_add(n),
            }
        }
        let mut bytes = [0; 3];
        let mut have = 0;
        while let Some(rest) = bytes.get_mut(have..).filter(|rest| !rest.is_empty()) {
            let mut rest = ReadBuf::new(rest);
            let read = poll_fn(|cx| Pin::new(&mut stream).poll_read(cx, &mut rest)).await;
            match rest.filled().len() {
                0 => return false,
                _ if read.is_err() => return false,
                n => have = have.saturating_add(n),
            }
        }
        is_record(&bytes)
    };
    timeout_at(until, asking).await.unwrap_or(false)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

    use super::*;
    use crate::net::Plain;

    async fn answered_by(answer: &'static [u8]) -> bool {
        let (here, mut there) = duplex(256);
        let peer = async move {
            let mut hello = [0; CLIENT_HELLO.len()];
            there.read_exact(&mut hello).await.unwrap();
            assert_eq!(hello, CLIENT_HELLO);
            there.write_all(answer).await.unwrap();
        };
        let until = Instant::now() + Duration::from_secs(30);
        let (spoken, ()) = tokio::join!(is_spoken(Plain(here), until), peer);
        spoken
    }

    #[tokio::test]
    async fn an_alert_is_an_answer_in_tls_and_everything_else_is_none() {
        assert!(answered_by(&[0x15, 3, 3, 0, 2, 2, 40]).await);
        assert!(answered_by(&[0x16, 3, 3, 0, 90]).await);
        assert!(!answered_by(b"HTTP/1.1 400 Bad Request\r\n").await);
        assert!(!answered_by(b"").await);
    }

    #[tokio::test(start_paused = true)]
    async fn silence_is_no_answer() {
        let (here, _there) = duplex(256);
        assert!(!is_spoken(Plain(here), Instant::now() + Duration::from_secs(1)).await);
    }

    #[test]
    fn the_lengths_in_the_hello_are_those_of_what_follows() {
        let be = |at: usize| usize::from(u16::from_be_bytes([CLIENT_HELLO[at], CLIENT_HELLO[at + 1]]));
        assert_eq!(be(3), CLIENT_HELLO.len() - 5);
        assert_eq!(be(7), CLIENT_HELLO.len() - 9);
        assert_eq!(be(52), CLIENT_HELLO.len() - 54);
        let mut at = 54;
        while at < CLIENT_HELLO.len() {
            at += 4 + be(at + 2);
        }
        assert_eq!(at, CLIENT_HELLO.len());
    }
}
