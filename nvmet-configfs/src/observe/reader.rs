//! Reading a tree: all of it, or what a plan for one spec needs.
//!
//! A listing and three system calls for each attribute add up with a thousand namespaces, so for a plan only the attributes
//! that the spec names are read, by name and without listing, and all attributes of what may have to be rebuilt.

use std::collections::BTreeMap;

use super::{
    Attributes, LinkTarget, Observed, ObservedHost, ObservedNamespace, ObservedPort, ObservedSubsystem,
    namespace_id, port_id,
};
use crate::diff::{Foreign, Policy, address_differences};
use crate::errno::Errno;
use crate::spec::{NamespaceSpec, PortSpec, Settings, SubsystemSpec, TargetSpec};
use crate::text;
use crate::tree::{Entry, Name, NodeKind, RelPath, Tree, TreeError};

/// Reads the whole state of a target.
///
/// An object that another tool removes meanwhile is left out. Attributes that cannot be read are kept as such.
///
/// # Errors
/// The first directory or link that cannot be read, for another reason than having gone.
pub fn observe(tree: &dyn Tree) -> Result<Observed, TreeError> {
    Reader { tree, need: None }.target()
}

/// Reads what a plan for `spec` needs.
pub(crate) fn observe_for(
    tree: &dyn Tree,
    spec: &TargetSpec,
    policy: &Policy,
) -> Result<Observed, TreeError> {
    Reader { tree, need: Some((spec, policy)) }.target()
}

/// How much of an object is read.
#[derive(Clone)]
enum Depth {
    /// Everything.
    All,
    /// These attributes.
    Named(Vec<Name>),
}

struct Reader<'a> {
    tree: &'a dyn Tree,
    need: Option<(&'a TargetSpec, &'a Policy)>,
}

/// `None` for an object that is gone by now.
fn unless_gone<T>(result: Result<T, TreeError>) -> Result<Option<T>, TreeError> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(e) if matches!(e.errno(), Errno::ENOENT) => Ok(None),
        Err(e) => Err(e),
    }
}

impl Reader<'_> {
    fn target(&self) -> Result<Observed, TreeError> {
        let root = RelPath::root();
        let mut target = Observed::default();
        if self.need.is_none() {
            for Entry { name, kind } in self.tree.list(&root)? {
                match (name.as_bytes(), kind) {
                    (b"hosts" | b"subsystems" | b"ports", NodeKind::Dir) => {}
                    (_, NodeKind::Attr) => self.read_into(&root, name, &mut target.attributes)?,
                    _ => {
                        target.extra.insert(name, kind);
                    }
                }
            }
        }
        if let Some((spec, _)) = self.need {
            for name in spec.settings.names() {
                self.read_into(&root, name.clone(), &mut target.attributes)?;
            }
        }
        // The three groups are always there; without them this is no target.
        for (name, path) in self.dirs(&root.at("hosts"))? {
            let wanted = self.need.and_then(|(spec, _)| spec.hosts.get(name.to_str()?));
            let depth = match wanted {
                Some(wanted) => Depth::Named(wanted.settings.names().cloned().collect()),
                None => self.foreign_depth(&[]),
            };
            if let Some(host) = unless_gone(self.host(&path, &depth))? {
                target.hosts.insert(name, host);
            }
        }
        for (name, path) in self.dirs(&root.at("subsystems"))? {
            if let Some(subsystem) = unless_gone(self.subsystem(&name, &path))? {
                target.subsystems.insert(name, subsystem);
            }
        }
        for (name, path) in self.dirs(&root.at("ports"))? {
            if let Some(port) = unless_gone(self.port(&name, &path))? {
                target.ports.insert(name, port);
            }
        }
        Ok(target)
    }

    /// What is read of an object that the spec does not name: everything if it is to go, since it may have to come back.
    fn foreign_depth(&self, kept: &[&'static str]) -> Depth {
        match self.need {
            Some((_, policy)) if policy.foreign == Foreign::Keep => {
                Depth::Named(kept.iter().map(|n| Name::fixed(n)).collect())
            }
            _ => Depth::All,
        }
    }

    fn host(&self, path: &RelPath, depth: &Depth) -> Result<ObservedHost, TreeError> {
        let (attributes, extra) = self.object(path, depth, &[])?;
        Ok(ObservedHost { attributes, extra })
    }

    fn subsystem(&self, name: &Name, path: &RelPath) -> Result<ObservedSubsystem, TreeError> {
        let spec = self.need.and_then(|(spec, _)| name.to_str().and_then(|nqn| spec.subsystems.get(nqn)));
        let depth = match (self.need, spec) {
            (Some(_), Some(spec)) => Depth::Named(subsystem_attributes(spec)),
            _ => self.foreign_depth(&[]),
        };
        let (attributes, extra) = self.object(path, &depth, &["namespaces", "allowed_hosts", "passthru"])?;
        let mut subsystem = ObservedSubsystem { attributes, extra, ..ObservedSubsystem::default() };
        if spec.is_none() && matches!(depth, Depth::Named(_)) {
            return Ok(subsystem); // foreign and kept
        }
        subsystem.allowed_hosts = self.links(&path.at("allowed_hosts"))?;
        subsystem.passthru = match depth {
            Depth::All => unless_gone(self.object(&path.at("passthru"), &Depth::All, &[]))?.map(|(a, _)| a),
            Depth::Named(_) => {
                let mut names = vec![Name::fixed("enable")];
                if let Some(passthru) = spec.and_then(|s| s.passthru.as_ref()) {
                    names.push(Name::fixed("device_path"));
                    names.extend(passthru.settings.names().cloned());
                }
                let (attributes, _) = self.object(&path.at("passthru"), &Depth::Named(names), &[])?;
                (!attributes.is_empty()).then_some(attributes)
            }
        };
        for (name, path) in self.dirs(&path.at("namespaces"))? {
            let wanted = spec.and_then(|s| namespace_id(&name).and_then(|id| s.namespaces.get(&id)));
            if let Some(namespace) = unless_gone(self.namespace(&path, wanted))? {
                subsystem.namespaces.insert(name, namespace);
            }
        }
        Ok(subsystem)
    }

    fn namespace(
        &self,
        path: &RelPath,
        wanted: Option<&NamespaceSpec>,
    ) -> Result<ObservedNamespace, TreeError> {
        let depth = match (self.need, wanted) {
            (Some(_), Some(spec)) => Depth::Named(namespace_attributes(spec)),
            _ => self.foreign_depth(&[]),
        };
        let (attributes, extra) = self.object(path, &depth, &[])?;
        let namespace = ObservedNamespace { attributes, extra };
        // A path once set cannot be unset; undoing that takes a new namespace with all values of this one.
        if wanted.is_some() && matches!(depth, Depth::Named(_)) && namespace.device_path().is_none() {
            let (attributes, extra) = self.object(path, &Depth::All, &[])?;
            return Ok(ObservedNamespace { attributes, extra });
        }
        Ok(namespace)
    }

    fn port(&self, name: &Name, path: &RelPath) -> Result<ObservedPort, TreeError> {
        const ADDRESS: [&str; 4] = ["addr_trtype", "addr_adrfam", "addr_traddr", "addr_trsvcid"];
        let subsystems = self.links(&path.at("subsystems"))?;
        let spec = self.need.and_then(|(spec, _)| port_id(name).and_then(|id| spec.ports.get(&id)));
        let depth = match (self.need, spec) {
            // A port in service keeps its parameters; the others may have to be rebuilt.
            (Some(_), Some(spec)) if !subsystems.is_empty() => Depth::Named(port_attributes(spec)),
            (Some(_), Some(_)) => Depth::All,
            _ => self.foreign_depth(&ADDRESS),
        };
        let known = ["subsystems", "ana_groups", "referrals"];
        let (attributes, extra) = self.object(path, &depth, &known)?;
        let mut port = ObservedPort { attributes, subsystems, extra, ..ObservedPort::default() };
        // A transport that changes may leave values behind that only a new port has.
        let moves = spec.is_some_and(|spec| address_differences(&port, &spec.transport).next().is_some());
        let depth = if moves { Depth::All } else { depth };
        if moves {
            (port.attributes, port.extra) = self.object(path, &depth, &known)?;
        }
        let parts = spec.is_some_and(|spec| !spec.ana_groups.is_empty() || !spec.referrals.is_empty());
        let grouped = spec.is_some() && self.need.is_some_and(|(spec, _)| uses_groups(spec));
        let removing = spec.is_some() && self.need.is_some_and(|(_, p)| p.foreign == Foreign::Remove);
        if matches!(depth, Depth::All) || parts || removing || grouped {
            for (group, into) in [("ana_groups", &mut port.ana_groups), ("referrals", &mut port.referrals)] {
                for (name, path) in self.dirs(&path.at(group))? {
                    if let Some((attributes, _)) = unless_gone(self.object(&path, &Depth::All, &[]))? {
                        into.insert(name, attributes);
                    }
                }
            }
        }
        Ok(port)
    }

    /// The attributes of an object, and its entries beside those in `known`.
    fn object(
        &self,
        path: &RelPath,
        depth: &Depth,
        known: &[&str],
    ) -> Result<(Attributes, BTreeMap<Name, NodeKind>), TreeError> {
        let (mut attributes, mut extra) = (Attributes::default(), BTreeMap::new());
        match depth {
            Depth::Named(names) => {
                for name in names {
                    self.read_into(path, name.clone(), &mut attributes)?;
                }
            }
            Depth::All => {
                for Entry { name, kind } in self.tree.list(path)? {
                    if kind == NodeKind::Attr {
                        self.read_into(path, name, &mut attributes)?;
                    } else if !known.iter().any(|k| k.as_bytes() == name.as_bytes()) {
                        extra.insert(name, kind);
                    }
                }
            }
        }
        Ok((attributes, extra))
    }

    /// Reads one attribute. One that is not there is left out, one that cannot be read is kept as such.
    fn read_into(&self, dir: &RelPath, name: Name, into: &mut Attributes) -> Result<(), TreeError> {
        match self.tree.read(&dir.join(&name)) {
            Ok(mut value) => {
                value.truncate(text::line(&value).len());
                into.insert(name, Ok(value.into()));
            }
            Err(e) if e.errno() == Errno::ENOENT => {}
            Err(e) if matches!(e.errno(), Errno::EACCES | Errno::EINVAL | Errno::EIO) => {
                into.insert(name, Err(e.errno()));
            }
            Err(e) => return Err(e),
        }
        Ok(())
    }

    fn dirs(&self, group: &RelPath) -> Result<Vec<(Name, RelPath)>, TreeError> {
        let dirs = self.tree.list(group)?.into_iter().filter(|e| e.kind == NodeKind::Dir);
        Ok(dirs
            .map(|e| {
                let path = group.join(&e.name);
                (e.name, path)
            })
            .collect())
    }

    fn links(&self, group: &RelPath) -> Result<BTreeMap<Name, LinkTarget>, TreeError> {
        let mut links = BTreeMap::new();
        for entry in self.tree.list(group)? {
            if entry.kind == NodeKind::Link
                && let Some(target) = unless_gone(self.tree.read_link(&group.join(&entry.name)))?
            {
                links.insert(entry.name, LinkTarget::parse(&target));
            }
        }
        Ok(links)
    }
}

/// Whether a namespace is in another ANA group than the one that every port has.
fn uses_groups(spec: &TargetSpec) -> bool {
    let mut namespaces = spec.subsystems.values().flat_map(|s| s.namespaces.values());
    namespaces.any(|n| n.settings.value("ana_grpid").is_some_and(|group| **group != *b"1"))
}

fn named(fixed: &[&'static str], settings: &Settings) -> Vec<Name> {
    fixed.iter().map(|name| Name::fixed(name)).chain(settings.names().cloned()).collect()
}

fn subsystem_attributes(spec: &SubsystemSpec) -> Vec<Name> {
    let mut names = named(&["attr_allow_any_host"], &spec.settings);
    // Each bound limits the other, and pass-through replaces the version.
    let has = |names: &[Name], name: &str| names.iter().any(|n| n.as_bytes() == name.as_bytes());
    if has(&names, "attr_cntlid_max") && !has(&names, "attr_cntlid_min") {
        names.push(Name::fixed("attr_cntlid_min"));
    }
    if spec.passthru.is_some() && !has(&names, "attr_version") {
        names.push(Name::fixed("attr_version"));
    }
    names
}

fn namespace_attributes(spec: &NamespaceSpec) -> Vec<Name> {
    named(&["device_path", "enable"], &spec.settings)
}

fn port_attributes(spec: &PortSpec) -> Vec<Name> {
    // `addr_trtype` clears `addr_tsas`, that overwrites `addr_treq`, and both may have to come back.
    let address = ["addr_trtype", "addr_adrfam", "addr_traddr", "addr_trsvcid", "addr_tsas", "addr_treq"];
    let mut names = named(&address, &spec.settings);
    names.sort();
    names.dedup();
    names
}
