//! What is derived from a configured or generated key.

use alloc::string::ToString as _;
use alloc::vec::Vec;
use core::fmt;

use zeroize::Zeroizing;

use super::identity::{PskIdentity, PskKind, digest_text};
use super::psk::{ConfiguredPsk, PskHash};
use crate::auth::{HashValue, hmac};
use crate::key_text::SecretBytes;
use crate::types::{HostNqn, SubsysNqn};

/// How lengths go into HKDF-Expand-Label. Both sides of a connection must use the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum LabelEncoding {
    /// As RFC 8446 section 7.1 has it: the length of the result big-endian, and a length byte before label and context.
    #[default]
    Rfc8446,
    /// As libnvme did up to 1.15 (nvme-cli up to 2.15): the length of the result little-endian, no length bytes. Needed for keys in use that were
    /// derived by those.
    Libnvme115,
}

/// A key from which the key of a connection is derived: that of a host (retained), or one that an authentication made (generated). Wiped when it is
/// dropped.
///
/// | kind      | bytes                                                                                       |
/// |-----------|---------------------------------------------------------------------------------------------|
/// | retained  | HKDF-Expand-Label(HKDF-Extract(0, configured), `HostNQN`, host NQN); without a hash function the configured key |
/// | generated | HMAC(Ks, C1 followed by C2)                                                                 |
///
/// Source: NVMe/TCP 1.0 section 3.6.1.2 and .4; NVMe Base 2.0 section 8.13.5.9.
pub struct RetainedPsk {
    bytes: SecretBytes,
    hash: PskHash,
    kind: PskKind,
}

/// An identity of version 0 that has no key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
#[error(
    "the identity of version 0 has {len} bytes, and with more than 255 no key can be derived from it: use version 1, or shorter names"
)]
pub struct IdentityTooLong {
    /// Bytes it has.
    pub len: usize,
}

/// The key that a TLS library uses for one host and one subsystem. Wiped when it is dropped.
///
/// HKDF-Expand-Label(HKDF-Extract(0, retained key), `nvme-tls-psk`, context), where the context is the whole identity in version 0, and
/// `01 DIGEST` or `02 DIGEST` in version 1.
///
/// Source: NVMe/TCP 1.0 section 3.6.1.4, kernel `drivers/nvme/common/auth.c: nvme_auth_derive_tls_psk`.
pub struct TlsPsk(SecretBytes);

impl ConfiguredPsk {
    /// The key of this host.
    #[must_use]
    pub fn retain(&self, host: &HostNqn, labels: LabelEncoding) -> RetainedPsk {
        let hash = self.function();
        let bytes = match self.hash() {
            None => Zeroizing::new(self.expose_bytes().to_vec()),
            Some(hash) => {
                let key = extract(hash, self.expose_bytes());
                expand_label(hash, &key, b"HostNQN", host.as_str().as_bytes(), labels)
            }
        };
        RetainedPsk { bytes, hash, kind: PskKind::Retained }
    }
}

impl RetainedPsk {
    /// A generated key of this length; `None` for a length that no key has.
    pub(crate) fn generated(bytes: SecretBytes) -> Option<Self> {
        let len = crate::auth::HashLen::from_bytes(bytes.len())?;
        Some(Self { bytes, hash: PskHash::from_hash_len(len)?, kind: PskKind::Generated })
    }

    /// The key itself. Do not print or log it.
    #[must_use]
    pub fn expose_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Where it comes from.
    #[must_use]
    pub const fn kind(&self) -> PskKind {
        self.kind
    }

    /// The hash function for everything derived.
    #[must_use]
    pub const fn hash(&self) -> PskHash {
        self.hash
    }

    /// The digest in identities of version 1: HMAC over host NQN, blank, subsystem NQN, blank and `NVMe-over-Fabrics`.
    #[must_use]
    pub fn digest(&self, host: &HostNqn, subsystem: &SubsysNqn) -> HashValue {
        let names = [host.as_str(), " ", subsystem.as_str(), " NVMe-over-Fabrics"].map(str::as_bytes);
        let mac = hmac(self.hash.hash_len(), &self.bytes, &names);
        let mut bytes = [0; 64];
        for (to, from) in bytes.iter_mut().zip(mac.iter()) {
            *to = *from;
        }
        HashValue::from_front(bytes, self.hash.hash_len())
    }

    /// The identity of version 0 and its key for TLS. Linux up to 6.11 searches for this version only.
    ///
    /// # Errors
    /// [`IdentityTooLong`] when the names are so long that HKDF-Expand-Label cannot take the identity.
    pub fn tls_psk_v0(
        &self,
        host: &HostNqn,
        subsystem: &SubsysNqn,
        labels: LabelEncoding,
    ) -> Result<(PskIdentity, TlsPsk), IdentityTooLong> {
        let identity = PskIdentity::v0(self.kind, self.hash, host.clone(), subsystem.clone());
        let context = identity.to_string();
        if labels == LabelEncoding::Rfc8446 && context.len() > MAX_CONTEXT {
            return Err(IdentityTooLong { len: context.len() });
        }
        Ok((identity, self.tls_psk(&context, labels)))
    }

    /// The identity of version 1 and its key for TLS.
    #[must_use]
    pub fn tls_psk_v1(
        &self,
        host: &HostNqn,
        subsystem: &SubsysNqn,
        labels: LabelEncoding,
    ) -> (PskIdentity, TlsPsk) {
        let digest = self.digest(host, subsystem);
        let identity = PskIdentity::v1(self.kind, self.hash, digest, host.clone(), subsystem.clone());
        let context = alloc::format!("{:02} {}", self.hash.number(), digest_text(&digest));
        (identity, self.tls_psk(&context, labels))
    }

    fn tls_psk(&self, context: &str, labels: LabelEncoding) -> TlsPsk {
        let key = extract(self.hash, &self.bytes);
        TlsPsk(expand_label(self.hash, &key, b"nvme-tls-psk", context.as_bytes(), labels))
    }
}

impl fmt::Debug for RetainedPsk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RetainedPsk(..)")
    }
}

impl TlsPsk {
    /// The key itself. Do not print or log it.
    #[must_use]
    pub fn expose_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for TlsPsk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TlsPsk(..)")
    }
}

/// The longest context of HKDF-Expand-Label, bytes.
const MAX_CONTEXT: usize = 255;

/// HKDF-Extract of RFC 5869 with a salt of zeros.
fn extract(hash: PskHash, key: &[u8]) -> SecretBytes {
    // HMAC fills its key up with zeros: an empty salt is one of zeros.
    hmac(hash.hash_len(), &[], &[key])
}

/// HKDF-Expand-Label with the label `tls13 LABEL`, as long as the hash.
fn expand_label(
    hash: PskHash,
    key: &[u8],
    label: &[u8],
    context: &[u8],
    labels: LabelEncoding,
) -> SecretBytes {
    let len = u16::from(hash.hash_len().to_wire());
    let mut info = Vec::new();
    // At most 255: labels are short, NQNs have at most 223 bytes, and identities were checked.
    let byte = |len: usize| u8::try_from(len).unwrap_or(u8::MAX);
    match labels {
        LabelEncoding::Rfc8446 => {
            info.extend(len.to_be_bytes());
            info.push(byte(label.len().saturating_add(6)));
        }
        LabelEncoding::Libnvme115 => info.extend(len.to_le_bytes()),
    }
    info.extend_from_slice(b"tls13 ");
    info.extend_from_slice(label);
    if labels == LabelEncoding::Rfc8446 {
        info.push(byte(context.len()));
    }
    info.extend_from_slice(context);
    // HKDF-Expand of RFC 5869: what is wanted is as long as one block.
    hmac(hash.hash_len(), key, &[info.as_slice(), &[1]])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::test_hex::hex;
    use crate::auth::{HashLen, SessionKey};
    use alloc::format;

    const P32: &str = "5512dbb6737d0106f65975b773dfb011ffc344bcf442e2dd6d8bc4870b5d5b03";
    const COUNT: &str = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";

    /// What one configured key gives for one host and subsystem.
    struct Vector {
        hash: Option<PskHash>,
        labels: LabelEncoding,
        retained: &'static str,
        digest: &'static str,
        v1: &'static str,
        v0: Option<&'static str>,
    }

    fn check(psk: &[u8], [host, subsystem]: [&str; 2], vector: &Vector) {
        let (host, subsystem) = (HostNqn::new(host).unwrap(), SubsysNqn::new(subsystem).unwrap());
        let psk = ConfiguredPsk::new(vector.hash, psk).unwrap();
        let retained = psk.retain(&host, vector.labels);
        assert_eq!(retained.expose_bytes(), hex(vector.retained));
        assert_eq!((retained.kind(), retained.hash()), (PskKind::Retained, psk.function()));
        assert_eq!(digest_text(&retained.digest(&host, &subsystem)), vector.digest);
        let (identity, key) = retained.tls_psk_v1(&host, &subsystem, vector.labels);
        let number = psk.function().number();
        assert_eq!(identity.to_string(), format!("NVMe1R0{number} {host} {subsystem} {}", vector.digest));
        assert_eq!(key.expose_bytes(), hex(vector.v1));
        let (identity, key) = retained.tls_psk_v0(&host, &subsystem, vector.labels).unwrap();
        assert_eq!(identity.to_string(), format!("NVMe0R0{number} {host} {subsystem}"));
        if let Some(v0) = vector.v0 {
            assert_eq!(key.expose_bytes(), hex(v0));
        }
    }

    /// The keys of libnvme's own tests.
    #[test]
    fn derives_what_libnvme_derives() {
        let p48 = format!("{P32}ffc344bcf442e2dd6d8bc4870b5d5b03");
        let names = ["nqn.psk-test-host", "nqn.psk-test-subsys"];
        check(
            &hex(P32),
            names,
            &Vector {
                hash: Some(PskHash::Sha256),
                labels: LabelEncoding::Rfc8446,
                retained: "073311dec37e219ff3acd43f130130c5bdd443c066e1cc3424e49030234ff7d5",
                digest: "iSbjiStwJ/1TrTvDlt2fjFmzvsytOJelidNnA+X5lEU=",
                v1: "8fc3c0badfd4c0c66fa3ca33aadd0314f85536cc9bc47338b60f3e6e563786ca",
                v0: Some("05c6503551ad136e6ee32e6eeb3f6d500b69701d84ec71e328f65c7f51566f68"),
            },
        );
        check(
            &hex(&p48),
            names,
            &Vector {
                hash: Some(PskHash::Sha384),
                labels: LabelEncoding::Rfc8446,
                retained: "73973a1b51a9acdde29a0610ac6a3ef852cf45936cca6830a661d18f68502f1a4c7a8ecb37524e0b1f7087cb4d680ad9",
                digest: "QhW2+Rp6RzHlNtCslyRxMnwJ11tKKhz8JCAQpQ+XUD8f9td1VeH5h53yz2wKJG1a",
                v1: "a2b2f943f479fc682555cec89857c80ed004ce92f32a973d5764155bb7e36b17a85368a0666d250afac9282dda2e62ca",
                v0: Some(
                    "f42ba63824cdfe421914c582921f85b5b5b7e2d4df084caeedc9be20b212e8bb0fe8a23e9d59a1c8fc6449da4970a78d",
                ),
            },
        );
        check(
            &hex(P32),
            names,
            &Vector {
                hash: Some(PskHash::Sha256),
                labels: LabelEncoding::Libnvme115,
                retained: "ad4cdadfcbaf4e353fcbd09aac891c4d75c5300fe5ee7bb04ae87726a312eddc",
                digest: "66GuqV08TsAGII39teWUfwQwizjv06Jy8jOcX3NAAzM=",
                v1: "b9f5ab2a41ba6e72a23a12066302a2f775fa6c0942c8e0b18ca8ac07edf305e2",
                v0: None,
            },
        );
        check(
            &hex(&p48),
            names,
            &Vector {
                hash: Some(PskHash::Sha384),
                labels: LabelEncoding::Libnvme115,
                retained: "12d2452bc4783f50286bf940ad1caa05a304065e379024d9278ca7c9d8a42400c47029f198bfcdf5f14c07cb04eb7306",
                digest: "RsKmYJ3nAn1ApjjMloJFbAkLPivONDAX/xW327YBUsn2eGShXSjCZvBaOxscLqmz",
                v1: "fcefe2e2a2e682b1447dcabf1ec268f78f08c63cd075753abcc8bda2c5c34d48d3014aa8d76ad80107e4f5c9f27e2149",
                v0: None,
            },
        );
    }

    #[test]
    fn derives_from_keys_with_and_without_a_hash_function() {
        let count48 = format!("{COUNT}202122232425262728292a2b2c2d2e2f");
        let names = [
            "nqn.2014-08.org.nvmexpress:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bf6",
            "nqn.2024-01.com.example:subsys1",
        ];
        check(
            &hex(COUNT),
            names,
            &Vector {
                hash: None,
                labels: LabelEncoding::Rfc8446,
                retained: COUNT,
                digest: "qlD8TcgHeUoO03NKm6/T8dqaArMzAyyE7DUtLrRqrS0=",
                v1: "8eee81282be8e75ce3d69708ece68e173a45d64239e95da8a3febed13b7b3824",
                v0: Some("2abb893c4f4f4f52c948d58cfecb732faa56205467ff0706fbeef64afcb2d9b9"),
            },
        );
        check(
            &hex(COUNT),
            names,
            &Vector {
                hash: Some(PskHash::Sha256),
                labels: LabelEncoding::Rfc8446,
                retained: "2777170cfb82b52c5ec8cb00cc26fa9145d942315f2c892822b0772f5debe85d",
                digest: "lQBgdPfwhO7bFbnyByXwb/s+BqA6ExMaNUiP53Rrx9Q=",
                v1: "3cdf5f1d25875111484d7d1695399cc7b0ce23a2925913215937025c7f084c2e",
                v0: Some("44c3ab509565b70a2f3a683feda80775e9932252cae3ea2a05a76ccbce088fe0"),
            },
        );
        check(
            &hex(&count48),
            names,
            &Vector {
                hash: Some(PskHash::Sha384),
                labels: LabelEncoding::Rfc8446,
                retained: "9199e9844a95310712a6436350cb36769e36bb02461989493acb7f9419f9d1ca81374a176479e87994f6c7c17c5f2800",
                digest: "X+Mf7EBQxkZ1AuPQE7+WdTv1Aq71169Qrz5sXzr4FMCizOaqUnNvTXRUaS+swBD9",
                v1: "49338b27af68c766a9e2def5f3bb50cfb26c4b1394b1f403f87e3f812e9604dc4cb4b22171b0214442e61aaecc10df3e",
                v0: Some(
                    "25b13f6f1a3a8b4503310a07411a9662c61383b1ad3d5f1b4bcb8d1d98a966504bee84d85645a7acda0d891c64c4c32f",
                ),
            },
        );
    }

    #[test]
    fn older_libnvme_differs_in_the_labels_alone() {
        let names = [
            "nqn.2014-08.org.nvmexpress:uuid:1b4e28ba-2fa1-11d2-883f-0016d3ccabcd",
            "nqn.2024-01.org.example:disk1",
        ];
        check(
            &hex(P32),
            names,
            &Vector {
                hash: Some(PskHash::Sha256),
                labels: LabelEncoding::Rfc8446,
                retained: "4cdaa9924d0c3ed078a77f85eff01c8d8116dea0ef592d05c0a8e947ce57a909",
                digest: "2ecKiBqK5Iwqy0wieOIp94YS+vunGL1ZH2IKNjsA02I=",
                v1: "a3a282ca4832a6e1382647667bf5cd2527df60ac453740627a3ee9d93e087c95",
                v0: Some("68b45f94d7a083054793072170bdb5bda544a2304ea79e5edf8a34e05d6ea71f"),
            },
        );
        let (host, subsystem) = (HostNqn::new(names[0]).unwrap(), SubsysNqn::new(names[1]).unwrap());
        let psk = ConfiguredPsk::new(Some(PskHash::Sha256), &hex(P32)).unwrap();
        let compat = psk.retain(&host, LabelEncoding::Libnvme115).digest(&host, &subsystem);
        assert_eq!(digest_text(&compat), "rqp7PmDl+y0G+PfPjk9ZpYnIR3uLU7/u8tc69FxSDNo=");
    }

    /// The kernel's own tests of secure channel concatenation.
    #[test]
    fn generates_what_the_kernel_generates() {
        let (host, subsystem) = (HostNqn::new("hostnqn").unwrap(), SubsysNqn::new("subsysnqn").unwrap());
        for (function, psk, digest, key) in [
            (
                HashLen::Bytes32,
                "1733c59fa7f48fcf37f5f26fc4ff0268ad4f78e030f4f3b0bfd1d47e7bb1447a",
                "OldoKuTfKddMuyCznAZojkWD7P4D9/AtzDzLimtOxqI=",
                "3c17da628474a04d2247c4cab47968c915388193f7c071bd9489cc3666cd7cc8",
            ),
            (
                HashLen::Bytes48,
                "f14b2dd3234c459694d3bc63f8968bd6b37c2c6de849e22e118749001ce4bbe8640b9e3a748cb11ce4b1d71d359cce39",
                "cffMWk8TSS7HOQebjgYEIkrPrjWPV4JE5cdPB8WhEvY4JBW5YynKyv66XscN4A9n",
                "2774753233537b3fa50eb7d16a8e43457d85f4906c005b2236616c5d80939d0898fff15bb8b77119d2be0aac423e7590",
            ),
        ] {
            let len = function.bytes() as u8;
            let bytes = |byte: fn(u8) -> u8| (0..len).map(byte).collect::<Vec<u8>>();
            let session = SessionKey::from_secret(function, Zeroizing::new(bytes(|i| 0x41 + i)));
            let (c1, c2) = (bytes(|i| i), bytes(|i| 0xff - i));
            let (c1, c2) = (HashValue::new(&c1).unwrap(), HashValue::new(&c2).unwrap());
            let generated = RetainedPsk::generated(session.generate_psk(&c1, &c2)).unwrap();
            assert_eq!(generated.expose_bytes(), hex(psk));
            assert_eq!(digest_text(&generated.digest(&host, &subsystem)), digest);
            let (identity, tls) = generated.tls_psk_v1(&host, &subsystem, LabelEncoding::Rfc8446);
            assert_eq!((identity.kind(), tls.expose_bytes()), (PskKind::Generated, hex(key).as_slice()));
            assert_eq!(format!("{generated:?} {tls:?}"), "RetainedPsk(..) TlsPsk(..)");
        }
        assert!(RetainedPsk::generated(Zeroizing::new(hex(COUNT).repeat(2))).is_none());
    }

    #[test]
    fn an_identity_that_hkdf_cannot_take_has_no_key() {
        let name = "n".repeat(123);
        let psk = ConfiguredPsk::new(None, &[1; 32]).unwrap();
        for (host, fits) in [("n".repeat(122), true), ("n".repeat(123), false)] {
            let (host, subsystem) = (HostNqn::new(host).unwrap(), SubsysNqn::new(name.as_str()).unwrap());
            let retained = psk.retain(&host, LabelEncoding::Rfc8446);
            let v0 = retained.tls_psk_v0(&host, &subsystem, LabelEncoding::Rfc8446);
            assert_eq!(v0.is_ok(), fits);
            assert_eq!(v0.err(), (!fits).then_some(IdentityTooLong { len: 256 }));
            assert!(retained.tls_psk_v0(&host, &subsystem, LabelEncoding::Libnvme115).is_ok());
        }
    }
}
