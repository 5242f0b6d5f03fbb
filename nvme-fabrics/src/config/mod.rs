//! Which connections this machine shall have: the configuration files of nvme-cli 2 and 3, read as one, and written as those of 3.
//!
//! | module | what |
//! |---|---|
//! | this | [`Config`]: all that is wanted, with what is wrong with it |
//! | `connection` | [`Connection`]: one path that is wanted; its options |
//! | `settings` | [`Settings`]: layers of settings |
//! | `fabrics_conf` | `nvme-fabrics.conf` and its drop-ins (nvme-cli 3) |
//! | `discovery_conf`, `json` | `discovery.conf` and `config.json` (nvme-cli 2) |
//! | `write` | [`to_files`]: `nvme-fabrics.conf` again |
//! | `prepare` | [`Connection::prepared`]: names of machines, keyrings by name, keys in clear |
//! | `exclusions` | [`Exclusions`]: what programs that decide by themselves leave alone |
//! | `exclude` | [`exclude`], [`include()`]: entries written and taken out |
//! | `registry` | [`Registry`]: who looks after which controller |
//! | `apply` | [`connect_configured`]: connect what is wanted |
//!
//! # Which files
//!
//! | there is | read |
//! |---|---|
//! | `/etc/nvme/nvme-fabrics.conf`, or files in `/etc/nvme/nvme-fabrics.conf.d/` | these; older files are named as ignored |
//! | else | `/etc/nvme/config.json`, `/run/nvme/*.json` in the order of their names, `/etc/nvme/discovery.conf` |
//!
//! A file that is named ([`Config::read`]) is read alone, with its `.d`: JSON when its name ends in `.json`, the form of `discovery.conf` when it ends in
//! `discovery.conf`, else that of `nvme-fabrics.conf`.
//!
//! # Which setting counts
//!
//! The first of: the command line; the `controller` line; `[Subsystem]` or `[Discovery Controller]`; `[Host]`; the defaults of the same file; the defaults of the
//! main file; the kernel. A setting that is set to nothing (`ctrl-loss-tmo =`) takes back what stands further out. For what a discovery controller
//! offers: the command line, `[Host]` and the defaults for I/O controllers of the file with the discovery controller. In the older formats: the command line, then the port or line, then
//! the host.
//!
//! # As which host
//!
//! Host NQN and identifier of `[Host]`, or of the host in `config.json`, or of the line; what is not there comes from the system's identity, the two halves
//! always together. Two files with the same host NQN, or with the same identifier under two NQNs, are refused.
//!
//! # Keys
//!
#![doc = include_str!("keys.md")]
//!
//! Addresses may be names of machines. `keyring` may be a name (`.nvme`), `tls-key` a key in clear (`NVMeTLSkey-1:…`), which is put into the keyring when it is
//! connected, and `tls-key-identity` its identity, or that of a key which is there: see [`Connection::prepared`].
//!
//! Source: libnvme `design/CONFIG.md`, `design/EXCLUSIONS.md` and `design/REGISTRY.md`; libnvme 1.16 `json.c`, nvme-cli 2.16 `fabrics.c`.

#[cfg(target_os = "linux")]
mod apply;
mod connection;
mod discovery_conf;
mod error;
mod exclude;
mod exclusions;
#[cfg(any(test, feature = "testing"))]
pub(crate) mod exercise;
mod fabrics_conf;
mod files;
mod ini;
mod json;
mod key;
#[cfg(target_os = "linux")]
mod prepare;
mod registry;
mod settings;
#[cfg(test)]
mod tests;
mod write;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

#[cfg(target_os = "linux")]
pub use apply::{ApplyConfig, ConfigOutcome, ConfigResult, connect_configured};
pub use connection::{Connection, ConnectionKind, PathAddress, Persona};
pub use error::{BadValue, ConfigError, Consequence, Fault, Finding, Position};
pub use exclude::{ExclusionError, NewExclusion, exclude, include};
pub use exclusions::{Exclusion, Exclusions};
pub use registry::{Owner, OwnerError, Registry};
pub use settings::Settings;
pub use write::{ConfigFile, ConfigFiles, to_files};

use fabrics_conf::FabricsConf;

/// Everything that is wanted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Config {
    /// One for each path, in the order of the files.
    pub connections: Vec<Connection>,
    /// What is wrong or means nothing, with its place.
    pub findings: Vec<Finding>,
    /// The files that were read.
    pub files: Vec<PathBuf>,
    /// Files of nvme-cli 2 that do not count, since there are those of nvme-cli 3.
    pub ignored: Vec<PathBuf>,
}

/// The form of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ConfigFormat {
    /// `nvme-fabrics.conf` of nvme-cli 3.
    Fabrics,
    /// `config.json` of nvme-cli 2.
    Json,
    /// `discovery.conf` of nvme-cli 2.
    Discovery,
}

impl ConfigFormat {
    /// What a file with this name is.
    #[must_use]
    pub fn of(path: &Path) -> Self {
        let name = path.file_name().map(|n| n.to_string_lossy().to_ascii_lowercase()).unwrap_or_default();
        match &*name {
            name if name.ends_with(".json") => Self::Json,
            name if name.ends_with("discovery.conf") => Self::Discovery,
            _ => Self::Fabrics,
        }
    }
}

impl Config {
    /// This machine's.
    ///
    /// # Errors
    /// As [`at`](Self::at).
    pub fn system() -> Result<Self, ConfigError> {
        Self::at("/")
    }

    /// `etc/nvme` and `run/nvme` below another root. No file at all is a configuration that wants nothing.
    ///
    /// # Errors
    /// [`ConfigError`]: a file cannot be read, or is unusable as a whole.
    pub fn at(root: impl AsRef<Path>) -> Result<Self, ConfigError> {
        let etc = root.as_ref().join("etc/nvme");
        let mut config = Self::default();
        let main = etc.join("nvme-fabrics.conf");
        config.read_fabrics(&main)?;
        let mut older = vec![etc.join("config.json")];
        older.extend(files::in_dir(&root.as_ref().join("run/nvme"), "json")?);
        older.push(etc.join("discovery.conf"));
        if !config.files.is_empty() {
            config.ignored = older.into_iter().filter(|path| path.exists()).collect();
            return Ok(config);
        }
        for path in older {
            config.read_older(&path)?;
        }
        Ok(config)
    }

    /// One file by name, with its drop-ins where it may have some.
    ///
    /// # Errors
    /// As [`at`](Self::at), and for a file that is not there.
    pub fn read(path: &Path) -> Result<Self, ConfigError> {
        let mut config = Self::default();
        match ConfigFormat::of(path) {
            ConfigFormat::Fabrics => config.read_fabrics(path)?,
            _ => config.read_older(path)?,
        }
        if config.files.is_empty() {
            let source = std::io::ErrorKind::NotFound.into();
            return Err(ConfigError::Read { path: path.to_owned(), source });
        }
        Ok(config)
    }

    /// Whether everything that the files say can be connected.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        self.findings.iter().all(|f| f.consequence == Consequence::Ignored)
    }

    fn read_older(&mut self, path: &Path) -> Result<(), ConfigError> {
        let Some(text) = files::text(path)? else { return Ok(()) };
        let (connections, findings) = match ConfigFormat::of(path) {
            ConfigFormat::Json => json::parse(path, &text).map_err(|f| *f)?,
            _ => discovery_conf::parse(path, &text),
        };
        self.connections.extend(connections);
        self.findings.extend(findings);
        self.files.push(path.to_owned());
        Ok(())
    }

    fn read_fabrics(&mut self, main: &Path) -> Result<(), ConfigError> {
        let mut parsed = Vec::new();
        let top = match files::text(main)? {
            Some(text) => {
                self.files.push(main.to_owned());
                fabrics_conf::parse(main, &text).map_err(|f| *f)?
            }
            None => FabricsConf::default(),
        };
        for path in files::drop_ins(main)? {
            let Some(text) = files::text(&path)? else { continue };
            let file = fabrics_conf::parse(&path, &text).map_err(|f| *f)?;
            if let Some(host) = file.host.as_ref().filter(|h| h.persona.nqn.is_none()) {
                return Err(unusable(&file, host, Fault::Missing("`hostnqn`")));
            }
            self.files.push(path);
            parsed.push(file);
        }
        one_persona_one_file(std::iter::once(&top).chain(&parsed))?;
        for file in std::iter::once(&top).chain(&parsed) {
            self.connections.extend(file.connections(&top));
            self.findings.extend(file.notes.iter().cloned());
        }
        Ok(())
    }
}

fn unusable(file: &FabricsConf, host: &fabrics_conf::Host, fault: Fault) -> ConfigError {
    let (path, position) = (file.path.clone(), host.position);
    Finding { path, position, fault, consequence: Consequence::FileUnusable }.into()
}

/// The kernel holds one identifier for each host NQN, and targets take one identifier for one host.
fn one_persona_one_file<'a>(all: impl Iterator<Item = &'a FabricsConf>) -> Result<(), ConfigError> {
    let (mut nqns, mut ids) = (BTreeMap::new(), BTreeMap::new());
    for file in all {
        let Some(host) = &file.host else { continue };
        if let Some(nqn) = &host.persona.nqn
            && let Some(other) = nqns.insert(nqn, &file.path)
        {
            return Err(unusable(file, host, Fault::SameHostNqn { other: other.clone() }));
        }
        if let Some(id) = host.persona.id
            && let Some(other) = ids.insert(id, &file.path)
        {
            return Err(unusable(file, host, Fault::SameHostId { other: other.clone() }));
        }
    }
    Ok(())
}
