//! 256 KiB of a disk in memory.
//!
//! | a chunk is | while | a write to it |
//! |---|---|---|
//! | pages, some of them missing | not all of it was written | takes a page where there is none |
//! | one block | all of it was written | happens in place; when some of it is lent, the block becomes pages first |
//! | pages, all there | it was a block once | replaces a page that is lent |
//!
//! A block is found without a look at the list of its pages, which is a miss of all caches for each read of a large disk, and lends what is longer
//! than a page. A chunk becomes a block once, and pages again once, until all of it is discarded: so the copies that this takes are never more
//! than what was written.

use std::sync::Arc;

use super::ahead;
use super::block::Block;
use crate::target::backend::Lent;

/// Bytes of a page.
pub(super) const PAGE: usize = 4096;
/// Pages of a chunk.
const PAGES: usize = 64;
/// Bytes of a chunk.
pub(super) const LEN: usize = PAGES * PAGE;

type Page = [u8; PAGE];

/// The pages of a chunk, as far as they were written.
///
/// Counted as a whole when one is lent: the counter is in the cache, those of the pages would not be. That miss was a tenth to a fifth of all time at
/// queue depth 32.
#[derive(Clone)]
pub(in crate::target::backend) struct Pages {
    pages: [Option<Arc<Page>>; PAGES],
    /// How many are there.
    held: usize,
    /// They were a block before.
    parted: bool,
}

/// A chunk.
pub(super) enum Chunk {
    Pages(Arc<Pages>),
    Block(Arc<Block>),
}

impl Pages {
    const EMPTY: Self = Self { pages: [const { None }; PAGES], held: 0, parted: false };

    /// A page; empty if it was not written.
    pub(in crate::target::backend) fn page(&self, number: usize) -> &[u8] {
        self.pages.get(number).and_then(Option::as_deref).map_or(&[], |page| page)
    }

    /// The pages of a block.
    fn of(block: &Block) -> Self {
        let mut pages = Self { held: PAGES, parted: true, ..Self::EMPTY };
        for (page, bytes) in pages.pages.iter_mut().zip(block.as_chunks().0) {
            *page = Some(Arc::new(*bytes));
        }
        pages
    }

    /// The block of all pages.
    fn joined(&self) -> Option<Arc<Block>> {
        let mut block = Block::new();
        for (bytes, page) in block.as_chunks_mut().0.iter_mut().zip(&self.pages) {
            *bytes = **page.as_ref()?;
        }
        Some(Arc::new(block))
    }

    /// Writes to a page; one that is lent stays as it is, and gets a successor.
    fn put(&mut self, piece: &Piece, data: &[u8]) {
        let Some(page) = self.pages.get_mut(piece.page) else { return };
        match (&mut *page, data.first_chunk()) {
            (Some(known), Some(whole)) if piece.len == PAGE => match Arc::get_mut(known) {
                Some(page) => *page = *whole,
                None => *known = Arc::new(*whole),
            },
            (Some(known), _) => piece.of_mut(known).copy_from_slice(data),
            (None, _) => {
                piece.of_mut(page.insert(Arc::new([0; PAGE]))).copy_from_slice(data);
                self.held = self.held.saturating_add(1);
            }
        }
    }

    /// Makes a part of a page zeros; a whole page is given back.
    fn forget(&mut self, piece: &Piece) {
        match self.pages.get_mut(piece.page) {
            Some(Some(page)) if piece.len < PAGE => piece.of_mut(page).fill(0),
            Some(page @ Some(_)) => {
                *page = None;
                self.held = self.held.saturating_sub(1);
            }
            _ => {}
        }
    }
}

impl Chunk {
    /// Nothing was written.
    pub(super) fn new() -> Self {
        Self::Pages(Arc::new(Pages::EMPTY))
    }

    /// Pages that it takes.
    pub(super) fn held(&self) -> usize {
        match self {
            Self::Pages(pages) => pages.held,
            Self::Block(_) => PAGES,
        }
    }

    /// Fills `to` with what is there from byte `from` on.
    pub(super) fn read(&self, from: usize, to: &mut [u8]) {
        match self {
            Self::Block(block) => {
                if let Some(bytes) = part(block, from, to.len()) {
                    to.copy_from_slice(bytes);
                }
            }
            Self::Pages(pages) => {
                let mut to = to;
                for piece in pieces(from, to.len()) {
                    let (now, later) =
                        std::mem::take(&mut to).split_at_mut_checked(piece.len).unwrap_or_default();
                    match pages.page(piece.page) {
                        [] => now.fill(0),
                        page => now.copy_from_slice(piece.of(page)),
                    }
                    to = later;
                }
            }
        }
    }

    /// Lends `len` bytes from byte `from` on, if they lie in one piece of memory.
    #[inline]
    pub(super) fn lend(&self, from: usize, len: usize) -> Option<Lent> {
        match self {
            Self::Block(block) => {
                ahead::fetch(part(block, from, len)?);
                Some(Lent::of_block(Arc::clone(block), from, len))
            }
            Self::Pages(pages) => {
                let (page, within) = (from / PAGE, from % PAGE);
                ahead::fetch(part(pages.page(page), within, len)?);
                Some(Lent::of_page(Arc::clone(pages), page, within, len))
            }
        }
    }

    /// Writes from byte `from` on; what is lent stays as it is.
    pub(super) fn write(&mut self, from: usize, data: &[u8]) {
        if data.len() == LEN {
            let mut block = Block::new();
            block.copy_from_slice(data);
            *self = Self::Block(Arc::new(block));
            return;
        }
        if let Self::Block(block) = self
            && let Some(block) = Arc::get_mut(block)
        {
            if let Some(bytes) = part_mut(block, from, data.len()) {
                bytes.copy_from_slice(data);
            }
            return;
        }
        let Some(pages) = self.pages() else { return };
        let before = pages.held;
        let mut data = data;
        for piece in pieces(from, data.len()) {
            let (now, later) = data.split_at_checked(piece.len).unwrap_or_default();
            pages.put(&piece, now);
            data = later;
        }
        if before < PAGES
            && pages.held == PAGES
            && !pages.parted
            && let Some(block) = pages.joined()
        {
            *self = Self::Block(block);
        }
    }

    /// Makes `len` bytes from byte `from` on zeros, and gives back the pages inside.
    pub(super) fn forget(&mut self, from: usize, len: usize) {
        if len >= LEN {
            *self = Self::new();
            return;
        }
        for piece in pieces(from, len) {
            if let Self::Block(block) = self
                && piece.len < PAGE
                && let Some(block) = Arc::get_mut(block)
            {
                if let Some(bytes) = part_mut(block, piece.start(), piece.len) {
                    bytes.fill(0);
                }
                continue;
            }
            if let Some(pages) = self.pages() {
                pages.forget(&piece);
            }
        }
    }

    /// It as pages that nobody else has.
    fn pages(&mut self) -> Option<&mut Pages> {
        if let Self::Block(block) = self {
            *self = Self::Pages(Arc::new(Pages::of(block)));
        }
        match self {
            Self::Pages(pages) => Some(Arc::make_mut(pages)),
            Self::Block(_) => None,
        }
    }
}

/// A part of a page.
struct Piece {
    /// Which of its chunk.
    page: usize,
    from: usize,
    len: usize,
}

impl Piece {
    /// Its first byte in the chunk.
    const fn start(&self) -> usize {
        self.page.saturating_mul(PAGE).saturating_add(self.from)
    }

    fn of<'a>(&self, page: &'a [u8]) -> &'a [u8] {
        part(page, self.from, self.len).unwrap_or_default()
    }

    /// Of a page that nobody has been lent, or of a copy of it.
    fn of_mut<'a>(&self, page: &'a mut Arc<Page>) -> &'a mut [u8] {
        let page: &mut Page = Arc::make_mut(page);
        part_mut(page, self.from, self.len).unwrap_or_default()
    }
}

fn part(bytes: &[u8], from: usize, len: usize) -> Option<&[u8]> {
    bytes.get(from..)?.get(..len)
}

fn part_mut(bytes: &mut [u8], from: usize, len: usize) -> Option<&mut [u8]> {
    bytes.get_mut(from..)?.get_mut(..len)
}

/// The pieces of `len` bytes from byte `at` of a chunk on.
fn pieces(mut at: usize, len: usize) -> impl Iterator<Item = Piece> {
    let end = at.saturating_add(len);
    std::iter::from_fn(move || {
        if at >= end {
            return None;
        }
        let from = at % PAGE;
        let piece =
            Piece { page: at / PAGE, from, len: PAGE.saturating_sub(from).min(end.saturating_sub(at)) };
        at = at.saturating_add(piece.len);
        Some(piece)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_block(chunk: &Chunk) -> bool {
        matches!(chunk, Chunk::Block(_))
    }

    /// A chunk that was written page by page, each with its number.
    fn written() -> Chunk {
        let mut chunk = Chunk::new();
        for page in 0..PAGES {
            assert!(!is_block(&chunk));
            assert_eq!(chunk.held(), page);
            chunk.write(page * PAGE, &[u8::try_from(page).unwrap(); PAGE]);
        }
        chunk
    }

    fn content(chunk: &Chunk) -> Vec<u8> {
        let mut bytes = vec![0xee; LEN];
        chunk.read(0, &mut bytes);
        bytes
    }

    #[test]
    fn what_was_written_as_a_whole_is_one_block() {
        let chunk = written();
        assert!(is_block(&chunk));
        assert_eq!(chunk.held(), PAGES);
        let want: Vec<u8> = (0..LEN).map(|at| u8::try_from(at / PAGE).unwrap()).collect();
        assert!(content(&chunk) == want);
        assert!(chunk.lend(PAGE - 512, 3 * PAGE).unwrap().as_ref() == &want[PAGE - 512..][..3 * PAGE]);
        let mut at_once = Chunk::new();
        at_once.write(0, &want);
        assert!(is_block(&at_once) && content(&at_once) == want);
    }

    #[test]
    fn what_is_lent_of_a_block_stays_and_the_block_becomes_pages_once() {
        let mut chunk = written();
        let before = content(&chunk);
        // In place while nothing is lent.
        chunk.write(5 * PAGE, &[200; 512]);
        assert!(is_block(&chunk));
        chunk.write(5 * PAGE, &before[5 * PAGE..][..512]);
        let lent = chunk.lend(0, LEN).unwrap();
        chunk.write(7 * PAGE + 512, &[99; 2 * PAGE]);
        assert!(!is_block(&chunk), "only the written pages are copied from now on");
        assert_eq!(chunk.held(), PAGES);
        assert!(lent.as_ref() == before);
        drop(lent);
        let mut want = before;
        want[7 * PAGE + 512..][..2 * PAGE].fill(99);
        assert!(content(&chunk) == want);
        // A page that is discarded and written again does not make it a block.
        chunk.forget(3 * PAGE, PAGE);
        assert_eq!(chunk.held(), PAGES - 1);
        chunk.write(3 * PAGE, &want[3 * PAGE..][..PAGE]);
        assert!(!is_block(&chunk) && content(&chunk) == want);
        // Beginning anew does.
        chunk.forget(0, LEN);
        assert_eq!(chunk.held(), 0);
        chunk.write(0, &want);
        assert!(is_block(&chunk));
    }

    #[test]
    fn a_block_gives_back_pages_that_are_discarded() {
        let mut chunk = written();
        chunk.forget(512, 1024);
        assert!(is_block(&chunk), "less than a page is filled in place");
        let mut want = content(&chunk);
        assert_eq!((want[511], want[512], want[1535]), (0, 0, 0));
        chunk.forget(PAGE + 512, 2 * PAGE);
        assert_eq!(chunk.held(), PAGES - 1);
        want[PAGE + 512..][..2 * PAGE].fill(0);
        assert!(content(&chunk) == want);
        assert!(chunk.lend(2 * PAGE, PAGE).is_none() && chunk.lend(PAGE, 2 * PAGE).is_none());
        assert!(chunk.lend(PAGE, PAGE).unwrap().as_ref() == &want[PAGE..2 * PAGE]);
    }
}
