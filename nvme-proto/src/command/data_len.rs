//! How many bytes of data a command has.

use super::admin::{FeatureSelect, NamespaceManagementAction};
use super::io::ZoneSendAction;
use super::{AdminCommand, IoCommand};
use crate::fabrics::FabricsCommand;
use crate::feature::{
    FeatureId, HostBehavior, HostIdentifier, HostIdentifierFormat, PowerTransitions, Timestamp,
};
use crate::identify::IdentifyCommand;

impl FabricsCommand {
    /// Bytes of data, either way; `None` for a command without a type.
    #[must_use]
    pub fn data_len(&self) -> Option<u64> {
        match self {
            Self::Connect(_) => Some(1024),
            Self::AuthenticationSend(command) => Some(command.transfer_length.into()),
            Self::AuthenticationReceive(command) => Some(command.allocation_length.into()),
            Self::PropertyGet(_) | Self::PropertySet(_) | Self::Disconnect(_) => Some(0),
            Self::Other(_) => None,
        }
    }
}

impl AdminCommand {
    /// Bytes of data, either way, where the entry tells: the length its SGL must have. `None` for a command without a type, a feature whose data
    /// this library does not know, a directive, and what says its length in the data itself.
    #[must_use]
    pub fn data_len(&self) -> Option<u64> {
        match self {
            Self::Identify(_) => u64::try_from(IdentifyCommand::DATA_LEN).ok(),
            Self::GetLogPage(command) => Some(command.len()),
            Self::FirmwareDownload(command) => Some(command.data_len()),
            Self::SecuritySend(command) => Some(command.transfer_length.into()),
            Self::SecurityReceive(command) => Some(command.allocation_length.into()),
            Self::NamespaceAttachment(_) => Some(4096),
            Self::NamespaceManagement(command) => match command.action {
                NamespaceManagementAction::CREATE => Some(4096),
                NamespaceManagementAction::DELETE => Some(0),
                _ => None,
            },
            Self::SetFeatures(command) => feature_len(command.feature, command.value),
            Self::GetFeatures(command) if command.select == FeatureSelect::CAPABILITIES => None,
            Self::GetFeatures(command) => feature_len(command.feature, command.part),
            Self::Fabrics(command) => command.data_len(),
            Self::Abort(_)
            | Self::AsyncEventRequest(_)
            | Self::FirmwareCommit(_)
            | Self::DeviceSelfTest(_)
            | Self::KeepAlive(_)
            | Self::FormatNvm(_)
            | Self::Sanitize(_) => Some(0),
            Self::DirectiveSend(_)
            | Self::DirectiveReceive(_)
            | Self::DiscoveryInformationManagement(_)
            | Self::Other(_) => None,
        }
    }
}

/// Bytes of the data of a feature.
fn feature_len(feature: FeatureId, dword_11: u32) -> Option<u64> {
    let len = match feature {
        FeatureId::TIMESTAMP => Timestamp::LEN,
        FeatureId::HOST_BEHAVIOR_SUPPORT => HostBehavior::LEN,
        FeatureId::AUTONOMOUS_POWER_STATE => PowerTransitions::LEN,
        FeatureId::HOST_IDENTIFIER if HostIdentifierFormat(dword_11).extended() => HostIdentifier::LEN,
        FeatureId::HOST_IDENTIFIER => 8,
        FeatureId::ARBITRATION
        | FeatureId::POWER_MANAGEMENT
        | FeatureId::TEMPERATURE_THRESHOLD
        | FeatureId::ERROR_RECOVERY
        | FeatureId::VOLATILE_WRITE_CACHE
        | FeatureId::NUMBER_OF_QUEUES
        | FeatureId::WRITE_ATOMICITY
        | FeatureId::ASYNC_EVENT_CONFIGURATION
        | FeatureId::KEEP_ALIVE_TIMER
        | FeatureId::HOST_CONTROLLED_THERMAL_MANAGEMENT
        | FeatureId::NON_OPERATIONAL_POWER_STATE
        | FeatureId::IO_COMMAND_SET_PROFILE
        | FeatureId::SOFTWARE_PROGRESS_MARKER
        | FeatureId::RESERVATION_NOTIFICATION_MASK
        | FeatureId::RESERVATION_PERSISTENCE
        | FeatureId::NAMESPACE_WRITE_PROTECTION => 0,
        _ => return None,
    };
    u64::try_from(len).ok()
}

impl IoCommand {
    /// Bytes of data, either way, on a namespace whose blocks have so many bytes (with metadata, where these lie behind the data): the length its
    /// SGL must have, or of a list of ranges at least ([`check::io_data`](super::check::io_data)). `None` for a command without a type, an unknown format of Copy, and a zone descriptor extension.
    #[must_use]
    pub fn data_len(&self, block_bytes: u32) -> Option<u64> {
        let blocks = |blocks: u32| Some(u64::from(blocks).saturating_mul(block_bytes.into()));
        match self {
            Self::Read(command) => blocks(command.blocks()),
            Self::Write(command) => blocks(command.blocks()),
            Self::Compare(command) => blocks(command.blocks()),
            Self::ZoneAppend(command) => blocks(command.blocks()),
            Self::DatasetManagement(command) => Some(command.data_len().into()),
            Self::Copy(command) => u64::try_from(command.data_len()?).ok(),
            Self::ReservationRegister(_) | Self::ReservationAcquire(_) => Some(16),
            Self::ReservationRelease(_) => Some(8),
            Self::ReservationReport(command) => Some(command.data_len()),
            Self::ZoneManagementReceive(command) => Some(command.data_len()),
            Self::ZoneManagementSend(command) => match command.action {
                ZoneSendAction::SET_DESCRIPTOR_EXTENSION => None,
                _ => Some(0),
            },
            Self::Flush(_) | Self::WriteZeroes(_) | Self::WriteUncorrectable(_) | Self::Verify(_) => Some(0),
            Self::Fabrics(command) => command.data_len(),
            Self::Other(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::admin::{GetFeatures, SetFeatures};
    use crate::command::io::{Copy, CopyFormat, Read, ZoneManagementSend};
    use crate::sqe::Sqe;

    #[test]
    fn lengths_follow_the_fields() {
        let read = IoCommand::from(Read::new(1, 0, 7));
        assert_eq!((read.data_len(512), read.data_len(4104)), (Some(4096), Some(32_832)));
        let largest = IoCommand::from(Read::new(1, 0, u16::MAX));
        assert_eq!(largest.data_len(u32::MAX), Some(0xffff_ffff << 16));
        let identify = AdminCommand::from(IdentifyCommand::controller());
        assert_eq!(identify.data_len(), Some(4096));
        for (feature, dword_11, len) in [
            (FeatureId::HOST_IDENTIFIER, 1, Some(16)),
            (FeatureId::HOST_IDENTIFIER, 0, Some(8)),
            (FeatureId::TIMESTAMP, 0, Some(8)),
            (FeatureId::HOST_BEHAVIOR_SUPPORT, 0, Some(512)),
            (FeatureId::NUMBER_OF_QUEUES, 0, Some(0)),
            (FeatureId(0xc0), 0, None),
        ] {
            assert_eq!(AdminCommand::from(SetFeatures::new(feature, dword_11)).data_len(), len, "{feature}");
        }
        let capabilities =
            GetFeatures { select: FeatureSelect::CAPABILITIES, ..GetFeatures::new(FeatureId::TIMESTAMP) };
        assert_eq!(AdminCommand::from(capabilities).data_len(), None);
        let copy = Copy { format: CopyFormat(9), ..Copy::new(1, 0, 0) };
        assert_eq!(IoCommand::from(copy).data_len(512), None);
        let extension = ZoneManagementSend::new(1, 0, ZoneSendAction::SET_DESCRIPTOR_EXTENSION);
        assert_eq!(IoCommand::from(extension).data_len(512), None);
        assert_eq!(AdminCommand::from_sqe(&Sqe::new(0xc1)).data_len(), None);
    }
}
