//! Taking connections from a listener.

use std::future::Future;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Handle;

use super::shared::{Addresses, Shared};
use super::statistics::Counters;
use super::workers::Workers;
use crate::net::Tcp;
use crate::target::PortId;

/// How long to wait when the system has no file descriptor or memory for a connection: it grows with every failure and starts over with a
/// success. The connection stays in the system's queue meanwhile.
const FIRST_PAUSE: Duration = Duration::from_millis(5);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// Accepts until the task is aborted.
pub(super) async fn accept(shared: Arc<Shared>, port: PortId, listener: TcpListener, workers: Arc<Workers>) {
    let mut pause = FIRST_PAUSE;
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => {
                pause = FIRST_PAUSE;
                let Some(admitted) = shared.admit(Some(peer)) else {
                    continue; // dropped, which closes it
                };
                let addresses = Addresses { local: stream.local_addr().ok(), peer: Some(peer) };
                let worker = workers.least_busy();
                let load = worker.enter();
                let Some(handle) = worker.handle() else {
                    tokio::spawn(async move {
                        if let Ok(stream) = Tcp::new(stream) {
                            admitted.serve(port, addresses, stream).await;
                        }
                        drop(load);
                    });
                    continue;
                };
                // From the runtime that accepted it to the one that serves it.
                let Ok(stream) = stream.into_std() else { continue };
                spawn(handle, async move {
                    if let Ok(stream) = TcpStream::from_std(stream).and_then(Tcp::new) {
                        admitted.serve(port, addresses, stream).await;
                    }
                    drop(load);
                });
            }
            Err(error) if concerns_connection(&error) => {}
            Err(_) => {
                Counters::add(&shared.counters.accept_errors);
                tokio::time::sleep(pause).await;
                pause = pause.saturating_mul(2).min(LONGEST_PAUSE);
            }
        }
    }
}

fn spawn(handle: &Handle, task: impl Future<Output = ()> + Send + 'static) {
    drop(handle.spawn(task));
}

/// Whether an error is about the connection that would have been accepted, so that the next one may be well.
fn concerns_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionRefused
            | io::ErrorKind::Interrupted
            | io::ErrorKind::HostUnreachable
            | io::ErrorKind::NetworkUnreachable
            | io::ErrorKind::NetworkDown
    )
}
