//! Where tests begin that try something by chance.

/// Where the random numbers of fuzzers, properties and kernel cases begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Seed {
    /// At the same number each time, so that whether a change lands does not depend on chance.
    Fixed,
    /// Somewhere else each time.
    Fresh,
}

impl Seed {
    /// The number of [`Seed::Fixed`].
    pub(crate) const NUMBER: u64 = 1;
}
