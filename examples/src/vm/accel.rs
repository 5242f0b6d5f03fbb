//! Whether the processor can run guests itself (KVM), found out by doing it.
//!
//! `/dev/kvm` may exist and be unusable: no permission, no nested virtualization, or a host that emulates it badly. So a
//! 64 KiB firmware image of a few instructions is run: it ends QEMU with a certain status, or it does not in a few seconds.
//! What passes that and still cannot run a kernel (a host that emulates only some instructions) is noticed when a guest shows
//! no sign of life, and `distrust_kvm` keeps the rest of the process from trying again.

use std::env;
use std::fmt;
use std::path::Path;
use std::process::Stdio;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use super::cache::{self, FileError, Scratch};
use super::command;
use super::tools;

/// Environment variable that says which way to use without a probe: `kvm` or `tcg`.
pub const ACCEL_VARIABLE: &str = "NVME_VM_ACCEL";

/// How a guest's instructions are run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Accel {
    /// By the processor.
    Kvm,
    /// By QEMU in software: 10 to 20 times slower, works everywhere.
    Tcg,
}

impl Accel {
    /// QEMU's options for it.
    pub(crate) fn options(self) -> [&'static str; 4] {
        match self {
            Self::Kvm => ["-accel", "kvm", "-cpu", "host"],
            // Without cx16=off about half of the 6.12 guests die at boot in a double fault: QEMU's emulation of
            // cmpxchg16b goes wrong there.
            Self::Tcg => ["-accel", "tcg,thread=single", "-cpu", "max,cx16=off"],
        }
    }
}

impl fmt::Display for Accel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Kvm => "KVM",
            Self::Tcg => "software emulation",
        })
    }
}

static KVM_DISTRUSTED: AtomicBool = AtomicBool::new(false);

/// Makes [`best`] choose emulation from now on.
pub(crate) fn distrust_kvm() {
    KVM_DISTRUSTED.store(true, Ordering::Relaxed);
}

/// The best way that works here. Probed once per process.
pub(crate) fn best() -> Accel {
    static BEST: OnceLock<Accel> = OnceLock::new();
    if KVM_DISTRUSTED.load(Ordering::Relaxed) {
        return Accel::Tcg;
    }
    *BEST.get_or_init(|| match env::var(ACCEL_VARIABLE).as_deref() {
        Ok("kvm") => Accel::Kvm,
        Ok("tcg") => Accel::Tcg,
        _ if Path::new("/dev/kvm").exists() && kvm_works().unwrap_or(false) => Accel::Kvm,
        _ => Accel::Tcg,
    })
}

/// Port of QEMU's exit device; writing N there ends QEMU with status 2N + 1.
const EXIT_PORT: u8 = 0xf4;
const EXIT_VALUE: u8 = 0x21;
const EXIT_STATUS: i32 = 2 * EXIT_VALUE as i32 + 1;
const PATIENCE: Duration = Duration::from_secs(8);

/// A firmware image whose first instructions, where a processor starts (16 bytes below the end), write to the exit port.
fn firmware() -> Vec<u8> {
    const LEN: usize = 64 * 1024;
    // mov al, EXIT_VALUE; out EXIT_PORT, al; hlt; jmp back to hlt
    let code = [0xb0, EXIT_VALUE, 0xe6, EXIT_PORT, 0xf4, 0xeb, 0xfd];
    let mut image = vec![0xf4; LEN - 16];
    image.extend(code);
    image.resize(LEN, 0xf4);
    image
}

/// With the very options of a guest: some hosts fail on the processor model alone.
fn kvm_works() -> Result<bool, FileError> {
    run_firmware(&Accel::Kvm.options())
}

fn run_firmware(accel: &[&str]) -> Result<bool, FileError> {
    let scratch = Scratch::create(&cache::root().join("runs"))?;
    let bios = scratch.path().join("probe.bin");
    cache::write(&bios, firmware())?;
    let mut qemu = command::command(tools::find("qemu-system-x86_64"));
    qemu.args(accel).args([
        "-nodefaults",
        "-no-user-config",
        "-display",
        "none",
        "-no-reboot",
        "-m",
        "16",
        "-bios",
    ]);
    qemu.arg(&bios).args(["-device", &format!("isa-debug-exit,iobase={EXIT_PORT:#x},iosize=1")]);
    qemu.stdout(Stdio::null()).stderr(Stdio::null());
    let Ok(mut child) = qemu.spawn() else { return Ok(false) };
    let end = Instant::now() + PATIENCE;
    while Instant::now() < end {
        match child.try_wait() {
            Ok(Some(status)) => return Ok(status.code() == Some(EXIT_STATUS)),
            Ok(None) => thread::sleep(Duration::from_millis(10)),
            Err(_) => break,
        }
    }
    // Hung: it is ours to end, whatever it answers.
    let _ = child.kill();
    let _ = child.wait();
    Ok(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn firmware_starts_sixteen_bytes_below_its_end() {
        let image = firmware();
        assert_eq!(image.len() % 65536, 0);
        assert_eq!(image[image.len() - 16..][..4], [0xb0, EXIT_VALUE, 0xe6, EXIT_PORT]);
    }

    #[test]
    fn probe_says_yes_exactly_where_instructions_run() {
        // Checked with software emulation, which works wherever QEMU is installed.
        let installed = tools::locate("qemu-system-x86_64").is_some();
        assert_eq!(run_firmware(&Accel::Tcg.options()).unwrap(), installed);
        assert!(!run_firmware(&["-accel", "no-such-accelerator"]).unwrap());
    }
}
