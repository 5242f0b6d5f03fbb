//! Fields at fixed offsets of the big, sparse structures (Identify data, log pages).
//!
//! A view checks its length once, when it is made. Reading and writing stay total nevertheless: where a buffer that is not under
//! our control changed its length since, a field reads as zeros and a write does nothing.

use alloc::vec;

use crate::types::Cntlid;

/// `N` bytes from offset `at`.
#[inline(always)]
pub(crate) fn bytes_at<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    bytes.get(at..).and_then(|rest| rest.first_chunk()).copied().unwrap_or([0; N])
}

/// The field of `len` bytes from offset `at`.
pub(crate) fn field_at(bytes: &[u8], at: usize, len: usize) -> &[u8] {
    bytes.get(at..).and_then(|rest| rest.get(..len)).unwrap_or_default()
}

/// Writes `N` bytes from offset `at` on.
#[inline(always)]
pub(crate) fn put<const N: usize>(bytes: &mut [u8], at: usize, value: [u8; N]) {
    if let Some(field) = bytes.get_mut(at..).and_then(|rest| rest.first_chunk_mut()) {
        *field = value;
    }
}

/// Writes text into the field of `len` bytes from offset `at` on, filled up with `pad`; what does not fit is left out.
pub(crate) fn put_text(bytes: &mut [u8], at: usize, len: usize, text: &[u8], pad: u8) {
    let field = bytes.get_mut(at..).and_then(|rest| rest.get_mut(..len)).unwrap_or_default();
    let padded = text.iter().copied().chain(core::iter::repeat(pad));
    for (to, from) in field.iter_mut().zip(padded) {
        *to = from;
    }
}

/// A zeroed structure.
pub(crate) fn zeroed(len: usize) -> alloc::boxed::Box<[u8]> {
    vec![0; len].into_boxed_slice()
}

/// A value with a fixed length in a structure.
pub(crate) trait Field: Sized {
    fn read(bytes: &[u8], at: usize) -> Self;
    fn write(self, bytes: &mut [u8], at: usize);
}

macro_rules! int_fields {
    ($($int:ty),+) => {$(
        /// Little-endian.
        impl Field for $int {
            #[inline(always)]
            fn read(bytes: &[u8], at: usize) -> Self {
                Self::from_le_bytes(bytes_at(bytes, at))
            }

            #[inline(always)]
            fn write(self, bytes: &mut [u8], at: usize) {
                put(bytes, at, self.to_le_bytes());
            }
        }
    )+};
}

int_fields!(u8, u16, u32, u64, u128);

/// In the order of the bytes on the wire.
impl<const N: usize> Field for [u8; N] {
    fn read(bytes: &[u8], at: usize) -> Self {
        bytes_at(bytes, at)
    }

    fn write(self, bytes: &mut [u8], at: usize) {
        put(bytes, at, self);
    }
}

/// Newtypes over an integer.
macro_rules! newtype_fields {
    ($($name:ty),+ $(,)?) => {$(
        impl $crate::layout::Field for $name {
            #[inline(always)]
            fn read(bytes: &[u8], at: usize) -> Self {
                Self($crate::layout::Field::read(bytes, at))
            }

            #[inline(always)]
            fn write(self, bytes: &mut [u8], at: usize) {
                $crate::layout::Field::write(self.0, bytes, at);
            }
        }
    )+};
}
pub(crate) use newtype_fields;

newtype_fields!(Cntlid, crate::types::TransportType, crate::types::AddressFamily);

/// A getter and a setter for each field of a view `$view<B>(B)`.
macro_rules! layout {
    ($view:ident { $( $(#[$meta:meta])* $at:literal $get:ident $set:ident $ty:ty; )+ }) => {
        impl<B: AsRef<[u8]>> $view<B> {
            $(
                $(#[$meta])*
                #[must_use]
                pub fn $get(&self) -> $ty {
                    $crate::layout::Field::read(self.0.as_ref(), $at)
                }
            )+

            /// Every field by name, for `Debug`.
            pub(crate) fn debug_fields(&self, f: &mut core::fmt::DebugStruct<'_, '_>) {
                $( f.field(stringify!($get), &self.$get()); )+
            }
        }

        #[cfg(test)]
        #[allow(dead_code, reason = "some views are checked otherwise")]
        impl<B: AsRef<[u8]> + AsMut<[u8]>> $view<B> {
            /// Reads every field of `from` and writes it here.
            pub(crate) fn copy_fields<F: AsRef<[u8]>>(
                &mut self,
                from: &$view<F>,
            ) {
                $( self.$set(from.$get()); )+
            }
        }

        impl<B: AsRef<[u8]> + AsMut<[u8]>> $view<B> {
            $(
                #[doc = concat!("Writes [`", stringify!($get), "`](Self::", stringify!($get), ").")]
                pub fn $set(&mut self, value: $ty) {
                    $crate::layout::Field::write(value, self.0.as_mut(), $at);
                }
            )+
        }
    };
}
pub(crate) use layout;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reading_beyond_the_end_gives_zeros_and_writing_does_nothing() {
        let mut bytes = [1, 2, 3];
        assert_eq!(u16::read(&bytes, 1), 0x0302);
        assert_eq!(u16::read(&bytes, 2), 0);
        assert_eq!(u64::read(&bytes, usize::MAX), 0);
        0xffff_u16.write(&mut bytes, 2);
        put_text(&mut bytes, usize::MAX, 4, b"x", 0);
        put_text(&mut bytes, 1, 3, b"x", 0);
        assert_eq!(bytes, [1, 2, 3]);
        assert_eq!(field_at(&bytes, 2, 2), b"");
        put_text(&mut bytes, 1, 2, b"x", b' ');
        assert_eq!(bytes, *b"\x01x ");
    }

    /// The setters write exactly the bytes the getters read: those of `ranges`, and no others.
    #[track_caller]
    fn check_fields(copy: impl Fn(&[u8], &mut [u8]), len: usize, ranges: &[core::ops::Range<usize>]) {
        let full: alloc::vec::Vec<u8> = (0..len).map(|at| (at % 251) as u8 | 1).collect();
        let mut copied = vec![0; len];
        copy(&full, &mut copied);
        for (at, byte) in copied.iter().enumerate() {
            let expected = if ranges.iter().any(|range| range.contains(&at)) { full[at] } else { 0 };
            assert_eq!(*byte, expected, "byte {at}");
        }
    }

    #[test]
    fn the_fields_of_identify_controller_are_where_the_table_says() {
        use crate::identify::IdentifyController;
        let copy = |from: &[u8], to: &mut [u8]| {
            let from = IdentifyController::new_checked(from).unwrap();
            IdentifyController::new_checked(to).unwrap().copy_fields(&from);
        };
        let ranges = [
            0..4,
            72..103,
            104..108,
            110..135,
            253..359,
            360..362,
            368..385,
            386..388,
            512..577,
            578..588,
            1792..1807,
        ];
        check_fields(copy, 4096, &ranges);
    }

    #[test]
    fn the_fields_of_identify_namespace_are_where_the_table_says() {
        use crate::identify::IdentifyNamespace;
        let copy = |from: &[u8], to: &mut [u8]| {
            let from = IdentifyNamespace::new_checked(from).unwrap();
            IdentifyNamespace::new_checked(to).unwrap().copy_fields(&from);
        };
        check_fields(copy, 4096, &[0..83, 84..88, 92..96, 99..128]);
    }

    #[test]
    fn the_fields_of_a_log_entry_are_where_the_table_says() {
        use crate::discovery::LogEntry;
        let copy = |from: &[u8], to: &mut [u8]| {
            let from = LogEntry::new_checked(from).unwrap();
            LogEntry::new_checked(to).unwrap().copy_fields(&from);
        };
        check_fields(copy, 1024, &[0..4, 4..12]);
    }
}
