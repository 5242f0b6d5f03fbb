//! Discovery from controllers on this machine: good ones and hostile ones.

use std::time::Duration;

use nvme_proto::discovery::{DiscoveryEntry, DiscoveryLog, LogReadError, LogReaderLimits, SubsystemType};
use nvme_proto::fabrics::ShutdownNotification;
use nvme_proto::identify::ControllerType;
use nvme_proto::{DISCOVERY_NQN, DecodeErrorKind, Status, SubsysNqn};

use super::*;
use crate::identity::HostIdentity;
use crate::tcp::ConnectError;
use crate::tcp::fake::{Answer, Fake, fails, subsystem};

const PATIENCE: Duration = Duration::from_secs(60);
const CHANGED: u32 = 0x0070_f002;

fn service() -> Fake {
    subsystem(DISCOVERY_NQN, ControllerType::DISCOVERY)
}

fn disk(name: &str) -> DiscoveryEntry {
    DiscoveryEntry::tcp(SubsystemType::NVM, &name.parse().unwrap(), &"127.0.0.1".parse().unwrap(), 4420)
}

fn referral(to: &str, port: u16) -> DiscoveryEntry {
    DiscoveryEntry::tcp(SubsystemType::REFERRAL, &SubsysNqn::discovery(), &to.parse().unwrap(), port)
}

async fn request(fake: &Fake) -> DiscoveryRequest {
    let address = fake.listen().await;
    let host = HostIdentity::from_uuid("f81d4fae-7dec-11d0-a765-00a0c91e6bf6".parse().unwrap());
    DiscoveryRequest::tcp("127.0.0.1".parse().unwrap(), address.port(), host).unwrap()
}

fn port(request: &DiscoveryRequest) -> u16 {
    request.options().port().unwrap()
}

fn names(log: &DiscoveryLog) -> Vec<String> {
    log.entries.iter().map(DiscoveryEntry::subnqn_text).collect()
}

#[tokio::test]
async fn the_log_of_a_service() {
    let fake = service();
    fake.with(|inner| {
        inner.log = DiscoveryLog::new(7, (0..9).map(|n| disk(&format!("disk-{n}"))).collect());
    });
    let request = request(&fake).await;
    let found = discover(&request, &Options::default()).await.unwrap();
    assert_eq!((found.log.generation, found.log.entries.len()), (7, 9));
    assert_eq!(names(&found.log)[8], "disk-8");
    assert_eq!((found.controller.model.as_str(), found.controller.cntlid.0), ("fake", 7));
    // The controller was shut down, and only one was made.
    fake.with(|inner| {
        assert_eq!(inner.configuration.shutdown(), ShutdownNotification::NORMAL);
        assert_eq!(inner.connections.0, 1);
    });
}

#[tokio::test]
async fn a_service_with_a_name_of_its_own() {
    let fake = subsystem("own", ControllerType::DISCOVERY);
    let well_known = request(&fake).await;
    assert_eq!(discover(&well_known, &Options::default()).await.unwrap().controller.subsystem_nqn, "own");
    let own = well_known.nqn("own".parse().unwrap()).unwrap();
    assert_eq!(discover(&own, &Options::default()).await.unwrap().controller.subsystem_nqn, "own");
}

#[tokio::test]
async fn what_is_no_service_says_so() {
    let disk = subsystem("disk", ControllerType::IO);
    let request = request(&disk).await;
    let error = discover(&request, &Options::default()).await.unwrap_err();
    let DiscoverError::Connect { source, .. } = &error else { panic!("{error}") };
    assert!(matches!(**source, ConnectError::Refused { .. }), "{source}");
    let by_name = request.nqn("disk".parse().unwrap()).unwrap();
    let error = discover(&by_name, &Options::default()).await.unwrap_err();
    assert!(matches!(error, DiscoverError::NotDiscovery { kind: ControllerType::IO, .. }), "{error}");
    assert!(!error.is_retryable() && error.hint().contains("8009"));
}

#[tokio::test]
async fn nobody_there_is_said_with_what_to_do() {
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let host = HostIdentity::from_uuid("f81d4fae-7dec-11d0-a765-00a0c91e6bf6".parse().unwrap());
    let request = DiscoveryRequest::tcp("127.0.0.1".parse().unwrap(), port, host).unwrap();
    let error = discover(&request, &Options::default()).await.unwrap_err();
    assert!(error.hint().contains("nothing listens") && error.is_retryable(), "{error}");
    assert_eq!(error.service().map(|at| at.portal.port), Some(port));
}

#[tokio::test]
async fn services_that_refer_to_each_other() {
    let (first, second) = (service(), service());
    let (a, b) = (request(&first).await, request(&second).await);
    first.with(|inner| {
        inner.log.entries = vec![disk("one"), referral("127.0.0.1", port(&b)), referral("127.0.0.1", 1)];
    });
    second.with(|inner| {
        inner.log.entries = vec![referral("::ffff:127.0.0.1", port(&a)), disk("one"), disk("two")];
    });
    let found = crawl(&a, &[], &Options::default(), &CrawlLimits::default()).await.unwrap();
    let ports: Vec<_> = found.pages.iter().map(|page| page.at.portal.port).collect();
    assert_eq!(ports, [port(&a), port(&b), 1]);
    assert!(matches!(found.pages[2].result, Err(DiscoverError::Connect { .. })), "nobody is at port 1");
    assert!(matches!(found.skipped[0].why, SkipReason::AlreadyAsked { .. }));
    let disks: Vec<_> = found
        .entries()
        .filter(|(_, entry)| entry.subsystem_type() == SubsystemType::NVM)
        .map(|(page, entry)| (page, entry.subnqn_text()))
        .collect();
    assert_eq!(disks, [(0, "one".to_owned()), (1, "two".to_owned())]);
}

#[tokio::test]
async fn logs_that_lie_or_never_stand_still() {
    let lies = service().rule(|ask| {
        let log = ask.sqe.opcode == 2 && !ask.sqe.is_fabrics();
        log.then(|| {
            let mut header = vec![0; 20];
            header[8..16].copy_from_slice(&(1u64 << 60).to_le_bytes());
            Answer::Data(header)
        })
    });
    let error = discover(&request(&lies).await, &Options::default()).await.unwrap_err();
    let DiscoverError::Log { source: LogReadError::Decode(source), .. } = &error else { panic!("{error}") };
    assert!(matches!(source.kind, DecodeErrorKind::Limit { field: "NUMREC", .. }), "{source}");

    let mut generation = 0u64;
    let restless = service().rule(move |ask| {
        let header = ask.sqe.opcode == 2 && !ask.sqe.is_fabrics() && ask.sqe.cdw12 == 0;
        header.then(|| {
            generation += 1;
            let mut header = vec![0; 20];
            header[..8].copy_from_slice(&generation.to_le_bytes());
            Answer::Data(header)
        })
    });
    let error = discover(&request(&restless).await, &Options::default()).await.unwrap_err();
    let changing =
        matches!(error, DiscoverError::Log { source: LogReadError::KeepsChanging { rounds: 10 }, .. });
    assert!(changing && error.is_retryable(), "{error}");

    let refuses =
        service().rule(|ask| if ask.sqe.opcode == 2 { fails(Status::INVALID_LOG_PAGE) } else { None });
    let error = discover(&request(&refuses).await, &Options::default()).await.unwrap_err();
    assert!(matches!(error, DiscoverError::Log { source: LogReadError::Status { .. }, .. }), "{error}");
}

#[tokio::test]
async fn a_log_beyond_the_bound_is_refused() {
    let fake = service();
    fake.with(|inner| inner.log.entries = (0..9).map(|n| disk(&format!("disk-{n}"))).collect());
    let request = request(&fake).await;
    let options = Options::default().log_limits(LogReaderLimits::new(8, 3));
    let error = discover(&request, &options).await.unwrap_err();
    assert!(matches!(error, DiscoverError::Log { source: LogReadError::Decode(_), .. }), "{error}");
    let limits = CrawlLimits::default().entries(8);
    let found = crawl(&request, &[], &Options::default(), &limits).await.unwrap();
    assert_eq!(found.failures().count(), 1);
}

#[tokio::test]
async fn entries_of_garbage_cost_nobody_else() {
    let garbage = |seed: u8| {
        let bytes: Vec<u8> = (0..1024u32).map(|at| (at.wrapping_mul(167) >> 3) as u8 ^ seed).collect();
        nvme_proto::discovery::LogEntry::new_checked(bytes).unwrap().to_owned()
    };
    let fake = service();
    fake.with(|inner| {
        inner.log.entries = (0..64).map(garbage).collect();
        for entry in &mut inner.log.entries[..32] {
            entry.set_subsystem_type(SubsystemType::REFERRAL);
        }
        inner.log.entries.push(disk("good"));
    });
    let found =
        crawl(&request(&fake).await, &[], &Options::default(), &CrawlLimits::default()).await.unwrap();
    let log = &found.pages[0].result.as_ref().unwrap().log;
    assert_eq!((log.entries.len(), found.pages.len()), (65, 1));
    assert_eq!(names(log)[64], "good");
    assert!(found.skipped.len() >= 32, "{:?}", found.skipped);
    // And they can be shown.
    assert!(crate::discovery::text::render(log).contains("subnqn:  good"));
}

#[tokio::test]
async fn a_service_that_does_not_answer_is_given_up() {
    let silent = service().rule(|ask| if ask.sqe.opcode == 2 { Some(Answer::Wait) } else { None });
    let options = Options::default().answer(Duration::from_millis(300));
    let error = discover(&request(&silent).await, &options).await.unwrap_err();
    assert!(matches!(error, DiscoverError::Command { .. }), "{error}");
    let options = Options::default().time(Duration::from_millis(300));
    let error = discover(&request(&silent).await, &options).await.unwrap_err();
    assert!(matches!(error, DiscoverError::TimedOut { .. }) && error.is_retryable(), "{error}");
}

/// What the watch tells next, in short.
async fn next(watch: &mut Watch) -> String {
    let event = tokio::time::timeout(PATIENCE, watch.next()).await.expect("nothing happens");
    match event.unwrap() {
        WatchEvent::Connected(_) => "connected".into(),
        WatchEvent::Change(Change::Added(entry)) => format!("+{}", entry.subnqn_text()),
        WatchEvent::Change(Change::Removed(entry)) => format!("-{}", entry.subnqn_text()),
        WatchEvent::Change(Change::Changed { after, .. }) => format!("~{}", after.subnqn_text()),
        WatchEvent::Log(log) => format!("log {}", log.generation),
        WatchEvent::Lost { .. } => "lost".into(),
    }
}

#[tokio::test]
async fn a_watch_tells_changes_as_they_come_and_after_an_outage() {
    let fake = service();
    fake.with(|inner| inner.log = DiscoveryLog::new(1, vec![disk("one")]));
    let request = request(&fake).await;
    let how = WatchOptions::default()
        .settle(Duration::from_millis(1))
        .reconnect_delay(Duration::from_millis(10), Duration::from_millis(100));
    let mut watch = watch(&request, &Options::default(), &how).unwrap();
    for want in ["connected", "+one", "log 1"] {
        assert_eq!(next(&mut watch).await, want);
    }
    fake.with(|inner| inner.log = DiscoveryLog::new(2, vec![disk("one"), disk("two")]));
    fake.tell(CHANGED);
    for want in ["+two", "log 2"] {
        assert_eq!(next(&mut watch).await, want);
    }
    fake.with(|inner| inner.log = DiscoveryLog::new(3, vec![disk("two")]));
    fake.cut();
    for want in ["lost", "connected", "-one", "log 3"] {
        assert_eq!(next(&mut watch).await, want);
    }
    let kato = fake.with(|inner| inner.seen.iter().any(|(_, what)| *what == 0x0c));
    assert!(kato, "events were asked for");
    drop(watch);
    for _ in 0..6000 {
        if fake.with(|inner| inner.connections.0 == inner.connections.1) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("the connection is left open");
}

#[tokio::test]
async fn a_watch_may_be_moved_to_another_task() {
    let fake = service();
    let request = request(&fake).await;
    let mut watch = watch(&request, &Options::default(), &WatchOptions::default()).unwrap();
    let first = tokio::spawn(async move { next(&mut watch).await }).await.unwrap();
    assert_eq!(first, "connected");
    let options = Options::default();
    let asked =
        tokio::spawn(async move { discover(&request, &options).await.map(|found| found.log.generation) });
    assert_eq!(asked.await.unwrap().unwrap(), 1);
}
