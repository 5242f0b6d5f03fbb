//! What carries a connection.

use std::io::{self, Read};
use std::pin::Pin;
use std::task::{Context, Poll};

use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// A stream of bytes in both directions.
pub(crate) trait Stream: AsyncRead + AsyncWrite + Unpin {
    /// Lets the peer see a reset instead of an orderly end, if the stream can, when it is dropped.
    fn reset(&mut self) {}

    /// Reads what is there without waiting and without a promise to be woken: for who looks all the time. `None`: only `poll_read` can tell.
    fn read_now(&mut self, _to: &mut [u8]) -> Option<io::Result<usize>> {
        None
    }
}

/// A TCP connection that never holds back what is written: with Nagle's algorithm on, a read took 44 ms where it takes 30 µs.
#[derive(Debug)]
pub(crate) struct Tcp(TcpStream);

impl Tcp {
    /// Connects to a controller.
    #[cfg(test)]
    pub(crate) async fn connect(addr: std::net::SocketAddr) -> io::Result<Self> {
        Self::new(TcpStream::connect(addr).await?)
    }

    /// The socket.
    #[cfg(test)]
    pub(crate) const fn socket(&self) -> &TcpStream {
        &self.0
    }

    /// A connection that was made or accepted.
    pub(crate) fn new(stream: TcpStream) -> io::Result<Self> {
        stream.set_nodelay(true)?;
        Ok(Self(stream))
    }
}

impl Stream for Tcp {
    fn reset(&mut self) {
        // A socket that refuses is closed in order, which is as well.
        let _ = self.0.set_zero_linger();
    }

    /// Past the runtime, which learns of arrivals only when it asks the system for events: after 61 turns of its tasks, or when none of them is
    /// ready, and one that looks all the time is always ready.
    fn read_now(&mut self, to: &mut [u8]) -> Option<io::Result<usize>> {
        Some((&*SockRef::from(&self.0)).read(to))
    }
}

/// Any stream: an in-memory pipe, TLS, or what else reads and writes.
#[derive(Debug)]
pub(crate) struct Plain<S>(pub(crate) S);

impl<S: AsyncRead + AsyncWrite + Unpin> Stream for Plain<S> {}

impl AsyncRead for Tcp {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        to: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, to)
    }
}

impl AsyncWrite for Tcp {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, from: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, from)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        from: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write_vectored(cx, from)
    }

    fn is_write_vectored(&self) -> bool {
        self.0.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Plain<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        to: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, to)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Plain<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, from: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, from)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        from: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write_vectored(cx, from)
    }

    fn is_write_vectored(&self) -> bool {
        self.0.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::net::TcpListener;

    #[tokio::test]
    async fn no_side_of_a_connection_holds_back_what_is_written() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let connecting = Tcp::connect(listener.local_addr().unwrap());
        let (host, accepted) = tokio::join!(connecting, listener.accept());
        let controller = Tcp::new(accepted.unwrap().0).unwrap();
        assert!(host.unwrap().socket().nodelay().unwrap());
        assert!(controller.socket().nodelay().unwrap());
    }

    #[tokio::test]
    async fn a_reset_is_seen_by_the_peer() {
        use tokio::io::AsyncReadExt;
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let connecting = Tcp::connect(listener.local_addr().unwrap());
        let (host, accepted) = tokio::join!(connecting, listener.accept());
        let (mut host, mut controller) = (host.unwrap(), Tcp::new(accepted.unwrap().0).unwrap());
        host.reset();
        drop(host);
        let seen = controller.read_u8().await.unwrap_err();
        assert_eq!(seen.kind(), io::ErrorKind::ConnectionReset);
    }
}
