//! Commands of one task that are submitted and watched together.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::Waker;

use super::table::{Failed, Over};
use super::{DEEP, Queue, Request, ToSqe};

/// Commands of one task: all that are new go to the queue at once, and all that are over come back at once, by one look at the lock and with one waker for
/// all. When it is dropped, its commands run on unseen, as those of futures do.
#[derive(Debug)]
pub(crate) struct Group {
    queue: Arc<Queue>,
    index: u32,
    /// Others had their turn since it was woken.
    yielded: bool,
}

impl Group {
    /// A group without commands.
    pub(crate) fn new(queue: Arc<Queue>) -> Self {
        let index = queue.lock().table.open_group();
        Self { queue, index, yielded: false }
    }

    /// Its queue.
    pub(crate) const fn queue(&self) -> &Arc<Queue> {
        &self.queue
    }

    /// Submits all of `new`, so that there are `running`, and moves to `over` what is. If that is nothing, `waker` is woken when it is something.
    ///
    /// If the connection is lent, all is sent and received right here. Of many, what has come is received when others on this thread, who may be
    /// sending more, have had their turn: otherwise a deep queue falls into parts that never meet. With digests at depth 32 that is 0.71 of the raw row
    /// instead of 0.51.
    pub(crate) fn exchange<C: ToSqe>(
        &mut self,
        new: &mut Vec<(u64, Request<C>)>,
        running: usize,
        over: &mut VecDeque<Over>,
        waker: Option<&Waker>,
    ) {
        let queue = &*self.queue;
        let news = !new.is_empty();
        if !news
            && running >= DEEP
            && queue.rung.load(Ordering::Acquire)
            && let Some(waker) = waker
            && !std::mem::replace(&mut self.yielded, true)
        {
            waker.wake_by_ref();
            return;
        }
        self.yielded = false;
        let (lent, task) = {
            let mut shared = queue.lock();
            for (token, mut request) in new.drain(..) {
                match shared.refuses(queue.max_waiting, false) {
                    None => shared.table.add_to(self.index, token, &mut request),
                    Some(fault) => {
                        let Request { command, data, watch, effect } = request;
                        let request = Request { command: command.to_sqe(), data, watch, effect };
                        let failed = Failed { request, fault, timed_out: false };
                        over.push_back(Over { token, result: Err(Box::new(failed)) });
                    }
                }
            }
            if news {
                queue.news.store(true, Ordering::Release);
            }
            shared.table.take_over(self.index, over);
            let lent = if news || queue.rung.load(Ordering::Acquire) { shared.lent.clone() } else { None };
            let task = if news && lent.is_none() { shared.task.take() } else { None };
            if lent.is_none()
                && over.is_empty()
                && let Some(waker) = waker
            {
                shared.watch(self.index, waker);
            }
            (lent, task)
        };
        if let Some(task) = task {
            task.wake();
        }
        let Some(lent) = lent else { return };
        lent.drive();
        let mut shared = queue.lock();
        shared.table.take_over(self.index, over);
        if over.is_empty()
            && let Some(waker) = waker
        {
            shared.watch(self.index, waker);
        }
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        // A statement of its own: the lock is free again when what comes back is dropped.
        let gone = self.queue.lock().table.close_group(self.index);
        drop(gone);
    }
}
