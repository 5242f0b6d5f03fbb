//! One command as a future.

use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};

use super::{Fault, Finished, Queue, Request};

/// A command that is submitted when it is polled first, and ready when it is over. It may be dropped at any time.
#[derive(Debug)]
pub(crate) struct Op<'q> {
    queue: &'q Queue,
    /// It goes ahead while the controller is being set up.
    first: bool,
    state: State,
}

#[derive(Debug)]
enum State {
    /// Not polled yet.
    New(Request),
    /// In the table.
    Running(u32),
    Over,
}

impl<'q> Op<'q> {
    pub(super) const fn new(queue: &'q Queue, request: Request, first: bool) -> Self {
        Self { queue, first, state: State::New(request) }
    }

    /// Puts the command into the table.
    fn begin(&mut self, request: Request, cx: &Context<'_>) -> Poll<Finished> {
        let task = {
            let mut shared = self.queue.lock();
            let refused = match () {
                () if !shared.up || shared.close || !(shared.open || self.first) => Some(Fault::Down),
                () if shared.table.waiting() >= self.queue.max_waiting => Some(Fault::Busy),
                () => None,
            };
            if let Some(fault) = refused {
                return Poll::Ready(Finished { result: Err(fault), data: request.data, timed_out: false });
            }
            self.state = State::Running(shared.table.add(request, cx.waker().clone()));
            self.queue.news.store(true, Ordering::Release);
            // Taken: the commands that come before the task runs need not wake it again.
            shared.task.take()
        };
        // Not below the lock: the task may be run right here.
        if let Some(task) = task {
            task.wake();
        }
        Poll::Pending
    }
}

impl Future for Op<'_> {
    type Output = Finished;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Finished> {
        match std::mem::replace(&mut self.state, State::Over) {
            State::New(request) => self.begin(request, cx),
            State::Running(entry) => {
                let finished = self.queue.lock().table.poll(entry, cx);
                if finished.is_pending() {
                    self.state = State::Running(entry);
                }
                finished
            }
            State::Over => Poll::Pending,
        }
    }
}

impl Drop for Op<'_> {
    fn drop(&mut self) {
        if let State::Running(entry) = self.state {
            // A statement of its own: the lock is free again when what comes back is dropped.
            let gone = self.queue.lock().table.abandon(entry);
            drop(gone);
        }
    }
}
