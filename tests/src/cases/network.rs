//! Addresses: IPv6, two subsystems on one port, and every way in which an address can be wrong.

use std::collections::BTreeSet;
use std::time::Duration;

use nvme_fabrics::{
    DiscoveryRequest, Inventory, OsDevice, Sysfs, WhichNamespace, discover, discovery, wait_for_namespace,
};
use nvmet_configfs::{Errno, OsTree, Policy, PortId, PortSpec, TargetSpec, observe, reconcile};

use super::scene;
use crate::guest::{Case, Ctx, Failure};
use crate::{ensure, ensure_eq};

/// The cases of this file.
pub const CASES: &[Case] = &[
    Case::new("network::ipv6", ipv6),
    Case::new("network::two_subsystems_on_one_port", two_subsystems_on_one_port),
    Case::new("network::discovery_shows_exactly_what_is_exported", discovery_shows_exactly_what_is_exported),
    Case::new("network::a_port_in_use_is_explained", a_port_in_use_is_explained),
    Case::new(
        "network::an_address_of_another_machine_is_explained",
        an_address_of_another_machine_is_explained,
    ),
    Case::new("network::a_closed_port_is_explained", a_closed_port_is_explained),
    Case::new("network::a_dead_address_is_explained", a_dead_address_is_explained),
    Case::new(
        "network::discovery_of_a_closed_port_leaves_nothing",
        discovery_of_a_closed_port_leaves_nothing,
    ),
];

fn ipv6(ctx: &mut Ctx) -> Result<(), Failure> {
    scene::load(ctx)?;
    scene::configure(&scene::guide_spec("mysub", &ctx.ram_disk(0)?, "::1")?)?;
    let connected = scene::connect_as(scene::me()?, "mysub", "::1")?;
    let device = scene::device_of(connected.controller)?;
    ensure!(device.exists(), "{}", device.display());
    let inventory = Inventory::scan(&Sysfs::system())?;
    let text = nvme_fabrics::list::subsystems(&inventory);
    ensure!(text.contains("traddr=::1,trsvcid=4420"), "{text}");
    // Another spelling of the same address is the same path, not a second controller.
    let again = scene::refused(scene::connect_as(scene::me()?, "mysub", "0:0:0:0:0:0:0:1"))?;
    ensure!(again.to_string().contains(&connected.controller.to_string()), "{again}");
    scene::leave(connected.controller)?;
    scene::clear_target()
}

fn two(ctx: &mut Ctx) -> Result<TargetSpec, Failure> {
    let (one, two) =
        (scene::subsystem("nqn.2024-05.org.example:one")?, scene::subsystem("nqn.2024-05.org.example:two")?);
    Ok(TargetSpec::new()
        .subsystem(one.clone(), scene::open_subsystem(&ctx.ram_disk(0)?)?)
        .subsystem(two.clone(), scene::open_subsystem(&ctx.ram_disk(1)?)?)
        .port(PortId(1), PortSpec::tcp("127.0.0.1".parse()?, scene::PORT).export(one).export(two)))
}

fn two_subsystems_on_one_port(ctx: &mut Ctx) -> Result<(), Failure> {
    scene::load(ctx)?;
    scene::configure(&two(ctx)?)?;
    let mut devices = BTreeSet::new();
    let mut controllers = Vec::new();
    for nqn in ["nqn.2024-05.org.example:one", "nqn.2024-05.org.example:two"] {
        let connected = scene::connect_as(scene::me()?, nqn, "127.0.0.1")?;
        let namespace = wait_for_namespace(
            &Sysfs::system(),
            connected.controller,
            WhichNamespace::Nsid(1),
            scene::PATIENCE,
        )?;
        devices.insert(namespace.name.dev_path());
        controllers.push(connected.controller);
    }
    ensure_eq!(devices.len(), 2, "block devices of two subsystems");
    // What is written to the one must not be seen on the other.
    let [first, second] = &devices.iter().collect::<Vec<_>>()[..] else {
        return Err(Failure::new("two devices"));
    };
    std::fs::write(first, vec![0xa5u8; 1 << 20])?;
    ctx.run("sync", [] as [&str; 0])?;
    let other = std::fs::read(second)?;
    ensure!(other.iter().all(|b| *b == 0), "data of one subsystem is seen in the other");
    for controller in controllers {
        scene::leave(controller)?;
    }
    scene::clear_target()
}

/// NQN, address and port of a subsystem in a discovery log.
type Record = (String, String, String);

/// What a host discovers: every NVM subsystem.
fn log_of(host: &str) -> Result<BTreeSet<Record>, Failure> {
    let request = DiscoveryRequest::tcp("127.0.0.1".parse()?, scene::PORT, scene::host(host)?)?;
    let log = discover(&OsDevice::system(), &Sysfs::system(), &request)?.log;
    let subsystems: BTreeSet<Record> = log
        .entries
        .iter()
        .filter(|e| discovery::text::subtype(e) == "nvme subsystem")
        .map(|e| {
            (
                discovery::text::subnqn(e).to_string(),
                discovery::text::traddr(e).to_string(),
                discovery::text::trsvcid(e).to_string(),
            )
        })
        .collect();
    // The first record is the discovery service itself; more than that must not be there.
    ensure_eq!(log.entries.len(), subsystems.len() + 1, "records");
    Ok(subsystems)
}

fn discovery_shows_exactly_what_is_exported(ctx: &mut Ctx) -> Result<(), Failure> {
    scene::load(ctx)?;
    let host = "nqn.2024-05.org.example:me";
    // A third subsystem that no port exports, and a fourth that only another host may see.
    let hidden = scene::subsystem("nqn.2024-05.org.example:not-exported")?;
    let private = scene::subsystem("nqn.2024-05.org.example:private")?;
    let (nsid, namespace) = scene::disk(&ctx.ram_disk(2)?)?;
    let owner: nvme_proto::HostNqn = "nqn.2024-05.org.example:owner".parse()?;
    let mut spec =
        two(ctx)?.subsystem(hidden, nvmet_configfs::SubsystemSpec::any_host()).host(owner.clone()).subsystem(
            private.clone(),
            nvmet_configfs::SubsystemSpec::nobody().allow(owner.clone()).namespace(nsid, namespace),
        );
    if let Some(port) = spec.ports.get_mut(&PortId(1)) {
        port.subsystems.insert(private);
    }
    scene::configure(&spec)?;

    let entry = |name: &str| {
        (format!("nqn.2024-05.org.example:{name}"), "127.0.0.1".to_owned(), scene::PORT.to_string())
    };
    let seen = log_of(host)?;
    ensure_eq!(seen, BTreeSet::from([entry("one"), entry("two")]), "what a stranger discovers");
    let seen = log_of(owner.as_str())?;
    ensure_eq!(
        seen,
        BTreeSet::from([entry("one"), entry("two"), entry("private")]),
        "what the owner discovers"
    );
    ensure!(
        Inventory::scan(&Sysfs::system())?.controllers().next().is_none(),
        "a discovery controller is left"
    );
    scene::clear_target()
}

fn a_port_in_use_is_explained(ctx: &mut Ctx) -> Result<(), Failure> {
    scene::load(ctx)?;
    let listener = std::net::TcpListener::bind(("127.0.0.1", scene::PORT))?;
    let before = ctx.nvmet_dump()?;
    let spec = scene::guide_spec("mysub", &ctx.ram_disk(0)?, "127.0.0.1")?;
    let Err(error) = reconcile(&OsTree::open_default()?, &spec, &Policy::default()) else {
        return Err(Failure::new("the port was not in use"));
    };
    let text = nvme_examples::cli::explain(&error);
    ctx.note(&text);
    ensure_eq!(error.errno(), Some(Errno::EADDRINUSE), "errno");
    for wanted in ["ports/1", "in use"] {
        ensure!(text.contains(wanted), "the error lacks {wanted:?}: {text}");
    }
    ensure_eq!(ctx.nvmet_dump()?, before, "the tree");
    drop(listener);
    Ok(())
}

fn an_address_of_another_machine_is_explained(ctx: &mut Ctx) -> Result<(), Failure> {
    scene::load(ctx)?;
    let before = ctx.nvmet_dump()?;
    let spec = scene::guide_spec("mysub", &ctx.ram_disk(0)?, "192.0.2.77")?;
    let Err(error) = reconcile(&OsTree::open_default()?, &spec, &Policy::default()) else {
        return Err(Failure::new("192.0.2.77 is an address of this machine"));
    };
    let text = nvme_examples::cli::explain(&error);
    ctx.note(&text);
    ensure_eq!(error.errno(), Some(Errno::EADDRNOTAVAIL), "errno");
    ensure!(text.contains("ports/1") && text.contains("address"), "{text}");
    ensure_eq!(ctx.nvmet_dump()?, before, "the tree");
    Ok(())
}

fn a_closed_port_is_explained(ctx: &mut Ctx) -> Result<(), Failure> {
    scene::load(ctx)?;
    let error = scene::refused(scene::connect_as(scene::me()?, "mysub", "127.0.0.1"))?;
    let text = nvme_examples::cli::explain(&error);
    ctx.note(&text);
    for wanted in ["127.0.0.1", "4420", "refused"] {
        ensure!(text.contains(wanted), "the error lacks {wanted:?}: {text}");
    }
    Ok(())
}

/// An address behind an interface where nobody answers, and one that no route leads to.
fn a_dead_address_is_explained(ctx: &mut Ctx) -> Result<(), Failure> {
    scene::load(ctx)?;
    let error = scene::refused(scene::connect_as(scene::me()?, "mysub", "198.51.100.9"))?;
    let text = nvme_examples::cli::explain(&error);
    ctx.note(&text);
    ensure!(text.contains("198.51.100.9") && text.contains("route"), "{text}");

    ctx.modprobe("dummy")?;
    ctx.run("ip", ["link", "add", "quiet0", "type", "dummy"])?;
    ctx.run("ip", ["addr", "add", "192.0.2.1/24", "dev", "quiet0"])?;
    ctx.run("ip", ["link", "set", "quiet0", "up"])?;
    let begun = std::time::Instant::now();
    let error = scene::refused(scene::connect_as(scene::me()?, "mysub", "192.0.2.9"))?;
    let took = begun.elapsed();
    ctx.run("ip", ["link", "del", "quiet0"])?;
    let text = nvme_examples::cli::explain(&error);
    ctx.note(&format!("{text}\n  after {:.1} s", took.as_secs_f64()));
    ensure!(text.contains("192.0.2.9") && text.contains("answer"), "{text}");
    ensure!(took < Duration::from_secs(30), "{took:?}");
    ensure!(Inventory::scan(&Sysfs::system())?.controllers().next().is_none(), "a controller is left");
    Ok(())
}

fn discovery_of_a_closed_port_leaves_nothing(ctx: &mut Ctx) -> Result<(), Failure> {
    scene::load(ctx)?;
    let request = DiscoveryRequest::tcp("127.0.0.1".parse()?, 8009, scene::me()?)?;
    let Err(error) = discover(&OsDevice::system(), &Sysfs::system(), &request) else {
        return Err(Failure::new("somebody listens on port 8009"));
    };
    let text = nvme_examples::cli::explain(&error);
    ctx.note(&text);
    ensure!(text.contains("8009"), "{text}");
    ensure!(Inventory::scan(&Sysfs::system())?.controllers().next().is_none(), "a controller is left");
    let tree = OsTree::open_default()?;
    ensure!(observe(&tree)?.is_empty(), "discovery changed the target");
    Ok(())
}
