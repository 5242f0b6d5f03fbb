//! What a PDU coming in is checked against: the role, the phase, what was negotiated, and the limits.

use super::limits::Limits;
use crate::digest::crc32c;
use crate::pdu::header::{Usual, known};
use crate::pdu::{CommonHeader, Format, Header, ProtocolError, Role, Rule, Shape};

/// How far a connection has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Phase {
    /// The peer's ICReq or ICResp has not come yet, and only that (or a termination request) may come.
    Handshake,
    /// The handshake is over: everything else may come.
    Ready,
}

/// Everything a PDU coming in is checked against.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Rules {
    /// Which end receives.
    pub receiver: Role,
    /// How far the connection has come.
    pub phase: Phase,
    /// What was negotiated for this direction.
    pub format: Format,
    /// What the receiver takes.
    pub limits: Limits,
}

/// The front of a stream of PDUs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(clippy::large_enum_variant, reason = "returned by value once a PDU, and taken apart at once")]
pub enum Front {
    /// The header is not all there: this many bytes have to be there in all before it is worth looking again.
    Need(usize),
    /// A header that obeys all rules, and where the parts of its PDU are. What is behind the header need not be there yet.
    Header(Header, Shape),
}

impl Rules {
    /// The rules at the start of a connection.
    #[must_use]
    pub const fn new(receiver: Role, limits: Limits) -> Self {
        Self { receiver, phase: Phase::Handshake, format: Format::PLAIN, limits }
    }

    /// The rules after the handshake.
    #[must_use]
    pub const fn ready(self, format: Format, limits: Limits) -> Self {
        Self { receiver: self.receiver, phase: Phase::Ready, format, limits }
    }

    /// Judges the PDU that `bytes` start with, as early as it can be judged: the common header when its 8 bytes are there, the rest of the
    /// header when that and its digest are.
    ///
    /// # Errors
    /// The first rule that is violated: type, direction and phase; the common header in the order of its bytes; the limits; the header digest;
    /// the rest of the header in the order of its bytes.
    #[inline(always)]
    pub fn front(&self, bytes: &[u8]) -> Result<Front, ProtocolError> {
        match self.usual(bytes) {
            Some((header, shape)) => Ok(Front::Header(header, shape)),
            None => self.judged(bytes),
        }
    }

    /// A header as most are: without digests and padding, and right. What it does not know may be right nevertheless.
    #[inline(always)]
    fn usual(&self, bytes: &[u8]) -> Option<(Header, Shape)> {
        if !self.is_usual() {
            return None;
        }
        macro_rules! take {
            ($header:ident) => {
                self.usual_as(bytes).map(|(header, shape)| (Header::$header(header), shape))
            };
        }
        match (self.receiver, bytes.first()) {
            (Role::Host, Some(7)) => take!(C2hData),
            (Role::Host, Some(5)) => take!(CapsuleResp),
            (Role::Host, Some(9)) => take!(R2t),
            (Role::Controller, Some(4)) => take!(CapsuleCmd),
            (Role::Controller, Some(6)) => take!(H2cData),
            _ => None,
        }
    }

    /// Whether headers without digests and padding are what comes.
    pub(super) fn is_usual(&self) -> bool {
        self.phase == Phase::Ready && self.format == Format::PLAIN
    }

    /// A header of this type, if [`is_usual`](Self::is_usual) and the type is one that may come.
    #[inline(always)]
    pub(super) fn usual_as<H: Usual>(&self, bytes: &[u8]) -> Option<(H, Shape)> {
        let header = H::usual(bytes)?;
        let pdu_len = header.pdu_len();
        let shape = Shape {
            pdu_type: H::PDU_TYPE,
            header_digest: false,
            data_digest: false,
            data_offset: H::HEADER_LEN,
            data_len: pdu_len.saturating_sub(H::HEADER_LEN.into()),
            pdu_len,
        };
        self.limits.check(&shape).is_ok().then_some((header, shape))
    }

    /// Rule by rule.
    #[inline(never)]
    pub(super) fn judged(&self, bytes: &[u8]) -> Result<Front, ProtocolError> {
        let Some(common) = bytes.first_chunk() else { return Ok(Front::Need(CommonHeader::LEN)) };
        let shape = self.shape(common)?;
        Ok(match self.header(&shape, bytes)? {
            Some(header) => Front::Header(header, shape),
            None => Front::Need(shape.header_end()),
        })
    }

    /// The header of a PDU whose common header was judged; `None` if it and its digest are not all there.
    #[inline(always)]
    fn header(&self, shape: &Shape, bytes: &[u8]) -> Result<Option<Header>, ProtocolError> {
        let Some(header) = bytes.get(..shape.header_end()) else { return Ok(None) };
        if shape.header_digest
            && let Some((covered, digest)) = header.split_last_chunk()
        {
            let received = u32::from_le_bytes(*digest);
            if crc32c(covered) != received {
                return Err(ProtocolError::new(shape.pdu_type, Rule::HeaderDigest, received));
            }
        }
        Ok(Some(Header::from_shape(shape, header)?))
    }

    /// Judges a common header: everything that its 8 bytes tell.
    ///
    /// # Errors
    /// The first rule that is violated.
    #[inline(always)]
    pub fn shape(&self, common: &[u8; CommonHeader::LEN]) -> Result<Shape, ProtocolError> {
        let common = CommonHeader::decode(common);
        let pdu_type = known(common.code)?;
        let fail = |rule| Err(ProtocolError::new(pdu_type, rule, common.code.into()));
        if pdu_type.sender() == self.receiver {
            return fail(Rule::WrongDirection);
        }
        if !pdu_type.is_termination() {
            match self.phase {
                Phase::Handshake if !pdu_type.is_handshake() => return fail(Rule::BeforeHandshake),
                Phase::Ready if pdu_type.is_handshake() => return fail(Rule::SecondHandshake),
                Phase::Handshake | Phase::Ready => {}
            }
        }
        let shape = common.shape(pdu_type, self.format.digests, self.format.alignment)?;
        self.limits.check(&shape)?;
        Ok(shape)
    }
}

/// How a data digest came out.
///
/// A wrong one does not end the connection: the command fails with Transient Transport Error (22h), once, and whatever its completion says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DataDigest {
    /// None was negotiated, or there are no data.
    Absent,
    /// It matches the data.
    Good,
    /// It does not.
    Bad {
        /// The digest in the PDU.
        received: u32,
        /// The digest of the data.
        computed: u32,
    },
}

impl DataDigest {
    /// Compares.
    #[inline]
    pub(crate) const fn compare(received: u32, computed: u32) -> Self {
        if received == computed { Self::Good } else { Self::Bad { received, computed } }
    }

    /// The data and the digest behind them, judged.
    #[inline]
    pub(crate) fn split<'a>(shape: &Shape, data_and_digest: &'a [u8]) -> (&'a [u8], Self) {
        match data_and_digest.split_last_chunk() {
            Some((data, digest)) if shape.data_digest => {
                (data, Self::compare(u32::from_le_bytes(*digest), crc32c(data)))
            }
            _ => (data_and_digest, Self::Absent),
        }
    }

    /// Whether the data can be used: the digest matches, or there is none.
    #[must_use]
    pub const fn is_ok(self) -> bool {
        !matches!(self, Self::Bad { .. })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::DataAlignment;
    use crate::digest::Digests;
    use crate::pdu::{C2hData, CapsuleCmd, CapsuleResp, H2cData, R2t};
    use crate::sqe::Sqe;
    use alloc::vec::Vec;

    /// Every single change of headers that are right: whatever the short cut takes, the rules take, and make the same of it.
    #[test]
    fn the_short_cut_leads_where_the_rules_do() {
        let mut headers: Vec<(Role, Vec<u8>)> = Vec::new();
        for header in
            [C2hData::new(7, 4096, 512), C2hData::new(7, 0, 510).last(), C2hData::new(7, 0, 4).success()]
        {
            headers.push((Role::Host, header.encode().to_vec()));
        }
        for header in [H2cData::new(7, 9, 4096, 512), H2cData::new(7, 9, 0, 510).last()] {
            headers.push((Role::Controller, header.encode().to_vec()));
        }
        headers.push((Role::Host, CapsuleResp::new([7; 16]).encode().to_vec()));
        headers.push((Role::Host, R2t::new(7, 9, 4096, 512).encode().to_vec()));
        let mut capsule = CapsuleCmd::new(Sqe::new(1).encode());
        headers.push((Role::Controller, capsule.encode().to_vec()));
        (capsule.envelope.data_offset, capsule.envelope.pdu_len) = (72, 72 + 512);
        headers.push((Role::Controller, capsule.encode().to_vec()));
        let mut formats = Vec::from([Format::PLAIN]);
        formats.push(Format { alignment: DataAlignment::new(5).unwrap(), ..Format::PLAIN });
        formats.extend([Digests::HEADER, Digests::DATA].map(|digests| Format { digests, ..Format::PLAIN }));
        let mut short = 0;
        for (receiver, header) in &headers {
            for format in &formats {
                let mut limits = Limits::default();
                (limits.h2c_data, limits.c2h_data, limits.in_capsule_data) = (512, 512, 512);
                let rules = Rules::new(*receiver, limits).ready(*format, limits);
                for at in 0..24 {
                    for value in 0..=u8::MAX {
                        let mut bytes = header.clone();
                        bytes[at] = value;
                        if let Some((header, shape)) = rules.usual(&bytes) {
                            assert_eq!(rules.judged(&bytes), Ok(Front::Header(header, shape)));
                            short += 1;
                        }
                        assert_eq!(rules.front(&bytes), rules.judged(&bytes));
                    }
                }
                assert_eq!(rules.usual(header).is_some(), *format == Format::PLAIN);
                assert!((0..header.len()).all(|len| rules.usual(&header[..len]).is_none()));
            }
        }
        assert!(short > 10_000, "{short}");
    }
}
