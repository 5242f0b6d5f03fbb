//! What the kernel's error numbers mean here, and what to do: one table.
//!
//! nvmet answers most mistakes with `EINVAL` and says the reason, if at all, only in the kernel log. Each row below is
//! such an answer, seen on a real kernel, with the kernel function that gives it.

use crate::errno::Errno;
use crate::object::Object;
use crate::tree::{Op, RelPath};

/// What the target of a link has to be for a row to apply.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Target {
    Any,
    Host,
    Port,
}

struct Row {
    op: Op,
    object: Object,
    /// Last name of the path; empty for any.
    name: &'static str,
    target: Target,
    errno: Errno,
    hint: &'static str,
    /// The kernel function that answers so (`drivers/nvme/target/` unless it says otherwise).
    #[cfg_attr(not(test), allow(dead_code))]
    source: &'static str,
}

const fn row(
    op: Op,
    object: Object,
    name: &'static str,
    errno: Errno,
    hint: &'static str,
    source: &'static str,
) -> Row {
    Row { op, object, name, target: Target::Any, errno, hint, source }
}

const fn link(object: Object, target: Target, errno: Errno, hint: &'static str, source: &'static str) -> Row {
    Row { op: Op::Symlink, object, name: "", target, errno, hint, source }
}

/// The hint for a failure, if it is a known one. The first row that applies wins.
pub(crate) fn lookup(op: Op, path: &RelPath, target: Option<&RelPath>, errno: Errno) -> Option<&'static str> {
    let object = Object::of(path);
    let name = path.file_name();
    let target = target.map(Object::of);
    TABLE
        .iter()
        .find(|row| {
            row.op == op
                && row.object == object
                && row.errno == errno
                && (row.name.is_empty() || name.as_ref().is_some_and(|n| n.as_bytes() == row.name.as_bytes()))
                && match row.target {
                    Target::Any => true,
                    Target::Host => target == Some(Object::Host),
                    Target::Port => target == Some(Object::Port),
                }
        })
        .or_else(|| GENERAL.iter().find(|row| row.op == op && row.errno == errno))
        .map(|row| row.hint)
}

use Object as O;

const ROOT: &str = "only root can change the target (in `sudo echo 1 > file` it is not root who opens the file: use a root shell, or \
                    `echo 1 | sudo tee file`)";

#[rustfmt::skip]
const TABLE: &[Row] = &[
    // ---- objects ----
    row(Op::Mkdir, O::MisspeltNamespaces, "", Errno::EPERM,
        "the directory is called `namespaces` (plural) and the kernel makes it together with the subsystem",
        "fs/configfs/dir.c:configfs_mkdir"),
    row(Op::Mkdir, O::MisspeltNamespaces, "", Errno::ENOENT,
        "the directory is called `namespaces` (plural): make `namespaces/1`, not `namespace/1`",
        "fs/configfs/dir.c:configfs_lookup"),
    row(Op::Write, O::MisspeltNamespaces, "", Errno::ENOENT,
        "the directory is called `namespaces` (plural)", "fs/configfs/dir.c:configfs_lookup"),
    row(Op::Read, O::MisspeltNamespaces, "", Errno::ENOENT,
        "the directory is called `namespaces` (plural)", "fs/configfs/dir.c:configfs_lookup"),
    row(Op::Mkdir, O::Subsystem, "", Errno::EINVAL,
        "the discovery NQN cannot be a subsystem of its own: every enabled port serves discovery by itself",
        "configfs.c:nvmet_subsys_make"),
    row(Op::Mkdir, O::Subsystem, "", Errno::EEXIST,
        "a subsystem of this name exists; another tool may have made it just now", "fs/namei.c:filename_create"),
    row(Op::Mkdir, O::Namespace, "", Errno::EINVAL,
        "a namespace id is a number from 1 to 4294967294", "configfs.c:nvmet_ns_make"),
    row(Op::Mkdir, O::Namespace, "", Errno::ERANGE,
        "a namespace id is a number from 1 to 4294967294", "configfs.c:nvmet_ns_make"),
    row(Op::Mkdir, O::Namespace, "", Errno::ENOENT,
        "make the subsystem first", "fs/configfs/dir.c:configfs_lookup"),
    row(Op::Mkdir, O::Namespace, "", Errno::ENOMEM,
        "a subsystem holds at most 1024 namespaces, each id once under any spelling (since Linux 6.13)",
        "core.c:nvmet_ns_alloc"),
    row(Op::Mkdir, O::Port, "", Errno::EINVAL,
        "a port id is a number from 0 to 65535", "configfs.c:nvmet_ports_make"),
    row(Op::Mkdir, O::Port, "", Errno::EEXIST,
        "a port of this number exists; another tool may have made it just now", "fs/namei.c:filename_create"),
    row(Op::Mkdir, O::AnaGroup, "", Errno::EINVAL,
        "an ANA group id is a number from 2 to 127 (1 is always there)", "configfs.c:nvmet_ana_groups_make_group"),
    row(Op::Mkdir, O::AllowedHost, "", Errno::EPERM,
        "hosts are permitted by a link to `hosts/…`, not by a directory", "fs/configfs/dir.c:configfs_mkdir"),
    row(Op::Mkdir, O::Export, "", Errno::EPERM,
        "a subsystem is exported by a link to `subsystems/…`, not by a directory", "fs/configfs/dir.c:configfs_mkdir"),
    row(Op::Rmdir, O::Subsystem, "", Errno::EBUSY,
        "a port exports it: remove the links below `ports/*/subsystems` first", "fs/configfs/dir.c:configfs_detach_prep"),
    row(Op::Rmdir, O::Subsystem, "", Errno::ENOTEMPTY,
        "it still has namespaces or allowed hosts: remove them first", "fs/configfs/dir.c:configfs_detach_prep"),
    row(Op::Rmdir, O::Port, "", Errno::ENOTEMPTY,
        "it still exports subsystems or has referrals or ANA groups: remove them first",
        "fs/configfs/dir.c:configfs_detach_prep"),
    row(Op::Rmdir, O::Host, "", Errno::EBUSY,
        "a subsystem permits it: remove the links below `subsystems/*/allowed_hosts` first",
        "fs/configfs/dir.c:configfs_detach_prep"),
    row(Op::Rmdir, O::AnaGroup, "", Errno::EPERM,
        "ANA group 1 is made by the kernel and goes with its port", "fs/configfs/dir.c:configfs_rmdir"),

    // ---- subsystems ----
    row(Op::Write, O::SubsystemAttribute, "attr_allow_any_host", Errno::EINVAL,
        "0 or 1; 1 is refused while `allowed_hosts` holds a link", "configfs.c:nvmet_subsys_attr_allow_any_host_store"),
    row(Op::Write, O::SubsystemAttribute, "attr_serial", Errno::EINVAL,
        "1 to 20 printable ASCII characters, and fixed once a host has connected (recreate the subsystem to change it)",
        "configfs.c:nvmet_subsys_attr_serial_store"),
    row(Op::Write, O::SubsystemAttribute, "attr_model", Errno::EINVAL,
        "1 to 40 printable ASCII characters, and fixed once a host has connected (recreate the subsystem to change it)",
        "configfs.c:nvmet_subsys_attr_model_store"),
    row(Op::Write, O::SubsystemAttribute, "attr_version", Errno::EINVAL,
        "two or three decimal numbers with dots, and fixed once a host has connected or pass-through is enabled",
        "configfs.c:nvmet_subsys_attr_version_store"),
    row(Op::Write, O::SubsystemAttribute, "attr_firmware", Errno::EINVAL,
        "1 to 8 printable ASCII characters, and fixed once a host has connected", "configfs.c:nvmet_subsys_attr_firmware_store"),
    row(Op::Write, O::SubsystemAttribute, "attr_ieee_oui", Errno::EINVAL,
        "a number below 0x1000000, and fixed once a host has connected", "configfs.c:nvmet_subsys_attr_ieee_oui_store"),
    row(Op::Write, O::SubsystemAttribute, "attr_cntlid_min", Errno::EINVAL,
        "a decimal number from 1 to 65535, not above `attr_cntlid_max` (below it up to Linux 6.6)",
        "configfs.c:nvmet_subsys_attr_cntlid_min_store"),
    row(Op::Write, O::SubsystemAttribute, "attr_cntlid_max", Errno::EINVAL,
        "a decimal number from 1 to 65535, not below `attr_cntlid_min` (above it up to Linux 6.6)",
        "configfs.c:nvmet_subsys_attr_cntlid_max_store"),
    row(Op::Write, O::SubsystemAttribute, "attr_qid_max", Errno::EINVAL,
        "a decimal number from 1 to 128", "configfs.c:nvmet_subsys_attr_qid_max_store"),
    row(Op::Write, O::SubsystemAttribute, "attr_vendor_id", Errno::EINVAL,
        "a number from 0 to 0xffff", "configfs.c:nvmet_subsys_attr_vendor_id_store"),
    row(Op::Write, O::SubsystemAttribute, "attr_subsys_vendor_id", Errno::EINVAL,
        "a number from 0 to 0xffff", "configfs.c:nvmet_subsys_attr_subsys_vendor_id_store"),
    row(Op::Write, O::SubsystemAttribute, "attr_pi_enable", Errno::EINVAL,
        "0 or 1", "configfs.c:nvmet_subsys_attr_pi_enable_store"),
    row(Op::Write, O::SubsystemAttribute, "", Errno::ENOENT,
        "this kernel has no such attribute, or the subsystem is not there", "fs/configfs/dir.c:configfs_lookup"),

    // ---- namespaces ----
    row(Op::Write, O::NamespaceAttribute, "enable", Errno::EINVAL,
        "set `device_path` first; it must be a block device or a regular file that can do direct I/O (a file on tmpfs \
         needs `buffered_io`), and no character device", "core.c:nvmet_ns_enable, io-cmd-file.c:nvmet_file_ns_enable"),
    row(Op::Write, O::NamespaceAttribute, "enable", Errno::ENOENT,
        "`device_path` names nothing that is here: is the device there, and the path right for this process's mount \
         namespace?", "io-cmd-bdev.c:nvmet_bdev_ns_enable, io-cmd-file.c:nvmet_file_ns_enable"),
    row(Op::Write, O::NamespaceAttribute, "enable", Errno::ENOTDIR,
        "a part of `device_path` is not a directory", "io-cmd-bdev.c:nvmet_bdev_ns_enable"),
    row(Op::Write, O::NamespaceAttribute, "enable", Errno::EISDIR,
        "`device_path` is a directory: name a block device or a file", "io-cmd-file.c:nvmet_file_ns_enable"),
    row(Op::Write, O::NamespaceAttribute, "enable", Errno::EACCES,
        "the device is read-only, or lies on a mount with `nodev`", "io-cmd-bdev.c:nvmet_bdev_ns_enable"),
    row(Op::Write, O::NamespaceAttribute, "enable", Errno::EROFS,
        "the file lies on a read-only file system", "io-cmd-file.c:nvmet_file_ns_enable"),
    row(Op::Write, O::NamespaceAttribute, "enable", Errno::ENXIO,
        "the device node has no driver behind it", "io-cmd-bdev.c:nvmet_bdev_ns_enable"),
    row(Op::Write, O::NamespaceAttribute, "enable", Errno::EBUSY,
        "this namespace id is enabled already under another spelling (`01` beside `1`)", "core.c:nvmet_ns_enable"),
    row(Op::Write, O::NamespaceAttribute, "enable", Errno::EMFILE,
        "a subsystem has at most 1024 enabled namespaces", "core.c:nvmet_ns_enable"),
    row(Op::Write, O::NamespaceAttribute, "", Errno::EBUSY,
        "the namespace is enabled: write 0 to its `enable` first", "configfs.c:nvmet_ns_device_path_store"),
    row(Op::Write, O::NamespaceAttribute, "buffered_io", Errno::EINVAL,
        "0 or 1; refused while the namespace is enabled: write 0 to its `enable` first",
        "configfs.c:nvmet_ns_buffered_io_store"),
    row(Op::Write, O::NamespaceAttribute, "resv_enable", Errno::EINVAL,
        "0 or 1; refused while the namespace is enabled: write 0 to its `enable` first",
        "configfs.c:nvmet_ns_resv_enable_store"),
    row(Op::Write, O::NamespaceAttribute, "device_uuid", Errno::EINVAL,
        "a UUID is 36 characters, 8-4-4-4-12 hexadecimal digits", "configfs.c:nvmet_ns_device_uuid_store"),
    row(Op::Write, O::NamespaceAttribute, "device_nguid", Errno::EINVAL,
        "an NGUID is 32 hexadecimal digits", "configfs.c:nvmet_ns_device_nguid_store"),
    row(Op::Write, O::NamespaceAttribute, "ana_grpid", Errno::EINVAL,
        "an ANA group id is a number from 1 to 127", "configfs.c:nvmet_ns_ana_grpid_store"),
    row(Op::Write, O::NamespaceAttribute, "revalidate_size", Errno::EINVAL,
        "only 1 can be written, and only while the namespace is enabled", "configfs.c:nvmet_ns_revalidate_size_store"),
    row(Op::Write, O::NamespaceAttribute, "device_path", Errno::EINVAL,
        "a path must not be empty", "configfs.c:nvmet_ns_device_path_store"),
    row(Op::Write, O::NamespaceAttribute, "p2pmem", Errno::ENODEV,
        "0, 1 or the PCI address of a device with peer-to-peer memory", "drivers/pci/p2pdma.c:pci_p2pdma_enable_store"),
    row(Op::Write, O::NamespaceAttribute, "", Errno::ENOENT,
        "this kernel has no such attribute, or the namespace is not there", "fs/configfs/dir.c:configfs_lookup"),
    row(Op::Read, O::NamespaceAttribute, "revalidate_size", Errno::EACCES,
        "this attribute can only be written", "fs/configfs/file.c:__configfs_open_file"),

    // ---- permissions ----
    row(Op::Symlink, O::AllowedHost, "", Errno::EINVAL,
        "only a host (below `hosts/`) can be permitted, and only while `attr_allow_any_host` is 0",
        "configfs.c:nvmet_allowed_hosts_allow_link"),
    row(Op::Symlink, O::AllowedHost, "", Errno::EEXIST,
        "this host is permitted already, perhaps under another link name", "configfs.c:nvmet_allowed_hosts_allow_link"),
    row(Op::Symlink, O::AllowedHost, "", Errno::ENOENT,
        "the host is not defined: make `hosts/<host NQN>` first", "fs/configfs/symlink.c:get_target"),

    // ---- ports ----
    row(Op::Write, O::PortAttribute, "addr_trtype", Errno::EINVAL,
        "one of tcp, rdma, fc, loop (and pci since Linux 6.14), in lower case", "configfs.c:nvmet_addr_trtype_store"),
    row(Op::Write, O::PortAttribute, "addr_adrfam", Errno::EINVAL,
        "one of ipv4, ipv6, ib, fc, loop", "configfs.c:nvmet_addr_adrfam_store"),
    row(Op::Write, O::PortAttribute, "addr_traddr", Errno::EINVAL,
        "at most 255 bytes", "configfs.c:nvmet_addr_traddr_store"),
    row(Op::Write, O::PortAttribute, "addr_trsvcid", Errno::EINVAL,
        "at most 31 bytes", "configfs.c:nvmet_addr_trsvcid_store"),
    row(Op::Write, O::PortAttribute, "addr_tsas", Errno::EINVAL,
        "set `addr_trtype` first; on tcp it is none or tls1.3, the latter only if the kernel was built with TLS for the \
         target and its key ring existed when the port was made", "configfs.c:nvmet_addr_tsas_store"),
    row(Op::Write, O::PortAttribute, "addr_treq", Errno::EINVAL,
        "one of `not specified`, `required`, `not required`; the first is refused while `addr_tsas` is tls1.3",
        "configfs.c:nvmet_addr_treq_store"),
    row(Op::Write, O::PortAttribute, "param_inline_data_size", Errno::EINVAL,
        "a number of bytes; a negative one leaves it to the transport", "configfs.c:nvmet_param_inline_data_size_store"),
    row(Op::Write, O::PortAttribute, "param_max_queue_size", Errno::EINVAL,
        "a number of entries; a negative one leaves it to the transport", "configfs.c:nvmet_param_max_queue_size_store"),
    row(Op::Write, O::PortAttribute, "param_mdts", Errno::EINVAL,
        "a number from 0 to 255; the -1 it starts with cannot be written back", "configfs.c:nvmet_param_mdts_store"),
    row(Op::Write, O::PortAttribute, "param_pi_enable", Errno::EINVAL,
        "0 or 1", "configfs.c:nvmet_param_pi_enable_store"),
    row(Op::Write, O::PortAttribute, "", Errno::EACCES,
        "the port is in service: remove the links below its `subsystems` first", "configfs.c:nvmet_is_port_enabled"),
    row(Op::Write, O::PortAttribute, "", Errno::ENOENT,
        "this kernel has no such attribute, or the port is not there", "fs/configfs/dir.c:configfs_lookup"),
    row(Op::Write, O::ReferralAttribute, "addr_portid", Errno::EINVAL,
        "a port id is a number from 0 to 65535", "configfs.c:nvmet_addr_portid_store"),
    row(Op::Write, O::ReferralAttribute, "", Errno::EACCES,
        "the referral is enabled: write 0 to its `enable` first", "configfs.c:nvmet_is_port_enabled"),
    link(O::Export, Target::Host, Errno::EINVAL,
        "a host NQN cannot stand where a subsystem NQN is meant: export the subsystem, and permit the host by a link in \
         the subsystem's `allowed_hosts`", "configfs.c:nvmet_port_subsys_allow_link"),
    link(O::Export, Target::Port, Errno::EINVAL,
        "only a subsystem (below `subsystems/`) can be exported", "configfs.c:nvmet_port_subsys_allow_link"),
    row(Op::Symlink, O::Export, "", Errno::EINVAL,
        "the port cannot be taken into service: its `addr_trtype` must be set and its transport's module loadable \
         (modprobe nvmet-tcp), `addr_adrfam` must match `addr_traddr`, which must be a plain IP address, and \
         `addr_trsvcid` must be a port number; or the target of the link is no subsystem",
        "core.c:nvmet_enable_port, tcp.c:nvmet_tcp_add_port, configfs.c:nvmet_port_subsys_allow_link"),
    row(Op::Symlink, O::Export, "", Errno::EEXIST,
        "the port exports this subsystem already, perhaps under another link name",
        "configfs.c:nvmet_port_subsys_allow_link"),
    row(Op::Symlink, O::Export, "", Errno::ENOENT,
        "there is no such subsystem: make it first; if the name is a host NQN, it belongs in `allowed_hosts`",
        "fs/configfs/symlink.c:get_target"),
    row(Op::Symlink, O::Export, "", Errno::EADDRINUSE,
        "address and port number are taken: by another port of the target (`::` also takes `0.0.0.0`) or another program \
         (ss -ltnp shows which)", "tcp.c:nvmet_tcp_add_port"),
    row(Op::Symlink, O::Export, "", Errno::EADDRNOTAVAIL,
        "no interface of this machine has this address (ip addr shows those it has; 0.0.0.0 or :: listens on all)",
        "tcp.c:nvmet_tcp_add_port"),
    row(Op::Symlink, O::Export, "", Errno::EAFNOSUPPORT,
        "this kernel has no IPv6, or it is switched off", "tcp.c:nvmet_tcp_add_port"),
    row(Op::Symlink, O::Export, "", Errno::EACCES,
        "port numbers below 1024 need CAP_NET_BIND_SERVICE", "tcp.c:nvmet_tcp_add_port"),
    row(Op::Write, O::AnaGroupAttribute, "ana_state", Errno::EINVAL,
        "one of optimized, non-optimized, inaccessible, persistent-loss, change",
        "configfs.c:nvmet_ana_group_ana_state_store"),

    // ---- hosts ----
    row(Op::Write, O::HostAttribute, "dhchap_hash", Errno::EINVAL,
        "one of hmac(sha256), hmac(sha384), hmac(sha512)", "auth.c:nvmet_host_dhchap_hash_store"),
    row(Op::Write, O::HostAttribute, "dhchap_dhgroup", Errno::EINVAL,
        "one of null, ffdhe2048, ffdhe3072, ffdhe4096, ffdhe6144, ffdhe8192, as far as the kernel has the algorithm",
        "configfs.c:nvmet_host_dhchap_dhgroup_store"),
    row(Op::Write, O::HostAttribute, "dhchap_key", Errno::EINVAL,
        "a key starts with `DHHC-1:` and a number from 00 to 03", "auth.c:nvmet_auth_set_key"),
    row(Op::Write, O::HostAttribute, "dhchap_ctrl_key", Errno::EINVAL,
        "a key starts with `DHHC-1:` and a number from 00 to 03", "auth.c:nvmet_auth_set_key"),
    row(Op::Write, O::HostAttribute, "", Errno::ENOENT,
        "this kernel was built without authentication (CONFIG_NVME_TARGET_AUTH), or the host is not there",
        "configfs.c:nvmet_hosts_make_group"),

    // ---- pass-through ----
    row(Op::Write, O::PassthruAttribute, "admin_timeout", Errno::EINVAL, "a number", "configfs.c:nvmet_passthru_admin_timeout_store"),
    row(Op::Write, O::PassthruAttribute, "io_timeout", Errno::EINVAL, "a number", "configfs.c:nvmet_passthru_io_timeout_store"),
    row(Op::Write, O::PassthruAttribute, "", Errno::ENOENT,
        "this kernel was built without pass-through (CONFIG_NVME_TARGET_PASSTHRU), or the subsystem is not there",
        "configfs.c:nvmet_add_passthru_group"),
    row(Op::List, O::Passthru, "", Errno::ENOENT,
        "this kernel was built without pass-through (CONFIG_NVME_TARGET_PASSTHRU), or the subsystem is not there",
        "configfs.c:nvmet_add_passthru_group"),
    row(Op::Write, O::PassthruAttribute, "enable", Errno::EINVAL,
        "pass-through needs `device_path` set to an NVMe controller (/dev/nvme0) that no other subsystem exports, a \
         subsystem without namespaces, and must not be enabled already", "passthru.c:nvmet_passthru_ctrl_enable"),

    // ---- root ----
    row(Op::Write, O::RootAttribute, "discovery_nqn", Errno::ENOENT,
        "this kernel has only the well-known discovery NQN", "configfs.c:nvmet_root_discovery_nqn_store"),
    row(Op::Write, O::RootAttribute, "discovery_nqn", Errno::EINVAL,
        "no subsystem may have a name that starts with it, and a newline must not follow it",
        "configfs.c:nvmet_root_discovery_nqn_store"),
    row(Op::List, O::Root, "", Errno::ENOENT,
        "the target is not there: modprobe nvmet-tcp", "configfs.c:nvmet_init_configfs"),
];

#[rustfmt::skip]
const GENERAL: &[Row] = &[
    row(Op::Mkdir, O::Unknown, "", Errno::EPERM,
        "no objects can be made here: the kernel makes all directories itself but those below `hosts`, `subsystems`, \
         `namespaces`, `ports`, `referrals` and `ana_groups`", "fs/configfs/dir.c:configfs_mkdir"),
    row(Op::Mkdir, O::Unknown, "", Errno::EEXIST,
        "it is there already; another tool may have made it just now", "fs/namei.c:filename_create"),
    row(Op::Mkdir, O::Unknown, "", Errno::ENAMETOOLONG, "a name has at most 255 bytes", "fs/configfs/dir.c:configfs_lookup"),
    row(Op::Mkdir, O::Unknown, "", Errno::EACCES, ROOT, "fs/namei.c:may_create"),
    row(Op::Rmdir, O::Unknown, "", Errno::EACCES, ROOT, "fs/namei.c:may_delete"),
    row(Op::Symlink, O::Unknown, "", Errno::EACCES, ROOT, "fs/namei.c:may_create"),
    row(Op::Unlink, O::Unknown, "", Errno::EACCES, ROOT, "fs/namei.c:may_delete"),
    row(Op::Rmdir, O::Unknown, "", Errno::EPERM,
        "this directory was made by the kernel and goes with its parent", "fs/configfs/dir.c:configfs_rmdir"),
    row(Op::Rmdir, O::Unknown, "", Errno::EINTR,
        "interrupted by a signal; it can be tried again", "fs/configfs/dir.c:configfs_rmdir"),
    row(Op::Symlink, O::Unknown, "", Errno::EPERM,
        "links can only be made below `allowed_hosts` and a port's `subsystems`, to objects of this tree",
        "fs/configfs/symlink.c:configfs_symlink"),
    row(Op::Write, O::Unknown, "", Errno::EFAULT,
        "an empty value cannot be written (since Linux 5.15)", "fs/configfs/file.c:fill_write_buffer"),
    row(Op::Write, O::Unknown, "", Errno::EFBIG,
        "the kernel took only a part: a value has at most 4095 bytes", "fs/configfs/file.c:fill_write_buffer"),
    row(Op::Write, O::Unknown, "", Errno::EACCES, ROOT, "fs/namei.c:may_open"),
    row(Op::Unlink, O::Unknown, "", Errno::EPERM,
        "attributes cannot be removed, they go with their object", "fs/configfs/inode.c"),
    row(Op::Unlink, O::Unknown, "", Errno::EISDIR,
        "this is a directory: remove it as one", "fs/namei.c:do_unlinkat"),
];

#[cfg(test)]
mod tests {
    use super::*;

    fn hint(op: Op, path: &str, target: Option<&str>, errno: Errno) -> &'static str {
        let target = target.map(|t| RelPath::new(t).unwrap());
        lookup(op, &RelPath::new(path).unwrap(), target.as_ref(), errno).unwrap_or("")
    }

    #[test]
    fn every_row_names_its_source_and_can_be_reached() {
        for (i, row) in TABLE.iter().enumerate() {
            assert!(row.source.contains(".c"), "{}", row.source);
            assert!(!row.hint.ends_with('.'), "{}", row.hint);
            let shadow = TABLE[..i].iter().find(|earlier| {
                earlier.op == row.op
                    && earlier.object == row.object
                    && earlier.errno == row.errno
                    && (earlier.name.is_empty() || earlier.name == row.name)
                    && (earlier.target == Target::Any || earlier.target == row.target)
            });
            assert!(
                shadow.is_none(),
                "{:?} {:?} {} {:?} is shadowed",
                row.op,
                row.object,
                row.name,
                row.errno
            );
        }
    }

    #[test]
    fn explains_the_singular_directory() {
        assert!(hint(Op::Mkdir, "subsystems/mysub/namespace", None, Errno::EPERM).contains("plural"));
        assert!(
            hint(Op::Mkdir, "subsystems/mysub/namespace/1", None, Errno::ENOENT).contains("namespaces/1")
        );
        assert!(
            hint(Op::Write, "subsystems/mysub/namespace/1/enable", None, Errno::ENOENT).contains("plural")
        );
    }

    #[test]
    fn explains_namespaces() {
        let enable = "subsystems/mysub/namespaces/1/enable";
        assert!(hint(Op::Write, enable, None, Errno::EINVAL).contains("device_path"));
        assert!(hint(Op::Write, enable, None, Errno::ENOENT).contains("names nothing"));
        assert!(hint(Op::Write, enable, None, Errno::EISDIR).contains("directory"));
        let path = "subsystems/mysub/namespaces/1/device_path";
        assert!(hint(Op::Write, path, None, Errno::EBUSY).contains("enable"));
        assert!(
            hint(Op::Write, "subsystems/mysub/namespaces/1/buffered_io", None, Errno::EINVAL)
                .contains("enabled")
        );
        assert!(hint(Op::Mkdir, "subsystems/mysub/namespaces/0", None, Errno::EINVAL).contains("4294967294"));
    }

    #[test]
    fn explains_a_host_nqn_in_place_of_a_subsystem_nqn() {
        let link = "ports/1/subsystems/h";
        assert!(hint(Op::Symlink, link, Some("hosts/h"), Errno::EINVAL).contains("host NQN cannot stand"));
        assert!(hint(Op::Symlink, link, Some("subsystems/h"), Errno::ENOENT).contains("allowed_hosts"));
        assert!(hint(Op::Symlink, link, Some("ports/1"), Errno::EINVAL).contains("only a subsystem"));
    }

    #[test]
    fn explains_ports() {
        let link = "ports/1/subsystems/s";
        let to = Some("subsystems/s");
        assert!(hint(Op::Symlink, link, to, Errno::EINVAL).contains("modprobe nvmet-tcp"));
        assert!(hint(Op::Symlink, link, to, Errno::EADDRINUSE).contains("taken"));
        assert!(hint(Op::Symlink, link, to, Errno::EADDRNOTAVAIL).contains("0.0.0.0"));
        assert!(hint(Op::Write, "ports/1/addr_traddr", None, Errno::EACCES).contains("in service"));
        assert!(hint(Op::Rmdir, "ports/1", None, Errno::ENOTEMPTY).contains("exports"));
    }

    #[test]
    fn explains_what_holds_everywhere_and_keeps_quiet_otherwise() {
        assert!(hint(Op::Mkdir, "ports/1/x", None, Errno::EPERM).contains("no objects"));
        assert!(hint(Op::Write, "ports/1/addr_traddr", None, Errno::EFAULT).contains("empty"));
        assert_eq!(hint(Op::List, "ports/1", None, Errno::EIO), "");
    }
}
