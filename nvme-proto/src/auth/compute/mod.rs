//! The computation of DH-HMAC-CHAP.

mod group;
mod hash;
mod response;

pub use group::{DhKeyPair, DhValueError, SharedSecret};
use hash::hash;
pub(crate) use hash::hmac;
pub use response::{ResponseInput, SessionKey, TransformedKey};
