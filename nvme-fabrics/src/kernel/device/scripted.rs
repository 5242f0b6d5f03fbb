//! A device that answers from a script.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::{DeviceError, DeviceOp, FabricsDevice, OptionList};
use crate::kernel::errno::Errno;

/// A fabrics device for tests: gives the option list it was told, answers each write with the next line of its script, and
/// remembers what was written.
#[derive(Debug)]
pub struct ScriptedDevice {
    path: PathBuf,
    list: Result<OptionList, Errno>,
    script: Mutex<VecDeque<Result<String, Errno>>>,
    written: Mutex<Vec<String>>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl ScriptedDevice {
    /// A device that knows `list` and answers nothing yet.
    #[must_use]
    pub fn new(list: OptionList) -> Self {
        Self {
            path: "/dev/nvme-fabrics".into(),
            list: Ok(list),
            script: Mutex::default(),
            written: Mutex::default(),
        }
    }

    /// A device that cannot be opened.
    #[must_use]
    pub fn unopenable(errno: Errno) -> Self {
        Self { list: Err(errno), ..Self::new(OptionList::Unavailable) }
    }

    /// Adds the answer to the next unanswered write: a reply, or an error number.
    #[must_use]
    pub fn answer(self, answer: Result<&str, Errno>) -> Self {
        lock(&self.script).push_back(answer.map(str::to_owned));
        self
    }

    /// Everything that was written, oldest first.
    #[must_use]
    pub fn written(&self) -> Vec<String> {
        lock(&self.written).clone()
    }

    fn error(&self, op: DeviceOp, errno: Errno) -> DeviceError {
        DeviceError { op, path: self.path.clone(), source: errno.into() }
    }
}

impl FabricsDevice for ScriptedDevice {
    fn option_list(&self) -> Result<OptionList, DeviceError> {
        self.list.clone().map_err(|errno| self.error(DeviceOp::Open, errno))
    }

    /// A write beyond the script fails with EINVAL.
    fn create(&self, options: &str) -> Result<String, DeviceError> {
        if let Err(errno) = self.list {
            return Err(self.error(DeviceOp::Open, errno));
        }
        lock(&self.written).push(options.to_owned());
        let answer = lock(&self.script).pop_front().unwrap_or(Err(Errno::EINVAL));
        answer.map_err(|errno| self.error(DeviceOp::Write, errno))
    }

    fn path(&self) -> &Path {
        &self.path
    }
}
