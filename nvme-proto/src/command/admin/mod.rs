//! Commands of the admin queue.

mod directive;
mod discovery_information;
mod events;
mod features;
mod firmware;
mod namespace;
mod reads;
mod security;

pub use directive::{DirectiveReceive, DirectiveSend, DirectiveType};
pub use discovery_information::{
    DiscoveryInformation, DiscoveryInformationManagement, DiscoveryTask, EntityType, EntryFormat,
};
pub use events::{Abort, AsyncEventRequest, KeepAlive};
pub use features::{FeatureCapabilities, FeatureSelect, GetFeatures, SetFeatures};
pub use firmware::{CommitAction, DeviceSelfTest, FirmwareCommit, FirmwareDownload, SelfTestCode};
pub use namespace::{
    FormatNvm, NamespaceAttachment, NamespaceAttachmentAction, NamespaceManagement,
    NamespaceManagementAction, NamespaceTemplate, SecureErase,
};
pub use security::{Sanitize, SanitizeAction, SecurityReceive, SecuritySend};

use super::{AdminOpcode, dispatch};
use crate::discovery::GetLogPage;
use crate::fabrics::FabricsCommand;
use crate::identify::IdentifyCommand;

dispatch! {
    /// A command of the admin queue.
    pub enum AdminCommand by opcode_number {
        /// Reads a piece of a log page.
        GetLogPage(GetLogPage) = 0x02,
        /// Asks what a controller or namespace is.
        Identify(IdentifyCommand) = 0x06,
        /// Gives another command up.
        Abort(Abort) = 0x08,
        /// Changes a feature.
        SetFeatures(SetFeatures) = 0x09,
        /// Reads a feature.
        GetFeatures(GetFeatures) = 0x0a,
        /// Waits for an event.
        AsyncEventRequest(AsyncEventRequest) = 0x0c,
        /// Creates or deletes a namespace.
        NamespaceManagement(NamespaceManagement) = 0x0d,
        /// Activates firmware.
        FirmwareCommit(FirmwareCommit) = 0x10,
        /// Carries a piece of firmware.
        FirmwareDownload(FirmwareDownload) = 0x11,
        /// Starts a test.
        DeviceSelfTest(DeviceSelfTest) = 0x14,
        /// Attaches a namespace to controllers.
        NamespaceAttachment(NamespaceAttachment) = 0x15,
        /// Says that the host lives.
        KeepAlive(KeepAlive) = 0x18,
        /// Carries a directive.
        DirectiveSend(DirectiveSend) = 0x19,
        /// Asks about a directive.
        DirectiveReceive(DirectiveReceive) = 0x1a,
        /// Registers with a discovery controller.
        DiscoveryInformationManagement(DiscoveryInformationManagement) = 0x21,
        /// Formats namespaces.
        FormatNvm(FormatNvm) = 0x80,
        /// Carries a security message.
        SecuritySend(SecuritySend) = 0x81,
        /// Asks for a security message.
        SecurityReceive(SecurityReceive) = 0x82,
        /// Destroys all data.
        Sanitize(Sanitize) = 0x84,
    }
    fabrics {
        /// A Fabrics command.
        Fabrics(FabricsCommand), opcodes AdminOpcode
    }
}

impl AdminCommand {
    /// What its status is to be read as.
    #[must_use]
    pub const fn context(&self) -> crate::CommandContext {
        match self {
            Self::Fabrics(_) => crate::CommandContext::Fabrics,
            _ => crate::CommandContext::Admin,
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
            let command = AdminCommand::from_sqe(&Sqe::new(opcode));
            assert_eq!(command.opcode(), AdminOpcode(opcode));
            assert_eq!(command.name(), AdminOpcode(opcode).name());
            assert_eq!(command.to_sqe(), Sqe::new(opcode));
            assert_eq!(command.context(), CommandContext::Admin);
        }
        for (name, command) in AdminCommand::all() {
            assert_eq!(command.name(), Some(name));
        }
        let connect = AdminCommand::from_sqe(&crate::fabrics::Connect::admin(31, 5000).to_sqe());
        assert_eq!((connect.name(), connect.context()), (Some("Connect"), CommandContext::Fabrics));
        assert_eq!(AdminCommand::from(KeepAlive {}).name(), Some("Keep Alive"));
    }
}
