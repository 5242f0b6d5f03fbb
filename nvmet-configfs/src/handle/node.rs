//! What all handles have in common: a tree and a path in it.

use super::HandleError;
use super::values::AttributeText;
use crate::attr::{self, ValueKind};
use crate::object::Object;
use crate::observe::Attributes;
use crate::text;
use crate::tree::{Entry, Name, NodeKind, RelPath, Tree};
use crate::value::Value;

/// An object at a path.
#[derive(Clone)]
pub(super) struct Node<'t> {
    pub(super) tree: &'t dyn Tree,
    pub(super) path: RelPath,
}

type Result<T> = std::result::Result<T, HandleError>;

impl<'t> Node<'t> {
    /// An object in one of this one's groups.
    pub(super) fn inside(&self, group: &'static str, name: &Name) -> Self {
        Self { tree: self.tree, path: self.path.at(group).join(name) }
    }

    /// One of this one's groups.
    pub(super) fn group(&self, name: &'static str) -> Self {
        Self { tree: self.tree, path: self.path.at(name) }
    }

    pub(super) fn exists(&self) -> Result<bool> {
        Ok(self.tree.kind(&self.path)? == Some(NodeKind::Dir))
    }

    pub(super) fn make(self) -> Result<Self> {
        self.tree.mkdir(&self.path)?;
        Ok(self)
    }

    pub(super) fn remove(&self) -> Result<()> {
        Ok(self.tree.rmdir(&self.path)?)
    }

    /// The objects in a group, by name.
    pub(super) fn all(&self, group: &'static str) -> Result<Vec<Self>> {
        let group = self.group(group);
        let entries = self.tree.list(&group.path)?.into_iter().filter(|e| e.kind == NodeKind::Dir);
        Ok(entries.map(|e| Self { tree: self.tree, path: group.path.join(&e.name) }).collect())
    }

    fn attr(&self, name: &str) -> Result<Name> {
        Name::new(name).map_err(|source| HandleError::Name {
            dir: self.path.clone(),
            name: name.to_owned(),
            source,
        })
    }

    /// The value of an attribute, without its newline.
    pub(super) fn read(&self, name: &str) -> Result<Value> {
        let mut value = self.tree.read(&self.path.join(&self.attr(name)?))?;
        value.truncate(text::line(&value).len());
        Ok(value.into())
    }

    /// The same as a type.
    pub(super) fn value<T: AttributeText>(&self, name: &'static str) -> Result<T> {
        let text = self.read(name)?;
        let expected = T::WHAT;
        T::from_text(&text).ok_or_else(|| HandleError::NotUnderstood { attr: self.path.at(name), expected })
    }

    /// The same, where `unset` is what the kernel prints for none.
    pub(super) fn optional<T: AttributeText>(&self, name: &'static str, unset: &[u8]) -> Result<Option<T>> {
        if *self.read(name)? == *unset { Ok(None) } else { self.value(name).map(Some) }
    }

    /// Stores a value that is checked by the list of attributes first.
    pub(super) fn write(&self, name: &str, value: &[u8]) -> Result<()> {
        let file = self.attr(name)?;
        let attr = self.path.join(&file);
        let object = Object::of(&attr);
        let known = attr::known(Object::of(&self.path), &file);
        let kind = known.map_or(ValueKind::Opaque, |a| a.kind);
        let value =
            kind.canonical(value).map_err(|fault| HandleError::Value { attr: attr.clone(), fault })?;
        match (object, name, &*value) {
            (Object::RootAttribute, "discovery_nqn", _) => Err(HandleError::DiscoveryNqn),
            (Object::NamespaceAttribute, "enable", b"1") => self.enable_namespace(&attr),
            // A key is cleared by a NUL byte (since Linux 6.12).
            (Object::HostAttribute, _, b"") => Ok(self.tree.write(&attr, b"\0")?),
            _ => Ok(self.tree.write(&attr, &value)?),
        }
    }

    /// Namespaces are enabled only where the kernel survives it, and it says yes to one that stays disabled.
    fn enable_namespace(&self, attr: &RelPath) -> Result<()> {
        if *self.read("device_path")? == *b"(null)" {
            return Err(HandleError::NoDevice { namespace: self.path.clone() });
        }
        self.tree.write(attr, b"1")?;
        if text::boolean(&self.read("enable")?) == Some(true) {
            return Ok(());
        }
        let hint = "pass-through is enabled in the subsystem, and then the kernel ignores its namespaces";
        Err(HandleError::NotTaken { attr: attr.clone(), hint })
    }

    pub(super) fn store(&self, name: &'static str, value: &impl AttributeText) -> Result<()> {
        self.write(name, &value.to_text())
    }

    /// All attributes; those that cannot be read are kept as such.
    pub(super) fn attributes(&self) -> Result<Attributes> {
        let mut attributes = Attributes::default();
        for Entry { name, kind } in self.tree.list(&self.path)? {
            if kind != NodeKind::Attr {
                continue;
            }
            let value = self.tree.read(&self.path.join(&name)).map(|mut value| {
                value.truncate(text::line(&value).len());
                Value::from(value)
            });
            attributes.insert(name, value.map_err(|e| e.errno()));
        }
        Ok(attributes)
    }

    /// The links in a group: their paths, and the paths of what they point to.
    pub(super) fn links(&self, group: &'static str) -> Result<Vec<(RelPath, RelPath)>> {
        let group = self.path.at(group);
        let mut links = Vec::new();
        for entry in self.tree.list(&group)?.into_iter().filter(|e| e.kind == NodeKind::Link) {
            let link = group.join(&entry.name);
            let target = self.tree.read_link(&link)?;
            let mut parts: Vec<&[u8]> = target.rsplit(|b| *b == b'/').take(2).collect();
            parts.reverse();
            // The last two names say what it is. Links to anywhere else are never made by nvmet.
            if let Ok(path) = RelPath::new(parts.join(&b'/')) {
                links.push((link, path));
            }
        }
        Ok(links)
    }

    /// Links an object of the target into a group, under the object's own name.
    pub(super) fn link(&self, group: &'static str, object: &RelPath) -> Result<()> {
        let name = object.file_name().unwrap_or_else(|| Name::fixed("link"));
        Ok(self.tree.symlink(&self.path.at(group).join(&name), object)?)
    }

    /// Takes the link to an object away, whatever its name.
    pub(super) fn unlink(&self, group: &'static str, object: &RelPath) -> Result<()> {
        match self.links(group)?.into_iter().find(|(_, target)| target == object) {
            Some((link, _)) => Ok(self.tree.unlink(&link)?),
            None => Err(HandleError::NotLinked { group: self.path.at(group), object: object.clone() }),
        }
    }
}

/// The handle of a kind of object: its type, and what all of them can do.
macro_rules! handle {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone)]
        pub struct $name<'t> {
            pub(in crate::handle) node: $crate::handle::node::Node<'t>,
        }

        impl $name<'_> {
            /// Where it is in the tree.
            pub fn path(&self) -> &$crate::tree::RelPath {
                &self.node.path
            }

            /// Whether it is there now. A handle can be had of an object that is not.
            ///
            /// # Errors
            /// [`HandleError::Tree`](crate::HandleError::Tree).
            pub fn exists(&self) -> Result<bool, $crate::HandleError> {
                self.node.exists()
            }

            /// The value of an attribute by its file name, as the kernel prints it, without the newline: for those that have no method
            /// of their own, since they are of a kernel of tomorrow.
            ///
            /// # Errors
            /// `ENOENT` when this kernel does not have it.
            pub fn attribute(&self, name: &str) -> Result<$crate::Value, $crate::HandleError> {
                self.node.read(name)
            }

            /// Stores an attribute by its file name. Those in [the list](crate::ATTRIBUTES) are checked by it first.
            ///
            /// # Errors
            /// [`HandleError::Value`](crate::HandleError::Value) before anything is written; what the kernel answers.
            pub fn set_attribute(&self, name: &str, value: impl AsRef<[u8]>) -> Result<(), $crate::HandleError> {
                self.node.write(name, value.as_ref())
            }

            /// All attributes that this kernel has of it.
            ///
            /// # Errors
            /// `ENOENT` when the object is not there.
            pub fn attributes(&self) -> Result<$crate::Attributes, $crate::HandleError> {
                self.node.attributes()
            }
        }

        impl std::fmt::Debug for $name<'_> {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self.node.path)
            }
        }
    };
}

/// Typed methods for attributes: `"file name" getter -> type, setter(type)`. `optional` is for those that may be unset, with what the
/// kernel prints then.
macro_rules! accessors {
    ($handle:ident { $(
        $(#[$doc:meta])*
        $attr:literal $get:ident -> $type:ty $([unset $unset:literal])? $(, $set:ident($in:ty))?;
    )* }) => {
        impl $handle<'_> {
            /// The attributes that have methods here.
            #[cfg(all(test, feature = "testing"))]
            pub(super) const TYPED: &'static [&'static str] = &[$($attr),*];

            $(
                $(#[$doc])*
                ///
                /// # Errors
                #[doc = concat!("What reading `", $attr, "` answers; ")]
                /// [`HandleError::NotUnderstood`](crate::HandleError::NotUnderstood).
                pub fn $get(&self) -> Result<accessors!(@type $type $(, $unset)?), $crate::HandleError> {
                    accessors!(@get self, $attr $(, $unset)?)
                }

                $(
                    #[doc = concat!("Stores `", $attr, "`.")]
                    ///
                    /// # Errors
                    /// [`HandleError::Value`](crate::HandleError::Value) before anything is written; what the kernel answers.
                    pub fn $set(&self, value: $in) -> Result<(), $crate::HandleError> {
                        self.node.store($attr, &value)
                    }
                )?
            )*
        }
    };
    (@type $type:ty) => { $type };
    (@type $type:ty, $unset:literal) => { Option<$type> };
    (@get $self:ident, $attr:literal) => { $self.node.value($attr) };
    (@get $self:ident, $attr:literal, $unset:literal) => { $self.node.optional($attr, $unset) };
}

pub(super) use {accessors, handle};
