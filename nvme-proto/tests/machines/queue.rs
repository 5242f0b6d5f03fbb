//! Queue heads, digests that are refused, and what is damaged on its way.

use std::time::Duration;

use nvme_proto::digest::Digests;
use nvme_proto::fabrics::Connect;
use nvme_proto::host::{self, Command, Placement};
use nvme_proto::machine::{Failure, Time};
use nvme_proto::pdu;

use crate::pair::*;

#[test]
fn the_queue_head_goes_round_and_flow_control_can_be_off() {
    for no_flow_control in [false, true] {
        let (host, controller) = configs(Digests::NONE, 0, 0, 1);
        let mut pair = Pair::new(host, controller);
        let mut connect = Connect::admin(3, 0);
        if no_flow_control {
            connect.attributes = nvme_proto::fabrics::ConnectAttributes(4);
        }
        pair.host.submit(pair.now, Command::new(connect.to_sqe()).write(vec![0xc0; 1024])).unwrap();
        pair.run(|| usize::MAX);
        let mut heads = vec![pair.host.sq_head()];
        for at in 0..5 {
            pair.host.submit(pair.now, Command::new(sqe(0, at))).unwrap();
            pair.run(|| usize::MAX);
            heads.push(pair.host.sq_head());
        }
        let want = if no_flow_control { [0xffff, 0, 0, 0, 0, 0] } else { [1, 2, 3, 0, 1, 2] };
        assert_eq!(heads, want);
        // Only without flow control may a read end without a completion: 24 bytes less.
        pair.host.submit(pair.now, Command::new(sqe(2, 0)).read(vec![0; 8])).unwrap();
        pair.poll();
        let out: Bytes = pair.host.transmit().flatten().copied().collect();
        pair.host.transmitted(out.len());
        pair.target.machine.feed(&out);
        pair.poll();
        let back: usize = pair.target.machine.transmit().map(<[u8]>::len).sum();
        assert_eq!(back, if no_flow_control { 32 } else { 56 });
        pair.run(|| usize::MAX);
        assert!(pair.done.last().unwrap().contains("Ok(Cqe"), "{:?}", pair.done);
    }
}

#[test]
fn digests_that_are_not_granted_end_the_connection() {
    let (host, mut controller) = configs(Digests::BOTH, 0, 0, 1);
    controller.digests = Digests::HEADER;
    let mut pair = Pair::new(host, controller);
    conversation(&mut pair);
    pair.run(|| usize::MAX);
    let failure = Failure::DigestsRefused { required: Digests::BOTH, granted: Digests::HEADER };
    assert_eq!(pair.done[0], format!("{:?}", host::Event::<Bytes, Bytes>::Failed(failure)));
    assert!(pair.done[1].contains("Lost"), "{:?}", pair.done);
    assert!(pair.done[2].contains("Close(Orderly)"));
    // Nothing of the command was sent.
    assert!(pair.target.log.iter().all(|event| event.contains("Ready")), "{:?}", pair.target.log);

    let (host, mut controller) = configs(Digests::HEADER, 0, 0, 1);
    controller.required = Digests::BOTH;
    let mut pair = Pair::new(host, controller);
    pair.run(|| usize::MAX);
    assert!(pair.target.log[0].contains("DigestsRefused"), "{:?}", pair.target.log);
    let told = Failure::PeerTerminated { fes: pdu::FatalErrorStatus::UNSUPPORTED_PARAMETER, fei: 11 };
    assert_eq!(pair.done[0], format!("{:?}", host::Event::<Bytes, Bytes>::Failed(told)));
}

#[test]
fn damaged_data_fail_the_command_and_nothing_else() {
    // Which direction, and which byte of the stream behind the command's own headers is turned.
    let (host, controller) = configs(Digests::BOTH, 0, 0, 1);
    let mut pair = Pair::new(host, controller);
    conversation(&mut pair);
    pair.run(|| usize::MAX);
    let flip = |pair: &mut Pair, command, to_host: bool, at: usize| {
        pair.host.submit(pair.now, command).unwrap();
        let mut flipped = false;
        loop {
            pair.poll();
            let mut out: Bytes = pair.host.transmit().flatten().copied().collect();
            pair.host.transmitted(out.len());
            if !to_host && !flipped && out.len() > at {
                out[at] ^= 1;
                flipped = true;
            }
            let mut part = &out[..];
            while !part.is_empty() {
                let n = pair.target.machine.feed(part);
                part = &part[n..];
                pair.poll();
            }
            let mut back: Bytes = pair.target.machine.transmit().flatten().copied().collect();
            pair.target.machine.transmitted(back.len());
            if to_host && !flipped && back.len() > at {
                back[at] ^= 1;
                flipped = true;
            }
            let mut part = &back[..];
            while !part.is_empty() {
                let n = pair.host.feed(part);
                part = &part[n..];
                pair.poll();
            }
            if out.is_empty() && back.is_empty() {
                break;
            }
        }
        assert!(flipped);
        pair.done.last().unwrap().clone()
    };
    // In the capsule: head 76 bytes, so byte 80 is data.
    let capsule = Command::new(sqe(1, 0)).write(pattern(512, 1));
    assert!(flip(&mut pair, capsule, false, 80).contains("Transient Transport Error"));
    assert!(pair.target.log.last().unwrap().contains("Rejected"));
    // By R2T: the H2CData is the first thing of more than 1000 bytes.
    let transfer = Command::new(sqe(1, 0)).write(pattern(3000, 1)).placed(Placement::Transfer);
    assert!(flip(&mut pair, transfer, false, 1000).contains("Transient Transport Error"));
    assert!(pair.target.log.last().unwrap().contains("FetchFailed"));
    // From the controller, the digest itself turned, in the first of several C2HData.
    let read = || Command::new(sqe(2, 0)).read(vec![0; 3000]);
    assert!(flip(&mut pair, read(), true, 28 + 1200 + 1).contains("DataDigest"));
    assert!(flip(&mut pair, read(), true, 100).contains("DataDigest"));
    // The connection lives.
    pair.host.submit(pair.now, Command::new(sqe(0, 1))).unwrap();
    pair.run(|| usize::MAX);
    assert!(pair.done.last().unwrap().contains("Ok(Cqe"));
}

#[test]
fn a_damaged_header_ends_the_connection() {
    let (host, controller) = configs(Digests::BOTH, 0, 0, 1);
    let mut pair = Pair::new(host, controller);
    conversation(&mut pair);
    pair.run(|| usize::MAX);
    pair.host.submit(pair.now, Command::new(sqe(0, 1))).unwrap();
    pair.poll();
    let mut out: Bytes = pair.host.transmit().flatten().copied().collect();
    pair.host.transmitted(out.len());
    out[50] ^= 1;
    let digest = u32::from_le_bytes(out[72..76].try_into().unwrap());
    pair.target.machine.feed(&out);
    pair.run(|| usize::MAX);
    let told = Failure::PeerTerminated { fes: pdu::FatalErrorStatus::HEADER_DIGEST_ERROR, fei: digest };
    let at =
        pair.done.iter().position(|done| *done == format!("{:?}", host::Event::<Bytes, Bytes>::Failed(told)));
    let at = at.unwrap_or_else(|| panic!("{:?}", pair.done));
    assert!(pair.done[at + 1].contains("Lost(PeerTerminated"), "{:?}", pair.done);
    assert!(pair.done[at + 2].contains("Close(Orderly)"));
    // The controller waits for the host to close, and not for ever.
    assert_eq!(pair.target.machine.poll_timeout(), Some(Time::START.after(Duration::from_secs(30))));
    pair.target.poll(Time::from_millis(29_999));
    assert!(!pair.target.log.last().unwrap().contains("Close"), "{:?}", pair.target.log);
    pair.target.poll(Time::from_millis(30_000));
    assert!(pair.target.log.last().unwrap().contains("Close(Reset)"));
}
