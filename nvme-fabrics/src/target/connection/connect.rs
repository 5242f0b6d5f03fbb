//! Connect: a connection becomes a queue.
//!
//! | refused | status | parameter |
//! |---|---|---|
//! | fields that no target takes | as [`check::connect`] | |
//! | no such subsystem at this port | Connect Invalid Parameters (182h) | data 256 |
//! | the host may not | Connect Invalid Host (184h) | data 512 |
//! | as many controllers as there may be | Connect Controller Busy (181h) | |
//! | I/O queue: no such controller, or at another port | 182h | data 16 |
//! | I/O queue: of another host | 182h | data 512 (name) or 0 (identifier) |
//! | I/O queue: controller not enabled, number in use or not granted | 182h | command 42 |
//!
//! Source: NVMe Base 2.0 section 6.3, kernel `drivers/nvme/target/fabrics-cmd.c: nvmet_execute_admin_connect, nvmet_execute_io_connect`.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use nvme_proto::command::check::{self, ConnectRequest, ConnectRules, ControllerModel, Refusal};
use nvme_proto::connect::{ConnectParameter, ParameterPlace};
use nvme_proto::controller::Reply;
use nvme_proto::fabrics::{Connect, ConnectData, ConnectResponse, Fctype};
use nvme_proto::machine::Time;
use nvme_proto::sqe::Sqe;
use nvme_proto::{Cntlid, Status};

use super::features::Features;
use super::{AdminQueue, Answer, Connection, IoQueue, Payload, Role, Waiting, data_len, entry};
use crate::target::state::{Controller, Founding, Letter, PortState, SubsystemState, View, lock};

/// A refusal: the status, and the parameter at fault.
struct Refused(Status, Option<ConnectParameter>);

impl From<Status> for Refused {
    fn from(status: Status) -> Self {
        Self(status, None)
    }
}

impl From<Refusal> for Refused {
    fn from(refusal: Refusal) -> Self {
        Self(refusal.status, refusal.parameter)
    }
}

impl From<Refused> for Reply {
    fn from(Refused(status, parameter): Refused) -> Self {
        let mut reply = Self::failed(status);
        reply.result = parameter.map_or(0, |parameter| parameter.to_dw0().into());
        reply
    }
}

const fn invalid(place: ParameterPlace, offset: u16) -> Refused {
    let status = Status::CONNECT_INVALID_PARAMETERS.with_dnr();
    Refused(status, Some(ConnectParameter { place, offset }))
}

const HOSTID: Refused = invalid(ParameterPlace::Data, 0);
const CNTLID: Refused = invalid(ParameterPlace::Data, 16);
const SUBNQN: Refused = invalid(ParameterPlace::Data, 256);
const HOSTNQN: Refused = invalid(ParameterPlace::Data, 512);
const QID: Refused = invalid(ParameterPlace::Command, 42);

/// The host may not connect.
const fn not_allowed() -> Refused {
    let parameter = ConnectParameter { place: ParameterPlace::Data, offset: 512 };
    Refused(Status::CONNECT_INVALID_HOST.with_dnr(), Some(parameter))
}

impl Connection {
    /// The first command of a connection.
    pub(super) fn connect(&mut self, now: Time, sqe: &Sqe, data: Payload<'_>) -> Answer {
        if !sqe.is_fabrics() || sqe.fctype() != Fctype::CONNECT {
            return Answer::failed(Status::COMMAND_SEQUENCE_ERROR.with_dnr());
        }
        match self.try_connect(now, sqe, data) {
            Ok(answer) => answer,
            Err(refused) => Answer::Reply(refused.into()),
        }
    }

    fn try_connect(&mut self, now: Time, sqe: &Sqe, data: Payload<'_>) -> Result<Answer, Refused> {
        entry(sqe)?;
        data_len(sqe, Some(Connect::DATA_LEN.into()))?;
        let data = match data {
            Payload::Here(data) => data,
            Payload::Expected { .. } => return Ok(Answer::Fetch),
            Payload::None => return Err(Status::DATA_SGL_LENGTH_INVALID.with_dnr().into()),
        };
        let data = ConnectData::new_checked(data).map_err(|_| Status::DATA_SGL_LENGTH_INVALID.with_dnr())?;
        let last_entry = self.target.settings.queue_entries.saturating_sub(1);
        let rules = ConnectRules {
            max_admin_queue: last_entry,
            max_io_queue: last_entry,
            // What was granted is known when the controller is.
            io_queues: u16::MAX,
            model: ControllerModel::Dynamic,
        };
        let request = check::connect(&Connect::from_sqe(sqe), &data, &rules)?;
        let (subsystem, port) = self.target.find(self.endpoint.port, &request.subnqn).ok_or(SUBNQN)?;
        let controller = if request.command.is_admin() {
            self.connect_admin(now, &subsystem, port, request)?
        } else {
            self.connect_io(now, &subsystem, &request)?
        };
        Ok(Answer::result(ConnectResponse::new(controller).0))
    }

    fn connect_admin(
        &mut self,
        now: Time,
        subsystem: &Arc<SubsystemState>,
        port: Arc<PortState>,
        request: ConnectRequest,
    ) -> Result<Cntlid, Refused> {
        if !subsystem.allows(&request.hostnqn) {
            return Err(not_allowed());
        }
        let keep_alive = request.command.keep_alive;
        let make = |cntlid| {
            let founding = Founding {
                cntlid,
                subsystem: subsystem.clone(),
                port,
                hostnqn: request.hostnqn,
                host_id: request.host_id,
                local: self.endpoint.local,
                admin: self.mailbox.clone(),
            };
            Controller::new(founding, keep_alive, now)
        };
        let busy = Refused(Status::CONNECT_CONTROLLER_BUSY, None);
        let controller = subsystem.found(self.target.settings.associations, make).ok_or(busy)?;
        let cntlid = controller.cntlid;
        self.target.watch_discovery(&controller);
        self.mailbox.send(Letter::KeepAlive);
        let waiting = Waiting::default();
        self.role = Role::Admin(AdminQueue { controller, waiting, features: Features::default() });
        // What changed while the controller was being made did not find it: look again.
        let Role::Admin(queue) = &self.role else { return Ok(cntlid) };
        if !subsystem.allows(&queue.controller.hostnqn) {
            self.ended(None);
            return Err(not_allowed());
        }
        if !self.target.is_exported(self.endpoint.port, subsystem) {
            self.ended(None);
            return Err(SUBNQN);
        }
        Ok(cntlid)
    }

    fn connect_io(
        &mut self,
        now: Time,
        subsystem: &Arc<SubsystemState>,
        request: &ConnectRequest,
    ) -> Result<Cntlid, Refused> {
        let controller = subsystem.controller(request.cntlid).ok_or(CNTLID)?;
        if controller.hostnqn != request.hostnqn {
            return Err(HOSTNQN);
        }
        if controller.host_id != request.host_id {
            return Err(HOSTID);
        }
        if controller.port.id != self.endpoint.port {
            return Err(CNTLID);
        }
        let number = request.command.qid;
        if !controller.is_ready() || number > controller.granted.load(Ordering::Relaxed) {
            return Err(QID);
        }
        {
            let mut queues = lock(&controller.queues);
            if queues.ended {
                return Err(CNTLID);
            }
            // Looked at again under the lock: a reset ends the queues it finds.
            if queues.io.contains_key(&number) || !controller.is_ready() {
                return Err(QID);
            }
            queues.io.insert(number, self.mailbox.clone());
        }
        controller.seen(now);
        let cntlid = controller.cntlid;
        self.role = Role::Io(IoQueue {
            controller,
            number,
            view: View::default(),
            mailbox: self.mailbox.clone(),
            draining: Vec::new(),
        });
        Ok(cntlid)
    }
}
