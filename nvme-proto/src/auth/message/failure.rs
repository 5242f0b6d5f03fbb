//! AUTH_Failure1 and AUTH_Failure2.

use super::head;
use crate::auth::terms::{FailureExplanation, FailureReason};
use crate::error::DecodeError;
use crate::layout::Field;

pub(super) const STRUCTURE1: &str = "AUTH_Failure1";
pub(super) const STRUCTURE2: &str = "AUTH_Failure2";

macro_rules! failures {
    ($($(#[$meta:meta])* $name:ident $structure:ident $id:literal)+) => {$(
        $(#[$meta])*
        ///
        /// | bytes | field                                                |
        /// |-------|------------------------------------------------------|
        #[doc = concat!("| 0..2  | AUTH_TYPE 0, AUTH_ID ", stringify!($id), "                            |")]
        /// | 2..4  | reserved                                             |
        /// | 4..6  | `transaction` (T_ID)                                 |
        /// | 6     | `reason` (RC)                                        |
        /// | 7     | `explanation` (RCE)                                  |
        ///
        /// Source: NVMe Base 2.0 section 8.13.5, kernel `struct nvmf_auth_dhchap_failure_data`.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub struct $name {
            /// The transaction.
            pub transaction: u16,
            /// The reason; always [`FailureReason::FAILED`] today.
            pub reason: FailureReason,
            /// What failed.
            pub explanation: FailureExplanation,
        }

        impl $name {
            /// Length in bytes.
            pub const LEN: usize = 8;

            /// The failure of this transaction.
            #[must_use]
            pub const fn new(transaction: u16, explanation: FailureExplanation) -> Self {
                Self { transaction, reason: FailureReason::FAILED, explanation }
            }

            pub(super) fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
                DecodeError::check_len($structure, bytes, Self::LEN)?;
                Ok(Self {
                    transaction: u16::read(bytes, 4),
                    reason: FailureReason(u8::read(bytes, 6)),
                    explanation: FailureExplanation(u8::read(bytes, 7)),
                })
            }

            /// Writes the message.
            #[must_use]
            pub fn encode(&self) -> [u8; Self::LEN] {
                let [kind, id, r2, r3, t0, t1] = head(0, $id, self.transaction);
                [kind, id, r2, r3, t0, t1, self.reason.0, self.explanation.0]
            }
        }
    )+};
}

failures! {
    /// The controller gives up. Both sides close the connection afterwards.
    #[doc(alias = "AUTH_Failure1")]
    Failure1 STRUCTURE1 0xf1
    /// The host gives up. Both sides close the connection afterwards.
    #[doc(alias = "AUTH_Failure2")]
    Failure2 STRUCTURE2 0xf0
}
