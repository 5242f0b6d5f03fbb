//! ANA groups and referrals of a port.

use super::{Builder, Change, Foreign};
use crate::observe::{Attributes, ObservedPort};
use crate::plan::{Phase, Undo};
use crate::spec::{AnaGroupId, AnaState, PortSpec, ReferralSpec};
use crate::text;
use crate::tree::{Name, RelPath};

impl Builder<'_> {
    /// Of a new port, when `there` is `None`.
    pub(super) fn port_parts(&mut self, port: &RelPath, there: Option<&ObservedPort>, wanted: &PortSpec) {
        for (id, state) in &wanted.ana_groups {
            self.ana_group(port, there, *id, *state);
        }
        for (name, wanted) in &wanted.referrals {
            let path = port.at("referrals").join(name);
            match there.and_then(|port| port.referrals.get(name)) {
                None => self.create_referral(&path, wanted),
                Some(there) => self.change_referral(&path, there, wanted),
            }
        }
        let Some(there) = there.filter(|_| self.policy.foreign == Foreign::Remove) else { return };
        for (name, attributes) in &there.ana_groups {
            let named = wanted.ana_groups.keys().any(|id| group_id(name) == Some(id.number()));
            if group_id(name) != Some(1) && !named {
                let path = port.at("ana_groups").join(name);
                self.steps.push(super::remove::part(Phase::RetirePortPart, &path, attributes));
            }
        }
        for (name, attributes) in &there.referrals {
            if !wanted.referrals.contains_key(name) {
                let path = port.at("referrals").join(name);
                self.steps.push(super::remove::part(Phase::RetirePortPart, &path, attributes));
            }
        }
    }

    fn ana_group(&mut self, port: &RelPath, there: Option<&ObservedPort>, id: AnaGroupId, state: AnaState) {
        let groups = port.at("ana_groups");
        let found = there
            .and_then(|port| port.ana_groups.iter().find(|(name, _)| group_id(name) == Some(id.number())));
        if let Some((name, attributes)) = found {
            let old = attributes.get("ana_state").unwrap_or_default();
            if old != state.word().as_bytes() {
                self.rewrite(Phase::SetPortPart, groups.join(name).at("ana_state"), state.word(), old);
            }
            return;
        }
        let path = groups.join(&Name::from(id));
        if id == AnaGroupId::ONE {
            // The kernel makes it, optimized.
            if state != AnaState::Optimized {
                self.write(Phase::SetPortPart, path.at("ana_state"), state.word(), Undo::Covered);
            }
            return;
        }
        self.make(Phase::CreatePortPart, path.clone());
        if state != AnaState::Inaccessible {
            self.write(Phase::SetPortPart, path.at("ana_state"), state.word(), Undo::Covered);
        }
    }

    fn create_referral(&mut self, path: &RelPath, wanted: &ReferralSpec) {
        self.make(Phase::CreatePortPart, path.clone());
        self.set_new(Phase::SetPortPart, path, &wanted.settings);
        if wanted.enabled {
            self.write(Phase::SetPortPart, path.at("enable"), "1", Undo::Covered);
        }
    }

    fn change_referral(&mut self, path: &RelPath, there: &Attributes, wanted: &ReferralSpec) {
        let mut changes = self.differing(path, &wanted.settings, there);
        let enabled = there.get("enable").and_then(text::boolean) == Some(true);
        if enabled == wanted.enabled && changes.is_empty() {
            return;
        }
        // All of it in one phase, in this order: off, changed, on. Undone by making the referral anew, which is simpler than taking
        // each value back and disturbs nobody.
        let flag = |to: &'static str| Change::new(Name::fixed("enable"), to, there.get("enable"));
        if enabled {
            changes.insert(0, flag("0"));
        }
        if wanted.enabled {
            changes.push(flag("1"));
        }
        let mut rebuild = Some(vec![super::remove::part(Phase::SetPortPart, path, there)]);
        for change in changes {
            let undo = rebuild.take().map_or(Undo::Covered, Undo::Rebuild);
            self.write(Phase::SetPortPart, path.join(&change.name), change.new, undo);
        }
    }
}

/// The number of a group. The kernel takes any spelling of it as a name, except of 1.
pub(super) fn group_id(name: &Name) -> Option<u32> {
    text::unsigned(name.as_bytes(), 0xffff_ffff).ok().and_then(|id| u32::try_from(id).ok())
}
