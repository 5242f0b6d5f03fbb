//! Lost connections, late answers and what becomes of commands, on tokio's paused clock.
#![cfg(feature = "tokio")]

mod tcp_peer;

use std::sync::atomic::Ordering;
use std::time::Duration;

use nvme_fabrics::tcp::{Cause, CommandError, Connect, ConnectError, Replay, State};
use nvme_fabrics::{ControllerLoss, FastIoFail};
use nvme_proto::Status;
use tokio::time::Instant;

use tcp_peer::{BLOCK, Fault, Options, READ, WRITE, identity, nqn, open, options, shared};

/// Seconds that something takes.
async fn timed<T>(what: impl Future<Output = T>) -> (T, u64) {
    let start = Instant::now();
    let result = what.await;
    (result, start.elapsed().as_secs())
}

#[tokio::test(start_paused = true)]
async fn a_read_is_sent_again_after_the_pause() {
    let shared = shared(Options::default());
    let (controller, namespace) = open(options(&shared)).await;
    shared.disk.lock().unwrap()[..BLOCK].fill(7);
    shared.io_fault(READ, Fault::Close);
    let (read, took) = timed(namespace.read(0, 1)).await;
    assert_eq!((read.unwrap(), took), (vec![7; BLOCK].into(), 10));
    assert_eq!((shared.seen(READ), shared.associations.load(Ordering::SeqCst)), (2, 2));
    assert!(controller.state().is_live());
}

#[tokio::test(start_paused = true)]
async fn a_write_is_sent_again_when_the_old_controller_is_surely_dead() {
    for (keep_alive, traffic_keep_alive, seconds) in [(5, false, 10), (8, false, 16), (8, true, 24)] {
        let shared = shared(Options { traffic_keep_alive, ..Options::default() });
        let connect = options(&shared).keep_alive(Some(Duration::from_secs(keep_alive)));
        let (_controller, namespace) = open(connect).await;
        for fault in [Fault::Close, Fault::ExecuteAndClose] {
            shared.io_fault(WRITE, fault);
            let (written, took) = timed(namespace.write(0, vec![9; BLOCK])).await;
            written.unwrap();
            assert_eq!(took, seconds, "{keep_alive} {traffic_keep_alive}");
            assert_eq!(shared.block(0), [9; BLOCK]);
        }
        // A read that is lost alone needs no fence.
        shared.io_fault(READ, Fault::Close);
        assert_eq!(timed(namespace.read(0, 1)).await.1, 10);
    }
}

#[tokio::test(start_paused = true)]
async fn a_write_is_not_sent_again_without_a_fence_or_against_the_callers_will() {
    let shared = shared(Options::default());
    for (keep_alive, replay) in [(None, Replay::Fenced), (Some(5), Replay::Reads), (Some(5), Replay::Never)] {
        let connect = options(&shared).keep_alive(keep_alive.map(Duration::from_secs)).replay(replay);
        let (_controller, namespace) = open(connect).await;
        let before = shared.seen(WRITE);
        shared.io_fault(WRITE, Fault::Close);
        let (written, took) = timed(namespace.write(0, vec![1; BLOCK])).await;
        let error = written.unwrap_err();
        assert!(matches!(error, CommandError::Lost { .. }) && error.outcome_unknown(), "{error}");
        assert_eq!((took, shared.seen(WRITE) - before), (0, 1));
        // The next one waits for the connection, unless it was left to the caller.
        let (written, took) = timed(namespace.write(0, vec![2; BLOCK])).await;
        written.unwrap();
        assert_eq!(took, 10);
    }
    let connect = options(&shared).keep_alive(None).replay(Replay::AsLinux);
    let (_controller, namespace) = open(connect).await;
    shared.io_fault(WRITE, Fault::Close);
    let (written, took) = timed(namespace.write(0, vec![1; BLOCK])).await;
    assert!(written.is_ok() && took == 10);
}

#[tokio::test(start_paused = true)]
async fn with_fast_fail_nothing_waits() {
    let shared = shared(Options::default());
    let connect = options(&shared).replay(Replay::Never).fast_io_fail(FastIoFail::After(Duration::ZERO));
    let (controller, namespace) = open(connect).await;
    shared.io_fault(READ, Fault::Close);
    let (read, took) = timed(namespace.read(0, 1)).await;
    assert!(matches!(read, Err(CommandError::Lost { .. })) && took == 0);
    let (read, took) = timed(namespace.read(0, 1)).await;
    let error = read.unwrap_err();
    assert!(matches!(error, CommandError::NotConnected { gone: false, .. }), "{error}");
    assert!(took == 0 && !error.outcome_unknown() && error.is_retryable());
    let mut watch = controller.watch();
    while watch.current().is_live() {
        watch.changed().await.unwrap();
    }
    while !watch.current().is_live() {
        watch.changed().await.unwrap();
    }
    namespace.read(0, 1).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn commands_wait_as_long_as_they_may() {
    let shared = shared(Options::default());
    let connect = options(&shared)
        .reconnect_delay(Duration::from_secs(60))
        .fast_io_fail(FastIoFail::After(Duration::from_secs(20)));
    let (_controller, namespace) = open(connect).await;
    shared.io_fault(READ, Fault::Close);
    let (read, took) = timed(namespace.read(0, 1)).await;
    assert!(read.is_err());
    assert_eq!(took, 20);
}

#[tokio::test(start_paused = true)]
async fn a_controller_that_does_not_come_back_is_given_up() {
    let shared = shared(Options::default());
    let connect = options(&shared)
        .reconnect_delay(Duration::from_secs(7))
        .controller_loss(ControllerLoss::After(Duration::from_secs(30)));
    let (controller, namespace) = open(connect).await;
    *shared.refuse.lock().unwrap() = Some((Status::CONNECT_CONTROLLER_BUSY, 0));
    shared.io_fault(READ, Fault::Close);
    let (read, took) = timed(namespace.read(0, 1)).await;
    // Four attempts, and no fifth beyond the 30 s.
    assert_eq!(took, 28);
    assert!(matches!(read, Err(CommandError::Lost { .. })), "{read:?}");
    let State::Gone { cause: Some(cause) } = controller.state() else { panic!("{}", controller.state()) };
    assert!(matches!(&*cause, Cause::Connect(ConnectError::Refused { .. })), "{cause}");
    let error = namespace.read(0, 1).await.unwrap_err();
    assert!(matches!(error, CommandError::NotConnected { gone: true, .. }), "{error}");
}

#[tokio::test(start_paused = true)]
async fn do_not_retry_ends_it_at_once() {
    let shared = shared(Options::default());
    let (controller, namespace) = open(options(&shared)).await;
    *shared.refuse.lock().unwrap() = Some((Status::CONNECT_INVALID_HOST.with_dnr(), 0));
    shared.io_fault(READ, Fault::Close);
    let (read, took) = timed(namespace.read(0, 1)).await;
    assert!(read.is_err() && took == 10);
    assert!(controller.state().is_gone());
}

#[tokio::test(start_paused = true)]
async fn a_late_command_is_aborted() {
    let shared = shared(Options::default());
    let (controller, namespace) = open(options(&shared)).await;
    shared.io_fault(READ, Fault::Silence);
    let (read, took) = timed(namespace.read(0, 1)).await;
    let error = read.unwrap_err();
    assert!(matches!(error, CommandError::TimedOut { aborted: true, .. }), "{error}");
    assert_eq!((took, shared.aborts.load(Ordering::SeqCst)), (30, 1));
    assert!(controller.state().is_live());
    namespace.read(0, 1).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_command_that_cannot_be_aborted_costs_the_connection() {
    let shared = shared(Options { deaf: true, ..Options::default() });
    let (controller, namespace) = open(options(&shared)).await;
    shared.io_fault(WRITE, Fault::Silence);
    let (written, took) = timed(namespace.write(0, vec![3; BLOCK])).await;
    // 30 s, as long again for the abort to work, and the pause; then it is sent again.
    written.unwrap();
    assert_eq!(took, 70);
    assert_eq!((shared.seen(WRITE), shared.associations.load(Ordering::SeqCst)), (2, 2));
    assert!(controller.state().is_live());
}

#[tokio::test(start_paused = true)]
async fn a_silent_admin_queue_costs_the_connection() {
    let shared = shared(Options::default());
    let (controller, _namespace) = open(options(&shared).admin_timeout(Duration::from_secs(4))).await;
    shared.admin_fault(0x18, Fault::Silence);
    let mut watch = controller.watch();
    watch.current();
    // The first Keep Alive is due after 2.5 s and watched for 4 s.
    let (state, took) = timed(watch.changed()).await;
    assert!(matches!(state, Some(State::Reconnecting { .. })), "{state:?}");
    assert_eq!(took, 6);
    assert!(watch.changed().await.unwrap().is_live());
}

#[tokio::test(start_paused = true)]
async fn keep_alives_are_sent_by_themselves_and_spared_by_traffic() {
    let quiet = shared(Options::default());
    let (_controller, _namespace) = open(options(&quiet)).await;
    tokio::time::sleep(Duration::from_secs(26)).await;
    assert_eq!(quiet.keep_alives.load(Ordering::SeqCst), 10);

    let busy = shared(Options { traffic_keep_alive: true, ..Options::default() });
    let (_controller, namespace) = open(options(&busy)).await;
    for _ in 0..26 {
        tokio::time::sleep(Duration::from_secs(1)).await;
        namespace.read(0, 1).await.unwrap();
    }
    assert_eq!(busy.keep_alives.load(Ordering::SeqCst), 0);
    tokio::time::sleep(Duration::from_secs(26)).await;
    assert!((18..=21).contains(&busy.keep_alives.load(Ordering::SeqCst)));

    let none = shared(Options::default());
    let (_controller, _namespace) = open(options(&none).keep_alive(None)).await;
    tokio::time::sleep(Duration::from_secs(600)).await;
    assert_eq!(none.keep_alives.load(Ordering::SeqCst), 0);
}

#[tokio::test(start_paused = true)]
async fn a_reset_connects_anew_and_nothing_is_lost() {
    let shared = shared(Options::default());
    let (controller, namespace) = open(options(&shared)).await;
    controller.reset();
    let (read, took) = timed(namespace.read(0, 1)).await;
    read.unwrap();
    assert!(took <= 10);
    let mut watch = controller.watch();
    while shared.associations.load(Ordering::SeqCst) < 2 || !watch.current().is_live() {
        watch.changed().await.unwrap();
    }
    namespace.read(0, 1).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn the_last_handle_takes_the_connections_with_it() {
    let shared = shared(Options::default());
    let (controller, namespace) = open(options(&shared).queues(3)).await;
    let events = controller.events();
    drop(controller);
    drop(events);
    namespace.read(0, 1).await.unwrap();
    assert_eq!(shared.open.load(Ordering::SeqCst), 4);
    drop(namespace);
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(shared.open.load(Ordering::SeqCst), 0);
    assert_eq!(shared.configurations.lock().unwrap().last(), Some(&0x0046_4001), "shut down in order");
}

#[tokio::test(start_paused = true)]
async fn a_connect_that_fails_says_where() {
    let refused = shared(Options::default());
    *refused.refuse.lock().unwrap() = Some((Status::CONNECT_INVALID_PARAMETERS.with_dnr(), 0x0001_0100));
    let error = options(&refused).connect().await.unwrap_err();
    assert!(matches!(error, ConnectError::Refused { queue: 0, .. }), "{error}");
    assert!(error.to_string().contains("no subsystem of this NQN"), "{error}");
    assert!(!error.is_retryable());

    let locked = shared(Options { authentication: true, ..Options::default() });
    let error = options(&locked).connect().await.unwrap_err();
    assert!(matches!(error, ConnectError::AuthenticationRequired { queue: 0, .. }), "{error}");

    let mut config = nvme_proto::controller::Config::new();
    config.digests = nvme_proto::digest::Digests::NONE;
    let bare = shared(Options { config, ..Options::default() });
    let error = options(&bare).digests(nvme_proto::digest::Digests::BOTH).connect().await.unwrap_err();
    let failure = nvme_proto::machine::Failure::DigestsRefused {
        required: nvme_proto::digest::Digests::BOTH,
        granted: nvme_proto::digest::Digests::NONE,
    };
    assert!(matches!(error, ConnectError::Ended { failure: found, .. } if found == failure), "{error:?}");
    assert_eq!(bare.associations.load(Ordering::SeqCst), 0, "nothing went over it");

    let silent = Connect::over(
        || async {
            let (here, there) = tokio::io::duplex(4096);
            std::mem::forget(there);
            Ok(here)
        },
        nqn(),
        identity(),
    );
    let (error, took) = timed(silent.connect()).await;
    assert_eq!((error.unwrap_err().stage().to_string().as_str(), took), ("the handshake", 10));
    let never =
        Connect::over(std::future::pending::<std::io::Result<tokio::io::DuplexStream>>, nqn(), identity());
    let (error, took) = timed(never.connect()).await;
    assert!(matches!(error, Err(ConnectError::TimedOut { .. })) && took == 10);
}
