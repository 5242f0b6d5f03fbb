//! A hash value in a message.

use core::fmt;

use super::terms::HashLen;

/// A challenge or a response: 32, 48 or 64 bytes that both sides see on the wire.
///
/// `==` takes a time that depends on the bytes; a received response is compared with the expected one by `auth`'s own functions instead.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
#[doc(alias = "CVAL")]
#[doc(alias = "RVAL")]
pub struct HashValue {
    /// Zero from `len` on.
    bytes: [u8; HashLen::MAX],
    len: HashLen,
}

impl HashValue {
    /// The value of these bytes; `None` when they are not 32, 48 or 64.
    #[must_use]
    pub fn new(value: &[u8]) -> Option<Self> {
        let len = HashLen::from_bytes(value.len())?;
        let mut bytes = [0; HashLen::MAX];
        bytes.get_mut(..value.len())?.copy_from_slice(value);
        Some(Self { bytes, len })
    }

    /// The first `len` of 64 bytes.
    #[cfg(any(test, feature = "auth"))]
    pub(crate) fn from_front(mut bytes: [u8; HashLen::MAX], len: HashLen) -> Self {
        for byte in bytes.iter_mut().skip(len.bytes()) {
            *byte = 0;
        }
        Self { bytes, len }
    }

    /// The bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..self.len.bytes()).unwrap_or_default()
    }

    /// How many they are.
    #[must_use]
    pub const fn len(&self) -> HashLen {
        self.len
    }
}

impl fmt::Debug for HashValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("HashValue(")?;
        for byte in self.as_bytes() {
            write!(f, "{byte:02x}")?;
        }
        f.write_str(")")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;

    #[test]
    fn has_one_of_three_lengths() {
        for len in 0..=80 {
            let value = HashValue::new(&[0xab; 80][..len]);
            assert_eq!(value.is_some(), matches!(len, 32 | 48 | 64), "{len}");
            if let Some(value) = value {
                assert_eq!(value.as_bytes(), &[0xab; 80][..len]);
                assert_eq!(HashValue::from_front([0xab; 64], value.len()), value);
            }
        }
        let value = HashValue::new(&[0x0f; 32]).unwrap();
        assert_eq!(format!("{value:?}"), format!("HashValue({})", "0f".repeat(32)));
    }
}
