//! Which attributes a running kernel has.

use std::collections::BTreeMap;
use std::fmt;

use crate::attr::{self, ATTRIBUTES, Attribute};
use crate::errno::Errno;
use crate::object::Object;
use crate::tree::{Name, NodeKind, RelPath, Tree, TreeError};

/// Whether a kernel has something.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Presence {
    /// It has.
    Yes,
    /// It has not.
    No,
    /// That shows only inside an object, and there is none.
    #[default]
    Unknown,
}

/// Which attributes the kernel of a tree has, told by the tree alone: a release's number says little, since distributions add and leave out.
///
/// Nothing is made or written to find out, so what shows inside an object is [`Presence::Unknown`] until there is one.
///
/// ```
/// # #[cfg(feature = "testing")] {
/// use nvmet_configfs::*;
/// let tree = FakeTree::new(FakeKernel::V6_1);
/// tree.mkdir(&"subsystems/s".parse().unwrap()).unwrap();
/// let support = support(&tree).unwrap();
/// assert_eq!(support.presence(Object::Subsystem, "attr_model"), Presence::Yes);
/// assert_eq!(support.presence(Object::Subsystem, "attr_vendor_id"), Presence::No);
/// assert_eq!(support.presence(Object::Port, "addr_tsas"), Presence::Unknown);
/// # }
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Support {
    /// The attributes of one object of each kind; `None` where there is no object.
    found: BTreeMap<Object, Option<Vec<Name>>>,
}

/// The kinds of objects that have attributes, in the order of the list.
pub(crate) const OWNERS: [Object; 8] = [
    Object::Root,
    Object::Host,
    Object::Subsystem,
    Object::Namespace,
    Object::Passthru,
    Object::Port,
    Object::AnaGroup,
    Object::Referral,
];

/// Looks at one object of each kind.
///
/// # Errors
/// The first listing that is refused; an object that goes meanwhile is not there.
pub fn support(tree: &dyn Tree) -> Result<Support, TreeError> {
    let root = RelPath::root();
    let host = first(tree, &root.at("hosts"))?;
    let subsystem = first(tree, &root.at("subsystems"))?;
    let port = first(tree, &root.at("ports"))?;
    let within = |parent: &Option<RelPath>, group| match parent {
        Some(parent) => first(tree, &parent.at(group)),
        None => Ok(None),
    };
    // Any subsystem may have namespaces, any port referrals.
    let any = |group: &'static str, part: &'static str| -> Result<Option<RelPath>, TreeError> {
        for path in dirs(tree, &root.at(group))? {
            if let Some(found) = first(tree, &path.at(part))? {
                return Ok(Some(found));
            }
        }
        Ok(None)
    };
    let objects = [
        (Object::Root, Some(root.clone())),
        (Object::Host, host),
        (Object::Namespace, any("subsystems", "namespaces")?),
        (Object::AnaGroup, within(&port, "ana_groups")?),
        (Object::Referral, any("ports", "referrals")?),
        // Every subsystem has it, or none: without it the kernel has none of its attributes.
        (Object::Passthru, subsystem.as_ref().map(|s| s.at("passthru"))),
        (Object::Subsystem, subsystem),
        (Object::Port, port),
    ];
    let mut found = BTreeMap::new();
    for (kind, path) in objects {
        let names = path.map(|path| attributes(tree, &path)).transpose()?;
        found.insert(kind, names);
    }
    Ok(Support { found })
}

impl Support {
    /// Whether the kernel has an attribute, whether this crate knows it or not.
    pub fn presence(&self, owner: Object, name: &str) -> Presence {
        match self.found.get(&owner) {
            Some(Some(names)) if names.iter().any(|n| n.as_bytes() == name.as_bytes()) => Presence::Yes,
            Some(Some(_)) => Presence::No,
            _ => Presence::Unknown,
        }
    }

    /// All attributes of [the list](crate::ATTRIBUTES), in its order.
    pub fn iter(&self) -> impl Iterator<Item = (&'static Attribute, Presence)> {
        ATTRIBUTES.iter().map(|a| (a, self.presence(a.owner, a.name)))
    }

    /// What the kernel has and this crate does not know: it can be set by name nevertheless.
    pub fn unlisted(&self) -> impl Iterator<Item = (Object, &Name)> {
        let all = self.found.iter().flat_map(|(owner, names)| names.iter().flatten().map(|n| (*owner, n)));
        all.filter(|(owner, name)| attr::known(*owner, name).is_none())
    }
}

/// One line for each kind of object, and one for what is not known.
///
/// ```text
/// attributes  subsystem: 10 of 12; not attr_vendor_id (Linux 6.14), attr_subsys_vendor_id (Linux 6.14)
/// attributes  namespace: unknown until there is one
/// ```
impl fmt::Display for Support {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for owner in OWNERS {
            let of = |wanted: Presence| {
                self.iter().filter(move |(a, p)| a.owner == owner && *p == wanted).map(|(a, _)| a)
            };
            let (there, absent, unknown) =
                (of(Presence::Yes).count(), of(Presence::No).count(), of(Presence::Unknown).count());
            write!(f, "attributes  {}: ", owner.noun())?;
            if unknown > 0 {
                writeln!(f, "unknown until there is one")?;
                continue;
            }
            write!(f, "{there} of {}", there + absent)?;
            for (i, missing) in of(Presence::No).enumerate() {
                write!(f, "{} {} ({})", if i == 0 { "; not" } else { "," }, missing.name, Needs(missing))?;
            }
            writeln!(f)?;
        }
        for (owner, name) in self.unlisted() {
            writeln!(
                f,
                "attributes  {}: {name} is not known to this program; it is shown and can be set by name",
                owner.noun()
            )?;
        }
        Ok(())
    }
}

/// What a kernel needs to have an attribute.
struct Needs<'a>(&'a Attribute);

impl fmt::Display for Needs<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Linux {}", self.0.since)?;
        if self.0.build.is_empty() { Ok(()) } else { write!(f, ", CONFIG_{}", self.0.build) }
    }
}

fn dirs(tree: &dyn Tree, group: &RelPath) -> Result<Vec<RelPath>, TreeError> {
    match tree.list(group) {
        Ok(entries) => {
            Ok(entries.iter().filter(|e| e.kind == NodeKind::Dir).map(|e| group.join(&e.name)).collect())
        }
        Err(error) if error.errno() == Errno::ENOENT => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}

fn first(tree: &dyn Tree, group: &RelPath) -> Result<Option<RelPath>, TreeError> {
    Ok(dirs(tree, group)?.into_iter().next())
}

fn attributes(tree: &dyn Tree, path: &RelPath) -> Result<Vec<Name>, TreeError> {
    match tree.list(path) {
        Ok(entries) => Ok(entries.into_iter().filter(|e| e.kind == NodeKind::Attr).map(|e| e.name).collect()),
        Err(error) if error.errno() == Errno::ENOENT => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}

#[cfg(all(test, feature = "testing"))]
mod tests {
    use super::*;
    use crate::tree::{FakeKernel, FakeTree, Instrumented};

    fn path(p: &str) -> RelPath {
        RelPath::new(p).unwrap()
    }

    fn full(kernel: FakeKernel) -> Instrumented<FakeTree> {
        let tree = Instrumented::new(FakeTree::new(kernel));
        for dir in [
            "hosts/h",
            "subsystems/a",
            "subsystems/b",
            "subsystems/b/namespaces/1",
            "ports/1",
            "ports/1/referrals/r",
        ] {
            tree.inner().mkdir(&path(dir)).unwrap();
        }
        tree
    }

    #[test]
    fn an_empty_target_tells_little_and_nothing_is_made_to_find_out() {
        let tree = Instrumented::new(FakeTree::new(FakeKernel::V7_3));
        let support = support(&tree).unwrap();
        assert_eq!(tree.mutations(), 0);
        assert_eq!(support.presence(Object::Root, "discovery_nqn"), Presence::Yes);
        let unknown = support.iter().filter(|(_, p)| *p == Presence::Unknown).count();
        assert_eq!(unknown, ATTRIBUTES.len() - 1);
        assert!(support.to_string().contains("namespace: unknown until there is one"), "{support}");
    }

    #[test]
    fn each_attribute_is_there_or_not() {
        for (kernel, absent) in [(FakeKernel::V6_1, 19), (FakeKernel::V6_12, 5), (FakeKernel::V7_3, 0)] {
            let support = support(&full(kernel)).unwrap();
            let missing: Vec<&str> =
                support.iter().filter(|(_, p)| *p != Presence::Yes).map(|(a, _)| a.name).collect();
            assert_eq!(missing.len(), absent, "{kernel}: {missing:?}");
            assert!(support.iter().all(|(_, p)| p != Presence::Unknown));
            assert_eq!(support.unlisted().count(), 0);
        }
        let text = support(&full(FakeKernel::V6_12)).unwrap().to_string();
        assert!(
            text.contains("attributes  subsystem: 10 of 12; not attr_vendor_id (Linux 6.14), "),
            "{text}"
        );
        let text = support(&full(FakeKernel::V6_1)).unwrap().to_string();
        assert!(text.contains("dhchap_key (Linux 6.0, CONFIG_NVME_TARGET_AUTH)"), "{text}");
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn attributes_of_tomorrow_are_told() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(dir.path().join("ports/1")).unwrap();
        std::fs::write(dir.path().join("ports/1/addr_of_tomorrow"), "\n").unwrap();
        let support = support(&crate::OsTree::open_unchecked(dir.path()).unwrap()).unwrap();
        assert_eq!(support.unlisted().count(), 1);
        assert!(support.to_string().contains("port: addr_of_tomorrow is not known"), "{support}");
    }
}
