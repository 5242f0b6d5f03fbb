//! One queue of a probe: a connection that is driven only while something is waited for, and that remembers how the peer began to speak.

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use nvme_proto::host::{Command, Completion, Config, ConfigError, Event, Host};
use nvme_proto::machine::Failure;
use nvme_proto::pdu::Negotiated;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, timeout_at};

use crate::net::{BusyPoll, Clock, Link, Stream};

/// Why a queue is of no use (any more).
#[derive(Debug)]
pub(super) enum Broken {
    /// The connection ended; why, in terms of the protocol.
    Ended { failure: Option<Failure> },
    /// Nothing came in time.
    TimedOut,
}

/// A connection to a controller.
pub(super) struct Queue<S> {
    link: Link<Host<Vec<u8>, Vec<u8>>, Spy<S>>,
    failure: Option<Failure>,
    ended: bool,
    first: Arc<Mutex<Vec<u8>>>,
}

impl<S: Stream> Queue<S> {
    /// A queue on a connection that was just made.
    pub(super) fn new(stream: S, config: Config) -> Result<Self, ConfigError> {
        let clock = Clock::new();
        let host = Host::new(config, clock.now())?;
        let first = Arc::<Mutex<Vec<u8>>>::default();
        let spy = Spy { stream, first: Arc::clone(&first) };
        Ok(Self { link: Link::new(host, spy, clock, BusyPoll::Off), failure: None, ended: false, first })
    }

    /// The first bytes that came, up to [`FIRST`].
    pub(super) fn first_bytes(&self) -> Vec<u8> {
        self.first.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Waits for the handshake.
    pub(super) async fn ready(&mut self, until: Instant) -> Result<Negotiated, Broken> {
        self.wait(until, |event| match event {
            Event::Ready(agreed) => Some(agreed),
            _ => None,
        })
        .await
    }

    /// Sends a command and waits for what becomes of it.
    pub(super) async fn run(
        &mut self,
        command: Command<Vec<u8>, Vec<u8>>,
        until: Instant,
    ) -> Result<Completion<Vec<u8>, Vec<u8>>, Broken> {
        let now = self.link.clock().now();
        let Ok(id) = self.link.machine().submit(now, command) else {
            // The queue has room for one command, and this one is well-formed: it is the connection that has ended.
            return Err(Broken::Ended { failure: self.failure });
        };
        self.wait(until, |event| match event {
            Event::Completed(completion) if completion.id == id => Some(completion),
            _ => None,
        })
        .await
    }

    /// Closes the connection, as far as it is not closed.
    pub(super) async fn close(mut self, until: Instant) {
        let now = self.link.clock().now();
        self.link.machine().close(now);
        // An end is what is wanted, whatever it is called.
        let _ = self.wait(until, |_| None::<()>).await;
    }

    /// Drives the connection until an event is the one that is wanted.
    async fn wait<T>(
        &mut self,
        until: Instant,
        mut want: impl FnMut(Event<Vec<u8>, Vec<u8>>) -> Option<T>,
    ) -> Result<T, Broken> {
        let Self { link, failure, ended, .. } = self;
        if *ended {
            return Err(Broken::Ended { failure: *failure });
        }
        let drive = poll_fn(|cx| {
            let mut found = None;
            let turn = link.poll_turn(cx, |host, now, _| {
                while found.is_none() {
                    match host.poll(now)? {
                        Event::Close(how) => return Some(how),
                        Event::Failed(why) => *failure = Some(why),
                        other => found = want(other),
                    }
                }
                None
            });
            let end = match turn {
                Poll::Ready(_) => {
                    *ended = true;
                    Some(Broken::Ended { failure: *failure })
                }
                // It is over, and the peer was told; that it has to close first is not waited for.
                Poll::Pending => failure.map(|why| Broken::Ended { failure: Some(why) }),
            };
            match (found, end) {
                (Some(found), _) => Poll::Ready(Ok(found)),
                (None, Some(end)) => Poll::Ready(Err(end)),
                (None, None) => Poll::Pending,
            }
        });
        timeout_at(until, drive).await.unwrap_or(Err(Broken::TimedOut))
    }
}

/// How many of the first bytes are remembered: more than a header, and enough for a line of what else may listen there.
const FIRST: usize = 48;

/// A stream that remembers the first bytes that came.
struct Spy<S> {
    stream: S,
    first: Arc<Mutex<Vec<u8>>>,
}

impl<S: Stream> Stream for Spy<S> {
    fn reset(&mut self) {
        self.stream.reset();
    }
}

impl<S: Stream> AsyncRead for Spy<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        to: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = to.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(cx, to);
        let mut first = self.first.lock().unwrap_or_else(PoisonError::into_inner);
        let room = FIRST.saturating_sub(first.len());
        first.extend(to.filled().iter().skip(before).take(room));
        drop(first);
        read
    }
}

impl<S: Stream> AsyncWrite for Spy<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, from: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, from)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        from: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, from)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
