//! Buffers that a connection has while a command runs.
//!
//! The connection owns a buffer from the command's submission to its completion, because data arrive in it while the caller may have stopped
//! waiting: **a borrowed buffer cannot be filled without a copy**. A future can be dropped at any time, and leaking it is safe code, so that nothing
//! could keep the controller's late data out of memory that its owner believes to have back.

use std::any::Any;
use std::fmt;

use bytes::BytesMut;

/// What data are read into.
pub(crate) enum ReadBuffer {
    /// Memory of this crate, or the caller's.
    Bytes(BytesMut),
    /// The caller's.
    Vec(Vec<u8>),
    /// A part of any other buffer of the caller.
    Other {
        /// The buffer.
        buffer: Box<dyn Foreign>,
        /// First byte.
        from: usize,
        /// Bytes.
        len: usize,
    },
}

/// A buffer of a type that only the caller knows.
pub(crate) trait Foreign: Send {
    /// Its bytes.
    fn bytes(&mut self) -> &mut [u8];
    /// The buffer, to be told its type again.
    fn into_any(self: Box<Self>) -> Box<dyn Any>;
}

impl<B: AsMut<[u8]> + Send + 'static> Foreign for B {
    fn bytes(&mut self) -> &mut [u8] {
        self.as_mut()
    }

    fn into_any(self: Box<Self>) -> Box<dyn Any> {
        self
    }
}

impl ReadBuffer {
    /// New memory of this crate, zeros.
    pub(crate) fn zeroed(len: usize) -> Self {
        Self::Bytes(BytesMut::zeroed(len))
    }

    /// Bytes.
    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Bytes(bytes) => bytes.len(),
            Self::Vec(vec) => vec.len(),
            Self::Other { len, .. } => *len,
        }
    }

    /// The buffer of a caller. Only types that are not known here are put into a box.
    pub(crate) fn of<B: AsMut<[u8]> + Send + 'static>(buffer: B) -> Self {
        let mut buffer = Some(buffer);
        if let Some(vec) = cast(&mut buffer) {
            return Self::Vec(vec);
        }
        if let Some(bytes) = cast(&mut buffer) {
            return Self::Bytes(bytes);
        }
        match buffer {
            Some(mut buffer) => {
                let len = buffer.as_mut().len();
                Self::Other { buffer: Box::new(buffer), from: 0, len }
            }
            // It is taken only above, where it is returned.
            None => Self::zeroed(0),
        }
    }

    /// The buffer of a caller, given back. `None` if it was not one of this type.
    pub(crate) fn into_caller<B: 'static>(self) -> Option<B> {
        match self {
            Self::Bytes(bytes) => cast(&mut Some(bytes)),
            Self::Vec(vec) => cast(&mut Some(vec)),
            Self::Other { buffer, .. } => buffer.into_any().downcast::<B>().ok().map(|buffer| *buffer),
        }
    }

    /// The memory of [`zeroed`](Self::zeroed).
    pub(crate) fn into_bytes(self) -> BytesMut {
        match self {
            Self::Bytes(bytes) => bytes,
            Self::Vec(vec) => BytesMut::from(&vec[..]),
            Self::Other { mut buffer, from, len } => {
                let bytes = buffer.bytes().get(from..).and_then(|rest| rest.get(..len));
                BytesMut::from(bytes.unwrap_or_default())
            }
        }
    }
}

impl AsMut<[u8]> for ReadBuffer {
    fn as_mut(&mut self) -> &mut [u8] {
        match self {
            Self::Bytes(bytes) => bytes,
            Self::Vec(vec) => vec,
            Self::Other { buffer, from, len } => {
                buffer.bytes().get_mut(*from..).and_then(|rest| rest.get_mut(..*len)).unwrap_or_default()
            }
        }
    }
}

impl fmt::Debug for ReadBuffer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ReadBuffer")
    }
}

/// The value as one of another type, if that is what it is.
fn cast<A: 'static, B: 'static>(value: &mut Option<A>) -> Option<B> {
    (value as &mut dyn Any).downcast_mut::<Option<B>>()?.take()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_buffer_comes_back_as_what_it_was_and_where_it_was() {
        let vec = vec![1_u8, 2, 3];
        let at = vec.as_ptr();
        let mut buffer = ReadBuffer::of(vec);
        assert!(matches!(buffer, ReadBuffer::Vec(_)));
        buffer.as_mut()[0] = 9;
        let vec: Vec<u8> = buffer.into_caller().unwrap();
        assert_eq!((vec.as_ptr(), vec), (at, vec![9, 2, 3]));

        let bytes = BytesMut::from(&b"abc"[..]);
        let at = bytes.as_ptr();
        let buffer = ReadBuffer::of(bytes);
        assert!(matches!(buffer, ReadBuffer::Bytes(_)));
        let bytes: BytesMut = buffer.into_caller().unwrap();
        assert_eq!(bytes.as_ptr(), at);

        let slice: Box<[u8]> = Box::new([7; 4]);
        let at = slice.as_ptr();
        let mut buffer = ReadBuffer::of(slice);
        assert!(matches!(buffer, ReadBuffer::Other { from: 0, len: 4, .. }));
        assert_eq!(buffer.as_mut(), [7; 4]);
        let slice: Box<[u8]> = buffer.into_caller().unwrap();
        assert_eq!(slice.as_ptr(), at);
        assert!(ReadBuffer::of(vec![1_u8]).into_caller::<BytesMut>().is_none());
    }

    #[test]
    fn a_buffer_that_shrinks_has_no_bytes_beyond_its_end() {
        let mut buffer = ReadBuffer::Other { buffer: Box::new([0_u8; 4]), from: 2, len: 3 };
        assert!(buffer.as_mut().is_empty());
        let mut buffer = ReadBuffer::Other { buffer: Box::new([0_u8, 1, 2, 3]), from: 1, len: 2 };
        assert_eq!(buffer.as_mut(), [1, 2]);
    }
}
