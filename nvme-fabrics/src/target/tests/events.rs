//! Asynchronous events, Abort, keep-alive.

use std::time::Duration;

use nvme_proto::command::admin::{Abort, AsyncEventRequest, KeepAlive as KeepAliveCommand, SetFeatures};
use nvme_proto::command::io::Read;
use nvme_proto::controller::Reply;
use nvme_proto::event::{AsyncEvent, EventCode};
use nvme_proto::fabrics::{
    CommandSetSelected, Connect, ControllerConfiguration, Property, PropertyGet, PropertySet,
    ShutdownNotification,
};
use nvme_proto::feature::{AsyncEventConfiguration, KeepAliveTimer};
use nvme_proto::log::{ChangedNamespaces, GetLogPage, LogId, RetainAsyncEvent};
use nvme_proto::machine::{KeepAlive, Time};

use super::*;
use crate::target::connection::Notice;
use crate::target::{AnaGroup, AnaState, Termination};

fn event(code: EventCode) -> Reply {
    Reply::with_result(AsyncEvent::new(code).0.into())
}

fn wait(line: &mut Line) -> nvme_proto::controller::Tag {
    match line.plain(AsyncEventRequest::default().to_sqe()) {
        Outcome::Later(tag) => tag,
        other => panic!("{other:?}"),
    }
}

fn read_log(line: &mut Line, lid: LogId, retain: RetainAsyncEvent, len: u32) -> Vec<u8> {
    let mut command = GetLogPage::new(lid, 0, len).unwrap();
    command.retain = retain;
    data(line.fetch(command.to_sqe(), len))
}

fn changed(line: &mut Line, retain: RetainAsyncEvent) -> Vec<u32> {
    let page = read_log(line, LogId::CHANGED_NAMESPACES, retain, 4096);
    match ChangedNamespaces::new_checked(page).unwrap() {
        ChangedNamespaces::Listed(list) => list.ids().collect(),
        ChangedNamespaces::TooMany => vec![u32::MAX],
    }
}

#[test]
fn a_namespace_that_comes_goes_or_grows_is_told_once_until_the_list_is_read() {
    let target = target();
    let (mut admin, _io, _) = association(&target, 1, &Host::number(1));
    let tags = [wait(&mut admin), wait(&mut admin)];
    assert_eq!(admin.notice(), None);
    target.add_namespace(&nqn("disk"), Namespace::new(nsid(9), memory())).unwrap();
    assert_eq!(admin.notice(), Some(Notice::Answer(tags[0], event(EventCode::NAMESPACE_CHANGED))));
    target.remove_namespace(&nqn("disk"), nsid(3)).unwrap();
    assert_eq!(admin.notice(), None, "masked");
    assert_eq!(changed(&mut admin, RetainAsyncEvent::Retain), [3, 9]);
    assert_eq!(admin.notice(), None, "still masked");
    assert_eq!(changed(&mut admin, RetainAsyncEvent::Clear), [3, 9]);
    // What happened while it was masked is told now, although the host has read of it.
    assert_eq!(admin.notice(), Some(Notice::Answer(tags[1], event(EventCode::NAMESPACE_CHANGED))));
    assert_eq!(changed(&mut admin, RetainAsyncEvent::Clear), [0_u32; 0]);
    let disk = memory();
    target.add_namespace(&nqn("disk"), Namespace::new(nsid(4), disk.clone())).unwrap();
    // It waits for a request.
    let outcome = admin.plain(AsyncEventRequest::default().to_sqe());
    assert_eq!(outcome, Outcome::Reply(event(EventCode::NAMESPACE_CHANGED)));
    assert_eq!(changed(&mut admin, RetainAsyncEvent::Clear), [4]);
    let tag = wait(&mut admin);
    target.namespace_resized(&nqn("disk"), nsid(4)).unwrap();
    assert_eq!(admin.notice(), None, "the size is the same");
    disk.resize(2 * MIB).unwrap();
    target.namespace_resized(&nqn("disk"), nsid(4)).unwrap();
    assert_eq!(admin.notice(), Some(Notice::Answer(tag, event(EventCode::NAMESPACE_CHANGED))));
    assert_eq!(changed(&mut admin, RetainAsyncEvent::Clear), [4]);
}

#[test]
fn access_changes_are_told_to_hosts_at_that_port() {
    let target = target();
    let (mut first, _io, _) = association(&target, 1, &Host::number(1));
    let (mut second, _io2, _) = association(&target, 2, &Host::number(1));
    let tags = [wait(&mut first), wait(&mut second)];
    let two = AnaGroup::new(2).unwrap();
    target.set_ana_state(PortId(1), two, AnaState::Inaccessible).unwrap();
    assert_eq!((first.notice(), second.notice()), (None, None), "no namespace is in it");
    target.set_ana_state(PortId(2), AnaGroup::ONE, AnaState::Change).unwrap();
    assert_eq!(first.notice(), None);
    assert_eq!(second.notice(), Some(Notice::Answer(tags[1], event(EventCode::ANA_CHANGED))));
    target.set_ana_group(&nqn("disk"), nsid(1), two).unwrap();
    assert_eq!(first.notice(), Some(Notice::Answer(tags[0], event(EventCode::ANA_CHANGED))));
    let tag = wait(&mut second);
    read_log(&mut second, LogId::ANA, RetainAsyncEvent::Clear, 4096);
    assert_eq!(second.notice(), Some(Notice::Answer(tag, event(EventCode::ANA_CHANGED))));
    // The same again is no change.
    let tag = wait(&mut second);
    read_log(&mut second, LogId::ANA, RetainAsyncEvent::Clear, 4096);
    target.set_ana_state(PortId(2), AnaGroup::ONE, AnaState::Change).unwrap();
    target.set_ana_group(&nqn("disk"), nsid(1), two).unwrap();
    assert_eq!(second.notice(), None);
    let _ = tag;
}

#[test]
fn two_kinds_of_events_do_not_mask_each_other_and_both_come_in_one_turn() {
    let target = target();
    let (mut admin, _io, _) = association(&target, 1, &Host::number(1));
    let tags = [wait(&mut admin), wait(&mut admin)];
    target.set_ana_state(PortId(1), AnaGroup::ONE, AnaState::NonOptimized).unwrap();
    target.remove_namespace(&nqn("disk"), nsid(3)).unwrap();
    let told = [admin.notice(), admin.notice(), admin.notice()];
    assert_eq!(told[0], Some(Notice::Answer(tags[0], event(EventCode::NAMESPACE_CHANGED))));
    assert_eq!(told[1], Some(Notice::Answer(tags[1], event(EventCode::ANA_CHANGED))));
    assert_eq!(told[2], None);
}

#[test]
fn events_can_be_switched_off() {
    let target = target();
    let (mut admin, _io, _) = association(&target, 1, &Host::number(1));
    let none = AsyncEventConfiguration::default();
    refused(&admin.plain(SetFeatures::of(none.with_discovery(true)).to_sqe()), Status::INVALID_FIELD);
    done(&admin.plain(SetFeatures::of(none.with_ana(true)).to_sqe()));
    let tag = wait(&mut admin);
    target.remove_namespace(&nqn("disk"), nsid(3)).unwrap();
    assert_eq!(admin.notice(), None);
    target.set_ana_state(PortId(1), AnaGroup::ONE, AnaState::NonOptimized).unwrap();
    assert_eq!(admin.notice(), Some(Notice::Answer(tag, event(EventCode::ANA_CHANGED))));
    assert_eq!(changed(&mut admin, RetainAsyncEvent::Clear), [3], "the list is kept all the same");
}

#[test]
fn a_request_that_waits_can_be_aborted() {
    let target = target();
    let (mut admin, _io, _) = association(&target, 1, &Host::number(1));
    let first = wait(&mut admin);
    let cid = admin.last_cid();
    let second = wait(&mut admin);
    assert_eq!(admin.plain(Abort::new(1, cid).to_sqe()).result(), 1, "another queue's");
    assert_eq!(admin.plain(Abort::new(0, cid).to_sqe()).result(), 0);
    assert_eq!(admin.notice(), Some(Notice::Answer(first, Reply::failed(Status::ABORT_REQUESTED))));
    assert_eq!(admin.plain(Abort::new(0, cid).to_sqe()).result(), 1, "gone");
    target.remove_namespace(&nqn("disk"), nsid(3)).unwrap();
    assert_eq!(admin.notice(), Some(Notice::Answer(second, event(EventCode::NAMESPACE_CHANGED))));
}

#[test]
fn shutdown_and_reset() {
    let target = target();
    let host = Host::number(1);
    let (mut admin, mut io, cntlid) = association(&target, 1, &host);
    let get = |line: &mut Line, property| line.plain(PropertyGet::new(property).to_sqe()).result();
    let set = |line: &mut Line, config: ControllerConfiguration| {
        done(&line.plain(PropertySet::new(Property::CC, config.0.into()).to_sqe()));
    };
    let enabled = ControllerConfiguration::enabled(CommandSetSelected::ALL);
    assert_eq!((get(&mut admin, Property::CC), get(&mut admin, Property::CSTS)), (enabled.0.into(), 1));
    let tag = wait(&mut admin);
    set(&mut admin, enabled.with_shutdown(ShutdownNotification::NORMAL));
    assert_eq!(get(&mut admin, Property::CSTS), 0b1000, "shutdown complete, not ready");
    // As the Linux target answers it.
    let failed = Reply::failed(Status::INTERNAL_ERROR.with_dnr());
    assert_eq!(admin.notice(), Some(Notice::Answer(tag, failed)));
    refused(&io.fetch(Read::new(1, 0, 0).to_sqe(), 512), Status::COMMAND_SEQUENCE_ERROR);
    assert_eq!(io.notice(), None, "the host closes it");
    set(&mut admin, enabled.with_enable(false));
    assert_eq!(get(&mut admin, Property::CSTS), 0);
    assert_eq!(io.notice(), Some(Notice::Terminate(Termination::ControllerReset)));
    drop(io);
    // The admin queue goes on: the host enables it again.
    set(&mut admin, enabled);
    assert_eq!(get(&mut admin, Property::CSTS), 1);
    let mut io = Line::io(&target, 1, 1, cntlid, &nqn("disk"), &host);
    done(&io.fetch(Read::new(1, 0, 0).to_sqe(), 512));
    // And is gone: so are its queues.
    drop(admin);
    assert_eq!(io.notice(), Some(Notice::Terminate(Termination::AssociationEnded)));
    assert_eq!(target.associations(), []);
}

#[test]
fn keep_alive_follows_the_life_of_the_controller() {
    let target = target();
    let mut admin = Line::open(&target, 1);
    let outcome = admin.connect(Connect::admin(31, 2500), Cntlid::DYNAMIC, &nqn("disk"), &Host::number(1));
    let cntlid = Cntlid(outcome.result() as u16);
    let traffic = |millis| Some(Notice::KeepAlive(Some(KeepAlive::Traffic(Duration::from_millis(millis)))));
    assert_eq!(admin.notice(), traffic(120_000), "not enabled");
    let enabled = ControllerConfiguration::enabled(CommandSetSelected::ALL);
    let set = |line: &mut Line, config: ControllerConfiguration| {
        done(&line.plain(PropertySet::new(Property::CC, config.0.into()).to_sqe()));
    };
    set(&mut admin, enabled);
    assert_eq!(admin.notice(), traffic(3050), "whole seconds, and what last_seen may be old");
    done(&admin.plain(SetFeatures::of(KeepAliveTimer(10_000)).to_sqe()));
    assert_eq!(admin.notice(), traffic(10_050));
    // Commands of any queue count.
    let mut io = Line::io(&target, 1, 1, cntlid, &nqn("disk"), &Host::number(1));
    admin.now = Time::from_millis(1000);
    done(&admin.plain(KeepAliveCommand::default().to_sqe()));
    assert_eq!(admin.connection.keep_alive_seen(), Some(Time::from_millis(1000)));
    io.now = Time::from_millis(7000);
    done(&io.fetch(Read::new(1, 0, 0).to_sqe(), 512));
    assert_eq!(admin.connection.keep_alive_seen(), Some(Time::from_millis(7000)));
    assert_eq!(io.connection.keep_alive_seen(), None);
    done(&admin.plain(SetFeatures::of(KeepAliveTimer(0)).to_sqe()));
    assert_eq!(admin.notice(), Some(Notice::KeepAlive(None)));
    set(&mut admin, enabled.with_enable(false));
    assert_eq!(admin.notice(), traffic(120_000));
}
