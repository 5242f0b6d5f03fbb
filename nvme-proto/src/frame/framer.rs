//! The receive side: bytes in, PDUs out.

use super::buffer::LinearBuffer;
use super::limits::Limits;
use super::place::{Pending, PlaceError, Placed};
use super::rules::{DataDigest, Front, Rules};
use crate::pdu::header::Usual;
use crate::pdu::{
    C2hData, CapsuleCmd, CapsuleResp, CommonHeader, Format, H2cData, Header, PduType, ProtocolError, R2t,
    Role, Shape,
};

/// A whole PDU, its data lent from the receive buffer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Pdu<'a> {
    /// The header.
    pub header: Header,
    /// The data; empty where there are none.
    pub data: &'a [u8],
    /// How the data digest came out.
    pub data_digest: DataDigest,
    /// The PDU as it was received.
    pub bytes: &'a [u8],
}

/// The data of a PDU whose header was taken before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Data<'a> {
    /// The data.
    pub bytes: &'a [u8],
    /// How the data digest came out.
    pub digest: DataDigest,
}

/// Cuts the bytes of one direction of a connection into PDUs.
///
/// **Read into [`space`](Self::space), say how much with [`filled`](Self::filled), then call [`next`](Self::next) until it gives `None`; and
/// again.** After the handshake call [`ready`](Self::ready). An error is final: every later call gives it again.
///
/// There are two ways to take PDUs, and they may be mixed:
///
/// - [`next`](Self::next) gives whole PDUs, their data lent from the buffer.
/// - [`next_header`](Self::next_header) gives a header as soon as it is there. Then either [`data`](Self::data) lends the data when they are all
///   there, or [`place`](Self::place) copies them to where they belong as they come, and lets the reader read what is missing straight to that
///   place. Data that are not taken are thrown away by the next call of either function.
///
/// Data are digested in large pieces on their way. Costs, as ratios to copying the same bytes once: see `benches/README.md`.
///
/// # Memory
///
/// One buffer, of 256 KiB unless [`with_capacity`](Self::with_capacity) says otherwise. It grows for a PDU that is taken whole and does not fit, only
/// as its bytes arrive, to at most [`Limits::max_plen`]. [`place`](Self::place) never makes it grow.
///
/// # Example
///
/// ```
/// use nvme_proto::DataAlignment;
/// use nvme_proto::digest::Digests;
/// use nvme_proto::frame::{Framer, Limits};
/// use nvme_proto::pdu::{Format, Header, IcReq, Role};
///
/// let mut framer = Framer::new(Role::Controller, Limits::default());
/// let request = IcReq::new(DataAlignment::DWORD, Digests::BOTH, 0).encode();
///
/// // What a socket's read would do.
/// let (front, back) = request.split_at(100);
/// framer.push(front);
/// assert!(framer.next()?.is_none());
/// framer.push(back);
///
/// let Some(pdu) = framer.next()? else { panic!("all its bytes are there") };
/// let Header::IcReq(request) = pdu.header else { panic!("{:?}", pdu.header) };
/// // The controller answers that it does header digests only:
/// let format = Format { digests: request.digests().intersection(Digests::HEADER), ..Format::PLAIN };
/// framer.ready(format, Limits::default());
/// # Ok::<(), nvme_proto::pdu::ProtocolError>(())
/// ```
#[derive(Debug)]
pub struct Framer {
    pub(super) buffer: LinearBuffer,
    pub(super) rules: Rules,
    /// Headers without digests and padding are what comes.
    pub(super) is_usual: bool,
    /// How many unconsumed bytes are needed to get on.
    pub(super) want: usize,
    /// Data of the PDU whose header was given last.
    pub(super) pending: Option<Pending>,
    failed: Option<ProtocolError>,
    /// Offset of the first unconsumed byte in the stream.
    position: u64,
    /// How many of the bytes consumed last are, from its start, the PDU given last.
    pub(super) last: usize,
}

impl Framer {
    /// Size of the buffer unless told otherwise: 256 KiB.
    pub const DEFAULT_CAPACITY: usize = 256 << 10;

    /// For the end `receiver`, before the handshake.
    #[must_use]
    pub fn new(receiver: Role, limits: Limits) -> Self {
        Self::with_capacity(receiver, limits, Self::DEFAULT_CAPACITY)
    }

    /// The same with a buffer of `capacity` bytes.
    #[must_use]
    pub fn with_capacity(receiver: Role, limits: Limits, capacity: usize) -> Self {
        Self {
            buffer: LinearBuffer::new(capacity),
            rules: Rules::new(receiver, limits),
            is_usual: false,
            want: 0,
            pending: None,
            failed: None,
            position: 0,
            last: 0,
        }
    }

    /// The handshake is over: from the next PDU on, what comes in is laid out like `format` and bounded by `limits`.
    pub fn ready(&mut self, format: Format, limits: Limits) {
        self.rules = self.rules.ready(format, limits);
        self.is_usual = self.rules.is_usual();
    }

    /// What is checked.
    #[must_use]
    pub const fn rules(&self) -> &Rules {
        &self.rules
    }

    /// Room to read into. Never empty after [`next`](Self::next), [`next_header`](Self::next_header), [`data`](Self::data) or
    /// [`place`](Self::place) asked for more.
    #[must_use]
    #[inline]
    pub fn space(&mut self) -> &mut [u8] {
        self.last = 0;
        self.buffer.space(self.want.max(1))
    }

    /// The first `n` bytes of [`space`](Self::space) were filled.
    #[inline]
    pub fn filled(&mut self, n: usize) {
        self.buffer.fill(n);
    }

    /// Copies as much of `bytes` into the buffer as there is room for, and says how much that was.
    #[inline]
    pub fn push(&mut self, bytes: &[u8]) -> usize {
        let space = self.space();
        let n = space.len().min(bytes.len());
        if let (Some(room), Some(bytes)) = (space.get_mut(..n), bytes.get(..n)) {
            room.copy_from_slice(bytes);
        }
        self.filled(n);
        n
    }

    /// The next PDU with all its data, if it is all there.
    ///
    /// # Errors
    /// The first rule that the PDU violates, as soon as it can be seen. A wrong data digest is not an error: see [`Pdu::data_digest`].
    #[allow(clippy::should_implement_trait, reason = "it lends; an iterator cannot")]
    #[inline]
    pub fn next(&mut self) -> Result<Option<Pdu<'_>>, ProtocolError> {
        self.ready_for_next()?;
        if self.pending.is_some() {
            return Ok(None);
        }
        macro_rules! usual {
            ($header:ident) => {
                if let Some((header, shape)) = self.rules.usual_as::<$header>(self.buffer.filled()) {
                    return Ok(self.lend(Header::$header(header), &shape));
                }
            };
        }
        if self.is_usual {
            match (self.rules.receiver, self.buffer.filled().first()) {
                (Role::Host, Some(7)) => usual!(C2hData),
                (Role::Host, Some(5)) => usual!(CapsuleResp),
                (Role::Host, Some(9)) => usual!(R2t),
                (Role::Controller, Some(4)) => usual!(CapsuleCmd),
                (Role::Controller, Some(6)) => usual!(H2cData),
                _ => {}
            }
        }
        match self.rules.judged(self.buffer.filled()) {
            Ok(Front::Header(header, shape)) => Ok(self.lend(header, &shape)),
            Ok(Front::Need(n)) => {
                self.want = n;
                Ok(None)
            }
            Err(error) => Err(self.fail(error)),
        }
    }

    /// The PDU in front, whose header was judged, if it is all there.
    #[inline(always)]
    fn lend(&mut self, header: Header, shape: &Shape) -> Option<Pdu<'_>> {
        let len = to_usize(shape.pdu_len);
        if self.buffer.len() < len {
            self.want = len;
            return None;
        }
        self.advance(len);
        self.last = len;
        let bytes = self.buffer.take(len);
        // `Shape`: the data start at or before the end.
        let behind = bytes.get(usize::from(shape.data_offset)..).unwrap_or_default();
        let (data, data_digest) = DataDigest::split(shape, behind);
        Some(Pdu { header, data, data_digest, bytes })
    }

    /// The next header, if it is all there. Its data, if it has any ([`data_len`](Self::data_len)), are to be taken next.
    ///
    /// # Errors
    /// The first rule that the header violates, as soon as it can be seen.
    #[inline]
    pub fn next_header(&mut self) -> Result<Option<Header>, ProtocolError> {
        self.ready_for_next()?;
        if self.pending.is_some() {
            return Ok(None);
        }
        if self.buffer.len() < CommonHeader::LEN {
            self.want = CommonHeader::LEN;
            return Ok(None);
        }
        macro_rules! usual {
            ($header:ident) => {
                if let Some(header) = self.next_usual() {
                    return Ok(Some(Header::$header(header)));
                }
            };
        }
        match (self.rules.receiver, self.buffer.filled().first()) {
            (Role::Host, Some(7)) => usual!(C2hData),
            (Role::Host, Some(5)) => usual!(CapsuleResp),
            (Role::Host, Some(9)) => usual!(R2t),
            (Role::Controller, Some(4)) => usual!(CapsuleCmd),
            (Role::Controller, Some(6)) => usual!(H2cData),
            _ => {}
        }
        match self.rules.judged(self.buffer.filled()) {
            Ok(Front::Header(header, shape)) => {
                self.begin(&shape);
                Ok(Some(header))
            }
            Ok(Front::Need(n)) => {
                self.want = n;
                Ok(None)
            }
            Err(error) => Err(self.fail(error)),
        }
    }

    /// The next header if it is one of this type, which the receiver may be sent, without digests and padding; else
    /// [`next_header`](Self::next_header) knows what it is.
    #[inline(always)]
    fn next_usual<H: Usual>(&mut self) -> Option<H> {
        if !self.is_usual || self.failed.is_some() || self.pending.is_some() {
            return None;
        }
        let (header, shape) = self.rules.usual_as(self.buffer.filled())?;
        self.begin(&shape);
        Some(header)
    }

    /// Takes the header in front. Its data are to be taken next.
    #[inline(always)]
    fn begin(&mut self, shape: &Shape) {
        let len = shape.header_end();
        self.advance(len);
        self.last = len;
        self.buffer.take(len);
        self.pending = Pending::new(*shape);
    }

    /// Bytes of data of the PDU whose header was given last, if they were not taken yet; else 0.
    #[must_use]
    #[inline]
    pub fn data_len(&self) -> usize {
        self.pending.as_ref().map_or(0, Pending::data_len)
    }

    /// The data of the PDU whose header was given last, once they are all there. `None` too if [`place`](Self::place) has some of them already.
    #[inline]
    pub fn data(&mut self) -> Option<Data<'_>> {
        let pending = self.pending.as_ref().filter(|pending| pending.is_untouched())?;
        let shape = *pending.shape();
        let (padding, rest) = pending.lengths();
        let len = padding.saturating_add(rest);
        if self.buffer.len() < len {
            self.want = len;
            return None;
        }
        self.pending = None;
        self.advance(len);
        self.last = 0;
        let bytes = self.buffer.take(len).get(padding..).unwrap_or_default();
        let (bytes, digest) = DataDigest::split(&shape, bytes);
        Some(Data { bytes, digest })
    }

    /// Copies the data of the PDU whose header was given last to `place`, as far as they have come.
    ///
    /// `place` is where the data of this PDU belong, and has to be the same bytes at every call for the PDU; only its first
    /// [`data_len`](Self::data_len) bytes are written. While the answer is [`Placed::More`], the reader may read up to `missing` bytes straight
    /// into `place[filled..]` and tell with [`placed`](Self::placed), or go on with [`space`](Self::space) as always, which it has to when
    /// `missing` is 0; then call this again.
    ///
    /// # Errors
    /// `place` is too small, or no data are to be taken. Nothing was copied then.
    #[inline]
    pub fn place(&mut self, place: &mut [u8]) -> Result<Placed, PlaceError> {
        let Some(pending) = &mut self.pending else { return Err(PlaceError::NoData) };
        let need = pending.data_len();
        let have = place.len();
        let place = place.get_mut(..need).ok_or(PlaceError::TooSmall { need, have })?;
        let before = self.buffer.len();
        let placed = pending.place(place, &mut self.buffer);
        let consumed = before.saturating_sub(self.buffer.len());
        self.last = 0;
        if let Placed::Done(_) = placed {
            self.pending = None;
        } else {
            self.want = 1;
        }
        self.advance(consumed);
        Ok(placed)
    }

    /// The reader has read `n` bytes straight to the place that [`place`](Self::place) told.
    #[inline]
    pub fn placed(&mut self, n: usize) {
        if let Some(pending) = &mut self.pending {
            let n = pending.placed(n);
            self.advance(n);
        }
    }

    /// Throws away the data of the PDU whose header was given last, as far as they have come; says whether all of them are gone.
    ///
    /// [`next`](Self::next) and [`next_header`](Self::next_header) do the same with data that nobody took. The digest is not looked at.
    pub fn skip(&mut self) -> bool {
        self.throw_away()
    }

    /// For a termination request: the header of the PDU that was refused, or of the one given last if its receiver refuses it, as it was
    /// received; at most 128 bytes, and without its digest. Valid until the next call of [`space`](Self::space).
    #[must_use]
    pub fn offending(&self) -> &[u8] {
        let bytes = if self.failed.is_some() { self.buffer.filled() } else { self.buffer.behind(self.last) };
        let len = match bytes.first().copied().and_then(PduType::from_code) {
            Some(pdu_type) => usize::from(pdu_type.header_len()),
            None => 8,
        };
        bytes.get(..len).unwrap_or(bytes)
    }

    /// How many bytes of the stream came before the one that is looked at next.
    #[must_use]
    pub const fn position(&self) -> u64 {
        self.position
    }

    /// How many bytes have been received and not been taken.
    #[must_use]
    #[inline]
    pub fn buffered(&self) -> usize {
        self.buffer.len()
    }

    /// Whether an error was found before; and throws data away that nobody took.
    #[inline(always)]
    fn ready_for_next(&mut self) -> Result<(), ProtocolError> {
        if let Some(error) = self.failed {
            return Err(error);
        }
        if self.pending.is_some() {
            self.throw_away();
        }
        Ok(())
    }

    #[cold]
    const fn fail(&mut self, error: ProtocolError) -> ProtocolError {
        self.failed = Some(error);
        self.is_usual = false;
        error
    }

    /// Throws pending data away; whether all of them were there.
    #[cold]
    fn throw_away(&mut self) -> bool {
        let Some(pending) = &mut self.pending else { return true };
        let n = pending.throw_away(self.buffer.len());
        if pending.is_done() {
            self.pending = None;
        }
        self.buffer.take(n);
        self.advance(n);
        self.want = 1;
        self.pending.is_none()
    }

    #[inline]
    pub(super) const fn advance(&mut self, n: usize) {
        // A stream of 2^64 bytes does not end.
        self.position = self.position.wrapping_add(widen(n));
    }
}

/// Lengths in memory as offsets in a stream.
#[inline]
#[allow(clippy::as_conversions, reason = "usize has at most 64 bits on every platform of Rust")]
const fn widen(n: usize) -> u64 {
    n as u64
}

/// Lengths of PDUs as lengths in memory. Where `usize` has 16 bits no buffer is that long, and more is waited for.
#[inline]
pub(crate) fn to_usize(len: u32) -> usize {
    usize::try_from(len).unwrap_or(usize::MAX)
}
