//! The five groups of RFC 7919, and what is computed in them.

use alloc::vec::Vec;
use core::fmt;

use crypto_bigint::modular::{BoxedMontyForm, BoxedMontyParams};
use crypto_bigint::{BoxedUint, Odd};
use zeroize::Zeroizing;

use super::hash;
use crate::auth::compute::response::SessionKey;
use crate::auth::terms::{DhGroupId, HashLen};
use crate::key_text::SecretBytes;

/// A private exponent and its public value, for one transaction.
///
/// The exponent has 512 bits, more than twice the strength of every group, and is wiped when the value is dropped. Powers take a time that depends
/// on the group only.
pub struct DhKeyPair {
    group: Group,
    exponent: SecretBytes,
    public: Vec<u8>,
}

/// What two public values have in common (g^xy mod p), as long as the prime, big-endian. Wiped when it is dropped.
pub struct SharedSecret(SecretBytes);

/// A public value that is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum DhValueError {
    /// Another length than the group's.
    #[error("the peer's Diffie-Hellman value has {have} bytes, those of the group have {need}")]
    Length {
        /// Bytes it has.
        have: usize,
        /// Bytes it should have.
        need: usize,
    },
    /// 0, 1, p - 1 or more than that: values with which the shared secret is known to everybody.
    #[error(
        "the peer's Diffie-Hellman value is not between 2 and p - 2: it would make the shared secret known to everybody"
    )]
    Range,
}

impl DhKeyPair {
    /// Random bytes that make a private exponent.
    pub const RANDOM_LEN: usize = 64;

    /// A key pair of `group` from random bytes, which nobody else may know and which are used once. `None` for the group NULL and for
    /// groups without a name.
    #[must_use]
    pub fn new(group: DhGroupId, random: &[u8; Self::RANDOM_LEN]) -> Option<Self> {
        let group = Group::new(group)?;
        let mut exponent: SecretBytes = Zeroizing::new(random.to_vec());
        // Never 0 or 1, whatever the random bytes are, and always below the order of the group.
        if let Some(first) = exponent.first_mut() {
            *first |= 0x80;
        }
        let public = group.power(&group.element(&[2]), &exponent).to_vec();
        Some(Self { group, exponent, public })
    }

    /// The group.
    #[must_use]
    pub const fn group(&self) -> DhGroupId {
        self.group.id
    }

    /// The public value g^x mod p, as long as the prime, big-endian.
    #[must_use]
    pub fn public(&self) -> &[u8] {
        &self.public
    }

    /// What this exponent and the peer's public value make.
    ///
    /// The peer's value is checked to lie between 2 and p - 2. It is not checked to be in the subgroup of prime order: these primes are safe, so
    /// that a value outside gives away the lowest bit of an exponent that is used once.
    ///
    /// # Errors
    /// [`DhValueError`] for a value that the peer cannot have computed as it should.
    pub fn shared_secret(&self, peer: &[u8]) -> Result<SharedSecret, DhValueError> {
        let need = self.public.len();
        if peer.len() != need {
            return Err(DhValueError::Length { have: peer.len(), need });
        }
        let value = self.group.element(peer);
        let [two, largest] = [self.group.element(&[2]), self.group.largest()];
        if value < two || value > largest {
            return Err(DhValueError::Range);
        }
        Ok(SharedSecret(self.group.power(&value, &self.exponent)))
    }
}

impl fmt::Debug for DhKeyPair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DhKeyPair").field("group", &self.group()).finish_non_exhaustive()
    }
}

impl SharedSecret {
    /// A shared secret that was computed elsewhere: as long as the prime, big-endian.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Self {
        Self(Zeroizing::new(bytes.to_vec()))
    }

    /// The bytes. Do not print or log them.
    #[must_use]
    pub fn expose_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The session key Ks: the hash of the shared secret, by the hash function of the transaction.
    #[must_use]
    pub fn session_key(&self, function: HashLen) -> SessionKey {
        SessionKey::from_secret(function, hash(function, &self.0))
    }
}

impl fmt::Debug for SharedSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SharedSecret(..)")
    }
}

/// A group and its prime.
struct Group {
    id: DhGroupId,
    bits: u32,
    prime: Odd<BoxedUint>,
}

impl Group {
    fn new(id: DhGroupId) -> Option<Self> {
        let bytes = prime(id)?;
        let bits = u32::try_from(bytes.len()).ok()?.checked_mul(8)?;
        let prime = Odd::new(number(&bytes, bits)).into_option()?;
        Some(Self { id, bits, prime })
    }

    /// The number of these bytes, at most as many as the prime has.
    fn element(&self, bytes: &[u8]) -> BoxedUint {
        number(bytes, self.bits)
    }

    /// p - 2, the largest public value: p ends in 64 bits set.
    fn largest(&self) -> BoxedUint {
        self.prime.as_ref().wrapping_sub(self.element(&[2]))
    }

    /// `base` to the power of `exponent`, mod p; as long as p, big-endian.
    fn power(&self, base: &BoxedUint, exponent: &[u8]) -> SecretBytes {
        let bits = u32::try_from(exponent.len()).unwrap_or(0).saturating_mul(8);
        let exponent = Zeroizing::new(number(exponent, bits));
        let params = BoxedMontyParams::new_vartime(self.prime.clone());
        let base = BoxedMontyForm::new(base.clone(), &params);
        let power = Zeroizing::new(base.pow_bounded_exp(&exponent, bits).retrieve());
        Zeroizing::new(power.to_be_bytes().into_vec())
    }
}

/// The number of these big-endian bytes, `bits` wide.
fn number(bytes: &[u8], bits: u32) -> BoxedUint {
    BoxedUint::from_be_slice_truncated(bytes, bits)
}

/// What makes the prime of each group one: the smallest number for which it is a safe prime.
const fn addend(id: DhGroupId) -> Option<u32> {
    match id {
        DhGroupId::FFDHE2048 => Some(560_316),
        DhGroupId::FFDHE3072 => Some(2_625_351),
        DhGroupId::FFDHE4096 => Some(5_736_041),
        DhGroupId::FFDHE6144 => Some(15_705_020),
        DhGroupId::FFDHE8192 => Some(10_965_728),
        _ => None,
    }
}

/// The prime of a group, big-endian: 2^b - 2^(b-64) + (floor(2^(b-130) e) + X) 2^64 - 1. That is 64 bits set, the first b - 128 bits of e plus X - 1,
/// and 64 bits set.
///
/// Source: RFC 7919 appendix A.
fn prime(id: DhGroupId) -> Option<Vec<u8>> {
    let mut carry = u64::from(addend(id)?.checked_sub(1)?);
    let len = id.value_len()?;
    let mut bytes = Vec::with_capacity(len);
    bytes.extend([0xff; 8]);
    bytes.extend(E.iter().flat_map(|digits| digits.to_be_bytes()).take(len.checked_sub(16)?));
    for byte in bytes.iter_mut().rev() {
        carry = carry.saturating_add(u64::from(*byte));
        [*byte, ..] = carry.to_le_bytes();
        carry >>= 8;
    }
    bytes.extend([0xff; 8]);
    Some(bytes)
}

/// floor(2^8062 e): the first 8064 bits of e, 64 in each number.
#[rustfmt::skip]
const E: [u64; 126] = [
    0xadf8_5458_a2bb_4a9a, 0xafdc_5620_273d_3cf1, 0xd8b9_c583_ce2d_3695, 0xa9e1_3641_1464_33fb,
    0xcc93_9dce_249b_3ef9, 0x7d2f_e363_630c_75d8, 0xf681_b202_aec4_617a, 0xd3df_1ed5_d5fd_6561,
    0x2433_f51f_5f06_6ed0, 0x8563_6555_3ded_1af3, 0xb557_135e_7f57_c935, 0x984f_0c70_e0e6_8b77,
    0xe2a6_89da_f3ef_e872, 0x1df1_58a1_36ad_e735, 0x30ac_ca4f_483a_797a, 0xbc0a_b182_b324_fb61,
    0xd108_a94b_b2c8_e3fb, 0xb96a_dab7_60d7_f468, 0x1d4f_42a3_de39_4df4, 0xae56_ede7_6372_bb19,
    0x0b07_a7c8_ee0a_6d70, 0x9e02_fce1_cdf7_e2ec, 0xc034_04cd_2834_2f61, 0x9172_fe9c_e985_83ff,
    0x8e4f_1232_eef2_8183, 0xc3fe_3b1b_4c6f_ad73, 0x3bb5_fcbc_2ec2_2005, 0xc58e_f183_7d16_83b2,
    0xc6f3_4a26_c1b2_effa, 0x886b_4238_611f_cfdc, 0xde35_5b3b_6519_035b, 0xbc34_f4de_f99c_0238,
    0x61b4_6fc9_d6e6_c907, 0x7ad9_1d26_91f7_f7ee, 0x598c_b0fa_c186_d91c, 0xaefe_1309_8513_9270,
    0xb413_0c93_bc43_7944, 0xf4fd_4452_e2d7_4dd3, 0x64f2_e21e_71f5_4bff, 0x5cae_82ab_9c9d_f69e,
    0xe86d_2bc5_2236_3a0d, 0xabc5_2197_9b0d_eada, 0x1dbf_9a42_d5c4_484e, 0x0abc_d06b_fa53_ddef,
    0x3c1b_20ee_3fd5_9d7c, 0x25e4_1d2b_669e_1ef1, 0x6e6f_52c3_164d_f4fb, 0x7930_e9e4_e588_57b6,
    0xac7d_5f42_d69f_6d18, 0x7763_cf1d_5503_4004, 0x87f5_5ba5_7e31_cc7a, 0x7135_c886_efb4_318a,
    0xed6a_1e01_2d9e_6832, 0xa907_600a_9181_30c4, 0x6dc7_78f9_71ad_0038, 0x0929_99a3_33cb_8b7a,
    0x1a1d_b93d_7140_003c, 0x2a4e_cea9_f98d_0acc, 0x0a82_91cd_cec9_7dcf, 0x8ec9_b55a_7f88_a46b,
    0x4db5_a851_f441_82e1, 0xc68a_007e_5e0d_d902, 0x0bfd_64b6_4503_6c7a, 0x4e67_7d2c_3853_2a3a,
    0x23ba_4442_caf5_3ea6, 0x3bb4_5432_9b76_24c8, 0x917b_dd64_b1c0_fd4c, 0xb38e_8c33_4c70_1c3a,
    0xcdad_0657_fccf_ec71, 0x9b1f_5c3e_4e46_041f, 0x3881_47fb_4cfd_b477, 0xa524_71f7_a9a9_6910,
    0xb855_322e_db63_40d8, 0xa00e_f092_3505_11e3, 0x0abe_c1ff_f9e3_a26e, 0x7fb2_9f8c_1830_23c3,
    0x587e_38da_0077_d9b4, 0x763e_4e4b_94b2_bbc1, 0x94c6_651e_77ca_f992, 0xeeaa_c023_2a28_1bf6,
    0xb3a7_39c1_2261_1682, 0x0ae8_db58_47a6_7cbe, 0xf9c9_091b_462d_538c, 0xd72b_0374_6ae7_7f5e,
    0x6229_2c31_1562_a846, 0x505d_c82d_b854_338a, 0xe49f_5235_c95b_9117, 0x8ccf_2dd5_cace_f403,
    0xec9d_1810_c627_2b04, 0x5b3b_71f9_dc6b_80d6, 0x3fdd_4a8e_9adb_1e69, 0x62a6_9526_d431_61c1,
    0xa41d_570d_7938_dad4, 0xa40e_329c_cff4_6aaa, 0x36ad_004c_f600_c838, 0x1e42_5a31_d951_ae64,
    0xfdb2_3fce_c950_9d43, 0x687f_eb69_edd1_cc5e, 0x0b8c_c3bd_f64b_10ef, 0x86b6_3142_a3ab_8829,
    0x555b_2f74_7c93_2665, 0xcb2c_0f1c_c01b_d702, 0x2938_8839_d2af_05e4, 0x5450_4ac7_8b75_8282,
    0x2846_c0ba_35c3_5f5c, 0x5916_0cc0_46fd_8251, 0x541f_c68c_9c86_b022, 0xbb70_9987_6a46_0e74,
    0x51a8_a931_0970_3fee, 0x1c21_7e6c_3826_e52c, 0x51aa_691e_0e42_3cfc, 0x99e9_e316_50c1_217b,
    0x6248_16cd_ad9a_95f9, 0xd5b8_0194_88d9_c0a0, 0xa1fe_3075_a577_e231, 0x83f8_1d4a_3f2f_a457,
    0x1efc_8ce0_ba8a_4fe8, 0xb685_5dfe_72b0_a66e, 0xded2_fbab_fbe5_8a30, 0xfafa_be1c_5d71_a87e,
    0x2f74_1ef8_c1fe_86fe, 0xa6bb_fde5_3067_7f0d, 0x97d1_1d49_f7a8_443d, 0x0822_e506_a9f4_614e,
    0x011e_2a94_838f_f88c, 0xd68c_8bb7_c51e_ef6d,
];

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;

    /// e by its series, sum of 1/n!, with 64 bits to spare.
    #[test]
    fn the_digits_are_those_of_e() {
        // Fixed point: the first number holds the integer part.
        let mut term = vec![0_u64; 128];
        term[0] = 1;
        let mut sum = term.clone();
        for n in 1_u128.. {
            let mut rest = 0_u128;
            for digits in &mut term {
                let value = rest << 64 | u128::from(*digits);
                *digits = (value / n) as u64;
                rest = value % n;
            }
            if term.iter().all(|digits| *digits == 0) {
                break;
            }
            let mut carry = false;
            for (sum, digits) in sum.iter_mut().zip(&term).rev() {
                let (partial, first) = sum.overflowing_add(*digits);
                let (total, second) = partial.overflowing_add(u64::from(carry));
                (*sum, carry) = (total, first || second);
            }
        }
        // 2 + 8062 bits: two bits of the integer part, so everything moves by 62.
        let e: Vec<u64> = sum.windows(2).map(|pair| pair[0] << 62 | pair[1] >> 2).take(126).collect();
        assert_eq!(e, E);
    }

    /// Fermat's test for p and (p - 1) / 2, base 2; and 2 generates the subgroup of order (p - 1) / 2.
    #[test]
    fn the_primes_are_safe_primes() {
        for (id, last) in [
            (DhGroupId::FFDHE2048, [0x61, 0x28, 0x5c, 0x97]),
            (DhGroupId::FFDHE3072, [0x66, 0xc6, 0x2e, 0x37]),
            (DhGroupId::FFDHE4096, [0x5e, 0x65, 0x5f, 0x6a]),
            (DhGroupId::FFDHE6144, [0xd0, 0xe4, 0x0e, 0x65]),
            (DhGroupId::FFDHE8192, [0xc5, 0xc6, 0x42, 0x4c]),
        ] {
            let bytes = prime(id).unwrap();
            assert_eq!(Some(bytes.len()), id.value_len());
            assert_eq!(bytes[bytes.len() - 12..bytes.len() - 8], last);
            let group = Group::new(id).unwrap();
            let one = group.element(&[1]).to_be_bytes();
            let half = group.prime.as_ref().shr_vartime(1).unwrap();
            // 2^((p - 1) / 2) = 1 mod p.
            let two = group.element(&[2]);
            assert_eq!(group.power(&two, &half.to_be_bytes()).as_slice(), &*one, "{id}");
            // 2^(q - 1) = 1 mod q for q = (p - 1) / 2.
            let subgroup = Group { id, bits: group.bits, prime: Odd::new(half.clone()).unwrap() };
            let exponent = half.wrapping_sub(subgroup.element(&[1]));
            assert_eq!(subgroup.power(&two, &exponent.to_be_bytes()).as_slice(), &*one, "{id}");
        }
        assert!(prime(DhGroupId::NULL).is_none() && prime(DhGroupId(6)).is_none());
    }

    #[test]
    fn both_sides_get_the_same_secret() {
        for id in DhGroupId::NAMED.iter().copied().filter(|id| *id != DhGroupId::NULL) {
            let host = DhKeyPair::new(id, &[0x5a; 64]).unwrap();
            let controller = DhKeyPair::new(id, &[0; 64]).unwrap();
            assert_eq!((host.group(), Some(host.public().len())), (id, id.value_len()));
            let a = host.shared_secret(controller.public()).unwrap();
            let b = controller.shared_secret(host.public()).unwrap();
            assert_eq!(a.expose_bytes(), b.expose_bytes());
            assert_eq!(Some(a.expose_bytes().len()), id.value_len());
            assert_ne!(host.public(), controller.public());
        }
        assert!(DhKeyPair::new(DhGroupId::NULL, &[1; 64]).is_none());
        assert!(DhKeyPair::new(DhGroupId(6), &[1; 64]).is_none());
    }

    #[test]
    fn values_that_betray_the_secret_are_refused() {
        let pair = DhKeyPair::new(DhGroupId::FFDHE2048, &[0x77; 64]).unwrap();
        let p = prime(DhGroupId::FFDHE2048).unwrap();
        let minus = |n: u8| {
            let mut bytes = p.clone();
            bytes[255] -= n;
            bytes
        };
        let small = |n: u8| {
            let mut bytes = vec![0; 256];
            bytes[255] = n;
            bytes
        };
        for refused in [small(0), small(1), minus(1), minus(0), vec![0xff; 256]] {
            assert_eq!(pair.shared_secret(&refused).unwrap_err(), DhValueError::Range);
        }
        for taken in [small(2), minus(2)] {
            assert!(pair.shared_secret(&taken).is_ok());
        }
        for have in [0, 255, 257, 384] {
            let error = pair.shared_secret(&vec![2; have]).unwrap_err();
            assert_eq!(error, DhValueError::Length { have, need: 256 });
        }
    }

    #[test]
    fn nothing_prints_the_secrets() {
        let pair = DhKeyPair::new(DhGroupId::FFDHE2048, &[0x77; 64]).unwrap();
        let secret = SharedSecret::from_bytes(&[0x77; 256]);
        let text = alloc::format!("{pair:?} {secret:?} {:?}", secret.session_key(HashLen::Bytes32));
        assert_eq!(text, "DhKeyPair { group: DhGroupId(ffdhe2048), .. } SharedSecret(..) SessionKey(..)");
    }
}
