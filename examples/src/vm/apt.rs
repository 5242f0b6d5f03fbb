//! A private apt that looks at another Debian release without touching the machine's own package state.
//!
//! It has its own sources (derived, see `sources.rs`), lists, archive cache and an empty package status, all in one
//! folder. The machine's apt configuration (proxies, credentials) still holds.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::cache::{self, FileError};
use super::command::{self, CommandError};
use super::release::Release;
use super::sources::{self, Wanted};

/// Why a package could not be had.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AptError {
    /// A file of the private apt cannot be read or written.
    #[error(transparent)]
    File(#[from] FileError),
    /// The machine is no Debian, or does not say which.
    #[error(
        "cannot tell which Debian release this machine runs: {path} has no VERSION_CODENAME; kernels are fetched with apt, \
         which needs a Debian machine"
    )]
    NoCodename {
        /// The file that should have said it.
        path: PathBuf,
    },
    /// No package source of the machine serves its own release.
    #[error(
        "no package source in {etc} serves {codename} main, so none can be derived for {wanted}; add Debian's archive to the \
         machine's sources"
    )]
    NoSources {
        /// Where was looked.
        etc: PathBuf,
        /// The machine's release.
        codename: String,
        /// The release that was wanted.
        wanted: &'static str,
    },
    /// apt knows no such package, even after an update of its lists.
    #[error("no package {package} in {suite}{}", update_text(update.as_ref()))]
    NoPackage {
        /// The package.
        package: String,
        /// The suite that should have it.
        suite: &'static str,
        /// What the update of the lists said, when it failed.
        update: Option<CommandError>,
    },
    /// apt failed.
    #[error("apt failed")]
    Command(#[from] CommandError),
}

fn update_text(update: Option<&CommandError>) -> String {
    match update {
        Some(error) => {
            format!(": {error}\nhint: is the network reachable, and is debian-archive-keyring up to date?")
        }
        None => String::new(),
    }
}

/// A package as apt describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Package {
    pub(crate) name: String,
    pub(crate) version: String,
    /// Names of what it depends on, with the exact version where one is demanded; first alternatives only.
    pub(crate) depends: Vec<(String, Option<String>)>,
    /// Size of the archive in bytes.
    pub(crate) size: u64,
}

/// Where packages are looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Suite {
    codename: &'static str,
    backports: Option<&'static str>,
}

impl Suite {
    /// Debian's next release, which has packages that none before it has.
    pub(crate) const NEXT: Self = Self { codename: "forky", backports: None };

    /// Its name, also as a folder in the cache.
    pub(crate) fn folder(self) -> &'static str {
        self.backports.unwrap_or(self.codename)
    }
}

impl From<Release> for Suite {
    fn from(release: Release) -> Self {
        Self { codename: release.codename(), backports: release.backports() }
    }
}

/// The private apt of one release.
#[derive(Debug)]
pub(crate) struct Apt {
    config: PathBuf,
    suite: Suite,
    update: Option<CommandError>,
}

impl Apt {
    /// Sets up the folder `home` and fetches the package lists.
    pub(crate) fn open(home: &Path, suite: impl Into<Suite>) -> Result<Self, AptError> {
        let suite = suite.into();
        let etc = Path::new("/etc/apt");
        let codename = machine_codename(Path::new("/etc/os-release"))?;
        let wanted = Wanted { codename: suite.codename, extra: suite.backports };
        let text = sources::derive(etc, &codename, wanted)?.ok_or_else(|| AptError::NoSources {
            etc: etc.to_owned(),
            codename: codename.clone(),
            wanted: suite.codename,
        })?;
        for folder in ["sources", "lists/partial", "cache/archives/partial"] {
            cache::create_dir(&home.join(folder))?;
        }
        cache::write(&home.join("sources/derived.sources"), text)?;
        cache::write(&home.join("status"), "")?;
        let config = home.join("apt.conf");
        cache::write(&config, configuration(home, suite))?;
        let mut apt = Self { config, suite, update: None };
        // A failure counts only when a package is missing afterwards: one suite of several may not exist on this mirror.
        apt.update = command::output(apt.tool("apt-get").args(["-q", "update"])).err();
        Ok(apt)
    }

    /// The newest package of that name the release has, or the one of exactly this version.
    pub(crate) fn show(&mut self, name: &str, version: Option<&str>) -> Result<Package, AptError> {
        let wanted = version.map_or(name.to_owned(), |version| format!("{name}={version}"));
        let shown = command::text(self.tool("apt-cache").args(["show", "--no-all-versions", &wanted]));
        match shown.ok().and_then(|text| parse_record(&text)) {
            Some(package) => Ok(package),
            None => Err(AptError::NoPackage {
                package: wanted,
                suite: self.suite.folder(),
                update: self.update.take(),
            }),
        }
    }

    /// Downloads exactly this package into `folder`; gives the path of the archive.
    pub(crate) fn download(&self, package: &Package, folder: &Path) -> Result<PathBuf, AptError> {
        let empty = cache::Scratch::create(folder)?;
        let wanted = format!("{}={}", package.name, package.version);
        command::output(self.tool("apt-get").args(["-q", "download", &wanted]).current_dir(empty.path()))?;
        let listing = fs::read_dir(empty.path()).map_err(FileError::new("list", empty.path()))?;
        for entry in listing {
            let from = entry.map_err(FileError::new("list", empty.path()))?.path();
            if from.extension().is_some_and(|extension| extension == "deb") {
                let to = folder.join(format!("{}.deb", package.name));
                fs::rename(&from, &to).map_err(FileError::new("rename", &from))?;
                return Ok(to);
            }
        }
        Err(AptError::NoPackage { package: wanted, suite: self.suite.folder(), update: None })
    }

    fn tool(&self, name: &str) -> Command {
        let mut command = command::command(name);
        command.env("APT_CONFIG", &self.config).env("DEBIAN_FRONTEND", "noninteractive");
        command
    }
}

fn configuration(home: &Path, suite: Suite) -> String {
    let at = |name: &str| home.join(name).display().to_string();
    let mut text = format!(
        "Dir::Etc::sourcelist \"/dev/null\";\nDir::Etc::sourceparts \"{}\";\nDir::State::lists \"{}\";\n\
         Dir::State::status \"{}\";\nDir::Cache \"{}\";\nAPT::Architecture \"amd64\";\nAPT::Sandbox::User \"root\";\n\
         Acquire::Retries \"3\";\n",
        at("sources"),
        at("lists"),
        at("status"),
        at("cache"),
    );
    if let Some(suite) = suite.backports {
        text.push_str(&format!("APT::Default-Release \"{suite}\";\n"));
    }
    text
}

fn machine_codename(path: &Path) -> Result<String, AptError> {
    let text = cache::read_text(path)?;
    let value = text.lines().find_map(|line| line.strip_prefix("VERSION_CODENAME="));
    let value = value
        .map(|value| value.trim().trim_matches(['"', '\'']).to_owned())
        .filter(|value| !value.is_empty());
    value.ok_or_else(|| AptError::NoCodename { path: path.to_owned() })
}

/// The first record of `apt-cache show`.
fn parse_record(text: &str) -> Option<Package> {
    let record = text.split("\n\n").next()?;
    let field = |name: &str| {
        record.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).map(str::trim)
    };
    let mut depends = Vec::new();
    for list in [field("Pre-Depends"), field("Depends")].into_iter().flatten() {
        depends.extend(list.split(',').filter_map(parse_dependency));
    }
    Some(Package {
        name: field("Package")?.to_owned(),
        version: field("Version")?.to_owned(),
        depends,
        size: field("Size").and_then(|size| size.parse().ok()).unwrap_or(0),
    })
}

/// `name (= version) | other`: the first alternative.
fn parse_dependency(text: &str) -> Option<(String, Option<String>)> {
    let first = text.split('|').next()?.trim();
    let (name, rest) = first.split_once(' ').unwrap_or((first, ""));
    let name = name.split(':').next().filter(|name| !name.is_empty())?;
    let exact = rest.trim().strip_prefix("(=").and_then(|rest| rest.strip_suffix(')'));
    Some((name.to_owned(), exact.map(|version| version.trim().to_owned())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_a_package_record() {
        let text = "Package: linux-image-x\nVersion: 7.1-1~bpo\nPre-Depends: linux-base (>= 4.17~)\n\
                    Depends: a | b (>= 1), linux-binary-x (= 7.1-1~bpo), c:any\nSize: 42\n\nPackage: other\n";
        let package = parse_record(text).unwrap();
        assert_eq!(
            (package.name.as_str(), package.version.as_str(), package.size),
            ("linux-image-x", "7.1-1~bpo", 42)
        );
        let names: Vec<&str> = package.depends.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["linux-base", "a", "linux-binary-x", "c"]);
        assert_eq!(package.depends[2].1.as_deref(), Some("7.1-1~bpo"));
        assert_eq!(package.depends[0].1, None);
        assert_eq!(parse_record(""), None);
    }

    #[test]
    fn codename_with_and_without_quotes() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("os-release");
        fs::write(&path, "ID=debian\nVERSION_CODENAME=\"trixie\"\n").unwrap();
        assert_eq!(machine_codename(&path).unwrap(), "trixie");
        fs::write(&path, "ID=other\n").unwrap();
        assert!(matches!(machine_codename(&path), Err(AptError::NoCodename { .. })));
    }

    #[test]
    fn backports_are_asked_for_by_name_only() {
        let home = Path::new("/h");
        assert!(
            configuration(home, Release::V7.into()).contains("APT::Default-Release \"trixie-backports\"")
        );
        assert!(!configuration(home, Release::V6_12.into()).contains("Default-Release"));
    }
}
