//! Exchanges that come to their end, good or bad.

use nvme_proto::auth::{
    AuthError, AuthMessage, AuthRandom, ControllerAuthConfig, ControllerAuthentication, DhGroupId,
    DhchapSecret, Failure2, FailureExplanation, HashId, HostAuthConfig, HostAuthentication, HostStep, Proven,
    SecureChannelMode,
};
use nvme_proto::{DecodeErrorKind, HostNqn, SubsysNqn};

use crate::common;
use crate::parties::*;

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
    let negotiate = vector(include_str!("../vectors/auth-negotiate.hex"));
    let challenge = vector(include_str!("../vectors/auth-challenge-null.hex"));
    let reply = vector(include_str!("../vectors/auth-reply-null.hex"));
    let success1 = vector(include_str!("../vectors/auth-success1-null.hex"));
    let success2 = vector(include_str!("../vectors/auth-success2.hex"));
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
    let lines = include_str!("../vectors/auth-exchanges-linux-6.12.txt").lines();
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
