//! What the data of a command are: Identify structures, log pages, authentication messages.

use nvme_proto::DecodeError;
use nvme_proto::auth::AuthMessage;
use nvme_proto::command::AdminCommand;
use nvme_proto::discovery::{LogEntry, LogHeader};
use nvme_proto::fabrics::FabricsCommand;
use nvme_proto::identify::{
    Cns, CommandSet, CommandSetCombinations, ControllerList, DomainList, EnduranceGroupList, GranularityList,
    IdentifyCommand, IdentifyController, IdentifyNamespace, IndependentNamespace, NamespaceIds,
    NamespaceList, NvmController, NvmNamespace, NvmSetList, PrimaryCapabilities, SecondaryControllerList,
    UuidList, ZonedController, ZonedNamespace,
};
use nvme_proto::log::{
    AnaLog, ChangedNamespaces, ChangedZones, EffectsLog, EnduranceGroupLog, ErrorLog, FeatureEffectsLog,
    FirmwareLog, GetLogPage, HealthLog, LogId, OffsetType, PersistentEventLog, ReservationLog, SanitizeLog,
    SelfTestLog, SupportedLogPages, TelemetryLog,
};
use nvme_proto::sqe::Sqe;

use super::content::{Content, Queue, list};
use super::fields::Fields;

/// Whether the data of a command can be decoded.
pub fn is_known(queue: Queue, sqe: &Sqe) -> bool {
    if sqe.is_fabrics() {
        return matches!(FabricsCommand::from_sqe(sqe), FabricsCommand::AuthenticationReceive(_));
    }
    queue == Queue::Admin
        && matches!(AdminCommand::from_sqe(sqe), AdminCommand::Identify(_) | AdminCommand::GetLogPage(_))
}

/// The data that a command brought back. An error is a structure that is broken.
pub fn decode(sqe: &Sqe, bytes: &[u8]) -> Result<Option<Content>, DecodeError> {
    if sqe.is_fabrics() {
        return Ok(None);
    }
    match AdminCommand::from_sqe(sqe) {
        AdminCommand::Identify(command) => identify(&command, bytes),
        AdminCommand::GetLogPage(command) => log_page(&command, bytes),
        _ => Ok(None),
    }
}

/// A view with all its fields.
macro_rules! shown {
    ($view:ident, $bytes:expr) => {
        Content::new(stringify!($view), Fields::of_debug(&$view::new_checked($bytes)?))
    };
}

/// The same with the name of the structure only from its `{:?}`.
macro_rules! whole {
    ($view:ident, $bytes:expr) => {{
        let view = $view::new_checked($bytes)?;
        Content::new(format!("{view:?}"), Fields::new())
    }};
}

fn identify(command: &IdentifyCommand, bytes: &[u8]) -> Result<Option<Content>, DecodeError> {
    let set = CommandSet(command.command_set);
    Ok(Some(match command.cns {
        Cns::CONTROLLER => shown!(IdentifyController, bytes),
        Cns::NAMESPACE | Cns::ALLOCATED_NAMESPACE => {
            let view = IdentifyNamespace::new_checked(bytes)?;
            let block = view.block_bytes();
            Content::new("IdentifyNamespace", Fields::of_debug(&view).with("block_bytes", block))
        }
        Cns::ACTIVE_NAMESPACES
        | Cns::IO_ACTIVE_NAMESPACES
        | Cns::ALLOCATED_NAMESPACES
        | Cns::IO_ALLOCATED_NAMESPACES => {
            let ids: Vec<u32> = NamespaceList::new_checked(bytes)?.ids().collect();
            Content::new("NamespaceList", Fields::new().with("nsids", ids))
        }
        Cns::NAMESPACE_DESCRIPTORS => {
            let ids = NamespaceIds::decode(bytes)?;
            let fields = Fields::new()
                .with("eui64", ids.eui64.map(|id| hex(&id)))
                .with("nguid", ids.nguid.map(|id| hex(&id)))
                .with("uuid", ids.uuid.map(|id| nvme_proto::HostId::from_bytes(id).to_string()))
                .with("command_set", ids.command_set.map(|set| set.to_string()));
            Content::new("NamespaceDescriptors", fields)
        }
        Cns::IO_NAMESPACE if set == CommandSet::NVM => shown!(NvmNamespace, bytes),
        Cns::IO_NAMESPACE if set == CommandSet::ZONED => shown!(ZonedNamespace, bytes),
        Cns::IO_CONTROLLER if set == CommandSet::NVM => shown!(NvmController, bytes),
        Cns::IO_CONTROLLER if set == CommandSet::ZONED => shown!(ZonedController, bytes),
        Cns::INDEPENDENT_NAMESPACE | Cns::INDEPENDENT_ALLOCATED_NAMESPACE => {
            shown!(IndependentNamespace, bytes)
        }
        Cns::ATTACHED_CONTROLLERS | Cns::CONTROLLERS => {
            let ids: Vec<u16> = ControllerList::new_checked(bytes)?.ids().map(|id| id.0).collect();
            Content::new("ControllerList", Fields::new().with("cntlids", ids))
        }
        Cns::ENDURANCE_GROUPS => {
            let ids: Vec<u16> = EnduranceGroupList::new_checked(bytes)?.ids().collect();
            Content::new("EnduranceGroupList", Fields::new().with("ids", ids))
        }
        Cns::NVM_SETS => whole!(NvmSetList, bytes),
        Cns::DOMAINS => whole!(DomainList, bytes),
        Cns::UUIDS => whole!(UuidList, bytes),
        Cns::IO_COMMAND_SETS => whole!(CommandSetCombinations, bytes),
        Cns::NAMESPACE_GRANULARITY => whole!(GranularityList, bytes),
        Cns::PRIMARY_CAPABILITIES => shown!(PrimaryCapabilities, bytes),
        Cns::SECONDARY_CONTROLLERS => whole!(SecondaryControllerList, bytes),
        _ => return Ok(None),
    }))
}

fn log_page(command: &GetLogPage, bytes: &[u8]) -> Result<Option<Content>, DecodeError> {
    if command.lid == LogId::DISCOVERY && command.offset_type == OffsetType::Bytes {
        return discovery(command.offset(), bytes).map(Some);
    }
    if command.offset() != 0 {
        return Ok(None);
    }
    // A host may read the front of a page only.
    let content = match command.lid {
        LogId::SUPPORTED => SupportedLogPages::new_checked(bytes).map(|view| format!("{view:?}")),
        LogId::ERROR => {
            let view = ErrorLog::new(bytes);
            Ok(format!("ErrorLog {:?}", view.errors().collect::<Vec<_>>()))
        }
        LogId::HEALTH => {
            return Ok(front(
                HealthLog::new_checked(bytes).map(|view| ("HealthLog", Fields::of_debug(&view))),
            ));
        }
        LogId::FIRMWARE => {
            return Ok(front(
                FirmwareLog::new_checked(bytes).map(|view| ("FirmwareLog", Fields::of_debug(&view))),
            ));
        }
        LogId::CHANGED_NAMESPACES => ChangedNamespaces::new_checked(bytes).map(|view| format!("{view:?}")),
        LogId::EFFECTS => EffectsLog::new_checked(bytes).map(|view| format!("{view:?}")),
        LogId::SELF_TEST => SelfTestLog::new_checked(bytes).map(|view| format!("{view:?}")),
        LogId::TELEMETRY_HOST | LogId::TELEMETRY_CONTROLLER => {
            return Ok(front(
                TelemetryLog::new_checked(bytes).map(|view| ("TelemetryLog", Fields::of_debug(&view))),
            ));
        }
        LogId::ENDURANCE_GROUP => {
            return Ok(front(
                EnduranceGroupLog::new_checked(bytes)
                    .map(|view| ("EnduranceGroupLog", Fields::of_debug(&view))),
            ));
        }
        LogId::ANA => return ana(bytes),
        LogId::PERSISTENT_EVENTS => {
            return Ok(front(
                PersistentEventLog::new_checked(bytes)
                    .map(|view| ("PersistentEventLog", Fields::of_debug(&view))),
            ));
        }
        LogId::FEATURE_EFFECTS => FeatureEffectsLog::new_checked(bytes).map(|view| format!("{view:?}")),
        LogId::RESERVATION => {
            return Ok(front(
                ReservationLog::new_checked(bytes).map(|view| ("ReservationLog", Fields::of_debug(&view))),
            ));
        }
        LogId::SANITIZE => {
            return Ok(front(
                SanitizeLog::new_checked(bytes).map(|view| ("SanitizeLog", Fields::of_debug(&view))),
            ));
        }
        LogId::CHANGED_ZONES => ChangedZones::new_checked(bytes).map(|view| format!("{view:?}")),
        _ => return Ok(None),
    };
    Ok(content.ok().map(|title| Content::new(title, Fields::new())))
}

/// A page of which less than all was asked for is no error.
fn front(view: Result<(&str, Fields), DecodeError>) -> Option<Content> {
    view.ok().map(|(title, fields)| Content::new(title, fields))
}

fn ana(bytes: &[u8]) -> Result<Option<Content>, DecodeError> {
    let view = AnaLog::new_checked(bytes)?;
    // Behind the last group that was asked for the page is cut off.
    let groups = view.groups().map_while(Result::ok).map(|group| {
        let nsids: Vec<u32> = group.nsids().collect();
        format!("{} {} {nsids:?}", group.id, group.state)
    });
    let fields = Fields::new()
        .with("change_count", view.change_count())
        .with("group_count", view.group_count())
        .with("groups", list(groups));
    Ok(Some(Content::new("AnaLog", fields)))
}

fn discovery(offset: u64, bytes: &[u8]) -> Result<Content, DecodeError> {
    let mut fields = Fields::new();
    let mut entries = bytes;
    let header = LogHeader::LEN as u64;
    if offset == 0 {
        match LogHeader::decode(bytes) {
            Ok(header) => {
                fields = fields.with("generation", header.generation).with("records", header.records);
            }
            // The front of the header, which is enough to see whether the log changed.
            Err(_) => {
                let number =
                    |at: usize| bytes.get(at..).and_then(|b| b.first_chunk()).map(|b| u64::from_le_bytes(*b));
                fields = fields.with("generation", number(0)).with("records", number(8));
            }
        }
        entries = bytes.get(LogHeader::LEN..).unwrap_or_default();
    } else if offset < header || !(offset - header).is_multiple_of(LogEntry::<&[u8]>::LEN as u64) {
        entries = &[];
    }
    let entry = |bytes: &[u8]| {
        let entry = LogEntry::new_checked(bytes).ok()?;
        if entry.as_bytes().iter().all(|byte| *byte == 0) {
            return None;
        }
        Some(format!(
            "{} {} {}:{} port {} cntlid {} {}",
            entry.subsystem_type(),
            entry.transport_type(),
            entry.traddr_text(),
            entry.trsvcid_text(),
            entry.port_id(),
            entry.cntlid(),
            entry.subnqn_text(),
        ))
    };
    let entries = entries.chunks_exact(LogEntry::<&[u8]>::LEN).filter_map(entry);
    Ok(Content::new("DiscoveryLog", fields.with("entries", list(entries))))
}

/// An authentication message.
pub fn message(message: &AuthMessage) -> Content {
    let fields = Fields::new().with("transaction", message.transaction());
    let fields = match message {
        AuthMessage::Negotiate(m) => {
            let fields = fields.with("secure_channel", m.secure_channel.to_string());
            m.protocols.iter().fold(fields, |fields, protocol| {
                fields
                    .with("protocol", protocol.protocol().to_string())
                    .with("hashes", list(protocol.hashes()))
                    .with("groups", list(protocol.groups()))
            })
        }
        AuthMessage::Challenge(m) => fields
            .with("hash", m.hash().to_string())
            .with("group", m.group().to_string())
            .with("sequence", m.sequence())
            .with("challenge", hex(m.challenge().as_bytes()))
            .with("dh_value_len", m.dh_value().len()),
        AuthMessage::Reply(m) => fields
            .with("sequence", m.sequence())
            .with("response", hex(m.response().as_bytes()))
            .with("challenge", m.challenge().map(|value| hex(value.as_bytes())))
            .with("dh_value_len", m.dh_value().len()),
        AuthMessage::Success1(m) => fields.with("response", m.response().map(|value| hex(value.as_bytes()))),
        AuthMessage::Failure1(m) => {
            fields.with("reason", m.reason.to_string()).with("explanation", m.explanation.to_string())
        }
        AuthMessage::Failure2(m) => {
            fields.with("reason", m.reason.to_string()).with("explanation", m.explanation.to_string())
        }
        _ => fields,
    };
    Content::new(message.name(), fields)
}

/// Bytes as hexadecimal text.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
