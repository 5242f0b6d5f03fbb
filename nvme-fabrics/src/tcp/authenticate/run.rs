//! One transaction.

use bytes::Bytes;
use nvme_proto::auth::{AuthRandom, HostAuthConfig, HostAuthentication, HostStep, Proven};
use nvme_proto::fabrics::{AuthenticationReceive, AuthenticationSend};
use nvme_proto::host::{Command, CommandError as Failed};

use super::super::buffer::ReadBuffer;
use super::super::connect::Settings;
use super::super::error::{CommandError, CommandName, ConnectError, Stage};
use super::super::open::exchange;
use super::super::queue::{Fault, HostMachine};
use super::Secrets;
use crate::net::{Link, Stream};

/// Authenticates the host, and the controller if its secret is known.
pub(super) async fn run<S: Stream>(
    link: &mut Link<HostMachine, S>,
    settings: &Settings,
    secrets: &Secrets,
    peer: &str,
    queue: u16,
) -> Result<(), ConnectError> {
    let mut config =
        HostAuthConfig::new(settings.host.nqn.clone(), settings.nqn.clone(), secrets.host.clone());
    config.controller_secret = secrets.controller.clone();
    let mut random = [0; AuthRandom::LEN];
    if getrandom::fill(&mut random).is_err() {
        return Err(ConnectError::NoRandom);
    }
    // As Linux numbers them: one transaction for each queue.
    let authentication = HostAuthentication::new(config, queue, AuthRandom::from_bytes(&random));
    random.fill(0);
    std::hint::black_box(&random);
    let mut authentication = authentication?;
    loop {
        let mut sends = false;
        let command = match authentication.next() {
            HostStep::Send(message) => {
                sends = true;
                let len = u32::try_from(message.len()).unwrap_or(u32::MAX);
                let sqe = AuthenticationSend::dh_hmac_chap(len).to_sqe();
                Command::new(sqe).write(Bytes::copy_from_slice(message))
            }
            HostStep::Receive { len } => {
                let room = u32::try_from(len).unwrap_or(u32::MAX);
                let sqe = AuthenticationReceive::dh_hmac_chap(room).to_sqe();
                Command::new(sqe).read(ReadBuffer::zeroed(len))
            }
            HostStep::Done(session) if secrets.controller.is_some() && session.proven != Proven::Both => {
                return Err(ConnectError::NotAuthenticated { peer: peer.to_owned(), queue });
            }
            HostStep::Done(_) => return Ok(()),
            HostStep::Failed(error) => {
                return Err(ConnectError::Authentication { peer: peer.to_owned(), queue, error: *error });
            }
        };
        let sqe = command.sqe;
        let completion = match exchange(link, command).await {
            Ok(completion) => completion,
            Err(broken) => {
                // Some break the connection before our last word is answered: what made us say it counts.
                if sends {
                    authentication.sent();
                    if let HostStep::Failed(error) = authentication.next() {
                        let (peer, error) = (peer.to_owned(), *error);
                        return Err(ConnectError::Authentication { peer, queue, error });
                    }
                }
                return Err(broken.into_error(settings.admin_timeout, peer, Stage::Authenticate, queue));
            }
        };
        let transferred = usize::try_from(completion.transferred).unwrap_or(usize::MAX);
        match completion.result {
            // Some send the message alone, which is shorter than the room for it.
            Ok(_) | Err(Failed::Short { .. }) => {}
            Err(error) => {
                let error = CommandError::new(CommandName::admin(&sqe), Fault::Failed(error), false, false);
                return Err(ConnectError::Command { stage: Stage::Authenticate, error: Box::new(error) });
            }
        }
        match completion.data.into_read() {
            None => authentication.sent(),
            Some(message) => {
                let message = message.into_bytes();
                authentication.received(message.get(..transferred).unwrap_or(&message));
            }
        }
    }
}
