//! Identify Namespace and its relatives.

use nvme_proto::feature::WriteProtectionState;
use nvme_proto::identify::{
    CommandSet, IdentifyNamespace, IndependentNamespace, LbaFormat, NamespaceIds, NvmNamespace,
    ReservationCapabilities,
};

use crate::target::backend::{Access, Geometry};
use crate::target::config::AnaState;
use crate::target::state::{NamespaceState, PortState};

/// NMIC: several controllers may have it.
const SHARED: u8 = 1;
/// NSFEAT: the fields for good performance mean something (OPTPERF).
const OPTIMAL: u8 = 1 << 4;
/// DLFEAT: deallocated blocks read as zeros, and Write Zeroes deallocates.
const DEALLOCATION: u8 = 0x1 | 1 << 3;
/// NSTAT: it is ready.
const READY: u8 = 1;

/// Reservations of every kind, none of which survives the process; keys as since NVMe 1.3.
fn reservations() -> ReservationCapabilities {
    ReservationCapabilities::WRITE_EXCLUSIVE
        | ReservationCapabilities::EXCLUSIVE_ACCESS
        | ReservationCapabilities::WRITE_EXCLUSIVE_REGISTRANTS
        | ReservationCapabilities::EXCLUSIVE_ACCESS_REGISTRANTS
        | ReservationCapabilities::WRITE_EXCLUSIVE_ALL
        | ReservationCapabilities::EXCLUSIVE_ACCESS_ALL
        | ReservationCapabilities::IGNORE_KEY_1_3
}

/// NSATTR: whether it is protected from writes.
fn attributes(namespace: &NamespaceState, geometry: &Geometry) -> u8 {
    let protected = namespace.protection() != WriteProtectionState::NONE;
    u8::from(protected || geometry.access == Access::ReadOnly)
}

/// Bytes in blocks, less one, as far as the field goes.
fn blocks_less_one(bytes: u32, geometry: &Geometry) -> u16 {
    let blocks = (bytes >> geometry.block_size.log2()).max(1);
    u16::try_from(blocks - 1).unwrap_or(u16::MAX)
}

/// Identify Namespace.
pub(super) fn identify(namespace: &NamespaceState, port: &PortState) -> Vec<u8> {
    let geometry = namespace.geometry();
    let mut id = IdentifyNamespace::zeroed();
    id.set_size(geometry.blocks);
    id.set_capacity(geometry.blocks);
    // Over a path that does not work nothing can be said to be in use, as the Linux target has it.
    if !matches!(port.ana(namespace.group()), AnaState::Inaccessible | AnaState::PersistentLoss) {
        id.set_used(geometry.blocks);
    }
    let format = LbaFormat { metadata_bytes: 0, data_log2: geometry.block_size.log2(), performance: 0 };
    id.set_lba_format_at(0, format);
    id.set_sharing(SHARED);
    id.set_reservations(reservations());
    id.set_nvm_capacity(geometry.len().into());
    id.set_features(OPTIMAL);
    let optimal = blocks_less_one(geometry.optimal_io, &geometry);
    id.set_write_granularity(optimal);
    id.set_write_alignment(optimal);
    id.set_optimal_write(optimal);
    let discard = blocks_less_one(geometry.discard_granularity, &geometry);
    id.set_deallocate_granularity(discard);
    id.set_deallocate_alignment(discard);
    if geometry.discard_granularity != 0 {
        id.set_deallocation(DEALLOCATION);
    }
    id.set_ana_group(namespace.group().get().into());
    id.set_attributes(attributes(namespace, &geometry));
    id.set_nguid(namespace.nguid);
    id.set_eui64(namespace.eui64.unwrap_or_default());
    id.into_inner().into()
}

/// The identifiers.
pub(super) fn descriptors(namespace: &NamespaceState) -> Vec<u8> {
    let mut ids = NamespaceIds::none();
    ids.eui64 = namespace.eui64;
    ids.nguid = Some(namespace.nguid).filter(|nguid| *nguid != [0; 16]);
    ids.uuid = Some(namespace.uuid).filter(|uuid| *uuid != [0; 16]);
    ids.command_set = Some(CommandSet::NVM);
    ids.encode().into()
}

/// Identify Namespace of the NVM command set: blocks without protection information.
pub(super) fn nvm(namespace: &NamespaceState) -> Vec<u8> {
    let geometry = namespace.geometry();
    let mut id = NvmNamespace::zeroed();
    id.set_deallocate_granularity(geometry.discard_granularity >> geometry.block_size.log2());
    id.into_inner().into()
}

/// What is the same in every command set.
pub(super) fn independent(namespace: &NamespaceState) -> Vec<u8> {
    let geometry = namespace.geometry();
    let mut id = IndependentNamespace::zeroed();
    id.set_sharing(SHARED);
    id.set_reservations(reservations());
    id.set_ana_group(namespace.group().get().into());
    id.set_attributes(attributes(namespace, &geometry));
    id.set_status(READY);
    id.into_inner().into()
}
