//! Which commands and features a controller has, and what they change.

use nvme_proto::command::{AdminOpcode, IoOpcode};
use nvme_proto::identify::CommandSet;
use nvme_proto::log::{CommandEffects, EffectsLog, FeatureEffects, FeatureEffectsLog};

use crate::target::connection::supported_features;
use crate::target::state::ControllerKind;

/// Admin commands.
const ADMIN: &[AdminOpcode] = &[
    AdminOpcode::GET_LOG_PAGE,
    AdminOpcode::IDENTIFY,
    AdminOpcode::ABORT,
    AdminOpcode::SET_FEATURES,
    AdminOpcode::GET_FEATURES,
    AdminOpcode::ASYNC_EVENT_REQUEST,
    AdminOpcode::KEEP_ALIVE,
];

/// I/O commands that leave blocks as they are.
const READING: &[IoOpcode] = &[
    IoOpcode::FLUSH,
    IoOpcode::READ,
    IoOpcode::COMPARE,
    IoOpcode::VERIFY,
    IoOpcode::RESERVATION_REGISTER,
    IoOpcode::RESERVATION_REPORT,
    IoOpcode::RESERVATION_ACQUIRE,
    IoOpcode::RESERVATION_RELEASE,
];

/// I/O commands that change blocks.
const WRITING: &[IoOpcode] = &[IoOpcode::WRITE, IoOpcode::WRITE_ZEROES, IoOpcode::DATASET_MANAGEMENT];

/// Commands Supported and Effects, with the I/O commands of a command set: none, of one that no namespace has.
pub(super) fn commands(command_set: u8) -> Vec<u8> {
    let mut page = EffectsLog::zeroed();
    for opcode in ADMIN {
        page.set_admin(opcode.0, CommandEffects::SUPPORTED);
    }
    if CommandSet(command_set) == CommandSet::NVM {
        for opcode in READING {
            page.set_io(opcode.0, CommandEffects::SUPPORTED);
        }
        for opcode in WRITING {
            page.set_io(opcode.0, CommandEffects::SUPPORTED | CommandEffects::BLOCK_CONTENT);
        }
    }
    page.into_inner().into()
}

/// Feature Identifiers Supported and Effects.
pub(super) fn features(kind: ControllerKind) -> Vec<u8> {
    /// Scope, bits 31:20: one namespace, or one controller.
    const NAMESPACE: FeatureEffects = FeatureEffects(1 << 20);
    const CONTROLLER: FeatureEffects = FeatureEffects(1 << 21);
    let mut page = FeatureEffectsLog::zeroed();
    for (feature, capabilities) in supported_features(kind) {
        let scope = if capabilities.namespace_specific() { NAMESPACE } else { CONTROLLER };
        page.set_feature(feature.0, FeatureEffects::SUPPORTED | scope);
    }
    page.into_inner().into()
}
