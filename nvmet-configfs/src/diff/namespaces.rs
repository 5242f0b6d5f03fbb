//! Namespaces.

use super::{Builder, Change};
use crate::observe::ObservedNamespace;
use crate::plan::{Phase, Undo};
use crate::spec::NamespaceSpec;
use crate::tree::RelPath;

impl Builder<'_> {
    pub(super) fn create_namespace(&mut self, path: &RelPath, wanted: &NamespaceSpec) {
        self.make(Phase::CreateNamespace, path.clone());
        let mut set =
            |name, value: String| self.write(Phase::SetNamespace, path.at(name), value, Undo::Covered);
        if let Some(buffered) = wanted.buffered_io {
            set("buffered_io", bit(buffered).to_owned());
        }
        set("device_path", wanted.device_path.to_string());
        if let Some(uuid) = wanted.uuid {
            set("device_uuid", uuid.to_string());
        }
        if let Some(nguid) = wanted.nguid {
            set("device_nguid", nguid.to_string());
        }
        if wanted.enabled {
            self.write(Phase::BringOnline, path.at("enable"), "1", Undo::Covered);
        }
    }

    pub(super) fn change_namespace(
        &mut self,
        path: &RelPath,
        there: &ObservedNamespace,
        wanted: &NamespaceSpec,
    ) {
        let old = |name| there.attributes.get(name);
        let mut changes = Vec::new();
        if let Some(buffered) = wanted.buffered_io.filter(|b| *b != there.is_buffered()) {
            changes.push(Change::new("buffered_io", bit(buffered), old("buffered_io")));
        }
        if there.device_path() != Some(wanted.device_path.as_str().as_bytes()) {
            changes.push(Change::new("device_path", &wanted.device_path, old("device_path")));
        }
        if let Some(uuid) = wanted.uuid.filter(|u| there.uuid() != Some(*u)) {
            changes.push(Change::new("device_uuid", uuid, old("device_uuid")));
        }
        if let Some(nguid) = wanted.nguid.filter(|n| there.nguid() != Some(*n)) {
            changes.push(Change::new("device_nguid", nguid, old("device_nguid")));
        }
        let changing = !changes.is_empty();
        let enable = path.at("enable");
        if there.is_enabled() && (changing || !wanted.enabled) {
            self.rewrite(Phase::TakeOffline, enable.clone(), "0", b"1");
        }
        self.change(Phase::SetNamespace, path, changes, || super::remove::namespace(path, there));
        if wanted.enabled && (changing || !there.is_enabled()) {
            self.rewrite(Phase::BringOnline, enable, "1", b"0");
        }
    }

    pub(super) fn remove_namespace(&mut self, path: &RelPath, there: &ObservedNamespace) {
        self.steps.extend(super::remove::namespace(path, there));
    }
}

fn bit(on: bool) -> &'static str {
    if on { "1" } else { "0" }
}
