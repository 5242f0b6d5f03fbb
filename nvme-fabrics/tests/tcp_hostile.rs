//! Controllers that break the protocol, and callers that leave at any moment.
#![cfg(feature = "tokio")]

mod tcp_peer;

use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::Poll;
use std::time::Duration;

use nvme_fabrics::FastIoFail;
use nvme_fabrics::tcp::{CommandError, Connect, Controller, Replay};
use nvme_proto::Status;
use nvme_proto::machine::Failure;
use tokio::time::Instant;

use tcp_peer::wire::{data, pdu, r2t, response};
use tcp_peer::{BLOCK, DialShared, Fault, Options, READ, Shared, WRITE, open, shared};

/// Blocks of each command: more than a capsule takes, so that writes are asked for.
const BLOCKS: usize = 32;

fn options(shared: &Arc<Shared>) -> Connect<DialShared> {
    tcp_peer::options(shared).replay(Replay::Never).fast_io_fail(FastIoFail::After(Duration::ZERO))
}

/// Waits until a controller that has just lost its connection has one again.
async fn live(controller: &Controller) {
    let mut watch = controller.watch();
    while watch.current().is_live() {
        watch.changed().await.unwrap();
    }
    while !watch.current().is_live() {
        watch.changed().await.unwrap();
    }
}

/// What a peer sends, made of the identifier of the command that it is to answer.
type Lie = fn(u16) -> Vec<u8>;

/// What it is, to which command, and what is sent.
const LIES: &[(&str, u8, Lie)] = &[
    ("a completion of nobody's command", READ, |cid| response(cid ^ 0x0101)),
    ("a completion of the identifier's last command", READ, |cid| response(cid.wrapping_sub(128))),
    ("two completions", WRITE, |cid| [response(cid), response(cid)].concat()),
    ("data of nobody's command", READ, |cid| data(cid ^ 1, 4, 0, 16384)),
    ("more data than asked for", READ, |cid| data(cid, 4, 0, 16388)),
    ("far more data than asked for", READ, |cid| data(cid, 0, 0, 64 << 10)),
    ("data behind the end", READ, |cid| [data(cid, 0, 0, 16384), data(cid, 4, 16384, 4)].concat()),
    ("data that begin in the middle", READ, |cid| data(cid, 4, 512, 512)),
    ("the same data twice", READ, |cid| [data(cid, 0, 0, 512), data(cid, 0, 0, 512)].concat()),
    ("data after the last", READ, |cid| [data(cid, 4, 0, 512), data(cid, 4, 512, 512)].concat()),
    ("data after success", READ, |cid| [data(cid, 12, 0, 16384), data(cid, 12, 0, 16384)].concat()),
    ("success without the last", READ, |cid| data(cid, 8, 0, 16384)),
    ("data of a length of its own", READ, |cid| {
        let mut data = data(cid, 4, 0, 16384);
        data[16] ^= 4;
        data
    }),
    ("data for a command that writes", WRITE, |cid| data(cid, 4, 0, 16384)),
    ("a wish for data of a command that reads", READ, |cid| r2t(cid, 1, 0, 16384)),
    ("a wish for more than there is", WRITE, |cid| r2t(cid, 1, 0, 16388)),
    ("a wish beyond the end", WRITE, |cid| r2t(cid, 1, u32::MAX - 3, 16384)),
    ("a wish in the middle", WRITE, |cid| r2t(cid, 1, 4, 16380)),
    ("two wishes at a time", WRITE, |cid| [r2t(cid, 1, 0, 4096), r2t(cid, 2, 4096, 4096)].concat()),
    ("a wish for nothing", WRITE, |cid| r2t(cid, 1, 0, 0)),
    ("a command", READ, |_| pdu(4, 0, 0, 72, &[0; 64])),
    ("a type that is none", READ, |_| pdu(8, 0, 0, 24, &[0; 16])),
    ("a second answer to the handshake", READ, |_| {
        [&[1, 0, 128, 0][..], &128_u32.to_le_bytes(), &[0; 120]].concat()
    }),
    ("a PDU of 4 GiB", READ, |_| pdu(7, 4, 24, u32::MAX, &[0; 16])),
    ("a PDU shorter than its header", READ, |_| pdu(5, 0, 0, 8, &[0; 16])),
    ("digests that were not agreed on", READ, |cid| {
        let mut response = response(cid);
        response[1] = 1;
        response
    }),
    ("noise", READ, |cid| {
        (0..4000_u32).map(|at| (at.wrapping_mul(2_654_435_761) >> 24) as u8 ^ cid as u8).collect()
    }),
];

#[tokio::test(start_paused = true)]
async fn a_lie_ends_the_connection_and_nothing_else() {
    for (what, opcode, lie) in LIES {
        let shared = shared(Options::default());
        let (controller, namespace) = open(options(&shared)).await;
        // Another command is on its way, and ends with the connection.
        shared.io_fault(0x00, Fault::Silence);
        let mut other = pin!(namespace.flush());
        assert!(poll_fn(|cx| Poll::Ready(other.as_mut().poll(cx))).await.is_pending());
        shared.io_fault(*opcode, Fault::Raw(*lie));
        let start = Instant::now();
        let result = match *opcode {
            READ => namespace.read(0, BLOCKS as u32).await.map(drop),
            _ => namespace.write(0, vec![1; BLOCKS * BLOCK]).await,
        };
        let other = other.await.unwrap_err();
        assert_eq!(start.elapsed(), Duration::ZERO, "{what}: at once");
        let violation = |error: &CommandError| {
            matches!(error, CommandError::Lost { failure: Some(Failure::Violation(_)), .. })
        };
        assert!(violation(&other), "{what}: {other}");
        if let Err(error) = result {
            assert!(violation(&error), "{what}: {error}");
        } else {
            assert!(
                what.contains("two completions") || what.contains("after success"),
                "{what}: was answered first"
            );
        }
        live(&controller).await;
        namespace.write(0, vec![5; BLOCKS * BLOCK]).await.unwrap();
        assert_eq!(namespace.read(0, BLOCKS as u32).await.unwrap(), vec![5; BLOCKS * BLOCK], "{what}");
    }
}

#[tokio::test(start_paused = true)]
async fn success_without_the_data_is_none() {
    let lies: [Lie; 3] =
        [response, |cid| [data(cid, 4, 0, 8192), response(cid)].concat(), |cid| data(cid, 12, 0, 8192)];
    for lie in lies {
        let shared = shared(Options::default());
        let (controller, namespace) = open(options(&shared)).await;
        shared.io_fault(READ, Fault::Raw(lie));
        let failed = namespace.read_into(0, vec![3; BLOCKS * BLOCK]).await.unwrap_err();
        assert!(matches!(failed.error, CommandError::Transfer { .. }), "{failed}");
        assert_eq!(failed.buffer.unwrap().len(), BLOCKS * BLOCK);
        // The connection has done nothing wrong.
        assert!(controller.state().is_live());
        namespace.read(0, 1).await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn a_controller_that_ends_in_the_middle_is_left_at_once() {
    fn half(cid: u16) -> Vec<u8> {
        let mut data = data(cid, 4, 0, 16384);
        data.truncate(5000);
        data
    }
    let cuts: [Lie; 6] = [
        |_| Vec::new(),
        |cid| response(cid)[..7].to_vec(),
        |cid| response(cid)[..23].to_vec(),
        |cid| data(cid, 4, 0, 16384)[..24].to_vec(),
        half,
        |cid| data(cid, 4, 0, 16384),
    ];
    for cut in cuts {
        let shared = shared(Options::default());
        let (controller, namespace) = open(options(&shared)).await;
        shared.io_fault(READ, Fault::RawThenEnd(cut));
        let start = Instant::now();
        let failed = namespace.read_into(0, vec![3; BLOCKS * BLOCK]).await.unwrap_err();
        assert_eq!(start.elapsed(), Duration::ZERO);
        assert!(
            matches!(failed.error, CommandError::Lost { failure: Some(Failure::EndOfStream), .. }),
            "{failed}"
        );
        assert_eq!(failed.buffer.unwrap().len(), BLOCKS * BLOCK, "the buffer comes back");
        live(&controller).await;
        namespace.read(0, 1).await.unwrap();
    }
}

/// Polls a future so many times, with everything else running in between, then drops it; says whether it was over before.
async fn leave_after<F: Future>(future: F, polls: usize) -> bool {
    let mut future = pin!(future);
    for _ in 0..polls {
        if poll_fn(|cx| Poll::Ready(future.as_mut().poll(cx).is_ready())).await {
            return true;
        }
        tokio::task::yield_now().await;
    }
    false
}

#[tokio::test(start_paused = true)]
async fn a_caller_may_leave_at_any_moment() {
    let shared = shared(Options::default());
    let (controller, namespace) = open(options(&shared).queue_size(3)).await;
    // Two commands at a time: what is left behind would soon be all there is.
    for round in 0..200 {
        let polls = round % 40;
        let blocks = [1, BLOCKS, 700][round / 40 % 3];
        let over = match round % 3 {
            0 => leave_after(namespace.read(0, blocks as u32), polls).await,
            1 => leave_after(namespace.write(0, vec![7; blocks * BLOCK]), polls).await,
            _ => leave_after(namespace.read_into(0, vec![0; blocks * BLOCK]), polls).await,
        };
        if round % 40 == 0 {
            assert!(!over);
        }
        namespace.write(1000, vec![round as u8; BLOCK]).await.unwrap();
        assert_eq!(namespace.read(1000, 1).await.unwrap(), vec![round as u8; BLOCK], "{round}");
    }
    assert!(controller.state().is_live());
    assert_eq!(shared.associations.load(Ordering::SeqCst), 1);
}

#[tokio::test(start_paused = true)]
async fn a_slot_whose_caller_left_is_free_when_the_answer_comes_and_not_before() {
    let shared = shared(Options::default());
    let (_controller, namespace) = open(options(&shared).queue_size(2)).await;
    shared.io_fault(READ, Fault::Delay(Duration::from_secs(20)));
    assert!(!leave_after(namespace.read(0, 1), 3).await);
    // The queue has one slot, and the controller still has its command.
    let start = Instant::now();
    namespace.read(0, 1).await.unwrap();
    assert_eq!(start.elapsed().as_secs(), 20);
}

#[tokio::test(start_paused = true)]
async fn a_full_queue_takes_commands_in_their_order_and_not_without_end() {
    let shared = shared(Options::default());
    let connect = options(&shared).queue_size(2).max_waiting(4);
    let (_controller, namespace) = open(connect).await;
    shared.io_fault(WRITE, Fault::Delay(Duration::from_secs(5)));
    let mut tasks = Vec::new();
    for number in 0..6_u8 {
        let namespace = namespace.clone();
        tasks.push(tokio::spawn(async move { namespace.write(0, vec![number; BLOCK]).await }));
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let mut results = Vec::new();
    for task in tasks {
        results.push(task.await.unwrap());
    }
    // One is with the controller, four wait, and there is no place for another.
    assert!(results[..5].iter().all(Result::is_ok));
    assert!(matches!(results[5], Err(CommandError::Busy { .. })), "{:?}", results[5]);
    assert_eq!(shared.block(0), [4; BLOCK], "the last one of those in the queue");
}

#[tokio::test(start_paused = true)]
async fn connecting_may_be_given_up_at_any_moment() {
    for polls in 0..60 {
        let shared = shared(Options::default());
        let over = leave_after(options(&shared).queues(2).connect(), polls).await;
        assert!(if polls == 0 { !over } else { over || polls < 50 }, "{polls}");
        tokio::time::sleep(Duration::from_secs(6)).await;
        assert_eq!(shared.open.load(Ordering::SeqCst), 0, "{polls}: no connection is left");
    }
}

#[tokio::test(start_paused = true)]
async fn what_the_controller_answers_is_an_error_with_its_status_and_is_not_repeated() {
    let shared = shared(Options::default());
    let (_controller, namespace) = open(options(&shared)).await;
    for status in
        [Status::TRANSIENT_TRANSPORT_ERROR, Status::ASYMMETRIC_ACCESS_INACCESSIBLE, Status::INTERNAL_ERROR]
    {
        shared.io_fault(WRITE, Fault::Status(status));
        let error = namespace.write(0, vec![0; BLOCK]).await.unwrap_err();
        assert!(error.status().unwrap().is(status) && error.is_retryable() && !error.outcome_unknown());
    }
    assert_eq!(shared.seen(WRITE), 3);
}

#[tokio::test(start_paused = true)]
async fn events_come_typed_and_one_after_the_other() {
    use nvme_proto::event::EventCode;
    let shared = shared(Options::default());
    let (controller, _namespace) = open(options(&shared)).await;
    let mut events = controller.events();
    for _ in 0..3 {
        tokio::time::sleep(Duration::from_millis(1)).await;
        shared.events.send(0x000c_0302).unwrap();
        let event = events.next().await.unwrap();
        assert_eq!((event.event.code(), event.missed), (EventCode::ANA_CHANGED, 0));
    }
    controller.disconnect().await;
    assert_eq!(events.next().await, None);
}
