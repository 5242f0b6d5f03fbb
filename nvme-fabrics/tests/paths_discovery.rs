//! Discovery and explanations against the target in user space, over loopback.
#![cfg(all(feature = "tokio", feature = "soft-target"))]

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use nvme_fabrics::discovery::tcp::{
    self, Change, CrawlLimits, DiscoverError, Options, SkipReason, Watch, WatchEvent, WatchOptions,
};
use nvme_fabrics::discovery::{DiscoveryRequest, text};
use nvme_fabrics::target::backend::Memory;
use nvme_fabrics::target::{Namespace, Port, PortId, Referral, Server, Subsystem, Target};
use nvme_fabrics::tcp::explain::{Cause, ExplainOptions, explain};
use nvme_fabrics::{ConnectOptions, HostIdentity};
use nvme_proto::discovery::SubsystemType;
use nvme_proto::{HostNqn, IpTraddr, Nsid, SubsysNqn};

const PATIENCE: Duration = Duration::from_secs(60);

fn alice() -> HostIdentity {
    HostIdentity::from_uuid("f81d4fae-7dec-11d0-a765-00a0c91e6bf6".parse().unwrap())
}

fn bob() -> HostIdentity {
    HostIdentity::from_uuid("11111111-2222-4333-8444-555555555555".parse().unwrap())
}

fn nqn(name: &str) -> SubsysNqn {
    format!("nqn.2014-08.org.example:{name}").parse().unwrap()
}

fn subsystem(name: &str, hosts: &[&HostNqn]) -> Subsystem {
    let subsystem = Subsystem::new(nqn(name));
    let subsystem = hosts.iter().fold(subsystem, |subsystem, host| subsystem.allow((*host).clone()));
    let memory = Arc::new(Memory::new(1 << 20).unwrap());
    subsystem.namespace(Namespace::new(Nsid::ONE, memory)).unwrap()
}

/// A target with two ports: `one` for Alice at the first, `two` for both at the second.
async fn target() -> (Server, [SocketAddr; 2]) {
    let target = Target::new();
    target.add_subsystem(subsystem("one", &[&alice().nqn])).unwrap();
    target.add_subsystem(subsystem("two", &[&alice().nqn, &bob().nqn])).unwrap();
    let any = "127.0.0.1:0".parse().unwrap();
    for (port, name) in [(1, "one"), (2, "two")] {
        target.add_port(Port::tcp(PortId(port), any).export(nqn(name))).unwrap();
    }
    let server = Server::builder(target).listen(PortId(1), any).listen(PortId(2), any).start().await.unwrap();
    let addresses = [server.addresses()[0].1, server.addresses()[1].1];
    (server, addresses)
}

fn request(at: SocketAddr, host: HostIdentity) -> DiscoveryRequest {
    DiscoveryRequest::tcp(IpTraddr::new(at.ip()), at.port(), host).unwrap()
}

fn connect_options(at: SocketAddr, name: &str, host: HostIdentity) -> ConnectOptions {
    ConnectOptions::tcp(IpTraddr::new(at.ip()), at.port(), nqn(name), host).unwrap()
}

#[tokio::test]
async fn each_host_sees_what_it_may_connect_to() {
    let (_server, [one, two]) = target().await;
    let found = tcp::discover(&request(one, alice()), &Options::default()).await.unwrap();
    let shown = text::render(&found.log);
    assert!(shown.contains("subnqn:  nqn.2014-08.org.example:one"), "{shown}");
    assert!(shown.contains(&format!("trsvcid: {}", one.port())), "{shown}");
    let found = tcp::discover(&request(one, bob()), &Options::default()).await.unwrap();
    assert!(!text::render(&found.log).contains("example:one"));
    let found = tcp::discover(&request(two, bob()), &Options::default()).await.unwrap();
    assert!(text::render(&found.log).contains("example:two"));
}

#[tokio::test]
async fn ports_that_refer_to_each_other() {
    let (server, [one, two]) = target().await;
    server.target().add_referral(PortId(1), Referral::tcp(two)).unwrap();
    server.target().add_referral(PortId(2), Referral::tcp(one)).unwrap();
    let limits = CrawlLimits::default();
    let found = tcp::crawl(&request(one, alice()), &[], &Options::default(), &limits).await.unwrap();
    assert_eq!(found.pages.len(), 2);
    assert!(found.skipped.iter().any(|skipped| matches!(skipped.why, SkipReason::AlreadyAsked { .. })));
    let names: Vec<_> = found
        .entries()
        .filter(|(_, entry)| entry.subsystem_type() == SubsystemType::NVM)
        .map(|(page, entry)| (page, entry.subnqn().unwrap()))
        .collect();
    // Both ports know both, and each is told once.
    assert_eq!(names, [(0, nqn("one")), (0, nqn("two"))]);
}

async fn next(watch: &mut Watch) -> WatchEvent {
    tokio::time::timeout(PATIENCE, watch.next()).await.expect("nothing happens").unwrap()
}

#[tokio::test]
async fn changes_are_told_as_they_are_made() {
    let (server, [one, _]) = target().await;
    let mut watch =
        tcp::watch(&request(one, alice()), &Options::default(), &WatchOptions::default()).unwrap();
    while !matches!(next(&mut watch).await, WatchEvent::Log(_)) {}
    server.target().export(PortId(1), &nqn("two")).unwrap();
    let added = loop {
        if let WatchEvent::Change(change) = next(&mut watch).await {
            break change;
        }
    };
    assert!(matches!(&added, Change::Added(entry) if entry.subnqn() == Ok(nqn("two"))), "{added:?}");
    server.target().revoke_host(&nqn("one"), &alice().nqn).unwrap();
    let removed = loop {
        if let WatchEvent::Change(change) = next(&mut watch).await {
            break change;
        }
    };
    assert!(matches!(&removed, Change::Removed(entry) if entry.subnqn() == Ok(nqn("one"))), "{removed:?}");
}

#[tokio::test]
async fn what_a_target_has_against_a_connect() {
    let (server, [one, two]) = target().await;
    let ask = async |options: ConnectOptions| explain(&options, &ExplainOptions::default()).await;
    let finding = ask(connect_options(one, "one", alice())).await;
    assert!(finding.accepts(), "{finding}");
    let both = connect_options(one, "one", alice()).header_digest().unwrap().data_digest().unwrap();
    assert!(ask(both).await.accepts());
    let finding = ask(connect_options(one, "one", bob())).await;
    assert_eq!(*finding.cause(), Cause::HostRefused, "{finding}");
    assert!(finding.hint().contains(bob().nqn.as_str()), "{}", finding.hint());
    // It is at the other port.
    let finding = ask(connect_options(one, "two", alice())).await;
    assert_eq!(*finding.cause(), Cause::UnknownSubsystem, "{finding}");
    assert_eq!(finding.hint(), format!("the discovery service of this port names it at {two}"));
    let finding = ask(connect_options(two, "tow", alice())).await;
    assert!(
        finding.hint().ends_with("names a similar one: `nqn.2014-08.org.example:two`"),
        "{}",
        finding.hint()
    );
    let discovery = connect_options(two, "two", alice()).discovery().unwrap();
    assert_eq!(*ask(discovery).await.cause(), Cause::NotDiscovery);
    // Nothing is left of all these questions.
    let settled = async {
        while !server.target().associations().is_empty() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(PATIENCE, settled).await.expect("a controller is left over");
}

#[tokio::test]
async fn a_server_that_went_away() {
    let (server, [one, _]) = target().await;
    let mut watch =
        tcp::watch(&request(one, alice()), &Options::default(), &WatchOptions::default()).unwrap();
    while !matches!(next(&mut watch).await, WatchEvent::Log(_)) {}
    server.shutdown(Duration::ZERO).await;
    let WatchEvent::Lost { error, .. } = next(&mut watch).await else { panic!("it is not noticed") };
    assert!(matches!(error, DiscoverError::Lost { .. }), "{error}");
    let error = tcp::discover(&request(one, alice()), &Options::default()).await.unwrap_err();
    assert!(
        matches!(error, DiscoverError::Connect { .. }) && error.hint().contains("nothing listens"),
        "{error}"
    );
    let finding = explain(&connect_options(one, "one", alice()), &ExplainOptions::default()).await;
    assert_eq!(*finding.cause(), Cause::NothingListens);
    assert!(matches!(one.ip(), IpAddr::V4(_)));
}
