//! Fabrics commands of a queue that is connected: properties, Disconnect, authentication.
//!
//! | property | read | written |
//! |---|---|---|
//! | CAP | queue entries, no contiguous queues wanted, 7.5 s to become ready, NVM and the mechanism of command sets, 4 KiB pages | |
//! | VS | 2.0.0 | |
//! | CC | what was written | enables, resets, shuts down |
//! | CSTS | ready, shutdown complete | NSSRO, which is never set, may be cleared |
//! | CRTO | 7.5 s | |
//! | NSSR, NSSD | | not supported (CAP.NSSRS, CAP.NSSS): Invalid Field |
//!
//! Source: NVMe Base 2.0 section 3.1.3, kernel `drivers/nvme/target/core.c: nvmet_update_cc`.

use nvme_proto::Status;
use nvme_proto::command::IoCommand;
use nvme_proto::command::check;
use nvme_proto::fabrics::{
    Capabilities, ControllerConfiguration, FabricsCommand, Fctype, Property, PropertySet, ReadyTimeouts,
    ShutdownNotification, ShutdownStatus,
};
use nvme_proto::sqe::Sqe;

use super::{AdminQueue, Answer, IoQueue, done, status};
use crate::target::identify::VERSION;
use crate::target::state::{Controller, Letter};

/// Time to become ready, units of 500 ms.
const READY_TIMEOUT: u8 = 15;

/// CAP.
pub(super) fn capabilities(queue_entries: u16) -> Capabilities {
    Capabilities::default()
        .with_max_queue_entries(queue_entries.saturating_sub(1))
        .with_contiguous_queues(true)
        .with_timeout(READY_TIMEOUT)
        .with_nvm_command_set(true)
        .with_io_command_sets(true)
        .with_ready_with_media(true)
}

/// Whether the entry is a Disconnect.
pub(super) fn is_disconnect(sqe: &Sqe) -> bool {
    sqe.is_fabrics() && sqe.fctype() == Fctype::DISCONNECT
}

impl AdminQueue {
    /// A Fabrics command that was checked.
    pub(super) fn fabrics(&mut self, queue_entries: u16, command: &FabricsCommand) -> Result<Answer, Status> {
        match command {
            FabricsCommand::PropertyGet(get) => {
                let value = match get.property {
                    Property::CAP => capabilities(queue_entries).0,
                    Property::VS => VERSION.0.into(),
                    Property::CC => self.controller.configuration().0.into(),
                    Property::CSTS => self.controller.status().0.into(),
                    Property::CRTO => {
                        let timeouts = ReadyTimeouts::default().with_with_media(READY_TIMEOUT.into());
                        timeouts.0.into()
                    }
                    _ => return Err(Status::INVALID_FIELD.with_dnr()),
                };
                Ok(Answer::result(value))
            }
            FabricsCommand::PropertySet(set) => self.property_set(queue_entries, set),
            // Nobody asked for authentication.
            FabricsCommand::AuthenticationSend(_) | FabricsCommand::AuthenticationReceive(_) => {
                Err(Status::COMMAND_SEQUENCE_ERROR.with_dnr())
            }
            _ => Err(Status::INVALID_FIELD.with_dnr()),
        }
    }

    fn property_set(&mut self, queue_entries: u16, set: &PropertySet) -> Result<Answer, Status> {
        match set.property {
            Property::CC => {
                let [a, b, c, d, ..] = set.value.to_le_bytes();
                let new = ControllerConfiguration(u32::from_le_bytes([a, b, c, d]));
                check::configuration(new, capabilities(queue_entries)).map_err(status)?;
                self.configure(new);
                Ok(done())
            }
            Property::CSTS => Ok(done()),
            _ => Err(Status::INVALID_FIELD.with_dnr()),
        }
    }

    /// CC was written.
    fn configure(&mut self, new: ControllerConfiguration) {
        let controller: &Controller = &self.controller;
        let old = controller.configuration();
        let mut csts = controller.status();
        let disabled = old.enable() && !new.enable();
        if new.enable() && !old.enable() {
            csts = csts.with_ready(true).with_shutdown(ShutdownStatus::NORMAL_OPERATION);
        }
        if disabled {
            csts = csts.with_ready(false).with_shutdown(ShutdownStatus::NORMAL_OPERATION);
        }
        let none = ShutdownNotification::NONE;
        let shut_down = new.shutdown() != none && old.shutdown() == none;
        if shut_down {
            // Nothing of this controller is kept back: what was answered is where it belongs.
            csts = csts.with_ready(false).with_shutdown(ShutdownStatus::COMPLETE);
        }
        controller.configure(new, csts);
        if disabled {
            controller.reset();
            self.features = super::features::Features::default();
        }
        if disabled || shut_down {
            // As the Linux target answers them.
            self.waiting.give_up(Status::INTERNAL_ERROR.with_dnr());
        }
        if old.enable() != new.enable() || shut_down {
            self.controller.admin.send(Letter::KeepAlive);
        }
    }
}

impl IoQueue {
    /// A Fabrics command.
    pub(super) fn fabrics(command: &IoCommand) -> Result<Answer, Status> {
        check::io(command).map_err(status)?;
        match command {
            // The connection ends when this is answered.
            IoCommand::Fabrics(FabricsCommand::Disconnect(_)) => Ok(done()),
            _ => Err(Status::COMMAND_SEQUENCE_ERROR.with_dnr()),
        }
    }
}
