//! A tree that counts calls and fails where a test wants it to.

use std::sync::{Mutex, PoisonError};

use crate::attr::is_secret;
use crate::errno::Errno;
use crate::tree::{Entry, NodeKind, Op, RelPath, Tree, TreeError};

#[derive(Debug, Default)]
struct Counters {
    reads: usize,
    mutations: usize,
    system_calls: SystemCalls,
    log: Vec<String>,
    failures: Vec<(usize, Errno)>,
}

/// How many system calls the kernel's tree would have taken.
///
/// | verb | calls |
/// |---|---|
/// | make, remove, link, unlink, read a link, look at | 1 |
/// | read or write an attribute | 3: open, read or write, close |
/// | list a directory | 4: open, read entries twice, close; more with some hundred entries |
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct SystemCalls {
    /// Of verbs that read.
    pub reading: usize,
    /// Of verbs that change something.
    pub writing: usize,
}

/// Wraps a tree, counts its calls, logs its mutations, and can make the n-th mutation fail without performing it.
#[derive(Debug)]
pub struct Instrumented<T> {
    inner: T,
    counters: Mutex<Counters>,
}

impl<T: Tree> Instrumented<T> {
    /// Wraps `inner`, all counters at 0.
    pub fn new(inner: T) -> Self {
        Self { inner, counters: Mutex::default() }
    }

    /// The tree inside; calls on it are not counted.
    pub fn inner(&self) -> &T {
        &self.inner
    }

    /// Calls that read so far.
    pub fn reads(&self) -> usize {
        self.with(|c| c.reads)
    }

    /// Calls that change something so far, failed ones included.
    pub fn mutations(&self) -> usize {
        self.with(|c| c.mutations)
    }

    /// System calls that the calls so far would have been.
    pub fn system_calls(&self) -> SystemCalls {
        self.with(|c| c.system_calls)
    }

    /// The mutations so far, one line each.
    pub fn log(&self) -> Vec<String> {
        self.with(|c| c.log.clone())
    }

    /// Makes a mutation fail with `errno` without performing it: the `n`-th from now on, the next being 0. Can be asked
    /// for several times.
    pub fn fail_mutation(&self, n: usize, errno: Errno) {
        self.with(|c| c.failures.push((c.mutations + n, errno)));
    }

    /// Takes back failures asked for.
    pub fn clear_failures(&self) {
        self.with(|c| c.failures.clear());
    }

    fn with<R>(&self, f: impl FnOnce(&mut Counters) -> R) -> R {
        f(&mut self.counters.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn reading(&self, system_calls: usize) {
        self.with(|c| {
            c.reads += 1;
            c.system_calls.reading += system_calls;
        });
    }

    fn mutating(&self, system_calls: usize, line: String) -> Result<(), Errno> {
        self.with(|c| {
            let index = c.mutations;
            c.mutations += 1;
            c.system_calls.writing += system_calls;
            c.log.push(line);
            c.failures.iter().find(|(n, _)| *n == index).map_or(Ok(()), |(_, errno)| Err(*errno))
        })
    }
}

impl<T: Tree> Tree for Instrumented<T> {
    fn list(&self, dir: &RelPath) -> Result<Vec<Entry>, TreeError> {
        self.reading(4);
        self.inner.list(dir)
    }

    fn read(&self, attr: &RelPath) -> Result<Vec<u8>, TreeError> {
        self.reading(3);
        self.inner.read(attr)
    }

    fn write(&self, attr: &RelPath, value: &[u8]) -> Result<(), TreeError> {
        let secret = attr.file_name().is_some_and(|n| is_secret(&n));
        let shown = if secret { "(secret)".to_owned() } else { value.escape_ascii().to_string() };
        self.mutating(3, format!("write {attr} {shown}")).map_err(|e| TreeError::new(Op::Write, attr, e))?;
        self.inner.write(attr, value)
    }

    fn mkdir(&self, dir: &RelPath) -> Result<(), TreeError> {
        self.mutating(1, format!("mkdir {dir}")).map_err(|e| TreeError::new(Op::Mkdir, dir, e))?;
        self.inner.mkdir(dir)
    }

    fn rmdir(&self, dir: &RelPath) -> Result<(), TreeError> {
        self.mutating(1, format!("rmdir {dir}")).map_err(|e| TreeError::new(Op::Rmdir, dir, e))?;
        self.inner.rmdir(dir)
    }

    fn symlink(&self, link: &RelPath, target: &RelPath) -> Result<(), TreeError> {
        self.mutating(1, format!("link {link} -> {target}"))
            .map_err(|e| TreeError::linking(link, target, e))?;
        self.inner.symlink(link, target)
    }

    fn unlink(&self, link: &RelPath) -> Result<(), TreeError> {
        self.mutating(1, format!("unlink {link}")).map_err(|e| TreeError::new(Op::Unlink, link, e))?;
        self.inner.unlink(link)
    }

    fn read_link(&self, link: &RelPath) -> Result<Vec<u8>, TreeError> {
        self.reading(1);
        self.inner.read_link(link)
    }

    fn kind(&self, path: &RelPath) -> Result<Option<NodeKind>, TreeError> {
        self.reading(1);
        self.inner.kind(path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree::{FakeKernel, FakeTree};

    #[test]
    fn fails_the_call_asked_for_and_no_other() {
        let tree = Instrumented::new(FakeTree::new(FakeKernel::V6_12));
        let host = |n: &str| RelPath::new(format!("hosts/{n}")).unwrap();
        tree.mkdir(&host("a")).unwrap();
        tree.fail_mutation(1, Errno::EINTR);
        tree.mkdir(&host("b")).unwrap();
        assert_eq!(tree.mkdir(&host("c")).unwrap_err().errno(), Errno::EINTR);
        assert_eq!(tree.kind(&host("c")).unwrap(), None);
        tree.mkdir(&host("c")).unwrap();
        assert_eq!((tree.mutations(), tree.reads()), (4, 1));
        assert_eq!(tree.log()[1], "mkdir hosts/b");
    }
}
