//! An adapter for `tokio_util::codec`.

use bytes::{Buf, BytesMut};
use tokio_util::codec::{Decoder, Encoder};

use super::limits::Limits;
use super::owned::OwnedPdu;
use super::rules::Rules;
use super::transmit::Transmit;
use crate::pdu::{Format, ProtocolError, Role};

/// PDUs over anything that reads and writes, by `Framed`, `FramedRead` and `FramedWrite` of `tokio-util`.
///
/// A convenience, with a price: every payload is copied into the write buffer, where [`Transmit::chunks`] would have gone out with one `writev`,
/// and what is received shares its buffer with the payloads that are held, which costs about twice one copy
/// ([`BytesFramer`](super::BytesFramer)). The handshake goes through the same codec: call [`ready`](Self::ready) after it.
///
/// ```
/// use bytes::BytesMut;
/// use nvme_proto::DataAlignment;
/// use nvme_proto::digest::Digests;
/// use nvme_proto::frame::{Limits, NvmeTcpCodec, Transmit};
/// use nvme_proto::pdu::{Format, IcReq, PduType, Role};
/// use tokio_util::codec::{Decoder, Encoder};
///
/// let mut host = NvmeTcpCodec::new(Role::Host, Limits::default());
/// let mut controller = NvmeTcpCodec::new(Role::Controller, Limits::default());
/// let mut wire = BytesMut::new();
/// let request = IcReq::new(DataAlignment::DWORD, Digests::NONE, 0);
/// host.encode(Transmit::header(request, Format::PLAIN)?, &mut wire)?;
/// let pdu = controller.decode(&mut wire)?.expect("all its bytes are there");
/// assert_eq!(pdu.header.pdu_type(), PduType::IcReq);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct NvmeTcpCodec {
    rules: Rules,
}

impl NvmeTcpCodec {
    /// For the end `role`, before the handshake.
    #[must_use]
    pub const fn new(role: Role, limits: Limits) -> Self {
        Self { rules: Rules::new(role, limits) }
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
}

/// Why a connection that is read or written through the codec ends.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CodecError {
    /// The peer violates the protocol.
    #[error(transparent)]
    Protocol(#[from] ProtocolError),
    /// Reading or writing failed, or the stream ended inside a PDU.
    #[error("cannot read or write a PDU: is the peer still there?")]
    Io(#[from] std::io::Error),
}

impl Decoder for NvmeTcpCodec {
    type Item = OwnedPdu;
    type Error = CodecError;

    fn decode(&mut self, buffer: &mut BytesMut) -> Result<Option<OwnedPdu>, CodecError> {
        Ok(self.rules.split_from(buffer)?)
    }
}

impl<D: AsRef<[u8]>> Encoder<Transmit<D>> for NvmeTcpCodec {
    type Error = CodecError;

    fn encode(&mut self, pdu: Transmit<D>, buffer: &mut BytesMut) -> Result<(), CodecError> {
        buffer.reserve(pdu.remaining());
        for chunk in pdu.chunks() {
            buffer.extend_from_slice(chunk);
        }
        Ok(())
    }
}
