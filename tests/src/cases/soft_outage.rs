//! The soft target goes away in the middle of writes, by a signal or for good, and comes back: the kernel's host waits for
//! it, and nothing that was acknowledged is lost.

use std::fs::File;
use std::time::Duration;

use super::soft::{Connected, Soft};
use super::verified::{BLOCK, BLOCKS, Writers};
use crate::guest::{Case, Ctx, Failure};

/// The cases of this file.
pub const CASES: &[Case] =
    &[Case::new("soft_outage::nothing_acknowledged_is_lost", nothing_acknowledged_is_lost)];

fn nothing_acknowledged_is_lost(ctx: &mut Ctx) -> Result<(), Failure> {
    ctx.modprobe("nvme-tcp")?;
    let file = ctx.scratch().join("backing");
    File::create(&file)?.set_len(BLOCKS * BLOCK as u64)?;
    let file = file.to_string_lossy().into_owned();
    let words = ["-a", "127.0.0.1", "-s", "4420", "--device", &*file];
    let mut soft = Soft::start(&words)?;
    let options = soft.options("127.0.0.1")?.reconnect_delay(Duration::from_secs(1))?;
    let connected = Connected::to(&options)?;

    let writers = Writers::start(&connected.disk);
    writers.progress(ctx)?;
    for graceful in [false, true, false] {
        match graceful {
            true => soft.stop()?,
            false => soft.kill()?,
        }
        soft = Soft::start(&words)?;
        writers.progress(ctx)?;
    }
    let written = writers.check()?;
    ctx.note(&format!("{written} writes acknowledged over three outages"));
    connected.leave()?;
    soft.stop()
}
