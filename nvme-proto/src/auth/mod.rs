//! In-band authentication: DH-HMAC-CHAP, its messages, its secrets, and with the feature `auth` its computation.
//!
//! ```text
//! host                                                        controller
//!  Authentication Send     Negotiate              ------->
//!  Authentication Receive                         <-------    Challenge      or Failure1
//!  Authentication Send     Reply                  ------->
//!  Authentication Receive                         <-------    Success1       or Failure1
//!  Authentication Send     Success2               ------->    only when the host asked the controller to authenticate itself,
//!                          or Failure2                        or when it does not like what it got
//! ```
//!
//! One such transaction runs on each queue whose Connect says that it is required. Messages and secrets need no feature; with `auth` come
//! the state machines of both sides, `HostAuthentication` and `ControllerAuthentication`, and the functions they are made of.
//!
//! Source: NVMe Base 2.0 section 8.13.5 and 2.2 section 8.3.4.5.

#[cfg(feature = "auth")]
mod compute;
#[cfg(feature = "auth")]
mod controller;
#[cfg(feature = "auth")]
mod host;
mod message;
mod secret;
#[cfg(feature = "auth")]
mod session;
mod terms;
#[cfg(all(test, feature = "auth"))]
pub(crate) mod test_hex;
mod value;

#[cfg(feature = "auth")]
pub(crate) use compute::hmac;
#[cfg(feature = "auth")]
#[cfg_attr(docsrs, doc(cfg(feature = "auth")))]
pub use compute::{DhKeyPair, DhValueError, ResponseInput, SessionKey, SharedSecret, TransformedKey};
#[cfg(feature = "auth")]
#[cfg_attr(docsrs, doc(cfg(feature = "auth")))]
pub use controller::{ControllerAuthConfig, ControllerAuthentication};
#[cfg(feature = "auth")]
#[cfg_attr(docsrs, doc(cfg(feature = "auth")))]
pub use host::{HostAuthConfig, HostAuthentication, HostStep};
pub use message::{
    AuthMessage, Challenge, Failure1, Failure2, Negotiate, ProtocolDescriptor, Reply, Success1, Success2,
};
pub use secret::DhchapSecret;
#[cfg(feature = "auth")]
#[cfg_attr(docsrs, doc(cfg(feature = "auth")))]
pub use session::{AuthError, AuthRandom, AuthSession, Proven};
pub use terms::{
    AuthProtocolId, DhGroupId, FailureExplanation, FailureReason, HashId, HashLen, SecureChannelMode,
};
pub use value::HashValue;

pub use crate::key_text::{KeyTextError, SecretText};

/// SECP of Authentication Send and Receive for these messages.
#[doc(alias = "SECP")]
pub const SECURITY_PROTOCOL: u8 = 0xe9;

/// SPSP0 and SPSP1 of Authentication Send and Receive for these messages.
#[doc(alias = "SPSP0")]
#[doc(alias = "SPSP1")]
pub const SECURITY_PROTOCOL_SPECIFIC: [u8; 2] = [1, 1];
