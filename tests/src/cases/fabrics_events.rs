//! What the kernel announces while controllers, namespaces and discovery logs come, change and go.

use std::fs;
use std::time::{Duration, Instant};

use nvme_fabrics::kernel::events::EventStream;
use nvme_fabrics::{
    Change, ConnectOptions, Event, EventError, EventSocket, Inventory, OsDevice, Sysfs, connect, wait_gone,
};
use nvme_proto::SubsysNqn;

use super::scene::{self, PATIENCE, PORT};
use super::two_ports::{self, ADDRESSES, join};
use crate::guest::{Case, Ctx, Failure};
use crate::{ensure, ensure_eq};

/// The cases of this file.
pub const CASES: &[Case] = &[
    Case::new("fabrics_events::a_connection_from_first_to_last", a_connection_from_first_to_last),
    Case::new("fabrics_events::a_resized_namespace", a_resized_namespace),
    Case::new("fabrics_events::the_discovery_log_changes", the_discovery_log_changes),
    Case::new("fabrics_events::too_many_are_told_as_lost", too_many_are_told_as_lost),
    Case::new("fabrics_events::as_a_stream", as_a_stream),
];

/// An event by name, and what it is known by.
type Wanted<'a> = (&'a str, &'a dyn Fn(&Change) -> bool);

/// Reads until all of these were seen, in any order; gives everything that came.
fn until(socket: &EventSocket, wanted: &[Wanted<'_>]) -> Result<Vec<Event>, Failure> {
    let end = Instant::now() + PATIENCE;
    let mut seen: Vec<Event> = Vec::new();
    loop {
        let missing = wanted.iter().find(|(_, is)| !seen.iter().any(|event| is(&event.change)));
        let Some((name, _)) = missing else { return Ok(seen) };
        let Some(event) = socket.next_within(end.saturating_duration_since(Instant::now()))? else {
            let seen: Vec<_> = seen.into_iter().map(|event| event.change).collect();
            return Err(Failure::new(format!("no event `{name}` among {seen:?}")));
        };
        ensure!(event.uevent.sequence().is_some(), "{event:?} has no number");
        seen.push(event);
    }
}

fn a_connection_from_first_to_last(ctx: &mut Ctx) -> Result<(), Failure> {
    two_ports::make(ctx)?;
    let socket = EventSocket::open()?;
    let (controller, disk) = join(ADDRESSES[0], PATIENCE)?;
    let inventory = Inventory::scan(&Sysfs::system())?;
    let subsystem = inventory.subsystems[0].name;
    let generic = two_ports::generic_of(ctx, &disk)?;
    let seen = until(
        &socket,
        &[
            (
                "controller added",
                &|c| matches!(c, Change::ControllerAdded { controller: n, .. } if *n == controller),
            ),
            ("controller live", &|c| *c == Change::ControllerLive { controller }),
            ("subsystem added", &|c| *c == Change::SubsystemAdded { subsystem }),
            ("namespace added", &|c| *c == Change::NamespaceAdded { namespace: disk.name }),
            ("generic added", &|c| *c == Change::GenericAdded { generic }),
        ],
    )?;
    let first = seen.iter().find_map(|event| match &event.change {
        Change::ControllerAdded { place, .. } => Some(place.clone()),
        _ => None,
    });
    let place = first.ok_or_else(|| Failure::new("no place"))?;
    ensure_eq!(
        (place.transport.as_deref(), place.traddr.as_deref(), place.trsvcid.as_deref(), place.host_iface),
        (Some("tcp"), Some(ADDRESSES[0]), Some("4420"), None),
        "where it is connected to"
    );
    let numbers: Vec<_> = seen.iter().filter_map(|event| event.uevent.sequence()).collect();
    ensure!(numbers.is_sorted(), "{numbers:?}");

    scene::leave(controller)?;
    until(
        &socket,
        &[
            ("namespace removed", &|c| *c == Change::NamespaceRemoved { namespace: disk.name }),
            ("generic removed", &|c| *c == Change::GenericRemoved { generic }),
            (
                "controller removed",
                &|c| matches!(c, Change::ControllerRemoved { controller: n, .. } if *n == controller),
            ),
            ("subsystem removed", &|c| *c == Change::SubsystemRemoved { subsystem }),
        ],
    )?;
    scene::clear_target()
}

fn a_resized_namespace(ctx: &mut Ctx) -> Result<(), Failure> {
    scene::load(ctx)?;
    let device = ctx.loop_device(16 << 20)?;
    let file = fs::read_to_string(format!(
        "/sys/block/{}/loop/backing_file",
        device.file_name().unwrap_or_default().to_string_lossy()
    ))?;
    scene::configure(&scene::guide_spec("mysub", &device, "127.0.0.1")?)?;
    let controller = scene::connect_as(scene::me()?, "mysub", "127.0.0.1")?.controller;
    let disk = scene::device_of(controller)?;
    let bytes = || -> Result<u64, Failure> {
        let inventory = Inventory::scan(&Sysfs::system())?;
        Ok(inventory.namespaces().map(|(_, n)| n.bytes).sum())
    };
    ensure_eq!(bytes()?, 16 << 20, "size");

    let socket = EventSocket::open()?;
    fs::OpenOptions::new().write(true).open(file.trim())?.set_len(32 << 20)?;
    ctx.run("losetup", ["-c".as_ref(), device.as_os_str()])?;
    fs::write("/sys/kernel/config/nvmet/subsystems/mysub/namespaces/1/revalidate_size", "1")?;
    until(
        &socket,
        &[(
            "resized",
            &|c| matches!(c, Change::NamespaceResized { namespace } if namespace.dev_path() == disk),
        )],
    )?;
    ensure_eq!(bytes()?, 32 << 20, "size");
    scene::leave(controller)?;
    scene::clear_target()
}

fn the_discovery_log_changes(ctx: &mut Ctx) -> Result<(), Failure> {
    two_ports::make(ctx)?;
    let options = ConnectOptions::tcp(ADDRESSES[0].parse()?, PORT, SubsysNqn::discovery(), scene::me()?)?
        .keep_alive(Duration::from_secs(30))?
        .reconnect_delay(Duration::from_secs(1))?;
    let controller = connect(&OsDevice::system(), &Sysfs::system(), &options)?.controller;
    let listed = Inventory::scan(&Sysfs::system())?;
    let found = listed.controller(controller).ok_or_else(|| Failure::new("not listed"))?;
    ensure!(found.is_discovery(), "{found:?}");
    ensure_eq!(found.keep_alive, Some(Duration::from_secs(30)), "keep-alive");

    let socket = EventSocket::open()?;
    // The port that it is connected to has one subsystem more.
    let second = "/sys/kernel/config/nvmet/subsystems/second";
    fs::create_dir(second)?;
    fs::write(format!("{second}/attr_allow_any_host"), "1")?;
    std::os::unix::fs::symlink(second, "/sys/kernel/config/nvmet/ports/1/subsystems/second")?;
    let is_news =
        |c: &Change| matches!(c, Change::DiscoveryLogChanged { controller: n, .. } if *n == controller);
    let seen = until(&socket, &[("discovery log changed", &is_news)])?;
    let event = seen.iter().find(|event| is_news(&event.change)).ok_or_else(|| Failure::new("gone"))?;
    ensure_eq!(event.uevent.variable("NVME_AEN"), Some("0x70f002"), "NVME_AEN");
    ensure_eq!(event.controller(), Some(controller), "controller");

    // After a loss, what happened meanwhile may have been missed: the kernel says so.
    fs::write(format!("/sys/class/nvme/{controller}/reset_controller"), "1")?;
    let live = |c: &Change| *c == Change::ControllerLive { controller };
    let again = |c: &Change| matches!(c, Change::Rediscover { controller: n, .. } if *n == controller);
    until(&socket, &[("live", &live), ("rediscover", &again)])?;
    scene::leave(controller)?;
    scene::clear_target()
}

fn too_many_are_told_as_lost(ctx: &mut Ctx) -> Result<(), Failure> {
    two_ports::make(ctx)?;
    let small = EventSocket::with_buffer(1)?;
    let (controller, _) = join(ADDRESSES[0], PATIENCE)?;
    // Each write makes the kernel announce the device once more.
    for _ in 0..200 {
        fs::write(format!("/sys/class/nvme/{controller}/uevent"), "change")?;
    }
    let mut read = 0;
    let lost = loop {
        match small.try_next() {
            Ok(Some(_)) => read += 1,
            other => break other,
        }
    };
    // What there was room for comes first or last, as the kernel likes; the loss is told once.
    ensure!(matches!(lost, Err(EventError::Overrun)), "{lost:?} after {read} events");
    while small.try_next()?.is_some() {
        read += 1;
    }
    ensure!(read < 100, "{read} events were not lost");
    ctx.note(&format!("{read} events read, the others told as lost"));
    fs::write(
        format!("/sys/class/nvme/{controller}/uevent"),
        "change 00000000-0000-0000-0000-000000000000 TEST=last",
    )?;
    let seen = small.next_within(PATIENCE)?.ok_or_else(|| Failure::new("nothing after the loss"))?;
    ensure_eq!(seen.uevent.variable("SYNTH_ARG_TEST"), Some("last"), "the event after the loss");
    scene::leave(controller)?;
    scene::clear_target()
}

fn as_a_stream(ctx: &mut Ctx) -> Result<(), Failure> {
    two_ports::make(ctx)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let (controller, disk) = runtime.block_on(async {
        let mut stream = EventStream::new(EventSocket::open()?)?;
        // Dropping a wait loses nothing.
        let early = tokio::time::timeout(Duration::from_millis(20), stream.next()).await;
        ensure!(!matches!(early, Ok(None)), "the stream has ended");
        let (controller, disk) = tokio::task::spawn_blocking(|| join(ADDRESSES[0], PATIENCE)).await??;
        let wanted = Change::NamespaceAdded { namespace: disk.name };
        loop {
            let next = tokio::time::timeout(PATIENCE, stream.next()).await?;
            let event = next.ok_or_else(|| Failure::new("the stream has ended"))??;
            if event.change == wanted {
                return Ok::<_, Failure>((controller, disk));
            }
        }
    })?;
    let inventory = Inventory::scan(&Sysfs::system())?;
    ensure!(inventory.namespace(disk.name).is_some(), "the namespace that was announced is not there");
    let connection = inventory.controller(controller).cloned().ok_or_else(|| Failure::new("not listed"))?;
    scene::leave(controller)?;
    wait_gone(&Sysfs::system(), &connection, PATIENCE)?;
    scene::clear_target()
}
