//! PDUs put together where they are sent from.

use super::{DIGEST_LEN, Outbox};
use crate::digest::{Digests, crc32c};
use crate::pdu::{CapsuleCmd, Flags, Format, PduHeader};
use crate::sgl::Sgl;
use crate::sqe::{Psdt, Sqe};

/// Data that a PDU takes from the buffer of a slot.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Lent {
    pub(crate) slot: u16,
    pub(crate) from: u32,
    pub(crate) len: u32,
    /// Digest of the data, when digests are on.
    pub(crate) digest: Option<u32>,
}

impl Lent {
    /// `len` bytes from byte `from` of a slot's buffer, with their digest if data digests are on; `None` if the buffer does not have them.
    #[inline]
    pub(crate) fn of(slot: u16, bytes: &[u8], from: u32, len: u32, digests: Digests) -> Option<Self> {
        let piece = bytes.get(usize::try_from(from).ok()?..)?.get(..usize::try_from(len).ok()?)?;
        let digest = if digests.data { Some(crc32c(piece)) } else { None };
        Some(Self { slot, from, len, digest })
    }

    /// The same where no digests are in use: said to the compiler.
    #[inline(always)]
    fn plain(self) -> Self {
        Self { digest: None, ..self }
    }
}

impl Outbox {
    /// Adds a PDU in `format`. `false`: there was no room (or the header does not fit the data), and nothing was added.
    #[inline(always)]
    pub(crate) fn push_pdu<H: PduHeader>(&mut self, header: H, format: Format, data: Option<Lent>) -> bool {
        if format == Format::PLAIN {
            // Most of what there is to decide is decided by the compiler then.
            self.encode(header, Format::PLAIN, data.map(Lent::plain))
        } else {
            self.push_formatted(header, format, data)
        }
    }

    /// Adds a command capsule in `format`, as [`push_pdu`](Self::push_pdu) would; `sqe` with another identifier and descriptor of its data, as
    /// fabrics have it.
    #[inline(always)]
    pub(crate) fn push_command(
        &mut self,
        (sqe, cid, sgl): (&Sqe, u16, Sgl),
        format: Format,
        data: Option<Lent>,
    ) -> bool {
        if format != Format::PLAIN {
            return self.push_formatted(CapsuleCmd::new(on_fabrics(sqe, cid, sgl).encode()), format, data);
        }
        let data = data.map(Lent::plain);
        let len = data.map_or(0, |data| data.len);
        let Some(common) = CapsuleCmd::plain(len) else { return false };
        let Some(head) = self.head(CapsuleCmd::LEN, data) else { return false };
        if let Some(head) = head.first_chunk_mut() {
            put_command(head, common, sqe, cid, sgl);
        }
        true
    }

    #[inline(never)]
    fn push_formatted<H: PduHeader>(&mut self, header: H, format: Format, data: Option<Lent>) -> bool {
        self.encode(header, format, data)
    }

    #[inline(always)]
    fn encode<H: PduHeader>(&mut self, mut header: H, format: Format, data: Option<Lent>) -> bool {
        let len = data.map_or(0, |data| data.len);
        let Ok(envelope) = format.envelope(&header, len) else { return false };
        *header.envelope_mut() = envelope;
        let encoded = header.to_bytes();
        let encoded = encoded.as_ref();
        let has_digest = envelope.flags.contains(Flags::HDGSTF);
        let end = encoded.len().wrapping_add(if has_digest { DIGEST_LEN } else { 0 });
        // Without data PDO is 0.
        let head_len = end.max(usize::from(envelope.data_offset));
        let Some(head) = self.head(head_len, data) else { return false };
        let Some((header, behind)) = head.split_at_mut_checked(encoded.len()) else { return false };
        header.copy_from_slice(encoded);
        if !behind.is_empty() {
            behind.fill(0);
            if has_digest && let Some(digest) = behind.first_chunk_mut() {
                *digest = crc32c(encoded).to_le_bytes();
            }
        }
        true
    }
}

/// The command with what the transport writes into it.
#[inline(always)]
fn on_fabrics(sqe: &Sqe, cid: u16, sgl: Sgl) -> Sqe {
    Sqe { cid, flags: sqe.flags.with_psdt(Psdt::SGL), sgl, ..*sqe }
}

/// A capsule straight to its place: 64 bytes are worth not being copied twice, which the compiler sees when it sees nothing else.
#[inline(never)]
fn put_command(to: &mut [u8; CapsuleCmd::LEN], common: [u8; 8], sqe: &Sqe, cid: u16, sgl: Sgl) {
    if let Some((front, entry)) = to.split_first_chunk_mut()
        && let Some(entry) = entry.first_chunk_mut()
    {
        *front = common;
        *entry = on_fabrics(sqe, cid, sgl).encode();
    }
}
