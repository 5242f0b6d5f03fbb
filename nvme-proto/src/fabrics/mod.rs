//! Fabrics commands: what a queue says before and beside the commands of NVMe itself.
//!
//! | FCTYPE | command | queue | data |
//! |---|---|---|---|
//! | 0x00 | [`PropertySet`] | admin | none |
//! | 0x01 | [`Connect`] | any, first | [`ConnectData`] to the controller |
//! | 0x04 | [`PropertyGet`] | admin | none; the value is in the completion |
//! | 0x05 | [`AuthenticationSend`] | any | a message to the controller |
//! | 0x06 | [`AuthenticationReceive`] | any | a message to the host |
//! | 0x08 | [`Disconnect`] | I/O | none |
//!
//! They share one opcode, 0x7f, on both kinds of queue. The type is in byte 4, where other commands have the namespace. Hosts flag them like
//! every other command ([`SqeFlags::FABRICS`](crate::sqe::SqeFlags::FABRICS)); a controller should take them with any data pointer type, since
//! NVMe Base 2.x names others.
//!
//! The values of the properties are [`Capabilities`], [`Version`](crate::identify::Version), [`ControllerConfiguration`],
//! [`ControllerStatus`], [`SubsystemReset`], [`SubsystemShutdown`] and [`ReadyTimeouts`].

mod authentication;
mod connect;
mod connect_data;
mod disconnect;
mod fctype;
mod property;
mod registers;

pub use authentication::{AuthenticationReceive, AuthenticationSend, SecurityProtocol};
pub use connect::{Connect, ConnectAttributes, ConnectResponse};
pub use connect_data::{ConnectData, ConnectDataError};
pub use disconnect::Disconnect;
pub use fctype::Fctype;
pub use property::{Property, PropertyGet, PropertySet, PropertySize};
pub use registers::{
    ArbitrationMechanism, Capabilities, CommandSetSelected, ControllerConfiguration, ControllerStatus,
    ReadyTimeouts, ShutdownNotification, ShutdownStatus, SubsystemReset, SubsystemShutdown,
};

use crate::command::dispatch;

dispatch! {
    /// A Fabrics command.
    pub enum FabricsCommand by fctype {
        /// Writes a property.
        PropertySet(PropertySet) = 0x00,
        /// Makes the connection a queue.
        Connect(Connect) = 0x01,
        /// Reads a property.
        PropertyGet(PropertyGet) = 0x04,
        /// Carries an authentication message to the controller.
        AuthenticationSend(AuthenticationSend) = 0x05,
        /// Asks for an authentication message.
        AuthenticationReceive(AuthenticationReceive) = 0x06,
        /// Ends the queue.
        Disconnect(Disconnect) = 0x08,
    }
    fabrics {}
}

impl FabricsCommand {
    /// Which command.
    #[must_use]
    pub fn fctype(&self) -> Fctype {
        self.to_sqe().fctype()
    }

    /// What the specification calls it; `None` for a number without a name.
    #[must_use]
    pub fn name(&self) -> Option<&'static str> {
        self.fctype().name()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sqe::Sqe;

    #[test]
    fn every_type_finds_its_command_and_name() {
        for fctype in 0..=u8::MAX {
            let fctype = Fctype(fctype);
            let command = FabricsCommand::from_sqe(&Sqe::fabrics(fctype));
            assert_eq!(matches!(command, FabricsCommand::Other(_)), fctype.name().is_none(), "{fctype}");
            assert_eq!((command.fctype(), command.name()), (fctype, fctype.name()));
            assert_eq!(command.to_sqe(), Sqe::fabrics(fctype));
        }
        for (name, command) in FabricsCommand::all() {
            assert_eq!(command.name(), Some(name));
        }
    }
}
