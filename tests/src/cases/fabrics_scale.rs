//! Two hundred controllers on one machine: they are listed as nvme-cli lists them, and one more connect costs what the first one did.

use std::collections::BTreeMap;
use std::fs;
use std::ops::Range;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::time::{Duration, Instant};

use nvme_examples::vm::Release;
use nvme_fabrics::{ConnectOptions, FabricsDevice, Force, Inventory, OsDevice, Selector, Sysfs, disconnect};
use nvme_proto::SubsysNqn;

use super::scene::{self, PATIENCE, PORT};
use super::two_ports::{self, ADDRESSES, NQN};
use crate::guest::{Case, Ctx, Failure};
use crate::{ensure, ensure_eq};

/// The cases of this file.
pub const CASES: &[Case] = &[Case::new("fabrics_scale::two_hundred_controllers", two_hundred_controllers)];

const CONTROLLERS: usize = 200;
const LONELY: &str = "nqn.2024-05.org.example:lonely";
/// So many of them are for I/O, the others for discovery.
const FOR_IO: usize = 10;

/// The calls that have to do with files. How many others there are is the business of the allocator and of threads.
const OF_FILES: [&str; 11] = [
    "access",
    "close",
    "getdents64",
    "ioctl",
    "lseek",
    "newfstatat",
    "openat",
    "read",
    "readlink",
    "statx",
    "write",
];

/// Makes these of the [`CONTROLLERS`].
fn many(numbers: Range<usize>) -> Result<(), Failure> {
    let discovery = ConnectOptions::tcp(ADDRESSES[0].parse()?, PORT, SubsysNqn::discovery(), scene::me()?)?;
    let for_io =
        two_ports::options(ADDRESSES[0], PATIENCE)?.duplicate_connect()?.nr_io_queues(1)?.queue_size(16)?;
    for number in numbers {
        let options = if number + FOR_IO < CONTROLLERS { &discovery } else { &for_io };
        // By the device alone: what a connect costs is measured elsewhere.
        OsDevice::system().create(options.to_option_string().expose())?;
    }
    Ok(())
}

/// System calls by name.
type Calls = BTreeMap<String, usize>;

/// A subsystem that nobody else is connected to, on both ports.
fn lonely() -> Result<(), Failure> {
    let target = Path::new("/sys/kernel/config/nvmet");
    let subsystem = target.join("subsystems").join(LONELY);
    fs::create_dir(&subsystem)?;
    fs::write(subsystem.join("attr_allow_any_host"), "1")?;
    for port in 1..=2 {
        symlink(&subsystem, target.join(format!("ports/{port}/subsystems/{LONELY}")))?;
    }
    Ok(())
}

/// System calls of the program `connect`, from its start to the kernel's reply, and of the whole program; the controller is gone again afterwards.
fn calls_of_a_connect(ctx: &mut Ctx, subsystem: &str) -> Result<(Calls, Calls), Failure> {
    let trace = ctx.scratch().join("trace").to_string_lossy().into_owned();
    let me = scene::me()?;
    let (nqn, id) = (me.nqn.to_string(), me.id.to_string());
    let place = ["connect", "-t", "tcp", "-a", ADDRESSES[1], "-s", "4420", "-n", subsystem, "--wait", "0"];
    let who = ["-q", &*nqn, "-I", &*id];
    ctx.run("strace", [&["-f", "-o", &*trace][..], &place, &who].concat())?;
    let (mut calls, mut to_reply) = (Calls::new(), None);
    for line in fs::read_to_string(&trace)?.lines() {
        // `123 openat(AT_FDCWD, "/dev/nvme-fabrics", O_RDWR) = 4`
        let call = line.split_once(' ').and_then(|(_, rest)| rest.trim_start().split_once('('));
        if let Some((name, _)) = call {
            *calls.entry(name.to_owned()).or_insert(0) += 1;
        }
        if line.contains("\"instance=") && !line.contains("instance=-1") {
            to_reply = Some(calls.clone());
        }
    }
    let inventory = Inventory::scan_quietly(&Sysfs::system())?;
    let by_two = |c: &&nvme_fabrics::Controller| c.address.traddr.as_deref() == Some(ADDRESSES[1]);
    let made = inventory.controllers().map(|(_, c)| c).find(by_two);
    scene::leave(made.ok_or_else(|| Failure::new("connect made no controller"))?.name)?;
    let to_reply = to_reply.ok_or_else(|| Failure::new("connect did not read the kernel's reply"))?;
    Ok((to_reply, calls))
}

fn two_hundred_controllers(ctx: &mut Ctx) -> Result<(), Failure> {
    two_ports::make(ctx)?;
    lonely()?;
    let total = |calls: &Calls| calls.values().sum::<usize>();
    let none = calls_of_a_connect(ctx, LONELY)?;
    // Before 6.5 the kernel does not look whether a new identity contradicts others. There we do, by two attributes of one controller of this host.
    let there_before = usize::from(ctx.release() == Release::V6_1);
    let begun = Instant::now();
    many(0..there_before)?;
    let alone_elsewhere = if there_before == 0 { none.clone() } else { calls_of_a_connect(ctx, LONELY)? };
    let alone = calls_of_a_connect(ctx, NQN)?;
    let price = total(&alone_elsewhere.1).abs_diff(total(&none.1));
    ensure!(price <= there_before * 20, "{price} more calls with one controller than with none");
    many(there_before..CONTROLLERS)?;
    let connected = begun.elapsed();
    let [crowded, crowded_elsewhere] = [calls_of_a_connect(ctx, NQN)?, calls_of_a_connect(ctx, LONELY)?];
    ctx.note(&format!(
        "{CONTROLLERS} connects in {:.1} s; system calls of a connect: {} with 0 controllers, {} with {there_before}, {} with {CONTROLLERS}; of one more path among {FOR_IO}: {} to the reply, {} in all",
        connected.as_secs_f64(),
        total(&none.1),
        total(&alone_elsewhere.1),
        total(&crowded_elsewhere.1),
        total(&crowded.0),
        total(&crowded.1),
    ));
    let of_files = |calls: &Calls| -> Vec<usize> {
        OF_FILES.iter().map(|name| calls.get(*name).copied().unwrap_or(0)).collect()
    };
    for (crowded, alone) in [(&crowded_elsewhere.1, &alone_elsewhere.1), (&crowded.0, &alone.0)] {
        ensure_eq!(of_files(crowded), of_files(alone), format!("calls {OF_FILES:?} of a connect"));
    }
    // One more path is compared with those of its subsystem, which is looked for among all: a name each.
    let most = total(&crowded.0) + 2 * CONTROLLERS + 100 * FOR_IO;
    ensure!(total(&crowded.1) < most, "{} calls for one more path", total(&crowded.1));

    let begun = Instant::now();
    let inventory = Inventory::scan(&Sysfs::system())?;
    ctx.note(&format!("a scan takes {:.0} ms", begun.elapsed().as_secs_f64() * 1000.0));
    ensure_eq!(inventory.controllers().count(), CONTROLLERS, "controllers");
    ensure_eq!(inventory.incomplete.len(), 0, "without a subsystem");
    let heads: Vec<_> = inventory.namespaces().map(|(_, n)| n).collect();
    ensure_eq!(heads.len(), 1, "namespaces");
    ctx.wait_for("every path of the namespace", PATIENCE, || {
        let now = Inventory::scan_quietly(&Sysfs::system())?;
        Ok(now.namespaces().map(|(_, n)| n.paths.len()).sum::<usize>() == FOR_IO)
    })?;
    let said = ctx.run("nvme", ["list-subsys", "-o", "json"])?.stdout;
    for (_, controller) in inventory.controllers() {
        ensure!(said.contains(&format!("\"{}\"", controller.name)), "{} in {said}", controller.name);
    }

    let begun = Instant::now();
    let gone = disconnect(&Sysfs::system(), &Selector::All, Force::No, 4 * PATIENCE)?;
    ensure_eq!(gone.controllers.len(), CONTROLLERS, "disconnected");
    ctx.note(&format!("disconnected in {:.1} s", begun.elapsed().as_secs_f64()));
    ensure!(begun.elapsed() < Duration::from_secs(200), "disconnecting took {:?}", begun.elapsed());
    scene::clear_target()
}
