//! What to do with each entry of a discovery log.
//!
//! | entry | what is done |
//! |---|---|
//! | another transport than the one that the log came by | skipped |
//! | the discovery service itself (subtype 3) | skipped |
//! | referral (subtype 1) that repeats this log's entries (DUPRETINFO) | skipped |
//! | other referral | asked, if referrals are followed |
//! | subsystem (subtype 2) | connected |
//! | subtype of the future | skipped; `nvme connect-all` takes it for a subsystem |
//! | address family, address, port or NQN that cannot be used | skipped |
//!
//! | requirement of an entry | option |
//! |---|---|
//! | flow control can be disabled (TREQ bit 2) | `disable_sqflow`; without it once more when the kernel answers EINVAL |
//! | secure channel required, by TLS (SECTYPE) | `tls` |
//! | secure channel offered and not required | none; `nvme connect-all` asks for secure concatenation then, and fails without a secret |
//!
//! Local address and interface are those that the log was asked from. Source: libnvme `fabrics.c: nvmf_connect_disc_entry`, nvme-cli `fabrics.c:
//! __discover`.

use std::fmt;

use nvme_proto::discovery::{DiscoveryEntry, EntryFlags, SecureChannel, SubsystemType, TcpSecurity};
use nvme_proto::{AddressFamily, IpTraddr, SubsysNqn, TransportType};

use super::DiscoveryRequest;
use crate::options::{ConnectOptions, OptionError, TransportName};

/// Why nothing was done with an entry.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum SkipReason {
    /// It is the discovery service that was asked.
    Itself,
    /// It refers to a discovery service whose log has the same entries.
    SameInformation,
    /// It is a referral, and referrals are not followed.
    Referral,
    /// It is reached by another transport than the discovery service.
    OtherTransport(TransportType),
    /// Its address is of a family that this transport does not have.
    AddressFamily(AddressFamily),
    /// It is of a kind that this crate does not know.
    UnknownKind(SubsystemType),
    /// Its address cannot be used.
    BadAddress(String),
    /// Its port is none.
    BadPort(String),
    /// Its NQN is none.
    BadName(String),
    /// What it says cannot be asked for.
    Option(OptionError),
    /// The same path stands in an earlier entry, or in the log of another discovery service.
    Repeated,
    /// The bound on what is followed is reached.
    Bound,
    /// The administrator does not want it: the entry of the [exclusions](crate::config::Exclusions).
    Excluded(String),
}

impl fmt::Display for SkipReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Itself => f.write_str("the discovery service itself"),
            Self::SameInformation => f.write_str("a discovery service with the same entries"),
            Self::Referral => f.write_str("a referral to another discovery service, not followed"),
            Self::OtherTransport(t) => write!(f, "reached by another transport ({t})"),
            Self::AddressFamily(family) => write!(f, "an address of another family ({family})"),
            Self::UnknownKind(kind) => write!(f, "of an unknown kind ({kind})"),
            Self::BadAddress(text) => write!(f, "`{}` is no numeric address", text.escape_debug()),
            Self::BadPort(text) => write!(f, "`{}` is no port", text.escape_debug()),
            Self::BadName(text) => write!(f, "`{}` is no NQN", text.escape_debug()),
            Self::Option(error) => write!(f, "{error}"),
            Self::Repeated => f.write_str("the same path as before"),
            Self::Bound => f.write_str("beyond the bound on referrals"),
            Self::Excluded(entry) => write!(f, "excluded by {entry}"),
        }
    }
}

/// What to do with an entry.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Decision {
    /// Connect to it.
    Connect(ConnectOptions),
    /// Ask it for its log.
    Refer(DiscoveryRequest),
    /// Leave it.
    Skip(SkipReason),
}

/// Decides for one entry of the log that `asked` gave. Changes nothing.
#[must_use]
pub fn decide(entry: &DiscoveryEntry, asked: &DiscoveryRequest) -> Decision {
    match options(entry, asked.options()) {
        Ok(decision) => decision,
        Err(reason) => Decision::Skip(reason),
    }
}

fn options(entry: &DiscoveryEntry, asked: &ConnectOptions) -> Result<Decision, SkipReason> {
    let transport = match (entry.transport_type(), asked.transport_name()) {
        (TransportType::TCP, TransportName::Tcp) => TransportName::Tcp,
        (TransportType::RDMA, TransportName::Rdma) => TransportName::Rdma,
        (other, _) => return Err(SkipReason::OtherTransport(other)),
    };
    let kind = entry.subsystem_type();
    let flags = entry.flags();
    match kind {
        SubsystemType::CURRENT_DISCOVERY => return Err(SkipReason::Itself),
        SubsystemType::REFERRAL if flags.contains(EntryFlags::DUPLICATE_INFORMATION) => {
            return Err(SkipReason::SameInformation);
        }
        SubsystemType::REFERRAL | SubsystemType::NVM => {}
        other => return Err(SkipReason::UnknownKind(other)),
    }
    if !matches!(entry.address_family(), AddressFamily::IPV4 | AddressFamily::IPV6) {
        return Err(SkipReason::AddressFamily(entry.address_family()));
    }
    let traddr = address(entry)?;
    let port = port(entry)?;
    let nqn: SubsysNqn = entry.subnqn().map_err(|_| SkipReason::BadName(entry.subnqn_text()))?;
    let host = asked.host().clone();
    let options = match transport {
        TransportName::Rdma => ConnectOptions::rdma(traddr, port, nqn.clone(), host),
        _ => ConnectOptions::tcp(traddr, port, nqn.clone(), host),
    };
    let options = options
        .and_then(|o| from_same_place(o, asked))
        .and_then(|o| if is_tls_required(entry) { o.tls() } else { Ok(o) })
        .map_err(SkipReason::Option)?;
    if kind == SubsystemType::REFERRAL {
        let options = options.with_discovery_nqn(nqn);
        return Ok(Decision::Refer(DiscoveryRequest { options }));
    }
    if entry.requirements().may_disable_flow_control() {
        return options.disable_sqflow().map(Decision::Connect).map_err(SkipReason::Option);
    }
    Ok(Decision::Connect(options))
}

fn is_tls_required(entry: &DiscoveryEntry) -> bool {
    entry.tcp_security().is_some_and(|security| security != TcpSecurity::NONE)
        && entry.requirements().secure_channel() == SecureChannel::REQUIRED
}

fn address(entry: &DiscoveryEntry) -> Result<IpTraddr, SkipReason> {
    entry.traddr_text().parse().map_err(|_| SkipReason::BadAddress(entry.traddr_text()))
}

fn port(entry: &DiscoveryEntry) -> Result<u16, SkipReason> {
    let text = entry.trsvcid_text();
    // Plain decimal only: the kernel would take `04420` for 2320.
    let is_decimal = text.bytes().all(|b| b.is_ascii_digit()) && !text.starts_with('0');
    match text.parse() {
        Ok(port) if is_decimal => Ok(port),
        _ => Err(SkipReason::BadPort(text)),
    }
}

/// With the local address and interface of the connection that the log came by.
fn from_same_place(options: ConnectOptions, asked: &ConnectOptions) -> Result<ConnectOptions, OptionError> {
    let options = match asked.local_address() {
        Some(local) => options.host_traddr(local.clone())?,
        None => options,
    };
    match asked.local_interface() {
        Some(interface) => options.host_iface(interface),
        None => Ok(options),
    }
}

#[cfg(test)]
mod tests {
    use nvme_proto::discovery::TransportRequirements;

    use super::*;
    use crate::identity::HostIdentity;

    fn asked() -> DiscoveryRequest {
        let host = HostIdentity::from_uuid("f81d4fae-7dec-11d0-a765-00a0c91e6bf6".parse().unwrap());
        DiscoveryRequest::tcp("192.0.2.1".parse().unwrap(), 8009, host)
            .and_then(|r| r.host_traddr("192.0.2.7".parse().unwrap()))
            .unwrap()
    }

    fn entry(kind: SubsystemType) -> DiscoveryEntry {
        DiscoveryEntry::tcp(kind, &"mysub".parse().unwrap(), &"192.0.2.10".parse().unwrap(), 4420)
    }

    fn changed(at: usize, bytes: &[u8]) -> Decision {
        let mut raw = entry(SubsystemType::NVM).as_bytes().to_vec();
        raw[at..at + bytes.len()].copy_from_slice(bytes);
        decide(&DiscoveryEntry::new_checked(raw.into()).unwrap(), &asked())
    }

    fn text(decision: Decision) -> String {
        match decision {
            Decision::Connect(o) => o.to_option_string().expose().to_owned(),
            Decision::Refer(r) => format!("refer {}", r.options().to_option_string().expose()),
            Decision::Skip(reason) => format!("skip: {reason}"),
        }
    }

    #[test]
    fn subsystems_are_connected_from_where_the_log_was_asked() {
        let got = text(decide(&entry(SubsystemType::NVM), &asked()));
        assert!(
            got.starts_with("transport=tcp,traddr=192.0.2.10,trsvcid=4420,host_traddr=192.0.2.7,nqn=mysub,"),
            "{got}"
        );
        let got = text(decide(&entry(SubsystemType::REFERRAL), &asked()));
        assert!(
            got.starts_with("refer transport=tcp,traddr=192.0.2.10,") && got.ends_with(",discovery"),
            "{got}"
        );
    }

    #[test]
    fn what_cannot_be_used_is_skipped_with_its_reason() {
        assert_eq!(
            text(decide(&entry(SubsystemType::CURRENT_DISCOVERY), &asked())),
            "skip: the discovery service itself"
        );
        for (at, bytes, want) in [
            (0, &[200][..], "skip: reached by another transport"),
            (0, &[1], "skip: reached by another transport"),
            (1, &[4], "skip: an address of another family"),
            (2, &[9], "skip: of an unknown kind"),
            (32, b"04420 ", "skip: `04420` is no port"),
            (32, b"http  ", "skip: `http` is no port"),
            (32, b"70000 ", "skip: `70000` is no port"),
            (256, b"\xff", "skip: `"),
            (512, b"192.0.2.1,tls   ", "skip: `192.0.2.1,tls` is no numeric address"),
            (512, b"target.example  ", "skip: `target.example` is no numeric address"),
        ] {
            let got = text(changed(at, bytes));
            assert!(got.starts_with(want), "{got} and not {want}");
        }
    }

    #[test]
    fn requirements_become_options() {
        let with = |treq: u8, security| {
            let mut e = entry(SubsystemType::NVM);
            e.set_requirements(TransportRequirements(treq));
            e.set_tcp_security(security);
            text(decide(&e, &asked()))
        };
        assert!(with(0x04, TcpSecurity::NONE).ends_with(",disable_sqflow"));
        assert!(with(0x01, TcpSecurity::TLS13).ends_with(",tls"));
        assert!(!with(0x02, TcpSecurity::TLS13).contains("tls"));
        assert!(!with(0x01, TcpSecurity::NONE).contains("tls"));
        let mut e = entry(SubsystemType::REFERRAL);
        e.set_flags(EntryFlags::DUPLICATE_INFORMATION);
        assert_eq!(text(decide(&e, &asked())), "skip: a discovery service with the same entries");
    }
}
