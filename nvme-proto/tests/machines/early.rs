//! Answers that come while data for the command are still asked for.

use nvme_proto::controller::{CommandData, Controller, Event as Ask, Reply};
use nvme_proto::cqe::Cqe;
use nvme_proto::digest::Digests;
use nvme_proto::host::{Command, CommandError, Config, Event, Host, Placement};
use nvme_proto::machine::{Failure, Time};
use nvme_proto::pdu::{CapsuleCmd, CapsuleResp, DataAlignment, H2cData, IcReq, IcResp, R2t, Rule};
use nvme_proto::sgl::Sgl;
use nvme_proto::{Status, controller};

use crate::pair::*;

const NOW: Time = Time::START;

/// A host with a write of 16,384 bytes outstanding, which sends at most 4096 bytes in one PDU; and the identifier of the write.
fn writing() -> (Host<Bytes, Bytes>, u16) {
    let mut config = Config::io(1024);
    config.max_r2ts = 2;
    let mut host = Host::new(config, NOW).unwrap();
    send(&mut host);
    host.feed(&IcResp::new(DataAlignment::DWORD, Digests::NONE, 4096).encode());
    assert!(matches!(host.poll(NOW), Some(Event::Ready(_))));
    let command = Command::new(sqe(1, 0)).write(pattern(16_384, 5)).placed(Placement::Transfer);
    let cid = host.submit(NOW, command).unwrap().wire();
    assert_eq!(types(&send(&mut host)), [4]);
    (host, cid)
}

/// Sends everything.
fn send(host: &mut Host<Bytes, Bytes>) -> Bytes {
    let bytes: Bytes = host.transmit().flatten().copied().collect();
    host.transmitted(bytes.len());
    bytes
}

/// The types of whole PDUs.
fn types(mut bytes: &[u8]) -> Vec<u8> {
    let mut types = Vec::new();
    while !bytes.is_empty() {
        types.push(bytes[0]);
        bytes = &bytes[u32::from_le_bytes(bytes[4..8].try_into().unwrap()) as usize..];
    }
    types
}

/// The result of the only command that is over.
fn result(host: &mut Host<Bytes, Bytes>) -> Option<Result<Cqe, CommandError>> {
    match host.poll(NOW)? {
        Event::Completed(done) => {
            assert!(host.poll(NOW).is_none());
            assert_eq!(done.data.into_write(), Some(pattern(16_384, 5)));
            Some(done.result)
        }
        event => panic!("{event:?}"),
    }
}

fn refused(cid: u16) -> [u8; 24] {
    CapsuleResp::new(Cqe::failed(cid, Status::INVALID_FIELD.with_dnr()).encode()).encode()
}

#[test]
fn a_host_that_is_answered_early_ends_the_pdu_it_has_begun_and_sends_no_other() {
    let (mut host, cid) = writing();
    host.feed(&R2t::new(cid, 3, 0, 8192).encode());
    host.feed(&R2t::new(cid, 4, 8192, 8192).encode());
    assert!(host.poll(NOW).is_none());
    // Encoded ahead: the first PDU; some of its bytes go.
    let first: Bytes = host.transmit().flatten().copied().take(24 + 4096).collect();
    assert_eq!(types(&first), [6]);
    host.transmitted(100);
    host.feed(&refused(cid));
    // The buffer is still lent.
    assert_eq!(result(&mut host), None);
    let rest = send(&mut host);
    assert_eq!(rest[..first.len() - 100], first[100..]);
    let error = result(&mut host).unwrap().unwrap_err();
    assert_eq!(error.status(), Status::INVALID_FIELD.with_dnr());
    // What was encoded before the answer came may have gone; nothing does afterwards, and the connection is as before.
    assert!(types(&rest[first.len() - 100..]).iter().all(|pdu_type| *pdu_type == 6));
    assert_eq!((send(&mut host).len(), host.outstanding()), (0, 0));
    let next = host.submit(NOW, Command::new(sqe(0, 0))).unwrap().wire();
    assert_eq!(types(&send(&mut host)), [4]);
    host.feed(&CapsuleResp::new(Cqe::success(next).encode()).encode());
    assert!(matches!(host.poll(NOW), Some(Event::Completed(done)) if done.result.is_ok()));
}

#[test]
fn a_host_that_is_answered_before_it_sends_anything_sends_nothing() {
    let (mut host, cid) = writing();
    host.feed(&R2t::new(cid, 3, 0, 8192).encode());
    host.feed(&refused(cid));
    assert!(matches!(result(&mut host), Some(Err(CommandError::Status(_)))));
    assert!(send(&mut host).is_empty());
    // An R2T of the command that is over is one of no command.
    host.feed(&R2t::new(cid, 4, 8192, 8192).encode());
    assert!(matches!(host.poll(NOW), Some(Event::Failed(_))));
    assert_eq!(types(&send(&mut host)), [2]);
}

#[test]
fn success_before_all_data_were_asked_for_is_a_failure() {
    let (mut host, cid) = writing();
    host.feed(&R2t::new(cid, 3, 0, 4096).encode());
    assert!(host.poll(NOW).is_none());
    assert_eq!(types(&send(&mut host)), [6]);
    host.feed(&CapsuleResp::new(Cqe::success(cid).encode()).encode());
    let error = result(&mut host).unwrap().unwrap_err();
    assert!(matches!(error, CommandError::Short { transferred: 4096, len: 16_384, .. }), "{error}");
}

/// A controller that answers while data come: they have to come first, since the host could take what is asked for no more for data of the next
/// command, and no more is asked for.
#[test]
fn a_controller_that_answers_early_waits_for_what_it_asked_for() {
    let mut config = controller::Config::new();
    (config.max_r2t_data, config.max_r2ts) = (4096, 2);
    config.admission = controller::Admission::Any;
    let mut controller: Controller<Bytes, Bytes> = Controller::new(config, NOW).unwrap();
    controller.feed(&IcReq::new(DataAlignment::DWORD, Digests::NONE, 1).encode());
    assert!(matches!(controller.poll(NOW), Some(Ask::Ready(_))));
    let send = |controller: &mut Controller<Bytes, Bytes>| {
        let bytes: Bytes = controller.transmit().flatten().copied().collect();
        controller.transmitted(bytes.len());
        bytes
    };
    send(&mut controller);
    let write = sqe(1, 0).with_cid(9).with_sgl(Sgl::transport(16_384));
    controller.feed(&CapsuleCmd::new(write.encode()).encode());
    let tag = match controller.poll(NOW) {
        Some(Ask::Command(command)) => {
            assert_eq!(command.data, CommandData::Transfer { len: 16_384 });
            command.tag
        }
        event => panic!("{event:?}"),
    };
    controller.fetch(tag, vec![0; 16_384]).unwrap();
    let asked = send(&mut controller);
    assert_eq!(types(&asked), [9, 9], "two of four R2Ts");
    controller.respond(tag, Reply::failed(Status::INVALID_FIELD.with_dnr())).unwrap();
    assert!(send(&mut controller).is_empty());
    for (at, r2t) in asked.chunks_exact(24).enumerate() {
        let r2t = R2t::decode(r2t.first_chunk().unwrap()).unwrap();
        let data = H2cData::new(9, r2t.transfer_tag, r2t.offset, r2t.len).last();
        assert!(send(&mut controller).is_empty(), "before R2T {at}");
        for bytes in [&data.encode()[..], &[7; 4096]] {
            controller.feed(bytes);
            assert!(controller.poll(NOW).is_none());
        }
    }
    let answer = send(&mut controller);
    assert_eq!(types(&answer), [5]);
    assert_eq!(Cqe::from_bytes(answer[8..24].try_into().unwrap()).status, Status::INVALID_FIELD.with_dnr());
    let event = controller.poll(NOW);
    assert!(matches!(event, Some(Ask::Released { tag: released, .. }) if released == tag), "{event:?}");
    assert_eq!(controller.outstanding(), 0);
}

#[test]
fn an_answer_to_a_command_that_cannot_have_been_sent_is_refused() {
    for given in [false, true] {
        let mut host: Host<Bytes, Bytes> = Host::new(Config::io(1024), NOW).unwrap();
        send(&mut host);
        host.feed(&IcResp::new(DataAlignment::DWORD, Digests::NONE, 4096).encode());
        assert!(matches!(host.poll(NOW), Some(Event::Ready(_))));
        let cid = host.submit(NOW, Command::new(sqe(0, 0))).unwrap().wire();
        assert!(host.wants_transmit());
        if given {
            // It may be on its way, even if nobody has said yet how much of it went.
            assert_eq!(host.transmit().map(<[u8]>::len).sum::<usize>(), 72);
        }
        host.feed(&refused(cid));
        match host.poll(NOW) {
            Some(Event::Completed(done)) => assert!(given && done.result.is_err()),
            Some(Event::Failed(Failure::Violation(error))) => {
                assert!(!given);
                assert_eq!((error.rule, error.fes.0, error.fei), (Rule::UnknownCompletion, 1, 20));
            }
            event => panic!("{event:?}"),
        }
    }
}
