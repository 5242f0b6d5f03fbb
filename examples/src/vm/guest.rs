//! What to boot: a kernel series, a program, and what it gets.

use std::path::PathBuf;
use std::time::Duration;

use nvme_fabrics::kernel::wait::Cancel;

use super::release::Release;

/// Who is the guest's first process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Init {
    /// A small script that mounts what is usual, brings `lo` up, makes memory disks, and runs the program.
    Script,
    /// The program itself (statically linked), which must do all that and speak the protocol of [`super::protocol`].
    Program,
}

/// The guest's network beside `lo`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Network {
    /// None.
    #[default]
    None,
    /// QEMU's user-mode network: the guest is 10.0.2.15 and reaches this machine as 10.0.2.2.
    User {
        /// TCP ports of this machine's 127.0.0.1 that lead into the guest: (here, there).
        forward: Vec<(u16, u16)>,
    },
}

/// One boot of one program.
#[derive(Clone, Debug)]
pub struct Guest {
    pub(crate) release: Release,
    pub(crate) program: PathBuf,
    pub(crate) init: Init,
    pub(crate) args: Vec<String>,
    pub(crate) env: Vec<(String, String)>,
    pub(crate) files: Vec<(String, PathBuf)>,
    pub(crate) programs: Vec<(String, PathBuf)>,
    pub(crate) parameters: Vec<String>,
    pub(crate) network: Network,
    pub(crate) deadline: Duration,
    pub(crate) memory_mib: u32,
    pub(crate) cpus: u32,
    pub(crate) ram_disk_mib: u32,
    pub(crate) kept_in: Option<PathBuf>,
    stop: Cancel,
}

impl Guest {
    /// Runs `program` (a path on this machine; dynamically linked is fine) under a kernel of this series.
    pub fn new(release: Release, program: impl Into<PathBuf>) -> Self {
        Self {
            release,
            program: program.into(),
            init: Init::Script,
            args: Vec::new(),
            env: Vec::new(),
            files: Vec::new(),
            programs: Vec::new(),
            parameters: Vec::new(),
            network: Network::None,
            deadline: Duration::from_secs(300),
            memory_mib: 1024,
            cpus: 2,
            ram_disk_mib: 256,
            kept_in: None,
            stop: Cancel::new(),
        }
    }

    /// Whether the program is the first process itself. Default: [`Init::Script`].
    pub fn init(mut self, init: Init) -> Self {
        self.init = init;
        self
    }

    /// Adds arguments of the program; they arrive exactly as given.
    pub fn args<S: Into<String>>(mut self, args: impl IntoIterator<Item = S>) -> Self {
        self.args.extend(args.into_iter().map(Into::into));
        self
    }

    /// Sets an environment variable of the program (only with [`Init::Script`]). The name must be one the shell accepts.
    pub fn env(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.env.push((name.into(), value.into()));
        self
    }

    /// Copies a file of this machine into the guest, with its permissions.
    pub fn file(mut self, in_guest: impl Into<String>, here: impl Into<PathBuf>) -> Self {
        self.files.push((in_guest.into(), here.into()));
        self
    }

    /// Copies a program of this machine into the guest, with the shared libraries it needs.
    pub fn program(mut self, in_guest: impl Into<String>, here: impl Into<PathBuf>) -> Self {
        self.programs.push((in_guest.into(), here.into()));
        self
    }

    /// Adds a word to the kernel's command line (no white space).
    pub fn parameter(mut self, word: impl Into<String>) -> Self {
        self.parameters.push(word.into());
        self
    }

    /// The guest's network. Default: none.
    pub fn network(mut self, network: Network) -> Self {
        self.network = network;
        self
    }

    /// The longest the guest may take from start to end. Default: 300 s.
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
        self
    }

    /// Memory in MiB. Default: 1024.
    pub fn memory_mib(mut self, memory: u32) -> Self {
        self.memory_mib = memory;
        self
    }

    /// Processors. Default: 2.
    pub fn cpus(mut self, cpus: u32) -> Self {
        self.cpus = cpus;
        self
    }

    /// Size in MiB of each of the four memory disks `/dev/ram0` … `/dev/ram3` that [`Init::Script`] makes. Default: 256.
    /// They take memory only where they are written to.
    pub fn ram_disk_mib(mut self, size: u32) -> Self {
        self.ram_disk_mib = size;
        self
    }

    /// Keeps the initramfs and the console log in a new folder below this one.
    pub fn keep_in(mut self, folder: impl Into<PathBuf>) -> Self {
        self.kept_in = Some(folder.into());
        self
    }

    /// Ends the guest soon after this is cancelled, which a signal handler may do.
    pub fn stop_when(mut self, stop: Cancel) -> Self {
        self.stop = stop;
        self
    }

    /// Whether it shall end.
    pub(crate) fn is_stopped(&self) -> bool {
        self.stop.is_cancelled()
    }

    /// The kernel series.
    pub fn release(&self) -> Release {
        self.release
    }
}
