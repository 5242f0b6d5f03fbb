//! Making a bare kernel into a system that cases can run on, and ending it.

use std::convert::Infallible;
use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::Path;

use nix::mount::{MsFlags, mount};
use nix::sys::reboot::{RebootMode, reboot};
use nix::sys::termios::{SetArg, cfmakeraw, tcdrain, tcgetattr, tcsetattr};
use nix::unistd::{dup2_stderr, dup2_stdout};
use nvme_examples::vm::protocol::{ARGUMENTS_PATH, PORT, Token};

use super::failure::Failure;
use super::program;

/// Word of the kernel's command line that names the series the guest must be.
pub const KERNEL_PARAMETER: &str = "NVME_TEST_KERNEL";
/// Word of the kernel's command line with the number that cases begin at which try something else each time.
pub const SEED_PARAMETER: &str = "NVME_TEST_SEED";

/// A running system.
#[derive(Debug)]
pub struct System {
    port: File,
    token: Token,
    /// `uname -r`.
    pub uname: String,
    /// What [`KERNEL_PARAMETER`] says.
    pub wanted: String,
    /// What [`SEED_PARAMETER`] says.
    pub seed: u64,
    /// The kernel's command line.
    pub command_line: String,
    /// The program's arguments.
    pub args: Vec<String>,
}

impl System {
    /// Mounts what is usual, sends our output to the serial port, and says that we run. Only the first process may do this.
    pub fn boot() -> Result<Self, Failure> {
        for (kind, point) in
            [("proc", "/proc"), ("sysfs", "/sys"), ("devtmpfs", "/dev"), ("tmpfs", "/tmp"), ("tmpfs", "/run")]
        {
            mounted(kind, point)?;
        }
        let port = open_port()?;
        dup2_stdout(&port)?;
        dup2_stderr(&port)?;
        let line = fs::read_to_string("/proc/cmdline")?;
        let token = Token::from_command_line(&line)
            .ok_or_else(|| Failure::new("no token on the kernel's command line"))?;
        let value =
            |name| line.split_whitespace().find_map(|word| word.strip_prefix(name)?.strip_prefix('='));
        let wanted = value(KERNEL_PARAMETER).unwrap_or_default().to_owned();
        let seed =
            value(SEED_PARAMETER).ok_or_else(|| Failure::new("no seed on the kernel's command line"))?;
        let seed = seed.parse()?;
        let uname = fs::read_to_string("/proc/sys/kernel/osrelease")?.trim().to_owned();
        let args = fs::read_to_string(ARGUMENTS_PATH)?;
        let args = args.split_terminator('\0').map(str::to_owned).collect();
        let mut system = Self { port, token, uname, wanted, seed, command_line: line, args };
        let start = system.token.start(&system.uname);
        system.say(&start)?;
        Ok(system)
    }

    /// Loads and mounts what every case needs, and brings `lo` up.
    pub fn prepare(&self) -> Result<(), Failure> {
        program::run("ip", ["link", "set", "lo", "up"])?;
        program::run("modprobe", ["configfs"])?;
        mounted("configfs", "/sys/kernel/config")
    }

    /// Prints a line.
    pub fn say(&mut self, line: &str) -> Result<(), Failure> {
        // One write a line, so that what a program prints at the same time cannot come in between.
        Ok(self.port.write_all(format!("{line}\n").as_bytes())?)
    }

    /// A second way to print and end, for another thread.
    pub fn duplicate(&self) -> Result<Self, Failure> {
        Ok(Self {
            port: self.port.try_clone()?,
            token: self.token.clone(),
            uname: self.uname.clone(),
            wanted: self.wanted.clone(),
            seed: self.seed,
            command_line: self.command_line.clone(),
            args: self.args.clone(),
        })
    }

    /// Reports the exit status and ends the machine.
    pub fn end(mut self, status: i32) -> Result<Infallible, Failure> {
        let exit = self.token.exit(status);
        self.say(&exit)?;
        tcdrain(&self.port)?;
        Ok(reboot(RebootMode::RB_AUTOBOOT)?)
    }
}

fn mounted(kind: &str, point: &str) -> Result<(), Failure> {
    fs::create_dir_all(point)?;
    mount(Some(kind), Path::new(point), Some(kind), MsFlags::empty(), None::<&str>)
        .map_err(|errno| Failure::from(errno).while_doing(format_args!("mount {kind} on {point}")))
}

fn open_port() -> Result<File, Failure> {
    let port = OpenOptions::new().read(true).write(true).open(PORT)?;
    let mut settings = tcgetattr(&port)?;
    cfmakeraw(&mut settings);
    tcsetattr(&port, SetArg::TCSANOW, &settings)?;
    Ok(port)
}
