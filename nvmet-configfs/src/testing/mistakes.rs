//! The mistakes that people make, each once: what a tree answers to them.

use super::Must;
use crate::tree::{RelPath, Tree, TreeError};

/// An operation, and what the tree answered.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Mistake {
    /// The operation as a line: `mkdir ports/1`, `write ports/1/addr_trtype TCP`, `link L -> T`.
    pub line: String,
    /// The answer.
    pub result: Result<(), TreeError>,
}

/// One operation a line. Values are what is behind the path, with `\n` for a line break.
const SCRIPT: &str = "\
mkdir other
mkdir hosts/h
mkdir hosts/h
mkdir subsystems/s
mkdir subsystems/s
mkdir subsystems/nqn.2014-08.org.nvmexpress.discovery
mkdir subsystems/none/namespaces/1
mkdir subsystems/s/namespace
mkdir subsystems/s/namespace/1
write subsystems/s/namespace/1/enable 1
read subsystems/s/namespace/1/enable
mkdir subsystems/s/allowed_hosts/h
mkdir subsystems/s/namespaces/0
mkdir subsystems/s/namespaces/4294967296
mkdir subsystems/s/namespaces/1
rmdir subsystems/s
rmdir subsystems/s/namespaces
rmdir subsystems/s/attr_model
rmdir subsystems/none
unlink subsystems/s/attr_model
unlink subsystems/s/namespaces
write subsystems/s/attr_nosuch 1
write subsystems/s/attr_model \\n
write subsystems/s/attr_serial 012345678901234567890
write subsystems/s/attr_version 1
write subsystems/s/attr_firmware 123456789
write subsystems/s/attr_ieee_oui 0x1000000
write subsystems/s/attr_ieee_oui 4294967296
write subsystems/s/attr_cntlid_min 0
write subsystems/s/attr_cntlid_max 0
write subsystems/s/attr_qid_max 129
write subsystems/s/attr_vendor_id 65536
write subsystems/s/attr_subsys_vendor_id x
write subsystems/s/attr_pi_enable 2
write subsystems/s/attr_allow_any_host 2
write subsystems/s/passthru/admin_timeout x
write subsystems/s/passthru/io_timeout x
write subsystems/s/passthru/clear_ids x
write subsystems/s/passthru/device_path \\n
write subsystems/s/passthru/enable 1
write subsystems/s/passthru/device_path /dev/nothing
write subsystems/s/passthru/enable 1
read subsystems/s/namespaces/1/revalidate_size
write subsystems/s/namespaces/1/revalidate_size 1
write subsystems/s/namespaces/1/enable 1
write subsystems/s/namespaces/1/enable 2
write subsystems/s/namespaces/1/device_path \\n
write subsystems/s/namespaces/1/device_path /dev/nothing
write subsystems/s/namespaces/1/enable 1
write subsystems/s/namespaces/1/device_path /dev/ram0/below
write subsystems/s/namespaces/1/enable 1
write subsystems/s/namespaces/1/device_path /dev
write subsystems/s/namespaces/1/enable 1
write subsystems/s/namespaces/1/device_path /dev/null
write subsystems/s/namespaces/1/enable 1
write subsystems/s/namespaces/1/device_uuid 1b4e28ba2fa111d2883f0016d3ccabcd
write subsystems/s/namespaces/1/device_nguid 01:23
write subsystems/s/namespaces/1/buffered_io 2
write subsystems/s/namespaces/1/resv_enable 2
write subsystems/s/namespaces/1/ana_grpid 0
write subsystems/s/namespaces/1/ana_grpid 4294967296
write subsystems/s/namespaces/1/attr_nosuch 1
write subsystems/s/namespaces/1/device_path /dev/ram0
write subsystems/s/namespaces/1/enable 1
write subsystems/s/namespaces/1/device_path /dev/ram1
write subsystems/s/namespaces/1/device_uuid 1b4e28ba-2fa1-11d2-883f-0016d3ccabcd
write subsystems/s/namespaces/1/buffered_io 1
write subsystems/s/namespaces/1/resv_enable 1
mkdir subsystems/s/namespaces/01
write subsystems/s/namespaces/01/device_path /dev/ram1
write subsystems/s/namespaces/01/enable 1
link subsystems/s/allowed_hosts/none -> hosts/none
link subsystems/s/allowed_hosts/s -> subsystems/s
link subsystems/s/allowed_hosts/h -> hosts/h
link subsystems/s/allowed_hosts/again -> hosts/h
write subsystems/s/attr_allow_any_host 1
rmdir hosts/h
mkdir ports/1
mkdir ports/1
mkdir ports/65536
mkdir ports/1/other
mkdir ports/1/subsystems/s
mkdir ports/1/ana_groups/129
mkdir ports/1/ana_groups/4294967296
rmdir ports/1/ana_groups/1
write ports/1/ana_groups/1/ana_state Optimized
write ports/1/addr_nosuch 1
write ports/1/addr_trtype TCP
write ports/1/addr_adrfam IPv4
write ports/1/addr_treq never
write ports/1/addr_tsas none
write ports/1/addr_trsvcid 01234567890123456789012345678901x
write ports/1/param_inline_data_size x
write ports/1/param_max_queue_size x
write ports/1/param_mdts 256
write ports/1/param_pi_enable 2
write ports/1/addr_traddr \\n
link ports/1/subsystems/s -> subsystems/s
link ports/1/subsystems/h -> hosts/h
link ports/1/subsystems/p -> ports/1
link ports/1/subsystems/none -> subsystems/none
link ports/1/subsystems/file -> subsystems/s/attr_model
link hosts/link -> hosts/h
write ports/1/addr_trtype tcp
write ports/1/addr_adrfam ipv4
write ports/1/addr_traddr 192.0.2.77
write ports/1/addr_trsvcid 4420
link ports/1/subsystems/s -> subsystems/s
write ports/1/addr_traddr 127.0.0.1
link ports/1/subsystems/s -> subsystems/s
link ports/1/subsystems/again -> subsystems/s
write ports/1/addr_traddr 127.0.0.2
write ports/1/addr_trtype tcp
rmdir subsystems/s
rmdir ports/1
mkdir ports/2
write ports/2/addr_trtype tcp
write ports/2/addr_adrfam ipv4
write ports/2/addr_traddr 127.0.0.1
write ports/2/addr_trsvcid 4420
link ports/2/subsystems/s -> subsystems/s
mkdir ports/2/referrals/r
write ports/2/referrals/r/addr_trtype TCP
write ports/2/referrals/r/addr_adrfam IPv4
write ports/2/referrals/r/addr_treq never
write ports/2/referrals/r/addr_portid 65536
write ports/2/referrals/r/addr_nosuch 1
write ports/2/referrals/r/enable 2
write ports/2/referrals/r/enable 1
write ports/2/referrals/r/addr_traddr 192.0.2.1
write ports/2/referrals/r/addr_portid 1
rmdir ports/2
write hosts/h/dhchap_hash sha256
write hosts/h/dhchap_dhgroup none
write hosts/h/dhchap_key secret
write hosts/h/dhchap_ctrl_key DHHC-1:04:x
";

/// Makes the mistakes on a tree that is empty, on a machine with `/dev/ram0` and `/dev/ram1` and without `192.0.2.77`; it is empty again
/// afterwards. Among them are values that are too long, names that are too long, empty values, and one namespace more than a subsystem
/// takes.
///
/// # Panics
/// When the tree cannot be emptied.
pub fn mistakes(tree: &dyn Tree) -> Vec<Mistake> {
    let path = |text: &str| RelPath::new(text).must("a path");
    let mut all = Vec::new();
    let mut note = |line: &str, result| all.push(Mistake { line: line.to_owned(), result });
    for line in SCRIPT.lines() {
        let (verb, rest) = line.split_once(' ').unwrap_or((line, ""));
        let (at, value) = rest.split_once(' ').unwrap_or((rest, ""));
        let result = match verb {
            "mkdir" => tree.mkdir(&path(at)),
            "rmdir" => tree.rmdir(&path(at)),
            "unlink" => tree.unlink(&path(at)),
            "read" => tree.read(&path(at)).map(drop),
            "write" => tree.write(&path(at), value.replace("\\n", "\n").as_bytes()),
            _ => tree.symlink(&path(at), &path(value.trim_start_matches("-> "))),
        };
        note(line, result);
    }
    let device = path("subsystems/s/namespaces/2/device_path");
    note("mkdir subsystems/s/namespaces/2", tree.mkdir(&path("subsystems/s/namespaces/2")));
    note("write a device path of 5000 bytes", tree.write(&device, &[b'/'; 5000]));
    // Reading it would overwrite a byte behind the kernel's buffer: see `DevicePath::MAX_LEN`.
    tree.write(&device, b"/dev/ram0").must("a short path");
    note("write nothing to a device path", tree.write(&device, b""));
    note("mkdir a host of 256 bytes", tree.mkdir(&path(&format!("hosts/{}", "h".repeat(256)))));
    note("write an address of 257 bytes", tree.write(&path("ports/2/addr_traddr"), &[b'1'; 257]));
    for id in 3..1100 {
        let namespace = path(&format!("subsystems/s/namespaces/{id}"));
        let made = tree.mkdir(&namespace).and_then(|()| {
            tree.write(&namespace.at("device_path"), b"/dev/ram0")?;
            tree.write(&namespace.at("enable"), b"1")
        });
        if made.is_err() {
            note("make and enable one namespace too many", made);
            break;
        }
    }
    crate::clear(tree).must("anything can be removed");
    all
}
