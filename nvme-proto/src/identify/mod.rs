//! Identify: what a controller and its namespaces are.
//!
//! The structures are 4096 bytes of which few are ever looked at, so they are views over bytes: checked once, decoded field by field.
//! A view over mutable bytes also writes, which is how a controller answers Identify.

mod command;
mod controller;
mod kinds;
mod namespace;

pub use command::{Cns, IdentifyCommand};
pub use controller::{IdentifyController, PowerScale, PowerState, TimeScale};
pub use kinds::{ControllerType, DiscoveryControllerType, Version};
pub use namespace::{IdentifyNamespace, LbaFormat};
