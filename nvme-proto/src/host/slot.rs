//! One command that is outstanding.

use alloc::collections::VecDeque;

use super::command::{CommandError, Data};
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

#[derive(Debug)]
pub(super) struct Slot<R, W> {
    /// The identifier on the wire of the last command that was here.
    pub(super) wire: u16,
    pub(super) stage: Stage,
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
    pub(super) grants: VecDeque<Grant>,
    /// The last data from the controller have come.
    pub(super) last: bool,
    /// The first digest that was wrong: received and computed.
    pub(super) damaged: Option<(u32, u32)>,
    /// PDUs in the outbox that have data of this slot.
    pub(super) lent: usize,
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
            grants: VecDeque::with_capacity(usize::from(max_r2ts)),
            last: false,
            damaged: None,
            lent: 0,
        }
    }

    /// Takes a command.
    pub(super) fn start(&mut self, wire: u16, sqe: Sqe, data: Data<R, W>, len: u32, in_capsule: bool) {
        self.wire = wire;
        self.stage = Stage::Waiting;
        self.sqe = sqe;
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
    pub(super) fn bytes(&self) -> &[u8] {
        match &self.data {
            Data::Write(buffer) => buffer.as_ref(),
            _ => &[],
        }
    }
}

impl<R: AsMut<[u8]>, W> Slot<R, W> {
    /// `len` bytes from byte `at` of the buffer that is read into.
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
pub(super) fn give_back<R, W>(slots: &mut [Slot<R, W>], over: &mut Ring<u16>, slot: u16) {
    if let Some(entry) = slots.get_mut(usize::from(slot)) {
        entry.lent = entry.lent.saturating_sub(1);
        if entry.lent == 0 && matches!(entry.stage, Stage::Over(_)) {
            over.push(slot);
        }
    }
}
