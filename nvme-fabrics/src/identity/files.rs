//! `/etc/nvme/hostnqn` and `/etc/nvme/hostid`.

use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use nvme_proto::{HostId, HostIdError, HostNqn, Nqn, NqnError};

use super::{HostIdentity, IdentitySource, Sourced, generate};
use crate::store::{self, Readers};

/// The identity files could not be read, hold nonsense, or could not be written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum IdentityError {
    /// A file exists and cannot be read.
    #[error("cannot read {}", .path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The file holds no valid host NQN.
    #[error("{} does not hold a valid host NQN (correct it, or remove it to have one generated)", .path.display())]
    HostNqn {
        /// The file.
        path: PathBuf,
        /// The rule that it breaks.
        source: NqnError,
    },
    /// A host NQN is longer than the kernel takes.
    #[error("host NQN of {len} bytes is too long: the Linux host takes at most {}", Nqn::MAX_HOST_LEN)]
    HostNqnTooLong {
        /// Its length.
        len: usize,
    },
    /// The file holds no valid host identifier.
    #[error("{} does not hold a valid host identifier (correct it, or remove it to have one generated)", .path.display())]
    HostId {
        /// The file.
        path: PathBuf,
        /// The rule that it breaks.
        source: HostIdError,
    },
    /// Another identity is in the files already; it is never overwritten.
    #[error("{} holds another identity, {existing}, and is not overwritten (remove it first if nothing uses it any more)", .path.display())]
    Exists {
        /// The file that differs.
        path: PathBuf,
        /// What it holds.
        existing: String,
    },
    /// A file could not be written.
    #[error("cannot write {}", .path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// What [`IdentityFiles::save`] did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Saved {
    /// At least one file was written.
    Written,
    /// Both were there with the same content.
    AlreadyThere,
}

/// The files, and the places that identities are generated from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdentityFiles {
    root: PathBuf,
}

impl IdentityFiles {
    /// This machine's.
    #[must_use]
    pub fn system() -> Self {
        Self::at("/")
    }

    /// `etc/nvme`, `etc/machine-id`, `sys` and `proc` below another root.
    #[must_use]
    pub fn at(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    fn hostnqn(&self) -> PathBuf {
        self.root.join("etc/nvme/hostnqn")
    }

    fn hostid(&self) -> PathBuf {
        self.root.join("etc/nvme/hostid")
    }

    /// The identity in the files. With one file only, the other half is made to fit: the UUID in the NQN (or one computed
    /// from its text), the NQN around the identifier. `None`: neither file is there, or they hold nothing but blanks.
    ///
    /// # Errors
    /// [`IdentityError`] when a file cannot be read or does not hold what it should; never a silent replacement.
    pub fn load(&self) -> Result<Option<Sourced>, IdentityError> {
        Ok(match self.halves()? {
            (Some(nqn), Some(id)) => {
                Some(Sourced { identity: HostIdentity::new(nqn, id), source: IdentitySource::Files })
            }
            (Some(nqn), None) => {
                Some(Sourced { identity: HostIdentity::for_nqn(nqn), source: IdentitySource::HostNqnFile })
            }
            (None, Some(id)) => {
                Some(Sourced { identity: HostIdentity::from_uuid(id), source: IdentitySource::HostIdFile })
            }
            (None, None) => None,
        })
    }

    /// What each file holds.
    pub(super) fn halves(&self) -> Result<(Option<HostNqn>, Option<HostId>), IdentityError> {
        Ok((self.load_nqn()?, self.load_id()?))
    }

    /// The files that do not hold their half of this pair: path, what is there, what is wanted.
    pub(super) fn differing(
        &self,
        identity: &HostIdentity,
    ) -> Result<Vec<(PathBuf, Option<String>, String)>, IdentityError> {
        let wanted = [(self.hostid(), identity.id.to_string()), (self.hostnqn(), identity.nqn.to_string())];
        let mut differing = Vec::new();
        for (path, text) in wanted {
            match first_line(&path)? {
                Some(there) if there.eq_ignore_ascii_case(&text) && is_same(&path, &there, &text) => {}
                there => differing.push((path, there, text)),
            }
        }
        Ok(differing)
    }

    fn load_nqn(&self) -> Result<Option<HostNqn>, IdentityError> {
        let path = self.hostnqn();
        let Some(text) = first_line(&path)? else { return Ok(None) };
        let nqn = HostNqn::new(text).map_err(|source| IdentityError::HostNqn { path, source })?;
        short_enough(&nqn)?;
        Ok(Some(nqn))
    }

    fn load_id(&self) -> Result<Option<HostId>, IdentityError> {
        let path = self.hostid();
        let Some(text) = first_line(&path)? else { return Ok(None) };
        text.parse().map(Some).map_err(|source| IdentityError::HostId { path, source })
    }

    /// An identity from the machine: firmware, system, else random. Saves nothing; the order is in the [module's documentation](super::generate).
    #[must_use]
    pub fn generate(&self) -> Sourced {
        generate::generate(&self.root)
    }

    /// The files' identity, else a generated one (not saved).
    ///
    /// # Errors
    /// As [`load`](Self::load).
    pub fn load_or_generate(&self) -> Result<Sourced, IdentityError> {
        Ok(self.load()?.unwrap_or_else(|| self.generate()))
    }

    /// The identity to use when the caller may have chosen one half or both.
    ///
    /// | given | other half |
    /// |---|---|
    /// | both | – |
    /// | NQN | the file's identifier if the file holds this very NQN, else as [`HostIdentity::for_nqn`] |
    /// | identifier | the file's NQN if the file holds this very identifier, else as [`HostIdentity::from_uuid`] |
    /// | neither | as [`load_or_generate`](Self::load_or_generate) |
    ///
    /// # Errors
    /// As [`load`](Self::load). With both halves given no file is read. What is given may be as long as the specification lets it be; connecting through the
    /// kernel refuses the last byte of that.
    pub fn resolve(&self, nqn: Option<HostNqn>, id: Option<HostId>) -> Result<Sourced, IdentityError> {
        let half = |identity| Sourced { identity, source: IdentitySource::GivenHalf };
        Ok(match (nqn, id) {
            (Some(nqn), Some(id)) => {
                Sourced { identity: HostIdentity::new(nqn, id), source: IdentitySource::Given }
            }
            (None, None) => self.load_or_generate()?,
            (Some(nqn), None) => match self.load()? {
                Some(found) if found.identity.nqn == nqn => found,
                _ => half(HostIdentity::for_nqn(nqn)),
            },
            (None, Some(id)) => match self.load()? {
                Some(found) if found.identity.id == id => found,
                _ => half(HostIdentity::from_uuid(id)),
            },
        })
    }

    /// Writes both files, each atomically, readable by everybody (they are no secrets). What is there is never changed.
    ///
    /// # Errors
    /// [`IdentityError::Exists`] when a file holds something else; nothing is written then.
    pub fn save(&self, identity: &HostIdentity) -> Result<Saved, IdentityError> {
        short_enough(&identity.nqn)?;
        let differing = self.differing(identity)?;
        for (path, existing, _) in &differing {
            if let Some(existing) = existing {
                return Err(IdentityError::Exists { path: path.clone(), existing: existing.clone() });
            }
        }
        if differing.is_empty() {
            return Ok(Saved::AlreadyThere);
        }
        for (path, _, text) in differing {
            write_new(&path, &text)?;
        }
        Ok(Saved::Written)
    }
}

impl Default for IdentityFiles {
    fn default() -> Self {
        Self::system()
    }
}

/// Identifiers may differ in case; NQNs may not.
fn is_same(path: &Path, existing: &str, wanted: &str) -> bool {
    path.ends_with("hostid") || existing == wanted
}

fn short_enough(nqn: &HostNqn) -> Result<(), IdentityError> {
    let len = nqn.as_str().len();
    if len > Nqn::MAX_HOST_LEN { Err(IdentityError::HostNqnTooLong { len }) } else { Ok(()) }
}

/// The first line without the blanks around it; `None` when the file is missing or that line holds nothing.
fn first_line(path: &Path) -> Result<Option<String>, IdentityError> {
    match read_text(path) {
        Ok(text) => {
            let line = text.lines().next().unwrap_or_default().trim_ascii();
            Ok((!line.is_empty()).then(|| line.to_owned()))
        }
        Err(source) if source.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(IdentityError::Read { path: path.to_owned(), source }),
    }
}

/// An identity is sent as it is or not at all: bytes that are not UTF-8 are an error and are never replaced. The first 64 KiB are enough.
fn read_text(path: &Path) -> io::Result<String> {
    use io::Read as _;
    let mut text = String::new();
    fs::File::open(path)?.take(64 * 1024).read_to_string(&mut text)?;
    Ok(text)
}

/// Writes a file that does not exist, or holds nothing, in one step: a temporary file beside it, made durable, then linked into place.
fn write_new(path: &Path, text: &str) -> Result<(), IdentityError> {
    let failed = |source| IdentityError::Write { path: path.to_owned(), source };
    let dir = path.parent().unwrap_or(Path::new("/"));
    fs::create_dir_all(dir).map_err(failed)?;
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let temporary = dir.join(format!(".{name}.{}.{}", std::process::id(), uuid::Uuid::new_v4().simple()));
    let linked = write(&temporary, text).and_then(|()| fs::hard_link(&temporary, path));
    let removed = fs::remove_file(&temporary);
    match linked {
        // A file without content counts as missing; it alone is replaced.
        Err(e) if e.kind() == io::ErrorKind::AlreadyExists && is_blank(path) => return replace(path, text),
        other => other.map_err(failed)?,
    }
    removed.map_err(failed)
}

/// Writes a file in one step, over the one that is there.
pub(super) fn replace(path: &Path, text: &str) -> Result<(), IdentityError> {
    store::replace(path, format!("{text}\n").as_bytes(), Readers::Everybody)
        .map_err(|source| IdentityError::Write { path: path.to_owned(), source })
}

fn write(temporary: &Path, text: &str) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o644);
    let mut file = options.open(temporary)?;
    file.write_all(format!("{text}\n").as_bytes())?;
    #[cfg(unix)]
    // Whatever the umask: the other tools of the machine read these files as ordinary users.
    file.set_permissions(std::os::unix::fs::PermissionsExt::from_mode(0o644))?;
    file.sync_all()
}

fn is_blank(path: &Path) -> bool {
    first_line(path).is_ok_and(|line| line.is_none())
}

#[cfg(test)]
mod tests {
    use super::*;

    const UUID: &str = "f81d4fae-7dec-11d0-a765-00a0c91e6bf6";
    const OTHER: &str = "11111111-2222-4333-8444-555555555555";

    struct Root(tempfile::TempDir);

    impl Root {
        fn new() -> Self {
            let dir = tempfile::tempdir().unwrap();
            fs::create_dir_all(dir.path().join("etc/nvme")).unwrap();
            Self(dir)
        }

        fn put(&self, name: &str, text: &str) -> &Self {
            fs::write(self.0.path().join("etc/nvme").join(name), text).unwrap();
            self
        }

        fn files(&self) -> IdentityFiles {
            IdentityFiles::at(self.0.path())
        }

        fn load(&self) -> Option<(String, String, IdentitySource)> {
            let found = self.files().load().unwrap()?;
            Some((found.identity.nqn.to_string(), found.identity.id.to_string(), found.source))
        }
    }

    fn nqn(uuid: &str) -> String {
        format!("nqn.2014-08.org.nvmexpress:uuid:{uuid}")
    }

    #[test]
    fn both_files() {
        let root = Root::new();
        root.put("hostnqn", &format!("{}\n", nqn(UUID))).put("hostid", &format!(" {UUID} \n"));
        assert_eq!(root.load(), Some((nqn(UUID), UUID.into(), IdentitySource::Files)));
    }

    #[test]
    fn one_file_is_completed() {
        let root = Root::new();
        root.put("hostnqn", &nqn(UUID));
        assert_eq!(root.load(), Some((nqn(UUID), UUID.into(), IdentitySource::HostNqnFile)));
        let root = Root::new();
        root.put("hostid", UUID);
        assert_eq!(root.load(), Some((nqn(UUID), UUID.into(), IdentitySource::HostIdFile)));
    }

    #[test]
    fn nothing_and_blanks_are_missing() {
        let root = Root::new();
        assert_eq!(root.load(), None);
        root.put("hostnqn", "").put("hostid", "\n");
        assert_eq!(root.load(), None);
        root.put("hostnqn", "  my-host \t\nsecond line\n");
        assert_eq!(root.load().unwrap().0, "my-host");
    }

    #[test]
    fn nonsense_is_an_error_that_names_the_file() {
        let root = Root::new();
        root.put("hostnqn", "a,b\n");
        let error = root.files().load().unwrap_err();
        assert!(error.to_string().contains("etc/nvme/hostnqn does not hold a valid host NQN"), "{error}");
        let root = Root::new();
        root.put("hostid", &format!("{UUID}0\n"));
        assert!(matches!(root.files().load().unwrap_err(), IdentityError::HostId { .. }));
        root.put("hostid", "").put("hostnqn", &"x".repeat(223));
        assert!(matches!(root.files().load().unwrap_err(), IdentityError::HostNqnTooLong { len: 223 }));
        root.put("hostnqn", &"x".repeat(222));
        assert!(root.load().is_some());
    }

    #[test]
    fn bytes_that_are_no_text_are_an_error_and_never_another_name() {
        let root = Root::new();
        fs::write(root.0.path().join("etc/nvme/hostnqn"), b"caf\xe9\n").unwrap();
        let error = root.files().load().unwrap_err();
        assert!(error.to_string().ends_with("etc/nvme/hostnqn"), "{error}");
        let cause = std::error::Error::source(&error).map(ToString::to_string).unwrap_or_default();
        assert!(cause.contains("UTF-8"), "{cause}");
    }

    #[test]
    fn what_the_caller_gives_wins_and_never_shares_an_identifier() {
        let root = Root::new();
        root.put("hostnqn", &nqn(UUID)).put("hostid", UUID);
        let files = root.files();
        let mine = HostNqn::new("host-a").unwrap();
        let resolved = files.resolve(Some(mine.clone()), None).unwrap();
        assert_eq!(resolved.identity, HostIdentity::for_nqn(mine.clone()));
        assert_ne!(resolved.identity.id.to_string(), UUID);
        let id: HostId = OTHER.parse().unwrap();
        assert_eq!(files.resolve(None, Some(id)).unwrap().identity, HostIdentity::from_uuid(id));
        let both = files.resolve(Some(mine.clone()), Some(id)).unwrap();
        assert_eq!((both.identity, both.source), (HostIdentity::new(mine, id), IdentitySource::Given));
        assert_eq!(files.resolve(None, None).unwrap().source, IdentitySource::Files);
        let same = files.resolve(Some(HostNqn::new(nqn(UUID)).unwrap()), None).unwrap();
        assert_eq!(same.source, IdentitySource::Files);
    }

    #[test]
    fn saving_writes_once_and_never_overwrites() {
        let root = tempfile::tempdir().unwrap();
        let files = IdentityFiles::at(root.path());
        let identity = HostIdentity::from_uuid(UUID.parse().unwrap());
        assert_eq!(files.save(&identity).unwrap(), Saved::Written);
        assert_eq!(files.load().unwrap().unwrap().identity, identity);
        assert_eq!(files.save(&identity).unwrap(), Saved::AlreadyThere);
        let other = HostIdentity::from_uuid(OTHER.parse().unwrap());
        assert!(matches!(files.save(&other).unwrap_err(), IdentityError::Exists { .. }));
        assert_eq!(files.load().unwrap().unwrap().identity, identity);
        let names: Vec<_> =
            fs::read_dir(root.path().join("etc/nvme")).unwrap().map(|e| e.unwrap().file_name()).collect();
        assert_eq!(names.len(), 2, "no temporary file stays: {names:?}");
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            let mode = fs::metadata(files.hostnqn()).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o644);
        }
    }

    #[test]
    fn an_empty_file_is_filled_and_half_a_pair_completed() {
        let root = Root::new();
        root.put("hostnqn", "\n").put("hostid", &UUID.to_uppercase());
        let identity = HostIdentity::from_uuid(UUID.parse().unwrap());
        assert_eq!(root.files().save(&identity).unwrap(), Saved::Written);
        assert_eq!(root.load(), Some((nqn(UUID), UUID.into(), IdentitySource::Files)));
    }
}
