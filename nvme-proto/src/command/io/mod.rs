//! Commands of an I/O queue.

mod blocks;
mod copy;
mod dataset;
mod no_data;
mod reservation;
mod reservation_status;
mod zone;
mod zone_report;

pub use blocks::{AccessHints, Compare, Protection, Read, Write};
pub use copy::{Copy, CopyFormat, CopyRange, CopyRangeExtended, CopySource, SourceOptions};
pub use dataset::{DatasetManagement, DatasetRange, RangeAttributes};
pub use no_data::{Flush, Verify, WriteUncorrectable, WriteZeroes};
pub use reservation::{
    AcquireAction, PersistChange, RegisterAction, ReleaseAction, ReservationAcquire, ReservationKeys,
    ReservationRegister, ReservationRelease, ReservationReport, ReservationType,
};
pub use reservation_status::{
    Registrant, RegistrantExtended, RegistrantStatus, ReservationStatus, ReservationStatusHeader,
};
pub use zone::{
    ZoneAppend, ZoneFilter, ZoneManagementReceive, ZoneManagementSend, ZoneReceiveAction, ZoneSendAction,
};
pub use zone_report::{ZoneAttributes, ZoneDescriptor, ZoneReport, ZoneState, ZoneStateField, ZoneType};

use super::{IoOpcode, dispatch};
use crate::fabrics::FabricsCommand;

dispatch! {
    /// A command of an I/O queue, of the NVM or the Zoned Namespace command set.
    pub enum IoCommand by opcode_number {
        /// Makes what was written last.
        Flush(Flush) = 0x00,
        /// Writes blocks.
        Write(Write) = 0x01,
        /// Reads blocks.
        Read(Read) = 0x02,
        /// Makes blocks unreadable.
        WriteUncorrectable(WriteUncorrectable) = 0x04,
        /// Compares blocks with data.
        Compare(Compare) = 0x05,
        /// Writes zeros.
        WriteZeroes(WriteZeroes) = 0x08,
        /// Says how ranges are used, or that they are not.
        DatasetManagement(DatasetManagement) = 0x09,
        /// Reads without data.
        Verify(Verify) = 0x0c,
        /// Registers a reservation key.
        ReservationRegister(ReservationRegister) = 0x0d,
        /// Asks who holds reservations.
        ReservationReport(ReservationReport) = 0x0e,
        /// Takes a reservation.
        ReservationAcquire(ReservationAcquire) = 0x11,
        /// Gives a reservation up.
        ReservationRelease(ReservationRelease) = 0x15,
        /// Copies blocks.
        Copy(Copy) = 0x19,
        /// Changes the state of a zone.
        ZoneManagementSend(ZoneManagementSend) = 0x79,
        /// Reports zones.
        ZoneManagementReceive(ZoneManagementReceive) = 0x7a,
        /// Writes at the end of a zone.
        ZoneAppend(ZoneAppend) = 0x7d,
    }
    fabrics {
        /// A Fabrics command.
        Fabrics(FabricsCommand), opcodes IoOpcode
    }
}

impl IoCommand {
    /// What its status is to be read as.
    #[must_use]
    pub const fn context(&self) -> crate::CommandContext {
        match self {
            Self::Fabrics(_) => crate::CommandContext::Fabrics,
            Self::ZoneManagementSend(_) | Self::ZoneManagementReceive(_) | Self::ZoneAppend(_) => {
                crate::CommandContext::Zns
            }
            _ => crate::CommandContext::Nvm,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::CommandContext;
    use crate::sqe::Sqe;

    #[test]
    fn every_opcode_finds_its_command_and_name() {
        for opcode in (0..=u8::MAX).filter(|opcode| *opcode != Sqe::FABRICS) {
            let command = IoCommand::from_sqe(&Sqe::new(opcode));
            assert_eq!(command.opcode(), IoOpcode(opcode));
            assert_eq!(command.name(), IoOpcode(opcode).name());
            assert_eq!(command.to_sqe(), Sqe::new(opcode));
        }
        for (name, command) in IoCommand::all() {
            assert_eq!(command.name(), Some(name));
        }
        let connect = IoCommand::from_sqe(&crate::fabrics::Connect::io(1, 127).to_sqe());
        assert_eq!((connect.name(), connect.context()), (Some("Connect"), CommandContext::Fabrics));
        assert_eq!(IoCommand::from(Flush::new(1)).context(), CommandContext::Nvm);
        assert_eq!(IoCommand::from(ZoneAppend::new(1, 0, 0)).context(), CommandContext::Zns);
    }
}
