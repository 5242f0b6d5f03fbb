//! ext4 and XFS on a disk of our soft target: made, mounted, stressed, checked; fio's own verification beside them.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::thread;

use nvme_examples::filesystem::Checked;

use super::soft::{Connected, Soft};
use crate::ensure;
use crate::guest::{Case, Ctx, Failure};

/// The cases of this file.
pub const CASES: &[Case] = &[
    Case::new("soft_filesystems::ext4_in_memory", ext4_in_memory),
    Case::new("soft_filesystems::xfs_in_a_file", xfs_in_a_file),
    Case::new("soft_filesystems::fio_finds_what_it_wrote", fio_finds_what_it_wrote),
];

fn ext4_in_memory(ctx: &mut Ctx) -> Result<(), Failure> {
    used(ctx, "ext4", "mem:128m", &["mkfs.ext4", "-q"], &["fsck.ext4", "-f", "-n"])
}

fn xfs_in_a_file(ctx: &mut Ctx) -> Result<(), Failure> {
    let file = ctx.scratch().join("backing");
    File::create(&file)?.set_len(320 << 20)?;
    used(ctx, "xfs", &file.to_string_lossy(), &["mkfs.xfs", "-q", "-f"], &["xfs_repair", "-n"])
}

/// Digests on, so that the host checks every byte as well.
fn used(ctx: &mut Ctx, kind: &str, device: &str, make: &[&str], check: &[&str]) -> Result<(), Failure> {
    ctx.modprobe("nvme-tcp")?;
    let soft = Soft::start(&["-a", "127.0.0.1", "-s", "0", "--device", device])?;
    let connected = Connected::to(&soft.options("127.0.0.1")?.header_digest()?.data_digest()?)?;
    let disk = connected.disk.to_string_lossy().into_owned();
    let run = |ctx: &mut Ctx, words: &[&str]| {
        let words = [words, &[&*disk]].concat();
        ctx.run(words[0], &words[1..]).map(drop)
    };
    run(ctx, make)?;
    let point = ctx.mount(&connected.disk, kind)?;
    let kept = stress(&point)?;
    ctx.umount(&point)?;
    run(ctx, check)?;
    let again = ctx.mount(&connected.disk, kind)?;
    for checked in &kept {
        let path = again.join(checked.path.strip_prefix(&point)?);
        Checked { path, ..checked.clone() }.verify()?;
    }
    ctx.run("fstrim", [&*again.to_string_lossy()])?;
    ctx.umount(&again)?;
    run(ctx, check)?;
    connected.leave()?;
    soft.stop()
}

/// Four threads that make, sync, rename, grow, shorten and delete files at the same time; gives the files that stay.
fn stress(point: &Path) -> Result<Vec<Checked>, Failure> {
    let threads: Vec<_> = (0..4u64)
        .map(|number| {
            let folder = point.join(format!("thread{number}"));
            thread::spawn(move || one(&folder, number))
        })
        .collect();
    let mut kept = Vec::new();
    for thread in threads {
        kept.extend(thread.join().map_err(|_| Failure::new("a thread panicked"))??);
    }
    ensure!(kept.len() == 4 * 6, "{} files", kept.len());
    Ok(kept)
}

fn one(folder: &Path, number: u64) -> Result<Vec<Checked>, Failure> {
    fs::create_dir(folder)?;
    let mut kept = Vec::new();
    for round in 0..12u64 {
        let path: PathBuf = folder.join(format!("file{round}"));
        let len = (round + 1) * 37_013;
        let checked = Checked::write(&path, len, number << 8 | round)?;
        match round % 4 {
            // Gone again.
            0 => fs::remove_file(&path)?,
            // Over another one.
            1 => {
                let other = folder.join("renamed");
                fs::rename(&path, &other)?;
                kept.retain(|kept: &Checked| kept.path != other);
                kept.push(Checked { path: other, ..checked });
            }
            // Longer, then as it was.
            2 => {
                let file = File::options().write(true).open(&path)?;
                file.set_len(len + 100_000)?;
                file.sync_all()?;
                file.set_len(len)?;
                kept.push(checked);
            }
            _ => {
                let link = folder.join(format!("link{round}"));
                fs::hard_link(&path, &link)?;
                fs::remove_file(&path)?;
                kept.push(Checked { path: link, ..checked });
            }
        }
    }
    // Of three renames only the last is left: 3 + 3 + 1, and the first of the rest goes too.
    let first = kept.remove(0);
    fs::remove_file(first.path)?;
    Ok(kept)
}

/// fio writes at random with a checksum in every block, then reads all of them back.
fn fio_finds_what_it_wrote(ctx: &mut Ctx) -> Result<(), Failure> {
    ctx.modprobe("nvme-tcp")?;
    let soft = Soft::start(&["-a", "127.0.0.1", "-s", "0", "--device", "mem:32m", "--threads", "2"])?;
    let connected = Connected::to(&soft.options("127.0.0.1")?)?;
    let filename = format!("--filename={}", connected.disk.display());
    let words = [
        "--name=verified",
        &filename,
        "--ioengine=libaio",
        "--direct=1",
        "--rw=randwrite",
        "--bsrange=4k-64k",
        "--iodepth=16",
        "--size=16m",
        "--verify=crc32c",
        "--verify_fatal=1",
        "--randseed=7",
        "--thread",
    ];
    let said = ctx.run("fio", words)?.stdout;
    ensure!(said.contains("err= 0"), "{said}");
    connected.leave()?;
    soft.stop()
}
