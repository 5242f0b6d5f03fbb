//! Storage that answers at once.

use std::fmt;

use super::Backend;
use super::geometry::Geometry;
use super::io::Io;
use super::store::BlockStore;

/// A [`Backend`] of a [`BlockStore`] that never waits: requests run on the thread of the connection. A store that does wait stops every
/// connection of that thread; use [`Threads`](super::Threads) for it.
pub struct Inline<S>(S);

impl<S: BlockStore> Inline<S> {
    /// Requests to `store` run on the thread of the connection.
    pub const fn new(store: S) -> Self {
        Self(store)
    }

    /// The store.
    pub const fn inner(&self) -> &S {
        &self.0
    }

    /// Gives the store back.
    pub fn into_inner(self) -> S {
        self.0
    }
}

impl<S: BlockStore> Backend for Inline<S> {
    fn geometry(&self) -> Geometry {
        self.0.geometry()
    }

    fn submit(&self, mut io: Io) {
        let result = io.perform(&self.0);
        io.complete(result);
    }

    fn store(&self) -> Option<&dyn BlockStore> {
        Some(&self.0)
    }
}

impl<S: BlockStore> fmt::Debug for Inline<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Inline").field(&self.0.geometry()).finish()
    }
}
