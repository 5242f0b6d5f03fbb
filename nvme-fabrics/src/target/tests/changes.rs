//! Changes while hosts are connected.

use nvme_proto::command::io::Read;
use nvme_proto::fabrics::{Connect, Disconnect};

use super::*;
use crate::target::connection::Notice;
use crate::target::{
    AnaGroup, AnaState, ChangeError, CntlidRange, Hosts, Layout, Referral, Settings, Termination,
    WriteProtect,
};

#[test]
fn hosts_that_may_no_longer_connect_are_sent_away_and_others_stay() {
    let target = target();
    let (one, two) = (Host::number(1), Host::number(2));
    let (mut first, mut first_io, _) = association(&target, 1, &one);
    let (mut second, mut second_io, _) = association(&target, 1, &two);
    assert_eq!(
        target.revoke_host(&nqn("disk"), &one.nqn),
        Err(ChangeError::EveryHostAllowed { nqn: nqn("disk"), host: one.nqn.clone() })
    );
    target.set_hosts(&nqn("disk"), [one.nqn.clone(), two.nqn.clone()].into_iter().collect()).unwrap();
    assert_eq!((first.notice(), second.notice()), (None, None));
    target.revoke_host(&nqn("disk"), &one.nqn).unwrap();
    let away = || Some(Notice::Terminate(Termination::HostRevoked));
    assert_eq!((first.notice(), first_io.notice()), (away(), away()));
    assert_eq!((second.notice(), second_io.notice()), (None, None));
    done(&second_io.fetch(Read::new(1, 0, 0).to_sqe(), 512));
    target.set_hosts(&nqn("disk"), Hosts::none()).unwrap();
    assert_eq!(second.notice(), Some(Notice::Terminate(Termination::HostRevoked)));
    target.allow_host(&nqn("disk"), one.nqn.clone()).unwrap();
    association(&target, 1, &one);
}

#[test]
fn what_is_removed_ends_its_associations() {
    for (change, reason, other_port_stays) in [
        (0, Termination::SubsystemRemoved, false),
        (1, Termination::Withdrawn, true),
        (2, Termination::PortRemoved, true),
        (3, Termination::Requested, true),
    ] {
        let target = target();
        let (mut admin, mut io, cntlid) = association(&target, 1, &Host::number(1));
        let (mut other, mut other_io, _) = association(&target, 2, &Host::number(1));
        match change {
            0 => target.remove_subsystem(&nqn("disk")),
            1 => target.withdraw(PortId(1), &nqn("disk")),
            2 => target.remove_port(PortId(1)),
            _ => target.disconnect(&nqn("disk"), cntlid),
        }
        .unwrap();
        assert_eq!(admin.notice(), Some(Notice::Terminate(reason)));
        assert_eq!(io.notice(), Some(Notice::Terminate(reason)));
        assert_eq!(other.notice().is_none(), other_port_stays);
        if other_port_stays {
            done(&other_io.fetch(Read::new(1, 0, 0).to_sqe(), 512));
        }
        // No queue is added to an association that ends.
        let late = Line::open(&target, 1).connect(Connect::io(2, 31), cntlid, &nqn("disk"), &Host::number(1));
        assert_eq!(late.status(), Some(Status::CONNECT_INVALID_PARAMETERS));
    }
}

#[test]
fn what_cannot_be_changed_is_said() {
    let target = target();
    let (none, disk) = (nqn("none"), nqn("disk"));
    let missing = || ChangeError::NoSubsystem { nqn: nqn("none") };
    assert_eq!(target.remove_subsystem(&none), Err(missing()));
    assert_eq!(target.add_namespace(&none, Namespace::new(nsid(1), memory())), Err(missing()));
    assert_eq!(target.set_hosts(&none, Hosts::Any), Err(missing()));
    assert_eq!(
        target.add_subsystem(Subsystem::new(disk.clone())),
        Err(ChangeError::SubsystemExists { nqn: disk.clone() })
    );
    assert_eq!(
        target.add_namespace(&disk, Namespace::new(nsid(1), memory())),
        Err(ChangeError::NamespaceExists { nqn: disk.clone(), nsid: nsid(1) })
    );
    assert_eq!(
        target.remove_namespace(&disk, nsid(2)),
        Err(ChangeError::NoNamespace { nqn: disk.clone(), nsid: nsid(2) })
    );
    assert_eq!(target.remove_port(PortId(7)), Err(ChangeError::NoPort { port: PortId(7) }));
    let again = Port::tcp(PortId(1), "192.0.2.1:4420".parse().unwrap());
    assert_eq!(target.add_port(again), Err(ChangeError::PortExists { port: PortId(1) }));
    let discovery = SubsysNqn::discovery();
    assert_eq!(
        target.export(PortId(1), &discovery),
        Err(ChangeError::DiscoveryName { nqn: discovery.clone() })
    );
    assert_eq!(
        target.disconnect(&disk, Cntlid(5)),
        Err(ChangeError::NoAssociation { nqn: disk, cntlid: Cntlid(5) })
    );
}

#[test]
fn numbers_of_controllers_are_used_again_late_and_are_bounded() {
    let settings = Settings::new().associations(3).unwrap();
    let target = Target::with_settings(settings);
    let range = CntlidRange::new(Cntlid(10), Cntlid(14)).unwrap();
    target.add_subsystem(Subsystem::new(nqn("disk")).allow_any_host().cntlids(range)).unwrap();
    target.add_port(Port::tcp(PortId(1), "192.0.2.1:4420".parse().unwrap()).export(nqn("disk"))).unwrap();
    let connect = || Line::admin(&target, 1, &nqn("disk"), &Host::number(1));
    let (first, second, third) = (connect(), connect(), connect());
    assert_eq!([first.1, second.1, third.1], [10, 11, 12].map(Cntlid));
    let full = Line::open(&target, 1).connect(
        Connect::admin(31, 0),
        Cntlid::DYNAMIC,
        &nqn("disk"),
        &Host::number(1),
    );
    assert_eq!(full, Outcome::Reply(nvme_proto::controller::Reply::failed(Status::CONNECT_CONTROLLER_BUSY)));
    drop(first);
    let fourth = connect();
    assert_eq!(fourth.1, Cntlid(13));
    drop(fourth);
    let fifth = connect();
    drop(fifth);
    let sixth = connect();
    assert_eq!(sixth.1, Cntlid(10), "from the beginning");
    drop(sixth);
    assert_eq!(connect().1, Cntlid(13), "11 and 12 are taken");
}

#[test]
fn a_queue_is_given_up_by_disconnect() {
    let target = target();
    let host = Host::number(1);
    let (mut admin, mut io, cntlid) = association(&target, 1, &host);
    assert_eq!(target.associations()[0].io_queues, 1);
    refused(
        &io.plain(with!(Disconnect::default(), record_format: 1).to_sqe()),
        Status::CONNECT_INCOMPATIBLE_FORMAT,
    );
    done(&io.plain(Disconnect::default().to_sqe()));
    assert_eq!(io.notice(), Some(Notice::Terminate(Termination::Disconnected)));
    refused(&io.fetch(Read::new(1, 0, 0).to_sqe(), 512), Status::COMMAND_SEQUENCE_ERROR);
    assert_eq!((admin.notice(), target.associations()[0].io_queues), (None, 0));
    Line::io(&target, 1, 1, cntlid, &nqn("disk"), &host);
}

#[test]
fn associations_say_who_is_connected() {
    let target = target();
    let host = Host::number(1);
    let (_admin, _io, cntlid) = association(&target, 2, &host);
    let all = target.associations();
    assert_eq!(all.len(), 1);
    let found = &all[0];
    assert_eq!(
        (&found.subsystem, found.cntlid, &found.host, found.host_id),
        (&nqn("disk"), cntlid, &host.nqn, host.id)
    );
    assert_eq!((found.port, found.io_queues, found.ready), (PortId(2), 1, true));
    assert_eq!(found.keep_alive, Some(std::time::Duration::from_secs(5)));
}

#[test]
fn a_layout_changes_what_differs_and_nothing_else() {
    let target = target();
    let (mut admin, mut io, _) = association(&target, 1, &Host::number(1));
    let before = target.layout();
    target.apply(before.clone()).unwrap();
    assert_eq!((target.layout(), admin.notice()), (before.clone(), None));
    // Another group, protection, hosts, state, referral; one namespace more, one less; one port less.
    let two = AnaGroup::new(2).unwrap();
    let mut subsystem = before.subsystems[0].clone();
    let disk = subsystem.namespaces.remove(&nsid(1)).unwrap();
    subsystem.namespaces.clear();
    let subsystem = subsystem
        .namespace(disk.ana_group(two).write_protect(WriteProtect::Protected))
        .unwrap()
        .namespace(Namespace::new(nsid(2), memory()))
        .unwrap()
        .hosts([Host::number(1).nqn].into_iter().collect());
    let port = before.ports[0]
        .clone()
        .ana(two, AnaState::NonOptimized)
        .referral(Referral::tcp("192.0.2.9:8009".parse().unwrap()));
    let other = Subsystem::new(nqn("other"));
    let after = Layout::new().subsystem(subsystem).subsystem(other).port(port.export(nqn("other")));
    target.apply(after.clone()).unwrap();
    assert_eq!(target.layout(), after);
    assert_eq!(io.notice(), None, "who is connected stays");
    done(&io.fetch(Read::new(1, 0, 0).to_sqe(), 512));
    done(&io.fetch(Read::new(2, 0, 0).to_sqe(), 512));
    refused(&io.fetch(Read::new(3, 0, 0).to_sqe(), 4096), Status::INVALID_NAMESPACE_OR_FORMAT);
    // Twice the same name is found before anything changes.
    let twice = Layout::new().subsystem(Subsystem::new(nqn("a"))).subsystem(Subsystem::new(nqn("a")));
    assert_eq!(target.apply(twice), Err(ChangeError::SubsystemExists { nqn: nqn("a") }));
    assert_eq!(target.layout(), after);
    // Another serial number is another subsystem.
    let mut renamed = after.clone();
    renamed.subsystems[0] = renamed.subsystems[0].clone().serial("other".parse().unwrap());
    target.apply(renamed.clone()).unwrap();
    assert_eq!(target.layout(), renamed);
    assert_eq!(io.notice(), Some(Notice::Terminate(Termination::SubsystemRemoved)));
    target.apply(Layout::new()).unwrap();
    assert_eq!(target.layout(), Layout::new());
}
