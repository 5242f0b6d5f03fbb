//! Reservation commands of a host.

use std::sync::Arc;

use nvme_proto::command::IoCommand;
use nvme_proto::command::io::{AcquireAction, ReservationKeys, ReservationRelease};
use nvme_proto::controller::Tag;
use nvme_proto::log::ReservationEvent;
use nvme_proto::{HostId, Status};

use super::{Answer, IoQueue, Payload, done};
use crate::target::state::{Acquire, Attached, Drain, Notices, Register, Release, Reservations};

impl IoQueue {
    /// A reservation command; checked, with data of the right length.
    pub(super) fn reservation(
        &mut self,
        tag: Tag,
        attached: &Arc<Attached>,
        command: &IoCommand,
        data: Payload<'_>,
    ) -> Result<Answer, Status> {
        let namespace = &attached.namespace;
        if let IoCommand::ReservationReport(command) = command {
            let mut report = namespace.reservations(Reservations::report);
            report.resize(usize::try_from(command.data_len()).unwrap_or(0), 0);
            return Ok(Answer::data(report));
        }
        // Keys belong to hosts, and this one did not say who it is.
        if attached.controller.host_id.is_zero() {
            return Err(Status::HOST_IDENTIFIER_NOT_INITIALIZED.with_dnr());
        }
        let data = match data {
            Payload::Here(data) => data,
            Payload::Expected { .. } => return Ok(Answer::Fetch),
            Payload::None => return Err(Status::DATA_SGL_LENGTH_INVALID.with_dnr()),
        };
        let notices = change(attached, command, data)?;
        attached.controller.subsystem.reservation_changed(namespace.nsid, &notices);
        let aborts = matches!(command, IoCommand::ReservationAcquire(c) if c.action == AcquireAction::PREEMPT_AND_ABORT);
        if !aborts {
            return Ok(done());
        }
        let drain = Drain::new(self.mailbox.clone());
        let lost = |host: HostId| notices.contains(&(host, ReservationEvent::REGISTRATION_PREEMPTED));
        for other in namespace.attached().iter().filter(|other| lost(other.controller.host_id)) {
            other.drain(&drain);
        }
        if drain.begun() {
            return Ok(done());
        }
        self.draining.push((tag, drain));
        Ok(Answer::Later)
    }
}

/// Does to the reservations what the command says.
fn change(attached: &Attached, command: &IoCommand, data: &[u8]) -> Result<Notices, Status> {
    let namespace = &attached.namespace;
    let host = attached.controller.host_id;
    let keys = || ReservationKeys::decode(data).map_err(|_| Status::DATA_SGL_LENGTH_INVALID.with_dnr());
    match command {
        IoCommand::ReservationRegister(command) => {
            let keys = keys()?;
            let register = Register {
                action: command.action,
                ignore_key: command.ignore_key,
                persist: command.persist,
                current: keys.current,
                new: keys.other,
            };
            namespace.change_reservations(|all| all.register(host, &register))
        }
        IoCommand::ReservationAcquire(command) => {
            let keys = keys()?;
            let acquire = Acquire {
                action: command.action,
                kind: command.kind,
                current: keys.current,
                preempted: keys.other,
            };
            namespace.change_reservations(|all| all.acquire(host, &acquire))
        }
        IoCommand::ReservationRelease(command) => {
            let key = ReservationRelease::key(data);
            let release = Release {
                action: command.action,
                kind: command.kind,
                current: key.map_err(|_| Status::DATA_SGL_LENGTH_INVALID.with_dnr())?,
            };
            namespace.change_reservations(|all| all.release(host, &release))
        }
        _ => Err(Status::INVALID_OPCODE.with_dnr()),
    }
}
