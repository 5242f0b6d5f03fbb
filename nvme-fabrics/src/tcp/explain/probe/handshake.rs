//! Who listens at the address.

use std::io;
use std::time::Duration;

use nvme_proto::DataAlignment;
use nvme_proto::host::Config;
use nvme_proto::machine::Failure;
use nvme_proto::pdu::Negotiated;
use tokio::time::timeout_at;

use super::super::queue::{Broken, Queue};
use super::super::{Cause, Unsupported, tls};
use super::{Probe, Reach};

impl<R: Reach> Probe<'_, R> {
    /// A connection with its handshake done.
    pub(super) async fn handshake(&self, mut config: Config) -> Result<Queue<R::Stream>, Cause> {
        config.digests = self.options.digests();
        config.handshake_timeout = self.limits.answer;
        let stream = self.open().await?;
        let mut queue =
            Queue::new(stream, config).map_err(|_| Cause::Local { kind: io::ErrorKind::InvalidInput })?;
        match queue.ready(self.until()).await {
            Ok(agreed) => match unsupported(&agreed) {
                None => Ok(queue),
                Some(what) => Err(Cause::Unsupported(what)),
            },
            Err(broken) => Err(self.no_handshake(&queue.first_bytes(), broken).await),
        }
    }

    async fn open(&self) -> Result<R::Stream, Cause> {
        let until = self.limits.until(self.limits.reach, self.end);
        match timeout_at(until, self.reach.open()).await {
            Ok(Ok(stream)) => Ok(stream),
            Ok(Err(error)) => Err(unreachable(&error, self.limits.reach)),
            Err(_) => Err(Cause::NoAnswer { waited: self.limits.reach }),
        }
    }

    /// What it means that the first exchange failed.
    async fn no_handshake(&self, first: &[u8], broken: Broken) -> Cause {
        const ICRESP: u8 = 0x01;
        const C2H_TERM_REQ: u8 = 0x03;
        if tls::is_record(first) {
            return Cause::Tls;
        }
        let is_ours = matches!(first, [ICRESP, _, 128, ..] | [C2H_TERM_REQ, _, 24, ..]);
        let failure = match broken {
            Broken::Ended { failure } => failure,
            Broken::TimedOut => Some(Failure::HandshakeTimeout { waited: self.limits.answer }),
        };
        match failure {
            Some(Failure::DigestsRefused { required, granted }) => {
                Cause::DigestsRefused { required, granted }
            }
            Some(Failure::PeerTerminated { fes, fei }) if is_ours => Cause::Terminated { fes, fei },
            Some(Failure::Violation(error)) if is_ours => Cause::BadInitialize(error),
            _ if !first.is_empty() && !is_ours => Cause::OtherProtocol { first: first.to_vec() },
            failure => {
                if self.speaks_tls().await {
                    return Cause::Tls;
                }
                match failure {
                    Some(Failure::HandshakeTimeout { waited }) => Cause::Silent { waited },
                    _ => Cause::ClosesAtOnce,
                }
            }
        }
    }

    async fn speaks_tls(&self) -> bool {
        match self.open().await {
            Ok(stream) => tls::is_spoken(stream, self.until()).await,
            Err(_) => false,
        }
    }

    /// All that can be asked from here when the connection is to begin with TLS.
    pub(super) async fn tls(&self) -> Cause {
        match self.open().await {
            Err(cause) => cause,
            Ok(stream) => {
                if tls::is_spoken(stream, self.until()).await {
                    Cause::Tls
                } else {
                    Cause::NoTls
                }
            }
        }
    }
}

/// What Linux does not take of the terms of a connection.
fn unsupported(agreed: &Negotiated) -> Option<Unsupported> {
    (agreed.to_controller.alignment != DataAlignment::DWORD).then_some(Unsupported::Alignment)
}

fn unreachable(error: &io::Error, waited: Duration) -> Cause {
    use io::ErrorKind as Kind;
    match error.kind() {
        Kind::ConnectionRefused => Cause::NothingListens,
        Kind::TimedOut => Cause::NoAnswer { waited },
        kind @ (Kind::HostUnreachable | Kind::NetworkUnreachable | Kind::NetworkDown) => {
            Cause::Unreachable { kind }
        }
        // A peer that is gone before the connection was made.
        Kind::ConnectionReset | Kind::ConnectionAborted => Cause::ClosesAtOnce,
        kind => Cause::Local { kind },
    }
}
