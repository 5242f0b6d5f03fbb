//! The kernel's messages as they come.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::time::{Duration, Instant};

use nix::errno::Errno as NixErrno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{
    AddressFamily, NetlinkAddr, SockFlag, SockProtocol, SockType, bind, recvfrom, setsockopt, socket, sockopt,
};

use super::{Event, EventError, Uevent};

/// Room for the messages of some thousand devices that come at once.
const BUFFER_BYTES: usize = 4 << 20;

/// The group that the kernel sends to. (Group 2 is what udev sends on after its rules ran.)
const KERNEL_GROUP: u32 = 1;

/// A socket on which the kernel announces what changes.
///
/// What has nothing to do with NVMe is skipped. Several threads may read one socket: each event goes to one of them.
///
/// ```no_run
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use nvme_fabrics::kernel::events::{Change, EventError, EventSocket};
/// use nvme_fabrics::{Inventory, Sysfs};
///
/// let socket = EventSocket::open()?; // before the first look
/// let mut inventory = Inventory::scan(&Sysfs::system())?;
/// for event in socket.events() {
///     match event {
///         Ok(event) => match event.change {
///             Change::NamespaceAdded { namespace } => println!("{} is there", namespace.dev_path().display()),
///             Change::DiscoveryLogChanged { controller, .. } => println!("{controller} has news"),
///             _ => {}
///         },
///         Err(EventError::Overrun) => inventory = Inventory::scan(&Sysfs::system())?,
///         Err(error) => return Err(error.into()),
///     }
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct EventSocket {
    fd: OwnedFd,
}

impl EventSocket {
    /// Begins to listen, with room for 4 MiB of events that were not read yet (less where an unprivileged process may not have so much).
    ///
    /// # Errors
    /// [`EventError::Open`].
    pub fn open() -> Result<Self, EventError> {
        Self::with_buffer(BUFFER_BYTES)
    }

    /// The same with room for about so many bytes. The kernel doubles the number for its own needs and raises very small ones.
    ///
    /// # Errors
    /// [`EventError::Open`].
    pub fn with_buffer(bytes: usize) -> Result<Self, EventError> {
        let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
        let fd =
            socket(AddressFamily::Netlink, SockType::Datagram, flags, SockProtocol::NetlinkKObjectUEvent)
                .map_err(open_error)?;
        // Beyond the limit for everybody only with CAP_NET_ADMIN; without, up to the limit.
        if setsockopt(&fd, sockopt::RcvBufForce, &bytes).is_err() {
            setsockopt(&fd, sockopt::RcvBuf, &bytes).map_err(open_error)?;
        }
        bind(fd.as_raw_fd(), &NetlinkAddr::new(0, KERNEL_GROUP)).map_err(open_error)?;
        Ok(Self { fd })
    }

    /// The next event that has already come; `None` when there is none.
    ///
    /// # Errors
    /// [`EventError`]; [`EventError::goes_on`] tells whether to read on.
    pub fn try_next(&self) -> Result<Option<Event>, EventError> {
        // One byte more than a message can have: a longer one fills it and is refused.
        let mut buffer = [0; Uevent::MAX_LEN + 1];
        loop {
            let (len, from) = match recvfrom::<NetlinkAddr>(self.fd.as_raw_fd(), &mut buffer) {
                Ok(received) => received,
                Err(NixErrno::EAGAIN) => return Ok(None),
                Err(NixErrno::EINTR) => continue,
                Err(NixErrno::ENOBUFS) => return Err(EventError::Overrun),
                Err(errno) => return Err(EventError::Read(errno.into())),
            };
            // Port 0 is the kernel. Others with enough privilege could send to the group too.
            if from.is_none_or(|address| address.pid() != 0) {
                continue;
            }
            let bytes = buffer.get(..len).unwrap_or(&buffer);
            if let Some(event) = Event::of(Uevent::parse(bytes)?) {
                return Ok(Some(event));
            }
        }
    }

    /// The next event, waited for as long as `timeout`; `None` when the time is up.
    ///
    /// # Errors
    /// As [`try_next`](Self::try_next); [`EventError::Read`] with EINTR when a signal came.
    pub fn next_within(&self, timeout: Duration) -> Result<Option<Event>, EventError> {
        let begun = Instant::now();
        loop {
            if let Some(event) = self.try_next()? {
                return Ok(Some(event));
            }
            let left = timeout.saturating_sub(begun.elapsed());
            if left.is_zero() {
                return Ok(None);
            }
            self.wait_readable(PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX))?;
        }
    }

    /// The next event, however long it takes.
    ///
    /// # Errors
    /// As [`next_within`](Self::next_within).
    pub fn next(&self) -> Result<Event, EventError> {
        loop {
            if let Some(event) = self.try_next()? {
                return Ok(event);
            }
            self.wait_readable(PollTimeout::NONE)?;
        }
    }

    /// All events from now on; blocks between them. Ends after an error that the socket does not survive.
    #[must_use]
    pub fn events(&self) -> Events<'_> {
        Events { socket: self, ended: false }
    }

    fn wait_readable(&self, timeout: PollTimeout) -> Result<(), EventError> {
        let mut fds = [PollFd::new(self.fd.as_fd(), PollFlags::POLLIN)];
        poll(&mut fds, timeout).map(drop).map_err(|errno| EventError::Read(errno.into()))
    }
}

fn open_error(errno: NixErrno) -> EventError {
    EventError::Open(io::Error::from(errno))
}

impl AsFd for EventSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl AsRawFd for EventSocket {
    fn as_raw_fd(&self) -> RawFd {
        self.fd.as_raw_fd()
    }
}

/// Iterator over all events from now on: [`EventSocket::events`].
#[derive(Debug)]
pub struct Events<'a> {
    socket: &'a EventSocket,
    ended: bool,
}

impl Iterator for Events<'_> {
    type Item = Result<Event, EventError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ended {
            return None;
        }
        let next = self.socket.next();
        self.ended = next.as_ref().is_err_and(|error| !error.goes_on());
        Some(next)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_needs_a_privilege_to_listen() {
        let socket = EventSocket::with_buffer(4096).unwrap();
        // Events of this machine may come at any time; a wait ends all the same.
        let begun = Instant::now();
        while begun.elapsed() < Duration::from_millis(20) {
            let _ = socket.next_within(Duration::from_millis(5)).unwrap_or(None);
        }
        assert!(socket.as_raw_fd() >= 0);
    }
}
