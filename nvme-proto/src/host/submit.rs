//! Taking commands.

use alloc::boxed::Box;

use super::command::{Command, CommandId, Data, Placement, Refused, SubmitError, Watch};
use super::config::Config;
use super::{Host, Phase};
use crate::machine::{KeepAlive, Time};
use crate::sqe::{DataDirection, Sqe};

impl<R: AsMut<[u8]>, W: AsRef<[u8]>> Host<R, W> {
    /// Submits a command. It may be submitted before the handshake is through, and waits for it then.
    ///
    /// # Errors
    /// The command is given back with the reason; see [`SubmitError`].
    #[inline]
    pub fn submit(&mut self, now: Time, mut command: Command<R, W>) -> Result<CommandId, Refused<R, W>> {
        let (len, in_capsule) = match self.admit(&mut command) {
            Ok(place) => place,
            Err(reason) => return Err(refused(reason, command)),
        };
        let Some(slot) = self.free.pop() else {
            return Err(refused(SubmitError::Full { depth: self.config.depth }, command));
        };
        let clear = self.is_clear();
        let Some(entry) = self.slots.get_mut(usize::from(slot)) else {
            // The free list holds slots only.
            return Err(refused(SubmitError::Ended, command));
        };
        let wire = next_id(entry.wire, self.slot_mask, slot);
        entry.start(wire, command.data, len, in_capsule);
        if command.watch == Watch::TimeOut {
            self.deadlines.add(slot, now.after_millis(self.patience));
        }
        if let Some((keep_alive, due)) = &mut self.keep_alive
            && keep_alive.counts(command.sqe.opcode)
        {
            *due = now.after(keep_alive.interval());
        }
        let sent = match &self.agreed {
            Some(agreed) if clear => entry.send_capsule(slot, &command.sqe, agreed, &mut self.outbox),
            _ => false,
        };
        if !sent {
            entry.sqe = command.sqe;
            self.work.push(slot);
        }
        Ok(CommandId { slot, wire })
    }

    /// Whether a command can be taken: the length of its data, and whether they go into the capsule.
    #[inline(always)]
    fn admit(&self, command: &mut Command<R, W>) -> Result<(u32, bool), SubmitError> {
        if !matches!(self.phase, Phase::Handshake | Phase::Ready) || self.ended {
            return Err(SubmitError::Ended);
        }
        let is_kept =
            self.keep_alive.is_some() && command.sqe.opcode != KeepAlive::OPCODE && self.config.depth > 1;
        if self.free.len() <= usize::from(is_kept) {
            return Err(SubmitError::Full { depth: self.config.depth });
        }
        let direction = command.sqe.direction();
        let (len, write) = match &mut command.data {
            Data::None => return Ok((0, false)),
            Data::Read(buffer) => (buffer.as_mut().len(), false),
            Data::Write(buffer) => (buffer.as_ref().len(), true),
        };
        let matches = match direction {
            DataDirection::None => false,
            DataDirection::HostToController => write,
            DataDirection::ControllerToHost => !write,
            DataDirection::Both => true,
        };
        if !matches {
            return Err(SubmitError::Direction { direction });
        }
        if len == 0 {
            return Err(SubmitError::Empty);
        }
        let max = self.config.max_transfer;
        let len = match u32::try_from(len) {
            Ok(len) if len <= max => len,
            _ => return Err(SubmitError::TooLong { len, max }),
        };
        if !write {
            return Ok((len, false));
        }
        let capsule = self.capsule_data(&command.sqe);
        match command.placement {
            Placement::Auto => Ok((len, len <= capsule)),
            Placement::Transfer => Ok((len, false)),
            Placement::InCapsule if len <= capsule => Ok((len, true)),
            Placement::InCapsule => Err(SubmitError::CapsuleTooSmall { len, max: capsule }),
        }
    }

    /// Bytes of data that the capsule of this command may have.
    fn capsule_data(&self, sqe: &Sqe) -> u32 {
        let queue = self.config.in_capsule;
        if sqe.is_fabrics() { queue.max(Config::ADMIN_IN_CAPSULE) } else { queue }
    }
}

/// Gives a command back.
#[cold]
fn refused<R, W>(reason: SubmitError, command: Command<R, W>) -> Refused<R, W> {
    Refused { reason, command: Box::new(command) }
}

/// The identifier of a slot's next command: the generation goes up by one. FFFFh is not used.
#[inline]
fn next_id(last: u16, slot_mask: u16, slot: u16) -> u16 {
    match last.wrapping_add(slot_mask).wrapping_add(1) {
        u16::MAX => slot,
        next => next,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slot_has_many_identifiers_and_none_is_ffff() {
        for (bits, slot) in [(15, 0x7fff), (5, 31), (5, 0), (0, 0), (10, 1023)] {
            let mut seen = std::collections::BTreeSet::new();
            let mut id = slot;
            while seen.insert(id) {
                assert!(id != u16::MAX);
                assert_eq!(u32::from(id) & ((1 << bits) - 1), u32::from(slot) & ((1 << bits) - 1));
                id = next_id(id, ((1_u32 << bits) - 1) as u16, slot);
            }
            let all =
                (1_usize << (16 - bits)) - usize::from(slot.checked_add(1).is_some_and(|n| n == 1 << bits));
            assert_eq!(seen.len(), if bits == 0 { 65535 } else { all }, "{bits} {slot}");
        }
    }
}
