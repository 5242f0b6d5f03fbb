//! Every option of the fabrics device: what the setters check, what the documentation shows, and what tests count.
//!
//! One line an option. The setters of [`ConnectOptions`](super::ConnectOptions) take their range and transports from here, and the tables in the
//! documentation are printed from here (a test compares them).

use std::fmt;

/// A mainline release of the kernel. Distributions carry options back to older numbers, so nothing is refused by it: the running
/// kernel's own list of options decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub struct KernelVersion {
    /// First number.
    pub major: u16,
    /// Second number.
    pub minor: u16,
}

impl KernelVersion {
    /// `major.minor`.
    #[must_use]
    pub const fn new(major: u16, minor: u16) -> Self {
        Self { major, minor }
    }
}

impl fmt::Display for KernelVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

/// A transport of the kernel's host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum TransportName {
    /// NVMe/TCP, module `nvme-tcp`.
    Tcp,
    /// NVMe/RDMA, module `nvme-rdma`.
    Rdma,
    /// NVMe/FC, module `nvme-fc`.
    Fc,
    /// The target in the same kernel, module `nvme-loop`.
    Loop,
}

impl TransportName {
    /// The kernel's word: `tcp`, `rdma`, `fc`, `loop`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Rdma => "rdma",
            Self::Fc => "fc",
            Self::Loop => "loop",
        }
    }

    /// The module that brings it.
    #[must_use]
    pub const fn module(self) -> &'static str {
        match self {
            Self::Tcp => "nvme-tcp",
            Self::Rdma => "nvme-rdma",
            Self::Fc => "nvme-fc",
            Self::Loop => "nvme-loop",
        }
    }
}

impl fmt::Display for TransportName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// What stands after the name of an option.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum OptionValue {
    /// Text without commas and line ends.
    Text,
    /// A whole number.
    Number {
        /// Smallest value that this crate sends.
        min: i64,
        /// Largest.
        max: i64,
    },
    /// The serial number of a key or keyring in the kernel.
    Key,
    /// A secret, `DHHC-1:…`.
    Secret,
    /// Nothing: a flag.
    Nothing,
}

/// What is known about one option.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct OptionInfo {
    /// The kernel's spelling.
    pub name: &'static str,
    /// What stands after it.
    pub value: OptionValue,
    /// What the kernel does without it.
    pub default: &'static str,
    /// The transports that take it.
    pub transports: &'static [TransportName],
    /// First mainline release.
    pub since: KernelVersion,
    /// The build option that the kernel needs for it, if it is not always there.
    pub config: Option<&'static str>,
    /// The function of [`ConnectOptions`](super::ConnectOptions) that asks for it.
    pub setter: &'static str,
}

impl OptionInfo {
    /// Whether the transport takes it.
    #[must_use]
    pub fn is_for(&self, transport: TransportName) -> bool {
        self.transports.contains(&transport)
    }

    /// Whether mainline kernels of this version know it, if they were built with what it needs.
    #[must_use]
    pub fn is_in(&self, kernel: KernelVersion) -> bool {
        self.since <= kernel
    }

    /// What is known about the option of this name; `None` for one that is newer than this crate.
    #[must_use]
    pub fn of(name: &str) -> Option<&'static Self> {
        OPTIONS.iter().copied().find(|o| o.name == name)
    }
}

use TransportName::{Fc, Loop, Rdma, Tcp};

const ALL: &[TransportName] = &[Tcp, Rdma, Fc, Loop];
const NETWORK: &[TransportName] = &[Tcp, Rdma, Fc];
const IP: &[TransportName] = &[Tcp, Rdma];
const TCP: &[TransportName] = &[Tcp];

/// The kernel's `int`.
const INT_MAX: i64 = i32::MAX as i64;

/// The longest keep-alive time-out, in seconds: it travels as milliseconds in 32 bits, and 5.10 adds ten seconds of its own.
const MAX_KEEP_ALIVE: i64 = u32::MAX as i64 / 1000 - 10;

const AUTH: Option<&str> = Some("NVME_HOST_AUTH");
const TLS_BUILD: Option<&str> = Some("NVME_TCP_TLS");

const fn number(min: i64, max: i64) -> OptionValue {
    OptionValue::Number { min, max }
}

macro_rules! options {
    ($($constant:ident: $name:literal, $value:expr, $default:literal, $transports:expr, $major:literal . $minor:literal, $config:expr, $setter:literal;)*) => {
        $(pub(super) const $constant: OptionInfo = OptionInfo {
            name: $name,
            value: $value,
            default: $default,
            transports: $transports,
            since: KernelVersion { major: $major, minor: $minor },
            config: $config,
            setter: $setter,
        };)*

        /// Every option of kernels 5.10 to 7.x.
        ///
        #[doc = include_str!("table.md")]
        ///
        /// Values are plain decimal: the kernel takes `020` for 16. "Kernel build": the configuration option without which the kernel does
        /// not know the option; such an option is missing in its list.
        ///
        /// Source: `drivers/nvme/host/fabrics.c: nvmf_parse_options`, and the lists of allowed options in `tcp.c`, `rdma.c`, `fc.c` and
        /// `drivers/nvme/target/loop.c`.
        pub const OPTIONS: &[&OptionInfo] = &[$(&$constant,)*];
    };
}

options! {
    TRANSPORT: "transport", OptionValue::Text, "", ALL, 4 . 8, None, "tcp";
    NQN: "nqn", OptionValue::Text, "", ALL, 4 . 8, None, "tcp";
    TRADDR: "traddr", OptionValue::Text, "", ALL, 4 . 8, None, "tcp";
    TRSVCID: "trsvcid", number(1, 65535), "8009; rdma: 4420", IP, 4 . 8, None, "tcp";
    HOST_TRADDR: "host_traddr", OptionValue::Text, "", NETWORK, 4 . 10, None, "host_traddr";
    HOST_IFACE: "host_iface", OptionValue::Text, "", TCP, 5 . 14, None, "host_iface";
    HOSTNQN: "hostnqn", OptionValue::Text, "random", ALL, 4 . 8, None, "tcp";
    HOSTID: "hostid", OptionValue::Text, "random", ALL, 4 . 17, None, "tcp";
    NR_IO_QUEUES: "nr_io_queues", number(1, INT_MAX), "one a CPU", ALL, 4 . 8, None, "nr_io_queues";
    NR_WRITE_QUEUES: "nr_write_queues", number(1, INT_MAX), "none", IP, 5 . 0, None, "nr_write_queues";
    NR_POLL_QUEUES: "nr_poll_queues", number(1, INT_MAX), "none", IP, 5 . 1, None, "nr_poll_queues";
    QUEUE_SIZE: "queue_size", number(16, 1024), "128", ALL, 4 . 8, None, "queue_size";
    KEEP_ALIVE_TMO: "keep_alive_tmo", number(1, MAX_KEEP_ALIVE), "5 s; discovery: off", ALL, 4 . 8, None, "keep_alive";
    RECONNECT_DELAY: "reconnect_delay", number(1, INT_MAX), "10 s", NETWORK, 4 . 8, None, "reconnect_delay";
    CTRL_LOSS_TMO: "ctrl_loss_tmo", number(-1, INT_MAX), "600 s", NETWORK, 4 . 12, None, "controller_loss";
    FAST_IO_FAIL_TMO: "fast_io_fail_tmo", number(-1, INT_MAX), "off", ALL, 5 . 11, None, "fast_io_fail";
    TOS: "tos", number(0, 255), "the network's", IP, 5 . 4, None, "tos";
    DISCOVERY: "discovery", OptionValue::Nothing, "off", ALL, 5 . 16, None, "discovery";
    DUPLICATE_CONNECT: "duplicate_connect", OptionValue::Nothing, "off", ALL, 4 . 16, None, "duplicate_connect";
    DISABLE_SQFLOW: "disable_sqflow", OptionValue::Nothing, "off", ALL, 4 . 20, None, "disable_sqflow";
    HDR_DIGEST: "hdr_digest", OptionValue::Nothing, "off", TCP, 5 . 0, None, "header_digest";
    DATA_DIGEST: "data_digest", OptionValue::Nothing, "off", TCP, 5 . 0, None, "data_digest";
    DHCHAP_SECRET: "dhchap_secret", OptionValue::Secret, "none", ALL, 6 . 0, AUTH, "authenticate";
    DHCHAP_CTRL_SECRET: "dhchap_ctrl_secret", OptionValue::Secret, "none", ALL, 6 . 0, AUTH, "authenticate_controller";
    TLS: "tls", OptionValue::Nothing, "off", TCP, 6 . 7, TLS_BUILD, "tls";
    TLS_KEY: "tls_key", OptionValue::Key, "found by identity", TCP, 6 . 7, TLS_BUILD, "tls_key";
    KEYRING: "keyring", OptionValue::Key, ".nvme", TCP, 6 . 7, TLS_BUILD, "keyring";
    CONCAT: "concat", OptionValue::Nothing, "off", TCP, 6 . 15, TLS_BUILD, "secure_concatenation";
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The table of the documentation.
    fn rendered() -> String {
        let mut text = String::from(
            "| option | value | default | transports | since | kernel build | setter |\n|---|---|---|---|---|---|---|\n",
        );
        for o in OPTIONS {
            let value = match o.value {
                OptionValue::Text => "text".to_owned(),
                OptionValue::Number { min, max } if max == INT_MAX => format!("{min} and up"),
                OptionValue::Number { min, max } => format!("{min} to {max}"),
                OptionValue::Key => "serial of a key".to_owned(),
                OptionValue::Secret => "`DHHC-1:…`".to_owned(),
                OptionValue::Nothing => "flag".to_owned(),
            };
            let transports: Vec<_> = o.transports.iter().map(|t| t.as_str()).collect();
            text += &format!(
                "| `{}` | {value} | {} | {} | {} | {} | `{}` |\n",
                o.name,
                o.default,
                if o.transports == ALL { "all".to_owned() } else { transports.join(", ") },
                o.since,
                o.config.map(|c| format!("`CONFIG_{c}`")).unwrap_or_default(),
                o.setter,
            );
        }
        text
    }

    #[test]
    fn the_documentation_shows_this_table() {
        let want = rendered();
        assert_eq!(include_str!("table.md"), want, "print it into src/options/table.md:\n{want}");
        let support = include_str!("../../support.md");
        assert!(support.contains(&want), "print it into support.md, below `## Options`:\n{want}");
    }

    /// The long-term kernels, and the newest that the matrix runs.
    const KERNELS: [(u16, u16); 6] = [(5, 10), (5, 15), (6, 1), (6, 6), (6, 12), (7, 3)];

    /// Which kernel knows which option.
    fn by_kernel() -> String {
        let versions = KERNELS.map(|(major, minor)| KernelVersion::new(major, minor));
        let heads = versions.map(|version| version.to_string());
        let mut text = format!("| option | {} |\n|---{}|\n", heads.join(" | "), "|---".repeat(heads.len()));
        for o in OPTIONS {
            let cells = versions.map(|version| match (o.is_in(version), o.config) {
                (false, _) => "no",
                (true, None) => "yes",
                (true, Some(_)) => "if built",
            });
            text += &format!("| `{}` | {} |\n", o.name, cells.join(" | "));
        }
        text
    }

    #[test]
    fn support_shows_which_kernel_knows_what() {
        let want = by_kernel();
        let support = include_str!("../../support.md");
        assert!(support.contains(&want), "print it into support.md, below `## Options by kernel`:\n{want}");
        let known =
            |major, minor| OPTIONS.iter().filter(|o| o.is_in(KernelVersion::new(major, minor))).count();
        assert!(known(5, 10) < known(5, 15) && known(6, 1) < known(6, 12) && known(7, 3) == OPTIONS.len());
    }

    #[test]
    fn every_option_once() {
        for (n, o) in OPTIONS.iter().enumerate() {
            assert_eq!(OptionInfo::of(o.name), Some(*o));
            assert!(OPTIONS.iter().skip(n + 1).all(|other| other.name != o.name), "{}", o.name);
            assert!(!o.transports.is_empty());
        }
        assert_eq!(OptionInfo::of("recovery_delay"), None);
    }
}
