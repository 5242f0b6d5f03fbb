//! One QEMU process: its command line, its two serial ports, its end.
//!
//! The first serial port is the kernel's console and goes to a file, the second carries the program's output line by line
//! ([`super::protocol`]). Everything has a deadline; a guest that passes it is killed.

use std::fs;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use super::accel::Accel;
use super::command;
use super::guest::{Guest, Network};
use super::kernels::Kernel;
use super::protocol::{Message, Token};
use super::run::Event;
use super::tools;

/// Files of one boot.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Files<'a> {
    pub(crate) kernel: &'a Kernel,
    pub(crate) initramfs: &'a Path,
    pub(crate) console: &'a Path,
}

/// How a QEMU process ended, and what the guest said until then.
#[derive(Debug)]
pub(crate) struct Ended {
    /// `uname -r`, when the first process ran.
    pub(crate) uname: Option<String>,
    /// The program's exit status, when it came to an end.
    pub(crate) exit: Option<i32>,
    /// QEMU's own status; `None` when it was killed, at the deadline or because the guest shall end.
    pub(crate) status: Option<ExitStatus>,
    /// What QEMU itself said.
    pub(crate) said: String,
    pub(crate) console: String,
    pub(crate) elapsed: Duration,
}

/// The longest that a kernel may take to its first process under KVM; it is one or two seconds where KVM works.
const KVM_START: Duration = Duration::from_secs(30);

/// How often is looked whether the guest shall end.
const STOP_INTERVAL: Duration = Duration::from_millis(100);

/// Boots and waits for the end. Each line of the program goes to `on`.
pub(crate) fn run(
    guest: &Guest,
    files: Files<'_>,
    accel: Accel,
    token: &Token,
    on: &mut dyn FnMut(Event<'_>),
) -> io::Result<Ended> {
    let begun = Instant::now();
    let mut child = Running(command_line(guest, files, accel, token).spawn()?);
    let lines = read_lines(child.0.stdout.take());
    let said = read_all(child.0.stderr.take());
    let mut ended = Ended {
        uname: None,
        exit: None,
        status: None,
        said: String::new(),
        console: String::new(),
        elapsed: Duration::ZERO,
    };
    let mut killed = false;
    loop {
        // A kernel that KVM cannot run hangs at its first instructions: find that out soon.
        let patience = if accel == Accel::Kvm && ended.uname.is_none() { KVM_START } else { guest.deadline };
        let left = patience.min(guest.deadline).saturating_sub(begun.elapsed());
        match lines.recv_timeout(left.min(STOP_INTERVAL)) {
            Ok(line) => {
                for message in token.read(&line) {
                    match message {
                        Message::Start(uname) => ended.uname = Some(uname),
                        Message::Exit(status) => ended.exit = Some(status),
                        Message::Output(text) => on(Event::Output(&text)),
                        Message::Error(text) => on(Event::Error(&text)),
                    }
                }
            }
            Err(RecvTimeoutError::Disconnected) => break,
            Err(RecvTimeoutError::Timeout) => killed = left <= STOP_INTERVAL,
        }
        killed |= guest.is_stopped();
        if killed {
            break;
        }
    }
    if killed {
        child.0.kill()?;
        child.0.wait()?;
    } else {
        // Its output has ended, so it is about to.
        ended.status = Some(child.0.wait()?);
    }
    ended.said = said.join().unwrap_or_default();
    ended.console =
        fs::read(files.console).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default();
    ended.elapsed = begun.elapsed();
    Ok(ended)
}

/// Ends the process when the caller's closure panics.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        if let Ok(None) = self.0.try_wait() {
            // It may end by itself at this moment; nothing is left to do then.
            let _ = self.0.kill();
            let _ = self.0.wait();
        }
    }
}

fn command_line(guest: &Guest, files: Files<'_>, accel: Accel, token: &Token) -> Command {
    let qemu = tools::find("qemu-system-x86_64");
    // setpriv (util-linux) asks the kernel to end QEMU when we die, even by SIGKILL.
    let mut command = match tools::locate("setpriv") {
        Some(setpriv) => {
            let mut command = command::command(setpriv);
            command.args(["--pdeathsig", "KILL", "--"]).arg(qemu);
            command
        }
        None => command::command(qemu),
    };
    command.args(accel.options());
    command.args(["-smp", &guest.cpus.to_string(), "-m", &guest.memory_mib.to_string()]);
    command.args(["-nodefaults", "-no-user-config", "-display", "none", "-vga", "none", "-no-reboot"]);
    command.arg("-kernel").arg(&files.kernel.image).arg("-initrd").arg(files.initramfs);
    command.args(["-append", &append(guest, token)]);
    command.arg("-chardev").arg(format!("file,id=console,path={}", option_path(files.console)));
    command.args(["-serial", "chardev:console", "-serial", "stdio"]);
    match &guest.network {
        Network::None => {
            command.args(["-nic", "none"]);
        }
        Network::User { forward } => {
            let mut nic = String::from("user,model=virtio-net-pci");
            for (here, there) in forward {
                nic.push_str(&format!(",hostfwd=tcp:127.0.0.1:{here}-:{there}"));
            }
            command.args(["-nic", &nic]);
        }
    }
    // An open but silent input: with a closed one QEMU may give up its second serial port.
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// Commas separate QEMU's options and are doubled inside one.
fn option_path(path: &Path) -> String {
    path.to_string_lossy().replace(',', ",,")
}

/// The kernel's command line.
///
/// `loglevel=5` lets warnings reach the console and keeps it short otherwise; any warning or oops ends the guest at once
/// (`panic=-1` reboots, which ends QEMU), so that its report is the last thing in the log. What the kernel does not know, such
/// as `PATH`, becomes the environment of the first process.
fn append(guest: &Guest, token: &Token) -> String {
    let network = match guest.network {
        Network::None => "none",
        Network::User { .. } => "user",
    };
    let mut line = format!(
        "console=ttyS0 loglevel=5 panic=-1 oops=panic panic_on_warn=1 mitigations=off nowatchdog random.trust_cpu=on \
         PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root NVME_VM=1 {parameter}={token} nvme_vm_disk_kib={disk} nvme_vm_network={network}",
        parameter = super::protocol::TOKEN_PARAMETER,
        disk = u64::from(guest.ram_disk_mib) * 1024,
    );
    for word in &guest.parameters {
        line.push(' ');
        line.push_str(word);
    }
    line
}

fn read_lines(stdout: Option<impl Read + Send + 'static>) -> mpsc::Receiver<String> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        let Some(stdout) = stdout else { return };
        let mut reader = BufReader::new(stdout);
        let mut line = Vec::new();
        // A line that is not UTF-8 is shown with replacement characters.
        while reader.read_until(b'\n', &mut line).is_ok_and(|len| len > 0) {
            if sender.send(String::from_utf8_lossy(&line).into_owned()).is_err() {
                return;
            }
            line.clear();
        }
    });
    receiver
}

fn read_all(stderr: Option<impl Read + Send + 'static>) -> thread::JoinHandle<String> {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        if let Some(mut stderr) = stderr {
            // What was read until an error is still worth showing.
            let _ = stderr.read_to_end(&mut bytes);
        }
        String::from_utf8_lossy(&bytes).trim().to_owned()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vm::Release;

    #[test]
    fn kernel_command_line_ends_on_any_warning() {
        let guest = Guest::new(Release::V6_1, "/p").ram_disk_mib(64).parameter("x=1");
        let token = Token::random().unwrap();
        let line = append(&guest, &token);
        for word in [
            "panic=-1",
            "oops=panic",
            "panic_on_warn=1",
            "nvme_vm_disk_kib=65536",
            "x=1",
            "nvme_vm_network=none",
        ] {
            assert!(line.split(' ').any(|had| had == word), "{word} in {line}");
        }
        assert_eq!(Token::from_command_line(&line), Some(token));
    }

    #[test]
    fn emulation_never_offers_cmpxchg16b() {
        assert!(Accel::Tcg.options().contains(&"max,cx16=off"));
    }

    #[test]
    fn lines_arrive_without_loss() {
        let lines = read_lines(Some(io::Cursor::new(b"a\r\nb\nlast \xff".to_vec())));
        assert_eq!(lines.iter().collect::<Vec<_>>(), ["a\r\n", "b\n", "last \u{fffd}"]);
    }
}
