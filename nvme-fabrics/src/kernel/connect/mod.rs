//! Connect through the fabrics device.
//!
//! | step | can end in |
//! |---|---|
//! | read the list of options (kernels since 5.17) | [`ConnectError::Device`], [`ConnectError::Unsupported`] |
//! | look whether the address leads anywhere | [`ConnectError::NoInterface`] |
//! | look at the live controllers, where the kernel does not | [`ConnectError::AlreadyConnected`], [`ConnectError::IdentityConflict`] |
//! | mark the kernel log, write the options | [`ConnectError::Refused`] with the reason from the log |
//! | read and parse the reply | [`ConnectError::NoReply`], [`ConnectError::Reply`] |
//! | look for the same connection in other words, where the kernel alone looked before | [`ConnectError::AlreadyConnected`], [`ConnectError::Twice`] |
//!
//! Nothing is written before the first three steps are through. A failed write leaves nothing behind: the kernel takes its
//! half-made controller away itself.
//!
//! Kernels since 6.5 refuse duplicates and contradicting identities themselves, before they send a packet: there nobody looks before the write, and a connect
//! costs as many system calls with 200 controllers as with none. The error is the same, since the controllers are looked at when the kernel has said no.
//!
//! Older kernels let contradicting identities through, and give the controllers that are there the identifier of the newest: with another one they reconnect, and
//! lose their reservations. So there the identities of the live controllers are read first, until one is this host's own, which speaks for all others: two
//! attributes where this machine is one host, however many controllers it has. No kernel looks for duplicates of loop controllers, which has an end only with the
//! last controller.
//!
//! Two spellings of one address are one connection to this crate and two to the kernel. This crate writes one spelling only. Where another program wrote another
//! one, the kernel makes a second controller; then that is taken back, and the error is [`ConnectError::AlreadyConnected`] as ever. Finding it costs one look at a
//! name, and only where the new controller is not the first of its subsystem a look at its siblings.

mod error;
mod hint;
mod kind;
mod preflight;
mod security;
mod stage;
mod twin;
mod within;

use std::collections::BTreeSet;

use nvme_proto::Cntlid;

pub use error::ConnectError;
pub use kind::ConnectErrorKind;
use preflight::Looks;
pub(crate) use preflight::find_same;
pub use stage::Stage;
#[cfg(target_os = "linux")]
pub use within::connect_within;
pub use within::{Settled, Unfinished, WithinError, connect_within_with};

use super::device::{DeviceOp, FabricsDevice, Reply};
use super::errno::Errno;
use super::log::{KernelLog, rejection};
use super::names::ControllerName;
use super::sysfs::{Inventory, Sysfs};
use crate::options::ConnectOptions;

/// A controller that was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Connected {
    /// `nvmeN`. It is live, except by Fibre Channel, where it may still be connecting.
    pub controller: ControllerName,
    /// The identifier that the target gave it.
    pub cntlid: Cntlid,
}

/// Connects, with the kernel log (`/dev/kmsg`) as the source of reasons.
///
/// Blocks until the controller is live or has failed: seconds as a rule, over a minute for a target that accepts and then
/// does not answer, longer while other connects are running (the kernel makes one at a time). Namespaces appear
/// after this has returned: see [`wait_for_namespace`](super::wait::wait_for_namespace).
///
/// # Errors
/// [`ConnectError`]. Nothing is left of the connect then, with the exceptions of [`ConnectError::Reply`], [`ConnectError::NoReply`] and [`ConnectError::Twice`].
#[cfg(target_os = "linux")]
pub fn connect(
    device: &dyn FabricsDevice,
    sysfs: &Sysfs,
    options: &ConnectOptions,
) -> Result<Connected, ConnectError> {
    connect_with(device, sysfs, &mut super::log::OsKernelLog::system(), options)
}

/// As [`connect`], with another source of reasons; [`NoLog`](super::log::NoLog) for none.
///
/// # Errors
/// As [`connect`].
pub fn connect_with(
    device: &dyn FabricsDevice,
    sysfs: &Sysfs,
    log: &mut dyn KernelLog,
    options: &ConnectOptions,
) -> Result<Connected, ConnectError> {
    let target = || options.to_string();
    preflight::check_options(device, options)?;
    preflight::check_interface(options)?;
    let looks = preflight::who_looks(sysfs, options);
    let existing: BTreeSet<ControllerName> = match looks {
        Looks::Kernel => preflight::names(sysfs),
        Looks::Shared => {
            let names = preflight::names(sysfs);
            preflight::check_identities(sysfs, &names, options)?;
            names
        }
        Looks::Us => {
            let before = Inventory::scan_quietly(sysfs)
                .map_err(|source| ConnectError::Scan { target: target(), source })?;
            preflight::check_live_controllers(&before, options)?;
            before.controllers().map(|(_, c)| c.name).collect()
        }
    };

    // The kernel makes one controller at a time, so this costs nobody time; and what is logged while it is held is about this connect, where all who
    // connect by this crate are concerned.
    let _turn = device.turn();
    log.mark();
    let text = match device.create(options.to_option_string().expose()) {
        Ok(text) => text,
        Err(error) if error.op == DeviceOp::Write => {
            return Err(refused(sysfs, log, options, &existing, error));
        }
        Err(source) if source.op == DeviceOp::ReadReply => {
            return Err(ConnectError::NoReply { target: target(), source });
        }
        Err(source) => return Err(ConnectError::Device { target: target(), source }),
    };
    let reply = Reply::parse(&text).map_err(|source| ConnectError::Reply { target: target(), source })?;
    match looks {
        Looks::Kernel | Looks::Shared => refuse_twin(sysfs, options, reply.controller)?,
        Looks::Us => {}
    }
    Ok(Connected { controller: reply.controller, cntlid: reply.cntlid })
}

/// Takes a new controller back that is there already, under another spelling of its address.
fn refuse_twin(sysfs: &Sysfs, options: &ConnectOptions, made: ControllerName) -> Result<(), ConnectError> {
    let Some(twin) = twin::find(sysfs, options, made) else { return Ok(()) };
    let target = options.to_string();
    match within::remove(sysfs, made) {
        Ok(()) => Err(ConnectError::AlreadyConnected { target, controller: twin.name, state: twin.state }),
        Err(source) => {
            Err(ConnectError::Twice { target, controller: twin.name, made, source: Box::new(source) })
        }
    }
}

/// The kernel said no: find out why.
fn refused(
    sysfs: &Sysfs,
    log: &mut dyn KernelLog,
    options: &ConnectOptions,
    existing: &BTreeSet<ControllerName>,
    error: super::device::DeviceError,
) -> ConnectError {
    let errno = error.errno();
    // Somebody else may have connected between the look at sysfs and the write: look again, it names the controller.
    if matches!(errno, Some(Errno::EALREADY | Errno::EINVAL))
        && let Ok(now) = Inventory::scan_quietly(sysfs)
        && let Err(conflict) = preflight::check_live_controllers(&now, options)
    {
        return conflict;
    }
    let attempt =
        rejection::Attempt { subsystem: options.nqn().as_str(), host: options.host().nqn.as_str(), existing };
    let told = rejection::explain(&log.since_mark(), &attempt);
    let rejection = security::refine(sysfs, options, errno, told);
    ConnectError::Refused {
        target: options.to_string(),
        host: options.host().nqn.to_string(),
        stage: Stage::of(errno, rejection.as_ref()),
        rejection,
        source: error.source,
    }
}

#[cfg(test)]
mod tests {
    use super::super::device::{OptionList, ScriptedDevice};
    use super::super::log::{NoLog, Rejection};
    use super::super::sysfs::fixture::{Fixture, TCP};
    use super::*;
    use crate::identity::HostIdentity;

    const LIST: &str = "instance=-1,cntlid=-1,transport=%s,traddr=%s,trsvcid=%s,nqn=%s,hostnqn=%s,hostid=%s,hdr_digest,\
        queue_size=%d,duplicate_connect\n";
    const UUID: &str = "f81d4fae-7dec-11d0-a765-00a0c91e6bf6";

    fn device() -> ScriptedDevice {
        ScriptedDevice::new(OptionList::parse(LIST))
    }

    fn device_of_everything() -> ScriptedDevice {
        ScriptedDevice::new(OptionList::Unavailable)
    }

    fn options(traddr: &str, nqn: &str, uuid: &str) -> ConnectOptions {
        let host = HostIdentity::from_uuid(uuid.parse().unwrap());
        ConnectOptions::tcp(traddr.parse().unwrap(), 4420, nqn.parse().unwrap(), host).unwrap()
    }

    /// What a kernel would have logged.
    struct Script(Vec<String>);

    impl KernelLog for Script {
        fn mark(&mut self) {}
        fn since_mark(&mut self) -> Vec<String> {
            self.0.clone()
        }
    }

    fn log(text: &str) -> Script {
        Script(vec![format!("3,1,2,-;{text}\n")])
    }

    #[test]
    fn the_reply_names_the_controller() {
        let device = device().answer(Ok("instance=3,cntlid=1\n"));
        let options = options("192.0.2.10", "mysub", UUID);
        let got = connect_with(&device, &Fixture::new().sysfs(), &mut NoLog, &options).unwrap();
        assert_eq!(got, Connected { controller: ControllerName::new(3), cntlid: Cntlid(1) });
        assert_eq!(device.written(), [options.to_option_string().expose()]);
    }

    #[test]
    fn an_option_unknown_to_this_kernel_is_refused_by_name_and_nothing_is_written() {
        let device = device();
        let options = options("192.0.2.10", "mysub", UUID).header_digest().unwrap().data_digest().unwrap();
        let error = connect_with(&device, &Fixture::new().sysfs(), &mut NoLog, &options).unwrap_err();
        assert_eq!((error.option(), error.stage()), (Some("data_digest"), Stage::Request));
        assert!(error.to_string().contains("data_digest"), "{error}");
        assert!(device.written().is_empty());
    }

    #[test]
    fn what_a_kernel_was_not_built_with_is_told_and_newer_options_need_a_list() {
        let plain = options("192.0.2.10", "mysub", UUID);
        let error =
            connect_with(&device(), &Fixture::new().sysfs(), &mut NoLog, &plain.clone().tls().unwrap())
                .unwrap_err();
        assert!(error.to_string().contains("tls (nothing was sent; it needs Linux 6.7"), "{error}");
        assert!(error.to_string().contains("CONFIG_NVME_TCP_TLS"), "{error}");
        let newer = plain.newer_value("recovery_delay", "5").unwrap();
        for device in [device(), device_of_everything()] {
            let error = connect_with(&device, &Fixture::new().sysfs(), &mut NoLog, &newer).unwrap_err();
            assert_eq!(error.option(), Some("recovery_delay"));
            assert!(device.written().is_empty());
        }
        let list = format!("{},recovery_delay=%d\n", LIST.trim_end());
        let device = ScriptedDevice::new(OptionList::parse(&list)).answer(Ok("instance=0,cntlid=2\n"));
        connect_with(&device, &Fixture::new().sysfs(), &mut NoLog, &newer).unwrap();
        assert!(device.written()[0].ends_with(",recovery_delay=5"));
    }

    #[test]
    fn without_a_list_what_was_asked_for_is_sent_and_the_kernel_decides() {
        let device = ScriptedDevice::new(OptionList::Unavailable).answer(Ok("instance=0,cntlid=2\n"));
        let options = options("192.0.2.10", "mysub", UUID).data_digest().unwrap();
        assert!(connect_with(&device, &Fixture::new().sysfs(), &mut NoLog, &options).is_ok());
        assert!(device.written()[0].ends_with(",data_digest"));
    }

    #[test]
    fn a_missing_device_says_which_module_to_load() {
        let device = ScriptedDevice::unopenable(Errno::ENOENT);
        let error =
            connect_with(&device, &Fixture::new().sysfs(), &mut NoLog, &options("::1", "mysub", UUID))
                .unwrap_err();
        assert_eq!((error.stage(), error.errno()), (Stage::Device, Some(Errno::ENOENT)));
        assert!(error.hint().contains("modprobe nvme-tcp"), "{}", error.hint());
        let denied = ScriptedDevice::unopenable(Errno::EACCES);
        let error =
            connect_with(&denied, &Fixture::new().sysfs(), &mut NoLog, &options("::1", "mysub", UUID))
                .unwrap_err();
        assert!(error.hint().contains("root"), "{}", error.hint());
    }

    #[test]
    fn already_connected_names_the_controller_whatever_the_spelling_of_the_address() {
        let f = Fixture::new();
        f.controller("nvme5", TCP, &[("address", "traddr=0:0:0:0:0:0:0:1,trsvcid=4420,src_addr=::1")])
            .subsystem("nvme-subsys5", "mysub", &["nvme5"]);
        let device = device();
        let error =
            connect_with(&device, &f.sysfs(), &mut NoLog, &options("::1", "mysub", UUID)).unwrap_err();
        assert!(
            matches!(error, ConnectError::AlreadyConnected { controller, .. } if controller == ControllerName::new(5)),
            "{error}"
        );
        assert_eq!(error.stage(), Stage::Duplicate);
        assert!(device.written().is_empty());
    }

    #[test]
    fn a_kernel_that_looks_itself_is_asked_and_its_refusal_names_the_controller() {
        let f = Fixture::guide();
        f.file("proc/sys/kernel/osrelease", "6.12.48+deb13-cloud-amd64");
        let options = options("192.0.2.10", "mysub", UUID);
        let device = device().answer(Err(Errno::EALREADY)).answer(Ok("instance=6,cntlid=2\n"));
        let error = connect_with(&device, &f.sysfs(), &mut NoLog, &options).unwrap_err();
        assert!(
            matches!(error, ConnectError::AlreadyConnected { controller, .. } if controller == ControllerName::new(0)),
            "{error}"
        );
        assert_eq!(device.written().len(), 1, "the kernel was asked");
        f.remove("proc/sys/kernel/osrelease");
        assert!(connect_with(&device, &f.sysfs(), &mut NoLog, &options).is_err());
        assert_eq!(device.written().len(), 1, "one of which nothing is known was not");
    }

    #[test]
    fn a_twin_under_another_spelling_is_found_when_the_kernel_has_made_it() {
        let f = Fixture::new();
        f.file("proc/sys/kernel/osrelease", "6.12.48");
        f.controller("nvme5", TCP, &[("address", "traddr=0:0:0:0:0:0:0:1,trsvcid=4420")])
            .controller("nvme6", TCP, &[("address", "traddr=::1,trsvcid=4420"), ("cntlid", "2")])
            .subsystem("nvme-subsys5", "mysub", &["nvme5", "nvme6"]);
        let device = device().answer(Ok("instance=6,cntlid=2\n"));
        // Nothing here plays the kernel that takes it away: the attribute that would is missing.
        let error =
            connect_with(&device, &f.sysfs(), &mut NoLog, &options("::1", "mysub", UUID)).unwrap_err();
        assert!(
            matches!(error, ConnectError::Twice { controller, made, .. }
                if controller == ControllerName::new(5) && made == ControllerName::new(6)),
            "{error}"
        );
        assert_eq!((error.stage(), error.kind()), (Stage::Duplicate, ConnectErrorKind::AlreadyConnected));
        assert!(error.to_string().ends_with("and cannot be removed (disconnect nvme6)"), "{error}");
    }

    #[test]
    fn what_is_not_the_same_connection_is_not_a_duplicate() {
        let connects = |changed: &[(&str, &str)], options: &ConnectOptions| {
            let f = Fixture::new();
            f.controller("nvme5", TCP, changed).subsystem("nvme-subsys5", "mysub", &["nvme5"]);
            let device = device().answer(Ok("instance=6,cntlid=2\n"));
            connect_with(&device, &f.sysfs(), &mut NoLog, options).is_ok()
        };
        let same = options("192.0.2.10", "mysub", UUID);
        assert!(!connects(&[], &same));
        assert!(!connects(&[("state", "connecting")], &same), "the kernel counts it, so do we");
        assert!(connects(&[("state", "deleting")], &same));
        assert!(connects(&[("subsysnqn", "other")], &same));
        assert!(connects(&[("address", "traddr=192.0.2.11,trsvcid=4420")], &same));
        assert!(connects(&[("address", "traddr=192.0.2.10,trsvcid=4421")], &same));
        assert!(connects(&[("address", "traddr=192.0.2.10,trsvcid=4420,host_traddr=192.0.2.1")], &same));
        assert!(connects(&[("address", "traddr=192.0.2.10,trsvcid=4420,host_iface=eth0")], &same));
        assert!(connects(&[("transport", "rdma")], &same));
        assert!(connects(&[], &same.duplicate_connect().unwrap()));
    }

    #[test]
    fn an_identity_that_contradicts_a_live_one_names_its_controller() {
        let f = Fixture::guide();
        f.file("proc/sys/kernel/osrelease", "6.1.0-41-amd64");
        let mine = options("192.0.2.99", "other", UUID);
        let half = |nqn: &str, id: &str| {
            let host = HostIdentity::new(nqn.parse().unwrap(), id.parse().unwrap());
            let options =
                ConnectOptions::tcp("192.0.2.99".parse().unwrap(), 4420, "other".parse().unwrap(), host)
                    .unwrap();
            connect_with(&device(), &f.sysfs(), &mut NoLog, &options).unwrap_err()
        };
        for error in
            [half(mine.host().nqn.as_str(), "11111111-2222-4333-8444-555555555555"), half("other-host", UUID)]
        {
            assert_eq!(error.stage(), Stage::HostIdentity, "{error}");
            assert_eq!(error.conflicting(), Some(ControllerName::new(0)));
            assert!(error.to_string().contains("nvme0"), "{error}");
        }
        let device = device().answer(Ok("instance=1,cntlid=1\n"));
        assert!(connect_with(&device, &f.sysfs(), &mut NoLog, &mine).is_ok(), "the same pair is fine");
    }

    #[test]
    fn eio_is_explained_by_the_log() {
        let refused = |line: &str| {
            let device = device().answer(Err(Errno::EIO));
            connect_with(&device, &Fixture::new().sysfs(), &mut log(line), &options("::1", "mysub", UUID))
                .unwrap_err()
        };
        let error = refused("nvme nvme0: Connect Invalid Data Parameter, subsysnqn \"mysub\"");
        assert_eq!(error.rejection(), Some(&Rejection::SubsystemNotFound { subsystem: "mysub".into() }));
        assert_eq!((error.stage(), error.errno()), (Stage::Connect, Some(Errno::EIO)));
        let text = error.to_string();
        assert!(text.contains("does not offer subsystem `mysub`"), "{text}");
        let host = format!("nqn.2014-08.org.nvmexpress:uuid:{UUID}");
        let error =
            refused(&format!("nvme nvme0: Connect for subsystem mysub is not allowed, hostnqn: {host}"));
        assert!(error.to_string().contains(&format!("`mysub` does not allow host `{host}`")), "{error}");
    }

    #[test]
    fn eio_without_a_log_lists_what_is_likely() {
        let device = device().answer(Err(Errno::EIO));
        let error =
            connect_with(&device, &Fixture::new().sysfs(), &mut NoLog, &options("::1", "mysub", UUID))
                .unwrap_err();
        assert_eq!((error.stage(), error.rejection()), (Stage::Connect, None));
        let hint = error.hint();
        assert!(
            hint.contains("subsystem mysub at ::1") && hint.contains(UUID) && hint.contains("kernel log"),
            "{hint}"
        );
    }

    #[test]
    fn a_link_local_address_needs_an_interface() {
        let connects = |options: &ConnectOptions| {
            let device = device_of_everything().answer(Ok("instance=3,cntlid=1\n"));
            let result = connect_with(&device, &Fixture::new().sysfs(), &mut NoLog, options);
            assert_eq!(device.written().len(), usize::from(result.is_ok()));
            result
        };
        let bare = options("fe80::1", "mysub", UUID);
        let error = connects(&bare).unwrap_err();
        assert_eq!((error.stage(), error.errno()), (Stage::Address, None));
        assert!(error.to_string().contains("fe80::1%eth0"), "{error}");
        assert!(connects(&options("fe80::1%eth1", "mysub", UUID)).is_ok());
        assert!(connects(&bare.clone().host_iface("eth1").unwrap()).is_ok());
        let from = |local: &str| bare.clone().host_traddr(local.parse().unwrap()).unwrap();
        assert!(connects(&from("fe80::2%eth1")).is_ok());
        assert!(connects(&from("fe80::2")).is_err());
        assert!(connects(&options("fd00::1", "mysub", UUID)).is_ok());
    }

    #[test]
    fn a_reply_that_cannot_be_read_is_no_refusal() {
        /// Makes the controller and loses the answer.
        struct Mute;
        impl FabricsDevice for Mute {
            fn option_list(&self) -> Result<OptionList, super::super::device::DeviceError> {
                Ok(OptionList::Unavailable)
            }
            fn create(&self, _: &str) -> Result<String, super::super::device::DeviceError> {
                let path = self.path().to_owned();
                Err(super::super::device::DeviceError {
                    op: DeviceOp::ReadReply,
                    path,
                    source: Errno::EIO.into(),
                })
            }
            fn path(&self) -> &std::path::Path {
                std::path::Path::new("/dev/nvme-fabrics")
            }
        }
        let error = connect_with(&Mute, &Fixture::new().sysfs(), &mut NoLog, &options("::1", "mysub", UUID))
            .unwrap_err();
        assert!(error.to_string().starts_with("connected to subsystem mysub"), "{error}");
        assert_eq!(error.errno(), Some(Errno::EIO));
        assert!(!error.is_retryable());
    }

    #[test]
    fn a_race_for_the_same_connection_still_names_the_controller() {
        /// Connects somebody else first.
        struct Race<'a>(ScriptedDevice, &'a Fixture);
        impl FabricsDevice for Race<'_> {
            fn option_list(&self) -> Result<OptionList, super::super::device::DeviceError> {
                self.0.option_list()
            }
            fn create(&self, options: &str) -> Result<String, super::super::device::DeviceError> {
                self.1.controller("nvme0", TCP, &[]).subsystem("nvme-subsys0", "mysub", &["nvme0"]);
                self.0.create(options)
            }
            fn path(&self) -> &std::path::Path {
                self.0.path()
            }
        }
        let f = Fixture::new();
        let race = Race(device().answer(Err(Errno::EALREADY)), &f);
        let error =
            connect_with(&race, &f.sysfs(), &mut NoLog, &options("192.0.2.10", "mysub", UUID)).unwrap_err();
        assert!(matches!(error, ConnectError::AlreadyConnected { .. }), "{error}");
    }

    #[test]
    fn a_reply_without_a_controller_is_not_taken_for_nvme0() {
        let device = device().answer(Ok(""));
        let error =
            connect_with(&device, &Fixture::new().sysfs(), &mut NoLog, &options("::1", "mysub", UUID))
                .unwrap_err();
        assert!(matches!(error, ConnectError::Reply { .. }), "{error}");
    }
}
