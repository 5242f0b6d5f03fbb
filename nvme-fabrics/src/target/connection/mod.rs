//! A connection: one queue of one association, as commands come in and answers go out. No sockets, no clock.
//!
//! ```text
//!   the server                           here
//!   Target::open(endpoint) ------------> Connection
//!   a command came: execute() ---------> Answer: a reply, data, a wish for the command's data, work for the storage, or later
//!   the work is done: Work::finish() --> the reply
//!   each turn: poll_notice() ----------> Notice: an event for a command that waits, a new keep-alive time-out, the end
//!   the socket closed: ended()
//! ```
//!
//! | file | what |
//! |---|---|
//! | `answer` | what goes over that border |
//! | `connect` | Connect: who may become a queue of what |
//! | `fabrics` | properties, Disconnect, authentication |
//! | `admin` | commands of the admin queue |
//! | `features`, `feature_data` | Set Features and Get Features |
//! | `waiting` | Asynchronous Event Requests that wait, and Abort |
//! | `io` | commands of I/O queues: the path of reads and writes |
//! | `blocks` | the other commands on blocks |
//! | `reservation` | reservation commands |

mod admin;
mod answer;
mod blocks;
mod connect;
mod fabrics;
mod features;
mod io;
mod reservation;
mod waiting;

use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use nvme_proto::Status;
use nvme_proto::command::check::{self, Refusal, Strictness};
use nvme_proto::controller::{Config, Reply, Tag};
use nvme_proto::machine::{Failure, Time};
use nvme_proto::sqe::Sqe;

pub(crate) use answer::{Answer, Notice, Payload, Work};
pub use answer::{Endpoint, Termination};
pub(crate) use features::supported as supported_features;

use super::backend::Lent;
use super::handle::Shared;
use super::state::{Controller, Drain, ErrorRecord, Letter, Mailbox, View, lock};
use waiting::Waiting;

/// One connection of a host.
#[derive(Debug)]
pub(crate) struct Connection {
    target: Arc<Shared>,
    endpoint: Endpoint,
    mailbox: Arc<Mailbox>,
    /// Whom the mailbox wakes, so that it is not told again each turn.
    reader: Option<Waker>,
    role: Role,
}

/// What the connection has become.
#[derive(Debug)]
enum Role {
    /// Connect did not come yet.
    Fresh,
    /// The admin queue of a controller.
    Admin(AdminQueue),
    /// An I/O queue.
    Io(IoQueue),
    /// Its queue was given up.
    Over,
}

/// An admin queue.
#[derive(Debug)]
struct AdminQueue {
    controller: Arc<Controller>,
    waiting: Waiting,
    features: features::Features,
}

/// An I/O queue.
#[derive(Debug)]
struct IoQueue {
    controller: Arc<Controller>,
    number: u16,
    view: View,
    mailbox: Arc<Mailbox>,
    /// Commands that wait until others are done.
    draining: Vec<(Tag, Arc<Drain>)>,
}

impl Connection {
    pub(crate) fn new(target: Arc<Shared>, endpoint: Endpoint) -> Self {
        Self { target, endpoint, mailbox: Arc::default(), reader: None, role: Role::Fresh }
    }

    /// How the machine of this connection is to be set up.
    pub(crate) fn machine(&self) -> Config {
        let mut config = Config::new();
        config.depth = self.target.settings.queue_entries;
        config.io_in_capsule = self.target.settings.in_capsule;
        config.max_transfer = self.target.settings.max_transfer_bytes();
        config
    }

    /// Does a command, or says what is missing to do it. Called again with the data, after [`Answer::Fetch`].
    pub(crate) fn execute(&mut self, now: Time, tag: Tag, sqe: &Sqe, data: Payload<'_>) -> Answer {
        // Of a descriptor that is refused anyway, the length may be something else.
        if sqe.sgl.length > self.target.settings.max_transfer_bytes() && sqe.sgl.place().is_ok() {
            return self.too_long(sqe);
        }
        let answer = match &mut self.role {
            Role::Io(queue) => queue.execute(now, tag, sqe, data),
            Role::Admin(queue) => queue.execute(&self.target, now, tag, sqe, data),
            Role::Fresh => return self.connect(now, sqe, data),
            Role::Over => Answer::failed(Status::COMMAND_SEQUENCE_ERROR.with_dnr()),
        };
        if let Answer::Reply(reply) = &answer
            && !reply.status.is_success()
        {
            self.record(sqe, reply.status);
        }
        if let Role::Io(queue) = &self.role
            && matches!(&answer, Answer::Reply(reply) if reply.status.is_success())
            && fabrics::is_disconnect(sqe)
        {
            queue.leave();
            self.role = Role::Over;
            self.mailbox.terminate(Termination::Disconnected);
        }
        answer
    }

    /// The data of a read that storage lends. `None` of every other command, and of one that is refused: it is to be [executed](Self::execute).
    #[inline]
    pub(crate) fn lend(&mut self, now: Time, sqe: &Sqe) -> Option<Lent> {
        match &mut self.role {
            Role::Io(queue) if sqe.sgl.length <= self.target.settings.max_transfer_bytes() => {
                queue.lend(now, sqe)
            }
            _ => None,
        }
    }

    /// More data than a command may move (MDTS): nothing is taken or made for it.
    #[cold]
    fn too_long(&self, sqe: &Sqe) -> Answer {
        let status = Status::DATA_SGL_LENGTH_INVALID.with_dnr();
        self.record(sqe, status);
        Answer::failed(status)
    }

    /// Something that nobody asked for just now. It is cheap to ask when there is nothing.
    pub(crate) fn poll_notice(&mut self, cx: &mut Context<'_>) -> Poll<Notice> {
        if !self.reader.as_ref().is_some_and(|reader| reader.will_wake(cx.waker())) {
            self.mailbox.register(cx.waker());
            self.reader = Some(cx.waker().clone());
        }
        if !self.mailbox.has_letters() && !self.has_answers() {
            return Poll::Pending;
        }
        self.next_notice().map_or(Poll::Pending, Poll::Ready)
    }

    fn has_answers(&self) -> bool {
        matches!(&self.role, Role::Admin(queue) if queue.waiting.has_answers())
    }

    fn next_notice(&mut self) -> Option<Notice> {
        if self.mailbox.take(Letter::Terminate) {
            return Some(Notice::Terminate(self.mailbox.reason().unwrap_or(Termination::AssociationEnded)));
        }
        let queue = match &mut self.role {
            Role::Admin(queue) => queue,
            Role::Io(queue) => return queue.next_notice(),
            Role::Fresh | Role::Over => return None,
        };
        if let Some((tag, reply)) = queue.waiting.answer() {
            return Some(Notice::Answer(tag, reply));
        }
        if self.mailbox.take(Letter::KeepAlive) {
            return Some(Notice::KeepAlive(queue.controller.keep_alive()));
        }
        if self.mailbox.take(Letter::Event) {
            let reported = queue.report()?;
            // There may be more than one.
            self.mailbox.send(Letter::Event);
            return Some(reported);
        }
        None
    }

    /// When the host last showed itself on any connection of the association, up to 50 ms ago. Of an admin queue; `None` of others.
    pub(crate) fn keep_alive_seen(&self) -> Option<Time> {
        match &self.role {
            Role::Admin(queue) => Some(queue.controller.last_seen()),
            _ => None,
        }
    }

    /// The connection has ended. With an admin queue its association ends.
    pub(crate) fn ended(&mut self, _failure: Option<Failure>) {
        match std::mem::replace(&mut self.role, Role::Over) {
            Role::Admin(queue) => {
                queue.controller.subsystem.remove_controller(&queue.controller);
                queue.controller.terminate(Termination::AssociationEnded);
            }
            Role::Io(queue) => queue.leave(),
            role @ (Role::Fresh | Role::Over) => drop(role),
        }
    }

    /// Notes a failure in the error log. Refused Connects are not noted.
    fn record(&self, sqe: &Sqe, status: Status) {
        let (controller, queue) = match &self.role {
            Role::Admin(queue) => (&queue.controller, 0),
            Role::Io(queue) => (&queue.controller, queue.number),
            Role::Fresh | Role::Over => return,
        };
        let nsid = if sqe.is_fabrics() { 0 } else { sqe.nsid };
        let lba = if queue == 0 { 0 } else { u64::from(sqe.cdw11) << 32 | u64::from(sqe.cdw10) };
        controller.failed(ErrorRecord { queue, command: sqe.cid, opcode: sqe.opcode, status, nsid, lba });
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.ended(None);
    }
}

impl IoQueue {
    fn next_notice(&mut self) -> Option<Notice> {
        if self.mailbox.take(Letter::Renew) {
            self.view.forget_retired();
        }
        if self.mailbox.take(Letter::Drained) {
            let place = self.draining.iter().position(|(_, drain)| drain.is_over())?;
            let (tag, _) = self.draining.swap_remove(place);
            // There may be more than one.
            self.mailbox.send(Letter::Drained);
            return Some(Notice::Answer(tag, Reply::success()));
        }
        None
    }

    /// Its number is free again.
    fn leave(&self) {
        lock(&self.controller.queues).io.remove(&self.number);
    }
}

/// What every command is checked for first.
fn entry(sqe: &Sqe) -> Result<(), Status> {
    check::entry(sqe, Strictness::Specification).map_err(status)
}

/// The status of a refusal.
const fn status(refusal: Refusal) -> Status {
    refusal.status
}

/// Checks that the data a command brings or takes are as many as it says.
fn data_len(sqe: &Sqe, len: Option<u64>) -> Result<(), Status> {
    check::data(&sqe.sgl, len).map(|_| ()).map_err(status)
}

/// An answer from what a command came to.
fn answer(result: Result<Answer, Status>) -> Answer {
    result.unwrap_or_else(Answer::failed)
}

/// Success without data.
const fn done() -> Answer {
    Answer::Reply(Reply::success())
}
