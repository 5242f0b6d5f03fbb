//! Both sides of DH-HMAC-CHAP: against recorded exchanges, against each other, and against peers that do not keep to the rules.

#![cfg(feature = "auth")]

mod common;

use nvme_proto::Status;
use nvme_proto::auth::{
    AuthError, AuthMessage, AuthRandom, AuthSession, ControllerAuthConfig, ControllerAuthentication,
    DhGroupId, DhValueError, DhchapSecret, Failure1, Failure2, FailureExplanation, HashId, HashValue,
    HostAuthConfig, HostAuthentication, HostStep, Negotiate, ProtocolDescriptor, Proven, Reply,
    ResponseInput, SecureChannelMode, Success1, Success2,
};
use nvme_proto::{DecodeErrorKind, HostNqn, SubsysNqn};

fn host_nqn() -> HostNqn {
    HostNqn::new("nqn.2014-08.org.nvmexpress:uuid:1b4e28ba-2fa1-11d2-883f-0016d3ccabcd").unwrap()
}

fn subsys_nqn() -> SubsysNqn {
    SubsysNqn::new("nqn.2024-01.org.example:auth").unwrap()
}

fn host_secret() -> DhchapSecret {
    "DHHC-1:00:ia6zGodOr4SEG0Zzaw398rpY0wqipUWj4jWjUh4HWUz6aQ2n:".parse().unwrap()
}

fn controller_secret() -> DhchapSecret {
    "DHHC-1:01:hz0G18jRd/Apnc51duyyy1iDFhL+hZaDwVcQLiuwip4FEvAv:".parse().unwrap()
}

fn other_secret() -> DhchapSecret {
    DhchapSecret::new(None, &[0x11; 32]).unwrap()
}

fn host_config() -> HostAuthConfig {
    HostAuthConfig::new(host_nqn(), subsys_nqn(), host_secret())
}

fn controller_config() -> ControllerAuthConfig {
    ControllerAuthConfig::new(host_nqn(), subsys_nqn(), host_secret())
}

/// Random bytes that are easy to tell: those of the exponent, those of the challenge, the sequence number.
fn random(byte: u8, sequence: u32) -> AuthRandom {
    let mut bytes = [byte; AuthRandom::LEN];
    bytes[128..].copy_from_slice(&sequence.to_le_bytes());
    AuthRandom::from_bytes(&bytes)
}

fn host(config: HostAuthConfig) -> HostAuthentication {
    HostAuthentication::new(config, 7, random(0xa5, 0x5566_7788)).unwrap()
}

fn controller(config: ControllerAuthConfig) -> ControllerAuthentication {
    ControllerAuthentication::new(config, random(0x5a, 0x1122_3344))
}

type Outcome = Result<AuthSession, AuthError>;

/// Runs both sides to their ends, and gives what was sent.
fn run(
    mut host: HostAuthentication,
    mut controller: ControllerAuthentication,
) -> (Outcome, Outcome, Vec<Vec<u8>>) {
    let mut seen = Vec::new();
    for _ in 0..8 {
        match host.next() {
            HostStep::Send(message) => {
                seen.push(message.to_vec());
                controller.send(message).unwrap();
                host.sent();
            }
            HostStep::Receive { len } => {
                let mut message = controller.receive(len).unwrap();
                seen.push(message.clone());
                // As Linux answers: as long as the buffer.
                message.resize(len, 0);
                host.received(&message);
            }
            HostStep::Done(_) | HostStep::Failed(_) => break,
        }
    }
    (host.into_result().unwrap(), controller.into_result().unwrap(), seen)
}

#[test]
fn every_hash_and_group_in_both_directions() {
    for hash in HashId::NAMED.iter().copied() {
        for group in DhGroupId::NAMED.iter().copied() {
            let (mut mine, mut theirs) = (host_config(), controller_config());
            (mine.hashes, theirs.groups) = (vec![hash], vec![group]);
            (mine.controller_secret, theirs.controller_secret) =
                (Some(controller_secret()), Some(controller_secret()));
            let (host, controller, seen) = run(host(mine), controller(theirs));
            let (host, controller) = (host.unwrap(), controller.unwrap());
            for session in [&host, &controller] {
                assert_eq!((session.transaction, session.hash, session.group), (7, hash, group));
                assert_eq!(session.proven, Proven::Both);
                assert!(session.generated_psk.is_none());
            }
            let names: Vec<_> = seen.iter().map(|bytes| AuthMessage::decode(bytes).unwrap().name()).collect();
            assert_eq!(
                names,
                [
                    "AUTH_Negotiate",
                    "DH-HMAC-CHAP_Challenge",
                    "DH-HMAC-CHAP_Reply",
                    "DH-HMAC-CHAP_Success1",
                    "DH-HMAC-CHAP_Success2"
                ]
            );
        }
    }
}

#[test]
fn the_host_alone_takes_four_messages() {
    let (host, controller, seen) = run(host(host_config()), controller(controller_config()));
    assert_eq!(
        (host.unwrap().proven, controller.unwrap().proven, seen.len()),
        (Proven::Host, Proven::Host, 4)
    );
}

/// The exchange whose generator authenticated itself against Linux 6.12 and 7.3: both sides compute it.
#[test]
fn the_recorded_exchange_is_computed_by_both_sides() {
    let vector = |text| common::parse(text);
    let negotiate = vector(include_str!("vectors/auth-negotiate.hex"));
    let challenge = vector(include_str!("vectors/auth-challenge-null.hex"));
    let reply = vector(include_str!("vectors/auth-reply-null.hex"));
    let success1 = vector(include_str!("vectors/auth-success1-null.hex"));
    let success2 = vector(include_str!("vectors/auth-success2.hex"));
    let bytes = |first: u8, sequence: u32| {
        let mut bytes = [0; AuthRandom::LEN];
        for (byte, value) in bytes[64..128].iter_mut().zip(first..) {
            *byte = value;
        }
        bytes[128..].copy_from_slice(&sequence.to_le_bytes());
        AuthRandom::from_bytes(&bytes)
    };

    let mut config = host_config();
    config.controller_secret = Some(controller_secret());
    let mut host = HostAuthentication::new(config, 7, bytes(0x80, 0x5566_7788)).unwrap();
    let mut config = controller_config();
    config.controller_secret = Some(controller_secret());
    (config.hashes, config.groups) = (vec![HashId::SHA256], vec![DhGroupId::NULL]);
    let mut controller = ControllerAuthentication::new(config, bytes(0, 0x1122_3344));

    let HostStep::Send(message) = host.next() else { panic!("{host:?}") };
    assert_eq!(message, negotiate);
    host.sent();
    controller.send(&negotiate).unwrap();
    assert_eq!(controller.receive(4096), Ok(challenge.clone()));
    host.received(&challenge);
    let HostStep::Send(message) = host.next() else { panic!("{host:?}") };
    assert_eq!(message, reply);
    host.sent();
    controller.send(&reply).unwrap();
    assert_eq!(controller.receive(48), Ok(success1.clone()));
    host.received(&success1);
    let HostStep::Send(message) = host.next() else { panic!("{host:?}") };
    assert_eq!(message, success2);
    host.sent();
    controller.send(&success2).unwrap();
    assert_eq!(host.into_result().unwrap().unwrap().proven, Proven::Both);
    assert_eq!(controller.into_result().unwrap().unwrap().proven, Proven::Both);
}

/// Exchanges in which one side was this crate and the other Linux: with the same random bytes, our side says the same again, byte by byte, and
/// finds the kernel's responses right.
#[test]
fn exchanges_with_linux_are_computed_again() {
    let lines = include_str!("vectors/auth-exchanges-linux-6.12.txt").lines();
    let mut exchanges: Vec<(&str, Vec<Vec<u8>>)> = Vec::new();
    for line in lines.filter(|line| !line.starts_with('#')) {
        let (peer, hex) = line.rsplit_once(' ').unwrap();
        let bytes = hex.as_bytes().chunks(2).map(|pair| {
            let digit = |at: usize| char::from(pair[at]).to_digit(16).unwrap() as u8;
            digit(0) << 4 | digit(1)
        });
        let bytes: Vec<u8> = bytes.collect();
        match exchanges.last_mut() {
            Some((last, messages)) if *last == peer => messages.push(bytes),
            _ => exchanges.push((peer, vec![bytes])),
        }
    }
    assert_eq!(exchanges.len(), 10);
    let random = |first: u8| {
        let mut bytes = [0; AuthRandom::LEN];
        for (at, byte) in bytes.iter_mut().enumerate() {
            *byte = (at as u8).wrapping_mul(7).wrapping_add(first);
        }
        AuthRandom::from_bytes(&bytes)
    };
    let host_secret = controller_secret;
    let controller_secret: DhchapSecret =
        "DHHC-1:03:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8gISIjJCUmJygpKissLS4vMDEyMzQ1Njc4OTo7PD0+P4zODhA=:"
            .parse()
            .unwrap();
    for (peer, messages) in exchanges {
        let [negotiate, challenge, reply, success1, success2] = messages.as_slice() else { panic!("{peer}") };
        let AuthMessage::Challenge(chosen) = AuthMessage::decode(challenge).unwrap() else {
            panic!("{peer}")
        };
        let (role, names) = peer.split_once(' ').unwrap();
        assert_eq!(names, format!("{} {}", chosen.hash(), chosen.group()));
        let session = if role == "target" {
            let mut config = HostAuthConfig::new(host_nqn(), subsys_nqn(), host_secret());
            config.controller_secret = Some(controller_secret.clone());
            let mut host = HostAuthentication::new(config, 3, random(11)).unwrap();
            for (ours, theirs) in [(negotiate, Some(challenge)), (reply, Some(success1)), (success2, None)] {
                let HostStep::Send(message) = host.next() else { panic!("{peer}: {host:?}") };
                assert_eq!(message, ours, "{peer}");
                host.sent();
                if let Some(theirs) = theirs {
                    host.received(theirs);
                }
            }
            host.into_result()
        } else {
            let mut config = ControllerAuthConfig::new(host_nqn(), subsys_nqn(), host_secret());
            config.controller_secret = Some(controller_secret.clone());
            (config.hashes, config.groups) = (vec![chosen.hash()], vec![chosen.group()]);
            let mut controller = ControllerAuthentication::new(config, random(99));
            for (theirs, ours) in [(negotiate, Some(challenge)), (reply, Some(success1)), (success2, None)] {
                controller.send(theirs).unwrap();
                if let Some(ours) = ours {
                    assert_eq!(controller.receive(4096).as_ref(), Ok(ours), "{peer}");
                }
            }
            controller.into_result()
        };
        assert_eq!(session.unwrap().unwrap().proven, Proven::Both, "{peer}");
    }
}

#[test]
fn secure_channel_concatenation_makes_one_key() {
    for both in [false, true] {
        let (mut mine, mut theirs) = (host_config(), controller_config());
        mine.secure_channel = SecureChannelMode::NEW_TLS_PSK;
        theirs.secure_channels = vec![SecureChannelMode::NEW_TLS_PSK];
        theirs.groups = vec![DhGroupId::NULL, DhGroupId::FFDHE2048];
        if both {
            (mine.controller_secret, theirs.controller_secret) =
                (Some(controller_secret()), Some(controller_secret()));
        }
        let (host, controller, seen) = run(host(mine), controller(theirs));
        let (host, controller) = (host.unwrap(), controller.unwrap());
        let (mine, theirs) = (host.generated_psk.unwrap(), controller.generated_psk.unwrap());
        assert_eq!(mine.expose_bytes(), theirs.expose_bytes());
        // SHA-512 has no cipher suite of TLS, NULL no session key.
        assert_eq!((host.hash, host.group), (HashId::SHA384, DhGroupId::FFDHE2048));
        assert_eq!(host.proven, if both { Proven::Both } else { Proven::Host });
        let AuthMessage::Reply(reply) = AuthMessage::decode(&seen[2]).unwrap() else { panic!() };
        assert!(reply.challenge().is_some());
        assert_eq!(reply.sequence() != 0, both);
    }
}

#[test]
fn wrong_secrets_authenticate_nobody() {
    // The host's.
    let mut config = host_config();
    config.host_secret = other_secret();
    let (mine, theirs, _) = run(host(config), controller(controller_config()));
    let explanation = FailureExplanation::AUTHENTICATION_FAILED;
    assert_eq!(mine.unwrap_err(), AuthError::Peer { explanation });
    assert_eq!(theirs.unwrap_err(), AuthError::HostResponse);
    // The controller's.
    let (mut config, mut target) = (host_config(), controller_config());
    (config.controller_secret, target.controller_secret) = (Some(controller_secret()), Some(other_secret()));
    let (mine, theirs, seen) = run(host(config.clone()), controller(target.clone()));
    assert_eq!(mine.unwrap_err(), AuthError::ControllerResponse);
    assert_eq!(theirs.unwrap_err(), AuthError::Peer { explanation });
    assert_eq!(AuthMessage::decode(&seen[4]), Ok(Failure2::new(7, explanation).into()));
    // The controller's where none is configured.
    target.controller_secret = None;
    let (mine, theirs, _) = run(host(config), controller(target));
    assert_eq!(mine.unwrap_err(), AuthError::Peer { explanation });
    assert_eq!(theirs.unwrap_err(), AuthError::NoControllerSecret);
    // The same secret under another name.
    for (host_name, subsystem) in [("nqn.x:h", subsys_nqn().as_str()), (host_nqn().as_str(), "nqn.x:s")] {
        let mut config = host_config();
        config.host = HostNqn::new(host_name).unwrap();
        config.subsystem = SubsysNqn::new(subsystem).unwrap();
        let (_, theirs, _) = run(host(config), controller(controller_config()));
        assert_eq!(theirs.unwrap_err(), AuthError::HostResponse);
    }
}

#[test]
fn what_is_not_common_is_named() {
    for (change, expected) in [
        ((|config| config.hashes = vec![HashId(9)]) as fn(&mut HostAuthConfig), AuthError::Hash),
        (|config| config.groups = vec![DhGroupId::NULL, DhGroupId(9)], AuthError::Group),
        (|config| config.secure_channel = SecureChannelMode::NEW_TLS_PSK, AuthError::SecureChannel),
        (|config| config.secure_channel = SecureChannelMode::OBSOLETE, AuthError::SecureChannel),
    ] {
        let mut config = host_config();
        change(&mut config);
        let (mine, theirs, _) = run(host(config), controller(controller_config()));
        assert_eq!(theirs.unwrap_err(), expected);
        assert_eq!(mine.unwrap_err(), AuthError::Peer { explanation: expected.explanation() });
    }
    // A host that wants a key of the group NULL offers nothing.
    let mut config = host_config();
    (config.secure_channel, config.groups) = (SecureChannelMode::NEW_TLS_PSK, vec![DhGroupId::NULL]);
    let error = HostAuthentication::new(config, 7, random(1, 1)).unwrap_err();
    assert_eq!(error.kind, DecodeErrorKind::Unsupported { field: "DHLEN", found: 0 });
}

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

fn negotiate() -> Vec<u8> {
    let everything = ProtocolDescriptor::dh_hmac_chap(HashId::NAMED, DhGroupId::NAMED).unwrap();
    Negotiate::new(7, SecureChannelMode::NONE, everything).encode()
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
