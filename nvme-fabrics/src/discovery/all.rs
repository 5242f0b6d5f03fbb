//! Connecting everything that discovery finds, with a result for each entry.

use std::collections::{BTreeSet, VecDeque};

use super::select::{Decision, SkipReason, decide};
use super::{Discovered, DiscoveryRequest};
use crate::config::Exclusions;
use crate::kernel::connect::{ConnectError, Connected};
use crate::kernel::errno::Errno;
use crate::kernel::names::ControllerName;
use crate::options::{ConnectOptions, OptionError};

/// Whether referrals to other discovery services are followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Referrals {
    /// Each service is asked once, whoever refers to it: services that refer to each other are no loop.
    Follow,
    /// Only the service that was named is asked.
    Leave,
}

/// What to do beyond the entries themselves, and how far to go.
#[derive(Debug, Clone)]
#[must_use]
pub struct ConnectAll {
    referrals: Referrals,
    services: usize,
    entries: usize,
    exclusions: Exclusions,
}

impl Default for ConnectAll {
    fn default() -> Self {
        Self::new()
    }
}

impl ConnectAll {
    /// Referrals are followed, to at most 64 discovery services and 4096 entries.
    pub const fn new() -> Self {
        Self { referrals: Referrals::Follow, services: 64, entries: 4096, exclusions: Exclusions::none() }
    }

    /// Whether referrals are followed.
    pub fn referrals(mut self, referrals: Referrals) -> Self {
        self.referrals = referrals;
        self
    }

    /// The most discovery services to ask, the first one included.
    pub fn services(mut self, services: usize) -> Self {
        self.services = services;
        self
    }

    /// What is left alone, be it a subsystem or a referral: see [`Exclusions`]. Nothing unless this is called; programs that decide by themselves what to
    /// connect, and not what a person names, give [`Exclusions::system`].
    pub fn exclusions(mut self, exclusions: Exclusions) -> Self {
        self.exclusions = exclusions;
        self
    }

    #[cfg(target_os = "linux")]
    pub(crate) fn exclusions_ref(&self) -> &Exclusions {
        &self.exclusions
    }

    /// The most entries to look at, over all services. What is beyond is reported as [`SkipReason::Bound`].
    pub fn entries(mut self, entries: usize) -> Self {
        self.entries = entries;
        self
    }
}

/// One discovery service that was asked. `E` is the error of whoever asks: [`DiscoverError`](super::DiscoverError) by way of the kernel.
#[derive(Debug)]
#[non_exhaustive]
pub struct Page<E> {
    /// Whom, and from where.
    pub request: DiscoveryRequest,
    /// Its log, or why there is none.
    pub result: Result<Discovered, E>,
}

/// What became of one entry.
#[derive(Debug)]
#[non_exhaustive]
pub enum EntryResult {
    /// A new controller.
    Connected(Connected),
    /// The very same path was there already.
    Present(ControllerName),
    /// A discovery service that was asked; its entries follow under its own page.
    Followed {
        /// Index of its page.
        page: usize,
    },
    /// Nothing was done.
    Skipped(SkipReason),
    /// The connect failed.
    Failed(ConnectError),
}

/// One entry of a log.
#[derive(Debug)]
#[non_exhaustive]
pub struct EntryOutcome {
    /// Index of the page.
    pub page: usize,
    /// Index of the entry in that page's log.
    pub entry: usize,
    /// What was, or would have been connected: subsystem and address.
    pub what: String,
    /// What became of it.
    pub result: EntryResult,
}

/// What became of everything.
#[derive(Debug)]
#[non_exhaustive]
pub struct AllOutcome<E> {
    /// Every discovery service that was asked, in order; the first is the one that was named.
    pub pages: Vec<Page<E>>,
    /// Every entry of every log, in order.
    pub entries: Vec<EntryOutcome>,
}

impl<E> AllOutcome<E> {
    /// Whether every service could be asked and every entry that is for connecting is connected. Skipped entries count as nothing, except those
    /// that a bound cut off.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        let failed =
            |r: &EntryResult| matches!(r, EntryResult::Failed(_) | EntryResult::Skipped(SkipReason::Bound));
        self.pages.iter().all(|p| p.result.is_ok()) && !self.entries.iter().any(|e| failed(&e.result))
    }

    /// Controllers that were made.
    pub fn connected(&self) -> impl Iterator<Item = ControllerName> {
        self.entries.iter().filter_map(|e| match &e.result {
            EntryResult::Connected(connected) => Some(connected.controller),
            _ => None,
        })
    }
}

/// Asks a discovery service through the kernel and connects everything that it offers to this host, and whatever it refers to.
///
/// `tune` gets the options of each subsystem before it is connected, for what the log does not tell: digests, time-outs, secrets. What it refuses is
/// reported with that entry. One entry's trouble never keeps the others from being connected; the outcome tells of each.
///
/// Blocks as long as all the connects together. Needs root.
#[cfg(target_os = "linux")]
pub fn connect_all(
    device: &dyn crate::FabricsDevice,
    sysfs: &crate::Sysfs,
    request: &DiscoveryRequest,
    how: &ConnectAll,
    tune: &dyn Fn(ConnectOptions) -> Result<ConnectOptions, OptionError>,
) -> AllOutcome<super::DiscoverError> {
    run(
        request,
        how,
        &mut |request| super::discover(device, sysfs, request),
        &mut |options| crate::connect(device, sysfs, options),
        tune,
    )
}

/// What identifies a path or a discovery service: everything but the tuning.
type Place = (String, Option<String>, Option<u16>, Option<String>, Option<String>);

fn place(options: &ConnectOptions) -> Place {
    let (traddr, host_traddr) = options.addresses();
    let interface = options.local_interface().map(str::to_owned);
    (options.nqn().to_string(), traddr, options.port(), host_traddr, interface)
}

/// [`connect_all`] over any way to ask and to connect.
fn run<E>(
    request: &DiscoveryRequest,
    how: &ConnectAll,
    ask: &mut dyn FnMut(&DiscoveryRequest) -> Result<Discovered, E>,
    connect: &mut dyn FnMut(&ConnectOptions) -> Result<Connected, ConnectError>,
    tune: &dyn Fn(ConnectOptions) -> Result<ConnectOptions, OptionError>,
) -> AllOutcome<E> {
    let mut all = AllOutcome { pages: Vec::new(), entries: Vec::new() };
    let mut seen: BTreeSet<Place> = BTreeSet::from([place(request.options())]);
    let mut waiting = VecDeque::from([request.clone()]);
    while let Some(request) = waiting.pop_front() {
        let page = all.pages.len();
        let result = ask(&request);
        if let Ok(found) = &result {
            for (entry, record) in found.log.entries.iter().enumerate() {
                let decision = match decide(record, &request) {
                    _ if all.entries.len() >= how.entries => Decision::Skip(SkipReason::Bound),
                    Decision::Connect(o) if !seen.insert(place(&o)) => Decision::Skip(SkipReason::Repeated),
                    other => unless_excluded(other, &how.exclusions),
                };
                let what = match &decision {
                    Decision::Connect(options) => options.to_string(),
                    Decision::Refer(request) => request.options().to_string(),
                    Decision::Skip(_) => {
                        format!("subsystem {} at {}", record.subnqn_text(), record.traddr_text())
                    }
                };
                let result = match decision {
                    Decision::Skip(reason) => EntryResult::Skipped(reason),
                    Decision::Connect(options) => one(options, connect, tune),
                    Decision::Refer(_) if how.referrals == Referrals::Leave => {
                        EntryResult::Skipped(SkipReason::Referral)
                    }
                    Decision::Refer(next) => {
                        let index = page + 1 + waiting.len();
                        if seen.contains(&place(next.options())) {
                            EntryResult::Skipped(SkipReason::Repeated)
                        } else if index >= how.services {
                            EntryResult::Skipped(SkipReason::Bound)
                        } else {
                            seen.insert(place(next.options()));
                            waiting.push_back(next);
                            EntryResult::Followed { page: index }
                        }
                    }
                };
                all.entries.push(EntryOutcome { page, entry, what, result });
                if all.entries.len() > how.entries {
                    // One entry tells that there was more.
                    break;
                }
            }
        }
        all.pages.push(Page { request, result });
    }
    all
}

fn unless_excluded(decision: Decision, exclusions: &Exclusions) -> Decision {
    let options = match &decision {
        Decision::Connect(options) => options,
        Decision::Refer(request) => request.options(),
        Decision::Skip(_) => return decision,
    };
    match exclusions.find(options) {
        Some(exclusion) => Decision::Skip(SkipReason::Excluded(exclusion.to_string())),
        None => decision,
    }
}

fn one(
    options: ConnectOptions,
    connect: &mut dyn FnMut(&ConnectOptions) -> Result<Connected, ConnectError>,
    tune: &dyn Fn(ConnectOptions) -> Result<ConnectOptions, OptionError>,
) -> EntryResult {
    let options = match tune(options) {
        Ok(options) => options,
        Err(error) => return EntryResult::Skipped(SkipReason::Option(error)),
    };
    let mut result = connect(&options);
    // The target says that flow control can be off, and some then refuse it.
    if let Err(error) = &result
        && error.errno() == Some(Errno::EINVAL)
        && let Some(with_flow_control) = options.clone().without_disable_sqflow()
    {
        result = connect(&with_flow_control);
    }
    match result {
        Ok(connected) => EntryResult::Connected(connected),
        Err(ConnectError::AlreadyConnected { controller, .. }) => EntryResult::Present(controller),
        Err(error) => EntryResult::Failed(error),
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::collections::BTreeMap;

    use nvme_proto::Cntlid;
    use nvme_proto::discovery::{DiscoveryEntry, DiscoveryLog, SubsystemType, TransportRequirements};

    use super::super::DiscoveryController;
    use super::*;
    use crate::identity::HostIdentity;

    fn request(address: &str) -> DiscoveryRequest {
        let host = HostIdentity::from_uuid("f81d4fae-7dec-11d0-a765-00a0c91e6bf6".parse().unwrap());
        DiscoveryRequest::tcp(address.parse().unwrap(), 8009, host).unwrap()
    }

    fn entry(kind: SubsystemType, nqn: &str, address: &str, port: u16) -> DiscoveryEntry {
        DiscoveryEntry::tcp(kind, &nqn.parse().unwrap(), &address.parse().unwrap(), port)
    }

    fn refer(address: &str) -> DiscoveryEntry {
        entry(SubsystemType::REFERRAL, nvme_proto::DISCOVERY_NQN, address, 8009)
    }

    fn sub(nqn: &str) -> DiscoveryEntry {
        entry(SubsystemType::NVM, nqn, "192.0.2.10", 4420)
    }

    /// Services by address; connects to `bad` fail with EIO, `fussy` with EINVAL unless flow control is on, `old` is there.
    fn go(
        services: &[(&str, Vec<DiscoveryEntry>)],
        how: &ConnectAll,
    ) -> (AllOutcome<&'static str>, Vec<String>, Vec<String>) {
        let logs: BTreeMap<String, Vec<DiscoveryEntry>> =
            services.iter().map(|(a, log)| ((*a).to_owned(), log.clone())).collect();
        let (asked, wrote) = (RefCell::new(Vec::new()), RefCell::new(Vec::new()));
        let all = run(
            &request(services[0].0),
            how,
            &mut |r| {
                let address = r.options().traddr().unwrap().to_string();
                asked.borrow_mut().push(address.clone());
                let entries = logs.get(&address).cloned().ok_or("no answer")?;
                let controller = DiscoveryController {
                    subsystem_nqn: String::new(),
                    model: String::new(),
                    serial: String::new(),
                    firmware: String::new(),
                    cntlid: Cntlid(1),
                };
                Ok(Discovered { log: DiscoveryLog::new(1, entries), controller })
            },
            &mut |o| {
                wrote.borrow_mut().push(o.to_option_string().expose().to_owned());
                let refused = |errno: Errno| ConnectError::Refused {
                    target: o.to_string(),
                    host: String::new(),
                    stage: crate::Stage::Connect,
                    rejection: None,
                    source: errno.into(),
                };
                match o.nqn().as_str() {
                    "bad" => Err(refused(Errno::EIO)),
                    "fussy" if o.option_names().contains(&"disable_sqflow") => Err(refused(Errno::EINVAL)),
                    "old" => Err(ConnectError::AlreadyConnected {
                        target: o.to_string(),
                        controller: ControllerName::new(3),
                        state: crate::ControllerState::new("live"),
                    }),
                    _ => Ok(Connected { controller: ControllerName::new(7), cntlid: Cntlid(1) }),
                }
            },
            &|o| if o.nqn().as_str() == "tuned" { o.nr_io_queues(0) } else { o.data_digest() },
        );
        (all, asked.into_inner(), wrote.into_inner())
    }

    fn words(all: &AllOutcome<&'static str>) -> Vec<String> {
        let word = |r: &EntryResult| match r {
            EntryResult::Connected(_) => "connected".to_owned(),
            EntryResult::Present(c) => format!("present {c}"),
            EntryResult::Followed { page } => format!("page {page}"),
            EntryResult::Skipped(reason) => format!("{reason:?}"),
            EntryResult::Failed(_) => "failed".to_owned(),
        };
        all.entries.iter().map(|e| format!("{}.{} {}", e.page, e.entry, word(&e.result))).collect()
    }

    #[test]
    fn every_entry_has_its_result_and_one_failure_stops_nothing() {
        let log = vec![sub("one"), sub("bad"), sub("old"), sub("one"), sub("two")];
        let (all, _, wrote) = go(&[("192.0.2.1", log)], &ConnectAll::new());
        assert_eq!(
            words(&all),
            ["0.0 connected", "0.1 failed", "0.2 present nvme3", "0.3 Repeated", "0.4 connected"]
        );
        assert!(!all.is_complete());
        assert_eq!(all.connected().count(), 2);
        assert!(wrote.iter().all(|w| w.ends_with(",data_digest")), "{wrote:?}");
        let (all, ..) = go(&[("192.0.2.1", vec![sub("one"), sub("old")])], &ConnectAll::new());
        assert!(all.is_complete());
    }

    #[test]
    fn services_that_refer_to_each_other_are_asked_once() {
        let (a, b) = ("192.0.2.1", "192.0.2.2");
        let services = [(a, vec![refer(b), sub("one")]), (b, vec![refer(a), sub("two"), sub("one")])];
        let (all, asked, wrote) = go(&services, &ConnectAll::new());
        assert_eq!(asked, [a, b]);
        assert_eq!(wrote.len(), 2);
        assert_eq!(
            words(&all),
            ["0.0 page 1", "0.1 connected", "1.0 Repeated", "1.1 connected", "1.2 Repeated"]
        );
        assert!(all.is_complete());
        let (all, asked, _) = go(&services, &ConnectAll::new().referrals(Referrals::Leave));
        assert_eq!(asked, [a]);
        assert_eq!(words(&all)[0], "0.0 Referral");
    }

    #[test]
    fn a_service_that_does_not_answer_is_a_failure_of_its_own() {
        let (all, asked, _) = go(&[("192.0.2.1", vec![refer("192.0.2.9"), sub("one")])], &ConnectAll::new());
        assert_eq!(asked.len(), 2);
        assert_eq!(all.pages[1].result.as_ref().unwrap_err(), &"no answer");
        assert!(!all.is_complete());
        assert_eq!(all.connected().count(), 1);
    }

    #[test]
    fn bounds_cut_off_and_say_so() {
        let chain: Vec<_> =
            (1..20).map(|n| (format!("192.0.2.{n}"), vec![refer(&format!("192.0.2.{}", n + 1))])).collect();
        let services: Vec<_> = chain.iter().map(|(a, log)| (a.as_str(), log.clone())).collect();
        let (all, asked, _) = go(&services, &ConnectAll::new().services(3));
        assert_eq!(asked.len(), 3);
        assert_eq!(words(&all), ["0.0 page 1", "1.0 page 2", "2.0 Bound"]);
        assert!(!all.is_complete());
        let many = (0..10).map(|n| sub(&format!("s{n}"))).collect();
        let (all, _, wrote) = go(&[("192.0.2.1", many)], &ConnectAll::new().entries(4));
        assert_eq!((wrote.len(), all.entries.len()), (4, 5));
        assert!(!all.is_complete());
    }

    #[test]
    fn what_is_excluded_is_left_alone_be_it_a_subsystem_or_a_service() {
        let mut exclusions = Exclusions::none();
        let text = "[exclusions]\nexclusion = nqn=two\nexclusion = traddr=192.0.2.9\n";
        exclusions.read(std::path::Path::new("x"), text);
        let log = vec![sub("one"), sub("two"), refer("192.0.2.9")];
        let (all, asked, wrote) = go(&[("192.0.2.1", log)], &ConnectAll::new().exclusions(exclusions));
        assert_eq!((asked.len(), wrote.len()), (1, 1));
        assert!(
            words(&all)[1].contains("`nqn=two`") && words(&all)[2].contains("192.0.2.9"),
            "{:?}",
            words(&all)
        );
        assert!(all.is_complete());
    }

    #[test]
    fn flow_control_is_tried_off_and_then_on() {
        let mut fussy = sub("fussy");
        fussy.set_requirements(TransportRequirements(0x04));
        let (all, _, wrote) = go(&[("192.0.2.1", vec![fussy])], &ConnectAll::new());
        assert!(all.is_complete());
        let flow: Vec<_> = wrote.iter().map(|w| w.contains("disable_sqflow")).collect();
        assert_eq!(flow, [true, false]);
    }

    #[test]
    fn what_tuning_refuses_is_reported_with_its_entry() {
        let (all, _, wrote) = go(&[("192.0.2.1", vec![sub("tuned"), sub("one")])], &ConnectAll::new());
        assert_eq!(wrote.len(), 1);
        assert!(
            matches!(&all.entries[0].result, EntryResult::Skipped(SkipReason::Option(e)) if e.option() == "nr_io_queues")
        );
    }
}
