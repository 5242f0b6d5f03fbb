//! What extended entries have behind their first 1024 bytes.

use alloc::vec::Vec;

use crate::error::DecodeError;
use crate::layout::{Field, field_at};
use crate::registry::wire_values;

wire_values! {
    /// What an extended attribute is. 2 bytes.
    #[doc(alias = "EXATTYPE")]
    pub struct ExtendedAttributeType(u16) {
        /// Host identifier, 16 bytes.
        #[doc(alias = "HOSTID")]
        HOST_ID = 1 => "host identifier",
        /// A label the administrator gave, in ASCII, up to 256 bytes.
        #[doc(alias = "SYMNAME")]
        ADMIN_LABEL_ASCII = 2 => "administrative label, ASCII",
        /// A label the administrator gave, in UTF-8, up to 256 bytes.
        ADMIN_LABEL_UTF8 = 3 => "administrative label, UTF-8",
    }
}

/// An attribute of an extended entry. 4 bytes and the value, little-endian.
///
/// | bytes | field      | meaning                                  |
/// |-------|------------|------------------------------------------|
/// | 0..2  | `kind`     | EXATTYPE                                 |
/// | 2..4  | EXATLEN    | bytes of the value, a multiple of 4      |
/// | 4..   | `value`    | EXATVAL                                  |
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ExtendedAttribute<'a> {
    /// What it is; types that are not known are kept.
    pub kind: ExtendedAttributeType,
    /// The value: a multiple of 4 bytes.
    pub value: &'a [u8],
}

/// Where the extension of an entry begins, and bytes of it in front of the attributes.
pub(crate) const EXTENSION_AT: usize = 1024;
const EXTENSION_LEN: usize = 8;
/// Bytes of an extended entry without attributes.
pub(crate) const EXTENDED_LEN: usize = EXTENSION_AT + EXTENSION_LEN;

/// Where the extended entry that begins at byte `at` of `bytes` ends, by its TEL.
pub(crate) fn end_of_entry(structure: &'static str, bytes: &[u8], at: usize) -> Result<usize, DecodeError> {
    DecodeError::check_len(structure, bytes, at.saturating_add(EXTENDED_LEN))?;
    let tel_at = at.saturating_add(EXTENSION_AT);
    let tel = u32::read(bytes, tel_at);
    let len = usize::try_from(tel).unwrap_or(usize::MAX);
    let invalid = |rule| Err(DecodeError::invalid(structure, tel_at, "TEL", tel.into(), rule));
    if len < EXTENDED_LEN {
        return invalid("an extended entry has 1032 bytes or more");
    }
    if !len.is_multiple_of(4) {
        return invalid("the length of an extended entry is a multiple of 4");
    }
    let end = at.saturating_add(len);
    if end > bytes.len() {
        return invalid("the entry runs over the end");
    }
    Ok(end)
}

/// The attributes of an extended entry. An attribute whose length is not a multiple of 4 or that runs over the entry's end, and a count of
/// more attributes than fit, are errors, after which the iterator is at its end.
#[derive(Debug, Clone)]
pub struct ExtendedAttributes<'a> {
    /// The entry.
    bytes: &'a [u8],
    at: usize,
    left: u16,
}

impl<'a> ExtendedAttributes<'a> {
    /// Of an entry whose end is known.
    pub(crate) fn new(entry: &'a [u8]) -> Self {
        Self { bytes: entry, at: EXTENDED_LEN, left: Field::read(entry, EXTENSION_AT.saturating_add(4)) }
    }

    /// Of an entry without extension.
    pub(crate) const fn none() -> Self {
        Self { bytes: &[], at: 0, left: 0 }
    }

    fn attribute(&mut self) -> Result<ExtendedAttribute<'a>, DecodeError> {
        const STRUCTURE: &str = "extended discovery log entry";
        let (bytes, at) = (self.bytes, self.at);
        let value_at = at.saturating_add(4);
        if value_at > bytes.len() {
            let rule = "there are fewer attributes in the entry";
            let count = u16::read(bytes, EXTENSION_AT.saturating_add(4));
            return Err(DecodeError::invalid(
                STRUCTURE,
                EXTENSION_AT.saturating_add(4),
                "NUMEXAT",
                count.into(),
                rule,
            ));
        }
        let len = u16::read(bytes, at.saturating_add(2));
        let end = value_at.saturating_add(len.into());
        let invalid =
            |rule| Err(DecodeError::invalid(STRUCTURE, at.saturating_add(2), "EXATLEN", len.into(), rule));
        if !len.is_multiple_of(4) {
            return invalid("the length of an attribute is a multiple of 4");
        }
        if end > bytes.len() {
            return invalid("the attribute runs over the end of the entry");
        }
        self.at = end;
        Ok(ExtendedAttribute { kind: Field::read(bytes, at), value: field_at(bytes, value_at, len.into()) })
    }
}

impl<'a> Iterator for ExtendedAttributes<'a> {
    type Item = Result<ExtendedAttribute<'a>, DecodeError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.left = self.left.checked_sub(1)?;
        let attribute = self.attribute();
        if attribute.is_err() {
            self.left = 0;
        }
        Some(attribute)
    }
}

/// Attributes that do not make an extended entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ExtendedAttributeError {
    /// A value whose length is not a multiple of 4, or above 65532.
    #[error(
        "an extended attribute ({kind}) of {len} bytes cannot be written: lengths are multiples of 4 up to 65532; fill the value up"
    )]
    Length {
        /// The attribute's type.
        kind: ExtendedAttributeType,
        /// Bytes of the value.
        len: usize,
    },
    /// More attributes than can be counted.
    #[error("an extended entry cannot have {count} attributes: 65535 can be counted")]
    Count {
        /// Attributes.
        count: usize,
    },
}

/// An extended entry: its first 1024 bytes, and what follows with these attributes.
pub(crate) fn extend(
    basic: [u8; EXTENSION_AT],
    attributes: &[ExtendedAttribute<'_>],
) -> Result<Vec<u8>, ExtendedAttributeError> {
    let Ok(count) = u16::try_from(attributes.len()) else {
        return Err(ExtendedAttributeError::Count { count: attributes.len() });
    };
    let mut entry = Vec::from(basic);
    entry.extend([0; EXTENSION_LEN]);
    count.write(&mut entry, EXTENSION_AT.saturating_add(4));
    for ExtendedAttribute { kind, value } in attributes {
        let len = u16::try_from(value.len()).ok().filter(|len| len.is_multiple_of(4));
        let Some(len) = len else {
            return Err(ExtendedAttributeError::Length { kind: *kind, len: value.len() });
        };
        entry.extend(kind.0.to_le_bytes());
        entry.extend(len.to_le_bytes());
        entry.extend_from_slice(value);
    }
    // 65535 attributes of 65536 bytes fit 32 bits; with the rest they may not, but then the memory would have ended first.
    u32::try_from(entry.len()).unwrap_or(u32::MAX).write(&mut entry, EXTENSION_AT);
    Ok(entry)
}

crate::layout::newtype_fields!(ExtendedAttributeType);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::DecodeErrorKind;
    use crate::discovery::{DiscoveryEntry, LogEntry};

    const LABEL: ExtendedAttribute<'_> =
        ExtendedAttribute { kind: ExtendedAttributeType::ADMIN_LABEL_ASCII, value: b"rack 12 " };
    const ID: ExtendedAttribute<'_> =
        ExtendedAttribute { kind: ExtendedAttributeType::HOST_ID, value: &[7; 16] };

    fn entry(attributes: &[ExtendedAttribute<'_>]) -> DiscoveryEntry {
        DiscoveryEntry::zeroed().with_attributes(attributes).unwrap()
    }

    fn rule(error: DecodeError) -> (usize, &'static str, u64) {
        match error.kind {
            DecodeErrorKind::Invalid { field, found, .. } => (error.at, field, found),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn attributes_are_written_and_read() {
        let entry = entry(&[ID, LABEL]);
        assert_eq!(entry.as_bytes().len(), 1032 + 20 + 12);
        assert_eq!(entry.as_bytes()[1024..1036], [0x28, 4, 0, 0, 2, 0, 0, 0, 1, 0, 16, 0]);
        let attributes: Vec<_> = entry.attributes().map(Result::unwrap).collect();
        assert_eq!(attributes, [ID, LABEL]);
        // What is behind the entry is not part of it.
        let longer = [entry.as_bytes(), &[0xff; 9]].concat();
        let again = LogEntry::new_extended(longer.as_slice()).unwrap();
        assert_eq!(again.as_bytes(), entry.as_bytes());
        assert_eq!(again.to_owned(), entry);
    }

    #[test]
    fn an_entry_without_extension_has_no_attributes() {
        let entry = DiscoveryEntry::zeroed();
        assert_eq!((entry.is_extended(), entry.attributes().count()), (false, 0));
        let entry = self::entry(&[]);
        assert_eq!(
            (entry.is_extended(), entry.attributes().count(), entry.as_bytes().len()),
            (true, 0, 1032)
        );
    }

    #[test]
    fn lengths_of_entries_are_checked() {
        let good = entry(&[ID]).as_bytes().to_vec();
        for tel in [0, 1024, 1028, 1031, 1034, 1056, u32::MAX - 3] {
            let mut bytes = good.clone();
            tel.write(&mut bytes, 1024);
            let error = LogEntry::new_extended(bytes.as_slice()).unwrap_err();
            assert_eq!(rule(error), (1024, "TEL", tel.into()));
        }
        for have in 0..1032 {
            let error = LogEntry::new_extended(&good[..have]).unwrap_err();
            assert_eq!(error.kind, DecodeErrorKind::TooShort { need: 1032, have });
        }
        for have in 1032..good.len() {
            assert_eq!(rule(LogEntry::new_extended(&good[..have]).unwrap_err()), (1024, "TEL", 1052));
        }
    }

    #[test]
    fn malformed_attributes_end_the_list() {
        let good = entry(&[LABEL, LABEL]).as_bytes().to_vec();
        let last = |at: usize, byte: u8| {
            let mut bytes = good.clone();
            bytes[at] = byte;
            let entry = LogEntry::new_extended(bytes).unwrap();
            let attributes: Vec<_> = entry.attributes().map(|attribute| attribute.map(|_| ())).collect();
            (attributes.len(), rule(attributes.last().copied().unwrap().unwrap_err()))
        };
        assert_eq!(last(1034, 9), (1, (1034, "EXATLEN", 9)));
        assert_eq!(last(1046, 12), (2, (1046, "EXATLEN", 12)));
        assert_eq!(last(1047, 0xff), (2, (1046, "EXATLEN", 0xff08)));
        assert_eq!(last(1028, 3), (3, (1028, "NUMEXAT", 3)));
    }

    #[test]
    fn what_cannot_be_written_is_refused() {
        let kind = ExtendedAttributeType::ADMIN_LABEL_UTF8;
        for len in [1, 18, 65536] {
            let value = alloc::vec![b'x'; len];
            let error =
                DiscoveryEntry::zeroed().with_attributes(&[ExtendedAttribute { kind, value: &value }]);
            assert_eq!(error, Err(ExtendedAttributeError::Length { kind, len }));
        }
        let many = alloc::vec![ExtendedAttribute { kind, value: &[] }; 65536];
        let error = DiscoveryEntry::zeroed().with_attributes(&many).unwrap_err();
        assert_eq!(error, ExtendedAttributeError::Count { count: 65536 });
    }
}
