//! The target's own attributes, and hosts.

use super::{Builder, paths};
use crate::plan::{Phase, Undo};
use crate::tree::{Name, RelPath};

impl Builder<'_> {
    pub(super) fn target(&mut self) {
        let (spec, observed) = (self.spec, self.observed);
        let changes = self.differing(&RelPath::root(), &spec.settings, &observed.attributes);
        self.change(Phase::SetTarget, &RelPath::root(), changes, || Undo::Covered);
    }

    pub(super) fn hosts(&mut self) {
        let (spec, observed) = (self.spec, self.observed);
        for (nqn, wanted) in &spec.hosts {
            let name = Name::from(nqn);
            let path = paths::host(&name);
            match observed.hosts.get(&name) {
                None => {
                    self.make(Phase::CreateHost, path.clone());
                    self.set_new(Phase::SetHost, &path, &wanted.settings);
                }
                Some(there) => {
                    let changes = self.differing(&path, &wanted.settings, &there.attributes);
                    self.change(Phase::SetHost, &path, changes, || Undo::Covered);
                }
            }
        }
    }
}
