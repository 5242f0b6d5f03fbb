//! Long random histories over two paths whose cables and states change at random, compared with a simple model of a disk.
//!
//! Every block has one writer, which writes ascending versions. The model: a read, and what is there at the end, is the version that was acknowledged last, or
//! one of those that were begun after it and failed with unknown outcome. A version never goes backwards.
#![cfg(all(feature = "tokio", feature = "soft-target"))]

mod paths_rig;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use nvme_fabrics::target::AnaState;
use nvme_fabrics::tcp::BlockRange;
use nvme_fabrics::tcp::multipath::{Disk, LateWrites, NoPath, PathOptions, Paths, Policy};
use nvme_proto::Nsid;
use tokio::time::sleep;

use paths_rig::{BLOCK, Cable, Rig, nqn};

/// Blocks of each writer: several, so that requests are of several blocks.
const WIDTH: usize = 4;
const WRITERS: usize = 8;
const READERS: usize = 2;

/// What is known of the blocks of one writer.
#[derive(Default)]
struct Known {
    /// The last version that was acknowledged.
    acknowledged: AtomicU64,
    /// The last version that was begun.
    begun: AtomicU64,
}

/// The blocks of a version, each of them different.
fn content(writer: usize, version: u64) -> Vec<u8> {
    let mut data = Vec::with_capacity(WIDTH * BLOCK);
    for block in 0..WIDTH {
        let mut bytes = [(writer * 16 + block) as u8; BLOCK];
        bytes[..8].copy_from_slice(&version.to_le_bytes());
        bytes[BLOCK - 8..].copy_from_slice(&version.to_le_bytes());
        data.extend_from_slice(if version == 0 { &[0; BLOCK] } else { &bytes });
    }
    data
}

/// The version of each block of what was read; both ends of a block have to agree.
fn versions(writer: usize, data: &[u8]) -> Vec<u64> {
    let version = |block: &[u8]| u64::from_le_bytes(block[..8].try_into().unwrap());
    let all: Vec<u64> = data.chunks(BLOCK).map(version).collect();
    for (index, version) in all.iter().enumerate() {
        let want = content(writer, *version);
        assert_eq!(data[index * BLOCK..][..BLOCK], want[index * BLOCK..][..BLOCK], "a block of two versions");
    }
    all
}

/// Checks what was read between these two looks at the model.
fn check(writer: usize, data: &[u8], acknowledged_before: u64, begun_after: u64) {
    let all = versions(writer, data);
    for version in &all {
        assert!(
            (acknowledged_before..=begun_after).contains(version),
            "writer {writer}: {acknowledged_before} was acknowledged and {begun_after} begun, and {all:?} is there"
        );
    }
}

struct History {
    disk: Disk,
    known: Vec<Known>,
    over: AtomicBool,
    late: LateWrites,
}

async fn write(history: Arc<History>, writer: usize, seed: u64) -> u64 {
    let mut random = fastrand::Rng::with_seed(seed);
    let lba = (writer * WIDTH) as u64;
    let mut failures = 0;
    let mut version = 0;
    while !history.over.load(Ordering::Relaxed) {
        version += 1;
        history.known[writer].begun.store(version, Ordering::SeqCst);
        match history.disk.write(lba, content(writer, version)).await {
            Ok(()) => history.known[writer].acknowledged.store(version, Ordering::SeqCst),
            Err(error) => {
                assert!(error.outcome_unknown() || error.is_retryable(), "{error}");
                assert!(!error.outcome_unknown() || history.late == LateWrites::Fail, "{error}");
                failures += 1;
            }
        }
        if random.u8(..) < 32 {
            history.disk.flush().await.ok();
        }
        sleep(Duration::from_millis(random.u64(0..60))).await;
    }
    failures
}

async fn read(history: Arc<History>, seed: u64) -> u64 {
    let mut random = fastrand::Rng::with_seed(seed);
    let mut done = 0;
    while !history.over.load(Ordering::Relaxed) {
        let writer = random.usize(..WRITERS);
        let before = history.known[writer].acknowledged.load(Ordering::SeqCst);
        if let Ok(data) = history.disk.read((writer * WIDTH) as u64, WIDTH as u32).await {
            check(writer, &data, before, history.known[writer].begun.load(Ordering::SeqCst));
            done += 1;
        }
        sleep(Duration::from_millis(random.u64(0..20))).await;
    }
    done
}

/// What happens to the paths: at most one of them is out of order at a time for long, both are for a while.
async fn trouble(rig: &Rig, random: &mut fastrand::Rng, steps: usize) {
    for _ in 0..steps {
        let port = random.usize(..2);
        match random.u8(..8) {
            0 | 1 => {
                rig.cable(port, Cable::Held);
                sleep(Duration::from_millis(random.u64(0..60))).await;
                rig.cable(port, Cable::Late(Duration::from_millis(random.u64(0..12_000))));
            }
            2 => rig.cable(port, Cable::Cut),
            3 => {
                rig.cable(port, Cable::Held);
                sleep(Duration::from_millis(random.u64(0..200))).await;
            }
            4 => rig.access(port, AnaState::Inaccessible),
            5 => rig.access(port, AnaState::NonOptimized),
            6 => rig.access(port, AnaState::Change),
            _ => {}
        }
        sleep(Duration::from_millis(random.u64(0..3_000))).await;
        if random.bool() {
            rig.cable(port, Cable::Good);
            rig.access(port, AnaState::Optimized);
        }
        // The other one is all right sooner or later.
        if random.u8(..) < 64 {
            rig.cable(1 - port, Cable::Good);
            rig.access(1 - port, AnaState::Optimized);
        }
    }
    for port in 0..2 {
        rig.cable(port, Cable::Good);
        rig.access(port, AnaState::Optimized);
    }
}

async fn history(seed: u64, policy: Policy, late: LateWrites, no_path: NoPath) {
    let mut random = fastrand::Rng::with_seed(seed);
    let rig = Rig::new(WRITERS * WIDTH).await;
    let paths = Paths::new(nqn(), PathOptions::default().policy(policy).late_writes(late).no_path(no_path));
    rig.join(&paths).await;
    let disk = paths.disk(Nsid::ONE).await.unwrap();
    let known = (0..WRITERS).map(|_| Known::default()).collect();
    let history = Arc::new(History { disk: disk.clone(), known, over: AtomicBool::new(false), late });
    let writers: Vec<_> = (0..WRITERS)
        .map(|writer| tokio::spawn(write(Arc::clone(&history), writer, random.u64(..))))
        .collect();
    let readers: Vec<_> =
        (0..READERS).map(|_| tokio::spawn(read(Arc::clone(&history), random.u64(..)))).collect();
    trouble(&rig, &mut random, 40).await;
    sleep(Duration::from_secs(30)).await;
    history.over.store(true, Ordering::Relaxed);
    let mut failures = 0;
    for writer in writers {
        failures += writer.await.unwrap();
    }
    let mut reads = 0;
    for reader in readers {
        reads += reader.await.unwrap();
    }
    // Whatever is still on its way anywhere has arrived by now.
    sleep(Duration::from_secs(30)).await;
    let mut written = 0;
    for writer in 0..WRITERS {
        let known = &history.known[writer];
        let (acknowledged, begun) = (&known.acknowledged, &known.begun);
        let data = disk.read((writer * WIDTH) as u64, WIDTH as u32).await.unwrap();
        check(writer, &data, acknowledged.load(Ordering::SeqCst), begun.load(Ordering::SeqCst));
        written += acknowledged.load(Ordering::SeqCst);
    }
    assert!(written > 500 && reads > 500, "{written} writes and {reads} reads are no history");
    assert!(failures == 0 || no_path == NoPath::Fail || late == LateWrites::Fail, "{failures} writes failed");
    // No request is left behind, and the disk is as good as new.
    assert!(disk.paths().iter().all(|path| path.busy == 0 && path.usable), "{:?}", disk.paths());
    disk.verify(BlockRange { lba: 0, blocks: disk.blocks() }).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn no_acknowledged_write_is_lost_while_requests_wait_for_paths() {
    let wait = NoPath::Wait(Duration::from_secs(120));
    history(1, Policy::RoundRobin, LateWrites::Fenced, wait).await;
    history(2, Policy::QueueDepth, LateWrites::Fenced, NoPath::WaitForEver).await;
}

#[tokio::test(start_paused = true)]
async fn no_acknowledged_write_is_lost_while_requests_fail() {
    history(3, Policy::Preferred, LateWrites::Fail, NoPath::Fail).await;
    history(4, Policy::RoundRobin, LateWrites::Fail, NoPath::Wait(Duration::from_secs(5))).await;
}
