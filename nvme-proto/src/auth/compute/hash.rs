//! SHA-2 and HMAC, chosen by the length of their values.

use alloc::vec::Vec;

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::{Digest as _, Sha256, Sha384, Sha512};
use zeroize::Zeroizing;

use crate::auth::terms::HashLen;
use crate::key_text::SecretBytes;

/// The hash of `data`.
pub(crate) fn hash(function: HashLen, data: &[u8]) -> SecretBytes {
    match function {
        HashLen::Bytes32 => secret(&Sha256::digest(data)),
        HashLen::Bytes48 => secret(&Sha384::digest(data)),
        HashLen::Bytes64 => secret(&Sha512::digest(data)),
    }
}

/// The HMAC of `parts`, one after the other.
pub(crate) fn hmac(function: HashLen, key: &[u8], parts: &[&[u8]]) -> SecretBytes {
    macro_rules! mac {
        ($hash:ty) => {{
            // HMAC takes keys of every length; if it did not, a value of no length would match nothing.
            let Ok(mut mac) = Hmac::<$hash>::new_from_slice(key) else {
                return SecretBytes::default();
            };
            for part in parts {
                mac.update(part);
            }
            secret(&mac.finalize().into_bytes())
        }};
    }
    match function {
        HashLen::Bytes32 => mac!(Sha256),
        HashLen::Bytes48 => mac!(Sha384),
        HashLen::Bytes64 => mac!(Sha512),
    }
}

fn secret(bytes: &[u8]) -> SecretBytes {
    Zeroizing::new(Vec::from(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::test_hex::hex;

    /// The examples of FIPS 180-2 ("abc").
    #[test]
    fn hashes_as_in_their_standard() {
        for (function, expected) in [
            (HashLen::Bytes32, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
            (
                HashLen::Bytes48,
                "cb00753f45a35e8bb5a03d699ac65007272c32ab0eded1631a8b605a43ff5bed8086072ba1e7cc2358baeca134c825a7",
            ),
            (
                HashLen::Bytes64,
                "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a\
                 2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f",
            ),
        ] {
            assert_eq!(hash(function, b"abc").as_slice(), hex(expected));
        }
    }

    /// Test case 2 of RFC 4231, and a key longer than a block (case 6) in two parts.
    #[test]
    fn macs_as_in_their_rfc() {
        for (function, expected) in [
            (HashLen::Bytes32, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"),
            (
                HashLen::Bytes48,
                "af45d2e376484031617f78d2b58a6b1b9c7ef464f5a01b47e42ec3736322445e8e2240ca5e69e2c78b3239ecfab21649",
            ),
            (
                HashLen::Bytes64,
                "164b7a7bfcf819e2e395fbe73b56e0a387bd64222e831fd610270cd7ea250554\
                 9758bf75c05a994a6d034f65f8f0e6fdcaeab1a34d4a6b4b636e070a38bce737",
            ),
        ] {
            let mac = hmac(function, b"Jefe", &[b"what do ya want ", b"for nothing?"]);
            assert_eq!(mac.as_slice(), hex(expected));
        }
        let mac = hmac(
            HashLen::Bytes32,
            &[0xaa; 131],
            &[b"Test Using Larger Than Block-Size Key - ", b"", b"Hash Key First"],
        );
        assert_eq!(mac.as_slice(), hex("60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54"));
    }
}
