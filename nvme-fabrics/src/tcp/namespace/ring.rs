//! Many requests of one task.

use std::collections::VecDeque;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use futures_core::Stream;
use nvme_proto::Nsid;
use nvme_proto::command::io::{Flush, Read, Write};
use nvme_proto::host::{Data, Watch};
use nvme_proto::sqe::Sqe;

use super::super::buffer::ReadBuffer;
use super::super::error::{CommandError, CommandName, FailedRead};
use super::super::queue::{Effect, Finished, Group, Over, Payload, Queue, Request, ToSqe};
use super::pieces::Piece;
use super::{Durability, Failure, Namespace};

/// Many requests of one task, submitted without waiting and taken as they are completed: what a daemon that serves many others at a time wants, as it
/// knows from io_uring or SPDK. One task with 32 requests costs less than 32 tasks with one each, which have to be woken one by one.
///
/// ```no_run
/// # async fn example(namespace: nvme_fabrics::tcp::Namespace) -> Result<(), nvme_fabrics::tcp::CommandError> {
/// let mut ring = namespace.ring(32);
/// for number in 0..32 {
///     ring.read(number, number * 8, vec![0; 4096])?;
/// }
/// while let Some(done) = ring.next().await {
///     done.result?;
///     println!("{} is there: {:?}", done.token, done.buffer);
/// }
/// # Ok(())
/// # }
/// ```
///
/// | | |
/// |---|---|
/// | [`read`](Self::read), [`write`](Self::write), [`flush`](Self::flush) | note a request, under a token by which its completion is known |
/// | [`next`](Self::next) | a completion that is there; if none is, all that was noted is sent by one system call, and the next one is waited for |
/// | [`submit`](Self::submit) | sends what was noted without waiting |
///
/// Each request is one command, and what is too large for one is refused: [`Limits::max_transfer`](crate::tcp::Limits::max_transfer) and 65,536 blocks at
/// most, and none across a boundary that the namespace wants kept (NOIOB). Commands are executed in any order; a flush holds for the writes that
/// were completed before it was noted.
///
/// A lost connection means the same as for the futures of [`Namespace`] (see [`reconnect`](crate::tcp::reconnect)): a request is sent again where that is safe,
/// and else fails. When the ring is dropped, its commands run on unseen and keep their buffers until they are over; what was only noted is
/// forgotten.
#[derive(Debug)]
pub struct Ring<B = Vec<u8>> {
    namespace: Namespace,
    depth: usize,
    /// On the queue they go to.
    group: Group,
    /// Noted.
    new: Vec<(u64, Request<Short>)>,
    /// With the group.
    running: usize,
    over: VecDeque<Over>,
    /// Those that have failed once.
    again: Vec<Again>,
    buffers: std::marker::PhantomData<fn() -> B>,
}

/// A request that is over.
#[derive(Debug)]
#[non_exhaustive]
pub struct Completed<B = Vec<u8>> {
    /// What it was noted under.
    pub token: u64,
    /// Whether it did what it should.
    pub result: Result<(), CommandError>,
    /// The buffer of a read: filled, or with whatever came if it failed. `None` for others, and when the runtime that the connection lived on has
    /// ended.
    pub buffer: Option<B>,
}

/// What follows when a command has failed.
struct Again {
    token: u64,
    outcome: Pin<Box<dyn Future<Output = Result<Finished, Failure>> + Send>>,
}

impl std::fmt::Debug for Again {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Again").field("token", &self.token).finish_non_exhaustive()
    }
}

impl Namespace {
    /// A ring for up to `depth` requests at a time, at least one. Little is gained by more than the queue has room for
    /// ([`Limits::depth`](crate::tcp::Limits::depth)).
    #[must_use]
    pub fn ring<B>(&self, depth: usize) -> Ring<B>
    where
        B: AsMut<[u8]> + Send + 'static,
    {
        let queue = self.controller.core().io_queue().map(Arc::clone);
        Ring {
            namespace: self.clone(),
            depth: depth.max(1),
            // Without a queue, one that never has a connection.
            group: Group::new(queue.unwrap_or_else(|| Arc::new(Queue::new(1, 0)))),
            new: Vec::new(),
            running: 0,
            over: VecDeque::new(),
            again: Vec::new(),
            buffers: std::marker::PhantomData,
        }
    }
}

impl<B: AsMut<[u8]> + Send + 'static> Ring<B> {
    /// Requests that were noted and whose completions were not taken.
    #[must_use]
    pub fn len(&self) -> usize {
        let (new, over, again) = (self.new.len(), self.over.len(), self.again.len());
        new.saturating_add(self.running).saturating_add(over).saturating_add(again)
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether a completion has to be taken before there is room for another request.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.len() >= self.depth
    }

    /// Notes a read of as many blocks from `lba` on as `buffer` has room for. The buffer belongs to the connection until it is full; there is no copy.
    ///
    /// # Errors
    /// [`FailedRead`] with the buffer: the blocks are not there, they are too many for one command ([`CommandError::Parameter`]), or the ring is full
    /// ([`CommandError::Busy`]).
    #[inline]
    pub fn read(&mut self, token: u64, lba: u64, mut buffer: B) -> Result<(), FailedRead<B>> {
        let piece = match self.piece(lba, "a buffer", buffer.as_mut().len(), Kind::Read) {
            Ok(piece) => piece,
            Err(error) => return Err(FailedRead { error, buffer: Some(buffer) }),
        };
        self.note(token, Kind::Read, piece, Payload::Read(ReadBuffer::of(buffer)), Effect::Nothing);
        Ok(())
    }

    /// Notes a write of blocks from `lba` on, without a copy.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub fn write(
        &mut self,
        token: u64,
        lba: u64,
        data: impl Into<Bytes>,
        durability: Durability,
    ) -> Result<(), CommandError> {
        let data = data.into();
        let kind = match durability {
            Durability::Cached => Kind::Write,
            Durability::Durable => Kind::DurableWrite,
        };
        let piece = self.piece(lba, "a write", data.len(), kind)?;
        self.note(token, kind, piece, Payload::Write(data), Effect::Overwrites);
        Ok(())
    }

    /// Notes a flush, as [`Namespace::flush`].
    ///
    /// # Errors
    /// [`CommandError::Busy`] if the ring is full.
    pub fn flush(&mut self, token: u64) -> Result<(), CommandError> {
        let piece = Piece { lba: 0, blocks: 0 };
        self.check_room(Kind::Flush)?;
        self.note(token, Kind::Flush, piece, Payload::None, Effect::Nothing);
        Ok(())
    }

    /// Sends what was noted, as far as the connection takes it now, without waiting for anything.
    pub fn submit(&mut self) {
        if !self.new.is_empty() {
            self.exchange(None);
        }
    }

    /// The next completion, in the order in which they come; `None` when there is no request whose completion was not taken. It may be dropped at any
    /// time, and nothing is lost.
    pub async fn next(&mut self) -> Option<Completed<B>> {
        poll_fn(|cx| self.poll_completed(cx)).await
    }

    /// As [`next`](Self::next).
    #[inline]
    pub fn poll_completed(&mut self, cx: &mut Context<'_>) -> Poll<Option<Completed<B>>> {
        loop {
            while let Some(Over { token, result }) = self.over.pop_front() {
                match result {
                    Ok(data) => return Poll::Ready(Some(completed(token, Ok(()), data))),
                    Err(failed) => {
                        let core = Arc::clone(self.namespace.controller.core());
                        let outcome = Box::pin(core.after_failure(Arc::clone(self.group.queue()), *failed));
                        self.again.push(Again { token, outcome });
                    }
                }
            }
            if let Some(completed) = self.poll_again(cx) {
                return Poll::Ready(Some(completed));
            }
            if self.is_empty() {
                return Poll::Ready(None);
            }
            if self.running == 0 && self.new.is_empty() {
                return Poll::Pending; // they are tried again
            }
            self.exchange(Some(cx.waker()));
            if self.over.is_empty() {
                return Poll::Pending;
            }
        }
    }

    /// Those that have failed once.
    #[inline]
    fn poll_again(&mut self, cx: &mut Context<'_>) -> Option<Completed<B>> {
        for index in 0..self.again.len() {
            let Some(Again { token, outcome }) = self.again.get_mut(index) else { break };
            if let Poll::Ready(outcome) = outcome.as_mut().poll(cx) {
                let token = *token;
                self.again.swap_remove(index);
                return Some(match outcome {
                    Ok(finished) => completed(token, Ok(()), finished.data),
                    Err(Failure { error, data }) => completed(token, Err(error), data),
                });
            }
        }
        None
    }

    /// What was noted to the queue, what is over from it.
    fn exchange(&mut self, waker: Option<&Waker>) {
        if self.running == 0 {
            self.choose_queue();
        }
        self.running = self.running.saturating_add(self.new.len());
        let before = self.over.len();
        self.group.exchange(&mut self.new, self.running, &mut self.over, waker);
        self.running = self.running.saturating_sub(self.over.len().saturating_sub(before));
    }

    /// The queue of the calling task, which may be another one than that of the last time; and there may be fewer.
    fn choose_queue(&mut self) {
        if let Some(queue) = self.namespace.controller.core().io_queue()
            && !Arc::ptr_eq(self.group.queue(), queue)
        {
            self.group = Group::new(Arc::clone(queue));
        }
    }

    #[inline]
    fn note(&mut self, token: u64, kind: Kind, piece: Piece, data: Payload, effect: Effect) {
        let command = Short { kind, nsid: self.namespace.shape.nsid, piece };
        self.new.push((token, Request { command, data, watch: Watch::TimeOut, effect }));
    }

    /// The blocks of a request, if they are there, fit into a command, and the ring has room for it.
    #[inline]
    fn piece(&self, lba: u64, what: &'static str, len: usize, kind: Kind) -> Result<Piece, CommandError> {
        let namespace = &self.namespace;
        let blocks = namespace.whole_blocks(what, u64::try_from(len).unwrap_or(u64::MAX))?;
        namespace.check(lba, blocks)?;
        self.check_room(kind)?;
        namespace.data_pieces(lba, blocks).single().ok_or(CommandError::Parameter {
            what: "the number of blocks",
            value: blocks,
            allowed: "a request of a ring is one command: no larger than one may be, and across no boundary of the namespace",
        })
    }

    #[inline]
    fn check_room(&self, kind: Kind) -> Result<(), CommandError> {
        if !self.is_full() {
            return Ok(());
        }
        let command = Short { kind, nsid: self.namespace.shape.nsid, piece: Piece { lba: 0, blocks: 1 } };
        Err(CommandError::Busy { command: CommandName::io(&command.to_sqe()) })
    }
}

impl<B: AsMut<[u8]> + Send + 'static> Stream for Ring<B> {
    type Item = Completed<B>;

    /// As [`Ring::next`]: it ends when there is no request, and goes on when there is one again.
    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.get_mut().poll_completed(cx)
    }
}

#[inline]
fn completed<B: 'static>(token: u64, result: Result<(), CommandError>, data: Payload) -> Completed<B> {
    let buffer = match data {
        Data::Read(buffer) => buffer.into_caller(),
        _ => None,
    };
    Completed { token, result, buffer }
}

/// A command, in short.
#[derive(Debug, Clone, Copy)]
struct Short {
    kind: Kind,
    nsid: Nsid,
    piece: Piece,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Read,
    Write,
    DurableWrite,
    Flush,
}

impl ToSqe for Short {
    #[inline]
    fn to_sqe(&self) -> Sqe {
        let Self { kind, nsid, piece } = self;
        let write = || Write::new(nsid.get(), piece.lba, piece.blocks_less_one());
        match kind {
            Kind::Read => Read::new(nsid.get(), piece.lba, piece.blocks_less_one()).to_sqe(),
            Kind::Write => write().to_sqe(),
            Kind::DurableWrite => {
                let mut write = write();
                write.force_unit_access = true;
                write.to_sqe()
            }
            Kind::Flush => Flush::new(nsid.get()).to_sqe(),
        }
    }
}
