//! What a host answers to messages that are wrong.

use nvme_proto::auth::{
    AuthError, AuthMessage, DhGroupId, Failure1, Failure2, FailureExplanation, HashId, HashValue,
    HostAuthConfig, HostStep, Success1,
};

use crate::parties::*;

/// It is the controller's turn, and the host sends again.
#[test]
fn a_host_that_does_not_wait_fails() {
    let mut controller = controller(controller_config());
    controller.send(&negotiate()).unwrap();
    controller.send(&negotiate()).unwrap();
    let failure = controller.receive(4096).unwrap();
    let expected = Failure1::new(7, FailureExplanation::INCORRECT_MESSAGE);
    assert_eq!(AuthMessage::decode(&failure), Ok(expected.into()));
}

/// A host that was given `message` where it expects the challenge.
fn challenged_with(config: HostAuthConfig, message: &[u8]) -> (AuthError, Option<Failure2>) {
    let mut host = host(config);
    host.sent();
    host.received(message);
    let sent = match host.next() {
        HostStep::Send(bytes) => match AuthMessage::decode(bytes) {
            Ok(AuthMessage::Failure2(failure)) => Some(failure),
            other => panic!("{other:?}"),
        },
        _ => None,
    };
    host.sent();
    (host.into_result().unwrap().unwrap_err(), sent)
}

#[test]
fn a_host_answers_wrong_challenges() {
    use FailureExplanation as E;
    let challenge = |hash: HashId, group: DhGroupId, value: u8| {
        let len = hash.hash_len().map_or(32, |len| len.bytes());
        let value = vec![value; group.value_len().unwrap_or(0)];
        let challenge = HashValue::new(&vec![1; len]).unwrap();
        nvme_proto::auth::Challenge::new(7, 1, (hash, challenge), (group, value)).unwrap().encode()
    };
    let good = challenge(HashId::SHA256, DhGroupId::FFDHE2048, 2);
    let changed = |at: usize, to: u8| {
        let mut bytes = good.clone();
        bytes[at] = to;
        bytes
    };
    let mut only = host_config();
    (only.hashes, only.groups) = (vec![HashId::SHA256], vec![DhGroupId::FFDHE2048]);
    for (bytes, explanation) in [
        (challenge(HashId::SHA384, DhGroupId::FFDHE2048, 2), E::HASH_NOT_USABLE),
        (challenge(HashId(9), DhGroupId::FFDHE2048, 2), E::HASH_NOT_USABLE),
        (challenge(HashId::SHA256, DhGroupId::FFDHE3072, 2), E::GROUP_NOT_USABLE),
        (challenge(HashId::SHA256, DhGroupId::NULL, 2), E::GROUP_NOT_USABLE),
        (challenge(HashId::SHA256, DhGroupId(9), 2), E::GROUP_NOT_USABLE),
        (challenge(HashId::SHA256, DhGroupId::FFDHE2048, 0), E::INCORRECT_PAYLOAD),
        (challenge(HashId::SHA256, DhGroupId::FFDHE2048, 0xff), E::INCORRECT_PAYLOAD),
        (changed(4, 8), E::INCORRECT_MESSAGE),
        (changed(1, 3), E::INCORRECT_MESSAGE),
        (changed(0, 9), E::INCORRECT_MESSAGE),
        (changed(6, 31), E::INCORRECT_PAYLOAD),
        (changed(10, 1), E::INCORRECT_PAYLOAD),
        (good[..good.len() - 1].to_vec(), E::INCORRECT_PAYLOAD),
        (vec![0; 4096], E::INCORRECT_MESSAGE),
        (Vec::new(), E::INCORRECT_PAYLOAD),
    ] {
        let (error, sent) = challenged_with(only.clone(), &bytes);
        assert_eq!(sent, Some(Failure2::new(7, explanation)), "{error}");
    }
    // The controller gives up: nothing is sent any more.
    let explanation = E::GROUP_NOT_USABLE;
    let (error, sent) = challenged_with(only, &Failure1::new(7, explanation).encode());
    assert_eq!((error, sent), (AuthError::Peer { explanation }, None));
}

/// A controller that was asked to authenticate itself and does not: the host fails closed.
#[test]
fn a_host_is_not_satisfied_with_silence() {
    let mut config = host_config();
    config.controller_secret = Some(controller_secret());
    let (mut target, len) = (controller_config(), nvme_proto::auth::HashLen::Bytes64);
    target.controller_secret = Some(controller_secret());
    let wrong = HashValue::new(&[0; 64]).unwrap();
    let short = HashValue::new(&[0; 32]).unwrap();
    for (success, expected) in [
        (Success1::new(7, len).encode(), AuthError::ControllerSilent),
        (Success1::with_response(7, wrong).encode(), AuthError::ControllerResponse),
        (Success1::with_response(7, short).encode(), AuthError::HashLength { expected: 64, found: 32 }),
        (Success1::new(8, len).encode(), AuthError::Transaction { expected: 7, found: 8 }),
    ] {
        let (mut host, mut controller) = (host(config.clone()), controller(target.clone()));
        let HostStep::Send(message) = host.next() else { panic!("{host:?}") };
        controller.send(message).unwrap();
        host.sent();
        host.received(&controller.receive(4096).unwrap());
        host.sent();
        host.received(&success);
        let HostStep::Send(message) = host.next() else { panic!("{host:?}") };
        assert!(matches!(AuthMessage::decode(message), Ok(AuthMessage::Failure2(_))), "{message:?}");
        host.sent();
        assert_eq!(host.into_result().unwrap().unwrap_err(), expected);
    }
}

#[test]
fn calls_out_of_turn_change_nothing() {
    let mut host = host(host_config());
    let first = format!("{host:?}");
    host.received(&negotiate());
    assert_eq!(format!("{host:?}"), first);
    host.sent();
    let second = format!("{host:?}");
    host.sent();
    assert_eq!(format!("{host:?}"), second);
    assert!(host.into_result().is_none());
}

#[test]
fn nothing_shows_a_secret() {
    let mut config = host_config();
    config.controller_secret = Some(controller_secret());
    let mut target = controller_config();
    target.controller_secret = Some(controller_secret());
    let shown = format!("{:?} {:?}", host(config.clone()), controller(target.clone()));
    let (mine, theirs, _) = run(host(config), controller(target));
    let shown = format!("{shown} {mine:?} {theirs:?}");
    for secret in [host_secret(), controller_secret()] {
        let bytes = secret.expose_bytes();
        let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        for form in [hex, format!("{bytes:?}"), secret.expose_text().as_str()[10..20].to_owned()] {
            assert!(!shown.contains(&form), "{shown}");
        }
    }
    assert!(shown.contains("DhchapSecret(..)") && shown.contains("AuthRandom(..)"));
}
