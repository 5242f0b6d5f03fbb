//! Keys, augmented challenges, responses.

use core::fmt;

use zeroize::Zeroizing;

use super::hmac;
use crate::auth::secret::DhchapSecret;
use crate::auth::terms::{HashLen, SecureChannelMode};
use crate::auth::value::HashValue;
use crate::key_text::{SecretBytes, equal};
use crate::types::{HostNqn, SubsysNqn};

/// A secret bound to the name of who it belongs to: the host's to its NQN, the controller's to the subsystem's. Wiped when it is dropped.
///
/// With a hash function: HMAC(secret, NQN followed by `NVMe-over-Fabrics`). Without: the secret.
///
/// Source: NVMe Base 2.0 section 8.13.5.8, kernel `drivers/nvme/common/auth.c: nvme_auth_transform_key`.
pub struct TransformedKey(SecretBytes);

/// The session key Ks, with which challenges are augmented. Wiped when it is dropped.
pub struct SessionKey {
    function: HashLen,
    bytes: SecretBytes,
}

/// Everything that goes into a response.
///
/// | order | bytes      | host's response (R1) | controller's response (R2)                          |
/// |-------|------------|----------------------|-----------------------------------------------------|
/// | 1     | HL         | C1, augmented        | C2, augmented                                       |
/// | 2     | 4          | S1                   | S2                                                  |
/// | 3     | 2          | T_ID                 | T_ID                                                |
/// | 4     | 1          | SC_C                 | 0                                                   |
/// | 5     | 8 / 10     | `HostHost`           | `Controller`                                        |
/// | 6     |            | host NQN             | subsystem NQN                                       |
/// | 7     | 1          | 0                    | 0                                                   |
/// | 8     |            | subsystem NQN        | host NQN                                            |
///
/// The key of the HMAC is the host's transformed secret for R1, and the controller's for R2. A challenge is augmented with the session key Ks:
/// HMAC(Ks, C); with the group NULL it is taken as it is. Byte 4 of R2 is 0 whatever SC_C is: so do Linux's host and target.
///
/// Source: NVMe Base 2.0 section 8.13.5.6 and .7, kernel `drivers/nvme/host/auth.c: nvme_auth_dhchap_setup_host_response`,
/// `nvme_auth_dhchap_setup_ctrl_response`.
#[derive(Debug, Clone, Copy)]
pub struct ResponseInput<'a> {
    /// The challenge as on the wire: C1 for the host's response, C2 for the controller's. Its length tells the hash function.
    pub challenge: &'a HashValue,
    /// The session key; `None` with the group NULL.
    pub session_key: Option<&'a SessionKey>,
    /// The sequence number: S1 for the host's response, S2 for the controller's.
    pub sequence: u32,
    /// The transaction (T_ID).
    pub transaction: u16,
    /// What the host asked for (SC_C).
    pub secure_channel: SecureChannelMode,
    /// The host.
    pub host: &'a HostNqn,
    /// The subsystem.
    pub subsystem: &'a SubsysNqn,
}

impl DhchapSecret {
    /// The key of a host's own secret.
    #[must_use]
    pub fn transform_for_host(&self, host: &HostNqn) -> TransformedKey {
        self.transform(host.as_str())
    }

    /// The key of the secret with which controllers of a subsystem authenticate themselves.
    #[must_use]
    pub fn transform_for_subsystem(&self, subsystem: &SubsysNqn) -> TransformedKey {
        self.transform(subsystem.as_str())
    }

    fn transform(&self, owner: &str) -> TransformedKey {
        let key = match self.hash().and_then(crate::auth::HashId::hash_len) {
            Some(function) => hmac(function, self.expose_bytes(), &[owner.as_bytes(), b"NVMe-over-Fabrics"]),
            None => Zeroizing::new(self.expose_bytes().to_vec()),
        };
        TransformedKey(key)
    }
}

impl TransformedKey {
    /// The bytes. Do not print or log them.
    #[must_use]
    pub fn expose_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for TransformedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TransformedKey(..)")
    }
}

impl SessionKey {
    pub(crate) const fn from_secret(function: HashLen, bytes: SecretBytes) -> Self {
        Self { function, bytes }
    }

    /// The bytes. Do not print or log them.
    #[must_use]
    pub fn expose_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The augmented challenge: HMAC(Ks, challenge).
    #[must_use]
    pub fn augment(&self, challenge: &HashValue) -> HashValue {
        value(self.function, &hmac(self.function, &self.bytes, &[challenge.as_bytes()]))
    }

    /// The key that both sides make for TLS: HMAC(Ks, C1 followed by C2).
    ///
    /// Source: NVMe Base 2.0 section 8.13.5.9, kernel `drivers/nvme/common/auth.c: nvme_auth_generate_psk`.
    pub(crate) fn generate_psk(&self, c1: &HashValue, c2: &HashValue) -> SecretBytes {
        hmac(self.function, &self.bytes, &[c1.as_bytes(), c2.as_bytes()])
    }
}

impl fmt::Debug for SessionKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SessionKey(..)")
    }
}

impl ResponseInput<'_> {
    /// The host's response (R1), with the key of its secret.
    #[must_use]
    pub fn host_response(&self, key: &TransformedKey) -> HashValue {
        let names = [self.host.as_str().as_bytes(), &[0], self.subsystem.as_str().as_bytes()];
        self.response(key, self.secure_channel.0, b"HostHost", names)
    }

    /// The controller's response (R2), with the key of its secret.
    #[must_use]
    pub fn controller_response(&self, key: &TransformedKey) -> HashValue {
        let names = [self.subsystem.as_str().as_bytes(), &[0], self.host.as_str().as_bytes()];
        self.response(key, 0, b"Controller", names)
    }

    /// Whether the host's response is right. Takes a time that depends on lengths only.
    #[must_use]
    pub fn verify_host(&self, key: &TransformedKey, response: &HashValue) -> bool {
        equal(self.host_response(key).as_bytes(), response.as_bytes())
    }

    /// Whether the controller's response is right. Takes a time that depends on lengths only.
    #[must_use]
    pub fn verify_controller(&self, key: &TransformedKey, response: &HashValue) -> bool {
        equal(self.controller_response(key).as_bytes(), response.as_bytes())
    }

    fn response(&self, key: &TransformedKey, mode: u8, role: &[u8], names: [&[u8]; 3]) -> HashValue {
        let challenge = match self.session_key {
            Some(session) => session.augment(self.challenge),
            None => *self.challenge,
        };
        let function = self.challenge.len();
        let [owner, separator, peer] = names;
        let mac = hmac(
            function,
            &key.0,
            &[
                challenge.as_bytes(),
                &self.sequence.to_le_bytes(),
                &self.transaction.to_le_bytes(),
                &[mode],
                role,
                owner,
                separator,
                peer,
            ],
        );
        value(function, &mac)
    }
}

/// The bytes of an HMAC as a value of a message.
fn value(function: HashLen, mac: &[u8]) -> HashValue {
    let mut bytes = [0; HashLen::MAX];
    for (to, from) in bytes.iter_mut().zip(mac) {
        *to = *from;
    }
    HashValue::from_front(bytes, function)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::compute::SharedSecret;
    use crate::auth::test_hex::hex;
    use alloc::vec::Vec;

    #[test]
    fn secrets_are_bound_to_a_name() {
        let host =
            HostNqn::new("nqn.2014-08.org.nvmexpress:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bf6").unwrap();
        for (text, key) in [
            (
                "DHHC-1:00:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh+KfiaR:",
                "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f",
            ),
            (
                "DHHC-1:01:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh+KfiaR:",
                "8d688ad0d792c1e423185108f5ce1b8c757bf763711bf2901b59807c24008919",
            ),
            (
                "DHHC-1:02:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8gISIjJCUmJygpKissLS4vcSEgBQ==:",
                "22a649ece7ea39c6c7d007fe6e6e105ab875f8b10457f169ef28e06542b017af3e55c3d1e94b3e651c734a215384daf2",
            ),
            (
                "DHHC-1:03:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8gISIjJCUmJygpKissLS4vMDEyMzQ1Njc4OTo7PD0+P4zODhA=:",
                "759495bb5614f9450a84e46958faae7198071d01b5ca8f85cb732f9a862ad2b9\
                 2b6836eb412b317519177af0d8cddd774275a040ce7c0f762104297719c0277d",
            ),
        ] {
            let secret: DhchapSecret = text.parse().unwrap();
            assert_eq!(secret.transform_for_host(&host).expose_bytes(), hex(key));
        }
        // The controller's key of a run against a Linux target.
        let secret = hex("873d06d7c8d177f0299dce7576ecb2cb58831612fe859683c157102e2bb08a9e");
        let secret = DhchapSecret::new(Some(crate::auth::HashId::SHA256), &secret).unwrap();
        let subsystem = SubsysNqn::new("nqn.2024-01.org.example:auth").unwrap();
        let key = secret.transform_for_subsystem(&subsystem);
        let expected = hex("ed871b262ca835777b056aa5b8355a50e84607feb168a568625660c779588782");
        assert_eq!(key.expose_bytes(), expected);
        assert_eq!(alloc::format!("{key:?}"), "TransformedKey(..)");
    }

    #[test]
    fn challenges_are_augmented_with_the_session_key() {
        let shared: Vec<u8> = (0..=255).collect();
        let session = SharedSecret::from_bytes(&shared).session_key(HashLen::Bytes32);
        let ks = hex("40aff2e9d2d8922e47afd4648e6967497158785fbd1da870e7110266bf944880");
        assert_eq!(session.expose_bytes(), ks);
        let challenge = HashValue::new(&shared[..32]).unwrap();
        let ca = hex("489a13eb1ddc349965d38820eb1815d05a2d88380bef20978854622d32e71f0d");
        assert_eq!(session.augment(&challenge).as_bytes(), ca);
    }

    /// Every part changes both responses, and no response is the other's.
    #[test]
    fn every_part_counts() {
        let secret = DhchapSecret::new(None, &[9; 32]).unwrap();
        let [host, other_host] = ["nqn.a:h", "nqn.a:i"].map(|name| HostNqn::new(name).unwrap());
        let [subsystem, other_subsystem] = ["nqn.a:s", "nqn.a:t"].map(|name| SubsysNqn::new(name).unwrap());
        let key = secret.transform_for_host(&host);
        let [challenge, other_challenge] = [1, 2].map(|byte| HashValue::new(&[byte; 48]).unwrap());
        let session = SharedSecret::from_bytes(&[3; 256]).session_key(HashLen::Bytes48);
        let first = ResponseInput {
            challenge: &challenge,
            session_key: None,
            sequence: 7,
            transaction: 8,
            secure_channel: SecureChannelMode::NONE,
            host: &host,
            subsystem: &subsystem,
        };
        let mut seen = Vec::new();
        for input in [
            first,
            ResponseInput { challenge: &other_challenge, ..first },
            ResponseInput { session_key: Some(&session), ..first },
            ResponseInput { sequence: 0x0700_0000, ..first },
            ResponseInput { transaction: 0x0800, ..first },
            ResponseInput { host: &other_host, ..first },
            ResponseInput { subsystem: &other_subsystem, ..first },
        ] {
            let (host, controller) = (input.host_response(&key), input.controller_response(&key));
            assert!(input.verify_host(&key, &host) && input.verify_controller(&key, &controller));
            assert!(!input.verify_host(&key, &controller) && !input.verify_controller(&key, &host));
            for response in [host, controller] {
                assert_eq!(response.len(), HashLen::Bytes48);
                assert!(!seen.contains(&response));
                seen.push(response);
            }
        }
        // SC_C is part of R1 alone.
        let concatenated = ResponseInput { secure_channel: SecureChannelMode::NEW_TLS_PSK, ..first };
        assert_ne!(concatenated.host_response(&key), first.host_response(&key));
        assert_eq!(concatenated.controller_response(&key), first.controller_response(&key));
    }
}
