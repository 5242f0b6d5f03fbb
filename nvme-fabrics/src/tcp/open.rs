//! One connection, from its address to a queue that is connected.

use std::future::poll_fn;
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use nvme_proto::Cntlid;
use nvme_proto::connect::explain;
use nvme_proto::cqe::Cqe;
use nvme_proto::digest::Digests;
use nvme_proto::fabrics::{Connect, ConnectData, ConnectResponse};
use nvme_proto::host::{Command, CommandError, Completion, Config, Event, Host};
use nvme_proto::machine::Failure;

use super::authenticate::authenticate;
use super::buffer::ReadBuffer;
use super::connect::Settings;
use super::dial::Dialer;
use super::error::{ConnectError, Stage};
use super::queue::HostMachine;
use crate::net::{Clock, Link, Stream};

/// A connection whose queue is connected.
pub(crate) struct Opened<S> {
    pub(crate) link: Link<HostMachine, S>,
    pub(crate) response: ConnectResponse,
    pub(crate) digests: Digests,
}

/// Makes a connection and connects it as queue `connect.qid` of the controller `cntlid`.
pub(crate) async fn open<D: Dialer>(
    dial: &mut D,
    settings: &Settings,
    config: Config,
    connect: Connect,
    cntlid: Cntlid,
) -> Result<Opened<D::Stream>, ConnectError> {
    let (peer, queue) = (dial.peer(), connect.qid);
    let after = settings.dial_timeout;
    let stream = match tokio::time::timeout(after, dial.dial()).await {
        Ok(Ok(stream)) => stream,
        Ok(Err(error)) => return Err(ConnectError::Unreachable { peer, queue, error: error.into() }),
        Err(_) => return Err(ConnectError::TimedOut { peer, stage: Stage::Dial, queue, after }),
    };
    let clock = Clock::new();
    let mut link = Link::new(Host::new(config, clock.now())?, stream, clock, settings.busy_poll);
    let stage = if queue == 0 { Stage::Connect } else { Stage::Queues };

    let data = ConnectData::new(settings.host.id, cntlid, &settings.nqn, &settings.host.nqn);
    let command = Command::new(connect.to_sqe()).write(Bytes::copy_from_slice(data.as_bytes()));
    let completion = match exchange(&mut link, command).await {
        Ok(completion) => completion,
        Err(broken) => {
            let after = config.command_timeout.unwrap_or_default();
            return Err(broken.into_error(after, &peer, stage, queue));
        }
    };
    let cqe = match completion.result {
        Ok(cqe) => cqe,
        Err(CommandError::Status(cqe)) => {
            let Cqe { status, .. } = cqe;
            let [dw0, _] = halves(cqe.result());
            return match explain(status, dw0) {
                Some(reject) => Err(ConnectError::Refused { peer, queue, reject }),
                None => Err(ConnectError::Nonsense { what: "Connect failed with success" }),
            };
        }
        Err(_) => return Err(ConnectError::Nonsense { what: "Connect ended without a completion" }),
    };
    let [dw0, _] = halves(cqe.result());
    let response = ConnectResponse(dw0);
    authenticate(&mut link, settings, &peer, queue, response).await?;
    let digests = link.machine().negotiated().map_or(Digests::NONE, |agreed| agreed.digests);
    Ok(Opened { link, response, digests })
}

/// The two dwords of a result.
pub(crate) const fn halves(result: u64) -> [u32; 2] {
    let [a, b, c, d, e, f, g, h] = result.to_le_bytes();
    [u32::from_le_bytes([a, b, c, d]), u32::from_le_bytes([e, f, g, h])]
}

/// Why a command on a connection that nobody else uses was not answered.
pub(super) enum Broken {
    /// It took too long.
    TimedOut,
    /// The connection ended, before or after the handshake.
    Ended { ready: bool, failure: Failure, error: Option<std::io::ErrorKind> },
}

impl Broken {
    /// What that means for the connect.
    pub(super) fn into_error(self, after: Duration, peer: &str, stage: Stage, queue: u16) -> ConnectError {
        let peer = peer.to_owned();
        match self {
            Self::TimedOut => ConnectError::TimedOut { peer, stage, queue, after },
            Self::Ended { ready, failure, error } => {
                let stage = if ready { stage } else { Stage::Handshake };
                ConnectError::Ended { peer, stage, queue, failure, error }
            }
        }
    }
}

/// Sends one command and waits for its completion.
pub(super) async fn exchange<S: Stream>(
    link: &mut Link<HostMachine, S>,
    command: Command<ReadBuffer, Bytes>,
) -> Result<Completion<ReadBuffer, Bytes>, Broken> {
    let mut command = Some(command);
    let mut ready = link.machine().negotiated().is_some();
    let (mut refused, mut timed_out, mut failed, mut over) = (false, false, None, None);
    poll_fn(|cx| {
        let turn = link.poll_turn(cx, |host, now, _| {
            refused |= command.take().is_some_and(|command| host.submit(now, command).is_err());
            loop {
                match host.poll(now) {
                    Some(Event::Ready(_)) => ready = true,
                    Some(Event::Completed(completion)) => over = Some(completion),
                    Some(Event::TimedOut(_)) => {
                        timed_out = true;
                        host.close(now);
                    }
                    Some(Event::Failed(failure)) => failed = Some(failure),
                    Some(Event::Close(how)) => return Some(how),
                    Some(_) => {}
                    // If the connection has ended already, why it did was said above.
                    None if std::mem::take(&mut refused) => host.close(now),
                    None => return None,
                }
            }
        });
        let answered = over.take_if(|over| !matches!(over.result, Err(CommandError::Lost(_))));
        match (answered, turn) {
            // One that refuses may close at once.
            (Some(completion), turn) if turn.is_pending() || completion.result.is_err() => {
                Poll::Ready(Ok(completion))
            }
            (_, Poll::Pending) => Poll::Pending,
            (_, Poll::Ready(_)) if timed_out => Poll::Ready(Err(Broken::TimedOut)),
            (_, Poll::Ready(ended)) => {
                let failure = failed.unwrap_or(Failure::Closed);
                let error = ended.error.map(|error| error.kind());
                Poll::Ready(Err(Broken::Ended { ready, failure, error }))
            }
        }
    })
    .await
}
