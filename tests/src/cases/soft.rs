//! What the cases of the soft target set up again and again: the program `soft-target` as a process of its own, and this
//! kernel's host connected to it.

use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::{self, JoinHandle};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use nvme_fabrics::{
    ConnectOptions, ControllerName, OsDevice, Sysfs, WhichNamespace, connect, wait_for_namespace,
};
use serde_json::Value;

use super::scene;
use crate::guest::Failure;

/// The subsystem of all cases.
pub(super) const NQN: &str = "nqn.2024-05.org.example:soft";

/// A running `soft-target`. Dropping it kills it.
#[derive(Debug)]
pub(super) struct Soft {
    child: Child,
    said: Option<JoinHandle<String>>,
    /// The port of the first listener.
    pub(super) port: u16,
}

impl Soft {
    /// Starts it with subsystem [`NQN`] and these words, and waits until it listens.
    pub(super) fn start(words: &[&str]) -> Result<Self, Failure> {
        Self::with([&["-n", NQN], words].concat().as_slice())
    }

    /// Starts it with these words alone.
    pub(super) fn with(words: &[&str]) -> Result<Self, Failure> {
        let mut command = Command::new("soft-target");
        command.args(words).arg("--json").stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn()?;
        let stderr = child.stderr.take().ok_or_else(|| Failure::new("no stderr"))?;
        let said = thread::spawn(move || {
            let mut text = String::new();
            // What could be read is what there is to show.
            let _ = BufReader::new(stderr).read_to_string(&mut text);
            text
        });
        let stdout = child.stdout.take().ok_or_else(|| Failure::new("no stdout"))?;
        let mut soft = Self { child, said: Some(said), port: 0 };
        let mut line = String::new();
        BufReader::new(stdout).read_line(&mut line)?;
        let Ok(value) = serde_json::from_str::<Value>(&line) else {
            return Err(Failure::new(format!("soft-target {words:?} did not start: {}", soft.end()?)));
        };
        let port = value["listeners"][0]["trsvcid"].as_str().and_then(|text| text.parse().ok());
        soft.port = port.ok_or_else(|| Failure::new(format!("no listener in {line}")))?;
        Ok(soft)
    }

    /// Asks it to end, and waits until it has; it must do so with status 0.
    pub(super) fn stop(mut self) -> Result<(), Failure> {
        self.signal(Signal::SIGTERM)?;
        let status = self.child.wait()?;
        let said = self.end()?;
        match status.success() {
            true => Ok(()),
            false => Err(Failure::new(format!("soft-target ended with {status}: {said}"))),
        }
    }

    /// Kills it on the spot.
    pub(super) fn kill(mut self) -> Result<(), Failure> {
        self.signal(Signal::SIGKILL)?;
        self.child.wait()?;
        Ok(())
    }

    /// Sends it a signal.
    pub(super) fn signal(&self, signal: Signal) -> Result<(), Failure> {
        Ok(kill(Pid::from_raw(self.child.id().try_into()?), signal)?)
    }

    /// Its process.
    pub(super) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// How this kernel's host connects to it: the default host, a short reconnect delay.
    pub(super) fn options(&self, address: &str) -> Result<ConnectOptions, Failure> {
        Ok(ConnectOptions::tcp(address.parse()?, self.port, scene::subsystem(NQN)?, scene::me()?)?)
    }

    fn end(&mut self) -> Result<String, Failure> {
        // Already dead, or killed now.
        let _ = self.child.kill();
        self.child.wait()?;
        Ok(self.said.take().and_then(|said| said.join().ok()).unwrap_or_default())
    }
}

impl Drop for Soft {
    fn drop(&mut self) {
        // An error on the way brought us here; that is the one to report.
        let _ = self.end();
    }
}

/// This kernel's host connected to a target.
#[derive(Debug)]
pub(super) struct Connected {
    /// Its controller.
    pub(super) controller: ControllerName,
    /// The block device of namespace 1.
    pub(super) disk: PathBuf,
}

impl Connected {
    /// Connects and waits for the block device.
    pub(super) fn to(options: &ConnectOptions) -> Result<Self, Failure> {
        let controller = connect(&OsDevice::system(), &Sysfs::system(), options)?.controller;
        let which = WhichNamespace::Nsid(1);
        let disk = wait_for_namespace(&Sysfs::system(), controller, which, scene::PATIENCE)?.name.dev_path();
        Ok(Self { controller, disk })
    }

    /// The controller's character device.
    pub(super) fn device(&self) -> PathBuf {
        Path::new("/dev").join(self.controller.to_string())
    }

    /// An attribute of the controller in sysfs.
    pub(super) fn attribute(&self, name: &str) -> Result<String, Failure> {
        let path = format!("/sys/class/nvme/{}/{name}", self.controller);
        Ok(std::fs::read_to_string(path)?.trim().to_owned())
    }

    /// Disconnects.
    pub(super) fn leave(self) -> Result<(), Failure> {
        scene::leave(self.controller).map(drop)
    }
}
