//! One command as a future.

use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};

use nvme_proto::sqe::Sqe;

use super::{Finished, Queue, Request, ToSqe};

/// A command that is submitted when it is polled first, and ready when it is over. It may be dropped at any time.
#[derive(Debug)]
pub(crate) struct Op<'q, C = Sqe> {
    queue: &'q Queue,
    /// What is submitted. Its data go into the table.
    request: Request<C>,
    /// It goes ahead while the controller is being set up.
    first: bool,
    stage: Stage,
    /// Where it is in the table.
    entry: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// Not polled yet.
    New,
    /// In the table.
    Running,
    Over,
}

impl<'q, C: ToSqe> Op<'q, C> {
    #[inline]
    pub(super) const fn new(queue: &'q Queue, request: Request<C>, first: bool) -> Self {
        Self { queue, request, first, stage: Stage::New, entry: 0 }
    }

    /// Its queue.
    pub(crate) const fn queue(&self) -> &'q Queue {
        self.queue
    }

    /// What was submitted, without its data.
    pub(crate) const fn request(&self) -> &Request<C> {
        &self.request
    }

    /// Puts the command into the table.
    fn begin(&mut self, cx: &Context<'_>) -> Poll<Finished> {
        let task = {
            let mut shared = self.queue.lock();
            if let Some(fault) = shared.refuses(self.queue.max_waiting, self.first) {
                self.stage = Stage::Over;
                let data = std::mem::take(&mut self.request.data);
                return Poll::Ready(Finished { result: Err(fault), data, timed_out: false });
            }
            self.entry = shared.table.add(&mut self.request, cx.waker().clone());
            self.stage = Stage::Running;
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

impl<C: ToSqe + Unpin> Future for Op<'_, C> {
    type Output = Finished;

    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Finished> {
        match self.stage {
            Stage::New => self.begin(cx),
            Stage::Running => {
                let finished = self.queue.lock().table.poll(self.entry, cx);
                if finished.is_ready() {
                    self.stage = Stage::Over;
                }
                finished
            }
            Stage::Over => Poll::Pending,
        }
    }
}

impl<C> Drop for Op<'_, C> {
    fn drop(&mut self) {
        if self.stage == Stage::Running {
            // A statement of its own: the lock is free again when what comes back is dropped.
            let gone = self.queue.lock().table.abandon(self.entry);
            drop(gone);
        }
    }
}
