//! The check, on trees of files that look like machines.

use std::fs::{create_dir_all, write};
use std::path::Path;

use super::*;
use crate::errno::Errno;

const RELEASE: &str = "6.12.107+deb13-cloud-amd64";

fn put(root: &Path, path: &str, text: &str) {
    let path = root.join(path);
    create_dir_all(path.parent().unwrap()).unwrap();
    write(path, text).unwrap();
}

/// A machine with the modules of Debian's kernel on disk, none loaded, configfs not mounted.
fn machine() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path();
    put(root, "proc/sys/kernel/osrelease", &format!("{RELEASE}\n"));
    create_dir_all(root.join("sys/module")).unwrap();
    let dep = "kernel/fs/configfs/configfs.ko.xz:\n\
               kernel/drivers/nvme/target/nvmet.ko.xz: kernel/fs/configfs/configfs.ko.xz\n\
               kernel/drivers/nvme/target/nvmet-tcp.ko.xz: kernel/drivers/nvme/target/nvmet.ko.xz\n";
    put(root, &format!("lib/modules/{RELEASE}/modules.dep"), dep);
    put(root, &format!("lib/modules/{RELEASE}/modules.builtin"), "kernel/fs/ext4/ext4.ko\n");
    dir
}

fn load(root: &Path, module: &str) {
    create_dir_all(root.join("sys/module").join(module)).unwrap();
}

fn texts(report: &Report) -> Vec<String> {
    report.problems(Module::NvmetTcp).iter().map(ToString::to_string).collect()
}

#[test]
fn says_what_to_do_in_order_on_a_bare_machine() {
    let dir = machine();
    let report = check(&Roots::below(dir.path()));
    assert_eq!(report.release.as_deref(), Some(RELEASE));
    assert_eq!((report.configfs, report.nvmet), (Configfs::NotMounted, Nvmet::NotLoaded));
    assert_eq!(report.modules[&Module::NvmetTcp], ModuleState::Available);
    assert_eq!(report.modules[&Module::NvmetRdma], ModuleState::Missing);
    let texts = texts(&report);
    assert!(texts[0].starts_with("configfs is not mounted: mount -t configfs none "), "{texts:?}");
    assert_eq!(texts[1..], ["nvmet-tcp is not loaded: modprobe nvmet-tcp"]);
    assert!(report.is_ready_for(Module::NvmetTcp), "it can be loaded");
    assert!(!report.is_ready_for(Module::NvmetRdma));
    assert!(report.problems(Module::NvmetRdma)[1].to_string().contains("linux-image-6.12"));
    assert_eq!(report.capabilities, Capabilities::default());
}

#[test]
fn a_loaded_target_without_configfs_is_hidden() {
    let dir = machine();
    for module in ["configfs", "nvmet", "nvmet_tcp"] {
        load(dir.path(), module);
    }
    let report = check(&Roots::below(dir.path()));
    assert_eq!(report.nvmet, Nvmet::Hidden);
    assert_eq!(texts(&report).len(), 1);
}

#[test]
fn abilities_are_known_once_an_object_shows_them() {
    let dir = machine();
    for module in ["configfs", "nvmet", "nvmet_tcp"] {
        load(dir.path(), module);
    }
    let nvmet = "sys/kernel/config/nvmet";
    for group in ["hosts", "subsystems", "ports"] {
        create_dir_all(dir.path().join(nvmet).join(group)).unwrap();
    }
    let report = check(&Roots::below(dir.path()));
    assert!(report.problems(Module::NvmetTcp).is_empty());
    assert_eq!(report.capabilities.unique_discovery_nqn, Presence::No);
    assert_eq!(report.capabilities.passthru, Presence::Unknown);
    assert!(report.to_string().contains("pass-through: unknown until"), "{report}");

    put(dir.path(), &format!("{nvmet}/subsystems/s/passthru/enable"), "0\n");
    put(dir.path(), &format!("{nvmet}/subsystems/s/namespaces/1/enable"), "0\n");
    put(dir.path(), &format!("{nvmet}/ports/1/addr_tsas"), "\n");
    let now = check(&Roots::below(dir.path())).capabilities;
    assert_eq!((now.passthru, now.reservations, now.tls), (Presence::Yes, Presence::No, Presence::Yes));
    assert_eq!(now.authentication, Presence::Unknown);
}

#[test]
fn built_in_modules_need_no_loading() {
    let dir = machine();
    let builtin = "kernel/drivers/nvme/target/nvmet.ko\nkernel/drivers/nvme/target/nvmet-tcp.ko\n";
    put(dir.path(), &format!("lib/modules/{RELEASE}/modules.builtin"), builtin);
    let report = check(&Roots::below(dir.path()));
    assert_eq!(report.modules[&Module::NvmetTcp], ModuleState::BuiltIn);
    assert_eq!(texts(&report).len(), 1, "only configfs is missing");
}

#[test]
fn loading_passes_on_what_modprobe_says() {
    // Programs that are everywhere stand for modprobe, called with `-- nvmet-tcp`.
    load_module_with(Path::new("/bin/true"), Module::NvmetTcp).unwrap();
    let error = load_module_with(Path::new("/bin/ls"), Module::NvmetTcp).unwrap_err();
    assert!(matches!(error, LoadError::Refused { .. }));
    assert!(error.to_string().contains("nvmet-tcp"), "{error}");
    assert!(error.to_string().contains("No such file"), "{error}");
    let error = load_module_with(Path::new("/nowhere/modprobe"), Module::Nvmet).unwrap_err();
    assert!(matches!(error, LoadError::Run { source: Errno::ENOENT, .. }), "{error}");
}

#[test]
fn an_ordinary_directory_is_not_a_mount_of_configfs() {
    let dir = machine();
    create_dir_all(dir.path().join("sys/kernel/config/nvmet/subsystems")).unwrap();
    let roots = Roots { magic: MagicCheck::Required, ..Roots::below(dir.path()) };
    let report = check(&roots);
    assert_eq!(report.configfs, Configfs::NotMounted);
}
