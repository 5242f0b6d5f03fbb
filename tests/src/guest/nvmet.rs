//! The kernel target's tree: as text to compare, and emptied by force after a case that left something.

use std::fmt::Write as _;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::failure::Failure;

/// Where the target's tree is.
pub const ROOT: &str = "/sys/kernel/config/nvmet";

/// The whole tree below `root`, one line for each directory, link and attribute, sorted by path.
pub fn dump(root: &Path) -> Result<String, Failure> {
    let mut text = String::new();
    if root.is_dir() {
        dump_folder(root, "", &mut text)?;
    }
    Ok(text)
}

fn dump_folder(folder: &Path, below: &str, text: &mut String) -> Result<(), Failure> {
    for (name, path) in entries(folder)? {
        let shown = format!("{below}{name}");
        let kind = fs::symlink_metadata(&path)?.file_type();
        if kind.is_symlink() {
            let _ = writeln!(text, "{shown} -> {}", fs::read_link(&path)?.display());
        } else if kind.is_dir() {
            let _ = writeln!(text, "{shown}/");
            dump_folder(&path, &format!("{shown}/"), text)?;
        } else {
            // Some attributes can only be written, others refuse to be read in some states: that is part of the picture.
            match fs::read(&path) {
                Ok(value) => {
                    let _ = writeln!(text, "{shown}={}", String::from_utf8_lossy(&value).trim_end());
                }
                Err(error) => {
                    let _ = writeln!(text, "{shown}: {:?}", error.raw_os_error());
                }
            }
        }
    }
    Ok(())
}

fn entries(folder: &Path) -> Result<Vec<(String, PathBuf)>, Failure> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        found.push((entry.file_name().to_string_lossy().into_owned(), entry.path()));
    }
    found.sort();
    Ok(found)
}

/// Subsystems, ports and hosts that exist, such as `subsystems/mysub`.
pub fn objects(root: &Path) -> Result<Vec<String>, Failure> {
    let mut found = Vec::new();
    for kind in ["hosts", "ports", "subsystems"] {
        let folder = root.join(kind);
        if folder.is_dir() {
            found.extend(entries(&folder)?.into_iter().map(|(name, _)| format!("{kind}/{name}")));
        }
    }
    Ok(found)
}

/// Removes everything, in the order the kernel wants it: links, ports, namespaces, subsystems, hosts.
pub fn empty(root: &Path) -> Result<(), Failure> {
    for port in folders(&root.join("ports"))? {
        unlink_all(&port.join("subsystems"))?;
        for folder in ["referrals", "ana_groups"] {
            for inner in folders(&port.join(folder))? {
                // Group 1 always exists and goes with its port.
                if !inner.ends_with("ana_groups/1") {
                    removed(&inner)?;
                }
            }
        }
        removed(&port)?;
    }
    for subsystem in folders(&root.join("subsystems"))? {
        for namespace in folders(&subsystem.join("namespaces"))? {
            // Writing 0 to one that is off already may be refused; what counts is that it can be removed.
            let _ = fs::write(namespace.join("enable"), "0");
            removed(&namespace)?;
        }
        unlink_all(&subsystem.join("allowed_hosts"))?;
        removed(&subsystem)?;
    }
    for host in folders(&root.join("hosts"))? {
        removed(&host)?;
    }
    Ok(())
}

fn folders(folder: &Path) -> Result<Vec<PathBuf>, Failure> {
    match folder.is_dir() {
        true => Ok(entries(folder)?.into_iter().map(|(_, path)| path).filter(|path| path.is_dir()).collect()),
        false => Ok(Vec::new()),
    }
}

fn unlink_all(folder: &Path) -> Result<(), Failure> {
    if folder.is_dir() {
        for (_, path) in entries(folder)? {
            fs::remove_file(&path).map_err(|error| failed("unlink", &path, error))?;
        }
    }
    Ok(())
}

fn removed(folder: &Path) -> Result<(), Failure> {
    fs::remove_dir(folder).map_err(|error| failed("rmdir", folder, error))
}

fn failed(verb: &str, path: &Path, error: io::Error) -> Failure {
    Failure::from(error).while_doing(format_args!("{verb} {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dump_is_sorted_and_shows_links() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir_all(dir.path().join("subsystems/b/namespaces")).unwrap();
        fs::create_dir_all(dir.path().join("subsystems/a")).unwrap();
        fs::write(dir.path().join("subsystems/a/attr"), "1\n").unwrap();
        std::os::unix::fs::symlink("../x", dir.path().join("subsystems/link")).unwrap();
        let wanted = "subsystems/\nsubsystems/a/\nsubsystems/a/attr=1\nsubsystems/b/\nsubsystems/b/namespaces/\n\
                      subsystems/link -> ../x\n";
        assert_eq!(dump(dir.path()).unwrap(), wanted);
        assert_eq!(objects(dir.path()).unwrap(), ["subsystems/a", "subsystems/b", "subsystems/link"]);
        assert_eq!(dump(&dir.path().join("absent")).unwrap(), "");
    }
}
