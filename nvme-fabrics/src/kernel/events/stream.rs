//! The kernel's messages as a stream.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures_core::Stream;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use super::{Event, EventError, EventSocket};

/// All events from now on, as a stream. Ends after an error that the socket does not survive.
///
/// Dropping a future that waits for the next event loses none: it is taken from the socket only when it is handed out.
#[derive(Debug)]
pub struct EventStream {
    socket: AsyncFd<EventSocket>,
    ended: bool,
}

impl EventStream {
    /// Makes a stream of a socket. Must be called within a tokio runtime whose I/O is enabled.
    ///
    /// # Errors
    /// [`EventError::Open`] when the socket cannot be registered.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub fn new(socket: EventSocket) -> Result<Self, EventError> {
        // The socket owns its descriptor and always gives the same one, which is all that the newer, unsafe function asks for.
        #[allow(
            deprecated,
            reason = "the successor is unsafe, and newer than the oldest tokio this crate works with"
        )]
        let socket = AsyncFd::with_interest(socket, Interest::READABLE).map_err(EventError::Open)?;
        Ok(Self { socket, ended: false })
    }

    /// The next event; `None` after an error that the socket does not survive. Cancel-safe.
    ///
    /// # Errors
    /// As [`EventSocket::try_next`].
    pub async fn next(&mut self) -> Option<Result<Event, EventError>> {
        std::future::poll_fn(|cx| Pin::new(&mut *self).poll_next(cx)).await
    }
}

impl Stream for EventStream {
    type Item = Result<Event, EventError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.ended {
            return Poll::Ready(None);
        }
        let item = loop {
            let mut guard = match ready!(self.socket.poll_read_ready(cx)) {
                Ok(guard) => guard,
                Err(error) => break Err(EventError::Read(error)),
            };
            match guard.get_inner().try_next() {
                Ok(None) => guard.clear_ready(),
                Ok(Some(event)) => break Ok(event),
                Err(error) => break Err(error),
            }
        };
        self.ended = item.as_ref().is_err_and(|error| !error.goes_on());
        Poll::Ready(Some(item))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test]
    async fn waiting_for_events_can_be_dropped() {
        let mut stream = EventStream::new(EventSocket::open().unwrap()).unwrap();
        for _ in 0..3 {
            // Events of this machine may come; whether one does is not ours to say.
            let waited = tokio::time::timeout(Duration::from_millis(5), stream.next()).await;
            assert!(!matches!(waited, Ok(None)), "the stream has ended");
        }
    }
}
