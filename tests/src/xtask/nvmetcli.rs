//! nvmetcli for guests: Debian's package, and the parts of Python that it imports.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use nvme_examples::vm::tools::{self, Tool};
use nvme_examples::vm::{Guest, packages};

use super::steps::StepError;
use super::workspace::{root, run};
use crate::guest::Case;

/// Debian's, whatever other one is on `PATH`.
const PYTHON: &str = "/usr/bin/python3";
const PACKAGES: &[&str] = &["nvmetcli", "python3-configshell-fb", "python3-pyparsing"];
/// Files of cases that run it.
const CASES: [&str; 2] = ["configfs_nvmetcli::", "configfs_scale::"];
const GATHER: &str = include_str!("gather.py");

/// Everything of nvmetcli, ready to be copied.
#[derive(Debug)]
pub(crate) struct Nvmetcli {
    program: PathBuf,
    /// Modules, each at its place below this folder.
    modules: PathBuf,
}

impl Nvmetcli {
    /// Fetches it when one of these cases runs it.
    pub(crate) fn if_wanted(cases: &[Case]) -> Result<Option<Self>, StepError> {
        let runs_it = |case: &Case| CASES.iter().any(|file| case.name.starts_with(file));
        if cases.iter().any(runs_it) { Self::prepare().map(Some) } else { Ok(None) }
    }

    fn prepare() -> Result<Self, StepError> {
        let mut progress = |line: &str| println!("{line}");
        tools::ensure(&[Tool::new(PYTHON, "python3")], &mut progress)?;
        let unpacked = packages::prepare("nvmetcli", PACKAGES, &mut progress)?;
        let program = unpacked.join("usr/bin/nvmetcli");
        let folder = root().join("target/guest/nvmetcli");
        if folder.exists() {
            fs::remove_dir_all(&folder)?;
        }
        let (script, modules) = (folder.join("gather.py"), folder.join("modules"));
        fs::create_dir_all(&modules)?;
        fs::write(&script, GATHER)?;
        let mut gather = Command::new(PYTHON);
        gather.arg("-I").arg(&script).arg(&program);
        gather.arg(unpacked.join("usr/lib/python3/dist-packages")).arg(&modules);
        run(&mut gather)?;
        Ok(Self { program, modules })
    }

    /// Puts it into a guest.
    pub(crate) fn add_to(&self, guest: Guest) -> Result<Guest, StepError> {
        let guest = guest.program(PYTHON, PYTHON).file("/usr/bin/nvmetcli", &self.program);
        add(guest, &self.modules, "")
    }
}

fn add(mut guest: Guest, folder: &Path, place: &str) -> Result<Guest, StepError> {
    let mut paths =
        fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect::<std::io::Result<Vec<_>>>()?;
    paths.sort();
    for path in paths {
        let place = format!("{place}/{}", path.file_name().unwrap_or_default().to_string_lossy());
        guest = if path.is_dir() {
            add(guest, &path, &place)?
        } else if path.extension().is_some_and(|extension| extension == "so") {
            guest.program(place, path)
        } else {
            guest.file(place, path)
        };
    }
    Ok(guest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cases;

    #[test]
    fn is_fetched_only_for_cases_that_run_it() {
        assert!(Nvmetcli::if_wanted(&[Case::new("smoke::a", |_| Ok(()))]).unwrap().is_none());
        for file in CASES {
            assert!(cases::all().iter().any(|case| case.name.starts_with(file)), "{file} has no cases");
        }
    }
}
