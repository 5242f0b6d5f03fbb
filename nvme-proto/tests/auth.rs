//! Messages of in-band authentication: made ones and those of Linux peers, read field by field, written back, cut short and changed.

mod common;

use nvme_proto::auth::{
    AuthMessage, AuthProtocolId, Challenge, DhGroupId, DhchapSecret, FailureExplanation, FailureReason,
    HashId, HashLen, HashValue, Negotiate, ProtocolDescriptor, Reply, SecureChannelMode, Success1,
};
use nvme_proto::testing;
use nvme_proto::{DecodeError, DecodeErrorKind};
use proptest::prelude::*;

macro_rules! vector {
    ($name:literal) => {
        common::parse(include_str!(concat!("vectors/auth-", $name, ".hex")))
    };
}

/// Every vector, with the length of the message in it.
fn all() -> Vec<(&'static str, Vec<u8>, usize)> {
    macro_rules! list {
        ($($name:literal $len:literal)+) => { vec![$(($name, vector!($name), $len)),+] };
    }
    list! {
        "negotiate" 72
        "challenge-null" 48
        "reply-null" 80
        "success1-null" 48
        "success2" 16
        "failure1" 8
        "failure2" 8
        "linux-6.12-q0-negotiate" 72
        "linux-6.12-q0-challenge" 304
        "linux-6.12-q0-reply" 336
        "linux-6.12-q0-success1" 48
        "linux-6.12-q0-success2" 16
        "linux-6.12-q1-negotiate" 72
        "linux-6.12-q1-challenge" 304
        "linux-6.12-q1-reply" 336
        "linux-6.12-q1-success1" 48
        "linux-6.12-q1-success2" 16
        "linux-6.12-refused-negotiate" 72
        "linux-6.12-refused-challenge" 304
        "linux-6.12-refused-reply" 336
        "linux-6.12-refused-failure1" 8
    }
}

#[test]
fn every_vector_is_written_back_byte_by_byte() {
    for (name, bytes, len) in all() {
        let message = AuthMessage::decode(&bytes).unwrap();
        assert_eq!(message.encoded_len(), len, "{name}");
        assert_eq!(message.encode(), bytes[..len], "{name}");
        // Behind it there are only zeros.
        assert!(bytes[len..].iter().all(|byte| *byte == 0), "{name}");
        assert_eq!(AuthMessage::decode(&bytes[..len]), Ok(message.clone()), "{name}");
        assert!(len <= AuthMessage::MAX_LEN);
        assert!(format!("{message:?}").starts_with(name_of(&message)), "{message:?}");
    }
}

fn name_of(message: &AuthMessage) -> &'static str {
    let name = message.name();
    name.rsplit('_').next().unwrap_or(name)
}

#[test]
fn every_prefix_is_refused_with_its_length() {
    for (name, bytes, len) in all() {
        for have in 0..len {
            let error = AuthMessage::decode(&bytes[..have]).unwrap_err();
            let DecodeErrorKind::TooShort { need, have: said } = error.kind else {
                panic!("{name} cut to {have}: {error}")
            };
            assert_eq!((said, error.at), (have, have), "{name}");
            assert!(have < need && need <= len, "{name} cut to {have} needs {need}");
        }
    }
}

/// Each byte in each way: the message is refused, or it is another one, or the byte is one that has no meaning.
#[test]
fn every_changed_byte_is_seen_or_reserved() {
    for (name, bytes, len) in all() {
        let message = AuthMessage::decode(&bytes[..len]).unwrap();
        let mut changed = bytes[..len].to_vec();
        for at in 0..len {
            for bits in [0x01, 0x80, 0xff] {
                changed[at] ^= bits;
                if AuthMessage::decode(&changed).is_ok_and(|other| other == message) {
                    assert!(reserved(&message, at), "{name}, byte {at}");
                }
                changed[at] ^= bits;
            }
        }
    }
}

fn reserved(message: &AuthMessage, at: usize) -> bool {
    match message {
        _ if matches!(at, 2 | 3) => true,
        AuthMessage::Challenge(_) => at == 7,
        AuthMessage::Reply(reply) => {
            let len = reply.response().len().bytes();
            matches!(at, 7 | 9) || (reply.challenge().is_none() && (16 + len..16 + 2 * len).contains(&at))
        }
        AuthMessage::Success1(success) => {
            matches!(at, 7 | 9..16) || (success.response().is_none() && at >= 16)
        }
        AuthMessage::Success2(_) => at >= 6,
        _ => false,
    }
}

#[test]
fn the_made_messages_field_by_field() {
    let AuthMessage::Negotiate(negotiate) = AuthMessage::decode(&vector!("negotiate")).unwrap() else {
        panic!()
    };
    assert_eq!((negotiate.transaction, negotiate.secure_channel), (7, SecureChannelMode::NONE));
    let [protocol] = negotiate.protocols.as_slice() else { panic!("{negotiate:?}") };
    assert_eq!(protocol.protocol(), AuthProtocolId::DH_HMAC_CHAP);
    assert!(protocol.hashes().eq(HashId::NAMED.iter().copied()));
    assert!(protocol.groups().eq(DhGroupId::NAMED.iter().copied()));
    let made = ProtocolDescriptor::dh_hmac_chap(HashId::NAMED, DhGroupId::NAMED).unwrap();
    assert_eq!(Negotiate::new(7, SecureChannelMode::NONE, made), negotiate);

    let AuthMessage::Challenge(challenge) = AuthMessage::decode(&vector!("challenge-null")).unwrap() else {
        panic!()
    };
    let count = HashValue::new(&(0..32).collect::<Vec<u8>>()).unwrap();
    let made =
        Challenge::new(7, 0x1122_3344, (HashId::SHA256, count), (DhGroupId::NULL, Vec::new())).unwrap();
    assert_eq!(challenge, made);
    assert_eq!((challenge.hash(), challenge.group()), (HashId::SHA256, DhGroupId::NULL));
    assert_eq!((challenge.sequence(), challenge.challenge()), (0x1122_3344, &count));

    let AuthMessage::Reply(reply) = AuthMessage::decode(&vector!("reply-null")).unwrap() else { panic!() };
    assert_eq!((reply.transaction(), reply.sequence()), (7, 0x5566_7788));
    assert_eq!(reply.response().as_bytes()[..4], [0xd5, 0xb1, 0x7a, 0xe4]);
    assert_eq!(reply.challenge().unwrap().as_bytes()[..4], [0x80, 0x81, 0x82, 0x83]);
    assert_eq!(reply.dh_value(), b"");
    let made = Reply::new(7, 0x5566_7788, *reply.response(), reply.challenge().copied(), Vec::new());
    assert_eq!(made, Ok(reply));

    let AuthMessage::Success1(success) = AuthMessage::decode(&vector!("success1-null")).unwrap() else {
        panic!()
    };
    assert_eq!(Success1::with_response(7, *success.response().unwrap()), success);
    assert_eq!(success.hash_len(), HashLen::Bytes32);

    for (bytes, explanation) in [
        (vector!("failure1"), FailureExplanation::AUTHENTICATION_FAILED),
        (vector!("failure2"), FailureExplanation::AUTHENTICATION_FAILED),
    ] {
        let message = AuthMessage::decode(&bytes).unwrap();
        let (transaction, reason, found) = match message {
            AuthMessage::Failure1(failure) => (failure.transaction, failure.reason, failure.explanation),
            AuthMessage::Failure2(failure) => (failure.transaction, failure.reason, failure.explanation),
            other => panic!("{other:?}"),
        };
        assert_eq!((transaction, reason, found), (7, FailureReason::FAILED, explanation));
    }
}

#[test]
fn what_linux_peers_sent() {
    for (queue, negotiate, challenge, reply, success1, success2) in [
        (
            0,
            vector!("linux-6.12-q0-negotiate"),
            vector!("linux-6.12-q0-challenge"),
            vector!("linux-6.12-q0-reply"),
            vector!("linux-6.12-q0-success1"),
            vector!("linux-6.12-q0-success2"),
        ),
        (
            1,
            vector!("linux-6.12-q1-negotiate"),
            vector!("linux-6.12-q1-challenge"),
            vector!("linux-6.12-q1-reply"),
            vector!("linux-6.12-q1-success1"),
            vector!("linux-6.12-q1-success2"),
        ),
    ] {
        let messages = [&negotiate, &challenge, &reply, &success1, &success2]
            .map(|bytes| AuthMessage::decode(bytes).unwrap());
        assert!(messages.iter().all(|message| message.transaction() == queue));
        let [
            AuthMessage::Negotiate(negotiate),
            AuthMessage::Challenge(challenge),
            AuthMessage::Reply(reply),
            AuthMessage::Success1(success1),
            AuthMessage::Success2(_),
        ] = messages
        else {
            panic!("{messages:?}")
        };
        // What Linux offers is what `dh_hmac_chap` makes of everything.
        let everything = ProtocolDescriptor::dh_hmac_chap(HashId::NAMED, DhGroupId::NAMED).unwrap();
        assert_eq!(negotiate, Negotiate::new(queue, SecureChannelMode::NONE, everything));
        assert_eq!((challenge.hash(), challenge.group()), (HashId::SHA256, DhGroupId::FFDHE2048));
        assert_eq!((challenge.dh_value().len(), reply.dh_value().len()), (256, 256));
        assert!(reply.challenge().is_some() && reply.sequence() != 0);
        assert!(success1.response().is_some());
    }
    let AuthMessage::Reply(reply) = AuthMessage::decode(&vector!("linux-6.12-refused-reply")).unwrap() else {
        panic!()
    };
    // Without bidirectional authentication Linux 6.12 sends no challenge, but a sequence number.
    assert!(reply.challenge().is_none() && reply.sequence() != 0);
    let failure = AuthMessage::decode(&vector!("linux-6.12-refused-failure1")).unwrap();
    let AuthMessage::Failure1(failure) = failure else { panic!("{failure:?}") };
    assert_eq!(failure.explanation, FailureExplanation::AUTHENTICATION_FAILED);
}

fn refused(bytes: &[u8]) -> (usize, DecodeErrorKind) {
    let DecodeError { at, kind, .. } = AuthMessage::decode(bytes).unwrap_err();
    (at, kind)
}

fn changed(mut bytes: Vec<u8>, changes: &[(usize, u8)]) -> Vec<u8> {
    for (at, to) in changes {
        bytes[*at] = *to;
    }
    bytes
}

#[test]
fn malformed_messages_are_refused_at_the_field() {
    let unsupported = |field, found| DecodeErrorKind::Unsupported { field, found };
    let (negotiate, challenge) = (vector!("negotiate"), vector!("linux-6.12-q0-challenge"));
    let (reply, success1) = (vector!("linux-6.12-q0-reply"), vector!("success1-null"));
    for (bytes, at, kind) in [
        (changed(negotiate.clone(), &[(0, 2)]), 0, unsupported("AUTH_TYPE", 2)),
        (changed(negotiate.clone(), &[(1, 5)]), 1, unsupported("AUTH_ID", 5)),
        (changed(challenge.clone(), &[(1, 0)]), 1, unsupported("AUTH_ID", 0)),
        (changed(negotiate.clone(), &[(7, 0)]), 7, unsupported("NAPD", 0)),
        (changed(negotiate.clone(), &[(7, 2)]), 72, DecodeErrorKind::TooShort { need: 136, have: 72 }),
        (changed(negotiate.clone(), &[(7, 255)]), 72, DecodeErrorKind::TooShort { need: 16328, have: 72 }),
        (changed(negotiate.clone(), &[(10, 0)]), 10, unsupported("HALEN", 0)),
        (changed(negotiate.clone(), &[(11, 0)]), 11, unsupported("DHLEN", 0)),
        (
            changed(negotiate.clone(), &[(10, 31)]),
            10,
            DecodeErrorKind::Limit { field: "HALEN", found: 31, max: 30 },
        ),
        (
            changed(negotiate.clone(), &[(11, 255)]),
            11,
            DecodeErrorKind::Limit { field: "DHLEN", found: 255, max: 30 },
        ),
        (changed(challenge.clone(), &[(6, 31)]), 6, unsupported("HL", 31)),
        (changed(challenge.clone(), &[(6, 0)]), 6, unsupported("HL", 0)),
        (changed(challenge.clone(), &[(6, 255)]), 6, unsupported("HL", 255)),
        (changed(challenge.clone(), &[(6, 48)]), 6, unsupported("HL", 48)),
        (changed(challenge.clone(), &[(8, 2)]), 6, unsupported("HL", 32)),
        (changed(challenge.clone(), &[(9, 0)]), 10, unsupported("DHVLEN", 256)),
        (changed(challenge.clone(), &[(9, 2)]), 10, unsupported("DHVLEN", 256)),
        (changed(challenge.clone(), &[(10, 1)]), 10, unsupported("DHVLEN", 257)),
        (
            changed(challenge.clone(), &[(10, 255), (11, 255)]),
            4096,
            DecodeErrorKind::TooShort { need: 16 + 32 + 65535, have: 4096 },
        ),
        (changed(reply.clone(), &[(6, 33)]), 6, unsupported("HL", 33)),
        (changed(reply.clone(), &[(6, 64)]), 336, DecodeErrorKind::TooShort { need: 400, have: 336 }),
        (changed(reply.clone(), &[(8, 2)]), 8, unsupported("CVALID", 2)),
        (changed(reply.clone(), &[(10, 255), (11, 0)]), 10, unsupported("DHVLEN", 255)),
        (changed(success1.clone(), &[(6, 20)]), 6, unsupported("HL", 20)),
        (changed(success1.clone(), &[(8, 0xff)]), 8, unsupported("RVALID", 255)),
        (changed(success1, &[(6, 64)]), 48, DecodeErrorKind::TooShort { need: 80, have: 48 }),
        (Vec::new(), 0, DecodeErrorKind::TooShort { need: 6, have: 0 }),
    ] {
        assert_eq!(refused(&bytes), (at, kind));
    }
    // Unknown numbers are no errors of the message.
    let unknown = changed(challenge, &[(8, 9), (9, 77)]);
    let AuthMessage::Challenge(unknown) = AuthMessage::decode(&unknown).unwrap() else { panic!() };
    assert_eq!((unknown.hash(), unknown.group()), (HashId(9), DhGroupId(77)));
    let other = changed(negotiate, &[(8, 2), (10, 0), (11, 99)]);
    let AuthMessage::Negotiate(other) = AuthMessage::decode(&other).unwrap() else { panic!() };
    assert_eq!(other.protocols[0].protocol(), AuthProtocolId(2));
}

#[test]
fn what_cannot_be_read_cannot_be_made() {
    let (short, long) = (HashValue::new(&[1; 32]).unwrap(), HashValue::new(&[1; 48]).unwrap());
    let challenge = |hash, group, len| Challenge::new(1, 1, (hash, short), (group, vec![9; len])).is_ok();
    assert!(challenge(HashId::SHA256, DhGroupId::FFDHE3072, 384));
    assert!(!challenge(HashId::SHA384, DhGroupId::FFDHE3072, 384));
    assert!(!challenge(HashId::SHA256, DhGroupId::FFDHE3072, 256));
    assert!(!challenge(HashId::SHA256, DhGroupId(9), 65536));
    assert!(Reply::new(1, 1, short, Some(long), Vec::new()).is_err());
    assert!(Reply::new(1, 1, short, None, vec![1; 255]).is_err());
    assert!(ProtocolDescriptor::dh_hmac_chap(&[], DhGroupId::NAMED).is_err());
    assert!(ProtocolDescriptor::dh_hmac_chap(&[HashId::SHA256; 300], DhGroupId::NAMED).is_err());
    assert!(ProtocolDescriptor::dh_hmac_chap(&[HashId::SHA256; 30], &[DhGroupId::NULL; 30]).is_ok());
}

proptest! {
    #[test]
    fn messages_survive(message in testing::auth_message(), padding in 0..64_usize) {
        let mut bytes = message.encode();
        prop_assert_eq!(bytes.len(), message.encoded_len());
        prop_assert_eq!(AuthMessage::decode(&bytes), Ok(message.clone()));
        bytes.resize(bytes.len() + padding, 0);
        prop_assert_eq!(AuthMessage::decode(&bytes), Ok(message));
    }

    #[test]
    fn secrets_survive(secret in testing::dhchap_secret(), at in any::<prop::sample::Index>(), to in "[A-Za-z0-9+/]") {
        let text = secret.expose_text();
        prop_assert_eq!(text.as_str().parse::<DhchapSecret>(), Ok(secret.clone()));
        // One other character of the payload: never the same secret.
        let payload = 10..text.as_str().len() - 1;
        let at = payload.start + at.index(payload.len());
        let mut other = text.as_str().to_owned();
        other.replace_range(at..=at, &to);
        prop_assert_eq!(other.parse::<DhchapSecret>().is_ok(), other == text.as_str());
    }

    #[test]
    fn anything_is_answered(data in prop::collection::vec(any::<u8>(), 0..1500)) {
        testing::auth_messages(&data);
    }
}
