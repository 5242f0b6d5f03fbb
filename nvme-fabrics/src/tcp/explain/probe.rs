//! The questions, one after the other.
//!
//! | file | asks |
//! |---|---|
//! | `handshake` | who listens there: the first exchange, or TLS |
//! | this one | Connect, the controller, an I/O queue |
//! | `offers` | what there is instead |

mod handshake;
mod offers;

use std::io;
use std::time::Duration;

use nvme_proto::connect;
use nvme_proto::cqe::Cqe;
use nvme_proto::fabrics::{
    Capabilities, CommandSetSelected, Connect, ConnectAttributes, ConnectData, ConnectResponse,
    ControllerConfiguration, ControllerStatus, Property, PropertyGet, PropertySet, ShutdownNotification,
    ShutdownStatus,
};
use nvme_proto::feature::{FeatureId, NumberOfQueues};
use nvme_proto::host::{Command, CommandError, Config};
use nvme_proto::identify::{ControllerType, IdentifyCommand, IdentifyController, Multipath, SglSupport};
use nvme_proto::sqe::Sqe;
use nvme_proto::{Cntlid, SubsysNqn};
use tokio::time::{Instant, sleep, timeout_at};

use super::finding::{Finding, of_reject};
use super::queue::{Broken, Queue};
use super::{Cause, ExplainOptions, Unsupported};
use crate::net::Stream;
use crate::options::ConnectOptions;

/// How a target is reached.
pub(super) trait Reach {
    type Stream: Stream;

    /// A new connection.
    async fn open(&self) -> io::Result<Self::Stream>;
}

/// Entries of the admin queue, as Linux has them.
const ADMIN_ENTRIES: u16 = 32;
/// Entries of an I/O queue when nothing else is asked for, as Linux has them.
const IO_ENTRIES: u16 = 128;
/// How long a shutdown is waited for, and how often it is looked at.
const SHUTDOWN: Duration = Duration::from_secs(1);
const LOOK: Duration = Duration::from_millis(20);

/// Asks everything, up to the first thing that is wrong.
pub(super) async fn ask(reach: &impl Reach, options: &ConnectOptions, limits: ExplainOptions) -> Finding {
    let probe = Probe { reach, options, limits, end: limits.end() };
    let cause = if options.wants_tls() { probe.tls().await } else { probe.controller(options.nqn()).await };
    let unknown = matches!(cause, Cause::UnknownSubsystem | Cause::NotHere) && !options.nqn().is_discovery();
    let offers = if unknown { probe.offers().await } else { None };
    Finding::new(options, cause).with_offers(offers)
}

struct Probe<'a, R> {
    reach: &'a R,
    options: &'a ConnectOptions,
    limits: ExplainOptions,
    end: Instant,
}

/// A queue whose Connect succeeded.
struct Admin<S> {
    queue: Queue<S>,
    cntlid: Cntlid,
    enabled: bool,
}

impl<R: Reach> Probe<'_, R> {
    /// A controller of this subsystem: up to its I/O queues, and down again.
    async fn controller(&self, nqn: &SubsysNqn) -> Cause {
        let mut admin = match self.admin(nqn).await {
            Ok(admin) => admin,
            Err(cause) => return cause,
        };
        let cause = match self.inspect(&mut admin).await {
            Ok(accepts) => accepts,
            Err(cause) => cause,
        };
        self.leave(admin).await;
        cause
    }

    /// An admin queue.
    async fn admin(&self, nqn: &SubsysNqn) -> Result<Admin<R::Stream>, Cause> {
        let mut queue = self.handshake(Config::admin()).await?;
        let connect = Connect::admin(ADMIN_ENTRIES.saturating_sub(1), self.options.keep_alive_millis());
        let cqe = self.connect(&mut queue, connect, Cntlid::DYNAMIC, nqn).await?;
        Ok(Admin { queue, cntlid: ConnectResponse(cqe.dw0).cntlid(), enabled: false })
    }

    /// Enables the controller and looks whether it is one that Linux takes.
    async fn inspect(&self, admin: &mut Admin<R::Stream>) -> Result<Cause, Cause> {
        let capabilities = self.enable(admin).await?;
        let identify = self.identify(admin).await?;
        self.check(&identify, admin.cntlid)?;
        if !self.options.is_discovery() {
            self.io_queue(admin, capabilities, &identify).await?;
        }
        let several_controllers = identify.multipath().contains(Multipath::CONTROLLERS);
        Ok(Cause::Accepts { several_controllers })
    }

    /// Connects a queue.
    async fn connect(
        &self,
        queue: &mut Queue<R::Stream>,
        mut command: Connect,
        cntlid: Cntlid,
        nqn: &SubsysNqn,
    ) -> Result<Cqe, Cause> {
        let host = self.options.host();
        let (qid, entries) = (command.qid, u32::from(command.queue_size).saturating_add(1));
        command.attributes =
            ConnectAttributes::default().with_disabled_flow_control(self.options.disables_flow_control());
        let data = ConnectData::new(host.id, cntlid, nqn, &host.nqn).into_inner().to_vec();
        let asked = Command::new(command.to_sqe()).write(data);
        let completion = self.command(queue, "Connect", asked).await?;
        let cqe = completion.map_err(|error| match error {
            CommandError::Status(cqe) => match connect::explain(cqe.status, cqe.dw0) {
                Some(reject) => of_reject(qid, entries, reject),
                None => failed("Connect", error),
            },
            error => failed("Connect", error),
        })?;
        let response = ConnectResponse(cqe.dw0);
        if response.requires_secure_channel() {
            return Err(Cause::SecureChannelRequired);
        }
        if response.requires_authentication() {
            return Err(Cause::AuthenticationRequired);
        }
        Ok(cqe)
    }

    async fn enable(&self, admin: &mut Admin<R::Stream>) -> Result<Capabilities, Cause> {
        let capabilities = Capabilities(self.property(&mut admin.queue, Property::CAP).await?);
        if capabilities.min_page() > 0 {
            return Err(Cause::Unsupported(Unsupported::PageSize));
        }
        let set =
            if capabilities.io_command_sets() { CommandSetSelected::ALL } else { CommandSetSelected::NVM };
        admin.enabled = true;
        self.set_configuration(&mut admin.queue, ControllerConfiguration::enabled(set)).await?;
        let patience = capabilities.ready_timeout().max(Duration::from_millis(500));
        let until = self.limits.until(patience, self.end);
        loop {
            let status = self.status(&mut admin.queue).await?;
            if status.ready() {
                return Ok(capabilities);
            }
            if status.fatal() || Instant::now() >= until {
                return Err(Cause::NotReady { waited: patience, status });
            }
            sleep(LOOK).await;
        }
    }

    async fn identify(&self, admin: &mut Admin<R::Stream>) -> Result<IdentifyController<Vec<u8>>, Cause> {
        const IDENTIFY: &str = "Identify Controller";
        let command = Command::new(IdentifyCommand::controller().to_sqe()).read(vec![0; 4096]);
        let (data, result) = self.transfer(&mut admin.queue, IDENTIFY, command).await?;
        result.map_err(|error| failed(IDENTIFY, error))?;
        IdentifyController::new_checked(data).map_err(|_| Cause::Ended { during: IDENTIFY, failure: None })
    }

    /// What Linux checks in Identify Controller.
    fn check(&self, identify: &IdentifyController<Vec<u8>>, cntlid: Cntlid) -> Result<(), Cause> {
        let unsupported = |what| Err(Cause::Unsupported(what));
        let discovery = identify.controller_type() == ControllerType::DISCOVERY;
        match (self.options.is_discovery(), discovery) {
            // Controllers older than NVMe 1.4 do not say what they are (0).
            (true, false) if identify.controller_type() == ControllerType::IO => {
                return Err(Cause::NotDiscovery);
            }
            (false, true) => return Err(Cause::IsDiscovery),
            _ => {}
        }
        if identify.cntlid() != cntlid {
            return unsupported(Unsupported::ControllerId);
        }
        if self.options.is_discovery() {
            return Ok(());
        }
        if identify.keep_alive_granularity() == 0 {
            return unsupported(Unsupported::KeepAlive);
        }
        if identify.io_capsule_size() < 4 {
            return unsupported(Unsupported::CapsuleSize);
        }
        if identify.io_response_size() < 1 {
            return unsupported(Unsupported::ResponseSize);
        }
        if identify.in_capsule_offset() != 0 {
            return unsupported(Unsupported::CapsuleOffset);
        }
        let sgl = identify.sgl_support();
        if !(sgl.contains(SglSupport::SUPPORTED) || sgl.contains(SglSupport::SUPPORTED_DWORDS)) {
            return unsupported(Unsupported::Sgl);
        }
        Ok(())
    }

    /// Asks for I/O queues and connects one.
    async fn io_queue(
        &self,
        admin: &mut Admin<R::Stream>,
        capabilities: Capabilities,
        identify: &IdentifyController<Vec<u8>>,
    ) -> Result<(), Cause> {
        const FEATURE: &str = "Set Features (Number of Queues)";
        let mut sqe = Sqe::new(0x09);
        sqe.cdw10 = u32::from(FeatureId::NUMBER_OF_QUEUES.0);
        sqe.cdw11 = NumberOfQueues::pairs(0).0;
        self.command(&mut admin.queue, FEATURE, Command::new(sqe))
            .await?
            .map_err(|error| failed(FEATURE, error))?;
        let asked = u32::from(self.options.io_queue_entries().unwrap_or(IO_ENTRIES));
        // Linux makes its queues no larger than the controller says it can.
        let largest = u32::from(capabilities.max_queue_entries()).saturating_add(1);
        let commands = Some(u32::from(identify.max_commands())).filter(|max| *max > 0);
        let entries = asked.min(largest).min(commands.unwrap_or(u32::MAX)).max(2);
        let queue_size = u16::try_from(entries.saturating_sub(1)).unwrap_or(u16::MAX);
        let mut queue = self.handshake(Config::admin()).await?;
        let connect = Connect::io(1, queue_size);
        let connected = self.connect(&mut queue, connect, admin.cntlid, self.options.nqn()).await;
        queue.close(self.limits.until(SHUTDOWN, self.end)).await;
        connected.map(drop)
    }

    /// Shuts the controller down and closes the connection; whatever goes wrong now is of no interest.
    async fn leave(&self, mut admin: Admin<R::Stream>) {
        let until = self.limits.until(SHUTDOWN, self.end);
        if admin.enabled {
            let shutdown = ControllerConfiguration::enabled(CommandSetSelected::NVM)
                .with_shutdown(ShutdownNotification::NORMAL);
            let waiting = async {
                self.set_configuration(&mut admin.queue, shutdown).await?;
                while self.status(&mut admin.queue).await?.shutdown() != ShutdownStatus::COMPLETE {
                    sleep(LOOK).await;
                }
                Ok::<_, Cause>(())
            };
            let _ = timeout_at(until, waiting).await;
        }
        admin.queue.close(until).await;
    }

    async fn property(&self, queue: &mut Queue<R::Stream>, property: Property) -> Result<u64, Cause> {
        const GET: &str = "Property Get";
        let command = Command::new(PropertyGet::new(property).to_sqe());
        let cqe = self.command(queue, GET, command).await?.map_err(|error| failed(GET, error))?;
        Ok(u64::from(cqe.dw1) << 32 | u64::from(cqe.dw0))
    }

    async fn status(&self, queue: &mut Queue<R::Stream>) -> Result<ControllerStatus, Cause> {
        let value = self.property(queue, Property::CSTS).await?;
        Ok(ControllerStatus(u32::try_from(value & u64::from(u32::MAX)).unwrap_or(0)))
    }

    async fn set_configuration(
        &self,
        queue: &mut Queue<R::Stream>,
        value: ControllerConfiguration,
    ) -> Result<(), Cause> {
        const SET: &str = "Property Set";
        let command = Command::new(PropertySet::new(Property::CC, value.0.into()).to_sqe());
        self.command(queue, SET, command).await?.map(drop).map_err(|error| failed(SET, error))
    }

    async fn command(
        &self,
        queue: &mut Queue<R::Stream>,
        name: &'static str,
        command: Command<Vec<u8>, Vec<u8>>,
    ) -> Result<Result<Cqe, CommandError>, Cause> {
        self.transfer(queue, name, command).await.map(|(_, result)| result)
    }

    /// A command, the data it read, and what became of it.
    async fn transfer(
        &self,
        queue: &mut Queue<R::Stream>,
        name: &'static str,
        command: Command<Vec<u8>, Vec<u8>>,
    ) -> Result<(Vec<u8>, Result<Cqe, CommandError>), Cause> {
        match queue.run(command, self.until()).await {
            Ok(completion) => Ok((completion.data.into_read().unwrap_or_default(), completion.result)),
            Err(Broken::TimedOut) => Err(Cause::Unanswered { command: name, waited: self.limits.answer }),
            Err(Broken::Ended { failure }) => Err(Cause::Ended { during: name, failure }),
        }
    }

    /// The end of the wait for an answer.
    fn until(&self) -> Instant {
        self.limits.until(self.limits.answer, self.end)
    }
}

fn failed(command: &'static str, error: CommandError) -> Cause {
    match error {
        CommandError::Lost(failure) => Cause::Ended { during: command, failure: Some(failure) },
        error => Cause::CommandFailed { command, status: error.status() },
    }
}
