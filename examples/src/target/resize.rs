//! Disks that have grown: the kernel looks again, and tells the hosts, which keep their connections.

use std::fs::File;
use std::io::{Seek, SeekFrom};
use std::path::Path;

use nvme_proto::{Nsid, SubsysNqn};
use nvmet_configfs::handle::{Namespace, Switch, Target};
use nvmet_configfs::{Errno, HandleError, Tree};
use serde_json::json;

use super::change::Output;
use crate::{cli, host};

/// Which disks.
#[derive(Clone, Debug, clap::Args)]
pub struct Resize {
    /// NQN of the subsystem
    #[arg(short, long, value_name = "NQN")]
    pub nqn: SubsysNqn,
    /// One namespace; without it, all that are enabled
    #[arg(long, value_name = "N")]
    pub nsid: Option<Nsid>,
}

/// A namespace that was looked at again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resized {
    /// Directory name of the namespace.
    pub namespace: String,
    /// The device or file.
    pub device: String,
    /// Bytes, as far as this process can tell: the device may be another one in its mount namespace.
    pub bytes: Option<u64>,
}

/// Has the kernel look again at the sizes of the devices of a subsystem.
///
/// # Errors
/// The subsystem or the namespace is not there; the namespace that is named is disabled (`EINVAL`).
pub fn resize(tree: &dyn Tree, which: &Resize) -> Result<Vec<Resized>, HandleError> {
    let subsystem = Target::new(tree).subsystem(&which.nqn);
    if let Some(nsid) = which.nsid {
        return Ok(vec![one(&subsystem.namespace(nsid))?]);
    }
    let mut resized = Vec::new();
    for namespace in subsystem.namespaces()? {
        if namespace.state()? == Switch::On {
            resized.push(one(&namespace)?);
        }
    }
    Ok(resized)
}

fn one(namespace: &Namespace<'_>) -> Result<Resized, HandleError> {
    namespace.revalidate_size()?;
    let device = namespace.device_path()?.map(|device| device.to_string()).unwrap_or_default();
    let name = namespace.path().file_name().map(|name| name.to_string()).unwrap_or_default();
    Ok(Resized { namespace: name, bytes: size(Path::new(&device)), device })
}

/// Bytes of a file or block device.
fn size(path: &Path) -> Option<u64> {
    File::open(path).ok()?.seek(SeekFrom::End(0)).ok()
}

/// Does it, and says of which disks.
///
/// # Errors
/// As [`resize`]; and that there was nothing to do, since the subsystem has no enabled namespace.
pub fn run(tree: &dyn Tree, which: &Resize, output: Output) -> cli::Outcome {
    let resized = resize(tree, which).map_err(|error| match &error {
        HandleError::Tree(cause) if cause.errno() == Errno::ENOENT => {
            cli::failure(format!("there is no such namespace or subsystem: {}", cli::explain(&error)))
        }
        _ => error.into(),
    })?;
    if output == Output::Json {
        let one = |r: &Resized| json!({"namespace": r.namespace, "device": r.device, "bytes": r.bytes});
        let all: Vec<_> = resized.iter().map(one).collect();
        return cli::print_json(
            &json!({"version": host::JSON_VERSION, "subsystem": which.nqn.as_str(), "namespaces": all}),
        );
    }
    if resized.is_empty() {
        return Err(cli::failure(format!("{} has no enabled namespace", which.nqn)));
    }
    for Resized { namespace, device, bytes } in &resized {
        let size = bytes.map_or_else(|| "of unknown size".to_owned(), |bytes| format!("{bytes} bytes"));
        cli::print(&format!("hosts are told the size of namespace {namespace}: {device}, {size}"))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use nvmet_configfs::{
        FakeKernel, FakeTree, NamespaceSpec, Policy, SubsystemSpec, TargetSpec, dump, reconcile,
    };

    use super::*;

    #[test]
    fn enabled_namespaces_are_looked_at_and_nothing_changes() {
        let tree = FakeTree::new(FakeKernel::V6_12);
        let disk = || NamespaceSpec::new("/dev/ram0".parse().unwrap());
        let nsid = |n| Nsid::new(n).unwrap();
        let subsystem =
            SubsystemSpec::any_host().namespace(nsid(1), disk()).namespace(nsid(2), disk().disabled());
        let nqn: SubsysNqn = "s".parse().unwrap();
        reconcile(&tree, &TargetSpec::new().subsystem(nqn.clone(), subsystem), &Policy::default()).unwrap();
        let before = dump(&tree).unwrap();
        let on = |nsid| resize(&tree, &Resize { nqn: nqn.clone(), nsid });
        for which in [None, Some(nsid(1))] {
            let [one] = &*on(which).unwrap() else { panic!("one is enabled") };
            assert_eq!((&*one.namespace, &*one.device), ("1", "/dev/ram0"));
        }
        assert!(on(Some(nsid(2))).unwrap_err().to_string().contains("while the namespace is enabled"));
        let HandleError::Tree(none) = on(Some(nsid(3))).unwrap_err() else { panic!("there is no third") };
        assert_eq!(none.errno(), Errno::ENOENT);
        assert_eq!(dump(&tree).unwrap(), before);
        assert!(run(&tree, &Resize { nqn: "t".parse().unwrap(), nsid: None }, Output::Text).is_err());
    }

    #[test]
    fn size_of_a_file() {
        let file = tempfile::NamedTempFile::new().unwrap();
        file.as_file().set_len(12345).unwrap();
        assert_eq!(size(file.path()), Some(12345));
        assert_eq!(size(Path::new("/there/is/none")), None);
    }
}
