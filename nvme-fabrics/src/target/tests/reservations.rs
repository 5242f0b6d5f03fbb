//! Reservations between hosts.

use nvme_proto::HostId;
use nvme_proto::command::admin::{AsyncEventRequest, SetFeatures};
use nvme_proto::command::io::{
    AcquireAction, Flush, Read, RegisterAction, ReleaseAction, ReservationAcquire, ReservationKeys,
    ReservationRegister, ReservationRelease, ReservationReport, ReservationStatus, ReservationType, Write,
};
use nvme_proto::controller::Reply;
use nvme_proto::event::{AsyncEvent, EventCode};
use nvme_proto::feature::{FeatureId, ReservationNotificationMask};
use nvme_proto::log::{GetLogPage, LogId, ReservationEvent, ReservationLog};

use super::*;
use crate::target::connection::Notice;

fn register(line: &mut Line, key: u64) -> Outcome {
    let command = ReservationRegister::new(1, RegisterAction::REGISTER);
    line.bring(command.to_sqe(), &ReservationKeys::new(0, key).encode())
}

fn acquire(line: &mut Line, key: u64, kind: ReservationType) -> Outcome {
    let command = ReservationAcquire::new(1, AcquireAction::ACQUIRE, kind);
    line.bring_late(command.to_sqe(), &ReservationKeys::new(key, 0).encode())
}

fn notices(admin: &mut Line) -> Vec<(u64, ReservationEvent, u32)> {
    let mut all = Vec::new();
    loop {
        let page = data(admin.fetch(GetLogPage::new(LogId::RESERVATION, 0, 64).unwrap().to_sqe(), 64));
        let page = ReservationLog::new_checked(page).unwrap();
        if page.event() == ReservationEvent::EMPTY {
            return all;
        }
        all.push((page.count(), page.event(), page.nsid()));
    }
}

#[test]
fn a_reservation_keeps_other_hosts_out() {
    let target = target();
    let (_a, mut a, _) = association(&target, 1, &Host::number(1));
    let (_b, mut b, _) = association(&target, 2, &Host::number(2));
    done(&register(&mut a, 10));
    refused(&register(&mut a, 11), Status::RESERVATION_CONFLICT);
    done(&acquire(&mut a, 10, ReservationType::WRITE_EXCLUSIVE));
    done(&a.bring(Write::new(1, 0, 0).to_sqe(), &[1; 512]));
    done(&b.fetch(Read::new(1, 0, 0).to_sqe(), 512));
    refused(&b.bring(Write::new(1, 0, 0).to_sqe(), &[2; 512]), Status::RESERVATION_CONFLICT);
    refused(&b.plain(Flush::new(1).to_sqe()), Status::RESERVATION_CONFLICT);
    done(&b.bring(Write::new(3, 0, 0).to_sqe(), &[2; 4096]));
    // The host keeps it when it goes, and has it when it comes again.
    drop((a, _a));
    refused(&b.bring(Write::new(1, 0, 0).to_sqe(), &[2; 512]), Status::RESERVATION_CONFLICT);
    let (_a, mut a, _) = association(&target, 1, &Host::number(1));
    done(&a.bring(Write::new(1, 0, 0).to_sqe(), &[3; 512]));
    let release = ReservationRelease::new(1, ReleaseAction::RELEASE, ReservationType::WRITE_EXCLUSIVE);
    done(&a.bring(release.to_sqe(), &ReservationRelease::data(10)));
    done(&b.bring(Write::new(1, 0, 0).to_sqe(), &[2; 512]));
}

#[test]
fn the_report_fits_the_room_it_is_given() {
    let target = target();
    let (_a, mut a, _) = association(&target, 1, &Host::number(1));
    done(&register(&mut a, 10));
    done(&acquire(&mut a, 10, ReservationType::EXCLUSIVE_ACCESS_ALL));
    let report = data(a.fetch(ReservationReport::new(1, 1023).to_sqe(), 4096));
    let status = ReservationStatus::new(&report).unwrap();
    assert_eq!(
        (status.header().registrants, status.header().kind),
        (1, ReservationType::EXCLUSIVE_ACCESS_ALL)
    );
    let holder = status.registrants_extended().next().unwrap();
    assert_eq!((holder.host_id, holder.key, holder.status.holds_reservation()), ([1; 16], 10, true));
    assert_eq!(data(a.fetch(ReservationReport::new(1, 3).to_sqe(), 16)), report[..16]);
    let short = with!(ReservationReport::new(1, 1023), extended: false);
    refused(&a.fetch(short.to_sqe(), 4096), Status::HOST_IDENTIFIER_INCONSISTENT_FORMAT);
}

#[test]
fn other_hosts_are_told_unless_they_do_not_want_to_know() {
    let target = target();
    let (mut admin_a, mut a, _) = association(&target, 1, &Host::number(1));
    let (mut admin_b, mut b, _) = association(&target, 1, &Host::number(2));
    done(&register(&mut a, 10));
    done(&register(&mut b, 20));
    done(&acquire(&mut a, 10, ReservationType::WRITE_EXCLUSIVE_REGISTRANTS));
    let Outcome::Later(tag) = admin_a.plain(AsyncEventRequest::default().to_sqe()) else { panic!() };
    let preempt = ReservationAcquire::new(1, AcquireAction::PREEMPT, ReservationType::EXCLUSIVE_ACCESS);
    done(&b.bring(preempt.to_sqe(), &ReservationKeys::new(20, 10).encode()));
    let event = Reply::with_result(AsyncEvent::new(EventCode::RESERVATION).0.into());
    assert_eq!(admin_a.notice(), Some(Notice::Answer(tag, event)));
    assert_eq!(
        notices(&mut admin_a),
        [(1, ReservationEvent::REGISTRATION_PREEMPTED, 1), (2, ReservationEvent::PREEMPTED, 1)]
    );
    assert_eq!(notices(&mut admin_b), []);
    refused(&a.fetch(Read::new(1, 0, 0).to_sqe(), 512), Status::RESERVATION_CONFLICT);
    // It does not want to know.
    done(&register(&mut a, 10));
    let mask = ReservationNotificationMask::default().with_preempted(true);
    let set = with!(SetFeatures::of(mask), nsid: u32::MAX);
    done(&admin_a.plain(set.to_sqe()));
    let clear = ReservationRelease::new(1, ReleaseAction::CLEAR, ReservationType::NONE);
    done(&b.bring(clear.to_sqe(), &ReservationRelease::data(20)));
    assert_eq!(notices(&mut admin_a), []);
    let of_one = with!(nvme_proto::command::admin::GetFeatures::new(FeatureId::RESERVATION_NOTIFICATION_MASK), nsid: 3);
    assert_eq!(admin_a.plain(of_one.to_sqe()).result(), u64::from(mask.0));
}

#[test]
fn a_host_without_identifier_cannot_register() {
    let target = target();
    let nobody = Host { id: HostId::ZERO, ..Host::number(1) };
    let (_admin, mut io, _) = association(&target, 1, &nobody);
    refused(&register(&mut io, 1), Status::HOST_IDENTIFIER_NOT_INITIALIZED);
    done(&io.fetch(Read::new(1, 0, 0).to_sqe(), 512));
}

#[test]
fn preempt_and_abort_waits_for_what_the_other_host_has_begun_and_for_nothing_else() {
    let target = target();
    let (_a, mut a, _) = association(&target, 1, &Host::number(1));
    let (_b, mut b, _) = association(&target, 1, &Host::number(2));
    done(&register(&mut a, 10));
    done(&register(&mut b, 20));
    done(&acquire(&mut a, 10, ReservationType::WRITE_EXCLUSIVE));
    let first = a.begin(Write::new(1, 0, 0).to_sqe(), 512);
    let second = a.begin(Read::new(1, 0, 0).to_sqe(), 512);
    let elsewhere = a.begin(Write::new(3, 0, 0).to_sqe(), 4096);
    let preempt =
        ReservationAcquire::new(1, AcquireAction::PREEMPT_AND_ABORT, ReservationType::WRITE_EXCLUSIVE);
    let outcome = b.bring(preempt.to_sqe(), &ReservationKeys::new(20, 10).encode());
    let Outcome::Later(tag) = outcome else { panic!("{outcome:?}") };
    // It holds already: no write gets in any more. Reads do, and are not waited for.
    assert_eq!(a.notice(), None);
    refused(&a.bring(Write::new(1, 0, 0).to_sqe(), &[1; 512]), Status::RESERVATION_CONFLICT);
    let later = a.begin(Read::new(1, 0, 0).to_sqe(), 512);
    assert_eq!(b.notice(), None);
    drop(first);
    assert_eq!(b.notice(), None);
    assert!(second.finish(&Ok(())).status.is_success());
    assert_eq!(b.notice(), Some(Notice::Answer(tag, Reply::success())));
    assert_eq!(b.notice(), None);
    drop((later, elsewhere));
    // Nothing is on its way: it is answered at once, or as soon as the other queue has had its turn.
    done(&register(&mut a, 10));
    let outcome = b.bring(preempt.to_sqe(), &ReservationKeys::new(20, 10).encode());
    assert_eq!(a.notice(), None);
    match outcome {
        Outcome::Later(tag) => assert_eq!(b.notice(), Some(Notice::Answer(tag, Reply::success()))),
        other => done(&other),
    }
    // A host that has gone with its commands is not waited for.
    done(&register(&mut a, 10));
    drop(a);
    done(&b.bring(preempt.to_sqe(), &ReservationKeys::new(20, 10).encode()));
}
