//! Events and timers.

use super::event::{Buffer, Event, Incoming, Tag};
use super::receive::{Layout, Step};
use super::slot::{Stage, give_back};
use super::{Arriving, CommandData, Controller, Reply};
use crate::Status;
use crate::machine::{Close, Direct, Failure, Phase, Time, term_req};
use crate::pdu::{Answer, FatalErrorStatus, Role};

/// There may be something to tell now that was not before.
struct Again;

impl<R: AsMut<[u8]>, W: AsRef<[u8]>> Controller<R, W> {
    /// What has happened; `None` when nothing more will happen before bytes come, room in the socket does, an answer, or the time of
    /// [`poll_timeout`](Self::poll_timeout).
    #[inline(always)]
    pub fn poll(&mut self, now: Time) -> Option<Event<'_, R, W>> {
        // Buffers come back as often as commands come: told on a short way that is part of the caller.
        while self.phase == Phase::Ready
            && let Some(slot) = self.over.front().copied()
        {
            if let Some((tag, buffer)) = self.take_over(slot) {
                return Some(Event::Released { tag, buffer });
            }
        }
        if self.is_idle(now) { None } else { self.next_event(now) }
    }

    /// Whether there is nothing to tell, as far as that can be seen at once; buffers that come back aside.
    #[inline(always)]
    fn is_idle(&self, now: Time) -> bool {
        self.arriving.is_waiting(self.direct.missing)
            && self.phase == Phase::Ready
            && self.framer.is_dry()
            && self.expired(now).is_none()
    }

    fn next_event(&mut self, now: Time) -> Option<Event<'_, R, W>> {
        let step = loop {
            match self.phase {
                Phase::Handshake | Phase::Ready => {}
                _ => match self.ending(now) {
                    Ok(event) => return event,
                    Err(Again) => continue,
                },
            }
            match self.step(now) {
                Ok(step @ (Step::Command | Step::Lend(..) | Step::Rejected(_))) => break step,
                Ok(Step::Fetched(slot)) => {
                    if let Some((tag, buffer)) = self.take_fetched(slot) {
                        return Some(Event::Fetched { tag, buffer });
                    }
                }
                Ok(Step::FetchFailed(slot)) => {
                    if let Some((tag, buffer)) = self.take_fetched(slot) {
                        return Some(Event::FetchFailed { tag, buffer });
                    }
                }
                Ok(Step::Ready) => return self.agreed.map(Event::Ready),
                Ok(Step::Starved) => match self.expired(now) {
                    Some(failure) => self.fail(now, failure),
                    None => return None,
                },
                Err(failure) => self.fail(now, failure),
            }
        };
        if let Step::Lend(_, Layout::Framed) = step {
            return self.lend();
        }
        let (tag, sqe) = (self.tag, &self.sqe);
        match step {
            Step::Rejected(status) => Some(Event::Rejected { sqe, status }),
            // All of the data have come: that was looked at.
            Step::Lend(len, _) => {
                let data = CommandData::InCapsule(self.framer.take_data(len)?);
                Some(Event::Command(Incoming { tag, sqe, data }))
            }
            _ => Some(Event::Command(Incoming { tag, sqe, data: self.data })),
        }
    }

    /// The buffer that data were fetched into.
    #[inline]
    fn take_fetched(&mut self, slot: u16) -> Option<(Tag, R)> {
        let entry = self.slots.get_mut(usize::from(slot))?;
        Some((Tag { slot, serial: entry.serial }, entry.fetch.take()?))
    }

    /// What there is to tell of a connection that has failed: why, then of its buffers, then that it is to be closed.
    #[cold]
    fn ending(&mut self, now: Time) -> Result<Option<Event<'static, R, W>>, Again> {
        if let Some(failure) = self.untold.take() {
            return Ok(Some(Event::Failed(failure)));
        }
        while let Some(slot) = self.over.front().copied() {
            if let Some((tag, buffer)) = self.take_over(slot) {
                return Ok(Some(Event::Released { tag, buffer }));
            }
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

    /// The command with its data, if their digest is right.
    #[inline(never)]
    fn lend(&mut self) -> Option<Event<'_, R, W>> {
        let Self { framer, slots, work, connecting, sqe, tag, .. } = self;
        let data = framer.data()?;
        if data.digest.is_ok() {
            return Some(Event::Command(Incoming {
                tag: *tag,
                sqe,
                data: CommandData::InCapsule(data.bytes),
            }));
        }
        let status = Status::TRANSIENT_TRANSPORT_ERROR;
        if let Some(entry) = slots.get_mut(tag.slot()) {
            entry.stage = Stage::Answering(Reply::failed(status));
            *connecting &= entry.connect.take().is_none();
            work.push(tag.slot);
        }
        Some(Event::Rejected { sqe, status })
    }

    /// When to poll next, whatever else happens; `None`: no timer runs.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Time> {
        match self.phase {
            Phase::Handshake | Phase::Terminating => Some(self.deadline),
            Phase::Ready => self.keep_alive.map(|(_, due)| due),
            Phase::Closing(_) | Phase::Closed => None,
        }
    }

    /// The host closed the connection, or the socket failed: nothing more will be received.
    pub fn end_of_stream(&mut self) {
        self.ended = true;
    }

    /// Ends the connection from this side. Nothing that is queued is sent any more.
    pub fn close(&mut self, now: Time) {
        if matches!(self.phase, Phase::Handshake | Phase::Ready) {
            self.fail(now, Failure::Closed);
        }
    }

    /// The end of the stream and the timers, when all that came is handled.
    #[inline(always)]
    fn expired(&self, now: Time) -> Option<Failure> {
        if self.ended {
            return Some(Failure::EndOfStream);
        }
        match (self.phase, self.keep_alive) {
            (Phase::Handshake, _) if now >= self.deadline => {
                Some(Failure::HandshakeTimeout { waited: self.config.handshake_timeout })
            }
            (Phase::Ready, Some((keep_alive, due))) if now >= due => {
                Some(Failure::KeepAliveExpired { timeout: keep_alive.interval() })
            }
            _ => None,
        }
    }

    /// A buffer of the slot in front of those that are over, if it has one; the slot becomes free with the last one.
    #[inline(always)]
    fn take_over(&mut self, slot: u16) -> Option<(Tag, Buffer<R, W>)> {
        let Some(entry) = self.slots.get_mut(usize::from(slot)) else {
            self.over.pop();
            return None;
        };
        let tag = Tag { slot, serial: entry.serial };
        if entry.fetch.is_some() && entry.send.is_some() {
            return entry.fetch.take().map(|buffer| (tag, Buffer::Fetch(buffer)));
        }
        entry.stage = Stage::Free;
        self.over.pop();
        self.free.push(slot);
        match entry.send.take() {
            Some(buffer) => Some((tag, Buffer::Send(buffer))),
            None => entry.fetch.take().map(|buffer| (tag, Buffer::Fetch(buffer))),
        }
    }

    /// The connection ends: tells the host why if the protocol has words for it, and ends every command.
    #[cold]
    fn fail(&mut self, now: Time, failure: Failure) {
        self.untold = Some(failure);
        self.arriving = Arriving::Nothing;
        self.direct = Direct::default();
        self.work.clear();
        let Self { outbox, slots, over, .. } = self;
        outbox.keep_begun(|slot| give_back(slots, over, slot));
        for (slot, entry) in (0_u16..).zip(&mut self.slots) {
            if !matches!(entry.stage, Stage::Free | Stage::Answered) {
                entry.stage = Stage::Answered;
                if entry.lent == 0 {
                    self.over.push(slot);
                }
            }
        }
        let answer = match failure {
            Failure::Violation(error) => error.answer(),
            // The DGST byte of ICReq.
            Failure::DigestsRefused { .. } => {
                Answer::TermReq { fes: FatalErrorStatus::UNSUPPORTED_PARAMETER, fei: 11 }
            }
            _ => Answer::Close,
        };
        match answer {
            Answer::TermReq { fes, fei } => {
                let request = term_req(Role::Controller, fes, fei, self.framer.offending());
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
