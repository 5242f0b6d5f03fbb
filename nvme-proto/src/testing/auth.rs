//! Values and properties of authentication and of keys as text.

use alloc::string::{String, ToString as _};
use alloc::vec::Vec;
use core::fmt::{Debug, Display};
use core::str::FromStr;

use proptest::collection::vec;
use proptest::prelude::*;

use crate::auth::{
    AuthMessage, AuthProtocolId, Challenge, DhGroupId, DhchapSecret, Failure1, Failure2, FailureExplanation,
    FailureReason, HashId, HashLen, HashValue, Negotiate, ProtocolDescriptor, Reply, SecureChannelMode,
    Success1, Success2,
};
use crate::error::DecodeErrorKind;
use crate::tls::{ConfiguredPsk, PskHash, PskIdentity};

fn hash_len() -> impl Strategy<Value = HashLen> {
    prop_oneof![Just(HashLen::Bytes32), Just(HashLen::Bytes48), Just(HashLen::Bytes64)]
}

fn hash_value(len: HashLen) -> impl Strategy<Value = HashValue> {
    vec(any::<u8>(), len.bytes()).prop_filter_map("a length", |bytes| HashValue::new(&bytes))
}

/// Any challenge or response.
pub fn auth_hash_value() -> impl Strategy<Value = HashValue> {
    hash_len().prop_flat_map(hash_value)
}

/// A public value, of the right length for its group but with arbitrary bytes.
fn dh_value() -> impl Strategy<Value = (DhGroupId, Vec<u8>)> {
    prop_oneof![
        3 => prop::sample::select(DhGroupId::NAMED),
        1 => (6..=u8::MAX).prop_map(DhGroupId),
    ]
    .prop_flat_map(|group| {
        let len = match group.value_len() {
            Some(len) => len..=len,
            None => 0..=40,
        };
        (Just(group), vec(any::<u8>(), len))
    })
}

fn protocol() -> impl Strategy<Value = ProtocolDescriptor> {
    let known = (vec(any::<u8>().prop_map(HashId), 1..=30), vec(any::<u8>().prop_map(DhGroupId), 1..=30))
        .prop_filter_map("lists", |(hashes, groups)| ProtocolDescriptor::dh_hmac_chap(&hashes, &groups).ok());
    let other = any::<[[u8; 32]; 2]>().prop_map(|[front, back]| {
        let mut bytes = [0; 64];
        for (to, from) in bytes.iter_mut().zip(front.into_iter().chain(back)) {
            *to = from;
        }
        // Another protocol than DH-HMAC-CHAP.
        bytes[0] |= 2;
        ProtocolDescriptor::from_bytes(bytes)
    });
    prop_oneof![3 => known, 1 => other]
}

/// Any message of in-band authentication, with every number a field can hold.
pub fn auth_message() -> impl Strategy<Value = AuthMessage> {
    let failure = (any::<u16>(), any::<u8>(), any::<u8>());
    let negotiate =
        (any::<u16>(), any::<u8>(), vec(protocol(), 1..4)).prop_map(|(transaction, mode, protocols)| {
            Negotiate { transaction, secure_channel: SecureChannelMode(mode), protocols }.into()
        });
    let challenge = (any::<u16>(), any::<u32>(), auth_hash_value(), dh_value(), 4..=u8::MAX, any::<bool>())
        .prop_filter_map("lengths", |(transaction, sequence, value, dh, unknown, known)| {
            let fitting = HashId::NAMED.iter().find(|hash| hash.hash_len() == Some(value.len()));
            let hash = fitting.copied().filter(|_| known).unwrap_or(HashId(unknown));
            Challenge::new(transaction, sequence, (hash, value), dh).ok().map(AuthMessage::from)
        });
    let reply = hash_len()
        .prop_flat_map(|len| {
            let own = prop::option::of(hash_value(len));
            (
                any::<u16>(),
                any::<u32>(),
                hash_value(len),
                own,
                prop::sample::select(DhGroupId::NAMED),
                any::<u8>(),
            )
        })
        .prop_filter_map("lengths", |(transaction, sequence, response, own, group, fill)| {
            let value = alloc::vec![fill; group.value_len()?];
            Reply::new(transaction, sequence, response, own, value).ok().map(AuthMessage::from)
        });
    let success = (any::<u16>(), hash_len(), prop::option::of(auth_hash_value())).prop_map(
        |(transaction, len, response)| match response {
            Some(response) => Success1::with_response(transaction, response).into(),
            None => Success1::new(transaction, len).into(),
        },
    );
    prop_oneof![
        2 => negotiate,
        3 => challenge,
        3 => reply,
        2 => success,
        1 => any::<u16>().prop_map(|transaction| Success2 { transaction }.into()),
        1 => failure.prop_map(|(transaction, reason, explanation)| Failure1 {
            transaction,
            reason: FailureReason(reason),
            explanation: FailureExplanation(explanation),
        }.into()),
        1 => failure.prop_map(|(transaction, reason, explanation)| Failure2 {
            transaction,
            reason: FailureReason(reason),
            explanation: FailureExplanation(explanation),
        }.into()),
    ]
}

/// Any secret of DH-HMAC-CHAP.
pub fn dhchap_secret() -> impl Strategy<Value = DhchapSecret> {
    (hash_len(), any::<[[u8; 32]; 2]>(), any::<bool>()).prop_filter_map(
        "a secret",
        |(len, halves, transformed)| {
            let bytes: Vec<u8> = halves.into_iter().flatten().take(len.bytes()).collect();
            let fitting = HashId::NAMED.iter().find(|hash| hash.hash_len() == Some(len));
            DhchapSecret::new(fitting.copied().filter(|_| transformed), &bytes).ok()
        },
    )
}

/// Any configured key for TLS.
pub fn configured_psk() -> impl Strategy<Value = ConfiguredPsk> {
    (any::<bool>(), any::<[[u8; 24]; 2]>(), any::<bool>()).prop_filter_map(
        "a key",
        |(long, halves, hashed)| {
            let hash = if long { PskHash::Sha384 } else { PskHash::Sha256 };
            let bytes: Vec<u8> = halves.into_iter().flatten().take(hash.hash_len().bytes()).collect();
            ConfiguredPsk::new(hashed.then_some(hash), &bytes).ok()
        },
    )
}

/// A message that decodes encodes to what it came from, reserved bytes apart, whatever is behind it; one that does not decode says where. Texts of keys
/// and identities are taken in one form only, and an error shows nothing of a key. Both state machines end whatever the peer says.
pub fn auth_messages(data: &[u8]) {
    match AuthMessage::decode(data) {
        Ok(message) => {
            let bytes = message.encode();
            assert!(bytes.len() == message.encoded_len() && bytes.len() <= data.len());
            assert_eq!(AuthMessage::decode(&bytes), Ok(message.clone()));
            for (at, (written, read)) in bytes.iter().zip(data).enumerate() {
                // Reserved bytes and challenges that are not valid are written as zeros.
                assert!(written == read || *written == 0, "byte {at} of {message:?}");
            }
            assert_eq!(message.transaction().to_le_bytes(), bytes.get(4..6).unwrap_or_default());
            if let AuthMessage::Negotiate(negotiate) = &message {
                let known = negotiate.protocols.iter();
                for protocol in known.filter(|one| one.protocol() == AuthProtocolId::DH_HMAC_CHAP) {
                    assert!((1..=30).contains(&protocol.hashes().count()));
                    assert!((1..=30).contains(&protocol.groups().count()));
                }
            }
        }
        Err(error) => {
            assert!(error.at <= data.len() && !error.to_string().is_empty());
            if let DecodeErrorKind::TooShort { need, have } = error.kind {
                assert!(have == data.len() && need > have);
            }
        }
    }
    let text = String::from_utf8_lossy(data);
    secret::<DhchapSecret>(&text, |secret| secret.expose_text().as_str().to_string());
    secret::<ConfiguredPsk>(&text, |psk| psk.expose_text().as_str().to_string());
    match text.parse::<PskIdentity>() {
        Ok(identity) => assert_eq!(identity.to_string(), text),
        Err(error) => assert!(!error.to_string().is_empty()),
    }
    #[cfg(feature = "auth")]
    machines::run(data);
}

fn secret<T: FromStr<Err: Display> + Debug>(text: &str, expose: impl Fn(&T) -> String) {
    match text.parse::<T>() {
        Ok(value) => {
            assert_eq!(expose(&value), text);
            assert!(alloc::format!("{value:?}").ends_with("(..)"));
        }
        Err(error) => {
            let message = error.to_string();
            // No run of characters of the text that could be part of a key.
            let shown = text.as_bytes().windows(12).any(|part| {
                part.iter().all(u8::is_ascii_alphanumeric)
                    && message.as_bytes().windows(12).any(|shown| shown == part)
            });
            assert!(!message.is_empty() && !shown, "{message}");
        }
    }
}

#[cfg(feature = "auth")]
mod machines {
    use alloc::vec::Vec;

    use crate::auth::{
        AuthRandom, ControllerAuthConfig, ControllerAuthentication, DhGroupId, DhchapSecret, HashId,
        HostAuthConfig, HostAuthentication, HostStep, Proven, SecureChannelMode,
    };
    use crate::tls::RetainedPsk;
    use crate::types::{HostNqn, SubsysNqn};

    /// Both machines talk to each other through somebody who changes what they say as `data` tells: byte 0 the settings (0 to 7), then for each message a position,
    /// a mask and the position's ninth bit. Both end, and where both sides are authenticated they agree.
    pub(super) fn run(data: &[u8]) {
        // Few inputs only: a group costs a thousand times what everything else does.
        let [settings @ 0..=7, changes @ ..] = data else { return };
        let (Ok(host), Ok(subsystem)) = (HostNqn::new("nqn.fuzz:host"), SubsysNqn::new("nqn.fuzz:subsystem"))
        else {
            return;
        };
        let (Ok(secret), Ok(other)) = (DhchapSecret::new(None, &[1; 32]), DhchapSecret::new(None, &[2; 32]))
        else {
            return;
        };
        let mut mine = HostAuthConfig::new(host.clone(), subsystem.clone(), secret.clone());
        let mut theirs = ControllerAuthConfig::new(host, subsystem, secret);
        // The larger groups take too long here.
        let groups: Vec<DhGroupId> =
            if settings & 1 == 0 { [DhGroupId::NULL].into() } else { [DhGroupId::FFDHE2048].into() };
        (mine.groups, theirs.groups) = (groups.clone(), groups);
        theirs.hashes = [HashId::NAMED, &[HashId(9)]].concat();
        if settings & 2 != 0 {
            (mine.controller_secret, theirs.controller_secret) = (Some(other.clone()), Some(other));
        }
        if settings & 4 != 0 {
            mine.secure_channel = SecureChannelMode::NEW_TLS_PSK;
            theirs.secure_channels = [SecureChannelMode::NEW_TLS_PSK].into();
        }
        let random = |byte| AuthRandom::from_bytes(&[byte; AuthRandom::LEN]);
        let mut controller = ControllerAuthentication::new(theirs, random(3));
        let Ok(mut host) = HostAuthentication::new(mine, 7, random(5)) else { return };
        let mut changes = changes.chunks_exact(3);
        let mut change = |bytes: &mut [u8]| {
            if let Some([at, mask, which]) = changes.next()
                && let Some(byte) = bytes.get_mut(usize::from(*at) | usize::from(*which & 1) << 8)
            {
                *byte ^= mask;
            }
        };
        for _ in 0..8 {
            match host.next() {
                HostStep::Send(message) => {
                    let mut message = message.to_vec();
                    change(&mut message);
                    let _ = controller.send(&message);
                    host.sent();
                }
                HostStep::Receive { len } => {
                    let mut message = controller.receive(len).unwrap_or_default();
                    change(&mut message);
                    host.received(&message);
                }
                HostStep::Done(session) => {
                    if session.proven == Proven::Both
                        && let Some(Ok(theirs)) = controller.result()
                    {
                        let keys = [session, theirs]
                            .map(|one| one.generated_psk.as_ref().map(RetainedPsk::expose_bytes));
                        assert!(keys.first() == keys.last() && theirs.proven == Proven::Both);
                        assert_eq!((session.hash, session.group), (theirs.hash, theirs.group));
                    }
                    return;
                }
                HostStep::Failed(error) => {
                    assert!(!alloc::format!("{error} {error:?}").is_empty());
                    return;
                }
            }
        }
        assert!(matches!(host.next(), HostStep::Done(_) | HostStep::Failed(_)), "more than eight steps");
    }
}
