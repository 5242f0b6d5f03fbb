//! The same operations on two trees: whether the simulated target answers as a real one does.

use std::fmt;

use super::Choices;
use crate::tree::{RelPath, Tree, dump};
use crate::{Errno, TreeError};

/// Two trees answered differently.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Disagreement {
    /// The operations until then, one a line; the last one is where they differ.
    pub history: Vec<String>,
    /// What the first tree answered, or its lines that the second one does not have.
    pub first: String,
    /// The same the other way round.
    pub second: String,
}

impl fmt::Display for Disagreement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "after")?;
        for line in &self.history {
            writeln!(f, "  {line}")?;
        }
        write!(f, "the first says\n  {}\nthe second says\n  {}", self.first, self.second)
    }
}

impl std::error::Error for Disagreement {}

/// Performs `count` operations, chosen by the bytes, on both trees, and compares each answer, what each stored value reads
/// back as, and the whole trees now and then. Values that are random on a kernel (serial numbers, UUIDs) are not compared.
///
/// Both trees must be empty. The operations know `/dev/ram0` and `/dev/ram1`, `127.0.0.1`, `::1` and `192.0.2.77`, which must
/// not be an address of the machine. Two things that harm real kernels are never done: enabling a namespace with
/// `buffered_io` and no device (a null pointer in all releases read), and writing `discovery_nqn` (a heap overflow before
/// 6.12.33).
///
/// # Errors
/// The first disagreement, with all operations that led to it.
pub fn agree(
    first: &dyn Tree,
    second: &dyn Tree,
    data: &[u8],
    count: usize,
) -> Result<(), Box<Disagreement>> {
    let mut choices = Choices::endless(data);
    let mut history = Vec::new();
    for n in 0..count {
        let operation = Operation::choose(&mut choices);
        if operation.is_harmful(first) {
            continue;
        }
        history.push(operation.to_string());
        let (a, b) = (operation.perform(first), operation.perform(second));
        if a != b {
            return Err(Box::new(Disagreement { history, first: a, second: b }));
        }
        if n % 16 == 15 || n + 1 == count {
            let (a, b) = (comparable(first), comparable(second));
            if a != b {
                let only = |x: &[String], y: &[String]| {
                    x.iter().filter(|line| !y.contains(line)).cloned().collect::<Vec<_>>().join("\n  ")
                };
                return Err(Box::new(Disagreement { history, first: only(&a, &b), second: only(&b, &a) }));
            }
        }
    }
    Ok(())
}

/// Attributes whose values are random or name the kernel's release until they are written.
const RANDOM: [&str; 3] = ["attr_serial", "device_uuid", "attr_firmware"];

fn is_random(path: &str) -> bool {
    RANDOM.iter().any(|name| path.ends_with(name))
}

fn comparable(tree: &dyn Tree) -> Vec<String> {
    let text = match dump(tree) {
        Ok(text) => text,
        Err(error) => return vec![error.to_string()],
    };
    let masked = |line: &str| match line.split_once(" = ") {
        Some((path, _)) if is_random(path) => path.to_owned(),
        _ => line.to_owned(),
    };
    text.lines().map(masked).collect()
}

enum Operation {
    Mkdir(String),
    Rmdir(String),
    Write(String, &'static str),
    Link(String, String),
    Unlink(String),
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Mkdir(path) => write!(f, "mkdir {path}"),
            Self::Rmdir(path) => write!(f, "rmdir {path}"),
            Self::Write(path, value) => write!(f, "write {path} {value:?}"),
            Self::Link(link, target) => write!(f, "link {link} -> {target}"),
            Self::Unlink(link) => write!(f, "unlink {link}"),
        }
    }
}

/// Attributes with values that are good, bad and odd.
type Values = &'static [(&'static str, &'static [&'static str])];

const BOOLS: &[&str] = &["1", "0", "1", "0", "yes", "off", "2", " 1"];

/// Not secrets of anyone.
const KEYS: &[&str] = &[
    "DHHC-1:00:ia6zGodOr4SEG0Zzaw398rpY0wqipUWj4jWjUh4HWUz6aQ2n:",
    "DHHC-1:03:short:\n",
    "DHHC-1:3:short  ",
    "DHHC-1:04:x:",
    " DHHC-1:00:x:",
    "DHHC-1:x",
    "key",
    "\n",
    "",
    "\0",
];

const HOST: Values = &[
    ("dhchap_key", KEYS),
    ("dhchap_ctrl_key", KEYS),
    ("dhchap_hash", &["hmac(sha256)", "hmac(sha384)\n", "hmac(sha512)x", "sha256", "hmac(md5)", ""]),
    ("dhchap_dhgroup", &["null", "ffdhe2048\n", "ffdhe8192x", "ffdhe1024", "none"]),
    ("dhchap_nosuch", &["1"]),
];

const SUBSYSTEM: Values = &[
    ("attr_allow_any_host", BOOLS),
    ("attr_model", &["Model", "a b", "two\nlines", "\t", "0123456789012345678901234567890123456789x"]),
    ("attr_serial", &["SN", "012345678901234567890", " lead"]),
    ("attr_version", &["1.4", "2.1.1", "1", "1.300"]),
    ("attr_cntlid_min", &["1", "7", "300", "0", "65537", "5x"]),
    ("attr_cntlid_max", &["65519", "7", "200", "65535", "0x10"]),
    ("attr_qid_max", &["4", "128", "129", "0"]),
    ("attr_ieee_oui", &["0x1234", "16777216", "4294967296", "x"]),
    ("attr_vendor_id", &["0x1af4", "65536"]),
    ("attr_pi_enable", &["1", "0", "x"]),
    ("attr_nosuch", &["1"]),
    ("passthru/device_path", &["/dev/ram0", "/dev/nothing"]),
    ("passthru/enable", BOOLS),
    ("passthru/clear_ids", &["0", "3", "x"]),
    ("passthru/admin_timeout", &["0", "100", "0x10", "-1", "4294967296", "x"]),
    ("passthru/io_timeout", &["0", "30\n", "010", "+5", " 1", ""]),
];

const NAMESPACE: Values = &[
    ("device_path", &["/dev/ram0", "/dev/ram1", "/dev/ram0\n", "/dev/nothing", "/dev", "/dev/null", "\n"]),
    ("device_path", &["/dev/ram0", "/dev/ram1"]),
    ("enable", BOOLS),
    ("enable", &["1"]),
    ("buffered_io", &["0", "1", "x"]),
    (
        "device_uuid",
        &["1b4e28ba-2fa1-11d2-883f-0016d3ccabcd", "1B4E28BA-2FA1-11D2-883F-0016D3CCABCDx", "1b4e"],
    ),
    (
        "device_nguid",
        &["0123456789abcdef0123456789abcdef", "01:23", "01-23-45-67-89-ab-cd-ef-01-23-45-67-89-ab-cd-ef"],
    ),
    ("ana_grpid", &["1", "2", "127", "128", "0", "129", "4294967296"]),
    ("revalidate_size", &["1", "0"]),
    ("resv_enable", &["1", "0", "x"]),
];

const PORT: Values = &[
    ("addr_trtype", &["tcp", "tcp", "tcp\n", "loop", "TCP", "pcie", "pci"]),
    ("addr_adrfam", &["ipv4", "ipv4", "ipv6", "ib", "IPv4", ""]),
    ("addr_traddr", &["127.0.0.1", "127.0.0.1", "::1", "0.0.0.0", "192.0.2.77", "localhost", "a b", "\n"]),
    ("addr_trsvcid", &["4420", "4421", "0x1144", "65536", "abc", "4420 x"]),
    ("addr_treq", &["required", "not specified", "not required", "never"]),
    ("addr_tsas", &["none", "tls1.3", "tls1.2"]),
    ("param_inline_data_size", &["4096", "-1", "0", "-2", "x"]),
    ("param_max_queue_size", &["128", "-1", "4", "4096", "x"]),
    ("param_mdts", &["0", "5", "255", "256", "-1"]),
    ("param_pi_enable", &["0", "0", "0", "1", "x"]),
    ("ana_groups/1/ana_state", &["optimized", "change", "Optimized"]),
    ("ana_groups/2/ana_state", &["non-optimized", "inaccessible\n", "x"]),
];

const REFERRAL: Values = &[
    ("addr_trtype", &["tcp", "rdma", "x"]),
    ("addr_adrfam", &["ipv4", "pci"]),
    ("addr_traddr", &["192.0.2.1", "a b"]),
    ("addr_trsvcid", &["8009"]),
    ("addr_treq", &["required", "x"]),
    ("addr_portid", &["1", "65536"]),
    ("enable", BOOLS),
];

impl Operation {
    fn choose(choices: &mut Choices<'_>) -> Self {
        let host = format!("hosts/h{}", choices.below(2));
        let subsystem = format!("subsystems/s{}", choices.below(2));
        let port =
            format!("ports/{}", ["1", "2", "0x1", "1x"][usize::from(choices.below(8)).saturating_sub(4)]);
        let nsid = ["1", "1", "2", "0x1", "0", "4294967296"][usize::from(choices.below(6))];
        let namespace = format!("{subsystem}/namespaces/{nsid}");
        let referral = format!("{port}/referrals/r");
        let group =
            format!("{port}/ana_groups/{}", ["2", "2", "1", "0", "129", "x"][usize::from(choices.below(6))]);
        let allowed = format!("{subsystem}/allowed_hosts/{}", ["a", "b"][usize::from(choices.below(2))]);
        let export = format!("{port}/subsystems/{}", ["a", "b"][usize::from(choices.below(2))]);
        let mut pick = |values: Values| {
            let (name, values) = values[usize::from(choices.byte()) % values.len()];
            (name, values[usize::from(choices.byte()) % values.len()])
        };
        let set = |dir: &str, (name, value): (&'static str, &'static str)| {
            Self::Write(format!("{dir}/{name}"), value)
        };
        let write = [
            set(&host, pick(HOST)),
            set(&subsystem, pick(SUBSYSTEM)),
            set(&namespace, pick(NAMESPACE)),
            set(&port, pick(PORT)),
            set(&referral, pick(REFERRAL)),
        ];
        let object = [&host, &subsystem, &port, &namespace, &namespace, &referral, &group];
        let object = object[usize::from(choices.below(7))].clone();
        match choices.below(26) {
            0..=4 => Self::Mkdir(object),
            5 | 6 => Self::Rmdir(object),
            7 | 8 => {
                Self::Link(allowed, [&host, &host, &host, &subsystem][usize::from(choices.below(4))].clone())
            }
            9..=11 => {
                let targets = [&subsystem, &subsystem, &subsystem, &subsystem, &host, &port];
                Self::Link(export, targets[usize::from(choices.below(6))].clone())
            }
            12 => Self::Unlink(allowed),
            13 => Self::Unlink(export),
            14 => {
                let odd =
                    ["other", "subsystems/s0/namespace", "subsystems/s0/namespace/1", "ports/1/x", "hosts"];
                Self::Mkdir(odd[usize::from(choices.below(5))].to_owned())
            }
            15 => {
                let kept =
                    ["hosts", "subsystems/s0/namespaces", "ports/1/ana_groups/1", "subsystems/s0/attr_model"];
                Self::Rmdir(kept[usize::from(choices.below(4))].to_owned())
            }
            n => {
                let [host, subsystem, namespace, port, referral] = write;
                match n {
                    16 | 17 => subsystem,
                    18..=20 => namespace,
                    21 | 22 => port,
                    23 | 24 => host,
                    _ => referral,
                }
            }
        }
    }

    /// Whether it would harm a real kernel.
    fn is_harmful(&self, tree: &dyn Tree) -> bool {
        let Self::Write(path, _) = self else { return false };
        let Some(dir) = path.strip_suffix("/enable") else { return false };
        let is = |name: &str, value: &[u8]| {
            RelPath::new(format!("{dir}/{name}")).is_ok_and(|p| tree.read(&p).is_ok_and(|v| v == value))
        };
        is("buffered_io", b"1\n") && is("device_path", b"(null)\n")
    }

    fn perform(&self, tree: &dyn Tree) -> String {
        let path = |text: &str| RelPath::new(text).unwrap_or_else(|_| RelPath::root());
        let result: Result<(), TreeError> = match self {
            Self::Mkdir(dir) => tree.mkdir(&path(dir)),
            Self::Rmdir(dir) => tree.rmdir(&path(dir)),
            Self::Write(attr, value) => tree.write(&path(attr), value.as_bytes()),
            Self::Link(link, target) => tree.symlink(&path(link), &path(target)),
            Self::Unlink(link) => tree.unlink(&path(link)),
        };
        match (result.map_err(|e| e.errno()), self) {
            (Ok(()), Self::Write(attr, _)) => match tree.read(&path(attr)) {
                Ok(value) => format!("stored as {:?}", String::from_utf8_lossy(&value)),
                Err(e) => format!("stored, reads {:?}", e.errno()),
            },
            (Ok(()), _) => "done".to_owned(),
            (Err(Errno(n)), _) => format!("{:?}", Errno(n)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree::{FakeKernel, FakeTree};

    #[test]
    fn a_tree_agrees_with_itself_and_not_with_another_kernels() {
        let data: Vec<u8> = (0..=255).collect();
        for kernel in FakeKernel::ALL {
            agree(&FakeTree::new(kernel), &FakeTree::new(kernel), &data, 2000).unwrap();
        }
        let error = agree(&FakeTree::new(FakeKernel::V6_1), &FakeTree::new(FakeKernel::V7_3), &data, 2000)
            .unwrap_err();
        assert!(error.to_string().contains("the first says"), "{error}");
    }
}
