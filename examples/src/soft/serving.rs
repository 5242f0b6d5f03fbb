//! A target with its listeners, which come and go with the configuration.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use nvme_fabrics::target::serve::{ServeError, Server};
use nvme_fabrics::target::{BusyPoll, ChangeError, Layout, PortId, Settings, Target};

use super::wanted::Wanted;

/// How it is served; the same from start to end.
#[derive(Clone, Copy, Debug)]
pub struct How {
    /// Threads of each listener.
    pub threads: usize,
    /// Whether they wait by asking again and again.
    pub busy_poll: BusyPoll,
}

/// Why a configuration is not served. The one before still is.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServingError {
    /// A listener.
    #[error(transparent)]
    Serve(#[from] ServeError),
    /// The target.
    #[error(transparent)]
    Change(#[from] ChangeError),
    /// Limits of the whole target.
    #[error("limits of the target (discovery_nqn, param_…) change with a restart only")]
    Settings,
}

/// A target and a server for each of its ports.
#[derive(Debug)]
pub struct Serving {
    target: Target,
    settings: Settings,
    how: How,
    servers: BTreeMap<PortId, (SocketAddr, Server)>,
}

/// Where one port listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listener {
    /// The port's number.
    pub port: PortId,
    /// The address, with the TCP port that was got.
    pub address: SocketAddr,
}

impl Serving {
    /// Serves a configuration.
    ///
    /// # Errors
    /// See [`ServingError`]; nothing runs then.
    pub async fn start(wanted: Wanted, how: How) -> Result<Self, ServingError> {
        let settings = wanted.settings.clone();
        let target = Target::with_settings(settings.clone());
        let mut serving = Self { target, settings, how, servers: BTreeMap::new() };
        serving.change(wanted).await?;
        Ok(serving)
    }

    /// Serves another configuration. Hosts notice what concerns them; connections over ports that stay are not touched.
    ///
    /// # Errors
    /// See [`ServingError`]; the configuration before is still served.
    pub async fn change(&mut self, wanted: Wanted) -> Result<(), ServingError> {
        if wanted.settings != self.settings {
            return Err(ServingError::Settings);
        }
        let Wanted { subsystems, ports, .. } = wanted;
        let addresses: BTreeMap<PortId, SocketAddr> =
            ports.iter().map(|port| (port.id(), port.address())).collect();
        let mut started = BTreeMap::new();
        for (port, address) in &addresses {
            if self.servers.get(port).is_some_and(|(there, _)| there == address) {
                continue;
            }
            let server = Server::builder(self.target.clone())
                .listen(*port, *address)
                .workers(self.how.threads)
                .busy_poll(self.how.busy_poll);
            // Those that were started before are dropped, which ends them.
            started.insert(*port, (*address, server.start().await?));
        }
        let layout = subsystems.into_iter().fold(Layout::new(), Layout::subsystem);
        self.target.apply(ports.into_iter().fold(layout, Layout::port))?;
        for (port, (_, server)) in &started {
            for (_, address) in server.addresses() {
                self.target.set_address(*port, *address);
            }
        }
        let gone: Vec<PortId> =
            self.servers.keys().copied().filter(|port| !addresses.contains_key(port)).collect();
        for port in started.keys().chain(&gone) {
            if let Some((_, server)) = self.servers.remove(port) {
                server.shutdown(PATIENCE).await;
            }
        }
        self.servers.extend(started);
        Ok(())
    }

    /// Where it listens.
    pub fn listeners(&self) -> Vec<Listener> {
        let all = self.servers.values().flat_map(|(_, server)| server.addresses());
        all.map(|(port, address)| Listener { port: *port, address: *address }).collect()
    }

    /// The target.
    pub fn target(&self) -> &Target {
        &self.target
    }

    /// Commands answered so far.
    pub fn commands(&self) -> u64 {
        self.servers.values().map(|(_, server)| server.statistics().commands).sum()
    }

    /// Ends in order: what was accepted is done and answered first. Gives the number of connections that were cut off.
    pub async fn shutdown(self) -> usize {
        let mut cut_off = 0;
        for (_, server) in self.servers.into_values() {
            cut_off += server.shutdown(PATIENCE).await.cut_off;
        }
        cut_off
    }
}

/// How long accepted commands may take at the end.
const PATIENCE: Duration = Duration::from_secs(10);
