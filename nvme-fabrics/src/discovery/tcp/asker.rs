//! Asking one service, over the host in user space.

use std::time::Duration;

use nvme_proto::Status;
use nvme_proto::discovery::{DiscoveryLog, GetLogPage, LogReadError, LogReaderLimits};
use nvme_proto::event::EventCode;
use nvme_proto::identify::{AsyncEvents, ControllerType};
use tokio::time::timeout;

use super::log::{self, LogSource};
use super::watch::{Door, Notices, Session};
use super::{DiscoverError, Options, Portal, Service};
use crate::discovery::{Discovered, DiscoveryController, DiscoveryRequest};
use crate::options::{ControllerLoss, TransportName};
use crate::tcp::{CommandError, Connect, Controller, Endpoint, Events};

/// Who asks, and how.
#[derive(Debug, Clone)]
pub(super) struct Asker {
    request: DiscoveryRequest,
    options: Options,
}

impl Asker {
    pub(super) fn new(request: &DiscoveryRequest, options: &Options) -> Self {
        Self { request: request.clone(), options: *options }
    }

    /// The service that the request is for.
    pub(super) fn service(&self) -> Result<Service, DiscoverError> {
        let options = self.request.options();
        match (options.transport_name(), options.traddr(), options.port()) {
            (TransportName::Tcp, Some(traddr), Some(port)) => {
                let portal = Portal { traddr: traddr.clone(), port };
                Ok(Service { portal, nqn: options.nqn().clone() })
            }
            _ => Err(DiscoverError::NotTcp),
        }
    }

    /// Asks a service for its log, of so many entries at most.
    pub(super) async fn ask(&self, at: Service, max_entries: usize) -> Result<Discovered, DiscoverError> {
        let mut limits = self.options.limits;
        limits.max_records = limits.max_records.min(u32::try_from(max_entries).unwrap_or(u32::MAX));
        let asking = async {
            let mut open = self.connect(&at, None, limits).await?;
            let log = open.read().await;
            let controller = open.introduce();
            open.close().await;
            Ok(Discovered { log: log?, controller })
        };
        match timeout(self.options.time, asking).await {
            Ok(result) => result,
            Err(_) => Err(DiscoverError::TimedOut { at: Box::new(at.clone()), after: self.options.time }),
        }
    }

    /// A connection to a service, which stays when it has a keep-alive time-out.
    async fn connect(
        &self,
        at: &Service,
        keep_alive: Option<Duration>,
        limits: LogReaderLimits,
    ) -> Result<Open, DiscoverError> {
        let request = self.request.options();
        let address = |source| DiscoverError::Address { at: Box::new(at.clone()), source };
        let (local, interface) = (request.local_address(), request.local_interface());
        let endpoint = Endpoint::new(&at.portal.traddr, at.portal.port, local, interface).map_err(address)?;
        let controller = Connect::to(endpoint.dial(), at.nqn.clone(), request.host().clone())
            .digests(self.options.digests)
            .keep_alive(keep_alive)
            .dial_timeout(self.options.reach)
            .handshake_timeout(self.options.answer)
            .admin_timeout(self.options.answer)
            // It is made anew by whoever wants it anew.
            .controller_loss(ControllerLoss::After(Duration::ZERO))
            .connect()
            .await
            .map_err(|source| DiscoverError::Connect {
                at: Box::new(at.clone()),
                source: Box::new(source),
            })?;
        let kind = controller.identify().controller_type();
        // Controllers older than NVMe 1.4 do not say what they are.
        if !matches!(kind, ControllerType::DISCOVERY | ControllerType::NOT_REPORTED) {
            controller.disconnect().await;
            return Err(DiscoverError::NotDiscovery { at: Box::new(at.clone()), kind });
        }
        let events = controller.events();
        Ok(Open { at: at.clone(), controller, events, limits, options: self.options })
    }
}

/// A connection to a discovery service.
pub(super) struct Open {
    at: Service,
    controller: Controller,
    events: Events,
    limits: LogReaderLimits,
    options: Options,
}

impl Open {
    /// Who it is.
    fn introduce(&self) -> DiscoveryController {
        DiscoveryController::of(&self.controller.identify())
    }

    fn lost(&self) -> DiscoverError {
        DiscoverError::Lost { at: Box::new(self.at.clone()) }
    }
}

/// What can go wrong with a piece of the log.
pub(super) enum PageError {
    Command(CommandError),
    Log(LogReadError),
}

impl From<LogReadError> for PageError {
    fn from(error: LogReadError) -> Self {
        Self::Log(error)
    }
}

impl LogSource for Open {
    type Error = PageError;

    async fn page(&self, command: GetLogPage) -> Result<Vec<u8>, PageError> {
        let page = self.controller.log_page_with(command).await.map_err(PageError::Command)?;
        Ok(page.into())
    }

    fn status(error: &PageError) -> Option<Status> {
        match error {
            PageError::Command(error) => error.status(),
            PageError::Log(_) => None,
        }
    }
}

impl Session for Open {
    type Error = DiscoverError;

    async fn read(&mut self) -> Result<DiscoveryLog, DiscoverError> {
        let reading = log::read(&*self, self.limits, self.options.wanted);
        let at = Box::new(self.at.clone());
        match timeout(self.options.time, reading).await {
            Ok(Ok(log)) => Ok(log),
            Ok(Err(PageError::Command(source))) => {
                Err(DiscoverError::Command { at, source: Box::new(source) })
            }
            Ok(Err(PageError::Log(source))) => Err(DiscoverError::Log { at, source }),
            Err(_) => Err(DiscoverError::TimedOut { at, after: self.options.time }),
        }
    }

    async fn notice(&mut self) -> Result<(), DiscoverError> {
        let mut states = self.controller.watch();
        loop {
            if !states.current().is_live() {
                return Err(self.lost());
            }
            tokio::select! {
                event = self.events.next() => match event {
                    Some(event) if event.event.code() == EventCode::DISCOVERY_CHANGED || event.missed > 0 => {
                        return Ok(());
                    }
                    Some(_) => {}
                    None => return Err(self.lost()),
                },
                _ = states.changed() => {}
            }
        }
    }

    async fn close(self) {
        self.controller.disconnect().await;
    }
}

/// The way to a persistent discovery controller.
pub(super) struct Persistent {
    pub(super) asker: Asker,
    pub(super) at: Service,
    pub(super) keep_alive: Duration,
}

impl Door for Persistent {
    type Session = Open;
    type Error = DiscoverError;

    async fn open(&self) -> Result<(Open, DiscoveryController, Notices), DiscoverError> {
        let Self { asker, at, keep_alive } = self;
        let open = asker.connect(at, Some(*keep_alive), asker.options.limits).await?;
        let announces = open.controller.identify().async_events().contains(AsyncEvents::DISCOVERY);
        let controller = open.introduce();
        Ok((open, controller, if announces { Notices::Sent } else { Notices::None }))
    }
}
