//! Timers, and the end of a connection.

use std::time::Duration;

use nvme_proto::Status;
use nvme_proto::controller::{self, Controller};
use nvme_proto::digest::Digests;
use nvme_proto::host::{self, Command, CommandError, Data, Host};
use nvme_proto::machine::{Close, Failure, KeepAlive, Time};
use nvme_proto::sqe::Sqe;

use crate::pair::*;

#[test]
fn timers_of_the_host() {
    let (host, controller) = configs(Digests::NONE, 0, 0, 1);
    // No ICResp.
    let mut alone: Host = Host::new(host, Time::from_millis(5)).unwrap();
    assert_eq!(alone.poll_timeout(), Some(Time::from_millis(10_005)));
    assert_eq!(alone.poll(Time::from_millis(10_004)), None);
    let failure = Failure::HandshakeTimeout { waited: Duration::from_secs(10) };
    assert_eq!(alone.poll(Time::from_millis(10_005)), Some(host::Event::Failed(failure)));
    assert_eq!(alone.poll(Time::from_millis(10_005)), Some(host::Event::Close(Close::Orderly)));
    assert_eq!((alone.poll(Time::from_millis(99_999)), alone.poll_timeout()), (None, None));
    assert_eq!(
        alone.submit(Time::START, Command::new(sqe(0, 0))).unwrap_err().reason,
        host::SubmitError::Ended
    );

    let mut pair = Pair::new(host, controller);
    conversation(&mut pair);
    pair.run(|| usize::MAX);
    assert_eq!(pair.host.poll_timeout(), None);
    // Keep-alive by commands: other commands do not count.
    pair.host.set_keep_alive(pair.now, Some(KeepAlive::Commands(Duration::from_secs(5))));
    pair.now = Time::from_millis(3000);
    pair.host.submit(pair.now, Command::new(sqe(0, 0))).unwrap();
    assert_eq!(pair.host.poll_timeout(), Some(Time::from_millis(5000)));
    pair.run(|| usize::MAX);
    pair.now = Time::from_millis(5000);
    pair.poll();
    assert_eq!(pair.done.last().unwrap(), "KeepAliveDue");
    pair.host.submit(pair.now, Command::new(Sqe::new(0x18))).unwrap();
    assert_eq!(pair.host.poll_timeout(), Some(Time::from_millis(10_000)));
    pair.run(|| usize::MAX);
    pair.host.set_keep_alive(pair.now, Some(KeepAlive::Traffic(Duration::from_secs(5))));
    pair.now = Time::from_millis(9000);
    pair.host.submit(pair.now, Command::new(sqe(0, 0))).unwrap();
    pair.run(|| usize::MAX);
    assert_eq!(pair.host.poll_timeout(), Some(Time::from_millis(14_000)));
    pair.host.set_keep_alive(pair.now, None);

    // A command that takes too long is told once; one that is not watched never.
    let event = pair.host.submit(pair.now, Command::new(sqe(0, 0)).unwatched()).unwrap();
    pair.now = Time::from_millis(10_000);
    let slow = pair.host.submit(pair.now, Command::new(sqe(0, 1))).unwrap();
    assert_ne!(event.slot(), slow.slot());
    pair.now = Time::from_millis(70_000);
    assert_eq!(pair.host.poll_timeout(), Some(pair.now));
    assert_eq!(pair.host.poll(pair.now), Some(host::Event::TimedOut(slow)));
    assert_eq!((pair.host.poll(pair.now), pair.host.poll_timeout()), (None, None));
    // It may be answered later nevertheless.
    pair.run(|| usize::MAX);
    assert_eq!(pair.done.iter().rev().take(2).filter(|done| done.contains("Ok(Cqe")).count(), 2);
}

#[test]
fn timers_of_the_controller() {
    let (host, controller) = configs(Digests::NONE, 0, 0, 1);
    let mut alone: Controller = Controller::new(controller, Time::START).unwrap();
    assert_eq!(alone.poll_timeout(), Some(Time::from_millis(10_000)));
    assert_eq!(alone.poll(Time::from_millis(9_999)), None);
    let failure = Failure::HandshakeTimeout { waited: Duration::from_secs(10) };
    assert_eq!(alone.poll(Time::from_millis(10_000)), Some(controller::Event::Failed(failure)));
    assert_eq!(alone.poll(Time::from_millis(10_000)), Some(controller::Event::Close(Close::Orderly)));

    let mut pair = Pair::new(host, controller);
    conversation(&mut pair);
    pair.run(|| usize::MAX);
    let machine = &mut pair.target.machine;
    machine.set_keep_alive(Time::START, Some(KeepAlive::Commands(Duration::from_secs(10))));
    pair.now = Time::from_millis(6000);
    pair.host.submit(pair.now, Command::new(sqe(0, 0))).unwrap();
    pair.run(|| usize::MAX);
    assert_eq!(pair.target.machine.poll_timeout(), Some(Time::from_millis(10_000)));
    pair.host.submit(pair.now, Command::new(Sqe::new(0x18))).unwrap();
    pair.run(|| usize::MAX);
    assert_eq!(pair.target.machine.poll_timeout(), Some(Time::from_millis(16_000)));
    pair.target.machine.keep_alive(Time::from_millis(8000));
    pair.now = Time::from_millis(18_000);
    pair.poll();
    assert!(pair.target.log[pair.target.log.len() - 2].contains("KeepAliveExpired"), "{:?}", pair.target.log);
    assert!(pair.target.log.last().unwrap().contains("Close(Orderly)"));
}

#[test]
fn every_buffer_comes_back_when_the_connection_ends() {
    let (mut host, controller) = configs(Digests::NONE, 0, 0, 1);
    host.depth = 4;
    let mut pair = Pair::new(host, controller);
    conversation(&mut pair);
    pair.run(|| usize::MAX);
    for n in 0..4 {
        let command = match n % 2 {
            0 => Command::new(sqe(1, 0)).write(pattern(9000, n)),
            _ => Command::new(sqe(2, 0)).read(vec![0; 9000]),
        };
        pair.host.submit(pair.now, command).unwrap();
    }
    let refused = pair.host.submit(pair.now, Command::new(sqe(2, 0)).read(vec![7; 3])).unwrap_err();
    assert_eq!(refused.reason, host::SubmitError::Full { depth: 4 });
    assert_eq!(refused.command.data, Data::Read(vec![7; 3]));
    // Until data are under way in both directions, then the socket breaks.
    for _ in 0..3 {
        pair.poll();
        let out: Bytes = pair.host.transmit().flatten().copied().take(3000).collect();
        pair.host.transmitted(out.len());
        let mut part = &out[..];
        while !part.is_empty() {
            let n = pair.target.machine.feed(part);
            part = &part[n..];
            pair.target.poll(pair.now);
        }
        let back: Bytes = pair.target.machine.transmit().flatten().copied().take(700).collect();
        pair.target.machine.transmitted(back.len());
        let mut part = &back[..];
        while !part.is_empty() {
            let n = pair.host.feed(part);
            part = &part[n..];
            pair.poll();
        }
    }
    let before = pair.done.len();
    pair.host.end_of_stream();
    pair.target.machine.close(pair.now);
    pair.poll();
    let events = &pair.done[before..];
    assert_eq!(events.len(), 6, "{events:?}");
    assert!(events[0].contains("Failed(EndOfStream)") && events[5].contains("Close(Orderly)"));
    assert!(events[1..5].iter().all(|event| event.contains("Err(Lost(EndOfStream))")));
    assert_eq!(pair.target.given, pair.target.returned);
    assert!(pair.target.given >= 3);
    assert_eq!((pair.host.outstanding(), pair.target.machine.outstanding()), (0, 0));
    assert!(pair.host.transmit().next().is_none() && pair.target.machine.transmit().next().is_none());
    let lost = CommandError::Lost(Failure::EndOfStream);
    assert_eq!(lost.status(), Status::COMMAND_ABORTED_BY_HOST);
}
