//! Pass-through.

use super::{Builder, Change, Unknown};
use crate::observe::ObservedSubsystem;
use crate::plan::{Phase, Undo, Warning};
use crate::spec::{PassthruSpec, SpecProblem};
use crate::tree::{Name, RelPath};

impl Builder<'_> {
    pub(super) fn create_passthru(&mut self, path: &RelPath, wanted: &PassthruSpec) {
        self.set_new(Phase::SetPassthru, path, &wanted.settings);
        if let Some(device) = &wanted.device_path {
            self.write_new(Phase::SetPassthru, path.at("device_path"), device.as_str());
        }
        if wanted.enabled {
            self.write(Phase::BringOnline, path.at("enable"), "1", Undo::Covered);
        }
    }

    /// `path` is that of `passthru`, `there` the subsystem around it.
    pub(super) fn change_passthru(
        &mut self,
        subsystem: &RelPath,
        there: &ObservedSubsystem,
        wanted: &PassthruSpec,
    ) {
        let path = subsystem.at("passthru");
        let Some(attributes) = &there.passthru else {
            // A kernel without it is as one that does not use it.
            if wanted.enabled || wanted.device_path.is_some() || !wanted.settings.is_empty() {
                self.no_passthru(path.at("enable"));
            }
            return;
        };
        let mut changes = self.differing(&path, &wanted.settings, attributes);
        let enabled = there.is_passthru();
        let old = attributes.get("device_path");
        let device = wanted.device_path.as_ref().filter(|d| old != Some(d.as_str().as_bytes()));
        let moves = device.is_some();
        if let Some(device) = device {
            changes.push(Change::new(Name::fixed("device_path"), device.as_str(), old));
        }
        let enable = path.at("enable");
        // Disabling resets the version, which comes back with enabling or by being written.
        let version = there.attributes.get("attr_version").map(|v| (subsystem.at("attr_version"), v.into()));
        if enabled && (moves || !wanted.enabled) {
            self.rewrite(Phase::EndPassthru, enable.clone(), "0", b"1");
        }
        // A path that was never set can only be unset by making the subsystem anew.
        self.change(Phase::SetPassthru, &path, changes, || {
            let fresh = vec![(path.at("device_path"), b"(null)".as_slice().into())];
            Undo::Remake { object: subsystem.clone(), fresh }
        });
        if wanted.enabled && (moves || !enabled) {
            let mut back = vec![(enable.clone(), b"0".as_slice().into())];
            back.extend(version.filter(|_| !enabled));
            self.write(Phase::BringOnline, enable, "1", Undo::Restore(back));
        }
    }

    fn no_passthru(&mut self, attr: RelPath) {
        match self.policy.unknown {
            Unknown::Require => {
                self.problems
                    .push(SpecProblem::UnknownAttribute { attr, build: Some("NVME_TARGET_PASSTHRU") });
            }
            Unknown::Warn => self.warnings.push(Warning::UnknownAttribute { attr }),
            Unknown::Ignore => {}
        }
    }
}
