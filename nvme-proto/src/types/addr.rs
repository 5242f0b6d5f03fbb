//! Transport types and address families.

use core::str::FromStr;

use crate::registry::wire_values;

wire_values! {
    /// Which transport carries NVMe. 1 byte (TRTYPE). The names are those of nvme-cli and of the kernel's `addr_trtype`.
    ///
    /// Source: NVMe over Fabrics 1.1 section 5.2 (discovery log page entry), kernel `include/linux/nvme.h: NVMF_TRTYPE_*`.
    #[doc(alias = "TRTYPE")]
    pub struct TransportType(u8) {
        /// A local PCI Express device; reserved on the wire. Discovery logs never hold it, the kernel's target does
        /// (`addr_trtype` = `pci`, since 6.14).
        PCIE = 0 => "pcie",
        /// RDMA: InfiniBand, RoCE, iWARP.
        RDMA = 1 => "rdma",
        /// Fibre Channel.
        FC = 2 => "fc",
        /// TCP, with or without TLS.
        TCP = 3 => "tcp",
        /// Inside one host: the loop transport of Linux.
        LOOP = 254 => "loop",
    }

    /// How a transport address is written. 1 byte (ADRFAM). The names are those of the kernel's `addr_adrfam`.
    ///
    /// Source: NVMe over Fabrics 1.1 section 5.2, kernel `drivers/nvme/target/configfs.c: nvmet_addr_family`.
    #[doc(alias = "ADRFAM")]
    pub struct AddressFamily(u8) {
        /// No address family is used.
        PCI = 0 => "pci",
        /// IPv4, dotted decimal.
        IPV4 = 1 => "ipv4",
        /// IPv6, colons and hexadecimal digits, with an optional `%interface` behind a link-local address.
        IPV6 = 2 => "ipv6",
        /// InfiniBand.
        INFINIBAND = 3 => "ib",
        /// Fibre Channel.
        FC = 4 => "fc",
        /// Inside one host.
        LOOP = 254 => "loop",
    }
}

/// A word that names no value of the registry it should come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
#[error("this is not the name of {what}; known are {known}")]
pub struct UnknownName {
    /// What was looked for.
    what: &'static str,
    /// The names there are.
    known: &'static str,
}

impl FromStr for TransportType {
    type Err = UnknownName;

    /// Finds the value of one of the names, written exactly so.
    fn from_str(text: &str) -> Result<Self, UnknownName> {
        let named = Self::NAMED.iter().copied().find(|value| value.name() == Some(text));
        named.ok_or(UnknownName { what: "a transport", known: "pcie, rdma, fc, tcp, loop" })
    }
}

impl FromStr for AddressFamily {
    type Err = UnknownName;

    /// Finds the value of one of the names, written exactly so.
    fn from_str(text: &str) -> Result<Self, UnknownName> {
        let named = Self::NAMED.iter().copied().find(|value| value.name() == Some(text));
        named.ok_or(UnknownName { what: "an address family", known: "pci, ipv4, ipv6, ib, fc, loop" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    #[test]
    fn names_parse_to_their_values() {
        for value in TransportType::NAMED {
            assert_eq!(value.to_string().parse(), Ok(*value));
        }
        for value in AddressFamily::NAMED {
            assert_eq!(value.to_string().parse(), Ok(*value));
        }
        assert_eq!("tcp".parse(), Ok(TransportType(3)));
        assert_eq!("ib".parse(), Ok(AddressFamily(3)));
    }

    #[test]
    fn other_words_are_refused_with_the_list() {
        for text in ["", "TCP", "tcp ", "3"] {
            let error = text.parse::<TransportType>().unwrap_err();
            assert!(error.to_string().contains("known are pcie, rdma, fc, tcp, loop"), "{error}");
        }
        for known in TransportType::NAMED {
            let error = "x".parse::<TransportType>().unwrap_err();
            assert!(error.known.contains(known.name().unwrap()));
        }
        for known in AddressFamily::NAMED {
            let error = "x".parse::<AddressFamily>().unwrap_err();
            assert!(error.known.contains(known.name().unwrap()));
        }
    }
}
