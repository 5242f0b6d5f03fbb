//! What travels over `lo`, caught by a packet socket.

use std::os::fd::{AsRawFd as _, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{
    AddressFamily, MsgFlags, SockFlag, SockProtocol, SockType, recv, setsockopt, socket, sockopt,
};

use crate::guest::Failure;

/// More than this is not kept.
const MOST: usize = 64 << 20;
const ETHERNET: usize = 14;
const TCP: u8 = 6;

/// A running capture.
pub(super) struct Capture {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<Result<Caught, Failure>>,
}

/// The payload of TCP segments over IPv4 from and to one port, each segment as often as `lo` shows it.
#[derive(Debug, Default)]
pub(super) struct Caught {
    /// Segments to the port.
    pub(super) sent: Vec<Vec<u8>>,
    /// Segments from the port.
    pub(super) received: Vec<Vec<u8>>,
}

impl Capture {
    /// Begins; what is sent after this has returned is caught.
    pub(super) fn start(port: u16) -> Result<Self, Failure> {
        let socket =
            socket(AddressFamily::Packet, SockType::Raw, SockFlag::SOCK_CLOEXEC, SockProtocol::EthAll)?;
        setsockopt(&socket, sockopt::RcvBufForce, &(32 << 20))?;
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = thread::spawn(move || catch(&socket, port, &stopped));
        Ok(Self { stop, thread })
    }

    /// Ends, when everything that was sent before has been read.
    pub(super) fn stop(self) -> Result<Caught, Failure> {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().map_err(|_| Failure::new("the capture panicked"))?
    }
}

fn catch(socket: &OwnedFd, port: u16, stop: &AtomicBool) -> Result<Caught, Failure> {
    use std::os::fd::AsFd as _;
    let mut caught = Caught::default();
    let (mut kept, mut frame) = (0, vec![0; 1 << 17]);
    loop {
        let last = stop.load(Ordering::Relaxed);
        match recv(socket.as_raw_fd(), &mut frame, MsgFlags::MSG_DONTWAIT) {
            Ok(len) if kept < MOST => {
                kept += len;
                caught.add(frame.get(..len).unwrap_or_default(), port);
            }
            Ok(_) | Err(Errno::EINTR) => {}
            Err(Errno::EAGAIN) if last => return Ok(caught),
            Err(Errno::EAGAIN) => {
                poll(&mut [PollFd::new(socket.as_fd(), PollFlags::POLLIN)], PollTimeout::from(20_u8))?;
            }
            Err(errno) => return Err(errno.into()),
        }
    }
}

impl Caught {
    fn add(&mut self, frame: &[u8], port: u16) {
        let Some((from, to, payload)) = segment(frame) else { return };
        if payload.is_empty() {
            return;
        }
        if to == port {
            self.sent.push(payload.to_vec());
        } else if from == port {
            self.received.push(payload.to_vec());
        }
    }

    /// Whether these bytes are in any segment.
    pub(super) fn shows(&self, bytes: &[u8]) -> bool {
        let mut all = self.sent.iter().chain(&self.received);
        all.any(|segment| segment.windows(bytes.len()).any(|window| window == bytes))
    }

    /// The first bytes that the side which connected sent.
    pub(super) fn first(&self) -> &[u8] {
        self.sent.first().map(Vec::as_slice).unwrap_or_default()
    }

    /// Bytes of all segments.
    pub(super) fn len(&self) -> usize {
        self.sent.iter().chain(&self.received).map(Vec::len).sum()
    }
}

/// Ports and payload of a TCP segment over IPv4 over Ethernet.
fn segment(frame: &[u8]) -> Option<(u16, u16, &[u8])> {
    let ip = frame.get(ETHERNET..)?;
    let (version, words) = (ip.first()? >> 4, ip.first()? & 0xf);
    if version != 4 || *ip.get(9)? != TCP {
        return None;
    }
    let total = usize::from(u16::from_be_bytes(ip.get(2..4)?.try_into().ok()?));
    let tcp = ip.get(usize::from(words) * 4..total)?;
    let port = |at: usize| Some(u16::from_be_bytes(tcp.get(at..at + 2)?.try_into().ok()?));
    let header = usize::from(tcp.get(12)? >> 4) * 4;
    Some((port(0)?, port(2)?, tcp.get(header..)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(protocol: u8, payload: &[u8]) -> Vec<u8> {
        let mut frame = vec![0; ETHERNET];
        let total = u16::try_from(40 + payload.len()).unwrap().to_be_bytes();
        frame.extend([
            0x45, 0, total[0], total[1], 0, 0, 0, 0, 64, protocol, 0, 0, 127, 0, 0, 1, 127, 0, 0, 1,
        ]);
        frame.extend([0x80, 0x00, 0x11, 0x44, 0, 0, 0, 0, 0, 0, 0, 0, 0x50, 0, 0, 0, 0, 0, 0, 0]);
        frame.extend(payload);
        frame
    }

    #[test]
    fn segments_of_the_port_are_kept() {
        let mut caught = Caught::default();
        caught.add(&frame(TCP, b"hello secret world"), 4420);
        caught.add(&frame(17, b"datagram"), 4420);
        caught.add(&frame(TCP, b"elsewhere"), 1);
        caught.add(&frame(TCP, b""), 4420);
        for cut in 0..50 {
            caught.add(&frame(TCP, b"x")[..cut], 4420);
        }
        assert!(caught.shows(b"secret") && !caught.shows(b"elsewhere") && !caught.shows(b"datagram"));
        assert_eq!((caught.first(), caught.len()), (&b"hello secret world"[..], 18));
        caught.add(&frame(TCP, b"answer"), 0x8000);
        assert_eq!(caught.received, [b"answer"]);
    }
}
