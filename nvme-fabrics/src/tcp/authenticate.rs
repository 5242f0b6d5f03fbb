//! DH-HMAC-CHAP on one connection.
//!
//! The kernel's host authenticates each queue whose Connect says that it must (ATR), before anything else is sent on it
//! (`drivers/nvme/host/auth.c: nvme_auth_negotiate`); so does this one.

#[cfg(feature = "auth")]
mod run;
#[cfg(feature = "auth")]
mod secrets;

use nvme_proto::fabrics::ConnectResponse;

#[cfg(feature = "auth")]
pub(crate) use secrets::Secrets;

use super::connect::Settings;
use super::error::ConnectError;
use super::queue::HostMachine;
use crate::net::{Link, Stream};

/// The queue on which a controller proves who it is.
#[cfg(feature = "auth")]
const ADMIN: u16 = 0;

/// Authenticates, if the controller wants it. **With the secret of a controller set up, one that does not want it on the admin queue is not used**: it
/// would not prove who it is. On the other queues it is the controller's to say: Linux 7.x was seen to ask on all queues and on the first alone.
pub(crate) async fn authenticate<S: Stream>(
    link: &mut Link<HostMachine, S>,
    settings: &Settings,
    peer: &str,
    queue: u16,
    response: ConnectResponse,
) -> Result<(), ConnectError> {
    let required = response.requires_authentication();
    let refused = || ConnectError::AuthenticationRequired { peer: peer.to_owned(), queue, response };
    if response.requires_secure_channel() {
        return Err(refused()); // a channel that is made by authentication is not supported
    }
    #[cfg(feature = "auth")]
    if let Some(secrets) = &settings.secrets {
        return match required {
            true => run::run(link, settings, secrets, peer, queue).await,
            false if secrets.controller.is_some() && queue == ADMIN => {
                Err(ConnectError::NotAuthenticated { peer: peer.to_owned(), queue })
            }
            false => Ok(()),
        };
    }
    let _ = (link, settings);
    if required { Err(refused()) } else { Ok(()) }
}
