//! Addresses of Fibre Channel ports.

use std::fmt;
use std::str::FromStr;

/// A Fibre Channel port: the world-wide names of its node and of itself.
///
/// Text: `nn-0x<16 hexadecimal digits>:pn-0x<16>`, or the same without `0x`. Printed with `0x`, in lower case, as the kernel compares it.
///
/// Source: `drivers/nvme/host/fc.c: nvme_fc_parse_traddr`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FcAddress {
    /// Name of the node.
    #[doc(alias = "WWNN")]
    pub node: u64,
    /// Name of the port.
    #[doc(alias = "WWPN")]
    pub port: u64,
}

/// Text that is not the address of a Fibre Channel port.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{}` is not the address of a Fibre Channel port (it looks like nn-0x20000090fae0ec9d:pn-0x10000090fae0ec9d)",
    .text.escape_debug()
)]
pub struct FcAddressError {
    /// The text.
    pub text: String,
}

impl FromStr for FcAddress {
    type Err = FcAddressError;

    fn from_str(text: &str) -> Result<Self, FcAddressError> {
        let name = |part: &str, prefix: &str, hex: bool| {
            let digits = part.strip_prefix(prefix)?;
            let digits = if hex { digits.strip_prefix("0x")? } else { digits };
            let all = digits.len() == 16 && digits.bytes().all(|b| b.is_ascii_hexdigit());
            all.then(|| u64::from_str_radix(digits, 16).ok())?
        };
        text.split_once(':')
            .and_then(|(node, port)| {
                let both = |hex| Some(Self { node: name(node, "nn-", hex)?, port: name(port, "pn-", hex)? });
                both(true).or_else(|| both(false))
            })
            .ok_or_else(|| FcAddressError { text: text.to_owned() })
    }
}

impl fmt::Display for FcAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "nn-0x{:016x}:pn-0x{:016x}", self.node, self.port)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_and_nothing_else() {
        let text = "nn-0x203b00a098cbcac6:pn-0x203d00a098cbcac6";
        let address: FcAddress = text.parse().unwrap();
        assert_eq!(address, FcAddress { node: 0x203b_00a0_98cb_cac6, port: 0x203d_00a0_98cb_cac6 });
        assert_eq!(address.to_string(), text);
        assert_eq!(text.replace("0x", "").parse(), Ok(address));
        assert_eq!(
            text.to_uppercase().replace("NN-0X", "nn-0x").replace("PN-0X", "pn-0x").parse(),
            Ok(address)
        );
        for bad in [
            "",
            "nn-0x1:pn-0x2",
            "nn-0x203b00a098cbcac6",
            "nn-0x203b00a098cbcac6:pn-203d00a098cbcac6",
            "nn-0x203b00a098cbcac6,pn-0x203d00a098cbcac6",
            "pn-0x203b00a098cbcac6:nn-0x203d00a098cbcac6",
            "nn-0x+03b00a098cbcac6:pn-0x203d00a098cbcac6",
            "nn-0x203b00a098cbcac6:pn-0x203d00a098cbcac6 ",
        ] {
            assert!(bad.parse::<FcAddress>().is_err(), "{bad}");
        }
    }
}
