//! Identify: what a controller and its namespaces are.
//!
//! | CNS                    | structure                                                                    |
//! |------------------------|------------------------------------------------------------------------------|
//! | 0x00, 0x11             | [`IdentifyNamespace`]                                                        |
//! | 0x01                   | [`IdentifyController`]                                                       |
//! | 0x02, 0x07, 0x10, 0x1a | [`NamespaceList`]                                                            |
//! | 0x03                   | [`NamespaceDescriptors`], [`NamespaceIds`]                                   |
//! | 0x04, 0x18, 0x19       | [`NvmSetList`], [`DomainList`], [`EnduranceGroupList`]                       |
//! | 0x05, 0x1b             | [`NvmNamespace`] (command set 0), [`ZonedNamespace`] (2)                     |
//! | 0x06                   | [`NvmController`] (command set 0), [`ZonedController`] (2)                   |
//! | 0x08, 0x1f             | [`IndependentNamespace`]                                                     |
//! | 0x12, 0x13             | [`ControllerList`]                                                           |
//! | 0x14, 0x15             | [`PrimaryCapabilities`], [`SecondaryControllerList`]                         |
//! | 0x16                   | [`GranularityList`]                                                          |
//! | 0x17                   | [`UuidList`]                                                                 |
//! | 0x1c                   | [`CommandSetCombinations`]                                                   |
//!
//! The user data formats (0x09, 0x0a), underlying namespaces (0x1d), ports (0x1e) and controller state formats (0x20) have a name and no more.
//!
//! The structures are 4096 bytes of which few are ever looked at, so they are views over bytes: checked once, decoded field by field.
//! A view over mutable bytes also writes, which is how a controller answers Identify. Counts in lists are checked when a view is made.

mod command;
mod command_sets;
mod controller;
mod descriptors;
mod granularity;
mod independent;
mod kinds;
mod lists;
mod namespace;
mod nvm;
mod sets;
mod uuids;
mod virtualization;
mod zoned;

pub use command::{Cns, IdentifyCommand};
pub use command_sets::{CommandSet, CommandSetCombination, CommandSetCombinations};
pub use controller::{
    AdminCommands, AnaCapabilities, AsyncEvents, ControllerAttributes, IdentifyController, IoCommands,
    LogAttributes, Multipath, PowerScale, PowerState, ReservationCapabilities, SglSupport, TimeScale,
};
pub use descriptors::{NamespaceDescriptor, NamespaceDescriptors, NamespaceIdType, NamespaceIds};
pub use granularity::{Granularity, GranularityList};
pub use independent::IndependentNamespace;
pub use kinds::{ControllerType, DiscoveryControllerType, Version};
pub use lists::{ControllerList, EnduranceGroupList, NamespaceList};
pub use namespace::{IdentifyNamespace, LbaFormat};
pub use nvm::{ExtendedLbaFormat, NvmController, NvmNamespace, ProtectionFormat};
pub use sets::{Domain, DomainList, NvmSet, NvmSetList};
pub use uuids::{UuidAssociation, UuidList};
pub use virtualization::{PrimaryCapabilities, SecondaryController, SecondaryControllerList};
pub use zoned::{ZoneFormat, ZonedController, ZonedNamespace};
