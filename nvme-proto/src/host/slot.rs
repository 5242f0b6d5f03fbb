//! One command that is outstanding.

use alloc::collections::VecDeque;

use super::command::{CommandError, CommandId, Completion, Data};
use crate::cqe::Cqe;
use crate::machine::Ring;
use crate::sqe::Sqe;

/// Where a slot stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    /// No command.
    Free,
    /// The capsule is still to be sent.
    Waiting,
    /// The capsule is sent, or about to be.
    Issued,
    /// It has its result, which waits to be told (and for what is still being sent from its buffer).
    Over(Result<Cqe, CommandError>),
}

/// Data the controller asked for and that are not all sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Grant {
    pub(super) transfer_tag: u16,
    /// Bytes not sent yet.
    pub(super) len: u32,
}

/// Data the controller asked for, in the order in which it did. Nearly always it does so once at a time.
#[derive(Debug)]
pub(super) struct Grants {
    first: Option<Grant>,
    rest: VecDeque<Grant>,
}

impl Grants {
    /// None, with room for so many.
    fn new(max: u16) -> Self {
        Self { first: None, rest: VecDeque::with_capacity(usize::from(max.saturating_sub(1))) }
    }

    #[inline]
    pub(super) fn first(&self) -> Option<&Grant> {
        self.first.as_ref()
    }

    #[inline]
    pub(super) fn len(&self) -> usize {
        self.rest.len().saturating_add(usize::from(self.first.is_some()))
    }

    #[inline]
    pub(super) fn push(&mut self, grant: Grant) {
        match self.first {
            None => self.first = Some(grant),
            Some(_) => self.rest.push_back(grant),
        }
    }

    /// So many bytes of the first are being sent.
    #[inline]
    pub(super) fn shorten(&mut self, sent: u32) {
        match &mut self.first {
            Some(grant) if grant.len > sent => grant.len = grant.len.wrapping_sub(sent),
            _ => self.first = self.rest.pop_front(),
        }
    }

    #[inline]
    fn clear(&mut self) {
        if self.first.take().is_some() {
            self.rest.clear();
        }
    }
}

#[derive(Debug)]
pub(super) struct Slot<R, W> {
    /// The identifier on the wire of the last command that was here.
    pub(super) wire: u16,
    pub(super) stage: Stage,
    /// The command as it was submitted, if it has to wait before it can be sent.
    pub(super) sqe: Sqe,
    pub(super) data: Data<R, W>,
    /// Bytes of the data.
    pub(super) len: u32,
    /// The data to the controller are in the capsule.
    pub(super) in_capsule: bool,
    /// Bytes received, or handed over to be sent; both go up without gaps.
    pub(super) moved: u32,
    /// End of what the controller asked for.
    pub(super) granted: u32,
    pub(super) grants: Grants,
    /// The last data from the controller have come.
    pub(super) last: bool,
    /// The first digest that was wrong: received and computed.
    pub(super) damaged: Option<(u32, u32)>,
    /// PDUs in the outbox that have data of this slot.
    pub(super) lent: usize,
    /// The capsule, in the outbox's count.
    pub(super) ticket: u64,
}

impl<R, W> Slot<R, W> {
    pub(super) fn new(wire: u16, max_r2ts: u16) -> Self {
        Self {
            wire,
            stage: Stage::Free,
            sqe: Sqe::new(0),
            data: Data::None,
            len: 0,
            in_capsule: false,
            moved: 0,
            granted: 0,
            grants: Grants::new(max_r2ts),
            last: false,
            damaged: None,
            lent: 0,
            ticket: 0,
        }
    }

    /// Takes a command.
    #[inline]
    pub(super) fn start(&mut self, wire: u16, data: Data<R, W>, len: u32, in_capsule: bool) {
        self.wire = wire;
        self.stage = Stage::Waiting;
        self.data = data;
        self.len = len;
        self.in_capsule = in_capsule;
        self.moved = 0;
        self.granted = 0;
        self.grants.clear();
        self.last = false;
        self.damaged = None;
    }

    pub(super) fn is_read(&self) -> bool {
        matches!(self.data, Data::Read(_))
    }

    /// Data to the controller that it has to ask for.
    pub(super) fn is_transfer_write(&self) -> bool {
        matches!(self.data, Data::Write(_)) && !self.in_capsule
    }

    /// Whether this completion is what one hopes for, and can be told now.
    #[inline]
    pub(super) fn is_fine(&self, cqe: &Cqe) -> bool {
        self.lent == 0 && cqe.status.is_success() && self.moved >= self.len && self.damaged.is_none()
    }

    /// The command is over: what there is to tell. The slot is free.
    #[inline(always)]
    pub(super) fn end(&mut self, slot: u16, result: Result<Cqe, CommandError>) -> Completion<R, W> {
        self.stage = Stage::Free;
        let id = CommandId { slot, wire: self.wire };
        Completion { id, result, transferred: self.moved, data: core::mem::take(&mut self.data) }
    }

    /// What a completion queue entry means for this command.
    pub(super) fn judge(&self, cqe: Cqe) -> Result<Cqe, CommandError> {
        if let Some((received, computed)) = self.damaged {
            // The first verdict stands, whatever the controller says afterwards.
            return Err(CommandError::DataDigest { received, computed });
        }
        if !cqe.status.is_success() {
            return Err(CommandError::Status(cqe));
        }
        if self.moved < self.len {
            return Err(CommandError::Short { cqe, transferred: self.moved, len: self.len });
        }
        Ok(cqe)
    }
}

impl<R, W: AsRef<[u8]>> Slot<R, W> {
    /// The data to send.
    #[inline]
    pub(super) fn bytes(&self) -> &[u8] {
        match &self.data {
            Data::Write(buffer) => buffer.as_ref(),
            _ => &[],
        }
    }
}

impl<R: AsMut<[u8]>, W> Slot<R, W> {
    /// `len` bytes from byte `at` of the buffer that is read into.
    #[inline]
    pub(super) fn place(&mut self, at: usize, len: usize) -> &mut [u8] {
        match &mut self.data {
            Data::Read(buffer) => {
                buffer.as_mut().get_mut(at..).and_then(|rest| rest.get_mut(..len)).unwrap_or_default()
            }
            _ => &mut [],
        }
    }
}

/// A PDU has done with the data of a slot: when it was the last one of a command that is over, the command can be told.
#[inline]
pub(super) fn give_back<R, W>(slots: &mut [Slot<R, W>], over: &mut Ring<u16>, slot: u16) {
    if let Some(entry) = slots.get_mut(usize::from(slot)) {
        entry.lent = entry.lent.saturating_sub(1);
        if entry.lent == 0 && matches!(entry.stage, Stage::Over(_)) {
            over.push(slot);
        }
    }
}
