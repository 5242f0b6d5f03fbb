//! Writing a file so that it is there whole or not at all, and nobody else reads it.

use std::ffi::OsStr;
use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

/// A file could not be written. The old one, if there was one, is as before, unless only its folder could not be synchronised.
#[derive(Debug, thiserror::Error)]
#[error("cannot write {}: {what}", .path.display())]
#[non_exhaustive]
pub struct StoreError {
    /// The file.
    pub path: PathBuf,
    /// Which step failed.
    pub what: &'static str,
    /// What the system answered; `None` if it was not asked.
    pub source: Option<io::Error>,
}

/// Names for a new file that are tried before giving up.
const NAMES: u32 = 64;

/// Writes a file atomically, readable by its owner only: a new file beside it (mode 0600, synchronised to the disk) takes its place,
/// and the directory is synchronised too. After a crash there is the old file or the new one. Several writers at once are safe: one of
/// their files is there afterwards.
///
/// A symbolic link stays, and the file that it leads to is written; but not one that somebody else may have put into a folder that all may
/// write to (`/tmp`). What is there and no regular file (a device, a pipe, a folder) is left alone.
///
/// # Errors
/// [`StoreError`] names the step. The temporary file is removed then.
pub fn write(path: impl AsRef<Path>, contents: &[u8]) -> Result<(), StoreError> {
    let path = path.as_ref();
    let fail = |what, source| StoreError { path: path.to_owned(), what, source };
    let place = place_of(path).map_err(|(what, source)| fail(what, source))?;
    let name = place.file_name().ok_or_else(|| fail("it has no name", None))?;
    let folder = folder_of(&place);
    // Opened first: what cannot be synchronised is not begun.
    let open = File::open(folder).map_err(|e| fail("its folder cannot be opened", Some(e)))?;
    let made = make(folder, name, contents).map_err(|e| fail("the new file cannot be made", Some(e)))?;
    if let Err(source) = fs::rename(&made, &place) {
        let _ = fs::remove_file(&made);
        return Err(fail("the new file cannot take its place", Some(source)));
    }
    match open.sync_all() {
        // File systems that do not know of this have nothing to synchronise.
        Err(source) if source.kind() != io::ErrorKind::InvalidInput => {
            Err(fail("it is written, but its folder cannot be synchronised", Some(source)))
        }
        _ => Ok(()),
    }
}

fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

/// Where the file is to be, links followed.
fn place_of(path: &Path) -> Result<PathBuf, (&'static str, Option<io::Error>)> {
    let asked = |source| ("it cannot be looked at", Some(source));
    let found = match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(path.to_owned()),
        found => found.map_err(asked)?,
    };
    if !found.is_symlink() {
        return regular(&found).map(|()| path.to_owned());
    }
    // As the kernel does with fs.protected_symlinks.
    let folder = fs::metadata(folder_of(path)).map_err(asked)?;
    if folder.mode() & 0o1002 == 0o1002 && folder.uid() != found.uid() {
        return Err(("it is a symbolic link in a folder where anybody may put one", None));
    }
    let place = fs::canonicalize(path).map_err(|e| ("it is a symbolic link that leads nowhere", Some(e)))?;
    regular(&fs::metadata(&place).map_err(asked)?).map(|()| place)
}

fn regular(found: &Metadata) -> Result<(), (&'static str, Option<io::Error>)> {
    match (found.is_file(), found.is_dir()) {
        (true, _) => Ok(()),
        (_, true) => Err(("it is a directory", None)),
        _ => Err(("it is a device, a pipe or a socket, which a file would replace", None)),
    }
}

/// Makes a new file with the contents; nothing is left of it after an error.
fn make(folder: &Path, name: &OsStr, contents: &[u8]) -> io::Result<PathBuf> {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let mut taken = io::ErrorKind::AlreadyExists.into();
    for _ in 0..NAMES {
        let mut temporary = name.to_owned();
        temporary.push(format!(".{}-{}.new", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed)));
        let temporary = folder.join(temporary);
        match OpenOptions::new().write(true).create_new(true).mode(0o600).open(&temporary) {
            // A left-over, or another process of the same number in another container.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => taken = error,
            Err(error) => return Err(error),
            Ok(mut file) => {
                let written = file.write_all(contents).and_then(|()| file.sync_all());
                return match written {
                    Ok(()) => Ok(temporary),
                    Err(error) => {
                        let _ = fs::remove_file(&temporary);
                        Err(error)
                    }
                };
            }
        }
    }
    Err(taken)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_file_is_replaced_whole_and_private() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config.json");
        fs::write(&path, "old").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        write(&path, b"new").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"new");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "nothing is left beside it");
    }

    #[test]
    fn a_failure_leaves_the_old_file() {
        let folder = tempfile::tempdir().unwrap();
        let error = write(folder.path().join("absent/config.json"), b"x").unwrap_err();
        assert!(error.to_string().contains("absent/config.json"), "{error}");
        let taken = folder.path().join("folder");
        fs::create_dir(&taken).unwrap();
        assert!(write(&taken, b"x").is_err());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_link_stays_and_leads_to_what_was_written() {
        let folder = tempfile::tempdir().unwrap();
        let [link, real] = ["link", "real"].map(|name| folder.path().join(name));
        std::os::unix::fs::symlink("real", &link).unwrap();
        let error = write(&link, b"x").unwrap_err();
        assert!(error.to_string().contains("leads nowhere"), "{error}");
        fs::write(&real, "old").unwrap();
        write(&link, b"new").unwrap();
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!(fs::read(&real).unwrap(), b"new");
    }

    #[test]
    fn what_is_no_file_is_not_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("socket");
        let _listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
        let error = write(&socket, b"x").unwrap_err();
        assert!(error.to_string().contains("a device, a pipe or a socket"), "{error}");
        assert!(!fs::symlink_metadata(&socket).unwrap().is_file());
        let link = folder.path().join("link");
        std::os::unix::fs::symlink("/dev/null", &link).unwrap();
        assert!(write(&link, b"x").is_err() && write("/dev/null", b"x").is_err());
        assert!(!fs::metadata("/dev/null").unwrap().is_file());
    }

    #[test]
    fn writers_at_once_leave_one_whole_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config.json");
        // What a process of our number left, and others that would be next.
        for number in 0..20 {
            let name = format!("config.json.{}-{number}.new", std::process::id());
            fs::write(folder.path().join(name), "theirs").unwrap();
        }
        std::thread::scope(|scope| {
            for letter in b'a'..b'i' {
                let path = &path;
                scope.spawn(move || (0..30).for_each(|_| write(path, &[letter; 3000]).unwrap()));
            }
        });
        let there = fs::read(&path).unwrap();
        assert!(there.len() == 3000 && there.iter().all(|byte| *byte == there[0]));
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 21, "only what was there before is left");
    }
}
