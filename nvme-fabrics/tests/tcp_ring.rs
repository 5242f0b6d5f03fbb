//! Rings: many requests of one task.
#![cfg(feature = "tokio")]

mod tcp_peer;

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use nvme_fabrics::tcp::{CommandError, Controller, Durability, Namespace, Replay, Ring};
use nvme_proto::Status;
use nvme_proto::digest::Digests;
use tokio::time::Instant;

use tcp_peer::{BLOCK, Fault, Options, READ, Shared, WRITE, open, options, shared};

async fn connect(shared: &Arc<Shared>) -> (Controller, Namespace) {
    open(options(shared)).await
}

fn block(seed: u64) -> Vec<u8> {
    vec![u8::try_from(seed % 251).unwrap(); BLOCK]
}

/// Takes all that is outstanding: tokens and what became of them.
async fn all(ring: &mut Ring) -> BTreeMap<u64, Result<Option<Vec<u8>>, CommandError>> {
    let mut done = BTreeMap::new();
    while let Some(completed) = ring.next().await {
        let before = done.insert(completed.token, completed.result.map(|()| completed.buffer));
        assert!(before.is_none(), "{} was completed twice", completed.token);
    }
    done
}

#[tokio::test]
async fn what_is_written_is_read_at_every_depth_with_every_digest() {
    for digests in [0, 1, 2, 3].map(Digests::from_dgst) {
        for depth in [1, 2, 7, 8, 64, 300] {
            let shared = shared(Options::default());
            let (_controller, namespace) = open(options(&shared).digests(digests)).await;
            let mut ring: Ring = namespace.ring(depth);
            // As many at a time as there is room for, until there were 600.
            let (mut next, mut ended) = (0, 0);
            while ended < 600 {
                while next < 600 && !ring.is_full() {
                    ring.write(next, next, block(next), Durability::Cached).unwrap();
                    next += 1;
                }
                ring.next().await.unwrap().result.unwrap();
                ended += 1;
            }
            assert!(ring.next().await.is_none() && ring.is_empty());
            for first in (0..600).step_by(depth) {
                for lba in first..600.min(first + depth as u64) {
                    ring.read(lba, lba, vec![0; BLOCK]).unwrap();
                }
                for (lba, read) in all(&mut ring).await {
                    assert_eq!(read.unwrap(), Some(block(lba)), "{lba} at depth {depth}");
                }
            }
        }
    }
}

#[tokio::test]
async fn what_a_ring_cannot_take_is_refused_with_its_buffer() {
    let shared = shared(Options { noiob: 100, ..Options::default() });
    let (_controller, namespace) = connect(&shared).await;
    let mut ring: Ring = namespace.ring(2);
    let refused = ring.read(0, 4095, vec![7; 2 * BLOCK]).unwrap_err();
    assert!(matches!(refused.error, CommandError::OutOfRange { lba: 4095, blocks: 2, size: 4096 }));
    assert_eq!(refused.buffer, Some(vec![7; 2 * BLOCK]));
    let refused = ring.read(0, 0, vec![0; 100]).unwrap_err();
    assert!(matches!(refused.error, CommandError::Unaligned { .. }), "{refused}");
    // Across a boundary, and more than a command may have.
    for (lba, blocks) in [(99, 2), (0, 257)] {
        let error = ring.write(0, lba, vec![0; blocks * BLOCK], Durability::Cached).unwrap_err();
        assert!(matches!(error, CommandError::Parameter { value, .. } if value == blocks as u64), "{error}");
    }
    assert!(ring.is_empty(), "nothing of it was noted");
    ring.flush(1).unwrap();
    ring.read(2, 0, vec![0; BLOCK]).unwrap();
    assert!(ring.is_full());
    let refused = ring.read(3, 0, vec![9; BLOCK]).unwrap_err();
    assert!(matches!(refused.error, CommandError::Busy { .. }) && refused.buffer == Some(vec![9; BLOCK]));
    assert!(ring.flush(3).is_err());
    let done = all(&mut ring).await;
    assert_eq!(done.into_keys().collect::<Vec<_>>(), [1, 2]);
}

#[tokio::test]
async fn one_that_fails_fails_alone() {
    let shared = shared(Options::default());
    let (_controller, namespace) = connect(&shared).await;
    shared.io_fault(READ, Fault::Status(Status::LBA_OUT_OF_RANGE.with_dnr()));
    let mut ring: Ring = namespace.ring(4);
    for token in 0..4 {
        ring.read(token, token, vec![1; BLOCK]).unwrap();
    }
    let mut failed = 0;
    while let Some(done) = ring.next().await {
        failed += u32::from(done.result.is_err());
        assert_eq!(done.buffer.map(|buffer| buffer.len()), Some(BLOCK), "it comes back in any case");
    }
    assert_eq!(failed, 1);
}

#[tokio::test(start_paused = true)]
async fn a_lost_connection_means_for_a_ring_what_it_means_for_futures() {
    let shared = shared(Options::default());
    let (_controller, namespace) = connect(&shared).await;
    shared.io_fault(READ, Fault::Close);
    let mut ring: Ring = namespace.ring(4);
    for token in 0..4 {
        ring.read(token, token, vec![1; BLOCK]).unwrap();
    }
    for (token, read) in all(&mut ring).await {
        assert_eq!(read.unwrap(), Some(vec![0; BLOCK]), "{token} was sent again");
    }
    // A write is not, against the caller's will; and the next one waits for the connection.
    let (_controller, namespace) = open(options(&shared).replay(Replay::Reads)).await;
    shared.io_fault(WRITE, Fault::ExecuteAndClose);
    let mut ring: Ring = namespace.ring(4);
    ring.write(0, 0, block(5), Durability::Durable).unwrap();
    let lost = ring.next().await.unwrap();
    assert!(matches!(lost.result, Err(CommandError::Lost { .. })), "{lost:?}");
    ring.read(1, 0, vec![0; BLOCK]).unwrap();
    assert_eq!(ring.next().await.unwrap().buffer, Some(block(5)));
}

#[tokio::test(start_paused = true)]
async fn a_late_command_of_a_ring_is_aborted_though_nobody_polls_it() {
    let shared = shared(Options::default());
    let (controller, namespace) = connect(&shared).await;
    for depth in [1_u64, 20] {
        let started = Instant::now();
        shared.io_fault(READ, Fault::Silence);
        let mut ring: Ring = namespace.ring(20);
        for token in 0..depth {
            ring.read(token, token, vec![0; BLOCK]).unwrap();
        }
        // Polled once, and then nobody does for longer than the command may take.
        let first = std::pin::pin!(ring.next()).poll(&mut Context::from_waker(Waker::noop()));
        assert!(first.is_pending());
        tokio::time::sleep(Duration::from_secs(31)).await;
        let done = all(&mut ring).await;
        assert_eq!(started.elapsed().as_secs(), 31);
        let late =
            done.values().filter(|done| matches!(done, Err(CommandError::TimedOut { aborted: true, .. })));
        assert_eq!((done.len() as u64, late.count()), (depth, 1));
    }
    assert!(controller.state().is_live());
}

#[tokio::test]
async fn a_caller_that_is_not_polled_holds_nobody_up() {
    let shared = shared(Options::default());
    let (_controller, namespace) = connect(&shared).await;
    let cx = &mut Context::from_waker(Waker::noop());
    // The only one, so that it has the connection to itself; then it is left lying.
    let mut idle = Box::pin(namespace.read(0, 1));
    assert!(idle.as_mut().poll(cx).is_pending());
    let mut ring: Ring = namespace.ring(1);
    ring.read(7, 7, vec![0; BLOCK]).unwrap();
    assert!(matches!(ring.poll_completed(cx), Poll::Pending));
    for lba in 0..50 {
        assert_eq!(namespace.read(lba, 1).await.unwrap().len(), BLOCK);
    }
    assert_eq!(ring.next().await.unwrap().token, 7);
    assert_eq!(idle.await.unwrap().len(), BLOCK);
}

#[tokio::test]
async fn rings_that_are_dropped_leave_no_slot_taken() {
    let shared = shared(Options { max_queue_entries: 16, ..Options::default() });
    let (controller, namespace) = connect(&shared).await;
    let depth = u64::from(controller.limits().depth);
    for round in 0..100 {
        let mut ring: Ring = namespace.ring(64);
        for token in 0..round % 40 {
            ring.read(token, token, vec![0; BLOCK]).unwrap();
        }
        match round % 3 {
            0 => {} // only noted
            1 => ring.submit(),
            _ => drop(ring.next().await),
        }
    }
    // Every slot is there again: as many at a time as there are.
    let mut ring: Ring = namespace.ring(64);
    for token in 0..3 * depth {
        ring.read(token, token, vec![0; BLOCK]).unwrap();
    }
    assert_eq!(all(&mut ring).await.into_values().filter(Result::is_ok).count() as u64, 3 * depth);
}

#[tokio::test]
async fn a_ring_outside_of_a_runtime_is_driven_by_the_tasks_of_the_connection() {
    let shared = shared(Options::default());
    let (_controller, namespace) = connect(&shared).await;
    let read = std::thread::spawn(move || {
        // No runtime here: a thread that sleeps until it is woken.
        struct Unpark(std::thread::Thread);
        impl std::task::Wake for Unpark {
            fn wake(self: Arc<Self>) {
                self.0.unpark();
            }
        }
        let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
        let cx = &mut Context::from_waker(&waker);
        let mut ring: Ring = namespace.ring(2);
        let mut count = 0;
        while count < 100 {
            while !ring.is_full() {
                ring.read(0, 0, vec![0; BLOCK]).unwrap();
            }
            match ring.poll_completed(cx) {
                Poll::Ready(done) => {
                    done.unwrap().result.unwrap();
                    count += 1;
                }
                Poll::Pending => std::thread::park(),
            }
        }
        count
    });
    let read = tokio::task::spawn_blocking(move || read.join().unwrap());
    assert_eq!(read.await.unwrap(), 100);
}
