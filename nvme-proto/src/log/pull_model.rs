//! What a direct discovery controller is asked to do.

use alloc::vec::Vec;
use core::fmt;

use crate::error::DecodeError;
use crate::layout::{Field, field_at};

/// Pull Model DDC Request (LID 0x73): what a central discovery controller wants of the one whose page it is. 8 bytes and what depends on the
/// operation, little-endian.
///
/// | bytes | field                               | meaning                                             |
/// |-------|-------------------------------------|-----------------------------------------------------|
/// | 0     | `operation` (ORI)                   | operation request identifier                        |
/// | 1..4  | reserved                            |                                                     |
/// | 4..8  | TPDRPL                              | bytes of the whole page                             |
/// | 8..   | [`parameters`](Self::parameters)    | depend on the operation                             |
///
/// Source: NVMe Base 2.1 section 5.1.12.3.4, libnvme `src/nvme/types.h: struct nvme_pull_model_ddc_req_log`.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct PullModelRequest<B: AsRef<[u8]>>(B);

const STRUCTURE: &str = "Pull Model DDC Request log";

impl<B: AsRef<[u8]>> PullModelRequest<B> {
    /// Bytes in front of the parameters.
    pub const HEADER_LEN: usize = 8;

    /// Checks that there are as many bytes as the page says. What is behind them is left alone.
    ///
    /// # Errors
    /// [`DecodeErrorKind::TooShort`](crate::DecodeErrorKind::TooShort) below 8 bytes and where the page is cut;
    /// [`DecodeErrorKind::Invalid`](crate::DecodeErrorKind::Invalid) for a length below 8.
    pub fn new_checked(bytes: B) -> Result<Self, DecodeError> {
        let all = bytes.as_ref();
        DecodeError::check_len(STRUCTURE, all, Self::HEADER_LEN)?;
        let len = u32::read(all, 4);
        let need = usize::try_from(len).unwrap_or(usize::MAX);
        if need < Self::HEADER_LEN {
            let rule = "the page has 8 bytes or more";
            return Err(DecodeError::invalid(STRUCTURE, 4, "TPDRPL", len.into(), rule));
        }
        DecodeError::check_len(STRUCTURE, all, need)?;
        Ok(Self(bytes))
    }

    /// Operation request identifier.
    #[doc(alias = "ORI")]
    #[must_use]
    pub fn operation(&self) -> u8 {
        Field::read(self.0.as_ref(), 0)
    }

    /// What depends on the operation.
    #[doc(alias = "OSP")]
    #[must_use]
    pub fn parameters(&self) -> &[u8] {
        self.as_bytes().get(Self::HEADER_LEN..).unwrap_or_default()
    }

    /// The bytes of the page.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        let len = usize::try_from(u32::read(self.0.as_ref(), 4)).unwrap_or(usize::MAX);
        field_at(self.0.as_ref(), 0, len)
    }
}

impl PullModelRequest<Vec<u8>> {
    /// A page with this operation and these parameters; those that do not fit 4 GiB are left out.
    #[must_use]
    pub fn of(operation: u8, parameters: &[u8]) -> Self {
        let len = u32::try_from(parameters.len()).ok().and_then(|len| len.checked_add(8));
        let (len, parameters) = len.map_or((8, &[][..]), |len| (len, parameters));
        let mut bytes = alloc::vec![0; 8];
        operation.write(&mut bytes, 0);
        len.write(&mut bytes, 4);
        bytes.extend_from_slice(parameters);
        Self(bytes)
    }
}

impl<B: AsRef<[u8]>> fmt::Debug for PullModelRequest<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut fields = f.debug_struct("PullModelRequest");
        fields.field("operation", &self.operation()).field("parameters", &self.parameters()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_as_long_as_it_says() {
        let page = PullModelRequest::of(1, b"abcd");
        assert_eq!(page.as_bytes(), b"\x01\0\0\0\x0c\0\0\0abcd");
        let longer = [page.as_bytes(), b"rest"].concat();
        let read = PullModelRequest::new_checked(longer.as_slice()).unwrap();
        assert_eq!(
            (read.operation(), read.parameters(), read.as_bytes()),
            (1, &b"abcd"[..], page.as_bytes())
        );
        for have in 0..12 {
            let error = PullModelRequest::new_checked(&longer[..have]).unwrap_err();
            assert_eq!(error.at, have);
        }
        assert_eq!(PullModelRequest::new_checked(b"\x01\0\0\0\x07\0\0\0".as_slice()).unwrap_err().at, 4);
    }
}
