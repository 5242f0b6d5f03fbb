//! What is wrong with commands of the queues.

use super::Refusal;
use crate::Nsid;
use crate::command::{AdminCommand, IoCommand};
use crate::fabrics::{
    ArbitrationMechanism, Capabilities, CommandSetSelected, ControllerConfiguration, FabricsCommand,
};
use crate::feature::{FeatureId, HostIdentifierFormat, NumberOfQueues};
use crate::identify::{Cns, CommandSet, IdentifyCommand};
use crate::sqe::Sqe;
use crate::status::Status;

/// Checks a command of the admin queue, of a controller that is connected.
///
/// # Errors
/// [`Status::INVALID_OPCODE`] for a command without a type (queues and doorbells do not exist on fabrics), [`Status::INVALID_FIELD`] for a field that no
/// controller takes, [`Status::INVALID_LOG_PAGE`] for a page without a name that is not a vendor's, [`Status::INVALID_NAMESPACE_OR_FORMAT`] for a
/// namespace there cannot be, [`Status::COMMAND_SEQUENCE_ERROR`] for what comes only with Connect (a second one; the host identifier).
pub fn admin(command: &AdminCommand) -> Result<(), Refusal> {
    let field = |reason| Err(Refusal::new(Status::INVALID_FIELD, reason));
    match command {
        AdminCommand::Other(_) => Err(Refusal::new(Status::INVALID_OPCODE, "there is no such admin command")),
        AdminCommand::Fabrics(command) => fabrics_admin(command),
        AdminCommand::Identify(command) => identify(command),
        AdminCommand::GetLogPage(command) if !command.offset().is_multiple_of(4) => {
            field("a log page is read from a multiple of 4 bytes on")
        }
        AdminCommand::GetLogPage(command) if command.lid.0 < 0xc0 && command.lid.name().is_none() => {
            Err(Refusal::new(Status::INVALID_LOG_PAGE, "there is no such log page"))
        }
        AdminCommand::SetFeatures(command) => match command.feature {
            FeatureId::NUMBER_OF_QUEUES if !NumberOfQueues(command.value).is_valid() => {
                field("65,536 queues cannot be asked for")
            }
            FeatureId::HOST_IDENTIFIER => Err(Refusal::new(
                Status::COMMAND_SEQUENCE_ERROR,
                "over fabrics the host identifier comes with Connect",
            )),
            feature if feature.name().is_none() => field("there is no such feature"),
            _ => Ok(()),
        },
        AdminCommand::GetFeatures(command) => match command.feature {
            FeatureId::HOST_IDENTIFIER if !HostIdentifierFormat(command.part).extended() => {
                Err(Refusal::new(
                    Status::HOST_IDENTIFIER_INCONSISTENT_FORMAT,
                    "over fabrics host identifiers have 16 bytes",
                ))
            }
            feature if feature.name().is_none() => field("there is no such feature"),
            _ => Ok(()),
        },
        _ => Ok(()),
    }
}

/// Checks a command of an I/O queue that is connected.
///
/// # Errors
/// [`Status::INVALID_OPCODE`] for a command without a type, [`Status::INVALID_NAMESPACE_OR_FORMAT`] for no namespace and, except for Flush, for all of
/// them, [`Status::INVALID_FIELD`] for a field that no controller takes.
pub fn io(command: &IoCommand) -> Result<(), Refusal> {
    let field = |reason| Err(Refusal::new(Status::INVALID_FIELD, reason));
    match command {
        IoCommand::Other(_) => {
            return Err(Refusal::new(Status::INVALID_OPCODE, "there is no such I/O command"));
        }
        IoCommand::Fabrics(command) => return fabrics_io(command),
        _ => {}
    }
    let Sqe { nsid, .. } = command.to_sqe();
    let all = nsid == Nsid::BROADCAST && !matches!(command, IoCommand::Flush(_));
    if nsid == 0 || all {
        let reason = "the command is about one namespace";
        return Err(Refusal::new(Status::INVALID_NAMESPACE_OR_FORMAT, reason));
    }
    match command {
        IoCommand::ReservationAcquire(command) if command.ignore_key => field("IEKEY is obsolete"),
        IoCommand::ReservationRelease(command) if command.ignore_key => field("IEKEY is obsolete"),
        IoCommand::ReservationReport(command) if !command.extended => Err(Refusal::new(
            Status::HOST_IDENTIFIER_INCONSISTENT_FORMAT,
            "over fabrics host identifiers have 16 bytes",
        )),
        IoCommand::Copy(command) if command.format.range_len().is_none() => {
            field("there is no such format of source ranges")
        }
        _ => Ok(()),
    }
}

fn identify(command: &IdentifyCommand) -> Result<(), Refusal> {
    let namespace = |reason| Err(Refusal::new(Status::INVALID_NAMESPACE_OR_FORMAT, reason));
    match command.cns {
        cns if cns.name().is_none() => {
            Err(Refusal::new(Status::INVALID_FIELD, "there is no such structure to identify"))
        }
        Cns::IO_NAMESPACE | Cns::IO_CONTROLLER | Cns::IO_ACTIVE_NAMESPACES
            if CommandSet(command.command_set).name().is_none() =>
        {
            Err(Refusal::new(Status::INVALID_FIELD, "there is no such I/O command set"))
        }
        Cns::NAMESPACE | Cns::NAMESPACE_DESCRIPTORS | Cns::IO_NAMESPACE | Cns::INDEPENDENT_NAMESPACE
            if command.nsid == 0 =>
        {
            namespace("the structure is about one namespace")
        }
        Cns::ACTIVE_NAMESPACES | Cns::IO_ACTIVE_NAMESPACES | Cns::ALLOCATED_NAMESPACES
            if command.nsid >= Nsid::MAX =>
        {
            namespace("no namespace is behind the last one")
        }
        _ => Ok(()),
    }
}

fn fabrics_admin(command: &FabricsCommand) -> Result<(), Refusal> {
    match command {
        FabricsCommand::PropertyGet(get) if !get.is_valid() => {
            Err(Refusal::new(Status::INVALID_FIELD, "there is no property of this size to read there"))
        }
        FabricsCommand::PropertySet(set) if !set.is_valid() => {
            Err(Refusal::new(Status::INVALID_FIELD, "there is no property of this size to write there"))
        }
        FabricsCommand::PropertyGet(_) | FabricsCommand::PropertySet(_) => Ok(()),
        FabricsCommand::Disconnect(_) => Err(Refusal::new(
            Status::DISCONNECT_INVALID_QUEUE_TYPE,
            "the admin queue ends with its connection",
        )),
        other => fabrics_any(other),
    }
}

fn fabrics_io(command: &FabricsCommand) -> Result<(), Refusal> {
    match command {
        FabricsCommand::PropertyGet(_) | FabricsCommand::PropertySet(_) => {
            Err(Refusal::new(Status::INVALID_FIELD, "properties are for the admin queue"))
        }
        FabricsCommand::Disconnect(command) if command.record_format != 0 => {
            Err(Refusal::new(Status::CONNECT_INCOMPATIBLE_FORMAT, "Disconnect has record format 0"))
        }
        FabricsCommand::Disconnect(_) => Ok(()),
        other => fabrics_any(other),
    }
}

fn fabrics_any(command: &FabricsCommand) -> Result<(), Refusal> {
    let protocol = |ok| {
        if ok {
            Ok(())
        } else {
            Err(Refusal::new(Status::INVALID_FIELD, "it is no message of DH-HMAC-CHAP, or has no length"))
        }
    };
    match command {
        FabricsCommand::Connect(_) => {
            Err(Refusal::new(Status::COMMAND_SEQUENCE_ERROR, "the queue is connected already"))
        }
        FabricsCommand::AuthenticationSend(command) => protocol(command.is_dh_hmac_chap()),
        FabricsCommand::AuthenticationReceive(command) => protocol(command.is_dh_hmac_chap()),
        FabricsCommand::Other(_) => {
            Err(Refusal::new(Status::INVALID_FIELD, "there is no such Fabrics command"))
        }
        _ => Ok(()),
    }
}

/// Checks a configuration that is to be written to CC, by what the controller can do.
///
/// What matters only when it runs is looked at only then ([`ControllerConfiguration::enable`]).
///
/// # Errors
/// [`Status::INVALID_FIELD`] for a page size, arbitration or command set the controller does not have, and for entries of another size than 64 and
/// 16 bytes.
pub fn configuration(config: ControllerConfiguration, capabilities: Capabilities) -> Result<(), Refusal> {
    let field = |reason| Err(Refusal::new(Status::INVALID_FIELD, reason));
    if !config.enable() {
        return Ok(());
    }
    if config.page() < capabilities.min_page() || config.page() > capabilities.max_page() {
        return field("the controller does not have this page size");
    }
    let arbitration = match config.arbitration() {
        ArbitrationMechanism::ROUND_ROBIN => true,
        ArbitrationMechanism::WEIGHTED_ROUND_ROBIN => capabilities.weighted_round_robin(),
        ArbitrationMechanism::VENDOR => capabilities.vendor_arbitration(),
        _ => false,
    };
    if !arbitration {
        return field("the controller does not have this arbitration");
    }
    let command_set = match config.command_set() {
        CommandSetSelected::NVM => capabilities.nvm_command_set(),
        CommandSetSelected::ALL => capabilities.io_command_sets(),
        CommandSetSelected::ADMIN_ONLY => capabilities.no_io_command_set(),
        _ => false,
    };
    if !command_set {
        return field("the controller does not have this command set");
    }
    if config.sq_entry_size() != 6 || config.cq_entry_size() != 4 {
        return field("entries have 64 and 16 bytes");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::admin::{Abort, GetFeatures, KeepAlive, SetFeatures};
    use crate::command::io::{
        Copy, CopyFormat, Flush, Read, ReleaseAction, ReservationRelease, ReservationReport, ReservationType,
    };
    use crate::discovery::{GetLogPage, LogId};
    use crate::fabrics::{
        AuthenticationReceive, AuthenticationSend, Connect, Disconnect, Fctype, Property, PropertyGet,
        PropertySet, SecurityProtocol,
    };

    fn answer(result: Result<(), Refusal>) -> Option<(u8, u8)> {
        result.err().map(|refusal| (refusal.status.sct(), refusal.status.sc()))
    }

    fn fabrics(command: impl Into<FabricsCommand>) -> AdminCommand {
        AdminCommand::Fabrics(command.into())
    }

    /// Commands, each with the answer it demands.
    #[test]
    fn admin_commands() {
        let log = GetLogPage::from_cdws(0, [0x0003_0001, 0, 2, 0, 0]);
        let secp_0 =
            AuthenticationSend { protocol: SecurityProtocol(0), ..AuthenticationSend::dh_hmac_chap(8) };
        let with_csi = |command_set| {
            let mut command = IdentifyCommand::new(Cns::IO_NAMESPACE, 1);
            command.command_set = command_set;
            command
        };
        for (command, expected) in [
            (fabrics(PropertyGet::new(Property::CAP)), None),
            (fabrics(Connect::admin(31, 0)), Some((0, 0x0c))),
            (fabrics(FabricsCommand::from_sqe(&Sqe::fabrics(Fctype(0x07)))), Some((0, 0x02))),
            (fabrics(FabricsCommand::from_sqe(&Sqe::fabrics(Fctype(0xc0)))), Some((0, 0x02))),
            (fabrics(PropertySet::new(Property::CAP, 0)), Some((0, 0x02))),
            (fabrics(PropertyGet::new(Property(0x0c))), Some((0, 0x02))),
            (fabrics(PropertyGet::new(Property(0x24))), Some((0, 0x02))),
            (fabrics(PropertyGet::new(Property(1))), Some((0, 0x02))),
            (fabrics(PropertyGet::new(Property(0xffff_fffc))), Some((0, 0x02))),
            (fabrics(Disconnect::default()), Some((1, 0x85))),
            (fabrics(secp_0), Some((0, 0x02))),
            (fabrics(AuthenticationSend::dh_hmac_chap(0)), Some((0, 0x02))),
            (fabrics(AuthenticationReceive::dh_hmac_chap(0)), Some((0, 0x02))),
            (AdminCommand::from_sqe(&Sqe::new(0x01)), Some((0, 0x01))),
            (AdminCommand::from_sqe(&Sqe::new(0xc1)), Some((0, 0x01))),
            (IdentifyCommand::new(Cns(0xee), 0).into(), Some((0, 0x02))),
            (IdentifyCommand::controller().into(), None),
            (IdentifyCommand::new(Cns::NAMESPACE, 0).into(), Some((0, 0x0b))),
            (IdentifyCommand::new(Cns::NAMESPACE, 99).into(), None),
            (IdentifyCommand::new(Cns::NAMESPACE, u32::MAX).into(), None),
            (IdentifyCommand::new(Cns::ACTIVE_NAMESPACES, 0xffff_fffe).into(), Some((0, 0x0b))),
            (IdentifyCommand::new(Cns::ACTIVE_NAMESPACES, 0).into(), None),
            (with_csi(7).into(), Some((0, 0x02))),
            (with_csi(2).into(), None),
            (GetLogPage::new(LogId(0xbb), 0, 64).unwrap().into(), Some((1, 0x09))),
            (GetLogPage::new(LogId(0xc0), 0, 64).unwrap().into(), None),
            (log.into(), Some((0, 0x02))),
            (GetLogPage::new(LogId::ERROR, 4, 64).unwrap().into(), None),
            (SetFeatures::of(NumberOfQueues(0x0000_ffff)).into(), Some((0, 0x02))),
            (SetFeatures::of(NumberOfQueues::pairs(7)).into(), None),
            (SetFeatures::new(FeatureId(0xbb), 0).into(), Some((0, 0x02))),
            (GetFeatures::new(FeatureId(0xbb)).into(), Some((0, 0x02))),
            (SetFeatures::new(FeatureId::HOST_IDENTIFIER, 1).into(), Some((0, 0x0c))),
            (GetFeatures::new(FeatureId::HOST_IDENTIFIER).into(), Some((0, 0x18))),
            (Abort::new(1, 7).into(), None),
            (KeepAlive {}.into(), None),
        ] {
            assert_eq!(answer(admin(&command)), expected, "{command:?}");
        }
    }

    #[test]
    fn io_commands() {
        let copy = |format| Copy { format: CopyFormat(format), ..Copy::new(1, 0, 0) };
        let old_report = ReservationReport { extended: false, ..ReservationReport::new(1, 0) };
        let release = ReservationRelease::new(1, ReleaseAction::CLEAR, ReservationType::NONE);
        let property = FabricsCommand::from(PropertyGet::new(Property::CAP));
        let disconnect = |record_format| FabricsCommand::from(Disconnect { record_format });
        for (command, expected) in [
            (property.into(), Some((0, 0x02))),
            (disconnect(0).into(), None),
            (disconnect(1).into(), Some((1, 0x80))),
            (IoCommand::from_sqe(&Sqe::new(0x7e)), Some((0, 0x01))),
            (Read::new(0, 0, 0).into(), Some((0, 0x0b))),
            (Read::new(u32::MAX, 0, 0).into(), Some((0, 0x0b))),
            (Read::new(99, 0, 0).into(), None),
            (Flush::new(u32::MAX).into(), None),
            (Flush::new(0).into(), Some((0, 0x0b))),
            (old_report.into(), Some((0, 0x18))),
            (ReservationReport::new(1, 0).into(), None),
            (ReservationRelease { ignore_key: true, ..release }.into(), Some((0, 0x02))),
            (release.into(), None),
            (copy(3).into(), None),
            (copy(4).into(), Some((0, 0x02))),
        ] {
            assert_eq!(answer(io(&command)), expected, "{command:?}");
        }
    }

    /// Fields that do not fit the controller.
    #[test]
    fn configurations() {
        let linux = Capabilities(0x0000_0820_0f00_03ff);
        let good = ControllerConfiguration::enabled(CommandSetSelected::ALL);
        for (config, refused) in [
            (good, false),
            (ControllerConfiguration::enabled(CommandSetSelected::NVM), false),
            (ControllerConfiguration::enabled(CommandSetSelected::ADMIN_ONLY), true),
            (ControllerConfiguration::enabled(CommandSetSelected(3)), true),
            (good.with_page(15), true),
            (good.with_arbitration(ArbitrationMechanism::WEIGHTED_ROUND_ROBIN), true),
            (good.with_arbitration(ArbitrationMechanism(5)), true),
            (good.with_sq_entry_size(7), true),
            (good.with_cq_entry_size(0), true),
            (good.with_page(15).with_enable(false), false),
        ] {
            let expected = refused.then_some((0, 0x02));
            assert_eq!(answer(configuration(config, linux)), expected, "{config:?}");
        }
        let able = linux.with_weighted_round_robin(true).with_no_io_command_set(true).with_max_page(2);
        let config = ControllerConfiguration::enabled(CommandSetSelected::ADMIN_ONLY)
            .with_arbitration(ArbitrationMechanism::WEIGHTED_ROUND_ROBIN)
            .with_page(2);
        assert_eq!(configuration(config, able), Ok(()));
    }
}
