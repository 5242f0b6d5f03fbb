//! Commands of I/O queues. Reads and writes take no lock and allocate nothing.
//!
//! In this order: entry and opcode, namespace, asymmetric access, blocks, length of the data, write protection, reservation.

use std::sync::Arc;

use nvme_proto::Status;
use nvme_proto::command::io::{Read, Write};
use nvme_proto::command::{IoCommand, check};
use nvme_proto::controller::Tag;
use nvme_proto::machine::Time;
use nvme_proto::sgl::SglPlace;
use nvme_proto::sqe::{Fuse, Psdt, Sqe};

use super::{Answer, IoQueue, Payload, Work, answer, entry, status};
use crate::target::backend::{Durability, Extent, Geometry, IoOp, Lent};
use crate::target::config::AnaState;
use crate::target::state::{Attached, Group};

/// Force Unit Access: bit 30 of dword 12.
const FUA: u32 = 1 << 30;

impl IoQueue {
    pub(super) fn execute(&mut self, now: Time, tag: Tag, sqe: &Sqe, data: Payload<'_>) -> Answer {
        self.controller.seen(now);
        answer(match sqe.opcode {
            Read::OPCODE | Write::OPCODE => self.read_or_write(sqe),
            _ => self.others(tag, sqe, data),
        })
    }

    /// The data of a read, if storage lends them; counted as done then. `None` of everything else: it is to be executed.
    #[inline]
    pub(super) fn lend(&mut self, now: Time, sqe: &Sqe) -> Option<Lent> {
        if sqe.opcode != Read::OPCODE {
            return None;
        }
        let (attached, extent) = self.range(sqe, Group::Read).ok()??;
        let len = usize::try_from(extent.len).ok()?;
        let lent = attached.namespace.backend.store()?.lend(extent.at, len)?;
        if lent.as_ref().len() != len {
            return None;
        }
        attached.totals.read(extent.len);
        self.controller.seen(now);
        Some(lent)
    }

    #[inline]
    fn read_or_write(&mut self, sqe: &Sqe) -> Result<Answer, Status> {
        let group = if sqe.opcode == Write::OPCODE { Group::Write } else { Group::Read };
        let Some((attached, extent)) = self.range(sqe, group)? else {
            return entry(sqe).map(|()| super::done());
        };
        let op = match group {
            Group::Write => {
                let durability = if sqe.cdw12 & FUA == 0 { Durability::Cached } else { Durability::Forced };
                IoOp::Write { extent, durability }
            }
            _ => IoOp::Read(extent),
        };
        Ok(Answer::Io(Work::new(attached.clone(), op, sqe.cid, sqe.opcode)))
    }

    /// What a read or a write is about, if it is allowed. `None`: it is not a command of its own, or describes its data in another way.
    #[inline]
    fn range(&mut self, sqe: &Sqe, group: Group) -> Result<Option<(&Arc<Attached>, Extent)>, Status> {
        if sqe.flags.fuse() != Fuse::NORMAL || sqe.flags.psdt() != Psdt::SGL {
            return Ok(None);
        }
        let attached = self.namespace(sqe.nsid)?;
        let geometry = attached.namespace.geometry();
        let extent = blocks(sqe, &geometry)?;
        match sqe.sgl.place() {
            Ok(SglPlace::InCapsule { offset: 0, length } | SglPlace::Transport { length })
                if u64::from(length) == extent.len => {}
            _ => {
                check::data(&sqe.sgl, Some(extent.len)).map_err(status)?;
            }
        }
        admit(attached, &geometry, group)?;
        Ok(Some((attached, extent)))
    }

    #[cold]
    fn others(&mut self, tag: Tag, sqe: &Sqe, data: Payload<'_>) -> Result<Answer, Status> {
        entry(sqe)?;
        let command = IoCommand::from_sqe(sqe);
        if let IoCommand::Fabrics(_) = command {
            return Self::fabrics(&command);
        }
        check::io(&command).map_err(status)?;
        match &command {
            IoCommand::Flush(_)
            | IoCommand::Compare(_)
            | IoCommand::WriteZeroes(_)
            | IoCommand::DatasetManagement(_)
            | IoCommand::Verify(_)
            | IoCommand::ReservationRegister(_)
            | IoCommand::ReservationReport(_)
            | IoCommand::ReservationAcquire(_)
            | IoCommand::ReservationRelease(_) => {}
            _ => return Err(Status::INVALID_OPCODE.with_dnr()),
        }
        let attached = self.namespace(sqe.nsid)?.clone();
        let block_bytes = attached.namespace.geometry().block_size.bytes();
        check::io_data(&sqe.sgl, &command, block_bytes).map_err(status)?;
        match &command {
            IoCommand::ReservationRegister(_)
            | IoCommand::ReservationReport(_)
            | IoCommand::ReservationAcquire(_)
            | IoCommand::ReservationRelease(_) => self.reservation(tag, &attached, &command, data),
            _ => super::blocks::execute(attached, sqe, &command, data),
        }
    }

    /// The namespace of a command, if it can be reached here and now.
    #[inline]
    fn namespace(&mut self, nsid: u32) -> Result<&Arc<Attached>, Status> {
        if !self.controller.is_ready() {
            return Err(Status::COMMAND_SEQUENCE_ERROR.with_dnr());
        }
        let found = self.view.find(&self.controller, self.number, nsid);
        let attached = found.ok_or(Status::INVALID_NAMESPACE_OR_FORMAT.with_dnr())?;
        match self.controller.port.ana(attached.namespace.group()) {
            AnaState::Optimized | AnaState::NonOptimized => Ok(attached),
            AnaState::Inaccessible => Err(Status::ASYMMETRIC_ACCESS_INACCESSIBLE),
            AnaState::PersistentLoss => Err(Status::ASYMMETRIC_ACCESS_PERSISTENT_LOSS),
            AnaState::Change => Err(Status::ASYMMETRIC_ACCESS_TRANSITION),
        }
    }
}

/// The bytes that the blocks of a command are: SLBA in dwords 10 and 11, NLB in dword 12.
#[inline]
pub(super) fn blocks(sqe: &Sqe, geometry: &Geometry) -> Result<Extent, Status> {
    let first = u64::from(sqe.cdw11) << 32 | u64::from(sqe.cdw10);
    let count = u64::from(sqe.cdw12 & 0xffff) + 1;
    // No block is beyond the last one, so that its byte is a number.
    match first.checked_add(count) {
        Some(end) if end <= geometry.blocks => {
            let log2 = geometry.block_size.log2();
            Ok(Extent::new(first << log2, count << log2))
        }
        _ => Err(Status::LBA_OUT_OF_RANGE.with_dnr()),
    }
}

/// Whether protection and reservations let a command in.
#[inline]
pub(super) fn admit(attached: &Attached, geometry: &Geometry, group: Group) -> Result<(), Status> {
    let namespace = &attached.namespace;
    if group == Group::Write && !namespace.is_writable(geometry) {
        return Err(Status::NAMESPACE_IS_WRITE_PROTECTED.with_dnr());
    }
    if namespace.is_reserved() {
        let host = attached.controller.host_id;
        if !namespace.reservations(|reservations| reservations.allow(host, group)) {
            return Err(Status::RESERVATION_CONFLICT.with_dnr());
        }
    }
    Ok(())
}
