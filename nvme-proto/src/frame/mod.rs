//! Framing without I/O: bytes into PDUs, PDUs into bytes.
//!
//! ```text
//!   receive                                          transmit
//!   Framer         whole PDUs lent from a buffer,    Transmit    header, padding, the caller's data, digest:
//!                  or headers first, then data                   slices for one writev, the data not copied
//!                  placed where they belong
//!   BytesFramer    whole PDUs that own their data    NvmeTcpCodec   both, for tokio-util (feature `codec`)
//!   ------------------------------------------------------------------------------------------------------
//!   Rules          what a PDU coming in is checked   Format      digests and alignment of one direction
//!                  against; Limits
//!   ------------------------------------------------------------------------------------------------------
//!   pdu, digest
//! ```
//!
//! Every length is checked against the type of the PDU, the other lengths in its header, and the caller's [`Limits`] before anything is
//! waited for, allocated or copied because of it; after that, slicing cannot fail. What is refused is refused with a
//! [`ProtocolError`](crate::pdu::ProtocolError), as early as its first wrong byte can be judged.
//!
//! How the bytes were cut on their way makes no difference: the same PDUs come out, and the same error.

mod buffer;
#[cfg(feature = "codec")]
#[cfg_attr(docsrs, doc(cfg(feature = "codec")))]
mod codec;
mod framer;
mod limits;
mod owned;
mod place;
mod plain;
mod rules;
mod transmit;

#[cfg(feature = "codec")]
pub use codec::{CodecError, NvmeTcpCodec};
pub(crate) use framer::to_usize;
pub use framer::{Data, Framer, Pdu};
pub use limits::Limits;
pub use owned::{BytesFramer, OwnedPdu};
pub use place::{PlaceError, Placed};
pub use rules::{DataDigest, Front, Phase, Rules};
pub use transmit::{NoData, Transmit};
