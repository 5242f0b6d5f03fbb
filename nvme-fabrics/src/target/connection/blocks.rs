//! Commands on blocks other than reads and writes.

use std::sync::Arc;

use nvme_proto::Status;
use nvme_proto::command::IoCommand;
use nvme_proto::command::io::DatasetManagement;
use nvme_proto::sqe::Sqe;

use super::io::{admit, blocks};
use super::{Answer, Payload, Work, done};
use crate::target::backend::{Deallocate, Extent, Geometry, IoOp};
use crate::target::state::{Attached, Group};

/// Flush, Compare, Write Zeroes, Dataset Management, Verify; checked, with data of the right length.
pub(super) fn execute(
    attached: Arc<Attached>,
    sqe: &Sqe,
    command: &IoCommand,
    data: Payload<'_>,
) -> Result<Answer, Status> {
    let geometry = attached.namespace.geometry();
    let op = match command {
        IoCommand::Flush(_) => {
            // What is protected has nothing to be flushed that could fail; a reservation keeps others from it as from writes.
            if attached.namespace.is_writable(&geometry) {
                admit(&attached, &geometry, Group::Write)?;
            }
            IoOp::Flush
        }
        IoCommand::Compare(_) => {
            let extent = blocks(sqe, &geometry)?;
            admit(&attached, &geometry, Group::Read)?;
            IoOp::Compare(extent)
        }
        IoCommand::Verify(_) => {
            let extent = blocks(sqe, &geometry)?;
            admit(&attached, &geometry, Group::Read)?;
            IoOp::Verify(extent)
        }
        IoCommand::WriteZeroes(command) => {
            if command.whole_namespace {
                return Err(Status::INVALID_FIELD.with_dnr());
            }
            let extent = blocks(sqe, &geometry)?;
            admit(&attached, &geometry, Group::Write)?;
            let deallocate = if command.deallocate { Deallocate::Allow } else { Deallocate::Keep };
            IoOp::WriteZeroes { extent, deallocate }
        }
        IoCommand::DatasetManagement(command) => {
            admit(&attached, &geometry, Group::Write)?;
            let data = match data {
                Payload::Here(data) => data,
                Payload::Expected { .. } => return Ok(Answer::Fetch),
                Payload::None => return Err(Status::DATA_SGL_LENGTH_INVALID.with_dnr()),
            };
            let extents = extents(command, data, &geometry)?;
            // Everything but deallocation is a hint.
            if !command.deallocate || extents.is_empty() {
                return Ok(done());
            }
            IoOp::Discard(extents)
        }
        _ => return Err(Status::INVALID_OPCODE.with_dnr()),
    };
    Ok(Answer::Io(Work::new(attached, op, sqe.cid, sqe.opcode)))
}

/// The ranges that are not empty, all of which have to be inside.
fn extents(command: &DatasetManagement, data: &[u8], geometry: &Geometry) -> Result<Box<[Extent]>, Status> {
    let ranges = command.ranges(data).map_err(|_| Status::DATA_SGL_LENGTH_INVALID.with_dnr())?;
    let log2 = geometry.block_size.log2();
    let extents = ranges.filter(|range| range.blocks != 0).map(|range| {
        let blocks = u64::from(range.blocks);
        match range.lba.checked_add(blocks) {
            Some(end) if end <= geometry.blocks => Ok(Extent::new(range.lba << log2, blocks << log2)),
            _ => Err(Status::LBA_OUT_OF_RANGE.with_dnr()),
        }
    });
    extents.collect()
}
