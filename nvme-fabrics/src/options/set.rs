//! The setters of [`ConnectOptions`]. What is not set is not sent: the kernel's default holds.

use std::time::Duration;

use nvme_proto::{IpTraddr, SubsysNqn};

use super::table::{self, OptionInfo, OptionValue};
use super::{ConnectOptions, ControllerLoss, FastIoFail, Kind, OptionError, Transport, address};

/// Bytes of an interface name, the NUL of the kernel's buffer not counted (`IFNAMSIZ`).
const MAX_INTERFACE: usize = 15;

/// The option's own range.
pub(super) fn in_range(option: &OptionInfo, value: u64) -> Result<(), OptionError> {
    let OptionValue::Number { min, max } = option.value else { return Ok(()) };
    match i64::try_from(value) {
        Ok(number) if (min..=max).contains(&number) => Ok(()),
        _ => Err(OptionError::OutOfRange { option: option.name, value, min: min.max(0), max }),
    }
}

fn seconds(option: &OptionInfo, time: Duration) -> Result<(), OptionError> {
    if time.subsec_nanos() != 0 {
        return Err(OptionError::NotWholeSeconds { option: option.name });
    }
    in_range(option, time.as_secs())
}

impl ConnectOptions {
    /// The transport takes the option.
    pub(super) fn takes(&self, option: &OptionInfo) -> Result<(), OptionError> {
        let transport = self.transport_name();
        if option.is_for(transport) {
            Ok(())
        } else {
            Err(OptionError::NotForTransport { option: option.name, transport: transport.as_str() })
        }
    }

    fn io_only(&self, option: &OptionInfo) -> Result<(), OptionError> {
        if self.is_discovery() { Err(OptionError::NotForDiscovery { option: option.name }) } else { Ok(()) }
    }

    /// `nr_io_queues`: number of I/O queues, 1 and up. The kernel makes no more than it has CPUs, the target may grant fewer.
    ///
    /// # Errors
    /// [`OptionError`] for zero, for more than `i32::MAX`, and for a discovery controller.
    pub fn nr_io_queues(mut self, queues: u32) -> Result<Self, OptionError> {
        self.takes(&table::NR_IO_QUEUES)?;
        self.io_only(&table::NR_IO_QUEUES)?;
        in_range(&table::NR_IO_QUEUES, queues.into())?;
        self.nr_io_queues = Some(queues);
        Ok(self)
    }

    /// `nr_write_queues`: number of further queues for writes only, 1 and up.
    ///
    /// # Errors
    /// [`OptionError`] for zero, for more than `i32::MAX`, for a discovery controller and for transports without the option.
    pub fn nr_write_queues(mut self, queues: u32) -> Result<Self, OptionError> {
        self.takes(&table::NR_WRITE_QUEUES)?;
        self.io_only(&table::NR_WRITE_QUEUES)?;
        in_range(&table::NR_WRITE_QUEUES, queues.into())?;
        self.nr_write_queues = Some(queues);
        Ok(self)
    }

    /// `nr_poll_queues`: number of further queues that are polled instead of waited for, 1 and up.
    ///
    /// # Errors
    /// [`OptionError`] for zero, for more than `i32::MAX`, for a discovery controller and for transports without the option.
    pub fn nr_poll_queues(mut self, queues: u32) -> Result<Self, OptionError> {
        self.takes(&table::NR_POLL_QUEUES)?;
        self.io_only(&table::NR_POLL_QUEUES)?;
        in_range(&table::NR_POLL_QUEUES, queues.into())?;
        self.nr_poll_queues = Some(queues);
        Ok(self)
    }

    /// `queue_size`: entries of each I/O queue, 16 to 1024. The controller may lower it.
    ///
    /// # Errors
    /// [`OptionError`] outside that range and for a discovery controller.
    pub fn queue_size(mut self, entries: u16) -> Result<Self, OptionError> {
        self.io_only(&table::QUEUE_SIZE)?;
        in_range(&table::QUEUE_SIZE, entries.into())?;
        self.queue_size = Some(entries);
        Ok(self)
    }

    /// `keep_alive_tmo`: after this time without a sign of life each side gives the other up; whole seconds, 1 s and up.
    ///
    /// Zero cannot be asked for: kernels since 5.15 silently turn it into 5 s. For a discovery controller, setting a time makes it one that stays.
    ///
    /// # Errors
    /// [`OptionError`] for zero, for fractions, and for more than 4,294,957 s.
    pub fn keep_alive(mut self, time: Duration) -> Result<Self, OptionError> {
        seconds(&table::KEEP_ALIVE_TMO, time)?;
        self.keep_alive = Some(time);
        Ok(self)
    }

    /// `reconnect_delay`: pause between two attempts to reconnect; whole seconds, 1 s and up.
    ///
    /// # Errors
    /// [`OptionError`] for zero, for fractions, for more than `i32::MAX` seconds, and for the loop transport.
    pub fn reconnect_delay(mut self, time: Duration) -> Result<Self, OptionError> {
        self.takes(&table::RECONNECT_DELAY)?;
        seconds(&table::RECONNECT_DELAY, time)?;
        self.reconnect_delay = Some(time);
        Ok(self)
    }

    /// `ctrl_loss_tmo`: how long a lost controller is kept. The kernel rounds it up to a multiple of the reconnect delay. It does not
    /// apply to the first connect, which is tried once.
    ///
    /// # Errors
    /// [`OptionError`] for fractions, for more than `i32::MAX` seconds, and for the loop transport.
    #[doc(alias = "ctrl_loss_tmo")]
    pub fn controller_loss(mut self, loss: ControllerLoss) -> Result<Self, OptionError> {
        self.takes(&table::CTRL_LOSS_TMO)?;
        if let ControllerLoss::After(time) = loss {
            seconds(&table::CTRL_LOSS_TMO, time)?;
        }
        self.controller_loss = Some(loss);
        Ok(self)
    }

    /// `fast_io_fail_tmo`: how long I/O waits for a lost controller.
    ///
    /// # Errors
    /// [`OptionError`] for fractions and for more than `i32::MAX` seconds.
    #[doc(alias = "fast_io_fail_tmo")]
    pub fn fast_io_fail(mut self, fail: FastIoFail) -> Result<Self, OptionError> {
        if let FastIoFail::After(time) = fail {
            seconds(&table::FAST_IO_FAIL_TMO, time)?;
        }
        self.fast_io_fail = Some(fail);
        Ok(self)
    }

    /// `host_traddr`: the local address to connect from.
    ///
    /// # Errors
    /// [`OptionError`] for an address longer than 48 characters and for the loop transport.
    pub fn host_traddr(mut self, local: IpTraddr) -> Result<Self, OptionError> {
        self.takes(&table::HOST_TRADDR)?;
        let local = address(table::HOST_TRADDR.name, local)?;
        match &mut self.transport {
            Transport::Tcp { host_traddr, .. } | Transport::Rdma { host_traddr, .. } => {
                *host_traddr = Some(local);
                Ok(self)
            }
            // Fibre Channel has its local port from the start, of another type.
            Transport::Fc { .. } | Transport::Loop { .. } => Err(OptionError::NotForTransport {
                option: table::HOST_TRADDR.name,
                transport: self.transport(),
            }),
        }
    }

    /// `host_iface`: the local network interface to connect from. It is looked up in the initial network namespace.
    ///
    /// # Errors
    /// [`OptionError`] for what cannot be the name of an interface (1 to 15 bytes, no blank, slash, colon, comma or control character, not `.` or `..`)
    /// and for the loop transport.
    pub fn host_iface(mut self, interface: &str) -> Result<Self, OptionError> {
        const OPTION: &str = table::HOST_IFACE.name;
        self.takes(&table::HOST_IFACE)?;
        if interface.len() > MAX_INTERFACE {
            return Err(OptionError::TooLong { option: OPTION, len: interface.len(), max: MAX_INTERFACE });
        }
        // As the kernel's own rule (`net/core/dev.c: dev_valid_name`), and nothing that ends a value.
        let forbidden = |c: char| c.is_whitespace() || c.is_control() || matches!(c, '/' | ':' | ',');
        if interface.is_empty() || matches!(interface, "." | "..") || interface.contains(forbidden) {
            return Err(OptionError::BadName { option: OPTION, value: interface.to_owned() });
        }
        if let Transport::Tcp { host_iface, .. } = &mut self.transport {
            *host_iface = Some(interface.to_owned());
        }
        Ok(self)
    }

    /// `tos`: type of service of the connection's packets.
    ///
    /// # Errors
    /// [`OptionError`] for the loop transport.
    pub fn tos(mut self, tos: u8) -> Result<Self, OptionError> {
        self.takes(&table::TOS)?;
        self.tos = Some(tos);
        Ok(self)
    }

    /// `hdr_digest`: protect the header of every PDU by a CRC-32C. A kernel that does not know the option refuses; the connection never starts without it.
    ///
    /// # Errors
    /// [`OptionError`] for the loop transport.
    #[doc(alias = "hdr_digest")]
    pub fn header_digest(mut self) -> Result<Self, OptionError> {
        self.takes(&table::HDR_DIGEST)?;
        self.header_digest = true;
        Ok(self)
    }

    /// `data_digest`: protect all data by a CRC-32C. A kernel that does not know the option refuses; the connection never starts without it.
    ///
    /// # Errors
    /// [`OptionError`] for the loop transport.
    pub fn data_digest(mut self) -> Result<Self, OptionError> {
        self.takes(&table::DATA_DIGEST)?;
        self.data_digest = true;
        Ok(self)
    }

    /// `duplicate_connect`: connect even if there is a controller with the same parameters already.
    ///
    /// # Errors
    /// None today; the signature is that of all setters.
    pub fn duplicate_connect(mut self) -> Result<Self, OptionError> {
        self.duplicate_connect = true;
        Ok(self)
    }

    /// `disable_sqflow`: ask the controller to do without submission queue flow control.
    ///
    /// # Errors
    /// None today; the signature is that of all setters.
    pub fn disable_sqflow(mut self) -> Result<Self, OptionError> {
        self.disable_sqflow = true;
        Ok(self)
    }

    /// The same without `disable_sqflow`; `None` when it was not asked for.
    pub(crate) fn without_disable_sqflow(mut self) -> Option<Self> {
        std::mem::take(&mut self.disable_sqflow).then_some(self)
    }

    /// The same discovery connection to another discovery subsystem.
    pub(crate) fn with_discovery_nqn(mut self, nqn: SubsysNqn) -> Self {
        self.kind = if nqn.is_discovery() { Kind::WellKnownDiscovery } else { Kind::UniqueDiscovery };
        self.nqn = nqn;
        self
    }

    /// `discovery`: the NQN is that of a discovery subsystem. Needed for unique discovery NQNs only; the well-known one needs no mark. Kernels
    /// before 5.16 do not know the option and refuse.
    ///
    /// # Errors
    /// [`OptionError`] when queues were asked for.
    pub fn discovery(mut self) -> Result<Self, OptionError> {
        let queues = [
            ("nr_io_queues", self.nr_io_queues.is_some()),
            ("nr_write_queues", self.nr_write_queues.is_some()),
            ("nr_poll_queues", self.nr_poll_queues.is_some()),
            ("queue_size", self.queue_size.is_some()),
        ];
        if let Some((option, _)) = queues.iter().find(|(_, set)| *set) {
            return Err(OptionError::NotForDiscovery { option });
        }
        if self.kind == Kind::Io {
            self.kind = Kind::UniqueDiscovery;
        }
        Ok(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::HostIdentity;

    fn tcp() -> ConnectOptions {
        ConnectOptions::tcp("192.0.2.10".parse().unwrap(), 4420, "mysub".parse().unwrap(), host()).unwrap()
    }

    fn host() -> HostIdentity {
        HostIdentity::from_uuid("f81d4fae-7dec-11d0-a765-00a0c91e6bf6".parse().unwrap())
    }

    fn secs(n: u64) -> Duration {
        Duration::from_secs(n)
    }

    #[test]
    fn ranges_end_where_the_kernels_do_and_errors_name_the_option() {
        assert!(tcp().queue_size(16).is_ok() && tcp().queue_size(1024).is_ok());
        let out: [(&str, Result<ConnectOptions, OptionError>); 13] = [
            ("queue_size", tcp().queue_size(15)),
            ("queue_size", tcp().queue_size(1025)),
            ("nr_io_queues", tcp().nr_io_queues(0)),
            ("nr_io_queues", tcp().nr_io_queues(1 << 31)),
            ("nr_write_queues", tcp().nr_write_queues(0)),
            ("nr_poll_queues", tcp().nr_poll_queues(0)),
            ("keep_alive_tmo", tcp().keep_alive(secs(0))),
            ("keep_alive_tmo", tcp().keep_alive(secs(4_294_958))),
            ("keep_alive_tmo", tcp().keep_alive(Duration::from_millis(1500))),
            ("reconnect_delay", tcp().reconnect_delay(secs(0))),
            ("ctrl_loss_tmo", tcp().controller_loss(ControllerLoss::After(secs(1 << 31)))),
            ("fast_io_fail_tmo", tcp().fast_io_fail(FastIoFail::After(Duration::from_millis(1)))),
            ("trsvcid", ConnectOptions::tcp("::1".parse().unwrap(), 0, "mysub".parse().unwrap(), host())),
        ];
        for (option, result) in out {
            let error = result.unwrap_err();
            assert_eq!(error.option(), option);
            assert!(error.to_string().contains(option), "{error}");
        }
        assert_eq!(
            tcp().queue_size(15).unwrap_err().to_string(),
            "queue_size=15 is out of range (16 to 1024)"
        );
    }

    #[test]
    fn names_of_223_bytes_are_one_too_long_for_the_host() {
        let nqn = |n: usize| "n".repeat(n);
        let with =
            |n: usize| ConnectOptions::tcp("192.0.2.10".parse().unwrap(), 1, nqn(n).parse().unwrap(), host());
        assert!(with(222).is_ok());
        assert_eq!(with(223).unwrap_err(), OptionError::TooLong { option: "nqn", len: 223, max: 222 });
        let long = HostIdentity::for_nqn(nqn(223).parse().unwrap());
        assert_eq!(ConnectOptions::loopback("mysub".parse().unwrap(), long).unwrap_err().option(), "hostnqn");
    }

    #[test]
    fn interfaces_cannot_smuggle_in_options() {
        assert!(tcp().host_iface("eth0.100@x").is_ok());
        for bad in ["", "a,tls", "a\nb", "a b", "a/b", "a:b", "..", "a\0b"] {
            assert!(matches!(tcp().host_iface(bad), Err(OptionError::BadName { .. })), "{bad:?}");
        }
        assert!(matches!(tcp().host_iface("sixteen-bytes-ab"), Err(OptionError::TooLong { len: 16, .. })));
    }

    #[test]
    fn loop_takes_no_network_options() {
        let l = || ConnectOptions::loopback("mysub".parse().unwrap(), host()).unwrap();
        assert!(l().queue_size(64).and_then(|o| o.keep_alive(secs(30))).is_ok());
        for result in [
            l().header_digest(),
            l().data_digest(),
            l().tos(1),
            l().host_iface("eth0"),
            l().host_traddr("::1".parse().unwrap()),
            l().nr_poll_queues(1),
            l().nr_write_queues(1),
            l().reconnect_delay(secs(1)),
            l().controller_loss(ControllerLoss::Never),
        ] {
            assert!(
                matches!(result, Err(OptionError::NotForTransport { transport: "loop", .. })),
                "{result:?}"
            );
        }
    }

    #[test]
    fn rdma_and_fibre_channel_take_what_is_theirs() {
        let nqn = || "mysub".parse().unwrap();
        let rdma = || ConnectOptions::rdma("192.0.2.10".parse().unwrap(), 4420, nqn(), host()).unwrap();
        let port: crate::FcAddress = "nn-0x203b00a098cbcac6:pn-0x203d00a098cbcac6".parse().unwrap();
        let fc = || ConnectOptions::fc(port, port, nqn(), host()).unwrap();
        assert!(rdma().tos(1).and_then(|o| o.nr_poll_queues(1)).is_ok());
        assert!(fc().reconnect_delay(secs(2)).and_then(|o| o.controller_loss(ControllerLoss::Never)).is_ok());
        for (transport, result) in [
            ("rdma", rdma().host_iface("eth0")),
            ("rdma", rdma().header_digest()),
            ("rdma", rdma().tls()),
            ("fc", fc().tos(1)),
            ("fc", fc().data_digest()),
            ("fc", fc().nr_write_queues(1)),
            ("fc", fc().host_traddr("192.0.2.1".parse().unwrap())),
        ] {
            match result {
                Err(OptionError::NotForTransport { transport: t, .. }) => assert_eq!(t, transport),
                other => panic!("{other:?}"),
            }
        }
        let text = fc().to_option_string();
        assert!(
            text.expose().starts_with(&format!("transport=fc,traddr={port},host_traddr={port},nqn=")),
            "{text:?}"
        );
        assert!(rdma().refuses_duplicates() && fc().refuses_duplicates());
        let by_port = ConnectOptions::loopback_port("anything at all", nqn(), host()).unwrap();
        assert!(
            by_port.to_option_string().expose().starts_with("transport=loop,traddr=anything at all,nqn=")
        );
        assert!(ConnectOptions::loopback_port("a,tls", nqn(), host()).is_err());
    }

    #[test]
    fn discovery_and_queues_exclude_each_other_in_both_orders() {
        let unique = tcp().discovery().unwrap();
        assert!(unique.is_discovery());
        assert!(matches!(unique.queue_size(32), Err(OptionError::NotForDiscovery { option: "queue_size" })));
        let queues = tcp().nr_io_queues(2).unwrap();
        assert!(matches!(queues.discovery(), Err(OptionError::NotForDiscovery { option: "nr_io_queues" })));
    }

    #[test]
    fn an_address_with_a_long_scope_may_not_fit() {
        let long = "fe80:1234:1234:1234:1234:1234:1234:1234%interface-15-ab";
        let parsed: Result<IpTraddr, _> = long.parse();
        let error = tcp().host_traddr(parsed.unwrap()).unwrap_err();
        assert!(matches!(error, OptionError::TooLong { option: "host_traddr", max: 48, .. }), "{error}");
    }
}
