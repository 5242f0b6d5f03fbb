//! What a controller answers to messages that are wrong.

use nvme_proto::auth::{
    AuthError, AuthMessage, ControllerAuthConfig, DhGroupId, DhValueError, Failure1, Failure2,
    FailureExplanation, HashId, HashValue, Negotiate, ProtocolDescriptor, Reply, ResponseInput,
    SecureChannelMode, Success2,
};
use nvme_proto::{DecodeErrorKind, Status};

use crate::parties::*;

/// Gives the controller its messages up to `reply`, and what it says to that.
fn answer(
    config: ControllerAuthConfig,
    negotiate: &[u8],
    reply: impl FnOnce(&AuthMessage) -> Vec<u8>,
) -> AuthError {
    let mut controller = controller(config);
    controller.send(negotiate).unwrap();
    let answer = controller.receive(4096).unwrap();
    let message = AuthMessage::decode(&answer).unwrap();
    let answer = if let AuthMessage::Failure1(_) = message {
        answer
    } else {
        controller.send(&reply(&message)).unwrap();
        controller.receive(4096).unwrap()
    };
    let error = controller.into_result().unwrap().unwrap_err();
    let AuthMessage::Failure1(failure) = AuthMessage::decode(&answer).unwrap() else { panic!("{answer:?}") };
    assert_eq!(failure, Failure1::new(failure.transaction, error.explanation()));
    error
}

fn first_fails(negotiate: &[u8]) -> AuthError {
    answer(controller_config(), negotiate, |message| panic!("{message:?}"))
}

fn reply_fails(config: ControllerAuthConfig, reply: Reply) -> AuthError {
    answer(config, &negotiate(), |_| reply.encode())
}

/// What a controller says to each malformed input of the first message.
#[test]
fn a_controller_answers_wrong_negotiations() {
    use FailureExplanation as E;
    let changed = |at: usize, to: u8| {
        let mut bytes = negotiate();
        bytes[at] = to;
        bytes
    };
    for (bytes, explanation) in [
        (Success2::new(7).encode().to_vec(), E::INCORRECT_MESSAGE),
        (changed(0, 2), E::INCORRECT_MESSAGE),
        (changed(1, 9), E::INCORRECT_MESSAGE),
        (Failure2::new(7, E::AUTHENTICATION_FAILED).encode().to_vec(), E::INCORRECT_MESSAGE),
        (changed(7, 0), E::INCORRECT_PAYLOAD),
        (changed(7, 2), E::INCORRECT_PAYLOAD),
        (negotiate()[..71].to_vec(), E::INCORRECT_PAYLOAD),
        (negotiate()[..8].to_vec(), E::INCORRECT_PAYLOAD),
        ([negotiate(), vec![0]].concat(), E::INCORRECT_PAYLOAD),
        (changed(10, 0), E::INCORRECT_PAYLOAD),
        (changed(10, 31), E::INCORRECT_PAYLOAD),
        (changed(11, 0), E::INCORRECT_PAYLOAD),
        (changed(8, 2), E::PROTOCOL_NOT_USABLE),
        (changed(6, 2), E::SECURE_CHANNEL_MISMATCH),
    ] {
        assert_eq!(first_fails(&bytes).explanation(), explanation, "{bytes:x?}");
    }
    // The transaction of the answer is that of the message, however wrong it is.
    let mut controller = controller(controller_config());
    controller.send(&changed(7, 0)).unwrap();
    let failure = Failure1::new(7, E::INCORRECT_PAYLOAD);
    assert_eq!(controller.receive(8), Ok(failure.encode().to_vec()));
}

#[test]
fn a_controller_answers_wrong_replies() {
    let mut null = controller_config();
    (null.hashes, null.groups) = (vec![HashId::SHA256], vec![DhGroupId::NULL]);
    let value = |len: usize| HashValue::new(&vec![1; len]).unwrap();
    let reply = |tid, len, dh: Vec<u8>| Reply::new(tid, 1, value(len), None, dh).unwrap();
    // Lengths, transaction, bytes behind.
    let error = reply_fails(null.clone(), reply(7, 48, Vec::new()));
    assert_eq!(error, AuthError::HashLength { expected: 32, found: 48 });
    let error = reply_fails(null.clone(), reply(8, 32, Vec::new()));
    assert_eq!(error, AuthError::Transaction { expected: 7, found: 8 });
    let error = reply_fails(null.clone(), reply(7, 32, vec![2; 256]));
    assert_eq!(error, AuthError::DhValue(DhValueError::Length { have: 256, need: 0 }));
    let long = [reply(7, 32, Vec::new()).encode(), vec![0]].concat();
    let error = answer(null.clone(), &negotiate(), |_| long);
    let AuthError::Message(error) = error else { panic!("{error}") };
    assert_eq!((error.at, error.kind), (80, DecodeErrorKind::TooLong { max: 80, have: 81 }));
    // Each of these is an incorrect payload.
    assert_eq!(AuthError::Message(error).explanation(), FailureExplanation::INCORRECT_PAYLOAD);
    // Public values that are none.
    let mut dh = controller_config();
    (dh.hashes, dh.groups) = (vec![HashId::SHA256], vec![DhGroupId::FFDHE2048]);
    for bad in [vec![0; 256], vec![0xff; 256]] {
        let error = reply_fails(dh.clone(), reply(7, 32, bad));
        assert_eq!(error, AuthError::DhValue(DhValueError::Range));
        assert_eq!(error.explanation(), FailureExplanation::INCORRECT_PAYLOAD);
    }
    let error = reply_fails(dh.clone(), reply(7, 32, vec![2; 384]));
    assert_eq!(error, AuthError::DhValue(DhValueError::Length { have: 384, need: 256 }));
    // A wrong response, another message, and the host that gives up.
    assert_eq!(reply_fails(null.clone(), reply(7, 32, Vec::new())), AuthError::HostResponse);
    let error = answer(null.clone(), &negotiate(), |_| Success2::new(7).encode().into());
    let (expected, found) = ("DH-HMAC-CHAP_Reply", "DH-HMAC-CHAP_Success2");
    assert_eq!(error, AuthError::Unexpected { expected, found });
    let mut gives_up = controller(null);
    gives_up.send(&negotiate()).unwrap();
    gives_up.receive(4096).unwrap();
    let explanation = FailureExplanation::HASH_NOT_USABLE;
    gives_up.send(&Failure2::new(7, explanation).encode()).unwrap();
    assert_eq!(gives_up.into_result().unwrap().unwrap_err(), AuthError::Peer { explanation });
}

/// A right response with a challenge and a sequence number that do not belong together.
#[test]
fn challenge_and_sequence_number_belong_together() {
    for (mode, sequence, challenged, expected) in [
        (SecureChannelMode::NONE, 0, true, Some(AuthError::Challenge)),
        (SecureChannelMode::NONE, 0, false, None),
        (SecureChannelMode::NONE, 5, false, None),
        (SecureChannelMode::NEW_TLS_PSK, 0, true, None),
        (SecureChannelMode::NEW_TLS_PSK, 0, false, Some(AuthError::Challenge)),
        (SecureChannelMode::NEW_TLS_PSK, 5, false, Some(AuthError::Challenge)),
        (SecureChannelMode::NEW_TLS_PSK, 5, true, Some(AuthError::NoControllerSecret)),
    ] {
        let mut config = controller_config();
        config.secure_channels = vec![mode];
        config.hashes = vec![HashId::SHA256];
        config.groups = vec![DhGroupId::FFDHE2048];
        let mut controller = controller(config);
        let everything = ProtocolDescriptor::dh_hmac_chap(HashId::NAMED, DhGroupId::NAMED).unwrap();
        controller.send(&Negotiate::new(7, mode, everything).encode()).unwrap();
        let challenge = controller.receive(4096).unwrap();
        let AuthMessage::Challenge(challenge) = AuthMessage::decode(&challenge).unwrap() else { panic!() };
        let pair = nvme_proto::auth::DhKeyPair::new(DhGroupId::FFDHE2048, &[9; 64]).unwrap();
        let shared = pair.shared_secret(challenge.dh_value()).unwrap();
        let session = shared.session_key(nvme_proto::auth::HashLen::Bytes32);
        let (host, subsystem) = (host_nqn(), subsys_nqn());
        let input = ResponseInput {
            challenge: challenge.challenge(),
            session_key: Some(&session),
            sequence: challenge.sequence(),
            transaction: 7,
            secure_channel: mode,
            host: &host,
            subsystem: &subsystem,
        };
        let response = input.host_response(&host_secret().transform_for_host(&host));
        let own = challenged.then(|| HashValue::new(&[4; 32]).unwrap());
        let reply = Reply::new(7, sequence, response, own, pair.public().to_vec()).unwrap();
        controller.send(&reply.encode()).unwrap();
        controller.receive(4096).unwrap();
        assert_eq!(controller.into_result().unwrap().err(), expected, "{mode} {sequence} {challenged}");
    }
}

#[test]
fn commands_out_of_turn_have_a_status() {
    let (invalid, sequence) = (Status::INVALID_FIELD.with_dnr(), Status::COMMAND_SEQUENCE_ERROR.with_dnr());
    let mut config = controller_config();
    config.groups = vec![DhGroupId::NULL];
    let mut controller = controller(config);
    // Nothing to receive yet; too short to be a message; neither ends anything.
    assert_eq!(controller.receive(4096), Err(sequence));
    for len in 0..8 {
        assert_eq!(controller.send(&negotiate()[..len]), Err(invalid));
    }
    controller.send(&negotiate()).unwrap();
    // A buffer too short for the answer: it waits.
    assert_eq!(controller.receive(79), Err(invalid));
    assert!(controller.result().is_none());
    assert_eq!(controller.receive(80).map(|message| message.len()), Ok(80));
    assert_eq!(controller.receive(4096), Err(sequence));
    // A wrong reply, the failure in a buffer too short for it, then in one long enough.
    controller.send(&negotiate()).unwrap();
    assert_eq!(controller.receive(7), Err(invalid));
    let failure = Failure1::new(7, FailureExplanation::INCORRECT_MESSAGE);
    assert_eq!(controller.receive(8), Ok(failure.encode().to_vec()));
    // The end: nothing more.
    assert!(controller.result().unwrap().is_err());
    assert_eq!(controller.send(&negotiate()), Err(sequence));
    assert_eq!(controller.receive(4096), Err(sequence));
}
