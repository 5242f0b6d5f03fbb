//! Making an association: the admin queue, the controller enabled, its I/O queues.
//!
//! | step | commands |
//! |---|---|
//! | admin queue | handshake, Connect with KATO |
//! | enable | Property Get CAP and VS, Property Set CC, Property Get CSTS until RDY within CAP.TO |
//! | identify | Identify Controller |
//! | configure | Set Features: Number of Queues, Asynchronous Event Configuration |
//! | I/O queues | handshake and Connect for each |

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use nvme_proto::Cntlid;
use nvme_proto::command::admin::SetFeatures;
use nvme_proto::digest::Digests;
use nvme_proto::fabrics::{
    Capabilities, CommandSetSelected, Connect, ConnectAttributes, ControllerConfiguration, ControllerStatus,
    Property, PropertyGet, PropertySet,
};
use nvme_proto::feature::{AsyncEventConfiguration, NumberOfQueues};
use nvme_proto::host::{Config, Watch};
use nvme_proto::identify::{AsyncEvents, ControllerAttributes, IdentifyCommand, IdentifyController, Version};
use nvme_proto::machine::KeepAlive;
use nvme_proto::sqe::Sqe;
use tokio::time::Instant;

use super::buffer::ReadBuffer;
use super::connect::{FlowControl, Kind};
use super::core::{Core, Details};
use super::dial::Dialer;
use super::error::{CommandError, CommandName, ConnectError, Stage};
use super::open::{halves, open};
use super::queue::{Effect, Finished, Payload, QueueDriver, Request};
use super::reconnect::quiesced_after;

/// Entries of the admin queue, less one, as hosts ask for them.
const ADMIN_QUEUE_SIZE: u16 = 31;
/// The shortest time a controller has to become ready, also when it says less.
const MIN_READY: Duration = Duration::from_secs(2);
/// Pauses between two looks whether the controller is ready: the first, and the longest.
const PAUSES: (Duration, Duration) = (Duration::from_millis(1), Duration::from_millis(100));

/// Connects a controller. The tasks of its connections are handed to `spawn`; when this fails, or is dropped, the caller closes them.
pub(crate) async fn associate<D: Dialer>(
    core: &Core,
    dial: &mut D,
    spawn: &mut impl FnMut(QueueDriver<D::Stream>),
) -> Result<(), ConnectError> {
    let settings = &core.settings;
    let (cntlid, digests) = admin_queue(core, dial, spawn).await?;
    let (capabilities, version) = enable(core).await?;
    let identify = identify(core, cntlid).await?;

    let traffic_based = identify.attributes().contains(ControllerAttributes::TRAFFIC_KEEP_ALIVE);
    core.reports.set_traffic_based(traffic_based);
    core.admin.set_keep_alive(settings.keep_alive.map(|timeout| match traffic_based {
        // Looked at twice as often: any command in between stands for one.
        true => KeepAlive::Commands(timeout / 4),
        false => KeepAlive::Commands(timeout / 2),
    }));

    let mut details = Details {
        cntlid,
        capabilities,
        version,
        digests,
        queues: 0,
        depth: 0,
        max_transfer: max_transfer(core, capabilities, &identify),
        in_capsule: 0,
        quiesced_after: quiesced_after(
            kept_alive(settings.keep_alive, identify.keep_alive_granularity()),
            traffic_based,
            Duration::from_millis(identify.command_quiesce_time().into()),
        ),
        identify,
    };
    if settings.kind == Kind::Io && settings.queues > 0 {
        io_queues(core, dial, spawn, &mut details).await?;
    }
    event_configuration(core, details.identify.async_events()).await?;
    core.active.store(usize::from(details.queues), Ordering::Relaxed);
    core.set_details(details);
    Ok(())
}

/// The admin queue, connected and with a task.
async fn admin_queue<D: Dialer>(
    core: &Core,
    dial: &mut D,
    spawn: &mut impl FnMut(QueueDriver<D::Stream>),
) -> Result<(Cntlid, Digests), ConnectError> {
    let settings = &core.settings;
    let mut config = Config::admin();
    config.digests = settings.digests;
    config.handshake_timeout = settings.handshake_timeout;
    config.command_timeout = Some(settings.admin_timeout);
    config.depth = ADMIN_QUEUE_SIZE;
    config.max_transfer = config.max_transfer.max(settings.max_transfer);
    let millis =
        settings.keep_alive.map_or(0, |timeout| u32::try_from(timeout.as_millis()).unwrap_or(u32::MAX));
    let mut connect = Connect::admin(ADMIN_QUEUE_SIZE, millis);
    connect.attributes = attributes(settings.flow_control);
    let opened = open(dial, settings, config, connect, Cntlid::DYNAMIC).await?;
    let queue = (Arc::clone(&core.admin), Arc::clone(&core.reports));
    spawn(QueueDriver::new(opened.link, queue.0, queue.1, config.depth, 1));
    Ok((opened.response.cntlid(), opened.digests))
}

fn attributes(flow_control: FlowControl) -> ConnectAttributes {
    ConnectAttributes::default().with_disabled_flow_control(flow_control == FlowControl::Off)
}

/// An admin command while the controller is being set up.
pub(crate) async fn command(
    core: &Core,
    stage: Stage,
    sqe: Sqe,
    data: Payload,
) -> Result<Finished, ConnectError> {
    let request = Request { command: sqe, data, watch: Watch::TimeOut, effect: Effect::Nothing };
    let finished = core.admin.submit_first(request).await;
    match finished.result {
        Ok(_) => Ok(finished),
        Err(fault) => {
            let error = CommandError::new(CommandName::admin(&sqe), fault, finished.timed_out, false);
            Err(ConnectError::Command { stage, error: Box::new(error) })
        }
    }
}

/// The value of a property.
pub(crate) async fn property(core: &Core, stage: Stage, property: Property) -> Result<u64, ConnectError> {
    let finished = command(core, stage, PropertyGet::new(property).to_sqe(), Payload::None).await?;
    Ok(finished.result.map_or(0, |cqe| cqe.result()))
}

/// Sets a property.
pub(crate) async fn set_property(
    core: &Core,
    stage: Stage,
    property: Property,
    value: u32,
) -> Result<(), ConnectError> {
    let sqe = PropertySet::new(property, value.into()).to_sqe();
    command(core, stage, sqe, Payload::None).await.map(drop)
}

/// The controller's status.
pub(crate) async fn status(core: &Core, stage: Stage) -> Result<ControllerStatus, ConnectError> {
    let [csts, _] = halves(property(core, stage, Property::CSTS).await?);
    Ok(ControllerStatus(csts))
}

/// Enables the controller and waits until it is ready.
async fn enable(core: &Core) -> Result<(Capabilities, Version), ConnectError> {
    let capabilities = Capabilities(property(core, Stage::Enable, Property::CAP).await?);
    let [version, _] = halves(property(core, Stage::Enable, Property::VS).await?);
    let command_set = if capabilities.io_command_sets() {
        CommandSetSelected::ALL
    } else if capabilities.no_io_command_set() {
        CommandSetSelected::ADMIN_ONLY
    } else {
        CommandSetSelected::NVM
    };
    let configuration = ControllerConfiguration::enabled(command_set);
    set_property(core, Stage::Enable, Property::CC, configuration.0).await?;

    // As the kernel: one unit longer than the controller says.
    let waited = capabilities.ready_timeout().saturating_add(Duration::from_millis(500)).max(MIN_READY);
    let until = Instant::now() + waited;
    let mut pause = PAUSES.0;
    loop {
        let status = status(core, Stage::Enable).await?;
        if status.fatal() || (!status.ready() && Instant::now() >= until) {
            return Err(ConnectError::NotReady { waited, status });
        }
        if status.ready() {
            return Ok((capabilities, Version(version)));
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(PAUSES.1);
    }
}

async fn identify(core: &Core, cntlid: Cntlid) -> Result<IdentifyController<bytes::Bytes>, ConnectError> {
    let sqe = IdentifyCommand::controller().to_sqe();
    let data = Payload::Read(ReadBuffer::zeroed(IdentifyCommand::DATA_LEN));
    let finished = command(core, Stage::Identify, sqe, data).await?;
    let identify = IdentifyController::new_checked(finished.into_bytes())?;
    if identify.cntlid() != cntlid {
        return Err(ConnectError::Nonsense {
            what: "Identify Controller gives another controller identifier than Connect",
        });
    }
    if identify.in_capsule_offset() != 0 {
        return Err(ConnectError::Nonsense {
            what: "data in capsules have an offset (ICDOFF), which TCP does not have",
        });
    }
    Ok(identify)
}

/// The largest data of a command: what the caller wants, as far as the controller takes it. Whole pages.
fn max_transfer(core: &Core, capabilities: Capabilities, identify: &IdentifyController<bytes::Bytes>) -> u32 {
    let page_log2 = capabilities.min_page().saturating_add(12);
    let limit = identify.max_data_bytes(page_log2).and_then(|bytes| u32::try_from(bytes).ok());
    core.settings.max_transfer.min(limit.unwrap_or(u32::MAX)).max(4096)
}

/// The keep-alive time-out as the controller rounds it up: to its granularity, and Linux's target to seconds.
fn kept_alive(timeout: Option<Duration>, granularity: u16) -> Option<Duration> {
    let unit = u64::from(granularity).saturating_mul(100).max(1000);
    let millis = u64::try_from(timeout?.as_millis()).unwrap_or(u64::MAX);
    Some(Duration::from_millis(millis.div_ceil(unit).saturating_mul(unit)))
}

/// As many I/O queues as are asked for and granted.
async fn io_queues<D: Dialer>(
    core: &Core,
    dial: &mut D,
    spawn: &mut impl FnMut(QueueDriver<D::Stream>),
    details: &mut Details,
) -> Result<(), ConnectError> {
    let settings = &core.settings;
    let wanted = NumberOfQueues::pairs(settings.queues.saturating_sub(1).min(u16::MAX - 1));
    let finished = command(core, Stage::Configure, SetFeatures::of(wanted).to_sqe(), Payload::None).await?;
    let [granted, _] = halves(finished.result.map_or(0, |cqe| cqe.result()));
    let granted = u16::try_from(NumberOfQueues(granted).usable_pairs()).unwrap_or(u16::MAX);

    let units = details.identify.io_capsule_size();
    details.in_capsule = units.saturating_mul(16).saturating_sub(64).min(details.max_transfer);
    // MQES is one less, and what Connect says is too.
    let size = settings.queue_size.saturating_sub(1).clamp(1, Config::MAX_DEPTH);
    let size = size.min(details.capabilities.max_queue_entries().max(1));
    let mut config = Config::io(details.in_capsule);
    config.digests = settings.digests;
    config.handshake_timeout = settings.handshake_timeout;
    config.command_timeout = Some(settings.command_timeout);
    config.max_transfer = details.max_transfer;
    config.batch = usize::from(size).clamp(16, 128);
    config.depth = match details.identify.max_commands() {
        0 => size,
        most => size.min(most),
    };
    details.depth = config.depth;
    for queue in core.io.iter().take(granted.into()) {
        let mut connect = Connect::io(queue.id(), size);
        connect.attributes = attributes(settings.flow_control);
        let opened = open(dial, settings, config, connect, details.cntlid).await?;
        let shared = (Arc::clone(queue), Arc::clone(&core.reports));
        spawn(QueueDriver::new(opened.link, shared.0, shared.1, config.depth, 0));
        details.queues = details.queues.saturating_add(1);
    }
    Ok(())
}

/// Switches on the events that the controller has. One that refuses tells nothing, which is no reason to do without it.
async fn event_configuration(core: &Core, events: AsyncEvents) -> Result<(), ConnectError> {
    let mut wanted = AsyncEventConfiguration::default();
    match core.settings.kind {
        Kind::Io => {
            wanted = wanted
                .with_namespace(events.contains(AsyncEvents::NAMESPACE))
                .with_firmware(events.contains(AsyncEvents::FIRMWARE))
                .with_ana(events.contains(AsyncEvents::ANA));
        }
        Kind::Discovery if core.settings.keep_alive.is_some() => {
            wanted = wanted.with_discovery(events.contains(AsyncEvents::DISCOVERY));
        }
        Kind::Discovery => {}
    }
    if wanted.0 == 0 {
        return Ok(());
    }
    let sqe = SetFeatures::of(wanted).to_sqe();
    match command(core, Stage::Configure, sqe, Payload::None).await {
        Err(ConnectError::Command { error, .. }) if error.status().is_some() => Ok(()),
        result => result.map(drop),
    }
}
