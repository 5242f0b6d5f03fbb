//! The sum of the errors of bringing a target to a wanted state.

use crate::apply::{ApplyError, ApplyFailure};
use crate::errno::Errno;
use crate::spec::SpecError;
use crate::tree::TreeError;

/// Why a target was not brought to the wanted state. In every case it is as before, unless the last variant says otherwise.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The spec does not fit this target; nothing was written.
    #[error(transparent)]
    Spec(#[from] SpecError),
    /// The target cannot be read; nothing was written.
    #[error(transparent)]
    Observe(#[from] TreeError),
    /// Applying failed and was undone.
    #[error(transparent)]
    Apply(#[from] ApplyError),
}

impl Error {
    /// What the kernel answered, when it was asked.
    pub fn errno(&self) -> Option<Errno> {
        match self {
            Self::Spec(_) => None,
            Self::Observe(error) => Some(error.errno()),
            Self::Apply(error) => match &error.failure {
                ApplyFailure::Step(failed) => Some(failed.source.errno()),
                ApplyFailure::Observe(source) => Some(source.errno()),
                ApplyFailure::Verify { .. }
                | ApplyFailure::Changed { .. }
                | ApplyFailure::NeedsConsent { .. }
                | ApplyFailure::Spec(_) => None,
            },
        }
    }
}
