//! Discovery for people: one service, or all that it refers to, asked through the kernel or in user space; shown alike.

use std::collections::{HashSet, VecDeque};
use std::fmt::{self, Write as _};

use nvme_fabrics::discovery::tcp::{self, Crawl, CrawlLimits};
use nvme_fabrics::discovery::{self, Discovered};
use nvme_fabrics::kernel::wait::Cancel;
use nvme_fabrics::{DiscoveryRequest, HostIdentity, OsDevice, Sysfs};
use nvme_proto::discovery::{DiscoveryEntry, SubsystemType};
use nvme_proto::{IpTraddr, SubsysNqn, TransportType};
use serde_json::{Value, json};

use crate::cli;
use crate::host::JSON_VERSION;

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// The most services that are asked through the kernel, which does that one after the other.
const MOST_SERVICES: usize = 64;
/// How many referrals away from the first service they may be.
const DEEPEST: u32 = 8;

/// A discovery service that was asked.
#[derive(Debug)]
pub struct Page {
    /// Address, port and, where it is not the well-known one, name.
    pub at: String,
    /// Its answer.
    pub result: Result<Discovered, BoxError>,
}

/// What was found: the service that was named, and all it leads to when that was asked for.
#[derive(Debug)]
pub struct Pages {
    /// In the order of asking.
    pub pages: Vec<Page>,
    /// Referrals that were not followed, and why.
    pub skipped: Vec<String>,
}

impl From<Crawl> for Pages {
    fn from(crawl: Crawl) -> Self {
        let skipped = crawl.skipped.iter().map(|skipped| skipped.why.to_string()).collect();
        let pages = crawl.pages.into_iter();
        let pages =
            pages.map(|page| Page { at: page.at.to_string(), result: page.result.map_err(Into::into) });
        Self { pages: pages.collect(), skipped }
    }
}

/// Asks in user space.
///
/// # Errors
/// No runtime can be started, or the request is not for TCP.
pub fn user(request: &DiscoveryRequest, limits: &CrawlLimits) -> Result<Pages, BoxError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    Ok(runtime.block_on(tcp::crawl(request, &[], &tcp::Options::default(), limits))?.into())
}

/// Limits of a crawl that asks the first service only.
pub fn only_the_first() -> CrawlLimits {
    CrawlLimits::default().depth(0)
}

/// A place to ask at, with its distance from the first one.
struct Place {
    traddr: IpTraddr,
    port: u16,
    nqn: SubsysNqn,
    depth: u32,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.traddr.ip().is_ipv4() {
            true => write!(f, "{}:{}", self.traddr, self.port)?,
            false => write!(f, "[{}]:{}", self.traddr, self.port)?,
        }
        if self.nqn.is_discovery() { Ok(()) } else { write!(f, " ({})", self.nqn) }
    }
}

/// Asks through the kernel, one service after the other. Referrals are followed in the order in which they are found, each
/// service once, whatever circle they form. When it is stopped no further service is asked; the one that is asked removes its controller first.
pub fn kernel(request: &DiscoveryRequest, follow: Follow, stop: &Cancel) -> Pages {
    let (device, sysfs) = (OsDevice::system(), Sysfs::system());
    let options = request.options();
    let host = options.host().clone();
    let first = match (options.traddr(), options.port()) {
        (Some(traddr), Some(port)) => {
            Place { traddr: traddr.clone(), port, nqn: options.nqn().clone(), depth: 0 }
        }
        _ => return Pages { pages: Vec::new(), skipped: vec!["the service has no address".to_owned()] },
    };
    let mut found = Pages { pages: Vec::new(), skipped: Vec::new() };
    let mut seen = HashSet::from([first.to_string()]);
    let mut waiting = VecDeque::from([(first, Ok(request.clone()))]);
    while let Some((place, wanted)) = waiting.pop_front().filter(|_| !stop.is_cancelled()) {
        let asked = wanted.and_then(|wanted| Ok(nvme_fabrics::discover(&device, &sysfs, &wanted)?));
        if let (Ok(answer), Follow::Referrals) = (&asked, follow) {
            for entry in answer.log.entries.iter().filter(|e| e.subsystem_type() == SubsystemType::REFERRAL) {
                match refers_to(entry, place.depth + 1) {
                    Err(why) => found.skipped.push(why),
                    Ok(next) if !seen.insert(next.to_string()) => {
                        found.skipped.push(format!("{next} is asked already"));
                    }
                    Ok(next) if next.depth > DEEPEST || seen.len() > MOST_SERVICES => {
                        found
                            .skipped
                            .push(format!("{next} is not asked any more: there are too many referrals"));
                    }
                    Ok(next) => {
                        let request = next_request(request, &next, host.clone());
                        waiting.push_back((next, request));
                    }
                }
            }
        }
        found.pages.push(Page { at: place.to_string(), result: asked });
    }
    found
}

/// Whether referrals are followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Follow {
    /// One service is asked.
    Nothing,
    /// And all that it leads to.
    Referrals,
}

fn refers_to(entry: &DiscoveryEntry, depth: u32) -> Result<Place, String> {
    let text = entry.traddr_text();
    if entry.transport_type() != TransportType::TCP {
        let transport = discovery::text::trtype(entry);
        return Err(format!("{text} is reached by {transport}, and only TCP is asked"));
    }
    let traddr = text.parse().map_err(|error| format!("`{text}` is no address: {error}"))?;
    let port = entry.trsvcid_text();
    let port = port.parse().map_err(|error| format!("`{port}` is no port: {error}"))?;
    let nqn =
        entry.subnqn().map_err(|error| format!("the name of the service at {text} is none: {error}"))?;
    Ok(Place { traddr, port, nqn, depth })
}

/// The same question to another service.
fn next_request(
    first: &DiscoveryRequest,
    next: &Place,
    host: HostIdentity,
) -> Result<DiscoveryRequest, BoxError> {
    let mut request = DiscoveryRequest::tcp(next.traddr.clone(), next.port, host)?;
    if !next.nqn.is_discovery() {
        request = request.nqn(next.nqn.clone())?;
    }
    if let Some(local) = first.options().local_address() {
        request = request.host_traddr(local.clone())?;
    }
    if let Some(interface) = first.options().local_interface() {
        request = request.host_iface(interface)?;
    }
    Ok(request)
}

impl Pages {
    /// The answer of the service that was named; what became of referrals does not make it a failure.
    ///
    /// # Errors
    /// That service's.
    pub fn first(self) -> Result<(Discovered, Vec<Page>, Vec<String>), BoxError> {
        let mut pages = self.pages.into_iter();
        let first = pages.next().ok_or_else(|| cli::failure(self.skipped.join("; ")))?;
        Ok((first.result?, pages.collect(), self.skipped))
    }
}

/// Logs for people, one after the other.
pub fn text(first: &Discovered, rest: &[Page], skipped: &[String]) -> String {
    let mut out = discovery::text::render(&first.log);
    for page in rest {
        let _ = writeln!(out, "\n===== {} =====", page.at);
        match &page.result {
            Ok(found) => out.push_str(&discovery::text::render(&found.log)),
            Err(error) => {
                let _ = writeln!(out, "error: {}", cli::explain(&**error));
            }
        }
    }
    for why in skipped {
        let _ = writeln!(out, "\nnot followed: {why}");
    }
    out
}

/// Logs as JSON: the first one's records with the words and keys of `nvme discover -o json`; the others below `referrals`.
pub fn json(first: &Discovered, rest: &[Page], skipped: &[String]) -> Value {
    let mut value = log_json(first);
    value["version"] = JSON_VERSION.into();
    if !rest.is_empty() || !skipped.is_empty() {
        let pages = rest.iter().map(|page| {
            let mut value = match &page.result {
                Ok(found) => log_json(found),
                Err(error) => json!({ "error": cli::explain(&**error) }),
            };
            value["at"] = page.at.as_str().into();
            value
        });
        value["referrals"] = pages.collect();
        value["not_followed"] = skipped.into();
    }
    value
}

fn log_json(found: &Discovered) -> Value {
    json!({
        "genctr": found.log.generation,
        "records": found.log.entries.iter().map(record).collect::<Vec<_>>(),
    })
}

fn record(entry: &DiscoveryEntry) -> Value {
    json!({
        "trtype": discovery::text::trtype(entry),
        "adrfam": discovery::text::adrfam(entry),
        "subtype": discovery::text::subtype(entry),
        "treq": discovery::text::treq(entry),
        "portid": entry.port_id(),
        "trsvcid": discovery::text::trsvcid(entry),
        "subnqn": discovery::text::subnqn(entry),
        "traddr": discovery::text::traddr(entry),
        "eflags": discovery::text::eflags(entry),
        "sectype": discovery::text::sectype(entry),
    })
}
