//! The discovery service.

use nvme_proto::command::admin::{Abort, AsyncEventRequest, KeepAlive, SetFeatures};
use nvme_proto::controller::Reply;
use nvme_proto::discovery::{DiscoveryLog, DiscoveryRequest, LogHeader, SubsystemType};
use nvme_proto::event::{AsyncEvent, EventCode};
use nvme_proto::fabrics::{Connect, Property, PropertyGet};
use nvme_proto::feature::{AsyncEventConfiguration, KeepAliveTimer, NumberOfQueues};
use nvme_proto::identify::{Cns, IdentifyCommand, IdentifyController};
use nvme_proto::log::{GetLogPage, LogId, RetainAsyncEvent};
use nvme_proto::sqe::Sqe;

use super::*;
use crate::target::connection::Notice;
use crate::target::{Referral, Settings};

fn discovery(target: &Target, host: u8) -> Line {
    Line::admin(target, 1, &SubsysNqn::discovery(), &Host::number(host)).0
}

fn log(line: &mut Line) -> DiscoveryLog {
    let page = |line: &mut Line, offset, len| {
        data(line.fetch(GetLogPage::new(LogId::DISCOVERY, offset, len).unwrap().to_sqe(), len))
    };
    // As hosts read it: the header, then the entries, then the header again.
    let header = LogHeader::decode(&page(line, 0, 1024)).unwrap();
    let mut whole = page(line, 0, 1024 + 1024 * header.records as u32);
    let parts: Vec<u8> = (0..=header.records).flat_map(|n| page(line, n * 1024, 1024)).collect();
    assert_eq!(parts, whole);
    assert_eq!(LogHeader::decode(&page(line, 0, 20)).unwrap().generation, header.generation);
    whole.truncate(1024 + 1024 * header.records as usize);
    DiscoveryLog::decode(&whole).unwrap()
}

fn names(log: &DiscoveryLog, kind: SubsystemType) -> Vec<(String, u16)> {
    let of_kind = log.entries.iter().filter(|entry| entry.subsystem_type() == kind);
    of_kind.map(|entry| (entry.subnqn_text(), entry.port_id())).collect()
}

#[test]
fn a_discovery_controller_is_one_and_does_nothing_else() {
    let target = target();
    let mut line = discovery(&target, 1);
    let id = IdentifyController::new_checked(data(line.fetch(IdentifyCommand::controller().to_sqe(), 4096)))
        .unwrap();
    assert_eq!((id.controller_type().0, id.discovery_type().0, id.async_events().0), (2, 1, 0x8000_0000));
    assert_eq!((id.subnqn_text().as_str(), id.max_commands()), (nvme_proto::DISCOVERY_NQN, 128));
    assert_eq!(id.log_attributes().0 & 4, 4);
    for (sqe, len, status) in [
        (IdentifyCommand::new(Cns::ACTIVE_NAMESPACES, 0).to_sqe(), 4096, Status::INVALID_FIELD),
        (IdentifyCommand::new(Cns::NAMESPACE, 1).to_sqe(), 4096, Status::INVALID_FIELD),
        (GetLogPage::new(LogId::HEALTH, 0, 512).unwrap().to_sqe(), 512, Status::INVALID_LOG_PAGE),
        (GetLogPage::new(LogId::ANA, 0, 512).unwrap().to_sqe(), 512, Status::INVALID_LOG_PAGE),
    ] {
        refused(&line.fetch(sqe, len), status);
    }
    // Registration of hosts, which some send to every discovery service, is refused, and the connection stays.
    refused(&line.bring(Sqe::new(0x21), &[0; 1024]), Status::INVALID_OPCODE);
    refused(&line.plain(Abort::new(0, 1).to_sqe()), Status::INVALID_OPCODE);
    refused(&line.plain(SetFeatures::of(NumberOfQueues::pairs(3)).to_sqe()), Status::INVALID_FIELD);
    done(&line.plain(SetFeatures::of(KeepAliveTimer(9000)).to_sqe()));
    done(&line.plain(KeepAlive::default().to_sqe()));
    done(&line.plain(PropertyGet::new(Property::CSTS).to_sqe()));
    // No I/O queue.
    let cntlid = target.associations()[0].cntlid;
    let io =
        Line::open(&target, 1).connect(Connect::io(1, 31), cntlid, &SubsysNqn::discovery(), &Host::number(1));
    refused(&io, Status::CONNECT_INVALID_PARAMETERS);
}

#[test]
fn hosts_find_what_they_may_connect_to() {
    let target = target();
    let private = Subsystem::new(nqn("private")).allow(Host::number(1).nqn);
    target.add_subsystem(private).unwrap();
    target.export(PortId(2), &nqn("private")).unwrap();
    target.add_referral(PortId(1), Referral::tcp("192.0.2.9:8009".parse().unwrap()).port(PortId(9))).unwrap();
    let (mut one, mut two) = (discovery(&target, 1), discovery(&target, 2));
    let disk = nqn("disk").to_string();
    let mine = log(&mut one);
    let expected = [(disk.clone(), 1), (disk.clone(), 2), (nqn("private").to_string(), 2)];
    assert_eq!(names(&mine, SubsystemType::NVM), expected);
    assert_eq!(names(&mine, SubsystemType::CURRENT_DISCOVERY).len(), 2);
    let referrals = [(nvme_proto::DISCOVERY_NQN.to_owned(), 9)];
    assert_eq!(names(&mine, SubsystemType::REFERRAL), referrals);
    let entry = &mine.entries[0];
    assert_eq!((entry.traddr_text().as_str(), entry.trsvcid_text().as_str()), ("192.0.2.1", "4420"));
    assert_eq!((entry.cntlid().0, entry.admin_queue_size()), (0xffff, 128));
    assert_eq!(names(&log(&mut two), SubsystemType::NVM), [(disk.clone(), 1), (disk.clone(), 2)]);
    // Of this port alone.
    let mut command = GetLogPage::new(LogId::DISCOVERY, 0, 4096).unwrap();
    command.lsp = DiscoveryRequest::PORT_LOCAL.0;
    let local = DiscoveryLog::decode(&data(two.fetch(command.to_sqe(), 4096))).unwrap();
    assert_eq!(names(&local, SubsystemType::NVM), [(disk, 1)]);
    assert_eq!(names(&local, SubsystemType::CURRENT_DISCOVERY).len(), 1);
}

#[test]
fn hosts_are_told_when_their_own_log_changes() {
    let target = target();
    let (mut one, mut two) = (discovery(&target, 1), discovery(&target, 2));
    let on = AsyncEventConfiguration::default().with_discovery(true);
    for line in [&mut one, &mut two] {
        done(&line.plain(SetFeatures::of(on).to_sqe()));
        assert!(matches!(line.plain(AsyncEventRequest::default().to_sqe()), Outcome::Later(_)));
    }
    let told = |line: &mut Line| match line.notice() {
        None => false,
        Some(Notice::Answer(_, reply)) => {
            assert_eq!(reply, Reply::with_result(AsyncEvent::new(EventCode::DISCOVERY_CHANGED).0.into()));
            let mut read = GetLogPage::new(LogId::DISCOVERY, 0, 1024).unwrap();
            read.retain = RetainAsyncEvent::Clear;
            data(line.fetch(read.to_sqe(), 1024));
            assert!(matches!(line.plain(AsyncEventRequest::default().to_sqe()), Outcome::Later(_)));
            true
        }
        other => panic!("{other:?}"),
    };
    let before = log(&mut one).generation;
    let (one_alone, both, nobody) = ((true, false), (true, true), (false, false));
    target.add_subsystem(Subsystem::new(nqn("new"))).unwrap();
    assert_eq!((told(&mut one), told(&mut two)), nobody);
    target.export(PortId(1), &nqn("new")).unwrap();
    assert_eq!((told(&mut one), told(&mut two)), nobody);
    target.allow_host(&nqn("new"), Host::number(1).nqn).unwrap();
    assert_eq!((told(&mut one), told(&mut two)), one_alone);
    target.add_referral(PortId(1), Referral::tcp("192.0.2.9:8009".parse().unwrap())).unwrap();
    assert_eq!((told(&mut one), told(&mut two)), both);
    target.remove_subsystem(&nqn("new")).unwrap();
    assert_eq!((told(&mut one), told(&mut two)), one_alone);
    target.set_address(PortId(1), "192.0.2.1:4420".parse().unwrap());
    assert_eq!((told(&mut one), told(&mut two)), nobody, "its address says the same");
    target.remove_port(PortId(2)).unwrap();
    assert_eq!((told(&mut one), told(&mut two)), both);
    assert!(log(&mut one).generation > before);
}

#[test]
fn a_name_of_its_own() {
    let settings = Settings::new().discovery_nqn(nqn("discovery"));
    let target = Target::with_settings(settings);
    target.add_port(Port::tcp(PortId(1), "192.0.2.1:8009".parse().unwrap())).unwrap();
    assert!(target.add_subsystem(Subsystem::new(nqn("discovery"))).is_err());
    for name in [nqn("discovery"), SubsysNqn::discovery()] {
        let (mut line, _) = Line::admin(&target, 1, &name, &Host::number(1));
        let id = data(line.fetch(IdentifyCommand::controller().to_sqe(), 4096));
        assert_eq!(IdentifyController::new_checked(id).unwrap().subnqn_text(), nqn("discovery").to_string());
        let log = log(&mut line);
        assert_eq!(names(&log, SubsystemType::CURRENT_DISCOVERY), [(nqn("discovery").to_string(), 1)]);
    }
}
