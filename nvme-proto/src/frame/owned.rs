//! PDUs that own their data.

use bytes::{Bytes, BytesMut};

use super::framer::to_usize;
use super::limits::Limits;
use super::rules::{DataDigest, Front, Rules};
use crate::digest::crc32c;
use crate::pdu::{Format, Header, ProtocolError, Role};

/// A whole PDU that owns its data, or rather shares them with the buffer they came in.
///
/// **Data that are held hold the whole piece of buffer they came in**: copy small data that are kept for long.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct OwnedPdu {
    /// The header.
    pub header: Header,
    /// The data; empty where there are none.
    pub data: Bytes,
    /// How the data digest came out.
    pub data_digest: DataDigest,
    /// The PDU as it was received.
    pub bytes: Bytes,
}

impl Rules {
    /// Cuts the first PDU off `buffer`; `None` if it is not all there, with room made in `buffer` for what is missing, but for no more than was
    /// received or 64 KiB.
    ///
    /// # Errors
    /// The first rule that the PDU violates, as soon as it can be seen. `buffer` stays as it is.
    pub fn split_from(&self, buffer: &mut BytesMut) -> Result<Option<OwnedPdu>, ProtocolError> {
        let have = buffer.len();
        let need = match self.front(buffer)? {
            Front::Need(need) => need,
            Front::Header(header, shape) => {
                let len = to_usize(shape.pdu_len);
                if have >= len {
                    let bytes = buffer.split_to(len).freeze();
                    // `Shape`: both are within the PDU, in this order.
                    let at = usize::from(shape.data_offset);
                    let end = at.saturating_add(to_usize(shape.data_len)).min(len);
                    let data = bytes.slice(at.min(end)..end);
                    let data_digest = match bytes.last_chunk() {
                        Some(received) if shape.data_digest => {
                            DataDigest::compare(u32::from_le_bytes(*received), crc32c(&data))
                        }
                        _ => DataDigest::Absent,
                    };
                    return Ok(Some(OwnedPdu { header, data, data_digest, bytes }));
                }
                len
            }
        };
        buffer.reserve(need.saturating_sub(have).min(have.max(64 << 10)));
        Ok(None)
    }
}

/// Cuts the bytes of one direction of a connection into PDUs that own their data.
///
/// The convenient form, for whoever hands data on to other tasks. [`Framer`](super::Framer) lends or places them for less: this one costs
/// about twice as much as one copy of each to memory of its own (`benches/README.md`).
///
/// ```
/// use nvme_proto::DataAlignment;
/// use nvme_proto::digest::Digests;
/// use nvme_proto::frame::{BytesFramer, Limits};
/// use nvme_proto::pdu::{IcReq, PduType, Role};
///
/// let mut framer = BytesFramer::new(Role::Controller, Limits::default());
/// framer.buffer_mut().extend_from_slice(&IcReq::new(DataAlignment::DWORD, Digests::NONE, 0).encode());
/// let pdu = framer.next()?.expect("all its bytes are there");
/// assert_eq!(pdu.header.pdu_type(), PduType::IcReq);
/// # Ok::<(), nvme_proto::pdu::ProtocolError>(())
/// ```
#[derive(Debug)]
pub struct BytesFramer {
    buffer: BytesMut,
    rules: Rules,
    failed: Option<ProtocolError>,
}

impl BytesFramer {
    /// For the end `receiver`, before the handshake.
    #[must_use]
    pub fn new(receiver: Role, limits: Limits) -> Self {
        Self { buffer: BytesMut::new(), rules: Rules::new(receiver, limits), failed: None }
    }

    /// The handshake is over: from the next PDU on, what comes in is laid out like `format` and bounded by `limits`.
    pub const fn ready(&mut self, format: Format, limits: Limits) {
        self.rules = self.rules.ready(format, limits);
    }

    /// What is checked.
    #[must_use]
    pub const fn rules(&self) -> &Rules {
        &self.rules
    }

    /// Where received bytes are to be appended.
    #[must_use]
    pub const fn buffer_mut(&mut self) -> &mut BytesMut {
        &mut self.buffer
    }

    /// The next PDU, if it is all there.
    ///
    /// # Errors
    /// The first rule that the PDU violates, as soon as it can be seen; every later call gives the error again.
    #[allow(clippy::should_implement_trait, reason = "like its sibling that lends")]
    pub fn next(&mut self) -> Result<Option<OwnedPdu>, ProtocolError> {
        if let Some(error) = self.failed {
            return Err(error);
        }
        let next = self.rules.split_from(&mut self.buffer);
        self.failed = next.as_ref().err().copied();
        next
    }
}
