//! Where a connection is while it is driven by its task, and by callers if it is lent.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering, fence};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError};
use std::task::{Context, Waker};

use super::Queue;
use super::driver::{By, Engine};
use crate::net::Stream;

/// A connection that is lent.
pub(crate) trait Drive: Send + Sync + fmt::Debug {
    /// One turn on behalf of a caller, with the queue's own waker: it sends what waits and takes what has come. If somebody else is at it, that is told to look
    /// again.
    fn drive(&self);
}

/// A connection and its lock.
pub(super) struct Home<S> {
    engine: Mutex<Engine<S>>,
    /// Somebody could not have it, and has something for it.
    missed: AtomicBool,
    queue: Arc<Queue>,
    /// That of the queue.
    waker: Waker,
}

impl<S> Home<S> {
    pub(super) fn new(engine: Engine<S>, queue: Arc<Queue>) -> Self {
        let waker = Waker::from(Arc::clone(&queue));
        Self { engine: Mutex::new(engine), missed: AtomicBool::new(false), queue, waker }
    }

    /// The waker of the queue.
    pub(super) const fn waker(&self) -> &Waker {
        &self.waker
    }

    /// The connection, once nobody is at it.
    pub(super) fn wait(&self) -> MutexGuard<'_, Engine<S>> {
        self.engine.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Does something with the connection if nobody else is at it; else whoever is wakes the task afterwards.
    pub(super) fn with<T>(&self, what: impl FnOnce(&mut Engine<S>) -> T) -> Option<T> {
        let mut engine = match self.lock() {
            Some(engine) => engine,
            None => {
                self.missed.store(true, Ordering::Relaxed);
                // Either this sees that the other has gone, or the other sees what was stored.
                fence(Ordering::SeqCst);
                self.lock()?
            }
        };
        let result = what(&mut engine);
        drop(engine);
        fence(Ordering::SeqCst);
        if self.missed.load(Ordering::Relaxed) && self.missed.swap(false, Ordering::Relaxed) {
            self.waker.wake_by_ref();
        }
        Some(result)
    }

    fn lock(&self) -> Option<MutexGuard<'_, Engine<S>>> {
        match self.engine.try_lock() {
            Ok(engine) => Some(engine),
            Err(TryLockError::Poisoned(engine)) => Some(engine.into_inner()),
            Err(TryLockError::WouldBlock) => None,
        }
    }

    pub(super) const fn queue(&self) -> &Arc<Queue> {
        &self.queue
    }
}

impl<S: Stream + Send> Drive for Home<S> {
    fn drive(&self) {
        // That it ends is left to the task.
        let _ = self.with(|engine| engine.turn(By::Caller, &mut Context::from_waker(&self.waker)));
    }
}

impl<S> fmt::Debug for Home<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Home").field("queue", &self.queue.id()).finish_non_exhaustive()
    }
}
