//! Putting a file in its place in one step: who reads it sees the old one or the new one.
//!
//! | what is there | what becomes of it |
//! |---|---|
//! | nothing, or a regular file | the new file |
//! | a symbolic link | it stays, and the file that it leads to is replaced; one that somebody else put where everybody may put one is refused |
//! | a device, a pipe, a socket, a directory | refused, and left alone |

use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

/// Who may read a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Readers {
    /// Its owner: it holds secrets.
    Owner,
    /// Whatever the umask: other tools read it as ordinary users.
    Everybody,
}

/// Why what is there is not replaced.
#[derive(Debug, thiserror::Error)]
enum NoFile {
    #[error("it is a directory")]
    Directory,
    #[error("it is a device, a pipe or a socket, which a file would replace")]
    Special,
    #[cfg(unix)]
    #[error("it is a symbolic link in a folder where anybody may put one")]
    Planted,
}

impl From<NoFile> for io::Error {
    fn from(why: NoFile) -> Self {
        Self::new(io::ErrorKind::InvalidInput, why)
    }
}

/// Replaces a file, or makes it. After a failure the old one is as it was, and nothing else is left.
///
/// # Errors
/// What the system says, or in words what is there instead of a file.
pub(crate) fn replace(path: &Path, bytes: &[u8], readers: Readers) -> io::Result<()> {
    let place = place_of(path)?;
    let name = place.file_name().unwrap_or_default().to_string_lossy();
    // Two writers never have the same, whatever numbers their processes have in their containers.
    let temporary = place.with_file_name(format!(".{name}.{}", uuid::Uuid::new_v4().simple()));
    let written = write(&temporary, bytes, readers).and_then(|()| fs::rename(&temporary, &place));
    if written.is_err() {
        // That it is there is the failure that counts.
        let _ = fs::remove_file(&temporary);
    }
    written
}

fn write(path: &Path, bytes: &[u8], readers: Readers) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path)?;
    file.write_all(bytes)?;
    #[cfg(unix)]
    if readers == Readers::Everybody {
        file.set_permissions(std::os::unix::fs::PermissionsExt::from_mode(0o644))?;
    }
    #[cfg(not(unix))]
    let _ = readers;
    file.sync_all()
}

/// Where the file is to be, links followed.
fn place_of(path: &Path) -> io::Result<PathBuf> {
    let found = match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(path.to_owned()),
        found => found?,
    };
    if !found.is_symlink() {
        return Ok(regular(&found).map(|()| path.to_owned())?);
    }
    // As Linux does with fs.protected_symlinks.
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt as _;
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
        let folder = fs::metadata(folder.unwrap_or(Path::new(".")))?;
        if folder.mode() & 0o1002 == 0o1002 && folder.uid() != found.uid() {
            return Err(NoFile::Planted.into());
        }
    }
    let place = fs::canonicalize(path)?;
    Ok(regular(&fs::metadata(&place)?).map(|()| place)?)
}

fn regular(found: &fs::Metadata) -> Result<(), NoFile> {
    match (found.is_file(), found.is_dir()) {
        (true, _) => Ok(()),
        (_, true) => Err(NoFile::Directory),
        _ => Err(NoFile::Special),
    }
}

#[cfg(all(test, unix))]
mod tests {
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn a_file_is_replaced_and_read_by_those_who_may() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.conf");
        for (readers, wanted) in
            [(Readers::Owner, 0o600), (Readers::Everybody, 0o644), (Readers::Owner, 0o600)]
        {
            replace(&path, format!("{readers:?}").as_bytes(), readers).unwrap();
            assert_eq!(fs::read_to_string(&path).unwrap(), format!("{readers:?}"));
            assert_eq!(mode(&path), wanted);
        }
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1, "nothing is left beside it");
    }

    #[test]
    fn what_is_no_file_is_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let socket = dir.path().join("socket");
        let _listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
        let folder = dir.path().join("folder");
        fs::create_dir(&folder).unwrap();
        let link = dir.path().join("link");
        symlink("/dev/null", &link).unwrap();
        for (path, why) in [(&socket, "a socket"), (&folder, "a directory"), (&link, "a device")] {
            let error = replace(path, b"x", Readers::Owner).unwrap_err();
            assert!(error.to_string().contains(why), "{error}");
        }
        assert!(!fs::metadata("/dev/null").unwrap().is_file());
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 3, "nothing is left beside them");
    }

    #[test]
    fn a_link_stays_and_leads_to_what_was_written() {
        let dir = tempfile::tempdir().unwrap();
        let (link, file) = (dir.path().join("link"), dir.path().join("file"));
        symlink("file", &link).unwrap();
        assert_eq!(replace(&link, b"x", Readers::Owner).unwrap_err().kind(), io::ErrorKind::NotFound);
        fs::write(&file, "old").unwrap();
        replace(&link, b"new", Readers::Owner).unwrap();
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!(fs::read(&file).unwrap(), b"new");
    }

    #[test]
    fn writers_at_once_leave_one_whole_file() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("tls-keys");
        std::thread::scope(|scope| {
            for letter in b'a'..b'e' {
                let path = &path;
                scope.spawn(move || {
                    for _ in 0..20 {
                        replace(path, &[letter; 3000], Readers::Owner).unwrap();
                    }
                });
            }
        });
        let there = fs::read(&path).unwrap();
        assert!(there.len() == 3000 && there.iter().all(|byte| *byte == there[0]));
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1, "nothing is left beside it");
    }
}
