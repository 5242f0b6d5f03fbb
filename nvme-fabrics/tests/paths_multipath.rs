//! Several paths to one disk: which one is used, and what happens when it fails.
#![cfg(all(feature = "tokio", feature = "soft-target"))]

mod paths_rig;

use std::time::Duration;

use nvme_fabrics::target::AnaState;
use nvme_fabrics::tcp::multipath::{DiskError, LateWrites, NoPath, PathEvent, PathOptions, Policy};
use nvme_fabrics::tcp::{BlockRange, Deallocate, State};
use nvme_proto::command::io::{AcquireAction, PersistChange, RegisterAction, ReleaseAction, ReservationType};
use tokio::time::{Instant, sleep, timeout};

use paths_rig::{Cable, block, options, timed, two_paths, usable};

#[tokio::test(start_paused = true)]
async fn the_calls_of_a_namespace_over_two_paths() {
    let (_rig, paths, disk) = two_paths(options()).await;
    assert_eq!((disk.block_size(), disk.blocks(), disk.len()), (512, 64, 64 * 512));
    assert_eq!(disk.identity().nguid, Some([7; 16]));
    assert_eq!(paths.list().len(), 2);
    disk.write(0, block(1)).await.unwrap();
    disk.write_from(1, &block(2)).await.unwrap();
    disk.write_at(1024, block(3)).await.unwrap();
    assert_eq!(disk.read(0, 3).await.unwrap(), [block(1), block(2), block(3)].concat());
    assert_eq!(disk.read_into(1, block(0)).await.unwrap(), block(2));
    let mut slice = block(0);
    disk.read_to(2, &mut slice).await.unwrap();
    assert_eq!(slice, block(3));
    assert_eq!(disk.read_at(512, 512).await.unwrap(), block(2));
    disk.compare(0, block(1)).await.unwrap();
    assert!(disk.compare(0, block(9)).await.unwrap_err().status().is_some());
    disk.flush().await.unwrap();
    disk.verify(BlockRange { lba: 0, blocks: 3 }).await.unwrap();
    disk.write_zeroes(BlockRange { lba: 0, blocks: 1 }, Deallocate::No).await.unwrap();
    disk.discard(&[BlockRange { lba: 1, blocks: 1 }]).await.unwrap();
    assert_eq!(disk.read(0, 1).await.unwrap(), block(0));
    assert!(matches!(disk.read(64, 1).await, Err(DiskError::Command(_))));
}

#[tokio::test(start_paused = true)]
async fn the_states_of_the_target_decide_and_are_followed() {
    let (rig, paths, disk) = two_paths(options()).await;
    let ids: Vec<_> = paths.list().iter().map(|path| path.id).collect();
    let mut events = paths.events();
    rig.access(0, AnaState::NonOptimized);
    let changed = async {
        loop {
            if let PathEvent::Access { path, state, .. } = events.next().await.unwrap() {
                return (path, state);
            }
        }
    };
    let changed = timeout(Duration::from_secs(60), changed).await.unwrap();
    assert_eq!(changed, (ids[0], nvme_proto::log::AnaState::NON_OPTIMIZED));
    usable(&disk, [true, true]).await;
    // Held back on the optimized path, a request shows that it went there.
    rig.cable(1, Cable::Held);
    let write = tokio::spawn({
        let disk = disk.clone();
        async move { disk.write(0, block(1)).await }
    });
    sleep(Duration::from_millis(1)).await;
    assert!(!write.is_finished());
    assert_eq!(disk.paths().iter().map(|path| path.busy).collect::<Vec<_>>(), [0, 1]);
    rig.cable(1, Cable::Good);
    write.await.unwrap().unwrap();
    // The only one that is left is used, however bad.
    rig.access(1, AnaState::Inaccessible);
    usable(&disk, [true, false]).await;
    assert_eq!(disk.read(0, 1).await.unwrap(), block(1));
    rig.access(0, AnaState::PersistentLoss);
    rig.access(1, AnaState::Optimized);
    usable(&disk, [false, true]).await;
    assert_eq!(disk.read(0, 1).await.unwrap(), block(1));
}

#[tokio::test(start_paused = true)]
async fn a_command_that_is_refused_by_state_goes_another_way_before_the_event_is_there() {
    let (rig, _paths, disk) = two_paths(options()).await;
    for round in 0..20 {
        let (worse, better) = (round % 2, 1 - round % 2);
        rig.access(better, AnaState::Optimized);
        rig.access(worse, AnaState::Inaccessible);
        // Nobody has had time to hear of it.
        for lba in 0..4 {
            disk.write(lba, block(round as u8)).await.unwrap();
        }
        assert_eq!(disk.read(3, 1).await.unwrap(), block(round as u8));
    }
}

#[tokio::test(start_paused = true)]
async fn when_no_path_reaches_it_requests_wait_and_go_on() {
    let (rig, _paths, disk) = two_paths(options()).await;
    rig.access(0, AnaState::Inaccessible);
    rig.access(1, AnaState::Inaccessible);
    let late = async {
        sleep(Duration::from_secs(20)).await;
        rig.access(1, AnaState::NonOptimized);
    };
    let ((written, took), ()) = tokio::join!(timed(disk.write(0, block(5))), late);
    written.unwrap();
    assert!((20..22).contains(&took.as_secs()), "{took:?}");
    rig.access(1, AnaState::Inaccessible);
    let (error, took) = timed(disk.read(0, 1)).await;
    let error = error.unwrap_err();
    assert!(matches!(error, DiskError::NoPath { .. }) && error.is_retryable(), "{error}");
    assert!((60..62).contains(&took.as_secs()), "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn nobody_waits_where_waiting_is_not_wanted_or_of_no_use() {
    let (rig, _paths, disk) = two_paths(options().no_path(NoPath::Fail)).await;
    rig.access(0, AnaState::Inaccessible);
    rig.access(1, AnaState::Inaccessible);
    usable(&disk, [false, false]).await;
    let (error, took) = timed(disk.read(0, 1)).await;
    assert!(matches!(error.unwrap_err(), DiskError::NoPath { .. }) && took.is_zero());
    let (rig, paths, disk) = two_paths(options().no_path(NoPath::WaitForEver)).await;
    rig.access(0, AnaState::PersistentLoss);
    rig.access(1, AnaState::PersistentLoss);
    usable(&disk, [false, false]).await;
    let (error, took) = timed(disk.read(0, 1)).await;
    assert!(matches!(error.unwrap_err(), DiskError::NoPath { .. }) && took.as_secs() < 2, "{took:?}");
    // A path that is added is one at once.
    for path in paths.list() {
        drop(paths.leave(path.id).unwrap());
    }
    rig.access(1, AnaState::Optimized);
    paths.join(rig.connect(1).await).await.unwrap();
    disk.write(0, block(3)).await.unwrap();
    assert_eq!(paths.list().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_bounded_number_of_requests_waits() {
    let (rig, _paths, disk) = two_paths(options().max_waiting(2)).await;
    rig.access(0, AnaState::Inaccessible);
    rig.access(1, AnaState::Inaccessible);
    usable(&disk, [false, false]).await;
    let requests: Vec<_> = (0..4)
        .map(|lba| {
            let disk = disk.clone();
            tokio::spawn(async move { disk.write(lba, block(1)).await })
        })
        .collect();
    sleep(Duration::from_secs(1)).await;
    rig.access(0, AnaState::Optimized);
    let mut busy = 0;
    for request in requests {
        match request.await.unwrap() {
            Ok(()) => {}
            Err(DiskError::Busy { waiting: 2 }) => busy += 1,
            Err(error) => panic!("{error}"),
        }
    }
    assert_eq!(busy, 2);
}

#[tokio::test(start_paused = true)]
async fn a_lost_path_costs_nothing_but_the_writes_that_were_on_it() {
    let (rig, paths, disk) = two_paths(options()).await;
    rig.cable(0, Cable::Held);
    let on_the_way = |lba: u64| {
        let disk = disk.clone();
        tokio::spawn(async move { timed(disk.write(lba, block(8))).await })
    };
    let writes = [on_the_way(0), on_the_way(1)];
    let reads: Vec<_> = (0..2)
        .map(|_| {
            let disk = disk.clone();
            tokio::spawn(async move { timed(disk.read(2, 1)).await })
        })
        .collect();
    sleep(Duration::from_millis(1)).await;
    rig.cable(0, Cable::Cut);
    for read in reads {
        let (data, took) = read.await.unwrap();
        assert_eq!(data.unwrap(), block(0));
        assert!(took.as_secs() < 1, "a read goes another way at once: {took:?}");
    }
    // While the two wait for the fence, others go on.
    let (other, took) = timed(disk.write(3, block(4))).await;
    other.unwrap();
    assert!(took.as_secs() < 1, "{took:?}");
    let mut waited = 0;
    for write in writes {
        let (written, took) = write.await.unwrap();
        written.unwrap();
        waited += usize::from((15..17).contains(&took.as_secs()));
    }
    assert_eq!(waited, 1, "the one by the other path did not wait");
    assert_eq!(disk.read(0, 4).await.unwrap(), [block(8), block(8), block(0), block(4)].concat());
    // And the path comes back.
    assert!(matches!(paths.list()[0].state, State::Reconnecting { .. }));
    rig.cable(0, Cable::Good);
    usable(&disk, [true, true]).await;
}

/// A write that sits in a target whose connection was lost, while newer data are written by another path.
async fn old_write_and_new_write(late: LateWrites) -> (Vec<u8>, Duration) {
    let (rig, _paths, disk) = two_paths(options().late_writes(late).policy(Policy::Preferred)).await;
    rig.cable(0, Cable::Held);
    let start = Instant::now();
    let old = tokio::spawn({
        let disk = disk.clone();
        async move { disk.write(0, block(1)).await }
    });
    sleep(Duration::from_millis(1)).await;
    // The host loses the connection; the target gets the write three seconds later.
    rig.cable(0, Cable::Late(Duration::from_secs(3)));
    let old = old.await.unwrap();
    if matches!(late, LateWrites::Fail) {
        assert!(old.unwrap_err().outcome_unknown());
    } else {
        old.unwrap();
    }
    // Only now the caller knows that it is over, and writes what is to stay.
    disk.write(0, block(2)).await.unwrap();
    let took = start.elapsed();
    sleep(Duration::from_secs(30)).await;
    (disk.read(0, 1).await.unwrap().to_vec(), took)
}

#[tokio::test(start_paused = true)]
async fn an_old_write_never_overwrites_a_newer_one() {
    for late in [LateWrites::Fenced, LateWrites::Fail] {
        let (data, took) = old_write_and_new_write(late).await;
        assert_eq!(data, block(2), "{late:?}");
        assert!((15..17).contains(&took.as_secs()), "{late:?} {took:?}");
    }
    // What the fence is for: without it the acknowledged write is lost.
    let (data, took) = old_write_and_new_write(LateWrites::AsLinux).await;
    assert_eq!(data, block(1));
    assert!(took.as_secs() < 1, "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn several_buffers_and_reservations_take_any_path_too() {
    let (rig, _paths, disk) = two_paths(options()).await;
    disk.write_vectored(4, vec![block(1).into(), block(2).into()]).await.unwrap();
    let read = disk.read_vectored(4, vec![block(0), block(0)]).await.unwrap();
    assert_eq!(read, [block(1), block(2)]);
    disk.reservation_register(RegisterAction::REGISTER, 0, 7, PersistChange::NO_CHANGE).await.unwrap();
    rig.access(0, AnaState::Inaccessible);
    // A refusal by state executes nothing, so that even this goes another way.
    let kind = ReservationType::WRITE_EXCLUSIVE;
    disk.reservation_acquire(AcquireAction::ACQUIRE, kind, 7, 0).await.unwrap();
    assert_eq!(disk.reservations().await.unwrap().status.kind, kind);
    disk.reservation_release(ReleaseAction::RELEASE, kind, 7).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_reservation_of_unknown_outcome_is_told_when_nothing_can_happen_any_more() {
    let (rig, _paths, disk) = two_paths(options().policy(Policy::Preferred)).await;
    rig.cable(0, Cable::Held);
    let register = tokio::spawn({
        let disk = disk.clone();
        async move {
            timed(disk.reservation_register(RegisterAction::REGISTER, 0, 7, PersistChange::NO_CHANGE)).await
        }
    });
    sleep(Duration::from_millis(1)).await;
    rig.cable(0, Cable::Cut);
    let (error, took) = register.await.unwrap();
    assert!(error.unwrap_err().outcome_unknown());
    assert!((15..17).contains(&took.as_secs()), "{took:?}");
}

#[tokio::test]
async fn a_disk_may_be_used_from_many_tasks() {
    let (_rig, _paths, disk) = two_paths(PathOptions::default()).await;
    let tasks: Vec<_> = (0..32u64)
        .map(|lba| {
            let disk = disk.clone();
            tokio::spawn(async move {
                disk.write(lba, block(lba as u8)).await?;
                disk.read(lba, 1).await
            })
        })
        .collect();
    for (lba, task) in tasks.into_iter().enumerate() {
        assert_eq!(task.await.unwrap().unwrap(), block(lba as u8));
    }
}
