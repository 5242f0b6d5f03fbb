//! The discovery log in the words of `nvme discover`.
//!
//! One function a field, for other forms of output, and [`render`] for the whole text. Values without a word print as
//! `unrecognized`, as `nvme` does; the numbers are in the entry itself.

use std::fmt::Write as _;

use nvme_proto::discovery::{DiscoveryEntry, DiscoveryLog};
use nvme_proto::{AddressFamily, TransportType};

const UNRECOGNIZED: &str = "unrecognized";

/// Transport type: `tcp`, `rdma`, `fc`, `loop`.
#[must_use]
pub fn trtype(entry: &DiscoveryEntry) -> &'static str {
    match entry.transport_type() {
        TransportType::RDMA => "rdma",
        TransportType::FC => "fc",
        TransportType::TCP => "tcp",
        TransportType::LOOP => "loop",
        _ => UNRECOGNIZED,
    }
}

/// Address family: `ipv4`, `ipv6`, …; empty for an entry without address.
#[must_use]
pub fn adrfam(entry: &DiscoveryEntry) -> &'static str {
    if entry.traddr_text().is_empty() {
        return "";
    }
    match entry.address_family() {
        AddressFamily::PCI => "pci",
        AddressFamily::IPV4 => "ipv4",
        AddressFamily::IPV6 => "ipv6",
        AddressFamily::INFINIBAND => "infiniband",
        AddressFamily::FC => "fibre-channel",
        _ => UNRECOGNIZED,
    }
}

/// What the entry leads to: `nvme subsystem`, `discovery subsystem referral`, `current discovery subsystem`.
#[must_use]
pub fn subtype(entry: &DiscoveryEntry) -> &'static str {
    entry.subsystem_type().name().unwrap_or(UNRECOGNIZED)
}

/// Transport requirements: `not specified`, `required, sq flow control disable supported`, …
#[must_use]
pub fn treq(entry: &DiscoveryEntry) -> String {
    if entry.requirements().secure_channel().name().is_none() {
        return UNRECOGNIZED.to_owned();
    }
    entry.requirements().to_string()
}

/// Port of the address.
#[must_use]
pub fn trsvcid(entry: &DiscoveryEntry) -> String {
    entry.trsvcid_text()
}

/// NQN of the subsystem.
#[must_use]
pub fn subnqn(entry: &DiscoveryEntry) -> String {
    entry.subnqn_text()
}

/// Address. Some Fibre Channel targets put a comma between the two names; it is shown as the colon that connecting needs.
#[must_use]
pub fn traddr(entry: &DiscoveryEntry) -> String {
    let text = entry.traddr_text();
    if entry.transport_type() == TransportType::FC { text.replace(',', ":") } else { text }
}

/// Entry flags: `none`, `explicit discovery connections, duplicate discovery information`, …
#[must_use]
pub fn eflags(entry: &DiscoveryEntry) -> String {
    entry.flags().to_string()
}

/// Security of a TCP connection: `none`, `tls`, `tls13`.
#[must_use]
pub fn sectype(entry: &DiscoveryEntry) -> &'static str {
    entry.tcp_security().and_then(|security| security.name()).unwrap_or(UNRECOGNIZED)
}

/// RDMA's transport-specific fields: provider type, queue pair type, connection manager, partition key.
fn rdma(entry: &DiscoveryEntry) -> [String; 4] {
    let byte = |at: usize| entry.transport_specific().get(at).copied().unwrap_or_default();
    let word = |words: &[&str], at: usize| {
        let value = usize::from(byte(at));
        value.checked_sub(1).and_then(|i| words.get(i)).map_or(UNRECOGNIZED, |word| word).to_owned()
    };
    let key = u16::from_le_bytes([byte(8), byte(9)]);
    [
        word(&["not specified", "infiniband", "roce", "roce-v2", "iwarp"], 1),
        word(&["connected", "datagram"], 0),
        word(&["rdma-cm"], 2),
        // C's `%#04x`: no prefix for zero.
        if key == 0 { "0000".to_owned() } else { format!("{key:#04x}") },
    ]
}

/// The whole log, as `nvme discover` prints it.
///
/// ```
/// use nvme_fabrics::discovery::text::render;
/// use nvme_proto::discovery::DiscoveryLog;
/// assert_eq!(render(&DiscoveryLog::new(2, vec![])), "\nDiscovery Log Number of Records 0, Generation counter 2\n");
/// ```
#[must_use]
pub fn render(log: &DiscoveryLog) -> String {
    let mut text = String::new();
    // Writing to a String cannot fail.
    let _ = writeln!(
        text,
        "\nDiscovery Log Number of Records {}, Generation counter {}",
        log.entries.len(),
        log.generation
    );
    for (index, entry) in log.entries.iter().enumerate() {
        let _ = writeln!(text, "=====Discovery Log Entry {index}======");
        let mut line = |key: &str, value: &str| {
            let _ = writeln!(text, "{key:<8} {value}");
        };
        line("trtype:", trtype(entry));
        line("adrfam:", adrfam(entry));
        line("subtype:", subtype(entry));
        line("treq:", &treq(entry));
        line("portid:", &entry.port_id().to_string());
        line("trsvcid:", &trsvcid(entry));
        line("subnqn:", &subnqn(entry));
        line("traddr:", &traddr(entry));
        line("eflags:", &eflags(entry));
        match entry.transport_type() {
            TransportType::TCP => line("sectype:", sectype(entry)),
            TransportType::RDMA => {
                let [provider, queue_pair, manager, key] = rdma(entry);
                line("rdma_prtype:", &provider);
                line("rdma_qptype:", &queue_pair);
                line("rdma_cms:   ", &manager);
                line("rdma_pkey:", &key);
            }
            _ => {}
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use nvme_proto::Traddr;
    use nvme_proto::discovery::{EntryFlags, SubsystemType, TransportRequirements};

    use super::*;

    fn entry() -> DiscoveryEntry {
        let mut entry = DiscoveryEntry::tcp(
            SubsystemType::NVM,
            &"nqn.2024-01.com.example:subsys1".parse().unwrap(),
            &"192.0.2.10".parse().unwrap(),
            4420,
        );
        entry.set_port_id(1);
        entry.set_requirements(TransportRequirements(4));
        entry
    }

    #[test]
    fn the_text_of_nvme_discover() {
        let want = "
Discovery Log Number of Records 1, Generation counter 2
=====Discovery Log Entry 0======
trtype:  tcp
adrfam:  ipv4
subtype: nvme subsystem
treq:    not specified, sq flow control disable supported
portid:  1
trsvcid: 4420
subnqn:  nqn.2024-01.com.example:subsys1
traddr:  192.0.2.10
eflags:  none
sectype: none
";
        assert_eq!(render(&DiscoveryLog::new(2, vec![entry()])), want);
    }

    #[test]
    fn words_of_the_other_values() {
        let mut e = entry();
        e.set_requirements(TransportRequirements(5));
        assert_eq!(treq(&e), "required, sq flow control disable supported");
        e.set_requirements(TransportRequirements(3));
        assert_eq!(treq(&e), "unrecognized");
        e.set_flags(EntryFlags(3));
        assert_eq!(eflags(&e), "explicit discovery connections, duplicate discovery information");
        e.set_transport_type(TransportType(200));
        e.set_subsystem_type(SubsystemType(9));
        assert_eq!((trtype(&e), subtype(&e)), ("unrecognized", "unrecognized"));
        assert!(!render(&DiscoveryLog::new(0, vec![e])).contains("sectype"));
        let mut empty = entry();
        empty.set_traddr(&Traddr::new("x").unwrap());
        assert_eq!(adrfam(&empty), "ipv4");
        assert_eq!(adrfam(&DiscoveryEntry::zeroed()), "");
    }

    #[test]
    fn fibre_channel_addresses_get_their_colon() {
        let mut bytes = entry().encode();
        bytes[0] = TransportType::FC.0;
        bytes[512..524].copy_from_slice(b"nn-0x1,pn-0x");
        let e = nvme_proto::discovery::LogEntry::new_checked(&bytes[..]).unwrap().to_owned();
        assert_eq!(traddr(&e), "nn-0x1:pn-0x");
    }

    #[test]
    fn rdma_has_fields_of_its_own() {
        let mut bytes = entry().encode();
        bytes[0] = TransportType::RDMA.0;
        bytes[768..771].copy_from_slice(&[1, 4, 1]);
        let log = |bytes: &[u8]| {
            let e = nvme_proto::discovery::LogEntry::new_checked(bytes).unwrap().to_owned();
            render(&DiscoveryLog::new(0, vec![e]))
        };
        let text = log(&bytes);
        assert!(
            text.ends_with(
                "rdma_prtype: roce-v2\nrdma_qptype: connected\nrdma_cms:    rdma-cm\nrdma_pkey: 0000\n"
            ),
            "{text}"
        );
        bytes[776..778].copy_from_slice(&[0xff, 0xff]);
        assert!(log(&bytes).ends_with("rdma_pkey: 0xffff\n"));
    }
}
