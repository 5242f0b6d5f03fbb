//! Writing a file so that it is there whole or not at all, and nobody else reads it.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

/// A file could not be written. The old one, if there was one, is as before.
#[derive(Debug, thiserror::Error)]
#[error("cannot write {}: {what}", .path.display())]
#[non_exhaustive]
pub struct StoreError {
    /// The file.
    pub path: PathBuf,
    /// Which step failed.
    pub what: &'static str,
    /// What the system answered.
    pub source: io::Error,
}

/// Writes a file atomically, readable by its owner only: a new file beside it (mode 0600, synchronised to the disk) takes its place,
/// and the directory is synchronised too. After a crash there is the old file or the new one.
///
/// # Errors
/// [`StoreError`] names the step. The temporary file is removed then.
pub fn write(path: impl AsRef<Path>, contents: &[u8]) -> Result<(), StoreError> {
    let path = path.as_ref();
    let fail = |what| move |source| StoreError { path: path.to_owned(), what, source };
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let name = path.file_name().ok_or_else(|| fail("it has no name")(io::ErrorKind::InvalidInput.into()))?;
    let mut temporary = name.to_owned();
    temporary.push(format!(".{}.new", std::process::id()));
    let temporary = folder.join(temporary);
    let written = fill(&temporary, contents).and_then(|()| fs::rename(&temporary, path));
    if let Err(source) = written {
        let _ = fs::remove_file(&temporary); // it may not have come to be
        return Err(fail("the new file cannot be made")(source));
    }
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(fail("its folder cannot be synchronised"))
}

fn fill(path: &Path, contents: &[u8]) -> io::Result<()> {
    // A left-over of a process that died with the same number.
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(contents)?;
    file.sync_all()
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
}
