//! `soft-target`: a target in user space.
//!
//! | module | concern |
//! |---|---|
//! | [`device`] | `FILE` or `mem:SIZE`, opened once and kept over reloads |
//! | [`wanted`] | what is to be served, in the library's terms |
//! | [`serving`] | listeners that come and go with the configuration |

pub mod device;
pub mod serving;
pub mod wanted;

pub use device::{Device, DeviceError, Devices};
pub use serving::{Serving, ServingError};
pub use wanted::Wanted;
