//! Namespaces.

use super::settings::is_live;
use super::{Builder, Change, Sizes};
use crate::attr::rank;
use crate::observe::ObservedNamespace;
use crate::plan::{Phase, Undo};
use crate::spec::NamespaceSpec;
use crate::tree::{Name, RelPath};

impl Builder<'_> {
    pub(super) fn create_namespace(&mut self, path: &RelPath, wanted: &NamespaceSpec) {
        self.make(Phase::CreateNamespace, path.clone());
        self.set_new(Phase::SetNamespace, path, &wanted.settings);
        if let Some(device) = &wanted.device_path {
            self.write(Phase::SetNamespace, path.at("device_path"), device.as_str(), Undo::Covered);
        }
        if wanted.enabled {
            self.write(Phase::BringOnline, path.at("enable"), "1", Undo::Covered);
        }
    }

    /// What cannot change while hosts see the namespace takes it offline; the rest does not.
    pub(super) fn change_namespace(
        &mut self,
        path: &RelPath,
        there: &ObservedNamespace,
        wanted: &NamespaceSpec,
    ) {
        let settings = self.differing(path, &wanted.settings, &there.attributes);
        let (live, mut offline): (Vec<_>, Vec<_>) = settings.into_iter().partition(|c| is_live(&c.name));
        if let Some(device) = &wanted.device_path
            && there.device_path() != Some(device.as_str().as_bytes())
        {
            let old = there.attributes.get("device_path");
            offline.push(Change::new(Name::fixed("device_path"), device.as_str(), old));
        }
        offline.sort_by(|a, b| rank(&a.name).cmp(&rank(&b.name)));
        let changing = !offline.is_empty();
        let enable = path.at("enable");
        if there.is_enabled() && (changing || !wanted.enabled) {
            self.rewrite(Phase::TakeOffline, enable.clone(), "0", b"1");
        }
        // When one of them needs the namespace to be made anew, that brings all values back.
        let rebuild = || Undo::Rebuild(super::remove::namespace(path, there));
        let all = offline.into_iter().chain(live).collect();
        self.change(Phase::SetNamespace, path, all, rebuild);
        if wanted.enabled && (changing || !there.is_enabled()) {
            self.rewrite(Phase::BringOnline, enable, "1", b"0");
        } else if wanted.enabled && self.policy.sizes == Sizes::Refresh {
            // One that is brought online is looked at anyway.
            self.write(Phase::RefreshSize, path.at("revalidate_size"), "1", Undo::Covered);
        }
    }

    pub(super) fn remove_namespace(&mut self, path: &RelPath, there: &ObservedNamespace) {
        self.steps.extend(super::remove::namespace(path, there));
    }
}
