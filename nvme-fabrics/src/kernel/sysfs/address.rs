//! The `address` attribute of a controller.

/// The parts of a controller's address, as the kernel prints them.
///
/// | transport | text |
/// |---|---|
/// | tcp, rdma | `traddr=192.0.2.10,trsvcid=4420[,host_traddr=…][,host_iface=…][,src_addr=…]` |
/// | fc | `traddr=nn-0x…:pn-0x…,host_traddr=nn-0x…:pn-0x…` |
/// | loop | empty, or `traddr=…` |
/// | pcie | `0000:01:00.0`, no key: found in `text` only |
///
/// The values are the words given at connect time, not made canonical. `src_addr` (since 6.1) is there only while the admin queue
/// is connected. Source: `fabrics.c: nvmf_get_address`, `tcp.c: nvme_tcp_get_address`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Address {
    /// The whole attribute without its line end.
    pub text: String,
    /// The target's address.
    #[doc(alias = "TRADDR")]
    pub traddr: Option<String>,
    /// The target's port.
    #[doc(alias = "TRSVCID")]
    pub trsvcid: Option<String>,
    /// The local address that was asked for.
    pub host_traddr: Option<String>,
    /// The local interface that was asked for.
    pub host_iface: Option<String>,
    /// The local address that is in use.
    pub src_addr: Option<String>,
}

impl Address {
    /// Takes the text apart: parts end at commas, a key ends at the first `=`. Unknown keys stay in `text` only. Cannot fail.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let text = text.trim_matches(|c: char| c.is_ascii_whitespace());
        let mut address = Self { text: text.to_owned(), ..Self::default() };
        for (key, value) in text.split(',').filter_map(|part| part.split_once('=')) {
            let field = match key {
                "traddr" => &mut address.traddr,
                "trsvcid" => &mut address.trsvcid,
                "host_traddr" => &mut address.host_traddr,
                "host_iface" => &mut address.host_iface,
                "src_addr" => &mut address.src_addr,
                _ => continue,
            };
            // The kernel's words for "was not given".
            *field = (!value.is_empty() && value != "none" && value != "(null)").then(|| value.to_owned());
        }
        address
    }
}

impl std::fmt::Display for Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ipv6_with_scope_and_all_fields() {
        let a = Address::parse("traddr=fe80::1%eth1,trsvcid=8009,host_traddr=fe80::2,host_iface=eth1\n");
        assert_eq!(a.traddr.as_deref(), Some("fe80::1%eth1"));
        assert_eq!(a.trsvcid.as_deref(), Some("8009"));
        assert_eq!(a.host_traddr.as_deref(), Some("fe80::2"));
        assert_eq!(a.host_iface.as_deref(), Some("eth1"));
        assert_eq!(a.src_addr, None);
    }

    #[test]
    fn source_address_is_optional() {
        let with = Address::parse("traddr=192.0.2.10,trsvcid=4420,src_addr=192.0.2.55\n");
        assert_eq!(with.src_addr.as_deref(), Some("192.0.2.55"));
        assert_eq!(Address::parse("traddr=192.0.2.10,trsvcid=4420\n").src_addr, None);
    }

    #[test]
    fn fibre_channel_names_keep_their_colons() {
        let a = Address::parse(
            "traddr=nn-0x203b00a098cbcac6:pn-0x203d00a098cbcac6,host_traddr=nn-0x20000090fae0ec9d:pn-0x10000090fae0ec9d\n",
        );
        assert_eq!(a.traddr.as_deref(), Some("nn-0x203b00a098cbcac6:pn-0x203d00a098cbcac6"));
        assert_eq!(a.host_traddr.as_deref(), Some("nn-0x20000090fae0ec9d:pn-0x10000090fae0ec9d"));
    }

    #[test]
    fn pcie_and_loop_addresses_are_no_errors() {
        let pcie = Address::parse("0000:01:00.0\n");
        assert_eq!((pcie.text.as_str(), pcie.traddr.as_deref()), ("0000:01:00.0", None));
        assert_eq!(Address::parse("\n"), Address::default());
        assert_eq!(Address::parse("traddr=(null)\n").traddr, None);
    }

    #[test]
    fn the_key_ends_at_the_first_equals_sign() {
        assert_eq!(Address::parse("traddr=a=b,future=1").traddr.as_deref(), Some("a=b"));
    }
}
