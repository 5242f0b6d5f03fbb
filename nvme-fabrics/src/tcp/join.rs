//! Several pieces of one request at a time.

use std::collections::VecDeque;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::Poll;

use super::error::FailedRead;

/// Pieces of one request that are on their way at a time.
pub(crate) const WINDOW: usize = 8;

/// Runs futures, [`WINDOW`] at a time, and gives each result to `take` in the order of the futures.
pub(crate) async fn in_order<F: Future>(
    mut futures: impl Iterator<Item = F>,
    mut take: impl FnMut(F::Output),
) {
    let mut running: VecDeque<Piece<F>> = VecDeque::with_capacity(WINDOW);
    poll_fn(|cx| {
        loop {
            while running.len() < WINDOW {
                match futures.next() {
                    Some(future) => running.push_back(Piece::Running(Box::pin(future))),
                    None => break,
                }
            }
            for piece in &mut running {
                if let Piece::Running(future) = piece
                    && let Poll::Ready(output) = future.as_mut().poll(cx)
                {
                    *piece = Piece::Over(output);
                }
            }
            let mut took = false;
            while matches!(running.front(), Some(Piece::Over(_))) {
                took = true;
                if let Some(Piece::Over(output)) = running.pop_front() {
                    take(output);
                }
            }
            if running.is_empty() && !took {
                return Poll::Ready(());
            }
            if !took {
                return Poll::Pending;
            }
        }
    })
    .await;
}

enum Piece<F: Future> {
    Running(Pin<Box<F>>),
    Over(F::Output),
}

/// Runs reads into buffers of their own until all are over: the buffers in their order, or the error of the first that failed.
pub(crate) async fn all_filled<B, E, F>(reads: impl Iterator<Item = F>) -> Result<Vec<B>, E>
where
    F: Future<Output = Result<B, FailedRead<B, E>>>,
{
    let (mut filled, mut failed) = (Vec::new(), None);
    in_order(reads, |result| match result {
        Ok(buffer) => filled.push(buffer),
        Err(error) => {
            failed.get_or_insert(error.error);
        }
    })
    .await;
    match failed {
        None => Ok(filled),
        Some(error) => Err(error),
    }
}
