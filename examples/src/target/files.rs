//! Files that describe a target.

use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use clap::ValueEnum;
use nvmet_configfs::file::{self, FileError, Format, Loaded, Secrets, StoreError};
use nvmet_configfs::nvmetcli::{Document, Note, NoteKind};
use nvmet_configfs::{Observed, TargetSpec};

use crate::cli;

/// Where nvmetcli keeps its file.
pub const DEFAULT: &str = "/etc/nvmet/config.json";

/// A file that cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum UseError {
    /// It cannot be read.
    #[error("cannot read {}", .path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system answered.
        source: io::Error,
    },
    /// It is longer than any that describes a target.
    #[error("{} has more than {} MiB: it is no description of a target", .path.display(), LIMIT >> 20)]
    TooLong {
        /// The file.
        path: PathBuf,
    },
    /// Its folder cannot be made.
    #[error("cannot make {}", .path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// What the system answered.
        source: io::Error,
    },
    /// Keys of hosts are to go into the very file that the target goes to.
    #[error("{} cannot hold both the target and the keys of hosts: name another file for --secrets", .path.display())]
    SameFile {
        /// The file.
        path: PathBuf,
    },
    /// Something of it is left out, and all of it or nothing was asked for.
    #[error(
        "{} is not applied: what is noted of it would be left out; mend it, or let `target restore` do the rest",
        .path.display()
    )]
    Partial {
        /// The file.
        path: PathBuf,
    },
    /// The key of a host cannot be used.
    #[error("{}: {note}; without its key the host would be let in without proving who it is", .path.display())]
    Unprotected {
        /// The file.
        path: PathBuf,
        /// The key.
        note: Box<Note>,
    },
    /// It does not describe a target.
    #[error("{}: {source}", .path.display())]
    Parse {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: FileError,
    },
    /// It cannot be written.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// `--format`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum SaveAs {
    /// nvmetcli's JSON
    Nvmetcli,
    /// Our own format, keys of hosts apart
    Toml,
    /// The same as JSON
    Json,
}

/// No target has a longer description: a thousand subsystems take less than a mebibyte.
const LIMIT: u64 = 64 << 20;

/// The contents of a file; `-` is standard input.
fn read(path: &Path) -> Result<Vec<u8>, UseError> {
    let mut bytes = Vec::new();
    let read = if path == Path::new("-") {
        io::stdin().lock().take(LIMIT + 1).read_to_end(&mut bytes)
    } else {
        File::open(path).and_then(|file| file.take(LIMIT + 1).read_to_end(&mut bytes))
    };
    match read {
        Ok(len) if len as u64 > LIMIT => Err(UseError::TooLong { path: path.to_owned() }),
        Ok(_) => Ok(bytes),
        Err(source) => Err(UseError::Read { path: path.to_owned(), source }),
    }
}

fn notes(notes: &[Note]) {
    for note in notes {
        cli::note(&format!("note: {note}"));
    }
}

/// What a file says.
#[derive(Debug)]
pub struct Said {
    /// The target that it describes.
    pub spec: TargetSpec,
    /// What of it is not in the spec.
    notes: Vec<Note>,
    path: PathBuf,
}

impl Said {
    /// Whether entries were left out that may be objects of the target.
    #[must_use]
    pub fn hides_objects(&self) -> bool {
        self.notes.iter().any(Note::may_hide_an_object)
    }

    /// The file is to be used whole or not at all.
    ///
    /// # Errors
    /// [`UseError::Partial`].
    pub fn ensure_whole(&self) -> Result<(), UseError> {
        // Of this one nothing is left out: it says which of two things counts.
        let is_whole = |note: &Note| matches!(note.kind, NoteKind::AnyHostAndSome);
        if self.notes.iter().all(is_whole) {
            Ok(())
        } else {
            Err(UseError::Partial { path: self.path.clone() })
        }
    }
}

/// The target that a file describes, with keys of hosts from another one. What of a file is not used is said on stderr, but for keys:
/// without one of those it is not used.
///
/// # Errors
/// [`UseError`].
pub fn load(path: &Path, secrets: Option<&Path>) -> Result<Said, UseError> {
    let mut loaded = parsed(path)?;
    if let Some(note) = loaded.notes.iter().find(|note| note.at.contains("/dhchap")) {
        return Err(UseError::Unprotected { path: path.to_owned(), note: Box::new(note.clone()) });
    }
    notes(&loaded.notes);
    if let Some(secrets) = secrets {
        let keys = Secrets::parse(&read(secrets)?)
            .map_err(|source| UseError::Parse { path: secrets.to_owned(), source })?;
        for host in keys.add_to(&mut loaded.spec) {
            cli::note(&format!(
                "note: {} has keys of {host}, which the target does not define",
                secrets.display()
            ));
        }
    }
    Ok(Said { spec: loaded.spec, notes: loaded.notes, path: path.to_owned() })
}

/// A file of any of the formats, with notes on what of it is not used.
///
/// # Errors
/// [`UseError`].
pub fn parsed(path: &Path) -> Result<Loaded, UseError> {
    file::parse(&read(path)?).map_err(|source| UseError::Parse { path: path.to_owned(), source })
}

/// The format of a file by its name, when nobody says: `.toml` is ours, all else nvmetcli's.
pub fn format_of(path: &Path) -> SaveAs {
    if path.extension().is_some_and(|e| e == "toml") { SaveAs::Toml } else { SaveAs::Nvmetcli }
}

/// Saves a target, privately and at once; `-` is standard output.
///
/// # Errors
/// [`UseError`].
pub fn save(
    observed: &Observed,
    path: &Path,
    format: SaveAs,
    secrets: Option<&Path>,
) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let to_stdout = path == Path::new("-");
    if secrets == Some(path) {
        return Err(UseError::SameFile { path: path.to_owned() }.into());
    }
    let own = match format {
        SaveAs::Nvmetcli => {
            let written = Document::from_observed(observed);
            notes(&written.notes);
            return put(path, to_stdout, &written.document.to_json());
        }
        SaveAs::Toml => Format::Toml,
        SaveAs::Json => Format::Json,
    };
    let made = file::spec_of(observed);
    notes(&made.notes);
    let keys = Secrets::of(&made.spec);
    match secrets {
        Some(secrets) => file::write(secrets, &keys.to_text(own)).map_err(UseError::Store)?,
        None if !keys.is_empty() => cli::note("note: keys of hosts are left out: --secrets FILE saves them"),
        None => {}
    }
    put(path, to_stdout, &file::to_text(&made.spec, own))
}

fn put(
    path: &Path,
    to_stdout: bool,
    text: &nvmet_configfs::Value,
) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    if to_stdout {
        return Ok(cli::print(text.to_str().unwrap_or_default())?);
    }
    if let Some(folder) = path.parent().filter(|f| !f.as_os_str().is_empty()) {
        fs::create_dir_all(folder).map_err(|source| UseError::Folder { path: folder.to_owned(), source })?;
    }
    Ok(file::write(path, text).map_err(UseError::Store)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(text: &str) -> Result<Said, UseError> {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), text).unwrap();
        load(file.path(), None)
    }

    #[test]
    fn what_is_left_out_is_no_whole_file() {
        let whole = said(r#"{"hosts": [{"nqn": "h"}], "ports": [], "subsystems": []}"#).unwrap();
        assert!(whole.ensure_whole().is_ok() && !whole.hides_objects());
        // As tutorials have it.
        let port = r#"{"hosts": [{"nqn": "h"}], "ports": [{"id": 1, "addr": {"trtype": "tcp"}}]}"#;
        let part = said(port).unwrap();
        assert!(part.hides_objects());
        assert!(part.ensure_whole().unwrap_err().to_string().contains("target restore"));
    }

    #[test]
    fn a_host_is_not_let_in_for_want_of_a_key_that_can_be_used() {
        for keys in [r#""dhchap": {"key": "DHHC-1:00:hush:"}"#, r#""dhchap_key": "DHHC-1:00:hush:""#] {
            let error = said(&format!(r#"{{"hosts": [{{"nqn": "h", {keys}}}]}}"#)).unwrap_err().to_string();
            assert!(error.contains("without proving who it is") && !error.contains("hush"), "{error}");
        }
    }

    #[test]
    fn a_file_without_an_end_is_not_read_to_it() {
        let error = load(Path::new("/dev/zero"), None).unwrap_err();
        assert!(matches!(error, UseError::TooLong { .. }), "{error}");
        let file = tempfile::NamedTempFile::new().unwrap();
        let error = save(&Observed::default(), file.path(), SaveAs::Toml, Some(file.path())).unwrap_err();
        assert!(error.to_string().contains("--secrets"), "{error}");
    }
}
