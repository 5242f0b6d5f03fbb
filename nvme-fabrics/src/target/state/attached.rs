//! The namespaces that a queue sees.
//!
//! Each queue has its own [`Attached`] for each namespace, so that what commands count and hold is in memory that no other thread writes to.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use super::{Controller, Drain, Letter, NamespaceState, lock};

/// What was done with a namespace. One thread adds, any may look.
#[derive(Debug, Default)]
pub(crate) struct Totals {
    pub(crate) reads: AtomicU64,
    pub(crate) writes: AtomicU64,
    pub(crate) bytes_read: AtomicU64,
    pub(crate) bytes_written: AtomicU64,
    pub(crate) media_errors: AtomicU64,
}

impl Totals {
    /// Adds to a counter that this thread alone writes to.
    pub(crate) fn bump(counter: &AtomicU64, by: u64) {
        counter.store(counter.load(Ordering::Relaxed).wrapping_add(by), Ordering::Relaxed);
    }

    /// A read of so many bytes was done.
    pub(crate) fn read(&self, bytes: u64) {
        Self::bump(&self.reads, 1);
        Self::bump(&self.bytes_read, bytes);
    }

    /// Adds what another one counted.
    pub(crate) fn add(&self, other: &Self) {
        let all = |t: &Self| {
            [&t.reads, &t.writes, &t.bytes_read, &t.bytes_written, &t.media_errors]
                .map(|counter| counter.load(Ordering::Relaxed))
        };
        let [reads, writes, bytes_read, bytes_written, media_errors] = all(other);
        self.reads.fetch_add(reads, Ordering::Relaxed);
        self.writes.fetch_add(writes, Ordering::Relaxed);
        self.bytes_read.fetch_add(bytes_read, Ordering::Relaxed);
        self.bytes_written.fetch_add(bytes_written, Ordering::Relaxed);
        self.media_errors.fetch_add(media_errors, Ordering::Relaxed);
    }
}

/// A namespace as one queue sees it. The number of references, less the view's, is the number of commands that are being done.
#[derive(Debug)]
pub(crate) struct Attached {
    pub(crate) namespace: Arc<NamespaceState>,
    pub(crate) controller: Arc<Controller>,
    /// The number of the queue.
    pub(crate) queue: u16,
    pub(crate) totals: Totals,
    /// The queue is to look at the namespace anew.
    retired: AtomicBool,
    /// Who waits until nobody holds this any more.
    drains: Mutex<Vec<Arc<Drain>>>,
}

impl Attached {
    /// Lets a wait end when the commands that have begun are done.
    pub(crate) fn drain(&self, drain: &Arc<Drain>) {
        drain.add();
        lock(&self.drains).push(drain.clone());
        self.retired.store(true, Ordering::Release);
        if let Some(mailbox) = lock(&self.controller.queues).io.get(&self.queue) {
            mailbox.send(Letter::Renew);
        }
    }
}

impl Drop for Attached {
    fn drop(&mut self) {
        self.namespace.detach(&self.totals);
        lock(&self.drains).drain(..).for_each(|drain| drain.one_done());
    }
}

/// The namespaces a queue sees, as they were when it last looked.
#[derive(Debug, Default)]
pub(crate) struct View {
    generation: Option<u64>,
    /// In ascending order of their numbers.
    attached: Vec<Arc<Attached>>,
}

impl View {
    /// The namespace with this number. Takes a lock only when namespaces came or went.
    pub(crate) fn find(
        &mut self,
        controller: &Arc<Controller>,
        queue: u16,
        nsid: u32,
    ) -> Option<&Arc<Attached>> {
        let generation = controller.subsystem.generation();
        if self.generation != Some(generation) {
            self.renew(controller, queue);
            self.generation = Some(generation);
        }
        // Namespaces are mostly numbered from 1 on without gaps.
        let place = (nsid as usize).wrapping_sub(1);
        match self.attached.get(place) {
            Some(found) if found.namespace.nsid.get() == nsid => {}
            _ => {
                let place = self.attached.binary_search_by_key(&nsid, |found| found.namespace.nsid.get());
                return place.ok().and_then(|place| self.attached.get(place));
            }
        }
        self.attached.get(place)
    }

    /// Lets go of what is to be looked at anew.
    pub(crate) fn forget_retired(&mut self) {
        self.attached.retain(|attached| !attached.retired.load(Ordering::Acquire));
        self.generation = None;
    }

    fn renew(&mut self, controller: &Arc<Controller>, queue: u16) {
        let namespaces = controller.subsystem.namespaces();
        let mut before = std::mem::take(&mut self.attached).into_iter().peekable();
        for namespace in namespaces.values() {
            while before.next_if(|old| old.namespace.nsid < namespace.nsid).is_some() {}
            let same = before.next_if(|old| Arc::ptr_eq(&old.namespace, namespace));
            self.attached.push(same.unwrap_or_else(|| {
                let attached = Arc::new(Attached {
                    namespace: namespace.clone(),
                    controller: controller.clone(),
                    queue,
                    totals: Totals::default(),
                    retired: AtomicBool::new(false),
                    drains: Mutex::default(),
                });
                namespace.attach(&attached);
                attached
            }));
        }
    }
}
