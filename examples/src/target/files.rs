//! Files that describe a target.

use std::fs;
use std::path::{Path, PathBuf};

use clap::ValueEnum;
use nvmet_configfs::file::{self, FileError, Format, Secrets, StoreError};
use nvmet_configfs::nvmetcli::{Document, Note};
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
        source: std::io::Error,
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

fn read(path: &Path) -> Result<Vec<u8>, UseError> {
    fs::read(path).map_err(|source| UseError::Read { path: path.to_owned(), source })
}

fn notes(notes: &[Note]) {
    for note in notes {
        cli::note(&format!("note: {note}"));
    }
}

/// The target that a file describes, with keys of hosts from another one. What of a file is not used is said on stderr.
///
/// # Errors
/// [`UseError`].
pub fn load(path: &Path, secrets: Option<&Path>) -> Result<TargetSpec, UseError> {
    let parse = |path: &Path| {
        let path = path.to_owned();
        move |source| UseError::Parse { path, source }
    };
    let loaded = file::parse(&read(path)?).map_err(parse(path))?;
    notes(&loaded.notes);
    let mut spec = loaded.spec;
    if let Some(secrets) = secrets {
        for host in Secrets::parse(&read(secrets)?).map_err(parse(secrets))?.add_to(&mut spec) {
            cli::note(&format!(
                "note: {} has keys of {host}, which the target does not define",
                secrets.display()
            ));
        }
    }
    Ok(spec)
}

/// The format of a file by its name, when nobody says: `.toml` is ours, all else nvmetcli's.
pub fn format_of(path: &Path) -> SaveAs {
    if path.extension().is_some_and(|e| e == "toml") { SaveAs::Toml } else { SaveAs::Nvmetcli }
}

/// Saves a target, privately and at once; `-` is standard output.
///
/// # Errors
/// [`UseError::Store`].
pub fn save(
    observed: &Observed,
    path: &Path,
    format: SaveAs,
    secrets: Option<&Path>,
) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let to_stdout = path == Path::new("-");
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
        fs::create_dir_all(folder).map_err(|source| UseError::Read { path: folder.to_owned(), source })?;
    }
    Ok(file::write(path, text).map_err(UseError::Store)?)
}
