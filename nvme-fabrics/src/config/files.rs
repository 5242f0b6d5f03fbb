//! Reading and writing whole configuration files.

use std::fs;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use super::error::ConfigError;
use crate::store;
pub(super) use crate::store::Readers;

/// The largest file that is read, in bytes.
const MAX_FILE: u64 = 1 << 20;
/// The most files of a directory.
const MAX_FILES: usize = 256;

/// A file's text; `None` when there is none.
pub(super) fn text(path: &Path) -> Result<Option<Zeroizing<String>>, ConfigError> {
    let failed = |source| ConfigError::Read { path: path.to_owned(), source };
    let file = match fs::File::open(path) {
        Ok(file) => file,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(failed(e)),
    };
    let mut text = Zeroizing::new(String::new());
    let read = file.take(MAX_FILE + 1).read_to_string(&mut text).map_err(failed)?;
    if read as u64 > MAX_FILE {
        return Err(ConfigError::TooLarge { path: path.to_owned(), max: MAX_FILE });
    }
    Ok(Some(text))
}

/// `<file>.d`.
pub(super) fn drop_in_dir(main: &Path) -> PathBuf {
    let mut dir = main.as_os_str().to_owned();
    dir.push(".d");
    dir.into()
}

/// `<file>.d/*.conf`, by name.
pub(super) fn drop_ins(main: &Path) -> Result<Vec<PathBuf>, ConfigError> {
    in_dir(&drop_in_dir(main), "conf")
}

/// The files of a directory with this ending, by name; none when there is no such directory.
pub(super) fn in_dir(dir: &Path, ending: &str) -> Result<Vec<PathBuf>, ConfigError> {
    let failed = |source| ConfigError::Read { path: dir.to_owned(), source };
    let entries = match fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(e) => return Err(failed(e)),
    };
    let mut paths = Vec::new();
    for entry in entries {
        let path = entry.map_err(failed)?.path();
        let is_hidden = path.file_name().is_none_or(|n| n.as_encoded_bytes().starts_with(b"."));
        if path.extension().is_some_and(|e| e == ending) && !is_hidden {
            paths.push(path);
        }
        if paths.len() > MAX_FILES {
            return Err(failed(io::ErrorKind::QuotaExceeded.into()));
        }
    }
    paths.sort();
    Ok(paths)
}

/// Replaces a file in one step, and makes its directory when there is none. Only its owner may read it when it holds a secret.
pub(super) fn replace(path: &Path, text: &str, readers: Readers) -> Result<(), ConfigError> {
    let failed = |source| ConfigError::Write { path: path.to_owned(), source };
    fs::create_dir_all(path.parent().unwrap_or(Path::new("."))).map_err(failed)?;
    store::replace(path, text.as_bytes(), readers).map_err(failed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_bounded_and_absence_is_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.conf");
        assert!(text(&path).unwrap().is_none());
        fs::write(&path, vec![b' '; usize::try_from(MAX_FILE).unwrap() + 1]).unwrap();
        assert!(matches!(text(&path), Err(ConfigError::TooLarge { .. })));
        fs::write(&path, b"\xff").unwrap();
        assert!(matches!(text(&path), Err(ConfigError::Read { .. })));
    }

    #[test]
    fn a_file_is_replaced_whole_and_secrets_are_its_owners() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("new/a.conf");
        replace(&path, "one", Readers::Everybody).unwrap();
        replace(&path, "two", Readers::Owner).unwrap();
        assert_eq!(&**text(&path).unwrap().unwrap(), "two");
        #[cfg(unix)]
        assert_eq!(
            std::os::unix::fs::PermissionsExt::mode(&fs::metadata(&path).unwrap().permissions()) & 0o777,
            0o600
        );
        assert_eq!(fs::read_dir(dir.path().join("new")).unwrap().count(), 1, "nothing else is left");
        fs::create_dir(dir.path().join("new/dir.conf")).unwrap();
        assert!(replace(&dir.path().join("new/dir.conf"), "x", Readers::Owner).is_err());
        assert_eq!(fs::read_dir(dir.path().join("new")).unwrap().count(), 2, "nothing else is left");
    }
}
