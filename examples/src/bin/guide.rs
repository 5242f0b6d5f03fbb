//! `guide`: "NVMe over TCP: configure a target, discover, connect, list, run fio's random 4k profile, disconnect", from
//! start to end, on this machine's kernel, on a Debian kernel in QEMU, or in this process alone.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use clap::{CommandFactory, Parser};
use nvme_examples::guide::{Guide, Telling};
use nvme_examples::vm::{self, Event, Guest, Release, VmError};
use nvme_examples::{cli, host, place, stop};
use nvme_proto::{HostNqn, IpTraddr, SubsysNqn};
use serde_json::json;

/// The NVMe over TCP guide as a program: every step in order, each shown with what it did.
#[derive(Parser)]
#[command(name = "guide", version)]
struct Args {
    /// Use a target and a host in user space: no privileges, no kernel module
    #[arg(long, conflicts_with_all = ["vm", "kernel"])]
    soft: bool,
    /// Use this machine's kernel (root; nvmet-tcp and nvme-tcp loadable). Without --soft, --kernel and --vm: the kernel if it can
    /// work, else user space
    #[arg(long, conflicts_with = "vm")]
    kernel: bool,
    /// Boot a Debian kernel (6.1, 6.12 or 7) in QEMU and use that
    #[arg(long, value_name = "RELEASE", num_args = 0..=1, default_missing_value = "6.12")]
    vm: Option<Release>,
    /// The blank disk to export; it is written all over. Without it memory (--soft), a temporary file (--kernel) or a memory
    /// disk (--vm, which has /dev/ram0 to /dev/ram3)
    #[arg(long, value_name = "PATH")]
    device: Option<PathBuf>,
    /// Use the device although it holds data, which is then destroyed
    #[arg(long, requires = "device")]
    overwrite: bool,
    /// NQN of the subsystem
    #[arg(short = 'n', long, value_name = "NQN", default_value = "mysub")]
    nqn: SubsysNqn,
    /// Address the target listens on
    #[arg(short = 'a', long, value_name = "ADDR", default_value = "127.0.0.1")]
    traddr: IpTraddr,
    /// TCP port the target listens on; by itself 4420, and with --soft any that is free
    #[arg(short = 's', long, value_name = "PORT")]
    trsvcid: Option<u16>,
    /// Connect with this host NQN, and let only it in
    #[arg(short = 'q', long, value_name = "NQN")]
    hostnqn: Option<HostNqn>,
    /// Seconds that each direction of the I/O profile runs
    #[arg(long, value_name = "SECS", default_value = "5", value_parser = host::seconds)]
    runtime: Duration,
    /// Print the steps as JSON at the end
    #[arg(long)]
    json: bool,
}

/// Where the guide is played.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// In this process.
    Soft,
    /// In this machine's kernel.
    Kernel,
    /// In a kernel in QEMU.
    Vm(Release),
}

/// What the user asked for, else the kernel where it can, else user space; and then why.
fn place(args: &Args) -> Place {
    if let Some(release) = args.vm {
        return Place::Vm(release);
    }
    if args.soft || args.kernel {
        return if args.soft { Place::Soft } else { Place::Kernel };
    }
    match place::kernel_can() {
        Ok(()) => {
            cli::note(
                "using this machine's kernel: it is Linux, you are root, and both modules can be loaded",
            );
            Place::Kernel
        }
        Err(why) => {
            cli::note(&format!(
                "using a target and a host in user space, since this machine's kernel cannot be used: {why} (--vm boots one that can)"
            ));
            Place::Soft
        }
    }
}

fn main() -> ExitCode {
    let args = Args::parse();
    match place(&args) {
        Place::Vm(release) => in_vm(&args, release),
        place => cli::exit(here(&args, place)),
    }
}

/// Plays the guide on this machine.
fn here(args: &Args, place: Place) -> cli::Outcome {
    let any_port = if place == Place::Soft { 0 } else { DEFAULT_PORT };
    let guide = Guide {
        device: args.device.clone(),
        overwrite: args.overwrite,
        nqn: args.nqn.clone(),
        traddr: args.traddr.clone(),
        trsvcid: args.trsvcid.unwrap_or(any_port),
        host_nqn: args.hostnqn.clone(),
        runtime: args.runtime,
    };
    let stop = stop::on_signal("everything is put back")?;
    let telling = if args.json { Telling::Quiet } else { Telling::Text };
    let played = match place {
        Place::Soft => guide.play_soft(telling, stop),
        #[cfg(target_os = "linux")]
        Place::Kernel | Place::Vm(_) => guide.play(telling, stop),
        #[cfg(not(target_os = "linux"))]
        Place::Kernel | Place::Vm(_) => return Err(place::Unable::NotLinux.into()),
    };
    let printed = if args.json {
        cli::print_json(&json!({ "version": host::JSON_VERSION, "steps": played.steps }))
    } else {
        Ok(())
    };
    match (played.outcome, played.put_back) {
        (Ok(()), Ok(())) if args.json => printed,
        (Ok(()), Ok(())) => {
            cli::print("done: the whole guide worked, and nothing is left behind")?;
            if place == Place::Soft {
                cli::note(NEXT);
            }
            Ok(())
        }
        (Err(error), Ok(())) | (Ok(()), Err(error)) => Err(error.into()),
        (Err(error), Err(left)) => {
            cli::note(&format!("error: {}", cli::explain(&left)));
            Err(error.into())
        }
    }
}

/// Boots the release and plays the guide there, with the same arguments and this very program.
fn in_vm(args: &Args, release: Release) -> ExitCode {
    let device = args.device.as_deref().unwrap_or(Path::new("/dev/ram0"));
    if !GUEST_DISKS.iter().any(|disk| Path::new(disk) == device) {
        host::usage(
            &mut Args::command(),
            format!(
                "--device {} is a disk of this machine, and a kernel in QEMU has only {}: leave it out, or say --kernel",
                device.display(),
                GUEST_DISKS.join(", ")
            ),
        );
    }
    let guest = match (std::env::current_exe(), stop::on_signal("the guest is ended")) {
        (Ok(program), Ok(stop)) => {
            guest_arguments(args, device, Guest::new(release, program)).stop_when(stop)
        }
        (Err(error), _) => return cli::exit(Err(error.into())),
        (_, Err(error)) => return cli::exit(Err(error.into())),
    };
    let spinner = cli::spinner(format!("preparing Linux {release}"));
    let booted = vm::run(&guest, &mut |event| match event {
        Event::Progress(line) => spinner.set_message(line.to_owned()),
        Event::Output(line) => {
            spinner.finish_and_clear();
            // A reader that went away does not stop the guest from tearing down.
            let _ = cli::print(line);
        }
        Event::Error(line) => {
            spinner.finish_and_clear();
            cli::note(line);
        }
    });
    spinner.finish_and_clear();
    match booted {
        Ok(outcome) => {
            if !args.json {
                cli::note(&format!(
                    "Linux {} in QEMU, {:.1} s from boot to end",
                    outcome.kernel,
                    outcome.elapsed.as_secs_f64()
                ));
            }
            ExitCode::from(u8::try_from(outcome.exit_code).unwrap_or(1))
        }
        Err(VmError::Interrupted) => cli::exit(Err(stop::Stopped("the guest is gone").into())),
        Err(error) => cli::exit(Err(error.into())),
    }
}

/// Where to go on after the story in user space.
const NEXT: &str = "next: `soft-target` serves a disk like this one to other machines, `discover --user` and `bench -a` use it; \
    `guide --vm` plays the same with the target and the host of a Linux kernel in QEMU";

/// The customary TCP port of a target.
const DEFAULT_PORT: u16 = 4420;

/// The disks of a guest with the usual first process.
const GUEST_DISKS: [&str; 4] = ["/dev/ram0", "/dev/ram1", "/dev/ram2", "/dev/ram3"];

fn guest_arguments(args: &Args, device: &Path, guest: Guest) -> Guest {
    let mut words = vec![
        "--kernel".to_owned(),
        "--device".to_owned(),
        device.display().to_string(),
        "-n".to_owned(),
        args.nqn.to_string(),
        "-a".to_owned(),
        args.traddr.to_string(),
        "-s".to_owned(),
        args.trsvcid.unwrap_or(DEFAULT_PORT).to_string(),
        "--runtime".to_owned(),
        args.runtime.as_secs().to_string(),
    ];
    if let Some(host) = &args.hostnqn {
        words.extend(["-q".to_owned(), host.to_string()]);
    }
    if args.overwrite {
        words.push("--overwrite".to_owned());
    }
    if args.json {
        words.push("--json".to_owned());
    }
    // A busy machine that emulates took 245 s for what an idle one does in 10.
    guest.args(words).deadline(Duration::from_secs(900) + 2 * args.runtime)
}
