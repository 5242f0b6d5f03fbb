//! A whole tree as text.

use std::fmt::Write as _;

use crate::attr;
use crate::tree::{NodeKind, RelPath, Tree, TreeError};

/// Every path and value of a tree as text, one a line and sorted: for looking at it and for comparing two states.
///
/// ```text
/// ports/1/addr_traddr = 192.0.2.10
/// ports/1/subsystems/mysub -> subsystems/mysub
/// ```
///
/// Directories end with a slash. Secrets (`dhchap_key`, `dhchap_ctrl_key`) show their length only; attributes that
/// cannot be read show the error's name.
///
/// # Errors
/// The first listing or link that cannot be read.
pub fn dump(tree: &dyn Tree) -> Result<String, TreeError> {
    let mut out = String::new();
    walk(tree, &RelPath::root(), &mut out)?;
    Ok(out)
}

// Writing to a String cannot fail, so its results are dropped.
fn walk(tree: &dyn Tree, dir: &RelPath, out: &mut String) -> Result<(), TreeError> {
    for entry in tree.list(dir)? {
        let path = dir.join(&entry.name);
        match entry.kind {
            NodeKind::Dir => {
                let _ = writeln!(out, "{path}/");
                walk(tree, &path, out)?;
            }
            NodeKind::Link => {
                let target = tree.read_link(&path)?;
                let _ = writeln!(out, "{path} -> {}", link_text(&target));
            }
            NodeKind::Attr => {
                let _ = match tree.read(&path) {
                    Ok(value) if attr::is_secret(&entry.name) => {
                        writeln!(out, "{path} = (secret, {} bytes)", value.trim_ascii_end().len())
                    }
                    Ok(value) => writeln!(out, "{path} = {}", text(&value)),
                    Err(e) => writeln!(out, "{path} ! {:?}", e.errno()),
                };
            }
        }
    }
    Ok(())
}

/// The last two names of a link's target, which say what it is whatever the root.
fn link_text(target: &[u8]) -> String {
    let parts: Vec<&[u8]> = target.split(|b| *b == b'/').collect();
    text(&parts.get(parts.len().saturating_sub(2)..).unwrap_or_default().join(&b'/'))
}

fn text(value: &[u8]) -> String {
    String::from_utf8_lossy(value.strip_suffix(b"\n").unwrap_or(value)).escape_debug().to_string()
}
