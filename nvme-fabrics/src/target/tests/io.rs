//! Commands on blocks.

use nvme_proto::Status;
use nvme_proto::command::io::{
    Compare, DatasetManagement, DatasetRange, Flush, Read, Verify, Write, WriteUncorrectable, WriteZeroes,
};
use nvme_proto::feature::WriteProtectionState;
use nvme_proto::log::{ErrorLog, GetLogPage, HealthLog, LogId};

use super::*;
use crate::target::{AnaGroup, AnaState, WriteProtect};

fn read(line: &mut Line, lba: u64, blocks: u16) -> Vec<u8> {
    let outcome = line.fetch(Read::new(1, lba, blocks - 1).to_sqe(), u32::from(blocks) * 512);
    data(outcome)
}

#[test]
fn what_is_written_is_read() {
    let target = target();
    let (_admin, mut io, _) = association(&target, 1, &Host::number(1));
    done(&io.bring(Write::new(1, 5, 1).to_sqe(), &[7; 1024]));
    done(&io.bring_late(Write::new(1, 7, 0).to_sqe(), &[8; 512]));
    assert_eq!(read(&mut io, 4, 4), [vec![0; 512], vec![7; 1024], vec![8; 512]].concat());
    // Namespace 3 has blocks of 4096 bytes, and nothing of namespace 1.
    done(&io.bring(Write::new(3, 255, 0).to_sqe(), &[9; 4096]));
    assert_eq!(data(io.fetch(Read::new(3, 255, 0).to_sqe(), 4096)), [9; 4096]);
    assert_eq!(read(&mut io, 2047, 1), [0; 512]);
    // Another association sees the same.
    let (_admin, mut other, _) = association(&target, 2, &Host::number(2));
    assert_eq!(read(&mut other, 5, 1), [7; 512]);
}

#[test]
fn compare_verify_zeroes_flush() {
    let target = target();
    let (_admin, mut io, _) = association(&target, 1, &Host::number(1));
    done(&io.bring(Write::new(1, 0, 1).to_sqe(), &[7; 1024]));
    done(&io.bring(Compare::new(1, 0, 1).to_sqe(), &[7; 1024]));
    refused(&io.bring(Compare::new(1, 0, 0).to_sqe(), &[8; 512]), Status::COMPARE_FAILURE);
    done(&io.plain(Verify::new(1, 0, 15).to_sqe()));
    done(&io.plain(Flush::new(1).to_sqe()));
    done(&io.plain(WriteZeroes::new(1, 1, 0).to_sqe()));
    assert_eq!(read(&mut io, 0, 2), [[7; 512], [0; 512]].concat());
    let all = with!(WriteZeroes::new(1, 0, 0), whole_namespace: true);
    refused(&io.plain(all.to_sqe()), Status::INVALID_FIELD);
    refused(&io.plain(WriteUncorrectable::new(1, 0, 0).to_sqe()), Status::INVALID_OPCODE);
    let forced = with!(Write::new(1, 0, 0), force_unit_access: true);
    done(&io.bring(forced.to_sqe(), &[1; 512]));
}

#[test]
fn discarded_ranges_read_as_zeros_and_others_do_not() {
    let target = target();
    let (_admin, mut io, _) = association(&target, 1, &Host::number(1));
    done(&io.bring(Write::new(1, 0, 255).to_sqe(), &[7; 256 * 512]));
    let ranges = |ranges: &[(u64, u32)]| -> Vec<u8> {
        ranges.iter().flat_map(|(lba, blocks)| DatasetRange::new(*lba, *blocks).encode()).collect()
    };
    let discard = |count: u8| DatasetManagement::deallocate(1, count - 1).to_sqe();
    done(&io.bring(discard(3), &ranges(&[(0, 128), (200, 0), (u64::MAX, 0)])));
    assert_eq!(read(&mut io, 0, 256), [vec![0; 128 * 512], vec![7; 128 * 512]].concat());
    // A hint that changes nothing.
    let hint = with!(DatasetManagement::deallocate(1, 0), deallocate: false, integral_read: true);
    done(&io.bring_late(hint.to_sqe(), &ranges(&[(128, 128)])));
    assert_eq!(read(&mut io, 128, 1), [7; 512]);
    for beyond in [(2047, 2), (2048, 1), (u64::MAX, 1), (u64::MAX - 5, u32::MAX)] {
        let outcome = io.bring(discard(2), &ranges(&[(128, 8), beyond]));
        refused(&outcome, Status::LBA_OUT_OF_RANGE);
    }
    assert_eq!(read(&mut io, 128, 8), [7; 4096], "all or nothing");
}

#[test]
fn blocks_beyond_the_end() {
    let target = target();
    let (mut admin, mut io, _) = association(&target, 1, &Host::number(1));
    done(&io.fetch(Read::new(1, 2047, 0).to_sqe(), 512));
    for (lba, blocks) in [(2048, 1), (2047, 2), (u64::MAX, 1), (u64::MAX, 256), (1 << 63, 1)] {
        let outcome = io.fetch(Read::new(1, lba, blocks - 1).to_sqe(), u32::from(blocks) * 512);
        refused(&outcome, Status::LBA_OUT_OF_RANGE);
    }
    refused(&io.plain(Verify::new(1, 2040, 8).to_sqe()), Status::LBA_OUT_OF_RANGE);
    refused(&io.plain(WriteZeroes::new(1, 2040, 8).to_sqe()), Status::LBA_OUT_OF_RANGE);
    // They are in the error log, the last one first.
    let page = data(admin.fetch(GetLogPage::new(LogId::ERROR, 0, 640).unwrap().to_sqe(), 640));
    let log = ErrorLog::new(&page[..]);
    let last = log.errors().next().unwrap();
    assert_eq!(log.errors().count(), 7);
    assert_eq!((last.count(), last.queue_id(), last.opcode(), last.lba(), last.nsid()), (7, 1, 8, 2040, 1));
    assert_eq!(last.status(), Status::LBA_OUT_OF_RANGE.with_dnr());
}

#[test]
fn write_protection() {
    let target = target();
    let (_admin, mut io, _) = association(&target, 1, &Host::number(1));
    for (protection, status) in [
        (WriteProtect::Protected, Status::NAMESPACE_IS_WRITE_PROTECTED),
        (WriteProtect::Permanent, Status::NAMESPACE_IS_WRITE_PROTECTED),
        (WriteProtect::None, Status::SUCCESS),
    ] {
        target.set_write_protect(&nqn("disk"), nsid(1), protection).unwrap();
        refused(&io.bring(Write::new(1, 0, 0).to_sqe(), &[1; 512]), status);
        refused(&io.plain(WriteZeroes::new(1, 0, 0).to_sqe()), status);
        let ranges = DatasetRange::new(0, 1).encode();
        refused(&io.bring(DatasetManagement::deallocate(1, 0).to_sqe(), &ranges), status);
        done(&io.fetch(Read::new(1, 0, 0).to_sqe(), 512));
        done(&io.plain(Flush::new(1).to_sqe()));
    }
    let state = target.shared.find(PortId(1), &nqn("disk")).unwrap().0.namespace(1).unwrap();
    assert_eq!(state.protection(), WriteProtectionState::NONE);
}

#[test]
fn asymmetric_access_decides_over_each_port() {
    let target = target();
    let (_first, mut first, _) = association(&target, 1, &Host::number(1));
    let (_second, mut second, _) = association(&target, 2, &Host::number(1));
    let group = AnaGroup::new(7).unwrap();
    target.set_ana_group(&nqn("disk"), nsid(3), group).unwrap();
    for (state, status) in [
        (AnaState::Inaccessible, Status::ASYMMETRIC_ACCESS_INACCESSIBLE),
        (AnaState::PersistentLoss, Status::ASYMMETRIC_ACCESS_PERSISTENT_LOSS),
        (AnaState::Change, Status::ASYMMETRIC_ACCESS_TRANSITION),
        (AnaState::NonOptimized, Status::SUCCESS),
        (AnaState::Optimized, Status::SUCCESS),
    ] {
        target.set_ana_state(PortId(1), group, state).unwrap();
        let outcome = first.fetch(Read::new(3, 0, 0).to_sqe(), 4096);
        refused(&outcome, status);
        assert!(!matches!(&outcome, Outcome::Reply(reply) if reply.status.dnr()), "another path may do");
        refused(&first.plain(Flush::new(3).to_sqe()), status);
        done(&first.fetch(Read::new(1, 0, 0).to_sqe(), 512));
        done(&second.fetch(Read::new(3, 0, 0).to_sqe(), 4096));
    }
}

#[test]
fn what_was_done_is_counted() {
    let target = target();
    let (mut admin, mut io, cntlid) = association(&target, 1, &Host::number(1));
    let mut other = Line::io(&target, 1, 2, cntlid, &nqn("disk"), &Host::number(1));
    let mut health = |nsid| {
        let mut command = GetLogPage::new(LogId::HEALTH, 0, 512).unwrap();
        command.nsid = nsid;
        let page = HealthLog::new_checked(data(admin.fetch(command.to_sqe(), 512))).unwrap();
        (page.reads(), page.writes(), page.data_read(), page.data_written())
    };
    for _ in 0..3 {
        read(&mut io, 0, 256);
        done(&other.bring(Write::new(3, 0, 0).to_sqe(), &[1; 4096]));
    }
    assert_eq!(health(1), (3, 0, 1, 0));
    assert_eq!(health(3), (0, 3, 0, 1));
    assert_eq!(health(u32::MAX), (3, 3, 1, 1));
    // What a queue did is not forgotten when it goes.
    drop(io);
    drop(other);
    assert_eq!(health(0), (3, 3, 1, 1));
}

#[test]
fn a_namespace_that_goes_is_gone_at_once_and_one_that_comes_is_there() {
    let target = target();
    let (_admin, mut io, _) = association(&target, 1, &Host::number(1));
    done(&io.bring(Write::new(1, 0, 0).to_sqe(), &[5; 512]));
    target.remove_namespace(&nqn("disk"), nsid(1)).unwrap();
    refused(&io.fetch(Read::new(1, 0, 0).to_sqe(), 512), Status::INVALID_NAMESPACE_OR_FORMAT);
    done(&io.fetch(Read::new(3, 0, 0).to_sqe(), 4096));
    target.add_namespace(&nqn("disk"), Namespace::new(nsid(2), memory())).unwrap();
    done(&io.fetch(Read::new(2, 0, 0).to_sqe(), 512));
    target.add_namespace(&nqn("disk"), Namespace::new(nsid(1), memory())).unwrap();
    assert_eq!(read(&mut io, 0, 1), [0; 512]);
}
