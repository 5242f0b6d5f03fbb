//! What a host authenticates itself with.

use std::fmt;

use nvme_proto::auth::DhchapSecret;

/// The secrets of both sides. They are wiped when they are dropped.
#[derive(Clone)]
pub(crate) struct Secrets {
    /// The host's.
    pub(crate) host: DhchapSecret,
    /// The controller's: it has to prove that it knows it.
    pub(crate) controller: Option<DhchapSecret>,
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secrets(..)")
    }
}
