//! The text of an attribute.

use std::fmt;
use std::ops::Deref;

use zeroize::Zeroizing;

/// The value of an attribute, without the newline that the kernel prints behind it: up to 4095 bytes.
///
/// It may be a key, so it is wiped when dropped and `Debug` shows its length only; what shows values knows the attribute's name and
/// leaves secrets out.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Value(Zeroizing<Vec<u8>>);

impl Value {
    /// The text, when it is UTF-8.
    pub fn to_str(&self) -> Option<&str> {
        str::from_utf8(self).ok()
    }
}

impl Deref for Value {
    type Target = [u8];
    fn deref(&self) -> &[u8] {
        &self.0
    }
}

impl From<Vec<u8>> for Value {
    fn from(bytes: Vec<u8>) -> Self {
        Self(Zeroizing::new(bytes))
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        text.into_bytes().into()
    }
}

impl From<&[u8]> for Value {
    fn from(bytes: &[u8]) -> Self {
        bytes.to_vec().into()
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        text.as_bytes().into()
    }
}

impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Value({} bytes)", self.len())
    }
}
