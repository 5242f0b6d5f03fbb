//! The controller's side of a connection as a state machine: bytes and answers in, commands and bytes out. No I/O, no clock.
//!
//! One [`Controller`] is one connection, which is one queue pair of one association. It does the handshake, takes the host's commands apart
//! from their data, asks for the data that are not in the capsule, sends data and completions, judges everything the host sends, and ends
//! the connection as the protocol wants it. What the commands mean is the caller's.
//!
//! # The one way to drive it
//!
//! **After every call of [`received`], [`end_of_stream`], [`respond`], [`respond_with_data`], [`fetch`] or [`close`], and when the time that
//! [`poll_timeout`] gave has come: call [`poll`] until it returns `None`; then send what [`transmit`] gives, and say by [`transmitted`] how much
//! of it went; then wait for whatever comes first: bytes into [`space`], room in the socket if something is left to send, or the time-out.**
//!
//! ```
//! use nvme_proto::Status;
//! use nvme_proto::controller::{CommandData, Controller, Event, Reply, Tag};
//! use nvme_proto::machine::Time;
//! use std::collections::HashMap;
//!
//! /// One namespace of 512-byte blocks, and where in it the data belong that are being fetched.
//! struct Disk {
//!     bytes: Vec<u8>,
//!     writes: HashMap<Tag, usize>,
//! }
//!
//! /// Answers what has come. Opcode 01h writes, 02h reads.
//! fn serve(controller: &mut Controller<Vec<u8>, Vec<u8>>, Disk { bytes: disk, writes }: &mut Disk, now: Time) {
//!     while let Some(event) = controller.poll(now) {
//!         match event {
//!             Event::Command(command) => {
//!                 let (tag, at) = (command.tag, command.sqe.cdw10 as usize * 512);
//!                 match (command.sqe.opcode, command.data) {
//!                     (0x01, CommandData::InCapsule(data)) if at + data.len() <= disk.len() => {
//!                         disk[at..][..data.len()].copy_from_slice(data);
//!                         controller.respond(tag, Reply::success()).unwrap();
//!                     }
//!                     (0x01, CommandData::Transfer { len }) if at + len as usize <= disk.len() => {
//!                         writes.insert(tag, at);
//!                         controller.fetch(tag, vec![0; len as usize]).unwrap();
//!                     }
//!                     (0x02, CommandData::Transfer { len }) if at + len as usize <= disk.len() => {
//!                         let data = disk[at..][..len as usize].to_vec();
//!                         controller.respond_with_data(tag, data, Reply::success()).unwrap();
//!                     }
//!                     _ => controller.respond(tag, Reply::failed(Status::INVALID_FIELD.with_dnr())).unwrap(),
//!                 }
//!             }
//!             Event::Fetched { tag, buffer } => {
//!                 let at = writes.remove(&tag).unwrap_or_default();
//!                 disk[at..][..buffer.len()].copy_from_slice(&buffer);
//!                 controller.respond(tag, Reply::success()).unwrap();
//!             }
//!             Event::Failed(failure) => eprintln!("{failure}"),
//!             _ => {} // Ready; buffers that come back; Close: the caller's loop ends
//!         }
//!     }
//! }
//! # // A host that writes more than a capsule takes: its data come long after the command was looked at.
//! # use nvme_proto::host::{self, Command, Host};
//! # use nvme_proto::sqe::Sqe;
//! # let mut host: Host<Vec<u8>, Vec<u8>> = Host::new(host::Config::admin(), Time::START)?;
//! # let mut config = nvme_proto::controller::Config::new();
//! # config.admission = nvme_proto::controller::Admission::Any;
//! # let mut controller = Controller::new(config, Time::START)?;
//! # let mut disk = Disk { bytes: vec![0; 1 << 16], writes: HashMap::new() };
//! # let mut sqe = Sqe::new(0x01);
//! # sqe.cdw10 = 8;
//! # host.submit(Time::START, Command::new(sqe).write(vec![7; 1 << 15]))?;
//! # let mut completed = 0;
//! # for _ in 0..20 {
//! #     while let Some(event) = host.poll(Time::START) {
//! #         if let host::Event::Completed(done) = event {
//! #             done.result?;
//! #             completed += 1;
//! #         }
//! #     }
//! #     let bytes: Vec<u8> = host.transmit().flatten().copied().collect();
//! #     host.transmitted(bytes.len());
//! #     let mut rest = &bytes[..];
//! #     while !rest.is_empty() {
//! #         rest = &rest[controller.feed(rest)..];
//! #         serve(&mut controller, &mut disk, Time::START);
//! #     }
//! #     let bytes: Vec<u8> = controller.transmit().flatten().copied().collect();
//! #     controller.transmitted(bytes.len());
//! #     let mut rest = &bytes[..];
//! #     while !rest.is_empty() {
//! #         rest = &rest[host.feed(rest)..];
//! #         while let Some(event) = host.poll(Time::START) {
//! #             if let host::Event::Completed(done) = event {
//! #                 done.result?;
//! #                 completed += 1;
//! #             }
//! #         }
//! #     }
//! # }
//! # assert_eq!(completed, 1);
//! # assert!(disk.bytes[..4096].iter().all(|byte| *byte == 0));
//! # assert!(disk.bytes[4096..][..1 << 15].iter().all(|byte| *byte == 7));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! [`received`]: Controller::received
//! [`end_of_stream`]: Controller::end_of_stream
//! [`respond`]: Controller::respond
//! [`respond_with_data`]: Controller::respond_with_data
//! [`fetch`]: Controller::fetch
//! [`close`]: Controller::close
//! [`poll_timeout`]: Controller::poll_timeout
//! [`poll`]: Controller::poll
//! [`transmit`]: Controller::transmit
//! [`transmitted`]: Controller::transmitted
//! [`space`]: Controller::space
//!
//! # What is answered without the caller
//!
//! | the host sends | answer |
//! |---|---|
//! | a header that is wrong in itself | as [`Rule`](crate::pdu::Rule) tells: mostly FES 01h and the byte |
//! | a header whose digest is wrong | FES 03h, the digest |
//! | data whose digest is wrong | Transient Transport Error (22h), when all the data that were asked for have come |
//! | no ICReq in time | the connection is closed |
//! | ICReq without a digest that is required | FES 06h, FEI 11 |
//! | another command before Connect, or a second Connect | Command Sequence Error (0Ch) |
//! | a command identifier that is outstanding | Command Identifier Conflict (03h) |
//! | an SGL that TCP does not have, or data in the capsule of a command that reads | SGL Descriptor Type Invalid (11h) |
//! | an offset into the capsule | SGL Offset Invalid (16h) |
//! | a transfer of more than [`Config::max_transfer`] | Data SGL Length Invalid (0Fh) |
//! | data in the capsule of another length than the SGL says | FES 01h, FEI 4 |
//! | more data in the capsule than allowed | FES 05h |
//! | more commands than [`Config::depth`] | FES 02h |
//! | H2CData of an unknown R2T / of another command's | FES 01h, FEI 10 / 8 |
//! | H2CData that do not continue where the last ended | FES 02h |
//! | H2CData beyond the R2T / more than MAXH2CDATA | FES 04h / 05h |
//! | LAST_PDU elsewhere than on the last data of an R2T | FES 02h |
//! | no Keep Alive in time | the connection is closed |
//!
//! Source: NVMe/TCP 1.0, the sections on connection establishment, data transfer and error handling.

mod cids;
mod config;
mod data;
mod event;
mod poll;
mod receive;
mod respond;
mod slot;
mod transmit;

use alloc::boxed::Box;
use alloc::vec::Vec;

pub use config::{Admission, Config, ConfigError, SuccessFlag};
pub use event::{AnswerError, Buffer, CommandData, Event, Incoming, Refused, Reply, Tag};

use cids::Cids;
use receive::Arriving;
use slot::{Queue, Slot, Tags};
use transmit::Terms;

use crate::frame::{Framer, Limits};
use crate::machine::{Direct, Failure, KeepAlive, Outbox, Phase, Ring, Time, Work};
use crate::pdu::{Negotiated, Role};
use crate::sqe::Sqe;

/// The controller's side of one connection. See the [module](self) for how to drive it.
///
/// `R` are the buffers that data from the host are fetched into (`AsMut<[u8]>`), `W` those that data to the host are sent from (`AsRef<[u8]>`).
/// A buffer must keep its length while the machine has it; one that does not loses data, and nothing else.
#[derive(Debug)]
pub struct Controller<R = Vec<u8>, W = Vec<u8>> {
    config: Config,
    agreed: Option<Negotiated>,
    framer: Framer,
    outbox: Outbox,
    slots: Box<[Slot<R, W>]>,
    free: Vec<u16>,
    /// Slots with something to send.
    work: Work,
    /// Slots that are answered and may have buffers to give back.
    over: Ring<u16>,
    cids: Cids,
    serial: u32,
    /// A Connect waits for its answer.
    connecting: bool,
    /// The queue, once connected.
    queue: Option<Queue>,
    /// Entries of the submission queue; before it is connected as many as any has.
    entries: u32,
    sq_head: u16,
    keep_alive: Option<(KeepAlive, Time)>,
    arriving: Arriving,
    /// The command that came last.
    sqe: Sqe,
    tag: Tag,
    /// Its data, unless they are in its capsule.
    data: CommandData<'static>,
    direct: Direct,
    phase: Phase,
    /// When the phase has to be over.
    deadline: Time,
    /// Why the connection ended, until it is told.
    untold: Option<Failure>,
    ended: bool,
    tags: Tags,
    terms: Terms,
}

impl<R, W> Controller<R, W> {
    /// A connection that was just accepted (and whose TLS handshake, if there is one, is through).
    ///
    /// # Errors
    /// A configuration that cannot work.
    pub fn new(config: Config, now: Time) -> Result<Self, ConfigError> {
        config.check()?;
        let depth = usize::from(config.depth);
        Ok(Self {
            agreed: None,
            framer: Framer::with_capacity(Role::Controller, limits(&config), config.receive_buffer),
            outbox: Outbox::new(config.batch),
            slots: (0..config.depth).map(|_| Slot::new()).collect(),
            free: (0..config.depth).rev().collect(),
            work: Work::new(depth),
            over: Ring::new(depth),
            cids: Cids::new(),
            serial: 0,
            connecting: false,
            queue: None,
            entries: 1 << 16,
            sq_head: 0,
            keep_alive: None,
            arriving: Arriving::Nothing,
            sqe: Sqe::new(0),
            tag: Tag { slot: 0, serial: 0 },
            data: CommandData::None,
            direct: Direct::default(),
            phase: Phase::Handshake,
            deadline: now.after(config.handshake_timeout),
            untold: None,
            ended: false,
            tags: Tags::new(config.depth),
            terms: Terms::NONE,
            config,
        })
    }

    /// The terms of the connection; `None` before [`Event::Ready`].
    #[must_use]
    pub const fn negotiated(&self) -> Option<&Negotiated> {
        self.agreed.as_ref()
    }

    /// The number of the queue, from its Connect; `None` before that was answered with success.
    #[must_use]
    #[doc(alias = "QID")]
    pub fn queue_id(&self) -> Option<u16> {
        self.queue.map(|queue| queue.id)
    }

    /// Commands that are outstanding.
    #[must_use]
    pub fn outstanding(&self) -> usize {
        self.slots.len().saturating_sub(self.free.len())
    }

    /// Starts, changes or stops the keep-alive timer: after Connect or Set Features said so.
    pub fn set_keep_alive(&mut self, now: Time, keep_alive: Option<KeepAlive>) {
        self.keep_alive = keep_alive.map(|keep_alive| (keep_alive, now.after(keep_alive.interval())));
    }

    /// The host showed itself on another connection of the association: the keep-alive timer starts over.
    pub fn keep_alive(&mut self, now: Time) {
        if let Some((keep_alive, due)) = &mut self.keep_alive {
            *due = now.after(keep_alive.interval());
        }
    }
}

/// What framing checks.
fn limits(config: &Config) -> Limits {
    let largest = config.max_transfer.max(config.max_h2c_data).max(config.in_capsule()).max(1 << 20);
    Limits {
        max_plen: largest.saturating_add(256),
        in_capsule_data: config.in_capsule(),
        h2c_data: config.max_h2c_data,
        ..Limits::default()
    }
}
