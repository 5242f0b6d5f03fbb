//! The host's side of a connection as a state machine: commands and bytes in, bytes and events out. No I/O, no clock.
//!
//! One [`Host`] is one connection, which is one queue pair. It does the handshake, numbers the commands, puts data into capsules or sends
//! them when the controller asks, puts arriving data straight into the commands' buffers, judges everything the controller sends, and
//! ends the connection as the protocol wants it.
//!
//! # The one way to drive it
//!
//! **After every call of [`submit`], [`received`], [`end_of_stream`] or [`close`], and when the time that [`poll_timeout`] gave has come:
//! call [`poll`] until it returns `None`; then send what [`transmit`] gives, and say by [`transmitted`] how much of it went; then wait for
//! whatever comes first: bytes into [`space`], room in the socket if something is left to send, or the time-out.**
//!
//! ```
//! use nvme_proto::host::{Command, Config, Event, Host};
//! use nvme_proto::machine::Time;
//! use nvme_proto::sqe::Sqe;
//! use std::io::{Read, Write};
//!
//! /// Sends `sqe` as the connection's only command and returns the data that come back.
//! fn read_once(mut stream: impl Read + Write, sqe: Sqe, len: usize) -> Result<Vec<u8>, Box<dyn std::error::Error>> {
//!     let clock = std::time::Instant::now();
//!     let now = || Time::from(clock.elapsed());
//!     let mut host: Host<Vec<u8>, Vec<u8>> = Host::new(Config::admin(), now())?;
//!     host.submit(now(), Command::new(sqe).read(vec![0; len]))?;
//!     loop {
//!         while let Some(event) = host.poll(now()) {
//!             match event {
//!                 Event::Completed(done) => {
//!                     done.result?;
//!                     return Ok(done.data.into_read().unwrap_or_default());
//!                 }
//!                 Event::Failed(failure) => eprintln!("{failure}"),
//!                 Event::Close(_) => return Err("the connection ended".into()),
//!                 _ => {} // Ready; there are no timers to speak of in one command
//!             }
//!         }
//!         loop {
//!             let Some(chunk) = host.transmit().next() else { break };
//!             let n = stream.write(chunk)?; // or all chunks by one write_vectored
//!             host.transmitted(n);
//!         }
//!         match stream.read(host.space().first())? {
//!             0 => host.end_of_stream(),
//!             n => host.received(n),
//!         }
//!     }
//! }
//! # use nvme_proto::controller::{Controller, Event as Ask, Reply};
//! # /// A controller behind an in-memory stream.
//! # struct Peer(Controller<Vec<u8>, Vec<u8>>, Vec<u8>);
//! # impl Write for Peer {
//! #     fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
//! #         let n = self.0.feed(bytes);
//! #         while let Some(event) = self.0.poll(Time::START) {
//! #             let tag = match &event { Ask::Command(command) => command.tag, _ => continue };
//! #             self.0.respond_with_data(tag, vec![7; 64], Reply::success()).unwrap();
//! #         }
//! #         self.1 = self.0.transmit().flatten().copied().collect();
//! #         Ok(n)
//! #     }
//! #     fn flush(&mut self) -> std::io::Result<()> { Ok(()) }
//! # }
//! # impl Read for Peer {
//! #     fn read(&mut self, to: &mut [u8]) -> std::io::Result<usize> {
//! #         let n = self.1.len().min(to.len());
//! #         to[..n].copy_from_slice(&self.1[..n]);
//! #         self.0.transmitted(n);
//! #         self.1.drain(..n);
//! #         Ok(n)
//! #     }
//! # }
//! # let mut config = nvme_proto::controller::Config::new();
//! # config.admission = nvme_proto::controller::Admission::Any;
//! # let peer = Peer(Controller::new(config, Time::START)?, Vec::new());
//! # let mut sqe = Sqe::new(0x02);
//! # sqe.nsid = 1;
//! # assert_eq!(read_once(peer, sqe, 64)?, [7; 64]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! [`submit`]: Host::submit
//! [`received`]: Host::received
//! [`end_of_stream`]: Host::end_of_stream
//! [`close`]: Host::close
//! [`poll_timeout`]: Host::poll_timeout
//! [`poll`]: Host::poll
//! [`transmit`]: Host::transmit
//! [`transmitted`]: Host::transmitted
//! [`space`]: Host::space
//!
//! # What is refused
//!
//! | the controller sends | answer |
//! |---|---|
//! | a header that is wrong in itself | as [`Rule`](crate::pdu::Rule) tells: mostly FES 01h and the byte |
//! | a header whose digest is wrong | FES 03h, the digest |
//! | data whose digest is wrong | the command fails with [`CommandError::DataDigest`], whatever the controller says later |
//! | C2HData or R2T for an unknown command | FES 01h, FEI 8 |
//! | a completion of an unknown command, or a second one | FES 01h, FEI 20 |
//! | C2HData for a command that does not read, or after LAST_PDU | FES 02h |
//! | C2HData that do not continue where the last ended | FES 02h |
//! | C2HData beyond the command's buffer | FES 04h |
//! | an R2T for a command that does not write, or wrote in its capsule | FES 02h |
//! | an R2T that does not continue where the last ended / beyond the data | FES 02h / 04h |
//! | more R2Ts than [`Config::max_r2ts`] for a command | FES 05h |
//! | fewer digests than required | the connection is closed: [`Failure::DigestsRefused`] |
//! | success before all data were transferred | the command fails with [`CommandError::Short`] |
//!
//! SUCCESS in C2HData is accepted whether or not flow control of the submission queue is on, since some controllers set it always. The
//! number of outstanding commands is bounded by [`Config::depth`] alone and not by SQHD, which those controllers do not advance.
//!
//! Source: NVMe/TCP 1.0, the sections on connection establishment, data transfer and error handling.

mod command;
mod config;
mod deadlines;
mod event;
mod poll;
mod receive;
mod slot;
mod submit;
mod transmit;

use alloc::boxed::Box;
use alloc::vec::Vec;

pub use command::{
    Command, CommandError, CommandId, Completion, Data, Placement, Refused, SubmitError, Watch,
};
pub use config::{Config, ConfigError};
pub use event::Event;

use deadlines::Deadlines;
use receive::Arriving;
use slot::Slot;

use crate::frame::{Framer, Limits};
use crate::machine::{Direct, Failure, KeepAlive, Outbox, Phase, Ring, Time, Work};
use crate::pdu::{IcReq, Negotiated, Role};

/// The host's side of one connection. See the [module](self) for how to drive it.
///
/// `R` are the buffers that commands read into (`AsMut<[u8]>`), `W` those they write from (`AsRef<[u8]>`). A buffer must keep its length while
/// the machine has it; one that does not loses data, and nothing else.
#[derive(Debug)]
pub struct Host<R = Vec<u8>, W = Vec<u8>> {
    config: Config,
    asked: IcReq,
    agreed: Option<Negotiated>,
    framer: Framer,
    outbox: Outbox,
    slots: Box<[Slot<R, W>]>,
    /// Slots without a command; the last one freed is used first, since it is in the cache.
    free: Vec<u16>,
    /// Slots with something to send.
    work: Work,
    /// Slots that are over and not told yet.
    over: Ring<u16>,
    deadlines: Deadlines,
    /// Milliseconds until a command is overdue; the largest number: never.
    patience: u64,
    keep_alive: Option<(KeepAlive, Time)>,
    arriving: Arriving,
    direct: Direct,
    phase: Phase,
    /// When the phase has to be over.
    deadline: Time,
    /// Why the connection ended, until it is told.
    untold: Option<Failure>,
    ended: bool,
    sq_head: u16,
    /// Bits of a command identifier that are the slot.
    slot_mask: u16,
}

impl<R, W> Host<R, W> {
    /// A connection whose TCP (or TLS) connection was just made. ICReq is the first thing to send.
    ///
    /// # Errors
    /// A configuration that cannot work.
    pub fn new(config: Config, now: Time) -> Result<Self, ConfigError> {
        config.check()?;
        let depth = usize::from(config.depth);
        let max_r2t = u32::from(config.max_r2ts).saturating_sub(1);
        let asked = IcReq::new(config.alignment, config.digests, max_r2t);
        let mut outbox = Outbox::new(config.batch);
        // An empty outbox has room.
        outbox.push(&asked.encode(), None);
        Ok(Self {
            asked,
            agreed: None,
            framer: Framer::with_capacity(Role::Host, limits(&config), config.receive_buffer),
            outbox,
            slots: (0..config.depth).map(|slot| Slot::new(slot, config.max_r2ts)).collect(),
            free: (0..config.depth).rev().collect(),
            work: Work::new(depth),
            over: Ring::new(depth),
            deadlines: Deadlines::new(depth),
            patience: config.command_timeout.map_or(u64::MAX, |time| Time::START.after(time).as_millis()),
            keep_alive: None,
            arriving: Arriving::Nothing,
            direct: Direct::default(),
            phase: Phase::Handshake,
            deadline: now.after(config.handshake_timeout),
            untold: None,
            ended: false,
            sq_head: 0,
            slot_mask: slot_mask(config.depth),
            config,
        })
    }

    /// The terms of the connection; `None` before [`Event::Ready`].
    #[must_use]
    pub const fn negotiated(&self) -> Option<&Negotiated> {
        self.agreed.as_ref()
    }

    /// Commands that are outstanding.
    #[must_use]
    pub fn outstanding(&self) -> usize {
        self.slots.len().saturating_sub(self.free.len())
    }

    /// The head of the submission queue as the last completion gave it.
    #[must_use]
    #[doc(alias = "SQHD")]
    pub const fn sq_head(&self) -> u16 {
        self.sq_head
    }

    /// Sets the largest data of a command in its capsule, in bytes: what Identify Controller says about it (IOCCSZ) is known only when the
    /// connection is open.
    pub const fn set_in_capsule(&mut self, bytes: u32) {
        self.config.in_capsule = bytes;
    }

    /// Starts, changes or stops the keep-alive timer. While it runs, the queue's last slot is kept for Keep Alive.
    pub fn set_keep_alive(&mut self, now: Time, keep_alive: Option<KeepAlive>) {
        self.keep_alive = keep_alive.map(|keep_alive| (keep_alive, now.after(keep_alive.interval())));
    }
}

/// The bits that are needed to number `depth` slots.
const fn slot_mask(depth: u16) -> u16 {
    match depth.checked_next_power_of_two() {
        Some(slots) => slots.saturating_sub(1),
        None => u16::MAX,
    }
}

/// What framing checks. Data beyond the buffer of their command are refused by the machine, which knows it.
fn limits(config: &Config) -> Limits {
    Limits {
        max_plen: config.max_transfer.saturating_add(256),
        c2h_data: config.max_transfer,
        ..Limits::default()
    }
}
