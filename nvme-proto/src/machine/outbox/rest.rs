//! What is left to send.

use super::Queued;
use crate::frame::to_usize;

/// What [`Outbox::chunks`] has not given yet.
pub(super) struct Rest {
    /// The first byte in the arena.
    pub(super) at: usize,
    /// The data in front of that.
    pub(super) piece: Option<(u16, usize, usize)>,
    /// The PDU whose head comes next, counted from the front.
    pub(super) number: usize,
}

impl Rest {
    /// All but `sent` bytes of the PDU in front.
    #[inline]
    pub(super) fn of(front: Option<&Queued>, sent: usize) -> Self {
        let Some(front) = front else { return Self { at: 0, piece: None, number: 0 } };
        let head_end = front.head_end();
        let head = usize::from(front.head);
        let data = to_usize(front.data);
        match (front.slot, sent.checked_sub(head)) {
            (Some(slot), Some(sent)) => {
                let (from, len) = (to_usize(front.from).saturating_add(sent), data.saturating_sub(sent));
                let piece = (len > 0).then_some((slot, from, len));
                let at = head_end.saturating_add(sent.saturating_sub(data));
                Self { at, piece, number: 1 }
            }
            _ => Self { at: front.start().saturating_add(sent), piece: None, number: 0 },
        }
    }
}

/// `len` bytes from `from` on, fewer when there are fewer.
#[inline]
pub(super) fn part_of(bytes: &[u8], from: usize, len: usize) -> &[u8] {
    let rest = bytes.get(from..).unwrap_or_default();
    rest.get(..len).unwrap_or(rest)
}
