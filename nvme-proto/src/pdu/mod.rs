//! The PDUs of NVMe/TCP 1.0: nine types, each a typed header of a fixed length; what follows the header is data.
//!
//! A header is a small `Copy` value with the fields of its table, decoded from an array of exactly its length and encoded into one. Decoding
//! checks everything that can be judged without knowing the connection, from the first byte to the last, so that the byte an error names is
//! the lowest one at fault; [`frame`](crate::frame) adds what was negotiated, and the caller's limits.
//!
//! | header | |
//! |---|---|
//! | [`IcReq`], [`IcResp`] | the handshake |
//! | [`CapsuleCmd`], [`CapsuleResp`] | commands and completions |
//! | [`R2t`], [`H2cData`] | data to the controller: asked for, sent |
//! | [`C2hData`] | data to the host |
//! | [`TermReq`] | the end, from either side |
//! | [`kickstart`] | reserved for later revisions; refused by name |
//!
//! # What is kept
//!
//! What was decoded encodes to the same bytes, except for reserved bytes behind the common header, which are ignored and encoded as 0. FLAGS, PDO
//! and PLEN are kept in [`Envelope`] to the bit, reserved bits and reserved PDO included, and so are the reserved bits of DGST.
//!
//! # Example
//!
//! ```
//! use nvme_proto::pdu::{R2t, Rule};
//!
//! let bytes = [9, 0, 24, 0, 24, 0, 0, 0, 7, 0, 42, 0, 0, 0x10, 0, 0, 0, 0x20, 0, 0, 0, 0, 0, 0];
//! let r2t = R2t::decode(&bytes)?;
//! assert_eq!((r2t.command_id, r2t.transfer_tag, r2t.offset, r2t.len), (7, 42, 4096, 8192));
//! assert_eq!(r2t.encode(), bytes);
//!
//! let mut wrong = bytes;
//! wrong[2] = 25;
//! let error = R2t::decode(&wrong).unwrap_err();
//! assert_eq!((error.rule, error.fei), (Rule::HeaderLen, 2));
//! # Ok::<(), nvme_proto::pdu::ProtocolError>(())
//! ```

mod alignment;
mod capsule;
mod common;
mod data;
mod error;
mod flags;
mod format;
mod head;
pub(crate) mod header;
mod ic;
pub mod kickstart;
mod kind;
mod negotiated;
mod r2t;
mod role;
mod term;

pub use alignment::DataAlignment;
pub use capsule::{CapsuleCmd, CapsuleResp};
pub use common::{CommonHeader, Envelope, Shape};
pub use data::{C2hData, H2cData};
pub use error::{Answer, FatalErrorStatus, ProtocolError, Rule};
pub use flags::Flags;
pub use format::{EncodeError, Format};
pub use head::Head;
pub use header::{Header, HeaderDecodeError, PduHeader};
pub use ic::{IcReq, IcResp};
pub use kind::PduType;
pub use negotiated::Negotiated;
pub use r2t::R2t;
pub use role::Role;
pub use term::TermReq;
