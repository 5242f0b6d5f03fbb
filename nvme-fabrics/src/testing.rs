//! For tests: the property that this crate's fuzz target checks, and a second reading of the option string.
//!
//! Part of the feature `testing`, and outside the promises of versioning.

#[cfg(any(feature = "tokio", feature = "soft-target"))]
#[cfg_attr(docsrs, doc(cfg(any(feature = "tokio", feature = "soft-target"))))]
pub mod faults;
#[cfg(any(feature = "tokio", feature = "soft-target"))]
#[cfg_attr(docsrs, doc(cfg(any(feature = "tokio", feature = "soft-target"))))]
pub mod model;
#[cfg(feature = "soft-target")]
#[cfg_attr(docsrs, doc(cfg(feature = "soft-target")))]
pub mod storage;
mod tree;

use std::collections::{BTreeMap, BTreeSet};

use nvme_proto::auth::DhchapSecret;
use nvme_proto::tls::{ConfiguredPsk, PskIdentity};
use nvme_proto::{HostNqn, IpTraddr, SubsysNqn};

pub use crate::kernel::device::ScriptedDevice;
pub use tree::{Tree, sysfs_tree};

use crate::identity::{HostIdentity, generate};
use crate::kernel::device::{OptionList, Reply};
use crate::kernel::disconnect::{Selector, unescaped};
use crate::kernel::events::{Event, Uevent};
use crate::kernel::keyring::ListedKey;
use crate::kernel::log::Record;
use crate::kernel::log::rejection::{self, Attempt};
use crate::kernel::modules::is_module;
use crate::kernel::names::{ControllerName, GenericName, NamespaceName, PathName, SubsystemName};
use crate::kernel::sysfs::{Address, ControllerState, DeviceNumber};
use crate::keys::KeyFile;
use crate::options::ConnectOptions;

/// Hosts that connect to a target in user space, send arbitrary commands and go, while it is changed: nothing panics; every command is answered or is
/// one of at most four that wait for an event; data are never more than asked for; and when all hosts are gone nothing of them is left.
#[cfg(feature = "soft-target")]
pub fn soft_target(data: &[u8]) {
    crate::target::exercise::commands(data);
}

/// Checks the readers of configuration files against one input, as each of the formats.
///
/// * Nothing panics, whatever the bytes are, and every fault has a place in the text.
/// * What is wanted cannot change what the kernel reads in an option string.
/// * Written as `nvme-fabrics.conf`, it is wanted again.
///
/// # Panics
/// When the property does not hold.
pub fn config(data: &[u8]) {
    crate::config::exercise::text(&String::from_utf8_lossy(data));
}

/// How the kernel reads an option string: names, and values where there are some. Written from the kernel's grammar and not from the
/// code that makes the strings, so that each checks the other.
///
/// Tokens end at commas and line ends; empty ones are skipped; the last of two equal ones wins; numbers may be decimal, octal (leading zero) or
/// hexadecimal. `None`: the kernel answers EINVAL.
#[must_use]
pub fn kernel_reading(text: &str) -> Option<BTreeMap<String, String>> {
    const TEXT: &[&str] = &[
        "transport",
        "traddr",
        "trsvcid",
        "nqn",
        "hostnqn",
        "hostid",
        "host_traddr",
        "host_iface",
        "dhchap_secret",
        "dhchap_ctrl_secret",
    ];
    const NUMBER: &[&str] = &[
        "queue_size",
        "nr_io_queues",
        "nr_write_queues",
        "nr_poll_queues",
        "reconnect_delay",
        "ctrl_loss_tmo",
        "keep_alive_tmo",
        "fast_io_fail_tmo",
        "tos",
        "keyring",
        "tls_key",
    ];
    const FLAG: &[&str] =
        &["duplicate_connect", "disable_sqflow", "hdr_digest", "data_digest", "discovery", "tls", "concat"];
    let mut options = BTreeMap::new();
    let c_string = text.split('\0').next()?;
    for token in c_string.split([',', '\n']).filter(|t| !t.is_empty()) {
        let (name, value) = match token.split_once('=') {
            Some((name, value)) if TEXT.contains(&name) && !value.is_empty() => (name, value.to_owned()),
            Some((name, value)) if NUMBER.contains(&name) => (name, c_int(value)?.to_string()),
            None if FLAG.contains(&token) => (token, String::new()),
            _ => return None,
        };
        options.insert(name.to_owned(), value);
    }
    for required in ["transport", "nqn"] {
        options.get(required)?;
    }
    Some(options)
}

/// `int` by the rules of `simple_strtol` with base 0.
fn c_int(text: &str) -> Option<i32> {
    let (negative, digits) = text.strip_prefix('-').map_or((false, text), |rest| (true, rest));
    let (radix, digits) = match digits.strip_prefix("0x").or(digits.strip_prefix("0X")) {
        Some(hex) => (16, hex),
        None if digits.len() > 1 && digits.starts_with('0') => (8, digits),
        None => (10, digits),
    };
    if digits.starts_with(['+', '-']) {
        return None;
    }
    let value = i64::from_str_radix(digits, radix).ok()?;
    i32::try_from(if negative { value.checked_neg()? } else { value }).ok()
}

/// Checks every text parser of this crate against one input.
///
/// * Nothing panics, whatever the bytes are.
/// * What parses prints and parses to the same.
/// * No text that a type accepts can change what the kernel reads in an option string.
///
/// # Panics
/// When the property does not hold.
pub fn text(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    names(&text);
    devices(&text);
    kernel_log(&text);
    option_strings(&text);
    uevents(data);
    let _ = generate::smbios_uuid(data);
    let _ = generate::machine_id(&text);
    let _ = generate::uuid_text(&text);
    let _ = is_module(&text, "nvme_tcp");
    assert!(unescaped(&text).len() <= text.len(), "an escape stands for one character");
}

/// Checks every parser of secrets and keys against one input.
///
/// * Nothing panics, whatever the bytes are.
/// * What parses prints and parses to the same, and no two texts are one secret.
/// * No error shows a piece of the text as long as half a key.
///
/// # Panics
/// When the property does not hold.
pub fn keys(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    if let Ok(secret) = text.parse::<DhchapSecret>() {
        assert_eq!(secret.expose_text().as_str(), text);
    }
    if let Ok(psk) = text.parse::<ConfiguredPsk>() {
        assert_eq!(psk.expose_text().as_str(), text);
    }
    if let Ok(identity) = text.parse::<PskIdentity>() {
        assert_eq!(identity.to_string(), text);
    }
    let file = KeyFile::parse(&text);
    let again = KeyFile::parse(&file.expose_text());
    assert!(again.keys == file.keys && again.faults.is_empty());
    let shown = format!("{file:?}");
    for key in &file.keys {
        assert!(!shown.contains(&key.expose_text().as_str()[16..]));
    }
    for fault in &file.faults {
        assert!(text.lines().nth(fault.line - 1).is_some(), "there is such a line");
    }
    for line in text.lines() {
        if let Some(key) = ListedKey::parse(line) {
            assert!(line.contains(&key.description) && key.serial.as_u32() <= i32::MAX as u32);
        }
    }
}

fn names(text: &str) {
    macro_rules! same_again {
        ($($name:ty)*) => {$(
            if let Ok(name) = text.parse::<$name>() {
                assert_eq!(name.to_string(), text.strip_prefix("/dev/").unwrap_or(text));
            }
        )*};
    }
    same_again!(ControllerName SubsystemName NamespaceName GenericName PathName);
    let kinds = [
        text.parse::<ControllerName>().is_ok(),
        text.parse::<NamespaceName>().is_ok(),
        text.parse::<PathName>().is_ok(),
        text.parse::<GenericName>().is_ok(),
        text.parse::<SubsystemName>().is_ok(),
    ];
    assert!(kinds.iter().filter(|is| **is).count() <= 1, "{text} is of two kinds");
    let [controller, namespace, _, generic, _] = kinds;
    assert_eq!(Selector::device(text).is_ok(), controller || namespace || generic);
}

fn devices(text: &str) {
    let address = Address::parse(text);
    assert_eq!(Address::parse(&address.to_string()), address);
    assert_eq!(ControllerState::new(ControllerState::new(text).as_str()), ControllerState::new(text));
    if let Some(number) = DeviceNumber::parse(text) {
        assert_eq!(DeviceNumber::parse(&number.to_string()), Some(number));
    }
    if let OptionList::Listed(names) = OptionList::parse(text) {
        assert!(names.iter().all(|n| !n.is_empty() && !n.contains([',', '\n', '='])));
    }
    if let Ok(reply) = Reply::parse(text) {
        let again = format!("instance={},cntlid={}\n", reply.controller.instance(), reply.cntlid.0);
        assert_eq!(Reply::parse(&again), Ok(reply));
    }
}

/// Whatever a message is, it is refused or says the same again.
///
/// # Panics
/// When the property does not hold.
fn uevents(data: &[u8]) {
    let Ok(event) = Uevent::parse(data) else { return };
    assert_eq!(Uevent::parse(&event.encode()), Ok(event.clone()));
    assert!(event.variables().all(|(name, _)| event.variable(name).is_some()));
    if let Some(typed) = Event::of(event.clone()) {
        assert_eq!(typed.uevent, event);
    }
}

fn kernel_log(text: &str) {
    let _ = Record::parse(text);
    // As a whole record, and as the message of one.
    let message = format!("3,1,2,-;nvme nvme0: {text}");
    let explain = |records: &[&str], existing: &BTreeSet<ControllerName>| {
        rejection::explain(records, &Attempt { subsystem: "mysub", host: "myhost", existing })
    };
    for records in [vec![text], vec![message.as_str()], text.lines().collect()] {
        if let Some(reason) = explain(&records, &BTreeSet::new()) {
            assert!(!reason.to_string().is_empty());
        }
    }
    let existing = BTreeSet::from([ControllerName::new(0)]);
    assert_eq!(explain(&[&message], &existing), None, "another controller's message");
}

/// The input as every text that goes into an option string.
fn option_strings(text: &str) {
    let host = HostIdentity::from_uuid(nvme_proto::HostId::from_bytes([7; 16]));
    let base = |nqn: SubsysNqn, host: HostIdentity| {
        ConnectOptions::tcp(std::net::Ipv4Addr::LOCALHOST.into_traddr(), 4420, nqn, host)
    };
    let plain = || SubsysNqn::discovery();
    let made = [
        text.parse::<SubsysNqn>().ok().and_then(|nqn| base(nqn, host.clone()).ok()),
        text.parse::<HostNqn>().ok().and_then(|nqn| base(plain(), HostIdentity::for_nqn(nqn)).ok()),
        text.parse::<IpTraddr>().ok().and_then(|a| ConnectOptions::tcp(a, 4420, plain(), host.clone()).ok()),
        base(plain(), host.clone()).and_then(|o| o.host_iface(text)).ok(),
    ];
    for options in made.into_iter().flatten() {
        check_option_string(&options);
    }
}

trait IntoTraddr {
    fn into_traddr(self) -> IpTraddr;
}

impl IntoTraddr for std::net::Ipv4Addr {
    fn into_traddr(self) -> IpTraddr {
        IpTraddr::new(self.into())
    }
}

/// The kernel must read exactly the options that were set, each once, with their values.
///
/// # Panics
/// When it does not.
pub fn check_option_string(options: &ConnectOptions) {
    let string = options.to_option_string();
    let text = string.expose();
    let read = kernel_reading(text);
    assert!(read.is_some(), "the kernel refuses {text:?}");
    let read = read.unwrap_or_default();
    let names: Vec<&str> = options.option_names();
    assert_eq!(names.iter().copied().collect::<BTreeSet<_>>(), read.keys().map(String::as_str).collect());
    assert_eq!(names.len(), read.len(), "an option is there twice: {text}");
    let is = |name: &str, want: Option<String>| assert_eq!(read.get(name).cloned(), want, "{name} in {text}");
    is("transport", Some(options.transport().to_owned()));
    is("traddr", options.traddr().map(ToString::to_string));
    is("trsvcid", options.port().map(|p| p.to_string()));
    is("nqn", Some(options.nqn().to_string()));
    is("hostnqn", Some(options.host().nqn.to_string()));
    is("hostid", Some(options.host().id.to_string()));
    is("host_traddr", options.local_address().map(ToString::to_string));
    is("host_iface", options.local_interface().map(str::to_owned));
    assert!(text.len() < 4096, "a write of more than a page is refused");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_reading_knows_the_kernels_traps() {
        let read = |rest: &str| kernel_reading(&format!("transport=tcp,nqn=x{rest}"));
        for refused in [
            ",foo=1",
            ",tls=1",
            ",hdr_digest=true",
            ",queue_size=16abc",
            ",queue_size=",
            ",nqn=",
            ",queue_size=4294967296",
        ] {
            assert_eq!(read(refused), None, "{refused}");
        }
        let value = |rest: &str, name: &str| read(rest).unwrap().get(name).cloned();
        assert_eq!(value(",queue_size=0x20", "queue_size").as_deref(), Some("32"));
        assert_eq!(value(",queue_size=020", "queue_size").as_deref(), Some("16"));
        assert_eq!(value(",,\nctrl_loss_tmo=-1,", "ctrl_loss_tmo").as_deref(), Some("-1"));
        assert_eq!(value(",nqn=y", "nqn").as_deref(), Some("y"), "the last one wins");
        assert_eq!(kernel_reading("nqn=x"), None);
        assert_eq!(kernel_reading(""), None);
    }
}
