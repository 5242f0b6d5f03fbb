//! Events and timers.

use super::command::{CommandError, CommandId, Completion};
use super::event::Event;
use super::receive::Step;
use super::slot::{Stage, give_back};
use super::{Arriving, Host};
use crate::cqe::Cqe;
use crate::machine::{Close, Direct, Failure, Phase, Time, term_req};
use crate::pdu::{Answer, Role};

/// There may be something to tell now that was not before.
struct Again;

impl<R: AsMut<[u8]>, W: AsRef<[u8]>> Host<R, W> {
    /// What has happened; `None` when nothing more will happen before bytes come, room in the socket does, or the time of
    /// [`poll_timeout`](Self::poll_timeout).
    #[inline]
    pub fn poll(&mut self, now: Time) -> Option<Event<R, W>> {
        if self.is_idle(now) { None } else { self.next_event(now) }
    }

    /// Whether there is nothing to tell, as far as that can be seen at once.
    #[inline(always)]
    fn is_idle(&self, now: Time) -> bool {
        self.arriving.is_waiting(self.direct.missing)
            && self.phase == Phase::Ready
            && self.framer.is_dry()
            && self.over.is_empty()
            && !self.is_late(now)
    }

    fn next_event(&mut self, now: Time) -> Option<Event<R, W>> {
        loop {
            match self.phase {
                Phase::Handshake | Phase::Ready => {}
                _ => match self.ending(now) {
                    Ok(event) => return event,
                    Err(Again) => continue,
                },
            }
            if !self.over.is_empty()
                && let Some(completion) = self.take_over()
            {
                return Some(Event::Completed(completion));
            }
            match self.step() {
                Ok(Step::Complete(slot, cqe)) => {
                    self.deadlines.remove(slot);
                    let Some(entry) = self.slots.get_mut(usize::from(slot)) else { continue };
                    if entry.is_fine(&cqe) {
                        self.free.push(slot);
                        return Some(Event::Completed(entry.end(slot, Ok(cqe))));
                    }
                    self.finish(slot, cqe);
                }
                Ok(Step::Ready) => return self.agreed.map(Event::Ready),
                Ok(Step::Starved) => {
                    if !self.is_late(now) {
                        return None;
                    }
                    if let Some(event) = self.expired(now) {
                        return Some(event);
                    }
                    if matches!(self.phase, Phase::Handshake | Phase::Ready) {
                        return None;
                    }
                }
                Err(failure) => self.fail(now, failure),
            }
        }
    }

    /// What there is to tell of a connection that has failed: why, then of its commands, then that it is to be closed.
    #[cold]
    fn ending(&mut self, now: Time) -> Result<Option<Event<R, W>>, Again> {
        if let Some(failure) = self.untold.take() {
            return Ok(Some(Event::Failed(failure)));
        }
        if let Some(completion) = self.take_over() {
            return Ok(Some(Event::Completed(completion)));
        }
        match self.phase {
            Phase::Terminating if self.ended => self.close_with(Close::Orderly),
            Phase::Terminating if now >= self.deadline => self.close_with(Close::Reset),
            Phase::Closing(how) => {
                self.phase = Phase::Closed;
                return Ok(Some(Event::Close(how)));
            }
            _ => return Ok(None),
        }
        Err(Again)
    }

    /// A command has a completion that has to be judged, or has to wait until nothing is being sent from its buffer any more.
    #[cold]
    fn finish(&mut self, slot: u16, cqe: Cqe) {
        let Some(entry) = self.slots.get_mut(usize::from(slot)) else { return };
        entry.stage = Stage::Over(entry.judge(cqe));
        if entry.lent == 0 {
            self.over.push(slot);
        }
    }

    /// When to poll next, whatever else happens; `None`: no timer runs. It may be earlier than there is anything to tell,
    /// but not often: then [`poll`](Self::poll) tells nothing, and a later time is named.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Time> {
        match self.phase {
            Phase::Handshake | Phase::Terminating => Some(self.deadline),
            Phase::Ready => {
                let command = self.deadlines.first();
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

    /// Whether [`expired`](Self::expired) may have something to do.
    #[inline(always)]
    fn is_late(&self, now: Time) -> bool {
        self.phase == Phase::Handshake
            || self.ended
            || self.keep_alive.is_some_and(|(_, due)| now >= due)
            || self.deadlines.first().is_some_and(|at| now >= at)
    }

    /// Timers, and the end of the stream, when all that came is handled.
    #[cold]
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
        if let Some(slot) = self.deadlines.overdue(now) {
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

    /// A command that was over and could not be told yet.
    #[cold]
    fn take_over(&mut self) -> Option<Completion<R, W>> {
        let slot = self.over.pop()?;
        let entry = self.slots.get_mut(usize::from(slot))?;
        let Stage::Over(result) = entry.stage else { return None };
        self.free.push(slot);
        Some(entry.end(slot, result))
    }

    /// The connection ends: tells the controller why if the protocol has words for it, and ends every command.
    #[cold]
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
    #[cold]
    fn close_with(&mut self, how: Close) {
        self.phase = Phase::Closing(how);
        let Self { outbox, slots, over, .. } = self;
        outbox.clear(|slot| give_back(slots, over, slot));
    }
}
