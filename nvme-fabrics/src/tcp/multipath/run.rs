//! A request on its way through the paths.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, sleep, sleep_until, timeout_at};

use super::super::error::CommandError;
use super::super::namespace::Namespace;
use super::disk::{DiskCore, Picked};
use super::member::Member;
use super::path::Busy;
use super::verdict::{Circumstances, Nature, PathNews, Verdict, retry_delay, verdict};
use super::{DiskError, NoPath, PathId};

/// How often a command is sent again that fails for the moment, as the kernel's host does it (`core.c: nvme_max_retries`).
const RETRIES: u32 = 5;
/// How long is waited before paths are tried again where the command has failed: from, to.
const PAUSES: (Duration, Duration) = (Duration::from_millis(20), Duration::from_secs(1));

/// A request and what it has been through.
///
/// **Ask for a [`path`](Self::path), try there; if it fails, say so by [`failed`](Self::failed) and ask again. An error of either is that of the request.**
pub(super) struct Journey<'d> {
    disk: &'d DiskCore,
    nature: Nature,
    /// Paths where it failed since the last wait.
    tried: Vec<PathId>,
    retries: u32,
    last: Option<CommandError>,
    waiting: Option<Waiting>,
}

/// A path that a request takes.
pub(super) struct Lease {
    member: Arc<Member>,
    pub(super) namespace: Namespace,
    _busy: Busy,
}

/// A request that waits for a path.
struct Waiting {
    since: Instant,
    news: watch::Receiver<u64>,
    pause: Duration,
}

impl DiskCore {
    /// A request that begins.
    pub(super) const fn begin(&self, nature: Nature) -> Journey<'_> {
        Journey { disk: self, nature, tried: Vec::new(), retries: 0, last: None, waiting: None }
    }
}

impl Journey<'_> {
    /// The path to try next, waiting for one if there is none.
    pub(super) async fn path(&mut self) -> Result<Lease, DiskError> {
        loop {
            match self.disk.pick(&self.tried) {
                Picked::Path(member) => {
                    if let Some(namespace) = member.namespace() {
                        let busy = Busy::new(&member.path);
                        return Ok(Lease { member, namespace, _busy: busy });
                    }
                }
                Picked::Wait => {}
                Picked::None => return Err(self.no_path()),
            }
            self.wait().await?;
        }
    }

    /// Decides what becomes of the request after it failed on a path.
    pub(super) async fn failed(&mut self, lease: Lease, error: CommandError) -> Result<(), DiskError> {
        let path = Arc::clone(&lease.member.path);
        drop(lease); // it is not on its way any more
        let fence = path.fence();
        let late = self.disk.shared.options.late_writes;
        let known = Circumstances { nature: self.nature, late, fence: fence.is_some() };
        let delays = {
            let identify = path.controller.identify();
            [identify.retry_delay_1(), identify.retry_delay_2(), identify.retry_delay_3()]
        };
        match verdict(&error, retry_delay(error.status(), delays), known) {
            Verdict::Answer => return Err(error.into()),
            Verdict::Elsewhere(news) => {
                if news == PathNews::Ana {
                    path.doubt(self.disk.identity.nsid);
                    self.disk.regrade();
                }
                self.tried.push(path.id);
            }
            Verdict::Again(_) if self.retries >= RETRIES => return Err(error.into()),
            Verdict::Again(pause) => {
                self.retries = self.retries.saturating_add(1);
                sleep(pause).await;
            }
            Verdict::AfterFence => {
                if let Some(fence) = fence {
                    sleep_until(fence).await;
                }
                self.tried.clear();
            }
            Verdict::FailAfterFence => {
                if let Some(fence) = fence {
                    sleep_until(fence).await;
                }
                return Err(error.into());
            }
        }
        self.last = Some(error);
        Ok(())
    }

    /// Waits until a path may be there.
    async fn wait(&mut self) -> Result<(), DiskError> {
        let limit = match self.disk.shared.options.no_path {
            NoPath::Fail => return Err(self.no_path()),
            NoPath::Wait(limit) => Some(limit),
            NoPath::WaitForEver => None,
        };
        let Some(waiting) = &mut self.waiting else {
            // First it is made sure that no news is missed; then it is looked once more.
            let news = self.disk.shared.changed();
            self.waiting = Some(Waiting { since: Instant::now(), news, pause: PAUSES.0 });
            return Ok(());
        };
        let _counted = Counted::new(self.disk)?;
        let end = limit.and_then(|limit| waiting.since.checked_add(limit));
        if end.is_some_and(|end| end <= Instant::now()) {
            return Err(self.no_path());
        }
        // Where it failed it is tried again after a while even without news: the trouble may have passed.
        let again = match self.tried.is_empty() {
            true => None,
            false => Instant::now().checked_add(waiting.pause),
        };
        let until = [end, again].into_iter().flatten().min();
        waiting.pause = waiting.pause.saturating_mul(2).min(PAUSES.1);
        match until {
            // The sender lives as long as this disk.
            None => drop(waiting.news.changed().await),
            Some(until) => drop(timeout_at(until, waiting.news.changed()).await),
        }
        self.tried.clear();
        Ok(())
    }

    fn no_path(&self) -> DiskError {
        let waited = self.waiting.as_ref().map_or(Duration::ZERO, |waiting| waiting.since.elapsed());
        DiskError::NoPath { waited, last: self.last.clone().map(Box::new) }
    }
}

/// A request that waits, counted.
struct Counted<'d>(&'d DiskCore);

impl<'d> Counted<'d> {
    fn new(disk: &'d DiskCore) -> Result<Self, DiskError> {
        let waiting = disk.waiting.fetch_add(1, Ordering::Relaxed);
        let counted = Self(disk);
        if waiting >= disk.shared.options.max_waiting {
            return Err(DiskError::Busy { waiting });
        }
        Ok(counted)
    }
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Ordering::Relaxed);
    }
}
