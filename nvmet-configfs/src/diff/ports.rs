//! Ports and their exports.

use std::collections::{BTreeMap, BTreeSet};

use super::subsystems::free_name;
use super::{Builder, Change, Foreign, paths};
use crate::attr::{REWRITTEN_BY_ENABLE, Restore, restore};
use crate::object::Object;
use crate::observe::{LinkTarget, ObservedPort};
use crate::plan::{Action, Phase, Undo, Values};
use crate::spec::PortSpec;
use crate::tree::{Name, RelPath};

impl Builder<'_> {
    pub(super) fn ports(&mut self) {
        let (spec, observed) = (self.spec, self.observed);
        for (id, wanted) in &spec.ports {
            match observed.named_port(*id) {
                None => self.create_port(&paths::port(&Name::from(*id)), wanted),
                Some((name, there)) => self.change_port(&paths::port(name), there, wanted),
            }
        }
    }

    fn create_port(&mut self, path: &RelPath, wanted: &PortSpec) {
        self.make(Phase::CreatePort, path.clone());
        for change in address_changes(&ObservedPort::default(), wanted) {
            self.write(Phase::SetPort, path.at(change.name), change.new, Undo::Covered);
        }
        for nqn in &wanted.subsystems {
            let name = Name::from(nqn);
            self.link(Phase::Export, path.at("subsystems").join(&name), paths::subsystem(&name));
        }
    }

    fn change_port(&mut self, path: &RelPath, there: &ObservedPort, wanted: &PortSpec) {
        let mut changes = address_changes(there, wanted);
        // Writing the transport clears `addr_tsas`.
        if let Some(change) = changes.iter_mut().find(|c| c.name == "addr_trtype")
            && there.attributes.get("addr_tsas") == Some(b"tls1.3")
        {
            change.also.push((path.at("addr_tsas"), b"tls1.3".to_vec()));
        }
        let changing = !changes.is_empty();
        let (kept, gone) = self.split_exports(there, wanted);
        let unexport = gone.iter().chain(kept.iter().filter(|_| changing));
        for (link, subsystem) in unexport {
            self.unlink(Phase::Unexport, path.at("subsystems").join(link), paths::subsystem(subsystem));
        }
        // When this is taken back, the exports are gone and come back after it.
        let idle = || ObservedPort { subsystems: BTreeMap::new(), ..there.clone() };
        self.change(Phase::SetPort, path, changes, || super::remove::port(path, &idle()));

        let mut links: Vec<(Name, Name)> = Vec::new();
        if changing {
            links.extend(kept.iter().map(|(link, subsystem)| ((*link).clone(), (*subsystem).clone())));
        }
        let exported: BTreeSet<&Name> = kept.values().copied().collect();
        let taken: BTreeSet<Name> = kept.keys().map(|link| (*link).clone()).collect();
        for name in wanted.subsystems.iter().map(Name::from).filter(|n| !exported.contains(n)) {
            links.push((free_name(&name, &taken), name));
        }
        // The first link of a port that was idle lets the kernel fill in its parameters.
        let mut undo = (!there.is_live()).then(|| undo_enable(path, there));
        for (link, subsystem) in links {
            let (rewritten, fresh, rebuild) = undo.take().unwrap_or_default();
            let action = Action::Link {
                link: path.at("subsystems").join(&link),
                target: paths::subsystem(&subsystem),
            };
            self.push(Phase::Export, action, Undo::Unlink { rewritten, fresh, rebuild });
        }
    }

    /// The exports that stay and those that go, as link name and subsystem.
    fn split_exports<'p>(
        &self,
        there: &'p ObservedPort,
        wanted: &PortSpec,
    ) -> (BTreeMap<&'p Name, &'p Name>, BTreeMap<&'p Name, &'p Name>) {
        let wanted: BTreeSet<Name> = wanted.subsystems.iter().map(Name::from).collect();
        let named: BTreeSet<Name> = self.spec.subsystems.keys().map(Name::from).collect();
        let (mut kept, mut gone) = (BTreeMap::new(), BTreeMap::new());
        for (link, target) in &there.subsystems {
            let LinkTarget::Subsystem(subsystem) = target else { continue }; // the kernel makes no other links here
            let foreign = !named.contains(subsystem);
            let stays = wanted.contains(subsystem) || (foreign && self.policy.foreign == Foreign::Keep);
            if stays {
                kept.insert(link, subsystem)
            } else {
                gone.insert(link, subsystem)
            };
        }
        (kept, gone)
    }
}

/// The address and parameters that differ.
fn address_changes<'p>(there: &'p ObservedPort, wanted: &PortSpec) -> Vec<Change<'p>> {
    let old = |name| there.attributes.get(name);
    let mut changes = Vec::new();
    if there.transport().as_ref() != Some(&wanted.transport) {
        let mut fields = vec![("addr_trtype", wanted.transport.trtype().to_owned())];
        if let Some((traddr, trsvcid)) = wanted.transport.address() {
            let adrfam = if traddr.ip().is_ipv4() { "ipv4" } else { "ipv6" };
            fields.push(("addr_adrfam", adrfam.to_owned()));
            fields.push(("addr_traddr", traddr.to_string()));
            fields.push(("addr_trsvcid", trsvcid.to_string()));
        }
        let differing = fields.into_iter().filter(|(name, new)| old(name) != Some(new.as_bytes()));
        changes.extend(differing.map(|(name, new)| Change::new(name, new, old(name))));
    }
    if let Some(bytes) = wanted.inline_data_size
        && there.attributes.text("param_inline_data_size") != Some(bytes.to_string().as_str())
    {
        changes.push(Change::new("param_inline_data_size", bytes, old("param_inline_data_size")));
    }
    changes
}

/// How parameters that the kernel fills in come back: values that can be written, values only a new port has, and the
/// steps to rebuild the port for the latter.
fn undo_enable(path: &RelPath, there: &ObservedPort) -> (Values, Values, Vec<crate::plan::Step>) {
    let (mut rewritten, mut fresh) = (Values::new(), Values::new());
    for name in REWRITTEN_BY_ENABLE {
        let Some(old) = there.attributes.get(name) else { continue };
        let attr = path.at(name);
        match restore(Object::of(&attr), &Name::fixed(name), old) {
            Restore::Value(value) => rewritten.push((attr, value)),
            Restore::OnlyFresh => fresh.push((attr, old.to_vec())),
        }
    }
    let rebuild = if fresh.is_empty() { Vec::new() } else { super::remove::port(path, there) };
    (rewritten, fresh, rebuild)
}
