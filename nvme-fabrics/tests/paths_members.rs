//! What may be a path to a disk, and what becomes of those that end.
#![cfg(all(feature = "tokio", feature = "soft-target"))]

mod paths_rig;

use std::sync::Arc;
use std::time::Duration;

use nvme_fabrics::target::backend::Memory;
use nvme_fabrics::tcp::State;
use nvme_fabrics::tcp::multipath::{DiskError, JoinError, PathEvent, Paths};
use nvme_fabrics::{ControllerLoss, FastIoFail};
use nvme_proto::Nsid;
use tokio::time::{sleep, timeout};

use paths_rig::{BLOCK, Cable, Rig, block, nqn, options, timed, two_paths, usable};

#[tokio::test(start_paused = true)]
async fn what_cannot_be_a_path_is_refused() {
    let rig = Rig::new(8).await;
    let paths = Paths::new(nqn(), options().max_paths(1));
    let waits = rig.dial(0).fast_io_fail(FastIoFail::Off).connect().await.unwrap();
    assert!(matches!(paths.join(waits).await, Err(JoinError::NotAPath { waits: true })));
    let replays = rig.dial(0).fast_io_fail(FastIoFail::After(Duration::ZERO)).connect().await.unwrap();
    assert!(matches!(paths.join(replays).await, Err(JoinError::NotAPath { waits: false })));
    let controller = rig.connect(0).await;
    let path = paths.join(controller.clone()).await.unwrap();
    assert!(matches!(paths.join(rig.connect(1).await).await, Err(JoinError::TooMany { max: 1 })));
    let others = Paths::new("nqn.2014-08.org.example:other".parse().unwrap(), options());
    assert!(matches!(others.join(controller.clone()).await, Err(JoinError::OtherSubsystem { .. })));
    let more = Paths::new(nqn(), options());
    more.join(controller.clone()).await.unwrap();
    assert!(matches!(more.join(controller).await, Err(JoinError::SameController { .. })));
    assert!(paths.leave(path).is_some() && paths.leave(path).is_none());
    assert!(paths.disk(Nsid::ONE).await.is_err(), "no path is left");
}

#[tokio::test(start_paused = true)]
async fn another_disk_of_the_same_number_is_never_written_to() {
    let rig = Rig::new(8).await;
    // A second target that claims to be the same subsystem.
    let impostor = Rig::with(|subsystem| {
        let memory = Arc::new(Memory::new((8 * BLOCK) as u64).unwrap());
        let namespace = nvme_fabrics::target::Namespace::new(Nsid::ONE, memory).nguid([9; 16]);
        subsystem.namespace(namespace).unwrap()
    })
    .await;
    let paths = Paths::new(nqn(), options());
    paths.join(rig.connect(0).await).await.unwrap();
    let disk = paths.disk(Nsid::ONE).await.unwrap();
    let mut events = paths.events();
    // Its controllers have numbers of their own, so that the numbers do not give it away.
    let _first = impostor.connect(0).await;
    let other = paths.join(impostor.connect(1).await).await.unwrap();
    let refused = timeout(Duration::from_secs(60), async {
        loop {
            if let PathEvent::Refused { path, mismatch, .. } = events.next().await.unwrap() {
                return (path, mismatch.is_some());
            }
        }
    });
    assert_eq!(refused.await.unwrap(), (other, true));
    usable(&disk, [true, false]).await;
    assert!(disk.paths()[1].mismatch.is_some());
    for lba in 0..8 {
        disk.write(lba, block(6)).await.unwrap();
    }
    let theirs = impostor.connect(0).await.namespace(Nsid::ONE).await.unwrap();
    assert_eq!(theirs.read(0, 8).await.unwrap(), vec![0; 8 * BLOCK]);
}

#[tokio::test(start_paused = true)]
async fn paths_that_are_gone_for_good_are_told_and_the_others_go_on() {
    let rig = Rig::new(8).await;
    let paths = Paths::new(nqn(), options());
    let mut events = paths.events();
    for port in 0..2 {
        let connect = nvme_fabrics::tcp::multipath::path(rig.dial(port))
            .reconnect_delay(Duration::from_secs(1))
            .controller_loss(ControllerLoss::After(Duration::from_secs(5)));
        paths.join(connect.connect().await.unwrap()).await.unwrap();
    }
    let disk = paths.disk(Nsid::ONE).await.unwrap();
    rig.cable(0, Cable::Cut);
    let gone = timeout(Duration::from_secs(60), async {
        loop {
            if let PathEvent::Connection { state: State::Gone { .. }, path } = events.next().await.unwrap() {
                return path;
            }
        }
    });
    assert_eq!(gone.await.unwrap(), paths.list()[0].id);
    disk.write(0, block(1)).await.unwrap();
    rig.cable(1, Cable::Cut);
    // Both are gone: nobody waits a minute for nothing.
    let (error, took) = timed(disk.read(0, 1)).await;
    assert!(matches!(error, Err(DiskError::NoPath { .. })), "{error:?}");
    assert!(took.as_secs() < 12, "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn paths_that_nobody_has_a_handle_to_are_disconnected() {
    let (rig, paths, disk) = two_paths(options()).await;
    disk.write(0, block(1)).await.unwrap();
    assert_eq!(rig.target.associations().len(), 2);
    drop(paths);
    disk.read(0, 1).await.unwrap();
    drop(disk);
    let gone = async {
        while !rig.target.associations().is_empty() {
            sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(Duration::from_secs(10), gone).await.expect("controllers are left over");
}
