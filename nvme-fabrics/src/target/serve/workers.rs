//! Threads that serve connections.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::JoinHandle;

use tokio::runtime::{Builder, Handle};
use tokio::sync::oneshot;

/// Where connections run: on threads of the server, each with a runtime of its own, or where the server was started.
///
/// A connection stays on its thread: it is served without a lock that another connection of the thread could hold.
#[derive(Debug)]
pub(super) struct Workers {
    workers: Vec<Worker>,
}

#[derive(Debug)]
pub(super) struct Worker {
    /// `None`: the runtime that the server was started in.
    handle: Option<Handle>,
    load: Arc<AtomicUsize>,
}

/// The threads; to be ended by whoever started them.
#[derive(Debug, Default)]
pub(super) struct Threads {
    threads: Vec<(JoinHandle<()>, oneshot::Sender<()>)>,
}

impl Workers {
    /// Everything runs where the server was started.
    pub(super) fn in_place() -> Self {
        Self { workers: vec![Worker { handle: None, load: Arc::default() }] }
    }

    /// This many threads.
    pub(super) fn start(count: usize) -> io::Result<(Self, Threads)> {
        let mut workers = Vec::with_capacity(count);
        let mut threads = Threads::default();
        for number in 0..count {
            let runtime = Builder::new_current_thread().enable_all().build()?;
            workers.push(Worker { handle: Some(runtime.handle().clone()), load: Arc::default() });
            let (stop, stopped) = oneshot::channel();
            let thread =
                std::thread::Builder::new().name(format!("nvme-target-{number}")).spawn(move || {
                    // An error is the sender's end, which says the same.
                    let _ = runtime.block_on(stopped);
                })?;
            threads.threads.push((thread, stop));
        }
        Ok((Self { workers }, threads))
    }

    /// The worker with the fewest connections.
    pub(super) fn least_busy(&self) -> &Worker {
        static NOBODY: std::sync::LazyLock<Worker> =
            std::sync::LazyLock::new(|| Worker { handle: None, load: Arc::default() });
        self.workers.iter().min_by_key(|worker| worker.load.load(Ordering::Relaxed)).unwrap_or(&NOBODY)
    }
}

impl Worker {
    /// Where its tasks are spawned; `None`: where the server was started.
    pub(super) const fn handle(&self) -> Option<&Handle> {
        self.handle.as_ref()
    }

    /// Counts a connection until what is returned is dropped.
    pub(super) fn enter(&self) -> Load {
        self.load.fetch_add(1, Ordering::Relaxed);
        Load(Arc::clone(&self.load))
    }
}

/// A connection that is counted.
#[derive(Debug)]
pub(super) struct Load(Arc<AtomicUsize>);

impl Drop for Load {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Threads {
    /// Ends the threads, and every task on them. Waits until they have ended unless it is called on one of them.
    pub(super) fn end(&mut self) {
        let this = std::thread::current().id();
        let threads: Vec<JoinHandle<()>> =
            self.threads.drain(..).map(|(thread, stop)| (thread, drop(stop)).0).collect();
        for thread in threads {
            if thread.thread().id() != this {
                let _ = thread.join();
            }
        }
    }
}

impl Drop for Threads {
    fn drop(&mut self) {
        self.end();
    }
}
