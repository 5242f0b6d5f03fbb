//! Which services are asked, without asking any.

use std::collections::HashSet;

use nvme_proto::discovery::{DiscoveryLog, EntryFlags, SubsystemType};

use super::{Bound, Crawl, CrawlLimits, Page, Referral, SkipReason, Skipped};
use crate::discovery::Discovered;
use crate::discovery::tcp::Service;
use crate::discovery::tcp::place::ServiceKey;

/// A crawl in progress: gives a level of services to ask, takes what they answer, and so on until a level is empty.
pub(super) struct Plan<E> {
    limits: CrawlLimits,
    /// Everything that was or is going to be asked.
    known: HashSet<ServiceKey>,
    /// How many services these are; `known` also has their other names.
    services: usize,
    /// The services of the next level.
    next: Vec<Ask>,
    depth: u32,
    pages: Vec<Page<E>>,
    skipped: Vec<Skipped>,
    entries: usize,
    stopped: Option<Bound>,
}

/// A service to ask.
pub(super) struct Ask {
    pub(super) at: Service,
    pub(super) referred_by: Option<Referral>,
}

impl<E> Plan<E> {
    /// Begins with these services; those given twice are asked once.
    pub(super) fn new(services: impl IntoIterator<Item = Service>, limits: CrawlLimits) -> Self {
        let mut plan = Self {
            limits,
            known: HashSet::new(),
            services: 0,
            next: Vec::new(),
            depth: 0,
            pages: Vec::new(),
            skipped: Vec::new(),
            entries: 0,
            stopped: None,
        };
        for at in services {
            if plan.known.insert(at.key()) {
                plan.services = plan.services.saturating_add(1);
                plan.next.push(Ask { at, referred_by: None });
            }
        }
        plan
    }

    /// The next level; empty at the end. Each of its services has to be answered by [`answered`](Self::answered), in this order.
    pub(super) fn level(&mut self) -> Vec<Ask> {
        std::mem::take(&mut self.next)
    }

    /// Takes the answer to one service of the level.
    pub(super) fn answered(&mut self, ask: Ask, result: Result<Discovered, E>) {
        let Ask { at, referred_by } = ask;
        let page = self.pages.len();
        if let Ok(found) = &result {
            self.also_known_as(&at, found);
            self.entries = self.entries.saturating_add(found.log.entries.len());
            if self.entries >= self.limits.entries {
                self.stop(Bound::Entries);
            }
            self.referrals(page, &at, &found.log);
        }
        self.pages.push(Page { at, depth: self.depth, referred_by, result });
    }

    /// The level is through.
    pub(super) fn deeper(&mut self) {
        self.depth = self.depth.saturating_add(1);
    }

    /// No further service is asked.
    pub(super) fn stop(&mut self, bound: Bound) {
        self.stopped.get_or_insert(bound);
    }

    pub(super) fn finish(self) -> Crawl<E> {
        Crawl { pages: self.pages, skipped: self.skipped, stopped: self.stopped }
    }

    /// A service that was asked by the well-known name has told its own: asking by that one would give the same log.
    fn also_known_as(&mut self, at: &Service, found: &Discovered) {
        if let Ok(nqn) = found.controller.subsystem_nqn.parse() {
            self.known.insert(Service { portal: at.portal.clone(), nqn }.key());
        }
    }

    fn referrals(&mut self, page: usize, from: &Service, log: &DiscoveryLog) {
        for (index, entry) in log.entries.iter().enumerate() {
            if entry.subsystem_type() != SubsystemType::REFERRAL {
                continue;
            }
            let referral = Referral { page, entry: index };
            let repeats = entry.flags().contains(EntryFlags::DUPLICATE_INFORMATION);
            let service = if repeats {
                Err(SkipReason::Repeats)
            } else {
                Service::of_referral(entry, &from.portal).and_then(|service| self.admit(service))
            };
            match service {
                Ok(at) => self.next.push(Ask { at, referred_by: Some(referral) }),
                Err(why) => self.skipped.push(Skipped { referral, why }),
            }
        }
    }

    /// Whether a service is asked on the next level.
    fn admit(&mut self, at: Service) -> Result<Service, SkipReason> {
        let key = at.key();
        if self.known.contains(&key) {
            return Err(SkipReason::AlreadyAsked { at });
        }
        let depth = self.depth.saturating_add(1);
        if depth > self.limits.depth {
            return Err(SkipReason::TooDeep { at, depth });
        }
        if self.services >= self.limits.services {
            self.stop(Bound::Services);
        }
        if let Some(bound) = self.stopped {
            return Err(SkipReason::Bound { at, bound });
        }
        self.known.insert(key);
        self.services = self.services.saturating_add(1);
        Ok(at)
    }
}

#[cfg(test)]
mod tests {
    use nvme_proto::discovery::DiscoveryEntry;
    use nvme_proto::{Cntlid, SubsysNqn};

    use super::*;
    use crate::discovery::DiscoveryController;
    use crate::discovery::tcp::Portal;

    fn service(text: &str) -> Service {
        let (ip, port) = text.rsplit_once(' ').unwrap();
        let portal = Portal { traddr: ip.parse().unwrap(), port: port.parse().unwrap() };
        Service { portal, nqn: SubsysNqn::discovery() }
    }

    /// A log with referrals to these places and one subsystem.
    fn log(referrals: &[&str]) -> Discovered {
        let mut entries: Vec<_> = referrals
            .iter()
            .map(|to| {
                let Service { portal, nqn } = service(to);
                DiscoveryEntry::tcp(SubsystemType::REFERRAL, &nqn, &portal.traddr, portal.port)
            })
            .collect();
        let sub = "sub".parse().unwrap();
        entries.push(DiscoveryEntry::tcp(SubsystemType::NVM, &sub, &"192.0.2.9".parse().unwrap(), 4420));
        let controller = DiscoveryController {
            subsystem_nqn: SubsysNqn::discovery().as_str().to_owned(),
            model: "m".into(),
            serial: "s".into(),
            firmware: "f".into(),
            cntlid: Cntlid(1),
        };
        Discovered { log: DiscoveryLog::new(1, entries), controller }
    }

    /// Crawls a network in which every place answers as `answer` says.
    fn crawl(
        from: &[&str],
        limits: CrawlLimits,
        answer: impl Fn(&str) -> Result<Discovered, ()>,
    ) -> Crawl<()> {
        let mut plan = Plan::new(from.iter().map(|text| service(text)), limits);
        loop {
            let level = plan.level();
            if level.is_empty() {
                return plan.finish();
            }
            for ask in level {
                let result = answer(&ask.at.to_string());
                plan.answered(ask, result);
            }
            plan.deeper();
        }
    }

    fn asked(crawl: &Crawl<()>) -> Vec<String> {
        crawl.pages.iter().map(|page| page.at.to_string()).collect()
    }

    const A: &str = "192.0.2.1:8009";
    const B: &str = "[2001:db8::1]:8009";

    #[test]
    fn two_that_refer_to_each_other_are_asked_once_each_whatever_the_spelling() {
        let found = crawl(&["192.0.2.1 8009"], CrawlLimits::default(), |at| {
            Ok(match at {
                A => log(&["2001:DB8:0:0::1 8009", "2001:db8::1 8009"]),
                B => log(&["::ffff:192.0.2.1 8009", "2001:db8:0::1 8009"]),
                _ => panic!("{at}"),
            })
        });
        assert_eq!(asked(&found), [A, B]);
        assert_eq!(found.pages[1].referred_by, Some(Referral { page: 0, entry: 0 }));
        assert_eq!((found.pages[1].depth, found.stopped), (1, None));
        let why: Vec<_> = found.skipped.iter().map(|skipped| skipped.referral).collect();
        let referral = |page, entry| Referral { page, entry };
        assert_eq!(why, [referral(0, 1), referral(1, 0), referral(1, 1)]);
        assert!(found.skipped.iter().all(|s| matches!(s.why, SkipReason::AlreadyAsked { .. })));
        // The subsystem is in both logs, and once among the entries; so are the referrals of two spellings.
        let entries: Vec<_> = found.entries().map(|(page, entry)| (page, entry.traddr_text())).collect();
        let text = |page, text: &str| (page, text.to_owned());
        assert_eq!(entries, [text(0, "2001:db8::1"), text(0, "192.0.2.9"), text(1, "::ffff:192.0.2.1")]);
    }

    #[test]
    fn a_chain_without_end_ends() {
        let endless = |at: &str| {
            let port: u16 = at.rsplit_once(':').unwrap().1.parse().unwrap();
            Ok(log(&[&format!("192.0.2.1 {}", port + 1)]))
        };
        let found = crawl(&["192.0.2.1 1000"], CrawlLimits::default().depth(3), endless);
        assert_eq!(found.pages.len(), 4);
        assert!(matches!(found.skipped[0].why, SkipReason::TooDeep { depth: 4, .. }), "{:?}", found.skipped);
        let found = crawl(&["192.0.2.1 1000"], CrawlLimits::default().depth(u32::MAX), endless);
        assert_eq!((found.pages.len(), found.stopped), (64, Some(Bound::Services)));
        let found = crawl(&["192.0.2.1 1000"], CrawlLimits::default().depth(0), endless);
        assert_eq!(found.pages.len(), 1);
    }

    #[test]
    fn a_service_that_refers_to_thousands_does_not_get_them_asked() {
        let many: Vec<String> = (1..5000).map(|port| format!("192.0.2.1 {port}")).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        let found = crawl(&["192.0.2.2 8009"], CrawlLimits::default().services(10), |at| {
            if at == "192.0.2.2:8009" { Ok(log(&many)) } else { Err(()) }
        });
        assert_eq!((found.pages.len(), found.stopped), (10, Some(Bound::Services)));
        assert_eq!((found.failures().count(), found.skipped.len()), (9, 4999 - 9));
        assert!(matches!(found.skipped[0].why, SkipReason::Bound { bound: Bound::Services, .. }));
    }

    #[test]
    fn entries_are_bounded_in_total() {
        let endless = |at: &str| {
            let port: u16 = at.rsplit_once(':').unwrap().1.parse().unwrap();
            Ok(log(&[&format!("192.0.2.1 {}", port + 1)]))
        };
        let found = crawl(&["192.0.2.1 1000"], CrawlLimits::default().entries(5), endless);
        assert_eq!((found.pages.len(), found.stopped), (3, Some(Bound::Entries)));
    }

    #[test]
    fn a_failure_costs_only_itself() {
        let found = crawl(&["192.0.2.1 1", "192.0.2.1 2", "192.0.2.1 1"], CrawlLimits::default(), |at| {
            if at.ends_with(":1") { Err(()) } else { Ok(log(&["192.0.2.1 3"])) }
        });
        assert_eq!(asked(&found), ["192.0.2.1:1", "192.0.2.1:2", "192.0.2.1:3"]);
        assert_eq!(found.failures().map(|(at, ())| at.to_string()).collect::<Vec<_>>(), ["192.0.2.1:1"]);
        assert_eq!(found.pages[2].referred_by, Some(Referral { page: 1, entry: 0 }));
    }

    #[test]
    fn a_service_of_two_names_is_asked_by_one() {
        let own = |mut found: Discovered| {
            found.controller.subsystem_nqn = "own".into();
            found
        };
        let mut to_own = log(&["192.0.2.1 8009"]);
        to_own.log.entries[0].set_subnqn(&"own".parse().unwrap());
        let found = crawl(&["192.0.2.1 8009"], CrawlLimits::default(), |_| Ok(own(to_own.clone())));
        assert_eq!(found.pages.len(), 1);
        // At another port it may say something else.
        to_own.log.entries[0].set_trsvcid(&8010.into());
        let found = crawl(&["192.0.2.1 8009"], CrawlLimits::default(), |_| Ok(own(to_own.clone())));
        assert_eq!(asked(&found), ["192.0.2.1:8009", "192.0.2.1:8010 (own)"]);
    }

    #[test]
    fn what_repeats_this_log_is_not_read_again_nor_is_the_service_itself() {
        let mut found = log(&["192.0.2.2 8009", "192.0.2.3 8009"]);
        found.log.entries[0].set_flags(EntryFlags::DUPLICATE_INFORMATION);
        found.log.entries[1].set_subsystem_type(SubsystemType::CURRENT_DISCOVERY);
        let found = crawl(&["192.0.2.1 8009"], CrawlLimits::default(), |_| Ok(found.clone()));
        assert_eq!(found.pages.len(), 1);
        assert_eq!(found.skipped.len(), 1);
        assert_eq!(found.skipped[0].why, SkipReason::Repeats);
    }
}
