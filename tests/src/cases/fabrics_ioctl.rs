//! Commands through the device nodes, with nvme-cli as the second opinion: the same bytes.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use nix::unistd::{Uid, seteuid};
use nvme_examples::vm::Release;
use nvme_fabrics::kernel::ioctl::{
    Access, AdminFailure, AdminRing, ControllerNode, Data, IoRing, NamespaceNode,
};
use nvme_fabrics::{ConnectOptions, ControllerName, Errno, OsDevice, Sysfs, connect};
use nvme_proto::command::io::{Compare, Flush, Read, Write};
use nvme_proto::discovery::{GetLogPage, LogId};
use nvme_proto::fabrics::{FabricsCommand, Property, PropertyGet};
use nvme_proto::identify::IdentifyCommand;
use nvme_proto::{Nsid, Status, SubsysNqn};

use super::scene::{self, PATIENCE, PORT};
use super::two_ports::{self, ADDRESSES, generic_of, join, state};
use crate::guest::{Case, Ctx, Failure};
use crate::{ensure, ensure_eq};

/// The cases of this file.
pub const CASES: &[Case] = &[
    Case::new("fabrics_ioctl::same_bytes_as_nvme_cli", same_bytes_as_nvme_cli),
    Case::new("fabrics_ioctl::sixty_four_bits_of_result", sixty_four_bits_of_result),
    Case::new("fabrics_ioctl::blocks_by_pass_through", blocks_by_pass_through),
    Case::new("fabrics_ioctl::many_in_flight_by_io_uring", many_in_flight_by_io_uring),
    Case::new("fabrics_ioctl::resets_and_losses", resets_and_losses),
    Case::new("fabrics_ioctl::what_needs_no_privilege", what_needs_no_privilege),
    Case::new("fabrics_ioctl::flags_belong_to_the_kernel", flags_belong_to_the_kernel),
];

/// What this target answers to a read beyond the end of its block device.
const BEYOND: u16 = Status::INTERNAL_ERROR.code();

/// What a program writes to its standard output, as bytes.
fn bytes_of(words: &[&str]) -> Result<Vec<u8>, Failure> {
    let said = Command::new("nvme").args(words).output()?;
    ensure!(said.status.success(), "nvme {words:?}: {}", String::from_utf8_lossy(&said.stderr));
    Ok(said.stdout)
}

fn same_bytes_as_nvme_cli(ctx: &mut Ctx) -> Result<(), Failure> {
    two_ports::make(ctx)?;
    let (controller, disk) = join(ADDRESSES[0], PATIENCE)?;
    let device = controller.dev_path().to_string_lossy().into_owned();
    let block = disk.name.dev_path().to_string_lossy().into_owned();
    let node = ControllerNode::open(controller.dev_path())?;
    let nsid = Nsid::new(1)?;

    ensure_eq!(node.identify_controller()?.into_inner(), bytes_of(&["id-ctrl", &device, "-b"])?, "id-ctrl");
    ensure_eq!(node.identify_namespace(nsid)?.into_inner(), bytes_of(&["id-ns", &block, "-b"])?, "id-ns");
    let ids = node.namespace_ids(nsid)?;
    let uuid = disk.uuid.clone().unwrap_or_default();
    ensure_eq!(ids.uuid.map(|bytes| nvme_proto::HostId::from_bytes(bytes).to_string()), Some(uuid), "UUID");
    ensure_eq!(node.active_namespaces()?, [1], "active namespaces");

    let log = |lid: u8, len: usize| {
        bytes_of(&["get-log", &device, "--log-id", &lid.to_string(), "--log-len", &len.to_string(), "-b"])
    };
    // Reading the health changes nothing that it says, but time does: some fields may differ for once.
    ctx.wait_for("the same health twice", PATIENCE, || Ok(node.health_log()? == log(2, 512)?))?;
    let errors = node.error_log()?;
    ensure_eq!(errors, log(1, errors.len())?, "error log");
    ensure_eq!(node.effects_log()?, log(5, 4096)?, "effects log");
    let ana = node.ana_log()?;
    ensure_eq!(ana.groups().count(), 1, "groups of access");
    let ana = ana.into_inner();
    ctx.note(&format!("error log {} bytes, ANA log {} bytes", errors.len(), ana.len()));
    ensure_eq!(ana, log(0x0c, ana.len())?, "ANA log");
    ensure!(bytes_of(&["ana-log", &device, "-o", "binary"])?.starts_with(&ana[..16]), "ana-log of nvme");

    // A page that begins anew after every change: nothing changes here, so both read the same generation.
    let discovery = discovery_controller()?;
    let node = ControllerNode::open(discovery.dev_path())?;
    let page = GetLogPage::new(LogId::DISCOVERY, 0, 4)?;
    let whole = node.read_log(&page, 3 * 1024)?;
    let name = discovery.dev_path().to_string_lossy().into_owned();
    let theirs = bytes_of(&["get-log", &name, "--log-id", "0x70", "--log-len", "3072", "-b"])?;
    ensure_eq!(whole, theirs, "discovery log");
    scene::leave(discovery)?;
    scene::leave(controller)?;
    scene::clear_target()
}

fn discovery_controller() -> Result<ControllerName, Failure> {
    let options = ConnectOptions::tcp(ADDRESSES[0].parse()?, PORT, SubsysNqn::discovery(), scene::me()?)?;
    Ok(connect(&OsDevice::system(), &Sysfs::system(), &options)?.controller)
}

fn sixty_four_bits_of_result(ctx: &mut Ctx) -> Result<(), Failure> {
    two_ports::make(ctx)?;
    let (controller, _) = join(ADDRESSES[0], PATIENCE)?;
    let node = ControllerNode::open(controller.dev_path())?;
    let get = |property| -> Result<u64, Failure> {
        Ok(node.admin(FabricsCommand::from(PropertyGet::new(property)), Data::None)?.result)
    };
    let capabilities = get(Property::CAP)?;
    ensure!(capabilities >> 32 != 0, "the upper half is missing: {capabilities:#x}");
    let said =
        ctx.run("nvme", ["get-property", &controller.dev_path().to_string_lossy(), "--offset=0"])?.stdout;
    let hex = |word: &str| u64::from_str_radix(word.trim_start_matches("0x"), 16).ok();
    ensure!(
        said.split_ascii_whitespace().filter_map(hex).any(|n| n == capabilities),
        "{capabilities:x}: {said}"
    );
    ensure_eq!(get(Property::CSTS)? & 1, 1, "ready");
    scene::leave(controller)?;
    scene::clear_target()
}

fn blocks_by_pass_through(ctx: &mut Ctx) -> Result<(), Failure> {
    two_ports::make(ctx)?;
    let (controller, disk) = join(ADDRESSES[0], PATIENCE)?;
    let generic = generic_of(ctx, &disk)?;
    for path in [generic.dev_path(), disk.name.dev_path()] {
        let node = NamespaceNode::open(&path, Access::ReadWrite)?.timeout(PATIENCE);
        ensure_eq!((node.nsid().get(), node.block_bytes(), node.metadata_bytes()), (1, 512, 0), "format");
        let wanted: Vec<u8> = (0..4096_u32).map(|n| n.to_le_bytes()[usize::from(n % 2 == 1)]).collect();
        node.io(Write::new(1, 16, 7), Data::Out(&wanted), Data::None)?;
        node.io(Flush::new(1), Data::None, Data::None)?;
        let mut seen = vec![0; 4096];
        node.io(Read::new(1, 16, 7), Data::In(&mut seen), Data::None)?;
        ensure_eq!(seen, wanted, "blocks");
        // What the controller refuses is a status: this target has no Compare.
        let error = node.io(Compare::new(1, 16, 7), Data::Out(&wanted), Data::None);
        let status = error.err().and_then(|error| error.status());
        ensure_eq!(status.map(Status::code), Some(Status::INVALID_OPCODE.code()), "Compare");
        // Another namespace than the node's is refused by the kernel, blocks beyond the end by the target.
        let other = node.io(Read::new(2, 0, 0), Data::In(&mut [0; 512]), Data::None);
        ensure_eq!(other.err().and_then(|error| error.errno()), Some(Errno::EINVAL), "another namespace");
        let far = node.io(Read::new(1, 1 << 40, 0), Data::In(&mut [0; 512]), Data::None);
        let status = far.err().and_then(|error| error.status());
        ensure_eq!(status.map(Status::code), Some(BEYOND), "beyond the end");
        let short = node.io(Read::new(1, 0, 7), Data::In(&mut seen[..4095]), Data::None);
        let failure = short.err().map(|error| error.failure);
        ensure!(matches!(failure, Some(AdminFailure::Length { wanted: 4096, .. })), "{failure:?}");
    }
    scene::leave(controller)?;
    scene::clear_target()
}

fn many_in_flight_by_io_uring(ctx: &mut Ctx) -> Result<(), Failure> {
    two_ports::make(ctx)?;
    let (controller, disk) = join(ADDRESSES[0], PATIENCE)?;
    let generic = generic_of(ctx, &disk)?;
    let node = NamespaceNode::open(generic.dev_path(), Access::ReadWrite)?;
    let mut ring = IoRing::new(&node, 32)?;
    let content = |block: u64| vec![u8::try_from(block % 251).unwrap_or(0) + 1; 4096];
    for block in 0..32 {
        ring.submit(block, Write::new(1, block * 8, 7), content(block))?;
    }
    let full = ring.submit(99, Read::new(1, 0, 7), vec![0; 4096]);
    ensure_eq!(full.err().and_then(|refused| refused.error.errno()), Some(Errno::EBUSY), "a full ring");
    let mut ended = 0;
    while !ring.is_idle() {
        for done in ring.wait()? {
            done.outcome?;
            ended += 1;
        }
    }
    ensure_eq!(ended, 32, "writes");
    for block in 0..32 {
        ring.submit(block, Read::new(1, block * 8, 7), vec![0; 4096])?;
    }
    while !ring.is_idle() {
        for done in ring.wait()? {
            done.outcome?;
            ensure!(done.memory == content(done.token), "block {} is not what was written", done.token);
        }
    }
    ring.submit(7, Read::new(1, 1 << 40, 0), vec![0; 512])?;
    let beyond = ring.wait()?.pop().and_then(|done| done.outcome.err()).and_then(|error| error.status());
    ensure_eq!(beyond.map(Status::code), Some(BEYOND), "beyond the end");
    // A ring that is dropped with commands in flight waits for them.
    for block in 0..32 {
        ring.submit(block, Read::new(1, block * 8, 7), vec![0; 4096])?;
    }
    drop(ring);

    let admin = ControllerNode::open(controller.dev_path())?;
    let mut ring = AdminRing::new(&admin, 1)?;
    ring.submit(1, IdentifyCommand::controller(), vec![0; IdentifyCommand::DATA_LEN])?;
    let done = ring.wait()?.pop().ok_or_else(|| Failure::new("nothing has ended"))?;
    done.outcome?;
    ensure_eq!(done.memory, admin.identify_controller()?.into_inner(), "Identify");
    ring.submit(2, FabricsCommand::from(PropertyGet::new(Property::CAP)), Vec::new())?;
    let done = ring.wait()?.pop().ok_or_else(|| Failure::new("nothing has ended"))?;
    let by_ioctl = admin.admin(FabricsCommand::from(PropertyGet::new(Property::CAP)), Data::None)?;
    ensure_eq!(done.outcome?.result, by_ioctl.result, "CAP");
    drop(ring);
    scene::leave(controller)?;
    scene::clear_target()
}

fn resets_and_losses(ctx: &mut Ctx) -> Result<(), Failure> {
    two_ports::make(ctx)?;
    let (controller, _) = join(ADDRESSES[0], std::time::Duration::from_secs(600))?;
    let node = ControllerNode::open(controller.dev_path())?;
    node.rescan()?;
    node.reset()?;
    ensure_eq!(state(controller)?.as_deref(), Some("live"), "after a reset");
    ensure_eq!(node.reset_subsystem().err().and_then(|e| e.errno()), Some(Errno::ENOTTY), "subsystem reset");
    // A node that stayed open while the connection is lost: a status, and no error of the call.
    two_ports::close(1)?;
    ctx.wait_for("the loss", PATIENCE, || Ok(state(controller)?.as_deref() == Some("connecting")))?;
    let error = node.identify_controller().err().ok_or_else(|| Failure::new("answered without a path"))?;
    ensure_eq!(error.status().map(Status::code), Some(0x370), "status");
    ensure_eq!(
        node.reset().err().and_then(|error| error.errno()),
        Some(Errno::EBUSY),
        "reset while connecting"
    );
    two_ports::open(1)?;
    nvme_fabrics::wait_live(&Sysfs::system(), controller, PATIENCE)?;
    node.identify_controller()?;
    scene::leave(controller)?;
    let gone = node.identify_controller().err().ok_or_else(|| Failure::new("answered after it went"))?;
    ctx.note(&format!("after the disconnect: {}", nvme_examples::cli::explain(&gone)));
    scene::clear_target()
}

/// Acts as a user without privileges until it is dropped.
struct Unprivileged;

impl Unprivileged {
    fn become_one() -> Result<Self, Failure> {
        seteuid(Uid::from_raw(65534))?;
        Ok(Self)
    }
}

impl Drop for Unprivileged {
    fn drop(&mut self) {
        // Root's own number is still the real one: this cannot be refused.
        let _ = seteuid(Uid::from_raw(0));
    }
}

fn what_needs_no_privilege(ctx: &mut Ctx) -> Result<(), Failure> {
    two_ports::make(ctx)?;
    let (controller, disk) = join(ADDRESSES[0], PATIENCE)?;
    let generic = generic_of(ctx, &disk)?;
    for path in [generic.dev_path(), controller.dev_path()] {
        fs::set_permissions(path, fs::Permissions::from_mode(0o644))?;
    }
    let user = Unprivileged::become_one()?;
    let namespace = NamespaceNode::open(generic.dev_path(), Access::Read);
    let node = ControllerNode::open(controller.dev_path())?;
    let health = node.health_log();
    let rescan = node.rescan();
    let events = nvme_fabrics::EventSocket::open();
    drop(user);
    events?;
    let errno = |error: Option<nvme_fabrics::kernel::ioctl::AdminError>| error.and_then(|e| e.errno());
    ensure_eq!(errno(health.err()), Some(Errno::EACCES), "Get Log Page");
    ensure_eq!(errno(rescan.err()), Some(Errno::EACCES), "rescan");
    match ctx.release() {
        Release::V6_1 => ensure_eq!(errno(namespace.err()), Some(Errno::EACCES), "Identify Namespace"),
        _ => ensure_eq!(namespace?.block_bytes(), 512, "Identify Namespace"),
    }
    scene::leave(controller)?;
    scene::clear_target()
}

/// The kernel refuses flags in a command that passes through; this crate has no way to set them.
fn flags_belong_to_the_kernel(ctx: &mut Ctx) -> Result<(), Failure> {
    two_ports::make(ctx)?;
    let (controller, _) = join(ADDRESSES[0], PATIENCE)?;
    let device = controller.dev_path().to_string_lossy().into_owned();
    let identify = ["admin-passthru", &*device, "--opcode=6", "--cdw10=1", "--data-len=4096", "--read"];
    ctx.run("nvme", identify)?;
    let ran = ctx.try_run("nvme", [&identify[..], &["--flags=1"]].concat())?;
    ensure!(ran.code != Some(0) && ran.stderr.contains("Invalid argument"), "{ran:?}");
    scene::leave(controller)?;
    scene::clear_target()
}
