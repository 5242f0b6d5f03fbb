//! One controller as sysfs shows it.

use std::fmt;
use std::path::Path;
use std::time::Duration;

use zeroize::Zeroizing;

use super::{Address, Sysfs, read_bounded, switch, text, value};
use crate::kernel::names::ControllerName;
use crate::options::{ControllerLoss, FastIoFail, KeySerial};

/// More than the longest secret has.
const MAX_SECRET: usize = 512;

/// State of a controller, in the kernel's own words. Unknown words are kept.
///
/// Source: `sysfs.c: nvme_sysfs_show_state`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ControllerState(String);

impl ControllerState {
    /// The object exists, nothing was started.
    pub const NEW: &'static str = "new";
    /// First connect, or reconnecting after a loss.
    pub const CONNECTING: &'static str = "connecting";
    /// Usable.
    pub const LIVE: &'static str = "live";
    /// Reset or error recovery.
    pub const RESETTING: &'static str = "resetting";
    /// Being disconnected.
    pub const DELETING: &'static str = "deleting";
    /// Being disconnected, takes no I/O any more.
    pub const DELETING_NO_IO: &'static str = "deleting (no IO)";
    /// Given up.
    pub const DEAD: &'static str = "dead";

    /// The state that the kernel prints as `word`.
    #[must_use]
    pub fn new(word: &str) -> Self {
        Self(word.trim_matches(|c: char| c.is_ascii_whitespace()).to_owned())
    }

    /// The kernel's word.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Commands are accepted.
    #[must_use]
    pub fn is_live(&self) -> bool {
        self.0 == Self::LIVE
    }

    /// On its way out: it will not come back, and does not count as a duplicate of a new connection.
    #[must_use]
    pub fn is_terminal(&self) -> bool {
        matches!(self.0.as_str(), Self::DELETING | Self::DELETING_NO_IO | Self::DEAD)
    }
}

impl fmt::Display for ControllerState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// A controller: `/sys/class/nvme/nvmeN`.
///
/// | field | attribute | since |
/// |---|---|---|
/// | `state`, `transport`, `address`, `cntlid`, `subsystem_nqn`, `model`, `serial`, `firmware`, `queue_count` | same names (`subsysnqn`, `firmware_rev`) | before 5.10 |
/// | `queue_size` | `sqsize` + 1 | before 5.10 |
/// | `host_nqn`, `host_id`, `controller_loss`, `reconnect_delay` | `hostnqn`, `hostid`, `ctrl_loss_tmo`, `reconnect_delay`; fabrics only | 5.10 |
/// | `keep_alive`, `fast_io_fail` | `kato`, `fast_io_fail_tmo` | 5.15 |
/// | `controller_type`, `discovery_type` | `cntrltype`, `dctype` | 5.18 |
/// | `numa_node` | same name | before 5.10 |
/// | `host_secret`, `controller_secret` | `dhchap_secret`, `dhchap_ctrl_secret`: whether there is one | 6.0, with `CONFIG_NVME_HOST_AUTH` |
/// | `tls_key` | same name; TLS only | 6.7, with `CONFIG_NVME_TCP_TLS` |
/// | `logs_passthrough_errors` | `passthru_err_log_enabled` | 6.8 |
/// | `tls_configured_key`, `tls_keyring`, `tls_mode` | same names | 6.15 |
/// | `quirks` | same name | 7.0 |
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Controller {
    /// `nvmeN`.
    pub name: ControllerName,
    /// What it is doing.
    pub state: ControllerState,
    /// `tcp`, `rdma`, `fc`, `loop`, `pcie`, …; empty when unknown.
    pub transport: String,
    /// Where it is connected to.
    pub address: Address,
    /// NQN of the subsystem, as the controller reports it. A discovery controller that was connected by the well-known name may
    /// show its own unique name. Kept as text: old PCIe drives have made-up names that are no NQNs.
    #[doc(alias = "SUBNQN")]
    pub subsystem_nqn: Option<String>,
    /// NQN that this host used.
    pub host_nqn: Option<String>,
    /// Host identifier that this host used, lower-case UUID text.
    pub host_id: Option<String>,
    /// Controller identifier within the subsystem.
    pub cntlid: Option<u16>,
    /// `io`, `discovery`, `admin`, `reserved`.
    #[doc(alias = "CNTRLTYPE")]
    pub controller_type: Option<String>,
    /// `none`, `ddc` (direct), `cdc` (central), `reserved`.
    #[doc(alias = "DCTYPE")]
    pub discovery_type: Option<String>,
    /// Model, trimmed.
    pub model: Option<String>,
    /// Serial number, trimmed.
    pub serial: Option<String>,
    /// Firmware revision, trimmed.
    pub firmware: Option<String>,
    /// Queues, the admin queue included.
    pub queue_count: Option<u32>,
    /// Entries of an I/O queue after negotiation (one more than `sqsize`, which is 0's based).
    pub queue_size: Option<u32>,
    /// Keep-alive time-out; zero is off.
    #[doc(alias = "KATO")]
    pub keep_alive: Option<Duration>,
    /// How long a lost controller is kept.
    pub controller_loss: Option<ControllerLoss>,
    /// Pause between attempts to reconnect.
    pub reconnect_delay: Option<Duration>,
    /// How long I/O waits for a lost controller.
    pub fast_io_fail: Option<FastIoFail>,
    /// Node of the machine's memory that the controller is near to.
    pub numa_node: Option<u32>,
    /// Whether this host has a secret to authenticate itself with. Never the secret, which the kernel shows to every user.
    pub host_secret: Option<bool>,
    /// Whether the controller has to authenticate itself.
    pub controller_secret: Option<bool>,
    /// The key that TLS uses.
    pub tls_key: Option<KeySerial>,
    /// The key that was given at connect time, or made by secure concatenation.
    pub tls_configured_key: Option<KeySerial>,
    /// Name of the keyring that was given at connect time.
    pub tls_keyring: Option<String>,
    /// How TLS is used, where the kernel says so in a word.
    pub tls_mode: Option<String>,
    /// Whether errors of pass-through commands are written to the kernel log.
    pub logs_passthrough_errors: Option<bool>,
    /// Names of what the driver does differently for this controller; empty for none, `None` where the kernel does not tell.
    pub quirks: Option<Vec<String>>,
    /// Number of the sysfs directory, which the next controller of the same name does not get.
    pub(crate) directory: Option<u64>,
}

impl Controller {
    /// Reads `/sys/class/nvme/<name>`. `None`: there is no such controller, or it vanished meanwhile.
    #[must_use]
    pub fn read(sysfs: &Sysfs, name: ControllerName) -> Option<Self> {
        let dir = sysfs.class("nvme").join(name.to_string());
        // Present in every kernel and state; unreadable only when the controller is gone.
        let state = ControllerState::new(&read_bounded(&dir.join("state")).ok()?);
        let queue_size = value::<u32>(&dir, "sqsize").and_then(|n| n.checked_add(1));
        Some(Self {
            name,
            state,
            transport: text(&dir, "transport").unwrap_or_default(),
            address: text(&dir, "address").map(|t| Address::parse(&t)).unwrap_or_default(),
            subsystem_nqn: text(&dir, "subsysnqn"),
            host_nqn: text(&dir, "hostnqn"),
            host_id: text(&dir, "hostid"),
            cntlid: value(&dir, "cntlid"),
            controller_type: text(&dir, "cntrltype"),
            discovery_type: text(&dir, "dctype"),
            model: text(&dir, "model"),
            serial: text(&dir, "serial"),
            firmware: text(&dir, "firmware_rev"),
            queue_count: value(&dir, "queue_count"),
            queue_size,
            keep_alive: value(&dir, "kato").map(Duration::from_secs),
            controller_loss: seconds_or_off(&dir, "ctrl_loss_tmo")
                .map(|s| s.map_or(ControllerLoss::Never, ControllerLoss::After)),
            reconnect_delay: seconds_or_off(&dir, "reconnect_delay").flatten(),
            fast_io_fail: seconds_or_off(&dir, "fast_io_fail_tmo")
                .map(|s| s.map_or(FastIoFail::Off, FastIoFail::After)),
            numa_node: value(&dir, "numa_node"),
            host_secret: has_secret(&dir, "dhchap_secret"),
            controller_secret: has_secret(&dir, "dhchap_ctrl_secret"),
            tls_key: text(&dir, "tls_key").and_then(|t| KeySerial::from_hex(&t)),
            tls_configured_key: text(&dir, "tls_configured_key").and_then(|t| KeySerial::from_hex(&t)),
            tls_keyring: text(&dir, "tls_keyring"),
            tls_mode: text(&dir, "tls_mode"),
            logs_passthrough_errors: switch(&dir, "passthru_err_log_enabled"),
            quirks: text(&dir, "quirks").map(|t| quirks(&t)),
            directory: inode(&dir),
        })
    }

    /// Connected over a fabric, so it can be disconnected. PCIe drives (and Apple's `apple-nvme`) are not.
    #[must_use]
    pub fn is_fabrics(&self) -> bool {
        matches!(self.transport.as_str(), "tcp" | "rdma" | "fc" | "loop") || self.host_nqn.is_some()
    }

    /// A discovery controller: no namespaces, a log of what can be connected.
    #[must_use]
    pub fn is_discovery(&self) -> bool {
        match self.controller_type.as_deref() {
            Some(kind) => kind == "discovery",
            None => self.subsystem_nqn.as_deref() == Some(nvme_proto::DISCOVERY_NQN),
        }
    }

    /// Whether this is still the connection that `earlier` was, not another one that got its number.
    ///
    /// The controller identifier decides nothing: the target gives another one at every reconnect. Nor does the host identifier: before 6.5
    /// another connect by the same host NQN changes it.
    pub(crate) fn is_same_connection(&self, earlier: &Self) -> bool {
        // What is not known yet (first connect) or not any more (going away) decides nothing.
        fn differ<T: PartialEq>(a: Option<&T>, b: Option<&T>) -> bool {
            matches!((a, b), (Some(a), Some(b)) if a != b)
        }
        !(differ(self.directory.as_ref(), earlier.directory.as_ref())
            || differ(self.subsystem_nqn.as_ref(), earlier.subsystem_nqn.as_ref())
            || differ(self.host_nqn.as_ref(), earlier.host_nqn.as_ref())
            || differ(self.address.traddr.as_ref(), earlier.address.traddr.as_ref())
            || differ(self.address.trsvcid.as_ref(), earlier.address.trsvcid.as_ref()))
    }
}

/// The inode of the directory that the name in `/sys/class/nvme` leads to.
#[cfg(unix)]
fn inode(dir: &Path) -> Option<u64> {
    use std::os::unix::fs::MetadataExt as _;
    std::fs::metadata(dir).ok().map(|m| m.ino())
}

/// There are no such numbers here, and no sysfs.
#[cfg(not(unix))]
fn inode(_: &Path) -> Option<u64> {
    None
}

/// Whether an attribute with a secret in it says anything but `none`. What was read is wiped.
fn has_secret(dir: &Path, name: &str) -> Option<bool> {
    use std::io::Read as _;
    // Room for all that is read, so that no copy is left behind by a buffer that grew.
    let mut bytes = Zeroizing::new(Vec::with_capacity(MAX_SECRET));
    let file = std::fs::File::open(dir.join(name)).ok()?;
    file.take(MAX_SECRET as u64).read_to_end(&mut bytes).ok()?;
    let text = bytes.trim_ascii();
    Some(!text.is_empty() && text != b"none")
}

/// One name a line, or `none`.
fn quirks(text: &str) -> Vec<String> {
    text.lines().map(str::trim).filter(|l| !l.is_empty() && *l != "none").map(str::to_owned).collect()
}

/// A time-out attribute: `Some(None)` is `off` (or negative), `None` is unknown.
fn seconds_or_off(dir: &Path, name: &str) -> Option<Option<Duration>> {
    let text = text(dir, name)?;
    if text == "off" {
        return Some(None);
    }
    let seconds: i64 = text.parse().ok()?;
    Some(u64::try_from(seconds).ok().map(Duration::from_secs))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn tree(attributes: &[(&str, &str)]) -> (tempfile::TempDir, Option<Controller>) {
        let root = tempfile::tempdir().unwrap();
        let dir = root.path().join("sys/class/nvme/nvme2");
        fs::create_dir_all(&dir).unwrap();
        for (name, text) in attributes {
            fs::write(dir.join(name), text).unwrap();
        }
        let read = Controller::read(&Sysfs::at(root.path()), ControllerName::new(2));
        (root, read)
    }

    #[test]
    fn every_state_and_an_unknown_one() {
        for (word, live, terminal) in [
            ("new", false, false),
            ("connecting", false, false),
            ("live", true, false),
            ("resetting", false, false),
            ("deleting", false, true),
            ("deleting (no IO)", false, true),
            ("dead", false, true),
            ("hibernating", false, false),
        ] {
            let state = ControllerState::new(&format!("{word}\n"));
            assert_eq!(state.as_str(), word);
            assert_eq!((state.is_live(), state.is_terminal()), (live, terminal), "{word}");
        }
    }

    #[test]
    fn reads_what_is_there_and_leaves_the_rest_unknown() {
        let (_root, c) = tree(&[
            ("state", "live\n"),
            ("transport", "tcp\n"),
            ("address", "traddr=192.0.2.10,trsvcid=4420\n"),
            ("subsysnqn", "mysub\n"),
            ("sqsize", "127\n"),
            ("kato", "5\n"),
            ("ctrl_loss_tmo", "600\n"),
            ("reconnect_delay", "10\n"),
            ("fast_io_fail_tmo", "off\n"),
            ("cntlid", "1\n"),
        ]);
        let c = c.unwrap();
        assert_eq!(c.queue_size, Some(128));
        assert_eq!(c.keep_alive, Some(Duration::from_secs(5)));
        assert_eq!(c.controller_loss, Some(ControllerLoss::After(Duration::from_secs(600))));
        assert_eq!(c.reconnect_delay, Some(Duration::from_secs(10)));
        assert_eq!(c.fast_io_fail, Some(FastIoFail::Off));
        assert_eq!(c.controller_type, None);
        assert!(c.is_fabrics() && !c.is_discovery());
    }

    #[test]
    fn security_and_what_newer_kernels_tell() {
        let (_root, c) = tree(&[
            ("state", "live\n"),
            ("numa_node", "-1\n"),
            ("dhchap_secret", "DHHC-1:00:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh+KfiaR:\n"),
            ("dhchap_ctrl_secret", "none\n"),
            ("tls_key", "0f3a1b2c"),
            ("tls_configured_key", "00000000\n"),
            ("tls_keyring", ".nvme\n"),
            ("passthru_err_log_enabled", "off\n"),
            ("quirks", "no_ns_desc_list\nbogus_nid\n"),
        ]);
        let c = c.unwrap();
        assert_eq!((c.host_secret, c.controller_secret), (Some(true), Some(false)));
        assert!(!format!("{c:?}").contains("DHHC"), "{c:?}");
        assert_eq!((c.tls_key.map(KeySerial::as_u32), c.tls_configured_key), (Some(0x0f3a_1b2c), None));
        assert_eq!((c.tls_keyring.as_deref(), c.tls_mode), (Some(".nvme"), None));
        assert_eq!((c.logs_passthrough_errors, c.numa_node), (Some(false), None));
        assert_eq!(c.quirks.unwrap(), ["no_ns_desc_list", "bogus_nid"]);
        let (_root, c) = tree(&[("state", "live\n"), ("quirks", "none\n"), ("numa_node", "1\n")]);
        let c = c.unwrap();
        assert_eq!((c.quirks, c.numa_node, c.host_secret), (Some(Vec::new()), Some(1), None));
    }

    #[test]
    fn loss_time_out_off_is_never() {
        let (_root, c) = tree(&[("state", "live\n"), ("ctrl_loss_tmo", "off\n")]);
        assert_eq!(c.unwrap().controller_loss, Some(ControllerLoss::Never));
    }

    #[test]
    fn a_controller_without_state_is_gone() {
        let (_root, c) = tree(&[("transport", "tcp\n")]);
        assert_eq!(c, None);
    }

    #[test]
    fn in_its_first_connect_identify_data_is_unknown() {
        let (_root, c) = tree(&[
            ("state", "connecting\n"),
            ("transport", "tcp\n"),
            ("model", "(efault)\n"),
            ("subsysnqn", "(efault)\n"),
            ("sqsize", "4294967295\n"),
        ]);
        let c = c.unwrap();
        assert_eq!((c.model, c.subsystem_nqn, c.queue_size), (None, None, None));
    }

    #[test]
    fn pcie_is_not_fabrics() {
        let (_root, c) = tree(&[("state", "live\n"), ("transport", "pcie\n"), ("address", "0000:01:00.0\n")]);
        assert!(!c.unwrap().is_fabrics());
    }

    #[test]
    fn another_connection_with_the_same_number_is_noticed() {
        let root = tempfile::tempdir().unwrap();
        let dir = root.path().join("sys/class/nvme/nvme2");
        fs::create_dir_all(&dir).unwrap();
        let put = |name: &str, text: &str| fs::write(dir.join(name), text).unwrap();
        let read = || Controller::read(&Sysfs::at(root.path()), ControllerName::new(2)).unwrap();
        for (name, text) in [("state", "live"), ("subsysnqn", "a"), ("hostnqn", "h"), ("cntlid", "1")] {
            put(name, text);
        }
        let one = read();
        put("cntlid", "2");
        put("state", "connecting");
        assert!(read().is_same_connection(&one), "a reconnect changes the identifier");
        put("hostid", "1");
        let one = read();
        put("hostid", "2");
        assert!(read().is_same_connection(&one), "another connect by the same host may change it");
        put("subsysnqn", "b");
        assert!(!read().is_same_connection(&one));
        put("subsysnqn", "(efault)");
        assert!(read().is_same_connection(&one), "what is not known decides nothing");
        let mut twin = one.clone();
        twin.directory = one.directory.map(|n| n + 1);
        assert!(cfg!(not(unix)) || !twin.is_same_connection(&one), "the same parameters once more");
    }
}
