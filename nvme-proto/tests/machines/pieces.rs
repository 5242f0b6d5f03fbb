//! However the bytes are cut on their way, the same happens.

use nvme_proto::controller::SuccessFlag;
use nvme_proto::digest::Digests;
use nvme_proto::host::Command;
use proptest::prelude::*;

use crate::pair::*;

const SETTINGS: [(Digests, u8, u8, u16); 5] = [
    (Digests::NONE, 0, 0, 1),
    (Digests::HEADER, 0, 0, 2),
    (Digests::DATA, 3, 0, 16),
    (Digests::BOTH, 3, 15, 3),
    (Digests::BOTH, 31, 31, 1),
];

/// Everything at once, or a byte at a time, or in pieces of one length.
#[test]
fn all_settings_work_whatever_the_pieces() {
    for (digests, hpda, cpda, max_r2ts) in SETTINGS {
        for piece in [usize::MAX, 1, 2, 3, 7, 24, 71, 72, 73, 1000, 4096] {
            let (host, controller) = configs(digests, hpda, cpda, max_r2ts);
            let mut pair = Pair::new(host, controller);
            conversation(&mut pair);
            pair.run(|| piece);
            work(&mut pair, LARGE);
            pair.run(|| piece);
            check(&pair, LARGE);
            let agreed = pair.host.negotiated().unwrap();
            assert_eq!(Some(agreed), pair.target.machine.negotiated());
            assert_eq!(agreed.digests, digests);
            assert_eq!(agreed.to_host.alignment.field(), hpda);
            assert_eq!(agreed.to_controller.alignment.field(), cpda);
        }
    }
}

/// One cut at every byte of both directions: what is behind it comes only when everything that follows from what is before it was done.
#[test]
fn a_cut_at_every_byte_changes_nothing() {
    let run = |host_cut: usize, controller_cut: usize| {
        let (host, mut controller) = configs(Digests::BOTH, 3, 15, 2);
        (controller.max_r2t_data, controller.max_c2h_data) = (100, 120);
        let mut pair = Pair::new(host, controller);
        conversation(&mut pair);
        work(&mut pair, SMALL);
        let (mut to_controller, mut to_host) = (0, 0);
        // One byte less than the whole pipe at the cut, and no more until nothing else moves.
        loop {
            pair.poll();
            let out: Bytes = pair.host.transmit().flatten().copied().collect();
            pair.host.transmitted(out.len());
            let back: Bytes = pair.target.machine.transmit().flatten().copied().collect();
            pair.target.machine.transmitted(back.len());
            if out.is_empty() && back.is_empty() {
                break;
            }
            for (bytes, sent, cut, is_host) in
                [(out, &mut to_controller, controller_cut, false), (back, &mut to_host, host_cut, true)]
            {
                let at = cut.saturating_sub(*sent).min(bytes.len());
                *sent += bytes.len();
                for part in [&bytes[..at], &bytes[at..]] {
                    let mut part = part;
                    while !part.is_empty() {
                        let n = if is_host { pair.host.feed(part) } else { pair.target.machine.feed(part) };
                        part = &part[n..];
                        pair.poll();
                    }
                }
            }
        }
        check(&pair, SMALL);
        (to_controller, to_host, pair.done, pair.target.log)
    };
    let (to_controller, to_host, done, log) = run(0, 0);
    assert!(to_controller > 2500 && to_host > 800, "{to_controller} {to_host}");
    for cut in 1..to_controller.max(to_host) {
        let (a, b, done_now, log_now) = run(cut, cut);
        assert_eq!((a, b), (to_controller, to_host), "{cut}");
        assert_eq!(log_now, log, "{cut}");
        assert_eq!(done_now, done, "{cut}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_host_takes_any_operations(data in proptest::collection::vec(any::<u8>(), 0..600)) {
        nvme_proto::testing::host_machine(&data);
    }

    #[test]
    fn a_controller_takes_any_operations(data in proptest::collection::vec(any::<u8>(), 0..600)) {
        nvme_proto::testing::controller_machine(&data);
    }

    /// Any sequence of pieces, any digests, alignments and windows.
    #[test]
    fn pieces_of_any_length(
        pieces in proptest::collection::vec(0_usize..3000, 1..40),
        dgst in 0_u8..4, hpda in 0_u8..32, cpda in 0_u8..32, max_r2ts in 1_u16..20, batch in 1_usize..70,
        success in prop_oneof![Just(SuccessFlag::Never), Just(SuccessFlag::Always), Just(SuccessFlag::WithoutFlowControl)],
    ) {
        let (mut host, mut controller) = configs(Digests::from_dgst(dgst), hpda, cpda, max_r2ts);
        (host.batch, controller.batch, controller.success) = (batch, batch, success);
        let mut pair = Pair::new(host, controller);
        conversation(&mut pair);
        pair.run(|| 4096);
        work(&mut pair, LARGE);
        let mut turn = pieces.iter().cycle();
        // A pause is no end: every few turns something moves.
        let mut pause = 0;
        pair.run(|| {
            let piece = *turn.next().unwrap();
            pause = if piece == 0 { pause + 1 } else { 0 };
            if pause > 2 { 1 } else { piece }
        });
        check(&pair, LARGE);
    }
}

#[test]
fn data_read_straight_into_the_buffer_are_the_same() {
    let (host, controller) = configs(Digests::BOTH, 0, 0, 1);
    let mut pair = Pair::new(host, controller);
    conversation(&mut pair);
    pair.run(|| usize::MAX);
    pair.host.submit(pair.now, Command::new(sqe(0x02, 100)).read(vec![0; 4100])).unwrap();
    pair.poll();
    let out: Bytes = pair.host.transmit().flatten().copied().collect();
    pair.host.transmitted(out.len());
    assert_eq!(pair.target.machine.feed(&out), out.len());
    pair.poll();
    let mut straight = 0;
    loop {
        let back: Bytes = pair.target.machine.transmit().flatten().copied().collect();
        if back.is_empty() {
            break;
        }
        pair.target.machine.transmitted(back.len());
        let mut rest = &back[..];
        while !rest.is_empty() {
            pair.poll();
            let mut space = pair.host.space();
            let n = rest.len().min(space.payload.len() + 100.min(space.buffer.len()));
            let direct = n.min(space.payload.len());
            straight += direct;
            space.payload[..direct].copy_from_slice(&rest[..direct]);
            space.buffer = &mut space.buffer[..n - direct];
            space.buffer.copy_from_slice(&rest[direct..n]);
            pair.host.received(n);
            rest = &rest[n..];
        }
        pair.poll();
    }
    assert!(straight > 3000, "{straight} bytes were read straight");
    let disk = &*DISK;
    assert!(pair.data == [&disk[100..][..4100]]);
}
