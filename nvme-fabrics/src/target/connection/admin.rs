//! Commands of the admin queue.

use nvme_proto::Status;
use nvme_proto::command::AdminCommand;
use nvme_proto::command::check;
use nvme_proto::controller::Tag;
use nvme_proto::machine::Time;
use nvme_proto::sqe::Sqe;

use super::{AdminQueue, Answer, Payload, answer, data_len, done, entry, status};
use crate::target::handle::Shared;
use crate::target::state::ControllerKind;
use crate::target::{identify, log};

impl AdminQueue {
    pub(super) fn execute(
        &mut self,
        target: &Shared,
        now: Time,
        tag: Tag,
        sqe: &Sqe,
        data: Payload<'_>,
    ) -> Answer {
        self.controller.seen(now);
        answer(self.try_execute(target, now, tag, sqe, data))
    }

    fn try_execute(
        &mut self,
        target: &Shared,
        now: Time,
        tag: Tag,
        sqe: &Sqe,
        data: Payload<'_>,
    ) -> Result<Answer, Status> {
        entry(sqe)?;
        let command = AdminCommand::from_sqe(sqe);
        if let AdminCommand::Fabrics(fabrics) = &command {
            check::admin(&command).map_err(status)?;
            data_len(sqe, command.data_len())?;
            return self.fabrics(target.settings.queue_entries, fabrics);
        }
        if !self.controller.is_ready() {
            return Err(Status::COMMAND_SEQUENCE_ERROR.with_dnr());
        }
        check::admin(&command).map_err(status)?;
        match &command {
            AdminCommand::Abort(_) if self.controller.kind == ControllerKind::Discovery => {
                return Err(Status::INVALID_OPCODE.with_dnr());
            }
            AdminCommand::Identify(_)
            | AdminCommand::GetLogPage(_)
            | AdminCommand::SetFeatures(_)
            | AdminCommand::GetFeatures(_)
            | AdminCommand::Abort(_)
            | AdminCommand::AsyncEventRequest(_)
            | AdminCommand::KeepAlive(_) => data_len(sqe, command.data_len())?,
            _ => return Err(Status::INVALID_OPCODE.with_dnr()),
        }
        match &command {
            AdminCommand::Identify(command) => {
                identify::answer(&self.controller, &target.settings, command).map(Answer::data)
            }
            AdminCommand::GetLogPage(command) => {
                log::answer(target, &self.controller, now, command).map(Answer::data)
            }
            AdminCommand::SetFeatures(command) => self.set_features(now, command, data),
            AdminCommand::GetFeatures(command) => self.feature(now, command),
            AdminCommand::Abort(command) => Ok(self.abort(command)),
            AdminCommand::AsyncEventRequest(_) => self.wait_for_event(tag, sqe.cid),
            // That it came is what counts.
            _ => Ok(done()),
        }
    }
}
