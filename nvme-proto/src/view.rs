//! Checked views: what every structure over bytes has, and the entries of fixed size within it.

/// Defines a view `$view<B>(B)` of so many bytes: the constructor that checks the length, and access to the bytes.
///
/// `check` names a function over the bytes for what else has to hold, such as a count that fits, and says what it refuses.
macro_rules! view_type {
    (
        $(#[$meta:meta])*
        pub struct $view:ident($structure:literal, $len:literal $(, check $check:path => $refuses:literal)?);
    ) => {
        $(#[$meta])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash)]
        pub struct $view<B: AsRef<[u8]>>(B);

        impl<B: AsRef<[u8]>> $view<B> {
            /// Length in bytes.
            pub const LEN: usize = $len;

            #[doc = concat!("Checks that there are (at least) ", stringify!($len), " bytes. What is behind them is left alone.")]
            ///
            /// # Errors
            /// [`DecodeErrorKind::TooShort`](crate::DecodeErrorKind::TooShort).
            $( #[doc = $refuses] )?
            pub fn new_checked(bytes: B) -> Result<Self, $crate::DecodeError> {
                $crate::DecodeError::check_len($structure, bytes.as_ref(), Self::LEN)?;
                $( $check(bytes.as_ref())?; )?
                Ok(Self(bytes))
            }

            #[doc = concat!("The ", stringify!($len), " bytes.")]
            #[must_use]
            pub fn as_bytes(&self) -> &[u8] {
                $crate::layout::field_at(self.0.as_ref(), 0, Self::LEN)
            }

            /// Gives back the bytes.
            #[must_use]
            pub fn into_inner(self) -> B {
                self.0
            }
        }

        impl $view<alloc::boxed::Box<[u8]>> {
            /// All zeros: to be filled with the setters.
            #[must_use]
            pub fn zeroed() -> Self {
                Self($crate::layout::zeroed(Self::LEN))
            }
        }
    };
}
pub(crate) use view_type;

/// A [`view_type!`] with getters and setters for its fields (as in [`layout!`](crate::layout::layout)) and a `Debug` that shows them, after
/// the methods named behind `show`.
macro_rules! view {
    (
        $(#[$meta:meta])*
        pub struct $view:ident($structure:literal, $len:literal $(, check $check:path => $refuses:literal)?)
        $(show $shown:ident)*
        { $($fields:tt)+ }
    ) => {
        $crate::view::view_type! {
            $(#[$meta])*
            pub struct $view($structure, $len $(, check $check => $refuses)?);
        }

        $crate::layout::layout! { $view { $($fields)+ } }

        impl<B: AsRef<[u8]>> core::fmt::Debug for $view<B> {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                let mut fields = f.debug_struct(stringify!($view));
                $( fields.field(stringify!($shown), &self.$shown()); )*
                self.debug_fields(&mut fields);
                fields.finish()
            }
        }
    };
}
pub(crate) use view;

/// The first `count` entries of `size` bytes from offset `at` on, as many as are there.
pub(crate) fn entries(bytes: &[u8], at: usize, size: usize, count: usize) -> impl Iterator<Item = &[u8]> {
    bytes.get(at..).unwrap_or_default().chunks_exact(size.max(1)).take(count)
}

/// The entry number `index` of those that begin at offset `at` and have `size` bytes each.
pub(crate) fn entry(bytes: &[u8], at: usize, size: usize, index: usize) -> &[u8] {
    bytes.get(at..).unwrap_or_default().chunks_exact(size.max(1)).nth(index).unwrap_or_default()
}

/// The same entry, to be written.
pub(crate) fn entry_mut(bytes: &mut [u8], at: usize, size: usize, index: usize) -> &mut [u8] {
    bytes.get_mut(at..).unwrap_or_default().chunks_exact_mut(size.max(1)).nth(index).unwrap_or_default()
}

/// Refuses a count beyond what the structure has room for.
pub(crate) fn check_count(
    structure: &'static str,
    at: usize,
    field: &'static str,
    found: u64,
    max: u64,
) -> Result<(), crate::DecodeError> {
    if found > max {
        let kind = crate::DecodeErrorKind::Limit { field, found, max };
        return Err(crate::DecodeError { structure, at, kind });
    }
    Ok(())
}

/// Checks a view in a test: its setters write exactly the bytes its getters read, which are those of `ranges` and no others; it refuses
/// what is too short; and `Debug` shows a change of each of these bytes and of no other.
#[cfg(test)]
macro_rules! check_view {
    ($view:ident, [$($range:expr),+]) => {{
        let ranges: alloc::vec::Vec<core::ops::Range<usize>> = [$(Some($range)),+].into_iter().flatten().collect();
        let is_field = |at: usize| ranges.iter().any(|range| range.contains(&at));
        let len = $view::<&[u8]>::LEN;
        let full: alloc::vec::Vec<u8> = (0..len).map(|at| (at % 251) as u8 | 1).collect();
        let mut copied = $view::zeroed();
        copied.copy_fields(&$view(full.as_slice()));
        for (at, byte) in copied.as_bytes().iter().enumerate() {
            assert_eq!(*byte, if is_field(at) { full[at] } else { 0 }, "byte {at}");
        }
        for have in 0..len {
            let error = $view::new_checked(&full[..have]).unwrap_err();
            assert_eq!((error.at, error.kind), (have, crate::DecodeErrorKind::TooShort { need: len, have }));
        }
        let zeros = alloc::vec![0; len];
        let before = alloc::format!("{:?}", $view(zeros.as_slice()));
        let mut changed = zeros;
        for at in 0..len {
            changed[at] = 0x81;
            let shows = alloc::format!("{:?}", $view(changed.as_slice())) != before;
            assert_eq!(shows, is_field(at), "byte {at}");
            changed[at] = 0;
        }
    }};
}
#[cfg(test)]
pub(crate) use check_view;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_bounded_by_the_bytes() {
        let bytes = [0, 1, 1, 2, 2, 3];
        assert_eq!(entries(&bytes, 1, 2, usize::MAX).collect::<alloc::vec::Vec<_>>(), [[1, 1], [2, 2]]);
        assert_eq!(entries(&bytes, 1, 2, 1).count(), 1);
        assert_eq!(entries(&bytes, 7, 2, 9).count(), 0);
        assert_eq!(entry(&bytes, 1, 2, 1), [2, 2]);
        assert_eq!(entry(&bytes, 1, 2, 2), b"");
        assert_eq!(entry(&bytes, 1, 2, usize::MAX), b"");
        let mut bytes = bytes;
        entry_mut(&mut bytes, 1, 2, 1).fill(9);
        entry_mut(&mut bytes, 1, 2, 2).fill(9);
        assert_eq!(bytes, [0, 1, 1, 9, 9, 3]);
    }

    #[test]
    fn counts_beyond_the_room_are_refused() {
        assert!(check_count("list", 0, "NUM", 31, 31).is_ok());
        let error = check_count("list", 0, "NUM", 32, 31).unwrap_err();
        assert!(alloc::string::ToString::to_string(&error).contains("NUM 32 at byte 0"), "{error}");
    }
}
