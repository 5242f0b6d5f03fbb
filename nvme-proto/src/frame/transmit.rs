//! The transmit side: a header and data out, as a chain of slices.

use crate::digest::crc32c;
use crate::pdu::{CommonHeader, EncodeError, Flags, Format, Head, PduHeader};

static ZEROS: [u8; 255] = [0; 255];

/// A PDU to be sent: header, digests and padding made here, the data the caller's and never copied.
///
/// [`chunks`](Self::chunks) gives its slices for one `writev`; as a [`bytes::Buf`] it can be sent in part and go on, and gives the same slices with
/// [`chunks_vectored`](bytes::Buf::chunks_vectored). `D` is whatever owns or borrows the data: `&[u8]`, `Bytes`, `Vec<u8>`, an `Arc<[u8]>`. It has
/// to give the same bytes each time.
///
/// ```
/// use nvme_proto::digest::Digests;
/// use nvme_proto::frame::Transmit;
/// use nvme_proto::pdu::{Format, H2cData};
///
/// let format = Format { digests: Digests::BOTH, ..Format::PLAIN };
/// let data = [7; 512];
/// let pdu = Transmit::new(H2cData::new(86, 5, 0, 512).last(), format, &data)?;
/// let [head, padding, payload, digest] = pdu.chunks();
/// assert_eq!((head.len(), padding.len(), payload.len(), digest.len()), (28, 0, 512, 4));
/// assert!(core::ptr::eq(payload, &data[..]));
/// # Ok::<(), nvme_proto::pdu::EncodeError>(())
/// ```
#[derive(Debug, Clone, Copy)]
pub struct Transmit<D> {
    head: Head,
    /// Padding that does not fit into the head.
    zeros: u8,
    /// The data digest, if there is one.
    tail: [u8; 4],
    tail_len: u8,
    data: D,
    /// Bytes that were sent already.
    sent: usize,
}

/// No data: for [`Transmit`]s of PDUs that are but a header.
pub type NoData = [u8; 0];

impl Transmit<NoData> {
    /// A PDU without data.
    ///
    /// # Errors
    /// PDUs of this type always have data.
    #[inline]
    pub fn header<H: PduHeader>(header: H, format: Format) -> Result<Self, EncodeError> {
        Self::new(header, format, [])
    }
}

impl<D: AsRef<[u8]>> Transmit<D> {
    /// A PDU in `format`, which decides FLAGS, PDO and PLEN.
    ///
    /// # Errors
    /// The header and these data do not make a PDU.
    #[inline]
    pub fn new<H: PduHeader>(mut header: H, format: Format, data: D) -> Result<Self, EncodeError> {
        // What is beyond 32 bits is too much like the largest number of 32 bits is.
        let len = u32::try_from(data.as_ref().len()).unwrap_or(u32::MAX);
        format.apply(&mut header, len)?;
        Ok(Self::verbatim(&header, data))
    }

    /// A PDU with FLAGS, PDO and PLEN as `header` has them: what a decoded one was. Nothing is checked; a header that contradicts `data` makes a
    /// PDU that does, which is what a test may want.
    #[must_use]
    #[inline]
    pub fn verbatim<H: PduHeader>(header: &H, data: D) -> Self {
        let pdu_type = header.pdu_type();
        let envelope = header.envelope();
        let head = Head::of(header);
        let mut pdu = Self { head, zeros: 0, tail: [0; 4], tail_len: 0, data, sent: 0 };
        let bytes = pdu.data.as_ref();
        if !bytes.is_empty() && pdu_type.defined_flags().contains(Flags::DDGSTF) {
            pdu.zeros = envelope.data_offset.saturating_sub(Head::MAX_PLACE);
            if envelope.flags.contains(Flags::DDGSTF) {
                pdu.tail = crc32c(bytes).to_le_bytes();
                pdu.tail_len = 4;
            }
        }
        pdu
    }

    /// Its slices: header with its digest and padding; padding beyond byte 144, which no [`Format`] makes; data; data digest. Any but the first may
    /// be empty.
    #[must_use]
    #[inline]
    pub fn chunks(&self) -> [&[u8]; 4] {
        let zeros = ZEROS.get(..usize::from(self.zeros)).unwrap_or_default();
        let tail = self.tail.get(..usize::from(self.tail_len)).unwrap_or_default();
        [self.head.as_bytes(), zeros, self.data.as_ref(), tail]
    }

    /// Bytes of the whole PDU.
    #[must_use]
    #[allow(clippy::len_without_is_empty, reason = "no PDU is empty")]
    pub fn len(&self) -> usize {
        self.chunks().iter().fold(0, |len, chunk| len.saturating_add(chunk.len()))
    }

    /// The common header.
    #[must_use]
    pub fn common(&self) -> CommonHeader {
        CommonHeader::decode(self.head.as_bytes().first_chunk().unwrap_or(&[0; CommonHeader::LEN]))
    }

    /// The data.
    #[must_use]
    pub const fn data(&self) -> &D {
        &self.data
    }

    /// Gives the data back.
    #[must_use]
    pub fn into_data(self) -> D {
        self.data
    }

    /// The slices without the bytes that were sent.
    #[inline]
    fn rest(&self) -> [&[u8]; 4] {
        let mut sent = self.sent;
        self.chunks().map(|chunk| {
            let n = sent.min(chunk.len());
            sent = sent.saturating_sub(n);
            chunk.get(n..).unwrap_or_default()
        })
    }
}

/// What is left to send.
impl<D: AsRef<[u8]>> bytes::Buf for Transmit<D> {
    #[inline]
    fn remaining(&self) -> usize {
        self.len().saturating_sub(self.sent)
    }

    #[inline]
    fn chunk(&self) -> &[u8] {
        self.rest().into_iter().find(|chunk| !chunk.is_empty()).unwrap_or_default()
    }

    /// Stops at the end: advancing further than [`remaining`](bytes::Buf::remaining) is the same as advancing there.
    #[inline]
    fn advance(&mut self, n: usize) {
        self.sent = self.sent.saturating_add(n).min(self.len());
    }

    #[cfg(feature = "std")]
    fn chunks_vectored<'a>(&'a self, slices: &mut [std::io::IoSlice<'a>]) -> usize {
        let mut count = 0_usize;
        let full = self.rest().into_iter().filter(|chunk| !chunk.is_empty());
        for (slot, chunk) in slices.iter_mut().zip(full) {
            *slot = std::io::IoSlice::new(chunk);
            count = count.saturating_add(1);
        }
        count
    }
}
