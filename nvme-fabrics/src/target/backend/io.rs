//! A request to storage, and its way back.

use std::fmt;

use super::buffer::Buffer;
use super::error::IoError;
use super::op::IoOp;
use super::store::{self, BlockStore};

/// A request: what is asked for, the memory of its data, and whom to tell when it is done.
///
/// It is completed by [`complete`](Self::complete), at once or later, from any thread. One that is dropped is completed with
/// [`IoError::Abandoned`], so that no command of a host is ever lost.
pub struct Io {
    op: IoOp,
    buffer: Buffer,
    to: Option<Completer>,
}

/// Whom to tell.
pub(crate) type Completer = Box<dyn FnOnce(Finished) + Send>;

/// A completed request with its memory.
#[derive(Debug)]
pub(crate) struct Finished {
    pub(crate) result: Result<(), IoError>,
    pub(crate) buffer: Buffer,
}

/// What became of a request made with [`Io::new`].
#[derive(Debug)]
#[non_exhaustive]
pub struct Done {
    /// Whether it was done.
    pub result: Result<(), IoError>,
    /// The request's buffer: what was read, or what was written.
    pub buffer: Vec<u8>,
}

impl Io {
    /// A request of your own: to test storage, or to use it behind storage that mirrors, concatenates or encrypts. `then` is called when
    /// it is completed, from whatever thread completes it.
    ///
    /// For requests that read, `data` is the memory to read into; its length should be [`IoOp::buffer_len`].
    ///
    /// ```
    /// use nvme_fabrics::target::backend::*;
    /// let disk = Memory::new(1 << 20)?;
    /// let write = IoOp::Write { extent: Extent::new(4096, 512), durability: Durability::Cached };
    /// disk.submit(Io::new(write, vec![7; 512], |done| done.result.unwrap()));
    /// disk.submit(Io::new(IoOp::Read(Extent::new(4096, 512)), vec![0; 512], |done| assert_eq!(done.buffer, [7; 512])));
    /// # Ok::<(), MemoryError>(())
    /// ```
    pub fn new(op: IoOp, data: Vec<u8>, then: impl FnOnce(Done) + Send + 'static) -> Self {
        let then = move |finished: Finished| {
            then(Done { result: finished.result, buffer: finished.buffer.into_vec() });
        };
        Self::with(op, data.into(), Box::new(then))
    }

    pub(crate) fn with(op: IoOp, buffer: Buffer, to: Completer) -> Self {
        Self { op, buffer, to: Some(to) }
    }

    /// What is asked for.
    #[must_use]
    pub const fn op(&self) -> &IoOp {
        &self.op
    }

    /// The data to write or to compare with.
    #[must_use]
    pub fn data(&self) -> &[u8] {
        self.buffer.as_ref()
    }

    /// The memory to read into.
    #[must_use]
    pub fn data_mut(&mut self) -> &mut [u8] {
        self.buffer.as_mut()
    }

    /// Does what is asked for with a [`BlockStore`]; the request still has to be completed.
    ///
    /// # Errors
    /// What the store answers; complete the request with it.
    pub fn perform(&mut self, store: &dyn BlockStore) -> Result<(), IoError> {
        store::perform(store, &self.op, self.buffer.as_mut())
    }

    /// The request is done, or failed.
    pub fn complete(mut self, result: Result<(), IoError>) {
        self.finish(result);
    }

    fn finish(&mut self, result: Result<(), IoError>) {
        if let Some(to) = self.to.take() {
            to(Finished { result, buffer: std::mem::take(&mut self.buffer) });
        }
    }
}

impl Drop for Io {
    fn drop(&mut self) {
        self.finish(Err(IoError::Abandoned));
    }
}

impl fmt::Debug for Io {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Io").field("op", &self.op).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::super::op::Extent;
    use super::*;
    use std::sync::mpsc;

    #[test]
    fn every_request_is_told_once() {
        let (sender, receiver) = mpsc::channel();
        let request = || {
            let sender = sender.clone();
            Io::new(IoOp::Read(Extent::new(0, 3)), vec![1, 2, 3], move |done| sender.send(done).unwrap())
        };
        request().complete(Ok(()));
        drop(request());
        drop(sender);
        let told: Vec<Done> = receiver.iter().collect();
        assert_eq!(told.len(), 2);
        assert!(told[0].result.is_ok() && matches!(told[1].result, Err(IoError::Abandoned)));
        assert!(told.iter().all(|done| done.buffer == [1, 2, 3]), "memory comes back");
    }
}
