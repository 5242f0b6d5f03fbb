//! Events and timers.

use super::command::{CommandError, CommandId, Completion};
use super::event::Event;
use super::receive::Step;
use super::slot::{Stage, give_back};
use super::{Arriving, Host};
use crate::machine::{Close, Direct, Failure, Phase, Time, term_req};
use crate::pdu::{Answer, Role};

impl<R: AsMut<[u8]>, W: AsRef<[u8]>> Host<R, W> {
    /// What has happened; `None` when nothing more will happen before bytes come, room in the socket does, or the time of
    /// [`poll_timeout`](Self::poll_timeout).
    pub fn poll(&mut self, now: Time) -> Option<Event<R, W>> {
        loop {
            if self.untold.is_some() {
                return self.untold.take().map(Event::Failed);
            }
            if let Some(completion) = self.take_over() {
                return Some(Event::Completed(completion));
            }
            match self.phase {
                Phase::Handshake | Phase::Ready => match self.step() {
                    Ok(Step::Event(event)) => return Some(event),
                    Ok(Step::Over) => {}
                    Ok(Step::Starved) => match self.expired(now) {
                        Some(event) => return Some(event),
                        None if self.phase == Phase::Handshake || self.phase == Phase::Ready => return None,
                        None => {}
                    },
                    Err(failure) => self.fail(now, failure),
                },
                Phase::Terminating if self.ended => self.close_with(Close::Orderly),
                Phase::Terminating if now >= self.deadline => self.close_with(Close::Reset),
                Phase::Terminating | Phase::Closed => return None,
                Phase::Closing(how) => {
                    self.phase = Phase::Closed;
                    return Some(Event::Close(how));
                }
            }
        }
    }

    /// When to poll next, whatever else happens; `None`: no timer runs.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Time> {
        match self.phase {
            Phase::Handshake | Phase::Terminating => Some(self.deadline),
            Phase::Ready => {
                let command = self.deadlines.first().map(|(at, _)| at);
                let keep_alive = self.keep_alive.map(|(_, due)| due);
                [command, keep_alive].into_iter().flatten().min()
            }
            Phase::Closing(_) | Phase::Closed => None,
        }
    }

    /// The controller closed the connection, or the socket failed: nothing more will be received.
    pub fn end_of_stream(&mut self) {
        self.ended = true;
    }

    /// Ends the connection from this side. Nothing that is queued is sent any more; every command that is outstanding is completed with
    /// [`CommandError::Lost`].
    pub fn close(&mut self, now: Time) {
        if matches!(self.phase, Phase::Handshake | Phase::Ready) {
            self.fail(now, Failure::Closed);
        }
    }

    /// Timers, and the end of the stream, when all that came is handled.
    fn expired(&mut self, now: Time) -> Option<Event<R, W>> {
        if self.ended {
            self.fail(now, Failure::EndOfStream);
            return None;
        }
        if self.phase == Phase::Handshake {
            if now >= self.deadline {
                self.fail(now, Failure::HandshakeTimeout { waited: self.config.handshake_timeout });
            }
            return None;
        }
        if let Some((at, slot)) = self.deadlines.first()
            && now >= at
        {
            self.deadlines.remove(slot);
            let wire = self.slots.get(usize::from(slot))?.wire;
            return Some(Event::TimedOut(CommandId { slot, wire }));
        }
        if let Some((keep_alive, due)) = &mut self.keep_alive
            && now >= *due
        {
            // A caller without a pause between two polls is not told more than once in a millisecond.
            *due = now.after(keep_alive.interval().max(core::time::Duration::from_millis(1)));
            return Some(Event::KeepAliveDue);
        }
        None
    }

    /// A command that is over, and its slot free.
    fn take_over(&mut self) -> Option<Completion<R, W>> {
        let slot = self.over.pop()?;
        let entry = self.slots.get_mut(usize::from(slot))?;
        let Stage::Over(result) = entry.stage else { return None };
        entry.stage = Stage::Free;
        let id = CommandId { slot, wire: entry.wire };
        let (data, transferred) = (core::mem::take(&mut entry.data), entry.moved);
        self.free.push(slot);
        Some(Completion { id, result, transferred, data })
    }

    /// The connection ends: tells the controller why if the protocol has words for it, and ends every command.
    pub(super) fn fail(&mut self, now: Time, failure: Failure) {
        self.untold = Some(failure);
        self.arriving = Arriving::Nothing;
        self.direct = Direct::default();
        self.work.clear();
        let Self { outbox, slots, over, .. } = self;
        outbox.keep_begun(|slot| give_back(slots, over, slot));
        for (slot, entry) in (0_u16..).zip(&mut self.slots) {
            if matches!(entry.stage, Stage::Waiting | Stage::Issued) {
                entry.stage = Stage::Over(Err(CommandError::Lost(failure)));
                self.deadlines.remove(slot);
                if entry.lent == 0 {
                    self.over.push(slot);
                }
            }
        }
        let answer = match failure {
            Failure::Violation(error) => error.answer(),
            _ => Answer::Close,
        };
        match answer {
            Answer::TermReq { fes, fei } => {
                let request = term_req(Role::Host, fes, fei, self.framer.offending());
                self.outbox.push(&request, None);
                self.deadline = now.after(self.config.termination_timeout);
                self.phase = Phase::Terminating;
            }
            Answer::Close => self.close_with(Close::Orderly),
        }
    }

    /// The socket is to be closed: nothing is sent any more.
    fn close_with(&mut self, how: Close) {
        self.phase = Phase::Closing(how);
        let Self { outbox, slots, over, .. } = self;
        outbox.clear(|slot| give_back(slots, over, slot));
    }
}
