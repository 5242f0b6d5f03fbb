//! Identify Controller.

use nvme_proto::identify::{
    AdminCommands, AnaCapabilities, AsyncEvents, ControllerAttributes, ControllerType,
    DiscoveryControllerType, IdentifyController, IoCommands, LogAttributes, Multipath, NvmController,
    PowerState, SglSupport,
};

use super::VERSION;
use crate::target::config::{AnaGroup, Settings, Subsystem};
use crate::target::state::{Controller, ControllerKind, ErrorRing};

/// Aborts that may be outstanding, less one.
const ABORT_LIMIT: u8 = 3;
/// Asynchronous Event Requests that may be outstanding, less one.
const ASYNC_EVENT_LIMIT: u8 = 3;
/// Entries of queues: both sizes as powers of two, largest and smallest.
const SQ_ENTRY: u8 = 0x66;
const CQ_ENTRY: u8 = 0x44;
/// A volatile write cache, which a Flush of all namespaces does not reach. It is always said to be there: namespaces with one may come later, and
/// a host that was told of none would not flush them.
const WRITE_CACHE: u8 = 0x1 | 0x2 << 1;

/// The structure.
pub(super) fn identify(controller: &Controller, settings: &Settings) -> Vec<u8> {
    let config = &controller.subsystem.config;
    let mut id = IdentifyController::zeroed();
    id.set_serial(config.serial.as_str().as_bytes());
    id.set_model(config.model.as_str().as_bytes());
    id.set_firmware(config.firmware.as_str().as_bytes());
    id.set_subnqn(&config.nqn);
    id.set_cntlid(controller.cntlid);
    id.set_version(VERSION);
    let log2 = settings.max_transfer_log2.saturating_sub(12);
    id.set_max_data_transfer(log2);
    id.set_attributes(ControllerAttributes::HOST_ID_128 | ControllerAttributes::TRAFFIC_KEEP_ALIVE);
    let [low, high, ..] = (Controller::KEEP_ALIVE_UNIT / 100).to_le_bytes();
    id.set_keep_alive_granularity(u16::from_le_bytes([low, high]));
    id.set_async_event_limit(ASYNC_EVENT_LIMIT);
    id.set_error_log_entries((ErrorRing::ROOM - 1) as u8);
    id.set_max_commands(settings.queue_entries);
    id.set_sgl_support(SglSupport::SUPPORTED | SglSupport::OFFSET);
    id.set_max_sgl_descriptors(1);
    match controller.kind {
        ControllerKind::Io => io(&mut id, controller, settings),
        ControllerKind::Discovery => {
            id.set_controller_type(ControllerType::DISCOVERY);
            id.set_discovery_type(DiscoveryControllerType::DIRECT);
            id.set_async_events(AsyncEvents::DISCOVERY);
            id.set_log_attributes(LogAttributes::EXTENDED_DATA | LogAttributes::SUPPORTED_PAGES);
        }
    }
    id.into_inner().into()
}

/// What only controllers with namespaces have.
fn io(id: &mut IdentifyController<Box<[u8]>>, controller: &Controller, settings: &Settings) {
    id.set_controller_type(ControllerType::IO);
    id.set_arbitration_burst(6);
    id.set_multipath(Multipath::PORTS | Multipath::CONTROLLERS | Multipath::ANA);
    id.set_async_events(AsyncEvents::NAMESPACE | AsyncEvents::ANA);
    id.set_admin_commands(AdminCommands::NONE);
    id.set_abort_limit(ABORT_LIMIT);
    // One slot, read-only.
    id.set_firmware_updates(0x3);
    id.set_log_attributes(
        LogAttributes::HEALTH_PER_NAMESPACE
            | LogAttributes::EFFECTS
            | LogAttributes::EXTENDED_DATA
            | LogAttributes::SUPPORTED_PAGES,
    );
    id.set_ana_transition_time(10);
    id.set_ana_capabilities(
        AnaCapabilities::OPTIMIZED
            | AnaCapabilities::NON_OPTIMIZED
            | AnaCapabilities::INACCESSIBLE
            | AnaCapabilities::PERSISTENT_LOSS
            | AnaCapabilities::CHANGE,
    );
    id.set_ana_group_max(AnaGroup::MAX.into());
    id.set_ana_groups(AnaGroup::MAX.into());
    id.set_sq_entry_size(SQ_ENTRY);
    id.set_cq_entry_size(CQ_ENTRY);
    let most = Subsystem::MAX_NAMESPACES as u32;
    let namespaces = controller.subsystem.namespaces();
    let largest = namespaces.last_key_value().map_or(0, |(nsid, _)| nsid.get());
    id.set_namespaces(largest.max(most));
    id.set_max_allowed_namespaces(most);
    id.set_io_commands(
        IoCommands::COMPARE
            | IoCommands::DATASET_MANAGEMENT
            | IoCommands::WRITE_ZEROES
            | IoCommands::SAVE_FEATURES
            | IoCommands::RESERVATIONS
            | IoCommands::TIMESTAMP
            | IoCommands::VERIFY,
    );
    id.set_volatile_write_cache(WRITE_CACHE);
    // No write protection, and write protection.
    id.set_write_protection(1);
    id.set_io_capsule_size((settings.in_capsule + 64) / 16);
    id.set_io_response_size(1);
    // Disconnect.
    id.set_fabrics_commands(1);
    // One power state, as the Linux target has it: its power is not known.
    let mut state = PowerState::zeroed();
    state.set_max_power(0x9c4);
    state.set_entry_latency(0x10);
    state.set_exit_latency(0x4);
    id.set_power_state(0, &state);
}

/// Identify Controller of the NVM command set.
pub(super) fn nvm() -> Vec<u8> {
    let mut id = NvmController::zeroed();
    // As many ranges as the command has room for, of any length.
    id.set_dataset_ranges(u8::MAX);
    id.into_inner().into()
}
