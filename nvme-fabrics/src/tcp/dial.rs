//! How connections are made.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpSocket;

use crate::net::{Plain, Stream, Tcp};

/// What makes a controller's connections, one for each queue: [`DialTcp`] or [`DialWith`]. Nobody outside of this crate implements it.
#[expect(private_bounds, reason = "sealed")]
pub trait Dial: Dialer {}

impl<D: Dialer> Dial for D {}

/// The same with what this crate knows of it.
pub(crate) trait Dialer {
    /// A connection.
    type Stream: Stream + 'static;
    /// One that is being made.
    type Dialing: Future<Output = io::Result<Self::Stream>>;
    /// Makes a connection.
    fn dial(&mut self) -> Self::Dialing;
    /// Where to, for people.
    fn peer(&self) -> String;
}

/// Makes TCP connections.
#[derive(Debug, Clone)]
pub struct DialTcp {
    pub(super) peer: SocketAddr,
    pub(super) local: Option<SocketAddr>,
    pub(super) interface: Option<String>,
}

/// A TCP connection that is being made.
type TcpDialing = Pin<Box<dyn Future<Output = io::Result<Tcp>> + Send>>;

impl Dialer for DialTcp {
    type Stream = Tcp;
    type Dialing = TcpDialing;

    fn dial(&mut self) -> TcpDialing {
        let Self { peer, local, interface } = self.clone();
        Box::pin(async move {
            let socket = if peer.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
            if let Some(interface) = interface {
                bind_device(&socket, &interface)?;
            }
            if let Some(local) = local {
                socket.bind(local)?;
            }
            Tcp::new(socket.connect(peer).await?)
        })
    }

    fn peer(&self) -> String {
        self.peer.to_string()
    }
}

#[cfg(any(target_os = "linux", target_os = "android", target_os = "fuchsia"))]
fn bind_device(socket: &TcpSocket, interface: &str) -> io::Result<()> {
    socket.bind_device(Some(interface.as_bytes()))
}

#[cfg(not(any(target_os = "linux", target_os = "android", target_os = "fuchsia")))]
fn bind_device(_socket: &TcpSocket, _interface: &str) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

/// Makes connections by a function of the caller.
pub struct DialWith<F>(pub(super) F);

impl<F> std::fmt::Debug for DialWith<F> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("DialWith")
    }
}

impl<F, Fut, S> Dialer for DialWith<F>
where
    F: FnMut() -> Fut,
    Fut: Future<Output = io::Result<S>>,
    S: AsyncRead + AsyncWrite + Unpin + 'static,
{
    type Stream = Plain<S>;
    type Dialing = Wrapped<Fut>;

    fn dial(&mut self) -> Wrapped<Fut> {
        Wrapped(Box::pin(self.0()))
    }

    fn peer(&self) -> String {
        "the peer".to_owned()
    }
}

/// A future of a stream, whose stream is wrapped.
#[derive(Debug)]
pub(crate) struct Wrapped<Fut>(Pin<Box<Fut>>);

impl<Fut, S> Future for Wrapped<Fut>
where
    Fut: Future<Output = io::Result<S>>,
{
    type Output = io::Result<Plain<S>>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.0.as_mut().poll(cx).map_ok(Plain)
    }
}
