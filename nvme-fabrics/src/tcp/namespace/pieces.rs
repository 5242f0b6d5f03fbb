//! What is too large for a command, in pieces.

use super::Namespace;

/// Blocks of one command at most: NLB has 16 bits.
const MOST: u64 = 1 << 16;

/// Blocks that one command is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Piece {
    pub(super) lba: u64,
    /// 1 to 65,536.
    pub(super) blocks: u32,
}

impl Piece {
    /// As commands say it.
    pub(super) fn blocks_less_one(self) -> u16 {
        u16::try_from(self.blocks.saturating_sub(1)).unwrap_or(u16::MAX)
    }
}

/// The pieces of a range.
#[derive(Debug, Clone)]
pub(super) struct Pieces {
    lba: u64,
    left: u64,
    most: u64,
    /// No piece crosses a multiple of this; 0: none is kept.
    boundary: u64,
}

impl Pieces {
    pub(super) fn new(lba: u64, blocks: u64, most: u64, boundary: u64) -> Self {
        Self { lba, left: blocks, most: most.clamp(1, MOST), boundary }
    }

    /// Whether it is one.
    #[inline]
    pub(super) fn single(&self) -> Option<Piece> {
        let mut pieces = self.clone();
        let first = pieces.next()?;
        (pieces.left == 0).then_some(first)
    }
}

impl Iterator for Pieces {
    type Item = Piece;

    #[inline]
    fn next(&mut self) -> Option<Piece> {
        if self.left == 0 {
            return None;
        }
        let to_boundary = match self.lba.checked_rem(self.boundary) {
            Some(behind) => self.boundary.saturating_sub(behind),
            None => u64::MAX,
        };
        let blocks = self.left.min(self.most).min(to_boundary);
        let piece = Piece { lba: self.lba, blocks: u32::try_from(blocks).unwrap_or(1) };
        self.lba = self.lba.saturating_add(blocks);
        self.left = self.left.saturating_sub(blocks);
        Some(piece)
    }
}

impl Namespace {
    /// The pieces of a range of which data are transferred.
    #[inline]
    pub(super) fn data_pieces(&self, lba: u64, blocks: u64) -> Pieces {
        let most = u64::from(self.controller.core().max_transfer()) >> self.shape.block_log2;
        Pieces::new(lba, blocks, most, self.shape.identify.optimal_io_boundary().into())
    }

    /// The pieces of a range without data.
    pub(super) fn bare_pieces(&self, lba: u64, blocks: u64) -> Pieces {
        Pieces::new(lba, blocks, MOST, 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pieces(lba: u64, blocks: u64, most: u64, boundary: u64) -> Vec<(u64, u32)> {
        Pieces::new(lba, blocks, most, boundary).map(|piece| (piece.lba, piece.blocks)).collect()
    }

    #[test]
    fn a_range_is_split_at_the_limit_and_at_boundaries() {
        assert_eq!(pieces(5, 7, 8, 0), [(5, 7)]);
        assert_eq!(pieces(5, 20, 8, 0), [(5, 8), (13, 8), (21, 4)]);
        assert_eq!(pieces(5, 20, 8, 16), [(5, 8), (13, 3), (16, 8), (24, 1)]);
        assert_eq!(pieces(5, 0, 8, 16), []);
        assert_eq!(pieces(0, 3, 0, 0), [(0, 1), (1, 1), (2, 1)]);
        assert_eq!(pieces(0, 70_000, u64::MAX, 0), [(0, 65_536), (65_536, 4_464)]);
        assert_eq!(Piece { lba: 0, blocks: 65_536 }.blocks_less_one(), 65_535);
        assert_eq!(Pieces::new(0, 3, 4, 0).single(), Some(Piece { lba: 0, blocks: 3 }));
        assert_eq!(Pieces::new(0, 5, 4, 0).single(), None);
        assert_eq!(Pieces::new(0, 0, 4, 0).single(), None);
    }

    #[test]
    fn pieces_at_the_end_of_the_number_space_end() {
        assert_eq!(pieces(u64::MAX - 2, 2, 1, 7).len(), 2);
    }
}
