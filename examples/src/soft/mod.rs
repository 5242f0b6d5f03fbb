//! `soft-target`: a target in user space, set up from the command line or from the JSON that configures the kernel's.
//!
//! | module | concern |
//! |---|---|
//! | [`device`] | `FILE` or `mem:SIZE`, opened once and kept over reloads |
//! | [`wanted`] | what is to be served, in the library's terms |
//! | [`config`] | the kernel target's configuration, translated; what cannot be is named |
//! | [`serving`] | listeners that come and go with the configuration |

pub mod config;
pub mod device;
mod rules;
pub mod serving;
pub mod wanted;

pub use config::ConfigError;
pub use device::{Device, DeviceError, Devices};
pub use serving::{Serving, ServingError};
pub use wanted::Wanted;
