//! Hosts.

use super::{Builder, paths};
use crate::plan::Phase;
use crate::tree::Name;

impl Builder<'_> {
    pub(super) fn hosts(&mut self) {
        let (spec, observed) = (self.spec, self.observed);
        for nqn in spec.hosts.keys() {
            let name = Name::from(nqn);
            if !observed.hosts.contains_key(&name) {
                self.make(Phase::CreateHost, paths::host(&name));
            }
        }
    }
}
