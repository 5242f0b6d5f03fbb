//! What is wrong with a configuration, and where.

use std::fmt;
use std::io;
use std::path::PathBuf;

use nvme_proto::{HostIdError, IpTraddrError, NqnError};

use crate::options::{FcAddressError, OptionError};

/// A place in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position {
    /// Line, from 1.
    pub line: u32,
    /// Column in characters, from 1.
    pub column: u32,
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.line, self.column)
    }
}

/// What became of the thing that is found fault with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Consequence {
    /// It counts for nothing; everything else is used.
    Ignored,
    /// The connection that it belongs to is not made; the others are.
    EntryUnusable,
    /// Nothing of the file is used.
    FileUnusable,
}

/// What is wrong. No variant shows a secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Fault {
    /// The text is not of this format.
    #[error("{0} was expected")]
    Expected(&'static str),
    /// A key that this crate does not know.
    #[error("the key `{}` is unknown", .0.escape_debug())]
    UnknownKey(String),
    /// A section that this crate does not know.
    #[error("the section `[{}]` is unknown", .0.escape_debug())]
    UnknownSection(String),
    /// An option of the command line that this crate does not know.
    #[error("the option `{}` is unknown", .0.escape_debug())]
    UnknownOption(String),
    /// A key where it means nothing.
    #[error("`{key}` does not belong here: {belongs}")]
    Misplaced {
        /// The key.
        key: String,
        /// Where it belongs.
        belongs: &'static str,
    },
    /// A thing that may be there once.
    #[error("{0} is there twice")]
    Twice(&'static str),
    /// A thing that must be there.
    #[error("{0} is missing")]
    Missing(&'static str),
    /// More than can be sensible.
    #[error("more than {max} {what}")]
    TooMany {
        /// Of what.
        what: &'static str,
        /// The bound.
        max: usize,
    },
    /// A number, flag, address or name that is none.
    #[error("`{key}`: {cause}")]
    Value {
        /// The key.
        key: &'static str,
        /// Why.
        cause: BadValue,
    },
    /// A host NQN in two files: one persona, one file.
    #[error("the host NQN is that of {} as well: one persona, one file", .other.display())]
    SameHostNqn {
        /// The other file.
        other: PathBuf,
    },
    /// A host identifier of two personas: targets would take both for one host.
    #[error("the host id is that of {} as well, under another host NQN: targets would take the two for one host", .other.display())]
    SameHostId {
        /// The other file.
        other: PathBuf,
    },
    /// A setting that has no effect.
    #[error("{0}")]
    NoEffect(&'static str),
}

/// Why a value cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BadValue {
    /// No NQN.
    #[error(transparent)]
    Nqn(#[from] NqnError),
    /// No host identifier.
    #[error(transparent)]
    HostId(#[from] HostIdError),
    /// The host identifier of nobody.
    #[error("a host id of only zeros names no host")]
    ZeroHostId,
    /// No IP address.
    #[error(transparent)]
    Ip(#[from] IpTraddrError),
    /// No Fibre Channel address.
    #[error(transparent)]
    Fc(#[from] FcAddressError),
    /// Outside of what the kernel takes, or not together with the rest.
    #[error(transparent)]
    Option(#[from] OptionError),
    /// No whole number.
    #[error("`{}` is no whole number", .0.escape_debug())]
    Number(String),
    /// Neither yes nor no.
    #[error("`{}` is neither true nor false", .0.escape_debug())]
    Flag(String),
    /// No port number.
    #[error("`{}` is no port, 1 to 65535", .0.escape_debug())]
    Port(String),
    /// No transport.
    #[error("`{}` is none of tcp, rdma, fc and loop", .0.escape_debug())]
    Transport(String),
    /// No secret; which is not shown.
    #[error("that is no secret of the form DHHC-1:…")]
    Secret,
    /// Neither the serial number of a key, nor a key that can be put into the kernel's keyring from here.
    #[error(
        "that is neither the serial number of a key nor a key that can be put into the kernel's keyring from here"
    )]
    Key,
    /// The name of a machine that nobody knows.
    #[error("`{}` has no address that is known here", .0.escape_debug())]
    UnknownName(String),
    /// No keyring of this name that can be used.
    #[error("`{}` is no keyring that can be used (the module nvme-tcp makes .nvme; its use needs root)", .0.escape_debug())]
    Keyring(String),
    /// A key in clear that is none; which is not shown.
    #[error("that is no key of the form NVMeTLSkey-1:…")]
    ClearKey,
    /// An identity of a key for TLS that is none, or belongs to other names or another key.
    #[error("that is not the identity of a key for TLS of this host, this subsystem and this key")]
    KeyIdentity,
    /// The kernel does not take the key.
    #[error(
        "the key cannot be put into the kernel's keyring (it needs root, and a kernel with TLS for NVMe)"
    )]
    KeyNotInserted,
    /// No key of this identity.
    #[error("the keyring has no key of this identity")]
    NoSuchKey,
    /// Not of the kind that it must be.
    #[error("it must be {0}")]
    Kind(&'static str),
    /// Needs a value.
    #[error("it has no value")]
    Empty,
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}:{position}: {fault}{}", .path.display(), words(*.consequence))]
#[non_exhaustive]
pub struct Finding {
    /// The file.
    pub path: PathBuf,
    /// Where in it.
    pub position: Position,
    /// What is wrong.
    pub fault: Fault,
    /// What that means.
    pub consequence: Consequence,
}

fn words(consequence: Consequence) -> &'static str {
    match consequence {
        Consequence::Ignored => " (ignored)",
        Consequence::EntryUnusable => " (this connection is not made)",
        Consequence::FileUnusable => "",
    }
}

/// A configuration cannot be read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// A file, or a directory of files, cannot be read.
    #[error("cannot read {}", .path.display())]
    Read {
        /// Which.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A file is larger than any configuration.
    #[error("{} has more than {max} bytes", .path.display())]
    TooLarge {
        /// Which.
        path: PathBuf,
        /// The bound.
        max: u64,
    },
    /// A file says something that it must not. Nothing of it is used.
    #[error(transparent)]
    Fault(#[from] Finding),
    /// A file cannot be written.
    #[error("cannot write {}", .path.display())]
    Write {
        /// Which.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}
