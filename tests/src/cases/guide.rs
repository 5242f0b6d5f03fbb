//! The guide, from step 1 to step 4.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use nvme_examples::filesystem::{Checked, Mounted, make_ext4};
use nvme_examples::guide::{Guide, Telling};
use nvme_fabrics::{Inventory, Sysfs};

use super::scene;
use crate::guest::{Case, Ctx, Failure};
use crate::{ensure, ensure_eq};

/// The cases of this file.
pub const CASES: &[Case] = &[
    Case::new("guide::plays_from_start_to_end", plays_from_start_to_end),
    Case::new("guide::plays_with_a_host_nqn_of_ones_own", plays_with_a_host_nqn_of_ones_own),
    Case::new("guide::the_program_says_what_it_did", the_program_says_what_it_did),
    Case::new("guide::ext4_survives_a_reconnect", ext4_survives_a_reconnect),
    Case::new("guide::a_failing_step_puts_everything_back", a_failing_step_puts_everything_back),
];

fn guide(device: PathBuf) -> Result<Guide, Failure> {
    Ok(Guide {
        device: Some(device),
        overwrite: true,
        nqn: scene::subsystem("mysub")?,
        traddr: "127.0.0.1".parse()?,
        trsvcid: scene::PORT,
        host_nqn: None,
        runtime: Duration::from_secs(1),
    })
}

fn play(guide: &Guide) -> Result<Vec<String>, Failure> {
    let played = guide.play(Telling::Quiet, Arc::new(AtomicBool::new(false)));
    played.outcome?;
    played.put_back?;
    Ok(played.steps.into_iter().flat_map(|step| step.did).collect())
}

fn plays_from_start_to_end(ctx: &mut Ctx) -> Result<(), Failure> {
    let did = play(&guide(ctx.ram_disk(0)?)?)?.join("\n");
    for wanted in [
        "mysub",
        "port 1 is enabled",
        "/dev/nvme",
        "mkfs.ext4",
        "the same",
        "random write",
        "disconnected nvme",
    ] {
        ensure!(did.contains(wanted), "the story lacks {wanted:?}:\n{did}");
    }
    Ok(())
}

fn plays_with_a_host_nqn_of_ones_own(ctx: &mut Ctx) -> Result<(), Failure> {
    let mut guide = guide(ctx.ram_disk(0)?)?;
    guide.host_nqn = Some("nqn.2024-05.org.example:guide-host".parse()?);
    let did = play(&guide)?.join("\n");
    ensure!(did.contains("as host nqn.2024-05.org.example:guide-host"), "{did}");
    Ok(())
}

fn the_program_says_what_it_did(ctx: &mut Ctx) -> Result<(), Failure> {
    let disk = ctx.ram_disk(0)?;
    let disk = disk.to_string_lossy();
    let out = ctx.run("guide", ["--kernel", "--device", &*disk, "--overwrite", "--runtime", "1"])?;
    ensure!(out.stdout.ends_with("nothing is left behind\n"), "{}", out.stdout);
    let json =
        ctx.run("guide", ["--kernel", "--device", &*disk, "--overwrite", "--runtime", "1", "--json"])?;
    let value: serde_json::Value = serde_json::from_str(&json.stdout)?;
    ensure_eq!(value["steps"].as_array().map(Vec::len), Some(11), "steps in the JSON");
    Ok(())
}

fn ext4_survives_a_reconnect(ctx: &mut Ctx) -> Result<(), Failure> {
    scene::load(ctx)?;
    let disk = ctx.ram_disk(0)?;
    scene::configure(&scene::guide_spec("mysub", &disk, "127.0.0.1")?)?;

    let first = scene::connect_as(scene::me()?, "mysub", "127.0.0.1")?;
    let device = scene::device_of(first.controller)?;
    make_ext4(&device)?;
    let point = ctx.scratch().join("mnt");
    let mounted = Mounted::mount(&device, &point)?;
    let checked = Checked::write(&point.join("file"), 16 << 20, 42)?;
    mounted.unmount()?;
    scene::leave(first.controller)?;
    ensure!(Inventory::scan(&Sysfs::system())?.controllers().next().is_none(), "a controller is left");

    let second = scene::connect_as(scene::me()?, "mysub", "127.0.0.1")?;
    let device = scene::device_of(second.controller)?;
    let mounted = Mounted::mount(&device, &point)?;
    checked.verify()?;
    mounted.unmount()?;
    scene::leave(second.controller)?;
    scene::clear_target()
}

/// The target listens on another address than this machine has: configuring fails after the subsystem was made.
fn a_failing_step_puts_everything_back(ctx: &mut Ctx) -> Result<(), Failure> {
    scene::load(ctx)?;
    let before = ctx.nvmet_dump()?;
    let mut guide = guide(ctx.ram_disk(0)?)?;
    guide.traddr = "192.0.2.77".parse()?;
    let played = guide.play(Telling::Quiet, Arc::new(AtomicBool::new(false)));
    let Err(error) = played.outcome else { return Err(Failure::new("the guide did not fail")) };
    let text = nvme_examples::cli::explain(&error);
    ensure!(text.contains("192.0.2.77") || text.contains("address"), "{text}");
    ctx.note(&text);
    played.put_back?;
    ensure_eq!(ctx.nvmet_dump()?, before, "the tree");
    Ok(())
}
