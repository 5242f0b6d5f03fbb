//! Ports and their exports.

use std::collections::{BTreeMap, BTreeSet};

use super::settings::{is_left_to_kernel, undone_by_earlier, written};
use super::subsystems::free_name;
use super::{Builder, Change, Foreign, paths};
use crate::attr::{self, REWRITTEN_BY_ENABLE, Restore, ValueKind, restore};
use crate::object::Object;
use crate::observe::{LinkTarget, ObservedPort};
use crate::plan::{Action, Phase, Undo, Values};
use crate::spec::{PortSpec, PortTransport};
use crate::tree::{Name, RelPath};
use crate::value::Value;

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
        for (name, value) in wanted.transport.attributes() {
            self.write(Phase::SetPort, path.at(name), value, Undo::Covered);
        }
        for (name, value) in wanted.settings.entries() {
            // A new port has no TLS, whether its kernel knows the attribute or not.
            let says_nothing = name.as_bytes() == b"addr_tsas" && **value == *b"none";
            if !says_nothing && !is_left_to_kernel(Object::Port, name, value) {
                self.write_new(Phase::SetPort, path.join(name), value.clone());
            }
        }
        self.port_parts(path, None, wanted);
        for nqn in &wanted.subsystems {
            let name = Name::from(nqn);
            self.link(Phase::Export, path.at("subsystems").join(&name), paths::subsystem(&name));
        }
    }

    fn change_port(&mut self, path: &RelPath, there: &ObservedPort, wanted: &PortSpec) {
        let (kept, gone) = self.split_exports(there, wanted);
        let stays_live = there.is_live() && !(kept.is_empty() && wanted.subsystems.is_empty());
        let changes = self.port_changes(path, there, wanted, stays_live);
        let changing = !changes.is_empty();
        let unexport = gone.iter().chain(kept.iter().filter(|_| changing));
        for (link, subsystem) in unexport {
            self.unlink(Phase::Unexport, path.at("subsystems").join(link), paths::subsystem(subsystem));
        }
        // When this is taken back, the exports are gone and come back after it.
        let idle = || ObservedPort { subsystems: BTreeMap::new(), ..there.clone() };
        self.change(Phase::SetPort, path, changes, || Undo::Rebuild(super::remove::port(path, &idle())));
        self.port_parts(path, Some(there), wanted);

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
            let (rewritten, fresh) = undo.take().unwrap_or_default();
            let action = Action::Link {
                link: path.at("subsystems").join(&link),
                target: paths::subsystem(&subsystem),
            };
            self.push(Phase::Export, action, Undo::Unlink { rewritten, fresh });
        }
    }

    /// The address, security and parameters that differ, each with what takes it back.
    fn port_changes<'p>(
        &mut self,
        path: &RelPath,
        there: &'p ObservedPort,
        wanted: &PortSpec,
        stays_live: bool,
    ) -> Vec<Change<'p>> {
        let mut changes: Vec<Change<'p>> = address_differences(there, &wanted.transport)
            .map(|(name, new)| Change::new(Name::fixed(name), new, there.attributes.get(name)))
            .collect();
        self.security_changes(path, there, wanted, &mut changes);
        for (name, value) in wanted.settings.entries() {
            if matches!(name.as_bytes(), b"addr_tsas" | b"addr_treq") {
                continue;
            }
            // In service the transport has decided already.
            let open = is_left_to_kernel(Object::Port, name, value);
            let printed = there.attributes.get(&name.to_string()).unwrap_or_default();
            let decided = stays_live || printed.starts_with(b"-") || name.as_bytes() == b"param_mdts";
            if open && decided {
                continue;
            }
            if let Some(old) = self.old_value(path, Object::Port, name, value, &there.attributes) {
                changes.push(Change::new(name.clone(), written(value), Some(old)));
            }
        }
        changes
    }

    /// `addr_trtype` clears `addr_tsas`, and `addr_tsas` overwrites `addr_treq`: the three are followed through, and what the spec
    /// leaves open comes back as it was.
    fn security_changes<'p>(
        &mut self,
        path: &RelPath,
        there: &'p ObservedPort,
        wanted: &PortSpec,
        changes: &mut Vec<Change<'p>>,
    ) {
        let old = |name: &str| there.attributes.get(name);
        let (old_tsas, old_treq) = (old("addr_tsas"), old("addr_treq"));
        let also = |name: &'static str, value: Option<&[u8]>| match value {
            Some(value @ (b"none" | b"tls1.3")) if name == "addr_tsas" => Some((path.at(name), value.into())),
            Some(value) if name == "addr_treq" && !value.is_empty() => Some((path.at(name), value.into())),
            _ => None,
        };
        let moves = changes.iter_mut().find(|c| c.name.as_bytes() == b"addr_trtype");
        let moving = moves.is_some();
        let tcp = if moving { wanted.transport.trtype() == "tcp" } else { there.trtype() == "tcp" };
        if let Some(trtype) = moves {
            trtype.also.extend(also("addr_tsas", old_tsas));
            trtype.also.extend(also("addr_treq", old_treq));
        }
        let (mut tsas, mut treq) = (old_tsas.unwrap_or(b"none"), old_treq.unwrap_or(b"not specified"));
        if moving {
            tsas = if tcp { b"none" } else { b"" };
        }
        let wanted_tsas = wanted.settings.value("addr_tsas");
        let new_tsas = wanted_tsas.filter(|new| ***new != *tsas);
        if let (Some(new), None) = (new_tsas, old_tsas) {
            // A kernel without it: the policy says what that means. The requirement is there nevertheless.
            self.old_value(path, Object::Port, &Name::fixed("addr_tsas"), new, &there.attributes);
        } else if let Some(new) = new_tsas {
            if **new == *b"none" {
                treq = b"not specified";
            } else if treq == b"not specified" {
                treq = b"required";
            }
            let mut change = Change::new(Name::fixed("addr_tsas"), new.clone(), old_tsas);
            change.also.extend(also("addr_treq", old_treq));
            changes.push(if moving { undone_by_earlier(change) } else { change });
        }
        let follows = moving || changes.iter().any(|c| c.name.as_bytes() == b"addr_tsas");
        // What the spec leaves open stays, where TLS lets it.
        let tls = old_tsas.is_some() && wanted_tsas.is_some_and(|t| **t == *b"tls1.3");
        let raised = tls && old_treq == Some(b"not specified");
        let left = old_treq.filter(|_| !raised).map(Value::from);
        if let Some(new) = wanted.settings.value("addr_treq").cloned().or(left)
            && *new != *treq
        {
            let change = Change::new(Name::fixed("addr_treq"), new, old_treq);
            // What takes the others back ends with the old requirement; before that it may not fit.
            changes.push(if follows { undone_by_earlier(change) } else { change });
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
            let may_go =
                self.policy.foreign == Foreign::Remove && self.policy.scope.has_nqn(subsystem.as_bytes());
            let stays = wanted.contains(subsystem) || (foreign && !may_go);
            if stays {
                kept.insert(link, subsystem)
            } else {
                gone.insert(link, subsystem)
            };
        }
        (kept, gone)
    }
}

/// The attributes of the address that are not as wanted.
pub(crate) fn address_differences(
    there: &ObservedPort,
    wanted: &PortTransport,
) -> impl Iterator<Item = (&'static str, String)> {
    wanted.attributes().into_iter().filter(|(name, new)| {
        let kind = attr::attribute(Object::Port, name).map_or(ValueKind::Opaque, |a| a.kind);
        let old = there.attributes.get(name);
        !old.is_some_and(|old| kind.is_same(new.as_bytes(), old))
    })
}

/// How parameters that the kernel fills in come back: values that can be written, and values only a new port has.
fn undo_enable(path: &RelPath, there: &ObservedPort) -> (Values, Values) {
    let (mut rewritten, mut fresh) = (Values::new(), Values::new());
    for name in REWRITTEN_BY_ENABLE {
        let Some(old) = there.attributes.get(name) else { continue };
        let attr = path.at(name);
        match restore(Object::of(&attr), &Name::fixed(name), old) {
            Restore::Value(value) => rewritten.push((attr, value.into())),
            Restore::OnlyFresh => fresh.push((attr, old.into())),
        }
    }
    (rewritten, fresh)
}
