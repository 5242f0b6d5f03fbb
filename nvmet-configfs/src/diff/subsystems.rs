//! Subsystems, and who may connect to them.

use std::collections::BTreeSet;

use nvme_proto::HostNqn;

use super::settings::order_controller_ids;
use super::{Builder, Foreign, paths};
use crate::observe::{LinkTarget, ObservedSubsystem, namespace_id};
use crate::plan::{Phase, Undo};
use crate::spec::{HostAccess, PassthruSpec, SubsystemSpec};
use crate::tree::{Name, RelPath};

impl Builder<'_> {
    pub(super) fn subsystems(&mut self) {
        let (spec, observed) = (self.spec, self.observed);
        for (nqn, wanted) in &spec.subsystems {
            let name = Name::from(nqn);
            let path = paths::subsystem(&name);
            match observed.subsystems.get(&name) {
                None => self.create_subsystem(&path, wanted),
                Some(there) => self.change_subsystem(&path, there, wanted),
            }
        }
    }

    fn create_subsystem(&mut self, path: &RelPath, wanted: &SubsystemSpec) {
        self.make(Phase::CreateSubsystem, path.clone());
        self.set_new(Phase::SetSubsystem, path, &wanted.settings);
        if let Some(passthru) = &wanted.passthru
            && *passthru != PassthruSpec::disabled()
        {
            self.create_passthru(&path.at("passthru"), passthru);
        }
        for (nsid, namespace) in &wanted.namespaces {
            self.create_namespace(&path.at("namespaces").join(&Name::from(*nsid)), namespace);
        }
        match &wanted.access {
            HostAccess::Any => self.write(Phase::Access, path.at("attr_allow_any_host"), "1", Undo::Covered),
            HostAccess::Only(hosts) => self.permit(path, hosts, &BTreeSet::new(), &BTreeSet::new()),
        }
    }

    fn change_subsystem(&mut self, path: &RelPath, there: &ObservedSubsystem, wanted: &SubsystemSpec) {
        let mut changes = self.differing(path, &wanted.settings, &there.attributes);
        order_controller_ids(&mut changes, &there.attributes);
        self.change(Phase::SetSubsystem, path, changes, || Undo::Covered);
        if let Some(passthru) = &wanted.passthru {
            self.change_passthru(path, there, passthru);
        }
        self.change_access(path, there, &wanted.access);
        for (nsid, namespace) in &wanted.namespaces {
            match there.named_namespace(*nsid) {
                None => self.create_namespace(&path.at("namespaces").join(&Name::from(*nsid)), namespace),
                Some((name, there)) => {
                    self.change_namespace(&path.at("namespaces").join(name), there, namespace);
                }
            }
        }
        if self.policy.foreign == Foreign::Remove {
            for (name, namespace) in &there.namespaces {
                // Of several spellings of an id the one that was chosen above stays.
                let named = namespace_id(name).filter(|id| wanted.namespaces.contains_key(id));
                let chosen = named.and_then(|id| there.named_namespace(id)).map(|(chosen, _)| chosen);
                if chosen != Some(name) {
                    self.remove_namespace(&path.at("namespaces").join(name), namespace);
                }
            }
        }
    }

    fn change_access(&mut self, path: &RelPath, there: &ObservedSubsystem, wanted: &HostAccess) {
        let old = there.attributes.get("attr_allow_any_host").unwrap_or(b"0");
        let attr = path.at("attr_allow_any_host");
        let none = BTreeSet::new();
        let hosts = match wanted {
            HostAccess::Any => &none,
            HostAccess::Only(hosts) => hosts,
        };
        let wanted_names: BTreeSet<Name> = hosts.iter().map(Name::from).collect();
        let mut permitted = BTreeSet::new();
        let mut kept_links = BTreeSet::new();
        for (link, target) in &there.allowed_hosts {
            match target {
                LinkTarget::Host(host) if wanted_names.contains(host) && permitted.insert(host.clone()) => {
                    kept_links.insert(link.clone());
                }
                LinkTarget::Host(host) => {
                    self.unlink(Phase::Forbid, path.at("allowed_hosts").join(link), paths::host(host));
                }
                _ => {} // the kernel makes no other links here
            }
        }
        match wanted {
            HostAccess::Any if !there.allows_any_host() => {
                self.rewrite(Phase::Access, attr, "1", old);
            }
            HostAccess::Only(_) if there.allows_any_host() => {
                self.rewrite(Phase::Access, attr, "0", old);
            }
            _ => {}
        }
        self.permit(path, hosts, &permitted, &kept_links);
    }

    fn permit(
        &mut self,
        path: &RelPath,
        hosts: &BTreeSet<HostNqn>,
        permitted: &BTreeSet<Name>,
        kept_links: &BTreeSet<Name>,
    ) {
        for host in hosts.iter().map(Name::from).filter(|h| !permitted.contains(h)) {
            let link = path.at("allowed_hosts").join(&free_name(&host, kept_links));
            self.link(Phase::Permit, link, paths::host(&host));
        }
    }
}

/// A link is named after its target, unless another link has that name: names do not matter to the kernel.
pub(super) fn free_name(wanted: &Name, taken: &BTreeSet<Name>) -> Name {
    let candidates =
        (2u32..).filter_map(|n| Name::new([wanted.as_bytes(), format!("~{n}").as_bytes()].concat()).ok());
    std::iter::once(wanted.clone())
        .chain(candidates)
        .find(|n| !taken.contains(n))
        .unwrap_or_else(|| wanted.clone())
}
