//! Reservation commands of a host.

use std::sync::Arc;

use nvme_proto::Status;
use nvme_proto::command::IoCommand;
use nvme_proto::command::io::{ReservationKeys, ReservationRelease};

use super::{Answer, Payload, done};
use crate::target::state::{Acquire, Attached, Notices, Register, Release, Reservations};

/// A reservation command; checked, with data of the right length.
pub(super) fn execute(
    attached: &Arc<Attached>,
    command: &IoCommand,
    data: Payload<'_>,
) -> Result<Answer, Status> {
    let namespace = &attached.namespace;
    let host = attached.controller.host_id;
    if let IoCommand::ReservationReport(command) = command {
        let mut report = namespace.reservations(Reservations::report);
        report.resize(usize::try_from(command.data_len()).unwrap_or(0), 0);
        return Ok(Answer::data(report));
    }
    // Keys belong to hosts, and this one did not say who it is.
    if host.is_zero() {
        return Err(Status::HOST_IDENTIFIER_NOT_INITIALIZED.with_dnr());
    }
    let data = match data {
        Payload::Here(data) => data,
        Payload::Expected { .. } => return Ok(Answer::Fetch),
        Payload::None => return Err(Status::DATA_SGL_LENGTH_INVALID.with_dnr()),
    };
    let keys = || ReservationKeys::decode(data).map_err(|_| Status::DATA_SGL_LENGTH_INVALID.with_dnr());
    let notices: Notices = match command {
        IoCommand::ReservationRegister(command) => {
            let keys = keys()?;
            let register = Register {
                action: command.action,
                ignore_key: command.ignore_key,
                persist: command.persist,
                current: keys.current,
                new: keys.other,
            };
            namespace.change_reservations(|all| all.register(host, &register))?
        }
        IoCommand::ReservationAcquire(command) => {
            let keys = keys()?;
            let acquire = Acquire {
                action: command.action,
                kind: command.kind,
                current: keys.current,
                preempted: keys.other,
            };
            namespace.change_reservations(|all| all.acquire(host, &acquire))?
        }
        IoCommand::ReservationRelease(command) => {
            let key = ReservationRelease::key(data);
            let release = Release {
                action: command.action,
                kind: command.kind,
                current: key.map_err(|_| Status::DATA_SGL_LENGTH_INVALID.with_dnr())?,
            };
            namespace.change_reservations(|all| all.release(host, &release))?
        }
        _ => return Err(Status::INVALID_OPCODE.with_dnr()),
    };
    attached.controller.subsystem.reservation_changed(namespace.nsid, &notices);
    Ok(done())
}
