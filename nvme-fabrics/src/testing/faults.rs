//! A stream on which things go wrong, the same way again for the same seed.
//!
//! | fault | what the owner of the stream sees |
//! |---|---|
//! | [chopped](Faults::chop) | reads and writes of few bytes at a time |
//! | [stalled](Faults::stall) | now and then nothing for a while, in one direction or the other |
//! | [corrupted](Faults::corrupt) | now and then a bit that arrives turned over |
//! | [cut](Faults::cut) | after so many bytes a reset; the peer sees the end |
//! | [half closed](Faults::half_close) | after so many bytes the end of what it receives, while it may send on |
//!
//! ```
//! use nvme_fabrics::testing::faults::{Faults, Faulty};
//! use std::time::Duration;
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() {
//! let (here, _there) = tokio::io::duplex(4096);
//! let faults = Faults::new(7).chop(100).stall(50, Duration::from_millis(20)).cut(10_000..1_000_000);
//! // The third connection has faults of its own, and the same ones in every run.
//! let stream = Faulty::new(here, &faults.of_connection(3));
//! # drop(stream);
//! # }
//! ```

use std::future::Future;
use std::io::{self, IoSlice};
use std::ops::Range;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Sleep;

/// What goes wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Faults {
    seed: u64,
    chop: Option<usize>,
    stall: Option<(u32, Duration)>,
    corrupt: Option<u64>,
    cut: Option<Range<u64>>,
    half_close: Option<Range<u64>>,
}

impl Faults {
    /// Nothing goes wrong yet.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Self { seed, chop: None, stall: None, corrupt: None, cut: None, half_close: None }
    }

    /// Reads and writes have 1 to `max` bytes.
    #[must_use]
    pub const fn chop(mut self, max: usize) -> Self {
        self.chop = Some(max);
        self
    }

    /// One of `one_in` reads and writes takes up to this long.
    #[must_use]
    pub const fn stall(mut self, one_in: u32, up_to: Duration) -> Self {
        self.stall = Some((one_in, up_to));
        self
    }

    /// One of about `one_in` bytes that arrive has a wrong bit.
    #[must_use]
    pub const fn corrupt(mut self, one_in: u64) -> Self {
        self.corrupt = Some(one_in);
        self
    }

    /// The connection is lost after a number of bytes in this range, of both directions together.
    #[must_use]
    pub const fn cut(mut self, after: Range<u64>) -> Self {
        self.cut = Some(after);
        self
    }

    /// Nothing more arrives after a number of bytes in this range has.
    #[must_use]
    pub const fn half_close(mut self, after: Range<u64>) -> Self {
        self.half_close = Some(after);
        self
    }

    /// The faults of one of several connections: of the same kind, at other places.
    #[must_use]
    pub fn of_connection(&self, number: u64) -> Self {
        let mut random = Random(self.seed ^ number.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        Self { seed: random.next(), ..self.clone() }
    }
}

/// A stream with faults.
#[derive(Debug)]
pub struct Faulty<S> {
    /// `None`: it was cut.
    inner: Option<S>,
    faults: Faults,
    random: Random,
    /// Bytes until it is cut.
    until_cut: u64,
    /// Bytes until nothing more arrives.
    until_end: u64,
    /// Bytes until one is wrong.
    until_wrong: u64,
    reading: Stall,
    writing: Stall,
}

/// What one direction waits for.
#[derive(Debug, Default)]
struct Stall {
    sleep: Option<Pin<Box<Sleep>>>,
    /// It has waited, and may do one thing now.
    over: bool,
}

impl<S> Faulty<S> {
    /// `inner` with faults.
    pub fn new(inner: S, faults: &Faults) -> Self {
        let mut random = Random(faults.seed);
        let mut place = |range: &Option<Range<u64>>| match range {
            Some(range) => range.start.saturating_add(random.below(range.end.saturating_sub(range.start))),
            None => u64::MAX,
        };
        let (until_cut, until_end) = (place(&faults.cut), place(&faults.half_close));
        let mut this = Self {
            inner: Some(inner),
            faults: faults.clone(),
            random,
            until_cut,
            until_end,
            until_wrong: u64::MAX,
            reading: Stall::default(),
            writing: Stall::default(),
        };
        this.next_wrong();
        this
    }

    fn next_wrong(&mut self) {
        self.until_wrong = match self.faults.corrupt {
            Some(one_in) => self.random.below(one_in.saturating_mul(2)),
            None => u64::MAX,
        };
    }

    /// How many of `len` bytes go now.
    fn piece(&mut self, len: usize) -> usize {
        let chopped = match self.faults.chop {
            Some(max) => self.random.below(u64::try_from(max).unwrap_or(u64::MAX)).saturating_add(1),
            None => u64::MAX,
        };
        let most = chopped.min(self.until_cut);
        len.min(usize::try_from(most).unwrap_or(usize::MAX))
    }

    /// Ready when nothing holds this direction up.
    fn poll_stall(&mut self, cx: &mut Context<'_>, direction: fn(&mut Self) -> &mut Stall) -> Poll<()> {
        let Some((one_in, up_to)) = self.faults.stall else { return Poll::Ready(()) };
        if direction(self).sleep.is_none() && !direction(self).over {
            let stalls = self.random.below(one_in.into()) == 0;
            let millis = self.random.below(u64::try_from(up_to.as_millis()).unwrap_or(u64::MAX));
            let stall = direction(self);
            if stalls {
                stall.sleep = Some(Box::pin(tokio::time::sleep(Duration::from_millis(millis))));
            } else {
                stall.over = true;
            }
        }
        let stall = direction(self);
        if let Some(sleep) = &mut stall.sleep {
            if sleep.as_mut().poll(cx).is_pending() {
                return Poll::Pending;
            }
            stall.sleep = None;
            stall.over = true;
        }
        Poll::Ready(())
    }

    /// So many bytes went in either direction.
    fn count(&mut self, n: usize) {
        self.until_cut = self.until_cut.saturating_sub(u64::try_from(n).unwrap_or(u64::MAX));
    }

    /// The stream, unless it is cut, which it is when it has carried enough.
    fn alive(&mut self) -> Option<&mut S> {
        if self.until_cut == 0 {
            self.inner = None;
        }
        self.inner.as_mut()
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Faulty<S> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, to: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.poll_stall(cx, |this| &mut this.reading).is_pending() {
            return Poll::Pending;
        }
        if this.until_end == 0 {
            return Poll::Ready(Ok(()));
        }
        let room = usize::try_from(this.until_end).unwrap_or(usize::MAX);
        let len = this.piece(to.remaining().min(64 << 10)).min(room);
        let Some(inner) = this.alive() else {
            return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
        };
        let mut bytes = vec![0; len];
        let mut part = ReadBuf::new(&mut bytes);
        match Pin::new(inner).poll_read(cx, &mut part) {
            Poll::Ready(Ok(())) => {}
            other => return other,
        }
        let come = part.filled().len();
        let bytes = bytes.get_mut(..come).unwrap_or_default();
        this.reading.over = false;
        this.count(come);
        this.until_end = this.until_end.saturating_sub(u64::try_from(come).unwrap_or(u64::MAX));
        for byte in bytes.iter_mut() {
            if this.until_wrong == 0 {
                *byte ^= 1_u8.wrapping_shl(u32::try_from(this.random.below(8)).unwrap_or(0));
                this.next_wrong();
            } else if this.until_wrong != u64::MAX {
                this.until_wrong = this.until_wrong.saturating_sub(1);
            }
        }
        to.put_slice(bytes);
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Faulty<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, from: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        if this.poll_stall(cx, |this| &mut this.writing).is_pending() {
            return Poll::Pending;
        }
        let piece = this.piece(from.len());
        let Some(inner) = this.alive() else {
            return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
        };
        let wrote = Pin::new(inner).poll_write(cx, from.get(..piece).unwrap_or_default());
        if let Poll::Ready(Ok(n)) = wrote {
            this.writing.over = false;
            this.count(n);
        }
        wrote
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        from: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let first = from.iter().find(|slice| !slice.is_empty()).map_or(&[][..], |slice| slice);
        self.poll_write(cx, first)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut().alive() {
            Some(inner) => Pin::new(inner).poll_flush(cx),
            None => Poll::Ready(Err(io::ErrorKind::ConnectionReset.into())),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut().alive() {
            Some(inner) => Pin::new(inner).poll_shutdown(cx),
            None => Poll::Ready(Ok(())),
        }
    }
}

/// Numbers that look random: SplitMix64.
#[derive(Debug, Clone)]
pub(super) struct Random(pub(super) u64);

impl Random {
    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// One of 0 to `limit` less one; 0 for none.
    pub(super) fn below(&mut self, limit: u64) -> u64 {
        self.next().checked_rem(limit).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

    /// Sends 100,000 bytes through faults; what came, and how it ended.
    async fn transfer(faults: &Faults) -> (Vec<u8>, Option<io::ErrorKind>) {
        let (mut here, there) = duplex(5000);
        let mut there = Faulty::new(there, faults);
        let send = tokio::spawn(async move {
            let data: Vec<u8> = (0..100_000_u32).map(|n| n.to_le_bytes()[1]).collect();
            let _ = here.write_all(&data).await;
            let _ = here.shutdown().await;
            // What comes back is read until its end.
            let _ = here.read_to_end(&mut Vec::new()).await;
        });
        let mut came = Vec::new();
        let end = there.read_to_end(&mut came).await.err().map(|error| error.kind());
        drop(there);
        send.await.unwrap();
        (came, end)
    }

    #[tokio::test(start_paused = true)]
    async fn each_fault_is_what_it_says_and_the_same_again() {
        let whole: Vec<u8> = (0..100_000_u32).map(|n| n.to_le_bytes()[1]).collect();
        let plain = Faults::new(1);
        assert_eq!(transfer(&plain).await, (whole.clone(), None));
        assert_eq!(transfer(&plain.clone().chop(7)).await, (whole.clone(), None));

        let started = tokio::time::Instant::now();
        let stalled = plain.clone().stall(3, Duration::from_secs(10));
        assert_eq!(transfer(&stalled).await, (whole.clone(), None));
        assert!(started.elapsed() > Duration::from_secs(10));

        let cut = plain.clone().cut(10_000..20_000);
        let (came, end) = transfer(&cut).await;
        assert_eq!(end, Some(io::ErrorKind::ConnectionReset));
        assert!((10_000..20_000).contains(&came.len()) && whole.starts_with(&came));
        assert_eq!(transfer(&cut).await.0.len(), came.len(), "the same seed");
        let other = transfer(&cut.of_connection(1)).await.0.len();
        assert_ne!(other, came.len(), "another connection");

        let (came, end) = transfer(&plain.clone().half_close(500..501)).await;
        assert_eq!((came.len(), end), (500, None));

        let (came, _) = transfer(&plain.corrupt(10_000)).await;
        let wrong = came.iter().zip(&whole).filter(|(came, sent)| came != sent).count();
        assert!(came.len() == whole.len() && (3..40).contains(&wrong), "{wrong}");
    }

    #[tokio::test]
    async fn writes_are_chopped_and_cut_too() {
        let (here, mut there) = duplex(1 << 20);
        let mut here = Faulty::new(here, &Faults::new(3).chop(10).cut(100..101));
        assert!(here.write(&[1; 1000]).await.unwrap() <= 10);
        let error = here.write_all(&[1; 1000]).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
        let mut came = Vec::new();
        there.read_to_end(&mut came).await.unwrap();
        assert_eq!(came, [1; 100], "the peer sees the end, with the stream still held");
    }
}
