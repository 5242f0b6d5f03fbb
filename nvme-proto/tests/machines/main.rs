//! A host against a controller over an in-memory pipe.

mod early;
mod pair;
mod pieces;
mod queue;
mod time;
