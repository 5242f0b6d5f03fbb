//! Asking the services of a crawl, several at a time.

use std::collections::VecDeque;
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::task::{Context, Poll};

use tokio::time::{Instant, sleep_until};

use super::plan::{Ask, Plan};
use super::{Bound, Crawl, CrawlLimits};
use crate::discovery::Discovered;
use crate::discovery::tcp::Service;

/// Crawls. `ask` gives the log of a service, whose entries it bounds by the number given; `late` is the result of one that was not through in time.
pub(in crate::discovery::tcp) async fn run<E, F>(
    services: impl IntoIterator<Item = Service>,
    limits: CrawlLimits,
    ask: impl Fn(Service, usize) -> F,
    late: impl Fn(&Service) -> E,
) -> Crawl<E>
where
    F: Future<Output = Result<Discovered, E>>,
{
    let mut plan = Plan::new(services, limits);
    let mut out_of_time = pin!(sleep_until(deadline(limits)));
    let mut entries: usize = 0;
    loop {
        let level = plan.level();
        if level.is_empty() {
            return plan.finish();
        }
        let mut asking = Asking::new(&level, limits.parallel);
        let in_time = poll_fn(|cx| {
            let left = |entries: usize| limits.entries.saturating_sub(entries);
            if asking.poll(cx, &mut entries, |at, entries| ask(at, left(entries))).is_ready() {
                return Poll::Ready(true);
            }
            out_of_time.as_mut().poll(cx).map(|()| false)
        })
        .await;
        if !in_time {
            plan.stop(Bound::Time);
        }
        let answers = asking.answers;
        for (ask, answer) in level.into_iter().zip(answers) {
            let answer = answer.unwrap_or_else(|| Err(late(&ask.at)));
            plan.answered(ask, answer);
        }
        plan.deeper();
    }
}

fn deadline(limits: CrawlLimits) -> Instant {
    let now = Instant::now();
    // A time beyond what the clock can hold is no bound.
    now.checked_add(limits.time).unwrap_or_else(|| now + std::time::Duration::from_secs(86_400 * 365))
}

/// The services of one level: waiting, being asked, or answered.
struct Asking<E, F> {
    waiting: VecDeque<(usize, Service)>,
    running: Vec<(usize, Pin<Box<F>>)>,
    parallel: usize,
    answers: Vec<Option<Result<Discovered, E>>>,
}

impl<E, F: Future<Output = Result<Discovered, E>>> Asking<E, F> {
    fn new(level: &[Ask], parallel: usize) -> Self {
        Self {
            waiting: level.iter().map(|ask| ask.at.clone()).enumerate().collect(),
            running: Vec::new(),
            parallel: parallel.max(1),
            answers: level.iter().map(|_| None).collect(),
        }
    }

    /// Ready when all are answered. `entries` counts those of all logs so far.
    fn poll(
        &mut self,
        cx: &mut Context<'_>,
        entries: &mut usize,
        ask: impl Fn(Service, usize) -> F,
    ) -> Poll<()> {
        loop {
            while self.running.len() < self.parallel
                && let Some((index, at)) = self.waiting.pop_front()
            {
                self.running.push((index, Box::pin(ask(at, *entries))));
            }
            if self.running.is_empty() {
                return Poll::Ready(());
            }
            let (before, answers) = (self.running.len(), &mut self.answers);
            self.running.retain_mut(|(index, future)| {
                let Poll::Ready(answer) = future.as_mut().poll(cx) else { return true };
                if let Ok(found) = &answer {
                    *entries = entries.saturating_add(found.log.entries.len());
                }
                if let Some(place) = answers.get_mut(*index) {
                    *place = Some(answer);
                }
                false
            });
            if self.running.len() == before {
                return Poll::Pending;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::time::Duration;

    use nvme_proto::discovery::{DiscoveryEntry, DiscoveryLog, SubsystemType};
    use nvme_proto::{Cntlid, SubsysNqn};
    use tokio::time::sleep;

    use super::*;
    use crate::discovery::DiscoveryController;
    use crate::discovery::tcp::Portal;

    fn service(port: u16) -> Service {
        Service { portal: Portal { traddr: "192.0.2.1".parse().unwrap(), port }, nqn: SubsysNqn::discovery() }
    }

    fn log(ports: impl IntoIterator<Item = u16>) -> Discovered {
        let refer = |port| {
            let Service { portal, nqn } = service(port);
            DiscoveryEntry::tcp(SubsystemType::REFERRAL, &nqn, &portal.traddr, portal.port)
        };
        let controller = DiscoveryController {
            subsystem_nqn: String::new(),
            model: String::new(),
            serial: String::new(),
            firmware: String::new(),
            cntlid: Cntlid(1),
        };
        Discovered { log: DiscoveryLog::new(1, ports.into_iter().map(refer).collect()), controller }
    }

    #[tokio::test(start_paused = true)]
    async fn one_that_keeps_silent_does_not_delay_the_others_of_its_level() {
        let (running, most) = (Cell::new(0), Cell::new(0));
        let ask = async |at: Service, _| {
            running.set(running.get() + 1);
            most.set(most.get().max(running.get()));
            let time = if at.portal.port == 1 { 60 } else { 1 };
            sleep(Duration::from_secs(time)).await;
            running.set(running.get() - 1);
            Ok::<_, ()>(log([]))
        };
        let start = Instant::now();
        let limits = CrawlLimits::default().parallel(3);
        let found = run((1..=9).map(service), limits, ask, |_| ()).await;
        assert_eq!(found.pages.iter().filter(|page| page.result.is_ok()).count(), 9);
        assert_eq!(found.pages[8].at, service(9), "the order is that of the services, not of the answers");
        assert_eq!((most.get(), start.elapsed().as_secs()), (3, 60));
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_known_when_time_is_over_is_the_result() {
        let ask = async |at: Service, _: usize| {
            if at.portal.port == 3 {
                std::future::pending::<()>().await;
            }
            Ok(log([at.portal.port + 1, at.portal.port + 2]))
        };
        let limits = CrawlLimits::default().time(Duration::from_secs(5));
        let found = run([service(1)], limits, ask, |at| at.to_string()).await;
        assert_eq!(found.stopped, Some(Bound::Time));
        let failures: Vec<_> = found.failures().map(|(_, late)| late.as_str()).collect();
        assert_eq!(failures, ["192.0.2.1:3"]);
        assert_eq!(found.pages.len(), 3, "1, then 2 and 3; what these refer to is not asked any more");
        assert!(
            found.skipped.iter().any(|s| s.why.to_string().contains("time is over")),
            "{:?}",
            found.skipped
        );
    }

    #[tokio::test]
    async fn every_log_may_have_what_the_others_have_left() {
        let asked = std::cell::RefCell::new(Vec::new());
        let ask = async |at: Service, left| {
            asked.borrow_mut().push((at.portal.port, left));
            Ok::<_, ()>(log(if at.portal.port == 1 { 2..5 } else { 9..9 }))
        };
        let limits = CrawlLimits::default().entries(10).parallel(1);
        run([service(1)], limits, ask, |_| ()).await;
        assert_eq!(*asked.borrow(), [(1, 10), (2, 7), (3, 7), (4, 7)]);
    }
}
