//! Asynchronous Event Requests that wait for something to happen, and Abort.

use std::collections::VecDeque;

use nvme_proto::Status;
use nvme_proto::command::admin::Abort;
use nvme_proto::controller::{Reply, Tag};

use super::{AdminQueue, Answer, Notice};
use crate::target::state::lock;

/// Requests that wait, and answers to those that need not wait any longer. Neither is ever more than [`Waiting::MOST`].
#[derive(Debug, Default)]
pub(super) struct Waiting {
    /// Each with its command identifier.
    requests: VecDeque<(Tag, u16)>,
    answers: VecDeque<(Tag, Reply)>,
}

impl Waiting {
    /// Requests that may wait (AERL, counted from 1).
    pub(super) const MOST: usize = 4;

    /// Whether an answer is there.
    pub(super) fn has_answers(&self) -> bool {
        !self.answers.is_empty()
    }

    /// An answer.
    pub(super) fn answer(&mut self) -> Option<(Tag, Reply)> {
        self.answers.pop_front()
    }

    /// Nothing will be reported any more: every request is answered with this.
    pub(super) fn give_up(&mut self, status: Status) {
        let requests = self.requests.drain(..);
        self.answers.extend(requests.map(|(tag, _)| (tag, Reply::failed(status))));
    }
}

impl AdminQueue {
    /// A request: answered at once if something waits to be reported.
    pub(super) fn wait_for_event(&mut self, tag: Tag, command: u16) -> Result<Answer, Status> {
        // Requests that are answered, but not yet told, still have their places.
        if self.waiting.requests.len() + self.waiting.answers.len() >= Waiting::MOST {
            return Err(Status::ASYNCHRONOUS_EVENT_REQUEST_LIMIT_EXCEEDED.with_dnr());
        }
        if let Some(event) = lock(&self.controller.events).report() {
            return Ok(Answer::result(event.0));
        }
        self.waiting.requests.push_back((tag, command));
        Ok(Answer::Later)
    }

    /// An event for the request that has waited longest.
    pub(super) fn report(&mut self) -> Option<Notice> {
        self.waiting.requests.front()?;
        let event = lock(&self.controller.events).report()?;
        let (tag, _) = self.waiting.requests.pop_front()?;
        Some(Notice::Answer(tag, Reply::with_result(event.0.into())))
    }

    /// Abort. Commands that wait for an event are aborted; all others are done so soon that they are not: the answer says 1 for those.
    pub(super) fn abort(&mut self, command: &Abort) -> Answer {
        let found = match command.queue {
            0 => self.waiting.requests.iter().position(|(_, cid)| *cid == command.command),
            _ => None,
        };
        match found.and_then(|place| self.waiting.requests.remove(place)) {
            Some((tag, _)) => {
                self.waiting.answers.push_back((tag, Reply::failed(Status::ABORT_REQUESTED)));
                Answer::result(0_u32)
            }
            None => Answer::result(1_u32),
        }
    }
}
